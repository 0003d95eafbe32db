# The control socket of spfmilter: every command and its answers; -why, which
# says the same without a daemon.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);

use Daemon;
use Milter;
use Odd;
use Prometheus;
use Spfmilter;

my $dir = folder;
my $net = 'ip4:192.0.2.0/24';
my %zone = (
	'pass.example' => [[TXT => "v=spf1 $net -all"]],
	'fail.example' => [[TXT => 'v=spf1 ip4:203.0.113.0/24 -all']],
	'softfail.example' => [[TXT => 'v=spf1 ~all']],
	'temperror.example' => ['SERVFAIL'],
	'permerror.example' => [[TXT => 'v=spf1 nosuch:x -all']],
	'a.example' => [[A => '192.0.2.1'], [AAAA => '2001:db8::1'],
	    [TXT => "other\x01\xff"], [TXT => 'v=spf1 mx a -all'],
	    [MX => 10, 'void.example']],
	'client.example' => [[TXT => 'v=spf1 -all']],
);
my $dns = names(%zone);

# An answer, in the order it has; times are each time another.
sub answer {
	my ($d, $command) = @_;
	my ($last, @lines) = $d->tell($command);
	return join "\n", $last, map { s/, \d+ us\)$/, N us)/r } @lines;
}

sub is_answered {
	my ($d, $command, @want) = @_;
	is answer($d, $command), join("\n", @want),
	    'command: ' . substr($command, 0, 60) =~ s/[^ -~]/?/gr;
}

my $white = file('white', "192.0.2.77\n");
my $list = file('fallback', "# a list\nlisted.example $net -all\n");
my @options = (-whitelist => $white, -fallback => $list,
    -localpolicy => 'ip4:198.51.100.1', -guess => 'ip4:192.0.2.9');

# Header fields as they are printed.
sub received {
	my ($result, $comment, $client, $sender, $helo, $identity, $rest) = @_;
	return ("Received-SPF: $result (localhost: $comment) " .
	    "receiver=localhost; identity=$identity; client-ip=$client; " .
	    "envelope-from=\"$sender\"; helo=$helo;$rest");
}

# An answer with its header fields unfolded.
sub unfolded { return $_[0] =~ s/\n\t/ /gr }

