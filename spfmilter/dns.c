#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

#define ROOM_MIN	512	/* bytes of an answer at first */

/* What there always is.  Nobody counts who holds it. */
static struct dns_answer trouble = {
	.status = DNS_TROUBLE,
	.bytes = sizeof trouble
};

const char *
dns_type_word(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	}
	return "?";
}

const char *
dns_status_word(enum dns_status status)
{
	switch (status) {
	case DNS_FOUND:
		return "found";
	case DNS_NO_NAME:
		return "no such name";
	case DNS_NO_DATA:
		return "no such record";
	case DNS_TROUBLE:
		return "trouble";
	}
	return "?";
}

bool
dns_is_name(const char *name)
{
	size_t label = 0, i;

	for (i = 0; name[i] != '\0'; i++) {
		unsigned char c = (unsigned char)name[i];

		if (i > DNS_NAME_MAX || c < ' ' || c == 0x7f || c == '\\')
			return false;
		if (c != '.')
			label++;
		else if (label == 0)
			return false;
		else
			label = 0;
		if (label > DNS_LABEL_MAX)
			return false;
	}
	return i > 0 && i - (label == 0) <= DNS_NAME_MAX;
}

/* --- answers */

const struct dns_answer *
dns_answer_none(enum dns_status status, uint32_t ttl)
{
	struct dns_answer *a;

	assert(status != DNS_FOUND);
	if (status == DNS_TROUBLE || (a = calloc(1, sizeof *a)) == NULL)
		return &trouble;
	a->status = status;
	a->ttl = ttl;
	a->bytes = sizeof *a;
	atomic_init(&a->holders, 1);
	return a;
}

/* Of what never changes, this alone does. */
static atomic_int *
holders_of(const struct dns_answer *a)
{
	return &((struct dns_answer *)a)->holders;
}

const struct dns_answer *
dns_hold(const struct dns_answer *a)
{
	if (a != &trouble)
		atomic_fetch_add_explicit(holders_of(a), 1,
		    memory_order_relaxed);
	return a;
}

void
dns_release(const struct dns_answer *a)
{
	if (a == NULL || a == &trouble)
		return;
	if (atomic_fetch_sub_explicit(holders_of(a), 1,
	    memory_order_acq_rel) == 1)
		free((struct dns_answer *)a);
}

/*
 * --- building
 *
 * Records stand at the beginning of the block and texts at its end, the last
 * one first, each with its NUL; the room is between them.  So a block that
 * moves has nothing in it that points into it, until all are there.
 */

/* Where the texts would begin, were there no room. */
static char *
end_of_records(struct dns_answer *a)
{
	return (char *)(a->record + a->count);
}

static size_t
size_of_texts(struct dns_answer *a)
{
	return a->bytes - (size_t)(end_of_records(a) - (char *)a);
}

static bool
make_room(struct dns_builder *b, size_t more)
{
	struct dns_answer *a = b->answer;
	size_t used = a != NULL ? a->bytes : sizeof *a;
	size_t room = a != NULL ? b->room : ROOM_MIN, texts;

	if (more > DNS_ANSWER_MAX - used)
		return false;
	while (room - used < more)
		room *= 2;
	if (room == b->room)
		return true;
	if ((a = realloc(a, room)) == NULL)
		return false;
	if (b->answer == NULL) {
		memset(a, 0, sizeof *a);
		a->bytes = sizeof *a;
	}
	texts = size_of_texts(a);
	memmove((char *)a + room - texts, (char *)a + b->room - texts, texts);
	b->answer = a;
	b->room = room;
	return true;
}

void
dns_builder_add(struct dns_builder *b, const struct addr *addr,
    unsigned preference, const char *text, size_t size)
{
	struct dns_record record = { .preference = preference, .size = size };
	size_t more = sizeof record + size + 1;
	char *place;

	if (b->answer != NULL && b->answer->count == DNS_RECORDS_MAX)
		return;
	if (b->failed || size > DNS_ANSWER_MAX || !make_room(b, more)) {
		b->failed = true;
		return;
	}
	if (addr != NULL)
		record.addr = *addr;
	place = (char *)b->answer + b->room - size_of_texts(b->answer) -
	    (size + 1);
	if (size > 0)
		memcpy(place, text, size);
	place[size] = '\0';
	b->answer->record[b->answer->count++] = record;
	b->answer->bytes += more;
}

/* Take out the room; then records can point to their texts. */
static struct dns_answer *
finish(struct dns_answer *a, size_t room)
{
	size_t texts = size_of_texts(a);
	struct dns_answer *shrunk;
	char *place;

	memmove(end_of_records(a), (char *)a + room - texts, texts);
	if ((shrunk = realloc(a, a->bytes)) != NULL)
		a = shrunk;
	place = (char *)a + a->bytes;
	for (size_t i = 0; i < a->count; i++) {
		place -= a->record[i].size + 1;
		a->record[i].text = place;
	}
	return a;
}

const struct dns_answer *
dns_builder_take(struct dns_builder *b, uint32_t ttl)
{
	struct dns_answer *a = b->answer;
	bool failed = b->failed;
	size_t room = b->room;

	*b = (struct dns_builder){ .answer = NULL };
	if (failed) {
		free(a);
		return &trouble;
	}
	if (a == NULL)
		return dns_answer_none(DNS_NO_DATA, ttl);
	a = finish(a, room);
	a->status = DNS_FOUND;
	a->ttl = ttl;
	atomic_init(&a->holders, 1);
	return a;
}
