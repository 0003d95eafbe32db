/*
 * t_commands - each control command of blackmilter with good and bad words: the
 * answer, the log, and who is never listed whatever is said.
 */
#include <ctype.h>
#include <stdbool.h>
#include <time.h>

#include "command.h"
#include "reply.h"

static struct judge court = { .action = ACTION_REJECT };
static char white[SCRATCH_PATH_MAX], black[SCRATCH_PATH_MAX];

/* A text with the path of a list where it says %s. */
static const char *
with_path(const char *text, const char *path)
{
	static char out[400];
	const char *at = strstr(text, "%s");

	if (at == NULL)
		return text;
	snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, path,
	    at + 2);
	return out;
}

static void
new_lists(void)
{
	static const char white_text[] = "192.0.2.1\n2001:db8:1::/64\n"
	    ".example.com\n";
	static const char black_text[] = "192.0.2.0/24\n"
	    "Connect:192.0.2.3 OK\n";

	court.lists = iplist_new();
	assert_non_null(court.lists);
	scratch_write(scratch_path(white, "white"), white_text,
	    sizeof white_text - 1);
	scratch_write(scratch_path(black, "black"), black_text,
	    sizeof black_text - 1);
	assert_int_equal(iplist_add_file(court.lists, IPLIST_WHITE, white), 0);
	assert_int_equal(iplist_add_file(court.lists, IPLIST_LISTED, black),
	    0);
	assert_int_equal(iplist_load(court.lists), 0);
}

/* An empty one; none can be freed, so all are kept. */
static void
new_shortlist(long threshold)
{
	static struct shortlist *kept[50];
	static size_t count;

	assert_true(count < COUNT(kept));
	court.shortlist = kept[count++] = shortlist_new(threshold);
	assert_non_null(court.shortlist);
}

/* --- the table itself */

static void
test_table(void **state)
{
	(void)state;
	for (const struct control_command *c = commands; c->name != NULL;
	    c++) {
		int words = 0, optional = 0;

		for (const char *p = c->words; *p != '\0'; p++) {
			words += *p != ' ' && (p == c->words || p[-1] == ' ');
			optional += *p == '[';
		}
		CHECK(c->min == words - optional && c->max == words,
		    "%s: %d to %d words, \"%s\"", c->name, c->min, c->max,
		    c->words);
		CHECK(c->max <= CONTROL_ARGS_MAX, "%s", c->name);
		CHECK(c->run != NULL && c->help[0] != '\0' &&
		    strchr(c->help, '\n') == NULL, "%s", c->name);
		CHECK(find_command(c->name) == c, "%s is there twice",
		    c->name);
	}
}

/* --- one command after the other */