my $to = 'Authentication-Results: localhost;';
my $allowed = 'designates 192.0.2.1 as permitted sender';
my @cases = (
	# CLIENT HELO SENDER; lines, in order; status of -why
	['192.0.2.1 h.example joe@pass.example',
	    ['query TXT pass.example: found "v=spf1 ' . $net . ' -all" ' .
	    '(ttl 300, N us)', 'verdict=mark by=pass identity=mailfrom ' .
	    "domain=pass.example mechanism=$net terms=0 voids=0",
	    received('pass', "domain of joe\@pass.example $allowed",
	    '192.0.2.1', 'joe@pass.example', 'h.example', 'mailfrom',
	    qq( mechanism="$net";)),
	    "$to spf=pass smtp.mailfrom=joe\@pass.example"], 0],
	['192.0.2.1 h.example joe@fail.example',
	    ['query TXT fail.example: found "v=spf1 ip4:203.0.113.0/24 -all"' .
	    ' (ttl 300, N us)', 'verdict=reject by=fail identity=mailfrom ' .
	    'domain=fail.example mechanism=-all terms=0 voids=0',
	    'reason: SPF fail: 192.0.2.1 is not allowed to send mail for ' .
	    'fail.example', received('fail', 'domain of joe@fail.example ' .
	    "does not $allowed" =~ s/designates/designate/r, '192.0.2.1',
	    'joe@fail.example', 'h.example', 'mailfrom', ' mechanism=-all;'),
	    "$to spf=fail smtp.mailfrom=joe\@fail.example"], 1],
	['192.0.2.1 h.example joe@a.example',
	    ['query TXT a.example: found "other??" "v=spf1 mx a -all" ' .
	    '(ttl 300, N us)',
	    'query MX a.example: found void.example (ttl 300, N us)',
	    'query A void.example: no such name (ttl 300, N us)',
	    'query A a.example: found 192.0.2.1 (ttl 300, N us)',
	    'verdict=mark by=pass identity=mailfrom domain=a.example ' .
	    'mechanism=a terms=2 voids=0', undef, undef], 0],
	['2001:db8::1 h.example joe@a.example',
	    [undef, undef, undef,
	    'query AAAA a.example: found 2001:db8::1 (ttl 300, N us)',
	    'verdict=mark by=pass identity=mailfrom domain=a.example ' .
	    'mechanism=a terms=2 voids=0', undef, undef], 0],
	['192.0.2.1 client.example <>', [undef, undef, undef, undef, undef],
	    1],
	['192.0.2.1 h.example joe@temperror.example',
	    ['query TXT temperror.example: trouble (ttl 0, N us)',
	    'verdict=mark by=temperror identity=mailfrom ' .
	    'domain=temperror.example reason=the_DNS_does_not_answer ' .
	    'problem=temperror.example terms=0 voids=0', undef, undef], 0],
	['192.0.2.1 h.example joe@permerror.example',
	    [undef, 'verdict=mark by=permerror identity=mailfrom ' .
	    'domain=permerror.example reason=unknown_mechanism ' .
	    'problem=nosuch:x terms=0 voids=0', undef, undef], 0],
	['192.0.2.1 h.example joe@listed.example',
	    ['query TXT listed.example: no such name (ttl 300, N us)',
	    'verdict=mark by=pass identity=mailfrom domain=listed.example ' .
	    "source=fallback_record mechanism=$net terms=0 voids=0", undef,
	    undef, "$list:2: listed.example $net -all"], 0],
	['192.0.2.9 h.example joe@none.example',
	    [undef, 'verdict=mark by=pass identity=mailfrom ' .
	    'domain=none.example source=best_guess mechanism=ip4:192.0.2.9 ' .
	    'terms=0 voids=0', undef, undef], 0],
	['198.51.100.1 h.example joe@fail.example',
	    [undef, 'verdict=mark by=pass identity=mailfrom ' .
	    'domain=fail.example source=local_policy ' .
	    'mechanism=ip4:198.51.100.1 terms=0 voids=0', undef, undef], 0],
	['192.0.2.77 h.example joe@fail.example',
	    [undef, 'verdict=pass by=whitelist; without that:',
	    "$white:1: 192.0.2.77", 'verdict=reject by=fail ' .
	    'identity=mailfrom domain=fail.example mechanism=-all terms=0 ' .
	    'voids=0', undef, undef, undef], 0],
	['127.0.0.1 h.example joe@fail.example',
	    [undef, 'verdict=pass by=loopback; without that:', undef, undef,
	    undef, undef], 0],
	['10.0.0.1 h.example joe@fail.example',
	    [undef, 'verdict=pass by=private; without that:', undef, undef,
	    undef, undef], 0],
	['::ffff:192.0.2.1 h.example joe@pass.example',
	    [undef, undef, undef, undef], 0],
	['192.0.2.1 h.example joe@localhost',
	    ['verdict=mark by=none identity=mailfrom domain= ' .
	    'reason=no_domain_that_could_have_a_record terms=0 voids=0',
	    undef, undef], 0],
);

# --- test, and -why, which are the same

