/*
 * t_control_ask - the control socket without its server: what may be in the
 * way at its path, and the client against those who are no server of ours.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "child.h"
#include "log.h"
#include "sockets.h"

static struct child child;

/* --- the path; before there are threads */

static atomic_int mode_before_chmod = -1;

/* Found before the libc's: what is the mode until it is set? */
int
chmod(const char *name, mode_t mode)
{
	struct stat st;

	if (stat(name, &st) == 0)
		atomic_store(&mode_before_chmod, (int)(st.st_mode & 07777));
	return fchmodat(AT_FDCWD, name, mode, 0);
}

static int
open_here(void *name)
{
	log_name("t");
	return control_open(name, 0660) == 0 ? 0 : 1;
}

/* What is in the way stays as it is; there is one line that names it. */
static void
paths_left_alone(void **state)
{
	static char long_name[200];
	static const struct {
		const char *name, *why;
	} table[] = {
		{ "file", "exists" },
		{ "folder", "exists" },
		{ "link", "exists" },
		{ "dangling", "exists" },
		{ "live", "in use" },
		{ "missing/x", "No such file" },
		{ "file/x", "Not a directory" },
		{ long_name, "too long" },
	};
	char name[96], long_path[300];
	struct stat before, after;
	int fd;

	(void)state;
	memset(long_name, 'n', sizeof long_name - 1);
	make_path(name, "file");
	make_file(name);
	make_path(long_path, "link");
	assert_int_equal(symlink(name, long_path), 0);
	make_path(name, "dangling");
	assert_int_equal(symlink("nowhere", name), 0);
	make_path(name, "folder");
	assert_int_equal(mkdir(name, 0755), 0);
	make_path(name, "live");
	fd = make_socket(name, true);
	for (size_t i = 0; i < COUNT(table); i++) {
		bool exists;

		snprintf(long_path, sizeof long_path, "%s/%s", folder,
		    table[i].name);
		exists = lstat(long_path, &before) == 0;
		child_run(&child, open_here, long_path);
		CHECK(child.status == 1, "%s", table[i].name);
		CHECK(child_is_line(child.err, table[i].name) &&
		    strstr(child.err, table[i].why) != NULL, "%s: %s",
		    table[i].name, child.err);
		CHECK((lstat(long_path, &after) == 0) == exists, "%s",
		    table[i].name);
		CHECK(!exists || (before.st_ino == after.st_ino &&
		    before.st_mode == after.st_mode &&
		    before.st_size == after.st_size), "%s", table[i].name);
	}
	close(fd);
}

struct mode {
	mode_t mask, wanted;
};

/* In a process of its own each, for a process has one control socket. */
static int
open_with_mode(void *arg)
{
	const struct mode *m = arg;
	struct stat st;

	umask(m->mask);
	if (control_open(path, m->wanted) == -1 || stat(path, &st) == -1)
		return 1;
	printf("%04o %04o %03o ", (unsigned)atomic_load(&mode_before_chmod),
	    (unsigned)(st.st_mode & 07777), (unsigned)umask(0));
	control_close();
	printf("%s", lstat(path, &st) == -1 ? "gone" : "left");
	return 0;
}

/* The mode is 000 until it is what was asked for, whatever the umask. */
static void
modes(void **state)
{
	static const struct mode table[] = {
		{ 0, 0660 }, { 022, 0660 }, { 077, 0660 }, { 0777, 0660 },
		{ 0, 0777 }, { 022, 0777 }, { 0, 0600 }, { 0777, 0 },
	};
	char want[32];

	(void)state;
	make_path(path, "mode");
	for (size_t i = 0; i < COUNT(table); i++) {
		make_socket(path, false);
		child_run(&child, open_with_mode, (void *)&table[i]);
		CHECK(child.status == 0, "row %zu: %s", i, child.err);
		snprintf(want, sizeof want, "0000 %04o %03o gone",
		    (unsigned)table[i].wanted, (unsigned)table[i].mask);
		CHECK(strcmp(child.out, want) == 0, "row %zu: %s", i,
		    child.out);
	}
}

/* --- many commands at once; in processes of their own, for what they log */

