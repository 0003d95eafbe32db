# How a milter starts, and how it refuses to: the status and the one line.
use strict;
use warnings;
use Cwd ();
use IO::Socket::IP;
use IO::Socket::UNIX;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes qw(time);

use Daemon;
use Milter;

my $root = $> == 0;
my $dir = folder;
my $nowhere = "$dir/nowhere/file";
my $list = file('list', "192.0.2.1\n");
my $other = file('other', "198.51.100.1\n");
my $bad = file('bad', "192.0.2.1\n\n192.0.2.1/24\n");
my $words = file('words', "# a list\n10 entries follow\n");
my $blank = file('data', "somebody's data\n");
my ($sock, $control) = ("$dir/sock", "$dir/control");
my $long = "$dir/" . 'x' x 120;
POSIX::mkfifo("$dir/fifo", 0644);
mkdir "$dir/locked", 0;
symlink $blank, "$dir/link";

# A folder of the service user's, as packages make one below /run.
my ($user, $uid, $gid, @user) = ('', $>, $) + 0);
if ($root) {
	($user, $uid, $gid) = (getpwnam 'nobody')[0, 2, 3];
	@user = (-user => $user);
}
my $home = "$dir/home";
mkdir $home;
chown $uid, $gid, $home;

sub status_of {
	my ($path) = @_;
	my @st = lstat $path or return 'none';
	return join ' ', @st[0, 1, 2, 4, 5, 7, 9];
}

sub content {
	my ($path) = @_;
	open my $f, '<', $path or return "cannot open: $!";
	local $/;
	return scalar(<$f>) // '';
}

# The least each milter is to be given, and with a store.
my %least = (
	blackmilter => [[-blacklist => $list], [-blacklist => $list, '-db']],
	graymilter => [['-memory'], ['-db']],
);

# By both, for one list or no record at all.
sub refuses {
	my ($what, $socket) = @_;
	my $r = eval { Milter->session($socket, '192.0.2.1') } // {};
	like $r->{text}, qr/^(554 5|451 4)\.7\.1 /, "$what: serves";
}

# --- A1: wrong options, values, lists and paths

