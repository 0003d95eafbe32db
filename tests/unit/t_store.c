/*
 * t_store - records, and that neither a second process nor what was done to
 * the files makes the store lose them silently or use what is not its own.
 */
#include <sys/time.h>
#include <sys/wait.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include <db.h>

#include "scratch.h"
#include "store.h"

#define NAME	"test.db"
#define CACHE	(1 << 20)

static char directory[SCRATCH_PATH_MAX];	/* of the test that runs */
static bool in_memory;		/* it runs without */

/* The library never frees an environment that it found corrupt. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3.so\n";
}

/* A new, empty directory. */
static void
new_directory(void)
{
	static int count;
	char name[32];

	snprintf(name, sizeof name, "store-%d", ++count);
	assert_int_equal(mkdir(scratch_path(directory, name), 0700), 0);
}

static struct store *
open_store(void)
{
	const struct store_conf conf = {
	    .directory = in_memory ? NULL : directory,
	    .name = NAME, .cache = CACHE, .free_min = 1 };
	struct store *s = store_open(&conf);

	assert_non_null(s);
	return s;
}

/* Texts as keys and values, without their NULs. */
static enum store_result
put(struct store *s, const char *key, const char *value)
{
	return store_put(s, key, strlen(key), value, strlen(value));
}

/* The value, "" when there is none; "DOWN". */
static const char *
get(struct store *s, const char *key)
{
	static char value[STORE_VALUE_MAX + 1];
	size_t size = STORE_VALUE_MAX;

	switch (store_get(s, key, strlen(key), value, &size)) {
	case STORE_NONE:
		assert_int_equal(size, 0);
		return "";
	case STORE_DOWN:
		return "DOWN";
	case STORE_OK:
		break;
	}
	assert_true(size > 0 && size <= STORE_VALUE_MAX);
	value[size] = '\0';
	return value;
}

static unsigned long
stat_of(struct store *s, const char *name)
{
	unsigned long value = 9999;
	char *text, *at;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	store_stats(out, s);
	fclose(out);
	for (at = text; (at = strstr(at, name)) != NULL; at++)
		if (at > text && at[-1] == '_' && at[strlen(name)] == ' ' &&
		    strncmp(at - strlen("\nmilter_"), "\nmilter_", 8) == 0)
			value = strtoul(at + strlen(name), NULL, 10);
	free(text);
	return value;
}

/* Ask up to ten seconds long. */
static bool
comes(bool (*so)(struct store *), struct store *s)
{
	for (int i = 0; i < 1000; i++) {
		if (so(s))
			return true;
		usleep(10000);
	}
	return false;
}

/* --- records */

static void
test_records(void **state)
{
	static const struct {
		const char *put, *value;	/* NULL: nothing is put */
		const char *get, *want;
	} rows[] = {
		{ NULL, NULL, "a", "" },
		{ "a", "1", "a", "1" },
		{ NULL, NULL, "b", "" },
		{ "b", "2", "b", "2" },
		{ "a", "one", "a", "one" },	/* replaced */
		{ "a", "", "a", "" },		/* deleted */
		{ "a", "", "a", "" },		/* and once more */
		{ NULL, NULL, "b", "2" },
		{ "a", "again", "a", "again" },
		{ "ab", "longer key", "a", "again" },
	};
	struct store *s;

	(void)state;
	new_directory();
	s = open_store();
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].put != NULL)
			CHECK(put(s, rows[i].put, rows[i].value) == STORE_OK,
			    "row %zu", i);
		CHECK(strcmp(get(s, rows[i].get), rows[i].want) == 0,
		    "row %zu: %s is \"%s\"", i, rows[i].get,
		    get(s, rows[i].get));
	}
	store_close(s);
	store_close(NULL);
}

