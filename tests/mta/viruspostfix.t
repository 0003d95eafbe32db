# virusmilter behind a real Postfix, with a real clamd: what is the same, and
# what is not.

use strict;
use warnings;
use Test::More;

use Clamd;
use Daemon;
use Mta;
use Postfix;
use Smtp;
use Worm;

plan skip_all => Clamd::missing() if Clamd::missing();
plan skip_all => Postfix::missing() if Postfix::missing();
Mta::enter;

my $client = '192.0.2.7';
my $proxy = '192.0.2.8';	# may say whom it speaks for
my $socket = '/run/virusmilter.sock';
my $clamd = knows_worms;
my $virus;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$virus->retire if $virus && !$virus->gone;
	$virus = Daemon->start({ name => 'virusmilter',
	    socket => "unix:$socket" }, '-socketmode' => '0666', '-debug',
	    -clamd => $clamd->socket, @options);
	Postfix->forget;
}

daemon();
my $postfix = Postfix->start("smtpd_milters = { unix:$socket, " .
    'default_action=tempfail }', "non_smtpd_milters = unix:$socket",
    'smtputf8_enable = yes', "smtpd_authorized_xclient_hosts = $proxy");

# The reply to a message; %with is Smtp's; on: a client that is connected;
# from: its address.
sub reply_to {
	my ($message, %with) = @_;
	my $c = $with{on} // Smtp->new(from => $with{from} // $client,
	    port => 2526);
	return $c->send(message => $message, %with);
}

sub header_of {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	return $head;
}

# What the two fields of ours in a mail say, which has no others and has these
# at the end of its header.
sub status_of {
	my ($mail) = @_;
	my $head = header_of($mail);
	my $fields = () = $head =~ /^x-virus-(?:scanned|status):/mig;
	return 'none' if $fields == 0;
	return $fields == 2 && $head =~ /^X-Virus-Scanned:\ virusmilter\ at
	    \ mx\.example\.test(,\ clamd)?(.*)\nX-Virus-Status:\ (.*)\z/mx ?
	    "$3$2" . ($1 ? '' : ', not by clamd') : "no good: $head";
}

# It is delivered with this status.
sub passes {
	my ($status, $message, %with) = @_;
	my $what = delete $with{what} // $status;
	my $r = reply_to($message, %with);
	is $r->{at}, 'eom', "$what: it is taken" or diag $r->{text};
	my @mails = $postfix->mails(1);
	$postfix->forget;
	is_deeply [map { status_of($_) } @mails], [$status],
	    "$what: its header says $status";
	return $mails[0] // '';
}

