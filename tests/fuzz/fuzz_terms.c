/*
 * SPF records: a term is good when it is one by the grammar, and says what
 * stands there; terms lie in the record one behind the other, with blanks and
 * nothing else between them.
 *
 * The input is the record.
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "macro.h"
#include "spf_abnf.h"
#include "terms.h"

/* --- by the grammar */

#define QUALIFIER	"[-+?~]?"
#define LENGTH4		"(/([0-9]|[12][0-9]|3[0-2]))"
#define LENGTH6		"(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))"
#define HOSTS		"(:" ABNF_DOMAIN ")?" LENGTH4 "?(/" LENGTH6 ")?"
#define QNUM		"([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"

/* Of IPv6 addresses only the letters: what is one, inet_pton(3) knows. */
static struct abnf kinds[] = {
	[TERM_ALL] = { .pattern = QUALIFIER "all" },
	[TERM_INCLUDE] = { .pattern = QUALIFIER "include:" ABNF_DOMAIN },
	[TERM_A] = { .pattern = QUALIFIER "a" HOSTS },
	[TERM_MX] = { .pattern = QUALIFIER "mx" HOSTS },
	[TERM_PTR] = { .pattern = QUALIFIER "ptr(:" ABNF_DOMAIN ")?" },
	[TERM_IP4] = { .pattern = QUALIFIER "ip4:(" QNUM "\\.){3}" QNUM
	    LENGTH4 "?" },
	[TERM_IP6] = { .pattern = QUALIFIER "ip6:[0-9a-f.]*:[0-9a-f:.]*"
	    LENGTH6 "?" },
	[TERM_EXISTS] = { .pattern = QUALIFIER "exists:" ABNF_DOMAIN },
	[TERM_REDIRECT] = { .pattern = "redirect=" ABNF_DOMAIN },
	[TERM_EXP] = { .pattern = "exp=" ABNF_DOMAIN },
	[TERM_UNKNOWN] = { .pattern = "[a-z][-a-z0-9_.]*=" ABNF_STRING },
};

static struct abnf known = { .pattern = "(redirect|exp)=.*" };

#define KINDS	(int)(sizeof kinds / sizeof kinds[0])

/* The network of a term that is one; -1: it is none. */
static int
parse_network(struct addr *a, const char *text, size_t size)
{
	const char *colon = memchr(text, ':', size), *end = text + size;
	const char *slash = memchr(text, '/', size);
	char copy[ADDR_TEXT_MAX];
	size_t length;

	colon++;
	length = (size_t)((slash != NULL ? slash : end) - colon);
	if (length >= sizeof copy)
		return -1;
	memcpy(copy, colon, length);
	copy[length] = '\0';
	return addr_parse(a, copy);
}

/* -1: it is none. */
static int
kind_of(const char *text, size_t size)
{
	struct addr a;
	int kind = -1;

	for (int i = 0; i < KINDS; i++) {
		if (!abnf_is(&kinds[i], text, size) ||
		    (i == TERM_UNKNOWN && abnf_is(&known, text, size)))
			continue;
		CHECK(kind == -1);
		kind = i;
	}
	if ((kind == TERM_IP4 || kind == TERM_IP6) &&
	    parse_network(&a, text, size) == -1)
		return -1;
	return kind;
}

/* --- against the code */

/* The number behind the last so many slashes; else -1. */
static int
length_at_end(const char *text, size_t size, const char *slashes)
{
	const char *end = text + size, *p = end;
	size_t count = strlen(slashes);
	int n = 0;

	while (p > text && isdigit((unsigned char)p[-1]))
		p--;
	if (p == end || (size_t)(p - text) < count ||
	    memcmp(p - count, slashes, count) != 0)
		return -1;
	for (; p < end && n <= ADDR_BITS; p++)
		n = n * 10 + (*p - '0');
	return n;
}

static void
check_network(const struct term *t)
{
	int max = t->kind == TERM_IP4 ? 32 : ADDR_BITS;
	int length = length_at_end(t->text, t->size, "/");
	struct addr want;

	CHECK(parse_network(&want, t->text, t->size) == 0);
	CHECK(t->bits - (ADDR_BITS - max) == (length == -1 ? max : length));
	addr_mask(&want, t->bits);
	CHECK(memcmp(&want, &t->addr, sizeof want) == 0);
}

