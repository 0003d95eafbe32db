/*
 * t_greylist - the whole life of tuples, networks and friends in a store, in
 * memory and in a folder.  The clock is ours; the objects stay until the end,
 * as in the daemon.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "greylist.h"
#include "scratch.h"
#include "store.h"

#define HOUR	INT64_C(3600)
#define DAY	(24 * HOUR)
#define YEAR	(365 * DAY)

#define DELAY	300
#define RETRY	(2 * DAY)
#define EXPIRE	(36 * DAY)
#define MANY	1000		/* as good as no limit */

#define BEGIN	INT64_C(1700000000)
#define KEPT	24

/* Each with what it was opened with; none can be freed. */
static struct kept {
	struct greylist_conf conf;
	char directory[SCRATCH_PATH_MAX];
	struct greylist *g;
} kept[KEPT];

static size_t kept_count;

static const struct record_rules usual = { .delay = DELAY, .retry = RETRY,
    .expire = EXPIRE, .autowhite = MANY, .pending_max = MANY };

/* directory: its name in the scratch folder; NULL: in memory. */
static struct kept *
open_list(const char *directory, enum tuple_kind kind)
{
	struct kept *k = &kept[kept_count++];

	assert_true(kept_count <= KEPT);
	k->conf = (struct greylist_conf){ .cache = 1 << 20, .kind = kind,
	    .rules = usual };
	if (directory != NULL) {
		k->conf.directory = scratch_path(k->directory, directory);
		mkdir(k->directory, 0700);
	}
	k->g = greylist_open(&k->conf);
	assert_non_null(k->g);
	return k;
}

/* "net joe ann", or "domain/net joe ann" with a hint; "<>" is nothing. */
static struct tuple
tuple_of(const char *words)
{
	struct tuple t = { .client = "" };
	char *const texts[] = { t.client, t.sender, t.recipient };
	char copy[100], *rest = copy, *word, *slash;

	assert_true(strlen(words) < sizeof copy);
	memcpy(copy, words, strlen(words) + 1);
	for (size_t i = 0; i < COUNT(texts); i++) {
		word = strsep(&rest, " ");
		if (word != NULL && *word != '\0')
			assert_int_equal(tuple_scan(texts[i], word), 0);
	}
	if ((slash = strchr(t.client, '/')) != NULL) {
		memcpy(t.network, slash + 1, strlen(slash));
		*slash = '\0';
	}
	return t;
}

/* --- all that is in it */

static void
print_line(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	char line[RECORD_LINE_MAX];

	fprintf(arg, "%s\n", record_print(line, kind, t, r));
}

/* The caller frees it. */
static char *
dump(struct greylist *g)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(greylist_walk(g, NULL, print_line, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

struct search {
	enum tuple_kind kind;
	const struct tuple *tuple;
	struct record record;
	int found;
};

static void
look(enum tuple_kind kind, const struct tuple *t, const struct record *r,
    void *arg)
{
	struct search *s = arg;
	unsigned char a[STORE_KEY_MAX], b[STORE_KEY_MAX];
	size_t size = tuple_key(a, kind, t);

	if (size == tuple_key(b, s->kind, s->tuple) &&
	    memcmp(a, b, size) == 0) {
		s->record = *r;
		s->found++;
	}
}

static bool
find(struct greylist *g, enum tuple_kind kind, const struct tuple *t,
    struct record *r)
{
	struct search s = { .kind = kind, .tuple = t };

	assert_int_equal(greylist_walk(g, NULL, look, &s), 0);
	assert_in_range(s.found, 0, 1);
	*r = s.record;
	return s.found == 1;
}

static void
forget_it(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	(void)r;
	assert_int_equal(greylist_forget(arg, kind, t), 0);
}

/* --- one step after the other */

enum op { END, TRY, CARRY, BEFRIEND, WHITEN, FORGET, FORGET_NETWORK };

enum { NEW = GREYLIST_NEW, EARLY = GREYLIST_EARLY, DELAYED = GREYLIST_DELAYED,
    KNOWN = GREYLIST_KNOWN, FRIEND = GREYLIST_FRIEND,
    WHITE = GREYLIST_AUTOWHITE };

enum { NONE = -1, ANY = -2 };	/* of a network that has no record; whatever */

#define CHOSEN	INT64_C(0xffffffff)

struct step {
	int64_t at;		/* after BEGIN */
	enum op op;
	const char *tuple;
	int want;		/* TRY: by; else what is returned */
	int64_t seconds;
	int pending;		/* of its network afterwards */
	int64_t count;		/* of its client afterwards */
};

#define JOE	"net joe ann"
#define JIM	"net jim ann"
#define ME	"net me ann"
#define YOU	"net you ann"

static const struct step triplet[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 1, TRY, JOE, EARLY, DELAY - 1, 1, 0 },
	{ DELAY - 1, TRY, JOE, EARLY, 1, 1, 0 },
	{ DELAY, TRY, JOE, DELAYED, DELAY, 0, 1 },
	{ DELAY + 1, TRY, JOE, KNOWN, 0, 0, 1 },
	{ DELAY + 1, TRY, "net joe bob", NEW, DELAY, 1, 1 },
	{ DELAY + 1, TRY, "net jim ann", NEW, DELAY, 2, 1 },
	{ DELAY + 1, TRY, "net <> ann", NEW, DELAY, 3, 1 },
	{ DELAY + 1, TRY, "ten joe ann", NEW, DELAY, 1, 0 },
	{ DELAY + 2, TRY, "net joe bob", EARLY, DELAY - 1, 3, 1 },
	{ 2 * DELAY + 1, TRY, "net <> ann", DELAYED, DELAY, 2, 1 },
	{ 2 * DELAY + 9, TRY, "net joe bob", DELAYED, DELAY + 8, 1, 1 },
	/* Used once in a while it stays; the network begins to count anew. */
	{ EXPIRE + DELAY + 1, TRY, JOE, KNOWN, 0, 1, 1 },
	{ 2 * EXPIRE + DELAY + 2, TRY, JOE, NEW, DELAY, 1, 1 },
	{ 2 * EXPIRE + 2 * DELAY + 2, TRY, JOE, DELAYED, DELAY, 0, 1 },
	{ .op = END },
};

static const struct step pair[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 1, TRY, "net joe bob", EARLY, DELAY - 1, 1, 0 },
	{ 1, TRY, "net jim ann", NEW, DELAY, 2, 0 },
	{ 1, TRY, "ten joe ann", NEW, DELAY, 1, 0 },
	{ DELAY, TRY, "net joe eve", DELAYED, DELAY, 1, 1 },
	{ DELAY, TRY, JOE, KNOWN, 0, 1, 1 },
	{ DELAY, TRY, "net joe <>", KNOWN, 0, 1, 1 },
	{ DELAY, TRY, "net jim ann", EARLY, 1, 1, 1 },
	{ .op = END },
};

static const struct step client[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 1, TRY, "net jim bob", EARLY, DELAY - 1, 1, 0 },
	{ 1, TRY, "ten joe ann", NEW, DELAY, 1, 0 },
	{ DELAY, TRY, "net <> eve", DELAYED, DELAY, 0, 1 },
	{ DELAY, TRY, "net you me", KNOWN, 0, 0, 1 },
	{ DELAY, TRY, "ten you me", EARLY, 1, 1, 0 },
	{ EXPIRE + DELAY + 1, TRY, JOE, NEW, DELAY, 1, 1 },
	{ EXPIRE + DELAY + RETRY + 2, TRY, JOE, NEW, DELAY, 1, 1 },
	{ .op = END },
};

