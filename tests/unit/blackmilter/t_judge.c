/*
 * t_judge - what is thought of a client that is on these lists and on those,
 * what is done with it, and how that is logged and counted.
 */
#include <pthread.h>
#include <time.h>

#include "judge.h"
#include "log.h"
#include "scratch.h"
#include "stats.h"

/* The list files, in the order of their lists within a role. */
enum { WHITE, BLACK1, BLACK2, SHADOW, FILES };

static const struct {
	const char *name, *text;
	enum iplist_role role;
} files[FILES] = {
	{ "white", "192.0.2.1\n.example.com\n", IPLIST_WHITE },
	{ "black1", "192.0.2.0/24\nConnect:192.0.2.9 OK\n", IPLIST_LISTED },
	{ "black two", "192.0.2.128/25\n2001:db8::/32\n", IPLIST_LISTED },
	{ "shadow", "192.0.2.64/26\n192.0.2.192/26\n198.51.100.0/24\n",
	    IPLIST_SHADOW },
};

static char path[FILES][SCRATCH_PATH_MAX];
static struct judge court = { .action = ACTION_REJECT };
static int64_t now;

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
set(const char *client, enum entry_kind kind, const char *reason)
{
	struct addr a = address(client);

	assert_int_equal(shortlist_set(court.shortlist, &a, kind, reason),
	    SHORTLIST_DONE);
}

static void
open_court(void)
{
	struct addr a;
	struct entry e;

	court.lists = iplist_new();
	court.shortlist = shortlist_new(1);
	assert_non_null(court.lists);
	assert_non_null(court.shortlist);
	for (int i = 0; i < FILES; i++) {
		scratch_path(path[i], files[i].name);
		scratch_write(path[i], files[i].text, strlen(files[i].text));
		assert_int_equal(iplist_add_file(court.lists, files[i].role,
		    path[i]), 0);
	}
	assert_int_equal(iplist_load(court.lists), 0);
	set("203.0.113.2", ENTRY_BLACK, "by hand");
	set("192.0.2.7", ENTRY_WHITE, "a friend");
	set("192.0.2.8", ENTRY_BLACK, "both");
	set("198.51.100.2", ENTRY_BLACK, "both");
	set("2001:db9::1", ENTRY_BLACK, "v6");
	a = address("203.0.113.3");
	now = (int64_t)time(NULL);
	assert_int_equal(shortlist_report(court.shortlist, &a, 600,
	    "sent a=virus", now, &e), SHORTLIST_DONE);
	judge_add_stats(&court);
}

static struct verdict
verdict_on(const char *client, const char *host)
{
	struct verdict v = { .by = JUDGE_SHED };
	struct addr a = address(client);

	judge(&court, &a, host, now, &v);
	return v;
}

/* The caller frees it. */
static char *
stats(void)
{
	static char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	stats_print(out);
	fclose(out);
	return text;
}

/* A value, by its name and labels. */
static unsigned long
stat_of(const char *fmt, ...)
{
	char want[300], *text = stats(), *at;
	unsigned long value = 0;
	va_list ap;
	size_t n;

	n = (size_t)snprintf(want, sizeof want, "\nmilter_");
	va_start(ap, fmt);
	vsnprintf(want + n, sizeof want - n, fmt, ap);
	va_end(ap);
	n = strlen(want);
	at = strstr(text, want);
	CHECK(at != NULL && at[n] == ' ', "no %s in\n%s", want, text);
	value = strtoul(at + n, NULL, 10);
	free(text);
	return value;
}

/* --- verdicts */

static int
count(uint64_t lists)
{
	int n = 0;

	for (; lists != 0; lists &= lists - 1)
		n++;
	return n;
}

