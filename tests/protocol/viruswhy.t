# What virusmilter's -why and its control socket answer.
use strict;
use warnings;
use MIME::Base64;
use Test::More;

use Daemon;
use Fakeclamd;
use Milter;
use Odd;
use Prometheus;
use Virusmilter;

my $dir = folder;
my $nowhere = "$dir/nowhere/file";
my $clamd = Fakeclamd->start;
my @asks = (-clamd => $clamd->socket);
my $sigs = file('signatures', "# known\nSig.A body click here\n" .
    "Sig.A header:Subject needle\nSig.B name details\n");
my $globs = file('ignore', "Milter.Name.l* ; shortcuts\nHeur.*\n");
my @lists = (-signatures => $sigs, -ignore => $globs);

# Run it with words: "status", its output, its complaints; a text is its
# standard input.
sub virus_said {
	my ($text, @words) = @_;
	my @in = defined $text ? ('sh', '-c', 'exec "$@" <"$0"',
	    file('stdin', $text)) : ();
	my ($status, $out, $err) = run(@in, program('virusmilter'), @words);
	return ($status, $out, join "\n", complaints($err));
}

# --- -why

sub zip_of {
	return join '', map { "PK\3\4" . pack('v5V3v2', 20, 0, 8, 0, 0, 0, 4,
	    4, length, 0) . $_ } @_;
}

