/*
 * t_options - command lines against a table.  Each is parsed in a process of
 * its own: getopt remembers, and a mistake exits.
 */
#include <limits.h>
#include <sysexits.h>

#include "child.h"
#include "daemon.h"
#include "options.h"
#include "reply.h"

#define WORDS_MAX	(2 * OPTIONS_LIST_MAX + 8)

static struct child child;
static struct daemon d;
static struct options_list blacklists, whitelists, shadows;
static const char *message, *directory = "/var/lib/x";
static int action, at = 1, all_lists, lenient, whole;
static long threshold = 7, mode = 0640, delay = 300, level = 1, big = 1;

/*
 * The rows of blackmilter that the original's command lines use, some that
 * begin like them, and one of each kind.
 */
static const struct options_row table[] = {
	{ "blacklist", 'b', OPTIONS_LIST, &blacklists, 0, 0, "file", "HB" },
	{ "whitelist", 'w', OPTIONS_LIST, &whitelists, 0, 0, "file", "HW" },
	{ "shadow", 0, OPTIONS_LIST, &shadows, 0, 0, "file", "HS" },
	{ "lenient", 0, OPTIONS_FLAG, &lenient, 0, 0, NULL, "HLE" },
	{ "action", 0, OPTIONS_CHOICE, &action, 0, 0, ACTION_WORDS, "HA" },
	{ "markonly", 'm', OPTIONS_SET, &action, ACTION_MARK, 0, NULL, "HM" },
	{ "graylist", 'g', OPTIONS_SET, &action, ACTION_TEMPFAIL, 0, NULL,
	    "HG" },
	{ "greylist", 0, OPTIONS_SET, &action, ACTION_TEMPFAIL, 0, NULL,
	    "HGR" },
	{ "at", 0, OPTIONS_CHOICE, &at, 0, 0, "connect|helo|mail", "HAT" },
	{ "rejectmessage", 'r', OPTIONS_STRING, &message, 0, 0, "text", "HR" },
	{ "loglistname", 'l', OPTIONS_FLAG, &all_lists, 0, 0, NULL, "HL" },
	{ "log", 0, OPTIONS_FLAG, &whole, 0, 0, NULL, "HLO" },
	{ "db", 0, OPTIONS_STRING, &directory, 0, 0, "directory", "HD" },
	{ "reportthreshold", 0, OPTIONS_NUMBER, &threshold, 1, 1000, "n",
	    "HT" },
	{ "mode", 0, OPTIONS_OCTAL, &mode, 0100, 0777, "octal", "HMO" },
	{ "delay", 0, OPTIONS_TIME, &delay, 60, 86400, "time", "HDE" },
	{ "level", 0, OPTIONS_NUMBER, &level, 0, 9, "n", "HLV" },
	{ "biggest", 0, OPTIONS_NUMBER, &big, 0, LONG_MAX, "n", "HBI" },
	{ "biggesttime", 0, OPTIONS_TIME, &big, 0, LONG_MAX, "time", "HBT" },
	DAEMON_OPTIONS(d),
	{ .name = NULL }
};

static void
print_list(const char *name, const struct options_list *list)
{
	for (int i = 0; i < list->count; i++)
		printf("%s=%s ", name, list->item[i]);
}

static void
print_number(const char *name, long n, long unchanged)
{
	if (n != unchanged)
		printf("%s=%ld ", name, n);
}

static void
print_string(const char *name, const char *text, const char *unchanged)
{
	if (text != unchanged)
		printf("%s=%s ", name, text);
}

/* What is not as it was at the start, and behind a bar what is no option. */
static void
print_targets(int argc, char **argv, int first)
{
	print_list("b", &blacklists);
	print_list("w", &whitelists);
	print_list("s", &shadows);
	print_number("action", action, 0);
	print_number("at", at, 1);
	print_number("all", all_lists, 0);
	print_number("lenient", lenient, 0);
	print_number("whole", whole, 0);
	print_number("threshold", threshold, 7);
	print_number("mode", mode, 0640);
	print_number("delay", delay, 300);
	print_number("level", level, 1);
	print_number("big", big, 1);
	print_number("auto", d.autoupdate, 0);
	print_number("X", d.nodaemon, 0);
	print_number("debug", d.debug, 0);
	print_number("help", d.help, 0);
	print_number("version", d.version, 0);
	print_string("message", message, NULL);
	print_string("db", directory, "/var/lib/x");
	print_string("user", d.user, NULL);
	print_string("pidfile", d.pidfile, NULL);
	printf("|");
	for (; first < argc; first++)
		printf(" %s", argv[first]);
}

