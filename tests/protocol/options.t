# Every option, by what it does.
use strict;
use warnings;
use Test::More;

use Daemon;
use Milter;

my $header = 'X-IP-Blacklisted';
my $dir = folder;
my $black = file('black', join '', map { "$_\n" } '192.0.2.0/24',
    '198.51.100.9', '127.0.0.1', '::1', '2001:db8:bad::/48');
my $second = file('second', "192.0.2.1\n192.0.2.2\n");
my $white = file('white', "198.51.100.9\n192.0.2.99\n");
my @black = (-blacklist => $black);

# Options that have their test here or, with a reason, in another file.
my %tested = map { $_ => 1 } qw(blacklist whitelist at action),
    # start.t: what they do to the process and its files
    qw(user pidfile socketmode nodaemon debug version help),
    # reload.t: it takes time
    'autoupdate',
    # control.t: reports add up, records survive
    qw(db reportthreshold);

# Where a session was decided, and how: "helo 554 5.7.1", "connect a".
sub verdict_on {
	my ($d, $address, %with) = @_;
	my $r = Milter->session($d->socket, $address, %with);
	my $answer = $r->{reply} eq 'y' ?
	    $r->{text} =~ s/^(\S+ \S+) .*/$1/r : $r->{reply};
	return join ' ', $r->{at}, $answer,
	    map { $_->[0] } @{ $r->{changes} };
}

# What is said at a start that must not be.
sub complaint_of {
	my ($status, $out, $err) = run(program('blackmilter'), '-nodaemon',
	    @_, "$dir/never");
	return "$status $err";
}

# --- -blacklist, -whitelist, -at, -action: who is told what at which command

my %auth = (macros => { M => ['{auth_authen}' => 'joe'] });
my %tls = (macros => { M => ['{verify}' => 'OK'] });
my %not_tls = (macros => { M => ['{verify}' => 'FAIL',
    '{auth_authen}' => ''] });
my %role = (to => ['<PostMaster@example.test>', '<abuse@example.test>']);

# For each action what a listed client gets at each command, at RCPT, and
# what an unlisted one gets.
my %answers = (
	reject => ['connect 554 5.7.1', 'helo 554 5.7.1', 'mail 554 5.7.1',
	    'rcpt 554 5.7.1', 'connect a'],
	tempfail => ['connect 421 4.3.2', 'helo 421 4.3.2', 'mail 421 4.3.2',
	    'rcpt 451 4.3.2', 'connect a'],
	quarantine => [('eom c q') x 4, 'connect a'],
	discard => [('eom d') x 4, 'connect a'],
	mark => [('eom c h') x 4, 'eom c'],
	none => ['connect a', 'helo a', 'mail a', 'eom c', 'connect a'],
);
my %number = (connect => 0, helo => 1, mail => 2, rcpt => 3);

