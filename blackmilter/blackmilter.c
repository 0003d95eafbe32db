/*
 * blackmilter - refuse clients by address, from lists of millions and from a
 * short-term list that other programs report into.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "commands.h"
#include "daemon.h"
#include "judge.h"
#include "log.h"
#include "stats.h"
#include "store.h"

#define HEADER		"X-IP-Blacklisted"
#define FORGED_MAX	1000	/* copies of it removed from one message */

/* At which command the verdict is given; the words of -at. */
enum at { AT_CONNECT, AT_HELO, AT_MAIL, AT_RCPT };

/*
 * One per connection, from blk_connect() to blk_close(), and only for those
 * that are not accepted at once.  The texts are words for the log.
 */
struct session {
	struct addr addr;
	struct verdict verdict;
	long us;		/* that it took */
	bool logged;		/* before MAIL, once is enough */
	char host[LOG_WORD_MAX];
	char helo[LOG_WORD_MAX];

	/* The message; see clear_message(). */
	char sender[LOG_WORD_MAX];
	char recipient[LOG_WORD_MAX];	/* the first, or the one refused */
	char role[LOG_WORD_MAX];	/* one that is postmaster@ or abuse@ */
	int forged;		/* headers that claim to be ours */
};

static struct {
	struct options_list blacklists, whitelists, shadows;
	const char *directory;
	const char *message;
	int at, onerror, lenient, scanauth;
	long threshold;
} conf = {
	.at = AT_HELO,
	.onerror = ONERROR_ACCEPT,
	.threshold = 1,
};

static struct judge court = { .action = ACTION_REJECT };
static unsigned long steps;		/* the SMFIP_ bits we negotiate */

static struct stats_counter counters[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "sessions", NULL,
	    "Connections open that were not accepted at once.", 0 },
	{ "decision_seconds_sum", NULL, "Time taken to judge a client.", 0 },
	{ "decision_seconds_count", NULL, NULL, 0 },
	{ "forged_headers_total", NULL,
	    "Copies of our header removed from messages.", 0 },
};
enum { CONNECTIONS, SESSIONS, SECONDS, DECISIONS, FORGED };

/* by as in judge_print(). */
static void
log_verdict(SMFICTX *ctx, const struct session *s, const char *verdict,
    const char *by)
{
	char what[500], client[ADDR_TEXT_MAX], word[LOG_WORD_MAX];
	const char *qid = smfi_getsymval(ctx, (char *)"i");

	log_info("%s client=%s%s%s%s%s%s%s%s%s qid=%s us=%ld",
	    judge_print(&court, &s->verdict, verdict, by, what, sizeof what),
	    addr_print(&s->addr, client),
	    s->host[0] != '\0' ? " host=" : "", s->host,
	    s->helo[0] != '\0' ? " helo=" : "", s->helo,
	    s->sender[0] != '\0' ? " from=" : "", s->sender,
	    s->recipient[0] != '\0' ? " to=" : "", s->recipient,
	    qid != NULL ? log_word(word, qid) : "NOQUEUE", s->us);
}

/* The verdict has come to its command: say it. */
static sfsistat
act(SMFICTX *ctx, struct session *s, enum at at)
{
	enum action action = judge_action(&court, &s->verdict);
	const char *text = conf.message, *qid;
	char client[ADDR_TEXT_MAX], expanded[REPLY_TEXT_MAX];

	if (!s->logged || at >= AT_MAIL) {
		log_verdict(ctx, s, action_word(action), NULL);
		judge_count(&court, &s->verdict, action);
		s->logged = true;
	}
	if (action == ACTION_NONE)
		return at == AT_RCPT ? SMFIS_CONTINUE : SMFIS_ACCEPT;
	if (s->verdict.by == JUDGE_SHED)
		text = "too busy now, please come back later";
	else if (text == NULL)
		text = action == ACTION_REJECT ?
		    "mail from %i is refused, see %l" :
		    "mail from %i is not taken now, see %l";
	qid = smfi_getsymval(ctx, (char *)"i");
	reply_expand(expanded, sizeof expanded, text, &(struct reply_words){
	    .client = addr_print(&s->addr, client),
	    .list = judge_public_name(&court, &s->verdict),
	    .queue_id = qid != NULL ? qid : "NOQUEUE" });
	if (action == ACTION_REJECT)
		return reply_reject(ctx, "554", "5.7.1", expanded);
	/* 421 ends the session, and with it what postmaster was sent. */
	return reply_tempfail(ctx, at == AT_RCPT ? "451" : "421", "4.3.2",
	    expanded);
}

