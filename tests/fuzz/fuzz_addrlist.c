/*
 * The value of a To field.
 *
 * What is taken is in the form that is promised, and reads as itself.  The
 * case of letters, a comment beside a blank, what stands in other items and in
 * other fields change nothing.  A value of plain letters and marks must be read
 * as the simple way below reads it.
 */
#include <ctype.h>
#include <stdbool.h>

#include "addr.h"
#include "addrlist.h"
#include "fuzz.h"

#define LETTERS		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
			"0123456789"
#define GAPS		" ,;<>"

/* What was taken, each with an LF behind it. */
struct reading {
	struct addrlist list;
	char *text;
	size_t size, count;
	FILE *out;
};

static void
take(void *arg, const char *address)
{
	struct reading *r = arg;

	fprintf(r->out, "%s\n", address);
	r->count++;
}

static void
begin(struct reading *r)
{
	*r = (struct reading){ .list = { .take = take, .arg = r } };
	r->out = open_memstream(&r->text, &r->size);
	CHECK(r->out != NULL);
}

static void
end(struct reading *r)
{
	CHECK(fclose(r->out) == 0);
	CHECK(r->count <= r->list.addresses);
}

static struct reading *
read_value(struct reading *r, const char *value)
{
	begin(r);
	addrlist_read(&r->list, value);
	end(r);
	CHECK(r->list.bytes == strlen(value));
	return r;
}

static void
check_same(const char *value, const struct reading *want)
{
	struct reading r;

	read_value(&r, value);
	CHECK(strcmp(r.text, want->text) == 0);
	CHECK(r.list.addresses == want->list.addresses);
	CHECK(r.list.unknown == want->list.unknown);
	free(r.text);
}

/* --- the form of an address */

static void
check_domain(const char *domain)
{
	size_t size = strlen(domain);

	if (domain[0] == '[')
		CHECK(size > 2 && domain[size - 1] == ']');
	else
		CHECK(size == 0 || addr_is_domain(domain, size, size));
}

/* All of the local part in quotes, each byte with its backslash. */
static void
check_quoted(const char *address, const char *at)
{
	char value[2 * ADDRLIST_ADDRESS_MAX + 4];
	char want[ADDRLIST_ADDRESS_MAX + 1];
	struct reading r;
	char *p = value;

	*p++ = '"';
	for (const char *local = address; local < at; local++) {
		*p++ = '\\';
		*p++ = *local;
	}
	*p++ = '"';
	snprintf(p, (size_t)(value + sizeof value - p), "%s", at);
	snprintf(want, sizeof want, "%s\n", address);
	CHECK(strcmp(read_value(&r, value)->text, want) == 0);
	free(r.text);
}

static void
check_plain(const char *address)
{
	char value[ADDRLIST_ADDRESS_MAX + 8], want[ADDRLIST_ADDRESS_MAX + 1];
	struct reading r;

	snprintf(value, sizeof value, "Joe <%s>", address);
	snprintf(want, sizeof want, "%s\n", address);
	read_value(&r, value);
	CHECK(strcmp(r.text, want) == 0 && !r.list.unknown);
	free(r.text);
}

static void
check_address(void *arg, const char *address)
{
	const char *at = strrchr(address, '@');

	(void)arg;
	CHECK(strlen(address) < ADDRLIST_ADDRESS_MAX);
	CHECK(at != NULL && at > address);
	for (const char *p = address; *p != '\0'; p++)
		CHECK(*p < 'A' || *p > 'Z');
	CHECK(memchr(address + 1, '+', (size_t)(at - address - 1)) == NULL);
	check_domain(at + 1);
	if (at[1] == '\0')
		return;
	check_quoted(address, at);
	if (address[strspn(address, LETTERS "-_.@")] == '\0' &&
	    strchr(address, '@') == at)
		check_plain(address);
}

/* --- what changes nothing */

static void
check_case(const char *value, const struct reading *want)
{
	char *other = strdup(value);

	CHECK(other != NULL);
	for (char *p = other; *p != '\0'; p++)
		if ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'))
			*p ^= 0x20;
	check_same(other, want);
	free(other);
}

