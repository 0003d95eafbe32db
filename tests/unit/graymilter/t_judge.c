/*
 * t_judge - which list comes before which, what the greylist's answers mean,
 * whom it is asked about, and how all of it is explained.
 */
#include <ctype.h>
#include <time.h>

#include "clock.h"
#include "judge.h"
#include "scratch.h"
#include "stats.h"

#define HOUR	3600
#define DELAY	300
#define OUT_MAX	4000

enum { WHITE, SUSPECTS, SENDERS, RECIPIENTS, TRAPS, FILES, OK_LINE };

static const struct {
	const char *name, *text;
	enum judge_list list;
} files[FILES] = {
	{ "white", "192.0.2.1\n.example.com\n198.51.100.1\n",
	    JUDGE_WHITE_CLIENTS },
	{ "suspects", "198.51.100.0/24\nConnect:198.51.100.9 OK\n",
	    JUDGE_SUSPECTS },
	{ "senders", "boss@example.org\n@good.example\n", JUDGE_SENDERS },
	{ "recipients", "open@example.net\nboth@example.net\n",
	    JUDGE_RECIPIENTS },
	{ "traps", "trap@example.net\nboth@example.net\n"
	    "postmaster@example.net\n", JUDGE_TRAPS },
};

static char path[FILES][SCRATCH_PATH_MAX];
static struct judge court, suspecting;	/* the second has suspects */

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
open_court(struct judge *j)
{
	*j = (struct judge){ .prefix4 = 24, .prefix6 = 64, .conf = {
	    .cache = 1 << 20, .kind = TUPLE_TRIPLET, .rules = {
	    .delay = DELAY, .retry = 48 * HOUR, .expire = 36 * 24 * HOUR,
	    .autowhite = 5, .pending_max = 1000 } } };
	assert_int_equal(judge_open(j), 0);
}

static void
free_court(struct judge *j)
{
	greylist_close(j->greylist);
	iplist_free(j->clients);
	mailboxes_free(j->senders);
	mailboxes_free(j->recipients);
	mailboxes_free(j->traps);
	hints_free(j->hints);
}

static void
write_file(int file)
{
	scratch_path(path[file], files[file].name);
	scratch_write(path[file], files[file].text,
	    strlen(files[file].text));
}

static void
open_courts(void)
{
	struct judge *const courts[] = { &court, &suspecting };

	for (size_t n = 0; n < COUNT(courts); n++) {
		open_court(courts[n]);
		for (int i = 0; i < FILES; i++) {
			write_file(i);
			if (i != SUSPECTS || courts[n] == &suspecting)
				assert_int_equal(judge_add_file(courts[n],
				    files[i].list, path[i], 0), 0);
		}
		assert_int_equal(judge_load(courts[n]), 0);
		courts[n]->greylist = greylist_open(&courts[n]->conf);
		assert_non_null(courts[n]->greylist);
	}
}

/* --- the lists */

/* Every field is said, whatever was in it. */
static const struct verdict dirt = { JUDGE_TRAP, 99, "dirt" };

static void
check(const struct verdict *v, const char *what, enum judge_by by, int file,
    int64_t seconds)
{
	const char *list = file < FILES ? path[file] : NULL;

	CHECK(v->by == by && v->list == list && v->seconds == seconds,
	    "%s: by %s, list %s, %lld s", what, judge_word(v->by), v->list,
	    (long long)v->seconds);
}