/* What does not come back in time begins anew, and so does the counting. */
static const struct step retry[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 0, TRY, JIM, NEW, DELAY, 2, 0 },
	{ 1, TRY, ME, NEW, DELAY, 3, 0 },
	{ RETRY, TRY, JOE, DELAYED, RETRY, 2, 1 },
	{ RETRY + 1, TRY, JIM, NEW, DELAY, 1, 1 },
	{ RETRY + 1, TRY, ME, DELAYED, RETRY, 1, 1 },
	{ RETRY + DELAY + 1, TRY, JIM, DELAYED, DELAY, 0, 1 },
	{ .op = END },
};

static const struct step autowhite[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ DELAY, TRY, JOE, DELAYED, DELAY, 0, 1 },
	{ DELAY + 1, TRY, JOE, KNOWN, 0, 0, 1 },
	{ DELAY + HOUR - 1, TRY, JOE, KNOWN, 0, 0, 1 },
	{ DELAY + HOUR, TRY, JOE, KNOWN, 0, 0, 2 },
	{ DELAY + HOUR, TRY, JIM, NEW, DELAY, 1, 2 },
	{ DELAY + 2 * HOUR, TRY, JOE, KNOWN, 0, 1, 3 },
	{ DELAY + 2 * HOUR, TRY, JIM, WHITE, 0, 1, 3 },
	{ DELAY + 2 * HOUR, TRY, "net <> eve", WHITE, 0, 1, 3 },
	{ DELAY + 2 * HOUR, TRY, "ten joe ann", NEW, DELAY, 1, 0 },
	{ DELAY + 3 * HOUR, TRY, ME, WHITE, 0, 1, 4 },
	{ DELAY + 3 * HOUR + EXPIRE, TRY, ME, WHITE, 0, 1, 5 },
	{ DELAY + 3 * HOUR + 2 * EXPIRE + 1, TRY, ME, NEW, DELAY, 1, 5 },
	{ 2 * DELAY + 3 * HOUR + 2 * EXPIRE + 1, TRY, ME, DELAYED, DELAY,
	    0, 1 },
	{ .op = END },
};

static const struct step never_white[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ DELAY, TRY, JOE, DELAYED, DELAY, 0, 0 },
	{ DELAY + HOUR, TRY, JOE, KNOWN, 0, 0, 0 },
	{ DELAY + 2 * HOUR, TRY, JIM, NEW, DELAY, 1, 0 },
	/* Unless it was chosen. */
	{ 2 * DELAY + 2 * HOUR, WHITEN, JOE, 0, 0, 1, CHOSEN },
	{ 2 * DELAY + 2 * HOUR, TRY, JIM, WHITE, 0, 1, CHOSEN },
	{ 2 * HOUR + EXPIRE, TRY, ME, WHITE, 0, 1, CHOSEN },
	{ 2 * HOUR + 2 * EXPIRE, TRY, ME, WHITE, 0, 1, CHOSEN },
	{ 2 * HOUR + 3 * EXPIRE + 1, TRY, ME, NEW, DELAY, 1, CHOSEN },
	{ 2 * HOUR + 3 * EXPIRE + DELAY + 1, TRY, ME, DELAYED, DELAY, 0, 1 },
	{ .op = END },
};

static const struct step whiten[] = {
	{ 0, WHITEN, "net", 0, 0, 0, CHOSEN },
	{ 0, TRY, JOE, WHITE, 0, 0, CHOSEN },
	{ 0, TRY, "ten joe ann", NEW, DELAY, 1, 0 },
	{ EXPIRE, TRY, JOE, WHITE, 0, 0, CHOSEN },
	{ EXPIRE, FORGET_NETWORK, JOE, 0, 0, NONE, 0 },
	{ EXPIRE, TRY, JOE, NEW, DELAY, 1, 0 },
	{ .op = END },
};

static const struct step friends[] = {
	{ 0, BEFRIEND, JOE, 0, 0, NONE, 0 },
	{ 0, TRY, JOE, FRIEND, 0, NONE, 0 },
	{ 1, TRY, JOE, KNOWN, 0, 0, 1 },
	{ 1, TRY, "net joe bob", NEW, DELAY, 1, 1 },
	{ 1, TRY, "net jim ann", NEW, DELAY, 2, 1 },
	{ 1, TRY, "ten joe ann", FRIEND, 0, NONE, 0 },
	{ 2, BEFRIEND, "net joe bob", 0, 0, 2, 1 },
	{ 2, TRY, "net joe bob", FRIEND, 0, 1, 1 },
	{ 3, TRY, "net joe bob", KNOWN, 0, 1, 1 },
	{ 3, BEFRIEND, "net jim <>", 0, 0, 1, 1 },
	{ 3, TRY, "net jim ann", FRIEND, 0, 0, 1 },
	{ 3, TRY, "net jim eve", FRIEND, 0, 0, 1 },
	{ 3, TRY, "net jim <>", FRIEND, 0, 0, 1 },
	{ 3, TRY, "net <> ann", NEW, DELAY, 1, 1 },
	/* One that has waited did so, friend or not. */
	{ 3, TRY, "net eve me", NEW, DELAY, 2, 1 },
	{ 4, BEFRIEND, "net eve me", 0, 0, 2, 1 },
	{ DELAY + 3, TRY, "net eve me", DELAYED, DELAY, 1, 1 },
	{ .op = END },
};

/* A use of it keeps one; whoever writes to all is kept by nothing. */
static const struct step friends_end[] = {
	{ 0, BEFRIEND, "net joe ann", 0, 0, NONE, 0 },
	{ 0, BEFRIEND, "net jim <>", 0, 0, NONE, 0 },
	{ EXPIRE, TRY, "n1 joe ann", FRIEND, 0, NONE, 0 },
	{ EXPIRE, TRY, "n1 jim ann", FRIEND, 0, NONE, 0 },
	{ EXPIRE + 1, TRY, "n1 jim bob", NEW, DELAY, 1, 0 },
	{ 2 * EXPIRE, TRY, "n2 joe ann", FRIEND, 0, NONE, 0 },
	{ 2 * EXPIRE, TRY, "n2 jim ann", FRIEND, 0, NONE, 0 },
	{ 2 * EXPIRE + 1, BEFRIEND, "net joe ann", 0, 0, NONE, 0 },
	{ 3 * EXPIRE + 1, TRY, "n3 joe ann", FRIEND, 0, NONE, 0 },
	{ 3 * EXPIRE + 1, TRY, "n3 jim ann", NEW, DELAY, 1, 0 },
	{ 4 * EXPIRE + 2, TRY, "n4 joe ann", NEW, DELAY, 1, 0 },
	{ .op = END },
};

