/*
 * t_terms - the terms of SPF records, one by one: what each says, which are
 * none, and why.
 */
#include <stdbool.h>
#include <string.h>

#include "terms.h"
#include "unit.h"

/* Counted, for there may be any bytes in it. */
struct text {
	const char *bytes;
	size_t size;
};

#define TEXT(literal)	{ literal, sizeof (literal) - 1 }

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
versions(void **state)
{
	static const struct {
		struct text text;
		bool wanted;
	} table[] = {
		{ TEXT("v=spf1"), true },
		{ TEXT("v=spf1 "), true },
		{ TEXT("v=spf1 mx"), true },
		{ TEXT("V=SPF1 mx"), true },
		{ TEXT("v=spf1  mx \0"), true },
		{ TEXT("v=spf10"), false },
		{ TEXT("v=spf1mx"), false },
		{ TEXT("v=spf1\tmx"), false },
		{ TEXT("v=spf1\0"), false },
		{ TEXT("v=spf1.0 mx"), false },
		{ TEXT("v=spf2.0/pra mx"), false },
		{ TEXT("v=spf3 !a:yahoo.com -all"), false },
		{ TEXT("v=spfl am not an SPF record"), false },
		{ TEXT(" v=spf1 mx"), false },
		{ TEXT("\"v=spf1 mx\""), false },
		{ TEXT("v=spf"), false },
		{ TEXT("\226"), false },
		{ TEXT("NONE"), false },
		{ TEXT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(terms_are_spf(table[i].text.bytes, table[i].text.size) ==
		    table[i].wanted, "row %zu: %s", i, table[i].text.bytes);
	/* Only what is counted is read. */
	assert_true(terms_are_spf("v=spf10", 6));
	assert_false(terms_are_spf("v=spf1", 5));
}

/* --- what a good term says */

struct said {
	const char *text;
	enum term_kind kind;
	char qualifier;
	const char *domain;		/* NULL: none */
	int bits4, bits6;		/* -1: 32, 128 */
};

static const struct said terms[] = {
	{ "all", TERM_ALL, '+', NULL, -1, -1 },
	{ "+all", TERM_ALL, '+', NULL, -1, -1 },
	{ "-all", TERM_ALL, '-', NULL, -1, -1 },
	{ "~All", TERM_ALL, '~', NULL, -1, -1 },
	{ "?ALL", TERM_ALL, '?', NULL, -1, -1 },
	{ "include:example.org", TERM_INCLUDE, '+', "example.org", -1, -1 },
	{ "-Include:a.b/c.org.", TERM_INCLUDE, '-', "a.b/c.org.", -1, -1 },
	{ "exists:%{i}.example.org", TERM_EXISTS, '+', "%{i}.example.org",
	    -1, -1 },
	{ "exists:a%%", TERM_EXISTS, '+', "a%%", -1, -1 },
	{ "exists:.org", TERM_EXISTS, '+', ".org", -1, -1 },
	{ "ptr", TERM_PTR, '+', NULL, -1, -1 },
	{ "~PTR:example.org", TERM_PTR, '~', "example.org", -1, -1 },
	{ "a", TERM_A, '+', NULL, -1, -1 },
	{ "A/24", TERM_A, '+', NULL, 24, -1 },
	{ "a//64", TERM_A, '+', NULL, -1, 64 },
	{ "a/24//64", TERM_A, '+', NULL, 24, 64 },
	{ "a/0//0", TERM_A, '+', NULL, 0, 0 },
	{ "a/32//128", TERM_A, '+', NULL, 32, 128 },
	{ "a//24", TERM_A, '+', NULL, -1, 24 },
	{ "?a:example.org", TERM_A, '?', "example.org", -1, -1 },
	{ "a:example.org/24", TERM_A, '+', "example.org", 24, -1 },
	{ "a:example.org//64", TERM_A, '+', "example.org", -1, 64 },
	{ "a:example.org./24//64", TERM_A, '+', "example.org.", 24, 64 },
	{ "a:%{d}/24", TERM_A, '+', "%{d}", 24, -1 },
	{ "a:%{i/}//9", TERM_A, '+', "%{i/}", -1, 9 },
	{ "a:a//64/24.org/1", TERM_A, '+', "a//64/24.org", 1, -1 },
	{ "a:a:b=c.org", TERM_A, '+', "a:b=c.org", -1, -1 },
	{ "a:1.2.3.4.x1", TERM_A, '+', "1.2.3.4.x1", -1, -1 },
	{ "a:example.1-1", TERM_A, '+', "example.1-1", -1, -1 },
	{ "mx", TERM_MX, '+', NULL, -1, -1 },
	{ "-mX:example.org/8//16", TERM_MX, '-', "example.org", 8, 16 },
	{ "redirect=example.org", TERM_REDIRECT, 0, "example.org", -1, -1 },
	{ "Redirect=%{d2}", TERM_REDIRECT, 0, "%{d2}", -1, -1 },
	{ "EXP=a.%{D}", TERM_EXP, 0, "a.%{D}", -1, -1 },
	{ "exp=a.b/24.org", TERM_EXP, 0, "a.b/24.org", -1, -1 },
	{ "x=", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "x=y=z:/%{l1r-}%%", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "a=example.org", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "all=", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "redirects=", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "x1-_.=1", TERM_UNKNOWN, 0, NULL, -1, -1 },
	{ "v=spf1", TERM_UNKNOWN, 0, NULL, -1, -1 },
};

/* The one term that stands between others. */
static struct term
read_between(char *record, size_t size, const char *term)
{
	struct terms_reader r;
	struct term first, t, last;

	snprintf(record, size, "v=spf1  -all %s   ?mx ", term);
	terms_begin(&r, record, strlen(record));
	CHECK(terms_next(&r, &first) == 1 && terms_next(&r, &t) == 1 &&
	    terms_next(&r, &last) == 1 && terms_next(&r, &first) == 0,
	    "%s", term);
	assert_int_equal(last.kind, TERM_MX);
	assert_int_equal(last.qualifier, '?');
	CHECK(t.text == record + strlen("v=spf1  -all ") &&
	    t.size == strlen(term), "%s", term);
	return t;
}

static void
good_terms(void **state)
{
	char record[200];

	(void)state;
	for (size_t i = 0; i < COUNT(terms); i++) {
		const struct said *s = &terms[i];
		struct term t = read_between(record, sizeof record, s->text);

		CHECK(t.kind == s->kind && t.qualifier == s->qualifier,
		    "%s: %d %c", s->text, t.kind, t.qualifier);
		CHECK((t.domain == NULL) == (s->domain == NULL), "%s",
		    s->text);
		if (s->domain != NULL)
			CHECK(t.domain_size == strlen(s->domain) &&
			    memcmp(t.domain, s->domain, t.domain_size) == 0 &&
			    t.domain > t.text &&
			    t.domain + t.domain_size <= t.text + t.size,
			    "%s: %.*s", s->text, (int)t.domain_size, t.domain);
		CHECK(t.bits4 == (s->bits4 == -1 ? 32 : s->bits4) &&
		    t.bits6 == (s->bits6 == -1 ? 128 : s->bits6),
		    "%s: %d %d", s->text, t.bits4, t.bits6);
	}
}

static void
networks(void **state)
{
	static const struct {
		const char *text;
		enum term_kind kind;
		const char *addr;
		int bits;
	} table[] = {
		{ "ip4:192.0.2.1", TERM_IP4, "192.0.2.1", 128 },
		{ "IP4:192.0.2.1/32", TERM_IP4, "192.0.2.1", 128 },
		{ "ip4:192.0.2.1/24", TERM_IP4, "192.0.2.0", 120 },
		{ "ip4:192.0.2.0/1", TERM_IP4, "128.0.0.0", 97 },
		{ "ip4:192.0.2.1/0", TERM_IP4, "0.0.0.0", 96 },
		{ "ip4:255.255.255.255", TERM_IP4, "255.255.255.255", 128 },
		{ "ip6:2001:DB8::1", TERM_IP6, "2001:db8::1", 128 },
		{ "ip6:2001:db8::1/128", TERM_IP6, "2001:db8::1", 128 },
		{ "Ip6:2001:db8:ffff::/33", TERM_IP6, "2001:db8:8000::", 33 },
		{ "ip6:2001:db8::1/0", TERM_IP6, "::", 0 },
		{ "ip6:::1", TERM_IP6, "::1", 128 },
		{ "ip6:1:2:3:4:5:6:7:8/9", TERM_IP6, "::", 9 },
		{ "ip6:::1.2.3.4", TERM_IP6, "::1.2.3.4", 128 },
		{ "ip6:::ffff:1.2.3.4", TERM_IP6, "1.2.3.4", 128 },
		{ "ip6:1111:2222:3333:4444:5555:6666:255.255.255.255",
		    TERM_IP6,
		    "1111:2222:3333:4444:5555:6666:255.255.255.255", 128 },
	};
	char record[200];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct term t = read_between(record, sizeof record,
		    table[i].text);
		struct addr wanted = address(table[i].addr);

		CHECK(t.kind == table[i].kind && t.bits == table[i].bits &&
		    t.domain == NULL, "%s: %d/%d", table[i].text, t.kind,
		    t.bits);
		CHECK(memcmp(&t.addr, &wanted, sizeof wanted) == 0, "%s",
		    table[i].text);
	}
}

/* --- what is no term */

static const struct {
	struct text term;
	const char *wrong;
} wrongs[] = {
	{ TEXT("mxx"), "unknown mechanism" },
	{ TEXT("ip"), "unknown mechanism" },
	{ TEXT("+"), "unknown mechanism" },
	{ TEXT("--all"), "unknown mechanism" },
	{ TEXT("!a"), "unknown mechanism" },
	{ TEXT("- all"), "unknown mechanism" },
	{ TEXT(":example.org"), "unknown mechanism" },
	{ TEXT("192.0.2.1"), "unknown mechanism" },
	{ TEXT("a\tmx"), "unknown mechanism" },
	{ TEXT("a\0"), "unknown mechanism" },
	{ TEXT("\0a"), "unknown mechanism" },
	{ TEXT("mx\240"), "unknown mechanism" },
	{ TEXT("-redirect=example.org"), "unknown mechanism" },
	{ TEXT("+x=y"), "unknown mechanism" },
	{ TEXT("x\303\244=y"), "unknown mechanism" },
	{ TEXT("-x=y"), "unknown mechanism" },
	{ TEXT("_x=y"), "unknown mechanism" },
	{ TEXT("all:"), "takes no argument" },
	{ TEXT("all//8"), "takes no argument" },
	{ TEXT("include"), "no domain" },
	{ TEXT("include:"), "no domain" },
	{ TEXT("exists:"), "no domain" },
	{ TEXT("exists/24"), "takes no prefix length" },
	{ TEXT("ptr:"), "no domain" },
	{ TEXT("ptr//0"), "takes no prefix length" },
	{ TEXT("ptr:example.org/24"), "bad domain" },
	{ TEXT("a:"), "no domain" },
	{ TEXT("a:/24"), "no domain" },
	{ TEXT("a:/24//64"), "no domain" },
	{ TEXT("mx://64"), "no domain" },
	{ TEXT("a/"), "bad prefix length" },
	{ TEXT("a//"), "bad prefix length" },
	{ TEXT("a///64"), "bad prefix length" },
	{ TEXT("a//64/24"), "bad prefix length" },
	{ TEXT("a/24/"), "bad prefix length" },
	{ TEXT("a/24//"), "bad prefix length" },
	{ TEXT("a/24//64//64"), "bad prefix length" },
	{ TEXT("a/24/24"), "bad prefix length" },
	{ TEXT("a/024"), "bad prefix length" },
	{ TEXT("a/00"), "bad prefix length" },
	{ TEXT("a//064"), "bad prefix length" },
	{ TEXT("a/-1"), "bad prefix length" },
	{ TEXT("a/4294967320"), "bad prefix length" },
	{ TEXT("a/18446744073709551640"), "bad prefix length" },
	{ TEXT("a/24:example.org"), "bad prefix length" },
	{ TEXT("a:example.org/33"), "bad domain" },
	{ TEXT("a:example.org//129"), "bad domain" },
	{ TEXT("a:example.org/24/64"), "bad domain" },
	{ TEXT("a:example.org/24/"), "bad domain" },
	{ TEXT("a:%{d}/33"), "bad domain" },
	{ TEXT("a:example.org:24"), "bad domain" },
	{ TEXT("a:ex\200mple.org"), "bad domain" },
	{ TEXT("a:ex\0mple.org"), "bad domain" },
	{ TEXT("a:ex\177mple.org"), "bad domain" },
	{ TEXT("a:192.0.2.1"), "an address where a domain belongs" },
	{ TEXT("mx:192.0.2.1/24"), "an address where a domain belongs" },
	{ TEXT("include:2001:db8::1"), "an address where a domain belongs" },
	{ TEXT("redirect=192.0.2.1"), "an address where a domain belongs" },
	{ TEXT("redirect="), "no domain" },
	{ TEXT("redirect=-all"), "bad domain" },
	{ TEXT("exp="), "no domain" },
	{ TEXT("exp=%{c}.org"), "bad domain" },
	{ TEXT("x=%"), "bad value of a modifier" },
	{ TEXT("x=\0"), "bad value of a modifier" },
	{ TEXT("x=\344"), "bad value of a modifier" },
	{ TEXT("x=%{c}"), "bad value of a modifier" },
	{ TEXT("ip4"), "no address" },
	{ TEXT("ip6"), "no address" },
	{ TEXT("ip4:"), "not an IPv4 address" },
	{ TEXT("ip4:/24"), "not an IPv4 address" },
	{ TEXT("ip4/24"), "takes no prefix length" },
	{ TEXT("ip4:192.0.02.1"), "not an IPv4 address" },
	{ TEXT("ip4:192.0.2.256"), "not an IPv4 address" },
	{ TEXT("ip4:192.0.2"), "not an IPv4 address" },
	{ TEXT("ip4:192.0.2.1."), "not an IPv4 address" },
	{ TEXT("ip4:::ffff:192.0.2.1"), "not an IPv4 address" },
	{ TEXT("ip4:192.0.2.1\0"), "not an IPv4 address" },
	{ TEXT("ip4:%{i}"), "not an IPv4 address" },
	{ TEXT("ip4:192.0.2.1/"), "bad prefix length" },
	{ TEXT("ip4:192.0.2.1/33"), "bad prefix length" },
	{ TEXT("ip4:192.0.2.1/08"), "bad prefix length" },
	{ TEXT("ip4:192.0.2.1/8\0"), "bad prefix length" },
	{ TEXT("ip4:192.0.2.1/8/8"), "bad prefix length" },
	{ TEXT("ip6:192.0.2.1"), "not an IPv6 address" },
	{ TEXT("ip6:"), "not an IPv6 address" },
	{ TEXT("ip6:1::2::3"), "not an IPv6 address" },
	{ TEXT("ip6:12345::"), "not an IPv6 address" },
	{ TEXT("ip6:fe80::1%eth0"), "not an IPv6 address" },
	{ TEXT("ip6:[::1]"), "not an IPv6 address" },
	{ TEXT("ip6:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5"
	    ":6:7:8:1:2:3:4"), "not an IPv6 address" },
	{ TEXT("ip6:::1/129"), "bad prefix length" },
	{ TEXT("ip6:::1//64"), "bad prefix length" },
	{ TEXT("ip6:::1/1280"), "bad prefix length" },
};

static void
bad_terms(void **state)
{
	char record[200];

	(void)state;
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		struct text term = wrongs[i].term;
		const char *blank = memchr(term.bytes, ' ', term.size);
		struct terms_reader r;
		struct term t;

		memcpy(record, "v=spf1 mx ", 10);
		memcpy(record + 10, term.bytes, term.size);
		memcpy(record + 10 + term.size, " -all", 5);
		if (blank != NULL)
			term.size = (size_t)(blank - term.bytes);
		terms_begin(&r, record, 15 + wrongs[i].term.size);
		assert_int_equal(terms_next(&r, &t), 1);
		CHECK(terms_next(&r, &t) == -1, "row %zu: %s", i, term.bytes);
		CHECK(strcmp(r.wrong, wrongs[i].wrong) == 0,
		    "row %zu: %s: got \"%s\" want \"%s\"", i, term.bytes,
		    r.wrong, wrongs[i].wrong);
		CHECK(r.term == record + 10 && r.term_size == term.size,
		    "row %zu: %s", i, term.bytes);
	}
}

/* What is behind the counted bytes is not the record's. */
static void
counted(void **state)
{
	static const char text[] = "v=spf1 a:example.org/24";
	struct terms_reader r;
	struct term t;

	(void)state;
	terms_begin(&r, text, strlen("v=spf1 a:example.org"));
	assert_int_equal(terms_next(&r, &t), 1);
	assert_int_equal(t.domain_size, strlen("example.org"));
	assert_int_equal(t.bits4, 32);
	assert_int_equal(terms_next(&r, &t), 0);
	assert_int_equal(terms_next(&r, &t), 0);
	terms_begin(&r, text, strlen("v=spf1"));
	assert_int_equal(terms_next(&r, &t), 0);
	terms_begin(&r, text, strlen("v=spf1 "));
	assert_int_equal(terms_next(&r, &t), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(good_terms),
		cmocka_unit_test(networks),
		cmocka_unit_test(bad_terms),
		cmocka_unit_test(counted),
	};

	return RUN(tests);
}
