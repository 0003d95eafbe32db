/*
 * Content transfer encodings.
 *
 * The input: a byte for the encoding, one for the size of pieces, and the
 * content.  In pieces as in one the content is decoded to what the simple way
 * below makes of it.  The content serves as the name of an encoding, too.
 */
#include <ctype.h>
#include <stdbool.h>

#include "decode.h"
#include "fuzz.h"

#define LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"	\
		"0123456789+/"

struct bytes {
	uint8_t *at;
	size_t size, room;
};

static void
add(struct bytes *b, unsigned byte)
{
	CHECK(b->size < b->room);
	b->at[b->size++] = (uint8_t)byte;
}

/* --- the simple way */

static void
simple_base64(struct bytes *out, const uint8_t *in, size_t size)
{
	unsigned bits = 0, count = 0;

	for (size_t i = 0; i < size; i++) {
		const char *letter = in[i] != '\0' ? strchr(LETTERS, in[i]) :
		    NULL;

		if (in[i] == '=')
			count = 0;
		if (letter == NULL)
			continue;
		bits = (bits << 6 | (unsigned)(letter - LETTERS)) & 0xffff;
		count++;
		if (count > 1)
			add(out, bits >> (8 - 2 * count) & 0xff);
		count %= 4;
	}
}

static unsigned
hex(uint8_t c)
{
	return (unsigned)(c <= '9' ? c - '0' : tolower(c) - 'a' + 10);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
simple_quoted_printable(struct bytes *out, const uint8_t *in, size_t size)
{
	for (size_t i = 0, next; i < size; i = next) {
		next = i + 1;
		if (in[i] != '=') {
			add(out, in[i]);
			continue;
		}
		if (i + 2 < size && isxdigit(in[i + 1]) &&
		    isxdigit(in[i + 2])) {
			add(out, hex(in[i + 1]) << 4 | hex(in[i + 2]));
			next = i + 3;
			continue;
		}
		while (next < size && is_blank(in[next]))
			next++;
		if (next < size && in[next] == '\n') {
			next++;
			continue;
		}
		/* A '=' and up to three blanks. */
		for (size_t j = i; j < next && j < i + 4; j++)
			add(out, in[j]);
	}
}

/* --- against the code */

static void
decode_pieces(struct bytes *out, enum encoding encoding, const uint8_t *in,
    size_t size, size_t piece)
{
	struct decoder d = { .encoding = encoding };
	uint8_t *room = malloc(piece + DECODE_SLACK), *end;
	size_t n, got;

	CHECK(room != NULL);
	for (; size > 0; in += n, size -= n) {
		n = size < piece ? size : piece;
		/* What is too much is seen by the sanitizer. */
		end = room + piece - n;
		got = decode(&d, end, in, n);
		CHECK(got <= n + DECODE_SLACK);
		for (size_t i = 0; i < got; i++)
			add(out, end[i]);
	}
	got = decode_end(&d, room + piece);
	CHECK(got <= DECODE_SLACK);
	for (size_t i = 0; i < got; i++)
		add(out, room[piece + i]);
	free(room);
}

static void
check_content(enum encoding encoding, size_t piece, const uint8_t *in,
    size_t size)
{
	struct bytes want = { malloc(size + 1), 0, size };
	struct bytes got = { malloc(size + 1), 0, size };

	CHECK(want.at != NULL && got.at != NULL);
	if (encoding == ENCODING_BASE64)
		simple_base64(&want, in, size);
	else if (encoding == ENCODING_QUOTED_PRINTABLE)
		simple_quoted_printable(&want, in, size);
	else
		for (size_t i = 0; i < size; i++)
			add(&want, in[i]);
	decode_pieces(&got, encoding, in, size, piece);
	CHECK(got.size == want.size);
	CHECK(memcmp(got.at, want.at, got.size) == 0);
	got.size = 0;
	decode_pieces(&got, encoding, in, size, size + 1);
	CHECK(got.size == want.size);
	CHECK(memcmp(got.at, want.at, got.size) == 0);
	free(got.at);
	free(want.at);
}

/* Blanks, comments and letters of the other case change nothing. */
static void
check_name(struct fuzz_input *in)
{
	char *name = fuzz_field(in);
	size_t size = strlen(name) + 40;
	char *longer = malloc(size);
	enum encoding encoding = decode_encoding(name);

	CHECK(longer != NULL);
	CHECK(encoding <= ENCODING_UNKNOWN);
	snprintf(longer, size, " (a (\\) 7bit)) \t\r\n%s (base64", name);
	for (char *p = longer; *p != '\0'; p++)
		if (isalpha((unsigned char)*p))
			*p ^= 0x20;
	CHECK(decode_encoding(longer) == encoding);
	free(longer);
	free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	enum encoding encoding = (enum encoding)(fuzz_byte(&in) % 4);
	size_t piece = fuzz_byte(&in) + 1;

	check_content(encoding, piece, in.at, in.left);
	check_name(&in);
	return 0;
}
