/*
 * Patterns looked for at once, against each by itself.
 *
 * The input: a byte of which the lowest bit says that letters are folded and
 * the rest how large pieces are, then patterns, a line each, an empty line and
 * the text.
 */
#include <stdbool.h>

#include "automaton.h"
#include "fuzz.h"

#define PATTERNS_MAX	64
#define FOUND_MAX	4096	/* more are only counted */

struct patterns {
	bool fold;
	size_t count, size[PATTERNS_MAX];
	const uint8_t *bytes[PATTERNS_MAX];
};

/* Up to the empty line, which is left out. */
static void
read_patterns(struct patterns *p, struct fuzz_input *in)
{
	p->count = 0;
	while (in->left > 0) {
		const uint8_t *lf = memchr(in->at, '\n', in->left);
		size_t size = lf != NULL ? (size_t)(lf - in->at) : in->left;

		if (size > 0 && p->count < PATTERNS_MAX) {
			p->size[p->count] = size;
			p->bytes[p->count++] = in->at;
		}
		in->at += size + (lf != NULL);
		in->left -= size + (lf != NULL);
		if (size == 0)
			break;
	}
}

struct found {
	size_t end;		/* of the bytes read so far */
	size_t count;
	unsigned sum[PATTERNS_MAX];
	struct { size_t end; uint32_t value; } hit[FOUND_MAX];
};

static bool
take(void *arg, uint32_t value)
{
	struct found *f = arg;

	CHECK(value < PATTERNS_MAX);
	f->sum[value]++;
	if (f->count < FOUND_MAX) {
		f->hit[f->count].end = f->end;
		f->hit[f->count].value = value;
	}
	f->count++;
	return false;
}

static uint8_t
fold(bool really, uint8_t c)
{
	return really && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool
ends_with(const struct patterns *p, size_t i, const uint8_t *text, size_t end)
{
	size_t size = p->size[i];

	if (size > end)
		return false;
	for (size_t k = 0; k < size; k++)
		if (fold(p->fold, p->bytes[i][k]) !=
		    fold(p->fold, text[end - size + k]))
			return false;
	return true;
}

static struct automaton *
make(const struct patterns *p)
{
	struct automaton *a = automaton_begin(p->fold);

	CHECK(a != NULL);
	for (size_t i = 0; i < p->count; i++)
		CHECK(automaton_add(a, p->bytes[i], p->size[i],
		    (uint32_t)i) == 0);
	CHECK(automaton_is_empty(a) == (p->count == 0));
	CHECK(automaton_finish(a) == 0);
	return a;
}

static void
read_text(const struct automaton *a, struct found *f, const uint8_t *text,
    size_t size, size_t piece)
{
	uint32_t state = 0;

	memset(f, 0, sizeof *f);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(n);

		CHECK(copy != NULL);
		memcpy(copy, text + at, n);
		f->end = at + n;
		CHECK(!automaton_read(a, &state, copy, n, take, f));
		free(copy);
	}
}

/* Byte by byte each hit has its place; and each pattern that fits has a hit. */
static void
check_places(const struct patterns *p, const struct found *f,
    const uint8_t *text, size_t size)
{
	size_t hits = 0, at = 0;

	for (size_t end = 1; end <= size; end++) {
		size_t here = 0;

		for (size_t i = 0; i < p->count; i++)
			here += ends_with(p, i, text, end);
		hits += here;
		for (; here > 0 && at < FOUND_MAX; here--, at++) {
			CHECK(f->hit[at].end == end);
			CHECK(ends_with(p, f->hit[at].value, text, end));
		}
	}
	CHECK(f->count == hits);
}

static bool
stop(void *arg, uint32_t value)
{
	*(uint32_t *)arg = value;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found single, whole, cut;
	struct fuzz_input in = { data, size };
	unsigned first = fuzz_byte(&in);
	struct patterns p = { .fold = first & 1 };
	struct automaton *a;
	uint32_t state = 0, value = PATTERNS_MAX;

	read_patterns(&p, &in);
	a = make(&p);
	read_text(a, &single, in.at, in.left, 1);
	check_places(&p, &single, in.at, in.left);
	read_text(a, &whole, in.at, in.left, in.left + 1);
	read_text(a, &cut, in.at, in.left, (first >> 1) + 1);
	CHECK(whole.count == single.count && cut.count == single.count);
	CHECK(memcmp(whole.sum, single.sum, sizeof whole.sum) == 0);
	CHECK(memcmp(cut.sum, single.sum, sizeof cut.sum) == 0);
	for (size_t i = 0; i < single.count && i < FOUND_MAX; i++) {
		CHECK(whole.hit[i].value == single.hit[i].value);
		CHECK(cut.hit[i].value == single.hit[i].value);
	}
	CHECK(automaton_read(a, &state, in.at, in.left, stop, &value) ==
	    (single.count > 0));
	CHECK(value == (single.count > 0 ? single.hit[0].value :
	    PATTERNS_MAX));
	automaton_free(a);
	return 0;
}
