# Records, names and envelopes made to hurt whoever checks them, over the wire:
# what comes out, how many questions it took, and how long.
use strict;
use warnings;
use Test::More;

use Daemon;
use Dns;
use Spf;

use constant {
	QUERIES_MAX => 123,		# SPF_QUERIES_MAX
	EXPLANATION_MAX => 400,
	DEADLINE => 2,			# seconds
};

my $client = '192.0.2.1';

sub txt { return [ TXT => @_ ] }
sub spf { return [ [ TXT => "v=spf1 $_[0]" ] ] }

# Names 1 to n, with what each is made of.
sub names {
	my ($n, $code) = @_;
	return map { $code->($_) } 1 .. $n;
}

sub terms {
	my ($n, $code) = @_;
	return join ' ', names($n, $code);
}

# Each case: name => { zone, result, and the rest if it matters: sender,
# helo, asks (exactly so many questions), explanation (a pattern), mechanism,
# reason (a pattern), late (it may take all of the deadline) }.
my @cases;

# --- records that go round, and on and on

push @cases, 'an include of itself' => {
	zone => { 'x.example' => spf('include:x.example -all') },
	result => 'permerror', asks => 1,	# the cache knows it then
}, 'a redirect to itself' => {
	zone => { 'x.example' => spf('redirect=x.example') },
	result => 'permerror', asks => 1,
}, 'two that include each other' => {
	zone => {
		'x.example' => spf('include:y.example -all'),
		'y.example' => spf('include:x.example -all'),
	},
	result => 'permerror', asks => 2,
}, 'an include of its own making' => {
	zone => { '*.example' => spf('include:a.%{d} -all') },
	result => 'permerror', asks => 11,
}, 'ten includes with ten includes with ten: 111,111 questions' => {
	zone => {
		'x.example' => spf(terms(10, sub { "include:i$_[0].x.example" })
		    . ' -all'),
		'*.x.example' => spf(terms(10, sub { "include:i$_[0].%{d}" }) .
		    ' -all'),
	},
	result => 'permerror', asks => 11,
}, 'a CNAME that goes round' => {
	zone => {
		'x.example' => [ [CNAME => 'y.example'] ],
		'y.example' => [ [CNAME => 'x.example'] ],
	},
	result => 'temperror|none', asks => 1,
};

# --- more of everything than there may be

my @hosts = map { ("h$_.example" => [ [A => "203.0.113.$_"] ]) } 1 .. 200;

