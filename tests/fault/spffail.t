# A32 for spfmilter: whichever call fails, once or twice in a row, it neither
# ends nor hangs, refuses nobody who may, and afterwards all is as before.
# libspf2 would end the process without memory.
use strict;
use warnings;
use Errno qw(EMFILE ENOMEM);
use FindBin;
use Test::More;
use Time::HiRes qw(time);

use lib $FindBin::Bin;
use Daemon;
use Fail ();
use Spfmilter;

$SIG{PIPE} = 'IGNORE';		# libmilter may hang up on us
plan skip_all => 'the watchers replace the same functions' if $ENV{WATCH};
use constant PLAN => 'Z20 L5 Z100';	# struct plan in fail.c
use constant PATIENCE => 30;		# seconds that are taken for a hang

my $preload = ($ENV{BUILD} // '.') . '/tests/fault/fail.so';
plan skip_all => "no $preload" unless -e $preload;
my $plan = folder . '/plan';

names(
	'a.example' => [[TXT => 'v=spf1 a mx include:inc.example ptr ' .
	    'exists:%{ir}.%{p}.x.example redirect=r.example'],
	    [A => '192.0.2.9'], [MX => 10, 'mx.example']],
	'mx.example' => [[A => '192.0.2.8']],
	'inc.example' => [[TXT => 'v=spf1 ip4:198.51.100.1 a:mx.example -all']],
	'r.example' => [[TXT => 'v=spf1 a:mx.example -all exp=why.example']],
	'why.example' => [[TXT => 'no %{i} %{s}']],
	'1.2.0.192.in-addr.arpa' => [[PTR => 'c.example']],
	'c.example' => [[A => '192.0.2.1'], [TXT => 'v=spf1 a -all']],
	'local.example' => [[TXT => 'v=spf1 a:mx.example -all']],
	'big.example' => ['TRUNCATE', [TXT => 'v=spf1 ip4:192.0.2.1 -all']],
);

# The sender, what he is told when nothing fails, and whether he may send.
my @mails = (
	['<joe@a.example>', 'mail 550 5.7.23', 0],
	['<joe@big.example>', 'mailfrom=pass helo=pass', 1],
	['<joe@nobody.example>', 'mailfrom=none helo=pass', 1],
	['<>', 'helo=pass', 1],
);
my @forged = (['Authentication-Results', 'mx.example.test; spf=pass'],
    ['Received-SPF', 'pass receiver=mx.example.test']);

sub write_plan {
	my ($mode, $function, @numbers) = @_;
	open my $f, $mode, $plan or die "$plan: $!";
	print $f @numbers ? pack(PLAN, $function, @numbers, 0, 0, '') :
	    pack 'Z20', $function;
	close $f or die "$plan: $!";
}

sub begin {
	write_plan('>', 'none', 0, 0, 0);
	return spf({ before => ['env', "LD_PRELOAD=$preload", "FAIL=$plan"] },
	    '-helo', -explanation => 'sender', -localpolicy =>
	    'include:local.example', -deadline => 2);
}

# What each was told; "gone" when there was no answer.
sub work {
	my ($d) = @_;
	$d->tell('flush');
	return map {
		my $from = $_->[0];
		local $SIG{ALRM} = sub { die "hangs\n" };
		alarm PATIENCE;
		my $said = eval { mail($d, helo => 'c.example',
		    from => $from, headers => \@forged)->{said} };
		alarm 0;
		die $@ if $@ eq "hangs\n";
		$said // 'gone';
	} @mails;
}

# What is wrong with that, if anything.
sub judge {
	my ($d, @told) = @_;
	return 'it ended: ' . substr $d->log, -200 if $d->gone;
	for my $i (0 .. $#mails) {
		my ($from, $well, $may) = @{ $mails[$i] };
		# Trouble is an answer, and libmilter has its own.
		next if $told[$i] eq $well ||
		    $told[$i] =~ /=temperror|^\w+ a$|^unchanged$/ ||
		    $told[$i] =~ /^gone$|closed|^\w+ r$|^helo=\w+$/ ||
		    (!$may && $told[$i] =~ /^mailfrom=fail/);
		return "$from: $told[$i]";
	}
	return undef;
}

my $d = begin();
my @normal = map { $_->[1] } @mails;
is_deeply [work($d)], \@normal, 'nothing fails';
for my $function (qw(malloc calloc realloc socket)) {
	my $error = $function eq 'socket' ? EMFILE : ENOMEM;
	for my $count (1, 2) {
		write_plan('+<', $function, $error, 0, 0);
		work($d);
		my ($calls) = (unpack PLAN, Daemon::slurp($plan))[4];
		my @wrong;
		for (my $n = 1; $n <= $calls; $n += $count == 1 ? 1 : 7) {
			write_plan('+<', $function, $error, $n, $count);
			my @told = work($d);
			my $where = (unpack PLAN, Daemon::slurp($plan))[6];
			write_plan('+<', 'none', 0, 0, 0);
			my $wrong = judge($d, @told) or next;
			push @wrong, "call $n, of $where: $wrong";
			$d = begin() if $d->gone;
		}
		is_deeply \@wrong, [], "$function, $count in a row: " .
		    "of $calls calls each";
		is_deeply [work($d)], \@normal, '... and all is well again';
	}
}
is_idle $d, 'afterwards';

done_testing;
