# The resolver in front of name servers that answer, are silent, refuse, lie or
# are not there: what it says, whom it asks, and that it is over at the
# deadline.
use strict;
use warnings;
use IPC::Open2;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Dns;
use Prometheus;

use constant {
	DEADLINE => 2000,		# ms
	# Checks at the same time; valgrind has no more than 500 threads.
	BURST => ($ENV{WATCH} // '') eq 'valgrind' ? 400 : 500,
	WAITING => 200,			# RESOLVER_WAITING_MAX
	MANY => 2000,			# questions
};

my @program = (split(' ', $ENV{VALGRIND} // ''),
    ($ENV{BUILD} // '.') . '/tests/dns/lookup_driver');
my $made = 0;

# --- a resolver that is asked line by line

sub begin {
	my (@args) = @_;
	my @before = ref $args[0] ? @{ shift @args } : ();
	my $log = folder . '/log.' . ++$made;
	open my $old, '>&', \*STDERR or die "$!";
	open STDERR, '>', $log or die "$log: $!";
	my $pid = open2(my $out, my $in, @before, @program, @args);
	open STDERR, '>&', $old or die "$!";
	return { pid => $pid, out => $out, in => $in, log => $log };
}

sub with { return begin(map({ (-server => $_) } @{ $_[0] }), @_[1 .. $#_]) }

sub line {
	my ($r, $line) = @_;
	print { $r->{in} } "$line\n";
	$r->{in}->flush;
	return readline($r->{out}) =~ s/\n//r;
}

# What it says, but for what it cost: (text, questions asked, ms).
sub ask {
	my ($r, $line) = @_;
	my $said = line($r, $line);
	$said =~ s/ ttl=(\d+) asked=(\d+) ms=(\d+)$// or return $said;
	return wantarray ? ($said, $2, $3, $1) : $said;
}

sub stats {
	my ($r) = @_;
	print { $r->{in} } "stats\n";
	$r->{in}->flush;
	my $text = '';
	while (defined(my $line = readline $r->{out})) {
		last if $line eq ".\n";
		$text .= $line;
	}
	return $text;
}

# Its exit status and what it logged, but for what it loaded.
sub finish {
	my ($r) = @_;
	close $r->{in};
	waitpid $r->{pid}, 0;
	my $status = $?;
	open my $f, '<', $r->{log} or die "$r->{log}: $!";
	my @log = grep { !/ loaded / } <$f>;
	chomp @log;
	return ($status, map { s/^lookup: //r } @log);
}

sub ends_well {
	my ($r, $what) = @_;
	my ($status, @log) = finish($r);
	is $status, 0, "$what: a good end" or diag join "\n", @log;
	return @log;
}

my %zone = (
	'example.org' => [ [A => '192.0.2.1'], [A => '192.0.2.2'],
	    [AAAA => '2001:db8::1'], [MX => 10, 'mx.example.org'],
	    [TXT => 'v=spf1 ', "-all\x01"], [PTR => 'host.example.org'],
	    [SOA => 77] ],
	'alias.example.org' => [ [CNAME => 'example.org'] ],
	'large.example.org' => [ [TXT => 'x' x 1000], [TXT => 'y' x 1000] ],
	'middle.example.org' => [ [TXT => 'x' x 800] ],
	'cut.example.org' => [ 'TRUNCATE', [A => '192.0.2.3'] ],
	'fails.example.org' => 'SERVFAIL',
	'refuses.example.org' => 'REFUSED',
	'formerr.example.org' => 'FORMERR',
	'lost.example.org' => [ 'FIRST SILENT', [A => '192.0.2.5'] ],
	'corrupt.example.org' => 'CORRUPT',
	"two words\xff.example.org" => [ [A => '192.0.2.8'] ],
	'empty.example.org' => [ [A => '192.0.2.1', { ttl => 0 }] ],
	map({ lc($_) . '.example.org' => [ $_, [A => '192.0.2.6'] ] }
	    qw(SILENT GARBAGE WRONGID LIE TCPSILENT TCPDRIP)),
	'*.many.example.org' => [ [A => '192.0.2.7'] ],
);
my $dns = Dns->new(zone => \%zone);
my $silent = Dns->new(addresses => [map { "127.0.0.$_" } 1 .. 7],
    zone => { '*' => 'SILENT' });

# Nobody listens there.
sub shut {
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    Proto => 'udp') or die "$!";
	return '127.0.0.1:' . $s->sockport;
}

subtest 'each type, and from memory' => sub {
	my $r = with([$dns->address], -deadline => 20000);
	for (['A example.org', 'found 192.0.2.1 192.0.2.2'],
	    ['AAAA example.org', 'found 2001:db8::1'],
	    ['MX example.org', 'found 10:mx.example.org'],
	    ['PTR example.org', 'found host.example.org'],
	    ['TXT example.org', 'found "v=spf1 -all\001"'],
	    ['A alias.example.org', 'found 192.0.2.1 192.0.2.2'],
	    ['MX alias.example.org', 'found 10:mx.example.org'],
	    ['A none.example.org', 'no such name', 77],
	    ['TXT alias.example.org.', 'found "v=spf1 -all\001"'],
	    ['MX cut.example.org', 'no such record', 77],
	    ['A cut.example.org', 'found 192.0.2.3'],
	    ['TXT middle.example.org', 'found "' . 'x' x 800 . '"'],
	    ['TXT large.example.org', 'found "' . 'x' x 1000 . '" "' .
		'y' x 1000 . '"'],
	    ["A two words\xff.example.org", 'found 192.0.2.8'],
	    ['A empty.example.org', 'found 192.0.2.1', 0]) {
		my ($question, $wanted, $ttl) = @$_;
		my ($said, $asked, $ms, $for) = ask($r, $question);
		is $said, $wanted, $question;
		is "$asked $for", '1 ' . ($ttl // 300), "$question: asked";
		$dns->forget;
		($said, $asked) = ask($r, uc $question =~ s/\.$//r);
		is "$said $asked", "$wanted 0", "$question: from memory";
		is_deeply [$dns->queries], [], "$question: nobody was asked";
	}
	is line($r, 'flush'), 'flushed', 'all is forgotten';
	is +(ask($r, 'A example.org'))[1], 1, '... and asked for again';
	is_deeply [$dns->queries], ['A example.org'], '... once';
	is_deeply [ends_well($r, 'types')], [], 'nothing in the log';
};

# TCP only for what is too large for our EDNS.
subtest 'how it asks' => sub {
	my $r = with([$dns->address], -deadline => 20000);
	$dns->forget;
	ask($r, "TXT $_.example.org") for qw(middle large);
	is_deeply [$dns->queries('tcp')], ['TXT large.example.org'], 'by TCP';
	is_deeply [ends_well($r, 'how')], [], 'nothing in the log';
};

# One from before EDNS (RFC 6891 7): it wants a question without it.
sub old_server {
	my ($answers) = @_;
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    Proto => 'udp') or die "$!";
	my $pid = fork // die "fork: $!";
	return ('127.0.0.1:' . $s->sockport, $pid) if $pid;
	for (1 .. 2 * $answers) {
		my $from = recv $s, my $packet, 512, 0;
		my ($id, $extra) = unpack 'n x8 n', $packet;
		my $question = substr $packet, 12,
		    length($packet) - 12 - ($extra ? 11 : 0);
		my $answer = $extra ? '' :
		    pack 'n3 N n C4', 0xc00c, 1, 1, 300, 4, 192, 0, 2, 4;
		send $s, pack('n6', $id, $extra ? 0x8081 : 0x8080, 1,
		    !$extra, 0, 0) . $question . $answer, 0, $from;
	}
	POSIX::_exit(0);
}

subtest 'without EDNS' => sub {
	my ($address, $pid) = old_server(2);
	my $r = with([$address], -deadline => DEADLINE);
	is ask($r, "A $_.example.org"), 'found 192.0.2.4', "the $_"
	    for qw(first second);
	is_deeply [ends_well($r, 'EDNS')], [], 'nothing in the log';
	kill KILL => $pid;
	waitpid $pid, 0;
};

subtest 'no answer there' => sub {
	my $r = with([$dns->address], -deadline => 20000);
	$dns->forget;
	for my $name (qw(fails refuses formerr corrupt)) {
		is ask($r, "A $name.example.org"), 'trouble', $name;
		is +(ask($r, "A $name.example.org"))[1], 1,
		    "$name: not remembered";
	}
	is ask($r, 'A a..example.org'), 'no such name', 'not a name';
	is +(ask($r, 'A a..example.org'))[1], 0, '... and not asked for';
	is ask($r, 'A host.onion'), 'no such name', 'no business of the DNS';
	is_deeply [grep { /onion|\.\./ } $dns->queries], [], 'not asked';
	is_deeply [ends_well($r, 'no answer')], ['no answer from name servers '
	    . $dns->address . ' to A refuses.example.org: DNS server refused ' .
	    'query'], 'only what is our own is logged';
};

# Milliseconds that the processes we waited for have computed.
sub computed () { my @t = times; return 1000 * ($t[2] + $t[3]) }

# Whatever comes, or does not, it is over at the deadline, without haste.
subtest 'the deadline' => sub {
	my $before = computed;
	my $r = with([$dns->address], -deadline => DEADLINE);
	for my $name (qw(silent garbage wrongid lie tcpsilent tcpdrip)) {
		my ($said, $asked, $ms) = ask($r, "A $name.example.org");
		is $said, 'trouble', $name;
		cmp_ok $ms, '<=', DEADLINE + 500 * slow, "$name: over in time";
		cmp_ok $ms, '>=', DEADLINE / 3, "$name: it waited";
	}
	my ($said, $asked, $ms) = ask($r, 'A lost.example.org');
	is $said, 'found 192.0.2.5', 'a packet that was lost';
	is_deeply [ends_well($r, 'deadline')], ['no answer from name servers ' .
	    $dns->address . ' to A silent.example.org: the time is over'],
	    'the first is logged';
	cmp_ok computed - $before, '<', 500, 'it slept' unless $ENV{WATCH};
};

# All questions of a check together.
subtest 'one deadline for a check' => sub {
	my $r = with([$dns->address], -deadline => DEADLINE, '-onecheck');
	my $begin = time;
	my ($said, $asked, $ms) = ask($r, 'A silent.example.org');
	is $said, 'trouble', 'the first';
	($said, $asked, $ms) = ask($r, 'A example.org');
	is "$said $asked", 'trouble 0', 'the second is not asked';
	cmp_ok $ms, '<', 500 * slow, '... and does not wait';
	ends_well($r, 'check');
};

subtest 'servers that are dead' => sub {
	my @dead = map { $silent->address($_) } 0 .. 6;
	my $r = with([$dead[0], $dns->address], -deadline => 3000 * slow);
	my ($said, $asked, $ms) = ask($r, 'A example.org');
	is $said, 'found 192.0.2.1 192.0.2.2', 'the first is silent';
	cmp_ok $ms, '>=', 900, '... and was waited for';
	$silent->forget;
	($said, $asked, $ms) = ask($r, 'TXT example.org');
	is "$said $asked", 'found "v=spf1 -all\001" 1', 'asked the second';
	is_deeply [$silent->queries], [], '... and not the first any more';
	is_deeply [ends_well($r, 'dead')], [], 'nothing in the log';

	$r = with([@dead, $dns->address], -deadline => 3000 * slow);
	is ask($r, 'A example.org'), 'found 192.0.2.1 192.0.2.2',
	    'the last of eight';
	ends_well($r, 'eight');

	my $shut = shut;
	$r = with([$shut, $dns->address]);
	($said, $asked, $ms) = ask($r, 'A example.org');
	is $said, 'found 192.0.2.1 192.0.2.2', 'nobody listens at the first';
	cmp_ok $ms, '<', 1000 * slow, '... which is known at once';
	ends_well($r, 'shut');

	$r = with([$shut], -deadline => DEADLINE);
	($said, $asked, $ms) = ask($r, 'A example.org');
	is $said, 'trouble', 'nobody listens at all';
	cmp_ok $ms, '<=', DEADLINE + 500 * slow, '... over in time';
	is_deeply [ends_well($r, 'all shut')], ["no answer from name servers " .
	    "$shut to A example.org: Could not contact DNS servers"], 'logged';
};

# One that cannot say is no reason not to ask the next.
subtest 'servers that fail' => sub {
	my $bad = Dns->new(zone => { '*.example.org' => 'SERVFAIL',
	    'example.org' => 'REFUSED' });
	my @dead = $silent->address;
	for (['it fails', 'A alias.example.org', $bad->address],
	    ['it refuses', 'A example.org', $bad->address],
	    ['one is silent, one fails', 'A alias.example.org', @dead,
		$bad->address],
	    ['one is silent, one refuses', 'A example.org', @dead,
		$bad->address]) {
		my ($what, $question, @servers) = @$_;
		my $r = with([@servers, $dns->address],
		    -deadline => 4000 * slow);
		is ask($r, $question), 'found 192.0.2.1 192.0.2.2', $what;
		is_deeply [ends_well($r, $what)], [], "$what: not logged";
	}
};

subtest 'by IPv6' => sub {
	my $six = eval { Dns->new(addresses => ['::1'], zone => \%zone) } or
	    plan skip_all => 'no IPv6';
	my $r = with([$six->address], -deadline => 20000);
	is ask($r, 'A example.org'), 'found 192.0.2.1 192.0.2.2', 'UDP';
	is ask($r, 'A cut.example.org'), 'found 192.0.2.3', 'TCP';
	ends_well($r, 'IPv6');
};

subtest 'many at once' => sub {
	my $r = with([$silent->address], -deadline => DEADLINE,
	    -threads => BURST);
	my $begin = time;
	line($r, 'A silent.example.org') =~
	    /^found=0 waited=(\d+) ms=(\d+) turned_away=(\d+) away_ms=(\d+)$/
	    or return fail('not understood');
	is $1, WAITING, 'so many wait';
	cmp_ok $2, '<=', DEADLINE + 1000 * slow, '... until the deadline';
	is $3, BURST - WAITING, 'the rest is turned away';
	cmp_ok $4, '<', 1000 * slow, '... at once';
	like stats($r), qr/^spfmilter_dns_waiting 0\n/m, 'none waits now';
	like stats($r), qr/^spfmilter_dns_turned_away_total @{[BURST -
	    WAITING]}\n/m, 'counted';
	is scalar(grep { /^200 checks wait for name servers, no more can$/ }
	    ends_well($r, 'many')), 1, 'logged once';

	$r = with([$dns->address], -deadline => 20000, -threads => WAITING);
	like line($r, 'A example.org'), qr/^found=200 waited=200 .*=0 away_ms/,
	    'that many are answered';
	is_deeply [ends_well($r, 'many answered')], [], 'nothing in the log';
};

subtest 'what it keeps' => sub {
	my $r = with([$dns->address], -deadline => 20000);
	my $before = line($r, 'fds');
	my $found = 0;
	for (1 .. MANY) {
		$found += ask($r, "A n$_.many.example.org") eq
		    'found 192.0.2.7';
	}
	is $found, MANY, 'all found';
	is line($r, 'fds'), $before, 'as many descriptors as before';

	# And while a check is not over yet.
	my $one = with([$dns->address], -deadline => 60000, '-onecheck');
	$before = line($one, 'fds');
	ask($one, "A n$_.many.example.org") for 1 .. 10;
	ask($one, 'A cut.example.org');
	is line($one, 'fds'), $before, 'none is open between two questions';
	is_deeply [ends_well($_, 'kept')], [], 'nothing in the log'
	    for $r, $one;
};

subtest 'what is counted' => sub {
	my $r = with([$dns->address], -deadline => 20000);
	ask($r, $_) for 'A example.org', 'A example.org', 'TXT example.org',
	    'MX none.example.org', 'AAAA cut.example.org',
	    'A fails.example.org', 'PTR example.org';
	my $text = stats($r);
	is_deeply [faults_of('spfmilter', $text)], [], 'the format';
	for ('queries_total{type="A"} 2', 'queries_total{type="AAAA"} 1',
	    'queries_total{type="MX"} 1', 'queries_total{type="PTR"} 1',
	    'queries_total{type="TXT"} 1',
	    'answers_total{status="found"} 3',
	    'answers_total{status="no_name"} 1',
	    'answers_total{status="no_data"} 1',
	    'answers_total{status="trouble"} 1', 'seconds_count 6',
	    'cache_hits_total 1', 'cache_answers 5', 'waiting 0',
	    'turned_away_total 0') {
		like $text, qr/^spfmilter_dns_\Q$_\E$/m, $_;
	}
	like $text, qr/^spfmilter_dns_seconds_sum 0\.\d*[1-9]/m, 'time';
	like $text, qr/^spfmilter_dns_cache_bytes [1-9]\d+$/m, 'bytes';
	ends_well($r, 'counted');
};

# c-ares reads files for each channel, unless it is told everything.
subtest 'files are let alone' => sub {
	plan skip_all => 'it is watched' if $ENV{WATCH};
	my $trace = folder . '/trace';
	my $r = begin(['strace', '-f', '-o', $trace, '-e',
	    'trace=open,openat,stat,newfstatat'], -server => $dns->address);
	is ask($r, 'A example.org'), 'found 192.0.2.1 192.0.2.2', 'asked';
	is ask($r, 'A cut.example.org'), 'found 192.0.2.3', 'and again';
	ends_well($r, 'files');
	open my $f, '<', $trace or die "$trace: $!";
	my @lines = <$f>;
	cmp_ok scalar @lines, '>', 0, 'it was traced';
	is_deeply [grep { m{"/etc/(?!ld\.)} } @lines], [], 'none is read';
};

# In a mount namespace of its own, for there is only one such file.  It names
# no ports, so the server needs that of the DNS.
subtest 'resolv.conf' => sub {
	my $there = eval { Dns->new(addresses => ['127.53.53.1'], port => 53,
	    zone => \%zone) };
	my @alone = ('unshare', '-m', 'sh', '-c',
	    'mount --bind "$0" /etc/resolv.conf && exec "$@"');
	my $conf = file('resolv.conf', "nameserver 127.53.53.1\n");
	plan skip_all => 'not allowed to' unless $there &&
	    (run(@alone, $conf, 'true'))[0] == 0;

	my $write = sub {
		open my $f, '>', $conf or die "$conf: $!";
		print $f @_;
		close $f;
		sleep 0.05;
	};
	my $r = begin([@alone, $conf], -deadline => DEADLINE);
	is ask($r, 'A example.org'), 'found 192.0.2.1 192.0.2.2', 'read';
	is line($r, 'load'), 'loaded', 'not changed';
	$write->("# nobody\nnameserver 127.53.53.2\noptions rotate\n");
	is line($r, 'load'), 'changed loaded', 'changed';
	is ask($r, 'TXT example.org'), 'trouble', 'nobody is there';
	is ask($r, 'A example.org'), 'found 192.0.2.1 192.0.2.2',
	    'the memory stays';
	$write->("nameserver 127.53.53.2\nnameserver 127.53.53.1\n");
	is line($r, 'load'), 'changed loaded', 'changed again';
	is ask($r, 'TXT example.org'), 'found "v=spf1 -all\001"', 'two';
	$write->('');
	is line($r, 'load'), 'changed loaded', 'empty';
	finish($r);
	open my $f, '<', $r->{log} or die "$r->{log}: $!";
	is_deeply [map { /loaded nameservers=(.*)/ } <$f>], ['127.53.53.1',
	    '127.53.53.1', '127.53.53.2', '127.53.53.2,127.53.53.1',
	    '127.0.0.1'], 'what was loaded is logged';
};

# c-ares itself would say that it names nobody, and 127.0.0.1 be asked.
subtest 'resolv.conf that may not be read' => sub {
	my $conf = file('forbidden', "nameserver 127.53.53.1\n");
	my @alone = ('unshare', '-m', 'sh', '-c', 'mount --bind "$0" ' .
	    '/etc/resolv.conf && exec setpriv --reuid 65534 --clear-groups ' .
	    '"$@"');
	plan skip_all => 'not allowed to' if $> != 0 ||
	    (run(@alone, $conf, 'true'))[0] != 0;
	my $r = begin([@alone, $conf], -deadline => DEADLINE);
	is line($r, 'load'), 'loaded', 'at first it may';
	chmod 0, $conf or die "$conf: $!";
	is line($r, 'load'), 'failed', 'is a fault';
	chmod 0644, $conf;
	is line($r, 'load'), 'loaded', 'until it may again';
	finish($r);
	open my $f, '<', $r->{log} or die "$r->{log}: $!";
	is_deeply [map { m{(/etc/\S+: .*)} } <$f>],
	    ['/etc/resolv.conf: Permission denied'], 'logged';
};

done_testing;
