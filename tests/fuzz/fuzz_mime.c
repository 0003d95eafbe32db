/*
 * The parts of a message.
 *
 * The input: a byte for the size of pieces, and a message, whose header is
 * given field by field up to its first empty line.
 *
 * However the body is cut, the same is called with the same texts and the same
 * content; parts are inside each other and none is left open.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "mime.h"

/* What was called, as one text, uuencoded files for themselves. */
struct seen {
	FILE *out, *files;
	char *text, *file_text;
	size_t size, files_size;
	size_t content, uuencoded;	/* bytes, files */
	long parts;
	int open;
	bool in_content;	/* it is what came last */
	bool unscannable;
};

static void
check_text(const char *text, size_t max)
{
	CHECK(strlen(text) <= max);
	CHECK(strchr(text, '\n') == NULL);
}

static void
see_field(void *arg, const char *name, const char *value)
{
	struct seen *s = arg;

	check_text(name, MIME_FIELD_MAX);
	check_text(value, MIME_FIELD_MAX - strlen(name));
	CHECK(strchr(name, ':') == NULL);
	CHECK(value[0] != ' ' && value[0] != '\t');
	CHECK(!s->in_content);
	fprintf(s->out, "%s: %s\n", name, value);
}

static void
see_begin(void *arg, const struct mime_part *part)
{
	struct seen *s = arg;

	CHECK(memchr(part->type, '\0', MIME_TYPE_MAX) != NULL);
	CHECK(part->type[0] != '\0');
	CHECK(strpbrk(part->type, "ABCXYZ ;(\"\t\n") == NULL);
	CHECK(part->encoding <= ENCODING_UNKNOWN);
	CHECK(part->depth == s->open && part->depth <= MIME_DEPTH_MAX);
	CHECK(!s->in_content);
	s->open++;
	s->parts++;
	fprintf(s->out, "begin %s %d\n", part->type, part->encoding);
}

static void
see_content(void *arg, const unsigned char *bytes, size_t size)
{
	struct seen *s = arg;

	CHECK(s->open > 0 && size > 0);
	if (!s->in_content)
		fputs("content ", s->out);
	s->in_content = true;
	s->content += size;
	CHECK(fwrite(bytes, 1, size, s->out) == size);
}

static void
see_end(void *arg)
{
	struct seen *s = arg;

	CHECK(s->open-- > 0);
	s->in_content = false;
	fputs("\nend\n", s->out);
}

static void
see_uuencoded(void *arg, const char *name)
{
	struct seen *s = arg;

	check_text(name, 1024);
	CHECK(name[0] != '\0' && name[0] != ' ' && name[0] != '\t');
	CHECK(strchr(" \t\r", name[strlen(name) - 1]) == NULL);
	s->uuencoded++;
	fprintf(s->files, "%s\n", name);
}

static const struct mime_handler handler = {
	see_field, see_begin, see_content, see_end, see_uuencoded
};

/* --- a message, as libmilter hands it over */

/* The size of the field that begins here, with its last line end; 0: none. */
static size_t
field_size(const char *p, size_t size)
{
	size_t n = 0, name = 0;

	while (name < size && p[name] > ' ' && p[name] != ':')
		name++;
	if (name == 0 || name == size || p[name] != ':')
		return 0;
	do {
		const char *lf = memchr(p + n, '\n', size - n);

		if (lf == NULL)
			return 0;
		n = (size_t)(lf - p) + 1;
	} while (n < size && (p[n] == ' ' || p[n] == '\t'));
	return memchr(p, '\0', n) == NULL ? n : 0;
}

static size_t
give_header(struct mime *m, const char *p, size_t size)
{
	size_t at = 0, n;

	while ((n = field_size(p + at, size - at)) > 0) {
		char *name = strndup(p + at, n - 1), *value;

		CHECK(name != NULL);
		value = strchr(name, ':');
		CHECK(value != NULL);
		*value++ = '\0';
		mime_field(m, name, value);
		free(name);
		at += n;
	}
	mime_end_header(m);
	return at + (at < size && p[at] == '\n');
}

static void
give_body(struct mime *m, const char *p, size_t size, size_t piece)
{
	for (size_t n; size > 0; p += n, size -= n) {
		unsigned char *copy;

		n = size < piece ? size : piece;
		copy = malloc(n);
		CHECK(copy != NULL);
		memcpy(copy, p, n);
		mime_body(m, copy, n);
		free(copy);
	}
}

static void
read_message(struct seen *s, const char *p, size_t size, size_t piece)
{
	struct mime *m;
	size_t header;

	memset(s, 0, sizeof *s);
	s->out = open_memstream(&s->text, &s->size);
	s->files = open_memstream(&s->file_text, &s->files_size);
	m = mime_new(&handler, s);
	CHECK(s->out != NULL && s->files != NULL && m != NULL);
	header = give_header(m, p, size);
	give_body(m, p + header, size - header, piece);
	mime_end(m);
	CHECK(s->open == 0 && s->parts > 0);
	mime_end(m);
	s->unscannable = mime_unscannable(m) != NULL;
	mime_free(m);
	CHECK(fclose(s->out) == 0 && fclose(s->files) == 0);
	CHECK(s->content <= size);
	CHECK(s->parts <= MIME_PARTS_MAX || s->unscannable);
}

static void
forget(struct seen *s)
{
	free(s->text);
	free(s->file_text);
}

/* The rest of a message may never come. */
static void
give_up_early(const char *p, size_t size)
{
	struct seen s;
	struct mime *m;
	size_t header;

	memset(&s, 0, sizeof s);
	s.out = open_memstream(&s.text, &s.size);
	s.files = open_memstream(&s.file_text, &s.files_size);
	m = mime_new(&handler, &s);
	CHECK(s.out != NULL && s.files != NULL && m != NULL);
	header = give_header(m, p, size);
	give_body(m, p + header, (size - header) / 2, size);
	mime_free(m);
	fclose(s.out);
	fclose(s.files);
	forget(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t piece = fuzz_byte(&in) + 1;
	const char *message = (const char *)in.at;
	struct seen whole, cut;

	if (in.left == 0)
		return 0;
	read_message(&whole, message, in.left, in.left);
	read_message(&cut, message, in.left, piece);
	CHECK(cut.size == whole.size);
	CHECK(memcmp(cut.text, whole.text, cut.size) == 0);
	CHECK(cut.files_size == whole.files_size);
	CHECK(memcmp(cut.file_text, whole.file_text, cut.files_size) == 0);
	CHECK(cut.unscannable == whole.unscannable);
	give_up_early(message, in.left);
	forget(&whole);
	forget(&cut);
	return 0;
}
