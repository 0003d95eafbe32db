#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mailfile.h"

#define BLOCK	65536		/* bytes that are read at first */

/* Up to MAILFILE_HEADER_MAX bytes and a NUL, into text and body_size. */
static int
read_text(struct mailfile *m, FILE *in, const char *path)
{
	size_t size = 0, room = BLOCK, n;
	char *text = malloc(room), *grown;

	while (text != NULL && (n = fread(text + size, 1, room - size - 1,
	    in)) > 0) {
		size += n;
		if (size + 1 < room || room >= MAILFILE_HEADER_MAX)
			continue;
		room *= 2;
		if ((grown = realloc(text, room)) == NULL)
			free(text);
		text = grown;
	}
	if (text == NULL || ferror(in)) {
		log_errno("%s", path);
		free(text);
		return -1;
	}
	text[size] = '\0';
	m->text = text;
	m->body_size = size;
	return 0;
}

/* Behind the line that ends at or behind p, and those that continue it. */
static char *
field_end(char *p)
{
	do {
		p += strcspn(p, "\n");
		p += *p == '\n';
	} while (*p == ' ' || *p == '\t');
	return p;
}

/* RFC 5322 2.2. */
static char *
name_end(char *p)
{
	while (*p > ' ' && *p <= '~' && *p != ':')
		p++;
	return p;
}

static int
add_field(struct mailfile *m, const char *name, const char *value)
{
	struct mailfile_field *grown;

	/* A power of two is full. */
	if ((m->count & (m->count - 1)) == 0) {
		grown = realloc(m->field, sizeof *grown *
		    (m->count == 0 ? 1 : m->count * 2));
		if (grown == NULL)
			return -1;
		m->field = grown;
	}
	m->field[m->count++] = (struct mailfile_field){ name, value };
	return 0;
}

static char *
skip_empty_line(char *p)
{
	if (p[0] == '\n')
		return p + 1;
	return p[0] == '\r' && p[1] == '\n' ? p + 2 : p;
}

/* The text of a field becomes two strings. */
static int
cut_field(struct mailfile *m, char *name, char *colon, char *end)
{
	*name_end(name) = '\0';
	if (end[-1] == '\n') {
		end[-1] = '\0';
		if (end[-2] == '\r')
			end[-2] = '\0';
	}
	return add_field(m, name, colon + 1 + (colon[1] == ' '));
}

/* A NUL ends the header: no MTA hands one on. */
static int
split(struct mailfile *m)
{
	char *p = m->text, *end, *name, *colon;

	if (strncmp(p, "From ", 5) == 0) {
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	for (; *p != '\0'; p = end) {
		name = p;
		colon = name_end(p);
		if (colon == name)
			break;
		/* Blanks before the colon are obsolete (4.5). */
		colon += strspn(colon, " \t");
		if (*colon != ':')
			break;
		end = field_end(colon);
		if (cut_field(m, name, colon, end) == -1)
			return -1;
	}
	p = skip_empty_line(p);
	m->body_size -= (size_t)(p - m->text);
	m->body = p;
	return 0;
}

int
mailfile_read(struct mailfile *m, FILE *in, const char *path)
{
	*m = (struct mailfile){ .count = 0 };
	if (read_text(m, in, path) == -1)
		return -1;
	if (split(m) == 0)
		return 0;
	log_error("%s: out of memory", path);
	mailfile_free(m);
	return -1;
}

void
mailfile_free(struct mailfile *m)
{
	free(m->field);
	free(m->text);
	*m = (struct mailfile){ .count = 0 };
}
