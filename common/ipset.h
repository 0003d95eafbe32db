#ifndef COMMON_IPSET_H
#define COMMON_IPSET_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/*
 * ipset - which of up to 64 lists is this address on?
 *
 * A set is built once from networks and never changes afterwards, so any
 * number of threads may search it without a lock.  One search answers for
 * all lists at once: bit n of the result is list n.
 *
 * IPv4 clients are held by IPv4 networks alone, those of 96 and more bits.
 * Every network of every list counts: an address inside 10.0.0.0/8 of list 1
 * and 10.1.0.0/16 of list 2 is on both.
 *
 * Only some hundred different combinations of lists (IPSET_CLASSES_MAX) can be
 * held.  Should there be more, a combination loses some of its lists: those
 * that are not below keep_below first, its lowest list never.  Give white lists
 * the lowest numbers, then nobody is refused by it and nobody escapes.
 */
#define IPSET_LISTS_MAX		64
#define IPSET_CLASSES_MAX	1023

struct ipset;
struct ipset_builder;

/* NULL when out of memory.  The caller ends it with build or cancel. */
struct ipset_builder *ipset_begin(void);

/*
 * bits as in addr.h; bits of the address after them are ignored.  Returns 0,
 * or -1 when out of memory, the builder being unchanged.
 */
int ipset_add(struct ipset_builder *, const struct addr *, int bits, int list);

/* The builder is gone afterwards, in any case.  NULL when out of memory. */
struct ipset *ipset_build(struct ipset_builder *, int keep_below);

void ipset_cancel(struct ipset_builder *);
void ipset_free(struct ipset *);

/* The lists that hold the address; 0 for none. */
uint64_t ipset_find(const struct ipset *, const struct addr *);

/* Bytes held, all in all. */
size_t ipset_size(const struct ipset *);

#endif
