/*
 * t_judge - our own rules and clamd together: who is asked and what is the
 * verdict, what clamd gets to see, and the lists.
 */
#include <stdbool.h>

#include "fakeclamd.h"
#include "judge.h"

#define FROM		"From virusmilter Thu Jan  1 00:00:00 1970\r\n"

static struct emergency emergency = { .seconds = 60 };

/* --- a judge */

static void
open_judge(struct judge *j, struct clamd *clamd, const char *signatures,
    const char *ignored)
{
	static char path[2][SCRATCH_PATH_MAX];

	*j = (struct judge){ .clamd = clamd, .emergency = &emergency,
	    .maxscan = 4 << 20 };
	assert_int_equal(judge_open(j, false), 0);
	scratch_write(scratch_path(path[0], "signatures"), signatures,
	    strlen(signatures));
	scratch_write(scratch_path(path[1], "ignored"), ignored,
	    strlen(ignored));
	assert_int_equal(judge_add_file(j, JUDGE_SIGNATURES, path[0]), 0);
	assert_int_equal(judge_add_file(j, JUDGE_IGNORED, path[1]), 0);
	assert_int_equal(judge_load(j), 0);
}

static void
close_judge(struct judge *j)
{
	iplist_free(j->clients);
	signatures_free(j->rules.signatures);
	globs_free(j->rules.ignored);
}

/* One scan at once, of 20 seconds at most. */
static struct clamd *
one_clamd(const char *path)
{
	const struct options_list list = { { path }, 1 };
	struct clamd *c = clamd_new(&list, 1, 20);

	assert_non_null(c);
	return c;
}

/* --- a message: fields, an empty line, the body */

static void
give_header(const struct judge *j, struct letter *l, const char *text,
    bool trusted, struct verdict *v)
{
	assert_int_equal(letter_begin(j, l, NULL), 0);
	while (*text != '\n') {
		size_t size = strcspn(text, "\n");
		char *field = strndup(text, size), *value;

		value = strchr(field, ':');
		assert_non_null(value);
		*value++ = '\0';
		assert_int_equal(letter_begin(j, l, NULL), 0);
		letter_field(j, l, field, value + (*value == ' '));
		free(field);
		text += size + 1;
	}
	letter_end_header(j, l, trusted, v);
}

static void
give_body(const struct judge *j, struct letter *l, const char *text)
{
	letter_body(j, l, (const unsigned char *)text, strlen(text));
}

static const char *
body_of(const char *text)
{
	return text[0] == '\n' ? text + 1 : strstr(text, "\n\n") + 2;
}

static void
judge(const struct judge *j, const char *text, struct verdict *v)
{
	struct letter l = { .sent = 0 };

	give_header(j, &l, text, false, v);
	give_body(j, &l, body_of(text));
	letter_end(j, &l, NULL, NULL, v);
	letter_free(&l);
	assert_null(l.scan);
	assert_null(l.clamd);
}

static const char *
print(const struct verdict *v)
{
	static char text[2000];

	snprintf(text, sizeof text, "%s%s%s%s%s%s%s", judge_word(v->by),
	    v->name[0] != '\0' ? " " : "", v->name,
	    v->file[0] != '\0' ? " in " : "", v->file,
	    v->malign ? " !" : "", v->partial ? " partial" : "");
	return text;
}

/* --- verdicts */

#define TYPE	"Content-Type: "
#define MIXED	"X: y\n" TYPE "multipart/mixed; boundary=b\n\n"
#define SETUP	MIXED "--b\n" TYPE "x/y; name=setup.exe\n\nx\n--b--\n"
#define DISGUISED MIXED "--b\n" TYPE "x/y; name=a.gif.exe\n\nx\n--b--\n"
#define CODED	"Content-Transfer-Encoding: x\n\nx\n"
#define CLEAN	"X: y\n\nHello.\n"

