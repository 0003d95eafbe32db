#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "greylist.h"
#include "log.h"
#include "store.h"

#define FILE_NAME	"greylist.db"
#define SWEEP_SECONDS	600
#define CLOSE_SECONDS	3	/* that a caller may still be in the store */

struct greylist {
	const struct greylist_conf *conf;

	/*
	 * lock is held, shared, while the store is used; whoever closes it
	 * says so first, so that he gets his turn.
	 */
	pthread_rwlock_t lock;
	atomic_bool closing;
	struct store *store;
	atomic_bool has_friends;	/* there may be some to look for */
};

/* For the store's sweep. */
static bool
is_past(const void *key, size_t key_size, const void *value, size_t size,
    void *arg)
{
	const struct greylist_conf *conf = arg;
	struct record r;
	struct tuple t;
	int kind = tuple_from_key(&t, key, key_size);

	return kind != -1 && record_decode(&r, value, size) == 0 &&
	    record_is_past((enum tuple_kind)kind, &r, &conf->rules,
	    (int64_t)time(NULL));
}

static int
note_friend(const void *key, size_t key_size, const void *value, size_t size,
    void *arg)
{
	struct greylist *g = arg;

	(void)key;
	(void)key_size;
	(void)value;
	(void)size;
	atomic_store(&g->has_friends, true);
	return 1;
}

/* One that cannot be read now may have some. */
static void
look_for_friends(struct greylist *g)
{
	unsigned char key[STORE_KEY_MAX];
	size_t size = tuple_key_prefix(key, TUPLE_FRIEND, NULL);

	if (store_walk(g->store, key, size, note_friend, g) == STORE_DOWN)
		atomic_store(&g->has_friends, true);
}

struct greylist *
greylist_open(const struct greylist_conf *conf)
{
	struct greylist *g = calloc(1, sizeof *g);
	const struct store_conf store = {
		.directory = conf->directory,
		.name = FILE_NAME,
		.cache = conf->cache,
		.expired = is_past,
		.arg = (void *)conf,
		.sweep_seconds = SWEEP_SECONDS,
	};

	if (g == NULL) {
		log_error("out of memory");
		return NULL;
	}
	g->conf = conf;
	pthread_rwlock_init(&g->lock, NULL);
	if ((g->store = store_open(&store)) == NULL) {
		free(g);
		return NULL;
	}
	look_for_friends(g);
	return g;
}

void
greylist_close(struct greylist *g)
{
	struct timespec until;

	if (g == NULL)
		return;
	atomic_store(&g->closing, true);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_SECONDS;
	if (pthread_rwlock_timedwrlock(&g->lock, &until) != 0) {
		/* A file that was cut short under the engine makes it spin. */
		log_error("the greylist's store hangs, it is left as it is");
		return;
	}
	store_close(g->store);
	g->store = NULL;
	pthread_rwlock_unlock(&g->lock);
}

/* May the store be used now?  If so, leave() must follow. */
static bool
enter(struct greylist *g)
{
	if (atomic_load(&g->closing))
		return false;
	pthread_rwlock_rdlock(&g->lock);
	if (g->store != NULL)
		return true;
	pthread_rwlock_unlock(&g->lock);
	return false;
}

static void
leave(struct greylist *g)
{
	pthread_rwlock_unlock(&g->lock);
}

/* One that is not there, or not understood, is all zeros. */
static enum store_result
get(struct greylist *g, enum tuple_kind kind, const struct tuple *t,
    struct record *r)
{
	unsigned char key[STORE_KEY_MAX], value[RECORD_VALUE_SIZE];
	size_t key_size = tuple_key(key, kind, t), size = sizeof value;
	enum store_result result;

	memset(r, 0, sizeof *r);
	if (!enter(g))
		return STORE_DOWN;
	result = store_get(g->store, key, key_size, value, &size);
	leave(g);
	if (result == STORE_OK)
		record_decode(r, value, size);
	return result;
}

/*
 * A change of a record under the store's lock.  apply() returns false when
 * there is nothing to write.
 */
struct change {
	bool (*apply)(struct change *);
	const struct record_rules *rules;
	int64_t now;
	struct record record;

