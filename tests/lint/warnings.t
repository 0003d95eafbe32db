#!/usr/bin/perl
# Every source compiles without a warning, by each compiler there is, with
# the flags of the Makefile; every header of the product can stand alone.  What
# only the optimizer of gcc sees is looked for in the product.
use strict;
use warnings;
use File::Temp 'tempdir';
use Test::More;

use Lint;

my @sources = (glob('{' . join(',', 'common', @milters) . '}/*.[ch]'),
    glob('tests/{*,*/*}/*.c'));
my $object = tempdir(CLEANUP => 1) . '/object';

chomp(my $flags = `make -s print-flags`);
like $flags, qr/-Wall.*-O2/, 'the Makefile prints its flags' or die "no flags\n";

# A header stands in a source of its own.  What is preloaded to take the place
# of calls is a library, and must define functions that FORTIFY has inline.
sub command_for {
	my ($compiler, $path) = @_;
	my ($folder) = $path =~ m{^(.*)/};
	my $whole = $compiler eq 'gcc' && $path !~ /^tests/ ? "-c -o $object" :
	    '-fsyntax-only';
	my $what = "$flags -I$folder -Werror $whole -x c";
	# A milter's unit test sees that milter's headers only.
	if (my ($own) = $path =~ m{^tests/unit/(\w+)/}) {
		$what =~ s/-I$_ // for grep { $_ ne $own } @milters;
	}
	if ($path =~ m{^tests/(?:fault/fail|soak/clock)\.c$}) {
		$what =~ s/-D_FORTIFY_SOURCE=\d//;
		$what = "-D_GNU_SOURCE -fPIC $what";
	}
	return $path =~ /\.h$/ ? "$what - <<'E'\n#include \"$path\"\nE\n" :
	    "$what $path";
}

for my $compiler (qw(gcc clang)) {
	SKIP: {
		skip "$compiler is not installed", scalar @sources
		    if system("command -v $compiler >/dev/null") != 0;
		for my $path (@sources) {
			my $command = command_for($compiler, $path);
			my $said = `exec 2>&1; $compiler $command`;
			ok $? == 0, "$compiler: $path" or diag $said;
		}
	}
}

done_testing;
