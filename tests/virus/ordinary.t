# Ordinary mail, and odd mail of honest people: some hundred messages that other
# packages bring for their own tests, among them bounces of all kinds of MTAs.
# None of it is refused, and nearly all can be read.

use strict;
use warnings;
use File::Find;
use Test::More;

use Clamd;
use Daemon;
use Worm;

use constant FOLDER => 'tests/cache/mail';

plan skip_all => 'no mail was unpacked (tests/deps check)' unless -d FOLDER;

# Does it begin with some fields of a header, and nothing else?
sub is_message {
	my ($text) = @_;
	my ($head) = split /\r?\n\r?\n/, $text =~ s/^From .*\n//r, 2;
	my @lines = split /\r?\n/, $head // '';
	return @lines > 1 &&
	    !grep({ !/^(?:[!-9;-~]+\s*:|\s|>From )/ } @lines) &&
	    $head =~ /^(?:From|To|Subject|Received|Date|Content-Type):/mi;
}

# Out of bounces somebody took the message, and its header too.
sub mended {
	my ($path) = @_;
	my $text = Daemon::slurp($path);
	return $path unless $text =~
	    s/^(?=Message removed$)/Subject: none\n\n/mgi;
	return file($path =~ s{.*/}{}r, $text);
}

my @paths;
find({ no_chdir => 1, wanted => sub {
	push @paths, $File::Find::name if -f && !/\.py$/ &&
	    is_message(Daemon::slurp($_));
} }, FOLDER);
@paths = map { mended($_) } sort @paths;
cmp_ok scalar @paths, '>', 150, 'so many messages: ' . @paths;

# Judge it with these options: what came last, and what it says besides.
sub judge {
	my ($path, @options) = @_;
	my ($status, $out, $err) = run(program('virusmilter'), '-why',
	    @options, $path);
	my ($verdict, @said) = reverse split /\n/, $out;
	return join "\n", "$status " . ($verdict // 'none'),
	    complaints($err);
}

my %reasons;	# why some cannot be read wholly

sub all_pass {
	my (@options) = @_;
	for (@paths) {
		my $said = judge($_, @options);
		like $said, qr/^0\ verdict=(?:pass\ by=clean|
		    mark\ by=unscannable\ name=.*)\z/x, s{^.*/(?=.)}{}r;
		$reasons{$1}++ if $said =~ / by=unscannable name=(.*)/;
	}
}

subtest 'by our own rules' => sub { all_pass() };

my $unscannable = 0;
$unscannable += $_ for values %reasons;
note "$_: $reasons{$_}" for sort keys %reasons;
cmp_ok $unscannable, '<', @paths / 20, "unscannable: $unscannable";

subtest 'by clamd, too' => sub {
	plan skip_all => 'it takes too long when it is watched' if $ENV{WATCH};
	plan skip_all => Clamd::missing() if Clamd::missing();
	my $clamd = knows_worms;
	all_pass('-clamd' => $clamd->socket);
	# It is really asked.
	is judge(file('worm', worm()), '-clamd' => $clamd->socket),
	    '1 verdict=reject by=clamd name=' . FOUND, 'but not a worm';
};

done_testing;
