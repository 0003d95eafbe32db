/*
 * t_control - a server on a real socket and its clients in one process: whole
 * clients by control_ask(), and hostile ones by hand.
 */
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "sockets.h"

#define BIG_LINES	20000	/* of 64 bytes: more than any buffer */

/* --- the system, where it is not taken as it is */

static atomic_int setsockopt_fails;
static atomic_int idle_receive, idle_send;	/* seconds last asked for */

/* Keeps the time in mind instead of setting it: nobody here waits for it. */
int
setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	(void)fd;
	if (level != SOL_SOCKET || size != sizeof(struct timeval) ||
	    atomic_load(&setsockopt_fails)) {
		errno = EINVAL;
		return -1;
	}
	if (name == SO_RCVTIMEO)
		atomic_store(&idle_receive,
		    (int)((const struct timeval *)value)->tv_sec);
	if (name == SO_SNDTIMEO)
		atomic_store(&idle_send,
		    (int)((const struct timeval *)value)->tv_sec);
	return 0;
}

/* --- the commands */

static atomic_int runs;		/* of command_count() */
static int first_arg, second_arg;

static int
command_count(struct control_answer *a, int argc, char **argv, void *arg)
{
	(void)a;
	(void)argc;
	(void)argv;
	(void)arg;
	atomic_fetch_add(&runs, 1);
	return 0;
}

/* Print the words in brackets, and whether the rest is as promised. */
static int
command_words(struct control_answer *a, int argc, char **argv, void *arg)
{
	for (int i = 0; i < argc; i++)
		fprintf(a->out, "[%s]", argv[i]);
	fprintf(a->out, "%s%s\n", argv[argc] == NULL ? "" : " no NULL",
	    arg == &first_arg ? " 1" : arg == &second_arg ? " 2" : " ?");
	return 0;
}

static int
command_fail(struct control_answer *a, int argc, char **argv, void *arg)
{
	(void)arg;
	fprintf(a->out, "before\n");
	return control_error(a, "%s", argc == 2 ? argv[1] :
	    "a\r\nok\n\x1b\x7f\xff");
}

static int
command_long_error(struct control_answer *a, int argc, char **argv, void *arg)
{
	(void)argc;
	(void)argv;
	(void)arg;
	return control_error(a, "%0500d", 7);
}

static int
command_big(struct control_answer *a, int argc, char **argv, void *arg)
{
	(void)argc;
	(void)argv;
	(void)arg;
	for (int i = 0; i < BIG_LINES; i++)
		fprintf(a->out, "%063d\n", i);
	return 0;
}

static const struct control_command first[] = {
	{ "count", "", 0, 0, command_count, "count this" },
	{ "none", "", 0, 0, command_words, "no words" },
	{ "one", "[WORD]", 0, 1, command_words, "none or one" },
	{ "two", "ADDRESS [LIST]", 1, 2, command_words, "one or two" },
	{ "exact", "A B C", 3, 3, command_words, "three" },
	{ "most", "A...", 0, CONTROL_ARGS_MAX - 1, command_words, "many" },
	{ .name = NULL }
};

static const struct control_command second[] = {
	{ "other", "", 0, 0, command_words, "of the other table" },
	{ "fail", "[TEXT]", 0, 1, command_fail, "say error" },
	{ "longerror", "", 0, 0, command_long_error, "say it at length" },
	{ "big", "", 0, 0, command_big, "say a lot" },
	{ .name = NULL }
};

/* --- clients */

