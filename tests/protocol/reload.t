# Lists that change while the daemon runs: what it takes, and what it leaves.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Milter;

my $root = $> == 0;
my $dir = folder;

# 'a' accepted at connect, 'y' refused at HELO.
sub verdict_on {
	my ($d, $address, %with) = @_;
	return Milter->session($d->socket, $address, %with)->{reply};
}

# Write a file as it is, in place, with or without its last newline.
sub overwrite {
	my ($path, $text) = @_;
	open my $f, '>', $path or die "$path: $!";
	print $f $text;
	close $f;
}

# --- A8

{
	my $black = file('a8.black', "192.0.2.1\n192.0.2.2\n2001:db8:1::/48\n");
	my $white = file('a8.white',
	    "192.0.2.2\n198.51.100.0/24\n.friends.example\n");
	my $d = Daemon->start(-blacklist => $black, -whitelist => $white);
	my @clients = (
		# address, host, before, after
		['192.0.2.1', undef, 'y', 'a'],
		['192.0.2.2', undef, 'a', 'y'],
		['192.0.2.3', undef, 'a', 'y'],
		['2001:db8:1::1', undef, 'y', 'a'],
		['2001:db8:2::1', undef, 'a', 'y'],
	);
	is verdict_on($d, $_->[0]), $_->[2], "A8: $_->[0] at first"
	    for @clients;
	my $host = 'mx.friends.example';
	is verdict_on($d, '192.0.2.1', host => $host), 'a',
	    'A8: a friend by name';
	file('a8.black', "192.0.2.2\n192.0.2.3\n2001:db8:2::/48\n");
	file('a8.white', "198.51.100.0/24\n");
	is $d->tell('reload'), 'ok', 'A8: reload';
	is verdict_on($d, $_->[0]), $_->[3],
	    'A8: bug_whitelist_never_cleared: ' . $_->[0] . ' afterwards'
	    for @clients;
	is verdict_on($d, '192.0.2.3', host => $host), 'y',
	    'A8: bug_whitelist_never_cleared: a friend by name';
	is $d->stat('reloads_total'), 1, 'A8: counted';
	is $d->stat("list_entries{list=\"$white\"}"), 1, 'A8: entries';
}

# --- A9: by the command, and by SIGUSR1

my @damages = (
	# what, how, the line, is there a number of a line
	['missing', sub { unlink $_[0] }, qr/: No such file/],
	['a directory', sub { unlink $_[0]; mkdir $_[0] },
	    qr/: not a regular file/],
	['a FIFO', sub { unlink $_[0]; POSIX::mkfifo($_[0], 0644) },
	    qr/: not a regular file/],
	['a link to nothing', sub { unlink $_[0]; symlink 'x', $_[0] },
	    qr/: No such file/],
	$root ? () : ['unreadable', sub { chmod 0, $_[0] },
	    qr/: Permission denied/],
	['empty', sub { overwrite($_[0], '') }, qr/: it has become empty/],
	['all comments', sub { overwrite($_[0], "# nothing\n" x 10) },
	    qr/: it has become empty/],
	['cut short in a line', sub { overwrite($_[0], "192.0.2.1\n192.0") },
	    qr/:2: not an address[^:]*: 192\.0$/],
	['cut short at an address', sub { overwrite($_[0],
	    "192.0.2.1\n192.0.2.1") }, qr/: it was cut short/],
	['a bad line', sub { overwrite($_[0],
	    "192.0.2.3\n192.0.2.2\n192.0.2.0/33\n192.0.2.4\n") },
	    qr/:3: bad prefix length: 192\.0\.2\.0\/33$/],
	['binary', sub { overwrite($_[0], "\0\1\2\377\n") },
	    qr/:1: NUL in the line/],
	['HTML', sub { overwrite($_[0], "<html>\n<p>404\n</html>\n") },
	    qr/:1: not an address[^:]*: <html>$/],
	['a line without an end', sub { overwrite($_[0], 'x' x 100_000) },
	    qr/:1: line too long: x+$/],
);
my $good = "192.0.2.1\n192.0.2.2\n";

