/*
 * t_mime - which parts a message has, what their content is, and what is said
 * to be unscannable; each message in pieces of several sizes, its lines ended
 * in both ways.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mime.h"
#include "unit.h"

#define SEEN_MAX	(1 << 20)

/*
 * What was called, as text: "(TYPE 'CONTENT')", with the parts of a part
 * inside its brackets, <NAME> for a uuencoded file; of bytes, | is a line end
 * and ~ a control byte.  Fields are kept apart, as "NAME=VALUE;".
 */
static struct {
	char text[SEEN_MAX], fields[SEEN_MAX], content[SEEN_MAX];
	size_t text_size, fields_size, content_size, biggest;
	int open;
	struct mime *skips;		/* the rest of each content, or NULL */
} seen;

static void
add(char *to, size_t *size, const char *text)
{
	size_t n = strlen(text);

	assert_true(*size + n < SEEN_MAX);
	memcpy(to + *size, text, n + 1);
	*size += n;
}

static void
see_field(void *arg, const char *name, const char *value)
{
	assert_ptr_equal(arg, &seen);
	add(seen.fields, &seen.fields_size, name);
	add(seen.fields, &seen.fields_size, "=");
	add(seen.fields, &seen.fields_size, value);
	add(seen.fields, &seen.fields_size, ";");
}

static void
see_begin(void *arg, const struct mime_part *part)
{
	static const char *const encodings[] = { "", ",b64", ",qp", ",?" };

	assert_ptr_equal(arg, &seen);
	assert_int_equal(part->depth, seen.open);
	assert_int_equal(seen.content_size, 0);
	seen.open++;
	add(seen.text, &seen.text_size, "(");
	add(seen.text, &seen.text_size, part->type);
	add(seen.text, &seen.text_size, encodings[part->encoding]);
}

static void
see_content(void *arg, const unsigned char *bytes, size_t size)
{
	assert_ptr_equal(arg, &seen);
	assert_true(seen.open > 0 && size > 0);
	assert_true(seen.content_size + size < SEEN_MAX);
	if (size > seen.biggest)
		seen.biggest = size;
	for (; size > 0; bytes++, size--)
		if (*bytes != '\r')
			seen.content[seen.content_size++] = *bytes == '\n' ?
			    '|' : *bytes < ' ' ? '~' : (char)*bytes;
	seen.content[seen.content_size] = '\0';
	if (seen.skips != NULL)
		mime_skip(seen.skips);
}

static void
see_end(void *arg)
{
	assert_ptr_equal(arg, &seen);
	assert_true(seen.open-- > 0);
	if (seen.content_size > 0) {
		add(seen.text, &seen.text_size, " '");
		add(seen.text, &seen.text_size, seen.content);
		add(seen.text, &seen.text_size, "'");
		seen.content_size = 0;
	}
	add(seen.text, &seen.text_size, ")");
}

static void
see_uuencoded(void *arg, const char *name)
{
	assert_ptr_equal(arg, &seen);
	add(seen.text, &seen.text_size, "<");
	add(seen.text, &seen.text_size, name);
	add(seen.text, &seen.text_size, ">");
}

static const struct mime_handler handler = {
	see_field, see_begin, see_content, see_end, see_uuencoded
};

/* --- a message, as libmilter hands it over */

/* Returns what follows the header. */
static const char *
give_header(struct mime *m, const char *message)
{
	char line[4000];

	while (*message != '\0' && *message != '\n') {
		const char *end = strchr(message, '\n');
		char *value;

		assert_non_null(end);
		while (end[1] == ' ' || end[1] == '\t')
			end = strchr(end + 1, '\n');
		assert_true((size_t)(end - message) < sizeof line);
		memcpy(line, message, (size_t)(end - message));
		line[end - message] = '\0';
		value = strchr(line, ':');
		assert_non_null(value);
		*value++ = '\0';
		mime_field(m, line, value + (*value == ' '));
		message = end + 1;
	}
	mime_end_header(m);
	return message + (*message != '\0');
}

static void
give_body(struct mime *m, const char *body, size_t size, size_t piece)
{
	for (size_t at = 0, n; at < size; at += n) {
		unsigned char *copy;

		n = size - at < piece ? size - at : piece;
		copy = malloc(n);	/* of exactly its size */
		assert_non_null(copy);
		memcpy(copy, body + at, n);
		mime_body(m, copy, n);
		free(copy);
	}
}

static char *
with_returns(const char *body, size_t *size)
{
	char *out = malloc(2 * *size + 1);
	size_t n = 0;

	assert_non_null(out);
	for (size_t i = 0; i < *size; i++) {
		if (body[i] == '\n')
			out[n++] = '\r';
		out[n++] = body[i];
	}
	*size = n;
	return out;
}

/* Returns why it is unscannable, or "". */
static const char *
read_message(const char *message, size_t size, size_t piece, bool crlf)
{
	struct mime *m = mime_new(&handler, &seen);
	const char *body, *why;
	char *copy = NULL;

	assert_non_null(m);
	seen.text[0] = seen.fields[0] = '\0';
	seen.text_size = seen.fields_size = seen.content_size = 0;
	seen.biggest = 0;
	seen.open = 0;
	body = give_header(m, message);
	size -= (size_t)(body - message);
	if (crlf)
		body = copy = with_returns(body, &size);
	give_body(m, body, size, piece);
	mime_end(m);
	why = mime_unscannable(m);
	assert_int_equal(seen.open, 0);
	mime_end(m);		/* once more does nothing */
	assert_int_equal(seen.open, 0);
	mime_free(m);
	free(copy);
	return why != NULL ? why : "";
}

static const size_t pieces[] = { 1, 2, 3, 7, 64, 1000000 };

/* --- structure */

#define ROW(message, want, why)	{ message, sizeof message - 1, want, why }
#define MIXED	"Content-Type: multipart/mixed; boundary=b\n\n"
#define MESSAGE	"Content-Type: message/rfc822\n\n"
#define DIGEST	"Content-Type: multipart/digest; boundary=b\n\n"

