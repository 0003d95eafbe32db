# bccmilter behind a real Postfix: what is the same, and what is not.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;
use Postfix;
use Smtp;

plan skip_all => Postfix::missing() if Postfix::missing();
Mta::enter;

my $client = '192.0.2.7';
my $proxy = '192.0.2.8';	# may say whom it speaks for
my $socket = '/run/bccmilter.sock';
my $bcc;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$bcc->retire if $bcc && !$bcc->gone;
	$bcc = Daemon->start({ name => 'bccmilter',
	    socket => "unix:$socket" }, '-socketmode' => '0666', '-debug',
	    @options);
	Postfix->forget;
}

daemon();
my $postfix = Postfix->start("smtpd_milters = unix:$socket",
    "non_smtpd_milters = unix:$socket", 'smtputf8_enable = yes',
    "smtpd_authorized_xclient_hosts = $proxy", 'recipient_delimiter = +');

sub message {
	my ($header) = @_;
	return "From: joe\@client.example\n${header}Subject: test\n" .
	    "Date: Mon, 1 Jun 2026 12:00:00 +0000\n" .
	    "Message-ID: <one\@client.example>\n\nhello\n";
}

# A message with this in its header, for these recipients of ours; see Smtp.
sub letter {
	my ($header, $rcpt, %with) = @_;
	my $c = $with{on} // Smtp->new(from => $with{from} // $client,
	    port => 2526);
	return $c->send(message => message($header),
	    rcpt => [map { "$_\@example.test" } @$rcpt], %with);
}