static void
test_client(void **state)
{
	static const struct {
		struct judge *judge;
		const char *client, *host;
		enum judge_by by;
		int file;
	} rows[] = {
		{ &court, "192.0.2.1", NULL, JUDGE_WHITELIST, WHITE },
		{ &court, "::ffff:192.0.2.1", NULL, JUDGE_WHITELIST, WHITE },
		{ &court, "192.0.2.2", NULL, JUDGE_NOTHING, FILES },
		{ &court, "192.0.2.2", "mx.example.com", JUDGE_WHITELIST,
		    WHITE },
		{ &court, "2001:db8::1", "example.com", JUDGE_WHITELIST,
		    WHITE },
		{ &court, "192.0.2.2", "badexample.com", JUDGE_NOTHING,
		    FILES },
		{ &court, "198.51.100.2", NULL, JUDGE_NOTHING, FILES },
		{ &suspecting, "198.51.100.2", NULL, JUDGE_NOTHING, FILES },
		{ &suspecting, "203.0.113.1", NULL, JUDGE_UNSUSPECTED, FILES },
		{ &suspecting, "2001:db8::1", NULL, JUDGE_UNSUSPECTED, FILES },
		/* White is white, suspect or not. */
		{ &suspecting, "198.51.100.1", NULL, JUDGE_WHITELIST, WHITE },
		{ &suspecting, "198.51.100.9", NULL, JUDGE_WHITELIST,
		    OK_LINE },
		{ &suspecting, "198.51.100.2", "mx.example.com",
		    JUDGE_WHITELIST, WHITE },
		{ &suspecting, "192.0.2.1", NULL, JUDGE_WHITELIST, WHITE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct addr a = address(rows[i].client);
		struct verdict v = dirt;

		judge_client(rows[i].judge, &a, rows[i].host, &v);
		if (rows[i].file == OK_LINE) {
			assert_string_equal(v.list, "an-OK-line");
			v.list = NULL;
		}
		check(&v, rows[i].client, rows[i].by, rows[i].file, 0);
	}
}

static void
test_sender_and_recipient(void **state)
{
	static const struct {
		void (*of)(const struct judge *, const char *,
		    struct verdict *);
		const char *path;
		enum judge_by by;
		int file;
	} rows[] = {
		{ judge_sender, "<boss@example.org>", JUDGE_SENDER, SENDERS },
		{ judge_sender, "BOSS+x@EXAMPLE.org", JUDGE_SENDER, SENDERS },
		{ judge_sender, "<any@good.example>", JUDGE_SENDER, SENDERS },
		{ judge_sender, "<any@bad.example>", JUDGE_NOTHING, FILES },
		{ judge_sender, "<open@example.net>", JUDGE_NOTHING, FILES },
		{ judge_sender, "<postmaster@a>", JUDGE_NOTHING, FILES },
		{ judge_sender, "<>", JUDGE_NOTHING, FILES },
		{ judge_recipient, "<open@example.net>", JUDGE_RECIPIENT,
		    RECIPIENTS },
		{ judge_recipient, "<trap@example.net>", JUDGE_TRAP, TRAPS },
		{ judge_recipient, "<Trap+1@example.net>", JUDGE_TRAP, TRAPS },
		{ judge_recipient, "<ann@example.net>", JUDGE_NOTHING, FILES },
		{ judge_recipient, "<boss@example.org>", JUDGE_NOTHING,
		    FILES },
		/* Who must be reached, who may be, and then the traps. */
		{ judge_recipient, "<postmaster@example.net>", JUDGE_ROLE,
		    FILES },
		{ judge_recipient, "<Postmaster>", JUDGE_ROLE, FILES },
		{ judge_recipient, "<abuse@a.example>", JUDGE_ROLE, FILES },
		{ judge_recipient, "<both@example.net>", JUDGE_RECIPIENT,
		    RECIPIENTS },
		{ judge_recipient, "<>", JUDGE_NOTHING, FILES },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = dirt;

		rows[i].of(&court, rows[i].path, &v);
		check(&v, rows[i].path, rows[i].by, rows[i].file,
		    rows[i].by == JUDGE_TRAP ? DELAY : 0);
	}
}

static void
test_words(void **state)
{
	(void)state;
	for (int a = 0; a < JUDGE_BY_COUNT; a++) {
		const char *word = judge_word((enum judge_by)a);

		assert_non_null(word);
		for (const char *p = word; *p != '\0'; p++)
			assert_true(islower((unsigned char)*p));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(word,
			    judge_word((enum judge_by)b));
		CHECK(judge_waits((enum judge_by)a) ==
		    (a == JUDGE_NEW || a == JUDGE_EARLY || a == JUDGE_TRAP),
		    "%s", word);
	}
	assert_string_equal(judge_word(JUDGE_NOTHING), "nothing");
	assert_string_equal(judge_word(JUDGE_CARRIED), "carried");
	assert_string_equal(judge_word(JUDGE_EARLY), "early");
	assert_string_equal(judge_word(JUDGE_ERROR), "error");
}

/* --- whom the greylist is asked about */

#define LABEL	"a23456789-123456789-123456789-123456789-123456789-123456789."
#define LONG	LABEL LABEL LABEL LABEL "1234567"	/* 247 bytes */

static const struct {
	const char *addr, *domain;	/* of the hint; NULL: none */
	bool pass;
	int64_t after;			/* seconds since the hint */
	const char *client, *sender;	/* of the mail */
	const char *want;		/* the key's client */
} keys[] = {
	{ NULL, NULL, false, 0, "192.0.2.1", "<joe@example.org>",
	    "192.0.2.0/24" },
	{ NULL, NULL, false, 0, "::ffff:192.0.2.1", "<joe@example.org>",
	    "192.0.2.0/24" },
	{ NULL, NULL, false, 0, "2001:db8::1:2:3:4", "<>",
	    "2001:db8::/64" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1",
	    "<joe@example.org>", "example.org" },
	{ "192.0.2.1", "Example.ORG.", true, HINT_SECONDS - 1,
	    "::ffff:192.0.2.1", "jim@example.org", "example.org" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1",
	    "<joe@EXAMPLE.org.>", "example.org" },
	{ "2001:db8::1", "example.org", true, 0, "2001:db8::1",
	    "<\"a@b\"@example.org>", "example.org" },
	{ "192.0.2.1", LONG, true, 0, "192.0.2.1", "<j@" LONG ">",
	    "a23456789-123456789-123456789-123456" },
	/* Another machine, another domain, too late, not. */
	{ "192.0.2.2", "example.org", true, 0, "192.0.2.1",
	    "<joe@example.org>", "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1",
	    "<joe@mail.example.org>", "192.0.2.0/24" },
	{ "192.0.2.1", "mail.example.org", true, 0, "192.0.2.1",
	    "<joe@example.org>", "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", true, HINT_SECONDS, "192.0.2.1",
	    "<joe@example.org>", "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", false, 0, "192.0.2.1",
	    "<joe@example.org>", "192.0.2.0/24" },
	/* Nobody speaks for the null sender, or one without a domain. */
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1", "<>",
	    "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1", "<example.org>",
	    "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1", "<joe@>",
	    "192.0.2.0/24" },
	{ "192.0.2.1", "example.org", true, 0, "192.0.2.1",
	    "<j@" LONG LONG ">", "192.0.2.0/24" },
};

