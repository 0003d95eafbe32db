#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "shortlist.h"
#include "stats.h"
#include "store.h"

#define BUCKETS		65536	/* a power of two */
#define SLICE		2048	/* buckets looked at under one lock */
#define RETRIES		500	/* entries written again in one tick */
#define KEY_TAG		'A'
#define KEY_SIZE	(1 + sizeof(struct addr))
#define STORE_CACHE	(8 << 20)
#define SWEEP_SECONDS	3600

/*
 * An entry in memory.  One of kind NONE is gone, but the store does not know
 * yet.
 */
struct node {
	struct entry entry;
	struct node *next;
	bool unsaved;
};

struct shortlist {
	/*
	 * lock guards all but store and threshold, which never change.  edit
	 * is held across a change and its way to the store, so that the store
	 * sees changes in the order memory does; taken before lock.
	 */
	pthread_mutex_t lock, edit;
	struct node *bucket[BUCKETS];
	atomic_size_t count;	/* nodes; read without lock, 0 is common */
	size_t unsaved;
	unsigned swept;		/* the bucket where the next sweep begins */
	uint64_t seed;		/* or anybody could fill one bucket */
	bool closed;
	struct store *store;
	bool unread;		/* the store was down; the timer tries again */
	long threshold;
};

static struct node **
bucket_of(struct shortlist *s, const struct addr *addr)
{
	uint64_t high, low, h;

	memcpy(&high, addr->byte, sizeof high);
	memcpy(&low, addr->byte + sizeof high, sizeof low);
	h = (high ^ s->seed) * 0x9e3779b97f4a7c15u;
	h = (h ^ (h >> 32) ^ low) * 0xd6e8feb86659fd93u;
	return &s->bucket[h >> 48 & (BUCKETS - 1)];
}

static struct node *
find(struct shortlist *s, const struct addr *masked)
{
	struct node *n = *bucket_of(s, masked);

	while (n != NULL && memcmp(&n->entry.addr, masked, sizeof *masked) != 0)
		n = n->next;
	return n;
}

/* The node of this address, made if need be.  NULL: full or no memory. */
static struct node *
find_or_add(struct shortlist *s, const struct addr *masked)
{
	struct node *n = find(s, masked), **bucket;

	if (n != NULL)
		return n;
	if (atomic_load(&s->count) >= SHORTLIST_MAX ||
	    (n = calloc(1, sizeof *n)) == NULL)
		return NULL;
	n->entry.addr = *masked;
	bucket = bucket_of(s, masked);
	n->next = *bucket;
	*bucket = n;
	atomic_fetch_add(&s->count, 1);
	return n;
}

static void
set_unsaved(struct shortlist *s, struct node *n, bool unsaved)
{
	if (n->unsaved != unsaved)
		s->unsaved += unsaved ? 1 : (size_t)-1;
	n->unsaved = unsaved;
}

static void
make_key(unsigned char key[KEY_SIZE], const struct addr *addr)
{
	key[0] = KEY_TAG;
	memcpy(key + 1, addr, sizeof *addr);
}

/* For the store's sweep. */
static bool
record_is_past(const void *key, size_t key_size, const void *value,
    size_t size, void *arg)
{
	struct entry e;

	(void)key;
	(void)key_size;
	(void)arg;
	return entry_decode(&e, value, size) == 0 &&
	    entry_is_past(&e, (int64_t)time(NULL));
}

/* 0: the store has it.  Under edit, not under lock: it may take a while. */
static int
save(struct shortlist *s, const struct entry *e)
{
	unsigned char key[KEY_SIZE], value[ENTRY_VALUE_MAX];
	enum store_result result;
	size_t size;

	if (s->store == NULL)
		return 0;
	make_key(key, &e->addr);
	size = e->kind == ENTRY_NONE ? 0 : entry_encode(e, value);
	result = store_put(s->store, key, sizeof key, value, size);
	return result == STORE_DOWN ? -1 : 0;
}

static void
unlink_node(struct shortlist *s, struct node **p)
{
	struct node *n = *p;

	set_unsaved(s, n, false);
	*p = n->next;
	free(n);
	atomic_fetch_sub(&s->count, 1);
}

