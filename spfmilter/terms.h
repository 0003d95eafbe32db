#ifndef SPFMILTER_TERMS_H
#define SPFMILTER_TERMS_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

/*
 * terms - the text of an SPF record (RFC 7208 4.6.1, 5, 6), term by term.
 *
 * Text is counted bytes of any kind.  Nothing is copied: what is found points
 * into it.  Keeps no state but the reader's; any thread.
 */
enum term_kind {
	/* Mechanisms. */
	TERM_ALL,
	TERM_INCLUDE,
	TERM_A,
	TERM_MX,
	TERM_PTR,
	TERM_IP4,
	TERM_IP6,
	TERM_EXISTS,

	/* Modifiers. */
	TERM_REDIRECT,
	TERM_EXP,
	TERM_UNKNOWN		/* a modifier of another name */
};

struct term {
	enum term_kind kind;
	char qualifier;		/* + - ~ ?; of a modifier 0 */
	const char *text;	/* the whole of it, as it is published */
	size_t size;
	const char *domain;	/* the domain-spec; NULL: there is none */
	size_t domain_size;
	struct addr addr;	/* ip4, ip6: the network */
	int bits;		/* ... and its bits, as addr_mask() counts */
	int bits4, bits6;	/* a, mx: of the two families: 32 and 128 when
				 * nothing is said */
};

struct terms_reader {
	const char *next, *end;
	bool redirect, exp;	/* there was one; a second is wrong */

	/* Set when terms_next() returns -1: what is wrong, and where. */
	const char *wrong;
	const char *term;
	size_t term_size;
};

/* Is this TXT a record of version spf1 (4.5)? */
bool terms_are_spf(const char *text, size_t size);

/* text is one; its terms are read from here on. */
void terms_begin(struct terms_reader *, const char *text, size_t size);

/*
 * The next term: 1, 0 when there is none, or -1 when what stands there is none
 * (4.6): a syntax error anywhere makes the whole record one, so read to the end
 * before any term is believed.
 */
int terms_next(struct terms_reader *, struct term *);

#endif
