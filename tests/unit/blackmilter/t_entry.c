/*
 * t_entry - the rules of the short-term list, with a clock of our own, and the
 * form of its records.
 */
#include <stdbool.h>
#include <string.h>

#include "entry.h"
#include "unit.h"

#define HOUR	3600
#define DAY	INT64_C(86400)
#define WEEK	(7 * DAY)
#define YEAR	(365 * DAY)

#define EPOCH	INT64_C(1700000000)	/* "now", where it does not matter */
#define Y2038	(INT64_C(1) << 31)	/* on no 32-bit clock */
#define Y2106	(INT64_C(1) << 32)

static void
test_client(void **state)
{
	static const struct {
		const char *addr, *want;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
		{ "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::" },
		{ "2001:db8:1:3::", "2001:db8:1:3::" },
		{ "::1", "::" },
		{ "::ffff:0:192.0.2.1", "::" },
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr a, got;

		assert_int_equal(addr_parse(&a, rows[i].addr), 0);
		got = entry_client(&a);
		CHECK(strcmp(addr_print(&got, text), rows[i].want) == 0,
		    "%s: %s", rows[i].addr, text);
	}
}

/* --- reports: one entry, one row after the other */

/* A report at this time (after EPOCH), and for how long it is listed then. */
struct step {
	int64_t at, seconds;
	int64_t listed;		/* seconds from then; 0: not at all */
};

#define STEPS_MAX	16

static const struct script {
	const char *name;
	long threshold;
	struct step step[STEPS_MAX];	/* ends with seconds 0 */
} scripts[] = {
	{ "once", 1, { { 0, 600, 600 } } },
	{ "doubled while it is listed", 1, { { 0, 600, 600 }, { 10, 600, 1200 },
	    { 20, 600, 2400 }, { 30, 600, 4800 } } },
	{ "doubled when it is over", 1, { { 0, 600, 600 }, { 700, 600, 1200 },
	    { 3 * DAY, 600, 2400 } } },
	{ "up to seven days", 1, { { 0, 2 * DAY, 2 * DAY },
	    { 10, 2 * DAY, 4 * DAY }, { 20, 2 * DAY, WEEK },
	    { 30, 2 * DAY, WEEK }, { 40, 1, WEEK } } },
	{ "not less than was asked for", 1, { { 0, 60, 60 },
	    { 10, 5000, 5000 }, { 20, 60, 10000 } } },
	{ "the longest there is", 1, { { 0, ENTRY_LONGEST, WEEK },
	    { 1, ENTRY_LONGEST, WEEK } } },
	{ "remembered", 1, { { 0, 600, 600 },
	    { 600 + ENTRY_MEMORY - 1, 600, 1200 } } },
	{ "forgotten", 1, { { 0, 600, 600 },
	    { 600 + ENTRY_MEMORY, 600, 600 } } },
	{ "forgotten, then doubled again", 1, { { 0, 600, 600 },
	    { 600 + ENTRY_MEMORY, 600, 600 },
	    { 600 + ENTRY_MEMORY + 1, 600, 1200 } } },
	{ "threshold", 3, { { 0, 600, 0 }, { 1800, 600, 0 },
	    { ENTRY_WINDOW - 1, 600, 600 } } },
	{ "threshold, at once", 3, { { 0, 600, 0 }, { 0, 600, 0 },
	    { 0, 600, 600 } } },
	{ "threshold, too slow", 2, { { 0, 600, 0 },
	    { ENTRY_WINDOW, 600, 0 }, { 2 * ENTRY_WINDOW, 600, 0 },
	    { 3 * ENTRY_WINDOW - 1, 600, 600 } } },
	{ "threshold, then doubled", 2, { { 0, 600, 0 }, { 10, 600, 600 },
	    { 20, 600, 1200 } } },
	{ "threshold, again when forgotten", 2, { { 0, 600, 0 },
	    { 10, 600, 600 }, { 610 + ENTRY_MEMORY, 600, 0 },
	    { 620 + ENTRY_MEMORY, 600, 600 } } },
};

