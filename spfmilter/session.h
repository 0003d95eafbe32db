#ifndef SPFMILTER_SESSION_H
#define SPFMILTER_SESSION_H

#include <libmilter/mfapi.h>

#include "judge.h"

/*
 * session - what libmilter calls: a connection and its messages, and how a
 * verdict is carried out.
 */

/* Complete before the first session, and the same from then on. */
struct session_conf {
	struct judge *judge;
	long deadline;			/* seconds for the DNS, at MAIL and at
					 * each RCPT of recipientmx */
	const char *authserv_id;	/* NULL: the macro j */
	const char *message;		/* of -rejectmessage; or NULL */
	int onerror;			/* enum onerror */
	int recipientmx;		/* a recipient's MX may send anything */
	int scanauth;			/* our users are judged, too */
	int dryrun;			/* change nothing of any message */
};

extern struct smfiDesc session_filter;

/* Before the first session; conf must stay. */
void session_open(const struct session_conf *conf);

#endif
