package Chain;

# All five milters at work together, each with its socket where its .m4 line
# has it, and a story of clients that need all of them.  Inside
# tests/mta/sandbox, for any MTA.
#
#	my $chain = Chain->start;
#	my $last = Chain::Witness->start;
#	my $mta = Mta->start($chain->snippets, $last->snippet);
#	$chain->story(mta => $mta, witness => $last);
#	$chain->{spfmilter}->crash;		# each is a Daemon
#	$chain->launch('spfmilter');

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);

use Clamd;
use Daemon;
use Dns;
use Mta;
use Smtp;
use Worm;

# As the MTA asks them.
our @milters = qw(blackmilter spfmilter graymilter bccmilter virusmilter);

use constant DELAY => 2;	# seconds a stranger has to wait

# --- the five

# What the DNS has, and whom the milters have heard of.
my %zone = ('speaks.example' => [[TXT =>
    'v=spf1 ip4:192.0.2.80 ip6:2001:db8:80::25 -all']]);
my %list = (
	blacklist => "192.0.2.66\n203.0.113.0/24 ; SBL1\n",
	friends => "203.0.113.7\n",
	traps => "nobody\@example.test\n",
);

# clamd is asked where there is one.
sub options {
	my ($self) = @_;
	my %file = map { $_ => file($_, $list{$_}) } keys %list;
	$self->{dns} = Dns->new(zone => \%zone);
	$self->{clamd} = knows_worms() unless Clamd::missing();
	my @report = (-report => '/run/blackmilter/control');
	return {
		blackmilter => [-blacklist => $file{blacklist},
		    -whitelist => $file{friends}, -db => '/run/blackmilter/db'],
		spfmilter => [-nameserver => $self->{dns}->address,
		    -hint => '/run/graymilter/control'],
		# Documentation has few networks, and ours have many clients.
		graymilter => [-whitelist => $file{friends},
		    -trap => $file{traps}, -db => '/run/graymilter/db',
		    -delay => DELAY, -autowhite => 0, @report],
		bccmilter => [],
		virusmilter => [@report, $self->{clamd} ?
		    (-clamd => $self->{clamd}->socket) : ()],
	};
}

# With further options by the names of the milters.
sub start {
	my ($class, %more) = @_;
	my $self = bless {}, $class;
	$self->{options} = $self->options;
	push @{ $self->{options}{$_} }, @{ $more{$_} } for keys %more;
	$self->launch($_) for @milters;
	return $self;
}

# Start one, again too, with options for this time only.
sub launch {
	my ($self, $name, @more) = @_;
	my $run = "/run/$name";
	mkdir $_, 0755 for $run, "$run/db";
	$self->{seen}{$name} = 0;
	return $self->{$name} = Daemon->start({ name => $name,
	    socket => "unix:$run/$name.sock", control => "$run/control" },
	    '-socketmode' => '0666', '-debug', @{ $self->{options}{$name} },
	    @more);
}

sub snippets { return map { "$_/$_.m4" } @milters }

# How they end.
sub stop {
	my ($self) = @_;
	kill TERM => $self->{$_}->pid for @milters;
	return map { $self->{$_}->stop } @milters;
}

