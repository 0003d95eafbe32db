#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <sys/stat.h>
#include <sys/types.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/*
 * scratch - a folder for the files of one test program, and what it logs.
 *
 * What is written to stderr is kept aside, to be looked at by the tests and to
 * be shown at the end if one of them failed.
 *
 *	scratch_begin();
 *	return scratch_end(RUN(tests));
 */
#define SCRATCH_PATH_MAX	128
#define SCRATCH_LOG_MAX		65536	/* bytes looked at, at a time */

static char scratch[SCRATCH_PATH_MAX];	/* the folder */
static FILE *scratch_log;
static off_t scratch_seen;		/* of the log, by the test */
static int scratch_stderr;		/* the one we came with */

/* Reports of a sanitizer still go to the terminal, if there is one. */
void __sanitizer_set_report_fd(void *) __attribute__((weak));

/* The whole log, to the terminal; may be called by a signal handler. */
static inline void
scratch_show(void)
{
	char text[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fileno(scratch_log), text, sizeof text, at)) > 0 &&
	    write(scratch_stderr, text, (size_t)n) == n)
		at += n;
}

static inline void
scratch_abort(int sig)
{
	scratch_show();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Before there are threads. */
static inline void
scratch_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(scratch, sizeof scratch, "%.60s/unit-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(scratch) == NULL || (scratch_log = tmpfile()) == NULL ||
	    (scratch_stderr = dup(STDERR_FILENO)) == -1) {
		perror(scratch);
		exit(1);
	}
	if (__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)scratch_stderr);
	fcntl(fileno(scratch_log), F_SETFL, O_APPEND);
	dup2(fileno(scratch_log), STDERR_FILENO);
	signal(SIGABRT, scratch_abort);	/* somebody said why */
}

static inline void
scratch_remove(int at, const char *name)
{
	const struct dirent *entry;
	DIR *dir;
	int fd;

	if (unlinkat(at, name, 0) == 0)
		return;
	if ((fd = openat(at, name, O_RDONLY | O_DIRECTORY)) == -1 ||
	    (dir = fdopendir(fd)) == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			scratch_remove(fd, entry->d_name);
	closedir(dir);
	unlinkat(at, name, AT_REMOVEDIR);
}

/* Returns status. */
static inline int
scratch_end(int status)
{
	if (status != 0)
		scratch_show();
	dup2(scratch_stderr, STDERR_FILENO);
	fclose(scratch_log);
	scratch_remove(AT_FDCWD, scratch);
	return status;
}

/* What was logged since the last call. */
static inline const char *
scratch_logged(void)
{
	static char text[SCRATCH_LOG_MAX];
	ssize_t size = pread(fileno(scratch_log), text, sizeof text - 1,
	    scratch_seen);

	assert_true(size >= 0);
	text[size] = '\0';
	scratch_seen += size;
	return text;
}

/* The path of a file of this name; returns out. */
static inline const char *
scratch_path(char out[SCRATCH_PATH_MAX], const char *name)
{
	assert_true(snprintf(out, SCRATCH_PATH_MAX, "%s/%s", scratch, name) <
	    SCRATCH_PATH_MAX);
	return out;
}

/* Make the file, or write it anew in place. */
static inline void
scratch_write(const char *path, const void *text, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* How many lines. */
static inline int
scratch_lines(const char *text)
{
	int lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

#endif
