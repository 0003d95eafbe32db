#ifndef SPFMILTER_CHANNEL_H
#define SPFMILTER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "dns.h"
#include "nameserver.h"

/*
 * channel - questions to name servers, one after the other (c-ares).
 *
 * Any thread; one thread at a time for one channel.  ares_library_init() comes
 * before the first.
 */
#define CHANNEL_TRIES		2	/* each server, if there is time */
#define CHANNEL_EDNS_SIZE	1232	/* bytes of UDP; more come by TCP */

struct channel;

/*
 * timeout_ms: until the next server is asked; the second time round it is twice
 * as long.  NULL: out of memory.
 */
struct channel *channel_new(int timeout_ms);

/* NULL does nothing. */
void channel_free(struct channel *);

struct channel_outcome {
	const struct dns_answer *answer;	/* the caller's to release */
	bool spoke;		/* a server did, if only to say no */
	int silent;		/* then: as many before it had not, in time */
	const char *trouble;	/* none spoke, or all refuse us: why; or NULL */
};

/*
 * Ask these servers, in this order; the next one also when one cannot say.  It
 * is over at the deadline.  No sockets are open before it and after it.
 */
void channel_ask(struct channel *, const struct nameservers *,
    const struct nameserver_order *, const char *name, enum dns_type,
    int64_t deadline_us, struct channel_outcome *);

#endif
