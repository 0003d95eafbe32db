#ifndef VIRUSMILTER_COMMANDS_H
#define VIRUSMILTER_COMMANDS_H

#include "control.h"

/*
 * commands - the control commands of virusmilter; each is explained in its row.
 * Their arg is the struct session_conf.
 */
extern const struct control_command commands[];

#endif
