#include <string.h>

#include "addr.h"
#include "addrlist.h"

/*
 * Bytes make words, words without a gap between them make an address or a part
 * of a name, and these make an item, which is what stands between two commas.
 * An item shows at its end whether a word in it was a name, a local part or
 * something that nobody can read.
 */
enum kind {
	ATOM,			/* all bytes that are none of those below */
	BLANK,
	DOT,
	AT,
	QUOTE,
	COMMENT,
	LITERAL,
	LESS,
	GREATER,
	COMMA,
	SEMICOLON,
	COLON,
	STRAY,			/* they have no meaning where they stand */
	NOTHING			/* no byte is of this kind */
};

static const unsigned char kinds[256] = {
	[' '] = BLANK, ['\t'] = BLANK, ['\r'] = BLANK, ['\n'] = BLANK,
	['.'] = DOT, ['@'] = AT, ['"'] = QUOTE, ['('] = COMMENT,
	['['] = LITERAL, ['<'] = LESS, ['>'] = GREATER, [','] = COMMA,
	[';'] = SEMICOLON, [':'] = COLON,
	[')'] = STRAY, [']'] = STRAY, ['\\'] = STRAY,
};

/*
 * Blanks, commas, dots, quotes and an @ beyond ASCII, and what is not shown at
 * all, which are pasted and typed by mistake; some readers take them for those
 * of ASCII: U+00A0, U+00AB, U+00AD, U+00B4, U+00BB, U+060C, U+061B, U+2000 to
 * U+207F, U+3000 to U+3002, U+FE00 to U+FE7F, U+FEFF, U+FF00 to U+FF7F.
 */
static const char *const lookalikes[] = {
	"\xc2\xa0", "\xc2\xab", "\xc2\xad", "\xc2\xb4", "\xc2\xbb",
	"\xd8\x8c", "\xd8\x9b", "\xe2\x80", "\xe2\x81",
	"\xe3\x80\x80", "\xe3\x80\x81", "\xe3\x80\x82",
	"\xef\xb8", "\xef\xb9", "\xef\xbb\xbf", "\xef\xbc", "\xef\xbd", NULL
};

/* The words at hand. */
struct words {
	enum kind last;		/* NOTHING: there are none */
	size_t size;		/* of the text; may be more than fits */
	size_t ats, at;		/* how many @, and where the first is */
	unsigned char bits;	/* that any byte has */
	bool detail;		/* has begun, and is left out */
	bool phrase;		/* a blank or an @ is in quotes */
	bool bad;		/* words that cannot stand side by side */
	bool dot_gap;		/* there is one before the last dot */
	bool ragged;		/* a dot has one on one side only */
};

static const struct words no_words = { .last = NOTHING };

struct item {
	bool address;		/* there is one */
	bool name;		/* there are words without an @ */
	bool nobody;		/* ... which say that nobody is meant */
	bool doubt;		/* there are words that cannot be read */
	bool aside;		/* there is an @ in quotes or a comment */
};

struct reader {
	struct addrlist *list;
	const unsigned char *p, *end;
	struct words words;
	struct item item;
	struct item before;	/* what the item was before its < */
	bool gap;		/* behind the last word */
	bool angle;		/* behind a < */
	char text[ADDRLIST_ADDRESS_MAX];	/* of the words */
};

/* --- words */

static void
put(struct reader *r, unsigned char c)
{
	struct words *w = &r->words;

	if (w->size < sizeof r->text)
		r->text[w->size] = (char)(c >= 'A' && c <= 'Z' ?
		    c - 'A' + 'a' : c);
	w->size++;
	w->bits |= c;
}

static void
add(struct reader *r, unsigned char c)
{
	struct words *w = &r->words;

	if (c == '+' && w->ats == 0 && w->size > 0)
		w->detail = true;
	if (!w->detail || w->ats > 0)
		put(r, c);
}

static bool
is_too_long(const struct reader *r)
{
	return r->words.size >= sizeof r->text;
}

/* An encoded word (RFC 2047), or what looks like something else. */
static bool
is_strange(struct reader *r)
{
	size_t last = sizeof r->text - 1;

	r->text[r->words.size < last ? r->words.size : last] = '\0';
	if ((r->text[0] == '=' && r->text[1] == '?') || r->text[0] == '\'')
		return true;
	/* Other nets have other addresses: host!joe, joe%host, joe/sales. */
	if (strpbrk(r->text, "!%/") != NULL)
		return true;
	if (r->words.bits < 0x80)
		return false;
	for (const char *const *l = lookalikes; *l != NULL; l++)
		if (strstr(r->text, *l) != NULL)
			return true;
	return false;
}

