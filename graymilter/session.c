#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "log.h"
#include "reply.h"
#include "session.h"
#include "stats.h"

#define HEADER		"X-Greylist"
#define WAITING_MAX	100	/* recipients of a message that are remembered
				 * until one of them passes */
#define HOST_MAX	256	/* bytes of our own name */

/* Of one message, those who were sent away or, to "<>", have no answer yet. */
struct waiting {
	char recipient[TUPLE_TEXT_MAX + 1];
};

/*
 * One per connection, from gray_connect() to gray_close(); of clients that are
 * exempt, and of whose friends nothing is learned, it is one for all.
 */
struct session {
	struct addr addr;
	bool exempt;		/* only its friends are learned */

	/* The message; see clear_message(). */
	char sender[LOG_WORD_MAX];	/* for the log */
	struct tuple tuple;
	char self[TUPLE_TEXT_MAX + 1];	/* the sender as a recipient */
	bool spared;		/* it is exempt, or its sender */
	bool learns;		/* its recipients may write back */
	bool bounces;		/* the null sender: the answer is at DATA */
	bool passes;		/* a recipient did, and so do the others */
	bool trapped;		/* a recipient was a trap */
	bool others;		/* a recipient is exempt */
	int64_t held, would_wait;	/* seconds, for the header; or 0 */
	struct waiting *waiting;
	int waits;
};
static struct session exempt_client = { .exempt = true, .spared = true };

static const struct session_conf *conf;
static unsigned long steps;		/* the SMFIP_ bits we negotiate */

#define VERDICT(by, verdict, word)					\
	[by] = { "verdicts_total",					\
	    "verdict=\"" verdict "\",by=\"" word "\"",			\
	    "Verdicts on recipients, and on clients and senders that "	\
	    "are exempt.", 0 }

static struct stats_counter verdicts[JUDGE_BY_COUNT] = {
	VERDICT(JUDGE_NOTHING, "pass", "nothing"),
	VERDICT(JUDGE_WHITELIST, "pass", "whitelist"),
	VERDICT(JUDGE_UNSUSPECTED, "pass", "unsuspected"),
	VERDICT(JUDGE_SENDER, "pass", "sender"),
	VERDICT(JUDGE_ROLE, "pass", "role"),
	VERDICT(JUDGE_RECIPIENT, "pass", "recipient"),
	VERDICT(JUDGE_DELAYED, "pass", "delayed"),
	VERDICT(JUDGE_KNOWN, "pass", "known"),
	VERDICT(JUDGE_CARRIED, "pass", "carried"),
	VERDICT(JUDGE_FRIEND, "pass", "friend"),
	VERDICT(JUDGE_AUTOWHITE, "pass", "autowhite"),
	VERDICT(JUDGE_NEW, "tempfail", "new"),
	VERDICT(JUDGE_EARLY, "tempfail", "early"),
	VERDICT(JUDGE_TRAP, "tempfail", "trap"),
	VERDICT(JUDGE_ERROR, "error", "error"),
};

static struct stats_counter counters[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "sessions", NULL,
	    "Connections open whose clients are not exempt.", 0 },
	{ "decision_seconds_sum", NULL, "Time taken to judge recipients.", 0 },
	{ "decision_seconds_count", NULL, NULL, 0 },
	{ "held_seconds_sum", NULL, "Time that delayed mail was held up.", 0 },
	{ "held_seconds_count", NULL, NULL, 0 },
	{ "friends_learned_total", NULL,
	    "Recipients of authenticated users that may write back.", 0 },
};
enum { CONNECTIONS, SESSIONS, SECONDS, DECISIONS, HELD, HELD_COUNT, LEARNED };

