# A22 and A20: whatever clamd says, or does not say.
use strict;
use warnings;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Fakeclamd;
use Milter;
use Virusmilter;

use constant {
	CLIENTS => 500,
	SCANS => 32,		# the default of -scans
	OTHERS => 20,		# threads besides those that wait
	REPLACED => 8,		# times that one who waits asks for a thread
	ANSWERED => 9,		# seconds until each has an answer
	AT_ONCE => 2,		# seconds for those that do not wait
	SILENCE => 5,		# CLAMD_SILENCE_MS
	REST => 30,		# CLAMD_REST
};

my $down = '451 4.3.0 no virus scanner can be asked';
my @small = (body => "hello\r\n");
my @large = (body => "hello\r\n" x 100_000);	# more than CLAMD_BUFFER

sub scans {
	my ($d) = @_;
	return join ' ', map { $d->stat(qq(scans_total{result="$_"})) }
	    qw(clean infected failed busy);
}

# What the last message of the log failed by.
sub why {
	my ($d) = @_;
	return ((verdicts($d))[-1] =~ / name=(\S+)/)[0];
}

# --- A message whose answer is waited for later: a session that has said all.

sub begin {
	my ($d, %with) = @_;
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt('<alice@example.test>');
	$m->header(Subject => 'test');
	$m->eoh;
	my $body = $with{body} // "hello\r\n";
	$m->body(substr $body, 0, 65535, '') while length $body;
	$m->macro(E => i => 'q1');
	return $m;
}

# What came of its answer; undef: there is more to come.
sub read_answer {
	my ($m) = @_;
	do {
		my ($reply, $text) = $m->receive;
		return 'closed' unless defined $reply;
		return 'y ' . unpack 'Z*', $text if $reply eq 'y';
		return $reply if $reply !~ /^[hmpq]$/;
		$m->{progress}++ if $reply eq 'p';
	} while length $m->{buffer};
	return undef;
}

# All of them end their message at once.  take is called for each that was
# answered, with the seconds that took and how; tick now and again.
sub end_all {
	my ($take, $tick, @clients) = @_;
	my $wait = IO::Select->new(map { $_->{socket} } @clients);
	my %of = map { $_->{socket} => $_ } @clients;
	my $begin = time;
	$_->send('E') for @clients;
	while ($wait->count && time - $begin < 2 * ANSWERED * slow) {
		for my $s ($wait->can_read(0.05)) {
			my $answer = read_answer($of{$s}) // next;
			$wait->remove($s);
			$take->($of{$s}, time - $begin, $answer);
		}
		$tick->(time - $begin);
	}
	return $wait->count;
}

sub threads {
	my ($d) = @_;
	return Daemon::slurp('/proc/' . $d->pid . '/status') =~
	    /^Threads:\s+(\d+)/m ? $1 : 0;
}

# --- what takes time: begun here, looked at in the end

my ($first, $second) = map { Fakeclamd->start } 1, 2;
my $both = virus(-clamd => $first->socket, -clamd => $second->socket);
$first->answer("stream: First FOUND\0");
$second->answer("stream: Second FOUND\0");
is mail($both)->{said}, '550 5.7.1 Virus found: First', 'two: the first';
$first->stop;
is mail($both)->{said}, '550 5.7.1 Virus found: Second', 'two: the second';
my $rests_since = time;
$first->back;

# --- A22: what it says

