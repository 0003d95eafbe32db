#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/*
 * clock - the time since some moment in the past, which nobody can set: for
 * deadlines and for how long something took.  Any thread.
 */
int64_t clock_us(void);		/* microseconds */
long clock_ms(void);		/* milliseconds */

#endif
