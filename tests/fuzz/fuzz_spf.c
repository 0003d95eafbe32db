/*
 * The whole check.  The input is two bytes, for the client and for what is in
 * trouble; a sender and a HELO name that end with NUL; then records, one a
 * line, as they are published by a.example, b.example and so on.
 *
 * Whatever they say: a verdict, with limits kept; and no question but for what
 * is a name.
 */
#include "../spf/zone.h"
#include "fuzz.h"
#include "spf.h"

#define NAMES	8

static struct zone zone;

/* Between spf.c and the zone: what is asked for is a name, and not too much. */
static struct {
	struct dns dns;
	unsigned asked;
} guard;

static const struct dns_answer *
guard_ask(struct dns *dns, const char *name, enum dns_type type)
{
	(void)dns;
	CHECK(dns_is_name(name));
	CHECK(++guard.asked <= SPF_QUERIES_MAX);
	return zone.dns.ask(&zone.dns, name, type);
}

/* Each name also has an address, an MX that is the next one, and names. */
static void
fill_zone(struct fuzz_input *in, const struct addr *client, unsigned trouble)
{
	for (int i = 0; i < NAMES; i++) {
		char name[] = "a.example", next[] = "a.example";
		const uint8_t *end = in->left == 0 ? NULL :
		    memchr(in->at, '\n', in->left);
		size_t size = end == NULL ? in->left : (size_t)(end - in->at);
		struct addr addr = *client;

		name[0] = (char)('a' + i);
		next[0] = (char)('a' + (i + 1) % NAMES);
		if (trouble >> i & 1)
			zone_add_trouble(&zone, name);
		if (size > 0)
			zone_add(&zone, name, DNS_TXT, NULL, 0,
			    (const char *)in->at, size);
		addr.byte[15] = (unsigned char)(addr.byte[15] + i);
		zone_add_addr(&zone, name, &addr);
		zone_add(&zone, name, DNS_MX, NULL, 10, next, strlen(next));
		in->at += size;
		in->left -= size;
		fuzz_byte(in);
	}
	zone_add(&zone, "7.2.0.192.in-addr.arpa", DNS_PTR, NULL, 0,
	    "a.example", 9);
	zone_add(&zone, "7.2.0.192.in-addr.arpa", DNS_PTR, NULL, 0,
	    "x.b.example", 11);
}

static void
check_answer(const struct spf_answer *a)
{
	CHECK(a->result < SPF_RESULTS);
	CHECK(strlen(a->domain) < sizeof a->domain);
	CHECK(strlen(a->mechanism) < sizeof a->mechanism);
	CHECK(strlen(a->problem) < sizeof a->problem);
	CHECK(strlen(a->explanation) < sizeof a->explanation);
	for (const char *p = a->explanation; *p != '\0'; p++)
		CHECK(*p >= ' ' && *p <= '~');
	CHECK(a->terms <= SPF_TERMS_MAX + 1);
	CHECK(a->voids <= SPF_VOIDS_MAX + 1);
	CHECK(a->terms <= SPF_TERMS_MAX || a->result == SPF_IS_PERMERROR);
	CHECK((a->explanation[0] == '\0') || a->result == SPF_IS_FAIL);
	switch (a->result) {
	case SPF_IS_NONE:
	case SPF_IS_TEMPERROR:
	case SPF_IS_PERMERROR:
		CHECK(a->mechanism[0] == '\0' && a->reason[0] != '\0');
		break;
	default:
		CHECK(a->mechanism[0] != '\0' && a->reason[0] == '\0');
	}
	CHECK(strcmp(a->reason, "libspf2 fails") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const clients[] = {
		"192.0.2.7", "2001:db8::7", "127.0.0.1", "::1"
	};
	static bool opened;
	struct fuzz_input in = { data, size };
	unsigned client = fuzz_byte(&in), trouble = fuzz_byte(&in);
	char *sender = fuzz_field(&in), *helo = fuzz_field(&in);
	struct spf_answer answer;
	struct addr addr;
	struct spf_question q = { .client = &addr, .sender = sender,
	    .helo = helo, .receiver = "mx.example.net", .dns = &guard.dns,
	    .ask_why = true, .explanation = "%{s} %{p}" };

	fuzz_catch_log();
	CHECK(opened || spf_open() == 0);
	opened = true;
	CHECK(addr_parse(&addr, clients[client % 4]) == 0);
	zone_open(&zone);
	fill_zone(&in, &addr, trouble);
	guard.dns.ask = guard_ask;
	guard.asked = 0;
	spf_check(&q, &answer);
	check_answer(&answer);
	guard.asked = 0;
	q.sender = "joe@a.example";
	spf_check(&q, &answer);
	check_answer(&answer);
	zone_close(&zone);
	CHECK(fuzz_check_log() == 0);
	free(sender);
	free(helo);
	return 0;
}
