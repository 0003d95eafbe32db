/*
 * checks - what one check of SPF costs.
 *
 *	checks memory SECONDS [DOMAIN]
 *	    Of records as they are published, with a DNS in memory; of one of
 *	    them only.
 *	checks wire SECONDS PORT
 *	    Of a record that asks five questions, each for the first time, of
 *	    the name server below.
 *	checks serve FILE
 *	    Be a name server on 127.0.0.1 until killed, with the same records
 *	    for whatever name is asked; its port is written into the file.
 *
 * The first two go on for so many seconds of CPU and print one line of
 * NAME=VALUE; only what they use themselves counts.  Exit 0 if every verdict
 * was right.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "../spf/zone.h"
#include "clock.h"
#include "resolver.h"
#include "spf.h"

#define BATCH		512	/* checks between two looks at the clock */
#define SECOND_US	INT64_C(1000000)
#define DEADLINE_US	(8 * SECOND_US)
#define CACHE_SIZE	(16 << 20)	/* what spfmilter takes */

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
check(struct dns *dns, const char *domain, const char *client,
    enum spf_result wanted)
{
	struct spf_answer answer;
	struct addr addr;
	char sender[128];

	snprintf(sender, sizeof sender, "joe.list@%s", domain);
	addr_parse(&addr, client);
	spf_check(&(struct spf_question){ .client = &addr, .sender = sender,
	    .helo = "mail.example.net", .receiver = "mx.example.org",
	    .dns = dns }, &answer);
	if (answer.result == wanted)
		return 0;
	fprintf(stderr, "%s: %s %s %s\n", sender,
	    spf_result_word(answer.result), answer.reason, answer.problem);
	return -1;
}

/* --- in memory */

#define TEN_NETWORKS(first)						\
	" ip4:" first ".0.0/20 ip4:" first ".32.0/19 ip4:" first ".64.0/22"  \
	" ip4:" first ".80.0/20 ip4:" first ".96.0/24 ip4:" first ".97.7"    \
	" ip4:" first ".112.0/21 ip4:" first ".128.64/26"		     \
	" ip4:" first ".144.0/20 ip4:" first ".160.0/19"

#define TXT(name, text)		{ name, DNS_TXT, text }
#define A(name, address)	{ name, DNS_A, address }
#define MX(name, host)		{ name, DNS_MX, host }

static const struct {
	const char *name;
	enum dns_type type;
	const char *data;
} published[] = {
	TXT("include.example", "v=spf1 include:spf.include.example -all"),
	TXT("spf.include.example", "v=spf1 include:one.provider.example "
	    "include:two.provider.example ~all"),
	TXT("one.provider.example", "v=spf1" TEN_NETWORKS("128.10") " ~all"),
	TXT("two.provider.example", "v=spf1" TEN_NETWORKS("128.11") " ~all"),

	TXT("a.example", "v=spf1 a mx -all"),
	A("a.example", "192.0.2.7"),

	TXT("mx.example", "v=spf1 mx include:one.provider.example -all"),
	MX("mx.example", "mail1.mx.example"),
	MX("mx.example", "mail2.mx.example"),
	A("mail1.mx.example", "192.0.2.24"),
	A("mail2.mx.example", "192.0.2.25"),

	TXT("redirect.example", "v=spf1 redirect=spf.redirect.example"),
	TXT("spf.redirect.example", "v=spf1 ip4:198.51.100.0/24 "
	    "ip6:2001:db8:7::/48 ip4:192.0.2.0/26 -all"),

	TXT("fail.example", "v=spf1 a mx ip4:198.51.100.0/24 -all"),
	A("fail.example", "198.51.100.80"),
	MX("fail.example", "mail1.mx.example"),

	TXT("softfail.example", "v=spf1 include:one.provider.example "
	    "ip4:198.51.100.0/24 ~all"),

	TXT("exists.example", "v=spf1 "
	    "exists:%{ir}.%{l1r.-}.%{v}.spf.%{d2} -all"),
	A("7.2.0.192.joe.in-addr.spf.exists.example", "127.0.0.2"),

	TXT("long.example", "v=spf1" TEN_NETWORKS("128.20")
	    TEN_NETWORKS("128.21") TEN_NETWORKS("128.22")
	    TEN_NETWORKS("128.23") TEN_NETWORKS("128.24")
	    TEN_NETWORKS("128.25") " -all"),
};

