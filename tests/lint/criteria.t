#!/usr/bin/perl
# The table of what the suite has to do: it is whole, and each test it names is
# there and is run.
use strict;
use warnings;
use Test::More;

use Lint;

use constant CRITERIA => 35;

# A script of one of its folders, a program of the unit tests, a target of the
# fuzzer with its corpus, itself: what tests/run runs.
my ($folders) = content('tests/run') =~ /^scripts="(.*)"$/m;
my ($more) = content('tests/run') =~ /scripts="(.*) \$scripts"$/m;
my $folder = join '|', map { s{^tests/}{}r } split ' ', "$folders $more";
my $runs = qr{^(?:(?:$folder)/\w+\.t|unit/(?:\w+/)?t_\w+\.c
    |fuzz/fuzz_\w+\.c|run)$}x;

# The parts that tests/bench/run measures when it is not told which.
my ($parts) = content('tests/bench/run') =~ /^parts="(.*?)"$/ms;
my %measured = map { ("measure_$_" => 1) } split ' ', $parts;

# What is wrong with a file that is to show something, and its pattern.
sub fault {
	my ($file, $pattern) = @_;
	return 'no such file' unless -f "tests/$file";
	return $measured{$pattern} ? '' : 'no part that is measured'
	    if $file eq 'bench/run';
	return 'is not run' unless $file =~ $runs;
	return 'has no corpus' if $file =~ m{^fuzz/fuzz_(\w+)\.c} &&
	    !glob "tests/fuzz/corpus/$1/*";
	return content("tests/$file") =~ /$pattern/m ? '' : "no $pattern";
}

# Rows: { number, asks, shown => [[file, pattern], ...], partly => [...] }.
sub rows_of {
	my ($text) = @_;
	my @rows;
	for (split /\n/, $text) {
		if (/^(?:#.*)?$/) {
			next;
		} elsif (/^A(\d+)\t(\S.*\.)$/) {
			push @rows, { number => $1, asks => $2, shown => [],
			    partly => [] };
		} elsif (@rows && /^\tpartly: (\S.*)$/) {
			push @{ $rows[-1]{partly} }, $1;
		} elsif (@rows && /^\t([\w\/.*]+)\t+(\S.*)$/) {
			push @{ $rows[-1]{shown} }, [$1, $2];
		} else {
			fail "understood: $_";
		}
	}
	return @rows;
}

for (
	['lint/nosuch.t', 'x', 'no such file'],
	['deps', '.', 'is not run'],
	['mta/demo', '.', 'is not run'],
	['bench/run', 'measure_huge', 'no part that is measured'],
	['bench/run', 'measure_reload', ''],
	['lint/source.t', 'no su[c]h text', 'no no su[c]h text'],
	['lint/source.t', '^my @banned', ''],
) {
	my ($file, $pattern, $fault) = @$_;
	is fault($file, $pattern), $fault, "the test sees: $file, $pattern";
}

my @rows = rows_of(content('tests/CRITERIA'));
is join(' ', map { $_->{number} } @rows), join(' ', 1 .. CRITERIA),
    'each number, in order';
for my $row (@rows) {
	my $name = "A$row->{number}";
	cmp_ok scalar @{ $row->{shown} }, '>', 0, "$name: is shown by a test";
	for (@{ $row->{shown} }) {
		my ($file, $pattern) = @$_;
		my @files = map { s{^tests/}{}r } glob "tests/$file";
		is fault($_, $pattern), '', "$name: $_" for @files ? @files :
		    $file;
	}
	note "$name is shown in part: $_" for @{ $row->{partly} };
}

done_testing;
