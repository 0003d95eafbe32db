/*
 * t_dnspacket - packets of the DNS, made by hand.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"
#include "unit.h"

#define PACKET_MAX	(80 * 1024)
#define PRINT_MAX	2048

#define IN		1
#define CNAME		5
#define SOA		6
#define OPT		41

#define GOOD		0x8180		/* QR RD RA */
#define SERVFAIL	2
#define NXDOMAIN	3
#define REFUSED		5

/* Names as they are in packets; what follows is the root, or a pointer. */
#define ORG		"\7example\3org"
#define QUESTION	"\xc0\x0c"	/* a pointer to what was asked */

/* Bytes and their number, without the NUL at the end. */
#define BYTES(s)	s, sizeof (s) - 1

/* --- packets */

struct packet {
	unsigned char byte[PACKET_MAX];
	size_t size;
};

static void
put(struct packet *p, const void *bytes, size_t size)
{
	assert_true(size <= sizeof p->byte - p->size);
	memcpy(p->byte + p->size, bytes, size);
	p->size += size;
}

static void
put_number(struct packet *p, unsigned long n, int size)
{
	while (size-- > 0) {
		const unsigned char byte = (n >> 8 * size) & 0xff;

		put(p, &byte, 1);
	}
}

static void
put_head(struct packet *p, unsigned flags, unsigned questions,
    unsigned answers, unsigned authorities, unsigned others)
{
	p->size = 0;
	put_number(p, 4711, 2);
	put_number(p, flags, 2);
	put_number(p, questions, 2);
	put_number(p, answers, 2);
	put_number(p, authorities, 2);
	put_number(p, others, 2);
}

static void
put_question(struct packet *p, const char *name, unsigned type)
{
	while (*name != '\0') {
		size_t size = strcspn(name, ".");

		put_number(p, size, 1);
		put(p, name, size);
		name += size + (name[size] == '.');
	}
	put_number(p, 0, 1);
	put_number(p, type, 2);
	put_number(p, IN, 2);
}

struct row {
	const char *owner;
	size_t owner_size;
	unsigned type;
	unsigned long ttl;
	const char *data;
	size_t data_size;
};

static void
put_record(struct packet *p, const struct row *r, unsigned class)
{
	put(p, r->owner, r->owner_size);
	put_number(p, r->type, 2);
	put_number(p, class, 2);
	put_number(p, r->ttl, 4);
	put_number(p, r->data_size, 2);
	put(p, r->data, r->data_size);
}

/* --- answers as text: status, TTL, records */

static size_t
print_record(char *out, enum dns_type type, const struct dns_record *r)
{
	char text[ADDR_TEXT_MAX];
	size_t size = 0;

	if (type == DNS_A || type == DNS_AAAA)
		return (size_t)snprintf(out, PRINT_MAX, " %s",
		    addr_print(&r->addr, text));
	assert_int_equal(r->text[r->size], '\0');
	size += (size_t)snprintf(out, PRINT_MAX, " ");
	if (type == DNS_MX)
		size += (size_t)snprintf(out + size, PRINT_MAX, "%u:",
		    r->preference);
	out[size++] = '[';
	for (size_t i = 0; i < r->size; i++)
		out[size++] = r->text[i] == '\0' ? '0' : r->text[i];
	out[size++] = ']';
	out[size] = '\0';
	return size;
}

static const char *
print(char out[3 * PRINT_MAX], enum dns_type type, const struct dns_answer *a)
{
	static const char *const words[] = { "FOUND", "NO_NAME", "NO_DATA",
	    "TROUBLE" };
	size_t size = (size_t)snprintf(out, PRINT_MAX, "%s", words[a->status]);

	assert_true((a->status == DNS_FOUND) == (a->count > 0));
	if (a->status != DNS_TROUBLE)
		size += (size_t)snprintf(out + size, PRINT_MAX, " %lu",
		    (unsigned long)a->ttl);
	for (size_t i = 0; i < a->count && size < PRINT_MAX; i++)
		size += print_record(out + size, type, &a->record[i]);
	return out;
}

