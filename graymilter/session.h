#ifndef GRAYMILTER_SESSION_H
#define GRAYMILTER_SESSION_H

#include <libmilter/mfapi.h>

#include "judge.h"
#include "report.h"

/*
 * session - what libmilter calls: a connection and its messages, and how a
 * verdict is carried out.
 */

/* What is done with a stranger; the words of -action. */
enum session_action { SESSION_TEMPFAIL, SESSION_MARK, SESSION_NONE };

/* Complete before the first session, and the same from then on. */
struct session_conf {
	struct judge *judge;
	struct report *report;	/* of clients that mail a trap; or NULL */
	long report_seconds;	/* that they are to be refused */
	const char *message;	/* of -rejectmessage; or NULL */
	int action;		/* enum session_action */
	int onerror;		/* enum onerror */
	int quiet;		/* the seconds left are nobody's business */
	int learn;		/* recipients of our users may write back */
	int scanauth;		/* our users are judged, too */
	int traps;		/* there are files of them */
};

extern struct smfiDesc session_filter;

/* Before the first session; conf must stay. */
void session_open(const struct session_conf *conf);

#endif
