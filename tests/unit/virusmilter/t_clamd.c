/*
 * t_clamd - asking one clamd: what an answer means, what is sent, and all that
 * can go wrong.
 */
#include "fakeclamd.h"

/* --- what an answer means */

static void
answers(void **state)
{
	static const struct {
		const char *answer;
		size_t size;
		enum clamd_result wanted;
		const char *name;
	} table[] = {
		{ TEXT("stream: OK"), CLAMD_CLEAN, "" },
		{ TEXT("stream: Eicar-Test FOUND"), CLAMD_INFECTED,
		    "Eicar-Test" },
		{ TEXT("stream: X FOUND"), CLAMD_INFECTED, "X" },
		{ TEXT("stream: A(44d88612fea8a8f36de82e1278abb02f:68) FOUND"),
		    CLAMD_INFECTED, "A(44d88612fea8a8f36de82e1278abb02f:68)" },
		{ TEXT("stream: a b FOUND"), CLAMD_INFECTED, "a b" },
		{ TEXT("stream: OK FOUND"), CLAMD_INFECTED, "OK" },
		{ TEXT("stream: FOUND FOUND"), CLAMD_INFECTED, "FOUND" },
		{ TEXT("stream: a\x1b[31m\r\nb\xe4\0c FOUND"), CLAMD_INFECTED,
		    "a?[31m??b??c" },

		{ TEXT(""), CLAMD_FAILED, "an empty answer" },
		{ TEXT(" "), CLAMD_FAILED, " " },
		{ TEXT("OK"), CLAMD_FAILED, "OK" },
		{ TEXT("stream: ok"), CLAMD_FAILED, "stream: ok" },
		{ TEXT(" stream: OK"), CLAMD_FAILED, " stream: OK" },
		{ TEXT("stream: OK "), CLAMD_FAILED, "stream: OK " },
		{ TEXT("stream:  OK"), CLAMD_FAILED, "stream:  OK" },
		{ TEXT("stream: OK\0"), CLAMD_FAILED, "stream: OK?" },
		{ TEXT("stream: OK\r"), CLAMD_FAILED, "stream: OK?" },
		{ TEXT("stream: O"), CLAMD_FAILED, "stream: O" },
		{ TEXT("stream: "), CLAMD_FAILED, "stream: " },
		{ TEXT("stream: x OK"), CLAMD_FAILED, "stream: x OK" },
		{ TEXT("1: stream: OK"), CLAMD_FAILED, "1: stream: OK" },
		{ TEXT("/tmp/x: OK"), CLAMD_FAILED, "/tmp/x: OK" },
		{ TEXT("stream: FOUND"), CLAMD_FAILED, "stream: FOUND" },
		{ TEXT("stream:  FOUND"), CLAMD_FAILED, "stream:  FOUND" },
		{ TEXT("stream:   FOUND"), CLAMD_FAILED, "stream:   FOUND" },
		{ TEXT("stream:  X FOUND"), CLAMD_FAILED, "stream:  X FOUND" },
		{ TEXT("stream: X  FOUND"), CLAMD_FAILED, "stream: X  FOUND" },
		{ TEXT("stream: X FOUND "), CLAMD_FAILED, "stream: X FOUND " },
		{ TEXT("stream: X found"), CLAMD_FAILED, "stream: X found" },
		{ TEXT("stream: XFOUND"), CLAMD_FAILED, "stream: XFOUND" },
		{ TEXT("Stream: X FOUND"), CLAMD_FAILED, "Stream: X FOUND" },
		{ TEXT("INSTREAM size limit exceeded. ERROR"), CLAMD_FAILED,
		    "INSTREAM size limit exceeded. ERROR" },
		{ TEXT("COMMAND READ TIMED OUT"), CLAMD_FAILED,
		    "COMMAND READ TIMED OUT" },
		{ TEXT("stream: Can't open file ERROR"), CLAMD_FAILED,
		    "stream: Can't open file ERROR" },
		{ TEXT("UNKNOWN COMMAND\x07"), CLAMD_FAILED,
		    "UNKNOWN COMMAND?" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		/* Of its own size, so that a read past it is seen. */
		char *copy = malloc(table[i].size + (table[i].size == 0));
		enum clamd_result result;

		assert_non_null(copy);
		memcpy(copy, table[i].answer, table[i].size);
		result = clamd_read_answer(copy, table[i].size, name);
		free(copy);
		CHECK(result == table[i].wanted, "%s: %d", table[i].answer,
		    result);
		CHECK(strcmp(name, table[i].name) == 0, "%s: %s",
		    table[i].answer, name);
	}
}

static void
long_names(void **state)
{
	char answer[8 + 2 * CLAMD_NAME_MAX + 6];

	(void)state;
	for (size_t size = CLAMD_NAME_MAX - 3; size < 2 * CLAMD_NAME_MAX;
	    size++) {
		memcpy(answer, "stream: ", 8);
		memset(answer + 8, 'x', size);
		memcpy(answer + 8 + size, " FOUND", 6);
		assert_int_equal(clamd_read_answer(answer, size + 14, name),
		    CLAMD_INFECTED);
		CHECK(strlen(name) == (size < CLAMD_NAME_MAX ? size :
		    CLAMD_NAME_MAX - 1) && strspn(name, "x") == strlen(name),
		    "%zu: %s", size, name);
	}
}

/* --- sockets */

static void
socket_names(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} table[] = {
		{ "/run/clamd.sock", true },
		{ "unix:/run/clamd.sock", true },
		{ "inet:3310@127.0.0.1", true },
		{ "inet:3310@localhost", true },
		{ "inet:3310@[::1]", true },
		{ "inet:3310@::1", true },
		{ "127.0.0.1:3310", true },
		{ "localhost:3310", true },
		{ "[::1]:3310", true },
		{ "[127.0.0.1]:3310", true },
		{ "127.0.0.1:65535", true },

		{ "", false },
		{ "clamd.sock", false },
		{ "unix:", false },
		{ "unix:clamd.sock", false },
		{ "unix:3310", false },
		{ "inet:3310", false },
		{ "inet:3310@", false },
		{ "inet:@127.0.0.1", false },
		{ "inet:127.0.0.1:3310", false },
		{ "inet:3310x@127.0.0.1", false },
		{ "127.0.0.1", false },
		{ "127.0.0.1:", false },
		{ "127.0.0.1:0", false },
		{ "127.0.0.1:00", false },
		{ "127.0.0.1:65536", false },
		{ "127.0.0.1:99999999999999999999", false },
		{ "127.0.0.1:-1", false },
		{ "127.0.0.1:+3310", false },
		{ "127.0.0.1: 3310", false },
		{ "127.0.0.1:3310 ", false },
		{ "127.0.0.1:http", false },
		{ ":3310", false },
		{ "[]:3310", false },
		{ "[::1]3310", false },
		{ "[::1:3310", false },
		{ "::1:3310", false },
		{ "a..b:3310", false },
		{ "/a/path/that/is/too/long/for/a/socket/because/it/has/more/"
		    "than/one/hundred/and/seven/bytes/in/it/and/then/some",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct options_list list = { { table[i].text }, 1 };
		struct clamd *c = clamd_new(&list, SCANS, DEADLINE);
		const char *log = scratch_logged();

		CHECK((c != NULL) == table[i].good, "%s: %s", table[i].text,
		    log);
		CHECK(scratch_lines(log) == !table[i].good, "%s: %s",
		    table[i].text, log);
		CHECK(table[i].good || strstr(log, table[i].text) != NULL,
		    "%s: %s", table[i].text, log);
		clamd_free(c);
	}
	clamd_free(NULL);
}

static void
too_many_sockets(void **state)
{
	struct options_list list = { .count = CLAMD_SOCKETS_MAX };
	struct clamd *c;

	(void)state;
	for (int i = 0; i <= CLAMD_SOCKETS_MAX; i++)
		list.item[i] = "/nobody";
	c = clamd_new(&list, SCANS, DEADLINE);
	assert_non_null(c);
	clamd_free(c);
	list.count++;
	assert_null(clamd_new(&list, SCANS, DEADLINE));
	assert_non_null(strstr(scratch_logged(), "more than 8 sockets"));
}

/* --- what is sent */

/* What came is what was sent; up to which size it is in one piece. */
static void
messages(void **state)
{
	static unsigned char body[FAKE_BODY_MAX];
	static const struct {
		size_t size, piece;
		int chunks;		/* 0: whatever */
	} table[] = {
		{ 0, 1, 0 },
		{ 1, 1, 1 },
		{ 4096, 100, 1 },
		{ CLAMD_BUFFER, 65536, 1 },
		{ CLAMD_BUFFER, 1, 1 },
		{ CLAMD_BUFFER + 1, 65536, 2 },
		{ CLAMD_BUFFER + 1, CLAMD_BUFFER + 1, 1 },
		{ CLAMD_BUFFER + 3, 1, 4 },
		{ 1000000, 65535, 0 },
		{ sizeof large, 4096, 0 },
		{ sizeof large, sizeof large, 4 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct fake f = { .answer = OK, .answer_size = sizeof OK - 1,
		    .body = body };
		struct clamd *c;

		fake_start(&f, "clamd");
		c = new_clamd(f.path, NULL);
		CHECK_SCAN(scan(c, large, table[i].size, table[i].piece),
		    CLAMD_CLEAN, "");
		fake_stop(&f);
		clamd_free(c);
		CHECK(f.body_size == table[i].size &&
		    memcmp(body, large, f.body_size) == 0, "%zu: %zu",
		    table[i].size, f.body_size);
		CHECK(table[i].chunks == 0 || f.chunks == table[i].chunks,
		    "%zu: %d", table[i].size, f.chunks);
		assert_int_equal(f.connections, 1);
	}
}

/* No bytes would be a chunk that says it is the end. */
static void
no_bytes(void **state)
{
	static unsigned char body[FAKE_BODY_MAX];
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1,
	    .body = body };
	struct clamd_scan *s;
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	s = clamd_begin(c);
	assert_true(clamd_send(s, NULL, 0));
	assert_true(clamd_send(s, large, CLAMD_BUFFER));
	assert_true(clamd_send(s, large, 0));
	assert_int_equal(f.connections, 0);
	assert_true(clamd_send(s, large, 10));
	assert_true(clamd_send(s, large, 0));
	assert_true(clamd_send(s, large + 10, 10));
	assert_int_equal(clamd_finish(s, NULL, NULL, name), CLAMD_CLEAN);
	assert_false(clamd_send(s, large, 1));
	clamd_end(s);
	clamd_end(NULL);
	fake_stop(&f);
	clamd_free(c);
	assert_int_equal(f.body_size, CLAMD_BUFFER + 20);
	assert_memory_equal(body + CLAMD_BUFFER, large, 20);
}

/* --- what it says */

#define GONE		"no answer: Connection reset by peer"
#define SILENT		"no answer: Connection timed out"
#define ENDLESS		"an answer that does not end, or more than one"

/* Each is said once all has come; then it is silent, or closes. */
static void
said(void **state)
{
	static char endless[1024 * 1024];
	static const struct {
		const char *answer;
		size_t size;
		bool stays;
		enum clamd_result wanted;
		const char *name;
	} table[] = {
		{ TEXT("stream: OK\0"), false, CLAMD_CLEAN, "" },
		{ TEXT("stream: OK\0"), true, CLAMD_CLEAN, "" },
		{ TEXT("stream: OK\n"), false, CLAMD_CLEAN, "" },
		{ TEXT("stream: Test.Worm FOUND\0"), false, CLAMD_INFECTED,
		    "Test.Worm" },
		{ TEXT("stream: a\tb FOUND\0"), true, CLAMD_INFECTED, "a?b" },

		{ TEXT(""), false, CLAMD_FAILED, GONE },
		{ TEXT(""), true, CLAMD_FAILED, SILENT },
		{ TEXT("stream: OK"), false, CLAMD_FAILED, GONE },
		{ TEXT("stream: OK"), true, CLAMD_FAILED, SILENT },
		{ TEXT("stream: X FO"), false, CLAMD_FAILED, GONE },
		{ TEXT("stream: X FO"), true, CLAMD_FAILED, SILENT },
		{ TEXT("\0"), false, CLAMD_FAILED, "an empty answer" },
		{ TEXT("\n"), false, CLAMD_FAILED, "an empty answer" },
		{ TEXT("stream: OK\0x"), false, CLAMD_FAILED, ENDLESS },
		{ TEXT("stream: OK\0\0"), false, CLAMD_FAILED, ENDLESS },
		{ TEXT("stream: OK\n\0"), false, CLAMD_FAILED, ENDLESS },
		{ TEXT("stream: OK\r\n"), false, CLAMD_FAILED, "stream: OK?" },
		{ TEXT("stream: OK\0stream: OK\0"), false, CLAMD_FAILED,
		    ENDLESS },
		{ TEXT("stream: OK\0stream: X FOUND\0"), true, CLAMD_FAILED,
		    ENDLESS },
		{ TEXT("stream: X FOUND\0stream: OK\0"), false, CLAMD_FAILED,
		    ENDLESS },
		{ endless, sizeof endless, false, CLAMD_FAILED, ENDLESS },
		{ endless, 1023, false, CLAMD_FAILED, GONE },
		{ endless, 1024, true, CLAMD_FAILED, ENDLESS },
		{ TEXT("INSTREAM size limit exceeded. ERROR\0"), false,
		    CLAMD_FAILED, "INSTREAM size limit exceeded. ERROR" },
		{ TEXT("COMMAND READ TIMED OUT\n"), false, CLAMD_FAILED,
		    "COMMAND READ TIMED OUT" },
		{ TEXT("UNKNOWN COMMAND\0"), false, CLAMD_FAILED,
		    "UNKNOWN COMMAND" },
	};

	(void)state;
	memset(endless, 'x', sizeof endless);
	time_flies(CLAMD_SILENCE_MS);
	for (size_t i = 0; i < COUNT(table); i++) {
		struct fake f = { .answer = table[i].answer,
		    .answer_size = table[i].size, .stays = table[i].stays,
		    .deaf = true };
		struct clamd *c;
		enum clamd_result result;

		fake_start(&f, "clamd");
		c = new_clamd(f.path, NULL);
		for (int l = 0; l < 2; l++) {
			result = l ? scan_large(c) : scan_text(c);
			CHECK(result == table[i].wanted &&
			    strcmp(name, table[i].name) == 0,
			    "row %zu, large %d: %d %s", i, l, result, name);
		}
		fake_stop(&f);
		clamd_free(c);
		/* The log says it once, and when it is back. */
		result = table[i].wanted;
		CHECK(scratch_lines(scratch_logged()) ==
		    (result == CLAMD_FAILED), "row %zu", i);
	}
	time_flies(0);
}

/* --- it takes nothing */

/* It says why and hangs up, or hangs up, in the middle of it. */
static void
refusals(void **state)
{
	static const struct {
		enum fake_mode mode;
		const char *answer;
		size_t size, limit;
		const char *name;
	} table[] = {
		{ FAKE_REFUSES, TEXT("INSTREAM size limit exceeded. ERROR\0"),
		    200000, "it takes no more: INSTREAM size limit exceeded. "
		    "ERROR" },
		{ FAKE_REFUSES, TEXT("COMMAND READ TIMED OUT\n"), 3000000,
		    "it takes no more: COMMAND READ TIMED OUT" },
		{ FAKE_REFUSES, TEXT("stream: OK\0"), 300000,
		    "it takes no more: stream: OK" },
		{ FAKE_REFUSES, TEXT("stream: X FOUND\0"), 300000,
		    "it takes no more: stream: X FOUND" },
		{ FAKE_REFUSES, TEXT("INSTREAM si"), 300000, NULL },
		{ FAKE_CLOSES, TEXT(""), 0, NULL },
		{ FAKE_CLOSES, TEXT(""), 1, NULL },
		{ FAKE_CLOSES, TEXT(""), 300000, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct fake f = { .mode = table[i].mode,
		    .answer = table[i].answer, .answer_size = table[i].size,
		    .limit = table[i].limit };
		struct clamd *c;
		enum clamd_result result;

		fake_start(&f, "clamd");
		c = new_clamd(f.path, NULL);
		result = scan_large(c);
		/* Which fault it is depends on who is faster. */
		CHECK(result == CLAMD_FAILED && (table[i].name != NULL ?
		    strcmp(name, table[i].name) == 0 :
		    strcmp(name, "sending: Broken pipe") == 0 ||
		    strcmp(name, "sending: Connection reset by peer") == 0),
		    "row %zu: %d %s", i, result, name);
		fake_stop(&f);
		clamd_free(c);
	}
	scratch_logged();
}

/* It answers and leaves it open, while there is more to send. */
static void
early_answer(void **state)
{
	struct fake f = { .mode = FAKE_REFUSES, .limit = 200000,
	    .answer = OK, .answer_size = sizeof OK - 1, .stays = true };
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	CHECK_SCAN(scan_large(c), CLAMD_FAILED,
	    "it takes no more: stream: OK");
	fake_stop(&f);
	clamd_free(c);
	scratch_logged();
}

static void
stall(void **state)
{
	struct fake f = { .mode = FAKE_READS_NOTHING };
	struct clamd *c;
	long begin;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	time_flies(CLAMD_STALL_MS / 2);
	begin = clock_ms();
	CHECK_SCAN(scan_large(c), CLAMD_FAILED,
	    "sending: Connection timed out");
	CHECK(clock_ms() - begin >= CLAMD_STALL_MS, "%ld",
	    clock_ms() - begin);
	time_flies(0);
	fake_stop(&f);
	clamd_free(c);
	assert_non_null(strstr(scratch_logged(), "Connection timed out"));
}

/* --- it takes its time */

static void
hung(void **state)
{
	struct fake f = { .mode = FAKE_HOLDS, .deaf = true };
	struct clamd *c;
	long begin;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	time_flies(CLAMD_SILENCE_MS);
	begin = clock_ms();
	CHECK_SCAN(scan_text(c), CLAMD_FAILED, SILENT);
	CHECK(clock_ms() - begin < DEADLINE * 1000L, "%ld",
	    clock_ms() - begin);
	time_flies(0);
	assert_int_equal(f.pings, 1);
	assert_int_equal(f.streams, 1);
	fake_stop(&f);
	clamd_free(c);
	scratch_logged();
}

/* It answers after 5 seconds and one PING, or after 10 and two. */
static void
slow(void **state)
{
	(void)state;
	time_flies(CLAMD_SILENCE_MS);
	for (int pings = 1; pings <= 2; pings++) {
		struct fake f = { .mode = FAKE_HOLDS, .pings_wanted = pings,
		    .answer = OK, .answer_size = sizeof OK - 1 };
		struct clamd *c;

		fake_start(&f, "clamd");
		c = new_clamd(f.path, NULL);
		CHECK_SCAN(scan_text(c), CLAMD_CLEAN, "");
		assert_int_equal(f.pings, pings);
		CHECK_SCAN(scan_text(c), CLAMD_FAILED,
		    "no answer in 20 seconds");
		assert_int_equal(f.streams, 2);
		fake_stop(&f);
		clamd_free(c);
	}
	time_flies(0);
	scratch_logged();
}

/* Who is waited for is told that it goes on, and libmilter has a thread. */
static void
waits(void **state)
{
	struct fake f = { .mode = FAKE_HOLDS };
	struct clamd *c;

	(void)state;
	fake_start(&f, "clamd");
	c = new_clamd(f.path, NULL);
	time_flies(DEADLINE * 1000L / 5);
	atomic_store(&fake_replaced, 0);
	CHECK_SCAN(scan_text(c), CLAMD_FAILED, "no answer in 20 seconds");
	time_flies(0);
	CHECK(fake_replaced >= 3 && fake_replaced <= 15, "%d", fake_replaced);
	CHECK(calls >= 3 && calls <= 30, "%d", calls);
	fake_stop(&f);
	clamd_free(c);
	scratch_logged();
}

/* A queue that is full: a connection is tried for a while. */
static void
full(void **state)
{
	char path[SCRATCH_PATH_MAX];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int listener, fd[3];
	struct clamd *c;

	(void)state;
	listener = fake_listen(scratch_path(path, "full"), 0);
	snprintf(sun.sun_path, sizeof sun.sun_path, "%.100s", path);
	for (size_t i = 0; i < COUNT(fd); i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fd[i], (struct sockaddr *)&sun, sizeof sun);
	}
	c = new_clamd(path, NULL);
	time_flies(CLAMD_CONNECT_MS / 2);
	CHECK_SCAN(scan_text(c), CLAMD_FAILED,
	    "connecting: Resource temporarily unavailable");
	assert_true(fake_replaced > 0);
	time_flies(0);
	clamd_free(c);
	for (size_t i = 0; i < COUNT(fd); i++)
		close(fd[i]);
	close(listener);
	unlink(path);
	scratch_logged();
}

/* --- not by a path */

static void
by_port(void **state)
{
	struct fake f = { .answer = OK, .answer_size = sizeof OK - 1 };
	static const char *const form[] = {
		"127.0.0.1:%s", "[127.0.0.1]:%s", "localhost:%s",
		"inet:%s@127.0.0.1", "inet:%s@localhost",
	};
	const char *port;

	(void)state;
	fake_start(&f, "clamd");
	port = strchr(f.address, ':') + 1;
	for (size_t i = 0; i < COUNT(form); i++) {
		char text[64];
		size_t size = (size_t)(strchr(form[i], '%') - form[i]);
		struct clamd *c;

		snprintf(text, sizeof text, "%.*s%s%s", (int)size, form[i],
		    port, form[i] + size + 2);
		c = new_clamd(text, NULL);
		CHECK(scan_text(c) == CLAMD_CLEAN, "%s: %s", text, name);
		CHECK(scan_large(c) == CLAMD_CLEAN, "%s: %s", text, name);
		clamd_free(c);
	}
	fake_stop(&f);
	assert_string_equal(scratch_logged(), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(long_names),
		cmocka_unit_test(socket_names),
		cmocka_unit_test(too_many_sockets),
		cmocka_unit_test(messages),
		cmocka_unit_test(no_bytes),
		cmocka_unit_test(said),
		cmocka_unit_test(refusals),
		cmocka_unit_test(early_answer),
		cmocka_unit_test(stall),
		cmocka_unit_test(hung),
		cmocka_unit_test(slow),
		cmocka_unit_test(waits),
		cmocka_unit_test(full),
		cmocka_unit_test(by_port),
	};

	fake_begin();
	return scratch_end(RUN(tests));
}
