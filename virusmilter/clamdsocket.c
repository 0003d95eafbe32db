#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clamdsocket.h"
#include "clock.h"
#include "line.h"
#include "log.h"
#include "worker.h"

#define HOST_MAX	256	/* with NUL; a name in the DNS has 253 */
#define PORT_MAX	6
#define QUEUE_MS	10	/* before the next try when its queue is full;
				 * twice as long each time */

/* --- where it listens */

static int
take_path(struct clamdsocket *s, const char *path)
{
	struct sockaddr_un sun;

	if (line_address(&sun, path) == -1) {
		log_errno("%s", s->text);
		return -1;
	}
	memcpy(&s->address[0].sa, &sun, sizeof sun);
	s->address[0].size = sizeof sun;
	s->count = 1;
	return 0;
}

static bool
is_port(const char *text)
{
	size_t size = strlen(text);
	unsigned long n = strtoul(text, NULL, 10);

	return size > 0 && size < PORT_MAX &&
	    strspn(text, "0123456789") == size && n > 0 && n <= 65535;
}

/* Where host and port stand; a host in brackets loses them.  -1: nowhere. */
static int
split(const char *text, char host[HOST_MAX], char port[PORT_MAX])
{
	const char *begin = text, *end = strrchr(text, ':'), *digits;
	size_t size, digits_size;

	if (strncmp(text, "inet:", 5) == 0) {
		digits = text + 5;
		if ((begin = strchr(digits, '@')) == NULL)
			return -1;
		digits_size = (size_t)(begin++ - digits);
		end = begin + strlen(begin);
	} else {
		if (end == NULL)
			return -1;
		digits = end + 1;
		digits_size = strlen(digits);
	}
	size = (size_t)(end - begin);
	if (size >= 2 && begin[0] == '[' && begin[size - 1] == ']') {
		begin++;
		size -= 2;
	} else if (begin == text && memchr(begin, ':', size) != NULL)
		return -1;	/* which of these is before the port? */
	if (size == 0 || size >= HOST_MAX || digits_size >= PORT_MAX)
		return -1;
	snprintf(host, HOST_MAX, "%.*s", (int)size, begin);
	snprintf(port, PORT_MAX, "%.*s", (int)digits_size, digits);
	return is_port(port) ? 0 : -1;
}

static int
find_host(struct clamdsocket *s, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV }, *found;
	int error = getaddrinfo(host, port, &hints, &found);

	if (error != 0) {
		log_error("%s: %s", s->text, gai_strerror(error));
		return -1;
	}
	for (struct addrinfo *a = found; a != NULL &&
	    s->count < CLAMDSOCKET_ADDRESSES; a = a->ai_next) {
		memcpy(&s->address[s->count].sa, a->ai_addr, a->ai_addrlen);
		s->address[s->count++].size = a->ai_addrlen;
	}
	freeaddrinfo(found);
	return 0;
}

int
clamdsocket_parse(struct clamdsocket *s, const char *text)
{
	char host[HOST_MAX], port[PORT_MAX];

	*s = (struct clamdsocket){ .text = text };
	if (text[0] == '/')
		return take_path(s, text);
	if (strncmp(text, "unix:/", 6) == 0)
		return take_path(s, text + 5);
	/* A host can have any other name. */
	if (strncmp(text, "unix:", 5) != 0 && split(text, host, port) == 0)
		return find_host(s, host, port);
	log_error("%s: not a socket, as /path, host:port or [address]:port",
	    text);
	return -1;
}

/* --- waiting */

static long
earlier(long a, long b)
{
	return a < b ? a : b;
}

void
clamdwait_begin(struct clamdwait *w)
{
	*w = (struct clamdwait){ .patience_ms = WORKER_PATIENCE_MS };
}

void
clamdwait_have_called(struct clamdwait *w, void (*call)(void *), void *arg)
{
	w->call = call;
	w->arg = arg;
	w->call_ms = clock_ms() + CLAMDWAIT_CALL_MS;
}

/* As poll(2) has it; one call of it ends earlier than a day. */
static int
milliseconds(long ms)
{
	return ms < 0 ? 0 : (int)earlier(ms, 86400000);
}

