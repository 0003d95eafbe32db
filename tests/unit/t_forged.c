/* t_forged - which header fields are to go, and how many may be. */
#include "forged.h"
#include "unit.h"

static void
marks(void **state)
{
	static const bool remove[] = { false, true, false, true, true, false };
	const unsigned count = sizeof remove / sizeof remove[0];
	struct forged f = { 0 };

	(void)state;
	for (unsigned i = 0; i < count; i++)
		forged_add(&f, remove[i]);
	assert_int_equal(f.count, count);
	assert_false(f.failed);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(forged_has(&f, i + 1), remove[i]);
	assert_false(forged_has(&f, 0));
	assert_false(forged_has(&f, count + 1));
	assert_false(forged_has(&f, 1000000));
	forged_free(&f);
	assert_int_equal(f.count, 0);
	assert_false(forged_has(&f, 2));
}

/* One in a thousand, far into what has to grow. */
static void
many(void **state)
{
	struct forged f = { 0 };

	(void)state;
	for (unsigned i = 1; i <= FORGED_NUMBER_MAX; i++)
		forged_add(&f, i % 1000 == 0 || i == FORGED_NUMBER_MAX);
	assert_false(f.excess);
	for (unsigned i = 1; i <= FORGED_NUMBER_MAX; i++)
		assert_int_equal(forged_has(&f, i),
		    i % 1000 == 0 || i == FORGED_NUMBER_MAX);
	forged_add(&f, false);
	assert_false(f.excess);
	forged_add(&f, true);
	assert_true(f.excess);
	assert_false(f.failed);
	forged_free(&f);
	assert_false(f.excess);
}

static void
too_many(void **state)
{
	struct forged f = { 0 };

	(void)state;
	for (unsigned i = 0; i < FORGED_MAX; i++) {
		forged_add(&f, true);
		forged_add(&f, false);
	}
	assert_false(f.excess);
	forged_add(&f, true);
	assert_true(f.excess);
	assert_true(forged_has(&f, 2 * FORGED_MAX - 1));
	forged_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks),
		cmocka_unit_test(many),
		cmocka_unit_test(too_many),
	};

	return RUN(tests);
}
