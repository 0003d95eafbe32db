#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "automaton.h"

/*
 * A node for each beginning of a pattern; node 0 is the empty one.  An edge
 * leads from a node by a byte to the node that is longer by it; edges stand in
 * a hash table.  Of each node is known the longest other node that is an end of
 * it, where the search goes on when no edge fits.
 */
#define ROOT		0
#define NODES_MIN	64

/*
 * Most bytes begin no pattern, and to find that out by edges takes ten times as
 * long as by a hash of them and the next ones: four, or as many as the shortest
 * pattern has.
 */
#define WINDOW		4
#define BITS_EACH	128	/* for one beginning; few others hit them */
#define BITS_LOG_MIN	12
#define BITS_LOG_MAX	20	/* 128 kB, what a processor has at hand */

struct node {
	uint32_t parent;
	uint32_t fail;		/* that other node */
	uint32_t found;		/* the first of the patterns that end here, or
				 * at an end of it; 0: none */
	uint32_t depth;
	unsigned char byte;	/* the last */
};

/* One that ends at a node; number 0 is none. */
struct output {
	uint32_t value, next;
};

struct automaton {
	bool fold;
	struct node *node;
	size_t nodes, node_room;
	struct output *output;
	size_t outputs, output_room;
	uint32_t *edge;			/* to which node; 0: free */
	size_t edges;			/* a power of two */
	size_t window;			/* bytes of a beginning; see hash() */
	uint32_t mask;			/* of these, what counts */
	unsigned bits_log;
	unsigned char *bits;		/* 1: a pattern may begin so */
};

/* The block with room for one more, or NULL with the block as it was. */
static void *
grow(void *block, size_t *room, size_t count, size_t each)
{
	size_t larger = *room == 0 ? NODES_MIN : *room * 2;
	void *grown;

	if (count < *room)
		return block;
	if ((grown = realloc(block, larger * each)) != NULL)
		*room = larger;
	return grown;
}

static unsigned char
fold(const struct automaton *a, unsigned char c)
{
	return a->fold && c >= 'A' && c <= 'Z' ?
	    (unsigned char)(c - 'A' + 'a') : c;
}

/* --- edges */

