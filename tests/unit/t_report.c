/*
 * t_report - reports to a server that takes them, refuses them, hangs, or is
 * away for a while; nobody waits for it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "report.h"
#include "scratch.h"
#include "sockets.h"
#include "stats.h"

#define HEARD_MAX	200	/* lines */

enum mode { TAKE, REFUSE, HANG, LEAVE };

/* Serves path, one after the other, as mode says at the time. */
static struct {
	int fd;
	pthread_t thread;
	atomic_int mode;
	atomic_int heard;
	char line[HEARD_MAX][CONTROL_LINE_MAX + 2];
} server;

/*
 * Those that were begun: they are not freed, as somebody might still call, and
 * a leak checker wants to see them.
 */
static struct report *reports[16];

static void *
serve(void *arg)
{
	static const char *const say[] = {
		[TAKE] = "ok\n", [REFUSE] = "error whitelisted, not listed\n",
	};
	int fd, mode;

	(void)arg;
	while ((fd = accept(server.fd, NULL, NULL)) != -1) {
		int i = atomic_load(&server.heard);
		size_t used = 0;
		ssize_t n;

		while (used < CONTROL_LINE_MAX &&
		    (n = read(fd, server.line[i] + used,
		    CONTROL_LINE_MAX - used)) > 0 &&
		    server.line[i][(used += (size_t)n) - 1] != '\n')
			;
		server.line[i][used] = '\0';
		mode = atomic_load(&server.mode);
		atomic_store(&server.heard, i + 1);
		if (mode == HANG)
			while (read(fd, &(char){ 0 }, 1) > 0)
				;
		else if (mode != LEAVE)
			send_text(fd, say[mode]);
		close(fd);
	}
	return NULL;
}

static void
start_server(enum mode mode)
{
	unlink(path);
	server.fd = make_socket(path, true);
	atomic_store(&server.heard, 0);
	atomic_store(&server.mode, mode);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void
stop_server(void)
{
	shutdown(server.fd, SHUT_RDWR);
	assert_int_equal(pthread_join(server.thread, NULL), 0);
	close(server.fd);
	unlink(path);
}

static struct report *
begin(void)
{
	for (size_t i = 0; i < COUNT(reports); i++)
		if (reports[i] == NULL) {
			reports[i] = report_new(path);
			assert_non_null(reports[i]);
			return reports[i];
		}
	fail();
	return NULL;
}

static void
send_one(struct report *r, const char *client, const char *reason)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, client), 0);
	report_send(r, &a, 3600, reason);
}

/* Of all reports since the program began. */
static unsigned long
stat_of(const char *name)
{
	unsigned long value = 0;
	char *text, *at, line[80];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	stats_print(out);
	assert_int_equal(fclose(out), 0);
	snprintf(line, sizeof line, "\nt_reports_%s_total ", name);
	if ((at = strstr(text, line)) != NULL)
		value = strtoul(at + strlen(line), NULL, 10);
	free(text);
	return value;
}

/* Within so many milliseconds. */
static bool
comes_to(const char *name, unsigned long value, long ms)
{
	long end = now_ms() + ms;

	while (stat_of(name) != value) {
		if (now_ms() > end)
			return false;
		rest_ms(10);
	}
	return true;
}

static bool
hears(int count, long ms)
{
	long end = now_ms() + ms;

	while (atomic_load(&server.heard) < count) {
		if (now_ms() > end)
			return false;
		rest_ms(10);
	}
	return true;
}

/* --- what is said */

static void
lines(void **state)
{
	static const struct {
		const char *client;
		long seconds;
		const char *reason, *want;
	} table[] = {
		{ "192.0.2.1", 60, "mailed a trap",
		    "report 192.0.2.1 60 mailed a trap\n" },
		{ "2001:DB8::1", 604800, "x", "report 2001:db8::1 604800 x\n" },
		{ "::ffff:192.0.2.2", 1, "x", "report 192.0.2.2 1 x\n" },
		{ "192.0.2.3", 1, "a\nforget 192.0.2.1",
		    "report 192.0.2.3 1 a?forget 192.0.2.1\n" },
		{ "192.0.2.4", 1, "a\r\x1b[m\xe4\x7f%s",
		    "report 192.0.2.4 1 a??[m??%s\n" },
		{ "192.0.2.5", 1, "0123456789012345678901234567890123456789"
		    "01234567890123456789012345678901234567890123456789",
		    "report 192.0.2.5 1 "
		    "0123456789012345678901234567890123456789"
		    "012345678901234567890123456789012345678\n" },
	};
	struct report *r;

	(void)state;
	start_server(TAKE);
	r = begin();
	for (size_t i = 0; i < COUNT(table); i++) {
		struct addr a;

		assert_int_equal(addr_parse(&a, table[i].client), 0);
		report_send(r, &a, table[i].seconds, table[i].reason);
	}
	assert_true(comes_to("sent", COUNT(table), DEADLINE_MS));
	assert_int_equal(atomic_load(&server.heard), COUNT(table));
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(strcmp(server.line[i], table[i].want) == 0, "row %zu: %s",
		    i, server.line[i]);
	report_stop(r);
	stop_server();
}

/* --- what becomes of it */

