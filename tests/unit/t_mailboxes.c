/*
 * t_mailboxes - lists of envelope addresses: what a line lists and what it
 * does not, which lines are bad, and that a reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mailboxes.h"
#include "scratch.h"

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* A new set with this one file, not loaded. */
static struct mailboxes *
new_set(const char *path)
{
	struct mailboxes *m = mailboxes_new();

	assert_non_null(m);
	assert_int_equal(mailboxes_add_file(m, path), 0);
	return m;
}

/* The last component of the list that was found, or "". */
static const char *
find(struct mailboxes *m, const char *address)
{
	const char *path = mailboxes_find(m, address);

	return path != NULL ? strrchr(path, '/') + 1 : "";
}

#define CHECK_FIND(m, address, want)					\
	CHECK(strcmp(find(m, address), want) == 0,			\
	    "%s: got \"%s\" want \"%s\"", address, find(m, address), want)

/* --- what is taken */

static const struct {
	const char *text, *address;
	bool want;
} entries[] = {
	/* An address. */
	{ "joe@example.org\n", "<joe@example.org>", true },
	{ "joe@example.org\n", "joe@example.org", true },
	{ "joe@example.org\n", "<JOE@Example.ORG>", true },
	{ "JOE@Example.ORG\n", "<joe@example.org>", true },
	{ "joe@example.org\n", "<joe@example.org.>", true },
	{ "joe@example.org\n", "<@relay.example:joe@example.org>", true },
	{ "joe@example.org\n", "<joe@mail.example.org>", false },
	{ "joe@example.org\n", "<joe@example.com>", false },
	{ "joe@example.org\n", "<ajoe@example.org>", false },
	{ "joe@example.org\n", "<jo@example.org>", false },
	{ "joe@example.org\n", "<joe>", false },
	{ "joe@example.org\n", "<>", false },
	{ "joe@example.org\n", "", false },
	{ "joe@example.org\n", "<@example.org>", false },
	{ "joe@[192.0.2.1]\n", "<joe@[192.0.2.1]>", true },
	{ "joe@[IPv6:2001:db8::1]\n", "<joe@[ipv6:2001:DB8::1]>", true },
	{ "1234@example.org\n", "<1234@example.org>", true },
	{ "o'neil=a#1/x{~}@example.org\n", "<O'Neil=a#1/x{~}@example.org>",
	    true },
	{ "joe@localhost\n", "<joe@localhost>", true },
	{ "joe@a_b.example\n", "<joe@a_b.example>", true },
	/* +detail. */
	{ "joe@example.org\n", "<joe+x@example.org>", true },
	{ "joe@example.org\n", "<Joe+x+y@example.org>", true },
	{ "joe@example.org\n", "<joe+@example.org>", true },
	{ "joe@example.org\n", "<joe+x@example.com>", false },
	{ "joe+x@example.org\n", "<joe+x@example.org>", true },
	{ "joe+x@example.org\n", "<joe@example.org>", false },
	{ "joe+x@example.org\n", "<joe+y@example.org>", false },
	{ "joe+x@example.org\n", "<joe+x+y@example.org>", false },
	{ "+joe@example.org\n", "<+joe@example.org>", true },
	{ "@example.net\njoe@example.org\n", "<+joe@example.org>", false },
	{ "+@example.org\n", "<++joe@example.org>", true },
	/* A local part. */
	{ "joe@\n", "<joe@example.org>", true },
	{ "joe@\n", "<JOE+x@example.com>", true },
	{ "joe@\n", "<joe>", true },
	{ "joe@\n", "<joe@not!a!domain>", true },
	{ "joe@ # anywhere\n", "<joe@example.org>", true },
	{ "joe+x@\n", "<joe+x@example.com>", true },
	{ "joe@\n", "<joes@example.com>", false },
	{ "joe@\n", "<>", false },
	/* A domain. */
	{ "example.org\n", "<joe@example.org>", true },
	{ "Example.org\n", "<joe+x@EXAMPLE.ORG.>", true },
	{ "@example.org\n", "<joe@example.org>", true },
	{ "@example.org\n", "<\"a@b\"@example.org>", true },
	{ "@example.org\n", "<joe@mail.example.org>", false },
	{ "example.org\n", "<joe@badexample.org>", false },
	{ "example.org\n", "<joe@example.org.evil.example>", false },
	{ "example.org\n", "<example.org>", false },
	{ "example.org\n", "<>", false },
	{ "@localhost\n", "<joe@localhost>", true },
	{ "@[192.0.2.1]\n", "<joe@[192.0.2.1]>", true },
	{ "@[192.0.2.1]\n", "<joe@192.0.2.1>", false },
	/* And those below it. */
	{ ".example.org\n", "<joe@mail.example.org>", true },
	{ ".example.org\n", "<joe@a.b.c.Example.ORG>", true },
	{ ".example.org\n", "<joe@example.org>", true },
	{ ".example.org\n", "<joe@badexample.org>", false },
	{ ".example.org\n", "<joe@org>", false },
	{ ".example.org\n", "<.example.org>", false },
	{ ".example.org\n", "<joe@example.org.evil.example>", false },
	{ ".example.org\n", "<joe@..example.org>", false },
	{ ".org\n", "<joe@example.org>", true },
	/* Quotes are not part of what they quote. */
	{ "\"joe\"@example.org\n", "<joe@example.org>", true },
	{ "joe@example.org\n", "<\"joe\"@example.org>", true },
	{ "joe@example.org\n", "<\"j\\oe\"@example.org>", true },
	{ "joe@example.org\n", "<\"joe+x\"@example.org>", true },
	{ "\"joe doe\"@example.org ; x\n", "<\"Joe\\ Doe\"@example.org>",
	    true },
	{ "\"a@b\"@example.org\n", "<\"a@b\"@example.org>", true },
	{ "\"a@b\"@example.org\n", "<a@b>", false },
	{ "\"#a\"@example.org\n", "<#a@example.org>", true },
	{ "\"a\\\"b\"@example.org\n", "<\"a\\\"b\"@example.org>", true },
	{ "\"a\\\\\"@example.org\n", "<\"a\\\\\"@example.org>", true },
	{ "\"a@\"@\n", "<a@>", false },
	{ "\"a@b\\\"\"@example.org\n", "<a@b\"@example.org>", false },
	/* UTF-8. */
	{ "jos\xc3\xa9@ex\xc3\xa4mple.org\n",
	    "<Jos\xc3\xa9@ex\xc3\xa4mple.ORG>", true },
	{ "jos\xc3\xa9@example.org\n", "<jos\xc3\x89@example.org>", false },
	{ "@ex\xc3\xa4mple.org\n", "<x@ex\xc3\xa4mple.org>", true },
	/* What may stand around an entry. */
	{ "", "<joe@example.org>", false },
	{ "\n\n# joe@example.org\n; joe@example.org\n\t\n  # x\n",
	    "<joe@example.org>", false },
	{ " \tjoe@example.org\t \n", "<joe@example.org>", true },
	{ "joe@example.org # friend\n", "<joe@example.org>", true },
	{ "joe@example.org\t; SBL1\n", "<joe@example.org>", true },
	{ "\xef\xbb\xbfjoe@example.org\n", "<joe@example.org>", true },
	{ "\xef\xbb\xbf# x\r\njoe@example.org\r\nann@example.org\r\n",
	    "<ann@example.org>", true },
	{ "@example.com\r\n.example.net\r\njoe@\r", "<joe@example.org>",
	    true },
	{ "joe@example.org\nann@example.org", "<ann@example.org>", true },
};