#define QUIET_MS	300	/* that control_ask_all() waits for an answer */
#define LONG_SIZE	9000	/* bytes; more than any buffer for a line */
#define BIG_COUNT	2000	/* commands with answers of LONG_SIZE */

struct batch {
	const char *in, *out, *err;	/* err is a pattern */
	int status;
	const char *greeting;		/* the server says it and closes */
};

struct server {
	int fd, clients;		/* clients one after the other */
	pthread_t thread;
	const char *greeting;
};

/* What there is to say to a command; false: no more. */
static bool
answer_command(FILE *out, const char *command)
{
	const char *text = strchr(command, ' ');

	text = text != NULL ? text + 1 : "";
	if (strncmp(command, "data ", 5) == 0 ||
	    strncmp(command, "part ", 5) == 0)
		fprintf(out, "%sok\n", text);
	else if (strncmp(command, "bad ", 4) == 0)
		fprintf(out, "error %s", text);
	else if (strncmp(command, "big ", 4) == 0)
		for (int i = 0; i < LONG_SIZE / 100; i++)
			fprintf(out, "%099d\n%s", i,
			    i + 1 == LONG_SIZE / 100 ? "ok\n" : "");
	else if (strcmp(command, "extra\n") == 0)
		fprintf(out, "ok\nok\n");
	else if (strcmp(command, "long\n") == 0)
		fprintf(out, "%0*d", LONG_SIZE, 0);
	else if (strcmp(command, "close\n") == 0)
		return false;
	else if (strcmp(command, "hang\n") != 0)
		fprintf(out, "error ?\n");
	return command[0] != 'p';
}

static void *
serve_many(void *arg)
{
	const struct server *s = arg;
	static char line[2 * LONG_SIZE];

	for (int i = 0; i < s->clients; i++) {
		int fd = accept(s->fd, NULL, NULL);
		FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

		if (in == NULL || out == NULL)
			return NULL;
		if (s->greeting != NULL)
			fprintf(out, "%s", s->greeting);
		else
			while (fgets(line, sizeof line, in) != NULL &&
			    answer_command(out, line) && fflush(out) == 0)
				;
		fclose(out);
		fclose(in);
	}
	return NULL;
}

static void
start_server(struct server *s, int clients, const char *greeting)
{
	log_name("t");
	s->clients = clients;
	s->fd = make_socket(path, true);
	s->greeting = greeting;
	if (pthread_create(&s->thread, NULL, serve_many, s) != 0)
		_exit(112);
}

/* Ask it, and wait until it has seen that it was left.  The exit status. */
static int
ask_server(struct server *s, int in, int deadline_ms, FILE *out)
{
	int asked = control_ask_all(path, in, deadline_ms, out);

	pthread_join(s->thread, NULL);
	return asked == 0 ? 0 : 1;
}

static int
run_batch(void *arg)
{
	const struct batch *b = arg;
	bool quiet = strstr(b->err, "timed out") != NULL;
	FILE *in = tmpfile();
	struct server s;

	start_server(&s, 1, b->greeting);
	if (in == NULL || fputs(b->in, in) == EOF || fflush(in) == EOF)
		return 113;
	rewind(in);
	return ask_server(&s, fileno(in), quiet ? QUIET_MS : DEADLINE_MS,
	    stdout);
}

