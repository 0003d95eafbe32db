/*
 * t_fallback - records for domains that publish none: which line decides,
 * which lines are bad, and that a reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dns.h"
#include "fallback.h"
#include "scratch.h"
#include "spf.h"

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* With this one file, not loaded. */
static struct fallback *
new_fallback(const char *path)
{
	struct fallback *f = fallback_new();

	assert_non_null(f);
	assert_int_equal(fallback_add_file(f, path), 0);
	return f;
}

/* The record, or "". */
static const char *
find(struct fallback *f, const char *domain)
{
	static char record[FALLBACK_RECORD_MAX];

	if (!fallback_find(f, domain, record))
		return "";
	assert_true(record[0] != '\0');
	return record;
}

#define CHECK_FIND(f, domain, want)					\
	CHECK(strcmp(find(f, domain), want) == 0,			\
	    "%s: got \"%s\" want \"%s\"", domain, find(f, domain), want)

/* --- what is taken */

#define THREE	"*\t\t?all\n.example.org mx -all\nexample.org a -all\n"

static const struct {
	const char *text, *domain, *want;
} records[] = {
	/* A domain. */
	{ "example.org mx -all\n", "example.org", "v=spf1 mx -all" },
	{ "Example.ORG mx -all\n", "eXample.org", "v=spf1 mx -all" },
	{ "example.org mx -all\n", "example.org.", "v=spf1 mx -all" },
	{ "example.org mx -all\n", "mail.example.org", "" },
	{ "example.org mx -all\n", "anexample.org", "" },
	{ "example.org mx -all\n", "xample.org", "" },
	{ "example.org mx -all\n", "org", "" },
	{ "example.org mx -all\n", "", "" },
	{ "example.org mx -all\n", ".", "" },
	{ "a_b.x-y.example mx\n", "a_b.x-y.example", "v=spf1 mx" },
	{ "\xc3\xa4.example mx\n", "\xc3\xa4.example", "v=spf1 mx" },
	/* Those below one. */
	{ ".example.org mx -all\n", "mail.example.org", "v=spf1 mx -all" },
	{ ".Example.Org mx -all\n", "a.b.EXAMPLE.org", "v=spf1 mx -all" },
	{ ".example.org mx -all\n", "mail.example.org.", "v=spf1 mx -all" },
	{ ".example.org mx -all\n", "example.org", "" },
	{ ".example.org mx -all\n", "anexample.org", "" },
	{ ".example.org mx -all\n", ".example.org", "" },
	{ ".org mx -all\n", "example.org", "v=spf1 mx -all" },
	/* Any. */
	{ "* mx -all\n", "example.org", "v=spf1 mx -all" },
	{ "* mx -all\n", "*", "v=spf1 mx -all" },
	{ "* mx -all\n", "", "" },
	/* The longest one decides. */
	{ THREE, "example.org", "v=spf1 a -all" },
	{ THREE, "mail.example.org", "v=spf1 mx -all" },
	{ THREE, "example.com", "v=spf1 ?all" },
	{ ".org -all\n.b.org a\n.a.b.org mx\n", "x.a.b.org", "v=spf1 mx" },
	{ ".a.b.org mx\n.b.org a\n.org -all\n", "x.a.b.org", "v=spf1 mx" },
	{ ".a.b.org mx\n.b.org a\n.org -all\n", "a.b.org", "v=spf1 a" },
	{ ".a.b.org mx\n.b.org a\n.org -all\n", "b.org", "v=spf1 -all" },
	/* And of two alike the first. */
	{ "a.org mx\nA.ORG a\na.org ptr\n", "a.org", "v=spf1 mx" },
	{ "* mx\n* a\n", "a.org", "v=spf1 mx" },
	/* The record. */
	{ "a.org v=spf1 mx -all\n", "a.org", "v=spf1 mx -all" },
	{ "a.org V=SPF1 mx -all\n", "a.org", "V=SPF1 mx -all" },
	{ "a.org v=spf1\n", "a.org", "v=spf1" },
	{ "a.org\tv=spf1\tmx\t\t-all\t\n", "a.org", "v=spf1 mx  -all" },
	{ "a.org   IP4:192.0.2.0/24  ip6:2001:db8::/32 ~all  \n", "a.org",
	    "v=spf1 IP4:192.0.2.0/24  ip6:2001:db8::/32 ~all" },
	{ "a.org exists:%{i}.%{d} exp=e.%{d} x=y\n", "a.org",
	    "v=spf1 exists:%{i}.%{d} exp=e.%{d} x=y" },
	/* What may stand around an entry. */
	{ "", "a.org", "" },
	{ "\n# a.org mx\n ; a.org mx\n\t\n#\n", "a.org", "" },
	{ " \ta.org mx\n", "a.org", "v=spf1 mx" },
	{ "\xef\xbb\xbf" "a.org mx\n", "a.org", "v=spf1 mx" },
	{ "\xef\xbb\xbf# x\r\na.org mx\r\n\r\nb.org a -all\r\n", "b.org",
	    "v=spf1 a -all" },
	{ "a.org mx\nb.org a -all", "b.org", "v=spf1 a -all" },
	{ "a.org mx\nb.org a -all\r", "b.org", "v=spf1 a -all" },
};

