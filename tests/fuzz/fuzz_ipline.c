/*
 * A line of a list file: what a good one yields is a network or domain that
 * reads the same when printed, blanks and comments change nothing, and for
 * IPv4 inet_pton(3) is of the same opinion.
 */
#include <arpa/inet.h>

#include <ctype.h>
#include <stdbool.h>

#include "fuzz.h"
#include "ipline.h"

/* A line in memory of its own; l.domain points into it. */
struct parsed {
	struct ipline l;
	char *line;
};

/* Parse the size bytes with what is put before and behind them. */
static struct parsed
parse(const char *before, const void *bytes, size_t size, const char *behind)
{
	size_t head = strlen(before), tail = strlen(behind);
	struct parsed p;

	memset(&p.l, 0, sizeof p.l);
	p.line = malloc(head + size + tail + 1);
	CHECK(p.line != NULL);
	memcpy(p.line, before, head);
	if (size > 0)
		memcpy(p.line + head, bytes, size);
	memcpy(p.line + head + size, behind, tail + 1);
	ipline_parse(&p.l, p.line, head + size + tail);
	return p;
}

static bool
same(const struct ipline *a, const struct ipline *b)
{
	if (a->kind != b->kind || a->says != b->says)
		return false;
	if (a->kind == IPLINE_DOMAIN)
		return strcmp(a->domain, b->domain) == 0;
	return a->kind != IPLINE_NETWORK || (a->bits == b->bits &&
	    memcmp(&a->addr, &b->addr, sizeof a->addr) == 0);
}

static void
check_network(const struct ipline *l)
{
	char text[ADDR_TEXT_MAX];
	struct addr masked = l->addr;
	struct parsed again;
	int ipv4_bits = l->bits - ADDR_IPV4_BITS;

	if (addr_is_ipv4(&l->addr) && ipv4_bits >= 0)
		CHECK(ipv4_bits >= IPLINE_IPV4_MIN && ipv4_bits <= 32);
	else
		CHECK(l->bits >= IPLINE_IPV6_MIN && l->bits <= ADDR_BITS);
	addr_mask(&masked, l->bits);
	CHECK(memcmp(&masked, &l->addr, sizeof masked) == 0);

	addr_print_network(&l->addr, l->bits, text);
	again = parse("", text, strlen(text), "");
	CHECK(again.l.kind == IPLINE_NETWORK && again.l.bits == l->bits);
	CHECK(memcmp(&again.l.addr, &l->addr, sizeof l->addr) == 0);
	free(again.line);
}

static void
check_domain(const struct parsed *p, size_t size)
{
	const char *name = p->l.domain;
	size_t length = strlen(name);

	CHECK(name >= p->line && name + length <= p->line + size);
	CHECK(length > 0 && length < 254);
	CHECK(name[0] != '.' && name[length - 1] != '.');
	CHECK(strstr(name, "..") == NULL);
	for (; *name != '\0'; name++)
		CHECK(islower((unsigned char)*name) ||
		    isdigit((unsigned char)*name) || strchr(".-", *name));
}

/* 24, neither 024 nor +24; -1 when it is not a length. */
static long
length_of(const char *text)
{
	long n = strtol(text, NULL, 10);
	char back[24];

	snprintf(back, sizeof back, "%ld", n);
	return strcmp(back, text) == 0 && n >= 0 && n <= 32 ? n : -1;
}

/* Three octets and a dot, or fewer of them, with zeros in place of the rest. */
static bool
is_prefix(const char *text)
{
	char whole[48];
	struct in_addr four;
	size_t dots = 0;

	for (const char *p = text; *p != '\0'; p++)
		dots += *p == '.';
	snprintf(whole, sizeof whole, "%s%s", text,
	    dots <= 3 ? &"0.0.0"[2 * (dots - 1)] : "");
	return inet_pton(AF_INET, whole, &four) == 1;
}

/* Whether digits, dots and slashes are a line to take. */
static bool
is_ipv4(char *text)
{
	char *slash = strchr(text, '/');
	struct in_addr four;
	long bits = 32;

	if (slash == NULL && text[strlen(text) - 1] == '.')
		return is_prefix(text);
	if (slash != NULL) {
		*slash = '\0';
		bits = length_of(slash + 1);
	}
	return inet_pton(AF_INET, text, &four) == 1 &&
	    bits >= IPLINE_IPV4_MIN && (bits == 32 ||
	    (ntohl(four.s_addr) & UINT32_MAX >> bits) == 0);
}

static void
check_ipv4(const struct ipline *l, const uint8_t *data, size_t size)
{
	char text[32];

	if (size == 0 || size >= sizeof text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (strspn(text, "0123456789./") == size)
		CHECK((l->kind == IPLINE_NETWORK) == is_ipv4(text));
}

static void
check_variants(const struct parsed *p, const uint8_t *data, size_t size)
{
	static const char *const behind[] = { "\r", " ", "\t \r" };
	static const char *const comment[] = {
		" ; SBL1", " # x ; y", "#", ";1.2.3.4"
	};
	struct parsed other;

	other = parse(" \t", data, size, "");
	CHECK(same(&p->l, &other.l));
	free(other.line);
	for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++) {
		other = parse("", data, size, behind[i]);
		CHECK(same(&p->l, &other.l));
		free(other.line);
	}
	/* In an access file what stands behind is the value. */
	if (p->l.kind > IPLINE_DOMAIN || p->l.says != IPLINE_SILENT)
		return;
	for (size_t i = 0; i < sizeof comment / sizeof comment[0]; i++) {
		other = parse("", data, size, comment[i]);
		CHECK(same(&p->l, &other.l));
		free(other.line);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parsed p = parse("", data, size, "");

	switch (p.l.kind) {
	case IPLINE_NETWORK:
		check_network(&p.l);
		break;
	case IPLINE_DOMAIN:
		check_domain(&p, size);
		break;
	case IPLINE_BAD:
		CHECK(p.l.wrong != NULL && p.l.wrong[0] != '\0');
		break;
	case IPLINE_NOTHING:
	case IPLINE_IGNORED:
		break;
	default:
		CHECK(!"a kind there is not");
	}
	if (size > IPLINE_MAX || memchr(data, '\0', size) != NULL)
		CHECK(p.l.kind == IPLINE_BAD);
	else if (size < IPLINE_MAX - 10)
		check_variants(&p, data, size);

	check_ipv4(&p.l, data, size);
	free(p.line);
	return 0;
}