sub last_qid {
	my ($line) = reverse $virus->lines(qr/^verdict=/);
	return ($line // '') =~ / qid=(\w+)/ ? $1 : 'none at all';
}

# What Postfix logs of this, up to the semicolon; it takes its time.
sub logged {
	my ($what) = @_;
	my @found;
	eventually {
		@found = Postfix::log_text() =~ /: $what: ([^;\n]*)/g;
	} 10;
	return @found;
}

sub queue {
	my ($status, $out) = run('postqueue', '-c', "$Postfix::dir/conf",
	    '-p');
	return $out;
}

sub is_refused {
	my ($text, $message, %with) = @_;
	my $r = reply_to($message, %with);
	is "$r->{at}: @{ $r->{lines} }", "eom: $text",
	    $with{what} // "refused: $text";
	is_deeply [logged(last_qid . ': milter-reject')], ['END-OF-MESSAGE ' .
	    "from unknown[$client]: " . $text =~ s/^\d+ //r],
	    'Postfix logs it, of the same message';
}

my $worm = worm();
my $clean = letter(mixed(part('hello'), attached('a.txt', 'no worm')));
my $disguised = letter(mixed(part('hello'),
    attached('invoice.pdf.exe', PROGRAM)));
my $found = '550 5.7.1 Virus found: ' . FOUND;
my $not = '550 5.7.1 Not accepted: Milter';

subtest 'clean mail' => sub {
	my $body = "Gr\xfc\xdfe\n.\n..\nFrom here\n" . 'x' x 900 . "\n\n\n";
	my $mail = passes('Clean', "From: joe\@client.example\n" .
	    "To: alice\@example.test\nX-Folded: a\n\tb\nSubject: test\n" .
	    "\n$body");
	is +($mail =~ /\n\n(.*)\z/s)[0], "$body\n", 'its body is as it was';
	like header_of($mail), qr/^X-Folded: a\n\tb$/m, 'and its header';
	passes('Clean', $clean, what => 'with an attachment');
	passes('Clean', letter("\n", ''), what => 'without a body');
	passes('Clean', $clean, mail => '', what => 'from nobody');
	passes('none', $worm, from => '127.0.0.1', what => 'loopback');
	ok +(eventually { queue() =~ /queue is empty/ } 10), 'that is all';
};

subtest 'forged fields' => sub {
	daemon('-markonly');
	my $forged = "X-Virus-Status: Clean\nx-virus-scanned: folded\n" .
	    "\ttwice\nX-Virus-Checked: another\nX-VIRUS-STATUS: Infected\n";
	for (['Clean', $clean], ['Infected (' . FOUND . ')', $worm]) {
		my ($status, $message) = @$_;
		for my $all ("$forged$message", $message =~
		    s/^$/$forged/mr) {
			my $mail = passes($status, $all);
			like header_of($mail), qr/^X-Virus-Checked: ano/m,
			    'what is not ours stays';
			unlike header_of($mail), qr/twice/, 'and no more';
		}
	}
	daemon('-dryrun');
	passes('none', $worm, what => '-dryrun');
};

subtest 'refuse' => sub {
	daemon();
	is_refused($found, $worm);
	is_refused($found, $worm, mail => '');
	is_refused("$not.Name.exe", $disguised);
	is_refused("$not.Zip.js", letter(mixed(part('hello'),
	    attached('a.zip', zipped('a.js', 'x')))));
	is_refused("$not.Content.MZ", letter(mixed(part('hello'),
	    attached('a.jpg', PROGRAM))));
	is_refused($found, letter(mixed(part('hello'), rfc822($worm))));
	is_refused($found, letter(mixed(part('hello'), attached('a.zip',
	    zipped('b.zip', zipped('a.txt', EICAR))))));
	is_refused($found, letter(mixed(part("a line\n" x 60_000),
	    attached('a.txt', EICAR))), what => 'a large one');
	daemon('-action' => 'tempfail');
	is_refused($found =~ s/^550 5/451 4/r, $worm);
	daemon('-action' => 'discard');
	is reply_to($worm)->{code}, 250, 'discard: taken';
	is scalar(my @log = logged(last_qid . ': milter-discard')), 1,
	    'Postfix says so';
	passes('Clean', $clean, what => 'others are delivered');
	ok +(eventually { queue() =~ /queue is empty/ } 10),
	    'and nothing is kept';
};

subtest 'quarantine' => sub {
	daemon('-action' => 'quarantine');
	is reply_to($worm)->{code}, 250, 'it is taken';
	my $qid = last_qid;
	like +(logged("$qid: milter-hold"))[0],
	    qr/^END-OF-MESSAGE .*milter triggers HOLD action/, 'and held';
	like queue(), qr/^$qid!/m, 'which the queue shows';
	is scalar(my @none = Mta::mails_in($Postfix::dir)), 0,
	    'it is not delivered';
	my @postfix = (-c => "$Postfix::dir/conf");
	is +(run('postsuper', @postfix, '-H', $qid))[0], 0, 'let go';
	run('postqueue', @postfix, '-f');
	is_deeply [map { status_of($_) } $postfix->mails(1)],
	    ['Infected (' . FOUND . ')'], 'it is, and marked';
	$postfix->forget;
};

subtest 'SMTPUTF8' => sub {
	daemon();
	for ([$clean, qr/^250 /], [$worm, qr/^\Q$found\E$/]) {
		my ($message, $reply) = @$_;
		my $c = Smtp->new(from => $client, port => 2526);
		is $c->cmd($_->[0])->{code}, $_->[1], $_->[0] for
		    ['EHLO client.example', 250],
		    ["MAIL FROM:<j\xc3\xb6rg\@client.example> SMTPUTF8", 250],
		    ["RCPT TO:<j\xc3\xb6rg\@example.test>", 250],
		    ['DATA', 354];
		like $c->text($message =~ s/details/d\xc3\xa4tails/r)->{text},
		    $reply, 'its reply';
	}
	unlike $virus->log, qr/[^\n -~]/, 'the log is ASCII';
	$postfix->mails(1);
	$postfix->forget;
};

# A proxy says who has authenticated.
subtest 'who is told of' => sub {
	mkdir '/run/db', 0755;
	my $black = Daemon->start('-db' => '/run/db');
	daemon('-report' => $black->control);
	my $reported = sub {
		my ($count) = @_;
		eventually {
			$virus->stat('reports_sent_total') == $count;
		} 10;
		my ($last, @said) = $black->tell('list');
		return [map { /^(\S+) .*\b(sent \S+)/ ? "$1 $2" : $_ } @said];
	};
	for my $login ('joe', undef) {
		my $c = Smtp->new(from => $proxy, port => 2526);
		is $c->cmd($_->[0])->{code}, $_->[1], $_->[0] for
		    ['EHLO proxy.example', 250], ['XCLIENT ADDR=' .
		    ($login ? "192.0.2.9 LOGIN=$login" : '192.0.2.10'), 220];
		is reply_to($worm, on => $c)->{text}, $found, 'refused';
	}
	is_deeply $reported->(1), ['192.0.2.10 sent ' . FOUND],
	    'who is no user of ours';
	is $black->stop, 0, 'it ends';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => $client, port => 2526);
	passes('Clean', $clean, on => $c, what => 'the first is clean');
	is_refused($found, $worm, on => $c);
	$c->cmd($_) for 'MAIL FROM:<left@client.example>',
	    'RCPT TO:<left@example.test>', 'RSET';
	passes('Clean', $clean, on => $c, what => 'and the third');
	my %qid = map { / qid=(\w+)/ ? ($1 => 1) : () }
	    $virus->lines(qr/^verdict=/);
	is scalar(grep { logged($_) } keys %qid), 3,
	    'each line has its own queue id, which Postfix knows';
	$c->quit;
	ok +(eventually { $virus->stat('sessions') == 0 } 5), 'it ends';
};

subtest 'emergency' => sub {
	is $virus->tell('emergency on'), 'ok', 'it begins';
	my $r = reply_to($clean);
	is "$r->{at}: $r->{text}", 'eom: 550 5.7.1 No attachments at the ' .
	    'moment, a new worm is about', 'no attachments';
	passes('Clean', letter(part('hello')), what => 'but other mail');
	is $virus->tell('emergency off'), 'ok', 'it is over';
	passes('Clean', $clean);
};

subtest 'clamd is down' => sub {
	$clamd->stop;
	is reply_to($clean)->{text},
	    '451 4.3.0 no virus scanner can be asked', 'come back';
	is reply_to($disguised)->{text}, "$not.Name.exe",
	    'our own rules are there';
	$clamd->launch;
	is_refused($found, $worm);
	passes('Clean', $clean, what => 'back it is asked');
	daemon('-onerror' => 'accept');
	$clamd->freeze;
	passes('Unknown (no scanner), not by clamd', $clean,
	    what => 'stopped');
	$clamd->thaw;
	is_refused($found, $worm);
};

subtest 'down' => sub {
	daemon();
	my $c = Smtp->new(from => $client, port => 2526);
	$virus->crash;
	for ([{ on => $c }, 'it dies in the middle: come back'],
	    [{}, 'so it is while it is down']) {
		my ($with, $what) = @$_;
		like reply_to($clean, %$with)->{text}, qr/^451 4\.7\.1 /,
		    $what;
	}
	daemon();
	is_refused($found, $worm);
	passes('Clean', $clean, what => 'and back');
	is $virus->stop, 0, 'SIGTERM ends it';
};

done_testing;