static sfsistat
go_on(unsigned long no_reply)
{
	return steps & no_reply ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
fail(SMFICTX *ctx, const char *code, const char *trouble)
{
	return reply_trouble(ctx, (enum onerror)conf->onerror, code, trouble);
}

/*
 * Count a verdict, and log it unless nothing was done that was not done for
 * the same mail before.
 */
static void
note(SMFICTX *ctx, const struct session *s, const struct verdict *v,
    const char *recipient, int64_t us)
{
	char client[ADDR_TEXT_MAX], to[LOG_WORD_MAX], qid[LOG_WORD_MAX];
	const char *id = smfi_getsymval(ctx, (char *)"i");
	const char *verdict = v->by == JUDGE_ERROR ? "error" :
	    !judge_waits(v->by) ? "pass" :
	    conf->action == SESSION_TEMPFAIL ? "tempfail" :
	    conf->action == SESSION_MARK ? "mark" : "none";
	char seconds[40] = "";

	stats_count(&verdicts[v->by]);
	if (!judge_waits(v->by) && v->by != JUDGE_DELAYED &&
	    v->by != JUDGE_FRIEND && !log_is_verbose())
		return;
	if (v->seconds != 0 && (v->by != JUDGE_DELAYED ||
	    conf->action == SESSION_TEMPFAIL))
		snprintf(seconds, sizeof seconds, " %s=%" PRId64,
		    v->by == JUDGE_DELAYED ? "held" : "left", v->seconds);
	log_info("verdict=%s by=%s%s%s client=%s%s%s from=%s to=%s%s qid=%s "
	    "us=%" PRId64, verdict, judge_word(v->by),
	    v->list != NULL ? " list=" : "", v->list != NULL ? v->list : "",
	    addr_print(&s->addr, client),
	    s->tuple.network[0] != '\0' ? " spf=" : "",
	    s->tuple.network[0] != '\0' ? s->tuple.client : "",
	    s->sender, log_word(to, recipient),
	    seconds, id != NULL ? log_word(qid, id) : "NOQUEUE", us);
}

/* A client or a sender that is not judged. */
static void
note_exempt(const struct addr *addr, const struct verdict *v)
{
	char client[ADDR_TEXT_MAX];

	stats_count(&verdicts[v->by]);
	if (log_is_verbose())
		log_info("verdict=pass by=%s client=%s", judge_word(v->by),
		    addr_print(addr, client));
}

static void
clear_message(struct session *s)
{
	free(s->waiting);
	s->waiting = NULL;
	s->waits = 0;
	s->sender[0] = '\0';
	s->spared = s->learns = s->bounces = s->passes = s->trapped =
	    s->others = false;
	s->held = s->would_wait = 0;
}

/*
 * One that cannot be remembered, for there are too many or there is no memory,
 * is judged by itself when it comes back.  false: it is not remembered.
 */
static bool
add_waiting(struct session *s)
{
	if (s->waiting == NULL)
		s->waiting = malloc(WAITING_MAX * sizeof *s->waiting);
	if (s->waiting == NULL || s->waits == WAITING_MAX)
		return false;
	memcpy(s->waiting[s->waits++].recipient, s->tuple.recipient,
	    sizeof s->tuple.recipient);
	return true;
}

static sfsistat
gray_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct session *s, first = { .exempt = false };
	struct verdict v = { .by = JUDGE_NOTHING };
	enum client_exempt exempt = client_connect(&first.addr, sa);

	stats_count(&counters[CONNECTIONS]);
	client_count(exempt);
	if (exempt == CLIENT_JUDGED) {
		judge_client(conf->judge, &first.addr, client_host(ctx, host),
		    &v);
		if (v.by == JUDGE_WHITELIST)
			client_count(CLIENT_WHITELISTED);
		if (v.by != JUDGE_NOTHING)
			note_exempt(&first.addr, &v);
	}
	first.exempt = exempt != CLIENT_JUDGED || v.by != JUDGE_NOTHING;
	if (first.exempt && (exempt == CLIENT_LOCAL || !conf->learn))
		smfi_setpriv(ctx, &exempt_client);
	else if ((s = malloc(sizeof *s)) != NULL) {
		*s = first;
		smfi_setpriv(ctx, s);
		stats_count(&counters[SESSIONS]);
	}
	return go_on(SMFIP_NR_CONN);
}

/* Is there any reason not to judge this message? */
static bool
is_spared(SMFICTX *ctx, struct session *s, const char *path)
{
	enum client_exempt exempt = conf->scanauth && !conf->learn ?
	    CLIENT_JUDGED : client_mail(ctx);
	struct verdict v;

	s->learns = conf->learn && exempt == CLIENT_AUTHENTICATED;
	if (s->exempt)
		return true;
	if (exempt != CLIENT_JUDGED && !conf->scanauth) {
		client_count(exempt);
		return true;
	}
	judge_sender(conf->judge, path, &v);
	if (v.by == JUDGE_NOTHING)
		return false;
	note_exempt(&s->addr, &v);
	return true;
}

