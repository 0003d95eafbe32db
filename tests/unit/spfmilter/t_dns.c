/*
 * t_dns - names, and answers as they are put together.
 */
#include <stdbool.h>
#include <string.h>

#include "dns.h"
#include "unit.h"

static char *
repeat(char *out, const char *text, int times)
{
	size_t size = strlen(text);

	for (int i = 0; i < times; i++)
		memcpy(out + (size_t)i * size, text, size);
	out[(size_t)times * size] = '\0';
	return out;
}

static void
names(void **state)
{
	static const struct {
		const char *name;
		bool wanted;
	} table[] = {
		{ "example.org", true },
		{ "example.org.", true },
		{ "org", true },
		{ "_spf.EXAMPLE.org", true },
		{ "a/b@c%\"'.example.org", true },
		{ "b\xc3\xbc" "cher.example", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ ".org", false },
		{ "example..org", false },
		{ "example.org..", false },
		{ "a b.org", true },
		{ "a\tb.org", false },
		{ "a\x01" "b.org", false },
		{ "a\x7f" "b.org", false },
		{ "a\\b.org", false },
		{ "org\n", false },
	};
	char name[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(dns_is_name(table[i].name) == table[i].wanted,
		    "\"%s\"", table[i].name);

	assert_true(dns_is_name(repeat(name, "x", 63)));
	assert_false(dns_is_name(repeat(name, "x", 64)));
	repeat(name, "x.", 126);	/* 252 bytes and then one more */
	memcpy(name + 252, "y", 2);
	assert_true(dns_is_name(name));
	memcpy(name + 252, "y.", 3);
	assert_true(dns_is_name(name));
	memcpy(name + 252, "yy", 3);
	assert_false(dns_is_name(name));
	memcpy(name + 252, "yy.", 4);
	assert_false(dns_is_name(name));
	assert_false(dns_is_name(repeat(name, "x.", 400)));
}

static void
words(void **state)
{
	static const struct {
		enum dns_type type;
		const char *wanted;
	} table[] = {
		{ DNS_A, "A" },
		{ DNS_AAAA, "AAAA" },
		{ DNS_MX, "MX" },
		{ DNS_PTR, "PTR" },
		{ DNS_TXT, "TXT" },
		{ (enum dns_type)99, "?" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_string_equal(dns_type_word(table[i].type),
		    table[i].wanted);
	for (int i = DNS_FOUND; i <= DNS_TROUBLE; i++)
		for (int j = DNS_FOUND; j < i; j++)
			assert_string_not_equal(
			    dns_status_word((enum dns_status)i),
			    dns_status_word((enum dns_status)j));
}

static void
none(void **state)
{
	const struct dns_answer *a = dns_answer_none(DNS_NO_NAME, 300);

	(void)state;
	assert_int_equal(a->status, DNS_NO_NAME);
	assert_int_equal(a->ttl, 300);
	assert_int_equal(a->count, 0);
	assert_true(a->bytes >= sizeof *a);
	assert_ptr_equal(dns_hold(a), a);
	dns_release(a);
	assert_int_equal(a->status, DNS_NO_NAME);
	dns_release(a);

	a = dns_answer_none(DNS_TROUBLE, 0);
	assert_int_equal(a->status, DNS_TROUBLE);
	assert_ptr_equal(dns_hold(a), a);
	for (int i = 0; i < 5; i++)
		dns_release(a);
	dns_release(NULL);
	assert_int_equal(dns_answer_none(DNS_TROUBLE, 0)->status, DNS_TROUBLE);
}

/* Texts of all sizes stay what they are while the block grows. */
static void
builder(void **state)
{
	struct dns_builder b = { 0 };
	const struct dns_answer *a;
	struct addr addr;
	char text[400];

	(void)state;
	assert_int_equal(addr_parse(&addr, "192.0.2.1"), 0);
	for (unsigned i = 0; i < 300; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof text);
		dns_builder_add(&b, i % 3 == 0 ? &addr : NULL, i, text, i);
	}
	a = dns_builder_take(&b, 77);
	assert_int_equal(a->status, DNS_FOUND);
	assert_int_equal(a->ttl, 77);
	assert_int_equal(a->count, 300);
	assert_true(a->bytes >= 300 * (sizeof a->record[0] + 1) + 299 * 150);
	for (unsigned i = 0; i < 300; i++) {
		const struct dns_record *r = &a->record[i];

		memset(text, 'a' + (int)(i % 26), sizeof text);
		assert_int_equal(r->preference, i);
		assert_int_equal(r->size, i);
		assert_memory_equal(r->text, text, i);
		assert_int_equal(r->text[i], '\0');
		assert_int_equal(r->addr.byte[15], i % 3 == 0 ? 1 : 0);
	}
	dns_release(a);

	/* It can be used again. */
	a = dns_builder_take(&b, 5);
	assert_int_equal(a->status, DNS_NO_DATA);
	assert_int_equal(a->ttl, 5);
	dns_release(a);
}

static void
builder_limits(void **state)
{
	static char text[DNS_ANSWER_MAX + 1];
	static const struct {
		size_t size, times, count;
		enum dns_status wanted;
	} table[] = {
		{ 1, DNS_RECORDS_MAX, DNS_RECORDS_MAX, DNS_FOUND },
		{ 1, DNS_RECORDS_MAX + 5, DNS_RECORDS_MAX, DNS_FOUND },
		{ 64000, 1, 1, DNS_FOUND },
		{ 64000, 2, 2, DNS_FOUND },
		{ 64000, 3, 0, DNS_TROUBLE },
		{ DNS_ANSWER_MAX - 200, 1, 1, DNS_FOUND },
		{ DNS_ANSWER_MAX, 1, 0, DNS_TROUBLE },
		{ DNS_ANSWER_MAX + 1, 1, 0, DNS_TROUBLE },
		{ SIZE_MAX, 1, 0, DNS_TROUBLE },
		{ 200, DNS_RECORDS_MAX, 0, DNS_TROUBLE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct dns_builder b = { 0 };
		const struct dns_answer *a;

		for (size_t n = 0; n < table[i].times; n++)
			dns_builder_add(&b, NULL, 0, text, table[i].size);
		a = dns_builder_take(&b, 60);
		CHECK(a->status == table[i].wanted &&
		    a->count == table[i].count && a->bytes <= DNS_ANSWER_MAX,
		    "row %zu: %zu records", i, a->count);
		dns_release(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(words),
		cmocka_unit_test(none),
		cmocka_unit_test(builder),
		cmocka_unit_test(builder_limits),
	};

	return RUN(tests);
}
