# spfmilter behind a real sendmail, configured by its .m4 line, with a real name
# server to ask; and one that is told to be slow, silent or broken.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Dns;
use Mta;
use Nsd;
use Smtp;

plan skip_all => Nsd::missing() if Nsd::missing();
Mta::enter;

# Clients of many networks: the range of RFC 2544 is for tests.
system('ip', 'route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo') == 0 or
    die 'no route';
mkdir $_, 0755 for '/run/spfmilter', '/run/graymilter';

my @clients = ('192.0.2.7', Mta::has_ipv6() ? '2001:db8:1::7' : ());
my $client = $clients[0];
my $alien = '198.51.100.7';	# out.pass.example is the ones above

# Texts that are to be an explanation.
my %text = (
	plain => '"100%% \"no\" to %{i}, %{s}%_<b>\\\\ 250 2.0.0 Ok 5%%"',
	macro => '"see %{i} %d"',
	lines => '"no\013\010250 2.1.0 Sender ok\013\010221 bye"',
	bytes => '"no\195\164\255\027[1m"',
	long => join ' ', map { '"' . "$_%% " x 60 . '"' } 1 .. 8,
);
my $explained = join '', map { <<"EOF" } sort keys %text;
$_.hostile.example.	TXT	"v=spf1 -all exp=why.$_.hostile.example"
why.$_.hostile.example.	TXT	( $text{$_} )
EOF

my $nsd = Nsd->start($explained . <<'EOF');
pass.example.		TXT	"v=spf1 a:out.pass.example " "-all"
out.pass.example.	A	192.0.2.7
out.pass.example.	AAAA	2001:db8:1::7
fail.example.		TXT	"v=spf1 ip4:203.0.113.0/24 -all"
soft.example.		TXT	"v=spf1 mx ~all"
soft.example.		MX	10 mx.soft.example.
mx.soft.example.	A	203.0.113.25
neutral.example.	TXT	"v=spf1 ?all"
default.example.	TXT	"v=spf1 redirect=ends.example"
ends.example.		TXT	"v=spf1 ip4:203.0.113.0/24"
none.example.		TXT	"all kinds of text"
perm.example.		TXT	"v=spf1 ip4:192.0.2.300 -all"
twice.example.		TXT	"v=spf1 +all"
twice.example.		TXT	"v=spf1 -all"
client.example.		TXT	"v=spf1 a:out.pass.example ?all"
example.test.		MX	10 forwarder.example.
forwarder.example.	A	198.51.100.7
pool.example.		TXT	"v=spf1 ip4:198.18.0.0/15 -all"
EOF

my $mta = Mta->start({ users => { joe => 'secret' } },
    'spfmilter/spfmilter.m4');
my @auth = (auth => ['joe@mx.example.test', 'secret']);
my $spf;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$spf->retire if $spf && !$spf->gone;
	@options = ('-nameserver' => $nsd->address, @options)
	    unless grep { $_ eq '-nameserver' } @options;
	$spf = Daemon->start({ name => 'spfmilter',
	    socket => 'unix:/run/spfmilter/spfmilter.sock' }, @options);
	$mta->forget;
}

sub mail_from {
	my ($from, %with) = @_;
	return Smtp->new(from => $from)->send(%with);
}

