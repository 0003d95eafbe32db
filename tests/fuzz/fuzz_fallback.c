/*
 * A list of records, and a domain that is looked up in it.
 *
 * The input: the domain, NUL, the file.  The table must find what the search
 * line by line finds (which -why prints).  Where the file consists of letters
 * that mean nothing special, it is also read by the simple way below.
 */
#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "fallback.h"
#include "fuzz.h"
#include "spf.h"

#define SIMPLE	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
		"0123456789.*-_:/=?~+ "

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
make_file(void)
{
	char name[] = "/tmp/fuzz_fallback.XXXXXX";

	if (fd != -1)
		return;
	fd = mkstemp(name);
	CHECK(fd != -1 && unlink(name) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
}

static void
write_file(const void *bytes, size_t size)
{
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

static struct fallback *
make_fallback(bool lenient)
{
	struct fallback *f = fallback_new();

	CHECK(f != NULL && fallback_add_file(f, path) == 0);
	if (lenient)
		fallback_lenient(f);
	return f;
}

/* --- the simple way */

/* Two labels or more, or one behind a dot; the last one is no number. */
static bool
is_name(const char *name)
{
	const char *last = strrchr(name, '.');

	if (strcmp(name, "*") == 0)
		return true;
	if (last == NULL || strlen(name) > 200 || strstr(name, "..") != NULL ||
	    strpbrk(name, "*:/=?~+") != NULL || last[1] == '\0')
		return false;
	for (const char *p = name; *p != '\0'; p += p[0] == '.')
		if (strcspn(p, ".") > 60)
			return false;
		else
			p += strcspn(p, ".");
	return last[1 + strspn(last + 1, "0123456789")] != '\0';
}

/* How well does a name fit a domain? */
static size_t
rank(const char *name, const char *domain)
{
	size_t size = strlen(name), whole = strlen(domain);

	if (strcasecmp(name, domain) == 0)
		return 2 + size;
	if (name[0] == '.' && whole > size &&
	    strcasecmp(domain + whole - size, name) == 0)
		return 1 + size;
	return strcmp(name, "*") == 0;
}

/* The record of a simple line that is good, and how well it fits; else 0. */
static size_t
read_simple(const char *line, const char *domain, char *record, size_t room)
{
	const char *begin = line + strspn(line, " "), *rest, *term;
	char name[300];
	size_t size = strcspn(begin, " ");

	if (size >= sizeof name)
		return 0;
	memcpy(name, begin, size);
	name[size] = '\0';
	rest = begin + size + strspn(begin + size, " ");
	if (!is_name(name) || *rest == '\0')
		return 0;
	snprintf(record, room, "%s%s", strncasecmp(rest, "v=", 2) == 0 ? "" :
	    "v=spf1 ", rest);
	for (size = strlen(record); record[size - 1] == ' '; size--)
		record[size - 1] = '\0';
	return spf_bad_record(record, &term, &size) != NULL ? 0 :
	    rank(name, domain);
}

/*
 * Read the file, when all of it is simple, and check what was found; NULL:
 * nothing was.
 */
static void
check_simply(const uint8_t *content, size_t size, const char *domain,
    const char *found)
{
	char *text = malloc(size + 1), *line, *next, record[1200], best[1200];
	size_t longest = 0;

	CHECK(text != NULL);
	if (size > 0)
		memcpy(text, content, size);
	text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		if (text[i] != '\n' && (text[i] == '\0' ||
		    strchr(SIMPLE, text[i]) == NULL)) {
			free(text);
			return;
		}
	for (line = text; line != NULL; line = next) {
		size_t fit;

		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (strlen(line) > 1000) {	/* nor is such a line simple */
			free(text);
			return;
		}
		fit = read_simple(line, domain, record, sizeof record);
		if (fit > longest) {
			longest = fit;
			memcpy(best, record, sizeof best);
		}
	}
	CHECK((longest > 0) == (found != NULL));
	if (found != NULL)
		CHECK(strcmp(best, found) == 0);
	free(text);
}

/* --- against the code */

/* How many lines -why prints. */
static int
explain(struct fallback *f, const char *domain)
{
	char *text;
	size_t size;
	int lines = 0;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	fallback_explain(f, out, domain);
	CHECK(fclose(out) == 0);
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

/* The last value that is printed is the number of bad lines. */
static bool
has_bad_lines(struct fallback *f)
{
	char *text;
	size_t size;
	bool none;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	fallback_stats(out, f);
	CHECK(fclose(out) == 0);
	none = size > 3 && strcmp(text + size - 3, " 0\n") == 0;
	free(text);
	return !none;
}

/* The domain in the other case, and with a dot at its end, is found alike. */
static void
check_variants(struct fallback *f, const char *domain, const char *found)
{
	size_t size = strlen(domain);
	char *other = malloc(size + 2), record[FALLBACK_RECORD_MAX];

	CHECK(other != NULL);
	snprintf(other, size + 2, "%s.", domain);
	for (size_t i = 0; i < size; i++)
		if ((other[i] >= 'a' && other[i] <= 'z') ||
		    (other[i] >= 'A' && other[i] <= 'Z'))
			other[i] ^= 0x20;
	if (size > 0 && domain[size - 1] != '.') {
		CHECK(fallback_find(f, other, record) == (found != NULL));
		if (found != NULL)
			CHECK(strcmp(record, found) == 0);
	}
	free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *domain = fuzz_field(&in), found[FALLBACK_RECORD_MAX],
	    again[FALLBACK_RECORD_MAX];
	struct fallback *f, *strict;
	const char *term, *record;
	size_t term_size;
	bool bad;

	fuzz_catch_log();
	make_file();
	write_file(in.at, in.left);
	f = make_fallback(true);
	strict = make_fallback(false);
	CHECK(fallback_load(f) == 0);
	bad = has_bad_lines(f);
	CHECK(fallback_load(strict) == (bad ? -1 : 0));
	CHECK(fuzz_check_log() == (bad ? 3 : 2));

	record = fallback_find(f, domain, found) ? found : NULL;
	CHECK(explain(f, domain) == (record != NULL ? 1 : 0));
	if (record != NULL)
		CHECK(spf_bad_record(record, &term, &term_size) == NULL);
	if (!bad)
		CHECK(fallback_find(strict, domain, again) == (record != NULL));
	if (!bad && record != NULL)
		CHECK(strcmp(record, again) == 0);
	if (domain[0] != '\0' && domain[0] != '.' && strlen(domain) < 200 &&
	    domain[strlen(domain) - 1] != '.')
		check_simply(in.at, in.left, domain, record);
	check_variants(f, domain, record);

	write_file("", 0);
	if (record != NULL) {
		CHECK(fallback_load(f) == -1);
		CHECK(fallback_find(f, domain, again));
		CHECK(strcmp(record, again) == 0);
		CHECK(fuzz_check_log() == 1);
	}
	fallback_free(f);
	fallback_free(strict);
	free(domain);
	return 0;
}
