#include <string.h>
#include <strings.h>

#include "decode.h"

/* What a letter of base64 stands for, and 64 to tell it from the others. */
static const unsigned char letters[256] = {
	['A'] = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76,
	['N'] = 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
	['a'] = 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102,
	['n'] = 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
	['0'] = 116, 117, 118, 119, 120, 121, 122, 123, 124, 125,
	['+'] = 126, ['/'] = 127,
};

/* The 64s of a group of four. */
#define MARKS	((64U << 18) + (64U << 12) + (64U << 6) + 64U)

/* --- the name of an encoding */

static const char *
skip_comment(const char *p)
{
	size_t depth = 0;

	do {
		if (*p == '(')
			depth++;
		else if (*p == ')')
			depth--;
		else if (*p == '\\' && p[1] != '\0')
			p++;
		p++;
	} while (depth > 0 && *p != '\0');
	return p;
}

enum encoding
decode_encoding(const char *value)
{
	static const struct {
		const char *name;
		enum encoding encoding;
	} table[] = {
		{ "", ENCODING_NONE },
		{ "7bit", ENCODING_NONE },
		{ "8bit", ENCODING_NONE },
		{ "binary", ENCODING_NONE },
		{ "base64", ENCODING_BASE64 },
		{ "quoted-printable", ENCODING_QUOTED_PRINTABLE },
		/* They are not in the RFC, and are meant so all the same. */
		{ "7-bit", ENCODING_NONE },
		{ "8-bit", ENCODING_NONE },
	};
	size_t size;

	while (*value == '(' || (*value != '\0' &&
	    strchr(" \t\r\n\"", *value) != NULL))
		value = *value == '(' ? skip_comment(value) : value + 1;
	size = strcspn(value, " \t\r\n\"(;");
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (strlen(table[i].name) == size &&
		    strncasecmp(value, table[i].name, size) == 0)
			return table[i].encoding;
	return ENCODING_UNKNOWN;
}

/* --- base64 */

/* As many whole groups as there are; returns how many bytes they take. */
static size_t
read_groups(unsigned char *out, const unsigned char *in, size_t size)
{
	size_t at = 0;

	for (; size - at >= 4; at += 4, out += 3) {
		unsigned a = letters[in[at]], b = letters[in[at + 1]],
		    c = letters[in[at + 2]], d = letters[in[at + 3]], n;

		if ((a & b & c & d & 64) == 0)
			break;
		n = (a << 18) + (b << 12) + (c << 6) + d - MARKS;
		out[0] = (unsigned char)(n >> 16);
		out[1] = (unsigned char)(n >> 8);
		out[2] = (unsigned char)n;
	}
	return at;
}

/* The group is over, complete or not; returns how many bytes it has. */
static size_t
end_group(struct decoder *d, unsigned char *out)
{
	size_t count = d->count > 1 ? d->count - 1 : 0;
	unsigned n = d->bits << (6 * (4 - d->count));

	for (size_t i = 0; i < count; i++)
		out[i] = (unsigned char)(n >> (16 - 8 * i));
	d->bits = d->count = 0;
	return count;
}

static size_t
base64(struct decoder *d, unsigned char *out, const unsigned char *in,
    size_t size)
{
	unsigned char *to = out;

	for (size_t at = 0; at < size; at++) {
		unsigned letter;

		if (d->count == 0) {
			size_t n = read_groups(to, in + at, size - at);

			to += n / 4 * 3;
			at += n;
			if (at == size)
				break;
		}
		letter = letters[in[at]];
		if (letter != 0) {
			d->bits = d->bits << 6 | (letter & 63);
			d->count++;
		}
		if (d->count == 4 || in[at] == '=')
			to += end_group(d, to);
	}
	return (size_t)(to - out);
}

/* --- quoted-printable */

/* Its value; -1: it is none. */
static int
hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static unsigned char *
put_held(struct decoder *d, unsigned char *to)
{
	memcpy(to, d->held, d->held_size);
	to += d->held_size;
	d->held_size = 0;
	return to;
}

/*
 * A '=' is held, and perhaps more; does this byte belong to it?  Blanks may
 * stand between it and the end of the line, where they mean nothing, and if it
 * is not the end, any number of them is as good as a few.
 */
static int
belongs(struct decoder *d, unsigned char **to, unsigned char c)
{
	int high = d->held_size > 1 ? hex(d->held[1]) : -1;

	if (high >= 0) {
		if (hex(c) < 0)
			return 0;
		*(*to)++ = (unsigned char)(high << 4 | hex(c));
		d->held_size = 0;
		return 1;
	}
	if (c == '\n') {
		d->held_size = 0;
		return 1;
	}
	if (c == ' ' || c == '\t' || c == '\r') {
		if (d->held_size < sizeof d->held)
			d->held[d->held_size++] = c;
		return 1;
	}
	if (d->held_size > 1 || hex(c) < 0)
		return 0;
	d->held[d->held_size++] = c;
	return 1;
}

static size_t
quoted_printable(struct decoder *d, unsigned char *out,
    const unsigned char *in, size_t size)
{
	const unsigned char *end = in + size;
	unsigned char *to = out;

	while (in < end) {
		const unsigned char *next;

		if (d->held_size > 0) {
			if (belongs(d, &to, *in))
				in++;
			else
				to = put_held(d, to);
			continue;
		}
		next = memchr(in, '=', (size_t)(end - in));
		size = (size_t)((next != NULL ? next : end) - in);
		memcpy(to, in, size);
		to += size;
		in += size;
		if (next != NULL)
			d->held[d->held_size++] = *in++;
	}
	return (size_t)(to - out);
}

size_t
decode(struct decoder *d, unsigned char *out, const unsigned char *in,
    size_t size)
{
	if (d->encoding == ENCODING_BASE64)
		return base64(d, out, in, size);
	if (d->encoding == ENCODING_QUOTED_PRINTABLE)
		return quoted_printable(d, out, in, size);
	if (size > 0)
		memcpy(out, in, size);
	return size;
}

size_t
decode_end(struct decoder *d, unsigned char out[DECODE_SLACK])
{
	if (d->encoding == ENCODING_BASE64)
		return end_group(d, out);
	return (size_t)(put_held(d, out) - out);
}
