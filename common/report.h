#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include "addr.h"

/*
 * report - tell blackmilter of a client that gave itself away, through its
 * control socket and without letting anybody wait.
 *
 * A thread of its own sends what report_send() was given, in that order.
 * blackmilter may be down or hang: a report that has no answer is tried
 * REPORT_TRIES times while the others wait, so that a restart loses nothing;
 * one that is refused, for the client is on a white list there, is not tried
 * again.  When too many wait, the newest is dropped.  All is counted
 * (reports_sent_total, reports_failed_total, reports_dropped_total), and what
 * went wrong is logged once a minute.
 */
#define REPORT_WAITING_MAX	64	/* reports that wait */
#define REPORT_TRIES		2
#define REPORT_DEADLINE_MS	2000	/* for an answer */
#define REPORT_RETRY_SECONDS	5	/* between two tries */
#define REPORT_REASON_MAX	80	/* bytes with NUL; the rest is cut */

struct report;

/*
 * Starts the thread, so signals are to be blocked.  path must stay.  NULL
 * after a line in the log.
 */
struct report *report_new(const char *path);

/*
 * The client is to be refused for this many seconds, because of this: a few
 * words of text, cleaned here.  Returns at once.  Any thread.
 */
void report_send(struct report *, const struct addr *client, long seconds,
    const char *reason);

/*
 * Send no more: what waits is lost.  Returns when nothing is being sent, after
 * REPORT_DEADLINE_MS at most.  report_send() may still be called, and does
 * nothing.  NULL does nothing.
 */
void report_stop(struct report *);

#endif
