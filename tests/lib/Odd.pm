package Odd;

# What no honest MTA sends, for any milter: hostile texts, and packets out of
# order.

use strict;
use warnings;
use Exporter 'import';
use Test::More;

use Milter;

our @EXPORT = qw(@hostile play_odd clean_log);

# Texts for any place where a client may put one.
our @hostile = (
	["CR LF", "a\r\nb"], ["LF", "\n\n"], ["ESC", "\e[31mred\e[0m"],
	["DEL and controls", join '', map { chr } 1 .. 31, 127],
	["8 bits", join '', map { chr } 128 .. 255],
	["a key of ours", "x verdict=pass by=nothing client=192.0.2.99"],
	["quotes", q{"'`$(id);\\ %s%n%d}], ["nothing", ''],
	["60 kB", 'x' x 60_000], ["60 kB of 8 bits", "\xff" x 60_000],
	["60 kB of blanks", ' ' x 60_000],
);

# Everything it said is printable, in lines of a thousand bytes at most.
sub clean_log {
	my ($d, $what) = @_;
	my @lines = split /\n/, $d->log;
	is scalar(grep { !/^\Q$d->{name}\E: [ -~]{1,1000}$/ } @lines), 0,
	    "$what: every line of the log is printable and short";
}

# Raw packets; the session may be ended for them, and that is all.
my @odd = (
	['close without connect', sub { $_[0]->quit }],
	['gone without a word', sub { close $_[0]{socket} }],
	['abort without mail', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->abort; $_[0]->quit }],
	['abort first', sub { $_[0]->abort }],
	['abort ten times', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->abort for 1 .. 10 }],
	['HELO first', sub { $_[0]->send(H => "a\0") }],
	['MAIL first', sub { $_[0]->send(M => "<a>\0") }],
	['RCPT before MAIL', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(R => "<a>\0") }],
	['body before mail', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(B => 'x') }],
	['end before mail', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(E => '') }],
	['end first', sub { $_[0]->send(E => '') }],
	['DATA before mail', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(T => '') }],
	['DATA first', sub { $_[0]->send(T => '') }],
	['DATA before RCPT', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->mail('<>'); $_[0]->send(T => '') }],
	['DATA twice', sub { $_[0]->connect('192.0.2.1'); $_[0]->mail('<>');
	    $_[0]->rcpt('<a>'); $_[0]->send(T => '') for 1, 2 }],
	['header before mail', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(L => "X-Test\0x\0") }],
	['connect twice', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(C => "x\0" . "4\x9c\x40192.0.2.1\0") }],
	['another connection on it', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->helo('a'); $_[0]->send('K');
	    $_[0]->connect('192.0.2.2') }],
	['negotiate twice', sub { $_[0]->connect('192.0.2.1');
	    $_[0]->send(O => pack 'NNN', 6, 0x1ff, 0x1fffff) }],
	['no data at all', sub { $_[0]->send($_, '') for qw(C H M R L B) }],
	(map { my $cmd = $_; ["$cmd without its data", sub {
	    $_[0]->connect('192.0.2.1') if $cmd ne 'C';
	    $_[0]->helo('a') if $cmd =~ /[MR]/;
	    $_[0]->mail('<a>') if $cmd =~ /[RL]/;
	    $_[0]->send($cmd, '') }] } qw(C H M R L D)),
	(map { my $cmd = $_; ["$cmd without a NUL", sub {
	    $_[0]->connect('192.0.2.1') if $cmd ne 'C';
	    $_[0]->helo('a') if $cmd =~ /[MR]/;
	    $_[0]->mail('<a>') if $cmd =~ /[RL]/;
	    $_[0]->send($cmd, 'x') }] } qw(C H M R L D)),
	(map { my $text = $_; ['connect: ' . unpack('H*', $text), sub {
	    $_[0]->send(C => $text) }] } "\0", "a\0", "a\0004", "a\0004\0",
	    "a\0004\0\31", "a\0004\0\031x\0", "a\0004\0\031999.1.1.1\0",
	    "a\0006\0\031IPv6:\0", "a\0006\0\031IPv6:xyz\0",
	    "a\0006\0\031192.0.2.1\0", "a\0L\0\0/tmp/x\0", "a\0U",
	    "a\0Z\0\0x\0", "a\0004\0\0311.2.3.4", "\0U"),
	['an unknown command', sub { $_[0]->send('Z', 'x') }],
	['a NUL as command', sub { $_[0]->send("\0", 'x') }],
	['length 0', sub { syswrite $_[0]{socket}, pack 'N', 0 }],
	['length 2^31', sub { syswrite $_[0]{socket}, pack('N', 2**31) . 'C' }],
	['length 2^32-1', sub { syswrite $_[0]{socket},
	    pack('N', 2**32 - 1) . 'C' }],
	['length 1 MB', sub { $_[0]->send(H => 'x' x (1 << 20)) }],
	['half a length', sub { syswrite $_[0]{socket}, "\0\0" }],
	['half a packet', sub { syswrite $_[0]{socket},
	    pack('N', 100) . 'Cabc' }],
	['a macro without end', sub { $_[0]->send(D => "C{x}\0y");
	    $_[0]->connect('192.0.2.1') }],
	['SMTP', sub { syswrite $_[0]{socket}, "EHLO x\r\n" x 10 }],
	['random bytes', sub { srand 1; syswrite $_[0]{socket}, join '',
	    map { chr int rand 256 } 1 .. 5000 }],
);

# All of these, with and without a negotiation.
sub play_odd {
	my ($d) = @_;
	for my $packets (\&Milter::new, \&Milter::open) {
		for (@odd) {
			my ($what, $do) = @$_;
			my $m = $packets->('Milter', $d->socket);
			$m->{steps} //= 0;
			$m->{patience} = 0.05;
			local $SIG{PIPE} = 'IGNORE';
			$do->($m);
			close $m->{socket};
			$d->gone and last;
		}
	}
}

1;
