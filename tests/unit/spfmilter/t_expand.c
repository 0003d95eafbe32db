/*
 * t_expand - the macros of SPF: what comes out of them.  With the examples of
 * RFC 7208 7.4 and those of the official test suite, rfc7208-tests.yml.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "macro.h"
#include "unit.h"

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static const char *
mx_name(void *arg)
{
	int *asked = arg;

	(*asked)++;
	return "mx.example.org";
}

/* The words of RFC 7208 7.4. */
static struct macro_words
example_words(const struct addr *client, int *asked)
{
	return (struct macro_words){
		.client = client,
		.local = "strong-bad",
		.sender_domain = "email.example.com",
		.domain = "email.example.com",
		.helo = "mx.example.org",
		.receiver = "mail.example.net",
		.now = 1790000000,
		.name = mx_name,
		.arg = asked,
	};
}

struct expansion {
	const char *text, *client, *wanted;
};

static const struct expansion domains[] = {
	{ "%{s}", "192.0.2.3", "strong-bad@email.example.com" },
	{ "%{o}", "192.0.2.3", "email.example.com" },
	{ "%{d}", "192.0.2.3", "email.example.com" },
	{ "%{d4}", "192.0.2.3", "email.example.com" },
	{ "%{d3}", "192.0.2.3", "email.example.com" },
	{ "%{d2}", "192.0.2.3", "example.com" },
	{ "%{d1}", "192.0.2.3", "com" },
	{ "%{dr}", "192.0.2.3", "com.example.email" },
	{ "%{d2r}", "192.0.2.3", "example.email" },
	{ "%{l}", "192.0.2.3", "strong-bad" },
	{ "%{l-}", "192.0.2.3", "strong.bad" },
	{ "%{lr}", "192.0.2.3", "strong-bad" },
	{ "%{lr-}", "192.0.2.3", "bad.strong" },
	{ "%{l1r-}", "192.0.2.3", "strong" },
	{ "%{ir}.%{v}._spf.%{d2}", "192.0.2.3",
	    "3.2.0.192.in-addr._spf.example.com" },
	{ "%{lr-}.lp._spf.%{d2}", "192.0.2.3",
	    "bad.strong.lp._spf.example.com" },
	{ "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "192.0.2.3",
	    "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
	{ "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "192.0.2.3",
	    "3.2.0.192.in-addr.strong.lp._spf.example.com" },
	{ "%{d2}.trusted-domains.example.net", "192.0.2.3",
	    "example.com.trusted-domains.example.net" },
	{ "%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01",
	    "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2."
	    "ip6._spf.example.com" },
	{ "%{i}", "2001:db8::cb01",
	    "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1" },
	{ "%{i4}.%{i1r}", "2001:db8::cb01", "C.B.0.1.2" },

	/* A mapped address is IPv4. */
	{ "%{i}.%{v}", "::ffff:192.0.2.3", "192.0.2.3.in-addr" },
	{ "%{v}.%{i2}", "::192.0.2.3", "ip6.0.3" },

	{ "%{h}", "192.0.2.3", "mx.example.org" },
	{ "%{p}", "192.0.2.3", "mx.example.org" },
	{ "%{p2}.trusted-domains.example.net.", "192.0.2.3",
	    "example.org.trusted-domains.example.net" },
	{ "a%%b%_c%-d.org", "192.0.2.3", "a%b c%20d.org" },
	{ "%%%%%_", "192.0.2.3", "%% " },
	{ "%%{d}.org", "192.0.2.3", "%{d}.org" },
	{ "%{d02}.%{dR}", "192.0.2.3", "example.com.com.example.email" },
	{ "%{d99999999999999999999}", "192.0.2.3", "email.example.com" },
	{ "%{d18446744073709551617r}", "192.0.2.3", "com.example.email" },

	/* Without "." among them, dots are no delimiters. */
	{ "%{s1-}", "192.0.2.3", "bad@email.example.com" },
	{ "%{sr-}", "192.0.2.3", "bad@email.example.com.strong" },
	{ "%{s2r-.}", "192.0.2.3", "bad@email.strong" },
	{ "%{s1}", "192.0.2.3", "com" },
	{ "%{v-}.%{v1-}.%{vr-}", "192.0.2.3", "in.addr.addr.addr.in" },

	/* All of it, then a URL of it. */
	{ "%{S}", "192.0.2.3", "strong-bad%40email.example.com" },
	{ "%{S1-}", "192.0.2.3", "bad%40email.example.com" },
	{ "%{SR-}", "192.0.2.3", "bad%40email.example.com.strong" },

	/* One dot at the end is left out. */
	{ "example.org.", "192.0.2.3", "example.org" },
	{ "mail.example...com", "192.0.2.3", "mail.example...com" },
	{ ".org", "192.0.2.3", ".org" },
};

#define CHECK_TEXT(got, wanted, of)					\
	CHECK(strcmp(got, wanted) == 0, "%s: got \"%s\" want \"%s\"", of, \
	    got, wanted)

static void
domain_expansions(void **state)
{
	char out[MACRO_DOMAIN_MAX];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(domains); i++) {
		const struct expansion *e = &domains[i];
		struct addr client = address(e->client);
		struct macro_words w = example_words(&client, &asked);

		assert_true(macro_is_domain_spec(e->text, strlen(e->text)));
		assert_ptr_equal(macro_expand_domain(out, e->text,
		    strlen(e->text), &w), out);
		CHECK_TEXT(out, e->wanted, e->text);
	}
}

