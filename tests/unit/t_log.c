/*
 * t_log - a line is masked and cut where it is written, goes where it was
 * told to, and a fault that repeats is logged once a minute.
 */
#include <pthread.h>
#include <time.h>

#include "child.h"
#include "log.h"

static struct child child;

/*
 * The system's own are not called: what log.c says to syslog goes to stdout,
 * and errno is another behind it.
 * <syslog.h> is not included, for with _FORTIFY_SOURCE glibc makes a call of
 * syslog() one of __syslog_chk().  The numbers in what is wanted are those of
 * RFC 5424: mail is 2 << 3, an error 3.
 */
void openlog(const char *, int, int);
void syslog(int, const char *, ...);
void __syslog_chk(int, int, const char *, ...);

void
openlog(const char *name, int how, int facility)
{
	(void)how;
	printf("openlog %s %d\n", name, facility);
}

static void
print(int level, const char *fmt, va_list ap)
{
	printf("%d ", level);
	vprintf(fmt, ap);
	printf("\n");
	errno = EIO;
}

void
syslog(int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(level, fmt, ap);
	va_end(ap);
}

void
__syslog_chk(int level, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	print(level, fmt, ap);
	va_end(ap);
}

/* One line per byte: as a byte alone, and in a text of the network's. */
static int
log_all_bytes(void *arg)
{
	char text[] = "a?z";

	(void)arg;
	log_name("t");
	log_info("a%cz", 0);
	for (int byte = 1; byte < 256; byte++) {
		text[1] = (char)byte;
		log_info("%s", text);
	}
	return 0;
}

static void
every_byte_is_masked(void **state)
{
	char want[16], *line, *next;

	(void)state;
	child_run(&child, log_all_bytes, NULL);
	assert_int_equal(child.status, 0);
	line = child.err;
	for (int byte = 0; byte < 256; byte++, line = next) {
		snprintf(want, sizeof want, "t: a%cz",
		    byte >= ' ' && byte <= '~' ? byte : '?');
		if (byte == 0)		/* where C text ends */
			snprintf(want, sizeof want, "t: a");
		assert_non_null(next = strchr(line, '\n'));
		*next++ = '\0';
		CHECK(strcmp(line, want) == 0, "byte %d: %s", byte, line);
	}
	assert_string_equal(line, "");
}

struct length {
	int fill;		/* bytes of the message, x for each */
	int err;		/* errno for log_errno(); 0: log_error() */
	const char *end;	/* of the line */
	size_t size;		/* of the line */
};

static int
log_length(void *arg)
{
	const struct length *l = arg;
	char *text = malloc((size_t)l->fill + 1);

	if (text == NULL)
		return 1;
	memset(text, 'x', (size_t)l->fill);
	text[l->fill] = '\0';
	log_name("t");
	errno = l->err;
	if (l->err != 0)
		log_errno("%s", text);
	else
		log_error("%s", text);
	free(text);
	return 0;
}

/* A11: at most 1000 bytes, "t: " among them. */
static void
a_line_has_an_end(void **state)
{
	static const struct length table[] = {
		{ 0, 0, "", 3 },
		{ 996, 0, "x", 999 },
		{ 997, 0, "x", 1000 },
		{ 998, 0, "x", 1000 },
		{ 100000, 0, "x", 1000 },
		{ 3, ENOENT, "xxx: No such file or directory", 33 },
		{ 994, ENOENT, "x: N", 1000 },
		{ 995, ENOENT, "x: ", 1000 },
		{ 997, ENOENT, "xx", 1000 },
		{ 1001, ENOENT, "xx", 1000 },
		{ 100000, ENOENT, "xx", 1000 },
	};

	(void)state;
	assert_int_equal(LOG_LINE_MAX, 1000);
	for (size_t i = 0; i < COUNT(table); i++) {
		size_t size;

		child_run(&child, log_length, (void *)&table[i]);
		CHECK(child_is_line(child.err, "t: "), "row %zu", i);
		size = strlen(child.err) - strlen("\n");
		CHECK(size == table[i].size, "row %zu: %zu bytes", i, size);
		CHECK(strncmp(child.err + size - strlen(table[i].end),
		    table[i].end, strlen(table[i].end)) == 0, "row %zu: %s", i,
		    child.err);
	}
}

/* Every function once; 0 when errno stayed. */
static int
log_each(void)
{
	errno = EACCES;
	log_error("e %d", 1);
	log_errno("f %d", 2);
	log_warning("w %d", 3);
	log_info("i %d", 4);
	log_debug("d %d", 5);
	return errno == EACCES ? 0 : 1;
}

static int
to_terminal(void *arg)
{
	(void)arg;
	return log_each();
}

static int
with_debug(void *arg)
{
	(void)arg;
	log_name("one");
	log_name("two");
	log_verbose();
	return log_each();
}

