# Every option of bccmilter: what it does, and what is said of bad values; what
# -why and the control socket answer.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);

use Bccmilter;
use Daemon;
use Milter;
use Odd;
use Prometheus;

# A thousand starts; what they start is watched by the tests of sessions, too.
plan skip_all => 'it takes too long when it is watched' if $ENV{WATCH};

my $dir = folder;
my $sock = "$dir/never";
my $alice = '<alice@example.test>';
my @open = (headers => [[To => 'alice@example.test']]);
my @hidden = (headers => [[To => 'carol@example.test']]);
my %tested;

sub said {
	my ($d, @with) = @_;
	return mail($d, @with)->{said};
}

sub verdicts {
	my ($d) = @_;
	return map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
}

# Run it with words: "status", its output, its complaints; a text is its
# standard input.
sub bcc_said {
	my ($text, @words) = @_;
	my @in = defined $text ? ('sh', '-c', 'exec "$@" <"$0"',
	    file('stdin', $text)) : ();
	my ($status, $out, $err) = run(@in, program('bccmilter'), @words);
	return ($status, $out, join "\n", complaints($err));
}

# --- lists of each kind: an option, a list, another one, a bad one and what is
# said of it; who is on the first and what becomes of his mail, and who is on
# the second; what else becomes of such mail

my @lists = (
	{ option => '-whitelist', one => "203.0.113.1\n",
	    two => "198.51.100.0/24\n", bad => "203.0.113.300\n",
	    by_one => [@hidden, client => '203.0.113.1'],
	    by_two => [@hidden, client => '198.51.100.7'],
	    said => 'exempt whitelist', else => 'marked none-listed',
	    stat => 'list' },
	{ option => '-whitelist', one => ".friend.example\n",
	    two => ".other.example\n",
	    bad => "friend\n",
	    by_one => [@hidden, host => 'mx.friend.example'],
	    by_two => [@hidden, host => 'other.example'],
	    said => 'exempt whitelist', else => 'marked none-listed',
	    stat => 'list' },
	{ option => '-senders', one => "joe\@a.test\n", two => "\@b.test\n",
	    bad => "joe\n", by_one => [@hidden, from => '<Joe+x@A.test>'],
	    by_two => [@hidden, from => '<x@b.test>'],
	    said => 'exempt sender', else => 'marked none-listed',
	    stat => 'sender' },
	{ option => '-recipients', one => "alice\@\n", two => ".b.test\n",
	    bad => "alice\@x y\n", by_one => [@hidden],
	    by_two => [@hidden, to => ['<x@a.b.test>']],
	    said => 'passes nobody', else => 'marked none-listed',
	    stat => 'recipient' },
	{ option => '-local', one => "alice\@\n", two => ".b.test\n",
	    bad => "192.0.2.1\n", by_one => [@hidden],
	    by_two => [@hidden, to => ['<x@a.b.test>']],
	    said => 'marked none-listed', else => 'passes nobody',
	    stat => 'local' },
	{ option => '-alias', one => "carol\@example.test " .
	    "alice\@example.test\n", two => "\@b.test \@example.test\n",
	    bad => "x\@y b.test\n", by_one => [@hidden],
	    by_two => [headers => [[To => 'alice@b.test']]],
	    said => 'passes open',
	    else => 'marked none-listed', stat => 'alias' },
	{ option => '-lists', one => "news.example.test\n",
	    two => ".b.test\n", bad => "news\n",
	    by_one => [headers => [['List-Id', '<news.example.test>']]],
	    by_two => [headers => [['List-Id', '<x.b.test>']]],
	    said => 'passes list', else => 'marked no-recipients',
	    stat => 'mailing_list' },
);

# --- what takes time: begun here, looked at in the end

my %watched = map { $_->{option} => $_ } reverse @lists;
my @watches = map { my ($n, $l) = ($_, $watched{$_});
    { list => $l, path => file("watched$n", $l->{one}) } } sort keys %watched;
$_->{d} = bcc('-autoupdate', $_->{list}{option} => $_->{path}) for @watches;
my $blind = bcc(-alias => file('unwatched', "x\@y z\@y\n"));
file('unwatched', "carol\@example.test\n");

# --- -policy

$tested{policy} = 1;
for ([[], 'passes open'], [[-policy => 'none'], 'passes open'],
    [[-policy => 'any'], 'marked some-listed'],
    [['--policy=any'], 'marked some-listed']) {
	my ($options, $want) = @$_;
	is said(bcc(@$options), to => [$alice, '<bob@example.test>'], @open),
	    $want, "policy: @$options";
}

# --- -action, -markonly, -dryrun

my @forged = (headers => [['X-Bcc-Check', 'x'], [To =>
    'carol@example.test']]);
for (
	# options, what becomes of it, of its forged field
	[[], 'marked', 1], [['-markonly'], 'marked', 1],
	[[-action => 'mark'], 'marked', 1],
	[['-markonly', -action => 'mark'], 'marked', 1],
	[[-action => 'quarantine'], 'quarantined', 1],
	[[-action => 'reject'], '550 5.7.1'],
	[[-action => 'tempfail'], '451 4.7.1'],
	[[-action => 'discard'], 'discarded'],
	[[-action => 'none'], 'passes'], [['-dryrun'], 'passes'],
	[['-dryrun', -action => 'none'], 'passes'],
) {
	my ($options, $want, $removes) = @$_;
	my $d = bcc(@$options);
	my $what = "@$options" || 'by default';
	is said($d, @hidden), "$want none-listed", "action: $what";
	is said($d, @forged), "$want none-listed" . ($removes ?
	    ', removes 1' : ''), "action: $what: forged";
	is said($d, @open), 'passes open', "action: $what: passes";
	my ($word) = map { /^verdict=(\w+) / } verdicts($d);
	is $word, $want =~ /^5/ ? 'reject' : $want =~ /^4/ ? 'tempfail' :
	    $want eq 'passes' ? 'none' : $want =~ s/e?d$//r =~ s/in$/ine/r,
	    "action: $what: the log";
	my $m = Milter->new($d->socket);
	is $m->commands, 'c-Mr-lN--', "action: $what: what is looked at";
	$m->quit;
}
$tested{$_} = 1 for qw(action markonly dryrun);

