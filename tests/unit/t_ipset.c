/*
 * t_ipset - a set gives the same answers as a model that asks each network in
 * turn.  The random sets are the same in every run.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipset.h"
#include "unit.h"

#define NETWORKS_MAX	300
#define IPV4		ADDR_IPV4_BITS

struct network {
	struct addr addr;
	int bits, list;
};

static struct network model[NETWORKS_MAX];
static size_t model_count;

static uint64_t random_state;

static unsigned
random_below(unsigned limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % limit;
}

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
add(const struct addr *addr, int bits, int list)
{
	assert_true(model_count < NETWORKS_MAX);
	model[model_count++] = (struct network){ *addr, bits, list };
}

/* The set of what add() was given since the last one. */
static struct ipset *
build(int keep_below)
{
	struct ipset_builder *b = ipset_begin();
	struct ipset *set;

	assert_non_null(b);
	for (size_t i = 0; i < model_count; i++)
		assert_int_equal(ipset_add(b, &model[i].addr, model[i].bits,
		    model[i].list), 0);
	set = ipset_build(b, keep_below);
	assert_non_null(set);
	return set;
}

/*
 * A client over IPv4 is on no network of IPv6, not even on one short enough
 * to hold all mapped addresses.
 */
static bool
is_in(const struct addr *addr, const struct network *n)
{
	struct addr masked = *addr, first = n->addr;

	addr_mask(&masked, n->bits);
	addr_mask(&first, n->bits);
	if (memcmp(&masked, &first, sizeof masked) != 0)
		return false;
	return !addr_is_ipv4(addr) || n->bits >= IPV4;
}

static uint64_t
model_find(const struct addr *addr)
{
	uint64_t lists = 0;

	for (size_t i = 0; i < model_count; i++)
		if (is_in(addr, &model[i]))
			lists |= (uint64_t)1 << model[i].list;
	return lists;
}

static void
probe(const struct ipset *set, const struct addr *addr, const char *name)
{
	uint64_t got = ipset_find(set, addr), want = model_find(addr);
	char text[ADDR_TEXT_MAX];

	CHECK(got == want, "%s: %s got %llx want %llx", name,
	    addr_print(addr, text), (unsigned long long)got,
	    (unsigned long long)want);
}

/* The address before (by -1) or behind (by 1) this one. */
static struct addr
neighbour(struct addr a, int by)
{
	for (int i = 15; i >= 0; i--) {
		a.byte[i] = (unsigned char)(a.byte[i] + by);
		if (a.byte[i] != (by == 1 ? 0x00 : 0xff))
			break;
	}
	return a;
}