static const struct {
	const char *client, *host;
	enum judge_by by;
	bool exempt;
	int white, listed, shadow;	/* lists it is on */
	const char *reason;		/* of the short-term list */
} judged[] = {
	{ "203.0.113.1", NULL, JUDGE_NOTHING, false, 0, 0, 0, NULL },
	{ "192.0.2.2", NULL, JUDGE_BLACKLIST, false, 0, 1, 0, NULL },
	{ "::ffff:192.0.2.2", NULL, JUDGE_BLACKLIST, false, 0, 1, 0,
	    NULL },
	{ "192.0.2.130", NULL, JUDGE_BLACKLIST, false, 0, 2, 0, NULL },
	{ "192.0.2.200", NULL, JUDGE_BLACKLIST, false, 0, 2, 1, NULL },
	{ "2001:db8::1", NULL, JUDGE_BLACKLIST, false, 0, 1, 0, NULL },
	{ "198.51.100.1", NULL, JUDGE_NOTHING, false, 0, 0, 1, NULL },
	/* A white list beats everything. */
	{ "192.0.2.1", NULL, JUDGE_BLACKLIST, true, 1, 1, 0, NULL },
	{ "192.0.2.9", NULL, JUDGE_BLACKLIST, true, 1, 1, 0, NULL },
	{ "192.0.2.2", "mx.example.com", JUDGE_BLACKLIST, true, 1, 1,
	    0, NULL },
	{ "192.0.2.2", "mx.example.org", JUDGE_BLACKLIST, false, 0, 1,
	    0, NULL },
	{ "203.0.113.2", "example.com", JUDGE_SHORTLIST, true, 1, 0, 0,
	    "by hand" },
	{ "192.0.2.7", NULL, JUDGE_BLACKLIST, true, 0, 1, 0,
	    "a friend" },
	/* The short-term list. */
	{ "203.0.113.2", NULL, JUDGE_SHORTLIST, false, 0, 0, 0,
	    "by hand" },
	{ "203.0.113.3", NULL, JUDGE_SHORTLIST, false, 0, 0, 0,
	    "sent a=virus" },
	{ "2001:db9::2", NULL, JUDGE_SHORTLIST, false, 0, 0, 0, "v6" },
	{ "192.0.2.8", NULL, JUDGE_BLACKLIST, false, 0, 1, 0, "both" },
	{ "198.51.100.2", NULL, JUDGE_SHORTLIST, false, 0, 0, 1,
	    "both" },
};