static void
batches(void **state)
{
	static char fits[CONTROL_LINE_MAX + 2], fits_out[CONTROL_LINE_MAX];
	static char over[CONTROL_LINE_MAX + 32], huge[2 * LONG_SIZE];
	static char huge_last[LONG_SIZE];
	static const char reset[] =
	    "t: line 2 and all behind it: no answer: Connection reset*\n";
	static const char full[] = "error too many clients, come back\n";
	static const struct batch table[] = {
		{ "", "", "", 0, NULL },
		{ "data a\n", "a\n", "", 0, NULL },
		{ "data a\ndata b\n", "a\nb\n", "", 0, NULL },
		{ "data a\ndata b", "a\nb\n", "", 0, NULL },
		{ "\n#\n# x\n#bad x\n \t\r\n\ndata a\n", "a\n", "", 0,
		    NULL },
		{ " # x\n", "", "t: line 1: [?]:  # x\n", 1, NULL },
		{ "bad x y\ndata a\n", "a\n", "t: line 1: x y: bad x y\n", 1,
		    NULL },
		{ "\n#\ndata a\nbad x\nno\ndata b", "a\nb\n",
		    "t: line 4: x: bad x\nt: line 5: [?]: no\n", 1, NULL },
		{ "bad x\033\r\n", "", "t: line 1: x*bad x*", 1, NULL },
		{ fits, fits_out, "", 0, NULL },
		{ over, "a\n", "t: line 1: line too long: data "
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		    1, NULL },
		{ huge, "a\n", "t: line 1: line too long: "
		    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		    "\nt: line 3: x: bad x\n", 1, NULL },
		{ huge_last, "a\n", "t: line 2: line too long: "
		    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
		    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
		    "\n", 1, NULL },
		{ "data a\nclose\ndata b\nbad c\n", "a\n", reset, 1, NULL },
		{ "data a\nhang\n", "a\n",
		    "t: line 2 *: Connection timed out\n", 1, NULL },
		{ "extra\n", "", "t: line 2 *: one too many\n", 1, NULL },
		{ "data a\nlong\n", "a\n", "t: line 2 *: Message too long\n",
		    1, NULL },
		{ "data a\n", "", "t: line 1*: too many clients, come back*\n",
		    1, full },
		{ "data a\ndata b\n", "",
		    "t: line 1*: too many clients, come back*\n", 1, full },
		{ "data a\n", "", "t: line 1 and all*: Connection reset*", 1,
		    "" },
	};

	(void)state;
	memset(fits, 'f', CONTROL_LINE_MAX);
	memcpy(fits, "data ", 5);
	fits[CONTROL_LINE_MAX] = '\n';
	snprintf(fits_out, sizeof fits_out, "%s", fits + 5);
	memset(over, 'x', CONTROL_LINE_MAX + 1);
	memcpy(over, "data ", 5);
	memcpy(over + CONTROL_LINE_MAX + 1, "\ndata a\n", 9);
	memset(huge, 'y', LONG_SIZE);
	memcpy(huge + LONG_SIZE, "\ndata a\nbad x\n", 15);
	memset(huge_last, 'z', sizeof huge_last - 1);
	memcpy(huge_last, "data a\n", 7);
	make_path(path, "batch");
	for (size_t i = 0; i < COUNT(table); i++) {
		child_run(&child, run_batch, (void *)&table[i]);
		unlink(path);
		CHECK(child.status == table[i].status, "row %zu: %d: %s", i,
		    child.status, child.err);
		CHECK(strcmp(child.out, table[i].out) == 0, "row %zu: %s", i,
		    child.out);
		CHECK(fnmatch(table[i].err, child.err, 0) == 0, "row %zu: %s",
		    i, child.err);
	}
}

/* More on its way than the socket holds, in both directions. */
static int
run_big(void *arg)
{
	FILE *in = tmpfile(), *out = tmpfile();
	struct server s;

	(void)arg;
	start_server(&s, 1, NULL);
	if (in == NULL || out == NULL)
		return 113;
	for (int i = 0; i < BIG_COUNT; i++)
		fprintf(in, "big %0900d\n", i);
	fflush(in);
	rewind(in);
	if (ask_server(&s, fileno(in), DEADLINE_MS, out) != 0)
		return 1;
	printf("%ld", ftell(out));
	return 0;
}

/*
 * Who writes the commands is waited for, and hears each answer at once.  The
 * server does not wait after the first, and is called again.
 */
static int to_batch[2], from_batch[2];

static void *
converse(void *arg)
{
	struct pollfd p = { .fd = from_batch[0], .events = POLLIN };
	bool *well = arg;
	char text[3];

	*well = true;
	for (int i = 0; i < 3 && *well; i++) {
		send_text(to_batch[1], i == 0 ? "part a\ndat" : "data a\ndat");
		*well = poll(&p, 1, DEADLINE_MS) == 1 &&
		    read(from_batch[0], text, sizeof text) == 2;
		rest_ms(2 * QUIET_MS);
		send_text(to_batch[1], "a b\n");
		*well = *well && poll(&p, 1, DEADLINE_MS) == 1 &&
		    read(from_batch[0], text, sizeof text) == 2;
	}
	close(to_batch[1]);
	return NULL;
}

