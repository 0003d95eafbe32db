package Nsd;

# A real name server, nsd(8), on a free port of 127.0.0.1.  It needs no root,
# and gives none up.
#
#	plan skip_all => Nsd::missing() if Nsd::missing();
#	my $nsd = Nsd->start('example.com. TXT "v=spf1 mx -all"' . "\n");
#	... '-nameserver' => $nsd->address ...
#
# The text is the root zone (RFC 1035 5), without its SOA and NS: so any name
# may be in it, and every other one does not exist.

use strict;
use warnings;
use File::Temp ();
use IO::Socket::IP;
use Socket qw(SOCK_DGRAM SOCK_STREAM);

use Daemon qw(eventually);

use constant TRIES => 10;	# ports; somebody may take one before nsd does

sub program {
	my ($nsd) = grep { -x } map { "$_/nsd" } '/usr/sbin', '/usr/local/sbin',
	    split /:/, $ENV{PATH} // '';
	return $nsd;
}

sub missing { return program() ? undef : 'needs nsd' }

my $head = <<'EOF';
$TTL 300
. SOA ns. root. 1 3600 600 86400 300
. NS ns.
ns. A 127.0.0.1
EOF

sub start {
	my ($class, $text) = @_;
	my $self = bless { owner => $$,
	    dir => File::Temp->newdir('nsd-XXXXXX', TMPDIR => 1) }, $class;
	Daemon::file("$self->{dir}/zone", $head . $text);
	for (1 .. TRIES) {
		$self->launch(free_port()) and return $self;
	}
	die 'nsd did not start: ' . $self->log;
}

# One that is free by UDP and TCP.
sub free_port {
	my %at = (LocalHost => '127.0.0.1');
	for (1 .. TRIES) {
		my $tcp = IO::Socket::IP->new(%at, LocalPort => 0,
		    Type => SOCK_STREAM, Listen => 1) or next;
		return $tcp->sockport if IO::Socket::IP->new(%at,
		    LocalPort => $tcp->sockport, Type => SOCK_DGRAM);
	}
	die "no port to listen at: $@";
}

sub conf {
	my ($dir, $port) = @_;
	return <<"EOF";
server:
	ip-address: 127.0.0.1\@$port
	server-count: 1
	username: ""
	chroot: ""
	zonesdir: "$dir"
	zonelistfile: "$dir/zones"
	xfrdfile: "$dir/transfers"
	xfrdir: "$dir"
	database: ""
	pidfile: ""
	logfile: "$dir/log"
	rrl-ratelimit: 0
remote-control:
	control-enable: no
zone:
	name: "."
	zonefile: "zone"
EOF
}

# Returns true when it serves, false when it could not have the port.
sub launch {
	my ($self, $port) = @_;
	my $dir = $self->{dir};
	unlink "$dir/log";
	Daemon::file("$dir/nsd.conf", conf($dir, $port));
	$self->{pid} = Daemon::spawn('/dev/null', "$dir/log", program(), '-d',
	    '-c', "$dir/nsd.conf");
	my $gone;
	eventually {
		$gone = defined Daemon::wait_for($self->{pid}, 0);
		$gone || $self->log =~ / nsd started /;
	} 10;
	delete $self->{pid} if $gone;
	die 'nsd: ' . $self->log if $self->log =~ /error: .*zone/;
	$self->{port} = $port;
	return !$gone && $self->log =~ / nsd started /;
}

sub log { return Daemon::slurp("$_[0]{dir}/log") }

# As -nameserver has it.
sub address { return "127.0.0.1:$_[0]{port}" }

sub stop {
	my ($self) = @_;
	return if $self->{owner} != $$ || !$self->{pid};
	my $pid = delete $self->{pid};
	local ($?, $!);
	kill TERM => $pid;
	return if defined Daemon::wait_for($pid, 10);
	kill KILL => $pid;
	waitpid $pid, 0;
}

sub DESTROY { $_[0]->stop }

1;