static sfsistat
gray_envfrom(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s == NULL || s == &exempt_client)
		return go_on(SMFIP_NR_MAIL);
	clear_message(s);
	log_word(s->sender, argv[0]);
	s->spared = is_spared(ctx, s, argv[0]);
	judge_set_tuple(conf->judge, &s->tuple, &s->addr, argv[0],
	    clock_us() / 1000000);
	s->bounces = s->tuple.sender[0] == '\0';
	if (s->learns) {
		tuple_set_recipient(&s->tuple, argv[0]);
		memcpy(s->self, s->tuple.recipient, sizeof s->self);
	}
	return go_on(SMFIP_NR_MAIL);
}

/* Our user writes to somebody, who may write back. */
static void
learn(struct session *s, const char *path)
{
	struct tuple friend = { .client = "" };

	if (s->bounces)
		return;
	tuple_set_sender(&friend, path);
	memcpy(friend.recipient, s->self, sizeof friend.recipient);
	if (greylist_befriend(conf->judge->greylist, &friend,
	    (int64_t)time(NULL)) == 0)
		stats_count(&counters[LEARNED]);
}

/*
 * The client gave itself away; blackmilter shall know, if there is one.  One
 * that bounces mail with a forged sender did not, nor one that is known to be
 * good: there somebody only mistyped.
 */
static void
spring_trap(struct session *s, const char *path)
{
	struct verdict v;

	s->trapped = true;
	if (conf->report == NULL || s->bounces)
		return;
	tuple_set_recipient(&s->tuple, path);
	judge_tuple(conf->judge, &s->tuple, (int64_t)time(NULL), false, &v);
	if (judge_waits(v.by))
		report_send(conf->report, &s->addr, conf->report_seconds,
		    "mailed a trap");
}

/* From now on they are known as if each had been let through itself. */
static int
carry_waiting(struct session *s)
{
	int result = 0;

	/* Each may take a while when the store is in trouble, so not all. */
	for (int i = 0; i < s->waits && result == 0; i++) {
		memcpy(s->tuple.recipient, s->waiting[i].recipient,
		    sizeof s->tuple.recipient);
		result = greylist_carry(conf->judge->greylist, &s->tuple,
		    (int64_t)time(NULL));
	}
	s->waits = 0;
	return result;
}

/* Ask the greylist about the recipient that is in the tuple. */
static void
judge_one(SMFICTX *ctx, struct session *s, const char *recipient,
    struct verdict *v)
{
	int64_t begin = clock_us(), us;

	if (s->passes)
		v->by = greylist_carry(conf->judge->greylist, &s->tuple,
		    (int64_t)time(NULL)) == -1 ? JUDGE_ERROR : JUDGE_CARRIED;
	else
		judge_tuple(conf->judge, &s->tuple, (int64_t)time(NULL), true,
		    v);
	us = clock_us() - begin;
	stats_count_by(&counters[SECONDS], (uint64_t)us);
	stats_count(&counters[DECISIONS]);
	note(ctx, s, v, recipient, us);
	if (v->by == JUDGE_DELAYED && conf->action == SESSION_TEMPFAIL) {
		stats_count_by(&counters[HELD],
		    (uint64_t)v->seconds * 1000000);
		stats_count(&counters[HELD_COUNT]);
		if (v->seconds > s->held)
			s->held = v->seconds;
	}
}

/*
 * To DATA, the answer hangs up.  After another 4xx a client may say DATA again,
 * and then the MTA asks and libmilter does not answer, until we are left out of
 * all that follows.
 */
static const char *
code(const struct session *s)
{
	return s->bounces ? "421" : "451";
}

static sfsistat
refuse(SMFICTX *ctx, const struct session *s, const struct verdict *v)
{
	char client[ADDR_TEXT_MAX], when[60] = "please come back later";
	char expanded[REPLY_TEXT_MAX];
	const char *qid = smfi_getsymval(ctx, (char *)"i");

	if (!conf->quiet)
		snprintf(when, sizeof when, "please come back in %" PRId64
		    " seconds", v->seconds);
	reply_expand(expanded, sizeof expanded, conf->message != NULL ?
	    conf->message : "Greylisted, %l", &(struct reply_words){
	    .client = addr_print(&s->addr, client),
	    .list = when,
	    .queue_id = qid != NULL ? qid : "NOQUEUE" });
	return reply_tempfail(ctx, code(s), "4.7.1", expanded);
}

