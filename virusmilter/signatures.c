#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "automaton.h"
#include "listfile.h"
#include "log.h"
#include "signatures.h"

#define BLANK		" \t\r"
#define FIELD_MAX	80	/* bytes of a field's name, with NUL */
#define PLACES		(SIGNATURE_CONTENT + 1)

_Static_assert(SIGNATURES_FILES_MAX == LISTFILES_MAX, "numbers of files");

struct signature {
	char name[SIGNATURES_NAME_MAX];
	char field[FIELD_MAX];	/* HEADER: its name; else empty */
};

/* Of each place, what is text and what is bytes. */
struct place {
	struct automaton *text, *bytes;
};

/* Built aside, and never changed. */
struct signature_set {
	struct signature *signature;
	size_t count, room;
	struct place place[PLACES];
	unsigned users;		/* guarded by the lock of its owner */
};

struct signatures {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_mutex_t lock;	/* guards loaded and the users of all sets */
	struct signature_set *loaded;
};

/* What a line says. */
struct entry {
	struct signature signature;	/* no name: nothing */
	enum signature_where where;
	bool hex;
	unsigned char bytes[SIGNATURES_BYTES_MAX];
	size_t size;
};

/* --- sets */

static void
free_set(struct signature_set *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < PLACES; i++) {
		automaton_free(s->place[i].text);
		automaton_free(s->place[i].bytes);
	}
	free(s->signature);
	free(s);
}

static struct signature_set *
new_set(void)
{
	struct signature_set *s = calloc(1, sizeof *s);

	for (int i = 0; s != NULL && i < PLACES; i++) {
		s->place[i].text = automaton_begin(true);
		s->place[i].bytes = automaton_begin(false);
		if (s->place[i].text != NULL && s->place[i].bytes != NULL)
			continue;
		free_set(s);
		return NULL;
	}
	return s;
}

static int
finish_set(struct signature_set *s)
{
	for (int i = 0; i < PLACES; i++)
		if (automaton_finish(s->place[i].text) == -1 ||
		    automaton_finish(s->place[i].bytes) == -1)
			return -1;
	return 0;
}

static size_t
size_of_set(const struct signature_set *s)
{
	size_t size = sizeof *s + s->room * sizeof *s->signature;

	for (int i = 0; i < PLACES; i++)
		size += automaton_size(s->place[i].text) +
		    automaton_size(s->place[i].bytes);
	return size;
}

static int
add_to_set(struct signature_set *s, const struct entry *e)
{
	struct place *p = &s->place[e->where];
	struct signature *grown;
	size_t room = s->room == 0 ? 16 : s->room * 2;

	if (s->count == s->room) {
		if ((grown = realloc(s->signature, room * sizeof *grown)) ==
		    NULL)
			return -1;
		s->signature = grown;
		s->room = room;
	}
	s->signature[s->count] = e->signature;
	return automaton_add(e->hex ? p->bytes : p->text, e->bytes, e->size,
	    (uint32_t)s->count++);
}

/* --- lines */

static bool
is_name(const char *text, size_t size)
{
	if (size == 0 || size >= SIGNATURES_NAME_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    memchr("-_./:+", text[i], 6) == NULL)
			return false;
	return true;
}

/* A field's name (RFC 5322 2.2). */
static bool
is_field(const char *text, size_t size)
{
	if (size == 0 || size >= FIELD_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == ':')
			return false;
	return true;
}

/* Why it is no place, or NULL. */
static const char *
read_where(struct entry *e, const char *text, size_t size)
{
	static const char *const words[PLACES] = {
		[SIGNATURE_HEADER] = "header:",
		[SIGNATURE_NAME] = "name",
		[SIGNATURE_BODY] = "body",
		[SIGNATURE_CONTENT] = "content",
	};
	const size_t header = strlen(words[SIGNATURE_HEADER]);

	for (int i = SIGNATURE_NAME; i < PLACES; i++)
		if (size == strlen(words[i]) &&
		    strncasecmp(text, words[i], size) == 0) {
			e->where = (enum signature_where)i;
			return NULL;
		}
	if (size < header ||
	    strncasecmp(text, words[SIGNATURE_HEADER], header) != 0)
		return "neither header:FIELD nor name, body or content";
	if (!is_field(text + header, size - header))
		return "no name of a field behind header:";
	e->where = SIGNATURE_HEADER;
	memcpy(e->signature.field, text + header, size - header);
	return NULL;
}

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, tolower((unsigned char)c), 16);

	return at != NULL ? (int)(at - digits) : -1;
}

