/*
 * t_content - what a file is by its first bytes.
 */
#include <stdbool.h>
#include <string.h>

#include "content.h"
#include "unit.h"

/* Some bytes, and how many zeros behind them. */
#define BYTES(text)	text, sizeof (text) - 1

struct row {
	const char *bytes;
	size_t size, zeros;
	const char *kind;	/* or NULL */
};

static void
check_rows(const struct row *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char first[CONTENT_BYTES] = { 0 };
		size_t size = row[i].size + row[i].zeros;
		const char *kind;

		assert_true(size <= sizeof first);
		memcpy(first, row[i].bytes, row[i].size);
		kind = content_program(first, size);
		if (row[i].kind == NULL)
			CHECK(kind == NULL, "%zu: got %s", i, kind);
		else
			CHECK(kind != NULL && strcmp(kind, row[i].kind) == 0,
			    "%zu: got %s want %s", i, kind == NULL ? "none" :
			    kind, row[i].kind);
	}
}

#define MZ_HEAD								\
	"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"			\
	"\xb8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0"				\
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void
dos(void **state)
{
	static const struct row rows[] = {
		{ BYTES(MZ_HEAD "\x80\0\0\0"), 0, "MZ" },
		{ BYTES(MZ_HEAD "\xf8\0\0"), 1, "MZ" },
		/* Without a next header, by the one of DOS alone. */
		{ BYTES(MZ_HEAD "code"), 0, "MZ" },
		{ BYTES("MZ\x10\0\x03\0\x01\0\x02\0"), 54, "MZ" },
		{ BYTES("MZ\xff\x01\x01\0\x01\0\xff\x0f"), 54, "MZ" },
		{ BYTES("MZ\0\x02\x01\0\x01\0\x02\0"), 54, NULL },
		{ BYTES("MZ\x10\0\0\0\x01\0\x02\0"), 54, NULL },
		{ BYTES("MZ\x10\0\x03\0\x01\0\x01\0"), 54, NULL },
		{ BYTES("MZ\x10\0\x03\0\x01\0\0\x10"), 54, NULL },
		/* A packer has put a name where nobody looks. */
		{ BYTES("MZKERNEL32.DLL\0\0PE\0\0L\x01\x01\0\xbe\xb0\x11\x40"
		    "\0\xad\x50\xff\x76\x34\xeb\x7c\x48\x01\x0f\x01\x0b\x01"
		    "LoadLibraryA\0\0\x18\x10\0\0\x10\0\0\0"), 0, "MZ" },
		{ BYTES(MZ_HEAD "\x03\0\0\0"), 0, "MZ" },
		{ BYTES("MZ"), 62, NULL },
		/* Fewer bytes than a header has. */
		{ BYTES("MZ\x90\0\x03"), 0, "MZ" },
		{ BYTES("MZ\x90"), 20, "MZ" },
		/* Texts. */
		{ BYTES("MZ"), 0, NULL },
		{ BYTES("M"), 0, NULL },
		{ BYTES("MZ is a town.\r\n\tThe other is not.\n"), 0, NULL },
		{ BYTES("MZ \xcd\xcf\xd3\xcb\xd7\xc1 \xe4\xf6\xfc\x1a"), 0,
		    NULL },
		{ BYTES("MZ  567890123456789012345678901234567890123456789012"
		    "345678901234"), 0, NULL },
		{ BYTES("MZ  56789012345678901234567890123456789012345\x01"
		    "789012345678901234"), 0, NULL },
		{ BYTES("mz\x90\0\x03"), 0, NULL },
		{ BYTES("\nMZ\x90\0\x03"), 0, NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
unix_programs(void **state)
{
	static const struct row rows[] = {
		{ BYTES("\x7f" "ELF\x02\x01\x01"), 57, "ELF" },
		{ BYTES("\x7f" "ELF\x01\x02\x01\x03"), 0, "ELF" },
		{ BYTES("\x7f" "ELF\x02\x01\x01"), 0, "ELF" },
		{ BYTES("\x7f" "ELF\x02\x01"), 0, NULL },
		{ BYTES("\x7f" "ELF\0\x01\x01"), 57, NULL },
		{ BYTES("\x7f" "ELF\x03\x01\x01"), 57, NULL },
		{ BYTES("\x7f" "ELF\x02\x03\x01"), 57, NULL },
		{ BYTES("\x7f" "ELF\x02\x01\x02"), 57, NULL },
		{ BYTES("\x7f" "ELF is a format."), 0, NULL },
		{ BYTES("ELF\x02\x01\x01"), 57, NULL },

		{ BYTES("\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02\0\0\0"),
		    48, "Mach-O" },
		{ BYTES("\xce\xfa\xed\xfe\x07\0\0\0\x03\0\0\0\x06\0\0\0"), 0,
		    "Mach-O" },
		{ BYTES("\xfe\xed\xfa\xce\0\0\0\x12\0\0\0\0\0\0\0\x02"), 0,
		    "Mach-O" },
		{ BYTES("\xfe\xed\xfa\xcf\x01\0\0\x0c\0\0\0\0\0\0\0\x0b"), 0,
		    "Mach-O" },
		{ BYTES("\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\0\0\0\0"), 0,
		    NULL },
		{ BYTES("\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x21\0\0\0"),
		    0, NULL },
		{ BYTES("\xcf\xfa\xed\xfe\x07\x01\0\x01\x03\0\0\0\x02\0\0\0"),
		    0, NULL },
		{ BYTES("\xcf\xfa\xed\xfe\x07\0\0\x01"), 0, NULL },
		{ BYTES("\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\0\0\0\0\x01"), 0,
		    NULL },

		{ BYTES("\xca\xfe\xba\xbe\0\0\0\x02"), 56, "Mach-O" },
		{ BYTES("\xca\xfe\xba\xbf\0\0\0\x02"), 56, "Mach-O" },
		{ BYTES("\xca\xfe\xba\xbe\0\0\0\x2c"), 0, "Mach-O" },
		{ BYTES("\xca\xfe\xba\xbe\0\0\0\x2d"), 0, "Java" },
		{ BYTES("\xca\xfe\xba\xbe\0\x03\0\x2d"), 0, "Java" },
		{ BYTES("\xca\xfe\xba\xbe\0\0\0\x34"), 56, "Java" },
		{ BYTES("\xca\xfe\xba\xbe\xff\xff\0\x41"), 56, "Java" },
		{ BYTES("\xca\xfe\xba\xbe\0\0\0\0"), 56, NULL },
		{ BYTES("\xca\xfe\xba\xbe\0\0\x01\0"), 56, NULL },
		{ BYTES("\xca\xfe\xba\xbe\0\0\0"), 0, NULL },
		{ BYTES("\xca\xfe\xba\xbf\0\0\0\x34"), 56, NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
others(void **state)
{
	static const struct row rows[] = {
		{ BYTES("L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F"), 0,
		    "LNK" },
		{ BYTES("L\0\0\0\x01\x14\x02\0"), 0, "LNK" },
		{ BYTES("L\0\0\0\x01\x14\x02"), 0, NULL },
		{ BYTES("L\0\0\0\x01\x14\x03\0"), 40, NULL },
		{ BYTES("ITSF\x03\0\0\0\x60\0\0\0"), 52, "CHM" },
		{ BYTES("ITSF\x03\0\0\0"), 0, "CHM" },
		{ BYTES("ITSF\x03\0\0"), 0, NULL },
		{ BYTES("ITSF is a format of Microsoft."), 0, NULL },
		{ BYTES("dex\n035\0"), 56, "DEX" },
		{ BYTES("dex\n039\0"), 0, "DEX" },
		{ BYTES("dex\n035"), 0, NULL },
		{ BYTES("dex\n0352"), 0, NULL },
		{ BYTES("dex\nsecond line"), 0, NULL },
		{ BYTES("#@~^XwAAAA==-mD~/tnV^"), 0, "Script" },
		{ BYTES("#@~^XwAAAA=="), 0, "Script" },
		{ BYTES("#@~^XwAAAA="), 0, NULL },
		{ BYTES("#@~^ is how it begins"), 0, NULL },
		/* None of these is a program, or is only a source. */
		{ BYTES(""), 0, NULL },
		{ BYTES(""), 64, NULL },
		{ BYTES("#!/bin/sh\nrm -rf /\n"), 0, NULL },
		{ BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), 56, NULL },
		{ BYTES("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), 0, NULL },
		{ BYTES("{\\rtf1\\ansi"), 0, NULL },
		{ BYTES("PK\x03\x04\x14\0\0\0\x08\0"), 54, NULL },
		{ BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 40, NULL },
		{ BYTES("\xff\xd8\xff\xe0\0\x10JFIF\0"), 50, NULL },
		{ BYTES("GIF89a\x01\0\x01\0"), 54, NULL },
		{ BYTES("\x1f\x8b\x08\0"), 60, NULL },
		{ BYTES("MSCF\0\0\0\0"), 56, NULL },
		{ BYTES("<html><script>"), 0, NULL },
		{ BYTES("Hello,\r\n"), 0, NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* A beginning that is cut anywhere is no other kind, and reads no further. */
static void
every_size(void **state)
{
	static const char *const wanted[] = {
		"MZ", "ELF", "Mach-O", "Java", "LNK", "CHM", "DEX", "Script"
	};
	static const char bytes[][CONTENT_BYTES] = {
		MZ_HEAD "\x80",
		"\177ELF\x02\x01\x01",
		"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02",
		"\xca\xfe\xba\xbe\0\0\0\x34", "L\0\0\0\x01\x14\x02",
		"ITSF\x03", "dex\n035", "#@~^XwAAAA==-mD"
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bytes); i++)
		for (size_t size = 0; size <= CONTENT_BYTES; size++) {
			unsigned char *first = test_malloc(size + 1);
			const char *kind;

			memcpy(first, bytes[i], size);
			kind = content_program(first, size);
			CHECK(kind == NULL || strcmp(kind, wanted[i]) == 0,
			    "%zu of %s: got %s", size, wanted[i], kind);
			CHECK(kind != NULL || size < 16, "%zu of %s", size,
			    wanted[i]);
			test_free(first);
		}
}

static void
zips(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool zip;
	} table[] = {
		{ BYTES("PK\x03\x04"), true },
		{ BYTES("PK\x03\x04\x14\0"), true },
		{ BYTES("PK\x05\x06\0\0\0\0"), true },
		{ BYTES("PK\x07\x08PK\x03\x04"), true },
		{ BYTES("PK00PK\x03\x04\x14"), true },
		{ BYTES("PK\x03"), false },
		{ BYTES(""), false },
		{ BYTES("PK\x01\x02"), false },
		{ BYTES("PK\x07\x08"), false },
		{ BYTES("PK\x07\x08PK\x01\x02"), false },
		{ BYTES("PK00 is a flight"), false },
		{ BYTES(" PK\x03\x04"), false },
		{ BYTES("MZ\x90"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(!!content_is_zip((const unsigned char *)table[i].bytes,
		    table[i].size) == table[i].zip, "%zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dos),
		cmocka_unit_test(unix_programs),
		cmocka_unit_test(others),
		cmocka_unit_test(every_size),
		cmocka_unit_test(zips),
	};

	return RUN(tests);
}