{
	my $clamd = Fakeclamd->start;
	my $d = virus(-clamd => $clamd->socket);
	my $accept = virus(-clamd => $clamd->socket, -onerror => 'accept');
	my $found = '550 5.7.1 Virus found: ';
	my @answers = (
		# the bytes it says, what becomes of the message
		["stream: OK\0", 'Clean'],
		["stream: OK\n", 'Clean'],
		["stream: Eicar FOUND\0", "${found}Eicar"],
		["stream: Eicar FOUND\n", "${found}Eicar"],
		["stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb" .
		    "02f:68) FOUND\0", "${found}Win.Test.EICAR_HDB-1" .
		    '(44d88612fea8a8f36de82e1278abb02f:68)'],
		["stream: a b FOUND\0", "${found}a b"],
		["stream: OK FOUND\0", "${found}OK"],
		["stream: FOUND FOUND\0", "${found}FOUND"],
		["stream: x\r FOUND\0", "${found}x?"],
		map({ [$_, $down] } '', "\0", "\n", ' ', "OK\0", 'stream: OK',
		    "stream: O\0", "stream: OK \0", "stream: OK\r\0",
		    " stream: OK\0", "stream:OK\0", "stream: ok\0",
		    "Stream: OK\0", "stream: OKAY\0", "stream: NOT OK\0",
		    "1: stream: OK\0", "stream\0: OK\0", "/x: OK\0",
		    "instream(local): OK\0",
		    "stream: OK\0stream: OK\0", "stream: OK\0\0",
		    "stream: OK\n\0", "stream: OK\0x",
		    "stream: OK\0stream: Eicar FOUND\0",
		    "stream: Eicar FOUND\0stream: OK\0",
		    "stream: a FOUND\0\0", 'stream: Eicar FOUND',
		    "stream: FOUND\0", "stream:  FOUND\0",
		    "stream:   FOUND\0", "stream: a  FOUND\0",
		    "Eicar FOUND\0", "stream: Eicar Found\0",
		    "stream: Eicar FOUND \0", "stream: Eicar FOUND.\0",
		    "stream: EicarFOUND\0", "1: stream: Eicar FOUND\0",
		    "stream: Eicar\nFOUND\0", "stream: Eicar\0 FOUND\0",
		    "stream: Eicar ERROR\0", "stream: OK ERROR\0",
		    "INSTREAM size limit exceeded. ERROR\0",
		    "stream: Can't allocate memory ERROR\0",
		    "COMMAND READ TIMED OUT\n", "UNKNOWN COMMAND\0",
		    "Error processing command. ERROR\0", "PONG\0",
		    "\xff\xfe\x00garbage", 'x' x (1 << 20),
		    "stream: " . 'x' x 2000 . " FOUND\0",
		    'stream: OK' . ' ' x 5000, "\x01" x 5000,
		    "stream: OK" . "x" x 1013, "stream: OK" . "x" x 1014,
		    "HTTP/1.0 200 OK\r\n\r\n"),
	);
	my ($clean, $infected, $failed) = (0, 0, 0);
	for my $case (@answers) {
		my ($bytes, $said) = @$case;
		my $what = substr($bytes, 0, 40) =~ s/[^ -~]/?/gr . ', ' .
		    length $bytes;
		$clamd->answer($bytes);
		for ([small => @small], [large => @large]) {
			my ($size, @message) = @$_;
			is mail($d, @message)->{said}, $said,
			    "A22: $size: $what";
		}
		is mail($accept)->{said}, $said eq $down ?
		    'Unknown (no scanner)' : $said,
		    "A22: -onerror accept: $what";
		($said eq 'Clean' ? $clean : $said eq $down ? $failed :
		    $infected) += 2;
	}
	is scans($d), "$clean $infected $failed 0", 'A22: counted';
	is $accept->stat('errors_total'), $failed / 2,
	    'A22: -onerror accept: counted';
	for (
		# an answer, why it is a failure, in the log
		["stream: Out of memory ERROR\0",
		    'stream:_Out_of_memory_ERROR'],
		["a\e\xffb\0", 'a??b'], ["\0", 'an_empty_answer'],
		["", 'no_answer:_Connection_reset_by_peer'],
		["stream: OK\0\0", 'an_answer_that_does_not_end,_or_more_' .
		    'than_one'],
		['x' x 1023 . "\0", 'x' x 127],
	) {
		my ($bytes, $why) = @$_;
		$clamd->answer($bytes);
		mail($d);
		is why($d), $why, 'A22: logged: ' . substr $why, 0, 40;
	}
	is scalar($d->lines(qr/^clamd \Q${\ $clamd->socket}\E: /)), 1,
	    'A22: of one clamd there is a line a minute';

	# In pieces.
	for (["stream: OK\0", 'Clean'], ["stream: Eicar FOUND\0",
	    "${found}Eicar"], ["stream: Eicar FOUND", $down],
	    ["stream: OK", $down]) {
		my ($bytes, $said) = @$_;
		$clamd->act(sub {
			my ($c) = @_;
			$c->take;
			for (split //, $bytes) {
				$c->say($_);
				$c->pause(0.01);
			}
		});
		is mail($d, @small)->{said}, $said,
		    'A22: byte by byte: ' . $bytes =~ tr/\0/?/r;
	}

	# It ends where it likes.
	for (
		# what it does; with a small message, and a large one
		['closes at once', sub { }, $down, $down],
		['closes in the middle', sub { $_[0]->take(50) }, $down,
		    $down],
		['closes later', sub { $_[0]->take(300_000) }, $down, $down],
		['closes at the end', sub { $_[0]->take }, $down, $down],
		['has enough', sub {
			my ($c) = @_;
			$c->take(1);
			$c->say("INSTREAM size limit exceeded. ERROR\0");
			$c->pause(1);
		}, $down, $down],
		['says OK too early', sub {
			my ($c) = @_;
			$c->take(1);
			$c->say("stream: OK\0");
			$c->pause(2);
		}, undef, $down],
		['finds something too early', sub {
			my ($c) = @_;
			$c->take(1);
			$c->say("stream: Eicar FOUND\0");
			$c->pause(2);
		}, undef, $down],
		['reads slowly', sub {
			my ($c) = @_;
			setsockopt $c->{s}, Socket::SOL_SOCKET(),
			    Socket::SO_RCVBUF(), 4096;
			$c->{pace} = 16384;
			$c->take;
			$c->say("stream: OK\0");
		}, 'Clean', 'Clean'],
	) {
		my ($what, $act, @said) = @$_;
		$clamd->act($act);
		for my $message (['small', @small], ['large', @large]) {
			my ($size, @message) = @$message;
			my $said = shift @said;
			my $r = mail($d, @message);
			is $r->{said}, $said, "A22: it $what: $size"
			    if defined $said;
		}
	}
	$clamd->act(sub {
		my ($c) = @_;
		$c->take(200_000);
		$c->say("INSTREAM size limit exceeded. ERROR\0");
		$c->pause(1);
	});
	mail($d, @large);
	is why($d), 'it_takes_no_more:_INSTREAM_size_limit_exceeded._ERROR',
	    'A22: which is logged';
	$clamd->act;
	is mail($d, body => "WORM=Eicar\r\n")->{said}, "${found}Eicar",
	    'A22: and then it is as before';
	is mail($d, body => 'x' x 500_000 . "\r\nWORM=Eicar")->{said},
	    "${found}Eicar", 'A22: for large ones, too';
	is_idle $d, 'A22';
	is_idle $accept, 'A22: -onerror accept';
}