static void
test_reports(void **state)
{
	static const int64_t begins[] = { 0, EPOCH, Y2038 - 5, Y2106 - 5 };

	(void)state;
	for (size_t b = 0; b < COUNT(begins); b++)
		for (size_t i = 0; i < COUNT(scripts); i++) {
			struct entry e = { .kind = ENTRY_NONE };
			const struct step *s = scripts[i].step;

			for (; s->seconds > 0; s++) {
				/* 0 would mean: never listed. */
				int64_t now = begins[b] + s->at + 1;

				entry_report(&e, scripts[i].threshold,
				    s->seconds, "x", now);
				CHECK((e.expires == 0 ? 0 : e.expires - now) ==
				    s->listed, "%s, step %zu: %lld",
				    scripts[i].name, (size_t)(s -
				    scripts[i].step), (long long)e.expires);
				CHECK(entry_is_listed(&e, now) ==
				    (s->listed > 0), "%s", scripts[i].name);
				assert_true(entry_is_current(&e, now));
				assert_false(entry_is_past(&e, now));
			}
		}
}

static void
test_report_of_others(void **state)
{
	struct entry e = { .kind = ENTRY_BLACK, .reason = "by hand" };

	(void)state;
	entry_report(&e, 1, 600, "x", EPOCH);
	assert_int_equal(e.kind, ENTRY_BLACK);
	assert_string_equal(e.reason, "by hand");
	assert_true(entry_is_listed(&e, EPOCH + YEAR));

	/* What was there before does not count when it is none. */
	e = (struct entry){ .kind = ENTRY_NONE, .expires = EPOCH + 10,
	    .seconds = 5000, .reports = 7, .since = EPOCH };
	entry_report(&e, 2, 600, "x", EPOCH);
	assert_int_equal(e.kind, ENTRY_REPORT);
	assert_int_equal(e.reports, 1);
	assert_false(entry_is_listed(&e, EPOCH));

	/* The number of reports does not begin again at zero. */
	e = (struct entry){ .kind = ENTRY_REPORT, .since = EPOCH,
	    .reports = UINT32_MAX };
	entry_report(&e, 1, 600, "x", EPOCH);
	assert_int_equal(e.reports, UINT32_MAX);
	assert_true(entry_is_listed(&e, EPOCH));
}

/* --- what an entry is at a time */

