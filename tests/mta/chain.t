# All five milters behind one real sendmail, which is configured by their .m4
# lines: what each leaves to those behind it, and what becomes of mail when one
# of them is away.

use strict;
use warnings;
use POSIX ();
use Test::More;

use Chain;
use Daemon;
use Mta;
use Worm;

plan skip_all => 'soak has them watched' if $ENV{WATCH};
Mta::enter;

my $mta;

# Another sendmail, with these filters.
sub ask {
	my (@snippets) = @_;
	$mta->stop if $mta;
	$mta = Mta->start(@snippets);
	$mta->forget;
}

my $chain = Chain->start;
my $witness = Chain::Witness->start;
ask({ users => { joe => 'secret' } }, $chain->snippets, $witness->snippet);

subtest 'the story' => sub {
	$chain->story(mta => $mta, witness => $witness);
};

# A program that virusmilter refuses by its name, and nobody is reported for.
my $program = letter(mixed(part('hello'), attached('setup.exe', 'x')));

# --- filters of others behind them

my $there = '/run/others';
mkdir $_, 0755 for $there, "$there/home";

# As many fields as they can write, and a line in a log for each message.
sub opendkim {
	return { command => ['opendkim', '-f', '-x', file('opendkim.conf',
	    "Mode v\nUserID root\nSocket local:$there/opendkim.sock\n" .
	    "Syslog yes\nLogWhy yes\nAlwaysAddARHeader yes\n")],
	    log => $Mta::log,
	    line => qr/opendkim\[\d+\]: \w+: not authenticated$/m,
	    field => qr/^Authentication-Results: mx\S+; dkim=none/m };
}

sub spamass {
	my $spamd = "$there/spamd.sock";
	return { command => ['spamass-milter', '-p', "$there/spamass.sock",
	    '--', '-U', $spamd],
	    helper => ['spamd', '-L', '-x', '-m', 2, '--socketpath', $spamd,
		'-s', "$there/spamd.log", '-H', "$there/home"],
	    ready => $spamd, log => "$there/spamd.log",
	    line => qr/: processing message /m,
	    field => qr/^X-Spam-Status: \w+, score=/m };
}

sub clamav {
	return { command => ['clamav-milter', '-c', file('clamav.conf',
	    "MilterSocket $there/clamav.sock\nUser root\nForeground yes\n" .
	    "ClamdSocket unix:@{[$chain->{clamd}->socket]}\n" .
	    "LogFile $there/clamav.log\nLogClean Full\nAddHeader Replace\n")],
	    log => "$there/clamav.log", line => qr/^Clean message /m,
	    field => qr/^X-Virus-Scanned: clamav-milter /m };
}

my %others = (opendkim => opendkim(), spamass => spamass(),
    $chain->{clamd} ? (clamav => clamav()) : ());

sub is_installed {
	my ($other) = @_;
	return !grep { !Mta::tool($_->[0]) } grep { $_ } @$other{qw(command
	    helper)};
}

# Returns its processes.
sub start_other {
	my ($name) = @_;
	my @pids = map { Daemon::spawn("$there/out", "$there/out", @$_) }
	    grep { $_ } @{ $others{$name} }{qw(helper command)};
	my @sockets = grep { $_ } "$there/$name.sock", $others{$name}{ready};
	ok +(eventually { !grep { !-S } @sockets } 30), "$name is ready" or
	    diag Daemon::slurp("$there/out");
	return @pids;
}

sub snippet {
	my ($name) = @_;
	return file("$name.m4", "INPUT_MAIL_FILTER(`$name', " .
	    "`S=unix:$there/$name.sock, F=T, T=R:1m')dnl\n");
}

subtest 'filters of others behind them' => sub {
	my @names = grep { is_installed($others{$_}) } sort keys %others;
	plan skip_all => 'none is installed' unless @names;
	my @pids = map { start_other($_) } @names;
	ask($chain->snippets, map { snippet($_) } @names);
	# Rows: who, the reply, what is not as in the story.
	for (['friend', 250], ['listed', 554], ['liar', 550],
	    ['friend', 550, message => $program],
	    ['stranger', 451, mail => 'new@client.example'],
	    ['stranger', 250], ['secret', 250]) {
		my ($name, $code, @with) = @$_;
		is Chain::send_as($name, 2525, @with)->{code}, $code,
		    "$name: $code";
	}
	my @mails = $mta->mails;
	for my $name (@names) {
		my ($log, $line, $field) = @{ $others{$name} }{qw(log line
		    field)};
		my $count = sub {
			return scalar(() = Daemon::slurp($log) =~ /$line/g);
		};
		eventually { $count->() >= @mails } 10;
		is $count->(), @mails, "$name has seen what is left";
		is scalar(grep { $_ =~ $field } @mails), @mails,
		    "$name has added its field to all of that";
	}
	# clamav-milter puts its fields in the place of virusmilter's.
	my $clean = (grep({ $_ eq 'clamav' } @names) ? 'clamav-milter' :
	    'virusmilter') . ' Clean';
	is_deeply [map { Chain::marks($_) } @mails], ["spf=none none $clean",
	    "spf=none none $clean", "spf=none none none-listed $clean"],
	    'the fields of ours are there, too';
	kill TERM => @pids;
};

# --- stopped, killed and reloaded

