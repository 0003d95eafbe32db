# How a milter stops: everybody hears of it, nothing is lost.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Daemon;
use Milter;

my $root = $> == 0;
my $list = file('list', "192.0.2.1\n");
my $home = folder . '/home';
my @user;
mkdir $home;
if ($root) {
	@user = (-user => 'nobody');
	chown((getpwnam 'nobody')[2, 3], $home);
}

sub content {
	my ($path) = @_;
	open my $f, '<', $path or return '';
	local $/;
	return scalar(<$f>) // '';
}

# A folder for a store, the service user's.
sub make_db {
	my ($db) = @_;
	mkdir $db or die "$db: $!";
	chown((getpwnam 'nobody')[2, 3], $db) if $root;
	return $db;
}

# The milters: what they are given besides a store; a command that writes to
# it, for a number; the number in a line of the list that comes of it; and for
# what a store holds before it all, the command and the line.
my %milter = (
	blackmilter => { args => [-blacklist => $list, '-markonly'],
	    write => sub { join '.', 'report 198.18', $_[0] >> 8 & 255,
		($_[0] & 255) . ' 600 test' },
	    number => sub { $_[0] =~ /^198\.18\.(\d+)\.(\d+) / ?
		$1 * 256 + $2 : () },
	    before => 'blacklist 192.0.2.7',
	    line => qr/^192\.0\.2\.7 black - blacklist$/ },
	graymilter => { args => ['-markonly'],
	    write => sub { "pass s$_[0]\@example.test" },
	    number => sub { $_[0] =~ /^friend - s(\d+)\@/ ? $1 : () },
	    before => 'pass 192.0.2.7',
	    line => qr{^network 192\.0\.2\.0/24 - - white } },
);

# Commands from a process of its own until the daemon is gone; the numbers of
# those that were acknowledged are written to a file.
sub keep_writing {
	my ($d, $file, $n) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	$SIG{PIPE} = 'IGNORE';
	my $s = IO::Socket::UNIX->new(Peer => $d->control) or POSIX::_exit(1);
	open my $f, '>', $file or POSIX::_exit(1);
	for (my $i = $n; ; $i += 2) {
		my $command = $milter{$d->{name}}{write}->($i);
		syswrite $s, "$command\n" or last;
		my $answer = <$s> // last;
		syswrite $f, "$i\n" if $answer eq "ok\n";
		sleep 0.001;
	}
	POSIX::_exit(0);
}

# --- A6: SIGTERM with sessions open and the store busy

