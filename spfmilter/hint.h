#ifndef SPFMILTER_HINT_H
#define SPFMILTER_HINT_H

#include "addr.h"

/*
 * hint - tell graymilter, through its control socket, for which domain a client
 * was just found to speak.
 *
 * It has to be there before the MTA asks graymilter, so the caller waits; but
 * not long, for graymilter can do without: when no answer came in time, no hint
 * is tried for HINT_PAUSE_SECONDS.  Nobody there costs no time, and no pause:
 * the first message after graymilter is back has its hint.  What is tried is
 * counted (hints_sent_total, hints_failed_total), and what went wrong is logged
 * once a minute.  Any thread.
 */
#define HINT_DEADLINE_MS	500
#define HINT_PAUSE_SECONDS	10

/* Before the first thread; path must stay. */
void hint_open(const char *path);

/* A pass.  Does nothing before hint_open(). */
void hint_send(const struct addr *, const char *domain);

#endif