push @cases, 'ten terms that ask' => {
	zone => { @hosts, 'x.example' =>
	    spf(terms(10, sub { "a:h$_[0].example" }) . ' -all') },
	result => 'fail', mechanism => '-all', asks => 11,
}, 'eleven terms that ask' => {
	zone => { @hosts, 'x.example' =>
	    spf(terms(11, sub { "a:h$_[0].example" }) . ' -all') },
	result => 'permerror', asks => 11,
}, 'the eleventh is not needed' => {
	zone => { @hosts, 'x.example' =>
	    spf(terms(10, sub { "a:h$_[0].example" }) .
	    " ip4:$client a:h11.example -all") },
	result => 'pass', mechanism => "ip4:$client", asks => 11,
}, 'two that find nothing' => {
	zone => { 'x.example' => spf('a:n1.example a:n2.example -all') },
	result => 'fail', mechanism => '-all', asks => 3,
}, 'three that find nothing' => {
	zone => { 'x.example' =>
	    spf('a:n1.example exists:n2.example mx:n3.example a:n4.example ' .
	    '-all') },
	result => 'permerror', asks => 4,
}, 'ten MX' => {
	zone => { @hosts, 'x.example' => [ txt('v=spf1 mx -all'),
	    names(10, sub { [ MX => $_[0], "h$_[0].example" ] }) ] },
	result => 'fail', asks => 12,
}, 'a hundred MX' => {
	zone => { @hosts, 'x.example' => [ txt('v=spf1 mx -all'),
	    names(100, sub { [ MX => $_[0], "h$_[0].example" ] }) ] },
	result => 'permerror', asks => 2,
}, 'ten times ten MX' => {
	zone => {
		'x.example' => spf(terms(10, sub { "mx:m$_[0].example" }) .
		    ' -all'),
		names(10, sub {
			my ($m) = @_;
			("m$m.example" => [ names(10, sub {
				[ MX => 10, 'h' . (10 * $m + $_[0]) .
				    '.example' ]
			}) ])
		}),
		@hosts,
	},
	result => 'fail', asks => 111,
}, 'MX that are no hosts' => {
	zone => { 'x.example' => [ txt('v=spf1 mx -all'), [ MX => 0, '' ],
	    [ MX => 0, "a\\\\b.example" ], [ MX => 0, "a\0b.example" ] ] },
	result => 'fail',
}, 'a hundred ip4 and then -all' => {
	zone => { 'x.example' =>
	    spf(terms(100, sub { "ip4:198.51.100.$_[0]" }) . ' -all') },
	result => 'fail', mechanism => '-all', asks => 1,
}, 'the last of a hundred ip4' => {
	zone => { 'x.example' =>
	    spf(terms(100, sub { "ip4:198.51.100.$_[0]" }) .
	    " ?ip4:192.0.2.0/24 -all") },
	result => 'neutral', mechanism => '?ip4:192.0.2.0/24', asks => 1,
}, 'the last of 60 kB' => {
	zone => { 'x.example' =>
	    spf(terms(3300, sub { 'ip4:198.51.100.' . $_[0] % 256 }) .
	    " ip4:$client -all") },
	result => 'pass', mechanism => "ip4:$client",
}, 'a mistake at the end of 60 kB' => {
	zone => { 'x.example' =>
	    spf("ip4:$client " . terms(3300, sub { 'ip4:198.51.100.' .
	    $_[0] % 256 }) . ' moo') },
	result => 'permerror',
}, '64 kB of no record' => {
	zone => { 'x.example' => [ txt('x' x 65000) ] },
	result => 'none',
}, 'a record among 600 other texts' => {
	zone => { 'x.example' => [ txt('v=spf1 -all'),
	    names(600, sub { txt("verification=$_[0]" . 'x' x 60) }) ] },
	result => 'fail',
}, 'six hundred records' => {
	zone => { 'x.example' => [ names(600, sub { txt('v=spf1 -all') }) ] },
	result => 'permerror',
}, 'a record in a thousand pieces' => {
	zone => { 'x.example' => [ [ TXT => split //,
	    'v=spf1 ' . 'ip4:198.51.100.1 ' x 60 . '-all' ] ] },
	result => 'fail', mechanism => '-all',
};

# --- the client's names

my $reverse = '1.2.0.192.in-addr.arpa';

sub flood {
	my ($good) = @_;
	return (
		$reverse => [ names(500,
		    sub { [ PTR => "n$_[0].x.example" ] }) ],
		names(500, sub { ("n$_[0].x.example" => [ [A => $_[0] == $good
		    ? $client : '203.0.113.1'] ]) }),
	);
}

push @cases, 'a client with 500 names, all wrong' => {
	zone => { flood(0), 'x.example' => spf('ptr -all') },
	result => 'fail', asks => 12,
}, 'the tenth of 500 names is right' => {
	zone => { flood(10), 'x.example' => spf('ptr -all') },
	result => 'pass', mechanism => 'ptr', asks => 12,
}, 'the last of 500 names is right' => {
	zone => { flood(500), 'x.example' => spf('ptr -all') },
	result => 'fail', asks => 12,
}, '500 names for each of many macros' => {
	zone => { flood(0), 'x.example' =>
	    spf(terms(10, sub { "exists:%{p}.%{p}.$_[0].h.example" }) .
	    ' -all'), '*.h.example' => [ [AAAA => '2001:db8::1'] ] },
	result => 'permerror',		# nothing is found, three times
	asks => 1 + 11 + 3,
};

# --- explanations

