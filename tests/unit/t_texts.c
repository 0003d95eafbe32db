/*
 * t_texts - a set of texts finds what was added to it, of two alike the first,
 * and nothing else.
 */
#include <stdbool.h>
#include <string.h>

#include "texts.h"
#include "unit.h"

/* What is added, and then what is looked up; NULL: the end, or no value. */
struct pair {
	const char *text, *value;
};

static struct texts *
begin(size_t value_size)
{
	struct texts *t = texts_begin(value_size);

	assert_non_null(t);
	return t;
}

static void
finding(void **state)
{
	static const struct {
		struct pair add[4], find[7];
	} rows[] = {
		/* Nothing. */
		{ { { NULL, NULL } }, { { "a", NULL }, { "", NULL } } },
		/* The whole text, byte by byte. */
		{ { { "joe", "1" }, { "ann", "2" } },
		    { { "joe", "1" }, { "ann", "2" }, { "jo", NULL },
		    { "joes", NULL }, { "Joe", NULL }, { "", NULL } } },
		{ { { "a\xc3\xa4", "1" }, { "a\xc3\x84", "2" } },
		    { { "a\xc3\xa4", "1" }, { "a\xc3\x84", "2" },
		    { "a", NULL } } },
		/* A value is no text. */
		{ { { "a", "b" }, { "c", "d" } },
		    { { "a", "b" }, { "c", "d" }, { "b", NULL },
		    { "d", NULL } } },
		/* Of two alike the first. */
		{ { { "a", "1" }, { "b", "2" }, { "a", "3" } },
		    { { "a", "1" }, { "b", "2" } } },
		{ { { "a", "1" }, { "a", "1" }, { "a", "2" } },
		    { { "a", "1" }, { "1", NULL }, { "2", NULL } } },
		/* Empty ones. */
		{ { { "", "1" }, { "a", "" }, { "b", "2" } },
		    { { "", "1" }, { "a", "" }, { "b", "2" } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct texts *t = begin(0);
		const struct pair *p;
		size_t count = 0;

		for (p = rows[i].add; p->text != NULL; p++, count++)
			assert_int_equal(texts_add(t, p->text, p->value), 0);
		assert_int_equal(texts_finish(t), 0);
		CHECK(texts_count(t) == count, "row %zu", i);
		for (p = rows[i].find; p->text != NULL; p++) {
			const char *got = texts_find(t, p->text);

			CHECK(p->value == NULL ? got == NULL : got != NULL &&
			    strcmp(got, p->value) == 0, "row %zu: \"%s\" has "
			    "\"%s\"", i, p->text, got != NULL ? got : "none");
		}
		texts_free(t);
	}
	texts_free(NULL);
}

/* Values of one size may have a NUL in them, or be nothing but NULs. */
static void
bytes_as_values(void **state)
{
	static const struct {
		const char *text, *value;
		size_t size;
	} rows[] = {
		{ "a", "\0", 1 }, { "a", "x", 1 }, { "a", "\0\0\0", 3 },
		{ "", "a\0b", 3 }, { "abc", "\0a\0b\0c\0", 7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct texts *t = begin(rows[i].size);
		const void *got;

		assert_int_equal(texts_add(t, "first", rows[i].value), 0);
		assert_int_equal(texts_add(t, rows[i].text, rows[i].value), 0);
		assert_int_equal(texts_add(t, "last", "1234567"), 0);
		assert_int_equal(texts_finish(t), 0);
		got = texts_find(t, rows[i].text);
		CHECK(got != NULL && memcmp(got, rows[i].value,
		    rows[i].size) == 0, "row %zu", i);
		got = texts_find(t, "last");
		CHECK(got != NULL && memcmp(got, "1234567", rows[i].size) == 0,
		    "row %zu", i);
		texts_free(t);
	}
}

/* One that is larger than all there was before it. */
static void
long_ones(void **state)
{
	static const size_t sizes[] = {
		1, 4093, 4094, 4095, 4096, 8192, 1000000
	};
	static char text[1000001], value[1000001];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct texts *t = begin(0);
		const char *got;

		memset(text, 'a', sizes[i]);
		memset(value, 'b', sizes[i]);
		text[sizes[i]] = value[sizes[i]] = '\0';
		assert_int_equal(texts_add(t, text, "short"), 0);
		assert_int_equal(texts_add(t, "short", value), 0);
		assert_int_equal(texts_finish(t), 0);
		got = texts_find(t, text);
		CHECK(got != NULL && strcmp(got, "short") == 0, "%zu",
		    sizes[i]);
		got = texts_find(t, "short");
		CHECK(got != NULL && strcmp(got, value) == 0, "%zu", sizes[i]);
		text[sizes[i] - 1] = 'b';
		CHECK(texts_find(t, text) == NULL, "%zu", sizes[i]);
		texts_free(t);
	}
}

/*
 * Every one of many is found, whatever slots they share, and nothing beside
 * them; and they take what texts.h says.
 */
static void
many(void **state)
{
	enum { MANY = 50000, TEXT_SIZE = 6, VALUE_SIZE = sizeof(int) };
	struct texts *t = begin(VALUE_SIZE);
	char text[20];
	int got;
	size_t size;

	(void)state;
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(text, sizeof text, "n%05d", i % MANY);
		assert_int_equal(texts_add(t, text, &i), 0);
	}
	assert_int_equal(texts_finish(t), 0);
	assert_int_equal(texts_count(t), 2 * MANY);
	size = texts_size(t) / (2 * MANY) - TEXT_SIZE - VALUE_SIZE;
	CHECK(size == 6, "%zu bytes more than they need", size);
	for (int i = 0; i < MANY; i++) {
		const void *value;

		snprintf(text, sizeof text, "n%05d", i);
		value = texts_find(t, text);
		CHECK(value != NULL, "%s", text);
		memcpy(&got, value, sizeof got);
		CHECK(got == i, "%s: %d", text, got);
		snprintf(text, sizeof text, "n%05d", MANY + i);
		CHECK(texts_find(t, text) == NULL, "%s", text);
	}
	texts_free(t);
}

static void
lower_case(void **state)
{
	static const struct pair rows[] = {
		{ "", "" }, { "AZaz", "azaz" }, { "@[`{", "@[`{" },
		{ "Joe@Example.ORG", "joe@example.org" },
		{ "\xc3\x84\xc1", "\xc3\x84\xc1" },
	};
	char text[20];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		texts_lower(text, rows[i].text, strlen(rows[i].text));
		CHECK(strcmp(text, rows[i].value) == 0, "%s: got %s",
		    rows[i].text, text);
		snprintf(text, sizeof text, "%s", rows[i].text);
		texts_lower(text, text, strlen(text));
		CHECK(strcmp(text, rows[i].value) == 0, "%s: got %s",
		    rows[i].text, text);
	}
	texts_lower(text, "A\0BC", 3);
	assert_memory_equal(text, "a\0b", 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finding),
		cmocka_unit_test(bytes_as_values),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(many),
		cmocka_unit_test(lower_case),
	};

	return RUN(tests);
}
