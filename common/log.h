#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

/*
 * log - one event, one line.
 *
 * Text that came from the network may be passed with plain %s: the finished
 * line is masked just before it is written, so a control byte can never start
 * a new line or colour a terminal.  Callers do not clean anything first.
 *
 * What a line has over LOG_LINE_MAX is lost.
 *
 * All functions may be called from any thread.  errno is left as it was.
 */

#define LOG_LINE_MAX	1000	/* bytes; on a terminal with the name in it */

/* The program's name before each line.  Call first; name must stay. */
void log_name(const char *name);

/* Where lines go: the terminal until log_to_syslog(), then syslog(LOG_MAIL). */
void log_to_syslog(void);

/* Also write log_debug() lines.  Off until called. */
void log_verbose(void);
bool log_is_verbose(void);

/* The daemon cannot do what it was asked to; somebody should look. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, with ": " and the text for errno at the end. */
void log_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What was asked for is odd, but it was done. */
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One line per verdict and per start, stop and reload. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For the person who is debugging. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Text from the network as one word of a key=value line: a blank inside it
 * would let a client write keys of its own.  Returns out.
 */
#define LOG_WORD_MAX	128	/* bytes; the rest of a longer word is lost */

const char *log_word(char out[LOG_WORD_MAX], const char *text);

/*
 * A fault that may come a thousand times a second is logged once a minute:
 *
 *	static struct log_limit full;
 *
 *	if (log_due(&full))
 *		log_error("disk full, updates are dropped");
 *
 * One static object for each kind of fault, all zero at first.  When lines
 * were held back, log_due() first says how many.
 */
#define LOG_LIMIT_SECONDS	60

struct log_limit {
	atomic_long next;	/* monotonic second of the next line */
	atomic_ulong held;	/* lines not written since the last */
};

bool log_due(struct log_limit *);

#endif
