# blackmilter behind a real Postfix: what is the same, and what is not.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;
use Postfix;
use Smtp;

plan skip_all => Postfix::missing() if Postfix::missing();
Mta::enter;

my $listed = '192.0.2.66';
my $friend = '203.0.113.7';
my $stranger = '198.51.100.1';
my $black = file('blacklist',
    "$listed\n203.0.113.0/24\n2001:db8:bad::/48\n");
my $white = file('whitelist', "$friend\n");
my $socket = '/run/blackmilter.sock';
my $d;

sub daemon {
	my (@options) = @_;
	$d->retire if $d;
	$d = Daemon->start({ socket => "unix:$socket" },
	    '-socketmode' => '0666', -blacklist => $black,
	    -whitelist => $white, @options);
	Postfix->forget;
}

sub mail_from {
	my ($client, %with) = @_;
	return Smtp->new(from => $client, port => 2526)->send(%with);
}

daemon();
my $postfix = Postfix->start("smtpd_milters = unix:$socket");

subtest 'refuse' => sub {
	for my $client ($listed, '203.0.113.8', '2001:db8:bad::5') {
		my $r = mail_from($client);
		like $r->{text},
		    qr/^554 5.7.1 mail from \Q$client\E is refused, see blacklist$/,
		    "$client is refused, in our words";
		like $r->{at}, qr/^(helo|mail|rcpt)$/, "at $r->{at}";
	}
	is mail_from($_)->{at}, 'eom', "$_ is taken"
	    for $friend, $stranger, '2001:db8:1::1', '127.0.0.1';
	is scalar($postfix->mails(4)), 4, 'and delivered';
};

subtest 'the text of a reply' => sub {
	daemon('-rejectmessage' => "100%% no\x{1b} \xe4 \r\n250 ok %i %%s");
	my $r = mail_from($listed);
	is $r->{text}, "554 5.7.1 100% no? ? ??250 ok $listed %s",
	    'is ours, cleaned, each % once';
	is scalar(@{ $r->{lines} }), 1, 'and one line';
};

subtest 'mark' => sub {
	daemon('-markonly');
	my $message = "X-IP-Blacklisted: forged\nFrom: a\@b.example\n" .
	    "X-IP-Blacklisted: again\nSubject: x\n\nhello\n";
	is mail_from($listed, message => $message)->{at}, 'eom', 'taken';
	is mail_from($stranger, message => $message)->{at}, 'eom', 'taken';
	my ($one, $other) = sort { ($b =~ /blacklisted/i) <=>
	    ($a =~ /blacklisted/i) } $postfix->mails(2);
	is_deeply [$one =~ /^(x-ip-blacklisted.*)/mig],
	    ['X-IP-Blacklisted: blacklist'], 'one mark, and it is ours';
	is_deeply [$other =~ /^(x-ip-blacklisted.*)/mig], [],
	    "a stranger's forged marks are gone";
};

subtest 'other answers' => sub {
	daemon('-graylist');
	my $r = mail_from($listed);
	like $r->{text}, qr/^421 4.3.2 mail from $listed is not taken now/,
	    'tempfail hangs up';
	daemon('-action' => 'quarantine');
	is mail_from($listed)->{at}, 'eom', 'quarantine takes the message';
	like Postfix::log_text(), qr/milter triggers HOLD action/,
	    'and holds it';
	daemon('-at' => 'rcpt');
	$r = mail_from($listed,
	    rcpt => ['alice@example.test', 'postmaster@example.test']);
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [554, 250],
	    'at rcpt postmaster is spared';
	daemon('-at' => 'connect');
	$r = mail_from($listed);
	like $r->{text}, qr/^5\d\d /, "at connect: $r->{text}";
};

subtest 'down' => sub {
	$d->stop('KILL');
	undef $d;
	is mail_from($listed)->{at}, 'eom',
	    'with milter_default_action = accept mail passes';
};

done_testing;
