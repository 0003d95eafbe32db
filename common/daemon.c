#ifdef __linux__
#define _GNU_SOURCE		/* pthread_setattr_default_np() */
#endif

#include <sys/types.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "daemon.h"
#include "log.h"
#include "stats.h"
#include "worker.h"

#ifndef VERSION
#define VERSION		"unknown"
#endif

#define TELL_DEADLINE_MS	60000
#ifndef STACK_SIZE
#define STACK_SIZE		(256 * 1024)	/* of a thread */
#endif
#define LOAD_NICE	19	/* how far a reload gives way; see nice(1) */
#define MMAP_THRESHOLD		(1 << 20)	/* bytes; see tune_memory() */

/*
 * sendmail takes a refused connection for a filter that is down, and a burst
 * must not look like that.
 */
#define BACKLOG			1024

/*
 * Bytes of what the MTA says at a time.  What is larger makes libmilter hang
 * up, and its own limit of 64 kB is less than the largest header field of
 * Postfix (header_size_limit, 100 kB), whose mail would be put off for ever.
 */
#define COMMAND_MAX		((1 << 20) + 65536)

/* One reload at a time, whoever asks for it. */
static pthread_mutex_t reload_lock = PTHREAD_MUTEX_INITIALIZER;

static int pidfile = -1;	/* the descriptor that holds its lock */
static struct stat socket_file;	/* what we made at the socket's path */

static struct stats_counter counters[] = {
	{ "reloads_total", NULL, "Reloads that worked.", 0 },
	{ "reload_failed_total", NULL,
	    "Reloads that failed; what was loaded before stays in use.", 0 },
};

/* The path in a unix: socket name, or NULL when it is not one. */
static const char *
socket_path(const char *socket)
{
	if (strncmp(socket, "unix:", 5) == 0)
		return socket + 5;
	if (strncmp(socket, "local:", 6) == 0)
		return socket + 6;
	return socket[0] == '/' ? socket : NULL;
}

static bool
is_changed(const struct daemon *d)
{
	bool changed;

	pthread_mutex_lock(&reload_lock);
	changed = d->changed != NULL && d->changed(d->arg);
	pthread_mutex_unlock(&reload_lock);
	return changed;
}

struct loading {
	const struct daemon *daemon;
	int loaded;
};

/*
 * In a thread of its own, which gives way to those that answer clients: a
 * thread that made itself nicer cannot take it back.  Elsewhere than on Linux
 * the priority is the whole process's.
 */
static void *
load_thread(void *arg)
{
	struct loading *l = arg;

#ifdef __linux__
	setpriority(PRIO_PROCESS, 0, LOAD_NICE);
#endif
	l->loaded = l->daemon->load(l->daemon->arg);
	return NULL;
}

static int
reload(const struct daemon *d)
{
	struct loading l = { .daemon = d };
	pthread_t thread;

	pthread_mutex_lock(&reload_lock);
	if (d->load == NULL)
		l.loaded = 0;
	else if (pthread_create(&thread, NULL, load_thread, &l) == 0)
		pthread_join(thread, NULL);
	else
		l.loaded = d->load(d->arg);
	pthread_mutex_unlock(&reload_lock);
	stats_count(&counters[l.loaded == 0 ? 0 : 1]);
	return l.loaded;
}

static int
command_reload(struct control_answer *answer, int argc, char **argv, void *arg)
{
	(void)argc;
	(void)argv;
	if (reload(arg) == -1)
		return control_error(answer,
		    "reload failed, see the log; the old lists stay");
	return 0;
}

static int
command_stats(struct control_answer *answer, int argc, char **argv, void *arg)
{
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	(void)argc;
	(void)argv;
	(void)arg;
	if (memory == NULL)
		return control_error(answer, "out of memory");
	/* Locks are held while it prints, and the client may be slow. */
	stats_print(memory);
	if (fclose(memory) == EOF) {
		free(text);
		return control_error(answer, "out of memory");
	}
	fwrite(text, 1, size, answer->out);
	free(text);
	return 0;
}

static const struct control_command commands[] = {
	{ "reload", "", 0, 0, command_reload, "read the list files again" },
	{ "stats", "", 0, 0, command_stats,
	    "all counters, in the Prometheus text format" },
	{ .name = NULL }
};

/*
 * A file that was just made a socket is another daemon's, one that is no
 * socket is somebody's data.
 */
