# spfmilter behind a real Postfix: what is the same, and what is not.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Dns;
use Mta;
use Nsd;
use Postfix;
use Smtp;

plan skip_all => Postfix::missing() if Postfix::missing();
plan skip_all => Nsd::missing() if Nsd::missing();
Mta::enter;

my $client = '192.0.2.7';
my $client6 = '2001:db8:1::7';
my $socket = '/run/spfmilter.sock';
my $spf;

my $nsd = Nsd->start(<<'EOF');
pass.example.		TXT	"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8:1::7 -all"
fail.example.		TXT	"v=spf1 -all"
softfail.example.	TXT	"v=spf1 ~all"
client.example.		TXT	"v=spf1 a:out.client.example ?all"
out.client.example.	A	192.0.2.7
hostile.example.	TXT	"v=spf1 -all exp=why.hostile.example"
why.hostile.example.	TXT	"100%% \"no\" to %{i}, %{s}%_\\ 250 2.0.0 5%%"
lines.example.		TXT	"v=spf1 -all exp=why.lines.example"
why.lines.example.	TXT	"no\013\010250 2.1.0 Ok\013\010221 bye"
EOF

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$spf->retire if $spf && !$spf->gone;
	@options = ('-nameserver' => $nsd->address, @options)
	    unless grep { $_ eq '-nameserver' } @options;
	$spf = Daemon->start({ name => 'spfmilter',
	    socket => "unix:$socket" }, '-socketmode' => '0666', @options);
	Postfix->forget;
}

sub mail_from {
	my ($from, %with) = @_;
	return Smtp->new(from => $from, port => 2526)->send(%with);
}

daemon();
my $postfix = Postfix->start("smtpd_milters = unix:$socket");

