#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "dns.h"
#include "fallback.h"
#include "listfile.h"
#include "log.h"
#include "spf.h"
#include "texts.h"

/*
 * Records are kept under their names, lower case, as they stand in the lines.
 */
#define BLANK		" \t\r"
#define ANY		"*"
#define VERSION_WORD	"v=spf1 "

#define WRONG_MAX	200	/* bytes of what is said of a bad line */
#define WRONG_TERM	60	/* ... and of the term in it */

_Static_assert(FALLBACK_FILES_MAX == LISTFILES_MAX, "numbers of files");

struct fallback {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_rwlock_t lock;	/* guards loaded */
	struct texts *loaded;	/* built aside, then swapped */
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

/* Why this is no name, or NULL. */
static const char *
check_name(const char *name, size_t size)
{
	bool below = name[0] == '.';

	if (size == 1 && name[0] == ANY[0])
		return NULL;
	if (size - below > DNS_NAME_MAX ||
	    !addr_is_domain(name + below, size - below, DNS_LABEL_MAX))
		return "not a domain";
	if (addr_ends_in_number(name, size))
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
	texts_lower(out, domain, size);
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
	texts_lower(line, line, (size_t)(end - line));
	e->name = line;
	return NULL;
}

/* --- loading */

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
	if (texts_add(r->arg, e.name, e.record) == -1) {
		log_error("%s:%zu: %s", r->path, r->line, errno == EFBIG ?
		    "more than 4 GB of records" : "out of memory");
		return -1;
	}
	r->result.entries++;
	return 0;
}

static struct texts *
read_all(struct fallback *f)
{
	struct texts *t = texts_begin(0);

	if (t == NULL)
		goto no_memory;
	if (listfiles_read(&f->files, load_line, t) == -1) {
		texts_free(t);
		return NULL;
	}
	if (texts_finish(t) == 0)
		return t;

no_memory:
	log_error("out of memory for lists");
	texts_free(t);
	return NULL;
}

int
fallback_load(struct fallback *f)
{
	struct texts *t, *old;

	if (f->files.count == 0)
		return 0;
	if ((t = read_all(f)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&f->lock);
	listfiles_use(&f->files);
	old = f->loaded;
	f->loaded = t;
	pthread_rwlock_unlock(&f->lock);
	texts_free(old);
	listfiles_log(&f->files, f->files.file[0].path, texts_size(t));
	return 0;
}

bool
fallback_changed(struct fallback *f, int settle)
{
	return listfiles_changed(&f->files, settle);
}

/* --- searching */

/* The longest name first: the domain, those it is below, any. */
static const char *
find_record(const struct texts *t, const char *domain)
{
	const char *record = texts_find(t, domain);

	for (const char *dot = strchr(domain, '.');
	    record == NULL && dot != NULL; dot = strchr(dot + 1, '.'))
		record = texts_find(t, dot);
	return record != NULL ? record : texts_find(t, ANY);
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
	if (f->loaded != NULL)
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
	texts_free(f->loaded);
	pthread_rwlock_destroy(&f->lock);
	free(f);
}