/* Two may wait, and all else is one. */
static const struct step cap[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 0, TRY, JIM, NEW, DELAY, 2, 0 },
	{ 5, TRY, ME, NEW, DELAY, 2, 0 },
	{ 5, TRY, "ten me ann", NEW, DELAY, 1, 0 },
	{ 6, TRY, ME, EARLY, DELAY - 1, 2, 0 },
	{ 15, TRY, YOU, EARLY, DELAY - 10, 2, 0 },
	{ 15, TRY, JIM, EARLY, DELAY - 15, 2, 0 },
	{ DELAY + 5, TRY, "net he ann", DELAYED, DELAY, 2, 1 },
	{ DELAY + 5, TRY, ME, KNOWN, 0, 2, 1 },
	{ DELAY + 5, TRY, "net she ann", KNOWN, 0, 2, 1 },
	/* With room again the next one waits for himself. */
	{ DELAY + 6, TRY, JOE, DELAYED, DELAY + 6, 1, 1 },
	{ DELAY + 6, TRY, ME, NEW, DELAY, 2, 1 },
	{ DELAY + 7, TRY, YOU, KNOWN, 0, 2, 1 },
	{ 2 * DELAY + 6, TRY, ME, DELAYED, DELAY, 1, 1 },
	/* The record of them all ends as others do. */
	{ EXPIRE + DELAY + 7, TRY, "net a ann", NEW, DELAY, 1, 1 },
	{ EXPIRE + DELAY + 7, TRY, "net b ann", NEW, DELAY, 2, 1 },
	{ EXPIRE + DELAY + 7, TRY, "net c ann", KNOWN, 0, 2, 1 },
	{ 2 * EXPIRE + DELAY + 8, TRY, "net a ann", NEW, DELAY, 1, 1 },
	{ 2 * EXPIRE + DELAY + 8, TRY, "net b ann", NEW, DELAY, 2, 1 },
	{ 2 * EXPIRE + DELAY + 8, TRY, "net c ann", NEW, DELAY, 2, 1 },
	{ 2 * EXPIRE + RETRY, TRY, "net d ann", DELAYED,
	    RETRY - DELAY - 8, 2, 1 },
	{ .op = END },
};

/* What comes of friends, and of those carried, beyond the limit. */
static const struct step cap_and_friends[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 0, BEFRIEND, JIM, 0, 0, 1, 0 },
	{ 0, TRY, JIM, FRIEND, 0, 1, 0 },
	{ 1, TRY, JIM, KNOWN, 0, 1, 1 },
	{ 1, TRY, ME, EARLY, DELAY - 1, 1, 1 },
	{ 1, BEFRIEND, ME, 0, 0, 1, 1 },
	{ 1, TRY, ME, FRIEND, 0, 1, 1 },
	{ 2, TRY, ME, KNOWN, 0, 1, 1 },
	{ 2, CARRY, YOU, 0, 0, 1, 1 },
	{ 2, TRY, YOU, KNOWN, 0, 1, 1 },
	{ 2, TRY, "net he ann", EARLY, DELAY - 2, 1, 1 },
	{ 3, CARRY, JOE, 0, 0, 0, 1 },
	{ 3, TRY, "net he ann", NEW, DELAY, 1, 1 },
	{ .op = END },
};

static const struct step carry[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 1, CARRY, JOE, 0, 0, 0, 0 },
	{ 1, TRY, JOE, KNOWN, 0, 0, 1 },
	{ 1, CARRY, "net joe bob", 0, 0, 0, 1 },
	{ 1, TRY, "net joe bob", KNOWN, 0, 0, 1 },
	{ 2 * HOUR, CARRY, JOE, 0, 0, 0, 1 },
	{ 2 * HOUR, CARRY, "ten joe ann", 0, 0, NONE, 0 },
	{ 2 * HOUR, TRY, "ten joe ann", KNOWN, 0, 0, 1 },
	{ 2 * HOUR, TRY, JIM, NEW, DELAY, 1, 1 },
	/* One whose time to come back is over has not waited. */
	{ 3 * HOUR + RETRY, CARRY, JIM, 0, 0, 1, 1 },
	{ 3 * HOUR + RETRY, TRY, JIM, KNOWN, 0, 1, 2 },
	{ .op = END },
};

static const struct step forget[] = {
	{ 0, FORGET, JOE, 0, 0, NONE, 0 },
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 0, TRY, JIM, NEW, DELAY, 2, 0 },
	{ DELAY, TRY, JOE, DELAYED, DELAY, 1, 1 },
	{ DELAY, FORGET, JOE, 0, 0, 1, 1 },
	{ DELAY, TRY, JOE, NEW, DELAY, 2, 1 },
	{ DELAY, FORGET_NETWORK, JOE, 0, 0, NONE, 0 },
	/* What is not counted any more is not taken off. */
	{ DELAY, TRY, ME, NEW, DELAY, 1, 0 },
	{ DELAY + 1, TRY, JIM, DELAYED, DELAY + 1, 1, 1 },
	{ 2 * DELAY, TRY, ME, DELAYED, DELAY, 0, 1 },
	{ 2 * DELAY, TRY, JOE, DELAYED, DELAY, 0, 1 },
	{ .op = END },
};

/* A client that speaks for a domain is known by it, wherever it is. */
static const struct step hint[] = {
	{ 0, TRY, "dom/net joe ann", NEW, DELAY, 1, 0 },
	{ 1, TRY, "dom/ten joe ann", EARLY, DELAY - 1, NONE, 0 },
	{ DELAY, TRY, "dom/net joe ann", DELAYED, DELAY, 0, 1 },
	{ DELAY, TRY, "dom/ten joe ann", KNOWN, 0, 0, 1 },
	{ DELAY + HOUR, TRY, "dom/ten joe ann", KNOWN, 0, 0, 2 },
	{ DELAY + HOUR, TRY, "dom/net jim ann", NEW, DELAY, 1, 2 },
	{ DELAY + HOUR + 9, CARRY, "dom/net jim ann", 0, 0, 0, 2 },
	{ DELAY + HOUR + 9, TRY, "net jim ann", NEW, DELAY, 1, 0 },
	{ DELAY + 2 * HOUR, TRY, "dom/ten joe ann", KNOWN, 0, 0, 3 },
	{ DELAY + 2 * HOUR, TRY, "dom/net me bob", WHITE, 0, 1, 3 },
	{ DELAY + 2 * HOUR, TRY, "net me bob", NEW, DELAY, 2, 0 },
	{ .op = END },
};