static void
test_records(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "list");
	for (size_t i = 0; i < COUNT(records); i++) {
		struct fallback *f = new_fallback(path);

		write_text(path, records[i].text);
		CHECK(fallback_load(f) == 0, "%s: %s", records[i].text,
		    scratch_logged());
		CHECK_FIND(f, records[i].domain, records[i].want);
		fallback_free(f);
	}
}

static const struct {
	const char *line, *why;		/* NULL: as spf_bad_record() says */
} bad_lines[] = {
	{ "example.org", "no record behind the name" },
	{ "example.org \t ", "no record behind the name" },
	{ "*", "no record behind the name" },
	{ "mx -all", "no dot in the domain" },
	{ "localhost mx -all", "no dot in the domain" },
	{ "v=spf1 mx -all", "not a domain" },
	{ "ip4:192.0.2.1 -all", "not a domain" },
	{ ". mx", "not a domain" },
	{ "..example.org mx", "not a domain" },
	{ "a..example.org mx", "not a domain" },
	{ "example.org. mx", "not a domain" },
	{ "*.example.org mx", "not a domain" },
	{ "** mx", "not a domain" },
	{ "joe@example.org mx", "not a domain" },
	{ "example.org, mx", "not a domain" },
	{ "\x1b[2J mx", "not a domain" },
	{ "192.0.2.1 mx", "a number is no domain" },
	{ ".1 mx", "a number is no domain" },
	{ "7 mx", "a number is no domain" },
	{ "example.org v=spf2 mx", "it does not begin with v=spf1" },
	{ "example.org v=spf10 mx", "it does not begin with v=spf1" },
	{ "example.org v=spf1mx", "it does not begin with v=spf1" },
	{ "example.org mx -al", NULL },
	{ "example.org ip4:192.0.2.256", NULL },
	{ "example.org mx # no comment", NULL },
	{ "example.org \"v=spf1 mx\"", NULL },
	{ "example.org TXT mx", NULL },
	{ "example.org m\xc3\xa4x", NULL },
	{ "example.org mx\r-all", NULL },
	{ "example.org redirect=a.org redirect=b.org", NULL },
};

/* What is to be logged of a line whose name is good. */
static const char *
wrong_record(const char *line)
{
	static char text[300], record[FALLBACK_RECORD_MAX];
	const char *term, *why;
	size_t size;

	snprintf(record, sizeof record, "v=spf1 %s", strchr(line, ' ') + 1);
	why = spf_bad_record(record, &term, &size);
	assert_non_null(why);
	assert_true(term > record);
	snprintf(text, sizeof text, "%s: %.*s", why, (int)size, term);
	return text;
}