# Why each decided as it did since this was last called, in their order:
# "black:nothing spf:none gray:new".
sub words {
	my ($self) = @_;
	my @words;
	for my $name (@milters) {
		my @all = $self->{$name}->lines(qr/^verdict=/);
		push @words, map { $name =~ s/milter$//r . ':' .
		    (/ by=(\S+)/)[0] } @all[$self->{seen}{$name} .. $#all];
		$self->{seen}{$name} = @all;
	}
	return join ' ', @words;
}

# By the name of a field that is ours, what counts of its value; in that of
# others there is no such thing.
my %value = (
	'x-ip-blacklisted' => qr/(.*)/,
	'authentication-results' => qr/(spf=\w+)/,
	'received-spf' => qr/(\w+)/,
	'x-greylist' => qr/(\w+)/,
	'x-bcc-check' => qr/(.*)/,
	'x-virus-scanned' => qr/(\S+)/,
	'x-virus-status' => qr/(\w+)/,
);

# Such values of all these fields in a mail, by the alphabet of their names.
sub marks {
	my ($mail) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	$head =~ s/\n[ \t]+/ /g;
	my %marks;
	while ($head =~ /^([\w-]+): *(.*)/mg) {
		my ($name, $text) = (lc $1, $2);
		push @{ $marks{$name} }, $1
		    if $value{$name} && $text =~ $value{$name};
	}
	return join ' ', map { @{ $marks{$_} } } sort keys %marks;
}

# --- the story

sub letter_with {
	my ($fields) = @_;
	return "From: joe\@client.example\n${fields}Subject: test\n" .
	    "Date: Mon, 1 Jun 2026 12:00:00 +0000\n" .
	    "Message-ID: <one\@client.example>\n\nhello\n";
}

# Who they are and what they send (see Smtp).
my %client = (
	listed => { from => '192.0.2.66' },
	stranger => { from => '198.51.100.1' },
	liar => { from => '198.51.100.2', mail => 'ann@speaks.example' },
	speaker => { from => '192.0.2.80', mail => 'bob@speaks.example' },
	v6 => { from => '2001:db8:80::25', mail => 'eve@speaks.example' },
	secret => { from => '198.51.100.3',
	    message => letter_with("To: ann\@far.example\n") },
	list => { from => '198.51.100.4', message => letter_with(
	    "To: talk\@lists.example\nList-Id: Talk <talk.lists.example>\n") },
	bounce => { from => '198.51.100.5', mail => '' },
	worm => { from => '198.51.100.6', message => worm() },
	disguised => { from => '198.51.100.7', message => letter(mixed(
	    part('hello'), attached('invoice.pdf.exe', PROGRAM))) },
	trapped => { from => '198.51.100.8', rcpt => ['nobody@example.test'] },
	# All that the five would have said.
	forger => { from => '198.51.100.9', message => letter_with(
	    "To: alice\@example.test\nReceived-SPF: pass (good)\n" .
	    "\treceiver=mx.example.test\nX-IP-Blacklisted: no\n" .
	    "Authentication-Results: mx.example.test; spf=pass\n" .
	    "X-Greylist: no\nX-Bcc-Check: open\nX-Virus-Status: Clean\n" .
	    "X-Virus-Scanned: virusmilter at mx.example.test\n") },
	friend => { from => '203.0.113.7' },
	user => { from => '198.51.100.10',
	    auth => ['joe@mx.example.test', 'secret'] },
	loopback => { from => '127.0.0.1' },
);

# Rows: who; step and reply; why, by the milters that heard of the message, the
# last of which decided; how far a filter behind all of them got; and the marks
# of the mail that is delivered.
my $none = 'black:nothing spf:none';
my $pass = 'black:nothing spf:pass';
my $back = '451 4.7.1 Greylisted, please come back in ' . DELAY . ' seconds';
my $no = '<ann@speaks.example>... SPF fail: 198.51.100.2 is not allowed to ' .
    'send mail for speaks.example';
my $bye = 'connect: 554 mx.example.test ESMTP not accepting messages';
my $refused = '554 5.7.1 mail from';
my $clean = 'virusmilter Clean';
my @at_first = (
	['listed', "mail: $refused 192.0.2.66 is refused, see blacklist",
	    'black:blacklist', 'connect'],
	['liar', "mail: 550 5.7.23 $no",
	    'black:nothing spf:fail', 'helo'],
	map({ [$_, "rcpt: $back", "$none gray:new", 'mail'] }
	    qw(stranger secret list worm disguised forger)),
	map({ [$_, "rcpt: $back", "$pass gray:new", 'mail'] } qw(speaker v6)),
	['bounce', 'data: ' . $back =~ s/451/421/r,
	    "$none gray:new bcc:bounce", 'rcpt'],
	['trapped', "rcpt: $back", "$none gray:trap", 'mail'],
	['trapped', "mail: $refused 198.51.100.8 is refused, see mailed a trap",
	    'black:shortlist', 'connect'],
	['friend', 'eom: 250', 'black:whitelist spf:none gray:whitelist ' .
	    'bcc:open virus:clean', 'eom', "spf=none none $clean"],
	['loopback', 'eom: 250', join(' ', map { s/milter$/:loopback/r }
	    grep { $_ ne 'graymilter' } @milters), 'eom', ''],
	['user', 'eom: 250', 'black:nothing spf:auth bcc:auth ' .
	    'virus:clean', 'eom', $clean],
);
my @later = (
	['stranger', 'eom: 250', "$none gray:delayed bcc:open virus:clean",
	    'eom', "spf=none none delayed $clean"],
	['stranger', 'eom: 250', "$none gray:known bcc:open virus:clean",
	    'eom', "spf=none none $clean"],
	map({ [$_, 'eom: 250', "$pass gray:delayed bcc:open virus:clean",
	    'eom', "spf=pass pass delayed $clean"] } qw(speaker v6)),
	['secret', 'eom: 250', "$none gray:delayed bcc:none-listed virus:clean",
	    'eom', "spf=none none none-listed delayed $clean"],
	['list', 'eom: 250', "$none gray:delayed bcc:list virus:clean",
	    'eom', "spf=none none delayed $clean"],
	['bounce', 'eom: 250', "$none gray:delayed bcc:bounce virus:clean",
	    'eom', "spf=none none delayed $clean"],
	# Two of them leave what others write, for they write nothing here.
	['forger', 'eom: 250', "$none gray:delayed bcc:open virus:clean",
	    'eom', "spf=none none delayed no no $clean"],
	['worm', 'eom: 550 5.7.1 Virus found: ' . FOUND,
	    "$none gray:delayed bcc:open virus:clamd", 'data'],
	['worm', "mail: $refused 198.51.100.6 is refused, see sent " . FOUND,
	    'black:shortlist', 'connect'],
	['disguised', 'eom: 550 5.7.1 Not accepted: Milter.Name.exe',
	    "$none gray:delayed bcc:open virus:rules", 'data'],
	['disguised', "mail: $refused 198.51.100.7 is refused, see sent " .
	    'Milter.Name.exe', 'black:shortlist', 'connect'],
);

# Send a message as one of them does, to the port of an MTA; %with is Smtp's.
sub send_as {
	my ($name, $port, %with) = @_;
	my %mail = (mail => "$name\@client.example", %{ $client{$name} },
	    %with);
	return Smtp->new(from => $mail{from}, port => $port)->send(%mail);
}

# With -at connect.
my @at_connect = (
	['listed', $bye, 'black:blacklist', 'nothing'],
	# It has not forgotten whom it was told of.
	['disguised', $bye, 'black:shortlist', 'nothing'],
	['stranger', 'eom: 250', "$none gray:known bcc:open virus:clean",
	    'eom', "spf=none none $clean"],
);

# Is blackmilter told of whom the others have found out?
sub is_reported {
	my ($self, $name) = @_;
	return ok +(eventually {
		my @said = $self->{blackmilter}->tell(
		    "test $client{$name}{from}");
		"@said" =~ /shortlist/;
	} 10), "$name is reported";
}

# Try rows such as those above.  %with: mta and witness; port, if it is not
# sendmail's; without: who is left out; differs: other replies, by those above,
# which are sendmail's.
sub try_rows {
	my ($self, $with, @rows) = @_;
	for (@rows) {
		my ($name, $reply, $words, $heard, $marks) = @$_;
		next if $with->{without}{$name};
		my $r = send_as($name, $with->{port} // 2525);
		my $is_taken = $r->{code} == 250;
		is "$r->{at}: " . ($is_taken ? 250 : $r->{text}),
		    $with->{differs}{$reply} // $reply, "$name: $reply";
		is $self->words, $words, "$name: why";
		is +($with->{witness}->heard)[-1] // 'nothing', $heard,
		    "$name: the last filter hears of it up to $heard";
		my @mails = $with->{mta}->mails($is_taken ? 1 : 0);
		$with->{mta}->forget;
		is_deeply [map { marks($_) } @mails], [$marks // ()],
		    "$name: " . (defined $marks ? "marks: $marks" :
		    'nothing is delivered');
		$self->is_reported($name) if $words =~ /:(?:trap|clamd|rules)$/;
	}
}

sub story {
	my ($self, %with) = @_;
	$with{without}{worm} = 1 unless $self->{clamd};
	$with{without}{v6} = 1 unless Mta::has_ipv6();
	$self->try_rows(\%with, @at_first);
	sleep DELAY + 0.1;
	$self->try_rows(\%with, @later);
	is $self->{blackmilter}->crash, 128 + 9, 'blackmilter is killed';
	$self->launch('blackmilter', -at => 'connect');
	$self->try_rows(\%with, @at_connect);
}

package Chain::Witness;

# One more filter, which accepts all, changes nothing, and writes down what it
# hears.

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();

use Daemon;

my %step = (C => 'connect', H => 'helo', M => 'mail', R => 'rcpt', T => 'data',
    L => 'header', N => 'eoh', B => 'body', E => 'eom');

sub start {
	my ($class) = @_;
	my $path = '/run/witness.sock';
	my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 100) or
	    die "$path: $!";
	chmod 0666, $path;
	open my $log, '+>>', undef or die "$!";	# it has no name to leave
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		serve($listener, $log);
		POSIX::_exit(0);
	}
	return bless { pid => $pid, path => $path, log => $log, owner => $$ },
	    $class;
}

sub socket { return "unix:$_[0]{path}" }

sub snippet {
	my ($self) = @_;
	return file('witness.m4', "INPUT_MAIL_FILTER(`witness', `S=" .
	    $self->socket . ", F=T')dnl\n");
}

# The steps it heard of since this was last called.
sub heard {
	my ($self) = @_;
	open my $f, '<', '/dev/fd/' . fileno $self->{log} or die "$!";
	my @steps = map { s/\n//r } <$f>;
	my $seen = $self->{seen} // 0;
	$self->{seen} = @steps;
	return @steps[$seen .. $#steps];
}

sub serve {
	my ($listener, $log) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $sockets = IO::Select->new($listener);
	my %buffer;
	while (my @ready = $sockets->can_read) {
		for my $s (@ready) {
			if ($s == $listener) {
				my $new = $s->accept or next;
				$buffer{$new} = '';
				$sockets->add($new);
			} elsif (!sysread($s, $buffer{$s}, 65536,
			    length $buffer{$s}) ||
			    !listens($s, \$buffer{$s}, $log)) {
				$sockets->remove($s);
				delete $buffer{$s};
				close $s;
			}
		}
	}
}

# Take the whole packets of a buffer; false when it was the last.
sub listens {
	my ($s, $buffer, $log) = @_;
	while (length $$buffer >= 4 &&
	    length $$buffer >= 4 + unpack 'N', $$buffer) {
		my $packet = unpack 'N/a*', $$buffer;
		substr($$buffer, 0, 4 + length $packet) = '';
		my $cmd = substr $packet, 0, 1;
		return 0 if $cmd eq 'Q';
		my $step = $step{$cmd};
		syswrite $log, "$step\n" if $step;
		# It wants to hear all, and to answer.
		my $answer = $cmd eq 'O' ? 'O' . pack('NNN', 6, 0, 0) :
		    $step ? 'c' : next;
		syswrite $s, pack('N/a*', $answer);
	}
	return 1;
}

sub DESTROY {
	my ($self) = @_;
	kill KILL => $self->{pid} if $self->{owner} == $$;
}

1;
