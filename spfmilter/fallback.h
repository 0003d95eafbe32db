#ifndef SPFMILTER_FALLBACK_H
#define SPFMILTER_FALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * fallback - list files of SPF records for domains that publish none.
 *
 * A line is a domain, blanks, and what its record would be, with or without
 * "v=spf1" in front:
 *
 *	example.org		ip4:192.0.2.0/24 -all
 *	.example.org		v=spf1 mx ~all		any domain below it
 *	*			a/24 mx/24 ?all		any other
 *
 * or empty, or a comment that begins with # or ;.  Tabs are blanks, inside the
 * record, too; nothing may stand behind it.  The longest name that fits
 * decides, in whichever file it is; of two alike the first.  Names are compared
 * without case.  CR LF, a byte order mark and a last line without its newline
 * are no fault; a name that is none, no record, or one that spf_bad_record()
 * says is none, is a bad line.
 */
#define FALLBACK_FILES_MAX	63
#define FALLBACK_LINE_MAX	4000	/* bytes; a longer line is a bad line */
#define FALLBACK_RECORD_MAX	(FALLBACK_LINE_MAX + 8)	/* with "v=spf1 " */

struct fallback;

/*
 * Before the first thread: an object without files; then the files.  path must
 * stay.  A path that is given twice counts once.  -1: too many, after a line
 * in the log.
 */
struct fallback *fallback_new(void);
int fallback_add_file(struct fallback *, const char *path);

/* A bad line is counted, logged once a file and passed over. */
void fallback_lenient(struct fallback *);

/*
 * Read all files and, if all are good, use them from now on.  Returns 0, or
 * -1 after one line in the log that names the file, the line and what is
 * wrong with it; what was loaded before then stays in use as it was.  The
 * faults are those of listfiles_read().  One thread at a time; searches go on
 * meanwhile.
 */
int fallback_load(struct fallback *);
bool fallback_changed(struct fallback *, int settle);

/*
 * The record for this domain, with "v=spf1" in front: true, and it is in out;
 * false: there is none.  Any thread.
 */
bool fallback_find(struct fallback *, const char *domain,
    char out[FALLBACK_RECORD_MAX]);

/* For -why: print the line that decides, as "PATH:LINE: TEXT". */
void fallback_explain(struct fallback *, FILE *, const char *domain);

/* Records in use and bad lines of each file; nothing without files. */
void fallback_stats(FILE *, void *fallback);

/* Nothing may be searching any more. */
void fallback_free(struct fallback *);

#endif