static void
test_bad_lines(void **state)
{
	char path[SCRATCH_PATH_MAX], text[600];

	(void)state;
	scratch_path(path, "bad");
	for (size_t i = 0; i < COUNT(bad_lines); i++) {
		const char *line = bad_lines[i].line, *log;
		struct fallback *f = new_fallback(path);

		snprintf(text, sizeof text, "a.org mx\n%s\r\n", line);
		write_text(path, text);
		scratch_logged();
		CHECK(fallback_load(f) == -1, "%s", line);
		log = scratch_logged();
		snprintf(text, sizeof text, "%s:2: %s: %s?\n", path,
		    bad_lines[i].why != NULL ? bad_lines[i].why :
		    wrong_record(line), line);
		for (char *p = text; *p != '\0'; p++)
			if ((*p < ' ' || *p > '~') && *p != '\n')
				*p = '?';
		CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
		    "logged \"%s\", want \"%s\"", log, text);
		CHECK_FIND(f, "a.org", "");
		fallback_free(f);
	}
}

/* --- limits */

static void
test_long_lines(void **state)
{
	static const struct {
		size_t size;
		bool good;
	} rows[] = {
		{ FALLBACK_LINE_MAX, true }, { FALLBACK_LINE_MAX + 1, false },
		{ FALLBACK_LINE_MAX + 8, false }, { 40000, false },
		{ 200000, false },
	};
	static char line[200001];
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "long");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fallback *f = new_fallback(path);
		const char *found;

		snprintf(line, sizeof line, "* mx%*s", (int)rows[i].size - 4,
		    "-all");
		write_text(path, line);
		scratch_logged();
		CHECK(fallback_load(f) == (rows[i].good ? 0 : -1), "row %zu",
		    i);
		CHECK(rows[i].good || strstr(scratch_logged(),
		    ":1: line too long: * mx") != NULL, "row %zu", i);
		found = find(f, "a.org");
		if (rows[i].good)
			CHECK(strncmp(found, "v=spf1 ", 7) == 0 &&
			    strcmp(found + 7, line + 2) == 0, "%s", found);
		else
			assert_string_equal(found, "");
		fallback_free(f);
	}
}

/* A name of this size with labels of 60. */
static const char *
long_name(char *out, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = i % 61 == 60 ? '.' : 'a';
	out[size] = '\0';
	return out;
}

static void
test_long_names(void **state)
{
	char path[SCRATCH_PATH_MAX], name[400], line[500];
	static const struct {
		size_t size;
		const char *before;
		bool good;
	} rows[] = {
		{ DNS_NAME_MAX, "", true }, { DNS_NAME_MAX + 1, "", false },
		{ DNS_NAME_MAX, ".", true }, { DNS_NAME_MAX + 1, ".", false },
	};
	struct fallback *f;

	(void)state;
	scratch_path(path, "names");
	for (size_t i = 0; i < COUNT(rows); i++) {
		long_name(name, rows[i].size);
		snprintf(line, sizeof line, "%s%s mx\n", rows[i].before, name);
		write_text(path, line);
		f = new_fallback(path);
		CHECK(fallback_load(f) == (rows[i].good ? 0 : -1), "row %zu",
		    i);
		CHECK_FIND(f, name, i == 0 ? "v=spf1 mx" : "");
		fallback_free(f);
	}
	for (size_t i = 0; i < 2; i++) {
		memset(name, 'a', DNS_LABEL_MAX + 1);
		snprintf(name + DNS_LABEL_MAX + i, 10, ".org");
		snprintf(line, sizeof line, "%s mx\n", name);
		write_text(path, line);
		f = new_fallback(path);
		assert_int_equal(fallback_load(f), i == 0 ? 0 : -1);
		fallback_free(f);
	}
	/* What is no domain is not any other one either. */
	write_text(path, "* mx\n");
	f = new_fallback(path);
	assert_int_equal(fallback_load(f), 0);
	CHECK_FIND(f, long_name(name, DNS_NAME_MAX), "v=spf1 mx");
	CHECK_FIND(f, long_name(name, DNS_NAME_MAX + 1), "");
	fallback_free(f);
}

