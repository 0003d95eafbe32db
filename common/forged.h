#ifndef COMMON_FORGED_H
#define COMMON_FORGED_H

#include <stdbool.h>
#include <stddef.h>

#include <libmilter/mfapi.h>

/*
 * forged - which of the header fields of one name, counted from 1, are to be
 * removed, for they were written in ours.  One thread.
 */
#define FORGED_MAX		1000	/* to be removed, for the time it takes
					 * some MTAs grows as the square */
#define FORGED_NUMBER_MAX	65536	/* of such a one */

/* All zero at first. */
struct forged {
	unsigned count;		/* fields there are */
	unsigned removed;	/* ... of them to be removed */
	bool excess;		/* there are too many, or too far behind */
	bool failed;		/* one could not be remembered */
	unsigned char *bits;
	size_t size;		/* of bits, in bytes */
};

/* One field more; is it to be removed? */
void forged_add(struct forged *, bool remove);

/* Is this one, from 1 to count? */
bool forged_has(const struct forged *, unsigned number);

/*
 * At the end of the message: remove them and count them
 * (forged_headers_total).  Returns MI_SUCCESS, or MI_FAILURE: one is still
 * there.
 */
int forged_remove(const struct forged *, SMFICTX *, const char *name);

/*
 * Of a message with an excess: log, count (forged_refused_total) and answer
 * 550 5.6.0.  Where the MTA takes a setreply.
 */
sfsistat forged_refuse(SMFICTX *);

/* Before the first thread: have the counters printed. */
void forged_add_stats(void);

/* It is all zero again. */
void forged_free(struct forged *);

#endif
