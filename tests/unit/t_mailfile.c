/*
 * t_mailfile - the header of a message in a file, as an MTA would hand it on,
 * and where its body begins.
 */
#include <stdlib.h>
#include <string.h>

#include "mailfile.h"
#include "scratch.h"
#include "unit.h"

/* "NAME=VALUE|" for each field, then the body. */
static void
print(char *out, size_t size, const struct mailfile *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->count; i++)
		n += (size_t)snprintf(out + n, size - n, "%s=%s|",
		    m->field[i].name, m->field[i].value);
	snprintf(out + n, size - n, "%.*s", (int)m->body_size, m->body);
}

/* From memory; size counts, for there may be a NUL. */
static void
read_text(struct mailfile *m, const char *text, size_t size)
{
	FILE *in = fmemopen((char *)text, size, "r");

	assert_non_null(in);
	assert_int_equal(mailfile_read(m, in, "the file"), 0);
	fclose(in);
}

static void
reading(void **state)
{
#define ROW(text, wanted)	{ text, sizeof text - 1, wanted }
	static const struct {
		const char *text;
		size_t size;
		const char *wanted;
	} rows[] = {
		ROW("To: joe\nSubject: x\n\nbody\n", "To=joe|Subject=x|body\n"),
		ROW("To: joe\r\nSubject: x\r\n\r\nbody\r\n",
		    "To=joe|Subject=x|body\r\n"),
		/* Folded: as libmilter has it. */
		ROW("To: joe,\n\tann\n x\n\nb", "To=joe,\n\tann\n x|b"),
		ROW("To: joe,\r\n\tann\r\n\r\nb", "To=joe,\r\n\tann|b"),
		/* One blank is left out. */
		ROW("To:joe\nCc:  ann\nBcc:\n\n", "To=joe|Cc= ann|Bcc=|"),
		ROW("To:\n joe\n\n", "To=\n joe|"),
		/* Blanks before the colon. */
		ROW("To : joe\nCc\t:ann\n\n", "To=joe|Cc=ann|"),
		/* An mbox. */
		ROW("From joe Mon Nov 30\nTo: joe\n\nb", "To=joe|b"),
		ROW("From: joe\n\nFrom ann\n", "From=joe|From ann\n"),
		ROW("From ", ""),
		/* The end of the header. */
		ROW("To: joe\nno field\nCc: ann\n\nb",
		    "To=joe|no field\nCc: ann\n\nb"),
		ROW("\nTo: joe\n\n", "To: joe\n\n"),
		ROW(" To: joe\n", " To: joe\n"),
		ROW(": joe\n\n", ": joe\n\n"),
		ROW("To: joe\n\n\nb", "To=joe|\nb"),
		ROW("To: joe\n\r\nb", "To=joe|b"),
		/* The end of the file. */
		ROW("To: joe", "To=joe|"),
		ROW("To: joe\n", "To=joe|"),
		ROW("To: joe\n\n", "To=joe|"),
		ROW("To:", "To=|"),
		ROW("To", "To"),
		ROW("\n", ""),
		/* 8-bit bytes are no name. */
		ROW("T\xc3\xb6: joe\n", "T\xc3\xb6: joe\n"),
		ROW("To: j\xc3\xb6\n\n", "To=j\xc3\xb6|"),
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mailfile m;

		read_text(&m, rows[i].text, rows[i].size);
		print(text, sizeof text, &m);
		CHECK(strcmp(text, rows[i].wanted) == 0, "\"%s\": \"%s\"",
		    rows[i].text, text);
		mailfile_free(&m);
		assert_null(m.field);
	}
}

/* What is behind a NUL is body, NUL and all. */
static void
nul(void **state)
{
	struct mailfile m;

	(void)state;
	read_text(&m, "To: joe\nCc\0: ann\n\nb", 19);
	assert_int_equal(m.count, 1);
	assert_int_equal(m.body_size, 11);
	assert_memory_equal(m.body, "Cc\0: ann\n\nb", 11);
	mailfile_free(&m);
}

/* More than fits: the rest is still in the file. */
static void
large(void **state)
{
	static const char field[] = "X-Field: value\n";
	const size_t fields = MAILFILE_HEADER_MAX / (sizeof field - 1) + 10;
	struct mailfile m;
	FILE *in = tmpfile();
	size_t rest = 0;

	(void)state;
	assert_non_null(in);
	for (size_t i = 0; i < fields; i++)
		fputs(field, in);
	rewind(in);
	assert_int_equal(mailfile_read(&m, in, "the file"), 0);
	while (getc(in) != EOF)
		rest++;
	CHECK(rest > 100 && rest < 300, "%zu", rest);
	assert_in_range(m.count, fields - 25, fields - 8);
	assert_string_equal(m.field[m.count - 2].value, "value");
	fclose(in);
	mailfile_free(&m);
}

static void
unreadable(void **state)
{
	struct mailfile m;
	FILE *in = fopen("/", "r");

	(void)state;
	assert_non_null(in);
	assert_int_equal(mailfile_read(&m, in, "the file"), -1);
	assert_non_null(strstr(scratch_logged(), "the file: Is a directory"));
	fclose(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(nul),
		cmocka_unit_test(large),
		cmocka_unit_test(unreadable),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
