# bccmilter behind a real sendmail, which is configured by its .m4 line: what is
# delivered, and that nobody reads there who else got it.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;
use Smtp;

Mta::enter;

mkdir '/run/bccmilter', 0755;
my $client = '192.0.2.7';

# Mail of our users for the rest of the world stays here, too.
my $mta = Mta->start({ users => { joe => 'secret' } },
    'bccmilter/bccmilter.m4',
    file('outside.m4', "define(`SMART_HOST', `local:outside')dnl\n"));
my @auth = (auth => ['joe@mx.example.test', 'secret']);
my $bcc;

# sendmail looks aliases up when the filters have answered.
Mta::write_file("$Mta::dir/etc/aliases", "sales: eve\n");
$mta->run_sendmail('-bi');

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$bcc->retire if $bcc && !$bcc->gone;
	$bcc = Daemon->start({ name => 'bccmilter',
	    socket => 'unix:/run/bccmilter/bccmilter.sock' }, '-debug',
	    @options);
	$mta->forget;
}

# A message with this in its header; recipients without a domain are ours.
# %with is Smtp's; on: a client that is connected; from: another address.
sub letter {
	my ($header, $rcpt, %with) = @_;
	my $c = $with{on} // Smtp->new(from => $with{from} // $client);
	return $c->send(message => message($header),
	    rcpt => [map { /@/ ? $_ : "$_\@example.test" } @$rcpt], %with);
}

sub message {
	my ($header) = @_;
	return "From: joe\@client.example\n${header}Subject: test\n" .
	    "Date: Mon, 1 Jun 2026 12:00:00 +0000\n" .
	    "Message-ID: <one\@client.example>\n\nhello\n";
}

# What was delivered since the last look: recipient => the whole mail.
sub delivered {
	my %mail = map { /^Envelope: <.*> <(.*)>$/m ? ($1 => $_) : () }
	    $mta->mails;
	$mta->forget;
	return %mail;
}

sub nothing_delivered {
	my %mail = delivered;
	is_deeply [%mail], [], shift // 'and nothing is delivered';
}

# The fields of a mail that have our name, and if it is at the end.
sub marks {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	return map { s/\z/$head =~ m{\Q$_\E\z} ? ', at the end' : ''/er }
	    $head =~ /^(x-bcc-check:.*)$/mig;
}

# No mail but his own has the name of somebody hidden in it, nor has the reply.
sub is_secret {
	my ($hidden, $r, $mail, $what) = @_;
	my @told;
	for my $name (@$hidden) {
		push @told, map { "$_ reads of $name" }
		    grep { $_ ne $name && $mail->{$_} =~ /\b\Q$name\E\b/i }
		    keys %$mail;
		push @told, "the reply has $name" if
		    "@{ $r->{lines} }" =~ /\b\Q$name\E\b/i;
	}
	is_deeply \@told, [], "$what: nobody hears of the hidden";
}