my $d = spf(@options);
for (@cases) {
	my ($case, $want, $status) = @$_;
	$d->tell('flush');
	my ($last, @lines) = split /\n/, unfolded(answer($d, "test $case"));
	is $last, 'ok', "test $case";
	my @why = run(program('spfmilter'), '-why', -nameserver =>
	    $dns->address, @options, split ' ', $case);
	is $why[0], $status, "-why $case: status" or diag $why[2];
	is_deeply [split /\n/, unfolded($why[1] =~ s/, \d+ us\)$/, N us)/mgr)],
	    \@lines, "-why $case: says what test says";
	is scalar(@lines), scalar(@$want), "test $case: as many lines" or
	    diag join "\n", @lines;
	for my $i (grep { defined $want->[$_] } 0 .. $#$want) {
		is $lines[$i], $want->[$i], "test $case: line $i";
	}
}
{
	# A sender in brackets is the same sender; <> has none.
	my @plain = map { answer($d, "test 192.0.2.1 h.example $_") }
	    'joe@pass.example', '<joe@pass.example>';
	is $plain[1], $plain[0], 'test: a sender in brackets';
	my $null = answer($d, 'test 192.0.2.1 client.example <>');
	like $null, qr/^verdict=reject by=fail identity=helo domain=client\.e/m,
	    'test: <>';
	unlike $null, qr/mailfrom/, 'test: <> has no MAIL FROM';
}
{
	my $both = spf('-helo', -authservid => 'our.name', -fail => 'tempfail');
	my @lines = split /\n/, unfolded(answer($both,
	    'test 192.0.2.1 softfail.example joe@pass.example'));
	is scalar(grep { /^query TXT / } @lines), 2, 'test: -helo: asks twice';
	is scalar(grep { /^Received-SPF: .* receiver=our\.name; / } @lines), 2,
	    'test: -helo: two fields, by our name';
	is $lines[-1], 'Authentication-Results: our.name; spf=softfail ' .
	    'smtp.helo=softfail.example; spf=pass ' .
	    'smtp.mailfrom=joe@pass.example', 'test: -helo: the results';
	like answer($both, 'test 192.0.2.1 client.example joe@pass.example'),
	    qr/^verdict=tempfail by=fail identity=helo /m,
	    'test: -helo: decides';
	is((run(program('spfmilter'), '-why', -nameserver => $dns->address,
	    @$_, '192.0.2.1', 'client.example', 'joe@pass.example'))[0],
	    @$_ == 1 ? 1 : 0, "-why @$_: status") for ['-helo'],
	    ['-helo', '-markonly'];
	is scalar(grep { !/^query/ } split /\n/, unfolded(answer($both,
	    'test 192.0.2.1 client.example joe@pass.example'))), 6,
	    'test: -helo: all the rest';
	# Nobody was judged.
	is $both->stat('check_seconds_count'), 0, 'test: is not counted';
	is scalar($both->lines(qr/^verdict=/)), 0, 'test: nor logged';
}

# --- every command: what is wrong with it

{
	my $usage = 'error usage: test CLIENT HELO SENDER';
	for (
		# command, answer
		map({ ["test $_ h s", 'error not an IP address: ' .
		    substr $_, 0, 60] } '192.0.2.300', '192.0.2.0/24',
		    '[192.0.2.1]', 'pass.example', '::g', 'x' x 900),
		map({ ["test$_", $usage] } '', ' ', ' 192.0.2.1',
		    ' 192.0.2.1 h'),
		map({ ["$_ now", "error usage: $_ "] } qw(flush stats
		    reload)),
		map({ [$_, 'error no such command, try help'] } '', ' ',
		    'Test 192.0.2.1 h s', 'tests', 'flus', 'flush;', 'ok',
		    'error x', "\e[0m", 'spf 192.0.2.1 x pass'),
		['flush', 'ok'], ["  flush \t", 'ok'], ['reload', 'ok'],
	) {
		is_answered $d, @$_;
	}
	my ($last, @help) = $d->tell('help');
	is $last, 'ok', 'help: answer';
	is join(' ', sort map { /^(\w+)/ } grep { !/^\t/ } @help),
	    'flush help reload stats test', 'help: names all commands';
	is scalar(grep { /^\t\w/ } @help), 5, 'help: and explains them';
}

# What it is asked about may be anything, and is answered in lines.
for (@hostile) {
	my ($what, $text) = @$_;
	next if $text =~ /\n/ || length $text > 900;
	for ("test 192.0.2.1 $text joe\@pass.example",
	    "test 192.0.2.1 h.example $text",
	    "test 192.0.2.1 $text.example <$text\@fail.example>") {
		my ($last, @lines) = $d->tell($_);
		like $last, qr/^(ok|error usage: test CLIENT HELO SENDER)$/,
		    "hostile: $what";
		is scalar(grep { !/^\t?[ -~]{1,1000}$/ } @lines), 0,
		    "hostile: $what: clean lines" or diag @lines;
	}
}
{
	my $s = $d->dial;
	print $s "flush\n" x 1000, "nosuch\nflu";
	$s->flush;
	shutdown $s, 1;
	my ($got, $end) = rest_of($s, 10 * slow);
	is $got, "ok\n" x 1000 . "error no such command, try help\n",
	    'many commands';
	$s = $d->dial;
	print $s "test 192.0.2.1 a b\0c\n";
	$s->flush;
	shutdown $s, 1;
	is((rest_of($s, 10 * slow))[0], "error NUL in the command\n",
	    'a NUL');
	clean_log $d, 'control';
	is_idle $d, 'control';
}

