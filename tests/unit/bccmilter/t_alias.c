/*
 * t_alias - addresses that stand for recipients: whom an address stands for,
 * which lines are bad, and that a reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "addrlist.h"
#include "alias.h"
#include "scratch.h"

#define FOUND_MAX	8000	/* bytes of what is found */

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* With this one file, not loaded. */
static struct alias *
new_alias(const char *path)
{
	struct alias *a = alias_new();

	assert_non_null(a);
	assert_int_equal(alias_add_file(a, path), 0);
	return a;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whom it stands for, sorted, a blank between each two; * is everybody. */
struct found {
	char *who[300];
	size_t count;
	char text[FOUND_MAX];
};

static void
take(void *arg, const char *recipient)
{
	struct found *f = arg;

	CHECK(f->count < COUNT(f->who), "more than %zu", f->count);
	f->who[f->count++] = strdup(recipient != NULL ? recipient : "*");
}

static const char *
find(struct alias *a, const char *address)
{
	static struct found f;
	size_t size = 0;

	f.count = 0;
	f.text[0] = '\0';
	alias_find(a, address, take, &f);
	qsort(f.who, f.count, sizeof f.who[0], compare);
	for (size_t i = 0; i < f.count; i++) {
		size += (size_t)snprintf(f.text + size, sizeof f.text - size,
		    "%s%s", i > 0 ? " " : "", f.who[i]);
		assert_true(size < sizeof f.text);
		free(f.who[i]);
	}
	return f.text;
}

#define CHECK_FIND(a, address, want)					\
	CHECK(strcmp(find(a, address), want) == 0,			\
	    "%s: got \"%s\" want \"%s\"", address, find(a, address), want)

/* --- what is taken */

#define JOE	"joe@a.example joe@b.example\n"

static const struct {
	const char *text, *address, *want;
} lines[] = {
	/* An address for an address. */
	{ JOE, "joe@a.example", "joe@b.example" },
	{ JOE, "joe@b.example", "" },
	{ JOE, "ann@a.example", "" },
	{ JOE, "xjoe@a.example", "" },
	{ JOE, "joe@sub.a.example", "" },
	{ JOE, "joe@a.example.org", "" },
	{ JOE, "oe@a.example", "" },
	{ JOE, "joe@", "" },
	{ JOE, "@a.example", "" },
	{ JOE, "a.example", "" },
	{ JOE, "", "" },
	{ "Joe@A.Example JOE@B.EXAMPLE\n", "joe@a.example", "joe@b.example" },
	{ "joe+x@a.example ann+y@b.example\n", "joe@a.example",
	    "ann@b.example" },
	{ "+x@a.example +y@b.example\n", "+x@a.example", "+y@b.example" },
	{ "joe@localhost joe@b\n", "joe@localhost", "joe@b" },
	{ "joe@[192.0.2.1] joe@[IPv6:2001:DB8::1]\n", "joe@[192.0.2.1]",
	    "joe@[ipv6:2001:db8::1]" },
	{ "o'neil=a#1/x{~}@a.example 1@b.example\n",
	    "o'neil=a#1/x{~}@a.example", "1@b.example" },
	{ "*@a.example joe@b.example\n", "*@a.example", "joe@b.example" },
	{ "*@a.example joe@b.example\n", "ann@a.example", "" },
	{ "jos\xc3\xa9@ex\xc3\xa4mple.org joe@b.example\n",
	    "jos\xc3\xa9@ex\xc3\xa4mple.org", "joe@b.example" },
	{ "\"joe\"@a.example \"a@b\"@b.example\n", "joe@a.example",
	    "a@b@b.example" },
	{ "\"Joe Doe\"@a.example \"j\\\"d\"@b.example # x\n",
	    "joe doe@a.example", "j\"d@b.example" },
	{ "\"#1\"@a.example \"#2\"@b.example\n", "#1@a.example",
	    "#2@b.example" },
	{ "\"@\"@a.example \"@\"@b.example\n", "@@a.example", "@@b.example" },
	{ "\"@\"@a.example \"@\"@b.example\n", "x@a.example", "" },
	{ "\".a\"@a.example joe@b.example\n", ".a@a.example",
	    "joe@b.example" },
	/* Several, and several lines; each counts. */
	{ "joe@a.example ann@x.example joe@b.example\teve@x.example\n",
	    "joe@a.example", "ann@x.example eve@x.example joe@b.example" },
	{ JOE "joe@a.example ann@x.example\nann@a.example eve@x.example\n",
	    "joe@a.example", "ann@x.example joe@b.example" },
	{ JOE JOE JOE, "joe@a.example",
	    "joe@b.example joe@b.example joe@b.example" },
	/* What it stands for has no aliases of its own by that. */
	{ JOE "joe@b.example joe@c.example\n", "joe@a.example",
	    "joe@b.example" },
	{ JOE "joe@b.example joe@c.example\n", "joe@b.example",
	    "joe@c.example" },
	{ "joe@a.example joe@a.example\n", "joe@a.example", "joe@a.example" },
	/* Everybody. */
	{ "staff@a.example\n", "staff@a.example", "*" },
	{ "staff@a.example # all\n", "staff@a.example", "*" },
	{ "staff@a.example\n", "joe@a.example", "" },
	{ JOE "joe@a.example\n", "joe@a.example", "* joe@b.example" },
	{ "@a.example\n", "joe@a.example", "*" },
	{ "a.example\n", "joe@a.example", "*" },
	{ ".example\n", "joe@a.example", "*" },
	/* A domain. */
	{ "@a.example joe@b.example\n", "ann@a.example", "joe@b.example" },
	{ "a.example joe@b.example\n", "ann@a.example", "joe@b.example" },
	{ "A.Example joe@b.example\n", "ann@a.example", "joe@b.example" },
	{ "@a.example joe@b.example\n", "a@b@a.example", "joe@b.example" },
	{ "@a.example joe@b.example\n", "ann@sub.a.example", "" },
	{ "@a.example joe@b.example\n", "ann@xa.example", "" },
	{ "@a.example joe@b.example\n", "ann@example", "" },
	{ "@a.example joe@b.example\n", "ann@", "" },
	{ "@a.example joe@b.example\n", "@a.example", "" },
	{ "@localhost joe@b.example\n", "ann@localhost", "joe@b.example" },
	{ "@[192.0.2.1] @[192.0.2.2]\n", "ann@[192.0.2.1]",
	    "ann@[192.0.2.2]" },
	{ "@ex\xc3\xa4mple.org b.example\n", "ann@ex\xc3\xa4mple.org",
	    "ann@b.example" },
	/* ... for a domain: the same local part. */
	{ "@a.example @B.example\n", "ann@a.example", "ann@b.example" },
	{ "a.example b.example\n", "ann@a.example", "ann@b.example" },
	{ "a.example b.example c.example joe@d.example\n", "ann@a.example",
	    "ann@b.example ann@c.example joe@d.example" },
	{ "a.example b.example\n", "a@b@a.example", "a@b@b.example" },
	{ "a.example b.example\n", "@@a.example", "@@b.example" },
	/* A domain and those below it. */
	{ ".a.example joe@b.example\n", "ann@a.example", "joe@b.example" },
	{ ".a.example joe@b.example\n", "ann@s.a.example", "joe@b.example" },
	{ ".A.Example joe@b.example\n", "ann@t.s.a.example",
	    "joe@b.example" },
	{ ".a.example @b.example\n", "ann@s.a.example", "ann@b.example" },
	{ ".a.example joe@b.example\n", "ann@xa.example", "" },
	{ ".a.example joe@b.example\n", "ann@example", "" },
	{ ".a.example joe@b.example\n", "ann@a.example.org", "" },
	{ ".a.example joe@b.example\n", ".a.example", "" },
	{ ".a.example joe@b.example\n", "joe.a.example@c.example", "" },
	{ ".s.a.example joe@b.example\n.s.b.example\n", "ann@a.example", "" },
	{ ".example joe@b.example\n.xx.a.example\n", "ann@s.a.example",
	    "joe@b.example" },
	/* All that speak of it. */
	{ "joe@s.a.example 1@x\n@s.a.example 2@x\n.s.a.example 3@x\n"
	    ".a.example 4@x\n.example 5@x\n@a.example 6@x\n"
	    ".t.s.a.example 7@x\njoe@a.example 8@x\n", "joe@s.a.example",
	    "1@x 2@x 3@x 4@x 5@x" },
	/* What may stand around an entry. */
	{ "", "joe@a.example", "" },
	{ "\n\n# " JOE ";" JOE "\t\n  # x\n", "joe@a.example", "" },
	{ " \tjoe@a.example \t joe@b.example\t \n", "joe@a.example",
	    "joe@b.example" },
	{ "joe@a.example joe@b.example # ann@b.example\n", "joe@a.example",
	    "joe@b.example" },
	{ "joe@a.example joe@b.example\t;ann@b.example\n", "joe@a.example",
	    "joe@b.example" },
	{ "joe@a.example joe@b.example #1@b.example\n", "joe@a.example",
	    "joe@b.example" },
	{ "\xef\xbb\xbf" JOE, "joe@a.example", "joe@b.example" },
	{ "\xef\xbb\xbf# x\r\njoe@a.example joe@b.example\r\n\r\n"
	    "ann@a.example\r\n", "joe@a.example", "joe@b.example" },
	{ "# x\r\nann@a.example\r\n", "ann@a.example", "*" },
	{ JOE "ann@a.example ann@b.example", "ann@a.example",
	    "ann@b.example" },
	{ JOE "ann@a.example\r", "ann@a.example", "*" },
};

static void
test_lines(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "list");
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct alias *a = new_alias(path);

		write_text(path, lines[i].text);
		CHECK(alias_load(a) == 0, "%s: %s", lines[i].text,
		    scratch_logged());
		CHECK_FIND(a, lines[i].address, lines[i].want);
		alias_free(a);
	}
}

