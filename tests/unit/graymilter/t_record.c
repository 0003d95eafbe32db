/*
 * t_record - who waits, who passes and what is over, with a clock of our own;
 * and the forms of a record in the store and in a dump.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "record.h"
#include "unit.h"

#define HOUR	INT64_C(3600)
#define DAY	INT64_C(86400)
#define YEAR	(365 * DAY)

#define EPOCH	INT64_C(1700000000)	/* "now", where it does not matter */
#define Y2038	(INT64_C(1) << 31)	/* on no 32-bit clock */
#define Y2106	(INT64_C(1) << 32)

#define DELAY	300
#define RETRY	(2 * DAY)
#define EXPIRE	(36 * DAY)
#define WHITE	5
#define PENDING	3

static const struct record_rules rules = { .delay = DELAY, .retry = RETRY,
    .expire = EXPIRE, .autowhite = WHITE, .pending_max = PENDING };

/*
 * When a script begins.  It must not matter; and none has a step at 0, which
 * has tests of its own.
 */
static const int64_t begins[] = { EPOCH, 1, 7, -77777, -10 * YEAR - 1, DAY + 1,
    Y2038 - 150, Y2038 - DAY - 7, Y2106 - 150, Y2106 - DAY - 7, Y2106 * 1000,
    INT64_MAX - 3 * YEAR, INT64_MIN + 3 * YEAR };

static bool
is_same(const struct record *a, const struct record *b)
{
	return a->first == b->first && a->last == b->last &&
	    a->hold == b->hold && a->count == b->count &&
	    a->pending == b->pending;
}

/* The same numbers in every run. */
static uint64_t
next_random(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static int64_t
random_below(int64_t n)
{
	return (int64_t)(next_random() % (uint64_t)n);
}

/* --- a tuple, one row after the other */

enum what {
	END,
	NEW,		/* tried, with this outcome */
	EARLY,
	DELAYED,
	KNOWN,
	CARRIED,	/* passes without having waited, or waited: */
	RELEASED
};

struct step {
	int64_t at;		/* after the script's begin */
	enum what what;
	int64_t seconds;	/* NEW, EARLY: left; DELAYED, RELEASED: held */
};

#define STEPS_MAX	10

static const struct script {
	const char *name;
	struct step step[STEPS_MAX];
} scripts[] = {
	{ "waits", { { 0, NEW, 300 }, { 0, EARLY, 300 }, { 1, EARLY, 299 },
	    { 299, EARLY, 1 }, { 300, DELAYED, 300 }, { 300, KNOWN, 0 },
	    { 301, KNOWN, 0 } } },
	{ "comes late", { { 0, NEW, 300 }, { DAY, DELAYED, DAY },
	    { DAY + 1, KNOWN, 0 } } },
	{ "comes just in time", { { 0, NEW, 300 },
	    { RETRY, DELAYED, RETRY } } },
	{ "comes too late", { { 0, NEW, 300 }, { RETRY + 1, NEW, 300 },
	    { RETRY + 300, EARLY, 1 }, { RETRY + 301, DELAYED, 300 } } },
	{ "early does not prolong", { { 0, NEW, 300 },
	    { 200, EARLY, 100 }, { RETRY + 1, NEW, 300 } } },
	{ "used and used", { { 0, NEW, 300 }, { 300, DELAYED, 300 },
	    { 300 + EXPIRE, KNOWN, 0 }, { 300 + 2 * EXPIRE, KNOWN, 0 },
	    { 301 + 3 * EXPIRE, NEW, 300 }, { 601 + 3 * EXPIRE, DELAYED, 300 },
	    { 601 + 4 * EXPIRE, KNOWN, 0 } } },
	{ "unused", { { 0, NEW, 300 }, { 300, DELAYED, 300 },
	    { 301 + EXPIRE, NEW, 300 } } },

	{ "carried at once", { { 0, CARRIED, 0 }, { 0, KNOWN, 0 },
	    { 1, CARRIED, 0 }, { EXPIRE + 1, KNOWN, 0 },
	    { 2 * EXPIRE + 2, NEW, 300 } } },
	{ "released", { { 0, NEW, 300 }, { 10, RELEASED, 10 }, { 10, KNOWN, 0 },
	    { 20, CARRIED, 0 } } },
	{ "released just in time", { { 0, NEW, 300 },
	    { RETRY, RELEASED, RETRY }, { RETRY + 1, KNOWN, 0 } } },
	{ "waits no more", { { 0, NEW, 300 }, { RETRY + 1, CARRIED, 0 },
	    { RETRY + EXPIRE + 1, KNOWN, 0 } } },
	{ "carried when it was forgotten", { { 0, CARRIED, 0 },
	    { EXPIRE + 1, CARRIED, 0 }, { 2 * EXPIRE + 1, KNOWN, 0 } } },

	/* The clock is set. */
	{ "back a little", { { 0, NEW, 300 }, { 200, EARLY, 100 },
	    { 100, EARLY, 200 }, { 300, DELAYED, 300 } } },
	{ "back a day", { { 0, NEW, 300 }, { -DAY, EARLY, 300 },
	    { -DAY + 299, EARLY, 1 }, { -DAY + 300, DELAYED, 300 },
	    { -DAY + 301, KNOWN, 0 } } },
	{ "back as far as retry", { { 0, NEW, 300 }, { -RETRY, EARLY, 300 },
	    { -RETRY + 300, DELAYED, 300 } } },
	{ "back farther", { { 0, NEW, 300 }, { -RETRY - 1, NEW, 300 },
	    { -RETRY + 299, DELAYED, 300 } } },
	{ "back a year", { { 0, NEW, 300 }, { -YEAR, NEW, 300 },
	    { -YEAR + 300, DELAYED, 300 } } },
	{ "back and back", { { 0, NEW, 300 }, { -DAY, EARLY, 300 },
	    { -2 * DAY, EARLY, 300 }, { -3 * DAY, EARLY, 300 },
	    { -3 * DAY + 300, DELAYED, 300 } } },
	{ "forward a day", { { 0, NEW, 300 }, { DAY + 10, DELAYED, DAY + 10 },
	    { 20, KNOWN, 0 } } },
	{ "forward a year", { { 0, NEW, 300 }, { YEAR, NEW, 300 },
	    { YEAR + 300, DELAYED, 300 } } },
	{ "forward a year and back", { { 0, NEW, 300 }, { YEAR, NEW, 300 },
	    { 10, NEW, 300 }, { 310, DELAYED, 300 } } },
	{ "known, back a day", { { 0, CARRIED, 0 }, { -DAY, KNOWN, 0 },
	    { -DAY + EXPIRE, KNOWN, 0 } } },
	{ "known, back a day, and no longer", { { 0, CARRIED, 0 },
	    { -DAY, KNOWN, 0 }, { -DAY + EXPIRE + 1, NEW, 300 } } },
	{ "known, back as far as expire", { { 0, CARRIED, 0 },
	    { -EXPIRE, KNOWN, 0 }, { 0, KNOWN, 0 } } },
	{ "known, back farther", { { 0, CARRIED, 0 }, { -EXPIRE - 1, NEW, 300 },
	    { -EXPIRE + 299, DELAYED, 300 } } },
	{ "known, back a year", { { 0, CARRIED, 0 }, { -YEAR, NEW, 300 },
	    { -YEAR + 300, DELAYED, 300 } } },
	{ "known, forward a year", { { 0, CARRIED, 0 }, { YEAR, NEW, 300 },
	    { YEAR + 300, DELAYED, 300 } } },
	{ "released, back a day", { { 0, NEW, 300 }, { -DAY, RELEASED, 0 },
	    { -DAY + EXPIRE, KNOWN, 0 } } },
};

static enum what
do_step(struct record *r, const struct step *s, int64_t now, int64_t *seconds)
{
	static const enum what outcome[] = {
		[RECORD_NEW] = NEW, [RECORD_EARLY] = EARLY,
		[RECORD_DELAYED] = DELAYED, [RECORD_KNOWN] = KNOWN,
	};
	enum what what;

	*seconds = 0;
	if (s->what == CARRIED || s->what == RELEASED)
		what = record_pass(r, &rules, now) ? RELEASED : CARRIED;
	else
		what = outcome[record_try(r, &rules, now, seconds)];
	if (what == DELAYED || what == RELEASED) {
		assert_int_equal(*seconds, 0);
		*seconds = r->hold;
	}
	return what;
}

static void
run_script(const struct script *s, int64_t begin)
{
	struct record r = { .first = 0 };
	uint32_t count = 0;
	int64_t hold = 0;

	for (const struct step *p = s->step; p->what != END; p++) {
		int64_t now = begin + p->at, seconds;
		enum what got = do_step(&r, p, now, &seconds);

		assert_true(now != 0);
		CHECK(got == p->what && seconds == p->seconds,
		    "%s, from %" PRId64 ", step %td: %d, %" PRId64, s->name,
		    begin, p - s->step, (int)got, seconds);
		if (got == NEW || (got == CARRIED && r.first == now)) {
			count = 0;	/* begun anew */
			hold = 0;
		}
		if (got != NEW && got != EARLY)
			count++;
		if (got == DELAYED || got == RELEASED)
			hold = p->seconds;
		CHECK(r.count == count && r.hold == hold && r.pending == 0,
		    "%s, step %td", s->name, p - s->step);
		CHECK(r.last == (got == NEW || got == EARLY ? 0 : now),
		    "%s, step %td", s->name, p - s->step);
		CHECK(r.first != 0 && r.first <= now, "%s, step %td", s->name,
		    p - s->step);
	}
}

static void
test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++)
		for (size_t j = 0; j < COUNT(begins); j++)
			run_script(&scripts[i], begins[j]);
}