static void
test_set_tuple(void **state)
{
	int64_t now = 1000;

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++, now += 1000) {
		const struct addr client = address(keys[i].client);
		struct tuple t, alone;
		struct addr a;

		if (keys[i].addr != NULL) {
			a = address(keys[i].addr);
			assert_int_equal(hints_set(court.hints, &a,
			    keys[i].domain, keys[i].pass, now), 0);
		}
		memset(&t, 'x', sizeof t);
		judge_set_tuple(&court, &t, &client, keys[i].sender,
		    now + keys[i].after);
		if (strlen(t.client) == TUPLE_TEXT_MAX)
			t.client[strcspn(t.client, "~")] = '\0';
		CHECK(strcmp(t.client, keys[i].want) == 0, "row %zu: %s", i,
		    t.client);
		/* The rest of the key is as without; the network is kept. */
		memset(&alone, 0, sizeof alone);
		tuple_set_sender(&alone, keys[i].sender);
		tuple_set_network(&alone, &client, 24, 64);
		assert_string_equal(t.network, strcmp(t.client,
		    alone.client) == 0 ? "" : alone.client);
		assert_string_equal(t.sender, alone.sender);
		assert_string_equal(t.recipient, "");
	}
}

static void
test_prefixes(void **state)
{
	static const struct {
		long prefix4, prefix6;
		const char *want4, *want6;
	} rows[] = {
		{ 32, 128, "198.51.100.77/32", "2001:db8:1:2:3:4:5:6/128" },
		{ 25, 48, "198.51.100.0/25", "2001:db8:1::/48" },
		{ 8, 16, "198.0.0.0/8", "2001::/16" },
	};
	const struct addr a = address("198.51.100.77");
	const struct addr b = address("2001:db8:1:2:3:4:5:6");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct judge j = { .prefix4 = rows[i].prefix4,
		    .prefix6 = rows[i].prefix6, .hints = court.hints };
		struct tuple t;

		judge_set_tuple(&j, &t, &a, "<a@b.example>", 0);
		assert_string_equal(t.client, rows[i].want4);
		judge_set_tuple(&j, &t, &b, "<a@b.example>", 0);
		assert_string_equal(t.client, rows[i].want6);
	}
}