# --- -rejectmessage

$tested{rejectmessage} = 1;
for (
	# options, text
	[[], 'None of the recipients is in To or Cc'],
	[[-rejectmessage => 'no: %l'], 'no: none-listed'],
	[[-rejectmessage => '%i|%q|100%%'], '192.0.2.1|q1|100%%'],
	[[-rejectmessage => '%%l%%%l'], '%%l%%none-listed'],
	[[-rejectmessage => "a\r\nb\e\x{e9}"], 'a??b??'],
	[[-rejectmessage => ' '], ' '],
	[[-rejectmessage => 'x' x 2000], 'x' x 489],
	[[-rejectmessage => '%l ' x 100], substr 'none-listed ' x 100, 0, 489],
) {
	my ($options, $text) = @$_;
	my $what = substr("@$options", 0, 40) =~ s/[^ -~]/?/gr;
	for (['reject', '550 5.7.1'], ['tempfail', '451 4.7.1']) {
		my ($action, $codes) = @$_;
		is mail(bcc(-action => $action, @$options), @hidden)->{text},
		    "$codes $text", "$what: $action";
	}
}
{
	my $d = bcc(-action => 'reject', -rejectmessage => '%i %l %q');
	is mail($d, client => '2001:db8::1', headers => [])->{text},
	    '550 5.7.1 2001:db8::1 no-recipients q1', '-rejectmessage: IPv6';
	is mail($d, @hidden, qid => "a\r\nb%l")->{text},
	    '550 5.7.1 192.0.2.1 none-listed a??b%%l',
	    '-rejectmessage: what it stands for is cleaned';
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt($alice);
	is $m->eoh->{text}, '550 5.7.1 192.0.2.1 no-recipients NOQUEUE',
	    '-rejectmessage: no queue id';
	$m->quit;
	$d = bcc(-policy => 'any', -action => 'reject', -rejectmessage =>
	    '%l');
	is mail($d, to => [$alice, '<b@a.test>'], @open)->{text},
	    '550 5.7.1 some-listed', '-rejectmessage: some-listed';
}

# --- lists: with and without, twice, leniently, reloaded

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
my @others = (-senders => file('o1', "o\@a.test\n"), -alias => file('o2',
    "o\@a.test o\@b.test\n"));