static const char *
read_hex(struct entry *e, const char *text, size_t size)
{
	if (size % 2 != 0)
		return "an odd number of hex digits";
	if (size / 2 > SIGNATURES_BYTES_MAX)
		return "pattern too long";
	for (size_t i = 0; i < size; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high == -1 || low == -1)
			return "not a hex digit";
		e->bytes[e->size++] = (unsigned char)(high << 4 | low);
	}
	return NULL;
}

/* Why it is no pattern, or NULL. */
static const char *
read_pattern(struct entry *e, const char *text)
{
	static const char prefix[] = "hex:";
	size_t size = strlen(text), skip = sizeof prefix - 1;
	const char *wrong = NULL;

	while (size > 0 && strchr(BLANK, text[size - 1]) != NULL)
		size--;
	e->hex = size >= skip && strncasecmp(text, prefix, skip) == 0;
	if (e->hex)
		wrong = read_hex(e, text + skip, size - skip);
	else if (size > SIGNATURES_BYTES_MAX)
		wrong = "pattern too long";
	else {
		memcpy(e->bytes, text, size);
		e->size = size;
	}
	return wrong != NULL ? wrong : e->size < SIGNATURES_BYTES_MIN ?
	    "pattern too short" : NULL;
}

/*
 * Read a line of size bytes, which is followed by a NUL.  Returns why it is
 * bad, or NULL.
 */
static const char *
read_line(struct entry *e, const char *line, size_t size)
{
	const char *where, *wrong;

	memset(e, 0, sizeof *e);
	if (size > SIGNATURES_LINE_MAX)
		return "line too long";
	if (memchr(line, '\0', size) != NULL)
		return "NUL in the line";
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#' || *line == ';')
		return NULL;
	size = strcspn(line, BLANK);
	if (!is_name(line, size))
		return "not a name of a signature";
	where = line + size + strspn(line + size, BLANK);
	if ((wrong = read_where(e, where, strcspn(where, BLANK))) != NULL)
		return wrong;
	where += strcspn(where, BLANK);
	wrong = read_pattern(e, where + strspn(where, BLANK));
	if (wrong == NULL)
		memcpy(e->signature.name, line, size);
	return wrong;
}

/* --- loading */

struct signatures *
signatures_new(void)
{
	struct signatures *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	if ((s->loaded = new_set()) == NULL ||
	    finish_set(s->loaded) == -1) {
		free_set(s->loaded);
		free(s);
		return NULL;
	}
	s->loaded->users = 1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

int
signatures_add_file(struct signatures *s, const char *path)
{
	for (int i = 0; i < s->files.count; i++)
		if (strcmp(s->files.file[i].path, path) == 0)
			return 0;
	return listfiles_add(&s->files, path) == -1 ? -1 : 0;
}

void
signatures_lenient(struct signatures *s)
{
	s->files.lenient = true;
}

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct listfile_reader *r, char *line, size_t size)
{
	struct signature_set *s = r->arg;
	struct entry e;
	const char *wrong = read_line(&e, line, size);

	if (wrong == NULL && e.signature.name[0] != '\0' &&
	    s->count == SIGNATURES_MAX)
		wrong = "too many signatures";
	if (wrong != NULL)
		return listfile_bad(r, wrong);
	if (e.signature.name[0] == '\0')
		return 0;
	if (add_to_set(s, &e) == -1) {
		log_error("%s:%zu: %s", r->path, r->line, errno == EFBIG ?
		    "too many bytes of patterns" : "out of memory");
		return -1;
	}
	r->result.entries++;
	return 0;
}

/* One user less; the last one frees it. */
static void
let_go(struct signatures *s, struct signature_set *set)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --set->users == 0;
	pthread_mutex_unlock(&s->lock);
	if (last)
		free_set(set);
}

