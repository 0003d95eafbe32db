package Mta;

# A private sendmail with the milters of a test in its sendmail.cf, inside
# tests/mta/sandbox.  sendmail listens on port 2525 of 127.0.0.1 and ::1 and
# delivers to files.
#
#	Mta::enter;			# the script begins anew in the sandbox
#	my $mta = Mta->start("$dir/blackmilter.m4", ...);
#	my $r = Smtp->new(from => '192.0.2.1')->send;
#	my @mail = $mta->mails;

use strict;
use warnings;
use File::Path qw(make_path);
use IO::Socket::IP;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Socket qw(SOCK_DGRAM);
use Test::More;

use Daemon qw(eventually folder run);

our $dir = '/run/mta';
our $log = '/run/syslog';
my $logger;

# Where the programs are; /usr/sbin/sendmail may be somebody else's.
sub tool {
	my ($name) = @_;
	for ("/usr/libexec/sendmail/$name", "/usr/lib/sm.bin/$name",
	    "/usr/sbin/$name", "/usr/bin/$name") {
		return $_ if -x;
	}
	return undef;
}

sub missing {
	return 'needs root' if $> != 0;
	return 'needs sendmail' unless tool('makemap') && tool('sendmail');
	return 'needs sendmail-cf' unless -e '/usr/share/sendmail/cf/m4/cf.m4';
	system('tests/mta/sandbox true 2>/dev/null') == 0 or
	    return 'no namespaces to be had here';
	return undef;
}

# Returns only inside the sandbox, with a system log.
sub enter {
	if (!$ENV{IN_SANDBOX}) {
		my $missing = missing;
		plan skip_all => $missing if $missing;
		$ENV{IN_SANDBOX} = 1;
		rmdir folder;	# nobody would when we are another program
		exec 'tests/mta/sandbox', $^X, (map { "-I$_" } @INC), $0, @ARGV;
		die "sandbox: $!";
	}
	# The first process of a name space dies of no signal it does not handle.
	$SIG{INT} = $SIG{TERM} = sub { exit 130 };
	start_log();
}

# /dev/log to a file, whoever writes there.
sub start_log {
	my $s = IO::Socket::UNIX->new(Local => '/dev/log',
	    Type => SOCK_DGRAM) or die "/dev/log: $!";
	chmod 0666, '/dev/log';
	$logger = fork // die "fork: $!";
	return if $logger;
	open my $f, '>>', $log or die "$log: $!";
	$f->autoflush(1);
	open STDOUT, '>', '/dev/null';
	open STDERR, '>', '/dev/null';
	while (defined $s->recv(my $line, 65536)) {
		$line =~ s/^<\d+>\w+ +\d+ [\d:]+ //;
		$line =~ s/[\0\n]+$//;
		print $f "$line\n";
	}
	exit 0;
}

sub write_file {
	my ($path, $text, $mode) = @_;
	open my $f, '>', $path or die "$path: $!";
	print $f $text;
	close $f or die "$path: $!";
	chmod $mode, $path if $mode;
	return $path;
}

sub has_ipv6 {
	return defined IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
}

