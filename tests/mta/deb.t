# The Debian package: what is in it, and what installing, upgrading, removing
# and purging it does to a system, which is this one with all that is written
# kept apart from it.

use strict;
use warnings;
use File::Find 'find';
use File::Path 'make_path';
use Test::More;

use Daemon;
use Lint;
use Mta;

plan skip_all => 'the package is made of programs that nobody watches'
    if $ENV{WATCH};
plan skip_all => 'needs dpkg-dev'
    if system('command -v dpkg-shlibdeps >/dev/null') != 0;
plan skip_all => 'the milters are installed here'
    if grep { -e "/etc/init.d/$_" || -e "/var/lib/$_" } @milters;

Mta::enter;

# Of /usr and /var, what is written lands here; the sandbox has done that with
# /etc, in /run/etc.
for ('usr', 'var') {
	make_path("/run/$_", "/run/work.$_");
	system('mount', '-t', 'overlay', $_, '-o',
	    "lowerdir=/$_,upperdir=/run/$_,workdir=/run/work.$_", "/$_") == 0 or
	    die "no /$_";
}

# A program of the system that we play.
sub play {
	my ($path, @lines) = @_;
	chmod 0755, file($path, join '', map { "$_\n" } '#!/bin/sh', @lines);
}

play('/usr/sbin/policy-rc.d', 'exit 0');
play('/usr/sbin/runlevel', 'echo N 2');

# Run a command that has to go well, and ask nothing; returns what it said.
sub done {
	my ($what, @command) = @_;
	my ($status, $out, $err) = run(@command);
	is $status, 0, $what or diag $out . $err;
	return $out . $err;
}

sub dpkg {
	my ($what, @args) = @_;
	return done($what, 'dpkg', '--force-unsafe-io', '--no-triggers', @args);
}

sub deb {
	my ($version) = @_;
	return glob folder . "/milters_${version}_*.deb";
}

sub build_package {
	my ($version) = @_;
	local $ENV{BUILD} = $build;
	done("$version is built", 'packaging/deb/build', $version, folder);
}

sub lines_of {
	my (undef, $out) = run(@_);
	return split /\n/, $out;
}

sub pid {
	my ($name) = @_;
	return int(Daemon::slurp("/run/$name.pid") || 0);
}

sub runs {
	my ($name) = @_;
	return (run("/etc/init.d/$name", 'status'))[0] == 0;
}

sub running {
	return join ' ', grep { runs($_) } @milters;
}

# All that would start one: links of init and of systemd.
sub enabled {
	my @links = map { glob "/etc/rc[S2-5].d/S*$_ " .
	    "/etc/systemd/system/*.wants/$_.service" } @milters;
	return "@links";
}

# --- what is in it

