#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns.h"
#include "fallback.h"
#include "listfile.h"
#include "log.h"
#include "spf.h"

/*
 * The text of each entry is its name, lower case, as it stands in the line, a
 * NUL, its record, and a NUL; one entry stands behind the other.  A hash table
 * with open addressing holds where they begin.
 */
#define BLANK		" \t\r"
#define ANY		"*"
#define VERSION_WORD	"v=spf1 "

#define TEXT_MIN	4096	/* bytes at first */
#define TEXT_MAX	UINT32_MAX
#define WRONG_MAX	200	/* bytes of what is said of a bad line */
#define WRONG_TERM	60	/* ... and of the term in it */
#define GIVE_WAY	4096	/* entries; see ipset.c */

_Static_assert(FALLBACK_FILES_MAX == LISTFILES_MAX, "numbers of files");

/* All that a search needs; built aside, then swapped. */
struct loaded {
	char *text;
	size_t size, room;	/* of the text; its first byte is not used */
	size_t entries;
	uint32_t *slot;		/* where in the text; 0: free */
	size_t slots;		/* a third more than entries */
};

struct fallback {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_rwlock_t lock;	/* guards loaded */
	struct loaded *loaded;
};

/* What a line says. */
struct entry {
	char *name;		/* inside the line; NULL: it says nothing */
	char record[FALLBACK_RECORD_MAX];
	char wrong[WRONG_MAX];
};

struct fallback *
fallback_new(void)
{
	struct fallback *f = calloc(1, sizeof *f);

	if (f != NULL)
		pthread_rwlock_init(&f->lock, NULL);
	return f;
}

int
fallback_add_file(struct fallback *f, const char *path)
{
	for (int i = 0; i < f->files.count; i++)
		if (strcmp(f->files.file[i].path, path) == 0)
			return 0;
	return listfiles_add(&f->files, path) == -1 ? -1 : 0;
}

void
fallback_lenient(struct fallback *f)
{
	f->files.lenient = true;
}

/* --- names */

static void
make_lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/* Letters, digits, '-' and '_', and UTF-8; labels with dots between. */
static bool
is_domain(const char *text, size_t size)
{
	size_t label = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '.' && label == 0)
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > DNS_LABEL_MAX || (label > 0 && !isalnum(c) &&
		    c < 0x80 && c != '-' && c != '_'))
			return false;
	}
	return label > 0 && size <= DNS_NAME_MAX;
}

/* No top-level domain is a number (RFC 3696 2). */
static bool
ends_in_number(const char *domain, size_t size)
{
	size_t at = size;

	while (at > 0 && isdigit((unsigned char)domain[at - 1]))
		at--;
	return at < size && (at == 0 || domain[at - 1] == '.');
}

/* Why this is no name, or NULL. */
static const char *
check_name(const char *name, size_t size)
{
	bool below = name[0] == '.';

	if (size == 1 && name[0] == ANY[0])
		return NULL;
	if (!is_domain(name + below, size - below))
		return "not a domain";
	if (ends_in_number(name, size))
		return "a number is no domain";
	/* Such a name is never asked for (RFC 7208 4.3). */
	return memchr(name, '.', size) == NULL ? "no dot in the domain" : NULL;
}

/* A domain as names are kept; false: it is none. */
static bool
read_domain(char out[DNS_NAME_MAX + 1], const char *domain)
{
	size_t size = strlen(domain);

	size -= size > 0 && domain[size - 1] == '.';
	if (size == 0 || size > DNS_NAME_MAX || domain[0] == '.')
		return false;
	memcpy(out, domain, size);
	out[size] = '\0';
	make_lower(out);
	return true;
}

/* Does the name fit the domain?  Its size, for the longest decides; else 0. */
static size_t
fits(const char *name, const char *domain)
{
	size_t size = strlen(name), whole = strlen(domain);

	if (strcmp(name, ANY) == 0 || strcmp(name, domain) == 0)
		return size;
	return name[0] == '.' && size < whole &&
	    strcmp(domain + whole - size, name) == 0 ? size : 0;
}

/* --- lines */

