/*
 * The value of a field, NUL, and a name.
 *
 * Names that are found are short enough and have no NUL; nothing in front of a
 * parameter hides it.  A name is judged the same in another case and in a
 * folder, and a dot behind it changes nothing.
 */
#include <ctype.h>

#include "filename.h"
#include "fuzz.h"

#define HIDDEN	"hidden.exe"

struct found {
	size_t names;
	bool hidden;		/* is among them */
};

/* --- names */

/* The name with what is put before and behind it; the caller frees it. */
static char *
join(const char *before, const char *name, const char *behind)
{
	size_t head = strlen(before), size = strlen(name),
	    tail = strlen(behind);
	char *joined = malloc(head + size + tail + 1);

	CHECK(joined != NULL);
	memcpy(joined, before, head);
	memcpy(joined + head, name, size);
	memcpy(joined + head + size, behind, tail + 1);
	return joined;
}

static bool
same(const struct filename_verdict *a, const struct filename_verdict *b)
{
	return strcmp(a->extension, b->extension) == 0 &&
	    a->disguised == b->disguised;
}

static void
check_verdict(const struct filename_verdict *v, bool program)
{
	size_t size = strnlen(v->extension, sizeof v->extension);

	CHECK(size < sizeof v->extension);
	CHECK(program == (size > 0));
	CHECK(program || !v->disguised);
	for (size_t i = 0; i < size; i++)
		CHECK(islower((unsigned char)v->extension[i]) ||
		    isdigit((unsigned char)v->extension[i]) ||
		    v->extension[i] == '-');
}

static void
check_other(const char *before, const char *name, const char *behind)
{
	char *joined = join(before, name, behind);
	struct filename_verdict v, other;
	bool program = filename_is_program(name, &v);

	CHECK(filename_is_program(joined, &other) == program);
	check_verdict(&other, program);
	if (behind[0] == '\0')
		CHECK(same(&v, &other));
	else
		CHECK(strcmp(v.extension, other.extension) == 0);
	CHECK(filename_is_zip(joined) == filename_is_zip(name));
	free(joined);
}

static void
check_name(const char *name)
{
	char *upper = join("", name, "");
	struct filename_verdict v, other;
	bool program = filename_is_program(name, &v);

	check_verdict(&v, program);
	for (char *p = upper; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	CHECK(filename_is_program(upper, &other) == program);
	CHECK(same(&v, &other));
	CHECK(filename_is_zip(upper) == filename_is_zip(name));
	CHECK(!program || !filename_is_zip(name) || v.disguised);
	free(upper);
	/* Of longer ones the beginning is not looked at. */
	if (strlen(name) < FILENAME_MAX_BYTES - 8)
		check_other("d.doc/", name, "");
}

/* --- values */

static void
take(void *arg, const char *name)
{
	struct found *f = arg;
	size_t size = strnlen(name, FILENAME_MAX_BYTES);

	CHECK(size > 0 && size < FILENAME_MAX_BYTES);
	f->names++;
	f->hidden |= strcmp(name, HIDDEN) == 0;
	check_name(name);
}

static void
check_value(const char *value)
{
	struct found found = { .names = 0 }, again = { .names = 0 };
	char *longer = join("", value, "x\"; name=\"" HIDDEN "\"");

	filename_find("Content-Type", value, take, &found);
	/* Each is read in so many ways, and parameters take some bytes. */
	CHECK(found.names <= 16 + 2 * strlen(value));
	filename_find("Content-Disposition", longer, take, &again);
	CHECK(again.hidden);
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *value = fuzz_field(&in), *name = fuzz_field(&in);
	struct found none = { .names = 0 };

	check_value(value);
	check_name(name);
	/* What ends with a colon has a stream when more follows. */
	if (name[0] != '\0' && strlen(name) < FILENAME_MAX_BYTES - 8 &&
	    strchr(name, ':') == NULL && strstr(name, "\xef\xbc\x9a") == NULL)
		check_other("", name, ".");
	filename_find("Content-ID", value, take, &none);
	CHECK(none.names == 0);
	free(value);
	free(name);
	return 0;
}
