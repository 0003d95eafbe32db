# The dashboard for Grafana: each curve is of a metric that the milters have, and
# of labels that it has.
use strict;
use warnings;
use JSON::PP;
use Test::More;

use Daemon;
use Lint;

my ($list, $addresses) = (file('list', "192.0.2.1\n"),
    file('addresses', "alice\@example.test\n"));
my ($nobody, $black, $gray) = map { folder . "/$_" } qw(nobody black gray);
mkdir $_ or die "$_: $!" for $black, $gray;
my %options = (
	blackmilter => [-blacklist => $list, -db => $black],
	spfmilter => [-hint => $nobody],
	graymilter => [-db => $gray, -trap => $addresses, -report => $nobody],
	bccmilter => [],
	virusmilter => [-clamd => $nobody, -report => $nobody],
);

# Their names, and of each the labels: { name => { label => 1 } }.
my %metrics;
for my $name (@milters) {
	my $d = Daemon->start({ name => $name }, @{ $options{$name} });
	my ($last, @lines) = $d->tell('stats');
	for (@lines) {
		my ($metric, $labels) = /^(\w+)(?:\{(.*)\})?/ or next;
		$metrics{$metric}{$1} = 1 while ($labels // '') =~ /(\w+)="/g;
		$metrics{$metric} //= {};
	}
	$d->retire;
}

my $dashboard = decode_json(content('packaging/grafana/milters.json'));
my %is_drawn;
for my $panel (@{ $dashboard->{panels} }) {
	for (@{ $panel->{targets} }) {
		my ($expr, $legend) = @$_{qw(expr legendFormat)};
		my @names = $expr =~ /\b([a-z]+milter_\w+)/g;
		ok @names > 0, "$panel->{title}: $expr";
		for my $name (@names) {
			ok $metrics{$name}, "there is a $name";
			$is_drawn{$name =~ s/_.*//r} = 1;
			my @labels = ($legend =~ /\{\{(\w+)\}\}/g,
			    map { split /, / } $expr =~ /by \((.*?)\)/);
			ok $metrics{$name}{$_}, "$name has $_" for @labels;
		}
	}
}
is join(' ', sort keys %is_drawn), join(' ', sort @milters),
    'all milters are drawn';

done_testing;
