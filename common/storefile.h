#ifndef COMMON_STOREFILE_H
#define COMMON_STOREFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <db.h>

/*
 * storefile - the files of a store: locked, opened, verified, set aside.
 *
 * The lower half of store.c, and for it alone; the only other place that
 * knows the engine.  One thread at a time, but panicked may be read by any.
 * Functions that return an int return 0 or an error for db_strerror().
 */
struct storefile {
	const char *directory;	/* NULL: all is in the cache, and no file */
	const char *name;
	size_t cache;		/* bytes */
	size_t free_min;	/* bytes that stay free on the disk */

	DB_ENV *env;		/* both NULL while closed */
	DB *db;
	int lock_fd;		/* of the lock on the directory */
	atomic_bool panicked;	/* the library says so, from any thread */
	atomic_int panic_error;	/* why, or 0 */
	atomic_ullong set_aside;	/* times */
};

#define STOREFILE_PATH_MAX	1024	/* bytes of a path, NUL included */

/* The path of a file in the directory. */
int storefile_path(const struct storefile *, const char *file,
    char path[STOREFILE_PATH_MAX]);

/* An error as text. */
const char *storefile_error(const struct storefile *, int error);

/* Of the file; or of the pages, some of which may be free for new records. */
uint64_t storefile_bytes(const struct storefile *);

/*
 * One process at a time has the directory; the library would not notice a
 * second one.  -1 after a line in the log.  The lock ends with the process or
 * with storefile_unlock().
 */
int storefile_lock(struct storefile *);
void storefile_unlock(struct storefile *);

/*
 * What keeps the files from being written, as far as can be seen from outside:
 * 0, or ENOSPC when too little space is free, ESTALE when another directory
 * has taken the place of ours, or what access(2) says.
 */
int storefile_trouble(const struct storefile *);

/* After ESTALE, with the files closed: lock the directory there is now. */
int storefile_lock_again(struct storefile *);

/*
 * Recover what a crash left, verify the file unless it was closed cleanly,
 * open it.  All is closed again when one of these fails.
 */
int storefile_open(struct storefile *);

/* Is it the files' fault, so that trying again cannot help? */
bool storefile_is_corrupt(int error);

/*
 * Move the files, closed, into a folder NAME.bad-TIME beside them; a line in
 * the log says where they are.
 */
int storefile_set_aside(struct storefile *);

/*
 * Write all and close.  With mark, when all was written, leave the mark that
 * spares the next open the verifying.
 */
void storefile_close(struct storefile *, bool mark);

#endif
