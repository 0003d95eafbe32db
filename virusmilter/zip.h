#ifndef VIRUSMILTER_ZIP_H
#define VIRUSMILTER_ZIP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * zip - the names inside a zip, as its bytes come and without unpacking any:
 * those of the local headers and those of the central directory, for readers
 * go by the one or by the other.
 *
 * A header is looked for at every byte, so neither wrong sizes nor bytes in
 * front hide one; and one that a compressed file happens to contain is only
 * taken when its fields make sense.
 *
 * One thread an object.
 */
#define ZIP_NAME_MAX	512	/* bytes with NUL; of a longer name the
				 * beginning is left out */
#define ZIP_NAMES_MAX	20000	/* more: excess */

/* All zero at first. */
struct zip {
	unsigned char header[46];	/* the part of a header that came */
	size_t size;			/* of that */
	size_t name_left;		/* bytes of a name that are to come */
	size_t name_size;
	char name[ZIP_NAME_MAX];
	unsigned names;
	bool excess;			/* there are more names */
};

/* size more bytes; take is called with each name, which has no NUL in it. */
void zip_read(struct zip *, const unsigned char *bytes, size_t size,
    void (*take)(void *arg, const char *name), void *arg);

#endif
