/*
 * t_stats - the Prometheus text format (version 0.0.4), byte by byte, and
 * counting from many threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "unit.h"

static struct stats_counter first[] = {
	{ "connections_total", NULL, "Clients seen.", 0 },
	{ "verdicts_total", "verdict=\"reject\",by=\"list\"", "Verdicts.", 0 },
	{ "verdicts_total", "verdict=\"none\",by=\"list\"", "Not this.", 0 },
	{ "verdicts_total", NULL, NULL, 0 },
	{ "sessions", NULL, "Sessions open.", 0 },
	{ "decision_seconds_sum", NULL, "Time taken.", 0 },
	{ "decision_seconds_count", NULL, NULL, 0 },
	{ "bytes_sum", NULL, "Sizes.", 0 },
	{ "bytes_count", NULL, NULL, 0 },
	{ "uptime_seconds", NULL, "Not a sum.", 0 },
};

static struct stats_counter second[] = {
	{ "total", NULL, "Ends like a counter, but has no name before.", 0 },
	{ "errors_total", NULL, "Faults.", 0 },
};

static void
print_lists(FILE *out, void *arg)
{
	stats_value(out, "list_entries", "Entries.", "list", "/etc/a", 3);
	stats_value(out, "list_entries", NULL, "list", "/etc/b",
	    *(const uint64_t *)arg);
}

static void
print_store(FILE *out, void *arg)
{
	assert_null(arg);
	stats_value(out, "store_up", "Up?", NULL, NULL, 1);
}

/* What a print function writes, in memory; the caller frees it. */
static char *
text_of(void (*print)(FILE *, const void *), const void *arg)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out, arg);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
print_all(FILE *out, const void *arg)
{
	(void)arg;
	stats_print(out);
}

static void
everything_there_is(void **state)
{
	static const char want[] =
	    "# HELP m_connections_total Clients seen.\n"
	    "# TYPE m_connections_total counter\n"
	    "m_connections_total 2\n"
	    "# HELP m_verdicts_total Verdicts.\n"
	    "# TYPE m_verdicts_total counter\n"
	    "m_verdicts_total{verdict=\"reject\",by=\"list\"} 1\n"
	    "m_verdicts_total{verdict=\"none\",by=\"list\"} 0\n"
	    "m_verdicts_total 18446744073709551615\n"
	    "# HELP m_sessions Sessions open.\n"
	    "# TYPE m_sessions gauge\n"
	    "m_sessions 0\n"
	    "# HELP m_decision_seconds Time taken.\n"
	    "# TYPE m_decision_seconds summary\n"
	    "m_decision_seconds_sum 1.500041\n"
	    "m_decision_seconds_count 2\n"
	    "# HELP m_bytes Sizes.\n"
	    "# TYPE m_bytes summary\n"
	    "m_bytes_sum 1500041\n"
	    "m_bytes_count 0\n"
	    "# HELP m_uptime_seconds Not a sum.\n"
	    "# TYPE m_uptime_seconds gauge\n"
	    "m_uptime_seconds 7\n"
	    "# HELP m_total Ends like a counter, but has no name before.\n"
	    "# TYPE m_total gauge\n"
	    "m_total 0\n"
	    "# HELP m_errors_total Faults.\n"
	    "# TYPE m_errors_total counter\n"
	    "m_errors_total 0\n"
	    "# HELP m_list_entries Entries.\n"
	    "# TYPE m_list_entries gauge\n"
	    "m_list_entries{list=\"/etc/a\"} 3\n"
	    "m_list_entries{list=\"/etc/b\"} 5\n"
	    "# HELP m_store_up Up?\n"
	    "# TYPE m_store_up gauge\n"
	    "m_store_up 1\n";
	static uint64_t entries = 5;
	char *text;

	(void)state;
	text = text_of(print_all, NULL);
	assert_string_equal(text, "");
	free(text);
	stats_name("m");
	stats_add(first, COUNT(first));
	stats_add(second, COUNT(second));
	stats_add_printer(print_lists, &entries);
	stats_add_printer(print_store, NULL);
	stats_count(&first[0]);
	stats_count(&first[0]);
	stats_count(&first[1]);
	stats_count_by(&first[3], UINT64_MAX);
	stats_count_by(&first[5], 1500000);
	stats_count_by(&first[5], 41);
	stats_count_by(&first[6], 2);
	stats_count_by(&first[7], 1500041);
	stats_count_by(&first[9], 7);
	text = text_of(print_all, NULL);
	assert_string_equal(text, want);
	free(text);
}

