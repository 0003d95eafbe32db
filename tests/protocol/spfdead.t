# A20: name servers that never answer, and five hundred clients.
use strict;
use warnings;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Dns;
use Milter;
use Spfmilter;

use constant {
	CLIENTS => 500,
	CAP => 200,		# RESOLVER_WAITING_MAX
	DEADLINE => 3,		# seconds
	OTHERS => 30,		# threads besides those that wait
	REPLACED => 6,		# times that one who waits asks for a thread
	AT_ONCE => 1,		# seconds for those that do not wait
};

my %good = ('*' => [[TXT => 'v=spf1 ip4:192.0.2.0/24 -all']]);
my $round = 0;

sub threads {
	my ($d) = @_;
	return Daemon::slurp('/proc/' . $d->pid . '/status') =~
	    /^Threads:\s+(\d+)/m ? $1 : 0;
}

# Sessions up to HELO, before it gets crowded.
sub crowd {
	my ($d) = @_;
	return map { met($d, helo => "h$_.example") } 1 .. CLIENTS;
}

# All of them say MAIL at once.  Returns how many threads there were, but for
# those that had nothing to wait for, and when each was answered, and how:
# [seconds, reply].
sub answers {
	my ($d, @clients) = @_;
	my $wait = IO::Select->new(map { $_->{socket} } @clients);
	my %of = map { $_->{socket} => $_ } @clients;
	my ($part, $n, $most) = ('r' . ++$round, 0, 0);
	my (%asked, @answers);
	for (@clients) {
		$asked{ $_->{socket} } = time;
		$_->send(M => "<joe\@n" . $n++ . ".$part.example>\0");
	}
	my $sent = time;
	while ($wait->count && time - $sent < DEADLINE + 8 * slow) {
		for my $s ($wait->can_read(0.05)) {
			$wait->remove($s);
			push @answers, [time - $asked{$s},
			    $of{$s}->reply->{reply}];
		}
		next if time - $sent < AT_ONCE;
		my $n = threads($d);
		$most = $n if $n > $most;
	}
	return ($most, @answers);
}

sub finish {
	my ($m) = @_;
	$m->rcpt('<alice@example.test>');
	$m->header(Subject => 'test');
	my $r = $m->eom;
	return join "\n", fields($r, 'Authentication-Results');
}

for (
	# what the server does, options
	['silent', 'SILENT', []], ['silent, -helo', 'SILENT', ['-helo']],
	['silent over TCP', 'TCPSILENT', []],
) {
	my ($what, $act, $options) = @$_;
	my $dns = Dns->new(zone => { '*' => $act });
	my $d = spf(-deadline => DEADLINE, -nameserver => $dns->address,
	    @$options);
	my @clients = crowd($d);
	my $before = threads($d);
	my ($most, @answers) = answers($d, @clients);
	my @late = grep { $_->[0] > DEADLINE + slow } @answers;

	is scalar(@answers), CLIENTS, "$what: every client is answered";
	is scalar(@late), 0, "$what: within the deadline and a second";
	is scalar(grep { $_->[1] ne 'c' } @answers), 0,
	    "$what: nobody is refused for it";
	# Watched ones are slow to come, so more are asked for.
	my $limit = $ENV{WATCH} ? CLIENTS + REPLACED * CAP : CAP + OTHERS;
	cmp_ok $most, '<=', $limit, "$what: so many threads" or
	    diag "$before before";
	if (!$ENV{WATCH}) {
		is scalar(grep { $_->[0] < AT_ONCE } @answers), CLIENTS - CAP,
		    "$what: those above the cap do not wait";
		is $d->stat('dns_turned_away_total'), CLIENTS - CAP,
		    "$what: they are counted";
		is scalar($d->lines(qr/^\d+ checks wait for name servers, /)),
		    1, "$what: and logged, once";
	}
	is scalar($d->lines(qr/^no answer from name servers /)), 1,
	    "$what: that nobody answers is logged, once";
	is $d->stat('results_total{identity="mailfrom",result="temperror"}'),
	    CLIENTS, "$what: temperror for all";
	eventually { $d->stat('dns_waiting') == 0 } 1;
	is $d->stat('dns_waiting'), 0, "$what: nobody waits any more";
	like finish($clients[0]), qr/; spf=temperror reason="the DNS does /,
	    "$what: which is what the message says";

	# The server is back, and that is seen within a second.
	$dns->zone(\%good);
	my $back = eventually {
		mail_on($d, $clients[0], from => "<joe\@back.example>")->{said}
		    =~ /^mailfrom=pass/ } 1.5;
	ok $back, "$what: back: for one that is still there";
	my $begin = time;
	my @right = grep { mail($d, from => "<joe\@b$_.example>")->{said} =~
	    /^mailfrom=pass/ } 1 .. 50;
	is scalar(@right), 50, "$what: back: and for others";
	is mail($d, client => '198.51.100.1', from => '<joe@c.example>',
	    helo => undef)->{said}, 'mail 550 5.7.23',
	    "$what: back: who forges is refused";
	cmp_ok time - $begin, '<', 2 * slow, "$what: back: at once";

	# And as many as may wait are answered as fast as they come.
	my (undef, @served) = answers($d, @clients[0 .. CAP - 1]);
	is scalar(grep { $_->[0] < DEADLINE * slow && $_->[1] eq 'c' }
	    @served), CAP, "$what: back: a crowd is served";
	is scalar(grep { finish($_) =~ /spf=pass smtp\.mailfrom/ }
	    @clients[0 .. CAP - 1]), CAP, "$what: back: and each is judged";
	$_->quit for @clients;
	is_idle $d, "$what: back";
	my $few = eventually { threads($d) <= OTHERS } 10;
	ok $few, "$what: back: few threads" or diag threads($d);
	$d->crash unless $ENV{WATCH};
}

done_testing;
