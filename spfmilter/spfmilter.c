/*
 * spfmilter - does this client speak for this domain?  Checks SPF (RFC 7208),
 * writes the result down, and refuses what the domain's owner disowns.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "commands.h"
#include "daemon.h"
#include "hint.h"
#include "judge.h"
#include "log.h"
#include "reply.h"
#include "session.h"

#define RECORD_MAX	1000	/* bytes of a record among the options */

static struct {
	struct options_list whitelists, fallbacks, servers;
	const char *guess, *localpolicy, *explanation, *hint;
	int lenient, trustedforwarders;
	int all;			/* enum action of all results; or -1 */
	long cache;			/* MB */
} conf = {
	.all = -1,
	.cache = 16,
};

static const int action_default[SPF_RESULTS] = {
	[SPF_IS_NONE] = ACTION_MARK,
	[SPF_IS_NEUTRAL] = ACTION_MARK,
	[SPF_IS_PASS] = ACTION_MARK,
	[SPF_IS_FAIL] = ACTION_REJECT,
	[SPF_IS_SOFTFAIL] = ACTION_MARK,
	[SPF_IS_TEMPERROR] = ACTION_MARK,
	[SPF_IS_PERMERROR] = ACTION_MARK,
};

static struct judge court;

static struct session_conf session = {
	.judge = &court,
	.deadline = 8,
};

/* One action for all results, unless another was asked for as well. */
static int
set_actions(void)
{
	for (int i = 0; conf.all != -1 && i < SPF_RESULTS; i++) {
		if (court.action[i] != action_default[i] &&
		    court.action[i] != conf.all) {
			log_error("-%s %s and -%s contradict each other",
			    spf_result_word((enum spf_result)i),
			    action_word((enum action)court.action[i]),
			    conf.all == ACTION_MARK ? "markonly" : "dryrun");
			return -1;
		}
		court.action[i] = conf.all;
	}
	session.dryrun = conf.all == ACTION_NONE;
	if (court.action[SPF_IS_TEMPERROR] != ACTION_REJECT &&
	    court.action[SPF_IS_TEMPERROR] != ACTION_DISCARD)
		return 0;
	log_error("-temperror %s would lose mail for a fault that passes; "
	    "take tempfail", action_word((enum action)
	    court.action[SPF_IS_TEMPERROR]));
	return -1;
}

/* What the administrator writes may lack its beginning.  NULL stays NULL. */
static int
complete_record(const char *option, const char *text, char out[RECORD_MAX],
    const char **record)
{
	const char *wrong, *term;
	size_t size;
	int n;

	if (text == NULL)
		return 0;
	n = snprintf(out, RECORD_MAX, "%s%s",
	    strncasecmp(text, "v=", 2) == 0 ? "" : "v=spf1 ", text);
	if (n >= RECORD_MAX) {
		log_error("-%s: too long", option);
		return -1;
	}
	*record = out;
	if ((wrong = spf_bad_record(out, &term, &size)) == NULL)
		return 0;
	log_error("-%s: %.*s: %s", option, (int)size, term, wrong);
	return -1;
}

static int
set_texts(void)
{
	static char guess[RECORD_MAX], localpolicy[RECORD_MAX];

	if (reply_check(session.message) == -1)
		return -1;
	if (session.authserv_id != NULL &&
	    !header_is_authserv_id(session.authserv_id)) {
		log_error("-authservid: %s is no name", session.authserv_id);
		return -1;
	}
	if (conf.explanation != NULL &&
	    strcmp(conf.explanation, "sender") == 0)
		court.ask_why = 1;
	else if (conf.explanation != NULL && !macro_is_explain_string(
	    conf.explanation, strlen(conf.explanation))) {
		log_error("-explanation: a macro in it is wrong "
		    "(RFC 7208, 7.1)");
		return -1;
	} else
		court.explanation = conf.explanation;
	return complete_record("guess", conf.guess, guess,
	    &court.guess) == -1 || complete_record("localpolicy",
	    conf.localpolicy, localpolicy, &court.localpolicy) == -1 ? -1 : 0;
}

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
	if (conf.trustedforwarders)
		log_warning("-trustedforwarders: there is no such service any "
		    "more; see -localpolicy and -whitelist");
	if (set_actions() == -1 || set_texts() == -1 ||
	    judge_open(&court, conf.lenient) == -1 || spf_open() == -1)
		return -1;
	court.resolver = resolver_new(&conf.servers,
	    (size_t)conf.cache << 20);
	return court.resolver == NULL ||
	    add_files(JUDGE_WHITE_CLIENTS, &conf.whitelists) == -1 ||
	    add_files(JUDGE_FALLBACK, &conf.fallbacks) == -1 ? -1 : 0;
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
	if (conf.hint != NULL)
		hint_open(conf.hint);
	session_open(&session);
	judge_add_stats(&court);
	return 0;
}

