# graymilter behind a real Postfix: what is the same, and what is not.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);

use Daemon;
use Mta;
use Postfix;
use Smtp;

plan skip_all => Postfix::missing() if Postfix::missing();
Mta::enter;

use constant DELAY => $ENV{WATCH} ? 5 : 2;
my $client = '198.51.100.1';
my $socket = '/run/graymilter.sock';
my $d = Daemon->start({ name => 'graymilter', socket => "unix:$socket" },
    '-socketmode' => '0666', -memory => -delay => DELAY, '-debug');
my $postfix = Postfix->start("smtpd_milters = unix:$socket");

sub mail_from {
	my ($from, %with) = @_;
	return Smtp->new(from => $from, port => 2526)->send(%with);
}

# What a client hears that says DATA again, which once led past the filter.
sub second_data {
	my $c = Smtp->new(from => shift, port => 2526);
	$c->cmd($_) for 'HELO client.example', 'MAIL FROM:<>',
	    'RCPT TO:<zoe@example.test>', 'DATA';
	return $c->cmd('DATA')->{code};
}

sub is_new {
	my ($r, $at, $what) = @_;
	my $code = $at eq 'data' ? 421 : 451;
	is "$r->{at}: $r->{text}", "$at: $code 4.7.1 Greylisted, " .
	    "please come back in @{[DELAY]} seconds", $what;
}

# The headers of the only mail delivered.
sub delivered {
	my @mails = $postfix->mails(1);
	$postfix->forget;
	is scalar @mails, 1, 'one mail is delivered';
	return $mails[0] =~ /^(X-Greylist: .*)$/mg;
}

# What the log has of a recipient: "verdict by queue-id".
sub noted {
	my ($recipient) = @_;
	return map { /verdict=(\S+) by=(\S+) .* qid=(\S+)/ ? "$1 $2 $3" : () }
	    $d->lines(qr/ to=<\Q$recipient\E\@example.test> /);
}

my $delayed = qr/^X-Greylist: delayed \d+ seconds by graymilter at mx\.exampl/;

subtest 'a stranger and a bounce come back' => sub {
	is_new(mail_from($client), 'rcpt', 'it is asked to');
	my $r = mail_from($client, mail => '');
	is $r->{rcpt}[0]{code}, 250, 'a null sender may ask who exists';
	is_new($r, 'data', 'and is asked to at DATA');
	like mail_from($client)->{text},
	    qr/^451 4\.7\.1 Greylisted, .* in [1-@{[DELAY]}] sec/, 'too early';
	like Postfix::log_text(),
	    qr/NOQUEUE: milter-reject: RCPT from \S+\Q[$client]\E: 451 /,
	    'Postfix logs it';
	is scalar(my @mails = Mta::mails_in($Postfix::dir)), 0,
	    'nothing is delivered';
	sleep DELAY + 0.1;
	is mail_from('198.51.100.2')->{at}, 'eom', 'its return is accepted';
	like join('|', delivered), $delayed, 'with one header';
	is mail_from($client, mail => '')->{at}, 'eom', "the bounce's, too";
	like join('|', delivered), $delayed, 'with its own';
	is mail_from($client)->{at}, 'eom', 'then it is known';
	is join('|', delivered), '', 'and has none';
	is second_data($client), 0, 'at DATA it is hung up on';
};

subtest 'the queue id' => sub {
	my $r = mail_from($client, rcpt => [map { "$_\@example.test" }
	    qw(bob alice carol)]);
	is_deeply [map { $_->{code} } @{ $r->{rcpt} }], [451, 250, 250],
	    'a known recipient lets those behind it pass';
	is $r->{at}, 'eom', 'the message is taken';
	is join('|', noted('bob')), 'tempfail new NOQUEUE',
	    'Postfix gives none before a recipient is accepted';
	is +(noted('alice'))[-1], 'pass known NOQUEUE', 'nor to the first';
	like +(noted('carol'))[0], qr/^pass carried \w{5,}$/, 'but then';
	unlike +(noted('carol'))[0], qr/NOQUEUE/, 'a real one';
	like +(grep { /from=<> / } $d->lines(qr/by=delayed/))[0],
	    qr/ qid=(?!NOQUEUE)\w+ /, 'as at DATA';
	$postfix->mails(2);
	$postfix->forget;
};

subtest 'down' => sub {
	$d->crash;
	is mail_from('203.0.113.9')->{at}, 'eom',
	    'with milter_default_action = accept mail passes';
	is join('|', delivered), '', 'as it is';
};

done_testing;