push @cases, 'CVE-2023-42118: the text of exp=' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{' . 'a' x 400) ] },
	result => 'fail', explanation => qr/^DEFAULT$/,
}, 'CVE-2023-42118: a long word in the text of exp=' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{d}' . 'a' x 60000) ] },
	result => 'fail', explanation => qr/^x\.examplea+$/,
}, 'CVE-2023-42118: a term of 4.6 kB' => {
	zone => { 'x.example' => spf('a:' . 'a.' x 2300 . 'example -all') },
	result => 'fail', asks => 2,
}, 'CVE-2023-42118: a label of 4.6 kB' => {
	zone => { 'x.example' => spf('a:' . 'a' x 4600 . '.example -all') },
	result => 'fail', asked => 'A example', asks => 2,
}, 'CVE-2023-42118: a modifier of 4.6 kB' => {
	zone => { 'x.example' => spf('x=' . 'a' x 4600 . ' -all') },
	result => 'fail', asks => 1,
}, 'CVE-2023-42118: a wrong term of 4.6 kB' => {
	zone => { 'x.example' => spf('a' x 4600 . ' -all') },
	result => 'permerror', asks => 1,
}, 'CVE-2023-42118: a term of 4.6 kB of macros' => {
	zone => { 'x.example' => spf('exists:' . '%{d}.' x 920 .
	    'example -all') },
	result => 'fail', asks => 2,
}, 'CVE-2021-20314: an explanation of macros' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{s}%{S}%{l}%{L}' x 1000) ] },
	sender => '=' x 300 . '@x.example',
	result => 'fail', explanation => qr/^=+\@x\.example/,
}, 'CVE-2021-33912: bytes over 127 in a capital macro' => {
	zone => { 'x.example' => spf('exists:%{L}.h.example -all'),
	    '*.h.example' => [ [A => '127.0.0.2'] ] },
	sender => "\xff\xfe\x80" . '@x.example',
	result => 'pass', asked => 'A %FF%FE%80.h.example',
}, 'CVE-2021-33912: bytes over 127 in an explanation' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{L} %{l}') ] },
	sender => "\xff\xfe" . '@x.example',
	result => 'fail', explanation => qr/^%FF%FE \?\?$/,
}, 'CVE-2021-33913: fewer labels, in reverse, of a long name' => {
	zone => { "*.x.example" =>
	    spf('exists:%{o1r}.%{d2r}.%{h1r-}.h.example -all') },
	sender => 'joe@' . 'a' x 60 . '.x.example',
	helo => 'h-' x 25 . 'h.example',
	result => 'fail', asks => 2,
}, 'CVE-2021-33913: more labels than there are' => {
	zone => { 'x.example' =>
	    spf('exists:%{l128r+-}.%{o255}.h.example -all'),
	    '*.h.example' => [ [A => '127.0.0.2'] ] },
	sender => 'a+b-c@x.example',
	result => 'pass', asked => 'A c.b.a.x.example.h.example',
}, 'an explanation of 60 kB' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('because. ' x 6600) ] },
	result => 'fail', explanation => qr/^(because\. )+[a-z.]*$/,
}, 'an explanation of several lines' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt("no\r\n250 ok\r\nX-Spam: no") ] },
	result => 'fail', explanation => qr/^DEFAULT$/,
}, 'an explanation with a NUL' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt("no\0yes") ] },
	result => 'fail', explanation => qr/^DEFAULT$/,
}, 'a hundred explanations' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ names(100, sub { txt("no $_[0]") }) ] },
	result => 'fail', explanation => qr/^DEFAULT$/,
};

# --- what the envelope says

push @cases, 'lines and keys in a local part' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{l}: %{s}') ] },
	sender => "\"x=1 y\r\nz: \"\@x.example",
	result => 'fail',
	explanation => qr/^"x=1 y\?\?z: ": "x=1 y\?\?z: "\@x\.example$/,
}, 'lines in a local part that is asked for' => {
	zone => { 'x.example' => spf('exists:%{l}.h.example -all'),
	    '*.h.example' => [ [A => '127.0.0.2'] ] },
	sender => "x\r\ny\@x.example",
	result => 'fail', asks => 1,
}, 'lines in a HELO' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => [ txt('%{h}') ] },
	helo => "a\r\nb\e[31m", sender => 'joe@x.example',
	result => 'fail', explanation => qr/^a\?\?b\?\[31m$/,
}, 'a local part of dots' => {
	zone => { 'x.example' => spf('exists:%{l}.h.example -all'),
	    '*.h.example' => [ [A => '127.0.0.2'] ] },
	sender => '.' x 200 . '@x.example',
	result => 'fail', asks => 1,
}, 'a local part of 60 kB' => {
	zone => { 'x.example' => spf('exists:%{l}.h.example -all'),
	    '*.h.example' => [ [A => '127.0.0.2'] ] },
	sender => 'a.' x 30000 . '@x.example',
	result => 'pass|fail',
}, 'a domain of 60 kB' => {
	zone => {}, sender => 'joe@' . 'a.' x 30000 . 'example',
	result => 'none', asks => 0,
}, 'a record with a NUL' => {
	zone => { 'x.example' => spf("+all\0 -all") },
	result => 'permerror',
}, 'a record with lines' => {
	zone => { 'x.example' => spf("+all\r\n-all") },
	result => 'permerror',
};

