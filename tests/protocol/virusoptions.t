# Every option of virusmilter: what it does, and what is said of bad values.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Fakeclamd;
use Milter;
use Virusmilter;

# A thousand starts; what they start is watched by the tests of sessions, too.
plan skip_all => 'it takes too long when it is watched' if $ENV{WATCH};

my $dir = folder;
my $sock = "$dir/never";
my $clamd = Fakeclamd->start;
my @asks = (-clamd => $clamd->socket);
my @exe = (parts => [attached('a.exe')]);
my @bad = (headers => [['Content-Type', 'multipart/x']]);
my $exe = '550 5.7.1 Not accepted: Milter.Name.exe';
my $why_bad = 'a multipart without a boundary';
my $down = '451 4.3.0 no virus scanner can be asked';
my %tested;

sub said {
	my ($d, @with) = @_;
	return mail($d, @with)->{said};
}

# The same, wherever it is decided.
sub told {
	return said(@_) =~ s/ at eoh$//r;
}

# Run it with words: "status", its output, its complaints; a text is its
# standard input.
sub virus_said {
	my ($text, @words) = @_;
	my @in = defined $text ? ('sh', '-c', 'exec "$@" <"$0"',
	    file('stdin', $text)) : ();
	my ($status, $out, $err) = run(@in, program('virusmilter'), @words);
	return ($status, $out, join "\n", complaints($err));
}

# --- lists of each kind: an option, a list, another one, a bad one and what is
# said of it; a mail that the first one is about, and what becomes of it; the
# same for the second; what becomes of these mails without

my @lists = (
	{ option => '-whitelist', one => "203.0.113.1\n",
	    two => "198.51.100.0/24\n", bad => "203.0.113.300\n",
	    by_one => [@exe, client => '203.0.113.1'],
	    by_two => [@exe, client => '198.51.100.7'],
	    said => 'exempt', else => $exe, stat => 'list' },
	{ option => '-whitelist', one => ".friend.example\n",
	    two => ".other.example\n", bad => "friend\n",
	    by_one => [@exe, host => 'mx.friend.example'],
	    by_two => [@exe, host => 'other.example'],
	    said => 'exempt', else => $exe, stat => 'list' },
	{ option => '-signatures', one => "Worm.A body click here\n",
	    two => "Worm.A content hex:00ff00FF\n",
	    bad => "Worm.B content hex:00ff0\n",
	    by_one => [body => "Do CLICK here!\r\n"],
	    by_two => [parts => [attached('a.bin', "ab\0\xff\0\xffcd")]],
	    said => '550 5.7.1 Not accepted: Worm.A', else => 'Clean',
	    stat => 'signature' },
	{ option => '-signatures', one => "Worm.A\tname\tdetails.\t\n",
	    two => "Worm.A header:subject  your details \n",
	    bad => "Worm.B nowhere details\n",
	    by_one => [parts => [attached('=?utf-8?Q?DETAILS=2Edoc?=')]],
	    by_two => [headers => [[Subject => "Re: your\r\n details"]]],
	    said => '550 5.7.1 Not accepted: Worm.A', else => 'Clean',
	    stat => 'signature' },
	{ option => '-ignore', one => "Milter.Name.*\n",
	    two => "milter.zip.PIF\n", bad => "Milter.Name.exe x\n",
	    by_one => [@exe],
	    by_two => [parts => [attached('a.zip', "PK\3\4" . pack('v5V3v2',
	    20, 0, 8, 0, 0, 0, 4, 4, 5, 0) . 'a.pif')]],
	    said => 'Clean', else => qr/^550 5\.7\.1 Not accepted: Milter/,
	    stat => 'ignore' },
);

sub is_said {
	my ($got, $want, $what) = @_;
	return ref $want ? like $got, $want, $what : is $got, $want, $what;
}

# --- what takes time: begun here, looked at in the end

my %watched = map { $_->{option} => $_ } reverse @lists;
my @watches = map { my ($n, $l) = ($_, $watched{$_});
    { list => $l, path => file("watched$n", $l->{one}) } } sort keys %watched;
$_->{d} = virus('-autoupdate', $_->{list}{option} => $_->{path})
    for @watches;
my $blind = virus(-ignore => file('unwatched', "none\n"));
file('unwatched', "Milter.*\n");

# --- -clamd

$tested{clamd} = 1;
{
	my $tcp = Fakeclamd->start(inet => 1);
	my ($port) = $tcp->socket =~ /:(\d+)$/;
	my @worm = (body => "WORM=Eicar\r\n");
	is said(virus, @worm), 'Clean', 'without -clamd';
	for ($clamd->socket, 'unix:' . $clamd->socket, "127.0.0.1:$port",
	    "[127.0.0.1]:$port", "inet:$port\@127.0.0.1",
	    "inet:$port\@[127.0.0.1]", "localhost:$port") {
		is said(virus(-clamd => $_), @worm),
		    '550 5.7.1 Virus found: Eicar', "-clamd: $_";
	}
	my $none = Fakeclamd->start->stop;
	is said(virus(map({ (-clamd => $none->socket) } 1 .. 7),
	    -clamd => $tcp->socket), @worm), '550 5.7.1 Virus found: Eicar',
	    '-clamd: the eighth';
}

# --- -maxscan, -scans, -deadline

