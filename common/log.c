#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "log.h"

static const char *name = "milter";
static atomic_bool to_syslog, verbose;

static void
emit(int level, const char *fmt, va_list ap, int err)
{
	char line[LOG_LINE_MAX + 1], why[128];
	int saved = errno, n;

	n = vsnprintf(line, sizeof line, fmt, ap);
	if (err != 0 && n >= 0 && (size_t)n < sizeof line) {
		if (strerror_r(err, why, sizeof why) != 0)
			snprintf(why, sizeof why, "error %d", err);
		snprintf(line + n, sizeof line - (size_t)n, ": %s", why);
	}
	for (char *p = line; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (atomic_load_explicit(&to_syslog, memory_order_relaxed))
		syslog(level, "%s", line);
	else
		fprintf(stderr, "%s: %.*s\n", name,
		    (int)(LOG_LINE_MAX - strlen(name) - 2), line);
	errno = saved;
}

#define EMIT(level, err) do {						\
	va_list ap;							\
	va_start(ap, fmt);						\
	emit((level), fmt, ap, (err));					\
	va_end(ap);							\
} while (0)

void
log_error(const char *fmt, ...)
{
	EMIT(LOG_ERR, 0);
}

void
log_errno(const char *fmt, ...)
{
	EMIT(LOG_ERR, errno);
}

void
log_warning(const char *fmt, ...)
{
	EMIT(LOG_WARNING, 0);
}

void
log_info(const char *fmt, ...)
{
	EMIT(LOG_INFO, 0);
}

void
log_verbose(void)
{
	atomic_store(&verbose, true);
}

bool
log_is_verbose(void)
{
	return atomic_load_explicit(&verbose, memory_order_relaxed);
}

void
log_debug(const char *fmt, ...)
{
	if (log_is_verbose())
		EMIT(LOG_DEBUG, 0);
}

void
log_name(const char *program)
{
	name = program;
}

void
log_to_syslog(void)
{
	openlog(name, LOG_PID | LOG_NDELAY, LOG_MAIL);
	atomic_store(&to_syslog, true);
}

const char *
log_word(char out[LOG_WORD_MAX], const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n < LOG_WORD_MAX - 1; n++)
		out[n] = text[n] == ' ' ? '_' :
		    text[n] > ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
	return out;
}

bool
log_due(struct log_limit *limit)
{
	long next = atomic_load(&limit->next);
	struct timespec now;
	unsigned long held;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec < next || !atomic_compare_exchange_strong(&limit->next,
	    &next, (long)now.tv_sec + LOG_LIMIT_SECONDS)) {
		atomic_fetch_add(&limit->held, 1);
		return false;
	}
	if ((held = atomic_exchange(&limit->held, 0)) != 0)
		log_error("%lu more like the next line were held back", held);
	return true;
}
