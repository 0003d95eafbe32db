# A29: a disk that is full, read-only or not ours.  Clients are judged, reports
# hold in memory, and when there is room again all is written without help.
use strict;
use warnings;

use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Disk;
BEGIN { plan skip_all => Disk::why_not if Disk::why_not }

use Time::HiRes qw(sleep);

use Daemon;
use Fault;
use Milter;

my $disk = folder . '/disk';
my $db = "$disk/db";
my $list = file('list', "192.0.2.1\n");
my $listed = '192.0.2.1';
my $unlisted = '203.0.113.1';

sub begin_disk {
	my ($options) = @_;
	mount_disk($disk, $options);
	mkdir $db or die "$db: $!";
}

END { unmount_disk($disk) if defined $disk && -d "$disk/db" }

sub start { return Daemon->start(-db => $db, -blacklist => $list) }

sub report {
	my ($d, @names) = @_;
	for (@names) {
		my ($n) = /(\d+)/;
		is $d->tell("report 203.0.113.1$n 600 $_"), 'ok', "report $_";
	}
}

# Of the entries there are, in order.
sub reasons {
	my %reason = entries(@_);
	return join ' ', sort values %reason;
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
	eventually { return reasons($d) eq $wanted } 5;
	is reasons($d), $wanted, "$what: all is there";
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

begin_disk('160m');
my $d = start();
report($d, 'r1');
fill($disk);
report($d, 'r2', 'r3');
is_let_through($d, $unlisted, 'full: unlisted');
is_refused($d, $listed, 'list');
is_refused($d, '203.0.113.11', 'r1');
is_refused($d, '203.0.113.12', 'r2');
is_quiet($d, 'full');
report($d, 'r4');
cmp_ok $d->stat('shortlist_unsaved'), '>=', 1, 'reports are held in memory';
is reasons($d), 'r1 r2 r3 r4', 'full: the list is whole';
make_room($disk);
is_back($d, 'r1 r2 r3 r4', 'room again');

# --- full when it stops: what was held back is lost, as the manual says

fill($disk);
eventually { return $d->stat('store_up') == 0 } 5;
report($d, 'r5');
is $d->tell('forget 203.0.113.11'), 'ok', 'forget';
is stop($d), 0, 'full at the stop: exit 0';
make_room($disk);
$d = start();
is reasons($d), 'r1 r2 r3 r4', 'and the store is as it was before';

# --- killed while it is full; full at the start, and then read by itself

report($d, 'r6');
fill($disk);
eventually { return $d->stat('store_up') == 0 } 5;
report($d, 'r7');
$d->stop('KILL');
$d = start();
is_let_through($d, $unlisted, 'full at start: unlisted');
is_refused($d, $listed, 'list');
report($d, 'r2b', 'r8');
is reasons($d), 'r2b r8', 'full at start: only what is new';
is_quiet($d, 'full at start');
is $d->stat('shortlist_unsaved'), 2, 'full at start: two are unsaved';
make_room($disk);
is_back($d, 'r1 r2b r3 r4 r6 r8', 'room again after the start');
is_refused($d, '203.0.113.12', 'r2b');
is stop($d), 0, 'exit 0';
$d = start();
is reasons($d), 'r1 r2b r3 r4 r6 r8', 'all is there after a restart';
is stop($d), 0, 'exit 0';
is set_aside(), 0, 'and nothing was set aside';
unmount_disk($disk);

# --- a disk that is too small for ever

begin_disk('32m');
$d = start();
report($d, 'r1');
is_refused($d, '203.0.113.11', 'r1');
is_let_through($d, $unlisted, 'small disk: unlisted');
is $d->stat('store_up'), 0, 'small disk: the store is down';
is stop($d), 0, 'small disk: exit 0';
is_deeply [map { s{.*/}{}r } glob "$db/*"], ['lock'],
    'small disk: nothing was begun';
unmount_disk($disk);

# --- directories that cannot be used: told at start and by -check, at once

begin_disk('160m');
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
	for my $how ('blackmilter', 'blackmilter -check', 'graymilter',
	    'graymilter -check') {
		my ($milter, @how) = split / /, $how;
		@how = ($socket) unless @how;
		my ($status, $out, $err) = run(program($milter), '-X',
		    -db => $path, @options, @how);
		my @lines = complaints($err);
		is $status, 78, "$what, $how: exit 78";
		is "@lines", "$milter: store $path: $why",
		    "$what, $how: one line";
		ok !-e $socket, "$what, $how: no socket";
	}
}
is Daemon::slurp("$disk/plain"), "text\n", 'the file is as it was';
system 'umount', $db;
done_testing;
