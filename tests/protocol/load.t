# Many clients at once, and too many.
use strict;
use warnings;
use IO::Select;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Milter;

my $list = file('list', "192.0.2.0/24\n2001:db8:bad::/48\n");
my $white = file('white', "192.0.2.128/25\n");
my @lists = (-blacklist => $list, -whitelist => $white);

# --- A19: 64 descriptors and 200 clients

SKIP: {
	skip 'A19: valgrind closes what is one too many', 1
	    if ($ENV{WATCH} // '') eq 'valgrind';
	my $d = Daemon->start({ before => ['sh', '-c',
	    'ulimit -S -n 32; ulimit -H -n 64; exec "$@"', 'sh'] }, @lists);
	my @clients = map { Milter->open($d->socket) } 1 .. 200;
	my $served = 0;
	for my $m (@clients) {
		$m->{patience} = $served < 40 ? 5 * slow : 0.1;
		eval { $m->negotiate; $served++; 1 } or last;
		$m->connect('192.0.2.1');
	}
	cmp_ok $served, '>', 40, 'A19: as many are served as can be';
	cmp_ok $served, '<', 64, 'A19: and no more';
	ok !$d->gone, 'A19: the daemon lives';
	$_->quit for splice @clients, 0, 150;
	my $begin = time;
	my $r = eval { Milter->session($d->socket, '192.0.2.1') } // {};
	my $took = time - $begin;
	like $r->{text}, qr/^554 5\.7\.1 /, 'A19: when they leave it serves';
	cmp_ok $took, '<', slow, 'A19: within a second';
	for my $m (@clients) {
		$m->{patience} = 5 * slow;
		eval { $m->negotiate; $m->connect('192.0.2.1'); };
	}
	is scalar(grep { $_->helo('client.example')->{reply} eq 'y' }
	    @clients), 50, 'A19: and so are those who stayed';
	$_->quit for @clients;
	eventually { $d->stat('sessions') == 0 } 10;
	is $d->stat('sessions'), 0, 'A19: no session is left';
	is $d->tell('list'), 'ok', 'A19: the control socket answers';
}

# --- a hundred at once, all of them right

{
	my $d = Daemon->start(@lists);
	my @kinds = (
		# address, connect, HELO
		['192.0.2.1', 'c', 'y'], ['192.0.2.129', 'a'],
		['198.51.100.1', 'a'], ['2001:db8:bad::1', 'c', 'y'],
		['2001:db8:a::1', 'a'], ['127.0.0.1', 'a'], [undef, 'a'],
	);
	Milter->session($d->socket, '192.0.2.1');
	eventually { $d->stat('sessions') == 0 } 10;
	sleep 0.2 * slow;	# for what was just closed
	my $before = $d->descriptors;
	my @sessions = map { [Milter->new($d->socket), @{ $kinds[$_ %
	    @kinds] }] } 0 .. 99;
	my $wrong = 0;

	# Each command is given by all before one of the answers is read.
	for (@sessions) {
		my ($m, $address) = @$_;
		$m->send(C => "x\0" . (!defined $address ? 'U' :
		    $address =~ /:/ ? "6\0\1IPv6:$address\0" :
		    "4\0\1$address\0"));
	}
	for (@sessions) {
		$wrong++ if $_->[0]->reply->{reply} ne $_->[2];
	}
	my @listed = grep { defined $_->[3] } @sessions;
	is $d->stat('sessions'), scalar(@listed), 'sessions are counted';
	cmp_ok $d->descriptors, '>=', $before + 100, 'each has a descriptor';
	$_->[0]->send(H => "client.example\0") for @listed;
	for (@listed) {
		my $r = $_->[0]->reply;
		$wrong++ if $r->{reply} ne 'y' || $r->{text} !~
		    /^554 5\.7\.1 mail from \Q$_->[1]\E is refused, see list$/;
	}
	is $wrong, 0, 'a hundred sessions at once, each with its own answer';
	$_->[0]->quit for @sessions;
	eventually { $d->stat('sessions') == 0 } 10;
	is $d->stat('sessions'), 0, 'and none is left';
	my $left = eventually { $d->descriptors <= $before } 10;
	ok $left, 'nor a descriptor';
}

# --- the same from several processes, with reports coming and going

{
	my $d = Daemon->start(@lists, -at => 'rcpt');
	my ($processes, $each) = (4, $ENV{WATCH} ? 25 : 100);
	my @pids;
	for my $p (1 .. $processes) {
		my $pid = fork // die "fork: $!";
		push @pids, $pid;
		next if $pid;
		my $wrong = 0;
		for my $n (1 .. $each) {
			my $own = "203.0.113.$p";
			my $r = Milter->session($d->socket, '192.0.2.1');
			$wrong++ if ($r->{text} // '') !~
			    / 192\.0\.2\.1 is refused, see list$/;
			$r = Milter->session($d->socket, '198.51.100.1');
			$wrong++ if $r->{reply} ne 'a';
			next if $n % 5;
			$d->tell("report $own 600 p$p");
			$r = Milter->session($d->socket, $own);
			$wrong++ if ($r->{text} // '') !~ /, see p$p$/;
			$d->tell("forget $own");
			$r = Milter->session($d->socket, $own);
			$wrong++ if $r->{reply} ne 'a';
		}
		POSIX::_exit($wrong > 100 ? 100 : $wrong);
	}
	my $wrong = 0;
	for (@pids) {
		waitpid $_, 0;
		$wrong += $?;
	}
	is $wrong, 0, 'clients of several processes get the right answers';
	my $sessions = $processes * (2 * $each + 2 * int($each / 5));
	is $d->stat('connections_total'), $sessions, 'all are counted';
	is $d->stat('verdicts_total{verdict="reject",by="blacklist"}'),
	    $processes * $each, 'and their verdicts';
	is scalar($d->lines(qr/^verdict=reject by=blacklist/)),
	    $processes * $each, 'and logged';
	eventually { $d->stat('sessions') == 0 } 10;
	is $d->stat('sessions'), 0, 'no session is left';
}

done_testing;
