/*
 * t_emergency - when it is one: by the file, by what is said, by the load; that
 * each is over by itself, and what is logged.
 */
#include <sys/time.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "clock.h"
#include "emergency.h"
#include "scratch.h"

#define BEGUN(why)	"emergency (" why "): mail with attachments is refused"
#define OVER		"the emergency is over"

/* --- the clock and the load, which are ours here */

static atomic_llong seconds = 1000;
static double load;
static bool no_load;		/* the system cannot say */

int64_t
clock_us(void)
{
	return (int64_t)atomic_load(&seconds) * 1000000 + 999999;
}

long
clock_ms(void)
{
	return (long)(clock_us() / 1000);
}

int
getloadavg(double averages[], int count)
{
	if (no_load || count < 1)
		return -1;
	averages[0] = load;
	return 1;
}

/* Last changed so many seconds ago. */
static void
make_file(const char *path, int age)
{
	struct timeval then[2] = { { .tv_sec = time(NULL) - age },
	    { .tv_sec = time(NULL) - age } };

	scratch_write(path, "", 0);
	assert_int_equal(utimes(path, then), 0);
}

#define CHECK_IS(e, want)						\
	CHECK(emergency_why(e) == (want), "it is %s",			\
	    emergency_word(emergency_why(e)))

static void
check_log(const char *want)
{
	const char *log = scratch_logged();

	CHECK(want[0] == '\0' ? log[0] == '\0' : strstr(log, want) != NULL &&
	    scratch_lines(log) == 1, "logged \"%s\", want \"%s\"", log, want);
}

/* --- tests */

static void
test_words(void **state)
{
	static const char *const words[] = { "none", "said", "file", "load" };

	(void)state;
	for (int i = 0; i < (int)COUNT(words); i++)
		assert_string_equal(emergency_word((enum emergency_why)i),
		    words[i]);
}

static void
test_none(void **state)
{
	struct emergency e = { .seconds = 100 };

	(void)state;
	load = 1000;
	scratch_logged();
	CHECK_IS(&e, EMERGENCY_NONE);
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_NONE);
	assert_int_equal(emergency_left(&e), 0);
	emergency_say(&e, 0);
	CHECK_IS(&e, EMERGENCY_NONE);
	check_log("");
}

static void
test_said(void **state)
{
	struct emergency e = { .seconds = 100 };

	(void)state;
	scratch_logged();
	emergency_say(&e, 60);
	CHECK_IS(&e, EMERGENCY_SAID);
	check_log(BEGUN("said"));
	assert_int_equal(emergency_left(&e), 60);
	seconds += 59;
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_SAID);
	assert_int_equal(emergency_left(&e), 1);
	check_log("");
	seconds++;
	CHECK_IS(&e, EMERGENCY_SAID);	/* nobody has looked */
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_NONE);
	check_log(OVER);
	assert_int_equal(emergency_left(&e), 0);
	seconds += 1000;
	assert_int_equal(emergency_left(&e), 0);
	emergency_tick(&e);
	check_log("");
}

static void
test_said_again(void **state)
{
	struct emergency e = { .seconds = 100 };

	(void)state;
	scratch_logged();
	emergency_say(&e, 60);
	seconds += 30;
	emergency_say(&e, 600);
	assert_int_equal(emergency_left(&e), 600);
	check_log(BEGUN("said"));
	emergency_say(&e, 10);
	assert_int_equal(emergency_left(&e), 10);
	emergency_say(&e, 0);
	CHECK_IS(&e, EMERGENCY_NONE);
	assert_int_equal(emergency_left(&e), 0);
	check_log(OVER);
	emergency_say(&e, 7L * 86400);
	seconds += 7L * 86400 - 1;
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_SAID);
	emergency_say(&e, -1);
	CHECK_IS(&e, EMERGENCY_NONE);
}

