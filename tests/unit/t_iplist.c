/*
 * t_iplist - list files: what is taken from them, what is a fault, and that a
 * reload changes all or nothing.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "iplist.h"
#include "scratch.h"

#define SETTLE	2	/* seconds */

static void
write_text(const char *path, const char *text)
{
	scratch_write(path, text, strlen(text));
}

/* Make the file so many seconds old. */
static void
set_age(const char *path, long seconds)
{
	struct timeval times[2];

	gettimeofday(&times[0], NULL);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimes(path, times), 0);
}

/* A new object with this one file, not loaded. */
static struct iplist *
new_list(enum iplist_role role, const char *path)
{
	struct iplist *l = iplist_new();

	assert_non_null(l);
	assert_int_equal(iplist_add_file(l, role, path), 0);
	return l;
}

/* What is found, as letters: w(hite) l(isted) s(hadow), one for each list. */
static const char *
find(struct iplist *l, const char *client, const char *host)
{
	static char out[200];
	struct iplist_match m;
	const uint64_t *bits[] = { &m.white, &m.listed, &m.shadow };
	struct addr addr;
	size_t n = 0;

	assert_int_equal(addr_parse(&addr, client), 0);
	m = iplist_find(l, &addr, host);
	for (size_t role = 0; role < COUNT(bits); role++)
		for (uint64_t b = *bits[role]; b != 0; b &= b - 1)
			out[n++] = "wls"[role];
	out[n] = '\0';
	return out;
}

#define CHECK_FIND(l, client, host, want)				\
	CHECK(strcmp(find(l, client, host), want) == 0,			\
	    "%s: got \"%s\" want \"%s\"", client, find(l, client, host), want)

/* --- what is taken */

static const struct {
	const char *text;
	enum iplist_role role;
	const char *client, *host, *want;
} formats[] = {
	{ "192.0.2.1\n", IPLIST_LISTED, "192.0.2.1", NULL, "l" },
	{ "192.0.2.1\n", IPLIST_LISTED, "192.0.2.2", NULL, "" },
	{ "192.0.2.1\n", IPLIST_WHITE, "192.0.2.1", NULL, "w" },
	{ "192.0.2.1\n", IPLIST_SHADOW, "192.0.2.1", NULL, "s" },
	{ "192.0.2.1\n", IPLIST_LISTED, "::ffff:192.0.2.1", NULL, "l" },
	{ "2001:db8::/32\n", IPLIST_LISTED, "2001:db8::7", NULL, "l" },
	{ "", IPLIST_LISTED, "192.0.2.1", NULL, "" },
	{ "\n\n", IPLIST_LISTED, "192.0.2.1", NULL, "" },
	/* BOM, CRLF, no newline at the end. */
	{ "\xef\xbb\xbf" "192.0.2.1\n", IPLIST_LISTED, "192.0.2.1",
	    NULL, "l" },
	{ "\xef\xbb\xbf", IPLIST_LISTED, "192.0.2.1", NULL, "" },
	{ "\xef\xbb\xbf# x\r\n192.0.2.1\r\n192.0.2.3\r\n",
	    IPLIST_LISTED, "192.0.2.1", NULL, "l" },
	{ "192.0.2.1\r\n192.0.2.3\r\n", IPLIST_LISTED, "192.0.2.3",
	    NULL, "l" },
	{ "192.0.2.1\n192.0.2.3", IPLIST_LISTED, "192.0.2.3", NULL,
	    "l" },
	{ "192.0.2.1\r\n192.0.2.3\r", IPLIST_LISTED, "192.0.2.3",
	    NULL, "l" },
	/* Spamhaus DROP. */
	{ "; Spamhaus DROP List\n; Expires: x\n1.10.16.0/20 ; SBL256894"
	    "\n1.19.0.0/16 ; SBL434604\n", IPLIST_LISTED, "1.10.31.1",
	    NULL, "l" },
	{ "2a06:f680::/29 ; SBL1\n", IPLIST_LISTED, "2a06:f687::1",
	    NULL, "l" },
	{ "192.0.2.\n", IPLIST_LISTED, "192.0.2.99", NULL, "l" },
	/* A line of an access file means what it says. */
	{ "Connect:192.0.2 REJECT\n", IPLIST_LISTED, "192.0.2.1", NULL,
	    "l" },
	{ "Connect:192.0.2 REJECT\n", IPLIST_SHADOW, "192.0.2.1", NULL,
	    "s" },
	{ "Connect:192.0.2 REJECT\n", IPLIST_WHITE, "192.0.2.1", NULL,
	    "" },
	{ "Connect:192.0.2 OK\n", IPLIST_WHITE, "192.0.2.1", NULL,
	    "w" },
	{ "Connect:192.0.2 OK\n", IPLIST_LISTED, "192.0.2.1", NULL,
	    "w" },
	/* A list on trial has no effect, not even a good one. */
	{ "Connect:192.0.2 RELAY\n", IPLIST_SHADOW, "192.0.2.1", NULL, "" },
	{ "Connect:example.com OK\n", IPLIST_SHADOW, "192.0.2.1",
	    "example.com", "" },
	{ "Connect:192.0 550 no\nConnect:192.0.2.1 OK\n", IPLIST_LISTED,
	    "192.0.2.1", NULL, "wl" },
	{ "From:x@example.com REJECT\nConnect:192.0.2 REJECT\n"
	    "Connect:dsl.example.net REJECT\n", IPLIST_LISTED,
	    "192.0.2.1", "dsl.example.net", "l" },
	{ "Connect:IPv6:2001:db8 REJECT\n", IPLIST_LISTED,
	    "2001:db8::1", NULL, "l" },
	{ "Connect:example.com RELAY\n", IPLIST_LISTED, "192.0.2.1",
	    "example.com", "w" },
	{ "Connect:example.com REJECT\n", IPLIST_WHITE, "192.0.2.1",
	    "example.com", "" },
	/* The host's name, where it is known. */
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1",
	    "mail.example.com", "w" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1",
	    "a.b.c.Example.COM", "w" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1",
	    "mail.example.com.", "w" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", "example.com",
	    "w" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1",
	    "badexample.com", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1",
	    "example.com.evil.example", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", "com", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", "", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", ".", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", "...", "" },
	{ ".example.com\n", IPLIST_WHITE, "192.0.2.1", NULL, "" },
	{ ".d.example\n.c.example\n.b.example\n.a.example\n",
	    IPLIST_WHITE, "192.0.2.1", "x.d.example", "w" },
	{ ".b.example\n.a.example\n.c.example\n.a.example\n",
	    IPLIST_WHITE, "192.0.2.1", "x.c.example", "w" },
};