# Be one whom graymilter knows by now, and send messages, each with an id, until
# told to end; a line for each.
sub send_on {
	my ($who, $results, $end) = @_;
	open my $f, '>>', $results or POSIX::_exit(1);
	$f->autoflush(1);
	for (my $i = 0; !-e $end; $i++) {
		my ($kind, $message) = $i % 4 == 3 ? ('program', $program) :
		    ('good', letter(part('hello')));
		$message =~ s/^Subject:/$& id=$who.$i/m;
		my $r = Chain::send_as('stranger', 2525, message => $message);
		print $f "$who.$i $kind $r->{code} $r->{at} $r->{text}\n";
	}
	POSIX::_exit(0);
}

# [id, kind, code, step and text] of each.
sub results { return map { [split ' ', $_, 4] } split /^/m,
    Daemon::slurp($_[0]) }

# What a milter logs that is well.
my $usual = qr/^(?:verdict=|version|running\ as\ root|loaded|reported
    |short-term\ list\ read|stopped)\b/x;

subtest 'stopped, killed and reloaded' => sub {
	# While one of them is away nobody shall pass.
	ask(map { file("$_.m4", Daemon::slurp("$_/$_.m4") =~
	    s/F=,/F=T,/r) } @Chain::milters);
	my ($results, $end) = (file('results', ''), folder . '/end');
	my @senders = map {
		my $pid = fork // die "fork: $!";
		send_on($_, $results, $end) unless $pid;
		$pid;
	} 1 .. 2;

	# From now on, does each sender hear this, and more than once?
	my $is_heard = sub {
		my ($code, $what) = @_;
		my $before = results($results);
		ok +(eventually {
			my @all = results($results);
			my %heard;
			$heard{$_->[0] =~ s/\..*//r}++ for
			    grep { $_->[2] == $code } @all[$before .. $#all];
			@senders == grep { $_ >= 3 } values %heard;
		} 20), "$what: $code";
	};
	my @daemons;
	$is_heard->(250, 'all is well');
	for my $name (@Chain::milters) {
		for (['TERM', 0], ['KILL', 128 + 9]) {
			my ($signal, $status) = @$_;
			push @daemons, $chain->{$name};
			kill $signal => $chain->{$name}->pid;
			$is_heard->(451, "$name: SIG$signal");
			is $chain->{$name}->stop, $status, "$name has ended";
			$chain->launch($name);
			$is_heard->(250, "$name is back");
		}
		my $before = results($results);
		is $chain->{$name}->tell('reload'), 'ok', "$name: reload";
		$is_heard->(250, "$name goes on");
		my @all = results($results);
		is_deeply [grep { $_->[2] == 451 } @all[$before .. $#all]], [],
		    "$name: nobody had to wait for that";
	}
	file($end, '');
	waitpid $_, 0 for @senders;

	my (%delivered, %count, @wrong);
	for ($mta->mails) {
		my ($id) = /^Subject: id=(\S+)/m;
		push @{ $delivered{$id} }, Chain::marks($_);
	}
	for (results($results)) {
		my ($id, $kind, $code) = @$_;
		my @marks = @{ delete $delivered{$id} // [] };
		$count{$code}++;
		# Whoever was away, no mail is without its field.
		push @wrong, "@$_, delivered: @marks" unless $code == 451 ?
		    @marks == 0 : $kind eq 'good' ? $code == 250 &&
		    "@marks" eq 'spf=none none virusmilter Clean' :
		    $code == 550 && @marks == 0;
	}
	is_deeply \@wrong, [],
	    'each was delivered once, refused as it should, or deferred';
	is_deeply \%delivered, {}, 'and nothing else was delivered';
	is_deeply [sort keys %count], [250, 451, 550], 'all of these happened';
	like $mta->run_sendmail('-bp'), qr/queue is empty/, 'nothing is kept';
	is_deeply [grep { $_ !~ $usual } map { $_->lines(qr/./) } @daemons,
	    map { $chain->{$_} } @Chain::milters], [],
	    'and none of the milters has a complaint';
	note explain \%count;
};
$chain->{$_}->crash for @Chain::milters;

# --- some of them, in any order

# Here two of them mark what they would refuse.
$chain = Chain->start(map { $_ => ['-markonly'] } qw(blackmilter graymilter));

# In the order of Chain::marks().
my @marks = ([spfmilter => 'spf=none none'], [bccmilter => 'none-listed'],
    [graymilter => 'would'], [blackmilter => 'blacklist'],
    [virusmilter => 'virusmilter Clean']);

subtest 'some of them, in any order' => sub {
	my ($black, $spf, $gray, $bcc, $virus) = @Chain::milters;
	my $nth = 0;
	for (map({ [$_] } @Chain::milters), [reverse @Chain::milters],
	    [$virus, $black], [$gray, $spf], [$bcc, $virus, $spf]) {
		my @names = @$_;
		ask(map { "$_/$_.m4" } @names);
		my $r = Chain::send_as('secret', 2525, from => '192.0.2.66',
		    mail => 'new' . $nth++ . '@client.example');
		is "$r->{at}: $r->{code}", 'eom: 250', "@names: it is taken";
		my %is_asked = map { $_ => 1 } @names;
		is_deeply [map { Chain::marks($_) } $mta->mails], [join ' ',
		    map { $_->[1] } grep { $is_asked{$_->[0]} } @marks],
		    'and has their fields, and no others of ours';
	}
};
$chain->{$_}->crash for @Chain::milters;

done_testing;
