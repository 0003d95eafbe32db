package Spf;

# Checks of SPF as spfmilter makes them, through tests/spf/spf_driver.
#
#	my $spf = Spf->new;				# a zone in its memory
#	my $spf = Spf->new('-server' => $dns->address);	# a name server
#	$spf->zone({ 'example.com' => [ [TXT => 'v=spf1 -all'] ] });
#	my $r = $spf->check(client => '192.0.2.1', sender => 'joe@example.com');
#	is $r->{result}, 'fail';
#
# A zone is as Dns.pm has it; in memory a word among the records, whichever,
# means trouble for the types that have none.

use strict;
use warnings;
use IPC::Open2;
use Test::More;

sub new {
	my ($class, @options) = @_;
	my @command = (split(' ', $ENV{VALGRIND} // ''),
	    ($ENV{BUILD} // '.') . '/tests/spf/spf_driver', @options);
	open my $errors, '+>', undef or die "$!";
	open my $kept, '>&', \*STDERR or die "$!";
	open STDERR, '>&', $errors or die "$!";
	my ($from, $to);
	my $pid = eval { open2($from, $to, @command) };
	my $why = $@;
	open STDERR, '>&', $kept or die "$!";
	die $why unless $pid;
	return bless { pid => $pid, from => $from, to => $to,
	    errors => $errors, owner => $$ }, $class;
}

sub hex_of { return length($_[0] // '') ? unpack 'H*', $_[0] : '-' }
sub text_of { return $_[0] eq '-' ? '' : pack 'H*', $_[0] }

# One record as a line; nothing for what cannot be asked for.
sub line_of {
	my ($name, $record) = @_;
	my @words = grep { !ref } @$record;
	my ($type, @rest) = @words;
	return "$type $name $rest[0]" if $type eq 'A' || $type eq 'AAAA';
	return "MX $name $rest[0] " . hex_of($rest[1]) if $type eq 'MX';
	return "TXT $name " . hex_of(join '', @rest) if $type eq 'TXT';
	return "$type $name " . hex_of($rest[0])
	    if $type eq 'PTR' || $type eq 'CNAME';
	return ();
}

sub zone {
	my ($self, $zone) = @_;
	my @lines = 'FORGET';
	for my $key (sort keys %$zone) {
		my $name = hex_of($key);
		my $all = $zone->{$key};
		push @lines, "EMPTY $name";
		push @lines, ref ? line_of($name, $_) : "TROUBLE $name"
		    for ref $all ? @$all : $all;
	}
	return $self->say(@lines);
}

# Forget what a name server said.
sub forget { return $_[0]->say('FORGET') }

sub say {
	my ($self, @lines) = @_;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{to} } map { "$_\n" } @lines;
	$self->{to}->flush;
	return $self;
}

# A question: client, helo, sender, receiver, explanation, record.  Without a
# sender it is postmaster of the helo.
sub ask {
	my ($self, %with) = @_;
	my $helo = $with{helo} // 'helo.example';
	my $sender = length($with{sender} // '') ? $with{sender} :
	    "postmaster\@$helo";
	return $self->say(join ' ', 'CHECK', $with{client}, hex_of($helo),
	    hex_of($sender), hex_of($with{receiver} // 'mx.receiver.example'),
	    hex_of($with{explanation} // 'DEFAULT'),
	    defined $with{record} ? hex_of($with{record}) : ());
}

# What it says to the first question that has no answer yet.
sub answer {
	my ($self) = @_;
	my $line = readline($self->{from}) // return { result => 'no answer',
	    map { $_ => '' } qw(mechanism reason problem terms voids asked
	    explanation ms) };
	my %r;
	@r{qw(result mechanism reason problem terms voids asked explanation ms)}
	    = split ' ', $line;
	$_ = text_of($_) for @r{qw(mechanism reason problem explanation)};
	return \%r;
}

sub check {
	my ($self, %with) = @_;
	return $self->ask(%with)->answer;
}

# Its exit status, 128 and more for a signal, or 99 when the watchers spoke.
sub stop {
	my ($self) = @_;
	return 0 if $self->{owner} != $$ || !$self->{pid};
	close $self->{to};
	1 while readline $self->{from};
	local ($?, $!);
	waitpid delete $self->{pid}, 0;
	my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	seek $self->{errors}, 0, 0;
	my @said = readline $self->{errors};
	$status ||= 99
	    if grep { /Sanitizer|runtime error:|^==\d+==/ } @said;
	diag @said if $status;
	return $status;
}

sub DESTROY { $_[0]->stop }

1;
