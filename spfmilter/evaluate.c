#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>

#include "evaluate.h"
#include "log.h"

/*
 * What libspf2 is given instead of a record: "-exists:@7.x", and for includes
 * and redirects the like, where 7 is the number of a slot.  It hands the name
 * back as a question.  An @ and no dot but this: no host has such a name, and
 * libspf2 has no warning for it.
 */
#define TOKEN		"@%d.x"
#define TOKEN_MAX	32	/* bytes with the mechanism and a blank */

#define PLAIN_MAX	(8 + PAGE_SLOTS_MAX * TOKEN_MAX)

/* Made once; each check works on a copy, with a layer of its own. */
static SPF_server_t *server;

/* Where to go on when libspf2 gives up; NULL: nowhere. */
static _Thread_local jmp_buf *way_out;

static SPF_errcode_t
fail(struct evaluation *e, enum spf_result error, const char *reason,
    const char *problem, size_t size)
{
	matcher_fail(&e->matcher, error, reason, problem, size);
	return SPF_E_DNS_ERROR;
}

/*
 * Find the one record among the TXTs of a domain (4.4, 4.5).  false: there is
 * none, or there is an error.
 */
static bool
find_record(struct evaluation *e, struct page *p)
{
	const struct dns_answer *a;
	int found = 0;

	a = p->answer = e->question->dns->ask(e->question->dns, p->domain,
	    DNS_TXT);
	if (a->status == DNS_TROUBLE)
		fail(e, SPF_IS_TEMPERROR, "the DNS does not answer", p->domain,
		    strlen(p->domain));
	for (size_t i = 0; i < a->count; i++)
		if (terms_are_spf(a->record[i].text, a->record[i].size)) {
			p->text = a->record[i].text;
			p->size = a->record[i].size;
			found++;
		}
	if (found > 1)
		fail(e, SPF_IS_PERMERROR, "more than one record", p->domain,
		    strlen(p->domain));
	return found == 1;
}

/* One more term in the plain record, and the slot that it stands for. */
static void
add_token(struct evaluation *e, struct page *p, const struct term *t,
    char *plain)
{
	const char qualifier[2] = { t->qualifier, '\0' };
	size_t used = strlen(plain);

	e->slot[e->slots].term = *t;
	e->slot[e->slots].page = p;
	snprintf(plain + used, PLAIN_MAX - used, " %s%s" TOKEN, qualifier,
	    t->kind == TERM_REDIRECT ? "redirect=" :
	    t->kind == TERM_INCLUDE ? "include:" : "exists:", e->slots);
	e->slots++;
}

/* What is read of a record. */
struct reading {
	char *plain;		/* the record as libspf2 is to see it */
	struct term redirect;	/* of that kind, if there is one */
	int asking;		/* terms that ask, in plain */
	bool complete;		/* no more is added: after an all, too, so that
				 * a redirect beside it counts for nothing */
};

/*
 * Addresses are compared here, so what is left are the terms that ask, as many
 * as may be and one more, and the one that is sure to match, where there is
 * one.
 */
static void
add_term(struct evaluation *e, struct page *p, const struct term *t,
    struct reading *r)
{
	switch (t->kind) {
	case TERM_ALL:
	case TERM_IP4:
	case TERM_IP6:
		if (r->complete || !mechanism_matches_address(t,
		    e->question->client))
			return;
		add_token(e, p, t, r->plain);
		r->complete = true;
		return;
	case TERM_REDIRECT:
		r->redirect = *t;
		return;
	case TERM_EXP:
		p->exp = *t;
		return;
	case TERM_UNKNOWN:
		return;
	default:
		if (r->complete)
			return;
		add_token(e, p, t, r->plain);
		r->complete = ++r->asking > SPF_TERMS_MAX;
	}
}

/* To its end, for one wrong term makes it void (4.6). */
static int
read_record(struct evaluation *e, struct page *p, char plain[PLAIN_MAX])
{
	struct reading r = { .plain = plain, .redirect.kind = TERM_UNKNOWN };
	struct terms_reader reader;
	struct term t;
	int more;

	p->exp.kind = TERM_UNKNOWN;
	snprintf(plain, PLAIN_MAX, "v=spf1");
	terms_begin(&reader, p->text, p->size);
	while ((more = terms_next(&reader, &t)) == 1)
		add_term(e, p, &t, &r);
	if (more == -1) {
		fail(e, SPF_IS_PERMERROR, reader.wrong, reader.term,
		    reader.term_size);
		return -1;
	}
	if (!r.complete && r.redirect.kind == TERM_REDIRECT)
		add_token(e, p, &r.redirect, plain);
	return 0;
}

