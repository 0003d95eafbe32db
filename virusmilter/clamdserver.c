#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clamdserver.h"
#include "clock.h"
#include "stats.h"

/* --- those that there are */

int
clamdservers_parse(struct clamdservers *c, const struct options_list *sockets)
{
	*c = (struct clamdservers){ .count = 0 };
	for (int i = 0; i < sockets->count; i++) {
		if (i == CLAMD_SOCKETS_MAX) {
			log_error("%s: more than %d sockets of clamd",
			    sockets->item[i], CLAMD_SOCKETS_MAX);
			return -1;
		}
		if (clamdsocket_parse(&c->server[i].socket,
		    sockets->item[i]) == -1)
			return -1;
		c->count++;
	}
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void
clamdservers_free(struct clamdservers *c)
{
	pthread_mutex_destroy(&c->lock);
}

static int
choose_place(const struct clamdservers *c, unsigned tried, long now)
{
	for (int i = 0; i < c->count; i++)
		if ((tried & 1u << i) == 0 &&
		    c->server[i].rests_until_ms <= now)
			return i;
	return c->count > 0 && (tried & 1) == 0 ? 0 : -1;
}

struct clamdserver *
clamdservers_choose(struct clamdservers *c, unsigned *tried)
{
	struct clamdserver *server = NULL;
	long now = clock_ms();
	int place;

	pthread_mutex_lock(&c->lock);
	if ((place = choose_place(c, *tried, now)) != -1) {
		*tried |= 1u << place;
		server = &c->server[place];
		/* Who comes first is tried; the others know already. */
		if (server->rests_until_ms != 0)
			server->rests_until_ms = now + CLAMD_REST * 1000L;
	}
	pthread_mutex_unlock(&c->lock);
	return server;
}

void
clamdservers_note(struct clamdservers *c, struct clamdserver *server, bool up)
{
	bool was_up;

	pthread_mutex_lock(&c->lock);
	was_up = server->rests_until_ms == 0;
	server->rests_until_ms = up ? 0 : clock_ms() + CLAMD_REST * 1000L;
	pthread_mutex_unlock(&c->lock);
	if (up && !was_up)
		log_info("clamd %s is back", server->socket.text);
}

void
clamdservers_print_stats(struct clamdservers *c, FILE *out)
{
	bool up[CLAMD_SOCKETS_MAX];

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < c->count; i++)
		up[i] = c->server[i].rests_until_ms == 0;
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < c->count; i++)
		stats_value(out, "clamd_up", i > 0 ? NULL :
		    "Was it there when it was last asked?", "socket",
		    c->server[i].socket.text, up[i]);
}

/* --- what one says */

/* The z form ends in NUL, but in LF when clamd lost its patience. */
static enum clamdserver_reading
find_end(struct clamdserver_answer *a)
{
	for (size_t i = 0; i < a->size; i++) {
		if (a->text[i] != '\0' && a->text[i] != '\n')
			continue;
		if (i + 1 < a->size)
			return CLAMDSERVER_ENDLESS;
		a->size = i;
		return CLAMDSERVER_WHOLE;
	}
	return a->size < sizeof a->text ? CLAMDSERVER_LATE :
	    CLAMDSERVER_ENDLESS;
}

enum clamdserver_reading
clamdserver_read(int fd, struct clamdserver_answer *a, struct clamdwait *w,
    long until_ms)
{
	enum clamdserver_reading reading = CLAMDSERVER_LATE;

	while (reading == CLAMDSERVER_LATE) {
		ssize_t n = clamdsocket_receive(fd, a->text + a->size,
		    sizeof a->text - a->size, w, until_ms);

		if (n == -1 && errno == ETIMEDOUT)
			return CLAMDSERVER_LATE;
		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			return CLAMDSERVER_ENDED;
		}
		a->size += (size_t)n;
		reading = find_end(a);
	}
	return reading;
}

static int
read_pong(int fd, struct clamdwait *w, long until_ms)
{
	struct clamdserver_answer answer = { .size = 0 };

	switch (clamdserver_read(fd, &answer, w, until_ms)) {
	case CLAMDSERVER_WHOLE:
		if (answer.size == 4 && memcmp(answer.text, "PONG", 4) == 0)
			return 0;
		/* FALLTHROUGH */
	case CLAMDSERVER_ENDLESS:
		errno = EPROTO;
		break;
	case CLAMDSERVER_LATE:
		errno = ETIMEDOUT;
		break;
	case CLAMDSERVER_ENDED:
		break;
	}
	return -1;
}

int
clamdserver_ping(const struct clamdserver *server, struct clamdwait *w)
{
	static char question[] = "zPING";
	struct iovec io = { question, sizeof question };
	long until_ms = clock_ms() + CLAMD_PING_MS;
	int fd = clamdsocket_connect(&server->socket, w, until_ms);
	int answered, saved;

	if (fd == -1)
		return -1;
	answered = clamdsocket_send(fd, &io, 1, w, CLAMD_PING_MS, until_ms);
	if (answered == 0)
		answered = read_pong(fd, w, until_ms);
	saved = errno;
	close(fd);
	errno = saved;
	return answered;
}