/* With a hint nobody waits longer than he would without. */
static const struct step hint_late[] = {
	{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
	{ 10, TRY, "dom/net joe ann", NEW, DELAY - 10, 2, 0 },
	{ 20, TRY, "dom/net joe ann", EARLY, DELAY - 20, 2, 0 },
	{ 20, TRY, "dom/net jim ann", NEW, DELAY, 3, 0 },
	{ 30, TRY, JIM, NEW, DELAY, 4, 0 },
	{ 40, TRY, "dom/net jim ann", EARLY, DELAY - 20, 4, 0 },
	{ DELAY, TRY, "dom/net joe ann", DELAYED, DELAY, 3, 0 },
	{ DELAY, TRY, "dom/net joe ann", KNOWN, 0, 3, 1 },
	{ DELAY, TRY, JOE, DELAYED, DELAY, 2, 1 },
	{ DELAY, TRY, "d2/net joe ann", KNOWN, 0, 2, 0 },
	{ DELAY, TRY, "d2/net joe ann", KNOWN, 0, 2, 1 },
	{ DELAY, WHITEN, "ten", 0, 0, 0, CHOSEN },
	{ DELAY, TRY, "dom/ten me you", WHITE, 0, 0, 1 },
	{ DELAY, TRY, "dom/net me you", KNOWN, 0, 2, 1 },
	{ .op = END },
};

/* Domains cost nothing, so the limit is on what they come from. */
static const struct step hint_cap[] = {
	{ 0, TRY, "d1/net joe ann", NEW, DELAY, 1, 0 },
	{ 0, TRY, "d2/net joe ann", NEW, DELAY, 2, 0 },
	{ 0, TRY, "d3/net joe ann", NEW, DELAY, 2, 0 },
	{ 1, TRY, "d4/net jim bob", EARLY, DELAY - 1, 2, 0 },
	{ 2, TRY, JOE, EARLY, DELAY - 2, 2, 0 },
	{ 2, TRY, "d1/ten me bob", NEW, DELAY, 1, 0 },
	{ DELAY, TRY, "d4/net jim bob", DELAYED, DELAY, 2, 1 },
	{ DELAY, TRY, "d5/net jim bob", KNOWN, 0, 2, 1 },
	{ .op = END },
};

/* A33: a day back, a year back, a year forward. */
static const struct step clock_set[] = {
	{ 0, TRY, JOE, NEW, DELAY, ANY, 0 },
	{ -DAY, TRY, JOE, EARLY, DELAY, ANY, 0 },
	{ DELAY - DAY, TRY, JOE, DELAYED, DELAY, ANY, 1 },
	{ DELAY - DAY, TRY, JIM, NEW, DELAY, ANY, 1 },
	{ DELAY - 2 * DAY, TRY, JOE, KNOWN, 0, ANY, 1 },
	{ DELAY - YEAR, TRY, JIM, NEW, DELAY, ANY, 1 },
	{ 2 * DELAY - YEAR, TRY, JIM, DELAYED, DELAY, ANY, 1 },
	{ YEAR, TRY, JIM, NEW, DELAY, 1, 1 },
	{ YEAR + DELAY, TRY, JIM, DELAYED, DELAY, 0, 1 },
	{ YEAR, BEFRIEND, ME, 0, 0, 0, 1 },
	{ YEAR - DAY, TRY, ME, FRIEND, 0, 0, 1 },
	{ 0, TRY, "ten me ann", NEW, DELAY, 1, 0 },
	{ YEAR, WHITEN, JOE, 0, 0, ANY, CHOSEN },
	{ YEAR - DAY, TRY, "net x y", WHITE, 0, ANY, CHOSEN },
	{ 0, TRY, "net x y", NEW, DELAY, 1, CHOSEN },
	{ .op = END },
};

static const struct script {
	const char *name;
	enum tuple_kind kind;
	long white, pending;
	const struct step *step;
} scripts[] = {
	{ "triplet", TUPLE_TRIPLET, MANY, MANY, triplet },
	{ "pair", TUPLE_PAIR, MANY, MANY, pair },
	{ "client", TUPLE_CLIENT, MANY, MANY, client },
	{ "client, one", TUPLE_CLIENT, MANY, 1, client },
	{ "retry", TUPLE_TRIPLET, MANY, MANY, retry },
	{ "retry, pair", TUPLE_PAIR, MANY, 3, retry },
	{ "autowhite", TUPLE_TRIPLET, 3, MANY, autowhite },
	{ "never white", TUPLE_TRIPLET, 0, MANY, never_white },
	{ "whiten", TUPLE_TRIPLET, 3, MANY, whiten },
	{ "whiten, never white", TUPLE_TRIPLET, 0, MANY, whiten },
	{ "friends", TUPLE_TRIPLET, MANY, MANY, friends },
	{ "friends end", TUPLE_TRIPLET, MANY, MANY, friends_end },
	{ "cap", TUPLE_TRIPLET, MANY, 2, cap },
	{ "cap, pair", TUPLE_PAIR, MANY, 2, cap },
	{ "cap and friends", TUPLE_TRIPLET, MANY, 1, cap_and_friends },
	{ "carry", TUPLE_TRIPLET, MANY, MANY, carry },
	{ "forget", TUPLE_TRIPLET, MANY, MANY, forget },
	{ "hint", TUPLE_TRIPLET, 3, MANY, hint },
	{ "hint, late", TUPLE_TRIPLET, MANY, MANY, hint_late },
	{ "hint and cap", TUPLE_TRIPLET, MANY, 2, hint_cap },
	{ "clock", TUPLE_TRIPLET, MANY, MANY, clock_set },
};

/* What greylist_test() says is what comes, and it changes nothing. */
static struct greylist_answer
try(struct greylist *g, const struct tuple *t, int64_t now)
{
	char *before = dump(g), *after;
	struct greylist_answer told, got;

	greylist_test(g, t, now, &told);
	after = dump(g);
	assert_string_equal(after, before);
	greylist_try(g, t, now, &got);
	CHECK(got.by == told.by && got.seconds == told.seconds,
	    "%s: tried %d %" PRId64 ", told %d %" PRId64, t->client, got.by,
	    got.seconds, told.by, told.seconds);
	free(before);
	free(after);
	return got;
}

static int
run_step(struct kept *k, const struct step *p, int64_t *seconds)
{
	const struct tuple t = tuple_of(p->tuple);
	const int64_t now = BEGIN + p->at;
	struct greylist_answer a;

	*seconds = 0;
	switch (p->op) {
	case TRY:
		a = try(k->g, &t, now);
		*seconds = a.seconds;
		return (int)a.by;
	case CARRY:
		return greylist_carry(k->g, &t, now);
	case BEFRIEND:
		return greylist_befriend(k->g, &t, now);
	case WHITEN:
		return greylist_whiten(k->g, &t, now);
	case FORGET:
		return greylist_forget(k->g, k->conf.kind, &t);
	default:
		return greylist_forget(k->g, TUPLE_NETWORK, &t);
	}
}

/* Who waits is counted by the network, what passed by the client it is for. */
static void
check_network(struct kept *k, const struct step *p, const char *name,
    size_t i)
{
	struct tuple t = tuple_of(p->tuple), n = t;
	struct record r, waiting;
	bool found = find(k->g, TUPLE_NETWORK, &t, &r);

	if (t.network[0] != '\0')
		memcpy(n.client, t.network, sizeof n.client);
	found |= find(k->g, TUPLE_NETWORK, &n, &waiting);
	CHECK(found == (p->pending != NONE), "%s, step %zu: a network", name,
	    i);
	CHECK(r.count == p->count, "%s, step %zu: count %" PRIu32, name, i,
	    r.count);
	CHECK(p->pending < 0 || waiting.pending == (uint32_t)p->pending,
	    "%s, step %zu: pending %" PRIu32, name, i, waiting.pending);
	CHECK(t.network[0] == '\0' || r.pending == 0, "%s, step %zu: of a "
	    "domain %" PRIu32, name, i, r.pending);
}

static void
run_script(struct kept *k, const struct script *s)
{
	k->conf.kind = s->kind;
	k->conf.rules.autowhite = s->white;
	k->conf.rules.pending_max = s->pending;
	for (size_t i = 0; s->step[i].op != END; i++) {
		const struct step *p = &s->step[i];
		int64_t seconds;
		int got = run_step(k, p, &seconds);

		CHECK(got == p->want && seconds == p->seconds, "%s, step %zu: "
		    "got %d %" PRId64 ", want %d %" PRId64, s->name, i, got,
		    seconds, p->want, p->seconds);
		check_network(k, p, s->name, i);
	}
	assert_int_equal(greylist_walk(k->g, NULL, forget_it, k->g), 0);
}

static void
run_scripts(const char *directory)
{
	struct kept *k = open_list(directory, TUPLE_TRIPLET);

	for (size_t i = 0; i < COUNT(scripts); i++)
		run_script(k, &scripts[i]);
	greylist_close(k->g);
}

static void
test_scripts(void **state)
{
	(void)state;
	run_scripts("scripts");
}

static void
test_scripts_in_memory(void **state)
{
	(void)state;
	run_scripts(NULL);
}

/* --- what must hold whatever comes */

#define SENDERS		12
#define LEAST_WAIT	60
#define MOST_WAIT	3000	/* between two tries of a sender */

/* The same numbers in every run. */
static int64_t
random_below(int64_t n)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (int64_t)(x % (uint64_t)n);
}