static void
test_formats(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "formats");
	for (size_t i = 0; i < COUNT(formats); i++) {
		struct iplist *l = new_list(formats[i].role, path);
		const char *got;

		write_text(path, formats[i].text);
		CHECK(iplist_load(l) == 0, "%s", formats[i].text);
		got = find(l, formats[i].client, formats[i].host);
		CHECK(strcmp(got, formats[i].want) == 0, "%s %s in \"%s\": got "
		    "\"%s\" want \"%s\"", formats[i].client, formats[i].host,
		    formats[i].text, got, formats[i].want);
		iplist_free(l);
	}
}

/* Names longer than any host has, and a list of lines longer than a buffer. */
static void
test_long(void **state)
{
	static char text[300000], host[100000];
	static const struct {
		size_t size;	/* of the line in the middle, without LF */
		int loaded;
	} rows[] = {
		{ IPLIST_LINE_MAX, 0 }, { IPLIST_LINE_MAX + 1, -1 },
		{ 65535, -1 }, { 65536, -1 }, { 65537, -1 }, { 200000, -1 },
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "long");
	memset(host, 'a', sizeof host - 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);
		size_t n = 0;

		/* Its tail must not become a line of its own. */
		n += (size_t)snprintf(text, sizeof text, "192.0.2.1\n");
		memset(text + n, '#', rows[i].size);
		memcpy(text + n + rows[i].size - 10, "\t192.0.2.9", 10);
		n += rows[i].size;
		n += (size_t)snprintf(text + n, sizeof text - n,
		    "\n192.0.2.2\n");
		scratch_write(path, text, n);
		scratch_logged();
		CHECK(iplist_load(l) == rows[i].loaded, "%zu", rows[i].size);
		if (rows[i].loaded == -1) {
			snprintf(text, sizeof text, "%s:2: line too long",
			    path);
			CHECK(strstr(scratch_logged(), text) != NULL, "%zu",
			    rows[i].size);
			iplist_lenient(l);
			assert_int_equal(iplist_load(l), 0);
		}
		CHECK_FIND(l, "192.0.2.1", host, "l");
		CHECK_FIND(l, "192.0.2.2", host, "l");
		CHECK_FIND(l, "192.0.2.9", host, "");
		iplist_free(l);
	}
}

