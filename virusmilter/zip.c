#include <string.h>

#include "zip.h"

/*
 * The bytes go through two things at once: header, which holds those that may
 * be the beginning of one, and name, which collects those of the last header
 * that was one.  So a header inside the name of another is found as well; a
 * name ends there, and as only one of the two can be true, that is an excess.
 *
 * APPNOTE.TXT 4.3.7 and 4.3.12 have the fields, little-endian.
 */
#define LOCAL_BYTES	30	/* of a header, without the name */
#define CENTRAL_BYTES	46
#define NAME_LIKELY	4096	/* no system has longer ones */

static void
drop_nuls(struct zip *z)
{
	size_t kept = 0;

	for (size_t i = 0; i < z->name_size; i++)
		if (z->name[i] != '\0')
			z->name[kept++] = z->name[i];
	z->name_size = kept;
}

/* Most readers end a name at a NUL; some leave the NULs out. */
static void
take_name(struct zip *z, void (*take)(void *arg, const char *name), void *arg)
{
	z->name[z->name_size] = '\0';
	if (z->name[0] != '\0')
		take(arg, z->name);
	if (memchr(z->name, '\0', z->name_size) != NULL) {
		drop_nuls(z);
		z->name[z->name_size] = '\0';
		if (z->name_size > 0)
			take(arg, z->name);
	}
	z->name_size = 0;
}

/*
 * Room for one byte more, of what is not kept for the end.  What is before a
 * NUL in it is a name that could not be taken later.
 */
static void
make_room(struct zip *z, void (*take)(void *arg, const char *name), void *arg)
{
	size_t dropped = z->name_left < z->name_size ? z->name_left :
	    z->name_size;

	if (memchr(z->name, '\0', z->name_size) != NULL) {
		z->name[z->name_size] = '\0';
		if (z->name[0] != '\0')
			take(arg, z->name);
		drop_nuls(z);
		return;
	}
	z->name_size -= dropped;
	memmove(z->name, z->name + dropped, z->name_size);
}

/* Up to size bytes of a name; the rest is none. */
static void
read_name(struct zip *z, const unsigned char *bytes, size_t size,
    void (*take)(void *arg, const char *name), void *arg)
{
	while (size > 0 && z->name_left > 0) {
		size_t room = sizeof z->name - 1 - z->name_size, n = size;

		if (room == 0) {
			make_room(z, take, arg);
			continue;
		}
		n = n < room ? n : room;
		n = n < z->name_left ? n : z->name_left;
		memcpy(z->name + z->name_size, bytes, n);
		z->name_size += n;
		z->name_left -= n;
		bytes += n;
		size -= n;
		if (z->name_left == 0)
			take_name(z, take, arg);
	}
}

/* --- headers */

static unsigned
number(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* Can the first size bytes be those of a header? */
static bool
is_beginning(const unsigned char *p, size_t size)
{
	return p[0] == 'P' && (size < 2 || p[1] == 'K') &&
	    (size < 3 || p[2] == 1 || p[2] == 3) &&
	    (size < 4 || p[3] == p[2] + 1);
}

/* Those that a program for it exists for. */
static bool
is_method(unsigned method)
{
	return method <= 20 || (method >= 93 && method <= 99);
}

/* The next byte in the header that one can begin with is its first now. */
static void
shift(struct zip *z)
{
	size_t at = 1;

	while (at < z->size && !is_beginning(z->header + at, z->size - at))
		at++;
	z->size -= at;
	memmove(z->header, z->header + at, z->size);
}

/*
 * The last so many bytes of the header are one: is it true?  Only what nobody
 * can do without is looked at, for version, flags and sizes may be wrong and
 * the file come out.  The name begins with the next byte; so far the header's
 * own bytes may have come as those of the name before.
 */
static void
begin_name(struct zip *z, size_t bytes, size_t method_at, size_t size_at,
    void (*take)(void *arg, const char *name), void *arg)
{
	const unsigned char *p = z->header + z->size - bytes;
	size_t size = number(p + size_at);

	if (size == 0 || size > NAME_LIKELY || !is_method(number(p +
	    method_at)))
		return;
	if (z->name_left > 0) {
		z->excess = true;
		if (z->name_size >= bytes)
			z->name_size -= bytes;
		take_name(z, take, arg);
	}
	z->name_left = size;
	if (++z->names > ZIP_NAMES_MAX)
		z->excess = true;
}

static void
read_byte(struct zip *z, unsigned char c,
    void (*take)(void *arg, const char *name), void *arg)
{
	z->header[z->size++] = c;
	if (!is_beginning(z->header, z->size))
		shift(z);
	if (z->size >= LOCAL_BYTES && memcmp(z->header + z->size -
	    LOCAL_BYTES, "PK\3\4", 4) == 0)
		begin_name(z, LOCAL_BYTES, 8, 26, take, arg);
	if (z->size == CENTRAL_BYTES && z->header[2] == 1)
		begin_name(z, CENTRAL_BYTES, 10, 28, take, arg);
	while (z->size >= (z->header[2] == 3 ? LOCAL_BYTES : CENTRAL_BYTES))
		shift(z);
}

/* Where a header may begin, or the end. */
static const unsigned char *
find_beginning(const unsigned char *p, const unsigned char *end)
{
	while ((p = memchr(p, 'P', (size_t)(end - p))) != NULL) {
		if (p + 1 == end || p[1] == 'K')
			return p;
		p++;
	}
	return end;
}

void
zip_read(struct zip *z, const unsigned char *bytes, size_t size,
    void (*take)(void *arg, const char *name), void *arg)
{
	const unsigned char *p = bytes, *end = bytes + size, *next;

	while (p < end && z->names <= ZIP_NAMES_MAX) {
		next = p;
		if (z->size == 0)
			next = find_beginning(p, end);
		if (next > p) {
			read_name(z, p, (size_t)(next - p), take, arg);
			p = next;
		} else {
			read_name(z, p, 1, take, arg);
			read_byte(z, *p++, take, arg);
		}
	}
}
