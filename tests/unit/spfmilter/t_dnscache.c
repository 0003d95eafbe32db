/*
 * t_dnscache - answers of the DNS that are kept for a while.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dnscache.h"
#include "unit.h"

#define NOW	INT64_C(1000)
#define ROOMY	(1024 * 1024)
#define SHARDS	16		/* a flood fills all of them */

/* An answer that says this; the caller releases it. */
static const struct dns_answer *
answer(const char *text, uint32_t ttl)
{
	struct dns_builder b = { 0 };

	dns_builder_add(&b, NULL, 0, text, strlen(text));
	return dns_builder_take(&b, ttl);
}

static void
tell(struct dnscache *c, const char *name, enum dns_type type,
    const char *text, int64_t now)
{
	const struct dns_answer *a = answer(text, 300);

	dnscache_put(c, name, type, a, now);
	dns_release(a);
}

/* Does it have this to say?  NULL: nothing. */
static bool
says(struct dnscache *c, const char *name, enum dns_type type, int64_t now,
    const char *wanted)
{
	const struct dns_answer *a = dnscache_get(c, name, type, now);
	bool so = a == NULL ? wanted == NULL : wanted != NULL &&
	    strcmp(a->record[0].text, wanted) == 0;

	dns_release(a);
	return so;
}

static void
names_and_types(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		const char *wanted;
	} table[] = {
		{ "example.org", DNS_TXT, "one" },
		{ "Example.ORG", DNS_TXT, "one" },
		{ "example.org.", DNS_TXT, "one" },
		{ "EXAMPLE.org.", DNS_TXT, "one" },
		{ "example.org", DNS_MX, "two" },
		{ "www.example.org", DNS_TXT, "three" },
		{ "example.org..", DNS_TXT, NULL },
		{ "example.org", DNS_A, NULL },
		{ "example.or", DNS_TXT, NULL },
		{ "xample.org", DNS_TXT, NULL },
		{ "[example.org", DNS_TXT, NULL },
		{ "{xample.org", DNS_TXT, NULL },
		{ "", DNS_TXT, NULL },
		{ ".", DNS_TXT, NULL },
	};
	struct dnscache *c = dnscache_new(ROOMY);

	(void)state;
	assert_non_null(c);
	tell(c, "eXample.org", DNS_TXT, "one", NOW);
	tell(c, "example.org.", DNS_MX, "two", NOW);
	tell(c, "WWW.example.org", DNS_TXT, "three", NOW);
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(says(c, table[i].name, table[i].type, NOW,
		    table[i].wanted), "row %zu: %s", i, table[i].name);
	assert_int_equal(dnscache_size(c).answers, 3);
	dnscache_free(c);
}

/* 253 bytes and a dot is a name; what is longer is not kept, nor cut. */
static void
long_names(void **state)
{
	struct dnscache *c = dnscache_new(ROOMY);
	char name[300];

	(void)state;
	assert_non_null(c);
	memset(name, 'x', sizeof name);
	name[253] = '\0';
	tell(c, name, DNS_TXT, "most", NOW);
	assert_true(says(c, name, DNS_TXT, NOW, "most"));
	name[253] = '.';
	name[254] = '\0';
	assert_true(says(c, name, DNS_TXT, NOW, "most"));
	for (int size = 254; size < 299; size++) {
		memset(name, 'x', sizeof name);
		name[size] = '\0';
		tell(c, name, DNS_TXT, "more", NOW);
		assert_true(says(c, name, DNS_TXT, NOW, NULL));
	}
	assert_int_equal(dnscache_size(c).answers, 1);
	dnscache_free(c);
}

