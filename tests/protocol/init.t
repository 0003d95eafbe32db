# The init scripts, run for real: with start-stop-daemon, and with nothing but
# sh, ps and kill.

use strict;
use warnings;
use Daemon;
use Lint;
use Test::More;

plan skip_all => 'scripts need no watch' if $ENV{WATCH};
plan skip_all => 'needs root' if $> != 0;
my $user = getpwnam 'nobody' or plan skip_all => 'needs the user nobody';
my @present = grep { -e "$_/$_.c" } @milters;
my $first = $present[0];
$ENV{MILTER_INIT} = 'common/milter.init';
# None of the caller's environment may get into the script.
@ENV{qw(USER DAEMON OPTIONS SOCKET)} = ('root', '/bin/false', '-x', '/x');

# The milter under test, and its files.
my ($name, $program, $script, $dir, $pidfile, $run, @unit);

# The words it is run with by its unit.
sub unit_words {
	my ($unit) = content("$name/$name.service") =~ s/\\\n//gr;
	my ($options) = $unit =~ /^Environment="OPTIONS=(.*)"$/m;
	my ($socket) = $unit =~ /^Environment=SOCKET=(.*)$/m;
	return (split(' ', $options // ''), $socket // '');
}

sub keeps {
	return scalar grep { $_ eq '-db' } @unit;
}

sub choose {
	($name) = @_;
	$program = (program($name))[-1];
	$script = "$name/$name.init";
	$dir = folder . "/$name";
	mkdir $dir;
	($pidfile, $run) = ("$dir/pid", "$dir/run/milter");
	@unit = unit_words;
	$ENV{uc($name) . '_DEFAULT'} = "$dir/default";
}

# What the administrator writes into /etc/default; more comes behind it.
sub configure {
	my (@more) = @_;
	my @store = keeps() ? ("DBDIR='$dir/db'", "-db $dir/db") : ('', '');
	return file("$name/default", join "\n", "DAEMON='$program'",
	    'USER=nobody', "RUNDIR='$run'", $store[0], "PIDFILE='$pidfile'",
	    "OPTIONS=\"-whitelist '$dir/white list' -control $run/control",
	    "  $store[1] -rejectmessage 'no mail from %i'\"", @more, '');
}

sub whitelist {
	my (@lines) = @_;
	return file("$name/white list", join '', map { "$_\n" } @lines);
}

sub init {
	my (@verb) = @_;
	my $mask = umask 077;
	my ($status, $out, $err) = run($script, @verb);
	umask $mask;
	return wantarray ? ($status, $out . $err) : $status;
}

sub pid {
	open my $f, '<', $pidfile or return 0;
	return int(<$f> // 0);
}

# Ended, perhaps not yet waited for by the process it was left to.
sub gone {
	my ($pid) = @_;
	open my $f, '<', "/proc/$pid/stat" or return 1;
	return <$f> =~ /\) Z /;
}

# How many entries of the white list are in use.
sub entries {
	my (undef, $out) = run($program, -tell => 'stats', "$run/control");
	return $out =~ /^${name}_list_entries\{list="[^"]*white list"\} (\d+)$/m
	    ? $1 : -1;
}

my ($last, $status, $said);

sub check_life {
	my ($starter) = @_;
	my $how = "$name, " . ($starter ? 'plain' : 'start-stop-daemon');
	whitelist('192.0.2.1');
	configure($starter);

	is init('status'), 3, "$how: status before";
	($status, $said) = init('start');
	is $status, 0, "$how: start" or diag $said;
	my $pid = $last = pid;
	ok $pid && !gone($pid), "$how: it runs";
	is ((stat "/proc/$pid")[4], $user, "$how: as the user");
	is sprintf('%o %d', (stat $run)[2] & 07777, (stat $run)[4]),
	    "755 $user", "$how: a folder that sendmail calls safe";
	is sprintf('%o %d', (stat "$dir/db")[2] & 07777, (stat _)[4]),
	    "700 $user", "$how: and one nobody else looks into" if keeps;
	ok -S "$run/$name.sock", "$how: with the socket in it";
	is init('start'), 0, "$how: start again";
	is pid, $pid, "$how: changes nothing";
	is init('status'), 0, "$how: status";

	my $entries = 1;
	for my $verb ('reload', 'force-reload') {
		is entries, $entries, "$how: before the $verb";
		whitelist(map { "192.0.2.$_" } 1 .. ++$entries);
		is init($verb), 0, "$how: $verb";
		ok +(eventually { entries == $entries } 10),
		    "$how: it took effect";
	}
	is pid, $pid, "$how: the daemon is the same";

	whitelist('192.0.2.1', 'nonsense');
	($status, $said) = init('restart');
	is $status, 6, "$how: no restart with a bad list";
	like $said, qr/white list:2: /, "$how: which is named";
	is pid, $pid, "$how: the old daemon stays";

	whitelist(map { "192.0.2.$_" } 1 .. 4);
	($status, $said) = init('restart');
	is $status, 0, "$how: restart" or diag $said;
	ok +(eventually { gone($pid) } 5), "$how: the old one is gone";
	isnt $last = pid, $pid, "$how: there is a new one";
	is entries, 4, "$how: and it answers";

	is init('stop'), 0, "$how: stop";
	ok +(eventually { gone($last) } 5), "$how: it is gone";
	ok !-e $pidfile && !-e "$run/$name.sock" && !-e "$run/control",
	    "$how: and has cleaned up";
	is init($_->[0]), $_->[1], "$how: $_->[0] when stopped" for
	    ['stop', 0], ['reload', 7], ['force-reload', 7],
	    ['try-restart', 0], ['status', 3];

	# The number in a pid file left behind is some other program's now.
	file("$name/pid", "$$\n");
	is init('status'), 1, "$how: status with a pid file left behind";
	is init('reload'), 7, "$how: reload signals nobody then";
	is init('stop'), 0, "$how: stop stops nobody then";
	ok !-e $pidfile, "$how: but removes the file";

	whitelist('192.0.2.1', '192.0.2.300');
	($status, $said) = init('start');
	is $status, 6, "$how: no start with a bad list";
	like $said, qr/white list:2: /, "$how: which is named";
	is init('status'), 3, "$how: nothing runs";
	ok !-e "$run/$name.sock", "$how: no socket is left";
	unlink $pidfile;
}

# With a user for it, its lists and nothing in /etc/default but where the
# program is, it runs as the unit runs it; and with DBDIR empty without -db.
sub check_defaults {
	my @lists = grep { m{^/etc/} } @unit;
	is "@lists", '', "$name: no list is needed"
	    unless $name eq 'blackmilter';	# is there for its lists
	my $inside = file("$name/inside", <<'END');
set -e
name=$1 program=$2
shift 2
id $name >/dev/null 2>&1 || useradd --system --user-group --no-create-home \
    --home-dir /nonexistent --shell /usr/sbin/nologin $name
mount -t tmpfs -o mode=755 var /var/lib
for list; do
	mkdir -p ${list%/*}
	echo '# nobody' >$list
done
mkdir -p /etc/default
echo "DAEMON='$program'" >/etc/default/$name
$name/$name.init start
pid=$(cat /run/$name.pid)
tr '\0' ' ' </proc/$pid/cmdline
echo as $(ps -p $pid -o user:32=)
printf '#!/bin/sh\necho "$@"\n' >/run/echo
chmod 755 /run/echo
echo 'DAEMON=/run/echo STARTER= DBDIR= PIDFILE=/run/none' >/etc/default/$name
$name/$name.init start
END
	delete local $ENV{uc($name) . '_DEFAULT'};
	my ($status, $out, $err) = run('tests/mta/sandbox', 'sh', $inside,
	    $name, $program, @lists);
	my ($kept, $unkept) = ("@unit") x 2;
	my $memory = $name eq 'graymilter' ? ' -memory' : '';
	$unkept =~ s{ -db /var/lib/$name\b}{$memory};
	is $out, "$name: started\n" .
	    "$program -user $name -pidfile /run/$name.pid $kept as $name\n" .
	    "-user $name -pidfile /run/none $unkept\n$name: started\n",
	    "$name: is run as its unit runs it" or diag $err;
}

# A daemon that does not end when it is asked to.
sub check_deaf {
	mkdir "$dir/deaf";
	chmod 0755, file("$name/deaf/$name", "#!$^X\n" . <<'END');
use strict;
my $pidfile = $ARGV[3];		# -user nobody -pidfile FILE
if (fork) {
	select undef, undef, undef, 0.1 until -s $pidfile;
	exit 0;
}
close $_ for *STDIN, *STDOUT, *STDERR;
$SIG{TERM} = 'IGNORE';
$0 = "$0 -deaf";
open my $f, '>', $pidfile or die;
print $f "$$\n";
close $f;
sleep 20;
END
	configure('STARTER=', 'STOP_SECONDS=1', "DAEMON=$dir/deaf/$name");
	is init('start'), 0, 'deaf: start';
	$last = pid;
	ok $last && !gone($last), 'deaf: it runs';
	($status, $said) = init('stop');
	is $status, 0, 'deaf: stop';
	like $said, qr/killed/, 'deaf: says how';
	ok gone($last), 'deaf: it is gone';
}

# What a script cannot do.
sub check_refusals {
	is init('nonsense'), 2, "$name: no such verb";
	is init(), 2, "$name: no verb";
	configure("DAEMON=$dir/none");
	is init('start'), 5, "$name: start what is not installed";
	is init('stop'), 0, "$name: stop what is not installed";
	is init('status'), 4, "$name: status of what is not installed";
	configure();
	($status) = run('setpriv', '--reuid=nobody', '--clear-groups',
	    $script, 'start');
	is $status, 4, "$name: only root may";

	local $ENV{MILTER_INIT} = "$dir/none";
	($status, $said) = init('start');
	is $status, 5, "$name: start without what all share";
	is $said, "$name: the rest of this script, $dir/none, is missing\n",
	    "$name: which is named";
	is init('status'), 4, "$name: status without what all share";
}

my $sandbox = (run('tests/mta/sandbox', 'true'))[0] == 0;
for (@present) {
	choose($_);
	check_life('');
	check_refusals;
	SKIP: {
		skip 'no namespaces to be had here', 1 unless $sandbox;
		check_defaults;
	}
	# What they share does the same for each.
	next unless $name eq $first;
	check_life('STARTER=');
	check_deaf;
}

END {
	my $kept = $?;
	kill KILL => $last if $last && $user && !gone($last);
	$? = $kept;
}

done_testing;