/* One access file for both options: refused network, exempted host in it. */
static void
test_two_roles(void **state)
{
	static const char *const orders[] = { "wl", "lw" };
	char path[SCRATCH_PATH_MAX];

	(void)state;
	write_text(scratch_path(path, "access"),
	    "Connect:192.0.2 REJECT\nConnect:192.0.2.7 OK\n"
	    "Connect:192.0.2.8 RELAY\n203.0.113.1\n");
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct iplist *l = iplist_new();

		for (const char *p = orders[i]; *p != '\0'; p++)
			assert_int_equal(iplist_add_file(l, *p == 'w' ?
			    IPLIST_WHITE : IPLIST_LISTED, path), 0);
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.1", NULL, "l");
		CHECK_FIND(l, "192.0.2.7", NULL, "wwl");
		CHECK_FIND(l, "192.0.2.8", NULL, "wwl");
		CHECK_FIND(l, "203.0.113.1", NULL, "wl");
		CHECK_FIND(l, "198.51.100.1", NULL, "");
		iplist_free(l);
	}
}

/* --- numbers of lists */

static void
test_first(void **state)
{
	(void)state;
	for (int n = 0; n < 64; n++) {
		assert_int_equal(iplist_first((uint64_t)1 << n), n);
		assert_int_equal(iplist_first(~(uint64_t)0 << n), n);
	}
}

/* As many files as there may be; the file n lists 10.0.0.n. */
static void
test_most_files(void **state)
{
	static char path[IPLIST_FILES_MAX + 1][SCRATCH_PATH_MAX];
	struct iplist *l = iplist_new();
	uint64_t roles[IPLIST_ROLES], seen = 0;
	char text[40], want[SCRATCH_PATH_MAX];

	(void)state;
	for (int n = 0; n <= IPLIST_FILES_MAX; n++) {
		snprintf(text, sizeof text, "many-%d", n);
		scratch_path(path[n], text);
		snprintf(text, sizeof text, "10.0.0.%d\n", n);
		write_text(path[n], text);
	}
	for (int n = 0; n < IPLIST_FILES_MAX; n++)
		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(iplist_add_file(l,
			    (enum iplist_role)(2 - n % 3), path[n]), 0);
	scratch_logged();
	assert_int_equal(iplist_add_file(l, IPLIST_WHITE,
	    path[IPLIST_FILES_MAX]), -1);
	assert_non_null(strstr(scratch_logged(), path[IPLIST_FILES_MAX]));
	assert_int_equal(iplist_load(l), 0);

	for (int role = 0; role < IPLIST_ROLES; role++)
		roles[role] = iplist_lists(l, (enum iplist_role)role);
	assert_int_equal(roles[0] & roles[1], 0);
	assert_int_equal((roles[0] | roles[1]) & roles[2], 0);
	for (int n = 0; n < IPLIST_FILES_MAX; n++) {
		struct addr addr;
		struct iplist_match m;
		uint64_t bits;

		snprintf(text, sizeof text, "10.0.0.%d", n);
		assert_int_equal(addr_parse(&addr, text), 0);
		m = iplist_find(l, &addr, NULL);
		bits = m.white | m.listed | m.shadow;
		CHECK(strcmp(find(l, text, NULL), n % 3 == 2 ? "w" :
		    n % 3 == 1 ? "l" : "s") == 0, "file %d", n);
		CHECK((bits & roles[2 - n % 3]) == bits, "file %d", n);
		CHECK((bits & seen) == 0, "file %d", n);
		seen |= bits;
		assert_string_equal(iplist_path(l, iplist_first(bits)),
		    path[n]);
		snprintf(want, sizeof want, "many-%d", n);
		assert_string_equal(iplist_name(l, iplist_first(bits)), want);
	}
	iplist_free(l);
}

/* The list that an OK line counts for has a name, too, and so has a file
 * without a folder. */
static void
test_names(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "named"));
	struct addr addr;
	struct iplist_match m;

	(void)state;
	write_text(path, "Connect:192.0.2.1 OK\n192.0.2.2\n");
	assert_int_equal(iplist_load(l), 0);
	assert_int_equal(addr_parse(&addr, "192.0.2.1"), 0);
	m = iplist_find(l, &addr, NULL);
	assert_true(m.white != 0);
	assert_true(strlen(iplist_path(l, iplist_first(m.white))) > 0);
	assert_true(strlen(iplist_name(l, iplist_first(m.white))) > 0);
	assert_int_equal(m.white & ~iplist_lists(l, IPLIST_WHITE), 0);
	iplist_free(l);

	l = new_list(IPLIST_LISTED, "plain");
	assert_string_equal(iplist_name(l, 0), "plain");
	iplist_free(l);
	iplist_free(NULL);
}

static void
test_has_domains(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "192.0.2.1\n", false }, { ".example.com\n", true },
		{ "Connect:example.com OK\n", true },
		{ "Connect:example.com REJECT\n", false },
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "domains");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct iplist *l = new_list(IPLIST_WHITE, path);

		write_text(path, rows[i].text);
		assert_false(iplist_has_domains(l));
		assert_int_equal(iplist_load(l), 0);
		CHECK(iplist_has_domains(l) == rows[i].want, "%s",
		    rows[i].text);
		iplist_free(l);
	}
}

