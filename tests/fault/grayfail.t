# A32 for graymilter: whichever call fails, once or twice in a row, nothing
# crashes or hangs, nobody is refused for good and nobody sent away who is known,
# and afterwards all is as if nothing had been: what a client was told, and a
# record that was taken, is there after a restart.
use strict;
use warnings;
use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Daemon;
use Fail;
use Fault;

# What may be answered, to those who have to wait and to those who pass.
my %mark = (options => ['-action', 'mark'], waits => 'delayed',
    trouble => qr/^pass$|^closed$/);
my %tempfail = (options => ['-onerror', 'tempfail'], waits => '451 4.7.1',
    trouble => qr/^t$|^closed$|^4.. 4\.3\.0$/);
my %accept = (options => [], waits => '451 4.7.1',
    trouble => qr/^pass$|^closed$/);

my @runs = (
	{ store => 'killed', way => \%tempfail, count => 1, step => 1 },
	{ store => 'killed', way => \%mark, count => 2, step => 7 },
	{ store => 'new', way => \%accept, count => 1, step => 2 },
);

my @files = (-whitelist => file('white', "198.51.100.0/24\n"),
    -recipients => file('recipients', "friend\@example.test\n"),
    -trap => file('trap', "trap\@example.test\n"));

# Of sender and recipient: when it was seen first, or '' if that is not known;
# and was it let through?
my $now = time;
my %known = (
	'known@client.example alice@example.test' => [$now - 7200, 1],
	'waits@client.example alice@example.test' => [$now - 100, 0],
	'ripe@client.example alice@example.test' => [$now - 7200, 0],
);
my %fresh = (new => {}, killed => \%known);

sub begin {
	my ($at, $run, @before) = @_;
	return launch($at, "$at/db", { name => 'graymilter',
	    before => [@before] }, -delay => '1h', @files,
	    @{ $run->{way}{options} });
}

sub record {
	my ($mail, $first, $passed) = @_;
	return "load triplet 192.0.2.0/24 $mail $first " . ($passed ?
	    $now - 60 : 0) . ' 0 1 0';
}

# It knows what it knew, or was told, or gets it by itself.
sub check_memory {
	my ($d, $memory) = @_;
	my @lost;
	eventually {
		my ($last, @lines) = $d->tell('dump');
		my %now = map { (split)[1] eq 'triplet' ?
		    (join(' ', (split)[3, 4]) => [(split)[5, 6]]) : () } @lines;
		@lost = grep {
			my ($first, $passed) = @{ $memory->{$_} };
			my $r = $now{$_} // ['', 0];
			$r->[0] eq '' || ($first && $r->[0] != $first) ||
			    ($passed && !$r->[1]);
		} sort keys %$memory;
		!@lost;
	} 3;
	die "forgotten: @lost\n" if @lost;
}

# Each is asked once while calls fail; the last ones are never sent away.
my @mails = (
	['192.0.2.1', 'known@client.example', 'alice@example.test'],
	['192.0.2.1', 'waits@client.example', 'alice@example.test'],
	['192.0.2.1', 'ripe@client.example', 'alice@example.test'],
	['192.0.2.1', 's1@client.example', 'alice@example.test'],
	['192.0.2.1', '', 'alice@example.test'],
	['192.0.2.1', 'known@client.example', 'alice@example.test',
	    'bob@example.test'],
);
my @exempt = (
	['192.0.2.1', 's2@client.example', 'friend@example.test'],
	['198.51.100.1', 's3@client.example', 'alice@example.test'],
);

# Returns what clients were told, and might have been: a hash for each.
sub work_during {
	my ($d, $run, $memory) = @_;
	my $waits = $run->{way}{waits};
	# It was lost, or may have been.
	my $unsure = $run->{store} eq 'killed' && !%$memory;
	my @told = map { { who => $_->[1], got => mail($d, @$_),
	    well => qr/^pass$/ } } @exempt;
	for (@mails) {
		my ($client, $sender, $to) = @$_;
		my $mail = ($sender eq '' ? '<>' : $sender) . " $to";
		# A bounce is sent away at DATA.
		my $later = $sender eq '' && $waits =~ /^451/ ? '421 4.7.1' :
		    $waits;
		my $was = $memory->{$mail} // ['', 0];
		my $got = mail($d, @$_);
		# A pass may be due to the trouble, but no other answer.
		$memory->{$mail} = [$was->[0], 1]
		    if $got eq 'delayed' && $was->[0] && $sender =~ /^ripe/;
		$memory->{$mail} = $was if $got eq $later;
		push @told, { who => $mail, got => $got, well =>
		    $unsure ? qr/^pass$|^delayed$|^\Q$later\E$/ :
		    $was->[1] ? qr/^pass$/ :
		    $sender =~ /^ripe/ && $was->[0] ? qr/^delayed$/ :
		    qr/^t$|^\Q$later\E$/ };	# t: no memory for its text
	}
	for my $n (1 .. 3) {
		my $mail = "loaded$n\@client.example alice\@example.test";
		$memory->{$mail} = [$now - 500, 1] if
		    $d->tell(record($mail, $now - 500, 1)) eq 'ok';
	}
	$d->tell($_) for 'list', 'dump', 'reload', 'stats',
	    'test 192.0.2.1 a@b c@d', 'spf 192.0.2.9 example.org pass';
	return @told;
}

sub check_replies {
	my ($run, $excuse, @told) = @_;
	for (@told) {
		next if $_->{got} =~ $run->{way}{trouble} ||
		    $_->{got} =~ $_->{well};
		next if $_->{got} eq 'timeout' && $excuse =~ $excused{silence};
		die "$_->{who} during the fault: $_->{got}\n";
	}
}

# The faults are over: all is well again, without help.
sub check_after {
	my ($d, $run, $excuse, $memory) = @_;
	eventually { $d->stat('store_up') } 15
	    or die "the store stays down\n";
	my $mail = 'after@client.example alice@example.test';
	my $said;
	# It is down for a moment yet, if it has not begun to be mended.
	eventually { ($said = $d->tell(record($mail, $now - 500, 1))) eq 'ok' }
	    15 or die "load afterwards: $said\n";
	$memory->{$mail} = [$now - 500, 1];
	check_memory($d, $memory);
	return if $excuse =~ $excused{silence};
	for ([after => 'pass'], [s9 => $run->{way}{waits}],
	    [s9 => $run->{way}{waits}]) {
		my ($sender, $wanted) = @$_;
		my $got = mail($d, '192.0.2.1', "$sender\@client.example",
		    'alice@example.test');
		die "$sender afterwards: $got\n" unless $got eq $wanted;
	}
	$memory->{'s9@client.example alice@example.test'} = ['', 0];
}

my %milter = (
	begin => \&begin,
	fresh => sub { return { %{ $fresh{ $_[0]{store} } } } },
	lost => sub { %{ $_[0] } = () },
	during => \&work_during,
	check => \&check_replies,
	after => \&check_after,
	again => \&check_memory,
);
make_killed(\%milter, $runs[0], sub {
	my ($d) = @_;
	$d->tell(record($_, @{ $known{$_} })) eq 'ok' or die $d->log
	    for keys %known;
});
run_faults(\%milter, \@runs);
done_testing;
