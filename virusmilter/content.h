#ifndef VIRUSMILTER_CONTENT_H
#define VIRUSMILTER_CONTENT_H

#include <stddef.h>

/*
 * content - what a file is, by its first bytes, whatever its name.
 */
#define CONTENT_BYTES	64	/* that have to be seen, if there are as many */

/*
 * The kind of program that begins so: "MZ" (DOS, Windows), "ELF", "Mach-O",
 * "LNK", ...; NULL: none.  A text that begins with the letters of one is none.
 */
const char *content_program(const unsigned char *first, size_t size);

/* Does a zip begin so (with or without entries)? */
int content_is_zip(const unsigned char *first, size_t size);

#endif
