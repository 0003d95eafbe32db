/*
 * t_listfile - files read by lines: what comes of any bytes, which faults the
 * whole of a file shows, and when it has changed.
 */
#include <sys/time.h>

#include <stdbool.h>

#include "listfile.h"
#include "scratch.h"

#define HALF_BUFFER	32768

static char path[SCRATCH_PATH_MAX];	/* of the file of nearly all tests */

static void
write_text(const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* One file of this name, not there or as the last test row left it. */
static void
begin(struct listfiles *l, const char *name)
{
	memset(l, 0, sizeof *l);
	scratch_path(path, name);
	assert_int_equal(listfiles_add(l, path), 0);
}

/* "bad" is a bad line, "ignored" ignored, "stop" ends it, all else counts. */
static int
take_word(struct listfile_reader *r, char *line, size_t size)
{
	if (size > 0 && line[size - 1] == '\r')
		line[--size] = '\0';
	if (strcmp(line, "bad") == 0)
		return listfile_bad(r, "is bad");
	if (strcmp(line, "stop") == 0)
		return -1;
	if (strcmp(line, "ignored") == 0)
		r->result.ignored++;
	else if (size > 0)
		r->result.entries++;
	return 0;
}

/* Read and, if good, used; 0 or -1. */
static int
load(struct listfiles *l)
{
	if (listfiles_read(l, take_word, NULL) == -1)
		return -1;
	listfiles_use(l);
	return 0;
}

/* Each line as "NUMBER:SIZE:TEXT " in the text of 400 bytes that is arg. */
static int
take_shown(struct listfile_reader *r, char *line, size_t size)
{
	char *out = r->arg;
	size_t n = strlen(out);

	assert_int_equal(line[size], '\0');
	assert_int_equal(r->number, 0);
	assert_string_equal(r->path, path);
	assert_memory_equal(r->text, line, strlen(r->text) + 1);
	snprintf(out + n, 400 - n, "%zu:%zu:%s ", r->line, size, line);
	memset(line, 'x', size);	/* it may be written to */
	return 0;
}

#define TEXT(bytes)	bytes, sizeof bytes - 1

static void
test_lines(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *want;
		bool newline;
	} rows[] = {
		{ TEXT(""), "", true },
		{ TEXT("\n"), "1:0: ", true },
		{ TEXT("a\nbc\n"), "1:1:a 2:2:bc ", true },
		{ TEXT("a\nbc"), "1:1:a 2:2:bc ", false },
		{ TEXT("\n\na\n\n"), "1:0: 2:0: 3:1:a 4:0: ", true },
		{ TEXT("a\r\nb\r"), "1:2:a\r 2:2:b\r ", false },
		{ TEXT("\xef\xbb\xbf" "a\n"), "1:1:a ", true },
		{ TEXT("\xef\xbb\xbf"), "", true },
		{ TEXT("\xef\xbb\xbf\n"), "1:0: ", true },
		{ TEXT("\xef\xbb"), "1:2:\xef\xbb ", false },
		{ TEXT("\xef\xbb\xbf\xef\xbb\xbf" "a"),
		    "1:4:\xef\xbb\xbf" "a ", false },
		{ TEXT("a\n\xef\xbb\xbf" "b\n"), "1:1:a 2:4:\xef\xbb\xbf" "b ",
		    true },
		{ TEXT("a\0b\nc\n"), "1:3:a 2:1:c ", true },
	};
	struct listfiles l;
	char got[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&l, "lines");
		scratch_write(path, rows[i].bytes, rows[i].size);
		got[0] = '\0';
		assert_int_equal(listfiles_read(&l, take_shown, got), 0);
		CHECK(strcmp(got, rows[i].want) == 0, "row %zu: \"%s\"", i,
		    got);
		CHECK(l.file[0].read.newline == rows[i].newline, "row %zu", i);
	}
}

/* The sizes of three lines at most, and the first and last byte of each. */
struct sizes {
	size_t size[3];
	char first[3], last[3];
};

