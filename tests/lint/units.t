#!/usr/bin/perl
# A28: what starts a milter shuts it in, and starts, reloads and stops it the
# way it wants it.  And all scripts are good sh.
use strict;
use warnings;
use File::Temp 'tempdir';
use Test::More;

use Lint;


use constant THRESHOLD => 15;	# tenths of systemd's measure of exposure
use constant STOP_SECONDS => 8;	# libmilter takes up to seven

sub installed {
	my ($program) = @_;
	return system("command -v $program >/dev/null") == 0;
}

# A copy of the unit that runs the program just built, for systemd looks
# whether it is there.
sub copy_unit {
	my ($name) = @_;
	my $copy = tempdir(CLEANUP => 1) . "/$name.service";
	my $text = content("$name/$name.service");
	$text =~ s{/usr/local/sbin/$name\b}{$build/$name/$name}g;
	open my $out, '>', $copy or die "$copy: $!\n";
	print $out $text;
	close $out or die "$copy: $!\n";
	return $copy;
}

sub check_unit {
	my ($name) = @_;
	my $path = "$name/$name.service";
	my $unit = content($path);
	my %wanted = (
		'its program, in the foreground' =>
		    qr{^ExecStart=/usr/local/sbin/$name\s.*-nodaemon}m,
		'reload by SIGUSR1' => qr/^ExecReload=.*kill -USR1 \$MAINPID/m,
		'a user of its own' => qr/^(?:User=(?!root$)|DynamicUser=yes)/m,
		'again after a crash' => qr/^Restart=on-failure$/m,
		'not again after a mistake' =>
		    qr/^RestartPreventExitStatus=(?=.*\b64\b)(?=.*\b78\b)/m,
		'before the MTA' => qr/^Before=.*\bsendmail\.service\b/m,
		'no capability' => qr/^CapabilityBoundingSet=$/m,
		'no new privileges' => qr/^NoNewPrivileges=yes$/m,
		'a system read-only' => qr/^ProtectSystem=strict$/m,
		'no code made at run time' =>
		    qr/^MemoryDenyWriteExecute=yes$/m,
		'a filter of system calls' => qr/^SystemCallFilter=/m,
		'no core' => qr/^LimitCORE=0$/m,
		'limits' => qr/^LimitNOFILE=\d+$(?=.*^TasksMax=)
		    (?=.*^MemoryMax=)/msx,
		'a folder for its socket' => qr/^RuntimeDirectory=$name$/m,
	);
	like $unit, $wanted{$_}, "$path: $_" for sort keys %wanted;
	like $unit, qr/^StateDirectory=$name$/m, "$path: a folder for its store"
	    if $unit =~ m{ -db /var/lib/$name\b};
	my ($stop) = $unit =~ /^TimeoutStopSec=(\d+)$/m;
	cmp_ok $stop // 0, '>=', STOP_SECONDS, "$path: time to stop";

	SKIP: {
		skip 'systemd-analyze is not installed', 2
		    unless installed('systemd-analyze');
		my $said = `systemd-analyze security --no-pager \\
		    --offline=true --threshold=@{[THRESHOLD]} $path 2>&1`;
		ok $? == 0, "$path: exposed by at most " . THRESHOLD / 10
		    or diag $said;
		my $copy = copy_unit($name);
		is `systemd-analyze verify --man=no $copy 2>&1`, '',
		    "$path: systemd takes every line";
	}
}

# The header that insserv(8) reads, and the part that all share.
sub check_init {
	my ($name) = @_;
	my $path = "$name/$name.init";
	my $text = content($path);
	my ($header) = $text =~ /^### BEGIN INIT INFO\n(.*)^### END INIT INFO$/ms;
	like $header // '', qr/^# Provides:\s+$name$/m, "$path: provides $name";
	like $header // '', qr/^# \Q$_\E:\s+\S/m, "$path: says $_"
	    for qw(Required-Start Required-Stop Default-Start Default-Stop
	    Short-Description);
	like $text, qr{/usr/local/share/milters/milter\.init\b},
	    "$path: a path that installing can change";
}

sub check_shared {
	my $path = 'common/milter.init';
	my $text = content($path);
	like $text, qr/^(?:.*\| )?\Q$_\E\b.*\)/m, "$path: can $_"
	    for qw(start stop restart try-restart reload force-reload status);
	like $text, qr{/usr/local/sbin/\$NAME\b},
	    "$path: a path that installing can change";
}

sub check_script {
	my ($path) = @_;
	my $said = `sh -n $path 2>&1`;
	is $said, '', "$path: sh can read it";
	SKIP: {
		skip 'shellcheck is not installed', 1
		    unless installed('shellcheck');
		is `shellcheck -s sh -S warning $path 2>&1`, '',
		    "$path: shellcheck has nothing to say";
	}
}

check_shared();
for my $name (@milters) {
	check_unit($name);
	check_init($name);
	like content("$name/$name.m4"),
	    qr/^INPUT_MAIL_FILTER\(`$name', `S=\S+, F=[RT]?, T=\S+'\)/m,
	    "$name.m4: a filter for sendmail.mc";
}
my @scripts = grep { -f && content($_) =~ m{\A#!/bin/sh\b} }
    glob('.ci/* tests/* tests/*/* packaging/*/*'), map { "$_/$_.init" } @milters;
cmp_ok scalar @scripts, '>', 4, 'scripts are there';
check_script($_) for @scripts, 'common/milter.init';

done_testing;
