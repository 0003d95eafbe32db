/*
 * t_automaton - many patterns at once: which of them are found and where,
 * against looking for each by itself; in pieces; limits.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "automaton.h"
#include "unit.h"

#define PATTERNS_MAX	12	/* in a row */
#define FOUND_MAX	4000

/* Which ends where. */
struct hit {
	size_t end;
	uint32_t value;
};

struct found {
	struct hit hit[FOUND_MAX];
	size_t count, end;
};

static bool
keep(void *arg, uint32_t value)
{
	struct found *f = arg;

	assert_true(f->count < FOUND_MAX);
	f->hit[f->count].end = f->end;
	f->hit[f->count++].value = value;
	return false;
}

static int
compare(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return (int)x->value - (int)y->value;
}

static struct automaton *
make(bool fold, const char *const *pattern, size_t count)
{
	struct automaton *a = automaton_begin(fold);

	assert_non_null(a);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(automaton_add(a,
		    (const unsigned char *)pattern[i], strlen(pattern[i]),
		    (uint32_t)i), 0);
	assert_int_equal(automaton_finish(a), 0);
	return a;
}

/* By pieces of so many bytes, each in memory of its own size. */
static void
read_pieces(const struct automaton *a, struct found *f, const char *text,
    size_t size, size_t piece)
{
	uint32_t state = 0;

	f->count = 0;
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		unsigned char *copy = malloc(n);

		memcpy(copy, text + at, n);
		f->end = at + n;
		assert_false(automaton_read(a, &state, copy, n, keep, f));
		free(copy);
	}
}

static bool
fits(bool fold, const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char x = a[i], y = b[i];

		if (fold && x >= 'A' && x <= 'Z')
			x = (char)(x + 32);
		if (fold && y >= 'A' && y <= 'Z')
			y = (char)(y + 32);
		if (x != y)
			return false;
	}
	return true;
}

/* The same by looking for each at each place. */
static void
read_simply(struct found *f, bool fold, const char *const *pattern,
    size_t count, const char *text, size_t size)
{
	f->count = 0;
	for (size_t end = 1; end <= size; end++)
		for (size_t i = 0; i < count; i++) {
			size_t n = strlen(pattern[i]);

			f->end = end;
			if (n <= end && fits(fold, pattern[i], text + end - n,
			    n))
				keep(f, (uint32_t)i);
		}
}

/*
 * By single bytes the ends are known; by larger pieces only which come in which
 * order, so that those wanted are assumed.
 */
static void
check(const char *row, bool fold, const char *const *pattern, size_t count,
    const char *text, size_t size)
{
	static struct found want, got;
	struct automaton *a = make(fold, pattern, count);

	read_simply(&want, fold, pattern, count, text, size);
	for (size_t piece = 1; piece <= size; piece++) {
		read_pieces(a, &got, text, size, piece);
		for (size_t i = 0; i < want.count && i < got.count; i++)
			if (piece > 1)
				got.hit[i].end = want.hit[i].end;
		qsort(got.hit, got.count, sizeof got.hit[0], compare);
		CHECK(got.count == want.count, "%s: by %zu: %zu, want %zu",
		    row, piece, got.count, want.count);
		for (size_t i = 0; i < want.count; i++)
			CHECK(got.hit[i].end == want.hit[i].end &&
			    got.hit[i].value == want.hit[i].value,
			    "%s: by %zu: %zu at %zu", row, piece, i,
			    want.hit[i].end);
	}
	automaton_free(a);
}

static const struct {
	const char *text;
	const char *pattern[PATTERNS_MAX];
	size_t hits;
} rows[] = {
	{ "worm", { "worm" }, 1 },
	{ "a worm here", { "worm" }, 1 },
	{ "worwormworm", { "worm" }, 2 },
	{ "wor", { "worm" }, 0 },
	{ "wormless", { "worms", "wormless", "less" }, 2 },
	/* Inside each other, ends and beginnings of each other. */
	{ "ushers", { "he", "she", "his", "hers" }, 3 },
	{ "abcdefgh", { "abcdefgh", "bcdefgh", "cdefgh", "defgh", "efgh" },
	    5 },
	{ "abcdefgh", { "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh" },
	    5 },
	{ "abcdefgx", { "abcdefgh", "bcdefgx", "cdef", "defgh" }, 2 },
	{ "xabcdabcdabcdx", { "abcd", "bcda", "dabc", "abcdabcd" }, 9 },
	{ "aaaaaaaa", { "aaaa", "aaaaa", "aaaaaa" }, 5 + 4 + 3 },
	{ "aaaaaaaa", { "aaaa", "aaaa", "aaaa" }, 15 },
	{ "abababababab", { "abababx", "babab", "ababa" }, 8 },
	{ "aaabaaaabaaaab", { "aaaab", "aaabaaaab", "abaaaabx" }, 4 },
	/* A beginning that goes on otherwise. */
	{ "worworm", { "worwox", "worm" }, 1 },
	{ "abcdabcxabcdabcd", { "abcdabcdx", "cxab", "abcdabcy" }, 1 },
	{ "aabaabaaa", { "aabaaa", "abaaba", "baax" }, 2 },
	/* Short ones, which make the window short. */
	{ "abracadabra", { "a" }, 5 },
	{ "abracadabra", { "a", "abra" }, 7 },
	{ "abracadabra", { "ab", "ra", "cad" }, 5 },
	{ "abracadabra", { "abr", "bra", "dab" }, 5 },
	{ "abracadabra", { "a", "b", "r", "c", "d" }, 11 },
	{ "xyz", { "z" }, 1 },
	{ "xyz", { "yz", "xyzz" }, 1 },
	{ "xyz", { "xyz", "wxyz" }, 1 },
	/* At both ends. */
	{ "wormworm", { "wormworm" }, 1 },
	{ "abcdabcd", { "abcd" }, 2 },
	{ "\x80\xff\xfe\x81\x80\xff", { "\x80\xff", "\xff\xfe\x81\x80" }, 3 },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct found f;
		size_t count = 0, size = strlen(rows[i].text);
		struct automaton *a;

		while (count < PATTERNS_MAX && rows[i].pattern[count] != NULL)
			count++;
		a = make(false, rows[i].pattern, count);
		read_pieces(a, &f, rows[i].text, size, size);
		CHECK(f.count == rows[i].hits, "%s: %zu", rows[i].text,
		    f.count);
		automaton_free(a);
		check(rows[i].text, false, rows[i].pattern, count,
		    rows[i].text, size);
		check(rows[i].text, true, rows[i].pattern, count,
		    rows[i].text, size);
	}
}

