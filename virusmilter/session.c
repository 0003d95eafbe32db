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

#define SCANNED		"X-Virus-Scanned"
#define STATUS		"X-Virus-Status"
#define HOST_MAX	256	/* bytes of our own name */
#define NO_SCANNER	"no virus scanner can be asked"

/* Of a message, from MAIL to its end. */
struct message {
	char sender[LOG_WORD_MAX];	/* for the log */
	char recipient[LOG_WORD_MAX];	/* the first; or empty */
	bool trusted;			/* from one of our users */
	bool decided;			/* the verdict is there before its end,
					 * and the rest does not matter */
	struct letter letter;
	struct verdict verdict;
	struct forged scanned, status;
	uint64_t bytes;
	int64_t us;			/* it took so far */
};

/* One per connection, and only for those that are not accepted at once. */
struct session {
	struct addr addr;
	struct message *message;
	bool failed;			/* there is none, for want of memory */
};

static const struct session_conf *conf;
static unsigned long steps;		/* the SMFIP_ bits we negotiate */

/* What is done is chosen, so the labels are written by session_open(). */
#define LABELS_MAX	48
static char verdict_labels[JUDGE_BY_COUNT][LABELS_MAX];
static struct stats_counter verdicts[JUDGE_BY_COUNT];

static struct stats_counter counters[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "sessions", NULL,
	    "Connections open that were not accepted at once.", 0 },
	{ "body_bytes_total", NULL, "Bytes of bodies that were scanned.", 0 },
	{ "partial_total", NULL,
	    "Messages of which clamd saw only the beginning.", 0 },
	{ "scan_seconds_sum", NULL, "Time taken to scan messages.", 0 },
	{ "scan_seconds_count", NULL, NULL, 0 },
};
enum { CONNECTIONS, SESSIONS, BYTES, PARTIAL, SECONDS, SCANS };

/* 421 at connect, see reply_trouble(). */
static sfsistat
fail(SMFICTX *ctx, const char *code, const char *trouble)
{
	return reply_trouble(ctx, (enum onerror)conf->judge->onerror, code,
	    trouble);
}

static bool
is_dryrun(void)
{
	return conf->judge->action == ACTION_NONE;
}

static void
forget_message(struct session *s)
{
	struct message *m = s->message;

	s->failed = false;
	if (m == NULL)
		return;
	letter_free(&m->letter);
	forged_free(&m->scanned);
	forged_free(&m->status);
	free(m);
	s->message = NULL;
}

static sfsistat
virus_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct addr addr;
	struct session *s;
	enum client_exempt exempt = client_connect(&addr, sa);

	stats_count(&counters[CONNECTIONS]);
	if (exempt == CLIENT_JUDGED &&
	    judge_spares(conf->judge, &addr, client_host(ctx, host)))
		exempt = CLIENT_WHITELISTED;
	if (exempt != CLIENT_JUDGED) {
		client_count(exempt);
		log_debug("verdict=pass by=%s", client_exempt_word(exempt));
		return SMFIS_ACCEPT;
	}
	if ((s = calloc(1, sizeof *s)) == NULL)
		return fail(ctx, "421", "out of memory");
	s->addr = addr;
	smfi_setpriv(ctx, s);
	stats_count(&counters[SESSIONS]);
	return SMFIS_CONTINUE;
}

/* Nothing is answered here, so want of memory is told at the end. */
static sfsistat
virus_envfrom(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m;

	if (s == NULL)
		return steps & SMFIP_NR_MAIL ? SMFIS_NOREPLY : SMFIS_CONTINUE;
	forget_message(s);
	if ((m = calloc(1, sizeof *m)) == NULL)
		s->failed = true;
	else {
		s->message = m;
		m->trusted = client_mail(ctx) != CLIENT_JUDGED;
		log_word(m->sender, argv[0]);
	}
	return steps & SMFIP_NR_MAIL ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
virus_envrcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->message != NULL && s->message->recipient[0] == '\0')
		log_word(s->message->recipient, argv[0]);
	return steps & SMFIP_NR_RCPT ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
