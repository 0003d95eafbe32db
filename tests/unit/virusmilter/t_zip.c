/*
 * t_zip - the names inside a zip, wherever its bytes are divided and whatever
 * is wrong with it.
 */
#include <string.h>

#include "unit.h"
#include "zip.h"

/* What was taken, with a bar between each two. */
struct taken {
	char text[8192];
	size_t count, size;
};

static void
take(void *arg, const char *name)
{
	struct taken *t = arg;
	size_t size = strlen(name);

	assert_true(size > 0 && size < ZIP_NAME_MAX);
	if (t->size + size + 2 < sizeof t->text) {
		if (t->count > 0)
			t->text[t->size++] = '|';
		memcpy(t->text + t->size, name, size + 1);
		t->size += size;
	}
	t->count++;
}

/* --- zips to read */

struct bytes {
	unsigned char at[200000];
	size_t size;
};

static struct bytes file;

static void
add(const void *bytes, size_t size)
{
	assert_true(size <= sizeof file.at - file.size);
	memcpy(file.at + file.size, bytes, size);
	file.size += size;
}

static void
add_many(int c, size_t count)
{
	assert_true(count <= sizeof file.at - file.size);
	memset(file.at + file.size, c, count);
	file.size += count;
}

/* A header of a deflated file, which lacks what the rest says of it. */
static void
add_header(const char *magic, size_t method_at, size_t size_at, size_t size,
    const void *name, size_t name_size)
{
	unsigned char header[46] = { 0 };

	memcpy(header, magic, 4);
	header[method_at - 4] = 20;
	header[method_at] = 8;
	header[size_at] = (unsigned char)name_size;
	header[size_at + 1] = (unsigned char)(name_size >> 8);
	add(header, size);
	add(name, name_size);
}

static void
add_local(const char *name)
{
	add_header("PK\3\4", 8, 26, 30, name, strlen(name));
}

static void
add_central(const char *name)
{
	add_header("PK\1\2", 10, 28, 46, name, strlen(name));
}

/* --- reading them */

static void
check_divided(size_t first, size_t each, const char *names, bool excess)
{
	struct taken t = { .count = 0 };
	struct zip z = { .size = 0 };
	size_t at = first;

	zip_read(&z, file.at, first, take, &t);
	while (at < file.size) {
		size_t left = file.size - at, n = each < left ? each : left;

		zip_read(&z, file.at + at, n, take, &t);
		at += n;
	}
	CHECK(strcmp(t.text, names) == 0, "%zu, %zu: got \"%s\" want \"%s\"",
	    first, each, t.text, names);
	CHECK(z.excess == excess, "%zu, %zu: got %d", first, each, z.excess);
}

/* In two, at every byte; byte by byte; and by threes. */
static void
check(const char *names, bool excess)
{
	for (size_t first = 0; first <= file.size; first++)
		check_divided(first, file.size, names, excess);
	check_divided(0, 1, names, excess);
	check_divided(0, 3, names, excess);
	file.size = 0;
}

