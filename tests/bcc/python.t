#!/usr/bin/perl
# How we read fields, and how Python's email.utils does.  Where the two differ
# it is said here, and why.  Versions of Python differ, too: what they read is
# noted, what we read is tested.
use strict;
use warnings;
use File::Temp;
use Test::More;

# Each: the value; our addresses; those of Python, if they are others; why.
# Ours end with a '?' when there is something that we do not know.
my @readings = (
	# RFC 5322 A.
	['Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>',
	    'mary@x.test jdoe@example.org one@y.test'],
	['<boss@nil.test>, "Giant; \"Big\" Box" <sysservices@example.net>',
	    'boss@nil.test sysservices@example.net'],
	['A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;',
	    'c@a.test joe@where.test jdoe@one.test'],
	['Undisclosed recipients:;', ''],
	['Pete(A nice \) chap) <pete(his account)@silly.test(his host)>',
	    'pete@silly.test'],
	["A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)" .
	    "public.example>,\r\n         joe\@example.org,\r\n  John " .
	    "<jdoe\@one.test> (my dear friend); (the end of the group)",
	    'c@public.example joe@example.org jdoe@one.test'],
	['(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;', ''],
	['Joe Q. Public <john.q.public@example.com>',
	    'john.q.public@example.com'],
	['Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example',
	    'mary@example.net jdoe@test.example'],
	['John Doe <jdoe@machine(comment).  example>',
	    'jdoe@machine.example'],
	["Mary Smith\r\n  \r\n          <mary\@example.net>",
	    'mary@example.net'],

	# What is in order.
	['', ''],
	['joe@example.org', 'joe@example.org'],
	['Joe@Example.ORG', 'joe@example.org'],
	['<joe@example.org>', 'joe@example.org'],
	['Joe Doe <joe@example.org>', 'joe@example.org'],
	['"Doe, Joe" <joe@example.org>', 'joe@example.org'],
	['"" <joe@example.org>', 'joe@example.org'],
	["Joe <joe\@example.org>,\r\n\tAnn <ann\@example.net>",
	    'joe@example.org ann@example.net'],
	[', , joe@example.org,,', 'joe@example.org'],
	['joe+news@example.org', 'joe@example.org'],
	['+joe@example.org', '+joe@example.org'],
	['joe@example.org.', 'joe@example.org'],
	['joe@[192.0.2.1]', 'joe@[192.0.2.1]'],
	['joe', 'joe@'],
	['<>', ''],
	['joe@example.org (Joe Doe)', 'joe@example.org'],
	['joe@example.org (Joe (the elder) Doe)', 'joe@example.org'],
	['(Joe) joe@example.org', 'joe@example.org'],
	['joe(a)@(b)example.org', 'joe@example.org'],
	['"joe doe"@example.org', 'joe doe@example.org'],
	['"joe@home"@example.org', 'joe@home@example.org'],
	['"a\"b"@example.org', 'a"b@example.org'],
	['"joe"."doe"@example.org', 'joe.doe@example.org'],
	['"ann@example.net" <joe@example.org>', 'joe@example.org'],
	['joe @ example . org', 'joe@example.org'],
	['joe . smith @ example . org', 'joe.smith@example.org'],
	["jos\xc3\xa9\@example.org", "jos\xc3\xa9\@example.org"],
	["Jos\xc3\xa9 <jos\xc3\xa9\@b\xc3\xbccher.example>",
	    "jos\xc3\xa9\@b\xc3\xbccher.example"],
	['=?utf-8?Q?Jos=C3=A9?= <joe@example.org>', 'joe@example.org'],
	['Friends: joe@example.org, ann@example.net;',
	    'joe@example.org ann@example.net'],
	['Friends: joe@example.org', 'joe@example.org'],
	['A: B: joe@example.org;, ann@example.net;',
	    'joe@example.org ann@example.net'],
	['a@b.example: joe@example.org;', 'a@b.example joe@example.org'],
	['<@a.example:joe@example.org>', 'joe@example.org'],
	['<@a.example,@b.example:joe@example.org>', 'joe@example.org',
	    '@b.example joe@example.org', 'a route with a comma is one'],

	# What both of us read all the same.
	['joe@example.org; ann@example.net',
	    'joe@example.org ann@example.net'],
	['<joe@example.org><ann@example.net>',
	    'joe@example.org ann@example.net'],
	['joe@example.org <ann@example.net>',
	    'joe@example.org ann@example.net'],
	['Doe, Joe <joe@example.org>', 'doe@ joe@example.org'],
	['mailto:joe@example.org', 'joe@example.org'],
	['<joe@example.org', 'joe@example.org'],
	['joe@example.org>', 'joe@example.org'],
	['<<joe@example.org>>', 'joe@example.org'],
	['<joe@example.org, ann@example.net>',
	    'joe@example.org ann@example.net'],
	['joe@example.org (Joe', 'joe@example.org?'],
	['joe@example.org)', 'joe@example.org?'],
	['Joe :) <joe@example.org>', 'joe@example.org?'],
	['Joe\ Doe <joe@example.org>', 'joe@example.org?'],
	['Dr. joe@example.org', 'dr.joe@example.org?'],
	["joe\@example.org\xc2\xa0", "joe\@example.org\xc2\xa0?"],
	['Joe Doe <>', '?'],
	['joe@', '?'],
	['(joe@example.org)', '?'],

	# What we read, for somebody may be meant.
	['joe@example.org ann@example.net', 'joe@example.org ann@example.net',
	    '@example.net', 'two addresses without a comma are two'],
	['Joe joe@example.org', 'joe@example.org',
	    'joe joe@example.org', 'a local part has no blank'],
	['Joe Doe @ example.org', 'doe@example.org', 'joe doe@example.org',
	    'a local part has no blank'],
	['joe@example.org Joe', 'joe@example.org',
	    'joe@example.orgjoe', 'a domain has no blank'],
	["'joe\@example.org'", 'joe@example.org', "'joe\@example.org'",
	    'single quotes around an address are none of it'],
	['<mailto:joe@example.org>', 'joe@example.org',
	    'mailto@ joe@example.org', 'mailto is nobody'],
	['joe@example.org <mailto:joe@example.org>',
	    'joe@example.org joe@example.org',
	    'joe@example.org mailto@ joe@example.org', 'mailto is nobody'],
	['Joe [list] <joe@example.org>', 'joe@example.org',
	    'joe@ list@ joe@example.org', 'what is before it is a name'],

	# Nobody.
	['undisclosed-recipients', '', 'undisclosed-recipients@',
	    'a group without its colon'],
	['Undisclosed recipients', '', 'undisclosed@',
	    'a group without its colon'],
	['<Undisclosed Recipients>', '', 'undisclosed recipients@',
	    'a group in brackets'],
	['<Undisclosed-Recipient:;>', '', 'undisclosed-recipient@',
	    'a group in brackets'],
	['@example.org', '', '@example.org', 'nobody has no local part'],
	['""@example.org', '', '@example.org', 'nobody has no local part'],

	# What we do not know.
	['"joe@example.org"', '?', 'joe@example.org',
	    'in quotes it is a name, but to some'],
	['"joe@example.org', '?', 'joe@example.org',
	    'nobody knows where the quotes end'],
	['"Joe"joe@example.org', '?', 'joejoe@example.org',
	    'one address, or a name and one'],
	['a@b@c', '?', '@c', 'which @ counts?'],
	['joe@@example.org', '?', '@example.org', 'which @ counts?'],
	['joe@example.org. ann@example.net', '?', '@example.net',
	    'a final dot, or one in the middle'],
	['Joe Doe', '?', 'joe@', 'a name'],
	['"Joe Doe"', '?', 'joe doe@', 'a name'],
	['Joe Doe (joe@example.org)', '?', 'joe@',
	    'what is in a comment was meant'],
	['=?utf-8?Q?joe=40example.org?=', '?',
	    '=?utf-8?q?joe=40example.org?=@', 'it would have to be decoded'],
	['[joe@example.org]', '?', 'joe@example.org', 'brackets for what?'],
	['joe@[ann@example.net]', '?', 'joe@[ann@example.net]',
	    'no address of a host'],
	['joe@"example.org"', '?', 'example.org@', 'no domain has quotes'],
	['joe@exam!ple.org', '?', 'joe@exam!ple.org', 'no domain'],
	['joe@example..org', '?', 'joe@example..org', 'no domain'],
	['joe\@example.org', '?', 'joe\@example.org',
	    'a backslash has no meaning there'],
);

