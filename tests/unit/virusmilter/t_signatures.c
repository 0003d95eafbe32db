/*
 * t_signatures - what a worm is known by: which lines are taken, what they
 * find and where, in pieces, and that a reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "scratch.h"
#include "signatures.h"

#define HEADER	SIGNATURE_HEADER
#define NAME	SIGNATURE_NAME
#define BODY	SIGNATURE_BODY
#define CONTENT	SIGNATURE_CONTENT

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* With this one file, not loaded. */
static struct signatures *
new_signatures(const char *path)
{
	struct signatures *s = signatures_new();

	assert_non_null(s);
	assert_int_equal(signatures_add_file(s, path), 0);
	return s;
}

static bool
keep_first(void *arg, const char *name)
{
	*(const char **)arg = name;
	return true;
}

/* Its name, or ""; size bytes by pieces, or a text for a field or a name. */
static const char *
find_in(const struct signature_set *set, enum signature_where where,
    const char *field, const char *text, size_t size, size_t piece)
{
	struct signature_stream stream = { .text = 0 };
	const char *name = NULL;

	if (where == HEADER || where == NAME)
		signatures_find_text(set, field, text, keep_first, &name);
	for (size_t at = 0; at < size && where >= BODY && name == NULL;
	    at += piece)
		signatures_find(set, where, &stream,
		    (const unsigned char *)text + at,
		    size - at < piece ? size - at : piece, keep_first, &name);
	return name != NULL ? name : "";
}

static const char *
find(struct signatures *s, enum signature_where where, const char *field,
    const char *text)
{
	static char name[SIGNATURES_NAME_MAX];
	const struct signature_set *set = signatures_take(s);
	size_t size = strlen(text);

	snprintf(name, sizeof name, "%s",
	    find_in(set, where, field, text, size, size + 1));
	for (size_t piece = 1; piece < size && where >= BODY; piece++)
		CHECK(strcmp(find_in(set, where, field, text, size, piece),
		    name) == 0, "%s by %zu", text, piece);
	signatures_give_back(s, set);
	return name;
}

#define CHECK_FIND(s, where, field, text, want)				\
	CHECK(strcmp(find(s, where, field, text), want) == 0,		\
	    "%s: got \"%s\" want \"%s\"", text,				\
	    find(s, where, field, text), want)

/* --- what is taken */

#define SUBJECT	"W header:Subject Re: Your details\n"

