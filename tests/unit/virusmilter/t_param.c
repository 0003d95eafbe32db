/*
 * t_param - which names a field gives an attachment, whatever it is written
 * like.
 */
#include <string.h>

#include "filename.h"
#include "unit.h"

/* What was taken, with a bar between each two. */
struct taken {
	char text[4096];
	size_t count, size;
};

static void
take(void *arg, const char *name)
{
	struct taken *t = arg;
	size_t size = strlen(name);

	assert_true(size > 0 && size < FILENAME_MAX_BYTES);
	if (t->size + size + 2 < sizeof t->text) {
		if (t->count > 0)
			t->text[t->size++] = '|';
		memcpy(t->text + t->size, name, size + 1);
		t->size += size;
	}
	t->count++;
}

static void
find(struct taken *t, const char *field, const char *value)
{
	*t = (struct taken){ .count = 0 };
	filename_find(field, value, take, t);
}

struct row {
	const char *value, *names;
};

static void
check_rows(const struct row *row, size_t count)
{
	struct taken t;

	for (size_t i = 0; i < count; i++) {
		find(&t, "Content-Disposition", row[i].value);
		CHECK(strcmp(t.text, row[i].names) == 0,
		    "%s: got \"%s\" want \"%s\"", row[i].value, t.text,
		    row[i].names);
	}
}

static void
fields(void **state)
{
	static const struct {
		const char *field;
		size_t names;
	} table[] = {
		{ "Content-Type", 2 }, { "content-disposition", 2 },
		{ "CONTENT-TYPE", 2 }, { "Content-Type ", 2 },
		{ "Content-Type\t", 2 },
		{ "Content-Typ", 0 }, { "Content-Types", 0 },
		{ "Content-ID", 0 }, { "Subject", 0 }, { "", 0 },
		{ "X-Content-Type", 0 }, { "Content-Description", 0 },
	};
	struct taken t;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		find(&t, table[i].field, "a/b; name=c.txt; filename=d.txt");
		CHECK(t.count == table[i].names, "%s: got %zu",
		    table[i].field, t.count);
	}
}

