/*
 * t_shortlist - the short-term list in memory and with a store under it.  The
 * clock is ours; the objects stay until the end, as in the daemon.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "scratch.h"
#include "shortlist.h"
#include "store.h"

#define DAY	INT64_C(86400)
#define KEPT	32
#define TICKS	64		/* look at every entry */

/* Of the real clock, for the store's sweep asks that one. */
static int64_t begin;

static struct shortlist *kept[KEPT];	/* none can be freed */
static size_t kept_count;

static struct shortlist *
new_list(long threshold)
{
	struct shortlist *s = shortlist_new(threshold);

	assert_non_null(s);
	assert_true(kept_count < KEPT);
	return kept[kept_count++] = s;
}

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

/* A number from the statistics. */
static unsigned long
stat_of(struct shortlist *s, const char *name)
{
	char want[80], *text, *at;
	unsigned long value;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	shortlist_stats(out, s);
	fclose(out);
	snprintf(want, sizeof want, "\nmilter_%s ", name);
	at = strstr(text, want);
	assert_non_null(at);
	value = strtoul(at + strlen(want), NULL, 10);
	free(text);
	return value;
}

static void
tick(struct shortlist *s, int64_t now)
{
	for (int i = 0; i < TICKS; i++)
		shortlist_tick(s, now);
}

/* --- one step after the other */

enum op { WHITE, BLACK, REPORT, FORGET, FIND, TICK };

struct step {
	enum op op;
	const char *addr;
	int64_t at;		/* after begin */
	int64_t seconds;	/* REPORT: asked for; FIND: nothing */
	int want;		/* the result; FIND: the kind */
	const char *text;	/* the reason */
	int64_t listed;		/* REPORT: until so long from then */
};

static void
run(struct shortlist *s, const struct step *step, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct step *p = &step[i];
		struct addr a = address(p->addr);
		char reason[ENTRY_REASON_MAX] = "none";
		struct entry e = { .kind = ENTRY_NONE };
		int64_t now = begin + p->at;
		int got = -1;

		switch (p->op) {
		case WHITE:
		case BLACK:
			got = shortlist_set(s, &a, p->op == WHITE ?
			    ENTRY_WHITE : ENTRY_BLACK, p->text);
			break;
		case REPORT:
			got = shortlist_report(s, &a, p->seconds, p->text,
			    now, &e);
			CHECK((e.expires == 0 ? 0 : e.expires - now) ==
			    p->listed, "step %zu: %lld", i,
			    (long long)(e.expires - now));
			break;
		case FORGET:
			got = shortlist_forget(s, &a);
			break;
		case FIND:
			got = (int)shortlist_find(s, &a, now, reason);
			CHECK(strcmp(reason, got == ENTRY_NONE ? "none" :
			    p->text) == 0, "step %zu: \"%s\"", i, reason);
			break;
		case TICK:
			tick(s, now);
			got = p->want;
			break;
		}
		CHECK(got == p->want, "step %zu: got %d want %d", i, got,
		    p->want);
	}
}