# --- nobody there, and back

for my $inet (0, 1) {
	my $what = $inet ? 'TCP' : 'a path';
	my $clamd = Fakeclamd->start(inet => $inet);
	my $socket = $clamd->socket;
	my $d = virus(-clamd => $socket);
	is scalar($d->lines(qr/does not answer/)), 0, "$what: it is there";
	my $before = $d->descriptors;
	is mail($d)->{said}, 'Clean', "$what: clean";
	$clamd->stop;
	my $begin = time;
	is mail($d, @small)->{said}, $down, "$what: stopped";
	is mail($d, @large)->{said}, $down, "$what: stopped: a large one";
	like why($d), qr/^connecting:_(No_such_file|Connection_refused)/,
	    "$what: stopped: logged";
	is mail($d, parts => [attached('a.exe')])->{said},
	    '550 5.7.1 Not accepted: Milter.Name.exe',
	    "$what: stopped: our own rules are there";
	cmp_ok time - $begin, '<', 2 * slow, "$what: stopped: at once";
	is $d->stat("clamd_up{socket=\"$socket\"}"), 0,
	    "$what: stopped: counted";
	is scalar($d->lines(qr/^no virus scanner can be asked, so /)), 1,
	    "$what: stopped: logged, once";
	$clamd->back;
	is mail($d, body => "WORM=Eicar\r\n")->{said},
	    '550 5.7.1 Virus found: Eicar', "$what: back: the first mail";
	is $d->stat("clamd_up{socket=\"$socket\"}"), 1, "$what: back: counted";
	is scalar($d->lines(qr/^clamd \Q$socket\E is back$/)), 1,
	    "$what: back: logged";
	is_idle $d, $what;
	eventually { $d->descriptors <= $before } 5;
	cmp_ok $d->descriptors, '<=', $before, "$what: no descriptor is left";
}
{
	my $clamd = Fakeclamd->start->stop;
	my $d = virus(-clamd => $clamd->socket);
	is scalar($d->lines(qr/^clamd \S+ does not answer: No such file/)), 1,
	    'not there at the start: logged';
	$clamd->back;
	is mail($d)->{said}, 'Clean', 'not there at the start: later';
}