# Python's addresses in our form: lower case, without quotes, detail and final
# dots.  Newer versions have to be told to read what is not quite right.
my $script = <<'E';
import re, sys
from email.utils import getaddresses

def unquote(quoted):
    return re.sub(r'(?s)\\(.)', r'\1', quoted.group(1))

def form(address):
    local, at, domain = address.rpartition('@')
    if not at:
        local, domain = domain, ''
    local = re.sub(r'(?s)"((?:[^"\\]|\\.)*)"', unquote, local)
    local = local[:1] + local[1:].split('+')[0]
    address = local + '@' + domain.rstrip('.')
    return address.encode('utf-8', 'surrogateescape').lower()

def read(value):
    try:
        return getaddresses([value], strict=False)
    except TypeError:
        return getaddresses([value])

for value in sys.stdin.buffer.read().split(b'\0')[:-1]:
    text = value.decode('utf-8', 'surrogateescape')
    print(' '.join(form(a).hex() for name, a in read(text) if a))
E

# The lines that a command writes when it is given all values.
sub run {
	my (@command) = @_;
	my $in = File::Temp->new;
	print $in map { "$_->[0]\0" } @readings;
	close $in or die "$!";
	open my $stdin, '<', $in->filename or die "$!";
	open my $old, '<&', \*STDIN or die "$!";
	open STDIN, '<&', $stdin or die "$!";
	open my $out, '-|', @command or die "$command[0]: $!";
	open STDIN, '<&', $old or die "$!";
	chomp(my @lines = <$out>);
	close $out or die "$command[0] failed\n";
	return @lines;
}

sub addresses { return join ' ', map { pack 'H*', $_ } @_ }

sub printable {
	my ($text) = @_;
	$text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	return $text;
}

plan skip_all => 'python3 is not installed'
    if system('python3 -c "import email.utils" >/dev/null 2>&1') != 0;

my @ours = run(split(' ', $ENV{VALGRIND} // ''),
    ($ENV{BUILD} // '.') . '/tests/bcc/addrlist_driver');
my @python = run('python3', '-c', $script);
is scalar @ours, scalar @readings, 'we read all values';
is scalar @python, scalar @readings, 'Python reads all values';

my $alike = 0;
for my $i (0 .. $#readings) {
	my ($value, $want, $differs, $why) = @{ $readings[$i] };
	my ($count, $unknown, @taken) = split ' ', $ours[$i];
	my $name = printable($value);
	my $ours = addresses(@taken);
	my $python = addresses(split ' ', $python[$i]);

	is $ours . ($unknown ? '?' : ''), $want, $name . ($why ? ": $why" : '');
	note printable("we: $ours; Python: $python");
	$alike++ if $ours eq $python;
	diag printable("$value: this Python reads $python")
	    if $python ne ($differs // $ours);
}
cmp_ok $alike, '>=', grep({ @$_ == 2 } @readings) / 2,
    'most is read alike';

done_testing;