/* --- the greylist's answers */

static struct tuple
tuple_of(const char *client, const char *sender)
{
	struct addr a = address(client);
	struct tuple t;

	judge_set_tuple(&court, &t, &a, sender, 0);
	tuple_set_recipient(&t, "<ann@example.net>");
	return t;
}

static void
test_answers(void **state)
{
	static const struct {
		const char *client, *sender;
		int64_t at;
		enum judge_by by;
		int64_t seconds;
	} rows[] = {
		{ "203.0.113.1", "<a@b.example>", 0, JUDGE_NEW, DELAY },
		{ "203.0.113.2", "<a@b.example>", 10, JUDGE_EARLY,
		    DELAY - 10 },
		{ "203.0.113.3", "<a@b.example>", DELAY + 9, JUDGE_DELAYED,
		    DELAY + 9 },
		{ "203.0.113.4", "<a@b.example>", DELAY + 9, JUDGE_KNOWN, 0 },
		{ "203.0.113.4", "<friend@b.example>", DELAY + 9,
		    JUDGE_FRIEND, 0 },
		{ "203.0.112.4", "<>", DELAY + 9, JUDGE_AUTOWHITE, 0 },
	};
	const int64_t now = 1700000000;
	struct tuple friend = tuple_of("203.0.113.1", "<friend@b.example>");
	struct tuple white = tuple_of("203.0.112.1", "<>");
	struct judge j = court;

	(void)state;
	assert_int_equal(greylist_befriend(j.greylist, &friend, now), 0);
	assert_int_equal(greylist_whiten(j.greylist, &white, now), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tuple t = tuple_of(rows[i].client, rows[i].sender);

		/* The last one changes something. */
		for (int n = 2; n >= 0; n--) {
			struct verdict v = dirt;

			judge_tuple(&j, &t, now + rows[i].at, n == 0, &v);
			check(&v, rows[i].client, rows[i].by, FILES,
			    rows[i].seconds);
		}
	}
}

/* Without one, everybody is new; one that is closed cannot say. */
static void
test_no_answer(void **state)
{
	struct tuple t = tuple_of("203.0.113.1", "<a@b.example>");
	static struct judge j;		/* its greylist cannot be freed */
	struct verdict v = dirt;

	(void)state;
	j.conf = court.conf;
	for (int n = 0; n < 2; n++) {
		judge_tuple(&j, &t, 0, n == 0, &v);
		check(&v, "none", JUDGE_NEW, FILES, DELAY);
	}
	j.greylist = greylist_open(&court.conf);
	assert_non_null(j.greylist);
	greylist_close(j.greylist);
	for (int n = 0; n < 2; n++) {
		v = dirt;
		judge_tuple(&j, &t, 0, n == 0, &v);
		check(&v, "closed", JUDGE_ERROR, FILES, 0);
	}
}

