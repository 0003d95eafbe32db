#ifndef COMMON_IPLIST_H
#define COMMON_IPLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"

/*
 * iplist - list files of clients, searched as one set and reloaded as one.
 *
 * A line is an address, a network in CIDR form, an IPv4 prefix with a final
 * dot (192.0.2.), a domain (.example.com, white lists only), or a line of a
 * sendmail access file with the tag Connect:.  Behind the first three may
 * stand a comment that starts with # or ;.  The manual pages say it in full.
 *
 * A line of an access file means what it says, whatever the file's role:
 * REJECT, DISCARD, ERROR: and 4xx or 5xx texts list the client, OK and RELAY
 * exempt it.  A white list takes the second kind and passes over the first.
 * A list that is acted upon takes both, the second kind into a white list of
 * its own, so that an OK line inside a refused network is heard.  A shadow
 * list passes over the second kind, which would have an effect.  Lines with
 * other tags, and Connect: lines that list a host name, are passed over and
 * counted as ignored.
 */
enum iplist_role {
	IPLIST_WHITE,
	IPLIST_LISTED,		/* what the milter acts upon */
	IPLIST_SHADOW,		/* what it only counts */
	IPLIST_ROLES
};

#define IPLIST_FILES_MAX	63	/* and one bit for OK lines */
#define IPLIST_LINE_MAX		1022	/* bytes; a longer line is a bad line */

struct iplist;

/* Which lists a client is on; the bits of each are numbers of lists. */
struct iplist_match {
	uint64_t white, listed, shadow;
};

/*
 * Before the first thread: an object without files; then the files, in the
 * order that decides which list is named first.  path must stay.  A path that
 * is given twice in one role counts once; it cannot be LISTED and SHADOW.  -1:
 * that, or too many files, after a line in the log.
 */
struct iplist *iplist_new(void);
int iplist_add_file(struct iplist *, enum iplist_role, const char *path);

/* A bad line is counted, logged once a file and passed over. */
void iplist_lenient(struct iplist *);

/*
 * Read all files and, if all are good, use them from now on.  Returns 0, or
 * -1 after one line in the log that names the file, the line and what is
 * wrong with it; what was loaded before then stays in use as it was.
 *
 * When something was loaded before, these are faults too: a file that has
 * become empty, one whose last line lost its newline (it was cut short), and
 * with lenient more than one bad line in a hundred.  A file that changes
 * while it is read is a fault at any time.
 *
 * One thread at a time; searches go on meanwhile.
 */
int iplist_load(struct iplist *);

/*
 * Has a file changed since the last iplist_load(), good or bad, and has it
 * been left alone for settle seconds?  One that is gone has changed, too, so
 * that the load says so, once.  Same thread as iplist_load().
 */
bool iplist_changed(struct iplist *, int settle);

/*
 * Search.  host is the client's name when it is known to be the client's
 * (its address records lead back to the client), else NULL.
 */
struct iplist_match iplist_find(struct iplist *, const struct addr *,
    const char *host);

/* Are there domains, so that host is worth asking the MTA for? */
bool iplist_has_domains(struct iplist *);

/* The number of the first list in a set of bits (which is not 0). */
int iplist_first(uint64_t bits);

/* The path of a list, and its last component, which a client may be told. */
const char *iplist_path(const struct iplist *, int list);
const char *iplist_name(const struct iplist *, int list);

/* The lists in this role, as bits. */
uint64_t iplist_lists(const struct iplist *, enum iplist_role);

/*
 * For -why: read the files once more and print every line that speaks of this
 * client, as "PATH:LINE: TEXT".
 */
void iplist_explain(struct iplist *, FILE *, const struct addr *,
    const char *host);

/* Entries in use, lines ignored and bad lines of each file, bytes held. */
void iplist_stats(FILE *, void *iplist);

/* Nothing may be searching any more. */
void iplist_free(struct iplist *);

#endif
