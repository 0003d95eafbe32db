# Sessions as no honest MTA has them, and what stays of one for the next.
use strict;
use warnings;
use IO::Select;
use Test::More;

use Daemon;
use Milter;
use Odd;

my $header = 'X-IP-Blacklisted';
my $list = file('bad', "192.0.2.0/24\n2001:db8:bad::/48\n");
my @black = (-blacklist => $list);

sub verdict_on {
	my ($d, @rest) = @_;
	return Milter->session($d->socket, @rest);
}

# What a filter that was left alone shows.
sub quiet {
	my ($d, $what) = @_;
	eventually { ($d->stat('sessions') // 1) == 0 } 10;
	is $d->stat('sessions'), 0, "$what: no session is left";
	is verdict_on($d, '192.0.2.1')->{reply}, 'y',
	    "$what: and it answers" unless $d->{no_answer};
}

# --- A11: hostile bytes and sizes everywhere

{
	my $d = Daemon->start(@black, -at => 'rcpt');
	for (@hostile) {
		my ($what, $text) = @$_;
		my $before = () = $d->lines(qr/./);
		my $r = verdict_on($d, '192.0.2.1',
		    host => $text, helo => $text, from => "<$text>",
		    to => ["<$text>"], macros => { M => [i => $text],
		    C => ['{client_resolve}' => $text] });
		is $r->{at}, 'rcpt', "A11: $what: judged";
		my @said = $d->lines(qr/./);
		splice @said, 0, $before;
		ok @said == 1 && $said[0] =~ /^verdict=reject\ by=blacklist
		    \ list=\S+\ client=192\.0\.2\.1(\ host=\S*)?(\ helo=\S+)?
		    \ from=\S+\ to=\S+\ qid=\S*\ us=\d+$/x &&
		    length $said[0] <= 1000, "A11: $what: one line" or
		    diag @said;
	}
	clean_log $d, 'A11';
	quiet $d, 'A11';
}

{
	my $d = Daemon->start(@black, '-markonly');
	for (@hostile) {
		my ($what, $text) = @$_;
		my $r = verdict_on($d, '192.0.2.1',
		    headers => [[$text eq '' ? 'X' : $text, 'value'],
		    ['Subject', $text], ["\n$header", 'x'], [$header . $text, 'x']]);
		my @added = grep { $_->[0] eq 'h' } @{ $r->{changes} };
		is_deeply \@added, [[h => $header, 'bad']],
		    "A11: $what in headers: marked";
		is scalar(@{ $r->{changes} }), $text eq '' ? 2 : 1,
		    "A11: $what in headers: no other header is touched";
	}

	# More than the library takes in one packet ends the session.
	my $big = 'x' x 100_000;
	for my $step (qw(host helo from to headers)) {
		my %with = ($step => $step eq 'to' ? ["<$big>"] :
		    $step eq 'headers' ? [['Subject', $big]] : $big);
		my $r = verdict_on($d, '192.0.2.1', %with);
		like $r->{reply}, qr/^(c|closed)$/, "A11: 100 kB in $step";
	}
	clean_log $d, 'A11: headers';
	$d->{no_answer} = 1;
	quiet $d, 'A11: headers';
}

# --- A12, A13: the texts we send are always one clean line

{
	my $name = "l%i\r\n\e\x{e9}250 ok";
	my $odd = file($name, "192.0.2.1\n");
	my $clean = 'l%i????250 ok';
	my $double = 'l%%i????250 ok';
	my @texts = (
		# -rejectmessage, what the MTA is sent
		['no', 'no'],
		["go\r\n250 ok\r\n", 'go??250 ok??'],
		["\e[2Jz\x80\xff\x7f", '?[2Jz???'],
		['100%% of %i', '100%% of 192.0.2.1'],
		['%%i %%%% %%%i', '%%i %%%% %%192.0.2.1'],
		['%l', $double],
		['x' x 2000, 'x' x 489],
		['%%' x 1000, '%%' x 244],
		['%l' x 300, substr($double x 300, 0, 489)],
		[' ', ' '],
	);
	for (@texts) {
		my ($message, $want) = @$_;
		my $d = Daemon->start(-blacklist => $odd,
		    -rejectmessage => $message);
		my $r = verdict_on($d, '192.0.2.1');
		my $text = $r->{text} // '';
		# Half of a doubled % may not be left at the end.
		$want =~ s/(?<!%)((?:%%)*)%\z/$1/ if length $want == 489;
		is $text, "554 5.7.1 $want", 'A12: ' .
		    substr($message, 0, 20) =~ s/[^ -~]/?/gr;
		cmp_ok length $text, '<=', 510, 'A12: fits a reply line';
	}
	my $d = Daemon->start(-blacklist => $odd, '-markonly');
	my $r = verdict_on($d, '192.0.2.1');
	is_deeply $r->{changes}, [[h => $header, $clean]],
	    'A13: one header more, and in it no line end';
	my $q = Daemon->start(-blacklist => $odd, -action => 'quarantine');
	$r = verdict_on($q, '192.0.2.1');
	is_deeply $r->{changes}, [[q => "blackmilter: $clean"]],
	    'A13: a quarantine reason, too';
	my $long = file('x' x 250, "192.0.2.1\n");
	my $l = Daemon->start(-blacklist => $long, '-markonly');
	$r = verdict_on($l, '192.0.2.1');
	cmp_ok length "$header: $r->{changes}[0][2]", '<', 998,
	    'A13: a long name';

	# What was reported comes from a program, and so from anywhere.
	mkdir folder . '/db';
	my $s = Daemon->start(-db => folder . '/db');
	is $s->tell("report 192.0.2.1 60 \e%i\x{ff}%"), 'ok', 'A12: a reason';
	is verdict_on($s, '192.0.2.1')->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see ?%%i?%%',
	    'A12: and the reply';
	is_deeply [$s->tell('list')], ['ok', '192.0.2.1 report ' .
	    (($s->tell('list'))[1] =~ /report (\d+) /)[0] . ' ?%i?%'],
	    'A12: and the list';
	clean_log $_, 'A12' for $d, $q, $l, $s;
}

# --- A14: forged copies of our header

{
	my $d = Daemon->start(@black, '-markonly');
	my @headers = (
		['Received', 'from x'], [$header, 'forged'],
		['X-IP-Blacklisted-Not', 'kept'], [lc $header, 'forged'],
		['Subject', $header], ['X-IP-Blackliste', 'kept'],
		[uc $header, ''], ['X-Other', 'kept'],
	);
	my @deleted = map { [m => $_, $header, ''] } 3, 2, 1;
	my $r = verdict_on($d, '192.0.2.1', headers => \@headers);
	is_deeply $r->{changes}, [@deleted, [h => $header, 'bad']],
	    'A14: the three, from the last to the first, then ours';
	is $r->{reply}, 'c', 'A14: and the message goes on';
	$r = verdict_on($d, '198.51.100.1',
	    headers => \@headers);
	is_deeply $r->{changes}, \@deleted,
	    'A14: from a client that is not listed, too';
	is $d->stat('forged_headers_total'), 6, 'A14: counted';
	my $n = Daemon->start(@black, -action => 'quarantine');
	$r = verdict_on($n, '192.0.2.1', headers => \@headers);
	is_deeply $r->{changes}, [[q => 'blackmilter: bad']],
	    'A14: other actions leave all headers alone';
}

# --- A15: out of order

for my $option ([-at => 'rcpt'], ['-markonly']) {
	my $d = Daemon->start(@black, @$option);
	play_odd($d);
	ok !$d->gone, "A15: @$option: it lives" or diag $d->log;
	next if $d->gone;
	$d->{no_answer} = 1 if $option->[0] eq '-markonly';
	quiet $d, "A15: @$option";
	clean_log $d, "A15: @$option";
}

{
	my $d = Daemon->start(@black, -at => 'helo');
	my $m = Milter->new($d->socket);
	is $m->connect('192.0.2.1')->{reply}, 'c', 'A15: listed';
	is $m->helo("h$_")->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see bad',
	    "A15: HELO number $_" for 1 .. 5;
	is $m->mail('<a>')->{reply}, 'y', 'A15: and MAIL';
	is scalar($d->lines(qr/^verdict=/)), 1, 'A15: logged once';
	is $d->stat('verdicts_total{verdict="reject",by="blacklist"}'), 1,
	    'A15: and counted once';
	$m->quit;

	$m = Milter->new($d->socket);
	$m->connect('192.0.2.1');
	is $m->mail('<a>')->{text},
	    '554 5.7.1 mail from 192.0.2.1 is refused, see bad',
	    'A15: without HELO it is refused at MAIL';
	$m->quit;
	quiet $d, 'A15: HELO';
}

# --- A16: two messages, and RSET

{
	my $d = Daemon->start(@black, -at => 'rcpt');
	my $m = Milter->new($d->socket);
	$m->connect('192.0.2.1');
	$m->helo('client.example');
	$m->macro(M => i => 'first');
	$m->mail('<one@client.example>');
	is $m->rcpt('<postmaster@example.test>')->{reply}, 'c',
	    'A16: postmaster';
	$m->abort;
	$m->macro(M => i => 'second');
	$m->mail('<two@client.example>');
	is $m->rcpt('<alice@example.test>')->{reply}, 'y',
	    'A16: another recipient after RSET';
	my @said = $d->lines(qr/^verdict=/);
	is scalar(@said), 1, 'A16: one line';
	like $said[0], qr/ from=<two\@client\.example>
	    \ to=<alice\@example\.test>\ qid=second /x, 'A16: of the second';
	is $m->eom->{reply}, 'c', 'A16: its end';
	is scalar($d->lines(qr/role/)), 0, 'A16: the first is forgotten';

	$m->mail('<three@client.example>');
	is $m->rcpt('<abuse@example.test>')->{reply}, 'c', 'A16: abuse';
	is $m->rcpt('<bob@example.test>')->{reply}, 'y', 'A16: and bob';
	is $m->eom->{reply}, 'c', 'A16: delivered to abuse';
	@said = $d->lines(qr/by=role/);
	is scalar(@said), 1, 'A16: passed for its role, in one line';
	like $said[0], qr/^verdict=pass /, 'A16: as a pass';
	like $said[0], qr/ to=<abuse\@example\.test> /,
	    'A16: bug_role_names_the_refused';
	$m->mail('<four@client.example>');
	is $m->rcpt('<carol@example.test>')->{reply}, 'y', 'A16: the next';
	$m->eom;
	is scalar($d->lines(qr/by=role/)), 1, 'A16: has no role';
	$m->quit;

	# AUTH counts for the message it came with.
	$m = Milter->new($d->socket);
	$m->connect('192.0.2.1');
	$m->helo('client.example');
	$m->macro(M => '{auth_authen}' => 'joe');
	is $m->mail('<joe@client.example>')->{reply}, 'a', 'A16: AUTH';
	$m->macro(M => i => 'q');
	$m->abort;
	is $m->mail('<joe@client.example>')->{reply}, 'c', 'A16: no AUTH';
	is $m->rcpt('<alice@example.test>')->{reply}, 'y', 'A16: refused';
	$m->quit;
	quiet $d, 'A16';
}

{
	my $d = Daemon->start(@black, '-markonly');
	my $m = Milter->new($d->socket);
	my $message = sub {
		my ($end, @headers) = @_;
		$m->mail('<a>');
		$m->rcpt('<b>');
		$m->header(@$_) for @headers;
		return $end ? $m->eom->{changes} : $m->abort;
	};
	$m->connect('192.0.2.1');
	$m->helo('client.example');
	my $forged = [$header => 'x'];
	my $ours = [h => $header, 'bad'];
	$message->(0, $forged, $forged);
	is_deeply $message->(1), [$ours],
	    'A16: headers before RSET are forgotten';
	is_deeply $message->(1, $forged), [[m => 1, $header, ''], $ours],
	    'A16: headers of the second message';
	is_deeply $message->(1), [$ours], 'A16: and of the third';
	$m->quit;
	is $d->stat('forged_headers_total'), 1, 'A16: counted';
}

# --- A24: limits

{
	my $d = Daemon->start(@black, -at => 'rcpt');
	my $m = Milter->new($d->socket);
	$m->connect('192.0.2.1');
	$m->helo('client.example');
	$m->mail('<a>');
	my $roles = grep { $m->rcpt("<abuse\@h$_.test>")->{reply} eq 'c' }
	    1 .. 10_000 / ($ENV{WATCH} ? 10 : 1);
	is $roles, 10_000 / ($ENV{WATCH} ? 10 : 1), 'A24: recipients';
	is $m->eom->{reply}, 'c', 'A24: and their message';
	$m->quit;

	my $mark = Daemon->start(@black, '-markonly');
	$m = Milter->new($mark->socket);
	$m->connect('192.0.2.1');
	$m->helo('client.example');
	$m->mail('<a>');
	$m->rcpt("<u$_\@example.test>") for 1 .. 10_000;
	$m->header("X-$_", 'x') for 1 .. 10_000;
	is_deeply $m->eom->{changes}, [[h => $header, 'bad']],
	    'A24: 10,000 recipients and headers';
	$m->mail('<a>');
	$m->rcpt('<b>');
	$m->header($header, 'x') for 1 .. 10_000;
	my $r = $m->eom;
	is_deeply $r->{changes}, [map({ [m => $_, $header, ''] }
	    reverse 1 .. 1000), [h => $header, 'bad']],
	    'A24: a thousand forged headers are removed';
	is scalar(grep { $_->[0] eq 'h' } @{ $r->{changes} }), 1,
	    'A24: and one is added';
	$m->mail('<a>');
	$m->rcpt('<b>');
	$m->send(L => "Subject\0" . 'x' x (1 << 21) . "\0");
	is $m->eom->{reply}, 'closed', 'A24: a header of 2 MB ends the session';
	$m->quit;
	$mark->{no_answer} = 1;
	quiet $mark, 'A24';
	is scalar(@{ verdict_on($mark, '192.0.2.1')->{changes} }), 1,
	    'A24: and it answers';
}

done_testing;
