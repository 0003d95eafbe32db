#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "level.h"
#include "mime.h"
#include "mimeline.h"

/*
 * A line is what its head makes it: a boundary, one of a header, or content.
 * Lines that can only be content are not looked at further and go to the
 * decoder as many at a time as there are; heads of others are kept until they
 * are complete.
 */
#define HEAD_MAX	1024	/* bytes of a line; those behind it only follow
				 * where the head went */
#define OUT_SIZE	16384	/* decoded bytes that are kept to be handed
				 * over together */

enum state {
	HEADER,			/* of the innermost part */
	CONTENT,		/* of that */
	OUTSIDE			/* around the parts of a multipart */
};

enum target {
	TO_CONTENT,
	TO_FIELD,		/* the one at hand */
	TO_NOBODY
};

struct mime {
	const struct mime_handler *handler;
	void *arg;
	const char *unscannable;
	long parts;
	int depth;			/* of the outermost level */
	int top;			/* the innermost level; -1: none */
	enum state state;

	struct mime *inner;		/* reads a message that is encoded;
					 * NULL: this is it */
	bool nested;			/* the content goes there */
	bool text;			/* uuencoded files may be in it */
	bool skipped;			/* nobody wants the content */
	struct decoder decoder;

	bool at_start;			/* of a message in a message */
	bool returned;			/* the last byte of content is a CR */
	bool blank;			/* the last line of a field is */
	bool cut;			/* the field is too long */
	size_t header_size, field_size;

	bool inside;			/* a line, and not at its beginning */
	enum target rest;		/* where the rest of it goes */
	size_t held_size, out_size;

	char held[HEAD_MAX + 1];
	char field[MIME_FIELD_MAX + 1];
	struct level level[MIME_DEPTH_MAX + 1];
	unsigned char out[OUT_SIZE + DECODE_SLACK];
};

static void
say(struct mime *m, const char *reason)
{
	if (m->unscannable == NULL)
		m->unscannable = reason;
}

/* --- levels */

/* A header begins. */
static void
push(struct mime *m, bool is_message, bool in_digest)
{
	m->top++;
	level_begin(&m->level[m->top], m->depth + m->top, in_digest);
	m->state = HEADER;
	m->at_start = is_message;
	m->blank = m->cut = false;
	m->header_size = m->field_size = 0;
	if (++m->parts > MIME_PARTS_MAX)
		say(m, "too many parts");
}

static void
start(struct mime *m, int depth, long parts)
{
	m->depth = depth;
	m->parts = parts;
	m->top = -1;
	m->nested = m->inside = m->returned = false;
	m->held_size = m->out_size = 0;
	push(m, true, false);
}

/* --- fields */

static void
append(struct mime *m, const char *bytes, size_t size)
{
	size_t room = MIME_FIELD_MAX - m->field_size;

	m->header_size += size;
	if (m->header_size > MIME_HEADER_MAX)
		say(m, "a header too long");
	if (size > room) {
		m->cut = true;
		size = room;
	}
	memcpy(m->field + m->field_size, bytes, size);
	m->field_size += size;
}

/* The line is over. */
static void
drop_returns(struct mime *m)
{
	while (m->field_size > 0 && m->field[m->field_size - 1] == '\r')
		m->field_size--;
}

/* What can be read in more than one way. */
static void
check_bytes(struct mime *m)
{
	char *p = m->field, *end = m->field + m->field_size;

	if (memchr(p, '\r', m->field_size) != NULL)
		say(m, "a lone CR in a header");
	while ((p = memchr(p, '\0', (size_t)(end - p))) != NULL) {
		say(m, "a NUL in a header");
		*p = ' ';
	}
}

static void
end_field(struct mime *m)
{
	char *name = m->field, *value, *end;
	const char *reason;

	check_bytes(m);
	name[m->field_size] = '\0';
	m->field_size = 0;
	/* Others may be as long as they like: they say nothing of a part. */
	if (m->cut && strncasecmp(name, "Content-", 8) == 0)
		say(m, "a field too long");
	m->cut = false;
	if ((value = strchr(name, ':')) == NULL)
		return;
	for (end = value; end > name && mimeline_is_blank(end[-1]); end--)
		;
	*end = '\0';
	value++;
	value += strspn(value, " \t");
	reason = level_take_field(&m->level[m->top], name, value);
	if (reason != NULL)
		say(m, reason);
	m->handler->field(m->arg, name, value);
}

