# The control socket: every command, its answers, and what becomes of them.
use strict;
use warnings;
use Errno;
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Milter;
use Prometheus;

my $dir = folder;
my $black = file('black', "198.51.100.0/24\n");
my $white = file('white', "192.0.2.9\n2001:db8:9::/48\n.friends.example\n");

sub session {
	my ($d, $address, %with) = @_;
	return Milter->session($d->socket, $address, %with);
}

# The list, without the seconds left, which go by.
sub list_of {
	my ($d) = @_;
	my ($last, @lines) = $d->tell('list');
	return map { s/ report ([1-9]\d*) / report N /r } sort @lines;
}

# Two clients of a daemon that wait for each other; see the end.
my $patient = Daemon->start(-blacklist => $black);
$SIG{PIPE} = 'IGNORE';
my $begin = time;
my $idle = $patient->dial;
my $half = $patient->dial;
print $half 'lis';
$half->flush;
my $deaf = $patient->dial;
$deaf->blocking(0);
1 while syswrite $deaf, "help\n" x 1000;

# --- every command: the answer, and the data

{
	my $d = Daemon->start(-blacklist => $black, -whitelist => $white);
	my $long = 'x' x 100;
	my $v4 = '192.0.2.1';
	for (
		# command, answer, data lines
		['list', 'ok'],
		['flush', 'ok', 'forgot 0'],
		["forget $v4", 'error not on the list'],
		["blacklist $v4", 'ok'],
		['list', 'ok', "$v4 black - blacklist"],
		["test $v4", 'ok', 'verdict=reject by=shortlist ' .
		    "list=shortlist reason=blacklist client=$v4"],
		["blacklist $v4 drop", 'ok'],
		["  blacklist\t$v4   drop it \t", 'ok'],
		['list', 'ok', "$v4 black - drop it"],
		["report $v4 60 spam", 'ok'],
		['list', 'ok', "$v4 black - drop it"],
		["forget $v4", 'ok'],
		["test $v4", 'ok', "verdict=pass by=nothing client=$v4"],
		["whitelist $v4", 'ok'],
		['list', 'ok', "$v4 white - whitelist"],
		["test $v4", 'ok', 'verdict=pass by=whitelist ' .
		    "list=shortlist reason=whitelist client=$v4"],
		["blacklist $v4", 'error whitelisted, not listed'],
		["report $v4 60 spam", 'error whitelisted, not listed'],
		["whitelist $v4 friends", 'ok'],
		['list', 'ok', "$v4 white - friends"],
		["forget $v4", 'ok'],
		["report $v4 60 spam", 'ok'],
		["whitelist $v4", 'ok'],
		["forget $v4", 'ok'],
		["report $v4 604800 spam  run", 'ok'],
		['list', 'ok', "$v4 report N spam  run"],
		["blacklist $v4 for good", 'ok'],
		['list', 'ok', "$v4 black - for good"],
		['flush', 'ok', 'forgot 1'],
		['list', 'ok'],
		["blacklist $v4 $long", 'ok'],
		['list', 'ok', "$v4 black - " . 'x' x 79],
		['blacklist ::ffff:192.0.2.1 mapped', 'ok'],
		['list', 'ok', "$v4 black - mapped"],
		['report 2001:DB8:1:2:3::4 60 six', 'ok'],
		['blacklist 2001:db8:1:3::1 six', 'ok'],
		['list', 'ok', '192.0.2.1 black - mapped',
		    '2001:db8:1:2::/64 report N six',
		    '2001:db8:1:3::/64 black - six'],
		['forget 2001:db8:1:3:ffff::', 'ok'],
		['flush', 'ok', 'forgot 2'],
		['blacklist 192.0.2.9',
		    "error whitelisted in $white, not listed"],
		['report 2001:db8:9::1 60 x',
		    "error whitelisted in $white, not listed"],
		['blacklist 127.0.0.1', 'error loopback is never listed'],
		['report ::1 60 x', 'error loopback is never listed'],
		['test 127.0.0.1', 'ok',
		    'verdict=pass by=loopback client=127.0.0.1'],
		['test 198.51.100.1', 'ok', 'verdict=reject by=blacklist ' .
		    "list=$black client=198.51.100.1"],
		['whitelist 198.51.100.1', 'ok'],
		['test 198.51.100.1', 'ok', 'verdict=pass by=whitelist ' .
		    'list=shortlist reason=whitelist client=198.51.100.1'],
		['test 198.51.100.2 mx.friends.example', 'ok',
		    "verdict=pass by=whitelist list=$white " .
		    'client=198.51.100.2'],
		['test 192.0.2.1x', 'error not an IP address: 192.0.2.1x'],
		['forget 192.0.2.0/24',
		    'error not an IP address: 192.0.2.0/24'],
		['blacklist 010.0.0.1', 'error not an IP address: 010.0.0.1'],
		['whitelist example.com',
		    'error not an IP address: example.com'],
		['report [::1] 60 x', 'error not an IP address: [::1]'],
		["blacklist $long", 'error not an IP address: ' . 'x' x 60],
		map({ ["report $v4 $_ x", 'error seconds are a number from ' .
		    '1 to 604800: ' . substr $_, 0, 20] } 0, -1, '+1', 604801,
		    '1m', '1.5', 'x', '9' x 30),
		["report $v4 60", 'error usage: report ADDRESS SECONDS REASON'],
		["report $v4", 'error usage: report ADDRESS SECONDS REASON'],
		['blacklist', 'error usage: blacklist ADDRESS [LIST]'],
		['whitelist ', 'error usage: whitelist ADDRESS [LIST]'],
		['forget', 'error usage: forget ADDRESS'],
		["forget $v4 x", "error not an IP address: $v4 x"],
		['test', 'error usage: test ADDRESS [HOST]'],
		['reload', 'ok'],
		map({ [$_, 'error no such command, try help'] } '', ' ',
		    'List', 'listx', 'lis', 'help;', 'ok', 'error x', "\e[0m",
		    'blacklist192.0.2.1', $long),
	) {
		my ($command, $answer, @data) = @$_;
		my ($last, @lines) = $d->tell($command);
		s/ report ([1-9]\d*) / report N / for @lines;
		is join("\n", $last, sort @lines), join("\n", $answer, @data),
		    'command: ' . substr($command, 0, 50) =~ s/[^ -~]/?/gr;
	}
	for my $name (qw(list flush reload stats)) {
		like $d->tell("$name now"), qr/^error usage: $name\b/,
		    "command: $name now";
	}
	my ($last, @help) = $d->tell('help');
	is $last, 'ok', 'help: answer';
	is join(' ', sort map { /^(\w+)/ } grep { !/^\t/ } @help),
	    'blacklist flush forget help list reload report stats test ' .
	    'whitelist', 'help: names all commands';
	is scalar(grep { /^\t\w/ } @help), 10, 'help: and explains them';
}

