#ifndef BCCMILTER_SESSION_H
#define BCCMILTER_SESSION_H

#include <libmilter/mfapi.h>

#include "judge.h"

/*
 * session - what libmilter calls: a connection and its messages, and how a
 * verdict is carried out.
 */

/* Complete before the first session, and the same from then on. */
struct session_conf {
	struct judge *judge;
	int action;			/* enum action */
	const char *message;		/* of -rejectmessage; or NULL */
	int onerror;			/* enum onerror */
	int scanauth;			/* our users are judged, too */
};

extern struct smfiDesc session_filter;

/* Before the first session; conf must stay. */
void session_open(const struct session_conf *conf);

#endif