static void
test_steps(void **state)
{
	static const struct step steps[] = {
		{ FIND, "192.0.2.1", 0, 0, ENTRY_NONE, NULL, 0 },
		{ FORGET, "192.0.2.1", 0, 0, SHORTLIST_UNCHANGED, NULL, 0 },
		/* Until it is forgotten. */
		{ BLACK, "192.0.2.1", 0, 0, SHORTLIST_DONE, "by hand", 0 },
		{ FIND, "192.0.2.1", 0, 0, ENTRY_BLACK, "by hand", 0 },
		{ FIND, "192.0.2.1", 999 * DAY, 0, ENTRY_BLACK, "by hand", 0 },
		{ FIND, "::ffff:192.0.2.1", 0, 0, ENTRY_BLACK, "by hand", 0 },
		{ FIND, "192.0.2.2", 0, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "192.0.2.1", 0, 60, SHORTLIST_DONE, "spam", 0 },
		{ FIND, "192.0.2.1", 90, 0, ENTRY_BLACK, "by hand", 0 },
		{ WHITE, "192.0.2.1", 0, 0, SHORTLIST_DONE, "sorry", 0 },
		{ FIND, "192.0.2.1", 0, 0, ENTRY_WHITE, "sorry", 0 },
		{ REPORT, "192.0.2.1", 0, 60, SHORTLIST_EXEMPT, "spam", 0 },
		{ FIND, "192.0.2.1", 0, 0, ENTRY_WHITE, "sorry", 0 },
		{ FORGET, "192.0.2.1", 0, 0, SHORTLIST_DONE, NULL, 0 },
		{ FIND, "192.0.2.1", 0, 0, ENTRY_NONE, NULL, 0 },
		{ FORGET, "192.0.2.1", 0, 0, SHORTLIST_UNCHANGED, NULL, 0 },
		/* For a while, doubled, remembered, forgotten. */
		{ REPORT, "192.0.2.3", 0, 60, SHORTLIST_DONE, "spam", 60 },
		{ FIND, "192.0.2.3", 59, 0, ENTRY_REPORT, "spam", 0 },
		{ FIND, "192.0.2.3", 60, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "192.0.2.3", 100, 60, SHORTLIST_DONE, "virus", 120 },
		{ FIND, "192.0.2.3", 219, 0, ENTRY_REPORT, "virus", 0 },
		{ FIND, "192.0.2.3", 220, 0, ENTRY_NONE, NULL, 0 },
		{ TICK, "192.0.2.3", DAY, 0, 0, NULL, 0 },
		{ REPORT, "192.0.2.3", DAY, 60, SHORTLIST_DONE, "x", 240 },
		{ TICK, "192.0.2.3", 9 * DAY, 0, 0, NULL, 0 },
		{ REPORT, "192.0.2.3", 9 * DAY, 60, SHORTLIST_DONE, "x", 60 },
		{ FORGET, "192.0.2.3", 0, 0, SHORTLIST_DONE, NULL, 0 },
		{ REPORT, "192.0.2.3", 9 * DAY, 60, SHORTLIST_DONE, "x", 60 },
		/* A customer of IPv6 has a /64. */
		{ REPORT, "2001:db8::1", 0, 60, SHORTLIST_DONE, "spam", 60 },
		{ FIND, "2001:db8::ffff:1", 0, 0, ENTRY_REPORT, "spam", 0 },
		{ FIND, "2001:db8:0:1::1", 0, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "2001:db8::2", 10, 60, SHORTLIST_DONE, "spam", 120 },
		{ WHITE, "2001:db8::3", 0, 0, SHORTLIST_DONE, "friend", 0 },
		{ FIND, "2001:db8::1", 0, 0, ENTRY_WHITE, "friend", 0 },
		{ FORGET, "2001:db8::4", 0, 0, SHORTLIST_DONE, NULL, 0 },
		{ FIND, "2001:db8::1", 0, 0, ENTRY_NONE, NULL, 0 },
		/* By hand after a report, and a report after that. */
		{ REPORT, "192.0.2.5", 0, 60, SHORTLIST_DONE, "spam", 60 },
		{ BLACK, "192.0.2.5", 0, 0, SHORTLIST_DONE, "", 0 },
		{ FIND, "192.0.2.5", DAY, 0, ENTRY_BLACK, "", 0 },
		{ FORGET, "192.0.2.5", 0, 0, SHORTLIST_DONE, NULL, 0 },
		{ REPORT, "192.0.2.5", 0, 60, SHORTLIST_DONE, "spam", 60 },
	};

	(void)state;
	run(new_list(1), steps, COUNT(steps));
}