static struct addr
last_of(const struct network *n)
{
	struct addr a = n->addr;

	addr_mask(&a, n->bits);
	for (int bit = n->bits; bit < ADDR_BITS; bit++)
		a.byte[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
	return a;
}

/* Both ends of a network, and what is next to them on either side. */
static void
probe_ends(const struct ipset *set, const struct network *n, const char *name)
{
	struct addr first = n->addr, last = last_of(n), beside;

	addr_mask(&first, n->bits);
	probe(set, &first, name);
	probe(set, &last, name);
	beside = neighbour(first, -1);
	probe(set, &beside, name);
	beside = neighbour(last, 1);
	probe(set, &beside, name);
}

/* At both ends of each family. */
static void
probe_family_ends(const struct ipset *set, const char *name)
{
	static const char *const ends[] = {
		"0.0.0.0", "0.0.0.1", "255.255.255.254", "255.255.255.255",
		"::", "::1", "::fffe:ffff:ffff", "::1:0:0:0",
		"ffff:ffff:ffff:ffff::",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};

	for (size_t i = 0; i < COUNT(ends); i++) {
		struct addr a = address(ends[i]);

		probe(set, &a, name);
	}
}

/* --- sets made by hand: "NETWORK/BITS=LIST ..." */

static void
add_text(const char *networks)
{
	char text[400], *rest = text, *word;

	model_count = 0;
	assert_true(strlen(networks) < sizeof text);
	memcpy(text, networks, strlen(networks) + 1);
	while ((word = strsep(&rest, " ")) != NULL) {
		char *bits = strchr(word, '/'), *list;
		struct addr a;
		int n;

		if (bits == NULL)
			continue;
		*bits++ = '\0';
		a = address(word);
		n = (int)strtol(bits, &list, 10);
		add(&a, n + (strchr(word, ':') == NULL ? IPV4 : 0),
		    (int)strtol(list + 1, NULL, 10));
	}
}

static const struct {
	const char *networks, *client;
	uint64_t want;
} by_hand[] = {
	{ "", "192.0.2.1", 0 },
	{ "", "2001:db8::1", 0 },
	{ "192.0.2.1/32=0", "192.0.2.1", 1 },
	{ "192.0.2.1/32=0", "192.0.2.0", 0 },
	{ "192.0.2.1/32=0", "::ffff:192.0.2.1", 1 },
	{ "::ffff:192.0.2.0/120=3", "192.0.2.9", 8 },
	/* The bits behind the prefix say nothing. */
	{ "10.1.2.3/8=0 2001:db8:1::1/32=1", "10.9.9.9", 1 },
	{ "10.1.2.3/8=0 2001:db8:1::1/32=1", "2001:db8:2::2", 2 },
	/* Every network counts, inner and outer, in any order. */
	{ "10.0.0.0/8=1 10.1.0.0/16=2", "10.1.0.1", 6 },
	{ "10.1.0.0/16=2 10.0.0.0/8=1", "10.1.0.1", 6 },
	{ "10.1.0.0/16=2 10.0.0.0/8=1", "10.2.0.1", 2 },
	{ "10.0.0.0/8=0 10.1.0.0/16=0 10.1.1.1/32=0", "10.1.1.1", 1 },
	{ "10.0.0.0/8=0 10.1.1.1/32=1 10.1.1.2/32=1", "10.1.1.3", 1 },
	{ "10.1.1.1/32=5 10.1.1.1/32=5 10.1.1.1/32=63", "10.1.1.1",
	    (uint64_t)1 << 63 | 1 << 5 },
	/* Nearly adjacent. */
	{ "10.0.0.1/32=0 10.0.0.3/32=0", "10.0.0.2", 0 },
	{ "2001:db8::1/128=0 2001:db8::3/128=0", "2001:db8::2", 0 },
	/* Adjacent, within and across a border of /16. */
	{ "10.0.0.0/9=0 10.128.0.0/9=0", "10.127.255.255", 1 },
	{ "10.0.0.0/9=0 10.128.0.0/9=0", "10.128.0.0", 1 },
	{ "10.0.255.255/32=0 10.1.0.0/32=0", "10.1.0.0", 1 },
	{ "10.0.255.255/32=0 10.1.0.0/32=0", "10.1.0.1", 0 },
	{ "10.0.255.255/32=0 10.1.0.0/32=1", "10.0.255.255", 1 },
	/* The whole of each family, and its ends. */
	{ "0.0.0.0/0=0 ::/0=1", "255.255.255.255", 1 },
	{ "0.0.0.0/0=0 ::/0=1", "0.0.0.0", 1 },
	{ "0.0.0.0/0=0 ::/0=1", "::", 2 },
	{ "0.0.0.0/0=0 ::/0=1",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2 },
	{ "0.0.0.0/8=0 255.0.0.0/8=1", "0.255.255.255", 1 },
	{ "0.0.0.0/8=0 255.0.0.0/8=1", "255.0.0.0", 2 },
	{ "0.0.0.0/32=0 255.255.255.255/32=1", "255.255.255.255", 2 },
	{ "::/128=0", "::", 1 },
	{ "::/128=0", "0.0.0.0", 0 },
	/* Short and long prefixes are kept in different places. */
	{ "2001:db8::/64=0 2001:db8::5/128=1", "2001:db8::5", 3 },
	{ "2001:db8::/64=0 2001:db8::5/128=1", "2001:db8::6", 1 },
	{ "2001:db8::/65=0", "2001:db8::8000:0:0:0", 0 },
	{ "2001:db8::/65=0", "2001:db8::7fff:ffff:ffff:ffff", 1 },
	{ "2001:db8::/65=0 2001:db8::8000:0:0:0/65=0",
	    "2001:db8::8000:0:0:0", 1 },
	/* A network of IPv6 around the mapped ones is not of IPv4. */
	{ "::/16=0", "10.0.0.1", 0 },
	{ "::/16=0", "::fffe:a00:1", 1 },
};

static void
test_by_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(by_hand); i++) {
		struct addr client = address(by_hand[i].client);
		struct ipset *set;

		add_text(by_hand[i].networks);
		set = build(0);
		CHECK(ipset_find(set, &client) == by_hand[i].want, "%s in %s",
		    by_hand[i].client, by_hand[i].networks);
		CHECK(ipset_size(set) > 0, "%s", by_hand[i].networks);
		for (size_t n = 0; n < model_count; n++)
			probe_ends(set, &model[n], by_hand[i].networks);
		probe_family_ends(set, by_hand[i].networks);
		ipset_free(set);
	}
}

