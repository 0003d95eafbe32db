#ifndef GRAYMILTER_RECORD_H
#define GRAYMILTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tuple.h"

/*
 * record - what the greylist knows of a tuple, and the rules: who waits, who
 * passes, what is over.  Plain values and a clock; no store, no locks.
 *
 * Times are seconds since the epoch; now is passed in.  A time in a record
 * that lies in the future, because the clock was set back, is taken for now
 * wherever a record is changed, so that nobody waits longer than the delay
 * from then on; unless it lies there by more than retry or expire: then it is
 * wrong, and what depends on it is over.  A clock at 0 is written as -1.
 */
struct record {
	int64_t first;		/* seen first; NETWORK: since pending counts */
	int64_t last;		/* let through last; 0: never */
	int64_t hold;		/* seconds its first message was held up */
	uint32_t count;		/* messages let through; NETWORK: that count
				 * towards autowhite; UINT32_MAX and no more */
	uint32_t pending;	/* NETWORK only: tuples that still wait */
};

struct record_rules {
	long delay;		/* seconds until a stranger is let through */
	long retry;		/* that a tuple waits for it to come back */
	long expire;		/* without use until a known one is forgotten */
	long autowhite;		/* messages; 0: never */
	long pending_max;	/* tuples of one network that wait at a time */
};

#define RECORD_BY_HAND	UINT32_MAX	/* count of a NETWORK that was chosen */
#define RECORD_HOUR	3600	/* a network's messages count once in it */

enum record_verdict {
	RECORD_NEW,		/* begins to wait now */
	RECORD_EARLY,		/* waits */
	RECORD_DELAYED,		/* has waited: let through for the first time */
	RECORD_KNOWN		/* let through before */
};

/*
 * CLIENT, PAIR and TRIPLET: it is tried to send.  A record of zeros is a new
 * one.  One that has waited longer than retry, or was let through and not used
 * for longer than expire, begins anew.  *left becomes the seconds still to
 * wait, at least 1, or 0 when it is let through.
 */
enum record_verdict record_try(struct record *, const struct record_rules *,
    int64_t now, int64_t *left);

/*
 * The message goes through, whatever this tuple would say: remember it as
 * known from now on.  True when it waited until now.
 */
bool record_pass(struct record *, const struct record_rules *, int64_t now);

/*
 * NETWORK: have enough of its messages passed, or was it chosen, and is it
 * still in use?
 */
bool record_is_white(const struct record *, const struct record_rules *,
    int64_t now);

/*
 * NETWORK: a message of it passed.  Counted once in RECORD_HOUR; of one that
 * is white, last is renewed as often.  With autowhite 0 only one that was
 * chosen is renewed.  False: nothing is changed, so that it need not be
 * written.
 */
bool record_count(struct record *, const struct record_rules *, int64_t now);

/*
 * NETWORK: a tuple with this first does not wait any more.  One that pending
 * does not count, because it is older than pending, is not taken off it:
 * false, and nothing is changed.
 */
bool record_settle(struct record *, int64_t first);

/* NETWORK: it is white from now on, whatever autowhite is. */
void record_whiten(struct record *, int64_t now);

/*
 * NETWORK: may one more of its tuples begin to wait?  If so it is counted.
 * pending starts anew when it has added up for as long as retry.  Those it
 * counted until then may still wait, but none that is older; so no more than
 * twice pending_max wait at a time.
 */
bool record_begin(struct record *, const struct record_rules *, int64_t now);

/* FRIEND: may it still write back? */
bool record_is_friend(const struct record *, const struct record_rules *,
    int64_t now);

/* Does nothing depend on it any more, so that it is as good as none? */
bool record_is_past(enum tuple_kind, const struct record *,
    const struct record_rules *, int64_t now);

/*
 * Both know something of the same tuple: first is the lesser of the two that
 * are not 0, all else the greater.  The order does not matter, nor how often.
 */
void record_merge(struct record *, const struct record *other);

/*
 * The form in the store: version, size, then the fields, big-endian.  decode
 * returns -1 for another version or size; then the record is as it was.
 */
#define RECORD_VALUE_SIZE	(2 + 3 * 8 + 2 * 4)

void record_encode(const struct record *,
    unsigned char value[RECORD_VALUE_SIZE]);
int record_decode(struct record *, const void *value, size_t size);

/*
 * The form in a dump, one line without its end:
 *
 *	load KIND CLIENT SENDER RECIPIENT FIRST LAST HOLD COUNT PENDING
 *
 * with "-" for parts the kind does not have, and only for these: a text "-"
 * is "\x2d".  Returns out.
 */
#define RECORD_LINE_MAX	(5 + 8 + 3 * TUPLE_PRINT_MAX + 3 * 21 + 2 * 11 + 10)

const char *record_print(char out[RECORD_LINE_MAX], enum tuple_kind,
    const struct tuple *, const struct record *);

/*
 * And back, from what stands behind "load ".  text is written to.  Returns the
 * kind, or -1 with *wrong saying why; any number of blanks may stand between
 * words.  A record that is past, or has a time before 0, is read as it is.
 */
int record_scan(struct tuple *, struct record *, char *text,
    const char **wrong);

#endif
