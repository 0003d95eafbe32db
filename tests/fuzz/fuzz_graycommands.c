/*
 * Lines to graymilter's commands, cut into words as control.c does it: each
 * has one answer, of printable lines; what is known then is listed with times
 * that can be, and its dump, loaded again, is the same.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

#include "fuzz.h"

/* Another milter has a table of this name, and a judge.h. */
#include "../../graymilter/commands.c"

#define YEAR	INT64_C(31557600)

/* So long that no time in the corpus will be over soon. */
static struct judge court = { .prefix4 = 24, .prefix6 = 64,
    .conf = { .cache = 1 << 20, .kind = TUPLE_TRIPLET, .rules = {
    .delay = 300, .retry = 30 * YEAR, .expire = 60 * YEAR, .autowhite = 5,
    .pending_max = 1000 } } };

/* Or what the store holds looks like a leak. */
static void
clean_up(void)
{
	greylist_close(court.greylist);
}

static void
start(void)
{
	if (court.greylist != NULL)
		return;
	fuzz_catch_log();
	CHECK(judge_open(&court) == 0);
	CHECK((court.greylist = greylist_open(&court.conf)) != NULL);
	atexit(clean_up);
}

static void
forget_it(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	(void)r;
	(void)arg;
	CHECK(greylist_forget(court.greylist, kind, t) == 0);
}

static void
clear(void)
{
	CHECK(greylist_walk(court.greylist, NULL, forget_it, NULL) == 0);
}

/* No line is more than text, or looks like the end of an answer. */
static void
check_data(const char *text)
{
	while (*text != '\0') {
		size_t size = strcspn(text, "\n");

		CHECK(text[size] == '\n');
		for (size_t i = 0; i < size; i++)
			CHECK(text[i] >= ' ' && text[i] <= '~');
		CHECK(strncmp(text, "ok\n", 3) != 0);
		CHECK(strncmp(text, "error ", 6) != 0);
		text += size + 1;
	}
}

/* The data; the caller frees it. */
static char *
run_command(const struct control_command *c, int argc, char **argv,
    int *result)
{
	struct control_answer answer = { .error = "" };
	char *text;
	size_t size;

	answer.out = open_memstream(&text, &size);
	CHECK(answer.out != NULL);
	*result = c->run(&answer, argc, argv, &court);
	CHECK(fclose(answer.out) == 0);
	CHECK(*result == 0 || (*result == -1 && answer.error[0] != '\0'));
	CHECK(strlen(text) == size);
	check_data(text);
	return text;
}

/* Words as control.c makes them; NULL: it calls nobody. */
static char *
run_line(char *line, int *result)
{
	const struct control_command *c = commands;
	char *argv[CONTROL_ARGS_MAX + 1], *end = line + strlen(line);
	int argc = 0, max;

	while (end > line && strchr(" \t", end[-1]) != NULL)
		*--end = '\0';
	line += strspn(line, " \t");
	while (c->name != NULL && (strncmp(line, c->name, strlen(c->name)) !=
	    0 || strchr(" \t", line[strlen(c->name)]) == NULL))
		c++;
	if (c->name == NULL)
		return NULL;
	max = c->max > 0 ? c->max : 1;	/* "dump x" has a word too many */
	while (*line != '\0') {
		argv[argc++] = line;
		line = argc <= max ? line + strcspn(line, " \t") : end;
		while (*line == ' ' || *line == '\t')
			*line++ = '\0';
	}
	argv[argc] = NULL;
	if (argc < 1 + c->min || argc > 1 + c->max)
		return NULL;
	return run_command(c, argc, argv, result);
}

/* One that cannot fail. */
static char *
say(const char *command)
{
	char line[20], *text;
	int result;

	snprintf(line, sizeof line, "%s", command);
	text = run_line(line, &result);
	CHECK(text != NULL && result == 0);
	return text;
}

static void
load(const char *dump)
{
	while (*dump != '\0') {
		size_t size = strcspn(dump, "\n");
		char line[RECORD_LINE_MAX], *text;
		int result;

		CHECK(size < sizeof line && size <= CONTROL_LINE_MAX);
		memcpy(line, dump, size);
		line[size] = '\0';
		text = run_line(line, &result);
		CHECK(text != NULL && result == 0 && *text == '\0');
		free(text);
		dump += size + 1;
	}
}

/* Seven words a line, one of them the seconds that are left. */
static size_t
check_list(const char *list)
{
	const struct record_rules *rules = &court.conf.rules;
	size_t lines = 0;

	for (; *list != '\0'; lines++) {
		size_t size = strcspn(list, "\n");
		int blanks = 0;

		for (size_t i = 0; i < size; i++) {
			int64_t left;

			if (list[i] != ' ' || ++blanks != 5)
				continue;
			left = strtoll(list + i, NULL, 10);
			CHECK(left >= 0 && left <= 2 * rules->expire);
		}
		CHECK(blanks == 6);
		list += size + 1;
	}
	return lines;
}

static size_t
count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/*
 * Loaded over what it was made of, and into nothing, it makes the same.  When
 * the second changes meanwhile, something may have become past.
 */
static void
check_dump(void)
{
	time_t begin = time(NULL);
	char *dump = say("dump"), *list = say("list"), *again, *anew;
	size_t listed = check_list(list);

	load(dump);
	again = say("dump");
	clear();
	load(dump);
	anew = say("dump");
	if (time(NULL) == begin) {
		CHECK(listed == count_lines(dump));
		CHECK(strcmp(again, dump) == 0);
		CHECK(strcmp(anew, dump) == 0);
	}
	free(dump);
	free(list);
	free(again);
	free(anew);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	while (size > 0) {
		const uint8_t *lf = memchr(data, '\n', size);
		size_t n = lf != NULL ? (size_t)(lf - data) : size;
		char line[CONTROL_LINE_MAX + 1];
		int result;

		if (n <= CONTROL_LINE_MAX && memchr(data, '\0', n) == NULL) {
			memcpy(line, data, n);
			line[n] = '\0';
			free(run_line(line, &result));
		}
		n += lf != NULL;
		data += n;
		size -= n;
	}
	check_dump();
	fuzz_check_log();
	clear();
	return 0;
}