# The only mail delivered since the last look: the lines of what stands above
# its Received: field, and what is below that.
sub delivered {
	my @mails = $mta->mails;
	$mta->forget;
	is scalar @mails, 1, 'one mail is delivered';
	my ($top, $rest) = ($mails[0] // '') =~ /^Envelope: .*\n
	    (?:Return-Path: .*\n)? ((?:.+\n)*?)
	    Received: .*\n (?:[ \t].*\n)* ((?s).*)/x;
	return ($top // 'nothing', $rest // 'nothing');
}

# ... and the fields without their folds.
sub fields {
	my ($top) = delivered;
	return split /\n/, $top =~ s/\n\t/ /gr;
}

# What we say; sendmail puts the sender in front of it.
sub text_of {
	my ($r) = @_;
	return $r->{text} =~ s/^([\d. ]+ )<.*?>\.\.\. /$1/r;
}

sub is_refused {
	my ($r, $text, $what) = @_;
	is "$r->{at}: " . text_of($r), "mail: $text", $what;
	is scalar(my @mails = $mta->mails), 0, 'and nothing is delivered';
	return;
}

# What our two fields say.  With a name instead of a sender it is about HELO.
sub expected {
	my ($result, $who, $from, $sentence, $keys, $reason) = @_;
	my $is_helo = $who !~ /@/;
	my $subject = ($is_helo ? 'host ' : 'domain of ') . $who;
	$sentence =~ s/DOMAIN/$subject/;
	$sentence =~ s/CLIENT/$from/;
	return ("Authentication-Results: mx.example.test; spf=$result " .
	    ($reason ? "reason=\"$reason\" " : '') .
	    ($is_helo ? 'smtp.helo=' : 'smtp.mailfrom=') . $who,
	    "Received-SPF: $result (mx.example.test: $sentence) " .
	    'receiver=mx.example.test; identity=' .
	    ($is_helo ? "helo; client-ip=" : "mailfrom; client-ip=") .
	    ($from =~ /:/ ? "\"$from\"" : $from) . '; envelope-from="' .
	    ($is_helo ? "<>\"; helo=$who;" : "$who\"; helo=client.example;") .
	    $keys);
}

# Rows: result, domain, sentence, mechanism= and problem=, reason=.
sub try_marks {
	my ($from, @rows) = @_;
	for (@rows) {
		my ($result, $domain, @said) = @$_;
		is mail_from($from, mail => "joe\@$domain")->{at}, 'eom',
		    "$domain: taken";
		is_deeply [fields], [expected($result, "joe\@$domain", $from,
		    @said)], "$result, $from, MAIL FROM";
		is mail_from($from, mail => '', helo => $domain)->{at}, 'eom',
		    "HELO $domain: taken";
		is_deeply [fields], [expected($result, $domain, $from, @said)],
		    "$result, $from, HELO and <>";
	}
}

my $yes = 'DOMAIN designates CLIENT as permitted sender';
my $no = 'DOMAIN does not designate CLIENT as permitted sender';
my $maybe = 'CLIENT is neither permitted nor denied by DOMAIN';
my $nothing = 'DOMAIN does not designate permitted sender hosts: no record';
my $wrong = 'permanent error in processing DOMAIN';
my $later = 'temporary error in processing DOMAIN: the DNS does not answer';

subtest 'all results' => sub {
	daemon('-markonly');
	try_marks($_,
	    ['pass', 'pass.example', $yes, ' mechanism="a:out.pass.example";'],
	    ['fail', 'fail.example', $no, ' mechanism=-all;'],
	    ['softfail', 'soft.example', "transitioning $no",
		' mechanism=~all;'],
	    ['neutral', 'neutral.example', $maybe, ' mechanism=?all;'],
	    ['neutral', 'default.example', $maybe, ' mechanism=default;'],
	    ['none', 'none.example', $nothing, ''],
	    ['none', 'nobody.example', $nothing, ''],
	    ['permerror', 'perm.example', "$wrong: not an IPv4 address",
		' problem="ip4:192.0.2.300";',
		'not an IPv4 address: ip4:192.0.2.300'],
	    ['permerror', 'twice.example', "$wrong: more than one record",
		' problem=twice.example;',
		'more than one record: twice.example'],
	) for @clients;
};

subtest 'as it is written' => sub {
	is mail_from($client, mail => 'joe@pass.example')->{at}, 'eom', 'taken';
	my ($top, $rest) = delivered;
	is $top =~ s/^\t/>/mgr, <<'EOF', 'folded, and above all others';
Authentication-Results: mx.example.test; spf=pass
>smtp.mailfrom=joe@pass.example
Received-SPF: pass (mx.example.test: domain of joe@pass.example designates
>192.0.2.7 as permitted sender) receiver=mx.example.test; identity=mailfrom;
>client-ip=192.0.2.7; envelope-from="joe@pass.example"; helo=client.example;
>mechanism="a:out.pass.example";
EOF
	unlike $rest, qr/spf/i, 'and nowhere else';
};

subtest 'both identities' => sub {
	daemon('-helo', '-authservid' => 'border.example.test');
	is mail_from($client, mail => 'joe@soft.example')->{at}, 'eom', 'taken';
	my @fields = fields;
	is $fields[0], 'Authentication-Results: border.example.test; ' .
	    'spf=pass smtp.helo=client.example; ' .
	    'spf=softfail smtp.mailfrom=joe@soft.example', 'two results';
	like $fields[1], qr/^Received-SPF: softfail .* identity=mailfrom;/,
	    "MAIL FROM's field is the first";
	like $fields[2], qr/^Received-SPF: pass .* identity=helo;/,
	    "HELO's the second";
	is scalar @fields, 3, 'and there are no more';
	is_refused(mail_from($client, mail => 'joe@pass.example',
	    helo => 'fail.example'),
	    "550 5.7.23 SPF fail: $client is not the host fail.example",
	    'a HELO that fails decides');
};

subtest 'refuse' => sub {
	daemon('-permerror' => 'reject');
	for my $from (@clients) {
		is_refused(mail_from($from, mail => 'joe@fail.example'),
		    "550 5.7.23 SPF fail: $from is not allowed to send mail " .
		    'for fail.example', "$from, fail");
		is_refused(mail_from($from, mail => '', helo => 'fail.example'),
		    "550 5.7.23 SPF fail: $from is not the host " .
		    'fail.example', "$from, fail of HELO");
	}
	is_refused(mail_from($client, mail => 'joe@perm.example'),
	    '550 5.7.24 SPF of perm.example: not an IPv4 address: ' .
	    'ip4:192.0.2.300', '-permerror reject');
	is mail_from($client, mail => "joe\@$_.example")->{at}, 'eom',
	    "$_ is taken" for qw(pass soft neutral none);
	is scalar($mta->mails), 4, 'and delivered';
	like +($spf->lines(qr/^verdict=reject/))[0], qr/^verdict=reject\ by=fail
	    \ identity=mailfrom\ mechanism=-all\ client=$client
	    \ helo=client.example\ from=<joe\@fail.example>\ qid=\w{10,}
	    \ us=\d+$/x, 'one line in our log';
	ok $mta->lines(qr/milter=spfmilter, action=mail, reject=550 5.7.23 /),
	    'sendmail says who it was';
};

subtest 'quarantine and discard' => sub {
	daemon('-fail' => 'quarantine', '-softfail' => 'discard');
	is mail_from($client, mail => 'joe@soft.example')->{at}, 'eom',
	    'a softfail is taken';
	is mail_from($client, mail => 'joe@fail.example')->{at}, 'eom',
	    'so is a fail';
	is scalar(my @mails = $mta->mails), 0, 'but neither is delivered';
	like $mta->run_sendmail('-bp'), qr/queue is empty/,
	    'the queue has neither';
	like $mta->run_sendmail('-bp', '-qQ'),
	    qr/QUARANTINE: spfmilter: SPF fail\n.*Total requests: 1$/s,
	    'the quarantine one, and why';
	my ($qid) = map { /: (\w+): milter=spfmilter, quarantine/ }
	    $mta->lines('quarantine=');
	$mta->run_sendmail('-qQ', '-Q', "-qI$qid");
	$mta->run_sendmail("-qI$qid");
	eventually { scalar(my @mails = $mta->mails) } 10;
	is_deeply [fields], [expected('fail', 'joe@fail.example', $client, $no,
	    ' mechanism=-all;')], 'when it is let go it is marked';
};

# Header fields of somebody who would like them to be ours; ">" marks those
# that are to stay.
my $forged = <<'EOF';
Authentication-Results: mx.example.test; spf=pass smtp.mailfrom=joe@fail.example
>From: joe@client.example
>Authentication-Results: mx.other.example; spf=pass smtp.mailfrom=x@y.example
authentication-results: (a comment) MX.Example.Test 1;
	dkim=pass header.d=bank.example
Received-SPF: pass (mx.example.test: domain of joe@fail.example designates
	192.0.2.7 as permitted sender) receiver=mx.example.test;
	client-ip=192.0.2.7; helo=x
>To: alice@example.test
>Received-SPF: pass (mx.other.example: fine) receiver=mx.other.example;
>	client-ip=192.0.2.9
RECEIVED-SPF: Pass receiver = "mx.example.test"; identity=mailfrom
>Authentication-Results: mx.example.test.other.example; none
>Date: Mon, 1 Jun 2026 12:00:00 +0000
>Message-ID: <one@client.example>
Authentication-Results: "mx.example.test"; spf=pass
>X-Authentication-Results: mx.example.test; spf=pass
received-spf: none receiver=mx.example.test
>Authentication-Results-Original: mx.example.test; spf=pass
>Subject: test
>
>Authentication-Results: mx.example.test; spf=pass
>
>Received-SPF: pass receiver=mx.example.test
EOF
my $message = $forged =~ s/^>//mgr;
my $left = join '', (map { /^>(.*\n)/s } split /^/, $forged), "\n";

subtest 'forged fields' => sub {
	daemon('-softfail' => 'none');
	is mail_from($client, mail => 'joe@pass.example',
	    message => $message)->{at}, 'eom', 'taken';
	my ($top, $rest) = delivered;
	is_deeply [$top =~ /^([\w-]+):/mg],
	    ['Authentication-Results', 'Received-SPF'], 'two fields are ours';
	is $rest, $left, 'the forged ones are gone, all else is as it was';
	is $spf->stat('forged_headers_total'), 6, 'they were counted';
	is mail_from($client, mail => 'joe@soft.example',
	    message => $message)->{at}, 'eom', 'taken for a log line only';
	($top, $rest) = delivered;
	is $top, '', 'it has nothing of ours';
	is $rest, $left, 'but nobody else has either';
	daemon('-dryrun');
	is mail_from($client, mail => 'joe@fail.example',
	    message => $message)->{at}, 'eom', '-dryrun takes a fail';
	($top, $rest) = delivered;
	is "$top$rest", "$message\n", 'and changes nothing';
	is scalar($spf->lines(qr/^verdict=none by=fail /)), 1, 'but logs it';
};

# The keys of a Received-SPF, outside of comments and quotes.
sub keys_of {
	my ($value) = @_;
	$value =~ s/"(?:\\.|[^"\\])*"|\((?:\\.|[^()\\])*\)/x/gs;
	return $value =~ /([\w-]+)=/g;
}

