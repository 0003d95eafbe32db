#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "hint.h"
#include "log.h"
#include "stats.h"

static struct control_kept graymilter = {
	.lock = PTHREAD_MUTEX_INITIALIZER
};
static atomic_llong pause_until;	/* clock_us() */

static struct stats_counter counters[] = {
	{ "hints_sent_total", NULL, "Passes graymilter was told of.", 0 },
	{ "hints_failed_total", NULL, "Passes it could not be told of.", 0 },
};
enum { SENT, FAILED };

void
hint_open(const char *path)
{
	graymilter.path = path;
	stats_add(counters, sizeof counters / sizeof counters[0]);
}

void
hint_send(const struct addr *client, const char *domain)
{
	static struct log_limit limit;
	char address[ADDR_TEXT_MAX], error[CONTROL_ERROR_MAX];
	char command[CONTROL_LINE_MAX];

	/* With a blank in it, it would be several words; and it is nobody's. */
	if (graymilter.path == NULL || strchr(domain, ' ') != NULL ||
	    clock_us() < atomic_load(&pause_until))
		return;
	snprintf(command, sizeof command, "spf %s %s pass",
	    addr_print(client, address), domain);
	if (control_ask_kept(&graymilter, command, HINT_DEADLINE_MS,
	    error) == 0) {
		stats_count(&counters[SENT]);
		return;
	}
	stats_count(&counters[FAILED]);
	/*
	 * One that says no is there, and knows other domains; and nobody costs
	 * no time, and may be back for the next message.
	 */
	if (errno != 0 && errno != ECONNREFUSED && errno != ENOENT)
		atomic_store(&pause_until,
		    clock_us() + HINT_PAUSE_SECONDS * 1000000LL);
	if (log_due(&limit))
		log_error("%s: cannot hint: %s", graymilter.path, error);
}
