#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mailboxes.h"
#include "addr.h"
#include "listfile.h"
#include "log.h"
#include "texts.h"

/*
 * An entry is kept as its key: the local part, '@' and the domain, lower case
 * and without quotes, and one of the two parts may be empty; or '.' and a
 * domain.  A domain has no '@' in it, so no two entries share a key.
 *
 * Its value is a char, the number of the first file that has it.
 */
#define BLANK		" \t\r"
#define KEY_MAX		(MAILBOXES_LINE_MAX + 1 + MAILBOXES_DOMAIN_MAX)
#define NOWHERE		LISTFILES_MAX	/* no number of a file */

_Static_assert(MAILBOXES_FILES_MAX == LISTFILES_MAX, "numbers of files");

struct mailboxes {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_rwlock_t lock;	/* guards loaded */
	struct texts *loaded;	/* built aside, then swapped */
};

struct key {
	char text[KEY_MAX + 1];
	size_t size;
};

struct mailboxes *
mailboxes_new(void)
{
	struct mailboxes *m = calloc(1, sizeof *m);

	if (m != NULL)
		pthread_rwlock_init(&m->lock, NULL);
	return m;
}

int
mailboxes_add_file(struct mailboxes *m, const char *path)
{
	for (int i = 0; i < m->files.count; i++)
		if (strcmp(m->files.file[i].path, path) == 0)
			return 0;
	return listfiles_add(&m->files, path) == -1 ? -1 : 0;
}

void
mailboxes_lenient(struct mailboxes *m)
{
	m->files.lenient = true;
}

/* --- keys */

/*
 * The local part, without quotes and backslashes.  A longer one than fits is
 * cut, and is still longer than that of any line.
 */
static void
add_local(struct key *k, const char *local, size_t size)
{
	for (size_t i = 0; i < size && k->size < MAILBOXES_LINE_MAX; i++) {
		if (local[i] == '"')
			continue;
		i += local[i] == '\\' && i + 1 < size;
		k->text[k->size++] = local[i];
	}
	texts_lower(k->text, k->text, k->size);
}

/* It fits: it is empty, or is_domain(). */
static void
add_domain(struct key *k, char mark, const char *domain, size_t size)
{
	k->text[k->size++] = mark;
	texts_lower(k->text + k->size, domain, size);
	k->size += size;
}

static bool
is_domain(const char *text, size_t size)
{
	return size <= MAILBOXES_DOMAIN_MAX && (addr_is_literal(text, size) ||
	    addr_is_domain(text, size, size));
}

/* --- lines */

/* Where the local part ends: atoms and dots, or in quotes (RFC 5321 4.1.2). */
static char *
skip_local(char *p)
{
	if (*p == '"') {
		for (p++; *p != '\0' && *p != '"'; p++)
			p += p[0] == '\\' && p[1] != '\0';
		return p + (*p == '"');
	}
	while (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80 ||
	    (*p != '\0' && strchr(".!#$%&'*+-/=?^_`{|}~", *p) != NULL))
		p++;
	return p;
}

/*
 * Make the key of a line of size bytes, which is followed by a NUL.  Returns
 * NULL, and the key is empty when the line says nothing; or why it is bad, a
 * constant text.
 */
static const char *
parse_line(struct key *k, char *line, size_t size)
{
	char *domain, *end, *behind;

	k->size = 0;
	if (size > MAILBOXES_LINE_MAX)
		return "line too long";
	if (memchr(line, '\0', size) != NULL)
		return "NUL in the line";
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#' || *line == ';')
		return NULL;

	domain = skip_local(line);
	if (*domain == '@') {
		add_local(k, line, (size_t)(domain - line));
		if (k->size == 0 && domain > line)
			return "nothing in the quotes";
		domain++;
	} else
		domain = line + (*line == '.');
	end = domain + strcspn(domain, BLANK);
	behind = end + strspn(end, BLANK);
	size = (size_t)(end - domain);
	if (!is_domain(domain, size) && (size > 0 || k->size == 0))
		return "not an address or domain";
	if (addr_ends_in_number(domain, size))
		return "a number is no domain";
	if (domain == line && memchr(domain, '.', size) == NULL)
		return "neither a dot nor an @ in it";
	if (*behind != '\0' && *behind != '#' && *behind != ';')
		return "words behind the address";
	add_domain(k, *line == '.' && domain == line + 1 ? '.' : '@', domain,
	    size);
	return NULL;
}

/* --- loading */

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct listfile_reader *r, char *line, size_t size)
{
	struct key k;
	const char *wrong = parse_line(&k, line, size);
	char file = (char)r->number;

	if (wrong != NULL)
		return listfile_bad(r, wrong);
	if (k.size == 0)
		return 0;
	if (texts_add(r->arg, k.text, &file) == -1) {
		log_error("%s:%zu: %s", r->path, r->line, errno == EFBIG ?
		    "more than 4 GB of addresses" : "out of memory");
		return -1;
	}
	r->result.entries++;
	return 0;
}