/* From a block of just its size, so that a read past it is seen. */
static const struct dns_answer *
parse(const unsigned char *bytes, size_t size, const char *name,
    enum dns_type type)
{
	unsigned char *copy = malloc(size > 0 ? size : 1);
	const struct dns_answer *a;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	a = dns_parse(copy, size, name, type);
	free(copy);
	assert_non_null(a);
	return a;
}

/* What is wanted of it; and each of its beginnings is none. */
static void
check_packet(const struct packet *p, const char *name, enum dns_type type,
    const char *wanted, const char *what)
{
	const struct dns_answer *a = parse(p->byte, p->size, name, type);
	static char text[3 * PRINT_MAX];

	print(text, type, a);
	dns_release(a);
	CHECK(strcmp(text, wanted) == 0, "%s: %s, wanted %s", what, text,
	    wanted);
	for (size_t size = 0; size < p->size && size < 1000; size++) {
		a = parse(p->byte, size, name, type);
		CHECK(a->status == DNS_TROUBLE, "%s: the first %zu bytes",
		    what, size);
		dns_release(a);
	}
}

/* --- the tests */

static char *
repeat(char *out, const char *text, int times)
{
	size_t size = strlen(text);

	for (int i = 0; i < times; i++)
		memcpy(out + (size_t)i * size, text, size);
	out[(size_t)times * size] = '\0';
	return out;
}

#define A(owner, ttl, data)	{ BYTES(owner), DNS_A, ttl, BYTES(data) }
#define MX(data)		{ BYTES(QUESTION), DNS_MX, 60, BYTES(data) }
#define PTR(data)		{ BYTES(QUESTION), DNS_PTR, 60, BYTES(data) }
#define TXT(data)		{ BYTES(QUESTION), DNS_TXT, 60, BYTES(data) }
#define ALIAS(owner, ttl, data)	{ BYTES(owner), CNAME, ttl, BYTES(data) }
#define START(ttl, data)	{ BYTES(ORG "\0"), SOA, ttl, BYTES(data) }
#define SERIAL	"\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"