static const struct {
	const char *command;
	const char *error;	/* NULL: it works */
	const char *out;
	const char *log;	/* NULL: none */
} said[] = {
	{ "list", NULL, "", NULL },
	{ "flush", NULL, "forgot 0\n",
	    "flushed the short-term list entries=0\n" },
	/* By hand. */
	{ "blacklist 203.0.113.1", NULL, "",
	    "blacklisted client=203.0.113.1 list=blacklist\n" },
	{ "list", NULL, "203.0.113.1 black - blacklist\n", NULL },
	{ "test 203.0.113.1", NULL, "verdict=reject by=shortlist "
	    "list=shortlist reason=blacklist client=203.0.113.1\n",
	    NULL },
	{ "blacklist 203.0.113.1 dialup", NULL, "",
	    "blacklisted client=203.0.113.1 list=dialup\n" },
	{ "list", NULL, "203.0.113.1 black - dialup\n", NULL },
	{ "report 203.0.113.1 60 spam", NULL, "",
	    "reported client=203.0.113.1 " },
	{ "list", NULL, "203.0.113.1 black - dialup\n", NULL },
	{ "forget 203.0.113.1", NULL, "",
	    "forgot client=203.0.113.1\n" },
	{ "forget 203.0.113.1", "not on the list", "", NULL },
	{ "test 203.0.113.1", NULL,
	    "verdict=pass by=nothing client=203.0.113.1\n", NULL },
	{ "blacklist ::ffff:203.0.113.2 a list of ours", NULL, "",
	    "blacklisted client=203.0.113.2 " },
	{ "list", NULL, "203.0.113.2 black - a list of ours\n", NULL },
	{ "flush", NULL, "forgot 1\n",
	    "flushed the short-term list entries=1\n" },
	/* IPv6: the customer's /64. */
	{ "blacklist 2001:db8::1 v6", NULL, "",
	    "blacklisted client=2001:db8::1 list=v6\n" },
	{ "list", NULL, "2001:db8::/64 black - v6\n", NULL },
	{ "test 2001:db8::2", NULL, "verdict=reject by=shortlist "
	    "list=shortlist reason=v6 client=2001:db8::2\n", NULL },
	{ "forget 2001:db8::3", NULL, "",
	    "forgot client=2001:db8::3\n" },
	/* Whitelisted: never listed, whoever says so. */
	{ "blacklist 192.0.2.1", "whitelisted in %s, not listed", "",
	    NULL },
	{ "report 192.0.2.1 60 spam", "whitelisted in %s, not listed",
	    "", NULL },
	{ "report ::ffff:192.0.2.1 60 spam",
	    "whitelisted in %s, not listed", "", NULL },
	{ "report 2001:db8:1::5 60 spam",
	    "whitelisted in %s, not listed", "", NULL },
	{ "report 192.0.2.3 60 spam", "whitelisted in ", "", NULL },
	{ "list", NULL, "", NULL },
	{ "whitelist 203.0.113.9", NULL, "",
	    "whitelisted client=203.0.113.9 list=whitelist\n" },
	{ "test 203.0.113.9", NULL, "verdict=pass by=whitelist "
	    "list=shortlist reason=whitelist client=203.0.113.9\n",
	    NULL },
	{ "blacklist 203.0.113.9", "whitelisted, not listed", "",
	    NULL },
	{ "report 203.0.113.9 60 spam", "whitelisted, not listed", "",
	    NULL },
	{ "list", NULL, "203.0.113.9 white - whitelist\n", NULL },
	{ "whitelist 203.0.113.9 friends", NULL, "",
	    "whitelisted client=203.0.113.9 list=friends\n" },
	{ "list", NULL, "203.0.113.9 white - friends\n", NULL },
	{ "forget 203.0.113.9", NULL, "",
	    "forgot client=203.0.113.9\n" },
	{ "blacklist 203.0.113.9", NULL, "", "blacklisted " },
	{ "whitelist 203.0.113.9", NULL, "", "whitelisted " },
	{ "flush", NULL, "forgot 1\n", "flushed " },
	/* A client on a list file can be exempted for a while. */
	{ "test 192.0.2.2", NULL, "verdict=reject by=blacklist "
	    "list=%s client=192.0.2.2\n", NULL },
	{ "whitelist 192.0.2.2", NULL, "", "whitelisted " },
	{ "test 192.0.2.2", NULL, "verdict=pass by=whitelist "
	    "list=shortlist reason=whitelist client=192.0.2.2\n",
	    NULL },
	{ "forget 192.0.2.2", NULL, "", "forgot " },
	/* Loopback. */
	{ "blacklist 127.0.0.1", "loopback is never listed", "",
	    NULL },
	{ "blacklist 127.255.0.9", "loopback is never listed", "",
	    NULL },
	{ "blacklist ::1", "loopback is never listed", "", NULL },
	{ "blacklist ::ffff:127.0.0.1", "loopback is never listed", "",
	    NULL },
	{ "report 127.0.0.1 60 spam", "loopback is never listed", "",
	    NULL },
	{ "report ::1 60 spam", "loopback is never listed", "", NULL },
	{ "test 127.0.0.1", NULL,
	    "verdict=pass by=loopback client=127.0.0.1\n", NULL },
	{ "test ::1", NULL, "verdict=pass by=loopback client=::1\n",
	    NULL },
	/* With a name. */
	{ "test 192.0.2.2 mx.example.com", NULL, "verdict=pass "
	    "by=whitelist list=%s client=192.0.2.2\n", NULL },
	{ "test 192.0.2.2 mx.example.org", NULL, "verdict=reject "
	    "by=blacklist list=%s client=192.0.2.2\n", NULL },
	{ "test 192.0.2.2 mx.example.com b", NULL, "verdict=reject "
	    "by=blacklist list=%s client=192.0.2.2\n", NULL },
	{ "list", NULL, "", NULL },
};

