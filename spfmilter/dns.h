#ifndef SPFMILTER_DNS_H
#define SPFMILTER_DNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/*
 * dns - questions to the DNS (RFC 1035) and their answers, whoever answers.
 *
 * Any thread, where nothing else is said.
 */
#define DNS_NAME_MAX	253	/* bytes of a name as text, no last dot */
#define DNS_LABEL_MAX	63

/* The types we ask for, by their numbers (RFC 1035 3.2.2, RFC 3596). */
enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28
};

enum dns_status {
	DNS_FOUND,	/* there is at least one record */
	DNS_NO_NAME,	/* NXDOMAIN */
	DNS_NO_DATA,	/* the name exists, and has none of this type */
	DNS_TROUBLE	/* nobody knows: no answer, SERVFAIL, nonsense */
};

/*
 * A name has no last dot, and the root is "".  A dot or backslash inside a
 * label is \. or \\, blanks and what is no printable ASCII are \DDD; so it may
 * be longer than DNS_NAME_MAX, and need not be one that dns_is_name().
 */
struct dns_record {
	struct addr addr;	/* A, AAAA */
	unsigned preference;	/* MX */
	const char *text;	/* TXT: its strings, joined, of any bytes; MX,
				 * PTR: the name; else "" */
	size_t size;		/* of text; a NUL follows it */
};

/* Never changed once it is made; shared by all who hold it. */
struct dns_answer {
	enum dns_status status;
	uint32_t ttl;		/* seconds; that of the SOA when negative */
	size_t count;		/* records, in the order of the packet */
	size_t bytes;		/* of memory, all told */
	atomic_int holders;
	struct dns_record record[];
};

/* Somebody who answers; what he needs stands around it. */
struct dns {
	/*
	 * The answer, which the caller releases.  Never NULL: without memory
	 * it is DNS_TROUBLE.  One thread at a time for one struct dns.
	 */
	const struct dns_answer *(*ask)(struct dns *, const char *name,
	    enum dns_type);
};

/* "A", "TXT" and so on, for people. */
const char *dns_type_word(enum dns_type);
const char *dns_status_word(enum dns_status);

/*
 * Could this be asked for: labels of 1 to 63 bytes with dots between, 253 in
 * all (RFC 1035 2.3.4), one dot at the end allowed?  Any bytes but NUL,
 * controls and the backslash: SPF's names hold all kinds of things, even blanks
 * (RFC 7208 7.1).
 */
bool dns_is_name(const char *name);

/*
 * An answer without records: NO_NAME, NO_DATA or TROUBLE.  Never NULL; without
 * memory the TROUBLE that needs none.
 */
const struct dns_answer *dns_answer_none(enum dns_status, uint32_t ttl);

/*
 * One more holds it; one fewer, and the last one frees it.  dns_release(NULL)
 * does nothing.
 */
const struct dns_answer *dns_hold(const struct dns_answer *);
void dns_release(const struct dns_answer *);

/* Where an answer is put together, for a packet or for a test. */
struct dns_builder {
	struct dns_answer *answer;	/* NULL: no memory, or nothing yet */
	size_t room;
	bool failed;
};

#define DNS_RECORDS_MAX	1000		/* more are left out */
#define DNS_ANSWER_MAX	(128 * 1024)	/* bytes; then it is TROUBLE */

/*
 * All zero at first; add records; then take what it is: FOUND with this TTL, or
 * NO_DATA when none was added, or TROUBLE when there was no memory or too much.
 * What add is given is copied.  One thread.
 */
void dns_builder_add(struct dns_builder *, const struct addr *,
    unsigned preference, const char *text, size_t size);
const struct dns_answer *dns_builder_take(struct dns_builder *, uint32_t ttl);

/*
 * Read a packet (RFC 1035 4) that answers this question: follows CNAMEs
 * (RFC 1034 3.6.2) as far as they are in it, takes the least TTL on the way,
 * and for NO_NAME and NO_DATA that of the SOA (RFC 2308 5), else 0.  What is
 * no such packet, is cut (TC), or has another code than NOERROR and NXDOMAIN
 * is TROUBLE.  Never NULL.
 */
const struct dns_answer *dns_parse(const unsigned char *packet, size_t size,
    const char *name, enum dns_type);

#define DNS_CNAMES_MAX	16	/* in one packet; with more it is TROUBLE */

#endif