static int
dial(void)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	make_address(&sa, path);
	assert_true(fd != -1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

/*
 * Read into answer until it ends with this text, or the server has closed
 * the connection when end is NULL.
 */
static void
read_until(int fd, const char *end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0, size = end != NULL ? strlen(end) : 0;
	ssize_t n = 1;

	answer[0] = '\0';
	while (n > 0 && (end == NULL || used < size ||
	    strcmp(answer + used - size, end) != 0)) {
		CHECK(poll(&p, 1, DEADLINE_MS) == 1 && used < ANSWER_MAX,
		    "no end of %s", answer);
		if ((n = read(fd, answer + used, ANSWER_MAX - used)) > 0)
			used += (size_t)n;
		answer[used] = '\0';
	}
	CHECK(n > 0 || end == NULL, "closed after %s", answer);
}

/* --- the server */

static int
count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static int descriptors;		/* before the server had a client */

/* It replaces a socket nobody answers on. */
static void
start(void **state)
{
	struct stat st;

	(void)state;
	make_path(path, "control");
	make_socket(path, false);
	assert_false(control_answers(path));
	control_add(first, &first_arg);
	control_add(second, &second_arg);
	assert_int_equal(control_open(path, 0640), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	descriptors = count_descriptors();
	assert_true(control_answers(path));
}

/* What control_ask() gets; the servers' rows say which table by a number. */
static void
commands(void **state)
{
	static const struct {
		const char *command, *want;
	} table[] = {
		{ "none", "[none] 1\nok" },
		{ "  none\t ", "[none] 1\nok" },
		{ "none\r", "[none] 1\nok" },
		{ "none x", "error usage: none*" },
		{ "none x y", "error usage: none*" },
		{ "one", "[one] 1\nok" },
		{ "one ", "[one] 1\nok" },
		{ "one a", "[one][a] 1\nok" },
		{ " one \t a \t ", "[one][a] 1\nok" },
		{ "one a b  c", "[one][a b  c] 1\nok" },
		{ "one\ta\tb\t", "[one][a\tb] 1\nok" },
		{ "one a\rcount", "[one][a\rcount] 1\nok" },
		{ "one ;count&count|count",
		    "[one][;count&count|count] 1\nok" },
		{ "one \x01\x1b\x7f\x80\xff%n", "[one][\x01\x1b\x7f\x80\xff%n] "
		    "1\nok" },
		{ "two", "error usage: two ADDRESS [LIST]" },
		{ "two  ", "error usage: two ADDRESS [LIST]" },
		{ "two a", "[two][a] 1\nok" },
		{ "two a b", "[two][a][b] 1\nok" },
		{ "two a b c d ", "[two][a][b c d] 1\nok" },
		{ "exact", "error usage: exact A B C" },
		{ "exact a b", "error usage: exact A B C" },
		{ "exact a b c", "[exact][a][b][c] 1\nok" },
		{ "exact a b c d", "[exact][a][b][c d] 1\nok" },
		{ "most", "[most] 1\nok" },
		{ "most 1 2 3 4 5 6 7",
		    "[most][1][2][3][4][5][6][7] 1\nok" },
		{ "most 1 2 3 4 5 6 7 8 9",
		    "[most][1][2][3][4][5][6][7 8 9] 1\nok" },
		{ "other", "[other] 2\nok" },
		{ "fail", "before\nerror a??ok????" },
		{ "fail %s", "before\nerror %s" },
		{ "", "error *no such command*" },
		{ "  ", "error *no such command*" },
		{ "on", "error *no such command*" },
		{ "ones", "error *no such command*" },
		{ "ONE", "error *no such command*" },
		{ "count\rcount", "error *no such command*" },
		{ "helpme", "error *no such command*" },
	};
	char error[CONTROL_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *want = table[i].want, *star = strchr(want, '*');

		ask(table[i].command);
		CHECK(star != NULL ? fnmatch(want, answer, 0) == 0 :
		    strcmp(want, answer) == 0, "%s: %s", table[i].command,
		    answer);
	}
	assert_int_equal(atomic_load(&runs), 0);
	ask("longerror");
	assert_int_equal(strlen(answer), strlen("error ") +
	    CONTROL_ERROR_MAX - 1);
	/* Without an out the data is dropped, not the last line. */
	assert_int_equal(control_ask(path, "other", DEADLINE_MS, NULL, error),
	    0);
	assert_int_equal(control_ask(path, "fail x", DEADLINE_MS, NULL, error),
	    -1);
	assert_string_equal(error, "x");
}

static void
help_names_each_command(void **state)
{
	static const struct control_command *const tables[] = {
		first, second
	};

	(void)state;
	ask("help");
	assert_non_null(strstr(answer, "help\n"));
	assert_string_equal(answer + strlen(answer) - 3, "\nok");
	for (size_t i = 0; i < COUNT(tables); i++)
		for (const struct control_command *c = tables[i];
		    c->name != NULL; c++) {
			char want[100];

			snprintf(want, sizeof want, "\n%s%s%s\n\t%s\n", c->name,
			    c->words[0] != '\0' ? " " : "", c->words, c->help);
			CHECK(strstr(answer, want) != NULL, "%s", c->name);
		}
}

/* A25: a command that would be two is not sent, nor one that is too long. */
static void
commands_that_are_not_sent(void **state)
{
	char text[CONTROL_LINE_MAX + 2];
	static const char *const table[] = {
		"count\ncount", "count\n", "\ncount", "\n", "one a\r\ncount",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		ask(table[i]);
		CHECK(strncmp(answer, "error a command is one line", 27) == 0,
		    "row %zu: %s", i, answer);
	}
	ask("none");		/* nothing was left to be run before it */
	assert_int_equal(atomic_load(&runs), 0);
	memset(text, 'x', sizeof text);
	memcpy(text, "one ", 4);
	text[CONTROL_LINE_MAX + 1] = '\0';
	ask(text);
	CHECK(strncmp(answer, "error a command is one line", 27) == 0, "%s",
	    answer);
	text[CONTROL_LINE_MAX] = '\0';
	ask(text);
	CHECK(strncmp(answer, "[one][xxx", 9) == 0 &&
	    strlen(answer) == CONTROL_LINE_MAX + 8, "%s", answer);
}

struct raw {
	const char *name, *bytes;
	size_t fill;		/* as many x before the bytes */
	size_t size;		/* of the bytes, when there is a NUL in them */
	const char *want;
	int runs;		/* of count */
};

static void
send_raw(int fd, const struct raw *row)
{
	static char filler[100000];

	memset(filler, 'x', sizeof filler);
	send_bytes(fd, filler, row->fill);
	send_bytes(fd, row->bytes, row->size > 0 ? row->size :
	    strlen(row->bytes));
	shutdown(fd, SHUT_WR);
}

/* Bytes that are sent, all that is answered, and how often count ran. */
static void
lines_of_strangers(void **state)
{
#define LONG	"error line too long\n"
#define NONE	"error no such command, try help\n"
#define NUL	"error NUL in the command\n"
	static const struct raw table[] = {
		{ "one", "count\n", 0, 0, "ok\n", 1 },
		{ "CRLF", "count\r\n", 0, 0, "ok\n", 1 },
		{ "two CR", "count\r\r\n", 0, 0, NONE, 0 },
		{ "three", "count\ncount\r\ncount\n", 0, 0, "ok\nok\nok\n",
		    3 },
		{ "no LF", "count", 0, 0, "", 0 },
		{ "no LF at last", "count\ncount", 0, 0, "ok\n", 1 },
		{ "empty lines", "\n\r\ncount\n", 0, 0, NONE NONE "ok\n", 1 },
		{ "nothing", "", 0, 0, "", 0 },
		{ "data and error", "none\nfail x\ncount\n", 0, 0,
		    "[none] 1\nok\nbefore\nerror x\nok\n", 1 },
		{ "NUL behind", "count\0\n", 0, 7, NUL, 0 },
		{ "NUL between", "count\0count\ncount\n", 0, 18, NUL "ok\n",
		    1 },
		{ "NUL before", "\0count\ncount\n", 0, 13, NUL "ok\n", 1 },
		{ "NUL alone", "\0\ncount\n", 0, 8, NUL "ok\n", 1 },
		{ "NUL as the blank", "one\0a\n", 0, 6, NUL, 0 },
		{ "just fits", "\ncount\n", CONTROL_LINE_MAX, 0, NONE "ok\n",
		    1 },
		{ "just fits, CRLF", "\r\ncount\n", CONTROL_LINE_MAX, 0,
		    NONE "ok\n", 1 },
		{ "too long", "\ncount\n", CONTROL_LINE_MAX + 1, 0,
		    LONG "ok\n", 1 },
		{ "too long, CRLF", "\r\ncount\n", CONTROL_LINE_MAX + 1, 0,
		    LONG "ok\n", 1 },
		{ "too long, NUL", "\0\ncount\n", CONTROL_LINE_MAX, 8,
		    LONG "ok\n", 1 },
		/* So long that it is not waited for its end. */
		{ "much too long", "\ncount\n", 100000, 0, LONG, 0 },
		{ "endless", "", 100000, 0, LONG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		int fd = dial();

		atomic_store(&runs, 0);
		send_raw(fd, &table[i]);
		read_until(fd, NULL);
		close(fd);
		CHECK(strcmp(answer, table[i].want) == 0, "%s: %s",
		    table[i].name, answer);
		CHECK(atomic_load(&runs) == table[i].runs, "%s: ran %d times",
		    table[i].name, atomic_load(&runs));
	}
	atomic_store(&runs, 0);
}

/* A line too long ends where it ends, whatever is still in the buffer. */
static void
every_length_near_the_buffer(void **state)
{
	(void)state;
	for (size_t fill = 8180; fill <= 8200; fill++) {
		struct raw row = { "x", "\ncount\n", fill, 0, "", 0 };
		int fd = dial();

		atomic_store(&runs, 0);
		send_raw(fd, &row);
		read_until(fd, NULL);
		close(fd);
		CHECK(strncmp(answer, LONG, strlen(LONG)) == 0, "%zu: %s",
		    fill, answer);
		CHECK(strcmp(answer + strlen(LONG), atomic_load(&runs) == 1 ?
		    "ok\n" : "") == 0, "%zu: %s", fill, answer);
	}
	atomic_store(&runs, 0);
}

/* The parts of a command may come when they like. */
static void
byte_by_byte(void **state)
{
	static const char text[] = "one a\r\ncount\n";
	int fd = dial();

	(void)state;
	for (const char *p = text; *p != '\0'; p++) {
		send_bytes(fd, p, 1);
		rest_ms(2);
	}
	read_until(fd, "[one][a] 1\nok\nok\n");
	send_text(fd, "none\n");
	read_until(fd, "[none] 1\nok\n");
	close(fd);
}

/* More of them than a read takes, in one go. */
static void
many_commands_on_a_connection(void **state)
{
	enum { MANY = 3000 };
	static char text[MANY * 6 + 1];
	int fd = dial();

	(void)state;
	for (int i = 0; i < MANY; i++)
		memcpy(text + i * 6, "count\n", 6);
	atomic_store(&runs, 0);
	send_text(fd, text);
	shutdown(fd, SHUT_WR);
	read_until(fd, NULL);
	close(fd);
	assert_int_equal(strlen(answer), MANY * 3);
	assert_int_equal(atomic_load(&runs), MANY);
	atomic_store(&runs, 0);
}

static void
a_big_answer_is_whole(void **state)
{
	char error[CONTROL_ERROR_MAX], line[65], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	assert_int_equal(control_ask(path, "big", DEADLINE_MS, out, error), 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(size, BIG_LINES * 64);
	for (int i = 0; i < BIG_LINES; i++) {
		snprintf(line, sizeof line, "%063d\n", i);
		CHECK(memcmp(text + i * 64, line, 64) == 0, "line %d", i);
	}
	free(text);
}

static void
nobody_may_idle_for_ever(void **state)
{
	(void)state;
	ask("none");
	assert_int_equal(atomic_load(&idle_receive), CONTROL_IDLE_SECONDS);
	assert_int_equal(atomic_load(&idle_send), CONTROL_IDLE_SECONDS);
}

/* A client that is served; those before may not have been let go yet. */
static int
open_client(void)
{
	long deadline = now_ms() + DEADLINE_MS;

	for (;;) {
		int fd = dial();

		send_text(fd, "other\n");
		read_until(fd, "\n");
		if (strncmp(answer, "[other] 2\n", 10) == 0) {
			if (strcmp(answer, "[other] 2\nok\n") != 0)
				read_until(fd, "ok\n");
			return fd;
		}
		close(fd);
		CHECK(now_ms() < deadline, "%s", answer);
		rest_ms(5);
	}
}

/* Clients that take all the places; drop_clients() follows the test. */
static int held[CONTROL_CLIENTS_MAX];
static int held_count;

static void
hold_clients(void)
{
	while (held_count < CONTROL_CLIENTS_MAX) {
		held[held_count] = open_client();
		held_count++;
	}
}

static int
drop_clients(void **state)
{
	(void)state;
	while (held_count > 0)
		close(held[--held_count]);
	atomic_store(&setsockopt_fails, 0);
	return 0;
}

/* All places and no more, and those who have one keep it. */
static void
check_full(void)
{
	int more;

	hold_clients();
	more = dial();
	read_until(more, NULL);
	close(more);
	CHECK(fnmatch("error *too many clients*\n", answer, 0) == 0, "%s",
	    answer);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		send_text(held[i], "none\n");
		read_until(held[i], "[none] 1\nok\n");
	}
	close(held[--held_count]);
	hold_clients();
}

static void
one_client_too_many(void **state)
{
	(void)state;
	check_full();
}

/* The reason comes through, however soon the server hangs up. */
static void
the_one_too_many_hears_why(void **state)
{
	(void)state;
	hold_clients();
	for (int i = 0; i < 100; i++) {
		ask("none");
		CHECK(fnmatch("error *too many clients*", answer, 0) == 0,
		    "%s", answer);
	}
}

/* A client that could not be served must not make room for one more. */
static void
clients_that_fail_are_not_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int fd;

		atomic_store(&setsockopt_fails, 1);
		fd = dial();
		read_until(fd, NULL);
		atomic_store(&setsockopt_fails, 0);
		close(fd);
	}
	check_full();
}

/* Each leaves its place, whether it reads its answer or not. */
static void
clients_that_leave_in_the_middle(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * CONTROL_CLIENTS_MAX; i++) {
		int fd = open_client();
		char byte;

		if (i % 2 == 0)
			send_text(fd, "big\n");
		if (i % 4 == 0)
			assert_int_equal(read(fd, &byte, 1), 1);
		close(fd);
	}
	check_full();
}