# The only mail delivered since the last look: what stands above its Received:
# field, without folds, and what is below that.
sub delivered {
	my @mails = $postfix->mails(1);
	$postfix->forget;
	is scalar @mails, 1, 'one mail is delivered';
	my ($top, $rest) = ($mails[0] // '') =~ /^Envelope: .*\n
	    ((?:.+\n)*?) Received: .*\n (?:[ \t].*\n)* ((?s).*)/x;
	return (($top // 'nothing') =~ s/\n\t/ /gr, $rest // 'nothing');
}

# Its fields that are ours, but for the name of the host.
sub is_marked {
	my ($results, $received, $what) = @_;
	my ($top) = delivered;
	is $top =~ s/ mx\.example\.test;/ HERE;/r =~ s/\(mx\.example\.test: /(/r
	    =~ s/receiver=mx\.example\.test; //r, <<"EOF", $what;
Authentication-Results: HERE; $results
Received-SPF: $received
EOF
}

my $no = 'does not designate 192.0.2.7 as permitted sender';

subtest 'mark' => sub {
	daemon('-markonly');
	for (['pass', 'domain of joe@pass.example designates 192.0.2.7 as ' .
	    'permitted sender', 'mechanism="ip4:192.0.2.0/24";'],
	    ['fail', "domain of joe\@fail.example $no", 'mechanism=-all;'],
	    ['softfail', "transitioning domain of joe\@softfail.example $no",
		'mechanism=~all;']) {
		my ($result, $said, $mechanism) = @$_;
		my $who = "joe\@$result.example";
		is mail_from($client, mail => $who)->{at}, 'eom', 'taken';
		is_marked("spf=$result smtp.mailfrom=$who", "$result ($said) " .
		    "identity=mailfrom; client-ip=$client; envelope-from=" .
		    "\"$who\"; helo=client.example; $mechanism", $result);
	}
	is mail_from($client, mail => '')->{at}, 'eom', 'a bounce is taken';
	is_marked('spf=pass smtp.helo=client.example', 'pass (host ' .
	    'client.example designates 192.0.2.7 as permitted sender) ' .
	    "identity=helo; client-ip=$client; envelope-from=\"<>\"; " .
	    'helo=client.example; mechanism="a:out.client.example";', '<>');
	is mail_from($client6, mail => 'joe@pass.example')->{at}, 'eom',
	    'by IPv6';
	my ($top) = delivered;
	like $top, qr/^Received-SPF: pass .*client-ip="\Q$client6\E"/m, 'pass';
};

subtest 'refuse' => sub {
	daemon('-softfail' => 'tempfail');
	my $r = mail_from($client, mail => 'joe@fail.example');
	is "$r->{at}: $r->{text}", "mail: 550 5.7.23 SPF fail: $client is " .
	    'not allowed to send mail for fail.example', 'fail';
	$r = mail_from($client, mail => '', helo => 'fail.example');
	is "$r->{at}: $r->{text}", "mail: 550 5.7.23 SPF fail: $client is " .
	    'not the host fail.example', 'fail of HELO';
	$r = mail_from($client, mail => 'joe@softfail.example');
	is "$r->{at}: $r->{text}", "mail: 451 4.7.23 SPF softfail: $client " .
	    'is not allowed to send mail for softfail.example', 'tempfail';
	is_deeply [map { /qid=(\S+)/ } $spf->lines(qr/^verdict=/)],
	    [('NOQUEUE') x 3], 'at MAIL there is no queue id yet';
	like Postfix::log_text(),
	    qr/NOQUEUE: milter-reject: MAIL from \S+\Q[$client]\E: 550 5/,
	    'Postfix logs it';
	is scalar(my @mails = Mta::mails_in($Postfix::dir)), 0,
	    'nothing is delivered';
};

subtest 'forged fields' => sub {
	my $kept = "From: joe\@client.example\n" .
	    "Authentication-Results: mx.other.example; spf=pass\n" .
	    "Received-SPF: pass (fine) receiver=mx.other.example\n" .
	    "Date: Mon, 1 Jun 2026 12:00:00 +0000\n" .
	    "Message-ID: <one\@client.example>\nSubject: test\n";
	my $text = "\nAuthentication-Results: mx.example.test; none\n";
	my $forged = "authentication-results: (a) MX.Example.Test 1; none\n";
	is mail_from($client, mail => 'joe@pass.example', message =>
	    "Received-SPF: pass\n\treceiver=mx.example.test; helo=x\n" .
	    $forged . $kept . $forged . $text)->{at}, 'eom', 'taken';
	my ($top, $rest) = delivered;
	is_deeply [$top =~ /^([\w-]+):/mg],
	    ['Authentication-Results', 'Received-SPF'], 'two fields are ours';
	is $rest, "$kept$text\n",
	    'the forged ones are gone, all else is as it was';
};

subtest 'the explanation of the sender' => sub {
	daemon('-explanation' => 'sender');
	for (['hostile', '; hostile.example explains: 100% "no" to ' . $client .
	    ', joe@hostile.example \ 250 2.0.0 5%'], ['lines', '']) {
		my ($name, $said) = @$_;
		my $c = Smtp->new(from => $client, port => 2526);
		my $r = $c->send(mail => "joe\@$name.example");
		is $r->{text}, "550 5.7.23 SPF fail: $client is not allowed " .
		    "to send mail for $name.example$said", $name;
		is scalar(@{ $r->{lines} }), 1, 'in one line';
		is $c->cmd('NOOP')->{code}, 250, 'and nothing behind it';
	}
};

subtest 'quarantine and discard' => sub {
	daemon('-fail' => 'quarantine', '-softfail' => 'discard');
	is mail_from($client, mail => "joe\@$_.example")->{at}, 'eom',
	    "$_ is taken" for qw(fail softfail pass);
	my ($top) = delivered;
	like $top, qr/spf=pass/, 'which is the one that passed';
	like Postfix::log_text(), qr/milter-hold: .* from=<joe\@fail.example>/,
	    'the fail is held';
	like Postfix::log_text(),
	    qr/milter-discard: .* from=<joe\@softfail.example>/,
	    'the softfail thrown away';
};

subtest 'more than one message on a connection' => sub {
	daemon();
	my $c = Smtp->new(from => $client, port => 2526);
	is $c->send(mail => 'joe@fail.example')->{code}, 550,
	    'the first is refused';
	$c->cmd('RSET');
	for my $result (qw(pass softfail)) {
		is $c->send(mail => "joe\@$result.example")->{at}, 'eom',
		    "$result is taken";
		my ($top) = delivered;
		is_deeply [$top =~ /^Received-SPF: (\w+)/mg], [$result],
		    'and has its own field';
	}
	$c->quit;
	ok +(eventually { $spf->stat('sessions') == 0 } 5), 'it ends';
};

my $slow = Dns->new(zone => {
	'temp.example' => 'SERVFAIL',
	'late.example' => [ 'TXT SLOW 1.5',
	    [TXT => 'v=spf1 include:later.example -all'] ],
	'later.example' => [ 'TXT SLOW 1.5',
	    [TXT => 'v=spf1 include:silent.example -all'] ],
	'silent.example' => 'SILENT',
});

subtest 'trouble' => sub {
	daemon('-nameserver' => $slow->address, '-temperror' => 'tempfail');
	my $r = mail_from($client, mail => 'joe@temp.example');
	is "$r->{at}: $r->{text}", 'mail: 451 4.4.3 SPF of temp.example ' .
	    'cannot be looked up now', '-temperror tempfail';
	daemon('-nameserver' => $slow->address);
	for (['temp.example', 'temp.example', 0],
	    ['late.example', 'silent.example', 8]) {
		my ($domain, $problem, $wanted) = @$_;
		my $began = time;
		is mail_from($client, mail => "joe\@$domain")->{at}, 'eom',
		    "$domain is taken";
		my $seconds = time - $began;
		ok $seconds > $wanted - 0.2 &&
		    $seconds < $wanted + ($ENV{WATCH} ? 8 : 2),
		    "after $seconds seconds, should be $wanted";
		is_marked("spf=temperror reason=\"the DNS does not answer: " .
		    "$problem\" smtp.mailfrom=joe\@$domain", 'temperror ' .
		    "(temporary error in processing domain of joe\@$domain: " .
		    "the DNS does not answer) identity=mailfrom; client-ip=" .
		    "$client; envelope-from=\"joe\@$domain\"; " .
		    "helo=client.example; problem=$problem;", 'and marked');
	}
	unlike Postfix::log_text(), qr/warning: milter/,
	    'Postfix does not complain';
};

subtest 'down' => sub {
	my $c = Smtp->new(from => $client, port => 2526);
	$spf->crash;
	is $c->send(mail => 'joe@fail.example')->{at}, 'eom',
	    'it dies in the middle: with milter_default_action = accept ' .
	    'mail passes';
	is +(delivered)[0], '', 'as it is';
	is mail_from($client, mail => 'joe@fail.example')->{at}, 'eom',
	    'so it does while it is down';
	is +(delivered)[0], '', 'as it is';
	daemon();
	is mail_from($client, mail => 'joe@fail.example')->{code}, 550,
	    'back it refuses again';
};

done_testing;
