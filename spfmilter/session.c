#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "clock.h"
#include "forged.h"
#include "hint.h"
#include "log.h"
#include "reply.h"
#include "session.h"
#include "stats.h"

#define RECEIVED_SPF	"Received-SPF"
#define RESULTS		"Authentication-Results"

#define HELO_MAX	256	/* bytes of a HELO name that are kept */

/* Of a message, from MAIL to its end. */
struct message {
	char sender[JUDGE_SENDER_MAX];
	struct verdict verdict;
	bool refuses;			/* recipients whose MX it is not */
	struct forged results, received;
};

/* One per connection; of clients that are spared it is this one, for all. */
struct session {
	struct addr addr;
	char helo[HELO_MAX];
	struct opinion *opinion;	/* of that name, once it was asked */
	struct message *message;	/* NULL: none is under way */
};
static struct session spared_client;

static const struct session_conf *conf;
static unsigned long steps;		/* the SMFIP_ bits we negotiate */

/* What is done may be chosen, so the labels are written by session_open(). */
#define LABELS_MAX	48
static char verdict_labels[SPF_RESULTS][LABELS_MAX];
static struct stats_counter verdicts[SPF_RESULTS];

#define RESULT(identity, result)					\
	{ "results_total", "identity=\"" identity "\",result=\"" result	\
	    "\"", "Results of checks.", 0 }
#define OF_IDENTITY(identity)						\
	RESULT(identity, "none"), RESULT(identity, "neutral"),		\
	RESULT(identity, "pass"), RESULT(identity, "fail"),		\
	RESULT(identity, "softfail"), RESULT(identity, "temperror"),	\
	RESULT(identity, "permerror")

/* In the order of enum spf_result, for the one and for the other. */
static struct stats_counter results[] = {
	OF_IDENTITY("mailfrom"), OF_IDENTITY("helo")
};
enum { MAILFROM = 0, HELO = SPF_RESULTS };

static struct stats_counter counters[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "sessions", NULL,
	    "Connections open whose clients are not exempt.", 0 },
	{ "check_seconds_sum", NULL, "Time taken to check messages.", 0 },
	{ "check_seconds_count", NULL, NULL, 0 },
	{ "private_clients_total", NULL,
	    "Clients not judged, for their address is private.", 0 },
	{ "recipient_mx_total", NULL,
	    "Recipients that their own MX may send anything to.", 0 },
};
enum { CONNECTIONS, SESSIONS, SECONDS, CHECKS, PRIVATE, RECIPIENT_MX };

static sfsistat
fail(SMFICTX *ctx, const char *trouble)
{
	return reply_trouble(ctx, (enum onerror)conf->onerror, "451", trouble);
}

/* Our own name, as those behind us know it. */
static const char *
receiver(SMFICTX *ctx)
{
	const char *j;

	if (conf->authserv_id != NULL)
		return conf->authserv_id;
	j = smfi_getsymval(ctx, (char *)"j");
	return j != NULL && header_is_authserv_id(j) ? j : "localhost";
}

static struct claim
claim_of(SMFICTX *ctx, const struct session *s)
{
	return (struct claim) {
		.client = &s->addr,
		.helo = s->helo,
		.sender = s->message->sender,
		.receiver = receiver(ctx),
	};
}

static void
forget_message(struct session *s)
{
	if (s->message == NULL)
		return;
	forged_free(&s->message->results);
	forged_free(&s->message->received);
	free(s->message);
	s->message = NULL;
}

static sfsistat
spf_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct addr addr;
	struct session *s;
	enum client_exempt exempt = client_connect(&addr, sa);
	enum judge_exempt spared = JUDGE_NOT_EXEMPT;
	char client[ADDR_TEXT_MAX];

	stats_count(&counters[CONNECTIONS]);
	if (exempt == CLIENT_JUDGED)
		spared = judge_client(conf->judge, &addr,
		    client_host(ctx, host));
	if (spared == JUDGE_WHITELIST)
		exempt = CLIENT_WHITELISTED;
	client_count(exempt);
	if (spared == JUDGE_PRIVATE)
		stats_count(&counters[PRIVATE]);
	if (exempt != CLIENT_JUDGED || spared != JUDGE_NOT_EXEMPT) {
		log_debug("verdict=pass by=%s client=%s",
		    spared != JUDGE_NOT_EXEMPT ? judge_exempt_word(spared) :
		    client_exempt_word(exempt), exempt == CLIENT_LOCAL ? "-" :
		    addr_print(&addr, client));
		smfi_setpriv(ctx, &spared_client);
	} else if ((s = calloc(1, sizeof *s)) != NULL) {
		s->addr = addr;
		smfi_setpriv(ctx, s);
		stats_count(&counters[SESSIONS]);
	}
	return steps & SMFIP_NR_CONN ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* Another name is another identity. */
