# Every option of graymilter: what it does, and what is said of bad values.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);

use Daemon;
use Greylist;
use Milter;

my $dir = folder;
my $sock = "$dir/never";
my @null = (from => '<>');

# Options that have their test here, or in another file.
my %elsewhere = (
	'graymilter.t' => [qw(db memory key prefix4 prefix6 delay retry expire
	    autowhite pendingmax whitelist suspects senders recipients learn
	    trap report reporttime scanauth autoupdate)],
	'graycontrol.t' => [qw(why tell)],
	'start.t' => [qw(user pidfile socketmode nodaemon version help)],
);
my %tested = map { $_ => 1 } map { @$_ } values %elsewhere;

# Mail, without a look at the log: where it was decided, and how; "rcpt 451
# 4.7.1", "eom c i".
sub end_of {
	my ($d, %with) = @_;
	my $r = Milter->session($d->socket, '192.0.2.1', from =>
	    '<dave@client.example>', %with);
	my $answer = $r->{reply} eq 'y' ?
	    $r->{text} =~ s/^(\S+ \S+) .*/$1/r : $r->{reply};
	return join ' ', $r->{at}, $answer,
	    map { $_->[0] } @{ $r->{changes} };
}

# --- -action, -markonly, -dryrun: what is done with a stranger