/* Words are separated by one blank each; two blanks make an empty word. */
static int
parse(void *line)
{
	char *argv[WORDS_MAX + 2] = { (char *)"program" }, *copy, *rest;
	int argc = 1, first;

	if ((copy = rest = strdup(line)) == NULL)
		return 1;
	while (rest != NULL && argc <= WORDS_MAX)
		argv[argc++] = strsep(&rest, " ");
	first = options_parse(table, argc, argv);
	print_targets(argc, argv, first);
	free(copy);
	return 0;
}

struct good {
	const char *line, *want;
};

static void
check_good(const struct good *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		child_run(&child, parse, (void *)row[i].line);
		CHECK(child.status == EX_OK, "%s: status %d %s", row[i].line,
		    child.status, child.err);
		CHECK(strcmp(child.out, row[i].want) == 0, "%s: %s",
		    row[i].line, child.out);
		CHECK(child.err[0] == '\0', "%s: %s", row[i].line, child.err);
	}
}

static void
command_lines_of_the_original(void **state)
{
	static const struct good lines[] = {
		{ "-a -b FILE -w FILE -m -l -r MSG -X unix:/s",
		    "b=FILE w=FILE action=4 all=1 auto=1 X=1 message=MSG "
		    "| unix:/s" },
		{ "-a -b FILE -w FILE -g -l -r MSG -X unix:/s",
		    "b=FILE w=FILE action=1 all=1 auto=1 X=1 message=MSG "
		    "| unix:/s" },
		{ "-autoupdate -blacklist A -whitelist B -graylist "
		    "-loglistname -rejectmessage M -pidfile P -user U "
		    "-nodaemon /s",
		    "b=A w=B action=1 all=1 auto=1 X=1 message=M user=U "
		    "pidfile=P | /s" },
		{ "--autoupdate --blacklist=A --whitelist B --markonly --X /s",
		    "b=A w=B action=4 auto=1 X=1 | /s" },
		/* Each prefix is the letter's owner's, whoever begins so. */
		{ "-au /s", "auto=1 | /s" },
		{ "-autoupdat /s", "auto=1 | /s" },
		{ "-bl A -blac B -blacklis C", "b=A b=B b=C |" },
		{ "-gr", "action=1 |" },
		{ "-gra -graylis", "action=1 |" },
		{ "-r M", "message=M |" },
		{ "-re M", "message=M |" },
		{ "-rej M", "message=M |" },
		{ "-mar", "action=4 |" },
		{ "-l -lo -logl -loglistnam", "all=1 |" },
		{ "-w A -wh B -white C", "w=A w=B w=C |" },
		{ "-d", "debug=1 |" },
		{ "-h", "help=1 |" },
		{ "-p P -u U", "user=U pidfile=P |" },
	};

	(void)state;
	check_good(lines, COUNT(lines));
}

