#ifndef BENCH_TRIPLET_H
#define BENCH_TRIPLET_H

#include <stdint.h>
#include <stdio.h>

/*
 * triplet - number n of very many: a client, a sender, a recipient.
 *
 * Each has a network of its own until the networks begin anew, and one that
 * follows on another is far from it, as strangers are.
 */
#define TRIPLET_NETWORKS	950000u
#define TRIPLET_STEP		7919u	/* has no factor in common with it */

struct triplet {
	char network[20];	/* "128.100.100.0/24" */
	char client[16];	/* and an address in it */
	char sender[64], recipient[64];
};

/* In letters that are no digits of any kind, for graymilter folds numbers. */
static inline void
triplet_name(char out[17], uint64_t n)
{
	int size = 0;

	do
		out[size++] = (char)('g' + n % 16);
	while ((n /= 16) > 0);
	out[size] = '\0';
}

static inline void
triplet_make(struct triplet *t, uint64_t n)
{
	unsigned network = (unsigned)(n % TRIPLET_NETWORKS * TRIPLET_STEP %
	    TRIPLET_NETWORKS);
	unsigned a = 128 + network / 10000, b = 100 + network / 100 % 100;
	unsigned c = 100 + network % 100;
	char name[17];

	triplet_name(name, n);
	snprintf(t->network, sizeof t->network, "%u.%u.%u.0/24", a, b, c);
	snprintf(t->client, sizeof t->client, "%u.%u.%u.25", a, b, c);
	snprintf(t->sender, sizeof t->sender, "%s@mail.example.com", name);
	snprintf(t->recipient, sizeof t->recipient, "recipient@example.org");
}

#endif