struct row {
	const char *message;
	size_t size;
	const char *want, *why;
};

static void
check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		for (size_t j = 0; j < 2 * COUNT(pieces); j++) {
			const char *why = read_message(r->message, r->size,
			    pieces[j / 2], j % 2);

			CHECK(strcmp(seen.text, r->want) == 0,
			    "\"%s\" in pieces of %zu:\n got %s\nwant %s",
			    r->message, pieces[j / 2], seen.text, r->want);
			CHECK(strcmp(why, r->why) == 0,
			    "\"%s\" in pieces of %zu: got \"%s\" want \"%s\"",
			    r->message, pieces[j / 2], why, r->why);
		}
	}
}

static const struct row structure[] = {
	ROW("\n", "(text/plain)", ""),
	ROW("\nhello\n", "(text/plain 'hello|')", ""),
	ROW("\nhello", "(text/plain 'hello')", ""),
	ROW("Content-Type: text/html\n\na\n\nb\n", "(text/html 'a||b|')", ""),
	ROW("\na\0b\n", "(text/plain 'a~b|')", ""),
	ROW("\n--b\n-\n--\n", "(text/plain '--b|-|--|')", ""),

	/* Multiparts. */
	ROW(MIXED "--b\n\none\n--b\n\ntwo\n--b--\n",
	    "(multipart/mixed(text/plain 'one|')(text/plain 'two|'))", ""),
	ROW(MIXED "before\n--b\n\none\n--b--\nbehind\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW(MIXED, "(multipart/mixed)", ""),
	ROW(MIXED "only text\n", "(multipart/mixed)", ""),
	ROW(MIXED "--b--\n", "(multipart/mixed)", ""),
	ROW(MIXED "--b\n\n--b\n\n--b--",
	    "(multipart/mixed(text/plain)(text/plain))", ""),
	ROW(MIXED "--b\nContent-Type: image/png\n\none\n--b\n\ntwo",
	    "(multipart/mixed(image/png 'one|')(text/plain 'two'))", ""),
	ROW(MIXED "--b\n\n-\n--\n---b\n-- b\n--a\n --b\nb\n--b--\n",
	    "(multipart/mixed(text/plain '-|--|---b|-- b|--a| --b|b|'))", ""),
	ROW(MIXED "--b \t \n\none\n--b-- \t\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW(MIXED "--b\r\n\none\n--b--\r\r\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW("Content-Type: multipart/alternative; boundary=b\n\n--b\n\none\n",
	    "(multipart/alternative(text/plain 'one|'))", ""),
	ROW("Content-Type: multipart; boundary=b\n\n--b\n\none\n",
	    "(multipart(text/plain 'one|'))", ""),

	/* Inside each other. */
	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=c\n\n"
	    "x\n--c\n\none\n--c--\ny\n--b\n\ntwo\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|'))"
	    "(text/plain 'two|'))", ""),
	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=c\n\n"
	    "--c\n\none\n--b\n\ntwo\n--c\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|'))"
	    "(text/plain 'two|--c|'))", ""),
	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=b\n\n"
	    "--b\n\none\n--b--\n--b\n\ntwo\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|'))"
	    "(text/plain 'two|'))", ""),
	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=b1\n\n"
	    "--b1\n\none\n--b1--\n--b\n\ntwo\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|'))"
	    "(text/plain 'two|'))", ""),
	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=b--\n\n"
	    "--b--\n\none\n--b----\n--b--\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|')))", ""),

	ROW(MIXED "--b\nContent-Type: multipart/related; boundary=c\n\n"
	    "--c\n\none\n--c--\n"
	    "--b\nContent-Type: multipart/related; boundary=c\n\n"
	    "--c\n\ntwo\n--c--\n--b--\n",
	    "(multipart/mixed(multipart/related(text/plain 'one|'))"
	    "(multipart/related(text/plain 'two|')))", ""),

	/* A part that begins where it should not. */
	ROW(MIXED "--b\n\none\n--b--\n--b\n\ntwo\n",
	    "(multipart/mixed(text/plain 'one|')(text/plain 'two|'))",
	    "a part behind the last one"),
	ROW(MIXED "--b\n\none\n--b--\n--b--\nx\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW(MIXED "--b\n\none\n--bc\n\ntwo\n--b--\n",
	    "(multipart/mixed(text/plain 'one|--bc||two|'))",
	    "a line like a boundary"),
	ROW(MIXED "--b\n\none\n--b-\n", "(multipart/mixed(text/plain "
	    "'one|--b-|'))", "a line like a boundary"),
	ROW(MIXED "--b\n\none\n--b--x\n", "(multipart/mixed(text/plain "
	    "'one|--b--x|'))", "a line like a boundary"),
	ROW(MIXED "--b\n\none\n--b\0\n", "(multipart/mixed(text/plain "
	    "'one|--b~|'))", "a line like a boundary"),
	/* A lone CR is no line end, but is for some. */
	ROW(MIXED "--b\n\none\r--b\n--b--\n",
	    "(multipart/mixed(text/plain 'one--b|'))",
	    "a lone CR before a boundary"),
	ROW(MIXED "x\r--b\n\none\n--b--\n", "(multipart/mixed)",
	    "a lone CR before a boundary"),

	/* Headers of parts. */
	ROW(MIXED "--b\ncontent-TYPE :\tTEXT/Html ; charset=x\n\none\n",
	    "(multipart/mixed(text/html 'one|'))", ""),
	ROW(MIXED "--b\nContent-Type:\n image/gif\n\none\n",
	    "(multipart/mixed(image/gif 'one|'))", ""),
	ROW(MIXED "--b\nX: a\n\tContent-Type: image/gif\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW(MIXED "--b\nContent-Type: image/gif\n--b\n\none\n",
	    "(multipart/mixed(image/gif)(text/plain 'one|'))", ""),
	ROW(MIXED "--b\nContent-Type: image/gif\n--b--\n",
	    "(multipart/mixed(image/gif))", ""),
	ROW(MIXED "--b\nContent-Type: image/gif",
	    "(multipart/mixed(image/gif))", ""),
	ROW(MIXED "--b\nContent-Type: image/gif\n",
	    "(multipart/mixed(image/gif))", ""),
	ROW(MIXED "--b", "(multipart/mixed(text/plain))", ""),
	ROW(MIXED "--b\n \t\none\n", "(multipart/mixed(text/plain 'one|'))",
	    ""),
	ROW(MIXED "--b\nno field\nContent-Type: image/gif\n\none\n",
	    "(multipart/mixed(text/plain "
	    "'no field|Content-Type: image/gif||one|'))",
	    "a header without an end"),
	ROW(MIXED "--b\nContent-Type: image/gif\nGIF89\n",
	    "(multipart/mixed(image/gif 'GIF89|'))",
	    "a header without an end"),
	ROW(MIXED "--b\n: x\n", "(multipart/mixed(text/plain ': x|'))",
	    "a header without an end"),
	ROW(MIXED "--b\n x: y\n", "(multipart/mixed(text/plain ' x: y|'))",
	    "a header without an end"),
	ROW(MIXED "--b\nContent-Type: multipart/mixed; boundary=c\n--c\n\n1\n",
	    "(multipart/mixed(multipart/mixed(text/plain '1|')))",
	    "a header without an end"),
	ROW(MIXED "--b\nX: a\n \n\none\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW(MIXED "--b\nX: a\n \nContent-Type: image/gif\n\none\n",
	    "(multipart/mixed(image/gif 'one|'))",
	    "a blank line in a header"),
	ROW(MIXED "--b\nX: a\n \n b\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))",
	    "a blank line in a header"),
	ROW(MIXED "--b\nX: a\rContent-Type: image/gif\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))",
	    "a lone CR in a header"),
	ROW(MIXED "--b\nX: a\0b\nContent-Type: image/gif\n\none\n",
	    "(multipart/mixed(image/gif 'one|'))", "a NUL in a header"),

	/* Two fields. */
	ROW(MIXED "--b\nContent-Type: image/gif\nContent-Type: text/html\n\n"
	    "one\n", "(multipart/mixed(image/gif 'one|'))", ""),
	ROW("Content-Type: multipart/mixed; boundary=b\n"
	    "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))", ""),
	ROW("Content-Type: multipart/mixed; boundary=b\n"
	    "Content-Type: multipart/mixed; boundary=c\n\n--b\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))",
	    "two Content-Type fields"),
	ROW("Content-Type: text/plain\n"
	    "Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n",
	    "(text/plain '--c||one|')", "two Content-Type fields"),
	ROW("Content-Type: multipart/mixed; boundary=b\n"
	    "Content-Type: text/plain\n\n--b\n\none\n",
	    "(multipart/mixed(text/plain 'one|'))",
	    "two Content-Type fields"),
	ROW("Content-Type:\nContent-Type: message/rfc822\n\nA: b\n\none\n",
	    "(text/plain 'A: b||one|')", "two Content-Type fields"),
	ROW("Content-Type:\n\none\n", "(text/plain 'one|')", ""),
	ROW("Content-Transfer-Encoding: base64\n"
	    "Content-Transfer-Encoding: Base64\n\nb25l\n",
	    "(text/plain,b64 'one')", ""),
	ROW("Content-Transfer-Encoding: base64\n"
	    "Content-Transfer-Encoding: 8bit\n\nb25l\n",
	    "(text/plain,b64 'one')", "two transfer encodings"),

	/* Encodings. */
	ROW("Content-Transfer-Encoding: base64\n\nb2\n5l\nIQ==\n",
	    "(text/plain,b64 'one!')", ""),
	ROW("Content-Transfer-Encoding: base64\n\nb25",
	    "(text/plain,b64 'on')", ""),
	ROW("Content-Transfer-Encoding: quoted-printable\n\n=6Fn=\ne=\n",
	    "(text/plain,qp 'one')", ""),
	ROW("Content-Transfer-Encoding: quoted-printable\n\none=6",
	    "(text/plain,qp 'one=6')", ""),
	ROW("Content-Transfer-Encoding: x-other\n\none\n",
	    "(text/plain,? 'one|')", "an unknown transfer encoding"),
	ROW(MIXED "--b\nContent-Transfer-Encoding: base64\n\nb25l\n--b\n\n"
	    "b25l\n--b\nContent-Transfer-Encoding: base64\n\nb2\n--b\n"
	    "Content-Transfer-Encoding: base64\n\n5lAA\n--b--\n",
	    "(multipart/mixed(text/plain,b64 'one')(text/plain 'b25l|')"
	    "(text/plain,b64 'o')(text/plain,b64 '\xe6P~'))", ""),

	/* Messages. */
	ROW(MESSAGE "Subject: x\n\none\n",
	    "(message/rfc822(text/plain 'one|'))", ""),
	ROW(MESSAGE, "(message/rfc822(text/plain))", ""),
	ROW(MESSAGE "Subject: x", "(message/rfc822(text/plain))", ""),
	ROW(MESSAGE "one\ntwo\n", "(message/rfc822(text/plain 'one|two|'))",
	    "a header without an end"),
	ROW(MESSAGE "\n\nContent-Type: image/gif\n\none\n",
	    "(message/rfc822(image/gif 'one|'))", ""),
	ROW(MESSAGE "From joe Mon Jan  1 00:00:00 2001\n"
	    "Content-Type: image/gif\n\none\n",
	    "(message/rfc822(image/gif 'one|'))", ""),
	ROW(MESSAGE ">From joe Mon Jan  1 00:00:00 2001\n"
	    "Content-Type: image/gif\n\none\n",
	    "(message/rfc822(image/gif 'one|'))", ""),
	ROW("Content-Type: message/global\n\n" MIXED "--b\n\none\n--b--\n",
	    "(message/global(multipart/mixed(text/plain 'one|')))", ""),
	ROW("Content-Type: Message/News\n\n" MESSAGE "X: y\n\none\n",
	    "(message/news(message/rfc822(text/plain 'one|')))", ""),
	ROW(MIXED "--b\n" MESSAGE "Content-Type: multipart/mixed; boundary=c\n"
	    "\n--c\n\none\n--b\n\ntwo\n--b--\n",
	    "(multipart/mixed(message/rfc822(multipart/mixed"
	    "(text/plain 'one|')))(text/plain 'two|'))", ""),
	ROW(MIXED "--b\n" MESSAGE "Subject: x\n--b\n\ntwo\n",
	    "(multipart/mixed(message/rfc822(text/plain))"
	    "(text/plain 'two|'))", ""),
	ROW("Content-Type: message/delivery-status\n\nA: b\n\nC: d\n",
	    "(message/delivery-status 'A: b||C: d|')", ""),
	ROW("Content-Type: message/partial; id=x; number=1\n\none\n",
	    "(message/partial 'one|')", "a piece of a message"),
	ROW("Content-Type: message/external-body; access-type=URL\n\none\n",
	    "(message/external-body 'one|')", "content that is elsewhere"),

	/* Digests. */
	ROW(DIGEST "--b\n\nSubject: x\n\none\n--b\nContent-Type: text/plain\n\n"
	    "two\n--b--\n", "(multipart/digest(message/rfc822(text/plain "
	    "'one|'))(text/plain 'two|'))", ""),
	ROW(DIGEST "--b\nSubject: x\n\nContent-Type: image/gif\n\none\n",
	    "(multipart/digest(message/rfc822(image/gif 'one|')))", ""),
	ROW(DIGEST "--b\nno field\n", "(multipart/digest(message/rfc822"
	    "(text/plain 'no field|')))", "a header without an end"),
	ROW(DIGEST "--b", "(multipart/digest(message/rfc822(text/plain)))",
	    ""),

	/* What must not be encoded. */
	ROW("Content-Transfer-Encoding: base64\n" MIXED "--b\n\none\n--b--\n",
	    "(multipart/mixed,b64(text/plain 'one|'))",
	    "an encoded multipart"),
	ROW("Content-Transfer-Encoding: quoted-printable\n" MIXED
	    "--b\n\none\n", "(multipart/mixed,qp(text/plain 'one|'))",
	    "an encoded multipart"),
	/* Content-Type: image/gif, empty line, GIF8. */
	ROW("Content-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBpbWFnZS9naWYKCkdJRjg=\n",
	    "(message/rfc822,b64(image/gif 'GIF8'))", ""),
	ROW("Content-Transfer-Encoding: base64\n" MESSAGE,
	    "(message/rfc822,b64(text/plain))", ""),
	ROW(MIXED "--b\nContent-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBpbWFnZS9naWYKCkdJRjg=\n--b\n\none\n",
	    "(multipart/mixed(message/rfc822,b64(image/gif 'GIF8'))"
	    "(text/plain 'one|'))", ""),
	ROW(MIXED "--b\nContent-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBpbWFnZS9naWYKCkdJ\n--b\n"
	    "Content-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBpbWFnZS9qcGcKCkpQRUc=\n",
	    "(multipart/mixed(message/rfc822,b64(image/gif 'GI'))"
	    "(message/rfc822,b64(image/jpg 'JPEG')))", ""),
	/* It is not; who does not decode it sees parts. */
	ROW("Content-Transfer-Encoding: base64\n" MESSAGE "A: b\n",
	    "(message/rfc822,b64(text/plain '~'))",
	    "an encoded message"),
	ROW("Content-Transfer-Encoding: quoted-printable\n" MESSAGE
	    "Content-Type: image=2Fgif\n\n=47IF8\n",
	    "(message/rfc822,qp(image/gif 'GIF8|'))", "an encoded message"),
	ROW("Content-Transfer-Encoding: quoted-printable\n" MESSAGE
	    "A=3A b\n\none\n", "(message/rfc822,qp(text/plain 'one|'))",
	    "an encoded message"),
	/* In it, "Content-Type: message/rfc822", encoded, and "R0lGOA==". */
	ROW("Content-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMgpDb250ZW50LVRyYW5zZmVyLUVu"
	    "Y29kaW5nOiBiYXNlNjQKClIwbEdPQT09\n",
	    "(message/rfc822,b64(message/rfc822,b64 'GIF8'))",
	    "an encoded message"),
};

