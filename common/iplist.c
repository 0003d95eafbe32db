#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "iplist.h"
#include "ipline.h"
#include "ipset.h"
#include "log.h"
#include "reply.h"
#include "stats.h"

#define BUFFER_SIZE	(64 * 1024)
#define TEXT_MAX	60	/* bytes of a bad line in the log */
#define GIVE_WAY	512	/* lines; see ipset.c */

/* What stat(2) says of a file, to see whether it changed. */
struct seen {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* What one file held. */
struct result {
	size_t entries, ignored, bad;	/* lines */
	bool newline;		/* its last line had its end */
};

struct file {
	enum iplist_role role;
	const char *path, *name;
	int list;		/* its bit */
	struct seen seen;	/* by the last attempt to load it */

	bool loaded;		/* at least once; then: */
	struct result result;	/* of the load that is in use */
};

struct domain {
	char *name;		/* without the first dot, lower case */
	int list;
};

/* All that a search needs; built aside, then swapped. */
struct loaded {
	struct ipset *set;
	struct domain *domain;	/* sorted by name */
	size_t domains, room;
	struct result total;
};

struct iplist {
	struct file file[IPLIST_FILES_MAX];
	int files;
	bool lenient;
	bool numbered;
	uint64_t role[IPLIST_ROLES];
	int exempt_list;	/* the bit of OK lines in files that list */
	pthread_rwlock_t lock;	/* guards loaded */
	struct loaded *loaded;
};

/* A file on its way in, and what is to be done with each line of it. */
struct reader {
	const struct iplist *lists;
	struct file *file;
	int (*take)(struct reader *, const struct ipline *, const char *text);
	struct loaded *loaded;
	struct ipset_builder *builder;
	const struct explanation *explanation;
	size_t line;		/* number of the line, from 1 */
	struct result result;	/* as far as it has been read */
};

struct iplist *
iplist_new(void)
{
	struct iplist *l = calloc(1, sizeof *l);

	if (l != NULL)
		pthread_rwlock_init(&l->lock, NULL);
	return l;
}

int
iplist_add_file(struct iplist *l, enum iplist_role role, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct file *f = &l->file[l->files];

	for (int i = 0; i < l->files; i++) {
		enum iplist_role other = l->file[i].role;

		if (strcmp(l->file[i].path, path) != 0)
			continue;
		if (other == role)
			return 0;
		if (other != IPLIST_WHITE && role != IPLIST_WHITE) {
			log_error("%s: a list on trial cannot be in use", path);
			return -1;
		}
	}
	if (l->files == IPLIST_FILES_MAX) {
		log_error("%s: more than %d list files", path,
		    IPLIST_FILES_MAX);
		return -1;
	}
	l->files++;
	f->role = role;
	f->path = path;
	f->name = slash != NULL ? slash + 1 : path;
	return 0;
}

void
iplist_lenient(struct iplist *l)
{
	l->lenient = true;
}

/*
 * White lists get the lowest bits, as ipset.h asks; the OK lines of the other
 * files share the last of them.
 */
static void
number_lists(struct iplist *l)
{
	int next = 0;

	for (int role = 0; role < IPLIST_ROLES; role++) {
		l->role[role] = 0;
		for (int i = 0; i < l->files; i++)
			if (l->file[i].role == (enum iplist_role)role) {
				l->role[role] |= (uint64_t)1 << next;
				l->file[i].list = next++;
			}
		if (role == IPLIST_WHITE) {
			l->role[role] |= (uint64_t)1 << next;
			l->exempt_list = next++;
		}
	}
	l->numbered = true;
}

static void
free_loaded(struct loaded *n)
{
	if (n == NULL)
		return;
	ipset_free(n->set);
	for (size_t i = 0; i < n->domains; i++)
		free(n->domain[i].name);
	free(n->domain);
	free(n);
}

static int
add_domain(struct loaded *n, const char *name, int list)
{
	struct domain *grown;
	size_t room = n->room == 0 ? 64 : n->room * 2;

	if (n->domains == n->room) {
		grown = realloc(n->domain, room * sizeof *grown);
		if (grown == NULL)
			return -1;
		n->domain = grown;
		n->room = room;
	}
	if ((n->domain[n->domains].name = strdup(name)) == NULL)
		return -1;
	n->domain[n->domains++].list = list;
	return 0;
}

/* The list an entry counts for; -1: none, it is passed over. */
static int
list_of(const struct reader *r, const struct ipline *l)
{
	if (r->file->role == IPLIST_WHITE)
		return l->says == IPLINE_REFUSE ? -1 : r->file->list;
	if (r->file->role == IPLIST_SHADOW && l->says == IPLINE_EXEMPT)
		return -1;		/* it would have an effect */
	return l->says == IPLINE_EXEMPT ? r->lists->exempt_list :
	    r->file->list;
}

static int
bad_line(struct reader *r, const char *line, const char *wrong)
{
	if (r->result.bad++ == 0 || !r->lists->lenient)
		log_error("%s:%zu: %s: %.*s%s", r->file->path, r->line, wrong,
		    TEXT_MAX, line, r->lists->lenient ?
		    " (passed over, and so are more like it)" : "");
	return r->lists->lenient ? 0 : -1;
}

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct reader *r, const struct ipline *l, const char *text)
{
	int list = list_of(r, l);

	if (l->kind == IPLINE_NOTHING)
		return 0;
	if (l->kind == IPLINE_BAD)
		return bad_line(r, text, l->wrong);
	if (l->kind == IPLINE_DOMAIN && l->says == IPLINE_SILENT &&
	    r->file->role != IPLIST_WHITE)
		return bad_line(r, text, "domains are for white lists");
	if (l->kind == IPLINE_IGNORED || list == -1) {
		r->result.ignored++;
		return 0;
	}
	if (l->kind == IPLINE_DOMAIN ?
	    add_domain(r->loaded, l->domain, list) == -1 :
	    ipset_add(r->builder, &l->addr, l->bits, list) == -1) {
		log_error("%s:%zu: out of memory", r->file->path, r->line);
		return -1;
	}
	r->result.entries++;
	return 0;
}

