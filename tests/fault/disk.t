# A29: a disk that is full, read-only or not ours.  Clients are judged, reports
# hold in memory, and when there is room again all is written without help.
use strict;
use warnings;

# All mounting is done in a name space of our own, which ends with the test.
BEGIN {
	require Test::More;
	Test::More->import;
	plan(skip_all => 'only root can mount') if $> != 0;
	if (!$ENV{DISK_T_INSIDE}) {
		plan(skip_all => 'no mount name spaces here')
		    if system('unshare -m true 2>/dev/null') != 0;
		$ENV{DISK_T_INSIDE} = 1;
		exec 'unshare', '-m', $^X, (map { "-I$_" } @INC), $0
		    or die "unshare: $!";
	}
}

use IO::Socket::UNIX;
use Time::HiRes qw(sleep);

use Daemon;
use Milter;

my $disk = folder . '/disk';
my $db = "$disk/db";
my $list = file('list', "192.0.2.1\n");
my $listed = '192.0.2.1';
my $unlisted = '203.0.113.1';

# The store leaves 64 MB free; a log file of it is 16 MB.
sub mount_disk {
	my ($options) = @_;
	mkdir $disk;
	system('mount', '-t', 'tmpfs', '-o', "size=$options", 'none', $disk)
	    == 0 or die 'cannot mount';
	mkdir $db or die "$db: $!";
}

sub unmount_disk { system 'umount', '-l', $disk }
END { unmount_disk() if defined $disk && -d "$disk/db" }

# At once, to the last byte.
sub fill {
	my ($free) = (qx{df --output=avail -k '$disk'} =~ /(\d+)/);
	system('fallocate', '-l', $free . 'K', "$disk/ballast") == 0
	    or die 'cannot fill';
}

sub make_room { unlink "$disk/ballast" or die "ballast: $!" }

# libmilter sees a signal within five seconds, or at the next connection.
sub stop {
	my ($d) = @_;
	kill TERM => $d->pid;
	for (1 .. 3) {
		sleep 0.1;
		last if $d->gone;
		IO::Socket::UNIX->new(Peer => $d->socket);
	}
	return $d->stop;
}

sub start { return Daemon->start(-db => $db, -blacklist => $list) }

sub report {
	my ($d, @names) = @_;
	for (@names) {
		my ($n) = /(\d+)/;
		is $d->tell("report 203.0.113.1$n 600 $_"), 'ok', "report $_";
	}
}

# The reasons of the entries there are, in order.
sub entries {
	my ($d) = @_;
	my ($last, @lines) = $d->tell('list');
	return join ' ', sort map { (split)[3] } @lines;
}

sub is_refused {
	my ($d, $address, $what) = @_;
	my $r = Milter->session($d->socket, $address);
	is $r->{text} // $r->{reply}, "554 5.7.1 mail from $address is " .
	    "refused, see " . ($address eq $listed ? 'list' : $what),
	    "$what is refused";
}

sub is_let_through {
	my ($d, $address, $what) = @_;
	is(Milter->session($d->socket, $address)->{reply}, 'a', $what);
}

sub is_back {
	my ($d, $wanted, $what) = @_;
	my $written = eventually {
		return $d->stat('store_up') == 1 &&
		    $d->stat('shortlist_unsaved') == 0;
	} 15;
	ok $written, "$what: written";
	eventually { return entries($d) eq $wanted } 5;
	is entries($d), $wanted, "$what: all is there";
}

# While there is no room: faults are counted each second, and logged once, by
# the store and by its library.
sub is_quiet {
	my ($d, $what) = @_;
	my $before = $d->stat('store_errors_total');
	sleep 3.5;
	cmp_ok $d->stat('store_errors_total'), '>=', $before + 3,
	    "$what: faults are counted";
	my @lines = $d->lines(qr/^store/);
	ok @lines == 1 || (@lines == 2 && $lines[0] =~ /^store:/),
	    "$what: one line a minute" or diag @lines;
	is $d->stat('store_up'), 0, "$what: the store is down";
}

sub set_aside { return scalar(my @bad = glob "$db/*.bad-*") }

