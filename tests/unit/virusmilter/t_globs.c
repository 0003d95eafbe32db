/*
 * t_globs - patterns for names of signatures: which lines are taken, what they
 * fit, and that a reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "globs.h"
#include "scratch.h"

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* With this one file, not loaded. */
static struct globs *
new_globs(const char *path)
{
	struct globs *g = globs_new();

	assert_non_null(g);
	assert_int_equal(globs_add_file(g, path), 0);
	return g;
}

/* --- what is taken */

static const struct {
	const char *text, *name;
	bool fits;
} lines[] = {
	{ "", "Worm", false }, { "", "", false },
	{ "\n \t\n# Worm\n;Worm\n  # *\n", "Worm", false },
	/* A name. */
	{ "Worm\n", "Worm", true }, { "Worm\n", "WORM", true },
	{ "WORM\n", "worm", true }, { "Worm\n", "Worms", false },
	{ "Worm\n", "aWorm", false }, { "Worm\n", "", false },
	{ "Milter.Name.exe\n", "Milter.Name.exe", true },
	{ "Milter.Name.exe\n", "MilterXName.exe", false },
	/* Patterns. */
	{ "*\n", "Worm", true }, { "*\n", "", true }, { "*\n", ".x", true },
	{ "PUA.*\n", "PUA.Win.Packer", true }, { "PUA.*\n", "pua.", true },
	{ "PUA.*\n", "PUA", false }, { "PUA.*\n", "xPUA.y", false },
	{ "*.UNOFFICIAL\n", "Sanesecurity.Foo.UNOFFICIAL", true },
	{ "*.UNOFFICIAL\n", "Sanesecurity.Foo.UNOFFICIAL.x", false },
	{ "Heuristics.*.Doc*\n", "heuristics.a.b.docx", true },
	{ "*/*\n", "Html/Evil", true }, { "*\n", "Html/Evil", true },
	{ "Wor?\n", "Worm", true }, { "Wor?\n", "Wor", false },
	{ "Wor?\n", "Worms", false },
	{ "Milter.[NZC]*.exe\n", "Milter.Name.exe", true },
	{ "Milter.[NZC]*.exe\n", "Milter.Content.MZ", false },
	{ "Milter.[NZC]*.exe\n", "milter.zip.EXE", true },
	{ "Milter.[!N]*\n", "Milter.Zip.exe", true },
	{ "Milter.[!N]*\n", "Milter.Name.exe", false },
	{ "W[A-F]\n", "we", true }, { "W[A-F]\n", "wg", false },
	{ "a\\*b\n", "a*b", true }, { "a\\*b\n", "axb", false },
	{ "a\\[b\n", "A[B", true },
	{ "a[b\n", "a[b", true },	/* as glibc reads it */
	{ "w\xc3\xbcrm\n", "w\xc3\xbcrm", true },
	{ "w\xc3\xbcrm\n", "w\xc3\x9crm", false },
	/* One of several. */
	{ "Foo*\nBar*\nBaz*\n", "Bar.1", true },
	{ "Foo*\nBar*\nBaz*\n", "Baz.1", true },
	{ "Foo*\nBar*\nBaz*\n", "Bax.1", false },
	/* What may stand around it. */
	{ "Worm # not one\n", "Worm", true },
	{ "Worm # not one\n", "Worm # not one", false },
	{ "Worm\t;not one\n", "worm", true },
	{ "Worm #\n", "worm", true },
	{ "Worm#1\n", "worm#1", true }, { "Worm;1\n", "worm;1", true },
	{ "Worm#1\n", "worm", false },
	{ " \t Worm \t\n", "worm", true },
	{ "Worm\r\n", "worm", true }, { "Worm", "worm", true },
	{ "Worm # x\r\nWerm\r\n", "worm", true },
	{ "Worm\r\nWerm\r", "werm", true },
	{ "\xef\xbb\xbfWorm\n", "worm", true },
};

