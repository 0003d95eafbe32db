#include <stdlib.h>
#include <string.h>

#include "recipients.h"

/*
 * Most messages have one recipient, so it begins with little.  At most it is
 * 256 kB of recipients and 512 kB of text, and half of that once more while it
 * grows or is sorted.
 */
#define BLOCK_MIN	64	/* bytes */

/*
 * Sorted by the local part, then by the domain, so those of a local part stand
 * together, and first the one without a domain.  (Compared as a whole, "a@x@b"
 * of "a@x" would stand between those of "a".)
 */
struct parts {
	const char *local, *domain;	/* the latter with its '@' */
	size_t size;			/* of the local part */
};

static _Thread_local const char *sorted_text;	/* qsort(3) passes nothing on */

static struct parts
split(const char *address)
{
	const char *at = strrchr(address, '@');

	if (at == NULL)
		return (struct parts){ address, "@", strlen(address) };
	return (struct parts){ address, at, (size_t)(at - address) };
}

static int
compare(const struct parts *a, const struct parts *b)
{
	int order = memcmp(a->local, b->local,
	    a->size < b->size ? a->size : b->size);

	if (order == 0)
		order = (a->size > b->size) - (a->size < b->size);
	return order != 0 ? order : strcmp(a->domain, b->domain);
}

/* --- adding */

/* Room for so many of each size; NULL: no memory, and all is as it was. */
static void *
grow(void *block, size_t *room, size_t wanted, size_t each)
{
	size_t larger = *room > 0 ? *room : BLOCK_MIN / each;
	void *grown;

	while (larger < wanted)
		larger *= 2;
	if (larger == *room)
		return block;
	if ((grown = realloc(block, larger * each)) != NULL)
		*room = larger;
	return grown;
}

/* For one more of this many bytes. */
static int
make_room(struct recipients *r, size_t size)
{
	struct recipient *list;
	char *text;

	if (r->count == RECIPIENTS_MAX ||
	    size > RECIPIENTS_BYTES_MAX - r->text_size)
		return -1;
	list = grow(r->list, &r->room, r->count + 1, sizeof *list);
	if (list == NULL)
		return -1;
	r->list = list;
	text = grow(r->text, &r->text_room, r->text_size + size, 1);
	if (text == NULL)
		return -1;
	r->text = text;
	return 0;
}

void
recipients_add(struct recipients *r, const char *address)
{
	size_t size = strlen(address) + 1;

	if (r->sorted || make_room(r, size) == -1) {
		r->full = true;
		return;
	}
	r->list[r->count++] = (struct recipient){
		.at = (uint32_t)r->text_size
	};
	memcpy(r->text + r->text_size, address, size);
	r->text_size += size;
	r->any_bare |= split(address).domain[1] == '\0';
}

/* --- sorting */

static int
compare_recipients(const void *a, const void *b)
{
	const struct recipient *one = a, *other = b;
	struct parts p = split(sorted_text + one->at),
	    q = split(sorted_text + other->at);

	return compare(&p, &q);
}

/* Equal ones become one. */
static void
merge(struct recipients *r)
{
	size_t kept = 1;

	for (size_t i = 1; i < r->count; i++)
		if (compare_recipients(&r->list[kept - 1], &r->list[i]) != 0)
			r->list[kept++] = r->list[i];
	r->count = kept;
}

/* Once.  Is there anybody? */
static bool
sort(struct recipients *r)
{
	if (!r->sorted && r->count > 0) {
		sorted_text = r->text;
		qsort(r->list, r->count, sizeof *r->list, compare_recipients);
		merge(r);
	}
	r->sorted = true;
	return r->count > 0;
}

/* The first that does not stand before this, or nobody behind the last. */
static struct recipient *
search(const struct recipients *r, const struct parts *wanted)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct parts p = split(r->text + r->list[middle].at);

		if (compare(&p, wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &r->list[low];
}

/* --- showing */

static void
mark(struct recipient *who, enum shown where, bool by_alias)
{
	if (who->shown != SHOWN_NOWHERE)
		return;
	who->shown = (uint8_t)where;
	who->by_alias = by_alias;
}

static struct recipient *
find_one(const struct recipients *r, const struct parts *wanted)
{
	struct recipient *who = search(r, wanted);
	struct parts p;

	if (who == r->list + r->count)
		return NULL;
	p = split(r->text + who->at);
	return compare(&p, wanted) == 0 ? who : NULL;
}

static bool
show_one(const struct recipients *r, const struct parts *wanted,
    enum shown where, bool by_alias)
{
	struct recipient *who = find_one(r, wanted);

	if (who != NULL)
		mark(who, where, by_alias);
	return who != NULL;
}

static bool
has_local(const struct recipients *r, const struct recipient *who,
    const struct parts *wanted)
{
	struct parts p = split(r->text + who->at);

	return p.size == wanted->size &&
	    memcmp(p.local, wanted->local, p.size) == 0;
}

/* All of a local part, which stand together.  Once: they may be many. */
static bool
show_bare(const struct recipients *r, const struct parts *wanted,
    enum shown where, bool by_alias)
{
	struct recipient *first = search(r, wanted), *who = first,
	    *end = r->list + r->count;

	if (first == end || !has_local(r, first, wanted))
		return false;
	for (; !first->bare_shown && who < end && has_local(r, who, wanted);
	    who++)
		mark(who, where, by_alias);
	first->bare_shown = true;
	return true;
}

bool
recipients_show(struct recipients *r, const char *address, enum shown where,
    bool by_alias)
{
	struct parts p = split(address);
	bool anybody;

	if (!sort(r))
		return false;
	if (p.domain[1] == '\0')
		return show_bare(r, &p, where, by_alias);
	anybody = show_one(r, &p, where, by_alias);
	if (r->any_bare) {
		p.domain = "@";
		anybody |= show_one(r, &p, where, by_alias);
	}
	return anybody;
}

void
recipients_show_all(struct recipients *r, enum shown where, bool by_alias)
{
	if (!sort(r) || r->all_shown)
		return;
	for (size_t i = 0; i < r->count; i++)
		mark(&r->list[i], where, by_alias);
	r->all_shown = true;
}

/* --- asking */

size_t
recipients_count(struct recipients *r)
{
	sort(r);
	return r->count;
}

size_t
recipients_shown(struct recipients *r)
{
	size_t shown = 0;

	sort(r);
	for (size_t i = 0; i < r->count; i++)
		shown += r->list[i].shown != SHOWN_NOWHERE;
	return shown;
}

const char *
recipients_hidden(struct recipients *r)
{
	sort(r);
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].shown == SHOWN_NOWHERE)
			return r->text + r->list[i].at;
	return NULL;
}

const struct recipient *
recipients_find(struct recipients *r, const char *address)
{
	struct parts p = split(address);

	return sort(r) ? find_one(r, &p) : NULL;
}

void
recipients_free(struct recipients *r)
{
	free(r->list);
	free(r->text);
	*r = (struct recipients){ .count = 0 };
}

const char *
recipients_word(enum shown where)
{
	static const char *const words[SHOWN_COUNT] = {
		[SHOWN_NOWHERE] = "nowhere",
		[SHOWN_TO] = "To",
		[SHOWN_CC] = "Cc",
		[SHOWN_RESENT_TO] = "Resent-To",
		[SHOWN_RESENT_CC] = "Resent-Cc",
	};

	return words[where];
}
