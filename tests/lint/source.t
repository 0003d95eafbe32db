#!/usr/bin/perl
# A26, A35: what the sources look like.  No function that the rules ban, no
# include against the layout, no line too long, nothing left undone.
use strict;
use warnings;
use Test::More;

use Lint;

my @product = glob '{' . join(',', 'common', @milters) . '}/*.[ch]';
my @tests = glob 'tests/{*,*/*}/*.[ch]';

# The common parts, top to bottom, as the Makefile has them: each may include
# those before it.
my ($parts) = content('Makefile') =~ /^COMMON\s*=((?:.*\\\n)*.*)/m;
my @layout = grep { $_ ne '\\' } split ' ', $parts // '';
my %place = map { $layout[$_] => $_ } 0 .. $#layout;

my @banned = qw(strcpy strncpy stpcpy strcat strncat sprintf vsprintf strtok
    strtok_r gets atoi atol atoll sscanf scanf fscanf alloca system popen
    execl execlp execle execv execvp execve execvpe fexecve posix_spawn
    posix_spawnp tmpnam tempnam mktemp);

# Past a goal it is said with "prove -v", past a limit of the product's it is
# a fault.
use constant {
	FILE_GOAL => 600, FILE_LIMIT => 1000,
	FUNCTION_GOAL => 60, FUNCTION_LIMIT => 80,
	COLUMNS => 80,
};

# C with comments and literals emptied, line for line.
sub bare {
	my ($text) = @_;
	$text =~ s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}
	    {defined $1 ? "\n" x ($1 =~ tr/\n//) || ' ' : '""'}ges;
	return $text;
}

# Where in the text a pattern is found, as "line: what".
sub places {
	my ($text, $pattern) = @_;
	my @found;
	while ($text =~ /$pattern/g) {
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		push @found, "$line: " . substr $text, $-[0], $+[0] - $-[0];
	}
	return @found;
}

sub width {
	my ($line) = @_;
	1 while $line =~ s/^([^\t]*)\t/$1 . ' ' x (8 - length($1) % 8)/e;
	return length $line;
}

# What a file in this folder must not include.
sub bad_includes {
	my ($path, $text) = @_;
	my ($folder, $part) = $path =~ m{^(.*)/([^/.]+)\.[ch]$};
	my @bad;
	for my $name ($text =~ /^#include\s+"(.*?)"/mg) {
		(my $other = $name) =~ s/\.h$//;
		my $allowed = $folder eq 'common' ?
		    defined $place{$other} && $place{$other} <= $place{$part} :
		    defined $place{$other} || -e "$folder/$name";
		push @bad, $name unless $allowed;
	}
	return @bad;
}

# [first line, lines] of every function: it starts with { in column one.
sub functions {
	my (@lines) = @_;
	my ($begin, @found);
	for my $i (0 .. $#lines) {
		$begin = $i if $lines[$i] =~ /^\{/;
		next unless defined $begin && $lines[$i] =~ /^\}/;
		push @found, [$begin, $i - $begin - 1];
		undef $begin;
	}
	return @found;
}

cmp_ok scalar @product, '>', 20, 'sources are there';
like "@layout", qr/^log .*daemon$/, 'the Makefile has the layout';
for my $path (@product) {
	my $text = content($path);
	my $bare = bare($text);
	my $banned = join '|', @banned;
	is "@{[places($bare, qr/\b(?:$banned)\s*\(/)]}", '',
	    "$path: no banned function";
	is "@{[bad_includes($path, $text)]}", '', "$path: includes one way";
	if ($path =~ m{^common/(.*)\.[ch]$}) {
		ok defined $place{$1}, "$path: has a place in the layout";
	}
	if ($path =~ /\.h$/) {
		my ($guard) = $text =~ /\A#ifndef (\w+)\n#define \1\n/;
		ok defined $guard, "$path: begins with its guard";
	}
}

for my $path (@product, @tests) {
	my $text = content($path);
	my $bare = bare($text);
	my @lines = split /\n/, $text;
	my @wide = grep { width($lines[$_ - 1]) > COLUMNS } 1 .. @lines;
	is "@wide", '', "$path: lines of at most " . COLUMNS . ' columns';
	is "@{[places($text, qr/[ \t]+$/m)]}", '', "$path: no blanks at ends";
	is "@{[places($bare, qr/^[ ]{8}/m)]}", '', "$path: tabs, not blanks";
	is "@{[places($bare, qr/^#\s*if\s+0\b/m)]}", '', "$path: no #if 0";

	note "$path has ", scalar @lines, ' lines, the goal is ', FILE_GOAL
	    if @lines > FILE_GOAL;
	my @long = grep { $_->[1] > FUNCTION_GOAL } functions(split /\n/, $bare);
	note "$path:$_->[0]: a function of $_->[1] lines, the goal is ",
	    FUNCTION_GOAL for @long;
	next if $path =~ m{^tests/};
	cmp_ok scalar @lines, '<=', FILE_LIMIT, "$path: not too long";
	is "@{[map { $_->[0] } grep { $_->[1] > FUNCTION_LIMIT } @long]}", '',
	    "$path: no function too long";
}

# All that is text, built folders and corpora aside.
my @all = grep { -f && -T && !/\.d$/ && !m{^tests/(?:cache|fuzz/(?:corpus|crash))} }
    glob('* .[a-z]* .ci/* tests/* tests/*/* packaging/*/* ' . join ' ', map { "$_/*" } 'common',
    @milters);
my $undone = qr/\b(?:TODO|FIXM[E]|XX[X]|HAC[K])\b/;
my $place_of_work = qr{[.][.]/share[d]\b|(?<!\w)/wor[k]/|(?<!\w)/tmp/[h]/
    |\b(?:deb[.]debian|registry[.]npmjs|pypi)[.]org}x;
for my $path (@all) {
	my $text = content($path);
	is "@{[places($text, $undone)]}", '', "$path: nothing left undone"
	    unless $path eq 'tests/lint/source.t';
	is "@{[places($text, $place_of_work)]}", '',
	    "$path: names no place where it was made";
}

done_testing;
