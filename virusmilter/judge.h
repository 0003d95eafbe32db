#ifndef VIRUSMILTER_JUDGE_H
#define VIRUSMILTER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "addr.h"
#include "clamd.h"
#include "emergency.h"
#include "globs.h"
#include "iplist.h"
#include "reply.h"
#include "scan.h"
#include "signatures.h"

/*
 * judge - is there a worm in a message?  Our own rules first, then clamd.
 *
 * Knows nothing of sessions.  Any thread, where nothing else is said.
 */
struct judge {
	/* The caller's to fill in. */
	struct clamd *clamd;		/* NULL: our own rules only */
	struct emergency *emergency;
	size_t maxscan;			/* bytes of a message for clamd */
	int action;			/* enum action: what is infected;
					 * NONE: nothing is changed at all */
	int unscannable;		/* enum action: what cannot be read */
	int onerror;			/* enum onerror: what no clamd saw */

	struct iplist *clients;		/* white */
	struct scan_rules rules;
};

/* The files it reads, and what for. */
enum judge_list { JUDGE_WHITE_CLIENTS, JUDGE_SIGNATURES, JUDGE_IGNORED };

enum judge_by {
	JUDGE_CLEAN,
	JUDGE_RULES,		/* infected: our own rules say so */
	JUDGE_CLAMD,		/* infected: clamd does */
	JUDGE_EMERGENCY,	/* it has attachments, in an emergency */
	JUDGE_UNSCANNABLE,
	JUDGE_DOWN,		/* no clamd could say */
	JUDGE_BY_COUNT
};

struct verdict {
	enum judge_by by;
	char name[CLAMD_NAME_MAX];	/* RULES, CLAMD, EMERGENCY: of what was
					 * found; UNSCANNABLE, DOWN: why */
	char file[FILENAME_MAX_BYTES];	/* RULES: of the attachment; or "" */
	bool malign;			/* the client is to be reported */
	bool asked;			/* clamd has seen it, and said so */
	bool partial;			/* ... its beginning only */
};

/*
 * One message on its way through.  All zero at first: no memory is taken until
 * it comes, for a client may be long in coming.  One thread at a time.
 */
struct letter {
	struct scan *scan;
	struct clamd_scan *clamd;
	size_t sent;			/* bytes for clamd */
	bool partial;
	bool failed;			/* there was no memory */
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

/* Before the first thread: what is counted of lists and clamd. */
void judge_add_stats(struct judge *);

/* The word for the log. */
const char *judge_word(enum judge_by);

bool judge_is_infected(enum judge_by);

/* What is done then, MARK where only the header says something; its word. */
enum action judge_action(const struct judge *, enum judge_by);
const char *judge_action_word(const struct judge *, enum judge_by);

/* At connect: is it on a white list?  host as in iplist_find(). */
bool judge_spares(const struct judge *, const struct addr *,
    const char *host);

/*
 * Before the first field, or the end of the header when there is none; later
 * it does nothing.  out is for -why, see scan_new().  Returns -1 when out of
 * memory, and the rest does nothing then, but for the end: DOWN.
 */
int letter_begin(const struct judge *, struct letter *, FILE *out);
void letter_field(const struct judge *, struct letter *, const char *name,
    const char *value);

/*
 * At the end of the header: CLEAN, so far; RULES, or EMERGENCY, unless the
 * client is trusted.
 */
void letter_end_header(const struct judge *, struct letter *, bool trusted,
    struct verdict *);

void letter_body(const struct judge *, struct letter *,
    const unsigned char *bytes, size_t size);

/* At the end.  wait() as in clamd_finish(). */
void letter_end(const struct judge *, struct letter *, void (*wait)(void *),
    void *arg, struct verdict *);

/* All zero again. */
void letter_free(struct letter *);

#endif
