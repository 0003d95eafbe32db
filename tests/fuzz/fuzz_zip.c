/*
 * A zip, after a byte that says in pieces of what size it comes.
 *
 * The names are the same in one piece and in many; and where no header is
 * inside another or its name, they are those that the simple way finds, which
 * has the whole before it.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "zip.h"

#define TEXT_SIZE	(1 << 18)	/* of all names of an input */

struct names {
	size_t count, size;
	char text[TEXT_SIZE];	/* with a NUL behind each */
};

static struct names whole, pieces, simple;

static void
take(void *arg, const char *name)
{
	struct names *n = arg;
	size_t size = strnlen(name, ZIP_NAME_MAX);

	CHECK(size > 0 && size < ZIP_NAME_MAX);
	n->count++;
	if (size >= sizeof n->text - n->size)
		return;
	memcpy(n->text + n->size, name, size + 1);
	n->size += size + 1;
}

static void
forget(struct names *n)
{
	n->count = n->size = 0;
}

static void
check_same(const struct names *a, const struct names *b)
{
	CHECK(a->count == b->count && a->size == b->size);
	CHECK(memcmp(a->text, b->text, a->size) == 0);
}

/* --- the simple way */

static unsigned
number(const uint8_t *p)
{
	return p[0] + p[1] * 256U;
}

/* The size of the name of a header that ends there; 0: there is none. */
static size_t
name_size(const uint8_t *data, size_t end, const char *magic, size_t size,
    size_t method_at, size_t size_at)
{
	const uint8_t *p = data + end - size;
	unsigned method, bytes;

	if (end < size || memcmp(p, magic, 4) != 0)
		return 0;
	method = number(p + method_at);
	bytes = number(p + size_at);
	return (method > 20 && method < 93) || method > 99 || bytes > 4096 ?
	    0 : bytes;
}

static void
simple_take(const uint8_t *bytes, size_t size)
{
	char name[ZIP_NAME_MAX] = "";
	size_t kept = 0;

	memcpy(name, bytes, size);
	if (name[0] != '\0')
		take(&simple, name);
	if (strlen(name) == size)
		return;
	for (size_t i = 0; i < size; i++)
		if (name[i] != '\0')
			name[kept++] = name[i];
	name[kept] = '\0';
	if (kept > 0)
		take(&simple, name);
}

/* False: this way is too simple. */
static bool
simple_read(const uint8_t *data, size_t size)
{
	size_t until = 0;	/* a name goes on */

	for (size_t end = 1; end <= size; end++) {
		size_t local = name_size(data, end, "PK\3\4", 30, 8, 26),
		    central = name_size(data, end, "PK\1\2", 46, 10, 28),
		    bytes = local + central;

		if (bytes == 0)
			continue;
		if (end < until || bytes >= ZIP_NAME_MAX ||
		    (local > 0 && central > 0))
			return false;
		until = end + bytes;
		if (until <= size)
			simple_take(data + end, bytes);
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t each = 1 + fuzz_byte(&in) % 80;
	struct zip a = { .size = 0 }, b = { .size = 0 };

	forget(&whole);
	forget(&pieces);
	forget(&simple);
	data = in.at;
	size = in.left;
	zip_read(&a, data, size, take, &whole);
	for (size_t at = 0; at < size; at += each)
		zip_read(&b, data + at, size - at < each ? size - at : each,
		    take, &pieces);
	check_same(&whole, &pieces);
	CHECK(a.names == b.names && a.excess == b.excess);
	CHECK(a.name_left == b.name_left && a.name_size == b.name_size);
	CHECK(a.size == b.size && memcmp(a.header, b.header, a.size) == 0);
	if (simple_read(data, size)) {
		check_same(&whole, &simple);
		CHECK(!a.excess);
	}
	return 0;
}