static void
expiry(void **state)
{
	static const struct {
		enum dns_status status;
		uint32_t ttl;
		int64_t lasts;
	} table[] = {
		{ DNS_FOUND, 0, DNSCACHE_TTL_MIN },
		{ DNS_FOUND, 4, DNSCACHE_TTL_MIN },
		{ DNS_FOUND, 6, 6 },
		{ DNS_FOUND, 301, 301 },
		{ DNS_FOUND, 3600, 3600 },
		{ DNS_FOUND, 3601, DNSCACHE_TTL_MAX },
		{ DNS_FOUND, UINT32_MAX, DNSCACHE_TTL_MAX },
		{ DNS_NO_NAME, 0, DNSCACHE_TTL_MIN },
		{ DNS_NO_NAME, 299, 299 },
		{ DNS_NO_NAME, 301, DNSCACHE_NONE_MAX },
		{ DNS_NO_DATA, 0, DNSCACHE_TTL_MIN },
		{ DNS_NO_DATA, UINT32_MAX, DNSCACHE_NONE_MAX },
		{ DNS_TROUBLE, 300, 0 },
	};
	static const int64_t clocks[] = { 0, NOW, INT64_C(1) << 40, -5 };
	struct dnscache *c = dnscache_new(ROOMY);

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < COUNT(table) * COUNT(clocks); i++) {
		size_t row = i % COUNT(table);
		int64_t now = clocks[i / COUNT(table)];
		int64_t last = now + table[row].lasts - 1;
		const struct dns_answer *a, *b;
		bool kept = table[row].status != DNS_TROUBLE;

		a = table[row].status == DNS_FOUND ?
		    answer("text", table[row].ttl) :
		    dns_answer_none(table[row].status, table[row].ttl);
		dnscache_put(c, "example.org", DNS_TXT, a, now);
		b = dnscache_get(c, "example.org", DNS_TXT, now);
		CHECK(b == (kept ? a : NULL), "row %zu: at once", row);
		dns_release(b);
		b = dnscache_get(c, "example.org", DNS_TXT, last);
		CHECK(b == (kept ? a : NULL), "row %zu: at last", row);
		dns_release(b);
		assert_int_equal(dnscache_size(c).answers, kept);
		b = dnscache_get(c, "example.org", DNS_TXT, last + 1);
		CHECK(b == NULL, "row %zu: too late", row);
		assert_int_equal(dnscache_size(c).answers, 0);
		assert_int_equal(dnscache_size(c).bytes, 0);
		dns_release(a);
	}
	dnscache_free(c);
}

/* The later answer counts, and lasts from then; trouble changes nothing. */
static void
replaced(void **state)
{
	struct dnscache *c = dnscache_new(ROOMY);

	(void)state;
	assert_non_null(c);
	tell(c, "example.org", DNS_TXT, "old", NOW);
	tell(c, "EXAMPLE.org.", DNS_TXT, "new", NOW + 200);
	assert_int_equal(dnscache_size(c).answers, 1);
	assert_true(says(c, "example.org", DNS_TXT, NOW + 499, "new"));
	dnscache_put(c, "example.org", DNS_TXT,
	    dns_answer_none(DNS_TROUBLE, 0), NOW + 499);
	assert_true(says(c, "example.org", DNS_TXT, NOW + 499, "new"));
	assert_true(says(c, "example.org", DNS_TXT, NOW + 500, NULL));
	dnscache_free(c);
}

/* What was given out stays, whatever becomes of the cache. */
static void
held(void **state)
{
	struct dnscache *c = dnscache_new(ROOMY);
	const struct dns_answer *a, *b;

	(void)state;
	assert_non_null(c);
	tell(c, "example.org", DNS_TXT, "text", NOW);
	a = dnscache_get(c, "example.org", DNS_TXT, NOW);
	assert_non_null(a);
	b = dnscache_get(c, "example.org", DNS_TXT, NOW);
	assert_ptr_equal(a, b);
	dnscache_flush(c);
	assert_string_equal(a->record[0].text, "text");
	dnscache_put(c, "example.org", DNS_TXT, a, NOW);
	dns_release(b);
	dnscache_free(c);
	assert_string_equal(a->record[0].text, "text");
	dns_release(a);
}

static void
flushed(void **state)
{
	struct dnscache *c = dnscache_new(ROOMY);
	char name[64];

	(void)state;
	assert_non_null(c);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 200; i++) {
			snprintf(name, sizeof name, "%d.example.org", i);
			tell(c, name, DNS_A, name, NOW);
		}
		assert_int_equal(dnscache_size(c).answers, 200);
		assert_true(dnscache_size(c).bytes > 200 * 100);
		dnscache_flush(c);
		assert_int_equal(dnscache_size(c).answers, 0);
		assert_int_equal(dnscache_size(c).bytes, 0);
		assert_true(says(c, "5.example.org", DNS_A, NOW, NULL));
	}
	dnscache_flush(c);
	dnscache_free(c);
}

/* It fills to most of its size, and never gets larger. */
static void
bounded(void **state)
{
	static const size_t sizes[] = { 1, 1000, 16 * 1024, 100 * 1000,
	    1024 * 1024 };
	char name[64];

	(void)state;
	for (size_t s = 0; s < COUNT(sizes); s++) {
		struct dnscache *c = dnscache_new(sizes[s]);
		struct dnscache_size size;

		assert_non_null(c);
		for (int i = 0; i < 10000; i++) {
			snprintf(name, sizeof name, "%d.example.org", i);
			tell(c, name, DNS_A, i % 7 == 0 ? name : "x", NOW);
			if (i % 100 == 0 || i < 100)
				CHECK(dnscache_size(c).bytes <= sizes[s],
				    "%zu bytes after %d", sizes[s], i);
		}
		size = dnscache_size(c);
		CHECK(size.bytes <= sizes[s], "%zu bytes", sizes[s]);
		if (sizes[s] >= 100 * 1000)
			CHECK(size.bytes >= sizes[s] / 5 * 4 &&
			    size.answers >= sizes[s] / 400,
			    "%zu bytes: only %zu in %zu answers", sizes[s],
			    size.bytes, size.answers);
		dnscache_free(c);
	}
}