static void
test_nul(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct fallback *f = new_fallback(scratch_path(path, "nul"));

	(void)state;
	scratch_write(path, "a.org mx\0 -all\n", 15);
	scratch_logged();
	assert_int_equal(fallback_load(f), -1);
	assert_non_null(strstr(scratch_logged(), ":1: NUL in the line: a.org"));
	fallback_free(f);
}

/* Every one of many is found, and nothing beside them. */
static void
test_many(void **state)
{
	enum { MANY = 30000 };
	char path[SCRATCH_PATH_MAX], domain[60], want[60];
	struct fallback *f = new_fallback(scratch_path(path, "many"));
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 2 * MANY; i++)
		fprintf(file, "%sd%d.example ip4:10.%d.%d.%d\n",
		    i % 2 != 0 ? "." : "", i, i >> 16, i >> 8 & 255, i & 255);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(fallback_load(f), 0);
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(want, sizeof want, "v=spf1 ip4:10.%d.%d.%d", i >> 16,
		    i >> 8 & 255, i & 255);
		snprintf(domain, sizeof domain, "%sD%d.example",
		    i % 2 != 0 ? "www." : "", i);
		CHECK_FIND(f, domain, want);
		snprintf(domain, sizeof domain, "%sd%d.example",
		    i % 2 == 0 ? "www." : "", i);
		CHECK_FIND(f, domain, "");
	}
	fallback_free(f);
}

/* --- several files */

static void
test_files(void **state)
{
	static char path[3][SCRATCH_PATH_MAX];
	static const char *const text[] = {
		"* -all\n.c.org mx\na.org mx\n",
		"b.org a\na.org a\n.b.c.org a\n",
		"a.org ptr\n.org ptr\n* ptr\n",
	};
	static const struct {
		const char *domain, *want;
	} rows[] = {
		{ "a.org", "v=spf1 mx" }, { "b.org", "v=spf1 a" },
		{ "x.c.org", "v=spf1 mx" }, { "x.b.c.org", "v=spf1 a" },
		{ "c.org", "v=spf1 ptr" }, { "c.com", "v=spf1 -all" },
	};
	struct fallback *f = fallback_new();

	(void)state;
	scratch_logged();
	assert_int_equal(fallback_load(f), 0);
	assert_string_equal(scratch_logged(), "");
	assert_false(fallback_changed(f, 0));
	CHECK_FIND(f, "a.org", "");
	for (int i = 0; i < 6; i++) {
		char name[] = { 'f', (char)('0' + i % 3), '\0' };

		scratch_path(path[i % 3], name);
		write_text(path[i % 3], text[i % 3]);
		assert_int_equal(fallback_add_file(f, path[i % 3]), 0);
	}
	CHECK_FIND(f, "a.org", "");
	scratch_logged();
	assert_int_equal(fallback_load(f), 0);
	assert_non_null(strstr(scratch_logged(), "/f0 files=3 entries=9 "));
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_FIND(f, rows[i].domain, rows[i].want);
	fallback_free(f);
}

static void
test_most_files(void **state)
{
	static char path[FALLBACK_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct fallback *f = fallback_new();
	char text[40];

	(void)state;
	for (int n = 0; n <= FALLBACK_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "n%d.org mx\n", n);
		write_text(path[n], text);
		scratch_logged();
		assert_int_equal(fallback_add_file(f, path[n]),
		    n < FALLBACK_FILES_MAX ? 0 : -1);
	}
	assert_non_null(strstr(scratch_logged(), "/many-63: more than 63"));
	assert_int_equal(fallback_load(f), 0);
	for (int n = 0; n <= FALLBACK_FILES_MAX; n++) {
		snprintf(text, sizeof text, "n%d.org", n);
		CHECK_FIND(f, text, n < FALLBACK_FILES_MAX ? "v=spf1 mx" : "");
	}
	fallback_free(f);
	fallback_free(NULL);
}