static void
test_threshold(void **state)
{
	static const struct step steps[] = {
		{ REPORT, "192.0.2.1", 0, 60, SHORTLIST_DONE, "a", 0 },
		{ FIND, "192.0.2.1", 0, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "192.0.2.1", 10, 60, SHORTLIST_DONE, "b", 0 },
		{ REPORT, "192.0.2.2", 10, 60, SHORTLIST_DONE, "x", 0 },
		{ FIND, "192.0.2.1", 10, 0, ENTRY_NONE, NULL, 0 },
		{ TICK, "192.0.2.1", 10, 0, 0, NULL, 0 },
		{ REPORT, "192.0.2.1", 20, 60, SHORTLIST_DONE, "c", 60 },
		{ FIND, "192.0.2.1", 79, 0, ENTRY_REPORT, "c", 0 },
		{ FIND, "192.0.2.2", 79, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "192.0.2.3", 0, 60, SHORTLIST_DONE, "a", 0 },
		{ REPORT, "192.0.2.3", ENTRY_WINDOW, 60, SHORTLIST_DONE, "b",
		    0 },
		{ REPORT, "192.0.2.3", ENTRY_WINDOW, 60, SHORTLIST_DONE, "c",
		    0 },
		{ FIND, "192.0.2.3", ENTRY_WINDOW, 0, ENTRY_NONE, NULL, 0 },
	};

	(void)state;
	run(new_list(3), steps, COUNT(steps));
}

/* A33: no tick for an hour, a day back, a year forward. */
static void
test_clock(void **state)
{
	static const struct step steps[] = {
		{ REPORT, "192.0.2.1", 0, 600, SHORTLIST_DONE, "x", 600 },
		{ BLACK, "192.0.2.2", 0, 0, SHORTLIST_DONE, "y", 0 },
		{ TICK, "192.0.2.1", -DAY, 0, 0, NULL, 0 },
		{ FIND, "192.0.2.1", 599 - DAY, 0, ENTRY_REPORT, "x", 0 },
		{ FIND, "192.0.2.1", 600 - DAY, 0, ENTRY_NONE, NULL, 0 },
		{ TICK, "192.0.2.1", 365 * DAY, 0, 0, NULL, 0 },
		{ FIND, "192.0.2.1", -DAY, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.2", 365 * DAY, 0, ENTRY_BLACK, "y", 0 },
	};
	struct shortlist *s = new_list(1);

	(void)state;
	run(s, steps, COUNT(steps));
	assert_int_equal(stat_of(s, "shortlist_entries"), 1);
}

/* --- all entries */

static void
note(const struct entry *e, void *arg)
{
	static const char letter[] = "-wbr";
	char *seen = arg;

	seen[e->addr.byte[15]] = letter[e->kind];
}

/* 192.0.2.n as a letter in the place n. */
static void
check_walk(struct shortlist *s, int64_t at, const char *want)
{
	char seen[256] = "..............";

	shortlist_walk(s, begin + at, note, seen);
	CHECK(strcmp(seen, want) == 0, "at %lld: \"%s\"", (long long)at, seen);
}

static void
test_walk_and_flush(void **state)
{
	static const struct step steps[] = {
		{ WHITE, "192.0.2.0", 0, 0, SHORTLIST_DONE, "w", 0 },
		{ BLACK, "192.0.2.1", 0, 0, SHORTLIST_DONE, "b", 0 },
		{ REPORT, "192.0.2.2", 0, 60, SHORTLIST_DONE, "r", 0 },
		{ REPORT, "192.0.2.3", 0, 60, SHORTLIST_DONE, "r", 0 },
		{ REPORT, "192.0.2.3", 0, 60, SHORTLIST_DONE, "r", 60 },
		{ BLACK, "192.0.2.4", 0, 0, SHORTLIST_DONE, "b", 0 },
		{ FORGET, "192.0.2.4", 0, 0, SHORTLIST_DONE, NULL, 0 },
	};
	struct shortlist *s = new_list(2);

	(void)state;
	check_walk(s, 0, "..............");
	assert_int_equal(shortlist_flush(s), 0);
	run(s, steps, COUNT(steps));
	check_walk(s, 0, "wbrr..........");
	check_walk(s, 60, "wbr...........");
	check_walk(s, ENTRY_WINDOW, "wb............");
	assert_int_equal(stat_of(s, "shortlist_entries"), 4);
	assert_int_equal(stat_of(s, "shortlist_unsaved"), 0);
	assert_int_equal(shortlist_flush(s), 4);
	check_walk(s, 0, "..............");
	assert_int_equal(stat_of(s, "shortlist_entries"), 0);
	assert_int_equal(shortlist_flush(s), 0);
}

/* A change from within the walk. */
static void
forget_it(const struct entry *e, void *arg)
{
	assert_int_equal(shortlist_forget(arg, &e->addr), SHORTLIST_DONE);
}

static void
test_walk_and_forget(void **state)
{
	struct shortlist *s = new_list(1);
	struct addr a = address("192.0.2.0");

	(void)state;
	for (int i = 0; i < 256; i++) {
		a.byte[15] = (unsigned char)i;
		assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
		    SHORTLIST_DONE);
	}
	shortlist_walk(s, begin, forget_it, s);
	assert_int_equal(stat_of(s, "shortlist_entries"), 0);
}

