package Fault;

# What the tests of faults share: daemons in folders of their own, and many
# runs at once in processes of their own.
#
#	my $d = launch($at, $at . '/db', @options);
#	is_ready($d) or die;
#	stop($d);

use strict;
use warnings;
use Exporter 'import';
use File::Copy qw(copy);
use File::Path qw(remove_tree);
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep);

use Daemon;
use Milter;

our @EXPORT = qw(launch is_ready stop reply mail entries load_records
    trim_logs copy_store last_lines deal);

my @launched;

# A daemon whose files are in this folder; {before => [words]} and {name =>
# 'graymilter'} may come first.
sub launch {
	my ($at, $db, @args) = @_;
	my %own = ref $args[0] eq 'HASH' ? %{ shift @args } : ();
	my $d = Daemon->launch({ socket => "$at/socket",
	    control => "$at/control", log => "$at/log", %own }, -db => $db,
	    @args);
	push @launched, $d;
	return $d;
}

# Waits; false when it ended instead.
sub is_ready {
	my ($d) = @_;
	eventually { $d->log =~ / ready on / || $d->gone } 40;
	return $d->log =~ / ready on /;
}

# libmilter sees a signal within five seconds, or at the next connection.
sub stop {
	my ($d) = @_;
	kill TERM => $d->pid unless $d->gone;
	for (1 .. 3) {
		sleep 0.1;
		last if $d->gone;
		IO::Socket::UNIX->new(Peer => $d->socket);
	}
	return $d->stop // 'none';
}

# A session that is never answered is seen sooner than by others.
package Fault::Client {
	our @ISA = ('Milter');

	sub open {
		my $self = shift->SUPER::open(@_);
		$self->{patience} = 8 * Daemon::slow;
		return $self;
	}
}

# What a client is told in the end: the code of the reply, 'marked', or the
# protocol's letter; 'closed' is no answer, and then mail passes.
sub reply {
	my ($d, $address) = @_;
	my $r = eval { Fault::Client->session($d->socket, $address) };
	return 'closed' unless $r;
	return 'marked' if grep { $_->[0] eq 'h' } @{ $r->{changes} };
	return '554' if $r->{reply} eq 'r';
	return $r->{reply} eq 'y' ? substr $r->{text}, 0, 3 : $r->{reply};
}

# What graymilter does with a mail: "pass"; "delayed", when it says so in a
# header; the codes of its reply; or the protocol's letter, and 'closed' as
# above.
sub mail {
	my ($d, $client, $sender, @recipients) = @_;
	my $r = eval { Fault::Client->session($d->socket, $client,
	    from => "<$sender>", to => [map { "<$_>" } @recipients]) };
	return 'closed' unless $r;
	return join ' ', (split ' ', $r->{text})[0, 1] if $r->{reply} eq 'y';
	return $r->{reply} unless $r->{reply} =~ /^[ac]$/;
	return grep({ $_->[0] eq 'i' } @{ $r->{changes} }) ? 'delayed' : 'pass';
}

# Give graymilter lines of a dump; returns how many it took, and the last
# answer.
sub load_records {
	my ($d, @lines) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $d->control) or
	    return (0, "no control socket: $!");
	my ($taken, $answer) = (0, '');
	$s->autoflush(1);
	while (my @some = splice @lines, 0, 500) {
		print $s map { "$_\n" } @some;
		for (@some) {
			$answer = <$s> // 'none';
			return ($taken, $answer) unless $answer eq "ok\n";
			$taken++;
		}
	}
	return ($taken, $answer);
}

# The short-term list: address => reason.
sub entries {
	my ($d) = @_;
	my ($last, @lines) = $d->tell('list');
	return map { (split)[0, 3] } @lines;
}

# The logs of a store without their room for more: megabytes of zeros that
# recovery clears and a copy copies.
sub trim_logs {
	my ($db) = @_;
	for my $log (glob "$db/log.*") {
		my $content = Daemon::slurp($log);
		$content =~ s/\0+\z//;
		truncate $log, 512 + length $content or die "$log: $!";
	}
}

sub copy_store {
	my ($from, $to) = @_;
	mkdir $to or die "$to: $!";
	copy($_, $to) or die "$_: $!" for glob "$from/*";
	# The mark of a clean end names the time of the file.
	utime((stat $_)[8, 9], $to . s{.*(?=/)}{}r) for glob "$from/*.db";
}

# The ends of the logs in a folder, for whoever has to find out.
sub last_lines {
	my ($at) = @_;
	my @lines = split /\n/, join '', map { Daemon::slurp($_) }
	    glob "$at/log*";
	splice @lines, 0, -24 if @lines > 24;
	return map { "    $_\n" } @lines;
}

# Run code for each of the items, in so many processes.  The items are dealt
# like cards, for those that take long stand together.  The code gets an item
# and a folder that is its own and goes; what it returns is collected, or, when
# it dies, what it died of behind the item's name, and what the logs say.
sub deal {
	my ($processes, $code, @items) = @_;
	my @pid;
	for my $me (0 .. $processes - 1) {
		my $pid = fork // die "fork: $!";
		push @pid, $pid;
		next if $pid;
		$SIG{PIPE} = 'IGNORE';
		$SIG{ALRM} = sub { die "it hangs\n" };
		open my $out, '>', folder . "/said.$me" or POSIX::_exit(1);
		@launched = ();
		for (grep { $_ % $processes == $me } 0 .. $#items) {
			my $at = folder . "/at.$me";
			mkdir $at;
			alarm 100 * slow;
			my $said = eval { $code->($items[$_], $at) };
			$said = "$items[$_]{name}: " . join '', $@,
			    last_lines($at) unless defined $said;
			alarm 0;
			print $out $said;
			$_->stop('KILL') for splice @launched;
			remove_tree($at);
		}
		POSIX::_exit(close $out ? 0 : 1);
	}
	my @failed = grep { waitpid $_, 0; $? != 0 } @pid;
	return join '', map({ Daemon::slurp(folder . "/said.$_") }
	    0 .. $processes - 1), map { "process $_ failed\n" } @failed;
}

1;