struct value {
	const char *name, *help, *label, *label_value;
	uint64_t value;
	const char *want;
};

static void
print_row(FILE *out, const void *row)
{
	const struct value *v = row;

	stats_value(out, v->name, v->help, v->label, v->label_value, v->value);
}

static void
one_value(void **state)
{
	static const struct value table[] = {
		{ "a", NULL, NULL, NULL, 0, "m_a 0\n" },
		{ "a", NULL, NULL, NULL, UINT64_MAX,
		    "m_a 18446744073709551615\n" },
		{ "a", "It is.", NULL, NULL, 1,
		    "# HELP m_a It is.\n# TYPE m_a gauge\nm_a 1\n" },
		{ "a_total", "T.", NULL, NULL, 1,
		    "# HELP m_a_total T.\n# TYPE m_a_total counter\n"
		    "m_a_total 1\n" },
		{ "a_seconds_sum", "S.", "by", "x", 1,
		    "# HELP m_a_seconds S.\n# TYPE m_a_seconds summary\n"
		    "m_a_seconds_sum{by=\"x\"} 0.000001\n" },
		{ "a_seconds_count", NULL, "by", "x", 1,
		    "m_a_seconds_count{by=\"x\"} 1\n" },
		{ "a_seconds_sum", NULL, NULL, NULL, 86400000000,
		    "m_a_seconds_sum 86400.000000\n" },
		{ "a_seconds_total", NULL, NULL, NULL, 3,
		    "m_a_seconds_total 3\n" },
		{ "a", NULL, "l", "", 1, "m_a{l=\"\"} 1\n" },
		{ "a", NULL, "l", "/a b/{c},d=e #", 1,
		    "m_a{l=\"/a b/{c},d=e #\"} 1\n" },
		{ "a", NULL, "l", "a\"b", 1, "m_a{l=\"a\\\"b\"} 1\n" },
		{ "a", NULL, "l", "a\\b", 1, "m_a{l=\"a\\\\b\"} 1\n" },
		{ "a", NULL, "l", "a\nb", 1, "m_a{l=\"a\\nb\"} 1\n" },
		{ "a", NULL, "l", "\\\"\n", 1, "m_a{l=\"\\\\\\\"\\n\"} 1\n" },
		{ "a", NULL, "l", "\"} 9\nm_b 9\n", 1,
		    "m_a{l=\"\\\"} 9\\nm_b 9\\n\"} 1\n" },
	};

	(void)state;
	stats_name("m");
	for (size_t i = 0; i < COUNT(table); i++) {
		char *text = text_of(print_row, &table[i]);

		CHECK(strcmp(text, table[i].want) == 0, "row %zu: %s", i,
		    text);
		free(text);
	}
}

/*
 * A label value is UTF-8 by the format; a scraper gives up on the whole page
 * for a byte that is not, and the name of a file may have any.
 */
static void
a_label_is_utf8(void **state)
{
	static const char *const values[] = {
		"caf\xe9", "\xff", "\x80", "\xc3", "a\xc3(", "\xed\xa0\x80",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		const struct value v = { "a", NULL, "l", values[i], 1, NULL };
		char *text = text_of(print_row, &v);

		CHECK(strstr(text, values[i]) == NULL, "row %zu: %s", i, text);
		free(text);
	}
}

enum { THREADS = 8, TIMES = 10000 };

static struct stats_counter shared = { "shared_total", NULL, "S.", 0 };

static void *
count_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		stats_count(&shared);
		stats_count_by(&shared, 2);
	}
	return NULL;
}

/* And somebody prints meanwhile. */
static void
nothing_is_lost_among_threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	stats_add(&shared, 1);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_often,
		    NULL), 0);
	free(text_of(print_all, NULL));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&shared.value), 3 * THREADS * TIMES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_there_is),
		cmocka_unit_test(one_value),
		cmocka_unit_test(a_label_is_utf8),
		cmocka_unit_test(nothing_is_lost_among_threads),
	};

	return RUN(tests);
}
