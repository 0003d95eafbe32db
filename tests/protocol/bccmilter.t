# Who is openly addressed, and what bccmilter does with mail for those who are
# not.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);

use Bccmilter;
use Daemon;
use Milter;
use Odd;

my $field = 'X-Bcc-Check';
my ($alice, $bob, $carol) = map { "<$_\@example.test>" } qw(alice bob carol);
my @open = (headers => [[To => 'alice@example.test']]);
my @hidden = (headers => [[To => 'carol@example.test']]);
my @both = (to => [$alice, $bob]);

# A line of the log, but for what is different each time.
sub verdicts {
	my ($d) = @_;
	return map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
}

sub said {
	my ($d, @with) = @_;
	return mail($d, @with)->{said};
}

# --- what is judged, and how: by both policies

my %policy = map { $_ => bcc(-policy => $_) } qw(none any);
my $long = 'x' x 600;
my @cases = (
	# what, headers, recipients; what becomes of it by the policies none
	# and any (the same, where there is but one)
	['To', [[To => 'alice@example.test']], [$alice], 'open'],
	['Cc', [[Cc => 'alice@example.test']], [$alice], 'open'],
	['Resent-To', [['Resent-To', 'alice@example.test']], [$alice], 'open'],
	['Resent-Cc', [['Resent-Cc', 'alice@example.test']], [$alice], 'open'],
	['To and Cc', [[Cc => 'bob@example.test'], [To =>
	    'alice@example.test']], [$alice, $bob], 'open'],
	['several To', [[To => 'x@example.test'], [To =>
	    'alice@example.test'], [To => 'y@example.test']], [$alice], 'open'],
	['several Cc', [map({ [Cc => "$_\@example.test"] } qw(x bob y
	    alice))], [$alice, $bob], 'open'],
	['names of fields', [[TO => 'alice@example.test'], [cC =>
	    'bob@example.test']], [$alice, $bob], 'open'],

	['another', [[To => 'carol@example.test']], [$alice],
	    'none-listed'],
	['others', [[To => 'carol@example.test']], [$alice, $bob],
	    'none-listed'],
	['others in both', [[To => 'carol@example.test'], [Cc =>
	    'dave@example.test']], [$alice, $bob], 'none-listed'],
	['one of two', [[To => 'alice@example.test']], [$alice, $bob],
	    'open', 'some-listed'],
	['the other one', [[To => 'bob@example.test']], [$alice, $bob],
	    'open', 'some-listed'],
	['one of a hundred', [[To => 'r100@example.test']],
	    [map { "<r$_\@example.test>" } 1 .. 100], 'open', 'some-listed'],
	['no field', [[Subject => 'x']], [$alice], 'no-recipients'],
	['no field at all', [], [$alice], 'no-recipients'],
	['an empty field', [[To => '']], [$alice], 'no-recipients'],
	['blanks', [[To => " \t"]], [$alice], 'no-recipients'],
	['an empty group', [[To => 'undisclosed-recipients:;']], [$alice],
	    'no-recipients'],
	['its text with blanks', [[To => 'Undisclosed recipients: ;']],
	    [$alice, $bob], 'no-recipients'],

	# Fields that say nothing of recipients.
	map({ ["not $_", [[$_ => 'alice@example.test'], [To =>
	    'carol@example.test']], [$alice], 'none-listed'] } qw(Bcc From
	    Sender Reply-To Subject Delivered-To X-To Tos T Apparently-To
	    Errors-To Envelope-To Too Ccc C)),
	['Bcc alone', [[Bcc => 'alice@example.test']], [$alice],
	    'no-recipients'],

	# The same address.
	['case', [[To => 'ALICE@Example.TEST']], ['<Alice@eXample.test>'],
	    'open'],
	['a detail at RCPT', [[To => 'alice@example.test']],
	    ['<alice+news@example.test>'], 'open'],
	['a detail in To', [[To => 'alice+news@example.test']], [$alice],
	    'open'],
	['two details', [[To => 'alice+a@example.test']],
	    ['<alice+b@example.test>'], 'open'],
	['details of two', [[To => 'alice+x@example.test']],
	    ['<bob+x@example.test>'], 'none-listed'],
	['a + in the first place', [[To => '+alice@example.test']],
	    ['<+bob@example.test>'], 'none-listed'],
	['quotes at RCPT', [[To => 'alice@example.test']],
	    ['<"alice"@example.test>'], 'open'],
	['quotes in To', [[To => '"alice"@example.test']], [$alice], 'open'],
	['a blank in quotes', [[To => '"a b"@example.test']],
	    ['<"a b"@example.test>'], 'open'],
	['a dot at the end', [[To => 'alice@example.test.']], [$alice],
	    'open'],
	['no brackets at RCPT', [[To => 'alice@example.test']],
	    ['alice@example.test'], 'open'],
	['a route', [[To => 'alice@example.test']],
	    ['<@relay.test,@b.test:alice@example.test>'], 'open'],
	['a literal', [[To => 'alice@[192.0.2.1]']], ['<alice@[192.0.2.1]>'],
	    'open'],
	['no domain in To', [[To => 'alice']], [$alice], 'open'],
	['no domain at RCPT', [[To => 'alice@other.test']], ['<alice>'],
	    'open'],
	['no domain, another', [[To => 'bob']], [$alice], 'none-listed'],
	['a recipient twice', [[To => 'alice@example.test']], [$alice,
	    '<ALICE+x@example.test>'], 'open'],

	# Another address.
	['a domain below', [[To => 'alice@mx.example.test']], [$alice],
	    'none-listed'],
	['a domain above', [[To => 'alice@test']], [$alice], 'none-listed'],
	['a longer local part', [[To => 'alices@example.test']], [$alice],
	    'none-listed'],
	['a shorter local part', [[To => 'alic@example.test']], [$alice],
	    'none-listed'],

	# The field as it may be written.
	['a name', [[To => 'Alice <alice@example.test>']], [$alice], 'open'],
	['a list', [[To => 'Carol <c@example.test>, "A, B" <alice@' .
	    'example.test>']], [$alice], 'open'],
	['a group', [[To => 'us: c@example.test, alice@example.test;']],
	    [$alice], 'open'],
	['folded', [[To => "carol\@example.test,\n\talice\@example.test"]],
	    [$alice], 'open'],
	['folded by CR LF', [[To =>
	    "carol\@example.test,\r\n <alice\@example.test>"]], [$alice],
	    'open'],
	['a comment', [[To => 'alice(our (dear) one)@(there)example.test']],
	    [$alice], 'open'],
	['in a name', [[To => '"alice@example.test" <c@example.test>']],
	    [$alice], 'none-listed'],
	['in a comment', [[To => 'c@example.test (alice@example.test)']],
	    [$alice], 'none-listed'],
	['beside another', [[To => 'alice@example.test <c@example.test>']],
	    [$alice], 'open'],
	['mailto:', [[To => '<mailto:alice@example.test>']], [$alice], 'open'],

	# SMTPUTF8.
	['UTF-8', [[To => "b\xc3\xa4r\@\xc3\xb6.example.test"]],
	    ["<b\xc3\xa4r\@\xc3\xb6.example.test>"], 'open'],
	['UTF-8: ASCII letters have no case', [[To =>
	    "B\xc3\xa4R\@\xc3\xb6.Example.test"]],
	    ["<b\xc3\xa4r\@\xc3\xb6.example.test>"], 'open'],
	['UTF-8: others have', [[To => "b\xc3\x84r\@example.test"]],
	    ["<b\xc3\xa4r\@example.test>"], 'unknown'],
	['UTF-8: two forms of a domain', [[To => "joe\@b\xc3\xbc.test"]],
	    ['<joe@xn--b-xga.test>'], 'unknown'],
	['UTF-8: names', [[To => "B\xc3\xa4r <alice\@example.test>"]],
	    [$alice], 'open'],

	# What is no address, and may have been one.
	map({ ["unknown: $_", [[To => $_]], [$alice], 'unknown'] }
	    '"alice@example.test', '(alice@example.test', 'Alice Miller',
	    'a@b@example.test', 'carol@example.test)x(', '[alice',
	    '=?utf-8?q?alice?=@example.test', '"alice@example.test"'),
	['unknown beside another', [[To => 'carol@example.test'], [Cc =>
	    '"x']], [$alice], 'unknown'],
	['unknown beside her', [[To => 'alice@example.test, "x']], [$alice],
	    'open'],
	['unknown beside one of two', [[To => 'alice@example.test'], [Cc =>
	    '"x']], [$alice, $bob], 'open', 'unknown'],
	['unknown in another field', [[Bcc => '"alice'], ['Reply-To', '(x'],
	    [To => 'carol@example.test']], [$alice], 'none-listed'],
	map({ ["unknown at RCPT: " . substr($_, 0, 20), [[To =>
	    'carol@example.test']], ["<$_>"], 'unknown'] } '"alice', 'a@b@c',
	    "$long\@example.test", 'a b', ''),
	['unknown at RCPT, one shown', [[To => 'alice@example.test']],
	    [$alice, '<"bob>'], 'open', 'unknown'],
	['unknown at RCPT, one hidden', [[To => 'carol@example.test']],
	    [$alice, '<"bob>'], 'unknown'],
	['too long for anybody', [[To => "$long\@example.test"]], [$alice],
	    'none-listed'],

	# Roles are not judged, and nobody by them.
	map({ ["role $_", [[To => 'carol@example.test']], ["<$_>"],
	    'nobody'] } 'postmaster@example.test', 'Abuse@other.test',
	    'PostMaster', 'abuse@[192.0.2.1]'),
	['two roles', [], ['<postmaster@a.test>', '<abuse@a.test>'],
	    'nobody'],
	['a role and one who is hidden', [[To => 'postmaster@a.test']],
	    ['<postmaster@a.test>', $alice], 'open', 'none-listed'],
	['a role that is hidden', [[To => 'alice@example.test']],
	    ['<postmaster@a.test>', $alice], 'open'],
	['nearly a role', [[To => 'carol@example.test']],
	    ['<postmasters@example.test>'], 'none-listed'],

	# What programs, lists and people send on.
	map({ ["Auto-Submitted: $_", [['Auto-Submitted', $_]], [$alice],
	    'automatic'] } 'auto-replied', 'auto-generated', 'AUTO-REPLIED',
	    'auto-notified; owner-email="x@y"', "\n\tauto-replied", 'nope',
	    '(c) no', 'yes', 'n', ''),
	map({ ["Auto-Submitted: $_", [['Auto-Submitted', $_]], [$alice],
	    'no-recipients'] } 'no', 'No', 'NO', ' no ', "\r\n\tno", 'no; x=y',
	    'no(comment)', 'no (comment)'),
	['one of two Auto-Submitted', [['Auto-Submitted', 'auto-replied'],
	    ['auto-submitted', 'no']], [$alice], 'automatic'],
	map({ my $name = $_; map({ ["$name: $_", [[$name, $_], [To =>
	    'carol@example.test']], [$alice], 'list'] } 'x', '',
	    '<list.example.org>') } qw(List-Id List-Post LIST-ID)),
	map({ ["not $_", [[$_, 'x']], [$alice], 'no-recipients'] }
	    qw(List-Unsubscribe List-Ids List X-List-Id Auto-Submitter
	    Resent X-Resent-To Precedence)),
	map({ ["$_", [[$_, 'x']], [$alice], 'resent'] } qw(Resent-From
	    Resent-Date Resent-Message-ID resent-sender Resent-)),
	map({ ["$_ of another", [[$_, 'carol@example.test']], [$alice],
	    'resent'] } qw(Resent-To Resent-Cc RESENT-TO)),
	['automatic before list', [['List-Id', 'x'], ['Resent-To', 'x'],
	    ['Auto-Submitted', 'auto-replied']], [$alice], 'automatic'],
	['list before resent', [['Resent-To', 'c@example.test'],
	    ['List-Post', 'x'], [To => '"']], [$alice], 'list'],
	['resent before unknown', [['Resent-To', '"']], [$alice], 'resent'],
	['open before all', [['List-Id', 'x'], ['Resent-To', 'x'],
	    ['Auto-Submitted', 'auto-replied'], [To =>
	    'alice@example.test']], [$alice], 'open'],
	['a list, one of two', [['List-Id', 'x'], [To =>
	    'alice@example.test']], [$alice, $bob], 'open', 'list'],
	['nobody before all', [['List-Id', 'x'], [To => '"']],
	    ['<abuse@a.test>'], 'nobody'],
);
my %acts = map { $_ => 1 } qw(none-listed some-listed no-recipients);
my %count;
for my $case (@cases) {
	my ($what, $headers, $to, @by) = @$case;
	$by[1] //= $by[0];
	for my $n (0, 1) {
		my $policy = (qw(none any))[$n];
		my $r = mail($policy{$policy}, to => $to, headers => $headers);
		is "$r->{at}: $r->{said}", $acts{$by[$n]} ?
		    "eom: marked $by[$n]" : "eoh: passes $by[$n]",
		    "$policy: $what" =~ s/[^ -~]/?/gr;
		$count{$policy}{$by[$n]}++;
	}
}
for my $policy (sort keys %policy) {
	my $d = $policy{$policy};
	for my $by (sort keys %{ $count{$policy} }) {
		my $verdict = $acts{$by} ? 'mark' : 'pass';
		is $d->stat(qq(verdicts_total{verdict="$verdict",) .
		    qq(by="$by"})), $count{$policy}{$by},
		    "policy $policy: $by counted";
	}
	is $d->stat('decision_seconds_count'), scalar(@cases),
	    "policy $policy: decisions counted";
	is $d->stat('errors_total'), 0, "policy $policy: no error is ours";
	is_idle $d, "policy $policy";
}