static sfsistat
go_on(unsigned long no_reply)
{
	return steps & no_reply ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* 421 at connect, see reply_trouble(). */
static sfsistat
fail(SMFICTX *ctx, const char *code, const char *trouble)
{
	return reply_trouble(ctx, (enum onerror)conf.onerror, code, trouble);
}

/* Does it matter whether the client authenticates? */
static bool
asks_for_auth(void)
{
	return !conf.scanauth && (conf.at >= AT_MAIL ||
	    action_at_end((enum action)court.action));
}

static void
clear_message(struct session *s)
{
	s->sender[0] = s->recipient[0] = s->role[0] = '\0';
	s->forged = 0;
}

/* Judge and count.  True when this client is not simply let through. */
static bool
examine(struct session *s, const char *host)
{
	const int64_t begin = clock_us();
	struct verdict *v = &s->verdict;

	judge(&court, &s->addr, host, (int64_t)time(NULL), v);
	s->us = (long)(clock_us() - begin);
	stats_count_by(&counters[SECONDS], (uint64_t)s->us);
	stats_count(&counters[DECISIONS]);
	if (!v->exempt) {
		judge_turn(&court, &s->addr, v);
		return v->by != JUDGE_NOTHING || court.action == ACTION_MARK;
	}
	client_count(CLIENT_WHITELISTED);
	return false;
}

/* A line for a friend who is on a list; -debug has one for everybody. */
static void
note_pass(const struct session *s)
{
	const struct verdict *v = &s->verdict;
	char client[ADDR_TEXT_MAX], what[500];

	if (v->by != JUDGE_NOTHING || log_is_verbose())
		log_info("%s client=%s", judge_print(&court, v, "pass", NULL,
		    what, sizeof what), addr_print(&s->addr, client));
}

static sfsistat
blk_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct session *s, first = { .logged = false };
	enum client_exempt exempt = client_connect(&first.addr, sa);
	const char *name;

	stats_count(&counters[CONNECTIONS]);
	if (exempt != CLIENT_JUDGED) {
		client_count(exempt);
		log_info("verdict=pass by=%s", client_exempt_word(exempt));
		return SMFIS_ACCEPT;
	}
	name = client_host(ctx, host);
	if (!examine(&first, name)) {
		note_pass(&first);
		return SMFIS_ACCEPT;
	}
	if (name != NULL)
		log_word(first.host, name);
	if (conf.at == AT_CONNECT && judge_is_due(&court, &first.verdict))
		return act(ctx, &first, AT_CONNECT);
	if ((s = malloc(sizeof *s)) == NULL)
		return fail(ctx, "421", "out of memory");
	*s = first;
	smfi_setpriv(ctx, s);
	stats_count(&counters[SESSIONS]);
	return SMFIS_CONTINUE;
}

static sfsistat
blk_helo(SMFICTX *ctx, char *helo)
{
	struct session *s = smfi_getpriv(ctx);

	if (s == NULL)
		return go_on(SMFIP_NR_HELO);
	log_word(s->helo, helo);
	if (conf.at == AT_HELO && judge_is_due(&court, &s->verdict))
		return act(ctx, s, AT_HELO);
	return go_on(SMFIP_NR_HELO);
}

static sfsistat
blk_envfrom(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	enum client_exempt exempt = CLIENT_JUDGED;

	if (s == NULL)
		return go_on(SMFIP_NR_MAIL);
	clear_message(s);
	log_word(s->sender, argv[0]);
	if (asks_for_auth())
		exempt = client_mail(ctx);
	if (exempt != CLIENT_JUDGED) {
		client_count(exempt);
		if (s->verdict.by != JUDGE_NOTHING)
			log_verdict(ctx, s, "pass",
			    client_exempt_word(exempt));
		return SMFIS_ACCEPT;
	}
	/* A client that said no HELO gets here unanswered. */
	if (conf.at <= AT_MAIL && judge_is_due(&court, &s->verdict))
		return act(ctx, s, conf.at == AT_MAIL ? AT_MAIL : AT_HELO);
	return go_on(SMFIP_NR_MAIL);
}

