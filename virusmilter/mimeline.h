#ifndef VIRUSMILTER_MIMELINE_H
#define VIRUSMILTER_MIMELINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * mimeline - what a line of a message is by its own look.
 *
 * Lines are size bytes with a NUL behind them, and may have others inside.
 * Nothing here keeps state; any thread.
 */

/* The size without those of these bytes that the line ends with. */
size_t mimeline_trim(const char *line, size_t size, const char *bytes);

bool mimeline_is_blank(char);

/* Does a field begin so (RFC 5322 2.2, 4.5.8)? */
bool mimeline_is_field(const char *line);

/* The line that mbox files have in front of a message. */
bool mimeline_is_envelope(const char *line);

/*
 * The name in "begin 644 NAME" or "begin-base64 644 NAME"; its size goes to
 * size.  NULL: it is no such line.
 */
const char *mimeline_file(const char *line, size_t *size);

#endif
