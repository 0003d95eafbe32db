#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipset.h"

/*
 * Built in three steps: the networks are sorted, a sweep over them yields
 * disjoint ranges of addresses that are on the same lists, and each range is
 * stored as the prefixes ("pieces") it consists of.  So a search finds one
 * piece or none, however many lists and networks overlap there.
 *
 * What a piece is on, a set of lists, is a class: a place in a small table.
 *
 * IPv4: the top bits of an address are the place of its bucket in an index,
 * and a piece never crosses the border of a bucket, so the low 16 bits of its
 * first address are enough: (low 16) << 16 | host bits << 11 | class.
 *
 * IPv6: pieces of /64 and shorter by their upper 64 bits, longer ones by all
 * 128; next to them host bits << 10 | class, for the first kind less 64.
 */
__extension__ typedef unsigned __int128 u128;

#define V4_HOST_SHIFT	11
#define V4_CLASS_MASK	0x7ffu
#define V6_HOST_SHIFT	10
#define V6_CLASS_MASK	0x3ffu

#define INDEX_BITS_MIN	16	/* a bucket then has 2^16 addresses */
#define INDEX_BITS_MAX	22	/* 16 MB of index */
#define BUCKET_LOAD	8	/* pieces in a bucket, about */

/* So many are kept for single lists, so that there is always one to use. */
#define CLASSES_SINGLE	IPSET_LISTS_MAX
#define CLASSES_FREE	(IPSET_CLASSES_MAX - CLASSES_SINGLE)
#define CLASS_SLOTS	4096	/* of the hash over the masks; a power of two */

#define GROW_MIN	1024	/* entries */
#define INSERTION_MAX	48	/* entries sorted by insertion */
#define GIVE_WAY	4096	/* entries; see give_way() */

struct v6_entry {
	u128 first;
	unsigned char bits, list;
};

struct ipset_builder {
	/* An IPv4 network: address << 32 | bits << 26 | list << 20. */
	uint64_t *v4;
	size_t v4_count, v4_room;
	struct v6_entry *v6;
	size_t v6_count, v6_room;
};

struct ipset {
	uint64_t classes[IPSET_CLASSES_MAX + 1];	/* class 0: no list */
	unsigned class_count;

	int index_bits;
	uint32_t *index;	/* of a bucket's first piece; one more */
	uint32_t *v4;
	size_t v4_count;

	uint64_t *near;
	uint16_t *near_info;
	size_t near_count;
	u128 *far;
	uint16_t *far_info;
	size_t far_count;
};

struct ipset_builder *
ipset_begin(void)
{
	return calloc(1, sizeof(struct ipset_builder));
}

void
ipset_cancel(struct ipset_builder *b)
{
	if (b == NULL)
		return;
	free(b->v4);
	free(b->v6);
	free(b);
}

/* Make room for one more.  -1: out of memory, nothing changed. */
static int
grow(void **array, size_t size, size_t count, size_t *room)
{
	size_t wanted = *room == 0 ? GROW_MIN : *room * 2;
	void *p;

	if (count < *room)
		return 0;
	if ((p = realloc(*array, wanted * size)) == NULL)
		return -1;
	*array = p;
	*room = wanted;
	return 0;
}

static u128
to_number(const struct addr *a)
{
	u128 n = 0;

	for (size_t i = 0; i < sizeof a->byte; i++)
		n = n << 8 | a->byte[i];
	return n;
}

