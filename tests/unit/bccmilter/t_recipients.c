/*
 * t_recipients - who is shown, where first, and who is not; each once, and no
 * more of them than there is room for.
 */
#include <stdbool.h>
#include <string.h>

#include "recipients.h"
#include "unit.h"

/* Adds the addresses in a text, a blank between each two. */
static void
add(struct recipients *r, const char *addresses)
{
	char text[200], *rest = text, *word;

	assert_true(strlen(addresses) < sizeof text);
	memcpy(text, addresses, strlen(addresses) + 1);
	while ((word = strsep(&rest, " ")) != NULL)
		if (word[0] != '\0')
			recipients_add(r, word);
}

/* --- who is whom */

/* By one address, and nothing else. */
static const struct {
	const char *recipients, *address;
	const char *shown, *hidden;		/* as in recipients */
} rows[] = {
	/* The address itself. */
	{ "joe@example.org", "joe@example.org", "joe@example.org", "" },
	{ "joe@example.org", "ann@example.org", "", "joe@example.org" },
	{ "joe@example.org", "joe@example.com", "", "joe@example.org" },
	{ "joe@example.org", "joe@example.or", "", "joe@example.org" },
	{ "joe@example.org", "joe@example.orgs", "", "joe@example.org" },
	{ "joe@example.org", "jo@example.org", "", "joe@example.org" },
	{ "joe@example.org", "joes@example.org", "", "joe@example.org" },
	{ "joe@example.org", "@example.org", "", "joe@example.org" },
	{ "c@x b@x a@x e@x d@x", "b@x", "b@x", "a@x c@x d@x e@x" },
	{ "c@x b@x a@x e@x d@x", "e@x", "e@x", "a@x b@x c@x d@x" },
	{ "c@x b@x a@x e@x d@x", "a@x", "a@x", "b@x c@x d@x e@x" },
	{ "c@x b@x a@x e@x d@x", "f@x", "", "a@x b@x c@x d@x e@x" },
	{ "c@x b@x a@x e@x d@x", "0@x", "", "a@x b@x c@x d@x e@x" },
	{ "c@x b@x a@x e@x d@x", "bb@x", "", "a@x b@x c@x d@x e@x" },
	{ "", "joe@example.org", "", "" },
	/* Case and detail are addrlist's; here they are what they are. */
	{ "joe@example.org", "Joe@example.org", "", "joe@example.org" },
	{ "joe+x@example.org", "joe@example.org", "", "joe+x@example.org" },
	/* Bytes above those of ASCII. */
	{ "jos\xc3\xa9@x z@x", "jos\xc3\xa9@x", "jos\xc3\xa9@x", "z@x" },
	/* One without a domain shows all of that local part, */
	{ "joe@b joe@a ann@a joe@c", "joe@", "joe@a joe@b joe@c", "ann@a" },
	{ "joe@b joe@ ann@a", "joe@", "joe@ joe@b", "ann@a" },
	{ "ann@a jo@a joes@a zoe@a", "joe@", "", "ann@a jo@a joes@a zoe@a" },
	{ "joe!@a joe0@a joea@a joe\xc3\xa9@a", "joe@", "",
	    "joe!@a joe0@a joea@a joe\xc3\xa9@a" },
	{ "joe@a joe@b", "zoe@", "", "joe@a joe@b" },
	{ "joe@a", "@", "", "joe@a" },
	/* and such a recipient is shown by any. */
	{ "joe@", "joe@example.org", "joe@", "" },
	{ "joe@ joe@a joe@b", "joe@b", "joe@ joe@b", "joe@a" },
	{ "joe@ joe@a", "joe@c", "joe@", "joe@a" },
	{ "joe@ ann@", "jo@a", "", "ann@ joe@" },
	{ "joe@ ann@", "joe@", "joe@", "ann@" },
	{ "joe@a ann@", "joe@", "joe@a", "ann@" },
	/* A local part with an @ in it, which was in quotes. */
	{ "a@b@c a@c", "a@c", "a@c", "a@b@c" },
	{ "a@b@c a@c", "a@b@c", "a@b@c", "a@c" },
	{ "a@b@c a@c a@a", "a@", "a@a a@c", "a@b@c" },
	{ "a@b@c a@c a@b@d", "a@b@", "a@b@c a@b@d", "a@c" },
	{ "a@b@c a@b", "a@b@", "a@b@c", "a@b" },
	{ "a@b@c a@b@ a@", "a@b@x", "a@b@", "a@ a@b@c" },
	{ "a@b@c a@b@ a@", "a@b", "a@", "a@b@ a@b@c" },
	{ "a@@c a@c", "a@", "a@c", "a@@c" },
	{ "@@c @c", "@@", "@@c", "@c" },
};

