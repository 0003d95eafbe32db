/*
 * Files of patterns, and the names they fit.
 *
 * The input: a name, NUL, the file.  What fits is printed for -why; and where a
 * line means nothing but letters, * and ?, the simple way below must agree.
 */
#include <ctype.h>
#include <stdbool.h>

#include "fuzz.h"
#include "globs.h"

#define SIMPLE	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
		"0123456789.-_/:+*?"
#define WORD_MAX	100

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
write_file(const void *bytes, size_t size)
{
	char name[] = "/tmp/fuzz_globs.XXXXXX";

	if (fd == -1) {
		fd = mkstemp(name);
		CHECK(fd != -1 && unlink(name) == 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

static struct globs *
make(bool lenient)
{
	struct globs *g = globs_new();

	CHECK(g != NULL && globs_add_file(g, path) == 0);
	if (lenient)
		globs_lenient(g);
	return g;
}

static char *
explain(struct globs *g, const char *name)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	globs_explain(g, out, name);
	CHECK(fclose(out) == 0);
	for (const char *p = text; p < text + size; p++)
		CHECK(*p == '\n' || (*p >= ' ' && *p <= '~'));
	return text;
}

/* The last value that is printed is the number of bad lines. */
static bool
has_bad_lines(struct globs *g)
{
	char *text;
	size_t size;
	bool none;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	globs_stats(out, g, "entries", "bad_lines");
	CHECK(fclose(out) == 0);
	none = size > 3 && strcmp(text + size - 3, " 0\n") == 0;
	free(text);
	return !none;
}

/* --- the simple way: which of the ends of the name fit an end of it */

static bool
fits(const char *pattern, const char *name)
{
	size_t size = strlen(name);
	static bool ends[WORD_MAX + 1];

	for (size_t i = 0; i <= size; i++)
		ends[i] = i == size;
	for (size_t p = strlen(pattern); p > 0; p--) {
		char c = pattern[p - 1];
		bool any = false;

		/* From the end on: of * all that is before one that fits. */
		for (size_t i = size + 1; i-- > 0 && c == '*'; )
			ends[i] = any |= ends[i];
		for (size_t i = 0; i <= size && c != '*'; i++)
			ends[i] = i < size && ends[i + 1] && (c == '?' ||
			    tolower((unsigned char)name[i]) ==
			    tolower((unsigned char)c));
	}
	return ends[0];
}

/* Is the line with this number printed? */
static bool
is_printed(const char *printed, size_t number)
{
	char begin[64];
	const char *p = printed;

	snprintf(begin, sizeof begin, "%s:%zu: ", path, number);
	while (p != NULL && strncmp(p, begin, strlen(begin)) != 0)
		if ((p = strchr(p, '\n')) != NULL)
			p++;
	return p != NULL;
}

static void
check_lines(const char *printed, const char *name, const uint8_t *content,
    size_t size)
{
	const uint8_t *p = content, *end = content + size, *lf;
	char line[WORD_MAX + 1];

	if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (size_t number = 1; p < end; p = lf + 1, number++) {
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf != NULL ? lf : end;
		size = (size_t)(lf - p);
		if (size == 0 || size > WORD_MAX)
			continue;
		memcpy(line, p, size);
		line[size - (line[size - 1] == '\r')] = '\0';
		line[size] = '\0';
		if (line[0] != '\0' && strlen(line) >= size - 1 &&
		    line[strspn(line, SIMPLE)] == '\0' &&
		    memchr(p, '\0', size) == NULL)
			CHECK(is_printed(printed, number) ==
			    fits(line, name));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *name = fuzz_field(&in), *printed;
	struct globs *g, *strict;
	bool bad, found;

	/* What is compared is no longer than a line. */
	if (strlen(name) > GLOBS_LINE_MAX)
		name[GLOBS_LINE_MAX] = '\0';
	fuzz_catch_log();
	write_file(in.at, in.left);
	g = make(true);
	strict = make(false);
	CHECK(!globs_match(g, name));
	CHECK(globs_load(g) == 0);
	bad = has_bad_lines(g);
	CHECK(globs_load(strict) == (bad ? -1 : 0));
	CHECK(fuzz_check_log() == (bad ? 3 : 2));

	found = globs_match(g, name);
	printed = explain(g, name);
	CHECK(found == (printed[0] != '\0'));
	CHECK(globs_match(strict, name) == (found && !bad));
	if (strlen(name) <= WORD_MAX)
		check_lines(printed, name, in.at, in.left);
	free(printed);

	write_file("", 0);
	CHECK(!found || globs_load(g) == -1);
	CHECK(globs_match(g, name) == found);
	fuzz_check_log();
	globs_free(g);
	globs_free(strict);
	free(name);
	return 0;
}
