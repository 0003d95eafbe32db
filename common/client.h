#ifndef COMMON_CLIENT_H
#define COMMON_CLIENT_H

#include <libmilter/mfapi.h>

#include "addr.h"

/*
 * client - is this client exempt, and by what?
 *
 * The same answer for every milter of the suite.  Any thread.
 */
enum client_exempt {
	CLIENT_JUDGED,		/* by nothing: it is to be judged */
	CLIENT_LOCAL,		/* no address: a local submission */
	CLIENT_LOOPBACK,
	CLIENT_WHITELISTED,	/* the milter says so itself, of its lists */
	CLIENT_AUTHENTICATED,	/* RFC 4954 */
	CLIENT_VERIFIED,	/* a certificate that the MTA verified */
	CLIENT_EXEMPT_COUNT
};

/* The word for the log. */
const char *client_exempt_word(enum client_exempt);

/*
 * At connect: the address, and LOCAL, LOOPBACK or JUDGED.  For LOCAL the
 * address is left alone.
 */
enum client_exempt client_connect(struct addr *, const struct sockaddr *);

/*
 * At connect: host when the MTA found that the name is the client's, else
 * NULL.  sendmail and Postfix look up the name's addresses and pass "[1.2.3.4]"
 * or "unknown" when the client's is not among them; where the macro
 * {client_resolve} is to be had it must say OK, too.
 */
const char *client_host(SMFICTX *, const char *host);

/* At MAIL or later: AUTHENTICATED, VERIFIED or JUDGED. */
enum client_exempt client_mail(SMFICTX *);

/* The macros the last two look at, for smfi_setsymlist(). */
#define CLIENT_MACROS_CONNECT	"{client_resolve}"
#define CLIENT_MACROS_MAIL	"{auth_authen} {verify}"

/* Count an exemption (exempt_total{why=...}); JUDGED counts nothing. */
void client_count(enum client_exempt);

/* Before the first thread: have the counters printed. */
void client_add_stats(void);

#endif