int
ipset_add(struct ipset_builder *b, const struct addr *addr, int bits, int list)
{
	struct addr masked = *addr;
	void *array;
	uint32_t v4;
	int grown;

	addr_mask(&masked, bits);
	if (!addr_is_ipv4(&masked) || bits < ADDR_IPV4_BITS) {
		array = b->v6;
		grown = grow(&array, sizeof *b->v6, b->v6_count, &b->v6_room);
		b->v6 = array;
		if (grown == -1)
			return -1;
		b->v6[b->v6_count++] = (struct v6_entry){
			.first = to_number(&masked),
			.bits = (unsigned char)bits,
			.list = (unsigned char)list,
		};
		return 0;
	}
	array = b->v4;
	grown = grow(&array, sizeof *b->v4, b->v4_count, &b->v4_room);
	b->v4 = array;
	if (grown == -1)
		return -1;
	v4 = (uint32_t)masked.byte[12] << 24 | (uint32_t)masked.byte[13] << 16 |
	    (uint32_t)masked.byte[14] << 8 | masked.byte[15];
	b->v4[b->v4_count++] = (uint64_t)v4 << 32 |
	    (uint64_t)(bits - ADDR_IPV4_BITS) << 26 | (uint64_t)list << 20;
	return 0;
}

/*
 * Building takes a tenth of a second for a million entries.  A thread that
 * answers a client and is put on the same processor would wait for the end of
 * our time slice, some milliseconds; it is let through every few tens of
 * microseconds instead.
 */
static void
give_way(size_t i)
{
	if (i % GIVE_WAY == 0)
		sched_yield();
}

static void
insertion_sort(uint64_t *a, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		uint64_t x = a[i];
		size_t j = i;

		for (; j > 0 && a[j - 1] > x; j--)
			a[j] = a[j - 1];
		a[j] = x;
	}
}

/*
 * Radix sort in place, the highest byte first: a second array would double
 * the memory that loading needs.
 */
static void
radix_sort(uint64_t *a, size_t count, int shift)
{
	size_t next[256], end[256], size[256] = { 0 }, at = 0, moved = 0;

	for (size_t i = 0; i < count; i++) {
		give_way(i + 1);
		size[a[i] >> shift & 0xff]++;
	}
	for (int d = 0; d < 256; d++) {
		next[d] = at;
		end[d] = at += size[d];
	}
	for (int d = 0; d < 256; d++)
		while (next[d] < end[d]) {
			uint64_t x = a[next[d]];
			size_t digit;

			/* Follow the chain until one belongs here. */
			while ((digit = x >> shift & 0xff) != (size_t)d) {
				uint64_t other = a[next[digit]];

				give_way(++moved);
				a[next[digit]++] = x;
				x = other;
			}
			a[next[d]++] = x;
		}
	if (shift == 16)
		return;			/* all that distinguishes is above */
	for (int d = 0; d < 256; d++) {
		uint64_t *bucket = a + (end[d] - size[d]);

		if (size[d] > INSERTION_MAX)
			radix_sort(bucket, size[d], shift - 8);
		else
			insertion_sort(bucket, size[d]);
	}
}

static void
sort_v4(uint64_t *a, size_t count)
{
	size_t i = 1;

	while (i < count && a[i - 1] <= a[i])
		i++;
	if (i < count)			/* most files come sorted */
		radix_sort(a, count, 56);
}

static int
compare_v6(const void *a, const void *b)
{
	static _Thread_local size_t compared;
	const struct v6_entry *x = a, *y = b;

	give_way(++compared);
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->bits - y->bits;
}

/* --- ranges */

/* Where ranges go, and the one that may still grow. */
struct sweep {
	void (*emit)(struct sweep *, u128 first, u128 last, unsigned class);
	struct ipset *set;
	int index_bits;
	int keep_below;
	uint16_t *slots;	/* class numbers, by the hash of their mask */

	bool pending;
	u128 first, last;
	unsigned class;
	uint64_t last_mask;	/* asked for last, and its class */
	unsigned last_class;
	size_t v4_count, near_count, far_count;
};

/* Networks that are open, from the outermost; each adds a list to the last. */
struct open {
	u128 last;
	uint64_t mask;
};

static unsigned
add_class(struct ipset *set, uint64_t mask, unsigned limit)
{
	if (set->class_count >= limit)
		return 0;
	set->classes[++set->class_count] = mask;
	return set->class_count;
}

