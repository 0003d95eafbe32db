/*
 * t_bytes - numbers as the store keeps them.
 */
#include <string.h>

#include "bytes.h"
#include "unit.h"

static void
numbers(void **state)
{
	static const struct {
		uint64_t n;
		int size;
		const char *bytes;
	} table[] = {
		{ 0, 1, "\0" },
		{ 255, 1, "\xff" },
		{ 0x1234, 2, "\x12\x34" },
		{ 0x1234, 4, "\0\0\x12\x34" },
		{ UINT32_MAX, 4, "\xff\xff\xff\xff" },
		{ 1, 8, "\0\0\0\0\0\0\0\1" },
		{ UINT64_C(0x8123456789abcdef), 8,
		    "\x81\x23\x45\x67\x89\xab\xcd\xef" },
		{ UINT64_MAX, 8, "\xff\xff\xff\xff\xff\xff\xff\xff" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		unsigned char out[9];

		memset(out, 'x', sizeof out);
		CHECK(bytes_put(out, table[i].n, table[i].size) ==
		    out + table[i].size, "row %zu", i);
		CHECK(memcmp(out, table[i].bytes, (size_t)table[i].size) == 0 &&
		    out[table[i].size] == 'x', "row %zu", i);
		CHECK(bytes_get(out, table[i].size) == table[i].n, "row %zu",
		    i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
	};

	return RUN(tests);
}
