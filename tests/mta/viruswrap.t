# A worm in everything that mail can wrap it into, sent through a real sendmail
# with virusmilter and a real clamd behind it: it is found.  And so are ClamAV's
# own test files.

use strict;
use warnings;
use IO::Compress::Gzip qw(gzip);
use MIME::Base64;
use Test::More;

use Clamd;
use Daemon;
use Mta;
use Smtp;
use Worm;

plan skip_all => Clamd::missing() if Clamd::missing();
Mta::enter;

use constant {
	FILES => '/usr/share/clamav-testfiles',
	# Where the program in them begins to run.  Packers and installers
	# leave that as it is, or clamd unpacks them.
	CODE => pack('H*', '66ac79f9ba3100780dad50ff66700e1fbe3100e9e5ffb409' .
	    'cd21b44ccd21'),
};

mkdir '/run/virusmilter', 0755;
my $mta = Mta->start('virusmilter/virusmilter.m4');
my $clamd = knows_worms;
my $virus;
my $c;		# the client, as long as it is let in

# The same socket, the next set of options.
sub daemon {
	my (@options) = @_;
	undef $c;
	$virus->retire if $virus;
	$virus = Daemon->start({ name => 'virusmilter',
	    socket => 'unix:/run/virusmilter/virusmilter.sock' }, '-debug',
	    @options);
}

sub reply_to {
	my ($message) = @_;
	$c = Smtp->new(from => '192.0.2.7') unless $c;
	my $r = $c->send(message => $message);
	undef $c if $r->{code} == 0;
	return "$r->{at}: $r->{text}";
}

