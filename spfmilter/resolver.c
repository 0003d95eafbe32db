#include <ares.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"
#include "dnscache.h"
#include "listfile.h"
#include "log.h"
#include "nameserver.h"
#include "resolver.h"
#include "stats.h"

#define SECOND_US	INT64_C(1000000)

struct resolver {
	struct dnscache *cache;
	atomic_int waiting;		/* lookups that hold a channel */
	atomic_llong answered_us;	/* when a server last said something */
	bool given;			/* servers are; nothing is read */

	pthread_mutex_t lock;		/* guards these two */
	struct nameservers servers;
	unsigned version;		/* of servers; one more for each list */

	/* Of NAMESERVER_FILE when it was read; used by whoever reads it. */
	struct listfile_seen seen;
};

/* A question, and the servers it was meant for. */
struct question {
	const char *name;
	enum dns_type type;
	int64_t begin_us;
	struct nameservers servers;
	struct nameserver_order order;
	unsigned version;		/* of the servers */
};

/* --- what is counted */

#define QUERIES(type)	{ "dns_queries_total", "type=\"" type "\"",	\
	"Questions that were asked of a name server.", 0 }
#define ANSWERS(status)	{ "dns_answers_total", "status=\"" status "\"",	\
	"What became of them.", 0 }

static struct stats_counter counters[] = {
	QUERIES("A"),
	QUERIES("AAAA"),
	QUERIES("MX"),
	QUERIES("PTR"),
	QUERIES("TXT"),
	ANSWERS("found"),
	ANSWERS("no_name"),
	ANSWERS("no_data"),
	ANSWERS("trouble"),
	{ "dns_seconds_sum", NULL, "Time until they were answered.", 0 },
	{ "dns_seconds_count", NULL, NULL, 0 },
	{ "dns_cache_hits_total", NULL,
	    "Questions that were answered from memory.", 0 },
	{ "dns_turned_away_total", NULL,
	    "Checks that did not ask, for too many were waiting.", 0 },
};
enum {
	QUERIES_A, QUERIES_AAAA, QUERIES_MX, QUERIES_PTR, QUERIES_TXT,
	ANSWERS_FOUND, ANSWERS_NO_NAME, ANSWERS_NO_DATA, ANSWERS_TROUBLE,
	SECONDS_SUM, SECONDS_COUNT, CACHE_HITS, TURNED_AWAY
};

static void
count_query(enum dns_type type)
{
	static const int row[] = {
		[DNS_A] = QUERIES_A, [DNS_AAAA] = QUERIES_AAAA,
		[DNS_MX] = QUERIES_MX, [DNS_PTR] = QUERIES_PTR,
		[DNS_TXT] = QUERIES_TXT,
	};

	stats_count(&counters[row[type]]);
}

static void
count_answer(enum dns_status status, int64_t us)
{
	static const int row[] = {
		[DNS_FOUND] = ANSWERS_FOUND, [DNS_NO_NAME] = ANSWERS_NO_NAME,
		[DNS_NO_DATA] = ANSWERS_NO_DATA,
		[DNS_TROUBLE] = ANSWERS_TROUBLE,
	};

	stats_count(&counters[row[status]]);
	stats_count_by(&counters[SECONDS_SUM], (uint64_t)us);
	stats_count(&counters[SECONDS_COUNT]);
}

static void
print_stats(FILE *out, void *arg)
{
	struct resolver *r = arg;
	struct dnscache_size size = dnscache_size(r->cache);

	stats_value(out, "dns_waiting",
	    "Checks that have asked a name server and are not over.", NULL,
	    NULL, (uint64_t)atomic_load(&r->waiting));
	stats_value(out, "dns_cache_answers", "Answers in memory.", NULL, NULL,
	    size.answers);
	stats_value(out, "dns_cache_bytes", "Bytes that they take.", NULL,
	    NULL, size.bytes);
}

void
resolver_add_stats(struct resolver *r)
{
	stats_add(counters, sizeof counters / sizeof counters[0]);
	stats_add_printer(print_stats, r);
}

/* --- the resolver */