enum { THREADS = 8, TIMES = 25 };

static void *
ask_often(void *failed)
{
	char error[CONTROL_ERROR_MAX], text[64];

	for (int i = 0; i < TIMES; i++) {
		FILE *out = fmemopen(text, sizeof text, "w");
		int asked = -1;

		/* Those that have left may still count, for a while. */
		for (int try = 0; out != NULL && asked == -1 && try < 500;
		    try++)
			if ((asked = control_ask(path, "two a b", DEADLINE_MS,
			    out, error)) == -1)
				poll(NULL, 0, 10);
		if (asked == -1)
			atomic_fetch_add((atomic_int *)failed, 1);
		if (out == NULL || fclose(out) != 0 ||
		    strcmp(text, "[two][a][b] 1\n") != 0)
			atomic_fetch_add((atomic_int *)failed, 1);
	}
	return NULL;
}

static void
many_clients_at_once(void **state)
{
	pthread_t thread[THREADS];
	atomic_int failed = 0;

	(void)state;
	close(open_client());
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often,
		    &failed), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&failed), 0);
}

/* --- a connection that stays */

static struct control_kept kept = {
	.path = path,
	.lock = PTHREAD_MUTEX_INITIALIZER
};

static void
ask_kept(const char *command, int wanted)
{
	char error[CONTROL_ERROR_MAX];

	CHECK(control_ask_kept(&kept, command, DEADLINE_MS, error) == wanted,
	    "%s", command);
}

