#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "dnscache.h"

#define SHARDS		16

/*
 * Bytes of a shard for each of its chains.  An entry is hardly smaller, so most
 * chains are of one entry or none.
 */
#define CHAIN_BYTES	256

/* What malloc(3) needs for itself, for the entry and for the answer. */
#define MALLOC_BYTES	(2 * 2 * sizeof(void *))

struct key {
	char name[DNS_NAME_MAX + 1];	/* lower case, no last dot */
	size_t size;			/* without the NUL */
	enum dns_type type;
	uint64_t hash;
};

struct entry {
	LIST_ENTRY(entry) chain;
	TAILQ_ENTRY(entry) age;
	const struct dns_answer *answer;
	int64_t until;
	uint64_t hash;
	size_t bytes;		/* of memory, with the answer */
	enum dns_type type;
	char name[];
};

LIST_HEAD(chain, entry);
TAILQ_HEAD(ages, entry);	/* the one asked for last comes first */

struct shard {
	pthread_mutex_t lock;	/* guards all below */
	struct chain *chain;
	struct ages ages;
	struct dnscache_size size;
};

struct dnscache {
	size_t chains, bytes;	/* of each shard; bytes without the chains */
	uint64_t seed;		/* or anybody could fill one chain */
	struct shard shard[SHARDS];
};

struct dnscache *
dnscache_new(size_t bytes)
{
	struct dnscache *c = calloc(1, sizeof *c);
	struct timespec now;
	bool failed = false;

	if (c == NULL)
		return NULL;
	bytes /= SHARDS;
	c->chains = bytes / CHAIN_BYTES + 1;
	if (bytes > c->chains * sizeof(struct chain))
		c->bytes = bytes - c->chains * sizeof(struct chain);
	clock_gettime(CLOCK_REALTIME, &now);
	c->seed = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^
	    (uint64_t)(uintptr_t)c;
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shard[i];

		pthread_mutex_init(&s->lock, NULL);
		TAILQ_INIT(&s->ages);
		s->chain = calloc(c->chains, sizeof *s->chain);
		failed |= s->chain == NULL;
	}
	if (!failed)
		return c;
	dnscache_free(c);
	return NULL;
}

void
dnscache_free(struct dnscache *c)
{
	if (c == NULL)
		return;
	dnscache_flush(c);
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&c->shard[i].lock);
		free(c->shard[i].chain);
	}
	free(c);
}

/* --- keys */

/* false: it is too long for a name. */
static bool
set_key(struct key *k, const struct dnscache *c, const char *name,
    enum dns_type type)
{
	uint64_t hash = (c->seed ^ (uint64_t)type) * 0x100000001b3u;
	size_t size = strnlen(name, DNS_NAME_MAX + 2);

	if (size > 0 && name[size - 1] == '.')
		size--;
	if (size > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		char byte = name[i];

		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte - 'A' + 'a');
		k->name[i] = byte;
		hash = (hash ^ (unsigned char)byte) * 0x100000001b3u;
	}
	k->name[size] = '\0';
	k->size = size;
	k->type = type;
	k->hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
	return true;
}

static struct shard *
shard_of(struct dnscache *c, uint64_t hash)
{
	return &c->shard[hash >> 32 & (SHARDS - 1)];
}

static struct chain *
chain_of(const struct dnscache *c, struct shard *s, uint64_t hash)
{
	return &s->chain[(hash >> 36) % c->chains];
}

static bool
is_about(const struct entry *e, const struct key *k)
{
	return e->hash == k->hash && e->type == k->type &&
	    strcmp(e->name, k->name) == 0;
}

/* --- entries of a shard that is locked */

static struct entry *
find(const struct dnscache *c, struct shard *s, const struct key *k)
{
	struct entry *e;

	LIST_FOREACH(e, chain_of(c, s, k->hash), chain)
		if (is_about(e, k))
			return e;
	return NULL;
}

/* It is freed when nobody waits for the lock any more. */
static void
take_out(struct shard *s, struct entry *e, struct ages *out)
{
	LIST_REMOVE(e, chain);
	TAILQ_REMOVE(&s->ages, e, age);
	s->size.answers--;
	s->size.bytes -= e->bytes;
	TAILQ_INSERT_TAIL(out, e, age);
}

