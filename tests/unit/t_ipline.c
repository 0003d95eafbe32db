/*
 * t_ipline - what each line of a list means.  A line that is not understood is
 * bad; it is never guessed at.
 */
#include <stdlib.h>
#include <string.h>

#include "ipline.h"
#include "unit.h"

/*
 * Wanted is "nothing", "ignored", "bad: " and how the reason begins, "domain
 * NAME", or a network; behind the last two " refuse" or " exempt".
 */
static const struct {
	const char *line, *want;
} rows[] = {
	/* Addresses and networks. */
	{ "192.0.2.1", "192.0.2.1/32" },
	{ "0.0.0.0", "0.0.0.0/32" },
	{ "255.255.255.255", "255.255.255.255/32" },
	{ "192.0.2.0/24", "192.0.2.0/24" },
	{ "192.0.2.1/32", "192.0.2.1/32" },
	{ "10.0.0.0/8", "10.0.0.0/8" },
	{ "2001:db8::1", "2001:db8::1/128" },
	{ "2001:DB8::/32", "2001:db8::/32" },
	{ "2001::/16", "2001::/16" },
	{ "fe80::/64", "fe80::/64" },
	{ "::1", "::1/128" },
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128" },
	{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201/128" },
	{ "::ffff:192.0.2.1", "192.0.2.1/32" },
	{ "::ffff:192.0.2.0/120", "192.0.2.0/24" },
	{ "::ffff:a00:0/104", "10.0.0.0/8" },
	{ "\t 192.0.2.1 \t", "192.0.2.1/32" },
	{ "192.0.2.1\r", "192.0.2.1/32" },
	{ "2001:db8::/32 \r", "2001:db8::/32" },

	/* Three octets and a dot: sendmail's prefix. */
	{ "192.0.2.", "192.0.2.0/24" },
	{ "192.0.", "192.0.0.0/16" },
	{ "10.", "10.0.0.0/8" },
	{ "10. # all of it", "10.0.0.0/8" },
	{ "192.0.2.1.", "bad: not an address" },
	{ "192.0.2./24", "bad" },
	{ "192.0.2..", "bad" },
	{ "192.0.2", "bad: not an address" },
	{ "10", "bad" },

	/* Comments, alone and behind an address. */
	{ "", "nothing" },
	{ " \t\r", "nothing" },
	{ "# 192.0.2.1", "nothing" },
	{ "; list of 5 nets", "nothing" },
	{ "  # indented", "nothing" },
	{ "1.2.3.4 ; note: x", "1.2.3.4/32" },
	{ "1.2.3.4 # x", "1.2.3.4/32" },
	{ "1.2.3.4#x", "1.2.3.4/32" },
	{ "1.2.3.4;x", "1.2.3.4/32" },
	{ "1.2.3.0/24 ; SBL1", "1.2.3.0/24" },
	{ "2001:db8::/32 ; SBL2", "2001:db8::/32" },
	{ "2001:db8::1#x:y", "2001:db8::1/128" },
	{ "# from\xff\x1b[2J", "nothing" },

	/* Words that are no comment. */
	{ "10 entries follow", "bad: words behind" },
	{ "20 Nov 2024", "bad: words behind" },
	{ "192.0.2.1 192.0.2.2", "bad: words behind" },
	{ "192.0.2.0/24 SBL1", "bad: words behind" },
	{ "192.0.2.1 REJECT", "bad: words behind" },
	{ "192.0.2.1,192.0.2.2", "bad" },
	{ "127.0.0.2:2:listed", "bad" },
	{ "0x0a.0.0.1", "bad: not an address" },

	/* Leading zeros: for some programs they are octal. */
	{ "010.0.0.1", "bad: not an address" },
	{ "192.000.002.001", "bad: not an address" },
	{ "192.0.2.01", "bad" },
	{ "00.0.0.0", "bad" },
	{ "192.0.02.", "bad" },

	/* Host bits. */
	{ "192.0.2.1/24", "bad: host bits" },
	{ "192.0.2.1/31", "bad: host bits" },
	{ "2001:db8::1/64", "bad: host bits" },
	{ "::ffff:192.0.2.1/120", "bad: host bits" },
	{ "::ffff:0:0/95", "bad: host bits" },

	/* Lengths. */
	{ "192.0.2.0/33", "bad: bad prefix length" },
	{ "2001:db8::/129", "bad: bad prefix length" },
	{ "192.0.2.0/-1", "bad: bad prefix length" },
	{ "192.0.2.0/+24", "bad: bad prefix length" },
	{ "192.0.2.0/", "bad: bad prefix length" },
	{ "2001:db8::/", "bad: bad prefix length" },
	{ "192.0.2.0/24x", "bad: bad prefix length" },
	{ "192.0.2.0/024", "bad: bad prefix length" },
	{ "2001:db8::/032", "bad: bad prefix length" },
	{ "192.0.2.0/00", "bad: bad prefix length" },
	{ "192.0.2.0/4294967320", "bad: bad prefix length" },
	{ "192.0.2.0/18446744073709551640", "bad: bad prefix length" },
	{ "192.0.2.0/24/24", "bad: bad prefix length" },
	{ "192.0.2.0/255.255.255.0", "bad: bad prefix length" },
	{ "192.0.2.0 /24", "bad: words behind" },
	{ "192.0.2.0/ 24", "bad" },
	{ "/24", "bad" },
	{ "/", "bad" },

	/* So short that it was cut rather than meant. */
	{ "0.0.0.0/0", "bad: prefix too short" },
	{ "192.0.0.0/2", "bad: prefix too short" },
	{ "10.0.0.0/7", "bad: prefix too short" },
	{ "::/0", "bad: prefix too short" },
	{ "2000::/3", "bad: prefix too short" },
	{ "2000::/15", "bad: prefix too short" },
	{ "::ffff:0:0/96", "bad: prefix too short" },
	{ "::ffff:10.0.0.0/103", "bad: prefix too short" },

	/* Not addresses. */
	{ "192.0.2.256", "bad: not an address" },
	{ "192.0.2.1000", "bad: not an address" },
	{ "192.0.2.4294967297", "bad: not an address" },
	{ "192.0.2.1.5", "bad: not an address" },
	{ "192..2.1", "bad: not an address" },
	{ "-192.0.2.1", "bad: not an address" },
	{ "192.0.2.1-192.0.2.9", "bad: not an address" },
	{ "192.0.2.*", "bad: not an address" },
	{ "192.0.2.1\x01", "bad: not an address" },
	{ "\xef\xbb\xbf" "192.0.2.1", "bad: not an address" },
	{ "fe80::1%eth0", "bad: not an address" },
	{ "[2001:db8::1]", "bad: not an address" },
	{ "[192.0.2.1]", "bad: not an address" },
	{ "2001::db8::1", "bad: not an address" },
	{ "1:2:3:4:5:6:7:8:9", "bad: not an address" },
	{ "1:2:3:4:5:6:7", "bad: not an address" },
	{ "2001:db8:::1", "bad: not an address" },
	{ "2001:db8::12345", "bad: not an address" },
	{ "2001:db8::g", "bad: not an address" },
	{ "00:11:22:33:44:55", "bad: not an address" },
	{ "12:30:45", "bad: not an address" },
	{ ":", "bad: not an address" },
	{ "example.com", "bad: not an address" },
	{ "*.example.com", "bad: not an address" },
	{ "x", "bad: not an address" },

	/* Domains. */
	{ ".example.com", "domain example.com" },
	{ ".Mail.EXAMPLE.com # friends", "domain mail.example.com" },
	{ ".xn--bcher-kva.example", "domain xn--bcher-kva.example" },
	{ ".com", "domain com" },
	{ ".", "bad: not a domain" },
	{ "..example.com", "bad: not a domain" },
	{ ".example..com", "bad: not a domain" },
	{ ".example.com.", "bad: not a domain" },
	{ ".exa_mple.com", "bad: not a domain" },
	{ ".b\xc3\xbc" "cher.example", "bad: not a domain" },
	{ ".example.com other", "bad: words behind" },
	{ ".*.example.com", "bad: not a domain" },

	/* Access files: what the right-hand side says. */
	{ "Connect:192.0.2.1\tREJECT", "192.0.2.1/32 refuse" },
	{ "connect:192.0.2.1 reject", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1   \t DISCARD\r", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1 ERROR:5.7.1:550 no", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1 ERROR:\"550 no\"", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1 550 go away", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1 450 later", "192.0.2.1/32 refuse" },
	{ "Connect:192.0.2.1 OK", "192.0.2.1/32 exempt" },
	{ "Connect:192.0.2.1 relay", "192.0.2.1/32 exempt" },
	{ "Connect:192.0.2.1 SKIP", "ignored" },
	{ "Connect:192.0.2.1 250 fine", "ignored" },
	{ "Connect:192.0.2.1 55", "ignored" },
	{ "Connect:192.0.2.1 QUARANTINE:held", "ignored" },
	{ "Connect:192.0.2.1", "bad: nothing behind" },
	{ "Connect:192.0.2.1 \t", "bad: nothing behind" },

	/* And the left-hand side. */
	{ "Connect:10 REJECT", "10.0.0.0/8 refuse" },
	{ "Connect:192.0 REJECT", "192.0.0.0/16 refuse" },
	{ "Connect:192.0.2 REJECT", "192.0.2.0/24 refuse" },
	{ "Connect:192.0.2.0/24 REJECT", "bad: an access file" },
	{ "Connect:IPv6:2001:db8::/32 REJECT", "bad: an access file" },
	{ "Connect:192.0.2. REJECT", "bad: not an address" },
	{ "Connect:192.0.2.256 REJECT", "bad: not an address" },
	{ "Connect:192.0.2.1.5 REJECT", "bad: not an address" },
	{ "Connect:192.0.02 REJECT", "bad: not an address" },
	{ "Connect:IPv6:2001:db8::1 REJECT", "2001:db8::1/128 refuse" },
	{ "Connect:ipv6:2001:DB8::1 OK", "2001:db8::1/128 exempt" },
	{ "Connect:IPv6:1:2:3:4:5:6:7:8 REJECT", "1:2:3:4:5:6:7:8/128 refuse" },
	{ "Connect:IPv6:2001:db8 REJECT", "2001:db8::/32 refuse" },
	{ "Connect:IPv6:2001:db8:0:bad REJECT", "2001:db8:0:bad::/64 refuse" },
	{ "Connect:IPv6:2001 REJECT", "2001::/16 refuse" },
	{ "Connect:IPv6:1:2:3:4:5:6:7 REJECT", "1:2:3:4:5:6:7:0/112 refuse" },
	{ "Connect:IPv6:::ffff:192.0.2.1 REJECT", "192.0.2.1/32 refuse" },
	{ "Connect:IPv6:0:0:0:0:0:ffff:a00 REJECT", "10.0.0.0/16 refuse" },
	/* These would be everybody of IPv4, and much of nobody knows whom. */
	{ "Connect:IPv6:0:0:0:0:0:ffff REJECT", "bad" },
	{ "Connect:IPv6:0:0:0:0:0:ffff OK", "bad" },
	{ "Connect:IPv6: REJECT", "bad" },
	{ "Connect:IPv6:2001: REJECT", "bad" },
	{ "Connect:IPv6:192.0.2.1 REJECT", "bad: not an address" },
	{ "Connect:IPv6:1:2:3:4:5:6:7:8:9 REJECT", "bad: not an address" },
	{ "Connect:IPv6:2001:db8:12345 REJECT", "bad: not an address" },
	{ "Connect:IPv6:000000000000000000000000000000000000000000:1 REJECT",
	    "bad: not an address" },
	{ "Connect:mail.Example.com OK", "domain mail.example.com exempt" },
	{ "Connect:.example.com RELAY", "domain example.com exempt" },
	{ "Connect:123.example.com OK", "domain 123.example.com exempt" },
	{ "Connect:bad_name OK", "bad: not a domain" },
	{ "Connect: OK", "bad" },
	/* Refused by name: the MTA does that. */
	{ "Connect:mail.example.com REJECT", "ignored" },
	{ "Connect:dsl.example.net 550 dial-up", "ignored" },

	/* Lines about something else. */
	{ "From:spammer@example.com REJECT", "ignored" },
	{ "To:user@example.com\tERROR:550 no", "ignored" },
	{ "Spam:example.com FRIEND", "ignored" },
	{ "GreetPause:192.0.2.1 5000", "ignored" },
	{ "ClientRate:192.0.2.1 10", "ignored" },
	{ "ClientConn: 10", "ignored" },
	{ "Srv_Features:192.0.2.1 V", "ignored" },
	{ "TLS_Clt:example.com VERIFY", "ignored" },
	{ "Try_TLS:example.com NO", "ignored" },
	{ "AuthInfo:example.com \"U:x\" \"P=y\"", "ignored" },
	{ "from:192.0.2.1", "ignored" },
	{ "Nonsense:192.0.2.1 REJECT", "bad" },
	{ "Connected:192.0.2.1 REJECT", "bad" },
};

static const char *
say(const struct ipline *l, char *out, size_t size)
{
	static const char *const says[] = { "", " refuse", " exempt" };
	char network[ADDR_TEXT_MAX];

	switch (l->kind) {
	case IPLINE_NOTHING:
		return "nothing";
	case IPLINE_IGNORED:
		return "ignored";
	case IPLINE_BAD:
		snprintf(out, size, "bad: %s", l->wrong);
		break;
	case IPLINE_NETWORK:
		snprintf(out, size, "%s%s", addr_print_network(&l->addr,
		    l->bits, network), says[l->says]);
		break;
	case IPLINE_DOMAIN:
		snprintf(out, size, "domain %s%s", l->domain, says[l->says]);
		break;
	}
	return out;
}

/* No byte too many is behind the line, so that a watcher sees an overrun. */
static void
check(const char *line, size_t size, const char *want)
{
	char *copy = malloc(size + 1), got[1200];
	size_t length = strlen(want);
	struct ipline l;

	assert_non_null(copy);
	memcpy(copy, line, size);
	copy[size] = '\0';
	ipline_parse(&l, copy, size);
	/* A reason need not be repeated here word for word. */
	if (strncmp(want, "bad", 3) != 0)
		length++;
	CHECK(strncmp(say(&l, got, sizeof got), want, length) == 0,
	    "\"%.80s\": got \"%s\", want \"%s\"", line, got, want);
	free(copy);
}

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].line, strlen(rows[i].line), rows[i].want);
}