static const struct {
	const char *line, *why;
} bad_lines[] = {
	{ "joe", "neither a dot nor an @ in it" },
	{ "localhost joe@b.example", "neither a dot nor an @ in it" },
	{ "joe@a.example joe", "neither a dot nor an @ in it" },
	{ "a.example joe", "neither a dot nor an @ in it" },
	{ "joe@", "no domain behind the @" },
	{ "joe@ joe@b.example", "no domain behind the @" },
	{ "\"joe\"@", "no domain behind the @" },
	{ "joe@a.example joe@", "no domain behind the @" },
	{ "@", "not an address or domain" },
	{ ".", "not an address or domain" },
	{ "*", "not an address or domain" },
	{ "*.a.example", "not an address or domain" },
	{ "..a.example", "not an address or domain" },
	{ ".@", "no domain behind the @" },
	{ "@.a.example", "not an address or domain" },
	{ "a..example", "not an address or domain" },
	{ "a.example.", "not an address or domain" },
	{ "joe@a.example.", "not an address or domain" },
	{ "joe@@a.example", "not an address or domain" },
	{ "joe@a@a.example", "not an address or domain" },
	{ "<joe@a.example>", "not an address or domain" },
	{ "joe@a.example, joe@b.example", "not an address or domain" },
	{ "joe@a.example,ann@a.example", "not an address or domain" },
	{ "joe@a.example: joe@b.example", "not an address or domain" },
	{ "joe@a.example <joe@b.example>", "not an address or domain" },
	{ "joe@a.example#x", "not an address or domain" },
	{ "joe@a.example joe@b.example;x", "not an address or domain" },
	{ "joe(x)@a.example", "not an address or domain" },
	{ "joe@a.example (Joe)", "not an address or domain" },
	{ "Joe Doe <joe@a.example>", "neither a dot nor an @ in it" },
	{ "\"joe", "not an address or domain" },
	{ "\"joe\\", "not an address or domain" },
	{ "\"joe\\\"@a.example", "not an address or domain" },
	{ "\"joe\"", "not an address or domain" },
	{ "\"joe\"x@a.example", "not an address or domain" },
	{ "\"\"@a.example", "nothing in the quotes" },
	{ "joe@a.example \"\"@a.example", "nothing in the quotes" },
	{ "joe@[192.0.2.1", "not an address or domain" },
	{ "joe@[]", "not an address or domain" },
	{ "joe@[1](x)", "not an address or domain" },
	{ "joe@[1],joe@[2]", "not an address or domain" },
	{ "joe@[1]x]", "not an address or domain" },
	{ "joe@[(x)]", "not an address or domain" },
	{ "[1]", "neither a dot nor an @ in it" },
	{ "@[x@y]", "not an address or domain" },
	{ "192.0.2.1", "a number is no domain" },
	{ ".1", "a number is no domain" },
	{ "1", "a number is no domain" },
	{ "joe@192.0.2.1", "a number is no domain" },
	{ "joe@a.example 192.0.2.1", "a number is no domain" },
	{ "@a.example @192.0.2.1", "a number is no domain" },
	{ "192.0.2.0/24", "not an address or domain" },
	{ "joe@a.example @b.example", "a domain behind an address" },
	{ "joe@a.example b.example", "a domain behind an address" },
	{ "joe@a.example joe@b.example @c.example",
	    "a domain behind an address" },
	{ "\"@\"@a.example @b.example", "a domain behind an address" },
	{ "\".a\"@a.example @b.example", "a domain behind an address" },
	{ "a.example .b.example", "only the first word may begin with a dot" },
	{ ".a.example .b.example",
	    "only the first word may begin with a dot" },
	{ "joe@a.example .b.example",
	    "only the first word may begin with a dot" },
	{ "\x1b[2J@a.example", "not an address or domain" },
};

