# What virusmilter finds in mail, and what becomes of it: in sessions.
use strict;
use warnings;
use MIME::Base64;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Fakeclamd;
use Milter;
use Odd;
use Virusmilter;

my $dir = folder;
my $mz = 'MZ' . "\x90\0\3\0\0\0\4\0\0\0\xff\xff" . "\0" x 46 . "\x80\0\0\0" .
    "\0" x 100;

# A local header of a zip, and a central one.
sub zip_local {
	my ($name) = @_;
	return "PK\3\4" . pack('v5V3v2', 20, 0, 8, 0, 0, 0, 4, 4,
	    length $name, 0) . "$name\x03\x00abc";
}

sub zip_central {
	my ($name) = @_;
	return "PK\1\2" . pack('v6V3v5V2', 20, 20, 0, 8, 0, 0, 0, 4, 4,
	    length $name, 0, 0, 0, 0, 0, 0) . $name;
}

# A message that is one part, with these fields.
sub fields_of {
	my ($header) = @_;
	return [map { my ($name, $value) = /^([^:]+):\s*(.*)\z/s;
	    [$name, $value] } split /\r?\n(?![ \t])/, $header];
}

my $clamd = Fakeclamd->start;
my @asks = (-clamd => $clamd->socket);

# --- what is found, in parts and as the message itself

