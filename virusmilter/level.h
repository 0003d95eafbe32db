#ifndef VIRUSMILTER_LEVEL_H
#define VIRUSMILTER_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

#include "mime.h"

/*
 * level - a part, and what its header says about how it is to be read.
 *
 * Nothing here keeps state but in the object; one thread an object.
 */
enum structure {
	STRUCTURE_NONE,			/* content */
	STRUCTURE_MULTIPART,
	STRUCTURE_MESSAGE,
	STRUCTURE_PIECE,		/* message/partial */
	STRUCTURE_ELSEWHERE		/* message/external-body */
};

struct level {
	struct mime_part part;
	enum structure structure;
	bool typed, coded;		/* that field was there */
	bool open;			/* it has parts, its header is over */
	bool closed;			/* its last part is over */
	size_t boundary_size;		/* of a multipart; 0: none */
	char boundary[MIME_BOUNDARY_MAX];	/* without NUL */
};

/* What it is without a header: text, but a message in a digest. */
void level_begin(struct level *, int depth, bool in_digest);

/*
 * A field of its header, the value unfolded.  Returns NULL, or why it cannot
 * be scanned, a constant text.  Of several Content-Type fields the first
 * counts, and so with Content-Transfer-Encoding.
 */
const char *level_take_field(struct level *, const char *name,
    const char *value);

/* In base64 or quoted-printable. */
bool level_is_encoded(const struct level *);

/* May its content have uuencoded files in it? */
bool level_is_text(const struct level *);

/*
 * Is a line that begins with "--" a boundary (RFC 2046 5.1.1) of this part?
 * Given without those and without what may stand at its end, and not empty.
 */
enum boundary {
	BOUNDARY_NONE,
	BOUNDARY_SIMILAR,		/* it goes on */
	BOUNDARY_BETWEEN,
	BOUNDARY_LAST
};

enum boundary level_match(const struct level *, const char *line,
    size_t size);

#endif
