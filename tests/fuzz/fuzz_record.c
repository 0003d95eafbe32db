/*
 * Records.  The input is a line of a dump behind "load ", the three texts of a
 * tuple, each up to its NUL, and then a value as the store may hold it.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "record.h"

#define NOW	INT64_C(1700000000)
#define DAY	INT64_C(86400)
#define RETRY	(2 * DAY)
#define EXPIRE	(36 * DAY)

static const struct record_rules rules = { .delay = 300, .retry = RETRY,
    .expire = EXPIRE, .autowhite = 5, .pending_max = 3 };

static bool
is_same(const struct record *a, const struct record *b)
{
	return a->first == b->first && a->last == b->last &&
	    a->hold == b->hold && a->count == b->count &&
	    a->pending == b->pending;
}

/* --- both forms, there and back */

static void
check_value(const struct record *r)
{
	unsigned char value[RECORD_VALUE_SIZE];
	struct record copy;

	record_encode(r, value);
	CHECK(record_decode(&copy, value, sizeof value) == 0);
	CHECK(is_same(&copy, r));
	CHECK(record_decode(&copy, value, sizeof value - 1) == -1);
}

/* One that a dump can hold. */
static bool
is_time(int64_t t)
{
	return t >= -((int64_t)1 << 40) && t <= (int64_t)1 << 40;
}

/* One line of nine printable words and single blanks, which says it all. */
static void
check_line(enum tuple_kind kind, const struct tuple *t, const struct record *r)
{
	char line[RECORD_LINE_MAX], copy[RECORD_LINE_MAX];
	char again[RECORD_LINE_MAX];
	const char *wrong;
	struct tuple t_copy;
	struct record r_copy;
	int blanks = 0;

	CHECK(record_print(line, kind, t, r) == line);
	CHECK(memchr(line, '\0', sizeof line) != NULL);
	CHECK(strncmp(line, "load ", 5) == 0);
	for (const char *p = line; *p != '\0'; p++) {
		CHECK(*p >= ' ' && *p <= '~');
		CHECK(*p != ' ' || (p[1] != ' ' && p[1] != '\0'));
		blanks += *p == ' ';
	}
	CHECK(blanks == 9);
	memcpy(copy, line, sizeof copy);
	if (!is_time(r->first) || !is_time(r->last) || !is_time(r->hold)) {
		CHECK(record_scan(&t_copy, &r_copy, copy + 5, &wrong) == -1);
		return;
	}
	CHECK(record_scan(&t_copy, &r_copy, copy + 5, &wrong) == (int)kind);
	CHECK(is_same(&r_copy, r));
	record_print(again, kind, &t_copy, &r_copy);
	CHECK(strcmp(again, line) == 0);
}

/* --- the rules, whatever is in a record */

static void
check_tuple(const struct record *r, int64_t now)
{
	struct record tried = *r, passed = *r;
	bool is_past = record_is_past(TUPLE_TRIPLET, r, &rules, now);
	enum record_verdict verdict;
	int64_t left;

	verdict = record_try(&tried, &rules, now, &left);
	CHECK((verdict == RECORD_NEW) == is_past);
	if (verdict < RECORD_DELAYED) {
		CHECK(left >= 1 && left <= rules.delay && tried.last == 0);
		CHECK(record_try(&tried, &rules, now + left, &left) ==
		    RECORD_DELAYED);
	}
	CHECK(left == 0 && tried.first <= tried.last);
	CHECK(record_pass(&passed, &rules, now) ==
	    (!is_past && r->last == 0));
	CHECK(record_try(&passed, &rules, now, &left) == RECORD_KNOWN);
}