struct waiting {
	int64_t now, retry, since;	/* the network's first */
	uint32_t pending;
	unsigned counted, all;	/* tuples that wait */
};

static void
count_waiting(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	struct waiting *w = arg;

	(void)t;
	if (kind == TUPLE_NETWORK)
		w->pending = r->pending;
	if (kind == TUPLE_TRIPLET && r->last == 0 &&
	    w->now - r->first <= w->retry) {
		w->all++;
		w->counted += r->first >= w->since;
	}
}

/* What a network says of those that wait is what their records say. */
static void
check_waiting(struct kept *k, const struct tuple *t, int64_t now, size_t i)
{
	struct waiting w = { .now = now, .retry = k->conf.rules.retry };
	struct record network;

	if (find(k->g, TUPLE_NETWORK, t, &network))
		w.since = network.first;
	assert_int_equal(greylist_walk(k->g, NULL, count_waiting, &w), 0);
	CHECK(w.pending == w.counted || now - w.since >= w.retry,
	    "try %zu: pending %" PRIu32 ", %u wait", i, w.pending, w.counted);
	CHECK(w.pending <= k->conf.rules.pending_max &&
	    w.all <= 2 * k->conf.rules.pending_max, "try %zu: %u wait", i,
	    w.all);
}

/* One of those who send mail, which he tries until it passes. */
struct sender {
	int64_t next, began;	/* 0: not begun */
	int number;		/* of his mail */
};

static struct sender *
next_of(struct sender sender[SENDERS])
{
	struct sender *first = sender;

	for (int i = 1; i < SENDERS; i++)
		if (sender[i].next < first->next)
			first = &sender[i];
	if (first->began == 0)
		first->began = first->next;
	return first;
}

/* When he tries again, after this answer to try i. */
static void
go_on(struct sender *s, enum greylist_by by, size_t i)
{
	bool busy = i / 250 % 2 == 1, gives_up = i % 97 == 0;

	if (by != GREYLIST_NEW && by != GREYLIST_EARLY)
		s->next += random_below(busy ? 2 * HOUR : DAY);
	else
		s->next += LEAST_WAIT + random_below(MOST_WAIT - LEAST_WAIT);
	if (gives_up || (by != GREYLIST_NEW && by != GREYLIST_EARLY)) {
		s->began = 0;
		s->number++;
	}
}

/*
 * Senders that come and go and try again at odd times, for weeks, where three
 * may wait: who keeps trying passes, after twice the delay at most: once with
 * all the others, once for himself.
 */
static void
test_nobody_waits_for_ever(void **state)
{
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	struct sender senders[SENDERS] = { { 0 } };
	size_t passed = 0, alone = 0, as_one = 0;

	(void)state;
	k->conf.rules.pending_max = 3;
	k->conf.rules.autowhite = 0;
	k->conf.rules.retry = 6 * HOUR;
	k->conf.rules.expire = 6 * HOUR;
	for (int i = 0; i < SENDERS; i++)
		senders[i].next = BEGIN + random_below(2 * HOUR);
	for (size_t i = 0; i < 2000; i++) {
		struct sender *s = next_of(senders);
		struct tuple t = tuple_of("net");
		struct greylist_answer a;
		struct record r;

		snprintf(t.sender, sizeof t.sender, "%td.%d", s - senders,
		    s->number);
		greylist_try(k->g, &t, s->next, &a);
		assert_in_range(a.by, GREYLIST_NEW, GREYLIST_KNOWN);
		passed += a.by > GREYLIST_EARLY;
		CHECK(a.by > GREYLIST_EARLY || s->next - s->began <
		    2 * DELAY + MOST_WAIT, "try %zu: %s waits for %" PRId64, i,
		    t.sender, s->next - s->began);
		if (a.by == GREYLIST_NEW) {
			bool found = find(k->g, TUPLE_TRIPLET, &t, &r);

			alone += found;
			as_one += !found;
		}
		if (i % 7 == 0)
			check_waiting(k, &t, s->next, i);
		go_on(s, a.by, i);
	}
	CHECK(passed > 500 && alone > 500 && as_one > 5, "%zu, %zu, %zu",
	    passed, alone, as_one);
	greylist_close(k->g);
}

/* --- who is seen */

static void
note(enum tuple_kind kind, const struct tuple *t, const struct record *r,
    void *arg)
{
	FILE *out = arg;
	char word[3][TUPLE_PRINT_MAX];

	(void)r;
	fprintf(out, "%s", tuple_word(kind));
	if (kind != TUPLE_FRIEND)
		fprintf(out, " %s", tuple_print(word[0], t->client));
	if (kind != TUPLE_CLIENT && kind != TUPLE_NETWORK)
		fprintf(out, " %s", tuple_print(word[1], t->sender));
	if (kind == TUPLE_TRIPLET || kind == TUPLE_FRIEND)
		fprintf(out, " %s", tuple_print(word[2], t->recipient));
	fputs("; ", out);
}

static void
test_walk(void **state)
{
	static const struct {
		enum tuple_kind kind;
		const char *tuple;
	} rows[] = {
		{ TUPLE_NETWORK, "net2" }, { TUPLE_NETWORK, "net" },
		{ TUPLE_TRIPLET, "net joe bob" },
		{ TUPLE_TRIPLET, "net2 a b" }, { TUPLE_TRIPLET, "net <> bob" },
		{ TUPLE_TRIPLET, "net joe ann" },
		{ TUPLE_TRIPLET, "ne t c" }, { TUPLE_PAIR, "net jim" },
		{ TUPLE_CLIENT, "net" }, { TUPLE_CLIENT, "a" },
		{ TUPLE_FRIEND, "<> net ann" }, { TUPLE_FRIEND, "<> joe <>" },
	};
	static const struct {
		const char *client, *want;
	} walks[] = {
		{ NULL, "client a; client net; pair net jim; triplet ne t c; "
		    "triplet net <> bob; triplet net joe ann; "
		    "triplet net joe bob; triplet net2 a b; network net; "
		    "network net2; friend joe <>; friend net ann; " },
		{ "net", "client net; pair net jim; triplet net <> bob; "
		    "triplet net joe ann; triplet net joe bob; "
		    "network net; " },
		{ "net2", "triplet net2 a b; network net2; " },
		{ "ne", "triplet ne t c; " },
		{ "joe", "" }, { "", "" },
	};
	const struct record r = { .first = BEGIN, .last = BEGIN, .count = 1 };
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	char text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct tuple t = tuple_of(rows[i].tuple);

		assert_int_equal(greylist_merge(k->g, rows[i].kind, &t, &r,
		    BEGIN), 0);
	}
	for (size_t i = 0; i < COUNT(walks); i++) {
		FILE *out = fmemopen(text, sizeof text, "w");

		text[0] = '\0';
		assert_int_equal(greylist_walk(k->g, walks[i].client, note,
		    out), 0);
		fclose(out);
		CHECK(strcmp(text, walks[i].want) == 0, "%s: \"%s\"",
		    walks[i].client, text);
	}
	greylist_close(k->g);
}