virus_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;

	if (m != NULL) {
		letter_begin(conf->judge, &m->letter, NULL);
		letter_field(conf->judge, &m->letter, name, value);
		if (strcasecmp(name, SCANNED) == 0)
			forged_add(&m->scanned, true);
		else if (strcasecmp(name, STATUS) == 0)
			forged_add(&m->status, true);
	}
	return steps & SMFIP_NR_HDR ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static void
note(SMFICTX *ctx, const struct session *s)
{
	const struct message *m = s->message;
	const struct verdict *v = &m->verdict;
	const char *id = smfi_getsymval(ctx, (char *)"i");
	char client[ADDR_TEXT_MAX], qid[LOG_WORD_MAX], name[LOG_WORD_MAX];
	char file[LOG_WORD_MAX];

	stats_count(&verdicts[v->by]);
	stats_count_by(&counters[BYTES], m->bytes);
	stats_count_by(&counters[SECONDS], (uint64_t)m->us);
	stats_count(&counters[SCANS]);
	if (v->partial)
		stats_count(&counters[PARTIAL]);
	if (v->by == JUDGE_CLEAN && !log_is_verbose())
		return;
	log_info("verdict=%s by=%s%s%s%s%s client=%s from=%s to=%s qid=%s "
	    "bytes=%" PRIu64 "%s us=%" PRId64,
	    judge_action_word(conf->judge, v->by),
	    judge_word(v->by), v->name[0] != '\0' ? " name=" : "",
	    log_word(name, v->name), v->file[0] != '\0' ? " file=" : "",
	    log_word(file, v->file), addr_print(&s->addr, client), m->sender,
	    m->recipient, id != NULL ? log_word(qid, id) : "NOQUEUE", m->bytes,
	    v->partial ? " partial=1" : "", m->us);
}

/* Who sent a worm is to be refused before he can send another. */
static void
report(const struct session *s)
{
	const struct verdict *v = &s->message->verdict;
	char reason[REPORT_REASON_MAX];

	if (conf->report == NULL || !v->malign || s->message->trusted ||
	    is_dryrun())
		return;
	snprintf(reason, sizeof reason, "sent %.70s", v->name);
	report_send(conf->report, &s->addr, conf->report_seconds, reason);
}

static sfsistat
refuse(SMFICTX *ctx, const struct session *s, enum action action)
{
	static const char *const texts[JUDGE_BY_COUNT] = {
		[JUDGE_RULES] = "Not accepted: %l",
		[JUDGE_CLAMD] = "Virus found: %l",
		[JUDGE_EMERGENCY] =
		    "No attachments at the moment, a new worm is about",
		[JUDGE_UNSCANNABLE] = "Not accepted, cannot be scanned: %l",
	};
	const struct verdict *v = &s->message->verdict;
	const char *qid = smfi_getsymval(ctx, (char *)"i");
	char text[REPLY_TEXT_MAX], client[ADDR_TEXT_MAX];

	reply_expand(text, sizeof text, conf->message != NULL ?
	    conf->message : texts[v->by], &(struct reply_words){
	    .client = addr_print(&s->addr, client),
	    .list = v->name,
	    .queue_id = qid != NULL ? qid : "NOQUEUE" });
	return action == ACTION_REJECT ?
	    reply_reject(ctx, "550", "5.7.1", text) :
	    reply_tempfail(ctx, "451", "4.7.1", text);
}

/*
 * The verdict is there.  CONTINUE: it is carried out at the end of the
 * message.
 */
static sfsistat
act(SMFICTX *ctx, struct session *s)
{
	const struct verdict *v = &s->message->verdict;
	const enum action action = judge_action(conf->judge, v->by);

	note(ctx, s);
	report(s);
	switch (action) {
	case ACTION_REJECT:
	case ACTION_TEMPFAIL:
		if (v->by == JUDGE_DOWN)
			return fail(ctx, "451", NO_SCANNER);
		return refuse(ctx, s, action);
	case ACTION_DISCARD:
		return SMFIS_DISCARD;
	default:
		return SMFIS_CONTINUE;
	}
}

