#include <sys/uio.h>

#include <netinet/in.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clamd.h"
#include "clamdserver.h"
#include "clamdsocket.h"
#include "clock.h"
#include "log.h"
#include "stats.h"

#define CHUNK_MAX	(1024 * 1024)	/* bytes; its length has 32 bits */
#define REFUSAL_MS	1000	/* for what it says when it takes no more */

struct clamd {
	struct clamdservers servers;
	long scans, deadline_ms;
	atomic_long under_way;		/* scans that are */
};

enum state {
	STATE_KEPT,		/* all of it so far is in the buffer */
	STATE_STREAMED,		/* all of it so far was sent */
	STATE_FAILED,		/* why[] says why */
	STATE_BUSY
};

struct clamd_scan {
	struct clamd *clamd;
	enum state state;
	bool under_way;		/* counted there */
	unsigned tried;		/* those that were asked, a bit each */
	struct clamdserver *server;	/* that is being asked */
	int fd;			/* the connection to it, or -1 */
	long deadline_ms;
	int64_t begin_us;	/* when the first one was asked; 0: none was */
	struct clamdwait wait;
	char why[CLAMD_NAME_MAX];
	size_t size;		/* bytes in the buffer */
	unsigned char buffer[CLAMD_BUFFER];
};

/* --- what is counted */

#define SCANS(result)	{ "scans_total", "result=\"" result "\"",	\
	"Messages that clamd was to look at.", 0 }

static struct stats_counter counters[] = {
	[CLAMD_CLEAN] = SCANS("clean"),
	[CLAMD_INFECTED] = SCANS("infected"),
	[CLAMD_FAILED] = SCANS("failed"),
	[CLAMD_BUSY] = SCANS("busy"),
	{ "clamd_seconds_sum", NULL, "Time until clamd had answered.", 0 },
	{ "clamd_seconds_count", NULL, NULL, 0 },
};
enum { SECONDS_SUM = CLAMD_BUSY + 1, SECONDS_COUNT };

static enum clamd_result
count_result(const struct clamd_scan *s, enum clamd_result result)
{
	stats_count(&counters[result]);
	if (s->begin_us != 0) {
		stats_count_by(&counters[SECONDS_SUM],
		    (uint64_t)(clock_us() - s->begin_us));
		stats_count(&counters[SECONDS_COUNT]);
	}
	return result;
}

static void
print_stats(FILE *out, void *arg)
{
	struct clamd *c = arg;

	stats_value(out, "scans_under_way", "Messages that clamd is asked "
	    "about now.", NULL, NULL, (uint64_t)atomic_load(&c->under_way));
	clamdservers_print_stats(&c->servers, out);
}

void
clamd_add_stats(struct clamd *c)
{
	stats_add(counters, sizeof counters / sizeof counters[0]);
	stats_add_printer(print_stats, c);
}

struct clamd *
clamd_new(const struct options_list *sockets, long scans, long deadline)
{
	struct clamd *c = calloc(1, sizeof *c);

	if (c == NULL) {
		log_error("out of memory");
		return NULL;
	}
	c->scans = scans;
	c->deadline_ms = deadline * 1000;
	if (clamdservers_parse(&c->servers, sockets) == -1) {
		free(c);
		return NULL;
	}
	return c;
}

void
clamd_free(struct clamd *c)
{
	if (c == NULL)
		return;
	clamdservers_free(&c->servers);
	free(c);
}

bool
clamd_is_there(struct clamd *c)
{
	bool there = false;

	for (int i = 0; i < c->servers.count && !there; i++) {
		struct clamdserver *server = &c->servers.server[i];
		struct clamdwait wait;

		clamdwait_begin(&wait);
		there = clamdserver_ping(server, &wait) == 0;
		if (!there)
			log_errno("clamd %s does not answer",
			    server->socket.text);
		clamdservers_note(&c->servers, server, there);
	}
	return there;
}

/* --- why it failed */

static void __attribute__((format(printf, 2, 3)))
fail(struct clamd_scan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof s->why, fmt, ap);
	va_end(ap);
	if (log_due(&s->server->limit))
		log_error("clamd %s: %s", s->server->socket.text, s->why);
}

/* The same, when it is not there, or as good as that. */
static void
fail_errno(struct clamd_scan *s, const char *what)
{
	char text[CLAMD_NAME_MAX];
	int error = errno;

	clamdservers_note(&s->clamd->servers, s->server, false);
	if (strerror_r(error, text, sizeof text) != 0)
		snprintf(text, sizeof text, "error %d", error);
	fail(s, "%s: %.*s", what, CLAMD_NAME_MAX / 2, text);
}

/* --- an answer */

/* Printable, with an end, cut; false when nothing is there. */
static bool
print_text(char out[CLAMD_NAME_MAX], const char *text, size_t size)
{
	size_t n;

	for (n = 0; n < size && n < CLAMD_NAME_MAX - 1; n++)
		out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
	return n > 0;
}

