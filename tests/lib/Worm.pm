package Worm;

# Worms to send: the harmless one that all scanners know (EICAR), and what mail
# can wrap it into.
#
#	letter(mixed(part('hello'), attached('a.txt', EICAR)))
#
# An entity is a header, a blank line and a body, with LF.

use strict;
use warnings;
use Exporter 'import';
use IO::Compress::Zip qw(zip $ZipError :constants);
use MIME::Base64;
use MIME::QuotedPrint;

use Clamd;

our @EXPORT = qw(EICAR FOUND PROGRAM letter entity part attached mixed
    multipart rfc822 uuencoded zipped worm knows_worms);

use constant {
	# In pieces, so that no scanner finds it here.
	EICAR => join('', 'X5O!P%@AP[4\PZX54(P^)7CC)7}$', 'EICAR-STAND',
	    'ARD-ANTIVIRUS-TEST-FILE!$H+H*'),
	NAME => 'Eicar-Test',
	# As clamd says it: what is not signed by ClamAV is marked.
	FOUND => 'Eicar-Test.UNOFFICIAL',
	# As a program for Windows begins.
	PROGRAM => pack('a2 x58 V', 'MZ', 64) . "PE\0\0" . "\0" x 100,
};

my $boundaries = 0;

# A whole message of an entity; its fields come first.
sub letter {
	my ($entity, $fields) = @_;
	return "From: joe\@client.example\nTo: alice\@example.test\n" .
	    "Subject: test\nDate: Mon, 1 Jun 2026 12:00:00 +0000\n" .
	    "Message-ID: <one\@client.example>\n" .
	    ($fields // "MIME-Version: 1.0\n") . $entity;
}

# The fields with the names given, and the body as it is.
sub entity {
	my ($body, @fields) = @_;
	my $header = '';
	while (my ($name, $value) = splice @fields, 0, 2) {
		$header .= "$name: $value\n" if defined $value;
	}
	return "$header\n$body";
}

my %encoders = (
	'base64' => \&encode_base64,
	'quoted-printable' => sub { encode_qp($_[0], "\n", 1) },
);

# A content of this type in this encoding; what the others are is none.
sub part {
	my ($content, $type, $encoding) = @_;
	my $encode = $encoders{$encoding // ''} // sub { "$_[0]\n" };
	return entity($encode->($content), 'Content-Type' => $type //
	    'text/plain', 'Content-Transfer-Encoding' => $encoding);
}

# An attachment of this name, as everybody sends it.
sub attached {
	my ($name, $content) = @_;
	return "Content-Disposition: attachment; filename=\"$name\"\n" .
	    part($content, 'application/octet-stream', 'base64');
}

sub multipart {
	my ($type, @entities) = @_;
	my $b = '=_' . ++$boundaries;
	return entity(join('', map({ "--$b\n$_\n" } @entities), "--$b--\n"),
	    'Content-Type' => "multipart/$type; boundary=\"$b\"");
}

sub mixed { return multipart('mixed', @_) }

# A message in a message.
sub rfc822 {
	my ($message) = @_;
	return entity($message, 'Content-Type' => 'message/rfc822');
}

sub uuencoded {
	my ($name, $content) = @_;
	return "begin 644 $name\n" . pack('u', $content) . "`\nend\n";
}

# A zip with one file; stored: not compressed.
sub zipped {
	my ($name, $content, %with) = @_;
	my $zip;
	zip(\$content => \$zip, Name => $name, Time => 0,
	    Method => $with{stored} ? ZIP_CM_STORE : ZIP_CM_DEFLATE) or
	    die "zip: $ZipError";
	return $zip;
}

# A message as a worm sends it.
sub worm {
	return letter(mixed(part('See the attached file.'),
	    attached('details.txt', EICAR)));
}

# A real clamd that knows them; see Clamd::prepare().
sub knows_worms {
	my (%options) = @_;
	my $clamd = Clamd->prepare(%options);
	$clamd->sign(NAME, EICAR);
	$clamd->launch;
	return $clamd;
}

1;
