#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "stats.h"
#include "store.h"
#include "storefile.h"

#define LOCK_WAIT_MS	500	/* for a call that finds the store busy */
#define FLUSH_MS	1000	/* what a power cut may cost */
#define CHECKPOINT_KB	16384	/* of log, or */
#define CHECKPOINT_MINUTES	1
#define LOOK_MS		100	/* between two looks at the free space */
#define RETRY_MS	5000	/* between two tries to open again */
#define OPEN_PATIENCE_MS 1500	/* before files count as bad */
#define OPEN_PAUSE_MS	500	/* between two tries in that time */
#define OPEN_TRIES	4	/* at least, on a machine that is slow */
#define FREE_MIN	(64 << 20)	/* the default of free_min */
#define CACHE_DEFAULT	(64 << 20)
#define SWEEP_LOOK	400	/* records looked at under one lock */
#define SWEEP_DELETE	100	/* and deleted in one transaction, and then */
#define SWEEP_REST_MS	2	/* others have their turn */
#define WALK_SLICE	64	/* records copied under one lock */
#define PANICS_MAX	3	/* in PANIC_SECONDS: the files must be bad */
#define PANIC_SECONDS	600

enum state {
	STATE_UP,
	STATE_DOWN,		/* no handles; the thread tries to open */
	STATE_CLOSED
};

struct record;

struct store {
	struct store_conf conf;
	const char *where;	/* for the log */
	pthread_t thread;
	struct record *slice;	/* the thread's, while it sweeps: SWEEP_LOOK,
				 * and where to go on */

	pthread_mutex_t lock;	/* guards all up to panic */
	enum state state;
	struct storefile file;
	time_t panic[PANICS_MAX];	/* the last ones */

	atomic_int trouble;	/* why it cannot be written, or 0 */
	atomic_bool up;		/* state is STATE_UP, for store_stats() */
	atomic_bool stop;
	atomic_int callers;	/* inside a public function */
	atomic_ullong updates, errors, repairs, swept;
};

/* A record on its way through the lock. */
struct record {
	size_t key_size, size;
	unsigned char key[STORE_KEY_MAX + 1];	/* one more: what is behind */
	unsigned char value[STORE_VALUE_MAX + 1];	/* one more: too long */
};

static void
fault(struct store *s, const char *doing, int error)
{
	static struct log_limit limit;

	atomic_fetch_add(&s->errors, 1);
	if (log_due(&limit))
		log_error("store %s: %s: %s", s->where, doing,
		    storefile_error(&s->file, error));
}