static const struct {
	const char *text;
	enum signature_where where;
	const char *field, *in, *want;
} lines[] = {
	{ "", BODY, NULL, "worm", "" },
	{ "# W body worm\n; W body worm\n\n \t\r\n", BODY, NULL, "worm", "" },
	/* Each place, and in no other. */
	{ SUBJECT, HEADER, "Subject", "Re: Your details", "W" },
	{ SUBJECT, HEADER, "SUBJECT", "RE: YOUR DETAILS!", "W" },
	{ SUBJECT, HEADER, "Subject", "Fwd: re: your details", "W" },
	{ SUBJECT, HEADER, "Subject", "Re:  Your details", "" },
	{ SUBJECT, HEADER, "Subject", "Re: Your detail", "" },
	{ SUBJECT, HEADER, "Subjec", "Re: Your details", "" },
	{ SUBJECT, HEADER, "Subject2", "Re: Your details", "" },
	{ SUBJECT, HEADER, "", "Re: Your details", "" },
	{ SUBJECT, HEADER, "Subject", "", "" },
	{ SUBJECT, NAME, NULL, "Re: Your details", "" },
	{ SUBJECT, BODY, NULL, "Subject: Re: Your details", "" },
	{ SUBJECT, CONTENT, NULL, "Subject: Re: Your details", "" },
	{ "W name details.pif\n", NAME, NULL, "your_Details.PIF", "W" },
	{ "W name details.pif\n", NAME, NULL, "details.pif", "W" },
	{ "W name details.pif\n", NAME, NULL, "details.pi", "" },
	{ "W name details.pif\n", HEADER, "name", "details.pif", "" },
	{ "W name details.pif\n", BODY, NULL, "details.pif", "" },
	{ "W name details.pif\n", CONTENT, NULL, "details.pif", "" },
	{ "W body evil\n", BODY, NULL, "an EVIL one", "W" },
	{ "W body evil\n", CONTENT, NULL, "an EVIL one", "" },
	{ "W body evil\n", NAME, NULL, "evil", "" },
	{ "W body evil\n", HEADER, "body", "evil", "" },
	{ "W content evil\n", CONTENT, NULL, "an EVIL one", "W" },
	{ "W content evil\n", BODY, NULL, "an EVIL one", "" },
	{ "W CONTENT evil\n", CONTENT, NULL, "evil", "W" },
	{ "W Header:X-Y evil\n", HEADER, "x-y", "evil", "W" },
	{ "W header:!#$~ evil\n", HEADER, "!#$~", "evil", "W" },
	/* Text, of which only letters of ASCII are the same. */
	{ "W body a [b] c\n", BODY, NULL, "A [B] C", "W" },
	{ "W body a [b] c\n", BODY, NULL, "a {b} c", "" },
	{ "W body \xc3\xa4\xc3\xb6\n", BODY, NULL, "\xc3\xa4\xc3\xb6", "W" },
	{ "W body \xc3\xa4\xc3\xb6\n", BODY, NULL, "\xc3\x84\xc3\x96", "" },
	{ "W body a  b\tc\n", BODY, NULL, "a  b\tc", "W" },
	{ "W body a  b\tc\n", BODY, NULL, "a b c", "" },
	{ "W body #evil\n", BODY, NULL, "#evil", "W" },
	{ "W body evil # or not\n", BODY, NULL, "evil # or not", "W" },
	{ "W body evil # or not\n", BODY, NULL, "evil", "" },
	{ "W body ;evil;\n", BODY, NULL, ";evil;", "W" },
	{ "W body content evil\n", BODY, NULL, "content evil", "W" },
	{ "W body hexe:41\n", BODY, NULL, "hexe:41", "W" },
	{ "W body hex 41\n", BODY, NULL, "hex 41", "W" },
	{ "W body xhex:41424344\n", BODY, NULL, "xhex:41424344", "W" },
	/* Bytes. */
	{ "W body hex:45564900ff\n", BODY, NULL, "EVI", "" },
	{ "W body hex:4556494c\n", BODY, NULL, "xEVILx", "W" },
	{ "W body hex:4556494c\n", BODY, NULL, "evil", "" },
	{ "W content hex:fFeEdD80\n", CONTENT, NULL, "\xff\xee\xdd\x80",
	    "W" },
	{ "W content HEX:ffeedd80\n", CONTENT, NULL, "\xff\xee\xdd\x80",
	    "W" },
	{ "W name hex:4556494c\n", NAME, NULL, "EVIL", "W" },
	{ "W header:X hex:4556494c\n", HEADER, "x", "EVIL", "W" },
	{ "W header:X hex:4556494c\n", HEADER, "y", "EVIL", "" },
	/* Several: the text where each ends first. */
	{ "W1 body evil\nW2 body worm\n", BODY, NULL, "evil", "W1" },
	{ "W1 body evil\nW2 body worm\n", BODY, NULL, "worm", "W2" },
	{ "W1 body evil\nW2 body worm\n", BODY, NULL, "a worm, evil", "W2" },
	{ "W1 body evil\nW2 body hex:776f726d\n", BODY, NULL, "worm", "W2" },
	{ "W1 body evil\nW1 body worm\n", BODY, NULL, "worm", "W1" },
	{ "W1 header:A evil\nW2 header:B evil\n", HEADER, "a", "evil", "W1" },
	{ "W1 header:A evil\nW2 header:B evil\n", HEADER, "b", "evil", "W2" },
	{ "W1 header:A evil\nW2 header:B evil\n", HEADER, "c", "evil", "" },
	{ "W1 header:A evils\nW2 header:B evil\n", HEADER, "a", "evils",
	    "W1" },
	{ "W1 header:A evil\nW2 header:A hex:4556494c\n"
	    "W3 header:B evil\n", HEADER, "b", "EVIL", "W3" },
	/* What may stand around it. */
	{ "\xef\xbb\xbfW body evil\n", BODY, NULL, "evil", "W" },
	{ " \t W \t body \t evil \t \n", BODY, NULL, "evil", "W" },
	{ "W body evil\r\n", BODY, NULL, "evil", "W" },
	{ "W body evil", BODY, NULL, "evil", "W" },
	{ "W body hex:6576696c\r\n", BODY, NULL, "evil", "W" },
	{ "aZ-09_./:+ body evil\n", BODY, NULL, "evil", "aZ-09_./:+" },
};

