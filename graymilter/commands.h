#ifndef GRAYMILTER_COMMANDS_H
#define GRAYMILTER_COMMANDS_H

#include "control.h"

/*
 * commands - the control commands of graymilter; each is explained in its
 * row.  Their arg is the struct judge.
 */
extern const struct control_command commands[];

#endif