subtest 'what strangers say' => sub {
	daemon('-markonly');
	my $local = '"x\" (y; receiver=z; identity=\\\\ ' . 'a ' x 30 . '"';
	my @names = ($local . '@fail.example', 'joe@' . 'a.' x 60 . 'example',
	    'a' x 150 . '@fail.example', "joe\@fail.example\x{e4}",
	    '"%n%s\"%d"@fail.example');
	for my $name (@names) {
		my $r = mail_from($client, mail => $name,
		    helo => 'h' x 200 . '.example');
		SKIP: {
			skip "sendmail refuses it: $r->{text}", 4
			    if $r->{at} eq 'mail';
			is $r->{at}, 'eom', substr($name, 0, 20) . ' is taken';
			my ($top) = delivered;
			is_deeply [$top =~ /^([\w-]+):/mg],
			    ['Authentication-Results', 'Received-SPF'],
			    'two fields are ours';
			unlike $top, qr/[^\n\t -~]|^\t*$|.{998}/m,
			    'of good and short lines';
			my @keys = $top =~ /^Received-SPF: (.*)/ms ?
			    keys_of($1) : ();
			is_deeply [grep { !/^(mechanism)$/ } @keys],
			    [qw(receiver identity client-ip envelope-from
			    helo)], 'each key once';
		}
	}
};