/* Outlook has 'joe@example.org' for what it knows no name of. */
static void
drop_single_quotes(struct reader *r)
{
	struct words *w = &r->words;

	if (is_too_long(r) || w->size < 2 || r->text[0] != '\'' ||
	    r->text[w->size - 1] != '\'')
		return;
	w->size -= 2;
	w->at--;
	memmove(r->text, r->text + 1, w->size);
}

static void
drop_final_dots(struct reader *r)
{
	while (r->words.size > r->words.at + 1 &&
	    r->text[r->words.size - 1] == '.')
		r->words.size--;
}

/* Are they an address?  Then they come out in its form. */
static bool
is_address(struct reader *r)
{
	struct words *w = &r->words;
	const char *domain;
	size_t size;

	if (w->ats != 1 || w->bad)
		return false;
	if (is_too_long(r))
		return true;
	drop_final_dots(r);
	drop_single_quotes(r);
	drop_final_dots(r);
	domain = r->text + w->at + 1;
	size = w->size - w->at - 1;
	return addr_is_domain(domain, size, size) ||
	    addr_is_literal(domain, size);
}

/* Are they a local part without a domain?  Then so, too. */
static bool
is_local(struct reader *r)
{
	struct words *w = &r->words;

	if (w->last == NOTHING || w->ats > 0 || w->bad || w->phrase)
		return false;
	drop_single_quotes(r);
	return !is_strange(r);
}

static bool
is_nobody(const struct reader *r)
{
	static const char word[] = "undisclosed";
	size_t size = sizeof word - 1;

	return r->words.size >= size && memcmp(r->text, word, size) == 0;
}

static void
take(struct reader *r)
{
	r->list->addresses++;
	if (is_too_long(r) || r->words.at == 0)
		return;
	r->text[r->words.size] = '\0';
	r->list->take(r->list->arg, r->text);
}

static void
end_words(struct reader *r)
{
	struct words *w = &r->words;

	if (w->last == NOTHING)
		return;
	if (is_address(r)) {
		/*
		 * "Dr. joe@example.org" is dr.joe by the obsolete form, and
		 * joe to most.
		 */
		if (is_strange(r) || (w->ragged && !r->angle))
			r->list->unknown = true;
		take(r);
		r->item.address = true;
	} else if (w->ats > 0 || w->bad) {
		r->item.doubt = true;
	} else {
		if (!r->item.name)
			r->item.nobody = is_nobody(r);
		r->item.name = true;
	}
	r->words = no_words;
}

/* A word of this kind comes next: is it one of those at hand? */
static void
join(struct reader *r, enum kind kind)
{
	struct words *w = &r->words;

	if (w->last != NOTHING && w->last != DOT && w->last != AT &&
	    kind != DOT && kind != AT) {
		if (r->gap)
			end_words(r);
		else
			w->bad = true;
	}
	if (kind == LITERAL ? w->last != AT : kind == QUOTE && w->ats > 0)
		w->bad = true;
	if (w->last == DOT && w->dot_gap != r->gap)
		w->ragged = true;
	if (kind == DOT)
		w->dot_gap = r->gap && w->last != NOTHING;
	w->last = kind;
	r->gap = false;
}

/* --- items */

static void
end_item(struct reader *r)
{
	struct item *i = &r->item;

	if (!i->name && !i->address && !i->doubt && is_local(r) &&
	    !is_nobody(r)) {
		if (r->words.size > 0) {
			r->words.at = r->words.size;
			put(r, '@');
			take(r);
		}
		r->words = no_words;
	}
	end_words(r);
	if (i->doubt || (!i->address &&
	    ((i->name && !i->nobody) || i->aside)))
		r->list->unknown = true;
	*i = (struct item){ .address = false };
}

/* Is there nothing in the item? */
static bool
is_empty(const struct reader *r)
{
	return r->words.last == NOTHING && !r->item.address && !r->item.name &&
	    !r->item.doubt;
}

/* What was before it is a name, if there is something in it. */
static void
begin_angle(struct reader *r)
{
	end_words(r);
	if (!r->angle)
		r->before = r->item;
	r->item = (struct item){ .address = false };
	r->angle = true;
}

