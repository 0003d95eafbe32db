/*
 * Entries of the short-term list.  First the record a store might hold, as
 * the list treats it: read, checked against the clock, written again.  Then
 * the life of an entry, told by the rest of the input: four bytes a step.
 */
#include <stdbool.h>

#include "entry.h"
#include "fuzz.h"

#define START		1700000000	/* what the clock says at first */
#define THRESHOLD_MAX	4
#define DAY		86400

static void
check_rules(const struct entry *e, int64_t now)
{
	bool listed = entry_is_listed(e, now);

	CHECK(memchr(e->reason, '\0', sizeof e->reason) != NULL);
	if (listed)
		CHECK(entry_is_current(e, now));
	if (entry_is_past(e, now))
		CHECK(!entry_is_current(e, now));
	if (e->kind == ENTRY_WHITE || e->kind == ENTRY_BLACK)
		CHECK(listed && !entry_is_past(e, now));
	if (e->kind == ENTRY_NONE)
		CHECK(!listed && !entry_is_past(e, now));
}

/* Once the clock was checked, no report lasts and none is kept for ever. */
static void
check_end(const struct entry *e, int64_t now)
{
	int64_t over = now + ENTRY_LONGEST + 1;

	CHECK(e->expires <= now + e->seconds && e->seconds >= 0);
	CHECK(e->seconds <= ENTRY_LONGEST && e->since <= now);
	if (e->kind != ENTRY_REPORT)
		return;
	CHECK(!entry_is_listed(e, over));
	CHECK(entry_is_past(e, over + ENTRY_WINDOW + ENTRY_MEMORY));
}

static void
check_round_trip(const struct entry *e)
{
	unsigned char value[ENTRY_VALUE_MAX], again[ENTRY_VALUE_MAX];
	size_t size = entry_encode(e, value);
	struct entry copy = { .addr = e->addr };

	CHECK(size <= sizeof value);
	CHECK(entry_decode(&copy, value, size) == 0);
	CHECK(copy.kind == e->kind && copy.reports == e->reports);
	CHECK(copy.expires == e->expires && copy.seconds == e->seconds);
	CHECK(copy.since == e->since && strcmp(copy.reason, e->reason) == 0);
	CHECK(entry_encode(&copy, again) == size);
	CHECK(memcmp(again, value, size) == 0);
	/* What was cut short is not taken, or is a shorter reason. */
	CHECK(entry_decode(&copy, value, size - strlen(e->reason) - 1) == -1);
}

static void
check_record(const uint8_t *data, size_t size)
{
	const struct entry untouched = { .kind = ENTRY_BLACK, .reports = 7 };
	struct entry e = untouched;

	if (entry_decode(&e, data, size) == -1) {
		CHECK(memcmp(&e, &untouched, sizeof e) == 0);
		return;
	}
	CHECK(e.kind != ENTRY_NONE && size <= ENTRY_VALUE_MAX);
	check_rules(&e, START);		/* as the store's sweep asks it */
	check_round_trip(&e);
	entry_check_clock(&e, START);
	check_rules(&e, START);
	check_end(&e, START);
	entry_report(&e, 1, 600, "again", START);
	check_rules(&e, START);
	check_end(&e, START);
}

static void
report(struct entry *e, long threshold, int64_t seconds, int64_t now)
{
	struct entry old = *e;
	bool remembered = old.kind == ENTRY_REPORT && old.expires != 0 &&
	    !entry_is_past(&old, now);
	int64_t want = remembered && 2 * old.seconds > seconds ?
	    2 * old.seconds : seconds;

	entry_report(e, threshold, seconds, "a reason", now);
	if (old.kind == ENTRY_BLACK) {
		CHECK(memcmp(e, &old, sizeof old) == 0);
		return;
	}
	CHECK(e->kind == ENTRY_REPORT);
	CHECK(strcmp(e->reason, "a reason") == 0);
	if (!entry_is_listed(e, now)) {
		CHECK(!remembered && e->reports < threshold);
		return;
	}
	CHECK(remembered || e->reports >= threshold);
	CHECK(e->seconds == (want < ENTRY_LONGEST ? want : ENTRY_LONGEST));
	CHECK(e->expires == now + e->seconds);
}

/* A step: what happens, how much later or earlier, and for how long. */
static void
check_life(struct fuzz_input *in)
{
	struct entry e = { .kind = ENTRY_NONE };
	long threshold = 1 + fuzz_byte(in) % THRESHOLD_MAX;
	int64_t now = START;

	while (in->left > 0) {
		unsigned what = fuzz_byte(in), much = fuzz_byte(in);
		int64_t seconds = 1 + fuzz_byte(in) * (int64_t)2400;

		switch (what % 8) {
		case 0:
			now += much * (int64_t)much * 30;
			break;
		case 1:
			now -= much * (int64_t)much * 30;
			if (now < DAY)
				now = DAY;
			break;
		case 2:
			e = (struct entry){ .kind =
			    much & 1 ? ENTRY_WHITE : ENTRY_BLACK };
			break;
		case 3:
			e = (struct entry){ .kind = ENTRY_NONE };
			break;
		default:
			now += much;
			report(&e, threshold, seconds < ENTRY_LONGEST ?
			    seconds : ENTRY_LONGEST, now);
		}
		check_rules(&e, now);
		entry_check_clock(&e, now);
		check_end(&e, now);
		if (e.kind != ENTRY_NONE)
			check_round_trip(&e);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct entry e = { .kind = ENTRY_REPORT };
	char *reason = fuzz_field(&in);

	check_record(data, size);
	entry_set_reason(&e, reason);
	CHECK(strncmp(e.reason, reason, ENTRY_REASON_MAX - 1) == 0);
	check_round_trip(&e);
	free(reason);
	check_life(&in);
	return 0;
}