static void
rest(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* --- opening and closing */

/*
 * Short memory, or a disk in trouble for a moment, looks to the engine like
 * files that are bad.  What stays bad for a while is.
 */
static int
open_file(struct store *s)
{
	long begin = clock_ms();
	int e, tries = 0;

	while ((e = storefile_open(&s->file)) != 0 &&
	    storefile_is_corrupt(e) && (++tries < OPEN_TRIES ||
	    clock_ms() - begin < OPEN_PATIENCE_MS))
		rest(OPEN_PAUSE_MS);
	return e;
}

/* Under the lock, or before there are other threads. */
static void
open_all(struct store *s)
{
	int e;

	s->state = STATE_DOWN;
	if ((e = storefile_trouble(&s->file)) == ESTALE)
		e = storefile_lock_again(&s->file);
	atomic_store(&s->trouble, e);
	if (e != 0) {
		/* Recovery on a full disk looks like corruption. */
		fault(s, "cannot be opened", e);
		atomic_store(&s->up, false);
		return;
	}
	e = open_file(s);
	if (e != 0 && storefile_is_corrupt(e) &&
	    storefile_trouble(&s->file) == 0) {
		fault(s, "cannot be opened", e);
		if ((e = storefile_set_aside(&s->file)) == 0)
			e = storefile_open(&s->file);
	}
	if (e != 0)
		fault(s, "cannot be opened now", e);
	else
		s->state = STATE_UP;
	atomic_store(&s->up, s->state == STATE_UP);
}

/* The third panic in a short time: what is on disk makes them. */
static bool
panics_again(struct store *s)
{
	time_t now = time(NULL), oldest = s->panic[PANICS_MAX - 2];

	memmove(s->panic + 1, s->panic, sizeof s->panic - sizeof s->panic[0]);
	s->panic[0] = now;
	return oldest != 0 && now - oldest < PANIC_SECONDS;
}

/*
 * Under the lock, in the thread: from down to up, by way of recovery.  The
 * files are not to blame for what happens to their directory.
 */
static void
repair(struct store *s)
{
	int e = storefile_trouble(&s->file);
	bool again = e == 0 && s->state == STATE_UP && panics_again(s);

	storefile_close(&s->file, false);
	if (again && (e = storefile_set_aside(&s->file)) != 0)
		fault(s, "cannot set it aside", e);
	open_all(s);
	if (s->state == STATE_UP) {
		atomic_fetch_add(&s->repairs, 1);
		log_info("store %s is up again", s->where);
	}
}

/* --- the calls */

/*
 * Come in: STORE_OK with the lock held, or STORE_DOWN.  leave() must follow
 * only the first.
 */
static enum store_result
enter(struct store *s)
{
	struct timespec until;

	atomic_fetch_add(&s->callers, 1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOCK_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	if (!atomic_load(&s->file.panicked) &&
	    pthread_mutex_timedlock(&s->lock, &until) == 0) {
		if (s->state == STATE_UP)
			return STORE_OK;
		pthread_mutex_unlock(&s->lock);
	}
	atomic_fetch_sub(&s->callers, 1);
	return STORE_DOWN;
}

static void
leave(struct store *s)
{
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_sub(&s->callers, 1);
}

/* A DBT over memory of ours. */
static DBT
make_dbt(void *data, size_t size, size_t room)
{
	return (DBT){ .data = data, .size = (uint32_t)size,
	    .ulen = (uint32_t)room, .flags = DB_DBT_USERMEM };
}

/* The same for reading a value: at most room bytes of a longer one. */
static DBT
make_value(struct record *r)
{
	DBT value = make_dbt(r->value, 0, sizeof r->value);

	value.dlen = sizeof r->value;
	value.flags |= DB_DBT_PARTIAL;
	return value;
}

/*
 * Under the lock: read into r->value.  Returns 0, with size 0 for no record,
 * or an error.  A record too big for r is not ours and counts as absent.
 */
static int
read_record(struct store *s, DB_TXN *txn, struct record *r)
{
	DBT key = make_dbt(r->key, r->key_size, r->key_size);
	DBT value = make_value(r);
	int e = s->file.db->get(s->file.db, txn, &key, &value, 0);

	r->size = e == 0 && value.size <= STORE_VALUE_MAX ? value.size : 0;
	return e == DB_NOTFOUND ? 0 : e;
}

static int
write_record(struct store *s, DB_TXN *txn, struct record *r)
{
	DBT key = make_dbt(r->key, r->key_size, r->key_size);
	DBT value = make_dbt(r->value, r->size, sizeof r->value);
	int e;

	if (r->size > 0)
		return s->file.db->put(s->file.db, txn, &key, &value, 0);
	e = s->file.db->del(s->file.db, txn, &key, 0);
	return e == DB_NOTFOUND ? 0 : e;
}

/* Under the lock: one transaction. */
static int
change_record(struct store *s, struct record *r,
    size_t (*change)(void *value, size_t size, void *arg), void *arg)
{
	DB_TXN *txn;
	size_t size;
	int e;

	if ((e = s->file.env->txn_begin(s->file.env, NULL, &txn, 0)) != 0)
		return e;
	if ((e = read_record(s, txn, r)) == 0 &&
	    (size = change(r->value, r->size, arg)) != STORE_KEEP) {
		assert(size <= STORE_VALUE_MAX);
		r->size = size;
		e = write_record(s, txn, r);
	}
	if (e == 0)
		return txn->commit(txn, 0);
	txn->abort(txn);
	return e;
}

/*
 * What an error means for the caller.  What the files are to blame for is the
 * thread's to repair, panic or not: pages that are newer than a log that was
 * cut short make every update fail, and no more than that.
 */
static enum store_result
result_of(struct store *s, const char *doing, int error)
{
	if (error == 0)
		return STORE_OK;
	if (storefile_is_corrupt(error))
		atomic_store(&s->file.panicked, true);
	fault(s, doing, error);
	return STORE_DOWN;
}

static void
set_key(struct record *r, const void *key, size_t size)
{
	assert(size > 0 && size <= STORE_KEY_MAX);
	memcpy(r->key, key, size);
	r->key_size = size;
}

enum store_result
store_get(struct store *s, const void *key, size_t key_size, void *value,
    size_t *size)
{
	enum store_result result;
	size_t room = *size;
	struct record r;

	set_key(&r, key, key_size);
	if (enter(s) == STORE_DOWN)
		return STORE_DOWN;
	result = result_of(s, "get", read_record(s, NULL, &r));
	leave(s);
	if (result != STORE_OK)
		return result;
	memcpy(value, r.value, r.size < room ? r.size : room);
	*size = r.size;
	return r.size > 0 ? STORE_OK : STORE_NONE;
}

enum store_result
store_update(struct store *s, const void *key, size_t key_size,
    size_t (*change)(void *value, size_t size, void *arg), void *arg)
{
	enum store_result result;
	struct record r;

	set_key(&r, key, key_size);
	if (atomic_load(&s->trouble) != 0 || enter(s) == STORE_DOWN)
		return STORE_DOWN;
	result = result_of(s, "update", change_record(s, &r, change, arg));
	leave(s);
	if (result == STORE_OK)
		atomic_fetch_add(&s->updates, 1);
	return result;
}

struct new_value {
	const void *value;
	size_t size;
};

static size_t
replace(void *value, size_t size, void *arg)
{
	const struct new_value *new = arg;

	(void)size;
	if (new->size > 0)		/* or there may be no value */
		memcpy(value, new->value, new->size);
	return new->size;
}

enum store_result
store_put(struct store *s, const void *key, size_t key_size,
    const void *value, size_t size)
{
	struct new_value new = { .value = value, .size = size };

	assert(size <= STORE_VALUE_MAX);
	return store_update(s, key, key_size, replace, &new);
}

/*
 * Under the lock: copy up to room records from the key in at, on or behind
 * it.  *count says how many; fewer than room: there are no more.  at becomes
 * where to go on.
 */
static int
copy_records(struct store *s, struct record *at, struct record *out,
    size_t room, size_t *count)
{
	uint32_t flags = DB_SET_RANGE;
	DBC *cursor;
	int e;

	*count = 0;
	if ((e = s->file.db->cursor(s->file.db, NULL, &cursor, 0)) != 0)
		return e;
	while (*count < room) {
		struct record *r = &out[*count];
		DBT key = make_dbt(r->key, at->key_size, sizeof r->key);
		DBT value = make_value(r);

		if (flags == DB_SET_RANGE)
			memcpy(r->key, at->key, at->key_size);
		if ((e = cursor->get(cursor, &key, &value, flags)) != 0)
			break;
		flags = DB_NEXT;
		r->key_size = key.size;
		r->size = value.size;
		if (r->key_size <= STORE_KEY_MAX && r->size > 0 &&
		    r->size <= STORE_VALUE_MAX)
			++*count;
	}
	cursor->close(cursor);
	if (*count > 0) {
		/* The key behind the last one is the same and a NUL. */
		*at = out[*count - 1];
		at->key[at->key_size++] = 0;
	}
	return e == DB_NOTFOUND ? 0 : e;
}

static bool
has_prefix(const struct record *r, const void *prefix, size_t size)
{
	return r->key_size >= size && memcmp(r->key, prefix, size) == 0;
}

enum store_result
store_walk(struct store *s, const void *prefix, size_t prefix_size,
    int (*each)(const void *key, size_t key_size, const void *value,
    size_t value_size, void *arg), void *arg)
{
	struct record *slice = malloc((WALK_SLICE + 1) * sizeof *slice);
	struct record *at = slice + WALK_SLICE;
	enum store_result result = STORE_DOWN;
	size_t count;

	if (slice == NULL)
		return STORE_DOWN;
	set_key(at, prefix, prefix_size);
	do {
		count = 0;
		if ((result = enter(s)) == STORE_OK) {
			result = result_of(s, "walk", copy_records(s, at,
			    slice, WALK_SLICE, &count));
			leave(s);
		}
		for (size_t i = 0; result == STORE_OK && i < count; i++)
			if (!has_prefix(&slice[i], prefix, prefix_size) ||
			    each(slice[i].key, slice[i].key_size,
			    slice[i].value, slice[i].size, arg) != 0)
				goto done;
	} while (result == STORE_OK && count == WALK_SLICE);
done:
	free(slice);
	return result;
}

/* --- the thread */

/* Under the lock: delete those of the records that are past their time. */
static int
delete_expired(struct store *s, struct record *r, size_t count, size_t *next)
{
	size_t deleted = 0;
	DB_TXN *txn;
	int e;

	if ((e = s->file.env->txn_begin(s->file.env, NULL, &txn, 0)) != 0)
		return e;
	for (; *next < count && deleted < SWEEP_DELETE && e == 0; ++*next) {
		struct record *x = &r[*next];

		if (!s->conf.expired(x->key, x->key_size, x->value, x->size,
		    s->conf.arg))
			continue;
		x->size = 0;
		e = write_record(s, txn, x);
		deleted++;
	}
	if (e != 0) {
		txn->abort(txn);
		return e;
	}
	if ((e = txn->commit(txn, 0)) == 0)
		atomic_fetch_add(&s->swept, deleted);
	return e;
}

/*
 * Look at some records and delete those that are over.  Returns false when
 * there are no more, or it cannot be done now.
 */
static bool
sweep_slice(struct store *s, struct record *at, struct record *slice)
{
	size_t count = 0, next = 0;
	int e;

	if (atomic_load(&s->trouble) != 0 || enter(s) == STORE_DOWN)
		return false;
	e = copy_records(s, at, slice, SWEEP_LOOK, &count);
	if (e == 0)
		e = delete_expired(s, slice, count, &next);
	leave(s);
	if (e == 0 && next < count) {	/* the others in the next round */
		*at = slice[next];
		return true;
	}
	return result_of(s, "sweep", e) == STORE_OK && count == SWEEP_LOOK;
}

/* A new round, if the last one is over. */
static void
begin_sweep(struct store *s)
{
	if (s->slice == NULL &&
	    (s->slice = malloc((SWEEP_LOOK + 1) * sizeof *s->slice)) != NULL)
		set_key(s->slice + SWEEP_LOOK, "", 1);
}

static void
end_sweep(struct store *s)
{
	free(s->slice);
	s->slice = NULL;
}

/*
 * Sweep for so long.  A round may take minutes, and all else the thread has to
 * do does not wait for it.
 */
static void
sweep(struct store *s, long ms)
{
	long begin = clock_ms();

	while (s->slice != NULL && clock_ms() - begin < ms) {
		if (!sweep_slice(s, s->slice + SWEEP_LOOK, s->slice))
			end_sweep(s);
		rest(SWEEP_REST_MS);
	}
}

/* Not under the lock: the library has its own for these. */
static void
flush(struct store *s)
{
	int e;

	if (s->state != STATE_UP || atomic_load(&s->trouble) != 0)
		return;
	if ((e = s->file.env->log_flush(s->file.env, NULL)) == 0)
		e = s->file.env->txn_checkpoint(s->file.env, CHECKPOINT_KB,
		    CHECKPOINT_MINUTES, 0);
	result_of(s, "flush", e);
}

static void
look_after(struct store *s, unsigned long ms)
{
	int trouble = storefile_trouble(&s->file);

	if (trouble != 0 && ms % FLUSH_MS == 0)
		fault(s, "updates are refused", trouble);
	atomic_store(&s->trouble, trouble);
	if (atomic_load(&s->file.panicked) || trouble == ESTALE ||
	    (s->state == STATE_DOWN && ms % RETRY_MS == 0)) {
		pthread_mutex_lock(&s->lock);
		repair(s);
		pthread_mutex_unlock(&s->lock);
	}
	if (ms % FLUSH_MS == 0)
		flush(s);
	if (s->conf.expired != NULL && s->conf.sweep_seconds > 0 &&
	    ms % ((unsigned long)s->conf.sweep_seconds * 1000) == 0)
		begin_sweep(s);
}

/* The only one that changes the handles, so it reads them without the lock. */
static void *
maintain(void *arg)
{
	struct store *s = arg;

	for (unsigned long ms = LOOK_MS; !atomic_load(&s->stop);
	    ms += LOOK_MS) {
		if (s->slice != NULL)
			sweep(s, LOOK_MS);
		else
			rest(LOOK_MS);
		look_after(s, ms);
	}
	end_sweep(s);
	return NULL;
}

static int
start_thread(struct store *s)
{
	sigset_t all, old;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&s->thread, NULL, maintain, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

int
store_check(const char *directory)
{
	struct stat st;

	if (directory == NULL)
		return 0;
	if (stat(directory, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (access(directory, R_OK | W_OK | X_OK) == 0)
		return 0;
	log_errno("store %s", directory);
	return -1;
}

struct store *
store_open(const struct store_conf *conf)
{
	struct store *s;

	if (store_check(conf->directory) == -1)
		return NULL;
	if ((s = calloc(1, sizeof *s)) == NULL) {
		log_error("store: out of memory");
		return NULL;
	}
	s->conf = *conf;
	s->where = conf->directory != NULL ? conf->directory : "in memory";
	s->file.directory = conf->directory;
	s->file.name = conf->name;
	s->file.cache = conf->cache != 0 ? conf->cache : CACHE_DEFAULT;
	s->file.free_min = conf->free_min != 0 ? conf->free_min : FREE_MIN;
	pthread_mutex_init(&s->lock, NULL);
	if (storefile_lock(&s->file) == -1)
		goto fail;
	open_all(s);
	if (start_thread(s) != 0) {
		log_error("store %s: no thread", s->where);
		storefile_close(&s->file, true);
		storefile_unlock(&s->file);
		goto fail;
	}
	return s;

fail:
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

void
store_close(struct store *s)
{
	bool clean;

	if (s == NULL)
		return;
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	clean = s->state == STATE_UP && !atomic_load(&s->file.panicked);
	s->state = STATE_CLOSED;
	storefile_close(&s->file, clean);
	pthread_mutex_unlock(&s->lock);
	while (atomic_load(&s->callers) > 0)
		rest(1);
	storefile_unlock(&s->file);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void
store_stats(FILE *out, void *store)
{
	struct store *s = store;
	bool in_memory = s->conf.directory == NULL;
	uint64_t bytes = 0;

	/* A file can be looked at without its handles. */
	if (!in_memory || enter(s) == STORE_OK) {
		bytes = storefile_bytes(&s->file);
		if (in_memory)
			leave(s);
	}
	stats_value(out, "store_up", "Can the store be written now?", NULL,
	    NULL, atomic_load(&s->trouble) == 0 && atomic_load(&s->up));
	stats_value(out, "store_updates_total", "Updates done.", NULL, NULL,
	    atomic_load(&s->updates));
	stats_value(out, "store_errors_total", "Faults of the store.", NULL,
	    NULL, atomic_load(&s->errors));
	stats_value(out, "store_repairs_total",
	    "Times the store was opened again.", NULL, NULL,
	    atomic_load(&s->repairs));
	stats_value(out, "store_set_aside_total",
	    "Times it was corrupt and set aside.", NULL, NULL,
	    atomic_load(&s->file.set_aside));
	stats_value(out, "store_swept_total", "Records past their time.", NULL,
	    NULL, atomic_load(&s->swept));
	stats_value(out, "store_bytes",
	    "Size of the file, or of the pages in memory.", NULL, NULL, bytes);
}
