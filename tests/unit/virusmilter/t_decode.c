/*
 * t_decode - names of encodings, and what comes out of content in base64 and
 * quoted-printable, however it is cut into pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "unit.h"

#define OUT_MAX	4096

static const struct {
	const char *value;
	enum encoding want;
} names[] = {
	{ "7bit", ENCODING_NONE },
	{ "8bit", ENCODING_NONE },
	{ "binary", ENCODING_NONE },
	{ "base64", ENCODING_BASE64 },
	{ "quoted-printable", ENCODING_QUOTED_PRINTABLE },
	{ "BASE64", ENCODING_BASE64 },
	{ "Quoted-Printable", ENCODING_QUOTED_PRINTABLE },
	/* What stands around it. */
	{ "  base64  ", ENCODING_BASE64 },
	{ "\tbase64\r\n", ENCODING_BASE64 },
	{ "\r\n\tbase64", ENCODING_BASE64 },
	{ "base64;", ENCODING_BASE64 },
	{ "base64; x=y", ENCODING_BASE64 },
	{ "base64 7bit", ENCODING_BASE64 },
	{ "\"base64\"", ENCODING_BASE64 },
	{ "(7bit) base64", ENCODING_BASE64 },
	{ "(a (nested) \\) one) base64(7bit)", ENCODING_BASE64 },
	{ "(a)(b) base64", ENCODING_BASE64 },
	/* None is as good as 7bit. */
	{ "", ENCODING_NONE },
	{ "  ", ENCODING_NONE },
	{ "(base64)", ENCODING_NONE },
	{ "(base64", ENCODING_NONE },
	{ "(base64\\", ENCODING_NONE },
	{ "7-bit", ENCODING_NONE },
	{ "8-Bit", ENCODING_NONE },
	/* Others. */
	{ "x-uuencode", ENCODING_UNKNOWN },
	{ "uuencode", ENCODING_UNKNOWN },
	{ "base", ENCODING_UNKNOWN },
	{ "base64x", ENCODING_UNKNOWN },
	{ "base-64", ENCODING_UNKNOWN },
	{ "b\xc3\xa4se64", ENCODING_UNKNOWN },
	{ ")base64", ENCODING_UNKNOWN },
};

static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		enum encoding got = decode_encoding(names[i].value);

		CHECK(got == names[i].want, "\"%s\": got %d want %d",
		    names[i].value, got, names[i].want);
	}
}

/* --- content */

