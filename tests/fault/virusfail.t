# A32 for virusmilter: whichever call fails, once or twice in a row, it neither
# ends nor hangs, refuses nothing that may pass, lets nothing pass that may not,
# and afterwards all is as before.
use strict;
use warnings;
use Errno qw(ECONNREFUSED ECONNRESET EIO EMFILE ENOMEM EPIPE);
use FindBin;
use Test::More;

use lib $FindBin::Bin;
use Daemon;
use Fail ();
use Fakeclamd;
use Virusmilter;

$SIG{PIPE} = 'IGNORE';		# libmilter may hang up on us
plan skip_all => 'the watchers replace the same functions' if $ENV{WATCH};
use constant PLAN => 'Z20 L5 Z100';	# struct plan in fail.c
use constant {
	PATIENCE => 30,		# seconds that are taken for a hang
	# Of more calls only some fail; FAULT_CALLS as in Fail.pm.
	ALL => ($ENV{FAULT_CALLS} // '') eq 'all' ? 1e6 : 12,
	SOME => 3,
};

my $preload = ($ENV{BUILD} // '.') . '/tests/fault/fail.so';
plan skip_all => "no $preload" unless -e $preload;
my $plan = folder . '/plan';
my @clamds = map { Fakeclamd->start } 1, 2;

# A message, and what becomes of it when nothing fails.
my @mails = (
	[[], 'Clean'],
	[[body => 'x' x 300_000], 'Clean'],
	[[body => "WORM=Eicar\r\n"], '550 5.7.1 Virus found: Eicar'],
	[[body => "WORM=Eicar\r\n" . 'x' x 300_000],
	    '550 5.7.1 Virus found: Eicar'],
	[[parts => [attached('a.doc.exe')]],
	    '550 5.7.1 Not accepted: Milter.Name.exe'],
	[[body => 'needle', auth => 'ann'], '550 5.7.1 Not accepted: Sig.A'],
	[[headers => [map { ['X-Virus-Status', 'Clean'] } 1 .. 3]],
	    'Clean, removes X-Virus-Status 3 2 1'],
);

sub write_plan {
	my ($mode, $function, @numbers) = @_;
	open my $f, $mode, $plan or die "$plan: $!";
	print $f @numbers ? pack(PLAN, $function, @numbers, 0, 0, '') :
	    pack 'Z20', $function;
	close $f or die "$plan: $!";
}

my @options = (map({ (-clamd => $_->socket) } @clamds), -signatures =>
    file('signatures', "Sig.A body needle\n"));

sub begin {
	my (@more) = @_;
	write_plan('>', 'none', 0, 0, 0);
	return virus({ quiet => 1, before => ['env', "LD_PRELOAD=$preload",
	    "FAIL=$plan"] }, @options, @more);
}

# What became of each; "gone" when there was no answer.
sub work {
	my ($d) = @_;
	return map {
		my $message = $_->[0];
		local $SIG{ALRM} = sub { die "hangs\n" };
		alarm PATIENCE;
		my $said = eval { mail($d, @$message)->{said} };
		alarm 0;
		die $@ if $@ eq "hangs\n";
		$said // ($@ =~ /^connect: (.*)/ ? $1 : 'gone');
	} @mails;
}

# What is wrong with that, if anything.
sub judge {
	my ($d, $accept, $where, @told) = @_;
	return 'it ended: ' . substr $d->log, -200 if $d->gone;
	for my $i (0 .. $#mails) {
		my ($message, $well) = @{ $mails[$i] };
		# Trouble is an answer, and libmilter has its own.
		next if $told[$i] eq $well ||
		    $told[$i] =~ /^4[25]1 4\.3\.0 |^(gone|closed|t)$/ ||
		    $told[$i] =~ /^answered (closed|t)\b/ ||
		    ($well =~ /^5/ && $told[$i] eq 'answered r') ||
		    ($where =~ $Fail::excused{silence} &&
		    $told[$i] =~ /^(answered )?timeout/) ||
		    $told[$i] eq "$well, scanned by virusmilter at " .
		    'localhost, clamd' ||
		    ($accept && $told[$i] =~ /^(?:unchanged|exempt|Unknown)/);
		return "message $i: $told[$i]";
	}
	return undef;
}

my @functions = (
	[malloc => ENOMEM], [calloc => ENOMEM], [realloc => ENOMEM],
	[socket => EMFILE], [connect => ECONNREFUSED], [sendmsg => EPIPE],
	[recv => ECONNRESET], [poll => ENOMEM], [read => EIO], [write => EIO],
);
my @normal = map { $_->[1] } @mails;
for my $accept (0, 1) {
	my @more = $accept ? (-onerror => 'accept') : ();
	my $d = begin(@more);
	is_deeply [work($d)], \@normal, "@more: nothing fails";
	for (@functions) {
		my ($function, $error) = @$_;
		for my $count ($accept ? 1 : (1, 3)) {
			write_plan('+<', $function, $error, 0, 0);
			work($d);
			my ($calls) = (unpack PLAN, Daemon::slurp($plan))[4];
			my @wrong;
			my $step = 1 + int $calls / ($count == 1 ? ALL : SOME);
			for (my $n = 1; $n <= $calls; $n += $step) {
				write_plan('+<', $function, $error, $n,
				    $count);
				my @told = work($d);
				my $where = (unpack PLAN,
				    Daemon::slurp($plan))[6];
				write_plan('+<', 'none', 0, 0, 0);
				my $wrong = judge($d, $accept, $where,
				    @told) or next;
				push @wrong, "call $n, of $where: $wrong";
				$d = begin(@more) if $d->gone;
			}
			is_deeply \@wrong, [], "@more $function, $count in a " .
			    "row: of $calls calls each";
			is_deeply [work($d)], \@normal,
			    '... and all is well again';
		}
	}
	is_idle $d, 'afterwards';
}

done_testing;