/* NULs in keys and values, the longest ones, and a buffer too small. */
static void
test_sizes(void **state)
{
	static const size_t rooms[] = { 0, 1, 2, 3, STORE_VALUE_MAX };
	unsigned char key[STORE_KEY_MAX], value[STORE_VALUE_MAX];
	unsigned char got[STORE_VALUE_MAX + 1];
	struct store *s;
	size_t size;

	(void)state;
	new_directory();
	s = open_store();
	assert_int_equal(store_put(s, "a\0b", 3, "x\0y", 3), STORE_OK);
	assert_string_equal(get(s, "a"), "");
	for (size_t i = 0; i < COUNT(rooms); i++) {
		memset(got, '?', sizeof got);
		size = rooms[i];
		assert_int_equal(store_get(s, "a\0b", 3, got, &size), STORE_OK);
		CHECK(size == 3, "room %zu: %zu", rooms[i], size);
		size = rooms[i] < 3 ? rooms[i] : 3;
		CHECK(memcmp(got, "x\0y", size) == 0, "room %zu", rooms[i]);
		CHECK(got[size] == '?', "room %zu", rooms[i]);
	}
	memset(key, 0xff, sizeof key);
	memset(value, 0, sizeof value);
	value[sizeof value - 1] = 1;
	assert_int_equal(store_put(s, key, sizeof key, value, sizeof value),
	    STORE_OK);
	size = sizeof got;
	assert_int_equal(store_get(s, key, sizeof key, got, &size), STORE_OK);
	assert_int_equal(size, sizeof value);
	assert_memory_equal(got, value, sizeof value);
	assert_int_equal(store_get(s, key, sizeof key - 1, got, &size),
	    STORE_NONE);
	store_close(s);
}

/* What change() saw, and what it is to do. */
struct change {
	char seen[16];
	size_t size;		/* that it returns */
	int calls;
};

static size_t
change(void *value, size_t size, void *arg)
{
	struct change *c = arg;

	c->calls++;
	snprintf(c->seen, sizeof c->seen, "%.*s", (int)size,
	    (const char *)value);
	memcpy(value, "new", 3);
	return c->size;
}

static void
test_update(void **state)
{
	static const struct {
		size_t returns;
		const char *seen, *after;
	} rows[] = {
		{ STORE_KEEP, "", "" },		/* there is none to keep */
		{ 0, "", "" },
		{ 3, "", "new" },
		{ STORE_KEEP, "new", "new" },
		{ 2, "new", "ne" },
		{ 0, "ne", "" },
		{ STORE_KEEP, "", "" },
	};
	struct store *s;

	(void)state;
	new_directory();
	s = open_store();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct change c = { .size = rows[i].returns };

		CHECK(store_update(s, "k", 1, change, &c) == STORE_OK,
		    "row %zu", i);
		CHECK(c.calls == 1, "row %zu", i);
		CHECK(strcmp(c.seen, rows[i].seen) == 0, "row %zu: \"%s\"", i,
		    c.seen);
		CHECK(strcmp(get(s, "k"), rows[i].after) == 0, "row %zu", i);
	}
	store_close(s);
}

static size_t
count_up(void *value, size_t size, void *arg)
{
	unsigned n = 0;

	(void)arg;
	if (size == sizeof n)
		memcpy(&n, value, sizeof n);
	n++;
	memcpy(value, &n, sizeof n);
	return sizeof n;
}

#define UPDATES	300

/* On a busy machine one may have to wait too long; then nothing was done. */
static void *
update_often(void *arg)
{
	int tries = 0;

	for (int i = 0; i < UPDATES; i++)
		while (store_update(arg, "n", 1, count_up, NULL) != STORE_OK)
			if (++tries == 100)
				return arg;
	return NULL;
}

/* Read, decide and write are one step, whoever does it at the same time. */
static void
test_update_from_threads(void **state)
{
	pthread_t thread[3];
	unsigned n = 0;
	size_t size = sizeof n;
	struct store *s;
	void *failed;

	(void)state;
	new_directory();
	s = open_store();
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
		    update_often, s), 0);
	for (size_t i = 0; i < COUNT(thread); i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(store_get(s, "n", 1, &n, &size), STORE_OK);
	assert_int_equal(n, COUNT(thread) * UPDATES);
	assert_int_equal(stat_of(s, "store_updates_total"), n);
	store_close(s);
}

/* --- walks */

struct walk {
	struct store *s;
	int calls, stop_at;
	bool write;		/* in each() */
	unsigned long wrong;
	unsigned char last[STORE_KEY_MAX];
	size_t last_size;
};

/* Order, prefix and value are as they should be; the store may be used. */
static int
visit(const void *key, size_t key_size, const void *value, size_t value_size,
    void *arg)
{
	struct walk *w = arg;
	size_t least = key_size < w->last_size ? key_size : w->last_size;
	int order = memcmp(w->last, key, least);

	if (w->calls > 0 && (order > 0 || (order == 0 &&
	    w->last_size >= key_size)))
		w->wrong++;
	memcpy(w->last, key, key_size);
	w->last_size = key_size;
	/* The value of a record is its key, or what is written below. */
	if (value_size != key_size || memcmp(value, key, value_size) != 0)
		w->wrong++;
	if (w->write && (store_put(w->s, "zzz", 3, "zzz", 3) != STORE_OK ||
	    store_put(w->s, key, key_size, key, key_size) != STORE_OK))
		w->wrong++;
	return ++w->calls == w->stop_at;
}

