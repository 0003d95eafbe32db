package Fail;

# A milter of which chosen calls fail, by fail.so: a script is run once to count
# the calls of a function, and then again for each call that is to fail.
#
#	run_faults(\%milter, \@runs);
#
# %milter says how the milter is driven, by code that dies when something is
# wrong:
#
#	begin => ($at, $run, @before): launch it with its store in "$at/db"
#	fresh => ($run): what is remembered of it, a hash, at first
#	lost => ($memory): of that, nothing can be asked for any more
#	during => ($d, $run, $memory): while calls fail; returns what is to be
#	    checked when it is known whose calls they were
#	check => ($run, $excuse, @got): by this
#	after => ($d, $run, $excuse, $memory): when none fail any more
#	again => ($d, $memory): when it was started once more
#
# A run is { store, count, step } and what the milter needs: a store that is new
# or was killed, how many calls fail from the nth on, and for every step'th n.
# Of one function at most CALLS calls fail, in even steps; in the environment
# FAULT_CALLS is another number, or "all", and FAULT chooses the runs by a regular
# expression for their names.

use strict;
use warnings;
use Errno qw(EACCES EAGAIN EIO EMFILE ENOMEM ENOSPC);
use Exporter ();
use List::Util qw(max);
use POSIX qw(ceil);
use Test::More;
use Time::HiRes qw(sleep);

use Daemon;
use Fault;

our @EXPORT = qw(run_faults make_killed %excused);

use constant AT_ONCE => 24;		# daemons under test
use constant CALLS => $ENV{FAULT_CALLS} // 5;
use constant CHOSEN => $ENV{FAULT} // '';
use constant PLAN => 'Z20 L5 Z100';	# struct plan in fail.c

my $preload = ($ENV{BUILD} // '.') . '/tests/fault/fail.so';

# Which calls fail, and how; rest: for seconds, so that what is done every second
# is among them.
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

# Two libraries have limits of their own.
our %excused = (
	# Without memory libdb's recovery may pass over a database it cannot
	# open, and say that all went well.
	loss => qr/: BDB\d+ (malloc|realloc): (?!.*cannot be opened:)/s,
	# libdb follows a null pointer where it clears up after itself while it
	# opens an environment or a database.
	crash => qr/libdb/,
	# libmilter goes on without a thread it could not make, or could not
	# give its memory, and then does not answer; or it gives up.
	silence => qr/libmilter|ld-linux|libpthread/,
);

# A store that was in use when its daemon was killed; fill() gets the daemon.
sub make_killed {
	my ($milter, $run, $fill) = @_;
	my $at = folder . '/killed';
	mkdir $_ for $at, "$at/db";
	my $d = $milter->{begin}->($at, $run);
	is_ready($d) or die $d->log;
	$fill->($d);
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

# Lines of the log that may say why it ended.
sub last_words {
	my ($d) = @_;
	return $d->lines(qr/^(?!loaded |short-term list read |version |
	    running\ as|stopped|verdict=)/x);
}

# It ended by itself.
sub check_end {
	my ($d, $excuse) = @_;
	my $status = $d->stop;
	return if $status == 139 && $excuse =~ $excused{crash} &&
	    $d->log !~ / ready on /;
	die "status $status\n" unless
	    grep { $_ == $status } 64, 69, 70, 71, 75, 78;
	die "no line says why\n" unless last_words($d);
}

# Started once more it has all it had, in the same files.
sub check_restart {
	my ($at, $milter, $run, $memory) = @_;
	rename "$at/log", "$at/log.first";
	my $d = $milter->{begin}->($at, $run);
	die "no second start\n" unless is_ready($d);
	$milter->{again}->($d, $memory);
	$d->stop('KILL');
	die "the store was set aside\n" if (my @bad = glob "$at/db/*.bad-*");
}

# One run, in which the nth call fails, or with n 0 none.  Returns the number
# of calls.
sub run_once {
	my ($at, $milter, $run, $fault, $n) = @_;
	my $plan = "$at/plan";
	my $memory = $milter->{fresh}->($run);
	my $lost;
	$run->{store} eq 'new' ? mkdir "$at/db" :
	    copy_store(folder . '/killed/db', "$at/db");
	write_plan($plan, '>', $fault->{function}, $fault->{error}, $n,
	    $run->{count});
	my $d = $milter->{begin}->($at, $run, 'env', "LD_PRELOAD=$preload",
	    "FAIL=$plan");
	if (is_ready($d)) {
		$milter->{lost}->($memory)
		    if ($lost = $d->log =~ $excused{loss});
		my @got = $milter->{during}->($d, $run, $memory);
		sleep $fault->{rest} // 0;
		my ($calls, $failed, $excuse) = read_plan($plan);
		eventually { $d->gone } 1 if $excuse =~ $excused{silence};
		$milter->{check}->($run, $excuse, @got) unless $d->gone;
		write_plan($plan, '+<', 'none') if $failed;
		$milter->{after}->($d, $run, $excuse, $memory)
		    if $failed && !$d->gone;
	}
	if ($d->gone) {
		check_end($d, (read_plan($plan))[2]);
	} else {
		my $status = stop($d);
		die "status at the end $status\n" unless $status eq '0';
	}
	check_restart($at, $milter, $run, $memory) unless $lost;
	return (read_plan($plan))[0];
}

# Each fault in each run, with no call that fails; returns the numbers of calls.
sub count_calls {
	my ($milter, @scripts) = @_;
	my $said = deal(AT_ONCE, sub {
		my ($script, $at) = @_;
		return "$script->{number} " .
		    run_once($at, $milter, @$script{qw(run fault)}, 0) . "\n";
	}, @scripts);
	my %calls = $said =~ /^(\d+) (\d+)$/mg;
	is keys %calls, @scripts, 'the script runs when nothing fails'
	    or diag $said;
	return %calls;
}

sub run_faults {
	my ($milter, $runs) = @_;
	my (@scripts, @work, %runs);
	for my $fault (@faults) {
		push @scripts, { fault => $fault, run => $_,
		    number => scalar @scripts, name => "$fault->{function} " .
		    "$fault->{error}, store $_->{store}, $_->{count} in a row" }
		    for @$runs;
	}
	@scripts = grep { $_->{name} =~ CHOSEN } @scripts;
	my %calls = count_calls($milter, @scripts);
	for my $script (@scripts) {
		my $calls = $calls{$script->{number}} // 0;
		my $step = $script->{run}{step};
		$step = max($step, ceil($calls / CALLS)) if CALLS ne 'all';
		for (my $n = 1; $n <= $calls; $n += $step) {
			push @work, { %$script, n => $n,
			    name => "$script->{name}, call $n" };
			$runs{$script->{name}}++;
		}
	}
	my $said = deal(AT_ONCE, sub {
		my ($script, $at) = @_;
		run_once($at, $milter, @$script{qw(run fault n)});
		return '';
	}, @work);
	for (map { $_->{name} } @scripts) {
		my @wrong = $said =~ /^\Q$_\E, .*\n(?:    .*\n)*/mg;
		ok !@wrong, "$_: " . ($runs{$_} // 0) . ' runs' or diag @wrong;
	}
	unlike $said, qr/^process/m, 'all runs were made' or diag $said;
}

sub import {
	plan(skip_all => 'the watchers replace the same functions')
	    if $ENV{WATCH};
	plan(skip_all => "no $preload") unless -e $preload;
	goto &Exporter::import;
}

1;
