# The control socket of graymilter: every command, its answers, and what
# becomes of them; dumps that are loaded elsewhere; -why.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Greylist;
use Milter;
use Odd;
use Prometheus;

my $dir = folder;
my $day = 24 * 3600;
my $net = '192.0.2.0/24';
my $now = int time;

# Looked at in the end, when what it knows is over.
my $brief = gray(-delay => 1, -retry => 2, -expire => 2);
is mail($brief), 'new', 'for two seconds';
is scalar(records($brief)), 2, 'it is remembered';

# "-100" in a record is a time, so many seconds ago.
sub load {
	my ($d, $record) = @_;
	$record =~ s/ -(\d+)(?= )/' ' . ($now - $1)/ge;
	return scalar $d->tell("load $record");
}

# An answer, with its data in order.  Seconds in a list go by: they are made
# full hundreds again, which is what all of them begin with.
sub answer {
	my ($d, $command) = @_;
	my ($last, @lines) = $d->tell($command);
	return join "\n", $last, sort @lines if $command !~ /^\s*list\b/;
	for (@lines) {
		my @word = split;
		$word[5] = 100 * int(($word[5] + 99) / 100);
		$_ = "@word";
	}
	return join "\n", $last, sort @lines;
}

sub is_answered {
	my ($d, $command, @want) = @_;
	my ($last, @lines) = @want;
	is answer($d, $command), join("\n", $last, sort @lines),
	    'command: ' . substr($command, 0, 60) =~ s/[^ -~]/?/gr;
}

# --- list: every kind in every state

