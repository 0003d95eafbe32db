#ifndef VIRUSMILTER_WHY_H
#define VIRUSMILTER_WHY_H

#include <stdio.h>

#include "judge.h"

/*
 * why - a message in a file scanned for somebody who asks, by the same code.
 *
 * Prints to out its parts, the names in it and all that is found, not only
 * what is found first, the lines of lists that name it, and the verdict.  path
 * names the file in the log.  Returns 0 when the message is let through, 1
 * when it is kept back; -1 after a line in the log: it cannot be read.
 */
int why_message(const struct judge *, FILE *out, FILE *in, const char *path);

#endif
