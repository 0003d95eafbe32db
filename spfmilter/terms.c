#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "macro.h"
#include "terms.h"

#define VERSION_WORD	"v=spf1"
#define VERSION_SIZE	(sizeof VERSION_WORD - 1)

#define IPV4_LENGTH_MAX	32

enum takes {
	TAKES_NOTHING,
	TAKES_DOMAIN,		/* always */
	TAKES_MAYBE_DOMAIN,
	TAKES_HOSTS,		/* perhaps a domain, perhaps lengths */
	TAKES_NETWORK
};

static const struct {
	const char *name;
	enum term_kind kind;
	enum takes takes;
} mechanisms[] = {
	{ "ip4", TERM_IP4, TAKES_NETWORK },
	{ "ip6", TERM_IP6, TAKES_NETWORK },
	{ "include", TERM_INCLUDE, TAKES_DOMAIN },
	{ "a", TERM_A, TAKES_HOSTS },
	{ "mx", TERM_MX, TAKES_HOSTS },
	{ "all", TERM_ALL, TAKES_NOTHING },
	{ "ptr", TERM_PTR, TAKES_MAYBE_DOMAIN },
	{ "exists", TERM_EXISTS, TAKES_DOMAIN },
};

#define MECHANISMS	(sizeof mechanisms / sizeof mechanisms[0])

/*
 * The functions below that read a part of a term return what is wrong with it,
 * or NULL.
 */