for my $how ('the command', 'SIGUSR1') {
	my $list = file('a9', $good);
	my $other = file('a9.other', "198.51.100.1\n");
	my $white = file('a9.white', ".friends.example\n");
	my $d = Daemon->start(-blacklist => $list, -blacklist => $other,
	    -whitelist => $white);
	my $failed = 0;
	for (@damages) {
		my ($what, $damage, $line) = @$_;
		my $before = () = $d->lines(qr/./);
		$damage->($list);
		file('a9.other', "198.51.100.2\n");
		if ($how eq 'SIGUSR1') {
			kill USR1 => $d->pid;
			eventually { $d->lines(qr/./) > $before } 5;
		} else {
			is $d->tell('reload'), 'error reload failed, see ' .
			    'the log; the old lists stay',
			    "A9: $what: the answer";
		}
		my @said = $d->lines(qr/./);
		splice @said, 0, $before;
		ok @said == 1 && $said[0] =~ /^\Q$list\E$line/,
		    "A9: $how: $what: one line" or diag @said;
		eventually { $d->stat('reload_failed_total') > $failed } 5;
		is $d->stat('reload_failed_total'), ++$failed,
		    "A9: $how: $what: counted";
		is join(' ', verdict_on($d, '192.0.2.1',
		    host => 'mx.friends.example'), map { verdict_on($d, $_) }
		    '192.0.2.1', '192.0.2.2', '192.0.2.3', '198.51.100.1',
		    '198.51.100.2'), 'a y y a y a',
		    "A9: $how: $what: the old lists stay, all of them";
		chmod 0644, $list;
		rmdir $list or unlink $list;
		file('a9', $good);
		file('a9.other', "198.51.100.1\n");
	}
	is $d->stat('reloads_total'), 0, "A9: $how: none worked";
	file('a9', "192.0.2.3\n");
	if ($how eq 'SIGUSR1') {
		kill USR1 => $d->pid;
		eventually { $d->stat('reloads_total') } 5;
	} else {
		is $d->tell('reload'), 'ok', 'A9: a good list: the answer';
	}
	is join(' ', map { verdict_on($d, $_) } '192.0.2.1', '192.0.2.3'),
	    'a y', "A9: $how: a good list is taken";
}

# Not a fault: what a list may be that never was anything else.
{
	my $list = file('plain', "192.0.2.1\n192.0.2.2");
	my $none = file('none', "");
	my $d = Daemon->start(-blacklist => $list, -blacklist => $none);
	is verdict_on($d, '192.0.2.2'), 'y', 'the last line without newline';
	overwrite($list, "192.0.2.1\r\n192.0.2.3");
	is $d->tell('reload'), 'ok', 'it is still allowed to be so';
	is verdict_on($d, '192.0.2.3'), 'y', 'and is read';
	overwrite($none, "192.0.2.4\n");
	is $d->tell('reload'), 'ok', 'an empty list is filled';
	is verdict_on($d, '192.0.2.4'), 'y', 'and read';
}

# --- -lenient

{
	my $most = join '', map { "198.51.100.$_\n" } 1 .. 200;
	my $list = file('lenient', "192.0.2.1\nbad\nworse\n192.0.2.2\n");
	my $bad = "list_bad_lines{list=\"$list\"}";
	my $d = Daemon->start(-blacklist => $list, '-lenient');
	is verdict_on($d, '192.0.2.2'), 'y', '-lenient: what is good is used';
	is $d->stat($bad), 2, '-lenient: what is bad is counted';
	is scalar($d->lines(qr/^\Q$list\E:2: /)), 1, '-lenient: one line';
	is scalar($d->lines(qr/^\Q$list\E:3: /)), 0, '-lenient: and no more';
	is $d->tell('reload'), 'error reload failed, see the log; ' .
	    'the old lists stay', '-lenient: at reload too many are refused';
	is scalar($d->lines(qr/more than one bad line in a hundred/)), 1,
	    '-lenient: which is said';
	overwrite($list, "${most}bad\nworse\n");
	is $d->tell('reload'), 'ok', '-lenient: two in two hundred';
	is verdict_on($d, '198.51.100.200'), 'y', '-lenient: and used';
	overwrite($list, "${most}bad\nworse\nworst\n");
	like $d->tell('reload'), qr/^error/, '-lenient: three are too many';
}

