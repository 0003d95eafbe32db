#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encodedword.h"
#include "filename.h"
#include "param.h"

/*
 * A reading is made in text, by undoing quotes or percents, and offered: as it
 * is, and with its encoded words decoded.  Both go byte by byte through name,
 * which keeps the end.
 */
#define BLANK		" \t\r\n"
#define TEXT_MAX	16384	/* bytes; of a longer one the beginning is left
				 * out */
#define SEGMENTS_MAX	2048	/* a field of 16384 bytes cannot have more */
#define COMMENTS_MAX	65536	/* bytes of comments that are passed over, some
				 * of them more than once */

struct text {
	size_t size;
	char bytes[TEXT_MAX + 1];
};

/* A piece of a name (RFC 2231 3): "name*1*=...". */
struct segment {
	uint32_t at;		/* of its value in the field's */
	uint16_t number;
	bool filename;		/* not "name" */
	bool extended;		/* percents, and a charset in the first */
};

struct finder {
	void (*take)(void *arg, const char *name);
	void *arg;
	const char *value;
	const char *rest_taken;	/* a name was taken up to there */
	size_t comments;	/* bytes passed over */
	bool word_outside;	/* an encoded word is in no name */
	bool has_nul;		/* the name at hand, which is left out of it */
	size_t name_size;
	char name[2 * FILENAME_MAX_BYTES];
	char last[FILENAME_MAX_BYTES];		/* taken */
	struct text text, decoded;
	size_t count;
	struct segment segment[SEGMENTS_MAX];
};

/* --- names */

static void
take_name(struct finder *f)
{
	size_t size = f->name_size, max = FILENAME_MAX_BYTES - 1;
	const char *from = f->name;

	if (size > max) {
		from += size - max;
		size = max;
		/* Not with the rest of a character. */
		for (int i = 0; i < 3 && ((unsigned char)*from & 0xc0) == 0x80;
		    i++, size--)
			from++;
	}
	if (size == 0 || (strlen(f->last) == size &&
	    memcmp(f->last, from, size) == 0))
		return;
	memcpy(f->last, from, size);
	f->last[size] = '\0';
	f->take(f->arg, f->last);
}

/* For some readers the name ends at a NUL, for others it is not there. */
static void
put_name(void *arg, unsigned char c)
{
	struct finder *f = arg;
	size_t max = FILENAME_MAX_BYTES;

	if (c == '\0') {
		if (!f->has_nul)
			take_name(f);
		f->has_nul = true;
		return;
	}
	if (f->name_size == sizeof f->name) {
		memmove(f->name, f->name + f->name_size - max, max);
		f->name_size = max;
	}
	f->name[f->name_size++] = (char)c;
}

static void
end_name(struct finder *f)
{
	take_name(f);
	f->name_size = 0;
	f->has_nul = false;
}

/* --- readings */

static void
append(struct text *t, unsigned char c)
{
	if (t->size == TEXT_MAX) {
		t->size /= 2;
		memmove(t->bytes, t->bytes + TEXT_MAX - t->size, t->size);
	}
	t->bytes[t->size++] = (char)c;
}

static void
append_decoded(void *arg, unsigned char c)
{
	struct finder *f = arg;

	if (c != '\0')
		append(&f->decoded, c);
}

/* The text is one way to read a name. */
static void
offer(struct finder *f)
{
	const char *text = f->text.bytes, *end = text + f->text.size;
	bool word = false;

	for (const char *p = text; p < end; p++) {
		put_name(f, (unsigned char)*p);
		word |= p[0] == '=' && p + 1 < end && p[1] == '?';
	}
	end_name(f);
	if (word) {
		encodedword_decode(text, end, put_name, f);
		end_name(f);
	}
}

/* How the bytes of a value stand for those of the text. */
enum undo {
	UNDO_BACKSLASHES = 1,
	UNDO_QUOTES = 2,	/* leave them out */
	UNDO_PERCENTS = 4,
	UNDO_CHARSET = 8	/* in front of it: charset'language' */
};

/* Returns what follows the charset and the language, if they are there. */
static const char *
skip_charset(const char *p, const char *end, bool *latin1)
{
	const char *mark = memchr(p, '\'', (size_t)(end - p)), *second;

	if (mark == NULL || mark - p > ENCODEDWORD_CHARSET_MAX)
		return p;
	second = memchr(mark + 1, '\'', (size_t)(end - mark - 1));
	if (second == NULL)
		return p;
	*latin1 = encodedword_is_latin1(p, (size_t)(mark - p));
	return second + 1;
}

