#ifndef COMMON_STORE_H
#define COMMON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * store - small records that survive the daemon.
 *
 * Promise: an update that returned STORE_OK is not lost when the daemon dies;
 * on power loss about the last second goes.  Corruption is seen, and the files
 * set aside under a name that says when, never deleted and never used; but
 * damage to the log of a daemon that was killed looks like the log's end, and
 * what is behind it is lost without a word.
 *
 * A store that cannot be used now (disk full, being repaired) says so with
 * STORE_DOWN, at once, and comes back by itself; the caller's answer to that
 * is to let mail pass.  Faults are logged once a minute and counted.
 *
 * One process has a directory open at a time; other programs speak to that
 * process.  All functions but open and close may be called from any thread.
 *
 * Without a directory all is kept in memory, in the cache, and is gone when
 * the store is closed; no file is made anywhere.  When the cache is full, an
 * update that needs more room is STORE_DOWN and all else goes on; room comes
 * back when records are deleted.
 */
struct store;

#define STORE_KEY_MAX	255	/* bytes; the caller hashes longer ones */
#define STORE_VALUE_MAX	1024	/* bytes; a longer one counts as absent */

enum store_result {
	STORE_OK,
	STORE_NONE,		/* no such record */
	STORE_DOWN		/* not now; nothing was changed */
};

struct store_conf {
	const char *directory;	/* exists and is ours; must stay; or NULL */
	const char *name;	/* of the file in it: "list.db"; must stay */
	size_t cache;		/* bytes, at least 64 KB; 0: 64 MB */
	size_t free_min;	/* bytes that stay free on its disk; 0: 64 MB */

	/*
	 * Is this record past its time?  Asked by the sweep, every
	 * sweep_seconds, which then deletes it.  No I/O in it, no lock.
	 * NULL: nothing expires.
	 */
	bool (*expired)(const void *key, size_t key_size, const void *value,
	    size_t value_size, void *arg);
	void *arg;
	long sweep_seconds;
};

/*
 * Returns NULL after one line in the log when the directory is missing, not
 * writable, or held by another process.  Every other trouble (a full disk, a
 * corrupt file) starts a store that is down or empty.  May take seconds after
 * a crash.  Starts a thread.
 */
struct store *store_open(const struct store_conf *);

/* Could store_open() work?  0 or -1 as it; nothing is made or changed. */
int store_check(const char *directory);

/* Everything to the disk, files closed.  NULL does nothing. */
void store_close(struct store *);

/* At most *size bytes are copied to value; *size is then the record's size. */
enum store_result store_get(struct store *, const void *key, size_t key_size,
    void *value, size_t *size);

/*
 * Read, decide, write, as one step.  change() finds the record in value (size
 * 0: there is none), may rewrite it and returns its new size, 0 to delete it
 * or STORE_KEEP to leave it.  It runs under the store's lock: plain
 * computing only.  STORE_OK when what it decided is done.
 */
#define STORE_KEEP	((size_t)-1)

enum store_result store_update(struct store *, const void *key,
    size_t key_size, size_t (*change)(void *value, size_t size, void *arg),
    void *arg);

/*
 * The update with nothing to decide.  size 0 deletes.
 */
enum store_result store_put(struct store *, const void *key, size_t key_size,
    const void *value, size_t size);

/*
 * Call each() for every record whose key starts with prefix, which is one byte
 * at least, in the order of the bytes of the keys, until it returns non-zero.
 * No lock is held while it runs, so it may be slow and may use the store; a
 * record that changes meanwhile is seen either way.
 */
enum store_result store_walk(struct store *, const void *prefix,
    size_t prefix_size, int (*each)(const void *key, size_t key_size,
    const void *value, size_t value_size, void *arg), void *arg);

/* Up or down, updates, errors, repairs, swept records, size. */
void store_stats(FILE *, void *store);

#endif