static void
one_connection_for_many(void **state)
{
	const int before = atomic_load(&runs);
	int once;

	(void)state;
	ask_kept("count", 0);
	once = kept.idle[0];
	for (int i = 0; i < 10; i++)
		ask_kept("count", 0);
	assert_int_equal(atomic_load(&runs) - before, 11);
	assert_int_equal(kept.count, 1);
	assert_int_equal(kept.idle[0], once);
}

static void
one_that_was_ended_is_replaced(void **state)
{
	const int before = atomic_load(&runs);

	(void)state;
	assert_int_equal(shutdown(kept.idle[0], SHUT_RDWR), 0);
	ask_kept("count", 0);
	assert_int_equal(atomic_load(&runs) - before, 1);
	assert_int_equal(kept.count, 1);
}

/* Nor does one stay whose answer is another's. */
static void
one_that_failed_does_not_stay(void **state)
{
	(void)state;
	ask_kept("two\nlines", -1);
	assert_int_equal(kept.count, 1);
	ask_kept("fail", -1);
	assert_int_equal(errno, 0);
	assert_int_equal(kept.count, 0);
	ask_kept("count", 0);
	ask_kept("big", 0);
	assert_int_equal(kept.count, 1);
}

static void *
ask_kept_often(void *failed)
{
	char error[CONTROL_ERROR_MAX];

	for (int i = 0; i < TIMES; i++)
		if (control_ask_kept(&kept, "count", DEADLINE_MS, error) == -1)
			atomic_fetch_add((atomic_int *)failed, 1);
	return NULL;
}