static int
why(void *arg, int argc, char **argv)
{
	int refused = argc != 3 ? -1 : judge_explain(&court, stdout,
	    session.deadline, argv[0], argv[1], argv[2],
	    session.authserv_id != NULL ? session.authserv_id : "localhost");

	(void)arg;
	if (refused != -1)
		return refused;
	log_error("-why: an IP address, a HELO name and a sender are needed");
	return EX_USAGE;
}

static struct daemon d = {
	.name = "spfmilter",
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

#define RESULT_ROW(result, is)						\
	{ result, 0, OPTIONS_CHOICE, &court.action[is], 0, 0,		\
	    ACTION_WORDS, "what is done after a " result }

int
main(int argc, char *argv[])
{
	const struct options_row table[] = {
		{ "helo", 0, OPTIONS_FLAG, &court.check_helo, 0, 0, NULL,
		    "check the HELO name of all, not only with <>" },
		RESULT_ROW("fail", SPF_IS_FAIL),
		RESULT_ROW("softfail", SPF_IS_SOFTFAIL),
		RESULT_ROW("neutral", SPF_IS_NEUTRAL),
		RESULT_ROW("none", SPF_IS_NONE),
		RESULT_ROW("temperror", SPF_IS_TEMPERROR),
		RESULT_ROW("permerror", SPF_IS_PERMERROR),
		{ "action", 0, OPTIONS_CHOICE, &court.action[SPF_IS_FAIL],
		    0, 0, ACTION_WORDS, "the same as -fail" },
		{ "markonly", 'm', OPTIONS_SET, &conf.all, ACTION_MARK, 0,
		    NULL, "only mark, whatever the result" },
		{ "dryrun", 0, OPTIONS_SET, &conf.all, ACTION_NONE, 0,
		    NULL, "log only; change no message" },
		{ "rejectmessage", 0, OPTIONS_STRING, &session.message, 0, 0,
		    "text", "what a refused client is told; "
		    "%i client, %l what is wrong, %q queue id" },
		{ "explanation", 'e', OPTIONS_STRING, &conf.explanation, 0, 0,
		    "text", "said after a fail, with SPF's macros; "
		    "\"sender\": what the domain says" },
		{ "nameserver", 0, OPTIONS_LIST, &conf.servers, 0, 0,
		    "ip[:port]", "ask this server, not those of resolv.conf; "
		    "repeatable" },
		{ "deadline", 0, OPTIONS_TIME, &session.deadline, 1, 60,
		    "time", "for all questions about a message" },
		{ "cache", 0, OPTIONS_NUMBER, &conf.cache, 1, 65536,
		    "megabytes", "memory for answers of the DNS" },
		{ "authservid", 0, OPTIONS_STRING, &session.authserv_id, 0, 0,
		    "name", "our name in the headers; without: the MTA's" },
		{ "localpolicy", 'l', OPTIONS_STRING, &conf.localpolicy, 0, 0,
		    "record", "also let through whom this passes" },
		{ "guess", 'g', OPTIONS_STRING, &conf.guess, 0, 0,
		    "record", "where a domain has none, believe a pass of "
		    "this" },
		{ "fallback", 'f', OPTIONS_LIST, &conf.fallbacks, 0, 0,
		    "file", "records for domains that have none; "
		    "repeatable" },
		{ "recipientmx", 'r', OPTIONS_FLAG, &session.recipientmx,
		    0, 0, NULL, "a recipient's own MX may forward anything" },
		{ "trustedforwarders", 't', OPTIONS_FLAG,
		    &conf.trustedforwarders, 0, 0, NULL,
		    "does nothing any more" },
		{ "whitelist", 'w', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file", "never judge the clients in this list; "
		    "repeatable" },
		{ "allowlist", 'a', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file", "the same as -whitelist" },
		{ "lenient", 0, OPTIONS_FLAG, &conf.lenient, 0, 0, NULL,
		    "pass over bad lines in lists" },
		{ "hint", 0, OPTIONS_STRING, &conf.hint, 0, 0,
		    "path", "graymilter's control socket: it is told of "
		    "passes" },
		{ "scanauth", 0, OPTIONS_FLAG, &session.scanauth, 0, 0, NULL,
		    "also judge authenticated clients" },
		{ "onerror", 0, OPTIONS_CHOICE, &session.onerror, 0, 0,
		    ONERROR_WORDS, "what is done when we are in trouble" },
		DAEMON_OPTIONS_AUTOUPDATE(d, 0),
		{ .name = NULL }
	};

	memcpy(court.action, action_default, sizeof court.action);
	return daemon_main(&d, table, argc, argv);
}