/* What hint there is changes who has to wait, and never how long. */
static void
test_hint_and_delay(void **state)
{
	struct addr one = address("198.18.0.1"), other = address("198.19.0.1");
	struct addr *const clients[] = { &one, &one, &other, &other };
	static const struct {
		int64_t at;
		enum judge_by by;
		int64_t seconds;
	} want[] = {
		{ 0, JUDGE_NEW, DELAY }, { 20, JUDGE_EARLY, DELAY - 20 },
		{ 40, JUDGE_EARLY, DELAY - 40 },
		{ DELAY, JUDGE_DELAYED, DELAY },
	};
	const int64_t now = 1800000000;

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		struct verdict v = dirt;
		struct tuple t;

		assert_int_equal(hints_set(court.hints, clients[i],
		    "pool.example", true, want[i].at), 0);
		judge_set_tuple(&court, &t, clients[i], "<a@pool.example>",
		    want[i].at);
		tuple_set_recipient(&t, "<ann@example.net>");
		judge_tuple(&court, &t, now + want[i].at, true, &v);
		check(&v, t.client, want[i].by, FILES, want[i].seconds);
	}
}

/* --- in words */

/* What is told of a row's mail; want is compared up to a number behind '#'. */
static const struct {
	struct judge *judge;
	const char *client, *sender, *recipient, *host;
	int waits;
	const char *want;	/* the first line */
	int file, line;		/* the one that speaks of it; 0: none */
	const char *text;
} explained[] = {
	{ &court, "203.0.114.1", "<joe@a>", "<Ann@b>", NULL, 1,
	    "verdict=tempfail by=new left=300 "
	    "key=triplet,203.0.114.0/24,joe@a,ann@b", 0, 0, NULL },
	{ &court, "203.0.114.1", "joe+x@a", "ann@b", "mx.a", 1,
	    "verdict=tempfail by=new left=300 "
	    "key=triplet,203.0.114.0/24,joe@a,ann@b", 0, 0, NULL },
	{ &court, "203.0.114.1", "<>", "<ann@b>", NULL, 1,
	    "verdict=tempfail by=new left=300 "
	    "key=triplet,203.0.114.0/24,<>,ann@b", 0, 0, NULL },
	{ &court, "192.0.2.1", "<joe@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=whitelist list=%s "
	    "key=triplet,192.0.2.0/24,joe@a,ann@b", WHITE, 1, "192.0.2.1" },
	{ &court, "192.0.2.7", "<joe@a>", "<ann@b>", "mx.example.com", 0,
	    "verdict=pass by=whitelist list=%s "
	    "key=triplet,192.0.2.0/24,joe@a,ann@b", WHITE, 2,
	    ".example.com" },
	{ &suspecting, "203.0.114.1", "<joe@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=unsuspected "
	    "key=triplet,203.0.114.0/24,joe@a,ann@b", 0, 0, NULL },
	{ &suspecting, "198.51.100.2", "<joe@a>", "<ann@b>", NULL, 1,
	    "verdict=tempfail by=new left=300 "
	    "key=triplet,198.51.100.0/24,joe@a,ann@b", SUSPECTS, 1,
	    "198.51.100.0/24" },
	{ &court, "127.0.0.1", "<boss@example.org>", "<ann@b>", NULL, 0,
	    "verdict=pass by=loopback "
	    "key=triplet,127.0.0.0/24,boss@example.org,ann@b", SENDERS, 1,
	    "boss@example.org" },
	{ &suspecting, "::1", "<joe@a>", "<trap@example.net>", NULL, 0,
	    "verdict=pass by=loopback "
	    "key=triplet,::/64,joe@a,trap@example.net", TRAPS, 1,
	    "trap@example.net" },
	/* A sender before a recipient, and a trap before the greylist. */
	{ &court, "203.0.114.1", "<joe@good.example>", "<abuse@b>", NULL, 0,
	    "verdict=pass by=sender list=%s "
	    "key=triplet,203.0.114.0/24,joe@good.example,abuse@b", SENDERS, 2,
	    "@good.example" },
	{ &court, "203.0.114.1", "<joe@a>", "<open@example.net>", NULL, 0,
	    "verdict=pass by=recipient list=%s "
	    "key=triplet,203.0.114.0/24,joe@a,open@example.net", RECIPIENTS,
	    1, "open@example.net" },
	{ &court, "203.0.114.1", "<joe@a>", "<abuse@b>", NULL, 0,
	    "verdict=pass by=role key=triplet,203.0.114.0/24,joe@a,abuse@b",
	    0, 0, NULL },
	{ &court, "203.0.115.1", "<>", "<trap@example.net>", NULL, 1,
	    "verdict=tempfail by=trap list=%s left=300 "
	    "key=triplet,203.0.115.0/24,<>,trap@example.net", TRAPS, 1,
	    "trap@example.net" },
	{ &court, "203.0.115.1", "<joe@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=autowhite "
	    "key=triplet,203.0.115.0/24,joe@a,ann@b", 0, 0, NULL },
	{ &court, "203.0.116.1", "<known@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=known key=triplet,203.0.116.0/24,known@a,ann@b",
	    0, 0, NULL },
	{ &court, "203.0.116.1", "<waits@a>", "<ann@b>", NULL, 1,
	    "verdict=tempfail by=early left=# "
	    "key=triplet,203.0.116.0/24,waits@a,ann@b", 0, 0, NULL },
	{ &court, "203.0.116.1", "<waited@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=delayed held=# "
	    "key=triplet,203.0.116.0/24,waited@a,ann@b", 0, 0, NULL },
	{ &court, "203.0.116.1", "<friend@a>", "<ann@b>", NULL, 0,
	    "verdict=pass by=friend "
	    "key=triplet,203.0.116.0/24,friend@a,ann@b", 0, 0, NULL },
	/* A client that speaks for the domain. */
	{ &court, "203.0.117.1", "<joe@hint.example>", "<ann@b>", NULL, 1,
	    "verdict=tempfail by=new left=300 "
	    "key=triplet,hint.example,joe@hint.example,ann@b", 0, 0, NULL },
	/* A25: one line, whatever is in it. */
	{ &court, "203.0.114.1", "<a b\n=c@a>", "<\xff\\x,@b>", NULL, 1,
	    "verdict=tempfail by=new left=300 key=triplet,203.0.114.0/24,"
	    "a\\x20b\\x0a=c@a,\\xff\\x5cx,@b", 0, 0, NULL },
};

