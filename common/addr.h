#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

/*
 * addr - the two kinds of address a mail filter meets: that of a client
 * (RFC 791, RFC 4291) and that in an envelope (RFC 5321).
 *
 * An IP address is 16 bytes in network order; IPv4 is ::ffff:a.b.c.d, so a
 * client that connects to an IPv6 socket over IPv4 is the IPv4 client it is.
 * The number of bits in a network counts from the start of the 16 bytes: an
 * IPv4 /24 has 120.
 *
 * Nothing here keeps state; any thread.
 */
struct addr {
	unsigned char byte[16];
};

#define ADDR_IPV4_BITS	96	/* what an IPv4 prefix length is added to */
#define ADDR_BITS	128
#define ADDR_TEXT_MAX	64	/* fits any address or network, and its NUL */

/*
 * Read an address as inet_pton(3) does: no leading zeros, no brackets, no
 * zone.  Returns 0, or -1 and leaves addr alone.
 */
int addr_parse(struct addr *, const char *text);

/* Returns 0, or -1 when the address is NULL or of no IP family. */
int addr_from_sockaddr(struct addr *, const struct sockaddr *);

bool addr_is_ipv4(const struct addr *);

/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *);

/* Set all bits after the first bits to zero. */
void addr_mask(struct addr *, int bits);

/* Write the address as text (RFC 5952); returns out. */
const char *addr_print(const struct addr *, char out[ADDR_TEXT_MAX]);

/* The same with /bits behind it, counted as the family does. */
const char *addr_print_network(const struct addr *, int bits,
    char out[ADDR_TEXT_MAX]);

/*
 * Where the parts of an envelope address stand: "<@relay:joe+x@example.org>"
 * has the local part "joe+x" and the domain "example.org".  An address
 * without @ has an empty domain; "<>" has both empty.  The parts point into
 * the text and are not NUL-terminated.  A quoted local part (RFC 5321 4.1.2)
 * keeps its quotes, and an @ inside them is not the one that counts.
 */
struct addr_mailbox {
	const char *local, *domain;
	size_t local_size, domain_size;
};

void addr_mailbox(struct addr_mailbox *, const char *path);

/*
 * Letters, digits, '-' and '_', and UTF-8 (RFC 6531): labels of this many bytes
 * at most, with a dot between each two.
 */
bool addr_is_domain(const char *text, size_t size, size_t label_max);

/* An address in brackets (RFC 5321 4.1.3), not looked at closely. */
bool addr_is_literal(const char *text, size_t size);

/* Is the last label a number?  No top-level domain is one (RFC 3696 2). */
bool addr_ends_in_number(const char *domain, size_t size);

/* postmaster@ and abuse@ (RFC 2142, RFC 5321 4.5.1), whatever the domain. */
bool addr_is_role(const char *path);

#endif