static void
test_walk(void **state)
{
	static const struct {
		const char *prefix;
		int stop_at, want;
		bool write;
	} rows[] = {
		{ "a", 0, 1, false }, { "b", 0, 300, false },
		{ "b1", 0, 100, false }, { "b29", 0, 10, false },
		{ "b299", 0, 1, false }, { "b2999", 0, 0, false },
		{ "bb", 0, 0, false }, { "d", 0, 65, false },
		{ "e", 0, 64, false }, { "f", 0, 0, false },
		{ "z", 0, 0, false },
		{ "b", 1, 1, false }, { "b", 64, 64, false },
		{ "b", 65, 65, false }, { "b", 200, 200, false },
		{ "b", 0, 300, true }, { "z", 0, 1, true },
	};
	struct store *s;
	char key[8];

	(void)state;
	new_directory();
	s = open_store();
	assert_int_equal(put(s, "a", "a"), STORE_OK);
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "b%03d", i * 7 % 300);
		assert_int_equal(put(s, key, key), STORE_OK);
	}
	for (int i = 0; i < 65; i++) {		/* the slices are of 64 */
		snprintf(key, sizeof key, "d%03d", i);
		assert_int_equal(put(s, key, key), STORE_OK);
		key[0] = 'e';
		if (i < 64)
			assert_int_equal(put(s, key, key), STORE_OK);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct walk w = { .s = s, .stop_at = rows[i].stop_at,
		    .write = rows[i].write };

		CHECK(store_walk(s, rows[i].prefix, strlen(rows[i].prefix),
		    visit, &w) == STORE_OK, "row %zu", i);
		CHECK(w.calls == rows[i].want, "%s: %d", rows[i].prefix,
		    w.calls);
		CHECK(w.wrong == 0, "%s: %lu", rows[i].prefix, w.wrong);
	}
	store_close(s);
}

/* Bytes are compared as unsigned; the longest keys are seen once, too. */
static void
test_walk_of_odd_keys(void **state)
{
	static const struct {
		unsigned char fill;
		size_t size;
	} rows[] = {
		{ 0x00, 4 }, { 0x7f, 2 }, { 0x80, 2 }, { 0xff, 2 },
		{ 'x', STORE_KEY_MAX }, { 0xff, STORE_KEY_MAX },
	};
	unsigned char key[STORE_KEY_MAX];
	struct store *s;

	(void)state;
	new_directory();
	s = open_store();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct walk w = { .calls = 0 };

		memset(key, rows[i].fill, sizeof key);
		key[0] = (unsigned char)(0xff - i);
		for (int n = 0; n < 200; n++) {
			key[rows[i].size - 1] = (unsigned char)n;
			assert_int_equal(store_put(s, key, rows[i].size, key,
			    rows[i].size), STORE_OK);
		}
		assert_int_equal(store_walk(s, key, 1, visit, &w), STORE_OK);
		CHECK(w.calls == 200 && w.wrong == 0, "row %zu: %d calls, "
		    "%lu wrong", i, w.calls, w.wrong);
	}
	store_close(s);
}

/* --- what stays */

static void
test_persistence(void **state)
{
	char key[8];

	(void)state;
	new_directory();
	for (int round = 0; round < 3; round++) {
		struct store *s = open_store();

		for (int i = 0; i < 100 * round; i++) {
			snprintf(key, sizeof key, "k%03d", i);
			CHECK(strcmp(get(s, key), key) == 0, "round %d: %s",
			    round, key);
		}
		for (int i = 100 * round; i < 100 * round + 100; i++) {
			snprintf(key, sizeof key, "k%03d", i);
			assert_int_equal(put(s, key, key), STORE_OK);
		}
		assert_int_equal(stat_of(s, "store_up"), 1);
		assert_int_equal(stat_of(s, "store_set_aside_total"), 0);
		assert_true(stat_of(s, "store_bytes") > 0);
		store_close(s);
	}
}

/*
 * In another process: open, put, say so, and wait to be killed.  Returns its
 * number, and to itself not at all.
 */
