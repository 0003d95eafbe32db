#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "evaluate.h"
#include "spf.h"

#define LOCAL_MAX	1000	/* bytes of a local part, with NUL */

static const char *const result_word[SPF_RESULTS] = {
	"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"
};

const char *
spf_result_word(enum spf_result result)
{
	return result_word[result];
}

/* RFC 7208 4.3: it has a dot inside, and is no address in brackets. */
static bool
is_domain(const char *name)
{
	const char *dot = strchr(name, '.');

	return dns_is_name(name) && dot != NULL && dot[1] != '\0' &&
	    name[0] != '[';
}

/* RFC 7208 6.2: what is wrong with it only means that there is none. */
static bool
ask_why(const struct spf_question *q, struct evaluation *e,
    struct spf_answer *out)
{
	const struct page *p = e->top;
	const struct dns_answer *a;
	char name[MACRO_DOMAIN_MAX];
	bool found;

	if (!q->ask_why || p == NULL || p->exp.kind != TERM_EXP ||
	    !matcher_target(&e->matcher, &p->exp, p->domain, name))
		return false;
	a = q->dns->ask(q->dns, name, DNS_TXT);
	found = a->count == 1 && a->record[0].size > 0 &&
	    macro_is_explain_string(a->record[0].text, a->record[0].size);
	if (found)
		macro_expand_text(out->explanation, sizeof out->explanation,
		    a->record[0].text, a->record[0].size, &e->matcher.words);
	dns_release(a);
	return found;
}

static void
explain(const struct spf_question *q, struct evaluation *e,
    struct spf_answer *out)
{
	out->explains = ask_why(q, e, out);
	if (out->explains || q->explanation == NULL)
		return;
	e->matcher.words.domain = out->domain;
	macro_expand_text(out->explanation, sizeof out->explanation,
	    q->explanation, strlen(q->explanation), &e->matcher.words);
}

static void
keep(const struct evaluation *e, struct spf_answer *out)
{
	const struct matcher *m = &e->matcher;
	const struct term *t = e->decided;

	out->terms = m->terms;
	out->voids = m->voids;
	out->unsure = m->unsure;
	if (m->error != SPF_IS_NONE) {
		out->result = m->error;
		out->reason = m->reason;
		snprintf(out->problem, sizeof out->problem, "%s", m->problem);
	} else if (e->none) {
		out->reason = "no record";
	} else {
		out->result = e->result;
		snprintf(out->mechanism, sizeof out->mechanism, "%.*s",
		    t != NULL ? (int)t->size : INT_MAX,
		    t != NULL ? t->text : "default");
	}
}

/* Returns out; what does not fit is left out whole. */
static const char *
copy(char *out, size_t size, const char *text, size_t text_size)
{
	if (text_size >= size)
		text_size = 0;
	memcpy(out, text, text_size);
	out[text_size] = '\0';
	return out;
}

/* The parts of the sender; "postmaster" where there is no local one (4.3). */
static void
split_sender(const char *sender, char local[LOCAL_MAX],
    char domain[MACRO_DOMAIN_MAX])
{
	struct addr_mailbox parts;

	addr_mailbox(&parts, sender);
	if (strchr(sender, '@') == NULL) {
		parts.domain = parts.local;
		parts.domain_size = parts.local_size;
		parts.local_size = 0;
	}
	copy(domain, MACRO_DOMAIN_MAX, parts.domain, parts.domain_size);
	if (parts.local_size == 0)
		snprintf(local, LOCAL_MAX, "postmaster");
	else
		copy(local, LOCAL_MAX, parts.local, parts.local_size);
}

void
spf_check(const struct spf_question *q, struct spf_answer *out)
{
	struct evaluation e;
	char local[LOCAL_MAX], domain[MACRO_DOMAIN_MAX];
	const struct macro_words words = {
		.client = q->client,
		.local = local,
		.sender_domain = domain,
		.domain = domain,
		.helo = q->helo,
		.receiver = q->receiver,
		.now = (int64_t)time(NULL),
	};

	memset(out, 0, sizeof *out);
	out->result = SPF_IS_NONE;
	out->reason = "";
	split_sender(q->sender, local, domain);
	if (q->record == NULL && !is_domain(domain)) {
		out->reason = "no domain that could have a record";
		return;
	}
	snprintf(out->domain, sizeof out->domain, "%s", domain);
	matcher_begin(&e.matcher, q->dns, &words);
	evaluate(&e, q, domain);
	keep(&e, out);
	if (out->result == SPF_IS_FAIL)
		explain(q, &e, out);
	evaluation_end(&e);
	matcher_end(&e.matcher);
}

const char *
spf_bad_record(const char *text, const char **term, size_t *size)
{
	struct terms_reader reader;
	struct term t;
	int more;

	*term = text;
	*size = strlen(text);
	if (!terms_are_spf(text, strlen(text)))
		return "it does not begin with v=spf1";
	terms_begin(&reader, text, strlen(text));
	while ((more = terms_next(&reader, &t)) == 1)
		;
	if (more == 0)
		return NULL;
	*term = reader.term;
	*size = reader.term_size;
	return reader.wrong;
}

int
spf_is_mx(struct dns *dns, const struct addr *client, const char *domain)
{
	static const char text[] = "mx";
	const struct term mx = {
		.kind = TERM_MX,
		.text = text, .size = sizeof text - 1,
		.bits4 = ADDR_BITS - ADDR_IPV4_BITS, .bits6 = ADDR_BITS,
	};
	const struct macro_words words = {
		.client = client, .local = "", .sender_domain = domain,
		.domain = domain, .helo = "", .receiver = "",
	};
	struct matcher m;
	bool matches;

	matcher_begin(&m, dns, &words);
	matches = mechanism_matches(&m, &mx, domain);
	matcher_end(&m);
	return m.error != SPF_IS_NONE ? -1 : matches;
}

int
spf_open(void)
{
	return evaluate_open();
}
