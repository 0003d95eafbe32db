/*
 * t_hint - hints of which client speaks for which domain.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hint.h"
#include "unit.h"

#define NOW	INT64_C(1000)

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
found(void **state)
{
	static const struct {
		const char *addr, *domain;
		int64_t after;
		bool wanted;
	} table[] = {
		{ "192.0.2.1", "example.org", 0, true },
		{ "192.0.2.1", "EXAMPLE.org", 0, true },
		{ "192.0.2.1", "example.org.", 0, true },
		{ "::ffff:192.0.2.1", "example.org", 0, true },
		{ "192.0.2.1", "example.org", HINT_SECONDS - 1, true },
		{ "192.0.2.1", "example.org", HINT_SECONDS, false },
		{ "192.0.2.2", "example.org", 0, false },
		{ "192.0.2.1", "example.com", 0, false },
		{ "192.0.2.1", "mail.example.org", 0, false },
		{ "192.0.2.1", "no domain", 0, false },
		{ "192.0.2.1", "", 0, false },
	};
	const struct addr client = address("192.0.2.1");
	struct hints *h = hints_new();

	(void)state;
	assert_non_null(h);
	assert_int_equal(hints_set(h, &client, "Example.Org", true, NOW), 0);
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct addr a = address(table[i].addr);

		CHECK(hints_find(h, &a, table[i].domain,
		    NOW + table[i].after) == table[i].wanted, "row %zu: %s",
		    i, table[i].domain);
	}
	hints_free(h);
}

static void
taken_back(void **state)
{
	const struct addr a = address("2001:db8::1");
	struct hints *h = hints_new();

	(void)state;
	assert_non_null(h);
	hints_set(h, &a, "example.org", true, NOW);
	assert_int_equal(hints_set(h, &a, "example.com", false, NOW), 0);
	assert_true(hints_find(h, &a, "example.org", NOW));
	assert_int_equal(hints_set(h, &a, "example.org", false, NOW), 0);
	assert_false(hints_find(h, &a, "example.org", NOW));

	/* Said once more, it lasts from then. */
	hints_set(h, &a, "example.org", true, NOW);
	hints_set(h, &a, "example.org", true, NOW + HINT_SECONDS - 1);
	assert_true(hints_find(h, &a, "example.org", NOW + HINT_SECONDS));
	hints_free(h);
}

static void
no_domain(void **state)
{
	static const char *const table[] = { "", ".", "a b", "a\nb", "a@b" };
	const struct addr a = address("192.0.2.1");
	struct hints *h = hints_new();

	(void)state;
	assert_non_null(h);
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(hints_set(h, &a, table[i], true, NOW) == -1, "row %zu",
		    i);
	hints_free(h);
}

/* The newest are there, and the table does not grow. */
static void
flood(void **state)
{
	struct hints *h = hints_new();
	struct addr a = address("192.0.2.1");
	unsigned kept = 0;

	(void)state;
	assert_non_null(h);
	for (unsigned i = 0; i < 4 * HINT_MAX; i++) {
		memcpy(a.byte + 12, &i, sizeof i);
		hints_set(h, &a, "example.org", true, NOW + i);
		assert_true(hints_find(h, &a, "example.org", NOW + i));
	}
	for (unsigned i = 0; i < 4 * HINT_MAX; i++) {
		memcpy(a.byte + 12, &i, sizeof i);
		kept += hints_find(h, &a, "example.org", NOW);
	}
	CHECK(kept <= HINT_MAX && kept > HINT_MAX / 2, "%u are kept", kept);
	hints_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(taken_back),
		cmocka_unit_test(no_domain),
		cmocka_unit_test(flood),
	};

	return RUN(tests);
}