sub is_found {
	my ($what, $message, $name) = @_;
	is reply_to($message), 'eom: 550 5.7.1 Virus found: ' .
	    ($name // FOUND), $what;
}

my $eicar = EICAR;
my $binary = 'application/octet-stream';
my $base64 = encode_base64($eicar, '');
my $attached = attached('a.txt', $eicar);
my $mail = letter(mixed(part('hello'), $attached));

# It is attached like that.
sub with {
	my ($attachment) = @_;
	return letter(mixed(part('hello'), $attachment));
}

# So many multiparts, messages, zips around it.
sub deep_mixed {
	my ($depth) = @_;
	my $entity = $attached;
	$entity = mixed(part('hello'), $entity) for 1 .. $depth;
	return letter($entity);
}

sub deep_message {
	my ($depth) = @_;
	my $entity = $attached;
	$entity = rfc822(letter($entity)) for 1 .. $depth;
	return letter($entity);
}

sub deep_zip {
	my ($depth) = @_;
	my $content = zipped('a.txt', $eicar);
	$content = zipped('a.zip', $content) for 2 .. $depth;
	return with(attached('a.zip', $content));
}

sub gzipped {
	my ($content) = @_;
	my $gz;
	gzip(\$content => \$gz);
	return $gz;
}

# Base64 cut into pieces of so many characters, with this between them.
sub cut {
	my ($size, $between) = @_;
	return with(entity(join($between, $base64 =~ /.{1,$size}/g) . "\n",
	    'Content-Type' => $binary,
	    'Content-Transfer-Encoding' => 'base64'));
}

# Quoted-printable that is written by hand.
sub quoted {
	my ($text, $encoding) = @_;
	return with(entity("$text\n", 'Content-Type' => 'text/plain',
	    'Content-Transfer-Encoding' => $encoding // 'quoted-printable'));
}

sub hex_of {
	my ($format) = @_;
	return join('', map { sprintf $format, ord } split //, $eicar) =~
	    s/(.{60})/$1=\n/gr;
}

subtest 'encodings' => sub {
	daemon(-clamd => $clamd->socket);
	like reply_to(with(attached('a.txt', 'no worm'))), qr/^eom: 250 /,
	    'no worm';
	my $uu = uuencoded('a.txt', $eicar);
	is_found(@$_) for (
	    ['7bit', letter(part($eicar))],
	    ['7bit, attached', with(part($eicar, $binary, '7bit'))],
	    ['8bit', letter(part("\xe4\n$eicar\n\xf6", 'text/plain', '8bit'))],
	    ['base64', $mail],
	    ['base64, not attached', letter(part($eicar, 'text/plain',
		'base64'))],
	    ['a page', letter(part($eicar, 'text/html', 'base64'))],
	    ['base64 in one line', cut(999, '')],
	    ['4 a line', cut(4, "\n")],
	    ['7 a line', cut(7, "\n")],
	    ['blanks in it', cut(9, ' ')],
	    ['blank lines', cut(20, "\n\n")],
	    ['other characters', cut(20, "!\n")],
	    ['no padding', with(entity($base64 =~ s/=//gr . "\n",
		'Content-Type' => $binary,
		'Content-Transfer-Encoding' => 'base64'))],
	    ['capitals', with($attached =~ s/base64/BASE64/r)],
	    ['a comment', with($attached =~ s/base64/base64 (yes)/r)],
	    ['in quotes', with($attached =~ s/base64/"base64"/r)],
	    ['a semicolon', with($attached =~ s/base64/base64;/r)],
	    ['folded', with($attached =~ s/ base64/\n base64/r)],
	    ['a blank before the colon', with($attached =~
		s/Encoding:/encoding :/r)],
	    ['an unknown one', with($attached =~ s/base64/x-unknown/r)],
	    ['quoted-printable', with(part($eicar, 'text/plain',
		'quoted-printable'))],
	    ['all of it quoted', quoted(hex_of('=%02X'))],
	    ['in small letters', quoted(hex_of('=%02x'), 'Quoted-Printable')],
	    ['soft line ends', quoted($eicar =~ s/(.{10})/$1=\n/gr)],
	    ['uuencoded', letter(part($uu))],
	    ['behind text', letter(part("hello\nthere\n\n$uu"))],
	    ['without MIME', letter(entity("hello\n\n$uu"), '')],
	    ['as an encoding', with(part($uu, $binary, 'x-uuencode'))],
	    ['in a link', letter(part("<a href=\"data:$binary;base64," .
		"$base64\">see</a>", 'text/html'))],
	    ['a field', letter(part('hello'), "X-Worm: $eicar\n")]);
};

subtest 'structure' => sub {
	is_found(@$_) for (
	    ['the first part', letter(mixed($attached, part('hello')))],
	    ['the last of 500', letter(mixed((map { part("part $_") }
		1 .. 499), $attached))],
	    ['related', letter(multipart('related', part('hello',
		'text/html'), part($eicar, 'image/png', 'base64')))],
	    ['alternative', letter(multipart('alternative', part('hello'),
		part($eicar, 'text/html', 'base64')))],
	    ['digest', letter(multipart('digest', "\n" . letter($attached)))],
	    ['mixed in mixed', deep_mixed(2)],
	    ['mixed in mixed in mixed', deep_mixed(3)],
	    ['fifteen of them', deep_mixed(15)],
	    ['a message', deep_message(1)],
	    ['four of them', deep_message(4)],
	    ['fifteen', deep_message(15)],
	    ['a message in mixed', with(rfc822($mail))],
	    ['in mixed in mixed', letter(mixed(part('hello'),
		mixed(rfc822($mail))))],
	    ['a message in base64', with(part($mail, 'message/rfc822',
		'base64'))],
	    ['one as a file', with(attached('a.eml', $mail))],
	    ['before the parts', letter(mixed(part('hello')) =~
		s/\n\n/\n\n$eicar\n/r)],
	    ['behind them', letter(mixed(part('hello'))) . "$eicar\n"],
	    ['a part behind the last', letter(mixed(part('hello')) =~
		s/(--=_\d+)--\n$/$1--\n$1\n$attached/r)],
	    ['no last boundary', $mail =~ s/(?<=\n)--=_\d+--\n\z//r],
	    ['a boundary without quotes', $mail =~
		s/boundary="=(_\d+)"/boundary=$1/r =~ s/^--=_/--_/gmr],
	    ['one with blanks', $mail =~ s/=(_\d+)/= $1 x/gr],
	    ['blanks behind it', $mail =~ s/^(--=_\d+)$/$1 \t/gmr],
	    ['folded', $mail =~ s/mixed; /mixed;\n\t/r],
	    ['capitals', $mail =~ s/multipart.mixed/MULTIPART\/MIXED/r =~
		s/boundary=/BOUNDARY=/r],
	    ['no MIME-Version', $mail =~ s/^MIME-Version.*\n//mr],
	    ['200 kB before it', letter(mixed(part("a line\n" x 30_000),
		$attached))],
	    ['and behind it', letter(mixed($attached,
		part("a line\n" x 30_000)))],
	    ['in the middle of a file', with(attached('a.txt',
		'x' x 100_000 . $eicar . 'x' x 100_000))]);
};

subtest 'names and types' => sub {
	my $named = sub { with($attached =~ s/filename=.*/$_[0]/r) };
	my $typed = sub { with($attached =~ s/^Content-Type:.*\n/$_[0]/mr) };
	is_found(@$_) for (
	    ['RFC 2231', $named->("filename*=utf-8''%61%2etxt")],
	    ['continued', $named->("filename*0=\"a.\";\n\tfilename*1=txt")],
	    ['RFC 2047', $named->('filename="=?utf-8?B?YS50eHQ=?="')],
	    ['8 bits', $named->("filename=\"\xe4.txt\"")],
	    ['no end', $named->('filename="a.txt')],
	    ['a kilobyte', $named->('filename="' . 'a' x 900 . '.txt"')],
	    ['no name', with(part($eicar, $binary, 'base64'))],
	    ['in the type', with(part($eicar, "$binary; name=a.txt",
		'base64'))],
	    ['inline', with($attached =~ s/attachment/inline/r)],
	    ['an unknown type', $typed->("Content-Type: x/y; charset=z\n")],
	    ['no type', $typed->('')],
	    ['an empty one', $typed->("Content-Type:\n")],
	    ['nonsense', $typed->("Content-Type: nonsense\n")],
	    ['two', $typed->("Content-Type: text/plain\n" x 2)]);
};

subtest 'archives' => sub {
	my $zip = zipped('a.txt', $eicar);
	is_found(@$_) for (
	    ['a zip', deep_zip(1)],
	    ['a stored one', with(attached('a.zip', zipped('a.txt', $eicar,
		stored => 1)))],
	    ['called a text', with(attached('a.txt', $zip))],
	    ['a zip in a zip', deep_zip(2)],
	    ['ten of them', deep_zip(10)],
	    ['in a message', with(rfc822(deep_zip(1)))],
	    ['a message in it', with(attached('a.zip', zipped('a.eml',
		$mail)))],
	    ['uuencoded', letter(part("hello\n" . uuencoded('a.zip',
		$zip)))],
	    ['gzip', with(attached('a.gz', gzipped($eicar)))],
	    ['gzip in a zip', with(attached('a.zip', zipped('a.gz',
		gzipped($eicar))))]);
};

# What is deeper than clamd looks it calls clean, unless it is told not to.
subtest 'limits' => sub {
	$clamd = knows_worms(AlertExceedsMax => 'yes');
	daemon(-clamd => $clamd->socket);
	is_found($_->[0], $_->[1],
	    'Heuristics.Limits.Exceeded.MaxRecursion') for
	    ['twenty parts deep', deep_mixed(20)],
	    ['twenty messages', deep_message(20)],
	    ['twenty zips', deep_zip(20)];
	is_found('ten of each', $_) for deep_mixed(10), deep_message(10),
	    deep_zip(10);
};

subtest "ClamAV's test files" => sub {
	my @files = glob FILES . '/*';
	plan skip_all => 'needs clamav-testfiles' unless @files;
	$clamd->sign('ClamAV-Test-File' => CODE);
	ok $clamd->reload, 'clamd knows them';
	# Our own rules know most of them, too, and would be first.
	daemon(-clamd => $clamd->socket, -ignore => file('ignore',
	    "Milter.*\n"));
	my $name = 'ClamAV-Test-File.UNOFFICIAL';
	for my $path (@files) {
		my ($what) = $path =~ m{([^/]+)$};
		my $content = Daemon::slurp($path);
		is_found("$what, attached", with(attached('data', $content)),
		    $name);
		next unless $what =~ /\.(?:mail|mbox\b.*)$/;
		is_found("$what, as it is", $content =~ s/^From .*\n//r,
		    $name);
	}
	cmp_ok scalar @files, '>', 40, 'these are all';
};

is scalar(my @mails = $mta->mails), 1, 'what came through has no worm';
is $virus->stop, 0, 'SIGTERM ends it';

done_testing;