subtest 'the explanation of the sender' => sub {
	daemon('-explanation' => 'sender');
	my %said = (
		plain => 'plain.hostile.example explains: 100% "no" to ' .
		    "$client, joe\@plain.hostile.example <b>\\ 250 2.0.0 Ok 5%",
		long => 'long.hostile.example explains: ' . '1% ' x 60,
	);
	for (sort keys %text) {
		my $c = Smtp->new(from => $client);
		my $r = $c->send(mail => "joe\@$_.hostile.example");
		is $r->{at}, 'mail', "$_: refused";
		my $no = "550 5.7.23 SPF fail: $client is not allowed to " .
		    "send mail for $_.hostile.example";
		if ($said{$_}) {
			like text_of($r), qr/^\Q$no; $said{$_}\E/,
			    'with what is said';
		} else {
			is text_of($r), $no, 'and nothing else is said';
		}
		is scalar(@{ $r->{lines} }), 1, 'in one line';
		like $r->{text}, qr/^[ -~]{1,510}$/, 'a good one';
		is $c->cmd('NOOP')->{code}, 250, 'and nothing behind it';
		$r = $c->send(mail => 'a' x 200 . "\@$_.hostile.example");
		cmp_ok length $r->{text}, '<=', 510,
		    'nor too long with a long sender';
		is $c->send(mail => 'joe@pass.example')->{at}, 'eom',
		    'the next message is another one';
	}
};

