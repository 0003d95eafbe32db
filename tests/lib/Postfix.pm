package Postfix;

# A private Postfix with milters, inside tests/mta/sandbox, on port 2526 of
# 127.0.0.1 and ::1.  Its package cannot be installed beside sendmail's, so it
# was only unpacked (tests/deps) and is laid over /usr in the sandbox.

use strict;
use warnings;
use Cwd ();
use File::Path qw(make_path);

use Daemon qw(eventually run);
use Mta;

our $root = Cwd::abs_path('tests/cache') . '/postfix';
our $dir = '/run/postfix';

sub missing {
	return -x "$root/usr/sbin/postfix" ? undef :
	    'no Postfix package was unpacked';
}

my $main = <<"EOF";
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = $dir/conf
maillog_file = $dir/log
maillog_file_prefixes = $dir
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.test
mydestination = example.test, mx.example.test
mynetworks = 127.0.0.0/8 [::1]
inet_interfaces = all
alias_maps =
local_recipient_maps =
local_transport = file:
file_destination_recipient_limit = 1
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_tls_security_level = none
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtputf8_enable = no
biff = no
milter_default_action = accept
EOF

# Rows of master.cf(5): name, type, private, processes, program.
my $services = join '', map { my ($name, $type, $private, $max, $program) =
    split; "$name $type $private - n - $max $program\n" } split /\n/, <<'EOF';
127.0.0.1:2526 inet n - smtpd
[::1]:2526 inet n - smtpd
pickup unix n 1 pickup
cleanup unix n 0 cleanup
qmgr unix n 1 qmgr
rewrite unix - - trivial-rewrite
bounce unix - 0 bounce
defer unix - 0 bounce
trace unix - 0 bounce
proxymap unix - - proxymap
showq unix n - showq
smtp unix - - smtp
error unix - - error
retry unix - - error
anvil unix - 1 anvil
postlog unix-dgram n 1 postlogd
EOF

# Start it with the main.cf lines given, "smtpd_milters = ..." among them.
sub start {
	my ($class, @lines) = @_;
	system('mount', '-t', 'overlay', 'postfix', '-o',
	    "lowerdir=$root/usr:/usr", '/usr') == 0 or die 'no /usr';
	system("getent passwd postfix >/dev/null || " .
	    "echo 'postfix:x:64101:64101::/:/bin/false' >>/etc/passwd; " .
	    "getent group postfix >/dev/null || " .
	    "echo 'postfix:x:64101:' >>/etc/group; " .
	    "getent group postdrop >/dev/null || " .
	    "echo 'postdrop:x:64102:' >>/etc/group");
	Mta::make_mailer($dir);
	make_path(map { "$dir/$_" } qw(conf queue data));
	Mta::write_file("$dir/conf/main.cf",
	    join '', $main, map { "$_\n" } @lines);
	Mta::write_file("$dir/conf/master.cf", $services .
	    "file unix - n n - 10 pipe\n" .
	    "  flags=q user=nobody argv=$dir/bin/deliver " .
	    "\${sender} \${recipient}\n");
	Mta::write_file("$dir/conf/dynamicmaps.cf", '');
	system("cp $root/etc/postfix/post*-* $dir/conf/ 2>/dev/null; " .
	    "chown postfix $dir/data");
	my ($status, $out, $err) = run('postfix', '-c', "$dir/conf", 'start');
	die "postfix: $out$err" . log_text() if $status != 0;
	eventually { log_text() =~ /daemon started/ } 10 or
	    die 'postfix did not start: ' . log_text();
	return bless {}, $class;
}

sub log_text { return Daemon::slurp("$dir/log") }

# Delivered mails, once there are so many (or 10 seconds have gone).
sub mails {
	my ($self, $count) = @_;
	my @mails;
	eventually {
		@mails = Mta::mails_in($dir);
		@mails >= $count;
	} 10;
	return @mails;
}

sub forget {
	unlink glob "$dir/mail/*.eml";
}

1;