static int
take_size(struct listfile_reader *r, char *line, size_t size)
{
	struct sizes *s = r->arg;

	assert_in_range(r->line, 1, 3);
	assert_in_range(size, 1, 65536);
	s->size[r->line - 1] = size;
	s->first[r->line - 1] = line[0];
	s->last[r->line - 1] = line[size - 1];
	assert_int_equal(strlen(r->text), size < LISTFILE_TEXT_MAX ? size :
	    LISTFILE_TEXT_MAX);
	return 0;
}

/* No part of a long line is taken for a line, wherever the buffer ends. */
static void
test_long_lines(void **state)
{
	static const size_t sizes[] = { 1, 60, 61, 1022, 32766, 32767, 32768,
	    32769, 65534, 65535, 65536, 65537, 98304, 131072, 200000 };
	static const size_t before[] = { 1, 100, 32767, 32768, 32769, 65535 };
	static char text[400000];
	struct listfiles l;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes) * COUNT(before); i++) {
		size_t size = sizes[i / COUNT(before)];
		size_t lead = before[i % COUNT(before)];
		struct sizes got = { { 0 }, "", "" };

		begin(&l, "long");
		memset(text, 'a', lead);
		memset(text + lead + 1, 'b', size);
		text[lead] = text[lead + 1 + size] = '\n';
		text[lead + size] = 'B';
		memcpy(text + lead + size + 2, "cde", 3);
		scratch_write(path, text, lead + size + 5);
		assert_int_equal(listfiles_read(&l, take_size, &got), 0);
		CHECK(got.size[1] <= size && (got.size[1] == size ||
		    (size > HALF_BUFFER && got.size[1] >= HALF_BUFFER)),
		    "%zu behind %zu: %zu", size, lead, got.size[1]);
		CHECK(memcmp(got.first, "abc", 3) == 0 || size == 1,
		    "%zu behind %zu: %.3s", size, lead, got.first);
		CHECK(got.last[1] == 'B' || got.size[1] < size,
		    "%zu behind %zu: %c", size, lead, got.last[1]);
		assert_int_equal(got.last[2], 'e');
		assert_int_equal(got.size[2], 3);
	}
}

/* Only the first bytes of a file are a mark, not those of a later read. */
static void
test_mark_at_buffer(void **state)
{
	static char text[65536 + 6];
	struct sizes got = { { 0 }, "", "" };
	struct listfiles l;

	(void)state;
	begin(&l, "mark");
	memset(text, 'a', sizeof text);
	memcpy(text + 32000, "\n", 1);
	memcpy(text + 65535, "\n\xef\xbb\xbf", 4);
	scratch_write(path, text, sizeof text);
	assert_int_equal(listfiles_read(&l, take_size, &got), 0);
	assert_int_equal(got.size[2], 6);
}

/* --- faults */

/* One line, and it begins with the path and this. */
static void
check_log(const char *want)
{
	char text[300];
	const char *log = scratch_logged();

	snprintf(text, sizeof text, "%s%s", path, want);
	CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
	    "logged \"%s\", want \"%s\"", log, text);
}

static void
test_not_a_file(void **state)
{
	static const struct {
		int (*make)(const char *, mode_t);
		const char *log;
	} rows[] = {
		{ NULL, ": No such file or directory" },
		{ mkdir, ": not a regular file" },
		{ mkfifo, ": not a regular file" },
	};
	struct listfiles l;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&l, "thing");
		if (rows[i].make != NULL)
			assert_int_equal(rows[i].make(path, 0755), 0);
		scratch_logged();
		CHECK(load(&l) == -1, "%s", rows[i].log);
		check_log(rows[i].log);
		/* It failed once and is not tried again until it changes. */
		assert_false(listfiles_changed(&l, 0));
		listfiles_reread(&l, take_word, NULL);
		check_log(rows[i].log);
		unlink(path);
		rmdir(path);
	}
}

static const char *
times(int count, const char *line)
{
	static char text[2000];
	size_t n = 0;

	text[0] = '\0';
	while (count-- > 0)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s", line);
	return text;
}

