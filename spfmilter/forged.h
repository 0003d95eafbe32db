#ifndef SPFMILTER_FORGED_H
#define SPFMILTER_FORGED_H

#include <stdbool.h>
#include <stddef.h>

/*
 * forged - which of the header fields of one name, counted from 1, are to be
 * removed.  One thread.
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

/* It is all zero again. */
void forged_free(struct forged *);

#endif
