#ifndef BLACKMILTER_SHORTLIST_H
#define BLACKMILTER_SHORTLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "entry.h"

/*
 * shortlist - the short-term list: clients listed at run time, with a time at
 * which each is forgiven.
 *
 * Searches look at memory only.  With a store every change is on its way to
 * disk before it is acknowledged; while the store is down changes hold in
 * memory and are written when it is back.  A store that was down at first is
 * read then, and what memory has by that time counts for more.
 *
 * Times are seconds, now is passed in by the caller (time(2)).  Any thread.
 */
#define SHORTLIST_MAX		250000	/* entries, some 160 bytes each */

struct shortlist;

/*
 * Empty, in memory.  A report counts when threshold of them came within
 * ENTRY_WINDOW.  NULL: out of memory.
 */
struct shortlist *shortlist_new(long threshold);

/*
 * Once, before other threads: read the store in directory and keep it up to
 * date from now on.  Returns 0, or -1 after a line in the log when the store
 * cannot be opened; one that is only down now is no fault.
 */
int shortlist_open(struct shortlist *, const char *directory, int64_t now);

/* No change is accepted any more; the store is closed.  Searches go on. */
void shortlist_close(struct shortlist *);

/*
 * WHITE, BLACK or REPORT when the address is listed now; the reason is
 * copied then.  NONE also for an entry that is over or not yet counts.
 */
enum entry_kind shortlist_find(struct shortlist *, const struct addr *,
    int64_t now, char reason[ENTRY_REASON_MAX]);

/* What a change has to say. */
enum shortlist_result {
	SHORTLIST_DONE,
	SHORTLIST_UNCHANGED,	/* nothing to do: forget of what is not there */
	SHORTLIST_EXEMPT,	/* a report of a client that is WHITE here */
	SHORTLIST_FULL,		/* SHORTLIST_MAX entries */
	SHORTLIST_CLOSED
};

/* WHITE or BLACK, whatever there was. */
enum shortlist_result shortlist_set(struct shortlist *, const struct addr *,
    enum entry_kind, const char *reason);

/*
 * Somebody saw this client misbehave: list it for seconds (1 to
 * ENTRY_LONGEST), or, when it was listed before and that is remembered,
 * for twice as long as then.  entry becomes what is now known of it; its
 * expires is 0 while the threshold is not reached.  A BLACK one stays that.
 */
enum shortlist_result shortlist_report(struct shortlist *,
    const struct addr *, int64_t seconds, const char *reason, int64_t now,
    struct entry *entry);

enum shortlist_result shortlist_forget(struct shortlist *,
    const struct addr *);

/*
 * Is the store not read yet?  Then there may be more than what is found, and
 * what is forgotten can come back.
 */
bool shortlist_is_unread(struct shortlist *);

/* Forget all.  Returns how many there were. */
size_t shortlist_flush(struct shortlist *);

/*
 * Call each() for every entry that is listed or being counted, in no order,
 * holding no lock; an entry that changes meanwhile is seen either way.
 */
void shortlist_walk(struct shortlist *, int64_t now,
    void (*each)(const struct entry *, void *arg), void *arg);

/* About once a second: forget what is over, write what was held back. */
void shortlist_tick(struct shortlist *, int64_t now);

/* For stats_add_printer(). */
void shortlist_stats(FILE *, void *shortlist);

#endif