/* CPU seconds to list so many; addresses differ in the octets from this on. */
static double
time_to_list(const char *first, size_t octet)
{
	struct shortlist *s = new_list(1);
	struct addr a = address(first);
	clock_t start = clock();

	for (unsigned i = 0; i < 20000; i++) {
		a.byte[octet] = (unsigned char)(i >> 8);
		a.byte[octet + 1] = (unsigned char)i;
		assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
		    SHORTLIST_DONE);
	}
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/*
 * The clients of one network are found as fast as those of many.  Were they
 * all in one bucket it would take hundreds of times as long.
 */
static void
test_neighbours(void **state)
{
	static const struct {
		const char *first;
		size_t octet;
	} rows[] = {
		{ "10.0.0.0", 13 }, { "10.0.0.0", 14 }, { "2001:db8::", 2 },
		{ "2001:db8::", 4 }, { "2001:db8::", 6 },
	};
	double normal = time_to_list("10.0.0.0", 12);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		double seconds = time_to_list(rows[i].first, rows[i].octet);

		CHECK(seconds < 0.05 + 20 * normal, "row %zu: %.3f s, "
		    "%.3f elsewhere", i, seconds, normal);
	}
}

/* As many as there may be: nothing is dropped for a new one. */
static void
test_full(void **state)
{
	struct addr first = address("10.0.0.0"), a = first;
	struct addr other = address("192.0.2.1");
	struct shortlist *s;
	const char *valgrind = getenv("VALGRIND");
	struct entry e;

	(void)state;
	if (valgrind != NULL && valgrind[0] != '\0')
		return;			/* it would take a minute */
	s = new_list(1);
	for (unsigned i = 0; i < SHORTLIST_MAX; i++) {
		a.byte[13] = (unsigned char)(i >> 16);
		a.byte[14] = (unsigned char)(i >> 8);
		a.byte[15] = (unsigned char)i;
		CHECK(shortlist_report(s, &a, 600, "x", begin, &e) ==
		    SHORTLIST_DONE, "entry %u", i);
	}
	assert_int_equal(stat_of(s, "shortlist_entries"), SHORTLIST_MAX);
	assert_int_equal(shortlist_report(s, &other, 600, "x", begin, &e),
	    SHORTLIST_FULL);
	assert_int_equal(shortlist_set(s, &other, ENTRY_BLACK, "x"),
	    SHORTLIST_FULL);
	assert_int_equal(shortlist_find(s, &other, begin, e.reason),
	    ENTRY_NONE);
	/* Those there are can change. */
	assert_int_equal(shortlist_report(s, &first, 600, "x", begin, &e),
	    SHORTLIST_DONE);
	assert_int_equal(e.expires, begin + 1200);
	assert_int_equal(shortlist_find(s, &a, begin, e.reason),
	    ENTRY_REPORT);
	assert_int_equal(shortlist_forget(s, &a), SHORTLIST_DONE);
	assert_int_equal(shortlist_set(s, &other, ENTRY_BLACK, "x"),
	    SHORTLIST_DONE);
	assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
	    SHORTLIST_FULL);
	/* When their time is over there is room again. */
	tick(s, begin + 1200 + ENTRY_MEMORY);
	assert_int_equal(stat_of(s, "shortlist_entries"), 1);
	assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
	    SHORTLIST_DONE);
}

