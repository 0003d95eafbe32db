package Disk;

# Small disks of a test's own, in a mount name space of its own, which ends with
# the test.  To be used before Daemon: the test begins anew in that name space.
#
#	use Disk;
#	plan skip_all => Disk::why_not if Disk::why_not;
#	mount_disk("$at/disk", '160m');

use strict;
use warnings;
use Exporter ();

our @EXPORT = qw(mount_disk unmount_disk fill make_room);

# Why there are none, or ''.
my $why_not = $> != 0 ? 'only root can mount' :
    $ENV{OWN_MOUNTS} ? '' :
    system('unshare -m true 2>/dev/null') != 0 ? 'no mount name spaces here' :
    'the test has to begin anew';

sub why_not { return $why_not }

sub import {
	if ($why_not =~ /anew/) {
		$ENV{OWN_MOUNTS} = 1;
		exec 'unshare', '-m', $^X, (map { "-I$_" } @INC), $0
		    or die "unshare: $!";
	}
	goto &Exporter::import;
}

# The options are those of tmpfs, the size first.  The store leaves 64 MB free,
# and a log file of it is 16 MB.
sub mount_disk {
	my ($disk, $options) = @_;
	mkdir $disk;
	system('mount', '-t', 'tmpfs', '-o', "size=$options", 'none', $disk)
	    == 0 or die 'cannot mount';
}

sub unmount_disk { system 'umount', '-l', $_[0] }

# At once, to the last byte.
sub fill {
	my ($disk) = @_;
	my ($free) = (qx{df --output=avail -k '$disk'} =~ /(\d+)/);
	system('fallocate', '-l', $free . 'K', "$disk/ballast") == 0
	    or die 'cannot fill';
}

sub make_room {
	my ($disk) = @_;
	unlink "$disk/ballast" or die "$disk/ballast: $!";
}

1;