static pid_t
start_holder(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	if ((pid = fork()) == 0) {
		const struct store_conf conf = { .directory = directory,
		    .name = NAME, .cache = CACHE, .free_min = 1 };
		struct store *s = store_open(&conf);

		if (s != NULL && put(s, "held", "by a child") == STORE_OK &&
		    write(ready[1], "!", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* One process at a time; kill -9 of it frees the store and loses nothing. */
static void
test_second_process(void **state)
{
	const struct store_conf conf = { .directory = directory, .name = NAME,
	    .cache = CACHE, .free_min = 1 };
	struct store *s;
	pid_t pid;

	(void)state;
	new_directory();
	pid = start_holder();
	scratch_logged();
	assert_null(store_open(&conf));
	assert_non_null(strstr(scratch_logged(), directory));
	assert_null(store_open(&conf));
	assert_int_equal(store_check(directory), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	s = open_store();
	assert_string_equal(get(s, "held"), "by a child");
	assert_int_equal(stat_of(s, "store_set_aside_total"), 0);
	store_close(s);
}

static void
test_directory(void **state)
{
	struct store_conf conf = { .directory = directory, .name = NAME,
	    .cache = CACHE, .free_min = 1 };
	struct stat st;

	(void)state;
	new_directory();
	assert_int_equal(store_check(directory), 0);
	scratch_path(directory, "not-there");
	scratch_logged();
	assert_int_equal(store_check(directory), -1);
	assert_non_null(strstr(scratch_logged(), directory));
	assert_null(store_open(&conf));
	assert_non_null(strstr(scratch_logged(), directory));
	assert_int_equal(stat(directory, &st), -1);	/* nothing is made */
	scratch_write(directory, "x", 1);
	assert_int_equal(store_check(directory), -1);
	assert_null(store_open(&conf));
	assert_int_equal(scratch_lines(scratch_logged()), 2);
	assert_int_equal(unlink(directory), 0);
}

/* Less free space than is to stay free: down, and nothing is touched. */
static void
test_no_space(void **state)
{
	const struct store_conf conf = { .directory = directory, .name = NAME,
	    .cache = CACHE, .free_min = SIZE_MAX };
	struct change c = { .size = 3 };
	struct walk w = { .calls = 0 };
	struct store *s;

	(void)state;
	new_directory();
	s = open_store();
	assert_int_equal(put(s, "a", "a"), STORE_OK);
	store_close(s);

	s = store_open(&conf);
	assert_non_null(s);
	assert_string_equal(get(s, "a"), "DOWN");
	assert_int_equal(put(s, "a", "b"), STORE_DOWN);
	assert_int_equal(store_update(s, "a", 1, change, &c), STORE_DOWN);
	assert_int_equal(c.calls, 0);
	assert_int_equal(store_walk(s, "a", 1, visit, &w), STORE_DOWN);
	assert_int_equal(w.calls, 0);
	assert_int_equal(stat_of(s, "store_up"), 0);
	assert_true(stat_of(s, "store_errors_total") > 0);
	assert_int_equal(stat_of(s, "store_updates_total"), 0);
	store_close(s);

	s = open_store();
	assert_string_equal(get(s, "a"), "a");
	assert_int_equal(stat_of(s, "store_set_aside_total"), 0);
	store_close(s);
}

/* --- in memory */

/* Files go where they should not: into the folder we are in, or TMPDIR. */
static int
begin_memory(void **state)
{
	(void)state;
	in_memory = true;
	new_directory();
	return setenv("TMPDIR", directory, 1) == -1 || chdir(directory) == -1;
}

static int
end_memory(void **state)
{
	const struct dirent *entry;
	DIR *dir = opendir(".");

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		CHECK(entry->d_name[0] == '.', "%s", entry->d_name);
	closedir(dir);
	in_memory = false;
	return unsetenv("TMPDIR") == -1 || chdir("/") == -1;
}

#define IN_MEMORY(test)	{ #test " in memory", test, begin_memory, end_memory, \
	NULL }

/* It begins empty each time, and two are two. */
static void
test_memory_ends(void **state)
{
	struct store *s[2];

	(void)state;
	assert_int_equal(store_check(NULL), 0);
	for (int round = 0; round < 2; round++) {
		s[0] = open_store();
		s[1] = open_store();
		assert_string_equal(get(s[0], "a"), "");
		assert_int_equal(put(s[0], "a", "1"), STORE_OK);
		assert_string_equal(get(s[1], "a"), "");
		assert_int_equal(put(s[1], "a", "2"), STORE_OK);
		assert_string_equal(get(s[0], "a"), "1");
		assert_int_equal(stat_of(s[0], "store_up"), 1);
		assert_true(stat_of(s[0], "store_bytes") > 0);
		usleep(1100000);	/* and has been looked after */
		assert_string_equal(get(s[0], "a"), "1");
		assert_int_equal(stat_of(s[0], "store_errors_total"), 0);
		store_close(s[0]);
		store_close(s[1]);
	}
}

#define KEYS_MAX	10000
#define REFUSED		300	/* updates when it is full */
#define REFUSED_SECONDS	3	/* the library alone takes 4 for each */

static bool value_there[KEYS_MAX];

/* The record with this number, in no order. */
static enum store_result
put_number(struct store *s, int i, size_t size)
{
	static char value[STORE_VALUE_MAX];
	char key[16];

	snprintf(key, sizeof key, "%c%04d", "xy"[i % 2], i * 7 % KEYS_MAX);
	memset(value, 'a' + i % 26, size);
	return store_put(s, key, 5, value, size);
}

static void
check_number(struct store *s, int i, size_t size)
{
	const char *value;
	char key[16];

	snprintf(key, sizeof key, "%c%04d", "xy"[i % 2], i * 7 % KEYS_MAX);
	value = get(s, key);
	CHECK(strlen(value) == (value_there[i] ? size : 0), "%d: %zu", i,
	    strlen(value));
	CHECK(!value_there[i] || (value[0] == 'a' + i % 26 &&
	    value[size - 1] == value[0]), "%d: %s", i, value);
}

/* Put new ones until it is full; returns the number of the first refused. */
static int
fill_memory(struct store *s, size_t size)
{
	int i = 0;

	while (i < KEYS_MAX && put_number(s, i, size) == STORE_OK)
		value_there[i++] = true;
	return i;
}

/*
 * Full: updates that need room are refused at once, and change nothing; what
 * is there is read, replaced and deleted, and that makes room.
 */
static void
test_memory_full(void **state)
{
	static const struct {
		size_t cache, size;
	} rows[] = {
		{ 64 << 10, 500 }, { 256 << 10, 40 }, { 256 << 10, 900 },
		{ 1 << 20, 200 }, { 1 << 20, 900 },
	};
	unsigned long errors;
	const char *logged;
	time_t begin;
	int full;

	(void)state;
	scratch_logged();
	for (size_t row = 0; row < COUNT(rows); row++) {
		const size_t size = rows[row].size;
		const struct store_conf conf = { .name = NAME,
		    .cache = rows[row].cache };
		struct store *s = store_open(&conf);

		assert_non_null(s);
		memset(value_there, 0, sizeof value_there);
		full = fill_memory(s, size);
		CHECK(full < KEYS_MAX - REFUSED &&
		    (size_t)full * size > conf.cache / 4, "row %zu: %d", row,
		    full);
		begin = time(NULL);
		for (int i = full; i < full + REFUSED; i++) {
			value_there[i] = put_number(s, i, size) == STORE_OK;
			CHECK(time(NULL) - begin <= REFUSED_SECONDS,
			    "row %zu: %d", row, i);
		}
		errors = stat_of(s, "store_errors_total");
		CHECK(errors > REFUSED / 10, "row %zu: %lu", row, errors);
		CHECK(stat_of(s, "store_bytes") <= conf.cache, "row %zu", row);
		for (int i = 0; i < full + REFUSED; i++) {
			check_number(s, i, size);
			CHECK(!value_there[i] ||
			    put_number(s, i, size) == STORE_OK, "row %zu: %d",
			    row, i);
		}
		for (int i = 0; i < full + REFUSED; i++) {
			if (i % 3 == 0)
				continue;
			CHECK(put_number(s, i, 0) == STORE_OK, "row %zu: %d",
			    row, i);
			value_there[i] = false;
		}
		CHECK(stat_of(s, "store_errors_total") == errors, "row %zu",
		    row);
		for (int more = 0; more < full / 4; more++) {
			int i = more / 2 * 3 + 1 + more % 2;

			CHECK(put_number(s, i, size) == STORE_OK,
			    "row %zu: %d of %d", row, more, full);
			value_there[i] = true;
		}
		for (int i = 0; i < full + REFUSED; i++)
			check_number(s, i, size);
		CHECK(stat_of(s, "store_repairs_total") == 0, "row %zu", row);
		CHECK(stat_of(s, "store_up") == 1, "row %zu", row);
		store_close(s);
	}
	logged = scratch_logged();		/* once a minute */
	CHECK(scratch_lines(logged) == 1 && strstr(logged,
	    "in memory: update: the cache is full") != NULL, "%s", logged);
}

/* --- the sweep */

static bool
starts_with_x(const void *key, size_t key_size, const void *value,
    size_t value_size, void *arg)
{
	(void)key_size;
	(void)value;
	(void)value_size;
	atomic_fetch_add((atomic_int *)arg, 1);
	return *(const char *)key == 'x';
}

#define SWEPT	2000
#define OTHERS	200

static bool
all_swept(struct store *s)
{
	return stat_of(s, "store_swept_total") >= SWEPT;
}

/*
 * More than are looked at, and deleted, at a time, and among others: it goes on
 * until there are no more.
 */
static void
test_sweep(void **state)
{
	atomic_int asked = 0;
	const struct store_conf conf = { .directory = directory, .name = NAME,
	    .cache = CACHE, .free_min = 1, .expired = starts_with_x,
	    .arg = &asked, .sweep_seconds = 1 };
	struct walk w = { .calls = 0 };
	struct store *s;
	char key[8];

	(void)state;
	new_directory();
	s = open_store();
	for (int i = 0; i < SWEPT; i++) {
		snprintf(key, sizeof key, "x%04d", i);
		assert_int_equal(put(s, key, key), STORE_OK);
		key[0] = i % 2 == 0 ? 'a' : 'z';
		if (i < OTHERS)
			assert_int_equal(put(s, key, key), STORE_OK);
	}
	store_close(s);
	s = store_open(&conf);
	assert_non_null(s);
	assert_true(comes(all_swept, s));
	assert_int_equal(store_walk(s, "x", 1, visit, &w), STORE_OK);
	assert_int_equal(w.calls, 0);
	assert_int_equal(store_walk(s, "a", 1, visit, &w), STORE_OK);
	assert_int_equal(store_walk(s, "z", 1, visit, &w), STORE_OK);
	assert_int_equal(w.calls, OTHERS);
	assert_int_equal(stat_of(s, "store_swept_total"), SWEPT);
	assert_true(atomic_load(&asked) >= SWEPT);
	store_close(s);
}

/* The sweep makes room in a full cache. */
static void
test_memory_sweep(void **state)
{
	atomic_int asked = 0;
	const struct store_conf conf = { .name = NAME, .cache = 256 << 10,
	    .expired = starts_with_x, .arg = &asked, .sweep_seconds = 1 };
	struct walk w = { .calls = 0 };
	struct store *s = store_open(&conf);
	int full = 0;

	(void)state;
	assert_non_null(s);
	while (stat_of(s, "store_swept_total") == 0)
		full = fill_memory(s, 40);
	assert_true(full > 0);
	usleep(1500000);		/* and now it is done */
	assert_int_equal(store_walk(s, "x", 1, visit, &w), STORE_OK);
	assert_int_equal(w.calls, 0);
	assert_int_equal(put_number(s, KEYS_MAX - 1, 40), STORE_OK);
	for (int i = 0; i < full / 4; i++)
		CHECK(put_number(s, 2 * i + 1, 40) == STORE_OK, "%d", i);
	store_close(s);
}

/* --- files that others have been at */

/* Sizes of values that another version of us might have written. */
static const struct {
	char key[4];
	size_t size;
	bool there;
} odd[] = {
	{ "od0", 0, false }, { "od1", 1, true }, { "od2", 2, true },
	{ "od3", STORE_VALUE_MAX - 1, true }, { "od4", STORE_VALUE_MAX, true },
	{ "od5", STORE_VALUE_MAX + 1, false },
	{ "od6", STORE_VALUE_MAX + 2, false },
	{ "od7", STORE_VALUE_MAX + 9000, false },
};

/* With the library itself. */
static void
write_odd(void)
{
	static char value[STORE_VALUE_MAX + 9000], name[4];
	DB_ENV *env;
	DB *db;

	assert_int_equal(db_env_create(&env, 0), 0);
	assert_int_equal(env->open(env, directory, DB_CREATE | DB_RECOVER |
	    DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL | DB_PRIVATE, 0600), 0);
	assert_int_equal(db_create(&db, env, 0), 0);
	assert_int_equal(db->open(db, NULL, NAME, NULL, DB_BTREE,
	    DB_AUTO_COMMIT, 0), 0);
	memset(value, 'v', sizeof value);
	for (size_t i = 0; i < COUNT(odd); i++) {
		DBT key = { .data = name, .size = 3 };
		DBT data = { .data = value, .size = (uint32_t)odd[i].size };

		memcpy(name, odd[i].key, sizeof name);
		assert_int_equal(db->put(db, NULL, &key, &data, 0), 0);
	}
	assert_int_equal(db->close(db, 0), 0);
	assert_int_equal(env->close(env, 0), 0);
}

static int
count_odd(const void *key, size_t key_size, const void *value,
    size_t value_size, void *arg)
{
	const char *k = key;

	(void)value;
	assert_int_equal(key_size, 3);
	assert_int_equal(value_size, odd[k[2] - '0'].size);
	++*(int *)arg;
	return 0;
}

/* Too long is absent: not found, not walked over, and replaced. */
static void
test_values_too_long(void **state)
{
	int walked = 0, there = 0;
	struct store *s;

	(void)state;
	new_directory();
	s = open_store();
	assert_int_equal(put(s, "od", "x"), STORE_OK);
	assert_int_equal(put(s, "oe", "x"), STORE_OK);
	store_close(s);
	write_odd();
	s = open_store();
	assert_int_equal(put(s, "od", ""), STORE_OK);
	assert_int_equal(store_walk(s, "od", 2, count_odd, &walked), STORE_OK);
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct change c = { .size = 3 };

		there += odd[i].there;
		CHECK(strlen(get(s, odd[i].key)) == (odd[i].there ?
		    odd[i].size : 0), "%zu", odd[i].size);
		if (i % 2 == 0)
			assert_int_equal(put(s, odd[i].key, ""), STORE_OK);
		assert_int_equal(store_update(s, odd[i].key, 3, change, &c),
		    STORE_OK);
		CHECK((c.seen[0] != '\0') == (odd[i].there && i % 2 != 0),
		    "%zu: \"%s\"", odd[i].size, c.seen);
		assert_string_equal(get(s, odd[i].key), "new");
	}
	assert_int_equal(walked, there);
	assert_int_equal(stat_of(s, "store_set_aside_total"), 0);
	store_close(s);
}

/* What happens to the file between a close and the next open. */
enum damage { TEXT, TINY, CUT, CUT_MORE, FLIPPED, NEWER, GARBAGE,
	NOTHING };

static void
read_whole(const char *path, char *out, size_t room, size_t *size)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	*size = fread(out, 1, room, file);
	fclose(file);
}

static size_t
do_damage(enum damage damage, char *bytes, size_t size)
{
	static const char text[] = "192.0.2.1 was here\n";

	switch (damage) {
	case TEXT:
		memcpy(bytes, text, sizeof text - 1);
		return sizeof text - 1;
	case TINY:
		return 1;
	case CUT:
		return size - 4096;
	case CUT_MORE:
		return 4096 + 100;
	case FLIPPED:
		bytes[size / 2 + 1234] ^= 0x10;
		break;
	case NEWER:
		bytes[16]++;		/* behind place, page and magic */
		break;
	case GARBAGE:
		for (size_t i = 0; i < size; i++)
			bytes[i] = (char)(i * 37 >> 3);
		break;
	case NOTHING:
		break;
	}
	return size;
}

/* The path of the file where it was set aside; there must be one. */
static void
find_aside(char out[3 * SCRATCH_PATH_MAX])
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	int found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, NAME ".bad-",
		    strlen(NAME ".bad-")) == 0) {
			found++;
			snprintf(out, 3 * SCRATCH_PATH_MAX, "%s/%.60s/%s",
			    directory, entry->d_name, NAME);
		}
	closedir(dir);
	assert_int_equal(found, 1);
}