# --- the helper would see it

{
	my $d = bcc(-action => 'reject', -rejectmessage => 'not Alice');
	is said($d, @hidden), '550 5.7.1 none-listed, and tells who it is for',
	    'a reply that names who it is for is noticed';
	is said($d, to => [$bob], @hidden), '550 5.7.1 none-listed',
	    'and one that does not is not';
}

# --- each action: what the client is told, what the message is given, the log

my %text = (
	'none-listed' => 'None of the recipients is in To or Cc',
	'some-listed' => 'Not all of the recipients are in To or Cc',
	'no-recipients' => 'There is no recipient in To or Cc',
);
my @found = (
	# the word, a message, shown, hidden, the first of these
	['none-listed', [@both, @hidden], 0, 2, 'alice@example.test'],
	['some-listed', [@both, @open], 1, 1, 'bob@example.test'],
	['no-recipients', [to => ['<B+x@A.test>', $bob, $carol], headers =>
	    []], 0, 3, 'b@a.test'],
);
for (
	# action, what becomes of it, where, the reply
	['reject', '550 5.7.1', 'eoh', '550 5.7.1'],
	['tempfail', '451 4.7.1', 'eoh', '451 4.7.1'],
	['discard', 'discarded', 'eoh'],
	['quarantine', 'quarantined', 'eom'],
	['mark', 'marked', 'eom'],
	['none', 'passes', 'eoh'],
) {
	my ($action, $said, $at, $code) = @$_;
	my $d = bcc({ quiet => 1 }, -policy => 'any', -action => $action);
	for (@found) {
		my ($by, $with, $shown, $hidden, $to) = @$_;
		my $seen = verdicts($d);
		my $r = mail($d, @$with);
		is "$r->{at}: $r->{said}", "$at: $said $by", "$action: $by";
		is $r->{text}, $code ? "$code $text{$by}" : undef,
		    "$action: $by: the reply";
		is_deeply $r->{changes}, $said eq 'quarantined' ?
		    [[q => "bccmilter: $by"], [h => $field, $by]] :
		    $said eq 'marked' ? [[h => $field, $by]] : [],
		    "$action: $by: the changes";
		my @said = verdicts($d);
		is_deeply [splice @said, $seen], ["verdict=$action by=$by " .
		    "shown=$shown hidden=$hidden client=192.0.2.1 " .
		    "from=<joe\@client.example> to=<$to> qid=q1"],
		    "$action: $by: the log";
		is $d->stat(qq(verdicts_total{verdict="$action",by="$by"})),
		    1, "$action: $by: counted";
	}
	my $seen = $d->lines(qr/./);
	is said($d, @$_), 'passes', "$action: what passes" for [@open],
	    [headers => [['List-Id', 'x']]], [headers => [[To => '"']]];
	is said($d, @$_, @hidden), 'exempt', "$action: who is exempt" for
	    [from => '<>'], [auth => 'ann'], [client => '127.0.0.1'];
	is scalar(() = $d->lines(qr/./)), $seen,
	    "$action: of what passes nothing is said";
	is_deeply [map { $d->stat(qq(recipients_total{found="$_"})) }
	    qw(shown hidden)], [2, 8], "$action: recipients counted";
	is_idle $d, $action;
}