static void
plain(void **state)
{
	static const struct row rows[] = {
		{ "attachment; filename=a.exe", "a.exe" },
		{ "attachment; filename=\"a.exe\"", "a.exe" },
		{ "a/b; name=a.exe", "a.exe" },
		{ "a/b; NAME=\"a.exe\"; x=y", "a.exe" },
		{ "a/b; FileName = \"a b.exe\" ; x=y", "a b.exe" },
		{ "a/b;name\t=\t\r\n a.exe", "a.exe" },
		{ "a/b; name=a.txt; filename=b.exe", "a.txt|b.exe" },
		{ "a/b; name=a.txt; name=b.exe; name=c.com",
		    "a.txt|b.exe|c.com" },
		{ "a/b; name=\"a\\\"b.exe\"", "a\"b.exe|a\\" },
		{ "a/b; name=\"C:\\tmp\\a.exe\"",
		    "C:tmpa.exe|C:\\tmp\\a.exe" },
		{ "a/b; name=\"a;b.exe\"", "a;b.exe" },
		{ "a/b; name=\"  a.exe  \"", "  a.exe  " },
		{ "a/b; name=\"\xe2\x82\xac\xff.exe\"",
		    "\xe2\x82\xac\xff.exe" },
		{ "name=a.exe", "a.exe" },
		{ "a/b; name=\"name=a.exe\"", "name=a.exe" },
		/* None of these is one. */
		{ "", "" },
		{ "attachment", "" },
		{ "a/b; name", "" },
		{ "a/b; name=", "" },
		{ "a/b; name=\"\"", "" },
		{ "a/b; name=;", "" },
		{ "a/b; xname=a; namex=b; x-name=c; file-name=d", "" },
		{ "a/b; filenam=a; ame=b; name*x=c; name*", "" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
broken(void **state)
{
	static const struct row rows[] = {
		/* Quotes that are missing. */
		{ "a/b; name=\"a.exe", "a.exe" },
		{ "a/b; name=\"a.exe; size=3", "a.exe; size=3|a.exe" },
		{ "a/b; name=\"a.exe\\\"; x", "a.exe\"; x|a.exe\\" },
		{ "a/b; name=a.exe\"", "a.exe" },
		{ "a/b; name=my own.exe", "my|my own.exe" },
		{ "a/b; name=my own.exe ; x=y", "my|my own.exe" },
		{ "a/b; name=\"C:\\\"; filename=\"b.exe\"",
		    "C:\"; filename=|C:\\|C:\\; filename=b.exe|b.exe" },
		/* Some more of the name behind them. */
		{ "a/b; name=\"a\".exe", "a|a.exe" },
		{ "a/b; name=\"a\"\".exe\"; x=y", "a|a.exe" },
		{ "a/b; name=\"a;b\".exe; x=y", "a;b|a;b.exe" },
		{ "a/b; name=\"a.exe\" x=y", "a.exe" },
		/* Semicolons. */
		{ "a/b name=a.exe", "a.exe" },
		{ "a/b;; name=a.exe;; filename=b.exe;", "a.exe|b.exe" },
		{ "a/b; name=a.txt filename=b.exe",
		    "a.txt|a.txt filename=b.exe|b.exe" },
		{ "a/b; name=a x filename=b.exe y; z",
		    "a|a x filename=b.exe y|b.exe" },
		{ "a/b; charset=\"c\"name=a.exe", "a.exe" },
		{ "a/b, name=a.exe", "a.exe" },
		/* It looks like one where none can be. */
		{ "a/b; x=\"y; name=a.exe", "a.exe" },
		{ "a/b; x=\"y; name=a.exe\"", "a.exe" },
		{ "a/b (name=a.exe)", "a.exe)" },
		{ "a/b \\name=a.exe", "a.exe" },
		/* Comments. */
		{ "a/b; name(c)=a.exe", "a.exe" },
		{ "a/b; name (c (d) \\) ) = (e) a.exe", "(e)|(e) a.exe|a.exe" },
		{ "a/b; name=a.exe(c)", "a.exe|a.exe(c)" },
		{ "a/b; name=a(1).exe", "a|a(1).exe" },
		{ "a/b; name=(1).exe", "(1).exe|.exe" },
		{ "a/b; name=\"a.exe\" (c)", "a.exe" },
		{ "a/b; name=(c)\"a.exe\"", "(c)a.exe|a.exe" },
		{ "a/b; name (c = a.exe", "" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
extended(void **state)
{
	static const struct row rows[] = {
		{ "a/b; name*=utf-8''%e2%82%ac.exe", "\xe2\x82\xac.exe" },
		{ "a/b; name*=UTF-8'en-us'a%20b%2Eexe", "a b.exe" },
		{ "a/b; name*=\"utf-8''a%2eexe\"", "a.exe" },
		{ "a/b; name* = us-ascii''a.exe", "a.exe" },
		{ "a/b; name*=iso-8859-1''%e4\xe4.exe",
		    "\xc3\xa4\xe4.exe" },
		{ "a/b; name*=koi8-r''%e4.exe", "\xe4.exe" },
		{ "a/b; name*=a%2eexe", "a.exe" },
		{ "a/b; name*=''a%2eexe", "a.exe" },
		{ "a/b; name*=utf-8'a.exe", "utf-8'a.exe" },
		{ "a/b; name*=utf-8''100%.exe", "100%.exe" },
		{ "a/b; name*=utf-8''a%2", "a%2" },
		{ "a/b; name*=utf-8''a%4g", "a%4g" },
		/* A NUL ends the name, or is not there. */
		{ "a/b; name*=utf-8''a.exe%00.txt", "a.exe|a.exe.txt" },
		{ "a/b; name*=utf-16le''a%00.%00c%00o%00m%00", "a|a.com" },
		{ "a/b; name*=utf-8''%00a", "a" },
		/* Both are there. */
		{ "a/b; name=a.txt; name*=utf-8''a.exe", "a.txt|a.exe" },
		{ "a/b; name*=utf-8''a.exe; name=\"a.txt\"", "a.exe|a.txt" },
		/* Percents in others are percents. */
		{ "a/b; name=a%2eexe", "a%2eexe" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
segments(void **state)
{
	static const struct row rows[] = {
		{ "a/b; name*0=a; name*1=b.exe", "ab.exe" },
		{ "a/b; name*0=\"a \"; name*1=\"b.exe\"", "a b.exe" },
		{ "a/b; name*1=b.exe; name*0=a", "ab.exe" },
		{ "a/b; name*2=.exe; name*0=a; name*1=b", "ab.exe" },
		{ "a/b; name*10=k; name*9=j; name*0=a", "a|ajk" },
		{ "a/b; name*0*=utf-8''%61%20; name*1*=%62; name*2=.exe",
		    "a b.exe" },
		{ "a/b; name*0*=iso-8859-1''%e4; name*1*=%e4.exe",
		    "\xc3\xa4\xc3\xa4.exe" },
		{ "a/b; name*0*=utf-8''; name*1*=a'b'c", "a'b'c" },
		{ "a/b; filename*0=a; name*0=b; filename*1=.exe; name*1=.txt",
		    "b.txt|a.exe" },
		{ "a/b; name*0=a name*1=.exe", "a.exe" },
		{ "a/b; name*0=\"a\\\"; name*1=.exe", "a\"; name*1=.exe.exe" },
		{ "a/b; name=a.txt; name*0=b; name*1=.exe", "a.txt|b.exe" },
		{ "a/b; name*00=a; name*01=.exe", "a.exe" },
		/* Gaps, and where it does not begin with 0. */
		{ "a/b; name*1=a; name*2=.exe", "a.exe" },
		{ "a/b; name*0=a.exe; name*2=.txt", "a.exe|a.exe.txt" },
		{ "a/b; name*0=a; name*2=.exe; name*9=.txt",
		    "a|a.exe.txt" },
		{ "a/b; name*0=a; name*99999999999999999999=.exe",
		    "a|a.exe" },
		/* One of them twice. */
		{ "a/b; name*0=a; name*1=.txt; name*1=.exe", "a.txt|a.exe" },
		/* Percents in one that has none by the RFC. */
		{ "a/b; name*0*=utf-8''a; name*1=%2eexe", "a%2eexe|a.exe" },
		{ "a/b; name*0=%61; name*1=.exe; name*1=.txt",
		    "%61.exe|%61.txt|a.exe|a.txt" },
		/* An encoded word in pieces. */
		{ "a/b; name*0=\"=?utf-8?Q?a=2\"; name*1=\"eexe?=\"",
		    "=?utf-8?Q?a=2eexe?=|a.exe" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
words(void **state)
{
	static const struct row rows[] = {
		{ "a/b; name==?utf-8?Q?a=2Eexe?=",
		    "=?utf-8?Q?a=2Eexe?=|a.exe" },
		{ "a/b; name=\"=?utf-8?B?YS5leGU=?=\"",
		    "=?utf-8?B?YS5leGU=?=|a.exe" },
		{ "a/b; name=\"=?UTF-8*en?b?YS5leGU?=\"",
		    "=?UTF-8*en?b?YS5leGU?=|a.exe" },
		{ "a/b; name=\"=?utf-8?q?a_b.exe?=\"",
		    "=?utf-8?q?a_b.exe?=|a b.exe" },
		{ "a/b; name=\"=?iso-8859-1?q?=e4.exe?=\"",
		    "=?iso-8859-1?q?=e4.exe?=|\xc3\xa4.exe" },
		{ "a/b; name=\"=?Latin1?B?5C5leGU=?=\"",
		    "=?Latin1?B?5C5leGU=?=|\xc3\xa4.exe" },
		{ "a/b; name=\"=?koi8-r?q?=e4.exe?=\"",
		    "=?koi8-r?q?=e4.exe?=|\xe4.exe" },
		/* Several, and text around them. */
		{ "a/b; name=\"=?a?q?x?= \t =?a?q?.exe?=\"",
		    "=?a?q?x?= \t =?a?q?.exe?=|x.exe" },
		{ "a/b; name=\"=?a?q?x?=  y =?a?q?z?=.exe\"",
		    "=?a?q?x?=  y =?a?q?z?=.exe|x  y z.exe" },
		{ "a/b; name=\"x =?a?q?.exe?=  \"",
		    "x =?a?q?.exe?=  |x .exe  " },
		{ "a/b; name==?a?q?x?= =?a?q?.exe?=; y=z",
		    "=?a?q?x?=|x|=?a?q?x?= =?a?q?.exe?=|x.exe" },
		/* Broken ones. */
		{ "a/b; name=\"=?a?q?x y.exe?=\"",
		    "=?a?q?x y.exe?=|x y.exe" },
		{ "a/b; name=\"=?utf-8?B?YS5leGU=\"",
		    "=?utf-8?B?YS5leGU=|a.exe" },
		{ "a/b; name=\"=?utf-8?B?YS5leGU\"",
		    "=?utf-8?B?YS5leGU|a.exe" },
		{ "a/b; name=\"=?a?q?a=2eexe?\"",
		    "=?a?q?a=2eexe?|a.exe" },
		{ "a/b; name=\"=?a?q?a=?=\"", "=?a?q?a=?=|a=" },
		{ "a/b; name=\"=?a?q?a=2\"", "=?a?q?a=2|a=2" },
		{ "a/b; name=\"=?a?q?\?=.exe\"", "=?a?q?\?=.exe|.exe" },
		{ "a/b; name=\"=?a?q?b?c?=.exe\"", "=?a?q?b?c?=.exe|b?c.exe" },
		/* None of them. */
		{ "a/b; name=\"=?a?x?b?=\"", "=?a?x?b?=" },
		{ "a/b; name=\"=?a?q\"", "=?a?q" },
		{ "a/b; name=\"=?\"", "=?" },
		{ "a/b; name=\"=?=\"", "=?=" },
		/* A NUL. */
		{ "a/b; name=\"=?a?q?x.exe=00.txt?=\"",
		    "=?a?q?x.exe=00.txt?=|x.exe|x.exe.txt" },
		/* The parameter is in one. */
		{ "a/b; =?utf-8?Q?name=3D=22a.exe=22?=",
		    "3D=22a.exe=22?=|a.exe" },
		{ "=?utf-8?B?YS9iOyBuYW1lPSJhLmV4ZSI=?=", "a.exe" },
		{ "a/b; name=a.txt; =?a?q?file?= =?a?q?name=3Da.exe?=",
		    "a.txt|3Da.exe?=|a.txt|a.exe" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* A name of this many bytes between the other two. */
static void
find_long(struct taken *t, const char *before, size_t count, char c,
    const char *behind)
{
	static char value[1 << 16];
	size_t size = strlen(before);

	memcpy(value, before, size);
	memset(value + size, c, count);
	size += count;
	memcpy(value + size, behind, strlen(behind) + 1);
	find(t, "Content-Type", value);
}

static void
long_names(void **state)
{
	static const struct {
		const char *before, *behind, *end;
		size_t bytes;
	} table[] = {
		{ "a/b; name=", ".exe", ".exe", 1018 },
		{ "a/b; name=", ".exe", ".exe", 1019 },
		{ "a/b; name=", ".exe", ".exe", 1020 },
		{ "a/b; name=", ".exe", ".exe", 3000 },
		{ "a/b; name=\"", ".exe\"", ".exe", 60000 },
		{ "a/b; name*=utf-8''", "%2eexe", ".exe", 60000 },
		{ "a/b; name*0=", "; name*1=.exe", ".exe", 60000 },
		{ "a/b; name==?a?q?", ".exe?=", ".exe", 10000 },
	};
	struct taken t;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		size_t end = strlen(table[i].end), size;

		find_long(&t, table[i].before, table[i].bytes, 'x',
		    table[i].behind);
		size = table[i].bytes + end;
		size = size < FILENAME_MAX_BYTES ? size :
		    FILENAME_MAX_BYTES - 1;
		CHECK(t.size >= size, "%zu: got %zu", i, t.size);
		CHECK(strcmp(t.text + t.size - end, table[i].end) == 0,
		    "%zu: %s", i, t.text);
		if (t.count == 1)
			CHECK(t.size == size, "%zu: got %zu", i, t.size);
	}
}

/* What is cut off is cut between two characters. */
static void
long_names_keep_characters(void **state)
{
	char value[2100] = "a/b; name=", *p = value + strlen(value);
	struct taken t;

	(void)state;
	for (int i = 0; i < 600; i++, p += 3)
		memcpy(p, "\xe2\x82\xac", 3);
	memcpy(p, ".exe", 5);
	find(&t, "Content-Type", value);
	assert_int_equal(t.size, 1018 / 3 * 3 + 4);
	assert_memory_equal(t.text, "\xe2\x82\xac", 3);
}

/* A NUL in front of what is cut off still ends the name. */
static void
long_names_with_nul(void **state)
{
	struct taken t;

	(void)state;
	find_long(&t, "a/b; name*=utf-8''a.exe%00", 5000, 'x', ".txt");
	assert_int_equal(t.count, 2);
	assert_memory_equal(t.text, "a.exe|xxx", 9);
}

static void
many_segments(void **state)
{
	static char value[40000];
	size_t size = (size_t)snprintf(value, sizeof value, "a/b");
	struct taken t;

	(void)state;
	for (int i = 1799; i >= 0; i--)
		size += (size_t)snprintf(value + size, sizeof value - size,
		    ";name*%d=%c", i, i < 1796 ? 'x' : ".exe"[i - 1796]);
	find(&t, "Content-Type", value);
	assert_int_equal(t.count, 1);
	assert_string_equal(t.text + t.size - 5, "x.exe");
	/* Of more than there is room for some are left out. */
	for (int i = 1800; i < 2500; i++)
		size += (size_t)snprintf(value + size, sizeof value - size,
		    ";name*%d=y", i);
	assert_true(size < sizeof value - 1);
	find(&t, "Content-Type", value);
	assert_int_equal(t.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(plain),
		cmocka_unit_test(broken),
		cmocka_unit_test(extended),
		cmocka_unit_test(segments),
		cmocka_unit_test(words),
		cmocka_unit_test(long_names),
		cmocka_unit_test(long_names_keep_characters),
		cmocka_unit_test(long_names_with_nul),
		cmocka_unit_test(many_segments),
	};

	return RUN(tests);
}
