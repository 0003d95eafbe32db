#ifndef VIRUSMILTER_MIME_H
#define VIRUSMILTER_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "decode.h"

/*
 * mime - the parts of a message (RFC 2045, 2046), read as it comes: nested
 * multiparts, messages in messages, decoded content.
 *
 * Nothing is kept but the boundaries that are open and the field at hand.  Mail
 * readers disagree about broken messages; where they do, a part is rather seen
 * than missed, and what may be seen otherwise is said to be unscannable.
 *
 * One thread an object.
 */
#define MIME_DEPTH_MAX		16	/* multiparts and messages inside each
					 * other; clamd looks no deeper */
#define MIME_PARTS_MAX		2000
#define MIME_FIELD_MAX		16384	/* bytes of a field, unfolded */
#define MIME_HEADER_MAX		262144	/* bytes of the header of a part */
#define MIME_BOUNDARY_MAX	200	/* bytes; RFC 2046 allows 70 */
#define MIME_TYPE_MAX		80	/* bytes with NUL; the rest is cut */

struct mime_part {
	char type[MIME_TYPE_MAX];	/* "text/plain", lower case */
	enum encoding encoding;
	int depth;			/* 0: the message itself */
};

/* The caller's, called with arg.  Text and bytes are valid until it returns. */
struct mime_handler {
	/*
	 * A field of the header of the message or of a part; folds are taken
	 * out (RFC 5322 2.2.3), control bytes are as they were, but no NUL.
	 */
	void (*field)(void *arg, const char *name, const char *value);

	/* That header is over. */
	void (*begin)(void *arg, const struct mime_part *);

	/*
	 * The content of the part, decoded; not of those that consist of
	 * parts.  Behind its last line a line end may be too much.
	 */
	void (*content)(void *arg, const unsigned char *bytes, size_t size);

	/* It is over; the part inside was before that which it is in. */
	void (*end)(void *arg);

	/*
	 * A line of a text that begins a uuencoded file of this name (POSIX
	 * uuencode); the file itself is content like the rest.
	 */
	void (*uuencoded)(void *arg, const char *name);
};

struct mime;

/* handler must stay.  NULL when out of memory; nothing is allocated later. */
struct mime *mime_new(const struct mime_handler *handler, void *arg);

/*
 * A field of the message's own header, as libmilter has it: without the colon
 * and a first blank, perhaps folded.
 */
void mime_field(struct mime *, const char *name, const char *value);

/* The end of that header; then the body, in pieces of any size; its end. */
void mime_end_header(struct mime *);
void mime_body(struct mime *, const unsigned char *bytes, size_t size);
void mime_end(struct mime *);

/*
 * From content(): the rest of this part need not be handed over, nor be
 * decoded.
 */
void mime_skip(struct mime *);

/*
 * Why the message cannot be scanned wholly, in a few words, a constant text;
 * NULL: it can.  The first reason counts; what can be read is read on.
 */
const char *mime_unscannable(const struct mime *);

void mime_free(struct mime *);

#endif