/* See fill(). */
static char database[200000], journal[1000000], mark[100];
static size_t database_size, journal_size, mark_size;

/*
 * Some pages full, closed cleanly, and once more, so that recovery has nothing
 * in the log to make the file whole with; the bytes of the files, of the log
 * without the room behind what is written.  The mark says what the file looked
 * like when it was closed.
 */
static void
fill(void)
{
	char path[2 * SCRATCH_PATH_MAX] = "some value", key[8];
	struct store *s;

	new_directory();
	s = open_store();
	for (int i = 0; i < 900; i++) {
		snprintf(key, sizeof key, "k%03d", i);
		assert_int_equal(store_put(s, key, 4, path, 30), STORE_OK);
	}
	store_close(s);
	store_close(open_store());
	snprintf(path, sizeof path, "%s/%s", directory, NAME);
	read_whole(path, database, sizeof database, &database_size);
	assert_true(database_size >= 10 * 4096 &&
	    database_size < sizeof database);
	snprintf(path, sizeof path, "%s/log.0000000001", directory);
	read_whole(path, journal, sizeof journal, &journal_size);
	assert_int_equal(journal[sizeof journal - 1], 0);	/* not used */
	snprintf(path, sizeof path, "%s/clean-close", directory);
	read_whole(path, mark, sizeof mark, &mark_size);
}