/* All that a packet can say, with records of these sections. */
static const struct {
	const char *name;
	enum dns_type type;
	unsigned flags;
	struct row answer[4], authority[2], other[1];
	const char *wanted;
} samples[] = {
	/* Addresses. */
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "FOUND 300 192.0.2.1" },
	{ "example.org.", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "FOUND 300 192.0.2.1" },
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\2"), A(ORG "\0", 200,
		"\xc0\x00\2\1"), A("\7EXAMPLE\3OrG\0", 400, "\0\0\0\0") },
	    .wanted = "FOUND 200 192.0.2.2 192.0.2.1 0.0.0.0" },
	{ "example.org", DNS_AAAA, GOOD,
	    { { BYTES(QUESTION), DNS_AAAA, 0, BYTES("\x20\1\x0d\xb8\0\0\0\0"
		"\0\0\0\0\0\0\0\1") } },
	    .wanted = "FOUND 0 2001:db8::1" },

	/* Of other names, types and nothing. */
	{ "example.org", DNS_A, GOOD,
	    { A("\3www" QUESTION, 300, "\xc0\x00\2\1"),
	      A("\0", 300, "\xc0\x00\2\3"),
	      A("\7exampla\3org\0", 300, "\xc0\x00\2\2") },
	    .wanted = "NO_DATA 0" },
	{ "example.org", DNS_TXT, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "NO_DATA 0" },
	{ "example.org", DNS_A, GOOD, .authority =
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .other =
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "NO_DATA 0" },

	/* A dot in a label is no border of labels. */
	{ "example.org", DNS_A, GOOD,
	    { A("\13example.org\0", 300, "\xc0\x00\2\1") },
	    .wanted = "NO_DATA 0" },

	/* Data of another size than its type has. */
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1\0") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_AAAA, GOOD,
	    { { BYTES(QUESTION), DNS_AAAA, 0, BYTES("\xc0\x00\2\1") } },
	    .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1"), A(QUESTION, 300, "\xc0") },
	    .wanted = "TROUBLE" },
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0\12") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0\12\2mx" QUESTION "\0") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0\12\2mx") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_PTR, GOOD,
	    { PTR("") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_PTR, GOOD,
	    { PTR(QUESTION), PTR(QUESTION QUESTION) }, .wanted = "TROUBLE" },
	{ "example.org", DNS_TXT, GOOD,
	    { TXT("") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_TXT, GOOD,
	    { TXT("\4abc") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_TXT, GOOD,
	    { TXT("\3abc\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 60, "\3www") }, .wanted = "TROUBLE" },

	/* MX and PTR. */
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0\12\2mx" QUESTION), MX("\1\2\1a\0"),
	      MX("\xff\xff" ORG "\0") },
	    .wanted = "FOUND 60 10:[mx.example.org] 258:[a] "
		"65535:[example.org]" },
	{ "example.org", DNS_MX, GOOD,
	    { MX("\0\0\0") }, .wanted = "FOUND 60 0:[]" },
	{ "1.2.0.192.in-addr.arpa", DNS_PTR, GOOD,
	    { PTR("\4MAIL" ORG "\0"), PTR("\0"), PTR("\3a.b\4\\\0 \x7f\xc0\x0c"
		) },
	    .wanted = "FOUND 60 [MAIL.example.org] [] "
		"[a\\.b.\\\\\\000\\032\\127.1.2.0.192.in-addr.arpa]" },
	{ "example.org", DNS_PTR, GOOD,
	    { PTR("\3\xff-~\0") }, .wanted = "FOUND 60 [\\255-~]" },

	/* TXT: strings are joined, and any byte is one. */
	{ "example.org", DNS_TXT, GOOD,
	    { TXT("\6v=spf1\5 -all"), TXT("\0"), TXT("\1a\0\2\0b\0\1c") },
	    .wanted = "FOUND 60 [v=spf1 -all] [] [a0bc]" },

	/* Aliases, also in another order, and without an end. */
	{ "www.example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 50, ORG "\0"), A(ORG "\0", 300,
		"\xc0\x00\2\1") },
	    .wanted = "FOUND 50 192.0.2.1" },
	{ "example.org", DNS_A, GOOD,
	    { A("\1c\0", 70, "\xc0\x00\2\1"), ALIAS("\1b\0", 60, "\1C\0"),
	      ALIAS(QUESTION, 300, "\1B\0") },
	    .wanted = "FOUND 60 192.0.2.1" },
	{ "example.org", DNS_TXT, GOOD,
	    { ALIAS(QUESTION, 300, "\1b\0"),
	      { BYTES("\1b\0"), DNS_TXT, 40, BYTES("\3abc") },
	      { BYTES("\1b\0"), DNS_TXT, 30, BYTES("\3def") } },
	    .wanted = "FOUND 30 [abc] [def]" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 300, "\1b\0"), A("\1c\0", 70,
		"\xc0\x00\2\1") },
	    .wanted = "NO_DATA 0" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 5, "\1b\0"), A(QUESTION, 70,
		"\xc0\x00\2\1") },
	    .wanted = "NO_DATA 0" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 300, "\1b\0"), ALIAS("\1c\0", 5, QUESTION),
	      A("\1b\0", 70, "\xc0\x00\2\1") },
	    .wanted = "FOUND 70 192.0.2.1" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 300, QUESTION) }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 300, "\1b\0"), ALIAS("\1b\0", 300, "\1c\0"),
	      ALIAS("\1c\0", 300, "\1b\0"), A(QUESTION "", 1, "\1\2\3") },
	    .wanted = "TROUBLE" },

	/* Nothing there. */
	{ "example.org", DNS_A, GOOD, .wanted = "NO_DATA 0" },
	{ "example.org", DNS_A, GOOD | NXDOMAIN, .wanted = "NO_NAME 0" },
	{ "a.example.org", DNS_A, GOOD, .authority =
	    { START(900, "\2ns" ORG "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_DATA 256" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .authority =
	    { START(200, "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_NAME 200" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .authority =
	    { START(900, "\0\0" SERIAL "\xff\xff\xff\xff") },
	    .wanted = "NO_NAME 0" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .authority =
	    { { BYTES("\0"), 2, 10, BYTES("\0") },
	      START(900, "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_NAME 256" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .answer =
	    { START(900, "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_NAME 0" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN,
	    { ALIAS(QUESTION, 100, "\1b\0") },
	    { START(900, "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_NAME 100" },
	{ "a.example.org", DNS_A, GOOD,
	    { ALIAS(QUESTION, 1000, "\1b\0") },
	    { START(900, "\0\0" SERIAL "\0\0\1\0") },
	    .wanted = "NO_DATA 256" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN,
	    { A(QUESTION, 100, "\xc0\x00\2\1") }, .wanted = "NO_NAME 0" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .authority =
	    { START(900, "\0\0" SERIAL "\0\0\1") }, .wanted = "TROUBLE" },
	{ "a.example.org", DNS_A, GOOD | NXDOMAIN, .authority =
	    { START(900, "\0\0" SERIAL "\0\0\1\0\0") }, .wanted = "TROUBLE" },

	/* TTLs from which RFC 2181 8 protects. */
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 0x7fffffff, "\xc0\x00\2\1") },
	    .wanted = "FOUND 2147483647 192.0.2.1" },
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 0x80000000, "\xc0\x00\2\1") },
	    .wanted = "FOUND 0 192.0.2.1" },

	/* Flags. */
	{ "example.org", DNS_A, 0x8000,
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "FOUND 300 192.0.2.1" },
	{ "example.org", DNS_A, 0x85b0,		/* AA, AD, CD */
	    { A(QUESTION, 300, "\xc0\x00\2\1") },
	    .wanted = "FOUND 300 192.0.2.1" },
	{ "example.org", DNS_A, 0x0180,		/* a question */
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | 0x0200,	/* TC */
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | 0x2800,	/* an update */
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | SERVFAIL,
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | SERVFAIL, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | REFUSED, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD | 1, .wanted = "TROUBLE" },

	/* OPT, and what it adds to the code. */
	{ "example.org", DNS_A, GOOD,
	    { A(QUESTION, 300, "\xc0\x00\2\1") }, .other =
	    { { BYTES("\0"), OPT, 0x00008000, BYTES("\0\12\0\0") } },
	    .wanted = "FOUND 300 192.0.2.1" },
	{ "example.org", DNS_A, GOOD, .other =
	    { { BYTES("\0"), OPT, 0x01000000, BYTES("") } },
	    .wanted = "TROUBLE" },

	/* What could be no question of ours. */
	{ "", DNS_A, GOOD, .wanted = "TROUBLE" },

	/* Pointers forward, to themselves, in circles, into the header. */
	{ "example.org", DNS_A, GOOD,
	    { A("\xc0\x1d", 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A("\xc0\x1f", 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A("\1a\xc0\x1d", 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A("\xc0\x04", 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A("\xff\xff", 300, "\xc0\x00\2\1") }, .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,		/* labels of no known kind */
	    { A("\x40" ORG "\0", 300, "\xc0\x00\2\1") },
	    .wanted = "TROUBLE" },
	{ "example.org", DNS_A, GOOD,
	    { A("\x80" ORG "\0", 300, "\xc0\x00\2\1") },
	    .wanted = "TROUBLE" },
};

static void
packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		static struct packet p;
		unsigned count[3] = { 0 };
		char what[100];

		for (size_t n = 0; n < COUNT(samples[i].answer); n++)
			count[0] += samples[i].answer[n].owner != NULL;
		for (size_t n = 0; n < COUNT(samples[i].authority); n++)
			count[1] += samples[i].authority[n].owner != NULL;
		count[2] = samples[i].other[0].owner != NULL;
		put_head(&p, samples[i].flags, 1, count[0], count[1], count[2]);
		put_question(&p, samples[i].name, samples[i].type);
		for (size_t n = 0; n < count[0]; n++)
			put_record(&p, &samples[i].answer[n], IN);
		for (size_t n = 0; n < count[1]; n++)
			put_record(&p, &samples[i].authority[n], IN);
		if (count[2] > 0)
			put_record(&p, &samples[i].other[0],
			    samples[i].other[0].type == OPT ? 1232 : IN);
		snprintf(what, sizeof what, "row %zu", i);
		check_packet(&p, samples[i].name, samples[i].type,
		    samples[i].wanted, what);
	}
}

static const struct row address = { BYTES(QUESTION), DNS_A, 300,
    BYTES("\xc0\x00\2\1") };

/* The question is not what was asked, or not one. */
static void
questions(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		unsigned count;
		const char *wanted;
	} table[] = {
		{ BYTES(ORG "\0\0\1\0\1"), 1, "FOUND 300 192.0.2.1" },
		{ BYTES("\7eXaMpLe\3ORG\0\0\1\0\1"), 1,
		    "FOUND 300 192.0.2.1" },
		{ BYTES(ORG "\0\0\1\0\1"), 0, "TROUBLE" },
		{ BYTES(ORG "\0\0\1\0\1" ORG "\0\0\1\0\1"), 2, "TROUBLE" },
		{ BYTES(""), 0, "TROUBLE" },
		{ BYTES("\7exampla\3org\0\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES("\7example\2or\0\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES("\13example.org\0\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES("\3www" ORG "\0\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES("\0\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES(ORG "\0\0\x1c\0\1"), 1, "TROUBLE" },
		{ BYTES(ORG "\0\1\1\0\1"), 1, "TROUBLE" },
		{ BYTES(ORG "\0\0\1\0\3"), 1, "TROUBLE" },
		{ BYTES(QUESTION "\0\1\0\1"), 1, "TROUBLE" },
		{ BYTES(ORG "\xc0\x0c\0\1\0\1"), 1, "TROUBLE" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		static struct packet p;
		char what[100];

		put_head(&p, GOOD, table[i].count, 1, 0, 0);
		put(&p, table[i].bytes, table[i].size);
		put_record(&p, &address, IN);
		snprintf(what, sizeof what, "row %zu", i);
		check_packet(&p, "example.org", DNS_A, table[i].wanted, what);
	}
}

/* Other classes are none of ours. */
static void
classes(void **state)
{
	static struct packet p;
	static const struct row start = { BYTES("\0"), SOA, 60,
	    BYTES("\0\0" SERIAL "\0\0\0\x10") };

	(void)state;
	put_head(&p, GOOD, 1, 2, 0, 0);
	put_question(&p, "example.org", DNS_A);
	put_record(&p, &address, 3);
	put_record(&p, &address, IN);
	check_packet(&p, "example.org", DNS_A, "FOUND 300 192.0.2.1", "two");

	put_head(&p, GOOD, 1, 1, 2, 0);
	put_question(&p, "example.org", DNS_A);
	put_record(&p, &address, 3);
	put_record(&p, &start, 3);
	put_record(&p, &start, IN);
	check_packet(&p, "example.org", DNS_A, "NO_DATA 16", "one");
}

/* What stands behind the last record belongs to nobody. */
static void
more_behind(void **state)
{
	static struct packet p;
	const struct dns_answer *a;

	(void)state;
	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, "example.org", DNS_A);
	put_record(&p, &address, IN);
	put_record(&p, &address, IN);
	a = parse(p.byte, p.size, "example.org", DNS_A);
	assert_int_equal(a->status, DNS_FOUND);
	assert_int_equal(a->count, 1);
	dns_release(a);
}

/* example.org -> b0 -> b1 and so on, the last one first; then an address. */
static void
put_chain(struct packet *p, int aliases)
{
	char owner[] = "\2b?", data[] = "\2b?";
	struct row r = { owner, sizeof owner, CNAME, 300, data, sizeof data };

	put_head(p, GOOD, 1, (unsigned)aliases + 1, 0, 0);
	put_question(p, "example.org", DNS_A);
	for (int i = aliases - 1; i > 0; i--) {
		owner[2] = (char)('a' + i - 1);
		data[2] = (char)('a' + i);
		put_record(p, &r, IN);
	}
	data[2] = 'a';
	r.owner = QUESTION;
	r.owner_size = 2;
	put_record(p, &r, IN);
	owner[2] = (char)('a' + aliases - 1);
	r = address;
	r.owner = owner;
	r.owner_size = sizeof owner;
	put_record(p, &r, IN);
}

static void
many_aliases(void **state)
{
	static struct packet p;

	(void)state;
	put_chain(&p, DNS_CNAMES_MAX);
	check_packet(&p, "example.org", DNS_A, "FOUND 300 192.0.2.1", "most");
	put_chain(&p, DNS_CNAMES_MAX + 1);
	check_packet(&p, "example.org", DNS_A, "TROUBLE", "too many");
}

/* More are left out, as the header says. */
static void
many_records(void **state)
{
	static const unsigned table[] = { DNS_RECORDS_MAX - 1, DNS_RECORDS_MAX,
	    DNS_RECORDS_MAX + 1, 4000 };

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		static struct packet p;
		const struct dns_answer *a;
		size_t wanted = table[i] < DNS_RECORDS_MAX ? table[i] :
		    DNS_RECORDS_MAX;

		put_head(&p, GOOD, 1, table[i], 0, 0);
		put_question(&p, "example.org", DNS_A);
		for (unsigned n = 0; n < table[i]; n++)
			put_record(&p, &address, IN);
		a = parse(p.byte, p.size, "example.org", DNS_A);
		CHECK(a->status == DNS_FOUND && a->count == wanted,
		    "%u: %zu records", table[i], a->count);
		dns_release(a);
	}
}

/* A TXT of 64 kB in strings of 255 bytes; and names that make a lot of text. */
static void
large_answers(void **state)
{
	static struct packet p;
	static char data[65280];
	struct row r = { BYTES(QUESTION), DNS_TXT, 300, data, sizeof data };
	const struct dns_answer *a;

	(void)state;
	memset(data, '\xff', sizeof data);
	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, "example.org", DNS_TXT);
	put_record(&p, &r, IN);
	a = parse(p.byte, p.size, "example.org", DNS_TXT);
	assert_int_equal(a->count, 1);
	assert_int_equal(a->record[0].size, 255 * 255);
	assert_int_equal(a->record[0].text[255 * 255 - 1], '\xff');
	dns_release(a);

	put_head(&p, GOOD, 1, 900, 0, 0);
	put_question(&p, "x.y.z.1.2.3.4.5.6.7.8.9.0.a.b.c.d.e.f.g.h.i.j.k."
	    "l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.example.org", DNS_PTR);
	r = (struct row){ BYTES(QUESTION), DNS_PTR, 300,
	    BYTES("\xa""abcdefghij" "\xa""abcdefghij" "\xa""abcdefghij"
	    QUESTION) };
	for (int i = 0; i < 900; i++)
		put_record(&p, &r, IN);
	a = parse(p.byte, p.size, "x.y.z.1.2.3.4.5.6.7.8.9.0.a.b.c.d.e.f.g.h."
	    "i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.example.org", DNS_PTR);
	assert_int_equal(a->status, DNS_TROUBLE);
	dns_release(a);
}

/* A name of 255 bytes in the packet, all of them to be escaped; one more. */
static void
long_names(void **state)
{
	static struct packet p;
	char data[300], text[1100], wanted[1200], label[64] = "\x3f";
	struct row r = { BYTES(QUESTION), DNS_PTR, 60, data, 0 };

	(void)state;
	memset(label + 1, 1, 63);
	for (int i = 0; i < 4; i++) {
		memcpy(data + 64 * i, label, 64);
		repeat(text + (63 * 4 + 1) * i, "\\001", 63);
		text[(63 * 4 + 1) * (i + 1) - 1] = '.';
	}
	data[64 * 3] = 61;
	data[64 * 3 + 62] = '\0';
	text[(63 * 4 + 1) * 3 + 61 * 4] = '\0';
	r.data_size = 255;
	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, "example.org", DNS_PTR);
	put_record(&p, &r, IN);
	snprintf(wanted, sizeof wanted, "FOUND 60 [%s]", text);
	check_packet(&p, "example.org", DNS_PTR, wanted, "the longest");

	data[64 * 3] = 62;
	data[64 * 3 + 62] = 1;
	data[64 * 3 + 63] = '\0';
	r.data_size = 256;
	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, "example.org", DNS_PTR);
	put_record(&p, &r, IN);
	check_packet(&p, "example.org", DNS_PTR, "TROUBLE", "longer");
}

/* The longest name that can be asked for, and pointers that make it longer. */
static void
longest_question(void **state)
{
	static struct packet p;
	char name[300];

	(void)state;
	repeat(name, "x.", 126);
	memcpy(name + 252, "y", 2);
	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, name, DNS_A);
	put_record(&p, &address, IN);
	check_packet(&p, name, DNS_A, "FOUND 300 192.0.2.1", "longest");

	put_head(&p, GOOD, 1, 1, 0, 0);
	put_question(&p, name, DNS_A);
	put_record(&p, &(struct row){ BYTES("\1x" QUESTION), DNS_A, 300,
	    BYTES("\xc0\x00\2\1") }, IN);
	check_packet(&p, name, DNS_A, "TROUBLE", "longer");
}

/* Pointers to pointers: each leads back, but there is an end to it. */
static void
many_jumps(void **state)
{
	static const struct {
		int pointers;
		const char *wanted;
	} table[] = {
		{ 1, "FOUND 300 192.0.2.1" },
		{ 100, "FOUND 300 192.0.2.1" },
		{ 200, "TROUBLE" },
		{ 5000, "TROUBLE" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		static struct packet p;
		struct row r = address;
		char owner[2], what[100];
		size_t at;

		put_head(&p, GOOD, 1, 2, 0, 0);
		put_question(&p, "example.org", DNS_A);
		put(&p, BYTES("\0\0\x63\0\1\0\0\0\0"));	/* a type 99 */
		put_number(&p, 2 * (unsigned)table[i].pointers, 2);
		at = p.size;
		put(&p, BYTES(QUESTION));
		for (int n = 1; n < table[i].pointers; n++, at += 2)
			put_number(&p, 0xc000 | at, 2);
		owner[0] = (char)(0xc0 | at >> 8);
		owner[1] = (char)(at & 0xff);
		r.owner = owner;
		put_record(&p, &r, IN);
		snprintf(what, sizeof what, "%d pointers", table[i].pointers);
		check_packet(&p, "example.org", DNS_A, table[i].wanted, what);
	}
}

/* Any byte of a good packet may be any other: no crash, and no nonsense. */
static void
damaged(void **state)
{
	static struct packet p;
	char text[3 * PRINT_MAX];

	(void)state;
	put_head(&p, GOOD, 1, 2, 0, 1);
	put_question(&p, "example.org", DNS_MX);
	put_record(&p, &(struct row){ BYTES(QUESTION), CNAME, 60,
	    BYTES("\3www" QUESTION) }, IN);
	put_record(&p, &(struct row){ BYTES("\xc0\x29"), DNS_MX, 60,
	    BYTES("\0\12\2mx" QUESTION) }, IN);
	put_record(&p, &(struct row){ BYTES("\0"), OPT, 0, BYTES("") }, 1232);
	check_packet(&p, "example.org", DNS_MX,
	    "FOUND 60 10:[mx.example.org]", "whole");
	for (size_t at = 0; at < p.size; at++) {
		unsigned char before = p.byte[at];

		for (int c = 0; c < 256; c++) {
			const struct dns_answer *a;

			p.byte[at] = (unsigned char)c;
			a = parse(p.byte, p.size, "example.org", DNS_MX);
			print(text, DNS_MX, a);
			dns_release(a);
		}
		p.byte[at] = before;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets),
		cmocka_unit_test(questions),
		cmocka_unit_test(classes),
		cmocka_unit_test(more_behind),
		cmocka_unit_test(many_aliases),
		cmocka_unit_test(many_records),
		cmocka_unit_test(large_answers),
		cmocka_unit_test(long_names),
		cmocka_unit_test(longest_question),
		cmocka_unit_test(many_jumps),
		cmocka_unit_test(damaged),
	};

	return RUN(tests);
}