static const struct sample {
	const char *domain, *client;
	enum spf_result wanted;
} samples[] = {
	{ "include.example", "128.11.161.1", SPF_IS_PASS },
	{ "a.example", "192.0.2.7", SPF_IS_PASS },
	{ "mx.example", "192.0.2.25", SPF_IS_PASS },
	{ "redirect.example", "192.0.2.7", SPF_IS_PASS },
	{ "fail.example", "203.0.113.7", SPF_IS_FAIL },
	{ "softfail.example", "203.0.113.7", SPF_IS_SOFTFAIL },
	{ "exists.example", "192.0.2.7", SPF_IS_PASS },
	{ "long.example", "128.25.161.1", SPF_IS_PASS },
};

#define SAMPLES	(sizeof samples / sizeof samples[0])

static void
publish(struct zone *z)
{
	for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
		const char *name = published[i].name;
		const char *data = published[i].data;
		struct addr addr;

		if (published[i].type == DNS_TXT)
			zone_add_txt(z, name, data);
		else if (published[i].type == DNS_MX)
			zone_add(z, name, DNS_MX, NULL, 10, data,
			    strlen(data));
		else if (addr_parse(&addr, data) == 0)
			zone_add_addr(z, name, &addr);
	}
}

/* domain: only this one; or NULL. */
static int
memory(double seconds, const char *domain)
{
	static struct zone zone;
	const double begin = cpu_seconds();
	double took = 0;
	size_t checks = 0, n = 0;

	zone_open(&zone);
	publish(&zone);
	for (; took < seconds; took = cpu_seconds() - begin)
		for (int i = 0; i < BATCH; i++) {
			const struct sample *s = &samples[n++ % SAMPLES];

			if (domain != NULL && strcmp(s->domain, domain) != 0)
				continue;
			if (check(&zone.dns, s->domain, s->client,
			    s->wanted) == -1)
				return EX_SOFTWARE;
			checks++;
		}
	printf("checks=%zu per_second=%.0f us=%.2f questions=%.2f\n", checks,
	    (double)checks / took, took * 1e6 / (double)checks,
	    (double)zone.asked / (double)checks);
	zone_close(&zone);
	return checks > 0 ? EX_OK : EX_USAGE;
}

/* --- over the wire */

#define QUESTIONS	5	/* the record, the include, A, MX, its host */
#define MAIL_HOST	"203.0.113.25"
#define OTHER_HOST	"203.0.113.80"
#define RECORD		"v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 "	\
			"include:spf.%s a mx -all"
#define INCLUDED	"v=spf1 ip4:203.0.113.128/26 "			\
			"ip4:203.0.113.192/26 ~all"
/* Of names that begin so; those with "none." have nothing at all. */
#define ANYONE		"v=spf1 ip4:128.0.0.0/1 -all"
#define NOBODY		"v=spf1 -all"

static int
check_new(struct resolver *r, size_t n)
{
	struct resolver_lookup lookup;
	char domain[64];
	int result;

	snprintf(domain, sizeof domain, "c%zu.wire.example", n);
	resolver_begin(r, &lookup, clock_us() + DEADLINE_US);
	result = check(&lookup.dns, domain, MAIL_HOST, SPF_IS_PASS);
	resolver_end(&lookup);
	if (result == 0 && lookup.asked != QUESTIONS) {
		fprintf(stderr, "%u questions\n", lookup.asked);
		return -1;
	}
	return result;
}

static int
wire(double seconds, const char *port)
{
	char server[64];
	const struct options_list servers = { { server }, 1 };
	const int64_t clock_begin = clock_us();
	struct resolver *r;
	double begin, took = 0;
	size_t checks = 0;

	snprintf(server, sizeof server, "127.0.0.1:%s", port);
	if ((r = resolver_new(&servers, CACHE_SIZE)) == NULL)
		return EX_UNAVAILABLE;
	begin = cpu_seconds();
	for (; took < seconds; took = cpu_seconds() - begin)
		if (check_new(r, checks++) == -1)
			return EX_SOFTWARE;
	printf("checks=%zu us=%.1f clock_us=%.1f\n", checks,
	    took * 1e6 / (double)checks,
	    (double)(clock_us() - clock_begin) / (double)checks);
	resolver_free(r);
	return EX_OK;
}

/* --- the name server */

#define HEADER_SIZE	12
#define PACKET_MAX	512
#define TTL		3600
#define RESPONSE	0x84	/* and we have the last word */

struct packet {
	unsigned char byte[PACKET_MAX];
	size_t size;
};

static void
put(struct packet *p, const void *data, size_t size)
{
	memcpy(p->byte + p->size, data, size);
	p->size += size;
}