static int
run_conversation(void *arg)
{
	struct server s;
	pthread_t thread;
	bool well;
	FILE *out;
	int asked;

	(void)arg;
	start_server(&s, 2, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, to_batch) == -1 ||
	    pipe(from_batch) == -1 ||
	    (out = fdopen(from_batch[1], "w")) == NULL ||
	    pthread_create(&thread, NULL, converse, &well) != 0)
		return 113;
	asked = ask_server(&s, to_batch[0], QUIET_MS, out);
	pthread_join(thread, NULL);
	return asked == 0 && well ? 0 : 1;
}

static int
run_nobody(void *arg)
{
	(void)arg;
	log_name("t");
	return control_ask_all(path, STDIN_FILENO, QUIET_MS, stdout) == -1;
}

static int
run_bad_input(void *arg)
{
	struct server s;

	(void)arg;
	start_server(&s, 1, NULL);
	return ask_server(&s, 1000, QUIET_MS, stdout);
}

static void
batches_of_other_kinds(void **state)
{
	char want[32];

	(void)state;
	make_path(path, "batch");
	child_run(&child, run_nobody, NULL);
	CHECK(child.status == 1 && child_is_line(child.err, "batch: No such"),
	    "%d: %s", child.status, child.err);
	child_run(&child, run_bad_input, NULL);
	unlink(path);
	CHECK(child.status == 1 && child_is_line(child.err, "Bad file"),
	    "%d: %s", child.status, child.err);
	child_run(&child, run_conversation, NULL);
	unlink(path);
	CHECK(child.status == 0, "%d: %s", child.status, child.err);
	child_run(&child, run_big, NULL);
	unlink(path);
	snprintf(want, sizeof want, "%d", BIG_COUNT * LONG_SIZE);
	CHECK(child.status == 0 && strcmp(child.out, want) == 0, "%d: %s %s",
	    child.status, child.out, child.err);
}

/* --- the client against servers that are none of ours */

struct fake {
	const char *say;	/* after the command was read */
	enum { CLOSE, HOLD, TRICKLE, NO_ACCEPT } then;
	const char *data;	/* that is copied */
	const char *error;	/* NULL: it went well */
	int fd;
	char heard[64];
};

static void
hear(struct fake *f, int fd)
{
	size_t used = 0;

	while (used < sizeof f->heard - 1 && strchr(f->heard, '\n') == NULL) {
		ssize_t n = read(fd, f->heard + used,
		    sizeof f->heard - 1 - used);

		if (n <= 0)
			return;
		used += (size_t)n;
		f->heard[used] = '\0';
	}
}

static void *
serve_once(void *arg)
{
	struct fake *f = arg;
	int fd = accept(f->fd, NULL, NULL);
	char byte;

	if (fd == -1)
		return NULL;
	hear(f, fd);
	send_text(fd, f->say);
	if (f->then == HOLD)
		while (read(fd, &byte, 1) > 0)
			;
	while (f->then == TRICKLE && send(fd, "x\n", 2, MSG_NOSIGNAL) == 2)
		rest_ms(10);
	close(fd);
	return NULL;
}

static void
ask_fake(struct fake *f, size_t row)
{
	bool waits = f->then != CLOSE;
	int deadline = waits ? 200 : DEADLINE_MS;
	long start = now_ms(), took;
	pthread_t thread;

	make_path(path, "fake");
	f->fd = make_socket(path, true);
	if (f->then != NO_ACCEPT)
		assert_int_equal(pthread_create(&thread, NULL, serve_once, f),
		    0);
	ask_within("a command", deadline);
	took = now_ms() - start;
	if (f->then != NO_ACCEPT) {
		pthread_join(thread, NULL);
		CHECK(strcmp(f->heard, "a command\n") == 0, "row %zu: %s", row,
		    f->heard);
	}
	close(f->fd);
	unlink(path);
	CHECK(!waits || (took >= deadline && took < deadline + 5000),
	    "row %zu: %ld ms", row, took);
}