static void
test_entries(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "list");
	for (size_t i = 0; i < COUNT(entries); i++) {
		struct mailboxes *m = new_set(path);

		write_text(path, entries[i].text);
		CHECK(mailboxes_load(m) == 0, "%s: %s", entries[i].text,
		    scratch_logged());
		CHECK((mailboxes_find(m, entries[i].address) != NULL) ==
		    entries[i].want, "%s in \"%s\"", entries[i].address,
		    entries[i].text);
		mailboxes_free(m);
	}
}

static const struct {
	const char *line, *why;
} bad_lines[] = {
	{ "joe", "neither a dot nor an @ in it" },
	{ "joe # joe@example.org", "neither a dot nor an @ in it" },
	{ "@", "not an address or domain" },
	{ ".", "not an address or domain" },
	{ "..example.org", "not an address or domain" },
	{ "example..org", "not an address or domain" },
	{ "example.org.", "not an address or domain" },
	{ "joe@.example.org", "not an address or domain" },
	{ "joe@example.org,ann@example.org", "not an address or domain" },
	{ "joe@example.org;x", "not an address or domain" },
	{ "joe@a@example.org", "not an address or domain" },
	{ "joe doe@example.org", "neither a dot nor an @ in it" },
	{ "joe.doe ann@example.org", "words behind the address" },
	{ "joe@ example.org", "words behind the address" },
	{ "joe@example.org REJECT", "words behind the address" },
	{ "From:joe@example.org REJECT", "not an address or domain" },
	{ "<joe@example.org>", "not an address or domain" },
	{ "<>", "not an address or domain" },
	{ "Joe <joe@example.org>", "neither a dot nor an @ in it" },
	{ "\"joe@example.org", "not an address or domain" },
	{ "\"joe\\", "not an address or domain" },
	{ "\"joe\\\"@example.org", "not an address or domain" },
	{ "\"joe\"", "not an address or domain" },
	{ "\"joe\"x@example.org", "not an address or domain" },
	{ "\"\"@example.org", "nothing in the quotes" },
	{ "\"\"@", "nothing in the quotes" },
	{ "192.0.2.1", "a number is no domain" },
	{ "192.0.2.", "not an address or domain" },
	{ "192.0.2.0/24", "not an address or domain" },
	{ "2001:db8::1", "not an address or domain" },
	{ "joe@192.0.2.1", "a number is no domain" },
	{ "joe@1", "a number is no domain" },
	{ "joe@[]", "not an address or domain" },
	{ "joe@[192.0.2.1", "not an address or domain" },
	{ "*@example.org.*", "not an address or domain" },
	{ "\x1b[2J", "not an address or domain" },
};

