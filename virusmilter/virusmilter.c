/*
 * virusmilter - no worms.  Looks through mail by rules of its own and asks
 * clamd, refuses what is infected, and tells blackmilter who sent it.
 */
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
	struct options_list sockets, whitelists, signatures, ignored;
	const char *report;
	int lenient;
	long maxscan;			/* MB */
	long scans, deadline;
} conf = {
	.maxscan = 24,
	.scans = 32,
	.deadline = 240,
};

static struct emergency emergency = {
	.seconds = 4 * 3600,
};

static struct judge court = {
	.emergency = &emergency,
	.action = ACTION_REJECT,
	.unscannable = ACTION_MARK,
	.onerror = ONERROR_TEMPFAIL,
};

static struct session_conf session = {
	.judge = &court,
	.report_seconds = 4 * 3600,
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
	if (reply_check(session.message) == -1)
		return -1;
	court.maxscan = (size_t)conf.maxscan << 20;
	if (conf.sockets.count > 0 && (court.clamd = clamd_new(&conf.sockets,
	    conf.scans, conf.deadline)) == NULL)
		return -1;
	return judge_open(&court, conf.lenient) == -1 ||
	    add_files(JUDGE_WHITE_CLIENTS, &conf.whitelists) == -1 ||
	    add_files(JUDGE_SIGNATURES, &conf.signatures) == -1 ||
	    add_files(JUDGE_IGNORED, &conf.ignored) == -1 ? -1 : 0;
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
	if (court.clamd != NULL)
		clamd_is_there(court.clamd);
	if (conf.report != NULL &&
	    (session.report = report_new(conf.report)) == NULL)
		return -1;
	emergency_tick(&emergency);
	session_open(&session);
	judge_add_stats(&court);
	return 0;
}

static void
tick(void *arg)
{
	(void)arg;
	emergency_tick(&emergency);
}

static void
stop(void *arg)
{
	(void)arg;
	report_stop(session.report);
}

static int
why(void *arg, int argc, char **argv)
{
	FILE *in = stdin;
	int kept;

	(void)arg;
	if (argc != 1) {
		log_error("-why: a file is needed");
		return EX_USAGE;
	}
	if (strcmp(argv[0], "-") != 0 && (in = fopen(argv[0], "r")) == NULL) {
		log_errno("%s", argv[0]);
		return EX_NOINPUT;
	}
	kept = why_message(&court, stdout, in, argv[0]);
	if (in != stdin)
		fclose(in);
	return kept == -1 ? EX_NOINPUT : kept;
}

static struct daemon d = {
	.name = "virusmilter",
	.filter = &session_filter,
	.commands = commands,
	.arg = &session,
	.options = options,
	.load = load,
	.changed = changed,
	.why = why,
	.start = start,
	.tick = tick,
	.stop = stop,
	.socketmode = DAEMON_SOCKETMODE,
};

int
main(int argc, char *argv[])
{
	const struct options_row table[] = {
		{ "clamd", 0, OPTIONS_LIST, &conf.sockets, 0, 0,
		    "socket", "ask this clamd; the next when it fails; "
		    "repeatable" },
		{ "maxscan", 0, OPTIONS_NUMBER, &conf.maxscan, 1, 4000,
		    "megabytes", "of a message that clamd is sent" },
		{ "scans", 0, OPTIONS_NUMBER, &conf.scans, 1, 1000,
		    "n", "messages that clamd is asked about at a time" },
		{ "deadline", 0, OPTIONS_TIME, &conf.deadline, 1, 3600,
		    "time", "for the answer of clamd" },
		{ "signatures", 0, OPTIONS_LIST, &conf.signatures, 0, 0,
		    "file", "what worms are known by; repeatable" },
		{ "ignore", 0, OPTIONS_LIST, &conf.ignored, 0, 0,
		    "file", "names of what is not acted upon; repeatable" },
		{ "action", 0, OPTIONS_CHOICE, &court.action, 0, 0,
		    ACTION_WORDS, "what is done with what is infected" },
		{ "markonly", 0, OPTIONS_SET, &court.action, ACTION_MARK, 0,
		    NULL, "the same as -action mark" },
		{ "dryrun", 0, OPTIONS_SET, &court.action, ACTION_NONE, 0,
		    NULL, "the same as -action none: log only" },
		{ "unscannable", 0, OPTIONS_CHOICE, &court.unscannable,
		    0, 0, ACTION_WORDS, "what is done with what cannot be "
		    "read" },
		{ "emergency", 0, OPTIONS_STRING, &emergency.file,
		    0, 0, "file", "while it is there, refuse attachments "
		    "unseen" },
		{ "emergencyload", 0, OPTIONS_NUMBER, &emergency.load,
		    0, 10000, "n", "the same above this load; 0: never" },
		{ "emergencytime", 0, OPTIONS_TIME,
		    &emergency.seconds, 1, 7 * 86400,
		    "time", "until an emergency ends by itself" },
		{ "report", 0, OPTIONS_STRING, &conf.report, 0, 0,
		    "path", "blackmilter's control socket: it is told of "
		    "clients that send worms" },
		{ "reporttime", 0, OPTIONS_TIME, &session.report_seconds,
		    1, 7 * 86400,
		    "time", "that they are to be refused" },
		{ "whitelist", 'w', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file", "never judge the clients in this list; "
		    "repeatable" },
		{ "lenient", 0, OPTIONS_FLAG, &conf.lenient, 0, 0, NULL,
		    "pass over bad lines in lists" },
		{ "rejectmessage", 0, OPTIONS_STRING, &session.message, 0, 0,
		    "text", "what a refused client is told; "
		    "%i client, %l what was found, %q queue id" },
		{ "onerror", 0, OPTIONS_CHOICE, &court.onerror, 0, 0,
		    ONERROR_WORDS, "what is done when we are in trouble" },
		DAEMON_OPTIONS(d),
		{ .name = NULL }
	};

	session.control = &d.control;
	return daemon_main(&d, table, argc, argv);
}
