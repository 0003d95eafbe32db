#ifndef SPFMILTER_NAMESERVER_H
#define SPFMILTER_NAMESERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct options_list;

/*
 * nameserver - whom to ask: addresses and ports of name servers, and which of
 * them to ask first.
 *
 * Keeps no state of its own; any thread.
 */
#define NAMESERVERS_MAX		8	/* c-ares tells of 16 sockets, which
					 * is one for UDP and TCP of each */
#define NAMESERVER_PORT		53
#define NAMESERVER_TEXT_MAX	(ADDR_TEXT_MAX + 8)
#define NAMESERVER_FILE		"/etc/resolv.conf"

/*
 * A server that was silent while another one answered is asked last for this
 * long.  Then one check tries it first again: with each of them waiting for a
 * server that is dead, a check of five questions would be late for its
 * deadline.
 */
#define NAMESERVER_REST_SECONDS	60

struct nameserver {
	struct addr addr;
	uint16_t port;
	int64_t rests_until_us;		/* of clock_us(); 0: it does not */
};

/* In the order they are configured. */
struct nameservers {
	struct nameserver server[NAMESERVERS_MAX];
	int count;
};

/* The order they are asked in: places in struct nameservers. */
struct nameserver_order {
	unsigned char place[NAMESERVERS_MAX];
	int count;
};

/*
 * "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:5353", "[2001:db8::1]" or
 * "2001:db8::1".  Returns 0, or -1 when it is none of these.
 */
int nameserver_parse(struct nameserver *, const char *text);

/* The same way, without the port when it is 53.  Returns out. */
const char *nameserver_print(const struct nameserver *,
    char out[NAMESERVER_TEXT_MAX]);

/*
 * Those of a command line; those of resolv.conf(5), which are 127.0.0.1 when it
 * names none or is not there, and of which more than NAMESERVERS_MAX are left
 * out.  -1 after a line in the log; then nothing is changed.
 */
int nameservers_parse(struct nameservers *, const struct options_list *);
int nameservers_read(struct nameservers *);

/* "192.0.2.1,[2001:db8::1]:5353".  Returns out. */
#define NAMESERVERS_TEXT_MAX	(NAMESERVERS_MAX * NAMESERVER_TEXT_MAX)

const char *nameservers_print(const struct nameservers *,
    char out[NAMESERVERS_TEXT_MAX]);

/*
 * The order for a question that is asked now: those that rest come last.  One
 * that has rested comes in its turn, once; whoever asks next finds it resting,
 * until nameservers_note() says that it answered.
 */
void nameservers_arrange(struct nameservers *, struct nameserver_order *,
    int64_t now_us);

/*
 * A question in this order was answered after this many of them had been
 * silent.
 */
void nameservers_note(struct nameservers *, const struct nameserver_order *,
    int silent, int64_t now_us);

#endif