	/* What apply() is told, and what it says. */
	bool may_begin;		/* the network may have another that waits */
	int64_t first;		/* of a tuple that does not wait any more */
	const struct record *other;	/* of this kind */
	enum tuple_kind kind;
	enum record_verdict verdict;
	bool whole_network;	/* it was a record of all its mail */
	int64_t seconds;
	bool waited;
};

static size_t
change_value(void *value, size_t size, void *arg)
{
	struct change *c = arg;

	memset(&c->record, 0, sizeof c->record);
	record_decode(&c->record, value, size);
	if (!c->apply(c))
		return STORE_KEEP;
	record_encode(&c->record, value);
	return RECORD_VALUE_SIZE;
}

static int
update(struct greylist *g, enum tuple_kind kind, const struct tuple *t,
    struct change *c)
{
	unsigned char key[STORE_KEY_MAX];
	size_t size = tuple_key(key, kind, t);
	enum store_result result;

	c->rules = &g->conf->rules;
	if (!enter(g))
		return -1;
	result = store_update(g->store, key, size, change_value, c);
	leave(g);
	return result == STORE_DOWN ? -1 : 0;
}

static bool
apply_try(struct change *c)
{
	c->verdict = record_try(&c->record, c->rules, c->now, &c->seconds);
	if (c->verdict == RECORD_DELAYED)
		c->seconds = c->record.hold;
	return c->verdict != RECORD_NEW || c->may_begin;
}

static bool
apply_pass(struct change *c)
{
	c->waited = record_pass(&c->record, c->rules, c->now);
	return true;
}

static bool
apply_count(struct change *c)
{
	return record_count(&c->record, c->rules, c->now);
}

static bool
apply_settle(struct change *c)
{
	return record_settle(&c->record, c->first);
}

static bool
apply_begin(struct change *c)
{
	return record_begin(&c->record, c->rules, c->now);
}

static bool
apply_whiten(struct change *c)
{
	record_whiten(&c->record, c->now);
	return true;
}

static bool
apply_merge(struct change *c)
{
	if (record_is_past(c->kind, c->other, c->rules, c->now))
		return false;
	if (record_is_past(c->kind, &c->record, c->rules, c->now))
		memset(&c->record, 0, sizeof c->record);
	record_merge(&c->record, c->other);
	return true;
}

/*
 * A message of this network passed.  The record we have says whether there is
 * anything to write; mostly there is not.
 */
static int
count_pass(struct greylist *g, const struct tuple *t,
    const struct record *network, int64_t now)
{
	struct change c = { .apply = apply_count, .now = now };
	struct record copy = *network;

	if (!record_count(&copy, &g->conf->rules, now))
		return 0;
	return update(g, TUPLE_NETWORK, t, &c);
}

/*
 * How many wait is counted by networks, which cost something; domains that a
 * client speaks for cost nothing.
 */
static struct tuple
by_network(const struct tuple *t)
{
	struct tuple n = *t;

	if (t->network[0] != '\0')
		memcpy(n.client, t->network, sizeof n.client);
	n.network[0] = '\0';
	return n;
}

/* A tuple of this network does not wait any more. */
static int
settle(struct greylist *g, const struct tuple *t, int64_t first, int64_t now)
{
	struct change c = { .apply = apply_settle, .now = now,
	    .first = first };
	const struct tuple n = by_network(t);

	return update(g, TUPLE_NETWORK, &n, &c);
}

/* -1: the store is down. */
static int
is_friend(struct greylist *g, const struct tuple *t, int64_t now, bool *yes)
{
	struct tuple to_all = *t;
	struct record r;
	enum store_result result;

	*yes = false;
	if (!atomic_load(&g->has_friends))
		return 0;
	result = get(g, TUPLE_FRIEND, t, &r);
	*yes = result == STORE_OK &&
	    record_is_friend(&r, &g->conf->rules, now);
	if (*yes || result == STORE_DOWN)
		return result == STORE_DOWN ? -1 : 0;
	to_all.recipient[0] = '\0';
	result = get(g, TUPLE_FRIEND, &to_all, &r);
	*yes = result == STORE_OK &&
	    record_is_friend(&r, &g->conf->rules, now);
	return result == STORE_DOWN ? -1 : 0;
}

/*
 * The tuple of a friend is known from now on, and his use of it keeps the
 * friendship.
 */