static void
only_some_stay(void **state)
{
	const int before = atomic_load(&runs);
	pthread_t thread[THREADS];
	atomic_int failed = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
		    ask_kept_often, &failed), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&runs) - before, THREADS * TIMES);
	assert_in_range(kept.count, 1, CONTROL_KEPT_MAX);
	while (kept.count > 0)
		close(kept.idle[--kept.count]);
}

static void
nothing_is_left_open(void **state)
{
	long deadline = now_ms() + DEADLINE_MS;

	(void)state;
	while (count_descriptors() > descriptors && now_ms() < deadline)
		rest_ms(10);
	assert_int_equal(count_descriptors(), descriptors);
}

static void
the_end(void **state)
{
	struct stat st;
	int fd = open_client();

	(void)state;
	control_close();
	assert_int_equal(lstat(path, &st), -1);
	assert_false(control_answers(path));
	ask("none");
	assert_int_equal(strncmp(answer, "error ", 6), 0);
	read_until(fd, NULL);		/* hung up on */
	close(fd);
	make_file(path);
	control_close();	/* once more is none of our file's business */
	assert_int_equal(lstat(path, &st), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* In this order: between the first and the last it runs. */
		cmocka_unit_test(start),
		cmocka_unit_test(commands),
		cmocka_unit_test(help_names_each_command),
		cmocka_unit_test(commands_that_are_not_sent),
		cmocka_unit_test(lines_of_strangers),
		cmocka_unit_test(every_length_near_the_buffer),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(many_commands_on_a_connection),
		cmocka_unit_test(a_big_answer_is_whole),
		cmocka_unit_test(nobody_may_idle_for_ever),
		cmocka_unit_test_teardown(one_client_too_many, drop_clients),
		cmocka_unit_test_teardown(the_one_too_many_hears_why,
		    drop_clients),
		cmocka_unit_test_teardown(clients_that_leave_in_the_middle,
		    drop_clients),
		cmocka_unit_test_teardown(clients_that_fail_are_not_counted,
		    drop_clients),
		cmocka_unit_test(many_clients_at_once),
		cmocka_unit_test(one_connection_for_many),
		cmocka_unit_test(one_that_was_ended_is_replaced),
		cmocka_unit_test(one_that_failed_does_not_stay),
		cmocka_unit_test(only_some_stay),
		cmocka_unit_test(nothing_is_left_open),
		cmocka_unit_test(the_end),
	};

	sockets_begin();
	return sockets_end(RUN(tests));
}
