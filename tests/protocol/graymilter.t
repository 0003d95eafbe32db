# Who has to come back to graymilter, and who has not: rule by rule.
use strict;
use warnings;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Greylist;
use Milter;
use Odd;

my $dir = folder;
my $hour = 3600;
my $day = 24 * $hour;
my @auth = (auth => 'ann');
my @tls = (tls => 'OK');

# A list of steps for one daemon: [what, %with of mail(), the answer].  A
# number in front of them lets so many seconds go by.
sub walk {
	my ($d, $about, @steps) = @_;
	for (@steps) {
		my ($what, @with) = @$_;
		my $want = pop @with;
		later($d, shift @with) if @with % 2;
		is mail($d, @with), $want, "$about: $what";
	}
}

# What an MTA that is new to a daemon would see next.
sub quiet {
	my ($d, $what) = @_;
	eventually { ($d->stat('sessions') // 1) == 0 } 10;
	is $d->stat('sessions'), 0, "$what: no session is left";
	is mail($d, client => '203.0.113.99'), 'new', "$what: and it answers";
}

# --- lists that change

my %whitelisted = (client => '203.0.113.1');
my %friend = (client => '203.0.113.2', host => 'mx.friend.example');
my @lists = (
	# option, list, the other one, a bad one, what is said of mail for which
	# it is the first list that counts, and for which the second
	['-whitelist', "203.0.113.1\n", "198.51.100.0/24\n",
	    "203.0.113.1\n203.0.113.300\n", 'whitelist',
	    [%whitelisted], [client => '198.51.100.7']],
	['-whitelist', ".friend.example\n192.0.2.99\n", "192.0.2.99\n" .
	    ".other.example\n", "friend\n", 'whitelist', [%friend],
	    [%friend, host => 'other.example']],
	['-suspects', "203.0.113.0/24\n", "203.0.114.0/24\n2001:db8::/32\n",
	    "203.0.113.0/33\n", 'unsuspected',
	    [client => '2001:db8::1'], [%whitelisted]],
	['-senders', "joe\@a.test\n", "\@b.test\n", "joe\n", 'sender',
	    [from => '<Joe+news@A.test>'], [from => '<x@b.test>']],
	['-trap', "joe\@a.test\n", "\@b.test\n", "joe\n", 'trap',
	    [to => ['<joe@a.test>']], [to => ['<x@b.test>']]],
	['-recipients', "joe\@a.test\n", "\@b.test\n", "joe\n", 'recipient',
	    [to => ['<joe@a.test>']], [to => ['<x@b.test>']]],
);

# --- what takes time: begun here, looked at in the end

my $begun = time;
my $short = gray(-delay => 2, -retry => '1h');
is mail($short, reply => \my @first), 'new', 'real time: new';
my $told = time;
my @watching = map { gray('-autoupdate', $lists[$_][0] =>
    file("watched.$_", $lists[$_][1])) } 0 .. $#lists;
my $dead = gray(-trap => file('trap.dead', "trap\@example.test\n"),
    -report => "$dir/nobody", -reporttime => 60);
is mail($dead, to => ['<trap@example.test>']), 'trap', '-report: to nobody';

# --- the life of a tuple

walk(gray, 'life',
	['a stranger', 'new'],
	['at once', 'early'],
	['before the delay is over', 290, 'early'],
	['when it is over', 20, 'delayed'],
	['and from then on', 'known'],
	['a month later', 35 * $day, 'known'],
	['used, it is not forgotten', 35 * $day, 'known'],
	['not used, it is', 36 * $day + 60, 'new'],
	['in the last hour of two days', 2 * $day - $hour, 'delayed'],
);
walk(gray, 'never comes back',
	['a stranger', 'new'],
	['after two days', 2 * $day + 60, 'new'],
	['the delay begins anew', 290, 'early'],
);
walk(gray(-delay => '1h', -retry => '2h', -expire => '3h'), 'other times',
	['a stranger', 'new'],
	['an hour is not over', $hour - 60, 'early'],
	['too late', $hour + 120, 'new'],
	['just in time', 2 * $hour - 60, 'delayed'],
	['known for three hours', 3 * $hour - 60, 'known'],
	['and no longer', 3 * $hour + 60, 'new'],
);

# --- what a tuple is: -key, -prefix4, -prefix6

my @others = (
	# what, mail, with -key client, pair, triplet
	['the same', [], 'known', 'known', 'known'],
	['from next door', [client => '192.0.2.254'], 'known', 'known',
	    'known'],
	['another recipient', [to => ['<bob@example.test>']], 'known', 'known',
	    'new'],
	['another sender', [from => '<eve@client.example>'], 'known', 'new',
	    'new'],
	['the null sender', [from => '<>'], 'known', 'new', 'new'],
	['another network', [client => '192.0.3.1'], 'new', 'new', 'new'],
);
for my $n (0 .. 2) {
	my $key = (qw(client pair triplet))[$n];
	my $d = gray(-key => $key, -autowhite => 0);
	walk($d, "-key $key", ['new', 'new'], ['delayed', 301, 'delayed'],
	    map { [$_->[0], @{ $_->[1] }, $_->[2 + $n]] } @others);
	my $word = (records($d, $key))[0] // '';
	like $word, qr{^$key 192\.0\.2\.0/24 }, "-key $key: the record";
}
for (
	# options, one client, others with the same network, with another
	[[], '192.0.2.1', ['192.0.2.255', '::ffff:192.0.2.9'], ['192.0.3.1']],
	[[-prefix4 => 32], '192.0.2.1', [], ['192.0.2.2']],
	[[-prefix4 => 31], '192.0.2.2', ['192.0.2.3'], ['192.0.2.1']],
	[[-prefix4 => 16], '192.0.2.1', ['192.0.255.1'], ['192.1.2.1']],
	[[-prefix4 => 8], '10.0.2.1', ['10.9.9.9'], ['11.0.2.1']],
	[[], '2001:db8::1', ['2001:db8::ffff:1:2:3'], ['2001:db8:0:1::1']],
	[[-prefix6 => 128], '2001:db8::1', [], ['2001:db8::2']],
	[[-prefix6 => 48], '2001:db8::1', ['2001:db8:0:9::1'],
	    ['2001:db8:1::1']],
	[[-prefix6 => 16], '2001:db8::1', ['2001:ffff::1'], ['2002:db8::1']],
	[[-prefix6 => 16], '192.0.2.1', ['192.0.2.2'], ['192.0.3.1']],
) {
	my ($options, $one, $same, $other) = @$_;
	walk(gray(@$options), "@$options $one", ['new', client => $one, 'new'],
	    map({ [$_, client => $_, 'early'] } @$same),
	    map({ [$_, client => $_, 'new'] } @$other));
}

# --- senders that change from one message to the next

for (
	# two senders, are they the same?
	['joe@a.test', 'JOE@A.Test', 1], ['joe@a.test', 'joe+x@a.test', 1],
	['prvs=3092AB1C2D=joe@a.test', 'prvs=4103CC0E3F=joe@a.test', 1],
	['prvs=3092AB1C2D=joe@a.test', 'joe@a.test', 1],
	['SRS0=ab12=XY=a.test=joe@b.test', 'SRS0=zz99=XZ=a.test=joe@b.test', 1],
	['l-1234-ann=c.test@a.test', 'l-1235-ann=c.test@a.test', 1],
	['news.20261124@a.test', 'news.20261125@a.test', 1],
	['bounce-3092ab1c@a.test', 'bounce-4103cc0e@a.test', 1],
	['@relay.test:joe@a.test', 'joe@a.test', 1],
	['joe@a.test', 'joe@b.test', 0], ['joe@a.test', 'jo@a.test', 0],
	['l-1234-ann@a.test', 'l-1234-bob@a.test', 0],
	['1234@a.test', '1235@a.test', 0], ['', 'joe@a.test', 0],
	['SRS0=ab12=XY=a.test=joe@b.test', 'SRS0=ab12=XY=c.test=joe@b.test', 0],
) {
	my ($one, $two, $same) = @$_;
	walk(gray, "sender $one", [$one, from => "<$one>", 'new'],
	    [$two, from => "<$two>", $same ? 'early' : 'new']);
}
walk(gray, 'recipients', ['one', to => ['<Ann@Example.Test>'], 'new'],
    ['the same', to => ['<ann@example.test>'], 'early'],
    ['its details count', to => ['<ann+x@example.test>'], 'new']);

# --- the null sender: its answer is at DATA

{
	my $d = gray;
	my $m = greeted($d);
	my @null = (from => '<>');
	$m->mail('<>');
	is $m->rcpt('<alice@example.test>')->{reply}, 'c',
	    'null sender: RCPT is answered as ever';
	$m->abort;
	is_deeply [records($d)], [],
	    'null sender: who only asks leaves nothing';
	is mail_on($d, $m, @null, reply => \my @r), 'new', 'null sender: DATA';
	is join(' ', map { $_->{reply} } @r), 'c y', 'null sender: the replies';
	is $r[1]{text}, '421 4.7.1 Greylisted, please come back in 300 seconds',
	    'null sender: the text, and the MTA is to hang up';
	is scalar(records($d, 'triplet')), 1, 'null sender: and is remembered';
	$m->quit;
	my @two = (@null, to => ['<alice@example.test>', '<bob@example.test>']);
	walk($d, 'null sender',
		['again', @null, 'early'],
		['another recipient', 100, @two, 'early new'],
		['both wait: the first may pass', 210, @two, 'delayed'],
		['no header again', @two, 'known'],
		['a role alone', @null, to => ['<abuse@example.test>'], 'role'],
		['nobody else passes by it', @null, to =>
		    ['<abuse@example.test>', '<eve@example.test>'],
		    'role new'],
		['its recipients are tuples of their own', @null,
		    to => ['<bob@example.test>'], 'known'],
	);
	@r = ();
	for (['eve', 'new1', 'early new'], ['new2', 'eve', 'new early']) {
		my ($one, $two, $want) = @$_;
		later($d, 50);
		@r = ();
		is mail($d, @null, to => [map { "<$_\@example.test>" } $one,
		    $two], reply => \@r), $want, 'null sender: two that wait';
		like $r[2]{text}, qr/ in 300 seconds$/,
		    "null sender: $want: the longest is told";
	}
	is mail($d, @null, to => [map { "<r$_\@example.test>" } 1 .. 150]),
	    join(' ', ('new') x 100), 'null sender: the first 100 decide';
	is mail($d, @null, to => [map { "<r$_\@example.test>" } 1 .. 99],
	    macros => {}), join(' ', ('early') x 99), 'null sender: again';
}

# --- several recipients of one message

{
	my ($a, $b, $c) = map { "<$_\@example.test>" } qw(a b c);
	my $d = gray;
	walk($d, 'several',
		['one is new', to => [$a], 'new'],
		['it passes', 301, to => [$a], 'delayed'],
		['those behind it pass too', to => [$a, $b], 'known carried'],
		['and are known', to => [$b], 'known'],
		['those before it', to => [$c, $a], 'new known'],
		['pass when they come back', to => [$c], 'known'],
	);
	my @more = map { "<m$_\@example.test>" } 1 .. 4;
	my @r;
	is mail($d, to => [@more[0, 1], $a, @more[2, 3]], reply => \@r),
	    'new new known carried carried', 'several: in the middle';
	is join(' ', map { $_->{reply} } @r), 'y y c c c a',
	    'several: RCPT by RCPT';
	walk($d, 'several', map { [$_, to => [$_], 'known'] } @more);
	walk($d, 'several', ['nobody is known', to =>
	    ['<x@example.test>', '<y@example.test>'], 'new new'],
	    ['again', to => ['<x@example.test>'], 'early']);

	# After a delay the header shows the longest.
	walk($d = gray, 'several', ['the first', to => [$a], 'new'],
	    ['the second', 200, to => [$b], 'new']);
	later($d, 310);
	@r = ();
	is mail($d, to => [$b, $a], reply => \@r), 'delayed carried',
	    'several: one was delayed';
	like $r[-1]{changes}[0][3], qr/^delayed 31\d seconds by/,
	    'several: in its header is that delay';
	is mail($d, to => [$a]), 'known', 'several: the other one is known';

	# No more than a hundred are remembered to pass with it.
	my @many = map { "<r$_\@example.test>" } 1 .. 120;
	is mail(gray, to => [@many, $a]), join(' ', ('new') x 121), 'many';
	$d = gray;
	walk($d, 'many', ['a', to => [$a], 'new'], ['a', 301, to => [$a],
	    'delayed']);
	is mail($d, to => [@many, $a]), join(' ', ('new') x 120, 'known'),
	    'many: before one that is known';
	is mail($d, to => [$many[99]]), 'known', 'many: the hundredth';
	is mail($d, to => [$many[100]]), 'early', 'many: one more';
}

# --- recipients that are exempt, and carry nobody

{
	my $list = file('recipients', "bob\@example.test\nsales@\n" .
	    ".open.test\n");
	my $d = gray(-recipients => $list);
	my $new = '<new@example.test>';
	walk($d, 'exempt',
		map({ ["role $_", to => ["<$_>"], 'role'] }
		    'postmaster@example.test', 'Abuse@other.test',
		    'PostMaster'),
		map({ ["listed $_", to => ["<$_>"], 'recipient'] }
		    'bob@example.test', 'BOB+x@Example.Test', 'sales@any.test',
		    'x@open.test', 'x@mx.open.test'),
		map({ ["not listed $_", to => ["<$_>"], 'new'] }
		    'bobby@example.test', 'bob@mx.example.test',
		    'x@notopen.test', 'postmasters@example.test'),
		['carries nobody', to => ['<abuse@example.test>',
		    '<bob@example.test>', $new], 'role recipient new'],
		['not before it either', to => ['<x@example.test>',
		    '<postmaster@example.test>'], 'new role'],
		['it was not carried', to => ['<x@example.test>'], 'early'],
		['nor this', to => [$new], 'early'],
	);
	is scalar(grep { / (bob@|sales@|x@(mx\.)?open|abuse@|postmaster)
	    [a-z.]*\ /x && !/ bob\@mx/ } records($d)), 0,
	    'exempt: nothing is remembered of them';
}

# --- those lists, and reload

my @reloads = (
	['the command', sub { is $_[0]->tell('reload'), $_[1] ? 'ok' :
	    'error reload failed, see the log; the old lists stay',
	    'reload: the answer' }],
	['SIGUSR1', sub {
		my ($d, $good) = @_;
		my $name = $good ? 'reloads_total' : 'reload_failed_total';
		my $before = $d->stat($name);
		kill USR1 => $d->pid;
		eventually { $d->stat($name) > $before } 5;
	}],
);
for (@lists) {
	my ($option, $one, $two, $bad, $spared, $by_one, $by_two) = @$_;
	my $list = file('lists', $one);
	my $d = gray($option => $list);
	for (@reloads) {
		my ($how, $reload) = @$_;
		my $says = "$option, $how";
		file('lists', $one);
		$reload->($d, 1);
		is mail($d, @$by_one), $spared, "$says: listed";
		like mail($d, @$by_two), qr/^(new|early)$/, "$says: not listed";
		file('lists', $bad);
		$reload->($d, 0);
		is mail($d, @$by_one), $spared,
		    "$says: a bad list leaves the old one";
		is scalar($d->lines(qr/^\Q$list\E:\d+: /)) > 0, 1,
		    "$says: and is named";
		file('lists', $two);
		$reload->($d, 1);
		like mail($d, @$by_one), qr/^(new|early)$/,
		    "bug_whitelist_never_cleared: $says";
		is mail($d, @$by_two), $spared, "$says: the new list";
	}
}
{
	my $names = file('names', ".friend.example\n");
	my $d = gray(-whitelist => $names);
	walk($d, 'host names',
		map({ ["$_->[0] " . ($_->[1] // 'no macro'), client =>
		    '203.0.113.9', host => $_->[0], macros => { C => [j => 'mx',
		    defined $_->[1] ? ('{client_resolve}' => $_->[1]) : ()] },
		    $_->[2]] }
		['mx.friend.example', 'OK', 'whitelist'],
		['Friend.Example', 'OK', 'whitelist'],
		['mx.friend.example', undef, 'whitelist'],
		['mx.friend.example', 'FORGED', 'new'],
		['mx.friend.example', 'TEMP', 'early'],
		['mx.friend.example', 'FAIL', 'early'],
		['notfriend.example', 'OK', 'early'],
		['[203.0.113.9]', 'OK', 'early']));
	is $d->stat('exempt_total{why="whitelist"}'), 3, 'host names: counted';
}
{
	my $both = gray(-suspects => file('su', "203.0.113.0/24\n"),
	    -whitelist => file('wh', "203.0.113.7\n"));
	walk($both, 'both lists',
		['a suspect', client => '203.0.113.1', 'new'],
		['whitelisted', client => '203.0.113.7',
		    'whitelist'],
		['neither', client => '198.51.100.1',
		    'unsuspected']);
	is scalar(records($both, 'triplet')), 1, 'both lists: one record';
}

# --- clients nobody judges

{
	my $d = gray;
	walk($d, 'exempt', ['local', client => undef, '(rcpt a)'],
	    map({ [$_, client => $_, '(rcpt a)'] } '127.0.0.1',
	    '127.9.9.9', '::1', '::ffff:127.0.0.1'),
	    ['AUTH', @auth, '(rcpt a)'], ['verified TLS', @tls, '(rcpt a)'],
	    ['AUTH, null sender', @auth, from => '<>', '(rcpt a)'],
	    ['TLS, not verified', tls => 'FAIL', 'new']);
	is_deeply [map { $d->stat("exempt_total{why=\"$_\"}") } qw(local
	    loopback auth tls)], [1, 4, 2, 1], 'exempt: counted';
	is scalar(records($d, 'triplet')), 1, 'exempt: leave no records';
	walk(gray('-scanauth'), '-scanauth', ['AUTH', @auth, 'new'],
	    ['verified TLS', @tls, 'early'],
	    ['loopback', client => '127.0.0.1', '(rcpt a)']);
	walk(gray('-scanauth', -senders => file('sa', "ann\@a.test\n")),
	    '-scanauth', ['a listed sender', @auth, from => '<ann@a.test>',
	    'sender']);

	# AUTH is for the message it came with.
	my $m = greeted($d);
	is mail_on($d, $m, @auth), '(rcpt a)', 'exempt: AUTH';
	is mail_on($d, $m), 'early', 'exempt: the next message without';
	$m->quit;
}

# --- -learn: those our users write to may write back

{
	my %ours = (@auth, from => '<Ann.2026@example.test>');
	my $white = file('learn.white', "198.51.100.1\n");
	my @learn = ('-learn', -whitelist => $white);
	my @clients = (
		# where our user is, the answer, more options
		['far away', '192.0.2.1', '(data a)', []],
		['whitelisted', '198.51.100.1', 'whitelist (data a)', []],
		['on loopback', '127.0.0.1', '(data a)', []],
		['judged', '192.0.2.1', 'new new', ['-scanauth']],
	);
	for (@clients) {
		my ($where, $client, $want, $options) = @$_;
		my $d = gray(@learn, @$options);
		my %to = (to => ['<Friend+1@far.test>', '<list@far.test>']);
		is mail($d, %ours, client => $client, %to), $want,
		    "-learn: $where: our user writes";
		is $d->stat('friends_learned_total'), 2,
		    "-learn: $where: counted";
		my @back = (client => '203.0.113.5',
		    from => '<friend@far.test>');
		walk($d, "-learn: $where",
			['they write back', @back,
			    to => ['<ann.2026@example.test>'], 'friend'],
			['and again', @back, to => ['<ANN.2026@example.test>'],
			    'known'],
			['the list', @back, from => '<list@far.test>',
			    to => ['<ann.2026@example.test>'], 'friend'],
			['not to others', @back, to => ['<bob@example.test>'],
			    'new'],
			['nor to her namesakes', @back,
			    to => ['<ann.2025@example.test>'], 'new'],
			['nor do others', client => '203.0.114.5',
			    from => '<eve@far.test>',
			    to => ['<ann.2026@example.test>'], 'new'],
			['from anywhere', client => '2001:db8::9',
			    from => '<friend+x@far.test>',
			    to => ['<ann.2026@example.test>'], 'friend'],
		);
	}
	my $d = gray('-learn');
	mail($d, %ours, from => '<>', to => ['<friend@far.test>']);
	mail($d, from => '<bob@example.test>', to => ['<friend@far.test>']);
	mail($d, @tls, from => '<bob@example.test>',
	    to => ['<friend@far.test>']);
	is $d->stat('friends_learned_total'), 0,
	    '-learn: from nobody else, and not from the null sender';
	walk($d, '-learn', ['no friend', from => '<friend@far.test>',
	    to => ['<bob@example.test>'], 'new']);
	$d = gray;
	mail($d, %ours, to => ['<friend@far.test>']);
	walk($d, 'without -learn', ['no friend', from => '<friend@far.test>',
	    to => ['<ann.2026@example.test>'], 'new']);

	# A friend carries others, as everybody who passes.
	$d = gray('-learn');
	mail($d, %ours, to => ['<friend@far.test>']);
	walk($d, '-learn', ['a friend', from => '<friend@far.test>',
	    to => ['<x@example.test>', '<ann.2026@example.test>',
	    '<y@example.test>'], 'new friend carried'],
	    ['is forgotten', 36 * $day + 60, from => '<friend@far.test>',
	    to => ['<ann.2026@example.test>'], 'new']);
	mail($d, %ours, to => ['<friend@far.test>']);
	walk($d, '-learn', ['is kept by use', 35 * $day,
	    from => '<friend@far.test>', client => '203.0.113.5',
	    to => ['<ann.2026@example.test>'], 'friend'],
	    ['by either side', 35 * $day,
	    from => '<friend@far.test>', client => '203.0.114.5',
	    to => ['<ann.2026@example.test>'], 'friend']);
}

# --- -trap, -report: blackmilter hears of it

{
	mkdir "$dir/black";
	my $black = Daemon->start(-db => "$dir/black");
	my $trap = file('trap', "trap\@example.test\n");
	my $white = file('trap.white', "198.51.100.1\n");
	my $d = gray(-trap => $trap, -report => $black->control,
	    -reporttime => '2h', -whitelist => $white,
	    -senders => file('trap.senders', "good\@a.test\n"));
	my ($ann, $bob, $bad) = map { "<$_\@example.test>" } qw(ann bob Trap);
	my $refused = sub {
		return Milter->session($black->socket, $_[0])->{reply} eq 'y';
	};
	walk($d, 'trap',
		['ann is known', to => [$ann], 'new'],
		['ann is known', 301, to => [$ann], 'delayed']);
	for (
		# where the trap stands, the words, the replies
		['alone', [$bad], 'trap', 'y'],
		['first', [$bad, $ann, $bob], 'trap known carried', 'y c c a'],
		['last', [$ann, $bad], 'known trap', 'c y a'],
		['in the middle', [$ann, $bad, $bob], 'known trap carried',
		    'c y c a'],
		['before a role', [$bad, '<abuse@example.test>'], 'trap role',
		    'y c a'],
		['before a stranger', [$bad, '<new@example.test>'], 'trap new',
		    'y y'],
	) {
		my ($where, $to, $want, $replies) = @$_;
		my @r;
		is mail($d, to => $to, reply => \@r), $want, "trap: $where";
		is join(' ', map { $_->{reply} } @r), $replies,
		    "trap: $where: the replies";
		like $r[$want =~ /^known/ ? 1 : 0]{text}, qr/^451\ 4\.7\.1
		    \ Greylisted,\ please\ come\ back\ in\ 300\ seconds$/x,
		    "trap: $where: it does not give itself away";
	}
	walk($d, 'trap',
		['never passes', 310, to => [$bad], 'trap'],
		['bob was carried', to => [$bob], 'known'],
		['in a bounce', from => '<>', to => [$ann, $bad], 'trap new'],
		['in a bounce that may pass', 310, from => '<>',
		    to => [$ann, $bad], 'trap delayed (eom c i)'],
		['in a bounce, alone', from => '<>', to => [$bad], 'trap'],
		['in a bounce, beside a role', from => '<>',
		    to => [$bad, '<abuse@example.test>'],
		    'trap role (data a)']);
	is $d->stat('verdicts_total{verdict="tempfail",by="trap"}'), 11,
	    'trap: counted';
	my $is_refused = eventually { $refused->('192.0.2.1') } 10;
	ok $is_refused, 'trap: blackmilter refuses its next connection';
	my ($line) = grep { /^192\.0\.2\.1 / } ($black->tell('list'));
	like $line, qr/^192\.0\.2\.1 report \d+ mailed a trap$/,
	    'trap: the reason';

	# How long, and who is never reported.
	eventually { $d->stat('reports_sent_total') >= 7 } 10;
	is $d->stat('reports_sent_total'), 7,
	    'trap: one report of each, and none of a bounce';
	my @spared = ([@auth, client => '203.0.113.1'],
	    [@tls, client => '203.0.113.1'], [client => '198.51.100.1'],
	    [client => '203.0.113.1', from => '<good@a.test>'],
	    [client => '127.0.0.1'], [client => undef]);
	unlike mail($d, @$_, to => [$bad]), qr/trap/, 'trap: spared'
	    for @spared;
	is mail($d, client => '203.0.113.7', to => [$bad]), 'trap',
	    'trap: another client';
	is mail($d, client => '2001:db8::7', to => [$bad]), 'trap',
	    'trap: IPv6';
	eventually { $d->stat('reports_sent_total') == 9 } 10;
	is $d->stat('reports_sent_total'), 9, 'trap: reported';
	is $d->stat('reports_failed_total'), 0, 'trap: and it was taken';
	my %left = map { /^(\S+) report (\d+)/ } $black->tell('list');
	is_deeply [sort keys %left], ['192.0.2.1', '2001:db8::/64',
	    '203.0.113.7'], 'trap: nobody else is' or diag explain \%left;
	ok $left{'203.0.113.7'} > 7100 && $left{'203.0.113.7'} <= 7200,
	    '-reporttime 2h' or diag explain \%left;
	ok !$refused->($_), "trap: $_ is let in"
	    for '203.0.113.1', '198.51.100.1';

	# Of those the MTA refuses itself we hear for the traps among them.
	my $m = greeted($d, client => '203.0.113.8');
	$m->macro(R => '{rcpt_mailer}' => 'error');
	is mail_on($d, $m, to => [$bob, '<abuse@example.test>']), '(data a)',
	    'trap: others the MTA refuses are not judged';
	is mail_on($d, $m, to => [$bad]), 'trap', 'trap: this one is';
	is mail_on($d, $m, @auth, to => [$bad]), '(data a)',
	    'trap: not of our users';
	$m->quit;

	is $d->tell('pass 203.0.113.1'), 'ok', 'trap: a network that is known';
	is mail($d, client => '203.0.113.1', to => [$ann, $bad]),
	    'autowhite trap', 'trap: even there it never passes';
	eventually { $d->stat('reports_sent_total') > 10 } 0.5;
	is $d->stat('reports_sent_total'), 10, 'trap: but is not reported';

	my $silent = gray(-trap => $trap);
	is mail($silent, client => '203.0.113.9', to => [$bad]), 'trap',
	    'without -report';
	is $silent->stat('reports_sent_total'), undef, 'nobody is told';
	my $auth = gray(-trap => $trap, '-scanauth');
	is mail($auth, @auth, to => [$bad]), 'trap', '-scanauth: a trap, too';
}

# --- the SPF hint: a pool of machines is one client

{
	my @pool = map { "198.51.$_.25" } 1 .. 20;
	my %from = (from => '<news@Pool.example>');
	my $d = gray(-autowhite => 0);
	walk($d, 'without a hint', map { [$_, %from, client => $_, 'new'] }
	    @pool);
	$d = gray(-autowhite => 0);
	my $say = sub {
		my ($client, $domain, $result) = @_;
		is $d->tell("spf $client $domain " . ($result // 'pass')), 'ok',
		    "spf: $client " . ($result // 'pass');
	};
	$say->($_, 'pool.EXAMPLE') for @pool;
	walk($d, 'a hint', ['the first of the pool', %from, client => $pool[0],
	    'new'], map({ ["$_ is the same", %from, client => $_, 'early'] }
	    @pool), ['does not shorten the delay', 290, %from,
	    client => $pool[7], 'early'],
	    ['another machine comes back', 20, %from, client => $pool[5],
	    'delayed'], map({ ["$_ is known", %from, client => $_, 'known'] }
	    @pool[9 .. 19]));
	is_deeply [map { (split)[1] } records($d, 'triplet')],
	    ['pool.example'], 'a hint: one record';
	is scalar($d->lines(qr/by=delayed\ client=198\.51\.6\.25
	    \ spf=pool\.example\ /x)), 1, 'a hint: is in the log';
	walk($d, 'a hint',
		['for the null sender changes nothing', from => '<>',
		    client => $pool[0], 'new'],
		['for another machine neither', from => '<>',
		    client => $pool[1], 'new'],
		['nor for another domain', from => '<x@other.example>',
		    client => $pool[0], 'new'],
		['nor for one below it', from => '<x@sub.pool.example>',
		    client => $pool[0], 'new'],
		['nor for a client that is none of it', %from,
		    client => '203.0.113.1', 'new'],
	);
	$say->($pool[3], 'pool.example', 'fail');
	walk($d, 'spf: fail',
		['takes it back', %from, client => $pool[3], 'new'],
		['it waits for itself', 301, %from, client => $pool[3],
		    'delayed'],
		['others stay', %from, client => $pool[4], 'known']);
	for my $result (qw(softfail neutral none temperror permerror passed)) {
		$say->($pool[4], 'pool.example');
		is mail($d, %from, client => $pool[4]), 'known',
		    "spf: before $result";
		$say->($pool[4], 'pool.example', $result);
		like mail($d, %from, client => $pool[4]),
		    qr/^(new|early)$/, "spf: $result is no pass";
	}
	# Who waits, or is known, by its network does not begin anew for it.
	$d = gray(-autowhite => 0);
	walk($d, 'no hint', ['new', %from, client => $pool[0], 'new'],
	    ['another', %from, client => $pool[1], 'new'],
	    ['passes', 301, %from, client => $pool[0], 'delayed']);
	$say->($_, 'pool.example') for @pool;
	walk($d, 'a late hint', ['is known', %from, client => $pool[0],
	    'known'], ['and now by its domain', %from, client => $pool[2],
	    'known']);
	$d->tell('forget pool.example');
	walk($d, 'a late hint', ['has waited', %from, client => $pool[1],
	    'delayed'], ['and now by its domain', %from, client => $pool[3],
	    'known']);

	$say->($pool[6], 'other.example', 'fail');
	is mail($d, %from, client => $pool[6]), 'known',
	    'spf: fail of another domain changes nothing';
	$say->('2001:db8::25', 'pool.example.', 'PASS');
	is mail($d, %from, client => '2001:db8::25'), 'known', 'spf: IPv6';
}

# --- -autowhite: a message an hour

{
	my $n = 0;
	my $next = sub { $n++; return (to => ["<u$n\@example.test>"]) };
	my $count = sub {
		my ($network) = records($_[0], 'network');
		return (split ' ', $network // '')[7] // 0;
	};
	my $d = gray(-autowhite => 3);
	walk($d, 'autowhite', ['the first', $next->(), 'new'],
	    ['passes', 301, to => ['<u1@example.test>'], 'delayed']);
	is $count->($d), 1, 'autowhite: one counts';
	is mail($d, to => ['<u1@example.test>']), 'known', 'autowhite: another';
	is $count->($d), 1, 'autowhite: in the same hour does not count';
	walk($d, 'autowhite', ['half an hour', $hour / 2,
	    to => ['<u1@example.test>'], 'known']);
	is $count->($d), 1, 'autowhite: nor half an hour later';
	walk($d, 'autowhite', ['an hour', $hour / 2 + 10,
	    to => ['<u1@example.test>'], 'known']);
	is $count->($d), 2, 'autowhite: an hour later it does';
	walk($d, 'autowhite',
		['a stranger still waits', $next->(), 'new'],
		['another hour', $hour + 10, to => ['<u1@example.test>'],
		    'known'],
		['now the network is known', $next->(), 'autowhite'],
		['all of it', client => '192.0.2.200', from => '<x@y.test>',
		    'autowhite'],
		['the null sender, too', from => '<>', $next->(), 'autowhite'],
		['and no other', client => '192.0.3.1', 'new'],
		['use keeps it', 35 * $day, $next->(), 'autowhite'],
		['use keeps it', 35 * $day, $next->(), 'autowhite'],
		['36 days without mail do not', 36 * $day + 60, $next->(),
		    'new'],
	);
	is scalar(grep { / u$n@/ } records($d)), 1,
	    'autowhite: only the last left a record';
	for ([0, 'known carried'], [1, 'autowhite']) {
		my ($limit, $want) = @$_;
		my $d = gray(-autowhite => $limit);
		walk($d, "-autowhite $limit", ['new', 'new'],
		    ['passes', 301, 'delayed'], ['then', 2 * $hour, to =>
		    ['<alice@example.test>', '<bob@example.test>'], $want]);
	}
	my $now = int time;
	for (
		# count, seconds ago, the answer: the default is five
		[4, $hour + 60, 'new'], [5, $hour + 60, 'autowhite'],
		[5, 35 * $day, 'autowhite'], [5, 37 * $day, 'new'],
		[4294967295, 10, 'autowhite'],
	) {
		my ($count, $ago, $want) = @$_;
		my $d = gray;
		is $d->tell("load network 192.0.2.0/24 - - 0 " . ($now - $ago) .
		    " 0 $count 0"), 'ok', 'autowhite: loaded';
		is mail($d), $want, "autowhite: $count, $ago seconds ago";
	}
}

# --- -pendingmax: what a flood leaves

{
	my $d = gray(-pendingmax => 3);
	my @from = map { (from => "<x$_\@flood.test>") } 1 .. 9;
	my $from = sub { return @from[2 * $_[0], 2 * $_[0] + 1] };
	walk($d, 'flood', map({ ["$_", $from->($_), 'new'] } 0 .. 3),
	    map({ ["$_ is one with the last", $from->($_), 'early'] } 4, 5),
	    ['of those that wait, each for itself', $from->(0), 'early'],
	    ['another network is not in it', client => '192.0.3.1', 'new']);
	is join(' ', map { (split)[0] } grep { m{ 192\.0\.2\.0/24 } }
	    records($d)), 'client triplet triplet triplet network',
	    'flood: three records, one for the rest, one of the network';
	walk($d, 'flood',
		['nobody waits for ever', 301, $from->(7), 'delayed'],
		['those with a record', $from->(1), 'delayed'],
		['make room', $from->(8), 'new']);
	is scalar(grep { m{^triplet 192\.0\.2\.0/24 x9@} } records($d)), 1,
	    'flood: a record again';
}

# --- where it is kept

{
	my $d = gray;
	is mail($d), 'new', '-memory: new';
	$d->crash;
	$d = gray({ control => $d->control, socket => $d->socket });
	is mail($d), 'new', '-memory: forgets';

	mkdir "$dir/db";
	my @db = (-db => "$dir/db", -expire => '40d');
	$d = gray({ control => "$dir/dc", socket => "$dir/ds" }, @db);
	walk($d, '-db', ['new', 'new'], ['another', client => '192.0.3.1',
	    'new'], ['passes', 301, 'delayed']);
	my @before = records($d);
	is scalar(@before), 4, '-db: two records, and those of the networks';
	my ($status, $out, $err) = run(program('graymilter'), '-nodaemon',
	    -db => "$dir/db", "$dir/second");
	is $status, 78, '-db: a second daemon on it';
	like $err, qr/^graymilter: store \Q$dir\E\/db is in use[^\n]*\n\z/m,
	    '-db: is told so';
	ok !-e "$dir/second", '-db: and leaves no socket';
	is mail($d), 'known', '-db: the first works on';
	@before = records($d);
	$d->crash;
	$d = gray({ control => "$dir/dc", socket => "$dir/ds" }, @db);
	is_deeply [records($d)], \@before, '-db: kill -9 loses nothing';
	is mail($d), 'known', '-db: known';
	@before = records($d);
	is $d->stop, 0, '-db: stop';
	$d = gray({ control => "$dir/dc", socket => "$dir/ds" }, @db);
	is_deeply [records($d)], \@before, '-db: nor does a restart';
	is mail($d, client => '192.0.3.1'), 'delayed', '-db: waited meanwhile';
	is scalar($d->lines(qr/corrupt|not understood/)), 0, '-db: clean';
}

# --- A11: hostile bytes and sizes everywhere

{
	my $d = gray('-learn');
	for (@hostile) {
		my ($what, $text) = @$_;
		my @before = $d->lines(qr/./);
		my @with = (from => "<$text>", to => ["<$text>"],
		    host => $text, macros => { C =>
		    ['{client_resolve}' => $text] });
		my $said = mail($d, @with);
		like $said, qr/^(new|early)$/, "A11: $what: judged";
		my @said = $d->lines(qr/./);
		splice @said, 0, scalar @before;
		ok @said == 1 && $said[0] =~ /^verdict=tempfail\ by=(new|early)
		    \ client=192\.0\.2\.1\ from=\S+\ to=\S+\ left=\d+\ qid=q1
		    \ us=\d+$/x && length $said[0] <= 1000,
		    "A11: $what: one line" or diag @said;
		my ($status, @list) = $d->tell('list');
		is $status, 'ok', "A11: $what: list";
		is scalar(grep { !/^[ -~]{1,1000}$/ || split(' ') != 7 } @list),
		    0, "A11: $what: the records are seven words";
	}
	for (@hostile) {
		my ($what, $text) = @$_;
		my $m = greeted($d);
		$m->macro(M => i => $text);
		$m->mail("<x\@$text>", '<y>');
		$m->rcpt("<y\@$text>");
		$m->quit;
	}
	my $big = 'x' x 100_000;
	for ([from => "<$big>"], [to => ["<$big>"]], [host => $big]) {
		eval { mail($d, @$_) };
		ok !$d->gone, "A11: 100 kB: $_->[0]";
	}
	clean_log $d, 'A11';
	quiet $d, 'A11';

	# What is kept of it can be dumped and loaded.
	my @all = records($d);
	my $copy = gray;
	is $copy->tell("load $_"), 'ok', 'A11: load' for @all;
	is_deeply [records($copy)], \@all, 'A11: a copy of all records';
	for my $text (map { $_->[1] } @hostile) {
		is mail($copy, from => "<$text>", to => ["<$text>"]), 'early',
		    'A11: and the copy knows them';
	}
}

# --- A12, A13: reply and header are one clean line

for (
	# -rejectmessage, what the MTA is sent
	["no\r\n250 ok\e\x{e9}", 'no??250 ok??'], ['100%% of %i',
	    '100%% of 192.0.2.1'], ['%l' x 40, substr +('please come back in ' .
	    '300 seconds') x 40, 0, 489], ['x' x 2000, 'x' x 489],
) {
	my ($message, $want) = @$_;
	my @r;
	mail(gray(-rejectmessage => $message), reply => \@r);
	is $r[0]{text}, "451 4.7.1 $want", 'A12: ' . substr($message, 0, 20) =~
	    s/[^ -~]/?/gr;
}
for (['mx.example.test', 'mx.example.test'], ["x\r\nBcc: e\@e", 'x??Bcc: e@e'],
    ["\xff\x01", "??"], ['%i%s%n', '%i%s%n'], ['x' x 5000, 'x' x 255],
    [undef, 'localhost']) {
	my ($j, $want) = @$_;
	my $d = gray;
	my @with = (macros => { C => [defined $j ? (j => $j) : ()] });
	mail($d, @with);
	later($d, 301);
	mail($d, @with, reply => \my @r);
	is scalar(@{ $r[-1]{changes} }), 1, 'A13: one header more';
	like "$r[-1]{changes}[0][2]: $r[-1]{changes}[0][3]",
	    qr/^X-Greylist: delayed 30\d seconds by graymilter at \Q$want\E; /,
	    'A13: host ' . substr($j // 'none', 0, 20) =~ s/[^ -~]/?/gr;
	like $r[-1]{changes}[0][3], qr/^[ -~]{1,900}$/, 'A13: one clean line';
}

# --- A15: out of order

for my $options ([], ['-markonly', '-learn']) {
	my $d = gray(@$options);
	play_odd($d);
	ok !$d->gone, "A15: @$options: it lives" or diag $d->log;
	next if $d->gone;
	clean_log $d, "A15: @$options";
	eventually { $d->stat('sessions') == 0 } 10;
	is $d->stat('sessions'), 0, "A15: @$options: no session is left";
	is $d->tell('list'), 'ok', "A15: @$options: and it answers";
}
{
	my $d = gray;
	my $m = greeted($d);
	$m->helo("h$_") for 1 .. 5;
	is mail_on($d, $m), 'new', 'A15: HELO five times';
	$m->mail('<>');
	$m->rcpt('<bob@example.test>');
	close $m->{socket};
	quiet $d, 'A15';
	is scalar(grep { / bob@/ } records($d)), 0,
	    'A15: gone before DATA leaves nothing';
}

# --- A16: two messages, and RSET

{
	my $d = gray;
	walk($d, 'A16', ['alice', 'new'], ['alice', 301, 'delayed'],
	    ['bob', to => ['<bob@example.test>'], 'new']);
	later($d, 301);
	my $m = greeted($d);
	is mail_on($d, $m), 'known', 'A16: a message that passes';
	is mail_on($d, $m, to => ['<eve@example.test>']), 'new',
	    'A16: carries nobody in the next';
	$m->mail('<dave@client.example>');
	is $m->rcpt('<alice@example.test>')->{reply}, 'c', 'A16: another';
	$m->abort;
	is mail_on($d, $m, to => ['<eve@example.test>']), 'early',
	    'A16: nor after RSET';
	is mail_on($d, $m, to => ['<fay@example.test>', '<gil@example.test>']),
	    'new new', 'A16: who was sent away';
	is mail_on($d, $m), 'known', 'A16: is not carried';
	is mail_on($d, $m, to => ['<fay@example.test>']), 'early',
	    'A16: by the next message';

	# Delayed, and RSET before its end: the next has no header.
	$m->mail('<dave@client.example>');
	is $m->rcpt('<bob@example.test>')->{reply}, 'c', 'A16: delayed';
	$m->abort;
	is mail_on($d, $m), 'known', 'A16: no header for the next';
	$m->mail('<>');
	is $m->rcpt('<hal@example.test>')->{reply}, 'c', 'A16: a bounce';
	$m->abort;
	is mail_on($d, $m, from => '<>', to => ['<ida@example.test>']), 'new',
	    'A16: the next is judged for itself';
	is scalar(grep { /hal@/ } records($d)), 0, 'A16: of RSET nothing stays';
	is mail_on($d, $m), 'known', 'A16: a sender again';
	$m->quit;

	# A trap is for its own message.
	$d = gray(-trap => file('trap16', "trap\@example.test\n"));
	walk($d, 'A16', ['new', 'new'], ['delayed', 301, 'delayed']);
	$m = greeted($d);
	is mail_on($d, $m, from => '<>', to => ['<trap@example.test>']),
	    'trap', 'A16: a bounce to a trap';
	is mail_on($d, $m, from => '<>', to => ['<abuse@example.test>']),
	    'role', 'A16: the next is none';
	$m->quit;
	quiet $d, 'A16';
}

# --- A24, A25: limits and separators

{
	my $d = gray(-pendingmax => 5000);
	my $count = 1000;
	my @to = map { "<u$_\@example.test>" } 1 .. $count;
	is mail($d, to => \@to), join(' ', ('new') x $count),
	    "A24: $count recipients";
	is scalar(records($d, 'triplet')), $count, 'A24: are remembered';
	like +(records($d, 'network'))[0], qr/ $count$/, 'A24: and counted';
	later($d, 301);
	is mail($d, to => \@to), join(' ', 'delayed',
	    ('carried') x ($count - 1)), 'A24: and pass together';
	like +(records($d, 'network'))[0], qr/ 0$/, 'A24: none waits then';
	my $m = greeted($d);
	$m->mail('<>');
	is scalar(grep { $m->rcpt($_)->{reply} eq 'c' } @to), $count,
	    'A24: of a bounce, too';
	is $m->data->{reply}, 'y', 'A24: which is answered';
	$m->quit;
	quiet $d, 'A24';
}
{
	# No two of these are the same tuple, whatever they look like in a row.
	my ($x, $y) = ('x' x 10_000, 'x' x 9_999 . 'y');
	my @pairs = (
		['a@b', 'c@d'], ["a\@b\nc\@d", ''], ["a\@b\n", "c\@d"],
		['a@b', "\nc\@d"], ["a\@b\tc\@d", ''], ['a@b c@d', ''],
		['a@b', ' c@d'], ["a\@b\\x20c\@d", ''], ['a@b,c@d', ''],
		["a\@b\x01c\@d", ''], ["a\@b\xffc\@d", ''], ['-', '-'],
		['<>', '<>'], ["$x\@b", 'c@d'], ["$y\@b", 'c@d'],
		['a@b', "$x\@d"], ['a@b', "$y\@d"], ["$x\n", $x], [$x, "\n$x"],
		["$x\@$x", "$x\@$x"], ["$x\@$y", "$x\@$x"], ['a@b', $x x 6],
	);
	my $d = gray;
	for (@pairs) {
		my @with = (from => "<$_->[0]>", to => ["<$_->[1]>"]);
		my $what = join(' and ', map { substr $_, 0, 20 } @$_) =~
		    s/[^ -~]/?/gr;
		is mail($d, @with), 'new', "A25: $what";
		is mail($d, @with), 'early', "A25: $what again";
	}
	is scalar(records($d, 'triplet')), scalar(@pairs),
	    'A25: as many records as tuples';
	clean_log $d, 'A25';
	quiet $d, 'A25';
}

# --- and now time has passed

{
	sleep 0.1 while time < $told + 2.1;
	my @r;
	my $before = int time;
	is $first[0]{text},
	    '451 4.7.1 Greylisted, please come back in 2 seconds',
	    'real time: what it was told';
	is mail($short, reply => \@r), 'delayed', 'real time: delayed';
	my ($index, $name, $value) = @{ $r[-1]{changes}[0] }[1 .. 3];
	is "$index $name", '0 X-Greylist', 'real time: above all others';
	my ($held, $date) = $value =~ /^delayed\ (\d+)\ seconds\ by\ graymilter
	    \ at\ mx\.example\.test;\ (.*)$/x;
	ok $held >= 2 && $held <= int(time) - int($begun),
	    'real time: the seconds' or diag $value;
	is scalar(grep { $_ eq ($date // '') } map { strftime
	    '%a, %d %b %Y %H:%M:%S %z', localtime } $before .. time), 1,
	    'real time: the date (RFC 5322)' or diag $value;
	is mail($short), 'known', 'real time: and none for the next';
	is $short->stat('held_seconds_count'), 1, 'real time: counted';
	like $short->stat('held_seconds_sum'), qr/^$held(\.0+)?$/,
	    'real time: with its seconds';
}

{
	for (0 .. $#lists) {
		my ($option, $two, $want, $mail) = @{ $lists[$_] }[0, 2, 4, 6];
		like mail($watching[$_], @$mail), qr/^(new|early)$/,
		    "-autoupdate $option: before";
		file("watched.$_", $two);
	}
	for (0 .. $#lists) {
		my ($option, $two, $want, $mail) = @{ $lists[$_] }[0, 2, 4, 6];
		my $d = $watching[$_];
		eventually { $d->stat('reloads_total') > 0 } 20;
		is mail($d, @$mail), $want, "-autoupdate $option: is read";
	}
	eventually { $dead->stat('reports_failed_total') == 1 } 15;
	is $dead->stat('reports_failed_total'), 1,
	    '-report: blackmilter is down, and that is counted';
	is scalar($dead->lines(qr/^cannot report 192\.0\.2\.1 to /)), 1,
	    '-report: and logged';
}

done_testing;
