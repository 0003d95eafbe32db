# When a new worm is about: emergencies, and what blackmilter is told.
use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Fakeclamd;
use Milter;
use Virusmilter;

my $dir = folder;
my @doc = (parts => [attached('a.doc')]);
my $refused = '550 5.7.1 No attachments at the moment, a new worm is about ' .
    'at eoh';

# --- a blackmilter's control socket that takes down what it is told

my @children;
END { kill KILL => $_ for @children }

# answer: what it says to each line; without it is silent.
sub blackmilter {
	my ($name, $answer) = @_;
	my $path = "$dir/$name";
	my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 64) or
	    die "$path: $!";
	defined(my $pid = fork) or die "fork: $!";
	if ($pid) {
		push @children, $pid;
		return $path;
	}
	open my $log, '>>', "$path.log" or POSIX::_exit(1);
	$log->autoflush;
	my @silent;
	while (my $s = $listener->accept) {
		my $line = <$s>;
		print $log $line if defined $line;
		if (defined $answer) {
			print $s $answer;
		} else {
			push @silent, $s;
		}
	}
	POSIX::_exit(0);
}

# What it was told since last asked, when there are so many lines.
my %read;
sub told {
	my ($path, $count) = @_;
	my @lines;
	eventually {
		my $text = Daemon::slurp("$path.log");
		$text =~ s/[^\n]*\z//;
		@lines = split /\n/, substr $text, $read{$path} // 0;
		@lines >= $count;
	} 10;
	$read{$path} += length join '', map { "$_\n" } @lines;
	return @lines;
}

# --- what takes time: begun here, looked at in the end

my $nobody = virus(-report => "$dir/nobody");
mail($nobody, parts => [attached('a.doc.exe')]);
my $silent_path = blackmilter('silent');

# --- who is reported, and as what

