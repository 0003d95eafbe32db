#ifndef VIRUSMILTER_EMERGENCY_H
#define VIRUSMILTER_EMERGENCY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * emergency - the time when a new worm is about that no rule knows yet, and
 * mail with attachments is refused unseen.
 *
 * It begins when a file is there, when somebody says so, or when the load of
 * the machine is high; and it ends by itself, for such a thing is forgotten
 * when the storm is over: each of them counts only for so many seconds, the
 * file's from its last change.
 */
struct emergency {
	/* The caller's to fill in, before the first thread. */
	const char *file;	/* or NULL */
	long load;		/* average above which it is one; 0: never */
	long seconds;		/* that it lasts, but for the load */

	atomic_llong until;	/* monotonic second; said by somebody */
	atomic_int why;		/* enum emergency_why */
};

enum emergency_why {
	EMERGENCY_NONE,
	EMERGENCY_SAID,
	EMERGENCY_FILE,
	EMERGENCY_LOAD
};

/* Is it one?  Any thread; costs nothing. */
enum emergency_why emergency_why(const struct emergency *);
const char *emergency_word(enum emergency_why);

/* Look again, about once a second.  Begin and end are logged.  Any thread. */
void emergency_tick(struct emergency *);

/* It begins, for so many seconds; 0: what was said is over.  Any thread. */
void emergency_say(struct emergency *, long seconds);

/* Seconds that are left of what was said. */
long emergency_left(const struct emergency *);

#endif
