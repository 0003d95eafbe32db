/*
 * bccmilter - am I openly addressed?  Catches mail whose recipients stand
 * nowhere in To or Cc.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "daemon.h"
#include "log.h"
#include "reply.h"
#include "session.h"
#include "why.h"

static struct {
	struct options_list whitelists, senders, recipients, locals, lists;
	struct options_list aliases;
	int lenient;
} conf;

static struct judge court = {
	.policy = POLICY_NONE,
};

static struct session_conf session = {
	.judge = &court,
	.action = ACTION_MARK,
};

static int
add_files(enum judge_list list, const struct options_list *files)
{
	for (int i = 0; i < files->count; i++)
		if (judge_add_file(&court, list, files->item[i]) == -1)
			return -1;
	return 0;
}

static int
options(void *arg)
{
	(void)arg;
	return reply_check(session.message) == -1 ||
	    judge_open(&court, conf.lenient) == -1 ||
	    add_files(JUDGE_WHITE_CLIENTS, &conf.whitelists) == -1 ||
	    add_files(JUDGE_SENDERS, &conf.senders) == -1 ||
	    add_files(JUDGE_RECIPIENTS, &conf.recipients) == -1 ||
	    add_files(JUDGE_LOCAL, &conf.locals) == -1 ||
	    add_files(JUDGE_LISTS, &conf.lists) == -1 ||
	    add_files(JUDGE_ALIASES, &conf.aliases) == -1 ? -1 : 0;
}

static int
load(void *arg)
{
	(void)arg;
	return judge_load(&court);
}

static bool
changed(void *arg)
{
	(void)arg;
	return judge_changed(&court, DAEMON_SETTLE_SECONDS);
}

static int
start(void *arg)
{
	(void)arg;
	session_open(&session);
	judge_add_stats(&court);
	return 0;
}

static int
why(void *arg, int argc, char **argv)
{
	const struct why_recipients to = { argv + 1, argc - 1 };
	FILE *in = stdin;
	int acts;

	(void)arg;
	if (argc < 2) {
		log_error("-why: a file and a recipient are needed");
		return EX_USAGE;
	}
	if (strcmp(argv[0], "-") != 0 && (in = fopen(argv[0], "r")) == NULL) {
		log_errno("%s", argv[0]);
		return EX_NOINPUT;
	}
	acts = why_message(&court, stdout, in, argv[0], &to,
	    action_word((enum action)session.action));
	if (in != stdin)
		fclose(in);
	return acts == -1 ? EX_NOINPUT : acts;
}

static struct daemon d = {
	.name = "bccmilter",
	.filter = &session_filter,
	.commands = commands,
	.arg = &session,
	.options = options,
	.load = load,
	.changed = changed,
	.why = why,
	.start = start,
	.socketmode = DAEMON_SOCKETMODE,
};

int
main(int argc, char *argv[])
{
	const struct options_row table[] = {
		{ "policy", 0, OPTIONS_CHOICE, &court.policy, 0, 0,
		    JUDGE_POLICY_WORDS, "act when none of the recipients is "
		    "shown, or when any is hidden" },
		{ "local", 0, OPTIONS_LIST, &conf.locals, 0, 0,
		    "file", "judge only these recipients; repeatable" },
		{ "alias", 0, OPTIONS_LIST, &conf.aliases, 0, 0,
		    "file", "addresses that stand for recipients; "
		    "repeatable" },
		{ "lists", 0, OPTIONS_LIST, &conf.lists, 0, 0,
		    "file", "spare only these mailing lists; repeatable" },
		{ "senders", 0, OPTIONS_LIST, &conf.senders, 0, 0,
		    "file", "never judge mail from these senders; "
		    "repeatable" },
		{ "recipients", 0, OPTIONS_LIST, &conf.recipients, 0, 0,
		    "file", "never judge mail for these; repeatable" },
		{ "whitelist", 'w', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file", "never judge the clients in this list; "
		    "repeatable" },
		{ "lenient", 0, OPTIONS_FLAG, &conf.lenient, 0, 0, NULL,
		    "pass over bad lines in lists" },
		{ "action", 0, OPTIONS_CHOICE, &session.action, 0, 0,
		    ACTION_WORDS, "what is done with hidden copies" },
		{ "markonly", 0, OPTIONS_SET, &session.action, ACTION_MARK,
		    0, NULL, "the same as -action mark" },
		{ "dryrun", 0, OPTIONS_SET, &session.action, ACTION_NONE, 0,
		    NULL, "the same as -action none: log only" },
		{ "rejectmessage", 0, OPTIONS_STRING, &session.message, 0, 0,
		    "text", "what a refused client is told; "
		    "%i client, %l what is wrong, %q queue id" },
		{ "scanauth", 0, OPTIONS_FLAG, &session.scanauth, 0, 0, NULL,
		    "also judge authenticated clients" },
		{ "onerror", 0, OPTIONS_CHOICE, &session.onerror, 0, 0,
		    ONERROR_WORDS, "what is done when we are in trouble" },
		DAEMON_OPTIONS(d),
		{ .name = NULL }
	};

	return daemon_main(&d, table, argc, argv);
}
