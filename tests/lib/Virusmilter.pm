package Virusmilter;

# virusmilter under test: mail for it, and what became of it in a few words.
#
#	my $d = virus('-markonly');
#	is mail($d, parts => [attached('a.exe')])->{said},
#	    'Infected (Milter.Name.exe)';

use strict;
use warnings;
use Exporter 'import';
use MIME::Base64;
use Test::More;

use Daemon;
use Milter;

our @EXPORT = qw(virus met mail mail_on attached mixed is_idle verdicts);

use constant BLOCK => 65535;	# bytes of a body that an MTA sends at once

# A daemon that logs every verdict, unless it is said to be quiet.
sub virus {
	my %own = ref $_[0] eq 'HASH' ? %{ shift @_ } : ();
	my @debug = delete $own{quiet} ? () : ('-debug');
	return Daemon->start({ name => 'virusmilter', %own,
	    asks => scalar grep { $_ eq '-clamd' } @_ }, @debug, @_);
}

# A session, or undef when the client was accepted at once; dies of any other
# answer.  %with: client, host, macros => { C => [...], ... } and what
# negotiate() takes.
sub met {
	my ($d, %with) = @_;
	my $m = Milter->new($d->socket, %with);
	my %macros = (C => [j => 'mx.example.test'], %{ $with{macros} // {} });
	$m->macro($_, @{ $macros{$_} }) for keys %macros;
	my $client = exists $with{client} ? $with{client} : '192.0.2.1';
	my $r = $m->connect($client, $with{host});
	if ($r->{reply} ne 'c') {
		$m->quit;
		return undef if $r->{reply} eq 'a';
		die 'connect: ', $r->{text} // $r->{reply}, "\n";
	}
	$m->helo('client.example');
	return $m;
}

# A part: [its header, its body], attached under this name.
sub attached {
	my ($name, $content) = @_;
	return ["Content-Type: application/octet-stream\r\n" .
	    "Content-Disposition: attachment; filename=\"$name\"\r\n" .
	    "Content-Transfer-Encoding: base64\r\n", encode_base64($content //
	    'content', "\r\n")];
}

# The field that makes parts of it, and a body of these.
sub mixed {
	my (@parts) = @_;
	return (['Content-Type', 'multipart/mixed; boundary=b'], join('',
	    map { "--b\r\n$_->[0]\r\n$_->[1]\r\n" } @parts) . "--b--\r\n");
}

# A message in a session, to the reply that decides.  %with: from, to => [...],
# headers => [[name, value], ...], body (or code that returns a piece at a
# time, in the end undef), parts (instead: see mixed()), auth, tls, qid.
# Returns { at, reply, text, changes, said, log => [its lines] }.
sub mail_on {
	my ($d, $m, %with) = @_;
	my $seen = length $d->log;
	my @headers = @{ $with{headers} // [[Subject => 'test']] };
	my $body = $with{body} // "hello\r\n";
	if ($with{parts}) {
		(my $type, $body) = mixed(@{ $with{parts} });
		push @headers, $type;
	}
	$m->macro(M => '{auth_authen}' => $with{auth} // '', '{verify}' =>
	    $with{tls} // 'NO');
	$m->macro($_ => i => $with{qid} // 'q1') for qw(N E);
	my $at = 0;
	my $pieces = ref $body ? $body : sub {
		return undef if $at >= length $body;
		$at += BLOCK;
		return substr $body, $at - BLOCK, BLOCK;
	};
	my @steps = (
		[mail => sub { $m->mail($with{from} //
		    '<joe@client.example>') }],
		map({ my $to = $_; [rcpt => sub { $m->rcpt($to) }] }
		    @{ $with{to} // ['<alice@example.test>'] }),
		[data => sub { $m->data }],
		map({ my $h = $_; [header => sub { $m->header(@$h) }] }
		    @headers),
		[eoh => sub { $m->eoh }],
		[body => sub {
			my $r = { reply => 'c' };
			while (defined(my $piece = $pieces->())) {
				$r = $m->body($piece);
				last if $r->{reply} !~ /^(c|none)$/;
			}
			return $r;
		}],
		[eom => sub { $m->eom }],
	);
	my ($step, $r);
	for (@steps) {
		($step, $r) = ($_->[0], $_->[1]->());
		last if $r->{reply} !~ /^(c|-|none)$/;
	}
	$m->abort if $step ne 'eom' && $r->{reply} =~ /^[dy]$/;
	$r = { changes => [], %$r, at => $step };
	$r->{said} = said($r, $d->{asks});
	$r->{log} = [map { /^virusmilter: (.*) us=\d+$/ }
	    split /\n/, substr $d->log, $seen];
	return $r;
}

# The same in a session of its own.
sub mail {
	my ($d, %with) = @_;
	my $m = met($d, %with) or return { at => 'connect', reply => 'a',
	    changes => [], said => 'exempt', log => [] };
	my $r = mail_on($d, $m, %with);
	$m->quit;
	return $r;
}

# "Clean", "Infected (NAME)", "unchanged", "550 5.7.1 TEXT", "discarded",
# "quarantined: REASON, ...", "... at eoh", "..., removes X-Virus-Status 2 1".
sub said {
	my ($r, $asks) = @_;
	my ($reasons, $scanned, $status, %removed, $more) = ('', '', '');
	my $expected = 'virusmilter at mx.example.test';
	for (@{ $r->{changes} }) {
		my ($what, @words) = @$_;
		if ($what eq 'm' && $words[2] eq '') {
			push @{ $removed{$words[1]} }, $words[0];
		} elsif ($what eq 'q') {
			$reasons .= "quarantined: $words[0], ";
		} elsif ($what eq 'h' && $words[0] eq 'X-Virus-Scanned') {
			$scanned .= $words[1];
		} elsif ($what eq 'h' && $words[0] eq 'X-Virus-Status') {
			$status .= $words[1];
		} else {
			$more = 1;
		}
	}
	# Of what is infected clamd need not know.
	$expected .= ', clamd' if $asks && $status !~ /no scanner/ &&
	    ($status !~ /^Infected/ || $scanned =~ /, clamd$/);
	my $said = $r->{reply} eq 'y' ? $r->{text} :
	    $r->{reply} eq 'd' ? 'discarded' :
	    $r->{reply} !~ /^[ac]$/ ? "answered $r->{reply}" :
	    $status eq '' ? 'unchanged' : $status;
	$said = "$reasons$said";
	$said .= " at $r->{at}" if $r->{at} ne 'eom';
	$said .= ", removes $_ @{ $removed{$_} }" for sort keys %removed;
	$said .= ", scanned by $scanned" if $scanned ne ($status eq '' ? '' :
	    $expected);
	return $more ? "$said, and more" : $said;
}

# The lines of the log about messages, but for what is different each time.
sub verdicts {
	my ($d) = @_;
	return map { s/ us=\d+$//r } $d->lines(qr/^verdict=/);
}

# Nothing is left of those who were there, and it answers.
sub is_idle {
	my ($d, $what, $said) = @_;
	my @gauges = ('sessions', $d->{asks} ? 'scans_under_way' : ());
	eventually { !grep { $d->stat($_) // 1 } @gauges } 20;
	is join(' ', map { $d->stat($_) // 'none' } @gauges),
	    join(' ', map { 0 } @gauges),
	    "$what: no session is left" . ($d->{asks} ? ', and no scan' : '');
	like mail($d)->{said}, $said // qr/^(Clean|unchanged)/,
	    "$what: and it answers";
}

1;