# --- under load: an address that is always listed is never let through

{
	my $sure = "192.0.2.1\n192.0.2.128/25\n";
	my $fill = join '', map { sprintf "10.%d.%d.%d\n", $_ / 65536,
	    $_ / 256 % 256, $_ % 256 } 1 .. 20000;
	my $list = file('load', "$sure$fill");
	my $d = Daemon->start(-blacklist => $list);
	my $reloads = 40;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		for my $i (1 .. $reloads) {
			file('load', $i % 2 ? "192.0.2.64\n$sure" :
			    "$sure$fill");
			$d->tell('reload');
		}
		POSIX::_exit(0);
	}
	my ($sessions, $wrong) = (0, 0);
	my @open;
	until (waitpid($pid, POSIX::WNOHANG) == $pid) {
		my $m = Milter->new($d->socket);
		push @open, $m;
		$wrong++ if $m->connect('192.0.2.1')->{reply} ne 'c';
		(shift @open)->quit if @open > 20;
		$wrong++ if verdict_on($d, '192.0.2.200') ne 'y' ||
		    verdict_on($d, '192.0.2.2') ne 'a';
		$sessions += 3;
	}
	for my $m (@open) {
		$wrong++ if $m->helo('client.example')->{reply} ne 'y';
	}
	is $d->stat('reloads_total'), $reloads, "reloads under load";
	cmp_ok $sessions, '>', 100, 'with many sessions between them';
	is $wrong, 0, 'nobody was let through or refused wrongly';
}

# --- -autoupdate

{
	my @names = qw(changed settling gone still);
	my %list = map { $_ => file("auto.$_", "192.0.2.1\n") } @names;
	my %d = map { $_ => Daemon->start($_ eq 'still' ? () : '-autoupdate',
	    -blacklist => $list{$_}) } @names;
	my $begin = time;
	sleep 0.1;
	overwrite($list{changed}, "192.0.2.2\n");
	overwrite($list{still}, "192.0.2.2\n");
	unlink $list{gone};

	# Somebody writes it, with pauses shorter than the time to settle.
	while (time < $begin + 13 * slow) {
		overwrite($list{settling}, "192.0.2.3\n" . '#' x rand(99) .
		    "\n");
		sleep 0.3;
		last if $ENV{WATCH} && $d{changed}->stat('reloads_total');
	}
	is verdict_on($d{changed}, '192.0.2.2'), 'y', '-autoupdate: a change';
	is $d{changed}->stat('reloads_total'), 1, '-autoupdate: once';
	is verdict_on($d{settling}, '192.0.2.3'), 'a',
	    '-autoupdate: not while somebody writes';
	is $d{settling}->stat('reload_failed_total'), 0,
	    '-autoupdate: nor is it a fault';
	eventually { $d{gone}->stat('reload_failed_total') } 3;
	is $d{gone}->stat('reload_failed_total'), 1,
	    '-autoupdate: a list that is gone';
	is verdict_on($d{gone}, '192.0.2.1'), 'y', '-autoupdate: stays in use';

	eventually { $d{settling}->stat('reloads_total') } 15;
	is verdict_on($d{settling}, '192.0.2.3'), 'y',
	    '-autoupdate: when it was written';
	sleep 1 * slow;
	is scalar($d{gone}->lines(qr/No such file/)), 1,
	    '-autoupdate: what is gone is said once';
	is $d{gone}->stat('reload_failed_total'), 1,
	    '-autoupdate: and counted once';
	is $d{changed}->stat('reloads_total'), 1,
	    '-autoupdate: what did not change is not read again';
	is $d{still}->stat('reloads_total'), 0, 'no look without -autoupdate';
	is verdict_on($d{still}, '192.0.2.1'), 'y', 'and the old list';
}

done_testing;
