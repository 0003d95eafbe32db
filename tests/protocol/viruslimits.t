# A23 and A24 for virusmilter: large messages, and many of anything.
use strict;
use warnings;
use MIME::Base64;
use Test::More;

use Daemon;
use Fakeclamd;
use Milter;
use Virusmilter;

use constant {
	BIG => 300 << 20,	# bytes of a message
	RESIDENT => 32 << 10,	# kB
};

my $clamd = Fakeclamd->start;
my $d = virus(-clamd => $clamd->socket, -maxscan => 400);
my $small = virus(-clamd => $clamd->socket);
my $alone = virus;

# So many of a piece, and then the rest.
sub pieces {
	my ($count, $piece, @rest) = @_;
	my @first = @rest ? shift @rest : ();
	return sub {
		return shift @first if @first;
		return $piece if $count-- > 0;
		return shift @rest;
	};
}

# --- A23

{
	my $line = encode_base64(join('', map { chr } 0 .. 56), "\r\n");
	my $piece = $line x int 65000 / length $line;
	my $count = int BIG / length $piece;
	my @type = (headers => [['Content-Type', 'multipart/mixed; ' .
	    'boundary=b']]);
	my $head = "--b\r\nContent-Transfer-Encoding: base64\r\n" .
	    "Content-Disposition: attachment; filename=big.bin\r\n\r\n";
	my $tail = "--b\r\nContent-Disposition: attachment; " .
	    "filename=a.exe\r\n\r\nx\r\n--b--\r\n";
	my $unbroken = 'X' x 65535;
	for (
		# what, the daemon, a body, what becomes of it
		['clamd has it all', $d, [$count, $piece, $head,
		    "--b--\r\n"], 'Clean'],
		['clamd has a part', $small, [$count, $piece, $head,
		    "--b--\r\n"], 'Clean'],
		['a program at its end', $small, [$count, $piece, $head, $tail],
		    '550 5.7.1 Not accepted: Milter.Name.exe'],
		['no clamd', $alone, [$count, $piece, $head, "--b--\r\n"],
		    'Clean'],
		['one line', $alone, [int BIG / 65535, $unbroken], 'Clean'],
		['a line of a header', $alone, [int BIG / 65535, $unbroken,
		    "--b\r\nContent-X: "], 'Unscannable (a header too long)'],
	) {
		my ($what, $d, $body, $said) = @$_;
		$clamd->forget;
		my $r = mail($d, @type, body => pieces(@$body));
		is $r->{said} =~ s/, scanned by .*partial.*//r, $said,
		    "A23: 300 MB, $what";
		my ($bytes) = ($r->{log}[0] // '') =~ / bytes=(\d+)/;
		cmp_ok $bytes // 0, '>=', BIG - (1 << 20),
		    "A23: $what: all came";
		like join('|', $clamd->asked), $what =~ /all/ ?
		    qr/^INSTREAM \d{9}$/ : $what =~ /part|end/ ?
		    qr/^INSTREAM 25165824$/ : qr/^(INSTREAM \d+ cut)?$/,
		    "A23: $what: what clamd is sent";
		next if $ENV{WATCH};
		cmp_ok $d->memory('VmHWM'), '<', RESIDENT,
		    "A23: $what: memory";
	}
	is $d->stat('scans_under_way'), 0, 'A23: no scan is left';
}

# --- A23: an archive bomb is not unpacked

{
	my $bomb = join '', map { my $name = "dir$_/a.txt";
	    "PK\3\4" . pack('v5V3v2', 20, 0, 8, 0, 0, 0, 4000, 0xfffffff0,
	    length $name, 0) . $name . "\0" x 4000 } 1 .. 3000;
	is mail($alone, parts => [attached('bomb.zip', $bomb)])->{said},
	    'Clean', 'A23: a zip of 12 TB';
	cmp_ok $alone->memory('VmHWM'), '<', RESIDENT,
	    'A23: a zip of 12 TB: memory' unless $ENV{WATCH};
}

# --- A24: many, and at most so many

sub parts { return map { ["X-Part: $_\r\n", 'x'] } 1 .. $_[0] }

sub nested {
	my ($depth, $header) = @_;
	my $text = "$header\r\nx\r\n";
	$text = "Content-Type: multipart/mixed; boundary=b$_\r\n\r\n--b$_\r\n" .
	    "$text\r\n--b$_--\r\n" for 1 .. $depth;
	my ($type, $rest) = $text =~ /^Content-Type: (.*?)\r\n\r\n(.*)\z/s;
	return (headers => [['Content-Type', $type]], body => $rest);
}

my $exe = 'Content-Disposition: attachment; filename=a.exe';
my $found = '550 5.7.1 Not accepted: Milter.Name.exe';
for (
	# what, a message, what becomes of it
	['10,000 recipients', [to => [map { "<r$_\@example.test>" }
	    1 .. 10_000]], 'Clean'],
	['10,000 headers', [headers => [map { ["X-$_", 'x'] } 1 .. 10_000]],
	    'Clean'],
	['more of them than are read', [headers => [map { ["X-$_",
	    'x' x 1000] } 1 .. 1_000]], 'Unscannable (a header too long)'],
	['a name behind those', [headers => [(map { ["X-$_", 'x' x 1000] }
	    1 .. 1_000), [split /: /, $exe]]], "$found at eoh"],
	['a field of 16 kB', [headers => [['X', 'x' x 16_000]]], 'Clean'],
	['a field of 17 kB', [headers => [['X', 'x' x 17_000]]], 'Clean'],
	['... that may name something', [headers => [['Content-X', 'x' x
	    17_000]]], 'Unscannable (a field too long)'],
	['a field of 1 MB', [headers => [['X', 'x' x (1 << 20)]]],
	    'Unscannable (a header too long)'],
	['a name behind 17 kB of its field', [headers => [['Content-Type',
	    'text/plain; x="' . 'x' x 17_000 . '"; name=a.exe']]],
	    'Unscannable (a field too long)'],
	['a name behind such a field', [headers => [['X', 'x' x (1 << 20)],
	    [split /: /, $exe]]], "$found at eoh"],
	['a name of 10 kB', [parts => [attached('x' x 10_000 . '.exe')]],
	    $found],
	['2,000 parts', [parts => [parts(1_998), [$exe, 'x']]], $found],
	['2,000 parts, clean', [parts => [parts(1_999)]], 'Clean'],
	['2,001 parts', [parts => [parts(2_001)]],
	    'Unscannable (too many parts)'],
	['100,000 parts', [parts => [parts(100_000)]],
	    'Unscannable (too many parts)'],
	['14 deep', [nested(14, "$exe\r\n")], $found],
	['15 deep, clean', [nested(15, '')], 'Clean'],
	['20 deep', [nested(20, '')], 'Unscannable (too deep)'],
	['5,000 deep', [nested(5_000, '')], 'Unscannable (too deep)'],
	['a boundary of 1 kB', [headers => [['Content-Type',
	    'multipart/mixed; boundary=' . 'x' x 1000]]],
	    'Unscannable (a boundary too long)'],
	['20,000 names in a zip', [parts => [attached('a.zip', join '',
	    map { "PK\3\4" . pack('v5V3v2', 20, 0, 0, 0, 0, 0, 0, 0, 5, 0) .
	    sprintf '%05d', $_ } 1 .. 20_000)]], 'Clean'],
	['20,001 names in a zip', [parts => [attached('a.zip', join '',
	    map { "PK\3\4" . pack('v5V3v2', 20, 0, 0, 0, 0, 0, 0, 0, 5, 0) .
	    sprintf '%05d', $_ } 1 .. 20_001)]],
	    qr/^Unscannable \([a-z ]+zip\)$/],
	['a million lines', [body => "x\r\n" x 1_000_000], 'Clean'],
	['a million lines that begin as boundaries do', [parts => [['',
	    "--\r\n--x\r\n" x 500_000]]], 'Clean'],
	['a million quotes', [body => '=' x 1_000_000], 'Clean'],
) {
	my ($what, $message, $said) = @$_;
	my $got = mail($alone, @$message)->{said};
	ref $said ? like $got, $said, "A24: $what" :
	    is $got, $said, "A24: $what";
}
is_idle $_, 'limits' for $d, $small, $alone;
if (!$ENV{WATCH}) {
	cmp_ok $_->memory('VmRSS'), '<', RESIDENT, 'limits: memory' for
	    $d, $small, $alone;
}

done_testing;