static void
test_structure(void **state)
{
	(void)state;
	check_rows(structure, COUNT(structure));
}

/* --- Content-Type; the message is what follows, and a part behind --b */

static const struct {
	const char *value;
	bool parts;
	const char *type, *why;
} types[] = {
	{ "multipart/mixed; boundary=b", true, "multipart/mixed", "" },
	{ "multipart/mixed; boundary=\"b\"", true, "multipart/mixed", "" },
	{ "Multipart/MIXED; BOUNDARY=\"b\"", true, "multipart/mixed", "" },
	{ "multipart/mixed;boundary=b", true, "multipart/mixed", "" },
	{ "multipart/mixed ; boundary = b ;", true, "multipart/mixed", "" },
	{ "multipart/mixed; boundary=\"b\" ; x=y", true, "multipart/mixed",
	    "" },
	{ "multipart/mixed;\n\tboundary=\"b\"", true, "multipart/mixed", "" },
	{ "multipart/mixed;\r\n boundary=\n \"b\"", true, "multipart/mixed",
	    "" },
	{ "multipart/mixed; x; y=\"boundary=c;\"; z=(;;; boundary=b", false,
	    "multipart/mixed", "a multipart without a boundary" },
	{ "multipart/mixed; x; y=\"boundary=c;\"; z='; boundary=b", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; y=\"\\\"; boundary=c;\"; boundary=b", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; boundary=\"b \"", true, "multipart/mixed", "" },
	{ "multipart/mixed; xboundary=c; boundaryx=c; boundary=b", true,
	    "multipart/mixed", "" },
	{ ";multipart/mixed; boundary=b", false, "text/plain", "" },
	{ "\"multipart/mixed\"; boundary=b", true, "multipart/mixed", "" },
	{ "multipart / mixed; boundary=b", true, "multipart/mixed", "" },
	{ "multipart/ mixed; boundary=b", true, "multipart/mixed", "" },
	{ "multipart /mixed; boundary=b", true, "multipart/mixed", "" },
	{ "multipart/; boundary=b", true, "multipart/", "" },
	{ "multipart/mixed boundary=b", true, "multipart/mixed", "" },
	{ "multipart/mixed; charset=x boundary=b", true, "multipart/mixed",
	    "" },
	{ "multipart/mixed; name=two words; boundary=b", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; = ; =; boundary=b", true, "multipart/mixed", "" },
	{ "multipart/mixed; boundary=b; boundary=b", true, "multipart/mixed",
	    "" },
	{ "multipart/mixed; boundary=b; boundary*=''b; boundary=\"b\"", true,
	    "multipart/mixed", "" },
	/* RFC 2231. */
	{ "multipart/mixed; boundary*=us-ascii'en'%62", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; boundary*=\"us-ascii''%62\"", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; boundary*0=b", true, "multipart/mixed", "" },
	{ "multipart/mixed; boundary*0*=''; boundary*1=b", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; boundary*0=\"\"; boundary*1*=%62", true,
	    "multipart/mixed", "" },
	{ "multipart/mixed; boundary*1=b; boundary*0=\"\"", true,
	    "multipart/mixed", "an unclear boundary" },
	{ "multipart/mixed; boundary=b; boundary*0=c", true,
	    "multipart/mixed", "an unclear boundary" },
	{ "multipart/mixed; boundary*0=b; boundary=c", true,
	    "multipart/mixed", "an unclear boundary" },
	/* Some may read another one. */
	{ "multipart/mixed; boundary=b; boundary=c", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=b c", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=b charset=x", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=\"b", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=b\"", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=\"\"b", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=\"\\b\"", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=b(c)", false, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed; boundary=b (c)", true, "multipart/mixed",
	    "an unclear boundary" },
	{ "multipart/mixed (a \\) (b); boundary=c); boundary=b", true,
	    "multipart/mixed", "an unclear boundary" },
	{ "(c) multipart/mixed; boundary=b", true, "multipart/mixed",
	    "an unclear boundary" },
	/* There is none. */
	{ "multipart/mixed", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed; boundary", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed; boundary=", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed; boundary=\"\"", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed; boundary=\"  \"", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed (boundary=b", false, "multipart/mixed",
	    "a multipart without a boundary" },
	{ "multipart/mixed; name=\"; boundary=b", false, "multipart/mixed",
	    "a multipart without a boundary" },
	/* Other types. */
	{ "text/plain; boundary=b", false, "text/plain", "" },
	{ "TEXT", false, "text", "" },
	{ "text/x(y)z", false, "text/x", "" },
	{ "multiparty/mixed; boundary=b", false, "multiparty/mixed", "" },
	{ "message/rfc822-headers", false, "message/rfc822-headers", "" },
	{ "application/0123456789012345678901234567890123456789012345678901234"
	    "5678901234567890123456789", false, "application/0123456789012345"
	    "678901234567890123456789012345678901234567890123456", "" },
};

static void
test_types(void **state)
{
	char message[2000], want[2000];

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		int size = snprintf(message, sizeof message,
		    "Content-Type: %s\n\n--b\n\none\n--b--\n", types[i].value);
		const char *why;

		snprintf(want, sizeof want, types[i].parts ?
		    "(%s(text/plain 'one|'))" : "(%s '--b||one|--b--|')",
		    types[i].type);
		/* Of the unclear ones, one has another boundary. */
		if (strstr(types[i].value, "=b(c)") != NULL)
			snprintf(want, sizeof want, "(multipart/mixed)");
		why = read_message(message, (size_t)size, 7, false);
		CHECK(strcmp(seen.text, want) == 0,
		    "%s: got %s want %s", types[i].value, seen.text, want);
		CHECK(strcmp(why, types[i].why) == 0,
		    "%s: got \"%s\" want \"%s\"", types[i].value, why,
		    types[i].why);
	}
}

/* --- uuencoded files */

static const struct row uuencoded[] = {
	ROW("\nbegin 644 a.exe\nM...\nend\n",
	    "(text/plain<a.exe> 'begin 644 a.exe|M...|end|')", ""),
	ROW("\nx\nbegin 0644  a b.exe \t\n",
	    "(text/plain<a b.exe> 'x|begin 0644  a b.exe ~|')", ""),
	ROW("\nbegin-base64 755 a\n",
	    "(text/plain<a> 'begin-base64 755 a|')", ""),
	ROW("\nbegin 644 a\nbegin 600 b",
	    "(text/plain<a><b> 'begin 644 a|begin 600 b')", ""),
	ROW("Content-Type: text/html\n\nbegin 644 a",
	    "(text/html<a> 'begin 644 a')", ""),
	ROW("Content-Type: text\n\nbegin 644 a", "(text<a> 'begin 644 a')",
	    ""),
	ROW("Content-Type: multipart/mixed\n\nbegin 644 a",
	    "(multipart/mixed<a> 'begin 644 a')",
	    "a multipart without a boundary"),
	ROW(MIXED "begin 644 a\n--b\n\nbegin 644 b\n--b--\nbegin 644 c\n",
	    "(multipart/mixed<a>(text/plain<b> 'begin 644 b|')<c>)", ""),
	ROW(MIXED "--b\nContent-Type: image/gif\n\none\n--b--\nbegin 644 c\n",
	    "(multipart/mixed(image/gif 'one|')<c>)", ""),
	ROW("Content-Transfer-Encoding: quoted-printable\n" MIXED
	    "begin 644 a\n", "(multipart/mixed,qp<a>)",
	    "an encoded multipart"),
	ROW("Content-Transfer-Encoding: x-uuencode\n"
	    "Content-Type: application/octet-stream\n\nbegin 644 a",
	    "(application/octet-stream,?<a> 'begin 644 a')",
	    "an unknown transfer encoding"),
	ROW(MESSAGE "begin 644 a\n",
	    "(message/rfc822(text/plain<a> 'begin 644 a|'))",
	    "a header without an end"),
	ROW("\nbegin 644 a\0b\n", "(text/plain<a> 'begin 644 a~b|')",
	    "a uuencoded file with an odd name"),
	/* These are none. */
	ROW("\nbegin 64 a\nbegin 64444 a\nbegin 648 a\nbegin 644a\n"
	    "begin644 a\nbegin 644\nbegin 644 \n begin 644 a\nBegin 644 a\n"
	    "begins 644 a\nbegin a\nxbegin 644 a\nbegin-base 644 a\nb\nbegi\n",
	    "(text/plain 'begin 64 a|begin 64444 a|begin 648 a|begin 644a|"
	    "begin644 a|begin 644|begin 644 | begin 644 a|Begin 644 a|"
	    "begins 644 a|begin a|xbegin 644 a|begin-base 644 a|b|begi|')", ""),
	ROW("Content-Type: image/gif\n\nbegin 644 a",
	    "(image/gif 'begin 644 a')", ""),
	ROW("Content-Transfer-Encoding: quoted-printable\n\nbegin 644 a",
	    "(text/plain,qp 'begin 644 a')", ""),
};

static void
test_uuencoded(void **state)
{
	(void)state;
	check_rows(uuencoded, COUNT(uuencoded));
}

/* --- fields */

static const struct {
	const char *message, *want;
} fields[] = {
	{ "Subject: a\nX:b\n\n", "Subject=a;X=b;" },
	{ "Subject:   a \n\n", "Subject=a ;" },
	{ "Subject:\n\n", "Subject=;" },
	{ "Subject: a\n\tb\n c\n\n", "Subject=a\tb c;" },
	{ "Subject: a\r\n\tb\r\n\n", "Subject=a\tb;" },
	{ "Subject: a:b\n\n", "Subject=a:b;" },
	{ MIXED "--b\nA:  b \nC: d\n\tE: f\n\nG: h\n--b\nI \t: j\n",
	    "Content-Type=multipart/mixed; boundary=b;A=b ;C=d\tE: f;I=j;" },
	{ MIXED "--b\nA:\001\x80\n", "Content-Type=multipart/mixed; "
	    "boundary=b;A=\001\x80;" },
	{ MIXED "--b\nA: b\r\r\n\n", "Content-Type=multipart/mixed; "
	    "boundary=b;A=b;" },
	{ MIXED "--b\n" MESSAGE "A: b\n\nC: d\n", "Content-Type=multipart/mixed"
	    "; boundary=b;Content-Type=message/rfc822;A=b;" },
	{ "Content-Transfer-Encoding: base64\n" MESSAGE "QTogYgpDOgpEOiBlCg==",
	    "Content-Transfer-Encoding=base64;Content-Type=message/rfc822;"
	    "A=b;C=;D=e;" },
};

static void
test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		for (size_t j = 0; j < 2 * COUNT(pieces); j++) {
			read_message(fields[i].message,
			    strlen(fields[i].message), pieces[j / 2], j % 2);
			CHECK(strcmp(seen.fields, fields[i].want) == 0,
			    "%s: got %s want %s", fields[i].message,
			    seen.fields, fields[i].want);
		}
	}
}

