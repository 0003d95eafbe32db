package Fakeclamd;

# A clamd(8) that does what a test wants of it.
#
#	my $clamd = Fakeclamd->start;
#	... '-clamd' => $clamd->socket ...
#	$clamd->act(sub { my ($c) = @_; $c->take; $c->say("stream: O") });
#	is_deeply [$clamd->asked], ['INSTREAM 1234', 'PING'];
#
# Left alone it finds what WORM says, so that a test chooses the name by what
# it sends.  An act is called for each INSTREAM, and the connection is closed
# when it returns; PING is answered, but not with pong => 0.  Connections are
# served one after the other, but one that has to wait, for the client or by
# pause(), does so in a process of its own.  The socket belongs to the test, so
# nobody finds it closed between two acts.

use strict;
use warnings;
use Errno qw(EINTR);
use File::Temp ();
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOMAXCONN);
use Time::HiRes ();

use constant {
	WORM => 'WORM=',	# and the name, to the end of the line
	KEPT => 1 << 20,	# bytes of a stream that are kept
};

# --- the side of the test

# inet: listen at a port of 127.0.0.1 and not at a path; queue: of connections
# that nobody took yet.
sub start {
	my ($class, %with) = @_;
	my $dir = File::Temp->newdir('clamd-XXXXXX', TMPDIR => 1);
	chmod 0755, "$dir";
	my $self = bless { dir => $dir, owner => $$, pong => 1,
	    queue => SOMAXCONN, %with }, $class;
	$self->back;
	return $self;
}

sub socket {
	my ($self) = @_;
	return $self->{inet} ? "127.0.0.1:$self->{port}" :
	    "$self->{dir}/socket";
}

# Listen, at the same place as before, and act as before.
sub back {
	my ($self) = @_;
	unlink "$self->{dir}/socket";
	$self->{listener} = $self->{inet} ? IO::Socket::IP->new(
	    LocalHost => '127.0.0.1', LocalPort => $self->{port} // 0,
	    Listen => $self->{queue}, ReuseAddr => 1) :
	    IO::Socket::UNIX->new(Local => "$self->{dir}/socket",
	    Listen => $self->{queue}) or die "fake clamd: $! $@";
	chmod 0666, "$self->{dir}/socket" unless $self->{inet};
	$self->{port} = $self->{listener}->sockport if $self->{inet};
	return $self->thaw;
}

# Nobody is there.
sub stop {
	my ($self) = @_;
	$self->freeze;
	close delete $self->{listener};
	unlink "$self->{dir}/socket";
	return $self;
}

# It hangs: the kernel takes connections and nobody says a word.  Who is on a
# connection already finds it closed.
sub freeze {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return $self;
	local ($?, $!);
	kill KILL => -$pid;
	waitpid $pid, 0;
	return $self;
}

sub thaw {
	my ($self) = @_;
	$self->freeze;
	defined(my $pid = fork) or die "fork: $!";
	if (!$pid) {
		setpgrp 0, 0;
		$SIG{$_} = 'DEFAULT' for qw(TERM INT);
		eval { $self->serve; 1 } or warn "Fakeclamd: $@";
		POSIX::_exit(0);	# nothing of the test's is ours to end
	}
	setpgrp $pid, 0;
	$self->{pid} = $pid;
	return $self;
}