my @sure = (-blacklist => $list);
my @wrong = (
	# status, the line, arguments
	[64, qr/nothing to do: give -blacklist/, $sock],
	[64, qr/nothing to do: give -blacklist/, -whitelist => $list, $sock],
	[64, qr/\Q$list\E: a list on trial/, @sure, -shadow => $list, $sock],
	[64, qr/missing: socket/, @sure],
	[64, qr/: second /, @sure, $sock, 'second'],
	[64, qr/no such option: -nosuch /, '-nosuch', @sure, $sock],
	[64, qr/no such option: -s /, '-s', @sure, $sock],
	[64, qr/no such option: -lenient=1 /, '-lenient=1', @sure, $sock],
	[64, qr/value missing: -blacklist /, $sock, '-blacklist'],
	[64, qr/-blacklist: it is empty/, -blacklist => '', $sock],
	[64, qr/-whitelist: it is empty/, @sure, -whitelist => '', $sock],
	[64, qr/-control: it is empty/, @sure, -control => '', $sock],
	[64, qr/too often: blacklist /, (-blacklist => $list) x 64, $sock],
	[64, qr/-action: refuse /, @sure, -action => 'refuse', $sock],
	[64, qr/-action: rejec /, @sure, -action => 'rejec', $sock],
	[64, qr/-at: data /, @sure, -at => 'data', $sock],
	[64, qr/-onerror: reject /, @sure, -onerror => 'reject', $sock],
	[64, qr/-shed: 101 /, @sure, -shed => 101, $sock],
	[64, qr/-shed: -1 /, @sure, -shed => -1, $sock],
	[64, qr/-shed: 1% /, @sure, -shed => '1%', $sock],
	[64, qr/-shed:  /, @sure, -shed => '', $sock],
	[64, qr/-shed: 99999999999999999999 /, @sure,
	    -shed => '9' x 20, $sock],
	[64, qr/-shedload: 10001 /, @sure, -shed => 1, -shedload => 10001,
	    $sock],
	[64, qr/-shedload needs -shed/, @sure, -shedload => 5, $sock],
	[64, qr/-reportthreshold: 0 /, @sure, -reportthreshold => 0, $sock],
	[64, qr/-reportthreshold: 1001 /, @sure, -reportthreshold => 1001,
	    $sock],
	[64, qr/-socketmode: 0888 /, @sure, -socketmode => '0888', $sock],
	[64, qr/-socketmode: 1777 /, @sure, -socketmode => '1777', $sock],
	[64, qr/contradicts .*: action /, @sure, '-markonly',
	    -action => 'reject', $sock],
	[64, qr/contradicts .*: dryrun /, @sure, '-graylist', '-dryrun',
	    $sock],
	[64, qr/contradicts .*: at /, @sure, -at => 'helo', -at => 'mail',
	    $sock],
	[64, qr/-rejectmessage: %x /, @sure, -rejectmessage => '%i %x', $sock],
	[64, qr/-rejectmessage: % /, @sure, -rejectmessage => '100%', $sock],
	[64, qr/missing: control socket/, -tell => 'stats'],
	[78, qr/\Q$nowhere: No such file/, -blacklist => $nowhere, $sock],
	[78, qr/\Q$nowhere: No such file/, @sure, -whitelist => $nowhere,
	    $sock],
	[78, qr/\Q$nowhere: No such file/, @sure, -shadow => $nowhere, $sock],
	[78, qr/\Q$dir: not a regular file/, -blacklist => $dir, $sock],
	[78, qr/\Q$dir\E\/fifo: not a regular file/,
	    -blacklist => "$dir/fifo", $sock],
	[78, qr/\Q$bad\E:3: host bits are set: 192\.0\.2\.1\/24$/,
	    -blacklist => $bad, $sock],
	[78, qr/\Q$words\E:2: .*: 10 entries follow$/, @sure,
	    -whitelist => $words, $sock],
	[78, qr/store \Q$nowhere: /, -db => $nowhere, $sock],
	[78, qr/store \Q$blank: Not a directory/, -db => $blank, $sock],
	[78, qr/listen on \Q$nowhere\E$/, @sure, $nowhere],
	[78, qr/listen on unix:\Q$nowhere\E$/, @sure, "unix:$nowhere"],
	[78, qr/\Q$long\E/, @sure, $long],
	[78, qr/\Q$blank is in the way/, @sure, $blank],
	[78, qr/\Q$blank is in the way/, @sure, "local:$blank"],
	[78, qr/tcp:25\@127\.0\.0\.1/, @sure, 'tcp:25@127.0.0.1'],
	[78, qr/inet:99999999\@127\.0\.0\.1/, @sure, 'inet:99999999@127.0.0.1'],
	[78, qr/inet:65536\@127\.0\.0\.1/, @sure, 'inet:65536@127.0.0.1'],
	[78, qr/inet:0\@127\.0\.0\.1/, @sure, 'inet:0@127.0.0.1'],
	[78, qr/inet6:25x\@::1/, @sure, 'inet6:25x@::1'],
	[78, qr/inet:nosuch\@127\.0\.0\.1/, @sure, 'inet:nosuch@127.0.0.1'],
	[78, qr/inet:26\@192\.0\.2\.1/, @sure, 'inet:26@192.0.2.1'],
	[78, qr/control socket \Q$nowhere: No such file/, @sure,
	    -control => $nowhere, $sock],
	[78, qr/control socket \Q$long: File name too long/, @sure,
	    -control => $long, $sock],
	[78, qr/\Q$blank is in the way/, @sure, -control => $blank, $sock],
	[78, qr/\Q$sock\E/, @sure, -control => $sock, $sock],
	[78, qr/no such user or group: nosuchuser/, @sure,
	    -user => 'nosuchuser', $sock],
	[78, qr/no such user or group: root:nosuchgroup/, @sure,
	    -user => 'root:nosuchgroup', $sock],
	[78, qr/pid file \Q$nowhere: No such file/, @sure,
	    -pidfile => $nowhere, $sock],
	[78, qr/pid file \Q$dir\E\/link: /, @sure, -pidfile => "$dir/link",
	    $sock],
	$root ? [78, qr/store \Q$dir\E\/locked: Permission denied/, @user,
	    -db => "$dir/locked", $sock] :
	    ([78, qr/-user root: only root/, @sure, -user => 'root', $sock],
	    [78, qr/\Q$dir\E\/locked\/l: Permission denied/,
	    -blacklist => "$dir/locked/l", $sock]),
);