static void
append_value(struct text *t, const char *p, const char *end, unsigned undo,
    bool *latin1)
{
	if (undo & UNDO_CHARSET)
		p = skip_charset(p, end, latin1);
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		int byte = -1;

		if (c == '"' && (undo & UNDO_QUOTES))
			continue;
		if (c == '\\' && (undo & UNDO_BACKSLASHES) && p + 1 < end)
			c = (unsigned char)*++p;
		else if (c == '%' && (undo & UNDO_PERCENTS))
			byte = encodedword_hex(p + 1, end);
		if (byte != -1) {
			p += 2;
			c = (unsigned char)byte;
		}
		if (*latin1 && byte >= 0x80) {
			append(t, (unsigned char)(0xc0 | c >> 6));
			c = (unsigned char)(0x80 | (c & 0x3f));
		}
		append(t, c);
	}
}

static void
offer_value(struct finder *f, const char *p, const char *end, unsigned undo)
{
	bool latin1 = false;

	while ((undo & UNDO_QUOTES) && end > p &&
	    strchr(BLANK, end[-1]) != NULL)
		end--;
	f->text.size = 0;
	append_value(&f->text, p, end, undo, &latin1);
	offer(f);
}

/*
 * Up to the semicolon behind from; once, for what stands before it ends alike.
 */
static void
offer_rest(struct finder *f, const char *p, const char *from, unsigned undo)
{
	const char *end = from + strcspn(from, ";");

	if (f->rest_taken != NULL && p < f->rest_taken)
		return;
	f->rest_taken = end;
	offer_value(f, p, end, undo | UNDO_QUOTES);
}

/* --- values */

/* Of one that begins behind a quote: the next, or the end. */
static const char *
quote_end(const char *p, bool backslashes)
{
	for (; *p != '\0' && *p != '"'; p++)
		if (backslashes && p[0] == '\\' && p[1] != '\0')
			p++;
	return p;
}

/*
 * In quotes, in which a backslash stands for the next character; but some mean
 * it by itself, as in a path.  Returns where to go on.
 */
static const char *
read_quoted(struct finder *f, const char *p, unsigned undo)
{
	const char *end = quote_end(p + 1, true), *plain = quote_end(p + 1,
	    false);

	offer_value(f, p + 1, end, undo | UNDO_BACKSLASHES);
	if (memchr(p + 1, '\\', (size_t)(plain - p - 1)) != NULL)
		offer_value(f, p + 1, plain, undo);
	if (*end == '\0')
		offer_rest(f, p, p, undo);
	else if (end[1] != '\0' && strchr(BLANK ";", end[1]) == NULL)
		offer_rest(f, p, end, undo);
	return *plain == '\0' ? p + 1 : plain + 1;
}

/* Returns where to go on. */
static const char *
read_bare(struct finder *f, const char *p, unsigned undo)
{
	const char *end = p + strcspn(p, BLANK ";"),
	    *comment = p + strcspn(p, BLANK ";(");

	if (comment < end)
		offer_value(f, p, comment, undo | UNDO_QUOTES);
	offer_value(f, p, end, undo | UNDO_QUOTES);
	if (*end != '\0' && *end != ';')
		offer_rest(f, p, end, undo);
	return end;
}

/* --- segments (RFC 2231 3 and 4.1) */

static const char *
keep_segment(struct finder *f, struct segment s, const char *p)
{
	s.at = (uint32_t)(p - f->value);
	if (f->count < SEGMENTS_MAX)
		f->segment[f->count++] = s;
	if (*p != '"')
		return p + strcspn(p, BLANK ";");
	p = quote_end(p + 1, false);
	return p + (*p == '"');
}

static int
compare_segments(const void *a, const void *b)
{
	const struct segment *s = a, *t = b;

	if (s->filename != t->filename)
		return s->filename - t->filename;
	if (s->number != t->number)
		return s->number < t->number ? -1 : 1;
	return s->at < t->at ? -1 : 1;
}

static void
append_segment(struct finder *f, const struct segment *s, bool is_first,
    bool percents, bool *latin1)
{
	const char *p = f->value + s->at, *end;
	unsigned undo = s->extended || percents ? UNDO_PERCENTS : 0;

	if (s->extended && is_first)
		undo |= UNDO_CHARSET;
	if (*p == '"') {
		end = quote_end(++p, true);
		undo |= UNDO_BACKSLASHES;
	} else
		end = p + strcspn(p, BLANK ";");
	append_value(&f->text, p, end, undo, latin1);
}

/*
 * Of those with the same number the first or the last; where one is missing,
 * the name may end or go on.
 */