static const struct {
	bool fold;
	const char *text, *pattern;
	size_t hits;
} folds[] = {
	{ true, "a WORM", "worm", 1 }, { true, "a worm", "WoRm", 1 },
	{ true, "WORMworm", "Worm", 2 }, { false, "a WORM", "worm", 0 },
	{ false, "a WORM", "WORM", 1 },
	/* What differs in that bit as well, and is no letter. */
	{ true, "[{@`", "{[`@", 0 }, { true, "[{@`", "[{@`", 1 },
	{ true, "wor\r", "wor-", 0 }, { true, "\x41\xc1\x5a\xda", "a\xc1z\xda",
	    1 },
	{ true, "\xc1\xc1\xc1\xc1", "\xe1\xe1\xe1\xe1", 0 },
	{ true, "Z", "z", 1 }, { true, "AZ", "az", 1 }, { true, "AZ", "@z", 0 },
};

static void
test_folds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(folds); i++) {
		static struct found f;
		struct automaton *a = make(folds[i].fold, &folds[i].pattern,
		    1);

		for (size_t piece = 1; piece < 9; piece++) {
			read_pieces(a, &f, folds[i].text,
			    strlen(folds[i].text), piece);
			CHECK(f.count == folds[i].hits, "row %zu by %zu", i,
			    piece);
		}
		automaton_free(a);
	}
}

/* A small alphabet, so that much fits; the same numbers each time. */
static unsigned
chance(unsigned below)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 33) % below;
}

static void
make_text(char *text, size_t size, unsigned letters)
{
	for (size_t i = 0; i < size; i++)
		text[i] = "abABcdefgh"[chance(letters)];
	text[size] = '\0';
}

static void
test_by_chance(void **state)
{
	char text[121], word[PATTERNS_MAX][20];
	const char *pattern[PATTERNS_MAX];

	(void)state;
	for (int n = 0; n < 400; n++) {
		unsigned letters = 1 + chance(6), shortest = 1 + chance(6);
		size_t count = 1 + chance(PATTERNS_MAX);

		for (size_t i = 0; i < count; i++) {
			make_text(word[i], shortest + chance(8), letters);
			pattern[i] = word[i];
		}
		make_text(text, 30 + chance(40), letters);
		check(text, n % 2 == 0, pattern, count, text, strlen(text));
	}
}

static void
test_zero_bytes(void **state)
{
	static const unsigned char pattern[2][4] = {
		{ 0, 0, 0, 1 }, { 1, 0, 0, 0 }
	}, text[] = { 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0 };
	struct automaton *a = automaton_begin(false);
	static struct found f;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(automaton_add(a, pattern[i], 4, i), 0);
	assert_int_equal(automaton_finish(a), 0);
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		read_pieces(a, &f, (const char *)text, sizeof text, piece);
		assert_int_equal(f.count, 3);
		assert_int_equal(f.hit[0].value, 0);
		assert_int_equal(f.hit[1].value, 1);
		assert_int_equal(f.hit[2].value, 0);
	}
	automaton_free(a);
}

static void
test_empty(void **state)
{
	struct automaton *a = automaton_begin(true);
	uint32_t at = 0;

	(void)state;
	assert_true(automaton_is_empty(a));
	assert_int_equal(automaton_finish(a), 0);
	assert_true(automaton_is_empty(a));
	assert_false(automaton_read(a, &at, (const unsigned char *)"worm", 4,
	    keep, NULL));
	automaton_free(a);
	automaton_free(NULL);

	a = automaton_begin(true);
	automaton_add(a, (const unsigned char *)"worm", 4, 7);
	assert_false(automaton_is_empty(a));
	automaton_free(a);	/* never finished */
}

