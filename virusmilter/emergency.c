#include <sys/stat.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "emergency.h"
#include "log.h"

/*
 * Held from looking to saying what was seen: who looked before it was said that
 * there is an emergency must not say after it that there is none.
 */
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;

static long long
now(void)
{
	return clock_us() / 1000000;
}

enum emergency_why
emergency_why(const struct emergency *e)
{
	return (enum emergency_why)atomic_load_explicit(&e->why,
	    memory_order_relaxed);
}

const char *
emergency_word(enum emergency_why why)
{
	static const char *const words[] = {
		[EMERGENCY_NONE] = "none",
		[EMERGENCY_SAID] = "said",
		[EMERGENCY_FILE] = "file",
		[EMERGENCY_LOAD] = "load",
	};

	return words[why];
}

/* One from the future is as good as one of now: clocks go wrong. */
static bool
is_file_young(const struct emergency *e)
{
	struct stat st;

	return e->file != NULL && stat(e->file, &st) == 0 &&
	    time(NULL) - st.st_mtime < e->seconds;
}

static bool
is_load_high(const struct emergency *e)
{
	double load;

	return e->load > 0 && getloadavg(&load, 1) == 1 &&
	    load > (double)e->load;
}

long
emergency_left(const struct emergency *e)
{
	long long left = atomic_load(&e->until) - now();

	return left > 0 ? (long)left : 0;
}

void
emergency_tick(struct emergency *e)
{
	enum emergency_why before, why;

	pthread_mutex_lock(&looking);
	why = emergency_left(e) > 0 ? EMERGENCY_SAID :
	    is_file_young(e) ? EMERGENCY_FILE :
	    is_load_high(e) ? EMERGENCY_LOAD : EMERGENCY_NONE;
	before = (enum emergency_why)atomic_exchange(&e->why, (int)why);
	pthread_mutex_unlock(&looking);
	if (why != EMERGENCY_NONE && before == EMERGENCY_NONE)
		log_warning("emergency (%s): mail with attachments is "
		    "refused", emergency_word(why));
	if (why == EMERGENCY_NONE && before != EMERGENCY_NONE)
		log_warning("the emergency is over");
}

void
emergency_say(struct emergency *e, long seconds)
{
	atomic_store(&e->until, seconds > 0 ? now() + seconds : 0);
	emergency_tick(e);
}