static void
test_bad_lines(void **state)
{
	char path[SCRATCH_PATH_MAX], text[300];

	(void)state;
	scratch_path(path, "bad");
	for (size_t i = 0; i < COUNT(bad_lines); i++) {
		const char *line = bad_lines[i].line, *log;
		struct alias *a = new_alias(path);

		snprintf(text, sizeof text, "ann@a.example\n%s\r\n", line);
		write_text(path, text);
		scratch_logged();
		CHECK(alias_load(a) == -1, "%s", line);
		log = scratch_logged();
		snprintf(text, sizeof text, "%s:2: %s: %s?\n", path,
		    bad_lines[i].why, line);
		for (char *p = text; *p != '\0'; p++)
			if (*p == '\x1b')
				*p = '?';
		CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
		    "logged \"%s\", want \"%s\"", log, text);
		CHECK_FIND(a, "ann@a.example", "");
		alias_free(a);
	}
}

/* --- limits */

/* A text of this many bytes with this beginning and end; in one of four. */
static const char *
long_text(size_t size, const char *head, const char *tail)
{
	static char text[4][110000];
	static unsigned next;
	char *p = text[next++ % 4];

	assert_true(size < sizeof text[0]);
	memset(p, 'a', size);
	memcpy(p, head, strlen(head));
	memcpy(p + size - strlen(tail), tail, strlen(tail) + 1);
	return p;
}