/* Why it is none, or NULL. */
static const char *
read_record(struct entry *e, char *text)
{
	size_t size = strlen(text);
	const char *wrong, *term;

	while (size > 0 && strchr(BLANK, text[size - 1]) != NULL)
		text[--size] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\t')
			*p = ' ';
	snprintf(e->record, sizeof e->record, "%s%s",
	    strncasecmp(text, "v=", 2) == 0 ? "" : VERSION_WORD, text);
	wrong = spf_bad_record(e->record, &term, &size);
	if (wrong == NULL || term == e->record)
		return wrong;
	snprintf(e->wrong, sizeof e->wrong, "%s: %.*s", wrong,
	    size < WRONG_TERM ? (int)size : WRONG_TERM, term);
	return e->wrong;
}

/*
 * Read a line of size bytes, which is followed by a NUL.  Returns why it is
 * bad, or NULL.
 */
static const char *
read_line(struct entry *e, char *line, size_t size)
{
	char *end, *record;
	const char *wrong;

	e->name = NULL;
	if (size > FALLBACK_LINE_MAX)
		return "line too long";
	if (memchr(line, '\0', size) != NULL)
		return "NUL in the line";
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#' || *line == ';')
		return NULL;
	end = line + strcspn(line, BLANK);
	record = end + strspn(end, BLANK);
	wrong = check_name(line, (size_t)(end - line));
	if (wrong == NULL && *record == '\0')
		wrong = "no record behind the name";
	if (wrong != NULL || (wrong = read_record(e, record)) != NULL)
		return wrong;
	*end = '\0';
	make_lower(line);
	e->name = line;
	return NULL;
}

/* --- the table */

/* FNV-1a; the last letters, felt least by its upper bits, mixed into them. */
static uint32_t
hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return (uint32_t)((h ^ h >> 32) * 0x9e3779b97f4a7c15u >> 32);
}

/* The slot of a name, or the free one it would have. */
static uint32_t *
find_slot(const struct loaded *n, const char *name)
{
	size_t i = (size_t)((uint64_t)hash(name) * n->slots >> 32);

	while (n->slot[i] != 0 && strcmp(n->text + n->slot[i], name) != 0)
		i = i + 1 == n->slots ? 0 : i + 1;
	return &n->slot[i];
}

static void
free_loaded(struct loaded *n)
{
	if (n == NULL)
		return;
	free(n->text);
	free(n->slot);
	free(n);
}

/* Why it cannot be kept, or NULL. */
static const char *
add_entry(struct loaded *n, const struct entry *e)
{
	size_t name_size = strlen(e->name) + 1;
	size_t size = name_size + strlen(e->record) + 1, room = n->room;
	char *grown;

	if (n->size > TEXT_MAX - size)
		return "more than 4 GB of records";
	while (size > room - n->size)
		room *= 2;
	if (room > n->room) {
		if ((grown = realloc(n->text, room)) == NULL)
			return "out of memory";
		n->text = grown;
		n->room = room;
	}
	memcpy(n->text + n->size, e->name, name_size);
	memcpy(n->text + n->size + name_size, e->record, size - name_size);
	n->size += size;
	n->entries++;
	return NULL;
}

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct listfile_reader *r, char *line, size_t size)
{
	struct entry e;
	const char *wrong = read_line(&e, line, size);

	if (wrong != NULL)
		return listfile_bad(r, wrong);
	if (e.name == NULL)
		return 0;
	if ((wrong = add_entry(r->arg, &e)) != NULL) {
		log_error("%s:%zu: %s", r->path, r->line, wrong);
		return -1;
	}
	r->result.entries++;
	return 0;
}

/* Of names that are the same the first one has the slot.  -1: no memory. */
static int
build_table(struct loaded *n)
{
	char *text = realloc(n->text, n->size);
	size_t at = 1;

	if (text != NULL)
		n->text = text;		/* what was too much is given back */
	n->slots = n->entries + n->entries / 3 + 1;
	if ((n->slot = calloc(n->slots, sizeof *n->slot)) == NULL)
		return -1;
	for (size_t i = 1; i <= n->entries; i++) {
		uint32_t *slot = find_slot(n, n->text + at);

		if (*slot == 0)
			*slot = (uint32_t)at;
		at += strlen(n->text + at) + 1;
		at += strlen(n->text + at) + 1;
		if (i % GIVE_WAY == 0)
			sched_yield();
	}
	return 0;
}

