#ifndef SPFMILTER_EVALUATE_H
#define SPFMILTER_EVALUATE_H

#include "mechanism.h"
#include "spf.h"
#include "terms.h"

/*
 * evaluate - a record and what it refers to, evaluated by libspf2, which sees
 * nothing of what strangers wrote.
 *
 * One thread for one evaluation.
 */

/* Records: each but the first costs a term, and one is too many. */
#define PAGES_MAX	(SPF_TERMS_MAX + 2)

/* Terms of a record that libspf2 sees: those that count, and one that ends. */
#define PAGE_SLOTS_MAX	(SPF_TERMS_MAX + 2)
#define SLOTS_MAX	(PAGES_MAX * PAGE_SLOTS_MAX)

/* A record that was read. */
struct page {
	char domain[MACRO_DOMAIN_MAX];
	const struct dns_answer *answer;	/* holds the text; or NULL */
	const char *text;
	size_t size;
	bool is_top;		/* the sender's own, or what it redirects to */
	struct term exp;	/* kind TERM_EXP when there is one */
};

struct slot {
	struct term term;
	struct page *page;
};

struct evaluation {
	struct matcher matcher;		/* the caller's, who has begun it */

	/* The outcome, if the matcher has no error. */
	enum spf_result result;
	bool none;			/* the domain has no record */
	const struct term *decided;	/* NULL: no mechanism did */
	const struct page *top;		/* the last one that is; or NULL */

	/* evaluate()'s own. */
	const struct spf_question *question;
	const char *domain;
	const struct slot *last;	/* of a top page: the last one asked */
	void *spare;			/* of libspf2: for want of memory */
	int pages, slots;
	struct page page[PAGES_MAX];
	struct slot slot[SLOTS_MAX];
};

/* Once, before there are threads.  -1 after a line in the log. */
int evaluate_open(void);

/*
 * Whose record, and what for; domain is the sender's.  What was read is held
 * until evaluation_end().
 */
void evaluate(struct evaluation *, const struct spf_question *,
    const char *domain);
void evaluation_end(struct evaluation *);

#endif