my $text = 'part depth=0 type=text/plain encoding=none';
my $pass = 'verdict=pass by=clean';
my $mixed = "Content-Type: multipart/mixed; boundary=b\n\n";
my $top = 'part depth=0 type=multipart/mixed encoding=none';
my $attached = 'Content-Disposition: attachment; filename';
my $no_boundary = 'a multipart without a boundary';
for (
	# options, a message, status, lines
	[[], "Subject: x\n\nhello\n", 0, $text, $pass],
	[[], '', 0, $text, $pass],
	[[], "\n", 0, $text, $pass],
	[[], "From joe Mon Nov 30 12:00:00 2026\nSubject: x\n\nFrom here\n",
	    0, $text, $pass],
	[[], "$attached=a.exe\n\nx\n", 1, 'name a.exe',
	    'found Milter.Name.exe in a.exe', $text,
	    'verdict=reject by=rules name=Milter.Name.exe file=a.exe'],
	[[], "$attached=a.exe\r\n\r\nx\r\n", 1, 'name a.exe',
	    'found Milter.Name.exe in a.exe', $text,
	    'verdict=reject by=rules name=Milter.Name.exe file=a.exe'],
	[[@lists], "${mixed}--b\n$attached=details.lnk\n\nx\n--b\n" .
	    "Content-Transfer-Encoding: base64\n$attached=b.zip\n\n" .
	    encode_base64(zip_of('b.txt', 'c.exe')) . "--b\n\nclick here\n" .
	    "--b--\n", 1, $top, 'found Sig.A',
	    "$sigs:2: Sig.A body click here",
	    "$sigs:3: Sig.A header:Subject needle", 'name details.lnk',
	    'found Sig.B in details.lnk', "$sigs:4: Sig.B name details",
	    'found Milter.Name.lnk in details.lnk (ignored)',
	    "$globs:1: Milter.Name.l* ; shortcuts",
	    'part depth=1 type=text/plain encoding=none', 'name b.zip',
	    'part depth=1 type=text/plain encoding=base64',
	    'in the zip b.txt', 'in the zip c.exe',
	    'found Milter.Zip.exe in c.exe',
	    'part depth=1 type=text/plain encoding=none',
	    'verdict=reject by=rules name=Sig.A'],
	[[@lists], "$attached=details.lnk\n\nx\n", 1, 'name details.lnk',
	    'found Sig.B in details.lnk', "$sigs:4: Sig.B name details",
	    'found Milter.Name.lnk in details.lnk (ignored)',
	    "$globs:1: Milter.Name.l* ; shortcuts", $text,
	    'verdict=reject by=rules name=Sig.B file=details.lnk'],
	[[@lists], "Subject: a\n needle\n\nClick here\n", 1, 'found Sig.A',
	    "$sigs:2: Sig.A body click here",
	    "$sigs:3: Sig.A header:Subject needle", $text, 'found Sig.A',
	    "$sigs:2: Sig.A body click here",
	    "$sigs:3: Sig.A header:Subject needle",
	    'verdict=reject by=rules name=Sig.A'],
	[[@lists], "$attached=a.lnk\n\nx\n", 0, 'name a.lnk',
	    'found Milter.Name.lnk in a.lnk (ignored)',
	    "$globs:1: Milter.Name.l* ; shortcuts", $text, $pass],
	[[], "Content-Type: multipart/x\n\n", 0,
	    'part depth=0 type=multipart/x encoding=none',
	    "unscannable: $no_boundary",
	    "verdict=mark by=unscannable name=$no_boundary"],
	map({ [[-unscannable => $_], "Content-Type: multipart/x\n\n",
	    /mark|none/ ? 0 : 1, 'part depth=0 type=multipart/x encoding=none',
	    "unscannable: $no_boundary",
	    "verdict=$_ by=unscannable name=$no_boundary"] } qw(reject
	    tempfail quarantine discard mark none)),
	map({ [[-action => $_], "$attached=a.exe\n\nx\n", /mark|none/ ? 0 : 1,
	    'name a.exe', 'found Milter.Name.exe in a.exe', $text,
	    "verdict=$_ by=rules name=Milter.Name.exe file=a.exe"] }
	    qw(reject tempfail quarantine discard mark none)),

	# clamd's word.
	[[@asks], "Subject: x\n\nWORM=Eicar\n", 1, $text,
	    'verdict=reject by=clamd name=Eicar'],
	[[@asks], "Subject: x\n\nhello\n", 0, $text, $pass],
	[[@asks, @lists], "Subject: x\n\nWORM=Heur.X\n", 0, $text,
	    "$globs:2: Heur.*", "$pass name=Heur.X"],
	[[@asks], "$attached=a.exe\n\nWORM=Eicar\n", 1, 'name a.exe',
	    'found Milter.Name.exe in a.exe', $text,
	    'verdict=reject by=clamd name=Eicar'],
	[[@asks, -maxscan => 1], "Subject: x\n\n" . "x\n" x 600_000 .
	    "WORM=Eicar\n", 0, $text, "$pass partial=1"],

	# Nobody writes lines of ours by a name.
	[[], "$attached*=utf-8''a%0Averdict=pass%20by=clean%1B[31m.exe\n\nx\n",
	    1, 'name a?verdict=pass by=clean?[31m.exe', 'found ' .
	    'Milter.Name.exe in a?verdict=pass by=clean?[31m.exe', $text,
	    'verdict=reject by=rules name=Milter.Name.exe ' .
	    'file=a?verdict=pass by=clean?[31m.exe'],
) {
	my ($options, $message, $want, @lines) = @$_;
	my $what = substr("@$options " . $message, 0, 60) =~ s/[^ -~]/?/gr;
	my $path = file('message', $message);
	for ([undef, $path], [$message, '-']) {
		my ($in, $name) = @$_;
		my ($status, $out, $said) = virus_said($in, '-why', @$options,
		    $name);
		is $out, join('', map { "$_\n" } @lines), "-why: $what";
		is "$status $said", "$want ", "-why: $what: status";
	}
}
{
	my $gone = Fakeclamd->start->stop;
	my $message = file('message', "Subject: x\n\nhello\n");
	for ([[], 1, 'tempfail'], [[-onerror => 'accept'], 0, 'mark']) {
		my ($options, $want, $word) = @$_;
		my ($status, $out, $said) = virus_said(undef, '-why', @$options,
		    -clamd => $gone->socket, $message);
		is $status, $want, "-why: no clamd: @$options: status";
		like $out, qr/^verdict=$word by=down name=connecting: No such/m,
		    "-why: no clamd: @$options";
		like $said, qr/^virusmilter: clamd \Q${\ $gone->socket}\E: /,
		    "-why: no clamd: @$options: is said";
	}
	# It knows of no emergency.
	my ($status) = virus_said("${mixed}--b\n\nx\n--b--\n", '-why',
	    -emergency => $message, '-');
	is $status, 0, '-why: no emergency';
}
for (
	# status, what is said, arguments
	[64, qr/^virusmilter: -why: a file is needed$/],
	[64, qr/^virusmilter: -why: a file is needed$/, '-', '-'],
	[66, qr/^virusmilter: \Q$nowhere: No such file/, $nowhere],
	[66, qr/^virusmilter: \Q$dir: Is a directory/, $dir],
	[78, qr/^virusmilter: \Q$globs\E:1: /, -signatures => $globs, '-'],
	[78, qr/^virusmilter: \Q$nowhere: No such/, -ignore => $nowhere, '-'],
	[64, qr/-action: all /, -action => 'all', '-'],
) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $said) = virus_said(undef, '-why', @args);
	is "$status $out", "$want ", "-why @args";
	like $said, $pattern, "-why @args: is said";
}

# --- -tell: emergency, stats, reload, help

