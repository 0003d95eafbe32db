#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "macro.h"

#define DELIMITERS	".-+,/_="

/* What may stand in a text: the letters, and bytes from this one to '~'. */
struct grammar {
	const char *letters;
	char first;
};

static const struct grammar domain_grammar = { "slodiphv", '!' };
static const struct grammar text_grammar = { "slodiphvcrt", ' ' };

/* --- what a macro says */

struct macro {
	char letter;		/* lower case; or '%' '_' '-' */
	bool escapes;		/* for a URL */
	size_t parts;		/* so many on the right stay */
	bool reverses;		/* ... once their order is turned round */
	uint64_t delimiters[2];	/* a bit for each byte of ASCII */
};

static bool
is_in(const char *set, char c)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void
add_delimiter(struct macro *m, char c)
{
	m->delimiters[c / 64] |= UINT64_C(1) << c % 64;
}

/* A zero is wrong; a number of any length is no fault (7.3). */
static const char *
read_parts(struct macro *m, const char *p, const char *end)
{
	const char *begin = p;

	m->parts = 0;
	for (; p < end && isdigit((unsigned char)*p); p++)
		if (m->parts < SIZE_MAX / 16)
			m->parts = m->parts * 10 + (size_t)(*p - '0');
	if (p == begin)
		m->parts = SIZE_MAX;
	return m->parts > 0 ? p : NULL;
}

/* What is behind the macro whose % is in front of p; NULL: there is none. */
static const char *
read_macro(struct macro *m, const char *p, const char *end,
    const struct grammar *g)
{
	if (p == end || !is_in("{%_-", *p))
		return NULL;
	m->letter = *p++;
	if (m->letter != '{')
		return p;
	if (p == end)
		return NULL;
	m->escapes = isupper((unsigned char)*p);
	m->letter = (char)tolower((unsigned char)*p++);
	if (!is_in(g->letters, m->letter) ||
	    (p = read_parts(m, p, end)) == NULL)
		return NULL;
	m->reverses = p < end && (*p == 'r' || *p == 'R');
	p += m->reverses;
	m->delimiters[0] = m->delimiters[1] = 0;
	if (p < end && *p == '}')
		add_delimiter(m, '.');
	for (; p < end && is_in(DELIMITERS, *p); p++)
		add_delimiter(m, *p);
	return p < end && *p == '}' ? p + 1 : NULL;
}

/* macro_last: is a macro the last thing in it? */
static bool
is_string(const char *p, const char *end, const struct grammar *g,
    bool *macro_last)
{
	struct macro m;

	*macro_last = false;
	while (p < end) {
		*macro_last = *p == '%';
		if (*p < g->first || *p > '~')
			return false;
		if (*p++ == '%' && (p = read_macro(&m, p, end, g)) == NULL)
			return false;
	}
	return true;
}

/*
 * Does the text end with a dot and a toplabel: letters, digits and dashes, none
 * of these first or last, and not digits alone?  From the end backwards; a
 * macro on the way ends with what is in no label, or has a % before its dash.
 */
static bool
ends_with_toplabel(const char *text, const char *end)
{
	const char *p;
	bool other = false;

	if (end > text && end[-1] == '.')
		end--;
	for (p = end; p > text && (isalnum((unsigned char)p[-1]) ||
	    p[-1] == '-'); p--)
		other = other || !isdigit((unsigned char)p[-1]);
	return other && p > text && p[-1] == '.' && *p != '-' &&
	    end[-1] != '-';
}

bool
macro_is_domain_spec(const char *text, size_t size)
{
	bool macro_last;

	return is_string(text, text + size, &domain_grammar, &macro_last) &&
	    (macro_last || ends_with_toplabel(text, text + size));
}

bool
macro_is_string(const char *text, size_t size)
{
	bool macro_last;

	return is_string(text, text + size, &domain_grammar, &macro_last);
}

bool
macro_is_explain_string(const char *text, size_t size)
{
	bool macro_last;

	return is_string(text, text + size, &text_grammar, &macro_last);
}

/* --- where the expansion goes */

struct sink {
	char *text;
	size_t size, room;
	size_t keep;		/* when it is full, so many of the last bytes
				 * stay; 0: what follows is left out */
};

static void
put(struct sink *s, char c)
{
	if (s->size == s->room) {
		if (s->keep == 0)
			return;
		memmove(s->text, s->text + s->size - s->keep, s->keep);
		s->size = s->keep;
	}
	s->text[s->size++] = c;
}

static void
put_text(struct sink *s, const char *text)
{
	for (; *text != '\0'; text++)
		put(s, *text);
}

/* RFC 3986 2.3 */
static bool
is_unreserved(char c)
{
	return isalnum((unsigned char)c) || is_in("-._~", c);
}

static void
put_escaped(struct sink *s, char c)
{
	char hex[4];

	snprintf(hex, sizeof hex, "%%%02X", (unsigned)(unsigned char)c);
	put_text(s, hex);
}

/* --- what a letter stands for */

#define NIBBLES_MAX	64	/* 32 digits, the dots between them, the NUL */

_Static_assert(NIBBLES_MAX <= ADDR_TEXT_MAX, "an IPv6 address fits");

/* One text, or two with an @ between, which need no room of their own. */
struct value {
	const char *text, *behind;
	size_t text_size, size;		/* of the first; of all */
	char room[ADDR_TEXT_MAX];
};

static char
byte_of(const struct value *v, size_t i)
{
	if (i < v->text_size)
		return v->text[i];
	i -= v->text_size;
	return i == 0 ? '@' : v->behind[i - 1];
}

