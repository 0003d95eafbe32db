#ifndef GRAYMILTER_GREYLIST_H
#define GRAYMILTER_GREYLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "record.h"
#include "tuple.h"

/*
 * greylist - the records of all tuples, in a store, and what they say of a
 * recipient.
 *
 * Any thread, but for open.  Times are seconds since the epoch and
 * passed in.
 */
struct greylist;

struct greylist_conf {
	const char *directory;	/* of the store; NULL: in memory only */
	size_t cache;		/* bytes */
	enum tuple_kind kind;	/* of the records: CLIENT, PAIR or TRIPLET */
	struct record_rules rules;
};

enum greylist_by {
	GREYLIST_NEW,		/* has to wait */
	GREYLIST_EARLY,		/* still has to */
	GREYLIST_DELAYED,	/* has waited; the rest are let through, too */
	GREYLIST_KNOWN,
	GREYLIST_FRIEND,	/* writes back */
	GREYLIST_AUTOWHITE,	/* its whole network is known */
	GREYLIST_DOWN		/* the store cannot say */
};

struct greylist_answer {
	enum greylist_by by;
	int64_t seconds;	/* NEW, EARLY: to wait; DELAYED: waited */
};

/*
 * Returns NULL after a line in the log.  conf and its directory must stay.  See
 * store_open().
 */
struct greylist *greylist_open(const struct greylist_conf *);

/*
 * Write all and close.  The object stays, for callbacks that may still be
 * running, and is down.  Ends in seconds: a store in which a caller hangs is
 * left to the recovery at the next start.  NULL does nothing.
 */
void greylist_close(struct greylist *);

/* It is tried to send this: may it pass?  Remembers that it was tried. */
void greylist_try(struct greylist *, const struct tuple *, int64_t now,
    struct greylist_answer *);

/* The same, and nothing is remembered. */
void greylist_test(struct greylist *, const struct tuple *, int64_t now,
    struct greylist_answer *);

/*
 * This recipient's message passes because of another recipient; from now on the
 * tuple is known.  -1: the store is down.
 */
int greylist_carry(struct greylist *, const struct tuple *, int64_t now);

/*
 * The recipient wrote to the sender, who may write back; an empty recipient:
 * may write to everybody.  -1: the store is down.
 */
int greylist_befriend(struct greylist *, const struct tuple *, int64_t now);

/* The client's network is known, as if enough of its messages had passed. */
int greylist_whiten(struct greylist *, const struct tuple *, int64_t now);

/*
 * A record from elsewhere: what it knows and we do not is added, unless it is
 * past.
 */
int greylist_merge(struct greylist *, enum tuple_kind, const struct tuple *,
    const struct record *, int64_t now);

/* Forget this record.  -1: the store is down. */
int greylist_forget(struct greylist *, enum tuple_kind, const struct tuple *);

/*
 * Call each() for every record, or every one that has to do with this client,
 * in the order of kinds, then of their texts.  each() may use the greylist.
 * -1: the store is down, or was closed meanwhile; then some were not seen.
 */
int greylist_walk(struct greylist *, const char *client,
    void (*each)(enum tuple_kind, const struct tuple *,
    const struct record *, void *arg), void *arg);

/* For stats_add_printer(). */
void greylist_stats(FILE *, void *greylist);

#endif