/* 0 means never in a record, but a clock can show it. */
static void
test_zero_clock(void **state)
{
	struct record r = { .first = 0 };
	int64_t left;

	(void)state;
	assert_int_equal(record_try(&r, &rules, 0, &left), RECORD_NEW);
	assert_in_range(left, DELAY - 1, DELAY);
	assert_int_equal(record_try(&r, &rules, 1, &left), RECORD_EARLY);
	assert_int_equal(record_try(&r, &rules, DELAY, &left), RECORD_DELAYED);
	assert_int_equal(record_try(&r, &rules, 0, &left), RECORD_KNOWN);
	assert_int_equal(record_try(&r, &rules, 5, &left), RECORD_KNOWN);

	memset(&r, 0, sizeof r);
	assert_int_equal(record_try(&r, &rules, -DELAY, &left), RECORD_NEW);
	assert_int_equal(record_try(&r, &rules, 0, &left), RECORD_DELAYED);

	memset(&r, 0, sizeof r);
	assert_true(record_begin(&r, &rules, 0));
	assert_true(record_count(&r, &rules, 0));
	assert_int_equal(r.count, 1);
	assert_int_equal(r.pending, 1);
	assert_false(record_count(&r, &rules, 1));
	assert_false(record_is_past(TUPLE_NETWORK, &r, &rules, 1));
}

static void
test_saturation(void **state)
{
	static const uint32_t counts[] = { UINT32_MAX - 1, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		const struct record full = { .first = EPOCH - YEAR,
		    .last = EPOCH - DAY, .count = counts[i] };
		struct record r = full;
		int64_t left;

		assert_int_equal(record_try(&r, &rules, EPOCH, &left),
		    RECORD_KNOWN);
		assert_true(r.count == UINT32_MAX);
		r = full;
		assert_false(record_pass(&r, &rules, EPOCH));
		assert_true(r.count == UINT32_MAX);
		r = full;
		assert_true(record_count(&r, &rules, EPOCH));
		assert_true(r.count == counts[i] && r.last == EPOCH);
	}
}

/*
 * Whatever the clock did before, by small and large steps: from the first
 * attempt after the last jump nobody waits longer than delay, and who comes
 * back any time from then until retry is let through.
 */