static void
test_nul_in_field(void **state)
{
	static const char message[] = MIXED "--b\nA: b\0c\n\n";

	(void)state;
	read_message(message, sizeof message - 1, 1, false);
	assert_string_equal(seen.fields,
	    "Content-Type=multipart/mixed; boundary=b;A=b c;");
}

/* --- limits */

static void
repeat(FILE *out, const char *text, long count)
{
	while (count-- > 0)
		fputs(text, out);
}

struct big {
	char *text;
	size_t size;
	FILE *out;
};

static void
big_begin(struct big *b)
{
	b->out = open_memstream(&b->text, &b->size);
	assert_non_null(b->out);
}

/* Reads it in pieces of this size and frees it; returns why. */
static const char *
big_read(struct big *b, size_t piece)
{
	const char *why;

	assert_int_equal(fclose(b->out), 0);
	why = read_message(b->text, b->size, piece, false);
	free(b->text);
	return why;
}

/* How often is it in what was called? */
static long
count_seen(const char *text)
{
	long count = 0;

	for (const char *p = seen.text; (p = strstr(p, text)) != NULL; p++)
		count++;
	return count;
}

static void
write_multiparts(FILE *out, int count)
{
	fprintf(out, "Content-Type: multipart/mixed; boundary=b0\n\n");
	for (int i = 1; i < count; i++)
		fprintf(out, "--b%d\nContent-Type: multipart/mixed; "
		    "boundary=b%d\n\n", i - 1, i);
	fprintf(out, "--b%d\n\none\n", count - 1);
}

