# What spfmilter thinks of a message, and what it does with it.
use strict;
use warnings;
use Test::More;

use Daemon;
use Milter;
use Odd;
use Spfmilter;

my $net = 'ip4:192.0.2.0/24';
my %zone = (
	'none.example' => [[A => '192.0.2.1']],
	'neutral.example' => [[TXT => 'v=spf1 ?all']],
	'default.example' => [[TXT => 'v=spf1']],
	'pass.example' => [[TXT => "v=spf1 $net ip6:2001:db8::/32 -all"]],
	'fail.example' => [[TXT => 'v=spf1 ip4:203.0.113.0/24 -all']],
	'softfail.example' => [[TXT => 'v=spf1 ~all']],
	'temperror.example' => ['SERVFAIL'],
	'permerror.example' => [[TXT => 'v=spf1 nosuch:x -all']],
	'mx.example' => [[TXT => 'v=spf1 mx -all'], [MX => 10, 'a.example']],
	'a.example' => [[A => '192.0.2.1'], [AAAA => '2001:db8::1'],
	    [TXT => 'v=spf1 a -all']],
	'macro.example' => [[TXT => 'v=spf1 exists:%{ir}.%{v}.%{l1r-}.' .
	    'spf.example -all']],
	'1.2.0.192.in-addr.joe.spf.example' => [[A => '127.0.0.2']],
	'*.wild.example' => [[TXT => 'v=spf1 -all']],
	'*.good.example' => [[TXT => "v=spf1 $net -all"]],
	'client.example' => [[TXT => 'v=spf1 a -all'], [A => '192.0.2.1']],
	'forger.example' => [[TXT => 'v=spf1 -all']],
	'first.example' => ['TXT FIRST SERVFAIL', [TXT => "v=spf1 $net -all"]],
);
names(%zone);

# A line of the log, but for what is different each time.
sub verdicts {
	my ($d) = @_;
	return map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
}

# --- each result: the reply or the header fields, and the log

my $mx = 'mx.example.test';
my $who = 'domain of joe@DOMAIN';
my $told = "receiver=$mx; identity=mailfrom; client-ip=192.0.2.1; " .
    'envelope-from="joe@DOMAIN"; helo=client.example;';
my $sent = 'is not allowed to send mail for DOMAIN';
my @results = (
	# result, domain, the comment, key behind the others, what
	# Authentication-Results says, codes and reply when it is refused, the
	# log
	['none', 'none.example', "$who does not designate permitted sender " .
	    'hosts: no record', '', 'none', 'x.23',
	    'SPF of DOMAIN: no record', 'reason=no_record'],
	['none', 'nowhere.example', "$who does not designate permitted " .
	    'sender hosts: no record', '', 'none', 'x.23',
	    'SPF of DOMAIN: no record', 'reason=no_record'],
	['neutral', 'neutral.example', "192.0.2.1 is neither permitted nor " .
	    "denied by $who", ' mechanism=?all;', 'neutral', 'x.23',
	    "SPF neutral: 192.0.2.1 $sent", 'mechanism=?all'],
	['neutral', 'default.example', "192.0.2.1 is neither permitted nor " .
	    "denied by $who", ' mechanism=default;', 'neutral', 'x.23',
	    "SPF neutral: 192.0.2.1 $sent", 'mechanism=default'],
	['pass', 'pass.example', "$who designates 192.0.2.1 as permitted " .
	    'sender', qq( mechanism="$net";), 'pass', undef, undef,
	    "mechanism=$net"],
	['fail', 'fail.example', "$who does not designate 192.0.2.1 as " .
	    'permitted sender', ' mechanism=-all;', 'fail', 'x.23',
	    "SPF fail: 192.0.2.1 $sent", 'mechanism=-all'],
	['softfail', 'softfail.example', "transitioning $who does not " .
	    'designate 192.0.2.1 as permitted sender', ' mechanism=~all;',
	    'softfail', 'x.23', "SPF softfail: 192.0.2.1 $sent",
	    'mechanism=~all'],
	['temperror', 'temperror.example', "temporary error in processing " .
	    "$who: the DNS does not answer", ' problem=DOMAIN;', 'temperror ' .
	    'reason="the DNS does not answer: DOMAIN"', '4.3',
	    'SPF of DOMAIN cannot be looked up now',
	    'reason=the_DNS_does_not_answer problem=DOMAIN'],
	['permerror', 'permerror.example', "permanent error in processing " .
	    "$who: unknown mechanism", ' problem="nosuch:x";', 'permerror ' .
	    'reason="unknown mechanism: nosuch:x"', 'x.24',
	    'SPF of DOMAIN: unknown mechanism: nosuch:x',
	    'reason=unknown_mechanism problem=nosuch:x'],
);

sub about {
	my ($text, $domain) = @_;
	return defined $text ? $text =~ s/DOMAIN/$domain/gr : undef;
}

my $marks = spf('-markonly', '-debug');
my @refusers = map { my $action = $_; { action => $action, d => spf(map({
    ("-$_" => $action) } qw(fail softfail neutral none permerror)),
    -temperror => 'tempfail') } } qw(reject tempfail);
