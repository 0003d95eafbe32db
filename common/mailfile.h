#ifndef COMMON_MAILFILE_H
#define COMMON_MAILFILE_H

#include <stddef.h>
#include <stdio.h>

/*
 * mailfile - a message in a file, for -why: its header as an MTA hands it to a
 * filter, and where its body begins.
 *
 * An mbox's "From " line and CR LF are no fault.  The header ends at an empty
 * line or at the first line that is no part of a field.  One thread.
 */
#define MAILFILE_HEADER_MAX	(8 << 20)	/* bytes; what is behind is
						 * taken for body */

struct mailfile_field {
	const char *name, *value;	/* the value may be folded; one blank
					 * in front of it is left out */
};

struct mailfile {
	struct mailfile_field *field;
	size_t count;
	const char *body;	/* as far as it was read; the rest of it is
				 * what can still be read from the FILE */
	size_t body_size;
	char *text;		/* all of that stands here */
};

/*
 * Read the header.  path names the file in the log.  Returns 0, or -1 after a
 * line in the log.
 */
int mailfile_read(struct mailfile *, FILE *in, const char *path);

void mailfile_free(struct mailfile *);

#endif