/* --- faults */

/* What is put in a file's place. */
enum thing { TEXT, MISSING, DIRECTORY, FIFO, UNREADABLE, DEVICE };

static void
put(const char *path, enum thing thing, const char *text)
{
	unlink(path);
	rmdir(path);
	switch (thing) {
	case TEXT:
	case UNREADABLE:
		write_text(path, text);
		assert_int_equal(chmod(path, thing == TEXT ? 0644 : 0), 0);
		break;
	case DIRECTORY:
		assert_int_equal(mkdir(path, 0755), 0);
		break;
	case FIFO:
		assert_int_equal(mkfifo(path, 0644), 0);
		break;
	case DEVICE:
		assert_int_equal(symlink("/dev/zero", path), 0);
		break;
	case MISSING:
		break;
	}
}

/* Root reads everything, so it becomes somebody else for the time being. */
static int
load(struct iplist *l, enum thing thing)
{
	bool root = geteuid() == 0 && thing == UNREADABLE;
	int loaded;

	if (root)
		assert_int_equal(chmod(scratch, 0711) | seteuid(65534), 0);
	loaded = iplist_load(l);
	if (root)
		assert_int_equal(seteuid(0), 0);
	return loaded;
}

static const struct fault {
	const char *text;
	enum thing thing;
	const char *log;	/* behind the path */
} faults[] = {
	{ "192.0.2.9\n192.0.2.256\n", TEXT,
	    ":2: not an address, network or domain: 192.0.2.256" },
	{ "192.0.2.9\n\n# x\r\n10 entries follow\n192.0.2.7\n", TEXT, ":4: " },
	{ "192.0.2.9\n192.0.2.1/24\n", TEXT, ":2: host bits are set" },
	{ "192.0.2.9\n0.0.0.0/0", TEXT, ":2: prefix too short" },
	{ "192.0.2.9\n.example.com\n", TEXT, ":2: " },
	{ "192.0.2.9\n\x1b[2J\n", TEXT, ":2: " },
	{ "\xef\xbb\xbf\xef\xbb\xbf" "192.0.2.9\n", TEXT, ":1: " },
	{ "192.0.2.9\n", MISSING, ": No such file or directory" },
	{ "192.0.2.9\n", UNREADABLE, ": Permission denied" },
	{ "192.0.2.9\n", DIRECTORY, ": not a regular file" },
	{ "192.0.2.9\n", FIFO, ": not a regular file" },
	{ "192.0.2.9\n", DEVICE, ": not a regular file" },
};

/* One line, and it names the file. */
static void
check_log(const char *path, const char *want)
{
	char text[400];
	const char *log = scratch_logged();

	snprintf(text, sizeof text, "%s%s", path, want);
	CHECK(strstr(log, text) != NULL && scratch_lines(log) == 1,
	    "logged \"%s\", want \"%s\"", log, text);
}

static void
test_faults_at_first(void **state)
{
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "fault");
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);

		put(path, faults[i].thing, faults[i].text);
		scratch_logged();
		CHECK(load(l, faults[i].thing) == -1, "%s", faults[i].log);
		check_log(path, faults[i].log);
		CHECK_FIND(l, "192.0.2.9", NULL, "");
		/* Put right, it can be loaded after all. */
		put(path, TEXT, "192.0.2.9\n");
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.9", NULL, "l");
		iplist_free(l);
	}
}

/* The other file is good and has changed, and does not change either. */
static void
test_faults_at_reload(void **state)
{
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "fault");
	scratch_path(other, "other");
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct iplist *l = new_list(IPLIST_WHITE, other);

		put(path, TEXT, "192.0.2.1\n");
		put(other, TEXT, ".example.com\n203.0.113.1\n");
		assert_int_equal(iplist_add_file(l, IPLIST_LISTED, path), 0);
		assert_int_equal(iplist_load(l), 0);
		put(path, faults[i].thing, faults[i].text);
		put(other, TEXT, ".example.net\n203.0.113.2\n");
		scratch_logged();
		CHECK(load(l, faults[i].thing) == -1, "%s", faults[i].log);
		check_log(path, faults[i].log);
		CHECK_FIND(l, "192.0.2.1", NULL, "l");
		CHECK_FIND(l, "192.0.2.9", NULL, "");
		CHECK_FIND(l, "203.0.113.1", NULL, "w");
		CHECK_FIND(l, "203.0.113.2", NULL, "");
		CHECK_FIND(l, "198.51.100.1", "example.com", "w");
		CHECK_FIND(l, "198.51.100.1", "example.net", "");
		put(path, TEXT, "192.0.2.9\n");
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.1", NULL, "");
		CHECK_FIND(l, "192.0.2.9", "example.net", "wl");
		CHECK_FIND(l, "203.0.113.1", NULL, "");
		CHECK_FIND(l, "203.0.113.2", NULL, "w");
		iplist_free(l);
	}
}

