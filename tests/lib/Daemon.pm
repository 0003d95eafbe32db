package Daemon;

# A milter under test: started in a folder of its own, spoken to through its
# control socket, stopped and looked at when the test ends.
#
#	my $d = Daemon->start('-blacklist' => file('bad', "192.0.2.1\n"));
#	is $d->tell('test 192.0.2.1'), ...;
#	is $d->stop, 0;

use strict;
use warnings;
use Exporter 'import';
use File::Temp ();
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(folder file program run complaints eventually slow rest_of);

umask 022;
my $tmp = File::Temp->newdir('milter-XXXXXX', TMPDIR => 1);
chmod 0755, "$tmp";
my $made = 0;
my @running;

# The folder of this test; it goes when the test ends.
sub folder { return "$tmp" }

# How much longer things take when they are watched.
sub slow { return $ENV{WATCH} ? 10 : 1 }

# Write a file, at once and whole, as a list should be replaced.
sub file {
	my ($name, $text) = @_;
	my $path = $name =~ m{^/} ? $name : "$tmp/$name";
	open my $f, '>', "$path.new" or die "$path: $!";
	print $f $text;
	close $f or die "$path: $!";
	rename "$path.new", $path or die "$path: $!";
	return $path;
}

# The command that runs a milter, and what it is watched by.
sub program {
	my ($name) = @_;
	my $build = $ENV{BUILD} // '.';
	return (split(' ', $ENV{VALGRIND} // ''), "$build/$name/$name");
}

# Until code returns true, or the seconds are over; returns what it said.
sub eventually (&$) {
	my ($code, $seconds) = @_;
	my $end = time + $seconds * slow;
	my $got;
	until ($got = $code->()) {
		return $got if time > $end;
		sleep 0.02;
	}
	return $got;
}

sub slurp {
	my ($path) = @_;
	open my $f, '<', $path or return '';
	local $/;
	return scalar(<$f>) // '';
}

sub spawn {
	my ($out, $err, @command) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $out or POSIX::_exit(126);
	open STDERR, '>>', $err or POSIX::_exit(126);
	exec @command or POSIX::_exit(127);
}

# The exit status, 128 and more for a signal, or undef when it runs on.
sub wait_for {
	my ($pid, $seconds) = @_;
	my $status;
	eventually {
		waitpid($pid, POSIX::WNOHANG) == $pid or return 0;
		$status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
		1;
	} $seconds;
	return $status;
}

# Run a program to its end: (status, standard output, standard error).
sub run {
	my (@command) = @_;
	my $n = ++$made;
	my ($out, $err) = ("$tmp/out.$n", "$tmp/err.$n");
	my $pid = spawn($out, $err, @command);
	my $status = wait_for($pid, 30);
	if (!defined $status) {
		kill KILL => $pid;
		waitpid $pid, 0;
		$status = -1;
	}
	return ($status, slurp($out), slurp($err));
}

# What was said at a start that failed, but for what went well before.
sub complaints {
	my ($err) = @_;
	return grep { !/: (loaded|short-term list read) / } split /\n/, $err;
}

# Options of ours come first in a hash: name, socket, control, before (words
# put in front of the command).  Dies when the daemon does not get ready.
sub start {
	my ($class, @args) = @_;
	my $self = $class->launch(@args);
	eventually { $self->log =~ / ready on / || $self->gone } 30;
	die "not ready: " . $self->log unless $self->log =~ / ready on /;
	return $self;
}

# Have it looked after until the end of the test.
sub watch {
	my ($self) = @_;
	push @running, $self;
	return $self;
}

# One that does not run yet.
sub prepare {
	my ($class, @args) = @_;
	my %own = ref $args[0] eq 'HASH' ? %{ shift @args } : ();
	my $n = ++$made;
	return bless {
		name => 'blackmilter',
		socket => "$tmp/sock.$n",
		control => "$tmp/control.$n",
		pidfile => "$tmp/pid.$n",
		log => "$tmp/log.$n",
		args => \@args,
		%own,
	}, $class;
}

# Its command line, with these options in front of its own.
sub command {
	my ($self, @options) = @_;
	return (@{ $self->{before} // [] }, program($self->{name}), @options,
	    -control => $self->{control}, @{ $self->{args} },
	    $self->{socket});
}

# The same, not waiting for anything.
sub launch {
	my $self = shift->prepare(@_);
	$self->{pid} = spawn('/dev/null', $self->{log},
	    $self->command('-nodaemon'));
	return $self->watch;
}

# In the background, as an administrator starts it: the status of the process
# that was called, and its words, are in {started} and {said}.
sub background {
	my $self = shift->prepare(@_);
	$self->{log} = '/dev/null';	# it has syslog
	$self->{background} = 1;
	(@$self{qw(started out said)}) =
	    run($self->command(-pidfile => $self->{pidfile}));
	$self->{pid} = slurp($self->{pidfile}) =~ /^(\d+)\n\z/ ? $1 : 0;
	return $self->{pid} ? $self->watch : $self;
}

sub pid { return $_[0]{pid} }
sub socket { return $_[0]{socket} }
sub control { return $_[0]{control} }
sub log { return slurp($_[0]{log}) }

# The lines of the log that match, without the program's name.
sub lines {
	my ($self, $pattern) = @_;
	return grep { $_ =~ $pattern }
	    map { s/^\w+: //r } split /\n/, $self->log;
}

# Has it ended by itself?
sub gone {
	my ($self) = @_;
	return 1 if defined $self->{status};
	if ($self->{background}) {	# not our child: no status to be had
		return 0 if kill(0 => $self->{pid}) &&
		    slurp("/proc/$self->{pid}/stat") !~ /\) Z /;
		$self->{status} = 0;
		return 1;
	}
	waitpid($self->{pid}, POSIX::WNOHANG) == $self->{pid} or return 0;
	$self->{status} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return 1;
}

# A connection to its control socket.
sub dial {
	my ($self) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $self->{control}) or die "dial: $!";
	return $s;
}

# All that comes until the other side closes, or for some seconds.
sub rest_of {
	my ($s, $seconds) = @_;
	my $text = '';
	my $end = time + $seconds;
	while ((my $left = $end - time) > 0) {
		IO::Select->new($s)->can_read($left) or last;
		sysread $s, $text, 65536, length $text or return ($text, 1);
	}
	return ($text, 0);
}

# Send a control command: (the last line, the data lines).
sub tell {
	my ($self, $command) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $self->{control}) or
	    return ("no control socket: $!");
	print $s "$command\n";
	$s->flush;
	my @data;
	my $end = time + 30 * slow;
	my $buffer = '';
	while (IO::Select->new($s)->can_read($end - time > 0 ? $end - time : 0)) {
		sysread($s, $buffer, 65536, length $buffer) or last;
		while ($buffer =~ s/^(.*)\n//) {
			my $line = $1;
			return wantarray ? ($line, @data) : $line
			    if $line =~ /^(ok|error .*)$/;
			push @data, $line;
		}
	}
	return wantarray ? ('no answer', @data) : 'no answer';
}

# The value of a counter: "sessions" or 'verdicts_total{verdict="reject"...}'.
sub stat {
	my ($self, $name) = @_;
	my ($last, @lines) = $self->tell('stats');
	for (@lines) {
		return $1 if /^\w+?milter_\Q$name\E (\S+)$/;
	}
	return undef;
}

# End it by a signal and return its exit status; undef when it does not end.
sub stop {
	my ($self, $signal) = @_;
	@running = grep { $_ != $self } @running;
	if (!$self->gone) {
		kill $signal // 'TERM', $self->{pid};
		eventually { $self->gone } 15;
	}
	# LeakSanitizer's is not the status of a program that came to its end.
	@$self{qw(status clean)} = (0, 1)
	    if ($self->{status} // 0) == 99 && leaks_in_libmilter($self->log);
	$self->{clean} //= $self->watched;
	return $self->{clean} ? $self->{status} : 99;
}

# End it in its own time, so that another can have its socket at once.  How it
# ends is looked at when the test does.
sub retire {
	my ($self) = @_;
	my $path = $self->{socket} =~ s/^unix://r;
	rename $path, "$path.$self->{pid}";
	kill TERM => $self->{pid};
}

# End it as a power cut does.
sub crash {
	my ($self) = @_;
	return $self->stop('KILL');
}

# Is all that the sanitizers say of memory that libmilter itself has asked for
# and not given back?  It may lose the path of its socket when it is told to end
# and has just begun.
sub leaks_in_libmilter {
	my ($log) = @_;
	my ($head, @leaks) = split /^(?=\w+ leak of )/m, $log;
	return @leaks > 0 && $head !~ /runtime error:/ &&
	    (() = $log =~ /==\d+==ERROR:/g) == 1 && !grep {
	    !/\A.*\n\s+\#0\ .*\n\s+\#1\ \S+\s+\(\S*libmilter\.so/x
	} @leaks;
}

# What the sanitizers or valgrind have to say is a failure of the test.
sub watched {
	my ($self) = @_;
	my @said = grep {
	    /Sanitizer|runtime error:|^==\d+==|Assertion .* failed/
	} split /\n/, $self->log;
	return 1 unless @said;
	diag join "\n", "the watchers speak:", $self->log;
	return 0;
}

# Descriptors open, kB resident, kB of address space.
sub descriptors {
	my ($self) = @_;
	return scalar(my @fd = glob "/proc/$self->{pid}/fd/*");
}

sub memory {
	my ($self, $what) = @_;
	return slurp("/proc/$self->{pid}/status") =~ /^$what:\s+(\d+) kB/m ?
	    $1 : undef;
}

# A daemon takes seconds to stop; only the watchers have something to say then.
END {
	my $status = $?;
	my @left = @running;
	kill $ENV{WATCH} ? 'TERM' : 'KILL', $_->{pid}
	    for grep { !$_->gone } @left;
	for (@left) {
		$_->stop($ENV{WATCH} ? 'TERM' : 'KILL');
		next if $_->{clean} && (!$ENV{WATCH} || ($_->{status} // -1) == 0);
		diag "a daemon left at the end: status ", $_->{status} // '?';
		$status ||= 1;
	}
	$? = $status;
}

1;
