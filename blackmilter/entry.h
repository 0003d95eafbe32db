#ifndef BLACKMILTER_ENTRY_H
#define BLACKMILTER_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/*
 * entry - what the short-term list knows of one client, and the rules for
 * it.  Plain values and a clock; no locks, no store.
 *
 * Times are seconds since the epoch, now is passed in by the caller.
 */
#define ENTRY_REASON_MAX	80	/* bytes of a reason, NUL included */
#define ENTRY_LONGEST		(7 * 86400)	/* seconds a listing can last */
#define ENTRY_WINDOW		3600	/* seconds in which reports add up */
#define ENTRY_MEMORY		(7 * 86400)	/* of a past listing */

enum entry_kind {
	ENTRY_NONE,
	ENTRY_WHITE,		/* until forgotten */
	ENTRY_BLACK,		/* until forgotten */
	ENTRY_REPORT		/* for a while */
};

struct entry {
	struct addr addr;	/* see entry_client() */
	enum entry_kind kind;
	int64_t expires;	/* REPORT: listed until then; 0: not yet */
	int64_t seconds;	/* REPORT: what the last listing was to last */
	int64_t since;		/* REPORT: when reports began to add up */
	uint32_t reports;	/* since then */
	char reason[ENTRY_REASON_MAX];
};

/*
 * The client an entry stands for: an IPv4 address, or the /64 of an IPv6
 * address, for that is what one customer has.
 */
struct addr entry_client(const struct addr *);

/* Is the client listed, either way? */
bool entry_is_listed(const struct entry *, int64_t now);

/* Listed, or counting towards it? */
bool entry_is_current(const struct entry *, int64_t now);

/* Is it over, and so long ago that nothing depends on it any more? */
bool entry_is_past(const struct entry *, int64_t now);

/* Cut to ENTRY_REASON_MAX. */
void entry_set_reason(struct entry *, const char *reason);

/*
 * One report more.  The client is listed for seconds, or for twice as long as
 * the last time if that is remembered, once threshold reports came within
 * ENTRY_WINDOW, which begins with the first of them.  A BLACK entry stays as it
 * is; WHITE ones are the caller's to spare.
 */
void entry_report(struct entry *, long threshold, int64_t seconds,
    const char *reason, int64_t now);

/*
 * After the clock was set back no listing may last longer than it was to.
 * True: the entry was changed.
 */
bool entry_check_clock(struct entry *, int64_t now);

/*
 * The form of an entry in the store, without its address: version, kind,
 * reports, three times, big-endian, and the reason.  decode returns -1 for
 * another version, size or kind and leaves the entry alone.
 */
#define ENTRY_VALUE_MAX		(2 + 4 + 3 * 8 + ENTRY_REASON_MAX)

size_t entry_encode(const struct entry *,
    unsigned char value[ENTRY_VALUE_MAX]);
int entry_decode(struct entry *, const void *value, size_t size);

#endif
