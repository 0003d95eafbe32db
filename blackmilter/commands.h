#ifndef BLACKMILTER_COMMANDS_H
#define BLACKMILTER_COMMANDS_H

#include <stdio.h>

#include "control.h"
#include "judge.h"

/*
 * commands - the control commands of blackmilter; each is explained in its
 * row.  Their arg is the struct judge.
 */
extern const struct control_command commands[];

/*
 * Judge one client as at connect, but for nothing but the answer's sake, and
 * print one line like that in the log.  Returns 0 when it may pass, 1 when it
 * may not, -1 when address is none.  host as in judge().
 */
int commands_explain(const struct judge *, FILE *, const char *address,
    const char *host);

#endif