{
	my $d = virus;
	my $plain = "Content-Type: text/plain\r\n";
	my $stream = 'Content-Type: application/octet-stream';
	my $at = 'Content-Disposition: attachment; filename';
	my $code = "Content-Transfer-Encoding: base64\r\n";
	for (
		# what, the header of a part, its body, what is found
		['a text', $plain, 'hello', ''],
		['a document', "$at=a.pdf\r\n", '%PDF-1.4', ''],
		['no header', '', 'hello', ''],
		['a name', "$at=\"your_details.pif\"\r\n", 'x', 'Name.pif'],
		['without quotes', "$at=details.scr\r\n", 'x', 'Name.scr'],
		['in capitals', "$at=A.EXE\r\n", 'x', 'Name.exe'],
		['in Content-Type', "$stream; name=\"a.exe\"\r\n", 'x',
		    'Name.exe'],
		['filename in Content-Type', "$stream; filename=a.exe\r\n",
		    'x', 'Name.exe'],
		['name in Content-Disposition', 'Content-Disposition: inline;' .
		    " name=a.exe\r\n", 'x', 'Name.exe'],
		['folded', "$stream;\r\n\tname=\"a.exe\"\r\n", 'x',
		    'Name.exe'],
		['folded in the name', "$at=\"a.doc\r\n    .exe\"\r\n", 'x',
		    'Name.exe'],
		['RFC 2231', "$at*=utf-8''a%2e%65xe\r\n", 'x', 'Name.exe'],
		['RFC 2231, in pieces', "$at*1=exe;\r\n\tfilename*0=\"a.\"" .
		    "\r\n", 'x', 'Name.exe'],
		['RFC 2231, both', "$at*0*=iso-8859-1''%e4.;\r\n " .
		    "filename*1=exe\r\n", 'x', 'Name.exe'],
		['RFC 2047, B', "$at=\"=?utf-8?B?YS5leGU=?=\"\r\n", 'x',
		    'Name.exe'],
		['RFC 2047, Q', "$stream; name==?iso-8859-1?q?a=2Eexe?=\r\n",
		    'x', 'Name.exe'],
		['RFC 2047, two words', "$at=\"=?utf-8?Q?a=2E?=\r\n " .
		    "=?utf-8?Q?exe?=\"\r\n", 'x', 'Name.exe'],
		['dots behind it', "$at=\"a.exe. . .\"\r\n", 'x', 'Name.exe'],
		['a document before it', "$at=\"a.doc.exe\"\r\n", 'x',
		    'Name.exe'],
		['blanks before it', "$at=\"a.doc" . ' ' x 60 . ".exe\"\r\n",
		    'x', 'Name.exe'],
		['the other way round', "$at=\"a\xe2\x80\xaegpj.exe\"\r\n",
		    'x', 'Name.exe'],
		['fullwidth', "$at=\"a.\xef\xbd\x85\xef\xbd\x98\xef\xbd\x85" .
		    "\"\r\n", 'x', 'Name.exe'],
		['a stream of NTFS', "$at=\"a.exe:x\"\r\n", 'x', 'Name.exe'],
		['a class', "$at=\"a.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}" .
		    "\"\r\n", 'x', 'Name.clsid'],
		['no program', "$at=\"exe.txt\"\r\n", 'x', ''],
		['a name in the text', $plain, 'filename="a.exe"', ''],
		['uuencoded', $plain, "begin 644 a.exe\r\n#0V%T\r\n`\r\nend",
		    'Name.exe'],
		['in another field', "X-Disposition: x; filename=a.exe\r\n",
		    'x', ''],

		['MZ', "$at=a.doc\r\n$code", encode_base64($mz),
		    'Content.MZ'],
		['MZ without a name', $code, encode_base64($mz),
		    'Content.MZ'],
		['MZ, quoted-printable', 'Content-Transfer-Encoding: ' .
		    "Quoted-Printable\r\n", join('', map {
		    sprintf '=%02X', ord } split //, substr $mz, 0, 64),
		    'Content.MZ'],
		['MZ as it is', "Content-Transfer-Encoding: 8bit\r\n", $mz,
		    'Content.MZ'],
		['ELF', $code, encode_base64("\x7fELF\2\1\1" . "\0" x 57),
		    'Content.ELF'],
		['a text that begins with MZ', $plain, 'MZ is a code', ''],
		['not base64', $plain, encode_base64($mz), ''],

		['a zip', "$at=a.bin\r\n$code", encode_base64(
		    zip_local('dir/a.exe')), 'Zip.exe'],
		['a zip, the central directory', "$at=a.zip\r\n$code",
		    encode_base64(zip_local('a.txt') . zip_central('a.js')),
		    'Zip.js'],
		['a zip in front of which is something', "$at=a.zip\r\n$code",
		    encode_base64('x' x 5000 . zip_local('a.scr')), 'Zip.scr'],
		['a zip of documents', "$at=a.zip\r\n$code", encode_base64(
		    zip_local('a.doc') . zip_central('a.doc')), ''],
	) {
		my ($what, $header, $body, $name) = @$_;
		my $said = $name eq '' ? 'Clean' :
		    "550 5.7.1 Not accepted: Milter.$name";
		$what =~ s/[^ -~]/?/g;
		is mail($d, parts => [[$plain, 'text'], [$header, $body]])
		    ->{said}, $said, "a part: $what";
		is mail($d, parts => [["Content-Type: multipart/related; " .
		    "boundary=c\r\n", "--c\r\n$header\r\n$body\r\n--c--\r\n"]])
		    ->{said}, $said, "a part of a part: $what";
		is mail($d, parts => [["Content-Type: message/rfc822\r\n",
		    "Subject: x\r\n$header\r\n$body\r\n"]])->{said}, $said,
		    "in a message in it: $what";
		# What its own header says is known at the end of that.
		$said .= ' at eoh' if $name =~ /^Name/ && $header =~ /^Content/;
		$said =~ s/ at eoh// if $what eq 'uuencoded';
		is mail($d, headers => fields_of($header), body =>
		    "$body\r\n")->{said}, $said, "the message: $what";
	}
	# However it is divided.
	for my $size (1, 2, 3, 7, 100) {
		my ($type, $body) = mixed(attached('a.doc', 'x' x 500),
		    attached('b.doc', $mz));
		my $at = -$size;
		my $r = mail($d, headers => [$type], body => sub {
			$at += $size;
			return $at < length $body ? substr($body, $at, $size) :
			    undef;
		});
		is $r->{said}, '550 5.7.1 Not accepted: Milter.Content.MZ',
		    "pieces of $size bytes";
	}
	is_idle $d, 'what is found';
}

# --- each action: what the client is told, what the message is given, the log

my $file = file('emergency', '');
utime 1, 1, $file;		# it is over, for now
my %found = (
	# a message, what is found, the text, more of the log
	rules => [[parts => [attached('a.exe')]], 'Milter.Name.exe',
	    'Not accepted: Milter.Name.exe', ' file=a.exe'],
	clamd => [[body => "WORM=Win.Worm.Sobig-27\r\n"],
	    'Win.Worm.Sobig-27', 'Virus found: Win.Worm.Sobig-27', ''],
	emergency => [[parts => [attached('a.doc')]], 'Milter.Emergency',
	    'No attachments at the moment, a new worm is about', ''],
	unscannable => [[headers => [['Content-Type', 'multipart/x']]],
	    'a multipart without a boundary', 'Not accepted, cannot be ' .
	    'scanned: a multipart without a boundary', ''],
);
for my $action (qw(reject tempfail quarantine discard mark none)) {
	my $d = virus({ quiet => 1 }, @asks, -action => $action,
	    -unscannable => $action);
	my %count;
	for my $by (qw(rules clamd emergency unscannable)) {
		my ($with, $name, $text, $file) = @{ $found{$by} };
		$d->tell('emergency on') if $by eq 'emergency';
		my $r = mail($d, @$with);
		$d->tell('emergency off');
		my $kind = $by eq 'unscannable' ? 'Unscannable' : 'Infected';
		my $header = "$kind ($name)";
		is $r->{said}, ($action eq 'reject' ? "550 5.7.1 $text" :
		    $action eq 'tempfail' ? "451 4.7.1 $text" :
		    $action eq 'discard' ? 'discarded' :
		    $action eq 'quarantine' ?
		    "quarantined: virusmilter: $name, $header" :
		    $action eq 'mark' ? $header : 'unchanged') .
		    ($by eq 'emergency' && $action =~ /^[rtd]/ ? ' at eoh' :
		    ''), "$action: $by";
		is_deeply [map { s/ bytes=\d+$//r } @{ $r->{log} }],
		    ["verdict=$action by=$by name=" . $name =~ tr/ /_/r .
		    "$file client=192.0.2.1 from=<joe\@client.example> " .
		    'to=<alice@example.test> qid=q1'], "$action: $by: the log";
		is $d->stat(qq(verdicts_total{verdict="$action",by="$by"})),
		    1, "$action: $by: counted";
		is_deeply [map { $_->[0] } @{ $r->{changes} }],
		    $action eq 'mark' ? ['h', 'h'] :
		    $action eq 'quarantine' ? ['q', 'h', 'h'] : [],
		    "$action: $by: the changes";
	}
	my $seen = verdicts($d);
	is mail($d)->{said}, $action eq 'none' ? 'unchanged' : 'Clean',
	    "$action: a clean one";
	is verdicts($d) + 0, $seen, "$action: of which nothing is said";
	is $d->stat('verdicts_total{verdict="pass",by="clean"}'), 1,
	    "$action: but it is counted";
	is $d->stat('scan_seconds_count'), 5, "$action: all were judged";

	$clamd->stop;
	my $r = mail($d);
	is $r->{said}, $action eq 'none' ? 'unchanged' :
	    '451 4.3.0 no virus scanner can be asked', "$action: no clamd";
	my $word = $action eq 'none' ? 'none' : 'tempfail';
	like $r->{log}[0], qr/^verdict=$word by=down name=connecting:_No_such/,
	    "$action: no clamd: the log";
	is $d->stat(qq(verdicts_total{verdict="$word",by="down"})), 1,
	    "$action: no clamd: counted";
	my ($with, $name) = @{ $found{rules} };
	like mail($d, @$with)->{log}[0], qr/^verdict=$action by=rules /,
	    "$action: no clamd: our own rules find what they find";
	$clamd->back;
	is_idle $d, $action;
}
{
	# A verdict of one kind, and an action of another.
	my $d = virus(@asks, -unscannable => 'reject', '-markonly');
	my $quarantine = virus(@asks, -unscannable => 'quarantine');
	my $dry = virus(@asks, -unscannable => 'reject', '-dryrun');
	my ($rules, $bad) = map { $found{$_}[0] } qw(rules unscannable);
	my $why = 'a multipart without a boundary';
	is mail($d, @$rules)->{said}, 'Infected (Milter.Name.exe)',
	    '-unscannable reject: infected';
	is mail($d, @$bad)->{said}, '550 5.7.1 Not accepted, cannot be ' .
	    "scanned: $why", '-unscannable reject: unscannable';
	is mail($quarantine, @$rules)->{said}, '550 5.7.1 Not accepted: ' .
	    'Milter.Name.exe', '-unscannable quarantine: infected';
	is mail($quarantine, @$bad)->{said}, "quarantined: virusmilter: $why" .
	    ", Unscannable ($why)", '-unscannable quarantine: unscannable';
	my $r = mail($dry, @$bad);
	is $r->{said}, 'unchanged', 'bug_dryrun_refused_unscannable';
	like $r->{log}[0], qr/^verdict=none by=unscannable /,
	    'bug_dryrun_refused_unscannable: the log';
	is mail(virus(-unscannable => 'none'), @$bad)->{said},
	    "Unscannable ($why)", '-unscannable none: the headers are there';
	# clamd's word counts more than that it could not be read.
	is mail($d, @$bad, body => "WORM=Eicar\r\n")->{said},
	    'Infected (Eicar)', 'unscannable, and clamd finds it';
	$clamd->stop;
	like mail($d, @$bad)->{said}, qr/^451 4\.3\.0 /,
	    'unscannable, and no clamd';
	$clamd->back;
}

# --- the headers

{
	my @who = (macros => { C => [j => 'mx2.example.org'] });
	my $part = "'s beginning";
	for (
		# what, options, %with, X-Virus-Scanned, X-Virus-Status
		['rules only', [], [], 'mx.example.test', 'Clean'],
		['clamd', [@asks], [], 'mx.example.test, clamd', 'Clean'],
		['another MTA', [], [@who], 'mx2.example.org', 'Clean'],
		['no macro', [], [macros => { C => [x => 'y'] }], 'localhost',
		    'Clean'],
		['an odd macro', [], [macros => { C => [j =>
		    "a\r\nB: c%s\xff" . 'x' x 500] }], 'a??B: c%s?' . 'x' x 245,
		    'Clean'],
		['no clamd', [@asks, -onerror => 'accept'], [body => 'DOWN'],
		    'mx.example.test', 'Unknown (no scanner)', 'a'],
		['clamd finds it', [@asks, '-markonly'], [body =>
		    "WORM=Eicar\r\n"], 'mx.example.test, clamd',
		    'Infected (Eicar)'],
		['we find it', [@asks, '-markonly'], [body =>
		    "begin 644 a.doc.exe\r\n"], 'mx.example.test',
		    'Infected (Milter.Name.exe)'],
		['we find a plain program', [@asks, '-markonly'], [body =>
		    "begin 644 a.exe\r\n"], 'mx.example.test, clamd',
		    'Infected (Milter.Name.exe)'],
		['unscannable', [@asks], [headers => [['Content-Type',
		    'multipart/x']]], 'mx.example.test, clamd',
		    'Unscannable (a multipart without a boundary)'],
		['partial', [@asks, -maxscan => 1], [body => 'x' x 1200000],
		    'mx.example.test, clamd (partial: the first 1048576 ' .
		    'bytes)', 'Clean'],
		['nearly partial', [@asks, -maxscan => 2], [body =>
		    'x' x 1200000], 'mx.example.test, clamd', 'Clean'],
		['infected behind that', [@asks, -maxscan => 1], [body =>
		    'x' x 1200000 . "\r\nWORM=Eicar"], 'mx.example.test, ' .
		    'clamd (partial: the first 1048576 bytes)', 'Clean'],
		['infected in that', [@asks, -maxscan => 1, '-markonly'],
		    [body => "WORM=Eicar\r\n" . 'x' x 1200000],
		    'mx.example.test, clamd (partial: the first 1048576 ' .
		    'bytes)', 'Infected (Eicar)'],
	) {
		my ($what, $options, $with, $scanned, $status, $reply) = @$_;
		my $d = virus(@$options);
		$clamd->forget;
		$clamd->act(sub { }) if $what eq 'no clamd';
		my $r = mail($d, @$with);
		$clamd->act if $what eq 'no clamd';
		is_deeply $r->{changes}, [[h => 'X-Virus-Scanned',
		    "virusmilter at $scanned"], [h => 'X-Virus-Status',
		    $status]], "headers: $what" or diag explain $r->{changes};
		is $r->{reply}, $reply // 'c', "headers: $what: it passes";
		my $is_part = $scanned =~ /partial/;
		is $d->stat('partial_total'), $is_part + 0,
		    "headers: $what: partial counted";
		is scalar(grep { / partial=1$/ } @{ $r->{log} }), $is_part + 0,
		    "headers: $what: partial logged";
		is_deeply [$clamd->asked], ['INSTREAM 1048576'],
		    "headers: $what: what clamd is sent" if $is_part;
	}
}

# What clamd is sent is the message.
{
	my $d = virus(@asks);
	mail($d, headers => [[From => 'Joe <joe@client.example>'],
	    ['Subject', "a\n\tb"], ['X-Empty', '']], body => "1\r\n.\r\n2");
	is $clamd->stream, "From virusmilter Thu Jan  1 00:00:00 1970\r\n" .
	    "From: Joe <joe\@client.example>\r\nSubject: a\n\tb\r\n" .
	    "X-Empty: \r\n\r\n1\r\n.\r\n2", 'clamd is sent the message';

	is mail($d, headers => [], body => '')->{said}, 'Clean',
	    'bug_no_header_was_no_memory';
	is $clamd->stream, "From virusmilter Thu Jan  1 00:00:00 1970\r\n\r\n",
	    'clamd is sent an empty message';

	# What is malign needs no clamd; a plain program may be worse than it
	# looks.
	my $exe = '550 5.7.1 Not accepted: Milter.Name.exe';
	my $worm = ['', "WORM=Eicar\r\n"];
	for (
		# parts, what becomes of it, is clamd asked?
		[[attached('a.doc.exe')], $exe, 0],
		[[attached('a.doc.exe'), $worm], $exe, 0],
		[[attached('a.exe')], $exe, 1],
		[[attached('a.exe'), $worm], '550 5.7.1 Virus found: Eicar',
		    1],
	) {
		my ($parts, $said, $asked) = @$_;
		$clamd->forget;
		is mail($d, parts => $parts)->{said}, $said,
		    "our rules and clamd: $said";
		is scalar(() = $clamd->asked), $asked,
		    "our rules and clamd: is it asked?";
	}
	$clamd->stop;
	is mail($d, parts => [attached('a.exe'), $worm])->{said}, $exe,
	    'our rules and clamd: it is not there';
	$clamd->back->forget;

	# What is known ends a scan that was begun.
	my ($type, $body) = mixed(attached('a.doc', 'x' x 1_000_000),
	    attached('a.doc.exe'), attached('b.doc', 'x' x 1_000_000));
	my $m = met($d);
	$m->mail('<joe@client.example>');
	$m->rcpt('<alice@example.test>');
	$m->header(@$type);
	$m->eoh;
	my $most = 0;
	for (my $at = 0; $at < length $body; $at += 65535) {
		$m->body(substr $body, $at, 65535);
		$most = 1 if $at > 500_000 && $most == 0 &&
		    eventually { $d->stat('scans_under_way') == 1 } 5;
	}
	is $most, 1, 'a scan that was begun';
	eventually { $d->stat('scans_under_way') == 0 } 5;
	is $d->stat('scans_under_way'), 0, '... is given up';
	is $m->eom->{text}, $exe, '... for what is known';
	$m->quit;
	like join('|', $clamd->asked), qr/^INSTREAM \d+ cut$/,
	    '... which clamd learns';
	is_idle $d, 'clamd';
}

# --- A14: fields in our name

sub forged { return map { [$_[1], 'x'] } 1 .. $_[0] }

{
	my ($by, $status) = ('X-Virus-Scanned', 'X-Virus-Status');
	my $d = virus('-markonly');
	my @among = (['X-A', 'x'], forged(1, $status), ["$status-2", 'x'],
	    forged(1, lc $status), forged(1, $by), ['X-Virus', 'x'],
	    forged(1, 'X-VIRUS-Status'), ["X-$status", 'x'],
	    ['X-Virus-Statu', 'x'], forged(1, lc $by), [Received => 'x']);
	my $removes = ", removes $by 2 1, removes $status 3 2 1";
	for (
		# what, a message, what becomes of it
		['clean', [], 'Clean'],
		['infected', [body => "begin 644 a.exe\r\n"],
		    'Infected (Milter.Name.exe)'],
		['unscannable', [type => 'multipart/x'],
		    'Unscannable (a multipart without a boundary)'],
	) {
		my ($what, $with, $said) = @$_;
		my %with = @$with;
		my $r = mail($d, %with, headers => [@among, exists $with{type} ?
		    ['Content-Type', $with{type}] : ()]);
		is $r->{said}, "$said$removes", "A14: $what";
		is_deeply [map { $_->[0] } @{ $r->{changes} }],
		    [qw(m m m m m h h)], "A14: $what: before ours are written";
	}
	is $d->stat('forged_headers_total'), 15, 'A14: counted';
	is mail($d, headers => [@among], client => '::1')->{said}, 'exempt',
	    'A14: not of exempt clients';
	is mail($d, headers => [@among], auth => 'ann')->{said},
	    "Clean$removes", 'A14: but of our users';
	is mail(virus('-dryrun'), headers => [@among])->{said}, 'unchanged',
	    'A14: not in a dry run';
	is mail(virus, headers => [@among], parts => [attached('a.exe')])
	    ->{said}, '550 5.7.1 Not accepted: Milter.Name.exe',
	    'A14: nor of what is refused';

	my $all = join ' ', reverse 1 .. 1000;
	my $before = $d->stat('forged_headers_total');
	is mail($d, headers => [forged(1000, $status), forged(1000, $by)])
	    ->{said}, "Clean, removes $by $all, removes $status $all",
	    'A14: 1,000 of each';
	is $d->stat('forged_headers_total'), $before + 2000,
	    'A14: 1,000 of each: counted';
	for my $name ($status, $by) {
		for ([], [body => "begin 644 a.exe\r\n"]) {
			my $r = mail($d, headers => [forged(1001, $name)], @$_);
			is $r->{said}, '550 5.6.0 too many header fields in ' .
			    'our name', "A14: 1,001 $name";
			is_deeply $r->{changes}, [], 'A14: 1,001: no change';
			like $d->log, qr/: verdict=reject by=forged qid=q1$/m,
			    'A14: 1,001: the log';
		}
	}
	is $d->stat('forged_refused_total'), 4, 'A14: 1,001: counted';
	is mail(virus('-dryrun'), headers => [forged(1001, $status)])->{said},
	    'unchanged', 'A14: 1,001 in a dry run';
	is mail($d)->{said}, 'Clean', 'A14: 1,001: and the next message';
	is_idle $d, 'A14';
}

# --- who is judged

{
	my $d = virus(-whitelist => file('white', "192.0.2.77\n" .
	    "198.51.100.0/24\n2001:db8:77::/48\n.friend.example\n"));
	my @worm = (parts => [attached('a.doc.exe')]);
	my @ok = (macros => { C => [j => 'mx.example.test',
	    '{client_resolve}' => 'OK'] });
	is mail($d, @worm, @$_)->{said}, 'exempt',
	    'exempt: ' . ($_->[1] // 'local submission') for
	    [client => undef], [client => '127.0.0.1'], [client =>
	    '127.99.0.1'], [client => '::1'], [client => '::ffff:127.0.0.1'],
	    [client => '192.0.2.77'], [client => '198.51.100.9'],
	    [client => '2001:db8:77::1'], [client => '::ffff:192.0.2.77'],
	    [host => 'mx.friend.example', @ok], [host => 'friend.example'];
	is_deeply [map { $d->stat("exempt_total{why=\"$_\"}") } qw(local
	    loopback whitelist auth tls)], [1, 4, 6, 0, 0],
	    'exempt: counted';
	is_deeply [map { /^verdict=pass by=(\w+)$/ } verdicts($d)],
	    ['local', ('loopback') x 4, ('whitelist') x 6],
	    'exempt: logged';
	is mail($d, @worm, @$_)->{said}, '550 5.7.1 Not accepted: ' .
	    'Milter.Name.exe', "judged: @$_[0 .. 1]" for [x => 1],
	    [auth => 'ann'],
	    [tls => 'OK'], [client => '10.0.0.1'], [client => '192.0.2.78'],
	    [client => '2001:db8:78::1'], [from => '<>'],
	    [host => 'notfriend.example', @ok], [host =>
	    'mx.friend.example', macros => { C => [j => 'x',
	    '{client_resolve}' => 'FORGED'] }];
	is $d->stat('connections_total'), 20, 'clients: counted';
	is_idle $d, 'who is judged';
}

# --- A16: messages of a connection, and RSET

{
	my $d = virus(@asks, '-markonly');
	my $m = met($d);
	my $with = sub { return mail_on($d, $m, @_)->{said} };
	my @worm = (parts => [attached('a.doc.exe')]);
	my @bad = (headers => [['Content-Type', 'multipart/x']]);
	for (
		# what becomes of a message, before a clean one
		['Infected (Milter.Name.exe)', @worm],
		['Unscannable (a multipart without a boundary)', @bad],
		['Infected (Eicar)', body => "WORM=Eicar\r\n"],
		['Clean, removes X-Virus-Status 2 1', headers =>
		    [forged(2, 'X-Virus-Status')]],
		['Clean', body => 'x' x 300_000],
	) {
		my ($said, @message) = @$_;
		is $with->(@message), $said, "A16: $said";
		is $with->(), 'Clean', "A16: and the next, after $said";
	}
	is $with->(@worm, auth => 'ann'), 'Infected (Milter.Name.exe)',
	    'A16: AUTH';
	my ($type, $body) = mixed(attached('a.doc.exe'));
	my @steps = (
		sub { $m->mail('<joe@client.example>') },
		sub { $m->rcpt('<dave@example.test>') },
		sub { $m->header(@$type) },
		sub { $m->header('X-Virus-Status', 'x') },
		sub { $m->eoh },
		sub { $m->body($body) },
		sub { $m->body('x' x 65535) for 1 .. 5 },
	);
	for my $last (0 .. $#steps) {
		for my $how ('RSET', 'MAIL again') {
			$steps[$_]->() for 0 .. $last;
			$m->abort if $how eq 'RSET';
			is $with->(), 'Clean', "A16: $how after $last steps";
			like +(verdicts($d))[-1], qr/ to=<alice\@/,
			    "A16: $how: the recipient";
		}
	}
	$m->abort for 1 .. 3;
	is $with->(@worm), 'Infected (Milter.Name.exe)', 'A16: three RSET';
	$m->helo("h$_.example") for 1 .. 5;
	is $with->(), 'Clean', 'A15: HELO five times';
	$m->quit;

	# Two connections know nothing of each other.
	my @m = map { met($d) } 0, 1;
	$_->mail('<joe@client.example>') for @m;
	$_->rcpt('<alice@example.test>') for @m;
	$m[0]->header(@$type);
	$_->eoh for @m;
	$_->body($body) for @m;
	my @status = map { $_->eom->{changes}[1][2] } @m;
	is_deeply \@status, ['Infected (Milter.Name.exe)', 'Clean'],
	    'A16: two connections';
	$_->quit for @m;

	# Refused, at whatever step, the next message is one of its own.
	for my $action (qw(reject tempfail discard)) {
		my $d = virus(-action => $action);
		$d->tell('emergency on 600');
		my $m = met($d);
		for (1, 2) {
			like mail_on($d, $m, parts => [attached('a.doc')])
			    ->{said}, qr/ at eoh$|^discarded/,
			    "A16: $action at the end of the header";
			like mail_on($d, $m, body => "begin 644 a.exe\r\n")
			    ->{said}, qr/^(550|451|discarded$)/,
			    "A16: $action at the end";
			is mail_on($d, $m)->{said}, 'Clean',
			    "A16: and after $action";
		}
		$m->quit;
		is_idle $d, "A16: $action";
	}
	is_idle $d, 'A16';
}

# --- what an MTA can do

for my $action (qw(reject quarantine mark none)) {
	my $d = virus(-action => $action);
	my @worm = (parts => [attached('a.exe')]);
	my $said = mail($d, @worm)->{said};
	for my $steps (0x7f, 0) {
		my @old = (version => 2, actions => 0x3f, steps => $steps);
		is mail($d, @old, @worm)->{said}, $said,
		    "$action: an old MTA, steps $steps";
		is mail($d, @old)->{said}, $action eq 'none' ? 'unchanged' :
		    'Clean', "$action: an old MTA, steps $steps: clean";
	}
	unlike $d->log, qr/claimed not to reply/, "$action: no reply too many";
	is_idle $d, "$action: an old MTA";
}

# --- A11, A12: hostile texts, in any place

{
	my $d = virus(@asks, -signatures => file('sigs',
	    "Never header:X-Never never\n"));
	my $mark = virus(@asks, '-markonly');
	for (@hostile) {
		my ($what, $text) = @$_;
		my $value = $text =~ tr/\0//dr;
		my $short = substr $value, 0, 8000;
		my $word = $short =~ s/["\\]/\\$&/gr;
		my $flat = $word =~ s/\r?\n/\r\n /gr;
		for my $d ($d, $mark) {
			isnt mail($d, @$_)->{reply}, 'closed',
			    "A11: $what in $_->[0]" for
			    [from => "<$value>"], [to => ["<$value>", $value]],
			    [host => $value], [qid => $value],
			    [auth => $value],
			    [headers => [["X$value", $value]]],
			    [headers => [['Content-Type', $value]]],
			    [headers => [['Content-Type', "multipart/mixed; " .
			    "boundary=\"$word\""]], body => "--$short\r\n"],
			    [body => $value];
			for my $name ("$flat.exe", "a.exe:$flat",
			    ($flat x 3) . '.pif') {
				my $r = mail($d, parts => [attached($name)]);
				my $text = $r->{text} // $r->{changes}[1][2] //
				    '';
				like $text, qr/^(?:550\ 5\.7\.1\ |Infected\ \(|
				    Clean$|Unscannable)[ -~]*$/x,
				    "A12: $what as a name: the answer";
			}
		}
	}
	clean_log $_, 'A11' for $d, $mark;
	for (
		# what clamd calls it, what the client is told, the header
		['a%s%n%%', 'a%%s%%n%%%%', 'a%s%n%%'],
		["a\e[31m\x7f\xff", 'a?[31m??', 'a?[31m??'],
		['x) by=clean client=1', 'x) by=clean client=1',
		    'x) by=clean client=1'],
		['n' x 900, 'n' x 127, 'n' x 127],
		['%' x 300, '%%' x 127, '%' x 127],
	) {
		my ($name, $told, $header) = @$_;
		my $what = substr($name, 0, 20) =~ s/[^ -~]/?/gr;
		$clamd->answer("stream: $name FOUND\0");
		is mail($d)->{said}, "550 5.7.1 Virus found: $told",
		    "A12: $what: the reply";
		is mail($mark)->{said}, "Infected ($header)",
		    "A12: $what: the header";
		like +(verdicts($_))[-1], qr/^verdict=\w+ by=clamd name=\S+ cl/,
		    "A12: $what: the log" for $d, $mark;
	}
	$clamd->act;
	clean_log $_, 'A12' for $d, $mark;
	play_odd $d;
	play_odd $mark;
	is_idle $_, 'A15' for $d, $mark;
	is $d->stat('errors_total'), 0, 'A15: no error is ours';
}

done_testing;
