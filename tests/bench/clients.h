#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clients - addresses from a file, one a line. */
#define CLIENTS_MAX	65536	/* the rest of a longer file is not used */

struct clients {
	char (*text)[64];
	size_t count;
};

/* Nothing for no path.  Returns -1 after a line on standard error. */
static inline int
clients_read(struct clients *c, const char *path)
{
	FILE *f = path != NULL ? fopen(path, "r") : NULL;

	if (path == NULL)
		return 0;
	c->text = calloc(CLIENTS_MAX, sizeof *c->text);
	while (f != NULL && c->text != NULL && c->count < CLIENTS_MAX &&
	    fgets(c->text[c->count], sizeof *c->text, f) != NULL) {
		char *text = c->text[c->count++];

		text[strcspn(text, "\n")] = '\0';
	}
	if (f != NULL)
		fclose(f);
	if (c->count == 0)
		fprintf(stderr, "no clients in %s\n", path);
	return c->count == 0 ? -1 : 0;
}

#endif