static struct texts *
read_all(struct mailboxes *m)
{
	struct texts *t = texts_begin(sizeof(char));

	if (t == NULL)
		goto no_memory;
	if (listfiles_read(&m->files, load_line, t) == -1) {
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
mailboxes_load(struct mailboxes *m)
{
	struct texts *t, *old;

	if (m->files.count == 0)
		return 0;
	if ((t = read_all(m)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&m->lock);
	listfiles_use(&m->files);
	old = m->loaded;
	m->loaded = t;
	pthread_rwlock_unlock(&m->lock);
	texts_free(old);
	listfiles_log(&m->files, m->files.file[0].path, texts_size(t));
	return 0;
}

bool
mailboxes_changed(struct mailboxes *m, int settle)
{
	return listfiles_changed(&m->files, settle);
}

/* --- searching */

/* The number of the first file that has it. */
static int
find_key(const void *loaded, const struct key *k)
{
	const char *file = texts_find(loaded, k->text);

	return file != NULL ? *file : NOWHERE;
}

/* Where a key is looked for, and the first file it was found in so far. */
struct search {
	int (*find)(const void *arg, const struct key *);
	const void *arg;
	int first;
};

static void
try_key(struct search *s, const char *local, size_t local_size, char mark,
    const char *domain, size_t domain_size)
{
	struct key k;
	int file;

	k.size = local_size;
	memcpy(k.text, local, local_size);
	add_domain(&k, mark, domain, domain_size);
	file = s->find(s->arg, &k);
	if (file < s->first)
		s->first = file;
}

/* By all keys that speak of the address; "@" is one, but no entry has it. */
static int
search(const char *path, int (*find)(const void *arg, const struct key *),
    const void *arg)
{
	struct search s = { find, arg, NOWHERE };
	struct addr_mailbox m;
	struct key local = { .size = 0 };
	size_t size, sizes[3] = { 0 };	/* the last: any local part */
	const char *plus = NULL, *end;

	addr_mailbox(&m, path);
	size = m.domain_size;
	size -= size > 0 && m.domain[size - 1] == '.';
	size = is_domain(m.domain, size) ? size : 0;
	end = m.domain + size;

	add_local(&local, m.local, m.local_size);
	sizes[0] = local.size;
	if (local.size > 1)
		plus = memchr(local.text + 1, '+', local.size - 1);
	if (plus != NULL)
		sizes[1] = (size_t)(plus - local.text);
	for (int i = 0; i < 3; i++) {
		try_key(&s, local.text, sizes[i], '@', m.domain, size);
		try_key(&s, local.text, sizes[i], '@', "", 0);
	}
	for (const char *p = m.domain; p < end; p++)
		if (p == m.domain || p[-1] == '.')
			try_key(&s, "", 0, '.', p, (size_t)(end - p));
	return s.first;
}

const char *
mailboxes_find(struct mailboxes *m, const char *path)
{
	int file = NOWHERE;

	pthread_rwlock_rdlock(&m->lock);
	if (m->loaded != NULL && texts_count(m->loaded) > 0)
		file = search(path, find_key, m->loaded);
	pthread_rwlock_unlock(&m->lock);
	return file != NOWHERE ? m->files.file[file].path : NULL;
}

bool
mailboxes_is_empty(struct mailboxes *m)
{
	bool empty;

	pthread_rwlock_rdlock(&m->lock);
	empty = m->loaded == NULL || texts_count(m->loaded) == 0;
	pthread_rwlock_unlock(&m->lock);
	return empty;
}

/* The address that -why asks about. */
struct explanation {
	FILE *out;
	const char *path;
};

/* Is it the key of the line?  As find_key(): 0 is found. */
static int
match_line(const void *line_key, const struct key *k)
{
	const struct key *entry = line_key;

	return strcmp(entry->text, k->text) == 0 ? 0 : NOWHERE;
}

static int
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	const struct explanation *e = r->arg;
	struct key k;

	if (parse_line(&k, line, size) == NULL && k.size > 0 &&
	    search(e->path, match_line, &k) == 0)
		listfile_print(r, e->out);
	return 0;
}

void
mailboxes_explain(struct mailboxes *m, FILE *out, const char *path)
{
	struct explanation e = { out, path };

	listfiles_reread(&m->files, explain_line, &e);
}

void
mailboxes_stats(FILE *out, struct mailboxes *m, const char *entries_name,
    const char *bad_lines_name)
{
	pthread_rwlock_rdlock(&m->lock);
	if (entries_name != NULL)
		listfiles_stats(out, &m->files, entries_name,
		    "Entries in use of each list file.",
		    offsetof(struct listfile_result, entries));
	if (bad_lines_name != NULL)
		listfiles_stats(out, &m->files, bad_lines_name,
		    "Bad lines passed over.",
		    offsetof(struct listfile_result, bad));
	pthread_rwlock_unlock(&m->lock);
}

void
mailboxes_free(struct mailboxes *m)
{
	if (m == NULL)
		return;
	texts_free(m->loaded);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}