/* --- with a store */

static char directory[SCRATCH_PATH_MAX];

static void
new_directory(void)
{
	static int count;
	char name[32];

	snprintf(name, sizeof name, "shortlist-%d", ++count);
	assert_int_equal(mkdir(scratch_path(directory, name), 0700), 0);
}

/* Steps of an object of their own, which finds what the last one left. */
static void
run_in_store(const struct step *step, size_t count, int64_t at)
{
	struct shortlist *s = new_list(1);

	assert_int_equal(shortlist_open(s, directory, begin + at), 0);
	run(s, step, count);
	shortlist_close(s);
}

static void
test_persistence(void **state)
{
	static const struct step first[] = {
		{ WHITE, "192.0.2.0", 0, 0, SHORTLIST_DONE, "friend", 0 },
		{ BLACK, "192.0.2.1", 0, 0, SHORTLIST_DONE, "by hand", 0 },
		{ REPORT, "192.0.2.2", 0, 600, SHORTLIST_DONE, "spam", 600 },
		{ REPORT, "2001:db8::2", 0, 600, SHORTLIST_DONE, "spam", 600 },
		{ REPORT, "192.0.2.3", 0, 60, SHORTLIST_DONE, "over", 60 },
		{ BLACK, "192.0.2.4", 0, 0, SHORTLIST_DONE, "gone", 0 },
		{ FORGET, "192.0.2.4", 0, 0, SHORTLIST_DONE, NULL, 0 },
	}, second[] = {
		{ FIND, "192.0.2.0", 100, 0, ENTRY_WHITE, "friend", 0 },
		{ FIND, "192.0.2.1", 100, 0, ENTRY_BLACK, "by hand", 0 },
		{ FIND, "192.0.2.2", 100, 0, ENTRY_REPORT, "spam", 0 },
		{ FIND, "2001:db8::3", 100, 0, ENTRY_REPORT, "spam", 0 },
		{ FIND, "192.0.2.2", 600, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.3", 100, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.4", 100, 0, ENTRY_NONE, NULL, 0 },
		/* It remembers for how long it was. */
		{ REPORT, "192.0.2.3", 100, 60, SHORTLIST_DONE, "more", 120 },
		{ REPORT, "192.0.2.0", 100, 60, SHORTLIST_EXEMPT, "spam", 0 },
		{ FORGET, "192.0.2.1", 100, 0, SHORTLIST_DONE, NULL, 0 },
	}, third[] = {
		{ FIND, "192.0.2.1", 200, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.3", 219, 0, ENTRY_REPORT, "more", 0 },
	}, set_back[] = {		/* and opened a day earlier */
		{ FIND, "192.0.2.3", 119 - DAY, 0, ENTRY_REPORT, "more", 0 },
		{ FIND, "192.0.2.3", 120 - DAY, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.0", -DAY, 0, ENTRY_WHITE, "friend", 0 },
	}, late[] = {			/* or long after */
		{ FIND, "192.0.2.0", 99 * DAY, 0, ENTRY_WHITE, "friend", 0 },
		{ FIND, "192.0.2.3", 200, 0, ENTRY_NONE, NULL, 0 },
		{ REPORT, "192.0.2.3", 99 * DAY, 60, SHORTLIST_DONE, "x", 60 },
	};

	(void)state;
	new_directory();
	run_in_store(first, COUNT(first), 0);
	run_in_store(second, COUNT(second), 100);
	run_in_store(third, COUNT(third), 200);
	run_in_store(set_back, COUNT(set_back), -DAY);
	run_in_store(late, COUNT(late), 99 * DAY);
}

/* A33: reported while the clock was a year ahead, and set right since. */
static void
bug_listed_anew_at_each_start(void **state)
{
	static const struct step ahead[] = {
		{ REPORT, "192.0.2.9", 365 * DAY, 600, SHORTLIST_DONE, "x",
		    600 },
	}, now[] = {
		{ FIND, "192.0.2.9", 599, 0, ENTRY_REPORT, "x", 0 },
		{ TICK, "192.0.2.9", 0, 0, -1, NULL, 0 },
	}, later[] = {
		{ FIND, "192.0.2.9", DAY, 0, ENTRY_NONE, NULL, 0 },
	};

	(void)state;
	new_directory();
	run_in_store(ahead, COUNT(ahead), 365 * DAY);
	run_in_store(now, COUNT(now), 0);
	run_in_store(later, COUNT(later), DAY);
}

/* Flushed in the store, too; and when closed only searches go on. */
static void
test_flush_and_close(void **state)
{
	struct shortlist *s = new_list(1);
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");
	char reason[ENTRY_REASON_MAX];
	struct entry e;

	(void)state;
	new_directory();
	assert_int_equal(shortlist_open(s, directory, begin), 0);
	assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
	    SHORTLIST_DONE);
	assert_int_equal(stat_of(s, "store_up"), 1);
	assert_int_equal(stat_of(s, "store_updates_total"), 1);
	assert_int_equal(shortlist_flush(s), 1);
	assert_int_equal(shortlist_set(s, &b, ENTRY_BLACK, "stays"),
	    SHORTLIST_DONE);
	shortlist_close(s);
	shortlist_close(s);
	shortlist_close(NULL);

	assert_int_equal(shortlist_find(s, &b, begin, reason), ENTRY_BLACK);
	assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
	    SHORTLIST_CLOSED);
	assert_int_equal(shortlist_report(s, &a, 60, "x", begin, &e),
	    SHORTLIST_CLOSED);
	assert_int_equal(shortlist_forget(s, &b), SHORTLIST_CLOSED);
	assert_int_equal(shortlist_flush(s), 0);
	shortlist_tick(s, begin);
	check_walk(s, 0, "..b...........");
	assert_int_equal(stat_of(s, "shortlist_entries"), 1);

	s = new_list(1);
	assert_int_equal(shortlist_open(s, directory, begin), 0);
	check_walk(s, 0, "..b...........");
	shortlist_close(s);
}

