#ifndef VIRUSMILTER_CLAMDSERVER_H
#define VIRUSMILTER_CLAMDSERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "clamd.h"
#include "clamdsocket.h"
#include "log.h"
#include "options.h"

/*
 * clamdserver - each clamd(8) there is, which of them to ask, and reading what
 * one says.
 */
struct clamdserver {
	struct clamdsocket socket;
	long rests_until_ms;		/* 0: it was there when last asked */
	struct log_limit limit;		/* of what is logged of it */
};

struct clamdservers {
	struct clamdserver server[CLAMD_SOCKETS_MAX];
	int count;
	pthread_mutex_t lock;		/* guards each rests_until_ms */
};

/* Before there are threads.  -1: after a line in the log; nothing to free. */
int clamdservers_parse(struct clamdservers *, const struct options_list *);
void clamdservers_free(struct clamdservers *);

/*
 * The next to ask: the first that neither rests nor was tried; when there is
 * none, the first of all; NULL when that was tried, too.  tried is one scan's
 * memory of this, 0 at first.
 */
struct clamdserver *clamdservers_choose(struct clamdservers *, unsigned *tried);

/* It was there, or not.  Logs when it is back. */
void clamdservers_note(struct clamdservers *, struct clamdserver *, bool up);

void clamdservers_print_stats(struct clamdservers *, FILE *);

/* --- what one says */

/* More than that is no answer: clamd's own are one short line. */
#define CLAMDSERVER_ANSWER_MAX	1024

/* As much as has come of one; all zero at first. */
struct clamdserver_answer {
	size_t size;			/* of the text, without its end */
	char text[CLAMDSERVER_ANSWER_MAX];
};

enum clamdserver_reading {
	CLAMDSERVER_WHOLE,
	CLAMDSERVER_LATE,		/* until_ms came first; go on later */
	CLAMDSERVER_ENDED,		/* the connection failed: errno */
	CLAMDSERVER_ENDLESS		/* it is too long, or there is more
					 * behind its end */
};

enum clamdserver_reading clamdserver_read(int fd, struct clamdserver_answer *,
    struct clamdwait *, long until_ms);

/* Is it alive?  0, or -1 with errno, after CLAMD_PING_MS at most. */
int clamdserver_ping(const struct clamdserver *, struct clamdwait *);

#endif