static int64_t
random_jump(int64_t now)
{
	static const int64_t steps[] = { 1, DELAY, 2 * DELAY, HOUR, DAY, RETRY,
	    RETRY + 1, EXPIRE, EXPIRE + 1, YEAR, 80 * YEAR };
	int64_t far = steps[random_below(COUNT(steps))];

	if (random_below(50) == 0)
		return begins[random_below(COUNT(begins))];
	if (now > INT64_MAX - YEAR * 100 || now < INT64_MIN + YEAR * 100)
		return EPOCH;
	return now + random_below(2 * far + 1) - far;
}

static void
test_nobody_waits_longer(void **state)
{
	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct record r = { .first = 0 };
		int64_t now = begins[random_below(COUNT(begins))], left;
		int64_t back, early;

		for (int jumps = (int)random_below(12); jumps > 0; jumps--) {
			now = random_jump(now);
			if (random_below(6) == 0)
				record_pass(&r, &rules, now);
			else
				record_try(&r, &rules, now, &left);
		}
		record_try(&r, &rules, now, &left);
		CHECK(left >= 0 && left <= DELAY, "round %d", round);
		back = random_below(RETRY - DELAY + 1);
		early = random_below(DELAY);
		if (random_below(2) == 0)
			record_try(&r, &rules, now + early, &left);
		CHECK(record_try(&r, &rules, now + DELAY + back, &left) >=
		    RECORD_DELAYED, "round %d", round);
	}
}

/* --- what is past */

static void
test_past(void **state)
{
	static const struct {
		const char *name;
		int64_t first, last;	/* after now, unless it is 0 */
		uint32_t pending;
		bool tuple, network, friend;	/* is it past? */
	} rows[] = {
		{ "nothing", 0, 0, 0, true, true, true },
		{ "begun", -1, 0, 0, false, true, true },
		{ "waits", -RETRY, 0, 0, false, true, true },
		{ "has waited", -RETRY - 1, 0, 0, true, true, true },
		{ "begun a year ago", -YEAR, 0, 9, true, true, true },
		{ "known", -EXPIRE, -1, 0, false, false, false },
		{ "long known", -YEAR, -EXPIRE, 0, false, false, false },
		{ "forgotten", -YEAR, -EXPIRE - 1, 0, true, true, true },
		{ "forgotten, and tried", -1, -EXPIRE - 1, 0, true, true,
		    true },
		{ "pending", -RETRY + 1, 0, 1, false, false, true },
		{ "not pending", -RETRY, 0, 1, false, true, true },
		{ "pending, not white", -1, -EXPIRE - 1, 1, true, false,
		    true },
		{ "white, not pending", -YEAR, -1, 7, false, false, false },
		{ "begun in the future", RETRY, 0, 1, false, false, true },
		{ "too far", RETRY + 1, 0, 1, true, true, true },
		{ "used in the future", 9, EXPIRE, 0, false, false, false },
		{ "used too far", -1, EXPIRE + 1, 0, true, true, true },
		{ "a century ahead", 100 * YEAR, 100 * YEAR, 9, true, true,
		    true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows) * COUNT(begins); i++) {
		size_t row = i % COUNT(rows);
		int64_t now = begins[i / COUNT(rows)];
		struct record r = { .pending = rows[row].pending };

		if (now > INT64_MAX - 200 * YEAR || now == 1)
			continue;	/* a time would overflow, or be 0 */
		r.first = rows[row].first == 0 ? 0 : now + rows[row].first;
		r.last = rows[row].last == 0 ? 0 : now + rows[row].last;
		for (enum tuple_kind kind = 0; kind < TUPLE_KINDS; kind++) {
			bool want = kind == TUPLE_NETWORK ?
			    rows[row].network : kind == TUPLE_FRIEND ?
			    rows[row].friend : rows[row].tuple;

			CHECK(record_is_past(kind, &r, &rules, now) == want,
			    "%s at %" PRId64 ", kind %d", rows[row].name, now,
			    (int)kind);
		}
		CHECK(record_is_friend(&r, &rules, now) != rows[row].friend,
		    "%s", rows[row].name);
	}
}

/* --- a network, one row after the other */