static void
test_depth(void **state)
{
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		write_multiparts(b.out, MIME_DEPTH_MAX + over);
		assert_string_equal(big_read(&b, 1000), over ? "too deep" : "");
		assert_int_equal(count_seen("("), MIME_DEPTH_MAX + 1);
		assert_non_null(strstr(seen.text, over ?
		    "(multipart/mixed '--b16||one|')" :
		    "(multipart/mixed(text/plain 'one|')"));

		big_begin(&b);
		repeat(b.out, MESSAGE, MIME_DEPTH_MAX + over);
		fputs("A: b\n\none\n", b.out);
		assert_string_equal(big_read(&b, 1000), over ? "too deep" : "");
		assert_int_equal(count_seen("(message"), MIME_DEPTH_MAX + over);
		assert_non_null(strstr(seen.text, over ?
		    "(message/rfc822 'A: b||one|')" :
		    "(message/rfc822(text/plain 'one|')"));
	}
}

/* Those around an encoded message count in it. */
static void
test_depth_of_encoded(void **state)
{
	/* Content-Type: message/rfc822, and an empty line, and that again. */
	static const char once[] =
	    "Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMgoK\n";
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		repeat(b.out, MESSAGE, 10);
		fputs("Content-Transfer-Encoding: base64\n" MESSAGE, b.out);
		repeat(b.out, once, MIME_DEPTH_MAX - 11 + over);
		fputs("QTogYgoKb25l\n", b.out);
		assert_string_equal(big_read(&b, 1000), over ? "too deep" : "");
		assert_int_equal(count_seen("(message"), MIME_DEPTH_MAX + over);
		assert_non_null(strstr(seen.text, over ?
		    "(message/rfc822 'A: b||one')" :
		    "(message/rfc822(text/plain 'one')"));
	}
}

