/*
 * greys - stores of graymilter with very many records, and how long decisions
 * take while they are looked after.
 *
 *	greys fill DIRECTORY RECORDS CACHE known|past
 *	    Make triplets 0 to RECORDS - 1 of triplet.h; all are known, or those
 *	    with even numbers are past their time.  The cache is in MB.
 *	greys latency DIRECTORY RECORDS SECONDS rest|sweep
 *	    Decide, 2000 times a second, half of them about triplets with odd
 *	    numbers and half about new ones, while the sweep rests or goes on
 *	    and on.  Prints lines of NAME=VALUE.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "store.h"
#include "triplet.h"

/*
 * Every ten minutes is too seldom to be measured, so the store is opened by
 * way of a function of ours.
 */
static long sweep_seconds;

static struct store *
open_sweeping(const struct store_conf *conf)
{
	struct store_conf copy = *conf;

	copy.sweep_seconds = sweep_seconds;
	return store_open(&copy);
}

#define store_open open_sweeping
#include "greylist.c"

#define THREADS		8
#define RATE		2000	/* decisions a second, of all threads */
#define EXPIRE		(36 * 86400)

static struct greylist_conf conf = {
	.kind = TUPLE_TRIPLET,
	.rules = {
		.delay = 300,
		.retry = 2 * 86400,
		.expire = EXPIRE,
		.autowhite = 5,
		.pending_max = 1000,
	},
};

static struct greylist *greylist;
static uint64_t records;
static bool some_past;
static size_t decisions;	/* to make */
static atomic_size_t next_decision;
static atomic_size_t down;	/* that the store could not make */
static double begun;		/* seconds */
static float *us;		/* each took */

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make_tuple(struct tuple *t, uint64_t n)
{
	struct triplet x;

	triplet_make(&x, n);
	snprintf(t->client, sizeof t->client, "%s", x.network);
	snprintf(t->sender, sizeof t->sender, "%s", x.sender);
	snprintf(t->recipient, sizeof t->recipient, "%s", x.recipient);
}

/* The triplet of a network, which the step that multiplies makes no more. */
static uint64_t
number_of(uint64_t network)
{
	static uint64_t inverse;

	while (inverse * TRIPLET_STEP % TRIPLET_NETWORKS != 1)
		inverse++;
	return network * inverse % TRIPLET_NETWORKS;
}

/* In the order of the keys, which is the fastest. */
static int
fill(void)
{
	const int64_t today = time(NULL);
	struct tuple t;

	for (uint64_t i = 0; i < TRIPLET_NETWORKS; i++)
		for (uint64_t n = number_of(i); n < records;
		    n += TRIPLET_NETWORKS) {
			int64_t then = some_past && n % 2 == 0 ? 1 : today;
			struct record r = { .first = then, .last = then,
			    .count = 1 };

			make_tuple(&t, n);
			if (greylist_merge(greylist, TUPLE_TRIPLET, &t, &r,
			    then) == -1)
				return EX_UNAVAILABLE;
		}
	return EX_OK;
}

/* Sleep until it is due.  Returns when that was. */
static double
wait_for(size_t n)
{
	double due = begun + (double)n / RATE, left = due - seconds();
	struct timespec t = { .tv_sec = (time_t)left };

	if (left <= 0)
		return due;
	t.tv_nsec = (long)((left - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
	return seconds();
}

static void *
decide_all(void *arg)
{
	size_t n;

	(void)arg;
	while ((n = atomic_fetch_add(&next_decision, 1)) < decisions) {
		struct greylist_answer answer;
		struct tuple t;
		double due;

		make_tuple(&t, n % 2 == 0 ?
		    n * TRIPLET_STEP % records | 1 : records + n);
		due = wait_for(n);
		greylist_try(greylist, &t, time(NULL), &answer);
		us[n] = (float)((seconds() - due) * 1e6);
		if (answer.by == GREYLIST_DOWN)
			atomic_fetch_add(&down, 1);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static int
measure(void)
{
	pthread_t thread[THREADS];
	int threads = 0;

	if ((us = calloc(decisions, sizeof *us)) == NULL)
		return EX_OSERR;
	begun = seconds();
	while (threads < THREADS && pthread_create(&thread[threads], NULL,
	    decide_all, NULL) == 0)
		threads++;
	while (threads > 0)
		pthread_join(thread[--threads], NULL);
	qsort(us, decisions, sizeof *us, compare);
	printf("p50=%.0f p99=%.0f p999=%.0f max=%.0f down=%zu\n",
	    (double)us[decisions / 2], (double)us[decisions / 100 * 99],
	    (double)us[decisions / 1000 * 999], (double)us[decisions - 1],
	    atomic_load(&down));
	greylist_stats(stdout, greylist);
	free(us);
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	bool fills = argc == 6 && strcmp(argv[1], "fill") == 0;
	bool measures = argc == 6 && strcmp(argv[1], "latency") == 0;
	int status;

	if (!fills && !measures) {
		fprintf(stderr, "usage: see greys.c\n");
		return EX_USAGE;
	}
	conf.directory = argv[2];
	records = strtoul(argv[3], NULL, 10);
	conf.cache = fills ? strtoul(argv[4], NULL, 10) << 20 : 0;
	decisions = measures ? strtoul(argv[4], NULL, 10) * RATE : 0;
	some_past = fills && strcmp(argv[5], "past") == 0;
	sweep_seconds = measures && strcmp(argv[5], "sweep") == 0;
	if ((greylist = greylist_open(&conf)) == NULL)
		return EX_UNAVAILABLE;
	status = fills ? fill() : measure();
	greylist_close(greylist);
	return status;
}