static void
test_long_lines(void **state)
{
	const struct {
		size_t size;
		const char *head, *tail, *why;	/* NULL: it is good */
	} rows[] = {
		{ ALIAS_LINE_MAX, "joe@a.example #", "", NULL },
		{ ALIAS_LINE_MAX + 1, "joe@a.example #", "", "line too long" },
		{ 40000, "#", "", "line too long" },
		{ 100000, "#", "", "line too long" },
		{ ADDRLIST_ADDRESS_MAX - 1, "", "@a.example", NULL },
		{ ADDRLIST_ADDRESS_MAX, "", "@a.example", "address too long" },
		{ ALIAS_LINE_MAX, "joe@a.example ", "@a.example",
		    "address too long" },
		{ ALIAS_LINE_MAX, "joe@a.example joe+", "@b.example", NULL },
		{ 1 + 255, "@", ".example", NULL },
		{ 1 + 256, "@", ".example", "not an address or domain" },
		{ 1 + 255, ".", ".example", NULL },
		{ 1 + 256, ".", ".example", "not an address or domain" },
		{ 4 + 255, "joe@", ".example", NULL },
		{ 4 + 256, "joe@", ".example", "not an address or domain" },
	};
	char path[SCRATCH_PATH_MAX], want[60];

	(void)state;
	scratch_path(path, "long");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct alias *a = new_alias(path);

		write_text(path, long_text(rows[i].size, rows[i].head,
		    rows[i].tail));
		scratch_logged();
		CHECK(alias_load(a) == (rows[i].why == NULL ? 0 : -1),
		    "row %zu", i);
		snprintf(want, sizeof want, ":1: %s: ",
		    rows[i].why != NULL ? rows[i].why : "");
		CHECK(rows[i].why == NULL ||
		    strstr(scratch_logged(), want) != NULL, "row %zu", i);
		alias_free(a);
	}
}

