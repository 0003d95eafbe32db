#ifndef BLACKMILTER_JUDGE_H
#define BLACKMILTER_JUDGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "entry.h"
#include "iplist.h"
#include "reply.h"
#include "shortlist.h"

/*
 * judge - what is thought of a client, and the words for it.
 *
 * Knows lists and clocks and nothing of sessions.  The caller fills in the
 * first part before there are threads; then any thread may call.
 */
enum judge_by {
	JUDGE_NOTHING,
	JUDGE_BLACKLIST,
	JUDGE_SHORTLIST,
	JUDGE_SHED,
	JUDGE_BY_COUNT
};

struct judge {
	struct iplist *lists;
	struct shortlist *shortlist;
	int action;		/* enum action, for what is on a list */
	int all_lists;		/* in the log, not only the first */
	long shed;		/* percent of the clients sent away */
	long shedload;		/* only while the load is above; 0: always */

	atomic_int shedding;	/* the load is above now */
	atomic_uint turn;	/* clients that shedding was asked about */
	atomic_ullong hits[IPLIST_FILES_MAX + 1];	/* by list */
	atomic_ullong overlaps[IPLIST_FILES_MAX + 1];
};

struct verdict {
	enum judge_by by;	/* the first of the reasons to act */
	bool exempt;		/* on a white list, and so by does not count */
	uint64_t white, listed, shadow;	/* of the list files */
	char reason[ENTRY_REASON_MAX];	/* of the short-term list */
};

/*
 * Look the client up.  host is its name if that is known to be its own, else
 * NULL.  Counts and changes nothing.
 */
void judge(const struct judge *, const struct addr *, const char *host,
    int64_t now, struct verdict *);

/*
 * For a client that was judged and is not exempt: log and count it if it is
 * on a shadow list, and choose it for shedding if it is its turn and there is
 * no other reason to act.
 */
void judge_turn(struct judge *, const struct addr *, struct verdict *);

/* What is to be done with a client that is not exempt. */
enum action judge_action(const struct judge *, const struct verdict *);

/* Is there something to be done that is said in reply to a command? */
bool judge_is_due(const struct judge *, const struct verdict *);

/* Carried out: count it, for its lists and in verdicts_total. */
void judge_count(struct judge *, const struct verdict *, enum action);

/* What the client may be told of why: a file's name, or what was reported. */
const char *judge_public_name(const struct judge *, const struct verdict *);

/*
 * The start of a log line: "verdict=reject by=blacklist list=PATH".  by is
 * taken from the verdict when NULL.  Returns out, cut to size.
 */
const char *judge_print(const struct judge *, const struct verdict *,
    const char *verdict, const char *by, char *out, size_t size);

/* About once a second: look at the load. */
void judge_tick(struct judge *);

/* Before the first thread: the counters. */
void judge_add_stats(struct judge *);

#endif