for my $l (@lists) {
	my $option = $l->{option};
	my @one = @{ $l->{by_one} };
	my @two = @{ $l->{by_two} };
	$tested{substr $option, 1} = 1;

	# Without it; and with two of them.
	my $none = bcc;
	isnt said($none, @$_), $option eq '-local' || $option eq '-lists' ?
	    $l->{else} : $l->{said}, "without $option" for \@one, \@two;
	my $both = bcc($option => file('one', $l->{one}), $option =>
	    file('two', $l->{two}));
	is said($both, @$_), $l->{said}, "$option twice" for \@one, \@two;
	is $both->stat("$l->{stat}_entries{list=\"$dir/$_\"}"), 1,
	    "$option: entries of $_" for qw(one two);
	is $none->stat("$l->{stat}_entries{list=\"$dir/one\"}"), undef,
	    "without $option: none";

	# A bad line.
	my $bad = "$l->{one}$l->{bad}";
	my $list = file('list', $bad);
	my ($status, $out, $said) = bcc_said(undef, '-nodaemon',
	    $option => $list, $sock);
	ok $status == 78 && $out eq '' && $said =~
	    /^bccmilter: \Q$list\E:2: [^\n]*\z/,
	    "$option without -lenient" or diag "$status $said";
	my $lenient = bcc($option => $list, '-lenient');
	is said($lenient, @one), $l->{said}, "$option -lenient: the rest";
	is said($lenient, @two), $l->{else}, "$option -lenient: nobody else";
	is $lenient->stat("$l->{stat}_bad_lines{list=\"$list\"}"), 1,
	    "$option -lenient: counted";
	is scalar($lenient->lines(qr/^\Q$list\E:2: /)), 1,
	    "$option -lenient: and logged";

	file('list', $l->{one});
	my @with = grep { $others[$_ - $_ % 2] ne $option } 0 .. $#others;
	my $d = bcc($option => $list, @others[@with]);
	for (@reloads) {
		my ($how, $reload) = @$_;
		my $says = "$option, $how";
		file('list', $l->{one});
		$reload->($d, 1);
		is said($d, @one), $l->{said}, "$says: listed";
		is said($d, @two), $l->{else}, "$says: not listed";
		for (['a bad list', $bad], ['an empty one', ''],
		    ['one that was cut', $l->{one} =~ s/\n\z//r],
		    ['none at all']) {
			my ($what, $text) = @$_;
			my $seen = $d->lines(qr/^\Q$list\E/);
			defined $text ? file('list', $text) : unlink $list;
			$reload->($d, 0);
			is said($d, @one), $l->{said},
			    "$says: $what leaves the old list";
			is said($d, @two), $l->{else}, "$says: all of it";
			is scalar(() = $d->lines(qr/^\Q$list\E/)), $seen + 1,
			    "$says: $what is named";
		}
		file('list', $l->{two});
		$reload->($d, 1);
		is said($d, @one), $l->{else},
		    "bug_whitelist_never_cleared: $says";
		is said($d, @two), $l->{said}, "$says: the new list";
	}
	is $d->stat("$l->{stat}_entries{list=\"$list\"}"), 1,
	    "$option: counted";
}
$tested{lenient} = 1;

# A bad list of one kind keeps no other as it was.
{
	my $d = bcc(-senders => file('s', "joe\@a.test\n"), -alias =>
	    file('a', "x\@y.test x\@z.test\n"));
	file('s', "joe\n");
	file('a', "carol\@example.test\n");
	is $d->tell('reload'), 'error reload failed, see the log; the old ' .
	    'lists stay', 'reload: one of two is bad';
	is said($d, @hidden, from => '<joe@a.test>'), 'exempt sender',
	    'reload: it stays';
	is said($d, @hidden), 'passes open', 'reload: the other is new';
}

# --- -scanauth

$tested{scanauth} = 1;
for my $who ([auth => 'ann'], [tls => 'OK']) {
	is said(bcc, @hidden, @$who), "exempt $who->[0]",
	    "without -scanauth: @$who";
	is said(bcc('-scanauth'), @hidden, @$who), 'marked none-listed',
	    "-scanauth: @$who";
}

# --- -onerror: an MTA that takes no change, or not all

$tested{onerror} = 1;
for ([[], 'a'], [[-onerror => 'accept'], 'a'],
    [[-onerror => 'tempfail'], 'y 451 4.3.0']) {
	my ($options, $want) = @$_;
	my $is = sub {
		my ($what, $d, @with) = @_;
		my $before = $d->stat('errors_total');
		my $r = mail($d, @with);
		is join(' ', $r->{at}, $r->{reply}, ($r->{text} // '') =~
		    /^(\S+ \S+)/), "eom $want", "$what: @$options";
		is $d->stat('errors_total'), $before + 1, "$what: counted";
	};
	my $d = bcc(@$options);
	$is->('no change', $d, @hidden, actions => 2) for 1, 2;
	is scalar($d->lines(qr/^the MTA takes no change of a message, so /)),
	    1, "no change: @$options: logged once";
	$is->('no removal', $d, @forged, actions => 1);
	$is->('no removal from an open one', $d, actions => 1, headers =>
	    [['X-Bcc-Check', 'x'], @{ $open[1] }]);
	is said($d, @hidden, actions => 1), 'marked none-listed',
	    "nothing to remove: @$options";
	$is->('no field', $d, @hidden, actions => 0x10);
	is said($d, @open, actions => 0), 'passes open',
	    "no change: @$options: none is needed";
	is said($d, @hidden), 'marked none-listed',
	    "no change: @$options: another MTA";
	$d = bcc(@$options, -action => 'quarantine');
	$is->('no quarantine', $d, @hidden, actions => 0x11);
	$d = bcc(@$options, -action => 'reject');
	is said($d, @hidden, actions => 0), '550 5.7.1 none-listed',
	    "no change: @$options: a refusal needs none";
	is said(bcc(@$options, '-dryrun'), @hidden, actions => 0),
	    'passes none-listed', "no change: @$options: nor a dry run";
}
{
	my $d = bcc('-dryrun');
	Milter->new($d->socket, actions => 0)->quit;
	is scalar($d->lines(qr/^the MTA takes no change/)), 0,
	    'no change: is no news where none is made';
	$d = bcc;
	Milter->new($d->socket, actions => 0)->quit for 1, 2;
	is scalar($d->lines(qr/^the MTA takes no change of a message$/)), 1,
	    'no change: is said at once, and once';
}

# --- -debug

$tested{debug} = 1;
for my $option ([], ['-debug'], ['-d']) {
	my $d = bcc({ quiet => 1 }, @$option);
	mail($d, @$_) for [@open], [@hidden], [from => '<>'],
	    [client => '127.0.0.1'], [headers => [[To => '"']]];
	is_deeply [map { /by=([a-z-]+)/ } verdicts($d)], [@$option ? qw(open
	    none-listed bounce loopback unknown) : 'none-listed'],
	    "the log: @$option";
}

# --- -user, -pidfile, -socketmode, -nodaemon, -version, -help, -control

$tested{$_} = 1 for qw(user pidfile socketmode nodaemon version help control);
{
	my $user = $> == 0 ? 'nobody' : getpwuid $>;
	my $home = "$dir/home";
	mkdir $home;
	chown((getpwnam $user)[2, 3], $home) if $> == 0;
	my $white = file('wl', "203.0.113.7\n");
	my $n = 0;
	my $pid = "$dir/pid";
	for my $words (
		[-user => $user, -pidfile => "$pid.1", '-nodaemon',
		    -socketmode => '0600', '-autoupdate', -whitelist => $white],
		['-u', $user, '-p', "$pid.2", '-X', '-a', '-w', $white, '-d'],
		['--us', $user, "--pid=$pid.3", '--nodaemon', '--white',
		    $white, '--deb'],
	) {
		my $what = "words $words->[0] $words->[2]";
		my $socket = "$home/s" . ++$n;
		my $log = "$dir/words.$n";
		my $d = bless { socket => $socket, log => $log, name =>
		    'bccmilter', control => "$home/c$n", pid =>
		    Daemon::spawn('/dev/null', $log, program('bccmilter'),
		    @$words, -control => "$home/c$n", $socket) }, 'Daemon';
		Daemon::watch($d);
		eventually { $d->log =~ / ready on / || $d->gone } 30;
		like $d->log, qr/ ready on /, "$what: starts" or
		    diag $d->log;
		is Daemon::slurp("$pid.$n"), $d->pid . "\n",
		    "$what: the pid file";
		like Daemon::slurp('/proc/' . $d->pid . '/status'),
		    qr/^Uid:\t@{[(getpwnam $user)[2]]}\t/m, "$what: the user";
		is sprintf('%04o %04o', map { (stat $_)[2] & 07777 } $socket,
		    "$home/c$n"), $n == 1 ? '0600 0600' : '0660 0660',
		    "$what: the sockets";
		like said($d, @hidden, client => '203.0.113.7'), qr/^exempt/,
		    "$what: the whitelist";
		is said($d, @hidden), 'marked none-listed',
		    "$what: a stranger";
		is scalar(() = verdicts($d)), $n == 1 ? 1 : 2,
		    "$what: says so";
		is $d->tell('help'), 'ok', "$what: the control socket";
		is $d->stop, 0, "$what: stops" if $n == 1;
		ok !-e $socket && !-e "$home/c1" && -z "$pid.1",
		    "$what: and cleans up" if $n == 1;
		$d->retire if $n != 1;
	}
	my $back = Daemon->background({ name => 'bccmilter', socket =>
	    "$home/sb", control => "$home/cb" }, -user => $user);
	is $back->{started}, 0, 'without -nodaemon: in the background';
	is_deeply mail($back, @hidden)->{changes}, [[h => 'X-Bcc-Check',
	    'none-listed']], 'without -nodaemon: it serves';
	my ($status, $out, $err) = run(program('bccmilter'), '-nodaemon',
	    -control => $back->control, $sock);
	is $status, 69, 'a second one at its control socket';
	($status, $out, $err) = run(program('bccmilter'), '-nodaemon',
	    $back->socket);
	is $status, 69, 'a second one at its socket';

	($status, $out, $err) = run(program('bccmilter'), '-version');
	like "$status $out$err", qr/^0 bccmilter \d+\.\d+\n\z/, '-version';
	for my $option ('-help', '--help', '-h') {
		($status, $out, $err) = run(program('bccmilter'), $option);
		is "$status $err", '0 ', $option;
		like $out, qr/^usage: bccmilter \[options\] socket\n/,
		    "$option: the usage";
		is scalar(my @rows = $out =~ /^  -/mg), scalar(my @lines =
		    $out =~ /^\t./mg), "$option: a line for each option";
	}
	like $out, qr/^  -policy none\|any\n\t.* \(none\)$/m,
	    '-help: the default of -policy';
	like $out, qr/^  -action [a-z|]+\n\t.* \(mark\)$/m,
	    '-help: the default of -action';
}

# Every prefix of a name that has a letter means that option.
for my $name (qw(whitelist user pidfile)) {
	for my $size (1 .. length $name) {
		my $prefix = substr $name, 0, $size;
		is +(bcc_said(undef, '-check', "-$prefix", ''))[2],
		    "bccmilter: bad value for -$name: it is empty " .
		    '(see -help)', "prefix -$prefix";
	}
}
for my $name (qw(autoupdate debug help)) {
	for my $size (1 .. length $name) {
		my $prefix = substr $name, 0, $size;
		is +(bcc_said(undef, '-check', "-$prefix=x"))[2],
		    "bccmilter: no such option: -$prefix=x (see -help)",
		    "prefix -$prefix takes no value";
		is +(bcc_said(undef, '-check', "-$prefix"))[0], 0,
		    "prefix -$prefix";
	}
}

# --- -check

$tested{check} = 1;
my $good = file('good', "joe\@x.test\n");
my $clients = file('clients', "192.0.2.1\n");
my $nowhere = "$dir/nowhere/file";
my @list_options = qw(-local -alias -lists -senders -recipients -whitelist);
for ([], [$sock], [-policy => 'any'], [-rejectmessage => '%%'],
    [-whitelist => $clients, -whitelist => $clients],
    [map { (-alias => $good) } 1 .. 63], ['-dryrun', -action => 'none'],
    ['-markonly', '-action=mark'], [-policy => 'any', -policy => 'any'],
    ['-lenient', -local => file('lenient', "joe\njoe\@x.test\n")],
    [map({ ($_ => $good) } @list_options[0 .. 4]), -whitelist => $clients,
    '-autoupdate', -control => "$dir/c", -pidfile => "$dir/p", $sock]) {
	my ($status, $out, $said) = bcc_said(undef, '-check', @$_);
	$said = '' if "@$_" =~ /-lenient/ && $said =~ /^[^\n]*lenient:1: /;
	is "$status $out$said", '0 ', 'may be: ' . substr "@$_", 0, 60;
}
for (map({ [78, qr/\Q$nowhere: No such file/, $_ => $nowhere] }
    @list_options), [64, qr/-action: refuse /, -action => 'refuse'],
    [64, qr/-rejectmessage: %x /, -rejectmessage => '%x'],
    [78, qr/no such user/, -user => 'nosuchuser']) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $said) = bcc_said(undef, '-check', @args);
	is "$status $out", "$want ", "-check @args";
	like $said, qr/^[^\n]*$pattern[^\n]*\z/, "-check @args: is said";
}
is join(' ', grep { -e } $sock, "$dir/c", "$dir/p"), '',
    '-check: makes nothing';
{
	my $d = bcc;
	my ($status, $out, $said) = bcc_said(undef, '-check', -control =>
	    $d->control, $d->socket);
	is "$status $out$said", '0 ', '-check: beside a daemon';
	is said($d, @hidden), 'marked none-listed', '-check: which goes on';
}