static int
check_path(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return EX_OK;		/* opening it will say what is wrong */
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s is in the way and not a socket", path);
		return EX_CONFIG;
	}
	if (control_answers(path)) {
		log_error("%s is in use by a running daemon", path);
		return EX_UNAVAILABLE;
	}
	return EX_OK;
}

/*
 * libmilter takes any number and any service name for a port, port 0 among
 * them, and says it is ready.
 */
static int
check_port(const char *socket)
{
	const char *port = strncmp(socket, "inet6:", 6) == 0 ? socket + 6 :
	    strncmp(socket, "inet:", 5) == 0 ? socket + 5 : NULL;
	char *end;
	long n;

	if (port == NULL)
		return EX_OK;
	n = strtol(port, &end, 10);
	if (port[0] >= '0' && port[0] <= '9' && n >= 1 && n <= 65535 &&
	    (*end == '\0' || *end == '@'))
		return EX_OK;
	log_error("%s: a port is a number from 1 to 65535", socket);
	return EX_CONFIG;
}

static int
check_sockets(const struct daemon *d, const char *socket)
{
	const char *path = socket_path(socket);
	int status = check_port(socket);

	if (status == EX_OK && path != NULL)
		status = check_path(path);
	if (status == EX_OK && d->control != NULL)
		status = check_path(d->control);
	if (status == EX_OK && path != NULL && d->control != NULL &&
	    strcmp(path, d->control) == 0) {
		log_error("%s cannot be both sockets", path);
		status = EX_CONFIG;
	}
	return status;
}

/* Done as the service user: it owns the directory, so it can clean up too. */
static int
open_socket(const struct daemon *d, const char *socket)
{
	const char *path = socket_path(socket);
	mode_t old;
	int opened;

	if (smfi_register(*d->filter) != MI_SUCCESS ||
	    smfi_setconn((char *)socket) != MI_SUCCESS ||
	    smfi_setbacklog(BACKLOG) != MI_SUCCESS) {
		log_error("libmilter refuses socket %s", socket);
		return EX_CONFIG;
	}
	smfi_setmaxdatasize(COMMAND_MAX);
	old = umask(0777);		/* nobody can connect before chmod */
	opened = smfi_opensocket(true);
	umask(old);
	if (opened != MI_SUCCESS) {
		log_error("cannot listen on %s", socket);
		return EX_CONFIG;
	}
	if (path != NULL && chmod(path, (mode_t)d->socketmode) == -1) {
		log_errno("chmod %s", path);
		return EX_OSERR;
	}
	if (path != NULL && lstat(path, &socket_file) == -1)
		socket_file.st_ino = 0;
	return EX_OK;
}

/* libmilter leaves the file when it runs as root.  It may be another's now. */
static void
remove_socket(const char *path)
{
	struct stat st;

	if (path != NULL && lstat(path, &st) == 0 &&
	    st.st_ino == socket_file.st_ino && st.st_dev == socket_file.st_dev)
		unlink(path);
}

/* Not the largest: to setuid(2) and setgid(2) that means none. */
static bool
parse_id(const char *text, unsigned long *id)
{
	char *end;

	errno = 0;
	*id = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
	    errno == 0 && *id < (uid_t)-1;
}

/* "user", "user:group", or numbers for either.  NULL: no such user or group. */
static const struct passwd *
find_user(const char *spec, gid_t *gid)
{
	const char *colon = strchr(spec, ':');
	char name[64];
	unsigned long id;
	struct passwd *pw;
	struct group *gr;

	snprintf(name, sizeof name, "%.*s",
	    colon != NULL ? (int)(colon - spec) : (int)strlen(spec), spec);
	if ((pw = getpwnam(name)) == NULL && (!parse_id(name, &id) ||
	    (pw = getpwuid((uid_t)id)) == NULL))
		return NULL;
	*gid = pw->pw_gid;
	if (colon == NULL)
		return pw;
	if ((gr = getgrnam(colon + 1)) != NULL) {
		*gid = gr->gr_gid;
		return pw;
	}
	if (!parse_id(colon + 1, &id))
		return NULL;
	*gid = (gid_t)id;
	return pw;
}

static int
become(const struct daemon *d)
{
	const struct passwd *pw;
	gid_t gid;

	if (d->user == NULL)
		return EX_OK;
	if ((pw = find_user(d->user, &gid)) == NULL) {
		log_error("no such user or group: %s", d->user);
		return EX_CONFIG;
	}
	if (geteuid() != 0) {
		if (geteuid() == pw->pw_uid && getegid() == gid)
			return EX_OK;
		log_error("-user %s: only root can become another user",
		    d->user);
		return EX_CONFIG;
	}
	if (initgroups(pw->pw_name, gid) == -1 || setgid(gid) == -1 ||
	    setuid(pw->pw_uid) == -1 || (pw->pw_uid != 0 && setuid(0) != -1)) {
		log_errno("cannot become %s", d->user);
		return EX_OSERR;
	}
	return EX_OK;
}

