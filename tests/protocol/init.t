# The init script, run for real: with start-stop-daemon, and with nothing but
# sh, ps and kill.

use strict;
use warnings;
use Daemon;
use Test::More;

plan skip_all => 'needs root' if $> != 0;
my $user = getpwnam 'nobody' or plan skip_all => 'needs the user nobody';
my $program = (program('blackmilter'))[-1];
my $script = 'blackmilter/blackmilter.init';
my $dir = folder;
my ($pidfile, $run) = ("$dir/pid", "$dir/run/black");
$ENV{BLACKMILTER_DEFAULT} = "$dir/default";
# None of the caller's environment may get into the script.
@ENV{qw(USER DAEMON OPTIONS SOCKET)} = ('root', '/bin/false', '-x', '/x');

# What the administrator writes into /etc/default; more comes behind it.
sub configure {
	my (@more) = @_;
	return file('default', join "\n", "DAEMON='$program'", 'USER=nobody',
	    "RUNDIR='$run'", "DBDIR='$dir/db'", "PIDFILE='$pidfile'",
	    "OPTIONS=\"-blacklist '$dir/black list' -control $run/control",
	    "  -db $dir/db -rejectmessage 'no mail from %i'\"", @more, '');
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

sub verdict {
	my (undef, $out) = run($program, -tell => 'test 192.0.2.2',
	    "$run/control");
	return $out =~ /^verdict=(\w+)/ ? $1 : '';
}

my ($last, $status, $said);

for my $starter ('', 'STARTER=') {
	my $how = $starter ? 'plain' : 'start-stop-daemon';
	file('black list', "192.0.2.1\n");
	configure($starter);

	is init('status'), 3, "$how: status before";
	($status, $said) = init('start');
	is $status, 0, "$how: start" or diag $said;
	my $pid = $last = pid;
	ok $pid && !gone($pid), "$how: it runs";
	is ((stat "/proc/$pid")[4], $user, "$how: as the user");
	is sprintf('%o %d', (stat $run)[2] & 07777, (stat $run)[4]),
	    "755 $user", "$how: a folder that sendmail calls safe";
	ok -S "$run/blackmilter.sock", "$how: with the socket in it";
	is init('start'), 0, "$how: start again";
	is pid, $pid, "$how: changes nothing";
	is init('status'), 0, "$how: status";

	is verdict, 'pass', "$how: before the reload";
	file('black list', "192.0.2.1\n192.0.2.2\n");
	is init('reload'), 0, "$how: reload";
	ok +(eventually { verdict eq 'reject' } 10),
	    "$how: it took effect";

	file('black list', "192.0.2.1\nnonsense\n");
	($status, $said) = init('restart');
	is $status, 6, "$how: no restart with a bad list";
	like $said, qr/black list:2: /, "$how: which is named";
	is pid, $pid, "$how: the old daemon stays";

	file('black list', "192.0.2.2\n");
	($status, $said) = init('restart');
	is $status, 0, "$how: restart" or diag $said;
	ok +(eventually { gone($pid) } 5), "$how: the old one is gone";
	isnt $last = pid, $pid, "$how: there is a new one";
	is verdict, 'reject', "$how: and it answers";

	is init('stop'), 0, "$how: stop";
	ok +(eventually { gone($last) } 5), "$how: it is gone";
	ok !-e $pidfile && !-e "$run/blackmilter.sock" && !-e "$run/control",
	    "$how: and has cleaned up";
	is init($_->[0]), $_->[1], "$how: $_->[0] when stopped" for
	    ['stop', 0], ['reload', 7], ['force-reload', 7],
	    ['try-restart', 0], ['status', 3];

	# The number in a pid file left behind is some other program's now.
	file('pid', "$$\n");
	is init('status'), 1, "$how: status with a pid file left behind";
	is init('reload'), 7, "$how: reload signals nobody then";
	is init('stop'), 0, "$how: stop stops nobody then";
	ok !-e $pidfile, "$how: but removes the file";

	file('black list', "192.0.2.1\n192.0.2.300\n");
	($status, $said) = init('start');
	is $status, 6, "$how: no start with a bad list";
	like $said, qr/black list:2: /, "$how: which is named";
	is init('status'), 3, "$how: nothing runs";
	ok !-e "$run/blackmilter.sock", "$how: no socket is left";
	unlink $pidfile;
}

# A daemon that does not end when it is asked to.
mkdir "$dir/deaf";
chmod 0755, file('deaf/blackmilter', "#!$^X\n" . <<'END');
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
configure('STARTER=', 'STOP_SECONDS=1', "DAEMON=$dir/deaf/blackmilter");
is init('start'), 0, 'deaf: start';
$last = pid;
ok $last && !gone($last), 'deaf: it runs';
($status, $said) = init('stop');
is $status, 0, 'deaf: stop';
like $said, qr/killed/, 'deaf: says how';
ok gone($last), 'deaf: it is gone';

# What the script cannot do.
is init('nonsense'), 2, 'no such verb';
is init(), 2, 'no verb';
configure("DAEMON=$dir/none");
is init('start'), 5, 'start what is not installed';
is init('stop'), 0, 'stop what is not installed';
is init('status'), 4, 'status of what is not installed';
configure();
($status) = run('setpriv', '--reuid=nobody', '--clear-groups', $script,
    'start');
is $status, 4, 'only root may';

END {
	my $kept = $?;
	kill KILL => $last if $last && $user && !gone($last);
	$? = $kept;
}

done_testing;