static void
test_file(void **state)
{
	static const struct {
		int age;
		enum emergency_why want;
	} rows[] = {
		{ 0, EMERGENCY_FILE }, { 1800, EMERGENCY_FILE },
		{ 3590, EMERGENCY_FILE }, { 3600, EMERGENCY_NONE },
		{ 86400, EMERGENCY_NONE }, { -3000, EMERGENCY_FILE },
	};
	char path[SCRATCH_PATH_MAX];
	struct emergency e = { .seconds = 3600 };

	(void)state;
	e.file = scratch_path(path, "emergency");
	scratch_logged();
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_NONE);
	check_log("");
	for (size_t i = 0; i < COUNT(rows); i++) {
		make_file(path, rows[i].age);
		emergency_tick(&e);
		CHECK(emergency_why(&e) == rows[i].want, "age %d: %s",
		    rows[i].age, emergency_word(emergency_why(&e)));
	}
	assert_int_equal(emergency_left(&e), 0);
	scratch_logged();
	unlink(path);
	emergency_tick(&e);
	CHECK_IS(&e, EMERGENCY_NONE);
	check_log(OVER);
}

/* Who says that it is over does not take the file away. */
static void
test_file_and_said(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct emergency e = { .seconds = 3600 };

	(void)state;
	e.file = scratch_path(path, "both");
	make_file(path, 0);
	scratch_logged();
	emergency_tick(&e);
	check_log(BEGUN("file"));
	emergency_say(&e, 60);
	CHECK_IS(&e, EMERGENCY_SAID);
	emergency_say(&e, 0);
	CHECK_IS(&e, EMERGENCY_FILE);
	check_log("");
	unlink(path);
	emergency_say(&e, 60);
	seconds += 60;
	emergency_tick(&e);
	check_log(OVER);
}

static void
test_load(void **state)
{
	static const struct {
		long above;
		double load;
		bool none;
		enum emergency_why want;
	} rows[] = {
		{ 10, 10.01, false, EMERGENCY_LOAD },
		{ 10, 10, false, EMERGENCY_NONE },
		{ 10, 500, false, EMERGENCY_LOAD },
		{ 10, 0, false, EMERGENCY_NONE },
		{ 10, 500, true, EMERGENCY_NONE },
		{ 0, 500, false, EMERGENCY_NONE },
		{ 1, 1.5, false, EMERGENCY_LOAD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct emergency e = { .seconds = 1, .load = rows[i].above };

		load = rows[i].load;
		no_load = rows[i].none;
		scratch_logged();
		emergency_tick(&e);
		CHECK(emergency_why(&e) == rows[i].want, "row %zu", i);
		check_log(rows[i].want == EMERGENCY_LOAD ? BEGUN("load") : "");
		seconds += 1000;
		emergency_tick(&e);
		CHECK(emergency_why(&e) == rows[i].want, "row %zu", i);
		load = 0;
		emergency_tick(&e);
		CHECK_IS(&e, EMERGENCY_NONE);
		check_log(rows[i].want == EMERGENCY_LOAD ? OVER : "");
	}
	no_load = false;
}

static struct emergency shared = { .seconds = 100 };
static atomic_bool stop;
static atomic_ulong ticks;

static void *
tick_always(void *arg)
{
	while (!atomic_load(&stop)) {
		emergency_tick(&shared);
		atomic_fetch_add(&ticks, 1);
	}
	return arg;
}

/* Who looked a moment too early does not end what has just begun. */
static void
test_said_while_others_look(void **state)
{
	enum { TIMES = 2000 };
	pthread_t thread[2];
	const char *log;
	int lines = 0;

	(void)state;
	scratch_logged();
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, tick_always,
		    NULL), 0);
	while (atomic_load(&ticks) < 100)
		usleep(100);
	for (int i = 0; i < TIMES; i++) {
		emergency_say(&shared, 60);
		CHECK(emergency_why(&shared) == EMERGENCY_SAID, "round %d", i);
		emergency_say(&shared, 0);
		CHECK(emergency_why(&shared) == EMERGENCY_NONE, "round %d", i);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	while ((log = scratch_logged())[0] != '\0')
		lines += scratch_lines(log);
	assert_int_equal(lines, 2 * TIMES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_said_again),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_and_said),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_said_while_others_look),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
