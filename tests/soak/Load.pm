package Load;

# Mail of all kinds for all five milters, sent as mail servers do: what is asked
# to come back waits in a queue of the sender's and comes back.  Each message is
# to be delivered once to each of its recipients, or to be refused for a reason
# of its kind, or is in a queue still.
#
#	my $load = Load->new($seed, @kinds);	# of Load::kinds()
#	$load->begin($seconds);			# senders of their own
#	$load->collect until $load->is_over;	# out of the mailboxes
#	my @wrong = $load->settle;
#	$load->{tally}{worm}{refused};

use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use Chain;
use Daemon;
use Mta;
use Smtp;
use Worm;

use constant {
	SENDERS => 4,
	QUEUE => 20,		# messages that wait at a sender; then none new
	AT_ONCE => 3,		# messages on a connection, at most
	COMES_BACK => 1,	# seconds until it does, and up to as much more
	PATIENCE => 20,		# seconds for the queues when it is over
	HANGS_UP => 0.04,	# of all connections
};

my $line = 'x' x 70 . "\n";
my $megabyte = $line x 15_000;
my $clean = 'virusmilter Clean';
my $none = qr/^spf=none none (?:delayed )?$clean$/;

# Rows: weight; the client's address, of which the last number may be one of
# several; sender, undef for one that was never seen; recipients, likewise; what
# becomes of it: the marks it is delivered with (see Chain), or who refuses it
# how; and what it is.  The clients that get reported share no address with
# others.
my %kind = (
	friend => [8, '203.0.113.', [7], 'joe', ['alice'], taken => $none],
	regular => [8, '198.51.100.', [10], 'joe', ['alice'], taken => $none],
	stranger => [6, '198.51.100.', [20 .. 49], undef, ['alice'],
	    taken => $none],
	speaker => [4, '192.0.2.', [80], 'bob@speaks.example', ['alice'],
	    taken => qr/^spf=pass pass (?:delayed )?$clean$/],
	several => [3, '198.51.100.', [20 .. 49], undef,
	    ['alice', 'carol', 'dave'], taken => $none,
	    letter(part('hello')) =~ s/^To: .*/$&, carol\@example.test,
	dave\@example.test/mr],
	bounce => [3, '198.51.100.', [12], '', undef, taken => $none],
	large => [1, '203.0.113.', [7], 'joe', ['alice'], taken => $none,
	    letter(part($megabyte))],
	hidden => [3, '198.51.100.', [11], 'joe', ['eve'], taken =>
	    qr/^spf=none none none-listed (?:delayed )?$clean$/],
	spoofed => [4, '198.51.100.', [13], 'ann@speaks.example', ['alice'],
	    refused => qr/^mail 550 5\.7\.23 .* SPF fail: /],
	listed => [4, '192.0.2.', [66], 'joe', ['alice'],
	    refused => qr/^mail 554 5\.7\.1 .*, see blacklist$/],
	program => [3, '198.51.100.', [14], 'joe', ['alice'],
	    refused => qr/^eom 550 5\.7\.1 Not accepted: Milter\.Name\.exe$/,
	    letter(mixed(part('hello'), attached('setup.exe', 'x')))],
	disguised => [3, '192.0.2.', [160 .. 199], 'joe', ['alice'],
	    refused => qr/^(?:eom\ 550\ 5\.7\.1\ Not\ accepted:
	    |mail\ 554\ 5\.7\.1\ .*\ see\ sent)\ Milter\.Name\.exe$/x,
	    letter(mixed(part('hello'),
	    attached('invoice.pdf.exe', PROGRAM)))],
	worm => [3, '192.0.2.', [100 .. 139], 'joe', ['alice'],
	    refused => qr/^(?:eom\ 550\ 5\.7\.1\ Virus\ found:
	    |mail\ 554\ 5\.7\.1\ .*\ see\ sent)\ \Q@{[FOUND]}\E$/x, worm()],
	trapped => [2, '192.0.2.', [220 .. 239], 'joe', ['nobody'],
	    refused => qr/^mail 554 5\.7\.1 .*, see mailed a trap$/],
);

sub kinds { return sort keys %kind }

# --- a sender, in a process of its own

