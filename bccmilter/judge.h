#ifndef BCCMILTER_JUDGE_H
#define BCCMILTER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "addr.h"
#include "addrlist.h"
#include "alias.h"
#include "iplist.h"
#include "mailboxes.h"
#include "recipients.h"

/*
 * judge - is a message openly addressed to those it goes to?
 *
 * Knows nothing of sessions.  Any thread, where nothing else is said.
 */
enum judge_policy {
	POLICY_NONE,		/* act when none of them is shown */
	POLICY_ANY		/* ... when any of them is hidden */
};

#define JUDGE_POLICY_WORDS	"none|any"

/* Who is on which list. */
enum judge_list {
	JUDGE_WHITE_CLIENTS,
	JUDGE_SENDERS,		/* exempt */
	JUDGE_RECIPIENTS,	/* exempt */
	JUDGE_LOCAL,		/* the only recipients that are judged */
	JUDGE_LISTS,		/* the only mailing lists that are exempt */
	JUDGE_ALIASES
};

#define JUDGE_ALIASES_MAX	200000	/* of a message, through -alias; what
					 * is behind them is unknown */

struct judge {
	int policy;			/* the caller's to fill in */

	struct iplist *clients;
	struct mailboxes *senders, *recipients, *local, *lists;
	struct alias *aliases;
	bool only_local, only_lists;	/* such files are there */
};

/* In the order in which they are asked. */
enum judge_by {
	JUDGE_NOTHING,		/* is to be judged further */

	/* Passes. */
	JUDGE_WHITELIST,
	JUDGE_BOUNCE,		/* the null sender */
	JUDGE_SENDER,
	JUDGE_NOBODY,		/* no recipient is to be judged */
	JUDGE_OPEN,		/* none is hidden, or not all are */
	JUDGE_AUTOMATIC,	/* Auto-Submitted (RFC 3834) */
	JUDGE_LIST,		/* List-Id (RFC 2919), List-Post (RFC 2369) */
	JUDGE_RESENT,		/* RFC 5322 3.6.6 */
	JUDGE_UNKNOWN,		/* there is what could not be read */

	/* Is acted upon. */
	JUDGE_NONE_LISTED,	/* nobody is shown */
	JUDGE_SOME_LISTED,	/* somebody is hidden */
	JUDGE_NO_RECIPIENTS,	/* no address is shown at all */
	JUDGE_BY_COUNT
};

/* What is known of one message.  All zero at first; one thread. */
struct letter {
	struct recipients recipients;	/* that are judged */
	struct recipients others;	/* that are not: with POLICY_NONE one
					 * of them that is shown is enough, for
					 * the mark would be in his copy, too */
	struct addrlist fields;
	enum shown field;		/* that is being read */
	const struct judge *judge;	/* who reads it */
	struct recipients *to;		/* where the next is added */
	bool unknown;			/* a recipient could not be read, or
					 * not be compared with who is shown */
	bool idn_recipient;		/* one has several forms */
	bool automatic, list, resent;
	unsigned long aliases;		/* that were found */
};

struct verdict {
	enum judge_by by;
	size_t shown, hidden;	/* recipients */
};

/*
 * First of all, before there are threads: make what it needs; then the files.
 * lenient: bad lines are passed over.  -1 after a line in the log.
 */
int judge_open(struct judge *, int lenient);
int judge_add_file(struct judge *, enum judge_list, const char *path);

/*
 * Read all files; -1 when one cannot be used, after a line in the log: then
 * what was read of its kind before stays in use.  Have any changed?  One
 * thread at a time, while others judge.
 */
int judge_load(struct judge *);
bool judge_changed(struct judge *, int settle);

/* Before the first thread: what is counted of lists. */
void judge_add_stats(struct judge *);

/* The word for the log, which is that of the header, too. */
const char *judge_word(enum judge_by);

/* Is it acted upon? */
bool judge_acts(enum judge_by);

/* At connect: WHITELIST or NOTHING.  host as in iplist_find(). */
enum judge_by judge_client(const struct judge *, const struct addr *,
    const char *host);

/* At MAIL: BOUNCE, SENDER or NOTHING. */
enum judge_by judge_sender(const struct judge *, const char *path);

/* Is this recipient judged; and if not, why? */
enum judge_spared {
	SPARED_NOT,
	SPARED_ROLE,		/* postmaster@, abuse@ */
	SPARED_RECIPIENT,	/* on a list of those exempt */
	SPARED_ELSEWHERE	/* not on a list of those that are local */
};

enum judge_spared judge_spares(const struct judge *, const char *path);

/* At RCPT: one more of those it goes to, if it is judged. */
void judge_recipient(const struct judge *, struct letter *, const char *path);

/* A field of the header, after the last recipient. */
void judge_header(const struct judge *, struct letter *, const char *name,
    const char *value);

/* At the end of the header. */
void judge_decide(const struct judge *, struct letter *, struct verdict *);

/* All zero again. */
void letter_free(struct letter *);

#endif