static sfsistat
blk_envrcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s == NULL)
		return go_on(SMFIP_NR_RCPT);
	if (conf.at == AT_RCPT && addr_is_role(argv[0])) {
		log_word(s->role, argv[0]);
		return go_on(SMFIP_NR_RCPT);
	}
	if (conf.at == AT_RCPT && judge_is_due(&court, &s->verdict)) {
		log_word(s->recipient, argv[0]);
		return act(ctx, s, AT_RCPT);
	}
	if (s->recipient[0] == '\0')
		log_word(s->recipient, argv[0]);
	return go_on(SMFIP_NR_RCPT);
}

static sfsistat
blk_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);

	(void)value;
	if (s != NULL && s->forged < FORGED_MAX &&
	    strcasecmp(name, HEADER) == 0)
		s->forged++;
	return go_on(SMFIP_NR_HDR);
}

/* From the last to the first: each removal renumbers those behind it. */
static void
remove_forged(SMFICTX *ctx, const struct session *s)
{
	for (int i = s->forged; i > 0; i--)
		smfi_chgheader(ctx, (char *)HEADER, i, NULL);
	stats_count_by(&counters[FORGED], (uint64_t)s->forged);
}

/* The actions that need a whole message. */
static sfsistat
act_at_end(SMFICTX *ctx, struct session *s, enum action action)
{
	char text[ENTRY_REASON_MAX + 40], name[200];
	int done = MI_SUCCESS;

	reply_clean(name, sizeof name,
	    judge_public_name(&court, &s->verdict), 0);
	if (action == ACTION_MARK)
		done = smfi_addheader(ctx, (char *)HEADER, name);
	if (action == ACTION_QUARANTINE) {
		snprintf(text, sizeof text, "blackmilter: %.80s", name);
		done = smfi_quarantine(ctx, text);
	}
	if (done != MI_SUCCESS)
		return fail(ctx, "451", "the MTA takes no change of a message");
	log_verdict(ctx, s, action_word(action), NULL);
	judge_count(&court, &s->verdict, action);
	return action == ACTION_DISCARD ? SMFIS_DISCARD : SMFIS_CONTINUE;
}

/* The end of a message from a client there is something against. */
static sfsistat
finish(SMFICTX *ctx, struct session *s)
{
	enum action action = judge_action(&court, &s->verdict);

	if (s->role[0] != '\0') {
		memcpy(s->recipient, s->role, sizeof s->recipient);
		log_verdict(ctx, s, "pass", "role");
		return SMFIS_CONTINUE;
	}
	return action_at_end(action) ? act_at_end(ctx, s, action) :
	    SMFIS_CONTINUE;
}

static sfsistat
blk_eom(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	sfsistat answer = SMFIS_CONTINUE;

	if (s == NULL)
		return SMFIS_CONTINUE;
	remove_forged(ctx, s);
	if (s->verdict.by != JUDGE_NOTHING)
		answer = finish(ctx, s);
	clear_message(s);
	return answer;
}

static sfsistat
blk_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL)
		clear_message(s);
	return SMFIS_CONTINUE;
}

/* libmilter calls this even when blk_connect() never ran. */
static sfsistat
blk_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL) {
		smfi_setpriv(ctx, NULL);
		stats_count_by(&counters[SESSIONS], (uint64_t)-1);
		free(s);
	}
	return SMFIS_CONTINUE;
}

/* Of what the MTA can do, ask for what the options need and no more. */
static sfsistat
blk_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	static struct log_limit limit;
	unsigned long actions = 0;

	(void)f2;
	(void)f3;
	if (court.action == ACTION_MARK)
		actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
	if (court.action == ACTION_QUARANTINE)
		actions = SMFIF_QUARANTINE;
	if ((f0 & actions) != actions && log_due(&limit))
		log_error("the MTA cannot %s", action_word(court.action));
	smfi_setsymlist(ctx, SMFIM_CONNECT, iplist_has_domains(court.lists) ?
	    (char *)CLIENT_MACROS_CONNECT : (char *)"");
	smfi_setsymlist(ctx, SMFIM_HELO, (char *)"");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, asks_for_auth() ?
	    (char *)"i " CLIENT_MACROS_MAIL : (char *)"i");
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, (char *)"i");
	smfi_setsymlist(ctx, SMFIM_DATA, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOH, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"i");
	*pf0 = f0 & actions;
	*pf1 = f1 & steps;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

