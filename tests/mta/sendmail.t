# blackmilter behind a real sendmail, which is configured by its .m4 lines.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;
use Smtp;

Mta::enter;

my $run = '/run/blackmilter';
mkdir $run, 0755;

my $listed = '192.0.2.66';
my $friend = '203.0.113.7';	# on the white list, inside a listed network
my $stranger = '198.51.100.1';
my $black = file('blacklist',
    "$listed\n203.0.113.0/24 ; SBL1\n2001:db8:bad::/48\n");
my $white = file('whitelist', "$friend\n");
my $trial = file('trial', "$stranger\n");

my $mta = Mta->start({ users => { joe => 'secret' } },
    'blackmilter/blackmilter.m4');
my $d;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$d->retire if $d;
	$d = Daemon->start({ socket => "unix:$run/blackmilter.sock" },
	    -blacklist => $black, -whitelist => $white, @options);
	$mta->forget;
}

sub mail_from { return Smtp->new(from => shift)->send(@_) }

# Rows of [client, step that decides, start of the reply].
sub try_clients {
	my ($what, @rows) = @_;
	for (@rows) {
		my ($client, $at, $reply, %with) = @$_;
		my $r = mail_from($client, %with);
		is $r->{at}, $at, "$what: $client is answered at $at";
		like $r->{text}, qr/^\Q$reply\E/, "$what: $client: $reply";
	}
}

my $taken = '250 2.0.0 ';

subtest 'refuse' => sub {
	daemon();
	# sendmail keeps what a filter said at HELO for the MAIL command.
	try_clients('refuse',
	    [$listed, 'mail', "554 5.7.1 mail from $listed is refused, " .
		'see blacklist'],
	    ['203.0.113.8', 'mail', '554 5.7.1 '],
	    ['2001:db8:bad::5', 'mail',
		'554 5.7.1 mail from 2001:db8:bad::5 is refused'],
	    [$friend, 'eom', $taken],
	    [$stranger, 'eom', $taken],
	    ['2001:db8:1::1', 'eom', $taken],
	    ['127.0.0.1', 'eom', $taken],
	    ['::1', 'eom', $taken]);
	is scalar($mta->mails), 5, 'what was taken is delivered';
	unlike join('', $mta->mails), qr/X-IP-Blacklisted/, 'and unmarked';
	is_deeply [map { /client=(\S+)/ } $d->lines(qr/verdict=reject/)],
	    [$listed, '203.0.113.8', '2001:db8:bad::5'],
	    'a line for each refusal';
	is scalar($d->lines(qr/verdict=pass by=whitelist .*client=$friend/)),
	    1, 'and for the friend';
	is scalar($mta->lines(qr/milter=blackmilter, action=helo, reject=554/)),
	    3, 'sendmail says who refused';
};

subtest 'local submission' => sub {
	$mta->forget;
	my $c = Smtp->of_program(Mta::tool('sendmail'), '-C',
	    "$Mta::dir/sendmail.cf", '-bs');
	is $c->send(mail => 'root@example.test')->{at}, 'eom',
	    'a client without an address passes';
	$c->quit;
	ok $d->lines(qr/^verdict=pass by=local/), 'and is logged as such';
};

subtest 'reported' => sub {
	daemon('-db' => folder);
	my $worm = '198.51.100.99';
	is mail_from($worm)->{at}, 'eom', 'a stranger mails';
	is $d->tell("report $worm 2 sent Worm.Test"), 'ok', 'and is reported';
	my $r = mail_from($worm);
	like $r->{text}, qr/^554 5.7.1 .*, see sent Worm.Test$/,
	    'its next connection is refused, and told why';
	ok $d->lines(qr/list=shortlist reason=sent_Worm.Test client=$worm/),
	    'so is the log';
	ok +(eventually { mail_from($worm)->{at} eq 'eom' } 5),
	    'until the time is over';
	is $d->tell("report $worm 60 again"), 'ok', 'reported again';
	is $d->tell("forget $worm"), 'ok', 'and forgiven';
	is mail_from($worm)->{at}, 'eom', 'it mails again';
	like $d->tell("report $friend 60 oops"), qr/^error whitelisted/,
	    'nobody can report a friend';
	is mail_from($friend)->{at}, 'eom', 'who mails on';
};

