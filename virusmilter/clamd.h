#ifndef VIRUSMILTER_CLAMD_H
#define VIRUSMILTER_CLAMD_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/*
 * clamd - ask clamd(8) about a message: one connection a message, INSTREAM in
 * its z form.
 *
 * A message is kept in memory while it is small, and sent when it is complete,
 * all at once: so clamd waits for nobody, and when it fails the next one can be
 * asked.  A larger one is streamed from then on, and what fails then has
 * failed.  Only an exact "stream: OK" is clean and only "stream: NAME FOUND" is
 * infected; everything else is a failure: nobody there, an answer that is none
 * or too long, an error, silence, a connection that ends early.
 *
 * A clamd that failed by being down or silent is left alone for CLAMD_REST
 * seconds while there is another; when all are, the first is tried.
 */
#define CLAMD_SOCKETS_MAX	8
#define CLAMD_BUFFER		131072	/* bytes that are kept and not sent */
#define CLAMD_REST		30	/* seconds */
#define CLAMD_CONNECT_MS	2000	/* for the connection */
#define CLAMD_STALL_MS		5000	/* without a byte of progress while
					 * sending */
#define CLAMD_SILENCE_MS	5000	/* without an answer, before it is
					 * asked whether it is alive, by PING */
#define CLAMD_PING_MS		2000	/* for the answer to that */
#define CLAMD_NAME_MAX		128	/* of a virus, with NUL; the rest is
					 * cut */

struct clamd;

/*
 * Before there are threads.  A socket is "/path", "unix:/path",
 * "inet:port@host", "host:port" or "[address]:port"; numbers and names, which
 * are looked up here, once.  scans: how many may be under way at once.
 * deadline: seconds for one, from the first byte sent to the answer.  Returns
 * NULL after a line in the log that names what is wrong.
 */
struct clamd *clamd_new(const struct options_list *sockets, long scans,
    long deadline);

/* Before the first thread: have it printed what became of scans. */
void clamd_add_stats(struct clamd *);

/* For -check and the like: does one answer?  Logged when not.  */
bool clamd_is_there(struct clamd *);

void clamd_free(struct clamd *);

enum clamd_result {
	CLAMD_CLEAN,
	CLAMD_INFECTED,
	CLAMD_FAILED,		/* no clamd could say */
	CLAMD_BUSY		/* there are too many scans */
};

/* One message.  One thread at a time. */
struct clamd_scan;

/* NULL when out of memory. */
struct clamd_scan *clamd_begin(struct clamd *);

/*
 * size bytes more of the message, as it is in a mailbox without its quoting.
 * False: it is no use to send more, for it has failed or there are too many;
 * clamd_finish() will say so.  Takes CLAMD_STALL_MS at most when nothing moves,
 * and CLAMD_CONNECT_MS and that again for each clamd it has to try.
 */
bool clamd_send(struct clamd_scan *, const void *bytes, size_t size);

/*
 * That was all; what is the answer?  wait() is called about once a second
 * while there is none; NULL: nobody.  name is set when INFECTED, to printable
 * text; of FAILED it is why, for the log.  May be called once.
 */
enum clamd_result clamd_finish(struct clamd_scan *, void (*wait)(void *),
    void *arg, char name[CLAMD_NAME_MAX]);

/* In whatever state; NULL does nothing. */
void clamd_end(struct clamd_scan *);

/*
 * Part of the above, for tests: an answer, without its final NUL or newline.
 */
enum clamd_result clamd_read_answer(const char *answer, size_t size,
    char name[CLAMD_NAME_MAX]);

#endif