static void
test_lines(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "list");
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct globs *g = new_globs(path);

		write_text(path, lines[i].text);
		CHECK(globs_load(g) == 0, "%s: %s", lines[i].text,
		    scratch_logged());
		CHECK(globs_match(g, lines[i].name) == lines[i].fits,
		    "%s in %s", lines[i].name, lines[i].text);
		globs_free(g);
	}
}

static const struct {
	const char *line, *why;
} bad_lines[] = {
	{ "Worm Werm", "words behind the pattern" },
	{ "Worm\tWerm # x", "words behind the pattern" },
	{ " Worm *", "words behind the pattern" },
	{ "* \x1b[2J", "words behind the pattern" },
};

static void
test_bad_lines(void **state)
{
	char path[SCRATCH_PATH_MAX], text[300];

	(void)state;
	scratch_path(path, "bad");
	for (size_t i = 0; i < COUNT(bad_lines); i++) {
		struct globs *g = new_globs(path);
		const char *log;

		snprintf(text, sizeof text, "Good\n%s\r\n", bad_lines[i].line);
		write_text(path, text);
		scratch_logged();
		CHECK(globs_load(g) == -1, "%s", bad_lines[i].line);
		log = scratch_logged();
		snprintf(text, sizeof text, "%s:2: %s: ", path,
		    bad_lines[i].why);
		CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
		    "logged \"%s\", want \"%s\"", log, text);
		assert_false(globs_match(g, "Good"));
		globs_free(g);
	}
}

/* --- limits */

static void
test_long_lines(void **state)
{
	const struct {
		size_t size;
		char first;
		const char *why;	/* NULL: it is good */
	} rows[] = {
		{ GLOBS_LINE_MAX, 'a', NULL }, { GLOBS_LINE_MAX, '#', NULL },
		{ GLOBS_LINE_MAX + 1, 'a', "line too long" },
		{ GLOBS_LINE_MAX + 1, '#', "line too long" },
		{ 100000, '#', "line too long" },
	};
	static char text[100001];
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "long");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct globs *g = new_globs(path);

		memset(text, 'a', rows[i].size);
		text[0] = rows[i].first;
		text[rows[i].size] = '\0';
		write_text(path, text);
		scratch_logged();
		CHECK(globs_load(g) == (rows[i].why == NULL ? 0 : -1),
		    "row %zu", i);
		CHECK(rows[i].why == NULL ||
		    strstr(scratch_logged(), rows[i].why) != NULL, "row %zu",
		    i);
		CHECK(globs_match(g, text) == (rows[i].why == NULL &&
		    rows[i].first == 'a'), "row %zu", i);
		globs_free(g);
	}
}

static void
test_nul(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct globs *g = new_globs(scratch_path(path, "nul"));

	(void)state;
	scratch_write(path, "Worm\0Werm\n", 10);
	scratch_logged();
	assert_int_equal(globs_load(g), -1);
	assert_non_null(strstr(scratch_logged(), ":1: NUL in the line: Worm"));
	globs_free(g);
}

static void
write_many(const char *path, int count)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < count; i++)
		fprintf(file, "Worm.%d.*\n", i);
	assert_int_equal(fclose(file), 0);
}

static void
test_most(void **state)
{
	char path[SCRATCH_PATH_MAX], name[40];
	struct globs *g = new_globs(scratch_path(path, "most"));

	(void)state;
	write_many(path, GLOBS_MAX + 1);
	scratch_logged();
	assert_int_equal(globs_load(g), -1);
	assert_non_null(strstr(scratch_logged(),
	    ":10001: too many patterns: Worm.10000.*"));
	write_many(path, GLOBS_MAX);
	assert_int_equal(globs_load(g), 0);
	assert_non_null(strstr(scratch_logged(), " entries=10000 "));
	for (int i = 0; i <= GLOBS_MAX; i += 100) {
		snprintf(name, sizeof name, "WORM.%d.A", i);
		CHECK(globs_match(g, name) == (i < GLOBS_MAX), "%s", name);
	}
	globs_free(g);
}

/* --- several files */