# --- flush

{
	my $d = spf;
	names(%zone);
	my $asks = sub { mail($d, from => '<joe@a.example>'); return queries };
	my @all = ('TXT a.example', 'MX a.example', 'A void.example',
	    'A a.example');
	is_deeply [$asks->()], \@all, 'flush: asked';
	is_deeply [$asks->()], [], 'flush: known';
	is $d->stat('dns_cache_answers'), 4, 'flush: counted';
	$dns->zone({ 'a.example' => [[TXT => 'v=spf1 ?all']] });
	is mail($d, from => '<joe@a.example>')->{said}, 'mailfrom=pass',
	    'flush: what is known is believed';
	is $d->tell('flush'), 'ok', 'flush: the command';
	is $d->stat('dns_cache_answers'), 0, 'flush: nothing is known';
	is $d->stat('dns_cache_bytes'), 0, 'flush: nor kept';
	is mail($d, from => '<joe@a.example>')->{said}, 'mailfrom=neutral',
	    'flush: it is asked for again';
	is_deeply [queries], ['TXT a.example'], 'flush: once';
	names(%zone);
	# A reload forgets nothing.
	is $d->tell('reload'), 'ok', 'reload';
	is mail($d, from => '<joe@a.example>')->{said}, 'mailfrom=neutral',
	    'reload: is no flush';
}

# --- stats, in the Prometheus text format

my @always = (qw(connections_total sessions check_seconds_sum
    check_seconds_count private_clients_total recipient_mx_total
    forged_headers_total errors_total reloads_total reload_failed_total
    dns_seconds_sum dns_seconds_count dns_cache_hits_total
    dns_turned_away_total dns_waiting dns_cache_answers dns_cache_bytes
    list_bytes), map({ my $i = $_; map { qq(results_total{identity="$i",) .
    qq(result="$_"}) } qw(none neutral pass fail softfail temperror
    permerror) } qw(mailfrom helo)), map({ qq(exempt_total{why="$_"}) }
    qw(local loopback whitelist auth tls)),
    map({ qq(dns_queries_total{type="$_"}) } qw(A AAAA MX PTR TXT)),
    map({ qq(dns_answers_total{status="$_"}) } qw(found no_name no_data
    trouble)));
{
	my $odd = file("a \"quoted\"\\ name\n", "x.example -all\n");
	for (
		# what, options, counters besides
		['plain', []],
		['all', [@options, '-fallback' => $odd, '-helo', '-recipientmx',
		    '-scanauth', -hint => "$dir/nobody", -softfail =>
		    'quarantine', '-lenient'],
		    ["list_entries{list=\"$white\"}", 1],
		    ["fallback_entries{list=\"$list\"}", 1],
		    ["fallback_bad_lines{list=\"$list\"}", 0],
		    ['hints_sent_total', 0], ['hints_failed_total', 1],
		    ['verdicts_total{verdict="quarantine",by="softfail"}', 1]],
		['-dryrun', ['-dryrun'],
		    ['verdicts_total{verdict="none",by="fail"}', 1]],
	) {
		my ($what, $options, @more) = @$_;
		my $d = spf(@$options);
		my @helo = (helo => 'pass.example');
		mail($d, @helo, from => "<joe\@$_.example>") for qw(pass fail
		    softfail temperror permerror none);
		mail($d, client => '127.0.0.1');
		mail($d, @helo, from => '<>');
		eventually { $d->stat('sessions') == 0 } 5;
		my ($last, @lines) = $d->tell('stats');
		is $last, 'ok', "stats: $what";
		is join("\n", faults_of('spfmilter', join '', map { "$_\n" }
		    @lines)), '', "stats: $what: the format";
		my %value = map { /^spfmilter_(.*) (\S+)$/ ? ($1 => $2) : () }
		    @lines;
		is join(' ', grep { !defined $value{$_} } @always), '',
		    "stats: $what: all are there";
		is scalar(grep { /^verdicts_total/ } keys %value), 7,
		    "stats: $what: a verdict for each result";
		is $value{$_->[0]}, $_->[1], "stats: $what: $_->[0]" for @more,
		    ['connections_total', 8], ['sessions', 0],
		    ['check_seconds_count', 7], ['errors_total', 0],
		    ['exempt_total{why="loopback"}', 1],
		    ['results_total{identity="mailfrom",result="pass"}', 1],
		    ['dns_waiting', 0], ['dns_turned_away_total', 0];
		is $value{'dns_seconds_count'}, $value{
		    'dns_answers_total{status="found"}'} + $value{
		    'dns_answers_total{status="no_name"}'} + $value{
		    'dns_answers_total{status="no_data"}'} + $value{
		    'dns_answers_total{status="trouble"}'},
		    "stats: $what: every question has an answer";
		cmp_ok $value{'check_seconds_sum'}, '<', 5 * slow,
		    "stats: $what: seconds are seconds";
		is scalar($d->lines(qr/^stats: /)), 0,
		    "stats: $what: there is room for all";
	}

	# Each of them counts what it says.
	my $d = spf;
	names(%zone, 'nodata.example' => [[A => '192.0.2.1']],
	    'ptr.example' => [[TXT => 'v=spf1 ptr -all']]);
	for (
		# mail, what has one more
		[[from => '<joe@ptr.example>'],
		    'dns_queries_total{type="PTR"}'],
		[[from => '<joe@a.example>', client => '2001:db8::1'],
		    'dns_queries_total{type="AAAA"}'],
		[[from => '<joe@nodata.example>'],
		    'dns_answers_total{status="no_data"}'],
		[[from => '<joe@no.example>'],
		    'dns_answers_total{status="no_name"}'],
		[[from => '<joe@temperror.example>'],
		    'dns_answers_total{status="trouble"}'],
		[[from => '<joe@softfail.example>'],
		    'dns_answers_total{status="found"}'],
		[[from => '<joe@softfail.example>'], 'dns_cache_hits_total'],
		[[client => '10.0.0.1'], 'private_clients_total'],
		[[auth => 'ann'], 'exempt_total{why="auth"}'],
		[[headers => [['Received-SPF', 'x receiver=mx.example.test']]],
		    'forged_headers_total'],
	) {
		my ($with, $name) = @$_;
		my $before = $d->stat($name);
		mail($d, @$with);
		my $more = $d->stat($name) - $before;
		$more = 1 if $name =~ /AAAA/ && $more == 2;
		is $more, 1, "stats: $name";
	}
	names(%zone);
}