/* What the name that was asked for has of this type.  Nothing: 0 bytes. */
static size_t
find_data(unsigned char out[256], const char *name, unsigned type)
{
	/* Preference 10, and the question's name behind a label. */
	static const unsigned char mx[] = "\0\012\004mail\300\014";
	char *text = (char *)out + 1;

	if (strncmp(name, "none.", 5) == 0)
		return 0;
	switch (type) {
	case DNS_TXT:
		if (strncmp(name, "spf.", 4) == 0)
			snprintf(text, 255, INCLUDED);
		else if (strncmp(name, "anyone.", 7) == 0)
			snprintf(text, 255, ANYONE);
		else if (strncmp(name, "nobody.", 7) == 0)
			snprintf(text, 255, NOBODY);
		else
			snprintf(text, 255, RECORD, name);
		out[0] = (unsigned char)strlen(text);
		return 1 + (size_t)out[0];
	case DNS_MX:
		memcpy(out, mx, sizeof mx - 1);
		return sizeof mx - 1;
	case DNS_A:
		inet_pton(AF_INET, strncmp(name, "mail.", 5) == 0 ? MAIL_HOST :
		    OTHER_HOST, out);
		return 4;
	default:
		return 0;
	}
}

/* The name as text; what is behind it, or NULL when it is none of ours. */
static const unsigned char *
read_name(char out[128], const unsigned char *p, const unsigned char *end)
{
	size_t size = 0;

	while (p < end && *p != 0) {
		size_t label = *p++;

		if (label >= (size_t)(end - p) || size + label + 2 > 128)
			return NULL;
		memcpy(out + size, p, label);
		size += label;
		out[size++] = '.';
		p += label;
	}
	if (p == end || size == 0)
		return NULL;
	out[size - 1] = '\0';
	return p + 1;
}

/* Make the question an answer; -1: it is none. */
static int
answer(struct packet *p)
{
	static const unsigned char head[] = { 0xc0, HEADER_SIZE };
	static const unsigned char ttl[] = { 0, 0, TTL >> 8, TTL & 0xff };
	unsigned char data[256], size[2] = { 0 }, kind[4];
	const unsigned char *behind;
	char name[128];

	if (p->size <= HEADER_SIZE || (behind = read_name(name, p->byte +
	    HEADER_SIZE, p->byte + p->size)) == NULL ||
	    p->byte + p->size - behind < 4)
		return -1;
	memcpy(kind, behind, sizeof kind);
	p->size = (size_t)(behind - p->byte) + sizeof kind;
	size[1] = (unsigned char)find_data(data, name, kind[1]);
	p->byte[2] |= RESPONSE;
	memset(p->byte + 6, 0, 6);
	if (size[1] == 0)
		return 0;
	p->byte[7] = 1;
	put(p, head, sizeof head);
	put(p, kind, sizeof kind);
	put(p, ttl, sizeof ttl);
	put(p, size, sizeof size);
	put(p, data, size[1]);
	return 0;
}

/* Returns the socket, or -1. */
static int
listen_somewhere(const char *path)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof sa;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *f;

	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, size) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sa, &size) == -1 ||
	    (f = fopen(path, "w")) == NULL)
		return -1;
	fprintf(f, "%d\n", ntohs(sa.sin_port));
	return fclose(f) == 0 ? fd : -1;
}

static int
serve(const char *path)
{
	int fd = listen_somewhere(path);
	struct sockaddr_in from;
	struct packet p;
	ssize_t n;

	if (fd == -1) {
		perror(path);
		return EX_CANTCREAT;
	}
	for (;;) {
		socklen_t size = sizeof from;

		/* An answer is longer, but never by so much. */
		n = recvfrom(fd, p.byte, PACKET_MAX / 3, 0,
		    (struct sockaddr *)&from, &size);
		p.size = n < 0 ? 0 : (size_t)n;
		if (answer(&p) == 0)
			sendto(fd, p.byte, p.size, 0, (struct sockaddr *)&from,
			    size);
	}
}

int
main(int argc, char *argv[])
{
	const char *what = argc >= 3 ? argv[1] : "";
	double seconds = argc >= 3 ? strtod(argv[2], NULL) : 0;

	if (argc == 3 && strcmp(what, "serve") == 0)
		return serve(argv[2]);
	if (seconds <= 0 || argc > 4) {
		fprintf(stderr, "usage: see checks.c\n");
		return EX_USAGE;
	}
	if (spf_open() == -1)
		return EX_OSERR;
	if (strcmp(what, "memory") == 0)
		return memory(seconds, argv[3]);
	return argc == 4 && strcmp(what, "wire") == 0 ?
	    wire(seconds, argv[3]) : EX_USAGE;
}
