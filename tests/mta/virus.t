# virusmilter behind a real sendmail, which is configured by its .m4 line, with
# a real clamd to ask, and a blackmilter that hears who sends worms.

use strict;
use warnings;
use List::Util qw(min);
use Test::More;
use Time::HiRes qw(sleep time);

use Clamd;
use Daemon;
use Mta;
use Smtp;
use Worm;

plan skip_all => Clamd::missing() if Clamd::missing();
Mta::enter;

mkdir $_, 0755 for '/run/virusmilter', '/run/blackmilter',
    '/run/blackmilter/db', '/run/other', '/run/other/db';
my $told = '/run/blackmilter/control';

my $mta = Mta->start({ users => { joe => 'secret' } },
    'blackmilter/blackmilter.m4', 'virusmilter/virusmilter.m4');
my @auth = (auth => ['joe@mx.example.test', 'secret']);
my $clamd = knows_worms;
my $virus;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$virus->retire if $virus && !$virus->gone;
	$virus = Daemon->start({ name => 'virusmilter',
	    socket => 'unix:/run/virusmilter/virusmilter.sock' }, '-debug',
	    -clamd => $clamd->socket, @options);
	$mta->forget;
}

# Who sends a worm may be refused later: nobody comes twice.
my $strangers = 0;
sub stranger {
	my $net = (qw(192.0.2 198.51.100 203.0.113))[$strangers++ / 250];
	return "$net." . $strangers % 250;
}

# The reply to a message.  %with is Smtp's; on: a client that is connected;
# from: its address.
sub reply_to {
	my ($message, %with) = @_;
	my $c = $with{on} // Smtp->new(from => $with{from} // stranger());
	return $c->send(message => $message, %with);
}

# The mails delivered since the last look.
sub delivered {
	my @mails = $mta->mails;
	$mta->forget;
	return @mails;
}

sub header_of {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail // "nothing\n\n", 2;
	return $head;
}