static unsigned
find_class(struct sweep *w, uint64_t mask, unsigned limit)
{
	unsigned slot = (unsigned)(mask * 0x9e3779b97f4a7c15u >> 52);

	for (;; slot = (slot + 1) % CLASS_SLOTS) {
		unsigned class = w->slots[slot];

		if (class == 0)
			return w->slots[slot] = (uint16_t)add_class(w->set,
			    mask, limit);
		if (w->set->classes[class] == mask)
			return class;
	}
}

/* See ipset.h for what happens when there are too many. */
static unsigned
class_of(struct sweep *w, uint64_t mask)
{
	uint64_t keep = w->keep_below >= 64 ? ~(uint64_t)0 :
	    ((uint64_t)1 << w->keep_below) - 1;
	unsigned class;

	if (mask == w->last_mask)
		return w->last_class;
	class = find_class(w, mask, CLASSES_FREE);
	if (class == 0)
		class = find_class(w, (mask & keep) |
		    (mask & ~keep & -(mask & ~keep)), CLASSES_FREE);
	if (class == 0)
		class = find_class(w, mask & -mask, IPSET_CLASSES_MAX);
	w->last_mask = mask;
	w->last_class = class;
	return class;
}

static void
flush_range(struct sweep *w)
{
	if (w->pending)
		w->emit(w, w->first, w->last, w->class);
	w->pending = false;
}

static void
add_range(struct sweep *w, u128 first, u128 last, uint64_t mask)
{
	unsigned class = class_of(w, mask);

	if (w->pending && class == w->class && w->last + 1 == first) {
		w->last = last;
		return;
	}
	flush_range(w);
	w->pending = true;
	w->first = first;
	w->last = last;
	w->class = class;
}

/* The state of a sweep: the open networks and how far their ranges went. */
struct stack {
	struct open open[IPSET_LISTS_MAX];
	int depth;
	u128 at;		/* the first address no range was made for */
	bool done;		/* at went past the last address there is */
};

/* Close the innermost network. */
static void
close_network(struct sweep *w, struct stack *s)
{
	const struct open *o = &s->open[--s->depth];

	if (!s->done && s->at <= o->last) {
		add_range(w, s->at, o->last, o->mask);
		s->at = o->last + 1;
		s->done = s->at == 0;
	}
}

static void
open_network(struct sweep *w, struct stack *s, u128 first, u128 last, int list)
{
	uint64_t mask = (uint64_t)1 << list;
	const struct open *outer;

	while (s->depth > 0 && s->open[s->depth - 1].last < first)
		close_network(w, s);
	if (s->depth > 0) {
		outer = &s->open[s->depth - 1];
		mask |= outer->mask;
		if (mask == outer->mask)
			return;		/* says nothing new */
		if (s->at < first)
			add_range(w, s->at, first - 1, outer->mask);
	}
	s->at = first;
	s->done = false;
	s->open[s->depth].last = last;
	s->open[s->depth++].mask = mask;
}

static void
end_sweep(struct sweep *w, struct stack *s)
{
	while (s->depth > 0)
		close_network(w, s);
	flush_range(w);
}

static void
sweep_v4(struct sweep *w, const uint64_t *v4, size_t count)
{
	struct stack s = { .depth = 0 };

	for (size_t i = 0; i < count; i++) {
		uint32_t first = (uint32_t)(v4[i] >> 32);
		int bits = (int)(v4[i] >> 26 & 0x3f);
		uint32_t hosts = bits == 32 ? 0 : UINT32_MAX >> bits;

		give_way(i);
		open_network(w, &s, first, first | hosts,
		    (int)(v4[i] >> 20 & 0x3f));
	}
	end_sweep(w, &s);
}

