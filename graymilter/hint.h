#ifndef GRAYMILTER_HINT_H
#define GRAYMILTER_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

/*
 * hint - which clients were just found to speak for which domain (RFC 7208).
 *
 * spfmilter says so while its MTA waits for the answer to MAIL, just before
 * that MTA asks us; so a hint need not last long.  The table is of fixed size:
 * in a flood of hints an old one is lost, and its client is then known by its
 * network, as without.
 *
 * Times are seconds of any clock that runs forward, passed in.  Any thread.
 */
#define HINT_SECONDS	60	/* that a hint is good for */
#define HINT_MAX	4096	/* hints at a time */

struct hints;

/* NULL: out of memory.  hints_free(NULL) does nothing. */
struct hints *hints_new(void);
void hints_free(struct hints *);

/*
 * The client speaks for the domain, or (pass is false) does not.  -1: it is no
 * domain, and nothing is changed.
 */
int hints_set(struct hints *, const struct addr *, const char *domain,
    bool pass, int64_t now);

/* Was it said, in the last HINT_SECONDS, that it does? */
bool hints_find(struct hints *, const struct addr *, const char *domain,
    int64_t now);

#endif