{
	my $file = "$dir/emergency";
	my $d = virus(@asks, @lists, -emergency => $file);
	my $tell = sub { return virus_said(undef, -tell => $_[0],
	    $d->control) };
	for (
		# words, lines
		['emergency', 'emergency: none'],
		['emergency on', 'emergency: said, 14400 seconds left'],
		['emergency', qr/^emergency: said, 14(400|39\d) seconds left$/],
		['emergency on 100', 'emergency: said, 100 seconds left'],
		['emergency off', 'emergency: none'],
		['emergency off', 'emergency: none'],
		['reload'],
	) {
		my ($words, $line) = @$_;
		my ($status, $out, $said) = $tell->($words);
		ref $line ? like $out, $line, "-tell $words" :
		    is $out, defined $line ? "$line\n" : '', "-tell $words";
		is "$status $said", '0 ', "-tell $words: status";
	}
	for ('emergency x', 'emergency on 0', 'emergency off 1', 'nosuch',
	    ' ', 'stats x', "emergency\ton x", 'emergency on 1 2') {
		my ($status, $out, $said) = $tell->($_);
		is "$status $out", '1 ', "error: $_";
		like $said, qr/^virusmilter: [^\n]+\z/, "error: $_: is said";
	}
	for (@hostile) {
		my ($what, $text) = @$_;
		my $word = substr $text =~ tr/\n//dr, 0, 900;
		for my $words ("emergency $word", "emergency on $word") {
			my ($last, @lines) = $d->tell($words);
			like $last, qr/^(ok|error [ -~]+)$/,
			    "emergency: hostile: $what";
			is scalar(grep { !/^emergency: \w+/ } @lines), 0,
			    "emergency: hostile: $what: no other lines";
			$d->tell('emergency off');
		}
	}
	clean_log $d, 'emergency';
	my ($status, $out) = $tell->('help');
	is_deeply [sort map { /^(\w+)/ } split /\n/, $out],
	    [qw(emergency help reload stats)], 'help: the commands' or
	    diag $out;
	is $d->stat('scan_seconds_count'), 0, 'commands: judge nothing';

	# What is counted.
	mail($d, @$_) for [], [body => "hello\r\n" x 30_000],
	    [parts => [attached('a.doc.exe')]], [body => "WORM=Eicar\r\n"],
	    [body => "WORM=Heur.X\r\n"], [client => '127.0.0.1'],
	    [headers => [['X-Virus-Status', 'x']]],
	    [headers => [['Content-Type', 'multipart/x']]];
	$clamd->answer("stream: OK ERROR\0");
	mail($d);
	$clamd->act;
	my $m = met($d);
	($status, $out) = $tell->('stats');
	is $status, 0, 'stats: status';
	is_deeply [faults_of('virusmilter', $out)], [], 'stats: the format';
	my %stat = $out =~ /^virusmilter_([^# ]+) (\S+)$/mg;
	my $bytes = delete $stat{body_bytes_total};
	cmp_ok $bytes, '>', 210_000, 'stats: bytes';
	my $socket = $clamd->socket;
	is_deeply { map { $_ => $stat{$_} } grep { $stat{$_} &&
	    !/_sum$|_bytes$/ } keys %stat }, {
		'reloads_total' => 1, 'connections_total' => 10,
		'sessions' => 1, 'exempt_total{why="loopback"}' => 1,
		'scan_seconds_count' => 8, 'clamd_seconds_count' => 7,
		'forged_headers_total' => 1, 'errors_total' => 1,
		map({ my ($v, $by, $n) = @$_;
		    (qq(verdicts_total{verdict="$v",by="$by"}) => $n) }
		    ['pass', 'clean', 4], ['reject', 'rules', 1],
		    ['reject', 'clamd', 1], ['mark', 'unscannable', 1],
		    ['tempfail', 'down', 1]),
		map({ my ($result, $n) = @$_;
		    (qq(scans_total{result="$result"}) => $n) }
		    ['clean', 4], ['infected', 2], ['failed', 1]),
		qq(clamd_up{socket="$socket"}) => 1,
		qq(signature_entries{list="$sigs"}) => 3,
		qq(ignore_entries{list="$globs"}) => 2 },
	    'stats: what was counted' or diag $out;
	is_deeply [sort map { /^verdicts_total.*by="(.*)"/ } keys %stat],
	    [sort qw(clean rules clamd emergency unscannable down)],
	    'stats: all words';
	$m->quit;
	is_idle $d, 'stats';

	file('ignore', "a b\n");
	($status, $out, my $said) = $tell->('reload');
	is "$status $said", '1 virusmilter: reload failed, see the log; the ' .
	    'old lists stay', 'reload: a bad list';
	is $d->stat('reload_failed_total'), 1, 'reload: a bad list: counted';
	($status, $out, $said) = virus_said("emergency\nreload\nhelp\n",
	    -tell => '-', $d->control);
	is $status, 1, '-tell -: status';
	like $out, qr/^emergency: none\n.*\bhelp\b/s, '-tell -: the answers';
	($status, $out, $said) = virus_said(undef, -tell => 'help', $nowhere);
	is "$status $out", '1 ', '-tell: nobody there';
	like $said, qr/^virusmilter: /, '-tell: nobody there: is said';
}

done_testing;