static void
test_bad_lines(void **state)
{
	char path[SCRATCH_PATH_MAX], text[300], clean[100];

	(void)state;
	scratch_path(path, "bad");
	for (size_t i = 0; i < COUNT(bad_lines); i++) {
		struct mailboxes *m = new_set(path);
		const char *log;

		snprintf(text, sizeof text, "ann@example.org\n%s\r\n",
		    bad_lines[i].line);
		write_text(path, text);
		scratch_logged();
		CHECK(mailboxes_load(m) == -1, "%s", bad_lines[i].line);
		log = scratch_logged();
		snprintf(clean, sizeof clean, "%s", bad_lines[i].line);
		if (clean[0] == '\x1b')
			clean[0] = '?';
		snprintf(text, sizeof text, "%s:2: %s: %s?\n", path,
		    bad_lines[i].why, clean);
		CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
		    "logged \"%s\", want \"%s\"", log, text);
		CHECK_FIND(m, "<ann@example.org>", "");
		mailboxes_free(m);
	}
}

/* --- limits */

/* A text of this many bytes that ends in tail; in one of four places. */
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
		const char *line, *why;
	} rows[] = {
		{ long_text(MAILBOXES_LINE_MAX, "", "@example.org"), NULL },
		{ long_text(MAILBOXES_LINE_MAX + 1, "", "@example.org"),
		    "line too long" },
		{ long_text(100000, "#", ""), "line too long" },
		{ long_text(MAILBOXES_DOMAIN_MAX + 2, "a@", ".example"),
		    NULL },
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "long");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mailboxes *m = new_set(path);

		write_text(path, rows[i].line);
		scratch_logged();
		CHECK(mailboxes_load(m) == (rows[i].why == NULL ? 0 : -1),
		    "row %zu", i);
		if (rows[i].why != NULL)
			assert_non_null(strstr(scratch_logged(), rows[i].why));
		else
			CHECK_FIND(m, rows[i].line, "long");
		mailboxes_free(m);
	}
	scratch_write(path, "joe@\0example.org\n", 17);
	scratch_logged();
	for (int i = 0; i < 2; i++) {
		struct mailboxes *m = new_set(path);

		assert_int_equal(mailboxes_load(m), -1);
		assert_non_null(strstr(scratch_logged(), i == 0 ?
		    ":1: NUL in the line" : ":1: not an address or domain"));
		write_text(path, long_text(MAILBOXES_DOMAIN_MAX + 3, "a@",
		    ".example"));
		mailboxes_free(m);
	}
}