# --- bad values, and what contradicts

my %bad = (-whitelist => file('badips', "192.0.2.1\n192.0.2.1/24\n"),
    -alias => file('badalias', "joe\@x.test\nx\@y.test y.test\n"),
    map { $_ => file('bad', "joe\@x.test\n192.0.2.1/24\n") } qw(-local -lists
    -senders -recipients));
my $data = file('data', "somebody's data\n");
my @wrong = (
	# status, the line, arguments
	[64, qr/missing: socket/],
	[64, qr/: second /, $sock, 'second'],
	[64, qr/no such option: -nosuch /, '-nosuch', $sock],
	[64, qr/no such option: -blacklist /, -blacklist => $good, $sock],
	[64, qr/no such option: -allowlist /, -allowlist => $good, $sock],
	[64, qr/no such option: -db /, -db => $dir, $sock],
	[64, qr/no such option: -lenient=1 /, '-lenient=1', $sock],
	map({ [64, qr/no such option: -$_ /, "-$_", $good, $sock] } qw(l r s
	    c re)),
	[64, qr/value missing: -policy /, $sock, '-policy'],
	map({ my ($name, @values) = @$_; map { [64,
	    qr/bad value for -$name: \Q$_\E /, "-$name", $_, $sock] } @values }
	    [policy => 'all', 'None', 'an', '', 'none|any', 'some'],
	    [action => 'refuse', 'Reject', 'rejec', '', 'mark|none', 'pass'],
	    [onerror => 'reject', 'Accept', ''],
	    [socketmode => '0888', '1777', 'x']),
	map({ [64, qr/bad value for -$_: it is empty/, "-$_", '', $sock] }
	    qw(local alias lists senders recipients whitelist rejectmessage
	    control user pidfile)),
	map({ [64, qr/too often: ${\substr $_, 1} /, ($_ => $_ eq
	    '-whitelist' ? $clients : $good) x 64, $sock] } @list_options),
	map({ [64, qr/-rejectmessage: \Q$_->[1]\E stands for nothing/,
	    -rejectmessage => $_->[0], $sock] } ['%i %x', '%x'],
	    ['100%', '%'], ['% i', '% '], ['%%%', '%'], ['%r', '%r'],
	    ['%s', '%s'], ['%n', '%n'], ['%L', '%L'], ['%1$l', '%1']),

	map({ my ($last) = reverse grep { /^-/ } @$_;
	    [64, qr/contradicts an earlier option: ${\substr $last, 1} /, @$_,
	    $sock] } ['-markonly', '-dryrun'], ['-dryrun', '-markonly'],
	    ['-markonly', -action => 'reject'],
	    [-action => 'reject', '-markonly'],
	    ['-markonly', -action => 'none'], ['-dryrun', -action => 'mark'],
	    [-action => 'quarantine', '-dryrun'],
	    [-action => 'mark', -action => 'discard'],
	    [-policy => 'none', -policy => 'any'],
	    [-onerror => 'accept', -onerror => 'tempfail']),

	map({ my $option = $_;
	    [78, qr/\Q$nowhere: No such file/, $option => $nowhere, $sock],
	    [78, qr/\Q$dir: not a regular file/, $option => $dir, $sock],
	    [78, qr/\Q$bad{$option}\E:2: /, $option => $bad{$option}, $sock] }
	    @list_options),
	[78, qr/\Q$data is in the way/, $data],
	[78, qr/\Q$data is in the way/, -control => $data, $sock],
	[78, qr/\Q$sock\E/, -control => $sock, $sock],
	[78, qr/control socket \Q$nowhere: No such/, -control => $nowhere,
	    $sock],
	[78, qr/listen on \Q$nowhere\E$/, $nowhere],
	[78, qr/inet:65536\@127\.0\.0\.1/, 'inet:65536@127.0.0.1'],
	[78, qr/no such user or group: nosuchuser/, -user => 'nosuchuser',
	    $sock],
	[78, qr/pid file \Q$nowhere: /, -pidfile => $nowhere, $sock],
	[64, qr/missing: control socket/, -tell => 'stats'],
	[64, qr/: second /, -tell => 'stats', $sock, 'second'],
);
for (@wrong) {
	my ($want, $pattern, @args) = @$_;
	my $begin = time;
	my ($status, $out, $said) = bcc_said(undef, '-nodaemon', @args);
	my $took = time - $begin;
	ok $status == $want && $out eq '' && !-e $sock &&
	    $said =~ /^bccmilter: [^\n]*\z/ && $said =~ $pattern &&
	    $took < slow, "$want: " . substr("@args", 0, 60) =~ s/[^ -~]/?/gr or
	    diag "status $status after $took s: $out$said";
}
is Daemon::slurp($data), "somebody's data\n",
    'what was in the way is unchanged';