static void
write_files(const char *bytes, size_t size)
{
	char path[2 * SCRATCH_PATH_MAX];

	snprintf(path, sizeof path, "%s/clean-close", directory);
	scratch_write(path, mark, mark_size);
	snprintf(path, sizeof path, "%s/log.0000000001", directory);
	scratch_write(path, journal, journal_size);
	snprintf(path, sizeof path, "%s/%s", directory, NAME);
	scratch_write(path, bytes, size);
}

/*
 * A30: the old file is set aside as it is, said so in one line, and an empty
 * store works, also after the next start.
 */
static void
test_damage(void **state)
{
	static const char *const names[] = { "text", "tiny", "cut", "cut more",
	    "flipped", "newer", "garbage", "nothing" };
	static char bytes[sizeof database], after[sizeof database];
	char path[3 * SCRATCH_PATH_MAX];
	size_t size, after_size;

	(void)state;
	fill();
	for (size_t i = 0; i < COUNT(names); i++) {
		struct walk w = { .calls = 0 };
		bool damaged = i < COUNT(names) - 1;
		struct store *s;

		memcpy(bytes, database, database_size);
		size = do_damage((enum damage)i, bytes, database_size);
		new_directory();
		write_files(bytes, size);
		scratch_logged();

		s = open_store();
		CHECK(stat_of(s, "store_set_aside_total") == damaged, "%s",
		    names[i]);
		CHECK((strstr(scratch_logged(), NAME ".bad-") != NULL) ==
		    damaged, "%s", names[i]);
		CHECK(store_walk(s, "k", 1, visit, &w) == STORE_OK &&
		    w.calls == (damaged ? 0 : 900), "%s: %d", names[i],
		    w.calls);
		assert_int_equal(put(s, "new", "one"), STORE_OK);
		store_close(s);
		if (!damaged)
			continue;
		find_aside(path);
		read_whole(path, after, sizeof after, &after_size);
		CHECK(after_size == size && memcmp(after, bytes, size) == 0,
		    "%s: the old file is not what it was", names[i]);

		s = open_store();
		assert_string_equal(get(s, "new"), "one");
		CHECK(stat_of(s, "store_set_aside_total") == 0, "%s",
		    names[i]);
		store_close(s);
	}
}