# With -debug each has its line.
{
	my $d = bcc(-senders => file('senders', "friend@\n"), -whitelist =>
	    file('white', "203.0.113.1\n"));
	said($d, @$_) for [@open, @both, qid => ''],
	    [from => '<>'], [from => '<Friend@a.test>'],
	    [client => undef], [client => '127.0.0.1'],
	    [client => '203.0.113.1'], [auth => 'ann'], [tls => 'OK'],
	    [client => '2001:db8::1', to => ['<abuse@a.test>'], from =>
	    '<a b@a.test>'];
	is_deeply [verdicts($d)], ['verdict=pass by=open shown=1 hidden=1 ' .
	    'client=192.0.2.1 from=<joe@client.example> ' .
	    'to=<bob@example.test> qid=', map({ "verdict=pass by=$_" }
	    qw(bounce sender local loopback whitelist auth tls)),
	    'verdict=pass by=nobody shown=0 hidden=0 client=2001:db8::1 ' .
	    'from=<a_b@a.test> to=<> qid=q1'], 'the log, with -debug';
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt($alice);
	$m->eoh;
	like +(verdicts($d))[-1], qr/ qid=NOQUEUE$/, 'no queue id';
	$m->quit;
}

# --- who is not judged

{
	my @white = (-whitelist => file('white', "192.0.2.77\n" .
	    "198.51.100.0/24\n2001:db8:77::/48\n.friend.example\n"));
	my $d = bcc(@white, -senders => file('senders', "ann\@a.test\n" .
	    "\@b.test\n"));
	my @ok = (macros => { C => [j => 'mx', '{client_resolve}' => 'OK'] });
	my @forged = (headers => [[$field, 'none-listed'], [To =>
	    'carol@example.test']]);
	for (
		# what, %with, where it is accepted, the word
		['local submission', [client => undef], 'mail', 'local'],
		map({ ["loopback $_", [client => $_], 'mail',
		    'loopback'] } '127.0.0.1', '127.99.0.1', '::1',
		    '::ffff:127.0.0.1'),
		map({ ["whitelist $_", [client => $_], 'mail',
		    'whitelist'] } '192.0.2.77', '198.51.100.9',
		    '2001:db8:77::1', '::ffff:192.0.2.77'),
		map({ ["host $_", [host => $_, @ok], 'mail',
		    'whitelist'] } 'mx.friend.example', 'friend.example',
		    'MX.Friend.EXAMPLE'),
		['host without that macro', [host => 'friend.example'],
		    'mail', 'whitelist'],
		['AUTH', [auth => 'ann'], 'mail', 'auth'],
		['verified TLS', [tls => 'OK'], 'mail', 'tls'],
		['AUTH, <>', [auth => 'ann', from => '<>'], 'mail', 'auth'],
		['a bounce', [from => '<>'], 'mail', 'bounce'],
		['a bounce without brackets', [from => ''], 'mail', 'bounce'],
		map({ ["sender $_", [from => "<$_>"], 'mail', 'sender'] }
		    'ann@a.test', 'ANN+x@A.Test', '"ann"@a.test', 'x@b.test',
		    '@relay.test:x@b.test'),
	) {
		my ($what, $with, $at, $by) = @$_;
		my $r = mail($d, @forged, @$with);
		is "$r->{at} $r->{reply}: $r->{said}", "$at a: exempt $by",
		    "exempt: $what";
	}
	is_deeply [map { $d->stat("exempt_total{why=\"$_\"}") } qw(local
	    loopback whitelist auth tls)], [1, 4, 8, 2, 1],
	    'exempt: counted';
	is_deeply [map { $d->stat(qq(verdicts_total{verdict="pass",) .
	    qq(by="$_"})) } qw(bounce sender)], [2, 5],
	    'exempt: senders counted';
	is $d->stat('forged_headers_total'), 0, 'exempt: nothing is removed';
	for (
		['not that host', host => 'notfriend.example', @ok],
		['a name in brackets', host => '[192.0.2.1]', @ok],
		['no name', host => 'unknown', @ok],
		map({ ["a name that is $_", host => 'mx.friend.example',
		    macros => { C => [j => 'mx', '{client_resolve}' => $_] }] }
		    qw(FORGED TEMP FAIL)),
		['the next network', client => '198.51.101.1'],
		['TLS that is not verified', tls => 'FAIL'],
		['TLS without a certificate', tls => 'NO'],
		['AUTH that is empty', auth => ''],
		map({ ["sender $_", from => "<$_>"] } 'bob@a.test',
		    'ann@x.a.test', 'x@bb.test', 'ann', 'a>', ' '),
		['a private client', client => '10.0.0.1'],
	) {
		my ($what, @with) = @$_;
		is said($d, @forged, @with), 'marked none-listed, removes 1',
		    "not exempt: $what";
	}
	my $scan = bcc('-scanauth', @white);
	is said($scan, @hidden, @$_), 'marked none-listed', "-scanauth: @$_"
	    for [auth => 'ann'], [tls => 'OK'];
	is said($scan, @open, auth => 'ann'), 'passes open',
	    '-scanauth: openly addressed';
	is said($scan, @hidden, auth => 'ann', client => '127.0.0.1'),
	    'exempt loopback', '-scanauth: not those on loopback';
	is said($scan, @hidden, client => '192.0.2.77'), 'exempt whitelist',
	    '-scanauth: not the whitelist';
	is said($scan, @hidden, auth => 'ann', from => '<>'), 'exempt bounce',
	    '-scanauth: not bounces';
	is_idle $d, 'exempt';
}