/* --- records from elsewhere */

#define T(at)	(BEGIN + (at))

static const struct {
	enum tuple_kind kind;
	struct record have, load, want;		/* of zeros: none */
} merges[] = {
	/* Into nothing. */
	{ TUPLE_TRIPLET, { 0 }, { T(-9), 0, 0, 0, 0 }, { T(-9), 0, 0, 0, 0 } },
	{ TUPLE_CLIENT, { 0 }, { T(-9), T(-5), 4, 7, 0 },
	    { T(-9), T(-5), 4, 7, 0 } },
	{ TUPLE_NETWORK, { 0 }, { T(-9), T(-5), 0, CHOSEN, 3 },
	    { T(-9), T(-5), 0, CHOSEN, 3 } },
	{ TUPLE_FRIEND, { 0 }, { T(-9), T(-5), 0, 0, 0 },
	    { T(-9), T(-5), 0, 0, 0 } },
	/* What is past is not heard: of it nothing is new. */
	{ TUPLE_TRIPLET, { 0 }, { 0 }, { 0 } },
	{ TUPLE_TRIPLET, { 0 }, { T(-RETRY - 1), 0, 0, 0, 0 }, { 0 } },
	{ TUPLE_PAIR, { 0 }, { T(-YEAR), T(-EXPIRE - 1), 9, 9, 0 }, { 0 } },
	{ TUPLE_NETWORK, { 0 }, { T(-RETRY), T(-EXPIRE - 1), 0, 9, 9 },
	    { 0 } },
	{ TUPLE_FRIEND, { 0 }, { T(-9), T(-EXPIRE - 1), 0, 0, 0 }, { 0 } },
	{ TUPLE_TRIPLET, { 0 }, { T(YEAR), T(YEAR), 0, 1, 0 }, { 0 } },
	{ TUPLE_TRIPLET, { T(-9), 0, 0, 0, 0 }, { T(-RETRY - 1), 0, 0, 0, 0 },
	    { T(-9), 0, 0, 0, 0 } },
	{ TUPLE_TRIPLET, { T(-9), T(-1), 8, 1, 0 },
	    { T(-YEAR), T(-EXPIRE - 1), 999, 50, 0 },
	    { T(-9), T(-1), 8, 1, 0 } },
	/* Nor does it count when it is ours. */
	{ TUPLE_TRIPLET, { T(-RETRY - 1), 0, 0, 0, 0 }, { T(-9), 0, 0, 0, 0 },
	    { T(-9), 0, 0, 0, 0 } },
	{ TUPLE_TRIPLET, { T(-YEAR), T(-EXPIRE - 1), 99, 99, 0 },
	    { T(-9), T(-1), 8, 1, 0 }, { T(-9), T(-1), 8, 1, 0 } },
	{ TUPLE_NETWORK, { T(-YEAR), T(-EXPIRE - 1), 0, 99, 9 },
	    { T(-9), T(-1), 0, 1, 1 }, { T(-9), T(-1), 0, 1, 1 } },
	/* Both know something. */
	{ TUPLE_TRIPLET, { T(-50), 0, 0, 0, 0 }, { T(-90), 0, 0, 0, 0 },
	    { T(-90), 0, 0, 0, 0 } },
	{ TUPLE_TRIPLET, { T(-50), 0, 0, 0, 0 }, { T(-20), T(-10), 9, 2, 0 },
	    { T(-50), T(-10), 9, 2, 0 } },
	{ TUPLE_TRIPLET, { T(-90), T(-5), 7, 9, 0 }, { T(-99), 0, 0, 0, 0 },
	    { T(-99), T(-5), 7, 9, 0 } },
	{ TUPLE_NETWORK, { 0, T(-5), 0, 9, 0 }, { T(-99), T(-7), 0, 4, 6 },
	    { T(-99), T(-5), 0, 9, 6 } },
	{ TUPLE_NETWORK, { T(-9), T(-5), 0, CHOSEN, 0 },
	    { T(-99), T(-7), 0, 4, 6 }, { T(-99), T(-5), 0, CHOSEN, 6 } },
	{ TUPLE_FRIEND, { T(-9), T(-5), 0, 0, 0 }, { T(-99), T(-7), 0, 0, 0 },
	    { T(-99), T(-5), 0, 0, 0 } },
};

static void
test_merge(void **state)
{
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	const struct tuple t = tuple_of(JOE);
	static const struct record none;

	(void)state;
	for (size_t i = 0; i < COUNT(merges); i++) {
		const struct record *have = &merges[i].have;
		enum tuple_kind kind = merges[i].kind;
		struct record got;

		assert_int_equal(greylist_merge(k->g, kind, &t, have,
		    have->last != 0 ? have->last : have->first), 0);
		/* Twice is as good as once. */
		for (int n = 0; n < 2; n++)
			assert_int_equal(greylist_merge(k->g, kind, &t,
			    &merges[i].load, BEGIN), 0);
		if (!find(k->g, kind, &t, &got))
			got = none;
		CHECK(memcmp(&got, &merges[i].want, sizeof got) == 0,
		    "row %zu: %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32
		    " %" PRIu32, i, got.first, got.last, got.hold, got.count,
		    got.pending);
		assert_int_equal(greylist_forget(k->g, kind, &t), 0);
	}
	greylist_close(k->g);
}

/* --- what is on disk */

static void
test_persistence(void **state)
{
	static const struct step first[] = {
		{ 0, TRY, JOE, NEW, DELAY, 1, 0 },
		{ 0, TRY, JIM, NEW, DELAY, 2, 0 },
		{ DELAY, TRY, JOE, DELAYED, DELAY, 1, 1 },
		{ DELAY, BEFRIEND, ME, 0, 0, 1, 1 },
		{ DELAY, WHITEN, "ten", 0, 0, 0, CHOSEN },
		{ .op = END },
	}, second[] = {
		{ DELAY + 1, TRY, JOE, KNOWN, 0, 1, 1 },
		{ DELAY + 1, TRY, JIM, DELAYED, DELAY + 1, 0, 1 },
		{ DELAY + 1, TRY, ME, FRIEND, 0, 0, 1 },
		{ DELAY + 1, TRY, "ten you me", WHITE, 0, 0, CHOSEN },
		{ DELAY + 1, TRY, YOU, NEW, DELAY, 1, 1 },
		{ .op = END },
	};
	const struct step *const steps[] = { first, second };
	int64_t seconds;

	(void)state;
	for (size_t n = 0; n < COUNT(steps); n++) {
		struct kept *k = open_list("persistence", TUPLE_TRIPLET);

		for (const struct step *p = steps[n]; p->op != END; p++) {
			int got = run_step(k, p, &seconds);

			CHECK(got == p->want && seconds == p->seconds,
			    "%s at %" PRId64 ": %d %" PRId64, p->tuple, p->at,
			    got, seconds);
			check_network(k, p, "persistence", n);
		}
		greylist_close(k->g);
	}
}

