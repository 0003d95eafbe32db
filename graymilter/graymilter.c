/*
 * graymilter - ask strangers to come back later, which mail servers do and
 * most senders of spam do not.
 */
#include <sysexits.h>

#include "client.h"
#include "commands.h"
#include "daemon.h"
#include "judge.h"
#include "log.h"
#include "reply.h"
#include "session.h"
#include "store.h"

static struct {
	struct options_list whitelists, suspects, senders, recipients, traps;
	const char *report;		/* blackmilter's control socket */
	int memory, lenient, kind;
	long cache;			/* MB */
} conf = {
	.kind = TUPLE_TRIPLET,
	.cache = 64,
};

static struct judge court = {
	.prefix4 = 24,
	.prefix6 = 64,
	.conf.rules = {
		.delay = 5 * 60,
		.retry = 2 * 86400,
		.expire = 36 * 86400,
		.autowhite = 5,
		.pending_max = 1000,
	},
};

static struct session_conf session = {
	.judge = &court,
	.report_seconds = 4 * 3600,
};

static int
add_files(enum judge_list list, const struct options_list *files)
{
	for (int i = 0; i < files->count; i++)
		if (judge_add_file(&court, list, files->item[i],
		    conf.lenient) == -1)
			return -1;
	return 0;
}

/* Those that contradict each other, or without which others mean nothing. */
static const char *
find_contradiction(void)
{
	const struct record_rules *rules = &court.conf.rules;

	if (court.conf.directory != NULL && conf.memory)
		return "-db and -memory contradict each other";
	if (rules->retry <= rules->delay)
		return "-retry must be longer than -delay";
	if (rules->expire < rules->retry)
		return "-expire must not be shorter than -retry";
	if (conf.report != NULL && conf.traps.count == 0)
		return "-report needs -trap";
	return NULL;
}

static int
options(void *arg)
{
	const char *wrong = find_contradiction();

	(void)arg;
	if (wrong != NULL) {
		log_error("%s (see -help)", wrong);
		return -1;
	}
	if (reply_check(session.message) == -1)
		return -1;
	session.traps = conf.traps.count;
	court.conf.kind = (enum tuple_kind)conf.kind;
	court.conf.cache = (size_t)conf.cache << 20;
	return judge_open(&court) == -1 ||
	    add_files(JUDGE_WHITE_CLIENTS, &conf.whitelists) == -1 ||
	    add_files(JUDGE_SUSPECTS, &conf.suspects) == -1 ||
	    add_files(JUDGE_SENDERS, &conf.senders) == -1 ||
	    add_files(JUDGE_RECIPIENTS, &conf.recipients) == -1 ||
	    add_files(JUDGE_TRAPS, &conf.traps) == -1 ? -1 : 0;
}

static int
load(void *arg)
{
	return judge_load(arg);
}

static bool
changed(void *arg)
{
	return judge_changed(arg, DAEMON_SETTLE_SECONDS);
}

/* -why does not need it. */
static bool
has_place(void)
{
	if (court.conf.directory != NULL || conf.memory)
		return true;
	log_error("nowhere to remember: give -db (or -memory)");
	return false;
}

static int
check(void *arg)
{
	(void)arg;
	if (!has_place())
		return -1;
	return conf.memory ? 0 : store_check(court.conf.directory);
}

static int
start(void *arg)
{
	(void)arg;
	if (!has_place())
		return -1;
	if ((court.greylist = greylist_open(&court.conf)) == NULL)
		return -1;
	if (conf.report != NULL &&
	    (session.report = report_new(conf.report)) == NULL) {
		greylist_close(court.greylist);
		return -1;
	}
	session_open(&session);
	judge_add_stats(&court);
	return 0;
}

static void
stop(void *arg)
{
	(void)arg;
	report_stop(session.report);
	greylist_close(court.greylist);
}

static int
why(void *arg, int argc, char **argv)
{
	int waits = argc < 3 || argc > 4 ? -1 : judge_explain(&court, stdout,
	    argv[0], argv[1], argv[2], argc > 3 ? argv[3] : NULL);

	(void)arg;
	if (waits != -1)
		return waits;
	log_error("-why: an IP address, a sender, a recipient and perhaps a "
	    "host name are needed");
	return EX_USAGE;
}

static struct daemon d = {
	.name = "graymilter",
	.filter = &session_filter,
	.commands = commands,
	.arg = &court,
	.options = options,
	.load = load,
	.changed = changed,
	.check = check,
	.why = why,
	.start = start,
	.stop = stop,
	.socketmode = DAEMON_SOCKETMODE,
};

