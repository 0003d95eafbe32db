/*
 * Files of aliases, and whom an address stands for.
 *
 * The input: the address, NUL, a recipient, NUL, the file.  The table must say
 * what the search line by line says (which -why prints).  Where a line, the
 * address and the recipient consist of letters that mean nothing special, both
 * must agree with the manual, read by the simple way below.
 */
#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "addrlist.h"
#include "alias.h"
#include "fuzz.h"

#define SIMPLE	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
		"0123456789.-@ "
#define FOUND_MAX	2000	/* more than an input has words */

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
make_file(void)
{
	char name[] = "/tmp/fuzz_alias.XXXXXX";

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

static struct alias *
make_alias(bool lenient)
{
	struct alias *a = alias_new();

	CHECK(a != NULL && alias_add_file(a, path) == 0);
	if (lenient)
		alias_lenient(a);
	return a;
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
	    last[strspn(last, "0123456789")] != '\0';
}

/* One @ with something before it and a domain behind it. */
static bool
is_address(const char *word)
{
	const char *at = strchr(word, '@');

	return at != NULL && at > word && strchr(at + 1, '@') == NULL &&
	    is_domain(at + 1);
}

/* The domain in a word that is one, or NULL. */
static const char *
domain_of(const char *word)
{
	const char *domain = word + (word[0] == '@' || word[0] == '.');

	if (strchr(domain, '@') != NULL || !is_domain(domain))
		return NULL;
	return domain > word || strchr(word, '.') != NULL ? domain : NULL;
}

static bool
key_fits(const char *key, const char *address)
{
	const char *domain = domain_of(key), *own = strchr(address, '@') + 1;
	size_t size, whole = strlen(own);

	if (domain == NULL)
		return strcasecmp(key, address) == 0;
	size = strlen(domain);
	if (strcasecmp(domain, own) == 0)
		return true;
	return key[0] == '.' && whole > size && own[whole - size - 1] == '.' &&
	    strcasecmp(own + whole - size, domain) == 0;
}

static bool
word_fits(const char *word, const char *address, const char *recipient)
{
	const char *domain = domain_of(word);
	size_t local = (size_t)(strchr(address, '@') - address);

	if (domain == NULL)
		return strcasecmp(word, recipient) == 0;
	return strlen(recipient) > local && recipient[local] == '@' &&
	    strncasecmp(address, recipient, local) == 0 &&
	    strcasecmp(recipient + local + 1, domain) == 0;
}

/* Does a simple line say that this address stands for this recipient? */
static bool
says_so(char *line, const char *address, const char *recipient)
{
	char *rest = line, *word, *key = NULL;
	bool fits = false;
	int words = 0;

	while ((word = strsep(&rest, " ")) != NULL) {
		if (word[0] == '\0')
			continue;
		if (!is_address(word) && domain_of(word) == NULL)
			return false;
		if (words++ == 0) {
			key = word;
			continue;
		}
		if (word[0] == '.' && !is_address(word))
			return false;
		if (is_address(key) && !is_address(word))
			return false;
		fits |= word_fits(word, address, recipient);
	}
	return words > 0 && key_fits(key, address) && (words == 1 || fits);
}

/* --- against the code */

struct found {
	char *who[FOUND_MAX];	/* NULL: everybody */
	size_t count;
};

static void
take(void *arg, const char *recipient)
{
	struct found *f = arg;

	CHECK(f->count < FOUND_MAX);
	f->who[f->count] = recipient != NULL ? strdup(recipient) : NULL;
	CHECK((f->who[f->count] == NULL) == (recipient == NULL));
	CHECK(recipient == NULL || strlen(recipient) < ADDRLIST_ADDRESS_MAX);
	f->count++;
}

static void
find(struct found *f, struct alias *a, const char *address)
{
	f->count = 0;
	alias_find(a, address, take, f);
}

static void
forget(struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->who[i]);
}

static bool
has(const struct found *f, const char *recipient)
{
	size_t size = strlen(recipient);

	for (size_t i = 0; i < f->count; i++) {
		const char *who = f->who[i], *at;

		if (who == NULL || strcmp(who, recipient) == 0)
			return true;
		at = strrchr(who, '@');
		if (size > 0 && recipient[size - 1] == '@' &&
		    at + 1 == who + size && memcmp(who, recipient, size) == 0)
			return true;
	}
	return false;
}

static char *
explain(struct alias *a, const char *address, const char *recipient)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	alias_explain(a, out, address, recipient);
	CHECK(fclose(out) == 0);
	return text;
}

/* What was found is found line by line, too. */
static void
check_found(struct alias *a, const struct found *f, const char *address)
{
	for (size_t i = 0; i < f->count && i < 20; i++) {
		char *text = explain(a, address, f->who[i] != NULL ?
		    f->who[i] : "nobody@example.org");

		CHECK(text[0] != '\0');
		free(text);
	}
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
check_lines(const char *printed, const char *address, const char *recipient,
    const uint8_t *content, size_t size)
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
		if (memchr(p, '\0', size) == NULL &&
		    line[strspn(line, SIMPLE)] == '\0')
			CHECK(is_printed(printed, number) ==
			    says_so(line, address, recipient));
	}
}

static bool
is_simple(const char *address)
{
	return address[strspn(address, SIMPLE)] == '\0' &&
	    strchr(address, ' ') == NULL && strlen(address) < 200 &&
	    is_address(address);
}

/* The last value that is printed is the number of bad lines. */
static bool
has_bad_lines(struct alias *a)
{
	char *text;
	size_t size;
	bool none;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL);
	alias_stats(out, a);
	CHECK(fclose(out) == 0);
	none = size > 3 && strcmp(text + size - 3, " 0\n") == 0;
	free(text);
	return !none;
}

static void
keep_first(void *arg, const char *address)
{
	char **first = arg;

	if (*first == NULL)
		*first = strdup(address);
}

/* The first address of a field as addrlist gives it; or the field. */
static char *
address_field(struct fuzz_input *in)
{
	char *field = fuzz_field(in), *first = NULL;
	struct addrlist list = { .take = keep_first, .arg = &first };

	addrlist_read(&list, field);
	if (first == NULL)
		return field;
	free(field);
	return first;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found found, again;
	struct fuzz_input in = { data, size };
	char *address = address_field(&in), *recipient = address_field(&in),
	    *printed;
	struct alias *a, *strict;
	bool bad;

	fuzz_catch_log();
	make_file();
	write_file(in.at, in.left);
	a = make_alias(true);
	strict = make_alias(false);
	CHECK(alias_load(a) == 0);
	bad = has_bad_lines(a);
	CHECK(alias_load(strict) == (bad ? -1 : 0));
	CHECK(fuzz_check_log() == (bad ? 3 : 2));

	find(&found, a, address);
	printed = explain(a, address, recipient);
	CHECK((printed[0] != '\0') == has(&found, recipient));
	check_found(a, &found, address);
	if (is_simple(address) && is_simple(recipient))
		check_lines(printed, address, recipient, in.at, in.left);
	find(&again, strict, address);
	CHECK(again.count == (bad ? 0 : found.count));
	forget(&again);

	write_file("", 0);
	CHECK(found.count == 0 || alias_load(a) == -1);
	find(&again, a, address);
	CHECK(again.count == found.count);
	fuzz_check_log();
	forget(&again);
	forget(&found);
	alias_free(a);
	alias_free(strict);
	free(printed);
	free(address);
	free(recipient);
	return 0;
}