static void
put(const char *sender, int64_t first, int64_t last)
{
	const struct record r = { .first = first, .last = last, .count = 1 };
	struct tuple t = tuple_of("203.0.116.1", sender);

	tuple_set_recipient(&t, "<ann@b>");
	assert_int_equal(greylist_merge(court.greylist, TUPLE_TRIPLET, &t, &r,
	    (int64_t)time(NULL)), 0);
}

static void
fill(void)
{
	const int64_t now = (int64_t)time(NULL);
	struct tuple white = tuple_of("203.0.115.1", "<>");
	struct tuple friend = tuple_of("203.0.116.1", "<friend@a>");
	struct addr a = address("203.0.117.1");

	assert_int_equal(greylist_whiten(court.greylist, &white, now), 0);
	tuple_set_recipient(&friend, "<ann@b>");
	assert_int_equal(greylist_befriend(court.greylist, &friend, now), 0);
	put("<known@a>", now - 9, now - 9);
	put("<waits@a>", now - 100, 0);
	put("<waited@a>", now - DELAY - 100, 0);
	assert_int_equal(hints_set(court.hints, &a, "hint.example", true,
	    clock_us() / 1000000), 0);
}

/* The lines there should be; a number where want has '#'. */
static void
check_explained(size_t i, const char *got)
{
	const char *want = explained[i].want, *at;
	char text[600];
	long number = 0;
	int n = 0;

	for (const char *p = want; *p != '\0'; p++) {
		if (*p == '#') {
			at = strstr(got, strstr(want, "left=") != NULL ?
			    "left=" : "held=");
			CHECK(at != NULL, "row %zu: %s", i, got);
			number = strtol(at + 5, NULL, 10);
			n += snprintf(text + n, sizeof text - (size_t)n,
			    "%ld", number);
		} else if (p[0] == '%' && p[1] == 's') {
			n += snprintf(text + n, sizeof text - (size_t)n, "%s",
			    path[explained[i].file]);
			p++;
		} else
			text[n++] = *p;
	}
	n += snprintf(text + n, sizeof text - (size_t)n, "\n");
	if (explained[i].line != 0)
		snprintf(text + n, sizeof text - (size_t)n, "%s:%d: %s\n",
		    path[explained[i].file], explained[i].line,
		    explained[i].text);
	CHECK(strcmp(got, text) == 0, "row %zu:\n%sand not\n%s", i, got, text);
	if (strchr(want, '#') != NULL)
		CHECK(strstr(want, "left=") != NULL ?
		    number > DELAY - 160 && number <= DELAY - 100 :
		    number >= DELAY + 100 && number < DELAY + 160,
		    "row %zu: %ld", i, number);
}

