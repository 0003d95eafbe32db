#ifndef COMMON_IPLINE_H
#define COMMON_IPLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

/*
 * ipline - one line of a list of clients.  What may stand on it is said in
 * iplist.h.  Keeps no state; any thread.
 */
enum ipline_kind {
	IPLINE_NOTHING,		/* empty, or a comment */
	IPLINE_NETWORK,
	IPLINE_DOMAIN,
	IPLINE_IGNORED,		/* of an access file, and not about clients */
	IPLINE_BAD
};

/* What the line of an access file says of the client; others say nothing. */
enum ipline_says { IPLINE_SILENT, IPLINE_REFUSE, IPLINE_EXEMPT };

struct ipline {
	enum ipline_kind kind;
	enum ipline_says says;
	struct addr addr;	/* NETWORK: masked */
	int bits;		/* NETWORK: as in addr.h */
	char *domain;		/* DOMAIN: points into the line, lower case */
	const char *wrong;	/* BAD: why, a constant text */
};

#define IPLINE_MAX	1022	/* bytes; a longer line is bad */

/* The shortest prefixes taken: a line cut short must not block the world. */
#define IPLINE_IPV4_MIN	8
#define IPLINE_IPV6_MIN	16

/*
 * Read a line of size bytes, which has no line end, is followed by a NUL and
 * may be written to.
 */
void ipline_parse(struct ipline *, char *line, size_t size);

#endif