static void
test_nul(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct alias *a = new_alias(scratch_path(path, "nul"));

	(void)state;
	scratch_write(path, "joe@a.example\0 joe@b.example\n", 29);
	scratch_logged();
	assert_int_equal(alias_load(a), -1);
	assert_non_null(strstr(scratch_logged(), ":1: NUL in the line: joe@"));
	alias_free(a);
}

/* The line that makes most of its bytes: words of three take five. */
static void
test_most_words(void **state)
{
	enum { WORDS = ALIAS_LINE_MAX / 4 };
	static const char joined[] = "joe@a.b";
	char path[SCRATCH_PATH_MAX], line[ALIAS_LINE_MAX + 1] = "";
	struct alias *a = new_alias(scratch_path(path, "words"));
	const char *found;

	(void)state;
	for (int i = 0; i < WORDS; i++)
		memcpy(line + 4 * i, "a.b ", 5);
	write_text(path, line);
	assert_int_equal(alias_load(a), 0);
	found = find(a, "joe@a.b");
	assert_int_equal(strlen(found), (WORDS - 1) * sizeof joined - 1);
	for (size_t i = 0; i < WORDS - 1; i++)
		assert_memory_equal(found + i * sizeof joined, joined,
		    sizeof joined - 1);
	alias_free(a);
}

/* What is too long with another domain behind it is nobody's address. */
static void
test_long_addresses(void **state)
{
	const size_t most = ADDRLIST_ADDRESS_MAX - 1;
	char path[SCRATCH_PATH_MAX], dots[ADDRLIST_ADDRESS_MAX];
	struct alias *a = new_alias(scratch_path(path, "joined"));
	const char *address;

	(void)state;
	write_text(path, "@a.example @b.example @bb.example c@c.example\n"
	    ".sub.example joe@d.example\n");
	assert_int_equal(alias_load(a), 0);
	address = long_text(most, "", "@a.example");
	assert_int_equal(strlen(find(a, address)), most + 1 +
	    strlen("c@c.example"));
	address = long_text(most - 1, "", "@a.example");
	assert_int_equal(strlen(find(a, address)), most - 1 + 1 + most + 1 +
	    strlen("c@c.example"));
	CHECK_FIND(a, long_text(most + 1, "", "@a.example"), "");
	CHECK_FIND(a, long_text(100000, "", "@a.example"), "");

	for (size_t i = 0; i < most; i++)
		dots[i] = "a."[i % 2];
	memcpy(dots, "joe@", 4);
	memcpy(dots + most - 12, ".sub.example", 13);
	CHECK_FIND(a, dots, "joe@d.example");
	dots[most - 1] = 'f';
	CHECK_FIND(a, dots, "");
	alias_free(a);
}

/* Each of many is found, and nothing beside them. */
static void
test_many(void **state)
{
	enum { MANY = 100000, HALF = MANY / 2 };
	char path[SCRATCH_PATH_MAX], address[60], also[60], want[200];
	struct alias *a = new_alias(scratch_path(path, "many"));
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < MANY; i++)
		fprintf(file, "u%d@d%d.example v%05d@b.example\n", i % HALF,
		    i % 5, i);
	fprintf(file, ".d1.example\n@d2.example @b.example\n");
	assert_int_equal(fclose(file), 0);
	scratch_logged();
	assert_int_equal(alias_load(a), 0);
	assert_non_null(strstr(scratch_logged(), " entries=100002 "));
	for (int i = 0; i < HALF; i++) {
		snprintf(also, sizeof also, "u%d@b.example ", i);
		snprintf(want, sizeof want, "%sv%05d@b.example "
		    "v%05d@b.example", i % 5 == 1 ? "* " : i % 5 == 2 ?
		    also : "", i, i + HALF);
		snprintf(address, sizeof address, "u%d@d%d.example", i, i % 5);
		CHECK_FIND(a, address, want);
		snprintf(address, sizeof address, "u%d@d%d.example", i,
		    i % 5 == 4 ? 0 : 4);
		CHECK_FIND(a, address, "");
	}
	alias_free(a);
}

