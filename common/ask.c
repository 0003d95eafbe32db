#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "line.h"
#include "log.h"

#define WAITING_MAX	256	/* commands sent and not answered yet */
#define SHOWN_MAX	61	/* bytes of a command in a complaint, and NUL */

/* --- one command */

/* Wait until fd is ready; 0, or -1 with errno. */
static int
wait_for(int fd, short events, long deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	long left = deadline - clock_ms();
	int n;

	while ((n = poll(&p, 1, left > 0 ? (int)left : 0)) == -1 &&
	    errno == EINTR)
		left = deadline - clock_ms();
	if (n == 0)
		errno = ETIMEDOUT;
	return n == 1 ? 0 : -1;
}

static int
send_command(int fd, const char *command, long deadline)
{
	char line[CONTROL_LINE_MAX + 2];
	size_t size, sent = 0;
	ssize_t n;

	size = (size_t)snprintf(line, sizeof line, "%s\n", command);
	while (sent < size) {
		n = send(fd, line + sent, size - sent, MSG_NOSIGNAL);
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			return 0;	/* turned away: the answer says why */
		if (n == -1 && errno == EAGAIN) {
			if (wait_for(fd, POLLOUT, deadline) == -1)
				return -1;
		} else if (n == -1 && errno != EINTR)
			return -1;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* 1: go on; 0: ok; -1 and errno 0: error, its text in error. */
static int
take_line(const char *line, FILE *out, char error[CONTROL_ERROR_MAX])
{
	if (strcmp(line, "ok") == 0)
		return 0;
	if (strncmp(line, "error ", 6) == 0) {
		snprintf(error, CONTROL_ERROR_MAX, "%.*s",
		    CONTROL_ERROR_MAX - 1, line + 6);
		errno = 0;
		return -1;
	}
	if (out != NULL)
		fprintf(out, "%s\n", line);
	return 1;
}

static int
read_answer(int fd, long deadline, FILE *out, char error[CONTROL_ERROR_MAX])
{
	struct line_reader r = { .fd = fd };
	ssize_t n, size;
	int more;

	for (;;) {
		if (wait_for(fd, POLLIN, deadline) == -1)
			break;
		n = line_read(&r);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		errno = n == 0 ? ECONNRESET : errno;
		if (n <= 0)
			break;
		while ((size = line_next(&r)) != -1) {
			more = take_line(r.text, out, error);
			if (more != 1)
				return more;
			line_drop(&r, (size_t)size);
		}
		errno = EMSGSIZE;
		if (line_room(&r) == 0)
			break;
	}
	snprintf(error, CONTROL_ERROR_MAX, "no answer: %s", strerror(errno));
	return -1;
}

/* 0, or -1 with errno and the reason in error. */
static int
check_command(const char *command, char error[CONTROL_ERROR_MAX])
{
	if (strchr(command, '\n') == NULL &&
	    strlen(command) <= CONTROL_LINE_MAX)
		return 0;
	snprintf(error, CONTROL_ERROR_MAX,
	    "a command is one line of at most %d bytes", CONTROL_LINE_MAX);
	errno = EINVAL;
	return -1;
}

/* Returns -1 with errno and the reason in error. */
static int
fail(const char *path, char error[CONTROL_ERROR_MAX])
{
	const int why = errno;

	snprintf(error, CONTROL_ERROR_MAX, "%.100s: %s", path, strerror(why));
	errno = why;
	return -1;
}

static void
hang_up_on(int fd)
{
	const int why = errno;

	close(fd);
	errno = why;
}

int
control_ask(const char *path, const char *command, int deadline_ms,
    FILE *out, char error[CONTROL_ERROR_MAX])
{
	long deadline = clock_ms() + deadline_ms;
	int fd, result;

	if (check_command(command, error) == -1)
		return -1;
	if ((fd = line_dial(path)) == -1)
		return fail(path, error);
	if (send_command(fd, command, deadline) == -1)
		result = fail(path, error);
	else
		result = read_answer(fd, deadline, out, error);
	hang_up_on(fd);
	return result;
}

/* --- one command, over a connection that stays */

static int
take_idle(struct control_kept *k)
{
	int fd = -1;

	pthread_mutex_lock(&k->lock);
	if (k->count > 0)
		fd = k->idle[--k->count];
	pthread_mutex_unlock(&k->lock);
	return fd;
}

static void
give_back(struct control_kept *k, int fd)
{
	pthread_mutex_lock(&k->lock);
	if (k->count < CONTROL_KEPT_MAX) {
		k->idle[k->count++] = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&k->lock);
	if (fd != -1)
		hang_up_on(fd);
}

/* As control_ask() returns; the connection is ended unless it can stay. */
static int
ask_over(struct control_kept *k, int fd, const char *command, long deadline,
    char error[CONTROL_ERROR_MAX])
{
	int result;

	if (send_command(fd, command, deadline) == -1)
		result = fail(k->path, error);
	else
		result = read_answer(fd, deadline, NULL, error);
	if (result == 0)
		give_back(k, fd);
	else
		hang_up_on(fd);
	return result;
}

int
control_ask_kept(struct control_kept *k, const char *command, int deadline_ms,
    char error[CONTROL_ERROR_MAX])
{
	long deadline = clock_ms() + deadline_ms;
	int fd;

	if (check_command(command, error) == -1)
		return -1;
	/* The other side may have hung up since it was used. */
	while ((fd = take_idle(k)) != -1) {
		if (ask_over(k, fd, command, deadline, error) == 0)
			return 0;
		if (errno != ECONNRESET)
			return -1;
	}
	if ((fd = line_dial(k->path)) == -1)
		return fail(k->path, error);
	return ask_over(k, fd, command, deadline, error);
}

/* --- many commands */

/* A command on its way, for what may be wrong with it. */
struct waiting {
	unsigned long number;	/* of its line */
	char text[SHOWN_MAX];
};

struct batch {
	const char *path;
	struct line_reader in, answers;	/* answers.fd: -1 while hung up */
	unsigned long number;	/* lines taken from in */
	bool ended;		/* in has no more */
	bool skips;		/* the rest of a line that is too long */
	bool cut;		/* the server does not read any more */
	bool failed;
	long deadline;		/* for the next answer, if any is awaited */
	int deadline_ms;
	FILE *out;

	struct waiting ring[WAITING_MAX];
	size_t first, count;

	size_t to_send;
	char send[LINE_READER_SIZE];
};

static void
complain(struct batch *b, unsigned long number, const char *error,
    const char *text)
{
	log_error("line %lu: %s: %.*s", number, error, SHOWN_MAX - 1, text);
	b->failed = true;
}

/* 0, or -1 after a line in the log. */
static int
call(struct batch *b)
{
	b->answers.used = 0;
	if ((b->answers.fd = line_dial(b->path)) != -1)
		return 0;
	log_errno("%s", b->path);
	b->failed = true;
	return -1;
}

static void
hang_up(struct batch *b)
{
	if (b->answers.fd != -1)
		close(b->answers.fd);
	b->answers.fd = -1;
}

/* Says which command is the first without an answer; returns false. */
static bool
lose(struct batch *b, const char *why)
{
	log_error("line %lu and all behind it: no answer: %s",
	    b->count > 0 ? b->ring[b->first].number : b->number + 1, why);
	b->failed = true;
	return false;
}

/* A line of the input, to the others that are to be sent. */
static void
take_command(struct batch *b, const char *text, size_t size)
{
	struct waiting *w = &b->ring[(b->first + b->count) % WAITING_MAX];

	b->number++;
	if (b->skips)
		b->skips = false;	/* the end of it */
	else if (size > CONTROL_LINE_MAX)
		complain(b, b->number, "line too long", text);
	else if (strspn(text, " \t\r") != size && text[0] != '#') {
		w->number = b->number;
		snprintf(w->text, sizeof w->text, "%.*s", SHOWN_MAX - 1, text);
		memcpy(b->send + b->to_send, text, size);
		b->send[b->to_send + size] = '\n';
		b->to_send += size + 1;
		if (b->count++ == 0)
			b->deadline = clock_ms() + b->deadline_ms;
	}
}

/* As many lines as there are and may wait. */
static void
take_commands(struct batch *b)
{
	ssize_t size;

	while (b->count < WAITING_MAX &&
	    sizeof b->send - b->to_send > CONTROL_LINE_MAX) {
		if ((size = line_next(&b->in)) != -1) {
			take_command(b, b->in.text, (size_t)size);
			line_drop(&b->in, (size_t)size);
		} else if (line_room(&b->in) == 0) {
			b->in.text[b->in.used - 1] = '\0';
			if (!b->skips)
				complain(b, b->number + 1, "line too long",
				    b->in.text);
			b->skips = true;
			b->in.used = 0;
		} else if (b->ended && b->in.used > 0)
			b->in.text[b->in.used++] = '\n';
		else
			return;
	}
}

static void
read_commands(struct batch *b)
{
	ssize_t n = line_read(&b->in);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		log_errno("standard input");
		b->failed = true;
	}
	b->ended = n <= 0;
}

static void
send_commands(struct batch *b)
{
	ssize_t n = send(b->answers.fd, b->send, b->to_send, MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		b->cut = true;	/* what there is of answers says why */
		n = (ssize_t)b->to_send;
	}
	b->to_send -= (size_t)n;
	memmove(b->send, b->send + n, b->to_send);
}

/* False when there will be no more. */
static bool
read_answers(struct batch *b)
{
	char error[CONTROL_ERROR_MAX];
	ssize_t n = line_read(&b->answers), size;
	int more;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n == 0 && b->count == 0 && !b->cut) {
		hang_up(b);	/* it has heard nothing for too long */
		return true;
	}
	if (n <= 0)
		return lose(b, strerror(n == 0 ? ECONNRESET : errno));
	b->deadline = clock_ms() + b->deadline_ms;
	while ((size = line_next(&b->answers)) != -1) {
		more = take_line(b->answers.text, b->out, error);
		if (more != 1 && b->count == 0)
			return lose(b, more == 0 ? "one too many" : error);
		if (more == -1)
			complain(b, b->ring[b->first].number, error,
			    b->ring[b->first].text);
		if (more != 1) {
			b->first = (b->first + 1) % WAITING_MAX;
			b->count--;
		}
		line_drop(&b->answers, (size_t)size);
	}
	fflush(b->out);
	return line_room(&b->answers) > 0 || lose(b, strerror(EMSGSIZE));
}

