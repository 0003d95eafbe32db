# A31: kill -9 at 200 random moments while reports come in.  Every start opens
# the store, and every report that was answered "ok" is there.

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(time);

use Daemon;

use constant KILLS => $ENV{WATCH} ? 20 : 200;
use constant WRITERS => 4;
use constant LOAD_SECONDS => 0.08;	# the longest time to be killed in
use constant LIST_MAX => 20000;		# entries; then it is flushed

srand 31;
my $db = folder . '/db';
mkdir $db;
my $next = 0;
my %acknowledged;

# A client that nobody reported before.
sub new_client {
	my $n = ++$next;
	return join '.', 198, 18 + ($n >> 16), $n >> 8 & 255, $n & 255;
}

# Report clients on some connections at once until the time comes.
sub report_until_killed {
	my ($d, $moment) = @_;
	my %asked;
	my $select = IO::Select->new;
	for (1 .. WRITERS) {
		my $s = IO::Socket::UNIX->new(Peer => $d->control) or next;
		$s->autoflush(1);
		$select->add($s);
		$asked{$s} = new_client;
		print $s "report $asked{$s} 3600 killed\n";
	}
	while ((my $left = $moment - time) > 0) {
		for my $s ($select->can_read($left)) {
			sysread $s, my $answer, 100 or return;
			return unless $answer eq "ok\n";
			$acknowledged{$asked{$s}} = 1;
			$asked{$s} = new_client;
			print $s "report $asked{$s} 3600 killed\n";
		}
	}
	kill KILL => $d->pid;
	# What was answered before it died counts, too.
	for my $s ($select->handles) {
		my $answer = '';
		sysread $s, $answer, 100;
		$acknowledged{$asked{$s}} = 1 if $answer eq "ok\n";
	}
}

sub start {
	return Daemon->start({ socket => folder . '/socket',
	    control => folder . '/control' }, '-db' => $db);
}

my ($lost, $wrong, $most, $refused) = (0, 0, 0, 0);
for my $round (1 .. KILLS) {
	my $d = start();
	my ($last, @entries) = $d->tell('list');
	my %listed = map { /^(\S+) report / ? ($1 => 1) : () } @entries;
	my @missing = grep { !$listed{$_} } keys %acknowledged;
	$lost += @missing;
	diag "round $round lost @missing[0 .. ($#missing < 5 ? $#missing : 5)]"
	    if @missing;
	$wrong++ if $last ne 'ok' || $d->log =~ /corrupt|cannot|BDB/;
	$most = @entries if @entries > $most;
	if (@entries > LIST_MAX) {
		$refused++ if $d->tell('flush') ne 'ok';
		%acknowledged = ();
	}
	report_until_killed($d, time + rand LOAD_SECONDS);
	$d->stop('KILL');
}

is $lost, 0, 'nothing acknowledged is lost';
is $wrong, 0, 'every start opens the store';
is $refused, 0, 'and it can be written';
cmp_ok $next, '>', KILLS * 10, "after $next reports and @{[KILLS]} kills";
cmp_ok $most, '>', KILLS, "at most $most entries";
is_deeply [glob "$db/*.bad-*"], [], 'nothing was set aside';

my $d = start();
is $d->stop, 0, 'it ends cleanly';
$d = start();
my %listed = map { /^(\S+)/ ? ($1 => 1) : () } $d->tell('list');
is_deeply [grep { !$listed{$_} } keys %acknowledged], [], 'and has it all';

done_testing;
