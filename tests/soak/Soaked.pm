package Soaked;

# The five of Chain, looked after for as long as they run: who crashed, who has
# a complaint, who grew.  Their clock is ours to set, and one of them is built
# to watch itself.
#
#	my $chain = Soaked->start(graymilter => [@options]);
#	$chain->watch('graymilter');
#	$chain->set_clock(3600);
#	my @wrong = ($chain->crashed, $chain->rest, $chain->odd_words($usual));

use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep);

use Chain;
use Daemon qw(eventually);
use Mta;
use Prometheus;

our @ISA = ('Chain');

my $clock = '/run/clock';

sub start {
	my ($class, %options) = @_;
	Mta::write_file($clock, pack 'q', 0);
	return $class->SUPER::start(%options);
}

# Seconds that their clock is ahead from now on.
sub set_clock {
	my ($self, $seconds) = @_;
	open my $f, '+<', $clock or die "$clock: $!";
	syswrite $f, pack 'q', $seconds;
}

# The library of ASan wants to be the first.
sub preload {
	my ($is_watched) = @_;
	my $asan = $is_watched ? `gcc -print-file-name=libasan.so` : '';
	chomp $asan;
	return "$asan $ENV{BUILD}/tests/soak/clock.so";
}

sub launch {
	my ($self, $name) = @_;
	my $is_watched = $name eq ($self->{watched} // '');
	local $ENV{CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = preload($is_watched);
	local $ENV{BUILD} = $ENV{ASAN_BUILD} if $is_watched;
	my $daemon = $self->SUPER::launch($name);
	push @{ $self->{lives} }, { name => $name, daemon => $daemon,
	    is_watched => $is_watched, rests => [] };
	$self->{is_up}{$name} = 1;
	return $daemon;
}

# End one; its exit status.
sub end {
	my ($self, $name, $signal) = @_;
	my $daemon = $self->{$name};
	$self->{is_up}{$name} = 0;
	kill $signal => $daemon->pid;
	for (1 .. 3) {	# libmilter looks up when somebody comes
		sleep 0.1;
		last if $daemon->gone;
		IO::Socket::UNIX->new(Peer => "/run/$name/$name.sock");
	}
	return $daemon->stop($signal) // -1;
}

# End one as it should be ended; what was wrong with that.
sub finish {
	my ($self, $name) = @_;
	my $status = $self->end($name, 'TERM');
	return $status == 0 ? () : "$name: SIGTERM: status $status";
}

# It is this one's turn; returns what is wrong with the end of those before.
sub watch {
	my ($self, $name) = @_;
	my @both = grep { defined } $self->{watched}, $name;
	my @wrong = map { $self->finish($_) } @both;
	$self->{watched} = $name;
	$self->launch($_) for @both;
	return @wrong;
}

# Who ended unasked; it is started again.
sub crashed {
	my ($self) = @_;
	my @crashed;
	for my $name (grep { $self->{is_up}{$_} } @Chain::milters) {
		my $daemon = $self->{$name};
		next unless $daemon->gone;
		my @last = $daemon->lines(qr/^(?!verdict=)/);
		splice @last, 0, -40 if @last > 40;
		push @crashed, "$name crashed: status " . $daemon->stop .
		    join "\n\t", '', @last;
		$self->launch($name);
	}
	return @crashed;
}

# When nobody sends: see that they have no sessions and good counters, and note
# how large they are.  Returns what is wrong.
sub rest {
	my ($self) = @_;
	my @wrong;
	for my $life ($self->alive) {
		my ($name, $daemon) = @$life{qw(name daemon)};
		push @wrong, "$name: sessions at rest"
		    unless eventually { $daemon->stat('sessions') == 0 } 10;
		my ($last, @stats) = $daemon->tell('stats');
		push @wrong, "$name: stats: $last" if $last ne 'ok';
		push @wrong, faults_of($name, join '', map { "$_\n" } @stats);
		push @wrong, $self->descriptors_of($life);
		push @{ $life->{rests} }, $daemon->memory('VmRSS');
	}
	return @wrong;
}

sub alive {
	my ($self) = @_;
	return grep { $self->{$_->{name}} == $_->{daemon} }
	    @{ $self->{lives} };
}

# At rest it has always as many, but the first time it may need a moment, and
# either end of a connection for hints may stay open.
my %kept = (spfmilter => 4, graymilter => 4);	# CONTROL_KEPT_MAX

sub descriptors_of {
	my ($self, $life) = @_;
	my $name = $life->{name};
	sleep 1 unless $self->{descriptors}{$name};
	my $wanted = $self->{descriptors}{$name} //=
	    $life->{daemon}->descriptors;
	my $is_same = eventually {
		abs($life->{daemon}->descriptors - $wanted) <=
		    ($kept{$name} // 0)
	} 5;
	return $is_same ? () : "$name: descriptors at rest: " .
	    $life->{daemon}->descriptors . ", they were $wanted";
}

# What they said since this was last called and is not expected.
sub odd_words {
	my ($self, $expected) = @_;
	my @odd;
	for my $life (@{ $self->{lives} }) {
		my $daemon = $life->{daemon};
		push @odd, map { "$life->{name} says: $_" }
		    grep { $_ !~ $expected } $daemon->lines(qr/./);
		truncate $daemon->{log}, 0;
	}
	return @odd;
}

# How large each was at its rests, in kB, but those built to watch themselves:
# rows of a name and some sizes.
sub sizes {
	my ($self) = @_;
	return map { [$_->{name}, @{ $_->{rests} }] } grep {
	    !$_->{is_watched} && @{ $_->{rests} } > 1 } @{ $self->{lives} };
}

1;
