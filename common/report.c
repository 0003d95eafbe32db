#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control.h"
#include "log.h"
#include "reply.h"
#include "report.h"
#include "stats.h"

struct waiting {
	struct addr client;
	long seconds;
	char reason[REPORT_REASON_MAX];
};

struct report {
	const char *path;
	pthread_t thread;

	/* lock guards the rest; changed says that it changed. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct waiting ring[REPORT_WAITING_MAX];
	int first, count;
	bool stopped;
};

static struct stats_counter counters[] = {
	{ "reports_sent_total", NULL, "Clients reported to blackmilter.", 0 },
	{ "reports_failed_total", NULL,
	    "Reports that blackmilter did not take.", 0 },
	{ "reports_dropped_total", NULL,
	    "Reports not sent, for too many were waiting.", 0 },
};
enum { SENT, FAILED, DROPPED };

/* Under lock: until there is something to send, or nothing ever will be. */
static bool
wait_for_one(struct report *r, struct waiting *w)
{
	while (r->count == 0 && !r->stopped)
		pthread_cond_wait(&r->changed, &r->lock);
	if (r->stopped)
		return false;
	*w = r->ring[r->first];
	r->first = (r->first + 1) % REPORT_WAITING_MAX;
	r->count--;
	return true;
}

/* Under lock: before the next try.  False when there shall be none. */
static bool
rest(struct report *r)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += REPORT_RETRY_SECONDS;
	while (!r->stopped && pthread_cond_timedwait(&r->changed, &r->lock,
	    &end) != ETIMEDOUT)
		;
	return !r->stopped;
}

/* Returns 0, or -1 with errno 0 when it was refused. */
static int
tell(const struct report *r, const struct waiting *w)
{
	static struct log_limit limit;
	char line[CONTROL_LINE_MAX], error[CONTROL_ERROR_MAX];
	char client[ADDR_TEXT_MAX];
	int why;

	addr_print(&w->client, client);
	snprintf(line, sizeof line, "report %s %ld %s", client, w->seconds,
	    w->reason);
	if (control_ask(r->path, line, REPORT_DEADLINE_MS, NULL, error) == 0)
		return 0;
	why = errno;
	if (log_due(&limit))
		log_error("cannot report %s to %s: %s", client, r->path,
		    error);
	errno = why;
	return -1;
}

static void *
send_all(void *arg)
{
	struct report *r = arg;
	struct waiting w;
	int sent;

	pthread_mutex_lock(&r->lock);
	while (wait_for_one(r, &w)) {
		for (int try = 1;; try++) {
			bool refused;

			pthread_mutex_unlock(&r->lock);
			sent = tell(r, &w);
			refused = sent == -1 && errno == 0;
			pthread_mutex_lock(&r->lock);
			if (sent == 0 || refused || try == REPORT_TRIES ||
			    !rest(r))
				break;
		}
		stats_count(&counters[sent == 0 ? SENT : FAILED]);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct report *
report_new(const char *path)
{
	struct report *r = calloc(1, sizeof *r);
	pthread_condattr_t attr;

	if (r == NULL) {
		log_error("out of memory");
		return NULL;
	}
	r->path = path;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&r->thread, NULL, send_all, r) != 0) {
		log_error("cannot start the thread that reports");
		free(r);
		return NULL;
	}
	stats_add(counters, sizeof counters / sizeof counters[0]);
	return r;
}

void
report_send(struct report *r, const struct addr *client, long seconds,
    const char *reason)
{
	static struct log_limit limit;
	struct waiting *w;
	bool dropped;

	pthread_mutex_lock(&r->lock);
	dropped = r->count == REPORT_WAITING_MAX || r->stopped;
	if (!dropped) {
		w = &r->ring[(r->first + r->count++) % REPORT_WAITING_MAX];
		w->client = *client;
		w->seconds = seconds;
		reply_clean(w->reason, sizeof w->reason, reason, 0);
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	if (!dropped)
		return;
	stats_count(&counters[DROPPED]);
	if (log_due(&limit))
		log_error("%s takes no reports now, some are dropped", r->path);
}

void
report_stop(struct report *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopped = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}
