#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hint.h"
#include "tuple.h"

#define WAYS	4	/* hints that share a place */
#define PLACES	(HINT_MAX / WAYS)

struct hint {
	struct addr addr;
	char domain[TUPLE_TEXT_MAX + 1];
	int64_t until;		/* 0: empty */
};

struct hints {
	pthread_mutex_t lock;	/* guards the table */
	struct hint table[PLACES][WAYS];
	uint64_t seed;		/* or anybody could fill one place */
};

struct hints *
hints_new(void)
{
	struct hints *h = calloc(1, sizeof *h);
	struct timespec now;

	if (h == NULL)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	clock_gettime(CLOCK_REALTIME, &now);
	h->seed = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^
	    (uint64_t)(uintptr_t)h;
	return h;
}

void
hints_free(struct hints *h)
{
	free(h);
}

static struct hint *
place_of(struct hints *h, const struct addr *addr, const char *domain)
{
	uint64_t hash = h->seed;

	for (size_t i = 0; i < sizeof addr->byte; i++)
		hash = (hash ^ addr->byte[i]) * 0x100000001b3u;
	for (; *domain != '\0'; domain++)
		hash = (hash ^ (unsigned char)*domain) * 0x100000001b3u;
	return h->table[(hash ^ hash >> 29) % PLACES];
}

static bool
is_about(const struct hint *hint, const struct addr *addr, const char *domain)
{
	return memcmp(&hint->addr, addr, sizeof *addr) == 0 &&
	    strcmp(hint->domain, domain) == 0;
}

/* The hint about these two, else the one that is over first. */
static struct hint *
choose(struct hint *place, const struct addr *addr, const char *domain)
{
	struct hint *oldest = place;

	for (int i = 0; i < WAYS; i++) {
		if (is_about(&place[i], addr, domain))
			return &place[i];
		if (place[i].until < oldest->until)
			oldest = &place[i];
	}
	return oldest;
}

int
hints_set(struct hints *h, const struct addr *addr, const char *domain,
    bool pass, int64_t now)
{
	struct hint *hint;
	struct tuple t;

	if (tuple_set_domain(&t, domain) == -1)
		return -1;
	pthread_mutex_lock(&h->lock);
	hint = choose(place_of(h, addr, t.client), addr, t.client);
	if (pass) {
		hint->addr = *addr;
		memcpy(hint->domain, t.client, sizeof hint->domain);
		hint->until = now + HINT_SECONDS;
	} else if (is_about(hint, addr, t.client))
		hint->until = 0;
	pthread_mutex_unlock(&h->lock);
	return 0;
}

bool
hints_find(struct hints *h, const struct addr *addr, const char *domain,
    int64_t now)
{
	const struct hint *hint;
	struct tuple t;
	bool found;

	if (tuple_set_domain(&t, domain) == -1)
		return false;
	pthread_mutex_lock(&h->lock);
	hint = choose(place_of(h, addr, t.client), addr, t.client);
	found = is_about(hint, addr, t.client) && hint->until > now;
	pthread_mutex_unlock(&h->lock);
	return found;
}