/* A text of good lines 10.0.0.1 and so on, and then bad ones. */
static const char *
good_and_bad(int good, int bad)
{
	static char text[8000];
	size_t n = 0;

	text[0] = '\0';
	for (int i = 1; i <= good; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		    "10.0.%d.%d\n", i / 200, i % 200);
	for (int i = 1; i <= bad; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "bad-%d\n",
		    i);
	assert_true(n < sizeof text);
	return text;
}

/* A reload sees more than a first load does. */
static void
test_reload(void **state)
{
	static const char one[] = "192.0.2.1\n";
	static const struct {
		const char *before, *after;
		const char *log;	/* NULL: it is taken */
	} rows[] = {
		{ one, "192.0.2.2\n", NULL },
		{ one, "", ": it has become empty" },
		{ one, "# nothing here\n", ": it has become empty" },
		{ one, "From:x@example.com REJECT\n", ": it has become empty" },
		{ "", "", NULL },
		{ "# nothing yet\n", "", NULL },
		{ "", one, NULL },
		{ "", "192.0.2.1", ": it was cut short" },
		/* What is left of 192.0.2.130 would list the whole /24. */
		{ one, "192.0.2.1\n192.0.2.", ": it was cut short" },
		{ "192.0.2.1\n192.0.2.130\n", "192.0.2.1\n192.0.2.13",
		    ": it was cut short" },
		{ one, "192.0.2.1\n# com", ": it was cut short" },
		{ "192.0.2.1", "192.0.2.2", NULL },
		{ "192.0.2.1", "192.0.2.2\n", NULL },
		{ "192.0.2.1\r\n", "192.0.2.2\r", ": it was cut short" },
		{ "192.0.2.1\r\n", "192.0.2.2\r\n", NULL },
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "reload");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);
		char before[8];

		write_text(path, rows[i].before);
		assert_int_equal(iplist_load(l), 0);
		snprintf(before, sizeof before, "%s", find(l, "192.0.2.1",
		    NULL));
		write_text(path, rows[i].after);
		scratch_logged();
		CHECK(iplist_load(l) == (rows[i].log == NULL ? 0 : -1),
		    "\"%s\" after \"%s\"", rows[i].after, rows[i].before);
		if (rows[i].log != NULL) {
			check_log(path, rows[i].log);
			CHECK_FIND(l, "192.0.2.1", NULL, before);
			CHECK_FIND(l, "192.0.2.99", NULL, "");
		}
		iplist_free(l);
	}
}

static void
test_lenient(void **state)
{
	static const struct {
		int good, bad;
		bool reload;
		int loaded;
	} rows[] = {
		{ 1, 50, false, 0 }, { 0, 1, false, 0 },
		{ 99, 1, true, 0 }, { 98, 1, true, -1 },
		{ 396, 4, true, 0 }, { 396, 5, true, -1 },
		{ 0, 1, true, -1 }, { 100, 0, true, 0 },
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "lenient");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);
		const char *log;

		iplist_lenient(l);
		if (rows[i].reload) {
			write_text(path, "192.0.2.1\n");
			assert_int_equal(iplist_load(l), 0);
		}
		write_text(path, good_and_bad(rows[i].good, rows[i].bad));
		scratch_logged();
		CHECK(iplist_load(l) == rows[i].loaded, "%d good, %d bad",
		    rows[i].good, rows[i].bad);
		/* Passed over, and said once. */
		log = scratch_logged();
		CHECK((strstr(log, "bad-1") != NULL) == (rows[i].bad > 0),
		    "\"%s\"", log);
		CHECK(strstr(log, "bad-2") == NULL, "\"%s\"", log);
		if (rows[i].loaded == -1)
			CHECK_FIND(l, "192.0.2.1", NULL, "l");
		else if (rows[i].good > 0)
			CHECK_FIND(l, "10.0.0.1", NULL, "l");
		iplist_free(l);
	}
}

/* A8. */
static void
bug_whitelist_never_cleared(void **state)
{
	static const char *const letters[] = { "w", "l", "s" };
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "cleared");
	for (int role = 0; role < IPLIST_ROLES; role++) {
		struct iplist *l = new_list((enum iplist_role)role, path);

		write_text(path, "192.0.2.1\n192.0.2.2\n2001:db8::/32\n");
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.1", NULL, letters[role]);
		CHECK_FIND(l, "2001:db8::1", NULL, letters[role]);
		write_text(path, "192.0.2.2\n");
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.1", NULL, "");
		CHECK_FIND(l, "2001:db8::1", NULL, "");
		CHECK_FIND(l, "192.0.2.2", NULL, letters[role]);
		iplist_free(l);
	}
}

