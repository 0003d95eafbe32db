/*
 * t_resolver - what the resolver says without asking anybody.
 */
#include <string.h>

#include "clock.h"
#include "log.h"
#include "resolver.h"
#include "scratch.h"

#define CACHE	65536

/* Nobody listens there (RFC 863), and it must not matter. */
static const struct options_list nobody = { { "127.0.0.1:9" }, 1 };

static void
bad_servers(void **state)
{
	static const struct {
		struct options_list list;
		const char *wanted;	/* in the log */
	} table[] = {
		{ { { "192.0.2.1" }, 1 }, "" },
		{ { { "192.0.2.1:5353", "[2001:db8::1]:53" }, 2 }, "" },
		{ { { "192.0.2.1", "ns.example" }, 2 },
		    "test: ns.example: not the address of a name server\n" },
		{ { { "192.0.2.1:0" }, 1 },
		    "test: 192.0.2.1:0: not the address of a name server\n" },
		{ { { "::1", "::2", "::3", "::4", "::5", "::6", "::7", "::8" },
		    8 }, "" },
		{ { { "::1", "::2", "::3", "::4", "::5", "::6", "::7", "::8",
		    "::9" }, 9 }, "test: ::9: more than 8 name servers\n" },
	};

	(void)state;
	scratch_logged();
	for (size_t i = 0; i < COUNT(table); i++) {
		struct resolver *r = resolver_new(&table[i].list, CACHE);
		const char *log = scratch_logged();

		CHECK(strcmp(log, table[i].wanted) == 0, "row %zu: %s", i, log);
		CHECK((r != NULL) == (log[0] == '\0'), "row %zu", i);
		resolver_free(r);
	}
}

/* Servers that were given are not read again. */
static void
given(void **state)
{
	struct resolver *r = resolver_new(&nobody, CACHE);

	(void)state;
	assert_non_null(r);
	scratch_logged();
	assert_int_equal(resolver_load(r), 0);
	assert_false(resolver_changed(r, 0));
	assert_string_equal(scratch_logged(), "");
	resolver_free(r);
}

static void
not_asked(void **state)
{
	static const struct {
		const char *name;
		int64_t left_us;
		enum dns_status wanted;
	} table[] = {
		{ "a..example.org", 1000000, DNS_NO_NAME },
		{ "a\\b.example.org", 1000000, DNS_NO_NAME },
		{ "a\nb.example.org", 1000000, DNS_NO_NAME },
		{ "", 1000000, DNS_NO_NAME },
		{ "example.org", 0, DNS_TROUBLE },
		{ "example.org", -1000000, DNS_TROUBLE },
	};
	struct resolver *r = resolver_new(&nobody, CACHE);

	(void)state;
	assert_non_null(r);
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct dns_answer *answer;
		struct resolver_lookup l;

		resolver_begin(r, &l, clock_us() + table[i].left_us);
		answer = l.dns.ask(&l.dns, table[i].name, DNS_TXT);
		CHECK(answer->status == table[i].wanted && l.asked == 0 &&
		    !l.waits && l.channel == NULL, "row %zu: %d", i,
		    (int)answer->status);
		dns_release(answer);
		resolver_end(&l);
	}
	resolver_free(r);
}

static void
free_nothing(void **state)
{
	(void)state;
	resolver_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_servers),
		cmocka_unit_test(given),
		cmocka_unit_test(not_asked),
		cmocka_unit_test(free_nothing),
	};

	log_name("test");
	scratch_begin();
	return scratch_end(RUN(tests));
}