/* Is there nothing more to do for this message, whoever else it is for? */
static bool
may_go(const struct session *s, const struct verdict *v)
{
	return v->by == JUDGE_AUTOWHITE && s->held == 0 && !conf->traps;
}

static sfsistat
in_trouble(SMFICTX *ctx, const struct session *s)
{
	return fail(ctx, code(s), "the greylist cannot be used");
}

/* A verdict is there: pass, or be sent away in the way that was chosen. */
static sfsistat
act(SMFICTX *ctx, struct session *s, const struct verdict *v)
{
	if (v->by == JUDGE_ERROR)
		return in_trouble(ctx, s);
	if (!judge_waits(v->by)) {
		s->passes = true;
		if (carry_waiting(s) == -1)
			return in_trouble(ctx, s);
		s->would_wait = 0;
		return may_go(s, v) ? SMFIS_ACCEPT : SMFIS_CONTINUE;
	}
	if (v->by != JUDGE_TRAP)
		add_waiting(s);
	if (conf->action == SESSION_TEMPFAIL)
		return refuse(ctx, s, v);
	if (conf->action == SESSION_MARK && v->seconds > s->would_wait)
		s->would_wait = v->seconds;
	return SMFIS_CONTINUE;
}

/* One the MTA refuses itself, which we only see because of traps. */
static bool
is_refused(SMFICTX *ctx)
{
	const char *mailer = smfi_getsymval(ctx, (char *)"{rcpt_mailer}");

	return (steps & SMFIP_RCPT_REJ) && mailer != NULL &&
	    strcmp(mailer, "error") == 0;
}

static sfsistat
gray_envrcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	struct verdict v = { .by = JUDGE_NOTHING };
	bool refused = is_refused(ctx);

	if (s == NULL)
		return fail(ctx, "451", "out of memory");
	if (refused && s->spared)
		return SMFIS_CONTINUE;
	if (s->learns)
		learn(s, argv[0]);
	if (s->spared)
		return s->learns ? SMFIS_CONTINUE : SMFIS_ACCEPT;
	judge_recipient(conf->judge, argv[0], &v);
	if (refused && v.by != JUDGE_TRAP)
		return SMFIS_CONTINUE;
	if (v.by != JUDGE_NOTHING) {
		note(ctx, s, &v, argv[0], 0);
		if (v.by != JUDGE_TRAP) {
			s->others = true;
			return SMFIS_CONTINUE;
		}
		spring_trap(s, argv[0]);
		return s->bounces ? SMFIS_CONTINUE : act(ctx, s, &v);
	}
	tuple_set_recipient(&s->tuple, argv[0]);
	if (s->bounces) {
		/* More than are remembered follow the first ones. */
		if (!add_waiting(s) && s->waits == 0)
			return fail(ctx, "451", "out of memory");
		return SMFIS_CONTINUE;
	}
	judge_one(ctx, s, argv[0], &v);
	return act(ctx, s, &v);
}

/*
 * The null sender is asked to come back here and not at RCPT, where a server
 * that only wants to know whether an address exists would take it for a no.
 */
static sfsistat
judge_bounce(SMFICTX *ctx, struct session *s)
{
	struct verdict v = { .by = JUDGE_NOTHING }, wait = v;
	const int count = s->waits;
	char path[TUPLE_TEXT_MAX + 3];

	for (int i = 0; i < count && !s->passes; i++) {
		memcpy(s->tuple.recipient, s->waiting[i].recipient,
		    sizeof s->tuple.recipient);
		snprintf(path, sizeof path, "<%s>", s->tuple.recipient);
		judge_one(ctx, s, path, &v);
		if (v.by == JUDGE_ERROR || !judge_waits(v.by)) {
			s->waiting[i] = s->waiting[--s->waits];
			return act(ctx, s, &v);
		}
		if (v.seconds > wait.seconds)
			wait = v;
	}
	if (s->trapped && count == 0 && !s->others) {
		wait.by = JUDGE_TRAP;
		wait.seconds = conf->judge->conf.rules.delay;
	}
	return judge_waits(wait.by) ? act(ctx, s, &wait) : SMFIS_CONTINUE;
}