static void
drop(struct shortlist *s, const struct addr *addr)
{
	struct node **p = bucket_of(s, addr);

	while (*p != NULL &&
	    memcmp(&(*p)->entry.addr, addr, sizeof *addr) != 0)
		p = &(*p)->next;
	if (*p != NULL)
		unlink_node(s, p);
}

/* Under edit: this is what memory holds; bring it to the store. */
static void
save_entry(struct shortlist *s, const struct entry *e)
{
	int saved = save(s, e);
	struct node *n;

	pthread_mutex_lock(&s->lock);
	if (saved == 0 && e->kind == ENTRY_NONE)
		drop(s, &e->addr);
	else if ((n = find(s, &e->addr)) != NULL)
		set_unsaved(s, n, saved == -1);
	pthread_mutex_unlock(&s->lock);
}

struct shortlist *
shortlist_new(long threshold)
{
	struct shortlist *s = calloc(1, sizeof *s);
	struct timespec now;

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->edit, NULL);
	clock_gettime(CLOCK_REALTIME, &now);
	s->seed = (uint64_t)now.tv_nsec * 0x2545f4914f6cdd1du ^
	    (uint64_t)(uintptr_t)s;
	s->threshold = threshold;
	return s;
}

struct reading {
	struct shortlist *s;
	int64_t now;
	size_t left_out;
	bool short_of_memory;	/* so that it is to be read again */
};

static int
read_record(const void *key, size_t key_size, const void *value, size_t size,
    void *arg)
{
	struct reading *r = arg;
	struct entry e;
	struct node *n;
	bool mended;

	if (key_size != KEY_SIZE || entry_decode(&e, value, size) == -1) {
		r->left_out++;
		return 0;
	}
	memcpy(&e.addr, (const unsigned char *)key + 1, sizeof e.addr);
	mended = entry_check_clock(&e, r->now);
	if (entry_is_past(&e, r->now))
		return 0;
	pthread_mutex_lock(&r->s->lock);
	if (find(r->s, &e.addr) == NULL) {	/* else memory knows better */
		if ((n = find_or_add(r->s, &e.addr)) != NULL) {
			n->entry = e;
			set_unsaved(r->s, n, mended);
		} else if (atomic_load(&r->s->count) >= SHORTLIST_MAX)
			r->left_out++;
		else
			r->short_of_memory = true;
	}
	pthread_mutex_unlock(&r->s->lock);
	return 0;
}

/* Under edit, or before there are other threads. */
static void
read_store(struct shortlist *s, int64_t now)
{
	const unsigned char tag = KEY_TAG;
	const size_t before = atomic_load(&s->count);
	struct reading r = { .s = s, .now = now };

	s->unread = store_walk(s->store, &tag, sizeof tag, read_record, &r)
	    == STORE_DOWN || r.short_of_memory;
	if (s->unread)
		return;
	log_info("short-term list read entries=%zu",
	    atomic_load(&s->count) - before);
	if (r.left_out > 0)
		log_error("short-term list: %zu records were not understood "
		    "or too many", r.left_out);
}

int
shortlist_open(struct shortlist *s, const char *directory, int64_t now)
{
	const struct store_conf conf = {
		.directory = directory,
		.name = "shortlist.db",
		.cache = STORE_CACHE,
		.expired = record_is_past,
		.sweep_seconds = SWEEP_SECONDS,
	};

	if ((s->store = store_open(&conf)) == NULL)
		return -1;
	read_store(s, now);
	if (s->unread)
		log_error("%s cannot be read now, the short-term list is empty "
		    "until it can", directory);
	return 0;
}

void
shortlist_close(struct shortlist *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->edit);
	s->closed = true;
	store_close(s->store);
	s->store = NULL;
	pthread_mutex_unlock(&s->edit);
}