static void
servers_of_other_kinds(void **state)
{
	static char long_line[9001] = "data\n", long_error[501] = "error ";
	static char want_error[CONTROL_ERROR_MAX];
	struct fake table[] = {
		{ "ok\n", CLOSE, "", NULL, 0, "" },
		{ "a\nb\nok\n", CLOSE, "a\nb\n", NULL, 0, "" },
		{ "\nok\n", CLOSE, "\n", NULL, 0, "" },
		{ "ok\nmore\n", CLOSE, "", NULL, 0, "" },
		{ "okay\nok\n", CLOSE, "okay\n", NULL, 0, "" },
		{ " ok\nok\n", CLOSE, " ok\n", NULL, 0, "" },
		{ "errors\nok\n", CLOSE, "errors\n", NULL, 0, "" },
		{ "error bad\n", CLOSE, "", "bad", 0, "" },
		{ "a\nerror bad thing\nok\n", CLOSE, "a\n", "bad thing", 0,
		    "" },
		{ "error \n", CLOSE, "", "", 0, "" },
		{ long_error, CLOSE, "", want_error, 0, "" },
		{ long_line, CLOSE, "data\n", "no answer: *too long", 0, "" },
		{ "", CLOSE, "", "no answer: *", 0, "" },
		{ "a\nok", CLOSE, "a\n", "no answer: *", 0, "" },
		{ "a\nerror b", CLOSE, "a\n", "no answer: *", 0, "" },
		{ "", NO_ACCEPT, "", "no answer: *timed out", 0, "" },
		{ "", HOLD, "", "no answer: *timed out", 0, "" },
		{ "a\nok", HOLD, "a\n", "no answer: *timed out", 0, "" },
		{ "a\n", TRICKLE, "a\nx\n*", "no answer: *timed out", 0, "" },
	};

	(void)state;
	memset(long_line + 5, 'x', sizeof long_line - 6);
	memset(long_error + 6, 'x', sizeof long_error - 8);
	long_error[sizeof long_error - 2] = '\n';
	memset(want_error, 'x', sizeof want_error - 1);
	for (size_t i = 0; i < COUNT(table); i++) {
		char want[ANSWER_MAX];

		snprintf(want, sizeof want, "%s%s%s", table[i].data,
		    table[i].error == NULL ? "ok" : "error ",
		    table[i].error == NULL ? "" : table[i].error);
		ask_fake(&table[i], i);
		CHECK(fnmatch(want, answer, 0) == 0, "row %zu: %s", i, answer);
	}
}

/* Nobody there, and somebody who has too much to do to say so. */
static void
who_answers(void **state)
{
	static const struct {
		const char *name;
		bool answers;
		const char *why;
	} table[] = {
		{ "missing", false, "error */missing: No such file*" },
		{ "file", false, "error */file: *" },
		{ "folder", false, "error */folder: *" },
		{ "stale", false, "error */stale: *" },
		{ "busy", true, "error */busy: *" },
	};
	int fd[16], count = 0;

	(void)state;
	make_path(path, "stale");
	make_socket(path, false);
	make_path(path, "busy");
	fd[count++] = make_socket(path, true);
	do {
		struct sockaddr_un sa;

		make_address(&sa, path);
		fd[count] = socket(AF_UNIX, SOCK_STREAM, 0);
		fcntl(fd[count], F_SETFL, O_NONBLOCK);
		if (connect(fd[count], (struct sockaddr *)&sa, sizeof sa)
		    == -1)
			break;
	} while (++count < 15);
	assert_true(count < 15);
	for (size_t i = 0; i < COUNT(table); i++) {
		long start = now_ms();

		make_path(path, table[i].name);
		CHECK(control_answers(path) == table[i].answers, "%s",
		    table[i].name);
		ask_within("x", 200);
		CHECK(fnmatch(table[i].why, answer, 0) == 0, "%s: %s",
		    table[i].name, answer);
		CHECK(now_ms() - start < 5000, "%s", table[i].name);
	}
	for (; count >= 0; count--)
		close(fd[count]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_left_alone),
		cmocka_unit_test(modes),
		cmocka_unit_test(batches),
		cmocka_unit_test(batches_of_other_kinds),
		cmocka_unit_test(servers_of_other_kinds),
		cmocka_unit_test(who_answers),
	};

	sockets_begin();
	return sockets_end(RUN(tests));
}