/* --- several files */

static void
test_files(void **state)
{
	static char path[3][SCRATCH_PATH_MAX];
	static const char *const text[] = {
		"joe@a.example 1@x\n@b.example 2@x\n",
		"joe@a.example 3@x\n.example 4@x\n",
		"joe@b.example 5@x\n",
	};
	static const struct {
		const char *address, *want;
	} rows[] = {
		{ "joe@a.example", "1@x 3@x 4@x" },
		{ "joe@b.example", "2@x 4@x 5@x" },
		{ "ann@b.example", "2@x 4@x" }, { "ann@a.example", "4@x" },
		{ "ann@example.org", "" },
	};
	struct alias *a = alias_new();

	(void)state;
	scratch_logged();
	assert_int_equal(alias_load(a), 0);
	assert_string_equal(scratch_logged(), "");
	assert_false(alias_changed(a, 0));
	CHECK_FIND(a, "joe@a.example", "");
	for (int i = 0; i < 6; i++) {
		char name[] = { 'f', (char)('0' + i % 3), '\0' };

		scratch_path(path[i % 3], name);
		write_text(path[i % 3], text[i % 3]);
		assert_int_equal(alias_add_file(a, path[i % 3]), 0);
	}
	CHECK_FIND(a, "joe@a.example", "");
	scratch_logged();
	assert_int_equal(alias_load(a), 0);
	assert_non_null(strstr(scratch_logged(), "/f0 files=3 entries=5 "));
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_FIND(a, rows[i].address, rows[i].want);
	alias_free(a);
}

static void
test_most_files(void **state)
{
	static char path[ALIAS_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct alias *a = alias_new();
	char text[40];

	(void)state;
	for (int n = 0; n <= ALIAS_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "n%d@a.example\n", n);
		write_text(path[n], text);
		scratch_logged();
		assert_int_equal(alias_add_file(a, path[n]),
		    n < ALIAS_FILES_MAX ? 0 : -1);
	}
	assert_non_null(strstr(scratch_logged(), "/many-63: more than 63"));
	assert_int_equal(alias_load(a), 0);
	for (int n = 0; n <= ALIAS_FILES_MAX; n++) {
		snprintf(text, sizeof text, "n%d@a.example", n);
		CHECK_FIND(a, text, n < ALIAS_FILES_MAX ? "*" : "");
	}
	alias_free(a);
	alias_free(NULL);
}

/* --- reloads */

/* A fault leaves all as it was, in the file that is good, too.  A8, A9. */
static void
test_reload(void **state)
{
	static const struct {
		const char *text, *log;		/* NULL: missing; taken */
	} rows[] = {
		{ "ann@a.example\n", NULL },
		{ "# none\nann@a.example\n", NULL },
		{ "ann@a.example\nbad\n", ":2: neither a dot nor an @ in it" },
		{ "ann@a.example x@y bad\n", ":1: neither a dot nor an @" },
		{ "", ": it has become empty" },
		{ "# joe@a.example\n", ": it has become empty" },
		{ "ann@a.example", ": it was cut short" },
		{ NULL, ": No such file or directory" },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "one");
	scratch_path(other, "two");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct alias *a = new_alias(other);
		bool taken = rows[i].log == NULL;

		write_text(path, "joe@a.example joe@b.example\n");
		write_text(other, ".c.example 1@x\n");
		assert_int_equal(alias_add_file(a, path), 0);
		assert_int_equal(alias_load(a), 0);
		assert_false(alias_changed(a, 0));
		unlink(path);
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		write_text(other, ".d.example 2@x\n");
		assert_true(alias_changed(a, 0));
		scratch_logged();
		CHECK(alias_load(a) == (taken ? 0 : -1), "row %zu", i);
		CHECK(taken || strstr(scratch_logged(), rows[i].log) != NULL,
		    "row %zu", i);
		assert_false(alias_changed(a, 0));
		CHECK_FIND(a, "joe@a.example", taken ? "" : "joe@b.example");
		CHECK_FIND(a, "ann@a.example", taken ? "*" : "");
		CHECK_FIND(a, "x@c.example", taken ? "" : "1@x");
		CHECK_FIND(a, "x@d.example", taken ? "2@x" : "");
		alias_free(a);
	}
}

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct alias *a = new_alias(scratch_path(path, "changing"));
	struct timeval old[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };

	(void)state;
	write_text(path, "joe@a.example\n");
	assert_int_equal(alias_load(a), 0);
	write_text(path, "joe@a.example joe@b.example\n");
	assert_true(alias_changed(a, 0));
	assert_false(alias_changed(a, 3600));
	assert_int_equal(utimes(path, old), 0);
	assert_true(alias_changed(a, 3600));
	alias_free(a);
}