/* --- random sets */

/* The bytes of addresses, so few that networks meet: 0 is any. */
enum shape { ANY, CROWDED, ENDS };

static unsigned char
random_byte(enum shape shape)
{
	static const unsigned char crowded[] = { 0, 1, 2, 3, 127, 128, 254,
	    255 };

	switch (shape) {
	case CROWDED:
		return crowded[random_below(sizeof crowded)];
	case ENDS:
		return random_below(8) == 0 ? 1 :
		    random_below(2) == 0 ? 0 : 255;
	case ANY:
		break;
	}
	return (unsigned char)random_below(256);
}

static struct addr
random_address(bool ipv4, enum shape shape)
{
	struct addr a = address("::ffff:0.0.0.0");

	for (size_t i = ipv4 ? 12 : 0; i < sizeof a.byte; i++)
		a.byte[i] = random_byte(shape);
	return a;
}

static const struct row {
	const char *name;
	uint64_t seed;
	unsigned percent_ipv4;
	enum shape shape;
	int shortest4, shortest6;
	size_t networks;
	unsigned lists;
} random_rows[] = {
	{ "IPv4 crowded", 1, 100, CROWDED, 8, 16, 250, 5 },
	{ "IPv4 at the ends", 2, 100, ENDS, 0, 16, 200, 4 },
	{ "IPv4 long", 3, 100, CROWDED, 28, 16, 300, 3 },
	{ "IPv4 anywhere", 4, 100, ANY, 8, 16, 300, 64 },
	{ "IPv6 crowded", 5, 0, CROWDED, 8, 16, 250, 5 },
	{ "IPv6 at the ends", 6, 0, ENDS, 8, 0, 200, 4 },
	{ "IPv6 around 64", 7, 0, ENDS, 8, 60, 250, 6 },
	{ "IPv6 long", 8, 0, ENDS, 8, 120, 250, 3 },
	{ "both", 9, 50, CROWDED, 8, 16, 300, 64 },
	{ "one list", 10, 50, CROWDED, 8, 16, 300, 1 },
	{ "one network", 11, 50, ANY, 8, 16, 1, 1 },
};

static struct ipset *
build_random(const struct row *r)
{
	model_count = 0;
	random_state = r->seed * 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < r->networks; i++) {
		bool ipv4 = random_below(100) < r->percent_ipv4;
		struct addr a = random_address(ipv4, r->shape);
		int least = ipv4 ? IPV4 + r->shortest4 : r->shortest6;

		add(&a, least + (int)random_below(
		    (unsigned)(ADDR_BITS + 1 - least)),
		    (int)random_below(r->lists));
	}
	return build(64);
}

static void
test_random(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(random_rows); i++) {
		const struct row *r = &random_rows[i];
		struct ipset *set = build_random(r);

		for (size_t n = 0; n < model_count; n++)
			probe_ends(set, &model[n], r->name);
		probe_family_ends(set, r->name);
		for (int n = 0; n < 300; n++) {
			struct addr a = random_address(
			    random_below(100) < r->percent_ipv4, r->shape);

			probe(set, &a, r->name);
		}
		ipset_free(set);
	}
}

/* --- many lists */

