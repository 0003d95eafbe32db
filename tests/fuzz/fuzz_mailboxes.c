/*
 * A list of envelope addresses, and one that is looked up in it.
 *
 * The input: the address, NUL, the file.  The search of the set must say what
 * the search line by line says (which -why prints).  Where line and address
 * consist of letters that mean nothing special, both must agree with the
 * manual, read by the simple way below.
 */
#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "fuzz.h"
#include "mailboxes.h"

#define SIMPLE	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
		"0123456789.+-@"

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
make_file(void)
{
	char name[] = "/tmp/fuzz_mailboxes.XXXXXX";

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

static struct mailboxes *
make_set(bool lenient)
{
	struct mailboxes *m = mailboxes_new();

	CHECK(m != NULL && mailboxes_add_file(m, path) == 0);
	if (lenient)
		mailboxes_lenient(m);
	return m;
}

/* --- the simple way */

/* Labels with a dot between each two; the last is no number. */
static bool
is_domain(const char *text)
{
	const char *last = strrchr(text, '.');

	last = last != NULL ? last + 1 : text;
	return text[0] != '\0' && text[0] != '.' && last[0] != '\0' &&
	    strstr(text, "..") == NULL && strlen(text) <= 255 &&
	    strpbrk(text, "+@") == NULL &&
	    last[strspn(last, "0123456789")] != '\0';
}

/* Is the local part this one, with or without its detail? */
static bool
is_local(const char *local, size_t size, const char *want, size_t want_size)
{
	const char *plus = size > 1 ? memchr(local + 1, '+', size - 1) : NULL;

	if (size == want_size && strncasecmp(local, want, size) == 0)
		return true;
	return plus != NULL && want_size == (size_t)(plus - local) &&
	    strncasecmp(local, want, want_size) == 0;
}

/* Does a simple line speak of a simple address local@domain? */
static bool
speaks_of(const char *line, const char *address)
{
	const char *at = strchr(line, '@'), *domain = strchr(address, '@');
	size_t local_size = (size_t)(domain - address), size, below;

	domain++;
	if (at != NULL && at[1] == '\0')
		return at > line && is_local(address, local_size, line,
		    (size_t)(at - line));
	if (at != NULL && at > line && !is_local(address, local_size, line,
	    (size_t)(at - line)))
		return false;
	if (at == NULL && line[0] != '.' && strchr(line, '.') == NULL)
		return false;
	below = at == NULL && line[0] == '.';
	line = at != NULL ? at + 1 : line + below;
	if (!is_domain(line))
		return false;
	size = strlen(line);
	if (strcasecmp(line, domain) == 0)
		return true;
	return below && strlen(domain) > size &&
	    domain[strlen(domain) - size - 1] == '.' &&
	    strcasecmp(domain + strlen(domain) - size, line) == 0;
}

/* --- against the code */

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
check_lines(const char *printed, const char *address, const uint8_t *content,
    size_t size)
{
	const uint8_t *p = content, *end = content + size, *lf;
	char line[256];

	if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (size_t number = 1; p < end; p = lf + 1, number++) {
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf != NULL ? lf : end;
		size = (size_t)(lf - p);
		if (size == 0 || size >= sizeof line)
			continue;
		memcpy(line, p, size);
		line[size - (line[size - 1] == '\r')] = '\0';
		if (memchr(p, '\0', size) == NULL && line[0] != '\0' &&
		    line[strspn(line, SIMPLE)] == '\0')
			CHECK(is_printed(printed, number) ==
			    speaks_of(line, address));
	}
}

static bool
is_simple(const char *address)
{
	const char *at = strchr(address, '@');

	return at > address && address[strspn(address, SIMPLE)] == '\0' &&
	    strchr(at + 1, '@') == NULL && strlen(at) < 200 &&
	    is_domain(at + 1);
}

/* The address in brackets and in the other case is found alike. */
static void
check_variants(struct mailboxes *m, const char *address)
{
	size_t size = strlen(address);
	char *other = malloc(size + 3);
	const char *found = mailboxes_find(m, address);

	CHECK(other != NULL);
	snprintf(other, size + 3, "<%s>", address);
	for (size_t i = 0; i < size; i++)
		if (isalpha((unsigned char)address[i]))
			other[i + 1] ^= 0x20;
	if (address[0] != '<')
		CHECK(mailboxes_find(m, other) == found);
	CHECK(mailboxes_find(m, "<>") == NULL);
	free(other);
}

static char *
explain(struct mailboxes *m, const char *address)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	mailboxes_explain(m, out, address);
	CHECK(fclose(out) == 0);
	return text;
}

static bool
has_bad_lines(struct mailboxes *m)
{
	char *text;
	size_t size;
	bool none;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	mailboxes_stats(out, m, NULL, "bad_lines");
	CHECK(fclose(out) == 0);
	none = size > 3 && strcmp(text + size - 3, " 0\n") == 0;
	free(text);
	return !none;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *address = fuzz_field(&in), *printed;
	struct mailboxes *m, *strict;
	const char *found;
	bool had;

	fuzz_catch_log();
	make_file();
	write_file(in.at, in.left);
	m = make_set(true);
	strict = make_set(false);
	CHECK(mailboxes_load(m) == 0);
	CHECK(mailboxes_load(strict) == (has_bad_lines(m) ? -1 : 0));
	CHECK(fuzz_check_log() == (has_bad_lines(m) ? 3 : 2));

	found = mailboxes_find(m, address);
	had = !mailboxes_is_empty(m);
	printed = explain(m, address);
	CHECK(found == NULL || had);
	CHECK((printed[0] != '\0') == (found != NULL));
	if (!has_bad_lines(m))
		CHECK(mailboxes_find(strict, address) == found);
	if (is_simple(address))
		check_lines(printed, address, in.at, in.left);
	check_variants(m, address);

	write_file("", 0);
	CHECK(mailboxes_load(m) == (had ? -1 : 0));
	CHECK(mailboxes_find(m, address) == found);
	CHECK(fuzz_check_log() == 1);
	mailboxes_free(m);
	mailboxes_free(strict);
	free(printed);
	free(address);
	return 0;
}