static void
test_autowhite(void **state)
{
	static const struct {
		const char *name;
		struct {
			int64_t at;
			bool counts;
			uint32_t count;
		} step[STEPS_MAX];		/* ends with count 0 */
	} rows[] = {
		{ "by the hour", { { 0, true, 1 }, { HOUR, true, 2 },
		    { 2 * HOUR, true, 3 }, { 3 * HOUR, true, 4 },
		    { 4 * HOUR - 1, false, 4 }, { 4 * HOUR, true, 5 },
		    { 4 * HOUR + 1, false, 5 } } },
		{ "once in an hour", { { 0, true, 1 }, { 0, false, 1 },
		    { 1, false, 1 }, { HOUR - 1, false, 1 },
		    { HOUR, true, 2 }, { 2 * HOUR - 1, false, 2 } } },
		{ "renewed", { { 0, true, 1 }, { HOUR, true, 2 },
		    { 2 * HOUR, true, 3 }, { 3 * HOUR, true, 4 },
		    { 4 * HOUR, true, 5 },
		    { 4 * HOUR + EXPIRE, true, 6 },
		    { 4 * HOUR + 2 * EXPIRE, true, 7 },
		    { 4 * HOUR + 3 * EXPIRE + 1, true, 1 } } },
		{ "slowly", { { 0, true, 1 }, { EXPIRE, true, 2 },
		    { 2 * EXPIRE, true, 3 }, { 3 * EXPIRE, true, 4 },
		    { 4 * EXPIRE, true, 5 } } },
		{ "too slowly", { { 0, true, 1 }, { HOUR, true, 2 },
		    { HOUR + EXPIRE + 1, true, 1 } } },
		{ "back a day", { { 0, true, 1 }, { HOUR, true, 2 },
		    { -DAY, true, 2 }, { -DAY + 1, false, 2 },
		    { -DAY + HOUR, true, 3 } } },
		{ "white, back a day", { { 0, true, 1 }, { HOUR, true, 2 },
		    { 2 * HOUR, true, 3 }, { 3 * HOUR, true, 4 },
		    { 4 * HOUR, true, 5 }, { -DAY, true, 5 },
		    { -DAY + EXPIRE, true, 6 } } },
		{ "back a year", { { 0, true, 1 }, { HOUR, true, 2 },
		    { -YEAR, true, 1 }, { -YEAR + HOUR, true, 2 } } },
		{ "forward a year", { { 0, true, 1 }, { HOUR, true, 2 },
		    { YEAR, true, 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows) * COUNT(begins); i++) {
		size_t row = i % COUNT(rows);
		struct record r = { .first = 0 };

		for (int j = 0; rows[row].step[j].count != 0; j++) {
			int64_t now = begins[i / COUNT(rows)] +
			    rows[row].step[j].at;
			struct record before = r;
			bool counts = record_count(&r, &rules, now);

			CHECK(counts == rows[row].step[j].counts &&
			    r.count == rows[row].step[j].count,
			    "%s, step %d: %" PRIu32, rows[row].name, j,
			    r.count);
			CHECK(counts ? r.last == now : is_same(&r, &before),
			    "%s, step %d", rows[row].name, j);
			CHECK(record_is_white(&r, &rules, now) ==
			    (r.count >= WHITE), "%s, step %d",
			    rows[row].name, j);
		}
	}
}

static void
test_is_white(void **state)
{
	static const struct {
		long autowhite;
		uint32_t count;
		int64_t last;		/* before EPOCH */
		bool want;
	} rows[] = {
		{ 5, 4, 0, false },
		{ 5, 5, 0, true },
		{ 5, UINT32_MAX, 0, true },
		{ 5, 5, EXPIRE, true },
		{ 5, 5, EXPIRE + 1, false },
		{ 5, 5, -EXPIRE, true },
		{ 5, 5, -EXPIRE - 1, false },
		{ 5, 5, EPOCH, false },		/* never */
		{ 5, UINT32_MAX, EPOCH, false },
		{ 1, 0, 0, false },
		{ 1, 1, 0, true },
		{ 0, 0, 0, false },
		{ 0, 5, 0, false },
		{ 0, RECORD_BY_HAND - 1, 0, false },
		{ 0, RECORD_BY_HAND, 0, true },
		{ 0, RECORD_BY_HAND, EXPIRE + 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record_rules other = rules;
		const struct record r = { .count = rows[i].count,
		    .last = EPOCH - rows[i].last };

		other.autowhite = rows[i].autowhite;
		CHECK(record_is_white(&r, &other, EPOCH) == rows[i].want,
		    "row %zu", i);
	}
}

/* Never white, so that nothing is counted, but for what is settled. */
static void
test_autowhite_never(void **state)
{
	struct record_rules never = rules;
	struct record r = { .first = EPOCH, .pending = 2 };

	(void)state;
	never.autowhite = 0;
	assert_false(record_count(&r, &never, EPOCH));
	assert_true(record_settle(&r, EPOCH));
	assert_int_equal(r.pending, 1);
	assert_int_equal(r.count, 0);
	assert_int_equal(r.last, 0);
}

/* One that was chosen is renewed, and nothing can count up to it. */
static void
test_whiten(void **state)
{
	struct record_rules never = rules;
	struct record r = { .first = EPOCH, .pending = 2 };

	(void)state;
	never.autowhite = 0;
	record_whiten(&r, EPOCH);
	assert_true(record_is_white(&r, &never, EPOCH + EXPIRE));
	assert_true(record_count(&r, &never, EPOCH + EXPIRE));
	assert_true(record_is_white(&r, &never, EPOCH + 2 * EXPIRE));
	assert_false(record_is_white(&r, &never, EPOCH + 2 * EXPIRE + 1));
	assert_int_equal(r.pending, 2);

	r = (struct record){ .first = EPOCH, .last = EPOCH,
	    .count = RECORD_BY_HAND - 1 };
	assert_true(record_count(&r, &rules, EPOCH + HOUR));
	assert_true(r.count == RECORD_BY_HAND - 1);
}

static void
test_settled(void **state)
{
	static const struct {
		uint32_t pending;
		int64_t settled;	/* after first */
		uint32_t want;
		bool written;
	} rows[] = {
		{ 3, 0, 2, true },
		{ 3, 1, 2, true },
		{ 1, DAY, 0, true },
		{ 3, -1, 3, false },		/* was not counted */
		{ 3, -DAY, 3, false },
		{ 0, 0, 0, false },
		{ UINT32_MAX, 0, UINT32_MAX - 1, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record r = { .first = EPOCH, .pending =
		    rows[i].pending };

		CHECK(record_settle(&r, EPOCH + rows[i].settled) ==
		    rows[i].written, "row %zu", i);
		CHECK(r.pending == rows[i].want, "row %zu", i);
	}
}

static void
test_begin(void **state)
{
	static const struct {
		const char *name;
		struct {
			int64_t at;
			uint32_t settled;	/* before */
			uint32_t pending;	/* after */
			bool may;
		} step[STEPS_MAX];		/* ends with pending 0 */
	} rows[] = {
		{ "full", { { 0, 0, 1, true }, { 0, 0, 2, true },
		    { 9, 0, 3, true }, { 9, 0, 3, false },
		    { RETRY - 1, 0, 3, false }, { RETRY, 0, 1, true },
		    { RETRY + 1, 0, 2, true } } },
		{ "settled", { { 0, 0, 1, true }, { 1, 0, 2, true },
		    { 2, 0, 3, true }, { 3, 1, 3, true }, { 4, 2, 2, true },
		    { 5, 9, 1, true } } },
		{ "long unused", { { 0, 0, 1, true }, { YEAR, 0, 1, true },
		    { YEAR + RETRY - 1, 0, 2, true },
		    { YEAR + RETRY, 0, 1, true } } },
		{ "back a day", { { 0, 0, 1, true }, { 0, 0, 2, true },
		    { -DAY, 0, 3, true }, { -DAY + 1, 0, 3, false },
		    { -DAY + RETRY - 1, 0, 3, false },
		    { -DAY + RETRY, 0, 1, true } } },
		{ "back a year", { { 0, 0, 1, true }, { 0, 0, 2, true },
		    { 0, 0, 3, true }, { -YEAR, 0, 1, true },
		    { -YEAR + RETRY, 0, 1, true } } },
		{ "forward a year and back", { { 0, 0, 1, true },
		    { YEAR, 0, 1, true }, { YEAR, 0, 2, true },
		    { 0, 0, 1, true } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows) * COUNT(begins); i++) {
		size_t row = i % COUNT(rows);
		struct record r = { .last = 5, .count = 1 };

		for (int j = 0; rows[row].step[j].pending != 0; j++) {
			int64_t now = begins[i / COUNT(rows)] +
			    rows[row].step[j].at;

			for (uint32_t n = rows[row].step[j].settled; n > 0;
			    n--)
				record_settle(&r, now);
			CHECK(record_begin(&r, &rules, now) ==
			    rows[row].step[j].may, "%s, step %d",
			    rows[row].name, j);
			CHECK(r.pending == rows[row].step[j].pending,
			    "%s, step %d: %" PRIu32, rows[row].name, j,
			    r.pending);
			CHECK(r.first <= now && r.last == 5 && r.count == 1,
			    "%s, step %d", rows[row].name, j);
		}
	}
}

/*
 * A botnet of one network, whose tuples some come back with and some do not:
 * never do more than twice pending_max wait, and never may none begin for
 * longer than retry.
 */
#define TUPLES	50

static int
waiting(const struct record tuple[TUPLES], int64_t now)
{
	int count = 0;

	for (int i = 0; i < TUPLES; i++)
		count += tuple[i].last == 0 && !record_is_past(TUPLE_TRIPLET,
		    &tuple[i], &rules, now);
	return count;
}

static void
try_one(struct record *network, struct record *t, int64_t now)
{
	int64_t left;

	if (t->last != 0 || record_is_past(TUPLE_TRIPLET, t, &rules, now) ||
	    record_try(t, &rules, now, &left) != RECORD_DELAYED)
		return;
	record_settle(network, t->first);
}

static void
test_pending_is_bounded(void **state)
{
	static const int64_t steps[] = { 0, 0, 0, 0, DELAY, RETRY / 2,
	    RETRY - 2 * DELAY };
	int most = 0;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		struct record tuple[TUPLES] = { { .first = 0 } };
		struct record network = { .first = 0 };
		int64_t now = begins[round % COUNT(begins)], left, free = now;

		for (int next = 0; next < TUPLES; ) {
			int few = next < 10 ? next : 10;

			now += steps[random_below(COUNT(steps))];
			if (random_below(3) == 0) {
				try_one(&network, &tuple[next -
				    random_below(few + 1)], now);
			} else if (record_begin(&network, &rules, now)) {
				record_try(&tuple[next++], &rules, now, &left);
				free = now;
			} else
				CHECK(now - free < RETRY, "round %d", round);
			if (waiting(tuple, now) > most)
				most = waiting(tuple, now);
		}
	}
	assert_int_equal(most, 2 * PENDING);
}

/* --- whatever is in a record */

static const int64_t odd[] = { INT64_MIN, INT64_MIN + 1, -EPOCH, -1, 0, 1,
    EPOCH - YEAR, EPOCH - DAY, EPOCH, EPOCH + 9, EPOCH + DAY,
    EPOCH + EXPIRE + 9, Y2038, Y2106, INT64_MAX - 1, INT64_MAX };

static const uint32_t odd_counts[] = { 0, 1, WHITE, PENDING, INT32_MAX,
    UINT32_MAX };

static struct record
random_record(void)
{
	struct record r = {
		.first = odd[random_below(COUNT(odd))],
		.last = odd[random_below(COUNT(odd))],
		.hold = odd[random_below(COUNT(odd))],
		.count = odd_counts[random_below(COUNT(odd_counts))],
		.pending = odd_counts[random_below(COUNT(odd_counts))],
	};

	return r;
}

static void
check_tuple(const struct record *r, int64_t now)
{
	struct record tried = *r, passed = *r;
	bool is_past = record_is_past(TUPLE_PAIR, r, &rules, now);
	enum record_verdict verdict;
	int64_t left;

	verdict = record_try(&tried, &rules, now, &left);
	if (is_past)	/* as if there were none */
		assert_true(verdict == RECORD_NEW && tried.count == 0);
	else
		assert_true(verdict != RECORD_NEW);
	assert_true(verdict >= RECORD_DELAYED ? left == 0 :
	    left >= 1 && left <= DELAY);
	assert_true(tried.first <= now && tried.first != 0);
	assert_true(verdict >= RECORD_DELAYED ? tried.last <= now &&
	    tried.last != 0 : tried.last == 0);
	assert_true(record_pass(&passed, &rules, now) ==
	    (!is_past && r->last == 0));
	assert_true(passed.first <= now && passed.last <= now);
	assert_true(passed.last != 0 && passed.count != 0);
}

/*
 * Left alone, each kind is past some day, for it counts from expire before a
 * time in it to expire after, or as long before and after as retry.
 */
static void
check_end(const struct record *r, int64_t now)
{
	if (now > INT64_MAX - YEAR)
		return;
	for (enum tuple_kind kind = 0; kind < TUPLE_KINDS; kind++) {
		int64_t t = now;

		while (!record_is_past(kind, r, &rules, t))
			t += DAY;
		assert_true(t - now <= 2 * EXPIRE + 2 * RETRY + 2 * DAY);
	}
}

static void
test_odd_records(void **state)
{
	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct record r = random_record(), network = r;
		int64_t now = odd[random_below(COUNT(odd))];
		int64_t settled = odd[random_below(COUNT(odd))];

		check_tuple(&r, now);
		check_end(&r, now);
		if (record_is_past(TUPLE_NETWORK, &r, &rules, now))
			assert_false(record_is_white(&r, &rules, now));
		assert_true(record_is_friend(&r, &rules, now) !=
		    record_is_past(TUPLE_FRIEND, &r, &rules, now));
		if (!record_settle(&network, settled))
			assert_true(is_same(&network, &r));
		r = network;
		if (!record_count(&network, &rules, now))
			assert_true(is_same(&network, &r));
		assert_true(network.pending <= r.pending);
		assert_true(network.last <= now && network.last != 0);
		record_begin(&network, &rules, now);
		assert_true(network.first <= now && network.first != 0);
	}
}

/* --- two records of a tuple */

static void
test_merge(void **state)
{
	static const struct {
		struct record a, b, want;
	} rows[] = {
		{ { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 } },
		{ { 0, 0, 0, 0, 0 }, { 5, 6, 7, 8, 9 }, { 5, 6, 7, 8, 9 } },
		{ { 5, 6, 7, 8, 9 }, { 6, 7, 8, 9, 10 }, { 5, 7, 8, 9, 10 } },
		{ { 5, 0, 0, 0, 0 }, { 9, 9, 0, 1, 0 }, { 5, 9, 0, 1, 0 } },
		{ { 0, 6, 0, 1, 0 }, { 9, 0, 0, 0, 2 }, { 9, 6, 0, 1, 2 } },
		{ { -5, -6, -7, 1, 1 }, { 5, 0, 0, 1, 1 },
		    { -5, 0, 0, 1, 1 } },
		{ { INT64_MIN, INT64_MIN, INT64_MIN, 0, UINT32_MAX },
		    { INT64_MAX, INT64_MAX, INT64_MAX, UINT32_MAX, 0 },
		    { INT64_MIN, INT64_MAX, INT64_MAX, UINT32_MAX,
		    UINT32_MAX } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record ab = rows[i].a, ba = rows[i].b;

		record_merge(&ab, &rows[i].b);
		record_merge(&ba, &rows[i].a);
		CHECK(is_same(&ab, &rows[i].want), "row %zu", i);
		CHECK(is_same(&ba, &rows[i].want), "row %zu", i);
	}
}

/* Dumps of several hosts, in any order, repeatedly. */
static void
test_merge_in_any_order(void **state)
{
	const struct record none = { .first = 0 };

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct record a = random_record(), b = random_record();
		struct record c = random_record(), bc = b;
		struct record left = a, right = a, again, back = c;

		record_merge(&left, &b);
		record_merge(&left, &c);
		record_merge(&bc, &c);
		record_merge(&right, &bc);
		assert_true(is_same(&left, &right));
		record_merge(&back, &b);
		record_merge(&back, &a);
		assert_true(is_same(&left, &back));
		again = left;
		record_merge(&again, &b);
		record_merge(&again, &left);
		assert_true(is_same(&left, &again));
		if (a.last >= 0 && a.hold >= 0) {
			again = a;
			record_merge(&again, &none);
			assert_true(is_same(&again, &a));
		}
	}
}

/* --- the form in the store */

/* Other versions of us read it. */
static void
test_form(void **state)
{
	static const unsigned char want[] = {
		1, 34,
		0, 0, 0, 0, 0x65, 0x53, 0xf1, 0x00,
		0, 0, 0, 1, 0, 0, 0, 7,
		0, 0, 0, 0, 0, 0, 0x01, 0x38,
		0, 0, 1, 2,
		0xff, 0xff, 0xff, 0xff,
	};
	const struct record r = { .first = EPOCH, .last = Y2106 + 7,
	    .hold = 312, .count = 258, .pending = UINT32_MAX };
	unsigned char value[RECORD_VALUE_SIZE];

	(void)state;
	assert_int_equal(sizeof want, RECORD_VALUE_SIZE);
	record_encode(&r, value);
	assert_memory_equal(value, want, sizeof want);
}

static void
test_encode(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		const struct record r = random_record();
		unsigned char value[RECORD_VALUE_SIZE + 1];
		struct record got = random_record();

		value[RECORD_VALUE_SIZE] = 0xaa;
		record_encode(&r, value);
		assert_int_equal(value[RECORD_VALUE_SIZE], 0xaa);
		assert_int_equal(record_decode(&got, value,
		    RECORD_VALUE_SIZE), 0);
		assert_true(is_same(&got, &r));
	}
}

static void
test_decode(void **state)
{
	static const struct {
		unsigned char version, says;
		size_t size;
		int want;
	} rows[] = {
		{ 1, 34, 34, 0 },
		{ 0, 34, 34, -1 },
		{ 2, 34, 34, -1 },
		{ 255, 34, 34, -1 },
		{ 1, 33, 34, -1 },
		{ 1, 35, 34, -1 },
		{ 1, 0, 34, -1 },
		{ 1, 34, 0, -1 },
		{ 1, 34, 1, -1 },
		{ 1, 34, 33, -1 },
		{ 1, 33, 33, -1 },
		{ 1, 34, 35, -1 },
		{ 1, 35, 35, -1 },
		{ 1, 34, STORE_VALUE_MAX, -1 },
	};
	const struct record before = { 1, 2, 3, 4, 5 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned char value[STORE_VALUE_MAX] = { 0 };
		struct record r = before;

		value[0] = rows[i].version;
		value[1] = rows[i].says;
		CHECK(record_decode(&r, value, rows[i].size) == rows[i].want,
		    "row %zu", i);
		CHECK(is_same(&r, &before) == (rows[i].want == -1),
		    "row %zu", i);
	}
}

/* --- the form in a dump */

static void
test_print(void **state)
{
	static const struct {
		enum tuple_kind kind;
		struct tuple t;
		struct record r;
		const char *want;
	} rows[] = {
		{ TUPLE_CLIENT, { "192.0.2.0/24", "s", "r", "" },
		    { EPOCH, EPOCH + 312, 312, 1, 0 },
		    "load client 192.0.2.0/24 - - "
		    "1700000000 1700000312 312 1 0" },
		{ TUPLE_PAIR, { "2001:db8::/64", "", "r", "" },
		    { EPOCH, 0, 0, 0, 0 },
		    "load pair 2001:db8::/64 <> - 1700000000 0 0 0 0" },
		{ TUPLE_TRIPLET, { "example.org", "joe@a", "ann@b", "" },
		    { 1, 2, 3, 4, 5 },
		    "load triplet example.org joe@a ann@b 1 2 3 4 5" },
		{ TUPLE_NETWORK, { "192.0.2.0/24", "", "", "" },
		    { Y2106, 0, 0, UINT32_MAX, UINT32_MAX },
		    "load network 192.0.2.0/24 - - "
		    "4294967296 0 0 4294967295 4294967295" },
		{ TUPLE_FRIEND, { "c", "joe@a", "ann@b", "" },
		    { 0, 9, 0, 1, 0 },
		    "load friend - joe@a ann@b 0 9 0 1 0" },
		{ TUPLE_FRIEND, { "", "joe@a", "", "" }, { 0, 9, 0, 1, 0 },
		    "load friend - joe@a <> 0 9 0 1 0" },
		{ TUPLE_TRIPLET, { "c", "a b\\c@d\xff", "-", "" },
		    { INT64_MIN, INT64_MAX, -1, 0, 0 },
		    "load triplet c a\\x20b\\x5cc@d\\xff \\x2d "
		    "-9223372036854775808 9223372036854775807 -1 0 0" },
		{ TUPLE_TRIPLET, { "--", "-a", "<>", "" }, { 0, 0, 0, 0, 0 },
		    "load triplet -- -a \\x3c\\x3e 0 0 0 0 0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[RECORD_LINE_MAX];

		assert_ptr_equal(record_print(line, rows[i].kind, &rows[i].t,
		    &rows[i].r), line);
		CHECK(strcmp(line, rows[i].want) == 0, "row %zu: %s", i, line);
	}
}

#define MOST	((int64_t)1 << 40)	/* seconds in a dump */

/* What is printed is read again, for each kind, up to the longest line. */
static void
test_print_and_scan(void **state)
{
	static const char *const texts[] = { "", "-", "<>", "a@b", "\\x2d",
	    "a b", "\x7f\xc3\xa4" };
	char longest[TUPLE_TEXT_MAX + 1];

	(void)state;
	memset(longest, 0xff, sizeof longest);
	longest[TUPLE_TEXT_MAX] = '\0';
	for (int i = 0; i < (int)COUNT(texts) * 1000; i++) {
		enum tuple_kind kind = (enum tuple_kind)(i % TUPLE_KINDS);
		struct record r = random_record();
		struct tuple t, got;
		struct record got_r;
		char line[RECORD_LINE_MAX], again[RECORD_LINE_MAX];
		char *part[] = { t.client, t.sender, t.recipient };
		const char *wrong;

		for (int j = 0; j < 3; j++) {
			size_t n = next_random() % (COUNT(texts) + 1);

			snprintf(part[j], TUPLE_TEXT_MAX + 1, "%s",
			    n < COUNT(texts) ? texts[n] : longest);
		}
		r.first %= MOST;
		r.last %= MOST;
		r.hold %= MOST;
		record_print(line, kind, &t, &r);
		memcpy(again, line, sizeof again);
		CHECK(record_scan(&got, &got_r, again + 5, &wrong) ==
		    (int)kind, "%s: %s", line, wrong);
		CHECK(is_same(&got_r, &r), "%s", line);
		record_print(again, kind, &got, &got_r);
		assert_string_equal(again, line);
	}
}

static const char *const good[] = {
	"triplet c s r 1 2 3 4 5",
	"  triplet\t c  s \t\tr 1 2 3 4 5 \t ",
	"triplet c s r 01 00000000000000000000000002 3 4 0000000000000005",
	"triplet \\x63 s \\x72 1 2 3 4 5",
};

static void
test_scan(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct record want = { 1, 2, 3, 4, 5 };
		const char *wrong = NULL;
		struct tuple t;
		struct record r;
		char line[200];

		snprintf(line, sizeof line, "%s", good[i]);
		memset(&t, 'x', sizeof t);
		CHECK(record_scan(&t, &r, line, &wrong) == TUPLE_TRIPLET,
		    "%s: %s", good[i], wrong);
		CHECK(is_same(&r, &want), "%s", good[i]);
		assert_string_equal(t.client, "c");
		assert_string_equal(t.sender, "s");
		assert_string_equal(t.recipient, "r");
	}
}

/* Parts the kind does not have are empty. */
static void
test_scan_kinds(void **state)
{
	static const struct {
		const char *line;
		enum tuple_kind kind;
		struct tuple want;
	} rows[] = {
		{ "client c - - 0 0 0 0 0", TUPLE_CLIENT, { "c", "", "", "" } },
		{ "pair c s - 0 0 0 0 0", TUPLE_PAIR, { "c", "s", "", "" } },
		{ "pair c <> - 0 0 0 0 0", TUPLE_PAIR, { "c", "", "", "" } },
		{ "triplet c \\x2d r 0 0 0 0 0", TUPLE_TRIPLET,
		    { "c", "-", "r", "" } },
		{ "network c - - 0 0 0 0 0", TUPLE_NETWORK,
		    { "c", "", "", "" } },
		{ "friend - s r 0 0 0 0 0", TUPLE_FRIEND,
		    { "", "s", "r", "" } },
		{ "friend - s <> 0 0 0 0 0", TUPLE_FRIEND,
		    { "", "s", "", "" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *wrong = NULL;
		struct record r;
		struct tuple t;
		char line[200];

		memset(&t, 'x', sizeof t);
		snprintf(line, sizeof line, "%s", rows[i].line);
		CHECK(record_scan(&t, &r, line, &wrong) == (int)rows[i].kind,
		    "%s: %s", rows[i].line, wrong);
		assert_string_equal(t.client, rows[i].want.client);
		assert_string_equal(t.sender, rows[i].want.sender);
		assert_string_equal(t.recipient, rows[i].want.recipient);
	}
}

static void
test_scan_numbers(void **state)
{
	/* As FIRST, LAST or HOLD; as COUNT or PENDING. */
	static const struct {
		const char *word;
		bool is_time, is_count;
	} rows[] = {
		{ "0", true, true },
		{ "7", true, true },
		{ "4294967295", true, true },
		{ "4294967296", true, false },
		{ "1099511627776", true, false },
		{ "1099511627777", false, false },
		{ "9223372036854775807", false, false },
		{ "9223372036854775808", false, false },
		{ "18446744073709551616", false, false },
		{ "99999999999999999999999999999999999999", false, false },
		{ "-1", true, false },
		{ "-0", true, false },
		{ "-1099511627776", true, false },
		{ "-1099511627777", false, false },
		{ "-9223372036854775808", false, false },
		{ "-9223372036854775809", false, false },
		{ "+1", false, false },
		{ "-", false, false },
		{ "--1", false, false },
		{ "-+1", false, false },
		{ "1-", false, false },
		{ "1.5", false, false },
		{ "1e3", false, false },
		{ "0x10", false, false },
		{ "1s", false, false },
		{ "x", false, false },
		{ "\v1", false, false },
		{ "-\n1", false, false },
		{ "1\n", false, false },
		{ "1\r", false, false },
		{ "\xb2", false, false },
	};
	static const char *const names[] = { "FIRST", "LAST", "HOLD", "COUNT",
	    "PENDING" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows) * COUNT(names); i++) {
		size_t place = i % COUNT(names), row = i / COUNT(names);
		const char *word[] = { "0", "0", "0", "0", "0" };
		bool want = place < 3 ? rows[row].is_time :
		    rows[row].is_count;
		struct tuple t;
		struct record r;
		const char *wrong;
		char line[200];
		int kind;

		word[place] = rows[row].word;
		snprintf(line, sizeof line, "client c - - %s %s %s %s %s",
		    word[0], word[1], word[2], word[3], word[4]);
		kind = record_scan(&t, &r, line, &wrong);
		CHECK((kind != -1) == want, "%s \"%s\"", names[place],
		    rows[row].word);
		if (kind == -1)
			CHECK(strncmp(wrong, names[place],
			    strlen(names[place])) == 0, "%s: %s", names[place],
			    wrong);
	}
}

static void
test_scan_wrong(void **state)
{
	static const struct {
		const char *line, *wrong;	/* a word of what is said */
	} rows[] = {
		{ "", "missing" },
		{ "   \t ", "missing" },
		{ "triplet", "missing" },
		{ "triplet c s r 1 2 3 4", "missing" },
		{ "client c 1 2 3 4 5", "missing" },
		{ "triplet c s r 1 2 3 4 5 6", "too many" },
		{ "triplet c s r 1 2 3 4 5 # six", "too many" },
		{ "load triplet c s r 1 2 3 4 5", "too many" },
		{ "quadruplet c s r 1 2 3 4 5", "KIND" },
		{ "Triplet c s r 1 2 3 4 5", "KIND" },
		{ "trip c s r 1 2 3 4 5", "KIND" },
		{ "- c s r 1 2 3 4 5", "KIND" },
		/* "-" where the kind has the part, or not where it has none */
		{ "triplet - s r 1 2 3 4 5", "CLIENT" },
		{ "triplet c - r 1 2 3 4 5", "SENDER" },
		{ "triplet c s - 1 2 3 4 5", "RECIPIENT" },
		{ "client - - - 1 2 3 4 5", "CLIENT" },
		{ "client c s - 1 2 3 4 5", "SENDER" },
		{ "client c - r 1 2 3 4 5", "RECIPIENT" },
		{ "client c <> - 1 2 3 4 5", "SENDER" },
		{ "client c -- - 1 2 3 4 5", "SENDER" },
		{ "pair c s r 1 2 3 4 5", "RECIPIENT" },
		{ "pair c - - 1 2 3 4 5", "SENDER" },
		{ "network c s - 1 2 3 4 5", "SENDER" },
		{ "friend c s r 1 2 3 4 5", "CLIENT" },
		{ "friend - - r 1 2 3 4 5", "SENDER" },
		{ "friend - s - 1 2 3 4 5", "RECIPIENT" },
		/* no words of tuple_print() */
		{ "triplet c\\ s r 1 2 3 4 5", "CLIENT" },
		{ "triplet c s\\x00 r 1 2 3 4 5", "SENDER" },
		{ "triplet c s r\\xg0 1 2 3 4 5", "RECIPIENT" },
		{ "triplet c s r\n 1 2 3 4 5", "RECIPIENT" },
		{ "triplet c s \xff 1 2 3 4 5", "RECIPIENT" },
		{ "triplet c s 345678901234567890123456789012345678901234567890"
		    "1234567890123456789012345678901234567890 1 2 3 4 5",
		    "RECIPIENT" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct record before = { 1, 2, 3, 4, 5 };
		const struct tuple t_before = { "c", "s", "r", "" };
		struct record r = before;
		struct tuple t = t_before;
		const char *wrong = NULL;
		char line[200];

		snprintf(line, sizeof line, "%s", rows[i].line);
		CHECK(record_scan(&t, &r, line, &wrong) == -1, "\"%s\"",
		    rows[i].line);
		CHECK(wrong != NULL && strstr(wrong, rows[i].wrong) != NULL,
		    "\"%s\": %s", rows[i].line, wrong);
		CHECK(is_same(&r, &before) &&
		    memcmp(&t, &t_before, sizeof t) == 0, "\"%s\"",
		    rows[i].line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_zero_clock),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_nobody_waits_longer),
		cmocka_unit_test(test_past),
		cmocka_unit_test(test_autowhite),
		cmocka_unit_test(test_is_white),
		cmocka_unit_test(test_autowhite_never),
		cmocka_unit_test(test_whiten),
		cmocka_unit_test(test_settled),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_pending_is_bounded),
		cmocka_unit_test(test_odd_records),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_in_any_order),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_and_scan),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_kinds),
		cmocka_unit_test(test_scan_numbers),
		cmocka_unit_test(test_scan_wrong),
	};

	return RUN(tests);
}