subtest 'users' => sub {
	daemon();
	is mail_from($client, @auth, mail => 'joe@fail.example')->{at}, 'eom',
	    'ours may say they are anybody';
	is_deeply [fields], [], 'and nothing is written';
	is $spf->stat('exempt_total{why="auth"}'), 1, 'they are counted';
	is mail_from('127.0.0.1', mail => 'joe@fail.example')->{at}, 'eom',
	    'as may programs on this machine';
	is_deeply [fields], [], 'the same way';
	daemon('-scanauth');
	is_refused(mail_from($client, @auth, mail => 'joe@fail.example'),
	    "550 5.7.23 SPF fail: $client is not allowed to send " .
	    'mail for fail.example', '-scanauth judges ours, too');
};

subtest 'forwarding' => sub {
	daemon('-recipientmx');
	my $r = mail_from($alien, mail => 'joe@fail.example',
	    rcpt => ['alice@example.test', 'bob@mx.example.test']);
	is $r->{at}, 'eom', "a recipient's MX may forward a fail";
	is text_of($r->{rcpt}[1]), "550 5.7.23 SPF fail: $alien is not " .
	    'allowed to send mail for fail.example', 'but to nobody else';
	is_deeply [fields], [expected('fail', 'joe@fail.example', $alien, $no,
	    ' mechanism=-all;')], 'it is marked as what it is';
	is mail_from($client, mail => 'joe@fail.example')->{at}, 'rcpt',
	    'nor may anybody else';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => $client);
	is $c->send(mail => 'joe@fail.example', message => $message)->{code},
	    550, 'the first is refused';
	for (['pass', 'joe@pass.example', $yes,
	    ' mechanism="a:out.pass.example";'],
	    ['pass', 'client.example', $yes,
	    ' mechanism="a:out.pass.example";'],
	    ['softfail', 'joe@soft.example', "transitioning $no",
	    ' mechanism=~all;']) {
		my ($result, $who, @said) = @$_;
		is $c->send(mail => $who =~ /@/ ? $who : '')->{at}, 'eom',
		    "$result is taken";
		is_deeply [fields], [expected($result, $who, $client, @said)],
		    'and has its own fields';
		$c->cmd('MAIL FROM:<left@none.example>');
		$c->cmd('RSET');
	}
	my ($sessions) = $spf->stat('sessions');
	$c->quit;
	is $sessions, 1, 'one connection';
	ok +(eventually { $spf->stat('sessions') == 0 } 5), 'that ends';
};

my $slow = Dns->new(zone => {
	'pass.example' => [ [TXT => 'v=spf1 ip4:192.0.2.0/24 -all'] ],
	'temp.example' => 'SERVFAIL',
	'silent.example' => 'SILENT',
	'late.example' => [ 'TXT SLOW 1.5',
	    [TXT => 'v=spf1 include:later.example -all'] ],
	'later.example' => [ 'TXT SLOW 1.5',
	    [TXT => 'v=spf1 include:silent.example -all'] ],
	'slow.example' => [ [TXT => 'v=spf1 include:a.slow.example ' .
	    'include:b.slow.example include:c.slow.example -all'] ],
	'*.slow.example' => [ 'TXT SLOW 0.9', [TXT => 'v=spf1 ?all'] ],
});

sub later { return ['temperror', $_[0], $later, " problem=$_[1];",
    "the DNS does not answer: $_[1]"] }

# Seconds that it took.
sub seconds {
	my ($code) = @_;
	my $began = time;
	$code->();
	return time - $began;
}

sub is_about {
	my ($seconds, $wanted, $what) = @_;
	my $most = $wanted + ($ENV{WATCH} ? 8 : 2);
	ok $seconds > $wanted - 0.2 && $seconds < $most,
	    sprintf '%s: %.2f seconds, should be %s', $what, $seconds, $wanted;
}