static void
test_explain(void **state)
{
	char got[OUT_MAX];

	(void)state;
	fill();
	for (size_t i = 0; i < COUNT(explained); i++) {
		FILE *out = fmemopen(got, sizeof got, "w");
		int waits;

		got[0] = '\0';
		waits = judge_explain(explained[i].judge, out,
		    explained[i].client, explained[i].sender,
		    explained[i].recipient, explained[i].host);
		fclose(out);
		CHECK(waits == explained[i].waits, "row %zu: %d", i, waits);
		check_explained(i, got);
	}
}

/* Each list that speaks of it, though the first decides; and each kind. */
static void
test_explain_all(void **state)
{
	static const struct {
		enum tuple_kind kind;
		const char *client, *sender, *by, *key;
		int file;		/* that decides */
		bool lines[FILES];	/* those that speak */
	} rows[] = {
		{ TUPLE_CLIENT, "198.51.100.1", "<a@good.example>",
		    "whitelist", "client,198.51.100.0/24", WHITE,
		    { true, true, true, true, true } },
		{ TUPLE_PAIR, "198.51.100.2", "<a@good.example>", "sender",
		    "pair,198.51.100.0/24,a@good.example", SENDERS,
		    { false, true, true, true, true } },
		{ TUPLE_PAIR, "198.51.100.2", "<>", "recipient",
		    "pair,198.51.100.0/24,<>", RECIPIENTS,
		    { false, true, false, true, true } },
	};
	static const char *const text[FILES] = { "3: 198.51.100.1",
	    "1: 198.51.100.0/24", "2: @good.example", "2: both@example.net",
	    "2: both@example.net" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char got[OUT_MAX] = "", want[OUT_MAX];
		FILE *out = fmemopen(got, sizeof got, "w");
		FILE *expected = fmemopen(want, sizeof want, "w");

		suspecting.conf.kind = rows[i].kind;
		assert_int_equal(judge_explain(&suspecting, out,
		    rows[i].client, rows[i].sender, "<both@example.net>",
		    NULL), 0);
		fclose(out);
		fprintf(expected, "verdict=pass by=%s list=%s key=%s\n",
		    rows[i].by, path[rows[i].file], rows[i].key);
		for (int n = 0; n < FILES; n++)
			if (rows[i].lines[n])
				fprintf(expected, "%s:%s\n", path[n],
				    text[n]);
		fclose(expected);
		assert_string_equal(got, want);
	}
	suspecting.conf.kind = TUPLE_TRIPLET;
}