# --- name servers

for my $word (qw(SERVFAIL REFUSED SILENT GARBAGE CORRUPT WRONGID LIE TCPSILENT
    TCPDRIP)) {
	push @cases, "the server of the record: $word" => {
		zone => { 'x.example' => [ $word, txt('v=spf1 -all') ] },
		result => 'temperror', late => 1,
	};
}
push @cases, 'a hundred slow hosts' => {
	zone => {
		'x.example' => spf(terms(10, sub { "mx:m$_[0].example" }) .
		    ' -all'),
		names(10, sub {
			my ($m) = @_;
			("m$m.example" => [ names(10, sub {
				[ MX => 10, 'h' . (10 * $m + $_[0]) .
				    '.example' ]
			}) ])
		}),
		'*.example' => [ 'SLOW 0.3', [A => '203.0.113.1'] ],
	},
	result => 'temperror', late => 1,
}, 'an include that nobody answers for' => {
	zone => { 'x.example' => spf('include:y.example +all'),
	    'y.example' => 'SILENT' },
	result => 'temperror', late => 1,
}, 'an explanation that nobody gives' => {
	zone => { 'x.example' => spf('-all exp=why.example'),
	    'why.example' => 'SILENT' },
	result => 'fail', explanation => qr/^DEFAULT$/, late => 1,
}, 'names that nobody knows' => {
	zone => { 'x.example' => spf("ptr ip4:$client -all"),
	    $reverse => 'SILENT' },
	result => 'pass', late => 1,
};

# --- all of them

my $dns = Dns->new;
my $spf = Spf->new('-server' => $dns->address,
    '-deadline' => DEADLINE * slow);

# What is wrong with what came out; nothing if all is well.
sub faults {
	my ($c, $r, @queries) = @_;
	my @wrong;
	push @wrong, "result $r->{result}"
	    if $r->{result} !~ /^(?:$c->{result})$/;
	push @wrong, "mechanism $r->{mechanism}"
	    if defined $c->{mechanism} && $r->{mechanism} ne $c->{mechanism};
	push @wrong, "explanation '$r->{explanation}'"
	    if $c->{explanation} && $r->{explanation} !~ $c->{explanation};
	push @wrong, 'an explanation of ' . length $r->{explanation}
	    if length $r->{explanation} >= EXPLANATION_MAX;
	push @wrong, "not printable: $_" for
	    grep { ($r->{$_} // '') =~ /[^ -~]/ } qw(explanation);
	push @wrong, @queries . ' questions'
	    if @queries > QUERIES_MAX ||
	    (defined $c->{asks} && @queries != $c->{asks});
	push @wrong, "$c->{asked} was not asked"
	    if defined $c->{asked} && !grep { $_ eq $c->{asked} } @queries;
	my $most = $c->{late} ? DEADLINE + 1 : DEADLINE - 0.5;
	push @wrong, "$r->{ms} ms" if ($r->{ms} || 0) > 1000 * $most * slow;
	return @wrong;
}

while (my ($name, $c) = splice @cases, 0, 2) {
	$dns->zone($c->{zone})->forget;
	$spf->forget;
	my $r = $spf->check(client => $client, helo => $c->{helo},
	    sender => $c->{sender} // 'joe@x.example');
	my @queries = $dns->queries('udp');	# by TCP they come again
	my @wrong = faults($c, $r, @queries);
	is "@wrong", '', $name or diag join ', ',
	    map({ "$_ '$r->{$_}'" } sort keys %$r), @queries;
	last if $r->{result} eq 'no answer';
}
is $spf->stop, 0, 'and it is well';
done_testing;
