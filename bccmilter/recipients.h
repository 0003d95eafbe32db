#ifndef BCCMILTER_RECIPIENTS_H
#define BCCMILTER_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * recipients - those of one message, and where each of them is shown.
 *
 * First all are added, then addresses are shown; addresses are in the form
 * addrlist gives them.  Two recipients that are the same then are one.  All
 * operations take a time that grows with the logarithm of the number, whoever
 * chose the addresses.
 *
 * One thread.
 */
#define RECIPIENTS_MAX		20000	/* more: full */
#define RECIPIENTS_BYTES_MAX	(512 << 10)	/* of text; more: full */

/* Where a recipient is shown first. */
enum shown {
	SHOWN_NOWHERE,
	SHOWN_TO,
	SHOWN_CC,
	SHOWN_RESENT_TO,
	SHOWN_RESENT_CC,
	SHOWN_COUNT
};

struct recipient {
	uint32_t at;		/* of its address in the text */
	uint8_t shown;		/* enum shown */
	bool by_alias;		/* through another address */
	bool bare_shown;	/* of those with this local part, in all
				 * domains: the first has it */
};

/* All zero at first. */
struct recipients {
	struct recipient *list;
	char *text;
	size_t count, room, text_size, text_room;
	bool sorted;		/* no more can be added */
	bool any_bare;		/* one has no domain */
	bool all_shown;		/* by recipients_show_all() */
	bool full;		/* one is left out, or there was no memory */
};

/* One more; what is left out makes it full.  Before the first is shown. */
void recipients_add(struct recipients *, const char *address);

/*
 * This address stands there: who it is, is shown.  One without a domain is the
 * recipient of this local part in any domain, and a recipient without a domain
 * is anybody of that local part.  A recipient stays where it was shown first.
 * Returns whether it is anybody.
 */
bool recipients_show(struct recipients *, const char *address, enum shown,
    bool by_alias);

/* Everybody is. */
void recipients_show_all(struct recipients *, enum shown, bool by_alias);

/* How many there are, each once, and how many of them are shown. */
size_t recipients_count(struct recipients *);
size_t recipients_shown(struct recipients *);

/* The address of the first that is not shown, or NULL; and of any. */
const char *recipients_hidden(struct recipients *);

/* Where this one is shown; NULL: it is none of them. */
const struct recipient *recipients_find(struct recipients *,
    const char *address);

/* The name of that field, or "nowhere". */
const char *recipients_word(enum shown);

/* All zero again. */
void recipients_free(struct recipients *);

#endif
