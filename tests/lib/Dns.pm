package Dns;

# A name server that says what it is told to, with UDP and TCP on one port.
#
#	my $dns = Dns->new(zone => {
#		'example.com' => [ [A => '192.0.2.1'], [MX => 10, 'mx.example'],
#		    [TXT => 'v=spf1 ', 'mx -all'], [SOA => 60] ],
#		'old.example.com' => [ [CNAME => 'example.com'] ],
#		'slow.example.com' => [ 'SLOW 3', [A => '192.0.2.2'] ],
#		'half.example.com' => [ 'TXT SERVFAIL', [A => '192.0.2.3'] ],
#		'*.down.example' => 'SILENT',
#	});
#	... '-nameserver' => $dns->address ...
#	is_deeply [$dns->queries], ['TXT example.com'];
#
# Names are compared without case; "*.example" is any name below it that is
# not there, and "*" any at all.  Bytes are bytes; in a name, a dot or backslash
# inside a label has a backslash in front.  A record may end with { ttl => 5 }.
# The strings of a TXT that are over 255 bytes are split.  [RAW => 'A', $bytes]
# has these bytes for its data.  A CNAME is followed as far as the zone knows
# it.  A name without the type is NODATA, an unknown one NXDOMAIN, with the SOA
# of the nearest name above that has one: [SOA => seconds]; else 300.
#
# A word among the records says what happens instead, to questions of all types
# or of the one in front of it:
#
#	SERVFAIL REFUSED FORMERR NOTIMP	an empty answer with this code
#	SILENT		no answer
#	SLOW n		the answer, n seconds later
#	GARBAGE		random bytes behind the right ID
#	CORRUPT		a good beginning, and random bytes for the records
#	WRONGID		the answer to another ID
#	LIE		the answer to another question
#	TRUNCATE	by UDP only that there is more; by TCP all of it
#	TCPSILENT	the same, but by TCP nothing
#	TCPDRIP		the same, but by TCP a byte a second
#	FIRST ...	one of these, for the first question of this type only

use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use IO::Select;
use IO::Socket::IP;
use POSIX ();
use Socket qw(AF_INET AF_INET6 AF_UNIX SOCK_DGRAM SOCK_STREAM inet_pton);
use Storable qw(nfreeze thaw);
use Time::HiRes qw(time);

use constant {
	TTL => 300,
	UDP_SIZE => 512,		# without EDNS
	TCP_SIZE => 65535,
	CNAMES => 20,
	OPT => 41,
	TC => 0x0200,
};

my %type = (A => 1, NS => 2, CNAME => 5, SOA => 6, PTR => 12, MX => 15,
    TXT => 16, AAAA => 28, SRV => 33, SPF => 99, ANY => 255);
my %word = reverse %type;
my %code = (FORMERR => 1, SERVFAIL => 2, NOTIMP => 4, REFUSED => 5);

# --- the side of the test