/* Records that are not ours are as good as none, and are written over. */
static void
test_odd_records(void **state)
{
	static const struct step steps[] = {
		{ FIND, "192.0.2.1", 0, 0, ENTRY_NONE, NULL, 0 },
		{ FIND, "192.0.2.2", 0, 0, ENTRY_BLACK, "good", 0 },
		{ REPORT, "192.0.2.1", 0, 600, SHORTLIST_DONE, "new", 600 },
	}, after[] = {
		{ FIND, "192.0.2.1", 0, 0, ENTRY_REPORT, "new", 0 },
	};
	const struct entry good = { .kind = ENTRY_BLACK, .reason = "good" };
	struct store_conf conf = { .directory = directory,
	    .name = "shortlist.db", .cache = 1 << 20 };
	struct addr odd = address("192.0.2.1"), a = address("192.0.2.2");
	unsigned char key[1 + sizeof(struct addr)] = "A";
	unsigned char value[ENTRY_VALUE_MAX];
	struct store *s;

	(void)state;
	new_directory();
	s = store_open(&conf);
	assert_non_null(s);
	memcpy(key + 1, &a, sizeof a);
	assert_int_equal(store_put(s, key, sizeof key, value,
	    entry_encode(&good, value)), STORE_OK);
	memcpy(key + 1, &odd, sizeof odd);
	value[0]++;				/* another version */
	assert_int_equal(store_put(s, key, sizeof key, value, 40), STORE_OK);
	assert_int_equal(store_put(s, key, 5, value, 40), STORE_OK);
	assert_int_equal(store_put(s, "B", 1, value, 40), STORE_OK);
	store_close(s);
	scratch_logged();
	run_in_store(steps, COUNT(steps), 0);
	assert_non_null(strstr(scratch_logged(), "2 records"));
	run_in_store(after, COUNT(after), 0);
}

