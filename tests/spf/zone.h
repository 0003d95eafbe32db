#ifndef TESTS_ZONE_H
#define TESTS_ZONE_H

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

/*
 * zone - a DNS that is known by heart: for tests, fuzzing and benchmarks.
 *
 * Names are compared without case and without a last dot.  Everything is added
 * before the first question for it.  Out of memory is the end.
 */
#define ZONE_BUCKETS	4096
#define ZONE_TYPES	5

struct zone_name {
	struct zone_name *next;		/* in its bucket */
	char *name;
	char *cname;			/* of this name; or NULL */
	bool trouble;			/* for types without records */
	struct dns_builder adding[ZONE_TYPES];
	const struct dns_answer *answer[ZONE_TYPES];
};

struct zone {
	struct dns dns;			/* the first member */
	unsigned asked;			/* questions until now */
	const struct dns_answer *none[DNS_TROUBLE + 1];
	struct zone_name *bucket[ZONE_BUCKETS];
};

static inline int
zone_type(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return 0;
	case DNS_AAAA:
		return 1;
	case DNS_MX:
		return 2;
	case DNS_PTR:
		return 3;
	case DNS_TXT:
		return 4;
	}
	abort();
}

/* Bytes of the name that count. */
static inline size_t
zone_name_size(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && name[size - 1] == '.' ? size - 1 : size;
}

/* Not tolower(3), which asks for the locale each time. */
static inline unsigned char
zone_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') :
	    (unsigned char)c;
}

static inline bool
zone_is_name(const struct zone_name *n, const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (zone_lower(n->name[i]) != zone_lower(name[i]))
			return false;
	}
	return n->name[size] == '\0';
}

/* The place of a name, where NULL is if it is not there. */
static inline struct zone_name **
zone_place(struct zone *z, const char *name)
{
	size_t size = zone_name_size(name);
	struct zone_name **place;
	unsigned hash = 2166136261U;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ zone_lower(name[i])) * 16777619U;
	place = &z->bucket[hash % ZONE_BUCKETS];
	while (*place != NULL && !zone_is_name(*place, name, size))
		place = &(*place)->next;
	return place;
}

/* --- asking */

static inline const struct dns_answer *
zone_answer(struct zone *z, struct zone_name *n, enum dns_type type)
{
	int i = zone_type(type);

	if (n->answer[i] == NULL) {
		if (n->adding[i].answer == NULL && n->trouble)
			return dns_hold(z->none[DNS_TROUBLE]);
		n->answer[i] = dns_builder_take(&n->adding[i], 300);
	}
	return dns_hold(n->answer[i]);
}

static inline const struct dns_answer *
zone_ask(struct dns *dns, const char *name, enum dns_type type)
{
	struct zone *z = (struct zone *)dns;
	struct zone_name *n = *zone_place(z, name);
	int cnames = 0;

	z->asked++;
	while (n != NULL && n->cname != NULL) {
		if (cnames++ == DNS_CNAMES_MAX)
			return dns_hold(z->none[DNS_TROUBLE]);
		n = *zone_place(z, n->cname);
	}
	if (n == NULL)
		return dns_hold(z->none[DNS_NO_NAME]);
	return zone_answer(z, n, type);
}

/* --- making */

static inline void
zone_open(struct zone *z)
{
	memset(z, 0, sizeof *z);
	z->dns.ask = zone_ask;
	z->none[DNS_NO_NAME] = dns_answer_none(DNS_NO_NAME, 300);
	z->none[DNS_TROUBLE] = dns_answer_none(DNS_TROUBLE, 0);
}

static inline void
zone_free_name(struct zone_name *n)
{
	for (int i = 0; i < ZONE_TYPES; i++) {
		if (n->answer[i] == NULL)
			n->answer[i] = dns_builder_take(&n->adding[i], 0);
		dns_release(n->answer[i]);
	}
	free(n->cname);
	free(n->name);
	free(n);
}

/* As after zone_open(), which must come next, if anything does. */
static inline void
zone_close(struct zone *z)
{
	for (size_t i = 0; i < ZONE_BUCKETS; i++) {
		while (z->bucket[i] != NULL) {
			struct zone_name *n = z->bucket[i];

			z->bucket[i] = n->next;
			zone_free_name(n);
		}
	}
	dns_release(z->none[DNS_NO_NAME]);
	dns_release(z->none[DNS_TROUBLE]);
}

static inline char *
zone_copy(const char *name)
{
	size_t size = zone_name_size(name);
	char *copy = strndup(name, size);

	if (copy == NULL)
		abort();
	return copy;
}

/* From now on the name exists, if only without records. */
static inline struct zone_name *
zone_add_name(struct zone *z, const char *name)
{
	struct zone_name **place = zone_place(z, name);

	if (*place == NULL) {
		*place = calloc(1, sizeof **place);
		if (*place == NULL)
			abort();
		(*place)->name = zone_copy(name);
	}
	return *place;
}

static inline void
zone_add(struct zone *z, const char *name, enum dns_type type,
    const struct addr *addr, unsigned preference, const char *text, size_t size)
{
	struct zone_name *n = zone_add_name(z, name);
	int i = zone_type(type);

	assert(n->answer[i] == NULL);
	dns_builder_add(&n->adding[i], addr, preference, text, size);
}

/* An A or an AAAA, by what the address is. */
static inline void
zone_add_addr(struct zone *z, const char *name, const struct addr *addr)
{
	zone_add(z, name, addr_is_ipv4(addr) ? DNS_A : DNS_AAAA, addr, 0, "",
	    0);
}

static inline void
zone_add_txt(struct zone *z, const char *name, const char *text)
{
	zone_add(z, name, DNS_TXT, NULL, 0, text, strlen(text));
}

/* Nobody knows what this name has, but for the types that were added. */
static inline void
zone_add_trouble(struct zone *z, const char *name)
{
	zone_add_name(z, name)->trouble = true;
}

/* The first one counts. */
static inline void
zone_add_cname(struct zone *z, const char *name, const char *target)
{
	struct zone_name *n = zone_add_name(z, name);

	if (n->cname == NULL)
		n->cname = zone_copy(target);
}

#endif