static bool
is_repaired(struct store *s)
{
	return stat_of(s, "store_repairs_total") == 1;
}

/*
 * A bit that changed on the disk and left no other trace: it is seen when the
 * page is read.  Then the store is down, sets the file aside and comes back.
 */
static void
test_damage_unseen(void **state)
{
	char path[2 * SCRATCH_PATH_MAX];
	struct timespec times[2];
	struct walk w = { .calls = 0 };
	struct store *s;
	struct stat st;

	(void)state;
	fill();
	snprintf(path, sizeof path, "%s/%s", directory, NAME);
	assert_int_equal(stat(path, &st), 0);
	times[0] = times[1] = st.st_mtim;
	do_damage(FLIPPED, database, database_size);
	write_files(database, database_size);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);

	s = open_store();
	assert_int_equal(stat_of(s, "store_set_aside_total"), 0);
	assert_int_equal(store_walk(s, "k", 1, visit, &w), STORE_DOWN);
	assert_true(w.calls < 900);
	assert_true(comes(is_repaired, s));
	assert_true(stat_of(s, "store_errors_total") > 0);
	assert_int_equal(stat_of(s, "store_set_aside_total"), 1);
	assert_int_equal(stat_of(s, "store_up"), 1);
	assert_int_equal(put(s, "new", "one"), STORE_OK);
	store_close(s);
	s = open_store();
	assert_string_equal(get(s, "new"), "one");
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_process),
		IN_MEMORY(test_memory_full),	/* the first to log a fault */
		IN_MEMORY(test_memory_ends),
		IN_MEMORY(test_memory_sweep),
		IN_MEMORY(test_records),
		IN_MEMORY(test_sizes),
		IN_MEMORY(test_update),
		IN_MEMORY(test_update_from_threads),
		IN_MEMORY(test_walk),
		IN_MEMORY(test_walk_of_odd_keys),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_update_from_threads),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_of_odd_keys),
		cmocka_unit_test(test_persistence),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_values_too_long),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_damage_unseen),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