# --- what an ACME update socket was told

{
	my $d = Daemon->start({ control => "$dir/update" },
	    -blacklist => $black, -updatesocket => "$dir/update");
	is $d->tell('blacklist 192.0.2.1 worms'), 'ok', 'update: blacklist';
	is session($d, '192.0.2.1')->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see worms',
	    'update: and the next connection is refused';
	is $d->tell('whitelist 198.51.100.7 friends'), 'ok',
	    'update: whitelist';
	is session($d, '198.51.100.7')->{at}, 'connect',
	    'update: and the next one is let through';
	is_deeply [map { s/ (helo|us|qid)=\S+//gr } $d->lines(qr/^verdict/)],
	    ['verdict=reject by=shortlist list=shortlist reason=worms ' .
	    'client=192.0.2.1', 'verdict=pass by=whitelist list=shortlist ' .
	    'reason=friends client=198.51.100.7'], 'update: the log' or
	    diag $d->log;
}

# --- reports: refused at the next connection, let in after the time

{
	my $short = 1 * slow;
	my $d = Daemon->start(-db => do { mkdir "$dir/db.r"; "$dir/db.r" });
	is session($d, '192.0.2.1')->{reply}, 'a', 'report: before it';
	my $m = Milter->new($d->socket);
	is $m->connect('192.0.2.2')->{reply}, 'a', 'report: a connection';
	is $d->tell("report 192.0.2.1 $short Eicar-Test"), 'ok', 'report';
	is session($d, '192.0.2.1')->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see Eicar-Test',
	    'report: the reply says why';
	is scalar($d->lines(qr/^verdict=reject\ by=shortlist
	    \ list=shortlist\ reason=Eicar-Test\ client=192\.0\.2\.1\ /x)), 1,
	    'report: and so does the log';
	is session($d, '192.0.2.2')->{reply}, 'a', 'report: nobody else';
	is $d->stat('verdicts_total{verdict="reject",by="shortlist"}'), 1,
	    'report: counted';
	is scalar($d->lines(qr/^reported\ client=192\.0\.2\.1\ reports=1
	    \ listed=$short\ reason=Eicar-Test$/x)), 1, 'report: logged';
	sleep $short + 0.1;
	is session($d, '192.0.2.1')->{reply}, 'a', 'report: it is over';
	is join("\n", list_of($d)), '', 'report: and not on the list';

	# It is remembered: each is twice as long as the last one.
	for my $n (2, 4, 8) {
		$d->tell("report 192.0.2.1 $short again");
		my ($left) = ($d->tell('list'))[1] =~ / report (\d+) again$/;
		ok $left <= $n * $short && $left > ($n - 1) * $short,
		    "report: $n times as long" or diag $left;
	}
	$d->tell("report 192.0.2.1 " . 100 * $short . " much longer");
	my ($left) = ($d->tell('list'))[1] =~ / report (\d+) /;
	cmp_ok $left, '>', 99 * $short, 'report: or as long as is said';
	$d->tell("report 192.0.2.1 604800 $_") for 1 .. 3;
	like(($d->tell('list'))[1], qr/ (604800|604799) 3$/,
	    'report: seven days at most');
	is $d->tell('forget 192.0.2.1'), 'ok', 'report: forget';
	is session($d, '192.0.2.1')->{reply}, 'a', 'report: lets it in';
	$d->tell('report 192.0.2.1 600 first');
	like(($d->tell('list'))[1], qr/ (600|599) first$/,
	    'report: and nothing of it is remembered');

	# One customer has a /64.
	is $d->tell('report 2001:db8:1:2::1 600 six'), 'ok', 'report: IPv6';
	for (['2001:db8:1:2:ffff:ffff:ffff:ffff', 'y'],
	    ['2001:db8:1:2::', 'y'], ['2001:db8:1:3::1', 'a'],
	    ['2001:db8:1:1:ffff::', 'a'], ['::ffff:192.0.2.1', 'y'],
	    ['::ffff:192.0.2.2', 'a']) {
		is session($d, $_->[0])->{reply}, $_->[1],
		    "report: $_->[0]";
	}
}

{
	my $d = Daemon->start(-blacklist => $black, -reportthreshold => 3);
	my @want = ('a', 'a', 'y');
	for my $n (1 .. 3) {
		is $d->tell("report 192.0.2.1 600 r$n"), 'ok', "report $n";
		is session($d, '192.0.2.1')->{reply}, $want[$n - 1],
		    "-reportthreshold 3: after $n";
		is $d->tell("report 2001:db8::$n 600 r$n"), 'ok', 'IPv6';
		is session($d, '2001:db8::9')->{reply}, $want[$n - 1],
		    "-reportthreshold 3: from anywhere in a /64: $n";
		is $d->tell("report 203.0.113.$n 600 x"), 'ok', 'others';
		is_deeply [grep { /^192/ } list_of($d)], ['192.0.2.1 report ' .
		    ($n < 3 ? 0 : 'N') . " r$n"], "in the list: $n";
	}
	is session($d, "203.0.113.$_")->{reply}, 'a',
	    "-reportthreshold 3: one of each: $_" for 1 .. 3;
}

# --- a white list counts for more, whenever it comes

{
	my $list = file('later', "192.0.2.9\n");
	my $d = Daemon->start(-blacklist => $black, -whitelist => $list);
	$d->tell('report 192.0.2.1 600 x');
	$d->tell('blacklist 192.0.2.2');
	is session($d, $_)->{reply}, 'y', "$_ is listed"
	    for '192.0.2.1', '192.0.2.2';
	file('later', "192.0.2.0/24\n");
	is $d->tell('reload'), 'ok', 'their network is whitelisted';
	is session($d, $_)->{reply}, 'a', "$_ is let through"
	    for '192.0.2.1', '192.0.2.2';
	like $d->tell('report 192.0.2.3 600 x'), qr/^error whitelisted in /,
	    'and cannot be reported any more';
}

# --- the store: kill -9 right after the answer, and an orderly restart

{
	my $db = "$dir/db";
	mkdir $db;
	my @told;
	my $d;
	for my $n (1 .. 10) {
		$d = Daemon->start({ control => "$dir/kc", socket =>
		    "$dir/ks" }, -db => $db);
		is join("\n", list_of($d)), join("\n", sort @told),
		    "-db: kill -9 after $#told loses nothing";
		is $d->tell($n % 3 == 0 ? "whitelist 192.0.2.$n w$n" :
		    $n % 3 == 1 ? "report 192.0.2.$n 6000 r$n" :
		    "blacklist 2001:db8:$n\::1 b$n"), 'ok', '-db: told';
		$d->crash;
		push @told, $n % 3 == 0 ? "192.0.2.$n white - w$n" :
		    $n % 3 == 1 ? "192.0.2.$n report N r$n" :
		    "2001:db8:$n\::/64 black - b$n";
	}
	$d = Daemon->start(-db => $db);
	is $d->tell('forget 192.0.2.1'), 'ok', '-db: forget';
	$d->crash;
	$d = Daemon->start(-db => $db);
	@told = grep { !/^192\.0\.2\.1 / } @told;
	is join("\n", list_of($d)), join("\n", sort @told),
	    '-db: what was forgotten stays so';
	is session($d, '192.0.2.4')->{text},
	    '554 5.7.1 mail from 192.0.2.4 is refused, see r4',
	    '-db: a reported client is refused after it';
	is $d->stat('store_up'), 1, '-db: store_up';
	is $d->stat('store_set_aside_total'), 0, '-db: never set aside';
	$d->tell('report 192.0.2.200 600 doubles');
	is $d->stop, 0, '-db: stop';
	my $next = Daemon->start(-db => $db);
	is join("\n", list_of($next)), join("\n", sort @told,
	    '192.0.2.200 report N doubles'), '-db: a restart loses nothing';
	$next->tell('report 192.0.2.200 600 doubled');
	like join("\n", $next->tell('list')), qr/ 1(200|199) doubled$/m,
	    '-db: and earlier reports are remembered';
	is $next->tell('flush'), 'ok', '-db: flush';
	$next->crash;
	$next = Daemon->start(-db => $db);
	is join("\n", list_of($next)), '', '-db: what was flushed stays so';
}

# --- A25: separators, and how lines come

{
	my $d = Daemon->start(-blacklist => $black);
	for (
		# bytes, answers
		["blacklist 192.0.2.1 a b;c|flush\nlist\n",
		    "ok\n192.0.2.1 black - a b;c|flush\nok\n"],
		["flush\n", "forgot 1\nok\n"],
		["blacklist 192.0.2.1 x\0y\n", "error NUL in the command\n"],
		["list\0\n", "error NUL in the command\n"],
		["blacklist 192.0.2.1 a\rflush\r\n", "ok\n"],
		["list\r\n", "192.0.2.1 black - a?flush\nok\n"],
		["forget\t192.0.2.1\r\n", "ok\n"],
		["\n\nlist\n", ("error no such command, try help\n" x 2) .
		    "ok\n"],
		['list ' . ' ' x 995 . "\n", "ok\n"],
		['list ' . ' ' x 996 . "\n", "error line too long\n"],
		['x' x 1001 . "\nlist\n", "error line too long\nok\n"],
		['x' x 8191 . "\nlist\n", "error line too long\nok\n"],
		["list\nlis", "ok\n"],
		["list\n" x 3000, "ok\n" x 3000],
	) {
		my ($bytes, $want) = @$_;
		my $s = $d->dial;
		print $s $bytes;
		$s->flush;
		shutdown $s, 1;
		my ($got, $end) = rest_of($s, 10 * slow);
		is $got, $want, 'A25: ' . substr($bytes, 0, 50) =~
		    s/[^ -~]/?/gr;
		ok $end, 'A25: and the connection is closed';
	}
	my $s = $d->dial;
	print $s 'x' x 8192;
	$s->flush;
	is join(' ', rest_of($s, 10 * slow)), "error line too long\n 1",
	    'A25: a line without end ends the connection';
	$s = $d->dial;
	for my $byte (split //, "list\n") {
		syswrite $s, $byte;
		sleep 0.01;
	}
	is((rest_of($s, 0.5))[0], "ok\n", 'A25: byte by byte');
	is $d->tell('list'), 'ok', 'A25: nothing was listed by all that';

	# What is reported comes from anywhere, and the log is read by keys.
	$d->tell('report 192.0.2.1 60 x client=192.0.2.77 list=/y');
	$d->tell('blacklist 192.0.2.2 x client=192.0.2.77');
	$d->tell('whitelist 192.0.2.3 x client=192.0.2.77');
	session($d, '192.0.2.1');
	is scalar($d->lines(qr/ client=192\.0\.2\.77/)), 0,
	    'A25: bug_reason_writes_keys: a reason is one word of the log';
}

# --- all commands of a file, by -tell -

{
	my $d = Daemon->start(-blacklist => $black);
	my $tell = sub {
		my $path = file('commands', @_);
		return run('sh', '-c', 'exec "$@" <"$0"', $path,
		    program('blackmilter'), -tell => '-', $d->control);
	};
	my @clients = map { '10.1.' . ($_ >> 8) . '.' . ($_ & 255) } 1 .. 5000;
	my ($status, $out, $err) = $tell->("# reports\n\n" .
	    join('', map { "report $_ 3600 x\n" } @clients) . 'list');
	is "$status $err", '0 ', '-tell -: 5,000 reports';
	my @listed = $out =~ /^(\S+) report \d+ x$/mg;
	is_deeply [sort @listed], [sort @clients],
	    '-tell -: and the list of them all';
	is scalar(split /\n/, $out), 5000, '-tell -: and nothing else';
	($status, $out, $err) = $tell->("report 127.0.0.1 60 x\n" .
	    "forget 10.1.0.1\nforget 10.1.0.1\n# x\ntest 10.1.0.2\n");
	is $status, 1, '-tell -: errors: status';
	is $err, "blackmilter: line 1: loopback is never listed: " .
	    "report 127.0.0.1 60 x\nblackmilter: line 3: not on the list: " .
	    "forget 10.1.0.1\n", '-tell -: errors: the lines';
	like $out, qr/^verdict=reject [^\n]* client=10\.1\.0\.2\n\z/,
	    '-tell -: errors: the others are done';
}

# --- no more than 32 at a time, and who waits for nothing is sent away

{
	my $d = Daemon->start(-blacklist => $black);
	my @clients = map { $d->dial } 1 .. 32;
	print $_ "list\n" for @clients;
	$_->flush for @clients;
	is scalar(grep { (readline($_) // '') eq "ok\n" } @clients), 32,
	    '32 clients at a time';
	for (1 .. 3) {
		is join('', rest_of($d->dial, 5 * slow)),
		    "error too many clients, come back\n1", 'and no more';
	}
	is session($d, '198.51.100.1')->{reply}, 'y', 'mail is not held up';
	close pop @clients;
	my $served = eventually { $d->tell('list') eq 'ok' } 5;
	ok $served, 'one leaves and another one may come';

	# A debugger, or the administrator, stops the process for a moment.
	kill STOP => $d->pid;
	sleep 0.2;
	kill CONT => $d->pid;
	sleep 0.2 * slow;
	my $answers = 0;
	for my $s (@clients) {
		print $s "list\n";
		$s->flush;
		$answers++ if ($s->getline // '') eq "ok\n";
	}
	is $answers, 31, 'bug_stopped_and_continued: they are still served';
}

# --- stats, in the Prometheus text format

for (
	['', 'nothing at all'],
	["a 1\n", 'a sample alone'],
	["# HELP blackmilter_a A.\n# TYPE blackmilter_a gauge\n" .
	    "blackmilter_a 1\nblackmilter_a 1\n", 'a series twice'],
	["# HELP blackmilter_a A.\n# TYPE blackmilter_a gauge\n" .
	    "blackmilter_a{x=\"a\"b\"} 1\n", 'a quote in a label'],
) {
	cmp_ok scalar(faults_of('blackmilter', $_->[0])), '>', 0,
	    "stats: the test sees $_->[1]";
}
{
	my $access = file('access', "Connect:192.0.2.1\tREJECT\n" .
	    "Connect:192.0.2.2\tOK\n");
	my $odd = file("a \"quoted\"\\ name\n", "192.0.2.1\n");
	mkdir "$dir/db.stats";
	for (
		['plain', -blacklist => $black],
		['all', -blacklist => $black, -blacklist => $access,
		    -whitelist => $white, -shadow => $odd, -shed => 10,
		    -db => "$dir/db.stats"],
		['odd names', -blacklist => $odd, -blacklist => $black],
		['bug_list_in_two_roles', -blacklist => $access,
		    -whitelist => $access],
		['bug_list_in_two_roles, shadow', -shadow => $access,
		    -whitelist => $access],
	) {
		my ($what, @options) = @$_;
		my $d = Daemon->start(@options);
		session($d, $_) for '198.51.100.1', '192.0.2.1', '192.0.2.2';
		$d->tell('report 192.0.2.3 60 x');
		my ($last, @lines) = $d->tell('stats');
		is $last, 'ok', "stats: $what";
		is join("\n", faults_of('blackmilter', join '', map { "$_\n" }
		    @lines)), '', "stats: $what: the format";
		is $d->stat('connections_total'), 3, "stats: $what: a value";
	}
}

# --- who says nothing, or does not listen, is left after 30 seconds

{
	my $idle_end = 0;
	eventually {
		IO::Select->new($idle)->can_read(0) or return 0;
		$idle_end = time;
	} 45;
	cmp_ok $idle_end - $begin, '>', 29, 'an idle client has 30 seconds';
	cmp_ok $idle_end - $begin, '<', 30 + 5 * slow, 'and no more';
	is((rest_of($half, 5 * slow))[1], 1, 'one with half a line, too');
	my $deaf_end = eventually {
		!defined syswrite($deaf, "help\n") && $!{EPIPE};
	} 10;
	ok $deaf_end, 'and one that does not read its answers';
	is $patient->tell('list'), 'ok', 'others are served';
}

done_testing;