/* --- files that change */

static void
test_changed(void **state)
{
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "changing"));
	struct timespec times[2];
	struct stat st;

	(void)state;
	write_text(path, "192.0.2.1\n");
	set_age(path, 100);
	assert_int_equal(iplist_load(l), 0);
	assert_false(iplist_changed(l, SETTLE));
	assert_false(iplist_changed(l, 0));

	/* Still being written, perhaps; then left alone. */
	write_text(path, "192.0.2.2\n");
	assert_true(iplist_changed(l, 0));
	assert_false(iplist_changed(l, 3600));
	set_age(path, SETTLE + 1);
	assert_true(iplist_changed(l, SETTLE));
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), 0);
	assert_false(iplist_changed(l, SETTLE));

	/* The clock was set back: it is not left out for an hour. */
	write_text(path, "192.0.2.3\n");
	set_age(path, -3600);
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), 0);

	/* Another file in its place, as old and as long. */
	write_text(path, "192.0.2.1\n");
	set_age(path, 100);
	assert_int_equal(iplist_load(l), 0);
	write_text(scratch_path(other, "replacement"), "192.0.2.9\n");
	assert_int_equal(stat(path, &st), 0);
	times[0] = times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
	assert_int_equal(rename(other, path), 0);
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), 0);
	CHECK_FIND(l, "192.0.2.9", NULL, "l");
	assert_false(iplist_changed(l, SETTLE));

	/* What was found bad is not tried again until it changes. */
	write_text(path, "192.0.2.\nbad\n");
	set_age(path, 100);
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), -1);
	assert_false(iplist_changed(l, SETTLE));
	iplist_free(l);
}

/* Said once when it goes; loaded when it is back, even as it was. */
static void
test_disappears(void **state)
{
	char path[SCRATCH_PATH_MAX], away[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "disappearing"));

	(void)state;
	write_text(path, "192.0.2.1\n");
	set_age(path, 100);
	assert_int_equal(iplist_load(l), 0);
	assert_int_equal(rename(path, scratch_path(away, "away")), 0);
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), -1);
	assert_false(iplist_changed(l, SETTLE));
	assert_false(iplist_changed(l, 0));
	CHECK_FIND(l, "192.0.2.1", NULL, "l");
	assert_int_equal(rename(away, path), 0);
	assert_true(iplist_changed(l, SETTLE));
	assert_int_equal(iplist_load(l), 0);
	assert_false(iplist_changed(l, SETTLE));
	iplist_free(l);
}

/*
 * A load that fails at the first file has seen that the second changed, too,
 * or it would be tried again every ten seconds, with a line in the log.
 */
static void
test_changed_behind_a_fault(void **state)
{
	static const char *const faulty[] = { NULL, "bad\n", "" };
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "first");
	scratch_path(other, "second");
	for (size_t i = 0; i < COUNT(faulty); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);

		assert_int_equal(iplist_add_file(l, IPLIST_LISTED, other), 0);
		write_text(path, "192.0.2.1\n");
		write_text(other, "192.0.2.2\n");
		assert_int_equal(iplist_load(l), 0);
		if (faulty[i] == NULL)
			unlink(path);
		else
			write_text(path, faulty[i]);
		write_text(other, "192.0.2.3\n192.0.2.4\n");
		assert_true(iplist_changed(l, 0));
		assert_int_equal(iplist_load(l), -1);
		CHECK(!iplist_changed(l, 0), "row %zu", i);
		write_text(path, "192.0.2.1\n192.0.2.5\n");
		assert_true(iplist_changed(l, 0));
		assert_int_equal(iplist_load(l), 0);
		CHECK_FIND(l, "192.0.2.4", NULL, "l");
		iplist_free(l);
	}
}

/* --- while others write or search */

struct touching {
	const char *path;
	atomic_bool stop;
};

static void *
touch_always(void *arg)
{
	struct touching *t = arg;
	struct timespec times[2] = { { .tv_sec = 1000000000 } };

	while (!atomic_load(&t->stop)) {
		times[0].tv_nsec = (times[0].tv_nsec + 1) % 1000000000;
		times[1] = times[0];
		utimensat(AT_FDCWD, t->path, times, 0);
	}
	return NULL;
}

