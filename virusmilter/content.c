#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "content.h"

static uint32_t
little(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static uint32_t
big(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

/*
 * A control character that texts do not have.  What is beyond ASCII is text:
 * "MZ" may be followed by Cyrillic letters.
 */
static bool
is_control(unsigned char c)
{
	return (c < ' ' && (c < '\a' || c > '\r') && c != 0x1a &&
	    c != 0x1b) || c == 0x7f;
}

/*
 * The header of DOS is 28 bytes, and that of Windows 64 with the place of the
 * next header at their end.  Packers put code and names into fields that nobody
 * reads, so only those are looked at that must make sense: the place of a next
 * header, or else what DOS loads by.
 */
static bool
is_dos(const unsigned char *p, size_t size)
{
	bool control = false;
	uint32_t next;

	for (size_t i = 2; i < size; i++)
		control |= is_control(p[i]);
	if (!control || size < CONTENT_BYTES)
		return control;
	next = little(p + 60);
	return (next >= 4 && next < 1 << 24) ||
	    ((little(p + 2) & 0xffff) < 512 &&	/* bytes of the last page */
	    (little(p + 2) >> 16) > 0 &&	/* pages */
	    (little(p + 8) & 0xffff) >= 2 &&	/* 16 bytes each of header */
	    (little(p + 8) & 0xffff) < 4096);
}

/* Class, order of bytes, version. */
static bool
is_elf(const unsigned char *p, size_t size)
{
	return size >= 7 && (p[4] == 1 || p[4] == 2) &&
	    (p[5] == 1 || p[5] == 2) && p[6] == 1;
}

/* The processor and the kind of file are small numbers. */
static bool
is_macho(const unsigned char *p, size_t size)
{
	uint32_t (*number)(const unsigned char *) = p[0] == 0xfe ? big : little;

	return size >= 16 && (number(p + 4) & 0xfcffff00) == 0 &&
	    number(p + 12) >= 1 && number(p + 12) <= 32;
}

/*
 * Programs for several processors and classes of Java begin alike; how many
 * processors there are is less than the first version of Java was.
 */
#define JAVA_MIN	45
#define JAVA_MAX	200	/* 65 in 2023, and two a year */

static bool
is_fat(const unsigned char *p, size_t size)
{
	return size >= 8 && big(p + 4) >= 1 && big(p + 4) < JAVA_MIN;
}

static bool
is_java(const unsigned char *p, size_t size)
{
	uint32_t major = size >= 8 ? big(p + 4) & 0xffff : 0;

	return major >= JAVA_MIN && major <= JAVA_MAX;
}

/* The version, which is 2 to 4. */
static bool
is_chm(const unsigned char *p, size_t size)
{
	return size >= 8 && little(p + 4) >= 1 && little(p + 4) < 16;
}

/* "035" and its successors, and NUL. */
static bool
is_dex(const unsigned char *p, size_t size)
{
	return size >= 8 && p[4] == '0' && p[7] == '\0';
}

/* A script that screnc has made unreadable: the size in base64 follows. */
static bool
is_encoded_script(const unsigned char *p, size_t size)
{
	return size >= 12 && memcmp(p + 10, "==", 2) == 0;
}

static bool
is_certain(const unsigned char *p, size_t size)
{
	(void)p;
	(void)size;
	return true;
}

/*
 * Not here: scripts that begin with #!, for sources are sent every day, and
 * what Office, PDF and the like can hold.
 */
const char *
content_program(const unsigned char *first, size_t size)
{
	static const struct {
		const char *kind, *magic;
		size_t size;
		bool (*is)(const unsigned char *, size_t);
	} kinds[] = {
		{ "MZ", "MZ", 2, is_dos },
		{ "ELF", "\x7f" "ELF", 4, is_elf },
		{ "Mach-O", "\xfe\xed\xfa\xce", 4, is_macho },
		{ "Mach-O", "\xfe\xed\xfa\xcf", 4, is_macho },
		{ "Mach-O", "\xce\xfa\xed\xfe", 4, is_macho },
		{ "Mach-O", "\xcf\xfa\xed\xfe", 4, is_macho },
		{ "Mach-O", "\xca\xfe\xba\xbe", 4, is_fat },
		{ "Mach-O", "\xca\xfe\xba\xbf", 4, is_fat },
		{ "Java", "\xca\xfe\xba\xbe", 4, is_java },
		{ "LNK", "L\0\0\0\x01\x14\x02\0", 8, is_certain },
		{ "CHM", "ITSF", 4, is_chm },
		{ "DEX", "dex\n", 4, is_dex },
		{ "Script", "#@~^", 4, is_encoded_script },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (size >= kinds[i].size && memcmp(first, kinds[i].magic,
		    kinds[i].size) == 0 && kinds[i].is(first, size))
			return kinds[i].kind;
	return NULL;
}

/*
 * A file, the directory of an empty zip, or the mark of one that was in several
 * pieces, which is "PK00" when it has become a single one.
 */
int
content_is_zip(const unsigned char *first, size_t size)
{
	static const char magic[][4] = {
		"PK\3\4", "PK\5\6", "PK\7\b", "PK00"
	};

	for (size_t i = 0; i < sizeof magic / sizeof magic[0]; i++)
		if (size >= 4 && memcmp(first, magic[i], 4) == 0)
			return i < 2 || (size >= 8 &&
			    memcmp(first + 4, magic[0], 4) == 0);
	return 0;
}
