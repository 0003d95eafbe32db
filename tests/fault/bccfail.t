# A32 for bccmilter: whichever call for memory fails, twice in a row, it neither
# ends nor hangs, refuses nobody who may, and afterwards all is as before; a
# reload that fails changes nothing.
use strict;
use warnings;
use Errno qw(ENOMEM);
use List::Util qw(min);
use Test::More;

use Bccmilter;
use Daemon;

$SIG{PIPE} = 'IGNORE';		# libmilter may hang up on us
plan skip_all => 'the watchers replace the same functions' if $ENV{WATCH};
use constant PLAN => 'Z20 L5 Z100';	# struct plan in fail.c
use constant PATIENCE => 30;		# seconds that are taken for a hang
# That are made to fail, of a function; FAULT_CALLS as in Fail.pm.
use constant CALLS_MAX => ($ENV{FAULT_CALLS} // '') eq 'all' ? 1e6 : 4;

my $preload = ($ENV{BUILD} // '.') . '/tests/fault/fail.so';
plan skip_all => "no $preload" unless -e $preload;
my $plan = folder . '/plan';
my $aliases = file('alias', "staff\@ours.test joe\@ours.test\n" .
    "\@a.test \@ours.test\n");
my $local = file('local', "\@ours.test\n");

# Recipients, fields, what becomes of it when nothing fails.
my @mails = (
	[[map { "<r$_\@ours.test>" } 1 .. 2000], [[To => 'r77@ours.test']],
	    'passes open'],
	[['<joe@ours.test>'], [[To => 'staff@ours.test'],
	    ['X-Bcc-Check', 'forged'], ['X-Bcc-Check', 'none-listed']],
	    'passes open, removes 2 1'],
	[['<joe@ours.test>'], [[To => 'x@ours.test']],
	    '550 5.7.1 none-listed'],
	[['<ann@ours.test>'], [[To => 'x@ours.test, ann@a.test']],
	    'passes open'],
);
my @usual = map { $_->[2] } @mails;

sub write_plan {
	my ($mode, $function, @numbers) = @_;
	open my $f, $mode, $plan or die "$plan: $!";
	print $f @numbers ? pack(PLAN, $function, @numbers, 0, 0, '') :
	    pack 'Z20', $function;
	close $f or die "$plan: $!";
}

sub calls {
	return (unpack PLAN, Daemon::slurp($plan))[4];
}

sub begin {
	write_plan('>', 'none', 0, 0, 0);
	return bcc({ before => ['env', "LD_PRELOAD=$preload", "FAIL=$plan"] },
	    -alias => $aliases, -local => $local, -action => 'reject', @_);
}

# What becomes of each; "hangs" when it does.
sub work {
	my ($d) = @_;
	my @became;
	for (@mails) {
		my ($to, $headers) = @$_;
		local $SIG{ALRM} = sub { die "hangs\n" };
		alarm PATIENCE;
		my $said = eval { mail($d, to => $to,
		    headers => $headers)->{said} };
		alarm 0;
		push @became, $said // ($@ eq "hangs\n" ? 'hangs' : 'gone');
	}
	return @became;
}

for my $onerror (qw(accept tempfail)) {
	my @with = (-onerror => $onerror);
	my $d = begin(@with);
	is_deeply [work($d)], \@usual, "$onerror: nothing fails";
	for (map { [$_, 2] } qw(malloc calloc realloc)) {
		my ($function, $count) = @$_;
		write_plan('+<', $function, ENOMEM, 0, 0);
		work($d);
		my $calls = calls;
		my @wrong;
		cmp_ok $calls, '>', 0, "$onerror: $function is called"
		    if $function ne 'realloc';
		for my $n (1 .. min($calls, CALLS_MAX)) {
			write_plan('+<', $function, ENOMEM, $n, $count);
			my @became = work($d);
			write_plan('+<', 'none', 0, 0, 0);
			push @wrong, map { "$n: $_: $became[$_]" } grep {
			    $became[$_] eq 'hangs' || ($usual[$_] !~ /^550/ &&
			    $became[$_] =~ /550/) } 0 .. $#became;
			next unless $d->gone;
			push @wrong, "$n: it ended";
			$d = begin(@with);
		}
		is "@wrong", '', "$onerror: $function, $count in a row";
		is_deeply [work($d)], \@usual,
		    "$onerror: $function, $count in a row: and afterwards";
	}
	is_idle $d, $onerror;

	for my $function (qw(malloc calloc realloc)) {
		write_plan('+<', $function, ENOMEM, 0, 0);
		$d->tell('reload');
		for my $n (1 .. calls()) {
			write_plan('+<', $function, ENOMEM, $n, 1);
			eval { $d->tell('reload') };
			write_plan('+<', 'none', 0, 0, 0);
			last if $d->gone;
		}
		ok !$d->gone, "$onerror: reload: $function: it lives";
		is_deeply [work($d)], \@usual, "$onerror: reload: $function";
	}
}

done_testing;