enum entry_kind
shortlist_find(struct shortlist *s, const struct addr *addr, int64_t now,
    char reason[ENTRY_REASON_MAX])
{
	enum entry_kind kind = ENTRY_NONE;
	struct addr masked = entry_client(addr);
	const struct node *n;

	if (atomic_load_explicit(&s->count, memory_order_relaxed) == 0)
		return kind;
	pthread_mutex_lock(&s->lock);
	n = find(s, &masked);
	if (n != NULL && entry_is_listed(&n->entry, now)) {
		kind = n->entry.kind;
		memcpy(reason, n->entry.reason, ENTRY_REASON_MAX);
	}
	pthread_mutex_unlock(&s->lock);
	return kind;
}

enum shortlist_result
shortlist_set(struct shortlist *s, const struct addr *addr,
    enum entry_kind kind, const char *reason)
{
	enum shortlist_result result = SHORTLIST_FULL;
	struct entry e;
	struct addr masked = entry_client(addr);
	struct node *n;

	assert(kind == ENTRY_WHITE || kind == ENTRY_BLACK);
	pthread_mutex_lock(&s->edit);
	if (s->closed) {
		pthread_mutex_unlock(&s->edit);
		return SHORTLIST_CLOSED;
	}
	pthread_mutex_lock(&s->lock);
	if ((n = find_or_add(s, &masked)) != NULL) {
		n->entry = (struct entry){ .addr = masked,
		    .kind = kind };
		entry_set_reason(&n->entry, reason);
		e = n->entry;
		result = SHORTLIST_DONE;
	}
	pthread_mutex_unlock(&s->lock);
	if (result == SHORTLIST_DONE)
		save_entry(s, &e);
	pthread_mutex_unlock(&s->edit);
	return result;
}

enum shortlist_result
shortlist_report(struct shortlist *s, const struct addr *addr,
    int64_t seconds, const char *reason, int64_t now,
    struct entry *entry)
{
	enum shortlist_result result = SHORTLIST_DONE;
	struct addr masked = entry_client(addr);
	struct node *n;

	pthread_mutex_lock(&s->edit);
	if (s->closed) {
		pthread_mutex_unlock(&s->edit);
		return SHORTLIST_CLOSED;
	}
	pthread_mutex_lock(&s->lock);
	if ((n = find_or_add(s, &masked)) == NULL)
		result = SHORTLIST_FULL;
	else if (n->entry.kind == ENTRY_WHITE)
		result = SHORTLIST_EXEMPT;
	else {
		entry_report(&n->entry, s->threshold, seconds, reason, now);
		*entry = n->entry;
	}
	pthread_mutex_unlock(&s->lock);
	if (result == SHORTLIST_DONE)
		save_entry(s, entry);
	pthread_mutex_unlock(&s->edit);
	return result;
}

enum shortlist_result
shortlist_forget(struct shortlist *s, const struct addr *addr)
{
	struct entry e = { .addr = entry_client(addr) };
	bool found, closed;
	struct node *n;

	pthread_mutex_lock(&s->edit);
	pthread_mutex_lock(&s->lock);
	closed = s->closed;
	n = closed ? NULL : find(s, &e.addr);
	found = n != NULL && n->entry.kind != ENTRY_NONE;
	if (found)
		n->entry.kind = ENTRY_NONE;
	pthread_mutex_unlock(&s->lock);
	if (found)
		save_entry(s, &e);
	pthread_mutex_unlock(&s->edit);
	if (closed)
		return SHORTLIST_CLOSED;
	return found ? SHORTLIST_DONE : SHORTLIST_UNCHANGED;
}

/*
 * Copies the nodes of some buckets for which want() is true to a new array.
 * Returns their number; *out is the caller's to free.  Out of memory counts as
 * none.
 */
static size_t
copy_slice(struct shortlist *s, unsigned first, unsigned end,
    bool (*want)(const struct node *, int64_t), int64_t now,
    struct entry **out)
{
	size_t count = 0, i = 0;

	*out = NULL;
	pthread_mutex_lock(&s->lock);
	for (unsigned b = first; b < end; b++)
		for (struct node *n = s->bucket[b]; n != NULL; n = n->next)
			count += want(n, now);
	if (count > 0 && (*out = malloc(count * sizeof **out)) == NULL)
		count = 0;
	for (unsigned b = first; b < end && i < count; b++)
		for (struct node *n = s->bucket[b]; n != NULL; n = n->next)
			if (want(n, now))
				(*out)[i++] = n->entry;
	pthread_mutex_unlock(&s->lock);
	return count;
}