/* What is found in the header is told now; the rest need not come. */
static sfsistat
virus_eoh(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;
	const int64_t begin = clock_us();
	sfsistat done;

	if (m == NULL)
		return steps & SMFIP_NR_EOH ? SMFIS_NOREPLY : SMFIS_CONTINUE;
	/* There may have been no field at all. */
	letter_begin(conf->judge, &m->letter, NULL);
	letter_end_header(conf->judge, &m->letter, m->trusted, &m->verdict);
	m->us += clock_us() - begin;
	if (m->verdict.by == JUDGE_CLEAN || steps & SMFIP_NR_EOH)
		return steps & SMFIP_NR_EOH ? SMFIS_NOREPLY : SMFIS_CONTINUE;
	m->decided = true;
	if ((done = act(ctx, s)) != SMFIS_CONTINUE)
		forget_message(s);
	return done;
}

static sfsistat
virus_body(SMFICTX *ctx, unsigned char *bytes, size_t size)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;
	const int64_t begin = clock_us();

	if (m != NULL && !m->decided) {
		letter_body(conf->judge, &m->letter, bytes, size);
		m->bytes += size;
		m->us += clock_us() - begin;
	}
	return steps & SMFIP_NR_BODY ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* --- the end of the message */

static int
add_headers(SMFICTX *ctx, const struct message *m)
{
	const struct verdict *v = &m->verdict;
	const char *j = smfi_getsymval(ctx, (char *)"j");
	char host[HOST_MAX], name[CLAMD_NAME_MAX];
	char scanned[HOST_MAX + 100], status[CLAMD_NAME_MAX + 40];
	int n;

	reply_clean(host, sizeof host, j != NULL ? j : "localhost", 0);
	reply_clean(name, sizeof name, v->name, 0);
	n = snprintf(scanned, sizeof scanned, "virusmilter at %s%s", host,
	    v->asked ? ", clamd" : "");
	if (v->partial)
		snprintf(scanned + n, sizeof scanned - (size_t)n,
		    " (partial: the first %zu bytes)", conf->judge->maxscan);
	if (judge_is_infected(v->by))
		snprintf(status, sizeof status, "Infected (%s)", name);
	else if (v->by == JUDGE_UNSCANNABLE)
		snprintf(status, sizeof status, "Unscannable (%s)", name);
	else
		snprintf(status, sizeof status, v->by == JUDGE_DOWN ?
		    "Unknown (no scanner)" : "Clean");
	return smfi_addheader(ctx, (char *)SCANNED, scanned) == MI_SUCCESS ?
	    smfi_addheader(ctx, (char *)STATUS, status) : MI_FAILURE;
}

static int
change(SMFICTX *ctx, const struct message *m)
{
	char reason[CLAMD_NAME_MAX + 20], name[CLAMD_NAME_MAX];
	int done = forged_remove(&m->scanned, ctx, SCANNED);

	if (done == MI_SUCCESS)
		done = forged_remove(&m->status, ctx, STATUS);
	reply_clean(name, sizeof name, m->verdict.name, 0);
	snprintf(reason, sizeof reason, "virusmilter: %s", name);
	if (done == MI_SUCCESS &&
	    judge_action(conf->judge, m->verdict.by) == ACTION_QUARANTINE)
		done = smfi_quarantine(ctx, reason);
	return done == MI_SUCCESS ? add_headers(ctx, m) : done;
}

/* The MTA's patience begins anew. */
static void
ask_for_patience(void *ctx)
{
	smfi_progress(ctx);
}

static sfsistat
finish(SMFICTX *ctx, struct session *s)
{
	struct message *m = s->message;
	const int64_t begin = clock_us();
	sfsistat done = SMFIS_CONTINUE;

	if (!m->decided) {
		letter_end(conf->judge, &m->letter, ask_for_patience, ctx,
		    &m->verdict);
		m->us += clock_us() - begin;
		done = act(ctx, s);
	}
	if (is_dryrun() || done != SMFIS_CONTINUE)
		return done;
	if (m->scanned.excess || m->status.excess)
		return forged_refuse(ctx);
	if (change(ctx, m) != MI_SUCCESS)
		return fail(ctx, "451",
		    "the MTA takes no change of a message");
	return m->verdict.by == JUDGE_DOWN ? fail(ctx, "451", NO_SCANNER) :
	    SMFIS_CONTINUE;
}