static void
test_commands(void **state)
{
	(void)state;
	new_shortlist(1);
	for (size_t i = 0; i < COUNT(said); i++) {
		const char *path = strstr(said[i].out, "by=blacklist") != NULL ?
		    black : white;
		const char *want;

		run(said[i].command);
		CHECK((got.result == 0) == (said[i].error == NULL), "%s: %s",
		    said[i].command, got.error);
		if (said[i].error != NULL) {
			want = with_path(said[i].error, path);
			CHECK(strncmp(got.error, want, strlen(want)) == 0,
			    "%s: %s", said[i].command, got.error);
		}
		CHECK(strcmp(got.out, with_path(said[i].out, path)) == 0,
		    "%s: got \"%s\"", said[i].command, got.out);
		CHECK(said[i].log == NULL ? got.log[0] == '\0' :
		    strstr(got.log, said[i].log) != NULL, "%s: logged \"%s\"",
		    said[i].command, got.log);
	}
}

static void
test_bad_addresses(void **state)
{
	static const char *const names[] = { "blacklist", "whitelist",
	    "forget", "test", "report" };
	static const char *const addresses[] = {
		"", "x", "example.com", "203.0.113.256", "203.0.113", "203",
		"203.0.113.0/24", "2001:db8::/64", "010.0.0.1", "0x7f.1",
		"[::1]", "::1%lo", "2001::db8::1", "203.0.113.1;", "*", "%s",
		"203.0.113.1\n", "\x1b[2J", "203.0.113.1\r",
	};
	char line[100], other[900];

	(void)state;
	new_shortlist(1);
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *rest = strcmp(names[i], "report") == 0 ?
		    " 60 x" : "";

		for (size_t n = 0; n < COUNT(addresses); n++) {
			snprintf(line, sizeof line, "%s %s%s", names[i],
			    addresses[n], rest);
			run(line);
			CHECK(got.result == -1 && strncmp(got.error,
			    "not an IP address", 17) == 0, "%s: %s", line,
			    got.error);
			CHECK(got.out[0] == '\0' && got.log[0] == '\0', "%s",
			    line);
		}
		snprintf(other, sizeof other, "%s %0700d%s", names[i], 1,
		    rest);
		run(other);
		assert_int_equal(got.result, -1);
	}
	run("list");
	assert_string_equal(got.out, "");
}

static void
test_seconds(void **state)
{
	static const struct {
		const char *seconds;
		long listed;		/* 0: refused */
	} rows[] = {
		{ "1", 1 }, { "60", 60 }, { "604800", 604800 },
		{ "060", 60 }, { "604801", 0 }, { "0", 0 }, { "-1", 0 },
		{ "+60", 0 }, { "60s", 0 }, { "1h", 0 }, { "0x3c", 0 },
		{ "6e1", 0 }, { "60.0", 0 }, { "sixty", 0 }, { "", 0 },
		{ "99999999999999999999", 0 }, { "4294967356", 0 },
		{ "18446744073709551676", 0 }, { "\t60", 0 }, { "60\t", 0 },
	};
	char line[100], want[100];

	(void)state;
	assert_int_equal(ENTRY_LONGEST, 604800);
	for (size_t i = 0; i < COUNT(rows); i++) {
		new_shortlist(1);
		snprintf(line, sizeof line, "report 203.0.113.1 %s spam",
		    rows[i].seconds);
		run(line);
		CHECK((got.result == 0) == (rows[i].listed > 0), "%s: %s",
		    line, got.error);
		if (rows[i].listed == 0) {
			CHECK(strstr(got.error, "seconds are a number from 1 "
			    "to 604800") != NULL, "%s: %s", line, got.error);
			run("list");
			CHECK(got.out[0] == '\0', "%s", line);
			continue;
		}
		snprintf(want, sizeof want, "reported client=203.0.113.1 "
		    "reports=1 listed=%ld reason=spam\n", rows[i].listed);
		CHECK(strstr(got.log, want) != NULL, "%s: %s", line, got.log);
	}
}