static struct loaded *
read_all(struct fallback *f)
{
	struct loaded *n = calloc(1, sizeof *n);

	if (n == NULL || (n->text = malloc(TEXT_MIN)) == NULL)
		goto no_memory;
	n->room = TEXT_MIN;
	n->size = 1;
	if (listfiles_read(&f->files, load_line, n) == -1) {
		free_loaded(n);
		return NULL;
	}
	if (build_table(n) == 0)
		return n;

no_memory:
	log_error("out of memory for lists");
	free_loaded(n);
	return NULL;
}

int
fallback_load(struct fallback *f)
{
	struct loaded *n, *old;

	if (f->files.count == 0)
		return 0;
	if ((n = read_all(f)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&f->lock);
	listfiles_use(&f->files);
	old = f->loaded;
	f->loaded = n;
	pthread_rwlock_unlock(&f->lock);
	free_loaded(old);
	listfiles_log(&f->files, f->files.file[0].path, sizeof *n + n->size +
	    n->slots * sizeof *n->slot);
	return 0;
}

bool
fallback_changed(struct fallback *f, int settle)
{
	return listfiles_changed(&f->files, settle);
}

/* --- searching */

/* The record under this name, or NULL. */
static const char *
find_name(const struct loaded *n, const char *name)
{
	uint32_t at = *find_slot(n, name);

	return at == 0 ? NULL : n->text + at + strlen(name) + 1;
}

/* The longest name first: the domain, those it is below, any. */
static const char *
find_record(const struct loaded *n, const char *domain)
{
	const char *record = find_name(n, domain);

	for (const char *dot = strchr(domain, '.');
	    record == NULL && dot != NULL; dot = strchr(dot + 1, '.'))
		record = find_name(n, dot);
	return record != NULL ? record : find_name(n, ANY);
}

bool
fallback_find(struct fallback *f, const char *domain,
    char out[FALLBACK_RECORD_MAX])
{
	char name[DNS_NAME_MAX + 1];
	const char *record = NULL;

	if (!read_domain(name, domain))
		return false;
	pthread_rwlock_rdlock(&f->lock);
	if (f->loaded != NULL && f->loaded->entries > 0)
		record = find_record(f->loaded, name);
	if (record != NULL)
		snprintf(out, FALLBACK_RECORD_MAX, "%s", record);
	pthread_rwlock_unlock(&f->lock);
	return record != NULL;
}

/* What -why asks about. */
struct explanation {
	FILE *out;		/* NULL: only look for the longest name */
	const char *domain;
	size_t longest;		/* 0: none fits, or it is printed */
};

static int
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	struct explanation *x = r->arg;
	struct entry e;
	size_t fit;

	if (read_line(&e, line, size) != NULL || e.name == NULL ||
	    (fit = fits(e.name, x->domain)) == 0)
		return 0;
	if (x->out == NULL) {
		if (fit > x->longest)
			x->longest = fit;
	} else if (fit == x->longest) {
		listfile_print(r, x->out);
		x->longest = 0;
	}
	return 0;
}

void
fallback_explain(struct fallback *f, FILE *out, const char *domain)
{
	char name[DNS_NAME_MAX + 1];
	struct explanation x = { .domain = name };

	if (!read_domain(name, domain))
		return;
	listfiles_reread(&f->files, explain_line, &x);
	x.out = out;
	if (x.longest > 0)
		listfiles_reread(&f->files, explain_line, &x);
}

void
fallback_stats(FILE *out, void *fallback)
{
	struct fallback *f = fallback;

	pthread_rwlock_rdlock(&f->lock);
	listfiles_stats(out, &f->files, "fallback_entries",
	    "Records in use of each file.",
	    offsetof(struct listfile_result, entries));
	listfiles_stats(out, &f->files, "fallback_bad_lines",
	    "Bad lines passed over.", offsetof(struct listfile_result, bad));
	pthread_rwlock_unlock(&f->lock);
}

void
fallback_free(struct fallback *f)
{
	if (f == NULL)
		return;
	free_loaded(f->loaded);
	pthread_rwlock_destroy(&f->lock);
	free(f);
}
