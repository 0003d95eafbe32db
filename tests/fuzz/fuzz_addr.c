/*
 * Addresses: what was read prints as what reads the same; masks are those a
 * loop over single bits makes; the parts of a mailbox lie inside it.
 *
 * The input is a text; its first 18 bytes are also the bytes of an address
 * and two numbers of bits.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdbool.h>
#include <strings.h>

#include "addr.h"
#include "fuzz.h"

static bool
equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static bool
bit(const struct addr *a, int n)
{
	return a->byte[n / 8] >> (7 - n % 8) & 1;
}

static void
check_mask(const struct addr *a, int bits)
{
	struct addr masked = *a;

	addr_mask(&masked, bits);
	for (int n = 0; n < ADDR_BITS; n++)
		CHECK(bit(&masked, n) == (n < bits && bit(a, n)));
}

static void
check_print(const struct addr *a, int bits)
{
	char text[ADDR_TEXT_MAX], network[ADDR_TEXT_MAX], want[ADDR_TEXT_MAX];
	struct addr again;
	bool ipv4 = addr_is_ipv4(a);

	CHECK(addr_print(a, text) == text);
	CHECK(addr_parse(&again, text) == 0 && equal(&again, a));
	CHECK(ipv4 == (strchr(text, ':') == NULL));
	CHECK(text[strcspn(text, "ABCDEF%[]")] == '\0');

	CHECK(addr_print_network(a, bits, network) == network);
	snprintf(want, sizeof want, "%.48s/%d", text,
	    ipv4 && bits >= ADDR_IPV4_BITS ? bits - ADDR_IPV4_BITS : bits);
	CHECK(strcmp(network, want) == 0);
}

static void
check_sockaddr(const struct addr *a)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	const struct sockaddr other = { .sa_family = AF_UNIX };
	struct addr got;

	memcpy(&six.sin6_addr, a->byte, sizeof a->byte);
	CHECK(addr_from_sockaddr(&got, (struct sockaddr *)&six) == 0);
	CHECK(equal(&got, a));
	memcpy(&four.sin_addr, a->byte + 12, 4);
	CHECK(addr_from_sockaddr(&got, (struct sockaddr *)&four) == 0);
	CHECK(addr_is_ipv4(&got) &&
	    memcmp(got.byte + 12, a->byte + 12, 4) == 0);
	CHECK(addr_from_sockaddr(&got, &other) == -1);
	CHECK(addr_from_sockaddr(&got, NULL) == -1);
}

static void
check_address(const struct addr *a, int bits)
{
	struct addr network = { .byte = { [10] = 0xff, [11] = 0xff, 127 } };
	struct addr masked = *a;

	check_print(a, bits);
	check_mask(a, bits);
	check_sockaddr(a);
	addr_mask(&masked, ADDR_IPV4_BITS + 8);
	if (addr_is_ipv4(a))
		CHECK(addr_is_loopback(a) == equal(&masked, &network));
}

static void
check_text(const char *text)
{
	const struct addr untouched = { .byte = { 1, 2, 3, 4 } };
	struct addr a = untouched;
	unsigned char raw[16];

	if (addr_parse(&a, text) == 0)
		check_address(&a, ADDR_BITS);
	else {
		CHECK(equal(&a, &untouched));
		CHECK(inet_pton(AF_INET, text, raw) != 1);
		CHECK(inet_pton(AF_INET6, text, raw) != 1);
	}
}

static bool
is_role_text(const char *local, size_t size)
{
	return (size == 5 && strncasecmp(local, "abuse", 5) == 0) ||
	    (size == 7 && strncasecmp(local, "\"abuse\"", 7) == 0) ||
	    (size == 10 && strncasecmp(local, "postmaster", 10) == 0) ||
	    (size == 12 && strncasecmp(local, "\"postmaster\"", 12) == 0);
}

/*
 * Local part, @ and domain lie behind one another and reach to the end, or
 * to the > that closes the path; what precedes them is < and a route.
 */
static void
check_mailbox(const char *path)
{
	const char *end = path + strlen(path), *local_end;
	struct addr_mailbox m;

	addr_mailbox(&m, path);
	if (end - path >= 2 && path[0] == '<' && end[-1] == '>')
		end--;
	CHECK(m.local >= path && m.local_size <= (size_t)(end - m.local));
	CHECK(m.domain >= m.local && m.domain <= end);
	CHECK(m.domain + m.domain_size == end);
	local_end = m.local + m.local_size;
	if (local_end < end)
		CHECK(*local_end == '@' && m.domain == local_end + 1);
	else
		CHECK(m.domain_size == 0);
	if (m.local > path + 1)
		CHECK(m.local[-1] == ':' && path[*path == '<'] == '@');
	if (memchr(m.local, '"', (size_t)(end - m.local)) == NULL &&
	    memchr(m.local, '\\', (size_t)(end - m.local)) == NULL)
		CHECK(memchr(m.domain, '@', m.domain_size) == NULL);
	CHECK(addr_is_role(path) == is_role_text(m.local, m.local_size));
}

/* In <> an address means the same. */
static void
check_brackets(const char *text)
{
	size_t size = strlen(text);
	char *path = malloc(size + 3);

	CHECK(path != NULL);
	snprintf(path, size + 3, "<%s>", text);
	check_mailbox(path);
	if (text[0] != '<')
		CHECK(addr_is_role(path) == addr_is_role(text));
	free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *text = fuzz_field(&in);
	struct addr a;

	check_text(text);
	check_mailbox(text);
	check_brackets(text);
	free(text);
	if (size >= sizeof a + 1) {
		memcpy(&a, data, sizeof a);
		check_address(&a, data[sizeof a] % (ADDR_BITS + 1));
		/* Few random bytes are IPv4 or loopback. */
		memcpy(&a, &(struct addr){ .byte =
		    { [10] = 0xff, [11] = 0xff } }, 12);
		check_address(&a, data[sizeof a] % (ADDR_BITS + 1));
	}
	return 0;
}