static sfsistat
spf_helo(SMFICTX *ctx, char *helo)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s != &spared_client) {
		free(s->opinion);
		s->opinion = NULL;
		snprintf(s->helo, sizeof s->helo, "%s", helo);
	}
	return steps & SMFIP_NR_HELO ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* The HELO identity; what is known of it holds for the whole connection. */
static void
check_helo(struct session *s, struct dns *dns, const struct claim *claim)
{
	struct opinion *o = &s->message->verdict.helo;

	if (s->opinion != NULL && !s->opinion->answer.unsure &&
	    s->opinion->answer.result != SPF_IS_TEMPERROR) {
		*o = *s->opinion;
		return;
	}
	judge_identity(conf->judge, dns, claim, true, o);
	stats_count(&results[HELO + (int)o->answer.result]);
	if (s->opinion == NULL)
		s->opinion = malloc(sizeof *s->opinion);
	if (s->opinion != NULL)
		*s->opinion = *o;
}

/* Both identities, within one deadline.  Returns the microseconds it took. */
static int64_t
check(struct session *s, const struct claim *claim)
{
	const int64_t begin = clock_us();
	struct verdict *v = &s->message->verdict;
	struct resolver_lookup lookup;

	resolver_begin(conf->judge->resolver, &lookup,
	    begin + conf->deadline * 1000000);
	if (judge_needs_helo(conf->judge, claim))
		check_helo(s, &lookup.dns, claim);
	if (claim->sender[0] != '\0') {
		judge_identity(conf->judge, &lookup.dns, claim, false,
		    &v->mail);
		stats_count(&results[MAILFROM +
		    (int)v->mail.answer.result]);
	}
	resolver_end(&lookup);
	judge_decide(conf->judge, v);
	stats_count_by(&counters[SECONDS], (uint64_t)(clock_us() - begin));
	stats_count(&counters[CHECKS]);
	return clock_us() - begin;
}

/* A pass, and where nothing was published: nobody will ask why. */
static bool
is_plain(const struct verdict *v)
{
	return (v->action == ACTION_MARK || v->action == ACTION_NONE) &&
	    (v->result == SPF_IS_PASS || v->result == SPF_IS_NONE ||
	    v->result == SPF_IS_NEUTRAL);
}

static void
note(SMFICTX *ctx, const struct session *s, int64_t us)
{
	const struct verdict *v = &s->message->verdict;
	const struct opinion *o = judge_deciding(v);
	const char *id = smfi_getsymval(ctx, (char *)"i");
	char client[ADDR_TEXT_MAX], helo[LOG_WORD_MAX], from[LOG_WORD_MAX];
	char what[LOG_WORD_MAX], problem[LOG_WORD_MAX], qid[LOG_WORD_MAX];
	const char *text = o->answer.mechanism[0] != '\0' ?
	    o->answer.mechanism : o->answer.reason;

	stats_count(&verdicts[v->result]);
	if (is_plain(v) && !log_is_verbose())
		return;
	log_info("verdict=%s by=%s identity=%s %s=%s%s%s%s client=%s helo=%s "
	    "from=<%s> qid=%s us=%" PRId64, action_word(v->action),
	    spf_result_word(v->result), v->by_helo ? "helo" : "mailfrom",
	    o->answer.mechanism[0] != '\0' ? "mechanism" : "reason",
	    log_word(what, text), o->answer.problem[0] != '\0' ?
	    " problem=" : "", log_word(problem, o->answer.problem),
	    o->source == NULL ? "" : o->source[0] == 'f' ? " source=fallback" :
	    o->source[0] == 'b' ? " source=guess" : " source=localpolicy",
	    addr_print(&s->addr, client), log_word(helo, s->helo),
	    log_word(from, s->message->sender),
	    id != NULL ? log_word(qid, id) : "NOQUEUE", us);
}

/* sendmail puts the path and "... " in front of what we say. */
static size_t
reply_room(const char *path)
{
	size_t before = strlen(path) + sizeof "... ";

	return before < REPLY_TEXT_MAX / 2 ? REPLY_TEXT_MAX - before :
	    REPLY_TEXT_MAX / 2;
}

/*
 * To the command with this path.  RFC 7372 3.2, and RFC 7208 8.6 for the
 * temporary one.
 */
