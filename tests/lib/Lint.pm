package Lint;

# What the lint tests share.  They run in the folder of the sources.

use strict;
use warnings;
use Cwd 'abs_path';
use Exporter 'import';

our @EXPORT = qw($build @milters content);

# Where the programs are, and which milters there are.
our $build = abs_path($ENV{BUILD} // '.');
our @milters = grep { -e "$_/$_.c" } qw(blackmilter graymilter spfmilter bccmilter
    virusmilter);

sub content {
	my ($path) = @_;
	open my $in, '<', $path or die "$path: $!\n";
	local $/;
	return scalar(<$in>) // '';
}

1;
