/*
 * Recipients, and the addresses that show them.
 *
 * The input: a recipient a line, NUL, and then what stands there, a line each:
 * a byte that says where, and by an alias or not, and an address; without one,
 * everybody.  Who is shown must be who the simple way says, which compares
 * everybody with everybody.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "recipients.h"

#define MANY	2000	/* more than an input has lines */

/* --- the simple way */

struct simple {
	const char *address;
	unsigned shown;
	bool by_alias;
};

static struct simple list[MANY];
static size_t count;

static void
simple_add(const char *address)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].address, address) == 0)
			return;
	CHECK(count < MANY);
	list[count++] = (struct simple){ .address = address };
}

/* The same; or the same local part, and the one or the other is no more. */
static bool
is_same(const char *a, const char *b)
{
	size_t at_a = (size_t)(strrchr(a, '@') - a),
	    at_b = (size_t)(strrchr(b, '@') - b);

	if (strcmp(a, b) == 0)
		return true;
	return at_a == at_b && strncmp(a, b, at_a) == 0 &&
	    (a[at_a + 1] == '\0' || b[at_b + 1] == '\0');
}

static bool
simple_show(const char *address, unsigned where, bool by_alias)
{
	bool anybody = false;

	for (size_t i = 0; i < count; i++) {
		if (address != NULL && !is_same(list[i].address, address))
			continue;
		anybody = true;
		if (list[i].shown == SHOWN_NOWHERE) {
			list[i].shown = where;
			list[i].by_alias = by_alias;
		}
	}
	return anybody;
}

/* --- against the code */

static void
compare(struct recipients *r)
{
	const char *hidden = recipients_hidden(r);
	size_t shown = 0;
	bool met = false;

	for (size_t i = 0; i < count; i++) {
		const struct recipient *who = recipients_find(r,
		    list[i].address);

		CHECK(who != NULL && who->shown == list[i].shown);
		CHECK(who->by_alias == list[i].by_alias);
		shown += list[i].shown != SHOWN_NOWHERE;
		met |= hidden != NULL && list[i].shown == SHOWN_NOWHERE &&
		    strcmp(hidden, list[i].address) == 0;
	}
	CHECK(recipients_count(r) == count);
	CHECK(recipients_shown(r) == shown);
	CHECK((hidden == NULL) == (shown == count));
	CHECK(hidden == NULL || met);
	CHECK(!r->full);
}

/* Cut off the first line and go to the next; NULL: it is the last. */
static char *
cut(char *line)
{
	char *lf = strchr(line, '\n');

	if (lf != NULL)
		*lf++ = '\0';
	return lf;
}

static void
show(struct recipients *r, const char *line)
{
	unsigned where = 1 + (unsigned char)line[0] % (SHOWN_COUNT - 1);
	bool by_alias = line[0] & 0x40, known;
	const char *address = line + 1;

	if (address[0] == '\0') {
		recipients_show_all(r, (enum shown)where, by_alias);
		simple_show(NULL, where, by_alias);
		return;
	}
	if (strchr(address, '@') == NULL)
		return;
	known = false;
	for (size_t i = 0; i < count; i++)
		known |= strcmp(list[i].address, address) == 0;
	CHECK((recipients_find(r, address) != NULL) == known);
	CHECK(recipients_show(r, address, (enum shown)where, by_alias) ==
	    simple_show(address, where, by_alias));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *recipients = fuzz_field(&in), *shows = fuzz_field(&in), *line,
	    *next;
	struct recipients r = { .count = 0 };
	static const struct recipients none;

	count = 0;
	for (line = recipients; line != NULL; line = next) {
		next = cut(line);
		if (strchr(line, '@') == NULL)
			continue;
		recipients_add(&r, line);
		simple_add(line);
	}
	for (line = shows; line != NULL; line = next) {
		next = cut(line);
		if (line[0] == '\0')
			continue;
		show(&r, line);
		compare(&r);
	}
	compare(&r);
	recipients_free(&r);
	CHECK(memcmp(&r, &none, sizeof r) == 0);
	free(recipients);
	free(shows);
	return 0;
}
