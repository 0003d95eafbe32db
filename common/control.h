#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include <sys/types.h>

/*
 * control - talk to a running daemon: one command a line.
 *
 * The answer is any number of data lines and then a last line, "ok" or "error
 * TEXT"; no data line looks like either.  Several commands may follow one
 * another on a connection.  The socket's mode is all there is of access
 * control: who can connect can do everything.
 */
#define CONTROL_LINE_MAX	1000	/* bytes of a command */
#define CONTROL_ARGS_MAX	8	/* its words, the name included */
#define CONTROL_ERROR_MAX	200	/* bytes of TEXT */
#define CONTROL_CLIENTS_MAX	32	/* more are told to come back */
#define CONTROL_IDLE_SECONDS	30	/* without a command, or not reading */
#define CONTROL_KEPT_MAX	4	/* connections that stay, see below */

/* What a command has to say. */
struct control_answer {
	FILE *out;			/* data lines go here */
	char error[CONTROL_ERROR_MAX];	/* set when run() returns -1 */
};

/* Fill in the error text; returns -1, for run() to return. */
int control_error(struct control_answer *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A command.  Words are separated by blanks; the last of max words takes the
 * rest of the line.  run() is called by one thread per client and returns 0
 * or -1.  The words are the client's, any bytes but NUL and LF.
 */
struct control_command {
	const char *name;
	const char *words;		/* for help: "ADDRESS [LIST]" */
	int min, max;			/* words after the name */
	int (*run)(struct control_answer *, int argc, char **argv, void *arg);
	const char *help;		/* one line */
};

/*
 * Is there somebody who answers at this path?  libmilter and bind(2) would
 * take the name away from a daemon that is alive.
 */
bool control_answers(const char *path);

/*
 * Before control_open(): these commands, too, with arg for their run().  The
 * table ends with a row without name and must stay.
 */
void control_add(const struct control_command *table, void *arg);

/*
 * Listen at path with this mode (000 until it is set), and serve the
 * commands, and "help", from a thread.  path must stay.  Returns 0, or -1
 * after a line in the log.  A socket nobody answers on is replaced; any other
 * file is left alone.
 */
int control_open(const char *path, mode_t mode);

/*
 * Remove the socket and hang up on the clients, lest one that does not read
 * keeps us from ending; what a command has begun it still does.
 */
void control_close(void);

/*
 * Be the client: send one command and copy the data lines to out (NULL: drop
 * them).  Returns 0 on "ok"; -1 with the reason in error on anything else:
 * "error TEXT", and errno 0, or nobody there, or no answer after deadline_ms.
 * Never blocks longer than that.  A command with an LF in it is refused, not
 * sent.
 */
int control_ask(const char *path, const char *command, int deadline_ms,
    FILE *out, char error[CONTROL_ERROR_MAX]);

/*
 * The same, without data lines, for one who asks with every message: where all
 * went well the connection stays, and the next command is sent over it.  One
 * that the server ended meanwhile is replaced; so a command may be run twice
 * if the server ends while it answers.  Any thread; each has a connection of
 * its own, and only CONTROL_KEPT_MAX stay.
 */
struct control_kept {
	const char *path;
	pthread_mutex_t lock;		/* guards the rest */
	int idle[CONTROL_KEPT_MAX];	/* descriptors */
	int count;
};

int control_ask_kept(struct control_kept *, const char *command,
    int deadline_ms, char error[CONTROL_ERROR_MAX]);

/*
 * control_ask() with all commands that the descriptor in has, one a line, over
 * one connection; empty lines and those that begin with # are passed over.
 * Many are sent before the first is answered, so one must not depend on what
 * became of another.  What is wrong with a line is logged with its number, and
 * the others go on.  in may be slow: a server that hangs up on one who is
 * silent is called again.  Returns 0 when all were "ok"; -1 when one was not,
 * or after a line in the log when an answer did not come for deadline_ms, or
 * the connection ended: then nobody knows about those behind it.
 */
int control_ask_all(const char *path, int in, int deadline_ms, FILE *out);

#endif