static void
test_lines(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "list");
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct signatures *s = new_signatures(path);

		write_text(path, lines[i].text);
		CHECK(signatures_load(s) == 0, "%s: %s", lines[i].text,
		    scratch_logged());
		CHECK_FIND(s, lines[i].where, lines[i].field, lines[i].in,
		    lines[i].want);
		signatures_free(s);
	}
}

static const struct {
	const char *line, *why;
} bad_lines[] = {
	{ "W", "neither header:FIELD nor name, body or content" },
	{ "W ", "neither header:FIELD nor name, body or content" },
	{ "W evil", "neither header:FIELD nor name, body or content" },
	{ "W bodyx evil", "neither header:FIELD nor name, body or content" },
	{ "W bod evil", "neither header:FIELD nor name, body or content" },
	{ "W header evil", "neither header:FIELD nor name, body or content" },
	{ "W headerX:Y evil",
	    "neither header:FIELD nor name, body or content" },
	{ "W header: evil", "no name of a field behind header:" },
	{ "W header:Subject: evil", "no name of a field behind header:" },
	{ "W header:\x7f evil", "no name of a field behind header:" },
	{ "W header:s\xc3\xbc evil", "no name of a field behind header:" },
	{ "W! body evil", "not a name of a signature" },
	{ "W# body evil", "not a name of a signature" },
	{ "w\xc3\xbc body evil", "not a name of a signature" },
	{ "\"W\" body evil", "not a name of a signature" },
	{ "W body", "pattern too short" },
	{ "W body ", "pattern too short" },
	{ "W body abc", "pattern too short" },
	{ "W body abc   ", "pattern too short" },
	{ "W name abc", "pattern too short" },
	{ "W body hex:", "pattern too short" },
	{ "W body hex:414243", "pattern too short" },
	{ "W body hex:4142434", "an odd number of hex digits" },
	{ "W body hex:4142434g", "not a hex digit" },
	{ "W body hex:41 42 43 44", "an odd number of hex digits" },
	{ "W body hex: 4142434445 ", "an odd number of hex digits" },
	{ "W body hex:41 42434 4", "not a hex digit" },
	{ "W body hex:0x41424344", "not a hex digit" },
	{ "W body hex:\xff\xff\xff\xff\xff\xff\xff\xff", "not a hex digit" },
	{ "\x1b[2J body evil", "not a name of a signature" },
};

static void
test_bad_lines(void **state)
{
	char path[SCRATCH_PATH_MAX], text[300];

	(void)state;
	scratch_path(path, "bad");
	for (size_t i = 0; i < COUNT(bad_lines); i++) {
		const char *line = bad_lines[i].line, *log;
		struct signatures *s = new_signatures(path);

		snprintf(text, sizeof text, "V body worm\n%s\r\n", line);
		write_text(path, text);
		scratch_logged();
		CHECK(signatures_load(s) == -1, "%s", line);
		log = scratch_logged();
		snprintf(text, sizeof text, "%s:2: %s: ", path,
		    bad_lines[i].why);
		CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
		    "logged \"%s\", want \"%s\"", log, text);
		CHECK_FIND(s, BODY, NULL, "worm", "");
		signatures_free(s);
	}
}

/* --- limits */

/* A text of this many bytes with this beginning. */
static const char *
long_text(size_t size, const char *head)
{
	static char text[110000];

	assert_true(size < sizeof text && strlen(head) <= size);
	memset(text, 'a', size);
	memcpy(text, head, strlen(head));
	text[size] = '\0';
	return text;
}