/* Nothing of a bad line counts, not even what is good of it. */
static void
test_lenient(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct alias *a = new_alias(scratch_path(path, "lenient"));
	const char *log;

	(void)state;
	alias_lenient(a);
	write_text(path, "bad-1\njoe@a.example joe@b.example\n"
	    "bad-2\nann@a.example ann@b.example @b.example\n");
	scratch_logged();
	assert_int_equal(alias_load(a), 0);
	log = scratch_logged();
	assert_non_null(strstr(log, ":1: neither a dot nor an @ in it: bad-1 "
	    "(passed over"));
	assert_null(strstr(log, "bad-2"));
	assert_non_null(strstr(log, " entries=1 ignored=0 bad=3 "));
	CHECK_FIND(a, "joe@a.example", "joe@b.example");
	CHECK_FIND(a, "ann@a.example", "");
	/* Three in four is too many for a reload. */
	write_text(path, "joe@a.example\nbad-1\nbad-2\nbad-3\n");
	assert_int_equal(alias_load(a), -1);
	CHECK_FIND(a, "joe@a.example", "joe@b.example");
	alias_free(a);
}

struct looking {
	struct alias *a;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

static void
take_one(void *arg, const char *recipient)
{
	int *seen = arg;

	*seen += recipient != NULL && strcmp(recipient, "joe@one.example") == 0
	    ? 1 : recipient != NULL &&
	    strcmp(recipient, "joe@two.example") == 0 ? 10 : 100;
}

/* joe has the one or the other, never both; ann has nobody. */
static void *
search_always(void *arg)
{
	struct looking *l = arg;

	while (!atomic_load(&l->stop)) {
		int joe = 0, ann = 0;

		alias_find(l->a, "joe@a.example", take_one, &joe);
		alias_find(l->a, "ann@c.example", take_one, &ann);
		if ((joe != 1 && joe != 10) || ann != 0)
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
	struct looking l = { .a = new_alias(scratch_path(path, "busy")) };
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "n%d@x.example\n.a.example @%s"
		    ".example\n%s", i, i % 2 == 0 ? "one" : "two",
		    i % 5 == 4 ? "bad\n" : "");
		write_text(path, text);
		assert_int_equal(alias_load(l.a), i % 5 == 4 ? -1 : 0);
		for (size_t t = 0; i == 0 && t < COUNT(thread); t++)
			assert_int_equal(pthread_create(&thread[t], NULL,
			    search_always, &l), 0);
		snprintf(text, sizeof text, "n%d@x.example", i);
		CHECK_FIND(l.a, text, i % 5 == 4 ? "" : "*");
	}
	while (atomic_load(&l.searches) < 100)
		usleep(1000);
	atomic_store(&l.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&l.wrong), 0);
	alias_free(l.a);
}

/* --- what is printed */

#define EXPLAINED							\
	"\xef\xbb\xbf# joe@a.example\n"					\
	"joe@a.example\tann@b.example joe@b.example # two\r\n"		\
	"\n"								\
	"@a.example @b.example\n"					\
	"bad\n"								\
	"joe@a.example bad joe@b.example\n"				\
	".example eve@b.example\n"					\
	"\"Joe\"@A.Example JOE+x@B.example\n"				\
	"staff@a.example\n"

