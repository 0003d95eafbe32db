/*
 * A command line, its arguments separated by NULs: it is a mistake, said in
 * one line, or every target holds what its row allows, strings are the
 * command line's own, and the operands are at the end.
 *
 * options.c is compiled in here, with its exit() leading back to the target.
 */
#include <getopt.h>
#include <setjmp.h>
#include <stdbool.h>
#include <sysexits.h>

#include "daemon.h"
#include "fuzz.h"

static jmp_buf mistaken;

static _Noreturn void
leave(int status)
{
	longjmp(mistaken, status);
}

#define exit(status)	leave(status)
#include "options.c"
#undef exit

#define ARGS_MAX	80	/* more than a list takes */

static struct {
	struct options_list lists, shadows;
	const char *db, *message;
	int lenient, action, at;
	long threshold, octal, delay;
	struct daemon d;
} got;

#define ACTIONS		"reject|tempfail|quarantine|discard|mark|none"

/* A row of each kind and the names of blackmilter that begin alike. */
static const struct options_row table[] = {
	{ "blacklist", 'b', OPTIONS_LIST, &got.lists, 0, 0, "file", "." },
	{ "shadow", 0, OPTIONS_LIST, &got.shadows, 0, 0, "file", "." },
	{ "lenient", 0, OPTIONS_FLAG, &got.lenient, 0, 0, NULL, "." },
	{ "action", 0, OPTIONS_CHOICE, &got.action, 0, 0, ACTIONS, "." },
	{ "markonly", 'm', OPTIONS_SET, &got.action, 4, 0, NULL, "." },
	{ "graylist", 'g', OPTIONS_SET, &got.action, 1, 0, NULL, "." },
	{ "greylist", 0, OPTIONS_SET, &got.action, 1, 0, NULL, "." },
	{ "at", 0, OPTIONS_CHOICE, &got.at, 0, 0, "connect|helo", "." },
	{ "rejectmessage", 'r', OPTIONS_STRING, &got.message, 0, 0, "text",
	    "." },
	{ "db", 0, OPTIONS_STRING, &got.db, 0, 0, "directory", "." },
	{ "reportthreshold", 0, OPTIONS_NUMBER, &got.threshold, 1, 1000, "n",
	    "." },
	{ "delay", 0, OPTIONS_TIME, &got.delay, 60, 86400, "time", "." },
	{ "updatesocket", 0, OPTIONS_STRING, &got.d.control, 0, 0, "path",
	    "." },
	DAEMON_OPTIONS(got.d),
	{ .name = NULL }
};

struct line {
	int argc;
	char *argv[ARGS_MAX + 1];
};

/* What a line led to: the place of the first operand, or 0: a mistake. */
static int
parse(struct line *line)
{
	memset(&got, 0, sizeof got);
	got.threshold = 1;
	got.delay = 300;
	got.d.socketmode = DAEMON_SOCKETMODE;
	optind = 0;		/* getopt(3) begins anew */
	switch (setjmp(mistaken)) {
	case 0:
		return options_parse(table, line->argc, line->argv);
	case EX_USAGE:
		CHECK(fuzz_check_log() == 1);
		return 0;
	}
	fuzz_fail(__FILE__, __LINE__, "the exit status is EX_USAGE");
}

/* Is this an argument, or the end of one that has a = ? */
static bool
is_borrowed(const struct line *line, const char *text)
{
	for (int i = 0; i < line->argc; i++)
		if (text >= line->argv[i] &&
		    text <= line->argv[i] + strlen(line->argv[i]))
			return text == line->argv[i] || text[-1] == '=';
	return false;
}

static void
check_string(const struct line *line, const char *text)
{
	if (text != NULL)
		CHECK(text[0] != '\0' && is_borrowed(line, text));
}

static void
check_row(const struct line *line, const struct options_row *o)
{
	const struct options_list *list = o->target;
	char word[64];

	switch (o->kind) {
	case OPTIONS_FLAG:
		CHECK(*(int *)o->target == 0 || *(int *)o->target == 1);
		break;
	case OPTIONS_SET:
		break;
	case OPTIONS_CHOICE:
		options_word(o->value, *(int *)o->target, word,
		    (int)sizeof word);
		CHECK(word[0] != '\0' && strstr(o->value, word) != NULL);
		break;
	case OPTIONS_STRING:
		check_string(line, *(const char **)o->target);
		break;
	case OPTIONS_LIST:
		CHECK(list->count >= 0 && list->count <= OPTIONS_LIST_MAX);
		for (int i = 0; i < list->count; i++)
			check_string(line, list->item[i]);
		break;
	case OPTIONS_NUMBER:
	case OPTIONS_OCTAL:
	case OPTIONS_TIME:
		CHECK(*(long *)o->target >= o->min);
		CHECK(*(long *)o->target <= o->max);
		break;
	}
}

