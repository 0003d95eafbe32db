#ifndef COMMON_LISTFILE_H
#define COMMON_LISTFILE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

/*
 * listfile - the files of a list: read line by line as one whole, with the
 * faults that only a whole file shows, and looked at for changes.  What a
 * line means is its owner's business.
 *
 * One thread at a time, but for what is said to be guarded by a lock of the
 * owner's.
 */
#define LISTFILES_MAX		63
#define LISTFILE_TEXT_MAX	60	/* bytes of a line that are shown */

/* What a file held, in lines. */
struct listfile_result {
	size_t entries, ignored, bad;
	bool newline;			/* its last line had its end */
};

/* What stat(2) says of a file, to see whether it changed. */
struct listfile_seen {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct listfile {
	const char *path;
	struct listfile_seen seen;	/* by the last attempt to load it */
	struct listfile_result read;	/* by that attempt */

	/* Guarded by the owner's lock: */
	bool loaded;			/* at least once; then: */
	struct listfile_result result;	/* of the load that is in use */
};

/* All zero at first. */
struct listfiles {
	struct listfile file[LISTFILES_MAX];
	int count;
	bool lenient;		/* bad lines are counted and passed over */
	long begin_ms;		/* of the last attempt */
};

/* A file on its way in. */
struct listfile_reader {
	const struct listfiles *files;
	int number;			/* of the file */
	const char *path;
	size_t line;			/* its number, from 1 */
	char text[LISTFILE_TEXT_MAX + 1];	/* its beginning, as it was */
	struct listfile_result result;	/* entries, ignored: counted by take */
	void *arg;

	/*
	 * Takes a line, which has no LF, but perhaps a CR, is followed by a
	 * NUL and may be written to.  A line longer than 32 kB comes as one
	 * of 32 kB or more, for a part of it may be missing.  -1: stop
	 * reading, after a line in the log.
	 */
	int (*take)(struct listfile_reader *, char *line, size_t size);
};

/*
 * One file more; path must stay.  Returns its number or, after a line in the
 * log, -1: there are too many.
 */
int listfiles_add(struct listfiles *, const char *path);

/*
 * Read all files and hand each line to take; a byte order mark is left out.
 * Returns 0, or -1 after a line in the log that names the file: it cannot be
 * read, is not a regular file, changed while it was read, or take said so.
 * Of a file that was in use before, these are faults too: it has become empty,
 * its last line lost its newline (it was cut short), more than one line in a
 * hundred is bad.
 */
int listfiles_read(struct listfiles *,
    int (*take)(struct listfile_reader *, char *line, size_t size), void *arg);

/* What was read is in use from now on.  To be called with the owner's lock. */
void listfiles_use(struct listfiles *);

/*
 * One line in the log about what is in use, and the memory it takes.  name is
 * for owners of which there are several; NULL: none.
 */
void listfiles_log(const struct listfiles *, const char *name, size_t bytes);

/* What a file is like now. */
void listfile_look(const char *path, struct listfile_seen *);

/*
 * Has it changed since it was looked at?  1, 0, or -1: it has, and was written
 * to in the last settle seconds.  One that is gone has changed.
 */
int listfile_changed(const char *path, const struct listfile_seen *,
    int settle);

/*
 * Has a file changed since the last listfiles_read(), good or bad, and has it
 * been left alone for settle seconds?  One that is gone has changed, too.
 */
bool listfiles_changed(const struct listfiles *, int settle);

/*
 * For -why: the files once more, as they are now, line by line.  What cannot
 * be read is logged and left out; nothing of the files is changed.
 */
void listfiles_reread(const struct listfiles *,
    int (*take)(struct listfile_reader *, char *line, size_t size), void *arg);

/*
 * For take: this line is bad.  Logged, unless it is one more of a file that is
 * read leniently, and counted.  Returns what take is to return.
 */
int listfile_bad(struct listfile_reader *, const char *wrong);

/* For take: print the line as "PATH:LINE: TEXT", printable and cut. */
void listfile_print(const struct listfile_reader *, FILE *);

/*
 * One value for each path, labelled list: the size_t at this offset in the
 * struct listfile_result in use.  To be called with the owner's lock.
 */
void listfiles_stats(FILE *, const struct listfiles *, const char *name,
    const char *help, size_t offset);

#endif