/* --- the beginning of content */

/* One level more may be had. */
static bool
has_room(struct mime *m)
{
	if (m->depth + m->top < MIME_DEPTH_MAX)
		return true;
	say(m, "too deep");
	return false;
}

static void
begin_multipart(struct mime *m, struct level *l)
{
	if (level_is_encoded(l))
		say(m, "an encoded multipart");
	if (l->boundary_size == 0 || !has_room(m))
		return;
	l->open = true;
	m->state = OUTSIDE;
	m->text = true;
}

/*
 * Content that is a message is no content.  Some readers do not decode it,
 * and quoted-printable changes a message little enough to leave it one.
 */
static void
begin_message(struct mime *m, struct level *l)
{
	if (!has_room(m))
		return;
	if (!level_is_encoded(l)) {
		push(m, true, false);
		return;
	}
	if (m->inner == NULL || l->part.encoding != ENCODING_BASE64)
		say(m, "an encoded message");
	if (m->inner != NULL) {
		start(m->inner, m->depth + m->top + 1, m->parts);
		m->nested = true;
	}
}

/* The header is over. */
static void
begin_content(struct mime *m)
{
	struct level *l = &m->level[m->top];

	if (m->field_size > 0)
		end_field(m);
	m->handler->begin(m->arg, &l->part);
	m->decoder = (struct decoder){ .encoding = l->part.encoding };
	m->skipped = false;
	m->state = CONTENT;
	m->text = level_is_text(l);
	if (l->structure == STRUCTURE_MULTIPART)
		begin_multipart(m, l);
	else if (l->structure == STRUCTURE_MESSAGE)
		begin_message(m, l);
	else if (l->structure == STRUCTURE_PIECE)
		say(m, "a piece of a message");
	else if (l->structure == STRUCTURE_ELSEWHERE)
		say(m, "content that is elsewhere");
}

/* --- content */

static void
hand_over(struct mime *m, const unsigned char *bytes, size_t size)
{
	if (size == 0)
		return;
	if (m->nested)
		mime_body(m->inner, bytes, size);
	else
		m->handler->content(m->arg, bytes, size);
}

static void
flush(struct mime *m)
{
	size_t size = m->out_size;

	m->out_size = 0;
	hand_over(m, m->out, size);
}

/*
 * For some readers a lone CR ends a line, and there is a boundary behind it.
 * Asked of all content that may be followed by another part.
 */
static void
check_returns(struct mime *m, const unsigned char *p, size_t size)
{
	const unsigned char *end = p + size;

	if (m->returned && size > 0 && *p == '-')
		say(m, "a lone CR before a boundary");
	m->returned = size > 0 && end[-1] == '\r';
	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL && ++p < end)
		if (*p == '-')
			say(m, "a lone CR before a boundary");
}

static void
put(struct mime *m, const unsigned char *bytes, size_t size)
{
	bool as_it_is = m->decoder.encoding == ENCODING_NONE ||
	    m->decoder.encoding == ENCODING_UNKNOWN;

	if (m->top > 0 || m->state == OUTSIDE)
		check_returns(m, bytes, size);
	if (m->state != CONTENT)
		return;
	/* There is none in base64, and no header without one. */
	if (m->nested && memchr(bytes, ':', size) != NULL)
		say(m, "an encoded message");
	while (size > 0 && !m->skipped) {
		size_t room = OUT_SIZE - m->out_size;
		size_t n = size < room ? size : room;

		if (as_it_is && m->out_size == 0 && size >= OUT_SIZE) {
			hand_over(m, bytes, size);
			return;
		}
		m->out_size += decode(&m->decoder, m->out + m->out_size,
		    bytes, n);
		if (m->out_size > OUT_SIZE / 2)
			flush(m);
		bytes += n;
		size -= n;
	}
}

