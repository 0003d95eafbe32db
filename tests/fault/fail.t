# A32: whichever call fails, once or twice in a row, nothing crashes or hangs,
# nobody is refused who is on no list, and afterwards all is as if nothing had
# been: what a report was told "ok" for is there after a restart.
use strict;
use warnings;
use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Daemon;
use Fail;
use Fault;

# What is done with clients, and what either may be told during a fault.
my %mark = (options => ['-action', 'mark'], listed => 'marked',
    pass => qr/^[ca]$|^closed$/);
my %tempfail = (options => ['-onerror', 'tempfail'], listed => '554',
    pass => qr/^[cat]$|^closed$|^4..$/);

my @runs = (
	{ store => 'killed', way => \%tempfail, count => 1, step => 1 },
	{ store => 'killed', way => \%mark, count => 2, step => 5 },
	{ store => 'new', way => \%mark, count => 1, step => 1 },
);

my $list = file('list', "192.0.2.0/24\n");
my $white = file('white', "198.51.100.0/24\n");
my %reported = (new => {}, killed => { '203.0.113.200' => 'old' });

sub begin {
	my ($at, $run, @before) = @_;
	return launch($at, "$at/db", { before => [@before] },
	    -blacklist => $list, -whitelist => $white, @{ $run->{way}{options} });
}

# The short-term list has what was acknowledged, or gets it by itself.
sub check_list {
	my ($d, $reported) = @_;
	my @lost;
	eventually {
		my %now = entries($d);
		@lost = grep { ($now{$_} // '') ne $reported->{$_} }
		    sort keys %$reported;
		!@lost;
	} 3;
	die "acknowledged and lost: @lost\n" if @lost;
}

# While calls fail.  Returns what clients were told.
sub work_during {
	my ($d, $run, $reported) = @_;
	my %got = map { $_ => reply($d, $_) } '203.0.113.1', '192.0.2.1';
	for (1 .. 3) {
		my $said = $d->tell("report 203.0.113.10$_ 600 r$_");
		$reported->{"203.0.113.10$_"} = "r$_" if $said eq 'ok';
	}
	$d->tell($_) for 'list', 'reload', 'stats';
	return %got;
}

sub check_replies {
	my ($run, $excuse, %got) = @_;
	for (sort keys %got) {
		next if $got{$_} =~ $run->{way}{pass};
		next if /^192/ && $got{$_} eq $run->{way}{listed};
		next if $got{$_} eq 'timeout' && $excuse =~ $excused{silence};
		die "$_ during the fault: $got{$_}\n";
	}
}

# The faults are over: all is well again, without help.
sub check_after {
	my ($d, $run, $excuse, $reported) = @_;
	my $said = $d->tell('report 203.0.113.109 600 r9');
	die "report afterwards: $said\n" unless $said eq 'ok';
	$reported->{'203.0.113.109'} = 'r9';
	eventually { $d->stat('store_up') && !$d->stat('shortlist_unsaved') } 15
	    or die "the store stays down\n";
	check_list($d, $reported);
	return if $excuse =~ $excused{silence};
	my $got = reply($d, '203.0.113.1');
	die "unlisted afterwards: $got\n" unless $got =~ /^[ca]$/;
	$got = reply($d, '192.0.2.1');
	die "listed afterwards: $got\n" unless $got eq $run->{way}{listed};
}

my %milter = (
	begin => \&begin,
	fresh => sub { return { %{ $reported{ $_[0]{store} } } } },
	lost => sub { %{ $_[0] } = () },
	during => \&work_during,
	check => \&check_replies,
	after => \&check_after,
	again => \&check_list,
);
make_killed(\%milter, $runs[0], sub {
	my ($d) = @_;
	$d->tell("report $_ 600 $reported{killed}{$_}") eq 'ok' or die $d->log
	    for keys %{ $reported{killed} };
});
run_faults(\%milter, \@runs);
done_testing;
