#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "iplist.h"
#include "ipline.h"
#include "ipset.h"
#include "listfile.h"
#include "log.h"
#include "stats.h"

_Static_assert(IPLIST_FILES_MAX == LISTFILES_MAX, "a bit for each file");

/* What one of the files is for. */
struct use {
	enum iplist_role role;
	const char *name;
	int list;		/* its bit */
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
};

struct iplist {
	struct listfiles files;	/* the lock guards what is in use of them */
	struct use use[LISTFILES_MAX];
	bool numbered;
	uint64_t role[IPLIST_ROLES];
	int exempt_list;	/* the bit of OK lines in files that list */
	pthread_rwlock_t lock;	/* guards loaded */
	struct loaded *loaded;
};

/* For load_line(). */
struct load {
	const struct iplist *lists;
	struct loaded *loaded;
	struct ipset_builder *builder;
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
	int n;

	for (int i = 0; i < l->files.count; i++) {
		enum iplist_role other = l->use[i].role;

		if (strcmp(l->files.file[i].path, path) != 0)
			continue;
		if (other == role)
			return 0;
		if (other != IPLIST_WHITE && role != IPLIST_WHITE) {
			log_error("%s: a list on trial cannot be in use", path);
			return -1;
		}
	}
	if ((n = listfiles_add(&l->files, path)) == -1)
		return -1;
	l->use[n].role = role;
	l->use[n].name = slash != NULL ? slash + 1 : path;
	return 0;
}

void
iplist_lenient(struct iplist *l)
{
	l->files.lenient = true;
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
		for (int i = 0; i < l->files.count; i++)
			if (l->use[i].role == (enum iplist_role)role) {
				l->role[role] |= (uint64_t)1 << next;
				l->use[i].list = next++;
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
list_of(const struct iplist *lists, const struct use *use,
    const struct ipline *l)
{
	if (use->role == IPLIST_WHITE)
		return l->says == IPLINE_REFUSE ? -1 : use->list;
	if (use->role == IPLIST_SHADOW && l->says == IPLINE_EXEMPT)
		return -1;		/* it would have an effect */
	return l->says == IPLINE_EXEMPT ? lists->exempt_list : use->list;
}

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct listfile_reader *r, char *line, size_t size)
{
	const struct load *load = r->arg;
	const struct use *use = &load->lists->use[r->number];
	struct ipline l;
	int list;

	ipline_parse(&l, line, size);
	list = list_of(load->lists, use, &l);
	if (l.kind == IPLINE_NOTHING)
		return 0;
	if (l.kind == IPLINE_BAD)
		return listfile_bad(r, l.wrong);
	if (l.kind == IPLINE_DOMAIN && l.says == IPLINE_SILENT &&
	    use->role != IPLIST_WHITE)
		return listfile_bad(r, "domains are for white lists");
	if (l.kind == IPLINE_IGNORED || list == -1) {
		r->result.ignored++;
		return 0;
	}
	if (l.kind == IPLINE_DOMAIN ?
	    add_domain(load->loaded, l.domain, list) == -1 :
	    ipset_add(load->builder, &l.addr, l.bits, list) == -1) {
		log_error("%s:%zu: out of memory", r->path, r->line);
		return -1;
	}
	r->result.entries++;
	return 0;
}

static int
compare_domains(const void *a, const void *b)
{
	return strcmp(((const struct domain *)a)->name,
	    ((const struct domain *)b)->name);
}

static struct loaded *
read_all(struct iplist *l)
{
	struct loaded *n = calloc(1, sizeof *n);
	struct ipset_builder *builder = ipset_begin();
	struct load load = { l, n, builder };

	if (n == NULL || builder == NULL) {
		log_error("out of memory for lists");
		goto fail;
	}
	if (listfiles_read(&l->files, load_line, &load) == -1)
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

int
iplist_load(struct iplist *l)
{
	struct loaded *n, *old;

	if (!l->numbered)
		number_lists(l);
	if ((n = read_all(l)) == NULL)
		return -1;
	pthread_rwlock_wrlock(&l->lock);
	listfiles_use(&l->files);
	old = l->loaded;
	l->loaded = n;
	pthread_rwlock_unlock(&l->lock);
	free_loaded(old);
	listfiles_log(&l->files, NULL, ipset_size(n->set));
	return 0;
}

bool
iplist_changed(struct iplist *l, int settle)
{
	return listfiles_changed(&l->files, settle);
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

/* The number of its file; -1: it is the list of OK lines. */
static int
file_of(const struct iplist *l, int list)
{
	for (int i = 0; i < l->files.count; i++)
		if (l->use[i].list == list)
			return i;
	return -1;
}

const char *
iplist_path(const struct iplist *l, int list)
{
	int i = file_of(l, list);

	return i != -1 ? l->files.file[i].path : "an-OK-line";
}

const char *
iplist_name(const struct iplist *l, int list)
{
	int i = file_of(l, list);

	return i != -1 ? l->use[i].name : "an-OK-line";
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
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	const struct explanation *e = r->arg;
	struct ipline l;

	ipline_parse(&l, line, size);
	if (speaks_of(&l, e))
		listfile_print(r, e->out);
	return 0;
}

void
iplist_explain(struct iplist *l, FILE *out, const struct addr *addr,
    const char *host)
{
	struct explanation e = { out, addr, host };

	listfiles_reread(&l->files, explain_line, &e);
}

void
iplist_stats(FILE *out, void *lists)
{
	struct iplist *l = lists;

	pthread_rwlock_rdlock(&l->lock);
	listfiles_stats(out, &l->files, "list_entries",
	    "Entries in use of each list file.",
	    offsetof(struct listfile_result, entries));
	listfiles_stats(out, &l->files, "list_ignored_lines",
	    "Lines of access files that are not about clients.",
	    offsetof(struct listfile_result, ignored));
	listfiles_stats(out, &l->files, "list_bad_lines",
	    "Bad lines passed over.", offsetof(struct listfile_result, bad));
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