my @records = (
	# what is loaded; the line of list, or none if it is over
	["triplet $net wait\@a.test u\@x.test -100 0 0 0 0",
	    "triplet $net wait\@a.test u\@x.test waits 200 0"],
	["triplet $net may\@a.test u\@x.test -400 0 0 0 0",
	    "triplet $net may\@a.test u\@x.test may-pass 172400 0"],
	["triplet $net known\@a.test u\@x.test -500 -100 310 7 0",
	    "triplet $net known\@a.test u\@x.test known 3110300 7"],
	["triplet $net late\@a.test u\@x.test -172900 0 0 0 0"],
	["triplet $net old\@a.test u\@x.test -3300000 -3200000 310 7 0"],
	["triplet 2001:db8::/64 <> v\@x.test -100 0 0 0 0",
	    'triplet 2001:db8::/64 <> v@x.test waits 200 0'],
	["triplet big.example wait\@a.test v\@x.test -100 0 0 0 0",
	    'triplet big.example wait@a.test v@x.test waits 200 0'],
	['triplet 198.51.100.0/24 \x20\xff\x5c <> -100 0 0 0 0',
	    'triplet 198.51.100.0/24 \x20\xff\x5c <> waits 200 0'],
	["pair $net wait\@a.test - -100 0 0 0 0",
	    "pair $net wait\@a.test - waits 200 0"],
	["client $net - - -400 -200 310 2 0",
	    "client $net - - known 3110200 2"],
	["network $net - - 0 -100 0 4 0",
	    "network $net - - counted 3110300 4"],
	['network 192.0.3.0/24 - - -100 -200 0 5 3',
	    'network 192.0.3.0/24 - - white 3110200 5'],
	['network big.example - - -100 0 0 0 2',
	    'network big.example - - counted 172700 0'],
	['network 192.0.4.0/24 - - 0 -3200000 0 9 0'],
	['friend - pal@b.test u@x.test -400 -100 0 0 0',
	    'friend - pal@b.test u@x.test friend 3110300 0'],
	['friend - star@b.test <> -400 -200 0 0 0',
	    'friend - star@b.test <> friend 3110200 0'],
	['friend - old@b.test u@x.test -3300000 -3200000 0 0 0'],
);
my $d = gray;
is load($d, $_->[0]), 'ok', "load $_->[0]" for @records;
is_answered $d, 'list', 'ok', map { $_->[1] // () } @records;
for (
	# ADDRESS, which lines
	['192.0.2.77', qr{^(triplet|pair|client|network) \Q$net\E }],
	['::ffff:192.0.2.1', qr{ \Q$net\E }], ['2001:DB8::99', qr/ 2001:db8::/],
	['BIG.example', qr/ big\.example /], ['203.0.113.1', qr/none/],
	['wait@a.test', qr/ wait\@a\.test /],
	['<WAIT+x@A.test>', qr/ wait\@a\.test /],
	['u@x.test', qr/ u\@x\.test /], ['V@X.TEST', qr/ v\@x\.test /],
	['pal@b.test', qr/ pal\@b\.test /], ['nobody@a.test', qr/none/],
) {
	my ($address, $pattern) = @$_;
	is_answered $d, "list $address", 'ok', grep { $_ =~ $pattern }
	    map { $_->[1] // () } @records;
}

# --- dump is what was loaded, in order, and nothing else

my @dump = records($d);
is_deeply [sort @dump], [sort map { s/ -(\d+)(?= )/' ' . ($now - $1)/ger }
    map { defined $_->[1] ? $_->[0] : () } @records], 'dump: all records';
my %order = (client => 0, pair => 1, triplet => 2, network => 3, friend => 4);
is_deeply \@dump, [sort { $order{(split ' ', $a)[0]} <=>
    $order{(split ' ', $b)[0]} || $a cmp $b } @dump], 'dump: by kind, sorted';

# --- every command: the answer, and the data

my $white = file('white', "198.51.100.9\n.friend.example\n");
my $exempt = file('exempt', "# a list\njoe\@a.test\n");
{
	my $d = gray(-whitelist => $white, -senders => $exempt);
	my $key = "key=triplet,$net,dave\@a.test,u\@x.test";
	my $case = '192.0.2.1 <dave@a.test> <U@x.test>';
	my $usage = 'error usage:';
	my $no = 'error neither an IP address, a mail address nor a domain:';
	my $past = 'x' x 900;
	for (
		# command, answer, data lines
		['list', 'ok'], ['dump', 'ok'],
		["test $case", 'ok', "verdict=tempfail by=new left=300 $key"],
		['list', 'ok'],
		["load triplet $net dave\@a.test u\@x.test $now 0 0 0 0", 'ok'],
		["forget 192.0.2.200", 'ok', 'forgot 1'],
		["forget 192.0.2.200",
		    'error nothing is known of 192.0.2.200'],
		["pass 192.0.2.1", 'ok'],
		['list', 'ok', "network $net - - white 3110400 4294967295"],
		["test $case", 'ok', "verdict=pass by=autowhite $key"],
		['forget 192.0.2.0', 'ok', 'forgot 1'],
		['pass <Dave+x@A.test>', 'ok'],
		['list', 'ok', 'friend - dave@a.test <> friend 3110400 1'],
		["test $case", 'ok', "verdict=pass by=friend $key"],
		['list', 'ok', 'friend - dave@a.test <> friend 3110400 1'],
		['forget dave@a.test', 'ok', 'forgot 1'],
		['pass big.example', 'ok'],
		['list', 'ok',
		    'network big.example - - white 3110400 4294967295'],
		['spf 192.0.2.1 a.test pass', 'ok'],
		["test $case", 'ok', 'verdict=tempfail by=new left=300 ' .
		    'key=triplet,a.test,dave@a.test,u@x.test'],
		['spf 192.0.2.1 a.test fail', 'ok'],
		["  test\t$case \t", 'ok',
		    "verdict=tempfail by=new left=300 $key"],
		['test 198.51.100.9 a@b c@d', 'ok', "verdict=pass " .
		    "by=whitelist list=$white " .
		    'key=triplet,198.51.100.0/24,a@b,c@d',
		    "$white:1: 198.51.100.9"],
		['test 192.0.2.1 a@b c@d mx.friend.example', 'ok',
		    "verdict=pass by=whitelist list=$white " .
		    "key=triplet,$net,a\@b,c\@d", "$white:2: .friend.example"],
		['test 192.0.2.1 joe@a.test c@d', 'ok',
		    "verdict=pass by=sender list=$exempt " .
		    "key=triplet,$net,joe\@a.test,c\@d",
		    "$exempt:2: joe\@a.test"],
		['test 192.0.2.1 a@b abuse@d', 'ok', 'verdict=pass by=role ' .
		    "key=triplet,$net,a\@b,abuse\@d"],
		['test ::1 <> c@d', 'ok', 'verdict=pass by=loopback ' .
		    'key=triplet,::/64,<>,c@d'],
		['forget big.example', 'ok', 'forgot 1'],
		['list', 'ok'],
		['reload', 'ok'],

		['test 192.0.2.300 a@b c@d',
		    'error not an IP address: 192.0.2.300'],
		["test 192.0.2.1 a\@b", "$usage test CLIENT SENDER RECIPIENT " .
		    '[HOST]'],
		['spf 192.0.2.1/32 a.test pass',
		    'error not an IP address: 192.0.2.1/32'],
		map({ ["spf 192.0.2.1 $_ pass", 'error not a domain: ' .
		    substr $_, 0, 60] } '.', 'a..b', '.a.test', 'a@b', 'a/b',
		    'x' x 256),
		map({ ["spf $_", "$usage spf ADDRESS DOMAIN RESULT"] } '',
		    '192.0.2.1', '192.0.2.1 a.test'),
		map({ my $c = $_; map({ ["$c $_", "$no " . substr $_, 0, 60] }
		    '192.0.2.0/24', '192.0.2', '192.0.2.300', '10.1', 'word',
		    '[::1]', 'a..b', '.a.test', 'x.' x 128 . 'x') }
		    qw(list forget pass)),
		map({ ["$_", "$usage $_ ADDRESS"] } qw(forget pass)),
		['load', "$usage load RECORD"],
		map({ ["$_ now", "$usage $_ "] } qw(dump reload stats)),
		map({ [$_, 'error no such command, try help'] } '', ' ',
		    'List', 'listx', 'lis', 'help;', 'ok', 'error x', "\e[0m",
		    'load;', $past),
		['list', 'ok'], ['dump', 'ok'],
	) {
		is_answered $d, @$_;
	}
	my ($last, @help) = $d->tell('help');
	is $last, 'ok', 'help: answer';
	is join(' ', sort map { /^(\w+)/ } grep { !/^\t/ } @help),
	    'dump forget help list load pass reload spf stats test',
	    'help: names all commands';
	is scalar(grep { /^\t\w/ } @help), 10, 'help: and explains them';
	is_deeply [map { s/ us=.*//r } $d->lines(qr/^(passed|forgot) /)],
	    ['forgot address=192.0.2.200 records=1',
	    'passed address=192.0.2.1', 'forgot address=192.0.2.0 records=1',
	    'passed address=<Dave+x@A.test>',
	    'forgot address=dave@a.test records=1',
	    'passed address=big.example',
	    'forgot address=big.example records=1'],
	    'the log: changes, and nothing else';
}

# --- what becomes of it

{
	my $d = gray;
	is mail($d), 'new', 'pass: a stranger';
	is $d->tell('pass 192.0.2.99'), 'ok', 'pass: its network';
	is mail($d, from => '<x@y.test>'), 'autowhite', 'pass: all of it';
	is $d->tell('forget 192.0.2.1'), 'ok', 'forget';
	is mail($d), 'new', 'forget: a stranger again';
	is $d->tell('pass dave@client.example'), 'ok', 'pass: a sender';
	is mail($d), 'friend', 'pass: to alice';
	is mail($d, client => '203.0.113.1', to => ['<bob@example.test>']),
	    'friend', 'pass: from anywhere to anybody';
	is mail($d, from => '<eve@client.example>'), 'new', 'pass: no other';
	is $d->tell('forget dave@client.example'), 'ok', 'forget: a sender';
	is mail($d), 'new', 'forget: a stranger again';
	is $d->tell('forget alice@example.test'), 'ok', 'forget: a recipient';
	is scalar(records($d, 'triplet')), 0, 'forget: all records of it';
	later($d, 10);
	is $d->tell('pass 192.0.2.1'), 'ok', 'pass: once more';
	later($d, 36 * $day + 60);
	is mail($d), 'new', 'pass: not for good';
	my $never = gray(-autowhite => 0);
	is $never->tell('pass 192.0.2.1'), 'ok', 'pass: with -autowhite 0';
	is mail($never), 'autowhite', 'pass: that, too';
	is_answered gray(-autowhite => 0), 'forget 192.0.2.1',
	    'error nothing is known of 192.0.2.1';

	# By domain, and what is known of a network stays so.
	$d->tell('spf 192.0.2.1 client.example pass');
	is mail($d), 'new', 'spf: another client now';
	is $d->tell('forget 192.0.2.1'), 'ok', 'forget: the network';
	is mail($d), 'early', 'forget: not the domain';
	is $d->tell('forget client.example'), 'ok', 'forget: the domain';
	is mail($d), 'new', 'forget: that is a stranger, too';
	is $d->tell('pass client.example'), 'ok', 'pass: a domain';
	is mail($d), 'autowhite', 'pass: its clients pass';
}

# --- load: what is wrong with a line

{
	my $d = gray;
	my $good = "triplet $net a\@b c\@d $now 0 0 0 0";
	my @words = split ' ', $good;
	my $with = sub {
		my ($n, $word) = @_;
		my @other = @words;
		$other[$n] = $word;
		return join ' ', @other;
	};
	for (
		# record, what is said
		['x', 'words are missing'],
		[substr($good, 0, -2), 'words are missing'],
		["$good 1", 'too many words'],
		["load $good", 'too many words'],
		map({ [$with->(0, $_), 'no such KIND'] } 'x', 'Triplet', '-',
		    'triplets'),
		map({ [$with->(1, $_), 'not a CLIENT of this kind'] } '-',
		    '\x', '\xzz', '\x00', 'x' x 81, "a\x01", "a\xff"),
		map({ [$with->(2, $_), 'not a SENDER of this kind'] } '-',
		    '\\', 'x' x 81),
		map({ [$with->(3, $_), 'not a RECIPIENT of this kind'] } '-',
		    '\x0', 'x' x 81),
		[$with->(0, 'pair'), 'not a RECIPIENT of this kind'],
		[$with->(0, 'client'), 'not a SENDER of this kind'],
		[$with->(0, 'network'), 'not a SENDER of this kind'],
		[$with->(0, 'friend'), 'not a CLIENT of this kind'],
		map({ [$with->(4, $_), 'FIRST is no time'] } 'x', '1.5', '+1',
		    '0x1', '9' x 20, '1d'),
		map({ [$with->(5, $_), 'LAST is no time'] } 'x', '--1', '-'),
		map({ [$with->(6, $_), 'HOLD is no number of seconds'] } 'x',
		    '9' x 20),
		map({ [$with->(7, $_), 'COUNT is no number'] } 'x', '-1',
		    4294967296),
		map({ [$with->(8, $_), 'PENDING is no number'] } 'x', '-1',
		    4294967296),
	) {
		is_answered $d, "load $_->[0]", "error $_->[1]";
	}
	is_deeply [records($d)], [], 'load: nothing of all that';
	is_answered $d, "load  $good ", 'ok';
	is_answered $d, "load \t " . $good =~ s/ /\t  /gr, 'ok';
	is_deeply [records($d)], [$good], 'load: blanks do not matter';
	is_answered $d, "load triplet 203.0.113.0/24 a\@b c\@d 9000000000 0 " .
	    '0 0 0', 'ok';
	is_answered $d, "load triplet 203.0.114.0/24 a\@b c\@d -5 -5 -5 0 0",
	    'ok';
	for ('203.0.113.1', '203.0.114.1') {
		is mail($d, client => $_, from => '<a@b>', to => ['<c@d>']),
		    'new', "load: a wrong time does not harm: $_";
	}
}

# --- records that meet: min first, max last, max of the rest

{
	my $is = sub { return "triplet $net a\@b c\@d " . join ' ', @_ };
	my ($a, $b, $c) = ($now - 200, $now - 100, $now);
	for (
		# records in any order, what becomes of them
		[[$b, 0, 0, 0, 0], [$a, 0, 0, 0, 0], [$a, 0, 0, 0, 0]],
		[[$b, $c, 5, 2, 0], [$a, 0, 0, 0, 0], [$a, $c, 5, 2, 0]],
		[[$a, $b, 5, 9, 0], [$b, $c, 7, 2, 0], [$a, $c, 7, 9, 0]],
		[[0, $c, 0, 1, 0], [$b, $b, 3, 1, 0], [$b, $c, 3, 1, 0]],
		[[$a, $b, 5, 9, 0], [$a, $b, 5, 9, 0], [$a, $b, 5, 9, 0]],
		[[$a, $b, 1, 1, 0], [$a, $b, 1, 4294967295, 0],
		    [$a, $b, 1, 4294967295, 0]],
		[[$a, $b, 5, 9, 0], [1, 1, 99, 99, 0], [$a, $b, 5, 9, 0]],
	) {
		my ($one, $two, $want) = @$_;
		for my $order ([0, 1], [1, 0], [0, 1, 0, 1]) {
			my $d = gray;
			is $d->tell('load ' . $is->(@{ ($one, $two)[$_] })),
			    'ok', 'merge: load' for @$order;
			is_deeply [records($d)], [$is->(@$want)],
			    "merge: @$one and @$two, @$order";
		}
	}
}

# --- two hosts: each has a greylist, and loads what the other dumps

# Commands of a file to -tell -: (status, out, err).
sub tell_file {
	my ($d, $text) = @_;
	my $path = file('commands', $text);
	return run('sh', '-c', 'exec "$@" <"$0"', $path,
	    program('graymilter'), -tell => '-', $d->control);
}

{
	my ($mx1, $mx2) = (gray, gray);
	my @bob = (to => ['<bob@example.test>']);
	my @six = (client => '2001:db8::1');
	is mail($mx1), 'new', 'hosts: new to one';
	is mail($mx2, @bob), 'new', 'hosts: new to the other';
	later($_, 250) for $mx1, $mx2;
	is mail($mx2), 'new', 'hosts: new to the other, later';
	is mail($mx1, @six, from => '<>'), 'new', 'hosts: a bounce';
	is mail($mx1, from => "<\xe9 \\\@x>"), 'new', 'hosts: odd bytes';
	$mx1->tell('pass 203.0.113.9');
	$mx2->tell('pass pal@far.test');
	for (1 .. 2) {
		for ([$mx1, $mx2], [$mx2, $mx1]) {
			my ($from, $to) = @$_;
			my ($status, $dump, $err) = run(program('graymilter'),
			    -tell => 'dump', $from->control);
			is "$status $err", '0 ', 'hosts: -tell dump';
			my @said = tell_file($to, $dump);
			is "$said[0] $said[2]", '0 ', 'hosts: -tell -';
		}
	}
	is_deeply [records($mx1)], [records($mx2)],
	    'hosts: both know the same then';
	for my $d ($mx1, $mx2) {
		is mail($d, @six, from => '<>'), 'early', 'hosts: a bounce';
		is mail($d, from => "<\xe9 \\\@x>"), 'early', 'hosts: odd';
		is mail($d, client => '203.0.113.77'), 'autowhite',
		    'hosts: what passed at one passes at both';
		is mail($d, client => '198.51.100.1', from => '<pal@far.test>'),
		    'friend', 'hosts: and a friend of either';
	}
	later($mx2, 55);
	is mail($mx2), 'delayed', 'hosts: it waited from the first try at any';
	is mail($mx2, @bob), 'delayed', 'hosts: of its own, too';

	my ($status, $out, $err) = tell_file($mx1,
	    "test 192.0.2.1 a\@b c\@d\n" .
	    "list 203.0.113.1\nlist 203.0.113.1");
	is "$status $err", '0 ', '-tell -: status';
	like $out, qr/^verdict=tempfail [^\n]*\n(network [^\n]*\n){2}\z/,
	    '-tell -: all the answers, and a last line without its end';
	($status, $out, $err) = tell_file($mx1, '');
	is "$status $out$err", '0 ', '-tell -: nothing';
	# What is wrong with one line keeps no other from being done.
	my $record = "triplet 203.0.113.0/24 s\@b c\@d $now 0 0 0 0";
	($status, $out, $err) = tell_file($mx1, "# a comment\n\n \t\r\n" .
	    "load $record\r\nnosuch\nload x\nlist \0\n" . 'x' x 1001 . "\n" .
	    'y' x 50_000 . "\nlist 203.0.113.1\n");
	is $status, 1, '-tell -: errors: the status';
	is join(' ', sort map { /line (\d+): / } split /\n/, $err), '5 6 7 8 9',
	    '-tell -: errors: the lines' or diag $err;
	is scalar(grep { !/^graymilter: [ -~]{1,300}$/ } split /\n/, $err), 0,
	    '-tell -: errors: are printable and short' or diag $err;
	like $out, qr/^triplet 203\.0\.113\.0\/24 s\@b c\@d waits /m,
	    '-tell -: errors: the others are done';

	my $many = join '', map { "load triplet 198.51.100.0/24 s$_\@b c\@d " .
	    "$now 0 0 0 0\n" } 1 .. 3000;
	($status, $out, $err) = tell_file($mx1, $many);
	is "$status $out$err", '0 ', '-tell -: a long dump';
	is scalar(grep { / s\d+\@b / } records($mx1, 'triplet')), 3000,
	    '-tell -: all of it is there';
	$mx1->crash;
	unlink $mx1->control;
	($status, $out, $err) = tell_file($mx1, $many);
	is $status, 1, '-tell -: nobody there';
	like $err, qr/^graymilter: [^\n]*\Q${\$mx1->control}\E[^\n]*\n\z/,
	    '-tell -: is one line';
}

# --- -why: judge one case offline

{
	my $suspects = file('suspects', "192.0.2.0/24\n203.0.113.0/24\n");
	my $rcpt = file('rcpt', "bob\@\n");
	my $trap = file('trap', "trap\@x.test\r\n");
	my @lists = (-whitelist => $white, -suspects => $suspects,
	    -senders => $exempt, -recipients => $rcpt, -trap => $trap);
	my $key = "key=triplet,$net,a\@b.test";
	my $listed = "$suspects:1: $net";
	for (
		# arguments, status, lines
		[['192.0.2.1', 'a@b.test', 'c@x.test'], 1,
		    "verdict=tempfail by=new left=300 $key,c\@x.test",
		    $listed],
		[['::ffff:192.0.2.1', '<A+x@b.test>', '<C@x.test>'], 1,
		    "verdict=tempfail by=new left=300 $key,c\@x.test",
		    $listed],
		[['198.51.100.1', 'a@b.test', 'c@x.test'], 0, 'verdict=pass ' .
		    'by=unsuspected key=triplet,198.51.100.0/24,' .
		    'a@b.test,c@x.test'],
		[['192.0.2.1', 'a@b.test', 'c@x.test', 'mx.friend.example'], 0,
		    "verdict=pass by=whitelist list=$white $key,c\@x.test",
		    "$white:2: .friend.example", $listed],
		[['192.0.2.1', 'joe@a.test', 'c@x.test'], 0, 'verdict=pass ' .
		    "by=sender list=$exempt " .
		    "key=triplet,$net,joe\@a.test,c\@x.test",
		    "$exempt:2: joe\@a.test", $listed],
		[['192.0.2.1', 'a@b.test', 'bob+x@any.test'], 0,
		    "verdict=pass by=recipient list=$rcpt " .
		    "$key,bob+x\@any.test", "$rcpt:1: bob@", $listed],
		[['192.0.2.1', 'a@b.test', 'postmaster'], 0,
		    "verdict=pass by=role $key,postmaster", $listed],
		[['192.0.2.1', 'a@b.test', 'trap@x.test'], 1,
		    "verdict=tempfail by=trap list=$trap left=300 " .
		    "$key,trap\@x.test", "$trap:1: trap\@x.test", $listed],
		[['127.0.0.1', '<>', 'c@x.test'], 0, 'verdict=pass ' .
		    'by=loopback key=triplet,127.0.0.0/24,<>,c@x.test'],
	) {
		my ($args, $want, @lines) = @$_;
		my ($status, $out, $err) = run(program('graymilter'), '-why',
		    @lists, @$args);
		is $status, $want, "-why @$args: status";
		is join("\n", sort split /\n/, $out), join("\n", sort @lines),
		    "-why @$args";
		like $out, qr/^verdict=/, "-why @$args: the verdict is first";
	}
	for (
		# options, the end of the key
		[[-key => 'client'], "key=client,$net"],
		[[-key => 'pair'], "key=pair,$net,a\@b.test"],
		[[-prefix4 => 32], 'key=triplet,192.0.2.1/32,a@b.test,c@d'],
		[[-delay => '1h'], "left=3600 $key,c\@d"],
	) {
		my ($status, $out) = run(program('graymilter'), '-why',
		    @{ $_->[0] }, '192.0.2.1', 'a@b.test', 'c@d');
		is $status, 1, "-why @{$_->[0]}: status";
		like $out, qr/ \Q$_->[1]\E\n\z/, "-why @{$_->[0]}";
	}
	for ([], ['192.0.2.1'], ['192.0.2.1', 'a@b'],
	    ['192.0.2.1', 'a@b', 'c@d', 'e', 'f'], ['192.0.2.0/24', 'a', 'b'],
	    ['host.example', 'a@b', 'c@d']) {
		my ($status, $out, $err) = run(program('graymilter'), '-why',
		    @$_);
		is "$status $out", '64 ', "-why @$_: status";
		like $err, qr/-why: an IP address, a sender, a recipient/,
		    "-why @$_: why";
	}
	my $bad = file('bad', "joe\n");
	my ($status, $out, $err) = run(program('graymilter'), '-why',
	    -senders => $bad, '192.0.2.1', 'a@b', 'c@d');
	is $status, 78, '-why: a bad list';
	like $err, qr/\Q$bad\E:1: /, '-why: is named';
}

# --- A25: separators, and how lines come

{
	my $d = gray;
	my $good = "triplet $net a\@b c\@d $now 0 0 0 0";
	for (
		# bytes, answers
		["pass a\@b\nlist c\@d\n", "ok\nok\n"],
		["forget a\@b\n", "forgot 1\nok\n"],
		map({ ["pass a\@b$_\nforget a\@b\nforget a\@b$_\n",
		    "ok\nerror nothing is known of a\@b\nforgot 1\nok\n"] }
		    ' c@d', '\\ndump', "\rdump", '|dump', ';dump', "\x01",
		    "\e[0m", "\xff"),
		["pass a\@b\0dump\n", "error NUL in the command\n"],
		["dump\0\n", "error NUL in the command\n"],
		["\n\ndump\n", ("error no such command, try help\n" x 2) .
		    "ok\n"],
		['dump' . ' ' x 996 . "\n", "ok\n"],
		['dump' . ' ' x 997 . "\n", "error line too long\n"],
		["load $good\rx\n", "error PENDING is no number\n"],
		["load $good\r\nforget a\@b\n", "ok\nforgot 1\nok\n"],
		["dump\ndum", "ok\n"], ["dump\n" x 3000, "ok\n" x 3000],
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
	$d->tell("$_ x client=203.0.113.77\@y") for qw(pass forget);
	is scalar($d->lines(qr/ client=/)), 0,
	    'A25: an address is one word of the log';
	is_deeply [records($d)], [], 'A25: nothing is left of all that';
	clean_log $d, 'A25';

	# Not one command of many is lost while mail comes in.
	my $s = $d->dial;
	print $s map { "load triplet $net s$_\@b c\@d $now 0 0 0 0\n" }
	    1 .. 2000;
	$s->flush;
	my $said = mail($d);
	shutdown $s, 1;
	is((rest_of($s, 30 * slow))[0], "ok\n" x 2000, 'a long dump is loaded');
	is $said, 'new', 'and mail is judged meanwhile';
	is scalar(records($d, 'triplet')), 2001, 'all of it is there';
}

# --- stats, in the Prometheus text format

{
	my $trap = file('trap.stats', "trap\@x.test\n");
	my $odd = file("a \"quoted\"\\ name\n", "joe\@a.test\n");
	mkdir "$dir/db";
	for (
		['plain'],
		['all', -db => "$dir/db", -whitelist => $white,
		    -suspects => file('su', "192.0.2.0/24\n"),
		    -senders => $exempt, -recipients => $odd, -trap => $trap,
		    -report => "$dir/nobody"],
		['a list in many roles', -senders => $exempt,
		    -recipients => $exempt, -trap => $exempt],
	) {
		my ($what, @options) = @$_;
		my $d = gray(@options);
		is mail($d), 'new', "stats: $what: mail";
		later($d, 400);
		mail($d, @$_) for [], [to => ['<abuse@x>']],
		    [client => '127.0.0.1'];
		my ($last, @lines) = $d->tell('stats');
		is $last, 'ok', "stats: $what";
		is join("\n", faults_of('graymilter', join '', map { "$_\n" }
		    @lines)), '', "stats: $what: the format";
		for (
			['connections_total', 4], ['sessions', 0],
			['decision_seconds_count', 2],
			['held_seconds_count', 1], ['errors_total', 0],
			['verdicts_total{verdict="tempfail",by="new"}', 1],
			['verdicts_total{verdict="pass",by="delayed"}', 1],
			['verdicts_total{verdict="pass",by="role"}', 1],
			['exempt_total{why="loopback"}', 1],
			['store_up', 1], ['reloads_total', 0],
		) {
			my ($name, $want) = @$_;
			eventually { $d->stat('sessions') == 0 } 5
			    if $name eq 'sessions';
			is $d->stat($name), $want, "stats: $what: $name";
		}
	}
	my $d = gray(-senders => $exempt, -recipients => $odd, -trap => $trap);
	is $d->stat("sender_entries{list=\"$exempt\"}"), 1, 'stats: senders';
	is $d->stat("trap_entries{list=\"$trap\"}"), 1, 'stats: traps';
	is mail($d, auth => 'ann', from => '<x@y.test>'), '(rcpt a)',
	    'stats: a user';
	is $d->stat('exempt_total{why="auth"}'), 1, 'stats: of ours';
}

# --- what is over is nowhere, although it is not deleted yet

eventually { !records($brief) } 5;
is_answered $brief, 'list', 'ok';
is_answered $brief, 'dump', 'ok';
is_answered $brief, 'forget 192.0.2.1',
    'error nothing is known of 192.0.2.1';

done_testing;