static void
sweep_v6(struct sweep *w, const struct v6_entry *v6, size_t count)
{
	struct stack s = { .depth = 0 };

	for (size_t i = 0; i < count; i++) {
		u128 hosts = v6[i].bits == 128 ? 0 : ~(u128)0 >> v6[i].bits;

		give_way(i);
		open_network(w, &s, v6[i].first, v6[i].first | hosts,
		    v6[i].list);
	}
	end_sweep(w, &s);
}

/* --- pieces */

/* The host bits of the largest piece that starts at first, up to last. */
static int
host_bits(u128 first, u128 last, int most)
{
	int bits = 0;

	while (bits < most && (first >> bits & 1) == 0 &&
	    last - first >= ((u128)2 << bits) - 1)
		bits++;
	return bits;
}

static void
emit_v4(struct sweep *w, u128 first, u128 last, unsigned class)
{
	struct ipset *set = w->set;

	while (first <= last) {
		int bits = host_bits(first, last, 32 - w->index_bits);
		uint32_t at = (uint32_t)first;

		if (set->v4 != NULL) {
			set->v4[w->v4_count] = at << 16 |
			    (uint32_t)bits << V4_HOST_SHIFT | class;
			set->index[(at >> (32 - w->index_bits)) + 1]++;
		}
		w->v4_count++;
		first += (u128)1 << bits;
	}
}

static void
emit_v6(struct sweep *w, u128 first, u128 last, unsigned class)
{
	struct ipset *set = w->set;

	for (;;) {
		int bits = host_bits(first, last, 127);
		size_t *count = bits >= 64 ? &w->near_count : &w->far_count;

		if (set->near != NULL && bits >= 64) {
			set->near[*count] = (uint64_t)(first >> 64);
			set->near_info[*count] = (uint16_t)(
			    (unsigned)(bits - 64) << V6_HOST_SHIFT | class);
		} else if (set->near != NULL) {
			set->far[*count] = first;
			set->far_info[*count] = (uint16_t)(
			    (unsigned)bits << V6_HOST_SHIFT | class);
		}
		++*count;
		if (last - first < (u128)1 << bits)
			return;
		first += (u128)1 << bits;
	}
}

/* How many bits of index for so many pieces. */
static int
choose_index_bits(size_t pieces)
{
	int bits = INDEX_BITS_MIN;

	while (bits < INDEX_BITS_MAX &&
	    ((size_t)BUCKET_LOAD << bits) < pieces)
		bits++;
	return bits;
}

/* At first set->v4 is NULL and pieces are counted, then they are stored. */
static int
build_v4(struct sweep *w, const struct ipset_builder *b)
{
	struct ipset *set = w->set;
	size_t buckets;

	w->emit = emit_v4;
	w->index_bits = INDEX_BITS_MIN;
	sweep_v4(w, b->v4, b->v4_count);
	w->index_bits = set->index_bits = choose_index_bits(w->v4_count);
	w->v4_count = 0;
	sweep_v4(w, b->v4, b->v4_count);

	buckets = (size_t)1 << set->index_bits;
	set->index = calloc(buckets + 1, sizeof *set->index);
	set->v4 = malloc((w->v4_count + 1) * sizeof *set->v4);
	if (set->index == NULL || set->v4 == NULL)
		return -1;
	set->v4_count = w->v4_count;
	w->v4_count = 0;
	sweep_v4(w, b->v4, b->v4_count);
	for (size_t i = 0; i < buckets; i++)
		set->index[i + 1] += set->index[i];
	return 0;
}

static int
build_v6(struct sweep *w, const struct ipset_builder *b)
{
	struct ipset *set = w->set;

	w->emit = emit_v6;
	sweep_v6(w, b->v6, b->v6_count);
	set->near_count = w->near_count;
	set->far_count = w->far_count;
	set->near = malloc((set->near_count + 1) * sizeof *set->near);
	set->near_info = malloc((set->near_count + 1) *
	    sizeof *set->near_info);
	set->far = malloc((set->far_count + 1) * sizeof *set->far);
	set->far_info = malloc((set->far_count + 1) * sizeof *set->far_info);
	if (set->near == NULL || set->near_info == NULL || set->far == NULL ||
	    set->far_info == NULL)
		return -1;
	w->near_count = w->far_count = 0;
	sweep_v6(w, b->v6, b->v6_count);
	return 0;
}