/* What a letter stands for may be anything. */
static const struct {
	const char *text, *local, *wanted;
} odd[] = {
	{ "%{l}", "", "" },
	{ "%{l1}x%{lr}x%{l1r-}%{L}", "", "xx" },
	{ "%{s}", "", "@email.example.com" },
	{ "%{l}%{o}.%{o}", ".", ".email.example.com"
	    ".email.example.com" },
	{ "%{l1}", ".", "" },
	{ "%{l}", ".", "" },
	{ "%{lr}", ".", "" },
	{ "%{lr}", "..", "." },
	{ "%{lr}", "a.", ".a" },
	{ "%{lr}", ".a", "a" },
	{ "%{l1}", "a.", "" },
	{ "%{l1r}", "a.", "a" },
	{ "%{l2}", "a..b", ".b" },
	{ "%{l2r}", "a..b", ".a" },
	{ "%{lr}", "a..b", "b..a" },
	{ "%{l-+,/_=}", "a-b+c,d/e_f=g", "a.b.c.d.e.f.g" },
	{ "%{lr-+,/_=}", "a-b+c.d,e/f_g=h", "h.g.f.e.c.d.b.a" },
	{ "%{l3r_+-}", "a-b+c_d", "c.b.a" },
	{ "%{l1-}", "a-b.c", "b.c" },
	{ "%{l-}", "a--b", "a..b" },
	{ "%{l}", "%{d}", "%{d}" },
	{ "%{l}", "a b", "a b" },
	{ "%{l}", "\303\244\001", "\303\244\001" },
	{ "%{L}", "\303\244\001 ", "%C3%A4%01%20" },
	{ "%{L}", "azAZ09-._~", "azAZ09-._~" },
	{ "%{L=}", "!\"#$%&'()*+,/:;<=>", "%21%22%23%24%25%26%27%28"
	    "%29%2A%2B%2C%2F%3A%3B%3C.%3E" },
	{ "%{L}", "?@[\\]^`{|}=", "%3F%40%5B%5C%5D%5E%60%7B%7C%7D"
	    "%3D" },
};

