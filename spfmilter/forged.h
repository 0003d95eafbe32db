#ifndef SPFMILTER_FORGED_H
#define SPFMILTER_FORGED_H

#include <stdbool.h>
#include <stddef.h>

/*
 * forged - which of the header fields of one name, counted from 1, are to be
 * removed.  One thread.
 */
#define FORGED_MAX	65536	/* fields of one name; no MTA takes so many */

/* All zero at first. */
struct forged {
	unsigned count;		/* fields there are */
	bool failed;		/* one to be removed could not be remembered */
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
