#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "record.h"

#define TIME_MAX	((int64_t)1 << 40)	/* in a dump; the year 36812 */
#define VALUE_VERSION	1

/* --- the clock, which may say anything */

/* Seconds between two times, whichever is the earlier. */
static int64_t
distance(int64_t a, int64_t b)
{
	int64_t least = a < b ? a : b, greatest = a < b ? b : a;

	if (least < 0 && greatest > INT64_MAX + least)
		return INT64_MAX;
	return greatest - least;
}

/* Seconds since then; none when that is still to come. */
static int64_t
since(int64_t then, int64_t now)
{
	return then < now ? distance(then, now) : 0;
}

/*
 * Now as it stands in a record.  There 0 means never, so it becomes the second
 * before: nobody waits longer for that.
 */
static int64_t
stamp(int64_t now)
{
	return now != 0 ? now : -1;
}

/* Does it lie in the future? */
static bool
is_ahead(int64_t time, int64_t now)
{
	return time != 0 && time > now;
}

/*
 * Has it been, and no longer than seconds ago?  As far ahead may a time lie
 * that was written before the clock was set back.
 */
static bool
is_recent(int64_t time, long seconds, int64_t now)
{
	return time != 0 && distance(time, now) <= seconds;
}

/* --- what was tried to be sent */

static bool
is_over(const struct record *r, const struct record_rules *rules, int64_t now)
{
	if (r->last != 0)
		return !is_recent(r->last, rules->expire, now);
	return !is_recent(r->first, rules->retry, now);
}

/*
 * What is over begins anew, and what began in the future begins now.  True when
 * it is a new one.
 */
static bool
renew(struct record *r, const struct record_rules *rules, int64_t now)
{
	bool is_new = is_over(r, rules, now);

	if (is_new)
		*r = (struct record){ .first = stamp(now) };
	if (r->first == 0 || is_ahead(r->first, now))
		r->first = stamp(now);
	return is_new;
}

static void
let_through(struct record *r, int64_t now)
{
	if (r->last == 0)
		r->hold = since(r->first, now);
	r->last = stamp(now);
	if (r->count < UINT32_MAX)
		r->count++;
}

enum record_verdict
record_try(struct record *r, const struct record_rules *rules, int64_t now,
    int64_t *left)
{
	bool is_new = renew(r, rules, now), is_known = r->last != 0;
	int64_t waited = since(r->first, now);

	if (!is_known && waited < rules->delay) {
		*left = rules->delay - waited;
		return is_new ? RECORD_NEW : RECORD_EARLY;
	}
	*left = 0;
	let_through(r, now);
	return is_known ? RECORD_KNOWN : RECORD_DELAYED;
}

bool
record_pass(struct record *r, const struct record_rules *rules, int64_t now)
{
	bool is_new = renew(r, rules, now), is_known = r->last != 0;

	let_through(r, now);
	return !is_new && !is_known;
}

/* --- what is known besides */

bool
record_is_white(const struct record *r, const struct record_rules *rules,
    int64_t now)
{
	return (r->count == RECORD_BY_HAND ||
	    (rules->autowhite > 0 && r->count >= rules->autowhite)) &&
	    is_recent(r->last, rules->expire, now);
}

bool
record_count(struct record *r, const struct record_rules *rules, int64_t now)
{
	if (rules->autowhite == 0 && r->count != RECORD_BY_HAND)
		return false;
	if (!is_recent(r->last, rules->expire, now)) {
		r->last = 0;
		r->count = 0;
	}
	if (is_ahead(r->last, now)) {
		/* Or nothing would count until the clock is there again. */
		r->last = stamp(now);
		return true;
	}
	if (r->last != 0 && since(r->last, now) < RECORD_HOUR)
		return false;
	r->last = stamp(now);
	if (r->count < RECORD_BY_HAND - 1)
		r->count++;
	return true;
}

void
record_whiten(struct record *r, int64_t now)
{
	r->last = stamp(now);
	r->count = RECORD_BY_HAND;
}