static void
put_in(const struct dnscache *c, struct shard *s, struct entry *e)
{
	LIST_INSERT_HEAD(chain_of(c, s, e->hash), e, chain);
	TAILQ_INSERT_HEAD(&s->ages, e, age);
	s->size.answers++;
	s->size.bytes += e->bytes;
}

/* Not locked. */
static void
free_all(struct ages *out)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(out)) != NULL) {
		TAILQ_REMOVE(out, e, age);
		dns_release(e->answer);
		free(e);
	}
}

/* --- asking and telling */

const struct dns_answer *
dnscache_get(struct dnscache *c, const char *name, enum dns_type type,
    int64_t now)
{
	const struct dns_answer *answer = NULL;
	struct ages out = TAILQ_HEAD_INITIALIZER(out);
	struct shard *s;
	struct entry *e;
	struct key k;

	if (!set_key(&k, c, name, type))
		return NULL;
	s = shard_of(c, k.hash);
	pthread_mutex_lock(&s->lock);
	if ((e = find(c, s, &k)) != NULL && e->until <= now)
		take_out(s, e, &out);
	else if (e != NULL) {
		TAILQ_REMOVE(&s->ages, e, age);
		TAILQ_INSERT_HEAD(&s->ages, e, age);
		answer = dns_hold(e->answer);
	}
	pthread_mutex_unlock(&s->lock);
	free_all(&out);
	return answer;
}

/* Seconds that this answer is good for. */
static int64_t
lifetime(const struct dns_answer *answer)
{
	int64_t most = answer->status == DNS_FOUND ? DNSCACHE_TTL_MAX :
	    DNSCACHE_NONE_MAX;

	if (answer->ttl < DNSCACHE_TTL_MIN)
		return DNSCACHE_TTL_MIN;
	return answer->ttl < most ? answer->ttl : most;
}

/* NULL: it is too large, or there is no memory. */
static struct entry *
new_entry(const struct dnscache *c, const struct key *k,
    const struct dns_answer *answer, int64_t now)
{
	size_t size = sizeof(struct entry) + k->size + 1;
	size_t bytes = size + answer->bytes + MALLOC_BYTES;
	struct entry *e;

	if (bytes > c->bytes || (e = malloc(size)) == NULL)
		return NULL;
	e->answer = dns_hold(answer);
	e->until = now + lifetime(answer);
	e->hash = k->hash;
	e->bytes = bytes;
	e->type = k->type;
	memcpy(e->name, k->name, k->size + 1);
	return e;
}

void
dnscache_put(struct dnscache *c, const char *name, enum dns_type type,
    const struct dns_answer *answer, int64_t now)
{
	struct ages out = TAILQ_HEAD_INITIALIZER(out);
	struct shard *s;
	struct entry *e, *old;
	struct key k;

	if (answer->status == DNS_TROUBLE || !set_key(&k, c, name, type) ||
	    (e = new_entry(c, &k, answer, now)) == NULL)
		return;
	s = shard_of(c, k.hash);
	pthread_mutex_lock(&s->lock);
	if ((old = find(c, s, &k)) != NULL)
		take_out(s, old, &out);
	while (s->size.bytes + e->bytes > c->bytes)
		take_out(s, TAILQ_LAST(&s->ages, ages), &out);
	put_in(c, s, e);
	pthread_mutex_unlock(&s->lock);
	free_all(&out);
}

void
dnscache_flush(struct dnscache *c)
{
	for (int i = 0; i < SHARDS; i++) {
		struct ages out = TAILQ_HEAD_INITIALIZER(out);
		struct shard *s = &c->shard[i];

		pthread_mutex_lock(&s->lock);
		if (s->size.answers > 0) {
			TAILQ_CONCAT(&out, &s->ages, age);
			memset(s->chain, 0, c->chains * sizeof *s->chain);
			s->size = (struct dnscache_size){ 0, 0 };
		}
		pthread_mutex_unlock(&s->lock);
		free_all(&out);
	}
}

struct dnscache_size
dnscache_size(struct dnscache *c)
{
	struct dnscache_size sum = { 0, 0 };

	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shard[i];

		pthread_mutex_lock(&s->lock);
		sum.answers += s->size.answers;
		sum.bytes += s->size.bytes;
		pthread_mutex_unlock(&s->lock);
	}
	return sum;
}