/* Of an address of any size that is listed which can be. */
static void
test_long_addresses(void **state)
{
	char dots[100000];
	const struct {
		const char *address;
		bool want;
	} rows[] = {
		{ long_text(100000, "<", "@example.com>"), true },
		{ long_text(100000, "<", "@example.net>"), false },
		{ long_text(100000, "<joe+", "@example.org>"), true },
		{ long_text(MAILBOXES_DOMAIN_MAX + 5, "<ann@",
		    ".sub.example"), true },
		{ dots, false },
	};
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "long"));

	(void)state;
	for (size_t i = 0; i < sizeof dots; i++)
		dots[i] = "a."[i % 2];
	memcpy(dots, "joe@", 4);
	snprintf(dots + sizeof dots - 20, 20, "%s", ".sub.example");
	write_text(path, "@example.com\njoe@example.org\n.sub.example\n");
	assert_int_equal(mailboxes_load(m), 0);
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK((mailboxes_find(m, rows[i].address) != NULL) ==
		    rows[i].want, "row %zu", i);
	mailboxes_free(m);
}

/* Every one of many is found, and nothing beside them; they are found twice. */
static void
test_many(void **state)
{
	enum { MANY = 30000 };
	char path[SCRATCH_PATH_MAX], address[60];
	struct mailboxes *m = new_set(scratch_path(path, "many"));
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 2 * MANY; i++)
		fprintf(file, "u%d@d%d.example\n", i % MANY, i % 7);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(mailboxes_load(m), 0);
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(address, sizeof address, "<U%d@d%d.example>",
		    i % MANY, i % 7);
		CHECK_FIND(m, address, "many");
		snprintf(address, sizeof address, "<u%d@d7.example>", i);
		CHECK_FIND(m, address, "");
	}
	mailboxes_free(m);
}

/* --- several files */

static void
test_files(void **state)
{
	static char path[3][SCRATCH_PATH_MAX];
	static const char *const text[] = {
		"joe@example.org\n@c.example\n",
		"example.org\n.c.example\nann@\n",
		"joe@example.org\nann@c.example\n",
	};
	static const struct {
		const char *address, *want;
	} rows[] = {
		{ "<joe@example.org>", "f0" }, { "<joe+x@example.org>", "f0" },
		{ "<bob@example.org>", "f1" }, { "<bob@c.example>", "f0" },
		{ "<bob@b.c.example>", "f1" }, { "<ann@b.example>", "f1" },
		{ "<ann@c.example>", "f0" }, { "<ann@b.c.example>", "f1" },
		{ "<bob@example.com>", "" },
	};
	struct mailboxes *m = mailboxes_new();

	(void)state;
	assert_true(mailboxes_is_empty(m));
	scratch_logged();
	assert_int_equal(mailboxes_load(m), 0);
	assert_string_equal(scratch_logged(), "");
	assert_false(mailboxes_changed(m, 0));
	CHECK_FIND(m, "<joe@example.org>", "");
	for (int i = 0; i < 6; i++) {
		char name[] = { 'f', (char)('0' + i % 3), '\0' };

		scratch_path(path[i % 3], name);
		write_text(path[i % 3], text[i % 3]);
		assert_int_equal(mailboxes_add_file(m, path[i % 3]), 0);
	}
	assert_true(mailboxes_is_empty(m));
	CHECK_FIND(m, "<joe@example.org>", "");
	scratch_logged();
	assert_int_equal(mailboxes_load(m), 0);
	assert_non_null(strstr(scratch_logged(), "/f0 files=3 entries=7 "));
	assert_false(mailboxes_is_empty(m));
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_FIND(m, rows[i].address, rows[i].want);
	mailboxes_free(m);
}

