# A31: kill -9 at 200 random moments, while reports come in or while it starts
# and recovers.  Every start opens the store, and every report that was answered
# "ok" is there, in the form it was last given.
use strict;
use warnings;
use FindBin;
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

use lib $FindBin::Bin;
use Daemon;
use Fault;

use constant KILLS => $ENV{WATCH} ? 20 : 200;
use constant WRITERS => 4;
use constant LOAD_SECONDS => 0.08;	# the longest time to be killed in
use constant START_SECONDS => 0.04;	# the same for a start
use constant LIST_MAX => 10000;		# entries; then it is flushed

srand 31;
my $at = folder;
my $db = "$at/db";
mkdir $db;

# The reasons that may be found with a client: the one that was acknowledged
# last, and that of a report that was not answered; and must it be there?
my (%may, %must);
my (@clients, %busy);
my $reports = 0;

# Send a report, of a new client or of one that was reported before.
sub send_report {
	my ($s) = @_;
	my $n = ++$reports;
	my $client = $n % 2 && @clients ? $clients[rand @clients] : '';
	if ($client eq '' || $busy{$client}) {
		$client = join '.', 198, 18 + ($n >> 16), $n >> 8 & 255,
		    $n & 255;
		push @clients, $client;
	}
	$busy{$client} = 1;
	push @{ $may{$client} }, "r$n";
	print $s "report $client 3600 r$n\n";
	return [$client, "r$n"];
}

sub acknowledge {
	my ($client, $reason) = @_;
	$may{$client} = [$reason];
	$must{$client} = 1;
	delete $busy{$client};
}

# On some connections at once, until the time comes.
sub report_until_killed {
	my ($d, $moment) = @_;
	my $select = IO::Select->new;
	my %asked;
	for (1 .. WRITERS) {
		my $s = IO::Socket::UNIX->new(Peer => $d->control) or next;
		$s->autoflush(1);
		$select->add($s);
		$asked{$s} = send_report($s);
	}
	while ((my $left = $moment - time) > 0) {
		for my $s ($select->can_read($left)) {
			sysread $s, my $answer, 100 or return;
			return unless $answer eq "ok\n";
			acknowledge(@{ $asked{$s} });
			$asked{$s} = send_report($s);
		}
	}
	kill KILL => $d->pid;
	# What was answered before it died counts, too.
	for my $s ($select->handles) {
		sysread $s, my $answer, 100;
		acknowledge(@{ $asked{$s} }) if ($answer // '') eq "ok\n";
	}
}

# What is wrong with the list there is; from now on it is what is known.
sub check_list {
	my ($d) = @_;
	my %now = entries($d);
	my @lost = grep { !exists $now{$_} } keys %must;
	my @wrong = grep { my $r = $now{$_}; !grep { $_ eq $r }
	    @{ $may{$_} // [] } } keys %now;
	%may = map { $_ => [$now{$_}] } keys %now;
	%must = map { $_ => 1 } @clients = keys %now;
	%busy = ();
	return (@lost ? "lost @lost[0 .. ($#lost < 5 ? $#lost : 5)]" : (),
	    @wrong ? "wrong @wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]" : ());
}

my $most = 0;
my (@wrong, @complaints);
for my $round (1 .. KILLS) {
	unlink "$at/log";
	my $d = launch($at, $db);
	if ($round % 4 == 0) {
		sleep rand START_SECONDS;
		$d->stop('KILL');
		unlink "$at/log";
		$d = launch($at, $db);
	}
	is_ready($d) or die $d->log;
	push @wrong, map { "round $round: $_" } check_list($d);
	push @complaints, $d->lines(qr/corrupt|cannot|BDB/);
	$most = @clients if @clients > $most;
	if (@clients > LIST_MAX) {
		is $d->tell('flush'), 'ok', 'flushed';
		%may = %must = @clients = ();
	}
	report_until_killed($d, time + rand LOAD_SECONDS);
	$d->stop('KILL');
}
is_deeply \@wrong, [], 'nothing acknowledged is lost or another';
is_deeply \@complaints, [], 'every start opens the store';
cmp_ok $reports, '>', KILLS * 10, "after $reports reports";
cmp_ok $most, '>', KILLS, "at most $most entries";

unlink "$at/log";
my $d = launch($at, $db);
is_ready($d) or die $d->log;
is_deeply [check_list($d)], [], 'the last start';
is stop($d), 0, 'it ends cleanly';
unlink "$at/log";
$d = launch($at, $db);
is_ready($d) or die $d->log;
is_deeply [check_list($d)], [], 'and has it all';
is_deeply [glob "$db/*.bad-*"], [], 'nothing was set aside';
done_testing;
