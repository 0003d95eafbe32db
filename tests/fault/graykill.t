# A31 for graymilter: kill -9 at random moments, while mail comes in or while it
# starts and recovers.  Every start opens the store, and every decision a client
# was told is remembered: who was let through is known, and who was sent away is
# there with the time it was seen first.  KILLS=n for more of them.
use strict;
use warnings;
use FindBin;
use IO::Handle;
use Test::More;
use Time::HiRes qw(sleep time);

use lib $FindBin::Bin;
use Daemon;
use Fault;
use Milter;

use constant KILLS => $ENV{KILLS} // 20;
use constant CLIENTS => 4;
use constant LOAD_SECONDS => 0.3;	# the longest time to be killed in
use constant START_SECONDS => 0.04;	# the same for a start
use constant KNOWN_MAX => 20000;	# triplets; then all begins anew

srand 31;
my $at = folder;
my $db = "$at/db";
mkdir $db;

# Of each triplet, by the number in its sender: first, the time it is known to
# have been seen at first, or the earliest and latest it may have been; passed,
# it was let through; told, it must be there.
my %triplet;
my $next = 0;		# the number of the next new one
my %answers;		# how often each was given

sub begin {
	unlink "$at/log";
	return launch($at, $db, { name => 'graymilter' }, -delay => 1,
	    -autowhite => 0, -pendingmax => 1_000_000);
}

# One client: triplets of the rounds before and new ones, on one connection, for
# as long as there is an answer.  Says what it asks before it does.  The clock
# of time(3) is some milliseconds late.
sub send_mail {
	my ($d, $out, $new, @old) = @_;
	my $m = eval { Milter->new($d->socket) } or return;
	$m->connect('192.0.2.1');
	for (;;) {
		my $n = @old && rand() < 0.9 ? $old[rand @old] :
		    ($new += CLIENTS);
		syswrite $out, "ask $n " . int(time - 0.05) . "\n";
		$m->mail("<joe$n\@client.example>");
		my $r = $m->rcpt('<alice@example.test>');
		my $said = $r->{reply} eq 'y' ? substr $r->{text}, 0, 9 :
		    $r->{reply};
		return if $said =~ /^closed|^timeout/;
		syswrite $out, "got $n " . int(time) . " $said\n";
		$m->abort;
	}
}

# Some clients at once, until it is killed.
sub load_until_killed {
	my ($d, $seconds) = @_;
	my @old = sort { $a <=> $b } keys %triplet;
	splice @old, 0, -800 if @old > 800;
	my @pid;
	for my $me (0 .. CLIENTS - 1) {
		my $pid = fork // die "fork: $!";
		push @pid, $pid;
		next if $pid;
		srand $next + $me;
		open my $out, '>', "$at/said.$me" or POSIX::_exit(1);
		send_mail($d, $out, $next + $me,
		    grep { $_ % CLIENTS == $me } @old);
		POSIX::_exit(0);
	}
	sleep $seconds;
	$d->stop('KILL');
	waitpid $_, 0 for @pid;
	note_answer($_) for map { split /\n/, Daemon::slurp("$at/said.$_") }
	    0 .. CLIENTS - 1;
	$next -= $next % CLIENTS;
}

sub note_answer {
	my ($verb, $n, $time, $said) = split / /, $_[0], 4;
	$next = $n + CLIENTS if $n >= $next;
	if ($verb eq 'ask') {
		$triplet{$n} //= { first => [$time, $time + 60] };
		$triplet{$n}{asked} = 1;
		return;
	}
	my $t = $triplet{$n};
	$answers{$said}++;
	$t->{told} = 1;
	$t->{asked} = 0;
	$t->{first}[1] = $time if $t->{first}[1] > $time;
	$t->{passed} = 1 if $said eq 'c';
}

# What is wrong with what is there; from now on it is what is known.
sub check_records {
	my ($d) = @_;
	my ($last, @lines) = $d->tell('dump');
	my (%now, @wrong);
	for (@lines) {
		my (undef, $kind, undef, $sender, undef, $first, $passed) =
		    split;
		my ($n) = $sender =~ /^joe(\d+)\@/ or next;
		my $t = $triplet{$n};
		$now{$n} = { first => [$first, $first], told => 1,
		    passed => $passed != 0 };
		push @wrong, !$t ? "$n was never asked" :
		    $t->{passed} && !$passed ? "$n passed and has to wait" :
		    !$t->{passed} && !$t->{asked} && $passed ?
		    "$n was let through" :
		    $first < $t->{first}[0] || $first > $t->{first}[1] ?
		    "$n: first $first, not @{ $t->{first} }" : ();
	}
	push @wrong, "dump: $last" if $last ne 'ok';
	push @wrong, map { "$_ is forgotten" }
	    grep { $triplet{$_}{told} && !$now{$_} } keys %triplet;
	%triplet = %now;
	return @wrong > 6 ? @wrong[0 .. 5] : @wrong;
}

my $most = 0;
my (@wrong, @complaints);
for my $round (1 .. KILLS) {
	my $d = begin();
	if ($round % 4 == 0) {
		sleep rand START_SECONDS;
		$d->stop('KILL');
		$d = begin();
	}
	is_ready($d) or die $d->log;
	push @wrong, map { "round $round: $_" } check_records($d);
	push @complaints, $d->lines(qr/corrupt|cannot|BDB/);
	$most = keys %triplet if keys %triplet > $most;
	if (keys %triplet > KNOWN_MAX) {
		is $d->tell('forget 192.0.2.1'), 'ok', 'forgotten';
		%triplet = ();
	}
	load_until_killed($d, rand LOAD_SECONDS);
}
is_deeply \@wrong, [], 'no decision is forgotten, or another';
is_deeply \@complaints, [], 'every start opens the store';
cmp_ok $answers{'451 4.7.1'} // 0, '>', KILLS * 10, "451, $most known at most";
cmp_ok $answers{c} // 0, '>', KILLS, 'let through';
is_deeply [sort keys %answers], ['451 4.7.1', 'c'], 'no other answer';

my $d = begin();
is_ready($d) or die $d->log;
is_deeply [check_records($d)], [], 'the last start';
is stop($d), 0, 'it ends cleanly';
$d = begin();
is_ready($d) or die $d->log;
is_deeply [check_records($d)], [], 'and has it all';
is_deeply [glob "$db/*.bad-*"], [], 'nothing was set aside';
done_testing;
