# A30: a database that is cut, flipped, of another version or no database at
# all.  The daemon starts, the bad files are set aside as they were, what is
# found is never more than what was put in, and new reports are taken.

use strict;
use warnings;
use File::Copy qw(copy);
use Test::More;

use Daemon;

use constant CLIENTS => 500;

srand 30;
my $made = 0;

sub slurp { return Daemon::slurp(shift) }

sub write_raw {
	my ($path, $bytes) = @_;
	open my $f, '>:raw', $path or die "$path: $!";
	print $f $bytes;
	close $f or die "$path: $!";
}

sub client { return '198.18.' . ($_[0] >> 8) . '.' . ($_[0] & 255) }

# A database that was closed, and one whose daemon was killed; each with the
# same entries.
my %original;
for my $end ('TERM', 'KILL') {
	my $db = folder . "/$end";
	mkdir $db;
	my $d = Daemon->start('-db' => $db);
	for (1 .. CLIENTS) {
		$d->tell('report ' . client($_) . ' 7200 before') eq 'ok' or die;
	}
	$d->stop($end);
	$original{$end} = { map { m{([^/]+)$} ? ($1 => slurp($_)) : () }
	    grep { -f } glob "$db/*" };
}

# Rows of [what, file, sub that changes its bytes].
my $log = 'log.0000000001';
my $db = 'shortlist.db';
my @damage = (
	['untouched', $db, sub { $_[0] }],
	['empty', $db, sub { '' }],
	['a text file', $db, sub { "192.0.2.1\n" x 1000 }],
	['zeros', $db, sub { "\0" x length $_[0] }],
	['of a newer version', $db,
	    sub { substr($_[0], 0, 16) . pack('L', 99) . substr($_[0], 20) }],
	['of an older version', $db,
	    sub { substr($_[0], 0, 16) . pack('L', 6) . substr($_[0], 20) }],
	['of another type', $db,
	    sub { substr($_[0], 0, 12) . pack('L', 0x061561) .
	    substr($_[0], 16) }],
	map({ my $to = $_; ["cut to $to", $db,
	    sub { substr $_[0], 0, $to < 1 ? $to * length $_[0] : $to }] }
	    100, 512, 4096, 5000, 0.5, 0.9),
	map({ ["flipped ($_)", $db, \&flip] } 1 .. 12),
	['log empty', $log, sub { '' }],
	['log a text file', $log, sub { "hello\n" x 1000 }],
	map({ my $to = $_; ["log cut to $to", $log,
	    sub { substr $_[0], 0, $to * length $_[0] }] } 0.1, 0.5, 0.9),
	map({ ["log flipped ($_)", $log, \&flip] } 1 .. 6),
);

# One bit, anywhere.
sub flip {
	my ($bytes) = @_;
	my $at = int rand length $bytes;
	substr($bytes, $at, 1) ^= chr(1 << rand 8);
	return $bytes;
}

# Start on a damaged copy; returns what there was to see.
sub try_damage {
	my ($end, $file, $change) = @_;
	my $at = folder . '/try-' . ++$made;
	mkdir $at;
	my %files = %{ $original{$end} };
	$files{$file} = $change->($files{$file});
	write_raw("$at/$_", $files{$_}) for keys %files;
	my $d = Daemon->start('-db' => $at);
	my ($last, @entries) = $d->tell('list');
	my %seen = (
		folder => $at,
		files => \%files,
		list => $last,
		entries => [map { /^(\S+)/ } @entries],
		reported => $d->tell('report 203.0.113.1 60 after'),
		test => join(' ', $d->tell('test 203.0.113.1')),
		up => $d->stat('store_up'),
		log => $d->log,
		aside => [glob "$at/shortlist.db.bad-*"],
	);
	$d->retire;
	return \%seen;
}

my %expected = map { client($_) => 1 } 1 .. CLIENTS;
my %aside;
for my $end ('TERM', 'KILL') {
	for (@damage) {
		my ($what, $file, $change) = @$_;
		my $name = "$what, after SIG$end";
		my $seen = try_damage($end, $file, $change);
		my $kept = @{ $seen->{entries} };
		is $seen->{list}, 'ok', "$name: it starts (entries: $kept)";
		is_deeply [grep { !$expected{$_} } @{ $seen->{entries} }], [],
		    "$name: nothing was invented";
		is $seen->{reported}, 'ok', "$name: reports are taken";
		like $seen->{test}, qr/^ok verdict=reject by=shortlist/,
		    "$name: and hold";
		is $seen->{up}, 1, "$name: in a store that is up";
		my @folders = @{ $seen->{aside} };
		# A log that is gone is like one that never was.
		ok @folders || $kept == CLIENTS || $what eq 'log empty',
		    "$name: set aside, or all is there";
		$aside{$end}{$what} = @folders;
		next unless @folders;
		is scalar(@folders), 1, "$name: set aside once";
		like $seen->{log}, qr/was corrupt: set aside as \Q$folders[0]/,
		    "$name: with a line in the log";
		ok -e "$folders[0]/$file", "$name: the bad file is there";
	}
	is $aside{$end}{untouched}, 0, "SIG$end: what is sound is not";
}

# After a kill the log may make up for it; after a clean end what is wrong with
# the file is seen, and nothing writes to it on its way out.
is $aside{TERM}{$_}, 1, "$_ is set aside"
    for 'empty', 'a text file', 'zeros', 'of a newer version',
    'of another type', 'cut to 5000', 'cut to 0.5';
my $seen = try_damage('TERM', $db, sub { "192.0.2.1\n" x 1000 });
ok slurp("$seen->{aside}[0]/$db") eq "192.0.2.1\n" x 1000,
    'set aside byte for byte';

subtest 'a directory in use' => sub {
	my $at = folder . '/held';
	mkdir $at;
	my $d = Daemon->start('-db' => $at);
	is $d->tell('report 203.0.113.5 60 first'), 'ok', 'the first works';
	my ($status, $out, $err) = run(program('blackmilter'), '-nodaemon',
	    '-db', $at, folder . '/second.sock');
	is $status, 78, 'a second ends';
	like $err, qr/\Q$at\E is in use by a running daemon/, 'and says why';
	is $d->tell('report 203.0.113.6 60 first'), 'ok', 'the first goes on';
	$d->stop('KILL');
	$d = Daemon->start('-db' => $at);
	is scalar(grep { / first$/ } $d->tell('list')), 2, 'and lost nothing';
};

done_testing;