static void
test_nul(void **state)
{
	static const char inside[] = "192.0.2.1\0.5", alone[] = "",
	    behind[] = "192.0.2.1";

	(void)state;
	check(inside, sizeof inside - 1, "bad");
	check(alone, 1, "bad");
	check(behind, sizeof behind, "bad");
}

/* The beginning of a line, made longer by what follows it. */
static void
test_long(void **state)
{
	static const struct {
		const char *begin;
		char filler;
		size_t size;
		const char *want;
	} lines[] = {
		{ "192.0.2.1 #", 'x', IPLINE_MAX, "192.0.2.1/32" },
		{ "192.0.2.1 #", 'x', IPLINE_MAX + 1, "bad: line too long" },
		{ "192.0.2.1", ' ', IPLINE_MAX, "192.0.2.1/32" },
		{ "192.0.2.1", ' ', IPLINE_MAX + 1, "bad: line too long" },
		{ "#", '#', IPLINE_MAX, "nothing" },
		{ "#", '#', IPLINE_MAX + 1, "bad: line too long" },
		{ "", '1', IPLINE_MAX, "bad: not an address" },
		{ "", ':', IPLINE_MAX, "bad: not an address" },
		{ "", '.', IPLINE_MAX, "bad: not a domain" },
		{ "Connect:IPv6:", ':', IPLINE_MAX, "bad" },
		{ "Connect:IPv6:1", '0', IPLINE_MAX, "bad" },
		{ "192.0.2.0/", '2', IPLINE_MAX, "bad: bad prefix length" },
		{ "", 'x', 70000, "bad: line too long" },
	};
	static char line[70001];

	(void)state;
	assert_int_equal(IPLINE_MAX, 1022);
	for (size_t i = 0; i < COUNT(lines); i++) {
		size_t begin = strlen(lines[i].begin);

		memcpy(line, lines[i].begin, begin);
		memset(line + begin, lines[i].filler, lines[i].size - begin);
		line[lines[i].size] = '\0';
		check(line, lines[i].size, lines[i].want);
	}
}

/* RFC 1035: 253 bytes, written as text. */
static void
test_long_domain(void **state)
{
	char want[300], text[300];

	(void)state;
	for (int size = 253; size <= 254; size++) {
		snprintf(text, sizeof text, ".%0*d", size, 0);
		snprintf(want, sizeof want, "domain %0*d", size, 0);
		check(text, strlen(text), size == 253 ? want :
		    "bad: not a domain");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_long_domain),
	};

	return RUN(tests);
}