static void
odd_values(void **state)
{
	struct addr client = address("192.0.2.3");
	char out[MACRO_DOMAIN_MAX];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct macro_words w = example_words(&client, &asked);

		w.local = odd[i].local;
		macro_expand_domain(out, odd[i].text, strlen(odd[i].text), &w);
		CHECK(strcmp(out, odd[i].wanted) == 0,
		    "row %zu: %s of \"%s\": got \"%s\" want \"%s\"", i,
		    odd[i].text, odd[i].local, out, odd[i].wanted);
	}
}

/* Those of the official suite: the words are the tests' own. */
static const struct {
	const char *text, *local, *domain, *helo, *client, *wanted;
} official[] = {
	{ "%{d}.d.spf.example.com.", "test", "example.com", "m",
	    "192.168.218.40", "example.com.d.spf.example.com" },
	{ "o.spf.example.com.", "test", "a.spf.example.com", "m",
	    "192.168.218.40", "o.spf.example.com" },
	{ "macro%%percent%_%_space%-url-space.example.com", "test",
	    "e1a.example.com", "m", "1.2.3.4",
	    "macro%percent  space%20url-space.example.com" },
	{ "%{ir}.example.com", "test", "e3.example.com", "m",
	    "192.168.218.40", "40.218.168.192.example.com" },
	{ "foobar.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.example.com",
	    "test", "somewhat.long.exp.example.com", "m",
	    "192.168.218.40",
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com."
	    "somewhat.long.exp.example.com.example.com" },
	{ "%{ir}.%{v}.arpa", "test", "e4.example.com", "m",
	    "cafe:babe::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.E.B.A.B.E.F.A.C.ip6.arpa" },
	{ "%{p}.should.example.com", "test", "e7.example.com", "m",
	    "192.168.218.42", "mx.example.org.should.example.com" },
	{ "msg8.%{D2}", "~jack&jill=up-a_b3.c", "e8.example.com", "m",
	    "192.168.218.42", "msg8.example.com" },
	{ "%{H}", "test", "e9.example.com", "JUMPIN' JUPITER",
	    "192.168.218.40", "JUMPIN%27%20JUPITER" },
	{ "%{H}", "test", "e9.example.com", "[192.168.218.40]",
	    "192.168.218.40", "%5B192.168.218.40%5D" },
	{ "%{h}", "test", "_spfh.example.com", "OEMCOMPUTER",
	    "1.2.3.4", "OEMCOMPUTER" },
	{ "_spfh.%{d2}", "test", "e10.example.com", "OEMCOMPUTER",
	    "1.2.3.4", "_spfh.example.com" },
	{ "%{H}.bar", "foo", "t12.example.com", "%%%%", "1.2.3.4",
	    "%25%25%25%25.bar" },
	{ "%{i}.%{l2r-}.user.%{d2}", "philip-gladstone-test",
	    "e11.example.com", "m", "1.2.3.4",
	    "1.2.3.4.gladstone.philip.user.example.com" },
	{ "%{l2r+-}.user.%{d2}", "foo-bar+zip+quux",
	    "e12.example.com", "m", "1.2.3.4",
	    "bar.foo.user.example.com" },
};

static void
of_the_official_suite(void **state)
{
	char out[MACRO_DOMAIN_MAX];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(official); i++) {
		struct addr client = address(official[i].client);
		struct macro_words w = example_words(&client, &asked);

		w.local = official[i].local;
		w.domain = w.sender_domain = official[i].domain;
		w.helo = official[i].helo;
		macro_expand_domain(out, official[i].text,
		    strlen(official[i].text), &w);
		CHECK_TEXT(out, official[i].wanted, official[i].text);
	}
}

