# virusmilter behind a real sendmail, when its clamd is down, killed, stopped or
# busy, and when it is down itself: nobody is sent a worm, and nothing is lost.

use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Clamd;
use Daemon;
use Mta;
use Smtp;
use Worm;

plan skip_all => Clamd::missing() if Clamd::missing();
Mta::enter;

mkdir '/run/virusmilter', 0755;
my $mta = Mta->start('virusmilter/virusmilter.m4');
my $clamd = knows_worms;
my $virus;

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	$virus->retire if $virus && !$virus->gone;
	$virus = Daemon->start({ name => 'virusmilter',
	    socket => 'unix:/run/virusmilter/virusmilter.sock' }, '-debug',
	    -clamd => $clamd->socket, @options);
	$mta->forget;
}

my $client = '192.0.2.7';

sub reply_to {
	my ($message, %with) = @_;
	my $c = $with{on} // Smtp->new(from => $client);
	return $c->send(message => $message);
}

sub header_of {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	return $head;
}

# Rows: what it is, the message, the reply at its end; and when it is
# delivered, its status.
sub try_letters {
	my (@rows) = @_;
	for (@rows) {
		my ($what, $message, $expected, $status, %with) = @$_;
		my $r = reply_to($message, %with);
		is "$r->{at}: $r->{text}" =~ s/^(eom: 250) .*/$1/r,
		    "eom: $expected", $what;
		my @status = map { header_of($_) =~
		    /^X-Virus-Status: (.*)/mig } $mta->mails;
		$mta->forget;
		is_deeply \@status, [$status // ()], "$what: the status";
	}
}

my $worm = worm();
my $clean = letter(mixed(part('hello'), attached('a.txt', 'no worm')));
my $exe = letter(mixed(part('hello'), attached('invoice.pdf.exe', 'x')));
my $refused = '550 5.7.1 Virus found: ' . FOUND;
my $refused_exe = '550 5.7.1 Not accepted: Milter.Name.exe';
my $deferred = '451 4.3.0 no virus scanner can be asked';

# As it is when all is well.
sub is_well {
	my ($when) = @_;
	try_letters(["$when: a worm", $worm, $refused],
	    ["$when: no worm", $clean, 250, 'Clean']);
}

# Another process sends a message; its reply is what it prints.
sub begin {
	my ($message) = @_;
	my $pid = open(my $from, '-|') // die "fork: $!";
	return $from if $pid;
	print reply_to($message)->{text};
	STDOUT->flush;
	POSIX::_exit(0);
}

# One that clamd is busy with, until it is released: it runs something then.
sub begin_held {
	$clamd->hold;
	my $from = begin($worm);
	ok +(eventually { grep { Daemon::slurp($_) ne '' }
	    glob "/proc/@{[$clamd->pid]}/task/*/children" } 20),
	    'clamd is busy with it';
	return $from;
}

sub answer {
	my ($from) = @_;
	local $/;
	my $said = <$from>;
	close $from;
	return $said;
}

subtest 'clamd is down' => sub {
	daemon();
	is_well('up');
	$clamd->stop;
	try_letters(['a worm', $worm, $deferred],
	    ['no worm', $clean, $deferred],
	    ['a program', $exe, $refused_exe]);
	like +($virus->lines(qr/^verdict=tempfail/))[0],
	    qr/^verdict=tempfail by=down name=connecting:_\S+ client=/,
	    'it says why';
	is scalar($virus->lines(qr/^clamd .*: connecting: /)), 1,
	    'once in a while it says of clamd, too';
	like $mta->run_sendmail('-bp'), qr/queue is empty/, 'nothing is kept';
	$clamd->launch;
	is_well('the first when it is back');
	ok $virus->lines(qr/^clamd .* is back$/), 'which is logged';
};

subtest '-onerror accept' => sub {
	daemon('-onerror' => 'accept');
	is_well('up');
	$clamd->stop;
	my $unknown = 'Unknown (no scanner)';
	try_letters(['no worm', $clean, 250, $unknown],
	    ['a worm', $worm, 250, $unknown],
	    ['a forged field', "X-Virus-Status: Clean\n$clean", 250,
		$unknown],
	    ['a program', $exe, $refused_exe]);
	$clamd->launch;
	is_well('the first when it is back');
};

subtest 'another clamd' => sub {
	my $second = knows_worms;
	daemon('-clamd' => $second->socket);
	is_well('both are up');
	$clamd->crash;
	is_well('the first is down');
	$second->crash;
	try_letters(['both are', $worm, $deferred], ['so is this', $clean,
	    $deferred]);
	$clamd->launch;
	is_well('the first is back');
};

subtest 'killed in the middle' => sub {
	daemon();
	my $from = begin_held();
	$clamd->crash;
	is answer($from), $deferred, 'it comes again';
	try_letters(['so do others', $clean, $deferred]);
	$clamd->launch;
	is_well('the first when it is back');
};

subtest 'reloaded in the middle' => sub {
	my $from = begin_held();
	$clamd->sign('Test.Greeting', 'no worm');
	kill USR2 => $clamd->pid;
	$clamd->release;
	is answer($from), $refused, 'it is refused as ever';
	ok +(eventually { reply_to($clean)->{text} eq
	    '550 5.7.1 Virus found: Test.Greeting.UNOFFICIAL' } 30),
	    'soon it knows what is new';
	$clamd = knows_worms;
	daemon();
};

subtest 'stopped in the middle' => sub {
	my $from = begin_held();
	$clamd->freeze;
	is answer($from), $deferred, 'sendmail hears it in time';
	try_letters(['so it does of others', $clean, $deferred],
	    ['a program', $exe, $refused_exe]);
	$clamd->release;
	$clamd->thaw;
	is_well('the first when it goes on');
	is $virus->stat('scans_under_way'), 0, 'nothing is left';
};

subtest 'busy' => sub {
	daemon('-scans' => 1);
	my $from = begin_held();
	try_letters(['one too many', $clean, $deferred],
	    ['a program', $exe, $refused_exe]);
	$clamd->release;
	is answer($from), $refused, 'the first has its answer';
	is_well('then');
};

# --- nothing is lost

# Send messages, each with an id, until told to end; a line for each.
sub send_on {
	my ($who, $results, $end) = @_;
	open my $f, '>>', $results or POSIX::_exit(1);
	$f->autoflush(1);
	for (my $i = 0; !-e $end; $i++) {
		my ($kind, $message) = $i % 3 == 2 ? ('worm', $worm) :
		    ('clean', $clean);
		my $id = "$who.$i";
		my $r = reply_to($message =~ s/^Subject:/$& id=$id/mr);
		print $f "$id $kind $r->{at} $r->{text}\n";
	}
	POSIX::_exit(0);
}

sub results { return map { [split ' ', $_, 4] } split /^/m,
    Daemon::slurp($_[0]) }

subtest 'nothing is lost' => sub {
	daemon();
	my ($results, $end) = (file('results', ''), folder . '/end');
	my @senders = map {
		my $pid = fork // die "fork: $!";
		send_on($_, $results, $end) unless $pid;
		$pid;
	} 1 .. 3;

	# From now on, is there one of these?
	my $comes = sub {
		my ($code, $what) = @_;
		my $before = results($results);
		ok +(eventually {
			my @all = results($results);
			scalar grep { $_->[3] =~ /^$code / }
			    @all[$before .. $#all];
		} 60), $what;
	};
	for my $round (1 .. 2) {
		$comes->($_, "round $round: all is well, $_") for 250, 550;
		$clamd->crash;
		$comes->(451, 'it is killed');
		$clamd->launch;
		$comes->($_, "it is back, $_") for 250, 550;
		$clamd->freeze;
		$comes->(451, 'it is stopped');
		$clamd->thaw;
		$comes->($_, "it goes on, $_") for 250, 550;
		ok $clamd->reload, 'it is reloaded';
	}
	$comes->($_, "and in the end, $_") for 250, 550;
	file($end, '');
	waitpid $_, 0 for @senders;

	my (%delivered, %sent, %wrong);
	$delivered{$_}++ for map { /^Subject: id=(\S+)/m } $mta->mails;
	for (results($results)) {
		my ($id, $kind, $at, $text) = @$_;
		my ($code) = $text =~ /^(\d+)/;
		$sent{$code}++;
		my $copies = delete $delivered{$id} // 0;
		$wrong{$id} = "$kind $at $copies $text" unless
		    $code == 451 ? $text eq "$deferred\n" && $copies == 0 :
		    $kind eq 'worm' ? $text eq "$refused\n" && $copies == 0 :
		    $code == 250 && $copies == 1;
	}
	is_deeply \%wrong, {}, 'each was delivered once, refused, or deferred';
	is_deeply \%delivered, {}, 'and nothing else was delivered';
	is join('+', map { $virus->stat("verdicts_total{$_}") }
	    'verdict="pass",by="clean"', 'verdict="reject",by="clamd"',
	    'verdict="tempfail",by="down"'), join('+', map { $sent{$_} }
	    250, 550, 451), 'our counters say so, too';
	is $virus->stat('scans_under_way'), 0, 'nothing is left';
	like $mta->run_sendmail('-bp'), qr/queue is empty/, 'nor here';
	note explain \%sent;
};

# --- we are down

subtest 'virusmilter is down' => sub {
	daemon();
	my $c = Smtp->new(from => $client);
	is $c->cmd("$_")->{code}, 250, $_ for 'HELO client.example',
	    'MAIL FROM:<joe@client.example>', 'RCPT TO:<alice@example.test>';
	$virus->crash;
	is $c->cmd('DATA')->{code}, 354, 'DATA';
	like $c->text($clean)->{text}, qr/^451 4\.[37]\.\d /,
	    'killed in the middle: come back';
	my $r = reply_to($clean);
	like $r->{text}, qr/^451 4\.[37]\.\d /, 'so it is while it is down';
	is scalar(my @mails = $mta->mails), 0, 'nothing is delivered';
	daemon();
	is_well('the first when it is back');
};

# A filter that is silent for so long has failed; one that says it works has
# more time.
subtest 'a scan that takes long' => sub {
	$mta->stop;
	$mta = Mta->start(file('impatient.m4', Daemon::slurp(
	    'virusmilter/virusmilter.m4') =~ s/R:1m/R:3s/r));
	daemon();
	my $from = begin_held();
	sleep 8;
	$clamd->release;
	is answer($from), $refused, 'sendmail waits';
	is_well('then');
	kill STOP => $virus->pid;
	like reply_to($clean)->{text}, qr/^451 4\.[37]\.\d /,
	    'who is stopped says nothing';
	kill CONT => $virus->pid;
	is_well('the first when it goes on');
	is $virus->stop, 0, 'SIGTERM ends it';
};

done_testing;