# What the two fields of ours in a mail say, which has no others.
sub status_of {
	my ($mail) = @_;
	my $head = header_of($mail) =~ s/\n[ \t]+/ /gr;
	my %said;
	push @{ $said{$1} }, $2
	    while $head =~ /^(x-virus-(?:scanned|status)): (.*)/mig;
	return 'none' unless %said;
	my $scanned = 'virusmilter at mx.example.test';
	return keys %said == 2 && @{ $said{'X-Virus-Scanned'} // [] } == 1 &&
	    @{ $said{'X-Virus-Status'} // [] } == 1 &&
	    $said{'X-Virus-Scanned'}[0] =~ /^\Q$scanned\E(, clamd)?(.*)/ ?
	    "$said{'X-Virus-Status'}[0]$2" . ($1 ? '' : ', not by clamd') :
	    "no good: $head";
}

# It is delivered with this status.
sub passes {
	my ($status, $message, %with) = @_;
	my $what = delete $with{what} // $status;
	my $r = reply_to($message, %with);
	is $r->{at}, 'eom', "$what: it is taken";
	like $r->{text}, qr/^250 2\.0\.0 /, "$what: with 250";
	my @mails = delivered;
	is_deeply [map { status_of($_) } @mails], [$status],
	    "$what: its header says $status";
	return $mails[0] // '';
}

# It is refused at the end of the message, with this and no other text.
sub is_refused {
	my ($text, $message, %with) = @_;
	my $r = reply_to($message, %with);
	is "$r->{at}: @{ $r->{lines} }", "eom: $text",
	    $with{what} // "refused: $text";
	is scalar(my @mails = delivered), 0, 'and nothing is delivered';
}

# Verdict, who found it, name and file of what came last.
sub last_verdict {
	my ($line) = reverse $virus->lines(qr/^verdict=/);
	my ($said) = ($line // '') =~ /^verdict=(.*?) client=/;
	return $said // 'none at all';
}

sub last_qid {
	my ($line) = reverse $virus->lines(qr/^verdict=/);
	return ($line // '') =~ / qid=(\w{10,})/ ? $1 : 'none at all';
}

# Does sendmail log this?
sub logged {
	my ($pattern) = @_;
	return eventually { scalar $mta->lines($pattern) } 10;
}

my $worm = worm();
my $clean = letter(mixed(part('hello'), attached('a.txt', 'no worm')));
my $disguised = letter(mixed(part('hello'),
    attached('invoice.pdf.exe', PROGRAM)));
my $found = 'Virus found: ' . FOUND;

subtest 'clean mail' => sub {
	daemon();
	my $body = "Gr\xfc\xdfe\n.\n..\nFrom here\n" . 'x' x 900 . "\n\n\n";
	my $mail = passes('Clean', "From: joe\@client.example\n" .
	    "To: alice\@example.test\nX-Folded: a\n\tb\nSubject: test\n\n" .
	    $body);
	is +($mail =~ /\n\n(.*)\z/s)[0], "$body\n", 'its body is as it was';
	like header_of($mail), qr/^X-Folded:\ a\n\tb\nSubject:\ test
	    \nX-Virus-Scanned:.*\nX-Virus-Status:.*\z/mx,
	    'and its header, with ours behind it';
	like +($virus->lines(qr/^verdict=/))[0], qr/^verdict=pass\ by=clean
	    \ client=[\d.]+\ from=<joe\@client\.example>
	    \ to=<alice\@example\.test>\ qid=\w{10,}\ bytes=\d+\ us=\d+$/x,
	    'one line in our log';
	passes('Clean', $clean, what => 'with an attachment');
	passes('Clean', letter("\n", ''), what => 'without a body');
	passes('Clean', $clean, mail => '', what => 'from nobody');
	daemon('-dryrun');
	passes('none', $clean, what => '-dryrun');
};

# Fields of somebody who would like them to be ours; ">" marks those that stay.
my $forged = <<'EOF2';
X-Virus-Status: Clean
>X-Virus-Checked: another filter
x-virus-scanned: virusmilter at mx.example.test, clamd
>X-Virus: none
X-VIRUS-STATUS: Infected
	(folded)
>X-Virus-Status-By: nobody
X-Virus-Scanned: by all
X-Virus-Status: Clean
EOF2
my $left = join '', map { /^>(.*\n)/s } split /^/, $forged;
$forged =~ s/^>//mg;

# What is in its header of that, but for what is ours.  sendmail puts a field
# in the place of one of its name that is gone.
sub forgeries {
	my ($mail) = @_;
	my $head = header_of($mail) . "\n";
	$head =~ s/^X-Virus-(?:Scanned|Status): .*\n//mg;
	return join '', $head =~ /^(x-virus.*\n(?:[ \t].*\n)*)/mig;
}

subtest 'forged fields' => sub {
	daemon('-markonly');
	for (['Clean', $clean], ['Infected (' . FOUND . ')', $worm]) {
		my ($status, $message) = @$_;
		my $mail = passes($status, $forged . $message);
		is forgeries($mail), $left, 'theirs are gone, and no other';
		$mail = passes($status, $message =~ s/^$/$forged/mr);
		is forgeries($mail), $left, 'so they are at the end';
	}
	is $virus->stat('forged_headers_total'), 4 * 5, 'they are counted';
	passes('none', $clean, from => '127.0.0.1', what => 'from loopback');
	my $c = Smtp->new(from => '127.0.0.1');
	is reply_to("$forged$clean", on => $c)->{code}, 250, 'and forged';
	my ($mail) = delivered;
	is +() = header_of($mail) =~ /^x-virus-st/mig, 4,
	    'what is not judged stays as it is';
};

subtest 'refuse' => sub {
	daemon('-ignore' => file('ignore', "Milter.Name.url\n"));
	is_refused("550 5.7.1 $found", $worm);
	like +($virus->lines(qr/^verdict=/))[-1], qr/^verdict=reject\ by=clamd
	    \ name=\Q${\FOUND}\E\ client=[\d.]+\ from=<joe\@client\.example>
	    \ to=<alice\@example\.test>\ qid=\w{10,}\ bytes=\d+\ us=\d+$/x,
	    'one line in our log';
	my $qid = last_qid;
	ok logged(qr/ $qid: .*milter=virusmilter.*reject=550 5\.7\.1 Virus/),
	    'sendmail says of the same message who it was';
	is_refused("550 5.7.1 $found", $worm, rcpt => [map {
	    "$_\@example.test" } qw(alice bob carol)]);
	is_refused("550 5.7.1 $found", $worm, mail => '');
	is_refused('550 5.7.1 Not accepted: Milter.Name.exe', $disguised);
	is last_verdict, 'reject by=rules name=Milter.Name.exe ' .
	    'file=invoice.pdf.exe', 'with the name in the log';
	like $mta->run_sendmail('-bp', @$_), qr/queue is empty/,
	    'nothing is kept' for [], ['-qQ'];
	daemon('-action' => 'tempfail');
	is_refused("451 4.7.1 $found", $worm);
	daemon('-rejectmessage' => "100%% \xe4\r\n250 ok %l for %i, %q");
	my $who = stranger();
	my $r = reply_to($worm, from => $who);
	is "@{ $r->{lines} }", '550 5.7.1 100% ???250 ok ' . FOUND .
	    " for $who, " . last_qid, 'the text is ours, and one line';
};

# Rows: what it is, the name of what is found, the message.
subtest 'our own rules' => sub {
	daemon('-signatures' => file('signatures', "Local.Phish body " .
	    "login.example/bank\nLocal.Subject header:Subject your details\n"),
	    '-ignore' => file('ignore', "Milter.Name.lnk\n"));
	my $with = sub {
		my ($from, $to) = @_;
		my $part = attached('a.exe', 'content');
		$part =~ s/filename="a.exe"/$from/;
		return letter(mixed(part('hello'), $part));
	};
	my $file = sub { letter(mixed(part('hello'), attached(@_))) };
	for (['a name', 'Name.exe', $file->('Setup.EXE', 'content')],
	    ['RFC 2231', 'Name.scr',
		$with->("filename*=utf-8''%61%2e%73cr")],
	    ['continued', 'Name.pif',
		$with->("filename*0=\"a.doc.\";\n\tfilename*1=pif")],
	    ['RFC 2047', 'Name.bat', $with->('filename="=?utf-8?B?' .
		'YS5iYXQ=?="')],
	    ['blanks', 'Name.com', $file->('a.pdf' . ' ' x 60 . '.com', 'x')],
	    ['uuencoded', 'Name.vbs', letter(part(uuencoded('a.vbs', 'x')))],
	    ['in a message', 'Name.cpl', letter(mixed(part('hello'),
		rfc822($file->('a.cpl', 'x'))))],
	    ['in a zip', 'Zip.js', $file->('a.zip', zipped('a.js', 'x'))],
	    ['with the name of a picture', 'Content.MZ',
		$file->('a.jpg', PROGRAM)],
	    ['a signature', 'Local.Phish',
		letter(part('see http://LOGIN.example/bank'))],
	    ['one of the header', 'Local.Subject', $clean =~
		s/Subject: test/Subject: Your\n details/r]) {
		my ($what, $name, $message) = @$_;
		$name = "Milter.$name" unless $name =~ /^Local/;
		is_refused("550 5.7.1 Not accepted: $name", $message,
		    what => "$what: $name");
	}
	passes('Clean', $file->('a.lnk', 'x'), what => 'what is ignored');
	passes('Unscannable (a multipart without a boundary)', letter(
	    mixed(part('hello')) =~ s/; boundary.*//r));
	daemon('-unscannable' => 'reject');
	is_refused('550 5.7.1 Not accepted, cannot be scanned: a multipart ' .
	    'without a boundary', letter(mixed(part('hello')) =~
	    s/; boundary.*//r));
};

subtest 'mark, discard, nothing' => sub {
	daemon('-markonly');
	my $mail = passes('Infected (' . FOUND . ')', $worm);
	like $mail, qr/filename="details\.txt"/, 'it is whole';
	passes('Infected (Milter.Name.exe), not by clamd', $disguised);
	passes('Clean', $clean);
	daemon('-action' => 'discard');
	like reply_to($worm)->{text}, qr/^250 2\.0\.0 /, 'discarded: taken';
	is scalar(my @mails = delivered), 0, 'but not delivered';
	is last_verdict, 'discard by=clamd name=' . FOUND, 'but logged';
	like $mta->run_sendmail('-bp', @$_), qr/queue is empty/, 'nor kept'
	    for [], ['-qQ'];
	passes('Clean', $clean, what => 'and others are delivered');
	daemon('-dryrun');
	passes('none', $worm, what => '-dryrun: a worm');
	is last_verdict, 'none by=clamd name=' . FOUND,
	    '-dryrun says what it would do';
};

subtest 'quarantine' => sub {
	daemon('-action' => 'quarantine');
	like reply_to($worm)->{text}, qr/^250 2\.0\.0 /, 'it is taken';
	is scalar(my @none = delivered), 0, 'but not delivered';
	like $mta->run_sendmail('-bp'), qr/queue is empty/,
	    'the queue does not show it';
	like $mta->run_sendmail('-bp', '-qQ'), qr/QUARANTINE:\ virusmilter:
	    \ \Q${\FOUND}\E\n.*Total\ requests:\ 1$/sx,
	    'the quarantine does, and why';
	my $qid = last_qid;
	$mta->run_sendmail('-qQ', '-Q', "-qI$qid");
	$mta->run_sendmail("-qI$qid");
	ok +(eventually { scalar(my @mails = $mta->mails) == 1 } 10),
	    'let go by the id in our log it is delivered';
	is_deeply [map { status_of($_) } delivered],
	    ['Infected (' . FOUND . ')'], 'and marked';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => stranger());
	passes('Clean', $clean, on => $c, what => 'the first is clean');
	is_refused("550 5.7.1 $found", $worm, on => $c);
	passes('Clean', $clean, on => $c, what => 'and the third');
	$c->cmd($_) for 'MAIL FROM:<left@client.example>',
	    'RCPT TO:<left@example.test>', 'RSET';
	is_refused('550 5.7.1 Not accepted: Milter.Name.exe', $disguised,
	    on => $c);
	like +($virus->lines(qr/^verdict=/))[-1],
	    qr/ from=<joe\@client\.example> to=<alice\@example\.test> /,
	    'what was reset does not count';
	passes('Clean', $clean, on => $c, what => 'the last');
	$c->quit;
	ok +(eventually { $virus->stat('sessions') == 0 } 5), 'it ends';
	is $virus->stat('scans_under_way'), 0, 'and asks clamd no more';
};

subtest 'large mail' => sub {
	daemon('-maxscan' => 1);
	my $filler = "a line of text, and nothing else in it\n" x 30_000;
	my $partial = 'Clean (partial: the first 1048576 bytes)';
	passes($partial, letter(mixed(part($filler))), what => 'over a MB');
	passes($partial, letter(mixed(part($filler),
	    attached('a.txt', EICAR))), what => 'a worm behind that');
	is_refused("550 5.7.1 $found", letter(mixed(
	    attached('a.txt', EICAR), part($filler))), what => 'before');
	is_refused('550 5.7.1 Not accepted: Milter.Name.exe',
	    letter(mixed(part($filler), attached('a.exe', 'x'))),
	    what => 'our own rules see all of it');
	my $large = letter(mixed(part($filler x 20), attached('a.zip',
	    zipped('a.txt', "\0" x 100_000_000))));
	passes($partial, $large, what => '20 MB and a bomb');
	daemon();
	is_refused("550 5.7.1 $found", letter(mixed(part($filler x 2),
	    attached('a.txt', EICAR))), what => 'clamd is sent more');
	is reply_to($large)->{code}, 250, 'it passes';
	is $virus->stat('partial_total'), 0, 'and clamd has seen all of it';
	cmp_ok $virus->memory('VmHWM'), '<', 32 * 1024,
	    'that took little memory' unless $ENV{WATCH};
};

# --- blackmilter is told

my $theirs = stranger();	# is on its white list
my $black = Daemon->start({ control => $told,
    socket => 'unix:/run/blackmilter/blackmilter.sock' },
    '-db' => '/run/blackmilter/db',
    -whitelist => file('theirs', "$theirs\n"));
my @report = ('-report' => $told);

sub is_reported {
	my ($who) = @_;
	return eventually {
		my @said = $black->tell("test $who");
		"@said" =~ /shortlist/;
	} 10;
}

sub is_let_in {
	my $r = Smtp->new(from => shift)->send;
	$mta->forget;
	return $r->{at} eq 'eom';
}

subtest 'who sends a worm is refused by blackmilter' => sub {
	daemon(@report, '-reporttime' => 3);
	my $who = stranger();
	is_refused("550 5.7.1 $found", $worm, from => $who);
	ok is_reported($who), 'it is reported';
	my $r = Smtp->new(from => $who)->send(message => $clean);
	is "$r->{at}: $r->{text}", "mail: 554 5.7.1 mail from $who is " .
	    'refused, see sent ' . FOUND,
	    'at its next connection it is refused, and told why';
	ok $black->lines(qr/^verdict=reject\ by=shortlist\ .*
	    reason=sent_\Q${\FOUND}\E\ client=$who\ /x), 'so is the log';
	is scalar($virus->lines(qr/^verdict=.* client=$who /)), 1,
	    'nothing of that was scanned';
	ok is_let_in(stranger()), 'others are let in';
	ok +(eventually { is_let_in($who) } 10), 'it is, when time is over';

	daemon(@report);
	$who = stranger();
	is_refused("550 5.7.1 $found", $worm, from => $who);
	ok is_reported($who), 'another one, for hours';
	ok !is_let_in($who), 'it is refused';
	is $black->tell("forget $who"), 'ok', 'and forgiven';
	ok is_let_in($who), 'it is let in again';
	is $virus->stat('reports_sent_total'), 1, 'one report was counted';

	for (['a disguise', $disguised, 'Milter.Name.exe'],
	    ['what is a program and does not say so', letter(mixed(
		part('hello'), attached('a.jpg', PROGRAM))),
		'Milter.Content.MZ']) {
		my ($what, $message, $name) = @$_;
		$who = stranger();
		is_refused("550 5.7.1 Not accepted: $name", $message,
		    from => $who);
		ok is_reported($who), "$what is reported";
		my $r = Smtp->new(from => $who)->send;
		like $r->{text}, qr/see sent \Q$name\E$/, 'by this name';
	}
};

# Whoever comes last is reported, so that all before him would have been.
sub no_other_is_reported {
	my ($what, @who) = @_;
	my $last = stranger();
	reply_to($worm, from => $last);
	ok is_reported($last), "$what: the next one is reported";
	is_deeply [grep { !is_let_in($_) } @who], [], "$what: nobody else is";
}

subtest 'who is not reported' => sub {
	my $friend = stranger();
	daemon(@report, '-whitelist' => file('whitelist', "$friend\n"));
	my $user = stranger();
	is_refused("550 5.7.1 $found", $worm, from => $user, @auth);
	no_other_is_reported('a user of ours is refused', $user);
	my $sender = stranger();
	is_refused('550 5.7.1 Not accepted: Milter.Name.exe', letter(mixed(
	    part('hello'), attached('setup.exe', PROGRAM))),
	    from => $sender);
	no_other_is_reported('so is who sends a program', $sender);
	passes('none', $worm, from => $friend, what => 'who is whitelisted');
	passes('none', $worm, from => '127.0.0.1', what => 'loopback');
	my $c = Smtp->of_program(Mta::tool('sendmail'), '-C',
	    "$Mta::dir/sendmail.cf", '-bs');
	passes('none', $worm, on => $c, mail => 'root@example.test',
	    what => 'a user of this machine');
	$c->quit;
	no_other_is_reported('who is not judged', $friend);
	is $virus->stat('reports_sent_total'), 3, 'no more was sent';
	is_refused("550 5.7.1 $found", $worm, from => $theirs);
	no_other_is_reported('nor whom blackmilter knows better', $theirs);
	is $virus->stat('reports_failed_total'), 1, 'it was asked to';

	daemon(@report, '-dryrun');
	my $dry = stranger();
	passes('none', $worm, from => $dry, what => '-dryrun');
	daemon(@report, '-markonly');
	no_other_is_reported('-dryrun', $dry);
	my $marked = stranger();
	passes('Infected (' . FOUND . ')', $worm, from => $marked);
	ok is_reported($marked), 'but with -markonly he is';
};

# Seconds until a worm has its answer, at best: that is what it takes, and what
# else the machine does is left out.
sub seconds {
	my (%with) = @_;
	return min map {
		my $c = Smtp->new(from => stranger());
		$c->cmd($_) for 'HELO client.example',
		    'MAIL FROM:<joe@client.example>',
		    'RCPT TO:<alice@example.test>', 'DATA';
		my $begin = time;
		my $r = $c->text($worm);
		my $took = time - $begin;
		is $r->{text}, "550 5.7.1 $found", 'refused';
		$took;
	} 1 .. 5;
}

subtest 'blackmilter is down, or hangs' => sub {
	my $other = Daemon->start({ control => '/run/other/control' },
	    '-db' => '/run/other/db');
	daemon('-report' => '/run/other/control');
	my $usual = seconds();
	ok +(eventually { $virus->stat('reports_sent_total') == 5 } 10),
	    'it is told of all of them';
	kill STOP => $other->pid;
	cmp_ok seconds(), '<=', $usual + 0.1, 'it hangs: mail does not wait';
	kill CONT => $other->pid;
	ok +(eventually { $virus->stat('reports_sent_total') >= 10 } 30),
	    'back, it is told of the others';
	is $other->stop, 0, 'it ends';
	cmp_ok seconds(), '<=', $usual + 0.1, 'it is down: nor does it then';
	ok +(eventually { $virus->lines(qr/^cannot report /) } 30),
	    'which is logged';
};

# --- emergencies

subtest 'emergency' => sub {
	my $file = '/run/virusmilter/emergency';
	daemon(@report, '-emergency' => $file, '-emergencytime' => 600);
	my $refused = '550 5.7.1 No attachments at the moment, a new worm ' .
	    'is about';
	passes('Clean', $clean, what => 'none yet');
	file($file, '');
	ok +(eventually { ($virus->tell('emergency'))[1] eq
	    'emergency: file' } 10), 'the file is there';
	my $who = stranger();
	is_refused($refused, $clean, from => $who);
	is last_verdict, 'reject by=emergency name=Milter.Emergency',
	    'it says why';
	is_refused($refused, $worm, what => 'a worm is refused unseen');
	is $virus->stat('scans_total{result="infected"}'), 0,
	    'clamd was not asked';
	passes('Clean', letter(part('hello')), what => 'no attachment');
	passes('Clean', letter(multipart('alternative', part('hello'),
	    part('hello', 'text/html'))), what => 'nor here');
	passes('Clean', $clean, @auth, what => 'a user of ours');
	ok is_let_in($who), 'nobody is reported for that';
	unlink $file;
	ok +(eventually { ($virus->tell('emergency'))[1] eq
	    'emergency: none' } 10), 'it is over';
	passes('Clean', $clean, what => 'after it');
	is $virus->tell('emergency on 2'), 'ok', 'somebody says so';
	is_refused($refused, $clean);
	ok +(eventually { reply_to($clean)->{code} == 250 } 10),
	    'it ends by itself';
	delivered;
	is $virus->tell('emergency on'), 'ok', 'again';
	is_refused($refused, $clean);
	is $virus->tell('emergency off'), 'ok', 'or when it is said';
	passes('Clean', $clean, what => 'after that');
};

kill TERM => $_->pid for $virus, $black;
is $_->stop, 0, 'SIGTERM ends it' for $virus, $black;

done_testing;