static int
pass_friend(struct greylist *g, const struct tuple *t,
    const struct change *tried)
{
	struct change pass = { .apply = apply_pass, .now = tried->now };
	int done = tried->verdict == RECORD_EARLY ?
	    greylist_carry(g, t, tried->now) :
	    update(g, g->conf->kind, t, &pass);

	return done == -1 ? -1 : greylist_befriend(g, t, tried->now);
}

/* What the record of a tuple says, without a change. */
static int
peek(struct greylist *g, enum tuple_kind kind, const struct tuple *t,
    struct change *c)
{
	c->rules = &g->conf->rules;
	if (get(g, kind, t, &c->record) == STORE_DOWN)
		return -1;
	apply_try(c);
	return 0;
}

/*
 * The tuple's own record.  When its network has too many that wait already, a
 * new one gets none, and all the mail of the network together takes its place:
 * so nothing grows, and nobody waits for ever.
 */
static int
ask(struct greylist *g, const struct tuple *t, struct change *c, bool write)
{
	int (*how)(struct greylist *, enum tuple_kind, const struct tuple *,
	    struct change *) = write ? update : peek;
	const struct tuple n = by_network(t);

	c->apply = apply_try;
	if (how(g, g->conf->kind, t, c) == -1 &&
	    (peek(g, g->conf->kind, t, c) == -1 || c->verdict != RECORD_KNOWN))
		return -1;
	if (c->verdict != RECORD_NEW || c->may_begin)
		return 0;
	c->may_begin = c->whole_network = true;
	return how(g, TUPLE_CLIENT, &n, c);
}

/* After ask(): what else is to be remembered. */
static int
remember(struct greylist *g, const struct tuple *t, const struct change *c,
    const struct record *network, enum greylist_by by)
{
	struct change begin = { .apply = apply_begin, .now = c->now };
	const struct tuple n = by_network(t);

	switch (by) {
	case GREYLIST_NEW:
		return c->whole_network ? 0 :
		    update(g, TUPLE_NETWORK, &n, &begin);
	case GREYLIST_DELAYED:
		if (!c->whole_network &&
		    settle(g, t, c->record.first, c->now) == -1)
			return -1;
		return count_pass(g, t, network, c->now);
	case GREYLIST_KNOWN:
	case GREYLIST_AUTOWHITE:
		return count_pass(g, t, network, c->now);
	case GREYLIST_FRIEND:
		return pass_friend(g, t, c);
	default:
		return 0;
	}
}

static void
decide(struct greylist *g, const struct tuple *t, int64_t now, bool write,
    struct greylist_answer *a)
{
	static const enum greylist_by meaning[] = {
		[RECORD_NEW] = GREYLIST_NEW,
		[RECORD_EARLY] = GREYLIST_EARLY,
		[RECORD_DELAYED] = GREYLIST_DELAYED,
		[RECORD_KNOWN] = GREYLIST_KNOWN,
	};
	const struct record_rules *rules = &g->conf->rules;
	struct change c = { .now = now };
	struct record network, waiting;
	struct tuple n;
	bool friend = false;

	a->by = GREYLIST_DOWN;
	a->seconds = 0;
	if (get(g, TUPLE_NETWORK, t, &network) == STORE_DOWN)
		return;
	if (record_is_white(&network, rules, now)) {
		if (write)
			remember(g, t, &c, &network, GREYLIST_AUTOWHITE);
		a->by = GREYLIST_AUTOWHITE;
		return;
	}
	if (t->network[0] != '\0') {
		n = by_network(t);
		if (get(g, TUPLE_NETWORK, &n, &waiting) == STORE_DOWN)
			return;
	} else
		waiting = network;
	c.may_begin = record_begin(&waiting, rules, now);
	if (ask(g, t, &c, write) == -1)
		return;
	if ((c.verdict == RECORD_NEW || c.verdict == RECORD_EARLY) &&
	    is_friend(g, t, now, &friend) == -1)
		return;
	a->by = friend ? GREYLIST_FRIEND : meaning[c.verdict];
	a->seconds = friend ? 0 : c.seconds;
	if (write && remember(g, t, &c, &network, a->by) == -1 &&
	    a->by != GREYLIST_KNOWN)
		a->by = GREYLIST_DOWN;
}

int
greylist_carry(struct greylist *g, const struct tuple *t, int64_t now)
{
	struct change pass = { .apply = apply_pass, .now = now };

	if (update(g, g->conf->kind, t, &pass) == -1)
		return -1;
	return pass.waited ? settle(g, t, pass.record.first, now) : 0;
}