{
	my $path = blackmilter('control', "ok\n");
	my $clamd = Fakeclamd->start;
	my @list = (-signatures => file('sigs', "Worm.A name details.doc\n" .
	    "Worm.B header:Subject your details\n" .
	    "Worm.C body click here\n"), -ignore => file('ignore', "Pua.*\n" .
	    "Milter.*.ws[fh]\n"));
	my @options = (@list, -clamd => $clamd->socket, -report => $path);
	my $d = virus(@options);
	my $mark = virus(@options, '-markonly', -reporttime => '1d');
	my $dry = virus(@options, '-dryrun');
	my $mz = 'MZ' . "\x90" . "\0" x 57 . "\x80" . "\0" x 100;
	for (
		# what, the name it is reported by, a message
		['clean', undef],
		['a program', undef, parts => [attached('setup.exe')]],
		['one called what it is', undef, parts =>
		    [attached('setup.exe', $mz)]],
		['one in a zip', undef, parts => [attached('a.zip',
		    "PK\3\4" . pack('v5V3v2', 20, 0, 8, 0, 0, 0, 4, 4, 5, 0) .
		    'a.exe')]],
		['a disguised name', 'Milter.Name.exe', parts =>
		    [attached('a.doc.exe')]],
		['blanks', 'Milter.Name.scr', parts =>
		    [attached('a     .scr')]],
		['a disguised name in a zip', 'Milter.Zip.pif', parts =>
		    [attached('a.zip', "PK\3\4" . pack('v5V3v2', 20, 0, 8, 0,
		    0, 0, 4, 4, 9, 0) . 'a.doc.pif')]],
		['a program with another name', 'Milter.Content.MZ', parts =>
		    [attached('a.doc', $mz)]],
		['a program without a name', undef, headers =>
		    [['Content-Type', 'application/x-msdownload']],
		    body => $mz],
		['a signature of a name', 'Worm.A', parts =>
		    [attached('Details.DOC')]],
		['a signature of a header', 'Worm.B', headers =>
		    [[Subject => 'Re: Your details']]],
		['a signature of a body', 'Worm.C', body => 'CLICK HERE'],
		['what clamd finds', 'Eicar_Test-1', body =>
		    "WORM=Eicar_Test-1\r\n"],
		['an odd name', 'a?%s b', body => "WORM=a\e%s b\r\n"],
		['a long name', 'x' x 70, body => 'WORM=' . 'x' x 300],
		['what is ignored', undef, body => "WORM=PUA.X\r\n"],
		['a rule that is ignored', undef, parts =>
		    [attached('a.doc.wsf')]],
		['what is unscannable', undef, headers =>
		    [['Content-Type', 'multipart/x']]],
	) {
		my ($what, $name, @message) = @$_;
		my $sent = $d->stat('reports_sent_total');
		mail($d, @message);
		mail($mark, @message, client => '2001:db8::1');
		mail($dry, @message);
		# And what nobody is reported for, whoever sends it.
		mail($d, @message, @$_) for [auth => 'ann'], [tls => 'OK'],
		    [client => '127.0.0.1'];
		# One that is always told comes behind, lest none be waited for.
		mail($d, parts => [attached('a.doc.bat')], client =>
		    '192.0.2.99');
		my @lines = told($path, defined $name ? 3 : 1);
		is_deeply [sort @lines], [sort defined $name ?
		    ("report 192.0.2.1 14400 sent $name", 'report ' .
		    "2001:db8::1 86400 sent $name") : (),
		    'report 192.0.2.99 14400 sent Milter.Name.bat'],
		    "reported: $what";
		eventually { $d->stat('reports_sent_total') - $sent ==
		    (defined $name) + 1 } 5;
		is $d->stat('reports_sent_total') - $sent,
		    (defined $name) + 1, "reported: $what: counted";
	}
	is $dry->stat('reports_sent_total'), 0, 'a dry run: nobody is reported';
	# In an emergency attachments are no crime.
	$d->tell('emergency on');
	is mail($d, @doc)->{said}, $refused, 'an emergency';
	mail($d, body => 'click here', client => '192.0.2.98');
	is_deeply [told($path, 1)], ['report 192.0.2.98 14400 sent Worm.C'],
	    'an emergency: nobody is reported for it';
	is $d->stat('reports_failed_total'), 0, 'reported: none failed';
	is_idle $d, 'reported';
}
{
	my $path = blackmilter('refuses', "error it is on a white list\n");
	my $d = virus(-report => $path, -signatures => file('sigs',
	    "Worm.C body click here\n"));
	mail($d, body => 'click here');
	eventually { $d->stat('reports_failed_total') } 5;
	is $d->stat('reports_failed_total'), 1, 'refused: counted';
	is_deeply [told($path, 1)], ['report 192.0.2.1 14400 sent Worm.C'],
	    'refused: not tried again';
	is scalar($d->lines(qr/^cannot report 192\.0\.2\.1 to \Q$path\E: /)),
	    1, 'refused: logged';
}
{
	# A storm of them, and nobody takes the reports.
	my $d = virus(-report => $silent_path, -signatures => file('sigs',
	    "Worm.C body click here\n"));
	my $m = met($d);
	my ($begin, $least) = (time, 9);
	for (1 .. 80) {
		my $at = time;
		mail_on($d, $m, body => 'click here');
		$least = time - $at if time - $at < $least;
	}
	my $took = time - $begin;
	$m->quit;
	cmp_ok $least, '<', 0.1 * slow, 'silent: mail does not wait';
	cmp_ok $took, '<', 8 * slow, 'silent: not in a storm either';
	is $d->stat('verdicts_total{verdict="reject",by="rules"}'), 80,
	    'silent: all are refused';
	cmp_ok $d->stat('reports_dropped_total'), '>=', 10,
	    'silent: reports are dropped' if $took < 5;
	is scalar($d->lines(qr/takes no reports now, some are dropped$/)), 1,
	    'silent: which is logged, once' if $took < 5;
	is $d->stop, 0, 'silent: it can be stopped';
}

# --- an emergency: said