static void
test_parts(void **state)
{
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs(MIXED, b.out);
		repeat(b.out, "--b\n\n", MIME_PARTS_MAX - 1 + over);
		assert_string_equal(big_read(&b, 1000), over ?
		    "too many parts" : "");
		assert_int_equal(count_seen("("), MIME_PARTS_MAX + over);
	}
	/* Those in encoded messages count. */
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs(MIXED, b.out);
		repeat(b.out, "--b\nContent-Transfer-Encoding: base64\n"
		    MESSAGE "\n", 1000 - 1 + over);
		fputs("--b\n", b.out);
		assert_string_equal(big_read(&b, 1000), over ?
		    "too many parts" : "");
		assert_int_equal(count_seen("("), MIME_PARTS_MAX + 2 * over);
	}
}

static void
test_field_size(void **state)
{
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs(MIXED "--b\nContent-A: ", b.out);
		repeat(b.out, "x", MIME_FIELD_MAX - 12 + over);
		fputs("y\nB: z\n\none\n", b.out);
		assert_string_equal(big_read(&b, 1000), over ?
		    "a field too long" : "");
		assert_non_null(strstr(seen.fields, over ? "xx;B=z;" :
		    "xxy;B=z;"));
		assert_non_null(strstr(seen.text, "'one|'"));

		/* Folded. */
		big_begin(&b);
		fputs(MIXED "--b\nA:", b.out);
		repeat(b.out, "\n\t", MIME_FIELD_MAX - 3 + over);
		fputs("y\nB: z\n", b.out);
		assert_string_equal(big_read(&b, 1000),
		    "a blank line in a header");
		assert_non_null(strstr(seen.fields, over ? "A=;B=z;" :
		    "A=y;B=z;"));
	}
}