static void
test_explain_no_address(void **state)
{
	static const char *const rows[] = { "", "x", "192.0.2", "192.0.2.0/24",
	    "192.0.2.300", "mx.example.com", "[::1]", "::1%lo" };
	char got[OUT_MAX] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		FILE *out = fmemopen(got, sizeof got, "w");

		CHECK(judge_explain(&court, out, rows[i], "<a@b>", "<a@b>",
		    NULL) == -1, "%s", rows[i]);
		fclose(out);
		assert_string_equal(got, "");
	}
}

/* --- loading */

/* A9: a list that is bad leaves the others to be loaded, and is as it was. */
static void
test_load(void **state)
{
	static const char *const bad[FILES] = { "192.0.2.300\n", "x\n",
	    "joe@exa mple\n", "192.0.2.1\n", "a b\n" };
	struct judge j;

	(void)state;
	for (int i = 0; i < FILES; i++) {
		struct verdict v;

		open_court(&j);
		for (int n = 0; n < FILES; n++) {
			write_file(n);
			assert_int_equal(judge_add_file(&j, files[n].list,
			    path[n], 0), 0);
		}
		assert_int_equal(judge_load(&j), 0);
		assert_false(judge_changed(&j, 0));
		scratch_write(path[i], bad[i], strlen(bad[i]));
		assert_true(judge_changed(&j, 0));
		scratch_write(path[i == TRAPS ? SENDERS : TRAPS],
		    "new@example.net\n", 16);
		scratch_logged();
		assert_int_equal(judge_load(&j), -1);
		CHECK(strstr(scratch_logged(), path[i]) != NULL, "file %d", i);
		judge_recipient(&j, "<trap@example.net>", &v);
		assert_int_equal(v.by, i == TRAPS ? JUDGE_TRAP :
		    JUDGE_NOTHING);
		judge_sender(&j, "<new@example.net>", &v);
		assert_int_equal(v.by, i == TRAPS ? JUDGE_SENDER :
		    JUDGE_NOTHING);
		judge_sender(&j, "<boss@example.org>", &v);
		assert_int_equal(v.by, i == TRAPS ? JUDGE_NOTHING :
		    JUDGE_SENDER);
		free_court(&j);
	}
	for (int i = 0; i < FILES; i++)
		write_file(i);
}

static void
test_lenient(void **state)
{
	static const char text[] = "192.0.2.300 bad\n192.0.2.1\na@b.example\n";

	(void)state;
	for (int i = 0; i < FILES; i++) {
		char odd[SCRATCH_PATH_MAX];
		struct judge j;

		scratch_write(scratch_path(odd, "odd"), text, strlen(text));
		for (int lenient = 0; lenient < 2; lenient++) {
			open_court(&j);
			assert_int_equal(judge_add_file(&j, files[i].list, odd,
			    lenient), 0);
			CHECK(judge_load(&j) == (lenient ? 0 : -1), "file %d",
			    i);
			free_court(&j);
		}
	}
}

static void
test_stats(void **state)
{
	static const char *const want[] = {
		"milter_list_entries{list=\"white\"} 3\n",
		"milter_sender_entries{list=\"senders\"} 2\n",
		"milter_recipient_entries{list=\"recipients\"} 2\n",
		"milter_trap_entries{list=\"traps\"} 3\n",
		"milter_trap_bad_lines{list=\"traps\"} 0\n",
		"milter_store_up 1\n",
	};
	char *text, *slash;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	judge_add_stats(&court);
	stats_print(out);
	fclose(out);
	/* The names of the files without their folder. */
	while ((slash = strstr(text, scratch)) != NULL)
		memmove(slash, slash + strlen(scratch) + 1,
		    strlen(slash + strlen(scratch) + 1) + 1);
	for (size_t i = 0; i < COUNT(want); i++)
		CHECK(strstr(text, want[i]) != NULL, "no %s in\n%s", want[i],
		    text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_sender_and_recipient),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_set_tuple),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_hint_and_delay),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_explain_all),
		cmocka_unit_test(test_explain_no_address),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_stats),
	};
	int status;

	scratch_begin();
	open_courts();
	status = RUN(tests);
	free_court(&court);
	free_court(&suspecting);
	return scratch_end(status);
}
