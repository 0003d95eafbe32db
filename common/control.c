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
#include <unistd.h>

#include "control.h"
#include "line.h"
#include "log.h"

#define TABLES_MAX	4
#define BACKLOG		64

static struct {
	const struct control_command *row;
	void *arg;
} table[TABLES_MAX];
static int tables;

static int listener = -1;
static const char *listener_path;

/* Who is connected, so that nobody is served any more once we stop. */
static pthread_mutex_t clients_lock = PTHREAD_MUTEX_INITIALIZER;
static int clients[CONTROL_CLIENTS_MAX];	/* descriptors; 0: free */
static bool closed;

int
control_error(struct control_answer *answer, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(answer->error, sizeof answer->error, fmt, ap);
	va_end(ap);
	return -1;
}

bool
control_answers(const char *path)
{
	int fd = line_dial(path);

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
		n = line_read(r);
		if (n == -1 && errno == EINTR)
			continue;	/* we were stopped, and go on */
		if (n <= 0)
			return;
		while ((size = line_next(r)) != -1) {
			if (answer_line(out, r->text, (size_t)size) == -1)
				return;
			line_drop(r, (size_t)size);
		}
		if (line_room(r) == 0) {
			fprintf(out, "error line too long\n");
			return;
		}
	}
}

/* The place of the one holds the other from now on.  False: there is none. */
static bool
swap_client(int old, int new)
{
	int i = 0;

	pthread_mutex_lock(&clients_lock);
	if (old == 0 && closed)
		i = CONTROL_CLIENTS_MAX;
	while (i < CONTROL_CLIENTS_MAX && clients[i] != old)
		i++;
	if (i < CONTROL_CLIENTS_MAX)
		clients[i] = new;
	pthread_mutex_unlock(&clients_lock);
	return i < CONTROL_CLIENTS_MAX;
}

static void *
client_thread(void *arg)
{
	struct line_reader r = { .fd = (int)(intptr_t)arg };
	FILE *out = fdopen(r.fd, "w");

	if (out != NULL) {
		serve(&r, out);
		fflush(out);
	}
	swap_client(r.fd, 0);
	if (out != NULL)
		fclose(out);
	else
		close(r.fd);
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

	if (!swap_client(0, fd) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle) == -1 ||
	    pthread_create(&thread, NULL, client_thread, (void *)(intptr_t)fd)
	    != 0) {
		swap_client(fd, 0);
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

	if (line_address(&sa, path) == -1 || clear_path(path) == -1 ||
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

	closed = false;
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
	pthread_mutex_lock(&clients_lock);
	closed = true;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (clients[i] != 0)
			shutdown(clients[i], SHUT_RDWR);
	pthread_mutex_unlock(&clients_lock);
}
