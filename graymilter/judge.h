#ifndef GRAYMILTER_JUDGE_H
#define GRAYMILTER_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "greylist.h"
#include "hint.h"
#include "iplist.h"
#include "mailboxes.h"
#include "tuple.h"

/*
 * judge - what is thought of a recipient: the lists that spare or betray, then
 * the greylist.
 *
 * Knows nothing of sessions.  Any thread, where nothing else is said.
 */
struct judge {
	/* The caller's to fill in. */
	struct greylist_conf conf;
	long prefix4, prefix6;		/* bits of a network */
	struct greylist *greylist;	/* NULL: nothing is known */

	struct iplist *clients;		/* white; listed: the suspects */
	bool only_suspects;		/* all others pass */
	struct mailboxes *senders, *recipients;		/* exempt */
	struct mailboxes *traps;
	struct hints *hints;
};

enum judge_by {
	JUDGE_NOTHING,		/* is to be judged further */

	/* Passes. */
	JUDGE_WHITELIST,
	JUDGE_UNSUSPECTED,
	JUDGE_SENDER,
	JUDGE_ROLE,		/* postmaster@, abuse@ */
	JUDGE_RECIPIENT,
	JUDGE_DELAYED,
	JUDGE_KNOWN,
	JUDGE_CARRIED,
	JUDGE_FRIEND,
	JUDGE_AUTOWHITE,

	/* Waits. */
	JUDGE_NEW,
	JUDGE_EARLY,
	JUDGE_TRAP,

	JUDGE_ERROR,		/* the greylist cannot say */
	JUDGE_BY_COUNT
};

struct verdict {
	enum judge_by by;
	int64_t seconds;	/* NEW, EARLY, TRAP: to wait; DELAYED: waited */
	const char *list;	/* the file, where a file decided; else NULL */
};

/* The files it reads, and what for. */
enum judge_list {
	JUDGE_WHITE_CLIENTS,
	JUDGE_SUSPECTS,
	JUDGE_SENDERS,
	JUDGE_RECIPIENTS,
	JUDGE_TRAPS
};

/*
 * First of all, before there are threads: make what it needs; then the files.
 * lenient: bad lines are passed over.  -1 after a line in the log.
 */
int judge_open(struct judge *);
int judge_add_file(struct judge *, enum judge_list, const char *path,
    int lenient);

/*
 * Read all files; -1 when one cannot be used, after a line in the log: then
 * what was read of its kind before stays in use.  Have any changed?  One
 * thread at a time, while others judge.
 */
int judge_load(struct judge *);
bool judge_changed(struct judge *, int settle);

/* Before the first thread: what is counted of lists and greylist. */
void judge_add_stats(struct judge *);

/* The word for the log. */
const char *judge_word(enum judge_by);

/* Has it to wait? */
bool judge_waits(enum judge_by);

/* At connect: WHITELIST, UNSUSPECTED or NOTHING.  host as in iplist_find(). */
void judge_client(const struct judge *, const struct addr *, const char *host,
    struct verdict *);

/* Of the sender: SENDER or NOTHING. */
void judge_sender(const struct judge *, const char *path, struct verdict *);

/* Of the recipient's own: ROLE, RECIPIENT, TRAP or NOTHING. */
void judge_recipient(const struct judge *, const char *path, struct verdict *);

/*
 * Whom the greylist is asked about: the client's network, or the sender's
 * domain when the client was found to speak for it; and the sender.
 */
void judge_set_tuple(const struct judge *, struct tuple *, const struct addr *,
    const char *sender, int64_t now);

/*
 * The greylist's answer for a whole tuple.  try is false: change nothing.
 */
void judge_tuple(const struct judge *, const struct tuple *, int64_t now,
    bool try, struct verdict *);

/*
 * All of it, for -why and the command "test": prints what is thought, and the
 * lines of files that speak of it; changes nothing.  host may be NULL.  Returns
 * 0 when it passes, 1 when it has to wait, -1 when the address is none.
 */
int judge_explain(const struct judge *, FILE *, const char *address,
    const char *sender, const char *recipient, const char *host);

#endif