static bool
is_enough(void *arg, uint32_t value)
{
	size_t *left = arg;

	(void)value;
	return --*left == 0;
}

/* It stops when it is told to, and says so. */
static void
test_enough(void **state)
{
	static const char *const pattern[] = { "abcd", "bcd", "cdxx" };
	const unsigned char *text = (const unsigned char *)"abcdxxabcd";
	struct automaton *a = make(false, pattern, COUNT(pattern));

	(void)state;
	for (size_t enough = 1; enough <= 6; enough++) {
		uint32_t at = 0;
		size_t left = enough;

		assert_int_equal(automaton_read(a, &at, text, 10, is_enough,
		    &left), enough <= 5);
		assert_int_equal(left, enough <= 5 ? 0 : 1);
	}
	automaton_free(a);
}

static void
test_no_bytes(void **state)
{
	static const char *const pattern[] = { "worm" };
	struct automaton *a = make(false, pattern, 1);
	static struct found f;
	uint32_t at = 0;

	(void)state;
	automaton_read(a, &at, (const unsigned char *)"wor", 3, keep, &f);
	automaton_read(a, &at, (const unsigned char *)"", 0, keep, &f);
	assert_int_equal(f.count, 0);
	automaton_read(a, &at, (const unsigned char *)"m", 1, keep, &f);
	assert_int_equal(f.count, 1);
	automaton_free(a);
}

/* Each of many, which begin alike or not, and nothing but it. */
static void
test_many(void **state)
{
	enum { MANY = 10000 };
	struct automaton *a = automaton_begin(true);
	static struct found f;
	char word[40];
	size_t small;

	(void)state;
	small = automaton_size(a);
	for (uint32_t i = 0; i < MANY; i++) {
		int n = snprintf(word, sizeof word, i % 2 == 0 ?
		    "http://evil.example/%05u" : "%05u.exe", i);

		assert_int_equal(automaton_add(a, (unsigned char *)word,
		    (size_t)n, i), 0);
	}
	assert_int_equal(automaton_finish(a), 0);
	assert_true(automaton_size(a) > small);
	assert_true(automaton_size(a) < 64 * MANY * 10);
	for (uint32_t i = 0; i < MANY; i++) {
		int n = snprintf(word, sizeof word, i % 2 == 0 ?
		    "x http://EVIL.example/%05u." : " 1%05u.eXe", i);

		read_pieces(a, &f, word, (size_t)n, (size_t)n);
		CHECK(f.count == 1 && f.hit[0].value == i, "%s: %zu", word,
		    f.count);
		word[n - 2] = '-';
		read_pieces(a, &f, word, (size_t)n, 3);
		CHECK(f.count == 0, "%s", word);
	}
	automaton_free(a);
}

/* All of its bytes may be taken, and one more is too many. */
static void
test_most_bytes(void **state)
{
	static unsigned char large[AUTOMATON_BYTES_MAX];
	struct automaton *a = automaton_begin(false);

	(void)state;
	errno = 0;
	assert_int_equal(automaton_add(a, large, sizeof large, 0), -1);
	assert_int_equal(errno, EFBIG);
	automaton_free(a);

	a = automaton_begin(false);
	assert_int_equal(automaton_add(a, large, sizeof large / 2, 0), 0);
	large[0] = 1;
	assert_int_equal(automaton_add(a, large, sizeof large / 2 - 1, 1), 0);
	errno = 0;
	assert_int_equal(automaton_add(a, large, sizeof large / 2, 2), -1);
	assert_int_equal(errno, EFBIG);
	large[0] = 0;
	automaton_free(a);
}

/* Long and alike: what would be quadratic by looking for each. */
static void
test_long_and_alike(void **state)
{
	enum { SIZE = 1 << 20 };
	unsigned char pattern[256], *text = malloc(SIZE);
	struct automaton *a = automaton_begin(false);
	static struct found f;
	uint32_t at = 0;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		memset(pattern, 'a', sizeof pattern);
		pattern[sizeof pattern - 1 - i] = 'b';
		assert_int_equal(automaton_add(a, pattern, sizeof pattern, i),
		    0);
	}
	assert_int_equal(automaton_finish(a), 0);
	memset(text, 'a', SIZE);
	f.count = 0;
	automaton_read(a, &at, text, SIZE, keep, &f);
	assert_int_equal(f.count, 0);
	automaton_read(a, &at, (const unsigned char *)"b", 1, keep, &f);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.hit[0].value, 0);
	automaton_read(a, &at, text, 199, keep, &f);
	assert_int_equal(f.count, 200);
	automaton_read(a, &at, text, 1, keep, &f);
	assert_int_equal(f.count, 200);
	free(text);
	automaton_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_by_chance),
		cmocka_unit_test(test_zero_bytes),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_no_bytes),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_most_bytes),
		cmocka_unit_test(test_long_and_alike),
	};

	return RUN(tests);
}
