#ifndef BCCMILTER_WHY_H
#define BCCMILTER_WHY_H

#include <stdio.h>

#include "judge.h"

/*
 * why - a message judged for somebody who asks, by the same code, and where
 * each of its recipients was found.
 */

/* The recipients, as in an envelope, with or without brackets. */
struct why_recipients {
	char **path;
	int count;
};

/*
 * A message in a file, see common/mailfile.h; Return-Path tells of the sender.
 * path names it in the log.  Prints to out where the recipients are, and the
 * verdict; action is the word for what is done when it acts.  Returns 0 when
 * the message passes, 1 when it is acted upon, -1 after a line in the log: it
 * cannot be read.
 */
int why_message(const struct judge *, FILE *out, FILE *in, const char *path,
    const struct why_recipients *, const char *action);

/* The same for one that has nothing but a To with these addresses. */
int why_addresses(const struct judge *, FILE *out, const char *addresses,
    const struct why_recipients *, const char *action);

#endif
