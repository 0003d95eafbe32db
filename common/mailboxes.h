#ifndef COMMON_MAILBOXES_H
#define COMMON_MAILBOXES_H

#include <stdbool.h>
#include <stdio.h>

/*
 * mailboxes - list files of envelope addresses, searched as one set and
 * reloaded as one.
 *
 * A line is one of these:
 *
 *	joe@example.org		this address
 *	joe@			this local part, in any domain or in none
 *	@example.org		any address of this domain
 *	example.org		the same; without the @ it has a dot in it
 *	.example.org		any address of this domain or of one below it
 *
 * or empty, or a comment that begins with # or ;.  A comment may also stand
 * behind an entry, with a blank between.  Blanks around an entry, CR LF, a
 * byte order mark and a last line without its newline are no fault.
 *
 * ASCII letters are compared without case, other bytes as they are.  Of
 * joe+news@example.org both the whole and joe@example.org are looked up; a +
 * in the first place begins no detail.  "joe"@example.org in quotes is
 * joe@example.org (RFC 5321 4.1.2); a local part with blanks, an @ or what
 * else is not an atom's is listed in quotes.
 *
 * Bad lines are, besides what is none of these, a domain whose last label is a
 * number, for that is a list of clients, and one longer than
 * MAILBOXES_DOMAIN_MAX.
 */
#define MAILBOXES_FILES_MAX	63
#define MAILBOXES_LINE_MAX	1022	/* bytes; a longer line is a bad line */
#define MAILBOXES_DOMAIN_MAX	255	/* bytes; RFC 5321 4.5.3.1.2 */

struct mailboxes;

/*
 * Before the first thread: a set without files; then the files, in the order
 * that decides which is named when several match.  path must stay.  A path
 * that is given twice counts once.  -1: too many, after a line in the log.
 */
struct mailboxes *mailboxes_new(void);
int mailboxes_add_file(struct mailboxes *, const char *path);

/* A bad line is counted, logged once a file and passed over. */
void mailboxes_lenient(struct mailboxes *);

/*
 * Read all files and, if all are good, use them from now on.  Returns 0, or
 * -1 after one line in the log that names the file, the line and what is
 * wrong with it; what was loaded before then stays in use as it was.  The
 * faults are those of listfiles_read(), and more than 4 GB of addresses.
 *
 * One thread at a time; searches go on meanwhile.
 */
int mailboxes_load(struct mailboxes *);

/* As iplist_changed().  Same thread as mailboxes_load(). */
bool mailboxes_changed(struct mailboxes *, int settle);

/*
 * Search for an envelope address, with or without its angle brackets: the path
 * of the first list that has an entry for it, or NULL.  The null sender "<>"
 * is never listed.  Any thread.
 */
const char *mailboxes_find(struct mailboxes *, const char *path);

/* Is nothing listed: are there no files, or only files without an entry? */
bool mailboxes_is_empty(struct mailboxes *);

/*
 * For -why: read the files once more and print every line that speaks of this
 * address, as "PATH:LINE: TEXT".
 */
void mailboxes_explain(struct mailboxes *, FILE *, const char *path);

/*
 * Entries in use and bad lines of each file, under the names of these metrics;
 * NULL: not that one.  Prints nothing for a set without files.
 */
void mailboxes_stats(FILE *, struct mailboxes *, const char *entries_name,
    const char *bad_lines_name);

/* Nothing may be searching any more. */
void mailboxes_free(struct mailboxes *);

#endif