/* Not again, and the next one does not wait for it. */
static void
refused(void **state)
{
	unsigned long sent = stat_of("sent"), failed = stat_of("failed");
	struct report *r;
	const char *logged;

	(void)state;
	start_server(REFUSE);
	r = begin();
	scratch_logged();
	for (int i = 0; i < 10; i++)
		send_one(r, "192.0.2.1", "x");
	assert_true(comes_to("failed", failed + 10,
	    REPORT_RETRY_SECONDS * 1000 / 2));
	atomic_store(&server.mode, TAKE);
	send_one(r, "192.0.2.2", "x");
	assert_true(comes_to("sent", sent + 1, DEADLINE_MS));
	assert_int_equal(atomic_load(&server.heard), 11);
	logged = scratch_logged();
	CHECK(scratch_lines(logged) == 1 && strstr(logged, path) != NULL &&
	    strstr(logged, "whitelisted, not listed") != NULL, "%s", logged);
	report_stop(r);
	stop_server();
}

/* Away for a moment: all come, in their order, once. */
static void
away_and_back(void **state)
{
	unsigned long sent = stat_of("sent"), failed = stat_of("failed");
	struct report *r = begin();
	char client[32];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(client, sizeof client, "192.0.2.%d", i);
		send_one(r, client, "x");
	}
	rest_ms(300);
	start_server(TAKE);
	assert_true(comes_to("sent", sent + 3, DEADLINE_MS));
	assert_int_equal(atomic_load(&server.heard), 3);
	for (int i = 0; i < 3; i++) {
		snprintf(client, sizeof client, "report 192.0.2.%d ", i);
		CHECK(strncmp(server.line[i], client, strlen(client)) == 0,
		    "%d: %s", i, server.line[i]);
	}
	assert_int_equal(stat_of("failed"), failed);
	report_stop(r);
	stop_server();
}

/* Who never answers is asked so often, with a rest. */
static void
tries(void **state)
{
	unsigned long failed = stat_of("failed");
	long begun = now_ms();
	struct report *r;

	(void)state;
	start_server(LEAVE);
	r = begin();
	send_one(r, "192.0.2.1", "x");
	assert_true(comes_to("failed", failed + 1, DEADLINE_MS));
	assert_true(now_ms() - begun >= REPORT_RETRY_SECONDS * 1000 - 100);
	assert_int_equal(atomic_load(&server.heard), REPORT_TRIES);
	report_stop(r);
	stop_server();
}

/* The callers do not wait; what is too much is dropped. */
static void
hangs(void **state)
{
	unsigned long dropped = stat_of("dropped");
	long begun = now_ms();
	const char *logged;
	struct report *r;

	(void)state;
	start_server(HANG);
	r = begin();
	scratch_logged();
	send_one(r, "192.0.2.1", "x");
	assert_true(hears(1, DEADLINE_MS));
	for (int i = 0; i < REPORT_WAITING_MAX; i++)
		send_one(r, "192.0.2.2", "x");
	assert_int_equal(stat_of("dropped"), dropped);
	for (int i = 0; i < 10; i++)
		send_one(r, "192.0.2.3", "x");
	assert_int_equal(stat_of("dropped"), dropped + 10);
	assert_true(now_ms() - begun < REPORT_DEADLINE_MS);
	logged = scratch_logged();
	CHECK(scratch_lines(logged) == 1 && strstr(logged, "dropped") != NULL,
	    "%s", logged);
	report_stop(r);
	assert_true(now_ms() - begun < REPORT_DEADLINE_MS + 2000);
	send_one(r, "192.0.2.4", "x");
	assert_int_equal(stat_of("dropped"), dropped + 11);
	assert_int_equal(atomic_load(&server.heard), 1);
	stop_server();
}

/* Whatever the thread does, or does not. */
static void
stops(void **state)
{
	unsigned long dropped = stat_of("dropped");
	struct report *r[2];
	long begun;

	(void)state;
	report_stop(NULL);
	r[0] = begin();
	r[1] = begin();
	send_one(r[1], "192.0.2.1", "x");
	rest_ms(200);			/* it rests before the second try */
	begun = now_ms();
	report_stop(r[0]);
	report_stop(r[1]);
	assert_true(now_ms() - begun < 1000);
	send_one(r[0], "192.0.2.1", "x");
	assert_int_equal(stat_of("dropped"), dropped + 1);
}

/* From several threads at a time each comes once. */
static void *
send_some(void *arg)
{
	for (int i = 0; i < 10; i++)
		send_one(arg, "192.0.2.1", "x");
	return NULL;
}

static void
threads(void **state)
{
	unsigned long sent = stat_of("sent");
	pthread_t thread[4];
	struct report *r;

	(void)state;
	start_server(TAKE);
	r = begin();
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, send_some, r),
		    0);
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_true(comes_to("sent", sent + 40, DEADLINE_MS));
	assert_int_equal(atomic_load(&server.heard), 40);
	report_stop(r);
	stop_server();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(refused),	/* the first to log */
		cmocka_unit_test(threads),
		cmocka_unit_test(away_and_back),
		cmocka_unit_test(tries),
		cmocka_unit_test(hangs),
		cmocka_unit_test(stops),
	};

	stats_name("t");
	sockets_begin();
	make_path(path, "reports");
	scratch_begin();
	return sockets_end(scratch_end(RUN(tests)));
}
