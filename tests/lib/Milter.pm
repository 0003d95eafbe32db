package Milter;

# The MTA's side of the milter protocol (version 6), one session an object.
# What the filter negotiated is obeyed, unless a test asks for raw packets.
#
#	my $m = Milter->new($socket);
#	$m->connect('192.0.2.1')->{reply};	# 'c' continue, 'a' accept, ...
#	$m->helo('client.example')->{text};	# "554 5.7.1 ..."

use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

use Daemon ();

# Which step bits (SMFIP_*) leave a command out, and which its reply.
my %no = (C => 0x1, H => 0x2, M => 0x4, R => 0x8, B => 0x10, L => 0x20,
    N => 0x40, U => 0x100, T => 0x200);
my %no_reply = (L => 0x80, C => 0x1000, H => 0x2000, M => 0x4000,
    R => 0x8000, T => 0x10000, U => 0x20000, N => 0x40000, B => 0x80000);

# Not yet negotiated; dies when nobody listens.
sub open {
	my ($class, $socket) = @_;
	my $s = $socket =~ /^inet6?:(\d+)\@(.*)/ ?
	    IO::Socket::IP->new(PeerHost => $2, PeerService => $1) :
	    IO::Socket::UNIX->new(Peer => $socket);
	die "$socket: $!" unless $s;
	binmode $s;
	return bless { socket => $s, buffer => '', macro => {},
	    patience => 20 * Daemon::slow }, $class;
}

sub new {
	my ($class, $socket, %with) = @_;
	my $self = $class->open($socket);
	$self->negotiate(%with);
	return $self;
}

