/*
 * t_addr - addresses of clients and of envelopes.
 */
#include <netinet/in.h>

#include <string.h>

#include "addr.h"
#include "unit.h"

/* What is read, and how it is written; NULL: it is no address. */
static void
reading_and_writing(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "::ffff:c000:207", "192.0.2.7" },
		{ "0:0:0:0:0:FFFF:192.0.2.7", "192.0.2.7" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
		{ "2001:db8::", "2001:db8::" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:db8::192.0.2.7", "2001:db8::c000:207" },
		{ "::fffe:192.0.2.7", "::fffe:c000:207" },
		{ "1::ffff:192.0.2.7", "1::ffff:c000:207" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "", NULL },
		{ " 192.0.2.7", NULL },
		{ "192.0.2.7 ", NULL },
		{ "192.0.2.7\n", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.", NULL },
		{ "192.0.2.7.", NULL },
		{ "192.0.2.7.1", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.07", NULL },
		{ "192.0.2.00", NULL },
		{ "192.0.2.0x7", NULL },
		{ "192.0.2.-7", NULL },
		{ "192.0..7", NULL },
		{ "3221225991", NULL },
		{ "192.0.2.7/32", NULL },
		{ "192.0.2.7:25", NULL },
		{ "[192.0.2.7]", NULL },
		{ "[2001:db8::1]", NULL },
		{ "IPv6:2001:db8::1", NULL },
		{ "fe80::1%lo", NULL },
		{ "2001:db8::1/64", NULL },
		{ "2001:db8:::1", NULL },
		{ "2001:db8::1::2", NULL },
		{ "2001:db8:1:2:3:4:5", NULL },
		{ "2001:db8:1:2:3:4:5:6:7", NULL },
		{ "2001:db8::12345", NULL },
		{ "2001:db8::g", NULL },
		{ ":", NULL },
		{ ":1", NULL },
		{ "1:", NULL },
		{ "::192.0.2", NULL },
		{ "mail.example.org", NULL },
	};
	char out[ADDR_TEXT_MAX];
	struct addr a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *text = table[i].text, *want = table[i].want;

		memset(&a, 0xa5, sizeof a);
		b = a;
		CHECK(addr_parse(&a, text) == (want != NULL ? 0 : -1), "%s",
		    text);
		if (want == NULL) {
			CHECK(memcmp(&a, &b, sizeof a) == 0, "%s", text);
			continue;
		}
		assert_ptr_equal(addr_print(&a, out), out);
		CHECK(strcmp(out, want) == 0, "%s: %s", text, out);
		CHECK(addr_parse(&b, out) == 0 &&
		    memcmp(&a, &b, sizeof a) == 0, "%s", out);
	}
}

static struct addr
make(const char *text)
{
	struct addr a;

	CHECK(addr_parse(&a, text) == 0, "%s", text);
	return a;
}

static void
from_a_socket(void **state)
{
	const struct addr v4 = make("192.0.2.7"), v6 = make("2001:db8::1");
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct addr a, before;

	(void)state;
	memcpy(&sin.sin_addr, v4.byte + 12, 4);
	assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&sin), 0);
	assert_memory_equal(&a, &v4, sizeof a);
	memcpy(&sin6.sin6_addr, v6.byte, sizeof v6.byte);
	assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&sin6), 0);
	assert_memory_equal(&a, &v6, sizeof a);
	memcpy(&sin6.sin6_addr, v4.byte, sizeof v4.byte);
	assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&sin6), 0);
	assert_memory_equal(&a, &v4, sizeof a);
	memset(&a, 0xa5, sizeof a);
	before = a;
	assert_int_equal(addr_from_sockaddr(&a, NULL), -1);
	assert_int_equal(addr_from_sockaddr(&a, &other), -1);
	other.sa_family = AF_UNSPEC;
	assert_int_equal(addr_from_sockaddr(&a, &other), -1);
	assert_memory_equal(&a, &before, sizeof a);
}

