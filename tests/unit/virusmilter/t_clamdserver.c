/*
 * t_clamdserver - some clamds, of which some are down: who is asked; how many
 * scans there may be; and what is counted.
 */
#include "fakeclamd.h"

#include "stats.h"

/* --- the next one */

/* Of a large one nothing is left, unless it fails at once. */
static void
next_on_failure(void **state)
{
	static const struct {
		struct fake first;
		bool at_once;
	} table[] = {
		{ { .mode = FAKE_CLOSES, .limit = 0 }, true },
		{ { .mode = FAKE_CLOSES, .limit = 10 }, true },
		{ { .answer = "", .answer_size = 0 }, false },
		{ { .answer = "x ERROR", .answer_size = 8 }, false },
		{ { .answer = "stream: OK", .answer_size = 10 }, false },
		{ { .mode = FAKE_HOLDS, .deaf = true }, false },
	};

	(void)state;
	time_flies(CLAMD_SILENCE_MS);
	for (size_t i = 0; i < COUNT(table); i++) {
		struct fake f = table[i].first, second = { .answer =
		    "stream: X FOUND", .answer_size = 16 };
		struct clamd *c;

		fake_start(&f, "first");
		fake_start(&second, "second");
		c = new_clamd(f.path, second.path);
		CHECK(scan_text(c) == CLAMD_INFECTED, "row %zu: %s", i, name);
		CHECK(f.connections >= 1, "row %zu", i);
		clamd_free(c);
		/* Again, with one that knows nothing yet. */
		c = new_clamd(f.path, second.path);
		CHECK(table[i].at_once || scan_large(c) == CLAMD_FAILED,
		    "row %zu: %s", i, name);
		clamd_free(c);
		fake_stop(&f);
		fake_stop(&second);
	}
	time_flies(0);
	scratch_logged();
}

/* A large one goes to whoever takes its beginning. */
static void
large_next(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(NOBODY, f.path);
	CHECK_SCAN(scan_large(c), CLAMD_CLEAN, "");
	fake_stop(&f);
	clamd_free(c);
	scratch_logged();
}

/*
 * One that is down rests; one scan tries whether it is back, and says so.
 */
static void
rest(void **state)
{
	struct fake first = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct fake second = first;
	char path[SCRATCH_PATH_MAX], line[2 * SCRATCH_PATH_MAX];
	struct clamd *c;

	(void)state;
	scratch_path(path, "first");
	fake_start(&second, "second");
	c = new_clamd(path, second.path);
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	assert_non_null(strstr(scratch_logged(), NOBODY_WHY));

	fake_start(&first, "first");
	fake_pass(CLAMD_REST * 1000L / 2);
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	assert_int_equal(first.connections, 0);
	assert_int_equal(second.connections, 2);
	assert_string_equal(scratch_logged(), "");

	fake_pass(CLAMD_REST * 1000L / 2);
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	assert_int_equal(first.connections, 2);
	assert_int_equal(second.connections, 2);
	snprintf(line, sizeof line, "milter: clamd %s is back\n", path);
	assert_string_equal(scratch_logged(), line);
	fake_stop(&first);
	fake_stop(&second);
	clamd_free(c);
}

/* While one scan tries it, the others do not. */
static void
one_tries(void **state)
{
	struct fake first = { .mode = FAKE_READS_NOTHING };
	struct fake second = { .answer = OK, .answer_size = sizeof OK - 1 };
	char path[SCRATCH_PATH_MAX];
	struct clamd_scan *s;
	struct clamd *c;

	(void)state;
	scratch_path(path, "first");
	fake_start(&second, "second");
	c = new_clamd(path, second.path);
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	fake_start(&first, "first");
	fake_pass(CLAMD_REST * 1000L);
	s = clamd_begin(c);
	assert_true(clamd_send(s, large, CLAMD_BUFFER));
	assert_true(clamd_send(s, large, 1));
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	assert_int_equal(second.connections, 2);
	clamd_end(s);
	fake_stop(&first);
	fake_stop(&second);
	clamd_free(c);
	assert_int_equal(first.connections, 1);
	scratch_logged();
}