static void
test_explain(void **state)
{
	static const struct {
		const char *address, *recipient, *want;	/* %1$s: the path */
	} rows[] = {
		{ "joe@a.example", "joe@b.example",
		    "%1$s:2: joe@a.example ann@b.example joe@b.example # two\n"
		    "%1$s:4: @a.example @b.example\n"
		    "%1$s:8: \"Joe\"@A.Example JOE+x@B.example\n" },
		{ "joe@a.example", "ann@b.example",
		    "%1$s:2: joe@a.example ann@b.example joe@b.example # two\n"
		},
		{ "ann@a.example", "ann@b.example",
		    "%1$s:4: @a.example @b.example\n" },
		{ "ann@s.a.example", "eve@b.example",
		    "%1$s:7: .example eve@b.example\n" },
		{ "ann@b.example", "eve@b.example",
		    "%1$s:7: .example eve@b.example\n" },
		{ "ann@xexample", "eve@b.example", "" },
		{ "staff@a.example", "joe@c.example",
		    "%1$s:9: staff@a.example\n" },
		/* A recipient without a domain. */
		{ "joe@a.example", "ann@",
		    "%1$s:2: joe@a.example ann@b.example joe@b.example # two\n"
		},
		{ "joe@a.example", "an@", "" },
		{ "joe@a.example", "nn@", "" },
		{ "staff@a.example", "joe@",
		    "%1$s:9: staff@a.example\n" },
		{ "joe@a.example", "joe@c.example", "" },
		{ "joe@a.example", "", "" },
		{ "joe@c.com", "joe@b.example", "" },
		{ "joe@", "joe@b.example", "" },
		{ "", "", "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct alias *a = new_alias(scratch_path(path, "explained"));

	(void)state;
	write_text(path, EXPLAINED);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[600];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		alias_explain(a, out, rows[i].address, rows[i].recipient);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "%s %s: got\n%swant\n%s",
		    rows[i].address, rows[i].recipient, got, want);
		free(got);
	}
	alias_free(a);
}

static void
test_explain_files(void **state)
{
	char path[2][SCRATCH_PATH_MAX], *got, want[400];
	struct alias *a = new_alias(scratch_path(path[0], "first"));
	size_t size;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	assert_int_equal(alias_add_file(a, scratch_path(path[1], "second")),
	    0);
	write_text(path[0], "joe@a.example joe@b.example\n");
	write_text(path[1], "# x\n.a.example\n");
	alias_explain(a, out, "joe@a.example", "joe@b.example");
	fclose(out);
	snprintf(want, sizeof want, "%s:1: joe@a.example joe@b.example\n"
	    "%s:2: .a.example\n", path[0], path[1]);
	assert_string_equal(got, want);
	free(got);
	alias_free(a);
}

static void
test_stats(void **state)
{
	char path[SCRATCH_PATH_MAX], *got, want[600];
	struct alias *a = alias_new();

	(void)state;
	scratch_path(path, "counted");
	alias_lenient(a);
	write_text(path, "# x\njoe@a.example ann@b.example eve@b.example\n"
	    "joe@a.example\nbad\n");
	snprintf(want, sizeof want, "# HELP milter_alias_entries Lines in use "
	    "of each file.\n# TYPE milter_alias_entries gauge\n"
	    "milter_alias_entries{list=\"%s\"} 2\n"
	    "# HELP milter_alias_bad_lines Bad lines passed over.\n"
	    "# TYPE milter_alias_bad_lines gauge\n"
	    "milter_alias_bad_lines{list=\"%s\"} 1\n", path, path);
	for (int i = 0; i < 2; i++) {
		size_t size;
		FILE *out = open_memstream(&got, &size);

		alias_stats(out, a);
		fclose(out);
		assert_string_equal(got, i == 0 ? "" : want);
		free(got);
		if (i == 0) {
			assert_int_equal(alias_add_file(a, path), 0);
			assert_int_equal(alias_load(a), 0);
		}
	}
	alias_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_most_words),
		cmocka_unit_test(test_long_addresses),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_reload_under_load),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_explain_files),
		cmocka_unit_test(test_stats),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