static void
test_long_lines(void **state)
{
	const struct {
		size_t size;
		const char *head, *tail, *why;	/* NULL: it is good */
	} rows[] = {
		{ SIGNATURES_LINE_MAX, "#", "", NULL },
		{ SIGNATURES_LINE_MAX + 1, "#", "", "line too long" },
		{ 100000, "#", "", "line too long" },
		{ SIGNATURES_BYTES_MIN + 7, "W body ", "", NULL },
		{ SIGNATURES_BYTES_MIN + 6, "W body ", "",
		    "pattern too short" },
		{ SIGNATURES_BYTES_MAX + 7, "W body ", " \t ", NULL },
		{ SIGNATURES_BYTES_MAX + 8, "W body ", "",
		    "pattern too long" },
		{ 2 * SIGNATURES_BYTES_MAX + 11, "W body hex:", " ", NULL },
		{ 2 * SIGNATURES_BYTES_MAX + 13, "W body hex:", "",
		    "pattern too long" },
		{ SIGNATURES_NAME_MAX - 1, "W", " body evil", NULL },
		{ SIGNATURES_NAME_MAX, "W", " body evil",
		    "not a name of a signature" },
		{ 79 + 9, "W header:", " evil", NULL },
		{ 80 + 9, "W header:", " evil",
		    "no name of a field behind header:" },
	};
	char path[SCRATCH_PATH_MAX], want[60], line[110020];

	(void)state;
	scratch_path(path, "long");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signatures *s = new_signatures(path);

		snprintf(line, sizeof line, "%s%s",
		    long_text(rows[i].size, rows[i].head), rows[i].tail);
		write_text(path, line);
		scratch_logged();
		CHECK(signatures_load(s) == (rows[i].why == NULL ? 0 : -1),
		    "row %zu", i);
		snprintf(want, sizeof want, ":1: %s: ",
		    rows[i].why != NULL ? rows[i].why : "");
		CHECK(rows[i].why == NULL ||
		    strstr(scratch_logged(), want) != NULL, "row %zu", i);
		signatures_free(s);
	}
}

/* The longest of all are found whole. */
static void
test_longest(void **state)
{
	char path[SCRATCH_PATH_MAX], line[SIGNATURES_LINE_MAX + 1], name[80];
	struct signatures *s = new_signatures(scratch_path(path, "longest"));
	char text[SIGNATURES_BYTES_MAX + 1], field[80];

	(void)state;
	snprintf(name, sizeof name, "%s", long_text(79, "W"));
	snprintf(field, sizeof field, "%s", long_text(79, "X-"));
	snprintf(text, sizeof text, "%s",
	    long_text(SIGNATURES_BYTES_MAX, "evil"));
	snprintf(line, sizeof line, "%s header:%s %s\n", name, field, text);
	write_text(path, line);
	assert_int_equal(signatures_load(s), 0);
	CHECK_FIND(s, HEADER, field, text, name);
	text[SIGNATURES_BYTES_MAX - 1] = 'b';
	CHECK_FIND(s, HEADER, field, text, "");
	field[78] = '\0';
	text[SIGNATURES_BYTES_MAX - 1] = 'a';
	CHECK_FIND(s, HEADER, field, text, "");
	signatures_free(s);
}

static void
test_nul(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "nul"));

	(void)state;
	scratch_write(path, "W body evil\0worm\n", 17);
	scratch_logged();
	assert_int_equal(signatures_load(s), -1);
	assert_non_null(strstr(scratch_logged(), ":1: NUL in the line: W "));
	signatures_free(s);
}

static void
write_many(const char *path, int count)
{
	static const char *const where[] = {
		"header:Subject", "name", "body", "content"
	};
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < count; i++)
		if (i % 3 == 0)
			fprintf(file, "W%05d %s hex:3%d3%d3%d3%d3%d2d\n", i,
			    where[i % 4], i / 10000, i / 1000 % 10,
			    i / 100 % 10, i / 10 % 10, i % 10);
		else
			fprintf(file, "W%05d %s evil-%05d\n", i, where[i % 4],
			    i);
	assert_int_equal(fclose(file), 0);
}

