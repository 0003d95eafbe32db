#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "storefile.h"

#define LOG_FILE_MAX	(16 << 20)	/* bytes; the oldest are removed */
#define LOG_BUFFER	(1 << 20)
#define PAGE_SIZE	4096	/* torn pages are seen by their checksum */
#define GIGABYTE	(1UL << 30)
#define MARK_SIZE	64

/* Removed at open, made at close: without it the file is verified. */
#define CLEAN_MARK	"clean-close"
#define LOCK_FILE	"lock"

static void
say_library_error(const DB_ENV *env, const char *prefix, const char *text)
{
	static struct log_limit limit;
	const struct storefile *f = env->app_private;	/* not in verify() */

	(void)prefix;
	if (f != NULL && f->directory == NULL)
		log_debug("store in memory: %s", text);	/* that it is full */
	else if (log_due(&limit))
		log_error("store: %s", text);
}

static void
note_event(DB_ENV *env, uint32_t event, void *info)
{
	struct storefile *f = env->app_private;

	if (event != DB_EVENT_PANIC)
		return;
	if (info != NULL)
		atomic_store(&f->panic_error, *(const int *)info);
	atomic_store(&f->panicked, true);
}

int
storefile_path(const struct storefile *f, const char *file,
    char path[STOREFILE_PATH_MAX])
{
	int n = snprintf(path, STOREFILE_PATH_MAX, "%s/%s", f->directory, file);

	return n < STOREFILE_PATH_MAX ? 0 : ENAMETOOLONG;
}

const char *
storefile_error(const struct storefile *f, int error)
{
	return f->directory == NULL && error == ENOSPC ? "the cache is full" :
	    db_strerror(error);
}

uint64_t
storefile_bytes(const struct storefile *f)
{
	char path[STOREFILE_PATH_MAX];
	db_pgno_t last = 0;
	struct stat st;

	if (f->directory == NULL) {
		DB_MPOOLFILE *pages = f->db->get_mpf(f->db);

		return pages->get_last_pgno(pages, &last) == 0 ?
		    ((uint64_t)last + 1) * PAGE_SIZE : 0;
	}
	return storefile_path(f, f->name, path) == 0 &&
	    stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int
log_to_files(DB_ENV *env)
{
	int e;

	if ((e = env->set_lg_max(env, LOG_FILE_MAX)) != 0 ||
	    (e = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)) != 0)
		return e;
	return env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1);
}

/* For all the same: what fails half-way is undone by it. */
static int
log_to_memory(DB_ENV *env)
{
	return env->log_set_config(env, DB_LOG_IN_MEMORY, 1);
}

static int
open_env(struct storefile *f)
{
	uint32_t recover = f->directory != NULL ? DB_RECOVER : 0;
	int e;

	if ((e = db_env_create(&f->env, 0)) != 0) {
		f->env = NULL;
		return e;
	}
	f->env->app_private = f;
	f->env->set_errcall(f->env, say_library_error);
	if ((e = f->env->set_event_notify(f->env, note_event)) != 0 ||
	    (e = f->env->set_cachesize(f->env, (uint32_t)(f->cache / GIGABYTE),
	    (uint32_t)(f->cache % GIGABYTE), 1)) != 0 ||
	    (e = f->env->set_lg_bsize(f->env, LOG_BUFFER)) != 0 ||
	    (e = f->directory != NULL ? log_to_files(f->env) :
	    log_to_memory(f->env)) != 0)
		return e;
	/*
	 * No DB_INIT_LOCK: our mutex is the lock, and after a panic threads
	 * that wait for the library's would never return.
	 */
	return f->env->open(f->env, f->directory, DB_CREATE |
	    recover | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL |
	    DB_THREAD | DB_PRIVATE, 0600);
}

/* What the file looks like from outside; "" when it cannot be seen. */
static void
describe(const char *path, char out[MARK_SIZE])
{
	struct stat st;

	memset(out, 0, MARK_SIZE);
	if (stat(path, &st) == 0)
		snprintf(out, MARK_SIZE, "%lld %lld.%09ld\n",
		    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
		    (long)st.st_mtim.tv_nsec);
}

/* How the file was left. */
enum left {
	LEFT_OPEN,		/* by a crash: recovery comes before all else */
	LEFT_CLOSED,		/* cleanly, and nobody touched it since */
	LEFT_TOUCHED		/* closed, and somebody did */
};