# A daemon with fifty sessions, each in one of the states there are.
sub make_busy {
	my ($milter, $name, @as) = @_;
	my $d = Daemon->start({ name => $milter, socket =>
	    "$home/$name.sock", control => "$home/$name.control" },
	    @{ $milter{$milter}{args} }, -db => make_db("$home/$name.db"),
	    @as);
	my @sessions;
	for my $i (0 .. 49) {
		my $m = Milter->new($d->socket);
		$m->connect('192.0.2.1') if $i % 5 > 0;
		$m->helo('client.example') if $i % 5 > 1;
		$m->mail('<joe@client.example>') if $i % 5 > 2;
		$m->rcpt('<alice@example.test>') if $i % 5 > 3;
		push @sessions, $m;
	}
	my @said = map { "$home/$name.said.$_" } 0, 1;
	my @writers = map { keep_writing($d, $said[$_], $_) } 0, 1;
	eventually { !grep { (-s $_ // 0) < 300 } @said } 10;
	return { name => "A6: $name", as => \@as, daemon => $d,
	    sessions => \@sessions, said => \@said,
	    writers => \@writers, db => "$home/$name.db" };
}

sub sees_end {
	my ($m, $deadline) = @_;
	my $left = $deadline - time;
	return IO::Select->new($m->{socket})->can_read($left > 0 ? $left : 0)
	    && !sysread $m->{socket}, my $buffer, 1;
}

my @busy = (make_busy('blackmilter', 'service-user', @user),
    make_busy('graymilter', 'gray', @user),
    $root ? make_busy('blackmilter', 'root') : ());
my %first;
for my $name (sort keys %milter) {
	my $d = $first{$name} = Daemon->start({ name => $name, socket =>
	    "$home/$name.s", control => "$home/$name.c" },
	    -db => make_db("$home/seed.$name"), @user);
	is $d->tell($milter{$name}{before}), 'ok',
	    "A7: $name: a store to begin with";
}

my %other = map { $_ => Daemon->start({ socket => "$home/$_.sock",
    control => "$home/$_.control" }, -blacklist => $list, @user) }
    qw(INT HUP);

my $begin = time;
kill $_ => $other{$_}->pid for keys %other;
kill TERM => map { $_->pid } values %first, map { $_->{daemon} } @busy;
my $deadline = $begin + 7 * slow;
for my $b (@busy) {
	my @silent = grep { !sees_end($_, $deadline) } @{ $b->{sessions} };
	is scalar(@silent), 0, "$b->{name}: every session sees the end";
}
for my $b (@busy) {
	eventually { $b->{daemon}->gone || time > $deadline } 7;
	cmp_ok time, '<=', $deadline, "$b->{name}: in time";
}
for my $b (@busy) {
	my ($d, $db) = @$b{qw(daemon db)};
	is $d->stop, 0, "$b->{name}: exit status";
	ok !-e $d->socket, "$b->{name}: the socket is gone";
	ok !-e $d->control, "$b->{name}: the control socket is gone";
	ok -e "$db/clean-close", "$b->{name}: the store was closed cleanly";
	waitpid $_, 0 for @{ $b->{writers} };

	my @sent = map { split /\n/, content($_) } @{ $b->{said} };
	cmp_ok scalar(@sent), '>', 100, "$b->{name}: the store was busy";
	my $next = Daemon->start({ name => $d->{name}, socket => $d->socket,
	    control => $d->control }, -db => $db, @{ $b->{as} });
	is scalar($next->lines(qr/store |corrupt|not understood/)), 0,
	    "$b->{name}: and opens clean";
	my ($last, @lines) = $next->tell('list');
	my $number = $milter{$d->{name}}{number};
	my %listed = map { $_ => 1 } map { $number->($_) } @lines;
	is scalar(grep { !$listed{$_} } @sent), 0,
	    "$b->{name}: nothing acknowledged is forgotten";
}

for my $signal (sort keys %other) {
	is $other{$signal}->stop($signal), 0, "SIG$signal stops it, too";
	is scalar($other{$signal}->lines(qr/^stopped$/)), 1, 'which it says';
}

# --- A7: signals at any moment

# Chains of tries run side by side, each with a store of its own, so that a
# try that leaves the store locked or broken is seen by the next.
my ($chains, $tries) = $ENV{WATCH} ? (6, 2) : (100, 2);
srand 20240229;
is $_->stop, 0, 'A7: the store is closed' for values %first;

sub launch {
	my ($chain) = @_;
	my $d = $chain->{daemon} = Daemon->launch({ name => $chain->{name},
	    socket => "$home/s.$chain->{n}", control => "$home/c.$chain->{n}" },
	    @{ $milter{$chain->{name}}{args} }, -db => $chain->{db}, @user);
	$chain->{signal} = rand() < 0.6 ? 'TERM' : 'USR1';
	$chain->{due} = time + rand 0.3 * slow;
	$chain->{killed} = 0;
}

# Is it to live on, it is to be stopped: after 0.3 s more.
sub look_after {
	my ($chain) = @_;
	my $d = $chain->{daemon};
	if ($d->gone) {
		$d->stop;	# no more than to say how it ended
		push @{ $chain->{ended} }, $d;
		return 1;
	}
	if (time >= $chain->{due} && !$chain->{killed}) {
		$chain->{ready}{$d} = $d->log =~ / ready on /;
		kill $chain->{signal} => $d->pid;
		$chain->{killed} = $chain->{signal} eq 'TERM';
		$chain->{signal} = 'TERM';
		$chain->{due} = time + 0.3 * slow;
	}
	return 0;
}

my @names = sort keys %milter;
my @chains = map { { n => $_, name => $names[$_ % @names],
    db => "$home/chain.$_", ended => [] } } 1 .. $chains;
for (@chains) {
	make_db($_->{db});
	system 'cp', '-p', glob("$home/seed.$_->{name}/*"), $_->{db};
}
my $end = time + 120 * slow;
my @waiting = @chains;
while (@waiting && time < $end) {
	for my $chain (@waiting) {
		launch($chain), last unless $chain->{daemon};
	}
	for my $chain (grep { $_->{daemon} } @waiting) {
		next unless look_after($chain);
		$chain->{daemon} = undef;
	}
	@waiting = grep { @{ $_->{ended} } < $tries } @waiting;
	sleep 0.01;
}
is scalar(@waiting), 0, 'A7: all of them end';

my (%status, @odd, @unclean);
for my $chain (@chains) {
	for my $d (@{ $chain->{ended} }) {
		$status{$d->{status}}++;
		# Before the signals are blocked they have their default.
		push @odd, $d unless $d->{status} == 0 ||
		    !$chain->{ready}{$d} && $d->{status} =~ /^1(38|43)$/;
		push @unclean, $d if !$d->watched || $d->log =~
		    /in use|cannot|corrupt|set aside|not understood/;
	}
}
note 'statuses: ', join ', ', map { "$_: $status{$_}" } sort keys %status;
is scalar(map { @{ $_->{ended} } } @chains), $chains * $tries,
    'A7: number of tries';
is scalar(@odd), 0, 'A7: after "ready" the status is always 0' or
    diag map { "$_->{status}: " . $_->log } @odd[0 .. ($#odd < 3 ? $#odd : 3)];
is scalar(@unclean), 0, 'A7: the store is never locked or broken' or
    diag map { $_->log } @unclean[0 .. ($#unclean < 3 ? $#unclean : 3)];
is scalar(grep { -e } glob "$home/core* core*"), 0, 'A7: no core';

my @last = map { Daemon->launch({ name => $_->{name}, socket =>
    "$home/s.$_->{n}", control => "$home/c.$_->{n}" }, -db => $_->{db},
    @user) } @chains;
my @forgot = grep {
	my $d = $_;
	eventually { $d->log =~ / ready on / || $d->gone } 30;
	(($d->tell('list'))[1] // '') !~ $milter{$d->{name}}{line} ||
	    $d->log =~ /corrupt|set aside|not understood/;
} @last;
is scalar(@forgot), 0, 'A7: every store opens and holds what it did';

done_testing;