sub mc {
	my (@snippets) = @_;
	my $include = join '', map { "include(`$_')dnl\n" } @snippets;
	my $v6 = has_ipv6() ? 'DAEMON_OPTIONS(`Family=inet6, Name=MTA6, ' .
	    "Port=2525, Addr=::1')dnl\n" : '';
	return <<"EOF";
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
define(`_CF_DIR_', `/usr/share/sendmail/cf/')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
define(`MAIL_SETTINGS_DIR', `$dir/etc/')dnl
OSTYPE(`debian')dnl
define(`confDOMAIN_NAME', `mx.example.test')dnl
define(`confSERVICE_SWITCH_FILE', `$dir/etc/service.switch')dnl
define(`QUEUE_DIR', `$dir/queue')dnl
define(`ALIAS_FILE', `$dir/etc/aliases')dnl
define(`STATUS_FILE', `$dir/etc/statistics')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confPID_FILE', `$dir/sendmail.pid')dnl
define(`HELP_FILE', `$dir/etc/helpfile')dnl
define(`confCW_FILE', `$dir/etc/local-host-names')dnl
define(`confCR_FILE', `-o $dir/etc/relay-domains')dnl
define(`confCT_FILE', `-o $dir/etc/trusted-users')dnl
define(`confDEAD_LETTER_DROP', `$dir/dead.letter')dnl
define(`confDONT_PROBE_INTERFACES', `true')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confTO_IDENT', `0')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confMAX_DAEMON_CHILDREN', `100')dnl
define(`confQUEUE_LA', `500')dnl
define(`confREFUSE_LA', `500')dnl
define(`confDELAY_LA', `0')dnl
define(`confBAD_RCPT_THROTTLE', `0')dnl
define(`confPRIVACY_FLAGS', `authwarnings,noexpn,novrfy')dnl
define(`confAUTH_MECHANISMS', `PLAIN')dnl
define(`confAUTH_OPTIONS', `A')dnl
TRUST_AUTH_MECH(`PLAIN')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`nocanonify')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`use_cw_file')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=2525, Addr=127.0.0.1')dnl
${v6}${include}define(`LOCAL_MAILER_PATH', `$dir/bin/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver \$f \$u')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-w')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
EOF
}

# A mailer that delivers into this folder, for any MTA; its arguments are the
# sender and the recipient.  A file has its last name only when it is whole.
sub make_mailer {
	my ($folder) = @_;
	make_path("$folder/mail", "$folder/bin");
	chmod 01777, "$folder/mail";
	write_file("$folder/bin/deliver", <<"EOF", 0755);
#!/bin/sh
umask 022
f=\$(mktemp $folder/mail/new.XXXXXX) || exit 75
{ printf 'Envelope: <%s> <%s>\\n' "\$1" "\$2"; cat; } >"\$f" || exit 75
mv "\$f" "$folder/mail/\$(date +%s%N).eml"
EOF
}

# What it delivered, oldest first, whole, with a line "Envelope:" in front.
sub mails_in {
	my ($folder) = @_;
	return map { Daemon::slurp($_) } sort glob "$folder/mail/*.eml";
}

# Users that can authenticate: user => password.
sub add_users {
	my (%users) = @_;
	return unless %users;
	system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'sasl',
	    '/usr/lib/sasl2') == 0 or die "no /usr/lib/sasl2";
	write_file('/usr/lib/sasl2/Sendmail.conf', <<"EOF");
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $dir/etc/sasldb
mech_list: PLAIN
EOF
	for my $user (sort keys %users) {
		open my $p, '|-', 'saslpasswd2', '-p', '-c', '-u',
		    'mx.example.test', '-f', "$dir/etc/sasldb", $user or
		    die "saslpasswd2: $!";
		print $p $users{$user};
		close $p or die "saslpasswd2 failed";
	}
}

# Start sendmail with these .m4 snippets, in this order; a hash before them
# holds users (see add_users()).
sub start {
	my ($class, @snippets) = @_;
	my %with = ref $snippets[0] eq 'HASH' ? %{ shift @snippets } : ();
	my $self = bless { %with }, $class;
	make_mailer($dir);
	make_path("$dir/etc", "$dir/queue");
	chmod 0700, "$dir/queue";
	write_file("$dir/etc/service.switch",
	    "passwd\tfiles\nhosts\tfiles\naliases\tfiles\n");
	write_file("$dir/etc/local-host-names",
	    "example.test\nmx.example.test\n");
	write_file("$dir/etc/aliases", "nobody: /dev/null\n");
	write_file("$dir/etc/$_", '') for qw(helpfile statistics);
	add_users(%{ $with{users} // {} });
	write_file("$dir/sendmail.mc", mc(@snippets));
	system("m4 $dir/sendmail.mc >$dir/sendmail.cf") == 0 or
	    die "m4 failed";
	$self->run_sendmail('-bi');
	my ($status, $out, $err) = run(tool('sendmail'), '-C',
	    "$dir/sendmail.cf", '-L', 'sendmail', '-bd');
	die "sendmail: $out$err" if $status != 0;
	eventually { -s "$dir/sendmail.pid" } 10 or die "sendmail: no pid";
	return $self;
}

sub stop {
	open my $f, '<', "$dir/sendmail.pid" or return;
	my $pid = <$f> + 0;
	unlink "$dir/sendmail.pid";
	kill TERM => $pid;
	# As the first process in the sandbox we are everybody's parent.
	eventually { waitpid($pid, WNOHANG) == $pid || !kill 0, $pid } 10;
}

# Another sendmail command: ('-bp', '-qQ'); returns what it printed.
sub run_sendmail {
	my ($self, @args) = @_;
	my ($status, $out, $err) = run(tool('sendmail'), '-C',
	    "$dir/sendmail.cf", @args);
	return $out . $err;
}

# Delivered mails, see mails_in(); forget() removes them.
sub mails {
	my @mails = mails_in($dir);
	return @mails;
}

sub forget {
	unlink glob "$dir/mail/*.eml";
}

# The lines of the system log that match.
sub lines {
	my ($self, $pattern) = @_;
	open my $f, '<', $log or return;
	return grep { /$pattern/ } map { s/\n$//r } <$f>;
}

END {
	kill TERM => $logger if $logger;
}

1;