/* By the mark. */
static enum left
read_mark(const char *mark, const char *path)
{
	char now[MARK_SIZE], then[MARK_SIZE] = "";
	int fd = open(mark, O_RDONLY | O_CLOEXEC);
	bool same;

	describe(path, now);
	if (fd == -1)
		return LEFT_OPEN;
	same = read(fd, then, sizeof then - 1) > 0 && strcmp(then, now) == 0;
	close(fd);
	return same ? LEFT_CLOSED : LEFT_TOUCHED;
}

static void
make_mark(const struct storefile *f)
{
	char mark[STOREFILE_PATH_MAX], path[STOREFILE_PATH_MAX];
	char text[MARK_SIZE];
	int fd;

	if (storefile_path(f, CLEAN_MARK, mark) != 0 ||
	    storefile_path(f, f->name, path) != 0)
		return;
	describe(path, text);
	fd = open(mark, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		log_debug("store: no mark, the next start verifies");
	if (fd != -1)
		close(fd);
}

/*
 * A file cut short makes reads spin for ever: look before touching it.  After
 * a page that is damaged the library is in a panic, in which it would clear up
 * for ever, too, were it not told to ignore that.
 */
static int
verify(const char *path)
{
	DB_ENV *env;
	DB *db;
	int e;

	if (access(path, F_OK) == -1)
		return 0;
	if ((e = db_env_create(&env, 0)) != 0)
		return e;
	env->set_errcall(env, say_library_error);
	if ((e = env->set_flags(env, DB_NOPANIC, 1)) == 0 &&
	    (e = env->open(env, NULL, DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL,
	    0600)) == 0 &&
	    (e = db_create(&db, env, 0)) == 0)
		e = db->verify(db, path, NULL, NULL, 0);  /* and closes it */
	env->close(env, 0);
	return e;
}

/*
 * Full before the cache is, an eighth of which is for what the library keeps
 * of each page: when it finds no room there, it tries for four seconds.  What
 * is set before the database is open does not count.
 */
static int
limit_pages(const struct storefile *f)
{
	DB_MPOOLFILE *pages = f->db->get_mpf(f->db);
	size_t most = f->cache - f->cache / 8;

	return pages->set_maxsize(pages, (uint32_t)(most / GIGABYTE),
	    (uint32_t)(most % GIGABYTE));
}

static int
open_db(struct storefile *f)
{
	int e;

	if ((e = db_create(&f->db, f->env, 0)) != 0) {
		f->db = NULL;
		return e;
	}
	if ((e = f->db->set_pagesize(f->db, PAGE_SIZE)) != 0 ||
	    (e = f->db->set_flags(f->db, DB_CHKSUM)) != 0)
		return e;
	/* With a name but no file it is never moved out of the cache. */
	if ((e = f->db->open(f->db, NULL, f->directory != NULL ? f->name : NULL,
	    f->directory != NULL ? NULL : f->name, DB_BTREE,
	    DB_CREATE | DB_THREAD | DB_AUTO_COMMIT, 0600)) != 0)
		return e;
	return f->directory != NULL ? 0 : limit_pages(f);
}

/* Returns 0 when all was written. */
static int
close_all(struct storefile *f)
{
	int db = 0, env = 0;

	if (f->db != NULL)
		db = f->db->close(f->db, 0);
	if (f->env != NULL)
		env = f->env->close(f->env, 0);
	f->db = NULL;
	f->env = NULL;
	return db != 0 ? db : env;
}

bool
storefile_is_corrupt(int error)
{
	switch (error) {
	case ENOSPC:
	case ENOMEM:
	case EACCES:
	case EPERM:
	case EROFS:
	case EMFILE:
	case ENFILE:
	case EDQUOT:
	case EAGAIN:
	case EINTR:
	case EIO:
	case ENAMETOOLONG:
		return false;
	}
	return true;
}

/* Is it one of the files that make up a store? */
static bool
is_ours(const struct storefile *f, const char *name)
{
	return strcmp(name, f->name) == 0 ||
	    strncmp(name, "log.", 4) == 0 || strncmp(name, "__db.", 5) == 0;
}

/* One after the other; returns 0 or the error of the first that stays. */
static int
move_files(const struct storefile *f, DIR *dir, const char *folder)
{
	char from[STOREFILE_PATH_MAX], to[2 * STOREFILE_PATH_MAX];
	const struct dirent *entry;
	int e;

	while ((entry = readdir(dir)) != NULL) {
		if (!is_ours(f, entry->d_name))
			continue;
		if ((e = storefile_path(f, entry->d_name, from)) != 0)
			return e;
		snprintf(to, sizeof to, "%s/%s", folder, entry->d_name);
		if (rename(from, to) == -1)
			return errno;
	}
	return 0;
}

int
storefile_set_aside(struct storefile *f)
{
	char folder[STOREFILE_PATH_MAX];
	DIR *dir;
	int e;

	if (f->directory == NULL)
		return 0;
	if (snprintf(folder, sizeof folder, "%s/%s.bad-%lld", f->directory,
	    f->name, (long long)time(NULL)) >= (int)sizeof folder)
		return ENAMETOOLONG;
	if (mkdir(folder, 0700) == -1 ||
	    (dir = opendir(f->directory)) == NULL)
		return errno;
	e = move_files(f, dir, folder);
	closedir(dir);
	if (e != 0)
		return e;
	atomic_fetch_add(&f->set_aside, 1);
	log_error("store %s was corrupt: set aside as %s, beginning with an "
	    "empty one", f->directory, folder);
	return 0;
}

static int
open_memory(struct storefile *f)
{
	int e;

	if (atomic_exchange(&f->panicked, false))
		log_error("store in memory was corrupt: beginning with an "
		    "empty one");
	if ((e = open_env(f)) != 0 || (e = open_db(f)) != 0)
		close_all(f);
	return e;
}

int
storefile_open(struct storefile *f)
{
	char mark[STOREFILE_PATH_MAX], path[STOREFILE_PATH_MAX];
	enum left left;
	int e;

	if (f->directory == NULL)
		return open_memory(f);
	if ((e = storefile_path(f, CLEAN_MARK, mark)) != 0 ||
	    (e = storefile_path(f, f->name, path)) != 0)
		return e;
	atomic_store(&f->panicked, false);
	atomic_store(&f->panic_error, 0);
	left = read_mark(mark, path);
	if (left == LEFT_TOUCHED && (e = verify(path)) != 0)
		return e;		/* as it is, not written to */
	if (left != LEFT_OPEN && unlink(mark) == -1)
		return errno;
	if ((e = open_env(f)) != 0 ||
	    (left == LEFT_OPEN && (e = verify(path)) != 0) ||
	    (e = open_db(f)) != 0)
		close_all(f);
	/* A full disk is no fault of the files. */
	if (e == DB_RUNRECOVERY && atomic_load(&f->panic_error) != 0)
		e = atomic_load(&f->panic_error);
	return e;
}

void
storefile_close(struct storefile *f, bool mark)
{
	if (close_all(f) == 0 && mark && f->directory != NULL)
		make_mark(f);
}

/* Returns 0 or an error, EWOULDBLOCK when another daemon has it. */
static int
take_lock(struct storefile *f)
{
	char path[STOREFILE_PATH_MAX];
	int e = storefile_path(f, LOCK_FILE, path);

	if (e != 0)
		return e;
	f->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (f->lock_fd == -1)
		return errno;
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	e = errno;
	storefile_unlock(f);
	return e;
}

int
storefile_lock(struct storefile *f)
{
	f->lock_fd = -1;
	if (f->directory == NULL || (errno = take_lock(f)) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		log_error("store %s is in use by a running daemon",
		    f->directory);
	else
		log_errno("store %s", f->directory);
	return -1;
}

int
storefile_lock_again(struct storefile *f)
{
	storefile_unlock(f);
	return take_lock(f);
}

void
storefile_unlock(struct storefile *f)
{
	if (f->lock_fd != -1)
		close(f->lock_fd);
	f->lock_fd = -1;
}

/* Is the lock we hold no longer that of the directory? */
static bool
is_replaced(const struct storefile *f)
{
	char path[STOREFILE_PATH_MAX];
	struct stat ours, there;

	if (f->lock_fd == -1)
		return true;
	if (storefile_path(f, LOCK_FILE, path) != 0 ||
	    fstat(f->lock_fd, &ours) == -1)
		return false;
	if (stat(path, &there) == -1)
		return errno == ENOENT;
	return ours.st_dev != there.st_dev || ours.st_ino != there.st_ino;
}

int
storefile_trouble(const struct storefile *f)
{
	struct statvfs v;

	if (f->directory == NULL)
		return 0;
	if (access(f->directory, W_OK | X_OK) == -1)
		return errno;
	if (is_replaced(f))
		return ESTALE;
	if (statvfs(f->directory, &v) == -1)
		return 0;		/* writing will say what is wrong */
	return (uint64_t)v.f_bavail * v.f_frsize < f->free_min ? ENOSPC : 0;
}
