/*
 * Files of signatures, and what they find.
 *
 * The input: a field's name, NUL, the text that is looked through, NUL, the
 * file.  Each line is read by the simple way below as well: what the file finds
 * must be what one of its lines says, wherever the text is cut.
 */
#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "fuzz.h"
#include "signatures.h"

#define LINES_MAX	200	/* of a file; more are not looked at */
#define PLACES		4

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
write_file(const void *bytes, size_t size)
{
	char name[] = "/tmp/fuzz_signatures.XXXXXX";

	if (fd == -1) {
		fd = mkstemp(name);
		CHECK(fd != -1 && unlink(name) == 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

/* --- a line, the simple way */

struct line {
	bool bad, hex;
	enum signature_where where;
	char name[120], field[120];
	unsigned char bytes[300];
	size_t size;		/* 0: it says nothing */
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word, or "" when it is too long for one. */
static const char *
next_word(const char *p, char *word, size_t room)
{
	size_t size = 0;

	while (is_blank(*p))
		p++;
	for (; *p != '\0' && !is_blank(*p); p++)
		if (size < room)
			word[size++] = *p;
	word[size < room ? size : 0] = '\0';
	while (is_blank(*p))
		p++;
	return p;
}

static bool
read_place(struct line *l, const char *word)
{
	static const char *const places[PLACES] = {
		"header:", "name", "body", "content"
	};

	for (int i = 1; i < PLACES; i++)
		if (strcasecmp(word, places[i]) == 0) {
			l->where = (enum signature_where)i;
			return true;
		}
	if (strncasecmp(word, "header:", 7) != 0)
		return false;
	l->where = SIGNATURE_HEADER;
	snprintf(l->field, sizeof l->field, "%s", word + 7);
	for (const char *p = l->field; *p != '\0'; p++)
		if (*p < '!' || *p > '~' || *p == ':')
			return false;
	return l->field[0] != '\0' && strlen(l->field) < 80;
}

static bool
read_pattern(struct line *l, const char *p)
{
	size_t size = strlen(p);
	char digits[3] = "";

	while (size > 0 && is_blank(p[size - 1]))
		size--;
	l->hex = size >= 4 && strncasecmp(p, "hex:", 4) == 0;
	if (!l->hex) {
		l->size = size;
		memcpy(l->bytes, p, size < 300 ? size : 300);
		return size >= 4 && size <= SIGNATURES_BYTES_MAX;
	}
	for (p += 4, size -= 4; size >= 2; p += 2, size -= 2) {
		memcpy(digits, p, 2);
		if (!isxdigit((unsigned char)p[0]) ||
		    !isxdigit((unsigned char)p[1]) || l->size == 299)
			return false;
		l->bytes[l->size++] = (unsigned char)strtol(digits, NULL, 16);
	}
	return size == 0 && l->size >= 4 && l->size <= SIGNATURES_BYTES_MAX;
}

static void
read_line(struct line *l, const char *text, size_t size)
{
	char word[120];
	const char *p;

	memset(l, 0, sizeof *l);
	l->bad = size > SIGNATURES_LINE_MAX || strlen(text) < size;
	p = next_word(text, word, sizeof word);
	while (is_blank(*text))
		text++;
	if (l->bad || *text == '\0' || *text == '#' || *text == ';')
		return;
	snprintf(l->name, sizeof l->name, "%s", word);
	l->bad = word[0] == '\0' || strlen(word) > 79 ||
	    word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
	    "qrstuvwxyz0123456789-_./:+")] != '\0';
	p = next_word(p, word, sizeof word);
	l->bad |= !read_place(l, word) || !read_pattern(l, p);
	if (l->bad)
		l->size = 0;
}

/* All lines of a file. */
struct lines {
	size_t count;
	bool bad;
	struct line line[LINES_MAX];
};

static bool
read_lines(struct lines *l, const uint8_t *p, size_t size)
{
	const uint8_t *end = p + size, *lf;
	static char text[40000];

	l->count = 0;
	l->bad = false;
	if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf != NULL ? lf : end;
		if (lf - p >= 32000 || l->count == LINES_MAX)
			return false;
		memcpy(text, p, (size_t)(lf - p));
		text[lf - p] = '\0';
		read_line(&l->line[l->count], text, (size_t)(lf - p));
		l->bad |= l->line[l->count++].bad;
	}
	return true;
}

static bool
is_in(const struct line *l, const char *text, size_t size)
{
	for (size_t at = 0; l->size > 0 && at + l->size <= size; at++) {
		size_t i = 0;

		while (i < l->size && (l->hex ?
		    (unsigned char)text[at + i] == l->bytes[i] :
		    tolower((unsigned char)text[at + i]) ==
		    tolower(l->bytes[i])))
			i++;
		if (i == l->size)
			return true;
	}
	return false;
}

/* Does one of the lines with this name find something there? NULL: any. */
static bool
finds(const struct lines *l, const char *name, enum signature_where where,
    const char *field, const char *text)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->line[i].where == where &&
		    (name == NULL || strcmp(l->line[i].name, name) == 0) &&
		    (where != SIGNATURE_HEADER ||
		    strcasecmp(l->line[i].field, field) == 0) &&
		    is_in(&l->line[i], text, strlen(text)))
			return true;
	return false;
}

