# A real clamd: what it says to messages of all sizes, and what is made of it
# when it is busy, hangs, dies, comes back, or takes no more.
use strict;
use warnings;
use IPC::Open2;
use Test::More;
use Time::HiRes qw(sleep time);

use Clamd;
use Daemon;

plan skip_all => Clamd::missing() if Clamd::missing();

use constant {
	BUFFER => 131072,	# CLAMD_BUFFER
	SILENCE => 5,		# CLAMD_SILENCE_MS
	PING => 2,		# CLAMD_PING_MS
	INFECTED => 'infected ' . Clamd::NAME,
	NO_ANSWER => 'failed no answer: Connection timed out',
};

my @program = (split(' ', $ENV{VALGRIND} // ''),
    ($ENV{BUILD} // '.') . '/tests/virus/clamd_driver');
my $made = 0;

# --- somebody who asks

sub begin {
	my (@args) = @_;
	my $log = folder . '/log.' . ++$made;
	open my $old, '>&', \*STDERR or die "$!";
	open STDERR, '>', $log or die "$log: $!";
	my $pid = open2(my $out, my $in, @program,
	    map { ref $_ ? (-clamd => $_->socket) : $_ } @args);
	open STDERR, '>&', $old or die "$!";
	return { pid => $pid, out => $out, in => $in, log => $log };
}

sub say_to {
	my ($d, $line) = @_;
	print { $d->{in} } "$line\n";
	$d->{in}->flush;
}

# What it said, (what it took) cut off: how often it was called back, ms.
sub answer {
	my ($d) = @_;
	my $said = readline($d->{out}) // 'nothing';
	chomp $said;
	my ($calls) = $said =~ s/ calls=(\d+)// ? $1 : 0;
	my ($ms) = $said =~ s/ ms=(\d+)$// ? $1 : 0;
	return wantarray ? ($said, $calls, $ms) : $said;
}

sub ask {
	my ($d, $line) = @_;
	say_to($d, $line);
	return answer($d);
}

# What it logged; it has to end well.
sub ends {
	my ($d, $what) = @_;
	close $d->{in};
	waitpid $d->{pid}, 0;
	my @log = split /\n/, Daemon::slurp($d->{log});
	is $?, 0, "$what: a good end" or diag join "\n", @log;
	return map { s/^clamd_driver: //r } @log;
}

# --- messages

my $head = "From joe\@example.org Mon Jan  1 00:00:00 2024\n" .
    "From: joe\@example.org\nSubject: test\n\n";

# One of so many bytes, with this text at its end.
sub message {
	my ($size, $end) = @_;
	$end = "\n" . ($end // '') . "\n";
	my $text = $head . "a line of text\n" x ($size / 15 + 1);
	my $cut = $size - length $end;
	return file('message.' . ++$made, $cut <= 0 ?
	    substr($head . $text, 0, $size) : substr($text, 0, $cut) . $end);
}

my $clean = message(1000);
my $worm = message(1000, Clamd::WORM);
my $large = message(1024 * 1024);

subtest 'clean and infected' => sub {
	my $port = Clamd::free_port();
	my $clamd = Clamd->start(TCPSocket => $port, TCPAddr => '127.0.0.1');
	for my $socket ($clamd->socket, 'unix:' . $clamd->socket,
	    "127.0.0.1:$port", "inet:$port\@127.0.0.1") {
		my $d = begin('-clamd' => $socket);
		is ask($d, 'there'), 'yes', "$socket: it is there";
		is ask($d, "scan $clean"), 'clean', "$socket: clean";
		is ask($d, "scan $worm"), INFECTED, "$socket: infected";
		is ask($d, "scan $large"), 'clean', "$socket: large";
		is_deeply [ends($d, $socket)], [], "$socket: nothing logged";
	}
};

# All of it gets there, however it is cut; the worm is found at the very end.
subtest 'sizes' => sub {
	my $clamd = Clamd->start;
	for my $piece (999, 65535, 16777216) {
		my $d = begin($clamd, -piece => $piece);
		for my $size (0, 1, 100, 4096, BUFFER - 1, BUFFER, BUFFER + 1,
		    BUFFER + 20, 2 * BUFFER, 1048577, 5000000) {
			is ask($d, 'scan ' . message($size)), 'clean',
			    "$size bytes, $piece at a time";
			next if $size < 100;
			is ask($d, 'scan ' . message($size, Clamd::WORM)),
			    INFECTED, "$size bytes, $piece at a time, a worm";
		}
		is_deeply [ends($d, 'sizes')], [], 'nothing logged';
	}
};

subtest 'more than it takes' => sub {
	my $clamd = Clamd->start(StreamMaxLength => '100K');
	my $d = begin($clamd);
	my $why = 'INSTREAM size limit exceeded. ERROR';
	for my $size (102401, BUFFER, BUFFER + 1, 1048576, 20000000) {
		like ask($d, 'scan ' . message($size, Clamd::WORM)),
		    qr/^failed (?:it takes no more: )?\Q$why\E$/,
		    "$size bytes";
	}
	is ask($d, 'scan ' . message(102400)), 'clean', 'just so';
	my @log = ends($d, 'limit');
	is @log, 1, 'logged once';
	like $log[0], qr/^clamd \S+: (?:it takes no more: )?\Q$why\E$/, 'why';
};

# We are the slow one.
subtest 'it loses its patience' => sub {
	my $clamd = Clamd->start(ReadTimeout => 1);
	my $d = begin($clamd);
	is ask($d, 'begin'), 'begun', 'a scan';
	is ask($d, "send $large"), 'sent', 'something is sent';
	my $said = '';
	for (1 .. 5) {
		sleep 2;
		$said = ask($d, "send $clean");
		last if $said ne 'sent';
	}
	is $said, 'no use', 'then it takes no more';
	is ask($d, 'finish'), 'failed it takes no more: COMMAND READ TIMED OUT',
	    'why';
	is ask($d, "scan $clean"), 'clean', 'the next is scanned';
	ends($d, 'patience');
};

# All its threads have something to do: it says PONG.
subtest 'busy' => sub {
	my $clamd = Clamd->start(MaxThreads => 1);
	my ($first, $second) = (begin($clamd), begin($clamd));
	$clamd->hold;
	is ask($second, 'there'), 'yes', 'somebody who will wait';
	say_to($first, "scan $worm");
	ok $clamd->are_busy(1), 'its only thread is busy';
	say_to($second, "scan $clean");
	sleep SILENCE + PING + 0.5;
	$clamd->release;
	my ($said, $calls, $ms) = answer($second);
	is $said, 'clean', 'an answer that took its time';
	cmp_ok $ms, '>=', (SILENCE + PING) * 1000, '... for it was busy';
	cmp_ok $calls, '>=', SILENCE - 1, '... and we went on being called';
	is answer($first), INFECTED, 'the one it was busy with';
	is_deeply [map { ends($_, 'busy') } $first, $second], [],
	    'nothing logged';
};

subtest 'too long' => sub {
	my $clamd = Clamd->start;
	my $d = begin($clamd, -deadline => SILENCE + 1);
	$clamd->hold;
	my ($said, $calls, $ms) = ask($d, "scan $worm");
	is $said, 'failed no answer in 6 seconds', 'the time is over';
	cmp_ok $ms, '<', (SILENCE + 3) * 1000 * slow, '... when it should be';
	$clamd->release;
	is ask($d, "scan $worm"), INFECTED, 'the next in time';
	is_deeply [ends($d, 'too long')], ['clamd ' . $clamd->socket .
	    ': no answer in 6 seconds'], 'logged';
};

subtest 'hung' => sub {
	my $clamd = Clamd->start;
	my $other = Clamd->start;
	my $alone = begin($clamd);
	my $d = begin($clamd, $other);
	$clamd->freeze;
	say_to($alone, "scan $clean");
	my ($said, $calls, $ms) = ask($d, "scan $worm");
	is $said, INFECTED, 'the next one knows';
	cmp_ok $ms, '>=', (SILENCE + PING) * 1000, '... when its time is over';
	($said, $calls, $ms) = ask($d, "scan $clean");
	is $said, 'clean', 'once more';
	cmp_ok $ms, '<', SILENCE * 1000, '... but now at once';
	is answer($alone), NO_ANSWER, 'when there is no other one';
	$clamd->thaw;
	is ask($alone, "scan $worm"), INFECTED, 'it wakes up';
	is_deeply [ends($alone, 'alone')], ['clamd ' . $clamd->socket .
	    ': no answer: Connection timed out', 'clamd ' . $clamd->socket .
	    ' is back'], 'logged';
	is_deeply [ends($d, 'hung')], ['clamd ' . $clamd->socket .
	    ': no answer: Connection timed out'], 'logged';
};

# A small message is sent again, of a large one nothing is left.
subtest 'killed' => sub {
	my $clamd = Clamd->start;
	my $other = Clamd->start;
	my $d = begin($clamd, $other);
	my $alone = begin($clamd);
	$clamd->hold;
	say_to($_, "scan $worm") for $d, $alone;
	ok $clamd->are_busy(2), 'it got two messages';
	$clamd->crash;
	is answer($d), INFECTED, 'the next one knows';
	like answer($alone), qr/^failed no answer: /, 'when there is none';
	like ask($alone, "scan $clean"), qr/^failed connecting: /, 'down';
	is ask($alone, 'there'), 'no', '... as can be seen';
	is ask($d, "scan $worm"), INFECTED, 'the other one knows';

	$clamd->launch;
	is ask($alone, "scan $clean"), 'clean', 'up';
	is ask($alone, 'begin'), 'begun', 'a large one';
	is ask($alone, "send $large"), 'sent', '... of which it got a lot';
	$clamd->crash;
	is ask($alone, "send $large"), 'no use', '... when it died';
	like ask($alone, 'finish'), qr/^failed sending: /, 'a failure';

	is ask($d, 'begin'), 'begun', 'a large one for others';
	is ask($d, "send $large"), 'sent', '... as it is one';
	$other->crash;
	like ask($d, 'finish'), qr/^failed (?:sending|no answer): /,
	    '... who died before its end';
	$_->launch for $clamd, $other;
	is ask($d, "scan $large"), 'clean', 'up again';
	is grep({ /is back/ } ends($alone, 'alone')), 1, 'logged when back';
	is grep({ /is back/ } ends($d, 'killed')), 1, '... the one asked';
};

subtest 'reload' => sub {
	my $clamd = Clamd->start;
	my $d = begin($clamd);
	my $other = message(1000, 'another text that is infected');
	is ask($d, "scan $other"), 'clean', 'before';
	$clamd->sign('Test.Other', 'another text that is infected');
	ok $clamd->reload, 'it has more signatures';
	is ask($d, "scan $other"), 'infected Test.Other.UNOFFICIAL', 'after';
	is_deeply [ends($d, 'reload')], [], 'nothing logged';
};

subtest 'many' => sub {
	my $clamd = Clamd->start(MaxThreads => 2);
	my $d = begin($clamd, -threads => 50, -scans => 50);
	is ask($d, "scan $clean"), 'clean=50 infected=0 failed=0 busy=0',
	    'small';
	is ask($d, "scan $worm"), 'clean=0 infected=50 failed=0 busy=0',
	    'infected';
	is ask($d, "scan $large"), 'clean=50 infected=0 failed=0 busy=0',
	    'large';
	is_deeply [ends($d, 'many')], [], 'nothing logged';
};

subtest 'too many' => sub {
	my $clamd = Clamd->start;
	my $d = begin($clamd, -threads => 8, -scans => 2,
	    -deadline => 300);
	$clamd->hold;
	say_to($d, "scan $worm");
	ok $clamd->are_busy(2), 'two are under way';
	sleep slow;				# for all others to be told
	$clamd->release;
	is answer($d), 'clean=0 infected=2 failed=0 busy=6', 'at the limit';
	say_to($d, 'stats');
	my %seen;
	while (defined(my $line = readline $d->{out})) {
		last if $line eq ".\n";
		$seen{$1} = $2 if $line =~ /^virusmilter_(\S+) (\S+)$/;
	}
	is $seen{'scans_total{result="infected"}'}, 2, 'counted';
	is $seen{'scans_total{result="busy"}'}, 6, '... those turned away too';
	is $seen{'clamd_up{socket="' . $clamd->socket . '"}'}, 1, 'it is up';
	is $seen{scans_under_way}, 0, 'none is under way';
	is_deeply [ends($d, 'too many')], ['2 messages are with clamd, no ' .
	    'more can be'], 'logged once';
};

done_testing;
