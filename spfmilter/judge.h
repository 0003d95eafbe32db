#ifndef SPFMILTER_JUDGE_H
#define SPFMILTER_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "dns.h"
#include "fallback.h"
#include "header.h"
#include "iplist.h"
#include "reply.h"
#include "resolver.h"
#include "spf.h"

/*
 * judge - what is thought of a client and of the two names it goes by, and what
 * is done about it.
 *
 * Knows nothing of sessions.  Any thread, where nothing else is said.
 */
struct judge {
	/* The caller's to fill in. */
	int check_helo;			/* the HELO identity of all, not only
					 * where MAIL FROM is "<>" */
	int ask_why;			/* as in struct spf_question */
	const char *explanation;
	const char *guess;		/* a record for domains without */
	const char *localpolicy;	/* ... and one to ask after a fail or
					 * softfail; each or NULL */
	int action[SPF_RESULTS];	/* enum action */

	struct iplist *clients;		/* white */
	struct fallback *fallback;
	struct resolver *resolver;
};

enum judge_exempt {
	JUDGE_NOT_EXEMPT,
	JUDGE_WHITELIST,
	JUDGE_PRIVATE		/* RFC 1918, 3927, 4193, 6598, link-local */
};

/* Of one identity. */
struct opinion {
	bool there;		/* it was checked */
	struct spf_answer answer;
	const char *source;	/* whose record it was: as in header_facts */
};

/* Of a message: MAIL FROM and, where it was asked for, HELO. */
struct verdict {
	struct opinion helo, mail;
	bool by_helo;		/* which of them decides */
	enum spf_result result;	/* what it is taken for: as it is, but for a
				 * fail that is unsure, which is a temperror */
	enum action action;
};

#define JUDGE_SENDER_MAX	700	/* bytes of a sender; of a longer one
					 * only the domain is kept */

/* Who is judged. */
struct claim {
	const struct addr *client;
	const char *helo;	/* "": none was said */
	const char *sender;	/* without brackets; "" is <> */
	const char *receiver;	/* our name */
};

/* The files it reads, and what for. */
enum judge_list { JUDGE_WHITE_CLIENTS, JUDGE_FALLBACK };

/*
 * First of all, before there are threads: make what it needs; then the files.
 * lenient: bad lines are passed over.  -1 after a line in the log.
 */
int judge_open(struct judge *, int lenient);
int judge_add_file(struct judge *, enum judge_list, const char *path);

/*
 * Read all files, and resolv.conf; -1 when one cannot be used, after a line in
 * the log: then what was read of its kind before stays in use.  Have any
 * changed?  One thread at a time, while others judge.
 */
int judge_load(struct judge *);
bool judge_changed(struct judge *, int settle);

/* Before the first thread: what is counted of lists and resolver. */
void judge_add_stats(struct judge *);

/* At connect.  host as in iplist_find(). */
enum judge_exempt judge_client(const struct judge *, const struct addr *,
    const char *host);

/* The word for the log. */
const char *judge_exempt_word(enum judge_exempt);

/* The sender of a claim, from a path: the mailbox without brackets. */
void judge_set_sender(char out[JUDGE_SENDER_MAX], const char *path);

/* Does this claim need the HELO identity? */
bool judge_needs_helo(const struct judge *, const struct claim *);

/*
 * One identity: what is published, or else -fallback, or else -guess (of which
 * only a pass counts, and not for HELO); and after a fail or softfail, the
 * local policy (of which only a pass counts).
 */
void judge_identity(const struct judge *, struct dns *, const struct claim *,
    bool helo, struct opinion *);

/*
 * The verdict on the opinions that are in it: a HELO that fails decides, else
 * MAIL FROM where it is there, else HELO (RFC 7208 2.3, 2.4).  Nobody is
 * refused for good because the DNS was silent.
 */
void judge_decide(const struct judge *, struct verdict *);

/* The opinion that decides. */
const struct opinion *judge_deciding(const struct verdict *);

/*
 * Is the client an MX of this recipient's domain?  path as in an envelope.  1,
 * 0, or -1 when the DNS does not say.
 */
int judge_recipient_mx(struct dns *, const struct addr *, const char *path);

/*
 * What is written of the identities that were checked, HELO first; valid as
 * long as claim and verdict.  Returns how many.
 */
int judge_facts(struct header_facts facts[2], const struct claim *,
    const struct verdict *);

/*
 * A reply's text, not yet cleaned: what is wrong and, where there is one, the
 * explanation, said to be the domain's when it is.  Returns out.
 */
const char *judge_reason(char *out, size_t size, const struct claim *,
    const struct verdict *);

/*
 * All of it, for -why and the command "test": prints the questions to the DNS,
 * with their answers and how long they took, the verdict, and the header
 * fields.  sender is a path.  deadline: seconds.  Returns 0 when it would pass
 * or be marked, 1 when it would be turned away, -1 when the address is none.
 */
int judge_explain(const struct judge *, FILE *, long deadline,
    const char *address, const char *helo, const char *sender,
    const char *receiver);

#endif
