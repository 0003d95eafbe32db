/*
 * A message in a file: names are printable and without a colon, all of it is
 * inside what was read, and what was not a field is body, byte by byte.
 */
#include "fuzz.h"
#include "mailfile.h"

static void
check_field(const struct mailfile_field *f)
{
	CHECK(f->name[0] != '\0');
	for (const char *p = f->name; *p != '\0'; p++)
		CHECK(*p > ' ' && *p <= '~' && *p != ':');
	/* Each line behind the first continues it. */
	for (const char *p = f->value; *p != '\0'; p++)
		if (*p == '\n')
			CHECK(p[1] == ' ' || p[1] == '\t');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mailfile m;
	FILE *in;

	if (size == 0 || (in = fmemopen((void *)(uintptr_t)data, size, "r")) ==
	    NULL)
		return 0;
	CHECK(mailfile_read(&m, in, "input") == 0);
	fclose(in);
	for (size_t i = 0; i < m.count; i++)
		check_field(&m.field[i]);
	CHECK(m.body_size <= size);
	CHECK(memcmp(m.body, data + size - m.body_size, m.body_size) == 0);
	mailfile_free(&m);
	return 0;
}