/* Who waits has another take its place, and again, but ever less often. */
short
clamdwait_for(struct clamdwait *w, int fd, short events, long until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	long replace_ms = clock_ms() + w->patience_ms;

	for (;;) {
		long now, next = earlier(until_ms, replace_ms);
		int n;

		if (w->call != NULL)
			next = earlier(next, w->call_ms);
		n = poll(&p, 1, milliseconds(next - clock_ms()));
		if (n > 0)
			return p.revents;
		if (n == -1 && errno != EINTR)
			return 0;
		now = clock_ms();
		if (w->call != NULL && now >= w->call_ms) {
			w->call(w->arg);
			w->call_ms = now + CLAMDWAIT_CALL_MS;
		}
		if (now >= replace_ms) {
			worker_replace();
			w->patience_ms *= 2;
			replace_ms = clock_ms() + w->patience_ms;
		}
		if (now >= until_ms)
			return 0;
	}
}

/* --- a connection */

static int
new_socket(int family)
{
	const int yes = 1;
	int fd = socket(family, SOCK_STREAM, 0), flags;

	if (fd == -1)
		return -1;
	if ((flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		close(fd);
		return -1;
	}
	/* Or the end of a message would wait for an acknowledgement. */
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	return fd;
}

/* One that is on its way: 0, or -1 with errno. */
static int
await_connection(int fd, struct clamdwait *w, long until_ms)
{
	int error = ETIMEDOUT;
	socklen_t size = sizeof error;

	if (clamdwait_for(w, fd, POLLOUT, until_ms) != 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		error = errno;
	errno = error;
	return error == 0 ? 0 : -1;
}

/* A local one whose queue is full says so at once and must be asked again. */
static int
connect_socket(int fd, const struct clamdsocket_address *a, struct clamdwait *w,
    long until_ms)
{
	long pause_ms = QUEUE_MS;

	while (connect(fd, (const struct sockaddr *)&a->sa, a->size) == -1) {
		if (errno == EINPROGRESS || errno == EINTR)
			return await_connection(fd, w, until_ms);
		if (errno != EAGAIN || clock_ms() >= until_ms)
			return -1;
		clamdwait_for(w, -1, 0, earlier(clock_ms() + pause_ms,
		    until_ms));
		pause_ms *= 2;
	}
	return 0;
}

/* Each address has its share of the time. */
int
clamdsocket_connect(const struct clamdsocket *s, struct clamdwait *w,
    long until_ms)
{
	for (int i = 0; i < s->count; i++) {
		const struct clamdsocket_address *a = &s->address[i];
		long now = clock_ms();
		int fd = new_socket(a->sa.ss_family), saved;

		if (fd == -1)
			return -1;
		if (connect_socket(fd, a, w,
		    now + (until_ms - now) / (s->count - i)) == 0)
			return fd;
		saved = errno;
		close(fd);
		errno = saved;
	}
	return -1;
}

/* size bytes of it have been sent. */
static void
advance(struct msghdr *m, size_t size)
{
	while (m->msg_iovlen > 0 && size >= m->msg_iov->iov_len) {
		size -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen > 0) {
		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + size;
		m->msg_iov->iov_len -= size;
	}
}

/* Nothing more fits. */
static int
await_room(int fd, struct clamdwait *w, long until_ms)
{
	if (clock_ms() >= until_ms) {
		errno = ETIMEDOUT;
		return -1;
	}
	/* There may be some without POLLOUT, so it is tried even at the end. */
	if (clamdwait_for(w, fd, POLLIN | POLLOUT, until_ms) & POLLIN) {
		errno = EPIPE;
		return -1;
	}
	return 0;
}

int
clamdsocket_send(int fd, struct iovec *io, int count, struct clamdwait *w,
    long stall_ms, long until_ms)
{
	struct msghdr m = { .msg_iov = io, .msg_iovlen = (size_t)count };
	long stalled_ms = clock_ms() + stall_ms;

	while (m.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);

		if (n >= 0) {
			advance(&m, (size_t)n);
			stalled_ms = clock_ms() + stall_ms;
		} else if (errno == EAGAIN) {
			if (await_room(fd, w, earlier(stalled_ms,
			    until_ms)) == -1)
				return -1;
		} else if (errno != EINTR)
			return -1;
	}
	return 0;
}

ssize_t
clamdsocket_receive(int fd, void *bytes, size_t size, struct clamdwait *w,
    long until_ms)
{
	for (;;) {
		ssize_t n = recv(fd, bytes, size, 0);

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (clock_ms() >= until_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		clamdwait_for(w, fd, POLLIN, until_ms);
	}
}
