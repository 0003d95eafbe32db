#!/usr/bin/perl
# A26, A23: what the linker made.  No program can start another, only daemon.o
# forks, and the compiler's and the linker's guards are in.
use strict;
use warnings;
use Test::More;

use Lint;

my %libraries = map { $_ => 1 } qw(libmilter libdb libc libpthread libspf2
    libcares);
my $starts_programs = qr/^(?:system|popen|fexecve|exec[lv]p?e?|execveat
    |execvpe|posix_spawnp?|v?fork|clone3?)$/x;

sub lines_of {
	my (@command) = @_;
	open my $out, '-|', @command or return;
	chomp(my @lines = <$out>);
	close $out;
	return @lines;
}

# The names that nm says are defined elsewhere, without their versions.
sub wanted {
	my (@nm) = @_;
	return map { /\b[Uw] ([^@\s]+)/ ? $1 : () } lines_of('nm', @nm);
}

for my $name (@milters) {
	my $program = "$build/$name/$name";
	ok -x $program, "$program was built" or next;

	my @names = wanted('-D', '--undefined-only', $program);
	cmp_ok scalar @names, '>', 50, "$name: nm finds what it calls";
	is "@{[grep { /$starts_programs/ && $_ ne 'fork' } @names]}", '',
	    "$name: starts no program";
	is "@{[grep { /^(?:gets|strcpy|strcat|sprintf|strtok|alloca)$/ }
	    @names]}", '', "$name: no function without a bound";
	ok scalar(grep { /^__stack_chk_fail$/ } @names),
	    "$name: stack protector";
	ok scalar(grep { /^__(?:snprintf|vsnprintf|memcpy|read)_chk$/ }
	    @names), "$name: FORTIFY";

	my $header = join "\n", lines_of('readelf', '-h', $program);
	my $segments = join "\n", lines_of('readelf', '-lW', $program);
	my $dynamic = join "\n", lines_of('readelf', '-dW', $program);
	like $header, qr/Type:\s+DYN/, "$name: position independent";
	like $dynamic, qr/FLAGS_1.*\bPIE\b/, "$name: and a program";
	like $segments, qr/^\s*GNU_RELRO\b/m, "$name: RELRO";
	like $dynamic, qr/BIND_NOW|FLAGS_1.*\bNOW\b/, "$name: all of it";
	like $segments, qr/^\s*GNU_STACK\s.*\sRW\s+0x/m,
	    "$name: no code on the stack";
	unlike $segments, qr/^\s*LOAD\s.*\sRWE\s/m,
	    "$name: nothing writable and executable";
	unlike $dynamic, qr/\(TEXTREL\)|RPATH|RUNPATH/,
	    "$name: no text relocations, no library paths";
	my @strange = grep { !$libraries{$_ =~ s/[-.].*//sr} }
	    $dynamic =~ /\(NEEDED\).*\[(.*?)\]/g;
	is "@strange", '', "$name: no other libraries";
}

my @objects = map { glob "$build/$_/*.o" } 'common', @milters;
cmp_ok scalar @objects, '>', 10, 'objects are there';
for my $object (@objects) {
	my @starts = grep { /$starts_programs/ } wanted('-u', $object);
	my ($what) = $object =~ m{([^/]+/[^/]+)$};
	is "@starts", $what eq 'common/daemon.o' ? 'fork' : '',
	    "$what: " . ($what eq 'common/daemon.o' ? 'only forks' :
	    'no process');
}

done_testing;
