#ifndef TESTS_UNIT_VIRUSMILTER_FAKECLAMD_H
#define TESTS_UNIT_VIRUSMILTER_FAKECLAMD_H

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clamd.h"
#include "clock.h"
#include "scratch.h"
#include "unit.h"
#include "worker.h"

/*
 * fakeclamd - a clamd in a thread that does what a test wants of it, and a
 * clock that tests can set, so that nobody has to wait for time-outs.
 */

/* --- the clock, and those who wait by it */

static atomic_llong fake_ahead_us;	/* of the real clock */
static atomic_long fake_jump_ms;	/* see time_flies() */
static atomic_int fake_replaced;

int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 +
	    atomic_load(&fake_ahead_us);
}

long
clock_ms(void)
{
	return (long)(clock_us() / 1000);
}

static inline void
fake_pass(long ms)
{
	atomic_fetch_add(&fake_ahead_us, ms * 1000LL);
}

/*
 * From now on who has waited for a moment has waited for so long, if there is
 * nothing more to come.
 */
static inline void
time_flies(long ms)
{
	atomic_store(&fake_jump_ms, ms);
}

/* --- the clamd */

#define FAKE_BODY_MAX	(8 * 1024 * 1024)
#define FAKE_HELD_MAX	32

enum fake_mode {
	FAKE_ANSWERS,		/* when it has got all; that it is 0 */
	FAKE_HOLDS,		/* says nothing, until after some PINGs */
	FAKE_CLOSES,		/* after limit bytes of what it got */
	FAKE_REFUSES,		/* after so many it answers and closes */
	FAKE_READS_NOTHING
};

struct fake {
	/* What it is to do. */
	enum fake_mode mode;
	const char *answer;
	size_t answer_size;
	bool stays;		/* does not close after the answer */
	bool deaf;		/* says no PONG */
	size_t limit;
	int pings_wanted;	/* then it answers the one it holds */
	unsigned char *body;	/* where to put it: FAKE_BODY_MAX, or NULL */

	/* What it has seen. */
	atomic_bool idle;	/* waits for a connection */
	atomic_int connections, streams, pings, chunks;
	size_t body_size;	/* look only after fake_stop() */

	char path[SCRATCH_PATH_MAX];
	char address[64];	/* of the port */
	int listener, port, stop[2];
	int held[FAKE_HELD_MAX], held_count;
	pthread_t thread;
};

/* Those that run. */
static struct fake *fake_running[2];

/* Has it done all that it will?  In this order: accept() is in between. */
static inline bool
fake_is_still(const struct fake *f)
{
	struct pollfd p[] = {
		{ .fd = f->listener, .events = POLLIN },
		{ .fd = f->port, .events = POLLIN },
	};

	return poll(p, COUNT(p), 0) == 0 && atomic_load(&f->idle);
}

/* Somebody has waited for some real time. */
void
worker_replace(void)
{
	atomic_fetch_add(&fake_replaced, 1);
	for (size_t i = 0; i < COUNT(fake_running); i++)
		if (fake_running[i] != NULL && !fake_is_still(fake_running[i]))
			return;
	fake_pass(atomic_load(&fake_jump_ms));
}

/* All of it, to nowhere when bytes is NULL; false at the end. */
static inline bool
fake_read(int fd, void *bytes, size_t size)
{
	char *at = bytes, nowhere[4096];

	while (size > 0) {
		size_t most = at == NULL && size > sizeof nowhere ?
		    sizeof nowhere : size;
		ssize_t n = recv(fd, at == NULL ? nowhere : at, most, 0);

		if (n <= 0)
			return false;
		if (at != NULL)
			at += n;
		size -= (size_t)n;
	}
	return true;
}

static inline void
fake_say(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		size -= (size_t)n;
	}
}

static inline void
fake_hold(struct fake *f, int fd)
{
	if (f->held_count == FAKE_HELD_MAX)
		abort();
	f->held[f->held_count++] = fd;
}

static inline void
fake_answer(struct fake *f, int fd)
{
	fake_say(fd, f->answer, f->answer_size);
	if (f->stays)
		fake_hold(f, fd);
	else
		close(fd);
}

/* The chunks: true when all of them came, false when it is to stop. */
static inline bool
fake_take_body(struct fake *f, int fd)
{
	uint32_t length;
	size_t got = 0, limit = f->mode == FAKE_CLOSES ||
	    f->mode == FAKE_REFUSES ? f->limit : FAKE_BODY_MAX;

	while (fake_read(fd, &length, sizeof length)) {
		size_t size = ntohl(length);

		if (size == 0) {
			f->body_size = got;
			return true;
		}
		f->chunks++;
		if (size > limit - got) {
			fake_read(fd, NULL, limit - got);
			return false;
		}
		if (!fake_read(fd, f->body == NULL ? NULL : f->body + got,
		    size))
			return false;
		got += size;
	}
	return false;
}

static inline void
fake_take_stream(struct fake *f, int fd)
{
	bool whole;

	f->streams++;
	if (f->mode == FAKE_READS_NOTHING) {
		fake_hold(f, fd);
		return;
	}
	whole = fake_take_body(f, fd);
	if (f->mode == FAKE_REFUSES || (f->mode == FAKE_ANSWERS && whole))
		fake_answer(f, fd);
	else if (f->mode == FAKE_HOLDS && whole)
		fake_hold(f, fd);
	else
		close(fd);
}

