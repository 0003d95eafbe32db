#ifndef VIRUSMILTER_MEDIATYPE_H
#define VIRUSMILTER_MEDIATYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "mime.h"

/*
 * mediatype - what Content-Type says about the structure of a part (RFC 2045
 * 5.1, RFC 2231), read as tolerantly as mail readers do.
 *
 * Nothing here keeps state; any thread.
 */
struct mediatype {
	char type[MIME_TYPE_MAX];	/* "text/plain", lower case; "": none */
	char boundary[MIME_BOUNDARY_MAX];	/* without NUL */
	size_t boundary_size;		/* 0: there is none */
	bool too_long;			/* the boundary is, and left out */
	bool unclear;			/* some may read another boundary */
};

/* The value of the field, unfolded. */
void mediatype_read(struct mediatype *, const char *value);

#endif