bool
record_settle(struct record *r, int64_t first)
{
	bool is_pending = first >= r->first && r->pending > 0;

	r->pending -= is_pending;
	return is_pending;
}

/* Does what is pending still count?  At first + retry it does not. */
static bool
is_pending(const struct record *r, const struct record_rules *rules,
    int64_t now)
{
	return is_recent(r->first, rules->retry, now) &&
	    since(r->first, now) < rules->retry;
}

bool
record_begin(struct record *r, const struct record_rules *rules, int64_t now)
{
	if (!is_pending(r, rules, now)) {
		r->first = stamp(now);
		r->pending = 0;
	}
	if (is_ahead(r->first, now))
		r->first = stamp(now);
	if (r->pending >= rules->pending_max)
		return false;
	r->pending++;
	return true;
}

bool
record_is_friend(const struct record *r, const struct record_rules *rules,
    int64_t now)
{
	return is_recent(r->last, rules->expire, now);
}

bool
record_is_past(enum tuple_kind kind, const struct record *r,
    const struct record_rules *rules, int64_t now)
{
	switch (kind) {
	case TUPLE_CLIENT:
	case TUPLE_PAIR:
	case TUPLE_TRIPLET:
		return is_over(r, rules, now);
	case TUPLE_NETWORK:
		return !is_recent(r->last, rules->expire, now) &&
		    (r->pending == 0 || !is_pending(r, rules, now));
	case TUPLE_FRIEND:
		return !record_is_friend(r, rules, now);
	case TUPLE_KINDS:
		break;
	}
	return true;
}

void
record_merge(struct record *r, const struct record *other)
{
	if (r->first == 0 || (other->first != 0 && other->first < r->first))
		r->first = other->first;
	if (other->last > r->last)
		r->last = other->last;
	if (other->hold > r->hold)
		r->hold = other->hold;
	if (other->count > r->count)
		r->count = other->count;
	if (other->pending > r->pending)
		r->pending = other->pending;
}

/* --- the form in the store */

void
record_encode(const struct record *r, unsigned char value[RECORD_VALUE_SIZE])
{
	unsigned char *p = value;

	*p++ = VALUE_VERSION;
	*p++ = RECORD_VALUE_SIZE;
	p = bytes_put(p, (uint64_t)r->first, 8);
	p = bytes_put(p, (uint64_t)r->last, 8);
	p = bytes_put(p, (uint64_t)r->hold, 8);
	p = bytes_put(p, r->count, 4);
	bytes_put(p, r->pending, 4);
}

int
record_decode(struct record *r, const void *value, size_t size)
{
	const unsigned char *p = value;

	if (size != RECORD_VALUE_SIZE || p[0] != VALUE_VERSION ||
	    p[1] != RECORD_VALUE_SIZE)
		return -1;
	r->first = (int64_t)bytes_get(p + 2, 8);
	r->last = (int64_t)bytes_get(p + 10, 8);
	r->hold = (int64_t)bytes_get(p + 18, 8);
	r->count = (uint32_t)bytes_get(p + 26, 4);
	r->pending = (uint32_t)bytes_get(p + 30, 4);
	return 0;
}

/* --- the form in a dump */

/* "-" is no part, so the text "-" has to look otherwise. */
static const char *
print_part(char out[TUPLE_PRINT_MAX], bool has, const char *text)
{
	if (!has)
		return "-";
	return strcmp(text, "-") == 0 ? "\\x2d" : tuple_print(out, text);
}

const char *
record_print(char out[RECORD_LINE_MAX], enum tuple_kind kind,
    const struct tuple *t, const struct record *r)
{
	char client[TUPLE_PRINT_MAX], sender[TUPLE_PRINT_MAX];
	char recipient[TUPLE_PRINT_MAX];

	snprintf(out, RECORD_LINE_MAX, "load %s %s %s %s %" PRId64 " %" PRId64
	    " %" PRId64 " %" PRIu32 " %" PRIu32, tuple_word(kind),
	    print_part(client, tuple_has(kind, TUPLE_OF_CLIENT), t->client),
	    print_part(sender, tuple_has(kind, TUPLE_OF_SENDER), t->sender),
	    print_part(recipient, tuple_has(kind, TUPLE_OF_RECIPIENT),
	    t->recipient),
	    r->first, r->last, r->hold, r->count, r->pending);
	return out;
}

