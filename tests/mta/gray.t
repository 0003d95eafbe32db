# graymilter behind a real sendmail, with blackmilter in front of it, both
# configured by their .m4 lines.  Strangers come back; some are real queues.

use strict;
use warnings;
use File::Path qw(make_path);
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Mta;
use Postfix;
use Smtp;

Mta::enter;

# Clients of many networks: the range of RFC 2544 is for tests.
system('ip', 'route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo') == 0 or
    die 'no route';

use constant DELAY => $ENV{WATCH} ? 5 : 2;
my $traps = file('traps', "trap\@example.test\n");
my $listed = '192.0.2.66';
my $db = folder . '/gray';
mkdir $_, 0755 for '/run/blackmilter', '/run/graymilter', $db;

my $black = Daemon->start({ socket => 'unix:/run/blackmilter/blackmilter.sock',
    control => '/run/blackmilter/control' },
    -blacklist => file('blacklist', "$listed\n"), -db => folder);
# Mail of our users for the rest of the world stays here, too.
my $mta = Mta->start({ users => { joe => 'secret' } },
    'blackmilter/blackmilter.m4', 'graymilter/graymilter.m4',
    file('outside.m4', "define(`SMART_HOST', `local:outside')dnl\n"));
my @auth = (auth => ['joe@mx.example.test', 'secret']);
my $gray;

sub daemon {
	my (@options) = @_;
	$gray = Daemon->start({ name => 'graymilter',
	    socket => 'unix:/run/graymilter/graymilter.sock' },
	    -delay => DELAY, -learn => -trap => $traps,
	    -report => $black->control, @options);
	$mta->forget;
}

sub mail_from {
	my ($client, %with) = @_;
	return Smtp->new(from => $client)->send(%with);
}

# A client in a network that nobody has seen yet, and another in it.
my $networks = 0;
sub stranger { return '198.18.' . $networks++ . '.25' }
sub neighbour { return shift =~ s/\.25$/.26/r }

# Long enough for everybody that was asked to come back.
sub wait_delay { sleep DELAY + 0.1 }

# What a client hears that says DATA again, which once led past the filter.
sub second_data {
	my $c = Smtp->new(from => shift);
	$c->cmd($_) for 'HELO client.example', 'MAIL FROM:<>',
	    'RCPT TO:<zoe@example.test>', 'DATA';
	return $c->cmd('DATA')->{code};
}

sub is_new {
	my ($r, $at, $what) = @_;
	my $code = $at eq 'data' ? 421 : 451;
	is "$r->{at}: $r->{text}", "$at: $code 4.7.1 Greylisted, " .
	    "please come back in @{[DELAY]} seconds", $what;
}

sub is_early {
	my ($r, $what) = @_;
	like $r->{text}, qr/^451 4\.7\.1 Greylisted, .* in [1-@{[DELAY]}] sec/,
	    $what;
}

# The X-Greylist header of the only mail delivered since the last look.
sub delivered {
	my @mails = $mta->mails;
	$mta->forget;
	is scalar @mails, 1, 'one mail is delivered';
	my ($head) = split /\n\n/, $mails[0] // '';
	return join '', $head =~ /^(X-Greylist: .*(?:\n[ \t].*)*)/mig;
}

sub passes {
	my ($r, $what) = @_;
	is $r->{at}, 'eom', $what or diag $r->{text};
	like $r->{text}, qr/^250 2\.0\.0 /, 'and is taken';
	is delivered, '', 'without a header';
}

# The lines of the greylist that have this word.
sub records {
	my ($word) = @_;
	my ($last, @lines) = $gray->tell('list');
	return grep { / \Q$word\E / } @lines;
}

# The only mail delivered has our header, with seconds in this range.
sub is_marked {
	my ($words, $least, $most, $what) = @_;
	my ($two, $header) = (qr/\d\d/, delivered);
	like $header, qr/^X-Greylist:\ \Q$words\E\ \d+\ seconds\ by\ graymilter
	    \ at\ mx\.example\.test;\s\w{3},\ $two\ \w{3}\ $two$two
	    \ $two:$two:$two\ [+-]$two$two$/x, $what;
	my $seconds = $header =~ / (\d+) sec/ ? $1 : 0;
	ok $seconds >= $least && $seconds <= $most,
	    "after $seconds seconds, $least to $most";
}

sub is_delayed { is_marked('delayed', DELAY, 2 * DELAY + 3, shift) }

daemon(-db => $db);
my $known = stranger;		# by alice, from the first subtest on