static sfsistat
refuse(SMFICTX *ctx, const struct session *s, const char *path)
{
	const struct verdict *v = &s->message->verdict;
	const struct claim claim = claim_of(ctx, s);
	const char *qid = smfi_getsymval(ctx, (char *)"i");
	char reason[REPLY_TEXT_MAX], text[REPLY_TEXT_MAX];
	char client[ADDR_TEXT_MAX];

	judge_reason(reason, sizeof reason, &claim, v);
	reply_expand(text, reply_room(path), conf->message != NULL ?
	    conf->message : "%l", &(struct reply_words){
	    .client = addr_print(&s->addr, client),
	    .list = reason,
	    .queue_id = qid != NULL ? qid : "NOQUEUE" });
	if (v->action == ACTION_REJECT)
		return reply_reject(ctx, "550", v->result == SPF_IS_PERMERROR ?
		    "5.7.24" : "5.7.23", text);
	return reply_tempfail(ctx, "451", v->result == SPF_IS_TEMPERROR ?
	    "4.4.3" : v->result == SPF_IS_PERMERROR ? "4.7.24" : "4.7.23",
	    text);
}

static sfsistat
act(SMFICTX *ctx, struct session *s, const char *path)
{
	struct verdict *v = &s->message->verdict;
	bool refuses = v->action == ACTION_REJECT ||
	    v->action == ACTION_TEMPFAIL;

	/* Who lets everybody may have everybody known by himself. */
	if (v->mail.there && v->mail.answer.result == SPF_IS_PASS &&
	    strcmp(v->mail.answer.mechanism, "all") != 0 &&
	    strcmp(v->mail.answer.mechanism, "+all") != 0 &&
	    !refuses && !conf->dryrun)
		hint_send(&s->addr, v->mail.answer.domain);
	if (refuses && !conf->recipientmx)
		return refuse(ctx, s, path);
	s->message->refuses = refuses;
	if (!conf->dryrun)
		return SMFIS_CONTINUE;
	forget_message(s);
	return SMFIS_ACCEPT;
}

static sfsistat
spf_envfrom(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	enum client_exempt exempt = conf->scanauth ? CLIENT_JUDGED :
	    client_mail(ctx);
	struct claim claim;

	if (s == &spared_client)
		return SMFIS_ACCEPT;
	if (s == NULL)
		return fail(ctx, "out of memory");
	forget_message(s);
	if (exempt != CLIENT_JUDGED) {
		client_count(exempt);
		log_debug("verdict=pass by=%s", client_exempt_word(exempt));
		return SMFIS_ACCEPT;
	}
	if ((s->message = calloc(1, sizeof *s->message)) == NULL)
		return fail(ctx, "out of memory");
	judge_set_sender(s->message->sender, argv[0]);
	claim = claim_of(ctx, s);
	note(ctx, s, check(s, &claim));
	return act(ctx, s, argv[0]);
}

/* Only of mail that is refused unless it comes from the recipient's MX. */
static int
is_from_its_mx(const struct session *s, const char *recipient)
{
	struct resolver_lookup lookup;
	int is_mx;

	resolver_begin(conf->judge->resolver, &lookup,
	    clock_us() + conf->deadline * 1000000);
	is_mx = judge_recipient_mx(&lookup.dns, &s->addr, recipient);
	resolver_end(&lookup);
	return is_mx;
}

static sfsistat
spf_envrcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s == NULL || s->message == NULL || !s->message->refuses)
		return SMFIS_CONTINUE;
	switch (is_from_its_mx(s, argv[0])) {
	case 1:
		stats_count(&counters[RECIPIENT_MX]);
		return SMFIS_CONTINUE;
	case 0:
		return refuse(ctx, s, argv[0]);
	default:
		return reply_tempfail(ctx, "451", "4.4.3",
		    "MX of the recipient cannot be looked up now");
	}
}

static sfsistat
spf_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->message != NULL) {
		if (strcasecmp(name, RESULTS) == 0)
			forged_add(&s->message->results,
			    header_is_from(value, receiver(ctx)));
		else if (strcasecmp(name, RECEIVED_SPF) == 0)
			forged_add(&s->message->received,
			    header_is_received_by(value, receiver(ctx)));
	}
	return steps & SMFIP_NR_HDR ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* On top of all, MAIL FROM's before HELO's. */
static int
add_headers(SMFICTX *ctx, const struct session *s)
{
	const struct claim claim = claim_of(ctx, s);
	struct header_facts facts[2];
	char text[HEADER_MAX];
	int count = judge_facts(facts, &claim, &s->message->verdict);

	for (int i = 0; i < count; i++)
		if (smfi_insheader(ctx, 0, (char *)RECEIVED_SPF, (char *)
		    header_received_spf(text, &facts[i])) != MI_SUCCESS)
			return MI_FAILURE;
	return smfi_insheader(ctx, 0, (char *)RESULTS, (char *)
	    header_authentication_results(text, claim.receiver, facts, count));
}