static void
end_content(struct mime *m)
{
	if (!m->skipped) {
		m->out_size += decode_end(&m->decoder, m->out + m->out_size);
		flush(m);
	}
	if (!m->nested)
		return;
	mime_end(m->inner);
	m->nested = false;
	m->parts = m->inner->parts;
}

/* All that is inside of this level is over. */
static void
end_parts(struct mime *m, int level)
{
	while (m->top > level) {
		if (m->state == HEADER) {
			begin_content(m);
			continue;
		}
		if (m->state == CONTENT)
			end_content(m);
		m->handler->end(m->arg);
		m->top--;
		m->state = OUTSIDE;
		m->text = true;
	}
}

/* --- boundaries */

/*
 * The level whose parts it separates, the innermost if there are several, but
 * one that is closed (it can only be the innermost) if there is no other; -1:
 * none.
 */
static int
find_boundary(struct mime *m, const char *line, size_t size,
    enum boundary *what)
{
	bool cut = line[size - 1] != '\n' && size == HEAD_MAX;
	bool similar = false;
	int found = -1;

	if (size < 3 || line[0] != '-' || line[1] != '-')
		return -1;
	size = mimeline_trim(line, size, " \t\r\n");
	for (int i = m->top; i >= 0 && size > 2; i--) {
		enum boundary got =
		    level_match(&m->level[i], line + 2, size - 2);

		if (got == BOUNDARY_SIMILAR)
			similar = true;
		if (got < BOUNDARY_BETWEEN)
			continue;
		*what = got;
		found = i;
		if (!m->level[i].closed)
			break;
	}
	if (found >= 0 ? cut : similar)
		say(m, "a line like a boundary");
	return found;
}

static void
take_boundary(struct mime *m, int level, enum boundary what)
{
	struct level *l = &m->level[level];

	end_parts(m, level);
	if (what == BOUNDARY_LAST) {
		l->closed = true;
		return;
	}
	if (l->closed)
		say(m, "a part behind the last one");
	l->closed = false;
	push(m, false, strcmp(l->part.type, "multipart/digest") == 0);
}

/* --- lines; these have a NUL behind their size bytes */

static enum target
take_header(struct mime *m, const char *line, size_t size)
{
	bool blank;

	size = mimeline_trim(line, size, "\r\n");
	blank = strspn(line, " \t") >= size;
	if (m->at_start && (size == 0 || mimeline_is_envelope(line)))
		return TO_NOBODY;
	m->at_start = false;
	if (size == 0 || (blank && m->field_size == 0)) {
		begin_content(m);
		return TO_NOBODY;
	}
	if (m->blank)
		say(m, "a blank line in a header");
	m->blank = blank;
	if (!mimeline_is_blank(line[0]) || m->field_size == 0) {
		if (!mimeline_is_field(line)) {
			say(m, "a header without an end");
			begin_content(m);
			return TO_CONTENT;
		}
		if (m->field_size > 0)
			end_field(m);
	}
	append(m, line, size);
	return TO_FIELD;
}

static void
look_for_file(struct mime *m, const char *line, size_t line_size)
{
	char name[HEAD_MAX];
	size_t size;
	const char *found = mimeline_file(line, &size);

	if (found == NULL)
		return;
	if (line_size == HEAD_MAX || strlen(line) < line_size)
		say(m, "a uuencoded file with an odd name");
	memcpy(name, found, size);
	name[size] = '\0';
	m->handler->uuencoded(m->arg, name);
}

static enum target
take_line(struct mime *m, size_t size)
{
	enum target target;
	enum boundary what;
	int level;

	/* A header that ends here may be that of a multipart or a message. */
	for (;;) {
		level = find_boundary(m, m->held, size, &what);
		if (level >= 0) {
			take_boundary(m, level, what);
			return TO_NOBODY;
		}
		if (m->state != HEADER)
			break;
		target = take_header(m, m->held, size);
		if (target != TO_CONTENT)
			return target;
	}
	if (m->text)
		look_for_file(m, m->held, size);
	return TO_CONTENT;
}