/* --- the code */

static struct signatures *
make(bool lenient)
{
	struct signatures *s = signatures_new();

	CHECK(s != NULL && signatures_add_file(s, path) == 0);
	if (lenient)
		signatures_lenient(s);
	return s;
}

static bool
keep_first(void *arg, const char *name)
{
	*(const char **)arg = name;
	return true;
}

static const char *
find(const struct signature_set *set, enum signature_where where,
    const char *field, const char *text, size_t cut)
{
	const unsigned char *bytes = (const unsigned char *)text;
	struct signature_stream stream = { .text = 0 };
	const char *name = NULL;

	if (where == SIGNATURE_HEADER || where == SIGNATURE_NAME)
		signatures_find_text(set, where == SIGNATURE_NAME ? NULL :
		    field, text, keep_first, &name);
	else if (!signatures_find(set, where, &stream, bytes, cut, keep_first,
	    &name))
		signatures_find(set, where, &stream, bytes + cut,
		    strlen(text) - cut, keep_first, &name);
	return name;
}

static bool
is_explained(struct signatures *s, const char *name)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool is;

	CHECK(out != NULL);
	signatures_explain(s, out, name);
	CHECK(fclose(out) == 0);
	is = size > 0 && strncmp(text, path, strlen(path)) == 0;
	for (const char *p = text; p < text + size; p++)
		CHECK(*p == '\n' || (*p >= ' ' && *p <= '~'));
	free(text);
	return is;
}

static void
check_finds(const struct signature_set *set, const struct lines *l,
    struct signatures *s, enum signature_where where, const char *field,
    const char *text)
{
	bool wanted = finds(l, NULL, where, field, text);
	size_t size = strlen(text);

	for (size_t cut = 0; cut <= size && cut < 300; cut++) {
		const char *name = find(set, where, field, text, cut);

		CHECK((name != NULL) == wanted);
		CHECK(name == NULL || finds(l, name, where, field, text));
		CHECK(name == NULL || cut > 0 || is_explained(s, name));
		CHECK(name == NULL || signatures_has(set, where));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lines lines;
	struct fuzz_input in = { data, size };
	char *field = fuzz_field(&in), *text = fuzz_field(&in);
	struct signatures *s, *strict;
	const struct signature_set *set, *empty;

	fuzz_catch_log();
	write_file(in.at, in.left);
	s = make(true);
	strict = make(false);
	empty = signatures_take(s);
	if (read_lines(&lines, in.at, in.left)) {
		CHECK(signatures_load(s) == 0);
		CHECK(signatures_load(strict) == (lines.bad ? -1 : 0));
		CHECK(fuzz_check_log() == (lines.bad ? 3 : 2));
		set = signatures_take(s);
		for (int i = 0; i < PLACES; i++)
			check_finds(set, &lines, s, (enum signature_where)i,
			    field, text);
		signatures_give_back(s, set);
	}
	for (int i = 0; i < PLACES; i++)
		CHECK(!signatures_has(empty, (enum signature_where)i));
	signatures_give_back(s, empty);
	signatures_free(s);
	signatures_free(strict);
	free(field);
	free(text);
	return 0;
}