static const struct {
	const char *signatures, *ignored, *answer, *text, *want;
	int streams;
} rows[] = {
	/* Nobody is asked. */
	{ "", "", NULL, CLEAN, "clean", 0 },
	{ "", "", NULL, SETUP, "rules Milter.Name.exe in setup.exe", 0 },
	{ "", "", NULL, DISGUISED, "rules Milter.Name.exe in a.gif.exe !",
	    0 },
	{ "", "", NULL, CODED, "unscannable an unknown transfer encoding",
	    0 },
	{ "W body evil\n", "", NULL, "X: y\n\nevil\n", "rules W !", 0 },
	{ "W body evil\n", "W\n", NULL, "X: y\n\nevil\n", "clean", 0 },
	/* clamd says what it is. */
	{ "", "", "stream: OK", CLEAN, "clean", 1 },
	{ "", "", "stream: OK", "\nHello.\n", "clean", 1 },
	{ "", "", "stream: Worm FOUND", CLEAN, "clamd Worm !", 1 },
	{ "", "Worm\n", "stream: Worm FOUND", CLEAN, "clean Worm", 1 },
	{ "", "w*\n", "stream: Worm FOUND", CLEAN, "clean Worm", 1 },
	{ "", "", "stream: X ERROR", CLEAN, "down stream: X ERROR", 1 },
	/* Both. */
	{ "", "", "stream: OK", SETUP, "rules Milter.Name.exe in setup.exe",
	    1 },
	{ "", "", "stream: Worm FOUND", SETUP, "clamd Worm !", 1 },
	{ "", "Worm\n", "stream: Worm FOUND", SETUP,
	    "rules Milter.Name.exe in setup.exe", 1 },
	{ "", "", "stream: X ERROR", SETUP,
	    "rules Milter.Name.exe in setup.exe", 1 },
	{ "", "", "stream: Worm FOUND", DISGUISED,
	    "rules Milter.Name.exe in a.gif.exe !", 0 },
	{ "W body evil\n", "", "stream: OK", "X: y\n\nevil\n", "rules W !",
	    0 },
	{ "W body evil\n", "W\n", "stream: Worm FOUND", "X: y\n\nevil\n",
	    "clamd Worm !", 1 },
	{ "", "", "stream: OK", CODED,
	    "unscannable an unknown transfer encoding", 1 },
	{ "", "", "stream: Worm FOUND", CODED, "clamd Worm !", 1 },
	{ "", "Worm\n", "stream: Worm FOUND", CODED,
	    "unscannable an unknown transfer encoding", 1 },
	{ "", "", "stream: X ERROR", CODED, "down stream: X ERROR", 1 },
};

static void
test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *answer = rows[i].answer;
		struct fake f = { .answer = answer,
		    .answer_size = answer != NULL ? strlen(answer) + 1 : 0 };
		struct clamd *c = NULL;
		struct verdict v;
		struct judge j;

		fake_start(&f, "clamd");
		if (answer != NULL)
			c = one_clamd(f.path);
		open_judge(&j, c, rows[i].signatures, rows[i].ignored);
		judge(&j, rows[i].text, &v);
		fake_stop(&f);
		CHECK(strcmp(print(&v), rows[i].want) == 0,
		    "row %zu: got \"%s\" want \"%s\"", i, print(&v),
		    rows[i].want);
		CHECK(f.streams == rows[i].streams, "row %zu: %d", i,
		    f.streams);
		clamd_free(c);
		close_judge(&j);
	}
	scratch_logged();
}

static void
test_nobody_there(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct clamd *c = one_clamd(scratch_path(path, "nobody"));
	struct verdict v;
	struct judge j;

	(void)state;
	open_judge(&j, c, "", "");
	judge(&j, CLEAN, &v);
	assert_int_equal(v.by, JUDGE_DOWN);
	assert_true(v.name[0] != '\0');
	assert_false(v.malign);
	close_judge(&j);
	clamd_free(c);
	scratch_logged();
}

/* --- what clamd gets */

/* As in a mailbox, with a line that says so. */
static void
test_what_is_sent(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ CLEAN, FROM "X: y\r\n\r\nHello.\n" },
		{ "\nHello.\r\n", FROM "\r\nHello.\r\n" },
		{ "A: \nB:b\nC:  c\n\n", FROM "A: \r\nB: b\r\nC:  c\r\n\r\n" },
	};
	static unsigned char body[FAKE_BODY_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct fake f = { .answer = "stream: OK", .answer_size = 11,
		    .body = body };
		struct clamd *c;
		struct verdict v;
		struct judge j;

		fake_start(&f, "clamd");
		c = one_clamd(f.path);
		open_judge(&j, c, "", "");
		judge(&j, table[i].text, &v);
		fake_stop(&f);
		assert_int_equal(v.by, JUDGE_CLEAN);
		CHECK(f.body_size == strlen(table[i].want) &&
		    memcmp(body, table[i].want, f.body_size) == 0,
		    "row %zu: %.*s", i, (int)f.body_size, (char *)body);
		clamd_free(c);
		close_judge(&j);
	}
}