# --- the next one

{
	my @clamds = map { Fakeclamd->start } 1 .. 3;
	my $d = virus(map { (-clamd => $_->socket) } @clamds);
	my $said = sub {
		my @message = @_ ? @_ : @small;
		return mail($d, @message)->{said} =~
		    s/^550 5.7.1 Virus found: //r;
	};
	$clamds[$_]->answer("stream: No.$_ FOUND\0") for 0 .. 2;
	is $said->(), 'No.0', 'next: the first';
	is $said->(@large), 'No.0', 'next: the first, large';
	# What is an answer of some kind is no reason to leave it alone.
	$clamds[0]->answer("stream: Out of memory ERROR\0");
	is $said->(), 'No.1', 'next: the first fails';
	is $said->(@large), $down, 'next: what is streamed is not sent twice';
	$clamds[0]->answer("stream: No.0 FOUND\0");
	is $said->(), 'No.0', 'next: the first again';
	$clamds[0]->stop;
	is $said->(@large), 'No.1', 'next: the first is not there, large';
	$clamds[0]->back;
	is $said->(), 'No.1', 'next: it rests';
	$clamds[1]->answer('garbage');
	is $said->(), 'No.2', 'next: the third';
	$clamds[1]->stop;
	is $said->(), 'No.2', 'next: the third, and two rest';
	$clamds[2]->stop;
	is $said->(), 'No.0', 'next: when all rest the first is tried';
	$clamds[0]->stop;
	is $said->(), $down, 'next: none';
	is why($d) =~ s/:.*//r, 'connecting', 'next: none: logged';
	$clamds[0]->back;
	is $said->(), 'No.0', 'next: the first is back';
	is_deeply [map { $d->stat('clamd_up{socket="' . $_->socket . '"}') }
	    @clamds], [1, 0, 0], 'next: counted';
	is_idle $d, 'next', qr/^550/;
}

# --- A20