# Its options are in grayoptions.t.
my @wrong_gray = (
	[64, qr/-delay: 0 /, '-memory', -delay => 0, $sock],
	[78, qr/nowhere to remember: give -db \(or -memory\)/, $sock],
	[78, qr/store \Q$nowhere: /, -db => $nowhere, $sock],
	[78, qr/\Q$bad\E:1: .*: 192\.0\.2\.1$/, '-memory',
	    -senders => $bad, $sock],
	[78, qr/control socket \Q$nowhere: No such file/, '-memory',
	    -control => $nowhere, $sock],
);

for my $mode ($ENV{WATCH} ? ['-X'] : (['-nodaemon'], [])) {
	for (map({ ['blackmilter', @$_] } @wrong),
	    map({ ['graymilter', @$_] } @wrong_gray)) {
		my ($name, $want, $pattern, @args) = @$_;
		my $begin = time;
		my ($status, $out, $err) = run(program($name), @$mode,
		    -pidfile => "$dir/wrong.pid", @args);
		my $took = time - $begin;
		my @said = complaints($err);
		ok $status == $want && @said == 1 && $said[0] =~ $pattern &&
		    $out eq '' && $took < slow && !-e $sock && !-e $control,
		    "A1: $want @$mode $pattern" or
		    diag "status $status after $took s: $out$err",
		    -e $sock ? 'a socket is left' : '';
		kill KILL => $1 if content("$dir/wrong.pid") =~ /^(\d+)$/;
		unlink $sock, $control, "$dir/wrong.pid";
	}
}
chmod 0700, "$dir/locked";
is content($blank), "somebody's data\n", 'A1: what was in the way is unchanged';

# --- A2: -check

