# Every option of spfmilter: what it does, and what is said of bad values.
use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Milter;
use Spfmilter;

plan skip_all => 'it takes too long when it is watched' if $ENV{WATCH};
my $dir = folder;
my $sock = "$dir/never";
my $mx = 'mx.example.test';
my ($ar, $rs) = ('Authentication-Results', 'Received-SPF');
my $net = 'ip4:192.0.2.0/24';
my @fail = (from => '<joe@fail.example>');
my @forger = (helo => 'forger.example');
my %zone = (
	'neutral.example' => [[TXT => 'v=spf1 ?all']],
	'pass.example' => [[TXT => "v=spf1 $net ip6:2001:db8::/32 -all"]],
	'fail.example' => [[TXT => 'v=spf1 ip4:203.0.113.0/24 -all']],
	'softfail.example' => [[TXT => 'v=spf1 ~all']],
	'temperror.example' => ['SERVFAIL'],
	'permerror.example' => [[TXT => 'v=spf1 nosuch:x -all']],
	'forger.example' => [[TXT => 'v=spf1 -all']],
	'forwarder.example' => [[A => '192.0.2.1'], [AAAA => '2001:db8::1']],
	'mx.example' => [[TXT => "v=spf1 $net -all"],
	    [MX => 10, 'forwarder.example'], [MX => 5, 'none.example']],
	'other.example' => [[MX => 10, 'pass.example']],
	'noanswer.example' => ['MX SERVFAIL'],
);
names(%zone);

# Options that have their test here, or in another file.
my %elsewhere = (
	'spfcontrol.t' => [qw(why tell)],
);
my %tested = map { $_ => 1 } map { @$_ } values %elsewhere;

# What becomes of mail from this domain.
sub said {
	my ($d, $domain, @with) = @_;
	return mail($d, from => "<joe\@$domain>", @with)->{said};
}

sub verdicts {
	my ($d) = @_;
	return map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
}

# --- somebody at graymilter's control socket: says ok, an error, after a while
# or nothing; what he is told is in a file

my @fakes;

sub fake {
	my ($name, $answer, $wait) = @_;
	my ($path, $heard) = ("$dir/$name", "$dir/$name.heard");
	my $s = IO::Socket::UNIX->new(Local => $path, Listen => 100) or
	    die "$path: $!";
	my $pid = fork // die "fork: $!";
	if ($pid) {
		push @fakes, $pid;
		return ($path, $heard);
	}
	open my $f, '>>', $heard or POSIX::_exit(1);
	my @open;
	while (my $client = $s->accept) {
		my $line = $client->getline // '';
		syswrite $f, $line;
		sleep $wait if $wait;
		syswrite $client, $answer;
		push @open, $client if $answer eq '';
	}
	POSIX::_exit(0);
}

sub heard {
	my ($path) = @_;
	return my @lines = split /\n/, Daemon::slurp($path);
}

END {
	my $status = $?;
	kill KILL => $_ for @fakes;
	waitpid $_, 0 for @fakes;
	$? = $status;
}

# --- what takes time: begun here, looked at in the end

my ($hung, $hung_heard) = fake('hung', '');
my $hangs = spf(-hint => $hung);
{
	my $begin = time;
	is said($hangs, 'pass.example'), 'mailfrom=pass',
	    '-hint: graymilter hangs: mail goes on';
	my $took = time - $begin;
	ok $took >= 0.4 && $took < 0.5 + slow, '-hint: after half a second' or
	    diag $took;
}
my $hung_since = time;
for my $n (1 .. 3) {
	my $begin = time;
	is said($hangs, 'pass.example'), 'mailfrom=pass', '-hint: again';
	cmp_ok time - $begin, '<', 0.3 * slow, '-hint: and it is left alone';
}
is join('|', heard($hung_heard)), 'spf 192.0.2.1 pass.example pass',
    '-hint: it was asked once';
is $hangs->stat('hints_failed_total'), 1, '-hint: which is counted';
is $hangs->stat('hints_sent_total'), 0, '-hint: and not as sent';
is scalar($hangs->lines(qr/^\Q$hung\E: cannot hint: /)), 1,
    '-hint: and logged';

my %watched = (
	-whitelist => ["203.0.113.1\n", "198.51.100.1\n"],
	-fallback => ["old.example -all\n", "new.example -all\n"],
);
my $watches = spf('-autoupdate', map { $_ => file("watched$_",
    $watched{$_}[0]) } sort keys %watched);

# --- -fail, -softfail, -neutral, -none, -temperror, -permerror, -action

my %outcome = (
	reject => 'mail 550', tempfail => 'mail 451', discard => 'discarded',
	quarantine => 'quarantined', mark => '', none => 'unchanged',
);
for my $result (qw(none neutral fail softfail temperror permerror)) {
	my %default = (fail => 'reject');
	for my $option ("-$result", $result eq 'fail' ? '-action' : ()) {
		for my $action (sort keys %outcome) {
			next if $result eq 'temperror' &&
			    $action =~ /reject|discard/;
			my $d = spf($option => $action);
			my $r = mail($d, from => "<joe\@$result.example>");
			my $want = $outcome{$action};
			my $what = "$option $action";
			if ($want =~ /^mail/) {
				like $r->{said}, qr/^$want /, $what;
			} elsif ($want eq 'unchanged') {
				is $r->{said}, $want, $what;
			} else {
				is $r->{said}, join(' ', "mailfrom=$result",
				    $want || ()), $what;
			}
			is_deeply [map { $_->[1] } grep { $_->[0] eq 'q' }
			    @{ $r->{changes} }], $action eq 'quarantine' ?
			    ["spfmilter: SPF $result"] : [], "$what: the text";
			is said($d, 'pass.example'), 'mailfrom=pass',
			    "$what: a pass";
			is said($d, 'softfail.example'), 'mailfrom=softfail',
			    "$what: no other" if $result ne 'softfail';
			is said($d, 'fail.example'), 'mail 550 5.7.23',
			    "$what: nor that" if $result ne 'fail';
			my ($word) = map { /^verdict=(\S+)/ }
			    grep { / by=$result / } verdicts($d);
			is $word, $result =~ /^(none|neutral)$/ &&
			    $action =~ /^(mark|none)$/ ? undef : $action,
			    "$what: the log";
			is $d->stat(qq(verdicts_total{verdict="$action",) .
			    qq(by="$result"})), 1, "$what: counted";
			my $m = Milter->new($d->socket);
			is $m->{actions} & 0xff, $action eq 'quarantine' ?
			    0x31 : 0x11, "$what: what is asked of the MTA";
			$m->quit;
		}
	}
	$tested{$result} = 1;
}
$tested{action} = 1;
# The HELO's result is a result like any other.
is mail(spf('-helo', -softfail => 'quarantine', -permerror => 'reject'),
    helo => 'permerror.example')->{said}, 'mailfrom=pass helo=permerror',
    '-permerror: of a HELO, while MAIL FROM is good';
is mail(spf(-permerror => 'reject'), helo => 'permerror.example',
    from => '<>')->{text}, '550 5.7.24 SPF of permerror.example: unknown ' .
    'mechanism: nosuch:x', '-permerror: of a bounce';

# --- -helo

$tested{helo} = 1;
is mail(spf, @forger)->{said}, 'mailfrom=pass', 'without -helo';
is mail(spf('-helo'), @forger)->{said}, 'mail 550 5.7.23', '-helo';

# --- -markonly, -dryrun

my @forged = (headers => [[$ar, "$mx; spf=pass"], [$rs, "x receiver=$mx"],
    [Subject => 'x']]);