/* What is said in front of the domain, and behind it, is all of the term. */
static void
check_hosts(const struct term *t)
{
	char behind[32];
	const char *from = t->domain != NULL ? t->domain + t->domain_size :
	    t->text + (t->qualifier == *t->text) + (t->kind == TERM_A ? 1 : 2);
	size_t size = (size_t)(t->text + t->size - from), n = 0;

	behind[0] = '\0';
	if (length_at_end(from, size, "/") != -1 && size > 1 &&
	    memcmp(from, "//", 2) != 0)
		n = (size_t)snprintf(behind, sizeof behind, "/%d", t->bits4);
	else
		CHECK(t->bits4 == 32);
	if (length_at_end(from, size, "//") != -1)
		snprintf(behind + n, sizeof behind - n, "//%d", t->bits6);
	else
		CHECK(t->bits6 == 128);
	CHECK(strlen(behind) == size && memcmp(behind, from, size) == 0);
}

static void
check_term(const struct term *t)
{
	bool modifies = t->kind >= TERM_REDIRECT;

	CHECK((int)t->kind == kind_of(t->text, t->size));
	CHECK(modifies ? t->qualifier == 0 : t->qualifier == *t->text ||
	    (t->qualifier == '+' && isalpha((unsigned char)*t->text)));
	if (t->domain != NULL) {
		CHECK(t->domain > t->text && t->domain + t->domain_size <=
		    t->text + t->size);
		CHECK(t->domain[-1] == (modifies ? '=' : ':'));
		CHECK(macro_is_domain_spec(t->domain, t->domain_size));
	} else
		CHECK(t->kind != TERM_INCLUDE && t->kind != TERM_EXISTS &&
		    t->kind != TERM_REDIRECT && t->kind != TERM_EXP);
	if (t->kind == TERM_IP4 || t->kind == TERM_IP6)
		check_network(t);
	if (t->kind == TERM_A || t->kind == TERM_MX)
		check_hosts(t);
}

static bool
is_blank(const char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != ' ')
			return false;
	return true;
}

static void
check_place(const char *before, const char *text, size_t size, const char *end)
{
	CHECK(text > before && is_blank(before, text));
	CHECK(size > 0 && size <= (size_t)(end - text));
	CHECK(memchr(text, ' ', size) == NULL);
	CHECK(text + size == end || text[size] == ' ');
}

/* Why is it no term? */
static void
check_wrong(const struct terms_reader *r, int redirects, int exps)
{
	int kind = kind_of(r->term, r->term_size);

	CHECK(r->wrong != NULL && r->wrong[0] != '\0');
	CHECK(kind == -1 || (kind == TERM_REDIRECT && redirects == 1) ||
	    (kind == TERM_EXP && exps == 1));
}

static void
check_record(const char *text, size_t size)
{
	const char *end = text + size, *before = text + 6;
	int redirects = 0, exps = 0, more;
	struct terms_reader r;
	struct term t;

	terms_begin(&r, text, size);
	while ((more = terms_next(&r, &t)) == 1) {
		check_place(before, t.text, t.size, end);
		check_term(&t);
		redirects += t.kind == TERM_REDIRECT;
		exps += t.kind == TERM_EXP;
		before = t.text + t.size;
	}
	CHECK(redirects <= 1 && exps <= 1);
	if (more == 0) {
		CHECK(is_blank(before, end));
		CHECK(terms_next(&r, &t) == 0);
		return;
	}
	CHECK(more == -1);
	check_place(before, r.term, r.term_size, end);
	check_wrong(&r, redirects, exps);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* In memory of its own size, which the sanitizer watches. */
	char *text = calloc(1, size > 0 ? size : 1);
	bool spf;

	CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	spf = size >= 6 && strncasecmp(text, "v=spf1", 6) == 0 &&
	    (size == 6 || text[6] == ' ');
	CHECK(terms_are_spf(text, size) == spf);
	if (spf)
		check_record(text, size);
	free(text);
	return 0;
}
