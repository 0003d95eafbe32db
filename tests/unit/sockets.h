#ifndef TESTS_UNIT_SOCKETS_H
#define TESTS_UNIT_SOCKETS_H

#include <sys/socket.h>
#include <sys/un.h>

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "unit.h"

/*
 * sockets - a folder with control sockets in it, and asking at one of them.
 *
 *	sockets_begin();
 *	return sockets_end(RUN(tests));
 */
#define DEADLINE_MS	20000	/* for what must not take long */
#define ANSWER_MAX	20000	/* bytes of an answer that is not big */

static char folder[64], path[96];	/* path is where ask() asks */
static char answer[ANSWER_MAX + 1];

static inline long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void
rest_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static inline void
make_address(struct sockaddr_un *sa, const char *name)
{
	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof sa->sun_path, "%s", name);
}

static inline void
make_path(char out[96], const char *name)
{
	snprintf(out, 96, "%s/%s", folder, name);
}

/* A socket that listens, or was left behind when answers is false. */
static inline int
make_socket(const char *name, bool answers)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	make_address(&sa, name);
	assert_true(fd != -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 4), 0);
	if (!answers)
		close(fd);
	return fd;
}

static inline void
make_file(const char *name)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs("mine", file);
	assert_int_equal(fclose(file), 0);
}

/* A server that went away in the middle is no fault of the test. */
static inline void
send_bytes(int fd, const char *bytes, size_t size)
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
send_text(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

/* The answer to one command as control_ask() sees it, the last line too. */
static inline void
ask_within(const char *command, int deadline_ms)
{
	char error[CONTROL_ERROR_MAX] = "", *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int asked;

	assert_non_null(out);
	asked = control_ask(path, command, deadline_ms, out, error);
	assert_int_equal(fclose(out), 0);
	snprintf(answer, ANSWER_MAX, "%s%s%s", text, asked == 0 ? "ok" :
	    "error ", asked == 0 ? "" : error);
	free(text);
	CHECK(asked == 0 || asked == -1, "%s: %d", command, asked);
}

static inline void
ask(const char *command)
{
	ask_within(command, DEADLINE_MS);
}

static inline void
sockets_begin(void)
{
	signal(SIGPIPE, SIG_IGN);	/* as a daemon does */
	snprintf(folder, sizeof folder, "/tmp/sockets.XXXXXX");
	if (mkdtemp(folder) == NULL) {
		perror(folder);
		exit(1);
	}
}

/* There are files in the folder, and folders that are empty. */
static inline int
sockets_end(int failed)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	if (dir == NULL || chdir(folder) == -1)
		return 1;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			remove(entry->d_name);
	closedir(dir);
	return rmdir(folder) == -1 || failed;
}

#endif