static void
take_held(struct mime *m)
{
	size_t size = m->held_size;

	m->held[size] = '\0';
	m->held_size = 0;
	m->inside = m->held[size - 1] != '\n';
	m->rest = take_line(m, size);
	if (m->rest == TO_CONTENT)
		put(m, (const unsigned char *)m->held, size);
}

/* --- bytes; these return the first that is left */

static const unsigned char *
hold(struct mime *m, const unsigned char *p, const unsigned char *end)
{
	size_t size = (size_t)(end - p), room = HEAD_MAX - m->held_size;
	const unsigned char *lf;

	size = size < room ? size : room;
	lf = memchr(p, '\n', size);
	if (lf != NULL)
		size = (size_t)(lf + 1 - p);
	memcpy(m->held + m->held_size, p, size);
	m->held_size += size;
	if (lf != NULL || m->held_size == HEAD_MAX)
		take_held(m);
	return p + size;
}

/* The rest of a line whose head was no content. */
static const unsigned char *
pass(struct mime *m, const unsigned char *p, const unsigned char *end)
{
	const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));

	if (m->rest == TO_FIELD) {
		append(m, (const char *)p,
		    (size_t)((lf != NULL ? lf : end) - p));
		if (lf != NULL)
			drop_returns(m);
	}
	m->inside = lf == NULL;
	return lf != NULL ? lf + 1 : end;
}

/* May the line be more than content? */
static bool
matters(const struct mime *m, const unsigned char *p, const unsigned char *end)
{
	size_t size = (size_t)(end - p);

	if (*p == '-')
		return size < 2 || p[1] == '-';
	return *p == 'b' && m->text &&
	    memcmp(p, "begin", size < 5 ? size : 5) == 0;
}

/* The lines up to one that matters. */
static const unsigned char *
take_content(struct mime *m, const unsigned char *p, const unsigned char *end)
{
	const unsigned char *from = p;

	while (p < end && (m->inside || !matters(m, p, end))) {
		const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));

		m->inside = lf == NULL;
		m->rest = TO_CONTENT;
		p = lf != NULL ? lf + 1 : end;
	}
	put(m, from, (size_t)(p - from));
	return p < end ? hold(m, p, end) : p;
}

/* --- the whole */

struct mime *
mime_new(const struct mime_handler *handler, void *arg)
{
	struct mime *m = malloc(sizeof *m), *inner = malloc(sizeof *inner);

	if (m == NULL || inner == NULL) {
		free(m);
		free(inner);
		return NULL;
	}
	m->handler = inner->handler = handler;
	m->arg = inner->arg = arg;
	m->unscannable = inner->unscannable = NULL;
	m->skipped = inner->skipped = false;
	m->inner = inner;
	inner->inner = NULL;
	start(m, 0, 0);
	return m;
}

void
mime_field(struct mime *m, const char *name, const char *value)
{
	if (m->state != HEADER)
		return;
	append(m, name, strlen(name));
	append(m, ":", 1);
	while (*value != '\0') {
		size_t size = strcspn(value, "\n");

		append(m, value, size);
		drop_returns(m);
		value += size;
		value += *value == '\n';
	}
	end_field(m);
}

void
mime_end_header(struct mime *m)
{
	if (m->state == HEADER)
		begin_content(m);
}

void
mime_body(struct mime *m, const unsigned char *bytes, size_t size)
{
	const unsigned char *p = bytes, *end = bytes + size;

	while (p < end) {
		if (m->inside && m->rest != TO_CONTENT)
			p = pass(m, p, end);
		else if (m->held_size > 0 || m->state == HEADER)
			p = hold(m, p, end);
		else
			p = take_content(m, p, end);
	}
}

void
mime_end(struct mime *m)
{
	if (m->held_size > 0)
		take_held(m);
	end_parts(m, -1);
}

void
mime_skip(struct mime *m)
{
	(m->nested ? m->inner : m)->skipped = true;
}

const char *
mime_unscannable(const struct mime *m)
{
	if (m->unscannable == NULL && m->inner != NULL)
		return m->inner->unscannable;
	return m->unscannable;
}

void
mime_free(struct mime *m)
{
	if (m == NULL)
		return;
	free(m->inner);
	free(m);
}
