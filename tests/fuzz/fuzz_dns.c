/*
 * Packets of the DNS.  The input is a byte that chooses the type, the name that
 * was asked for up to its NUL, and the packet.
 */
#include <stdbool.h>

#include "dnscache.h"
#include "fuzz.h"

static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_PTR,
    DNS_TXT };

/* A text that ends where it says, which for a name is printable. */
static void
check_record(const struct dns_record *r, enum dns_type type)
{
	CHECK(r->text != NULL && r->text[r->size] == '\0');
	switch (type) {
	case DNS_A:
		CHECK(addr_is_ipv4(&r->addr));
		/* FALLTHROUGH */
	case DNS_AAAA:
		CHECK(r->size == 0);
		break;
	case DNS_MX:
	case DNS_PTR:
		for (size_t i = 0; i < r->size; i++)
			CHECK(r->text[i] > ' ' && r->text[i] <= '~');
		CHECK(r->size < 1020 && r->preference <= 65535);
		CHECK(r->size == 0 || r->text[0] != '.');
		break;
	case DNS_TXT:
		CHECK(r->size <= 65535);
		break;
	}
}

static void
check_answer(const struct dns_answer *a, enum dns_type type)
{
	size_t bytes = sizeof *a;

	CHECK((a->status == DNS_FOUND) == (a->count > 0));
	CHECK(a->count <= DNS_RECORDS_MAX && a->bytes <= DNS_ANSWER_MAX);
	CHECK(a->ttl <= INT32_MAX);
	for (size_t i = 0; i < a->count; i++) {
		check_record(&a->record[i], type);
		bytes += sizeof a->record[i] + a->record[i].size + 1;
	}
	CHECK(a->bytes == bytes);
}

static bool
is_same(const struct dns_answer *a, const struct dns_answer *b)
{
	bool same = a->status == b->status && a->ttl == b->ttl &&
	    a->count == b->count && a->bytes == b->bytes;

	for (size_t i = 0; same && i < a->count; i++) {
		const struct dns_record *x = &a->record[i], *y = &b->record[i];

		same = memcmp(&x->addr, &y->addr, sizeof x->addr) == 0 &&
		    x->preference == y->preference && x->size == y->size &&
		    memcmp(x->text, y->text, x->size) == 0;
	}
	return same;
}

/* In memory of exactly this size, so that the sanitizer sees a read past it. */
static const struct dns_answer *
parse(const uint8_t *data, size_t size, const char *name, enum dns_type type)
{
	unsigned char *copy = malloc(size > 0 ? size : 1);
	const struct dns_answer *a;

	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	a = dns_parse(copy, size, name, type);
	CHECK(a != NULL);
	free(copy);
	return a;
}

/* Cut short it says the same, for that was not part of it, or nothing. */
static void
check_cut(const struct dns_answer *a, const struct fuzz_input *in,
    const char *name, enum dns_type type)
{
	for (size_t left = in->left; left > 0; left /= 2) {
		const struct dns_answer *b = parse(in->at, left - 1, name,
		    type);

		CHECK(b->status == DNS_TROUBLE || is_same(a, b));
		dns_release(b);
	}
}

static void
check_cache(const struct dns_answer *a, const char *name, enum dns_type type)
{
	struct dnscache *c = dnscache_new(16 * 200 * 1024);
	const struct dns_answer *b;

	CHECK(c != NULL);
	dnscache_put(c, name, type, a, 1000);
	b = dnscache_get(c, name, type, 1000 + DNSCACHE_TTL_MIN - 1);
	CHECK(b == (a->status != DNS_TROUBLE ? a : NULL));
	dns_release(b);
	CHECK(dnscache_get(c, name, type, 1000 + DNSCACHE_TTL_MAX) == NULL);
	dnscache_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	enum dns_type type = types[fuzz_byte(&in) %
	    (sizeof types / sizeof types[0])];
	char *name = fuzz_field(&in);
	const struct dns_answer *a = parse(in.at, in.left, name, type);

	check_answer(a, type);
	CHECK(dns_is_name(name) || a->status == DNS_TROUBLE);
	check_cut(a, &in, name, type);
	check_cache(a, name, type);
	dns_release(a);
	free(name);
	return 0;
}
