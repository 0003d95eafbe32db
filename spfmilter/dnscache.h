#ifndef SPFMILTER_DNSCACHE_H
#define SPFMILTER_DNSCACHE_H

#include <stdint.h>

#include "dns.h"

/*
 * dnscache - answers of the DNS for as long as they are good.
 *
 * Names are compared without case and without a last dot.  In shards, each
 * with a lock that is held for a search and no longer.  A shard that is full
 * forgets what was not asked for longest.  Any thread.
 */
#define DNSCACHE_TTL_MIN	5	/* seconds; so long lasts a TTL of 0 */
#define DNSCACHE_TTL_MAX	3600
#define DNSCACHE_NONE_MAX	300	/* for NO_NAME and NO_DATA */

struct dnscache;

/* bytes: of memory, for answers and all.  NULL: out of memory. */
struct dnscache *dnscache_new(size_t bytes);

/* Nobody may be using it; NULL does nothing. */
void dnscache_free(struct dnscache *);

/*
 * now is seconds of any clock that runs forward.  get: held for the caller, or
 * NULL.  put: holds it itself; a TROUBLE, and one too large for a shard, is
 * not kept.
 */
const struct dns_answer *dnscache_get(struct dnscache *, const char *name,
    enum dns_type, int64_t now);
void dnscache_put(struct dnscache *, const char *name, enum dns_type,
    const struct dns_answer *, int64_t now);

/* Forget all. */
void dnscache_flush(struct dnscache *);

/* What is kept now: answers, and the bytes they take. */
struct dnscache_size {
	size_t answers, bytes;
};

struct dnscache_size dnscache_size(struct dnscache *);

#endif