static int
take_line(struct reader *r, char *line, size_t size)
{
	char text[TEXT_MAX + 1];
	size_t shown = size < TEXT_MAX ? size : TEXT_MAX;
	struct ipline l;

	if (++r->line % GIVE_WAY == 0)
		sched_yield();
	memcpy(text, line, shown);
	text[shown] = '\0';
	ipline_parse(&l, line, size);
	return r->take(r, &l, text);
}

static void
look(const char *path, struct seen *seen)
{
	struct stat st;

	memset(seen, 0, sizeof *seen);
	if (stat(path, &st) == -1)
		return;
	seen->there = true;
	seen->dev = st.st_dev;
	seen->ino = st.st_ino;
	seen->size = st.st_size;
	seen->mtime = st.st_mtim;
}

static bool
same(const struct seen *a, const struct seen *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino &&
	    a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	    a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/*
 * Hand the whole lines in the buffer on and move the rest to its front.
 * Returns how much that is, or -1.  A line longer than the buffer is cut; what
 * is left of it makes it too long to be taken for a good one.
 */
static ssize_t
take_lines(struct reader *r, char *buffer, size_t size)
{
	char *line = buffer, *end = buffer + size, *lf;

	while ((lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		*lf = '\0';
		if (take_line(r, line, (size_t)(lf - line)) == -1)
			return -1;
		line = lf + 1;
	}
	size = (size_t)(end - line);
	memmove(buffer, line, size);
	return (ssize_t)(size < BUFFER_SIZE / 2 ? size : BUFFER_SIZE / 2);
}

static int
read_lines(struct reader *r, int fd, char *buffer)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t kept = 0;
	bool begun = false;
	ssize_t n;

	while ((n = read(fd, buffer + kept, BUFFER_SIZE - kept)) > 0) {
		kept += (size_t)n;
		if (!begun && kept >= 3 && memcmp(buffer, bom, 3) == 0)
			memmove(buffer, buffer + 3, kept -= 3);
		begun = true;
		if ((n = take_lines(r, buffer, kept)) == -1)
			return -1;
		kept = (size_t)n;
	}
	if (n == -1) {
		log_errno("%s", r->file->path);
		return -1;
	}
	r->result.newline = kept == 0;
	buffer[kept] = '\0';
	return kept == 0 ? 0 : take_line(r, buffer, kept);
}

/* Faults that only the whole file shows.  See iplist.h. */
static int
check_file(const struct reader *r)
{
	const struct file *f = r->file;
	const struct result *result = &r->result;
	struct seen now;
	const char *wrong = NULL;

	look(f->path, &now);
	if (!same(&now, &f->seen))
		wrong = "it changed while it was read";
	else if (f->loaded && f->result.entries > 0 && result->entries == 0)
		wrong = "it has become empty";
	else if (f->loaded && f->result.newline && !result->newline)
		wrong = "it was cut short: no newline at its end";
	else if (f->loaded &&
	    result->bad * 100 > result->entries + result->bad)
		wrong = "more than one bad line in a hundred";
	if (wrong != NULL)
		log_error("%s: %s", f->path, wrong);
	return wrong != NULL ? -1 : 0;
}

/* Only a file that is one: a FIFO would hold us up for ever. */
static int
open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1) {
		log_errno("%s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("%s: not a regular file", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int
read_file(struct reader *r)
{
	char *buffer;
	int fd, done;

	r->line = 0;
	r->result = (struct result){ .newline = true };
	if ((fd = open_file(r->file->path)) == -1)
		return -1;
	if ((buffer = malloc(BUFFER_SIZE + 1)) == NULL) {
		log_error("%s: out of memory", r->file->path);
		close(fd);
		return -1;
	}
	done = read_lines(r, fd, buffer);
	free(buffer);
	close(fd);
	return done;
}

static int
compare_domains(const void *a, const void *b)
{
	return strcmp(((const struct domain *)a)->name,
	    ((const struct domain *)b)->name);
}

static int
read_files(struct iplist *l, struct loaded *n, struct ipset_builder *builder,
    struct result *results)
{
	struct reader r = { .lists = l, .take = load_line, .loaded = n,
	    .builder = builder };

	/* All of them, so that iplist_changed() does not ask again at once. */
	for (int i = 0; i < l->files; i++)
		look(l->file[i].path, &l->file[i].seen);
	for (int i = 0; i < l->files; i++) {
		r.file = &l->file[i];
		if (read_file(&r) == -1 || check_file(&r) == -1)
			return -1;
		results[i] = r.result;
		n->total.entries += r.result.entries;
		n->total.ignored += r.result.ignored;
		n->total.bad += r.result.bad;
	}
	return 0;
}

static struct loaded *
read_all(struct iplist *l, struct result *results)
{
	struct loaded *n = calloc(1, sizeof *n);
	struct ipset_builder *builder = ipset_begin();

	if (n == NULL || builder == NULL) {
		log_error("out of memory for lists");
		goto fail;
	}
	if (read_files(l, n, builder, results) == -1)
		goto fail;
	if (n->domains > 0)
		qsort(n->domain, n->domains, sizeof *n->domain,
		    compare_domains);
	n->set = ipset_build(builder, l->exempt_list + 1);
	builder = NULL;
	if (n->set == NULL) {
		log_error("out of memory for lists");
		goto fail;
	}
	return n;

fail:
	ipset_cancel(builder);
	free_loaded(n);
	return NULL;
}

static long
milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
iplist_load(struct iplist *l)
{
	struct result results[IPLIST_FILES_MAX];
	struct loaded *n, *old;
	long begin = milliseconds();

	if (!l->numbered)
		number_lists(l);
	if ((n = read_all(l, results)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&l->lock);
	for (int i = 0; i < l->files; i++) {
		l->file[i].loaded = true;
		l->file[i].result = results[i];
	}
	old = l->loaded;
	l->loaded = n;
	pthread_rwlock_unlock(&l->lock);
	free_loaded(old);
	log_info("loaded files=%d entries=%zu ignored=%zu bad=%zu bytes=%zu "
	    "ms=%ld", l->files, n->total.entries, n->total.ignored,
	    n->total.bad, ipset_size(n->set), milliseconds() - begin);
	return 0;
}

bool
iplist_changed(struct iplist *l, int settle)
{
	time_t now = time(NULL);
	bool changed = false;
	struct seen seen;

	for (int i = 0; i < l->files; i++) {
		look(l->file[i].path, &seen);
		if (same(&seen, &l->file[i].seen))
			continue;
		if (seen.there && seen.mtime.tv_sec <= now &&
		    now - seen.mtime.tv_sec < settle)
			return false;	/* somebody may still be writing */
		changed = true;
	}
	return changed;
}

static uint64_t
find_name(const struct loaded *n, const char *name)
{
	const struct domain key = { .name = (char *)name };
	uint64_t bits = 0;
	size_t first = 0, last = n->domains;

	while (first < last) {		/* the first that is not smaller */
		size_t half = first + (last - first) / 2;

		if (compare_domains(&n->domain[half], &key) < 0)
			first = half + 1;
		else
			last = half;
	}
	for (; first < n->domains &&
	    strcmp(n->domain[first].name, name) == 0; first++)
		bits |= (uint64_t)1 << n->domain[first].list;
	return bits;
}

/* The lists that hold the host or a domain above it. */
static uint64_t
find_domains(const struct loaded *n, const char *host)
{
	char name[256];
	uint64_t bits = 0;
	size_t size = strlen(host);

	if (size > 0 && host[size - 1] == '.')
		size--;
	if (size == 0 || size >= sizeof name)
		return 0;
	for (size_t i = 0; i < size; i++)
		name[i] = host[i] >= 'A' && host[i] <= 'Z' ?
		    (char)(host[i] - 'A' + 'a') : host[i];
	name[size] = '\0';
	for (const char *p = name; p != NULL; p = strchr(p, '.')) {
		p += *p == '.';
		bits |= find_name(n, p);
	}
	return bits;
}

struct iplist_match
iplist_find(struct iplist *l, const struct addr *addr, const char *host)
{
	uint64_t bits = 0;

	pthread_rwlock_rdlock(&l->lock);
	if (l->loaded != NULL) {
		bits = ipset_find(l->loaded->set, addr);
		if (host != NULL && l->loaded->domains > 0)
			bits |= find_domains(l->loaded, host);
	}
	pthread_rwlock_unlock(&l->lock);
	return (struct iplist_match){
		.white = bits & l->role[IPLIST_WHITE],
		.listed = bits & l->role[IPLIST_LISTED],
		.shadow = bits & l->role[IPLIST_SHADOW],
	};
}

bool
iplist_has_domains(struct iplist *l)
{
	bool has;

	pthread_rwlock_rdlock(&l->lock);
	has = l->loaded != NULL && l->loaded->domains > 0;
	pthread_rwlock_unlock(&l->lock);
	return has;
}

int
iplist_first(uint64_t bits)
{
	int n = 0;

	for (; (bits & 0xff) == 0; bits >>= 8)
		n += 8;
	for (; (bits & 1) == 0; bits >>= 1)
		n++;
	return n;
}

static const struct file *
file_of(const struct iplist *l, int list)
{
	for (int i = 0; i < l->files; i++)
		if (l->file[i].list == list)
			return &l->file[i];
	return NULL;
}

const char *
iplist_path(const struct iplist *l, int list)
{
	const struct file *f = file_of(l, list);

	return f != NULL ? f->path : "an-OK-line";
}

const char *
iplist_name(const struct iplist *l, int list)
{
	const struct file *f = file_of(l, list);

	return f != NULL ? f->name : "an-OK-line";
}

uint64_t
iplist_lists(const struct iplist *l, enum iplist_role role)
{
	return l->role[role];
}

/* The client that -why asks about. */
struct explanation {
	FILE *out;
	const struct addr *addr;
	const char *host;
};

static bool
speaks_of(const struct ipline *l, const struct explanation *e)
{
	struct addr masked = *e->addr;
	struct domain domain = { .name = l->domain };
	const struct loaded one = { .domain = &domain, .domains = 1 };

	if (l->kind == IPLINE_DOMAIN)
		return e->host != NULL && find_domains(&one, e->host) != 0;
	if (l->kind != IPLINE_NETWORK)
		return false;
	addr_mask(&masked, l->bits);
	return addr_is_ipv4(&l->addr) == addr_is_ipv4(e->addr) &&
	    memcmp(&masked, &l->addr, sizeof masked) == 0;
}

static int
explain_line(struct reader *r, const struct ipline *l, const char *text)
{
	char clean[TEXT_MAX + 1];
	size_t size = strlen(text);

	if (!speaks_of(l, r->explanation))
		return 0;
	reply_clean(clean, sizeof clean, text, 0);
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\t')
			clean[i] = ' ';
	if (size > 0 && text[size - 1] == '\r')
		clean[size - 1] = '\0';
	fprintf(r->explanation->out, "%s:%zu: %s\n", r->file->path, r->line,
	    clean);
	return 0;
}

void
iplist_explain(struct iplist *l, FILE *out, const struct addr *addr,
    const char *host)
{
	const struct explanation e = { out, addr, host };
	struct reader r = { .lists = l, .take = explain_line,
	    .explanation = &e };

	for (int i = 0; i < l->files; i++) {
		r.file = &l->file[i];
		read_file(&r);
	}
}

static void
print_files(FILE *out, const struct iplist *l, const char *name,
    const char *help, size_t offset)
{
	for (int i = 0; i < l->files; i++) {
		const char *path = l->file[i].path;
		size_t sum = 0;
		int first = -1;

		/* In two roles it is still one file, and one value. */
		for (int n = 0; n < l->files; n++)
			if (strcmp(l->file[n].path, path) == 0) {
				first = first == -1 ? n : first;
				sum += *(const size_t *)((const char *)
				    &l->file[n].result + offset);
			}
		if (first == i)
			stats_value(out, name, i == 0 ? help : NULL, "list",
			    path, sum);
	}
}

void
iplist_stats(FILE *out, void *lists)
{
	struct iplist *l = lists;

	pthread_rwlock_rdlock(&l->lock);
	print_files(out, l, "list_entries", "Entries in use of each list file.",
	    offsetof(struct result, entries));
	print_files(out, l, "list_ignored_lines",
	    "Lines of access files that are not about clients.",
	    offsetof(struct result, ignored));
	print_files(out, l, "list_bad_lines", "Bad lines passed over.",
	    offsetof(struct result, bad));
	stats_value(out, "list_bytes", "Memory held by all lists.", NULL, NULL,
	    l->loaded != NULL ? ipset_size(l->loaded->set) : 0);
	pthread_rwlock_unlock(&l->lock);
}

void
iplist_free(struct iplist *l)
{
	if (l == NULL)
		return;
	free_loaded(l->loaded);
	pthread_rwlock_destroy(&l->lock);
	free(l);
}