# A message of a kind: { id, kind, from, mail, to => [...], message, due }.  It
# names itself in its subject, and what is in it.
sub make {
	my ($kind, $id, $from) = @_;
	my (undef, undef, undef, $mail, $to, undef, undef, $message) =
	    @{ $kind{$kind} };
	$message //= letter(part("hello, this is $id"));
	my ($body) = $message =~ /\n\n(.*)/s;
	my $sum = md5_hex($body =~ s/\n+\z//r);
	$message =~ s/^Subject: .*/Subject: id=$id sum=$sum/m;
	$mail //= $id;
	$mail .= '@client.example' if $mail =~ /^[^@]+$/;
	return { id => $id, kind => $kind, from => $from, mail => $mail,
	    to => [$to ? @$to : $id], message => $message, due => 0 };
}

# Up to the step that is lost, and then nothing more.
sub hang_up {
	my ($smtp, $m) = @_;
	my @steps = ('HELO client.example', "MAIL FROM:<$m->{mail}>",
	    "RCPT TO:<$m->{to}[0]\@example.test>", 'DATA');
	splice @steps, rand @steps + 1;
	$smtp->cmd($_) for @steps;
	syswrite $smtp->{socket}, substr $m->{message}, 0, 600
	    if @steps == 4;
	close $smtp->{socket};
}

# Send it to those that are left in {to}.  What became of it is said in lines;
# who is still in {to} then has to be tried again.
sub try {
	my ($smtp, $m, $say) = @_;
	my @to = @{ $m->{to} };
	my $r = $smtp->send(mail => $m->{mail}, message => $m->{message},
	    rcpt => [map { "$_\@example.test" } @to]);
	my @rcpt = @{ $r->{rcpt} };
	$m->{to} = [];
	for my $i (0 .. $#to) {
		my $its = $r->{at} eq 'eom' && $rcpt[$i]{code} == 250 ? $r :
		    $r->{at} =~ /^(?:eom|rcpt)$/ ? $rcpt[$i] : $r;
		my $code = $its->{code};
		# Nobody knows what became of it.
		my $is_lost = $code == 0 && $its == $r && $r->{at} eq 'eom';
		my $word = $is_lost ? 'lost' : $code == 250 ? 'taken' :
		    $code =~ /^5/ ? 'refused' : '';
		$say->($m, $to[$i], $word, "$r->{at} $its->{text}") if $word;
		push @{ $m->{to} }, $to[$i] unless $word;
	}
	$m->{due} = time + COMES_BACK * (1 + rand);
	return $r->{at};
}

# Those of one client that can be sent now.
sub pick {
	my ($queue) = @_;
	my $now = time;
	my @due = grep { $_->{due} <= $now } @$queue or return ();
	my $first = $due[rand @due];
	my @same = grep { $_->{from} eq $first->{from} && $_ != $first } @due;
	splice @same, AT_ONCE - 1 if @same >= AT_ONCE;
	return ($first, @same);
}

# A line is "WORD KIND ID TO STEP TEXT".  Of the kinds each comes as often as
# its weight says.
sub send_on {
	my ($name, $end, $out, @kinds) = @_;
	my @lots = map { ($_) x $kind{$_}[0] } @kinds;
	my (@queue, $n);
	my $say = sub {
		my ($m, $to, $word, $text) = @_;
		print $out "$word $m->{kind} $m->{id} $to $text\n";
	};
	while (time < $end || @queue && time < $end + PATIENCE) {
		if (time < $end && @queue < QUEUE) {
			my $kind = $lots[rand @lots];
			my (undef, $net, $hosts) = @{ $kind{$kind} };
			my $from = $net . $hosts->[rand @$hosts];
			my @new = map { make($kind, "${name}n" . ++$n, $from) }
			    1 .. 1 + rand AT_ONCE;
			push @queue, @new;
			for my $m (@new) {
				$say->($m, $_, 'sent', '') for @{ $m->{to} };
			}
		}
		my @mails = pick(\@queue);
		my $smtp = @mails && eval { Smtp->new(from =>
		    $mails[0]{from}) };
		if (!$smtp) {
			sleep 0.05;
			next;
		}
		if (rand() < HANGS_UP) {
			hang_up($smtp, $mails[0]);
			next;
		}
		for my $m (@mails) {
			my $at = try($smtp, $m, $say);
			$smtp->cmd('RSET') if $at ne 'eom';
		}
		$smtp->quit;
		@queue = grep { @{ $_->{to} } } @queue;
	}
	for my $m (@queue) {
		$say->($m, $_, 'queued', '') for @{ $m->{to} };
	}
}

# --- the side of the test

sub new {
	my ($class, $seed, @kinds) = @_;
	return bless { seed => $seed, kinds => \@kinds, round => 0,
	    tally => {} }, $class;
}

# Have the senders begin, to make new messages for so many seconds.
sub begin {
	my ($self, $seconds) = @_;
	my $round = ++$self->{round};
	$self->{found} = {};
	$self->{said} = [];
	for my $n (1 .. SENDERS) {
		my $path = folder . "/said.$n";
		push @{ $self->{said} }, $path;
		my $pid = fork // die "fork: $!";
		if ($pid) {
			$self->{pids}{$pid} = 1;
			next;
		}
		$SIG{ALRM} = $SIG{INT} = $SIG{TERM} = 'DEFAULT';
		srand $self->{seed} * 10000 + $round * 10 + $n;
		eval {
			open my $out, '>', $path or die "$path: $!";
			send_on("r${round}s$n", time + $seconds, $out,
			    @{ $self->{kinds} });
			close $out or die "$path: $!";
			1;
		} or warn "a sender: $@";
		POSIX::_exit($@ ? 1 : 0);
	}
}

sub is_over {
	my ($self) = @_;
	for (keys %{ $self->{pids} }) {
		next unless waitpid $_, WNOHANG;
		delete $self->{pids}{$_};
		$self->{failed}++ if $?;
	}
	return !%{ $self->{pids} };
}

# Note what is in the mailboxes, and empty them: {found}{"ID TO"} has how each
# copy looks.
sub collect {
	my ($self) = @_;
	for my $path (glob "$Mta::dir/mail/*.eml") {
		my $mail = Daemon::slurp($path);
		unlink $path;
		my ($to) = $mail =~ /^Envelope: <.*?> <(.*?)>$/m;
		my ($id, $sum) = $mail =~ /^Subject: id=(\S+) sum=(\S+)$/m;
		my ($body) = $mail =~ /\n\n(.*)/s;
		my $is_whole = ($sum // '') eq
		    md5_hex(($body // '') =~ s/\n+\z//r);
		push @{ $self->{found}{($id // '?') . ' ' . ($to // '?')} },
		    ($is_whole ? '' : 'damaged: ') . Chain::marks($mail);
	}
}

# Messages that the MTA keeps for later.
sub kept {
	return map { Daemon::slurp($_) =~ /^H.*Subject: id=(\S+)/m ?
	    ($1 => 1) : () } glob "$Mta::dir/queue/[a-zA-Z]f*";
}

# What is wrong about a message that had this end, with what was found.
sub fault_of {
	my ($kind, $word, $text, @found) = @_;
	my (undef, undef, undef, undef, undef, $fate, $how) = @{ $kind{$kind} };
	return undef if $word eq 'queued' && !@found;
	return undef if $word eq $fate && $word eq 'refused' && !@found &&
	    $text =~ $how;
	return undef if $word eq $fate && $word eq 'taken' && @found == 1 &&
	    $found[0] =~ $how;
	return @found ? "delivered with '" . join("', '", @found) . "'" :
	    'not delivered';
}

# Count what became of the messages of this round: {tally}{kind} has sent,
# delivered, refused and queued.  Returns what is wrong.
sub settle {
	my ($self) = @_;
	my (%kept, @wrong) = kept();
	my $found = $self->{found};
	my %kind_of;
	push @wrong, "$self->{failed} senders died" if $self->{failed};
	for (map { split /\n/, Daemon::slurp($_) } @{ $self->{said} }) {
		my ($word, $kind, $id, $to, $text) = split ' ', $_, 5;
		my $tally = $self->{tally}{$kind} //= {};
		if ($word eq 'sent') {
			$tally->{sent}++;
			next;
		}
		my @copies = @{ delete $found->{"$id $to"} // [] };
		my $is_kept = $word eq 'taken' && !@copies && $kept{$id};
		$word = 'queued' if $is_kept;
		my $fault = fault_of($kind, $word, $text, @copies);
		push @wrong, "$kind $id to $to: $word ($text), $fault"
		    if defined $fault;
		$tally->{delivered} += @copies;
		$tally->{$word}++ if $word ne 'taken';
	}
	push @wrong, map { "$_: delivered, and nobody sent it" }
	    sort keys %$found;
	return @wrong;
}

1;