# --- -why

$tested{why} = 1;
my $aliases = file('aliases', "# ours elsewhere\nann.smith\@example.net " .
    "ann\@example.org\n\@old.example \@example.org ; a domain\n" .
    "staff\@example.org\n");
my $spare = file('spare', "sales@\n\@spare.example\n");
my $ours = file('ours', "example.org\n");
my @why = (-alias => $aliases);
my ($joe, $ann, $eve) = map { "$_\@example.org" } qw(joe ann eve);
my $role = 'not judged: postmaster and abuse never are';
for (
	# options, header, recipients; status, lines
	[[], "To: $joe\n\nCc: $eve\n", [$joe], 0, "recipient $joe: in To",
	    'verdict=pass by=open shown=1 hidden=0 addresses=1'],
	[[], "To: $joe\n\nCc: $eve\n", [$eve], 1, "recipient $eve: hidden",
	    'verdict=mark by=none-listed shown=0 hidden=1 addresses=1'],
	[[@why, -policy => 'any'], "To: $joe\nCc: ann.smith\@example.net,\n" .
	    "\tx\@y.test\n\n", [$joe, $ann, $eve, 'postmaster@example.org'],
	    1, "recipient $joe: in To", "recipient $ann: in Cc, by an alias",
	    "$aliases:2: ann.smith\@example.net ann\@example.org",
	    "recipient $eve: hidden",
	    "recipient postmaster\@example.org: $role",
	    'verdict=mark by=some-listed shown=2 hidden=1 addresses=3'],
	[[@why], "To: Joe\@Old.Example\n", ["<$joe>"], 0,
	    "recipient <$joe>: in To, by an alias",
	    "$aliases:3: \@old.example \@example.org ; a domain",
	    'verdict=pass by=open shown=1 hidden=0 addresses=1'],
	[[@why], "Cc: staff\@example.org\n", [$joe, $eve], 0,
	    map({ ("recipient $_: in Cc, by an alias",
	    "$aliases:4: staff\@example.org") } $joe, $eve),
	    'verdict=pass by=open shown=2 hidden=0 addresses=1'],
	[[], "Resent-To: $joe\nResent-Cc: $ann\nTo: x\@y.test\n",
	    [$joe, $ann, $eve], 0, "recipient $joe: in Resent-To",
	    "recipient $ann: in Resent-Cc", "recipient $eve: hidden",
	    'verdict=pass by=open shown=2 hidden=1 addresses=3'],
	[[-policy => 'any'], "Resent-To: $joe\n", [$joe, $ann], 0,
	    "recipient $joe: in Resent-To", "recipient $ann: hidden",
	    'verdict=pass by=resent shown=1 hidden=1 addresses=1'],
	[[], "Subject: x\n", [$joe], 1, "recipient $joe: hidden",
	    'verdict=mark by=no-recipients shown=0 hidden=1 addresses=0'],
	[[], '', [$joe], 1, 'no header', "recipient $joe: hidden",
	    'verdict=mark by=no-recipients shown=0 hidden=1 addresses=0'],
	[[], "To: \"x\n", [$joe], 0, "recipient $joe: hidden",
	    'verdict=pass by=unknown shown=0 hidden=1 addresses=0'],
	[[], "To: x\@y.test\n", ['"joe', $eve], 0,
	    'recipient "joe: cannot be read', "recipient $eve: hidden",
	    'verdict=pass by=unknown shown=0 hidden=1 addresses=1'],
	[[-recipients => $spare], "To: x\@y.test\n", ['sales@x.test',
	    'x@spare.example'], 0, 'recipient sales@x.test: not judged: exempt',
	    "$spare:1: sales@", 'recipient x@spare.example: not judged: ' .
	    'exempt', "$spare:2: \@spare.example",
	    'verdict=pass by=nobody shown=0 hidden=0 addresses=1'],
	[[-local => $ours], "To: x\@y.test\n", ['x@other.test', $joe], 1,
	    'recipient x@other.test: not judged: not local',
	    "recipient $joe: hidden",
	    'verdict=mark by=none-listed shown=0 hidden=1 addresses=1'],
	[[], "To: x\@y.test\n", ['Abuse@x.test'], 0,
	    "recipient Abuse\@x.test: $role",
	    'verdict=pass by=nobody shown=0 hidden=0 addresses=1'],
	[[], "List-Id: <a.b.test>\n", [$joe], 0, "recipient $joe: hidden",
	    'verdict=pass by=list shown=0 hidden=1 addresses=0'],
	[[-lists => $ours], "List-Id: <a.b.test>\n", [$joe], 1,
	    "recipient $joe: hidden",
	    'verdict=mark by=no-recipients shown=0 hidden=1 addresses=0'],
	[[], "Auto-Submitted: auto-replied\n", [$joe], 0,
	    "recipient $joe: hidden",
	    'verdict=pass by=automatic shown=0 hidden=1 addresses=0'],

	# The sender, where an MTA wrote it down.
	[[], "Return-Path: <>\nTo: x\@y.test\n", [$joe], 0,
	    "recipient $joe: hidden",
	    'verdict=pass by=bounce shown=0 hidden=1 addresses=1'],
	[[-senders => $spare], "Return-Path: <x\@spare.example>\n", [$joe], 0,
	    "recipient $joe: hidden",
	    'verdict=pass by=sender shown=0 hidden=1 addresses=0'],
	[[-senders => $spare], "Return-Path: <x\@y.test>\nFrom: " .
	    "x\@spare.example\n", [$joe], 1, "recipient $joe: hidden",
	    'verdict=mark by=no-recipients shown=0 hidden=1 addresses=0'],

	# The message as it may be.
	map({ my $header = $_; [[], $header, [$joe], 0, "recipient $joe: in Cc",
	    'verdict=pass by=open shown=1 hidden=0 addresses=2'] }
	    "From joe\@x.test Mon Nov 30 12:00:00 2026\nTo: x\@y.test\n" .
	    "Cc: $joe\n", "To: x\@y.test\r\nCc:\r\n $joe\r\n\r\nbody\r\n",
	    "to : x\@y.test\nCC\t:$joe\n", "To: x\@y.test\nCc: $joe",
	    "X: " . 'x' x 100_000 .
	    "\nTo: x\@y.test\nCc: $joe\n"),
	map({ my $header = $_; [[], $header, [$joe], 1,
	    "recipient $joe: hidden",
	    'verdict=mark by=none-listed shown=0 hidden=1 addresses=1'] }
	    "To: x\@y.test\n\nCc: $joe\n", "To: x\@y.test\r\n\r\n$joe\n",
	    "To: x\@y.test\nno field\nCc: $joe\n", "To: x\@y.test\nX: b\n" .
	    "Bcc: $joe\n", "To: x\@y.test\nX: a\0b\nCc: $joe\n"),
	map({ my ($action) = $_; [[-action => $action], '', [$joe], 1,
	    'no header', "recipient $joe: hidden", "verdict=$action by=no-recipients " .
	    'shown=0 hidden=1 addresses=0'] } qw(reject tempfail quarantine
	    discard mark none)),
) {
	my ($options, $text, $to, $want, @lines) = @$_;
	my $what = substr("@$options " . $text, 0, 50) =~ s/[^ -~]/?/gr;
	my $path = file('message', $text);
	my ($status, $out, $said) = bcc_said(undef, '-why', @$options, $path,
	    @$to);
	is $out, join('', map { "$_\n" } @lines), "-why: $what";
	is "$status $said", "$want ", "-why: $what: status";
	($status, $out, $said) = bcc_said($text, '-why', @$options, '-', @$to);
	is $out, join('', map { "$_\n" } @lines), "-why -: $what";
	is "$status $said", "$want ", "-why -: $what: status";
}
{
	# More than it reads, the last of it behind that.
	my $long = file('long', "To: x\@y.test\n" . "X: y\n" x 2_000_000 .
	    "Cc: $joe\n");
	my ($status, $out, $said) = bcc_said(undef, '-why', $long, $joe);
	is $out, "recipient $joe: hidden\nverdict=mark by=none-listed " .
	    "shown=0 hidden=1 addresses=1\n", '-why: 10 MB of a header';
	is $status, 1, '-why: 10 MB: status';
	my @many = map { "r$_\@x.test" } 1 .. 5000;
	($status, $out, $said) = bcc_said("To: r77\@x.test\n", '-why',
	    '-policy', 'any', '-', @many);
	is $out, join('', map({ "recipient $_: " . (/^r77@/ ? 'in To' :
	    'hidden') . "\n" } @many), 'verdict=mark by=some-listed ' .
	    "shown=1 hidden=4999 addresses=1\n"), '-why: many recipients';
}
for (
	# status, what is said, arguments
	[64, qr/^bccmilter: -why: a file and a recipient are needed$/],
	[64, qr/^bccmilter: -why: a file and a recipient are needed$/, '-'],
	[64, qr/^bccmilter: -why: a file and a recipient are needed$/, $good],
	[66, qr/^bccmilter: \Q$nowhere: No such file/, $nowhere, $joe],
	[66, qr/^bccmilter: \Q$dir: Is a directory/, $dir, $joe],
	[78, qr/^bccmilter: \Q$bad{'-alias'}\E:2: /, -alias => $bad{'-alias'},
	    $good, $joe],
	[78, qr/^bccmilter: \Q$nowhere: No such/, -local => $nowhere, $good,
	    $joe],
	[64, qr/-policy: all /, -policy => 'all', $good, $joe],
) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $said) = bcc_said(undef, '-why', @args);
	is "$status $out", "$want ", "-why @args";
	like $said, $pattern, "-why @args: is said";
}

