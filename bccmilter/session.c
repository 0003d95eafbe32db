#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "clock.h"
#include "forged.h"
#include "log.h"
#include "reply.h"
#include "session.h"
#include "stats.h"

#define HEADER		"X-Bcc-Check"

/* Of a message, from MAIL to its end. */
struct message {
	char sender[LOG_WORD_MAX];	/* for the log */
	struct letter letter;
	struct verdict verdict;
	struct forged forged;
	int64_t us;			/* it took so far */
};

/* One per connection; of clients that are spared it is this one, for all. */
struct session {
	struct addr addr;
	struct message *message;	/* NULL: none is under way */
};
static struct session spared;

/*
 * The MTA waits for us at MAIL first: to wait at connect as well would cost the
 * many more than it saves the few that are spared.
 */
#define STEPS	(SMFIP_NR_CONN | SMFIP_NOHELO | SMFIP_NR_RCPT | SMFIP_NODATA | \
    SMFIP_NR_HDR | SMFIP_NOBODY | SMFIP_NOUNKNOWN)

static const struct session_conf *conf;

/* What is done is chosen, so the labels are written by session_open(). */
#define LABELS_MAX	48
static char verdict_labels[JUDGE_BY_COUNT][LABELS_MAX];
static struct stats_counter verdicts[JUDGE_BY_COUNT];

static struct stats_counter counters[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "sessions", NULL,
	    "Connections open whose clients are not spared.", 0 },
	{ "recipients_total", "found=\"shown\"",
	    "Recipients that were judged.", 0 },
	{ "recipients_total", "found=\"hidden\"", NULL, 0 },
	{ "decision_seconds_sum", NULL, "Time taken to judge messages.", 0 },
	{ "decision_seconds_count", NULL, NULL, 0 },
};
enum { CONNECTIONS, SESSIONS, SHOWN, HIDDEN, SECONDS, DECISIONS };

static sfsistat
fail(SMFICTX *ctx, const char *trouble)
{
	return reply_trouble(ctx, (enum onerror)conf->onerror, "451", trouble);
}

static void
forget_message(struct session *s)
{
	if (s->message == NULL)
		return;
	letter_free(&s->message->letter);
	forged_free(&s->message->forged);
	free(s->message);
	s->message = NULL;
}

/* It passes as it is, whatever is in it. */
static sfsistat
spare(enum judge_by by)
{
	stats_count(&verdicts[by]);
	log_debug("verdict=pass by=%s", judge_word(by));
	return SMFIS_ACCEPT;
}

static void
note_spared(enum client_exempt exempt)
{
	client_count(exempt);
	log_debug("verdict=pass by=%s", client_exempt_word(exempt));
}

static sfsistat
bcc_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct addr addr;
	struct session *s;
	enum client_exempt exempt = client_connect(&addr, sa);

	stats_count(&counters[CONNECTIONS]);
	if (exempt == CLIENT_JUDGED && judge_client(conf->judge, &addr,
	    client_host(ctx, host)) == JUDGE_WHITELIST)
		exempt = CLIENT_WHITELISTED;
	if (exempt != CLIENT_JUDGED) {
		note_spared(exempt);
		smfi_setpriv(ctx, &spared);
	} else if ((s = calloc(1, sizeof *s)) != NULL) {
		s->addr = addr;
		smfi_setpriv(ctx, s);
		stats_count(&counters[SESSIONS]);
	}
	return SMFIS_NOREPLY;
}

static sfsistat
bcc_envfrom(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	enum client_exempt exempt = conf->scanauth ? CLIENT_JUDGED :
	    client_mail(ctx);
	enum judge_by by;

	if (s == &spared)
		return SMFIS_ACCEPT;
	if (s == NULL)
		return fail(ctx, "out of memory");
	forget_message(s);
	if (exempt != CLIENT_JUDGED) {
		note_spared(exempt);
		return SMFIS_ACCEPT;
	}
	if ((by = judge_sender(conf->judge, argv[0])) != JUDGE_NOTHING)
		return spare(by);
	if ((s->message = calloc(1, sizeof *s->message)) == NULL)
		return fail(ctx, "out of memory");
	log_word(s->message->sender, argv[0]);
	return SMFIS_CONTINUE;
}