/*
 * Made by root and left behind: a file the service user could replace would
 * let it name any process for root to kill.  The lock, held as long as the
 * process lives, keeps two daemons that start at once from sharing it.
 */
static int
open_pidfile(const char *path)
{
	if (path == NULL)
		return EX_OK;
	pidfile = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (pidfile == -1) {
		log_errno("pid file %s", path);
		return EX_CONFIG;
	}
	if (flock(pidfile, LOCK_EX | LOCK_NB) == 0)
		return EX_OK;
	log_error("pid file %s is held by a running daemon", path);
	close(pidfile);
	pidfile = -1;
	return EX_UNAVAILABLE;
}

/* pid 0 empties the file: nobody is to be killed for having our old number. */
static void
write_pidfile(const char *path, pid_t pid)
{
	char text[32] = "";
	int n = 0;

	if (pidfile == -1)
		return;
	if (pid != 0)
		n = snprintf(text, sizeof text, "%ld\n", (long)pid);
	if (ftruncate(pidfile, 0) == -1 ||
	    pwrite(pidfile, text, (size_t)n, 0) != n)
		log_errno("pid file %s", path);
}

/* Fork; the parent waits for one byte from the child and exits with it. */
static int
detach(int *ready)
{
	unsigned char status = EX_SOFTWARE;
	int p[2], null;

	if (pipe(p) == -1)
		return -1;
	switch (fork()) {
	case -1:
		return -1;
	case 0:
		break;
	default:
		close(p[1]);
		if (read(p[0], &status, 1) != 1)
			status = EX_SOFTWARE;
		_exit(status);
	}
	close(p[0]);
	setsid();
	/* No chdir("/"): a relative path must mean the same at every reload. */
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	fcntl(p[1], F_SETFD, FD_CLOEXEC);
	*ready = p[1];
	return 0;
}

/*
 * Block what libmilter and the timer thread wait for.  This comes before any
 * thread exists: a thread that left SIGTERM unblocked would be the one to
 * get it, and its default is to end the process on the spot.
 */
static void
block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Reloads and ticks.  The only thread that waits for SIGUSR1. */
static void *
timer_thread(void *arg)
{
	const struct daemon *d = arg;
	const struct timespec second = { .tv_sec = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (unsigned seconds = 0;; ) {
		if (sigtimedwait(&set, NULL, &second) == SIGUSR1) {
			reload(d);
			continue;
		}
		if (d->tick != NULL)
			d->tick(d->arg);
		if (d->autoupdate &&
		    ++seconds % DAEMON_AUTOUPDATE_SECONDS == 0 &&
		    is_changed(d))
			reload(d);
	}
	return NULL;
}

static int
start_timer(const struct daemon *d)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, timer_thread, (void *)d) != 0 ||
	    pthread_detach(thread) != 0) {
		log_error("cannot start the timer thread");
		return EX_OSERR;
	}
	return EX_OK;
}

/* libmilter spins on accept() once descriptors run out; allow all we may. */
static void
raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/*
 * A thousand sessions need neither a heap for each thread nor 8 MB of stack,
 * and a list that was replaced is to go back to the system.
 */
static void
tune_memory(void)
{
#ifdef __GLIBC__
	pthread_attr_t attr;

	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, MMAP_THRESHOLD);
	if (pthread_attr_init(&attr) == 0) {
		if (pthread_attr_setstacksize(&attr, STACK_SIZE) == 0)
			pthread_setattr_default_np(&attr);
		pthread_attr_destroy(&attr);
	}
#endif
}

static int
open_control(const struct daemon *d)
{
	if (d->control == NULL)
		return EX_OK;
	control_add(commands, (void *)d);
	if (d->commands != NULL)
		control_add(d->commands, d->arg);
	return control_open(d->control, (mode_t)d->socketmode) == 0 ?
	    EX_OK : EX_CONFIG;
}