static size_t
slot_of(const struct automaton *a, uint32_t node, unsigned char byte)
{
	uint64_t key = (uint64_t)node << 8 | byte;

	return (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & (a->edges - 1);
}

/* The node it leads to; 0: there is none. */
static uint32_t
follow(const struct automaton *a, uint32_t node, unsigned char byte)
{
	size_t i = slot_of(a, node, byte);

	for (; a->edge[i] != 0; i = (i + 1) & (a->edges - 1)) {
		const struct node *n = &a->node[a->edge[i]];

		if (n->parent == node && n->byte == byte)
			return a->edge[i];
	}
	return 0;
}

static void
put_edge(struct automaton *a, uint32_t to)
{
	size_t i = slot_of(a, a->node[to].parent, a->node[to].byte);

	while (a->edge[i] != 0)
		i = (i + 1) & (a->edges - 1);
	a->edge[i] = to;
}

/* At most half of the table is in use. */
static int
make_room_for_edge(struct automaton *a)
{
	size_t edges = a->edges == 0 ? NODES_MIN * 2 : a->edges * 2;
	uint32_t *edge;

	if (a->nodes * 2 < a->edges)
		return 0;
	if ((edge = calloc(edges, sizeof *edge)) == NULL)
		return -1;
	free(a->edge);
	a->edge = edge;
	a->edges = edges;
	for (size_t i = 1; i < a->nodes; i++)
		put_edge(a, (uint32_t)i);
	return 0;
}

/* --- building */

static int
add_node(struct automaton *a, uint32_t parent, unsigned char byte)
{
	struct node *grown = grow(a->node, &a->node_room, a->nodes,
	    sizeof *grown);

	if (grown == NULL)
		return -1;
	a->node = grown;
	if (make_room_for_edge(a) == -1)
		return -1;
	a->node[a->nodes] = (struct node){
		.parent = parent,
		.byte = byte,
		.depth = a->nodes == 0 ? 0 : a->node[parent].depth + 1,
	};
	if (a->nodes > 0)
		put_edge(a, (uint32_t)a->nodes);
	a->nodes++;
	return 0;
}

static int
add_output(struct automaton *a, uint32_t node, uint32_t value)
{
	struct output *grown = grow(a->output, &a->output_room, a->outputs,
	    sizeof *grown);

	if (grown == NULL)
		return -1;
	a->output = grown;
	a->output[a->outputs] = (struct output){
		value, node == ROOT ? 0 : a->node[node].found
	};
	if (node != ROOT)
		a->node[node].found = (uint32_t)a->outputs;
	a->outputs++;
	return 0;
}

struct automaton *
automaton_begin(bool fold)
{
	struct automaton *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->fold = fold;
	a->window = WINDOW;
	if (add_node(a, ROOT, 0) == -1 || add_output(a, ROOT, 0) == -1) {
		automaton_free(a);
		return NULL;
	}
	return a;
}

int
automaton_add(struct automaton *a, const unsigned char *bytes, size_t size,
    uint32_t value)
{
	uint32_t at = ROOT, next;

	if (size > AUTOMATON_BYTES_MAX - a->nodes ||
	    a->outputs > AUTOMATON_BYTES_MAX) {
		errno = EFBIG;
		return -1;
	}
	for (size_t i = 0; i < size; i++, at = next) {
		unsigned char c = fold(a, bytes[i]);

		if ((next = follow(a, at, c)) != 0)
			continue;
		if (add_node(a, at, c) == -1)
			return -1;
		next = (uint32_t)a->nodes - 1;
	}
	if (size < a->window)
		a->window = size;
	return add_output(a, at, value);
}

/* The longest node that ends as this one does, by its parent's. */
static uint32_t
find_fail(const struct automaton *a, const struct node *n)
{
	uint32_t at = n->parent, next = 0;

	while (at != ROOT && next == 0) {
		at = a->node[at].fail;
		next = follow(a, at, n->byte);
	}
	return next;
}

/* What ends at the other node ends here, too. */
static void
set_fail(struct automaton *a, struct node *n)
{
	uint32_t found;

	n->fail = find_fail(a, n);
	found = a->node[n->fail].found;
	if (n->found == 0) {
		n->found = found;
		return;
	}
	for (struct output *o = &a->output[n->found]; ;
	    o = &a->output[o->next])
		if (o->next == 0) {
			o->next = found;
			return;
		}
}

/* Nodes, those that are less deep first: counted, then put in order. */
static uint32_t *
sort_by_depth(const struct automaton *a)
{
	uint32_t *order = malloc(a->nodes * sizeof *order);
	size_t *begin = calloc(a->nodes + 2, sizeof *begin);

	if (order != NULL && begin != NULL) {
		for (size_t i = 0; i < a->nodes; i++)
			begin[a->node[i].depth + 1]++;
		for (size_t i = 0; i <= a->nodes; i++)
			begin[i + 1] += begin[i];
		for (size_t i = 0; i < a->nodes; i++)
			order[begin[a->node[i].depth]++] = (uint32_t)i;
		free(begin);
		return order;
	}
	free(order);
	free(begin);
	return NULL;
}

/* --- beginnings */

/*
 * The bit for a beginning of WINDOW bytes, of which those behind a->window do
 * not count.  What is folded, and a little more, differs in one bit a byte.
 */
static size_t
hash(const struct automaton *a, const unsigned char *p)
{
	uint32_t n = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;

	return ((n & a->mask) * 0x9e3779b1u) >> (32 - a->bits_log);
}

static void
set_bit(struct automaton *a, const struct node *n)
{
	unsigned char begin[WINDOW] = { 0 };
	size_t bit;

	for (; n->depth > 0; n = &a->node[n->parent])
		begin[n->depth - 1] = n->byte;
	bit = hash(a, begin);
	a->bits[bit / 8] |= (unsigned char)(1 << bit % 8);
}

static int
set_bits(struct automaton *a)
{
	size_t count = 0;

	for (size_t i = 0; i < a->nodes; i++)
		count += a->node[i].depth == a->window;
	a->bits_log = BITS_LOG_MIN;
	while (a->bits_log < BITS_LOG_MAX &&
	    (size_t)1 << a->bits_log < count * BITS_EACH)
		a->bits_log++;
	a->mask = (a->fold ? 0xdfdfdfdf : 0xffffffff) >>
	    8 * (WINDOW - a->window);
	if ((a->bits = calloc((size_t)1 << a->bits_log >> 3, 1)) == NULL)
		return -1;
	for (size_t i = 0; i < a->nodes; i++)
		if (a->node[i].depth == a->window)
			set_bit(a, &a->node[i]);
	return 0;
}

int
automaton_finish(struct automaton *a)
{
	uint32_t *order;

	if (set_bits(a) == -1 || (order = sort_by_depth(a)) == NULL)
		return -1;
	for (size_t i = 1; i < a->nodes; i++)
		set_fail(a, &a->node[order[i]]);
	free(order);
	return 0;
}

bool
automaton_is_empty(const struct automaton *a)
{
	return a->nodes == 1;
}

size_t
automaton_size(const struct automaton *a)
{
	return sizeof *a + a->node_room * sizeof *a->node +
	    a->output_room * sizeof *a->output + a->edges * sizeof *a->edge +
	    (a->bits != NULL ? (size_t)1 << a->bits_log >> 3 : 0);
}

/* --- searching */

static uint32_t
step(const struct automaton *a, uint32_t at, unsigned char byte)
{
	uint32_t next;

	while ((next = follow(a, at, byte)) == 0 && at != ROOT)
		at = a->node[at].fail;
	return next;
}

/* The node for the whole window; ROOT: no pattern begins so. */
static uint32_t
follow_window(const struct automaton *a, const unsigned char *p)
{
	uint32_t at = ROOT;

	for (size_t i = 0; i < a->window; i++)
		if ((at = follow(a, at, fold(a, p[i]))) == ROOT)
			break;
	return at;
}

/*
 * The next place where a pattern begins, that its window is known of; returns
 * what is behind it, and its node in *at; or where there are too few bytes to
 * say, and ROOT.
 */
static size_t
find_beginning(const struct automaton *a, const unsigned char *bytes,
    size_t size, size_t i, uint32_t *at)
{
	for (; size - i >= WINDOW; i++) {
		size_t bit = hash(a, bytes + i);

		if ((a->bits[bit / 8] >> bit % 8 & 1) == 0)
			continue;
		if ((*at = follow_window(a, bytes + i)) != ROOT)
			return i + a->window;
	}
	*at = ROOT;
	return i;
}

/*
 * At a node that is less deep than the window nothing that began before its
 * bytes is alive, and if these are here, they may be looked at anew.
 */
bool
automaton_read(const struct automaton *a, uint32_t *state,
    const unsigned char *bytes, size_t size,
    bool (*take)(void *arg, uint32_t value), void *arg)
{
	uint32_t at = *state;
	size_t i = 0;

	if (automaton_is_empty(a))
		return false;
	while (i < size) {
		size_t depth = a->node[at].depth;

		if (depth < a->window && depth <= i &&
		    size - i + depth >= WINDOW)
			i = find_beginning(a, bytes, size, i - depth, &at);
		else
			at = step(a, at, fold(a, bytes[i++]));
		for (uint32_t o = a->node[at].found; o != 0;
		    o = a->output[o].next)
			if (take(arg, a->output[o].value)) {
				*state = at;
				return true;
			}
	}
	*state = at;
	return false;
}

void
automaton_free(struct automaton *a)
{
	if (a == NULL)
		return;
	free(a->node);
	free(a->output);
	free(a->edge);
	free(a->bits);
	free(a);
}