for my $queue (4096, 2) {
	my $what = "A20, queue $queue";
	my $clamd = Fakeclamd->start(queue => $queue);
	my $d = virus(-clamd => $clamd->socket);
	my @clients = map { begin($d) } 1 .. CLIENTS;
	my $before = $d->descriptors;
	$clamd->freeze;
	my ($most, @answers) = 0;
	end_all(sub { shift; push @answers, [@_] }, sub {
		# Those that had nothing to wait for do not count.
		my $n = $_[0] < AT_ONCE ? 0 : threads($d);
		$most = $n if $n > $most;
	}, @clients);
	is scalar(@answers), CLIENTS, "$what: every client is answered";
	is scalar(grep { $_->[0] > ANSWERED * slow } @answers), 0,
	    "$what: in time" or diag join ' ', map { $_->[0] } @answers;
	is scalar(grep { $_->[1] ne "y $down" } @answers), 0,
	    "$what: each is asked to come back" or
	    diag join "\n", map { $_->[1] } @answers[0 .. 3];
	# Watched ones are slow to come, so more are asked for.
	cmp_ok $most, '<=', $ENV{WATCH} ? CLIENTS + REPLACED * SCANS :
	    SCANS + OTHERS, "$what: threads";
	my $waited = grep { $_->{progress} } @clients;
	if (!$ENV{WATCH}) {
		cmp_ok scalar(grep { $_->[0] < AT_ONCE } @answers), '>=',
		    CLIENTS - SCANS, "$what: those above -scans do not wait";
		is scans($d), join(' ', 0, 0, SCANS, CLIENTS - SCANS),
		    "$what: counted" if $queue > SCANS;
		is scalar($d->lines(qr/^32 messages are with clamd, no more/)),
		    1, "$what: logged, once";
		is $waited, SCANS, "$what: the MTA is asked for patience"
		    if $queue > SCANS;
	}
	is $d->stat('scans_under_way'), 0, "$what: none is under way";
	# What needs no clamd has its answer.
	is mail($d, parts => [attached('a.exe')])->{said},
	    '550 5.7.1 Not accepted: Milter.Name.exe', "$what: our own rules";
	$d->tell('emergency on');
	my $begin = time;
	is scalar(grep { mail($d, parts => [attached('a.doc')])->{said} =~
	    /^550 .*at eoh$/ } 1 .. 50), 50, "$what: an emergency";
	cmp_ok time - $begin, '<', 5 * slow, "$what: an emergency: at once";
	$d->tell('emergency off');

	$clamd->thaw;
	is mail($d, body => "WORM=Eicar\r\n")->{said},
	    '550 5.7.1 Virus found: Eicar', "$what: back: the first mail";
	is mail_on($d, $clients[0])->{said}, 'Clean',
	    "$what: back: and one of those who are still there";
	$_->quit for @clients;
	is_idle $d, $what;
	my $few = eventually { threads($d) <= OTHERS } 10;
	ok $few, "$what: few threads are left" or diag threads($d);
	$d->crash unless $ENV{WATCH};
}

# --- -scans of them, and who comes then

{
	my $clamd = Fakeclamd->start;
	my $d = virus(-clamd => $clamd->socket, -scans => 2);
	$clamd->act(sub { $_[0]->hang });
	my @m = map { begin($d) } 1, 2;
	$_->send('E') for @m;
	eventually { $d->stat('scans_under_way') == 2 } 5;
	is mail($d, @$_)->{said}, $down, "full: @$_[0 .. -1]" for
	    [@small], [@large];
	is why($d), 'too_many_scans_at_once', 'full: logged';
	is scans($d), '0 0 0 2', 'full: counted';
	is $d->stat('scans_under_way'), 2, 'full: those go on';
	# They go away while they wait.
	$clamd->act;
	is $_->reply->{text}, $down, 'full: cut off' for @m;
	is mail($d)->{said}, 'Clean', 'full: not any more';
	# A message that was begun and is never ended.
	my @big = map { begin($d, @large) } 1, 2;
	eventually { $d->stat('scans_under_way') == 2 } 5;
	is mail($d)->{said}, $down, 'full: of what is on its way';
	$big[0]->abort;
	is mail_on($d, $big[0])->{said}, 'Clean', 'full: one gives up';
	$_->quit for @m, @big;
	is_idle $d, 'full';
}