/* %{i} (7.3): as addr_print(), or every nibble of an IPv6 address. */
static const char *
print_dotted(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	static const char digits[] = "0123456789ABCDEF";
	char *p = out;

	if (addr_is_ipv4(a))
		return addr_print(a, out);
	for (size_t i = 0; i < sizeof a->byte; i++) {
		*p++ = digits[a->byte[i] >> 4];
		*p++ = '.';
		*p++ = digits[a->byte[i] & 15];
		*p++ = '.';
	}
	p[-1] = '\0';
	return out;
}

static const char *
text_of(char letter, const struct macro_words *w, char room[ADDR_TEXT_MAX])
{
	switch (letter) {
	case 's':
	case 'l':
		return w->local;
	case 'o':
		return w->sender_domain;
	case 'd':
		return w->domain;
	case 'i':
		return print_dotted(w->client, room);
	case 'p':
		return w->name(w->arg);
	case 'h':
		return w->helo;
	case 'c':
		return addr_print(w->client, room);
	case 'r':
		return w->receiver;
	case 't':
		snprintf(room, ADDR_TEXT_MAX, "%" PRId64, w->now);
		return room;
	default:
		return addr_is_ipv4(w->client) ? "in-addr" : "ip6";
	}
}

static void
get_value(struct value *v, char letter, const struct macro_words *w)
{
	v->text = text_of(letter, w, v->room);
	v->text_size = v->size = strlen(v->text);
	v->behind = letter == 's' ? w->sender_domain : NULL;
	if (v->behind != NULL)
		v->size += 1 + strlen(v->behind);
}

/* --- the parts of a value */

/* Is there a delimiter in this place? */
static bool
parts_at(const struct value *v, size_t i, const struct macro *m)
{
	unsigned char c = (unsigned char)byte_of(v, i);

	return c < 128 && (m->delimiters[c / 64] >> c % 64 & 1) != 0;
}

/* How many parts are too many.  Between two delimiters is an empty one. */
static size_t
count_surplus(const struct value *v, const struct macro *m)
{
	size_t parts = 1;

	for (size_t i = 0; i < v->size; i++)
		parts += parts_at(v, i, m);
	return parts > m->parts ? parts - m->parts : 0;
}

/*
 * Whatever was between the parts, it becomes a dot.  What would be pushed out
 * again is not put in: a text can name a long local part ten thousand times.
 */
static void
put_parts(struct sink *s, const struct value *v, const struct macro *m,
    size_t from, size_t to)
{
	if (s->keep > 0 && to - from > s->keep)
		from = to - s->keep;
	for (size_t i = from; i < to; i++) {
		char c = parts_at(v, i, m) ? '.' : byte_of(v, i);

		if (m->escapes && !is_unreserved(c))
			put_escaped(s, c);
		else
			put(s, c);
	}
}

static void
put_right_parts(struct sink *s, const struct value *v, const struct macro *m)
{
	size_t surplus = count_surplus(v, m), from = 0;

	while (surplus > 0)
		surplus -= parts_at(v, from++, m);
	put_parts(s, v, m, from, v->size);
}

/* Turned round, what was on the left is on the right. */
static void
put_left_parts_reversed(struct sink *s, const struct value *v,
    const struct macro *m)
{
	size_t surplus = count_surplus(v, m), from, to = v->size;

	while (surplus > 0)
		surplus -= parts_at(v, --to, m);
	for (;; to = from - 1) {
		for (from = to; from > 0 && !parts_at(v, from - 1, m); from--)
			;
		put_parts(s, v, m, from, to);
		if (from == 0)
			return;
		put(s, '.');
	}
}

/* --- expansion */

static void
put_macro(struct sink *s, const struct macro *m, const struct macro_words *w)
{
	struct value v;

	if (m->letter == '%')
		put(s, '%');
	else if (m->letter == '_')
		put(s, ' ');
	else if (m->letter == '-')
		put_text(s, "%20");
	else {
		get_value(&v, m->letter, w);
		if (m->reverses)
			put_left_parts_reversed(s, &v, m);
		else
			put_right_parts(s, &v, m);
	}
}

static void
expand(struct sink *s, const char *p, const char *end,
    const struct grammar *g, const struct macro_words *w)
{
	const char *behind;
	struct macro m;

	while (p < end) {
		behind = *p == '%' ? read_macro(&m, p + 1, end, g) : NULL;
		if (behind != NULL) {
			put_macro(s, &m, w);
			p = behind;
		} else
			put(s, *p++);
	}
}

/*
 * Of a longer text these last bytes decide what is left of it: a name, a dot
 * before it, where it can be cut, and a dot behind it.
 */
#define DOMAIN_KEEP	(1 + MACRO_DOMAIN_MAX - 1 + 1)

const char *
macro_expand_domain(char out[MACRO_DOMAIN_MAX], const char *text, size_t size,
    const struct macro_words *w)
{
	char all[2 * DOMAIN_KEEP];
	struct sink s = { all, 0, sizeof all, DOMAIN_KEEP };
	size_t from = 0;

	expand(&s, text, text + size, &domain_grammar, w);
	if (s.size > 0 && all[s.size - 1] == '.')
		s.size--;
	if (s.size > MACRO_DOMAIN_MAX - 1) {
		from = s.size - (MACRO_DOMAIN_MAX - 1);
		while (from < s.size && all[from - 1] != '.')
			from++;
	}
	memcpy(out, all + from, s.size - from);
	out[s.size - from] = '\0';
	return out;
}

const char *
macro_expand_text(char *out, size_t out_size, const char *text, size_t size,
    const struct macro_words *w)
{
	struct sink s = { out, 0, out_size - 1, 0 };

	expand(&s, text, text + size, &text_grammar, w);
	for (size_t i = 0; i < s.size; i++)
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	out[s.size] = '\0';
	return out;
}
