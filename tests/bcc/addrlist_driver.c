/*
 * addrlist_driver - the addresses in values of fields.
 *
 * Reads values, with NULs between them, and writes a line for each of them:
 *
 *	ADDRESSES UNKNOWN ADDRESS...
 *
 * a number, 0 or 1, and each address that was taken in hex.
 */
#include <stdio.h>
#include <stdlib.h>

#include "addrlist.h"

static void
put_hex(void *arg, const char *address)
{
	FILE *out = arg;

	putc(' ', out);
	for (; *address != '\0'; address++)
		fprintf(out, "%02x", (unsigned char)*address);
}

static void
read_value(const char *value)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct addrlist list = { .take = put_hex, .arg = out };

	if (out == NULL)
		exit(EXIT_FAILURE);
	addrlist_read(&list, value);
	if (fclose(out) != 0)
		exit(EXIT_FAILURE);
	printf("%zu %d%s\n", list.addresses, list.unknown, text);
	free(text);
}

int
main(void)
{
	char *value = NULL;
	size_t room = 0;

	/* It ends with a NUL, be it that between them or getdelim()'s. */
	while (getdelim(&value, &room, '\0', stdin) != -1)
		read_value(value);
	free(value);
	return ferror(stdin) ? EXIT_FAILURE : EXIT_SUCCESS;
}