subtest 'a stranger comes back' => sub {
	my $began = time;
	is_new(mail_from($known), 'rcpt', 'it is asked to');
	is_early(mail_from($known), 'too early');
	is_early(mail_from(neighbour($known)), 'so is another of its network');
	is scalar($mta->mails), 0, 'nothing is delivered';
	sleep DELAY + 2;	# not the shortest time there is
	my $before = int(time - $began);
	is mail_from(neighbour($known))->{at}, 'eom', 'its return is accepted';
	my ($mail) = $mta->mails;
	like $mail, qr/\AEnvelope: .*\n(?:Return-Path: .*\n)?X-Greylist: /,
	    'its header is above the others';
	is_marked('delayed', $before, int(time - $began) + 1,
	    'and has the real delay');
	passes(mail_from($_), "$_ is known") for $known, neighbour($known);
	is_new(mail_from($known, mail => 'ann@client.example'), 'rcpt',
	    'another sender is not');
	is_new(mail_from($known, rcpt => ['bob@example.test']), 'rcpt',
	    'nor is another recipient');
	my @who = ('from=<joe@client.example>', 'to=<alice@example.test>');
	my @log = map { s/(left|held)=\d+ //r =~ s/ us=\d+//r }
	    grep { /from=<joe.* to=<alice/ } $gray->lines(qr/^verdict=/);
	like shift @log, qr/^\Q$_->[0] client=$_->[1] @who qid=\E\w{10,}$/,
	    "logged: $_->[0]" for
	    ['verdict=tempfail by=new', $known],
	    ['verdict=tempfail by=early', $known],
	    ['verdict=tempfail by=early', neighbour($known)],
	    ['verdict=pass by=delayed', neighbour($known)];
	is "@log", '', 'and the known without a word';
	ok $mta->lines(qr/milter=graymilter.* reject=451 4.7.1 Greylisted/),
	    'sendmail says who it was';
};

subtest 'restart and kill -9' => sub {
	my $waits = stranger;
	is_new(mail_from($waits), 'rcpt', 'somebody waits');
	$gray->crash;
	daemon(-db => $db);
	passes(mail_from($known), 'after kill -9 the known is known');
	is_early(mail_from($waits), 'and who waits is not new');
	wait_delay;
	is mail_from($waits)->{at}, 'eom', 'but passes in its time';
	is_delayed('counted from the first');
	is $gray->stop, 0, 'SIGTERM ends it';
	daemon(-db => $db);
	passes(mail_from($_), "$_ is known") for $known, $waits;
};

subtest 'two recipients of which one is known' => sub {
	my @to = map { "$_\@example.test" } qw(carol alice dave);
	$mta->forget;
	my $r = mail_from($known, rcpt => \@to);
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [451, 250, 250],
	    'the one in front of it waits, the one behind does not';
	is $r->{at}, 'eom', 'the message is taken';
	is_deeply [sort map { /^Envelope: .* (\S+)$/m } $mta->mails],
	    ['<alice>', '<dave>'], 'for the two';
	$mta->forget;
	passes(mail_from($known, rcpt => [$_]), "$_ is known now")
	    for @to;
};

subtest 'the null sender' => sub {
	my $client = stranger;
	my $r = mail_from($client, mail => '',
	    rcpt => ['alice@example.test', 'bob@example.test']);
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [250, 250],
	    'may ask whether somebody exists';
	is_new($r, 'data', 'and is asked to come back at DATA');
	is second_data($client), 0, 'where it is hung up on';
	wait_delay;
	is mail_from($client, mail => '')->{at}, 'eom', 'returns';
	is_delayed('and passes');
	passes(mail_from($client, mail => ''), 'then it is known');
};

subtest 'never delayed' => sub {
	passes(mail_from(stranger, rcpt => ["$_\@example.test"]), $_)
	    for qw(postmaster Abuse);
	passes(mail_from('127.0.0.1'), 'loopback');
	my $client = stranger;
	passes(mail_from($client, @auth), 'our user on the road');
	is scalar(records($client =~ s/25$/0\/24/r)), 0,
	    'of whom nothing is remembered';
	is_new(mail_from($client), 'rcpt', 'who is one only with a password');
};

subtest 'friends' => sub {
	my $client = stranger;
	is mail_from($client, @auth, mail => 'alice@example.test',
	    rcpt => ['friend+x@far.example'])->{at}, 'eom',
	    'our user writes to somebody';
	$mta->forget;
	my %friend = (mail => 'Friend@far.example');
	passes(mail_from(stranger, %friend), 'who writes back at once');
	is_new(mail_from(stranger, %friend, rcpt => ['bob@example.test']),
	    'rcpt', 'but to nobody else');
	is_new(mail_from(stranger, mail => 'foe@far.example'), 'rcpt',
	    'nor does anybody else');
	is scalar($gray->lines(qr/^verdict=pass by=friend/)), 1, 'it is logged';
};

subtest 'a trap' => sub {
	my ($bot, $other) = (stranger, stranger);
	my $r = mail_from($bot, rcpt => ['trap@example.test',
	    'alice@example.test']);
	is_new({ at => $r->{at}, %{ $r->{rcpt}[$_] } }, 'rcpt',
	    "it hears what others hear, at RCPT $_") for 0, 1;
	ok +(eventually { ($black->tell('list'))[1] } 10),
	    'blackmilter is told';
	$r = mail_from($bot);
	is $r->{text}, "554 5.7.1 mail from $bot is refused, see mailed a trap",
	    'and its next connection refused';
	is_new(mail_from($other), 'rcpt', 'others only wait');
	is $gray->stat('reports_sent_total'), 1, 'one report was sent';
};

subtest 'a pool of senders' => sub {
	# All of them have to write before the delay is over.
	my @pool = map { stranger } 1 .. 8;
	my $pool = sub {
		my ($domain, $result) = @_;
		for (@pool) {
			$gray->tell("spf $_ $domain $result") if $result;
		}
		return map { mail_from($_, mail => "news\@$domain") } @pool;
	};
	$mta->forget;
	for (['none.example'], ['fail.example', 'softfail']) {
		my ($domain, $result) = @$_;
		my @r = $pool->(@$_);
		is scalar(grep { $_->{text} =~ / in @{[DELAY]} seconds/ } @r),
		    @pool, $result // 'no hint' . ': each is new';
		is scalar(records("news\@$domain")), @pool, 'and a record';
	}
	my ($first, @others) = $pool->('pool.example', 'pass');
	is_new($first, 'rcpt', 'pass: the first is new');
	is scalar(grep { $_->{text} =~ /^451 4.7.1/ } @others), @others,
	    'and the others have to wait as long';
	is_deeply [map { (split)[1, 4] } records('news@pool.example')],
	    ['pool.example', 'waits'], 'one record, known by its domain';
	wait_delay;
	is_deeply [map { $_->{at} } $pool->('pool.example', 'pass')],
	    [('eom') x @pool], 'then all of them pass';
	is scalar(grep { /^X-Greylist: delayed/m } $mta->mails), 1,
	    'of whom one was delayed';
	$mta->forget;
};

subtest 'IPv6' => sub {
	plan skip_all => 'no IPv6 here' unless Mta::has_ipv6();
	my ($one, $same, $other) =
	    map { "2001:db8:$_" } '1:1::25', '1:1:ffff::1', '1:2::25';
	is_new(mail_from($one), 'rcpt', 'a stranger');
	is_early(mail_from($same), 'another of its /64 is the same');
	is_new(mail_from($other), 'rcpt', 'one of another /64 is not');
	wait_delay;
	is mail_from($same)->{at}, 'eom', 'it returns from any';
	is_delayed('and passes');
	passes(mail_from($one), 'as its neighbours do then');
};

subtest 'a list of suspects' => sub {
	my ($suspect, $client) = (stranger, stranger);
	$gray->retire;
	daemon(-memory => -suspects => file('suspects', "$suspect\n"));
	passes(mail_from($client), 'who is not on it passes');
	is_new(mail_from($suspect), 'rcpt', 'who is has to wait');
};

subtest 'mark and none' => sub {
	my $client = stranger;
	$gray->retire;
	daemon(-memory => -markonly);
	for my $least (DELAY, 1) {
		is mail_from($client)->{at}, 'eom', 'mark: a stranger passes';
		is_marked('would be delayed', $least, DELAY,
		    'and is told apart');
	}
	is mail_from($client, mail => '')->{at}, 'eom', 'so does a bounce';
	is_marked('would be delayed', DELAY, DELAY, 'with its header');
	wait_delay;
	passes(mail_from($client), 'what nobody delayed does not say so');
	$gray->retire;
	daemon(-memory => -dryrun);
	for (1, 2) {
		passes(mail_from($client), 'none: nothing is done');
		wait_delay if $_ == 1;
	}
	is scalar($gray->lines(qr/^verdict=none by=new /)), 1, 'but logged';
};

# A mail server of somebody else: a sendmail that has nothing but a queue, and
# from its own address brings all of it to ours.
sub queue_of_sendmail {
	my ($address) = @_;
	my ($ours, $its) = ($Mta::dir, '/run/client');
	make_path("$its/etc", "$its/queue");
	chmod 0700, "$its/queue";
	my $mc = Mta::mc(file('client.m4', <<"EOM"));
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP \$h 2525')dnl
CLIENT_OPTIONS(`Family=inet, Addr=$address')dnl
EOM
	s/\Q$ours\E/$its/g, s/mx\.example\.test/client.example/g for $mc;
	Mta::write_file("$its/client.mc", $mc);
	Mta::write_file("$its/etc/$_", '') for
	    qw(local-host-names statistics aliases);
	system("cp $ours/etc/service.switch $its/etc; " .
	    "m4 $its/client.mc >$its/client.cf") == 0 or die 'm4';
	my @sendmail = (Mta::tool('sendmail'), '-C', "$its/client.cf");
	return sub { return run(@sendmail, @_) };
}

# The same by Postfix, which takes mail on its port.  It counts in seconds, and
# forgets a mail whose turn comes while it is still put aside: so not after one.
sub queue_of_postfix {
	my ($address) = @_;
	return Postfix->start('myhostname = post.example', 'mydestination =',
	    'relayhost = [127.0.0.1]:2525', "smtp_bind_address = $address",
	    'queue_run_delay = 1s', 'minimal_backoff_time = 2s',
	    'maximal_backoff_time = 3s');
}

subtest 'clients that retry by themselves' => sub {
	my ($sendmail, $postfix, $swaks) = map { stranger } 1 .. 3;
	$gray->retire;
	daemon(-memory);

	my $queue = queue_of_sendmail($sendmail);
	my $mail = file('mail', "Subject: by sendmail\n\nhello\n");
	is system(Mta::tool('sendmail') . ' -C /run/client/client.cf -odq ' .
	    "-f joe\@client.example alice\@example.test <$mail"), 0,
	    'a mail is put into the queue of another sendmail';
	is(($queue->('-q1s'))[0], 0, 'which goes to work every second');

	my $has_postfix = !Postfix::missing();
	if ($has_postfix) {
		queue_of_postfix($postfix);
		my $r = Smtp->new(port => 2526)->send(
		    mail => 'joe@post.example',
		    message => "Subject: by Postfix\n\nhello\n");
		is $r->{at}, 'eom', 'a mail is given to a Postfix';
	}
	my @swaks = ('swaks', '--silent', '2', '--server', '127.0.0.1:2525',
	    '--local-interface', $swaks, '--from', 'joe@swaks.example',
	    '--to', 'alice@example.test', '--header', 'Subject: by swaks');
	my ($status, $out, $err) = run(@swaks);
	is $status, 24, 'swaks is not let in';	# "no RCPT was accepted"
	like $out . $err, qr/451 4.7.1 Greylisted, please come back in/,
	    'and told why';

	my $count = $has_postfix ? 2 : 1;
	ok +(eventually { $mta->mails >= $count } 30),
	    'after a while the queues are rid of their mail';
	ok +(eventually { (run(@swaks))[0] == 0 } 30),
	    'and so is swaks when it is run again';
	my %header = map { /^Subject: by (\w+)/m ? ($1 => $_) : () }
	    $mta->mails;
	is scalar keys %header, $count + 1, 'all are there';
	like $header{$_}, qr/^X-Greylist: delayed \d+ seconds by graymilter/m,
	    "$_ was delayed" for sort keys %header;
	for ($sendmail, $has_postfix ? $postfix : (), $swaks) {
		my @log = $gray->lines(qr/ client=$_ /);
		like $log[0], qr/^verdict=tempfail by=new/, "$_ was refused";
		like $log[-1], qr/^verdict=pass by=delayed/, 'and came back';
		is scalar(grep { /pass/ } @log), 1, 'once';
	}
	my ($pid) = Daemon::slurp('/run/client/sendmail.pid') =~ /^(\d+)/;
	kill TERM => $pid;
	is scalar(my @left = glob '/run/client/queue/*'), 0,
	    'nothing is left in the queue';
};

subtest 'down' => sub {
	my $client = stranger;
	my $c = Smtp->new(from => $client);
	$gray->crash;
	$mta->forget;
	passes($c->send, 'it dies in the middle: with F= mail passes');
	passes(mail_from($client), 'so it does while it is down');
	is mail_from($listed)->{code}, 554, 'blackmilter still refuses';
	daemon(-memory);
	is_new(mail_from($client), 'rcpt', 'back it asks again');
};

done_testing;