/* So many bytes of it and no more, which is said when there are more. */
static void
test_maxscan(void **state)
{
	static const char whole[] = FROM "X: y\r\n\r\nHello.\n";
	static unsigned char body[FAKE_BODY_MAX];
	const size_t all = sizeof whole - 1;

	(void)state;
	for (size_t max = 0; max <= all + 2; max++) {
		struct fake f = { .answer = "stream: OK", .answer_size = 11,
		    .body = body };
		size_t want = max < all ? max : all;
		struct clamd *c;
		struct verdict v;
		struct judge j;

		fake_start(&f, "clamd");
		c = one_clamd(f.path);
		open_judge(&j, c, "", "");
		j.maxscan = max;
		judge(&j, CLEAN, &v);
		fake_stop(&f);
		CHECK(strcmp(print(&v), max < all ? "clean partial" : "clean")
		    == 0, "%zu: %s", max, print(&v));
		CHECK(f.body_size == want && memcmp(body, whole, want) == 0,
		    "%zu: %zu", max, f.body_size);
		clamd_free(c);
		close_judge(&j);
	}
}

/* A large one is sent while it comes, but no more of it when it is known. */
static void
test_no_more_when_it_is_known(void **state)
{
	static char filler[2 * CLAMD_BUFFER + 1];
	struct fake f = { .answer = "stream: OK", .answer_size = 11 };
	struct letter first = { .sent = 0 }, second = { .sent = 0 };
	struct clamd *c;
	struct verdict v;
	struct judge j;

	(void)state;
	memset(filler, 'x', sizeof filler - 1);
	fake_start(&f, "clamd");
	c = one_clamd(f.path);
	open_judge(&j, c, "W body evil\n", "");
	give_header(&j, &first, CLEAN, false, &v);
	give_body(&j, &first, filler);

	/* The one scan that there may be is under way. */
	judge(&j, CLEAN, &v);
	assert_string_equal(print(&v), "down too many scans at once");

	give_body(&j, &first, "evil");
	give_body(&j, &first, filler);
	judge(&j, CLEAN, &v);
	assert_string_equal(print(&v), "clean");
	letter_end(&j, &first, NULL, NULL, &v);
	assert_string_equal(print(&v), "rules W !");
	letter_free(&first);

	give_header(&j, &second, CLEAN, false, &v);
	give_body(&j, &second, filler);
	letter_free(&second);	/* the client went away */
	judge(&j, CLEAN, &v);
	assert_string_equal(print(&v), "clean");
	fake_stop(&f);
	clamd_free(c);
	close_judge(&j);
	scratch_logged();
}

/* --- the end of the header */

static void
test_end_of_header(void **state)
{
	static const struct {
		const char *text;
		bool emergency, trusted;
		const char *want;
	} table[] = {
		{ CLEAN, false, false, "clean" },
		{ CLEAN, true, false, "clean" },
		{ SETUP, false, false, "clean" },
		{ SETUP, true, false, "emergency Milter.Emergency" },
		{ SETUP, true, true, "clean" },
		{ TYPE "multipart/alternative; boundary=b\n\nx\n", true,
		    false, "clean" },
		{ TYPE "x/y; name=a.scr\n\nx\n", false, false,
		    "rules Milter.Name.scr in a.scr" },
		{ TYPE "x/y; name=a.scr\n\nx\n", true, true,
		    "rules Milter.Name.scr in a.scr" },
		{ TYPE "multipart/mixed; boundary=b; name=a.scr\n\n", true,
		    false, "rules Milter.Name.scr in a.scr" },
		{ TYPE "x/y; name=a.pdf.scr\n\nx\n", false, false,
		    "rules Milter.Name.scr in a.pdf.scr !" },
		{ TYPE "x/y; name=a.pdf.scr\n\nx\n", true, true,
		    "rules Milter.Name.scr in a.pdf.scr !" },
		{ "X: evil\n" MIXED, true, false, "rules W !" },
		{ "\nx\n", true, false, "clean" },
		{ CODED, false, false, "clean" },
	};
	struct judge j;

	(void)state;
	open_judge(&j, NULL, "W header:X evil\n", "Milter.Emergency\n");
	for (size_t i = 0; i < COUNT(table); i++) {
		struct letter l = { .sent = 0 };
		struct verdict v;

		emergency_say(&emergency, table[i].emergency ? 60 : 0);
		give_header(&j, &l, table[i].text, table[i].trusted, &v);
		CHECK(strcmp(print(&v), table[i].want) == 0, "row %zu: %s", i,
		    print(&v));
		letter_free(&l);
	}
	emergency_say(&emergency, 0);
	close_judge(&j);
	scratch_logged();
}

