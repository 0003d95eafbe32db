#ifndef TESTS_UNIT_COMMAND_H
#define TESTS_UNIT_COMMAND_H

#include "commands.h"
#include "judge.h"
#include "scratch.h"

/*
 * command - run one of a milter's control commands as its server does.  The
 * test defines court, which the commands are given.
 */
#define OUT_MAX	16000	/* bytes of an answer */

static struct judge court;

/* What the last command had to say. */
static struct {
	int result;
	char out[OUT_MAX];
	char error[CONTROL_ERROR_MAX];
	const char *log;
} got;

static inline const struct control_command *
find_command(const char *name)
{
	for (const struct control_command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	fail_msg("no command %s", name);
	return NULL;
}

/* Words as control.c makes them: the last of max takes what is left. */
static inline void
run(const char *line)
{
	const struct control_command *c;
	struct control_answer answer = { .error = "" };
	char text[CONTROL_LINE_MAX + 1], *rest = text;
	char *argv[CONTROL_ARGS_MAX + 1];
	int argc = 0;

	assert_true(strlen(line) <= CONTROL_LINE_MAX);
	memcpy(text, line, strlen(line) + 1);
	argv[argc++] = strsep(&rest, " ");
	c = find_command(argv[0]);
	while (rest != NULL && argc < c->max)
		argv[argc++] = strsep(&rest, " ");
	if (rest != NULL)
		argv[argc++] = rest;
	argv[argc] = NULL;
	assert_true(argc >= 1 + c->min && argc <= 1 + c->max);

	memset(&got, 0, sizeof got);
	answer.out = fmemopen(got.out, sizeof got.out, "w");
	assert_non_null(answer.out);
	scratch_logged();
	got.result = c->run(&answer, argc, argv, &court);
	assert_int_equal(fclose(answer.out), 0);
	memcpy(got.error, answer.error, sizeof got.error);
	got.log = scratch_logged();
}

#endif