# zone; addresses: those it listens at, the first is the one it is called by;
# port: else a free one.
sub new {
	my ($class, %with) = @_;
	my @addresses = @{ $with{addresses} // ['127.0.0.1'] };
	my ($port, @sockets) = listen_at($with{port}, @addresses);
	socketpair my $ours, my $its, AF_UNIX, SOCK_STREAM, 0 or die "$!";
	open my $log, '+>>', undef or die "$!";	# it has no name to leave
	my $self = bless { port => $port, addresses => \@addresses,
	    log => $log, control => $ours, owner => $$ }, $class;
	if (!($self->{pid} = fork // die "fork: $!")) {
		$self->{control} = $its;
		keep_only($its, $log, @sockets);
		eval { $self->serve(@sockets); 1 } or warn "Dns: $@";
		POSIX::_exit(0);	# nothing of the test's is ours to end
	}
	return $self->zone($with{zone} // {});
}

sub port { return $_[0]{port} }

# As -nameserver has it, by its nth address.
sub address {
	my ($self, $n) = @_;
	my $address = $self->{addresses}[$n // 0];
	return $address =~ /:/ ? "[$address]:$self->{port}" :
	    "$address:$self->{port}";
}

# From now on it has these names, and no others.
sub zone {
	my ($self, $zone) = @_;
	my $frozen = nfreeze($zone);
	print { $self->{control} } pack 'N/a*', $frozen;
	$self->{control}->flush;
	sysread $self->{control}, my $ok, 1 or die 'the name server is gone';
	return $self;
}

# What it was asked since it forgot, as "TYPE name"; by "udp" or "tcp" alone.
sub queries {
	my ($self, $by) = @_;
	open my $f, '<', '/dev/fd/' . fileno $self->{log} or die "$!";
	my @lines = <$f>;
	chomp @lines;
	return map { s/^\w+ //r } grep { !$by || /^$by / } @lines;
}

sub forget {
	my ($self) = @_;
	truncate $self->{log}, 0 or die "$!";
	return $self;
}

sub stop {
	my ($self) = @_;
	return if $self->{owner} != $$ || !$self->{pid};
	kill KILL => $self->{pid};
	local ($?, $!);
	waitpid delete $self->{pid}, 0;
	close $self->{control};
}

sub DESTROY { $_[0]->stop }

# What else the test has open, others may wait to see closed.
sub keep_only {
	my %kept = map { fileno($_) => 1 } @_;
	POSIX::close($_) for grep { !$kept{$_} } 3 .. 255;
}

sub listen_at {
	my ($wanted, @addresses) = @_;
	for my $try (1 .. 50) {
		my ($port, @sockets) = ($wanted // 0);
		for my $address (@addresses) {
			my %at = (LocalHost => $address, V6Only => 1);
			my $tcp = IO::Socket::IP->new(%at, LocalPort => $port,
			    Type => SOCK_STREAM, Listen => 100,
			    ReuseAddr => 1) or last;
			$port ||= $tcp->sockport;
			my $udp = IO::Socket::IP->new(%at, LocalPort => $port,
			    Type => SOCK_DGRAM) or last;
			push @sockets, $tcp, $udp;
		}
		return ($port, @sockets) if @sockets == 2 * @addresses;
	}
	die "no port to listen at: $@";
}

# --- the side of the server

# All that waits is in {timers}: [time, code].
sub serve {
	my ($self, @sockets) = @_;
	$self->{$_} = {} for qw(zone asked conns);
	$self->{timers} = [];
	$SIG{PIPE} = 'IGNORE';
	$_->blocking(0) for @sockets;
	my %is_tcp = map { $_ => $_->socktype == SOCK_STREAM } @sockets;
	for (;;) {
		my $in = IO::Select->new($self->{control}, @sockets,
		    map { $_->{socket} } values %{ $self->{conns} });
		for my $s ($in->can_read($self->patience)) {
			if ($s == $self->{control}) {
				$self->take_zone or return;
			} elsif (my $conn = $self->{conns}{$s}) {
				$self->tcp($conn);
			} elsif ($is_tcp{$s}) {
				$self->meet($s);
			} else {
				$self->udp($s);
			}
		}
		$self->run_timers;
	}
}

sub patience {
	my ($self) = @_;
	my $next = $self->{timers}[0] or return undef;
	return $next->[0] > time ? $next->[0] - time : 0;
}

sub after {
	my ($self, $seconds, $code) = @_;
	$self->{timers} = [ sort { $a->[0] <=> $b->[0] } @{ $self->{timers} },
	    [time + $seconds, $code] ];
}

sub run_timers {
	my ($self) = @_;
	my $timers = $self->{timers};
	while (@$timers && $timers->[0][0] <= time) {
		(shift @$timers)->[1]->();
		$timers = $self->{timers};
	}
}

# A new zone; false when the test is over.
sub take_zone {
	my ($self) = @_;
	my $frozen = $self->take(unpack 'N', $self->take(4) // return 0) //
	    return 0;
	my $zone = thaw($frozen);
	$self->{zone} = { map { lc($_) =~ s/(?<=.)\.$//r =>
	    ref $zone->{$_} ? $zone->{$_} : [ $zone->{$_} ] } keys %$zone };
	$self->{asked} = {};
	syswrite $self->{control}, '.';
	return 1;
}

sub take {
	my ($self, $size) = @_;
	my $text = '';
	while (length $text < $size) {
		sysread $self->{control}, $text, $size - length $text,
		    length $text or return undef;
	}
	return $text;
}

sub udp {
	my ($self, $s) = @_;
	while (my $from = recv $s, my $packet, 65535, 0) {
		$self->answer($packet, 'udp', sub { send $s, $_[0], 0, $from });
	}
}

sub meet {
	my ($self, $s) = @_;
	my $socket = $s->accept or return;
	$socket->blocking(0);
	$self->{conns}{$socket} = { socket => $socket, in => '', out => '' };
}

sub tcp {
	my ($self, $conn) = @_;
	my $n = sysread $conn->{socket}, $conn->{in}, 65536,
	    length $conn->{in};
	return if !defined $n && ($! == EAGAIN || $! == EINTR);
	return $self->part($conn) unless $n;
	while (length $conn->{in} >= 2) {
		my $size = unpack 'n', $conn->{in};
		last if length $conn->{in} < 2 + $size;
		my $packet = substr $conn->{in}, 2, $size;
		substr($conn->{in}, 0, 2 + $size) = '';
		$self->answer($packet, 'tcp', sub {
			my ($answer, $drips) = @_;
			$conn->{out} .= pack 'n/a*', $answer;
			$self->pour($conn, $drips);
		});
	}
}

sub part {
	my ($self, $conn) = @_;
	$conn->{gone} = 1;
	delete $self->{conns}{ $conn->{socket} };
	close $conn->{socket};
}

# Write what can be written; the rest a little later.
sub pour {
	my ($self, $conn, $drips) = @_;
	return if $conn->{gone} || $conn->{out} eq '';
	my $n = syswrite $conn->{socket}, $conn->{out},
	    $drips ? 1 : length $conn->{out};
	return $self->part($conn) if !defined $n && $! != EAGAIN;
	substr($conn->{out}, 0, $n // 0) = '';
	$self->after($drips ? 1 : 0.005, sub { $self->pour($conn, $drips) })
	    if $conn->{out} ne '';
}

# --- a question and what is said

# What is asked: { id, flags, name, type, raw, edns }, or undef.
sub parse {
	my ($packet) = @_;
	return undef if length $packet < 17;
	my ($id, $flags, $questions, $an, $ns, $more) = unpack 'n6', $packet;
	return undef if $flags & 0x8000 || $questions != 1;
	my ($at, @labels) = (12);
	while (my $size = ord substr $packet, $at, 1) {
		return undef if $size > 63 ||
		    $at + 1 + $size >= length $packet;
		push @labels, substr($packet, $at + 1, $size) =~
		    s/([.\\])/\\$1/gr;
		$at += 1 + $size;
	}
	return undef if $at + 5 > length $packet;
	my $q = { id => $id, flags => $flags, name => join('.', @labels),
	    type => unpack('n', substr $packet, $at + 1, 2),
	    raw => substr($packet, 12, $at + 5 - 12), edns => 0 };
	# The only thing more that a client may say: its OPT.
	my $rest = substr $packet, $at + 5;
	$q->{edns} = unpack 'x3 n', $rest
	    if $more && length $rest >= 11 && $rest =~ /^\0\0\x29/;
	return $q;
}

sub answer {
	my ($self, $packet, $by, $say) = @_;
	my $q = parse($packet) or return;
	my $word = $word{ $q->{type} } // "TYPE$q->{type}";
	syswrite $self->{log}, "$by $word " .
	    $q->{name} =~ s/([^!-~])/sprintf '\\%03d', ord $1/ger . "\n";
	my $nth = $self->{asked}{lc "$word $q->{name}"}++;
	my ($found, $rcode, $records) = $self->look_up($q, $word, $nth);
	my ($act, $seconds) = split / /, $found // '';
	$act //= '';
	return if $act eq 'SILENT' || ($act eq 'TCPSILENT' && $by eq 'tcp');
	$q->{tc} = $by eq 'udp' && $act =~ /^(TRUNCATE|TCPSILENT|TCPDRIP)$/;
	my $made = make($q, $by, $act, $rcode, $records);
	return $self->after($seconds, sub { $say->($made) })
	    if $act eq 'SLOW';
	$say->($made, $by eq 'tcp' && $act eq 'TCPDRIP');
}

# The records of a name, and the name they are under: nothing, none, or some.
sub records {
	my ($self, $name) = @_;
	my $key = lc $name;
	my $zone = $self->{zone};
	return $zone->{$key} if $zone->{$key};
	while ($key =~ s/^(?:\\.|[^.\\])*\.//s) {
		return $zone->{"*.$key"} if $zone->{"*.$key"};
	}
	return $zone->{'*'};
}

# The word that says what happens, the code, and the records: [name, record].
sub look_up {
	my ($self, $q, $type, $nth) = @_;
	my $name = $q->{name};
	my ($act, @found);
	for (0 .. CNAMES) {
		my $all = $self->records($name);
		return ($act, 3, [@found, $self->soa($name)]) unless $all;
		$act //= what_happens($type, $nth, grep { !ref } @$all);
		my @mine = grep { ref && (of_type($_) eq $type ||
		    $type eq 'ANY') } @$all;
		push @found, map { [$name, $_] } @mine;
		return ($act, 0, \@found) if @mine;
		my ($cname) = grep { ref && of_type($_) eq 'CNAME' } @$all;
		return ($act, 0, [@found, $self->soa($name)]) unless $cname;
		push @found, [$name, $cname];
		$name = $cname->[1] =~ s/\.$//r;
	}
	return ($act, 0, \@found);
}

sub what_happens {
	my ($type, $nth, @words) = @_;
	for (@words) {
		my $word = $_;
		if ($word =~ /^(\w+) / && $type{$1}) {
			next if $1 ne $type;
			$word =~ s/^\w+ //;
		}
		next if $word =~ s/^FIRST // && $nth > 0;
		return $word;
	}
	return undef;
}

sub of_type {
	my ($record) = @_;
	return $record->[0] eq 'RAW' ? $record->[1] : $record->[0];
}

# The SOA that stands in the authority section, marked as such.
sub soa {
	my ($self, $name) = @_;
	my $key = lc $name;
	do {
		my ($soa) = grep { ref && $_->[0] eq 'SOA' }
		    @{ $self->{zone}{$key} // [] };
		return [$key, $soa, 1] if $soa;
	} while ($key =~ s/^(?:\\.|[^.\\])*\.//s);
	return [$key =~ s/^.*\.//sr, [SOA => TTL], 1];
}

# --- packets

sub name {
	my ($name) = @_;
	my @labels = $name =~ /((?:\\.|[^.\\])+)/gs;
	s/\\(.)/$1/gs for @labels;
	return join('', map { pack 'C/a*', substr $_, 0, 63 } @labels) . "\0";
}

sub data {
	my ($type, @rest) = @_;
	return inet_pton(AF_INET, $rest[0]) if $type eq 'A';
	return inet_pton(AF_INET6, $rest[0]) if $type eq 'AAAA';
	return pack('n', $rest[0]) . name($rest[1]) if $type eq 'MX';
	return $rest[1] if $type eq 'RAW';
	return name('ns') . name('root') . pack 'N5', 1, 3600, 600, 86400,
	    $rest[0] // TTL if $type eq 'SOA';
	return name($rest[0]) if $type ne 'TXT' && $type ne 'SPF';
	return join '', map { pack 'C/a*', $_ }
	    map { $_ eq '' ? '' : unpack '(a255)*', $_ } @rest;
}

sub record {
	my ($name, $record, $q) = @_;
	my @rest = @$record;
	my $own = ref $rest[-1] ? pop @rest : {};
	my $data = data(@rest);
	my $ttl = $rest[0] eq 'SOA' ? $rest[1] // TTL : TTL;
	return (lc $name eq lc $q->{name} ? "\xc0\x0c" : name($name)) .
	    pack('n n N', $type{ of_type($record) }, 1, $own->{ttl} // $ttl) .
	    pack('n/a*', $data);
}

sub random_bytes { return join '', map { chr int rand 256 } 1 .. $_[0] }

sub make {
	my ($q, $by, $act, $rcode, $records) = @_;
	my $id = $act eq 'WRONGID' ? $q->{id} ^ 0x5555 : $q->{id};
	return pack('n', $id) . random_bytes(20 + rand 60)
	    if $act eq 'GARBAGE';
	my $flags = 0x8080 | $q->{flags} & 0x7900;
	my $raw = $act eq 'LIE' ? name('lie.example') . substr $q->{raw}, -4 :
	    $q->{raw};
	return pack('n6', $id, $flags, 1, 3, 0, 0) . $raw . random_bytes(60)
	    if $act eq 'CORRUPT';
	($rcode, $records) = ($code{$act}, []) if $code{$act};
	my @made = map { [record($_->[0], $_->[1], $q), $_->[2]] } @$records;
	my $opt = $q->{edns} ? pack 'C n n N n', 0, OPT, 1232, 0, 0 : '';
	my $most = $by eq 'tcp' ? TCP_SIZE :
	    $q->{edns} > UDP_SIZE ? $q->{edns} : UDP_SIZE;
	my $size = 12 + length($raw) + length $opt;
	$size += length $_->[0] for @made;
	if ($q->{tc} || ($by eq 'udp' && $size > $most)) {
		$flags |= TC;
		@made = ();
	}
	# More than TCP can carry is not said.
	$size -= length((pop @made)->[0]) while @made && $size > $most;
	my @soa = grep { $_->[1] } @made;
	return pack('n6', $id, $flags | $rcode, 1, @made - @soa, @soa + 0,
	    $opt ne '') . $raw . join('', map { $_->[0] } @made) . $opt;
}

1;