static void
test_states(void **state)
{
	static const struct {
		enum entry_kind kind;
		int64_t expires, since, now;
		bool listed, current, past;
	} rows[] = {
		{ ENTRY_NONE, 0, 0, EPOCH, false, false, false },
		{ ENTRY_WHITE, 0, 0, EPOCH, true, true, false },
		{ ENTRY_BLACK, 0, 0, EPOCH + 100 * YEAR, true, true,
		    false },
		{ ENTRY_REPORT, EPOCH + 1, 0, EPOCH, true, true, false },
		{ ENTRY_REPORT, EPOCH, 0, EPOCH, false, false, false },
		{ ENTRY_REPORT, EPOCH, 0, EPOCH + ENTRY_MEMORY - 1, false,
		    false, false },
		{ ENTRY_REPORT, EPOCH, 0, EPOCH + ENTRY_MEMORY, false, false,
		    true },
		/* Counting towards it. */
		{ ENTRY_REPORT, 0, EPOCH, EPOCH, false, true, false },
		{ ENTRY_REPORT, 0, EPOCH, EPOCH + ENTRY_WINDOW - 1, false,
		    true, false },
		{ ENTRY_REPORT, 0, EPOCH, EPOCH + ENTRY_WINDOW, false, false,
		    true },
		/* A clock with more than 31 bits. */
		{ ENTRY_REPORT, Y2038 + 60, 0, Y2038 - 1, true, true, false },
		{ ENTRY_REPORT, Y2038 - 60, 0, Y2038 + 1, false, false, false },
		{ ENTRY_REPORT, Y2106 + 60, 0, Y2106 + 59, true, true, false },
		{ ENTRY_REPORT, Y2106 + 60, 0, Y2106 + 60 + ENTRY_MEMORY,
		    false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct entry e = { .kind = rows[i].kind,
		    .expires = rows[i].expires, .since = rows[i].since };

		CHECK(entry_is_listed(&e, rows[i].now) == rows[i].listed,
		    "row %zu", i);
		CHECK(entry_is_current(&e, rows[i].now) == rows[i].current,
		    "row %zu", i);
		CHECK(entry_is_past(&e, rows[i].now) == rows[i].past,
		    "row %zu", i);
	}
}

/* A33: listed at one time, looked at when the clock says another. */
static void
test_clock(void **state)
{
	static const struct {
		const char *name;
		int64_t seconds, jump;	/* of the clock, after the report */
		int64_t left;		/* seconds it is listed from then */
	} rows[] = {
		{ "nothing happens", 600, 0, 600 },
		{ "some time passes", 600, 100, 500 },
		{ "back a day", 600, -DAY, 600 },
		{ "back a day, listed for longer", 3 * DAY, -DAY, 3 * DAY },
		{ "back a year", WEEK, -YEAR, WEEK },
		{ "back to the epoch", WEEK, 1 - EPOCH, WEEK },
		{ "forward a year", WEEK, YEAR, 0 },
		{ "forward an hour", 600, HOUR, 0 },
		{ "beyond 2038", WEEK, Y2038 - EPOCH + 10, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct entry e = { .kind = ENTRY_NONE };
		int64_t now = EPOCH + rows[i].jump;

		entry_report(&e, 1, rows[i].seconds, "x", EPOCH);
		entry_check_clock(&e, now);
		CHECK(entry_is_listed(&e, now) == (rows[i].left > 0), "%s",
		    rows[i].name);
		CHECK(rows[i].left == 0 || entry_is_listed(&e, now +
		    rows[i].left - 1), "%s", rows[i].name);
		CHECK(!entry_is_listed(&e, now + rows[i].left), "%s",
		    rows[i].name);
		CHECK(entry_is_past(&e, now + WEEK + ENTRY_MEMORY), "%s",
		    rows[i].name);
		/* Looked at again, it stays as it is. */
		entry_check_clock(&e, now);
		CHECK(!entry_is_listed(&e, now + rows[i].left), "%s",
		    rows[i].name);
	}
}

/* One that is only counted is not counted for ever, either. */
static void
test_clock_while_counting(void **state)
{
	struct entry e = { .kind = ENTRY_NONE };

	(void)state;
	entry_report(&e, 2, 600, "x", EPOCH);
	entry_check_clock(&e, EPOCH - DAY);
	assert_true(entry_is_current(&e, EPOCH - DAY + ENTRY_WINDOW - 1));
	assert_false(entry_is_current(&e, EPOCH - DAY + ENTRY_WINDOW));
	assert_true(entry_is_past(&e, EPOCH - DAY + ENTRY_WINDOW));
}

static void
test_reason(void **state)
{
	static const size_t sizes[] = { 0, 1, ENTRY_REASON_MAX - 2,
	    ENTRY_REASON_MAX - 1, ENTRY_REASON_MAX, 900 };
	char text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct entry e = { .kind = ENTRY_NONE };
		size_t want = sizes[i] < ENTRY_REASON_MAX ? sizes[i] :
		    ENTRY_REASON_MAX - 1;

		memset(e.reason, 'o', sizeof e.reason);
		memset(text, 'r', sizeof text);
		text[sizes[i]] = '\0';
		entry_set_reason(&e, text);
		CHECK(strlen(e.reason) == want, "%zu: %zu", sizes[i],
		    strlen(e.reason));
		CHECK(strncmp(e.reason, text, want) == 0, "%zu", sizes[i]);
	}
}

/* --- records */

static void
test_encode(void **state)
{
	static const struct entry rows[] = {
		{ .kind = ENTRY_WHITE, .reason = "friend" },
		{ .kind = ENTRY_BLACK, .reason = "" },
		{ .kind = ENTRY_REPORT, .expires = EPOCH, .seconds = WEEK,
		    .since = EPOCH - WEEK, .reports = 77,
		    .reason = "79 bytes ..........................."
			"..........................................!" },
		{ .kind = ENTRY_REPORT, .expires = Y2106 + 1, .seconds = 1,
		    .since = Y2038 + 3, .reports = UINT32_MAX,
		    .reason = "\xff\x01 odd \n" },
	};

	(void)state;
	assert_int_equal(strlen(rows[2].reason), ENTRY_REASON_MAX - 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned char value[ENTRY_VALUE_MAX + 1];
		struct entry e;
		size_t size;

		value[ENTRY_VALUE_MAX] = 0xaa;
		memset(&e, 0x55, sizeof e);
		size = entry_encode(&rows[i], value);
		assert_true(size <= ENTRY_VALUE_MAX);
		assert_int_equal(value[ENTRY_VALUE_MAX], 0xaa);
		CHECK(entry_decode(&e, value, size) == 0, "row %zu", i);
		e.addr = rows[i].addr;		/* that is in the key */
		CHECK(memcmp(&e.reason, &rows[i].reason, sizeof e.reason) == 0,
		    "row %zu", i);
		CHECK(e.kind == rows[i].kind && e.reports == rows[i].reports &&
		    e.expires == rows[i].expires &&
		    e.seconds == rows[i].seconds && e.since == rows[i].since,
		    "row %zu", i);
	}
}

/* The form itself: other programs and other versions of us read it. */
static void
test_form(void **state)
{
	static const unsigned char want[] = {
		1, ENTRY_REPORT, 0, 0, 1, 2,
		0, 0, 0, 0, 0x65, 0x53, 0xf1, 0x00,
		0, 0, 0, 0, 0, 0, 0x02, 0x58,
		0, 0, 0, 1, 0, 0, 0, 7,
		'w', 'h', 'y',
	};
	const struct entry e = { .kind = ENTRY_REPORT, .reports = 258,
	    .expires = 1700000000, .seconds = 600, .since = Y2106 + 7,
	    .reason = "why" };
	unsigned char value[ENTRY_VALUE_MAX];

	(void)state;
	assert_int_equal(entry_encode(&e, value), sizeof want);
	assert_memory_equal(value, want, sizeof want);
}

static void
test_decode(void **state)
{
	static const struct {
		const char *name;
		size_t at;		/* a byte of a good record ... */
		unsigned char byte;	/* ... made this */
		size_t size;		/* of the whole */
		int want;
	} rows[] = {
		{ "good", 0, 1, 33, 0 },
		{ "no reason", 0, 1, 30, 0 },
		{ "no version", 0, 0, 33, -1 },
		{ "another version", 0, 2, 33, -1 },
		{ "the last version", 0, 255, 33, -1 },
		{ "no kind", 1, ENTRY_NONE, 33, -1 },
		{ "white", 1, ENTRY_WHITE, 33, 0 },
		{ "an unknown kind", 1, ENTRY_REPORT + 1, 33, -1 },
		{ "the last kind", 1, 255, 33, -1 },
		{ "nothing", 0, 1, 0, -1 },
		{ "a byte", 0, 1, 1, -1 },
		{ "cut short", 0, 1, 29, -1 },
		{ "the longest", 0, 1, ENTRY_VALUE_MAX - 1, 0 },
		{ "no room for the NUL", 0, 1, ENTRY_VALUE_MAX, -1 },
		{ "too long", 0, 1, ENTRY_VALUE_MAX + 100, -1 },
	};
	const struct entry good = { .kind = ENTRY_REPORT, .expires = EPOCH,
	    .reason = "why" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned char value[ENTRY_VALUE_MAX + 100];
		struct entry e, before;

		memset(value, 'r', sizeof value);
		entry_encode(&good, value);
		value[rows[i].at] = rows[i].byte;
		memset(&e, 0x55, sizeof e);
		before = e;
		CHECK(entry_decode(&e, value, rows[i].size) == rows[i].want,
		    "%s", rows[i].name);
		if (rows[i].want == -1)
			CHECK(memcmp(&e, &before, sizeof e) == 0, "%s",
			    rows[i].name);
		else
			CHECK(strlen(e.reason) == rows[i].size - 30, "%s",
			    rows[i].name);
	}
}

/* Times that no clock shows: whatever comes of them, it is soon over. */
static void
test_odd_times(void **state)
{
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1,
	    EPOCH, INT64_MAX - 1, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(times) * COUNT(times) * COUNT(times);
	    i++) {
		struct entry e = { .kind = ENTRY_REPORT,
		    .expires = times[i % 8], .seconds = times[i / 8 % 8],
		    .since = times[i / 64] };
		unsigned char value[ENTRY_VALUE_MAX];

		/* A record that is not good is not used. */
		if (entry_decode(&e, value, entry_encode(&e, value)) == -1)
			continue;
		entry_is_past(&e, EPOCH);	/* as the sweep asks */
		entry_check_clock(&e, EPOCH);
		CHECK(!entry_is_listed(&e, EPOCH + WEEK), "row %zu", i);
		CHECK(entry_is_past(&e, EPOCH + WEEK + ENTRY_MEMORY),
		    "row %zu", i);
		entry_report(&e, 1, 600, "x", EPOCH);
		CHECK(entry_is_listed(&e, EPOCH), "row %zu", i);
		CHECK(!entry_is_listed(&e, EPOCH + WEEK), "row %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_report_of_others),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_while_counting),
		cmocka_unit_test(test_reason),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_odd_times),
	};

	return RUN(tests);
}
