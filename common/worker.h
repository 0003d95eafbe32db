#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

/*
 * worker - libmilter's threads, and those who keep one waiting.
 *
 * libmilter gives each command that comes in to a thread that it counts as
 * idle, and a burst of commands to that one thread, for it is counted until it
 * runs; only what comes in when none is idle gets a new thread.  So when those
 * few wait, for a name server say, all who came with them wait behind them,
 * although there could be a thread for each.  A new thread takes what waits
 * there, and a new connection makes one: so we connect to ourselves.
 */
#define WORKER_PATIENCE_MS	50	/* a wait that is not worth a thread */

/*
 * Before there are threads: where we listen, as libmilter has it
 * ("unix:/path", "inet:port@host").  A name is looked up here, once.
 */
void worker_open(const char *socket);

/*
 * The thread that calls this has waited and will go on: have another take its
 * place.  Never waits.  It may fail, and libmilter may again count a thread as
 * idle that is not; so do it again after twice as long.  Does nothing before
 * worker_open().  Any thread.
 *
 * Threads that are made and have not begun to run are not counted as idle, and
 * those who wait ask again: on a machine that is far too slow there are several
 * for each that waits.
 */
void worker_replace(void);

#endif