/* As many as there may be, each found in its place, and none else. */
static void
test_most(void **state)
{
	char path[SCRATCH_PATH_MAX], text[40], want[10];
	struct signatures *s = new_signatures(scratch_path(path, "most"));
	const struct signature_set *set;

	(void)state;
	write_many(path, SIGNATURES_MAX + 1);
	scratch_logged();
	assert_int_equal(signatures_load(s), -1);
	assert_non_null(strstr(scratch_logged(),
	    ":10001: too many signatures: W10000 "));
	write_many(path, SIGNATURES_MAX);
	assert_int_equal(signatures_load(s), 0);
	assert_non_null(strstr(scratch_logged(), " entries=10000 "));
	set = signatures_take(s);
	for (int i = 0; i < SIGNATURES_MAX; i++) {
		snprintf(text, sizeof text, i % 3 == 0 ? "x %05d--" :
		    "x-EVIL-%05d", i);
		snprintf(want, sizeof want, "W%05d", i);
		for (int w = HEADER; w <= CONTENT; w++) {
			const char *got = find_in(set, (enum signature_where)w,
			    w == HEADER ? "Subject" : NULL, text,
			    strlen(text), 5);

			CHECK(strcmp(got, w == i % 4 ? want : "") == 0,
			    "%s in %d: %s", want, w, got);
		}
	}
	signatures_give_back(s, set);
	signatures_free(s);
}

static void
test_lenient_with_too_many(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "toomany"));

	(void)state;
	signatures_lenient(s);
	write_many(path, SIGNATURES_MAX + 20);
	scratch_logged();
	assert_int_equal(signatures_load(s), 0);
	assert_non_null(strstr(scratch_logged(), " entries=10000 ignored=0 "
	    "bad=20 "));
	CHECK_FIND(s, CONTENT, NULL, "evil-09995", "W09995");
	CHECK_FIND(s, BODY, NULL, "evil-10010", "");
	signatures_free(s);
}

/* --- streams */

/* Two streams at once, and one that is begun anew. */
static void
test_streams(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "streams"));
	struct signature_stream one = { .text = 0 }, two = { .text = 0 };
	const struct signature_set *set;
	const struct {
		struct signature_stream *stream;
		enum signature_where where;
		const char *bytes, *want;
	} rows[] = {
		{ &one, BODY, "ev", NULL }, { &two, BODY, "wo", NULL },
		{ &one, BODY, "", NULL },
		{ &one, BODY, "il", "W1" }, { &two, BODY, "rm", "W2" },
		{ &one, CONTENT, "wo", NULL }, { &two, CONTENT, "wor", NULL },
		{ &two, CONTENT, "m!", "W3" }, { &one, CONTENT, "rx", NULL },
		{ &one, CONTENT, "m!", NULL },
	};

	(void)state;
	write_text(path, "W1 body evil\nW2 body hex:776f726d\n"
	    "W3 content worm!\n");
	assert_int_equal(signatures_load(s), 0);
	set = signatures_take(s);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *got = NULL;

		if (i == 5)
			one = two = (struct signature_stream){ .text = 0 };
		signatures_find(set, rows[i].where, rows[i].stream,
		    (const unsigned char *)rows[i].bytes,
		    strlen(rows[i].bytes), keep_first, &got);
		CHECK((got == NULL) == (rows[i].want == NULL) && (got == NULL
		    || strcmp(got, rows[i].want) == 0), "row %zu: %s", i,
		    got != NULL ? got : "nothing");
	}
	signatures_give_back(s, set);
	signatures_free(s);
}

static bool
append(void *arg, const char *name)
{
	char *text = arg;
	size_t size = strlen(text);

	snprintf(text + size, 100 - size, "%s ", name);
	return false;
}