for (@results) {
	my ($result, $domain, @texts) = @$_;
	my ($comment, $keys, $says, $code, $reply, $log, $all) =
	    map { about($_, $domain) } @texts, $told;
	my @with = (from => "<joe\@$domain>");
	my $seen = verdicts($marks);
	my $r = mail($marks, @with);
	is $r->{reply}, 'c', "$domain: the end";
	is_deeply [map { "$_->[0] $_->[1] $_->[2]" } @{ $r->{changes} }],
	    ['i 0 Received-SPF', 'i 0 Authentication-Results'],
	    "$domain: two fields, on top of all";
	is join("\n", fields($r, 'Received-SPF')),
	    "$result ($mx: $comment) $all$keys", "$domain: Received-SPF";
	is join("\n", fields($r, 'Authentication-Results')),
	    "$mx; spf=$says smtp.mailfrom=joe\@$domain",
	    "$domain: Authentication-Results";
	my @said = verdicts($marks);
	is_deeply [splice @said, $seen], ["verdict=mark by=$result " .
	    "identity=mailfrom $log client=192.0.2.1 helo=client.example " .
	    "from=<joe\@$domain> qid=q1"], "$domain: the log, with -debug";

	for (@refusers) {
		my ($action, $d) = @$_{qw(action d)};
		my $seen = verdicts($d);
		my $r = mail($d, @with);
		my $is = $result eq 'temperror' ? 'tempfail' : $action;
		my $codes = $is eq 'reject' ? '550 5.' : '451 4.';
		is $r->{text}, defined $reply ? $codes .
		    $code =~ s/^x/7/r . " $reply" : undef,
		    "$domain: $action";
		is $r->{said}, 'mailfrom=pass', "$domain: passes"
		    unless defined $reply;
		my @said = verdicts($d);
		is_deeply [splice @said, $seen], defined $reply ?
		    ["verdict=$is by=$result identity=mailfrom $log " .
		    "client=192.0.2.1 helo=client.example " .
		    "from=<joe\@$domain> qid=q1"] : [],
		    "$domain: $action: the log";
	}
}