/* That of the message itself comes on another way. */
static void
test_own_field_size(void **state)
{
	static char value[MIME_FIELD_MAX + 2];

	(void)state;
	for (int over = 0; over < 2; over++) {
		struct mime *m = mime_new(&handler, &seen);

		assert_non_null(m);
		seen.text_size = seen.fields_size = 0;
		seen.content_size = 0;
		seen.open = 0;
		memset(value, 'x', sizeof value);
		value[MIME_FIELD_MAX - 10 + over] = '\0';
		mime_field(m, "Content-A", value);
		mime_field(m, "Content-Type", "image/gif");
		mime_end_header(m);
		mime_end(m);
		assert_int_equal(mime_unscannable(m) != NULL, over);
		assert_int_equal(strlen(seen.fields), MIME_FIELD_MAX + 1 +
		    strlen("Content-Type=image/gif;"));
		assert_string_equal(seen.text, "(image/gif)");
		mime_free(m);
	}
}

static void
test_header_size(void **state)
{
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs(MIXED "--b\n", b.out);
		repeat(b.out, "Aa: 456\n", MIME_HEADER_MAX / 7);
		repeat(b.out, "A:3\n", MIME_HEADER_MAX % 7 / 3 + over);
		fputs("\none\n--b\nX: y\n\n", b.out);
		assert_string_equal(big_read(&b, 1000), over ?
		    "a header too long" : "");
		assert_non_null(strstr(seen.fields, over ? "A=3;X=y;" :
		    "X=y;"));
		assert_non_null(strstr(seen.text, "'one|'"));
	}
}

static void
test_boundary_size(void **state)
{
	struct big b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs("Content-Type: multipart/mixed; boundary=", b.out);
		repeat(b.out, "b", MIME_BOUNDARY_MAX + over);
		fputs("\n\n--", b.out);
		repeat(b.out, "b", MIME_BOUNDARY_MAX + over);
		fputs("\n\none\n", b.out);
		assert_string_equal(big_read(&b, 100), over ?
		    "a boundary too long" : "");
		assert_int_equal(count_seen("("), over ? 1 : 2);
	}
	/* In two sections. */
	for (int over = 0; over < 2; over++) {
		big_begin(&b);
		fputs("Content-Type: multipart/mixed; boundary*0=bb;\n"
		    "\tboundary*1=", b.out);
		repeat(b.out, "b", MIME_BOUNDARY_MAX - 2 + over);
		fputs("; boundary*2=\"\"\n\none\n", b.out);
		assert_string_equal(big_read(&b, 100), over ?
		    "a boundary too long" : "");
	}
}

/* Lines of which only the beginning decides. */
static void
test_long_lines(void **state)
{
	struct big b;

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		big_begin(&b);
		fputs(MIXED "--b\n\n", b.out);
		repeat(b.out, "--x", 5000);
		fputs("\nbegin ", b.out);
		repeat(b.out, " ", 5000);
		fputs("644 a\n--b", b.out);
		repeat(b.out, " ", 900);
		fputs("\n\ntwo\n", b.out);
		assert_string_equal(big_read(&b, pieces[i]), "");
		assert_int_equal(count_seen("("), 3);
		assert_int_equal(count_seen("--x"), 5000);
		assert_int_equal(count_seen("<"), 0);
		assert_non_null(strstr(seen.text, "644 a|')(text/plain 'two"));

		big_begin(&b);
		fputs(MIXED "--b", b.out);
		repeat(b.out, " ", 5000);
		fputs("x\n\ntwo\n", b.out);
		assert_string_equal(big_read(&b, pieces[i]),
		    "a line like a boundary");
		assert_string_equal(seen.text,
		    "(multipart/mixed(text/plain 'two|'))");

		big_begin(&b);
		fputs(MIXED "--b\nA: ", b.out);
		repeat(b.out, "x", 5000);
		fputs("\nB: z\n", b.out);
		repeat(b.out, "n", 5000);
		fputs(":\n", b.out);
		assert_string_equal(big_read(&b, pieces[i]),
		    "a header without an end");
		assert_non_null(strstr(seen.fields, "xx;B=z;"));
		assert_int_equal(count_seen("nnnnn"), 4996);

		big_begin(&b);
		fputs("\nbegin 644 ", b.out);
		repeat(b.out, "n", 5000);
		assert_string_equal(big_read(&b, pieces[i]),
		    "a uuencoded file with an odd name");
		assert_non_null(strstr(seen.text, "<nnnn"));
	}
}

