#include <sys/time.h>

#include <netinet/in.h>

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"
#include "worker.h"

struct channel {
	ares_channel ares;
	int64_t patience_us;		/* see worker_replace() */
};

/* A question on its way; when done, how it went. */
struct question {
	const char *name;
	enum dns_type type;
	bool done;
	int status;			/* of c-ares */
	int silent;
	bool spoke;
	const struct dns_answer *answer;
};

/*
 * Everything is set here, even to what it would be: for what is not, c-ares
 * would read resolv.conf and the environment, for each channel.  NOCHECKRESP,
 * or a server that says SERVFAIL could not be told from one that is not there.
 */
static int
init_ares(ares_channel *ares, int timeout_ms)
{
	static char dns_only[] = "b";
	struct in_addr nobody = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
		    ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP,
		.timeout = timeout_ms,
		.tries = CHANNEL_TRIES,
		.ndots = 1,
		.servers = &nobody,
		.nservers = 1,
		.lookups = dns_only,
		.ednspsz = CHANNEL_EDNS_SIZE,
	};

	return ares_init_options(ares, &options, ARES_OPT_FLAGS |
	    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
	    ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
	    ARES_OPT_SORTLIST | ARES_OPT_NOROTATE | ARES_OPT_EDNSPSZ);
}

struct channel *
channel_new(int timeout_ms)
{
	struct channel *c = calloc(1, sizeof *c);

	if (c != NULL)
		c->patience_us = WORKER_PATIENCE_MS * INT64_C(1000);
	if (c != NULL && init_ares(&c->ares, timeout_ms) != ARES_SUCCESS) {
		free(c);
		c = NULL;
	}
	return c;
}

void
channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	ares_destroy(c->ares);
	free(c);
}

static void
fill_node(struct ares_addr_port_node *node, const struct nameserver *s)
{
	node->udp_port = node->tcp_port = s->port;
	if (addr_is_ipv4(&s->addr)) {
		node->family = AF_INET;
		memcpy(&node->addr.addr4, s->addr.byte + 12, 4);
	} else {
		node->family = AF_INET6;
		memcpy(&node->addr.addr6, s->addr.byte, 16);
	}
}

/* Those from the place first on. */
static int
set_servers(struct channel *c, const struct nameservers *servers,
    const struct nameserver_order *order, int first)
{
	struct ares_addr_port_node node[NAMESERVERS_MAX];

	memset(node, 0, sizeof node);
	for (int i = first; i < order->count; i++) {
		fill_node(&node[i], &servers->server[order->place[i]]);
		if (i > first)
			node[i - 1].next = &node[i];
	}
	return ares_set_servers_ports(c->ares, &node[first]);
}

/* --- a question */

/* For c-ares: the question is over. */
static void
finish(void *arg, int status, int timeouts, unsigned char *packet, int size)
{
	struct question *q = arg;

	q->done = true;
	q->status = status;
	q->silent = timeouts;
	q->spoke = packet != NULL;
	if (packet != NULL)
		q->answer = dns_parse(packet, (size_t)size, q->name, q->type);
	else if (status == ARES_ENOTFOUND || status == ARES_EBADNAME)
		/* c-ares knows without asking, of ".onion" (RFC 7686). */
		q->answer = dns_answer_none(DNS_NO_NAME, 0);
	else
		q->answer = dns_answer_none(DNS_TROUBLE, 0);
}

static int
sockets_of(ares_channel ares, struct pollfd *fd)
{
	ares_socket_t socket[ARES_GETSOCK_MAXNUM];
	unsigned bits = (unsigned)ares_getsock(ares, socket,
	    ARES_GETSOCK_MAXNUM);
	int count;

	for (count = 0; count < ARES_GETSOCK_MAXNUM; count++) {
		short events = 0;

		if (ARES_GETSOCK_READABLE(bits, (unsigned)count))
			events |= POLLIN;
		if (ARES_GETSOCK_WRITABLE(bits, (unsigned)count))
			events |= POLLOUT;
		if (events == 0)
			break;
		fd[count] = (struct pollfd){ .fd = socket[count],
		    .events = events };
	}
	return count;
}

/* Milliseconds, rounded up, or the last one would be spent in circles. */
static int
patience(ares_channel ares, int64_t left_us)
{
	struct timeval most = { .tv_sec = left_us / 1000000,
	    .tv_usec = left_us % 1000000 }, buffer, *t;

	t = ares_timeout(ares, &most, &buffer);
	return (int)(t->tv_sec * 1000 + (t->tv_usec + 999) / 1000);
}

/* Wait once, for left_us at most.  -1: there is nothing to wait for. */
static int
step(ares_channel ares, int64_t left_us)
{
	struct pollfd fd[ARES_GETSOCK_MAXNUM];
	int count = sockets_of(ares, fd), n;

	if (count == 0)
		return -1;
	n = poll(fd, (nfds_t)count, patience(ares, left_us));
	if (n == -1)
		return errno == EINTR ? 0 : -1;
	if (n == 0)
		ares_process_fd(ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (int i = 0; i < count; i++) {
		short what = fd[i].revents;

		if (what & POLLNVAL)
			return -1;
		/* A fault is seen by whoever reads or writes. */
		if (what != 0)
			ares_process_fd(ares,
			    what & ~POLLOUT ? fd[i].fd : ARES_SOCKET_BAD,
			    what & ~POLLIN ? fd[i].fd : ARES_SOCKET_BAD);
	}
	return 0;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Who waits has another take its place, and again, but ever less often. */
static void
send_and_wait(struct channel *c, struct question *q, int64_t deadline_us)
{
	int64_t now = clock_us(), replace_us = now + c->patience_us;

	ares_query(c->ares, q->name, 1 /* IN */, (int)q->type, finish, q);
	while (!q->done && now < deadline_us &&
	    step(c->ares, earlier(deadline_us, replace_us) - now) == 0) {
		now = clock_us();
		if (q->done || now < replace_us)
			continue;
		worker_replace();
		c->patience_us *= 2;
		replace_us = now + c->patience_us;
	}
	if (!q->done)
		ares_cancel(c->ares);
	assert(q->done);
}

/* Did a server say that it cannot or will not answer?  Another one may. */
static bool
is_passed_on(const struct question *q)
{
	return q->spoke && q->status != ARES_SUCCESS &&
	    q->status != ARES_ENODATA && q->status != ARES_ENOTFOUND;
}

static const char *
trouble_of(const struct question *q)
{
	if (q->status == ARES_ECANCELLED)
		return "the time is over";
	if (q->answer->status != DNS_TROUBLE ||
	    (q->spoke && q->status != ARES_EREFUSED))
		return NULL;
	return ares_strerror(q->status);
}

void
channel_ask(struct channel *c, const struct nameservers *servers,
    const struct nameserver_order *order, const char *name, enum dns_type type,
    int64_t deadline_us, struct channel_outcome *outcome)
{
	struct question q = { .name = name, .type = type };
	int first = 0, status;

	for (;;) {
		q.done = false;
		status = set_servers(c, servers, order, first);
		if (status == ARES_SUCCESS)
			send_and_wait(c, &q, deadline_us);
		else
			finish(&q, status, 0, NULL, 0);
		if (first == 0) {
			outcome->spoke = q.spoke;
			outcome->silent = q.silent;
		}
		first += q.silent + 1;
		if (!is_passed_on(&q) || first >= order->count)
			break;
		dns_release(q.answer);
	}
	outcome->answer = q.answer;
	outcome->trouble = trouble_of(&q);
}