static void
test_files(void **state)
{
	static char path[3][SCRATCH_PATH_MAX];
	static const char *const text[] = {
		"One*\n", "Two*\nThree*\n", "# none\n",
	};
	struct globs *g = globs_new();

	(void)state;
	scratch_logged();
	assert_int_equal(globs_load(g), 0);
	assert_string_equal(scratch_logged(), "");
	assert_false(globs_changed(g, 0));
	assert_false(globs_match(g, "One"));
	for (int i = 0; i < 6; i++) {
		char name[] = { 'f', (char)('0' + i % 3), '\0' };

		scratch_path(path[i % 3], name);
		write_text(path[i % 3], text[i % 3]);
		assert_int_equal(globs_add_file(g, path[i % 3]), 0);
	}
	assert_false(globs_match(g, "One"));
	assert_int_equal(globs_load(g), 0);
	assert_non_null(strstr(scratch_logged(), "/f0 files=3 entries=3 "));
	assert_true(globs_match(g, "One"));
	assert_true(globs_match(g, "two.2"));
	assert_true(globs_match(g, "threes"));
	globs_free(g);
}

static void
test_most_files(void **state)
{
	static char path[GLOBS_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct globs *g = globs_new();
	char text[40];

	(void)state;
	for (int n = 0; n <= GLOBS_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "worm-%d\n", n);
		write_text(path[n], text);
		scratch_logged();
		assert_int_equal(globs_add_file(g, path[n]),
		    n < GLOBS_FILES_MAX ? 0 : -1);
	}
	assert_non_null(strstr(scratch_logged(), "/many-63: more than 63"));
	assert_int_equal(globs_load(g), 0);
	assert_true(globs_match(g, "worm-62"));
	assert_false(globs_match(g, "worm-63"));
	globs_free(g);
	globs_free(NULL);
}

/* --- reloads */

/* A fault leaves all as it was, in the file that is good, too. */
static void
test_reload(void **state)
{
	static const struct {
		const char *text, *log;		/* NULL: missing; taken */
	} rows[] = {
		{ "New*\n", NULL },
		{ "# none\nNew*\n", NULL },
		{ "New*\nbad bad\n", ":2: words behind the pattern" },
		{ "", ": it has become empty" },
		{ "# Old*\n", ": it has become empty" },
		{ "New*", ": it was cut short" },
		{ NULL, ": No such file or directory" },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "one");
	scratch_path(other, "two");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct globs *g = new_globs(other);
		bool taken = rows[i].log == NULL;

		write_text(path, "Old*\n");
		write_text(other, "Other*\n");
		assert_int_equal(globs_add_file(g, path), 0);
		assert_int_equal(globs_load(g), 0);
		assert_false(globs_changed(g, 0));
		unlink(path);
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		write_text(other, "Possible*\n");
		assert_true(globs_changed(g, 0));
		scratch_logged();
		CHECK(globs_load(g) == (taken ? 0 : -1), "row %zu", i);
		CHECK(taken || strstr(scratch_logged(), rows[i].log) != NULL,
		    "row %zu", i);
		assert_false(globs_changed(g, 0));
		CHECK(globs_match(g, "Old.1") == !taken, "row %zu", i);
		CHECK(globs_match(g, "New.1") == taken, "row %zu", i);
		CHECK(globs_match(g, "Other.1") == !taken, "row %zu", i);
		CHECK(globs_match(g, "Possible.1") == taken, "row %zu", i);
		globs_free(g);
	}
}

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct globs *g = new_globs(scratch_path(path, "changing"));
	struct timeval old[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };

	(void)state;
	write_text(path, "Worm\n");
	assert_int_equal(globs_load(g), 0);
	write_text(path, "Worm*\n");
	assert_true(globs_changed(g, 0));
	assert_false(globs_changed(g, 3600));
	assert_int_equal(utimes(path, old), 0);
	assert_true(globs_changed(g, 3600));
	globs_free(g);
}