/* Which commands are not wanted, and which need no reply of ours. */
static void
plan_steps(void)
{
	bool at_end = action_at_end((enum action)court.action);
	bool all_at_end = at_end && court.shed == 0;

	steps = SMFIP_NOBODY | SMFIP_NOEOH | SMFIP_NODATA | SMFIP_NOUNKNOWN |
	    SMFIP_NR_HDR;
	if (court.action != ACTION_MARK)
		steps |= SMFIP_NOHDRS;
	if (conf.at != AT_RCPT || all_at_end)
		steps |= at_end ? SMFIP_NR_RCPT : SMFIP_NORCPT;
	if (conf.at == AT_CONNECT && !at_end)
		steps |= SMFIP_NOHELO | SMFIP_NOMAIL;
	if (conf.at != AT_HELO || all_at_end)
		steps |= SMFIP_NR_HELO;
	if (all_at_end && conf.scanauth)
		steps |= SMFIP_NR_MAIL;
}

static int
add_lists(enum iplist_role role, const struct options_list *files)
{
	for (int i = 0; i < files->count; i++)
		if (iplist_add_file(court.lists, role, files->item[i]) == -1)
			return -1;
	return 0;
}

static int
options(void *arg)
{

	(void)arg;
	if (conf.blacklists.count == 0 && conf.directory == NULL &&
	    conf.shadows.count == 0 && court.shed == 0) {
		log_error("nothing to do: give -blacklist, -db, -shadow or "
		    "-shed (see -help)");
		return -1;
	}
	if (court.shedload > 0 && court.shed == 0) {
		log_error("-shedload needs -shed");
		return -1;
	}
	if (reply_check(conf.message) == -1)
		return -1;
	court.lists = iplist_new();
	court.shortlist = shortlist_new(conf.threshold);
	if (court.lists == NULL || court.shortlist == NULL) {
		log_error("out of memory");
		return -1;
	}
	if (conf.lenient)
		iplist_lenient(court.lists);
	plan_steps();
	return add_lists(IPLIST_WHITE, &conf.whitelists) == -1 ||
	    add_lists(IPLIST_LISTED, &conf.blacklists) == -1 ||
	    add_lists(IPLIST_SHADOW, &conf.shadows) == -1 ? -1 : 0;
}

static int
load(void *arg)
{
	(void)arg;
	return iplist_load(court.lists);
}

static bool
changed(void *arg)
{
	(void)arg;
	return iplist_changed(court.lists, DAEMON_SETTLE_SECONDS);
}

static int
check(void *arg)
{
	(void)arg;
	return conf.directory != NULL ? store_check(conf.directory) : 0;
}

static void
tick(void *arg)
{
	(void)arg;
	judge_tick(&court);
	shortlist_tick(court.shortlist, (int64_t)time(NULL));
}

static int
start(void *arg)
{
	if (conf.directory != NULL && shortlist_open(court.shortlist,
	    conf.directory, (int64_t)time(NULL)) == -1)
		return -1;
	tick(arg);
	stats_add(counters, sizeof counters / sizeof counters[0]);
	reply_add_stats();
	judge_add_stats(&court);
	stats_add_printer(iplist_stats, court.lists);
	stats_add_printer(shortlist_stats, court.shortlist);
	return 0;
}

static void
stop(void *arg)
{
	(void)arg;
	shortlist_close(court.shortlist);
}

static int
why(void *arg, int argc, char **argv)
{
	const char *host = argc > 1 ? argv[1] : NULL;
	struct addr addr;
	int refused;

	(void)arg;
	if (argc < 1 || argc > 2 || addr_parse(&addr, argv[0]) == -1) {
		log_error("-why: an IP address and perhaps a host name are "
		    "needed, not %s", argc < 1 ? "nothing" : argv[argc - 1]);
		return EX_USAGE;
	}
	court.all_lists = true;
	refused = commands_explain(&court, stdout, argv[0], host);
	iplist_explain(court.lists, stdout, &addr, host);
	return refused;
}