# What is done with each when nothing is said of it, and what is then logged:
# nothing of what is no news.
{
	my $d = spf;
	for (
		# domain, what becomes of it, of its log line
		['none', 'mailfrom=none'], ['neutral', 'mailfrom=neutral'],
		['pass', 'mailfrom=pass'],
		['fail', 'mail 550 5.7.23', 'reject by=fail'],
		['softfail', 'mailfrom=softfail', 'mark by=softfail'],
		['temperror', 'mailfrom=temperror', 'mark by=temperror'],
		['permerror', 'mailfrom=permerror', 'mark by=permerror'],
	) {
		my ($result, $said, $log) = @$_;
		my $seen = verdicts($d);
		is mail($d, from => "<joe\@$result.example>")->{said}, $said,
		    "$result: by default";
		my @said = verdicts($d);
		is_deeply [map { /^verdict=(\S+ \S+) / } splice @said, $seen],
		    [$log // ()], "$result: by default: the log";
		is $d->stat(qq(results_total{identity="mailfrom",) .
		    qq(result="$result"})), 1, "$result: counted";
		my $is = $result eq 'fail' ? 'reject' : 'mark';
		is $d->stat(qq(verdicts_total{verdict="$is",by="$result"})), 1,
		    "$result: its verdict, too";
	}
	is $d->stat('check_seconds_count'), 7, 'results: the checks counted';
	is $d->stat('errors_total'), 0, 'results: no error is ours';
	is_idle $d, 'results';
}

# --- who is judged: addresses and names

{
	my $d = spf;
	for (
		# client, sender, what becomes of it, client-ip
		['192.0.2.1', 'pass.example', 'pass', '192.0.2.1'],
		['192.0.3.1', 'pass.example', 'fail'],
		['2001:db8::1', 'pass.example', 'pass', '2001:db8::1'],
		['2001:DB8:0:0:0:0:0:99', 'pass.example', 'pass',
		    '2001:db8::99'],
		['2001:db9::1', 'pass.example', 'fail'],
		['::ffff:192.0.2.1', 'pass.example', 'pass', '192.0.2.1'],
		['::ffff:192.0.3.1', 'pass.example', 'fail'],
		['192.0.2.1', 'a.example', 'pass', '192.0.2.1'],
		['::ffff:192.0.2.1', 'a.example', 'pass', '192.0.2.1'],
		['2001:db8::1', 'a.example', 'pass', '2001:db8::1'],
		['2001:db8::2', 'a.example', 'fail'],
		['192.0.2.1', 'mx.example', 'pass', '192.0.2.1'],
		['2001:db8::1', 'mx.example', 'pass', '2001:db8::1'],
		['192.0.2.2', 'mx.example', 'fail'],
		['192.0.2.1', 'macro.example', 'pass', '192.0.2.1'],
		['192.0.2.2', 'macro.example', 'fail'],
		['192.0.2.1', 'PASS.Example', 'pass', '192.0.2.1'],
		['192.0.2.1', 'pass.example.', 'pass', '192.0.2.1'],
	) {
		my ($client, $domain, $result, $ip) = @$_;
		my $r = mail($d, client => $client, from => "<joe\@$domain>");
		is $r->{said}, $result eq 'pass' ? 'mailfrom=pass' :
		    'mail 550 5.7.23', "$client for $domain";
		like +(fields($r, 'Received-SPF'))[0],
		    qr/ client-ip="?\Q$ip\E"?;/,
		    "$client: client-ip" if defined $ip;
	}
	like mail($d, client => '2001:db9::1', from => '<joe@pass.example>')->
	    {text}, qr/^550 5\.7\.23 SPF fail: 2001:db9::1 is not /,
	    'IPv6: the reply';
}

# --- the HELO identity: of "<>" always, of others with -helo

sub helo_said {
	my ($d, $helo, $from) = @_;
	return mail($d, helo => $helo, from => "<$from>")->{said};
}

my %checks_helo;
for (
	# options, HELO, MAIL FROM, what becomes of it, what is asked
	[[], 'client.example', '', 'helo=pass', 2],
	[[], 'forger.example', '', 'mail 550 5.7.23', 1],
	[[], 'nowhere.example', '', 'helo=none', 1],
	[[], 'temperror.example', '', 'helo=temperror', 1],
	[[], 'permerror.example', '', 'helo=permerror', 1],
	[[], 'softfail.example', '', 'helo=softfail', 1],
	[[], 'forger.example', 'joe@pass.example', 'mailfrom=pass', 1],
	[['-helo'], 'client.example', '', 'helo=pass', 2],
	[['-helo'], 'client.example', 'joe@pass.example',
	    'mailfrom=pass helo=pass', 3],
	[['-helo'], 'forger.example', 'joe@pass.example', 'mail 550 5.7.23', 2],
	[['-helo'], 'client.example', 'joe@fail.example', 'mail 550 5.7.23', 3],
	[['-helo'], 'softfail.example', 'joe@pass.example',
	    'mailfrom=pass helo=softfail', 2],
	[['-helo'], 'permerror.example', 'joe@pass.example',
	    'mailfrom=pass helo=permerror', 2],
	[['-helo'], 'client.example', 'joe@none.example',
	    'mailfrom=none helo=pass', 3],
	# What is no name of a host says nothing.
	map({ [['-helo'], $_, 'joe@pass.example', 'mailfrom=pass helo=none',
	    1] } '', 'localhost', '[192.0.2.1]', '[IPv6:2001:db8::1]', '.',
	    'a..b', "joe\@pass.example", "x\@forger.example",
	    'x' x 64 . '.example', 'x.' x 126 . 'example', "a\x01b.example"),
) {
	my ($options, $helo, $from, $want, $asked) = @$_;
	my $d = $checks_helo{"@$options"} //= spf(@$options);
	my $seen = verdicts($d);
	$d->tell('flush');
	queries;
	my $what = "@$options HELO " . substr($helo, 0, 30) =~ s/[^ -~]/?/gr .
	    ", <$from>";
	is helo_said($d, $helo, $from), $want, $what;
	my @asked = queries;
	is scalar(@asked), $asked, "$what: questions" or diag "@asked";
	if ($helo eq 'forger.example' && $want =~ /^mail /) {
		my @said = verdicts($d);
		is_deeply [splice @said, $seen], ['verdict=reject by=fail ' .
		    'identity=helo mechanism=-all client=192.0.2.1 ' .
		    "helo=forger.example from=<$from> qid=q1"],
		    "$what: the log";
	}
}
{
	my $d = spf('-helo', '-markonly');
	my $r = mail($d, helo => 'forger.example');
	is_deeply [map { $_->[2] } @{ $r->{changes} }], ['Received-SPF',
	    'Received-SPF', 'Authentication-Results'],
	    'two identities: the fields';
	is_deeply [fields($r, 'Received-SPF')], ["fail ($mx: host " .
	    'forger.example does not designate 192.0.2.1 as permitted ' .
	    "sender) receiver=$mx; identity=helo; client-ip=192.0.2.1; " .
	    'envelope-from="joe@pass.example"; helo=forger.example; ' .
	    'mechanism=-all;', "pass ($mx: domain of joe\@pass.example " .
	    "designates 192.0.2.1 as permitted sender) receiver=$mx; " .
	    'identity=mailfrom; client-ip=192.0.2.1; envelope-from="joe@' .
	    'pass.example"; helo=forger.example; ' .
	    qq(mechanism="$net";)], 'two identities: Received-SPF';
	is join("\n", fields($r, 'Authentication-Results')),
	    "$mx; spf=fail smtp.helo=forger.example; spf=pass " .
	    'smtp.mailfrom=joe@pass.example',
	    'two identities: Authentication-Results';
	is $d->stat('results_total{identity="helo",result="fail"}'), 1,
	    'two identities: HELO counted';
	is $d->stat('results_total{identity="mailfrom",result="pass"}'), 1,
	    'two identities: MAIL FROM, too';
	is mail($d, helo => 'forger.example', from => '<>')->{said},
	    'helo=fail', '<>: is never said to be MAIL FROM';
	is join("\n", fields(mail($d, helo => undef, from => '<>'),
	    'Received-SPF')), "none ($mx: host unknown does not designate " .
	    'permitted sender hosts: no domain that could have a record) ' .
	    "receiver=$mx; identity=helo; client-ip=192.0.2.1; " .
	    'envelope-from="<>";', '<>: and no HELO';
	is join("\n", fields(mail($d, helo => undef, from => '<>'),
	    'Authentication-Results')), "$mx; spf=none",
	    '<>: nothing is said of what is not there';
}

# The reply when it is the HELO that fails.
is mail(spf('-helo'), helo => 'forger.example')->{text}, '550 5.7.23 SPF ' .
    'fail: 192.0.2.1 is not the host forger.example', 'HELO: the reply';

# What is known of a HELO holds for its connection.
{
	my $d = spf('-helo');
	names(%zone);
	my $m = met($d);
	my $asks = sub {
		$d->tell('flush');
		my $r = mail_on($d, $m, @_);
		return join ', ', $r->{said}, queries;
	};
	my $helo = 'TXT client.example, A client.example';
	my $both = 'mailfrom=pass helo=pass';
	is $asks->(), "$both, $helo, TXT pass.example", 'HELO: is asked for';
	is $asks->(), "$both, TXT pass.example", 'HELO: once';
	is $asks->(from => '<>'), 'helo=pass', 'HELO: for <>, too';
	$m->helo('softfail.example');
	is $asks->(from => '<>'), 'helo=softfail, TXT softfail.example',
	    'HELO: another one is asked for';
	is $asks->(from => '<>'), 'helo=softfail', 'HELO: once, too';
	$m->helo('softfail.example');
	is $asks->(from => '<>'), 'helo=softfail, TXT softfail.example',
	    'HELO: the same said again';
	$m->helo('first.example');
	is $asks->(from => '<>') =~ s/, .*//r, 'helo=temperror',
	    'HELO: an error that passes';
	is $asks->(from => '<>'), 'helo=pass, TXT first.example',
	    'HELO: is asked for again';
	is $asks->(from => '<>'), 'helo=pass', 'HELO: and then known';
	$m->quit;
	is $d->stat('results_total{identity="helo",result="pass"}'), 2,
	    'HELO: counted when it is asked for';
	$m = met($d);
	is $asks->(), "$both, $helo, TXT pass.example",
	    'HELO: of another connection';
	$m->quit;
}

# --- who is not judged

{
	my $white = file('white', "192.0.2.77\n198.51.100.0/24\n" .
	    "2001:db8:77::/48\n.friend.example\n");
	my $d = spf(-whitelist => $white, '-helo');
	names(%zone);
	my @fail = (from => '<joe@fail.example>', helo => 'forger.example');
	for (
		# what, %with, where it is accepted
		['local submission', [client => undef], 'mail'],
		map({ ["loopback $_", [client => $_], 'mail'] } '127.0.0.1',
		    '127.99.0.1', '::1', '::ffff:127.0.0.1'),
		map({ ["private $_", [client => $_], 'mail'] } '10.0.0.1',
		    '10.255.255.255', '172.16.0.1', '172.31.255.255',
		    '192.168.1.1', '169.254.1.1', '100.64.0.1',
		    '100.127.255.255', 'fc00::1', 'fdff::1', 'fe80::1',
		    'febf::1', '::ffff:192.168.1.1'),
		map({ ["whitelist $_", [client => $_], 'mail'] }
		    '192.0.2.77', '198.51.100.9', '2001:db8:77::1',
		    '::ffff:192.0.2.77'),
		map({ ["host $_", [host => $_, macros => { C => [j => $mx,
		    '{client_resolve}' => 'OK'] }], 'mail'] }
		    'mx.friend.example', 'friend.example',
		    'MX.Friend.EXAMPLE'),
		['AUTH', [auth => 'ann'], 'mail'],
		['AUTH, <>', [auth => 'ann', from => '<>'], 'mail'],
		['verified TLS', [tls => 'OK'], 'mail'],
	) {
		my ($what, $with, $where) = @$_;
		is mail($d, @fail, @$with)->{said}, "$where a", "exempt: $what";
	}
	is_deeply [queries], [], 'exempt: nothing is asked for';
	is_deeply [verdicts($d)], [], 'exempt: nothing is logged';
	is_deeply [map { $d->stat("exempt_total{why=\"$_\"}") } qw(local
	    loopback whitelist auth tls)], [1, 4, 7, 2, 1],
	    'exempt: counted';
	is $d->stat('private_clients_total'), 13, 'exempt: private, too';
	for (
		['no network of ours', client => '172.32.0.1'],
		['nor that', client => '172.15.0.1'],
		['nor that', client => '100.128.0.1'],
		['nor that', client => '169.253.1.1'],
		['nor that', client => 'fec0::1'],
		['nor that', client => '::ffff:11.0.0.1'],
		['not that host', host => 'notfriend.example'],
		['a name in brackets', host => '[192.0.2.1]'],
		['a name that does not lead back', host => 'mx.friend.example',
		    macros => { C => [j => $mx, '{client_resolve}' =>
		    'FORGED'] }],
		['TLS that is not verified', tls => 'FAIL'],
		['TLS without a certificate', tls => 'NO'],
		['AUTH that is empty', auth => ''],
	) {
		my ($what, @with) = @$_;
		is mail($d, @fail, @with)->{said}, 'mail 550 5.7.23',
		    "not exempt: $what";
	}
	is mail($d, @fail, host => 'mx.friend.example')->{said}, 'mail a',
	    'exempt: a host of an MTA that has no such macro';
	# AUTH is for the message it came with.
	my $m = met($d, helo => 'client.example');
	is mail_on($d, $m, @fail, auth => 'ann')->{said}, 'mail a',
	    'AUTH: this message';
	is mail_on($d, $m, @fail)->{said}, 'mail 550 5.7.23',
	    'AUTH: not the next one';
	$m->quit;
	my $verbose = spf('-debug', -whitelist => $white);
	mail($verbose, client => $_) for '192.0.2.77', '10.0.0.1',
	    '127.0.0.1', undef;
	is_deeply [verdicts($verbose)], ['verdict=pass by=whitelist ' .
	    'client=192.0.2.77', 'verdict=pass by=private client=10.0.0.1',
	    'verdict=pass by=loopback client=127.0.0.1',
	    'verdict=pass by=local client=-'], 'exempt: the log, with -debug';
	is_idle $d, 'exempt';
}

# --- A16: messages of a connection, and RSET

{
	my $d = spf('-helo', -fail => 'mark');
	my $m = met($d);
	my $forged = ['Authentication-Results', "$mx; spf=pass"];
	my @forged = (headers => [$forged]);
	my $says = sub {
		my ($r) = @_;
		return join ' ', $r->{said}, map { "$_->[0] $_->[1]" } grep {
		    $_->[0] eq 'm' } @{ $r->{changes} };
	};
	is $says->(mail_on($d, $m, @forged)), 'mailfrom=pass helo=pass m 1',
	    'A16: the first message';
	is $says->(mail_on($d, $m, from => '<joe@fail.example>')),
	    'mailfrom=fail helo=pass', 'A16: the second';
	is $says->(mail_on($d, $m, from => '<>')), 'helo=pass',
	    'A16: the third has no MAIL FROM';
	$m->mail('<joe@fail.example>');
	$m->header(@$forged);
	$m->abort;
	is $says->(mail_on($d, $m)), 'mailfrom=pass helo=pass',
	    'A16: nothing of one that was aborted';
	$m->mail('<joe@fail.example>');
	$m->header(@$forged);
	# An MTA that says MAIL again without RSET means it.
	is $says->(mail_on($d, $m)), 'mailfrom=pass helo=pass',
	    'A16: nor of one that was not ended';
	$m->abort for 1 .. 3;
	is $says->(mail_on($d, $m, from => '<joe@softfail.example>')),
	    'mailfrom=softfail helo=pass', 'A16: RSET three times';
	$m->quit;
	is_idle $d, 'A16';

	$d = spf('-helo');
	$m = met($d);
	is mail_on($d, $m, from => '<joe@fail.example>')->{said},
	    'mail 550 5.7.23', 'A16: a message is refused';
	is mail_on($d, $m)->{said}, 'mailfrom=pass helo=pass',
	    'A16: and the next one passes';
	$m->helo('forger.example');
	is mail_on($d, $m)->{said}, 'mail 550 5.7.23', 'A16: HELO again';
	$m->helo($_) for map { "h$_.example" } 1 .. 4;
	$m->helo('client.example');
	is mail_on($d, $m)->{said}, 'mailfrom=pass helo=pass',
	    'A15: HELO five times: the last one counts';
	$m->quit;
	is mail($d, helo => undef)->{said}, 'mailfrom=pass helo=none',
	    'A15: no HELO';
	is_idle $d, 'A15: HELO';
}

# --- A14: what others wrote in our name

# The number of each field of this name that was removed, in order.
sub removed {
	my ($r, $name) = @_;
	return map { $_->[1] } grep { $_->[0] eq 'm' && $_->[2] eq $name &&
	    $_->[3] eq '' } @{ $r->{changes} };
}

my ($ar, $rs) = ('Authentication-Results', 'Received-SPF');
my @ours = ("$mx; spf=pass smtp.mailfrom=a\@b", "$mx;none", $mx, "$mx 1; none",
    "MX.Example.TEST; dkim=pass", qq("$mx"; spf=pass), " $mx ; spf=pass",
    "(a comment) $mx; spf=pass", "(a (nested) \\) one)$mx(here); spf=pass",
    "\n\t$mx;\n\tspf=pass", "(x)\n $mx\n\t(y)\n 1; spf=pass",
    qq("mx.\\example.test"; spf=pass), "$mx/1; spf=pass", "$mx=; spf=pass",
    qq("$mx" 1; spf=pass), "\t(\n)\n\t\"mx.example.test\";none");
my @theirs = ("mx.example.org; spf=pass", "x$mx; spf=pass", "${mx}x; spf=pass",
    "mx.example; spf=pass", "example.test; spf=pass", "$mx.org; spf=pass",
    "($mx); spf=pass", "other; x=$mx", "-$mx; spf=pass", '', ';', '"', '(',
    "(unended $mx; spf=pass", "x; (y) $mx; spf=pass", "a.$mx; spf=pass");
my @our_spf = ("pass receiver=$mx; client-ip=192.0.2.1;",
    "pass (x) client-ip=1.2.3.4; receiver=$mx", "pass RECEIVER=MX.example.TEST",
    "fail receiver=\"$mx\";", "pass\n\treceiver=$mx;\n\thelo=x",
    "pass receiver = $mx;", "pass receiver(a)=(b)$mx;",
    "pass (receiver=other) receiver=$mx;", "pass x=\"a\\\"b\"; receiver=$mx");
my @their_spf = ("pass receiver=other.example;", "pass (receiver=$mx)",
    "pass helo=\"receiver=$mx\"; receiver=other", 'pass', '', "pass x$mx",
    "pass xreceiver=$mx", "pass receiver=${mx}x", "pass receiver=x.$mx",
    "pass envelope-from=\"; receiver=$mx\"", "receiver $mx");
{
	my $d = spf;
	my @each = (map({ [$ar, $_, 1] } @ours), map({ [$ar, $_, 0] } @theirs),
	    map({ [$rs, $_, 1] } @our_spf), map({ [$rs, $_, 0] } @their_spf));
	my $m = met($d);
	for (@each) {
		my ($name, $value, $forged) = @$_;
		my $r = mail_on($d, $m, headers => [[Subject => 'x'],
		    [$name, 'other.example; x'], [$name, $value],
		    ['X-Last', $value]]);
		my @m = grep { $_->[0] eq 'm' } @{ $r->{changes} };
		is_deeply \@m, $forged ? [[m => 2, $name, '']] : [],
		    "A14: $name: " . $value =~ s/[^ -~]/?/gr .
		    ($forged ? '' : ' stays');
		is $r->{said}, 'mailfrom=pass', 'A14: and ours are there';
	}
	$m->quit;
	is $d->stat('forged_headers_total'), @ours + @our_spf, 'A14: counted';

	# Among many, from the last to the first; then ours, above all.
	my @headers = ([Received => 'x'],
	    [$ar, $ours[0]], [$rs, $our_spf[0]], [$ar, $theirs[0]],
	    [lc $ar, $ours[1]], [$rs, $their_spf[0]], [uc $rs, $our_spf[1]],
	    ["X-$ar", $ours[0]], ["$ar-X", $ours[0]], ['Subject', $ours[0]],
	    ["ARC-$ar", "i=1; $ours[0]"], [$ar, $theirs[1]], [$ar, $ours[2]],
	    [$rs, $our_spf[2]]);
	my $r = mail($d, headers => \@headers);
	is_deeply [removed($r, $ar)], [5, 3, 1], "A14: $ar: last to first";
	is_deeply [removed($r, $rs)], [4, 3, 1], "A14: $rs: last to first";
	is join(' ', map { $_->[0] } @{ $r->{changes} }), 'm m m m m m i i',
	    'A14: before ours are written';
	is_deeply [grep { $_->[0] eq 'm' && $_->[3] ne '' }
	    @{ $r->{changes} }], [], 'A14: no other is touched';

	# By another name.
	$d = spf(-authservid => 'Our-Name');
	$r = mail($d, headers => [[$ar, $ours[0]], [$ar, 'our-name; x'],
	    [$rs, $our_spf[0]], [$rs, 'pass receiver=OUR-NAME']]);
	is_deeply [removed($r, $ar), removed($r, $rs)], [2, 2],
	    'A14: -authservid';
	# A client of ours, or one that is refused, has nothing removed.
	is mail($d, auth => 'ann', headers => [[$ar, 'our-name; x']])->{said},
	    'mail a', 'A14: our own users';

	# The flood, and the last of a flood.
	for my $every (10, 100, 10_000) {
		my $d = spf;
		my $forged = 10_000 / $every;
		my $r = mail($d, headers => [map { [$ar, $_ % $every ?
		    "other.example; $_" : $ours[0]] } 1 .. 10_000]);
		my @gone = removed($r, $ar);
		is_deeply \@gone, [reverse grep { $_ % $every == 0 }
		    1 .. 10_000], "A14: $forged of 10,000";
		is $r->{said}, 'mailfrom=pass', 'A14: and it goes on';
		is $d->stat('forged_headers_total'), $forged,
		    'A14: all are counted';
		is_idle $d, "A14: $forged";
	}
	# Too many to be removed, or one that hides too far behind.
	for (
		['1,001', map { [$ar, $ours[0]] } 1 .. 1_001],
		['behind 65,536', (map { [$ar, 'x'] } 1 .. 65_536),
		    [$ar, $ours[0]]],
		['Received-SPF', map { [$rs, $our_spf[0]] } 1 .. 1_001],
	) {
		my ($what, @headers) = @$_;
		my $d = spf('-markonly');
		my $r = mail($d, headers => \@headers);
		is $r->{said}, 'eom 550 5.6.0', "A14: $what: refused";
		is_deeply $r->{changes}, [], "A14: $what: and not changed";
		is mail($d)->{said}, 'mailfrom=pass', "A14: $what: the next";
	}
}

# --- A11, A12, A13: hostile bytes and sizes

# What a message was given is clean: no line is long, none begins another
# field, all is printable.
sub clean_fields {
	my ($r, $what) = @_;
	my @bad;
	for (grep { $_->[0] eq 'i' } @{ $r->{changes} }) {
		my @lines = split /\n/, "$_->[2]: $_->[3]", -1;
		push @bad, grep { length > 998 || !/^[ -~\t]+$/ ||
		    /\t./ && !/^\t[^\t]*$/ } @lines;
		push @bad, grep { !/^\t[^ \t]/ } splice @lines, 1;
	}
	is_deeply \@bad, [], "A13: $what: the fields are clean";
}

{
	my $big = 'x' x 100_000;
	my @texts = (@hostile, ['10 kB', 'y' x 10_000], ['a quote', '"'],
	    ['a comment', '(('], ['a backslash', 'a\\'],
	    ['keys', 'x; receiver=evil; helo="y"'],
	    ['a fold', "x\n\ty"], ['percent', '%n%s%%{i}%']);
	my $d = spf('-helo', '-markonly', '-debug');
	my $refuser = spf('-helo', -none => 'reject');
	for (@texts) {
		my ($what, $text) = @$_;
		for my $place (
			['sender', from => "<$text>"],
			['local part', from => "<$text\@pass.example>"],
			['quoted', from => qq(<"$text"\@pass.example>)],
			['domain', from => "<joe\@$text.good.example>"],
			['bad domain', from => "<joe\@$text.wild.example>"],
			['HELO', helo => $text],
			['HELO name', helo => "$text.wild.example"],
			['host', host => $text],
			['queue id', qid => $text],
			['header', headers => [[$ar, "$mx; $text"],
			    ["X$text", 'x'], [$rs, 'pass ' .
			    "receiver=$mx; $text"], [$ar, $text]]],
			['macro j', macros => { C => [j => $text] }],
		) {
			my ($where, @with) = @$place;
			my $seen = $d->lines(qr/./);
			my $r = mail($d, @with);
			my @said = $d->lines(qr/./);
			splice @said, 0, $seen;
			my $about = "$what in $where";
			ok @said == 1 && $said[0] =~ /^verdict=mark\ by=\w+
			    \ identity=(?:mailfrom|helo)\ (?:mechanism|reason)
			    =\S+(?:\ problem=\S+)?\ client=192\.0\.2\.1\ helo=
			    \S*\ from=<\S*>\ qid=\S*\ us=\d+$/x &&
			    length $said[0] <= 1000, "A11: $about: one line" or
			    diag @said;
			like $r->{said}, qr/^(mailfrom=\w+ )?helo=\w+$/,
			    "A11: $about: judged";
			clean_fields($r, $about);
			my $reply = mail($refuser, @with);
			next if $reply->{reply} ne 'y';
			like $reply->{text}, qr/^550\ 5\.7\.2[34]\ SPF\ (?:
			    [ -\$&-~]|%%){1,500}$/x, "A12: $about: the reply";
		}
	}
	for (['MAIL', from => "<$big>"], ['MAIL', from => "<$big\@$big>"],
	    ['HELO', helo => $big], ['host', host => $big],
	    ['header', headers => [[$ar, $big]]],
	    ['name', headers => [[$big, 'x']]]) {
		my ($where, @with) = @$_;
		for my $d ($d, $refuser) {
			eval { mail($d, @with) };
			ok !$d->gone, "A11: 100 kB in $where";
		}
	}
	for ($d, $refuser) {
		clean_log $_, 'A11';
		is_idle $_, 'A11';
	}
}

# Local parts and domains as they may be, and as nobody should write them.
{
	my $d = spf('-markonly');
	my $long = 'x' x 10_000;
	for (
		# MAIL FROM, the result, envelope-from in Received-SPF,
		# smtp.mailfrom; undef: it is left out
		['<joe@pass.example>', 'pass', 'joe@pass.example',
		    'joe@pass.example'],
		['joe@pass.example', 'pass', 'joe@pass.example',
		    'joe@pass.example'],
		['<"joe@fail.example"@pass.example>', 'pass',
		    '\"joe@fail.example\"@pass.example', 'pass.example'],
		['<"a b"@pass.example>', 'pass', '\"a b\"@pass.example',
		    'pass.example'],
		['<"a\\"b"@pass.example>', 'pass',
		    '\"a\\\\\"b\"@pass.example', 'pass.example'],
		['<x=1@pass.example>', 'pass', 'x=1@pass.example',
		    'x=1@pass.example'],
		['<x=1;receiver=evil@pass.example>', 'pass',
		    'x=1;receiver=evil@pass.example', 'pass.example'],
		["<a\r\nX-Evil: b\@pass.example>", 'pass',
		    'a??X-Evil: b@pass.example', 'pass.example'],
		["<a\nb\@pass.example>", 'pass', 'a?b@pass.example',
		    'pass.example'],
		["<\xe4\@pass.example>", 'pass', '?@pass.example',
		    'pass.example'],
		['<(comment)joe@pass.example>', 'pass',
		    '(comment)joe@pass.example', 'pass.example'],
		['<@relay.example:joe@pass.example>', 'pass',
		    '@relay.example:joe@pass.example', 'joe@pass.example'],
		['<@fail.example,@x.example:joe@pass.example>', 'pass',
		    '@fail.example,@x.example:joe@pass.example',
		    'joe@pass.example'],
		['<joe@fail.example@pass.example>', 'pass',
		    'joe@fail.example@pass.example', 'pass.example'],
		['<joe@pass.example@fail.example>', 'fail',
		    'joe@pass.example@fail.example', 'fail.example'],
		['<@pass.example>', 'pass', '@pass.example', 'pass.example'],
		['<a..b@pass.example>', 'pass', 'a..b@pass.example',
		    'pass.example'],
		["<$long\@pass.example>", 'pass', '@pass.example',
		    'pass.example'],
		["<$long\@fail.example>", 'fail', '@fail.example',
		    'fail.example'],
		[qq(<"$long\@fail.example"\@pass.example>), 'pass',
		    '@pass.example', 'pass.example'],
		["<joe\@$long.example>", 'none', undef, undef],
		["<joe\@$long.pass.example>", 'none', undef, undef],
		["<$long>", 'none', undef, undef],
		['<joe>', 'none', 'joe', 'joe'],
		['<joe@>', 'none', 'joe@', undef],
		['<@>', 'none', '@', undef],
		['<joe@[192.0.2.1]>', 'none', 'joe@[192.0.2.1]', undef],
		['<joe@localhost>', 'none', 'joe@localhost', undef],
		['<joe@a..example>', 'none', 'joe@a..example', undef],
	) {
		my ($from, $result, $envelope, $mailfrom) = @$_;
		my $what = 'from ' . substr($from, 0, 40) =~ s/[^ -~]/?/gr;
		my $r = mail($d, from => $from);
		is $r->{said}, "mailfrom=$result", $what;
		clean_fields($r, $what);
		my ($spf) = fields($r, $rs);
		my @keys = $spf =~ /\) (receiver=.*)$/ ? $1 =~
		    /([a-z-]+)=("(?:\\.|[^"\\])*"|[^;"]*);/g : ();
		my %key = @keys;
		$key{'envelope-from'} =~ s/^"(.*)"$/$1/
		    if defined $key{'envelope-from'};
		is $key{'envelope-from'}, $envelope, "$what: envelope-from" or
		    diag $spf;
		is join(' ', sort map { $keys[2 * $_] }
		    0 .. $#keys / 2),
		    join(' ', sort qw(client-ip helo identity receiver),
		    defined $envelope ? 'envelope-from' : (),
		    $result eq 'none' ? () : 'mechanism'),
		    "$what: and no other key" or diag $spf;
		my ($results) = fields($r, $ar);
		next unless defined $mailfrom;
		is $results, "$mx; spf=$result smtp.mailfrom=$mailfrom",
		    "$what: $ar";
	}
}