for my $action (sort keys %answers) {
	for my $at (sort keys %number) {
		my $n = $number{$at};
		my $listed = $answers{$action}[$n];
		my $unlisted = $answers{$action}[4];
		my $spares = $n >= 2 || $listed =~ /^eom/;
		my $spared = $spares ? 'mail a' : $listed;
		my @clients = (
			['listed', '192.0.2.1', $listed],
			['listed v6', '2001:db8:bad::1', $listed],
			['listed v4-mapped', '::ffff:192.0.2.1', $listed],
			['unlisted', '198.51.100.1', $unlisted],
			['unlisted v6', '2001:db8:1::1', $unlisted],
			['unlisted v4-mapped', '::ffff:198.51.100.1',
			    $unlisted],
			['whitelisted', '198.51.100.9', 'connect a'],
			['whitelisted part', '192.0.2.99', 'connect a'],
			['loopback', '127.0.0.1', 'connect a'],
			['loopback network', '127.9.9.9', 'connect a'],
			['loopback v6', '::1', 'connect a'],
			['loopback v4-mapped', '::ffff:127.0.0.1', 'connect a'],
			['local', undef, 'connect a'],
			['AUTH', '192.0.2.1', $spared, %auth],
			['verified TLS', '192.0.2.1', $spared, %tls],
			['TLS, not verified', '192.0.2.1', $listed, %not_tls],
			['role', '192.0.2.1', $at eq 'rcpt' ? 'eom c' :
			    $listed, %role],
			['role among others', '192.0.2.1', $action =~
			    /^(reject|tempfail)$/ || $at ne 'rcpt' ? $listed :
			    'eom c', to => [$role{to}[0], '<bob@a.test>']],
		);
		my $d = Daemon->start(@black, -whitelist => $white,
		    -at => $at, -action => $action);
		is verdict_on($d, @$_[1, 3 .. $#$_]), $_->[2],
		    "-at $at -action $action: $_->[0]" for @clients;
		is $d->stat("exempt_total{why=\"$_->[0]\"}"), $_->[1],
		    "-at $at: exempt: $_->[0]" for ['local', 1],
		    ['loopback', 4], ['whitelist', 2],
		    ['auth', $spares ? 1 : 0], ['tls', $spares ? 1 : 0];
	}
}

# The defaults, the words of the reply, and one line for each verdict.
{
	my $d = Daemon->start(@black, -whitelist => $white);
	my $m = Milter->new($d->socket);
	$m->connect('192.0.2.1', 'mail.client.example');
	is $m->helo('client.example')->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see black',
	    'default: at HELO, rejected';
	$m->quit;
	verdict_on($d, '198.51.100.9');
	verdict_on($d, $_) for '198.51.100.1', '::1', undef;
	my @lines = map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
	is_deeply \@lines, [
	    "verdict=reject by=blacklist list=$black client=192.0.2.1 " .
	    'host=mail.client.example helo=client.example qid=NOQUEUE',
	    "verdict=pass by=whitelist list=$white client=198.51.100.9",
	    'verdict=pass by=loopback', 'verdict=pass by=local' ],
	    'log: one line for each verdict, none for nothing to do' or
	    diag explain \@lines;
	is $d->stat("list_hits_total{list=\"$black\"}"), 1, 'hits of the list';
	is $d->stat('connections_total'), 5, 'connections';
	is $d->stat('decision_seconds_count'), 3, 'decisions';
}
{
	my $d = Daemon->start(@black, -at => 'rcpt');
	verdict_on($d, '192.0.2.1', macros => { M => [i => 'q1'] },
	    from => '<joe@a.test>', to => ['<bob@b.test>']);
	my @lines = map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
	is_deeply \@lines, ["verdict=reject by=blacklist list=$black " .
	    'client=192.0.2.1 helo=client.example from=<joe@a.test> ' .
	    'to=<bob@b.test> qid=q1'], '-at rcpt: the whole envelope';
	my $mark = Daemon->start(@black, -at => 'rcpt', '-markonly');
	is verdict_on($mark, '198.51.100.1', %role), 'eom c', 'unlisted role';
	is scalar($mark->lines(qr/^verdict=/)), 0,
	    'bug_role_of_unlisted_logged: there was nothing to do';
}

# --- the same in other words

my @same = (
	# option, the action it stands for
	['-markonly', 'mark'], ['-graylist', 'tempfail'],
	['-greylist', 'tempfail'], ['-dryrun', 'none'],
);
for (@same) {
	my ($option, $action) = @$_;
	my $name = substr $option, 1;
	my $d = Daemon->start(@black, $option);
	is verdict_on($d, '192.0.2.1'), $answers{$action}[1], $option;
	my $both = Daemon->start(@black, $option, -action => $action);
	is verdict_on($both, '192.0.2.1'), $answers{$action}[1],
	    "$option -action $action agree";
	for my $other (grep { $_ ne $action } sort keys %answers) {
		like complaint_of(@black, $option, -action => $other),
		    qr/^64 .*contradicts an earlier option: action /,
		    "$option -action $other";
		like complaint_of(@black, -action => $other, $option),
		    qr/^64 .*contradicts an earlier option: $name /,
		    "-action $other $option";
	}
	$tested{$name} = 1;
}

# --- -rejectmessage

$tested{rejectmessage} = 1;
for my $case (
	# action, text, reply
	['reject', 'see http://a.test/?ip=%i', '554 5.7.1 see ' .
	    'http://a.test/?ip=192.0.2.1'],
	['reject', '%i|%l|%q|%%|x', '554 5.7.1 192.0.2.1|black|q1|%%|x'],
	['tempfail', 'later, %i', '421 4.3.2 later, 192.0.2.1'],
	['tempfail', undef,
	    '421 4.3.2 mail from 192.0.2.1 is not taken now, see black'],
) {
	my ($action, $text, $reply) = @$case;
	my $d = Daemon->start(@black, -action => $action, -at => 'mail',
	    defined $text ? (-rejectmessage => $text) : ());
	my $r = Milter->session($d->socket, '192.0.2.1',
	    macros => { M => [i => 'q1'] });
	is $r->{text}, $reply, "-rejectmessage: $action " . ($text // 'none');
}
{
	my $d = Daemon->start(@black, -rejectmessage => '%q %i');
	my $r = Milter->session($d->socket, '2001:db8:bad::A');
	is $r->{text}, '554 5.7.1 NOQUEUE 2001:db8:bad::a',
	    '-rejectmessage: no queue id yet';
}

# --- -loglistname

$tested{loglistname} = 1;
for (['', $black], ['-loglistname', "$black,$second"]) {
	my ($option, $lists) = @$_;
	my $d = Daemon->start(@black, -blacklist => $second,
	    $option ? $option : ());
	verdict_on($d, '192.0.2.1');
	is join(' ', map { /list=(\S+)/ } $d->lines(qr/^verdict=/)), $lists,
	    "lists in the log: $option";
	is join(' ', map { $d->stat("list_hits_total{list=\"$_\"}") } $black,
	    $second), '1 1', 'hits are counted for both';
}

# --- -shadow

$tested{shadow} = 1;
{
	my $shadow = file('shadow', "192.0.2.1\n203.0.113.0/24\n" .
	    "198.51.100.9\n");
	my $d = Daemon->start(@black, -whitelist => $white,
	    -shadow => $shadow);
	is verdict_on($d, '203.0.113.1'), 'connect a', '-shadow: let through';
	is verdict_on($d, '203.0.113.2'), 'connect a', '-shadow: another';
	is verdict_on($d, '192.0.2.1'), 'helo 554 5.7.1',
	    '-shadow: on a black list, too';
	is verdict_on($d, '198.51.100.9'), 'connect a',
	    '-shadow: whitelisted';
	is_deeply [$d->lines(qr/by=shadow/)], [map {
	    "verdict=none by=shadow list=$shadow client=$_" }
	    '203.0.113.1 also=nothing', '203.0.113.2 also=nothing',
	    '192.0.2.1 also=blacklist'], '-shadow: logged';
	is $d->stat("list_hits_total{list=\"$shadow\"}"), 3,
	    '-shadow: counted';
	is $d->stat("shadow_overlap_total{list=\"$shadow\"}"), 1,
	    '-shadow: overlap';
	my $alone = Daemon->start(-shadow => $shadow);
	is verdict_on($alone, '203.0.113.1'), 'connect a', '-shadow alone';
}

# --- -shed, -shedload

$tested{shed} = 1;
for my $shed (0, 30, 100) {
	my $d = Daemon->start(@black, -whitelist => $white, -shed => $shed);
	my %seen;
	$seen{verdict_on($d, "203.0.113.$_")}++ for 1 .. 100;
	is_deeply \%seen, { $shed ? ('helo 421 4.3.2' => $shed) : (),
	    $shed < 100 ? ('connect a' => 100 - $shed) : () },
	    "-shed $shed: of a hundred clients" or diag explain \%seen;
	is $d->stat('verdicts_total{verdict="tempfail",by="shed"}'), $shed,
	    "-shed $shed: counted";
	is verdict_on($d, '198.51.100.9'), 'connect a',
	    "-shed $shed: never a friend";
	is verdict_on($d, '127.0.0.1'), 'connect a', "-shed $shed: nor us";
	is verdict_on($d, '192.0.2.1'), 'helo 554 5.7.1',
	    "-shed $shed: the list counts for more";
	is $d->stat('shedding'), $shed ? 1 : 0, "-shed $shed: gauge";
}
{
	my @cases = (
		# options, the answer
		[[-at => 'connect'], 'connect 421 4.3.2'],
		[[-at => 'mail'], 'mail 421 4.3.2'],
		[[-at => 'rcpt'], 'rcpt 451 4.3.2'],
		[['-markonly'], 'helo 421 4.3.2'],
		[[-action => 'discard', -at => 'connect'],
		    'connect 421 4.3.2'],
		[['-dryrun'], 'helo a'],
	);
	for (@cases) {
		my ($options, $want) = @$_;
		my $d = Daemon->start(-shed => 100, @$options);
		is verdict_on($d, '203.0.113.1'), $want,
		    "-shed 100 @$options";
	}
	my $d = Daemon->start(-shed => 100, -rejectmessage => 'listed');
	is(Milter->session($d->socket, '203.0.113.1')->{text},
	    '421 4.3.2 too busy now, please come back later',
	    '-shed: what the client is told');
}

$tested{shedload} = 1;
{
	my $d = Daemon->start(-shed => 100, -shedload => 10000);
	is verdict_on($d, '203.0.113.1'), 'connect a',
	    '-shedload: the load is below';
	is $d->stat('shedding'), 0, '-shedload: gauge';
}
SKIP: {
	# strace writes what the kernel is to say of the load, times 65536.
	my @lie = ('strace', '-D', '-f', '-o', "$dir/strace", '-e',
	    'trace=sysinfo', '-e');
	my $sysinfo = sub { 'inject=sysinfo:poke_exit=@arg1=' . unpack 'H*',
	    pack 'Q<Q<', 1, $_[0] * 65536 };
	skip 'cannot lie about the load here', 2 if ($ENV{WATCH} // '') eq
	    'valgrind' || run(@lie, $sysinfo->(1), 'true');
	local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '') .
	    ':detect_leaks=0';
	for ([5, 'connect a'], [5.01, 'helo 421 4.3.2']) {
		my ($load, $want) = @$_;
		my $d = Daemon->start({ before => [@lie, $sysinfo->($load)] },
		    -shed => 100, -shedload => 5);
		is verdict_on($d, '203.0.113.1'), $want,
		    "-shedload 5: at a load of $load";
	}
}

# --- -scanauth

$tested{scanauth} = 1;
for (
	# options, what a listed client gets that is not spared
	[[-at => 'mail'], 'mail 554 5.7.1'], [[-at => 'rcpt'],
	    'rcpt 554 5.7.1'], [['-markonly'], 'eom c h'],
) {
	my ($options, $listed) = @$_;
	for my $option ([], ['-scanauth']) {
		my $d = Daemon->start(@black, @$options, @$option);
		my $want = @$option ? $listed : 'mail a';
		is verdict_on($d, '192.0.2.1', %auth), $want,
		    "@$options @$option: AUTH";
		is verdict_on($d, '192.0.2.1', %tls), $want,
		    "@$options @$option: TLS";
		is scalar($d->lines(qr/^verdict=pass\ by=(auth|tls)
		    \ list=\Q$black\E\ client=192\.0\.2\.1\ /x)),
		    @$option ? 0 : 2, "@$options @$option: the log";
	}
}

# --- -lenient

$tested{lenient} = 1;
{
	my $bad = file('bad', "192.0.2.1\nbad\n");
	like complaint_of(-blacklist => $bad), qr/^78 .*\Q$bad\E:2: /s,
	    'without -lenient';
	my $d = Daemon->start(-blacklist => $bad, '-lenient');
	is verdict_on($d, '192.0.2.1'), 'helo 554 5.7.1', '-lenient';
	is $d->stat("list_bad_lines{list=\"$bad\"}"), 1, '-lenient: counted';
}

# --- -onerror: an MTA that lets us change nothing is a fault like any other

$tested{onerror} = 1;
for (['accept', 'eom a'], ['tempfail', 'eom 451 4.3.0'], ['', 'eom a']) {
	my ($word, $want) = @$_;
	my $d = Daemon->start(@black, '-markonly',
	    $word ? (-onerror => $word) : ());
	is verdict_on($d, '192.0.2.1', actions => 0x2), $want, "-onerror $word";
	is $d->stat('errors_total'), 1, "-onerror $word: counted";
	is verdict_on($d, '192.0.2.1'), 'eom c h', "-onerror $word: recovers";
	is $d->stat('errors_total'), 1, "-onerror $word: no error";
}

# --- domains in white lists

{
	my $names = file('names', ".Friends.example\n.one.two.example # x\n" .
	    "198.51.100.9\n");
	my $d = Daemon->start(@black, -whitelist => $names);
	my ($a, $y) = ('connect a', 'helo 554 5.7.1');
	my @hosts = (
		# host, {client_resolve}, verdict
		['friends.example', 'OK', $a], ['mx.friends.example', 'OK', $a],
		['MX.FRIENDS.Example', 'OK', $a],
		['mx.friends.example.', 'OK', $a],
		['a.b.c.one.two.example', 'OK', $a],
		['mx.friends.example', undef, $a],
		['mx.friends.example', 'FAIL', $y],
		['mx.friends.example', 'TEMP', $y],
		['mx.friends.example', 'FORGED', $y],
		['mx.friends.example', '', $y],
		['xfriends.example', 'OK', $y], ['two.example', 'OK', $y],
		['friends.example.net', 'OK', $y], ['example', 'OK', $y],
		['[192.0.2.1]', 'OK', $y], ['unknown', 'OK', $y],
		['UNKNOWN', undef, $y], ['', 'OK', $y], ['.', 'OK', $y],
		['friends.example' . '.x' x 130, 'OK', $y],
		['x.' x 110 . 'friends.example', 'OK', $a],
	);
	for (@hosts) {
		my ($host, $resolve, $want) = @$_;
		is verdict_on($d, '192.0.2.1', host => $host,
		    defined $resolve ? (macros => { C =>
		    ['{client_resolve}' => $resolve] }) : ()), $want,
		    'host ' . substr($host, 0, 40) . ' ' .
		    ($resolve // 'no macro');
	}
	like complaint_of(-blacklist => $names),
	    qr/^78 .*names:1: domains are for white lists/, 'in a black list';
}

# --- what is asked of the MTA, and nothing more

my ($add_change, $quarantine) = (0x11, 0x20);
for (
	# options, commands, actions
	[[], 'CHM------', 0],
	[[-at => 'connect'], 'C--------', 0],
	[[-at => 'mail'], 'ChM------', 0],
	[[-at => 'rcpt'], 'ChMR-----', 0],
	[['-graylist'], 'CHM------', 0],
	[['-dryrun'], 'CHM------', 0],
	[[-at => 'mail', '-scanauth'], 'ChM------', 0],
	[['-markonly', -at => 'connect'], 'ChMr-l---', $add_change],
	[['-markonly'], 'ChMr-l---', $add_change],
	[['-markonly', -at => 'mail'], 'ChMr-l---', $add_change],
	[['-markonly', -at => 'rcpt'], 'ChMr-l---', $add_change],
	[['-markonly', '-scanauth'], 'Chmr-l---', $add_change],
	[['-markonly', -at => 'rcpt', '-scanauth'], 'Chmr-l---', $add_change],
	[['-markonly', -shed => 1], 'CHMr-l---', $add_change],
	[['-markonly', -shed => 1, '-scanauth'], 'CHMr-l---', $add_change],
	[['-markonly', -shed => 1, -at => 'mail'], 'ChMr-l---', $add_change],
	[['-markonly', -shed => 1, -at => 'rcpt'], 'ChMR-l---', $add_change],
	[[-action => 'quarantine'], 'ChMr-----', $quarantine],
	[[-action => 'discard', '-scanauth'], 'Chmr-----', 0],
	[[-action => 'discard', -at => 'rcpt'], 'ChMr-----', 0],
) {
	my ($options, $want, $actions) = @$_;
	my $d = Daemon->start(@black, @$options);
	my $m = Milter->new($d->socket);
	is $m->commands, $want, "commands asked for: @$options";
	is $m->{actions} & 0xff, $actions, "actions asked for: @$options";
	my $mail = "@$options" =~ /mail|rcpt|markonly|quarantine|discard/ &&
	    "@$options" !~ /scanauth/ ? 'i {auth_authen} {verify}' : 'i';
	is_deeply $m->{wanted}, { 0 => '', 1 => '', 2 => $mail, 3 => 'i',
	    4 => '', 5 => 'i', 6 => '' }, "macros asked for: @$options" or
	    diag explain $m->{wanted};
	$m->quit;
}
{
	my $names = file('later', "198.51.100.9\n");
	my $d = Daemon->start(@black, -whitelist => $names);
	is(Milter->new($d->socket)->{wanted}{0}, '', 'no domains: no macro');
	file('later', ".friends.example\n");
	is $d->tell('reload'), 'ok', 'domains come';
	is(Milter->new($d->socket)->{wanted}{0}, '{client_resolve}',
	    'domains: the macro is asked for');
}

# An old MTA has less to offer, and gets its answers nevertheless.
{
	my %old = (version => 2, actions => 0x3f, steps => 0x7f);
	my %older = (version => 2, actions => 0x3f, steps => 0);
	for my $mta (\%old, \%older) {
		for (
			[[], 'helo 554 5.7.1'],
			[[-at => 'connect'], 'connect 554 5.7.1'],
			[[-at => 'rcpt'], 'rcpt 554 5.7.1'],
			['-markonly', 'eom c h'],
			[[-action => 'quarantine', -at => 'mail'], 'eom c q'],
		) {
			my ($options, $want) = @$_;
			my $d = Daemon->start(@black, ref $options ?
			    @$options : $options);
			is verdict_on($d, '192.0.2.1', %$mta), $want,
			    "old MTA, steps $mta->{steps}: $want";
		}
	}
	my $d = Daemon->start(@black, '-markonly');
	verdict_on($d, '192.0.2.1', actions => 0x2) for 1 .. 2;
	is scalar($d->lines(qr/the MTA cannot mark/)), 1,
	    'an MTA that cannot do it is named';
	is verdict_on($d, '192.0.2.1'), 'eom c h', 'and others can';
}

# --- -check, -why: nothing is served

$tested{check} = 1;
{
	my @good = run(program('blackmilter'), '-check', @black,
	    "$dir/never");
	is $good[0], 0, '-check: good';
	ok !-e "$dir/never", '-check: nothing is served';
	my $bad = file('bad2', "192.0.2.1/24\n");
	is((run(program('blackmilter'), '-check', -blacklist => $bad))[0], 78,
	    '-check: bad');
}

$tested{why} = 1;
{
	my $names = file('why.names', "# friends\n.friends.example\n");
	my $shadow = file('why.shadow', "203.0.113.1\n");
	my $access = file('why.access', "Connect:192.0.2.50\tOK\n" .
	    "Connect:203.0.113\tREJECT\n");
	my $odd = file('why.odd', "\r\n203.0.113.9\t# \e[31m a\xffb\r\n");
	my @lists = (@black, -blacklist => $second, -blacklist => $access,
	    -blacklist => $odd, -whitelist => $names,
	    -whitelist => $white, -shadow => $shadow);
	for (
		# arguments, status, lines
		[['198.51.100.1'], 0,
		    'verdict=pass by=nothing client=198.51.100.1'],
		[['192.0.2.1'], 1, 'verdict=reject by=blacklist ' .
		    "list=$black,$second client=192.0.2.1",
		    "$black:1: 192.0.2.0/24", "$second:1: 192.0.2.1"],
		[['2001:DB8:bad:0::1'], 1, 'verdict=reject by=blacklist ' .
		    "list=$black client=2001:db8:bad::1",
		    "$black:5: 2001:db8:bad::/48"],
		[['::ffff:192.0.2.3'], 1, 'verdict=reject by=blacklist ' .
		    "list=$black client=192.0.2.3", "$black:1: 192.0.2.0/24"],
		[['198.51.100.9'], 0, 'verdict=pass by=whitelist ' .
		    "list=$white client=198.51.100.9",
		    "$black:2: 198.51.100.9", "$white:1: 198.51.100.9"],
		[['192.0.2.3', 'mx.friends.example'], 0,
		    "verdict=pass by=whitelist list=$names client=192.0.2.3",
		    "$black:1: 192.0.2.0/24", "$names:2: .friends.example"],
		[['192.0.2.3', 'mx.example'], 1, 'verdict=reject ' .
		    "by=blacklist list=$black client=192.0.2.3",
		    "$black:1: 192.0.2.0/24"],
		[['127.0.0.1'], 0, 'verdict=pass by=loopback ' .
		    'client=127.0.0.1', "$black:3: 127.0.0.1"],
		[['203.0.113.1'], 1, 'verdict=reject by=blacklist ' .
		    "list=$access client=203.0.113.1",
		    "$access:2: Connect:203.0.113 REJECT",
		    "$shadow:1: 203.0.113.1"],
		[['192.0.2.50'], 0, 'verdict=pass by=whitelist ' .
		    'list=an-OK-line client=192.0.2.50',
		    "$black:1: 192.0.2.0/24",
		    "$access:1: Connect:192.0.2.50 OK"],
		[['203.0.113.9'], 1, 'verdict=reject by=blacklist ' .
		    "list=$access,$odd client=203.0.113.9",
		    "$access:2: Connect:203.0.113 REJECT",
		    "$odd:2: 203.0.113.9 # ?[31m a?b"],
	) {
		my ($args, $want, @lines) = @$_;
		my ($status, $out, $err) = run(program('blackmilter'), '-why',
		    @lists, @$args);
		is $status, $want, "-why @$args: status";
		is join("\n", sort split /\n/, $out),
		    join("\n", sort @lines), "-why @$args";
		like $out, qr/^verdict=/, "-why @$args: the verdict is first";
	}
	for (
		# action, the verdict
		['mark', 'mark'], ['tempfail', 'tempfail'], ['none', 'none'],
	) {
		my ($status, $out) = run(program('blackmilter'), '-why',
		    @black, -action => $_->[0], '192.0.2.1');
		is $status, 1, "-why -action $_->[0]: status";
		like $out, qr/^verdict=$_->[1] /, "-why -action $_->[0]";
	}
	for (
		# arguments, what is said
		[[], 'nothing'], [['192.0.2.1', 'a', 'b'], 'b'],
		[['192.0.2.300'], '192.0.2.300'], [['host.example'], 'host'],
		[['192.0.2.0/24'], '192.0.2.0/24'],
	) {
		my ($status, $out, $err) = run(program('blackmilter'), '-why',
		    @black, @{ $_->[0] });
		is "$status $out", '64 ', "-why @{$_->[0]}: status";
		like $err, qr/-why: .* \Q$_->[1]\E/, "-why @{$_->[0]}: why";
	}
	my $bad = file('why.bad', "192.0.2.1/24\n");
	is((run(program('blackmilter'), '-why', -blacklist => $bad,
	    '192.0.2.1'))[0], 78, '-why: a bad list');
}

# --- -control, -updatesocket, -tell

$tested{$_} = 1 for qw(control updatesocket tell);
for my $option ('-control', '-updatesocket') {
	my $path = "$dir/socket$option";
	my $d = Daemon->start({ control => $path }, @black,
	    $option => $path);
	is $d->tell('test 192.0.2.1'), 'ok', "$option: listens";
	my ($status, $out, $err) = run(program('blackmilter'), -tell =>
	    'test 192.0.2.1', $path);
	is "$status $err", '0 ', '-tell: status';
	is $out, "verdict=reject by=blacklist list=$black client=192.0.2.1\n",
	    '-tell: the answer';
	($status, $out) = run(program('blackmilter'), '-tell=list', $path);
	is "$status $out", '0 ', '-tell: an empty answer';
	($status, $out) = run(program('blackmilter'), -tell => 'stats', $path);
	like $out, qr/^blackmilter_connections_total 0$/m, '-tell stats';
	for (
		# command, what is said
		['nosuch', 'no such command, try help'],
		['test x', 'not an IP address: x'],
		['report 192.0.2.1', 'usage: report ADDRESS SECONDS REASON'],
		["list\nlist", 'a command is one line of at most 1000 bytes'],
		['x' x 1001, 'a command is one line of at most 1000 bytes'],
	) {
		($status, $out, $err) = run(program('blackmilter'),
		    -tell => $_->[0], $path);
		is "$status $out$err", "1 blackmilter: $_->[1]\n",
		    '-tell ' . substr($_->[0], 0, 20) =~ s/\n/ and /r;
	}
}
for (
	# path, what is said
	["$dir/nobody", 'No such file or directory'],
	[$black, 'Connection refused'], [$dir, 'Connection refused'],
) {
	my ($status, $out, $err) = run(program('blackmilter'), -tell => 'list',
	    $_->[0]);
	is "$status $out$err", "1 blackmilter: $_->[0]: $_->[1]\n",
	    "-tell: $_->[1]";
}

# --- and none is left out

my ($status, $help) = run(program('blackmilter'), '-help');
my @options = $help =~ /^  -(\w+)/mg;
cmp_ok scalar(@options), '>', 25, 'there are options';
is join(' ', grep { !$tested{$_} } @options), '', 'every option has a test';
my %there = map { $_ => 1 } @options;
is join(' ', grep { !$there{$_} } sort keys %tested), '',
    'and every test an option';

done_testing;