# --- -recipients, -local: who of them is judged

{
	my $list = file('recipients', "alice\@example.test\nsales@\n" .
	    ".open.test\n");
	my $spared = bcc(-policy => 'any', -recipients => $list);
	my $local = bcc(-policy => 'any', -local => $list);
	my $bits = bcc(-policy => 'any', -local => $list, -recipients =>
	    file('some', "alice\@example.test\n"));
	for (
		# recipients, what becomes of it with -recipients, with -local,
		# and with alice on both
		[['alice@example.test'], 'passes nobody',
		    'marked none-listed', 'passes nobody'],
		[['Alice+x@Example.Test'], 'passes nobody',
		    'marked none-listed', 'passes nobody'],
		[['sales@any.test'], 'passes nobody', 'marked none-listed',
		    'marked none-listed'],
		[['x@mx.open.test'], 'passes nobody', 'marked none-listed',
		    'marked none-listed'],
		[['bob@example.test'], 'marked none-listed', 'passes nobody',
		    'passes nobody'],
		[['x@notopen.test'], 'marked none-listed', 'passes nobody',
		    'passes nobody'],
		[['postmaster@open.test'], ('passes nobody') x 3],
		[['alice@example.test', 'bob@example.test'],
		    'marked none-listed', 'marked none-listed',
		    'passes nobody'],
		[['carol@example.test', 'bob@example.test'],
		    'marked some-listed', 'passes nobody', 'passes nobody'],
		[['carol@example.test', 'alice@example.test'], 'passes open',
		    'marked none-listed', 'passes nobody'],
	) {
		my ($to, @want) = @$_;
		my @with = (@hidden, to => [map { "<$_>" } @$to]);
		is said($spared, @with), $want[0], "-recipients: @$to";
		is said($local, @with), $want[1], "-local: @$to";
		is said($bits, @with), $want[2], "both: @$to";
	}
	# One who is not judged is not read.
	is said($local, to => ['<"x>']), 'passes nobody',
	    '-local: an address that cannot be read';
}

# --- -alias