static bool
want_current(const struct node *n, int64_t now)
{
	return entry_is_current(&n->entry, now);
}

static bool
want_any(const struct node *n, int64_t now)
{
	(void)now;
	return n->entry.kind != ENTRY_NONE;
}

static bool
want_unsaved(const struct node *n, int64_t now)
{
	(void)now;
	return n->unsaved;
}

void
shortlist_walk(struct shortlist *s, int64_t now,
    void (*each)(const struct entry *, void *arg), void *arg)
{
	struct entry *e;

	for (unsigned b = 0; b < BUCKETS; b += SLICE) {
		size_t count = copy_slice(s, b, b + SLICE, want_current, now,
		    &e);

		for (size_t i = 0; i < count; i++)
			each(&e[i], arg);
		free(e);
	}
}

bool
shortlist_is_unread(struct shortlist *s)
{
	bool unread;

	pthread_mutex_lock(&s->edit);
	unread = s->unread;
	pthread_mutex_unlock(&s->edit);
	return unread;
}

size_t
shortlist_flush(struct shortlist *s)
{
	struct entry *e;
	size_t flushed = 0;

	for (unsigned b = 0; b < BUCKETS; b += SLICE) {
		size_t count = copy_slice(s, b, b + SLICE, want_any, 0, &e);

		for (size_t i = 0; i < count; i++)
			flushed += shortlist_forget(s, &e[i].addr) ==
			    SHORTLIST_DONE;
		free(e);
	}
	return flushed;
}

/* What the store did not take, it is given again; a bounded number of them. */
static void
save_again(struct shortlist *s)
{
	struct entry *e;
	size_t tried = 0;

	for (unsigned b = 0; b < BUCKETS && tried < RETRIES; b += SLICE) {
		size_t count;

		pthread_mutex_lock(&s->edit);
		count = s->closed ? 0 :
		    copy_slice(s, b, b + SLICE, want_unsaved, 0, &e);
		for (size_t i = 0; i < count && tried < RETRIES; i++, tried++)
			save_entry(s, &e[i]);
		pthread_mutex_unlock(&s->edit);
		if (count > 0)
			free(e);
	}
}

/* The store's own sweep deletes the records; here only memory is freed. */
static void
sweep(struct shortlist *s, int64_t now)
{
	struct node **p, *n;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < SLICE; i++) {
		p = &s->bucket[s->swept++ % BUCKETS];
		while ((n = *p) != NULL) {
			if (entry_check_clock(&n->entry, now))
				set_unsaved(s, n, true);
			if (n->unsaved || !entry_is_past(&n->entry, now))
				p = &n->next;
			else
				unlink_node(s, p);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void
shortlist_tick(struct shortlist *s, int64_t now)
{
	bool unsaved;

	if (s->unread) {
		pthread_mutex_lock(&s->edit);
		if (!s->closed)
			read_store(s, now);
		pthread_mutex_unlock(&s->edit);
	}
	if (atomic_load(&s->count) == 0)
		return;
	sweep(s, now);
	pthread_mutex_lock(&s->lock);
	unsaved = s->unsaved > 0;
	pthread_mutex_unlock(&s->lock);
	if (unsaved)
		save_again(s);
}

void
shortlist_stats(FILE *out, void *arg)
{
	struct shortlist *s = arg;
	size_t unsaved;

	pthread_mutex_lock(&s->lock);
	unsaved = s->unsaved;
	pthread_mutex_unlock(&s->lock);
	stats_value(out, "shortlist_entries",
	    "Entries of the short-term list, past ones included.", NULL, NULL,
	    atomic_load(&s->count));
	stats_value(out, "shortlist_unsaved",
	    "Entries the store does not have yet.", NULL, NULL, unsaved);
	pthread_mutex_lock(&s->edit);
	if (s->store != NULL)
		store_stats(out, s->store);
	pthread_mutex_unlock(&s->edit);
}
