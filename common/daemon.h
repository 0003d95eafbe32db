#ifndef COMMON_DAEMON_H
#define COMMON_DAEMON_H

#include <stdbool.h>

#include <libmilter/mfapi.h>

#include "control.h"
#include "options.h"

/*
 * daemon - everything between main() and the first callback, and back.
 *
 * The caller fills a struct daemon, puts DAEMON_OPTIONS(d) into its table of
 * options and returns what daemon_main() returns.  Strings are borrowed and
 * must live as long as the process.
 */
struct daemon {
	const char *name;
	struct smfiDesc *filter;
	const struct control_command *commands;	/* ends without name; or NULL */

	/* Called with arg; any may be NULL.  -1 means: it said why. */
	void *arg;

	/* Are the options sensible together?  First of all. */
	int (*options)(void *);

	/*
	 * Read the files the options name.  Called once at first; then, in
	 * another thread, while callbacks run, for each reload, and then a
	 * failure leaves all as it was.  Makes and changes no file.
	 */
	int (*load)(void *);

	/* Have those files changed, so that -autoupdate should load()? */
	bool (*changed)(void *);

	/* For -check, after load(): could start() work?  Changes nothing. */
	int (*check)(void *);

	/* For -why, after load(): decide one case; returns main()'s status. */
	int (*why)(void *, int argc, char **argv);

	/* After load(), as the service user, before any client. */
	int (*start)(void *);

	/* About once a second, never two at a time; load() may be running. */
	void (*tick)(void *);

	/*
	 * Once, when no new session begins; callbacks may still be running,
	 * so it takes the same locks they do.
	 */
	void (*stop)(void *);

	/* The options every milter has; DAEMON_OPTIONS fills them in. */
	const char *control, *pidfile, *user, *tell;
	long socketmode;
	int autoupdate, do_check, do_why, nodaemon, debug, version, help;
};

#define DAEMON_SOCKETMODE	0660	/* the default of socketmode */

/*
 * Parse the command line and do what it says: -help, -version, -tell, -check
 * or -why, else serve until SIGTERM, SIGHUP or SIGINT (libmilter treats these
 * alike).  Returns the exit status for main(): EX_OK, or EX_USAGE, EX_CONFIG,
 * EX_OSERR, EX_UNAVAILABLE or EX_SOFTWARE after a line in the log.  Without
 * -nodaemon the calling process waits and exits here with that status as soon
 * as it is known, which is 0 once the daemon is ready for clients.
 *
 * Reload is SIGUSR1, the control command "reload" or -autoupdate.
 */
int daemon_main(struct daemon *, const struct options_row *, int argc,
    char **argv);

#define DAEMON_AUTOUPDATE_SECONDS	10	/* between two looks */
#define DAEMON_SETTLE_SECONDS		2	/* a file younger is not read */

/* The rows every milter has; d is its struct daemon. */
#define DAEMON_OPTIONS(d)	DAEMON_OPTIONS_AUTOUPDATE(d, 'a')

/* The same where -a has long meant something else. */
#define DAEMON_OPTIONS_AUTOUPDATE(d, letter)				\
	{ "autoupdate", letter, OPTIONS_FLAG, &(d).autoupdate, 0, 0,	\
	    NULL,							\
	    "reload list files that changed, looking every 10 seconds" }, \
	{ "control", 0, OPTIONS_STRING, &(d).control, 0, 0,		\
	    "path", "listen here for commands" },			\
	{ "tell", 0, OPTIONS_STRING, &(d).tell, 0, 0,			\
	    "command", "send a command to the control socket named last" }, \
	{ "check", 0, OPTIONS_FLAG, &(d).do_check, 0, 0, NULL,		\
	    "load everything, say what is wrong, exit 0 or 78" },	\
	{ "why", 0, OPTIONS_FLAG, &(d).do_why, 0, 0, NULL,		\
	    "decide one case, print the verdict and the rule, exit 0 or 1" }, \
	{ "user", 'u', OPTIONS_STRING, &(d).user, 0, 0,			\
	    "user[:group]", "become this user before anything is opened" }, \
	{ "pidfile", 'p', OPTIONS_STRING, &(d).pidfile, 0, 0,		\
	    "file", "write the process id here" },			\
	{ "socketmode", 0, OPTIONS_OCTAL, &(d).socketmode, 0, 0777,	\
	    "octal", "permissions of the sockets" },			\
	{ "nodaemon", 'X', OPTIONS_FLAG, &(d).nodaemon, 0, 0, NULL,	\
	    "stay in the foreground, log to stderr; also -X" },		\
	{ "debug", 'd', OPTIONS_FLAG, &(d).debug, 0, 0, NULL,		\
	    "log more" },						\
	{ "version", 0, OPTIONS_FLAG, &(d).version, 0, 0, NULL,		\
	    "print the version" },					\
	{ "help", 'h', OPTIONS_FLAG, &(d).help, 0, 0, NULL,		\
	    "print this" }

#endif