static SPF_errcode_t
compile(struct evaluation *e, struct page *p, SPF_server_t *s,
    SPF_response_t *response, SPF_record_t **record)
{
	char plain[PLAIN_MAX];
	SPF_errcode_t error;

	if (read_record(e, p, plain) == -1)
		return SPF_E_DNS_ERROR;
	if (p->is_top)
		e->top = p;
	error = SPF_record_compile(s, response, record, plain);
	if (error != SPF_E_SUCCESS)
		fail(e, SPF_IS_TEMPERROR, "libspf2 fails", "", 0);
	return error;
}

static struct page *
add_page(struct evaluation *e, bool is_top)
{
	struct page *p = &e->page[e->pages++];

	p->answer = NULL;
	p->is_top = is_top;
	return p;
}

/* The sender's own record, or the one we are to take instead. */
static SPF_errcode_t
get_first(struct evaluation *e, SPF_server_t *s, SPF_response_t *response,
    SPF_record_t **record)
{
	struct page *p = add_page(e, true);

	snprintf(p->domain, sizeof p->domain, "%s", e->domain);
	if (e->question->record != NULL) {
		p->text = e->question->record;
		p->size = strlen(p->text);
	} else if (!find_record(e, p)) {
		e->none = e->matcher.error == SPF_IS_NONE;
		return SPF_E_DNS_ERROR;
	}
	return compile(e, p, s, response, record);
}

/* That of an include or a redirect (5.2, 6.1): it has to be there. */
static SPF_errcode_t
get_other(struct evaluation *e, const struct slot *slot, SPF_server_t *s,
    SPF_response_t *response, SPF_record_t **record)
{
	const struct term *t = &slot->term;
	struct page *p;

	if (!matcher_count(&e->matcher, t))
		return SPF_E_DNS_ERROR;
	p = add_page(e, slot->page->is_top && t->kind == TERM_REDIRECT);
	if (!matcher_target(&e->matcher, t, slot->page->domain, p->domain) ||
	    !find_record(e, p))
		return fail(e, SPF_IS_PERMERROR, "no record there", t->text,
		    t->size);
	return compile(e, p, s, response, record);
}

/* The slot that a token stands for; NULL: it is not one of ours. */
static const struct slot *
find_slot(struct evaluation *e, const char *token)
{
	char *end;
	long n;

	if (token[0] != '@')
		return NULL;
	n = strtol(token + 1, &end, 10);
	if (n < 0 || n >= e->slots || strcmp(end, ".x") != 0)
		return NULL;
	if (e->slot[n].page->is_top)
		e->last = &e->slot[n];
	return &e->slot[n];
}

/* libspf2 wants a record. */
static SPF_errcode_t
layer_get_spf(SPF_server_t *s, SPF_request_t *request,
    SPF_response_t *response, SPF_record_t **record)
{
	struct evaluation *e = s->resolver->hook;
	const struct slot *slot = find_slot(e, request->cur_dom);

	*record = NULL;
	if (e->matcher.error != SPF_IS_NONE)
		return SPF_E_DNS_ERROR;
	return slot == NULL ? get_first(e, s, response, record) :
	    get_other(e, slot, s, response, record);
}

static SPF_errcode_t
layer_get_exp(SPF_server_t *s, const char *domain, char **text, size_t *size)
{
	(void)s;
	(void)domain;
	(void)text;
	(void)size;
	return SPF_E_NOT_SPF;
}

/* An answer with one record, or with none; it is never NULL. */
static SPF_dns_rr_t *
make_answer(struct evaluation *e, SPF_dns_server_t *layer, const char *token,
    ns_type type, bool matches)
{
	SPF_dns_rr_t *rr;

	rr = SPF_dns_rr_new_init(layer, token, type, 0,
	    e->matcher.error != SPF_IS_NONE ? TRY_AGAIN :
	    matches ? NETDB_SUCCESS : HOST_NOT_FOUND);
	if (rr != NULL && matches) {
		if (SPF_dns_rr_buf_realloc(rr, 0, sizeof *rr->rr[0]) ==
		    SPF_E_SUCCESS) {
			rr->num_rr = 1;
			return rr;
		}
		SPF_dns_rr_free(rr);
		rr = NULL;
	}
	if (rr != NULL)
		return rr;
	fail(e, SPF_IS_TEMPERROR, "out of memory", "", 0);
	rr = e->spare;
	e->spare = NULL;
	return rr;
}

/* libspf2 asks whether a term matches. */
static SPF_dns_rr_t *
layer_lookup(SPF_dns_server_t *layer, const char *token, ns_type type,
    int should_cache)
{
	struct evaluation *e = layer->hook;
	const struct slot *slot = find_slot(e, token);
	bool matches = false;

	(void)should_cache;
	if (slot != NULL && e->matcher.error == SPF_IS_NONE)
		matches = mechanism_matches(&e->matcher, &slot->term,
		    slot->page->domain);
	return make_answer(e, layer, token, type, matches);
}

