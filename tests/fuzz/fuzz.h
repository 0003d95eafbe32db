#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/*
 * fuzz - what the targets share.
 *
 * A target is one LLVMFuzzerTestOneInput(), called with input after input by
 * libFuzzer or by replay.c.  It says with CHECK what must hold for every
 * input; that the code does not crash is the least of it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(3): its message would go to stderr, which is caught below. */
#define CHECK(x)	((x) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #x))

static inline _Noreturn void
fuzz_fail(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

/* --- an input as fields */

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 when there is none. */
static inline unsigned
fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/*
 * The bytes up to the next NUL or the end as a string of exactly its own
 * size, so that the sanitizer sees a read past it.  The caller frees it.
 */
static inline char *
fuzz_field(struct fuzz_input *in)
{
	size_t size = 0;
	char *copy;

	while (size < in->left && in->at[size] != '\0')
		size++;
	copy = malloc(size + 1);
	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, in->at, size);
	copy[size] = '\0';
	in->at += size;
	in->left -= size;
	fuzz_byte(in);
	return copy;
}

/* --- the log */

static char *fuzz_log;
static size_t fuzz_log_size;

/* From now on stderr is memory.  That it can be set is glibc's. */
static inline void
fuzz_catch_log(void)
{
	if (fuzz_log != NULL)
		return;
	stderr = open_memstream(&fuzz_log, &fuzz_log_size);
	CHECK(stderr != NULL);
	fflush(stderr);
}

/*
 * What was logged since the last call is whole lines of printable text, none
 * too long.  Returns their number.  Nobody may be logging.
 */
static inline int
fuzz_check_log(void)
{
	const char *line, *end;
	int lines = 0;

	fflush(stderr);		/* the memory may move */
	line = fuzz_log;
	for (end = line; end < fuzz_log + fuzz_log_size; end++) {
		if (*end == '\n') {
			CHECK(end - line <= LOG_LINE_MAX);
			line = end + 1;
			lines++;
		} else
			CHECK(*end >= ' ' && *end <= '~');
	}
	CHECK(line == end);
	rewind(stderr);
	return lines;
}

#endif
