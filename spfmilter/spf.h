#ifndef SPFMILTER_SPF_H
#define SPFMILTER_SPF_H

#include <stdbool.h>

#include "addr.h"
#include "dns.h"
#include "macro.h"

/*
 * spf - the check_host() of RFC 7208: may this client send for this domain?
 *
 * libspf2 evaluates, but sees nothing of what strangers wrote: records are read
 * whole and found good first, and then handed to it as plain terms, each of
 * which comes back to us as a question.  So what is counted (4.6.4), expanded
 * (7) and asked is ours.
 *
 * Any thread, after spf_open().
 */

/* RFC 7208 2.6, in the order of RFC 8601 2.7.2's words. */
enum spf_result {
	SPF_IS_NONE,
	SPF_IS_NEUTRAL,
	SPF_IS_PASS,
	SPF_IS_FAIL,
	SPF_IS_SOFTFAIL,
	SPF_IS_TEMPERROR,
	SPF_IS_PERMERROR,
	SPF_RESULTS
};

#define SPF_TERMS_MAX		10	/* that ask the DNS (4.6.4) */
#define SPF_VOIDS_MAX		2	/* of them that find nothing */
#define SPF_MX_MAX		10	/* hosts of an mx term; more is wrong */
#define SPF_PTR_MAX	10	/* names of a client; more are left out */
#define SPF_TERM_TEXT	120	/* bytes of a term that are kept, with NUL */
#define SPF_EXPLANATION_MAX	400	/* bytes, with NUL */

/*
 * Questions a check can have for the DNS, at most: the record; for each term
 * itself and, when it is an mx, its hosts; the client's names and their
 * addresses; the explanation.
 */
#define SPF_QUERIES_MAX \
	(1 + SPF_TERMS_MAX * (1 + SPF_MX_MAX) + 1 + SPF_PTR_MAX + 1)

struct spf_question {
	const struct addr *client;

	/*
	 * Whose record it is about, and for %{s}, %{l}, %{o}: a mailbox without
	 * brackets.  Without a local part it is "postmaster" (4.3).
	 */
	const char *sender;
	const char *helo;
	const char *receiver;	/* our own name, for %{r} */
	struct dns *dns;

	/*
	 * Judge by this text and not by what the domain publishes, which is
	 * not asked for; NULL: by that.  What it refers to is asked for.
	 */
	const char *record;

	/*
	 * After a fail: what the domain has to say (6.2) when ask_why is set
	 * and it says something, else this explain-string; NULL: nothing.
	 */
	bool ask_why;
	const char *explanation;
};

struct spf_answer {
	enum spf_result result;
	char domain[MACRO_DOMAIN_MAX];	/* of the sender; "" when it is none */

	/*
	 * The mechanism that decided, as it is published in the record (or in
	 * the one it redirects to), or "default" when none did; "" when there
	 * is no verdict.
	 */
	char mechanism[SPF_TERM_TEXT];

	/* For NONE, TEMPERROR and PERMERROR: what is wrong, and with what. */
	const char *reason;		/* a few words; else "" */
	char problem[SPF_TERM_TEXT];	/* the term or the name; "": none */

	char explanation[SPF_EXPLANATION_MAX];	/* "": there is none */
	bool explains;			/* ... and it is the domain's */
	int terms, voids;		/* counted as 4.6.4 has it */

	/*
	 * The DNS did not say which names the client has, or whose they are.
	 * That is no match (5.5), but with an answer it may be another result.
	 */
	bool unsure;
};

/* Once, before there are threads.  -1 after a line in the log. */
int spf_open(void);

void spf_check(const struct spf_question *, struct spf_answer *);

/*
 * Is this text a record, for what an administrator writes?  NULL: it is; else
 * what is wrong, and where: *term, of *size bytes, inside the text.
 */
const char *spf_bad_record(const char *text, const char **term, size_t *size);

/*
 * Is the client one of the MX hosts of this domain?  1, 0, or -1 when the DNS
 * does not say, or there are more than ten.
 */
int spf_is_mx(struct dns *, const struct addr *client, const char *domain);

/* "pass", "permerror" and so on. */
const char *spf_result_word(enum spf_result);

#endif
