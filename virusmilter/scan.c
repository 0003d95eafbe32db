#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "mime.h"
#include "reply.h"
#include "scan.h"
#include "texts.h"
#include "zip.h"

#define PASSED		64

/* Of the content at hand: only one part at a time has any. */
struct content {
	unsigned char first[CONTENT_BYTES];
	size_t size;			/* of the first bytes that came */
	bool known;			/* what it is, by these */
	bool zip;			/* it is read as one */
	bool named_zip;			/* it says so itself */
	struct zip names;
	struct signature_stream stream;
};

struct scan {
	const struct scan_rules *rules;
	const struct signature_set *signatures;
	FILE *out;
	struct mime *mime;
	bool mixed;
	bool begun;			/* its own header is over */
	bool in_header;			/* of whatever part */
	bool search_body, search_content, search_names;
	struct signature_stream body;
	struct content content;
	char file[FILENAME_MAX_BYTES];	/* the last name of the part */
	const char *passed[PASSED];	/* signatures found in it; see
					 * take_signature() */
	struct scan_finding finding;
};

/* --- what is found */

/* It goes to a terminal, and nobody else is to write lines there. */
static void
tell(const struct scan *s, const char *before, const char *text,
    const char *behind)
{
	char clean[FILENAME_MAX_BYTES];

	if (s->out == NULL)
		return;
	reply_clean(clean, sizeof clean, text, 0);
	fprintf(s->out, "%s%s%s\n", before, clean, behind);
}

/* Unless it is ignored.  The first counts. */
static void
found(struct scan *s, const char *name, const char *file, bool malign)
{
	struct scan_finding *f = &s->finding;
	bool ignored = globs_match(s->rules->ignored, name);
	char begin[SCAN_NAME_MAX + 12];

	if (s->out != NULL) {
		snprintf(begin, sizeof begin, "found %s%s", name,
		    file[0] != '\0' ? " in " : "");
		tell(s, begin, file, ignored ? " (ignored)" : "");
		signatures_explain(s->rules->signatures, s->out, name);
		globs_explain(s->rules->ignored, s->out, name);
	}
	if (ignored || (f->result == SCAN_INFECTED && (f->malign || !malign)))
		return;
	f->result = SCAN_INFECTED;
	f->malign = malign;
	snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->file, sizeof f->file, "%s", file);
}

static void
found_kind(struct scan *s, const char *rule, const char *kind,
    const char *file, bool malign)
{
	char name[SCAN_NAME_MAX];

	snprintf(name, sizeof name, "Milter.%s.%s", rule, kind);
	found(s, name, file, malign);
}

/* Who asks why is told of all there is. */
static bool
is_over(const struct scan *s)
{
	return s->finding.malign && s->out == NULL;
}

/* Looking for signatures in something of this file, or of none. */
struct sought {
	struct scan *scan;
	const char *file;
};

/*
 * One that is ignored does not hide the others.  It may stand in every line of
 * a large part, and is not to be compared with all that is ignored each time;
 * nor does who asks why want to read of it again.
 */
static bool
take_signature(void *arg, const char *name)
{
	const struct sought *x = arg;
	const char **passed = &x->scan->passed[(uintptr_t)name /
	    SIGNATURES_NAME_MAX % PASSED];

	if (*passed == name)
		return false;
	*passed = name;
	found(x->scan, name, x->file, true);
	return is_over(x->scan);
}

/*
 * The name of an attachment, or one inside a zip.  Who has a signature for it
 * knows more than that it is a program.
 */
static void
judge_name(struct scan *s, const char *rule, const char *name)
{
	struct sought sought = { s, name };
	struct filename_verdict v;

	tell(s, rule[0] == 'Z' ? "in the zip " : "name ", name, "");
	if (s->search_names)
		signatures_find_text(s->signatures, NULL, name,
		    take_signature, &sought);
	if (filename_is_program(name, &v))
		found_kind(s, rule, v.extension, name, v.disguised);
}

/* A program of macOS is a folder. */
static bool
is_in_app(const char *name)
{
	char folded[ZIP_NAME_MAX];

	texts_lower(folded, name, strnlen(name, sizeof folded - 1));
	return strstr(folded, ".app/contents/") != NULL;
}

static void
take_zip_name(void *arg, const char *name)
{
	judge_name(arg, "Zip", name);
	if (is_in_app(name))
		found_kind(arg, "Zip", "app", name, false);
}

/* --- the parts */

static void
take_name(void *arg, const char *name)
{
	struct scan *s = arg;

	snprintf(s->file, sizeof s->file, "%s", name);
	if (filename_is_zip(name))
		s->content.named_zip = true;
	judge_name(s, "Name", name);
}

static void
forget_part(struct scan *s)
{
	memset(&s->content, 0, sizeof s->content);
	memset(s->passed, 0, sizeof s->passed);
	s->file[0] = '\0';
}

/* The name of what holds parts is not that of the first of them. */
static void
enter_header(struct scan *s)
{
	if (!s->in_header)
		forget_part(s);
	s->in_header = true;
}

static void
part_field(void *arg, const char *name, const char *value)
{
	struct scan *s = arg;
	struct sought sought = { s, "" };

	if (is_over(s))
		return;
	enter_header(s);
	if (!s->begun)
		signatures_find_text(s->signatures, name, value,
		    take_signature, &sought);
	filename_find(name, value, take_name, s);
}