/* The first reason counts. */
static void
test_first_reason(void **state)
{
	static const char message[] = MIXED
	    "--b\nContent-Type: message/partial\n\n--b\nContent-Type: "
	    "message/external-body\n\n";

	(void)state;
	assert_string_equal(read_message(message, sizeof message - 1, 1, true),
	    "a piece of a message");
}

/* --- pieces of content */

/* A piece that is large is handed over as it is, small ones are gathered. */
static void
test_batches(void **state)
{
	static const struct {
		const char *header, *line;
		size_t piece, want;
	} rows[] = {
		{ "", "text of a line\n", 1000000, 20000 },
		{ "", "--ext of a line\n", 1000000, 8000 },
		{ "", "text of a line\n", 5, 8000 },
		{ "Content-Transfer-Encoding: base64\n", "AAAAAAAA\r\n",
		    1000000, 8000 },
		{ "Content-Transfer-Encoding: base64\n", "AAAAAAAA\r\n", 5,
		    8000 },
		{ "Content-Transfer-Encoding: quoted-printable\n", "=41=\n",
		    5, 8000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct big b;

		big_begin(&b);
		fputs(rows[i].header, b.out);
		fputs("\n", b.out);
		repeat(b.out, rows[i].line, 20000);
		assert_string_equal(big_read(&b, rows[i].piece), "");
		CHECK(seen.biggest >= rows[i].want,
		    "row %zu: %zu bytes at most", i, seen.biggest);
	}
}

/* What is skipped is not decoded; what follows is seen. */
static void
test_skip(void **state)
{
	static const struct {
		const char *header, *line, *want;
	} rows[] = {
		{ "\n", "text of a line\n", "(multipart/mixed(text/plain '" },
		{ "Content-Transfer-Encoding: base64\n\n", "QUFBQUFB\n",
		    "(multipart/mixed(text/plain,b64 '" },
		{ "Content-Transfer-Encoding: quoted-printable\n\n",
		    "=41=41=\n", "(multipart/mixed(text/plain,qp '" },
		{ "Content-Type: message/rfc822\n\nSubject: x\n\n",
		    "text of a line\n",
		    "(multipart/mixed(message/rfc822(text/plain '" },
		{ "Content-Type: message/rfc822\n"
		    "Content-Transfer-Encoding: base64\n\n"
		    "U3ViamVjdDogeAoK\n", "dGV4dCBvZiBhIGxpbmUgCg==\n",
		    "(multipart/mixed(message/rfc822,b64(text/plain '" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
	for (size_t p = 0; p < COUNT(pieces); p++) {
		struct mime *m = mime_new(&handler, &seen);
		struct big b;
		const char *body;

		assert_non_null(m);
		memset(&seen, 0, sizeof seen);
		seen.skips = m;
		big_begin(&b);
		fprintf(b.out, MIXED "--b\n%s", rows[i].header);
		repeat(b.out, rows[i].line, 20000);
		fputs("\n--b\nContent-Type: image/gif\n\nend\n--b--\n", b.out);
		assert_int_equal(fclose(b.out), 0);
		body = give_header(m, b.text);
		give_body(m, body, b.size - (size_t)(body - b.text),
		    pieces[p]);
		mime_end(m);
		CHECK(strncmp(seen.text, rows[i].want, strlen(rows[i].want))
		    == 0, "row %zu: %.80s", i, seen.text);
		CHECK(strstr(seen.text, "(image/gif 'end") != NULL,
		    "row %zu: the part behind it", i);
		CHECK(pieces[p] > 64 || seen.text_size < 20000 ||
		    strchr(seen.text, ',') == NULL,
		    "row %zu: %zu bytes", i, seen.text_size);
		assert_null(mime_unscannable(m));
		mime_free(m);
		free(b.text);
	}
	seen.skips = NULL;
}

/* It may be freed wherever it is. */
static void
test_freed_early(void **state)
{
	static const char body[] = "--b\nContent-Type: text/html\n\none\n--b\n"
	    "Content-Transfer-Encoding: base64\n" MESSAGE
	    "Q29udGVudC1UeXBlOiBpbWFnZS9naWYKCkdJRjg=\n--b--\n";

	(void)state;
	mime_free(NULL);
	mime_free(mime_new(&handler, &seen));
	for (size_t size = 0; size < sizeof body; size++) {
		struct mime *m = mime_new(&handler, &seen);

		assert_non_null(m);
		memset(&seen, 0, sizeof seen);
		give_header(m, MIXED);
		give_body(m, body, size, 3);
		mime_free(m);
	}
}

/* The end without an end of the header: what has begun is ended. */
static void
test_end_in_header(void **state)
{
	struct mime *m = mime_new(&handler, &seen);

	(void)state;
	assert_non_null(m);
	memset(&seen, 0, sizeof seen);
	mime_field(m, "Content-Type", "image/gif");
	mime_end(m);
	assert_string_equal(seen.text, "(image/gif)");
	mime_field(m, "Content-Type", "image/gif");
	mime_end_header(m);
	mime_body(m, (const unsigned char *)"x", 1);
	mime_end(m);
	assert_string_equal(seen.text, "(image/gif)");
	mime_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_uuencoded),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_nul_in_field),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_of_encoded),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_field_size),
		cmocka_unit_test(test_own_field_size),
		cmocka_unit_test(test_header_size),
		cmocka_unit_test(test_boundary_size),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_first_reason),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_freed_early),
		cmocka_unit_test(test_end_in_header),
	};

	return RUN(tests);
}