#define ROW(encoding, in, want)						\
	{ ENCODING_##encoding, in, sizeof in - 1, want, sizeof want - 1 }

static const struct {
	enum encoding encoding;
	const char *in;
	size_t in_size;
	const char *want;
	size_t want_size;
} rows[] = {
	ROW(NONE, "", ""),
	ROW(NONE, "a=\r\nb\0c", "a=\r\nb\0c"),
	ROW(UNKNOWN, "TVqQ=41", "TVqQ=41"),

	ROW(BASE64, "", ""),
	ROW(BASE64, "TVqQ", "MZ\x90"),
	ROW(BASE64, "TVqQAAMAAAAEAAAA//8AALgA",
	    "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0"),
	ROW(BASE64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789+/",
	    "\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93"
	    "\x51\x55\x97\x61\x96\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7"
	    "\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb"
	    "\xf3\xdf\xbf"),
	/* The end of the content. */
	ROW(BASE64, "TQ==", "M"),
	ROW(BASE64, "TVo=", "MZ"),
	ROW(BASE64, "TQ=", "M"),
	ROW(BASE64, "TQ", "M"),
	ROW(BASE64, "TVo", "MZ"),
	ROW(BASE64, "T", ""),
	ROW(BASE64, "TVqQT", "MZ\x90"),
	ROW(BASE64, "=", ""),
	ROW(BASE64, "====", ""),
	ROW(BASE64, "T===", ""),
	/* A '=' ends a group, and no more than that. */
	ROW(BASE64, "TQ==Wg==", "MZ"),
	ROW(BASE64, "TQ==\r\nWpA=\r\nAAMA", "MZ\x90\0\3\0"),
	ROW(BASE64, "TQ=WpA=", "MZ\x90"),
	ROW(BASE64, "T=VqQ", "V\xa4"),
	ROW(BASE64, "=TVqQ", "MZ\x90"),
	/* Other bytes are passed over. */
	ROW(BASE64, "TVqQ\r\nTVqQ\r\n", "MZ\x90MZ\x90"),
	ROW(BASE64, "TV\nqQ", "MZ\x90"),
	ROW(BASE64, "T V\tq\r\n\r\nQ", "MZ\x90"),
	ROW(BASE64, "T-V_q!\0\x80\xff,Q", "MZ\x90"),
	ROW(BASE64, "!TVqQ", "MZ\x90"),
	ROW(BASE64, "TV\nq\n=\n=\n", "MZ"),

	ROW(QUOTED_PRINTABLE, "", ""),
	ROW(QUOTED_PRINTABLE, "plain text\r\nof two lines\n",
	    "plain text\r\nof two lines\n"),
	ROW(QUOTED_PRINTABLE, "=4D=5A=90=00", "MZ\x90\0"),
	ROW(QUOTED_PRINTABLE, "=4d=5a=c3=BC=fF", "MZ\xc3\xbc\xff"),
	ROW(QUOTED_PRINTABLE, "a=3Db=3D", "a=b="),
	/* Soft line ends. */
	ROW(QUOTED_PRINTABLE, "M=\nZ", "MZ"),
	ROW(QUOTED_PRINTABLE, "M=\r\nZ", "MZ"),
	ROW(QUOTED_PRINTABLE, "M= \t\r\nZ", "MZ"),
	ROW(QUOTED_PRINTABLE, "M=          \t \t  \nZ", "MZ"),
	ROW(QUOTED_PRINTABLE, "M=\r\r\nZ", "MZ"),
	ROW(QUOTED_PRINTABLE, "M=\n=\n=5A", "MZ"),
	ROW(QUOTED_PRINTABLE, "M=\n\nZ", "M\nZ"),
	/* What begins nothing. */
	ROW(QUOTED_PRINTABLE, "a=b", "a=b"),
	ROW(QUOTED_PRINTABLE, "=", "="),
	ROW(QUOTED_PRINTABLE, "=4", "=4"),
	ROW(QUOTED_PRINTABLE, "=4=41", "=4A"),
	ROW(QUOTED_PRINTABLE, "==41", "=A"),
	ROW(QUOTED_PRINTABLE, "=4\n", "=4\n"),
	ROW(QUOTED_PRINTABLE, "=4 1", "=4 1"),
	ROW(QUOTED_PRINTABLE, "=G1=g1", "=G1=g1"),
	ROW(QUOTED_PRINTABLE, "=4G=41", "=4GA"),
	ROW(QUOTED_PRINTABLE, "a = b", "a = b"),
	ROW(QUOTED_PRINTABLE, "=\rx", "=\rx"),
	ROW(QUOTED_PRINTABLE, "= \r", "= \r"),
	ROW(QUOTED_PRINTABLE, "=   =41", "=   A"),
	ROW(QUOTED_PRINTABLE, "=\0=00", "=\0\0"),
	ROW(QUOTED_PRINTABLE, "=:0=/0=@0=`0=G", "=:0=/0=@0=`0=G"),
	/* Of a row of blanks that is none of these only the first count. */
	ROW(QUOTED_PRINTABLE, "=        x", "=   x"),
};

/* In pieces of this size; each has just the room that it may have. */
static size_t
decode_pieces(enum encoding encoding, const char *in, size_t in_size,
    size_t piece, unsigned char out[OUT_MAX])
{
	struct decoder d = { .encoding = encoding };
	size_t total = 0;
	unsigned char *room;

	for (size_t at = 0, n; at < in_size; at += n) {
		n = in_size - at < piece ? in_size - at : piece;
		room = malloc(n + DECODE_SLACK);
		assert_non_null(room);
		size_t got = decode(&d, room, (const unsigned char *)in + at,
		    n);
		assert_true(got <= n + DECODE_SLACK);
		assert_true(total + got <= OUT_MAX);
		memcpy(out + total, room, got);
		total += got;
		free(room);
	}
	room = malloc(DECODE_SLACK);
	assert_non_null(room);
	size_t got = decode_end(&d, room);
	assert_true(got <= DECODE_SLACK && total + got <= OUT_MAX);
	memcpy(out + total, room, got);
	free(room);
	return total + got;
}

static void
test_content(void **state)
{
	unsigned char out[OUT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece <= rows[i].in_size + 1; piece++) {
			size_t size = decode_pieces(rows[i].encoding,
			    rows[i].in, rows[i].in_size, piece, out);

			CHECK(size == rows[i].want_size &&
			    memcmp(out, rows[i].want, size) == 0,
			    "row %zu \"%s\" in pieces of %zu: \"%.*s\"", i,
			    rows[i].in, piece, (int)size, out);
		}
	}
}

/* Of each size of group and line, so that groups are cut everywhere. */
static void
test_base64_lines(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char bytes[600], out[OUT_MAX];
	char text[OUT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 167 + i / 7);
	for (size_t line = 1; line <= 80; line++) {
		size_t size = 0, count = 0;

		for (size_t bit = 0; bit < sizeof bytes * 8; bit += 6) {
			unsigned two = (unsigned)bytes[bit / 8] << 8 |
			    (bit / 8 + 1 < sizeof bytes ?
			    bytes[bit / 8 + 1] : 0);

			text[size++] = alphabet[two >> (10 - bit % 8) & 63];
			if (++count % line == 0)
				text[size++] = '\n';
		}
		for (size_t piece = 1; piece < 1700; piece += piece / 3 + 1) {
			size_t got = decode_pieces(ENCODING_BASE64, text, size,
			    piece, out);

			CHECK(got == sizeof bytes &&
			    memcmp(out, bytes, got) == 0,
			    "lines of %zu in pieces of %zu", line, piece);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_base64_lines),
	};

	return RUN(tests);
}