/* What is a fault of a file that was in use is none of a new one. */
static void
test_faults_of_the_whole(void **state)
{
	static const struct {
		const char *before, *after, *log;	/* NULL: taken */
		int more;		/* good lines in front of after */
	} rows[] = {
		{ "a\n", "b\n", NULL, 0 },
		{ "a\n", "", ": it has become empty", 0 },
		{ "a\n", "ignored\n", ": it has become empty", 0 },
		{ "ignored\n", "", NULL, 0 },
		{ "a\n", "b", ": it was cut short: no newline at its end", 0 },
		{ "", "b", ": it was cut short: no newline at its end", 0 },
		{ "a", "b", NULL, 0 },
		{ "a\n", "bad\n", NULL, 99 },
		{ "a\n", "bad\n", ": more than one bad line in a hundred",
		    98 },
		{ "a\n", "stop\n", "", 0 },
	};
	struct listfiles l;
	char text[3000];

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		size_t row = i / 2;
		bool was = i % 2 == 0, taken;
		const char *log;

		begin(&l, "whole");
		l.lenient = true;
		write_text(rows[row].before);
		if (was)
			assert_int_equal(load(&l), 0);
		snprintf(text, sizeof text, "%s%s", times(rows[row].more,
		    "a\n"), rows[row].after);
		write_text(text);
		taken = rows[row].log == NULL || (!was && rows[row].log[0] !=
		    '\0');
		scratch_logged();
		CHECK(load(&l) == (taken ? 0 : -1), "row %zu, %d", row, was);
		log = scratch_logged();
		CHECK(taken || strstr(log, rows[row].log) != NULL,
		    "row %zu: \"%s\"", row, log);
		/* What is in use is what was loaded last. */
		CHECK(l.file[0].loaded == (was || taken), "row %zu", row);
		CHECK(taken || !was || l.file[0].result.newline ==
		    (strchr(rows[row].before, '\n') != NULL ||
		    rows[row].before[0] == '\0'), "row %zu", row);
		assert_false(listfiles_changed(&l, 0));
	}
}

static int
take_and_touch(struct listfile_reader *r, char *line, size_t size)
{
	FILE *file = fopen(r->path, "a");

	assert_non_null(file);
	assert_int_equal(fputs("more\n", file) >= 0 && fclose(file) == 0, 1);
	return take_word(r, line, size);
}

/* A fault at the first load, too; and then it has changed since. */
static void
test_changes_while_read(void **state)
{
	struct listfiles l;

	(void)state;
	begin(&l, "touched");
	write_text("a");
	scratch_logged();
	assert_int_equal(listfiles_read(&l, take_and_touch, NULL), -1);
	check_log(": it changed while it was read");
	assert_true(listfiles_changed(&l, 0));
	assert_int_equal(load(&l), 0);
	assert_int_equal(l.file[0].result.entries, 1);
}

static void
test_bad_lines(void **state)
{
	struct listfiles l;

	(void)state;
	begin(&l, "bad");
	write_text("a\nbad\n\nbad\nignored\n");
	scratch_logged();
	assert_int_equal(load(&l), -1);
	check_log(":2: is bad: bad\n");
	l.lenient = true;
	assert_int_equal(load(&l), 0);
	check_log(":2: is bad: bad (passed over, and so are more like it)\n");
	assert_int_equal(l.file[0].result.bad, 2);
	assert_int_equal(l.file[0].result.entries, 1);
	assert_int_equal(l.file[0].result.ignored, 1);
}

/* --- several files, and their changes */

static void
set_age(const char *name, long seconds)
{
	struct timeval age[2];

	gettimeofday(&age[0], NULL);
	age[0].tv_sec -= seconds;
	age[1] = age[0];
	assert_int_equal(utimes(name, age), 0);
}

static void
test_changed(void **state)
{
	char second[SCRATCH_PATH_MAX];
	struct listfiles l;

	(void)state;
	begin(&l, "first");
	scratch_path(second, "second");
	assert_int_equal(listfiles_add(&l, second), 1);
	write_text("a\n");
	scratch_write(second, "b\n", 2);
	assert_true(listfiles_changed(&l, 0));	/* never seen */
	set_age(path, 100);
	set_age(second, 100);
	assert_int_equal(load(&l), 0);
	assert_false(listfiles_changed(&l, 0));

	/* One has, the other may not be complete. */
	write_text("ab\n");
	set_age(path, 100);
	assert_true(listfiles_changed(&l, 10));
	scratch_write(second, "bc\n", 3);
	assert_false(listfiles_changed(&l, 10));
	assert_true(listfiles_changed(&l, 0));
	set_age(second, -100);		/* the clock was set back */
	assert_true(listfiles_changed(&l, 10));

	/* A fault in the first has seen the second, too. */
	write_text("bad\n");
	assert_int_equal(load(&l), -1);
	assert_false(listfiles_changed(&l, 0));
	assert_int_equal(unlink(second), 0);
	assert_true(listfiles_changed(&l, 10));
}