/* Each as often as it is there, unless the first is enough. */
static void
test_all(void **state)
{
	char path[SCRATCH_PATH_MAX], all[100];
	struct signatures *s = new_signatures(scratch_path(path, "all"));
	const struct signature_set *set;
	const unsigned char *text = (const unsigned char *)"xevilworm evil";
	struct signature_stream stream;

	(void)state;
	write_text(path, "W1 body evil\nW2 body worm\nW3 body hex:6c776f72\n"
	    "W4 header:A evil\nW5 header:B evil\nW6 header:A worm\n");
	assert_int_equal(signatures_load(s), 0);
	set = signatures_take(s);
	for (size_t cut = 0; cut <= 14; cut++) {
		stream = (struct signature_stream){ .text = 0 };
		all[0] = '\0';
		assert_false(signatures_find(set, BODY, &stream, text, cut,
		    append, all));
		assert_false(signatures_find(set, BODY, &stream, text + cut,
		    14 - cut, append, all));
		CHECK(strlen(all) == 12 && strstr(all, "W1 ") != NULL &&
		    strstr(all, "W2 ") != NULL && strstr(all, "W3 ") != NULL,
		    "at %zu: %s", cut, all);
	}
	all[0] = '\0';
	assert_false(signatures_find_text(set, "a", "worm evil", append, all));
	assert_string_equal(all, "W6 W4 ");
	signatures_give_back(s, set);
	signatures_free(s);
}

static void
test_has(void **state)
{
	static const struct {
		const char *text;
		bool has[4];
	} rows[] = {
		{ "# none\n", { false, false, false, false } },
		{ "W header:X evil\n", { true, false, false, false } },
		{ "W name hex:6576696c\n", { false, true, false, false } },
		{ "W body evil\n", { false, false, true, false } },
		{ "W content hex:6576696c\nW header:X evil\n",
		    { true, false, false, true } },
	};
	char path[SCRATCH_PATH_MAX];
	const struct signature_set *set;

	(void)state;
	scratch_path(path, "has");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signatures *s = new_signatures(path);

		write_text(path, rows[i].text);
		assert_int_equal(signatures_load(s), 0);
		set = signatures_take(s);
		for (int w = HEADER; w <= CONTENT; w++)
			CHECK(signatures_has(set, (enum signature_where)w) ==
			    rows[i].has[w], "row %zu: %d", i, w);
		signatures_give_back(s, set);
		signatures_free(s);
	}
}

/* --- several files */

static void
test_files(void **state)
{
	static char path[3][SCRATCH_PATH_MAX];
	static const char *const text[] = {
		"W1 body evil-1\n", "W2 body evil-2\nW3 body evil-3\n",
		"# none\n",
	};
	struct signatures *s = signatures_new();

	(void)state;
	scratch_logged();
	assert_int_equal(signatures_load(s), 0);
	assert_string_equal(scratch_logged(), "");
	assert_false(signatures_changed(s, 0));
	CHECK_FIND(s, BODY, NULL, "evil-1", "");
	for (int i = 0; i < 6; i++) {
		char name[] = { 'f', (char)('0' + i % 3), '\0' };

		scratch_path(path[i % 3], name);
		write_text(path[i % 3], text[i % 3]);
		assert_int_equal(signatures_add_file(s, path[i % 3]), 0);
	}
	CHECK_FIND(s, BODY, NULL, "evil-1", "");
	scratch_logged();
	assert_int_equal(signatures_load(s), 0);
	assert_non_null(strstr(scratch_logged(), "/f0 files=3 entries=3 "));
	CHECK_FIND(s, BODY, NULL, "evil-1", "W1");
	CHECK_FIND(s, BODY, NULL, "evil-2", "W2");
	CHECK_FIND(s, BODY, NULL, "evil-3", "W3");
	signatures_free(s);
}

static void
test_most_files(void **state)
{
	static char path[SIGNATURES_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct signatures *s = signatures_new();
	char text[40];

	(void)state;
	for (int n = 0; n <= SIGNATURES_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "W%d body evil-%02d\n", n, n);
		write_text(path[n], text);
		scratch_logged();
		assert_int_equal(signatures_add_file(s, path[n]),
		    n < SIGNATURES_FILES_MAX ? 0 : -1);
	}
	assert_non_null(strstr(scratch_logged(), "/many-63: more than 63"));
	assert_int_equal(signatures_load(s), 0);
	CHECK_FIND(s, BODY, NULL, "evil-62", "W62");
	CHECK_FIND(s, BODY, NULL, "evil-63", "");
	signatures_free(s);
	signatures_free(NULL);
}