{
	my $d = bcc(-policy => 'any', -alias => file('alias', <<'END'),
# addresses of ours elsewhere
old@uni.test	alice@example.test	; she left
staff@example.test alice@example.test BOB+x@Example.test
@example.net @example.test
.below.test carol@example.test
all@example.test
everybody.test
one@chain.test two@chain.test
two@chain.test alice@example.test
END
	    -alias => file('alias2', "old\@uni.test bob\@example.test\n"));
	for (
		# To, recipients, what becomes of it
		['old@uni.test', [$alice], 'passes open'],
		['OLD+x@Uni.test', ['<Alice+y@example.test>'], 'passes open'],
		['old@uni.test', [$bob], 'passes open'],
		['old@uni.test', [$carol], 'marked none-listed'],
		['old@uni.test', [$alice, $carol], 'marked some-listed'],
		['older@uni.test', [$alice], 'marked none-listed'],
		['staff@example.test', [$alice, $bob], 'passes open'],
		['staff@example.test', [$alice, $bob, $carol],
		    'marked some-listed'],
		['alice@example.net', [$alice], 'passes open'],
		['Alice <ALICE@EXAMPLE.NET>', [$alice], 'passes open'],
		['alice@example.net', [$bob], 'marked none-listed'],
		['alice@mx.example.net', [$alice], 'marked none-listed'],
		['alice@example.net, bob@example.net', [$alice, $bob],
		    'passes open'],
		['x@below.test', [$carol], 'passes open'],
		['x@a.b.below.test', [$carol], 'passes open'],
		['x@notbelow.test', [$carol], 'marked none-listed'],
		['all@example.test', [$alice, $bob, '<x@y.test>'],
		    'passes open'],
		['x@everybody.test', [$alice, $bob, '<x@y.test>'],
		    'passes open'],
		['x@mx.everybody.test', [$alice], 'marked none-listed'],
		# One alias is not looked up behind another.
		['one@chain.test', [$alice], 'marked none-listed'],
		['two@chain.test', [$alice], 'passes open'],
		# Nor the other way.
		['alice@example.test', ['<old@uni.test>'],
		    'marked none-listed'],
	) {
		my ($field, $to, $want) = @$_;
		is said($d, to => $to, headers => [[To => $field]]), $want,
		    "-alias: $field for @$to";
		is said($d, to => $to, headers => [['Cc', $field]]), $want,
		    "-alias: $field for @$to, in Cc";
	}
	is said($d, headers => [[Bcc => 'old@uni.test']]),
	    'marked no-recipients', '-alias: not in Bcc';
}

# One that stands for many, again and again, costs no more than the limit.
{
	my $d = bcc(-alias => file('many', 'staff@example.test ' .
	    join(' ', map { "u$_\@a.test" } 1 .. 80) . "\n"));
	for ([2400, 'marked none-listed'], [2600, 'passes unknown']) {
		my ($times, $want) = @$_;
		is said($d, headers => [[To => join ',',
		    ('staff@example.test') x $times]]), $want,
		    "-alias: 80 recipients $times times";
	}
}

# --- -lists

{
	my $d = bcc(-lists => file('lists', "announce.lists.test\n" .
	    "\@short\n.open.test\nnews\@lists.test\nother.test\n"));
	for (
		# field, is it one of these?
		[['List-Id', '<announce.lists.test>'], 1],
		[['List-Id', 'News of ours <Announce.Lists.TEST>'], 1],
		[['List-Id', "\"<x>\" \n\t<announce.lists.test>"], 1],
		[['List-Id', 'announce.lists.test'], 1],
		[['List-Id', '<short>'], 1],
		[['List-Id', '<a.b.open.test>'], 1],
		[['List-Id', '<other.test>'], 1],
		[['List-Post', '<mailto:news@lists.test>'], 1],
		[['List-Post', '<MAILTO:News@lists.test?subject=x>'], 1],
		[['List-Post', '<mailto:any@other.test> (all)'], 1],
		[['List-Post', "<mailto:\n x\@open.test>"], 0],
		[['List-Id', '<announce.lists.test.evil>'], 0],
		[['List-Id', '<x.announce.lists.test>'], 0],
		[['List-Id', 'announce.lists.test <evil.test>'], 0],
		[['List-Id', ''], 0], [['List-Id', '<>'], 0],
		[['List-Id', '<' . 'x' x 60_000 . '.open.test>'], 0],
		[['List-Post', '<mailto:other@lists.test>'], 0],
		[['List-Post', 'NO'], 0],
		[['List-Post', '<mailto:>'], 0],
		[['List-Unsubscribe', '<mailto:news@lists.test>'], 0],
	) {
		my ($header, $is) = @$_;
		my $what = substr "@$header", 0, 60;
		is said($d, headers => [[To => 'carol@example.test'],
		    $header]), $is ? 'passes list' : 'marked none-listed',
		    "-lists: $what" =~ s/[^ -~]/?/gr;
		is said($d, headers => [$header, ['List-Id', '<x.open.test>'],
		    ['List-Id', '<evil.test>']]), 'passes list',
		    '-lists: one of several';
	}
}

# --- fields in our name