my $forged = <<'EOF';
X-IP-Blacklisted: one
From: joe@client.example
x-ip-blacklisted: two
To: alice@example.test
X-IP-Blacklisted-By: another filter
X-IP-BLACKLISTED: three
Subject: test

hello
EOF

sub headers_of {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	return grep { /^[^\s:]+:/ } split /\n/, $head;
}

subtest 'mark' => sub {
	daemon('-markonly');
	is mail_from($stranger, message => $forged)->{at}, 'eom', 'taken';
	is mail_from($listed, message => $forged)->{at}, 'eom', 'taken, too';
	my ($clean, $marked) = $mta->mails;
	is_deeply [grep { /blacklisted/i } headers_of($clean)],
	    ['X-IP-Blacklisted-By: another filter'],
	    "a stranger's forged marks are gone";
	is_deeply [sort grep { /blacklisted/i } headers_of($marked)],
	    ['X-IP-Blacklisted-By: another filter',
	    'X-IP-Blacklisted: blacklist'], 'one mark, and it is ours';
	is scalar(headers_of($marked)), scalar(headers_of($clean)) + 1,
	    'and nothing else was added';
};

subtest 'two messages on a connection' => sub {
	$mta->forget;
	my $c = Smtp->new(from => $listed);
	is $c->send(message => $forged)->{at}, 'eom', 'the first';
	$c->cmd('MAIL FROM:<left@client.example>');
	$c->cmd('RSET');
	is $c->send(mail => '')->{at}, 'eom', 'after RSET the second';
	$c->quit;
	my @mails = $mta->mails;
	is scalar(grep { /^X-IP-Blacklisted: blacklist$/m } @mails), 2,
	    'each is marked once';
	my @log = ($d->lines(qr/verdict=mark/))[-2, -1];
	like $log[0], qr/from=<joe\@client.example>/, 'each with its sender';
	like $log[1], qr/from=<>/, 'and none with the one that was reset';
};

subtest 'quarantine' => sub {
	daemon('-action' => 'quarantine');
	is mail_from($listed)->{at}, 'eom', 'taken';
	is scalar($mta->mails), 0, 'but not delivered';
	like $mta->run_sendmail('-bp', '-qQ'),
	    qr/QUARANTINE: blackmilter: blacklist/, 'the queue says why';
	my ($qid) = map { /: (\w+): milter=blackmilter, quarantine/ }
	    $mta->lines('quarantine=');
	$mta->run_sendmail('-qQ', '-Q', "-qI$qid");
	$mta->run_sendmail("-qI$qid");
	ok +(eventually { scalar($mta->mails) == 1 } 10),
	    'and it can be released';
	is mail_from($stranger)->{at}, 'eom', 'others are not touched';
	is scalar($mta->mails), 2, 'and delivered';
};

subtest 'discard' => sub {
	daemon('-action' => 'discard');
	try_clients('discard', [$listed, 'eom', $taken],
	    [$stranger, 'eom', $taken]);
	is scalar($mta->mails), 1, 'only one is delivered';
};

subtest 'tempfail' => sub {
	daemon('-graylist');
	my $c = Smtp->new(from => $listed);
	my $r = $c->send;
	like $r->{text},
	    qr/^4\d\d 4.3.2 mail from $listed is not taken now, see blacklist/,
	    "asked to come back at $r->{at}";
	is mail_from($stranger)->{at}, 'eom', 'others are not';
};

subtest 'at connect' => sub {
	daemon('-at' => 'connect');
	my $r = mail_from($listed);
	is $r->{at}, 'connect', 'refused with the banner';
	like $r->{text}, qr/^554 /, "$r->{text}";
	is mail_from($stranger)->{at}, 'eom', 'others are not';
	daemon('-at' => 'connect', '-graylist');
	$r = mail_from($listed);
	like $r->{text}, qr/^421 /, "asked to come back: $r->{text}";
};