/*
 * Wait for what can be done next, and do it: answers are read while commands
 * are written, or both sides would wait for each other.
 */
static bool
step(struct batch *b)
{
	bool wants = !b->ended && !b->cut && line_room(&b->in) > 0;
	struct pollfd p[2] = {
		{ .fd = b->answers.fd, .events = POLLIN },
		{ .fd = wants ? b->in.fd : -1, .events = POLLIN },
	};
	long left = b->deadline - clock_ms();
	int n;

	if (b->to_send > 0)
		p[0].events |= POLLOUT;
	n = poll(p, 2, b->count == 0 ? -1 : left > 0 ? (int)left : 0);
	if (n == -1 && errno != EINTR)
		return lose(b, strerror(errno));
	if (n == 0)
		return lose(b, strerror(ETIMEDOUT));
	if (n == -1)
		return true;
	if (p[1].revents != 0)
		read_commands(b);
	if ((p[0].revents & POLLOUT) != 0)
		send_commands(b);
	return (p[0].revents & ~POLLOUT) == 0 || read_answers(b);
}

int
control_ask_all(const char *path, int in, int deadline_ms, FILE *out)
{
	struct batch b = { .path = path, .in.fd = in, .out = out,
	    .deadline_ms = deadline_ms };

	if (call(&b) == -1)
		return -1;
	do {
		if (!b.cut)
			take_commands(&b);
		if (b.count > 0 && b.answers.fd == -1 && call(&b) == -1)
			break;
	} while ((!b.ended || b.in.used > 0 || b.count > 0) && step(&b));
	hang_up(&b);
	return b.failed ? -1 : 0;
}
