#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "judge.h"
#include "log.h"
#include "stats.h"

int
judge_open(struct judge *j, int lenient)
{
	j->clients = iplist_new();
	j->fallback = fallback_new();
	if (j->clients == NULL || j->fallback == NULL) {
		log_error("out of memory");
		return -1;
	}
	if (lenient) {
		iplist_lenient(j->clients);
		fallback_lenient(j->fallback);
	}
	return 0;
}

int
judge_add_file(struct judge *j, enum judge_list list, const char *path)
{
	return list == JUDGE_FALLBACK ? fallback_add_file(j->fallback, path) :
	    iplist_add_file(j->clients, IPLIST_WHITE, path);
}

/* All of them, lest a bad line in one keep the others as they were. */
int
judge_load(struct judge *j)
{
	int result = iplist_load(j->clients);

	if (fallback_load(j->fallback) == -1)
		result = -1;
	if (resolver_load(j->resolver) == -1)
		result = -1;
	return result;
}

bool
judge_changed(struct judge *j, int settle)
{
	return iplist_changed(j->clients, settle) ||
	    fallback_changed(j->fallback, settle) ||
	    resolver_changed(j->resolver, settle);
}

void
judge_add_stats(struct judge *j)
{
	stats_add_printer(iplist_stats, j->clients);
	stats_add_printer(fallback_stats, j->fallback);
	resolver_add_stats(j->resolver);
}