/* An emergency that begins later is too late for what has come so far. */
static void
test_emergency_is_no_finding(void **state)
{
	struct verdict v;
	struct judge j;

	(void)state;
	open_judge(&j, NULL, "", "");
	emergency_say(&emergency, 60);
	judge(&j, MIXED "--b\n\nx\n--b--\n", &v);
	assert_string_equal(print(&v), "clean");
	emergency_say(&emergency, 0);
	close_judge(&j);
	scratch_logged();
}

/* Without memory the rest does nothing, and the end says so. */
static void
test_failed(void **state)
{
	struct letter l = { .failed = true };
	struct verdict v;
	struct judge j;

	(void)state;
	open_judge(&j, NULL, "", "");
	assert_int_equal(letter_begin(&j, &l, NULL), -1);
	letter_field(&j, &l, "X", "y");
	letter_end_header(&j, &l, false, &v);
	assert_string_equal(print(&v), "clean");
	give_body(&j, &l, "Hello.\n");
	letter_end(&j, &l, NULL, NULL, &v);
	assert_string_equal(print(&v), "down out of memory");
	letter_free(&l);
	assert_false(l.failed);
	letter_free(&l);
	close_judge(&j);
}

/* --- what is done about it */

static void
test_words(void **state)
{
	static const struct {
		enum judge_by by;
		const char *word;
		bool infected;
	} table[] = {
		{ JUDGE_CLEAN, "clean", false },
		{ JUDGE_RULES, "rules", true },
		{ JUDGE_CLAMD, "clamd", true },
		{ JUDGE_EMERGENCY, "emergency", true },
		{ JUDGE_UNSCANNABLE, "unscannable", false },
		{ JUDGE_DOWN, "down", false },
	};

	(void)state;
	assert_int_equal(COUNT(table), JUDGE_BY_COUNT);
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_string_equal(judge_word(table[i].by), table[i].word);
		CHECK(judge_is_infected(table[i].by) == table[i].infected,
		    "%s", table[i].word);
	}
}

