#ifndef SPFMILTER_MECHANISM_H
#define SPFMILTER_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>

#include "dns.h"
#include "macro.h"
#include "spf.h"
#include "terms.h"

/*
 * mechanism - does one mechanism of a record match (RFC 7208 5), and what is
 * counted while all of a check's are asked (4.6.4)?
 *
 * One thread for one matcher.
 */
struct matcher {
	struct dns *dns;
	struct macro_words words;	/* domain: as of the last term */
	int terms, voids;

	/* The first error; from then on nothing is asked. */
	enum spf_result error;		/* SPF_IS_NONE: there is none */
	const char *reason;
	char problem[SPF_TERM_TEXT];

	/* The client's names, once they were asked for; and of each, whether
	 * it leads back to the client: -1 is not known yet. */
	const struct dns_answer *names;
	bool unsure;			/* the DNS does not say, of one */
	signed char valid[SPF_PTR_MAX];
};

/*
 * The words are those of the check; domain and %{p} are ours.  The client must
 * stay until the end.
 */
void matcher_begin(struct matcher *, struct dns *, const struct macro_words *);
void matcher_end(struct matcher *);

/* Set the error, unless there is one, with the text that is to blame. */
void matcher_fail(struct matcher *, enum spf_result, const char *reason,
    const char *problem, size_t size);

/* Count a term that asks the DNS.  false: it is one too many. */
bool matcher_count(struct matcher *, const struct term *);

/*
 * The name a term is about, when it stands in the record of this domain.
 * false: it is none that could be asked for.
 */
bool matcher_target(struct matcher *, const struct term *, const char *domain,
    char out[MACRO_DOMAIN_MAX]);

/* ip4, ip6 and all; asks nobody. */
bool mechanism_matches_address(const struct term *, const struct addr *client);

/*
 * Any mechanism but include, in the record of this domain.  false also after
 * an error.
 */
bool mechanism_matches(struct matcher *, const struct term *,
    const char *domain);

#endif
