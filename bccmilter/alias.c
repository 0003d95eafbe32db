#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "addrlist.h"
#include "alias.h"
#include "listfile.h"
#include "log.h"
#include "texts.h"

/*
 * A line is kept as its words, each with its NUL, and an empty one behind them:
 * first the key, then whom it stands for.  A word is an address as addrlist
 * gives it; or '@' and a domain, or, a key only, '.' and a domain, which then
 * are lower case, too.  A domain has no '@' in it, so none is like another.
 *
 * Before the words stands where the next line with the same key is, and where
 * the first is, is in the index.
 */
#define BLANK		" \t\r"
#define DOMAIN_MAX	255	/* bytes; RFC 5321 4.5.3.1.2 */
#define WORDS_MAX	(2 * ALIAS_LINE_MAX)	/* a word of 3 takes 5 */

#define TEXT_MIN	4096	/* bytes at first */
#define TEXT_MAX	UINT32_MAX
#define NO_LINE		UINT32_MAX
#define LINK		sizeof(uint32_t)	/* bytes, aligned to nothing */
#define GIVE_WAY	4096	/* lines; see ipset.c */

_Static_assert(ALIAS_FILES_MAX == LISTFILES_MAX, "numbers of files");
_Static_assert(LINK + WORDS_MAX + 1 <= TEXT_MIN, "doubling is enough");

/* All lines of all files. */
struct table {
	char *text;
	size_t size, room;	/* of the text */
	struct texts *index;	/* where the first line with a key is */
	size_t below_max;	/* size of the longest key with a dot before
				 * it; 0: there is none */
};

struct alias {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_rwlock_t lock;	/* guards loaded */
	struct table *loaded;	/* built aside, then swapped */
};

struct alias *
alias_new(void)
{
	struct alias *a = calloc(1, sizeof *a);

	if (a != NULL)
		pthread_rwlock_init(&a->lock, NULL);
	return a;
}

int
alias_add_file(struct alias *a, const char *path)
{
	for (int i = 0; i < a->files.count; i++)
		if (strcmp(a->files.file[i].path, path) == 0)
			return 0;
	return listfiles_add(&a->files, path) == -1 ? -1 : 0;
}

void
alias_lenient(struct alias *a)
{
	a->files.lenient = true;
}

/* --- words */

/* What a line says: its words, as they are kept. */
struct entry {
	char text[WORDS_MAX + 1];
	size_t size;		/* without the empty word; 0: it says nothing */
};

/* Where the local part ends: atoms and dots, or in quotes (RFC 5321 4.1.2). */
static const char *
skip_local(const char *p)
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

/* Why it is none, or NULL. */
static const char *
check_domain(const char *text, size_t size)
{
	if (size > DOMAIN_MAX || (!addr_is_literal(text, size) &&
	    !addr_is_domain(text, size, size)))
		return "not an address or domain";
	return addr_ends_in_number(text, size) ? "a number is no domain" :
	    NULL;
}

/* Is it an address, and not a domain with its mark? */
static bool
is_address(const char *word)
{
	const char *at = strrchr(word, '@');

	return at != NULL && at > word;
}

/* What addrlist reads in a word. */
struct reading {
	char address[ADDRLIST_ADDRESS_MAX];
	size_t size;		/* with NUL; 0: there was none */
};

static void
take_reading(void *arg, const char *address)
{
	struct reading *r = arg;

	r->size = strlen(address) + 1;
	if (r->size <= sizeof r->address)
		memcpy(r->address, address, r->size);
}

/*
 * Add an address, or what of it stands behind the '@' with another mark in
 * place of that.  Returns why it is none, or NULL.
 */
static const char *
add_word(struct entry *e, const char *address, char mark)
{
	struct reading r = { .size = 0 };
	struct addrlist list = { .take = take_reading, .arg = &r };
	const char *word = r.address;

	addrlist_read(&list, address);
	if (list.addresses != 1)
		return "not an address or domain";
	if (r.size == 0 || r.size > sizeof r.address)
		return strncmp(address, "\"\"", 2) == 0 ?
		    "nothing in the quotes" : "address too long";
	if (mark != '\0') {
		word = strrchr(r.address, '@');
		r.size -= (size_t)(word - r.address);
	}
	if (r.size > WORDS_MAX - e->size)
		return "line too long";
	memcpy(e->text + e->size, word, r.size);
	if (mark != '\0')
		e->text[e->size] = mark;
	e->size += r.size;
	return NULL;
}

/* Read the word at *line and go behind it.  Returns why it is bad, or NULL. */
static const char *
read_word(struct entry *e, const char **line)
{
	char address[ALIAS_LINE_MAX + 3];
	const char *word = *line, *domain = skip_local(word), *wrong;
	bool at = *domain == '@', local = at && domain > word,
	    below = !at && *word == '.', first = e->size == 0;
	size_t size;

	domain = at ? domain + 1 : word + below;
	size = strcspn(domain, BLANK);
	*line = domain + size;
	if (local && size == 0)
		return "no domain behind the @";
	if ((wrong = check_domain(domain, size)) != NULL)
		return wrong;
	if (!at && !below && memchr(domain, '.', size) == NULL)
		return "neither a dot nor an @ in it";
	if (!first && below)
		return "only the first word may begin with a dot";
	if (!first && !local && is_address(e->text))
		return "a domain behind an address";
	word = local ? word : domain;
	snprintf(address, sizeof address, "%s%.*s", local ? "" : "x@",
	    (int)(*line - word), word);
	return add_word(e, address, local ? '\0' : below ? '.' : '@');
}