for (['-markonly'], ['-m'], ['-markonly', -fail => 'mark', -softfail =>
    'mark'], ['--markonly']) {
	my $d = spf(@$_);
	my @said = map { said($d, "$_.example") } qw(none neutral pass fail
	    softfail temperror permerror);
	is_deeply \@said, [map { "mailfrom=$_" } qw(none neutral pass fail
	    softfail temperror permerror)], "@$_: all are marked";
	is_deeply [map { /^verdict=(\w+ by=\w+)/ } verdicts($d)],
	    [map { "mark by=$_" } qw(fail softfail temperror permerror)],
	    "@$_: the log";
	is join(' ', map { $_->[0] } @{ mail($d, @fail, @forged)->{changes} }),
	    'm m i i', "@$_: what is forged is removed";
}
$tested{markonly} = 1;
for (['-dryrun'], ['-dryrun', -fail => 'none'], ['-dryrun', '-recipientmx'],
    ['-dryrun', '-helo']) {
	my $d = spf(@$_);
	my $m = Milter->new($d->socket);
	is $m->{actions} & 0xff, 0, "@$_: nothing is changed";
	is $m->commands, grep({ /recipient/ } @$_) ? 'chMR-----' : 'chM------',
	    "@$_: nor looked at";
	$m->quit;
	for my $result (qw(none neutral pass fail softfail temperror
	    permerror)) {
		my $r = mail($d, from => "<joe\@$result.example>", @forged,
		    to => ['<a@other.example>']);
		is $r->{said}, 'mail a', "@$_: $result passes";
		is_deeply $r->{changes}, [], "@$_: $result: unchanged";
	}
	is_deeply [map { /^verdict=(\w+ by=\w+)/ } verdicts($d)],
	    [map { "none by=$_" } qw(fail softfail temperror permerror)],
	    "@$_: the log";
	# One that takes no step away.
	is mail($d, @fail, @forged, version => 2, actions => 0x3f, steps => 0)->
	    {said}, 'mail a', "@$_: an old MTA";
	is_idle_dry($d, "@$_");
}
$tested{dryrun} = 1;

sub is_idle_dry {
	my ($d, $what) = @_;
	eventually { $d->stat('sessions') == 0 } 5;
	is $d->stat('sessions'), 0, "$what: no session is left";
}

# --- -rejectmessage

$tested{rejectmessage} = 1;
my $reason = 'SPF fail: 192.0.2.1 is not allowed to send mail for fail.example';
for (
	# options, text
	[[], $reason],
	[[-rejectmessage => 'no: %l'], "no: $reason"],
	[[-rejectmessage => '%i|%q|100%%'], '192.0.2.1|q1|100%%'],
	[[-rejectmessage => 'see http://a.test/?ip=%i&q=%q'],
	    'see http://a.test/?ip=192.0.2.1&q=q1'],
	[[-rejectmessage => "a\r\nb\e\x{e9}"], 'a??b??'],
	[[-rejectmessage => 'x' x 2000], 'x' x 466],
	[[-rejectmessage => '%l' x 20], substr $reason x 20, 0, 466],
) {
	my ($options, $text) = @$_;
	my $d = spf(@$options);
	my $what = substr "@$options", 0, 40;
	is mail($d, @fail)->{text}, "550 5.7.23 $text", "$what: reject";
	like mail($d, @fail, qid => '')->{text}, qr/^550 5\.7\.23 /,
	    "$what: no queue id";
}
is mail(spf(-rejectmessage => '%q|%l', -temperror => 'tempfail'),
    from => '<joe@temperror.example>')->{text}, '451 4.4.3 q1|SPF of ' .
    'temperror.example cannot be looked up now', '-rejectmessage: tempfail';
{
	my $d = spf(-rejectmessage => '%q');
	my $m = met($d);
	is $m->mail($fail[1])->{text}, '550 5.7.23 NOQUEUE',
	    '-rejectmessage: no queue id yet';
	$m->quit;
}

# --- -explanation

$tested{explanation} = 1;
{
	my @dark = ('v=spf1 -all exp=', '.why.example');
	my %why = (
		good => [[TXT =>
		    'See http://why.example/%{i}?%{s}&%{d} 100%%']],
		long => [[TXT => 'y' x 2000]],
		'8bit' => [[TXT => "caf\xe9"]],
		crlf => [[TXT => "a\r\n250 ok"]],
		nul => [[TXT => "a\0b"]], badmacro => [[TXT => '%{z}']],
		two => [[TXT => 'one'], [TXT => 'two']],
		none => [[A => '192.0.2.1']],
		servfail => ['SERVFAIL'], empty => [[TXT => '']],
		macros => [[TXT => '%{c} %{r} %{h} %{l} %{o} %{I}']],
	);
	my %more = %zone;
	for (keys %why) {
		$more{"$_.why.example"} = $why{$_};
		$more{"$_.exp.example"} = [[TXT => "v=spf1 -all " .
		    "exp=$_.why.example"]];
		$more{"soft$_.exp.example"} = [[TXT => "v=spf1 ~all " .
		    "exp=$_.why.example"]];
	}
	$more{'incl.exp.example'} = [[TXT => 'v=spf1 ' .
	    'include:good.exp.example -all']];
	$more{'redir.exp.example'} = [[TXT => 'v=spf1 ' .
	    'redirect=good.exp.example']];
	names(%more);
	my $reply = sub {
		my ($d, $domain, @with) = @_;
		my $text = mail($d, from => "<joe\@$domain>", @with)->{text};
		return defined $text ? $text =~ s/^550 5\.7\.23 SPF fail: //r :
		    undef;
	};
	my $not = sub {
		return "192.0.2.1 is not allowed to send mail for $_[0]";
	};
	for (
		# -explanation; what is said behind the reason
		['see the web', 'see the web'],
		['%{i} %{d} %{s} %{l} %{o} %{h} %{r} %{c} %{v} 100%%',
		    '192.0.2.1 good.exp.example joe@good.exp.example joe ' .
		    "good.exp.example client.example $mx 192.0.2.1 in-addr " .
		    '100%%'],
		['%{S}%{ir}%_%-', 'joe%%40good.exp.example1.2.0.192 %%20'],
		['z' x 1000, undef], [undef, ''],
	) {
		my ($text, $want) = @$_;
		my @option = defined $text ? (-explanation => $text) : ();
		my $d = spf(@option);
		my $what = substr "@option", 0, 40;
		queries;
		my $got = $reply->($d, 'good.exp.example');
		is $got, $not->('good.exp.example') . ($want eq '' ? '' :
		    "; $want"), "$what: the reply" if defined $want;
		cmp_ok length $got, '<=', 490, "$what: is not too long";
		is_deeply [queries], ['TXT good.exp.example'],
		    "$what: exp= is not asked for";
		is $reply->($d, 'softfail.example'), undef, "$what: softfail";
	}
	like $reply->(spf('-e', '%{i}|%{l}'), 'fail.example',
	    from => "<a\r\nb\xe9%\@fail.example>"),
	    qr/; 192\.0\.2\.1\|a\?\?b\?%%$/,
	    '-explanation: what it stands for is cleaned';

	my $d = spf(-explanation => 'sender');
	for (
		# exp, what is said; undef: nothing
		['good', 'See http://why.example/192.0.2.1?joe@good.exp.' .
		    'example&good.exp.example 100%%'],
		['macros', "192.0.2.1 $mx client.example joe " .
		    'macros.exp.example 192.0.2.1'],
		map({ [$_, undef] } qw(8bit crlf nul badmacro two none servfail
		    empty)),
	) {
		my ($name, $want) = @$_;
		my $domain = "$name.exp.example";
		queries;
		my $r = mail($d, from => "<joe\@$domain>");
		is $r->{text}, '550 5.7.23 SPF fail: ' . $not->($domain) .
		    (defined $want ? "; $domain explains: $want" : ''),
		    "-explanation sender: $name";
		my %asked = map { $_ => 1 } queries;
		is join(' ', sort keys %asked), "TXT $domain TXT $name." .
		    'why.example', "-explanation sender: $name is asked for";
		queries;
		is said($d, "soft$domain"), 'mailfrom=softfail',
		    "-explanation sender: $name: not after a softfail";
		is_deeply [queries], ["TXT soft$domain"],
		    "-explanation sender: $name: nor asked for";
	}
	like $reply->($d, 'long.exp.example'),
	    qr/^[^;]*; long\.exp\.example explains: y{300,400}$/,
	    '-explanation sender: is cut';
	is $reply->($d, 'incl.exp.example'), $not->('incl.exp.example'),
	    '-explanation sender: not that of an include';
	like $reply->($d, 'redir.exp.example'), qr/ explains: See /,
	    '-explanation sender: that of a redirect';
	is $reply->($d, 'good.exp.example', from =>
	    "<\"\r\n\xe9\"\@good.exp.example>"), $not->('good.exp.example') .
	    '; good.exp.example explains: See http://why.example/192.0.2.1?"' .
	    '???"@good.exp.example&good.exp.example 100%%',
	    '-explanation sender: what it stands for is cleaned';
	my $own = spf(-explanation => 'sender', -rejectmessage => 'no: %l');
	is mail($own, from => '<joe@good.exp.example>')->{text},
	    '550 5.7.23 no: SPF fail: ' . $not->('good.exp.example') .
	    '; good.exp.example explains: See http://why.example/192.0.2.1?' .
	    'joe@good.exp.example&good.exp.example 100%%',
	    '-explanation sender: in %l';
	names(%zone);
}