static const struct expansion explanations[] = {
	{ "This is a test.", "192.168.218.40", "This is a test." },
	{ "Congratulations!  That was tricky.", "192.168.218.40",
	    "Congratulations!  That was tricky." },
	{ "%{l} in implementation", "192.168.218.40",
	    "strong-bad in implementation" },
	{ "Connections from %{c} not authorized.", "192.168.218.40",
	    "Connections from 192.168.218.40 not authorized." },
	{ "%{c} is queried as %{ir}.%{v}.arpa", "192.168.218.40",
	    "192.168.218.40 is queried as 40.218.168.192.in-addr.arpa" },
	{ "%{c} is queried as %{ir}.%{v}.arpa", "cafe:babe::1",
	    "cafe:babe::1 is queried as 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.E.B.A.B.E.F.A.C.ip6.arpa" },
	{ "connect from %{p}", "192.168.218.40",
	    "connect from mx.example.org" },
	{ "Please see http://www.openspf.org/Why?s=mfrom&id=%{S}&ip=%{C}"
	    "&r=%{R}", "2001:db8::1", "Please see "
	    "http://www.openspf.org/Why?s=mfrom&id=strong-bad%40"
	    "email.example.com&ip=2001%3Adb8%3A%3A1&r=mail.example.net" },
	{ "%{t} %{T} %{r2}", "192.0.2.3", "1790000000 1790000000 "
	    "example.net" },
	{ "%{c1} %{cr} %{C}", "::ffff:192.0.2.3", "3 3.2.0.192 192.0.2.3" },
	{ "100%% of%_it%-.", "192.0.2.3", "100% of it%20." },
	{ " a  b ", "192.0.2.3", " a  b " },
	{ "", "192.0.2.3", "" },
};

static void
text_expansions(void **state)
{
	char out[300];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(explanations); i++) {
		const struct expansion *e = &explanations[i];
		struct addr client = address(e->client);
		struct macro_words w = example_words(&client, &asked);

		assert_true(macro_is_explain_string(e->text, strlen(e->text)));
		assert_ptr_equal(macro_expand_text(out, sizeof out, e->text,
		    strlen(e->text), &w), out);
		CHECK_TEXT(out, e->wanted, e->text);
	}
}

static void
text_is_printable(void **state)
{
	static const struct {
		const char *local, *wanted;
	} table[] = {
		{ "Macro Error", "Macro Error, Macro%20Error" },
		{ "~jack&jill=up-a_b3.c", "~jack&jill=up-a_b3.c, "
		    "~jack%26jill%3Dup-a_b3.c" },
		{ "a\r\nb", "a??b, a%0D%0Ab" },
		{ "\303\244\177\001", "????, %C3%A4%7F%01" },
	};
	const struct addr client = address("192.0.2.3");
	static const char text[] = "%{l}, %{L}";
	char out[100];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct macro_words w = example_words(&client, &asked);

		w.local = table[i].local;
		macro_expand_text(out, sizeof out, text, strlen(text), &w);
		CHECK_TEXT(out, table[i].wanted, table[i].local);
	}
}

static void
text_is_cut(void **state)
{
	static const char text[] = "at %{d}", wanted[] = "at email.example.com";
	const struct addr client = address("192.0.2.3");
	char out[sizeof wanted + 2];
	int asked;
	const struct macro_words w = example_words(&client, &asked);

	(void)state;
	for (size_t size = 1; size < sizeof out; size++) {
		memset(out, '#', sizeof out);
		macro_expand_text(out, size, text, strlen(text), &w);
		CHECK(strlen(out) == (size <= sizeof wanted ? size - 1 :
		    sizeof wanted - 1) &&
		    strncmp(out, wanted, strlen(out)) == 0, "%zu: %s", size,
		    out);
		assert_int_equal(out[size], '#');
	}
}

/* --- names that are too long (7.3) */

/* count times the text, in memory that the caller frees. */
static char *
repeat(const char *text, size_t count)
{
	size_t size = strlen(text);
	char *all = malloc(size * count + 1);

	assert_non_null(all);
	for (size_t i = 0; i < count; i++)
		memcpy(all + i * size, text, size);
	all[size * count] = '\0';
	return all;
}