/* --- reloads */

/* A fault leaves all as it was, in the file that is good, too. */
static void
test_reload(void **state)
{
	static const struct {
		const char *text, *log;		/* NULL: missing; taken */
	} rows[] = {
		{ "V body evil-v\n", NULL },
		{ "# none\nV body evil-v\n", NULL },
		{ "V body evil-v\nbad\n", ":2: neither header:FIELD nor" },
		{ "", ": it has become empty" },
		{ "# W body evil-w\n", ": it has become empty" },
		{ "V body evil-v", ": it was cut short" },
		{ NULL, ": No such file or directory" },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "one");
	scratch_path(other, "two");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signatures *s = new_signatures(other);
		bool taken = rows[i].log == NULL;

		write_text(path, "W body evil-w\n");
		write_text(other, "O name other\n");
		assert_int_equal(signatures_add_file(s, path), 0);
		assert_int_equal(signatures_load(s), 0);
		assert_false(signatures_changed(s, 0));
		unlink(path);
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		write_text(other, "P name possible\n");
		assert_true(signatures_changed(s, 0));
		scratch_logged();
		CHECK(signatures_load(s) == (taken ? 0 : -1), "row %zu", i);
		CHECK(taken || strstr(scratch_logged(), rows[i].log) != NULL,
		    "row %zu", i);
		assert_false(signatures_changed(s, 0));
		CHECK_FIND(s, BODY, NULL, "evil-w", taken ? "" : "W");
		CHECK_FIND(s, BODY, NULL, "evil-v", taken ? "V" : "");
		CHECK_FIND(s, NAME, NULL, "other", taken ? "" : "O");
		CHECK_FIND(s, NAME, NULL, "possible", taken ? "P" : "");
		signatures_free(s);
	}
}

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "changing"));
	struct timeval old[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };

	(void)state;
	write_text(path, "W body evil\n");
	assert_int_equal(signatures_load(s), 0);
	write_text(path, "W body evil or worse\n");
	assert_true(signatures_changed(s, 0));
	assert_false(signatures_changed(s, 3600));
	assert_int_equal(utimes(path, old), 0);
	assert_true(signatures_changed(s, 3600));
	signatures_free(s);
}

static void
test_lenient(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "lenient"));
	const char *log;

	(void)state;
	signatures_lenient(s);
	write_text(path, "bad-1\nW body evil\nbad-2\nV body abc\n");
	scratch_logged();
	assert_int_equal(signatures_load(s), 0);
	log = scratch_logged();
	assert_non_null(strstr(log, ":1: neither header:FIELD nor name, body "
	    "or content: bad-1 (passed over"));
	assert_null(strstr(log, "bad-2"));
	assert_non_null(strstr(log, " entries=1 ignored=0 bad=3 "));
	CHECK_FIND(s, BODY, NULL, "evil", "W");
	CHECK_FIND(s, BODY, NULL, "abc", "");
	signatures_free(s);
}

/* Who has begun goes on with what there was, whatever becomes of it. */
static void
test_taken_before_reload(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "taken"));
	const struct signature_set *before, *again, *after;
	const char *name;

	(void)state;
	write_text(path, "W body evil\n");
	assert_int_equal(signatures_load(s), 0);
	before = signatures_take(s);
	again = signatures_take(s);
	assert_ptr_equal(before, again);
	write_text(path, "V body worm\n");
	assert_int_equal(signatures_load(s), 0);
	after = signatures_take(s);
	assert_ptr_not_equal(before, after);
	signatures_give_back(s, again);
	name = find_in(before, BODY, NULL, "an evil one", 11, 3);
	assert_string_equal(name, "W");
	assert_string_equal(find_in(before, BODY, NULL, "worm", 4, 3), "");
	assert_string_equal(find_in(after, BODY, NULL, "evil", 4, 3), "");
	write_text(path, "bad\n");
	assert_int_equal(signatures_load(s), -1);
	assert_string_equal(find_in(after, BODY, NULL, "worm", 4, 3), "V");
	signatures_give_back(s, after);
	assert_string_equal(name, "W");
	signatures_give_back(s, before);
	signatures_free(s);
}

