#ifndef BCCMILTER_ALIAS_H
#define BCCMILTER_ALIAS_H

#include <stdbool.h>
#include <stdio.h>

/*
 * alias - list files of addresses that stand for recipients: who is written to
 * there is openly addressed here.
 *
 * A line is what may stand in To, and then whom it stands for; without that,
 * everybody:
 *
 *	joe@example.net		joe@example.org ann@example.org
 *	@example.net		@example.org	the same local part there
 *	.example.net		joe@example.org
 *	staff@example.org
 *
 * In the first place stands an address, a domain as @example.net or with a dot
 * in it as example.net, or .example.net for all below it and itself.  Behind
 * it stand addresses or domains, the latter only behind a domain: then the
 * local part has to be the same.  Or the line is empty, or a comment that
 * begins with # or ;.  A comment may also stand behind, with a blank between.
 * Blanks around, CR LF, a byte order mark and a last line without its newline
 * are no fault.  What is none of these is a bad line, as is a domain whose
 * last label is a number.
 *
 * Addresses are compared as addrlist gives them: without case and detail.  All
 * lines that speak of an address count, in all files.
 */
#define ALIAS_FILES_MAX		63
#define ALIAS_LINE_MAX		1022	/* bytes; a longer line is a bad line */

struct alias;

/*
 * Before the first thread: an object without files; then the files.  path must
 * stay.  A path that is given twice counts once.  -1: too many, after a line
 * in the log.
 */
struct alias *alias_new(void);
int alias_add_file(struct alias *, const char *path);

/* A bad line is counted, logged once a file and passed over. */
void alias_lenient(struct alias *);

/*
 * Read all files and, if all are good, use them from now on.  Returns 0, or
 * -1 after one line in the log that names the file, the line and what is
 * wrong with it; what was loaded before then stays in use as it was.  The
 * faults are those of listfiles_read().  One thread at a time; searches go on
 * meanwhile.
 */
int alias_load(struct alias *);
bool alias_changed(struct alias *, int settle);

/*
 * Whom an address, in addrlist's form, stands for: take is called with each
 * recipient's address in the same form, or with NULL: everybody.  take must
 * not search.  Any thread.
 */
void alias_find(struct alias *, const char *address,
    void (*take)(void *arg, const char *recipient), void *arg);

/*
 * For -why: read the files once more and print every line by which this
 * address stands for this recipient, as "PATH:LINE: TEXT".  Both in addrlist's
 * form.
 */
void alias_explain(struct alias *, FILE *, const char *address,
    const char *recipient);

/* Entries in use and bad lines of each file; nothing without files. */
void alias_stats(FILE *, void *alias);

/* Nothing may be searching any more. */
void alias_free(struct alias *);

#endif