static void
test_actions(void **state)
{
	static const struct {
		int action, unscannable, onerror;
		const char *want[JUDGE_BY_COUNT];
	} table[] = {
		{ ACTION_REJECT, ACTION_MARK, ONERROR_TEMPFAIL,
		    { "pass", "reject", "reject", "reject", "mark",
		    "tempfail" } },
		{ ACTION_DISCARD, ACTION_QUARANTINE, ONERROR_ACCEPT,
		    { "pass", "discard", "discard", "discard", "quarantine",
		    "mark" } },
		{ ACTION_MARK, ACTION_REJECT, ONERROR_ACCEPT,
		    { "pass", "mark", "mark", "mark", "reject", "mark" } },
		{ ACTION_NONE, ACTION_REJECT, ONERROR_TEMPFAIL,
		    { "pass", "none", "none", "none", "none", "none" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		for (int by = 0; by < JUDGE_BY_COUNT; by++) {
			const struct judge j = { .action = table[i].action,
			    .unscannable = table[i].unscannable,
			    .onerror = table[i].onerror };
			const char *got = judge_action_word(&j,
			    (enum judge_by)by);

			CHECK(strcmp(got, table[i].want[by]) == 0,
			    "row %zu, %s: %s", i,
			    judge_word((enum judge_by)by), got);
		}
}

/* --- lists */

static bool
spares(const struct judge *j, const char *address, const char *host)
{
	struct addr addr;

	assert_int_equal(addr_parse(&addr, address), 0);
	return judge_spares(j, &addr, host);
}

static void
test_clients(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct judge j;

	(void)state;
	open_judge(&j, NULL, "", "");
	scratch_write(scratch_path(path, "white"),
	    "192.0.2.0/24\n.example.com\n", 26);
	assert_int_equal(judge_add_file(&j, JUDGE_WHITE_CLIENTS, path), 0);
	assert_false(spares(&j, "192.0.2.1", NULL));
	assert_int_equal(judge_load(&j), 0);
	assert_true(spares(&j, "192.0.2.1", NULL));
	assert_false(spares(&j, "192.0.3.1", NULL));
	assert_true(spares(&j, "192.0.3.1", "mail.example.com"));
	assert_false(spares(&j, "192.0.3.1", "mail.example.org"));
	close_judge(&j);
	scratch_logged();
}

/* A fault in one keeps that one as it was, and no other. */
static void
test_reload(void **state)
{
	static const struct {
		const char *clients, *signatures, *ignored;
	} table[] = {
		{ "192.0.2.22\n", "V body worms\n", "V\n" },
		{ "bad line\n", "V body worms\n", "W\n" },
		{ "192.0.2.22\n", "bad\n", "X\n" },
		{ "192.0.2.22\n", "V body worms\n", "bad line\n" },
		{ "bad line\n", "bad\n", "bad line\n" },
	};
	char path[3][SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path[0], "white");
	scratch_path(path[1], "signatures");
	scratch_path(path[2], "ignored");
	for (size_t i = 0; i < COUNT(table); i++) {
		bool clients = table[i].clients[0] != 'b',
		    signatures = table[i].signatures[0] != 'b',
		    ignored = table[i].ignored[0] != 'b';
		struct verdict v;
		struct judge j;

		scratch_write(path[0], "192.0.2.1\n", 10);
		open_judge(&j, NULL, "W body evil\n", "Milter.*\n");
		judge_add_file(&j, JUDGE_WHITE_CLIENTS, path[0]);
		assert_int_equal(judge_load(&j), 0);
		assert_false(judge_changed(&j, 0));
		/* Of other sizes, to be seen in the same tick, too. */
		for (int n = 0; n < 3; n++) {
			const char *text = n == 0 ? table[i].clients : n == 1 ?
			    table[i].signatures : table[i].ignored;

			unlink(path[n]);
			scratch_write(path[n], text, strlen(text));
			assert_true(judge_changed(&j, 0));
		}
		assert_int_equal(judge_load(&j), clients && signatures &&
		    ignored ? 0 : -1);
		assert_false(judge_changed(&j, 0));
		CHECK(spares(&j, "192.0.2.22", NULL) == clients, "row %zu", i);
		CHECK(spares(&j, "192.0.2.1", NULL) != clients, "row %zu", i);
		judge(&j, "X: y\n\nevil\n", &v);
		CHECK((v.by == JUDGE_RULES) == (!signatures &&
		    table[i].ignored[0] != 'W'), "row %zu: %s", i, print(&v));
		judge(&j, "X: y\n\nworms\n", &v);
		CHECK((v.by == JUDGE_RULES) == (signatures &&
		    table[i].ignored[0] != 'V'), "row %zu: %s", i, print(&v));
		judge(&j, SETUP, &v);
		CHECK((v.by == JUDGE_RULES) == ignored, "row %zu: %s", i,
		    print(&v));
		close_judge(&j);
	}
	scratch_logged();
}

static void
test_lenient(void **state)
{
	char path[3][SCRATCH_PATH_MAX];
	struct verdict v;
	struct judge j = { .emergency = &emergency };

	(void)state;
	assert_int_equal(judge_open(&j, true), 0);
	scratch_write(scratch_path(path[0], "c"), "192.0.2.1\nbad line\n",
	    19);
	scratch_write(scratch_path(path[1], "s"), "W body evil\nbad\n", 16);
	scratch_write(scratch_path(path[2], "i"), "Milter.*\nbad line\n", 18);
	judge_add_file(&j, JUDGE_WHITE_CLIENTS, path[0]);
	judge_add_file(&j, JUDGE_SIGNATURES, path[1]);
	judge_add_file(&j, JUDGE_IGNORED, path[2]);
	assert_int_equal(judge_load(&j), 0);
	assert_true(spares(&j, "192.0.2.1", NULL));
	judge(&j, "X: y\n\nevil\n", &v);
	assert_string_equal(print(&v), "rules W !");
	judge(&j, SETUP, &v);
	assert_string_equal(print(&v), "clean");
	close_judge(&j);
	scratch_logged();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_maxscan),
		cmocka_unit_test(test_no_more_when_it_is_known),
		cmocka_unit_test(test_end_of_header),
		cmocka_unit_test(test_emergency_is_no_finding),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_lenient),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