/* Of Info-ZIP's kind: a text, and a program in a folder. */
static const unsigned char real[] = {
	0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x60,
	0x63, 0x3b, 0x00, 0x88, 0x59, 0x0b, 0x0b, 0x00, 0x00, 0x00, 0x18, 0x00,
	0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x72, 0x65, 0x61, 0x64, 0x6d, 0x65,
	0x2e, 0x74, 0x78, 0x74, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40,
	0x27, 0xb9, 0x00, 0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08,
	0x00, 0x00, 0x60, 0x63, 0x3b, 0x1b, 0xe1, 0x58, 0x37, 0x05, 0x00, 0x00,
	0x00, 0x03, 0x00, 0x00, 0x00, 0x0d, 0x00, 0x00, 0x00, 0x64, 0x69, 0x72,
	0x2f, 0x73, 0x65, 0x74, 0x75, 0x70, 0x2e, 0x65, 0x78, 0x65, 0xf3, 0x8d,
	0x9a, 0x00, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00,
	0x00, 0x08, 0x00, 0x00, 0x60, 0x63, 0x3b, 0x00, 0x88, 0x59, 0x0b, 0x0b,
	0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x72, 0x65, 0x61, 0x64, 0x6d, 0x65, 0x2e, 0x74, 0x78, 0x74, 0x50,
	0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
	0x60, 0x63, 0x3b, 0x1b, 0xe1, 0x58, 0x37, 0x05, 0x00, 0x00, 0x00, 0x03,
	0x00, 0x00, 0x00, 0x0d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x80, 0x01, 0x33, 0x00, 0x00, 0x00, 0x64, 0x69, 0x72,
	0x2f, 0x73, 0x65, 0x74, 0x75, 0x70, 0x2e, 0x65, 0x78, 0x65, 0x50, 0x4b,
	0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x73, 0x00,
	0x00, 0x00, 0x63, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static const char real_names[] =
    "readme.txt|dir/setup.exe|readme.txt|dir/setup.exe";

static void
real_one(void **state)
{
	(void)state;
	add(real, sizeof real);
	check(real_names, false);
	/* Something in front of it, which may look like a beginning. */
	for (size_t i = 0; i <= 3; i++) {
		add("MZ\x90PPK\3PKPK", 8 + i);
		add(real, sizeof real);
		check(real_names, false);
	}
}

/* Stored in another one: all names. */
static void
nested(void **state)
{
	(void)state;
	add_local("inner.zip");
	add(real, sizeof real);
	add_central("inner.zip");
	check("inner.zip|readme.txt|dir/setup.exe|readme.txt|dir/setup.exe|"
	    "inner.zip", false);
}

static void
headers_that_disagree(void **state)
{
	(void)state;
	add_local("a.txt");
	add_central("a.exe");
	check("a.txt|a.exe", false);
	add_central("a.exe");
	check("a.exe", false);
	add_local("a.exe");
	check("a.exe", false);
	add_local("dir/");
	add_local("dir\\a.exe");
	add_local("\x84\xff.exe");
	check("dir/|dir\\a.exe|\x84\xff.exe", false);
}

/* What of a header may be wrong, and what is then no header. */
static void
fields(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		unsigned char value;
		bool taken;
	} table[] = {
		{ "as it is", 4, 20, true },
		{ "version of Zip64", 4, 45, true },
		{ "version that is none", 4, 255, true },
		{ "encrypted", 6, 1, true },
		{ "flags that are none", 7, 0xff, true },
		{ "descriptor behind", 6, 8, true },
		{ "stored", 8, 0, true },
		{ "deflate64", 8, 9, true },
		{ "LZMA", 8, 14, true },
		{ "Zstandard", 8, 93, true },
		{ "AES", 8, 99, true },
		{ "method 21", 8, 21, false },
		{ "method 92", 8, 92, false },
		{ "method 100", 8, 100, false },
		{ "method 264", 9, 1, false },
		{ "size", 18, 0xff, true },
		{ "extra", 28, 0xff, true },
		{ "no name", 26, 0, false },
		{ "name of 4097 bytes", 27, 0x10, false },
		{ "not PK", 1, 'k', false },
		{ "not 3", 2, 2, false },
		{ "neither 3, 4 nor 1, 2", 3, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		/* The name is of one byte, but for that of 4097. */
		add_local("n");
		file.at[table[i].at] = table[i].value;
		add_local("b.txt");
		check(table[i].taken ? "n|b.txt" : "b.txt", false);
	}
}

static void
fields_of_the_directory(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		bool taken;
	} table[] = {
		{ 4, 0xff, true }, { 6, 45, true }, { 8, 1, true },
		{ 10, 99, true }, { 10, 50, false }, { 11, 1, false },
		{ 28, 0, false }, { 29, 0x11, false }, { 30, 9, true },
		{ 42, 0xff, true }, { 45, 0xff, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		add_central("n");
		file.at[table[i].at] = table[i].value;
		add_central("b.txt");
		check(table[i].taken ? "n|b.txt" : "b.txt", false);
	}
}

static void
names_with_nul(void **state)
{
	static const struct {
		const char *name;
		size_t size;
		const char *taken;
	} table[] = {
		{ "a.exe\0.txt", 10, "a.exe|a.exe.txt" },
		{ "a\0.\0e\0x\0e\0", 10, "a|a.exe" },
		{ "a.exe\0", 6, "a.exe|a.exe" },
		{ "\0a.exe", 6, "a.exe" },
		{ "\0\0\0", 3, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		add_header("PK\3\4", 8, 26, 30, table[i].name, table[i].size);
		check(table[i].taken, false);
	}
}

/* The beginning is left out, and exactly as much as must be. */
static void
long_names(void **state)
{
	static char name[4097], wanted[ZIP_NAME_MAX];

	(void)state;
	for (size_t size = 500; size <= 4096; size += size < 520 ? 1 : 447) {
		size_t kept = size < sizeof wanted ? size : sizeof wanted - 1;

		for (size_t i = 0; i < size; i++)
			name[i] = (char)('a' + i % 26);
		memcpy(name + size - 4, ".exe", 4);
		add_header("PK\3\4", 8, 26, 30, name, size);
		snprintf(wanted, sizeof wanted, "%.*s", (int)kept,
		    name + size - kept);
		check_divided(0, file.size, wanted, false);
		check_divided(0, 1, wanted, false);
		check_divided(33, 7, wanted, false);
		check_divided(500, 500, wanted, false);
		file.size = 0;
	}
}

/* What is left out has the end of the name for those who stop at a NUL. */
static void
long_names_with_nul(void **state)
{
	static char name[3000] = "a.exe";
	struct taken t = { .count = 0 };
	struct zip z = { .size = 0 };

	(void)state;
	memset(name + 6, 'x', sizeof name - 6);
	add_header("PK\3\4", 8, 26, 30, name, sizeof name);
	zip_read(&z, file.at, file.size, take, &t);
	assert_memory_equal(t.text, "a.exe|", 6);
	assert_memory_equal(t.text + t.size - 4, "xxxx", 4);
	file.size = 0;
}

/* It ends before its last name does. */
static void
truncated(void **state)
{
	(void)state;
	add_local("a.txt");
	add_local("b.exe");
	for (size_t cut = 1; cut <= 35; cut++) {
		size_t size = file.size;

		file.size -= cut;
		check_divided(0, file.size, "a.txt", false);
		check_divided(0, 1, "a.txt", false);
		file.size = size;
	}
	file.size = 0;
}

/* A name that is too long by its header hides no other. */
static void
header_inside_a_name(void **state)
{
	(void)state;
	add_local("a.txt");
	file.at[27] = 0x0f;
	add(real, sizeof real);
	check("a.txt|readme.txt|dir/setup.exe|readme.txt|dir/setup.exe", true);
	/* A name may end with what begins one. */
	add_local("a.txtPK");
	add_local("PK.exe");
	add_local("P");
	check("a.txtPK|PK.exe|P", false);
}

/* Nor does one that begins between the bytes of another. */
static void
header_inside_a_header(void **state)
{
	(void)state;
	for (size_t at = 4; at < 46; at++) {
		struct taken t = { .count = 0 };
		struct zip z = { .size = 0 };

		add_central("hides.txt");
		file.size = at;
		add_local("setup.exe");	/* which is complete first, or not */
		zip_read(&z, file.at, file.size, take, &t);
		CHECK(strstr(t.text, "setup.exe") != NULL, "%zu: got %s", at,
		    t.text);
		check(t.text, z.excess);
	}
}

/* Bytes that could go on as a header and do not. */
static void
false_beginnings(void **state)
{
	(void)state;
	add_many('P', 300);
	add_local("a");
	add("PKPKPKPK\3PK\1", 12);
	add_local("b");
	add("PK\3\4PK\3\4PK\1\2PK\5\6", 16);
	add_local("c");
	add_many('P', 45);
	add_central("d");
	check("a|b|c|d", false);
}

static void
too_many(void **state)
{
	struct taken t = { .count = 0 };
	struct zip z = { .size = 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		add_local("n");
	for (unsigned i = 0; i < ZIP_NAMES_MAX / 1000; i++) {
		assert_false(z.excess);
		zip_read(&z, file.at, file.size, take, &t);
	}
	assert_false(z.excess);
	assert_int_equal(t.count, ZIP_NAMES_MAX);
	zip_read(&z, file.at, 31, take, &t);
	assert_true(z.excess);
	zip_read(&z, file.at, file.size, take, &t);
	assert_int_equal(t.count, ZIP_NAMES_MAX);
	file.size = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_one),
		cmocka_unit_test(nested),
		cmocka_unit_test(headers_that_disagree),
		cmocka_unit_test(fields),
		cmocka_unit_test(fields_of_the_directory),
		cmocka_unit_test(names_with_nul),
		cmocka_unit_test(long_names),
		cmocka_unit_test(long_names_with_nul),
		cmocka_unit_test(truncated),
		cmocka_unit_test(header_inside_a_name),
		cmocka_unit_test(header_inside_a_header),
		cmocka_unit_test(false_beginnings),
		cmocka_unit_test(too_many),
	};

	return RUN(tests);
}
