#ifndef VIRUSMILTER_ENCODEDWORD_H
#define VIRUSMILTER_ENCODEDWORD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * encodedword - encoded words, =?charset?B?...?= (RFC 2047 2), where they may
 * be and where they must not.  Any thread.
 */
#define ENCODEDWORD_CHARSET_MAX	64	/* bytes of its name; with more it is no
					 * encoded word */

/*
 * put is called for each byte of the text up to end, with its words decoded: to
 * UTF-8 from that, ASCII and ISO 8859-1, else to the bytes that are encoded.
 * Blanks between two words are left out.  A word may have blanks in it, and one
 * that lacks its end goes on to that of the text.
 */
void encodedword_decode(const char *text, const char *end,
    void (*put)(void *arg, unsigned char), void *arg);

/* Is the name of a charset that of ISO 8859-1? */
bool encodedword_is_latin1(const char *charset, size_t size);

/* The byte that two hexadecimal digits before end stand for; -1: none. */
int encodedword_hex(const char *p, const char *end);

#endif