# --- -tell: test, stats, reload, help

$tested{tell} = 1;
{
	my $d = bcc(@why, -policy => 'any', -action => 'reject');
	my $tell = sub { return bcc_said(undef, -tell => $_[0],
	    $d->control) };
	for (
		# words, lines
		["$joe $joe", "recipient $joe: in To",
		    'verdict=pass by=open shown=1 hidden=0 addresses=1'],
		["$joe Joe <$joe>, x\@y.test", "recipient $joe: in To",
		    'verdict=pass by=open shown=1 hidden=0 addresses=2'],
		["<$joe> x\@y.test,  z", "recipient <$joe>: hidden",
		    'verdict=reject by=none-listed shown=0 hidden=1 ' .
		    'addresses=2'],
		["$ann ann.smith\@example.net", "recipient $ann: in To, " .
		    'by an alias', "$aliases:2: ann.smith\@example.net " .
		    'ann@example.org', 'verdict=pass by=open shown=1 ' .
		    'hidden=0 addresses=1'],
		["$joe undisclosed-recipients:;", "recipient $joe: hidden",
		    'verdict=reject by=no-recipients shown=0 hidden=1 ' .
		    'addresses=0'],
		["$joe \"", "recipient $joe: hidden",
		    'verdict=pass by=unknown shown=0 hidden=1 addresses=0'],
		["abuse\@x.test x\@y.test", "recipient abuse\@x.test: $role",
		    'verdict=pass by=nobody shown=0 hidden=0 addresses=1'],
	) {
		my ($words, @lines) = @$_;
		my ($status, $out, $said) = $tell->("test $words");
		is $out, join('', map { "$_\n" } @lines), "test $words";
		is "$status $said", '0 ', "test $words: status";
	}
	is $d->stat('decision_seconds_count'), 0, 'test: counts nothing';
	is scalar(() = verdicts($d)), 0, 'test: nor logs';
	for ('test', 'test x', 'nosuch', ' ', 'stats x', "test\tx") {
		my ($status, $out, $said) = $tell->($_);
		is "$status $out", '1 ', "error: $_";
		like $said, qr/^bccmilter: [^\n]+\z/, "error: $_: is said";
	}
	for (@hostile) {
		my ($what, $text) = @$_;
		my $word = substr $text =~ tr/\n//dr, 0, 900;
		for my $words ("$joe $word", "$word $joe") {
			my ($last, @lines) = $d->tell("test $words");
			like $last, qr/^(ok|error [ -~]+)$/,
			    "test: hostile: $what";
			is scalar(grep { !/^(recipient |verdict=)/ } @lines), 0,
			    "test: hostile: $what: no other lines";
		}
	}
	clean_log $d, 'test';

	my ($status, $out) = $tell->('help');
	is $status, 0, 'help: status';
	is_deeply [sort map { /^(\w+)/ } split /\n/, $out],
	    [qw(help reload stats test)], 'help: the commands' or diag $out;

	said($d, @hidden);
	said($d, @open, to => [$alice, '<b@a.test>']);
	said($d, headers => [['X-Bcc-Check', 'x'], @{ $open[1] }]);
	said($d, client => '127.0.0.1');
	said($d, from => '<>');
	my $m = met($d);
	($status, $out) = $tell->('stats');
	is $status, 0, 'stats: status';
	is_deeply [faults_of('bccmilter', $out)], [], 'stats: the format';
	my %stat = $out =~ /^bccmilter_([^# ]+) (\S+)$/mg;
	is_deeply { map { $_ => $stat{$_} } grep { /^(verdicts|recipients|
	    connections|sessions|errors|forged|decision_seconds_count|alias|
	    reload)/x && $stat{$_} } keys %stat }, {
		'connections_total' => 6, 'sessions' => 1,
		'recipients_total{found="shown"}' => 2,
		'recipients_total{found="hidden"}' => 2,
		'decision_seconds_count' => 3, 'forged_headers_total' => 1,
		map({ my ($v, $by) = @$_;
		    (qq(verdicts_total{verdict="$v",by="$by"}) => 1) }
		    ['reject', 'none-listed'], ['reject', 'some-listed'],
		    ['pass', 'open'], ['pass', 'bounce']),
		qq(alias_entries{list="$aliases"}) => 3 },
	    'stats: what was counted' or diag $out;
	is $stat{'exempt_total{why="loopback"}'}, 1, 'stats: exempt';
	is_deeply [sort map { /^verdicts_total.*by="(.*)"/ } keys %stat],
	    [sort qw(bounce sender nobody open automatic list resent unknown
	    none-listed some-listed no-recipients)], 'stats: all words';
	$m->quit;
	is_idle $d, 'stats';

	($status, $out) = $tell->('reload');
	is "$status $out", '0 ', 'reload';
	is $d->stat('reloads_total'), 1, 'reload: counted';
	file('aliases', "nobody\n");
	($status, $out, my $said) = $tell->('reload');
	is "$status $said", '1 bccmilter: reload failed, see the log; the ' .
	    'old lists stay', 'reload: a bad list';
	is $d->stat('reload_failed_total'), 1, 'reload: a bad list: counted';
	($status, $out, $said) = bcc_said("test $joe $joe\nreload\nhelp\n",
	    -tell => '-', $d->control);
	is $status, 1, '-tell -: status';
	like $out, qr/ by=open .*\bhelp\b/s, '-tell -: the answers';
	($status, $out, $said) = bcc_said(undef, -tell => 'help', $nowhere);
	is "$status $out", '1 ', '-tell: nobody there';
	like $said, qr/^bccmilter: /, '-tell: nobody there: is said';
	my @command = grep { $_ ne '-control' && $_ ne $d->control }
	    $d->command('-check', -alias => $good);
	is scalar(grep { $_ eq '-control' } @command), 0, 'without -control';
}

# --- what is asked of the MTA, and nothing more

for (
	# options, macros at CONNECT and MAIL
	[[], '', '{auth_authen} {verify}'],
	[['-scanauth'], '', ''],
	[[-whitelist => $clients], '', '{auth_authen} {verify}'],
	[[-whitelist => file('names', ".friend.example\n")],
	    '{client_resolve}', '{auth_authen} {verify}'],
) {
	my ($options, $connect, $mail) = @$_;
	my $m = Milter->new(bcc(@$options)->socket);
	is $m->commands, 'c-Mr-lN--', "commands asked for: @$options";
	is_deeply [@{ $m->{wanted} }{0 .. 6}], [$connect, '', $mail, '', '',
	    '', 'i'], "macros asked for: @$options" or
	    diag explain $m->{wanted};
	$m->quit;
}

# --- and now time has passed

for (@watches) {
	my ($d, $l, $path) = @$_{qw(d list path)};
	is said($d, @{ $l->{by_one} }), $l->{said},
	    "-autoupdate: $l->{option}: before";
	is said($d, @{ $l->{by_two} }), $l->{else},
	    "-autoupdate: $l->{option}: before that";
	file($path, $l->{two});
}
for (@watches) {
	my ($d, $l) = @$_{qw(d list)};
	eventually { $d->stat('reloads_total') > 0 } 25;
	is said($d, @{ $l->{by_two} }), $l->{said},
	    "-autoupdate: $l->{option}: the new list";
	is said($d, @{ $l->{by_one} }), $l->{else},
	    "-autoupdate: $l->{option}: not the old one";
}
is said($blind, @hidden), 'marked none-listed', 'without -autoupdate';
$tested{autoupdate} = 1;

# --- and none is left out

my ($status, $help) = run(program('bccmilter'), '-help');
my @options = $help =~ /^  -(\w+)/mg;
is scalar(@options), 26, 'there are options';
is join(' ', grep { !$tested{$_} } @options), '', 'every option has a test';
my %there = map { $_ => 1 } @options;
is join(' ', grep { !$there{$_} } sort keys %tested), '',
    'and every test an option';

done_testing;
