#!/usr/bin/perl
# What "make install" puts where, with which modes, whatever the umask; the
# paths in it follow PREFIX; and nothing lands elsewhere.
use strict;
use warnings;
use File::Find 'find';
use File::Temp 'tempdir';
use Test::More;

use Lint;

my $shared = 'share/milters/milter.init';

# path => mode of all that is below a folder.
sub tree {
	my ($folder) = @_;
	my %mode;
	find(sub {
		return if $File::Find::name eq $folder;
		my $mode = (lstat)[2];
		$mode{substr $File::Find::name, length $folder} =
		    sprintf '%s%04o', -d _ ? 'd' : '', $mode & 07777;
	}, $folder);
	return %mode;
}

sub files_for {
	my ($prefix) = @_;
	return "$prefix/$shared" => '0644', map { (
		"$prefix/sbin/$_" => '0755',
		"$prefix/share/man/man8/$_.8" => '0644',
		"$prefix/share/milters/$_.m4" => '0644',
		"$prefix/lib/systemd/system/$_.service" => '0644',
		"/etc/init.d/$_" => '0755',
	) } @milters;
}

# The folders on the way to each file.
sub folders_for {
	my (@files) = @_;
	my %mode;
	for (@files) {
		my $path = $_;
		$mode{$path} = 'd0755' while $path =~ s{/[^/]+$}{} && $path ne '';
	}
	return %mode;
}

sub check_install {
	my ($prefix, $mask) = @_;
	my $what = "PREFIX=$prefix, umask $mask";
	my $stage = tempdir(CLEANUP => 1);
	chmod 0755, $stage;
	my $said = `umask $mask; make install DESTDIR=$stage PREFIX=$prefix \\
	    BUILD=$build 2>&1 </dev/null`;
	ok $? == 0, "$what: installs" or diag $said;

	my %want = files_for($prefix);
	%want = (%want, folders_for(keys %want));
	is_deeply { tree($stage) }, \%want, "$what: files and modes";

	my %names = ("$prefix/$shared" => "$prefix/sbin/\$NAME");
	for my $name (@milters) {
		my $program = "$stage$prefix/sbin/$name";
		like `$program -version 2>&1`, qr/^$name \d/,
		    "$what: $name runs";
		$names{"$prefix/lib/systemd/system/$name.service"} =
		    "$prefix/sbin/$name";
		$names{"/etc/init.d/$name"} = "$prefix/$shared";
	}
	for my $path (sort keys %names) {
		like content("$stage$path"), qr/\Q$names{$path}\E\b/,
		    "$path names $names{$path}";
	}
	return if $prefix eq '/usr/local';
	for my $path (grep { !m{/sbin/} } sort keys %want) {
		next if -d "$stage$path";
		ok content("$stage$path") !~ m{/usr/local/},
		    "$path names no other PREFIX";
	}
	return;
}

# The scripts as they stand in a system find what they share; "nonsense" goes
# no further than that.
sub check_scripts {
	my $root = tempdir(CLEANUP => 1);
	my $said = `make install PREFIX=$root SYSCONF=$root/etc BUILD=$build \
	    2>&1 </dev/null`;
	ok $? == 0, 'in place: installs' or diag $said;
	for my $name (@milters) {
		my $path = "$root/etc/init.d/$name";
		like `$path nonsense 2>&1`, qr/^usage: \Q$path\E start\|/,
		    "$name: its init script runs";
		is $? >> 8, 2, "$name: with the status for usage";
		rename "$root/$shared", "$root/away" or die "$shared: $!\n";
		like `$path start 2>&1`, qr{^$name: .*\Q$root/$shared\E},
		    "$name: says when the shared part is missing";
		is $? >> 8, 5, "$name: and that it is not installed";
		system "$path status >/dev/null 2>&1";
		is $? >> 8, 4, "$name: and that it does not know more";
		rename "$root/away", "$root/$shared" or die "$shared: $!\n";
	}
	return;
}

check_install('/usr', '022');
check_install('/usr/local', '077');
check_scripts();

my $prefix = tempdir(CLEANUP => 1) . '/prefix';
check_install($prefix, '022');
ok !-e $prefix, 'nothing is written to PREFIX outside DESTDIR';

done_testing;