/* The sockets and the timer; none of them stays when one fails. */
static int
open_all(const struct daemon *d, const char *socket)
{
	const char *path = socket_path(socket);
	int status;

	if ((status = open_control(d)) != EX_OK)
		return status;
	if ((status = open_socket(d, socket)) == EX_OK) {
		worker_open(socket);
		if ((status = start_timer(d)) == EX_OK)
			return EX_OK;
		remove_socket(path);
	}
	control_close();
	return status;
}

/* Everything that can fail before the first client.  Returns an exit code. */
static int
prepare(const struct daemon *d, const char *socket)
{
	int status;

	block_signals();
	raise_limits();
	tune_memory();
	if ((status = check_sockets(d, socket)) != EX_OK ||
	    (status = open_pidfile(d->pidfile)) != EX_OK ||
	    (status = become(d)) != EX_OK)
		return status;
	if ((d->load != NULL && d->load(d->arg) == -1) ||
	    (d->start != NULL && d->start(d->arg) == -1))
		return EX_CONFIG;
	if ((status = open_all(d, socket)) != EX_OK && d->stop != NULL)
		d->stop(d->arg);
	return status;
}

static int
serve(const struct daemon *d, const char *socket)
{
	unsigned char status;
	int ready = -1;

	if (!d->nodaemon && detach(&ready) == -1) {
		log_errno("cannot go into the background");
		return EX_OSERR;
	}
	status = (unsigned char)prepare(d, socket);
	write_pidfile(d->pidfile, status == EX_OK ? getpid() : 0);
	if (ready != -1) {
		if (status == EX_OK)
			log_to_syslog();
		if (write(ready, &status, 1) != 1)
			status = EX_SOFTWARE;
		close(ready);
		dup2(STDOUT_FILENO, STDERR_FILENO);
	}
	if (status != EX_OK)
		return status;
	log_info("version %s ready on %s", VERSION, socket);
	if (geteuid() == 0)
		log_warning("running as root; give -user");
	if (smfi_main() != MI_SUCCESS) {
		log_error("libmilter gave up; what it said is in syslog");
		status = EX_SOFTWARE;
	}
	remove_socket(socket_path(socket));
	control_close();
	if (d->stop != NULL)
		d->stop(d->arg);
	write_pidfile(d->pidfile, 0);
	log_info("stopped");
	return status;
}

static int
tell(const struct daemon *d, const char *path)
{
	char error[CONTROL_ERROR_MAX];
	int told;

	if (strcmp(d->tell, "-") == 0)
		told = control_ask_all(path, STDIN_FILENO, TELL_DEADLINE_MS,
		    stdout);
	else if ((told = control_ask(path, d->tell, TELL_DEADLINE_MS, stdout,
	    error)) == -1)
		log_error("%s", error);
	return fflush(stdout) == 0 && told == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* As the service user, who must be able to read what is read. */
static int
check(const struct daemon *d)
{
	int status = become(d);

	if (status != EX_OK)
		return status;
	if ((d->load != NULL && d->load(d->arg) == -1) ||
	    (d->check != NULL && d->check(d->arg) == -1))
		return EX_CONFIG;
	return EX_OK;
}

static int
one_operand(int argc, char **argv, const char *what)
{
	if (argc == 1)
		return 0;
	log_error("%s: %s (see -help)", argc == 0 ? "missing" :
	    "more than was expected", argc == 0 ? what : argv[1]);
	return -1;
}

int
daemon_main(struct daemon *d, const struct options_row *table, int argc,
    char **argv)
{
	int first;

	log_name(d->name);
	stats_name(d->name);
	stats_add(counters, sizeof counters / sizeof counters[0]);
	client_add_stats();
	first = options_parse(table, argc, argv);
	if (d->debug)
		log_verbose();
	argc -= first;
	argv += first;
	if (d->help) {
		options_help(table, d->name);
		return EX_OK;
	}
	if (d->version) {
		printf("%s %s\n", d->name, VERSION);
		return EX_OK;
	}
	if (d->tell != NULL)
		return one_operand(argc, argv, "control socket") == -1 ?
		    EX_USAGE : tell(d, argv[0]);
	if (d->options != NULL && d->options(d->arg) == -1)
		return EX_USAGE;
	if (d->do_check)
		return check(d);
	if (d->do_why && d->why == NULL) {
		log_error("-why: there is nothing to decide");
		return EX_USAGE;
	}
	if (d->do_why)
		return d->load != NULL && d->load(d->arg) == -1 ? EX_CONFIG :
		    d->why(d->arg, argc, argv);
	if (one_operand(argc, argv, "socket") == -1)
		return EX_USAGE;
	return serve(d, argv[0]);
}
