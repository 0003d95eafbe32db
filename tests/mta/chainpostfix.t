# All five milters behind one real Postfix: the story that sendmail has to tell,
# too, and where it differs.

use strict;
use warnings;
use Test::More;

use Chain;
use Mta;
use Postfix;

plan skip_all => Postfix::missing() if Postfix::missing();
plan skip_all => 'soak has them watched' if $ENV{WATCH};
Mta::enter;

my $chain = Chain->start;
my $witness = Chain::Witness->start;
my $postfix = Postfix->start('smtpd_milters = ' . join ', ',
    (map { $chain->{$_}->socket } @Chain::milters), $witness->socket);

# Rows: what sendmail says, what Postfix does.
my $no = 'SPF fail: 198.51.100.2 is not allowed to send mail for ' .
    'speaks.example';
my %differs = (
	"mail: 550 5.7.23 <ann\@speaks.example>... $no" =>
	    "mail: 550 5.7.23 $no",
	'connect: 554 mx.example.test ESMTP not accepting messages' =>
	    'connect: 554 mx.example.test ESMTP not accepting connections',
);

subtest 'the story' => sub {
	$chain->story(mta => $postfix, port => 2526, witness => $witness,
	    without => { user => 1 },	# it would need another SASL
	    differs => \%differs);
	unlike Postfix::log_text(), qr/warning: milter/,
	    'Postfix does not complain';
};
is_deeply [$chain->stop], [map { 0 } @Chain::milters], 'SIGTERM ends them';

done_testing;
