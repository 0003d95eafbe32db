/*
 * load - many milter sessions at a time, and what they cost the filter.
 *
 * See main() for the options.  Prints one line of NAME=VALUE.  Exit 0 if every
 * session came to its end, however wrong its verdict was.
 */
#include <sys/resource.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "clients.h"
#include "control.h"
#include "mta.h"
#include "options.h"
#include "pace.h"
#include "proc.h"
#include "text.h"
#include "triplet.h"

#define SESSIONS_MAX	2000000

static struct {
	const char *socket, *listed, *unlisted, *reload, *text, *type, *added;
	long count, at_once, rate, idle, pid, known, body;
	int message, new, envelope, deferred;
} conf = {
	.count = 10000,
	.at_once = 4,
	.body = BODY_USUAL,
};

static struct clients listed, unlisted;
static struct text body;
static atomic_size_t next_session, failed, wrong;
static atomic_bool stopped;
static uint64_t first_new;	/* the number of the first triplet of -new */
static uint64_t begun;		/* when the first session was due; ns */
static float *connect_us, *session_us;	/* of each session */

static void
count_outcome(enum mta_outcome outcome, bool is_listed)
{
	enum mta_outcome wanted = conf.deferred ? MTA_DEFERRED :
	    conf.message || conf.new || conf.known > 0 ? MTA_HEARD :
	    is_listed ? MTA_REFUSED : MTA_ACCEPTED;

	if (outcome == MTA_FAILED) {
		if (atomic_fetch_add(&failed, 1) == 0)
			perror(conf.socket);
	} else if (outcome != wanted)
		atomic_fetch_add(&wrong, 1);
}

/* Clients of the two files by turns. */
static const char *
client_of(size_t n, bool *is_listed)
{
	const struct clients *c;

	*is_listed = unlisted.count == 0 || (listed.count > 0 && n % 2 == 0);
	c = *is_listed ? &listed : &unlisted;
	return c->text[n / 2 % c->count];
}

/* The client; s gets the addresses of its message. */
static const char *
take_triplet(struct mta *s, struct triplet *t, size_t n)
{
	triplet_make(t, conf.new ? first_new + n : n % (size_t)conf.known);
	memcpy(s->sender, t->sender, sizeof s->sender);
	memcpy(s->recipient, t->recipient, sizeof s->recipient);
	return t->client;
}

static void
run_session(size_t n)
{
	enum mta_outcome outcome = MTA_FAILED;
	bool is_listed = false;
	uint64_t begin = wait_for_turn(begun, n, conf.rate);
	struct triplet t;
	struct mta s;

	if (mta_open(&s, conf.socket) == 0) {
		const char *client = conf.new || conf.known > 0 ?
		    take_triplet(&s, &t, n) : client_of(n, &is_listed);
		char answer = mta_connect(&s, client);

		connect_us[n] = (float)(now() - begin) / 1000;
		s.only_envelope = conf.envelope;
		s.body = body.bytes != NULL ? body.size : (size_t)conf.body;
		s.text = body.bytes;
		s.type = conf.type;
		s.wanted = conf.added;
		outcome = mta_close(&s, mta_go_on(&s, answer));
	}
	session_us[n] = (float)(now() - begin) / 1000;
	count_outcome(outcome, is_listed);
}

static void *
run_sessions(void *arg)
{
	size_t n;

	(void)arg;
	while (!atomic_load(&stopped) &&
	    (n = atomic_fetch_add(&next_session, 1)) < (size_t)conf.count)
		run_session(n);
	return NULL;
}

/* A name of its own first, then the rename that makes it the list. */
static int
replace_list(const char *list, const char *by)
{
	char new[512];

	snprintf(new, sizeof new, "%s.new", list);
	unlink(new);		/* rename(2) leaves it when both are one */
	if (link(by, new) == -1 || rename(new, list) == -1) {
		perror(list);
		return -1;
	}
	return 0;
}