$tested{$_} = 1 for qw(maxscan scans deadline);
for (
	# -maxscan, bytes of a body, what clamd is sent
	[undef, 25 << 20, 24 << 20], [1, 2 << 20, 1 << 20],
	[2, 3 << 20, 2 << 20], [4000, 3 << 20, (3 << 20) + length
	    "From virusmilter Thu Jan  1 00:00:00 1970\r\n\r\n"],
) {
	my ($max, $size, $sent) = @$_;
	my $d = virus(@asks, defined $max ? (-maxscan => $max) : ());
	$clamd->forget;
	my $piece = 'x' x 65536;
	my $left = $size / length $piece;
	mail($d, headers => [], body => sub { $left-- > 0 ? $piece : undef });
	is_deeply [$clamd->asked], ["INSTREAM $sent"], '-maxscan ' .
	    ($max // 'by default');
}
for ([[], 32], [[-scans => 1], 1], [[-scans => 3], 3]) {
	my ($options, $count) = @$_;
	my $hanging = Fakeclamd->start;
	my $d = virus(-clamd => $hanging->socket, @$options);
	$hanging->act(sub { $_[0]->hang });
	my @m;
	for (1 .. $count) {
		my $m = met($d);
		$m->mail('<joe@client.example>');
		$m->rcpt('<alice@example.test>');
		$m->header(Subject => 'test');
		$m->eoh;
		$m->send('E');
		push @m, $m;
	}
	eventually { $d->stat('scans_under_way') == $count } 10;
	is $d->stat('scans_under_way'), $count, "-scans: @$options";
	is said($d), $down, "-scans: @$options: and one more";
	like +(verdicts($d))[-1], qr/ name=too_many_scans_at_once /,
	    "-scans: @$options: and why";
	$hanging->act;
	$_->reply, $_->quit for @m;
	is said($d), 'Clean', "-scans: @$options: and later";
}
{
	my $hanging = Fakeclamd->start;
	my $d = virus(-clamd => $hanging->socket, -deadline => '1s');
	$hanging->act(sub { $_[0]->take; $_[0]->hang });
	my $begin = time;
	is said($d), $down, '-deadline';
	cmp_ok time - $begin, '<', 4 * slow, '-deadline: in time';
	like +(verdicts($d))[-1], qr/ name=no_answer_in_1_seconds /,
	    '-deadline: logged';
}

# --- -signatures: each place, and no other

{
	my $list = file('signatures', <<'END');
; of a test
Sig.Subject	header:Subject	needle
Sig.Mailer	HEADER:x-mailer	Needle One
Sig.Name	name	needle
Sig.Body	body	n=65edle
Sig.Body	body	hex:4E4545444c45202a
Sig.Content	content	needle in content
Sig.Hex		content	hex:fffefdfc
END
	my $d = virus(-signatures => $list);
	my $part = "Content-Transfer-Encoding: quoted-printable\r\n";
	for (
		# what, a message, what is found
		['Subject', [headers => [[Subject => 'a NEEDLE']]], 'Subject'],
		['folded by a tab', [headers => [['X-Mailer',
		    "x needle\r\n\tone"]]]],
		['unfolded', [headers => [['X-Mailer', "x needle\r\n one"]]],
		    'Mailer'],
		['another field', [headers => [['X-Subject', 'needle']]]],
		['the same of a part', [parts => [["Subject: needle\r\n",
		    'x']]]],
		['a name', [parts => [attached('the-Needle.doc')]], 'Name'],
		['a name in a zip', [parts => [attached('a.zip', "PK\3\4" .
		    pack('v5V3v2', 20, 0, 8, 0, 0, 0, 4, 4, 10, 0) .
		    'needle.txt')]], 'Name'],
		['no name', [headers => [], body => 'needle']],
		['the body, as it comes', [body => 'n=65edle'], 'Body'],
		['the body, not decoded', [parts => [[$part, 'x N=65EDLE']]],
		    'Body'],
		['in hex', [body => 'NEEDLE *'], 'Body'],
		['in hex: case counts', [body => 'needle *']],
		['content', [body => 'needle in content'], 'Content'],
		['content, decoded', [parts => [[$part, 'needle=20in=20' .
		    "con=\r\ntent"]]], 'Content'],
		['content, base64', [parts => [attached('a',
		    'x needle in content')]], 'Content'],
		['content, hex', [parts => [attached('a', "\xff\xfe\xfd\xfc")]],
		    'Hex'],
		['content, in two parts', [parts => [attached('a',
		    'needle in '), attached('b', 'content')]]],
	) {
		my ($what, $message, $name) = @$_;
		is told($d, @$message), defined $name ? '550 5.7.1 Not ' .
		    "accepted: Sig.$name" : 'Clean', "-signatures: $what";
	}
	is $d->stat("signature_entries{list=\"$list\"}"), 7,
	    '-signatures: entries';
	# Over the end of a piece, wherever that is.
	for my $at (1 .. 8) {
		my @pieces = (substr('xNEEDLE *', 0, $at),
		    substr('xNEEDLE *', $at));
		is said($d, body => sub { shift @pieces }),
		    '550 5.7.1 Not accepted: Sig.Body',
		    "-signatures: divided at $at";
	}
}

# --- -ignore: whoever finds it

{
	my $d = virus(@asks, -signatures => file('sigs', "Sig.A body needle\n" .
	    "Sig.B body other needle\n"), -ignore => file('ignore',
	    "# not these\nsig.a # tried\nMilter.Name.[el]x[ek]\n" .
	    "heuristics.*\nPUA.?\n"));
	for (
		[[body => 'needle'], 'Clean'],
		[[body => 'other needle'], '550 5.7.1 Not accepted: Sig.B'],
		[[@exe], 'Clean'],
		[[parts => [attached('a.exe'), attached('a.pif')]],
		    '550 5.7.1 Not accepted: Milter.Name.pif'],
		[[parts => [attached('a.com')]],
		    '550 5.7.1 Not accepted: Milter.Name.com'],
		[[body => "WORM=Heuristics.Phishing\r\n"], 'Clean'],
		[[body => "WORM=Pua.X\r\n"], 'Clean'],
		[[body => "WORM=Pua.XX\r\n"],
		    '550 5.7.1 Virus found: Pua.XX'],
		# What is ignored is scanned by clamd.
		[[parts => [attached('a.exe'), ['', "WORM=Eicar\r\n"]]],
		    '550 5.7.1 Virus found: Eicar'],
		# And what cannot be read is still not read.
		[[@bad, body => "WORM=Pua.X\r\n"], "Unscannable ($why_bad)"],
	) {
		my ($message, $said) = @$_;
		is said($d, @$message), $said, "-ignore: $said";
	}
	like +(verdicts($d))[5], qr/^verdict=pass by=clean name=Heuristics\.Ph/,
	    '-ignore: logged';
	is said(virus(@asks), body => "WORM=Heuristics.Phishing\r\n"),
	    '550 5.7.1 Virus found: Heuristics.Phishing', 'without -ignore';
}

# --- -action, -markonly, -dryrun, -unscannable

my %becomes = (
	# action: of what is infected, of what is unscannable
	reject => [$exe, "550 5.7.1 Not accepted, cannot be scanned: $why_bad"],
	tempfail => [$exe =~ s/550 5/451 4/r,
	    "451 4.7.1 Not accepted, cannot be scanned: $why_bad"],
	discard => ['discarded', 'discarded'],
	quarantine => ['quarantined: virusmilter: Milter.Name.exe, Infected ' .
	    '(Milter.Name.exe)', "quarantined: virusmilter: $why_bad, " .
	    "Unscannable ($why_bad)"],
	mark => ['Infected (Milter.Name.exe)', "Unscannable ($why_bad)"],
	none => ['unchanged', "Unscannable ($why_bad)"],
);
for (
	# options, the action, the action for what is unscannable
	[[], 'reject', 'mark'],
	[['-markonly'], 'mark', 'mark'],
	[['-markonly', -action => 'mark'], 'mark', 'mark'],
	[['-dryrun'], 'none', 'no'],
	[['-dryrun', -action => 'none', -unscannable => 'reject'], 'none',
	    'no'],
	map({ [[-action => $_], $_, $_ eq 'none' ? 'no' : 'mark'] }
	    keys %becomes),
	map({ [[-unscannable => $_], 'reject', $_] } keys %becomes),
	map({ [[-unscannable => $_, '-markonly'], 'mark', $_] } keys %becomes),
) {
	my ($options, $action, $other) = @$_;
	my $d = virus(@$options);
	my $what = "@$options" || 'by default';
	is said($d, @exe), $becomes{$action}[0], "action: $what: infected";
	is said($d, @bad), $other eq 'no' ? 'unchanged' : $becomes{$other}[1],
	    "action: $what: unscannable";
	is said($d), $action eq 'none' ? 'unchanged' : 'Clean',
	    "action: $what: clean";
	is +(verdicts($d))[0] =~ s/ by=.*//r, "verdict=$action",
	    "action: $what: the log";
	my $m = Milter->new($d->socket);
	is $m->{actions} & 0x1ff, $action eq 'none' ? 0 :
	    grep({ $_ eq 'quarantine' } $action, $other) ? 0x31 : 0x11,
	    "action: $what: what it may change";
	$m->quit;
}
$tested{$_} = 1 for qw(action markonly dryrun unscannable);

# --- -rejectmessage

$tested{rejectmessage} = 1;
for (
	# options, text
	[[], 'Not accepted: Milter.Name.exe'],
	[[-rejectmessage => 'no: %l'], 'no: Milter.Name.exe'],
	[[-rejectmessage => '%i|%q|100%%'], '192.0.2.1|q1|100%%'],
	[[-rejectmessage => '%%l%%%l'], '%%l%%Milter.Name.exe'],
	[[-rejectmessage => "a\r\nb\e\x{e9}"], 'a??b??'],
	[[-rejectmessage => ' '], ' '],
	[[-rejectmessage => 'x' x 2000], 'x' x 489],
	[[-rejectmessage => '%l ' x 100], substr 'Milter.Name.exe ' x 100, 0,
	    489],
) {
	my ($options, $text) = @$_;
	my $what = substr("@$options", 0, 40) =~ s/[^ -~]/?/gr;
	for (['reject', '550 5.7.1'], ['tempfail', '451 4.7.1']) {
		my ($action, $codes) = @$_;
		is said(virus(-action => $action, @$options), @exe),
		    "$codes $text", "$what: $action";
	}
}
{
	my $d = virus(@asks, -unscannable => 'tempfail', -rejectmessage =>
	    '%i %l %q');
	is said($d, @exe, client => '2001:db8::1'),
	    '550 5.7.1 2001:db8::1 Milter.Name.exe q1', '-rejectmessage: IPv6';
	is said($d, @bad), "451 4.7.1 192.0.2.1 $why_bad q1",
	    '-rejectmessage: -unscannable';
	is said($d, body => "WORM=a%l\e\r\n", qid => "a\r\nb%l"),
	    '550 5.7.1 192.0.2.1 a%%l? a??b%%l',
	    '-rejectmessage: what it stands for is cleaned';
	$d->tell('emergency on');
	is said($d, @exe), '550 5.7.1 192.0.2.1 Milter.Emergency q1 at eoh',
	    '-rejectmessage: an emergency';
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt('<alice@example.test>');
	$m->header('Content-Type', 'multipart/mixed; boundary=b');
	is $m->eoh->{text}, '550 5.7.1 192.0.2.1 Milter.Emergency NOQUEUE',
	    '-rejectmessage: no queue id';
	$m->quit;
}

# --- -onerror: a clamd that is not there; an MTA that takes no change

$tested{onerror} = 1;
my $gone = Fakeclamd->start->stop;
for (
	# options, what becomes of a mail that nobody scanned, the reply where
	# no change is taken
	[[], $down, 'y 451 4.3.0'],
	[[-onerror => 'tempfail'], $down, 'y 451 4.3.0'],
	[[-onerror => 'accept'], 'Unknown (no scanner)', 'a'],
) {
	my ($options, $said, $want) = @$_;
	my $d = virus(-clamd => $gone->socket, @$options);
	is said($d), $said, "no clamd: @$options";
	is $d->stat('errors_total'), 1, "no clamd: @$options: counted";
	is +(verdicts($d))[-1] =~ s/ name=.*//r, 'verdict=' .
	    ($want eq 'a' ? 'mark' : 'tempfail') . ' by=down',
	    "no clamd: @$options: logged";
	is said($d, @exe), $exe, "no clamd: @$options: our own rules";
	is said($d, headers => [['X-Virus-Status', 'Clean']]), $want eq 'a' ?
	    "$said, removes X-Virus-Status 1" : $down,
	    "no clamd: @$options: a forged one";

	my $is = sub {
		my ($what, $d, @with) = @_;
		my $before = $d->stat('errors_total');
		my $r = mail($d, @with);
		is join(' ', $r->{at}, $r->{reply}, ($r->{text} // '') =~
		    /^(\S+ \S+)/), "eom $want", "$what: @$options";
		is $d->stat('errors_total'), $before + 1, "$what: counted";
	};
	$d = virus(@$options);
	$is->('no change', $d, actions => 2) for 1, 2;
	is scalar($d->lines(qr/^the MTA takes no change of a message, so /)),
	    1, "no change: @$options: logged once";
	$is->('no removal', $d, headers => [['X-Virus-Status', 'x']],
	    actions => 1);
	$is->('no field', $d, actions => 0x10);
	is said($d, @exe, actions => 0), $exe,
	    "no change: @$options: a refusal needs none";
	is said($d), 'Clean', "no change: @$options: another MTA";
	$d = virus(@$options, -action => 'quarantine');
	$is->('no quarantine', $d, @exe, actions => 0x11);
	is said(virus(@$options, '-dryrun'), @exe, actions => 0),
	    'unchanged', "no change: @$options: nor a dry run";
}
{
	my $d = virus('-dryrun');
	Milter->new($d->socket, actions => 0)->quit;
	is scalar($d->lines(qr/^the MTA takes no change/)), 0,
	    'no change: is no news where none is made';
	$d = virus;
	Milter->new($d->socket, actions => 0)->quit for 1, 2;
	is scalar($d->lines(qr/^the MTA takes no change of a message$/)), 1,
	    'no change: is said at once, and once';
}

# --- -emergency, -emergencyload, -emergencytime

$tested{$_} = 1 for qw(emergency emergencyload emergencytime);
{
	my @doc = (parts => [attached('a.doc')]);
	my $refused = '550 5.7.1 No attachments at the moment, a new worm is ' .
	    'about at eoh';
	my $there = file('there', '');
	my $hours = sub { utime time, time - 3600 * $_[0], $there };
	is said(virus, @doc), 'Clean', 'without -emergency';
	is said(virus(-emergency => $there), @doc), $refused, '-emergency';
	is said(virus(-emergency => "$dir/nowhere"), @doc), 'Clean',
	    '-emergency: no file';
	for ([3.9, [], 1], [4.1, [], 0], [3.9, [-emergencytime => '3h'], 0],
	    [4.1, [-emergencytime => '5h'], 1],
	    [167, [-emergencytime => '7d'], 1]) {
		my ($age, $options, $is) = @$_;
		$hours->($age);
		is said(virus(-emergency => $there, @$options), @doc), $is ?
		    $refused : 'Clean', "-emergency of $age h @$options";
	}
	my $d = virus;
	$d->tell('emergency on');
	like join('', $d->tell('emergency')), qr/ 14(400|39\d) seconds left/,
	    '-emergencytime: by default';
	$d = virus(-emergencytime => '2m');
	$d->tell('emergency on');
	like join('', $d->tell('emergency')), qr/ 1(20|1\d) seconds left/,
	    '-emergencytime: of a command';

	# The load is what it is.
	is said(virus(-emergencyload => $_), @doc), 'Clean',
	    "-emergencyload $_" for 0, 10_000;
	my $load = sub { (split ' ', Daemon::slurp('/proc/loadavg'))[0] };
	SKIP: {
		skip 'the machine has nothing to do', 2 if $load->() < 1.5;
		my $d = virus(-emergencyload => 1);
		is said($d, @doc), $refused, '-emergencyload 1';
		is +($d->tell('emergency'))[1], 'emergency: load',
		    '-emergencyload 1: said';
	}
}

# --- -report, -reporttime: what they say, and when, is in virusstorm.t

$tested{$_} = 1 for qw(report reporttime);
for ([[], undef], [[-report => 'X'], 14400],
    [[-report => 'X', -reporttime => '2d'], 172800]) {
	my ($options, $seconds) = @$_;
	my $path = "$dir/black" . ($seconds // '');
	my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5);
	my $d = virus(map { s/^X$/$path/r } @$options);
	said($d, parts => [attached('a.doc.exe')]);
	my $there = IO::Select->new($listener)->can_read(defined $seconds ?
	    20 : 0.3);
	my $line = $there ? readline $listener->accept : undef;
	is $line, defined $seconds ? "report 192.0.2.1 $seconds sent " .
	    "Milter.Name.exe\n" : undef, "-report: @$options";
	is defined $d->stat('reports_sent_total') ? 1 : 0,
	    defined $seconds ? 1 : 0, "-report: @$options: counters";
	$d->crash unless $ENV{WATCH};
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
for my $l (@lists) {
	my $option = $l->{option};
	my @one = @{ $l->{by_one} };
	my @two = @{ $l->{by_two} };
	$tested{substr $option, 1} = 1;

	# Without it; and with two of them.
	my $none = virus;
	is_said said($none, @$_), $l->{else}, "without $option"
	    for \@one, \@two;
	my $both = virus($option => file('one', $l->{one}), $option =>
	    file('two', $l->{two}));
	is told($both, @$_), $l->{said}, "$option twice" for \@one, \@two;
	is $both->stat("$l->{stat}_entries{list=\"$dir/$_\"}"), 1,
	    "$option: entries of $_" for qw(one two);
	is $none->stat("$l->{stat}_entries{list=\"$dir/one\"}"), undef,
	    "without $option: none";

	# A bad line.
	my $bad = "$l->{one}$l->{bad}";
	my $list = file('list', $bad);
	my ($status, $out, $said) = virus_said(undef, '-nodaemon',
	    $option => $list, $sock);
	ok $status == 78 && $out eq '' && $said =~
	    /^virusmilter: \Q$list\E:2: [^\n]*\z/,
	    "$option without -lenient" or diag "$status $said";
	my $lenient = virus($option => $list, '-lenient');
	is said($lenient, @one), $l->{said}, "$option -lenient: the rest";
	is_said said($lenient, @two), $l->{else},
	    "$option -lenient: nothing else";
	is $lenient->stat("$l->{stat}_bad_lines{list=\"$list\"}"), 1,
	    "$option -lenient: counted";
	is scalar($lenient->lines(qr/^\Q$list\E:2: /)), 1,
	    "$option -lenient: and logged";

	file('list', $l->{one});
	my $d = virus($option => $list);
	for (@reloads) {
		my ($how, $reload) = @$_;
		my $says = "$option, $how";
		file('list', $l->{one});
		$reload->($d, 1);
		is told($d, @one), $l->{said}, "$says: listed";
		is_said said($d, @two), $l->{else}, "$says: not listed";
		for (['a bad list', $bad], ['an empty one', ''],
		    ['one that was cut', $l->{one} =~ s/\n\z//r],
		    ['none at all']) {
			my ($what, $text) = @$_;
			my $seen = $d->lines(qr/^\Q$list\E/);
			defined $text ? file('list', $text) : unlink $list;
			$reload->($d, 0);
			is said($d, @one), $l->{said},
			    "$says: $what leaves the old list";
			is_said said($d, @two), $l->{else},
			    "$says: all of it";
			is scalar(() = $d->lines(qr/^\Q$list\E/)), $seen + 1,
			    "$says: $what is named";
		}
		file('list', $l->{two});
		$reload->($d, 1);
		is_said said($d, @one), $l->{else},
		    "bug_whitelist_never_cleared: $says";
		is told($d, @two), $l->{said}, "$says: the new list";
	}
	is $d->stat("$l->{stat}_entries{list=\"$list\"}"), 1,
	    "$option: counted";
}
$tested{lenient} = 1;

# A bad list of one kind keeps no other as it was; and a message is judged by
# the signatures that were there when it began.
{
	my $d = virus(-signatures => file('s', "Sig.A body needle\n"),
	    -ignore => file('i', "none\n"));
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt('<alice@example.test>');
	$m->header(Subject => 'x');
	file('s', "Sig.B body needle\n");
	file('i', "Milter.Name.exe x\n");
	is $d->tell('reload'), 'error reload failed, see the log; the old ' .
	    'lists stay', 'reload: one of two is bad';
	is said($d, body => 'needle'), '550 5.7.1 Not accepted: Sig.B',
	    'reload: the other is new';
	is said($d, @exe), $exe, 'reload: it stays';
	$m->eoh;
	$m->body('needle');
	is $m->eom->{text}, '550 5.7.1 Not accepted: Sig.A',
	    'reload: during a message';
	$m->quit;
}

# --- -debug

$tested{debug} = 1;
for my $option ([], ['-debug'], ['-d']) {
	my $d = virus({ quiet => 1 }, @$option);
	mail($d, @$_) for [], [@exe], [client => '127.0.0.1'], [@bad];
	is_deeply [map { /by=([a-z-]+)/ } verdicts($d)], [@$option ? qw(clean
	    rules loopback unscannable) : qw(rules unscannable)],
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
		    'virusmilter', control => "$home/c$n", pid =>
		    Daemon::spawn('/dev/null', $log, program('virusmilter'),
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
		is said($d, @exe, client => '203.0.113.7'), 'exempt',
		    "$what: the whitelist";
		is said($d), 'Clean', "$what: a stranger";
		is scalar(() = verdicts($d)), $n == 1 ? 0 : 2,
		    "$what: says so";
		is $d->tell('help'), 'ok', "$what: the control socket";
		is $d->stop, 0, "$what: stops" if $n == 1;
		ok !-e $socket && !-e "$home/c1" && -z "$pid.1",
		    "$what: and cleans up" if $n == 1;
		$d->retire if $n != 1;
	}
	my $back = Daemon->background({ name => 'virusmilter', socket =>
	    "$home/sb", control => "$home/cb" }, -user => $user);
	is $back->{started}, 0, 'without -nodaemon: in the background';
	is said($back, @exe), $exe, 'without -nodaemon: it serves';
	my ($status, $out, $err) = run(program('virusmilter'), '-nodaemon',
	    -control => $back->control, $sock);
	is $status, 69, 'a second one at its control socket';
	($status, $out, $err) = run(program('virusmilter'), '-nodaemon',
	    $back->socket);
	is $status, 69, 'a second one at its socket';

	($status, $out, $err) = run(program('virusmilter'), '-version');
	like "$status $out$err", qr/^0 virusmilter \d+\.\d+\n\z/, '-version';
	for my $option ('-help', '--help', '-h') {
		($status, $out, $err) = run(program('virusmilter'), $option);
		is "$status $err", '0 ', $option;
		like $out, qr/^usage: virusmilter \[options\] socket\n/,
		    "$option: the usage";
		is scalar(my @rows = $out =~ /^  -/mg), scalar(my @lines =
		    $out =~ /^\t./mg), "$option: a line for each option";
	}
	for ([maxscan => 24], [scans => 32], [deadline => 240],
	    [action => 'reject'], [unscannable => 'mark'],
	    [emergencyload => 0], [emergencytime => 14400],
	    [reporttime => 14400], [onerror => 'tempfail']) {
		my ($name, $default) = @$_;
		like $out, qr/^  -$name \S+\n\t.* \($default\)$/m,
		    "-help: the default of -$name";
	}
}

# Every prefix of a name that has a letter means that option.
for my $name (qw(whitelist user pidfile)) {
	for my $size (1 .. length $name) {
		my $prefix = substr $name, 0, $size;
		is +(virus_said(undef, '-check', "-$prefix", ''))[2],
		    "virusmilter: bad value for -$name: it is empty " .
		    '(see -help)', "prefix -$prefix";
	}
}
for my $name (qw(autoupdate debug help)) {
	for my $size (1 .. length $name) {
		my $prefix = substr $name, 0, $size;
		is +(virus_said(undef, '-check', "-$prefix=x"))[2],
		    "virusmilter: no such option: -$prefix=x (see -help)",
		    "prefix -$prefix takes no value";
		is +(virus_said(undef, '-check', "-$prefix"))[0], 0,
		    "prefix -$prefix";
	}
}

# --- -check

$tested{check} = 1;
my $sigs = file('goodsigs', "Sig.A body needle\n");
my $globs = file('goodglobs', "none\n");
my $clients = file('clients', "192.0.2.1\n");
my %good = (-signatures => $sigs, -ignore => $globs, -whitelist => $clients);
my @list_options = sort keys %good;
my $nowhere = "$dir/nowhere/file";
for ([], [$sock], [-rejectmessage => '%%'], [-clamd => $nowhere],
    [map { (-clamd => '127.0.0.1:3310') } 1 .. 8],
    [-whitelist => $clients, -whitelist => $clients],
    [map { (-signatures => $sigs) } 1 .. 63], ['-dryrun', -action => 'none'],
    ['-markonly', '-action=mark'], [-onerror => 'accept', -onerror =>
    'accept'], [-maxscan => 1, -scans => 1, -deadline => 1],
    [-maxscan => 4000, -scans => 1000, -deadline => '1h'],
    [-emergencytime => 1, -reporttime => '7d', -emergency => $nowhere,
    -report => $nowhere, -emergencyload => 10000],
    ['-lenient', -ignore => file('lenient', "a b\na\n")],
    [%good, '-autoupdate', -control => "$dir/c", -pidfile => "$dir/p", @asks,
    $sock]) {
	my ($status, $out, $said) = virus_said(undef, '-check', @$_);
	$said = '' if "@$_" =~ /-lenient/ && $said =~ /^[^\n]*lenient:1: /;
	is "$status $out$said", '0 ', 'may be: ' . substr "@$_", 0, 60;
}
for (map({ [78, qr/\Q$nowhere: No such file/, $_ => $nowhere] }
    @list_options), [64, qr/-action: refuse /, -action => 'refuse'],
    [64, qr/-rejectmessage: %x /, -rejectmessage => '%x'],
    [64, qr/x: not a socket/, -clamd => 'x'],
    [78, qr/no such user/, -user => 'nosuchuser']) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $said) = virus_said(undef, '-check', @args);
	is "$status $out", "$want ", "-check @args";
	like $said, qr/^[^\n]*$pattern[^\n]*\z/, "-check @args: is said";
}
is join(' ', grep { -e } $sock, "$dir/c", "$dir/p"), '',
    '-check: makes nothing';
{
	my $d = virus;
	$clamd->forget;
	my ($status, $out, $said) = virus_said(undef, '-check', @asks,
	    -control => $d->control, $d->socket);
	is "$status $out$said", '0 ', '-check: beside a daemon';
	is_deeply [$clamd->asked], [], '-check: asks no clamd';
	is said($d), 'Clean', '-check: which goes on';
}

# --- bad values, and what contradicts

my %bad = (-whitelist => file('badips', "192.0.2.1\n192.0.2.1/24\n"),
    -ignore => file('badglobs', "a\nb c\n"),
    -signatures => file('badsigs', "Sig.A body needle\nSig.B body abc\n"));
my $data = file('data', "somebody's data\n");
my $made = 0;
my @no_sockets = ('x', 'localhost', 'x:', ':3310', '127.0.0.1:0',
    '127.0.0.1:65536', '127.0.0.1:x', '127.0.0.1:-1', '::1:3310', '[::1]',
    '[::1]:', '[]:3310', 'inet:3310', 'inet:@x', 'inet:x@localhost',
    'unix:x', 'unix:', 'x' x 300 . ':3310');
my @wrong = (
	# status, the line, arguments
	[64, qr/missing: socket/],
	[64, qr/: second /, $sock, 'second'],
	[64, qr/no such option: -nosuch /, '-nosuch', $sock],
	[64, qr/no such option: -blacklist /, -blacklist => $sigs, $sock],
	[64, qr/no such option: -scanauth /, '-scanauth', $sock],
	[64, qr/no such option: -db /, -db => $dir, $sock],
	[64, qr/no such option: -lenient=1 /, '-lenient=1', $sock],
	map({ [64, qr/no such option: -$_ /, "-$_", $sigs, $sock] } qw(r s c
	    re em m e)),
	[64, qr/value missing: -clamd /, $sock, '-clamd'],
	map({ my ($name, @values) = @$_; map { [64,
	    qr/bad value for -$name: \Q$_\E /, "-$name", $_, $sock] } @values }
	    [maxscan => '0', '4001', '-1', 'x', '1M', '1.5', '99999999999'],
	    [scans => '0', '1001', '-1', 'x', '10s'],
	    [deadline => '0', '2h', '3601', '-1', 'x', '1x', '1m1s'],
	    [emergencyload => '-1', '10001', 'x'],
	    [emergencytime => '0', '8d', 'x'],
	    [reporttime => '0', '8d', '604801', 'x'],
	    [action => 'refuse', 'Reject', 'rejec', 'mark|none', 'pass'],
	    [unscannable => 'refuse', 'Mark', 'mar', 'accept'],
	    [onerror => 'reject', 'Accept'],
	    [socketmode => '0888', '1777', 'x']),
	map({ [64, qr/bad value for -$_: it is empty/, "-$_", '', $sock] }
	    qw(clamd signatures ignore emergency report whitelist
	    rejectmessage control user pidfile)),
	map({ [64, qr/\Q$_: not a socket, as /, -clamd => $_, $sock] }
	    @no_sockets),
	[64, qr/nosuchhost\.invalid:3310: /, -clamd =>
	    'nosuchhost.invalid:3310', $sock],
	[64, qr{^virusmilter: /x{200}: }, -clamd => '/' . 'x' x 200, $sock],
	[64, qr/10: more than 8 sockets of clamd/, map({ (-clamd =>
	    "127.0.0.1:33$_") } '02' .. '10'), $sock],
	map({ [64, qr/too often: ${\substr $_, 1} /, ($_ => $good{$_}) x 64,
	    $sock] } @list_options),
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
	    [-unscannable => 'mark', -unscannable => 'none'],
	    [-onerror => 'accept', -onerror => 'tempfail']),

	map({ my $option = $_;
	    [78, qr/\Q$nowhere: No such file/, $option => $nowhere, $sock],
	    [78, qr/\Q$dir: not a regular file/, $option => $dir, $sock],
	    [78, qr/\Q$bad{$option}\E:2: /, $option => $bad{$option}, $sock] }
	    @list_options),
	map({ my ($line, $why) = @$_; my $n = ++$made;
	    [78, qr/:1: \Q$why\E/, -signatures => file("sig$n", "$line\n"),
	    $sock] }
	    ['Sig.A', 'neither header:FIELD nor name, body or content'],
	    ['Sig.A body', 'pattern too short'],
	    ['Sig.A body abc', 'pattern too short'],
	    ['Sig.A content hex:001122', 'pattern too short'],
	    ['Sig.A content hex:0011223', 'an odd number of hex digits'],
	    ['Sig.A content hex:0011223x', 'not a hex digit'],
	    ['Sig.A body ' . 'x' x 257, 'pattern too long'],
	    ['Sig.A content hex:' . '00' x 257, 'pattern too long'],
	    ['Sig.A header: needle', 'no name of a field behind header:'],
	    ['Sig.A header needle', 'neither header:FIELD nor name'],
	    ['Sig(A) body needle', 'not a name of a signature'],
	    ['x' x 80 . ' body needle', 'not a name of a signature'],
	    ["Sig.A body nee\0dle", 'NUL in the line'],
	    ['Sig.A body ' . ' ' x 1100 . 'needle', 'line too long']),
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
	my ($status, $out, $said) = virus_said(undef, '-nodaemon', @args);
	my $took = time - $begin;
	ok $status == $want && $out eq '' && !-e $sock &&
	    $said =~ /^virusmilter: [^\n]*\z/ && $said =~ $pattern &&
	    ($took < slow || "@args" =~ /nosuchhost/),
	    "$want: " . substr("@args", 0, 60) =~ s/[^ -~]/?/gr or
	    diag "status $status after $took s: $out$said";
}
is Daemon::slurp($data), "somebody's data\n",
    'what was in the way is unchanged';

# --- what is asked of the MTA, and nothing more

{
	# Without -control, too.
	my $n = 0;
	my $bare = sub {
		my $socket = "$dir/bare" . ++$n;
		my $d = bless { socket => $socket, log => "$socket.log",
		    name => 'virusmilter', pid => Daemon::spawn('/dev/null',
		    "$socket.log", program('virusmilter'), '-nodaemon', @_,
		    $socket) }, 'Daemon';
		Daemon::watch($d);
		eventually { $d->log =~ / ready on / || $d->gone } 30;
		return $d;
	};
	my @control = (-control => "$dir/barecontrol");
	my $i = 'i';
	for (
		# options, the commands, macros at CONNECT and at the end of
		# the header
		[[], 'C-mr-lnb-', '', ''],
		[[@control], 'C-mr-lNb-', '', $i],
		[[-emergency => $nowhere], 'C-mr-lNb-', '', $i],
		[[-emergencyload => 9999], 'C-mr-lNb-', '', $i],
		[['-dryrun'], 'C-mr-lnb-', '', ''],
		[[@asks], 'C-mr-lnb-', '', ''],
		[[-whitelist => file('others', "203.0.113.0/24\n")],
		    'C-mr-lnb-', '', ''],
		[[-whitelist => file('names', ".friend.example\n")],
		    'C-mr-lnb-', '{client_resolve}', ''],
	) {
		my ($options, $commands, $connect, $eoh) = @$_;
		my $what = @$options ? "@$options" =~ s/\Q$dir\E\S*/X/gr :
		    'nothing';
		my $d = $bare->(@$options);
		my $m = Milter->new($d->socket);
		is $m->commands, $commands, "commands asked for: $what";
		is $m->{steps} & 0x800, 0, "no recipient that was refused";
		is_deeply [@{ $m->{wanted} }{0 .. 6}], [$connect, '',
		    'j {auth_authen} {verify}', '', '', 'i', $eoh],
		    "macros asked for: $what" or diag explain $m->{wanted};
		$m->quit;
		# It works like this: what the header says is known later.
		is said($d, headers => [['Content-Disposition',
		    'attachment; filename=a.exe']]), "@$options" =~ /dry/ ?
		    'unchanged' : $exe . ($commands =~ /N/ ? ' at eoh' : ''),
		    "a name in the header: $what";
		unlike $d->log, qr/claimed not to reply/,
		    "no reply that nobody waits for: $what";
		$d->retire;
	}
}

# --- -check, -why and -tell

$tested{$_} = 1 for qw(why tell);	# in viruswhy.t

# --- and now time has passed

for (@watches) {
	my ($d, $l, $path) = @$_{qw(d list path)};
	is said($d, @{ $l->{by_one} }), $l->{said},
	    "-autoupdate: $l->{option}: before";
	is_said said($d, @{ $l->{by_two} }), $l->{else},
	    "-autoupdate: $l->{option}: before that";
	file($path, $l->{two});
}
for (@watches) {
	my ($d, $l) = @$_{qw(d list)};
	eventually { $d->stat('reloads_total') > 0 } 25;
	is told($d, @{ $l->{by_two} }), $l->{said},
	    "-autoupdate: $l->{option}: the new list";
	is_said said($d, @{ $l->{by_one} }), $l->{else},
	    "-autoupdate: $l->{option}: not the old one";
}
is said($blind, @exe), $exe, 'without -autoupdate';
$tested{autoupdate} = 1;

# --- and none is left out

my ($status, $help) = run(program('virusmilter'), '-help');
my @options = $help =~ /^  -(\w+)/mg;
is scalar(@options), 31, 'there are options';
is join(' ', grep { !$tested{$_} } @options), '', 'every option has a test';
my %there = map { $_ => 1 } @options;
is join(' ', grep { !$there{$_} } sort keys %tested), '',
    'and every test an option';

done_testing;