struct looking {
	struct signatures *s;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

/* The one or the other, never both, and no change while it is taken. */
static void *
search_always(void *arg)
{
	struct looking *l = arg;

	while (!atomic_load(&l->stop)) {
		const struct signature_set *set = signatures_take(l->s);
		const char *one = find_in(set, BODY, NULL, "evil-1", 6, 2),
		    *two = find_in(set, CONTENT, NULL, "evil-2", 6, 2);
		char name[10];

		snprintf(name, sizeof name, "%s", one);
		usleep(20);	/* or no load could ever begin */
		if ((one[0] == '\0') == (two[0] == '\0') ||
		    strcmp(name, one) != 0 ||
		    find_in(set, BODY, NULL, "evil-1", 6, 3) != one)
			atomic_fetch_add(&l->wrong, one[0] != '\0');
		signatures_give_back(l->s, set);
		atomic_fetch_add(&l->searches, 1);
	}
	return NULL;
}

static void
test_reload_under_load(void **state)
{
	char path[SCRATCH_PATH_MAX], text[200];
	struct looking l = { .s = new_signatures(scratch_path(path, "busy")) };
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "N body number-%02d\nW %s evil-%d"
		    "\n%s", i, i % 2 == 0 ? "body" : "content", i % 2 + 1,
		    i % 5 == 4 ? "bad\n" : "");
		write_text(path, text);
		assert_int_equal(signatures_load(l.s), i % 5 == 4 ? -1 : 0);
		for (size_t t = 0; i == 0 && t < COUNT(thread); t++)
			assert_int_equal(pthread_create(&thread[t], NULL,
			    search_always, &l), 0);
		snprintf(text, sizeof text, "number-%02d", i);
		CHECK_FIND(l.s, BODY, NULL, text, i % 5 == 4 ? "" : "N");
	}
	while (atomic_load(&l.searches) < 100)
		usleep(1000);
	atomic_store(&l.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&l.wrong), 0);
	signatures_free(l.s);
}

/* --- what is printed */

static void
test_explain(void **state)
{
	static const struct {
		const char *name, *want;	/* %1$s: the path */
	} rows[] = {
		{ "W", "%1$s:2: W body evil\n%1$s:4: W  header:X evil\n" },
		{ "V", "%1$s:3: V content hex:6576696c\n" },
		{ "w", "" }, { "WW", "" }, { "", "" }, { "bad", "" },
		{ "#", "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct signatures *s = new_signatures(scratch_path(path, "explained"));

	(void)state;
	write_text(path, "\xef\xbb\xbf# W body evil\n"
	    "W\tbody evil\r\nV content hex:6576696c\nW  header:X evil\n"
	    "W body abc\nbad\n\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[300];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		signatures_explain(s, out, rows[i].name);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "%s: got\n%swant\n%s",
		    rows[i].name, got, want);
		free(got);
	}
	signatures_free(s);
}

static void
test_stats(void **state)
{
	char path[SCRATCH_PATH_MAX], *got, want[600];
	struct signatures *s = signatures_new();
	size_t size;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	signatures_stats(out, s);
	fflush(out);
	assert_int_equal(size, 0);
	signatures_lenient(s);
	signatures_add_file(s, scratch_path(path, "counted"));
	write_text(path, "# x\nW body evil\nW body worm\nbad\n");
	assert_int_equal(signatures_load(s), 0);
	signatures_stats(out, s);
	fclose(out);
	snprintf(want, sizeof want, "# HELP milter_signature_entries Entries "
	    "in use of each list file.\n"
	    "# TYPE milter_signature_entries gauge\n"
	    "milter_signature_entries{list=\"%s\"} 2\n"
	    "# HELP milter_signature_bad_lines Bad lines passed over.\n"
	    "# TYPE milter_signature_bad_lines gauge\n"
	    "milter_signature_bad_lines{list=\"%s\"} 1\n", path, path);
	assert_string_equal(got, want);
	free(got);
	signatures_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_lenient_with_too_many),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_taken_before_reload),
		cmocka_unit_test(test_reload_under_load),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_stats),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