static int
to_syslog(void *arg)
{
	int failed;

	(void)arg;
	log_name("t");
	log_to_syslog();
	failed = log_each();
	log_verbose();
	log_debug("a\nb %s", "%n");
	return failed;
}

static void
lines_go_where_they_should(void **state)
{
	static const struct {
		int (*run)(void *);
		const char *out, *err;
	} table[] = {
		{ to_terminal, "",
		    "milter: e 1\n"
		    "milter: f 2: Permission denied\n"
		    "milter: w 3\n"
		    "milter: i 4\n" },
		{ with_debug, "",
		    "two: e 1\n"
		    "two: f 2: Permission denied\n"
		    "two: w 3\n"
		    "two: i 4\n"
		    "two: d 5\n" },
		{ to_syslog,
		    "openlog t 16\n"
		    "3 e 1\n"
		    "3 f 2: Permission denied\n"
		    "4 w 3\n"
		    "6 i 4\n"
		    "7 a?b %n\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		child_run(&child, table[i].run, NULL);
		CHECK(child.status == 0, "row %zu: errno was changed", i);
		CHECK(strcmp(child.out, table[i].out) == 0, "row %zu: %s", i,
		    child.out);
		CHECK(strcmp(child.err, table[i].err) == 0, "row %zu: %s", i,
		    child.err);
	}
}

static void
a_word_is_one_word(void **state)
{
	char out[LOG_WORD_MAX], text[] = "a?z", filler[LOG_WORD_MAX + 1];

	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		char want = byte == ' ' ? '_' :
		    byte > ' ' && byte <= '~' ? (char)byte : '?';

		text[1] = (char)byte;
		assert_ptr_equal(log_word(out, text), out);
		CHECK(out[0] == 'a' && out[1] == want && out[2] == 'z' &&
		    out[3] == '\0', "byte %d: %s", byte, out);
	}
	assert_string_equal(log_word(out, ""), "");
	for (size_t size = LOG_WORD_MAX - 3; size <= LOG_WORD_MAX; size++) {
		size_t want = size < LOG_WORD_MAX ? size : LOG_WORD_MAX - 1;

		memset(filler, 'x', size);
		filler[size] = '\0';
		log_word(out, filler);
		CHECK(strlen(out) == want && strspn(out, "x") == want,
		    "%zu bytes: %s", size, out);
	}
}

static struct log_limit limit;

/* The clock cannot be turned, so the minute ends by the object's own. */
static int
be_due_twice(void *arg)
{
	struct timespec now;
	long left;
	int failed = 0;

	(void)arg;
	errno = EACCES;
	failed |= !log_due(&limit);
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = atomic_load(&limit.next) - (long)now.tv_sec;
	failed |= left < LOG_LIMIT_SECONDS - 5 || left > LOG_LIMIT_SECONDS;
	for (int i = 0; i < 7; i++)
		failed |= log_due(&limit);
	atomic_store(&limit.next, (long)now.tv_sec + 1000);
	failed |= log_due(&limit);
	atomic_store(&limit.next, (long)now.tv_sec);
	failed |= !log_due(&limit);
	failed |= atomic_load(&limit.held) != 0;
	failed |= log_due(&limit);
	return failed | (errno != EACCES);
}

static void
a_fault_is_logged_once_a_minute(void **state)
{
	(void)state;
	child_run(&child, be_due_twice, NULL);
	assert_int_equal(child.status, 0);
	CHECK(child_is_line(child.err, " 8 "), "%s", child.err);
}

/* A fault that comes again after a quiet minute has nothing to add. */
static int
be_due_after_nothing(void *arg)
{
	int failed;

	(void)arg;
	failed = !log_due(&limit);
	atomic_store(&limit.next, 0);
	return failed | !log_due(&limit);
}

static void
nothing_held_is_not_said(void **state)
{
	(void)state;
	child_run(&child, be_due_after_nothing, NULL);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.err, "");
}

enum { THREADS = 8, TIMES = 1000 };

static void *
ask_often(void *due)
{
	for (int i = 0; i < TIMES; i++)
		if (log_due(&limit))
			atomic_fetch_add((atomic_int *)due, 1);
	return NULL;
}

static void
one_of_many_threads_is_due(void **state)
{
	pthread_t thread[THREADS];
	atomic_int due = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often,
		    &due), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&due), 1);
	assert_int_equal(atomic_load(&limit.held), THREADS * TIMES - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_masked),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(lines_go_where_they_should),
		cmocka_unit_test(a_word_is_one_word),
		cmocka_unit_test(a_fault_is_logged_once_a_minute),
		cmocka_unit_test(nothing_held_is_not_said),
		cmocka_unit_test(one_of_many_threads_is_due),
	};

	return RUN(tests);
}
