# The test suite of RFC 7208, whole and three ways: in memory; over the wire
# with a server that has failed where the suite says TIMEOUT; and over the wire
# with one that says nothing then.
use strict;
use warnings;
use Test::More;

use Daemon;
use Dns;
use Spf;

use constant DEADLINE => 2;		# seconds, when servers say nothing

my $suite = '/usr/share/doc/python3-spf/rfc7208-tests.yml';
my ($path) = grep { -r } $suite, "$suite.gz";
plan skip_all => "no $suite (python3-spf)" unless $path;
plan skip_all => 'no YAML::XS (libyaml-libyaml-perl)'
    unless eval { require YAML::XS };

# --- what the suite means

# Text as bytes: the suite's are characters.
sub bytes {
	my ($text) = @_;
	return undef unless defined $text;
	utf8::encode($text);
	return $text;
}

# The records of a name.  SPF says what a TXT has, unless there are TXT; and
# TIMEOUT is said of the types that are not listed.
sub records_of {
	my ($word, @entries) = @_;
	my ($timeout, $has_txt, @records, @spf);
	for my $entry (@entries) {
		if (!ref $entry) {
			$timeout = 1;
			next;
		}
		my ($type, $value) = %$entry;
		my @values = map { bytes($_) } ref $value ? @$value : $value;
		@values = '' unless @values;
		$has_txt ||= $type eq 'TXT';
		next if $values[0] eq 'NONE';
		push @records, [ $type, @values ];
		push @spf, [ TXT => @values ] if $type eq 'SPF';
	}
	push @records, @spf unless $has_txt;
	my %listed = map { $_->[0] => 1 } @records;
	return [ @records, $timeout ? map { "$_ $word" } grep { !$listed{$_} }
	    qw(A AAAA MX PTR TXT) : () ];
}

sub zone_of {
	my ($scenario, $word) = @_;
	my $zone = $scenario->{zonedata};
	return { map { bytes($_) => records_of($word, @{ $zone->{$_} }) }
	    keys %$zone };
}

# --- one scenario, one way

sub begin {
	my ($way, $scenario) = @_;
	my $word = $way eq 'silence' ? 'SILENT' : 'SERVFAIL';
	my $zone = zone_of($scenario, $word);
	my $at_once = { way => $way, scenario => $scenario };
	my @options;
	if ($way eq 'memory') {
		$at_once->{spf} = Spf->new->zone($zone);
	} else {
		$at_once->{dns} = Dns->new(zone => $zone);
		$at_once->{spf} = Spf->new(
		    '-server' => $at_once->{dns}->address,
		    $way eq 'silence' ? ('-deadline' => DEADLINE * slow) : ());
	}
	for my $id (sort keys %{ $scenario->{tests} }) {
		my $t = $scenario->{tests}{$id};
		$at_once->{spf}->ask(client => $t->{host},
		    helo => bytes($t->{helo}),
		    sender => bytes($t->{mailfrom}));
	}
	return $at_once;
}

my $longest = 0;

sub check {
	my ($way, $id, $t, $got) = @_;
	my @allowed = ref $t->{result} ? @{ $t->{result} } : $t->{result};
	my $why = bytes($t->{explanation});
	my $good = grep { $got->{result} eq $_ } @allowed;
	$good &&= $got->{explanation} eq $why if defined $why;
	ok $good, "$way: $id" or diag "wanted @allowed",
	    defined $why ? ", '$why'" : '', "; got ",
	    join ', ', map { "$_ '$got->{$_}'" } sort keys %$got;
	$longest = $got->{ms}
	    if $way eq 'silence' && ($got->{ms} || 0) > $longest;
}

sub finish {
	my ($running) = @_;
	my ($way, $scenario) = @$running{qw(way scenario)};
	my $tests = $scenario->{tests};
	check($way, $_, $tests->{$_}, $running->{spf}->answer)
	    for sort keys %$tests;
	is $running->{spf}->stop, 0, "$way: $scenario->{description}";
	return unless $running->{dns};
	is_deeply [ grep { /^SPF / } $running->{dns}->queries ], [],
	    "$way: $scenario->{description}: nobody asks for SPF";
	$running->{dns}->stop;
}

my @scenarios = YAML::XS::Load(scalar do {
	local $/;
	open my $f, '-|', 'gzip', '-cdf', $path or die "gzip: $!";
	<$f>;
});
my $count = 0;
$count += keys %{ $_->{tests} } for @scenarios;
cmp_ok $count, '>=', 203, 'all of it was read';

for my $way (qw(memory failure silence)) {
	my @running = map { begin($way, $_) } @scenarios;
	finish($_) for @running;
}
cmp_ok $longest, '<', (DEADLINE + 1) * 1000 * slow,
    'nobody waited longer than the deadline';
done_testing;
