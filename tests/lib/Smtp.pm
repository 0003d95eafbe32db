package Smtp;

# A client of the MTA under test, from any address.
#
#	my $c = Smtp->new(from => '192.0.2.1');		# reads the banner
#	my $r = $c->cmd('HELO client.example');		# { code, text, lines }

use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM);
use Time::HiRes qw(time);

# from: the client's address; to and port: the server's.
sub new {
	my ($class, %with) = @_;
	my $v6 = ($with{from} // '') =~ /:/;
	my $s = IO::Socket::IP->new(
		LocalHost => $with{from} // '127.0.0.1',
		PeerHost => $with{to} // ($v6 ? '::1' : '127.0.0.1'),
		PeerPort => $with{port} // 2525) or
	    die "cannot connect from $with{from}: $@";
	return $class->of_socket($s);
}

sub of_socket {
	my ($class, $s) = @_;
	my $self = bless { socket => $s, buffer => '', dialogue => [],
	    patience => 90 }, $class;
	$self->{banner} = $self->reply;
	return $self;
}

# A server that speaks on its standard input and output: sendmail -bs.
sub of_program {
	my ($class, @command) = @_;
	socketpair my $ours, my $its, AF_UNIX, SOCK_STREAM, 0 or die "$!";
	if (!(fork // die "fork: $!")) {
		open STDIN, '<&', $its;
		open STDOUT, '>&', $its;
		close $ours;
		exec @command or POSIX::_exit(127);
	}
	close $its;
	return $class->of_socket($ours);
}

# One whole reply; code 0 when the connection is gone or nothing comes.
sub reply {
	my ($self) = @_;
	my $end = time + $self->{patience};
	my @lines;
	for (;;) {
		while ($self->{buffer} =~ s/^(.*?)\r?\n//) {
			my $line = $1;
			push @lines, $line;
			push @{ $self->{dialogue} }, "S: $line";
			next unless $line =~ /^(\d{3})(?: (.*))?$/;
			return { code => $1, text => $line,
			    lines => \@lines };
		}
		my $left = $end - time;
		last if $left <= 0 ||
		    !IO::Select->new($self->{socket})->can_read($left) ||
		    !sysread $self->{socket}, $self->{buffer}, 65536,
		    length $self->{buffer};
	}
	return { code => 0, text => 'connection lost', lines => \@lines };
}

sub cmd {
	my ($self, $line) = @_;
	push @{ $self->{dialogue} }, "C: $line";
	local $SIG{PIPE} = 'IGNORE';
	syswrite $self->{socket}, "$line\r\n" or
	    return { code => 0, text => 'connection lost', lines => [] };
	return $self->reply;
}

sub auth {
	my ($self, $user, $password) = @_;
	return $self->cmd('AUTH PLAIN ' .
	    encode_base64("\0$user\0$password", ''));
}

# The text of a message, with LF, after DATA was accepted.
sub text {
	my ($self, $text) = @_;
	$text =~ s/^\./../mg;
	$text =~ s/\r?\n/\r\n/g;
	return $self->cmd("$text\r\n.") ;
}

# A message as a client sends one, up to the first refusal (but all the
# recipients): { at, code, text } of the reply that decided, and the replies
# to each RCPT.  %with: helo, ehlo, auth, mail, rcpt => [...], message.
sub send {
	my ($self, %with) = @_;
	my $r = $self->{banner};
	my @rcpt;
	my $say = sub { return { %$r, at => $_[0], rcpt => \@rcpt } };
	return $say->('connect') if $r->{code} != 220;
	if (!$self->{greeted}) {
		$r = $self->cmd(($with{auth} ? 'EHLO ' : 'HELO ') .
		    ($with{helo} // 'client.example'));
		return $say->('helo') if $r->{code} != 250;
		$self->{greeted} = 1;
	}
	if ($with{auth}) {
		$r = $self->auth(@{ $with{auth} });
		return $say->('auth') if $r->{code} != 235;
	}
	$r = $self->cmd('MAIL FROM:<' . ($with{mail} // 'joe@client.example') .
	    '>');
	return $say->('mail') if $r->{code} != 250;
	for my $to (@{ $with{rcpt} // ['alice@example.test'] }) {
		push @rcpt, $r = $self->cmd("RCPT TO:<$to>");
	}
	return $say->('rcpt') unless grep { $_->{code} == 250 } @rcpt;
	$r = $self->cmd('DATA');
	return $say->('data') if $r->{code} != 354;
	$r = $self->text($with{message} //
	    "From: joe\@client.example\nTo: alice\@example.test\n" .
	    "Subject: test\n\nhello\n");
	return $say->('eom');
}

sub quit {
	my ($self) = @_;
	my $r = $self->cmd('QUIT');
	close $self->{socket};
	return $r;
}

1;