static inline void
fake_take_ping(struct fake *f, int fd)
{
	int pings = ++f->pings;

	if (f->deaf) {
		fake_hold(f, fd);
		return;
	}
	fake_say(fd, "PONG", 5);
	close(fd);
	if (f->held_count == 1 && pings == f->pings_wanted)
		fake_answer(f, f->held[--f->held_count]);
}

static inline void
fake_serve(struct fake *f, int fd)
{
	char command[16];
	size_t size = 0;

	f->connections++;
	if (f->mode == FAKE_CLOSES && f->limit == 0) {
		close(fd);
		return;
	}
	do {
		if (size == sizeof command ||
		    !fake_read(fd, command + size, 1)) {
			close(fd);
			return;
		}
	} while (command[size++] != '\0');
	if (strcmp(command, "zINSTREAM") == 0)
		fake_take_stream(f, fd);
	else if (strcmp(command, "zPING") == 0)
		fake_take_ping(f, fd);
	else
		abort();
}

static inline void *
fake_run(void *arg)
{
	struct fake *f = arg;
	struct pollfd p[] = {
		{ .fd = f->stop[0], .events = POLLIN },
		{ .fd = f->listener, .events = POLLIN },
		{ .fd = f->port, .events = POLLIN },
	};

	/* Who has connected is served even when it is to stop. */
	do {
		atomic_store(&f->idle, true);
		poll(p, COUNT(p), -1);
		atomic_store(&f->idle, false);
		for (size_t i = 1; i < COUNT(p); i++)
			if (p[i].revents != 0)
				fake_serve(f, accept(p[i].fd, NULL, NULL));
	} while (p[0].revents == 0 || p[1].revents != 0 || p[2].revents != 0);
	while (f->held_count > 0)
		close(f->held[--f->held_count]);
	return NULL;
}

static inline int
fake_listen(const char *path, int queue)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd != -1);
	snprintf(sun.sun_path, sizeof sun.sun_path, "%.100s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, queue), 0);
	return fd;
}

static inline int
fake_listen_port(char address[64])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd != -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, size), 0);
	assert_int_equal(listen(fd, 20), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
	snprintf(address, 64, "127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

/* It does what is set in *f, at a socket of this name. */
static inline void
fake_start(struct fake *f, const char *name)
{
	scratch_path(f->path, name);
	f->listener = fake_listen(f->path, 20);
	f->port = fake_listen_port(f->address);
	assert_int_equal(pipe(f->stop), 0);
	fake_running[fake_running[0] != NULL] = f;
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

/* Nobody may have a scan open. */
static inline void
fake_stop(struct fake *f)
{
	close(f->stop[1]);
	pthread_join(f->thread, NULL);
	fake_running[fake_running[0] != f] = NULL;
	close(f->stop[0]);
	close(f->listener);
	close(f->port);
	unlink(f->path);
}

/*
 * --- asking it
 *
 *	fake_begin();
 *	return scratch_end(RUN(tests));
 */

#define TEXT(text)	(text), sizeof (text) - 1
#define OK		"stream: OK\0"
#define DEADLINE	20		/* seconds */
#define SCANS		10

#define NOBODY		"/nobody"
#define NOBODY_WHY	"connecting: No such file or directory"

static unsigned char large[4 * 1024 * 1024];	/* a large message */

static inline void
fake_begin(void)
{
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (unsigned char)(i * 2654435761u >> 13);
	scratch_begin();
}

static inline struct clamd *
new_clamd(const char *first, const char *second)
{
	const struct options_list list = { { first, second },
	    second != NULL ? 2 : 1 };
	struct clamd *c = clamd_new(&list, SCANS, DEADLINE);

	assert_non_null(c);
	return c;
}

static inline void
count_call(void *arg)
{
	++*(int *)arg;
}

static char name[CLAMD_NAME_MAX];
static int calls;		/* while it waited */

/* The bytes of a message, in pieces. */
static inline enum clamd_result
scan(struct clamd *c, const void *bytes, size_t size, size_t piece)
{
	struct clamd_scan *s = clamd_begin(c);
	const char *at = bytes;
	enum clamd_result result;

	assert_non_null(s);
	while (size > 0) {
		size_t n = size < piece ? size : piece;

		if (!clamd_send(s, at, n))
			break;
		at += n;
		size -= n;
	}
	calls = 0;
	result = clamd_finish(s, count_call, &calls, name);
	clamd_end(s);
	return result;
}

static inline enum clamd_result
scan_text(struct clamd *c)
{
	return scan(c, TEXT("From x\nSubject: y\n\nz\n"), 100);
}

static inline enum clamd_result
scan_large(struct clamd *c)
{
	return scan(c, large, sizeof large, 65536);
}

#define CHECK_SCAN(scan, result, why)					\
	do {								\
		enum clamd_result got = (scan);				\
									\
		CHECK(got == (result) && strcmp(name, (why)) == 0,	\
		    "%d %s", got, name);				\
	} while (0)

#endif
