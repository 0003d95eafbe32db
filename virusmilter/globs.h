#ifndef VIRUSMILTER_GLOBS_H
#define VIRUSMILTER_GLOBS_H

#include <stdbool.h>
#include <stdio.h>

/*
 * globs - list files of patterns for names of signatures.
 *
 * A line is a pattern as fnmatch(3) has it, compared without case, or empty, or
 * a comment that begins with # or ;.  A comment may also stand behind, with a
 * blank between.  CR LF, a byte order mark and a last line without its newline
 * are no fault.
 */
#define GLOBS_FILES_MAX		63
#define GLOBS_MAX		10000	/* patterns; more is an error */
#define GLOBS_LINE_MAX		1022	/* bytes; a longer line is a bad line */

struct globs;

/* As for the other lists; see common/mailboxes.h. */
struct globs *globs_new(void);
int globs_add_file(struct globs *, const char *path);
void globs_lenient(struct globs *);
int globs_load(struct globs *);
bool globs_changed(struct globs *, int settle);

/* Does a pattern fit?  Any thread. */
bool globs_match(struct globs *, const char *text);

/* For -why: print every line that fits, as "PATH:LINE: TEXT". */
void globs_explain(struct globs *, FILE *, const char *text);

/*
 * Patterns in use and bad lines of each file, under these names; nothing
 * without files.
 */
void globs_stats(FILE *, struct globs *, const char *entries_name,
    const char *bad_lines_name);

/* Nothing may be searching any more. */
void globs_free(struct globs *);

#endif