static void
long_names(void **state)
{
	/* local, so often, in front of .example.org: what stays has so many
	 * bytes. */
	static const struct {
		const char *text, *local;
		size_t count, stay;
	} table[] = {
		{ "%{l}.example.org", "a", 241, 253 },
		{ "%{l}.example.org.", "a", 241, 253 },
		{ "%{l}.example.org", "a", 242, 11 },
		{ "%{l}.example.org.", "a", 242, 11 },
		{ "%{l}.example.org", "a.", 120, 252 },
		{ "%{l}.example.org.", "a.", 120, 252 },
		{ "%{l}.example.org", "a.", 121, 252 },
		{ "%{l}.example.org", "a.", 5000, 252 },
		{ "b%{l}.example.org", "a.", 120, 253 },
		{ "bc%{l}.example.org", "a.", 120, 250 },
		{ "bc.%{l}.example.org", "a.", 120, 252 },
		{ "bc.%{l}a.example.org", "a.", 120, 253 },
		{ "%{l}b.example.org", "abc.", 60, 253 },
		{ "%{l}b.example.org", "abc.", 61, 253 },
		{ "%{l}b.example.org", "abc.", 6100, 253 },
		{ "%{l}bc.example.org", "abc.", 61, 250 },
		{ "%{l}.example.org", ".", 1000, 253 },
		{ "a.%{l}", "a", 253, 253 },
		{ "a.%{l}", "a", 254, 0 },
		{ "a.%{l}", "a", 10000, 0 },
		{ "%{l}", ".", 254, 253 },
		{ "%{l}", "a.", 127, 253 },
		{ "%{l}", "a.", 128, 253 },
		{ "%{lr}.org", "a.", 5000, 253 },
		{ "%{l5000r}", "a.", 5000, 253 },
		{ "%{L}.example.org", "%", 80, 252 },
		{ "%{L}.example.org", "%", 81, 11 },
	};
	const struct addr client = address("192.0.2.3");
	char out[MACRO_DOMAIN_MAX + 1];
	int asked;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct macro_words w = example_words(&client, &asked);
		char *local = repeat(table[i].local, table[i].count);

		w.local = local;
		out[MACRO_DOMAIN_MAX] = '#';
		macro_expand_domain(out, table[i].text, strlen(table[i].text),
		    &w);
		CHECK(strlen(out) == table[i].stay, "row %zu: %zu bytes: %s",
		    i, strlen(out), out);
		assert_int_equal(out[MACRO_DOMAIN_MAX], '#');
		if (strstr(table[i].text, "example.org") != NULL)
			CHECK_TEXT(out + strlen(out) - 11, "example.org",
			    table[i].text);
		free(local);
	}
}

/* The name of the client costs questions. */
static void
name_is_asked_for_late(void **state)
{
	static const struct {
		const char *text;
		int asked;
	} table[] = {
		{ "%{s}%{l}%{o}%{d}%{i}%{v}%{h}", 0 },
		{ "%%{p}.org", 0 },
		{ "%{p}", 1 },
		{ "%{P2r}.org", 1 },
	};
	const struct addr client = address("192.0.2.3");
	char out[MACRO_DOMAIN_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		int asked = 0;
		struct macro_words w = example_words(&client, &asked);

		assert_true(macro_is_domain_spec(table[i].text,
		    strlen(table[i].text)));
		assert_int_equal(asked, 0);
		macro_expand_domain(out, table[i].text, strlen(table[i].text),
		    &w);
		CHECK(asked == table[i].asked, "%s: %d", table[i].text, asked);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domain_expansions),
		cmocka_unit_test(odd_values),
		cmocka_unit_test(of_the_official_suite),
		cmocka_unit_test(text_expansions),
		cmocka_unit_test(text_is_printable),
		cmocka_unit_test(text_is_cut),
		cmocka_unit_test(long_names),
		cmocka_unit_test(name_is_asked_for_late),
	};

	return RUN(tests);
}