/* Written before there is a greylist. */
static void
write_odd(struct store *s, enum tuple_kind kind, const char *words, int at,
    unsigned char byte, size_t size)
{
	const struct record good = { .first = BEGIN, .last = BEGIN,
	    .count = RECORD_BY_HAND };
	unsigned char key[STORE_KEY_MAX], value[RECORD_VALUE_SIZE + 2] = "";
	const struct tuple t = tuple_of(words);

	record_encode(&good, value);
	value[at] = byte;
	assert_int_equal(store_put(s, key, tuple_key(key, kind, &t), value,
	    size), STORE_OK);
}

/* A30: records that are not ours are as good as none, and are replaced. */
static void
test_odd_records(void **state)
{
	static const struct step steps[] = {
		{ 1, TRY, JOE, NEW, DELAY, 1, 0 },
		{ 2, TRY, JOE, EARLY, DELAY - 1, 1, 0 },
		{ 2, TRY, JIM, NEW, DELAY, 2, 0 },
		{ 2, CARRY, ME, 0, 0, 2, 0 },
		{ 3, TRY, ME, KNOWN, 0, 2, 1 },
		{ 3, TRY, YOU, KNOWN, 0, 2, 1 },	/* good */
		{ .op = END },
	};
	static const char *const keys[] = { "T", "Tnet", "Tnet\0joe\0ann",
	    "T\0\0\0\0", "Xnet\0", "\xff" };
	static const size_t sizes[] = { 1, 4, 12, 5, 5, 1 };
	char directory[SCRATCH_PATH_MAX];
	const struct store_conf conf = { .directory = directory,
	    .name = "greylist.db", .cache = 1 << 20 };
	const size_t size = RECORD_VALUE_SIZE;
	struct kept *k;
	struct store *s;
	char *text;

	(void)state;
	assert_int_equal(mkdir(scratch_path(directory, "odd"), 0700), 0);
	assert_non_null(s = store_open(&conf));
	write_odd(s, TUPLE_NETWORK, "net", 0, 2, size);		/* version */
	write_odd(s, TUPLE_TRIPLET, JOE, 0, 2, size);
	write_odd(s, TUPLE_TRIPLET, JIM, 1, 35, size + 1);	/* size */
	write_odd(s, TUPLE_TRIPLET, ME, 1, 1, 1);
	write_odd(s, TUPLE_TRIPLET, YOU, 0, 1, size);		/* is good */
	write_odd(s, TUPLE_FRIEND, JIM, 0, 0, size);
	write_odd(s, TUPLE_CLIENT, JOE, 0, 255, size);
	for (size_t i = 0; i < COUNT(keys); i++)
		assert_int_equal(store_put(s, keys[i], sizes[i], "odd", 3),
		    STORE_OK);
	store_close(s);

	k = open_list("odd", TUPLE_TRIPLET);
	text = dump(k->g);
	assert_int_equal(scratch_lines(text), 1);
	free(text);
	for (const struct step *p = steps; p->op != END; p++) {
		int64_t seconds;

		CHECK(run_step(k, p, &seconds) == p->want &&
		    seconds == p->seconds, "%s at %" PRId64, p->tuple, p->at);
		check_network(k, p, "odd", (size_t)(p - steps));
	}
	text = dump(k->g);
	assert_int_equal(scratch_lines(text), 5);
	free(text);
	greylist_close(k->g);
}

static void
test_no_directory(void **state)
{
	char directory[SCRATCH_PATH_MAX];
	const struct greylist_conf conf = { .cache = 1 << 20,
	    .directory = scratch_path(directory, "not-there"),
	    .rules = usual };

	(void)state;
	scratch_logged();
	assert_null(greylist_open(&conf));
	assert_int_equal(scratch_lines(scratch_logged()), 1);
}

/* --- down */

static void
see_none(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	(void)kind;
	(void)t;
	(void)r;
	(void)arg;
	fail_msg("a record of one that is down");
}

/* It knows nothing, says so, and does not crash. */
static void
check_down(struct greylist *g)
{
	const struct record r = { .first = BEGIN, .last = BEGIN };
	const struct tuple t = tuple_of(JOE);
	struct greylist_answer a = { .by = GREYLIST_NEW, .seconds = 7 };
	char text[100] = "";
	FILE *out = fmemopen(text, sizeof text, "w");

	greylist_try(g, &t, BEGIN, &a);
	assert_int_equal(a.by, GREYLIST_DOWN);
	assert_int_equal(a.seconds, 0);
	a = (struct greylist_answer){ .by = GREYLIST_NEW, .seconds = 7 };
	greylist_test(g, &t, BEGIN, &a);
	assert_int_equal(a.by, GREYLIST_DOWN);
	assert_int_equal(a.seconds, 0);
	assert_int_equal(greylist_carry(g, &t, BEGIN), -1);
	assert_int_equal(greylist_befriend(g, &t, BEGIN), -1);
	assert_int_equal(greylist_whiten(g, &t, BEGIN), -1);
	assert_int_equal(greylist_merge(g, TUPLE_TRIPLET, &t, &r, BEGIN), -1);
	assert_int_equal(greylist_forget(g, TUPLE_TRIPLET, &t), -1);
	assert_int_equal(greylist_walk(g, NULL, see_none, NULL), -1);
	assert_int_equal(greylist_walk(g, "net", see_none, NULL), -1);
	greylist_stats(out, g);
	fclose(out);
	assert_string_equal(text, "");
}

static void
test_closed(void **state)
{
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	const struct tuple t = tuple_of(JOE);
	char text[4000] = "";
	FILE *out = fmemopen(text, sizeof text, "w");

	(void)state;
	assert_int_equal(greylist_whiten(k->g, &t, BEGIN), 0);
	greylist_stats(out, k->g);
	fclose(out);
	assert_non_null(strstr(text, "milter_store_up 1\n"));
	assert_non_null(strstr(text, "milter_store_updates_total 1\n"));
	greylist_close(k->g);
	check_down(k->g);
	greylist_close(k->g);
	greylist_close(NULL);
	check_down(k->g);
}

/* Memory is full: who is known passes, and what is forgotten makes room. */
static void
test_full(void **state)
{
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	struct tuple t = tuple_of(JOE), known = tuple_of("net known ann");
	struct greylist_answer a;
	int tried = 0;

	(void)state;
	greylist_close(k->g);
	k = &kept[kept_count++];
	k->conf = kept[0].conf;
	k->conf.directory = NULL;
	k->conf.cache = 64 << 10;
	k->conf.kind = TUPLE_TRIPLET;
	k->conf.rules = usual;
	k->conf.rules.pending_max = 100000;
	assert_non_null(k->g = greylist_open(&k->conf));
	assert_int_equal(greylist_carry(k->g, &known, BEGIN), 0);
	do {
		snprintf(t.sender, sizeof t.sender, "%060d", tried++);
		greylist_try(k->g, &t, BEGIN, &a);
	} while (a.by == GREYLIST_NEW && tried < 5000);
	assert_int_equal(a.by, GREYLIST_DOWN);
	assert_in_range(tried, 100, 4999);
	greylist_try(k->g, &known, BEGIN, &a);
	assert_int_equal(a.by, GREYLIST_KNOWN);
	snprintf(t.sender, sizeof t.sender, "%060d", 1);
	greylist_try(k->g, &t, BEGIN + DELAY, &a);
	assert_int_equal(a.by, GREYLIST_DELAYED);
	assert_int_equal(greylist_walk(k->g, NULL, forget_it, k->g), 0);
	greylist_try(k->g, &t, BEGIN, &a);
	assert_int_equal(a.by, GREYLIST_NEW);
	greylist_close(k->g);
}