enum clamd_result
clamd_read_answer(const char *answer, size_t size, char name[CLAMD_NAME_MAX])
{
	static const char clean[] = "stream: OK", begin[] = "stream: ",
	    end[] = " FOUND";
	const size_t begin_size = sizeof begin - 1, end_size = sizeof end - 1;
	const char *first = answer + begin_size, *last;

	name[0] = '\0';
	if (size == sizeof clean - 1 && memcmp(answer, clean, size) == 0)
		return CLAMD_CLEAN;
	/* A name has a byte at least, and no blank at either end. */
	if (size > begin_size + end_size &&
	    memcmp(answer, begin, begin_size) == 0 &&
	    memcmp(answer + size - end_size, end, end_size) == 0) {
		last = answer + size - end_size - 1;
		if (*first != ' ' && *last != ' ') {
			print_text(name, first, (size_t)(last - first) + 1);
			return CLAMD_INFECTED;
		}
	}
	if (!print_text(name, answer, size))
		snprintf(name, CLAMD_NAME_MAX, "an empty answer");
	return CLAMD_FAILED;
}

/* --- one message */

struct clamd_scan *
clamd_begin(struct clamd *c)
{
	struct clamd_scan *s = malloc(sizeof *s);

	/* Of the buffer only what is used should become memory. */
	if (s == NULL)
		return NULL;
	s->clamd = c;
	s->state = STATE_KEPT;
	s->under_way = false;
	s->tried = 0;
	s->server = NULL;
	s->fd = -1;
	s->begin_us = 0;
	s->size = 0;
	snprintf(s->why, sizeof s->why, "there is none");
	clamdwait_begin(&s->wait);
	return s;
}

static void
hang_up(struct clamd_scan *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

/* Nothing is asked any more. */
static void
give_back(struct clamd_scan *s)
{
	hang_up(s);
	if (s->under_way)
		atomic_fetch_sub(&s->clamd->under_way, 1);
	s->under_way = false;
}

void
clamd_end(struct clamd_scan *s)
{
	if (s == NULL)
		return;
	give_back(s);
	free(s);
}

/* May there be one more? */
static bool
take_turn(struct clamd_scan *s)
{
	static struct log_limit limit;
	struct clamd *c = s->clamd;

	if (atomic_fetch_add(&c->under_way, 1) < c->scans) {
		s->begin_us = clock_us();
		s->deadline_ms = clock_ms() + c->deadline_ms;
		return s->under_way = true;
	}
	atomic_fetch_sub(&c->under_way, 1);
	s->state = STATE_BUSY;
	if (log_due(&limit))
		log_error("%ld messages are with clamd, no more can be",
		    c->scans);
	return false;
}

static bool
is_late(struct clamd_scan *s)
{
	if (clock_ms() < s->deadline_ms)
		return false;
	fail(s, "no answer in %ld seconds", s->clamd->deadline_ms / 1000);
	return true;
}

/*
 * It takes no more.  What it has to say about that is why, for it is there;
 * else it is not.
 */
static void
hear_refusal(struct clamd_scan *s)
{
	struct clamdserver_answer answer = { .size = 0 };
	char text[CLAMD_NAME_MAX];
	int error = errno;

	if (error != ETIMEDOUT && clamdserver_read(s->fd, &answer, &s->wait,
	    clock_ms() + REFUSAL_MS) == CLAMDSERVER_WHOLE) {
		print_text(text, answer.text, answer.size);
		fail(s, "it takes no more: %.*s", CLAMD_NAME_MAX / 2, text);
		clamdservers_note(&s->clamd->servers, s->server, true);
		return;
	}
	errno = error;
	if (error != ETIMEDOUT || !is_late(s))
		fail_errno(s, "sending");
}

static int
send_parts(struct clamd_scan *s, struct iovec *io, int count)
{
	if (clamdsocket_send(s->fd, io, count, &s->wait, CLAMD_STALL_MS,
	    s->deadline_ms) == 0)
		return 0;
	hear_refusal(s);
	hang_up(s);
	return -1;
}

/* What is in the buffer, and when it is whole, its end. */
static int
send_buffer(struct clamd_scan *s, bool whole)
{
	static char command[] = "zINSTREAM";
	uint32_t length = htonl((uint32_t)s->size), end = 0;
	struct iovec io[4] = { { command, sizeof command } };
	int count = 1;

	if (s->size > 0) {
		io[count++] = (struct iovec){ &length, sizeof length };
		io[count++] = (struct iovec){ s->buffer, s->size };
	}
	if (whole)
		io[count++] = (struct iovec){ &end, sizeof end };
	return send_parts(s, io, count);
}

static int
connect_to(struct clamd_scan *s, struct clamdserver *server)
{
	long until_ms = clock_ms() + CLAMD_CONNECT_MS;

	if (until_ms > s->deadline_ms)
		until_ms = s->deadline_ms;
	s->server = server;
	s->fd = clamdsocket_connect(&server->socket, &s->wait, until_ms);
	if (s->fd != -1)
		return 0;
	fail_errno(s, "connecting");
	return -1;
}

/* To the first that takes it; -1: nobody did, and why[] is of the last. */
static int
begin_stream(struct clamd_scan *s, bool whole)
{
	struct clamdserver *server;

	while (clock_ms() < s->deadline_ms &&
	    (server = clamdservers_choose(&s->clamd->servers, &s->tried)) !=
	    NULL)
		if (connect_to(s, server) == 0 && send_buffer(s, whole) == 0)
			return 0;
	return -1;
}

static int
send_chunks(struct clamd_scan *s, const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		size_t n = size < CHUNK_MAX ? size : CHUNK_MAX;
		uint32_t length = htonl((uint32_t)n);
		struct iovec io[] = {
			{ &length, sizeof length },
			/* sendmsg(2) does not write there. */
			{ (void *)(uintptr_t)bytes, n },
		};

		if (send_parts(s, io, 2) == -1)
			return -1;
		bytes += n;
		size -= n;
	}
	return 0;
}

