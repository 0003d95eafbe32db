package Spfmilter;

# spfmilter under test, beside a name server of its own: mail for it, and what
# became of it in a few words.
#
#	names('a.example' => [[TXT => 'v=spf1 ip4:192.0.2.0/24 -all']]);
#	my $d = spf(-helo);
#	is mail($d, from => '<joe@a.example>')->{said},
#	    'mailfrom=pass helo=none';

use strict;
use warnings;
use Exporter 'import';
use Test::More;

use Daemon;
use Dns;
use Milter;

our @EXPORT = qw(names queries spf met mail mail_on fields is_idle);

my $dns;

# From now on the name server has these names, and was asked nothing.  Returns
# it.
sub names {
	my (%zone) = @_;
	$dns //= Dns->new;
	return $dns->zone(\%zone)->forget;
}

# What it was asked since then, or since this was last called.
sub queries {
	my @asked = $dns->queries;
	$dns->forget;
	return @asked;
}

# A daemon that asks our name server, unless the options name another.
sub spf {
	my %own = ref $_[0] eq 'HASH' ? %{ shift @_ } : ();
	my @server = grep({ $_ eq '-nameserver' } @_) ? () :
	    (-nameserver => $dns->address);
	return Daemon->start({ name => 'spfmilter', %own }, @server, @_);
}

# A session up to HELO.  %with: client, host, helo (undef for none), macros =>
# { C => [...], ... } and what negotiate() takes.
sub met {
	my ($d, %with) = @_;
	my $m = Milter->new($d->socket, %with);
	my %macros = (C => [j => 'mx.example.test'], %{ $with{macros} // {} });
	$m->macro($_, @{ $macros{$_} }) for keys %macros;
	my $client = exists $with{client} ? $with{client} : '192.0.2.1';
	$m->connect($client, $with{host});
	my $helo = exists $with{helo} ? $with{helo} : 'client.example';
	$m->helo($helo) if defined $helo;
	return $m;
}

# The values of the fields with this name that a message was given, unfolded.
sub fields {
	my ($r, $name) = @_;
	return map { $_->[3] =~ s/\n\t/ /gr }
	    grep { $_->[0] eq 'i' && $_->[2] eq $name } @{ $r->{changes} };
}

# "mail 550 5.7.23", "mailfrom=pass helo=none", "mail a".
sub words_for {
	my ($r) = @_;
	return "$r->{at} " . $r->{text} =~ s/^(\S+ \S+).*/$1/sr
	    if $r->{reply} eq 'y';
	return "$r->{at} $r->{reply}" if $r->{at} ne 'eom' ||
	    $r->{reply} !~ /^[cd]$/;
	my @words = map { /^(\w+) .* identity=(\w+);/ ? "$2=$1" : 'a field' }
	    fields($r, 'Received-SPF');
	# The last that was written stands above the others.
	@words = reverse @words;
	push @words, 'quarantined'
	    if grep { $_->[0] eq 'q' } @{ $r->{changes} };
	push @words, 'discarded' if $r->{reply} eq 'd';
	return @words ? "@words" : 'unchanged';
}

# A message in a session, to its end.  %with: from, to => [...], headers =>
# [[name, value], ...], auth, tls, qid.  Returns what decided: { at, reply,
# text, changes, said, rcpt => [the replies to RCPT] }.
sub mail_on {
	my ($d, $m, %with) = @_;
	$m->macro(M => i => $with{qid} // 'q1',
	    '{auth_authen}' => $with{auth} // '', '{verify}' =>
	    $with{tls} // 'NO');
	my ($at, $taken, @rcpt) = ('mail', 0);
	my $r = $m->mail($with{from} // '<joe@pass.example>');
	if ($r->{reply} eq 'c') {
		$at = 'rcpt';
		for (@{ $with{to} // ['<alice@example.test>'] }) {
			$r = $m->rcpt($_);
			push @rcpt, $r->{reply};
			$taken++ if $r->{reply} =~ /^(c|-)$/;
		}
	}
	if ($taken) {
		$m->data;
		$m->header(@$_) for @{ $with{headers} //
		    [[Subject => 'test']] };
		$m->eoh;
		$m->body("hello\r\n");
		$at = 'eom';
		$r = $m->eom;
	} else {
		$m->abort;
	}
	$r = { %$r, at => $at, rcpt => \@rcpt };
	$r->{said} = words_for($r);
	return $r;
}

# The same in a session of its own.
sub mail {
	my ($d, %with) = @_;
	my $m = met($d, %with);
	my $r = mail_on($d, $m, %with);
	$m->quit;
	return $r;
}

# Nothing is left of those who were there, and it answers.
sub is_idle {
	my ($d, $what) = @_;
	my @gauges = qw(sessions dns_waiting);
	eventually { !grep { $d->stat($_) // 1 } @gauges } 10;
	is join(' ', map { $d->stat($_) // 'none' } @gauges), '0 0',
	    "$what: no session is left, and no check";
	like mail($d, from => '<joe@none>')->{said},
	    qr/^(?:mailfrom=none|mail 550 5\.7\.23)/, "$what: and it answers";
}

1;
