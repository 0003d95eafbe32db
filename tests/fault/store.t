# A30: a store whose files are damaged, foreign or of another format, after a
# clean end and after a kill.  The daemon starts and serves; what cannot be
# used is set aside, with a line in the log, and an empty one begun; nothing is
# served that was not put in.  A record that is not understood is one that is
# not there.  And a directory has one daemon at a time.
use strict;
use warnings;
use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Daemon;
use Fault;

use constant AT_ONCE => 16;		# daemons under test
use constant ENTRIES => 400;		# in each store before it is damaged

my $driver = ($ENV{BUILD} // '.') . '/tests/fault/store_driver';
my $under_valgrind = ($ENV{WATCH} // '') eq 'valgrind';

# libdb keeps the memory it had for files that it refused.
$ENV{LSAN_OPTIONS} = 'print_suppressions=0:suppressions=' .
    file('lsan.supp', "leak:libdb-5.3.so\n");

sub drive {
	my ($status, $out, $err) = run($driver, @_);
	return if $status == 0 || ($status == 137 && $_[-1] eq 'killed');
	die "@_: $status $err";
}

sub write_file {
	my ($path, $content) = @_;
	open my $f, '>', $path or die "$path: $!";
	print $f $content;
	close $f or die "$path: $!";
}

sub client { return '198.18.' . ($_[0] >> 8) . '.' . ($_[0] & 255) }

# The stores that are damaged: closed; killed with all it has in the log; and
# killed when most of it is in the database and the log began anew.
my %rounds = (clean => 1, killed => 1, worn => 500);
my %held = map { client($_) => "r$_" } 0 .. ENTRIES - 1;
for (sort keys %rounds) {
	mkdir folder . "/$_";
	drive('fill', folder . "/$_", ENTRIES, $rounds{$_},
	    $_ eq 'clean' ? 'clean' : 'killed');
	trim_logs(folder . "/$_");
}

# --- what is done to a file; each gets its content and returns another

sub flip {
	my ($content) = @_;
	my $at = int rand length $content;
	substr($content, $at, 1) ^= chr(1 << int rand 8);
	return $content;
}

sub patch {
	my ($at, $number) = @_;
	return sub {
		my ($content) = @_;
		substr($content, $at, 4) = pack 'L', $number;
		return $content;
	};
}

# By the driver, which knows how to make it whole again.
sub driven {
	my @command = @_;
	my $path = folder . '/driven';
	return sub {
		unlink $path;
		write_file($path, $_[0]) if $command[0] eq 'version';
		drive($command[0], $path, @command[1 .. $#command]);
		return Daemon::slurp($path);
	};
}

my %damage = (
	'empty' => sub { '' },
	'cut to 28 bytes' => sub { substr $_[0], 0, 28 },
	'cut to 100 bytes' => sub { substr $_[0], 0, 100 },
	'cut to a page' => sub { substr $_[0], 0, 4096 },
	'cut to half' => sub { substr $_[0], 0, length($_[0]) / 2 },
	'cut a little' => sub { substr $_[0], 0, length($_[0]) - 1000 },
	'a text' => sub { "198.18.0.1 spam\n" x 3000 },
	'zeros' => sub { "\0" x length $_[0] },
	map(("flipped bit $_" => \&flip), 1 .. 6),
);
my %database_damage = (
	%damage,
	'untouched' => sub { $_[0] },
	'a patched version' => patch(16, 10),
	'a patched type' => patch(12, 0x061561),
	'a newer version' => driven('version', 10),
	'an older version' => driven('version', 6),
	'a hash table' => driven('foreign', 'hash', 4096, 1),
);
# Databases that are sound, but not ours: they are used, and what they hold is
# not understood.
my %foreign = (
	'small pages' => driven('foreign', 'btree', 512, 1),
	'large pages' => driven('foreign', 'btree', 65536, 1),
	'no checksums' => driven('foreign', 'btree', 4096, 0),
);

# What has to come of a case, where it is not left to the engine: whether the
# files are set aside, and then the damaged one with no byte changed.
sub wanted {
	my ($store, $file, $name) = @_;
	return 'used' if $name eq 'untouched' || $foreign{$name};
	return 'aside as it was' if $name =~ /^a newer|^an older|^a hash/ ||
	    ($store eq 'clean' && $file eq 'shortlist.db' && $name !~ /^flip/);
	return 'either';
}

my @cases;

sub add_cases {
	my ($store, $file, %change) = @_;
	my $content = Daemon::slurp(folder . "/$store/$file");
	push @cases, map { {
		name => "$store, $file, $_",
		store => $store,
		file => $file,
		content => $change{$_}->($content),
		rots => scalar(/^flip/),
		wanted => wanted($store, $file, $_),
		# Recovery cannot tell a damaged log from one that ends there.
		may_lose => !!$foreign{$_} ||
		    ($file =~ /^log/ && $store ne 'clean'),
	} } sort keys %change;
}

srand 30;
for my $store (sort keys %rounds) {
	add_cases($store, 'shortlist.db', %database_damage, %foreign);
	add_cases($store, s{.*/}{}r, %damage)
	    for glob folder . "/$store/log.*";
}
@cases = @cases[grep { $_ % 9 == 0 } 0 .. $#cases] if $under_valgrind;

# --- what comes of it

# A copy of the store with the damaged file; a disk that rots changes no time.
sub make_case {
	my ($case, $db) = @_;
	copy_store(folder . "/$case->{store}", $db);
	my $path = "$db/$case->{file}";
	return if $case->{content} eq Daemon::slurp($path);
	my @times = (stat $path)[8, 9];
	write_file($path, $case->{content});
	utime @times, $path if $case->{rots};
}

sub set_aside { return my @bad = glob "$_[0]/shortlist.db.bad-*" }

# Were the files used or set aside?  Dies when that is not properly done.
sub outcome {
	my ($case, $db, $d) = @_;
	my @bad = set_aside($db);
	die 'set aside ' . @bad . " times\n" if @bad > 1;
	my $lines = () = $d->lines(qr/was corrupt: set aside as /);
	die "$lines lines say so\n" if $lines != @bad;
	die "the counter differs\n"
	    if $d->stat('store_set_aside_total') != @bad;
	return 'used' unless @bad;
	die "$case->{file} is not among it\n"
	    unless -e "$bad[0]/$case->{file}";
	return Daemon::slurp("$bad[0]/$case->{file}") eq $case->{content} ?
	    'aside as it was' : 'aside';
}

sub check_entries {
	my ($d, $what) = @_;
	my %now = entries($d);
	my @invented = grep { ($held{$_} // '') ne $now{$_} &&
	    $_ ne '203.0.113.1' } sort keys %now;
	die "$what: invented @invented\n" if @invented;
	return \%now;
}

sub run_case {
	my ($case, $at) = @_;
	my $db = "$at/db";
	make_case($case, $db);

	my $d = launch($at, $db);
	die 'it does not start: status ' . ($d->gone ? $d->stop : 'none') .
	    "\n" unless is_ready($d);
	my $first = check_entries($d, 'at first');
	my $said = $d->tell('report 203.0.113.1 600 new');
	die "report: $said\n" unless $said eq 'ok';
	my $up = eventually {
		return $d->stat('store_up') && !$d->stat('shortlist_unsaved');
	} 20;
	die "the store stays down\n" unless $up;
	my $outcome = outcome($case, $db, $d);
	die "$outcome, not $case->{wanted}\n"
	    if $case->{wanted} ne 'either' && $case->{wanted} ne $outcome;
	die 'only ' . keys(%$first) . " entries, and not a word\n"
	    if $outcome eq 'used' && keys %$first < ENTRIES &&
	    !$case->{may_lose};
	for (['203.0.113.1', '554'], ['203.0.113.2', 'a']) {
		my $reply = reply($d, $_->[0]);
		die "$_->[0]: $reply\n" unless $reply eq $_->[1];
	}
	my $status = stop($d);
	die "status $status\n" unless $status eq '0';

	# What was used before is used again, and has what it had.
	rename "$at/log", "$at/log.first";
	$d = launch($at, $db);
	die "it does not start again\n" unless is_ready($d);
	my $second = check_entries($d, 'then');
	die "the new report is lost\n" unless $second->{'203.0.113.1'};
	die "entries are lost\n" if $outcome eq 'used' &&
	    keys %$second != keys(%$first) + 1;
	die "set aside once more\n"
	    if set_aside($db) != ($outcome eq 'used' ? 0 : 1);
	return "$case->{name}: fine, $outcome\n";
}

my $said = deal(AT_ONCE, \&run_case, @cases);
for (@cases) {
	my ($fine) = $said =~ /^\Q$_->{name}\E: fine, (.*)\n/m;
	my ($wrong) = $said =~ /^(\Q$_->{name}\E: .*\n(?:    .*\n)*)/m;
	ok $fine, "$_->{name}: " . ($fine // $_->{wanted}) or diag $wrong;
}
unlike $said, qr/^process/m, 'all cases were run' or diag $said;

# --- records that are not understood

my $db = folder . '/records';
my $odd = 0;
my %odd = map { '203.0.113.' . ++$odd => $_ } (
	[30, 2],		# of the next version
	[30, 0],
	[5, 1],			# too short
	[110, 1],		# of the first size that is too long
	[1024, 1],
	[1024, 255],
);
copy_store(folder . '/clean', $db);
drive('record', $db, $_, @{ $odd{$_} }) for sort keys %odd;

my $d = Daemon->start(-db => $db);
is_deeply { entries($d) }, \%held, 'records not understood: not there';
is $d->lines(qr/$odd records were not understood/), 1, 'and one line says so';
for (sort keys %odd) {
	is(Fault::reply($d, $_), 'a', "@{ $odd{$_} }: not refused");
	is $d->tell("report $_ 600 again"), 'ok', 'reported';
	is(Fault::reply($d, $_), '554', 'and then refused');
}
is stop($d), 0, 'exit 0';
$d = Daemon->start(-db => $db);
is_deeply { entries($d) }, { %held, map { $_ => 'again' } keys %odd },
    'the records were replaced';
is scalar(set_aside($db)), 0, 'and nothing was set aside';

# --- a second daemon

my ($status, $out, $err) = run(program('blackmilter'), '-X', -db => $db,
    folder . '/second');
is $status, 78, 'a second daemon in the directory: exit 78';
like $err, qr/^blackmilter: store \Q$db\E is in use by a running daemon$/m,
    'and it says why';
ok !-e folder . '/second', 'it leaves no socket';
is $d->tell('report 203.0.113.99 600 r'), 'ok', 'the first goes on';
is $d->stat('shortlist_unsaved'), 0, 'with its store';
is stop($d), 0, 'and ends well';
done_testing;
