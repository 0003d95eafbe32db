#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "log.h"

#define TABLES_MAX	4
#define BACKLOG		64
#define BUFFER_SIZE	8192	/* a data line may hold a whole path */

static struct {
	const struct control_command *row;
	void *arg;
} table[TABLES_MAX];
static int tables;

static int listener = -1;
static const char *listener_path;
static atomic_int clients;

/* A connection and what has been read of it, on either side. */
struct line_reader {
	int fd;
	size_t used;
	char text[BUFFER_SIZE];
};

int
control_error(struct control_answer *answer, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(answer->error, sizeof answer->error, fmt, ap);
	va_end(ap);
	return -1;
}

static int
make_address(struct sockaddr_un *sa, const char *path)
{
	size_t size = strlen(path);

	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	if (size >= sizeof sa->sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa->sun_path, path, size + 1);
	return 0;
}

/* A connection, not blocking; -1 with errno. */
static int
dial(const char *path)
{
	struct sockaddr_un sa;
	int fd;

	if (make_address(&sa, path) == -1 ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

bool
control_answers(const char *path)
{
	int fd = dial(path);

	if (fd == -1)
		return errno == EAGAIN || errno == EINPROGRESS;	/* just busy */
	close(fd);
	return true;
}

void
control_add(const struct control_command *row, void *arg)
{
	if (tables == TABLES_MAX) {
		log_error("control: too many tables, %s is left out",
		    row->name);
		return;
	}
	table[tables].row = row;
	table[tables++].arg = arg;
}

/*
 * Take the next line from what was read: returns its size without the LF, -1
 * when there is no whole one.  The line stays valid until drop_line().
 */
static ssize_t
next_line(struct line_reader *r)
{
	char *end = memchr(r->text, '\n', r->used);

	if (end == NULL)
		return -1;
	*end = '\0';
	return end - r->text;
}

static void
drop_line(struct line_reader *r, size_t size)
{
	r->used -= size + 1;
	memmove(r->text, r->text + size + 1, r->used);
}

static size_t
room(const struct line_reader *r)
{
	return sizeof r->text - r->used;
}

/* Words are cut out of the line; the last of max takes what is left. */
static int
split(char *line, char **argv, int max)
{
	int argc = 0;

	while (argc < max) {
		line += strspn(line, " \t");
		if (*line == '\0')
			break;
		argv[argc++] = line;
		if (argc == max)
			break;
		line += strcspn(line, " \t");
		if (*line != '\0')
			*line++ = '\0';
	}
	if (argc > 0) {		/* no blanks behind the last one */
		size_t n = strlen(argv[argc - 1]);

		while (n > 0 && strchr(" \t", argv[argc - 1][n - 1]) != NULL)
			argv[argc - 1][--n] = '\0';
	}
	return argc;
}

static void
help(FILE *out)
{
	fprintf(out, "help\n\tthese lines\n");
	for (int t = 0; t < tables; t++)
		for (const struct control_command *c = table[t].row;
		    c->name != NULL; c++)
			fprintf(out, "%s%s%s\n\t%s\n", c->name,
			    c->words[0] != '\0' ? " " : "", c->words, c->help);
}

static const struct control_command *
find_command(const char *name, size_t size, void **arg)
{
	for (int t = 0; t < tables; t++) {
		*arg = table[t].arg;
		for (const struct control_command *c = table[t].row;
		    c->name != NULL; c++)
			if (strlen(c->name) == size &&
			    strncmp(c->name, name, size) == 0)
				return c;
	}
	return NULL;
}

/* Run the command in line; 0, or -1 with the answer's error set. */
static int
run(struct control_answer *answer, char *line)
{
	const struct control_command *c;
	char *argv[CONTROL_ARGS_MAX + 1];
	size_t size;
	void *arg;
	int argc;

	line += strspn(line, " \t");
	size = strcspn(line, " \t");
	if (size == 4 && strncmp(line, "help", size) == 0) {
		help(answer->out);
		return 0;
	}
	if ((c = find_command(line, size, &arg)) == NULL)
		return control_error(answer, "no such command, try help");
	argc = split(line, argv, c->max == 0 ? 2 : 1 + c->max);
	if (argc < 1 + c->min || argc > 1 + c->max)
		return control_error(answer, "usage: %s %s", c->name, c->words);
	argv[argc] = NULL;
	return c->run(answer, argc, argv, arg);
}

/* Returns -1 when the client does not take its answer. */
static int
answer_line(FILE *out, char *line, size_t size)
{
	struct control_answer answer = { .out = out };

	if (size > 0 && line[size - 1] == '\r')
		line[--size] = '\0';
	if (size > CONTROL_LINE_MAX)
		control_error(&answer, "line too long");
	else if (strlen(line) != size)
		control_error(&answer, "NUL in the command");
	else if (run(&answer, line) == 0) {
		fprintf(out, "ok\n");
		return fflush(out) == EOF ? -1 : 0;
	}
	for (char *p = answer.error; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	fprintf(out, "error %s\n", answer.error);
	return fflush(out) == EOF ? -1 : 0;
}

static void
serve(struct line_reader *r, FILE *out)
{
	ssize_t n, size;

	for (;;) {
		n = read(r->fd, r->text + r->used, room(r));
		if (n == -1 && errno == EINTR)
			continue;	/* we were stopped, and go on */
		if (n <= 0)
			return;
		r->used += (size_t)n;
		while ((size = next_line(r)) != -1) {
			if (answer_line(out, r->text, (size_t)size) == -1)
				return;
			drop_line(r, (size_t)size);
		}
		if (room(r) == 0) {
			fprintf(out, "error line too long\n");
			return;
		}
	}
}

static void *
client_thread(void *arg)
{
	struct line_reader r = { .fd = (int)(intptr_t)arg };
	FILE *out = fdopen(r.fd, "w");

	if (out != NULL) {
		serve(&r, out);
		fclose(out);
	} else
		close(r.fd);
	atomic_fetch_sub(&clients, 1);
	return NULL;
}

static void
turn_away(int fd)
{
	static const char busy[] = "error too many clients, come back\n";

	if (write(fd, busy, sizeof busy - 1) == -1)
		log_debug("control: a client left before it was turned away");
	close(fd);
}

static void
start_client(int fd)
{
	const struct timeval idle = { .tv_sec = CONTROL_IDLE_SECONDS };
	pthread_t thread;

	if (atomic_fetch_add(&clients, 1) >= CONTROL_CLIENTS_MAX ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle) == -1 ||
	    pthread_create(&thread, NULL, client_thread, (void *)(intptr_t)fd)
	    != 0) {
		atomic_fetch_sub(&clients, 1);
		turn_away(fd);
		return;
	}
	pthread_detach(thread);
}

static void *
listen_thread(void *arg)
{
	static struct log_limit failed;
	int fd;

	(void)arg;
	for (;;) {
		if ((fd = accept(listener, NULL, NULL)) != -1) {
			start_client(fd);
			continue;
		}
		if (errno != EINTR && log_due(&failed))
			log_errno("control: accept");
		poll(NULL, 0, 100);	/* no descriptors: do not spin */
	}
	return NULL;
}

/* Only a socket that nobody answers on may be replaced. */
static int
clear_path(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return -1;
	errno = EADDRINUSE;
	return control_answers(path) ? -1 : unlink(path);
}

static int
bind_path(const char *path, mode_t mode)
{
	struct sockaddr_un sa;
	mode_t old;
	int fd, bound;

	if (make_address(&sa, path) == -1 || clear_path(path) == -1 ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	old = umask(0777);		/* nobody can connect before chmod */
	bound = bind(fd, (struct sockaddr *)&sa, sizeof sa);
	umask(old);
	if (bound == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    listen(fd, BACKLOG) == -1 || chmod(path, mode) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
control_open(const char *path, mode_t mode)
{
	pthread_t thread;

	if ((listener = bind_path(path, mode)) == -1) {
		log_errno("control socket %s", path);
		return -1;
	}
	listener_path = path;
	if (pthread_create(&thread, NULL, listen_thread, NULL) != 0) {
		log_error("cannot start the control thread");
		control_close();
		return -1;
	}
	pthread_detach(thread);
	return 0;
}

void
control_close(void)
{
	if (listener_path != NULL)
		unlink(listener_path);
	listener_path = NULL;
}

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
		if (wait_for(fd, POLLOUT, deadline) == -1)
			return -1;
		n = send(fd, line + sent, size - sent, MSG_NOSIGNAL);
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			return 0;	/* turned away: the answer says why */
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return -1;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* 1: go on; 0: ok; -1: error, its text in error. */
static int
take_line(const char *line, FILE *out, char error[CONTROL_ERROR_MAX])
{
	if (strcmp(line, "ok") == 0)
		return 0;
	if (strncmp(line, "error ", 6) == 0) {
		snprintf(error, CONTROL_ERROR_MAX, "%.*s",
		    CONTROL_ERROR_MAX - 1, line + 6);
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
		n = read(fd, r.text + r.used, room(&r));
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		errno = n == 0 ? ECONNRESET : errno;
		if (n <= 0)
			break;
		r.used += (size_t)n;
		while ((size = next_line(&r)) != -1) {
			more = take_line(r.text, out, error);
			if (more != 1)
				return more;
			drop_line(&r, (size_t)size);
		}
		errno = EMSGSIZE;
		if (room(&r) == 0)
			break;
	}
	snprintf(error, CONTROL_ERROR_MAX, "no answer: %s", strerror(errno));
	return -1;
}

int
control_ask(const char *path, const char *command, int deadline_ms,
    FILE *out, char error[CONTROL_ERROR_MAX])
{
	long deadline = clock_ms() + deadline_ms;
	int fd, result;

	if (strchr(command, '\n') != NULL ||
	    strlen(command) > CONTROL_LINE_MAX) {
		snprintf(error, CONTROL_ERROR_MAX,
		    "a command is one line of at most %d bytes",
		    CONTROL_LINE_MAX);
		return -1;
	}
	if ((fd = dial(path)) == -1) {
		snprintf(error, CONTROL_ERROR_MAX, "%.100s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (send_command(fd, command, deadline) == -1) {
		snprintf(error, CONTROL_ERROR_MAX, "%.100s: %s", path,
		    strerror(errno));
		result = -1;
	} else
		result = read_answer(fd, deadline, out, error);
	close(fd);
	return result;
}
