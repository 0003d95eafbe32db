#ifndef VIRUSMILTER_CLAMDSOCKET_H
#define VIRUSMILTER_CLAMDSOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <stddef.h>

/*
 * clamdsocket - where a clamd(8) listens, a connection to it, and waiting that
 * is over at some time, which is always one of clock_ms().
 *
 * Nothing here logs but clamdsocket_parse(), and all but that is for any
 * thread.
 */
#define CLAMDSOCKET_ADDRESSES	4	/* of one name; more are not tried */

struct clamdsocket {
	const char *text;		/* as it was given */
	int count;
	struct clamdsocket_address {
		struct sockaddr_storage sa;
		socklen_t size;
	} address[CLAMDSOCKET_ADDRESSES];
};

/*
 * Read "/path", "unix:/path", "inet:port@host", "host:port" or
 * "[address]:port"; a name is looked up.  The text must stay.  0, or -1 after a
 * line in the log that says what is wrong.
 */
int clamdsocket_parse(struct clamdsocket *, const char *text);

/* --- waiting */

/* Somebody who waits, now and again; one thread's. */
struct clamdwait {
	long patience_ms;		/* see worker_replace() */
	void (*call)(void *);		/* once a second, or NULL */
	void *arg;
	long call_ms;			/* when next */
};

#define CLAMDWAIT_CALL_MS	1000

void clamdwait_begin(struct clamdwait *);

/* From now on call this once a second; NULL: nobody. */
void clamdwait_have_called(struct clamdwait *, void (*call)(void *), void *arg);

/*
 * Until one of the events of poll(2) happens, or until_ms.  Returns what
 * happened, 0 for nothing.  With a descriptor of -1 nothing can.
 */
short clamdwait_for(struct clamdwait *, int fd, short events, long until_ms);

/* --- a connection; none of these blocks but by clamdwait_for() */

/* A socket that does not block, or -1 with errno. */
int clamdsocket_connect(const struct clamdsocket *, struct clamdwait *,
    long until_ms);

/*
 * Send all of it.  0, or -1 with errno: ETIMEDOUT when for stall_ms not a byte
 * could be sent, or it is until_ms; EPIPE when nobody reads any more, or when
 * something can be read before all was sent.  What io points to is changed.
 */
int clamdsocket_send(int fd, struct iovec *io, int count, struct clamdwait *,
    long stall_ms, long until_ms);

/* As recv(2), with an errno of ETIMEDOUT when until_ms comes first. */
ssize_t clamdsocket_receive(int fd, void *bytes, size_t size,
    struct clamdwait *, long until_ms);

#endif
