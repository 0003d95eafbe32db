#ifndef SPFMILTER_HEADER_H
#define SPFMILTER_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "spf.h"

/*
 * header - what is written into the message, and what others wrote there in
 * our name.
 *
 * Values of header fields, without the name and the colon.  Whatever a client
 * said, what is written is printable ASCII, quoted where it has to be, and
 * folded (LF and a tab, as libmilter wants it) so that a line is rarely over
 * 78 bytes and never over 998 (RFC 5322 2.1.1).  Any thread.
 */
#define HEADER_MAX	2400	/* bytes of a value, with NUL; all of it fits */

/* One identity that was checked. */
struct header_facts {
	enum spf_result result;
	bool is_helo;			/* the identity: helo, else mailfrom */
	const struct addr *client;
	const char *receiver;		/* our name */
	const char *sender;		/* MAIL FROM, no brackets; "" is <> */
	const char *helo;		/* "": none was said */
	const char *domain;		/* that was checked; "": it is none */
	const char *mechanism;		/* "": none */
	const char *reason, *problem;	/* "": none */
	const char *source;		/* "fallback record", "best guess",
					 * "local policy"; NULL: published */
};

/*
 * RFC 7208 9.1:
 *
 *	pass (mx.example.net: domain of joe@example.org designates 192.0.2.7 as
 *	permitted sender) receiver=mx.example.net; identity=mailfrom;
 *	client-ip=192.0.2.7; envelope-from="joe@example.org"; helo=...;
 *	mechanism="ip4:192.0.2.0/24";
 *
 * with problem= where there is one.  A key whose value would be longer than
 * HEADER_VALUE_MAX is left out.  Returns out.
 */
#define HEADER_VALUE_MAX	320	/* with backslashes: local part, @ and
				 * domain at most (RFC 5321 4.5.3.1) */
const char *header_received_spf(char out[HEADER_MAX],
    const struct header_facts *);

/*
 * RFC 8601 2.2, with one resinfo for each of the facts, one property each:
 *
 *	mx.example.net; spf=pass smtp.mailfrom=joe@example.org
 *
 * The local part is left out unless it is a dot-atom.  Behind an error stands
 * reason=, behind the result of another source a comment that names it.  There
 * is room for two; of more, those that do not fit are left out.  Returns out.
 */
const char *header_authentication_results(char out[HEADER_MAX],
    const char *authserv_id, const struct header_facts *, int count);

/*
 * Does an Authentication-Results field with this value claim to be from this
 * authserv-id?  Comments, folds, quotes and case make no difference (RFC 8601
 * 2.2), nor does what is behind it: a version, results, none, or nonsense.
 */
bool header_is_from(const char *value, const char *authserv_id);

/*
 * Does a Received-SPF field with this value have receiver= with this name,
 * outside of comments and quoted strings?  Those that never end are none.
 */
bool header_is_received_by(const char *value, const char *receiver);

/* Is this fit to be an authserv-id (RFC 2045's token, or a domain)? */
bool header_is_authserv_id(const char *text);

#endif