my %mixed = (
	# what is refused, what is not: a field, the body
	'multipart/mixed' => [1, 'multipart/mixed; boundary=b'],
	'in capitals' => [1, 'MULTIPART/Mixed; boundary=b'],
	'with a comment' => [1, '(x) multipart/mixed ; boundary=b'],
	'multipart/alternative' => [0, 'multipart/alternative; boundary=b'],
	'multipart/related' => [0, 'multipart/related; boundary=b'],
	'multipart/signed' => [0, 'multipart/signed; boundary=b'],
	'text/plain' => [0, 'text/plain'],
	'text/mixed' => [0, 'text/mixed'],
	'multipart/mixed-up' => [0, 'multipart/mixed-up; boundary=b'],
);
{
	my $d = virus(-whitelist => file('white', "192.0.2.77\n"),
	    -emergencytime => '10m');
	my $tell = sub { my ($last, @lines) = $d->tell($_[0]);
	    return join '|', @lines, $last };
	is $tell->('emergency'), 'emergency: none|ok', 'said: none';
	is $d->stat('emergency'), 0, 'said: none: counted';
	is mail($d, @doc)->{said}, 'Clean', 'said: none: attachments pass';
	like $tell->($_), qr/^emergency: said, (59\d|600) seconds left\|ok$/,
	    "said: $_" for 'emergency on', 'emergency';
	is $d->stat('emergency'), 1, 'said: on: counted';
	is scalar($d->lines(qr/^emergency \(said\): mail with /)), 1,
	    'said: on: logged';
	for my $what (sort keys %mixed) {
		my ($is, $type) = @{ $mixed{$what} };
		is mail($d, headers => [['Content-Type', $type]], body =>
		    "--b\r\n\r\nx\r\n--b--\r\n")->{said}, $is ? $refused :
		    'Clean', "said: on: $what";
	}
	is mail($d)->{said}, 'Clean', 'said: on: no Content-Type';
	is mail($d, parts => [["Content-Type: text/plain\r\n", 'x']])->{said},
	    $refused, 'said: on: whatever is in it';
	for (['AUTH', auth => 'ann'], ['TLS', tls => 'OK'],
	    ['exempt', client => '192.0.2.77'], ['exempt', client => '::1'],
	    ['exempt', client => undef]) {
		my ($what, @with) = @$_;
		is mail($d, @doc, @with)->{said}, $what eq 'exempt' ?
		    'exempt' : 'Clean', "said: on: spared: " .
		    join ' ', map { $_ // 'none' } @with;
	}
	# Our own rules come first, where the header is enough for them.
	is mail($d, headers => [['Content-Disposition',
	    'attachment; filename=a.exe'], ['Content-Type',
	    'multipart/mixed; boundary=b']])->{said},
	    '550 5.7.1 Not accepted: Milter.Name.exe at eoh',
	    'said: on: a name in the header';
	# The body need not come.
	my $m = met($d);
	my ($type) = mixed(attached('a.exe'));
	$m->mail('<joe@client.example>');
	$m->rcpt('<alice@example.test>');
	$m->header(@$type);
	is $m->eoh->{reply}, 'y', 'said: on: at the end of the header';
	$m->abort;
	is mail_on($d, $m)->{said}, 'Clean', 'said: on: and the next';
	$m->quit;

	is $tell->('emergency off'), 'emergency: none|ok', 'said: off';
	is mail($d, @doc)->{said}, 'Clean', 'said: off: attachments pass';
	is scalar($d->lines(qr/^the emergency is over$/)), 1,
	    'said: off: logged';
	# It is one when the header ends.
	$m = met($d);
	for ('on', 'off') {
		$m->mail('<joe@client.example>');
		$m->rcpt('<alice@example.test>');
		$m->header(@$type);
		$d->tell("emergency $_");
		is $m->eoh->{reply}, $_ eq 'on' ? 'y' : 'c',
		    "said: $_ during a message";
		$m->abort;
	}
	$m->quit;

	like $tell->('emergency on 2'), qr/^emergency: said, [12] seconds left/,
	    'said: for two seconds';
	is mail($d, @doc)->{said}, $refused, 'said: for two seconds: it is one';
	eventually { $d->stat('emergency') == 0 } 5;
	is mail($d, @doc)->{said}, 'Clean', 'said: it ends by itself';
	like $tell->("emergency on $_"), qr/^emergency: said, \d+ seconds left/,
	    "said: $_ seconds" for 604800, 5;
	like $tell->('emergency'), qr/^emergency: said, [45] seconds left/,
	    'said: again';
	is $tell->("emergency $_"), 'error not a number of seconds from 1 to ' .
	    '604800: ' . substr($_, 3), "said: bad: $_" for 'on 0', 'on -1',
	    'on x', 'on 604801', 'on 1h', 'on 99999999999999999999', 'on 1.5';
	like $tell->("emergency $_"), qr/^error not on \[SECONDS\] or off$/,
	    "said: bad: $_" for 'On', 'o', '1', 'off now', 'file';
	is_idle $d, 'said';
}

# --- by a file

{
	my $file = "$dir/emergency";
	my $d = virus(-emergency => $file, -emergencytime => '1h');
	my $is = sub {
		my ($word, $what) = @_;
		my $want = $word eq 'none' ? 0 : 1;
		eventually { $d->stat('emergency') == $want } 5;
		is +($d->tell('emergency'))[1], "emergency: $word", $what;
		is mail($d, @doc)->{said}, $want ? $refused : 'Clean',
		    "$what: attachments";
	};
	$is->('none', 'file: none');
	file('emergency', '');
	$is->('file', 'file: there');
	is +($d->tell('emergency off'))[1], 'emergency: file',
	    'file: off does not end it';
	unlink $file;
	$is->('none', 'file: gone');
	file('emergency', 'x');
	$is->('file', 'file: again');
	my $now = time;
	utime $now, $now - 3610, $file;
	$is->('none', 'file: it ends by itself');
	utime $now, $now - 3500, $file;
	$is->('file', 'file: touched');
	utime $now, $now + 86400, $file;
	$is->('file', 'file: of tomorrow');
	unlink $file;
	mkdir $file;
	$is->('file', 'file: a folder is as good');
	rmdir $file;
	$is->('none', 'file: all is over');
	is scalar($d->lines(qr/^emergency \(file\)/)), 3, 'file: begin logged';
	is scalar($d->lines(qr/^the emergency is over$/)), 3,
	    'file: end logged';
	is_idle $d, 'file';

	file('emergency', '');
	is mail(virus(-emergency => $file), @doc)->{said}, $refused,
	    'file: there at the start';
	utime $now, $now - 4 * 3600 - 10, $file;
	is mail(virus(-emergency => $file), @doc)->{said}, 'Clean',
	    'file: too old, by default';
	is mail(virus(-emergency => $file, -emergencytime => '5h'), @doc)
	    ->{said}, $refused, 'file: -emergencytime';
}

# --- with each action at the end of the header; and of an old MTA

{
	my $d = virus({ quiet => 1 }, -unscannable => 'reject');
	$d->tell('emergency on');
	is mail($d, version => 2, actions => 0x3f, steps => $_, @doc)->{said},
	    $refused, "an old MTA, steps $_" for 0x7f, 0;
	my $lines = verdicts($d);
	is $lines, 2, 'one line for each';
	is +(verdicts($d))[-1], 'verdict=reject by=emergency ' .
	    'name=Milter.Emergency client=192.0.2.1 ' .
	    'from=<joe@client.example> to=<alice@example.test> qid=q1 bytes=0',
	    'the line';
}

# --- and now time has passed

eventually { $nobody->stat('reports_failed_total') } 30;
is $nobody->stat('reports_failed_total'), 1, 'nobody there: counted';
is $nobody->stat('reports_sent_total'), 0, 'nobody there: not sent';
is scalar($nobody->lines(qr/^cannot report 192\.0\.2\.1 to \S+nobody: /)), 1,
    'nobody there: logged';
is_idle $nobody, 'nobody there';

done_testing;