static void
check_shown(struct recipients *r, const char *addresses, bool want)
{
	char text[200], *rest = text, *word;

	memcpy(text, addresses, strlen(addresses) + 1);
	while ((word = strsep(&rest, " ")) != NULL) {
		const struct recipient *who;

		if (word[0] == '\0')
			continue;
		who = recipients_find(r, word);
		CHECK(who != NULL, "%s", word);
		CHECK((who->shown == SHOWN_TO) == want, "%s", word);
		CHECK(who->by_alias == want, "%s", word);
	}
}

static size_t
count_words(const char *text)
{
	size_t words = text[0] != '\0';

	for (; *text != '\0'; text++)
		words += *text == ' ';
	return words;
}

static void
test_show(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct recipients r = { .count = 0 };
		size_t shown = count_words(rows[i].shown),
		    hidden = count_words(rows[i].hidden);
		const char *first;

		add(&r, rows[i].recipients);
		for (int again = 0; again < 2; again++)
			CHECK(recipients_show(&r, rows[i].address, SHOWN_TO,
			    true) == (shown > 0), "row %zu", i);
		CHECK(recipients_count(&r) == shown + hidden, "row %zu", i);
		CHECK(recipients_shown(&r) == shown, "row %zu", i);
		check_shown(&r, rows[i].shown, true);
		check_shown(&r, rows[i].hidden, false);
		first = recipients_hidden(&r);
		CHECK((first == NULL) == (hidden == 0), "row %zu", i);
		CHECK(first == NULL || strncmp(first, rows[i].hidden,
		    strlen(first)) == 0, "row %zu: %s", i, first);
		CHECK(recipients_find(&r, "nobody@x") == NULL, "row %zu", i);
		assert_false(r.full);
		recipients_free(&r);
	}
}