static void
test_changes_while_read(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct touching t = { .path = scratch_path(path, "touched") };
	struct iplist *l = new_list(IPLIST_LISTED, path);
	time_t until = time(NULL) + 20;
	bool seen = false;
	pthread_t thread;

	(void)state;
	write_text(path, good_and_bad(300, 0));
	scratch_logged();
	assert_int_equal(pthread_create(&thread, NULL, touch_always, &t), 0);
	while (!seen && time(NULL) < until)
		seen = iplist_load(l) == -1;
	atomic_store(&t.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(seen);
	assert_non_null(strstr(scratch_logged(),
	    ": it changed while it was read"));
	assert_int_equal(iplist_load(l), 0);
	CHECK_FIND(l, "10.0.0.1", NULL, "l");
	iplist_free(l);
}

struct search {
	struct iplist *lists;
	atomic_bool stop;
	atomic_ulong searches, wrong;
};

/* 192.0.2.1 is always listed, 192.0.2.2 always exempt, the third never. */
static void *
search_always(void *arg)
{
	struct search *s = arg;
	struct addr a[3];

	addr_parse(&a[0], "192.0.2.1");
	addr_parse(&a[1], "192.0.2.2");
	addr_parse(&a[2], "192.0.2.3");
	while (!atomic_load(&s->stop)) {
		struct iplist_match m = iplist_find(s->lists, &a[0],
		    "mail.example.org");

		if (m.listed == 0 || m.white != 0)
			atomic_fetch_add(&s->wrong, 1);
		m = iplist_find(s->lists, &a[1], "mail.example.com");
		if (m.white == 0 || m.listed != 0)
			atomic_fetch_add(&s->wrong, 1);
		m = iplist_find(s->lists, &a[2], NULL);
		if ((m.white | m.listed | m.shadow) != 0)
			atomic_fetch_add(&s->wrong, 1);
		if (!iplist_has_domains(s->lists))
			atomic_fetch_add(&s->wrong, 1);
		atomic_fetch_add(&s->searches, 1);
	}
	return NULL;
}

static void
test_reload_under_load(void **state)
{
	char white[SCRATCH_PATH_MAX], listed[SCRATCH_PATH_MAX];
	struct search s = { .lists = new_list(IPLIST_WHITE,
	    scratch_path(white, "busy-white")) };
	char text[9000];
	pthread_t thread[2];

	(void)state;
	assert_int_equal(iplist_add_file(s.lists, IPLIST_LISTED,
	    scratch_path(listed, "busy")), 0);
	for (int i = -1; i < 50; i++) {
		/* Every fifth time it is bad. */
		snprintf(text, sizeof text, "192.0.2.1\n10.%d.0.0/16\n%s%s",
		    i + 1, good_and_bad(i * 7 % 300, 0), i % 5 == 4 ?
		    "bad\n" : "");
		write_text(listed, text);
		snprintf(text, sizeof text, "192.0.2.2\n.example.com\n"
		    ".x%d.example.net\n10.%d.1.0/24\n", i + 1, i + 1);
		write_text(white, text);
		assert_int_equal(iplist_load(s.lists), i % 5 == 4 ? -1 : 0);
		if (i == -1)
			for (size_t t = 0; t < COUNT(thread); t++)
				assert_int_equal(pthread_create(&thread[t],
				    NULL, search_always, &s), 0);
		snprintf(text, sizeof text, "10.%d.1.1", i + 1);
		if (i % 5 != 4)
			CHECK_FIND(s.lists, text, NULL, "wl");
	}
	while (atomic_load(&s.searches) < 100)
		usleep(1000);
	atomic_store(&s.stop, true);
	for (size_t t = 0; t < COUNT(thread); t++)
		assert_int_equal(pthread_join(thread[t], NULL), 0);
	assert_int_equal(atomic_load(&s.wrong), 0);
	iplist_free(s.lists);
}

/* --- what is printed */

static void
test_explain(void **state)
{
	static const struct {
		const char *client, *host, *want;	/* %s: the path */
	} rows[] = {
		{ "192.0.2.1", NULL, "%1$s:3: 192.0.2. ; test net\n"
		    "%1$s:4: 192.0.2.1\n%1$s:5: Connect:192.0.2.1 OK\n" },
		{ "192.0.2.2", NULL, "%1$s:3: 192.0.2. ; test net\n" },
		{ "2001:db8:1::1", NULL, "%1$s:6: 2001:db8::/32\n" },
		{ "198.51.100.1", "mail.example.com",
		    "%1$s:7: Connect:example.com OK\n" },
		{ "198.51.100.1", "example.org", "" },
		{ "198.51.100.1", NULL, "" },
		{ "::1", NULL, "" },
	};
	char path[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "explained"));

	(void)state;
	write_text(path, "\xef\xbb\xbf# 192.0.2.1\n\n192.0.2. ; test net\n"
	    "192.0.2.1\nConnect:192.0.2.1 OK\n2001:db8::/32\n"
	    "Connect:example.com OK\nFrom:192.0.2.1 REJECT\n"
	    "Connect:192.0.2.3 REJECT\n");
	assert_int_equal(iplist_load(l), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got, want[600];
		struct addr addr;
		size_t size;
		FILE *out = open_memstream(&got, &size);

		assert_int_equal(addr_parse(&addr, rows[i].client), 0);
		iplist_explain(l, out, &addr, rows[i].host);
		fclose(out);
		snprintf(want, sizeof want, rows[i].want, path);
		CHECK(strcmp(got, want) == 0, "%s: got\n%swant\n%s",
		    rows[i].client, got, want);
		free(got);
	}
	iplist_free(l);
}