my $wait = ['rcpt 451 4.7.1', 'data 421 4.7.1', 'eom c i'];
my $mark = ['eom c i', 'eom c i', 'data a'];
my $none = ['data a', 'data a', 'data a'];
for (
	# options, the word in the log, what happens to a stranger, to a bounce
	# and to one that has waited
	[[], 'tempfail', $wait], [[-action => 'tempfail'], 'tempfail', $wait],
	[[-action => 'mark'], 'mark', $mark], [['-markonly'], 'mark', $mark],
	[['-markonly', -action => 'mark'], 'mark', $mark],
	[[-action => 'none'], 'none', $none], [['-dryrun'], 'none', $none],
) {
	my ($options, $word, $want) = @$_;
	my $d = gray(@$options);
	is end_of($d), $want->[0], "@$options: a stranger";
	is end_of($d), $want->[0], "@$options: again";
	is end_of($d, @null), $want->[1], "@$options: a bounce";
	is end_of($d, to => ['<postmaster@example.test>']), 'data a',
	    "@$options: a role";
	is_deeply [map { /^verdict=(\w+ by=\w+)/ } $d->lines(qr/left=/)],
	    ["$word by=new", "$word by=early", "$word by=new"],
	    "@$options: the log";
	is $d->stat('verdicts_total{verdict="tempfail",by="new"}'), 2,
	    "@$options: counted";
	is scalar(records($d, 'triplet')), 2, "@$options: remembered";
	later($d, 301);
	is end_of($d), $want->[2], "@$options: it has waited";
	is end_of($d), 'data a', "@$options: it is known";
}
{
	my $d = gray('-markonly');
	my @to = map { "<$_\@example.test>" } 'a' .. 'd';
	end_of($d, to => [$to[1]]);
	later($d, 100);
	my $r = Milter->session($d->socket, '192.0.2.1', to => [@to[1, 0, 1]],
	    from => '<dave@client.example>', macros => { C => [j => 'mx.x'] });
	is_deeply [map { s/; .*//r } map { @$_ } @{ $r->{changes} }],
	    ['i', 0, 'X-Greylist',
	    'would be delayed 300 seconds by graymilter at mx.x'],
	    '-markonly: the longest is shown, in one header';
	later($d, 210);
	is end_of($d, to => [$to[2], $to[1]]), 'data a',
	    '-markonly: no header where another recipient passes';
	is end_of($d, to => [@to[1, 3]]), 'data a', '-markonly: nor behind it';
	my $m = greeted($d);
	$m->mail('<dave@client.example>');
	$m->rcpt('<e@example.test>');
	$m->abort;
	$m->mail('<dave@client.example>');
	$m->rcpt($to[1]);
	is $m->data->{reply}, 'a', '-markonly: nor after RSET';
	$m->quit;
	my $trap = gray('-markonly', -trap => file('tm', "trap\@x.test\n"));
	is end_of($trap, to => ['<trap@x.test>']), 'eom c i',
	    '-markonly: a trap';
}
$tested{$_} = 1 for qw(action markonly dryrun);

# --- -rejectmessage, -quiet: what a stranger is told

$tested{$_} = 1 for qw(rejectmessage quiet);
for (
	# options, text
	[[], 'Greylisted, please come back in 300 seconds'],
	[[-delay => '1h'], 'Greylisted, please come back in 3600 seconds'],
	[['-quiet'], 'Greylisted, please come back later'],
	[['-quiet', -rejectmessage => '%l!'], 'please come back later!'],
	[[-rejectmessage => 'not yet, %i, %l'],
	    'not yet, 192.0.2.1, please come back in 300 seconds'],
	[[-rejectmessage => '%q|%%|x'], 'q1|%%|x'],
	[[-rejectmessage => 'see http://a.test/?ip=%i'],
	    'see http://a.test/?ip=192.0.2.1'],
) {
	my ($options, $text) = @$_;
	for (['<a@b>', 451], ['<>', 421]) {
		my ($from, $code) = @$_;
		my $r = Milter->session(gray(@$options)->socket, '192.0.2.1',
		    from => $from, macros => { M => [i => 'q1'] });
		is $r->{text}, "$code 4.7.1 $text", "@$options, $from";
	}
}
is(Milter->session(gray(-rejectmessage => '%q')->socket, '192.0.2.1')->{text},
    '451 4.7.1 NOQUEUE', '-rejectmessage: no queue id yet');

# --- -cache, -onerror: a greylist that is full

$tested{$_} = 1 for qw(cache onerror);

# Load records until there is no room: how many were taken, at most.
sub fill {
	my ($d, $most) = @_;
	my $s = $d->dial;
	my $now = int time;
	my $taken = 0;
	for my $n (1 .. $most / 100) {
		print $s map { "load triplet 203.0.113.0/24 s$n.$_\@" .
		    'x' x 50 . ' ' . 'y' x 70 . " $now 0 0 0 0\n" } 1 .. 100;
		$s->flush;
		my $ok = grep { ($s->getline // '') eq "ok\n" } 1 .. 100;
		$taken += $ok;
		last if $ok < 100;
	}
	return $taken;
}

# A recipient, of some, for whom there is no room any more.
sub one_too_many {
	my ($d, $want, @with) = @_;
	for my $n (1 .. 500) {
		my @to = (to => ["<n$n." . 'z' x 60 . '@example.test>']);
		return @to if end_of($d, @with, @to) eq $want;
	}
	return ();
}

for (
	# -onerror, what a stranger gets then, and a bounce
	[[], 'rcpt a', 'data a'], [[-onerror => 'accept'], 'rcpt a', 'data a'],
	[[-onerror => 'tempfail'], 'rcpt 451 4.3.0', 'data 421 4.3.0'],
) {
	my ($options, $stranger, $bounce) = @$_;
	my $d = gray(-cache => 1, '-quiet', @$options);
	is end_of($d), 'rcpt 451 4.7.1', "full: @$options: before";
	later($d, 301);
	is end_of($d), 'eom c i', "full: @$options: known";
	my $taken = fill($d, 30_000);
	cmp_ok $taken, '>', 1000, '-cache 1: has some room';
	cmp_ok $taken, '<', 20_000, '-cache 1: and no more';
	my @new = one_too_many($d, $stranger);
	is scalar(@new), 2, "full: @$options: a stranger";
	is scalar(my @other = one_too_many($d, $bounce, @null)), 2,
	    "full: @$options: a bounce";
	is $d->stat('errors_total'), 2, "full: @$options: counted";
	is end_of($d), 'data a', "full: @$options: known";
	is $d->stat('errors_total'), 2, "full: @$options: no error";
	is scalar($d->lines(qr/^the greylist cannot be used, so mail is /)), 1,
	    "full: @$options: logged once";
	is $d->tell('forget 203.0.113.0'), 'ok', "full: @$options: room";
	my $room = eventually { end_of($d, @new) eq 'rcpt 451 4.7.1' } 5;
	ok $room, "full: @$options: it recovers by itself";
}
is fill(gray, 20_000), 20_000, 'the default -cache has room for more';

# An MTA that takes no header is a fault like any other.
for ([[], 'eom a'], [[-onerror => 'accept'], 'eom a'],
    [[-onerror => 'tempfail'], 'eom 451 4.3.0']) {
	my ($options, $want) = @$_;
	my $d = gray(@$options);
	end_of($d);
	later($d, 301);
	is end_of($d, actions => 0x2), $want, "no header: @$options";
	is $d->stat('errors_total'), 1, "no header: @$options: counted";
	is scalar($d->lines(qr/^the MTA takes no header$/)), 1,
	    "no header: @$options: logged";
	is end_of($d, actions => 0x2), 'data a', "no header: @$options: known";
}

# --- -lenient

$tested{lenient} = 1;
for (['-whitelist', 'list_bad_lines', "192.0.2.1\n192.0.2.300\n", 'rcpt a'],
    ['-suspects', 'list_bad_lines', "203.0.113.1\nx y\n", 'rcpt a'],
    ['-senders', 'sender_bad_lines', "dave\@client.example\nx\n", 'rcpt a'],
    ['-recipients', 'recipient_bad_lines', "alice\@\nx\n", 'data a'],
    ['-trap', 'trap_bad_lines', "bob\@\nalice\@\nx\n", 'rcpt 451 4.7.1']) {
	my ($option, $name, $text, $want) = @$_;
	my $list = file('lenient', $text);
	my ($status, $out, $err) = run(program('graymilter'), '-nodaemon',
	    '-memory', $option => $list, $sock);
	my @said = complaints($err);
	ok $status == 78 && @said == 1 && $said[0] =~ /\Q$list\E:[23]: /,
	    "$option without -lenient" or diag "$status $err";
	my $d = gray($option => $list, '-lenient');
	is end_of($d), $want, "$option -lenient: the rest is used";
	is $d->stat("${name}{list=\"$list\"}"), 1,
	    "$option -lenient: counted";
}

# --- -debug: what is logged of those who pass

$tested{debug} = 1;
for my $option ([], ['-debug'], ['-d']) {
	my $d = Daemon->start({ name => 'graymilter' }, '-memory', @$option,
	    -whitelist => file('wl', "203.0.113.1\n"));
	end_of($d);
	later($d, 301);
	end_of($d) for 1, 2;
	end_of($d, to => ['<abuse@x>']);
	Milter->session($d->socket, '203.0.113.1');
	is_deeply [map { /by=(\w+)/ } $d->lines(qr/^verdict=/)], ['new',
	    'delayed', @$option ? qw(known role whitelist) : ()],
	    'the log: ' . ($option->[0] // 'without -debug');
}

# --- names and values as they may be written

for (
	# arguments of -why: the seconds a stranger would wait
	[['-delay', '90'], 90], [['-delay', '90s'], 90], [['-delay=2m'], 120],
	[['--delay', '1h'], 3600], [['--delay=1d', '-retry', '30d'], 86400],
	[['-del', '7'], 7], [['-delay', '5', '-delay', '6'], 6],
	[['-delay', '1'], 1], [['-delay', '0005'], 5], [[], 300],
) {
	my ($args, $want) = @$_;
	my ($status, $out) = run(program('graymilter'), '-why', @$args,
	    '192.0.2.1', 'a@b', 'c@d');
	like $out, qr/ left=$want /, "as written: @$args";
}
{
	my $white = file('w', "192.0.2.1\n");
	for (["-w", $white], ["-w=$white"], ["--whitelist=$white"],
	    ['-white', $white], ['-wh', $white]) {
		is((run(program('graymilter'), '-why', @$_, '192.0.2.1', 'a@b',
		    'c@d'))[0], 0, "as written: @$_");
	}
	is((run(program('graymilter'), '-check', '-memory', '-a', $sock))[0], 0,
	    'as written: -a');
}

# --- bad values, and what contradicts

my $bad = file('bad', "joe\@x.test\n192.0.2.1/24\n");
my $good = file('good', "joe\@x.test\n");
my $data = file('data', "somebody's data\n");
my $nowhere = "$dir/nowhere/file";
mkdir "$dir/db";
my @wrong = (
	# status, the line, arguments besides -memory
	[64, qr/missing: socket/, '-memory'],
	[64, qr/: second /, '-memory', $sock, 'second'],
	[64, qr/no such option: -nosuch /, '-nosuch', $sock],
	[64, qr/no such option: -blacklist /, -blacklist => $good, $sock],
	[64, qr/no such option: -re /, -re => 5, $sock],
	[64, qr/no such option: -quiet=1 /, '-quiet=1', $sock],
	[64, qr/value missing: -delay /, $sock, '-delay'],
	map({ my ($name, @values) = @$_; map { [64,
	    qr/bad value for -$name: \Q$_\E /, '-memory', "-$name", $_,
	    $sock] } @values }
	    [delay => 0, 86401, '2d', '1441m', '1x', '-1', '', '1.5m', 'm',
		'5 m', '+5', '0x10', '9' x 20],
	    [retry => 1, '31d', 'x'], [expire => 1, '3651d', '1w'],
	    [autowhite => -1, 1001, 'x', '5h'], [pendingmax => 0, 1000001],
	    [prefix4 => 7, 33, '/24', 'x'], [prefix6 => 15, 129],
	    [cache => 0, 65537, '64m'], [reporttime => 0, '8d', 604801],
	    [key => 'clients', 'Pair', 'trip', '', 'client|pair'],
	    [action => 'reject', 'quarantine', 'discard', 'mar', ''],
	    [onerror => 'reject', 'Accept', ''],
	    [socketmode => '0888', '1777', 'x']),
	map({ [64, qr/bad value for -$_: it is empty/, '-memory', "-$_", '',
	    $sock] } qw(db whitelist suspects senders recipients trap report
	    rejectmessage control user pidfile)),
	[64, qr/-rejectmessage: %x /, '-memory', -rejectmessage => '%i %x',
	    $sock],
	[64, qr/-rejectmessage: % /, '-memory', -rejectmessage => '100%',
	    $sock],
	map({ [64, qr/too often: $_ /, ("-$_", $good) x 64, $sock] }
	    qw(whitelist suspects senders recipients trap)),

	[64, qr/-db and -memory contradict/, -db => "$dir/db", '-memory',
	    $sock],
	map({ [64, qr/-retry must be longer than -delay/, '-memory', @$_,
	    $sock] } [-retry => '5m'], [-retry => 299], [-delay => '1d',
	    -retry => '1d'], [-delay => '1h', -retry => '1h']),
	map({ [64, qr/-expire must not be shorter than -retry/, '-memory', @$_,
	    $sock] } [-expire => '1d'], [-retry => '30d', -expire => '29d'],
	    [-expire => 172799]),
	[64, qr/-report needs -trap/, '-memory', -report => $sock, $sock],
	map({ my ($last) = reverse grep { /^-/ } @$_;
	    [64, qr/contradicts an earlier option: ${\substr $last, 1} /,
	    '-memory', @$_, $sock] } ['-markonly', '-dryrun'],
	    ['-dryrun', '-markonly'], ['-markonly', -action => 'none'],
	    [-action => 'tempfail', '-markonly'], ['-dryrun', -action =>
	    'tempfail'], [-action => 'mark', -action => 'none'],
	    [-key => 'pair', -key => 'client'],
	    [-onerror => 'accept', -onerror => 'tempfail']),

	[78, qr/nowhere to remember: give -db \(or -memory\)/, $sock],
	map({ my $option = $_;
	    [78, qr/\Q$nowhere: No such file/, '-memory', $option => $nowhere,
	    $sock],
	    [78, qr/\Q$dir: not a regular file/, '-memory', $option => $dir,
	    $sock],
	    [78, qr/\Q$bad\E:[12]: /, '-memory', $option => $bad, $sock] }
	    qw(-whitelist -suspects -senders -recipients -trap)),
	[78, qr/store \Q$nowhere: No such file/, -db => $nowhere, $sock],
	[78, qr/store \Q$data: Not a directory/, -db => $data, $sock],
	[78, qr/\Q$data is in the way/, '-memory', $data],
	[78, qr/\Q$data is in the way/, '-memory', -control => $data, $sock],
	[78, qr/no such user or group: nosuchuser/, '-memory', -user =>
	    'nosuchuser', $sock],
);
for (@wrong) {
	my ($want, $pattern, @args) = @$_;
	my $begin = time;
	my ($status, $out, $err) = run(program('graymilter'), '-nodaemon',
	    @args);
	my $took = time - $begin;
	my @said = complaints($err);
	ok $status == $want && @said == 1 && $out eq '' && !-e $sock &&
	    $said[0] =~ /^graymilter: / && $said[0] =~ $pattern &&
	    $took < slow, "$want $pattern" or
	    diag "@args[0 .. ($#args < 9 ? $#args : 9)]: status $status " .
	    "after $took s: $out$err";
}
is join(' ', glob "$dir/db/*"), '', 'bad values: and no store was made';

# What may be as it is at the limits.
for ([-delay => '1d', -retry => 86401], [-delay => 1, -retry => 2, -expire =>
    2], [-expire => '3650d'], [-autowhite => 1000], [-pendingmax => 1000000],
    [-cache => 65536], [-key => 'pair', -key => 'pair'],
    [-trap => $good, -report => $sock, -reporttime => '7d'],
    [-rejectmessage => '%%'], [-retry => '2d', -expire => '2d']) {
	my ($status, $out, $err) = run(program('graymilter'), '-check',
	    '-memory', @$_, $sock);
	is "$status " . join('', complaints($err)), '0 ', "may be: @$_";
}

# --- -check: what is wrong, and 0 or 78; see start.t for what it does not do

$tested{check} = 1;
for (
	# status, what is said, arguments
	[0, '', '-memory'], [0, '', -db => "$dir/db"],
	[0, '', '-memory', -senders => $good, $sock],
	[78, qr/\Q$bad\E:2: /, '-memory', -senders => $bad],
	[78, qr/\Q$nowhere: No such file/, -db => $nowhere],
	[78, qr/nowhere to remember/], [64, qr/-delay: 0 /, -delay => 0],
) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $err) = run(program('graymilter'), '-check', @args);
	is $status, $want, "-check @args";
	like join("\n", complaints($err)), $want ? $pattern : qr/^\z/,
	    "-check @args: is said";
}
is join(' ', grep { -e } glob "$dir/db/* $sock"), '', '-check: makes nothing';
{
	my $d = gray(-db => "$dir/db");
	is mail($d), 'new', '-check: a daemon runs';
	my @before = map { join ' ', (stat)[1, 7, 9] } glob "$dir/db/*";
	my ($status, $out, $err) = run(program('graymilter'), '-check',
	    -db => "$dir/db", -control => $d->control, $d->socket);
	is "$status $out", '0 ', '-check: beside it';
	is_deeply [map { join ' ', (stat)[1, 7, 9] } glob "$dir/db/*"],
	    \@before, '-check: does not touch its files';
	is mail($d), 'early', '-check: nor disturb it';
}

# --- what is asked of the MTA, and nothing more

for (
	# options, macros at CONNECT, MAIL and RCPT, are refused RCPTs sent
	[[], '', 'i {auth_authen} {verify}', '', 0],
	[['-markonly'], '', 'i {auth_authen} {verify}', '', 0],
	[['-scanauth'], '', 'i', '', 0],
	[['-scanauth', '-learn'], '', 'i {auth_authen} {verify}', '', 0],
	[[-trap => $good], '', 'i {auth_authen} {verify}', '{rcpt_mailer}',
	    0x800],
	[[-whitelist => file('names', ".friend.example\n")],
	    '{client_resolve}', 'i {auth_authen} {verify}', '', 0],
) {
	my ($options, $connect, $mail, $rcpt, $refused) = @$_;
	my $m = Milter->new(gray(@$options)->socket);
	is $m->commands, 'c-mRT----', "commands asked for: @$options";
	is $m->{actions} & 0xff, 0x1, "actions asked for: @$options";
	is $m->{steps} & 0x800, $refused, "refused RCPTs: @$options";
	is_deeply [@{ $m->{wanted} }{0, 2, 3, 5}],
	    [$connect, $mail, $rcpt, 'j'],
	    "macros asked for: @$options" or diag explain $m->{wanted};
	$m->quit;
}

# An old MTA has less to offer, and gets its answers nevertheless; one that
# has no DATA gets none there.
for my $steps (0x7f, 0) {
	my $d = gray;
	my %old = (version => 2, actions => 0x3f, steps => $steps);
	is mail($d, %old), 'new', "old MTA, steps $steps: new";
	later($d, 301);
	my $m = greeted($d, %old);
	$m->mail('<dave@client.example>');
	is $m->rcpt('<alice@example.test>')->{reply}, 'c',
	    "old MTA, steps $steps: delayed";
	is scalar(@{ $m->eom->{changes} }), 1,
	    "old MTA, steps $steps: the header";
	$m->mail('<>');
	$m->rcpt('<alice@example.test>');
	is $m->eom->{reply}, 'c', "old MTA, steps $steps: a bounce passes";
	$m->quit;
}

# --- -control, -tell

$tested{control} = 1;
{
	my $path = "$dir/its control";
	my $d = gray({ control => $path });
	my ($status, $out, $err) = run(program('graymilter'), -tell =>
	    'test 192.0.2.1 a@b c@d', $path);
	is "$status $err", '0 ', '-tell: status';
	like $out, qr/^verdict=tempfail by=new left=300 key=[^\n]*\n\z/,
	    '-tell: the answer';
	($status, $out, $err) = run(program('graymilter'), -tell => 'nosuch',
	    $path);
	is "$status $out$err", "1 graymilter: no such command, try help\n",
	    '-tell: an error';
	my $alone = Daemon->prepare({ name => 'graymilter' });
	my @command = grep { $_ ne '-control' && $_ ne $alone->control }
	    $alone->command('-check', '-memory');
	is((run(@command))[0], 0, 'without -control');
}

# --- and none is left out

my ($status, $help) = run(program('graymilter'), '-help');
my @options = $help =~ /^  -(\w+)/mg;
cmp_ok scalar(@options), '>', 35, 'there are options';
is join(' ', grep { !$tested{$_} } @options), '', 'every option has a test';
my %there = map { $_ => 1 } @options;
is join(' ', grep { !$there{$_} } sort keys %tested), '',
    'and every test an option';
for my $file (sort keys %elsewhere) {
	open my $f, '<', "tests/protocol/$file" or die "$file: $!";
	my $text = join '', <$f>;
	is join(' ', grep { $text !~ /-$_\b/ } @{ $elsewhere{$file} }), '',
	    "$file has its share";
}

done_testing;