static void
part_begin(void *arg, const struct mime_part *part)
{
	static const char *const encodings[] = {
		[ENCODING_NONE] = "none",
		[ENCODING_BASE64] = "base64",
		[ENCODING_QUOTED_PRINTABLE] = "quoted-printable",
		[ENCODING_UNKNOWN] = "unknown",
	};
	struct scan *s = arg;
	char before[40], behind[40];

	enter_header(s);
	s->in_header = false;
	s->begun = true;
	if (part->depth == 0)
		s->mixed = strcmp(part->type, "multipart/mixed") == 0;
	snprintf(before, sizeof before, "part depth=%d type=", part->depth);
	snprintf(behind, sizeof behind, " encoding=%s",
	    encodings[part->encoding]);
	tell(s, before, part->type, behind);
}

/* What the first bytes say; size may be less than there could be. */
static void
judge_content(struct scan *s)
{
	struct content *c = &s->content;
	const char *kind = content_program(c->first, c->size);
	struct filename_verdict v;

	c->known = true;
	c->zip = c->named_zip || content_is_zip(c->first, c->size);
	/* Who calls a program what it is, does not hide it. */
	if (kind != NULL)
		found_kind(s, "Content", kind, s->file, s->file[0] != '\0' &&
		    !filename_is_program(s->file, &v));
	if (c->zip)
		zip_read(&c->names, c->first, c->size, take_zip_name, s);
}

static void
search_content(struct scan *s, const unsigned char *bytes, size_t size)
{
	struct sought sought = { s, s->file };

	if (s->search_content)
		signatures_find(s->signatures, SIGNATURE_CONTENT,
		    &s->content.stream, bytes, size, take_signature, &sought);
}

/* Returns how many of the bytes went into the first ones. */
static size_t
read_first(struct scan *s, const unsigned char *bytes, size_t size)
{
	struct content *c = &s->content;
	size_t left = CONTENT_BYTES - c->size, n = size < left ? size : left;

	search_content(s, bytes, n);
	memcpy(c->first + c->size, bytes, n);
	c->size += n;
	if (c->size == CONTENT_BYTES)
		judge_content(s);
	return n;
}

/* However it is cut, what it begins with is judged at the same byte. */
static void
part_content(void *arg, const unsigned char *bytes, size_t size)
{
	struct scan *s = arg;
	struct content *c = &s->content;
	size_t first = 0;

	if (is_over(s))
		return;
	if (!c->known)
		first = read_first(s, bytes, size);
	search_content(s, bytes + first, size - first);
	if (c->zip)
		zip_read(&c->names, bytes + first, size - first,
		    take_zip_name, s);
	else if (c->known && !s->search_content)
		mime_skip(s->mime);
}

static void
unscannable(struct scan *s, const char *reason)
{
	tell(s, "unscannable: ", reason, "");
	if (s->finding.result != SCAN_CLEAN)
		return;
	s->finding.result = SCAN_UNSCANNABLE;
	snprintf(s->finding.name, sizeof s->finding.name, "%s", reason);
}

static void
part_end(void *arg)
{
	struct scan *s = arg;

	if (!s->content.known && s->content.size > 0)
		judge_content(s);
	if (s->content.names.excess)
		unscannable(s, "odd names in a zip");
	forget_part(s);
}

static void
part_uuencoded(void *arg, const char *name)
{
	judge_name(arg, "Name", name);
}

static const struct mime_handler handler = {
	.field = part_field,
	.begin = part_begin,
	.content = part_content,
	.end = part_end,
	.uuencoded = part_uuencoded,
};

/* --- the message */

struct scan *
scan_new(const struct scan_rules *rules, FILE *out)
{
	struct scan *s = calloc(1, sizeof *s);

	if (s == NULL || (s->mime = mime_new(&handler, s)) == NULL) {
		free(s);
		return NULL;
	}
	s->rules = rules;
	s->out = out;
	s->signatures = signatures_take(rules->signatures);
	s->search_body = signatures_has(s->signatures, SIGNATURE_BODY);
	s->search_content = signatures_has(s->signatures, SIGNATURE_CONTENT);
	s->search_names = signatures_has(s->signatures, SIGNATURE_NAME);
	return s;
}

void
scan_field(struct scan *s, const char *name, const char *value)
{
	if (!is_over(s))
		mime_field(s->mime, name, value);
}

void
scan_end_header(struct scan *s)
{
	if (!is_over(s))
		mime_end_header(s->mime);
}

void
scan_body(struct scan *s, const unsigned char *bytes, size_t size)
{
	struct sought sought = { s, "" };

	if (is_over(s))
		return;
	if (s->search_body)
		signatures_find(s->signatures, SIGNATURE_BODY, &s->body,
		    bytes, size, take_signature, &sought);
	mime_body(s->mime, bytes, size);
}

void
scan_end(struct scan *s)
{
	const char *reason;

	if (!is_over(s))
		mime_end(s->mime);
	if ((reason = mime_unscannable(s->mime)) != NULL)
		unscannable(s, reason);
}

bool
scan_is_mixed(const struct scan *s)
{
	return s->mixed;
}

const struct scan_finding *
scan_finding(const struct scan *s)
{
	return &s->finding;
}

void
scan_free(struct scan *s)
{
	if (s == NULL)
		return;
	signatures_give_back(s->rules->signatures, s->signatures);
	mime_free(s->mime);
	free(s);
}