# The word of the verdict that came last.
sub last_word {
	my ($line) = reverse $bcc->lines(qr/^verdict=/);
	return ($line // '') =~ /^verdict=(\w+ by=\S+)/ ? $1 : 'none at all';
}

# Does sendmail log this?
sub logged {
	my ($pattern) = @_;
	return eventually { scalar $mta->lines($pattern) } 10;
}

# Rows of what it is, what it has in its header, whom it goes to, and the word
# that is expected; a word in capitals is one of those that are marked.  Those
# whose names begin with "eve" are the hidden.
sub try_letters {
	my (@rows) = @_;
	for (@rows) {
		my ($what, $header, $rcpt, $word, %with) = @$_;
		my $acts = $word =~ tr/A-Z/a-z/;
		my $r = letter($header, $rcpt, %with);
		is $r->{at}, 'eom', "$what: taken" or diag $r->{text};
		is last_word, ($acts ? 'mark' : 'pass') . " by=$word", $what;
		my %mail = delivered;
		is_deeply [sort keys %mail], [sort @{ $with{gets} // $rcpt }],
		    "$what: delivered to all";
		is_deeply [marks($mail{$_})], $acts ?
		    ["X-Bcc-Check: $word, at the end"] : [],
		    "$what: the header of $_" for sort keys %mail;
		is_secret([grep { /^eve/ } @$rcpt], $r, \%mail, $what);
	}
}

my $to_ann = "To: Ann <ann\@far.example>\n";
my $to_alice = "To: Alice <alice\@example.test>\n";
my $nobody = "To: undisclosed-recipients:;\n";
my $list = "To: talk\@lists.example\n";

subtest 'who is shown' => sub {
	daemon();
	try_letters(
	    ['in To', $to_alice, ['alice'], 'open'],
	    ['in Cc', "${to_ann}Cc: alice\@example.test\n", ['alice'], 'open'],
	    ['in the second To', $to_ann . $to_alice, ['alice'], 'open'],
	    ['in a blind copy', $to_ann, ['eve'], 'NONE-LISTED'],
	    ['in Bcc', "${to_ann}Bcc: eve\@example.test\n", ['eve'],
		'NONE-LISTED'],
	    ['undisclosed', $nobody, ['eve'], 'NO-RECIPIENTS'],
	    ['an empty group', "To: Friends: ;\nCc:\n", ['eve'],
		'NO-RECIPIENTS'],
	    ['a group', "To: Friends: bob\@example.test,\n alice\@example." .
		"test;\n", ['alice'], 'open'],
	    ['no To at all', '', ['eve'], 'NO-RECIPIENTS'],
	    ['an empty To', "To: \n", ['eve'], 'NO-RECIPIENTS'],
	    ['one of two is hidden', $to_alice, ['alice', 'eve'], 'open'],
	    ['so is the first of them', $to_alice, ['eve', 'alice'], 'open'],
	    ['all of many', $nobody, ['alice', map { "eve$_" } 1 .. 9],
		'NO-RECIPIENTS'],
	    ['nobody is judged', $nobody, ['postmaster', 'abuse'], 'nobody'],
	    ['detail in RCPT', $to_alice, ['alice+news'], 'open',
		gets => ['alice']],
	    ['detail in To', "To: alice+list\@example.test\n", ['alice'],
		'open'],
	    ['capitals', "to: ALICE\@Example.TEST\n", ['alice'], 'open'],
	    ['no domain', "To: alice\n", ['alice'], 'open'],
	    ['another domain', "To: eve\@example.net\n", ['eve'],
		'NONE-LISTED'],
	    ["our MTA's alias, as it was named", "To: sales\@example.test\n",
		['sales'], 'open', gets => ['eve']],
	    ['not whom it leads to', "To: eve\@example.test\n", ['sales'],
		'NONE-LISTED', gets => ['eve']],
	    ['who is refused, is not asked about', "To: x\@far.example\n",
		['x@far.example', 'eve'], 'NONE-LISTED', gets => ['eve']],
	    ['To in the body', '', ['eve'], 'NONE-LISTED',
		message => message($to_ann) . "To: eve\@example.test\n"]);
	ok logged(qr/check_rcpt, arg1=<x\@far\.example>.* reject=550 /),
	    'it was sendmail that refused one';
};

subtest 'how it is written' => sub {
	try_letters(
	    ['folded', "To: \"Ann,\n\t A.\" <ann\@far.example>,\n" .
		"\tAlice\n  <alice\@example.test>\n", ['alice'], 'open'],
	    ['folded in the middle', "To: <alice\n @\n example.test>\n",
		['alice'], 'open'],
	    ['folded behind the colon', "To:\n alice\@example.test\n",
		['alice'], 'open'],
	    ['folded, hidden', "To: \"Ann,\n\t A.\"\n <ann\@far.example>\n",
		['eve'], 'NONE-LISTED'],
	    ['Latin 1', "To: J\xf6rg \xc4 <alice\@example.test>\n", ['alice'],
		'open'],
	    ['Latin 1, hidden', "To: \"J\xf6rg\" <ann\@far.example>\n",
		['eve'], 'NONE-LISTED'],
	    ['UTF-8', "To: J\xc3\xb6rg <alice\@example.test>\n", ['alice'],
		'open'],
	    ['UTF-8, hidden', "To: \"J\xc3\xb6rg \xe2\x82\xac\" <ann\@far." .
		"example>\n", ['eve'], 'NONE-LISTED'],
	    ['a UTF-8 address', "To: j\xc3\xb6rg\@example.test\n",
		["j\xc3\xb6rg"], 'open'],
	    ['another?', "To: j\xc3\xb6rg\@example.test\n", ["j\xc3\xa4rg"],
		'unknown'],
	    ['RFC 2047', "To: =?utf-8?Q?J=C3=B6rg=2C?= <alice\@example." .
		"test>\n", ['alice'], 'open'],
	    ['a quoted comma', "To: \"alice, bob\" <ann\@far.example>,\n " .
		"\"a\\\"b\" <alice\@example.test>\n", ['alice'], 'open'],
	    ['a comment', "To: alice\@example.test (Alice (of us))\n",
		['alice'], 'open'],
	    ['a route', "To: <\@far.example:alice\@example.test>\n", ['alice'],
		'open'],
	    ['a quoted local part', "To: \"alice\"\@example.test\n", ['alice'],
		'open'],
	    ['only in a name', "To: \"bob\@example.test\" <ann\@far.example" .
		">\n", ['bob'], 'NONE-LISTED'],
	    ['only in a comment', "To: ann\@far.example (bob\@example.test)\n",
		['bob'], 'NONE-LISTED'],
	    ['no end', "To: \"Ann <ann\@far.example>\n", ['bob'], 'unknown']);
	unlike join('', map { @{ $_->{lines} } }
	    Smtp->new->cmd('EHLO client.example')), qr/SMTPUTF8/,
	    'this sendmail knows no SMTPUTF8';
};

subtest 'hidden for good reasons' => sub {
	try_letters(
	    ['a mailing list', "${list}List-Id: Talk <talk.lists.example>\n",
		['eve'], 'list'],
	    ['one with List-Post', "${list}List-Post: <mailto:talk\@lists." .
		"example>\n", ['eve'], 'list'],
	    ['only List-Unsubscribe', "${list}List-Unsubscribe: <mailto:x\@" .
		"lists.example>\n", ['eve'], 'NONE-LISTED'],
	    ['a null sender', $nobody, ['eve'], 'bounce', mail => ''],
	    ['an answer of a program', "${to_ann}Auto-Submitted: auto-" .
		"replied\n", ['eve'], 'automatic'],
	    ['not one', "${to_ann}Auto-Submitted: no\n", ['eve'],
		'NONE-LISTED'],
	    ['resent to him', "Resent-From: bob\@far.example\nResent-To: " .
		"alice\@example.test\n$to_ann", ['alice'], 'open'],
	    ['resent to others', "Resent-From: bob\@far.example\nResent-To: " .
		"bob\@example.test\n$to_ann", ['eve'], 'resent'],
	    ['this machine', $nobody, ['eve'], 'loopback',
		from => '127.0.0.1'],
	    ['our user', $nobody, ['eve'], 'auth', @auth]);
	my $c = Smtp->of_program(Mta::tool('sendmail'), '-C',
	    "$Mta::dir/sendmail.cf", '-bs');
	try_letters(['a user of this machine', $nobody, ['eve'], 'local',
	    on => $c, mail => 'root@example.test']);
	$c->quit;
};

subtest 'the policy any' => sub {
	daemon('-policy' => 'any');
	try_letters(
	    ['both are in To', "To: alice\@example.test, bob\@example.test\n",
		['alice', 'bob'], 'open'],
	    ['one in Cc', "${to_alice}Cc: bob\@example.test\n",
		['bob', 'alice'], 'open'],
	    ['one of two is hidden', $to_alice, ['alice', 'eve'],
		'SOME-LISTED'],
	    ['so is the first of them', $to_alice, ['eve', 'alice'],
		'SOME-LISTED'],
	    ['it says Bcc', "${to_alice}Bcc: eve\@example.test\n",
		['alice', 'eve'], 'SOME-LISTED'],
	    ['two of three', $to_alice, ['eve1', 'alice', 'eve2'],
		'SOME-LISTED'],
	    ['both are', $to_ann, ['eve1', 'eve2'], 'NONE-LISTED'],
	    ['there is nobody', $nobody, ['eve1', 'eve2'], 'NO-RECIPIENTS'],
	    ['the hidden is not judged', $to_alice, ['alice', 'postmaster'],
		'open'],
	    ['the same named twice', $to_alice, ['alice', 'Alice+x'],
		'open', gets => ['alice']],
	    ['a mailing list', $to_alice . "List-Id: <talk.lists.example>\n",
		['alice', 'eve'], 'list']);
};

subtest 'list files' => sub {
	my @options = (
	    -alias => file('alias', "joe\@far.example alice\@example.test " .
		"bob\@example.test\n\@far.example \@example.test\n"),
	    -senders => file('senders', "news\@client.example\n"),
	    -recipients => file('recipients', "carol\@example.test\n"),
	    -whitelist => file('whitelist', "203.0.113.7\n"),
	    -lists => file('lists', "talk.lists.example\n"));
	daemon(@options);
	my @rows = (
	    ['an alias', "To: joe\@far.example\n", ['alice'], 'open'],
	    ['a domain for another', "Cc: Dave <DAVE\@far.example>\n",
		['dave'], 'open'],
	    ['the alias of others', "To: joe\@far.example\n", ['eve'],
		'NONE-LISTED'],
	    ['a sender', $nobody, ['eve'], 'sender',
		mail => 'news@client.example'],
	    ['a recipient', $nobody, ['carol'], 'nobody'],
	    ['and another', $nobody, ['carol', 'eve'], 'NO-RECIPIENTS'],
	    ['a client', $nobody, ['eve'], 'whitelist',
		from => '203.0.113.7'],
	    ['a list of ours', "${list}List-Id: <talk.lists.example>\n",
		['eve'], 'list'],
	    ['another list', "${list}List-Id: <talk.spam.example>\n", ['eve'],
		'NONE-LISTED']);
	try_letters(@rows);
	daemon(@options, -policy => 'any');
	try_letters(@rows[0 .. 2],
	    ['one alias for two', "To: joe\@far.example\n", ['alice', 'bob'],
		'open'],
	    ['one too few', "To: joe\@far.example\n",
		['alice', 'bob', 'eve'], 'SOME-LISTED']);
};

subtest 'our users' => sub {
	daemon('-scanauth');
	try_letters(
	    ['a blind copy of theirs', $to_ann, ['eve'], 'NONE-LISTED', @auth],
	    ['no blind copy', $to_alice, ['alice'], 'open', @auth]);
	my @far = (@auth, gets => ['outside']);
	try_letters(['to the world', $nobody, ['x@far.example'],
	    'NO-RECIPIENTS', @far]);
	daemon('-scanauth', -local => file('local', "\@example.test\n"));
	try_letters(
	    ['to the world, which is not -local', $nobody,
		['x@far.example'], 'nobody', @far],
	    ['to both', $to_alice, ['alice', 'eve@far.example'], 'open',
		@auth, gets => ['alice', 'outside']],
	    ['to us', $to_ann, ['eve'], 'NONE-LISTED', @auth]);
	daemon('-policy' => 'any');
	try_letters(['they are spared', $to_alice, ['alice', 'eve'], 'auth',
	    @auth]);
};

# Fields of somebody who would like them to be ours; ">" marks those that stay.
my $forged = <<'EOF';
X-Bcc-Check: open
>X-Bcc-Check-By: another filter
x-bcc-check: none-listed
>To: alice@example.test
X-BCC-CHECK: folded
	twice
>X-Bcc: check
X-Bcc-Check: none-listed
EOF
my $left = join '', map { /^>(.*\n)/s } split /^/, $forged;
$forged =~ s/^>//mg;

# What a mail has in its header of that.
sub forgeries {
	my ($mail) = @_;
	my ($head) = split /^Subject:/m, $mail // 'nothing';
	return join '', $head =~ /^((?:x-bcc|to:).*\n(?:[ \t].*\n)*)/mig;
}

subtest 'forged fields' => sub {
	daemon(-senders => file('senders', "news\@client.example\n"));
	for ([[], 'open', $left], [[mail => ''], 'bounce', $forged],
	    [[mail => 'news@client.example'], 'sender', $forged],
	    [\@auth, 'auth', $forged]) {
		my ($with, $word, $kept) = @$_;
		letter($forged, ['alice'], @$with);
		is last_word, "pass by=$word", "it passes: $word";
		my %mail = delivered;
		is forgeries($mail{alice}), $kept, $kept eq $left ?
		    'theirs are gone' : 'and is not touched';
	}
	is $bcc->stat('forged_headers_total'), 4, 'they are counted';
	letter($forged, ['bob']);
	my %mail = delivered;
	# sendmail puts a field in the place of one of its name that is gone.
	is forgeries($mail{bob}), "X-Bcc-Check: none-listed\n$left",
	    'theirs are gone, and one is ours';
	daemon('-dryrun');
	letter($forged, ['eve']);
	is last_word, 'none by=none-listed', '-dryrun says what it would do';
	%mail = delivered;
	is forgeries($mail{eve}), $forged, 'and does nothing';
};

# Refused at the end of the message, with this text and no other.
sub is_refused {
	my ($text, $header, $rcpt, %with) = @_;
	my $r = letter($header, $rcpt, %with);
	is "$r->{at}: @{ $r->{lines} }", "eom: $text", $text;
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [(250) x @$rcpt],
	    'after all recipients were taken';
	nothing_delivered;
	return $r;
}

subtest 'refuse' => sub {
	daemon('-action' => 'reject');
	is_refused('550 5.7.1 None of the recipients is in To or Cc', $to_ann,
	    ['eve', 'eve2']);
	is_refused('550 5.7.1 There is no recipient in To or Cc', $_, ['eve'])
	    for $nobody, '';
	my ($line) = $bcc->lines(qr/^verdict=/);
	like $line, qr/^verdict=reject\ by=none-listed\ shown=0\ hidden=2
	    \ client=$client\ from=<joe\@client\.example>
	    \ to=<eve\@example\.test>\ qid=\w{10,}\ us=\d+$/x,
	    'one line in our log';
	my ($qid) = $line =~ / qid=(\w+)/;
	ok logged(qr/ $qid: .*milter=bccmilter.*reject=550 5\.7\.1 None/),
	    'sendmail says of the same message who it was';
	letter($to_alice, ['alice', 'eve']);
	my %mail = delivered;
	is_deeply [sort keys %mail], ['alice', 'eve'], 'others are delivered';

	daemon('-policy' => 'any', '-action' => 'reject');
	is_refused('550 5.7.1 Not all of the recipients are in To or Cc',
	    $to_alice, ['alice', 'eve']);
	daemon('-action' => 'tempfail');
	is_refused('451 4.7.1 None of the recipients is in To or Cc', $to_ann,
	    ['eve']);
	like $mta->run_sendmail('-bp', '-qQ'), qr/queue is empty/,
	    'nor is anything kept in the quarantine';
	like $mta->run_sendmail('-bp'), qr/queue is empty/, 'or the queue';
};

subtest 'the text of a reply' => sub {
	daemon('-action' => 'reject', '-rejectmessage' =>
	    "100%% \xe4\r\n250 ok %l for %i, %q %%s");
	my $r = letter($to_ann, ['eve']);
	my ($qid) = map { / qid=(\S+)/ } $bcc->lines(qr/^verdict=/);
	is "@{ $r->{lines} }", '550 5.7.1 100% ???250 ok none-listed for ' .
	    "$client, $qid %s", 'is ours, cleaned, and one line';
	like $qid, qr/^\w{10,}$/, 'with the queue id';
	nothing_delivered;
};

subtest 'quarantine' => sub {
	daemon('-policy' => 'any', '-action' => 'quarantine');
	my $r = letter($to_alice, ['alice', 'eve']);
	like $r->{text}, qr/^250 2\.0\.0 /, 'it is taken';
	is_secret(['eve'], $r, {}, 'quarantine');
	nothing_delivered('but not delivered');
	like $mta->run_sendmail('-bp'), qr/queue is empty/,
	    'the queue does not show it';
	like $mta->run_sendmail('-bp', '-qQ'),
	    qr/QUARANTINE: bccmilter: some-listed\n.*Total requests: 1$/s,
	    'the quarantine does, and why';
	my ($qid) = map { /^verdict=quarantine .* qid=(\S+)/ }
	    $bcc->lines(qr/by=some-listed/);
	$mta->run_sendmail('-qQ', '-Q', "-qI$qid");
	$mta->run_sendmail("-qI$qid");
	ok +(eventually { scalar(my @mails = $mta->mails) == 2 } 10),
	    'let go by the id in our log it is delivered';
	my %mail = delivered;
	is_deeply [map { marks($_) } values %mail],
	    [('X-Bcc-Check: some-listed, at the end') x 2], 'and marked';
	is_secret(['eve'], $r, \%mail, 'let go');
};

subtest 'discard' => sub {
	daemon('-action' => 'discard');
	like letter($nobody, ['eve'])->{text}, qr/^250 2\.0\.0 /, 'taken';
	nothing_delivered;
	is last_word, 'discard by=no-recipients', 'but logged';
	like $mta->run_sendmail('-bp', @$_), qr/queue is empty/, 'nor kept'
	    for [], ['-qQ'];
	letter($to_alice, ['alice']);
	my %mail = delivered;
	is_deeply [keys %mail], ['alice'], 'others are delivered';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => $client);
	try_letters(
	    ['the first is marked', $nobody, ['eve'], 'NO-RECIPIENTS',
		on => $c],
	    ['the second is not', $to_alice, ['alice'], 'open', on => $c]);
	$c->cmd($_) for 'MAIL FROM:<left@client.example>',
	    'RCPT TO:<alice@example.test>', 'RSET';
	try_letters(
	    ['what was reset does not count', $to_alice, ['eve'],
		'NONE-LISTED', on => $c]);
	$c->cmd($_) for 'MAIL FROM:<left@client.example>',
	    'RCPT TO:<eve@example.test>';
	$c->quit;
	like +($bcc->lines(qr/by=none-listed/))[-1],
	    qr/ from=<joe\@client\.example> to=<eve\@example\.test> /,
	    'nor has its sender stayed';
	my @qid = map { / qid=(\S+)/ } $bcc->lines(qr/^verdict=/);
	is scalar(@qid), 3, 'each has a line';
	ok logged(qr/ $_: to=.*stat=Sent/), "with its queue id, $_"
	    for @qid;
	ok +(eventually { $bcc->stat('sessions') == 0 } 5), 'it ends';
};

# All that is delivered, as it is.
sub passes {
	my ($r, $what) = @_;
	is $r->{at}, 'eom', $what;
	my %mail = delivered;
	is_deeply [map { ($_, marks($mail{$_})) } keys %mail], ['eve'],
	    'as it is';
}

subtest 'down' => sub {
	daemon('-action' => 'reject');
	my $c = Smtp->new(from => $client);
	$bcc->crash;
	passes(letter($nobody, ['eve'], on => $c),
	    'it dies in the middle: with F= mail passes');
	passes(letter($nobody, ['eve']), 'so it does while it is down');
	daemon('-action' => 'reject');
	is letter($nobody, ['eve'])->{code}, 550, 'back it refuses again';
	is $bcc->stop, 0, 'SIGTERM ends it';
};

done_testing;