enum { KIND, PARTS, NUMBERS = PARTS + 3, WORDS = NUMBERS + 5 };

/* Cut text into words; how many there are, but no more than WORDS + 1. */
static int
split(char *text, char *word[WORDS])
{
	char *next;
	int count = 0;

	while (count <= WORDS && (next = strsep(&text, " \t")) != NULL) {
		if (*next == '\0')
			continue;
		if (count < WORDS)
			word[count] = next;
		count++;
	}
	return count;
}

/* "-" must stand where the kind has no such part, and nowhere else. */
static int
scan_part(char out[TUPLE_TEXT_MAX + 1], bool has, const char *word)
{
	if (has == (strcmp(word, "-") == 0))
		return -1;
	return has ? tuple_scan(out, word) : 0;
}

/* Digits and nothing else; a '-' before them where min is below 0. */
static int
scan_number(int64_t *n, const char *word, int64_t min, int64_t max)
{
	const char *digits = word + (min < 0 && word[0] == '-');
	intmax_t value;
	char *end;

	if (*digits < '0' || *digits > '9')
		return -1;
	errno = 0;
	value = strtoimax(word, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -1;
	*n = value;
	return 0;
}

/* The five numbers; what is wrong, or NULL. */
static const char *
scan_numbers(struct record *r, char *const word[5])
{
	int64_t count, pending;

	if (scan_number(&r->first, word[0], -TIME_MAX, TIME_MAX) == -1)
		return "FIRST is no time";
	if (scan_number(&r->last, word[1], -TIME_MAX, TIME_MAX) == -1)
		return "LAST is no time";
	if (scan_number(&r->hold, word[2], -TIME_MAX, TIME_MAX) == -1)
		return "HOLD is no number of seconds";
	if (scan_number(&count, word[3], 0, UINT32_MAX) == -1)
		return "COUNT is no number";
	if (scan_number(&pending, word[4], 0, UINT32_MAX) == -1)
		return "PENDING is no number";
	r->count = (uint32_t)count;
	r->pending = (uint32_t)pending;
	return NULL;
}

static const char *
scan_parts(struct tuple *t, enum tuple_kind kind,
    char *const word[TUPLE_PARTS])
{
	if (scan_part(t->client, tuple_has(kind, TUPLE_OF_CLIENT),
	    word[TUPLE_OF_CLIENT]) == -1)
		return "not a CLIENT of this kind";
	if (scan_part(t->sender, tuple_has(kind, TUPLE_OF_SENDER),
	    word[TUPLE_OF_SENDER]) == -1)
		return "not a SENDER of this kind";
	if (scan_part(t->recipient, tuple_has(kind, TUPLE_OF_RECIPIENT),
	    word[TUPLE_OF_RECIPIENT]) == -1)
		return "not a RECIPIENT of this kind";
	return NULL;
}

int
record_scan(struct tuple *t, struct record *r, char *text, const char **wrong)
{
	char *word[WORDS];
	int count = split(text, word), kind;
	struct tuple tuple = { .client = "" };
	struct record record;

	*wrong = count < WORDS ? "words are missing" : "too many words";
	if (count != WORDS)
		return -1;
	*wrong = "no such KIND";
	if ((kind = tuple_kind(word[KIND])) == -1)
		return -1;
	*wrong = scan_parts(&tuple, (enum tuple_kind)kind, word + PARTS);
	if (*wrong == NULL)
		*wrong = scan_numbers(&record, word + NUMBERS);
	if (*wrong != NULL)
		return -1;
	*t = tuple;
	*r = record;
	return kind;
}
