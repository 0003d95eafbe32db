# The stats of every milter, as Prometheus itself reads them: promtool finds
# neither an error nor a bad habit, before the first session and after some.
use strict;
use warnings;
use Test::More;

use Daemon;
use Dns;
use Milter;

plan skip_all => 'it is about words, which need no watch' if $ENV{WATCH};
# It need not be installed to be used.
$ENV{PATH} .= ':tests/cache/promtool/usr/bin';
plan skip_all => 'no promtool here'
    if (run('sh', '-c', 'command -v promtool'))[0] != 0;

# Its exit status and what it says: just 0 when it has nothing to say.
sub judged {
	my ($text) = @_;
	my ($status, $out, $err) = run('sh', '-c',
	    'exec promtool check metrics <"$1"', 'sh', file('stats', $text));
	return "$status$out$err";
}

sub stats {
	my ($d) = @_;
	my ($last, @lines) = $d->tell('stats');
	return join '', map { "$_\n" } @lines;
}

for (
	[0, "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n", 'good'],
	[3, "# TYPE a gauge\na 1\n", 'no HELP'],
	[3, "# HELP a A.\n# TYPE a counter\na 1\n", 'a counter without _total'],
	[1, "# HELP a A.\n# TYPE a gauge\na{x=\"\"\"} 1\n", 'a bare quote'],
) {
	my ($status, $text, $what) = @$_;
	like judged($text), $status ? qr/^$status./s : qr/^0\z/,
	    "promtool: $status for $what";
}

my $list = file("a \"quoted\"\\ name\n", "192.0.2.1\n");
my $trial = file('trial', "2001:db8::/32\n");
my $addresses = file('addresses', "alice\@example.test\n");
my $dns = Dns->new(zone => { 'client.example' =>
    [[TXT => 'v=spf1 ip4:198.51.100.1 -all']] });
my $names = $dns->address;
my $nobody = folder . '/nobody';
my ($black, $gray) = map { folder . "/$_" } qw(black gray);
mkdir $_ or die "$_: $!" for $black, $gray;

# Each with the least options, then with those that add to its stats.
for (
	[blackmilter => -blacklist => $list],
	[blackmilter => -blacklist => $list, -shadow => $trial, -db => $black],
	[graymilter => '-memory'],
	[graymilter => -db => $gray, -whitelist => $list, -senders =>
	    $addresses, -trap => $addresses, -report => $nobody],
	[spfmilter => -nameserver => $names],
	[spfmilter => -nameserver => $names, '-helo', -whitelist => $list,
	    -hint => $nobody],
	['bccmilter'],
	[bccmilter => -whitelist => $list, -local => $addresses],
	['virusmilter'],
	[virusmilter => -clamd => $nobody, -whitelist => $list, -report =>
	    $nobody],
) {
	my ($name, @options) = @$_;
	my $what = join ' ', $name, grep { /^-/ } @options;
	my $d = Daemon->start({ name => $name }, @options);
	my $before = stats($d);
	like $before, qr/^${name}_connections_total 0$/m, "$what: stats";
	is judged($before), '0', "$what: before any session";
	Milter->session($d->socket, $_)
	    for qw(198.51.100.1 192.0.2.1 2001:db8::1);
	my $after = stats($d);
	like $after, qr/^${name}_connections_total 3$/m, "$what: stats later";
	is judged($after), '0', "$what: after three";
	$d->retire;
}

done_testing;