/* Who has such an address is one of us, or behind one of our routers. */
static bool
is_private(const struct addr *addr)
{
	const unsigned char *b = addr->byte;

	if (!addr_is_ipv4(addr))
		return (b[0] & 0xfe) == 0xfc ||
		    (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	b += 12;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
	    (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) ||
	    (b[0] == 100 && (b[1] & 0xc0) == 64);
}

enum judge_exempt
judge_client(const struct judge *j, const struct addr *addr, const char *host)
{
	if (iplist_find(j->clients, addr, host).white != 0)
		return JUDGE_WHITELIST;
	return is_private(addr) ? JUDGE_PRIVATE : JUDGE_NOT_EXEMPT;
}

const char *
judge_exempt_word(enum judge_exempt exempt)
{
	return exempt == JUDGE_WHITELIST ? "whitelist" :
	    exempt == JUDGE_PRIVATE ? "private" : "nothing";
}

void
judge_set_sender(char out[JUDGE_SENDER_MAX], const char *path)
{
	size_t size = strlen(path);

	if (path[0] == '<') {
		path++;
		size--;
	}
	if (size > 0 && path[size - 1] == '>')
		size--;
	if (size >= JUDGE_SENDER_MAX && strrchr(path, '@') != NULL) {
		size -= (size_t)(strrchr(path, '@') - path);
		path = strrchr(path, '@');
	}
	snprintf(out, JUDGE_SENDER_MAX, "%.*s", (int)size, path);
}

bool
judge_needs_helo(const struct judge *j, const struct claim *claim)
{
	return j->check_helo || claim->sender[0] == '\0';
}

/* Judge by another record.  Only a pass is taken over, unless all is. */
static void
try_record(struct spf_question *q, const char *record, const char *source,
    bool all, struct opinion *o)
{
	struct spf_answer other;

	q->record = record;
	spf_check(q, &other);
	if (!all && other.result != SPF_IS_PASS) {
		/* It might have been one. */
		o->answer.unsure |= other.unsure ||
		    other.result == SPF_IS_TEMPERROR;
		return;
	}
	o->answer = other;
	o->source = source;
}

void
judge_identity(const struct judge *j, struct dns *dns,
    const struct claim *claim, bool helo, struct opinion *o)
{
	struct spf_question q = {
		.client = claim->client,
		.sender = helo ? claim->helo : claim->sender,
		.helo = claim->helo,
		.receiver = claim->receiver,
		.dns = dns,
		.ask_why = j->ask_why,
		.explanation = j->explanation,
	};
	const struct spf_answer *a = &o->answer;
	char record[FALLBACK_RECORD_MAX];

	if (helo && strchr(claim->helo, '@') != NULL)
		q.sender = "";
	o->there = true;
	o->source = NULL;
	spf_check(&q, &o->answer);
	if (a->result == SPF_IS_NONE && a->domain[0] != '\0') {
		if (fallback_find(j->fallback, a->domain, record))
			try_record(&q, record, "fallback record", true, o);
		else if (j->guess != NULL && !helo)
			try_record(&q, j->guess, "best guess", false, o);
	}
	if (j->localpolicy != NULL &&
	    (a->result == SPF_IS_FAIL || a->result == SPF_IS_SOFTFAIL))
		try_record(&q, j->localpolicy, "local policy", false, o);
}

const struct opinion *
judge_deciding(const struct verdict *v)
{
	return v->by_helo ? &v->helo : &v->mail;
}

void
judge_decide(const struct judge *j, struct verdict *v)
{
	v->by_helo = v->helo.there && (!v->mail.there ||
	    v->helo.answer.result == SPF_IS_FAIL);
	v->result = judge_deciding(v)->answer.result;
	v->action = (enum action)j->action[v->result];
	if (judge_deciding(v)->answer.unsure && (v->action == ACTION_REJECT ||
	    v->action == ACTION_DISCARD)) {
		v->result = SPF_IS_TEMPERROR;
		v->action = (enum action)j->action[v->result];
	}
}

int
judge_recipient_mx(struct dns *dns, const struct addr *client,
    const char *path)
{
	struct addr_mailbox m;
	char domain[MACRO_DOMAIN_MAX];

	addr_mailbox(&m, path);
	if (m.domain_size == 0 || m.domain_size >= sizeof domain)
		return 0;
	memcpy(domain, m.domain, m.domain_size);
	domain[m.domain_size] = '\0';
	return spf_is_mx(dns, client, domain);
}

static struct header_facts
facts_of(const struct claim *claim, const struct opinion *o, bool helo)
{
	return (struct header_facts) {
		.result = o->answer.result,
		.is_helo = helo,
		.client = claim->client,
		.receiver = claim->receiver,
		.sender = claim->sender,
		.helo = claim->helo,
		.domain = o->answer.domain,
		.mechanism = o->answer.mechanism,
		.reason = o->answer.reason,
		.problem = o->answer.problem,
		.source = o->source,
	};
}

int
judge_facts(struct header_facts facts[2], const struct claim *claim,
    const struct verdict *v)
{
	int count = 0;

	if (v->helo.there)
		facts[count++] = facts_of(claim, &v->helo, true);
	if (v->mail.there)
		facts[count++] = facts_of(claim, &v->mail, false);
	return count;
}

const char *
judge_reason(char *out, size_t size, const struct claim *claim,
    const struct verdict *v)
{
	const struct spf_answer *a = &judge_deciding(v)->answer;
	const char *domain = a->domain[0] != '\0' ? a->domain :
	    !v->by_helo ? claim->sender :
	    claim->helo[0] != '\0' ? claim->helo : "no HELO name";
	const char *explainer = a->explains ? a->domain : NULL;
	char client[ADDR_TEXT_MAX];
	int n;

	if (v->result == SPF_IS_TEMPERROR)
		n = snprintf(out, size, "SPF of %s cannot be looked up now",
		    domain);
	else if (a->result == SPF_IS_PERMERROR || a->result == SPF_IS_NONE)
		n = snprintf(out, size, "SPF of %s: %s%s%s", domain,
		    a->reason, a->problem[0] != '\0' ? ": " : "", a->problem);
	else
		n = snprintf(out, size, "SPF %s: %s is not %s %s",
		    spf_result_word(a->result),
		    addr_print(claim->client, client), v->by_helo ?
		    "the host" : "allowed to send mail for", domain);
	if (a->explanation[0] != '\0' && n >= 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, "; %s%s%s",
		    explainer != NULL ? explainer : "",
		    explainer != NULL ? " explains: " : "", a->explanation);
	return out;
}

/* Somebody who asks somebody else, and tells what was said. */
struct witness {
	struct dns dns;
	struct dns *below;
	FILE *out;
};

/* Text of any kind as one word. */
static void
print_text(FILE *out, const struct dns_record *r, enum dns_type type)
{
	char address[ADDR_TEXT_MAX];

	if (type == DNS_A || type == DNS_AAAA) {
		fprintf(out, " %s", addr_print(&r->addr, address));
		return;
	}
	fputs(type == DNS_TXT ? " \"" : " ", out);
	for (size_t i = 0; i < r->size; i++)
		putc(r->text[i] >= ' ' && r->text[i] <= '~' ? r->text[i] : '?',
		    out);
	if (type == DNS_TXT)
		putc('"', out);
}

static const struct dns_answer *
ask_and_tell(struct dns *dns, const char *name, enum dns_type type)
{
	struct witness *w = (struct witness *)dns;
	const int64_t begin = clock_us();
	const struct dns_answer *a = w->below->ask(w->below, name, type);
	const struct dns_record query = { .text = name, .size = strlen(name) };

	fprintf(w->out, "query %s", dns_type_word(type));
	print_text(w->out, &query, DNS_PTR);
	fprintf(w->out, ": %s", dns_status_word(a->status));
	for (size_t i = 0; i < a->count; i++)
		print_text(w->out, &a->record[i], type);
	fprintf(w->out, " (ttl %" PRIu32 ", %" PRId64 " us)\n", a->ttl,
	    clock_us() - begin);
	return a;
}

/* Both identities, as the session has them checked. */
static void
judge_both(const struct judge *j, struct dns *dns, const struct claim *claim,
    struct verdict *v)
{
	v->helo.there = v->mail.there = false;
	if (judge_needs_helo(j, claim))
		judge_identity(j, dns, claim, true, &v->helo);
	if (claim->sender[0] != '\0')
		judge_identity(j, dns, claim, false, &v->mail);
	judge_decide(j, v);
}

static bool
is_turned_away(const struct verdict *v)
{
	return v->action == ACTION_REJECT || v->action == ACTION_TEMPFAIL ||
	    v->action == ACTION_DISCARD;
}

static void
print_headers(FILE *out, const struct claim *claim, const struct verdict *v)
{
	struct header_facts facts[2];
	char text[HEADER_MAX];
	int n = judge_facts(facts, claim, v);

	for (int i = 0; i < n; i++)
		fprintf(out, "Received-SPF: %s\n",
		    header_received_spf(text, &facts[i]));
	fprintf(out, "Authentication-Results: %s\n",
	    header_authentication_results(text, claim->receiver, facts, n));
}

static void
print_verdict(FILE *out, const struct verdict *v)
{
	const struct opinion *o = judge_deciding(v);
	const struct spf_answer *a = &o->answer;
	char word[LOG_WORD_MAX];

	fprintf(out, "verdict=%s by=%s identity=%s domain=%s",
	    action_word(v->action), spf_result_word(v->result),
	    v->by_helo ? "helo" : "mailfrom", log_word(word, a->domain));
	if (o->source != NULL)
		fprintf(out, " source=%s", log_word(word, o->source));
	if (a->mechanism[0] != '\0')
		fprintf(out, " mechanism=%s", log_word(word, a->mechanism));
	if (a->reason[0] != '\0')
		fprintf(out, " reason=%s", log_word(word, a->reason));
	if (a->problem[0] != '\0')
		fprintf(out, " problem=%s", log_word(word, a->problem));
	fprintf(out, " terms=%d voids=%d\n", a->terms, a->voids);
}

int
judge_explain(const struct judge *j, FILE *out, long deadline,
    const char *address, const char *helo, const char *sender,
    const char *receiver)
{
	struct resolver_lookup lookup;
	struct witness w = { .dns.ask = ask_and_tell, .below = &lookup.dns,
	    .out = out };
	struct addr addr;
	char mailbox[JUDGE_SENDER_MAX];
	struct claim claim = { &addr, helo, mailbox, receiver };
	struct verdict v;
	enum judge_exempt exempt;
	char text[REPLY_TEXT_MAX];

	if (addr_parse(&addr, address) == -1)
		return -1;
	judge_set_sender(mailbox, sender);
	resolver_begin(j->resolver, &lookup, clock_us() + deadline * 1000000);
	judge_both(j, &w.dns, &claim, &v);
	resolver_end(&lookup);
	exempt = judge_client(j, &addr, NULL);
	if (exempt != JUDGE_NOT_EXEMPT || addr_is_loopback(&addr)) {
		fprintf(out, "verdict=pass by=%s; without that:\n",
		    addr_is_loopback(&addr) ?
		    client_exempt_word(CLIENT_LOOPBACK) :
		    judge_exempt_word(exempt));
		iplist_explain(j->clients, out, &addr, NULL);
	}
	print_verdict(out, &v);
	if (is_turned_away(&v))
		fprintf(out, "reason: %s\n", judge_reason(text, sizeof text,
		    &claim, &v));
	print_headers(out, &claim, &v);
	if (judge_deciding(&v)->source != NULL)
		fallback_explain(j->fallback, out,
		    judge_deciding(&v)->answer.domain);
	return exempt == JUDGE_NOT_EXEMPT && !addr_is_loopback(&addr) &&
	    is_turned_away(&v);
}