static sfsistat
bcc_envrcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->message != NULL)
		judge_recipient(conf->judge, &s->message->letter, argv[0]);
	return SMFIS_NOREPLY;
}

static sfsistat
bcc_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->message != NULL) {
		const int64_t begin = clock_us();

		judge_header(conf->judge, &s->message->letter, name, value);
		if (strcasecmp(name, HEADER) == 0)
			forged_add(&s->message->forged, true);
		s->message->us += clock_us() - begin;
	}
	return SMFIS_NOREPLY;
}

static void
note(SMFICTX *ctx, struct session *s)
{
	struct message *m = s->message;
	const struct verdict *v = &m->verdict;
	const char *hidden = recipients_hidden(&m->letter.recipients);
	const char *id = smfi_getsymval(ctx, (char *)"i");
	char client[ADDR_TEXT_MAX], to[LOG_WORD_MAX], qid[LOG_WORD_MAX];
	const bool acts = judge_acts(v->by);

	stats_count(&verdicts[v->by]);
	stats_count_by(&counters[SHOWN], v->shown);
	stats_count_by(&counters[HIDDEN], v->hidden);
	stats_count_by(&counters[SECONDS], (uint64_t)m->us);
	stats_count(&counters[DECISIONS]);
	if (!acts && !log_is_verbose())
		return;
	log_info("verdict=%s by=%s shown=%zu hidden=%zu client=%s from=%s "
	    "to=<%s> qid=%s us=%" PRId64, acts ?
	    action_word((enum action)conf->action) : "pass",
	    judge_word(v->by), v->shown, v->hidden,
	    addr_print(&s->addr, client), m->sender,
	    hidden != NULL ? log_word(to, hidden) : "",
	    id != NULL ? log_word(qid, id) : "NOQUEUE", m->us);
}

/* Nobody's address is in it: the hidden are not to be told of each other. */
static sfsistat
refuse(SMFICTX *ctx, const struct session *s)
{
	static const char *const texts[JUDGE_BY_COUNT] = {
		[JUDGE_NONE_LISTED] =
		    "None of the recipients is in To or Cc",
		[JUDGE_SOME_LISTED] =
		    "Not all of the recipients are in To or Cc",
		[JUDGE_NO_RECIPIENTS] =
		    "There is no recipient in To or Cc",
	};
	const enum judge_by by = s->message->verdict.by;
	const char *qid = smfi_getsymval(ctx, (char *)"i");
	char text[REPLY_TEXT_MAX], client[ADDR_TEXT_MAX];

	reply_expand(text, sizeof text, conf->message != NULL ?
	    conf->message : texts[by], &(struct reply_words){
	    .client = addr_print(&s->addr, client),
	    .list = judge_word(by),
	    .queue_id = qid != NULL ? qid : "NOQUEUE" });
	return conf->action == ACTION_REJECT ?
	    reply_reject(ctx, "550", "5.7.1", text) :
	    reply_tempfail(ctx, "451", "4.7.1", text);
}

/* At the end of the header, the verdict being there. */
static sfsistat
act(SMFICTX *ctx, struct session *s)
{
	const struct message *m = s->message;

	if (judge_acts(m->verdict.by))
		switch (conf->action) {
		case ACTION_REJECT:
		case ACTION_TEMPFAIL:
			return refuse(ctx, s);
		case ACTION_DISCARD:
			return SMFIS_DISCARD;
		case ACTION_QUARANTINE:
		case ACTION_MARK:
			return SMFIS_CONTINUE;
		}
	return m->forged.count > 0 && conf->action != ACTION_NONE ?
	    SMFIS_CONTINUE : SMFIS_ACCEPT;
}

static sfsistat
bcc_eoh(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;
	const int64_t begin = clock_us();
	sfsistat done;

	if (m == NULL)
		return SMFIS_CONTINUE;
	if (m->forged.excess && conf->action != ACTION_NONE) {
		forget_message(s);
		return forged_refuse(ctx);
	}
	judge_decide(conf->judge, &m->letter, &m->verdict);
	m->us += clock_us() - begin;
	note(ctx, s);
	if ((done = act(ctx, s)) != SMFIS_CONTINUE)
		forget_message(s);
	return done;
}