int
main(int argc, char *argv[])
{
	struct record_rules *rules = &court.conf.rules;
	const struct options_row table[] = {
		{ "db", 0, OPTIONS_STRING, &court.conf.directory, 0, 0,
		    "directory", "keep the greylist here" },
		{ "memory", 0, OPTIONS_FLAG, &conf.memory, 0, 0, NULL,
		    "keep it in memory only" },
		{ "cache", 0, OPTIONS_NUMBER, &conf.cache, 1, 65536,
		    "megabytes", "memory for the greylist" },
		{ "key", 0, OPTIONS_CHOICE, &conf.kind, 0, 0, TUPLE_WORDS,
		    "what has to come back" },
		{ "prefix4", 0, OPTIONS_NUMBER, &court.prefix4, 8, 32,
		    "bits", "of an IPv4 address that name its network" },
		{ "prefix6", 0, OPTIONS_NUMBER, &court.prefix6, 16, 128,
		    "bits", "of an IPv6 address that name its network" },
		{ "delay", 0, OPTIONS_TIME, &rules->delay, 1, 86400,
		    "time", "until a stranger is let through" },
		{ "retry", 0, OPTIONS_TIME, &rules->retry, 2, 30 * 86400,
		    "time", "that we wait for it to come back" },
		{ "expire", 0, OPTIONS_TIME, &rules->expire, 2, 3650L * 86400,
		    "time", "without mail until it is forgotten" },
		{ "autowhite", 0, OPTIONS_NUMBER, &rules->autowhite, 0, 1000,
		    "n", "messages until a network is known; 0: never" },
		{ "pendingmax", 0, OPTIONS_NUMBER, &rules->pending_max,
		    1, 1000000,
		    "n", "tuples of a network that wait at a time" },
		{ "whitelist", 'w', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file",
		    "never delay the clients in this list; repeatable" },
		{ "suspects", 0, OPTIONS_LIST, &conf.suspects, 0, 0,
		    "file",
		    "delay only the clients in this list; repeatable" },
		{ "senders", 0, OPTIONS_LIST, &conf.senders, 0, 0,
		    "file", "never delay these senders; repeatable" },
		{ "recipients", 0, OPTIONS_LIST, &conf.recipients, 0, 0,
		    "file", "never delay mail for these; repeatable" },
		{ "learn", 0, OPTIONS_FLAG, &session.learn, 0, 0, NULL,
		    "those our users write to may write back at once" },
		{ "trap", 0, OPTIONS_LIST, &conf.traps, 0, 0,
		    "file", "addresses nobody has; repeatable" },
		{ "report", 0, OPTIONS_STRING, &conf.report, 0, 0,
		    "path", "blackmilter's control socket: it is told of "
		    "clients that mail a trap" },
		{ "reporttime", 0, OPTIONS_TIME, &session.report_seconds,
		    1, 7 * 86400,
		    "time", "that they are to be refused" },
		{ "lenient", 0, OPTIONS_FLAG, &conf.lenient, 0, 0, NULL,
		    "pass over bad lines in lists" },
		{ "action", 0, OPTIONS_CHOICE, &session.action, 0, 0,
		    "tempfail|mark|none", "what is done with a stranger" },
		{ "markonly", 0, OPTIONS_SET, &session.action, SESSION_MARK, 0,
		    NULL, "the same as -action mark" },
		{ "dryrun", 0, OPTIONS_SET, &session.action, SESSION_NONE, 0,
		    NULL, "the same as -action none: log only" },
		{ "rejectmessage", 0, OPTIONS_STRING, &session.message, 0, 0,
		    "text", "what a stranger is told; "
		    "%i client, %l when to come back, %q queue id" },
		{ "quiet", 0, OPTIONS_FLAG, &session.quiet, 0, 0, NULL,
		    "do not say how many seconds are left" },
		{ "scanauth", 0, OPTIONS_FLAG, &session.scanauth, 0, 0, NULL,
		    "also delay authenticated clients" },
		{ "onerror", 0, OPTIONS_CHOICE, &session.onerror, 0, 0,
		    ONERROR_WORDS, "what is done when we are in trouble" },
		DAEMON_OPTIONS(d),
		{ .name = NULL }
	};

	return daemon_main(&d, table, argc, argv);
}