struct ipset *
ipset_build(struct ipset_builder *b, int keep_below)
{
	struct sweep w = { .keep_below = keep_below };

	w.set = calloc(1, sizeof *w.set);
	w.slots = calloc(CLASS_SLOTS, sizeof *w.slots);
	if (w.set == NULL || w.slots == NULL)
		goto fail;
	sort_v4(b->v4, b->v4_count);
	if (b->v6_count > 0)
		qsort(b->v6, b->v6_count, sizeof *b->v6, compare_v6);
	if (build_v4(&w, b) == -1 || build_v6(&w, b) == -1)
		goto fail;
	free(w.slots);
	ipset_cancel(b);
	return w.set;

fail:
	free(w.slots);
	ipset_free(w.set);
	ipset_cancel(b);
	return NULL;
}

void
ipset_free(struct ipset *set)
{
	if (set == NULL)
		return;
	free(set->index);
	free(set->v4);
	free(set->near);
	free(set->near_info);
	free(set->far);
	free(set->far_info);
	free(set);
}

/* The last piece of the bucket that begins at or before the address. */
static unsigned
find_v4(const struct ipset *set, uint32_t at)
{
	const uint32_t *index = set->index + (at >> (32 - set->index_bits));
	const uint32_t *p = set->v4 + index[0];
	size_t count = index[1] - index[0];
	uint32_t key = at << 16 | 0xffff;
	uint32_t hosts;

	if (count == 0)
		return 0;
	while (count > 1) {
		size_t half = count / 2;

		p += p[half] <= key ? half : 0;
		count -= half;
	}
	hosts = ((uint32_t)1 << (*p >> V4_HOST_SHIFT & 0x1f)) - 1;
	if (((*p >> 16 ^ at) & 0xffff & ~hosts) != 0)
		return 0;
	return *p & V4_CLASS_MASK;
}

static unsigned
find_near(const struct ipset *set, uint64_t at)
{
	size_t first = 0, count = set->near_count;
	unsigned info;

	if (count == 0)
		return 0;
	while (count > 1) {
		size_t half = count / 2;

		first += set->near[first + half] <= at ? half : 0;
		count -= half;
	}
	info = set->near_info[first];
	if ((set->near[first] ^ at) >> (info >> V6_HOST_SHIFT) != 0)
		return 0;
	return info & V6_CLASS_MASK;
}

static unsigned
find_far(const struct ipset *set, u128 at)
{
	size_t first = 0, count = set->far_count;
	unsigned info;

	if (count == 0)
		return 0;
	while (count > 1) {
		size_t half = count / 2;

		first += set->far[first + half] <= at ? half : 0;
		count -= half;
	}
	info = set->far_info[first];
	if ((set->far[first] ^ at) >> (info >> V6_HOST_SHIFT) != 0)
		return 0;
	return info & V6_CLASS_MASK;
}

uint64_t
ipset_find(const struct ipset *set, const struct addr *addr)
{
	u128 at = to_number(addr);
	unsigned class;

	if (addr_is_ipv4(addr))
		return set->classes[find_v4(set, (uint32_t)at)];
	class = find_near(set, (uint64_t)(at >> 64));
	if (class == 0)
		class = find_far(set, at);
	return set->classes[class];
}

size_t
ipset_size(const struct ipset *set)
{
	size_t size = sizeof *set;

	size += (((size_t)1 << set->index_bits) + 1) * sizeof *set->index;
	size += (set->v4_count + 1) * sizeof *set->v4;
	size += (set->near_count + 1) *
	    (sizeof *set->near + sizeof *set->near_info);
	size += (set->far_count + 1) *
	    (sizeof *set->far + sizeof *set->far_info);
	return size;
}