/* Each of what stat(2) says, alone. */
static void
test_same(void **state)
{
	struct timespec age[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };
	char other[SCRATCH_PATH_MAX];
	struct listfiles l;

	(void)state;
	begin(&l, "same");
	scratch_path(other, "same-other");
	for (int i = 0; i < 4; i++) {
		age[1].tv_nsec = 0;
		write_text("a\n");
		assert_int_equal(utimensat(AT_FDCWD, path, age, 0), 0);
		assert_int_equal(load(&l), 0);
		write_text(i == 1 ? "ab\n" : "b\n");
		age[1].tv_nsec = i == 2;
		if (i == 3) {
			scratch_write(other, "b\n", 2);
			assert_int_equal(rename(other, path), 0);
		}
		assert_int_equal(utimensat(AT_FDCWD, path, age, 0), 0);
		CHECK(listfiles_changed(&l, 10) == (i > 0), "%d", i);
	}
}

static void
test_most_files(void **state)
{
	struct listfiles l = { .count = 0 };

	(void)state;
	for (int i = 0; i < LISTFILES_MAX; i++)
		assert_int_equal(listfiles_add(&l, "/many"), i);
	scratch_logged();
	scratch_path(path, "too-many");
	assert_int_equal(listfiles_add(&l, path), -1);
	check_log(": more than 63 list files");
	assert_int_equal(l.count, LISTFILES_MAX);
}

/* --- what is printed */

static int
take_printed(struct listfile_reader *r, char *line, size_t size)
{
	memset(line, 'x', size);
	listfile_print(r, r->arg);
	return 0;
}

static void
test_print(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "a b", "a b" }, { "a\tb\r\n", "a b" }, { "\n", "" },
		{ "\x1b[2J % caf\xc3\xa9", "?[2J % caf??" },
		{ "1234567890123456789012345678901234567890123456789012345678"
		    "90123", "1234567890123456789012345678901234567890"
		    "12345678901234567890" },
	};
	struct listfiles l;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[300];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		begin(&l, "printed");
		write_text(rows[i].line);
		listfiles_reread(&l, take_printed, out);
		fclose(out);
		snprintf(want, sizeof want, "%s:1: %s\n", path, rows[i].want);
		CHECK(strcmp(got, want) == 0, "got %s, want %s", got, want);
		free(got);
	}
}

/* One path twice is one value, or a scraper refuses the whole. */
static void
test_stats_and_log(void **state)
{
	char second[SCRATCH_PATH_MAX], want[600], *got;
	struct listfiles l;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	begin(&l, "counted");
	assert_int_equal(listfiles_add(&l, scratch_path(second, "more")), 1);
	assert_int_equal(listfiles_add(&l, path), 2);
	l.lenient = true;
	write_text("a\nb\nignored\nbad\n");
	scratch_write(second, "c\n", 2);
	assert_int_equal(load(&l), 0);
	scratch_logged();
	listfiles_log(&l, NULL, 7);
	assert_non_null(strstr(scratch_logged(), ": loaded files=3 entries=5 "
	    "ignored=2 bad=2 bytes=7 ms="));
	listfiles_log(&l, "x", 7);
	assert_non_null(strstr(scratch_logged(), ": loaded list=x files=3 "));
	listfiles_stats(out, &l, "n_entries", "What.", offsetof(
	    struct listfile_result, entries));
	fclose(out);
	snprintf(want, sizeof want, "# HELP milter_n_entries What.\n"
	    "# TYPE milter_n_entries gauge\n"
	    "milter_n_entries{list=\"%s\"} 4\n"
	    "milter_n_entries{list=\"%s\"} 1\n", path, second);
	assert_string_equal(got, want);
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_mark_at_buffer),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_faults_of_the_whole),
		cmocka_unit_test(test_changes_while_read),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_stats_and_log),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
