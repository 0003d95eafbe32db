#ifndef VIRUSMILTER_SCAN_H
#define VIRUSMILTER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "filename.h"
#include "globs.h"
#include "signatures.h"

/*
 * scan - a message looked through by our own rules, as it comes: names of
 * attachments, what they begin with, names inside a zip, signatures.
 *
 * What is found has a name: that of the signature, or one of
 *
 *	Milter.Name.exe		an attachment with such a name
 *	Milter.Zip.exe		a zip has one inside
 *	Milter.Content.MZ	an attachment that begins as such a program
 *
 * What is ignored by its name is as if it were not there.
 *
 * It takes SCAN_BYTES of memory for a message, however large that is.
 */
#define SCAN_BYTES	(96 << 10)	/* more or less */
#define SCAN_NAME_MAX	80		/* of what is found, with NUL */

struct scan_rules {
	struct signatures *signatures;
	struct globs *ignored;
};

enum scan_result {
	SCAN_CLEAN,
	SCAN_UNSCANNABLE,	/* a bound was reached, or it is broken */
	SCAN_INFECTED
};

struct scan_finding {
	enum scan_result result;
	char name[SCAN_NAME_MAX];	/* INFECTED: see above; UNSCANNABLE:
					 * why, a few words; else empty */
	char file[FILENAME_MAX_BYTES];	/* of the attachment; or empty */
	bool malign;			/* nobody does this by mistake; a plain
					 * program is not of this kind */
};

/* One message; one thread at a time. */
struct scan;

/*
 * rules must stay.  out: what is seen is told there, for -why; NULL: nowhere.
 * NULL when out of memory.
 */
struct scan *scan_new(const struct scan_rules *rules, FILE *out);

/*
 * A field of the message's header, as libmilter has it; the end of the header;
 * the body in pieces of any size; its end.  What is malign replaces what is
 * not; after that the rest does nothing.
 */
void scan_field(struct scan *, const char *name, const char *value);
void scan_end_header(struct scan *);
void scan_body(struct scan *, const unsigned char *bytes, size_t size);
void scan_end(struct scan *);

/* After the header: does it consist of parts of any kind (multipart/mixed)? */
bool scan_is_mixed(const struct scan *);

/* What is known by now.  Valid until scan_free(). */
const struct scan_finding *scan_finding(const struct scan *);

void scan_free(struct scan *);

#endif
