package Bccmilter;

# bccmilter under test: mail for it, and what became of it in a few words.
#
#	my $d = bcc(-policy => 'any');
#	is mail($d, to => [qw(<alice@a.test> <bob@a.test>)],
#	    headers => [[To => 'bob@a.test']])->{said}, 'marked some-listed';

use strict;
use warnings;
use Exporter 'import';
use Test::More;

use Daemon;
use Milter;

our @EXPORT = qw(bcc met mail mail_on is_idle);

# The field that is added.
my $field = 'X-Bcc-Check';

# A daemon that logs every verdict, unless it is said to be quiet.
sub bcc {
	my %own = ref $_[0] eq 'HASH' ? %{ shift @_ } : ();
	my @debug = delete $own{quiet} ? () : ('-debug');
	return Daemon->start({ name => 'bccmilter', %own }, @debug, @_);
}

# A session.  %with: client, host, macros => { C => [...], ... } and what
# negotiate() takes.
sub met {
	my ($d, %with) = @_;
	my $m = Milter->new($d->socket, %with);
	my %macros = (C => [j => 'mx.example.test'], %{ $with{macros} // {} });
	$m->macro($_, @{ $macros{$_} }) for keys %macros;
	my $client = exists $with{client} ? $with{client} : '192.0.2.1';
	$m->connect($client, $with{host});
	$m->helo('client.example');
	return $m;
}

# A message in a session, to the reply that decides.  %with: from, to => [...],
# headers => [[name, value], ...], auth, tls, qid, and seen, how much of the log
# was there before.  Returns { at, reply, text, changes, said }.
sub mail_on {
	my ($d, $m, %with) = @_;
	my $seen = $with{seen} // length $d->log;
	my @to = @{ $with{to} // ['<alice@example.test>'] };
	$m->macro(M => '{auth_authen}' => $with{auth} // '', '{verify}' =>
	    $with{tls} // 'NO');
	$m->macro(N => i => $with{qid} // 'q1');
	my @steps = (
		[mail => sub { $m->mail($with{from} //
		    '<joe@client.example>') }],
		map({ my $to = $_; [rcpt => sub { $m->rcpt($to) }] } @to),
		[data => sub { $m->data }],
		map({ my $h = $_; [header => sub { $m->header(@$h) }] }
		    @{ $with{headers} // [[Subject => 'test']] }),
		[eoh => sub { $m->eoh }],
		[body => sub { $m->body("hello\r\n") }],
		[eom => sub { $m->eom }],
	);
	my ($at, $r);
	for (@steps) {
		($at, $r) = ($_->[0], $_->[1]->());
		last if $r->{reply} !~ /^(c|-|none)$/;
	}
	$m->abort if $at ne 'eom' && $r->{reply} =~ /^[dy]$/;
	$r = { changes => [], %$r, at => $at };
	$r->{said} = said($r, join ' ', words_since($d, $seen)) .
	    (tells($r, @to) ? ', and tells who it is for' : '');
	return $r;
}

# The same in a session of its own.
sub mail {
	my ($d, %with) = @_;
	my $seen = length $d->log;
	my $m = met($d, %with);
	my $r = mail_on($d, $m, %with, seen => $seen);
	$m->quit;
	return $r;
}

# What decided, by the log from there on.
sub words_since {
	my ($d, $seen) = @_;
	return map { /^bccmilter: verdict=\S+ by=(\S+)/ }
	    split /\n/, substr $d->log, $seen;
}

# "marked none-listed", "550 5.7.1 none-listed", "passes open, removes 2 1",
# "exempt bounce".
sub said {
	my ($r, $by) = @_;
	my @changes = @{ $r->{changes} };
	my @marks = grep { $_->[0] eq 'h' } @changes;
	my @reasons = grep { $_->[0] eq 'q' } @changes;
	my @removed = map { $_->[1] } grep { $_->[0] eq 'm' &&
	    $_->[2] eq $field && $_->[3] eq '' } @changes;
	my $said = $r->{reply} eq 'y' ? $r->{text} =~ s/^(\S+ \S+).*/$1/sr :
	    $r->{reply} eq 'd' ? 'discarded' :
	    $r->{reply} !~ /^[ac]$/ ? "$r->{at} $r->{reply}" :
	    $r->{at} eq 'mail' ? 'exempt' : @reasons ? 'quarantined' :
	    @marks ? 'marked' : 'passes';
	$said .= " $by" if $by ne '';
	$said .= ", removes @removed" if @removed;
	$said .= ", header @$_[1, 2]" for grep { "@$_" ne "h $field $by" }
	    @marks;
	$said .= ", reason $_->[1]" for grep { "@$_" ne "q bccmilter: $by" }
	    @reasons;
	# One of each, and nothing else.
	$said .= ', and more' if @marks + @removed + @reasons != @changes ||
	    @marks > 1 || @reasons > 1;
	return $said;
}

# Is there an address, or who it is of a domain, in what the MTA was told?
sub tells {
	my ($r, @to) = @_;
	my $text = lc join "\n", $r->{text} // (),
	    map { @$_ } @{ $r->{changes} };
	for (@to) {
		my $address = lc s/^<(.*)>$/$1/sr;
		my ($local) = $address =~ /^([^+@]*)/;
		return 1 if grep { length >= 5 && index($text, $_) >= 0 }
		    $address, $local;
	}
	return 0;
}

# Nothing is left of those who were there, and it answers.
sub is_idle {
	my ($d, $what) = @_;
	eventually { ($d->stat('sessions') // 1) == 0 } 10;
	is $d->stat('sessions'), 0, "$what: no session is left";
	like mail($d, headers => [[To => 'alice@example.test']])->{said},
	    qr/^passes/, "$what: and it answers";
}

1;