static sfsistat
virus_eom(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	sfsistat done;

	if (s == NULL)
		return SMFIS_CONTINUE;
	if (s->message != NULL)
		done = finish(ctx, s);
	else
		done = s->failed ? reply_tempfail(ctx, "451", "4.3.0",
		    "out of memory") : SMFIS_CONTINUE;
	forget_message(s);
	return done;
}

static sfsistat
virus_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL)
		forget_message(s);
	return SMFIS_CONTINUE;
}

/* libmilter calls this even when virus_connect() never ran. */
static sfsistat
virus_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL) {
		smfi_setpriv(ctx, NULL);
		stats_count_by(&counters[SESSIONS], (uint64_t)-1);
		forget_message(s);
		free(s);
	}
	return SMFIS_CONTINUE;
}

/* Of what the MTA can do, ask for what the options need and no more. */
static sfsistat
virus_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	static struct log_limit limit;
	unsigned long actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS;

	(void)f2;
	(void)f3;
	if (conf->judge->action == ACTION_QUARANTINE ||
	    conf->judge->unscannable == ACTION_QUARANTINE)
		actions |= SMFIF_QUARANTINE;
	if (is_dryrun())
		actions = 0;
	if ((f0 & actions) != actions && log_due(&limit))
		log_error("the MTA takes no change of a message");
	smfi_setsymlist(ctx, SMFIM_CONNECT,
	    iplist_has_domains(conf->judge->clients) ?
	    (char *)CLIENT_MACROS_CONNECT : (char *)"");
	smfi_setsymlist(ctx, SMFIM_HELO, (char *)"");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, (char *)"j " CLIENT_MACROS_MAIL);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, (char *)"");
	smfi_setsymlist(ctx, SMFIM_DATA, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOH, steps & SMFIP_NR_EOH ? (char *)"" :
	    (char *)"i");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"i");
	*pf0 = f0 & actions;
	*pf1 = f1 & steps;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

static char name[] = "virusmilter";

struct smfiDesc session_filter = {
	.xxfi_name = name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
	.xxfi_connect = virus_connect,
	.xxfi_envfrom = virus_envfrom,
	.xxfi_envrcpt = virus_envrcpt,
	.xxfi_header = virus_header,
	.xxfi_eoh = virus_eoh,
	.xxfi_body = virus_body,
	.xxfi_eom = virus_eom,
	.xxfi_abort = virus_abort,
	.xxfi_close = virus_close,
	.xxfi_negotiate = virus_negotiate,
};

static void
add_verdict_stats(void)
{
	for (int i = 0; i < JUDGE_BY_COUNT; i++) {
		enum judge_by by = (enum judge_by)i;

		snprintf(verdict_labels[i], LABELS_MAX,
		    "verdict=\"%s\",by=\"%s\"",
		    judge_action_word(conf->judge, by), judge_word(by));
		verdicts[i].name = "verdicts_total";
		verdicts[i].labels = verdict_labels[i];
		verdicts[i].help = "Verdicts on messages.";
	}
	stats_add(verdicts, JUDGE_BY_COUNT);
}

void
session_open(const struct session_conf *c)
{
	conf = c;
	steps = SMFIP_NOHELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NODATA |
	    SMFIP_NR_HDR | SMFIP_NR_BODY | SMFIP_NOUNKNOWN;
	/* Only in an emergency there is something to say at once. */
	if (conf->judge->emergency->file == NULL &&
	    conf->judge->emergency->load == 0 && *conf->control == NULL)
		steps |= SMFIP_NR_EOH;
	stats_add(counters, sizeof counters / sizeof counters[0]);
	add_verdict_stats();
	forged_add_stats();
	reply_add_stats();
}
