#ifndef BCCMILTER_ADDRLIST_H
#define BCCMILTER_ADDRLIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * addrlist - the addresses in a To or Cc field: an RFC 5322 address-list (3.4)
 * with its obsolete forms (4.4) and UTF-8 (RFC 6532), and what mailers make of
 * it in practice.
 *
 * It is read once, from front to back, without memory but the address at hand.
 * Who stands there is asked for a friend's sake, so all that can be read as an
 * address outside of quotes and comments is one, and where the readers of this
 * world disagree it is read in each of their ways or said to be unknown.
 *
 * An address comes out as it is compared: ASCII letters lower case, without
 * quotes, comments, blanks, the route before it, a final dot of the domain or
 * a detail ("+news" of joe+news; a + in the first place begins none).  One
 * without a domain ends in its '@', which is always the last in it.
 *
 * Nothing here keeps state between calls; any thread.
 */
#define ADDRLIST_ADDRESS_MAX	512	/* bytes, with NUL; a longer address is
					 * counted, but nobody's */

struct addrlist {
	/* The caller's: called with each address, which has a local part. */
	void (*take)(void *arg, const char *address);
	void *arg;

	/* Added to by each field. */
	size_t addresses;	/* that were there, whoever's */
	size_t bytes;		/* that were read */
	bool unknown;		/* there was something that could not be read,
				 * and it may have been an address */
};

#define ADDRLIST_BYTES_MAX	(4 << 20)	/* of all fields; what is
						 * behind is unknown */

/*
 * Read the value of a field; it may be folded.  A path of an envelope (RFC
 * 5321 4.1.2), with its brackets, is such a value, too.
 */
void addrlist_read(struct addrlist *, const char *value);

#endif