subtest 'at mail: who authenticates is spared' => sub {
	daemon('-at' => 'mail');
	try_clients('at mail', [$listed, 'mail', '554 5.7.1 '],
	    [$stranger, 'eom', $taken],
	    [$listed, 'eom', $taken, auth => ['joe@mx.example.test', 'secret']]);
	ok $d->lines(qr/verdict=pass by=auth .*client=$listed/), 'and logged';
	daemon('-at' => 'mail', '-scanauth');
	try_clients('-scanauth', [$listed, 'mail', '554 5.7.1 ',
	    auth => ['joe@mx.example.test', 'secret']]);
};

subtest 'at rcpt: postmaster can always be reached' => sub {
	daemon('-at' => 'rcpt');
	my $r = mail_from($listed, rcpt => ['alice@example.test',
	    'Postmaster@example.test', 'bob@example.test']);
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [554, 250, 554],
	    'the others are refused, each by itself';
	is $r->{at}, 'eom', 'the message is taken';
	is_deeply [map { /^Envelope: (.*)/ } $mta->mails],
	    ['<joe@client.example> <postmaster>'], 'for postmaster alone';
	is_deeply [map { /to=(\S+)/ } $d->lines(qr/verdict=reject/)],
	    ['<alice@example.test>', '<bob@example.test>'],
	    'the log has the whole envelope';
	like +($d->lines(qr/verdict=reject/))[0], qr/qid=\w{10,}/,
	    'and the queue id';
};

subtest 'the text of a reply' => sub {
	my $text = "100%% no\x{1b}[1m \xe4 \r\n250 ok %i %l %q %%s";
	daemon('-rejectmessage' => $text);
	my $r = mail_from($listed);
	is $r->{text}, "554 5.7.1 100% no?[1m ? ??250 ok $listed blacklist " .
	    'NOQUEUE %s', 'is ours, cleaned, and one line';
	is scalar(@{ $r->{lines} }), 1, 'one';
	daemon('-rejectmessage' => 'x' x 2000);
	$r = mail_from($listed);
	like $r->{text}, qr/^554 5.7.1 x{400,490}$/, 'a long one is cut';
};

subtest 'shadow and dry run' => sub {
	daemon('-shadow' => $trial, '-dryrun');
	try_clients('dry run', [$listed, 'eom', $taken],
	    [$stranger, 'eom', $taken]);
	is scalar($mta->mails), 2, 'all is delivered';
	ok $d->lines(qr/verdict=none by=blacklist .*client=$listed/),
	    'what would have been refused is logged';
	ok $d->lines(qr/by=shadow list=\S+trial client=$stranger/),
	    'and what is on the list on trial';
};

subtest 'what strangers say' => sub {
	daemon('-at' => 'rcpt');
	my $r = mail_from($listed, mail =>
	    "\"a to=<b> \x{1b}[31m\x{7f}%n\"\@client.example");
	my @log = $d->lines(qr/client=$listed/);
	is scalar(@log), 1, 'one line';
	unlike $log[0], qr/[^ -~]/, 'of printable text';
};

subtest 'down, dying, back' => sub {
	daemon();
	my $c = Smtp->new(from => $listed);
	$d->stop('KILL');
	is $c->send->{at}, 'eom',
	    'the filter dies in the middle: with F= mail passes';
	is mail_from($listed)->{at}, 'eom', 'so it does while it is down';
	daemon();
	is mail_from($listed)->{code}, 554, 'and back it refuses again';
	is $d->stop, 0, 'SIGTERM ends it';
	undef $d;
};

subtest 'F=T' => sub {
	open my $f, '<', 'blackmilter/blackmilter.m4' or die;
	my $m4 = join '', <$f>;
	ok $m4 =~ s/ F=,/ F=T,/, 'our line says F=, which can be changed';
	$mta->stop;
	$mta = Mta->start(file('tempfail.m4', $m4));
	my $r = mail_from($stranger);
	like $r->{text}, qr/^451 /, "then, while it is down: $r->{text}";
	daemon('-at' => 'rcpt');
	my $c = Smtp->new(from => $listed);
	is $c->send->{code}, 554, 'it is up and refuses';
	kill TERM => $d->pid;
	ok +(eventually { $d->gone } 7), 'a session is open when it is ended';
	$c->cmd('RSET');
	$r = $c->send;
	like $r->{text}, qr/^4\d\d /, "and hears: $r->{text}";
	undef $d;
};

done_testing;