# The mails delivered since the last look, when there are so many: recipient
# => the whole mail.
sub delivered {
	my %mail = map { /^Envelope: <.*> <(.*)\@example\.test>$/m ?
	    ($1 => $_) : () } $postfix->mails(shift);
	$postfix->forget;
	return %mail;
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

# The word of the verdict that came last, and its queue id.
sub last_word {
	my ($line) = reverse $bcc->lines(qr/^verdict=/);
	return ($line // '') =~ /^verdict=(\w+ by=\S+)/ ? $1 : 'none at all';
}

sub last_qid {
	my ($line) = reverse $bcc->lines(qr/^verdict=/);
	return $line =~ / qid=(\S+)/ ? $1 : 'none at all';
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

# Rows as in bcc.t: what it is, its header, its recipients, and the word that
# is expected, in capitals if it is marked.
sub try_letters {
	my (@rows) = @_;
	for (@rows) {
		my ($what, $header, $rcpt, $word, %with) = @$_;
		my $acts = $word =~ tr/A-Z/a-z/;
		my $r = letter($header, $rcpt, %with);
		is $r->{at}, 'eom', "$what: taken" or diag $r->{text};
		is last_word, ($acts ? 'mark' : 'pass') . " by=$word", $what;
		my %mail = delivered(scalar @$rcpt);
		is_deeply [sort keys %mail], [sort @$rcpt],
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

subtest 'mark' => sub {
	daemon(-alias => file('alias', "\@far.example \@example.test\n"));
	try_letters(
	    ['in To', $to_alice, ['alice'], 'open'],
	    ['in Cc', "${to_ann}Cc: alice\@example.test\n", ['alice'], 'open'],
	    ['in a blind copy', $to_ann, ['eve'], 'NONE-LISTED'],
	    ['in Bcc', "${to_ann}Bcc: eve\@example.test\n", ['eve'],
		'NONE-LISTED'],
	    ['by an alias', $to_ann, ['ann'], 'open'],
	    ['undisclosed', $nobody, ['eve'], 'NO-RECIPIENTS'],
	    ['an empty group', "To: Friends: ;\n", ['eve'], 'NO-RECIPIENTS'],
	    ['no To at all', '', ['eve'], 'NO-RECIPIENTS'],
	    ['one of two is hidden', $to_alice, ['alice', 'eve'], 'open'],
	    ['detail', $to_alice, ['alice+news'], 'open'],
	    ['folded', "To: \"Ann,\n\t A.\" <ann\@far.example>,\n" .
		"\tAlice\n  <alice\@example.test>\n", ['alice'], 'open'],
	    ['Latin 1', "To: \"J\xf6rg\" <bob\@far.example>\n", ['eve'],
		'NONE-LISTED'],
	    ['a mailing list', $to_ann . "List-Id: <talk.far.example>\n",
		['eve'], 'list'],
	    ['a null sender', $nobody, ['eve'], 'bounce', mail => ''],
	    ['an answer of a program', "${to_ann}Auto-Submitted: auto-" .
		"replied\n", ['eve'], 'automatic'],
	    ['resent to him', "Resent-From: bob\@far.example\nResent-To: " .
		"alice\@example.test\n$to_ann", ['alice'], 'open'],
	    ['this machine', $nobody, ['eve'], 'loopback',
		from => '127.0.0.1']);
};

subtest 'the policy any' => sub {
	daemon('-policy' => 'any');
	try_letters(
	    ['both are in To', "To: alice\@example.test, bob\@example.test\n",
		['alice', 'bob'], 'open'],
	    ['one of two is hidden', $to_alice, ['alice', 'eve'],
		'SOME-LISTED'],
	    ['it says Bcc', "${to_alice}Bcc: eve\@example.test\n",
		['alice', 'eve'], 'SOME-LISTED'],
	    ['both are', $to_ann, ['eve1', 'eve2'], 'NONE-LISTED']);
};

subtest 'SMTPUTF8' => sub {
	daemon();
	for (["j\xc3\xb6rg", 'pass by=open'],
	    ["j\xc3\xa4rg", 'pass by=unknown']) {
		my ($name, $word) = @$_;
		my $c = Smtp->new(from => $client, port => 2526);
		like join(' ', @{ $c->cmd('EHLO client.example')->{lines} }),
		    qr/SMTPUTF8/, 'Postfix knows it';
		is $c->cmd($_->[0])->{code}, $_->[1], $_->[0] for
		    ["MAIL FROM:<j\xc3\xbcrgen\@client.example> SMTPUTF8",
			250],
		    ["RCPT TO:<$name\@example.test>", 250], ['DATA', 354];
		is $c->text(message("To: J\xc3\xb6rg <j\xc3\xb6rg\@example." .
		    "test>\n"))->{code}, 250, 'taken';
		is last_word, $word, $word;
		my %mail = delivered(1);
		is_deeply [keys %mail], [$name], 'delivered';
		unlike join('', $bcc->log), qr/[^\n -~]/, 'the log is ASCII';
	}
};

subtest 'our users' => sub {
	# A proxy says who has authenticated.
	for ([[], 'pass by=auth'], [['-scanauth'], 'mark by=none-listed']) {
		my ($options, $word) = @$_;
		daemon(@$options);
		my $c = Smtp->new(from => $proxy, port => 2526);
		is $c->cmd($_->[0])->{code}, $_->[1], $_->[0] for
		    ['EHLO proxy.example', 250],
		    ["XCLIENT ADDR=$client LOGIN=joe", 220];
		my $r = letter($to_ann, ['eve'], on => $c);
		is $r->{at}, 'eom', 'taken' or diag $r->{text};
		is last_word, $word, "@$options: $word";
		delivered(1);
	}
	daemon();
	my ($status, $out, $err) = run('sh', '-c', 'exec sendmail -C ' .
	    "$Postfix::dir/conf -t <" . file('mail', message(
	    "${to_alice}Bcc: eve\@example.test\n")));
	is $status, 0, 'a user of this machine' or diag $out . $err;
	my %mail = delivered(2);
	is_deeply [sort keys %mail], ['alice', 'eve'], 'it is delivered';
	is last_word, 'pass by=loopback', 'to Postfix it comes from loopback';
};

subtest 'forged fields' => sub {
	daemon();
	my $forged = "X-Bcc-Check: open\nx-bcc-check: folded\n\ttwice\n" .
	    "X-BCC-CHECK: none-listed\n";
	letter("$forged$to_alice$forged", ['alice']);
	is last_word, 'pass by=open', 'it passes';
	my %mail = delivered(1);
	unlike $mail{alice}, qr/x-bcc|twice/i, 'theirs are gone';
	letter("$forged$to_ann$forged", ['eve']);
	%mail = delivered(1);
	is_deeply [marks($mail{eve})],
	    ['X-Bcc-Check: none-listed, at the end'], 'and one is ours';
	unlike $mail{eve}, qr/twice/, 'without the rest of theirs';
};

sub is_refused {
	my ($text, $header, $rcpt) = @_;
	my $r = letter($header, $rcpt);
	is "$r->{at}: @{ $r->{lines} }", "eom: $text", $text;
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [(250) x @$rcpt],
	    'after all recipients were taken';
	is_deeply [logged(last_qid . ': milter-reject')], ['END-OF-MESSAGE ' .
	    "from unknown[$client]: " . $text =~ s/^\d+ //r],
	    'Postfix logs it, of the same message';
}

subtest 'refuse' => sub {
	daemon('-action' => 'reject', '-policy' => 'any');
	is_refused('550 5.7.1 None of the recipients is in To or Cc', $to_ann,
	    ['eve', 'eve2']);
	is_refused('550 5.7.1 There is no recipient in To or Cc', $nobody,
	    ['eve']);
	is_refused('550 5.7.1 Not all of the recipients are in To or Cc',
	    $to_alice, ['alice', 'eve']);
	daemon('-action' => 'tempfail');
	is_refused('451 4.7.1 None of the recipients is in To or Cc', $to_ann,
	    ['eve']);
	daemon('-action' => 'discard');
	is letter($nobody, ['eve'])->{code}, 250, 'discard: taken';
	is last_word, 'discard by=no-recipients', 'but logged';
	is scalar(my @log = logged(last_qid . ': milter-discard')), 1,
	    'by Postfix, too';
	try_letters(['others pass', $to_alice, ['alice'], 'open']);
	ok +(eventually { (run('postqueue', '-c', "$Postfix::dir/conf",
	    '-p'))[1] =~ /queue is empty/ } 10), 'and nothing else is there';
};

subtest 'quarantine' => sub {
	daemon('-action' => 'quarantine');
	my $r = letter($to_ann, ['eve', 'eve2']);
	is $r->{code}, 250, 'it is taken';
	is_secret(['eve', 'eve2'], $r, {}, 'quarantine');
	my $qid = last_qid;
	is scalar(my @log = logged("$qid: milter-hold")), 1, 'and held';
	my @postfix = (-c => "$Postfix::dir/conf");
	like +(run('postqueue', @postfix, '-p'))[1], qr/^$qid!/m,
	    'which the queue shows, by the id in our log';
	is scalar(my @mails = Mta::mails_in($Postfix::dir)), 0,
	    'it is not delivered';
	is +(run('postsuper', @postfix, '-H', $qid))[0], 0, 'let go';
	run('postqueue', @postfix, '-f');
	my %mail = delivered(2);
	is_deeply [map { marks($mail{$_}) } 'eve', 'eve2'],
	    [('X-Bcc-Check: none-listed, at the end') x 2], 'it is marked';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => $client, port => 2526);
	try_letters(
	    ['the first is marked', $nobody, ['eve'], 'NO-RECIPIENTS',
		on => $c],
	    ['the second is not', $to_alice, ['alice'], 'open', on => $c]);
	$c->cmd($_) for 'MAIL FROM:<left@client.example>',
	    'RCPT TO:<alice@example.test>', 'RSET';
	try_letters(['what was reset does not count', $to_alice, ['eve'],
	    'NONE-LISTED', on => $c]);
	my %qid = map { / qid=(\w+)/ ? ($1 => 1) : () }
	    $bcc->lines(qr/^verdict=/);
	is scalar(grep { logged($_) } keys %qid), 3,
	    'each line has its own queue id, which Postfix knows';
	$c->quit;
	ok +(eventually { $bcc->stat('sessions') == 0 } 5), 'it ends';
};

subtest 'down' => sub {
	daemon('-action' => 'reject');
	my $c = Smtp->new(from => $client, port => 2526);
	$bcc->crash;
	for ([{ on => $c }, 'it dies in the middle: with ' .
	    'milter_default_action = accept mail passes'],
	    [{}, 'so it does while it is down']) {
		my ($with, $what) = @$_;
		is letter($nobody, ['eve'], %$with)->{at}, 'eom', $what;
		my %mail = delivered(1);
		is_deeply [map { ($_, marks($mail{$_})) } keys %mail],
		    ['eve'], 'as it is';
	}
	daemon('-action' => 'reject');
	is letter($nobody, ['eve'])->{code}, 550, 'back it refuses again';
};

done_testing;