/* Once each, however often and in which order they come. */
static void
test_duplicates(void **state)
{
	static const struct {
		const char *recipients;
		size_t want;
	} counts[] = {
		{ "", 0 }, { "a@x", 1 }, { "a@x a@x", 1 }, { "a@x b@x", 2 },
		{ "b@x a@x b@x a@x b@x", 2 }, { "a@x a@ a@x a@ a@y", 3 },
		{ "a@b@c a@b a@b@c", 2 }, { "c@x c@x c@x b@x a@x a@x", 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct recipients r = { .count = 0 };

		add(&r, counts[i].recipients);
		CHECK(recipients_count(&r) == counts[i].want, "%s",
		    counts[i].recipients);
		CHECK(recipients_shown(&r) == 0, "%s", counts[i].recipients);
		recipients_free(&r);
	}
}

/* --- where */

/* By one address after the other, or * for everybody. */
static void
test_first_stays(void **state)
{
	static const struct {
		const char *address;
		enum shown where;
		bool by_alias;
		struct {
			enum shown where;
			bool by_alias;
		} want[4];			/* a@x a@y b@x b@ */
	} steps[] = {
		{ "c@x", SHOWN_TO, false, { { 0 }, { 0 }, { 0 }, { 0 } } },
		{ "a@y", SHOWN_CC, true, { { 0 }, { SHOWN_CC, true }, { 0 },
		    { 0 } } },
		{ "a@y", SHOWN_TO, false, { { 0 }, { SHOWN_CC, true }, { 0 },
		    { 0 } } },
		{ "b@z", SHOWN_RESENT_TO, false, { { 0 }, { SHOWN_CC, true },
		    { 0 }, { SHOWN_RESENT_TO, false } } },
		{ "a@", SHOWN_RESENT_CC, false, { { SHOWN_RESENT_CC, false },
		    { SHOWN_CC, true }, { 0 }, { SHOWN_RESENT_TO, false } } },
		{ "a@", SHOWN_TO, true, { { SHOWN_RESENT_CC, false },
		    { SHOWN_CC, true }, { 0 }, { SHOWN_RESENT_TO, false } } },
		{ "*", SHOWN_TO, true, { { SHOWN_RESENT_CC, false },
		    { SHOWN_CC, true }, { SHOWN_TO, true },
		    { SHOWN_RESENT_TO, false } } },
		{ "*", SHOWN_CC, false, { { SHOWN_RESENT_CC, false },
		    { SHOWN_CC, true }, { SHOWN_TO, true },
		    { SHOWN_RESENT_TO, false } } },
		{ "b@", SHOWN_CC, false, { { SHOWN_RESENT_CC, false },
		    { SHOWN_CC, true }, { SHOWN_TO, true },
		    { SHOWN_RESENT_TO, false } } },
	};
	static const char *const who[] = { "a@x", "a@y", "b@x", "b@" };
	struct recipients r = { .count = 0 };

	(void)state;
	add(&r, "b@x a@y b@ a@x");
	for (size_t i = 0; i < COUNT(steps); i++) {
		if (strcmp(steps[i].address, "*") == 0)
			recipients_show_all(&r, steps[i].where,
			    steps[i].by_alias);
		else
			recipients_show(&r, steps[i].address, steps[i].where,
			    steps[i].by_alias);
		for (size_t n = 0; n < COUNT(who); n++) {
			const struct recipient *p = recipients_find(&r,
			    who[n]);

			CHECK(p != NULL && p->shown == steps[i].want[n].where,
			    "step %zu: %s", i, who[n]);
			CHECK(p->by_alias == steps[i].want[n].by_alias,
			    "step %zu: %s", i, who[n]);
		}
	}
	assert_int_equal(recipients_shown(&r), 4);
	assert_null(recipients_hidden(&r));
	recipients_free(&r);
}

/* An address of two local parts is the first of one run and in no other. */
static void
test_bare_runs(void **state)
{
	struct recipients r = { .count = 0 };

	(void)state;
	add(&r, "a@a@a a@b a@c@c b@a");
	assert_true(recipients_show(&r, "a@a@", SHOWN_TO, false));
	assert_int_equal(recipients_shown(&r), 1);
	assert_true(recipients_show(&r, "a@", SHOWN_CC, false));
	assert_int_equal(recipients_shown(&r), 2);
	assert_false(recipients_show(&r, "aa@", SHOWN_CC, false));
	assert_false(recipients_show(&r, "a@b@", SHOWN_CC, false));
	assert_true(recipients_show(&r, "a@c@", SHOWN_CC, false));
	assert_string_equal(recipients_hidden(&r), "b@a");
	recipients_free(&r);
}

/* --- nobody */

static void
test_nobody(void **state)
{
	struct recipients r = { .count = 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		recipients_show_all(&r, SHOWN_TO, true);
		assert_false(recipients_show(&r, "a@x", SHOWN_TO, false));
		assert_false(recipients_show(&r, "a@", SHOWN_TO, false));
		assert_int_equal(recipients_count(&r), 0);
		assert_int_equal(recipients_shown(&r), 0);
		assert_null(recipients_hidden(&r));
		assert_null(recipients_find(&r, "a@x"));
		assert_false(r.full);
		recipients_free(&r);
	}
	/* Whoever comes too late is left out. */
	recipients_show(&r, "a@x", SHOWN_TO, false);
	recipients_add(&r, "a@x");
	assert_true(r.full);
	assert_int_equal(recipients_count(&r), 0);
	recipients_free(&r);
}

/* As new, whatever it was. */
static void
test_as_new(void **state)
{
	static const struct recipients new;
	struct recipients r = { .count = 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		add(&r, "a@x b@");
		recipients_show_all(&r, SHOWN_TO, true);
		recipients_add(&r, "c@x");
		assert_true(r.full && r.sorted && r.any_bare);
		assert_int_equal(recipients_shown(&r), 2);
		recipients_free(&r);
		assert_memory_equal(&r, &new, sizeof r);
	}
}

/* --- limits */

static void
test_full_by_count(void **state)
{
	struct recipients r = { .count = 0 };
	char address[40];

	(void)state;
	for (int i = 0; i < RECIPIENTS_MAX; i++) {
		snprintf(address, sizeof address, "u%d@x", i);
		recipients_add(&r, address);
	}
	assert_false(r.full);
	recipients_add(&r, "v@x");
	assert_true(r.full);
	assert_true(recipients_show(&r, "u0@x", SHOWN_TO, false));
	assert_true(recipients_show(&r, address, SHOWN_TO, false));
	assert_false(recipients_show(&r, "v@x", SHOWN_TO, false));
	assert_int_equal(recipients_count(&r), RECIPIENTS_MAX);
	assert_int_equal(recipients_shown(&r), 2);
	recipients_show_all(&r, SHOWN_CC, false);
	assert_int_equal(recipients_shown(&r), RECIPIENTS_MAX);
	recipients_free(&r);
}

static void
test_full_by_bytes(void **state)
{
	enum { SIZE = 512, MANY = RECIPIENTS_BYTES_MAX / SIZE };
	struct recipients r = { .count = 0 };
	char address[SIZE];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		/* The last leaves out a byte, so that there is one left. */
		memset(address, 'a', sizeof address);
		snprintf(address + SIZE - 10, 10, i == MANY - 1 ? "%06d@x" :
		    "%06d@xx", i);
		recipients_add(&r, address);
	}
	assert_false(r.full);
	recipients_add(&r, "@");
	assert_true(r.full);
	assert_true(recipients_show(&r, address, SHOWN_TO, false));
	assert_int_equal(recipients_count(&r), MANY);
	recipients_free(&r);
	/* One that would never fit does no harm to others. */
	for (int i = 0; i < 2; i++) {
		static char huge[RECIPIENTS_BYTES_MAX + 1];

		memset(huge, 'a', sizeof huge - 1);
		huge[RECIPIENTS_BYTES_MAX - 1] = i == 0 ? 'a' : '\0';
		recipients_add(&r, huge);
		assert_true(r.full == (i == 0));
		recipients_add(&r, "a@x");
		assert_true(r.full);
		assert_int_equal(recipients_count(&r), 1);
		recipients_free(&r);
	}
}

