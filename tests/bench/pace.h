#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

/* pace - when sessions begin, and what they take; all in nanoseconds. */
static inline uint64_t
nanoseconds(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static inline uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return nanoseconds(&t);
}

/*
 * Sleep until then.  Returns when the session began: one that is late because
 * the others hang has waited since it was due.
 */
static inline uint64_t
wait_until(uint64_t due)
{
	const struct timespec t = { .tv_sec = (time_t)(due / 1000000000u),
	    .tv_nsec = (long)(due % 1000000000u) };

	if (now() >= due)
		return due;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	    EINTR)
		;
	return now();
}

/*
 * Wait for the turn of session n, of so many a second since begun; if of none,
 * it has come.  Returns as wait_until().
 */
static inline uint64_t
wait_for_turn(uint64_t begun, size_t n, long rate)
{
	return rate == 0 ? now() :
	    wait_until(begun + n * 1000000000u / (uint64_t)rate);
}

/* The CPU time a process has taken; 0 when there is no such process. */
static inline uint64_t
cpu_of(long pid)
{
	struct timespec t = { 0, 0 };
	clockid_t clock;

	if (pid > 0 && clock_getcpuclockid((pid_t)pid, &clock) == 0)
		clock_gettime(clock, &t);
	return nanoseconds(&t);
}

#endif
