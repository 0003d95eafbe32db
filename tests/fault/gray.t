# A29, A30 for graymilter: its disk full, its directory shut or gone, its files
# damaged before it starts or while it runs.  Mail passes, or is asked to come
# back where -onerror says so; a line a minute tells, and counters; and when the
# cause is gone all goes on without help, with all that can still be known.
use strict;
use warnings;
use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Disk;
use File::Path qw(remove_tree);
use Time::HiRes qw(sleep);

use Daemon;
use Fault;

use constant AT_ONCE => 24;		# daemons under test
use constant ASKED => 400;		# times, of a store that was damaged

my $driver = ($ENV{BUILD} // '.') . '/tests/fault/store_driver';

# libdb keeps the memory it had for files that it refused.
$ENV{LSAN_OPTIONS} = 'print_suppressions=0:suppressions=' .
    file('lsan.supp', "leak:libdb-5.3.so\n");

my %tempfail = (pass => '451 4.3.0', options => ['-onerror', 'tempfail']);
my %accept = (pass => 'pass', options => []);

# --- one daemon, and what is asked of it

sub same {
	my ($got, $wanted, $what) = @_;
	die "$what: $got, not $wanted\n" unless $got eq $wanted;
}

# What is known at first; sender => (first, last) as seconds ago.
my %seconds_ago = (known => [7200, 60], waits => [100, 0]);

sub begin {
	my ($at, $db, @options) = @_;
	rename "$at/log", "$at/log.first";
	my %own = ref $options[0] ? %{ shift @options } : ();
	my $d = launch($at, $db, { name => 'graymilter', %own },
	    -delay => '1h', @options);
	die "it does not start\n" unless is_ready($d);
	return $d;
}

# A triplet in a dump; times are seconds since the epoch.
sub record {
	my ($sender, $first, $last) = @_;
	return "load triplet 192.0.2.0/24 $sender\@client.example " .
	    "alice\@example.test $first $last 0 " . ($last ? 1 : 0) . ' 0';
}

sub known_records {
	my ($count) = @_;
	my $now = time;
	return map { record("known$_", $now - 7200, $now - 60) } 1 .. $count;
}

# Returns when the one that waits was seen first.
sub learn {
	my ($d) = @_;
	my $now = time;
	for my $sender (sort keys %seconds_ago) {
		my ($first, $last) = @{ $seconds_ago{$sender} };
		same($d->tell(record($sender, $now - $first,
		    $last ? $now - $last : 0)), 'ok', "load $sender");
	}
	return $now - $seconds_ago{waits}[0];
}

sub ask {
	my ($d, $sender) = @_;
	return mail($d, '192.0.2.1', "$sender\@client.example",
	    'alice@example.test');
}

sub first_seen {
	my ($d, $sender) = @_;
	my ($last, @lines) = $d->tell('dump');
	return join ' ', map { / triplet \S+ \Q$sender\E\@\S+ \S+ (\S+)/ ? $1 :
	    () } @lines;
}

my $strangers = 0;

# All is well: strangers wait, and what was known is.
sub check_well {
	my ($d, $first, $what) = @_;
	my $stranger = 's' . ++$strangers;
	same(ask($d, $stranger), '451 4.7.1', "$what, a stranger");
	same(ask($d, $stranger), '451 4.7.1', "$what, again at once");
	die "$what: the stranger is forgotten\n"
	    unless first_seen($d, $stranger) =~ /^\d+$/;
	same(ask($d, 'known'), 'pass', "$what, known");
	same(ask($d, 'waits'), '451 4.7.1', "$what, one that waits");
	same(first_seen($d, 'waits'), $first, "$what: seen first");
}

# The store cannot be written: who is known passes, if it can be read; all others
# are treated alike, and counted.
sub check_trouble {
	my ($d, $way, $what, $unread) = @_;
	my $before = $d->stat('errors_total');
	same(ask($d, 'known'), $unread ? $way->{pass} : 'pass', "$what, known");
	same(ask($d, $_), $way->{pass}, "$what, $_")
	    for 'waits', 's' . ++$strangers;
	same($d->stat('errors_total'), $before + ($unread ? 3 : 2),
	    "$what: errors");
	same($d->stat('store_up'), 0, "$what: store_up");
}

# One line a minute: of the milter, of the store, and perhaps of its library.
sub check_lines {
	my ($d, $way, $what) = @_;
	my $how = $way == \%accept ? 'let through' : 'asked to come back';
	my @wanted = (qr/^store: /, qr/^store \S+: /,
	    qr/^the greylist cannot be used, so mail is $how$/);
	my @lines;
	eventually {
		@lines = grep { !/^store .* is up again$/ }
		    $d->lines(qr/^(?!loaded |version |running as|verdict=)/);
		my @count = map { my $w = $_; scalar grep { $_ =~ $w } @lines }
		    @wanted;
		return "@count" =~ /^[01] 1 1$/ && @lines == $count[0] + 2;
	} 2 or die join('; ', "$what: lines", @lines), "\n";
}

sub wait_for_trouble {
	my ($d, $what) = @_;
	eventually { $d->stat('store_up') == 0 } 10
	    or die "$what: the store is up\n";
}

sub wait_until_up {
	my ($d, $what) = @_;
	eventually { $d->stat('store_up') == 1 } 20
	    or die "$what: the store stays down\n";
}

sub set_aside { return my @bad = glob "$_[0]/greylist.db.bad-*" }

sub end {
	my ($d) = @_;
	same(stop($d), 0, 'status at the end');
}

# --- the disk is full

sub full_while_it_runs {
	my ($at, $way) = @_;
	my $disk = "$at/disk";
	mount_disk($disk, '160m');
	mkdir "$disk/db";
	my $d = begin($at, "$disk/db", @{ $way->{options} });
	my $first = learn($d);
	check_well($d, $first, 'at first');
	for my $what ('full', 'full once more') {
		fill($disk);
		wait_for_trouble($d, $what);
		check_trouble($d, $way, $what);
		my $before = $d->stat('store_errors_total');
		sleep 2.5;
		die "$what: faults are not counted\n"
		    if $d->stat('store_errors_total') < $before + 2;
		check_trouble($d, $way, $what);
		check_lines($d, $way, $what);
		make_room($disk);
		wait_until_up($d, $what);
		check_well($d, $first, "$what, then not");
	}
	end($d);
}

sub full_when_it_starts {
	my ($at) = @_;
	my $disk = "$at/disk";
	mount_disk($disk, '160m');
	mkdir "$disk/db";
	my $d = begin($at, "$disk/db");
	my $first = learn($d);
	check_well($d, $first, 'at first');
	fill($disk);
	$d->stop('KILL');
	$d = begin($at, "$disk/db");
	check_trouble($d, \%accept, 'full at the start', 1);
	check_lines($d, \%accept, 'full at the start');
	make_room($disk);
	wait_until_up($d, 'room');
	check_well($d, $first, 'room');
	fill($disk);
	wait_for_trouble($d, 'full at the end');
	end($d);
	make_room($disk);
	$d = begin($at, "$disk/db");
	check_well($d, $first, 'started again');
	die "it was set aside\n" if set_aside("$disk/db");
	end($d);
}

sub too_small {
	my ($at) = @_;
	my $disk = "$at/disk";
	mount_disk($disk, '32m');
	my $d = begin($at, $disk, @{ $tempfail{options} });
	check_trouble($d, \%tempfail, 'too small', 1);
	check_lines($d, \%tempfail, 'too small');
	end($d);
	same(join(' ', map { s{.*/}{}r } glob "$disk/*"), 'lock',
	    'files there');
}

# --- the directory

sub shut {
	my ($at) = @_;
	my $db = "$at/db";
	mkdir $db;
	chown((getpwnam 'nobody')[2, 3], $at, $db) if $> == 0;
	my $d = begin($at, $db, $> == 0 ? (-user => 'nobody') : ());
	my $first = learn($d);
	chmod 0555, $db;
	# The end of a file of the log comes first, or else it is seen soon.
	load_records($d, known_records(100_000));
	wait_for_trouble($d, 'shut');
	sleep 6;	# it tries to open it
	check_trouble($d, \%accept, 'shut');
	check_lines($d, \%accept, 'shut');
	chmod 0755, $db;
	wait_until_up($d, 'open');
	check_well($d, $first, 'open');
	die "it was set aside\n" if set_aside($db);
	end($d);
}

sub removed {
	my ($at) = @_;
	my $db = "$at/db";
	mkdir $db;
	my $d = begin($at, $db);
	my $first = learn($d);
	rename $db, "$at/elsewhere" or die $!;
	wait_for_trouble($d, 'removed');
	check_trouble($d, \%accept, 'removed');
	check_lines($d, \%accept, 'removed');
	rename "$at/elsewhere", $db or die $!;
	wait_until_up($d, 'back');
	check_well($d, $first, 'back');

	remove_tree($db);
	wait_for_trouble($d, 'removed once more');
	mkdir $db;
	wait_until_up($d, 'made again');
	eventually { -e "$db/greylist.db" } 5 or die "nothing is made\n";
	$first = learn($d);
	check_well($d, $first, 'made again');
	check_second($at, $db);
	end($d);
	$d = begin($at, $db);
	check_well($d, $first, 'started again');
	end($d);
}

# Another daemon in the directory of one that runs.
sub check_second {
	my ($at, $db) = @_;
	my ($status, $out, $err) = run(program('graymilter'), '-X',
	    -db => $db, "$at/second");
	same($status, 78, 'a second daemon: exit');
	die "a second daemon: $err" unless $err =~
	    /^graymilter: store \Q$db\E is in use by a running daemon$/m;
	die "a second daemon left its socket\n" if -e "$at/second";
}

sub shared {
	my ($at) = @_;
	my $db = "$at/db";
	mkdir $db;
	my $d = begin($at, $db);
	my $first = learn($d);
	check_second($at, $db);
	check_well($d, $first, 'the first goes on');
	end($d);
}

# --- the files

sub write_file {
	my ($path, $content) = @_;
	open my $f, '>', $path or die "$path: $!";
	print $f $content;
	close $f or die "$path: $!";
}

sub drive {
	my ($status, $out, $err) = run($driver, @_);
	die "@_: $status $err\n" unless $status == 0;
}

# One bit of each page but the first, which is in the cache.
sub flip_all {
	my ($content) = @_;
	for (my $at = 4096 + 500; $at < length $content; $at += 4096) {
		substr($content, $at, 1) ^= "\1";
	}
	return $content;
}

my %damage = (
	'empty' => sub { '' },
	'cut to half' => sub { substr $_[0], 0, length($_[0]) / 2 },
	'cut to 100 bytes' => sub { substr $_[0], 0, 100 },
	'a text' => sub { "192.0.2.1 spam\n" x 3000 },
	'zeros' => sub { "\0" x length $_[0] },
	'flipped bits' => \&flip_all,
	'another version' => sub {
		my $path = folder . "/driven.$$";
		write_file($path, $_[0]);
		drive('version', $path, 10);
		return Daemon::slurp($path);
	},
);

# Is the file among those that were set aside, and told of, once?
sub check_set_aside {
	my ($d, $db, $content) = @_;
	my @bad = set_aside($db);
	same(scalar(@bad), 1, 'set aside');
	same($d->stat('store_set_aside_total'), 1, 'store_set_aside_total');
	same(scalar(my @l = $d->lines(
	    qr/ was corrupt: set aside as \Q$bad[0]\E, /)), 1, 'lines say so');
	die "the file was changed\n" if defined $content &&
	    Daemon::slurp("$bad[0]/greylist.db") ne $content;
}

# The stores that are damaged, and how many are known in each.  The large one
# does not fit into a cache of 1 MB.
my %size = (clean => 400, killed => 400, large => 12000);

sub make_store {
	my ($store, $at) = @_;
	my $db = folder . "/$store";
	mkdir $db;
	my $d = begin($at, $db);
	my ($taken, $answer) = load_records($d, known_records($size{$store}));
	same($taken, $size{$store}, 'taken');
	$store eq 'killed' ? $d->stop('KILL') : end($d);
	trim_logs($db);
}

# It was used, or it was set aside and all begins anew.
sub check_outcome {
	my ($d, $db, $size, $content) = @_;
	my %wanted = (pass => 1);
	for (0 .. ASKED - 1) {
		my $n = 1 + int $_ * $size / ASKED;
		my $got = ask($d, "known$n");
		$wanted{'451 4.7.1'} = 1 if set_aside($db);
		die "known$n: $got\n" unless $wanted{$got};
	}
	eventually {
		return $d->stat('errors_total') == 0 ||
		    $d->stat('store_repairs_total') > 0;
	} 20 or die "it is not repaired\n";
	wait_until_up($d, 'afterwards');
	return 'used' unless set_aside($db);
	check_set_aside($d, $db, $content);
	return 'aside';
}

sub damaged_at_start {
	my ($at, $store, $damage) = @_;
	my $db = "$at/db";
	copy_store(folder . "/$store", $db);
	my $path = "$db/greylist.db";
	my $content = $damage{$damage}->(Daemon::slurp($path));
	my @times = (stat $path)[8, 9];
	write_file($path, $content);
	# A disk that rots changes no time.
	utime @times, $path if $damage eq 'flipped bits';

	my $d = begin($at, $db);
	# What recovery finds in the log of one that was killed may be written.
	my $outcome = check_outcome($d, $db, $size{$store},
	    $store eq 'clean' ? $content : undef);
	same($outcome, 'aside', 'the store') if $store eq 'clean';
	my $known = $outcome eq 'used' ? 'pass' : '451 4.7.1';
	same(ask($d, 'known1'), $known, 'known1');
	check_well($d, learn($d), 'afterwards');
	end($d);

	$d = begin($at, $db);
	same(ask($d, 'known1'), $known, 'known1, started again');
	check_well($d, first_seen($d, 'waits'), 'started again');
	same(scalar(set_aside($db)), $outcome eq 'used' ? 0 : 1, 'set aside');
	end($d);
}

# All but the first page is read when it is asked for.
sub damaged_while_it_runs {
	my ($at, $damage) = @_;
	my $db = "$at/db";
	my $path = "$db/greylist.db";
	copy_store(folder . '/large', $db);
	my $d = begin($at, $db, -cache => 1);
	my $content = $damage{$damage}->(Daemon::slurp($path));
	substr($content, 0, 4096) = substr Daemon::slurp($path), 0, 4096
	    if length $content > 4096;
	write_file($path, $content);
	same(ask($d, 'known1'), 'pass', 'known1');
	same(check_outcome($d, $db, $size{large}), 'aside', 'the store');
	check_well($d, learn($d), 'afterwards');
	end($d);
	same(scalar(set_aside($db)), 1, 'set aside');
}

# A record that is not understood is one that is not there.
sub odd_records {
	my ($at) = @_;
	my $db = "$at/db";
	my %odd = (longer => [60, 1], short => [5, 1], newer => [34, 2],
	    older => [34, 0], long => [1024, 1]);
	copy_store(folder . '/clean', $db);
	drive('triplet', $db, '192.0.2.0/24', "$_\@client.example",
	    'alice@example.test', @{ $odd{$_} }) for sort keys %odd;
	my $d = begin($at, $db);
	my $first = learn($d);
	for (sort keys %odd) {
		same(first_seen($d, $_), '', "$_ in the dump");
		same(ask($d, $_), '451 4.7.1', $_);
		die "$_ was not replaced\n"
		    unless first_seen($d, $_) =~ /^\d+$/;
	}
	check_well($d, $first, 'odd records');
	die "it was set aside\n" if set_aside($db);
	end($d);
}

# --- all of it at once

make_store($_, folder) for sort keys %size;

my @on_disks = (
	['full while it runs', \&full_while_it_runs, \%accept],
	['full while it runs, -onerror tempfail', \&full_while_it_runs,
	    \%tempfail],
	['full when it starts', \&full_when_it_starts],
	['a disk that is too small', \&too_small],
);
my @others = (
	['directory not writable', \&shut],
	['directory removed', \&removed],
	['two daemons', \&shared],
	['records not understood', \&odd_records],
);
for my $damage (sort keys %damage) {
	push @others, map { ["$_, $damage", \&damaged_at_start, $_, $damage] }
	    'clean', 'killed';
}
push @others, map { ["while it runs, $_", \&damaged_while_it_runs, $_] }
    'a text', 'cut to half', 'flipped bits';

my @scenarios = map { { name => $_->[0], how => $_ } }
    Disk::why_not ? () : @on_disks, @others;
my $said = deal(AT_ONCE, sub {
	my ($scenario, $at) = @_;
	my ($name, $run, @with) = @{ $scenario->{how} };
	my $fine = eval { $run->($at, @with); 1 };
	my $wrong = $@;
	unmount_disk("$at/disk") if -d "$at/disk";
	$fine or die $wrong;
	return "$name: fine\n";
}, @scenarios);
for (map { $_->{name} } @scenarios) {
	my ($wrong) = $said =~ /^(\Q$_\E: .*\n(?:    .*\n)*)/m;
	ok $said =~ /^\Q$_\E: fine$/m, $_ or diag $wrong;
}
SKIP: {
	skip Disk::why_not, scalar @on_disks if Disk::why_not;
}
unlike $said, qr/^process/m, 'all were run' or diag $said;
done_testing;