/* See -reload.  Returns milliseconds for one, or -1. */
static double
reload(char *how)
{
	char *part[5] = { NULL }, error[CONTROL_ERROR_MAX];
	uint64_t begin = now();
	long times = 0;

	for (int i = 0; i < 5; i++)
		part[i] = strsep(&how, ",");
	if (part[4] != NULL)
		times = strtol(part[4], NULL, 10);
	for (long i = 0; i < times; i++) {
		if (replace_list(part[1], part[2 + i % 2]) == -1)
			return -1;
		if (control_ask(part[0], "reload", 60000, NULL, error) == -1) {
			fprintf(stderr, "reload: %s\n", error);
			return -1;
		}
	}
	return times > 0 ? (double)(now() - begin) / 1e6 / (double)times : -1;
}

/* Returns what reload() does, 0 when there was none to do. */
static double
run_load(void)
{
	pthread_t *thread = calloc((size_t)conf.at_once, sizeof *thread);
	double reload_ms = 0;
	long threads = 0;

	begun = now();
	while (thread != NULL && threads < conf.at_once &&
	    pthread_create(&thread[threads], NULL, run_sessions, NULL) == 0)
		threads++;
	if (threads < conf.at_once) {
		perror("threads");
		reload_ms = -1;
	} else if (conf.reload != NULL)
		reload_ms = reload((char *)conf.reload);
	if (conf.reload != NULL || reload_ms < 0)
		atomic_store(&stopped, true);
	while (threads > 0)
		pthread_join(thread[--threads], NULL);
	free(thread);
	return reload_ms;
}

static int
open_idle(struct mta *idle)
{
	for (long i = 0; i < conf.idle; i++)
		if (mta_open(&idle[i], conf.socket) == -1 ||
		    mta_connect(&idle[i],
		    listed.text[(size_t)i % listed.count]) == '\0') {
			perror("idle sessions");
			return -1;
		}
	return 0;
}

static void
close_idle(struct mta *idle)
{
	for (long i = 0; i < conf.idle; i++)
		count_outcome(mta_close(&idle[i],
		    mta_go_on(&idle[i], SMFIR_CONTINUE)), true);
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void
print_percentiles(const char *name, float *us, size_t count)
{
	static const struct {
		const char *name;
		double share;
	} p[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 } };

	qsort(us, count, sizeof *us, compare);
	for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
		printf(" %s_%s=%.0f", name, p[i].name, count == 0 ? 0 :
		    (double)us[(size_t)((double)(count - 1) * p[i].share)]);
}

/* Load the filter, tell what was seen. */
static int
measure(struct mta *idle)
{
	double reload_ms, seconds, cpu = (double)cpu_of(conf.pid);
	size_t count;

	reload_ms = run_load();
	seconds = (double)(now() - begun) / 1e9;
	cpu = ((double)cpu_of(conf.pid) - cpu) / 1000;
	close_idle(idle);
	count = atomic_load(&next_session);
	count = count < (size_t)conf.count ? count : (size_t)conf.count;
	printf("sessions=%zu wrong=%zu failed=%zu per_second=%.0f cpu_us=%.2f"
	    " reload_ms=%.1f peak_kb=%ld", count + (size_t)conf.idle,
	    atomic_load(&wrong), atomic_load(&failed),
	    (double)count / seconds, count > 0 ? cpu / (double)count : 0,
	    reload_ms, proc_kb(conf.pid, "VmHWM:"));
	print_percentiles("connect", connect_us, count);
	print_percentiles("session", session_us, count);
	printf("\n");
	return reload_ms < 0 || atomic_load(&failed) > 0 ? EX_UNAVAILABLE :
	    EX_OK;
}

