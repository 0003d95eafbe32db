#ifndef VIRUSMILTER_FILENAME_H
#define VIRUSMILTER_FILENAME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * filename - the names of attachments, and which of them are programs.
 *
 * Nothing here keeps state; any thread.
 */
#define FILENAME_MAX_BYTES	1024	/* of a name, with NUL; of a longer
					 * one the beginning is left out, for
					 * what matters stands at its end */

/*
 * The names that a field gives a part: the parameter "name" of Content-Type and
 * "filename" of Content-Disposition (and either in the other, for some readers
 * look there); plain, quoted, encoded as RFC 2231 has it (charset, percent,
 * continuations in any order) and as RFC 2047 forbids but everybody does
 * (encoded words, inside quotes, too).  take is called for each of them, once
 * for each way it may be read.  They are UTF-8 where the charset is that,
 * ASCII or ISO 8859-1, else the bytes as they are; without NUL.  Other fields
 * have none.
 */
void filename_find(const char *field, const char *value,
    void (*take)(void *arg, const char *name), void *arg);

/* What is wrong with a name. */
struct filename_verdict {
	char extension[20];	/* that of the program, lower case */
	bool disguised;		/* it pretends to be something else: an
				 * extension of a document before it, a row of
				 * blanks, characters that are not shown or
				 * turn the direction of writing */
};

/*
 * Would a desktop run it?  The last extension counts as the system sees it:
 * trailing dots, blanks and control characters off, what follows a NUL, a
 * colon (an NTFS stream) too; the one before it as well when the last is one
 * that desktops strip.  Fullwidth letters count as what they look like.
 */
bool filename_is_program(const char *name, struct filename_verdict *);

/* Is it the name of a zip, whatever its content begins with? */
bool filename_is_zip(const char *name);

#endif
