# Every command line in the manual's EXAMPLES, run as it stands there.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;

Mta::enter;

# What the examples take for granted.
system('useradd', '--system', '--home-dir', '/nonexistent', '--shell',
    '/usr/sbin/nologin', 'blackmilter') == 0 or die;
system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'var', '/var/lib') == 0
    or die;
mkdir '/etc/blackmilter';
file("/etc/blackmilter/$_->[0]", $_->[1]) for
    ['blacklist', "192.0.2.7\n"], ['whitelist', "# nobody\n"],
    ['drop', "203.0.113.0/24 ; SBL1\n"];
for ('/run/blackmilter', '/var/lib/blackmilter') {
	mkdir $_, 0755;
	chown((getpwnam 'blackmilter')[2, 3], $_);
}
my ($program) = (program('blackmilter'))[-1];
$program =~ m{(.*)/};
$ENV{PATH} = "$1:$ENV{PATH}";

sub examples {
	open my $man, '-|', 'mandoc', '-Tascii', 'blackmilter/blackmilter.8';
	my $text = join '', <$man>;
	$text =~ s/.\x08//g;
	$text =~ /^EXAMPLES\n(.*?)^\S/ms or die 'no EXAMPLES';
	my $examples = $1;
	$examples =~ s/\\\n\s+//g;
	return $examples =~ /^\s+(blackmilter -.*)$/mg;
}

sub daemons {
	my @found;
	for (glob '/proc/[0-9]*') {
		my $exe = readlink("$_/exe") // next;
		push @found, m{/(\d+)$} if $exe =~ m{/blackmilter$};
	}
	return @found;
}

sub end_daemons {
	kill KILL => daemons;
	ok +(eventually { !daemons } 12), 'ended';
	unlink glob '/run/blackmilter/*';
}

my $count = 0;
for my $line (examples) {
	$count++;
	if ($line =~ / -(tell|check|why) /) {
		my ($status, $out, $err) = run('sh', '-c', $line);
		is $status, $line =~ / -why / ? 1 : 0, $line or diag $err;
		next;
	}
	end_daemons if daemons;
	if ($line =~ / -nodaemon /) {
		my ($status) = run('sh', '-c', "$line & sleep 1");
		is $status, 0, $line;
	} else {
		my ($status, $out, $err) = run('sh', '-c', $line);
		is $status, 0, $line or diag $err;
	}
	is scalar(daemons), 1, 'serves';
	ok -S '/run/blackmilter/blackmilter.sock', 'with its socket';
}
end_daemons;
is $count, 13, 'all examples were found';
done_testing;
