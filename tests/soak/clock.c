/*
 * clock - another time of day for a program, by LD_PRELOAD.
 *
 * CLOCK names a file that holds how many seconds it is ahead, an int64_t.  The
 * test writes there while the program runs, and that is a step of its clock.
 * Waiting until some time of day goes by the same clock.  The monotonic clock
 * is as it was.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A condition does not say by which clock it waits.  Nothing is up so long. */
#define UPTIME_MAX	1000000000

static _Atomic int64_t *offset;

__attribute__((constructor)) static void
map_offset(void)
{
	const char *path = getenv("CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY) : -1;
	void *memory;

	if (fd == -1)
		abort();
	memory = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		abort();
	close(fd);
	offset = memory;
}

/* Calls made before the above have the time as it is. */
static time_t
ahead(void)
{
	return offset != NULL ? (time_t)atomic_load(offset) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, clock, now) == -1)
		return -1;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		now->tv_sec += ahead();
	return 0;
}

/* As the C library has it, it may be a tick late. */
time_t
time(time_t *seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (seconds != NULL)
		*seconds = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec;
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* The kernel's time for one of ours. */
static struct timespec
until(const struct timespec *time)
{
	struct timespec real = *time;

	if (real.tv_sec > UPTIME_MAX)
		real.tv_sec -= ahead();
	return real;
}

/* ISO C has no conversion from void * to a function; POSIX does. */
#define WAIT(name, parameters, arguments)				\
int									\
name parameters								\
{									\
	static union {							\
		void *_Atomic data;					\
		int (*_Atomic call) parameters;				\
	} next;								\
	const struct timespec real = until(time), *end = &real;		\
									\
	if (next.data == NULL)						\
		next.data = dlsym(RTLD_NEXT, #name);			\
	return next.call arguments;					\
}

WAIT(pthread_mutex_timedlock, (pthread_mutex_t *restrict lock,
    const struct timespec *restrict time), (lock, end))
WAIT(pthread_rwlock_timedwrlock, (pthread_rwlock_t *restrict lock,
    const struct timespec *restrict time), (lock, end))
WAIT(pthread_cond_timedwait, (pthread_cond_t *restrict changed,
    pthread_mutex_t *restrict lock, const struct timespec *restrict time),
    (changed, lock, end))