/* A comment and a fold beside each blank that is in no quotes or literal. */
static void
check_comments(const char *value, const struct reading *want)
{
	static const char comment[] = " (Joe \\) (Doe))\r\n\t";
	char *other = malloc(strlen(value) * sizeof comment + 1), *out = other;

	CHECK(other != NULL);
	for (; *value != '\0' && strchr("\"[\\", *value) == NULL; value++) {
		if (*value == ' ') {
			memcpy(out, comment, sizeof comment - 1);
			out += sizeof comment - 1;
		} else
			*out++ = *value;
	}
	*out = '\0';
	if (*value == '\0')
		check_same(other, want);
	free(other);
}

/* What can be read is read alike between two other addresses. */
static void
check_between(const char *value, const struct reading *alone)
{
	size_t size = strlen(value) + 40, text_size = alone->size + 40;
	char *other = malloc(size), *want = malloc(text_size);
	struct reading r;

	CHECK(other != NULL && want != NULL);
	snprintf(other, size, "a@b.example,%s,x@y.example", value);
	snprintf(want, text_size, "a@b.example\n%sx@y.example\n", alone->text);
	if (!alone->list.unknown) {
		read_value(&r, other);
		CHECK(strcmp(r.text, want) == 0 && !r.list.unknown);
		free(r.text);
	}
	free(other);
	free(want);
}

/* The next field is read as if there were none before. */
static void
check_fields(const char *value, const struct reading *alone)
{
	struct reading r;

	begin(&r);
	addrlist_read(&r.list, value);
	addrlist_read(&r.list, value);
	end(&r);
	CHECK(r.size == 2 * alone->size);
	CHECK(memcmp(r.text, alone->text, alone->size) == 0);
	CHECK(strcmp(r.text + alone->size, alone->text) == 0);
	CHECK(r.list.addresses == 2 * alone->list.addresses);
	CHECK(r.list.bytes == 2 * strlen(value));
	CHECK(r.list.unknown == alone->list.unknown);
	free(r.text);
}

/* --- the simple way */

/* Letters and gaps; each dot and @ has letters on both sides. */
static bool
is_simple(const char *value)
{
	if (value[strspn(value, LETTERS GAPS ".@")] != '\0')
		return false;
	for (const char *p = value; *p != '\0'; p++)
		if ((*p == '.' || *p == '@') && (p == value || p[1] == '\0' ||
		    strchr(LETTERS, p[-1]) == NULL ||
		    strchr(LETTERS, p[1]) == NULL))
			return false;
	return true;
}

/* Each word with one @ is an address. */
static void
check_simple(const char *value, const struct reading *r)
{
	const char *next = r->text;

	for (size_t size; *value != '\0'; value += size) {
		const char *at;

		value += strspn(value, GAPS);
		size = strcspn(value, GAPS);
		at = memchr(value, '@', size);
		if (at == NULL || size >= ADDRLIST_ADDRESS_MAX ||
		    memchr(at + 1, '@', (size_t)(value + size - at - 1)))
			continue;
		/* Those without a domain are between them. */
		while (*next != '\0' && strcspn(next, "\n") > 0 &&
		    next[strcspn(next, "\n") - 1] == '@')
			next += strcspn(next, "\n") + 1;
		for (size_t i = 0; i < size; i++)
			CHECK(next[i] == tolower((unsigned char)value[i]));
		CHECK(next[size] == '\n');
		next += size + 1;
	}
	for (; *next != '\0'; next += strcspn(next, "\n") + 1)
		CHECK(next[strcspn(next, "\n") - 1] == '@');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *value = fuzz_field(&in);
	struct addrlist list = { .take = check_address };
	struct reading r;

	addrlist_read(&list, value);
	read_value(&r, value);
	check_case(value, &r);
	check_comments(value, &r);
	check_between(value, &r);
	check_fields(value, &r);
	if (is_simple(value))
		check_simple(value, &r);
	free(r.text);
	free(value);
	return 0;
}
