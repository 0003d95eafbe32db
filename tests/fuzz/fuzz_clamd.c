/*
 * Answers of clamd: clean is one text alone, infected one form alone, and
 * whatever it was, what is left of it is printable and has an end.
 *
 * The input is the answer.
 */
#include <stdbool.h>

#include "clamd.h"
#include "fuzz.h"

#define CLEAN	"stream: OK"
#define BEFORE	"stream: "
#define AFTER	" FOUND"

/* As long as it can be read backwards: what stands between the two. */
static bool
is_infected(const uint8_t *data, size_t size)
{
	const size_t before = strlen(BEFORE), after = strlen(AFTER);

	for (size_t i = 0; i < before; i++)
		if (i >= size || data[i] != (uint8_t)BEFORE[i])
			return false;
	for (size_t i = 1; i <= after; i++)
		if (i > size || data[size - i] != (uint8_t)AFTER[after - i])
			return false;
	return size >= before + after + 1 && data[before] != ' ' &&
	    data[size - after - 1] != ' ';
}

/* It is what stands there, byte for byte, as far as it goes. */
static void
check_name(const char *name, const uint8_t *data, size_t size)
{
	const char *end = memchr(name, '\0', CLAMD_NAME_MAX);
	size_t wanted = size < CLAMD_NAME_MAX ? size : CLAMD_NAME_MAX - 1;

	CHECK(end != NULL);
	CHECK((size_t)(end - name) == wanted);
	for (size_t i = 0; i < wanted; i++)
		CHECK(name[i] == (data[i] < 0x20 || data[i] > 0x7e ? '?' :
		    (char)data[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[CLAMD_NAME_MAX];
	bool clean = size == strlen(CLEAN) && memcmp(data, CLEAN, size) == 0;
	char *answer = calloc(size > 0 ? size : 1, 1);
	enum clamd_result result;

	CHECK(answer != NULL);
	if (size > 0)
		memcpy(answer, data, size);
	memset(name, 0x7f, sizeof name);
	result = clamd_read_answer(answer, size, name);
	free(answer);
	CHECK((result == CLAMD_CLEAN) == clean);
	CHECK((result == CLAMD_INFECTED) == is_infected(data, size));
	if (result == CLAMD_CLEAN)
		CHECK(name[0] == '\0');
	else if (result == CLAMD_INFECTED)
		check_name(name, data + strlen(BEFORE),
		    size - strlen(BEFORE) - strlen(AFTER));
	else {
		CHECK(result == CLAMD_FAILED);
		if (size > 0)
			check_name(name, data, size);
		CHECK(name[0] != '\0');
	}
	return 0;
}