sub forged { return map { [$_[1] // $field, 'none-listed'] } 1 .. $_[0] }

{
	my $d = bcc;
	my @among = (['X-A', 'x'], forged(1), ['X-Bcc-Check-2', 'x'],
	    forged(1, lc $field), ['To', 'carol@example.test'], forged(1,
	    'X-BCC-check'), ['XX-Bcc-Check', 'x'], ['X-Bcc-Chec', 'x']);
	my $r = mail($d, headers => [@among]);
	is $r->{said}, 'marked none-listed, removes 3 2 1',
	    'forged: three among others, from the last to the first';
	is_deeply [map { $_->[0] } @{ $r->{changes} }], [qw(m m m h)],
	    'forged: before ours is written';
	for (
		# what, the rest of it
		['open', [[To => 'alice@example.test']], $alice],
		['nobody', [], '<abuse@example.test>'],
		['automatic', [['Auto-Submitted', 'auto-replied']], $alice],
		['list', [['List-Id', 'x']], $alice],
		['resent', [['Resent-From', 'x']], $alice],
		['unknown', [[To => '"']], $alice],
	) {
		my ($by, $headers, $to) = @$_;
		my $r = mail($d, to => [$to], headers => [@$headers,
		    forged(2)]);
		is "$r->{at} $r->{reply}: $r->{said}",
		    "eom c: passes $by, removes 2 1", "forged: $by";
	}
	is $d->stat('forged_headers_total'), 15, 'forged: counted';
	is said($d, @$_, headers => [forged(3)]), "exempt $_->[-1]",
	    "forged: not of $_->[-1]" for [from => '<>', qid => 'bounce'],
	    [client => '::1', qid => 'loopback'], [auth => 'x', qid => 'auth'];
	is $d->stat('forged_headers_total'), 15, 'forged: nor counted';

	for (
		# action, what becomes of it, what of mail that passes
		['quarantine', 'quarantined none-listed, removes 2 1',
		    'passes open, removes 2 1'],
		['reject', '550 5.7.1 none-listed', 'passes open, removes 2 1'],
		['tempfail', '451 4.7.1 none-listed',
		    'passes open, removes 2 1'],
		['discard', 'discarded none-listed',
		    'passes open, removes 2 1'],
		['none', 'passes none-listed', 'passes open'],
	) {
		my ($action, @want) = @$_;
		my $d = bcc(-action => $action);
		is said($d, headers => [[To => 'carol@example.test'],
		    forged(2)]), $want[0], "forged: $action";
		is said($d, headers => [[To => 'alice@example.test'],
		    forged(2)]), $want[1], "forged: $action: passes";
	}

	# A flood of them.
	my $all = join ' ', reverse 1 .. 1000;
	is said($d, headers => [forged(1000)]),
	    "marked no-recipients, removes $all", 'forged: 1,000';
	is said($d, headers => [forged(1000), [To => 'alice@example.test']]),
	    "passes open, removes $all", 'forged: 1,000, openly addressed';
	my @before = ($d->stat('forged_headers_total'),
	    $d->stat('decision_seconds_count'));
	for ([], [[To => 'alice@example.test']], [['List-Id', 'x']]) {
		my $r = mail($d, headers => [@$_, forged(1001)]);
		is "$r->{at}: $r->{said}", 'eoh: 550 5.6.0 forged',
		    "forged: 1,001 and @{ $_->[0] // ['nothing'] }";
		is $r->{text}, '550 5.6.0 too many header fields in our name',
		    'forged: 1,001: the reply';
		is_deeply $r->{changes}, [], 'forged: 1,001: no change';
		is +(verdicts($d))[-1], 'verdict=reject by=forged qid=q1',
		    'forged: 1,001: the log';
	}
	is_deeply [map { $d->stat($_) } qw(forged_headers_total
	    decision_seconds_count forged_refused_total)], [@before, 3],
	    'forged: 1,001: counted, and neither removed nor judged';
	is said($d, from => '<>', headers => [forged(1001)]),
	    'exempt bounce', 'forged: 1,001 of a bounce';
	is said(bcc(-action => 'none'), headers => [forged(1001)]),
	    'passes no-recipients', 'forged: 1,001, action none';
	is said(bcc(-action => 'discard'), headers => [forged(1001)]),
	    '550 5.6.0 forged', 'forged: 1,001, action discard';
	is said($d, headers => [forged(1)]),
	    'marked no-recipients, removes 1', 'forged: and the next message';
	is_idle $d, 'forged';
}

# --- A16: messages of a connection, and RSET

{
	my $d = bcc(-policy => 'any');
	my $m = met($d);
	my $with = sub { return mail_on($d, $m, @_)->{said} };
	is $with->(@hidden, @both), 'marked none-listed', 'A16: the first';
	is $with->(@open), 'passes open', 'A16: the second';
	is $with->(@open, to => [$bob]), 'marked none-listed',
	    'A16: what was shown before';
	is $with->(headers => []), 'marked no-recipients',
	    'A16: addresses there were';
	is $with->(headers => [[To => '"']]), 'passes unknown',
	    'A16: one that cannot be read';
	is $with->(@hidden), 'marked none-listed', 'A16: after that';
	is $with->(headers => [['List-Id', 'x'], ['Resent-From', 'x'],
	    ['Auto-Submitted', 'auto-replied'], forged(2)]),
	    'passes automatic, removes 2 1', 'A16: a list';
	is $with->(@hidden), 'marked none-listed', 'A16: no list';
	is $with->(@hidden, to => ['<"x>']), 'passes unknown',
	    'A16: a recipient that cannot be read';
	is $with->(@hidden), 'marked none-listed', 'A16: one that can';
	is $with->(to => ['<abuse@a.test>']), 'passes nobody', 'A16: a role';
	is $with->(auth => 'ann', @hidden), 'exempt auth', 'A16: AUTH';
	is $with->(@hidden), 'marked none-listed', 'A16: not the next one';
	is $with->(from => '<>', @hidden), 'exempt bounce', 'A16: a bounce';
	is $with->(@hidden), 'marked none-listed', 'A16: no bounce';

	# RSET at each step of a message that would leave something.
	my @steps = (
		sub { $m->mail('<joe@client.example>') },
		sub { $m->rcpt('<dave@example.test>') },
		sub { $m->rcpt('<"x>') },
		sub { $m->header(To => 'alice@example.test, bob@example.test') },
		sub { $m->header(Cc => '"') },
		sub { $m->header('List-Id', 'x') },
		sub { $m->header($field, 'x') },
		sub { $m->eoh },
	);
	for my $last (0 .. $#steps) {
		for my $how ('RSET', 'MAIL again') {
			$steps[$_]->() for 0 .. $last;
			$m->abort if $how eq 'RSET';
			is $with->(@hidden, @both), 'marked none-listed',
			    "A16: $how after $last steps";
		}
	}
	$m->abort for 1 .. 3;
	is $with->(@open), 'passes open', 'A16: RSET three times';
	$m->helo("h$_.example") for 1 .. 5;
	is $with->(@hidden), 'marked none-listed', 'A15: HELO five times';
	$m->quit;

	# Two connections know nothing of each other.
	my @m = map { met($d) } 0, 1;
	$_->mail('<joe@client.example>') for @m;
	$m[0]->rcpt($alice);
	$m[1]->rcpt($bob);
	$_->header(To => 'alice@example.test') for @m;
	$m[0]->header('List-Id', 'x');
	is $m[0]->eoh->{reply}, 'a', 'A16: one of two connections';
	is $m[1]->eoh->{reply}, 'c', 'A16: and the other';
	is_deeply $m[1]->eom->{changes}, [[h => $field, 'none-listed']],
	    'A16: which is marked';
	$_->quit for @m;

	# Refused, discarded or kept, the next message is one of its own.
	for (['reject', '550 5.7.1'], ['tempfail', '451 4.7.1'],
	    ['discard', 'discarded'], ['quarantine', 'quarantined']) {
		my ($action, $said) = @$_;
		my $d = bcc(-action => $action);
		my $m = met($d);
		is mail_on($d, $m, @$_[1 .. $#$_])->{said}, $_->[0],
		    "A16: $action" for (["$said none-listed", @hidden],
		    ['passes open', @open], ["$said none-listed", @hidden],
		    ['passes nobody', to => ['<abuse@a.test>']]) x 2;
		$m->quit;
		is_idle $d, "A16: $action";
	}
	is_idle $d, 'A16';
}

# --- what crosses the socket, and what an MTA can do

for my $action (qw(reject tempfail quarantine discard mark none)) {
	my $d = bcc(-action => $action);
	my $m = Milter->new($d->socket);
	is $m->commands, 'c-Mr-lN--', "$action: commands, and no body";
	is $m->{steps} & 0x800, 0, "$action: no recipient that was refused";
	is $m->{actions} & 0x1ff, $action eq 'none' ? 0 :
	    $action eq 'quarantine' ? 0x31 : 0x11,
	    "$action: what it may change";
	is_deeply [@{ $m->{wanted} }{0 .. 6}], ['', '', '{auth_authen} ' .
	    '{verify}', '', '', '', 'i'], "$action: macros" or
	    diag explain $m->{wanted};
	$m->quit;

	# An old MTA has less to offer, and gets its answers nevertheless.
	my %said = (reject => '550 5.7.1', tempfail => '451 4.7.1', quarantine
	    => 'quarantined', discard => 'discarded', mark => 'marked', none =>
	    'passes');
	for my $steps (0x7f, 0) {
		my @old = (version => 2, actions => 0x3f, steps => $steps);
		is said($d, @old, @hidden), "$said{$action} none-listed",
		    "$action: an old MTA, steps $steps";
		is said($d, @old, @open), 'passes open',
		    "$action: an old MTA, steps $steps: passes";
		is said($d, @old, headers => [@{ $open[1] }, forged(2)]),
		    'passes open' . ($action eq 'none' ? '' :
		    ', removes 2 1'),
		    "$action: an old MTA, steps $steps: forged";
		is said($d, @old, @hidden, from => '<>'), 'exempt bounce',
		    "$action: an old MTA, steps $steps: a bounce";
	}
	is_idle $d, "$action: an old MTA";
}

# --- A24: large numbers

my @rss;
{
	my $d = bcc(-policy => 'any');
	my @many = map { "<r$_\@example.test>" } 1 .. 20_001;
	my @lots = map { "a$_\@example.test" } 1 .. 100_000;
	my $word = 'w' x 100;
	my @fields = map { [To => join ', ', @lots[$_ * 2500 ..
	    $_ * 2500 + 2499]] } 0 .. 39;
	my @cases = (
		# what, recipients, headers, what becomes of it, shown, hidden
		['10,000 recipients', [@many[0 .. 9_999]], [[To =>
		    'r777@example.test']], 'marked some-listed', 1, 9_999],
		['10,000 recipients, all shown', [@many[0 .. 9_999]],
		    [map { [To => join ',', @many[$_ * 1000 ..
		    $_ * 1000 + 999]] } 0 .. 9], 'passes open', 10_000, 0],
		['20,000 recipients', [@many[0 .. 19_999]], [],
		    'marked no-recipients', 0, 20_000],
		['20,001 recipients', [@many], [], 'passes unknown'],
		['20,001 recipients that are one', [map { "<joe+$_\@a.test>" }
		    1 .. 20_000], [], 'marked no-recipients', 0, 1],
		['512 kB of recipients', [map { "<$word$_" . '@example.test>' }
		    1 .. 5_000], [], 'passes unknown'],
		['10,000 headers', [$alice], [(map { ["X-$_", 'x'] }
		    1 .. 9_999), [To => 'carol@example.test']],
		    'marked none-listed', 0, 1],
		['10,000 fields To', [$alice], [map { [To =>
		    "a$_\@example.test"] } 1 .. 10_000], 'marked none-listed',
		    0, 1],
		['a To of 60 kB', [$alice], [[To => join ', ',
		    @lots[0 .. 3_000], 'alice@example.test']], 'passes open',
		    1, 0],
		['one name of 60 kB', [$alice], [[To => '"' . 'x' x 60_000 .
		    '" <alice@example.test>']], 'passes open', 1, 0],
		['60 kB of open comments', [$alice], [[To => '(' x 60_000]],
		    'passes unknown', 0, 1],
		['60 kB of commas', [$alice], [[To => ',' x 60_000]],
		    'marked no-recipients', 0, 1],
		['100,000 addresses', [$alice, '<a100000@example.test>'],
		    [@fields], 'marked some-listed',
		    1, 1],
		['4 MB of To', [$alice], [map { [To => ' ' x 60_000] }
		    1 .. 69], 'marked no-recipients', 0, 1],
		['more than 4 MB', [$alice], [map { [To => ' ' x 60_000] }
		    1 .. 70], 'passes unknown', 0, 1],
		['behind 4 MB', [$alice], [(map { [To => ' ' x 60_000] }
		    1 .. 70), [Cc => 'alice@example.test']], 'passes unknown',
		    0, 1],
		['more than 4 MB elsewhere', [$alice], [(map { ['X-To', ' ' x
		    60_000] } 1 .. 80), [Cc => 'alice@example.test']],
		    'passes open', 1, 0],
	);
	for (1, 2) {
		for (@cases) {
			my ($what, $to, $headers, $want, $shown, $hidden) = @$_;
			my $begin = time;
			my $r = mail($d, to => $to, headers => $headers);
			is $r->{said}, $want, "A24: $what";
			cmp_ok time - $begin, '<', 10 * slow,
			    "A24: $what: in time";
			like +(verdicts($d))[-1],
			    qr/ shown=$shown hidden=$hidden /,
			    "A24: $what: counted" if defined $shown;
		}
		push @rss, $d->memory('VmRSS');
	}
	# Several at once.
	my @m = map { met($d) } 1 .. 4;
	for my $m (@m) {
		$m->mail('<joe@client.example>');
		$m->rcpt($_) for @many[0 .. 19_999];
		$m->header(@$_) for @fields, [Cc => 'r1@example.test'];
		# Held until the end of the message.
		is $m->eoh->{reply}, 'c', 'A24: many at once';
	}
	push @rss, $d->memory('VmRSS'), $d->memory('VmHWM');
	$_->quit for @m;
	SKIP: {
		skip 'A24: the watchers need memory of their own', 3
		    if $ENV{WATCH};
		note "kB resident: @rss";
		cmp_ok $rss[1] - $rss[0], '<', 1024,
		    'A24: memory: nothing is kept';
		cmp_ok $rss[2] - $rss[1], '<', @m * 1024,
		    'A24: memory: at most 1 MB a session';
		cmp_ok $rss[3], '<', 32 * 1024, 'A24: memory: at most 32 MB';
	}
	is $d->stat('errors_total'), 0, 'A24: no error is ours';
	is_idle $d, 'A24';

	# Larger than the largest that an MTA has, and still all is as usual.
	for (['MAIL', 'marked no-recipients', from => "<$word\@" . 'x' x 100_000 .
	    '>'],
	    ['RCPT', 'passes unknown', to => ['<' . 'x' x 100_000 . '@a.test>']],
	    ['To', 'marked none-listed', headers => [[To => 'x' x 100_000]]],
	    ['1 MB To', 'marked none-listed',
	    headers => [[To => join ', ', @lots[0 .. 50_000]]]],
	    ['another field', 'marked no-recipients',
	    headers => [[X => 'x' x (1 << 20)]]]) {
		my ($what, $said, @with) = @$_;
		is said($d, @with), $said, "A24: large: $what";
	}

	# A packet larger than that ends the session, and what then happens is
	# the MTA's choice, as when there is no filter.
	for (['MAIL', from => "<$word\@" . 'x' x 2_000_000 . '>'],
	    ['To', headers => [[To => 'x' x 2_000_000]]]) {
		my ($what, @with) = @$_;
		like said($d, @with), qr/ closed/, "A24: too large: $what";
		ok !$d->gone, "A24: too large: $what: it lives";
	}
	clean_log $d, 'A24';
	is_idle $d, 'A24: too large';
}

# --- A11, A12, A13: hostile bytes and sizes

{
	my @texts = (@hostile, ['a quote', '"'], ['a comment', '(('],
	    ['a backslash', 'a\\'], ['brackets', '<<>>['],
	    ['keys', 'x> to=<eve> by=open'], ['percent', '%n%s%%{i}%'],
	    ['511 bytes', 'z' x 498], ['an address', 'joe@a.test, x']);
	my $d = bcc(-policy => 'any');
	my $refuser = bcc(-policy => 'any', -action => 'reject',
	    -rejectmessage => '%i %l %q %%');
	my @other = [To => 'carol@example.test'];
	for (@texts) {
		my ($what, $text) = @$_;
		for my $place (
			['sender', from => "<$text>"],
			['local part', from => "<$text\@client.example>"],
			['recipient', to => ["<$text>"]],
			['its local part', to => ["<$text\@example.test>",
			    $alice]],
			['its quotes', to => [qq(<"$text"\@example.test>)]],
			['its domain', to => ["<joe\@$text.test>"]],
			['To', headers => [[To => $text]]],
			['an address', headers => [[To =>
			    "$text\@example.test"]]],
			['a name', headers => [[Cc =>
			    "$text <carol\@example.test>"]]],
			['a quoted name', headers => [['Resent-To' =>
			    qq("$text" <carol\@example.test>)]]],
			['flags', headers => [['Auto-Submitted', "no $text"],
			    ['List-Ids', $text]]],
			['a field', headers => [["X$text", 'x'],
			    ["$field$text ", 'x'], @other]],
			['forged', headers => [[$field, $text], @other]],
			['host', host => $text, headers => [@other]],
			['queue id', qid => $text, headers => [@other]],
			['macros', auth => '', tls => $text, headers =>
			    [@other]],
		) {
			my ($where, @with) = @$place;
			my $about = "$what in $where";
			my $seen = verdicts($d);
			my $r = mail($d, headers => [], @with);
			my @said = splice @{ [verdicts($d)] }, $seen;
			ok @said == 1 && ($said[0] =~
			    /^verdict=(?:mark|pass)\ by=[a-z-]+\ shown=\d+
			    \ hidden=\d\ client=192\.0\.2\.1\ from=\S*\ to=<
			    \S*>\ qid=\S*$/x || $said[0] =~
			    /^verdict=pass by=bounce$/ && $text eq '') &&
			    length $said[0] <= 1000, "A11: $about: one line" or
			    diag @said;
			like $r->{said}, qr/^(?:exempt\ bounce|(?:passes|
			    marked)\ [a-z-]+(?:,\ removes\ [1-3]+)?)$/x,
			    "A13: $about: what becomes of it";
			next if $r->{said} !~ /^marked ([a-z-]+)/;
			my $reply = mail($refuser, headers => [], @with);
			like $reply->{text}, qr/^550\ 5\.7\.1\ 192\.0\.2\.1
			    \ $1\ (?:[ -\$&-~]|%%){0,475}$/x,
			    "A12: $about: the reply";
			is $reply->{said}, "550 5.7.1 $1",
			    "A12: $about: nobody is told";
		}
	}
	for ($d, $refuser) {
		clean_log $_, 'A11';
		is_idle $_, 'A11';
	}
	# A detail, a quote or UTF-8 is nobody's business either.
	for my $to ('secret@example.test', 'Secret+x@example.test',
	    '"secret"@example.test', "s\xc3\xa9cret\@example.test") {
		for my $action (qw(reject quarantine mark)) {
			unlike said(bcc(-policy => 'any', -action => $action),
			    to => ["<$to>", $alice], @open), qr/ tells /,
			    "nobody is told: $action";
		}
	}
}

# NUL ends what it is in, for C; what is behind it is no other argument of ours.
{
	my $d = bcc;
	is said($d, @open, to => ["$alice\0NOTIFY=NEVER"]), 'passes open',
	    'NUL: parameters of RCPT';
	is said($d, @open, from => "<joe\@a.test>\0SIZE=10"), 'passes open',
	    'NUL: parameters of MAIL';
	is said($d, headers => [[To =>
	    "carol\@a.test\0, alice\@example.test"]]), 'marked none-listed',
	    'NUL: in To';
	is said($d, @open, to => ["<bob\0\@a.test>"]), 'marked none-listed',
	    'NUL: in the recipient';
}

# --- A15: out of order

for my $options ([], [-policy => 'any', -action => 'reject'], ['-dryrun'],
    ['-scanauth', -action => 'quarantine', -onerror => 'tempfail']) {
	my $d = bcc(@$options);
	play_odd($d);
	ok !$d->gone, "A15: @$options: it lives" or diag $d->log;
	next if $d->gone;
	clean_log $d, "A15: @$options";
	is_idle $d, "A15: @$options";
}
{
	my $d = bcc;
	for my $steps (1 .. 6) {
		my $m = Milter->new($d->socket);
		my @do = (sub { $m->connect('192.0.2.1') },
		    sub { $m->mail('<joe@client.example>') },
		    sub { $m->rcpt($alice) }, sub { $m->header($field, 'x') },
		    sub { $m->header(To => 'carol@example.test') },
		    sub { $m->eoh });
		$do[$_]->() for 0 .. $steps - 1;
		close $m->{socket};
	}
	is_idle $d, 'A15: gone in the middle';
	is $d->stat('forged_headers_total'), 0, 'A15: nothing was removed';
}

done_testing;