static void
end_angle(struct reader *r)
{
	bool empty = is_empty(r);

	end_item(r);
	/* A name that nobody can read may have swallowed another address. */
	if (r->before.doubt && r->before.aside)
		r->list->unknown = true;
	if (empty)
		r->item = r->before;
	else
		r->item.address = true;
	r->angle = false;
}

/* Are the words at hand a part of a route (RFC 5321 4.1.2)? */
static bool
is_route(const struct reader *r)
{
	return r->words.ats == 1 && r->words.at == 0;
}

static void
comma(struct reader *r)
{
	if (r->angle && (is_route(r) || is_empty(r))) {
		r->words = no_words;
		return;
	}
	if (r->angle)
		end_angle(r);
	end_item(r);
}

/* What was before it is a route, the name of a group or "mailto". */
static void
colon(struct reader *r)
{
	if (is_route(r))
		r->words = no_words;
	end_words(r);
	r->item.address = r->item.name = false;
}

/* --- bytes */

static void
read_atom(struct reader *r)
{
	join(r, ATOM);
	do
		add(r, *r->p++);
	while (r->p < r->end && kinds[*r->p] == ATOM);
}

static void
read_at(struct reader *r)
{
	join(r, AT);
	r->p++;
	if (r->words.ats++ == 0) {
		r->words.at = r->words.size;
		put(r, '@');
	}
}

/* It does not end: what it would have been is unknown. */
static void
fail(struct reader *r)
{
	r->words = no_words;
	r->list->unknown = true;
}

static void
read_quoted(struct reader *r)
{
	join(r, QUOTE);
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		unsigned char c = *r->p;

		if (c == '\r' || c == '\n')
			continue;
		if (c == '\\') {
			if (++r->p == r->end)
				break;
			c = *r->p;
		}
		if (kinds[c] == AT)
			r->item.aside = true;
		if (kinds[c] == AT || kinds[c] == BLANK)
			r->words.phrase = true;
		add(r, c);
	}
	if (r->p == r->end)
		fail(r);
	else
		r->p++;
}

static void
read_literal(struct reader *r)
{
	join(r, LITERAL);
	for (; r->p < r->end && *r->p != ']'; r->p++) {
		if (kinds[*r->p] == LESS)
			r->item.aside = true;
		if (kinds[*r->p] != BLANK)
			add(r, *r->p);
	}
	if (r->p == r->end)
		fail(r);
	else
		add(r, *r->p++);
}

static void
skip_comment(struct reader *r)
{
	size_t depth = 1;

	r->gap = true;
	for (r->p++; r->p < r->end && depth > 0; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		else if (*r->p == '(')
			depth++;
		else if (*r->p == ')')
			depth--;
		if (*r->p == '@')
			r->item.aside = true;
	}
	if (depth > 0)
		r->list->unknown = true;
}

/* A byte that is no word. */
static void
read_mark(struct reader *r, enum kind kind)
{
	switch (kind) {
	case LESS:
		begin_angle(r);
		break;
	case GREATER:
		/* One too many, as in "joe@example.org>", is a gap. */
		if (r->angle)
			end_angle(r);
		break;
	case COMMA:
		comma(r);
		break;
	case SEMICOLON:
		if (r->angle)
			end_angle(r);
		end_item(r);
		break;
	case COLON:
		colon(r);
		break;
	case STRAY:
		end_words(r);
		r->list->unknown = true;
		break;
	default:
		break;
	}
	r->gap = true;
	r->p++;
}

static void
read_next(struct reader *r)
{
	enum kind kind = kinds[*r->p];

	switch (kind) {
	case ATOM:
		read_atom(r);
		break;
	case DOT:
		join(r, DOT);
		add(r, *r->p++);
		break;
	case AT:
		read_at(r);
		break;
	case QUOTE:
		read_quoted(r);
		break;
	case LITERAL:
		read_literal(r);
		break;
	case COMMENT:
		skip_comment(r);
		break;
	default:
		read_mark(r, kind);
	}
}

void
addrlist_read(struct addrlist *list, const char *value)
{
	struct reader r = { .list = list, .words = no_words };
	size_t room = ADDRLIST_BYTES_MAX - list->bytes;
	size_t size = strnlen(value, room + 1);
	bool cut = size > room;

	size = cut ? room : size;
	list->bytes += size;
	r.p = (const unsigned char *)value;
	r.end = r.p + size;
	while (r.p < r.end)
		read_next(&r);
	if (cut) {
		list->unknown = true;
		return;
	}
	if (r.angle)
		end_angle(&r);
	end_item(&r);
}