static SPF_dns_rr_t *
make_spare(SPF_dns_server_t *layer)
{
	return SPF_dns_rr_new_init(layer, "", ns_t_a, 0, TRY_AGAIN);
}

/*
 * Neither the client nor the sender is libspf2's business, but it wants both;
 * and one from loopback it would not look at.
 */
static SPF_request_t *
make_request(SPF_server_t *s)
{
	SPF_request_t *request = SPF_request_new(s);

	if (request == NULL)
		return NULL;
	if (SPF_request_set_ipv4_str(request, "192.0.2.1") == SPF_E_SUCCESS &&
	    SPF_request_set_env_from(request, "postmaster@sender") == 0)
		return request;
	SPF_request_free(request);
	return NULL;
}

/*
 * Without memory libspf2 would end the process, and all other sessions with it.
 * What it holds at such a moment is lost.
 */
__attribute__((noreturn)) static void
give_up(const char *file, int line, const char *text)
{
	if (way_out != NULL)
		longjmp(*way_out, 1);
	log_error("libspf2: %s:%d: %s", file, line, text);
	abort();
}

static void
query(struct evaluation *e, SPF_request_t *request, SPF_response_t **response)
{
	jmp_buf here;

	way_out = &here;
	if (setjmp(here) == 0)
		SPF_request_query_mailfrom(request, response);
	else {
		fail(e, SPF_IS_TEMPERROR, "out of memory", "", 0);
		*response = NULL;
	}
	way_out = NULL;
}

static void
keep_result(struct evaluation *e, SPF_response_t *response)
{
	static const enum spf_result translated[] = {
		[SPF_RESULT_NEUTRAL] = SPF_IS_NEUTRAL,
		[SPF_RESULT_PASS] = SPF_IS_PASS,
		[SPF_RESULT_FAIL] = SPF_IS_FAIL,
		[SPF_RESULT_SOFTFAIL] = SPF_IS_SOFTFAIL,
	};
	SPF_result_t result = SPF_response_result(response);

	if (e->matcher.error != SPF_IS_NONE || e->none)
		return;
	if (result < SPF_RESULT_NEUTRAL || result > SPF_RESULT_SOFTFAIL) {
		fail(e, SPF_IS_TEMPERROR, "libspf2 fails", "", 0);
		return;
	}
	e->result = translated[result];
	if (SPF_response_reason(response) == SPF_REASON_MECH &&
	    e->last != NULL)
		e->decided = &e->last->term;
}

void
evaluate(struct evaluation *e, const struct spf_question *question,
    const char *domain)
{
	SPF_server_t copy = *server;
	SPF_dns_server_t layer = {
		.lookup = layer_lookup,
		.get_spf = layer_get_spf,
		.get_exp = layer_get_exp,
		.name = "spfmilter",
		.hook = e,
	};
	SPF_request_t *request;
	SPF_response_t *response = NULL;

	e->question = question;
	e->domain = domain;
	e->result = SPF_IS_NONE;
	e->none = false;
	e->decided = NULL;
	e->top = NULL;
	e->last = NULL;
	e->pages = e->slots = 0;
	copy.resolver = &layer;
	e->spare = make_spare(&layer);
	request = make_request(&copy);
	if (e->spare != NULL && request != NULL)
		query(e, request, &response);
	if (response != NULL)
		keep_result(e, response);
	else
		fail(e, SPF_IS_TEMPERROR, "out of memory", "", 0);
	if (response != NULL)
		SPF_response_free(response);
	if (request != NULL)
		SPF_request_free(request);
	if (e->spare != NULL)
		SPF_dns_rr_free(e->spare);
}

void
evaluation_end(struct evaluation *e)
{
	for (int i = 0; i < e->pages; i++)
		dns_release(e->page[i].answer);
	e->pages = 0;
}

/* libspf2's own words are never used, so let them be short. */
int
evaluate_open(void)
{
	SPF_response_t *response = NULL;
	SPF_dns_server_t *nobody = calloc(1, sizeof *nobody);

	SPF_error_handler = give_up;
	SPF_warning_handler = NULL;
	SPF_info_handler = NULL;
	if (nobody == NULL ||
	    (server = SPF_server_new_dns(nobody, 0)) == NULL ||
	    SPF_server_set_explanation(server, ".", &response) !=
	    SPF_E_SUCCESS) {
		log_error("out of memory");
		return -1;
	}
	if (response != NULL)
		SPF_response_free(response);
	SPF_server_set_sanitize(server, 1);
	SPF_server_set_max_dns_mech(server, 1000);
	return 0;
}