/* An answer that would push out all others is not kept. */
static void
too_large(void **state)
{
	static char text[ROOMY / SHARDS];
	struct dnscache *c = dnscache_new(ROOMY);

	(void)state;
	assert_non_null(c);
	memset(text, 'x', sizeof text - 1);
	tell(c, "small.example.org", DNS_TXT, "x", NOW);
	tell(c, "example.org", DNS_TXT, text, NOW);
	assert_true(says(c, "example.org", DNS_TXT, NOW, NULL));
	text[sizeof text / 2] = '\0';
	tell(c, "example.org", DNS_TXT, text, NOW);
	assert_true(says(c, "example.org", DNS_TXT, NOW, text));
	dnscache_free(c);
}

/* Those asked for now and then outlive a flood of others; the rest goes. */
static void
oldest_first(void **state)
{
	struct dnscache *c = dnscache_new(256 * 1024);
	char name[64];
	int kept = 0;

	(void)state;
	assert_non_null(c);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "old%d.example.org", i);
		tell(c, name, DNS_A, name, NOW);
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "%d.example.org", i);
		tell(c, name, DNS_A, name, NOW);
		snprintf(name, sizeof name, "old%d.example.org", i % 10);
		CHECK(says(c, name, DNS_A, NOW, name), "%s after %d", name, i);
	}
	for (int i = 10; i < 100; i++) {
		snprintf(name, sizeof name, "old%d.example.org", i);
		kept += !says(c, name, DNS_A, NOW, NULL);
	}
	CHECK(kept == 0, "%d that nobody asked for are kept", kept);
	for (int i = 19999; i > 19900; i--) {
		snprintf(name, sizeof name, "%d.example.org", i);
		CHECK(says(c, name, DNS_A, NOW, name), "%s", name);
	}
	dnscache_free(c);
}

/* --- many threads */

#define THREADS	8
#define TIMES	3000
#define NAMES	500

struct user {
	struct dnscache *cache;
	unsigned number;
	atomic_int *wrong;
};

/* An answer says which name it is for. */
static void *
use(void *arg)
{
	const struct user *u = arg;
	unsigned random = u->number;
	char name[64];

	for (int i = 0; i < TIMES; i++) {
		int64_t now = NOW + i / 10;
		const struct dns_answer *a;

		random = random * 1103515245 + 12345;
		snprintf(name, sizeof name, "%u.example.org",
		    random / 65536 % NAMES);
		a = dnscache_get(u->cache, name, DNS_TXT, now);
		if (a == NULL)
			tell(u->cache, name, DNS_TXT, name, now);
		else if (strcmp(a->record[0].text, name) != 0)
			atomic_fetch_add(u->wrong, 1);
		dns_release(a);
		if (i % 500 == 0 && u->number == 0)
			dnscache_flush(u->cache);
		if (dnscache_size(u->cache).answers > NAMES)
			atomic_fetch_add(u->wrong, 1);
	}
	return NULL;
}

static void
many_threads(void **state)
{
	struct dnscache *c = dnscache_new(64 * 1024);
	struct user user[THREADS];
	pthread_t thread[THREADS];
	atomic_int wrong = 0;

	(void)state;
	assert_non_null(c);
	for (unsigned i = 0; i < THREADS; i++) {
		user[i] = (struct user){ c, i, &wrong };
		assert_int_equal(pthread_create(&thread[i], NULL, use,
		    &user[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(dnscache_size(c).bytes <= 64 * 1024);
	dnscache_free(c);
}

static void
free_nothing(void **state)
{
	(void)state;
	dnscache_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_types),
		cmocka_unit_test(long_names),
		cmocka_unit_test(expiry),
		cmocka_unit_test(replaced),
		cmocka_unit_test(held),
		cmocka_unit_test(flushed),
		cmocka_unit_test(bounded),
		cmocka_unit_test(too_large),
		cmocka_unit_test(oldest_first),
		cmocka_unit_test(many_threads),
		cmocka_unit_test(free_nothing),
	};

	return RUN(tests);
}
