# Every command line in the manuals' EXAMPLES, run as it stands there.

use strict;
use warnings;
use Test::More;

use Daemon;
use Mta;

plan skip_all => 'examples need no watch' if $ENV{WATCH};
Mta::enter;

my @milters = map { m{^(.*)/} ? $1 : () }
    grep { m{^(\w+)/\1\.8$} } glob '*/*.8';

# What the examples take for granted: users, folders, lists, a mailbox, and for
# dumps another host, which is this one.
for ('/var/lib', '/var/backups', '/var/mail') {
	system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'var', $_) == 0 or
	    die "no $_";
}
mkdir folder . '/bin';
chmod 0755, file(folder . '/bin/ssh', "#!/bin/sh\nshift\nexec \"\$@\"\n");
$ENV{PATH} = folder . "/bin:$ENV{PATH}";
for my $name (@milters) {
	system('useradd', '--system', '--home-dir', '/nonexistent', '--shell',
	    '/usr/sbin/nologin', $name) == 0 or die "no user $name";
	mkdir "/etc/$name";
	for ("/run/$name", "/var/lib/$name") {
		mkdir $_, 0755;
		chown((getpwnam $name)[2, 3], $_);
	}
	my ($program) = (program($name))[-1];
	$ENV{PATH} = "$1:$ENV{PATH}" if $program =~ m{(.*)/};
}
file("/etc/$_->[0]", $_->[1]) for
    ['blackmilter/blacklist', "192.0.2.7\n"],
    ['blackmilter/whitelist', "# nobody\n"],
    ['blackmilter/drop', "203.0.113.0/24 ; SBL1\n"],
    ['graymilter/whitelist', "# nobody\n"],
    ['graymilter/suspects', "192.0.2.0/24\n"],
    ['graymilter/senders', "\@example.org\n"],
    ['graymilter/recipients', "ann\@example.org\n"],
    ['graymilter/traps', "nobody\@example.net\n"],
    ['spfmilter/whitelist', "# nobody\n"],
    ['spfmilter/fallback', ".example.net mx ~all\n"],
    ['bccmilter/whitelist', "# nobody\n"],
    ['bccmilter/local', "\@example.org\n"],
    ['bccmilter/alias', "joe\@example.net joe\@example.org\n"],
    ['bccmilter/lists', ".lists.example.org\n"],
    ['bccmilter/senders', "news\@example.com\n"],
    ['bccmilter/recipients', "ann\@example.org\n"],
    ['virusmilter/whitelist', "# nobody\n"],
    ['virusmilter/signatures', "Worm.Test header:To undisclosed\n"],
    ['virusmilter/ignore', "Milter.Name.lnk\n"];
file('/var/mail/joe', "From eve\@example.com Tue Nov 24 18:00:35 2026\n" .
    "Return-Path: <eve\@example.com>\nTo: undisclosed-recipients:;\n\nHi\n");

# The literal lines of the section that start this program, those that go on
# with \ made one; and how many such lines the source of the page has.
sub examples {
	my ($name) = @_;
	my $page = "$name/$name.8";
	open my $man, '-|', 'mandoc', '-Tascii', $page;
	my $text = join '', <$man>;
	$text =~ s/.\x08//g;
	$text =~ /^EXAMPLES\n(.*?)^\S/ms or die "$page: no EXAMPLES";
	my $examples = $1;
	$examples =~ s/\\\n\s+//g;
	my $command = qr/(?:ssh \S+ )?$name -.*/;
	my ($source) = Daemon::slurp($page) =~ /^\.Sh EXAMPLES\n(.*?)^\.Sh/ms;
	return (scalar(() = $source =~ /^$command$/mg),
	    $examples =~ /^\s+($command)$/mg);
}

sub daemons {
	my ($name) = @_;
	my @found;
	for (glob '/proc/[0-9]*') {
		my $exe = readlink("$_/exe") // next;
		push @found, m{/(\d+)$} if $exe =~ m{/$name$};
	}
	return @found;
}

sub end_daemons {
	my ($name) = @_;
	kill KILL => daemons($name);
	ok +(eventually { !daemons($name) } 12), 'ended';
	unlink glob "/run/$name/*";
}

sub run_example {
	my ($name, $line) = @_;
	if ($line =~ / -(tell|check|why) /) {
		my ($status, $out, $err) = run('sh', '-c', $line);
		is $status, $line =~ / -why / ? 1 : 0, $line or diag $err;
		return;
	}
	end_daemons($name) if daemons($name);
	$line .= ' & sleep 1' if $line =~ / -nodaemon /;
	my ($status, $out, $err) = run('sh', '-c', $line);
	is $status, 0, $line or diag $err;
	is scalar(daemons($name)), 1, 'serves';
	ok -S "/run/$name/$name.sock", 'with its socket';
}

cmp_ok scalar @milters, '>=', 2, 'manuals are there';
for my $name (@milters) {
	subtest $name => sub {
		my ($count, @examples) = examples($name);
		cmp_ok $count, '>=', 10, 'examples are there';
		is scalar @examples, $count, 'all are found';
		run_example($name, $_) for @examples;
		end_daemons($name);
	};
}
done_testing;