# --- -why: what is wrong with it

for ([], ['192.0.2.1'], ['192.0.2.1', 'h.example'],
    ['192.0.2.1', 'h.example', 'a@b', 'c'], ['192.0.2.0/24', 'h', 'a@b'],
    ['host.example', 'h', 'a@b']) {
	my ($status, $out, $err) = run(program('spfmilter'), '-why', @$_);
	is "$status $out", '64 ', "-why @$_: status";
	like $err, qr/-why: an IP address, a HELO name and a sender/,
	    "-why @$_: why";
}
{
	my $bad = file('bad', "x\n");
	my ($status, $out, $err) = run(program('spfmilter'), '-why',
	    -fallback => $bad, '192.0.2.1', 'h', 'a@b');
	is $status, 78, '-why: a bad list';
	like $err, qr/\Q$bad\E:1: /, '-why: is named';
	my $dead = Dns->new(zone => { '*' => 'SILENT' });
	my $begin = time;
	($status, $out) = run(program('spfmilter'), '-why', -deadline => 1,
	    -nameserver => $dead->address, '192.0.2.1', 'h', 'a@b.example');
	is $status, 0, '-why: a server that is silent';
	like $out, qr/^verdict=mark by=temperror /m, '-why: is told';
	cmp_ok time - $begin, '<', 1 + slow, '-why: in time';
}

# --- -tell

{
	my ($status, $out, $err) = run(program('spfmilter'), -tell =>
	    'test 192.0.2.1 h.example joe@fail.example', $d->control);
	is "$status $err", '0 ', '-tell: status';
	like $out, qr/^query TXT .*^verdict=reject by=fail .*^reason: SPF /ms,
	    '-tell: the answer';
	($status, $out, $err) = run(program('spfmilter'), -tell => 'nosuch',
	    $d->control);
	is "$status $out$err", "1 spfmilter: no such command, try help\n",
	    '-tell: an error';
}

done_testing;