static void
test_lenient(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct globs *g = new_globs(scratch_path(path, "lenient"));
	const char *log;

	(void)state;
	globs_lenient(g);
	write_text(path, "a b\nWorm*\nc d\n");
	scratch_logged();
	assert_int_equal(globs_load(g), 0);
	log = scratch_logged();
	assert_non_null(strstr(log, ":1: words behind the pattern: a b "
	    "(passed over"));
	assert_null(strstr(log, "c d"));
	assert_non_null(strstr(log, " entries=1 ignored=0 bad=2 "));
	assert_true(globs_match(g, "worm"));
	assert_false(globs_match(g, "a"));
	globs_free(g);
}

struct looking {
	struct globs *g;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

/* One of the two it always fits, and nothing ever the third. */
static void *
search_always(void *arg)
{
	struct looking *l = arg;

	while (!atomic_load(&l->stop)) {
		if (!globs_match(l->g, "Worm.1") ||
		    globs_match(l->g, "Bad.1"))
			atomic_fetch_add(&l->wrong, 1);
		atomic_fetch_add(&l->searches, 1);
		usleep(20);	/* or no load could ever begin */
	}
	return NULL;
}

static void
test_reload_under_load(void **state)
{
	char path[SCRATCH_PATH_MAX], text[200];
	struct looking l = { .g = new_globs(scratch_path(path, "busy")) };
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "n%d\n%s\n%s", i,
		    i % 2 == 0 ? "Worm*" : "W*.1", i % 5 == 4 ? "a b\n" : "");
		write_text(path, text);
		assert_int_equal(globs_load(l.g), i % 5 == 4 ? -1 : 0);
		for (size_t t = 0; i == 0 && t < COUNT(thread); t++)
			assert_int_equal(pthread_create(&thread[t], NULL,
			    search_always, &l), 0);
		snprintf(text, sizeof text, "N%d", i);
		CHECK(globs_match(l.g, text) == (i % 5 != 4), "%s", text);
	}
	while (atomic_load(&l.searches) < 100)
		usleep(1000);
	atomic_store(&l.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&l.wrong), 0);
	globs_free(l.g);
}

/* --- what is printed */

static void
test_explain(void **state)
{
	static const struct {
		const char *name, *want;	/* %1$s: the path */
	} rows[] = {
		{ "Worm.1", "%1$s:2: Worm.* # of all kinds\n%1$s:5: *.1\n" },
		{ "WORM.2", "%1$s:2: Worm.* # of all kinds\n" },
		{ "x.1", "%1$s:5: *.1\n" },
		{ "a", "" }, { "Worm", "" }, { "", "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct globs *g = new_globs(scratch_path(path, "explained"));

	(void)state;
	write_text(path, "# *\nWorm.*\t# of all kinds\r\n\na b\n*.1\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[300];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		globs_explain(g, out, rows[i].name);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "%s: got\n%swant\n%s",
		    rows[i].name, got, want);
		free(got);
	}
	globs_free(g);
}

static void
test_stats(void **state)
{
	char path[SCRATCH_PATH_MAX], *got, want[600];
	struct globs *g = globs_new();
	size_t size;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	globs_stats(out, g, "some_entries", "some_bad_lines");
	fflush(out);
	assert_int_equal(size, 0);
	globs_lenient(g);
	globs_add_file(g, scratch_path(path, "counted"));
	write_text(path, "# x\nWorm\nWerm\na b\n");
	assert_int_equal(globs_load(g), 0);
	globs_stats(out, g, "some_entries", "some_bad_lines");
	fclose(out);
	snprintf(want, sizeof want, "# HELP milter_some_entries Entries in "
	    "use of each list file.\n# TYPE milter_some_entries gauge\n"
	    "milter_some_entries{list=\"%s\"} 2\n"
	    "# HELP milter_some_bad_lines Bad lines passed over.\n"
	    "# TYPE milter_some_bad_lines gauge\n"
	    "milter_some_bad_lines{list=\"%s\"} 1\n", path, path);
	assert_string_equal(got, want);
	free(got);
	globs_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_reload_under_load),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_stats),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