/* A list of one report: the seconds left, checked to be about these. */
static void
check_left(long want, const char *rest)
{
	static const char begin[] = "203.0.113.1 report ";
	char *end;
	long left;

	run("list");
	assert_int_equal(strncmp(got.out, begin, strlen(begin)), 0);
	left = strtol(got.out + strlen(begin), &end, 10);
	CHECK(left <= want && (left > want - 30 || left == 0),
	    "%ld left, want %ld", left, want);
	assert_string_equal(end, rest);
}

static void
test_report(void **state)
{
	(void)state;
	new_shortlist(2);
	run("report 203.0.113.1 600 sent a virus");
	assert_int_equal(got.result, 0);
	assert_non_null(strstr(got.log, "reports=1 listed=0 "));
	check_left(0, " sent a virus\n");
	run("test 203.0.113.1");
	assert_string_equal(got.out,
	    "verdict=pass by=nothing client=203.0.113.1\n");
	run("report 203.0.113.1 600 another");
	assert_non_null(strstr(got.log, "reports=2 listed=600 "));
	check_left(600, " another\n");
	run("test 203.0.113.1");
	assert_string_equal(got.out, "verdict=reject by=shortlist "
	    "list=shortlist reason=another client=203.0.113.1\n");
	run("report 203.0.113.1 600 again");
	assert_non_null(strstr(got.log, "reports=3 listed=1200 "));
	check_left(1200, " again\n");
}

/* One printable line; nobody writes keys of their own into the log. */
static void
check_log_line(const char *line, const char *last_key)
{
	const char *value = strstr(got.log, last_key);

	CHECK(value != NULL && scratch_lines(got.log) == 1, "%s: \"%s\"", line,
	    got.log);
	for (const char *p = got.log; *p != '\n'; p++)
		CHECK(*p >= ' ' && *p <= '~', "%s: byte %02x", line,
		    (unsigned char)*p);
	CHECK(strchr(value, ' ') == NULL, "%s: \"%s\"", line, got.log);
}

/*
 * A25, A11: words from the socket are text and nothing else, even those that
 * control.c lets nobody send.
 */
static void
test_separators(void **state)
{
	static const struct {
		const char *command, *last_key, *shown;
	} rows[] = {
		{ "report 203.0.113.1 60 spam client=192.0.2.9", "reason=",
		    "spam client=192.0.2.9" },
		{ "report 203.0.113.1 60 spam\nok", "reason=", "spam?ok" },
		{ "report 203.0.113.1 60 a\rb\x1b[2J\x7f\xff", "reason=",
		    "a?b?[2J??" },
		{ "report 203.0.113.1 60 %s%n%d", "reason=", "%s%n%d" },
		{ "blacklist 203.0.113.1 x verdict=none", "list=",
		    "x verdict=none" },
		{ "blacklist 203.0.113.1 a\nerror b", "list=", "a?error b" },
		{ "whitelist 203.0.113.1 x\ty z", "list=", "x?y z" },
	};
	char want[200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		new_shortlist(1);
		run(rows[i].command);
		assert_int_equal(got.result, 0);
		check_log_line(rows[i].command, rows[i].last_key);
		run("list");
		snprintf(want, sizeof want, " %s\n", rows[i].shown);
		CHECK(strstr(got.out, want) != NULL &&
		    scratch_lines(got.out) == 1, "%s: \"%s\"",
		    rows[i].command, got.out);
		run("test 203.0.113.1");
		CHECK(scratch_lines(got.out) == 1, "%s: \"%s\"",
		    rows[i].command, got.out);
		CHECK(strstr(got.out, " client=203.0.113.1\n") != NULL &&
		    strstr(got.out, " client=192") == NULL, "%s: \"%s\"",
		    rows[i].command, got.out);
	}
}

static void
test_long_reason(void **state)
{
	char line[CONTROL_LINE_MAX + 1];
	int n = snprintf(line, sizeof line, "report 203.0.113.1 60 ");

	(void)state;
	new_shortlist(1);
	memset(line + n, 'r', sizeof line - 1 - (size_t)n);
	line[sizeof line - 1] = '\0';
	run(line);
	assert_int_equal(got.result, 0);
	assert_int_equal(scratch_lines(got.log), 1);
	run("list");
	assert_int_equal(strlen(strrchr(got.out, ' ')), ENTRY_REASON_MAX + 1);
}