# --- it hangs, or works: each with a daemon of its own, at the same time

{
	my @cases = (
		# what it does, an act, PING, options, a message; when the
		# answer comes: not before, not after; and what it is
		['takes all and is silent', sub { $_[0]->take;
		    $_[0]->hang }, 0, [], [], SILENCE, ANSWERED, "y $down"],
		['does not even read', sub { $_[0]->hang }, 0, [], [],
		    SILENCE, ANSWERED, "y $down"],
		['says half of it and is silent', sub { $_[0]->take;
		    $_[0]->say('stream: '); $_[0]->hang }, 0, [], [],
		    SILENCE, ANSWERED, "y $down"],
		['is silent, but lives', sub { $_[0]->take; $_[0]->hang }, 1,
		    [-deadline => 7], [], 7, ANSWERED, "y $down"],
		['needs time', sub { $_[0]->take; $_[0]->pause(8);
		    $_[0]->say("stream: OK\0") }, 1, [], [], 8, 12, 'c'],
		['needs time for a large one', sub { $_[0]->take;
		    $_[0]->pause(8); $_[0]->say("stream: X FOUND\0") }, 1,
		    [], [@large], 8, 12,
		    'y 550 5.7.1 Virus found: X'],
		['is silent beyond -deadline', sub { $_[0]->take;
		    $_[0]->hang }, 1, [-deadline => 1], [], 1, 4, "y $down"],
		['drips beyond -deadline', sub { $_[0]->take; for (1 .. 100) {
		    $_[0]->say('s'); $_[0]->pause(0.2) } }, 1,
		    [-deadline => 2], [], 2, 5, "y $down"],
		['reads beyond -deadline', sub { $_[0]{pace} = 1000;
		    $_[0]->take }, 1, [-deadline => 3], [body =>
		    'x' x 130_000], 0, 5, "y $down"],
	);
	for (@cases) {
		my ($act, $pong, $options, $message) = @$_[1 .. 4];
		my $clamd = Fakeclamd->start;
		my $d = virus(-clamd => $clamd->socket, @$options);
		$clamd->act($act, pong => $pong);
		push @$_, begin($d, @$message), $clamd, $d;
	}
	my %case = map { $_->[8] => $_ } @cases;
	my $left = end_all(sub {
		my ($m, $took, $answer) = @_;
		my ($what, $least, $most, $said) = @{ $case{$m} }[0, 5, 6, 7];
		is $answer, $said, "clamd $what";
		ok $took > $least - 0.5 && $took < $most * slow,
		    "clamd $what: after $least s" or diag $took;
	}, sub { }, map { $_->[8] } @cases);
	is $left, 0, 'all are answered';
	for (@cases) {
		my ($what, $m, $clamd, $d) = @$_[0, 8, 9, 10];
		$clamd->act;
		is mail_on($d, $m)->{said}, 'Clean', "clamd $what: and later";
		$m->quit;
		is_idle $d, "clamd $what";
	}
}
{
	# Who streams learns it while he does.
	my $clamd = Fakeclamd->start;
	my $d = virus(-clamd => $clamd->socket);
	$clamd->freeze;
	my $begin = time;
	is mail($d, @large)->{said}, $down, 'it takes nothing: a large one';
	my $took = time - $begin;
	ok $took > SILENCE - 1 && $took < ANSWERED * slow,
	    'it takes nothing: in time' or diag $took;
	$clamd->thaw;
	is mail($d, @large)->{said}, 'Clean', 'it takes all';
	is_idle $d, 'it takes nothing';
}

# --- and now time has passed

sleep 1 while time - $rests_since < REST + 2;
is mail($both)->{said}, '550 5.7.1 Virus found: First',
    'two: the first has rested';
is $both->stat('clamd_up{socket="' . $_->socket . '"}'), 1, 'two: both are up'
    for $first, $second;

done_testing;
