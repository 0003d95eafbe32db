#ifndef VIRUSMILTER_SESSION_H
#define VIRUSMILTER_SESSION_H

#include <libmilter/mfapi.h>

#include "judge.h"
#include "report.h"

/*
 * session - what libmilter calls: a connection and its messages, and how a
 * verdict is carried out.
 */

/* Complete before the first session, and the same from then on. */
struct session_conf {
	struct judge *judge;
	const char *message;		/* of -rejectmessage; or NULL */
	const char *const *control;	/* NULL is there: nobody can say that
					 * it is an emergency */
	struct report *report;		/* NULL: nobody is told */
	long report_seconds;
};

extern struct smfiDesc session_filter;

/* Before the first session; conf must stay. */
void session_open(const struct session_conf *conf);

#endif
