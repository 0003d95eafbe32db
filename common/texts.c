#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "texts.h"

/*
 * The texts stand one behind the other, each with a NUL at its end and its
 * value behind that.  A hash table with open addressing holds where they
 * begin: five bytes an entry, where a pointer and malloc(3) would take forty.
 */
#define BLOCK_MIN	4096	/* bytes at first */
#define BLOCK_MAX	UINT32_MAX
#define GIVE_WAY	4096	/* entries; see ipset.c */

struct texts {
	size_t value_size;	/* 0: up to its NUL */
	char *block;
	size_t size, room;	/* of the block; its first byte is not used */
	size_t count;
	uint32_t *slot;		/* where in the block; 0: free */
	size_t slots;		/* a third more than entries */
};

void
texts_lower(char *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = text[i] >= 'A' && text[i] <= 'Z' ?
		    (char)(text[i] - 'A' + 'a') : text[i];
	out[size] = '\0';
}

struct texts *
texts_begin(size_t value_size)
{
	struct texts *t = calloc(1, sizeof *t);

	if (t == NULL || (t->block = malloc(BLOCK_MIN)) == NULL) {
		free(t);
		return NULL;
	}
	t->value_size = value_size;
	t->room = BLOCK_MIN;
	t->size = 1;
	return t;
}

static size_t
value_size(const struct texts *t, const char *value)
{
	return t->value_size > 0 ? t->value_size : strlen(value) + 1;
}

static int
make_room(struct texts *t, size_t size)
{
	size_t room = t->room;
	char *grown;

	if (size > BLOCK_MAX - t->size) {
		errno = EFBIG;
		return -1;
	}
	while (size > room - t->size)
		room *= 2;
	if (room == t->room)
		return 0;
	if ((grown = realloc(t->block, room)) == NULL)
		return -1;
	t->block = grown;
	t->room = room;
	return 0;
}

int
texts_add(struct texts *t, const char *text, const void *value)
{
	size_t size = strlen(text) + 1, behind = value_size(t, value);

	if (make_room(t, size + behind) == -1)
		return -1;
	memcpy(t->block + t->size, text, size);
	memcpy(t->block + t->size + size, value, behind);
	t->size += size + behind;
	t->count++;
	return 0;
}

/* FNV-1a; the last letters, felt least by its upper bits, mixed into them. */
static uint32_t
hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return (uint32_t)((h ^ h >> 32) * 0x9e3779b97f4a7c15u >> 32);
}

/* The slot of a text, or the free one it would have. */
static uint32_t *
find_slot(const struct texts *t, const char *text)
{
	size_t i = (size_t)((uint64_t)hash(text) * t->slots >> 32);

	while (t->slot[i] != 0 && strcmp(t->block + t->slot[i], text) != 0)
		i = i + 1 == t->slots ? 0 : i + 1;
	return &t->slot[i];
}

int
texts_finish(struct texts *t)
{
	char *block = realloc(t->block, t->size);
	size_t at = 1;

	if (block != NULL)
		t->block = block;	/* what was too much is given back */
	t->slots = t->count + t->count / 3 + 1;
	if ((t->slot = calloc(t->slots, sizeof *t->slot)) == NULL)
		return -1;
	for (size_t i = 1; i <= t->count; i++) {
		uint32_t *slot = find_slot(t, t->block + at);

		if (*slot == 0)
			*slot = (uint32_t)at;
		at += strlen(t->block + at) + 1;
		at += value_size(t, t->block + at);
		if (i % GIVE_WAY == 0)
			sched_yield();
	}
	return 0;
}

const void *
texts_find(const struct texts *t, const char *text)
{
	uint32_t at = *find_slot(t, text);

	return at == 0 ? NULL : t->block + at + strlen(text) + 1;
}

size_t
texts_count(const struct texts *t)
{
	return t->count;
}

size_t
texts_size(const struct texts *t)
{
	return sizeof *t + t->size + t->slots * sizeof *t->slot;
}

void
texts_free(struct texts *t)
{
	if (t == NULL)
		return;
	free(t->block);
	free(t->slot);
	free(t);
}
