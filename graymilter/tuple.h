#ifndef GRAYMILTER_TUPLE_H
#define GRAYMILTER_TUPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "store.h"

/*
 * tuple - whom a record of the greylist is about, as up to three texts: a
 * client, a sender, a recipient.
 *
 * The texts are what is left of an address when all is taken away that changes
 * from one attempt to the next.  They are what keys, lists and dumps show.
 * A text that would be longer than TUPLE_TEXT_MAX - 1 bytes becomes one of
 * exactly TUPLE_TEXT_MAX: its beginning, '~' and the SHA-256 of the whole, so
 * that no two addresses become one.
 *
 * Keeps no state; any thread.
 */
#define TUPLE_TEXT_MAX	80	/* bytes, without the final NUL */

enum tuple_kind {
	/* What was tried to be sent; the words of -key, in their order. */
	TUPLE_CLIENT,		/* client */
	TUPLE_PAIR,		/* client, sender */
	TUPLE_TRIPLET,		/* client, sender, recipient */

	/* What is known besides. */
	TUPLE_NETWORK,		/* client: all its mail together */
	TUPLE_FRIEND,		/* sender, recipient: may write back */
	TUPLE_KINDS
};

#define TUPLE_WORDS	"client|pair|triplet"	/* for options.h */

struct tuple {
	char client[TUPLE_TEXT_MAX + 1];
	char sender[TUPLE_TEXT_MAX + 1];
	char recipient[TUPLE_TEXT_MAX + 1];

	/* Of a client that is a domain in its stead, else ""; in no key. */
	char network[TUPLE_TEXT_MAX + 1];
};

/* Which of the three texts a kind is made of; the others mean nothing. */
enum tuple_part { TUPLE_OF_CLIENT, TUPLE_OF_SENDER, TUPLE_OF_RECIPIENT,
    TUPLE_PARTS };

bool tuple_has(enum tuple_kind, enum tuple_part);

/* "client", "pair", "triplet", "network", "friend". */
const char *tuple_word(enum tuple_kind);

/* The kind with this word; -1: none. */
int tuple_kind(const char *word);

/*
 * The client is its network: "192.0.2.0/24", "2001:db8::/64".  The prefixes
 * are in bits as the family counts them.
 */
void tuple_set_network(struct tuple *, const struct addr *, long prefix4,
    long prefix6);

/*
 * The client is whoever speaks for this domain (RFC 7208): lower case, without
 * a final dot.  -1 when it is no domain name of letters, digits, '-', '_' and
 * dots, or longer than 255 bytes; then the tuple is as it was.
 */
int tuple_set_domain(struct tuple *, const char *domain);

/*
 * The sender of a path (RFC 5321 4.1.2), "<joe+x@example.org>": "" for the
 * null sender "<>", else lower case (ASCII only) without angle brackets and
 * source route, and
 *
 *	prvs=3092AB1C2D=joe@a	joe@a		BATV; also prvs=joe/3092AB1C2D@a
 *	btv1==0123==joe@a	joe@a		Barracuda's; also msprvs1=...=
 *	SRS0=ab12=XY=a=joe@b	srs0=a=joe@b	(SRS0+ and SRS0- too)
 *	SRS1=ab=c==de=XY=a=joe@b	srs1=c==a=joe@b
 *	joe+news@a		joe@a		detail (RFC 5233)
 *	l-1234-ann=c@a		l-#-ann=c@a	VERP
 *
 * A number in the local part becomes '#' when it stands alone: it has '-',
 * '=', '.' or '_' (or the end) on either side, but is not the whole local
 * part.  So does a run of four or more hex digits of which one at least is a
 * digit (groups of a UUID).  A '+' in the first place begins no detail.  What
 * is left is never empty unless the sender is null.
 *
 * A local part with quotes or '\' keeps all but its case, and an address of
 * more than 1024 bytes that as well.
 */
void tuple_set_sender(struct tuple *, const char *path);

/*
 * The recipient: lower case, without brackets and source route; one of more
 * than 1024 bytes keeps its case.
 */
void tuple_set_recipient(struct tuple *, const char *path);

/*
 * The key of a record of this kind; parts the kind does not have count for
 * nothing.  Two tuples have the same key only if the kind and all its parts
 * are the same.  Returns its size, which is STORE_KEY_MAX at most.
 */
size_t tuple_key(unsigned char key[STORE_KEY_MAX], enum tuple_kind,
    const struct tuple *);

/*
 * And back; parts the kind does not have become "".  Returns the kind, or -1
 * when it is no such key; then the tuple is as it was.
 */
int tuple_from_key(struct tuple *, const void *key, size_t size);

/* The bytes all keys of this kind, and for the client's ones of this client,
 * begin with.  client NULL: of all clients.  Returns the size. */
size_t tuple_key_prefix(unsigned char key[STORE_KEY_MAX], enum tuple_kind,
    const char *client);

/*
 * A text as one word: blanks, control and 8-bit bytes and '\' become \xHH, and
 * nothing becomes "<>", so the text "<>" becomes "\x3c\x3e".  Returns out.
 */
#define TUPLE_PRINT_MAX	(TUPLE_TEXT_MAX * 4 + 1)

const char *tuple_print(char out[TUPLE_PRINT_MAX], const char *text);

/*
 * And back; -1 when it is no such word, or its text holds NUL or is longer
 * than TUPLE_TEXT_MAX; then out is as it was.  It may be any of the three
 * texts.
 */
int tuple_scan(char out[TUPLE_TEXT_MAX + 1], const char *word);

#endif