static bool
waits(const struct greylist_answer *a)
{
	return a->by == GREYLIST_NEW || a->by == GREYLIST_EARLY;
}

/*
 * One that waits by its domain may have waited, or be known, by its network:
 * a hint must not make anybody wait longer.
 */
static void
decide_by_both(struct greylist *g, const struct tuple *t, int64_t now,
    bool write, struct greylist_answer *a)
{
	const struct tuple n = by_network(t);
	struct greylist_answer b;

	decide(g, t, now, write, a);
	if (t->network[0] == '\0' || !waits(a))
		return;
	decide(g, &n, now, false, &b);
	if (waits(&b))
		a->seconds = b.seconds < a->seconds ? b.seconds : a->seconds;
	else if (write && greylist_carry(g, t, now) == -1)
		a->by = GREYLIST_DOWN;
	else
		*a = b;
}

void
greylist_try(struct greylist *g, const struct tuple *t, int64_t now,
    struct greylist_answer *a)
{
	decide_by_both(g, t, now, true, a);
}

void
greylist_test(struct greylist *g, const struct tuple *t, int64_t now,
    struct greylist_answer *a)
{
	decide_by_both(g, t, now, false, a);
}

int
greylist_befriend(struct greylist *g, const struct tuple *t, int64_t now)
{
	struct change c = { .apply = apply_pass, .now = now };

	atomic_store(&g->has_friends, true);
	return update(g, TUPLE_FRIEND, t, &c);
}

int
greylist_whiten(struct greylist *g, const struct tuple *t, int64_t now)
{
	struct change c = { .apply = apply_whiten, .now = now };

	return update(g, TUPLE_NETWORK, t, &c);
}

int
greylist_merge(struct greylist *g, enum tuple_kind kind, const struct tuple *t,
    const struct record *r, int64_t now)
{
	struct change c = { .apply = apply_merge, .other = r, .kind = kind,
	    .now = now };

	if (kind == TUPLE_FRIEND)
		atomic_store(&g->has_friends, true);
	return update(g, kind, t, &c);
}

int
greylist_forget(struct greylist *g, enum tuple_kind kind, const struct tuple *t)
{
	unsigned char key[STORE_KEY_MAX];
	size_t size = tuple_key(key, kind, t);
	enum store_result result;

	if (!enter(g))
		return -1;
	result = store_put(g->store, key, size, NULL, 0);
	leave(g);
	return result == STORE_DOWN ? -1 : 0;
}

struct walk {
	struct greylist *greylist;
	void (*each)(enum tuple_kind, const struct tuple *,
	    const struct record *, void *arg);
	void *arg;
};

static int
each_record(const void *key, size_t key_size, const void *value, size_t size,
    void *arg)
{
	const struct walk *w = arg;
	struct record r;
	struct tuple t;
	int kind = tuple_from_key(&t, key, key_size);

	if (kind != -1 && record_decode(&r, value, size) == 0)
		w->each((enum tuple_kind)kind, &t, &r, w->arg);
	return atomic_load(&w->greylist->closing);
}

int
greylist_walk(struct greylist *g, const char *client,
    void (*each)(enum tuple_kind, const struct tuple *,
    const struct record *, void *arg), void *arg)
{
	struct walk w = { .greylist = g, .each = each, .arg = arg };
	unsigned char key[STORE_KEY_MAX];
	enum store_result result = STORE_OK;

	if (!enter(g))
		return -1;
	for (int kind = 0; kind < TUPLE_KINDS && result != STORE_DOWN &&
	    !atomic_load(&g->closing); kind++) {
		size_t size = tuple_key_prefix(key, (enum tuple_kind)kind,
		    client);

		if (client == NULL || tuple_has((enum tuple_kind)kind,
		    TUPLE_OF_CLIENT))
			result = store_walk(g->store, key, size, each_record,
			    &w);
	}
	if (atomic_load(&g->closing))
		result = STORE_DOWN;
	leave(g);
	return result == STORE_DOWN ? -1 : 0;
}

void
greylist_stats(FILE *out, void *greylist)
{
	struct greylist *g = greylist;

	if (!enter(g))
		return;
	store_stats(out, g->store);
	leave(g);
}
