/*
 * fail - make chosen calls of a program fail, by LD_PRELOAD.
 *
 * FAIL names a file that holds a struct plan.  The program and the test share
 * it, so the test can read how far the program has come and change the plan
 * while it runs.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not by their headers, which declare some in a form that is not ISO C. */
struct sockaddr;
struct msghdr;
struct pollfd;
int socket(int, int, int);
int accept(int, struct sockaddr *, socklen_t *);
int connect(int, const struct sockaddr *, socklen_t);
ssize_t sendmsg(int, const struct msghdr *, int);
ssize_t recv(int, void *, size_t, int);
int poll(struct pollfd *, unsigned long, int);

/* 140 bytes, without holes: pack('Z20 L5 Z100') of the test. */
struct plan {
	char function[20];
	uint32_t error;			/* what errno becomes */
	uint32_t first, count;		/* which calls fail; first 0: none */
	_Atomic uint32_t calls;		/* of the function so far */
	_Atomic uint32_t failed;	/* of them */
	char where[100];		/* the files whose code made those */
};

static struct plan *plan;

/* Calls made before this, and by it, are not counted: there is no plan yet. */
__attribute__((constructor)) static void
read_plan(void)
{
	const char *path = getenv("FAIL");
	FILE *file = path != NULL ? fopen(path, "r+") : NULL;
	void *memory;

	if (file == NULL)
		abort();
	memory = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fileno(file), 0);
	if (memory == MAP_FAILED)
		abort();
	fclose(file);
	plan = memory;
}

/* Add the file whose code this is to the names in where. */
static void
note_caller(void *caller)
{
	const char *name = "?", *slash;
	size_t used = strlen(plan->where);
	Dl_info info;

	if (dladdr(caller, &info) != 0 && info.dli_fname != NULL)
		name = info.dli_fname;
	if ((slash = strrchr(name, '/')) != NULL)
		name = slash + 1;
	if (strstr(plan->where, name) == NULL)
		snprintf(plan->where + used, sizeof plan->where - used, "%s ",
		    name);
}

/* Is this the call that is to fail?  errno says how, then. */
static bool
fails(const char *function, void *caller)
{
	uint32_t n;

	if (plan == NULL || strcmp(function, plan->function) != 0)
		return false;
	n = atomic_fetch_add(&plan->calls, 1) + 1;
	if (plan->first == 0 || n < plan->first ||
	    n - plan->first >= plan->count)
		return false;
	note_caller(caller);
	atomic_fetch_add(&plan->failed, 1);
	errno = (int)plan->error;
	return true;
}

/* The function of this name that would have been called without us. */
static void *
real(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (f == NULL)
		abort();
	return f;
}

/* ISO C has no conversion from void * to a function; POSIX does. */
#define REPLACE(type, name, parameters, arguments, failure)		\
type									\
name parameters								\
{									\
	static union {							\
		void *_Atomic data;					\
		type (*_Atomic call) parameters;			\
	} next;								\
									\
	if (fails(#name, __builtin_return_address(0)))			\
		return failure;						\
	if (next.data == NULL)						\
		next.data = real(#name);				\
	return next.call arguments;					\
}

REPLACE(void *, malloc, (size_t size), (size), NULL)
REPLACE(void *, calloc, (size_t n, size_t size), (n, size), NULL)
REPLACE(void *, realloc, (void *p, size_t size), (p, size), NULL)
REPLACE(ssize_t, read, (int fd, void *p, size_t size), (fd, p, size), -1)
REPLACE(ssize_t, pread, (int fd, void *p, size_t size, off_t at),
    (fd, p, size, at), -1)
REPLACE(ssize_t, write, (int fd, const void *p, size_t size),
    (fd, p, size), -1)
REPLACE(ssize_t, pwrite, (int fd, const void *p, size_t size, off_t at),
    (fd, p, size, at), -1)
REPLACE(ssize_t, writev, (int fd, const struct iovec *v, int n),
    (fd, v, n), -1)
REPLACE(int, fsync, (int fd), (fd), -1)
REPLACE(int, fdatasync, (int fd), (fd), -1)
REPLACE(int, ftruncate, (int fd, off_t size), (fd, size), -1)
REPLACE(int, stat, (const char *path, struct stat *st), (path, st), -1)
REPLACE(int, fstat, (int fd, struct stat *st), (fd, st), -1)
REPLACE(int, statvfs, (const char *path, struct statvfs *v), (path, v), -1)
REPLACE(int, rename, (const char *from, const char *to), (from, to), -1)
REPLACE(int, unlink, (const char *path), (path), -1)
REPLACE(int, chmod, (const char *path, mode_t mode), (path, mode), -1)
REPLACE(DIR *, opendir, (const char *path), (path), NULL)
REPLACE(int, socket, (int domain, int type, int protocol),
    (domain, type, protocol), -1)
REPLACE(int, accept, (int fd, struct sockaddr *sa, socklen_t *size),
    (fd, sa, size), -1)
REPLACE(int, connect, (int fd, const struct sockaddr *sa, socklen_t size),
    (fd, sa, size), -1)
REPLACE(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags), -1)
REPLACE(ssize_t, recv, (int fd, void *p, size_t size, int flags),
    (fd, p, size, flags), -1)
REPLACE(int, poll, (struct pollfd *p, unsigned long n, int ms), (p, n, ms), -1)
REPLACE(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *), void *arg), (thread, attr, run, arg), errno)

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (fails("open", __builtin_return_address(0)))
		return -1;
	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return openat(AT_FDCWD, path, flags, mode);
}