# From now on do this, without a word do as at first.  What hung in the old act
# is cut off.
sub act {
	my ($self, $act, %with) = @_;
	@$self{qw(act pong)} = ($act, $with{pong} // 1);
	return $self->thaw;
}

# Answer each message with these bytes.
sub answer {
	my ($self, $bytes) = @_;
	return $self->act(sub { $_[0]->take; $_[0]->say($bytes) });
}

# What it was asked since forget(): "PING", "INSTREAM size", and with " cut"
# behind when the end of the stream never came.
sub asked { return split /\n/, slurp("$_[0]{dir}/asked") }

sub forget {
	my ($self) = @_;
	truncate "$self->{dir}/asked", 0;
	return $self;
}

# The beginning of the last stream that was whole, put together again.
sub stream { return slurp("$_[0]{dir}/stream") }

sub slurp {
	my ($path) = @_;
	open my $f, '<:raw', $path or return '';
	local $/;
	return scalar(<$f>) // '';
}

sub DESTROY {
	my ($self) = @_;
	$self->freeze if $self->{owner} == $$;
}

# --- its own side

sub serve {
	my ($self) = @_;
	my $wait = IO::Select->new($self->{listener});
	@SIG{qw(CHLD PIPE)} = ('IGNORE') x 2;
	# A test that is killed tells nobody.
	while (getppid == $self->{owner}) {
		my $s = $wait->can_read(1) && $self->{listener}->accept or
		    next;
		my $c = bless { %$self, s => $s, buffer => '', size => 0 },
		    'Fakeclamd::Connection';
		eval { $c->serve; 1 } or $@ eq "elsewhere\n" or
		    warn "Fakeclamd: $@";
		POSIX::_exit(0) if $c->{apart};
	}
}

package Fakeclamd::Connection;

my @hung;

sub serve {
	my ($c) = @_;
	my $command = $c->command // return;
	if ($command eq 'zPING') {
		$c->note('PING');
		$c->hang unless $c->{pong};
		$c->say("PONG\0");
	} elsif ($command eq 'zINSTREAM') {
		($c->{act} // \&scan)->($c);
	} else {
		$c->note("not understood: $command");
	}
}

# What it does by itself.
sub scan {
	my ($c) = @_;
	my $text = $c->take // return;
	my $worm = Fakeclamd::WORM;
	$c->say($text =~ /\Q$worm\E([^\r\n]+)/ ? "stream: $1 FOUND\0" :
	    "stream: OK\0");
}

sub note {
	my ($c, $line) = @_;
	open my $f, '>>', "$c->{dir}/asked" or die "$!";
	syswrite $f, "$line\n";
	close $f;
}

# From now on in a process of its own.
sub apart {
	my ($c) = @_;
	return if $c->{apart};
	defined(my $pid = fork) or die "fork: $!";
	die "elsewhere\n" if $pid;
	close delete $c->{listener};
	$c->{apart} = 1;
}

sub pause {
	my ($c, $seconds) = @_;
	$c->apart;
	Time::HiRes::sleep($seconds);
}

# Some bytes more, with a pace no more than that in 20 ms; false at the end.
sub fill {
	my ($c) = @_;
	$c->pause(0.02) if $c->{pace};
	$c->apart unless IO::Select->new($c->{s})->can_read(0.05);
	for (;;) {
		my $n = sysread $c->{s}, $c->{buffer}, $c->{pace} // 262144,
		    length $c->{buffer};
		next if !defined $n && $!{EINTR};
		return $n;
	}
}

sub command {
	my ($c) = @_;
	while (index($c->{buffer}, "\0") < 0) {
		$c->fill or return undef;
	}
	my $end = index $c->{buffer}, "\0";
	my $command = substr $c->{buffer}, 0, $end + 1, '';
	return substr $command, 0, $end;
}

# The next size bytes, added to what is kept as long as there is room.
sub bytes {
	my ($c, $size, $kept) = @_;
	my $left = $size;
	for (;;) {
		my $part = substr $c->{buffer}, 0, $left, '';
		$left -= length $part;
		$$kept .= $part if length $$kept < Fakeclamd::KEPT;
		return 1 unless $left;
		$c->fill or return 0;
	}
}

# The stream to its end, or until there are so many bytes: what came of it.
# undef: the client went away.
sub take {
	my ($c, $limit) = @_;
	my $text = '';
	for (;;) {
		my $length = '';
		if (!$c->bytes(4, \$length)) {
			$c->note("INSTREAM $c->{size} cut");
			return undef;
		}
		my $size = unpack 'N', $length;
		last if $size == 0;
		if (!$c->bytes($size, \$text)) {
			$c->note("INSTREAM $c->{size} cut");
			return undef;
		}
		$c->{size} += $size;
		return $text if defined $limit && $c->{size} >= $limit;
	}
	$c->note("INSTREAM $c->{size}");
	open my $f, '>:raw', "$c->{dir}/stream.$$" or die "$!";
	print $f $text;
	close $f;
	rename "$c->{dir}/stream.$$", "$c->{dir}/stream";
	return $text;
}

sub say {
	my ($c, $bytes) = @_;
	while (length $bytes) {
		my $n = syswrite $c->{s}, $bytes;
		next if !defined $n && $!{EINTR};
		defined $n or return 0;
		substr $bytes, 0, $n, '';
	}
	return 1;
}

# Say nothing more, until the test has it do something else.
sub hang {
	my ($c) = @_;
	POSIX::pause() while $c->{apart};
	push @hung, $c->{s};
	die "elsewhere\n";
}

1;