/* A few hundred bytes for one, and no more than needed for the most. */
static void
test_memory(void **state)
{
	struct recipients r = { .count = 0 };
	char address[40];

	(void)state;
	recipients_add(&r, "joe@example.org");
	assert_true(r.room * sizeof *r.list + r.text_room <= 200);
	for (int i = 0; i < 2 * RECIPIENTS_MAX; i++) {
		snprintf(address, sizeof address, "u%d@example.org", i);
		recipients_add(&r, address);
	}
	assert_true(r.full);
	assert_true(r.text_room <= RECIPIENTS_BYTES_MAX);
	assert_true(r.room <= 2 * RECIPIENTS_MAX);
	recipients_free(&r);
}

/* Hostile to a walk: the same bare word, and everybody, again and again. */
static void
test_many(void **state)
{
	enum { SHOWS = 100000, EACH = RECIPIENTS_MAX / 2 };
	struct recipients r = { .count = 0 };
	char address[40];

	(void)state;
	for (int i = 0; i < EACH; i++) {
		snprintf(address, sizeof address, "joe@d%d.example", i);
		recipients_add(&r, address);
		snprintf(address, sizeof address, "u%d@example.org", i);
		recipients_add(&r, address);
	}
	assert_false(r.full);
	for (int i = 0; i < SHOWS; i++)
		assert_true(recipients_show(&r, "joe@", SHOWN_TO, false));
	assert_int_equal(recipients_shown(&r), EACH);
	for (int i = 0; i < SHOWS; i++) {
		snprintf(address, sizeof address, "u%d@example.org", i);
		CHECK(recipients_show(&r, address, SHOWN_CC, false) ==
		    (i < EACH), "%s", address);
		snprintf(address, sizeof address, "u%d@example.com", i);
		CHECK(!recipients_show(&r, address, SHOWN_CC, false), "%s",
		    address);
	}
	assert_int_equal(recipients_shown(&r), RECIPIENTS_MAX);
	recipients_free(&r);

	for (int i = 0; i < RECIPIENTS_MAX; i++) {
		snprintf(address, sizeof address, "u%d@", i);
		recipients_add(&r, address);
	}
	recipients_show(&r, "u7@example.org", SHOWN_CC, false);
	for (int i = 0; i < SHOWS; i++)
		recipients_show_all(&r, SHOWN_TO, true);
	assert_int_equal(recipients_shown(&r), RECIPIENTS_MAX);
	assert_int_equal(recipients_find(&r, "u7@")->shown, SHOWN_CC);
	recipients_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_first_stays),
		cmocka_unit_test(test_bare_runs),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_as_new),
		cmocka_unit_test(test_full_by_count),
		cmocka_unit_test(test_full_by_bytes),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_many),
	};

	return RUN(tests);
}
