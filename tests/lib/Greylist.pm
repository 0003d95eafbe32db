package Greylist;

# graymilter under test: mail for it, in one line each, and its records.
#
#	my $d = gray;
#	is mail($d), 'new';
#	later($d, 400);
#	is mail($d, to => ['<a@x>', '<b@x>']), 'delayed carried';

use strict;
use warnings;
use Exporter 'import';

use Daemon;
use Milter;

our @EXPORT = qw(gray greeted mail mail_on later records);

my %waits = map { $_ => 1 } qw(new early trap);

# A daemon that keeps its greylist in memory, unless the options say more, and
# logs every verdict.
sub gray {
	my %own = ref $_[0] eq 'HASH' ? %{ shift @_ } : ();
	my @place = grep({ /^-(db|memory)$/ } @_) ? () : '-memory';
	return Daemon->start({ name => 'graymilter', %own }, @place, '-debug',
	    @_);
}

# A session up to MAIL.  %with: client, host, macros => { C => [...], ... } and what negotiate() takes.
sub greeted {
	my ($d, %with) = @_;
	my $m = Milter->new($d->socket, %with);
	my %macros = (C => [j => 'mx.example.test'], %{ $with{macros} // {} });
	$m->macro($_, @{ $macros{$_} }) for keys %macros;
	my $client = exists $with{client} ? $with{client} : '192.0.2.1';
	$m->connect($client, $with{host});
	return $m;
}

# A message in a session, to its end, as an MTA has it: those who were refused
# are not in it, and without anybody it ends.  Returns the words for what
# decided, in the order of the log, and where it ended, with what reply and
# what changes, if that is not what they mean.  %with: from, to =>
# [...], auth, tls, reply => [...] to have the replies as they were, and seen,
# how much of the log was there before.
sub mail_on {
	my ($d, $m, %with) = @_;
	my $seen = $with{seen} // length $d->log;
	my $from = $with{from} // '<dave@client.example>';
	my @to = @{ $with{to} // ['<alice@example.test>'] };
	$m->macro(M => i => 'q1', '{auth_authen}' => $with{auth} // '',
	    '{verify}' => $with{tls} // 'NO');
	$m->mail($from);
	my ($at, $r, $taken);
	for (@to) {
		($at, $r) = ('rcpt', $m->rcpt($_));
		push @{ $with{reply} }, $r if $with{reply};
		$taken++ if $r->{reply} =~ /^[ca]$/;
		last if $r->{reply} eq 'a';
	}
	for (['data', sub { $m->data }], ['eom', sub { $m->eom }]) {
		last unless $taken && $r->{reply} ne 'a' &&
		    !($at eq 'data' && $r->{reply} eq 'y');
		($at, $r) = ($_->[0], $_->[1]->());
		push @{ $with{reply} }, $r if $with{reply};
	}
	$m->abort unless $at eq 'eom' || $at eq 'data' && $r->{reply} eq 'a';
	my @words = map { /^graymilter: verdict=\w+ by=(\w+)/ }
	    split /\n/, substr $d->log, $seen;
	my $end = join ' ', $at, $r->{reply},
	    map { $_->[0] } @{ $r->{changes} };
	my $due = $from eq '<>' && grep({ $waits{$_} } @words) ? 'data y' :
	    grep({ $_ eq 'delayed' } @words) ? 'eom c i' :
	    @words && !grep({ !$waits{$_} } @words) ? 'rcpt y' :
	    "@words" =~ /^(whitelist|unsuspected)\z/ ? 'rcpt a' :
	    "@words" =~ /^(autowhite|sender)\z/ && $from ne '<>' ? 'rcpt a' :
	    'data a';
	return join ' ', @words, @words && $end eq $due ? () : "($end)";
}

# The same in a session of its own.
sub mail {
	my ($d, %with) = @_;
	my $seen = length $d->log;
	my $m = greeted($d, %with);
	my $said = mail_on($d, $m, %with, seen => $seen);
	$m->quit;
	return $said;
}

# The records, as a dump has them but without "load"; of one kind, if it is
# given.
sub records {
	my ($d, $kind) = @_;
	my ($last, @lines) = $d->tell('dump');
	die "dump: $last" if $last ne 'ok';
	return grep { !defined $kind || /^$kind / } map { s/^load //r } @lines;
}

# Make it so much later, by making all that is known so much older.
sub later {
	my ($d, $seconds) = @_;
	my @old = records($d);
	for (@old) {
		my ($kind, $client, $sender) = split;
		$d->tell('forget ' . ($kind eq 'friend' ? $sender :
		    $client =~ s{/\d+$}{}r));
	}
	for (@old) {
		my @word = split;
		$_ and $_ -= $seconds for @word[4, 5];
		my $said = $d->tell("load @word");
		die "load @word: $said" if $said ne 'ok';
	}
}

1;