sub negotiate {
	my ($self, %with) = @_;
	$self->send('O', pack 'NNN', $with{version} // 6,
	    $with{actions} // 0x1ff, $with{steps} // 0x1fffff);
	my ($cmd, $data) = $self->receive;
	die "negotiate: " . ($cmd // 'nothing') unless ($cmd // '') eq 'O';
	@$self{qw(version actions steps)} = unpack 'NNN', $data;
	my $rest = substr $data, 12;
	while (length $rest > 4) {
		my ($stage, $names) = unpack 'NZ*', $rest;
		$self->{wanted}{$stage} = $names;
		$rest = substr $rest, 5 + length $names;
	}
	return $self;
}

# What was negotiated: the commands C H M R T L N B U as they are when they are
# answered, in small letters when sent but not answered, - when not sent.
sub commands {
	my ($self) = @_;
	my @bits = ([C => 0x1, 0x1000], [H => 0x2, 0x2000], [M => 0x4, 0x4000],
	    [R => 0x8, 0x8000], [T => 0x200, 0x10000], [L => 0x20, 0x80],
	    [N => 0x40, 0x40000], [B => 0x10, 0x80000], [U => 0x100, 0x20000]);
	return join '', map { $self->{steps} & $_->[1] ? '-' :
	    $self->{steps} & $_->[2] ? lc $_->[0] : $_->[0] } @bits;
}

# Macros to be sent before a command: macro('M', i => 'q1', ...).
sub macro {
	my ($self, $cmd, @pairs) = @_;
	$self->{macro}{$cmd} = [@pairs];
	return $self;
}

sub send {
	my ($self, $cmd, $data) = @_;
	my $packet = pack('N', 1 + length($data // '')) . $cmd . ($data // '');
	local $SIG{PIPE} = 'IGNORE';
	my $sent = 0;
	while ($sent < length $packet) {
		my $n = syswrite $self->{socket}, $packet,
		    length($packet) - $sent, $sent;
		return 0 unless defined $n;
		$sent += $n;
	}
	return 1;
}

# The next packet: (command, data); empty at the end of the session, and
# ('timeout') when nothing comes.
sub receive {
	my ($self) = @_;
	my $end = time + $self->{patience};
	for (;;) {
		if (length $self->{buffer} >= 4) {
			my $size = unpack 'N', $self->{buffer};
			if (length $self->{buffer} >= 4 + $size) {
				my $packet = substr $self->{buffer}, 4, $size;
				substr($self->{buffer}, 0, 4 + $size) = '';
				return (substr($packet, 0, 1),
				    substr($packet, 1));
			}
		}
		my $left = $end - time;
		return ('timeout') if $left <= 0 ||
		    !IO::Select->new($self->{socket})->can_read($left);
		sysread($self->{socket}, $self->{buffer}, 65536,
		    length $self->{buffer}) or return;
	}
}

# Until a reply that ends a command: { reply, text, changes => [...] }.
sub reply {
	my ($self) = @_;
	my @changes;
	for (;;) {
		my ($cmd, $data) = $self->receive;
		return { reply => 'closed', changes => \@changes }
		    unless defined $cmd;
		return { reply => $cmd, changes => \@changes }
		    if $cmd =~ /^(timeout|[catrds])$/;
		return { reply => 'y', text => unpack('Z*', $data),
		    changes => \@changes } if $cmd eq 'y';
		if ($cmd eq 'm') {
			push @changes, [m => unpack 'NZ*Z*', $data];
		} elsif ($cmd eq 'i') {
			push @changes, [i => unpack 'NZ*Z*', $data];
		} elsif ($cmd ne 'p') {
			push @changes, [$cmd => split /\0/, $data];
		}
	}
}

# One command as the MTA gives it.  Left out: { reply => '-' }.
sub command {
	my ($self, $cmd, $data) = @_;
	return { reply => '-' } if $self->{steps} & ($no{$cmd} // 0);
	my $macro = $self->{macro}{$cmd};
	$self->send('D', $cmd . join '', map { "$_\0" } @$macro) if $macro;
	$self->send($cmd, $data) or return { reply => 'closed' };
	return { reply => 'none' } if $self->{steps} & ($no_reply{$cmd} // 0);
	return $self->reply;
}

# From an address, or undef for none (local submission).
sub connect {
	my ($self, $address, $host) = @_;
	my $data = ($host // (defined $address ? "[$address]" :
	    'localhost')) . "\0";
	$data .= !defined $address ? 'U' :
	    ($address =~ /:/ ? '6' : '4') . pack('n', 40000) .
	    ($address =~ /:/ ? "IPv6:" : '') . "$address\0";
	return $self->command(C => $data);
}

sub helo { return $_[0]->command(H => "$_[1]\0") }
sub mail { return $_[0]->command(M => "$_[1]\0") }
sub rcpt { return $_[0]->command(R => "$_[1]\0") }
sub data { return $_[0]->command(T => '') }
sub header { return $_[0]->command(L => "$_[1]\0$_[2]\0") }
sub eoh { return $_[0]->command(N => '') }
sub body { return $_[0]->command(B => $_[1]) }
sub eom { return $_[0]->command(E => '') }
sub abort { return $_[0]->send('A') }
sub quit { my ($self) = @_; $self->send('Q'); close $self->{socket} }

# A whole session up to the command that decides: the reply and where it came.
# %with: host, helo, from, to => [...], headers => [[name, value], ...],
# macros => { M => [i => 'q1'], ... }, and what negotiate() takes.
sub session {
	my ($class, $socket, $address, %with) = @_;
	my $m = $class->new($socket, %with);
	$m->macro($_, @{ $with{macros}{$_} }) for keys %{ $with{macros} };
	my @to = @{ $with{to} // ['<alice@example.test>'] };
	my @steps = (
		[connect => sub { $m->connect($address, $with{host}) }],
		[helo => sub { $m->helo($with{helo} // 'client.example') }],
		[mail => sub { $m->mail($with{from} // '<joe@client.example>') }],
		map({ my $to = $_; [rcpt => sub { $m->rcpt($to) }] } @to),
		[data => sub { $m->data }],
		map({ my $h = $_; [header => sub { $m->header(@$h) }] }
		    @{ $with{headers} // [['Subject', 'test']] }),
		[eoh => sub { $m->eoh }],
		[body => sub { $m->body("hello\r\n") }],
		[eom => sub { $m->eom }],
	);
	for (@steps) {
		my $r = $_->[1]->();
		next if $r->{reply} =~ /^(c|-|none)$/ && $_->[0] ne 'eom';
		$m->quit;
		return { %$r, at => $_->[0] };
	}
}

1;