static int
mark(SMFICTX *ctx, const struct verdict *v)
{
	const char *word = judge_word(v->by);
	char reason[60];

	snprintf(reason, sizeof reason, "bccmilter: %s", word);
	if (conf->action == ACTION_QUARANTINE &&
	    smfi_quarantine(ctx, reason) != MI_SUCCESS)
		return MI_FAILURE;
	return smfi_addheader(ctx, (char *)HEADER, (char *)word);
}

/* Only of messages that are to be changed. */
static sfsistat
bcc_eom(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;
	int done;

	if (m == NULL)
		return SMFIS_CONTINUE;
	done = forged_remove(&m->forged, ctx, HEADER);
	if (done == MI_SUCCESS && judge_acts(m->verdict.by))
		done = mark(ctx, &m->verdict);
	forget_message(s);
	return done == MI_SUCCESS ? SMFIS_CONTINUE :
	    fail(ctx, "the MTA takes no change of a message");
}

static sfsistat
bcc_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL)
		forget_message(s);
	return SMFIS_CONTINUE;
}

/* libmilter calls this even when bcc_connect() never ran. */
static sfsistat
bcc_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	smfi_setpriv(ctx, NULL);
	if (s != NULL && s != &spared) {
		stats_count_by(&counters[SESSIONS], (uint64_t)-1);
		forget_message(s);
		free(s);
	}
	return SMFIS_CONTINUE;
}

/* Of what the MTA can do, ask for what the options need and no more. */
static sfsistat
bcc_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	static struct log_limit limit;
	unsigned long actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS;

	(void)f2;
	(void)f3;
	if (conf->action == ACTION_NONE)
		actions = 0;
	if (conf->action == ACTION_QUARANTINE)
		actions |= SMFIF_QUARANTINE;
	if ((f0 & actions) != actions && log_due(&limit))
		log_error("the MTA takes no change of a message");
	smfi_setsymlist(ctx, SMFIM_CONNECT, iplist_has_domains(
	    conf->judge->clients) ? (char *)CLIENT_MACROS_CONNECT :
	    (char *)"");
	smfi_setsymlist(ctx, SMFIM_HELO, (char *)"");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, conf->scanauth ? (char *)"" :
	    (char *)CLIENT_MACROS_MAIL);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, (char *)"");
	smfi_setsymlist(ctx, SMFIM_DATA, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOH, (char *)"i");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"");
	*pf0 = f0 & actions;
	*pf1 = f1 & STEPS;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

static char name[] = "bccmilter";

struct smfiDesc session_filter = {
	.xxfi_name = name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
	.xxfi_connect = bcc_connect,
	.xxfi_envfrom = bcc_envfrom,
	.xxfi_envrcpt = bcc_envrcpt,
	.xxfi_header = bcc_header,
	.xxfi_eoh = bcc_eoh,
	.xxfi_eom = bcc_eom,
	.xxfi_abort = bcc_abort,
	.xxfi_close = bcc_close,
	.xxfi_negotiate = bcc_negotiate,
};

static void
add_verdict_stats(void)
{
	for (int i = 0; i < JUDGE_BY_COUNT; i++) {
		enum judge_by by = (enum judge_by)i;

		snprintf(verdict_labels[i], LABELS_MAX,
		    "verdict=\"%s\",by=\"%s\"", judge_acts(by) ?
		    action_word((enum action)conf->action) : "pass",
		    judge_word(by));
		verdicts[i].name = "verdicts_total";
		verdicts[i].labels = verdict_labels[i];
		verdicts[i].help = "Verdicts on messages.";
	}
	/* The first is none. */
	stats_add(verdicts + JUDGE_BOUNCE, JUDGE_BY_COUNT - JUDGE_BOUNCE);
}

void
session_open(const struct session_conf *c)
{
	conf = c;
	stats_add(counters, sizeof counters / sizeof counters[0]);
	add_verdict_stats();
	forged_add_stats();
	reply_add_stats();
}