{
	my $db = "$home/checked";
	mkdir $db;
	chown $uid, $gid, $db;
	my $traps = file('traps', "trap\@example.test\n");
	my @rest = (-control => "$home/c", -pidfile => "$home/p", "$home/s");
	my @check = (
		[0, @sure, @rest],
		[0, @sure, -db => $db, '-autoupdate', @rest],
		[0, -db => $db, @user],
		[0, @sure, -whitelist => $list, -shadow => $other],
		[0, -blacklist => $bad, '-lenient', @rest],
		[78, -blacklist => $bad, -db => $db, @rest],
		[78, -blacklist => $nowhere, @rest],
		[78, @sure, -db => $nowhere, @rest],
		[78, @sure, -db => $list, @rest],
		[78, @sure, -user => 'nosuchuser', @rest],
		[64, @sure, -action => 'refuse', @rest],
	);
	my @check_gray = (
		[0, '-memory', @rest],
		[0, -db => $db, -whitelist => $list, -trap => $traps,
		    -report => "$home/r", '-learn', @rest],
		[0, -db => $db, @user],
		[78, -db => $db, -recipients => $bad, @rest],
		[78, -db => $nowhere, @rest],
		[78, @rest],
		[64, -db => $db, '-memory', @rest],
	);
	# A watcher makes files of its own.
	my $trace = ($ENV{WATCH} // '') ne 'valgrind' &&
	    !run('strace', '-V') ? "$dir/trace" : undef;
	local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '') .
	    ':detect_leaks=0' if $trace;
	for (map({ ['blackmilter', @$_] } @check),
	    map({ ['graymilter', @$_] } @check_gray)) {
		my ($name, $want, @args) = @$_;
		my ($status, $out, $err) = run($trace ?
		    ('strace', '-f', '-o', $trace) : (),
		    program($name), '-check', @args);
		my $said = complaints($err);
		ok $status == $want && $said == ($want == 0 ? 0 : 1) ||
		    "@args" =~ /-lenient/ && $status == 0,
		    "A2: $name -check: $want @args" or diag "$status: $out$err";
		next unless $trace;
		my @did = grep { !m{/nscd/|/tsan\.} && (
		    /^\d+\ +(bind|connect|unlink|rename|mkdir|rmdir|chmod|chown|
		    link|symlink|mknod|truncate|ftruncate|listen)(at2?)?\(/x ||
		    /O_CREAT|O_TRUNC|O_WRONLY|O_RDWR/ && !m{"/(dev|proc)/})
		    } split /\n/, content($trace);
		is "@did", '', 'A2: and nothing is made or changed';
	}
	is join(' ', glob "$home/* $db/*"), $db, 'A2: nothing was made';
}

# --- A3: the mode of the sockets at every moment, and whose they are

sub keeps_modes {
	my ($name) = @_;
	skip 'A3: no strace', 1 if run('strace', '-V') ||
	    ($ENV{WATCH} // '') eq 'valgrind';
	local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '') .
	    ':detect_leaks=0';
	my @modes = (
		['000', [], 0660], ['077', [], 0660], ['777', [], 0660],
		['022', [-socketmode => '0600'], 0600],
		['077', [-socketmode => 666], 0666],
	);
	for (@modes) {
		my ($umask, $option, $want) = @$_;
		my $as = "$name.$umask$want";
		my $trace = file("trace.$as", '');
		my $d = Daemon->start({ name => $name,
		    socket => "$home/sock.$as", control => "$home/control.$as",
		    before => ['sh', '-c', "umask $umask; exec \"\$@\"", 'sh',
		    'strace', '-D', '-f', '-e', 'trace=umask,bind,/chmod',
		    '-o', $trace] },
		    @{ $least{$name}[0] }, @user, @$option);
		for my $path ($d->control, $d->socket) {
			my @st = stat $path;
			is sprintf('%04o %d %d', $st[2] & 07777, @st[4, 5]),
			    sprintf('%04o %d %d', $want, $uid, $gid),
			    "A3: $as: mode and owner of the socket";
			like content($trace), qr/umask\(0777\)[^\n]*\n
			    [^\n]*bind\([^\n]*"\Q$path\E"[^\n]*\ =\ 0\n
			    [^\n]*umask\(0*$umask\)[^\n]*\n
			    (?:\d+\ +chmod|[^\n]*fchmodat)\([^\n]*"\Q$path\E",
			    \ 0\Q${\sprintf '%o', $want}\E/x,
			    "A3: $as: nobody can connect before chmod";
		}
	}
}

# --- A4: a second daemon on what another one holds

sub is_alone {
	my ($name) = @_;
	my $db = "$dir/held.$name";
	mkdir $db;
	my ($sure, $stores) = @{ $least{$name} };
	my $pidfile = "$dir/first.$name";
	my $d = Daemon->start({ name => $name }, @$stores => $db,
	    -pidfile => $pidfile);
	my @paths = ($d->socket, $d->control, $pidfile);
	my $before = join "\n", map { status_of($_) } @paths;
	my ($s, $c) = ("$dir/second.sock", "$dir/second.control");
	my @second = (
		[69, qr/\Q${\$d->socket} is in use/, @$sure, -control => $c,
		    $d->socket],
		[69, qr/\Q${\$d->socket} is in use/, @$sure, -control => $c,
		    'unix:' . $d->socket],
		[69, qr/\Q${\$d->control} is in use/, @$sure,
		    -control => $d->control, $s],
		[69, qr/\Q${\$d->control} is in use/, @$sure, $d->control],
		[69, qr/\Q$pidfile is held/, @$sure, -pidfile => $pidfile,
		    $s],
		[78, qr/\Q$db is in use/, @$stores => $db, -control => $c, $s],
	);
	for my $mode ($ENV{WATCH} ? ['-X'] : (['-X'], [])) {
		for (@second) {
			my ($want, $pattern, @args) = @$_;
			my ($status, $out, $err) = run(program($name),
			    @$mode, @args);
			my @said = complaints($err);
			ok $status == $want && @said == 1 &&
			    $said[0] =~ $pattern && !-e $s && !-e $c,
			    "A4: a second $name: $want $pattern" or
			    diag "$status: $out$err";
		}
	}
	is join("\n", map { status_of($_) } @paths), $before,
	    "A4: $name: sockets and pid file of the first are untouched";
	is content($pidfile), $d->pid . "\n", "A4: $name: its pid file";
	refuses "A4: the first $name", $d->socket;
	is $d->tell('list'), 'ok', "A4: the first $name: control socket";
}

# --- A5: what is left behind, and what is in the way

sub starts_after_kill {
	my ($name) = @_;
	my @with = (@{ $least{$name}[0] }, -pidfile => "$dir/killed.$name");
	my $d = Daemon->start({ name => $name }, @with);
	$d->crash;
	ok -S $d->socket && -S $d->control,
	    "A5: $name: kill -9 leaves its sockets";
	my $begin = time;
	my $next = Daemon->start({ name => $name, socket => $d->socket,
	    control => $d->control }, @with);
	cmp_ok time - $begin, '<', slow, "A5: $name: started within a second";
	refuses "A5: $name after kill -9", $d->socket;
	is $next->tell('list'), 'ok', "A5: $name: the control socket, too";
	is content("$dir/killed.$name"), $next->pid . "\n", 
	    "A5: $name: the pid file";
}

# --- A27: nothing of root is left

sub leaves_root {
	my ($milter) = @_;
	my @sure = @{ $least{$milter}[0] };
	skip 'A27: not root', 1 unless $root;
	my @names = ($user, "$user:daemon", "$uid", "$user:1", "$uid:daemon");
	for my $name (@names) {
		my $as = "$milter as $name";
		my $group = $name =~ /:/ ? (getgrnam 'daemon')[2] : $gid;
		my $pidfile = "$dir/pid." . $name =~ tr/:/-/r;
		# Started with more groups than root may have here.
		my $d = Daemon->start({ name => $milter, socket => "$home/s27",
		    control => "$home/c27", before => ['perl', '-e',
		    '$) = "0 0 4 24"; exec @ARGV'] }, @sure, -user => $name,
		    -pidfile => $pidfile);
		my $status = content('/proc/' . $d->pid . '/status');
		like $status, qr/^Uid:(\t$uid){4}\n/m, "A27: $as: uids";
		like $status, qr/^Gid:(\t$group){4}\n/m, "A27: $as: gids";
		my ($groups) = $status =~ /^Groups:\t(.*?) *$/m;
		is $groups, $group, "A27: $as: groups";
		like $status, qr/^CapEff:\t0+$/m, "A27: $as: no capability";
		like $status, qr/^CapPrm:\t0+$/m, "A27: $as: none to take";
		my @st = lstat $pidfile;
		is sprintf('%o %d', $st[2], $st[4]), '100644 0',
		    "A27: $as: the pid file is root's";
		is content($pidfile), $d->pid . "\n",
		    "A27: $as: and names the process";
		$d->crash;
	}
	my $d = Daemon->start({ name => $milter, socket => "$home/s27",
	    control => "$home/c27" }, @sure, @user, -pidfile => "$dir/27.pid");
	is $d->stop, 0, "A27: $milter stops";
	is content("$dir/27.pid"), '', 'A27: the pid file is empty then';
	ok !-e "$home/s27" && !-e "$home/c27", 'A27: and the sockets are gone';
	unlike $d->log, qr/running as root/, 'no warning with -user';
}

# --- in the background

sub serves_in_background {
	my ($name) = @_;
	my $as = "$name in the background";
	my $d = Daemon->background({ name => $name, socket => "$home/$name.s",
	    control => "$home/$name.c" }, @{ $least{$name}[0] }, @user);
	is $d->{started}, 0, "$as: the parent exits 0";
	refuses "$as: as soon as it exits", $d->socket;
	is $d->tell('list'), 'ok', "$as: the control socket, too";
	my $pid = $d->pid;
	ok $pid && -d "/proc/$pid", "$as: the pid file names a process";
	unless (($ENV{WATCH} // '') eq 'valgrind') {
		is readlink "/proc/$pid/exe",
		    Cwd::abs_path((program($name))[-1]),
		    "$as: which is the daemon";
		is join(' ', map { readlink "/proc/$pid/fd/$_" } 0 .. 2),
		    '/dev/null ' x 2 . '/dev/null',
		    "$as: standard files are closed";
	}
	isnt getpgrp($pid), getpgrp(0), "$as: a session of its own";
	like $d->{said}, qr/^$name: loaded files=/,
	    "$as: what it said while it started";
}

for my $name (sort keys %least) {
	SKIP: { keeps_modes($name) }
	is_alone($name);
	starts_after_kill($name);
	SKIP: { leaves_root($name) }
	serves_in_background($name);
}

# --- sockets of the Internet

for (['inet', AF_INET, '127.0.0.1'], ['inet6', AF_INET6, '::1']) {
	my ($kind, $family, $host) = @$_;
	my $s = IO::Socket::IP->new(LocalHost => $host, Listen => 1,
	    Proto => 'tcp');
	SKIP: {
		skip "$kind: no $host here", 1 unless $s;
		my $port = $s->sockport;
		close $s;
		my $d = Daemon->start({ socket => "$kind:$port\@$host" },
		    @sure);
		refuses $kind, $d->socket;
	}
}
for my $prefix ('unix', 'local') {
	my $d = Daemon->start({ socket => "$prefix:$dir/$prefix" }, @sure);
	refuses "$prefix:", "$dir/$prefix";
	is sprintf('%04o', (stat "$dir/$prefix")[2] & 07777), '0660',
	    "$prefix: mode";
}

# --- limits

SKIP: {
	skip 'valgrind keeps descriptors for itself', 2
	    if ($ENV{WATCH} // '') eq 'valgrind';
	my $d = Daemon->start({ before => ['sh', '-c',
	    'ulimit -S -n 99; ulimit -H -n 999; exec "$@"', 'sh'] }, @sure);
	my ($soft, $hard) = content('/proc/' . $d->pid . '/limits') =~
	    /^Max open files\s+(\d+)\s+(\d+)/m;
	is $soft, $hard, 'RLIMIT_NOFILE is raised to what is allowed';
	cmp_ok $soft, '>', 99, 'which is more than it was';
}

# --- words only

for my $name (sort keys %least) {
	my ($status, $out, $err) = run(program($name), '-version');
	is "$status $err", '0 ', "$name -version: status";
	like $out, qr/^$name [0-9][0-9.]*\n\z/, '-version';
	for my $option ('-help', '--help', '-h') {
		($status, $out, $err) = run(program($name), $option);
		is "$status $err", '0 ', "$name $option: status";
		like $out, qr/^usage:\ $name\ \[options\]\ socket\n
		    \ \ -(blacklist\ file|db\ directory)\n\t[^\n]+\n/x,
		    "$name $option";
		is scalar(grep { /^  -/ } split /\n/, $out),
		    scalar(grep { /^\t./ } split /\n/, $out),
		    "$name $option: a line of help for every option";
	}
}

# With -debug one hears of a client that did not wait to be turned away.
for my $option ([], ['-debug'], ['-d']) {
	my $d = Daemon->start(@sure, @$option);
	my @clients = map { IO::Socket::UNIX->new(Peer => $d->control) }
	    1 .. 32;
	my $tries = 0;
	eventually {
		IO::Socket::UNIX->new(Peer => $d->control) for 1 .. 10;
		$d->lines(qr/left before it was turned away/) ||
		    !@$option && $tries++ > 5;
	} 10;
	is !!$d->lines(qr/left before it was turned away/), !!@$option,
	    "debug: @$option";
}

done_testing;