static int
compare_pointers(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The same arguments as before, in whatever order. */
static void
check_arguments(const struct line *line, const struct line *before)
{
	struct line sorted = *line, want = *before;
	size_t count = (size_t)line->argc;

	CHECK(line->argv[line->argc] == NULL);
	qsort(sorted.argv, count, sizeof sorted.argv[0], compare_pointers);
	qsort(want.argv, count, sizeof want.argv[0], compare_pointers);
	CHECK(memcmp(sorted.argv, want.argv, count * sizeof want.argv[0])
	    == 0);
}

static void
print_row(FILE *out, const struct options_row *o)
{
	const struct options_list *list = o->target;
	const char *text;

	switch (o->kind) {
	case OPTIONS_FLAG:
	case OPTIONS_SET:
	case OPTIONS_CHOICE:
		fprintf(out, "%d\n", *(int *)o->target);
		break;
	case OPTIONS_STRING:
		text = *(const char **)o->target;
		fprintf(out, "%s\n", text != NULL ? text : "");
		break;
	case OPTIONS_LIST:
		for (int i = 0; i < list->count; i++)
			fprintf(out, "%s\n", list->item[i]);
		break;
	case OPTIONS_NUMBER:
	case OPTIONS_OCTAL:
	case OPTIONS_TIME:
		fprintf(out, "%ld\n", *(long *)o->target);
		break;
	}
}

/* What a line means, as text that the caller frees; "" for a mistake. */
static char *
meaning(struct line line)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int first = parse(&line);

	CHECK(out != NULL);
	for (const struct options_row *o = table; first != 0 && o->name; o++)
		print_row(out, o);
	for (int i = first; first != 0 && i < line.argc; i++)
		fprintf(out, "%s\n", line.argv[i]);
	CHECK(fclose(out) == 0);
	return text;
}

static void
check_same(const struct line *a, const struct line *b)
{
	char *meaning_a = meaning(*a), *meaning_b = meaning(*b);

	CHECK(strcmp(meaning_a, meaning_b) == 0);
	free(meaning_a);
	free(meaning_b);
}

/* -name and --name are the same. */
static void
check_two_dashes(const struct line *line)
{
	struct line other = *line;
	size_t size = strlen(line->argv[1]) + 2;
	char *dashed = malloc(size);

	CHECK(dashed != NULL);
	snprintf(dashed, size, "-%s", line->argv[1]);
	other.argv[1] = dashed;
	check_same(line, &other);
	free(dashed);
}

/* -name=value and -name value are the same where the first is allowed. */
static void
check_equal_sign(const struct line *line)
{
	struct line other = *line;
	char *name = strdup(line->argv[1]), *equal;

	CHECK(name != NULL);
	equal = strchr(name, '=');
	*equal = '\0';
	other.argv[1] = name;
	other.argv[2] = equal + 1;
	for (int i = 2; i <= line->argc; i++)
		other.argv[i + 1] = line->argv[i];
	other.argc++;
	check_same(line, &other);
	free(name);
}

static bool
is_choice(const char *words, const char *text)
{
	size_t size = strlen(text);

	if (size == 0)
		return false;
	for (const char *p = words; (p = strstr(p, text)) != NULL; p++)
		if (strchr(text, '|') == NULL &&
		    (p == words || p[-1] == '|') &&
		    (p[size] == '\0' || p[size] == '|'))
			return true;
	return false;
}

/* A number as the row wants it, worked out in floating point. */
static bool
is_number(const struct options_row *o, const char *text)
{
	static const struct {
		char letter;
		double seconds;
	} unit[] = {
		{ '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 },
		{ 'd', 86400 },
	};
	double base = o->kind == OPTIONS_OCTAL ? 8 : 10, n = 0;
	const char *p = text;

	for (; *p >= '0' && *p < '0' + base; p++)
		n = n * base + (*p - '0');
	if (p == text)
		return false;
	for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++)
		if (*p == unit[i].letter && (i == 0 || p[1] == '\0') &&
		    (i == 0 || o->kind == OPTIONS_TIME)) {
			n *= unit[i].seconds;
			return n >= (double)o->min && n <= (double)o->max;
		}
	return false;
}

/* An option by its whole name, with a value: is it taken when it should be? */
static void
check_value(const struct line *line, bool taken)
{
	for (const struct options_row *o = table; o->name != NULL; o++) {
		if (strcmp(line->argv[1] + 1, o->name) != 0)
			continue;
		if (o->kind == OPTIONS_CHOICE)
			CHECK(taken == is_choice(o->value, line->argv[2]));
		if (o->kind == OPTIONS_NUMBER || o->kind == OPTIONS_OCTAL ||
		    o->kind == OPTIONS_TIME)
			CHECK(taken == is_number(o, line->argv[2]));
	}
}

static void
check_line(const struct line *before)
{
	struct line line = *before;
	int first = parse(&line);
	const char *arg = before->argc > 1 ? before->argv[1] : "";

	check_arguments(&line, before);
	CHECK(first >= 0 && first <= line.argc);
	for (const struct options_row *o = table; first != 0 && o->name; o++)
		check_row(&line, o);
	if (arg[0] == '-' && arg[1] != '-' && arg[1] != '\0')
		check_two_dashes(before);
	if (first != 0 && arg[0] == '-' && strchr(arg, '=') != NULL)
		check_equal_sign(before);
	if (arg[0] == '-' && before->argc == 3)
		check_value(before, first != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char program[] = "blackmilter";
	struct fuzz_input in = { data, size };
	struct line line = { .argc = 1, .argv = { program } };

	fuzz_catch_log();
	while (in.left > 0 && line.argc < ARGS_MAX - 1)
		line.argv[line.argc++] = fuzz_field(&in);
	line.argv[line.argc] = NULL;
	check_line(&line);
	for (int i = 1; i < line.argc; i++)
		free(line.argv[i]);
	return 0;
}