/* --- reloads */

/* A fault leaves all as it was, in the file that is good, too.  A8, A9. */
static void
test_reload(void **state)
{
	static const struct {
		const char *text, *log;		/* NULL: missing; taken */
	} rows[] = {
		{ "b.org mx\n", NULL },
		{ "# none\nb.org mx\n", NULL },
		{ "b.org mx\nbad\n", ":2: no dot in the domain: bad" },
		{ "", ": it has become empty" },
		{ "# a.org mx\n", ": it has become empty" },
		{ "b.org mx", ": it was cut short" },
		{ NULL, ": No such file or directory" },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "one");
	scratch_path(other, "two");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fallback *f = new_fallback(other);
		bool taken = rows[i].log == NULL;

		write_text(path, "a.org mx\n");
		write_text(other, "* mx\n");
		assert_int_equal(fallback_add_file(f, path), 0);
		assert_int_equal(fallback_load(f), 0);
		assert_false(fallback_changed(f, 0));
		unlink(path);
		if (rows[i].text != NULL)
			write_text(path, rows[i].text);
		write_text(other, "* a -all\n");
		assert_true(fallback_changed(f, 0));
		scratch_logged();
		CHECK(fallback_load(f) == (taken ? 0 : -1), "row %zu", i);
		CHECK(taken || strstr(scratch_logged(), rows[i].log) != NULL,
		    "row %zu", i);
		assert_false(fallback_changed(f, 0));
		CHECK_FIND(f, "a.org", taken ? "v=spf1 a -all" : "v=spf1 mx");
		CHECK_FIND(f, "b.org", "v=spf1 mx");
		CHECK_FIND(f, "c.org", taken ? "v=spf1 a -all" : "v=spf1 mx");
		fallback_free(f);
	}
}

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct fallback *f = new_fallback(scratch_path(path, "changing"));
	struct timeval old[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };

	(void)state;
	write_text(path, "a.org mx\n");
	assert_int_equal(fallback_load(f), 0);
	write_text(path, "a.org mx -all\n");
	assert_true(fallback_changed(f, 0));
	assert_false(fallback_changed(f, 3600));
	assert_int_equal(utimes(path, old), 0);
	assert_true(fallback_changed(f, 3600));
	fallback_free(f);
}

static void
test_lenient(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct fallback *f = new_fallback(scratch_path(path, "lenient"));
	const char *log;

	(void)state;
	fallback_lenient(f);
	write_text(path, "bad-1\na.org mx\nbad-2 mx\nb.org foo\n");
	scratch_logged();
	assert_int_equal(fallback_load(f), 0);
	log = scratch_logged();
	assert_non_null(strstr(log, ":1: no dot in the domain: bad-1 "
	    "(passed over"));
	assert_null(strstr(log, "bad-2"));
	assert_non_null(strstr(log, " entries=1 ignored=0 bad=3 "));
	CHECK_FIND(f, "a.org", "v=spf1 mx");
	CHECK_FIND(f, "b.org", "");
	/* Three in four is too many for a reload. */
	write_text(path, "a.org a\nbad-1\nbad-2\nbad-3\n");
	assert_int_equal(fallback_load(f), -1);
	CHECK_FIND(f, "a.org", "v=spf1 mx");
	fallback_free(f);
}