static void
test_action(void **state)
{
	static const struct {
		enum action action;
		const char *want;
	} rows[] = {
		{ ACTION_REJECT, "reject" }, { ACTION_TEMPFAIL, "tempfail" },
		{ ACTION_QUARANTINE, "quarantine" },
		{ ACTION_DISCARD, "discard" }, { ACTION_MARK, "mark" },
		{ ACTION_NONE, "none" },
	};
	char want[40];

	(void)state;
	new_shortlist(1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		court.action = (int)rows[i].action;
		run("test 192.0.2.2");
		snprintf(want, sizeof want, "verdict=%s by=blacklist ",
		    rows[i].want);
		CHECK(strncmp(got.out, want, strlen(want)) == 0, "\"%s\"",
		    got.out);
	}
	court.action = ACTION_REJECT;
}

/* What -why asks, and what it exits with. */
static void
test_explain(void **state)
{
	static const struct {
		const char *address, *host;
		int want;
	} rows[] = {
		{ "203.0.113.1", NULL, 0 }, { "192.0.2.2", NULL, 1 },
		{ "192.0.2.1", NULL, 0 }, { "127.0.0.1", NULL, 0 },
		{ "192.0.2.2", "a.example.com", 0 },
		{ "192.0.2.2", "a.example.org", 1 },
		{ "192.0.2", NULL, -1 }, { "", NULL, -1 },
	};
	char text[OUT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		FILE *out = fmemopen(text, sizeof text, "w");
		int result = commands_explain(&court, out, rows[i].address,
		    rows[i].host);

		fputc('\0', out);
		fclose(out);
		CHECK(result == rows[i].want, "%s: %d", rows[i].address,
		    result);
		CHECK(scratch_lines(text) == (result != -1), "%s: \"%s\"",
		    rows[i].address, text);
	}
}

static void
test_full(void **state)
{
	const char *valgrind = getenv("VALGRIND");
	struct addr a;

	(void)state;
	if (valgrind != NULL && valgrind[0] != '\0')
		return;			/* it would take a minute */
	new_shortlist(1);
	assert_int_equal(addr_parse(&a, "10.0.0.0"), 0);
	for (unsigned i = 0; i < SHORTLIST_MAX; i++) {
		a.byte[15] = (unsigned char)(i >> 16);
		a.byte[12] = (unsigned char)(i >> 8);
		a.byte[13] = (unsigned char)i;
		assert_int_equal(shortlist_set(court.shortlist, &a,
		    ENTRY_BLACK, "x"), SHORTLIST_DONE);
	}
	run("blacklist 203.0.113.250");
	assert_int_equal(got.result, -1);
	assert_string_equal(got.error, "the list is full (250000 entries)");
	run("report 203.0.113.250 60 x");
	assert_int_equal(got.result, -1);
	run("flush");
	assert_string_equal(got.out, "forgot 250000\n");
	run("blacklist 203.0.113.250");
	assert_int_equal(got.result, 0);
}

static void
test_closed(void **state)
{
	static const char *const lines[] = { "blacklist 203.0.113.1",
	    "whitelist 203.0.113.1", "report 203.0.113.1 60 x",
	    "forget 203.0.113.1" };

	(void)state;
	new_shortlist(1);
	run("blacklist 203.0.113.2");
	shortlist_close(court.shortlist);
	for (size_t i = 0; i < COUNT(lines); i++) {
		run(lines[i]);
		CHECK(got.result == -1 && strcmp(got.error,
		    "the daemon is stopping") == 0, "%s: %s", lines[i],
		    got.error);
	}
	run("list");
	assert_string_equal(got.out, "203.0.113.2 black - blacklist\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_separators),
		cmocka_unit_test(test_long_reason),
		cmocka_unit_test(test_action),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_closed),
	};
	int status;

	scratch_begin();
	new_lists();
	status = RUN(tests);
	iplist_free(court.lists);
	return scratch_end(status);
}
