/*
 * t_clock - both units tell the system's monotonic time, and never go back.
 */
#include <time.h>

#include "clock.h"
#include "unit.h"

static int64_t
system_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What was asked later is never less, in either unit. */
static void
between_two_looks(void **state)
{
	int64_t before, us, after;
	long ms;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		before = system_us();
		us = clock_us();
		ms = clock_ms();
		after = system_us();
		CHECK(before <= us && us <= after, "%lld %lld %lld",
		    (long long)before, (long long)us, (long long)after);
		CHECK(us / 1000 <= ms && ms <= after / 1000, "%lld %ld %lld",
		    (long long)us, ms, (long long)after);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_two_looks),
	};

	return RUN(tests);
}