/*
 * Read a line of size bytes, which is followed by a NUL.  Returns why it is
 * bad, or NULL.
 */
static const char *
read_line(struct entry *e, const char *line, size_t size)
{
	const char *wrong;

	e->size = 0;
	if (size > ALIAS_LINE_MAX)
		return "line too long";
	if (memchr(line, '\0', size) != NULL)
		return "NUL in the line";
	for (line += strspn(line, BLANK);
	    *line != '\0' && *line != '#' && *line != ';';
	    line += strspn(line, BLANK))
		if ((wrong = read_word(e, &line)) != NULL)
			return wrong;
	e->text[e->size] = '\0';
	return NULL;
}

/* --- the table */

static void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	texts_free(t->index);
	free(t->text);
	free(t);
}

static struct table *
table_new(void)
{
	struct table *t = calloc(1, sizeof *t);

	if (t != NULL && (t->index = texts_begin(LINK)) == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

/* For a line more, which takes no more than TEXT_MIN. */
static int
make_room(struct table *t, size_t size)
{
	size_t room = t->room > 0 ? 2 * t->room : TEXT_MIN;
	char *grown;

	if (size > TEXT_MAX - t->size) {
		errno = EFBIG;
		return -1;
	}
	if (size <= t->room - t->size)
		return 0;
	if ((grown = realloc(t->text, room)) == NULL)
		return -1;
	t->text = grown;
	t->room = room;
	return 0;
}

static uint32_t
get_next(const struct table *t, uint32_t at)
{
	uint32_t next;

	memcpy(&next, t->text + at, LINK);
	return next;
}

static void
set_next(struct table *t, size_t at, uint32_t next)
{
	memcpy(t->text + at, &next, LINK);
}

/* -1: no memory, or EFBIG. */
static int
table_add(struct table *t, const struct entry *e)
{
	uint32_t at = (uint32_t)t->size;
	size_t key = strlen(e->text);

	if (make_room(t, LINK + e->size + 1) == -1 ||
	    texts_add(t->index, e->text, &at) == -1)
		return -1;
	set_next(t, at, NO_LINE);
	memcpy(t->text + at + LINK, e->text, e->size + 1);
	t->size += LINK + e->size + 1;
	if (e->text[0] == '.' && !is_address(e->text) && key > t->below_max)
		t->below_max = key;
	return 0;
}

static uint32_t
first_line(const struct table *t, const char *key)
{
	const void *value = texts_find(t->index, key);
	uint32_t at = NO_LINE;

	if (value != NULL)
		memcpy(&at, value, LINK);
	return at;
}

/* Put each line behind the first with its key. */
static void
link_lines(struct table *t)
{
	size_t count = 0;

	for (size_t at = 0; at < t->size;) {
		const char *word = t->text + at + LINK;
		uint32_t first = first_line(t, word);

		if (first != at) {
			set_next(t, at, get_next(t, first));
			set_next(t, first, (uint32_t)at);
		}
		while (*word != '\0')
			word += strlen(word) + 1;
		at = (size_t)(word + 1 - t->text);
		if (++count % GIVE_WAY == 0)
			sched_yield();
	}
}

/* Once, after the last line.  -1: no memory. */
static int
table_finish(struct table *t)
{
	char *text = realloc(t->text, t->size > 0 ? t->size : 1);

	if (text != NULL)
		t->text = text;		/* what was too much is given back */
	if (texts_finish(t->index) == -1)
		return -1;
	link_lines(t);
	return 0;
}

static size_t
table_size(const struct table *t)
{
	return sizeof *t + t->size + texts_size(t->index);
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
	if (e.size == 0)
		return 0;
	if (table_add(r->arg, &e) == -1) {
		log_error("%s:%zu: %s", r->path, r->line, errno == EFBIG ?
		    "more than 4 GB of addresses" : "out of memory");
		return -1;
	}
	r->result.entries++;
	return 0;
}

static struct table *
read_all(struct alias *a)
{
	struct table *t = table_new();

	if (t == NULL)
		goto no_memory;
	if (listfiles_read(&a->files, load_line, t) == -1) {
		table_free(t);
		return NULL;
	}
	if (table_finish(t) == 0)
		return t;

no_memory:
	log_error("out of memory for lists");
	table_free(t);
	return NULL;
}

int
alias_load(struct alias *a)
{
	struct table *t, *old;

	if (a->files.count == 0)
		return 0;
	if ((t = read_all(a)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&a->lock);
	listfiles_use(&a->files);
	old = a->loaded;
	a->loaded = t;
	pthread_rwlock_unlock(&a->lock);
	table_free(old);
	listfiles_log(&a->files, a->files.file[0].path, table_size(t));
	return 0;
}

bool
alias_changed(struct alias *a, int settle)
{
	return listfiles_changed(&a->files, settle);
}

/* --- searching */

/* For whom an address is looked for. */
struct question {
	const char *address, *at;	/* its last '@' */
	void (*take)(void *arg, const char *recipient);
	void *arg;
};

/* One without a domain, or longer than any of addrlist's, has no aliases. */
static bool
ask(struct question *q, const char *address)
{
	q->address = address;
	q->at = strrchr(address, '@');
	return q->at != NULL && q->at > address && q->at[1] != '\0' &&
	    strlen(address) < ADDRLIST_ADDRESS_MAX;
}

/* Whom a line stands for; what would be too long is nobody's address. */
static void
answer(const struct question *q, const char *words)
{
	const char *word = words + strlen(words) + 1;
	size_t size = (size_t)(q->at - q->address);
	char joined[ADDRLIST_ADDRESS_MAX];

	if (*word == '\0')
		q->take(q->arg, NULL);
	for (; *word != '\0'; word += strlen(word) + 1) {
		if (is_address(word))
			q->take(q->arg, word);
		else if (size + strlen(word) < sizeof joined) {
			snprintf(joined, sizeof joined, "%.*s%s", (int)size,
			    q->address, word);
			q->take(q->arg, joined);
		}
	}
}

static void
search_key(const struct table *t, const struct question *q, const char *key)
{
	uint32_t at = first_line(t, key);

	for (; at != NO_LINE; at = get_next(t, at))
		answer(q, t->text + at + LINK);
}

/* By all keys that speak of the address. */
static void
search(const struct table *t, const struct question *q)
{
	char domain[ADDRLIST_ADDRESS_MAX];
	size_t size = strlen(q->at);
	const char *p = domain;

	search_key(t, q, q->address);
	search_key(t, q, q->at);
	if (t->below_max == 0)
		return;
	memcpy(domain, q->at, size + 1);
	domain[0] = '.';
	if (size > t->below_max)
		p = strchr(domain + size - t->below_max, '.');
	for (; p != NULL; p = strchr(p + 1, '.'))
		search_key(t, q, p);
}

void
alias_find(struct alias *a, const char *address,
    void (*take)(void *arg, const char *recipient), void *arg)
{
	struct question q = { .take = take, .arg = arg };

	if (!ask(&q, address))
		return;
	pthread_rwlock_rdlock(&a->lock);
	if (a->loaded != NULL)
		search(a->loaded, &q);
	pthread_rwlock_unlock(&a->lock);
}

/* --- what is printed */

/* What -why asks about. */
struct explanation {
	FILE *out;
	struct question question;
	const char *recipient;
	bool found;
};

/* Is this the recipient?  One without a domain is so in any. */
static void
take_recipient(void *arg, const char *recipient)
{
	struct explanation *x = arg;
	size_t size = strlen(x->recipient);

	if (recipient == NULL || strcmp(recipient, x->recipient) == 0 ||
	    (size > 0 && x->recipient[size - 1] == '@' &&
	    strncmp(recipient, x->recipient, size) == 0 &&
	    strchr(recipient + size, '@') == NULL))
		x->found = true;
}

/* Does a line with this key speak of the address? */
static bool
speaks_of(const char *key, const struct question *q)
{
	const char *domain = q->at + 1;
	size_t size = strlen(domain), behind = strlen(key + 1);

	if (is_address(key))
		return strcmp(key, q->address) == 0;
	if (behind == size || key[0] == '@')
		return strcmp(key + 1, domain) == 0;
	return behind < size && strcmp(domain + size - behind - 1, key) == 0;
}

static int
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	struct explanation *x = r->arg;
	struct entry e;

	x->found = false;
	if (read_line(&e, line, size) == NULL && e.size > 0 &&
	    speaks_of(e.text, &x->question))
		answer(&x->question, e.text);
	if (x->found)
		listfile_print(r, x->out);
	return 0;
}

void
alias_explain(struct alias *a, FILE *out, const char *address,
    const char *recipient)
{
	struct explanation x = {
		.out = out, .recipient = recipient,
		.question = { .take = take_recipient, .arg = &x }
	};

	if (ask(&x.question, address))
		listfiles_reread(&a->files, explain_line, &x);
}

void
alias_stats(FILE *out, void *alias)
{
	struct alias *a = alias;

	pthread_rwlock_rdlock(&a->lock);
	listfiles_stats(out, &a->files, "alias_entries",
	    "Lines in use of each file.",
	    offsetof(struct listfile_result, entries));
	listfiles_stats(out, &a->files, "alias_bad_lines",
	    "Bad lines passed over.", offsetof(struct listfile_result, bad));
	pthread_rwlock_unlock(&a->lock);
}

void
alias_free(struct alias *a)
{
	if (a == NULL)
		return;
	table_free(a->loaded);
	pthread_rwlock_destroy(&a->lock);
	free(a);
}