/* All rest: the first is tried, and no other. */
static void
all_down(void **state)
{
	struct fake first = { .mode = FAKE_CLOSES }, second = first;
	struct clamd *c;

	(void)state;
	fake_start(&first, "first");
	fake_start(&second, "second");
	c = new_clamd(first.path, second.path);
	assert_int_equal(scan_text(c), CLAMD_FAILED);
	assert_int_equal(first.connections, 1);
	assert_int_equal(second.connections, 1);
	assert_int_equal(scan_text(c), CLAMD_FAILED);
	assert_int_equal(scan_text(c), CLAMD_FAILED);
	assert_int_equal(first.connections, 3);
	assert_int_equal(second.connections, 1);
	/* One line for each. */
	assert_int_equal(scratch_lines(scratch_logged()), 2);

	/* When the second is the only one left and fails, the first again. */
	fake_pass(CLAMD_REST * 1000L);
	assert_int_equal(scan_text(c), CLAMD_FAILED);
	assert_int_equal(first.connections, 4);
	assert_int_equal(second.connections, 2);
	fake_stop(&first);
	fake_stop(&second);
	clamd_free(c);
	scratch_logged();
}

/* The last one that is up fails with what the first takes again. */
static void
first_again(void **state)
{
	struct fake first = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct fake second = first;
	char path[SCRATCH_PATH_MAX];
	struct clamd *c;

	(void)state;
	scratch_path(path, "first");
	fake_start(&second, "second");
	c = new_clamd(path, second.path);
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	fake_stop(&second);
	fake_start(&first, "first");
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	assert_int_equal(first.connections, 1);
	fake_stop(&first);
	clamd_free(c);
	scratch_logged();
}

static void
restarted(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct clamd *c;

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake_start(&f, "clamd");
		if (i == 0)
			c = new_clamd(f.path, NULL);
		CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
		CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
		fake_stop(&f);
		assert_int_equal(scratch_lines(scratch_logged()), i);
		CHECK_SCAN(scan_text(c), CLAMD_FAILED, NOBODY_WHY);
		/* The second time within a minute is not logged. */
		assert_int_equal(scratch_lines(scratch_logged()), 1 - i);
	}
	clamd_free(c);
}

/* --- how many at once */

/* One that is under way, or NULL: there are too many. */
static struct clamd_scan *
stream(struct clamd *c)
{
	struct clamd_scan *s = clamd_begin(c);

	assert_non_null(s);
	assert_true(clamd_send(s, large, CLAMD_BUFFER));
	if (clamd_send(s, large, 1))
		return s;
	assert_int_equal(clamd_finish(s, NULL, NULL, name), CLAMD_BUSY);
	clamd_end(s);
	return NULL;
}

static void
busy(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct clamd_scan *first, *second;
	const struct options_list list = { { f.path }, 1 };
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = clamd_new(&list, 2, DEADLINE);
	first = stream(c);
	second = stream(c);
	assert_non_null(first);
	assert_non_null(second);
	assert_null(stream(c));
	assert_int_equal(scan_text(c), CLAMD_BUSY);
	assert_true(f.connections <= 2);
	assert_int_equal(scratch_lines(scratch_logged()), 1);

	/* There is room again once one has finished, ended or failed. */
	assert_int_equal(clamd_finish(first, NULL, NULL, name), CLAMD_CLEAN);
	clamd_end(first);
	first = stream(c);
	assert_non_null(first);
	assert_null(stream(c));
	clamd_end(second);
	second = stream(c);
	assert_non_null(second);
	assert_null(stream(c));
	clamd_end(first);
	clamd_end(second);
	fake_stop(&f);
	for (int i = 0; i < 3; i++) {
		CHECK_SCAN(scan_text(c), CLAMD_FAILED, NOBODY_WHY);
		CHECK_SCAN(scan_large(c), CLAMD_FAILED, NOBODY_WHY);
	}
	clamd_free(c);
	scratch_logged();
}