/* --- threads */

#define THREADS	4
#define TUPLES	50

static struct {
	struct greylist *g;
	int64_t now;
	atomic_int by[GREYLIST_DOWN + 1];
	atomic_bool stop, walking;
	atomic_ulong calls, wrong;
} busy;

static void *
try_all(void *arg)
{
	struct greylist_answer a;
	struct tuple t = tuple_of(JOE);

	(void)arg;
	for (int i = 0; i < TUPLES; i++) {
		snprintf(t.sender, sizeof t.sender, "s%d", i);
		greylist_try(busy.g, &t, busy.now, &a);
		atomic_fetch_add(&busy.by[a.by], 1);
	}
	return NULL;
}

static void
in_threads(void *(*run)(void *), void (*meanwhile)(void))
{
	pthread_t thread[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, NULL),
		    0);
	if (meanwhile != NULL)
		meanwhile();
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
}

/* All at the same time: each tuple is new once, and passes first once. */
static void
test_threads(void **state)
{
	static const struct {
		int64_t at;
		enum greylist_by once, else_by;
		uint32_t pending, count;
	} rows[] = {
		{ 0, GREYLIST_NEW, GREYLIST_EARLY, TUPLES, 0 },
		{ DELAY, GREYLIST_DELAYED, GREYLIST_KNOWN, 0, 1 },
		{ DELAY + HOUR, GREYLIST_DOWN, GREYLIST_KNOWN, 0, 2 },
	};
	struct kept *k = open_list(NULL, TUPLE_TRIPLET);
	const struct tuple t = tuple_of(JOE);

	(void)state;
	busy.g = k->g;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int once = rows[i].once == GREYLIST_DOWN ? 0 : TUPLES;
		struct record r;

		for (size_t n = 0; n < COUNT(busy.by); n++)
			atomic_store(&busy.by[n], 0);
		busy.now = BEGIN + rows[i].at;
		in_threads(try_all, NULL);
		assert_int_equal(atomic_load(&busy.by[rows[i].once]), once);
		assert_int_equal(atomic_load(&busy.by[rows[i].else_by]),
		    THREADS * TUPLES - once);
		assert_true(find(k->g, TUPLE_NETWORK, &t, &r));
		assert_int_equal(r.pending, rows[i].pending);
		assert_int_equal(r.count, rows[i].count);
	}
	greylist_close(k->g);
}

static void
try_test(enum tuple_kind kind, const struct tuple *t, const struct record *r,
    void *arg)
{
	struct greylist_answer a;

	(void)kind;
	(void)r;
	(void)arg;
	greylist_test(busy.g, t, BEGIN, &a);
}

/* Everything at once.  When it was down once it stays so. */
static void *
use_always(void *arg)
{
	struct greylist_answer a = { .by = GREYLIST_NEW };
	struct tuple t = tuple_of(JOE);
	char text[4000];
	bool was_down = false;

	(void)arg;
	for (int i = 0; !atomic_load(&busy.stop); i++) {
		FILE *out;

		snprintf(t.sender, sizeof t.sender, "s%d", i % 100);
		greylist_try(busy.g, &t, BEGIN + i, &a);
		if (a.by > GREYLIST_DOWN || (was_down &&
		    a.by != GREYLIST_DOWN))
			atomic_fetch_add(&busy.wrong, 1);
		was_down = a.by == GREYLIST_DOWN;
		greylist_carry(busy.g, &t, BEGIN + i);
		greylist_befriend(busy.g, &t, BEGIN + i);
		if (i % 7 == 0)
			greylist_forget(busy.g, TUPLE_TRIPLET, &t);
		if (i % 31 == 0)
			greylist_walk(busy.g, i % 2 == 0 ? "net" : NULL,
			    try_test, NULL);
		if (i % 31 == 1 &&
		    (out = fmemopen(text, sizeof text, "w")) != NULL) {
			greylist_stats(out, busy.g);
			fclose(out);
		}
		atomic_fetch_add(&busy.calls, 1);
	}
	return NULL;
}

static void
close_it(void)
{
	unsigned long calls;

	while (atomic_load(&busy.calls) < 200)
		usleep(1000);
	greylist_close(busy.g);
	calls = atomic_load(&busy.calls);
	while (atomic_load(&busy.calls) < calls + 200)
		usleep(1000);
	check_down(busy.g);
	atomic_store(&busy.stop, true);
}

static void
test_close_under_load(void **state)
{
	struct kept *k;
	char *text;

	(void)state;
	busy.g = open_list("load", TUPLE_TRIPLET)->g;
	in_threads(use_always, close_it);
	assert_int_equal(atomic_load(&busy.wrong), 0);
	scratch_logged();
	k = open_list("load", TUPLE_TRIPLET);
	assert_string_equal(scratch_logged(), "");
	text = dump(k->g);
	assert_true(scratch_lines(text) > 100);
	free(text);
	greylist_close(k->g);
}

/* Until it is closed, as seen from within a walk. */
static void
wait_until_down(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	struct greylist_answer a = { .by = GREYLIST_NEW };
	int *seen = arg;

	(void)kind;
	(void)r;
	atomic_store(&busy.walking, true);
	for (int i = 0; i < 2000 && a.by != GREYLIST_DOWN; i++) {
		greylist_test(busy.g, t, BEGIN, &a);
		usleep(1000);
	}
	*seen += a.by == GREYLIST_DOWN;
}

static void *
close_when_walking(void *arg)
{
	(void)arg;
	while (!atomic_load(&busy.walking))
		usleep(1000);
	greylist_close(busy.g);
	return NULL;
}

/* Whoever asked for all of it is not told that he has it. */
static void
test_close_in_a_walk(void **state)
{
	struct tuple t = tuple_of(JOE);
	pthread_t thread;
	int seen = 0;

	(void)state;
	busy.g = open_list(NULL, TUPLE_TRIPLET)->g;
	for (int i = 0; i < 9; i++) {
		snprintf(t.sender, sizeof t.sender, "s%d", i);
		assert_int_equal(greylist_carry(busy.g, &t, BEGIN), 0);
	}
	scratch_logged();
	assert_int_equal(pthread_create(&thread, NULL, close_when_walking,
	    NULL), 0);
	assert_int_equal(greylist_walk(busy.g, NULL, wait_until_down, &seen),
	    -1);
	assert_int_equal(seen, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(scratch_logged(), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_scripts_in_memory),
		cmocka_unit_test(test_nobody_waits_for_ever),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_persistence),
		cmocka_unit_test(test_odd_records),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_close_under_load),
		cmocka_unit_test(test_close_in_a_walk),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