static void
ways_to_write_an_option(void **state)
{
	static const struct good lines[] = {
		{ "/s", "| /s" },
		{ "-level 5", "level=5 |" },
		{ "--level 5", "level=5 |" },
		{ "-level=5", "level=5 |" },
		{ "--level=5", "level=5 |" },
		{ "-lev 5 -leni", "lenient=1 level=5 |" },
		{ "-rep 5 -v", "threshold=5 version=1 |" },
		{ "-b=A --b=B --b C", "b=A b=B b=C |" },
		/* A value may look like anything. */
		{ "-r -X", "message=-X |" },
		{ "-r -- -X", "X=1 message=-- |" },
		{ "-r=a=b", "message=a=b |" },
		{ "-db a|b", "db=a|b |" },
		/* A name stands before a longer one that begins like it. */
		{ "-at mail -a", "at=2 auto=1 |" },
		{ "-mode 700 -m", "action=4 mode=448 |" },
		{ "-log", "whole=1 |" },
		{ "-biggest 5", "big=5 |" },
		/* What is no option is moved to the end, in its order. */
		{ "one -X two -level 5 three", "level=5 X=1 | one two three" },
		{ "-X -- -level one", "X=1 | -level one" },
		{ "one -- -X", "| one -X" },
		{ "- -X", "X=1 | -" },
		/* The last one counts, unless it is a choice. */
		{ "-level 5 -level 6", "level=6 |" },
		{ "-r A -r B", "message=B |" },
		{ "-X -X", "X=1 |" },
	};

	(void)state;
	check_good(lines, COUNT(lines));
}

static void
values_of_each_kind(void **state)
{
	static const struct good lines[] = {
		{ "-level 0", "level=0 |" },
		{ "-level 9", "level=9 |" },
		{ "-level 009", "level=9 |" },
		{ "-reportthreshold 1", "threshold=1 |" },
		{ "-reportthreshold 1000", "threshold=1000 |" },
		{ "-mode 777", "mode=511 |" },
		{ "-mode 0100", "mode=64 |" },
		{ "-socketmode 0", "|" },
		{ "-delay 90", "delay=90 |" },
		{ "-delay 90s", "delay=90 |" },
		{ "-delay 15m", "delay=900 |" },
		{ "-delay 4h", "delay=14400 |" },
		{ "-delay 1d", "delay=86400 |" },
		{ "-delay 86400s", "delay=86400 |" },
		{ "-delay 1m", "delay=60 |" },
		{ "-action reject", "|" },
		{ "-action tempfail", "action=1 |" },
		{ "-action quarantine", "action=2 |" },
		{ "-action discard", "action=3 |" },
		{ "-action mark", "action=4 |" },
		{ "-action none", "action=5 |" },
		/* To say the same twice is no contradiction. */
		{ "-action mark -markonly", "action=4 |" },
		{ "-markonly -action mark -m", "action=4 |" },
		{ "-graylist -greylist -action tempfail", "action=1 |" },
		{ "-at connect -action mark -at connect", "action=4 at=0 |" },
#if LONG_MAX == 9223372036854775807
		{ "-biggest 9223372036854775807", "big=9223372036854775807 |" },
		{ "-biggesttime 106751991167300d",
		    "big=9223372036854720000 |" },
#endif
	};

	(void)state;
	check_good(lines, COUNT(lines));
}