static void *
scan_often(void *arg)
{
	struct clamd *c = arg;
	char text[CLAMD_NAME_MAX];
	long failed = 0;

	for (int i = 0; i < 50; i++) {
		struct clamd_scan *s = clamd_begin(c);
		size_t size = i % 10 == 0 ? CLAMD_BUFFER + 1 : 1000;

		if (s == NULL || !clamd_send(s, large, size) ||
		    clamd_finish(s, NULL, NULL, text) != CLAMD_CLEAN)
			failed++;
		clamd_end(s);
	}
	return (void *)failed;
}

static void
threads(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	pthread_t thread[4];
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(NOBODY, f.path);
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, scan_often,
		    c), 0);
	for (size_t i = 0; i < COUNT(thread); i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(f.streams, 200);
	fake_stop(&f);
	clamd_free(c);
	scratch_logged();
}

/* --- the rest */

static void
is_there(void **state)
{
	struct fake f = { .answer = NULL };
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	assert_true(clamd_is_there(c));
	assert_int_equal(f.pings, 1);
	assert_string_equal(scratch_logged(), "");
	clamd_free(c);

	c = new_clamd(NOBODY, f.path);
	assert_true(clamd_is_there(c));
	assert_non_null(strstr(scratch_logged(),
	    "clamd " NOBODY " does not answer: No such file"));
	fake_stop(&f);
	assert_false(clamd_is_there(c));
	assert_int_equal(scratch_lines(scratch_logged()), 2);
	clamd_free(c);

	f = (struct fake){ .deaf = true };
	time_flies(CLAMD_PING_MS);
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	assert_false(clamd_is_there(c));
	assert_non_null(strstr(scratch_logged(), "Connection timed out"));
	time_flies(0);
	fake_stop(&f);
	clamd_free(c);
}

static void
check_stats(const char *wanted)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	stats_print(out);
	fclose(out);
	CHECK(strstr(text, wanted) != NULL, "%s: %s", wanted, text);
	free(text);
}

/* Counters are the process's, so this comes last. */
static void
statistics(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	struct clamd_scan *s;
	char line[256];
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(NOBODY, f.path);
	stats_name("virusmilter");
	clamd_add_stats(c);
	check_stats("\nvirusmilter_clamd_up{socket=\"" NOBODY "\"} 1\n");
	CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
	check_stats("\nvirusmilter_clamd_up{socket=\"" NOBODY "\"} 0\n");
	snprintf(line, sizeof line,
	    "\nvirusmilter_clamd_up{socket=\"%s\"} 1\n", f.path);
	check_stats(line);
	s = clamd_begin(c);
	assert_true(clamd_send(s, large, CLAMD_BUFFER));
	check_stats("\nvirusmilter_scans_under_way 0\n");
	assert_true(clamd_send(s, large, 1));
	check_stats("\nvirusmilter_scans_under_way 1\n");
	clamd_end(s);
	check_stats("\nvirusmilter_scans_under_way 0\n");
	check_stats("# TYPE virusmilter_scans_total counter\n"
	    "virusmilter_scans_total{result=\"clean\"} ");
	check_stats("\nvirusmilter_scans_total{result=\"busy\"} 4\n");
	check_stats("# TYPE virusmilter_clamd_seconds summary\n");
	fake_stop(&f);
	clamd_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_on_failure),
		cmocka_unit_test(large_next),
		cmocka_unit_test(rest),
		cmocka_unit_test(one_tries),
		cmocka_unit_test(all_down),
		cmocka_unit_test(first_again),
		cmocka_unit_test(restarted),
		cmocka_unit_test(busy),
		cmocka_unit_test(threads),
		cmocka_unit_test(is_there),
		cmocka_unit_test(statistics),
	};

	fake_begin();
	return scratch_end(RUN(tests));
}
