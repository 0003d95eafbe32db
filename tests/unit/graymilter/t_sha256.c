/*
 * t_sha256 - the examples of FIPS 180-4 and of NIST's additions to it, and
 * sizes on either side of where another block begins.
 */
#include <stdlib.h>
#include <string.h>

#include "sha256.h"
#include "unit.h"

static const char *
hash(const void *data, size_t size)
{
	static char hex[2 * SHA256_SIZE + 1];
	unsigned char out[SHA256_SIZE];

	sha256(out, data, size);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	return hex;
}

static void
examples(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		    "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
		    "mnopnopq", "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklm"
		    "ghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
		    "mnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b049237"
		    "0b249b11e8f07a51afac45037afee9d1" },
		{ "\xbd", "68325720aabd7c82f30f554b313d0570"
		    "c95accbb7dc4b5aae11204c08ffe732b" },
		{ "\xc9\x8c\x8e\x55", "7abc22c0ae5af26ce93dbb94433a0e0b"
		    "2e119d014f8e7f65bd56c61ccccd9504" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(strcmp(hash(table[i].text, strlen(table[i].text)),
		    table[i].want) == 0, "row %zu", i);
	assert_string_equal(hash(NULL, 0), table[0].want);
}

/* So many times the same byte, in memory that ends where they end. */
static void
sizes(void **state)
{
	static const struct {
		int byte;
		size_t size;
		const char *want;
	} table[] = {
		{ 0, 55, "02779466cdec163811d078815c633f21"
		    "901413081449002f24aa3e80f0b88ef7" },
		{ 0, 56, "d4817aa5497628e7c77e6b606107042b"
		    "bba3130888c5f47a375e6179be789fbb" },
		{ 0, 57, "65a16cb7861335d5ace3c60718b5052e"
		    "44660726da4cd13bb745381b235a1785" },
		{ 'a', 63, "7d3e74a05d7db15bce4ad9ec0658ea98"
		    "e3f06eeecf16b4c6fff2da457ddc2f34" },
		{ 0, 64, "f5a5fd42d16a20302798ef6ed309979b"
		    "43003d2320d9f0e8ea9831a92759fb4b" },
		{ 'a', 65, "635361c48bb9eab14198e76ea8ab7f1a"
		    "41685d6ad62aa9146d301d4f17eb0ae0" },
		{ 'a', 119, "31eba51c313a5c08226adf18d4a359cf"
		    "dfd8d2e816b13f4af952f7ea6584dcfb" },
		{ 'a', 120, "2f3d335432c70b580af0e8e1b3674a7c"
		    "020d683aa5f73aaaedfdc55af904c21c" },
		{ 'a', 128, "6836cf13bac400e9105071cd6af47084"
		    "dfacad4e5e302c94bfed24e013afb73e" },
		{ 0, 1000, "541b3e9daa09b20bf85fa273e5cbd3e8"
		    "0185aa4ec298e765db87742b70138a53" },
		{ 'A', 1000, "c2e686823489ced2017f6059b8b23931"
		    "8b6364f6dcd835d0a519105a1eadd6e4" },
		{ 'U', 1005, "f4d62ddec0f3dd90ea1380fa16a5ff8d"
		    "c4c54b21740650f24afc4120903552b0" },
		{ 'a', 1000000, "cdc76e5c9914fb9281a1c7e284d73e67"
		    "f1809a48a497200e046d39ccc7112cd0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		unsigned char *data = malloc(table[i].size);

		assert_non_null(data);
		memset(data, table[i].byte, table[i].size);
		CHECK(strcmp(hash(data, table[i].size), table[i].want) == 0,
		    "%zu times %d", table[i].size, table[i].byte);
		free(data);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(sizes),
	};

	return RUN(tests);
}