# --- full while it runs

mount_disk('160m');
my $d = start();
report($d, 'r1');
fill();
report($d, 'r2', 'r3');
is_let_through($d, $unlisted, 'full: unlisted');
is_refused($d, $listed, 'list');
is_refused($d, '203.0.113.11', 'r1');
is_refused($d, '203.0.113.12', 'r2');
is_quiet($d, 'full');
report($d, 'r4');
cmp_ok $d->stat('shortlist_unsaved'), '>=', 1, 'reports are held in memory';
is entries($d), 'r1 r2 r3 r4', 'full: the list is whole';
make_room();
is_back($d, 'r1 r2 r3 r4', 'room again');

# --- full when it stops: what was held back is lost, as the manual says

fill();
eventually { return $d->stat('store_up') == 0 } 5;
report($d, 'r5');
is $d->tell('forget 203.0.113.11'), 'ok', 'forget';
is stop($d), 0, 'full at the stop: exit 0';
make_room();
$d = start();
is entries($d), 'r1 r2 r3 r4', 'and the store is as it was before';

# --- killed while it is full; full at the start, and then read by itself

report($d, 'r6');
fill();
eventually { return $d->stat('store_up') == 0 } 5;
report($d, 'r7');
$d->stop('KILL');
$d = start();
is_let_through($d, $unlisted, 'full at start: unlisted');
is_refused($d, $listed, 'list');
report($d, 'r2b', 'r8');
is entries($d), 'r2b r8', 'full at start: only what is new';
is_quiet($d, 'full at start');
is $d->stat('shortlist_unsaved'), 2, 'full at start: two are unsaved';
make_room();
is_back($d, 'r1 r2b r3 r4 r6 r8', 'room again after the start');
is_refused($d, '203.0.113.12', 'r2b');
is stop($d), 0, 'exit 0';
$d = start();
is entries($d), 'r1 r2b r3 r4 r6 r8', 'all is there after a restart';
is stop($d), 0, 'exit 0';
is set_aside(), 0, 'and nothing was set aside';
unmount_disk();

# --- a disk that is too small for ever

mount_disk('32m');
$d = start();
report($d, 'r1');
is_refused($d, '203.0.113.11', 'r1');
is_let_through($d, $unlisted, 'small disk: unlisted');
is $d->stat('store_up'), 0, 'small disk: the store is down';
is stop($d), 0, 'small disk: exit 0';
is_deeply [map { s{.*/}{}r } glob "$db/*"], ['lock'],
    'small disk: nothing was begun';
unmount_disk();

# --- directories that cannot be used: told at start and by -check, at once

mount_disk('160m');
mkdir "$disk/root", 0700;
mkdir "$disk/shut", 0555;
chown((getpwnam 'nobody')[2, 3], "$disk/shut");
file("$disk/plain", "text\n");
system('mount', '-t', 'tmpfs', '-o', 'size=1m,ro', 'none', $db) == 0
    or die 'cannot mount';

for (
	['missing', "$disk/missing", 'No such file or directory'],
	['a file', "$disk/plain", 'Not a directory'],
	['of another user', "$disk/root", 'Permission denied',
	    -user => 'nobody'],
	['not writable', "$disk/shut", 'Permission denied',
	    -user => 'nobody'],
	['read-only', $db, 'Read-only file system'],
) {
	my ($what, $path, $why, @options) = @$_;
	my $socket = folder . '/sock';
	for my $how ([$socket], ['-check']) {
		my ($status, $out, $err) = run(program('blackmilter'), '-X',
		    -db => $path, -blacklist => $list, @options, @$how);
		my @lines = grep { /^blackmilter: (?!loaded )/ }
		    split /\n/, $err;
		my $name = "$what, $how->[0]" =~ s{/.*}{socket}r;
		is $status, 78, "$name: exit 78";
		is "@lines", "blackmilter: store $path: $why",
		    "$name: one line";
		ok !-e $socket, "$name: no socket";
	}
}
is Daemon::slurp("$disk/plain"), "text\n", 'the file is as it was';
system 'umount', $db;
done_testing;