/* It was kept and is too large for that. */
static int
become_stream(struct clamd_scan *s)
{
	if (!take_turn(s))
		return -1;
	s->state = STATE_STREAMED;
	return begin_stream(s, false);
}

bool
clamd_send(struct clamd_scan *s, const void *bytes, size_t size)
{
	if (s->state == STATE_KEPT && size <= sizeof s->buffer - s->size) {
		if (size > 0)
			memcpy(s->buffer + s->size, bytes, size);
		s->size += size;
		return true;
	}
	if (s->state == STATE_KEPT && become_stream(s) == -1) {
		if (s->state != STATE_BUSY)
			s->state = STATE_FAILED;
		give_back(s);
		return false;
	}
	if (s->state != STATE_STREAMED)
		return false;
	if (is_late(s) || send_chunks(s, bytes, size) == -1) {
		s->state = STATE_FAILED;
		give_back(s);
		return false;
	}
	return true;
}

/* --- its answer */

/*
 * Whoever is silent is asked whether it is alive, until it answers or its time
 * is over.
 */
static enum clamdserver_reading
await_answer(struct clamd_scan *s, struct clamdserver_answer *answer)
{
	for (;;) {
		long until_ms = clock_ms() + CLAMD_SILENCE_MS;
		enum clamdserver_reading reading;

		if (until_ms > s->deadline_ms)
			until_ms = s->deadline_ms;
		reading = clamdserver_read(s->fd, answer, &s->wait, until_ms);
		if (reading != CLAMDSERVER_LATE || until_ms == s->deadline_ms)
			return reading;
		if (clamdserver_ping(s->server, &s->wait) == 0)
			continue;
		/* Meanwhile it may have answered after all. */
		reading = clamdserver_read(s->fd, answer, &s->wait, clock_ms());
		if (reading != CLAMDSERVER_LATE)
			return reading;
		errno = ETIMEDOUT;
		return CLAMDSERVER_ENDED;
	}
}

static enum clamd_result
take_answer(struct clamd_scan *s, char name[CLAMD_NAME_MAX])
{
	struct clamdserver_answer answer = { .size = 0 };
	enum clamd_result result;

	switch (await_answer(s, &answer)) {
	case CLAMDSERVER_WHOLE:
		clamdservers_note(&s->clamd->servers, s->server, true);
		result = clamd_read_answer(answer.text, answer.size, name);
		if (result == CLAMD_FAILED)
			fail(s, "%s", name);
		return result;
	case CLAMDSERVER_LATE:
		is_late(s);
		break;
	case CLAMDSERVER_ENDED:
		fail_errno(s, "no answer");
		break;
	case CLAMDSERVER_ENDLESS:
		fail(s, "an answer that does not end, or more than one");
		break;
	}
	return CLAMD_FAILED;
}

/* One after the other, for all of it is here. */
static enum clamd_result
ask_each(struct clamd_scan *s, char name[CLAMD_NAME_MAX])
{
	enum clamd_result result = CLAMD_FAILED;

	if (!take_turn(s))
		return CLAMD_BUSY;
	while (result == CLAMD_FAILED && begin_stream(s, true) == 0) {
		result = take_answer(s, name);
		hang_up(s);
	}
	return result;
}

static enum clamd_result
ask(struct clamd_scan *s, char name[CLAMD_NAME_MAX])
{
	uint32_t end = 0;
	struct iovec io = { &end, sizeof end };

	switch (s->state) {
	case STATE_KEPT:
		return ask_each(s, name);
	case STATE_STREAMED:
		return send_parts(s, &io, 1) == 0 ? take_answer(s, name) :
		    CLAMD_FAILED;
	case STATE_BUSY:
		return CLAMD_BUSY;
	case STATE_FAILED:
		break;
	}
	return CLAMD_FAILED;
}

enum clamd_result
clamd_finish(struct clamd_scan *s, void (*wait)(void *), void *arg,
    char name[CLAMD_NAME_MAX])
{
	enum clamd_result result;

	name[0] = '\0';
	clamdwait_have_called(&s->wait, wait, arg);
	result = ask(s, name);
	give_back(s);
	s->state = STATE_FAILED;
	if (result == CLAMD_FAILED)
		snprintf(name, CLAMD_NAME_MAX, "%s", s->why);
	return count_result(s, result);
}