/* A list comes from strangers: its line is shown as text and nothing else. */
static void
test_explain_is_text(void **state)
{
	static const char *const lines[] = {
		"192.0.2.1\r\n", "192.0.2.1 # \x1b[2J\n",
		"192.0.2.1 # caf\xc3\xa9\n",
	};
	char path[SCRATCH_PATH_MAX];

	(void)state;
	scratch_path(path, "odd");
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct iplist *l = new_list(IPLIST_LISTED, path);
		struct addr addr;
		size_t size;
		char *got;
		FILE *out = open_memstream(&got, &size);

		write_text(path, lines[i]);
		assert_int_equal(iplist_load(l), 0);
		assert_int_equal(addr_parse(&addr, "192.0.2.1"), 0);
		iplist_explain(l, out, &addr, NULL);
		fclose(out);
		assert_non_null(strstr(got, ":1: 192.0.2.1"));
		assert_int_equal(got[size - 1], '\n');
		for (size_t n = 0; n < size - 1; n++)
			CHECK(got[n] >= ' ' && got[n] <= '~',
			    "row %zu: byte %02x", i, (unsigned char)got[n]);
		free(got);
		iplist_free(l);
	}
}

static char *
stats(struct iplist *l)
{
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	iplist_stats(out, l);
	fclose(out);
	return text;
}

static void
test_stats(void **state)
{
	static const struct {
		const char *name;
		int file, value;
	} rows[] = {
		{ "entries", 0, 3 }, { "entries", 1, 1 },
		{ "ignored_lines", 0, 2 }, { "ignored_lines", 1, 0 },
		{ "bad_lines", 0, 1 }, { "bad_lines", 1, 0 },
	};
	char path[SCRATCH_PATH_MAX], other[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "counted"));
	char *got = stats(l), want[300];

	(void)state;
	assert_non_null(strstr(got, "milter_list_bytes 0\n"));
	free(got);
	assert_int_equal(iplist_add_file(l, IPLIST_WHITE,
	    scratch_path(other, "counted-white")), 0);
	iplist_lenient(l);
	write_text(path, "192.0.2.1\n192.0.2.2\nConnect:192.0.2.3 OK\n"
	    "From:x REJECT\nConnect:192.0.2.4 SKIP\nbad\n# x\n\n");
	write_text(other, ".example.com\n");
	assert_int_equal(iplist_load(l), 0);
	got = stats(l);
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(want, sizeof want, "milter_list_%s{list=\"%s\"} %d\n",
		    rows[i].name, rows[i].file == 0 ? path : other,
		    rows[i].value);
		CHECK(strstr(got, want) != NULL, "\"%s\" is not in\n%s", want,
		    got);
	}
	assert_null(strstr(got, "milter_list_bytes 0\n"));
	free(got);
	iplist_free(l);
}

/* A scraper refuses the whole text if two values have one name and labels. */
static void
test_stats_of_two_roles(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct iplist *l = new_list(IPLIST_LISTED,
	    scratch_path(path, "twice"));
	char *got, *line[40], *rest;
	size_t lines = 0;

	(void)state;
	write_text(path, "Connect:192.0.2.1 OK\nConnect:192.0.2 REJECT\n");
	assert_int_equal(iplist_add_file(l, IPLIST_WHITE, path), 0);
	assert_int_equal(iplist_load(l), 0);
	rest = got = stats(l);
	while (lines < COUNT(line) &&
	    (line[lines] = strsep(&rest, "\n")) != NULL)
		if (line[lines][0] != '#' && line[lines][0] != '\0')
			*strrchr(line[lines++], ' ') = '\0';
	assert_true(lines >= 4);
	for (size_t i = 0; i < lines; i++)
		for (size_t n = 0; n < i; n++)
			CHECK(strcmp(line[i], line[n]) != 0, "%s is there "
			    "twice", line[i]);
	free(got);
	iplist_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_two_roles),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_most_files),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_has_domains),
		cmocka_unit_test(test_faults_at_first),
		cmocka_unit_test(test_faults_at_reload),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(bug_whitelist_never_cleared),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_disappears),
		cmocka_unit_test(test_changed_behind_a_fault),
		cmocka_unit_test(test_changes_while_read),
		cmocka_unit_test(test_reload_under_load),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_explain_is_text),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_stats_of_two_roles),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
