#include <string.h>
#include <strings.h>

#include "level.h"
#include "mediatype.h"

static enum structure
structure_of(const char *type)
{
	static const struct {
		const char *type;
		enum structure structure;
	} table[] = {
		{ "multipart", STRUCTURE_MULTIPART },
		{ "message/rfc822", STRUCTURE_MESSAGE },
		{ "message/global", STRUCTURE_MESSAGE },
		{ "message/news", STRUCTURE_MESSAGE },
		{ "message/partial", STRUCTURE_PIECE },
		{ "message/external-body", STRUCTURE_ELSEWHERE },
	};

	if (strncmp(type, "multipart/", 10) == 0)
		return STRUCTURE_MULTIPART;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (strcmp(type, table[i].type) == 0)
			return table[i].structure;
	return STRUCTURE_NONE;
}

void
level_begin(struct level *l, int depth, bool in_digest)
{
	static const char text[] = "text/plain", message[] = "message/rfc822";

	/* The boundary is large, and parts may be small and many. */
	memcpy(l->part.type, in_digest ? message : text,
	    in_digest ? sizeof message : sizeof text);
	l->part.encoding = ENCODING_NONE;
	l->part.depth = depth;
	l->structure = in_digest ? STRUCTURE_MESSAGE : STRUCTURE_NONE;
	l->typed = l->coded = l->open = l->closed = false;
	l->boundary_size = 0;
}

/* --- fields */

static bool
is_the_same(const struct level *l, const struct mediatype *t)
{
	if (structure_of(t->type) != l->structure)
		return false;
	return l->structure != STRUCTURE_MULTIPART ||
	    (t->boundary_size == l->boundary_size &&
	    memcmp(t->boundary, l->boundary, t->boundary_size) == 0);
}

static const char *
take_type(struct level *l, const char *value)
{
	struct mediatype t;

	mediatype_read(&t, value);
	if (l->typed)
		return is_the_same(l, &t) ? NULL : "two Content-Type fields";
	l->typed = true;
	if (t.type[0] == '\0')
		return NULL;
	memcpy(l->part.type, t.type, sizeof l->part.type);
	l->structure = structure_of(t.type);
	if (l->structure != STRUCTURE_MULTIPART)
		return NULL;
	memcpy(l->boundary, t.boundary, t.boundary_size);
	l->boundary_size = t.boundary_size;
	return t.too_long ? "a boundary too long" :
	    t.boundary_size == 0 ? "a multipart without a boundary" :
	    t.unclear ? "an unclear boundary" : NULL;
}

static const char *
take_encoding(struct level *l, const char *value)
{
	enum encoding encoding = decode_encoding(value);

	if (l->coded)
		return encoding == l->part.encoding ? NULL :
		    "two transfer encodings";
	l->coded = true;
	l->part.encoding = encoding;
	return encoding == ENCODING_UNKNOWN ?
	    "an unknown transfer encoding" : NULL;
}

const char *
level_take_field(struct level *l, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Type") == 0)
		return take_type(l, value);
	if (strcasecmp(name, "Content-Transfer-Encoding") == 0)
		return take_encoding(l, value);
	return NULL;
}

/* --- questions */

bool
level_is_encoded(const struct level *l)
{
	return l->part.encoding == ENCODING_BASE64 ||
	    l->part.encoding == ENCODING_QUOTED_PRINTABLE;
}

bool
level_is_text(const struct level *l)
{
	if (l->part.encoding == ENCODING_UNKNOWN)
		return true;
	return !level_is_encoded(l) &&
	    (strncmp(l->part.type, "text/", 5) == 0 ||
	    strchr(l->part.type, '/') == NULL ||
	    l->structure != STRUCTURE_NONE);
}

enum boundary
level_match(const struct level *l, const char *line, size_t size)
{
	size_t n = l->boundary_size;

	if (!l->open || size < n || line[0] != l->boundary[0] ||
	    memcmp(line, l->boundary, n) != 0)
		return BOUNDARY_NONE;
	if (size == n)
		return BOUNDARY_BETWEEN;
	return size == n + 2 && memcmp(line + n, "--", 2) == 0 ?
	    BOUNDARY_LAST : BOUNDARY_SIMILAR;
}