/* Each ends the program with one line that names what is wrong. */
static void
mistakes(void **state)
{
	static const struct {
		const char *line, *named;
	} lines[] = {
		{ "-nosuch", "-nosuch" },
		{ "--nosuch", "--nosuch" },
		{ "-nosuch=5", "-nosuch" },
		{ "-X -nosuch /s", "-nosuch" },
		{ "/s -nosuch", "-nosuch" },
		{ "-y", "-y" },
		{ "-5", "-5" },
		{ "-:", "-:" },
		{ "-:x", "-:" },
		{ "-X -?", "-?" },
		{ "-nosuch\nerror: x", "-nosuch?error:" },
		/* These begin more than one name, and nobody owns them. */
		{ "-big 5", "-big" },
		{ "-s A", "-s" },
		{ "-le 5", "-le" },
		/* More than the name. */
		{ "-levels 5", "-levels" },
		{ "-Xx", "-Xx" },
		{ "-blacklist", "-blacklist" },
		{ "-X -b", "-b" },
		{ "-level", "-level" },
		{ "-user", "-user" },
		{ "-X=1", "-X" },
		{ "-X=", "-X" },
		{ "-markonly=1", "-markonly" },
		{ "-level 10", "level: 10" },
		{ "-level -1", "level: -1" },
		{ "-level +1", "level: +1" },
		{ "-level 5x", "level: 5x" },
		{ "-level x", "level: x" },
		{ "-level 0x5", "level: 0x5" },
		{ "-level 5.0", "level: 5.0" },
		{ "-level 5s", "level: 5s" },
		{ "-level 5\n", "level: 5?" },
		{ "-level ", "level" },
		{ "-level=", "level" },
		{ "-biggest 9223372036854775808", "9223372036854775808" },
		{ "-biggest 99999999999999999999999", "biggest" },
		{ "-reportthreshold 0", "reportthreshold: 0" },
		{ "-reportthreshold 1001", "reportthreshold: 1001" },
		{ "-mode 77", "mode: 77" },
		{ "-mode 1000", "mode: 1000" },
		{ "-mode 8", "mode: 8" },
		{ "-mode 0o700", "mode: 0o700" },
		{ "-mode ", "mode" },
		{ "-socketmode 01000", "socketmode: 01000" },
		{ "-delay 59", "delay: 59" },
		{ "-delay 0d", "delay: 0d" },
		{ "-delay 2d", "delay: 2d" },
		{ "-delay 86401", "delay: 86401" },
		{ "-delay 15M", "delay: 15M" },
		{ "-delay 15mm", "delay: 15mm" },
		{ "-delay 1h30m", "delay: 1h30m" },
		{ "-delay m", "delay: m" },
		{ "-delay 1w", "delay: 1w" },
		{ "-delay ", "delay" },
		{ "-biggesttime 106751991167301d", "106751991167301d" },
		{ "-biggesttime 9223372036854775807m", "775807m" },
		/* 104 seconds, and 64 bits that are lost. */
		{ "-delay 307445734561825862m", "5862m" },
		{ "-action burn", "action: burn" },
		{ "-action mar", "action: mar" },
		{ "-action marks", "action: marks" },
		{ "-action MARK", "action: MARK" },
		{ "-action mark|none", "action: mark|none" },
		{ "-action |", "action: |" },
		{ "-action ", "action" },
		{ "-action mark -action none", "action" },
		{ "-a -g -w F -m /s", "markonly" },
		{ "-m -g", "graylist" },
		{ "-action reject -g", "graylist" },
		{ "-g -action reject", "action" },
		{ "-at mail -at helo", "at" },
		{ "-blacklist ", "blacklist" },
		{ "-b=", "blacklist" },
		{ "-rejectmessage ", "rejectmessage" },
		{ "-r=", "rejectmessage" },
		{ "-pidfile ", "pidfile" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		child_run(&child, parse, (void *)lines[i].line);
		CHECK(child.status == EX_USAGE, "%s: status %d %s",
		    lines[i].line, child.status, child.out);
		CHECK(child_is_line(child.err, lines[i].named), "%s: %s",
		    lines[i].line, child.err);
		CHECK(child.out[0] == '\0', "%s: %s", lines[i].line,
		    child.out);
	}
}

static void
make_line(char *line, size_t size, int count)
{
	size_t n = 0;

	for (int i = 1; i <= count; i++)
		n += (size_t)snprintf(line + n, size - n, "%s-b %d",
		    i > 1 ? " " : "", i);
}

static void
a_list_has_an_end(void **state)
{
	char line[1024];

	(void)state;
	make_line(line, sizeof line, OPTIONS_LIST_MAX);
	child_run(&child, parse, line);
	assert_int_equal(child.status, EX_OK);
	assert_non_null(strstr(child.out, "b=1 b=2 b=3 b=4 "));
	assert_non_null(strstr(child.out, " b=62 b=63 |"));
	make_line(line, sizeof line, OPTIONS_LIST_MAX + 1);
	child_run(&child, parse, line);
	assert_int_equal(child.status, EX_USAGE);
	CHECK(child_is_line(child.err, "blacklist"), "%s", child.err);
}

/* The value is long, the line is not. */
static void
a_long_value_is_one_line(void **state)
{
	static char line[100000] = "-level ";

	(void)state;
	memset(line + strlen(line), '9', sizeof line - strlen(line) - 1);
	child_run(&child, parse, line);
	assert_int_equal(child.status, EX_USAGE);
	CHECK(child_is_line(child.err, "level: 999"), "%s", child.err);
	assert_true(strlen(child.err) < 1024);
}

/* As many rows as there may be, the last of them given. */
static int
parse_full_table(void *arg)
{
	static struct options_row full[OPTIONS_MAX];
	static char name[OPTIONS_MAX][16];
	static int flag[OPTIONS_MAX];
	char *argv[] = { (char *)"program", (char *)"-option62", NULL };

	(void)arg;
	for (int i = 0; i < OPTIONS_MAX - 1; i++) {
		snprintf(name[i], sizeof name[i], "option%d", i);
		full[i] = (struct options_row){ name[i], 0, OPTIONS_FLAG,
		    &flag[i], 0, 0, NULL, "help" };
	}
	if (options_parse(full, 2, argv) != 2)
		return 1;
	for (int i = 0; i < OPTIONS_MAX - 1; i++)
		if (flag[i] != (i == 62))
			return 1;
	return 0;
}

static void
a_table_may_be_full(void **state)
{
	(void)state;
	child_run(&child, parse_full_table, NULL);
	CHECK(child.status == 0, "status %d %s", child.status, child.err);
}

static int
help(void *arg)
{
	(void)arg;
	options_help(table, "milterx");
	return 0;
}

/* The name with its value, the help, and the default where there is one. */
static void
help_shows_each_row(void **state)
{
	static const struct {
		const char *name, *text;
	} shown[] = {
		{ "lenient", "  -lenient\n\tHLE\n" },
		{ "blacklist", "  -blacklist file\n\tHB\n" },
		{ "action", "  -action " ACTION_WORDS "\n\tHA (reject)\n" },
		{ "markonly", "  -markonly\n\tHM\n" },
		{ "at", "  -at connect|helo|mail\n\tHAT (helo)\n" },
		{ "rejectmessage", "  -rejectmessage text\n\tHR\n" },
		{ "db", "  -db directory\n\tHD (/var/lib/x)\n" },
		{ "reportthreshold", "  -reportthreshold n\n\tHT (7)\n" },
		{ "mode", "  -mode octal\n\tHMO (0640)\n" },
		{ "delay", "  -delay time\n\tHDE (300)\n" },
	};
	char want[64];

	(void)state;
	child_run(&child, help, NULL);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.err, "");
	assert_ptr_equal(strstr(child.out, "usage: milterx "), child.out);
	for (size_t i = 0; i < COUNT(shown); i++)
		CHECK(strstr(child.out, shown[i].text) != NULL, "%s",
		    shown[i].name);
	for (const struct options_row *row = table; row->name != NULL; row++) {
		snprintf(want, sizeof want, "\n  -%s%s", row->name,
		    row->value != NULL ? " " : "\n");
		CHECK(strstr(child.out, want) != NULL, "%s", row->name);
		CHECK(strstr(child.out, row->help) != NULL, "%s", row->name);
	}
}

static void
words_of_a_choice(void **state)
{
	static const struct {
		const char *words;
		int n, size;
		const char *want;
	} rows[] = {
		{ "red", 0, 9, "red" },
		{ "red|green|blue", 0, 9, "red" },
		{ "red|green|blue", 1, 9, "green" },
		{ "red|green|blue", 2, 9, "blue" },
		{ "red|green|blue", 3, 9, "" },
		{ "red|green|blue", 1, 6, "green" },
		{ "red|green|blue", 1, 5, "gree" },
		{ "red|green|blue", 1, 1, "" },
		{ "a||c", 1, 9, "" },
		{ "a||c", 2, 9, "c" },
	};
	char out[9];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *word = options_word(rows[i].words, rows[i].n, out,
		    rows[i].size);

		assert_ptr_equal(word, out);
		CHECK(strcmp(out, rows[i].want) == 0, "row %zu: %s", i, out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_of_the_original),
		cmocka_unit_test(ways_to_write_an_option),
		cmocka_unit_test(values_of_each_kind),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(a_long_value_is_one_line),
		cmocka_unit_test(a_table_may_be_full),
		cmocka_unit_test(help_shows_each_row),
		cmocka_unit_test(words_of_a_choice),
	};

	return RUN(tests);
}