static void
test_most_files(void **state)
{
	static char path[MAILBOXES_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct mailboxes *m = mailboxes_new();
	char text[40];

	(void)state;
	for (int n = 0; n <= MAILBOXES_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "n%d@\n", n);
		write_text(path[n], text);
		scratch_logged();
		assert_int_equal(mailboxes_add_file(m, path[n]),
		    n < MAILBOXES_FILES_MAX ? 0 : -1);
	}
	assert_non_null(strstr(scratch_logged(), "/many-63: more than 63"));
	assert_int_equal(mailboxes_load(m), 0);
	for (int n = 0; n <= MAILBOXES_FILES_MAX; n++) {
		snprintf(text, sizeof text, "<n%d@example.org>", n);
		CHECK((mailboxes_find(m, text) == path[n]) ==
		    (n < MAILBOXES_FILES_MAX), "%s", text);
	}
	mailboxes_free(m);
	mailboxes_free(NULL);
}

static void
test_empty(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "empty"));

	(void)state;
	write_text(path, "# nobody yet\n");
	assert_int_equal(mailboxes_load(m), 0);
	assert_true(mailboxes_is_empty(m));
	CHECK_FIND(m, "<joe@example.org>", "");
	write_text(path, "joe@\n");
	assert_int_equal(mailboxes_load(m), 0);
	assert_false(mailboxes_is_empty(m));
	mailboxes_free(m);
}

/* --- reloads */

/* A fault leaves all as it was, in the file that is good, too.  A8, A9. */
static void
test_reload(void **state)
{
	static const struct {
		const char *text, *log;		/* NULL: missing; taken */
	} rows[] = {
		{ "ann@example.org\n", NULL },
		{ "ann@example.org\nbad\n", ":2: neither a dot nor" },
		{ "", ": it has become empty" },
		{ "# joe@example.org\n", ": it has become empty" },
		{ "ann@example.org", ": it was cut short" },
		{ NULL, ": No such file or directory" },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "one");
	scratch_path(other, "two");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mailboxes *m = new_set(other);
		bool taken = rows[i].log == NULL;

		write_text(path, "joe@example.org\n");
		write_text(other, "@example.com\n");
		assert_int_equal(mailboxes_add_file(m, path), 0);
		assert_int_equal(mailboxes_load(m), 0);
		assert_false(mailboxes_changed(m, 0));
		unlink(path);
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		write_text(other, "@example.net\n");
		assert_true(mailboxes_changed(m, 0));
		scratch_logged();
		CHECK(mailboxes_load(m) == (taken ? 0 : -1), "row %zu", i);
		CHECK(taken || strstr(scratch_logged(), rows[i].log) != NULL,
		    "row %zu", i);
		assert_false(mailboxes_changed(m, 0));
		CHECK_FIND(m, "<joe@example.org>", taken ? "" : "one");
		CHECK_FIND(m, "<ann@example.org>", taken ? "one" : "");
		CHECK_FIND(m, "<x@example.com>", taken ? "" : "two");
		CHECK_FIND(m, "<x@example.net>", taken ? "two" : "");
		mailboxes_free(m);
	}
}

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "changing"));
	struct timeval old[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };

	(void)state;
	write_text(path, "joe@example.org\n");
	assert_int_equal(mailboxes_load(m), 0);
	write_text(path, "joe@example.net\n");
	assert_true(mailboxes_changed(m, 0));
	assert_false(mailboxes_changed(m, 3600));
	assert_int_equal(utimes(path, old), 0);
	assert_true(mailboxes_changed(m, 3600));
	mailboxes_free(m);
}

static void
test_lenient(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "lenient"));
	const char *log;

	(void)state;
	mailboxes_lenient(m);
	write_text(path, "bad-1\njoe@example.org\nbad-2\n\"\"@example.com\n");
	scratch_logged();
	assert_int_equal(mailboxes_load(m), 0);
	log = scratch_logged();
	assert_non_null(strstr(log, ":1: neither a dot nor an @ in it: bad-1 "
	    "(passed over"));
	assert_null(strstr(log, "bad-2"));
	assert_non_null(strstr(log, " entries=1 ignored=0 bad=3 "));
	CHECK_FIND(m, "<joe@example.org>", "lenient");
	CHECK_FIND(m, "<joe@example.com>", "");
	CHECK_FIND(m, "<bad-1>", "");
	/* One in four is too many for a reload. */
	assert_int_equal(mailboxes_load(m), -1);
	CHECK_FIND(m, "<joe@example.org>", "lenient");
	mailboxes_free(m);
}

