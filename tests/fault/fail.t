# A32: whichever call fails, once or twice in a row, nothing crashes or hangs,
# nobody is refused who is on no list, and afterwards all is as if nothing had
# been: what a report was told "ok" for is there after a restart.
#
# Two libraries have limits of their own, and the table %excused says which.
use strict;
use warnings;
use Errno qw(EACCES EAGAIN EIO EMFILE ENOMEM ENOSPC);
use FindBin;
use Test::More;
use Time::HiRes qw(sleep);

use lib $FindBin::Bin;
use Daemon;
use Fault;

my $preload = ($ENV{BUILD} // '.') . '/tests/fault/fail.so';
plan skip_all => 'the watchers replace the same functions' if $ENV{WATCH};
plan skip_all => "no $preload" unless -e $preload;

use constant AT_ONCE => 64;		# daemons under test
use constant PLAN => 'Z20 L5 Z100';	# struct plan in fail.c

# Which calls fail, and how; rest: so that the flush of every second is among
# them.
my @faults = (
	{ function => 'malloc', error => ENOMEM },
	{ function => 'calloc', error => ENOMEM },
	{ function => 'realloc', error => ENOMEM },
	{ function => 'open', error => EMFILE },
	{ function => 'open', error => EACCES },
	{ function => 'read', error => EIO },
	{ function => 'pread', error => EIO },
	{ function => 'write', error => ENOSPC, rest => 1.2 },
	{ function => 'pwrite', error => ENOSPC, rest => 1.2 },
	{ function => 'pwrite', error => EIO, rest => 1.2 },
	{ function => 'writev', error => EIO },
	{ function => 'fdatasync', error => EIO, rest => 1.2 },
	{ function => 'stat', error => EACCES },
	{ function => 'fstat', error => EIO },
	{ function => 'statvfs', error => EIO, rest => 1.2 },
	{ function => 'unlink', error => EACCES },
	{ function => 'chmod', error => EIO },
	{ function => 'opendir', error => EMFILE },
	{ function => 'socket', error => EMFILE },
	{ function => 'accept', error => EMFILE },
	{ function => 'pthread_create', error => EAGAIN },
);

my %excused = (
	# Without memory libdb's recovery may pass over a database it cannot
	# open, and say that all went well.
	loss => qr/: BDB\d+ (malloc|realloc): (?!.*cannot be opened)/s,
	# libdb follows a null pointer where it clears up after itself while it
	# opens an environment or a database.
	crash => qr/libdb/,
	# libmilter goes on without a thread it could not make, or could not
	# give its memory, and then does not answer; or it gives up.
	silence => qr/libmilter|ld-linux|libpthread/,
);

# What is done with clients, and what either may be told during a fault.
my %mark = (options => ['-action', 'mark'], listed => 'marked',
    pass => qr/^[ca]$|^closed$/);
my %tempfail = (options => ['-onerror', 'tempfail'], listed => '554',
    pass => qr/^[cat]$|^closed$|^4..$/);

# The runs of a fault: how many calls fail from the nth on, for every step'th n.
my @runs = (
	{ store => 'killed', way => \%tempfail, count => 1, step => 1 },
	{ store => 'killed', way => \%mark, count => 2, step => 5 },
	{ store => 'new', way => \%mark, count => 1, step => 1 },
);

my $list = file('list', "192.0.2.0/24\n");
my $white = file('white', "198.51.100.0/24\n");
my %reported = (new => {}, killed => { '203.0.113.200' => 'old' });

sub begin {
	my ($at, $run, @before) = @_;
	return launch($at, "$at/db", { before => [@before] },
	    -blacklist => $list, -whitelist => $white, @{ $run->{way}{options} });
}

# A store that was in use when its daemon was killed.
sub make_killed {
	my $at = folder . '/killed';
	mkdir $_ for $at, "$at/db";
	my $d = begin($at, $runs[0]);
	is_ready($d) or die $d->log;
	$d->tell("report $_ 600 $reported{killed}{$_}") eq 'ok' or die $d->log
	    for keys %{ $reported{killed} };
	$d->stop('KILL');
	trim_logs("$at/db");
}

sub write_plan {
	my ($path, $mode, $function, @numbers) = @_;
	open my $f, $mode, $path or die "$path: $!";
	print $f @numbers ? pack(PLAN, $function, @numbers, 0, 0, '') :
	    pack 'Z20', $function;
	close $f or die "$path: $!";
}

# How many calls there were, how many failed, and in whose code.
sub read_plan {
	my ($path) = @_;
	return (unpack PLAN, Daemon::slurp($path))[4, 5, 6];
}

# Lines of the log that do not say that all goes well.
sub complaints {
	my ($d) = @_;
	return $d->lines(
	    qr/^(?!loaded |short-term list read |version |running as|stopped)/);
}

# The short-term list has what was acknowledged, or gets it by itself.
sub check_list {
	my ($d, $reported) = @_;
	my @lost;
	eventually {
		my %now = entries($d);
		@lost = grep { ($now{$_} // '') ne $reported->{$_} }
		    sort keys %$reported;
		!@lost;
	} 3;
	die "acknowledged and lost: @lost\n" if @lost;
}

# It ended by itself.
sub check_end {
	my ($d, $excuse) = @_;
	my $status = $d->stop;
	return if $status == 139 && $excuse =~ $excused{crash} &&
	    $d->log !~ / ready on /;
	die "status $status\n" unless
	    grep { $_ == $status } 64, 69, 70, 71, 75, 78;
	die "no line says why\n" unless complaints($d);
}

# While calls fail.  Returns what clients were told.
sub work_during {
	my ($d, $reported) = @_;
	my %got = map { $_ => reply($d, $_) } '203.0.113.1', '192.0.2.1';
	for (1 .. 3) {
		my $said = $d->tell("report 203.0.113.10$_ 600 r$_");
		$reported->{"203.0.113.10$_"} = "r$_" if $said eq 'ok';
	}
	$d->tell($_) for 'list', 'reload', 'stats';
	return %got;
}

sub check_replies {
	my ($run, $excuse, %got) = @_;
	for (sort keys %got) {
		next if $got{$_} =~ $run->{way}{pass};
		next if /^192/ && $got{$_} eq $run->{way}{listed};
		next if $got{$_} eq 'timeout' && $excuse =~ $excused{silence};
		die "$_ during the fault: $got{$_}\n";
	}
}

# The faults are over: all is well again, without help.
sub check_after {
	my ($d, $run, $excuse, $reported) = @_;
	my $said = $d->tell('report 203.0.113.109 600 r9');
	die "report afterwards: $said\n" unless $said eq 'ok';
	$reported->{'203.0.113.109'} = 'r9';
	eventually { $d->stat('store_up') && !$d->stat('shortlist_unsaved') } 15
	    or die "the store stays down\n";
	check_list($d, $reported);
	return if $excuse =~ $excused{silence};
	my $got = reply($d, '203.0.113.1');
	die "unlisted afterwards: $got\n" unless $got =~ /^[ca]$/;
	$got = reply($d, '192.0.2.1');
	die "listed afterwards: $got\n" unless $got eq $run->{way}{listed};
}

# Started once more it has all it had, in the same files.
sub check_restart {
	my ($at, $run, $reported) = @_;
	rename "$at/log", "$at/log.first";
	my $d = begin($at, $run);
	die "no second start\n" unless is_ready($d);
	check_list($d, $reported);
	$d->stop('KILL');
	die "the store was set aside\n" if (my @bad = glob "$at/db/*.bad-*");
}

# One run, in which the nth call fails, or with n 0 none.  Returns the number
# of calls.
sub run_once {
	my ($at, $run, $fault, $n) = @_;
	my $plan = "$at/plan";
	my %reported = %{ $reported{ $run->{store} } };
	my $lost;
	$run->{store} eq 'new' ? mkdir "$at/db" :
	    copy_store(folder . '/killed/db', "$at/db");
	write_plan($plan, '>', $fault->{function}, $fault->{error}, $n,
	    $run->{count});
	my $d = begin($at, $run, 'env', "LD_PRELOAD=$preload", "FAIL=$plan");
	if (is_ready($d)) {
		%reported = () if ($lost = $d->log =~ $excused{loss});
		my %got = work_during($d, \%reported);
		sleep $fault->{rest} // 0;
		my ($calls, $failed, $excuse) = read_plan($plan);
		eventually { $d->gone } 1 if $excuse =~ $excused{silence};
		check_replies($run, $excuse, %got) unless $d->gone;
		write_plan($plan, '+<', 'none') if $failed;
		check_after($d, $run, $excuse, \%reported)
		    if $failed && !$d->gone;
	}
	if ($d->gone) {
		check_end($d, (read_plan($plan))[2]);
	} else {
		my $status = stop($d);
		die "status at the end $status\n" unless $status eq '0';
	}
	check_restart($at, $run, \%reported) unless $lost;
	return (read_plan($plan))[0];
}

make_killed();
my (@scripts, %runs);
for my $fault (@faults) {
	push @scripts, { fault => $fault, run => $_, number => scalar @scripts,
	    name => "$fault->{function} $fault->{error}, store $_->{store}, " .
	    "$_->{count} in a row" } for @runs;
}
my $said = deal(AT_ONCE, sub {
	my ($script, $at) = @_;
	return "$script->{number} " .
	    run_once($at, @$script{qw(run fault)}, 0) . "\n";
}, @scripts);
my %calls = $said =~ /^(\d+) (\d+)$/mg;
is keys %calls, @scripts, 'the script runs when nothing fails' or diag $said;

my @work;
for my $script (@scripts) {
	my $calls = $calls{$script->{number}} // 0;
	for (my $n = 1; $n <= $calls; $n += $script->{run}{step}) {
		push @work, { %$script, n => $n,
		    name => "$script->{name}, call $n" };
		$runs{$script->{name}}++;
	}
}
$said = deal(AT_ONCE, sub {
	my ($script, $at) = @_;
	run_once($at, @$script{qw(run fault n)});
	return '';
}, @work);
for (map { $_->{name} } @scripts) {
	my @wrong = $said =~ /^\Q$_\E, .*\n(?:    .*\n)*/mg;
	ok !@wrong, "$_: " . ($runs{$_} // 0) . " runs" or diag @wrong;
}
unlike $said, qr/^process/m, 'all runs were made' or diag $said;
done_testing;