# NUL ends what it is in, for C; what is behind it is no other argument of ours.
{
	my $d = spf('-markonly');
	is mail($d, from => "<joe\@pass.example>\0SIZE=10")->{said},
	    'mailfrom=pass', 'NUL: parameters of MAIL';
	is mail($d, from => "<joe\@fail.example\0\@pass.example>")->{said},
	    'mailfrom=fail', 'NUL: in the sender';
	is mail($d, from => '<>', helo => "forger.example\0client.example")->
	    {said}, 'helo=fail', 'NUL: in HELO';
	is_deeply [removed(mail($d, headers => [[$ar, "$mx\0x; none"]]), $ar)],
	    [1], 'NUL: in a header';
}

# What our name may be.
for ([$mx, $mx], ['MX', 'MX'], [undef, 'localhost'], ["x\r\nBcc: e\@e",
    'localhost'], ['', 'localhost'], ['a b', 'localhost'], ["\xff",
    'localhost'], ['a;b', 'localhost'], ['x' x 5000, 'localhost']) {
	my ($j, $want) = @$_;
	my $r = mail(spf(-helo), macros => { C => [defined $j ? (j => $j) :
	    ()] });
	my $what = 'macro j: ' . substr($j // 'none', 0, 20) =~ s/[^ -~]/?/gr;
	like +(fields($r, $rs))[0], qr/ receiver=\Q$want\E; /, $what;
	like +(fields($r, $ar))[0], qr/^\Q$want\E; spf=/, $what;
}

# --- A15: out of order

for my $options ([], ['-helo', '-recipientmx', '-markonly'], ['-dryrun'],
    ['-scanauth', -none => 'reject']) {
	my $d = spf(@$options);
	play_odd($d);
	ok !$d->gone, "A15: @$options: it lives" or diag $d->log;
	next if $d->gone;
	clean_log $d, "A15: @$options";
	eventually { $d->stat('sessions') == 0 } 10;
	is join(' ', map { $d->stat($_) } qw(sessions dns_waiting)), '0 0',
	    "A15: @$options: no session is left";
	is $d->tell('help'), 'ok', "A15: @$options: and it answers";
}
{
	my $d = spf('-helo');
	my $m = met($d);
	$m->mail('<joe@pass.example>');
	$m->header($ar, $ours[0]) for 1 .. 10;
	close $m->{socket};
	$m = met($d);
	$m->mail('<joe@pass.example>');
	close $m->{socket};
	$m = met($d);
	$m->send(E => '');
	$m->abort;
	$m->quit;
	is_idle $d, 'A15: gone in the middle';
}

done_testing;