subtest 'trouble' => sub {
	daemon('-nameserver' => $slow->address);
	try_marks($client, later('temp.example', 'temp.example'));
	daemon('-nameserver' => $slow->address, '-temperror' => 'tempfail',
	    '-deadline' => 2);
	is_refused(mail_from($client, mail => 'joe@temp.example'),
	    '451 4.4.3 SPF of temp.example cannot be looked up now',
	    '-temperror tempfail');
	my $r;
	is_about(seconds(sub { $r = mail_from($client,
	    mail => 'joe@slow.example') }), 2, 'a slow name server');
	is_refused($r,
	    '451 4.4.3 SPF of slow.example cannot be looked up now',
	    'is one that does not answer');
	is_about(seconds(sub { $r = mail_from($client,
	    mail => 'joe@silent.example') }), 2, 'so is a silent one');
	is $r->{code}, 451, 'it is asked to come back';
};

subtest 'silence' => sub {
	daemon('-nameserver' => $slow->address);
	my ($waits, $r) = Smtp->new(from => $client);
	$waits->cmd('HELO client.example');
	is_about(seconds(sub {
		syswrite $waits->{socket},
		    "MAIL FROM:<joe\@late.example>\r\n";
		sleep 0.1;
		is_about(seconds(sub { $r = mail_from($client,
		    mail => 'joe@pass.example') }), 0, 'somebody else');
		is $r->{at}, 'eom', 'does not wait';
		$mta->forget;
		is $waits->reply->{code}, 250, 'it ends';
	}), 8, 'at the deadline');
	is $waits->cmd('RCPT TO:<alice@example.test>')->{code}, 250, 'RCPT';
	is $waits->cmd('DATA')->{code}, 354, 'DATA';
	is $waits->text("Subject: test\n\nhello\n")->{code}, 250, 'taken';
	my (undef, @said) = @{ later('late.example', 'silent.example') };
	is_deeply [fields], [expected('temperror', 'joe@late.example',
	    $client, @said[1 .. 3])], 'and marked';
	is_deeply [$mta->lines(qr/Milter \(spfmilter\): (?:timeout|to error)/)],
	    [], 'sendmail does not complain';
};

subtest 'down' => sub {
	daemon();
	my $c = Smtp->new(from => $client);
	$spf->crash;
	is $c->send(mail => 'joe@fail.example')->{at}, 'eom',
	    'it dies in the middle: with F= mail passes';
	is_deeply [fields], [], 'as it is';
	is mail_from($client, mail => 'joe@fail.example')->{at}, 'eom',
	    'so it does while it is down';
	is_deeply [fields], [], 'as it is';
	daemon();
	is mail_from($client, mail => 'joe@fail.example')->{code}, 550,
	    'back it refuses again';
	is $spf->stop, 0, 'SIGTERM ends it';
};

# All of a pool have to write before it is over.
use constant DELAY => $ENV{WATCH} ? 10 : 4;
use constant POOL => 10;

# What becomes of a mail from each client of a pool: the steps that decided.
sub pool {
	my ($network) = @_;
	return map { mail_from("198.18.$_.25",
	    mail => 'news@pool.example')->{at} } map { $network + $_ } 1 .. POOL;
}

subtest 'with graymilter behind it' => sub {
	$mta->stop;
	$mta = Mta->start('spfmilter/spfmilter.m4',
	    'graymilter/graymilter.m4');
	my $gray = Daemon->start({ name => 'graymilter',
	    socket => 'unix:/run/graymilter/graymilter.sock',
	    control => '/run/graymilter/control' }, -delay => DELAY, '-memory');
	my $records = sub { scalar grep { /pool\.example/ }
	    $gray->tell('list') };

	daemon();
	is_deeply [pool(0)], [('rcpt') x POOL], 'without a hint each is new';
	is $records->(), POOL, 'and there are as many records';

	daemon('-hint' => $gray->control);
	is_deeply [pool(100)], [('rcpt') x POOL], 'with it they have to wait';
	is $records->(), POOL + 1, 'as one more';
	is $spf->stat('hints_sent_total'), POOL, 'of whom it was told';
	is_refused(mail_from($alien, mail => 'joe@pool.example'),
	    "550 5.7.23 SPF fail: $alien is not allowed to send mail for " .
	    'pool.example', 'a client that is not of the pool is refused');
	is $records->(), POOL + 1, 'before graymilter hears of it';
	sleep DELAY + 0.1;
	is_deeply [pool(100)], [('eom') x POOL], 'then all of them pass';
	is scalar(grep { /^X-Greylist: delayed/m } $mta->mails), 1,
	    'of whom one was delayed';
};

done_testing;
