package Prometheus;

# Is this the Prometheus text format, as a milter should write it?

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(faults_of);

# All that is wrong with a text that this milter wrote.
sub faults_of {
	my ($milter, $text) = @_;
	my (@faults, %help, %type, %series, %closed);
	my $open = '';		# the metric whose lines we are in
	push @faults, 'no newline at the end' if $text !~ /\n\z/;
	for (split /\n/, $text) {
		my $metric;
		if (/^# HELP ([a-z_]+) [A-Z]([^\\]|\\[\\n])*$/) {
			$metric = $1;
			push @faults, "HELP twice: $_" if $help{$metric}++;
			push @faults, "HELP after TYPE: $_" if $type{$metric};
		} elsif (/^# TYPE ([a-z_]+) (counter|gauge|summary)$/) {
			$metric = $1;
			push @faults, "no HELP: $_" unless $help{$metric};
			push @faults, "TYPE twice: $_" if $type{$metric};
			$type{$metric} = $2;
			push @faults, "name and type: $_" if ($2 eq 'counter')
			    != ($metric =~ /_total$/);
		} elsif (/^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\]|\\["\\n])*",?)+\})?
		    \ (\d+(?:\.\d+)?)$/x) {
			my ($name, $series) = ($1, $1 . ($2 // ''));
			$metric = $name;
			$metric =~ s/_(sum|count)$// unless $type{$metric};
			push @faults, "no TYPE: $_" unless $type{$metric};
			push @faults, "not of a summary: $_" if
			    $metric ne $name && $type{$metric} ne 'summary';
			push @faults, "twice: $_" if $series{$series}++;
		} else {
			push @faults, "not understood: $_";
			next;
		}
		push @faults, "prefix: $_" if $metric !~ /^\Q$milter\E_/;
		push @faults, "apart: $_" if $closed{$metric};
		$closed{$open} = 1 if $open ne $metric;
		$open = $metric;
	}
	push @faults, "no sample: $_" for grep {
	    my $m = $_; !grep { /^\Q$m\E(_sum|_count)?(\{|$)/ } keys %series }
	    keys %type;
	return @faults;
}

1;