struct resolver *
resolver_new(const struct options_list *servers, size_t cache)
{
	static const struct options_list local = { { "127.0.0.1" }, 1 };
	struct resolver *r = calloc(1, sizeof *r);

	if (r == NULL) {
		log_error("out of memory");
		return NULL;
	}
	r->given = servers->count > 0;
	if (nameservers_parse(&r->servers, r->given ? servers : &local) == -1) {
		free(r);
		return NULL;
	}
	if ((r->cache = dnscache_new(cache)) == NULL ||
	    ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		log_error("out of memory");
		dnscache_free(r->cache);
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	ares_library_cleanup();
	dnscache_free(r->cache);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
resolver_flush(struct resolver *r)
{
	dnscache_flush(r->cache);
}

/* Those that are known to rest go on resting when the list is the same. */
static void
use_servers(struct resolver *r, const struct nameservers *servers)
{
	char text[NAMESERVERS_TEXT_MAX], before[NAMESERVERS_TEXT_MAX];

	pthread_mutex_lock(&r->lock);
	if (strcmp(nameservers_print(servers, text),
	    nameservers_print(&r->servers, before)) != 0) {
		r->servers = *servers;
		r->version++;
	}
	pthread_mutex_unlock(&r->lock);
	log_info("loaded nameservers=%s", text);
}

int
resolver_load(struct resolver *r)
{
	struct nameservers servers;

	if (r->given)
		return 0;
	listfile_look(NAMESERVER_FILE, &r->seen);
	if (nameservers_read(&servers) == -1)
		return -1;
	use_servers(r, &servers);
	return 0;
}

bool
resolver_changed(struct resolver *r, int settle)
{
	return !r->given &&
	    listfile_changed(NAMESERVER_FILE, &r->seen, settle) == 1;
}

/* --- a question */

/* So that each of them can be asked before the time is over. */
static int
try_ms(int64_t left_us, int servers)
{
	int64_t ms = left_us / 1000 / (servers + 1);

	return ms > RESOLVER_TRY_MS ? RESOLVER_TRY_MS : ms < 1 ? 1 : (int)ms;
}

/* The servers, in the order for this question. */
static void
choose(struct resolver *r, struct question *q)
{
	pthread_mutex_lock(&r->lock);
	nameservers_arrange(&r->servers, &q->order, q->begin_us);
	q->servers = r->servers;
	q->version = r->version;
	pthread_mutex_unlock(&r->lock);
}

/*
 * Servers take their time with a domain whose own servers are down; that is no
 * fault of theirs while they answer others.
 */
static void
complain(struct resolver *r, const struct question *q, const char *trouble)
{
	static struct log_limit limit;
	char text[NAMESERVERS_TEXT_MAX];

	if (atomic_load(&r->answered_us) < q->begin_us && log_due(&limit))
		log_error("no answer from name servers %s to %s %s: %s",
		    nameservers_print(&q->servers, text),
		    dns_type_word(q->type), q->name, trouble);
}

/* What the outcome says about the servers. */
static void
learn(struct resolver *r, const struct question *q,
    const struct channel_outcome *o)
{
	int64_t now_us = clock_us();

	count_answer(o->answer->status, now_us - q->begin_us);
	if (o->trouble != NULL)
		complain(r, q, o->trouble);
	else if (o->spoke)
		atomic_store(&r->answered_us, now_us);
	pthread_mutex_lock(&r->lock);
	if (o->spoke && r->version == q->version)
		nameservers_note(&r->servers, &q->order, o->silent, now_us);
	pthread_mutex_unlock(&r->lock);
}

/* --- a lookup */

/* May this check wait for a server? */
static bool
may_wait(struct resolver_lookup *l)
{
	static struct log_limit limit;
	struct resolver *r = l->resolver;

	if (l->waits)
		return true;
	if (atomic_fetch_add(&r->waiting, 1) < RESOLVER_WAITING_MAX)
		return l->waits = true;
	atomic_fetch_sub(&r->waiting, 1);
	if (!l->turned_away)
		stats_count(&counters[TURNED_AWAY]);
	l->turned_away = true;
	if (log_due(&limit))
		log_error("%d checks wait for name servers, no more can",
		    RESOLVER_WAITING_MAX);
	return false;
}

/* The cache does not know. */
static const struct dns_answer *
ask_servers(struct resolver_lookup *l, struct question *q)
{
	static struct log_limit limit;
	struct channel_outcome outcome;

	if (!may_wait(l))
		return dns_answer_none(DNS_TROUBLE, 0);
	choose(l->resolver, q);
	if (l->channel == NULL)
		l->channel = channel_new(try_ms(l->deadline_us - q->begin_us,
		    q->servers.count));
	if (l->channel == NULL) {
		if (log_due(&limit))
			log_error("the DNS cannot be asked: out of memory");
		return dns_answer_none(DNS_TROUBLE, 0);
	}
	l->asked++;
	count_query(q->type);
	channel_ask(l->channel, &q->servers, &q->order, q->name, q->type,
	    l->deadline_us, &outcome);
	learn(l->resolver, q, &outcome);
	dnscache_put(l->resolver->cache, q->name, q->type, outcome.answer,
	    clock_us() / SECOND_US);
	return outcome.answer;
}

static const struct dns_answer *
ask(struct dns *dns, const char *name, enum dns_type type)
{
	struct resolver_lookup *l = (struct resolver_lookup *)dns;
	struct question q = { .name = name, .type = type,
	    .begin_us = clock_us() };
	const struct dns_answer *kept;

	if (!dns_is_name(name))
		return dns_answer_none(DNS_NO_NAME, 0);
	if (q.begin_us >= l->deadline_us)
		return dns_answer_none(DNS_TROUBLE, 0);
	kept = dnscache_get(l->resolver->cache, name, type,
	    q.begin_us / SECOND_US);
	if (kept == NULL)
		return ask_servers(l, &q);
	stats_count(&counters[CACHE_HITS]);
	return kept;
}

void
resolver_begin(struct resolver *r, struct resolver_lookup *l,
    int64_t deadline_us)
{
	*l = (struct resolver_lookup){ .dns.ask = ask, .resolver = r,
	    .deadline_us = deadline_us };
}

void
resolver_end(struct resolver_lookup *l)
{
	channel_free(l->channel);
	l->channel = NULL;
	if (l->waits)
		atomic_fetch_sub(&l->resolver->waiting, 1);
	l->waits = false;
}