static bool
is_word(const char *text, size_t size, const char *word)
{
	return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

/* An address as addr_parse() takes it. */
static bool
parse_address(struct addr *a, const char *text, size_t size)
{
	char copy[ADDR_TEXT_MAX];

	if (size >= sizeof copy || memchr(text, '\0', size) != NULL)
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	return addr_parse(a, copy) == 0;
}

/* "24": up to max, without zeros in front of it.  -1: it is none. */
static int
parse_length(const char *p, const char *end, int max)
{
	int n = 0;

	if (p == end || (p[0] == '0' && end - p > 1))
		return -1;
	for (; p < end && n <= max; p++) {
		if (!isdigit((unsigned char)*p))
			return -1;
		n = n * 10 + (*p - '0');
	}
	return n <= max ? n : -1;
}

/*
 * When the text ends with the slashes and a length, that is set, and the text's
 * end is in front of the slashes.
 */
static void
cut_length(const char *text, const char **end, size_t slashes, int max,
    int *length)
{
	const char *p = *end;
	int n;

	while (p > text && isdigit((unsigned char)p[-1]))
		p--;
	n = parse_length(p, *end, max);
	if (n == -1 || (size_t)(p - text) < slashes ||
	    memcmp(p - slashes, "//", slashes) != 0)
		return;
	*end = p - slashes;
	*length = n;
}

/* The domain-spec that stands behind a colon or an equals sign. */
static const char *
read_domain(struct term *t, const char *p, const char *end)
{
	struct addr a;

	t->domain = p;
	t->domain_size = (size_t)(end - p);
	if (p == end)
		return "no domain";
	if (macro_is_domain_spec(p, t->domain_size))
		return NULL;
	return parse_address(&a, p, t->domain_size) ?
	    "an address where a domain belongs" : "bad domain";
}

static const char *
read_network(struct term *t, const char *p, const char *end)
{
	bool ipv6 = t->kind == TERM_IP6;
	const char *slash = memchr(p, '/', (size_t)(end - p));
	const char *behind = slash != NULL ? slash : end;
	int max = ipv6 ? ADDR_BITS : IPV4_LENGTH_MAX, length = max;

	if (!parse_address(&t->addr, p, (size_t)(behind - p)) ||
	    (memchr(p, ':', (size_t)(behind - p)) != NULL) != ipv6)
		return ipv6 ? "not an IPv6 address" : "not an IPv4 address";
	if (slash != NULL)
		length = parse_length(slash + 1, end, max);
	if (length == -1)
		return "bad prefix length";
	t->bits = ipv6 ? length : ADDR_IPV4_BITS + length;
	addr_mask(&t->addr, t->bits);
	return NULL;
}

/* What is behind a mechanism's name, p to end. */
static const char *
read_argument(struct term *t, enum takes takes, const char *p, const char *end)
{
	if (takes == TAKES_HOSTS) {
		cut_length(p, &end, 2, ADDR_BITS, &t->bits6);
		cut_length(p, &end, 1, IPV4_LENGTH_MAX, &t->bits4);
	}
	if (p == end) {
		if (takes == TAKES_NETWORK)
			return "no address";
		return takes == TAKES_DOMAIN ? "no domain" : NULL;
	}
	if (takes == TAKES_NOTHING)
		return "takes no argument";
	if (*p != ':')
		return takes == TAKES_HOSTS ? "bad prefix length" :
		    "takes no prefix length";
	if (takes == TAKES_NETWORK)
		return read_network(t, p + 1, end);
	return read_domain(t, p + 1, end);
}

static const char *
read_mechanism(struct term *t)
{
	const char *p = t->text, *end = t->text + t->size, *name;
	size_t size, i = 0;

	t->qualifier = '+';
	if (*p == '+' || *p == '-' || *p == '~' || *p == '?')
		t->qualifier = *p++;
	for (name = p; p < end && *p != ':' && *p != '/'; p++)
		;
	size = (size_t)(p - name);
	while (i < MECHANISMS && !is_word(name, size, mechanisms[i].name))
		i++;
	if (i == MECHANISMS)
		return "unknown mechanism";
	t->kind = mechanisms[i].kind;
	return read_argument(t, mechanisms[i].takes, p, end);
}

/* The = behind the name of a modifier; NULL: it is none (4.6.1). */
static const char *
find_equals(const struct term *t)
{
	const char *p = t->text, *end = t->text + t->size;

	if (!isalpha((unsigned char)*p))
		return NULL;
	while (p < end && (isalnum((unsigned char)*p) || *p == '-' ||
	    *p == '_' || *p == '.'))
		p++;
	return p < end && *p == '=' ? p : NULL;
}

static const char *
read_modifier(struct terms_reader *r, struct term *t, const char *equals)
{
	const char *value = equals + 1, *end = t->text + t->size;
	size_t name_size = (size_t)(equals - t->text);
	bool *seen;

	if (is_word(t->text, name_size, "redirect")) {
		t->kind = TERM_REDIRECT;
		seen = &r->redirect;
	} else if (is_word(t->text, name_size, "exp")) {
		t->kind = TERM_EXP;
		seen = &r->exp;
	} else {
		t->kind = TERM_UNKNOWN;
		return macro_is_string(value, (size_t)(end - value)) ? NULL :
		    "bad value of a modifier";
	}
	if (*seen)
		return "may stand only once";
	*seen = true;
	return read_domain(t, value, end);
}

bool
terms_are_spf(const char *text, size_t size)
{
	return size >= VERSION_SIZE &&
	    strncasecmp(text, VERSION_WORD, VERSION_SIZE) == 0 &&
	    (size == VERSION_SIZE || text[VERSION_SIZE] == ' ');
}

void
terms_begin(struct terms_reader *r, const char *text, size_t size)
{
	memset(r, 0, sizeof *r);
	r->next = text + VERSION_SIZE;
	r->end = text + size;
}

int
terms_next(struct terms_reader *r, struct term *t)
{
	const char *behind, *equals;

	while (r->next < r->end && *r->next == ' ')
		r->next++;
	if (r->next == r->end)
		return 0;
	behind = memchr(r->next, ' ', (size_t)(r->end - r->next));
	if (behind == NULL)
		behind = r->end;
	memset(t, 0, sizeof *t);
	t->text = r->next;
	t->size = (size_t)(behind - r->next);
	t->bits4 = IPV4_LENGTH_MAX;
	t->bits6 = ADDR_BITS;
	equals = find_equals(t);
	r->wrong = equals != NULL ? read_modifier(r, t, equals) :
	    read_mechanism(t);
	r->next = behind;
	if (r->wrong == NULL)
		return 1;
	r->term = t->text;
	r->term_size = t->size;
	return -1;
}
