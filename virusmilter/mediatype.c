#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mediatype.h"

#define BLANKS	" \t\r\n"

struct reader {
	struct mediatype *type;
	const char *p;
	char text[MIME_BOUNDARY_MAX];	/* of the value at hand */
	size_t size;			/* of that; may be more than fits */
	bool odd;			/* it may be read otherwise */
	long sections;			/* of the boundary (RFC 2231 3) */
	bool whole;			/* there is one without sections */
};

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Some readers know nothing of comments. */
static void
skip_comment(struct reader *r)
{
	size_t depth = 0;

	r->type->unclear = true;
	do {
		if (*r->p == '(')
			depth++;
		else if (*r->p == ')')
			depth--;
		else if (*r->p == '\\' && r->p[1] != '\0')
			r->p++;
		r->p++;
	} while (depth > 0 && *r->p != '\0');
}

/* Blanks and comments; returns what stands behind them. */
static char
skip_gap(struct reader *r)
{
	for (;;) {
		r->p += strspn(r->p, BLANKS);
		if (*r->p != '(')
			return *r->p;
		skip_comment(r);
	}
}

/* --- the type */

static void
read_type(struct reader *r)
{
	char *type = r->type->type;
	size_t size = 0;

	skip_gap(r);
	do {
		for (; *r->p != '\0' && !is_one_of(*r->p, BLANKS ";("); r->p++)
			if (*r->p != '"' && size < MIME_TYPE_MAX - 1)
				type[size++] = (char)(*r->p >= 'A' &&
				    *r->p <= 'Z' ? *r->p - 'A' + 'a' : *r->p);
		/* "multipart / mixed" is "multipart/mixed". */
	} while ((skip_gap(r) == '/' || (size > 0 && type[size - 1] == '/')) &&
	    *r->p != ';' && *r->p != '\0');
	type[size] = '\0';
}

/* --- parameters */

static void
add(struct reader *r, char c)
{
	if (r->size < sizeof r->text)
		r->text[r->size] = c;
	r->size++;
}

static void
read_quoted(struct reader *r)
{
	for (r->p++; *r->p != '\0' && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p[1] != '\0') {
			r->odd = true;
			r->p++;
		}
		add(r, *r->p);
	}
	if (*r->p == '\0')
		r->odd = true;
	else
		r->p++;
}

/* Quotes may be missing where there should be some, or one of them. */
static void
read_value(struct reader *r)
{
	r->size = 0;
	r->odd = false;
	if (skip_gap(r) == '"')
		read_quoted(r);
	for (; *r->p != '\0' && !is_one_of(*r->p, BLANKS ";"); r->p++) {
		if (*r->p == '"' || *r->p == '(' || r->p[-1] == '"')
			r->odd = true;
		if (*r->p != '"')
			add(r, *r->p);
	}
	if (skip_gap(r) != ';' && *r->p != '\0')
		r->odd = true;
}

static int
hex(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *digit = c != '\0' ? strchr(digits, c) : NULL;

	return digit != NULL ? (int)(digit - digits) % 16 : -1;
}

/* RFC 2231 4: CHARSET'LANGUAGE'TEXT with %XX for some bytes. */
static void
undo_percents(struct reader *r, bool first)
{
	size_t size = r->size < sizeof r->text ? r->size : sizeof r->text;
	size_t from = 0, to = 0;

	for (int quotes = first ? 2 : 0; quotes > 0 && from < size; from++)
		if (r->text[from] == '\'')
			quotes--;
	for (; from < size; from++) {
		char c = r->text[from];

		if (c == '%' && from + 2 < size && hex(r->text[from + 1]) >= 0
		    && hex(r->text[from + 2]) >= 0) {
			c = (char)(hex(r->text[from + 1]) << 4 |
			    hex(r->text[from + 2]));
			from += 2;
		}
		r->text[to++] = c;
	}
	if (r->size <= sizeof r->text)
		r->size = to;
}

static bool
is_the_same(const struct reader *r)
{
	const struct mediatype *t = r->type;

	return r->size == t->boundary_size &&
	    memcmp(r->text, t->boundary, r->size) == 0;
}

/* All of a boundary, or the next section of one. */
static void
take_boundary(struct reader *r, bool is_section)
{
	struct mediatype *t = r->type;
	size_t before = is_section ? t->boundary_size : 0;

	if (r->odd)
		t->unclear = true;
	if (t->too_long)
		return;
	if (!is_section && t->boundary_size > 0) {
		if (!is_the_same(r))
			t->unclear = true;
		return;
	}
	if (r->size > sizeof t->boundary - before) {
		t->too_long = true;
		t->boundary_size = 0;
		return;
	}
	memcpy(t->boundary + before, r->text, r->size);
	t->boundary_size = before + r->size;
}

/* "boundary", "boundary*", "boundary*1" or "boundary*1*". */
static void
read_boundary(struct reader *r, const char *name, size_t size)
{
	bool percents = name[size - 1] == '*', section = size > 9;
	long number = section ? strtol(name + 9, NULL, 10) : 0;

	if (percents)
		undo_percents(r, number == 0);
	if (section && r->whole) {
		r->type->unclear = true;
		return;
	}
	if (section && number != r->sections++)
		r->odd = true;
	r->whole = !section;
	take_boundary(r, section);
}

static void
read_parameter(struct reader *r)
{
	static const char wanted[] = "boundary";
	const char *name = r->p;
	size_t size = strcspn(name, "=;(" BLANKS), same = sizeof wanted - 1;

	r->p += size > 0 ? size : 1;
	if (skip_gap(r) != '=' || size == 0)
		return;
	r->p++;
	read_value(r);
	if (size >= same && strncasecmp(name, wanted, same) == 0 &&
	    (size == same || name[same] == '*'))
		read_boundary(r, name, size);
}

void
mediatype_read(struct mediatype *t, const char *value)
{
	struct reader r = { .type = t, .p = value };

	*t = (struct mediatype){ .type = "" };
	read_type(&r);
	while (skip_gap(&r) != '\0') {
		if (*r.p == ';')
			r.p++;
		else
			read_parameter(&r);
	}
	/* Those of a line are left out, too. */
	while (t->boundary_size > 0 &&
	    is_one_of(t->boundary[t->boundary_size - 1], BLANKS))
		t->boundary_size--;
}
