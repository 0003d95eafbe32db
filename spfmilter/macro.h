#ifndef SPFMILTER_MACRO_H
#define SPFMILTER_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/*
 * macro - the macros of SPF (RFC 7208 7): %{i}, %{d2r} and the like.
 *
 * Text is counted bytes: a NUL is a byte like others, and wrong.  Keeps no
 * state; any thread.
 */

/* What the letters stand for.  None is NULL. */
struct macro_words {
	const struct addr *client;	/* i v c */
	const char *local;		/* l; s with o */
	const char *sender_domain;	/* o */
	const char *domain;		/* d: whose record is read */
	const char *helo;		/* h */
	const char *receiver;		/* r */
	int64_t now;			/* t: seconds since 1970 */

	/*
	 * p: the client's validated name, or "unknown"; asked for when needed
	 * and no sooner.
	 */
	const char *(*name)(void *arg);
	void *arg;
};

/*
 * Is this a domain-spec (RFC 7208 7.1): a macro-string that ends with a macro
 * or with a dot and a toplabel (perhaps a dot behind it)?  The letters c, r and
 * t are wrong in it.
 */
bool macro_is_domain_spec(const char *text, size_t size);

/*
 * Is this a macro-string: the value of a modifier nobody knows?  The same
 * letters are wrong in it, for they are allowed in explanations only (7.2).
 */
bool macro_is_string(const char *text, size_t size);

/*
 * Is this an explain-string: macro-strings, and blanks; all letters?  Bytes
 * that are not ASCII are wrong (6.2).
 */
bool macro_is_explain_string(const char *text, size_t size);

#define MACRO_DOMAIN_MAX	254	/* DNS_NAME_MAX and the NUL */

/*
 * Expand a domain-spec that is one; labels on the left are left out until it
 * has 253 bytes (7.3).  A dot at the end is left out, too.  What comes out need
 * not be a name.  Returns out.
 */
const char *macro_expand_domain(char out[MACRO_DOMAIN_MAX], const char *text,
    size_t size, const struct macro_words *);

/*
 * Expand an explain-string that is one.  Cut to fit out_size, which is one at
 * least.  Bytes that are not printable ASCII become '?'.  Returns out.
 */
const char *macro_expand_text(char *out, size_t out_size, const char *text,
    size_t size, const struct macro_words *);

#endif
