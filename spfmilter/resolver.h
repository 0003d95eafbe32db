#ifndef SPFMILTER_RESOLVER_H
#define SPFMILTER_RESOLVER_H

#include <stdint.h>

#include "dns.h"
#include "options.h"

/*
 * resolver - the DNS, asked through name servers (c-ares), with a cache and a
 * deadline that holds whatever they do.
 *
 * Each check has a channel of its own, made when the cache does not know an
 * answer; so one that hangs delays nobody else.  Checks that wait for a server
 * are limited in number, and more are told DNS_TROUBLE at once, for each of
 * them keeps one of libmilter's threads.
 *
 * Any thread; one thread at a time for one lookup.
 */
#define RESOLVER_WAITING_MAX	200	/* checks that wait for a server */
#define RESOLVER_TRY_MS		2000	/* until the next server is asked; less
					 * if else there is no time for all */

struct channel;
struct resolver;

/*
 * servers: "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1", in
 * the order they are asked, NAMESERVERS_MAX at most; none: those of
 * resolv.conf(5), after the first resolver_load().  cache: bytes.  NULL after a
 * line in the log that names the server that is none.  Before the first thread.
 */
struct resolver *resolver_new(const struct options_list *servers,
    size_t cache);

/* No lookup may be open; NULL does nothing. */
void resolver_free(struct resolver *);

/*
 * Read resolv.conf again, unless servers were given.  Returns 0, or -1 after
 * a line in the log; then the old servers stay.  Has it changed since?  One
 * thread at a time, beside lookups.
 */
int resolver_load(struct resolver *);
bool resolver_changed(struct resolver *, int settle);

/* A check that is under way.  All of it is the resolver's. */
struct resolver_lookup {
	struct dns dns;		/* the first member: this is what to ask */
	struct resolver *resolver;
	int64_t deadline_us;	/* of clock_us() */
	struct channel *channel;	/* NULL: none needed yet */
	bool waits;		/* it is one of RESOLVER_WAITING_MAX */
	bool turned_away;	/* it would have been one too many */
	unsigned asked;		/* questions that left this machine */
};

/*
 * From now until the deadline questions may be asked through lookup->dns; after
 * it each is answered with DNS_TROUBLE at once.  end: gives back what it held.
 */
void resolver_begin(struct resolver *, struct resolver_lookup *,
    int64_t deadline_us);
void resolver_end(struct resolver_lookup *);

/* Forget all answers. */
void resolver_flush(struct resolver *);

/* Before the first thread: have queries, cache and those waiting printed. */
void resolver_add_stats(struct resolver *);

#endif