/* Descriptors for the idle sessions. */
static void
raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int
main(int argc, char *argv[])
{
	const struct options_row table[] = {
		{ "listed", 0, OPTIONS_STRING, &conf.listed, 0, 0,
		    "file", "clients to be refused with 554 at HELO" },
		{ "unlisted", 0, OPTIONS_STRING, &conf.unlisted, 0, 0,
		    "file", "clients to be accepted at connect" },
		{ "message", 0, OPTIONS_FLAG, &conf.message, 0, 0,
		    NULL, "all are to be accepted after their message" },
		{ "body", 0, OPTIONS_NUMBER, &conf.body, 0, 100000000,
		    "bytes", "of each message" },
		{ "text", 0, OPTIONS_STRING, &conf.text, 0, 0,
		    "file", "the body of each message" },
		{ "type", 0, OPTIONS_STRING, &conf.type, 0, 0,
		    "type", "of that, if it is not plain text" },
		{ "added", 0, OPTIONS_STRING, &conf.added, 0, 0,
		    "text", "is the value of a field that is to be added" },
		{ "known", 0, OPTIONS_NUMBER, &conf.known, 0, 100000000,
		    "n", "in place of clients from files: so many triplets, in "
		    "turn" },
		{ "new", 0, OPTIONS_FLAG, &conf.new, 0, 0,
		    NULL, "in place of clients from files: a triplet for each "
		    "session that was never seen" },
		{ "deferred", 0, OPTIONS_FLAG, &conf.deferred, 0, 0,
		    NULL, "all are to be told 451 after RCPT" },
		{ "envelope", 0, OPTIONS_FLAG, &conf.envelope, 0, 0,
		    NULL, "all end after RCPT" },
		{ "count", 0, OPTIONS_NUMBER, &conf.count, 0, SESSIONS_MAX,
		    "n", "sessions" },
		{ "atonce", 0, OPTIONS_NUMBER, &conf.at_once, 1, 256,
		    "n", "sessions at a time" },
		{ "rate", 0, OPTIONS_NUMBER, &conf.rate, 0, 1000000,
		    "n", "begin so many a second; 0: as fast as it goes" },
		{ "idle", 0, OPTIONS_NUMBER, &conf.idle, 0, 10000,
		    "n", "more sessions, of listed clients, that wait for "
		    "HELO all the while" },
		{ "pid", 0, OPTIONS_NUMBER, &conf.pid, 0, 0x7fffffff,
		    "pid", "the filter, for its CPU time and memory" },
		{ "reload", 0, OPTIONS_STRING, &conf.reload, 0, 0,
		    "control,list,a,b,n", "in place of -count: until the list "
		    "was replaced and reloaded n times" },
		{ .name = NULL }
	};
	int first = options_parse(table, argc, argv), status = EX_UNAVAILABLE;
	struct timespec today;
	struct mta *idle;

	if ((conf.socket = argv[first]) == NULL ||
	    (conf.listed == NULL && conf.unlisted == NULL && !conf.new &&
	    conf.known == 0) ||
	    (conf.idle > 0 && conf.listed == NULL)) {
		options_help(table, "load");
		return EX_USAGE;
	}
	if (conf.reload != NULL)
		conf.count = SESSIONS_MAX;
	/* By the clock: no two runs have the same. */
	clock_gettime(CLOCK_REALTIME, &today);
	first_new = nanoseconds(&today) / 1000;
	raise_limits();
	signal(SIGPIPE, SIG_IGN);
	idle = calloc((size_t)conf.idle + 1, sizeof *idle);
	connect_us = calloc((size_t)conf.count + 1, sizeof *connect_us);
	session_us = calloc((size_t)conf.count + 1, sizeof *session_us);
	if (clients_read(&listed, conf.listed) == 0 &&
	    clients_read(&unlisted, conf.unlisted) == 0 &&
	    (conf.text == NULL || text_open(&body, conf.text) == 0) &&
	    idle != NULL && connect_us != NULL && session_us != NULL) {
		printf("rss_kb=%ld ", proc_kb(conf.pid, "VmRSS:"));
		if (open_idle(idle) == 0) {
			printf("rss_idle_kb=%ld size_kb=%ld ",
			    proc_kb(conf.pid, "VmRSS:"),
			    proc_kb(conf.pid, "VmSize:"));
			status = measure(idle);
		}
	}
	free(idle);
	free(connect_us);
	free(session_us);
	free(listed.text);
	free(unlisted.text);
	return status;
}
