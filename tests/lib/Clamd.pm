package Clamd;

# A real clamd(8) of the test's own: with its own signatures, socket and log,
# in a folder that goes when the test ends.  It needs no root, and as root
# stays root.
#
#	plan skip_all => Clamd::missing() if Clamd::missing();
#	my $clamd = Clamd->start(MaxThreads => 2, StreamMaxLength => '1M');
#	... '-clamd' => $clamd->socket ...
#
# Options are those of clamd.conf(5).  Text with Clamd::WORM in it is infected
# with Clamd::NAME; after $clamd->hold it takes until $clamd->release to say so.

use strict;
use warnings;
use File::Temp ();
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep);

use Daemon qw(eventually);

use constant {
	WORM => 'this is no worm but was made for tests',
	# What is not signed by ClamAV is marked.
	NAME => 'Test.Worm.UNOFFICIAL',
	SECONDS => 30,		# until it answers; it takes one
};

sub program {
	my ($clamd) = grep { -x } map { "$_/clamd" } '/usr/sbin',
	    '/usr/local/sbin', split /:/, $ENV{PATH} // '';
	return $clamd;
}

sub missing { return program() ? undef : 'needs clamd' }

my @running;

sub start {
	my ($class, %options) = @_;
	my $self = $class->prepare(%options);
	$self->launch;
	return $self;
}

# One that does not run yet.
sub prepare {
	my ($class, %options) = @_;
	my $dir = File::Temp->newdir('clamd-XXXXXX', TMPDIR => 1);
	my $self = bless { owner => $$, dir => $dir, options => \%options },
	    $class;
	mkdir "$dir/$_" or die "$dir/$_: $!" for qw(db tmp);
	$self->sign('Test.Worm' => WORM);
	push @running, $self;
	return $self;
}

# Text that is infected, from the next start or reload on.
sub sign {
	my ($self, $name, $text) = @_;
	my $path = "$self->{dir}/db/test.ndb";
	Daemon::file($path, Daemon::slurp($path) . "$name:0:*:" .
	    unpack('H*', $text) . "\n");
}

sub conf {
	my ($self) = @_;
	my $dir = $self->{dir};
	my %conf = (
		LogFile => "$dir/log",
		LogFileMaxSize => 0,
		LogTime => 'yes',
		LogVerbose => 'yes',
		DatabaseDirectory => "$dir/db",
		TemporaryDirectory => "$dir/tmp",
		LocalSocket => "$dir/socket",
		FixStaleSocket => 'yes',
		Foreground => 'yes',
		SelfCheck => 0,
		MaxThreads => 4,
		User => scalar getpwuid $>,
		VirusEvent => "cd $dir && [ -e hold ] || exit 0; : >busy.\$\$; " .
		    'while [ -e hold ]; do sleep 0.05; done; rm -f busy.$$',
		%{ $self->{options} },
	);
	return join '', map { "$_ $conf{$_}\n" } sort keys %conf;
}

# Start it, again too, and wait until it answers.
sub launch {
	my ($self) = @_;
	my $dir = $self->{dir};
	Daemon::file("$dir/clamd.conf", $self->conf);
	unlink "$dir/socket";
	$self->{pid} = Daemon::spawn("$dir/out", "$dir/out", program(), '-c',
	    "$dir/clamd.conf");
	eventually {
		defined Daemon::wait_for($self->{pid}, 0) &&
		    die 'clamd ended: ', $self->log;
		$self->answers;
	} SECONDS or die 'clamd does not answer: ', $self->log;
}

sub log {
	my ($self) = @_;
	return Daemon::slurp("$self->{dir}/out") .
	    Daemon::slurp("$self->{dir}/log");
}

sub pid { return $_[0]{pid} }
sub socket { return "$_[0]{dir}/socket" }

# A port for the option TCPSocket; somebody may take it before clamd does.
sub free_port {
	my $s = IO::Socket::IP->new(LocalHost => '127.0.0.1', Listen => 1) or
	    die "no port to listen at: $@";
	return $s->sockport;
}

# Does it say PONG?
sub answers {
	my ($self) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $self->socket) or return 0;
	local $SIG{PIPE} = 'IGNORE';
	syswrite $s, "zPING\0" or return 0;
	IO::Select->new($s)->can_read(2) or return 0;
	sysread $s, my $said, 100;
	return ($said // '') eq "PONG\0";
}

# --- what can befall it

# From now on who finds something is busy, and says so to nobody.
sub hold { return Daemon::file("$_[0]{dir}/hold", '') }
sub release { return unlink "$_[0]{dir}/hold" }

# Wait until as many are.
sub are_busy {
	my ($self, $count) = @_;
	return eventually { $count <= (() = glob "$self->{dir}/busy.*") }
	    SECONDS;
}

# It hangs: connections are taken by the kernel and nobody says a word.
sub freeze { return kill STOP => $_[0]{pid} }
sub thaw { return kill CONT => $_[0]{pid} }

sub reload {
	my ($self) = @_;
	my $before = () = $self->log =~ /Activating the newly loaded/g;
	kill USR2 => $self->{pid};
	return eventually {
		$before < (() = $self->log =~ /Activating the newly loaded/g);
	} SECONDS;
}

sub end {
	my ($self, $signal) = @_;
	return if $self->{owner} != $$ || !$self->{pid};
	my $pid = delete $self->{pid};
	local ($?, $!);
	# It waits for those that are busy.
	$self->release if $signal ne 'KILL';
	kill CONT => $pid;
	kill $signal => $pid;
	if (!defined Daemon::wait_for($pid, 10)) {
		kill KILL => $pid;
		waitpid $pid, 0;
	}
	$self->release;
	unlink glob "$self->{dir}/busy.*";
}

sub stop { $_[0]->end('TERM') }
sub crash { $_[0]->end('KILL') }

sub DESTROY { $_[0]->crash }

# Before the folders go.
END { $_->crash for @running }

1;