static char name[] = "blackmilter";

static struct smfiDesc filter = {
	.xxfi_name = name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
	.xxfi_connect = blk_connect,
	.xxfi_helo = blk_helo,
	.xxfi_envfrom = blk_envfrom,
	.xxfi_envrcpt = blk_envrcpt,
	.xxfi_header = blk_header,
	.xxfi_eom = blk_eom,
	.xxfi_abort = blk_abort,
	.xxfi_close = blk_close,
	.xxfi_negotiate = blk_negotiate,
};

int
main(int argc, char *argv[])
{
	static struct daemon d = {
		.name = name,
		.filter = &filter,
		.commands = commands,
		.arg = &court,
		.options = options,
		.load = load,
		.changed = changed,
		.check = check,
		.why = why,
		.start = start,
		.tick = tick,
		.stop = stop,
		.socketmode = DAEMON_SOCKETMODE,
	};
	const struct options_row table[] = {
		{ "blacklist", 'b', OPTIONS_LIST, &conf.blacklists, 0, 0,
		    "file", "refuse the clients in this list; repeatable" },
		{ "whitelist", 'w', OPTIONS_LIST, &conf.whitelists, 0, 0,
		    "file",
		    "never judge the clients in this list; repeatable" },
		{ "shadow", 0, OPTIONS_LIST, &conf.shadows, 0, 0,
		    "file", "only count the clients in this list; repeatable" },
		{ "lenient", 0, OPTIONS_FLAG, &conf.lenient, 0, 0,
		    NULL, "pass over bad lines in lists" },
		{ "action", 0, OPTIONS_CHOICE, &court.action, 0, 0,
		    ACTION_WORDS, "what is done with a listed client" },
		{ "markonly", 'm', OPTIONS_SET, &court.action, ACTION_MARK, 0,
		    NULL, "the same as -action mark" },
		{ "graylist", 'g', OPTIONS_SET, &court.action,
		    ACTION_TEMPFAIL, 0,
		    NULL, "the same as -action tempfail; also -greylist" },
		{ "greylist", 0, OPTIONS_SET, &court.action,
		    ACTION_TEMPFAIL, 0,
		    NULL, "the same as -graylist" },
		{ "dryrun", 0, OPTIONS_SET, &court.action, ACTION_NONE, 0,
		    NULL, "the same as -action none: log only" },
		{ "at", 0, OPTIONS_CHOICE, &conf.at, 0, 0,
		    "connect|helo|mail|rcpt", "when a client is refused" },
		{ "rejectmessage", 'r', OPTIONS_STRING, &conf.message, 0, 0,
		    "text", "what a refused client is told; "
		    "%i client, %l list or reason, %q queue id" },
		{ "loglistname", 'l', OPTIONS_FLAG, &court.all_lists, 0, 0,
		    NULL, "log every list a client is on, not the first" },
		{ "scanauth", 0, OPTIONS_FLAG, &conf.scanauth, 0, 0,
		    NULL, "also judge authenticated clients" },
		{ "onerror", 0, OPTIONS_CHOICE, &conf.onerror, 0, 0,
		    ONERROR_WORDS, "what is done when we are in trouble" },
		{ "db", 0, OPTIONS_STRING, &conf.directory, 0, 0,
		    "directory", "keep the short-term list here" },
		{ "reportthreshold", 0, OPTIONS_NUMBER, &conf.threshold,
		    1, 1000,
		    "n", "reports within an hour before they count" },
		{ "shed", 0, OPTIONS_NUMBER, &court.shed, 0, 100,
		    "percent", "send away this share of all clients" },
		{ "shedload", 0, OPTIONS_NUMBER, &court.shedload, 0, 10000,
		    "load", "only while the load average is above" },
		{ "updatesocket", 0, OPTIONS_STRING, &d.control, 0, 0,
		    "path", "the same as -control" },
		DAEMON_OPTIONS(d),
		{ .name = NULL }
	};

	return daemon_main(&d, table, argc, argv);
}