/* Each list holds one bit less of the same address than the list before. */
static void
test_nested(void **state)
{
	static const struct {
		const char *client;
		int bits;	/* of list 0; list n has n more */
		int lists;
	} rows[] = {
		{ "203.0.113.90", IPV4, 33 },
		{ "2001:db8:5a5a:a5a5:1234:5678:9abc:def0", 0, 64 },
		{ "2001:db8:5a5a:a5a5:1234:5678:9abc:def0", 65, 64 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 32, 64 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr client = address(rows[i].client), other;
		uint64_t all = ~(uint64_t)0 >> (64 - rows[i].lists);
		struct ipset *set;

		model_count = 0;
		for (int n = rows[i].lists - 1; n >= 0; n--)
			add(&client, rows[i].bits + n, n);
		set = build(0);
		CHECK(ipset_find(set, &client) == all, "%s", rows[i].client);
		for (int bit = 0; bit < ADDR_BITS; bit++) {
			other = client;
			other.byte[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
			probe(set, &other, rows[i].client);
		}
		ipset_free(set);
	}
}

/*
 * More combinations than there are classes.  Lists 0 and 1 are the white ones:
 * nobody on one of them may be refused for it, nobody on another may escape.
 */
#define COMBINATIONS	(IPSET_CLASSES_MAX + 500)

static void
add_lists(struct ipset_builder *b, const struct addr *a, uint64_t lists)
{
	for (int list = 0; list < IPSET_LISTS_MAX; list++)
		if ((lists >> list & 1) != 0)
			assert_int_equal(ipset_add(b, a, IPV4 + 24, list), 0);
}

/* Each number from 1 is another one. */
static uint64_t
combination(unsigned i)
{
	return (uint64_t)i << 2 | i * 3 % 4;
}

static struct addr
combination_address(unsigned i)
{
	struct addr a = address("10.0.0.0");

	a.byte[13] = (unsigned char)(i >> 8);
	a.byte[14] = (unsigned char)i;
	return a;
}

static void
test_degradation(void **state)
{
	static const struct {
		unsigned combinations;
		bool all_kept;
	} rows[] = {
		{ 900, true }, { COMBINATIONS, false },
	};

	(void)state;
	for (size_t r = 0; r < COUNT(rows); r++) {
		struct ipset_builder *b = ipset_begin();
		struct ipset *set;
		unsigned lost = 0;

		for (unsigned i = 1; i <= rows[r].combinations; i++) {
			struct addr a = combination_address(i);

			add_lists(b, &a, combination(i));
		}
		set = ipset_build(b, 2);
		assert_non_null(set);
		for (unsigned i = 1; i <= rows[r].combinations; i++) {
			struct addr a = combination_address(i);
			uint64_t all = combination(i);
			uint64_t got = ipset_find(set, &a);

			CHECK((got & ~all) == 0, "%u: it is not on it", i);
			CHECK((got & all & -all) != 0, "%u: not found", i);
			/* The first of these is what is left of them. */
			CHECK(i % 4 != 1 || (got & 7) == 7, "%u: %llx", i,
			    (unsigned long long)got);
			lost += got != all;
		}
		CHECK((lost == 0) == rows[r].all_kept, "%u lost", lost);
		ipset_free(set);
	}
}

/* --- many networks: the index grows, so buckets become smaller than /16 */

#define MANY	280000u		/* every second address from 10.0.0.0 */

/* Their numbers, each once and in no order. */
static uint32_t
shuffled(uint32_t i)
{
	return (uint32_t)((uint64_t)i * 99991 % MANY);
}

static struct addr
ipv4_address(uint32_t v4)
{
	struct addr a = address("0.0.0.0");

	for (int i = 15; i >= 12; i--, v4 >>= 8)
		a.byte[i] = (unsigned char)v4;
	return a;
}

static void
test_many(void **state)
{
	const uint32_t first = 10u << 24;
	struct ipset_builder *b = ipset_begin();
	struct addr a = ipv4_address(first);
	struct ipset *set;

	(void)state;
	assert_non_null(b);
	assert_int_equal(ipset_add(b, &a, IPV4 + 8, 3), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		a = ipv4_address(first + 2 * shuffled(i));
		assert_int_equal(ipset_add(b, &a, IPV4 + 32,
		    (int)(shuffled(i) % 3)), 0);
	}
	set = ipset_build(b, 0);
	assert_non_null(set);
	assert_true(ipset_size(set) > 2 * MANY * sizeof(uint32_t));
	for (uint32_t n = 0; n < 2 * MANY + 200; n++) {
		uint64_t want = 8;

		if (n > 1000 && n < 2 * MANY - 1000 && n % 61 != 0)
			continue;	/* they are many */
		if (n % 2 == 0 && n < 2 * MANY)
			want |= (uint64_t)1 << n / 2 % 3;
		a = ipv4_address(first + n);
		CHECK(ipset_find(set, &a) == want, "number %u", n);
	}
	a = ipv4_address(first - 1);
	assert_int_equal(ipset_find(set, &a), 0);
	a = ipv4_address(first + (1u << 24));
	assert_int_equal(ipset_find(set, &a), 0);
	ipset_free(set);
}

static void
test_cancel(void **state)
{
	struct ipset_builder *b = ipset_begin();
	struct addr a = address("192.0.2.1"), a6 = address("2001:db8::");

	(void)state;
	assert_non_null(b);
	assert_int_equal(ipset_add(b, &a, ADDR_BITS, 0), 0);
	assert_int_equal(ipset_add(b, &a6, 32, 0), 0);
	ipset_cancel(b);
	ipset_cancel(NULL);
	ipset_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_degradation),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_cancel),
	};

	return RUN(tests);
}