static void
which_kind(void **state)
{
	static const struct {
		const char *text;
		bool ipv4, loopback;
	} table[] = {
		{ "192.0.2.7", true, false },
		{ "0.0.0.0", true, false },
		{ "126.255.255.255", true, false },
		{ "127.0.0.0", true, true },
		{ "127.0.0.1", true, true },
		{ "127.255.255.255", true, true },
		{ "128.0.0.0", true, false },
		{ "1.0.0.127", true, false },
		{ "::ffff:127.0.0.1", true, true },
		{ "::ffff:192.0.2.7", true, false },
		{ "::1", false, true },
		{ "::", false, false },
		{ "::2", false, false },
		{ "::101", false, false },
		{ "1::1", false, false },
		{ "::127.0.0.1", false, false },
		{ "::fffe:127.0.0.1", false, false },
		{ "::1:ffff:127.0.0.1", false, false },
		{ "fe80::1", false, false },
		{ "7f00::1", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct addr a = make(table[i].text);

		CHECK(addr_is_ipv4(&a) == table[i].ipv4, "%s", table[i].text);
		CHECK(addr_is_loopback(&a) == table[i].loopback, "%s",
		    table[i].text);
	}
}

/* Bit by bit, of all ones and of a pattern. */
static void
every_mask(void **state)
{
	static const unsigned char patterns[] = { 0xff, 0xa5 };

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++)
		for (int bits = 0; bits <= ADDR_BITS; bits++) {
			struct addr a, want;

			memset(&a, patterns[i], sizeof a);
			want = a;
			for (int bit = bits; bit < ADDR_BITS; bit++)
				want.byte[bit / 8] &=
				    (unsigned char)~(0x80 >> bit % 8);
			addr_mask(&a, bits);
			CHECK(memcmp(&a, &want, sizeof a) == 0, "%d bits",
			    bits);
		}
}