static struct signature_set *
read_all(struct signatures *s)
{
	struct signature_set *set = new_set();

	if (set != NULL && listfiles_read(&s->files, load_line, set) == -1) {
		free_set(set);
		return NULL;
	}
	if (set != NULL && finish_set(set) == 0)
		return set;
	log_error("out of memory for lists");
	free_set(set);
	return NULL;
}

int
signatures_load(struct signatures *s)
{
	struct signature_set *set, *old;

	if (s->files.count == 0)
		return 0;
	if ((set = read_all(s)) == NULL)
		return -1;
	set->users = 1;
	pthread_mutex_lock(&s->lock);
	listfiles_use(&s->files);
	old = s->loaded;
	s->loaded = set;
	pthread_mutex_unlock(&s->lock);
	listfiles_log(&s->files, s->files.file[0].path, size_of_set(set));
	let_go(s, old);
	return 0;
}

bool
signatures_changed(struct signatures *s, int settle)
{
	return listfiles_changed(&s->files, settle);
}

void
signatures_stats(FILE *out, void *signatures)
{
	struct signatures *s = signatures;

	pthread_mutex_lock(&s->lock);
	listfiles_stats(out, &s->files, "signature_entries",
	    "Entries in use of each list file.",
	    offsetof(struct listfile_result, entries));
	listfiles_stats(out, &s->files, "signature_bad_lines",
	    "Bad lines passed over.", offsetof(struct listfile_result, bad));
	pthread_mutex_unlock(&s->lock);
}

/* Where -why prints, and what it asks about. */
struct explanation {
	FILE *out;
	const char *name;
};

static int
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	const struct explanation *x = r->arg;
	struct entry e;

	if (read_line(&e, line, size) == NULL && e.signature.name[0] != '\0' &&
	    strcmp(e.signature.name, x->name) == 0)
		listfile_print(r, x->out);
	return 0;
}

void
signatures_explain(struct signatures *s, FILE *out, const char *name)
{
	struct explanation x = { out, name };

	listfiles_reread(&s->files, explain_line, &x);
}

void
signatures_free(struct signatures *s)
{
	if (s == NULL)
		return;
	free_set(s->loaded);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- searching */

const struct signature_set *
signatures_take(struct signatures *s)
{
	struct signature_set *set;

	pthread_mutex_lock(&s->lock);
	set = s->loaded;
	set->users++;
	pthread_mutex_unlock(&s->lock);
	return set;
}

/* Ours to write to: it came from signatures_take(). */
void
signatures_give_back(struct signatures *s, const struct signature_set *set)
{
	let_go(s, (struct signature_set *)set);
}

bool
signatures_has(const struct signature_set *set, enum signature_where where)
{
	return !automaton_is_empty(set->place[where].text) ||
	    !automaton_is_empty(set->place[where].bytes);
}

/* Those that are for this field, or for no field. */
struct search {
	const struct signature_set *set;
	const char *field;
	bool (*take)(void *arg, const char *name);
	void *arg;
};

static bool
take_found(void *arg, uint32_t value)
{
	const struct search *s = arg;
	const struct signature *found = &s->set->signature[value];

	if (s->field != NULL && strcasecmp(found->field, s->field) != 0)
		return false;
	return s->take(s->arg, found->name);
}

static bool
find(struct search *s, enum signature_where where,
    struct signature_stream *stream, const unsigned char *bytes, size_t size)
{
	const struct place *p = &s->set->place[where];

	return automaton_read(p->text, &stream->text, bytes, size, take_found,
	    s) || automaton_read(p->bytes, &stream->bytes, bytes, size,
	    take_found, s);
}

bool
signatures_find_text(const struct signature_set *set, const char *field,
    const char *text, bool (*take)(void *arg, const char *name), void *arg)
{
	struct search s = { set, field, take, arg };
	struct signature_stream stream = { .text = 0 };

	return find(&s, field != NULL ? SIGNATURE_HEADER : SIGNATURE_NAME,
	    &stream, (const unsigned char *)text, strlen(text));
}

bool
signatures_find(const struct signature_set *set, enum signature_where where,
    struct signature_stream *stream, const unsigned char *bytes, size_t size,
    bool (*take)(void *arg, const char *name), void *arg)
{
	struct search s = { set, NULL, take, arg };

	return find(&s, where, stream, bytes, size);
}