static void
test_judge(void **state)
{
	char *before = stats(), *after;

	(void)state;
	for (size_t i = 0; i < COUNT(judged); i++) {
		struct verdict v = verdict_on(judged[i].client, judged[i].host);
		uint64_t all[IPLIST_ROLES];

		for (int role = 0; role < IPLIST_ROLES; role++)
			all[role] = iplist_lists(court.lists,
			    (enum iplist_role)role);
		CHECK(v.by == judged[i].by && v.exempt == judged[i].exempt,
		    "%s: by %d, exempt %d", judged[i].client, v.by, v.exempt);
		CHECK(count(v.white) == judged[i].white &&
		    count(v.listed) == judged[i].listed &&
		    count(v.shadow) == judged[i].shadow, "%s",
		    judged[i].client);
		CHECK((v.white & ~all[IPLIST_WHITE]) == 0 &&
		    (v.listed & ~all[IPLIST_LISTED]) == 0 &&
		    (v.shadow & ~all[IPLIST_SHADOW]) == 0, "%s",
		    judged[i].client);
		if (judged[i].reason != NULL)
			assert_string_equal(v.reason, judged[i].reason);
	}
	after = stats();		/* nothing was counted */
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void
test_judge_later(void **state)
{
	struct addr a = address("203.0.113.3");
	struct verdict v;

	(void)state;
	judge(&court, &a, NULL, now + 599, &v);
	assert_int_equal(v.by, JUDGE_SHORTLIST);
	judge(&court, &a, NULL, now + 600, &v);
	assert_int_equal(v.by, JUDGE_NOTHING);
	assert_false(v.exempt);
}

static void
test_action(void **state)
{
	static const struct {
		enum judge_by by;
		enum action action, want;
		bool due;
	} rows[] = {
		{ JUDGE_BLACKLIST, ACTION_REJECT, ACTION_REJECT, true },
		{ JUDGE_BLACKLIST, ACTION_TEMPFAIL, ACTION_TEMPFAIL, true },
		{ JUDGE_BLACKLIST, ACTION_QUARANTINE, ACTION_QUARANTINE,
		    false },
		{ JUDGE_BLACKLIST, ACTION_DISCARD, ACTION_DISCARD, false },
		{ JUDGE_BLACKLIST, ACTION_MARK, ACTION_MARK, false },
		{ JUDGE_BLACKLIST, ACTION_NONE, ACTION_NONE, true },
		{ JUDGE_SHORTLIST, ACTION_REJECT, ACTION_REJECT, true },
		{ JUDGE_SHORTLIST, ACTION_MARK, ACTION_MARK, false },
		/* Nobody is refused for good because we are busy. */
		{ JUDGE_SHED, ACTION_REJECT, ACTION_TEMPFAIL, true },
		{ JUDGE_SHED, ACTION_TEMPFAIL, ACTION_TEMPFAIL, true },
		{ JUDGE_SHED, ACTION_QUARANTINE, ACTION_TEMPFAIL, true },
		{ JUDGE_SHED, ACTION_DISCARD, ACTION_TEMPFAIL, true },
		{ JUDGE_SHED, ACTION_MARK, ACTION_TEMPFAIL, true },
		{ JUDGE_SHED, ACTION_NONE, ACTION_NONE, true },
		{ JUDGE_NOTHING, ACTION_REJECT, ACTION_REJECT, false },
		{ JUDGE_NOTHING, ACTION_MARK, ACTION_MARK, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct judge j = { .action = (int)rows[i].action };
		const struct verdict v = { .by = rows[i].by };

		CHECK(judge_action(&j, &v) == rows[i].want, "row %zu", i);
		CHECK(judge_is_due(&j, &v) == rows[i].due, "row %zu", i);
	}
}

static void
test_public_name(void **state)
{
	static const struct {
		const char *client;
		enum judge_by by;
		const char *want;	/* never a whole path */
	} rows[] = {
		{ "192.0.2.2", JUDGE_BLACKLIST, "black1" },
		{ "192.0.2.200", JUDGE_BLACKLIST, "black1" },
		{ "2001:db8::1", JUDGE_BLACKLIST, "black two" },
		{ "203.0.113.3", JUDGE_SHORTLIST, "sent a=virus" },
		{ "203.0.113.1", JUDGE_SHED, "load" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = verdict_on(rows[i].client, NULL);

		v.by = rows[i].by;
		CHECK(strcmp(judge_public_name(&court, &v), rows[i].want) == 0,
		    "%s: %s", rows[i].client, judge_public_name(&court, &v));
	}
}

/* --- the log */

static void
test_print(void **state)
{
	static const struct {
		const char *client;
		const char *verdict, *by;
		int all_lists;
		const char *want, *want2;
		int file, file2;	/* whose paths stand behind these */
	} rows[] = {
		{ "192.0.2.2", "reject", NULL, 0,
		    "verdict=reject by=blacklist list=", NULL, BLACK1, 0 },
		{ "192.0.2.130", "reject", NULL, 0,
		    "verdict=reject by=blacklist list=", NULL, BLACK1, 0 },
		{ "192.0.2.130", "reject", NULL, 1,
		    "verdict=reject by=blacklist list=", ",", BLACK1, BLACK2 },
		{ "2001:db8::1", "mark", NULL, 0,
		    "verdict=mark by=blacklist list=", NULL, BLACK2, 0 },
		{ "192.0.2.1", "pass", NULL, 0,
		    "verdict=pass by=whitelist list=", NULL, WHITE, 0 },
		{ "192.0.2.7", "pass", NULL, 0, "verdict=pass by=whitelist "
		    "list=shortlist reason=a_friend", NULL, FILES, 0 },
		{ "203.0.113.3", "tempfail", NULL, 0, "verdict=tempfail "
		    "by=shortlist list=shortlist reason=sent_a=virus", NULL,
		    FILES, 0 },
		{ "203.0.113.1", "pass", NULL, 0, "verdict=pass by=nothing",
		    NULL, FILES, 0 },
		{ "203.0.113.1", "pass", "auth", 0, "verdict=pass by=auth",
		    NULL, FILES, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = verdict_on(rows[i].client, NULL);
		char got[500], want[500], word[LOG_WORD_MAX];
		size_t n;

		n = (size_t)snprintf(want, sizeof want, "%s%s", rows[i].want,
		    rows[i].file < FILES ? log_word(word, path[rows[i].file]) :
		    "");
		if (rows[i].want2 != NULL)
			snprintf(want + n, sizeof want - n, "%s%s",
			    rows[i].want2, log_word(word,
			    path[rows[i].file2]));
		court.all_lists = rows[i].all_lists;
		CHECK(judge_print(&court, &v, rows[i].verdict, rows[i].by, got,
		    sizeof got) == got, "%s", rows[i].client);
		CHECK(strcmp(got, want) == 0, "%s: got \"%s\" want \"%s\"",
		    rows[i].client, got, want);
		for (size_t size = 1; size < 60; size++) {
			memset(got, 'x', sizeof got);
			judge_print(&court, &v, rows[i].verdict, rows[i].by,
			    got, size);
			CHECK(strncmp(got, want, size - 1) == 0 &&
			    strlen(got) < size && got[size] == 'x',
			    "%s in %zu", rows[i].client, size);
		}
	}
	court.all_lists = 0;
}

static void
test_print_shed(void **state)
{
	const struct verdict v = { .by = JUDGE_SHED };
	char got[100];

	(void)state;
	assert_string_equal(judge_print(&court, &v, "tempfail", NULL, got,
	    sizeof got), "verdict=tempfail by=shed");
}

/* More lists with longer names than a line has room for. */
static void
test_print_many_lists(void **state)
{
	static char long_path[20][SCRATCH_PATH_MAX];
	struct judge j = { .lists = iplist_new(), .all_lists = 1,
	    .shortlist = court.shortlist };
	struct addr a = address("192.0.2.2");
	struct verdict v;
	char got[1000], name[80];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "%02d%060d", i, 0);
		scratch_write(scratch_path(long_path[i], name), "192.0.2.2\n",
		    10);
		assert_int_equal(iplist_add_file(j.lists, IPLIST_LISTED,
		    long_path[i]), 0);
	}
	assert_int_equal(iplist_load(j.lists), 0);
	judge(&j, &a, NULL, now, &v);
	judge_print(&j, &v, "reject", NULL, got, sizeof got);
	assert_non_null(strstr(got, long_path[0]));
	assert_non_null(strstr(got, long_path[1]));
	assert_true(strlen(got) < sizeof got - 1);
	iplist_free(j.lists);
}

/* --- counters */

static void
test_count(void **state)
{
	static const struct {
		const char *client;
		enum action action;
		const char *labels;
		int hits1, hits2;	/* more of the lists */
	} rows[] = {
		{ "192.0.2.2", ACTION_REJECT,
		    "{verdict=\"reject\",by=\"blacklist\"}", 1, 0 },
		{ "192.0.2.200", ACTION_TEMPFAIL,
		    "{verdict=\"tempfail\",by=\"blacklist\"}", 1, 1 },
		{ "2001:db8::1", ACTION_QUARANTINE,
		    "{verdict=\"quarantine\",by=\"blacklist\"}", 0, 1 },
		{ "192.0.2.8", ACTION_DISCARD,
		    "{verdict=\"discard\",by=\"blacklist\"}", 1, 0 },
		{ "203.0.113.2", ACTION_MARK,
		    "{verdict=\"mark\",by=\"shortlist\"}", 0, 0 },
		{ "203.0.113.3", ACTION_NONE,
		    "{verdict=\"none\",by=\"shortlist\"}", 0, 0 },
		{ "203.0.113.1", ACTION_TEMPFAIL,
		    "{verdict=\"tempfail\",by=\"shed\"}", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = verdict_on(rows[i].client, NULL);
		unsigned long hits1 = stat_of("list_hits_total{list=\"%s\"}",
		    path[BLACK1]);
		unsigned long hits2 = stat_of("list_hits_total{list=\"%s\"}",
		    path[BLACK2]);

		if (v.by == JUDGE_NOTHING)
			v.by = JUDGE_SHED;
		judge_count(&court, &v, rows[i].action);
		judge_count(&court, &v, rows[i].action);
		CHECK(stat_of("verdicts_total%s", rows[i].labels) == 2, "%s",
		    rows[i].labels);
		CHECK(stat_of("list_hits_total{list=\"%s\"}", path[BLACK1]) ==
		    hits1 + 2 * (unsigned long)rows[i].hits1, "%s",
		    rows[i].client);
		CHECK(stat_of("list_hits_total{list=\"%s\"}", path[BLACK2]) ==
		    hits2 + 2 * (unsigned long)rows[i].hits2, "%s",
		    rows[i].client);
	}
	assert_int_equal(stat_of("list_hits_total{list=\"%s\"}", path[SHADOW]),
	    0);
}

/* On trial: logged and counted, and nothing is done about it. */
static void
test_shadow(void **state)
{
	static const struct {
		const char *client, *also;	/* NULL: not on it */
		int overlap;
	} rows[] = {
		{ "198.51.100.1", "nothing", 0 },
		{ "198.51.100.2", "shortlist", 1 },
		{ "192.0.2.70", "blacklist", 1 },
		{ "192.0.2.2", NULL, 0 },
		{ "203.0.113.1", NULL, 0 },
	};
	unsigned long hits = 0, overlaps = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = verdict_on(rows[i].client, NULL);
		enum judge_by by = v.by;
		struct addr a = address(rows[i].client);
		char want[400] = "";

		scratch_logged();
		judge_turn(&court, &a, &v);
		assert_int_equal(v.by, by);
		if (rows[i].also != NULL)
			snprintf(want, sizeof want, "milter: verdict=none "
			    "by=shadow list=%s client=%s also=%s\n",
			    path[SHADOW], rows[i].client, rows[i].also);
		assert_string_equal(scratch_logged(), want);
		hits += rows[i].also != NULL;
		overlaps += (unsigned long)rows[i].overlap;
		CHECK(stat_of("list_hits_total{list=\"%s\"}", path[SHADOW]) ==
		    hits, "%s", rows[i].client);
		CHECK(stat_of("shadow_overlap_total{list=\"%s\"}",
		    path[SHADOW]) == overlaps, "%s", rows[i].client);
	}
}

/* --- shedding */

/* How many of so many clients that are on no list are chosen. */
static int
shed_of(struct judge *j, int clients)
{
	struct addr a = address("203.0.113.1");
	int shed = 0;

	for (int i = 0; i < clients; i++) {
		struct verdict v = { .by = JUDGE_NOTHING };

		judge_turn(j, &a, &v);
		assert_true(v.by == JUDGE_NOTHING || v.by == JUDGE_SHED);
		shed += v.by == JUDGE_SHED;
	}
	return shed;
}

static void
test_shed(void **state)
{
	static const struct {
		long shed, shedload;
		int want;		/* of a hundred */
	} rows[] = {
		{ 0, 0, 0 }, { 1, 0, 1 }, { 37, 0, 37 }, { 50, 0, 50 },
		{ 99, 0, 99 }, { 100, 0, 100 },
		{ 100, 1000000, 0 },	/* no machine has such a load */
		{ 0, 1000000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct judge j = { .shed = rows[i].shed,
		    .shedload = rows[i].shedload };

		judge_tick(&j);
		/* From wherever one begins to count. */
		for (int from = 0; from < 5; from++) {
			CHECK(shed_of(&j, 100) == rows[i].want, "%ld",
			    rows[i].shed);
			shed_of(&j, 17);
		}
	}
}

/* Who is on a list is not chosen, and takes nobody's turn. */
static void
test_shed_others(void **state)
{
	struct judge j = { .shed = 50 };
	struct addr a = address("203.0.113.1");
	int shed = 0;

	(void)state;
	judge_tick(&j);
	for (int i = 0; i < 100; i++) {
		struct verdict v = { .by = JUDGE_BLACKLIST };

		judge_turn(&j, &a, &v);
		assert_int_equal(v.by, JUDGE_BLACKLIST);
		v.by = JUDGE_SHORTLIST;
		judge_turn(&j, &a, &v);
		assert_int_equal(v.by, JUDGE_SHORTLIST);
		shed += shed_of(&j, 1);
	}
	assert_int_equal(shed, 50);
}

static void *
shed_many(void *arg)
{
	return (void *)(intptr_t)shed_of(arg, 500);
}

static void
test_shed_from_threads(void **state)
{
	struct judge j = { .shed = 37 };
	pthread_t thread[2];
	intptr_t shed = 0;
	void *got;

	(void)state;
	judge_tick(&j);
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, shed_many,
		    &j), 0);
	for (size_t i = 0; i < COUNT(thread); i++) {
		judge_tick(&j);
		assert_int_equal(pthread_join(thread[i], &got), 0);
		shed += (intptr_t)got;
	}
	assert_int_equal(shed, 370);
}

static void
test_shedding_shown(void **state)
{
	(void)state;
	judge_tick(&court);
	assert_int_equal(stat_of("shedding"), 0);
	court.shed = 10;
	judge_tick(&court);
	assert_int_equal(stat_of("shedding"), 1);
	court.shed = 0;
	judge_tick(&court);
	assert_int_equal(stat_of("shedding"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_judge_later),
		cmocka_unit_test(test_action),
		cmocka_unit_test(test_public_name),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_shed),
		cmocka_unit_test(test_print_many_lists),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_shed),
		cmocka_unit_test(test_shed_others),
		cmocka_unit_test(test_shed_from_threads),
		cmocka_unit_test(test_shedding_shown),
	};
	int status;

	scratch_begin();
	open_court();
	status = RUN(tests);
	iplist_free(court.lists);
	return scratch_end(status);
}