# The packages of the libraries that the programs are linked with.
sub library_packages {
	my (%path, %owner);
	for my $program (map { "$build/$_/$_" } @milters) {
		my %found = map { /(\S+) => (\S+)/ } lines_of('ldd', $program);
		$path{$found{$_} // $_} = 1 for map { /NEEDED.*\[(.*)\]/ }
		    lines_of('readelf', '-d', $program);
	}
	# dpkg may know a path with /usr or without.
	my @bare = map { s{^/usr}{}r } keys %path;
	for (lines_of('dpkg', '-S', @bare, map { "/usr$_" } @bare)) {
		$owner{$2} = $1 if m{^([^:]+):.* (?:/usr)?(/\S+)$};
	}
	my %package = map { $owner{$_} // "none of $_" => 1 } @bare;
	return sort keys %package;
}

sub check_content {
	my ($deb) = deb('0.1');
	my %field = map { /^(\S+): (.*)/ } lines_of('dpkg-deb', '-f', $deb);
	is $field{Package}, 'milters', 'its name';
	is $field{Version}, '0.1', 'its version';
	is $field{Section}, 'mail', 'its section';
	my @depends = map { s/ .*//r } split /, /, $field{Depends};
	is join(' ', sort @depends),
	    join(' ', sort 'adduser', library_packages()),
	    'it depends on its libraries';

	my %got;
	for (lines_of('dpkg-deb', '-c', $deb)) {
		my ($mode, $owner, undef, undef, undef, $path) = split;
		$got{$path} = "$mode $owner" unless $mode =~ /^d/;
		is "$mode $owner", 'drwxr-xr-x root/root', $path
		    if $mode =~ /^d/;
	}
	my ($file, $program) = map { "$_ root/root" }
	    '-rw-r--r--', '-rwxr-xr-x';
	my %want = (
		'./usr/share/milters/milter.init' => $file,
		'./usr/share/doc/milters/README.gz' => $file,
		'./usr/share/doc/milters/copyright' => $file,
		map { (
			"./usr/sbin/$_" => $program,
			"./usr/share/man/man8/$_.8.gz" => $file,
			"./usr/share/milters/$_.m4" => $file,
			"./usr/lib/systemd/system/$_.service" => $file,
			"./etc/init.d/$_" => $program,
		) } @milters,
	);
	is_deeply \%got, \%want, 'its files and their modes';
	is_deeply [lines_of('dpkg-deb', '-I', $deb, 'conffiles')],
	    [sort map { "/etc/init.d/$_" } @milters], 'its conffiles';
}

# --- what it does

sub check_fresh {
	dpkg('a first installation', '-i', deb('0.1'));
	for my $name (@milters) {
		my @user = getpwnam $name;
		is $user[8], '/usr/sbin/nologin', "$name: a user";
		cmp_ok $user[2] // 0, '<', 1000, "$name: of the system";
		is +(getgrgid $user[3] // 0)[0], $name,
		    "$name: with a group";
		like `$name -version 2>&1`, qr/^$name \d/, "$name: it runs";
		ok !-e "/run/$name" && !-e "/var/lib/$name",
		    "$name: has not been started";
	}
	is enabled(), '', 'none is enabled';
	is running(), '', 'none runs';
	is sprintf('%o', (stat "/etc/blackmilter/$_")[2] & 07777), '644',
	    "blackmilter has a $_" for 'blacklist', 'whitelist';
}

# The administrator's work.  Nobody waits for the seconds that libmilter takes
# to stop.
sub configure {
	for my $name (@milters) {
		file("/etc/default/$name", "STOP_SECONDS=0\n");
		done("$name: is enabled", 'update-rc.d', $name, 'defaults');
		next if $name =~ /^(?:spf|virus)milter$/;
		done("$name: starts", "/etc/init.d/$name", 'start');
	}
	# "systemctl enable" makes such a link besides.
	my $wants = '/etc/systemd/system/multi-user.target.wants';
	make_path($wants);
	symlink '/usr/lib/systemd/system/spfmilter.service',
	    "$wants/spfmilter.service";
	my @links = split ' ', enabled();
	cmp_ok scalar @links, '>', @milters, 'they are enabled';

	file('/etc/blackmilter/blacklist', "192.0.2.1\n");
	make_path('/etc/bccmilter');
	file('/etc/bccmilter/local', "\@example.net\n");
	file('/etc/default/graymilter', "STOP_SECONDS=0\nOPTIONS='-dryrun " .
	    "-db /var/lib/graymilter -control /run/graymilter/control'\n");
	file('/etc/init.d/graymilter',
	    content('/etc/init.d/graymilter') . "# ours\n");
	chmod 0755, '/etc/init.d/graymilter';
	done('blackmilter: learns', 'blackmilter', -tell =>
	    'blacklist 192.0.2.2', '/run/blackmilter/control');
	done('graymilter: learns', 'graymilter', -tell =>
	    'pass 192.0.2.3', '/run/graymilter/control');
}

# What is kept of it.
sub check_kept {
	my ($when) = @_;
	is content('/etc/blackmilter/blacklist'), "192.0.2.1\n",
	    "$when: the list is kept";
	ok -e '/etc/bccmilter/local', "$when: and another";
	like content('/etc/default/graymilter'), qr/-dryrun/,
	    "$when: the options are kept";
	like content('/etc/init.d/graymilter'), qr/^# ours$/m,
	    "$when: a changed init script is kept";
	ok -s "/var/lib/$_->[0]/$_->[1]", "$when: $_->[1] is kept" for
	    ['blackmilter', 'shortlist.db'], ['graymilter', 'greylist.db'];
}

sub check_upgrade {
	my %pid = map { $_ => pid($_) } @milters;
	file('/etc/default/bccmilter',
	    "STOP_SECONDS=0\nOPTIONS='-whitelist /none'\n");

	my $said = dpkg('an upgrade', '-i', deb('0.2'));
	like $said, qr/^bccmilter: not restarted: /m,
	    'one with wrong options says so';
	is pid('bccmilter'), $pid{bccmilter}, 'and goes on as it was';
	is running(), 'blackmilter graymilter bccmilter',
	    'those that did not run are not started';
	for my $name (qw(blackmilter graymilter)) {
		isnt pid($name), $pid{$name}, "$name: a new one";
		is readlink '/proc/' . pid($name) . '/exe',
		    "/usr/sbin/$name", "$name: the new program";
	}
	check_kept('upgrade');
	like Daemon::slurp('/proc/' . pid('graymilter') . '/cmdline'),
	    qr/-dryrun/, 'graymilter: runs with its options';
	like done('blackmilter: is asked', 'blackmilter', -tell =>
	    'test 192.0.2.2', '/run/blackmilter/control'), qr/reject/,
	    'blackmilter: still knows';
	like done('graymilter: is asked', 'graymilter', -tell =>
	    'list 192.0.2.3', '/run/graymilter/control'), qr/192\.0\.2\./,
	    'graymilter: still knows';
}

sub check_remove {
	my %pid = map { $_ => pid($_) } grep { runs($_) } @milters;
	dpkg('a removal', '-r', 'milters');
	ok !-e "/proc/$pid{$_}/exe", "$_: is stopped" for sort keys %pid;
	is enabled(), '', 'none is enabled any more';
	is join(' ', grep { -e } map { ("/usr/sbin/$_",
	    "/usr/lib/systemd/system/$_.service") } @milters), '',
	    'programs and units are gone';
	check_kept('removal');

	dpkg('another installation', '-i', deb('0.2'));
	is enabled(), '', 'none is enabled then';
	is running(), '', 'none runs then';
	check_kept('installation');
}

# What is still there of all that has been written, but by dpkg for itself, for
# users, by the sandbox and by this test; and what of the system's is not.
sub leftovers {
	my $users = qr/passwd|group|shadow|gshadow|subuid|subgid/;
	my $sandbox = qr/hosts|resolv\.conf|nsswitch\.conf/;
	my @left;
	find({ no_chdir => 1, wanted => sub {
		return if -d && !/milter[^\/]*$/;
		push @left, $_ unless m{^/run/(?:
		    var/(?:lib/dpkg|log|cache|backups)/ |
		    etc/(?:$users)-?$ | etc/\.pwd\.lock$ | etc/(?:$sandbox)$ |
		    usr/sbin/(?:policy-rc\.d|runlevel)$)}x;
	} }, '/run/etc', '/run/usr', '/run/var');
	return (@left, glob '/run/*milter*');
}

sub check_purge {
	make_path('/etc/systemd/system/blackmilter.service.d');
	file('/etc/systemd/system/blackmilter.service.d/override.conf',
	    "[Service]\nGroup=mail\n");
	dpkg('a purge', '-P', 'milters');
	is join(' ', leftovers()), '', 'nothing is left';
}

# Under systemd, which is not here: what it is told, in which order.
sub check_systemd {
	my $told = folder . '/told';
	make_path('/run/systemd/system');
	play('/usr/bin/systemctl', "echo \"\$*\" >>$told");
	dpkg('an installation under systemd', '-i', deb('0.1'));
	unlike content($told), qr/\b(?:re)?start /, 'it starts nothing';
	unlink $told;
	dpkg('an upgrade under systemd', '-i', deb('0.2'));
	like content($told),
	    qr/^daemon-reload\n(?s:.*)^try-restart $_\.service$/m,
	    "$_: is restarted if it runs" for @milters;
	unlike content($told), qr/^stop /m, 'none is stopped before that';
	unlink $told;
	dpkg('a purge under systemd', '-P', 'milters');
	like content($told), qr/^stop $_\.service\n(?s:.*)^daemon-reload$/m,
	    "$_: is stopped" for @milters;
}

build_package($_) for '0.1', '0.2';
check_content();
check_fresh();
configure();
check_upgrade();
check_remove();
check_purge();
check_systemd();

done_testing;
