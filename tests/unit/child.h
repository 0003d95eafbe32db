#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/*
 * child - run a function in a process of its own and see what it leaves: for
 * code that exits, that writes to the terminal, or that may be called only
 * once in a process.  Not for use once there are threads, and no assertion
 * may stand in the function: it would fail in the child.
 */
#define CHILD_TEXT_MAX	(256 * 1024)
#define CHILD_SECONDS	100	/* it may take, before SIGALRM ends it */

struct child {
	int status;			/* of exit(3), or 1000 and the signal */
	char out[CHILD_TEXT_MAX];	/* what it wrote to stdout */
	char err[CHILD_TEXT_MAX];	/* and to stderr */
};

static inline void
child_read(FILE *file, char text[CHILD_TEXT_MAX])
{
	size_t size;

	rewind(file);
	size = fread(text, 1, CHILD_TEXT_MAX - 1, file);
	text[size] = '\0';
	fclose(file);
}

/* cmocka would take a crash for a failed test, and go on in the child. */
static inline void
child_let_crash(void)
{
	static const int signals[] = {
		SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS
	};

	for (size_t i = 0; i < COUNT(signals); i++)
		signal(signals[i], SIG_DFL);
}

/* The status is what run() returns, if it does. */
static inline void
child_run(struct child *c, int (*run)(void *), void *arg)
{
	FILE *out = tmpfile(), *err = tmpfile();
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	fflush(NULL);		/* or the child would write it again */
	if ((pid = fork()) == 0) {
		child_let_crash();
		alarm(CHILD_SECONDS);
		if (dup2(fileno(out), STDOUT_FILENO) == -1 ||
		    dup2(fileno(err), STDERR_FILENO) == -1)
			_exit(111);
		fclose(out);
		fclose(err);
		exit(run(arg));
	}
	assert_true(pid > 0);
	while (waitpid(pid, &c->status, 0) == -1)
		assert_int_equal(errno, EINTR);
	c->status = WIFEXITED(c->status) ? WEXITSTATUS(c->status) :
	    1000 + WTERMSIG(c->status);
	child_read(out, c->out);
	child_read(err, c->err);
}

/* Is the text one whole line with this in it? */
static inline int
child_is_line(const char *text, const char *part)
{
	const char *end = strchr(text, '\n');

	return end != NULL && end[1] == '\0' && strstr(text, part) != NULL;
}

#endif