static void
check_network(const struct record *r, int64_t now)
{
	struct record counted = *r, begun = *r;
	bool is_white = record_is_white(r, &rules, now);

	if (!record_settle(&counted, r->hold))
		CHECK(is_same(&counted, r));
	counted = *r;
	if (!record_count(&counted, &rules, now))
		CHECK(is_same(&counted, r));
	CHECK(!is_white || record_is_white(&counted, &rules, now));
	CHECK(counted.last <= now);
	if (record_begin(&begun, &rules, now))
		CHECK(begun.pending >= 1 && begun.pending <= 3);
	else
		CHECK(begun.pending == r->pending);
	CHECK(begun.first <= now);
}

/*
 * Left alone it is past some day, for it counts from expire before a time in it
 * to expire after, or as long before and after as retry; and a past one says
 * nothing.
 */
static void
check_end(const struct record *r, int64_t now)
{
	for (enum tuple_kind kind = 0; kind < TUPLE_KINDS; kind++) {
		int64_t t = now;

		while (!record_is_past(kind, r, &rules, t))
			t += DAY;
		CHECK(t - now <= 2 * EXPIRE + 2 * RETRY + 2 * DAY);
	}
	if (record_is_past(TUPLE_NETWORK, r, &rules, now))
		CHECK(!record_is_white(r, &rules, now));
	CHECK(record_is_past(TUPLE_FRIEND, r, &rules, now) !=
	    record_is_friend(r, &rules, now));
}

static void
check_merge(const struct record *a, const struct record *b)
{
	struct record ab = *a, ba = *b, again;

	record_merge(&ab, b);
	record_merge(&ba, a);
	CHECK(is_same(&ab, &ba));
	again = ab;
	record_merge(&again, a);
	record_merge(&again, b);
	CHECK(is_same(&again, &ab));
}

static void
check_record(const struct record *r)
{
	static const int64_t times[] = { NOW, 0, -NOW, INT64_MIN,
	    INT64_MAX - 3 * EXPIRE };

	check_value(r);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		check_tuple(r, times[i]);
		check_network(r, times[i]);
		check_end(r, times[i]);
	}
}

/* --- what is hostile */

/* A line: read as a record of one kind, or nothing is touched. */
static void
check_scan(const char *line, struct record *r)
{
	const struct tuple t_before = { "c", "s", "r", "" };
	const struct record before = *r;
	struct tuple t = t_before;
	const char *wrong = NULL;
	char *copy = strdup(line);
	int kind;

	CHECK(copy != NULL);
	kind = record_scan(&t, r, copy, &wrong);
	free(copy);
	if (kind == -1) {
		CHECK(wrong != NULL && wrong[0] != '\0');
		CHECK(memcmp(&t, &t_before, sizeof t) == 0);
		CHECK(is_same(r, &before));
		return;
	}
	CHECK(kind >= 0 && kind < TUPLE_KINDS);
	CHECK(memchr(t.client, '\0', sizeof t.client) != NULL);
	CHECK(memchr(t.sender, '\0', sizeof t.sender) != NULL);
	CHECK(memchr(t.recipient, '\0', sizeof t.recipient) != NULL);
	check_line((enum tuple_kind)kind, &t, r);
}

static void
take_text(struct fuzz_input *in, char out[TUPLE_TEXT_MAX + 1])
{
	char *text = fuzz_field(in);

	snprintf(out, TUPLE_TEXT_MAX + 1, "%s", text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct record before = { 1, 2, 3, 4, 5 };
	struct fuzz_input in = { data, size };
	struct record scanned = before, decoded = before;
	struct tuple t;
	char *line = fuzz_field(&in);

	check_scan(line, &scanned);
	free(line);
	take_text(&in, t.client);
	take_text(&in, t.sender);
	take_text(&in, t.recipient);
	if (record_decode(&decoded, in.at, in.left) == -1)
		CHECK(is_same(&decoded, &before));
	else
		CHECK(in.left == RECORD_VALUE_SIZE);
	for (enum tuple_kind kind = 0; kind < TUPLE_KINDS; kind++)
		check_line(kind, &t, &decoded);
	check_record(&scanned);
	check_record(&decoded);
	check_merge(&scanned, &decoded);
	return 0;
}
