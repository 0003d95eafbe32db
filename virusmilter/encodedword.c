#include <string.h>
#include <strings.h>

#include "decode.h"
#include "encodedword.h"

#define BLANK	" \t\r\n"

struct word {
	const char *text, *text_end, *end;
	bool base64, latin1;
};

/* Where the bytes go. */
struct sink {
	void (*put)(void *arg, unsigned char);
	void *arg;
};

static int
digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
encodedword_hex(const char *p, const char *end)
{
	int high, low;

	if (end - p < 2)
		return -1;
	high = digit((unsigned char)p[0]);
	low = digit((unsigned char)p[1]);
	return high == -1 || low == -1 ? -1 : high * 16 + low;
}

/* A language may follow behind a star (RFC 2231 5). */
bool
encodedword_is_latin1(const char *charset, size_t size)
{
	static const char *const names[] = {
		"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1"
	};
	const char *star = memchr(charset, '*', size);

	if (star != NULL)
		size = (size_t)(star - charset);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == size &&
		    strncasecmp(charset, names[i], size) == 0)
			return true;
	return false;
}

/* Charset, encoding and text, with a question mark behind each. */
static bool
is_word(struct word *w, const char *p, const char *end)
{
	size_t size = (size_t)(end - p);
	const char *mark, *last;

	if (size < 2 || p[0] != '=' || p[1] != '?')
		return false;
	p += 2;
	size -= 2;
	mark = memchr(p, '?', size < ENCODEDWORD_CHARSET_MAX ? size :
	    ENCODEDWORD_CHARSET_MAX);
	if (mark == NULL || end - mark < 3 || mark[2] != '?' ||
	    memchr("BbQq", mark[1], 4) == NULL)
		return false;
	w->latin1 = encodedword_is_latin1(p, (size_t)(mark - p));
	w->base64 = mark[1] == 'B' || mark[1] == 'b';
	w->text = mark + 3;
	for (last = w->text; last < end; last++)
		if (last[0] == '?' && (last + 1 == end || last[1] == '='))
			break;
	w->text_end = last;
	w->end = end - last > 2 ? last + 2 : end;
	return true;
}

static void
put(const struct sink *out, unsigned char c, bool latin1)
{
	if (latin1 && c >= 0x80) {
		out->put(out->arg, (unsigned char)(0xc0 | c >> 6));
		c = (unsigned char)(0x80 | (c & 0x3f));
	}
	out->put(out->arg, c);
}

static void
put_base64(const struct sink *out, const struct word *w)
{
	struct decoder d = { .encoding = ENCODING_BASE64 };
	unsigned char bytes[256 + DECODE_SLACK];
	size_t size, n;

	for (const char *p = w->text; p < w->text_end; p += size) {
		size = (size_t)(w->text_end - p);
		size = size < 256 ? size : 256;
		n = decode(&d, bytes, (const unsigned char *)p, size);
		for (size_t i = 0; i < n; i++)
			put(out, bytes[i], w->latin1);
	}
	n = decode_end(&d, bytes);
	for (size_t i = 0; i < n; i++)
		put(out, bytes[i], w->latin1);
}

static void
put_quoted(const struct sink *out, const struct word *w)
{
	for (const char *p = w->text; p < w->text_end; p++) {
		int c = *p == '=' ? encodedword_hex(p + 1, w->text_end) : -1;

		if (c != -1)
			p += 2;
		else
			c = *p == '_' ? ' ' : (unsigned char)*p;
		put(out, (unsigned char)c, w->latin1);
	}
}

void
encodedword_decode(const char *text, const char *end,
    void (*put_byte)(void *arg, unsigned char), void *arg)
{
	const struct sink out = { put_byte, arg };
	const char *p = text, *next;
	struct word w;
	bool behind = false;	/* a word */

	while (p < end) {
		next = p;
		while (behind && next < end && memchr(BLANK, *next, 4) != NULL)
			next++;
		behind = is_word(&w, next, end);
		if (behind) {
			(w.base64 ? put_base64 : put_quoted)(&out, &w);
			p = w.end;
			continue;
		}
		do
			put(&out, (unsigned char)*p, false);
		while (++p < next);
	}
}