/* Not there: a line in the log, and the list goes on without. */
static void
test_no_directory(void **state)
{
	struct shortlist *s = new_list(1);
	struct addr a = address("192.0.2.1");

	(void)state;
	scratch_path(directory, "not-there");
	scratch_logged();
	assert_int_equal(shortlist_open(s, directory, begin), -1);
	assert_int_equal(scratch_lines(scratch_logged()), 1);
	assert_int_equal(shortlist_set(s, &a, ENTRY_BLACK, "x"),
	    SHORTLIST_DONE);
	shortlist_close(s);
}

/* --- threads */

static struct {
	struct shortlist *s;
	atomic_bool stop;
	atomic_ulong searches, wrong;
} busy;

static void *
search_always(void *arg)
{
	const struct addr *listed = arg;
	char reason[ENTRY_REASON_MAX];

	while (!atomic_load(&busy.stop)) {
		if (shortlist_find(busy.s, listed, begin, reason) !=
		    ENTRY_BLACK || strcmp(reason, "always") != 0)
			atomic_fetch_add(&busy.wrong, 1);
		atomic_fetch_add(&busy.searches, 1);
	}
	return NULL;
}

/* Two of these change the same addresses. */
static void *
change_often(void *arg)
{
	struct addr a = *(const struct addr *)arg;
	struct entry e;

	for (int i = 0; i < 400; i++) {
		a.byte[15] = (unsigned char)(100 + i % 50);
		if (i % 100 < 50)
			shortlist_report(busy.s, &a, 60, "x", begin, &e);
		else
			shortlist_forget(busy.s, &a);
	}
	return NULL;
}

static void
do_nothing(const struct entry *e, void *arg)
{
	(void)e;
	(void)arg;
}

static void
test_threads(void **state)
{
	struct addr a = address("192.0.2.1");
	pthread_t search, change[2];

	(void)state;
	new_directory();
	busy.s = new_list(1);
	assert_int_equal(shortlist_open(busy.s, directory, begin), 0);
	assert_int_equal(shortlist_set(busy.s, &a, ENTRY_BLACK, "always"),
	    SHORTLIST_DONE);
	assert_int_equal(pthread_create(&search, NULL, search_always, &a), 0);
	for (size_t i = 0; i < COUNT(change); i++)
		assert_int_equal(pthread_create(&change[i], NULL, change_often,
		    &a), 0);
	for (int i = 0; i < 20; i++) {
		shortlist_tick(busy.s, begin + i);
		shortlist_walk(busy.s, begin, do_nothing, NULL);
		stat_of(busy.s, "shortlist_entries");
	}
	for (size_t i = 0; i < COUNT(change); i++)
		assert_int_equal(pthread_join(change[i], NULL), 0);
	while (atomic_load(&busy.searches) < 100)
		usleep(1000);
	shortlist_close(busy.s);
	atomic_store(&busy.stop, true);
	assert_int_equal(pthread_join(search, NULL), 0);
	assert_int_equal(atomic_load(&busy.wrong), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_walk_and_flush),
		cmocka_unit_test(test_walk_and_forget),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_persistence),
		cmocka_unit_test(bug_listed_anew_at_each_start),
		cmocka_unit_test(test_flush_and_close),
		cmocka_unit_test(test_odd_records),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_threads),
	};

	begin = (int64_t)time(NULL);
	scratch_begin();
	return scratch_end(RUN(tests));
}