static void
networks(void **state)
{
	static const struct {
		const char *text;
		int bits;
		const char *want;
	} table[] = {
		{ "192.0.2.7", ADDR_IPV4_BITS + 32, "192.0.2.7/32" },
		{ "192.0.2.7", ADDR_IPV4_BITS + 24, "192.0.2.0/24" },
		{ "192.0.2.7", 120, "192.0.2.0/24" },
		{ "192.0.2.7", ADDR_IPV4_BITS + 1, "128.0.0.0/1" },
		{ "192.0.2.7", ADDR_IPV4_BITS, "0.0.0.0/0" },
		{ "2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6/128" },
		{ "2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64" },
		{ "2001:db8:1:2:3:4:5:6", 33, "2001:db8::/33" },
		{ "2001:db8:1:2:3:4:5:6", 0, "::/0" },
		{ "::ffff:192.0.2.7", 95, "::fffe:0:0/95" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128,
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
	};
	char out[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct addr a = make(table[i].text);

		addr_mask(&a, table[i].bits);
		assert_ptr_equal(addr_print_network(&a, table[i].bits, out),
		    out);
		CHECK(strcmp(out, table[i].want) == 0, "row %zu: %s", i, out);
	}
}

static void
mailboxes(void **state)
{
	static const struct {
		const char *path, *local, *domain;
	} table[] = {
		{ "<joe@example.org>", "joe", "example.org" },
		{ "joe@example.org", "joe", "example.org" },
		{ "<@relay:joe+x@example.org>", "joe+x", "example.org" },
		{ "@relay:joe@example.org", "joe", "example.org" },
		{ "<@a.example,@b.example:joe@c.example>", "joe",
		    "c.example" },
		{ "<@relay:\"a:b@c\"@example.org>", "\"a:b@c\"",
		    "example.org" },
		{ "<@relay:joe>", "joe", "" },
		{ "<@relay:>", "", "" },
		{ "<>", "", "" },
		{ "", "", "" },
		{ "<joe>", "joe", "" },
		{ "joe", "joe", "" },
		{ "<joe@>", "joe", "" },
		{ "<@example.org>", "", "example.org" },
		{ "@", "", "" },
		{ "<@>", "", "" },
		{ "<a:b@example.org>", "a:b", "example.org" },
		{ "<joe@[192.0.2.7]>", "joe", "[192.0.2.7]" },
		{ "<joe@[IPv6:2001:db8::1]>", "joe", "[IPv6:2001:db8::1]" },
		/* Quoted local parts, which keep their quotes. */
		{ "<\"joe\"@example.org>", "\"joe\"", "example.org" },
		{ "<\"a@b\"@example.org>", "\"a@b\"", "example.org" },
		{ "<\"a b\"@example.org>", "\"a b\"", "example.org" },
		{ "<\"a\\\"@b\"@example.org>", "\"a\\\"@b\"", "example.org" },
		{ "<\"a\\\\\"@example.org>", "\"a\\\\\"", "example.org" },
		{ "<\"<>\"@example.org>", "\"<>\"", "example.org" },
		{ "<\"\"@example.org>", "\"\"", "example.org" },
		{ "<\"@\"@example.org>", "\"@\"", "example.org" },
		{ "<\"a@b>", "\"a@b", "" },
		{ "<\"a@b\\>", "\"a@b\\", "" },
		{ "<\"a\\\"@b>", "\"a\\\"@b", "" },
		/* The domain has no @ in it, so the last one counts. */
		{ "<a@b@example.org>", "a@b", "example.org" },
		/* A bracket alone is no pair. */
		{ "<", "<", "" },
		{ ">", ">", "" },
		{ "<joe@example.org", "<joe", "example.org" },
		{ "joe@example.org>", "joe", "example.org>" },
		/* Bytes are bytes. */
		{ "<j\xc3\xb6@ex\xff>", "j\xc3\xb6", "ex\xff" },
		{ "<\r\n@\x01>", "\r\n", "\x01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *path = table[i].path;
		const char *end = path + strlen(path);
		struct addr_mailbox m;

		addr_mailbox(&m, path);
		CHECK(m.local_size == strlen(table[i].local) &&
		    memcmp(m.local, table[i].local, m.local_size) == 0,
		    "%s: local part %.*s", path, (int)m.local_size, m.local);
		CHECK(m.domain_size == strlen(table[i].domain) &&
		    memcmp(m.domain, table[i].domain, m.domain_size) == 0,
		    "%s: domain %.*s", path, (int)m.domain_size, m.domain);
		CHECK(m.local >= path && m.local + m.local_size <= end &&
		    m.domain >= path && m.domain + m.domain_size <= end,
		    "%s: outside of the text", path);
	}
}

static void
roles(void **state)
{
	static const struct {
		const char *path;
		bool is_role;
	} table[] = {
		{ "<postmaster@example.org>", true },
		{ "<Postmaster@example.org>", true },
		{ "<POSTMASTER>", true },
		{ "postmaster", true },
		{ "<abuse@example.org>", true },
		{ "<\"abuse\"@example.org>", true },
		{ "\"PostMaster\"", true },
		{ "<\"\"@example.org>", false },
		{ "<\"abuse@example.org>", false },
		{ "abuse@example.org", true },
		{ "<ABUSE@[192.0.2.7]>", true },
		{ "<@relay:abuse@example.org>", true },
		{ "<>", false },
		{ "", false },
		{ "<joe@example.org>", false },
		{ "<postmaste@example.org>", false },
		{ "<postmasters@example.org>", false },
		{ "<postmaster+x@example.org>", false },
		{ "<abuse.x@example.org>", false },
		{ "<xabuse@example.org>", false },
		{ "<abuse @example.org>", false },
		{ "<joe@postmaster>", false },
		{ "<joe@abuse.example.org>", false },
		{ "<abuse@b@example.org>", false },
		{ "<@abuse:joe@example.org>", false },
		{ "<@postmaster>", false },
		{ "<\"abuse@b\"@example.org>", false },
		{ "<hostmaster@example.org>", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(addr_is_role(table[i].path) == table[i].is_role, "%s",
		    table[i].path);
}

static void
domains(void **state)
{
	static const struct {
		const char *text;
		size_t label_max;
		bool is_domain, ends_in_number;
	} table[] = {
		{ "example.org", 63, true, false },
		{ "Localhost", 63, true, false },
		{ "a_b.-c-.1x", 63, true, false },
		{ "ex\xc3\xa4mple.\xff", 63, true, false },
		{ "", 63, false, false },
		{ ".", 63, false, false },
		{ ".org", 63, false, false },
		{ "org.", 63, false, false },
		{ "a..org", 63, false, false },
		{ "a b.org", 63, false, false },
		{ "a@b.org", 63, false, false },
		{ "[192.0.2.7]", 63, false, false },
		{ "2001:db8::1", 63, false, false },
		{ "abc.de", 3, true, false },
		{ "abcd.de", 3, false, false },
		{ "ab.cdef", 3, false, false },
		{ "192.0.2.7", 63, true, true },
		{ "example.1", 63, true, true },
		{ "1.example", 63, true, false },
		{ "example.a1", 63, true, false },
		{ "example1", 63, true, false },
		{ "123", 63, true, true },
		{ ".123", 63, false, true },
		{ "123.", 63, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *text = table[i].text;

		CHECK(addr_is_domain(text, strlen(text), table[i].label_max) ==
		    table[i].is_domain, "%s", text);
		CHECK(addr_ends_in_number(text, strlen(text)) ==
		    table[i].ends_in_number, "%s", text);
	}
	assert_true(addr_is_domain("a.b!", 3, 1));
	assert_false(addr_is_domain("a\0b", 3, 3));
	assert_true(addr_ends_in_number("a.12b", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_and_writing),
		cmocka_unit_test(from_a_socket),
		cmocka_unit_test(which_kind),
		cmocka_unit_test(every_mask),
		cmocka_unit_test(networks),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(roles),
		cmocka_unit_test(domains),
	};

	return RUN(tests);
}