static sfsistat
gray_data(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	sfsistat answer = SMFIS_CONTINUE;

	if (s == NULL || s == &exempt_client)
		return SMFIS_ACCEPT;
	if (s->bounces && !s->spared)
		answer = judge_bounce(ctx, s);
	if (answer == SMFIS_CONTINUE && s->held == 0 && s->would_wait == 0) {
		clear_message(s);
		return SMFIS_ACCEPT;
	}
	return answer;
}

/* RFC 5322 3.3 */
static void
print_date(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(out, size, "%a, %d %b %Y %H:%M:%S %z", &tm) == 0)
		out[0] = '\0';
}

static sfsistat
gray_eom(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	const char *j = smfi_getsymval(ctx, (char *)"j");
	char host[HOST_MAX], date[60], text[HOST_MAX + 140];

	if (s == NULL || (s->held == 0 && s->would_wait == 0))
		return SMFIS_CONTINUE;
	reply_clean(host, sizeof host, j != NULL ? j : "localhost", 0);
	print_date(date, sizeof date);
	snprintf(text, sizeof text, "%s %" PRId64
	    " seconds by graymilter at %s; %s", s->held > 0 ? "delayed" :
	    "would be delayed", s->held > 0 ? s->held : s->would_wait, host,
	    date);
	clear_message(s);
	if (smfi_insheader(ctx, 0, (char *)HEADER, text) != MI_SUCCESS)
		return fail(ctx, "451", "the MTA takes no header");
	return SMFIS_CONTINUE;
}

static sfsistat
gray_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s != &exempt_client)
		clear_message(s);
	return SMFIS_CONTINUE;
}

/* libmilter calls this even when gray_connect() never ran. */
static sfsistat
gray_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	smfi_setpriv(ctx, NULL);
	if (s != NULL && s != &exempt_client) {
		stats_count_by(&counters[SESSIONS], (uint64_t)-1);
		clear_message(s);
		free(s);
	}
	return SMFIS_CONTINUE;
}

/* Of what the MTA can do, ask for what the options need and no more. */
static sfsistat
gray_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	static struct log_limit limit;

	(void)f2;
	(void)f3;
	if (!(f0 & SMFIF_ADDHDRS) && log_due(&limit))
		log_error("the MTA takes no header");
	smfi_setsymlist(ctx, SMFIM_CONNECT,
	    iplist_has_domains(conf->judge->clients) ?
	    (char *)CLIENT_MACROS_CONNECT : (char *)"");
	smfi_setsymlist(ctx, SMFIM_HELO, (char *)"");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, conf->scanauth && !conf->learn ?
	    (char *)"i" : (char *)"i " CLIENT_MACROS_MAIL);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, steps & SMFIP_RCPT_REJ ?
	    (char *)"{rcpt_mailer}" : (char *)"");
	smfi_setsymlist(ctx, SMFIM_DATA, (char *)"i");
	smfi_setsymlist(ctx, SMFIM_EOH, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"j");
	*pf0 = f0 & SMFIF_ADDHDRS;
	*pf1 = f1 & steps;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

static char name[] = "graymilter";

struct smfiDesc session_filter = {
	.xxfi_name = name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS,
	.xxfi_connect = gray_connect,
	.xxfi_envfrom = gray_envfrom,
	.xxfi_envrcpt = gray_envrcpt,
	.xxfi_data = gray_data,
	.xxfi_eom = gray_eom,
	.xxfi_abort = gray_abort,
	.xxfi_close = gray_close,
	.xxfi_negotiate = gray_negotiate,
};

void
session_open(const struct session_conf *c)
{
	conf = c;
	/* What is to be said is said at RCPT, or later. */
	steps = SMFIP_NR_CONN | SMFIP_NOHELO | SMFIP_NR_MAIL | SMFIP_NOHDRS |
	    SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN;
	if (conf->traps)
		steps |= SMFIP_RCPT_REJ;
	stats_add(counters, sizeof counters / sizeof counters[0]);
	reply_add_stats();
	stats_add(verdicts + 1, JUDGE_BY_COUNT - 1);
}
