#!/usr/bin/perl
# What "make install" puts where, with which modes, whatever the umask; the
# paths in it follow PREFIX; and nothing lands elsewhere.
use strict;
use warnings;
use File::Find 'find';
use File::Temp 'tempdir';
use Test::More;

use Lint;

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
	return map { (
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

	for my $name (@milters) {
		my $program = "$stage$prefix/sbin/$name";
		like `$program -version 2>&1`, qr/^$name \d/,
		    "$what: $name runs";
		for my $path ("$prefix/lib/systemd/system/$name.service",
		    "/etc/init.d/$name") {
			my $text = content("$stage$path");
			like $text, qr{\Q$prefix\E/sbin/$name\b},
			    "$path names the program in $prefix";
		}
		next if $prefix eq '/usr/local';
		for my $path (grep { !m{/sbin/} && m{/$name\b} } keys %want) {
			ok content("$stage$path") !~ m{/usr/local/},
			    "$path names no other PREFIX";
		}
	}
	return;
}

check_install('/usr', '022');
check_install('/usr/local', '077');

my $prefix = tempdir(CLEANUP => 1) . '/prefix';
check_install($prefix, '022');
ok !-e $prefix, 'nothing is written to PREFIX outside DESTDIR';

done_testing;