# --- -nameserver

$tested{nameserver} = 1;
{
	my $one = Dns->new(zone => { 'a.example' => [[TXT => 'v=spf1 ?all']],
	    'b.example' => 'REFUSED', 'c.example' => 'SERVFAIL' });
	my $two = Dns->new(zone => { '*' => [[TXT => "v=spf1 $net -all"]] });
	my $closed = Dns->new;
	my $nobody = $closed->address;
	$closed->stop;
	for (
		# servers, results for a, b and c
		[[$one], 'neutral', 'temperror', 'temperror'],
		[[$two], 'pass', 'pass', 'pass'],
		[[$one, $two], 'neutral', 'pass', 'pass'],
		[[$two, $one], 'pass', 'pass', 'pass'],
		[[$nobody, $two], 'pass', 'pass', 'pass'],
		[[$nobody, $nobody, $one, $two], 'neutral', 'pass', 'pass'],
	) {
		my ($servers, @want) = @$_;
		my @addresses = map { ref ? $_->address : $_ } @$servers;
		my $d = spf(map { (-nameserver => $_) } @addresses);
		my @got = map { said($d, "$_.example") } qw(a b c);
		is_deeply \@got, [map { "mailfrom=$_" } @want],
		    "-nameserver @addresses";
		is scalar($d->lines(qr/^no answer from name servers/)), 0,
		    "-nameserver @addresses: the log"
		    if !grep { $_ eq $nobody || $_ == $one } @$servers;
	}
	my $none = spf(-nameserver => $nobody);
	is said($none, 'a.example'), 'mailfrom=temperror',
	    '-nameserver: nobody is there';
	is said($none, 'b.example'), 'mailfrom=temperror',
	    '-nameserver: still nobody';
	is join("\n", map { s/ a\.example: .*//r }
	    $none->lines(qr/^no answer/)), "no answer from name servers " .
	    "$nobody to TXT", '-nameserver: is logged once';
	SKIP: {
		my $six = eval { Dns->new(addresses => ['::1'], zone =>
		    { '*' => [[TXT => "v=spf1 $net -all"]] }) } or
		    skip 'no IPv6 here', 1;
		is said(spf(-nameserver => $six->address), 'a.example'),
		    'mailfrom=pass', '-nameserver: IPv6';
	}
	my ($status, $out, $err) = run(program('spfmilter'), '-check', $sock);
	is $status, 0, 'without -nameserver';
	like $err, qr/: loaded nameservers=[0-9a-f]/,
	    'without -nameserver: those of resolv.conf';
}

# --- -deadline: a server that says nothing, or late

$tested{deadline} = 1;
{
	my $dead = Dns->new(zone => { '*' => 'SILENT', 'late.example' =>
	    ['SLOW 1.3', [TXT => "v=spf1 $net -all"]] });
	my @server = (-nameserver => $dead->address);
	for (
		# -deadline, more options, what becomes of it, at least and at
		# most so many seconds
		[1, [], 'silent.example', 'mailfrom=temperror', 0.9, 2],
		['1s', [-temperror => 'tempfail'], 'silent.example',
		    'mail 451 4.4.3', 0.9, 2],
		[1, ['-helo'], 'silent.example',
		    'mailfrom=temperror helo=temperror', 0.9, 2],
		[1, [], 'late.example', 'mailfrom=temperror', 0.9, 2],
		[5, [], 'late.example', 'mailfrom=pass', 1.2, 3],
	) {
		my ($deadline, $options, $domain, $want, $least, $most) = @$_;
		my $d = spf(-deadline => $deadline, @server, @$options);
		my $begin = time;
		my $r = mail($d, from => "<joe\@$domain>",
		    helo => 'silent.example');
		my $took = time - $begin;
		my $what = "-deadline $deadline @$options $domain";
		is $r->{said}, $want, $what;
		ok $took >= $least && $took < $most + slow - 1,
		    "$what: the time" or diag $took;
		next if $want !~ /mailfrom=temperror/;
		my $says = 'spf=temperror reason="the DNS does not answer: ' .
		    qq($domain" smtp.mailfrom=joe\@$domain);
		like join('', fields($r, $ar)), qr/ \Q$says\E$/,
		    "$what: the header";
	}
	like +(run(program('spfmilter'), '-help'))[1],
	    qr/^  -deadline time\n\t.* \(8\)$/m, '-deadline: 8 s by default';
}

# --- -cache

$tested{cache} = 1;
{
	my $filler = join ' ', map { "x$_=" . 'y' x 90 } 1 .. 10;
	names('*.big.example' => [[TXT => "v=spf1 $filler ?all"]]);
	my %kept;
	for my $options ([-cache => 1], []) {
		my $d = spf(@$options);
		my $s = $d->dial;
		for my $n (1 .. 1500) {
			print $s "test 192.0.2.1 x a\@n$n.big.example\n";
			$s->flush;
			while (my $line = $s->getline) {
				last if $line =~ /^(ok|error .*)$/;
			}
		}
		is $d->stat('dns_queries_total{type="TXT"}'), 1500,
		    "cache: @$options: asked";
		$kept{"@$options"} = $d->stat('dns_cache_bytes');
	}
	cmp_ok $kept{'-cache 1'}, '<=', 1 << 20, '-cache 1: has its limit';
	cmp_ok $kept{'-cache 1'}, '>', 500_000, '-cache 1: and uses it';
	cmp_ok $kept{''}, '>', 1_400_000, '-cache: more by default';
	names(%zone);
}

# --- -authservid

$tested{authservid} = 1;
for my $name ('our.example', 'OURS', 'a_b-c.1') {
	my $r = mail(spf(-authservid => $name), headers => [[$ar, "$mx; x=y"],
	    [$ar, "$name; spf=pass"], [$rs, "pass receiver=$mx"],
	    [$rs, "pass receiver=$name"]]);
	is join("\n", fields($r, $ar)), "$name; spf=pass " .
	    'smtp.mailfrom=joe@pass.example', "-authservid $name";
	like +(fields($r, $rs))[0],
	    qr/^pass \(\Q$name\E: .* receiver=\Q$name\E;/,
	    "-authservid $name: $rs";
	is join(' ', map { "$_->[1] $_->[2]" } grep { $_->[0] eq 'm' }
	    @{ $r->{changes} }), "2 $ar 2 $rs", "-authservid $name: forged";
}

# --- -localpolicy, -guess, -fallback

sub record_said {
	my ($what, $options, @cases) = @_;
	my $d = spf(@$options);
	for (@cases) {
		my ($with, $want, $comment) = @$_;
		my $r = mail($d, @$with);
		is $r->{said}, $want, "$what: @$with";
		next unless defined $comment;
		my ($spf) = fields($r, $rs);
		my $is = $comment eq '' ? '(?:domain|transitioning|host) ' :
		    "$comment for (?:domain of|host) ";
		like $spf, qr/^\w+ \(\Q$mx\E: $is/, "$what: @$with: $rs";
		my ($results) = fields($r, $ar);
		like $results, $comment eq '' ? qr/^[^()]*$/ :
		    qr/ spf=\w+ \(\Q$comment\E\) smtp\./, "$what: @$with: $ar";
	}
	return $d;
}

$tested{localpolicy} = 1;
for my $policy ('a:forwarder.example -all', 'a:forwarder.example',
    'v=spf1 a:forwarder.example ?all', 'V=SPF1 a:forwarder.example ~all') {
	my $d = record_said("-localpolicy $policy", [-localpolicy => $policy],
	    [[@fail], 'mailfrom=pass', 'local policy'],
	    [[from => '<joe@softfail.example>'], 'mailfrom=pass',
		'local policy'],
	    [[@fail, client => '2001:db8::1'], 'mailfrom=pass',
		'local policy'],
	    [[@fail, client => '192.0.2.2'], 'mail 550 5.7.23'],
	    [[from => '<joe@softfail.example>', client => '192.0.2.2'],
		'mailfrom=softfail', ''],
	    [[@forger, from => '<>'], 'helo=pass', 'local policy'],
	    map({ [[from => "<joe\@$_.example>"], "mailfrom=$_"] }
		qw(none neutral pass temperror permerror)));
	is scalar(grep { / by=pass / } verdicts($d)), 0,
	    "-localpolicy $policy: a pass is nothing to log";
}
is_deeply [grep { / source=localpolicy / } verdicts(do {
	my $d = spf('-debug', -l => 'a:forwarder.example');
	mail($d, @fail); $d })], ['verdict=mark by=pass identity=mailfrom ' .
    'mechanism=a:forwarder.example source=localpolicy client=192.0.2.1 ' .
    'helo=client.example from=<joe@fail.example> qid=q1'],
    '-localpolicy: the log, with -debug';

$tested{guess} = 1;
for my $option ('-guess', '-g') {
	for my $guess ("$net -all", "v=spf1 $net ~all", "$net ?all") {
		my $d = record_said("$option $guess", [$option => $guess],
		    [[from => '<joe@none.example>'], 'mailfrom=pass',
			'best guess'],
		    # Only a pass of it is believed.
		    [[from => '<joe@none.example>', client => '198.51.100.1'],
			'mailfrom=none', ''],
		    [[helo => 'none.example', from => '<>'], 'helo=none', ''],
		    [[from => '<joe@localhost>'], 'mailfrom=none'],
		    [[from => '<joe>'], 'mailfrom=none'],
		    [[@fail], 'mail 550 5.7.23'],
		    map({ [[from => "<joe\@$_.example>"], "mailfrom=$_"] }
			qw(neutral pass softfail temperror permerror)));
	}
}
is mail(spf(-guess => 'a:%{d}'), from => '<joe@forwarder.example>')->{said},
    'mailfrom=pass', '-guess: is expanded for the domain';

$tested{fallback} = $tested{lenient} = 1;
my $list = file('fallback', "# of those who publish none\n\n" .
    "none.example\t$net -all\n.none.example v=spf1 -all\r\n" .
    "soft.example ~all\nFAIL.example +all\n");
for my $option ('-fallback', '-f') {
	my $d = record_said("$option", [$option => $list],
	    [[from => '<joe@none.example>'], 'mailfrom=pass',
		'fallback record'],
	    [[from => '<joe@None.Example.>'], 'mailfrom=pass',
		'fallback record'],
	    [[from => '<joe@none.example>', client => '198.51.100.1'],
		'mail 550 5.7.23'],
	    [[from => '<joe@x.none.example>'], 'mail 550 5.7.23'],
	    [[from => '<joe@soft.example>'], 'mailfrom=softfail'],
	    [[helo => 'none.example', from => '<>'], 'helo=pass',
		'fallback record'],
	    [[from => '<joe@xnone.example>'], 'mailfrom=none', ''],
	    # What is published comes first.
	    [[@fail], 'mail 550 5.7.23'],
	    [[from => '<joe@temperror.example>'], 'mailfrom=temperror']);
	is scalar(grep { / source=fallback / } verdicts($d)), 3,
	    "$option: the log";
	is $d->stat("fallback_entries{list=\"$list\"}"), 4,
	    "$option: counted";
}
{
	my $any = file('any', "*\t$net ~all\n");
	my $d = spf(-fallback => $list, -fallback => $any, -guess => '+all',
	    -localpolicy => 'ip4:198.51.100.1');
	for (
		# domain, client, what becomes of it
		['none.example', '192.0.2.1', 'mailfrom=pass'],
		['any.example', '192.0.2.1', 'mailfrom=pass'],
		['any.example', '198.51.100.2', 'mailfrom=softfail'],
		['any.example', '198.51.100.1', 'mailfrom=pass'],
		['x.none.example', '192.0.2.1', 'mail 550 5.7.23'],
		['x.none.example', '198.51.100.1', 'mailfrom=pass'],
		['fail.example', '198.51.100.1', 'mailfrom=pass'],
	) {
		my ($domain, $client, $want) = @$_;
		is said($d, $domain, client => $client), $want,
		    "-fallback, -guess and -localpolicy: $domain, $client";
	}
}

# --- reload: lists of either kind

my @reloads = (
	['the command', sub { is $_[0]->tell('reload'), $_[1] ? 'ok' :
	    'error reload failed, see the log; the old lists stay',
	    'reload: the answer' }],
	['SIGUSR1', sub {
		my ($d, $good) = @_;
		my $name = $good ? 'reloads_total' : 'reload_failed_total';
		my $before = $d->stat($name);
		kill USR1 => $d->pid;
		eventually { $d->stat($name) > $before } 5;
	}],
);
for (
	# option, a list, another, a bad one, who is on the first, what becomes
	# of it, who on the second
	['-fallback', "old.example -all\n", "new.example -all\n",
	    "old.example -all\nnew.example nosuch:x\n",
	    [from => '<joe@old.example>'], 'mail 550 5.7.23',
	    [from => '<joe@new.example>']],
	['-whitelist', "203.0.113.1\n", "198.51.100.0/24\n",
	    "203.0.113.1\n203.0.113.300\n", [client => '203.0.113.1'],
	    'mail a', [client => '198.51.100.7']],
	['-allowlist', "203.0.113.1\n", ".friend.example\n",
	    "203.0.113.1\nfriend\n", [client => '203.0.113.1'], 'mail a',
	    [host => 'mx.friend.example']],
) {
	my ($option, $one, $two, $bad, $by_one, $want, $by_two) = @$_;
	my @other = (from => '<joe@neutral.example>');
	my $list = file('lists', $one);
	my $d = spf($option => $list);
	for (@reloads) {
		my ($how, $reload) = @$_;
		my $says = "$option, $how";
		file('lists', $one);
		$reload->($d, 1);
		is mail($d, @other, @$by_one)->{said}, $want, "$says: listed";
		isnt mail($d, @other, @$by_two)->{said}, $want,
		    "$says: not listed";
		file('lists', $bad);
		$reload->($d, 0);
		is mail($d, @other, @$by_one)->{said}, $want,
		    "$says: a bad list leaves the old one";
		isnt mail($d, @other, @$by_two)->{said}, $want,
		    "$says: all of it";
		is scalar($d->lines(qr/^\Q$list\E:2: /)) > 0, 1,
		    "$says: and is named";
		file('lists', '');
		$reload->($d, 0);
		is mail($d, @other, @$by_one)->{said}, $want,
		    "$says: so does an empty one";
		unlink $list;
		$reload->($d, 0);
		is mail($d, @other, @$by_one)->{said}, $want,
		    "$says: and none at all";
		file('lists', $two);
		$reload->($d, 1);
		isnt mail($d, @other, @$by_one)->{said}, $want,
		    "bug_whitelist_never_cleared: $says";
		is mail($d, @other, @$by_two)->{said}, $want,
		    "$says: the new list";
	}
}
for (['-fallback', "old.example -all\nx y z\n", 'fallback_bad_lines',
    [from => '<joe@old.example>'], 'mail 550 5.7.23'],
    ['-whitelist', "192.0.2.1\n192.0.2.300\n", 'list_bad_lines', [],
    'mail a']) {
	my ($option, $text, $name, $with, $want) = @$_;
	my $list = file('lenient', $text);
	my ($status, $out, $err) = run(program('spfmilter'), '-nodaemon',
	    $option => $list, $sock);
	my @said = complaints($err);
	ok $status == 78 && @said == 1 && $said[0] =~ /\Q$list\E:2: /,
	    "$option without -lenient" or diag "$status $err";
	my $d = spf($option => $list, '-lenient');
	is mail($d, @$with)->{said}, $want, "$option -lenient: the rest";
	is $d->stat("${name}{list=\"$list\"}"), 1,
	    "$option -lenient: counted";
}

# --- -whitelist, -allowlist

$tested{$_} = 1 for qw(whitelist allowlist);
{
	my $one = file('one', "192.0.2.1\n");
	my $two = file('two', "192.0.2.2\n");
	for my $options ([-whitelist => $one, -whitelist => $two],
	    [-allowlist => $one, -allowlist => $two],
	    [-w => $one, -a => $two], [-a => $one, -whitelist => $two]) {
		my $d = spf(@$options);
		is mail($d, @fail, client => "192.0.2.$_->[0]")->{said},
		    $_->[1], "@{$options}[0, 2]: $_->[0]"
		    for [1, 'mail a'], [2, 'mail a'],
		    [3, 'mail 550 5.7.23'];
		is $d->stat('exempt_total{why="whitelist"}'), 2,
		    "@{$options}[0, 2]: counted";
	}
}

# --- -recipientmx

$tested{recipientmx} = 1;
{
	my ($mx1, $other, $dead) = map { "<alice\@$_>" } 'mx.example',
	    'other.example', 'noanswer.example';
	my $refused = '550 5.7.23 ' . $reason;
	my $d = spf('-recipientmx');
	is(Milter->new($d->socket)->commands, 'chMR-l---',
	    '-recipientmx: RCPT is asked for');
	is(Milter->new(spf->socket)->commands, 'chM--l---',
	    'without -recipientmx: it is not');
	my $m = met($d);
	is $m->mail('<joe@fail.example>')->{reply}, 'c',
	    '-recipientmx: not refused at MAIL';
	is $m->rcpt($other)->{text}, $refused,
	    '-recipientmx: but at RCPT';
	is $m->rcpt($mx1)->{reply}, 'c', '-recipientmx: not from its MX';
	is $m->rcpt($other)->{text}, $refused,
	    '-recipientmx: each recipient by itself';
	is $m->rcpt('<Bob@MX.Example>')->{reply}, 'c',
	    '-recipientmx: again its MX';
	my $r = { %{ $m->eom }, at => 'eom' };
	is join("\n", map { /^(\w+)/ } fields($r, $rs)), 'fail',
	    '-recipientmx: and what is accepted is marked';
	is $d->stat('recipient_mx_total'), 2, '-recipientmx: counted';
	$m->mail('<joe@pass.example>');
	is $m->rcpt($other)->{reply}, 'c', '-recipientmx: the next message';
	$m->abort;
	$m->mail('<joe@fail.example>');
	$m->abort;
	$m->mail('<joe@softfail.example>');
	is $m->rcpt($other)->{reply}, 'c', '-recipientmx: nor after RSET';
	$m->quit;
	for (
		# client, recipient, is it its MX?
		['192.0.2.1', $mx1, 1], ['192.0.2.2', $mx1, 0],
		['2001:db8::1', $mx1, 1], ['::ffff:192.0.2.1', $mx1, 1],
		['2001:db8::2', $mx1, 0], ['192.0.2.1', 'a@mx.example', 1],
		['192.0.2.1', '<@relay.example:a@mx.example>', 1],
		['192.0.2.1', '<"a b@other.example"@mx.example>', 1],
		map({ ['192.0.2.1', $_, 0] } '<>', '<alice>', '<alice@>',
		    '<a@fail.example>', '<a@nowhere.example>',
		    '<a@[192.0.2.1]>', '<a@' . 'x' x 10_000 . '.mx.example>',
		    "<a\@mx.example\r\n>", '<mx.example@other.example>',
		    '<a@forwarder.example>'),
	) {
		my ($client, $to, $is) = @$_;
		my $r = mail($d, @fail, client => $client, to => [$to]);
		is $r->{said}, $is ? 'mailfrom=fail' : 'rcpt 550 5.7.23',
		    "-recipientmx: $client to " . substr($to, 0, 30) =~
		    s/[^ -~]/?/gr;
	}
	is mail($d, helo => 'forger.example', from => '<>', to => [$mx1])->
	    {said}, 'helo=fail', '-recipientmx: a bounce';
	is mail($d, helo => 'forger.example', from => '<>', to => [$other])->
	    {said}, 'rcpt 550 5.7.23', '-recipientmx: a forged one';
	is scalar(grep { /^verdict=reject by=fail / } verdicts($d)),
	    scalar(verdicts($d)) - 1, '-recipientmx: the log';
	# Whoever is asked to come back may.
	my $soft = spf('-r', -softfail => 'tempfail');
	is said($soft, 'softfail.example', to => [$other]), 'rcpt 451 4.7.23',
	    '-recipientmx: tempfail';
	is said($soft, 'softfail.example', to => [$mx1]),
	    'mailfrom=softfail', '-recipientmx: tempfail, from its MX';
	# A fault that passes is no reason to refuse for good.
	is said($d, 'fail.example', to => [$dead]), 'rcpt 451 4.4.3',
	    '-recipientmx: the DNS does not say';
	# What is not refused asks for nobody's MX.
	names(%zone);
	$d->tell('flush');
	said($d, 'pass.example', to => [$mx1, $other]);
	is_deeply [queries], ['TXT pass.example'],
	    '-recipientmx: who passes is not asked about';
	is_idle $d, '-recipientmx';
}

# --- -trustedforwarders

$tested{trustedforwarders} = 1;
for my $option ([], ['-trustedforwarders'], ['-t']) {
	my $d = spf(@$option);
	is scalar($d->lines(qr/^-trustedforwarders: there is no such /)),
	    scalar(@$option), "@$option: a warning";
	is mail($d, @fail)->{said}, 'mail 550 5.7.23', "@$option: no more";
}

# --- -hint

$tested{hint} = 1;
{
	my ($path, $file) = fake('gray', "ok\n");
	my $d = spf(-hint => $path, -softfail => 'reject');
	my $m = met($d);
	is $m->mail('<joe@Pass.example>')->{reply}, 'c', '-hint: MAIL';
	is join('|', heard($file)), 'spf 192.0.2.1 Pass.example pass',
	    '-hint: is there before MAIL is answered';
	$m->quit;
	my $n = 1;
	for (
		# mail, what is said
		[[client => '2001:db8::1'],
		    'spf 2001:db8::1 pass.example pass'],
		[[client => '::ffff:192.0.2.7'],
		    'spf 192.0.2.7 pass.example pass'],
		[[from => '<joe@mx.example>'], 'spf 192.0.2.1 mx.example pass'],
		[[from => '<joe@pass.example>', helo => 'forger.example'],
		    'spf 192.0.2.1 pass.example pass'],
		map({ [[from => "<joe\@$_.example>"]] } qw(none neutral fail
		    softfail temperror permerror)),
		[[from => '<>', helo => 'pass.example']], [[from => '<>']],
		[[auth => 'ann']], [[client => '127.0.0.1']],
		[[client => '10.0.0.1']],
	) {
		my ($with, $want) = @$_;
		mail($d, @$with);
		my @said = heard($file);
		is_deeply [splice @said, $n], [$want // ()], "-hint: @$with";
		$n = heard($file);
	}
	is $d->stat('hints_sent_total'), 5, '-hint: counted';
	is $d->stat('hints_failed_total'), 0, '-hint: none failed';
	my $helo = spf('-helo', -hint => $path);
	is mail($helo, @forger)->{said}, 'mail 550 5.7.23',
	    '-hint: who is refused for the HELO';
	is scalar(heard($file)), $n, '-hint: is not recommended';
	my $both = spf('-helo', '-markonly', -hint => $path);
	is mail($both, @forger)->{said}, 'mailfrom=pass helo=fail',
	    '-hint: who is marked';
	is scalar(heard($file)), $n + 1, '-hint: is still the sender';
}
{
	my ($path, $file) = fake('slow', "ok\n", 0.25);
	my $d = spf(-hint => $path);
	my $begin = time;
	is said($d, 'pass.example'), 'mailfrom=pass', '-hint: slow';
	ok time - $begin >= 0.25, '-hint: is waited for';
	is $d->stat('hints_sent_total'), 1, '-hint: slow is not failed';
}
{
	# What graymilter does not like of one hint says nothing of the next.
	my ($path, $file) = fake('refuses', "error not a domain: x\n");
	my $d = spf(-hint => $path);
	is said($d, 'pass.example'), 'mailfrom=pass', '-hint: an error'
	    for 1 .. 3;
	is scalar(heard($file)), 3, '-hint: an error is no reason to pause';
	is $d->stat('hints_failed_total'), 3, '-hint: errors are counted';
	is scalar($d->lines(qr/^\Q$path\E: cannot hint: not a domain: x/)), 1,
	    '-hint: and logged once a minute';
}
{
	# Nor can a domain say anything but itself.
	my ($path, $file) = fake('blanks', "ok\n");
	names(%zone, '*.odd.example' => [[TXT => "v=spf1 $net -all"]]);
	my $d = spf(-hint => $path);
	is said($d, "$_.odd.example"), 'mailfrom=pass', "-hint: <joe\@$_...>"
	    for "a fail", 'good.example pass', 'pass ', "a'b", '%s%n';
	is_deeply [heard($file)], [map { "spf 192.0.2.1 $_.odd.example pass" }
	    "a'b", '%s%n'], '-hint: only a domain that is one word';
	is $d->stat('hints_failed_total'), 0, '-hint: others are no failure';
	names(%zone);
}
{
	# Who lets everybody would have everybody known by himself.
	my ($path, $file) = fake('all', "ok\n");
	names(%zone, 'all.example' => [[TXT => 'v=spf1 a +all']],
	    'plain.example' => [[TXT => 'v=spf1 all']]);
	my $d = spf(-hint => $path);
	is said($d, $_), 'mailfrom=pass', "-hint: $_"
	    for qw(all.example plain.example);
	is_deeply [heard($file)], [], '-hint: is none where all may';
	names(%zone);
}
{
	my ($path, $file) = fake('dry', "ok\n");
	my $d = spf(-dryrun => -hint => $path);
	is said($d, 'pass.example'), 'mail a', '-hint: a dry run';
	is_deeply [heard($file)], [], '-hint: is none with -dryrun';
}
{
	my $d = spf(-hint => "$dir/nobody");
	my $begin = time;
	is said($d, 'pass.example'), 'mailfrom=pass', '-hint: nobody there'
	    for 1 .. 3;
	cmp_ok time - $begin, '<', slow, '-hint: nobody is not waited for';
	is $d->stat('hints_failed_total'), 3, '-hint: nobody: counted';
	is scalar($d->lines(qr/^\Q$dir\E\/nobody: cannot hint: /)), 1,
	    '-hint: nobody: logged once';
	my ($last, @stats) = $d->tell('stats');
	is scalar(grep { /^spfmilter_dns_queries_total/ } @stats), 5,
	    '-hint: leaves room for the other counters';
	is $d->stat('hints_sent_total'), 0, '-hint: nobody was told';
}
{
	# Killed, it leaves its socket; it may be back with the next message.
	my $path = "$dir/killed";
	close(IO::Socket::UNIX->new(Local => $path, Listen => 1) ||
	    die "$path: $!");
	my $d = spf(-hint => $path);
	said($d, 'pass.example');
	is $d->stat('hints_failed_total'), 1, '-hint: graymilter is killed';
	unlink $path or die "$path: $!";
	my (undef, $file) = fake('killed', "ok\n");
	said($d, 'pass.example');
	is scalar(heard($file)), 1, '-hint: it is back, and told at once';
}
is spf->stat('hints_sent_total'), undef, 'without -hint: none';
SKIP: {
	my ($program) = grep { m{/} } program('graymilter');
	skip 'graymilter is not built', 2 unless -x $program;
	my $gray = Daemon->start({ name => 'graymilter' }, '-memory');
	my $d = spf(-hint => $gray->control);
	said($d, 'pass.example', client => $_) for '192.0.2.1', '192.0.2.9';
	for (['192.0.2.9', 'pass.example'], ['192.0.2.8', '192.0.2.0/24']) {
		my ($client, $key) = @$_;
		my ($last, $line) = $gray->tell("test $client " .
		    'joe@pass.example a@b.example');
		like $line, qr/ key=triplet,\Q$key\E,joe\@pass\.example,/,
		    "-hint: graymilter believes it: $client";
	}
}

# --- -scanauth

$tested{scanauth} = 1;
{
	my $d = spf('-scanauth');
	for ([auth => 'ann'], [tls => 'OK'], []) {
		is mail($d, @fail, @$_)->{said}, 'mail 550 5.7.23',
		    "-scanauth: @$_";
		is mail($d, @$_)->{said}, 'mailfrom=pass',
		    "-scanauth: @$_: a pass";
	}
	is mail($d, @fail, client => '127.0.0.1')->{said}, 'mail a',
	    '-scanauth: not those on loopback';
	is mail(spf, @fail, auth => 'ann')->{said}, 'mail a',
	    'without -scanauth';
}

# --- -onerror: an MTA that takes no change

$tested{onerror} = 1;
for ([[], 'eom a'], [[-onerror => 'accept'], 'eom a'],
    [[-onerror => 'tempfail'], 'eom 451 4.3.0']) {
	my ($options, $want) = @$_;
	my $d = spf(@$options);
	for my $n (1, 2) {
		is mail($d, actions => 2)->{said}, $want,
		    "no change: @$options";
		is $d->stat('errors_total'), $n, "no change: counted";
	}
	is scalar($d->lines(qr/^the MTA takes no change of a message, so /)), 1,
	    "no change: @$options: logged once";
	is mail($d, @fail, actions => 2)->{said}, 'mail 550 5.7.23',
	    "no change: @$options: a refusal needs none";
	is mail($d)->{said}, 'mailfrom=pass', 'no change: another MTA';
}

# --- -debug

$tested{debug} = 1;
for my $option ([], ['-debug'], ['-d']) {
	my $d = spf(@$option);
	said($d, "$_.example") for qw(pass none neutral fail);
	mail($d, client => '127.0.0.1');
	is_deeply [map { /by=(\w+)/ } verdicts($d)], [@$option ? qw(pass none
	    neutral fail loopback) : 'fail'], "the log: @$option";
}

# --- -user, -pidfile, -socketmode, -nodaemon, -version, -help, -control

$tested{$_} = 1 for qw(user pidfile socketmode nodaemon version help control);
{
	my $user = $> == 0 ? 'nobody' : getpwuid $>;
	my $home = "$dir/home";
	mkdir $home;
	chown((getpwnam $user)[2, 3], $home) if $> == 0;
	my $n = 0;
	my $pid = "$dir/pid";
	for my $words (
		[-user => $user, -pidfile => "$pid.1", '-nodaemon',
		    -socketmode => '0600', '-localpolicy' =>
		    'a:forwarder.example', '-trustedforwarders', -guess =>
		    'a mx', -fallback => $list, -whitelist =>
		    file('wl', "203.0.113.7\n"), '-recipientmx',
		    -explanation => 'see the web', '-debug'],
		# As they were written for the filter of ACME Labs.
		['-l', 'a:forwarder.example', '-t', '-g', 'a mx', '-f', $list,
		    '-w', file('wl', "203.0.113.7\n"), '-r', '-e',
		    'see the web', '-u', $user, '-p', "$pid.2", '-X', '-d'],
		['--localpolicy', 'a:forwarder.example', '--trustedforwarders',
		    '--guess', 'a mx', '--fallback', $list, '--allowlist',
		    file('wl', "203.0.113.7\n"), '--recipientmx',
		    '--explanation', 'see the web', '--user', $user,
		    '--pidfile', "$pid.3", '--nodaemon', '--debug'],
		['-a', file('wl', "203.0.113.7\n"), '-m', '-u', $user, '-p',
		    "$pid.4", '-X'],
	) {
		my $what = "words $words->[0] $words->[2]";
		my $socket = "$home/s" . ++$n;
		my $log = "$dir/words.$n";
		my $d = bless { socket => $socket, log => $log, name =>
		    'spfmilter', control => "$home/c$n", pid =>
		    Daemon::spawn('/dev/null', $log, program('spfmilter'),
		    @$words, -nameserver => names(%zone)->address, -control =>
		    "$home/c$n", $socket) }, 'Daemon';
		Daemon::watch($d);
		eventually { $d->log =~ / ready on / || $d->gone } 30;
		like $d->log, qr/ ready on /, "$what: starts" or
		    diag $d->log;
		is Daemon::slurp("$pid.$n"), $d->pid . "\n",
		    "$what: the pid file";
		like Daemon::slurp('/proc/' . $d->pid . '/status'),
		    qr/^Uid:\t@{[(getpwnam $user)[2]]}\t/m, "$what: the user";
		is sprintf('%04o', (stat $socket)[2] & 07777), $n == 1 ?
		    '0600' : '0660', "$what: the socket";
		is mail($d, client => '203.0.113.7')->{said}, 'mail a',
		    "$what: the whitelist";
		my $marks = grep { $_ eq '-m' } @$words;
		is said($d, 'fail.example', client => '192.0.2.2'), $marks ?
		    'mailfrom=fail' : 'rcpt 550 5.7.23', "$what: a forger";
		if (!$marks) {
			is said($d, 'fail.example'), 'mailfrom=pass',
			    "$what: the local policy";
			is said($d, 'soft.example', client => '192.0.2.2'),
			    'mailfrom=softfail', "$what: the fallback";
			is said($d, 'none.example'), 'mailfrom=pass',
			    "$what: the fallback, too";
			is said($d, 'forwarder.example'), 'mailfrom=pass',
			    "$what: the guess";
			like mail($d, @fail, client => '192.0.2.2')->{text},
			    qr/; see the web$/, "$what: the explanation";
			is scalar($d->lines(qr/^-trustedforwarders: /)), 1,
			    "$what: the warning";
			is scalar(grep { / by=pass / } verdicts($d)) > 0, 1,
			    "$what: says more";
		}
		is $d->tell('help'), 'ok', "$what: the control socket";
		$d->retire;
	}

	# Every prefix of a name that had a letter still means that option.
	for (
		# name, what is said when it has the value "", or is a word
		map({ [$_, "bad value for -$_: it is empty"] } qw(localpolicy
		    guess fallback allowlist explanation user pidfile
		    whitelist)),
	) {
		my ($name, $want) = @$_;
		for my $size (1 .. length $name) {
			my $prefix = substr $name, 0, $size;
			my ($status, $out, $err) = run(program('spfmilter'),
			    '-check', "-$prefix", '');
			is "$status $err", "64 spfmilter: $want (see -help)\n",
			    "prefix -$prefix";
		}
	}
	for my $size (1 .. length 'markonly') {
		my $prefix = substr 'markonly', 0, $size;
		my ($status, $out, $err) = run(program('spfmilter'), '-check',
		    '-dryrun', "-$prefix");
		is "$status $err", '64 spfmilter: contradicts an earlier ' .
		    "option: markonly (see -help)\n", "prefix -$prefix";
	}
	for my $name (qw(trustedforwarders recipientmx debug X)) {
		for my $size (1 .. length $name) {
			my $prefix = substr $name, 0, $size;
			my ($status, $out, $err) = run(program('spfmilter'),
			    '-check', "-$prefix");
			is $status, 0, "prefix -$prefix" or diag $err;
			is scalar(my @warned = $err =~ /trustedforwarders:/g),
			    $name =~ /^t/ ? 1 : 0, "prefix -$prefix: is that";
		}
	}
	my ($status, $out, $err) = run(program('spfmilter'), '-version');
	like "$status $out$err", qr/^0 spfmilter \d+\.\d+\n\z/, '-version';
	is +(run(program('spfmilter'), '-h'))[0], 0, '-h';
}

# --- bad values, and what contradicts

my $bad = file('bad', "none.example -all\nx.example nosuch:x\n");
my $badips = file('badips', "192.0.2.1\n192.0.2.1/24\n");
my $data = file('data', "somebody's data\n");
my $nowhere = "$dir/nowhere/file";
my @wrong = (
	# status, the line, arguments
	[64, qr/missing: socket/],
	[64, qr/: second /, $sock, 'second'],
	[64, qr/no such option: -nosuch /, '-nosuch', $sock],
	[64, qr/no such option: -blacklist /, -blacklist => $list, $sock],
	[64, qr/no such option: -pass /, -pass => 'reject', $sock],
	[64, qr/no such option: -helo=1 /, '-helo=1', $sock],
	[64, qr/value missing: -deadline /, $sock, '-deadline'],
	map({ my ($name, @values) = @$_; map { [64,
	    qr/bad value for -$name: \Q$_\E /, "-$name", $_, $sock] } @values }
	    [deadline => 0, 61, '2m', '-1', '', '1x', '1.5', '9' x 20],
	    [cache => 0, 65537, '16m', '', 'x'],
	    map({ [$_ => 'refuse', 'Reject', 'rejec', '', 'mark|none', 'pass',
		'accept'] } qw(fail softfail neutral none temperror permerror
		action)),
	    [onerror => 'reject', 'Accept', ''],
	    [socketmode => '0888', '1777', 'x']),
	map({ [64, qr/bad value for -$_: it is empty/, "-$_", '', $sock] }
	    qw(whitelist allowlist fallback guess localpolicy explanation
	    rejectmessage nameserver authservid hint control user pidfile)),
	map({ [64, qr/too often: $_ /, ("-$_", $list) x 64, $sock] }
	    qw(whitelist fallback)),
	[64, qr/-rejectmessage: %x /, -rejectmessage => '%i %x', $sock],
	[64, qr/-rejectmessage: % /, -rejectmessage => '100%', $sock],
	map({ [64, qr/-explanation: a macro in it is wrong/, -explanation =>
	    $_, $sock] } '%{z}', '100%', '%{', '%{d', '%{d0}', "caf\xe9",
	    "a\nb"),
	map({ [64, qr/-authservid: \Q$_\E is no name/, -authservid => $_,
	    $sock] } 'a b', 'a;b', '"ab"', 'a(b)', 'a=b', 'a@b', 'a/b',
	    'x' x 400),
	map({ my $option = $_; map({ [64, qr/-$option: [^:]*\Q$_->[1]\E/,
	    "-$option", $_->[0], $sock] } ['nosuch:x', 'nosuch:x: '],
	    ['ip4:192.0.2.300', 'ip4:192.0.2.300'], ['v=spf1a', 'v=spf1a'],
	    ["a \xe9", '?'], ['include:', 'include:'],
	    ['x' x 1100, 'too long'], ['-all x=%{z}', 'x=%{z}']) }
	    qw(guess localpolicy)),
	map({ [64, qr/: \Q$_\E: not the address of a name server/,
	    -nameserver => '192.0.2.53', -nameserver => $_, $sock] }
	    'ns.example', '192.0.2.300', '192.0.2.1:0', '192.0.2.1:65536',
	    '192.0.2.1:', '192.0.2.1:x', '[2001:db8::1', '[2001:db8::1]53',
	    '[192.0.2.1', '2001:db8:::1', '192.0.2.1/24', 'fe80::1%lo',
	    '192.0.2.1:53x', ' 192.0.2.1', '192.0.2.1,192.0.2.2'),
	[64, qr/: 192\.0\.2\.9: more than 8 name servers/, map({ (-nameserver =>
	    "192.0.2.$_") } 1 .. 9), $sock],

	map({ my ($last) = reverse grep { /^-/ } @$_;
	    [64, qr/contradicts an earlier option: ${\substr $last, 1} /, @$_,
	    $sock] } ['-markonly', '-dryrun'], ['-dryrun', '-markonly'],
	    [-fail => 'mark', -action => 'reject'],
	    [-action => 'tempfail', -fail => 'reject'],
	    [-fail => 'mark', -fail => 'none'],
	    [-softfail => 'reject', -softfail => 'mark'],
	    [-onerror => 'accept', -onerror => 'tempfail']),
	map({ my ($all, $result, $action) = @$_; [64,
	    qr/-$result $action and -$all contradict each other/, "-$all",
	    "-$result" => $action, $sock] }
	    [markonly => 'fail', 'none'], [markonly => 'fail', 'quarantine'],
	    [markonly => 'softfail', 'reject'], [dryrun => 'none', 'reject'],
	    [dryrun => 'fail', 'tempfail'], [dryrun => 'permerror', 'discard'],
	    [markonly => 'temperror', 'tempfail']),
	[64, qr/-fail tempfail and -markonly contradict/, -action =>
	    'tempfail', '-markonly', $sock],
	map({ [64, qr/-temperror $_ would lose mail/, -temperror => $_,
	    $sock] } qw(reject discard)),

	map({ my $option = $_;
	    [78, qr/\Q$nowhere: No such file/, $option => $nowhere, $sock],
	    [78, qr/\Q$dir: not a regular file/, $option => $dir, $sock],
	    [78, qr/\Q${\($option eq '-fallback' ? $bad : $badips)}\E:2: /,
	    $option => $option eq '-fallback' ? $bad : $badips, $sock] }
	    qw(-whitelist -allowlist -fallback)),
	[78, qr/\Q$data is in the way/, $data],
	[78, qr/\Q$data is in the way/, -control => $data, $sock],
	[78, qr/no such user or group: nosuchuser/, -user => 'nosuchuser',
	    $sock],
	[78, qr/pid file \Q$nowhere: /, -pidfile => $nowhere, $sock],
);
for (@wrong) {
	my ($want, $pattern, @args) = @$_;
	my $begin = time;
	my ($status, $out, $err) = run(program('spfmilter'), '-nodaemon',
	    @args);
	my $took = time - $begin;
	my @said = complaints($err);
	my $about = substr "@args", 0, 60;
	ok $status == $want && @said == 1 && $out eq '' && !-e $sock &&
	    $said[0] =~ /^spfmilter: / && $said[0] =~ $pattern &&
	    $took < slow, "$want: $about" =~ s/[^ -~]/?/gr or
	    diag "status $status after $took s: $out$err";
}

# What may be as it is at the limits, and what -check does.
$tested{check} = 1;
for ([], [-deadline => 1], [-deadline => '1m'], [-cache => 65536],
    [-rejectmessage => '%%'], [-explanation => '%%%_%-%{i}%{t}'],
    [-authservid => 'x'], [-guess => 'x' x 900 . '=1'],
    [-guess => 'v=spf1'], [-localpolicy => 'V=SPF1 -ALL'],
    [-fail => 'reject', -action => 'reject'], [-dryrun => -fail => 'none'],
    [-temperror => 'tempfail'], [-temperror => 'quarantine'],
    [-nameserver => '2001:db8::1', -nameserver => '[2001:db8::1]:5353',
    -nameserver => '[2001:db8::2]', -nameserver => '192.0.2.1:65535'],
    [map { (-nameserver => "192.0.2.$_") } 1 .. 8],
    [-hint => $nowhere], [-fallback => $list, -fallback => $list], [$sock]) {
	my ($status, $out, $err) = run(program('spfmilter'), '-check', @$_);
	is "$status " . join('', complaints($err)), '0 ', "may be: " .
	    substr "@$_", 0, 60;
}
for (map({ [64, qr/^spfmilter: $_: .*v=spf/, $_ => 'v=spf2 -all'] } '-guess',
    '-localpolicy'), [78, qr/\Q$bad\E:2: /, -fallback => $bad],
    [64, qr/-guess: /, -guess =>
    'x'], [78, qr/\Q$nowhere: /, -whitelist => $nowhere]) {
	my ($want, $pattern, @args) = @$_;
	my ($status, $out, $err) = run(program('spfmilter'), '-check', @args);
	is $status, $want, "-check @args";
	like join("\n", complaints($err)), $pattern, "-check @args: is said";
}
ok !-e $sock, '-check: makes nothing';

# --- what is asked of the MTA, and nothing more

for (
	# options, macros at CONNECT and MAIL
	[[], '', 'i j {auth_authen} {verify}'],
	[['-scanauth'], '', 'i j'],
	[[-whitelist => file('names', ".friend.example\n")],
	    '{client_resolve}', 'i j {auth_authen} {verify}'],
) {
	my ($options, $connect, $mail) = @$_;
	my $m = Milter->new(spf(@$options)->socket);
	is $m->commands, 'chM--l---', "commands asked for: @$options";
	is $m->{actions} & 0xff, 0x11, "actions asked for: @$options";
	is_deeply [@{ $m->{wanted} }{0 .. 6}], [$connect, '', $mail, '', '',
	    '', ''], "macros asked for: @$options" or
	    diag explain $m->{wanted};
	$m->quit;
}

# An old MTA has less to offer, and gets its answers nevertheless.
for my $steps (0x7f, 0) {
	my $d = spf('-helo');
	my %old = (version => 2, actions => 0x3f, steps => $steps);
	my $r = mail($d, %old, @forged);
	is $r->{said}, 'mailfrom=pass helo=none', "old MTA, steps $steps";
	is join(' ', map { $_->[0] } @{ $r->{changes} }), 'm m i i i',
	    "old MTA, steps $steps: the changes";
	is mail($d, %old, @fail)->{said}, 'mail 550 5.7.23',
	    "old MTA, steps $steps: refused";
	is_idle $d, "old MTA, steps $steps";
}

# --- and now time has passed

{
	for (sort keys %watched) {
		file("watched$_", $watched{$_}[1]);
	}
	is said($watches, 'old.example'), 'mail 550 5.7.23',
	    '-autoupdate: before';
	eventually { $watches->stat('reloads_total') > 0 } 20;
	is said($watches, 'new.example'), 'mail 550 5.7.23',
	    '-autoupdate: -fallback';
	is said($watches, 'old.example'), 'mailfrom=none',
	    '-autoupdate: and the old one is forgotten';
	is mail($watches, client => '198.51.100.1')->{said}, 'mail a',
	    '-autoupdate: -whitelist';
	is said($watches, 'pass.example', client => '203.0.113.1'),
	    'mail 550 5.7.23', '-autoupdate: and the old one, too';
	$tested{autoupdate} = 1;
}
{
	my $left = $hung_since + 10.2 - time;
	sleep $left if $left > 0;
	is said($hangs, 'pass.example'), 'mailfrom=pass',
	    '-hint: ten seconds later';
	is scalar(heard($hung_heard)), 2, '-hint: it is asked again';
	is $hangs->stat('hints_failed_total'), 2, '-hint: and counted';
	# On a slow machine a minute may have passed since then.
	is scalar($hangs->lines(qr/cannot hint: /)),
	    time - $hung_since < 60 ? 1 : 2, '-hint: but logged once a minute';
}

# --- and none is left out

my ($status, $help) = run(program('spfmilter'), '-help');
my @options = $help =~ /^  -(\w+)/mg;
cmp_ok scalar(@options), '>', 35, 'there are options';
is join(' ', grep { !$tested{$_} } @options), '', 'every option has a test';
my %there = map { $_ => 1 } @options;
is join(' ', grep { !$there{$_} } sort keys %tested), '',
    'and every test an option';
for my $file (sort keys %elsewhere) {
	open my $f, '<', "tests/protocol/$file" or die "$file: $!";
	my $text = join '', <$f>;
	is join(' ', grep { $text !~ /-$_\b/ } @{ $elsewhere{$file} }), '',
	    "$file has its share";
}

done_testing;
