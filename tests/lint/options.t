#!/usr/bin/perl
# A35: the table of options that -help prints, the manual page and the README
# name the same options, values and defaults, and every option has a test.
use strict;
use warnings;
use Test::More;

use Lint;

# name => { value, default } as -help has them.
sub options_of {
	my ($program) = @_;
	my $help = `$program -help`;
	my %option;
	while ($help =~ /^  -(\S+)(?: (.*))?\n\t.*?(?: \(([^()]*)\))?$/mg) {
		$option{$1} = { value => $2 // '', default => $3 };
	}
	return %option;
}

# A number of seconds may be said in a larger unit.
sub ways_to_say {
	my ($default) = @_;
	my @ways = ($default);
	if ($default =~ /^[1-9]\d*$/) {
		my %unit = (m => 60, h => 3600, d => 86400);
		push @ways, map { $default / $unit{$_} . $_ }
		    grep { $default % $unit{$_} == 0 } keys %unit;
	}
	return join '|', map { "\Q$_\E" } @ways;
}

# name => text of the item, from the source of the page.
sub items_of {
	my ($mdoc) = @_;
	my %item;
	for my $part (split /^\.It (?=Fl )/m, $mdoc) {
		my ($names, $text) = $part =~ /\AFl (.*)\n((?s:.*))/ or next;
		next if $names =~ /\bTa\b/;	# a row of a table
		$text =~ s/^\.(?:El|Sh)\b.*//ms;
		my ($first, @others) = "Fl $names" =~ /\bFl (\w+)/g;
		$item{$_} = $text for $first, @others;
	}
	return %item;
}

# name => row, from a table or list whose rows begin with -name.
sub rows_of {
	my ($readme) = @_;
	my (%row, @names);
	for my $line (split /\n/, $readme) {
		@names = () if $line =~ /^\s*$/;
		if ($line =~ /^[\s|*`]*-(\w+)\b/) {
			@names = ($1);
			push @names, $1 while $line =~ /, `?-(\w+)/g;
		}
		$row{$_} .= "$line\n" for @names;
	}
	return %row;
}

my $tests = join "\n", map { content($_) }
    grep { -f && -T } glob 'tests/{protocol,mta,fault,unit}/*';
my $readme = content('README');
my %row = rows_of($readme);
my %known;

for my $name (@milters) {
	my %option = options_of("$build/$name/$name");
	my $mdoc = content("$name/$name.8");
	my %item = items_of($mdoc);
	my $page = `mandoc -Tascii -O width=500 $name/$name.8 2>&1`;
	$page =~ s/.\x08//g;		# bold and underlined
	$page =~ s/\s*\|\s*/|/g;

	cmp_ok scalar keys %option, '>', 10, "$name: -help has a table";
	is join(' ', sort keys %item), join(' ', sort keys %option),
	    "$name.8 has an item for each option, and for no other";
	# It may say "-name" of them all, and shorten them.
	is "@{[grep { my $used = $_; !grep { /^\Q$used\E/ } keys %option,
	    qw(X name) } $mdoc =~ /\bFl (?!Fl )(\w+)/g]}", '',
	    "$name.8 names no other option";
	for my $o (sort keys %option) {
		my ($value, $default) = @{$option{$o}}{qw(value default)};
		my $whole = "-$o" . ($value eq '' ? '' : " $value");
		ok $page =~ /^ +(?:.*, )?\Q$whole\E(?:[ ,]|$)/m,
		    "$name.8: $whole" if exists $item{$o};
		like $item{$o} // '', qr/(?<![\w.])(?:@{[ways_to_say($default)]})
		    (?!\w)/x, "$name.8: the default of -$o is $default"
		    if defined $default;
		ok defined $row{$o}, "README has a row for $name -$o";
		like $row{$o}, qr/(?<![\w.])(?:@{[ways_to_say($default)]})
		    (?!\w)/x, "README: the default of -$o is $default"
		    if defined $default && defined $row{$o};
		ok $tests =~ /(?<![\w-])-\Q$o\E\b/, "$name -$o has a test";
		$known{$o} = 1;
	}
	SKIP: {
		skip 'mandoc is not installed', 1
		    if system('command -v mandoc >/dev/null') != 0;
		is `mandoc -Tlint -Wwarning $name/$name.8 2>&1`, '',
		    "$name.8: mandoc has nothing to say";
	}
}
is "@{[grep { length > 2 && !$known{$_} } sort keys %row]}", '',
    'README has rows for no other options';

done_testing;
