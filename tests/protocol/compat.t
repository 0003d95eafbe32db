# Command lines and commands of the ACME blackmilter, as they were documented,
# and a client of the protocol that is not ours.
use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

use Daemon;
use Milter;

my $dir = folder;
my $black = file('list', "192.0.2.1\n192.0.2.128/25\n");
my $white = file('friends', "192.0.2.200\n");
my $home = "$dir/home";
my $user = getpwuid $>;
mkdir $home;
if ($> == 0) {
	$user = 'nobody';
	chown((getpwnam $user)[2, 3], $home);
}
my $n = 0;

# Start it with exactly these words; returns what tell() and log() need.
sub serve {
	my (@words) = @_;
	my $socket = "$home/socket." . ++$n;
	my $log = "$dir/serve.$n";
	my $pid = Daemon::spawn('/dev/null', $log, program('blackmilter'),
	    @words, $socket);
	my $d = bless { pid => $pid, socket => $socket, log => $log },
	    'Daemon';
	Daemon::watch($d);
	eventually { $d->log =~ / ready on / || $d->gone } 30;
	like $d->log, qr/ ready on \Q$socket\E\n/, "starts: @words" or
	    diag $d->log;
	return $d;
}

sub verdict_on {
	my ($d, $address) = @_;
	my $r = eval { Milter->session($d->socket, $address) } // {};
	return $r->{text} // join ' ', $r->{reply} // 'nothing',
	    map { @$_ } @{ $r->{changes} };
}

# An update as the ACME commands sent it: a line, and who cares for an answer.
sub update {
	my ($path, $line) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $path) or
	    return "no update socket: $!";
	print $s "$line\n";
	$s->flush;
	return readline $s;
}

my $message = 'Listed, see http://www.example.test/%i';
my $told = 'Listed, see http://www.example.test/192.0.2.1';
for (
	# words, what a listed client gets
	[[-autoupdate => -blacklist => $black, -whitelist => $white,
	    '-graylist', '-loglistname', -rejectmessage => $message,
	    -pidfile => "$dir/pidfile.1", -user => $user, '-nodaemon',
	    -updatesocket => "$home/update.1"], "421 4.3.2 $told"],
	[[-autoupdate => -blacklist => $black, -whitelist => $white,
	    '-markonly', '-loglistname', -rejectmessage => $message,
	    -pidfile => "$dir/pidfile.2", -user => $user, '-X',
	    -updatesocket => "$home/update.2"],
	    'c h X-IP-Blacklisted list'],
	[['--autoupdate', '--blacklist', $black, '--whitelist', $white,
	    '--rejectmessage', $message, '--pidfile', "$dir/pidfile.3",
	    '--user', $user, '--nodaemon', '--updatesocket',
	    "$home/update.3"], "554 5.7.1 $told"],
	[['-a', -b => $black, -w => $white, '-m', '-l', -r => $message,
	    -p => "$dir/pidfile.4", -u => $user, '-X',
	    -updatesocket => "$home/update.4"],
	    'c h X-IP-Blacklisted list'],
	[['-a', -b => $black, -w => $white, '-g', '-l', -r => $message,
	    -p => "$dir/pidfile.5", -u => $user, '-n',
	    -updatesocket => "$home/update.5"], "421 4.3.2 $told"],
	[["-b=$black", "-r=$message", '-X', "-p=$dir/pidfile.6",
	    "-updatesocket=$home/update.6"], "554 5.7.1 $told"],
) {
	my ($words, $want) = @$_;
	my $d = serve(@$words);
	my $i = $n;
	my $unlisted = $want =~ /^c / ? 'c' : 'a';
	is verdict_on($d, '192.0.2.1'), $want, "$i: listed";
	is verdict_on($d, '198.51.100.1'), $unlisted, "$i: not listed";
	is verdict_on($d, '192.0.2.200'), 'a', "$i: a friend"
	    if grep { /^--?w/ } @$words;
	open my $f, '<', "$dir/pidfile.$i" or die "$dir/pidfile.$i: $!";
	is readline $f, $d->pid . "\n", "$i: pid file";
	is update("$home/update.$i", 'blacklist 198.51.100.1'), "ok\n",
	    "$i: update: blacklist";
	isnt verdict_on($d, '198.51.100.1'), $unlisted, "$i: and it is";
	is update("$home/update.$i", 'blacklist 198.51.100.2 worms'), "ok\n",
	    "$i: update: blacklist with a list";
	verdict_on($d, '198.51.100.2');
	is scalar($d->lines(qr/list=shortlist reason=worms client=/)), 1,
	    "$i: which the log names";
	is update("$home/update.$i", 'whitelist 192.0.2.1 friends'), "ok\n",
	    "$i: update: whitelist";
	is verdict_on($d, '192.0.2.1'), 'a', "$i: and it is";
	open $f, '<', '/proc/' . $d->pid . '/status' or next;
	like join('', <$f>), qr/^Uid:\t@{[(getpwnam $user)[2]]}\t/m,
	    "$i: user" if grep { $_ eq $user } @$words;
}

# In the background, and back from it when it is ready.
{
	my $d = Daemon->background({ socket => "$home/bg",
	    control => "$home/bgc" }, -a => -b => $black, -w => $white,
	    -u => $user);
	is $d->{started}, 0, 'background';
	like verdict_on($d, '192.0.2.1'), qr/^554 5\.7\.1 /, 'and it serves';
}

# Every prefix of the documented names means what it did: an option that
# takes a value names itself when there is none in it, one that stands for an
# action when it contradicts another, and others do when they are there.
{
	my @check = ('-check', -blacklist => $black);
	for my $name (qw(blacklist whitelist rejectmessage pidfile user)) {
		for my $size (1 .. length $name) {
			my $prefix = substr $name, 0, $size;
			my ($status, $out, $err) = run(program('blackmilter'),
			    @check, "-$prefix", '');
			is "$status $err", "64 blackmilter: bad value for " .
			    "-$name: it is empty (see -help)\n",
			    "prefix -$prefix";
		}
	}
	for my $name (qw(markonly graylist)) {
		for my $size (1 .. length $name) {
			my $prefix = substr $name, 0, $size;
			my ($status, $out, $err) = run(program('blackmilter'),
			    @check, -action => 'reject', "-$prefix");
			is "$status $err", '64 blackmilter: contradicts an ' .
			    "earlier option: $name (see -help)\n",
			    "prefix -$prefix";
		}
	}
	for my $name (qw(autoupdate loglistname nodaemon X)) {
		for my $size (1 .. length $name) {
			my $prefix = substr $name, 0, $size;
			my ($status) = run(program('blackmilter'), @check,
			    "-$prefix");
			is $status, 0, "prefix -$prefix";
		}
	}
}

# --- miltertest(8)

SKIP: {
	skip 'miltertest is not installed', 2 if run('miltertest', '-V');
	for my $mark ('no', 'yes') {
		my $d = Daemon->start({ socket => "$dir/lua.$mark" },
		    -blacklist => $black, $mark eq 'yes' ? '-markonly' : ());
		my ($status, $out, $err) = run('miltertest', '-s',
		    'tests/protocol/blackmilter.lua', '-D',
		    'SOCKET=unix:' . $d->socket, '-D', "MARK=$mark");
		is $status, 0, "miltertest: -markonly: $mark" or
		    diag $out, $err;
		cmp_ok scalar(my @ok = $out =~ /^ok /mg), '>', 8,
		    'miltertest: ran to its end';
	}
}

done_testing;