struct looking {
	struct mailboxes *m;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

/* joe is always listed, ann never. */
static void *
search_always(void *arg)
{
	struct looking *l = arg;

	while (!atomic_load(&l->stop)) {
		if (mailboxes_find(l->m, "<joe+x@example.org>") == NULL ||
		    mailboxes_find(l->m, "<ann@example.org>") != NULL ||
		    mailboxes_is_empty(l->m))
			atomic_fetch_add(&l->wrong, 1);
		atomic_fetch_add(&l->searches, 1);
	}
	return NULL;
}

static void
test_reload_under_load(void **state)
{
	char path[SCRATCH_PATH_MAX], text[200];
	struct looking l = { .m = new_set(scratch_path(path, "busy")) };
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "a%d@example.org\njoe@example.org\n"
		    "b%d@\n%s", i, i, i % 5 == 4 ? "bad\n" : "");
		write_text(path, text);
		assert_int_equal(mailboxes_load(l.m), i % 5 == 4 ? -1 : 0);
		for (size_t t = 0; i == 0 && t < COUNT(thread); t++)
			assert_int_equal(pthread_create(&thread[t], NULL,
			    search_always, &l), 0);
		snprintf(text, sizeof text, "<b%d@example.net>", i);
		CHECK_FIND(l.m, text, i % 5 == 4 ? "" : "busy");
	}
	while (atomic_load(&l.searches) < 100)
		usleep(1000);
	atomic_store(&l.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&l.wrong), 0);
	mailboxes_free(l.m);
}

/* --- what is printed */

static void
test_explain(void **state)
{
	static const struct {
		const char *address, *want;	/* %1$s: the path */
	} rows[] = {
		{ "<joe@example.org>", "%1$s:3: joe@example.org # friend\n"
		    "%1$s:4: joe@\n%1$s:5: example.org\n"
		    "%1$s:6: .example.org\n%1$s:9: \"Joe\"@Example.ORG\n" },
		{ "ann@mail.example.org", "%1$s:6: .example.org\n" },
		{ "<joe+x@example.com>", "%1$s:4: joe@\n"
		    "%1$s:7: joe+x@example.com\n" },
		{ "<ann@example.com>", "" }, { "<bad@>", "" }, { "<>", "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "explained"));

	(void)state;
	write_text(path, "\xef\xbb\xbf# joe@\n\njoe@example.org # friend\n"
	    "joe@\r\nexample.org\n.example.org\njoe+x@example.com\nbad\n"
	    "\"Joe\"@Example.ORG\n# joe@example.org\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[800];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		mailboxes_explain(m, out, rows[i].address);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "%s: got\n%swant\n%s",
		    rows[i].address, got, want);
		free(got);
	}
	mailboxes_free(m);
}

static void
test_stats(void **state)
{
	static const struct {
		const char *entries, *bad, *want;	/* %1$s: the path */
	} rows[] = {
		{ "t_entries", NULL, "# HELP milter_t_entries Entries in use "
		    "of each list file.\n# TYPE milter_t_entries gauge\n"
		    "milter_t_entries{list=\"%1$s\"} 2\n" },
		{ NULL, "t_bad_lines", "# HELP milter_t_bad_lines Bad lines "
		    "passed over.\n# TYPE milter_t_bad_lines gauge\n"
		    "milter_t_bad_lines{list=\"%1$s\"} 1\n" },
		{ NULL, NULL, "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct mailboxes *m = new_set(scratch_path(path, "counted"));

	(void)state;
	mailboxes_lenient(m);
	write_text(path, "# x\njoe@\n@example.org\nbad\n");
	assert_int_equal(mailboxes_load(m), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[600];
		size_t size;
		FILE *out = open_memstream(&got, &size);

		mailboxes_stats(out, m, rows[i].entries, rows[i].bad);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "got\n%swant\n%s", got, want);
		free(got);
	}
	mailboxes_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_addresses),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_empty),
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