struct looking {
	struct fallback *f;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

/* a.org has one of two records, never a mixture; nothing is found for b.org. */
static void *
search_always(void *arg)
{
	struct looking *l = arg;
	char record[FALLBACK_RECORD_MAX];

	while (!atomic_load(&l->stop)) {
		if (!fallback_find(l->f, "a.org", record) ||
		    (strcmp(record, "v=spf1 a:one.org -all") != 0 &&
		    strcmp(record, "v=spf1 mx") != 0) ||
		    fallback_find(l->f, "b.org", record))
			atomic_fetch_add(&l->wrong, 1);
		atomic_fetch_add(&l->searches, 1);
	}
	return NULL;
}

static void
test_reload_under_load(void **state)
{
	char path[SCRATCH_PATH_MAX], text[200];
	struct looking l = { .f = new_fallback(scratch_path(path, "busy")) };
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "n%d.org mx\na.org %s\n%s", i,
		    i % 2 == 0 ? "a:one.org -all" : "mx",
		    i % 5 == 4 ? "bad\n" : "");
		write_text(path, text);
		assert_int_equal(fallback_load(l.f), i % 5 == 4 ? -1 : 0);
		for (size_t t = 0; i == 0 && t < COUNT(thread); t++)
			assert_int_equal(pthread_create(&thread[t], NULL,
			    search_always, &l), 0);
		snprintf(text, sizeof text, "n%d.org", i);
		CHECK_FIND(l.f, text, i % 5 == 4 ? "" : "v=spf1 mx");
	}
	while (atomic_load(&l.searches) < 100)
		usleep(1000);
	atomic_store(&l.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&l.wrong), 0);
	fallback_free(l.f);
}

/* --- what is printed */

static void
test_explain(void **state)
{
	static const struct {
		const char *domain;
		int file;
		const char *want;	/* "": nothing is printed */
	} rows[] = {
		{ "a.org", 0, "6: A.org mx -all" },
		{ "A.ORG.", 0, "6: A.org mx -all" },
		{ "b.org", 1, "1: b.org a" },
		{ "x.a.org", 0, "5: .a.org  mx" },
		{ "x.b.a.org", 1, "2: .b.a.org a" },
		{ "c.org", 0, "4: * ?all" },
		{ "bad.org", 0, "4: * ?all" },
		{ "", 0, "" },
	};
	char path[2][SCRATCH_PATH_MAX];
	struct fallback *f = new_fallback(scratch_path(path[0], "first"));

	(void)state;
	assert_int_equal(fallback_add_file(f, scratch_path(path[1], "second")),
	    0);
	write_text(path[0], "\xef\xbb\xbf# a.org mx\n\nbad.org\n* ?all\r\n"
	    ".a.org \tmx\nA.org mx -all\na.org a\n");
	write_text(path[1], "b.org a\n.b.a.org a\na.org a\n* a\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[SCRATCH_PATH_MAX + 40] = "";
		size_t size;
		FILE *out = open_memstream(&got, &size);

		fallback_explain(f, out, rows[i].domain);
		fclose(out);
		if (rows[i].want[0] != '\0')
			snprintf(want, sizeof want, "%s:%s\n",
			    path[rows[i].file], rows[i].want);
		CHECK(strcmp(got, want) == 0, "%s: got\n%swant\n%s",
		    rows[i].domain, got, want);
		free(got);
	}
	fallback_free(f);
}

static void
test_stats(void **state)
{
	char path[SCRATCH_PATH_MAX], *got, want[600];
	struct fallback *f = fallback_new();

	(void)state;
	scratch_path(path, "counted");
	fallback_lenient(f);
	write_text(path, "# x\na.org mx\n* mx\nbad\n");
	snprintf(want, sizeof want, "# HELP milter_fallback_entries Records in "
	    "use of each file.\n# TYPE milter_fallback_entries gauge\n"
	    "milter_fallback_entries{list=\"%s\"} 2\n"
	    "# HELP milter_fallback_bad_lines Bad lines passed over.\n"
	    "# TYPE milter_fallback_bad_lines gauge\n"
	    "milter_fallback_bad_lines{list=\"%s\"} 1\n", path, path);
	for (int i = 0; i < 2; i++) {
		size_t size;
		FILE *out = open_memstream(&got, &size);

		fallback_stats(out, f);
		fclose(out);
		assert_string_equal(got, i == 0 ? "" : want);
		free(got);
		if (i == 0) {
			assert_int_equal(fallback_add_file(f, path), 0);
			assert_int_equal(fallback_load(f), 0);
		}
	}
	fallback_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_many),
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