static int
quarantine(SMFICTX *ctx, const struct verdict *v)
{
	char text[100];

	snprintf(text, sizeof text, "spfmilter: SPF %s",
	    spf_result_word(v->result));
	return smfi_quarantine(ctx, text);
}

static sfsistat
spf_eom(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s != NULL ? s->message : NULL;
	enum action action;
	int done;

	if (m == NULL)
		return SMFIS_CONTINUE;
	if (m->results.excess || m->received.excess) {
		forget_message(s);
		return forged_refuse(ctx);
	}
	action = m->verdict.action;
	done = forged_remove(&m->results, ctx, RESULTS);
	if (done == MI_SUCCESS)
		done = forged_remove(&m->received, ctx, RECEIVED_SPF);
	if (done == MI_SUCCESS && action != ACTION_NONE)
		done = add_headers(ctx, s);
	if (done == MI_SUCCESS && action == ACTION_QUARANTINE)
		done = quarantine(ctx, &m->verdict);
	forget_message(s);
	if (done != MI_SUCCESS)
		return fail(ctx, "the MTA takes no change of a message");
	return action == ACTION_DISCARD ? SMFIS_DISCARD : SMFIS_CONTINUE;
}

static sfsistat
spf_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL)
		forget_message(s);
	return SMFIS_CONTINUE;
}

/* libmilter calls this even when spf_connect() never ran. */
static sfsistat
spf_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	smfi_setpriv(ctx, NULL);
	if (s != NULL && s != &spared_client) {
		stats_count_by(&counters[SESSIONS], (uint64_t)-1);
		forget_message(s);
		free(s->opinion);
		free(s);
	}
	return SMFIS_CONTINUE;
}

static bool
has_action(enum action action)
{
	for (int i = 0; i < SPF_RESULTS; i++)
		if (conf->judge->action[i] == (int)action)
			return true;
	return false;
}

/* Of what the MTA can do, ask for what the options need and no more. */
static sfsistat
spf_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	static struct log_limit limit;
	unsigned long actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
	bool asks_host = iplist_has_domains(conf->judge->clients);

	(void)f2;
	(void)f3;
	if (conf->dryrun)
		actions = 0;
	if (has_action(ACTION_QUARANTINE))
		actions |= SMFIF_QUARANTINE;
	if ((f0 & actions) != actions && log_due(&limit))
		log_error("the MTA takes no change of a message");
	smfi_setsymlist(ctx, SMFIM_CONNECT, asks_host ?
	    (char *)CLIENT_MACROS_CONNECT : (char *)"");
	smfi_setsymlist(ctx, SMFIM_HELO, (char *)"");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, conf->scanauth ? (char *)"i j" :
	    (char *)"i j " CLIENT_MACROS_MAIL);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, (char *)"");
	smfi_setsymlist(ctx, SMFIM_DATA, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOH, (char *)"");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"");
	*pf0 = f0 & actions;
	*pf1 = f1 & steps;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

static char name[] = "spfmilter";

struct smfiDesc session_filter = {
	.xxfi_name = name,
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
	.xxfi_connect = spf_connect,
	.xxfi_helo = spf_helo,
	.xxfi_envfrom = spf_envfrom,
	.xxfi_envrcpt = spf_envrcpt,
	.xxfi_header = spf_header,
	.xxfi_eom = spf_eom,
	.xxfi_abort = spf_abort,
	.xxfi_close = spf_close,
	.xxfi_negotiate = spf_negotiate,
};

static void
add_verdict_stats(void)
{
	for (int i = 0; i < SPF_RESULTS; i++) {
		snprintf(verdict_labels[i], LABELS_MAX,
		    "verdict=\"%s\",by=\"%s\"",
		    action_word((enum action)conf->judge->action[i]),
		    spf_result_word((enum spf_result)i));
		verdicts[i].name = "verdicts_total";
		verdicts[i].labels = verdict_labels[i];
		verdicts[i].help = "Verdicts on messages.";
	}
	stats_add(verdicts, SPF_RESULTS);
}

void
session_open(const struct session_conf *c)
{
	conf = c;
	/* What is to be said is said at MAIL. */
	steps = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NODATA | SMFIP_NOEOH |
	    SMFIP_NR_HDR | SMFIP_NOBODY | SMFIP_NOUNKNOWN;
	if (!conf->recipientmx)
		steps |= SMFIP_NORCPT;
	if (conf->dryrun)
		steps |= SMFIP_NOHDRS;
	stats_add(counters, sizeof counters / sizeof counters[0]);
	stats_add(results, sizeof results / sizeof results[0]);
	add_verdict_stats();
	forged_add_stats();
	reply_add_stats();
}