static void
offer_joined(struct finder *f, const struct segment *s, size_t count,
    bool last, bool percents)
{
	unsigned next = s->number;
	bool latin1 = false, gap = false;

	f->text.size = 0;
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && last && s[i + 1].number == s[i].number)
			continue;
		if (i > 0 && !last && s[i - 1].number == s[i].number)
			continue;
		if (s[i].number != next && !gap) {
			offer(f);
			gap = true;
		}
		append_segment(f, &s[i], s[i].number == s->number, percents,
		    &latin1);
		next = s[i].number + 1U;
	}
	offer(f);
}

static void
join_segments(struct finder *f, const struct segment *s, size_t count)
{
	bool twice = false, mixed = false;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		twice |= i > 0 && s[i].number == s[i - 1].number;
		mixed |= !s[i].extended;
	}
	mixed = mixed && strchr(f->value, '%') != NULL;
	offer_joined(f, s, count, false, false);
	if (twice)
		offer_joined(f, s, count, true, false);
	if (mixed)
		offer_joined(f, s, count, false, true);
	if (mixed && twice)
		offer_joined(f, s, count, true, true);
}

/* --- parameters */

static bool
is_token(char c)
{
	return c != '\0' && strchr(BLANK "()<>@,;:\\\"/[]?=", c) == NULL;
}

/* One comment, if it ends; otherwise it is none. */
static const char *
skip_comment(struct finder *f, const char *start)
{
	int depth = 0;

	for (const char *p = start; *p != '\0' &&
	    f->comments < COMMENTS_MAX; p++, f->comments++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
		else if (p[0] == '\\' && p[1] != '\0')
			p++;
	}
	return start;
}

static const char *
skip_gap(struct finder *f, const char *p)
{
	const char *start;

	do {
		start = p;
		p += strspn(p, BLANK);
		if (*p == '(')
			p = skip_comment(f, p);
	} while (p > start && *p != '=');
	return p;
}

/* What begins like a comment may be one, or "(1).exe".  */
static const char *
read_value(struct finder *f, const char *p, bool extended)
{
	unsigned undo = extended ? UNDO_PERCENTS | UNDO_CHARSET : 0;

	if (*p == '(') {
		read_bare(f, p, undo);
		p = skip_gap(f, p);
	}
	return *p == '"' ? read_quoted(f, p, undo) : read_bare(f, p, undo);
}

/* Behind "name": a segment's number, a star, and the equals sign. */
static const char *
read_rest(struct finder *f, const char *p, bool filename)
{
	struct segment s = { .filename = filename };
	bool is_segment = false;
	unsigned number = 0;

	if (p[0] == '*' && p[1] >= '0' && p[1] <= '9') {
		is_segment = true;
		for (p++; *p >= '0' && *p <= '9'; p++)
			number = number < 6000 ?
			    number * 10 + (unsigned)(*p - '0') : number;
		s.number = (uint16_t)number;
	}
	if (*p == '*') {
		s.extended = true;
		p++;
	}
	p = skip_gap(f, p);
	if (*p != '=')
		return NULL;
	p++;
	p += strspn(p, BLANK);
	return is_segment ? keep_segment(f, s, p) :
	    read_value(f, p, s.extended);
}

/* If one begins here.  Returns where to go on; NULL: there is none. */
static const char *
read_parameter(struct finder *f, const char *p)
{
	bool filename = strncasecmp(p, "file", 4) == 0;

	if (filename)
		p += 4;
	return strncasecmp(p, "name", 4) == 0 ? read_rest(f, p + 4, filename) :
	    NULL;
}

static void
find_in(struct finder *f, const char *value)
{
	const char *p = value, *next;
	size_t names = 0;

	f->value = value;
	f->rest_taken = NULL;
	f->count = 0;
	while (*p != '\0') {
		next = NULL;
		if (p == value || !is_token(p[-1]))
			next = read_parameter(f, p);
		if (p[0] == '=' && p[1] == '?')
			f->word_outside = true;
		p = next != NULL ? next : p + 1;
	}
	if (f->count > 1)
		qsort(f->segment, f->count, sizeof f->segment[0],
		    compare_segments);
	while (names < f->count && !f->segment[names].filename)
		names++;
	join_segments(f, f->segment, names);
	join_segments(f, f->segment + names, f->count - names);
}

void
param_find(const char *value, void (*take)(void *arg, const char *name),
    void *arg)
{
	struct finder f;

	f.take = take;
	f.arg = arg;
	f.comments = f.name_size = 0;
	f.word_outside = f.has_nul = false;
	f.last[0] = '\0';
	find_in(&f, value);
	if (!f.word_outside)
		return;
	/* Some readers decode words before they look for parameters. */
	f.decoded.size = 0;
	encodedword_decode(value, value + strlen(value), append_decoded, &f);
	f.decoded.bytes[f.decoded.size] = '\0';
	find_in(&f, f.decoded.bytes);
}
