/*
 * t_nameserver - addresses of name servers, and which of them to ask first.
 */
#include <string.h>

#include "nameserver.h"
#include "options.h"
#include "unit.h"

#define SECOND	INT64_C(1000000)
#define NOW	(1000 * SECOND)
#define REST	(NAMESERVER_REST_SECONDS * SECOND)

static void
addresses(void **state)
{
	static const struct {
		const char *text, *wanted;	/* NULL: it is none */
	} table[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1:53", "192.0.2.1" },
		{ "192.0.2.1:5353", "192.0.2.1:5353" },
		{ "192.0.2.1:65535", "192.0.2.1:65535" },
		{ "[192.0.2.1]:5353", "192.0.2.1:5353" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "2001:DB8:0::1", "2001:db8::1" },
		{ "::1", "::1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "[2001:db8::1]:53", "2001:db8::1" },
		{ "[2001:db8::1]:5353", "[2001:db8::1]:5353" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "[::ffff:192.0.2.1]:54", "192.0.2.1:54" },

		{ "", NULL },
		{ "ns.example.org", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.1 ", NULL },
		{ " 192.0.2.1", NULL },
		{ "192.0.2.0/24", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:0", NULL },
		{ "192.0.2.1:65536", NULL },
		{ "192.0.2.1:99999999999999999999", NULL },
		{ "192.0.2.1:-1", NULL },
		{ "192.0.2.1:+53", NULL },
		{ "192.0.2.1: 53", NULL },
		{ "192.0.2.1:53x", NULL },
		{ "192.0.2.1:53:53", NULL },
		{ "192.0.2.1,192.0.2.2", NULL },
		{ "2001:db8::1:5353x", NULL },
		{ "fe80::1%eth0", NULL },
		{ "[2001:db8::1", NULL },
		{ "2001:db8::1]", NULL },
		{ "[2001:db8::1]5353", NULL },
		{ "[2001:db8::1]:", NULL },
		{ "[]:53", NULL },
		{ "[", NULL },
		{ ":53", NULL },
		{ "0000000000000000000000000000000000000000000000000000000000"
		    "00000000000000000000000000000000", NULL },
	};
	char text[NAMESERVER_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct nameserver s;
		int result = nameserver_parse(&s, table[i].text);

		CHECK(result == (table[i].wanted != NULL ? 0 : -1), "%s",
		    table[i].text);
		if (result == 0)
			CHECK(strcmp(nameserver_print(&s, text),
			    table[i].wanted) == 0, "%s: %s", table[i].text,
			    text);
	}
}

static void
printed(void **state)
{
	static const struct options_list list = { {
	    "192.0.2.1", "[2001:db8::1]:5353", "2001:db8::2" }, 3 };
	struct options_list longest = { .count = NAMESERVERS_MAX };
	char text[NAMESERVERS_TEXT_MAX];
	struct nameservers servers;

	(void)state;
	assert_int_equal(nameservers_parse(&servers, &list), 0);
	assert_string_equal(nameservers_print(&servers, text),
	    "192.0.2.1,[2001:db8::1]:5353,2001:db8::2");

	for (int i = 0; i < NAMESERVERS_MAX; i++)
		longest.item[i] =
		    "[ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888]:65535";
	assert_int_equal(nameservers_parse(&servers, &longest), 0);
	assert_int_equal(strlen(nameservers_print(&servers, text)),
	    NAMESERVERS_MAX * (strlen(longest.item[0]) + 1) - 1);
}

/* --- whom to ask first */

static struct nameservers
three(void)
{
	static const struct options_list list = { {
	    "192.0.2.1", "192.0.2.2", "192.0.2.3" }, 3 };
	struct nameservers servers;

	assert_int_equal(nameservers_parse(&servers, &list), 0);
	return servers;
}

static void
check_order(struct nameservers *servers, struct nameserver_order *order,
    int64_t now_us, const char *wanted)
{
	char got[NAMESERVERS_MAX + 1] = "";

	nameservers_arrange(servers, order, now_us);
	for (int i = 0; i < order->count; i++)
		got[i] = (char)('0' + order->place[i]);
	CHECK(strcmp(got, wanted) == 0, "%s, not %s, after %lld s", got,
	    wanted, (long long)((now_us - NOW) / SECOND));
}

static void
silent_rests(void **state)
{
	struct nameservers servers = three();
	struct nameserver_order order;

	(void)state;
	check_order(&servers, &order, NOW, "012");
	nameservers_note(&servers, &order, 0, NOW);
	check_order(&servers, &order, NOW, "012");
	nameservers_note(&servers, &order, 1, NOW);
	check_order(&servers, &order, NOW, "120");
	nameservers_note(&servers, &order, 1, NOW + SECOND);
	check_order(&servers, &order, NOW + SECOND, "201");

	/* All silent but one that rests: it does no more. */
	nameservers_note(&servers, &order, 1, NOW + SECOND);
	check_order(&servers, &order, NOW + SECOND, "012");
}

/* One question tries whether the first is back; others do not wait for it. */
static void
one_tries(void **state)
{
	struct nameservers servers = three();
	struct nameserver_order order, other;

	(void)state;
	nameservers_arrange(&servers, &order, NOW);
	nameservers_note(&servers, &order, 1, NOW);
	check_order(&servers, &order, NOW + REST - 1, "120");
	check_order(&servers, &order, NOW + REST, "012");
	check_order(&servers, &other, NOW + REST, "120");

	/* It is still silent. */
	nameservers_note(&servers, &order, 1, NOW + REST + SECOND);
	check_order(&servers, &other, NOW + 2 * REST, "120");
	check_order(&servers, &order, NOW + 2 * REST + SECOND, "012");

	/* It is back. */
	nameservers_note(&servers, &order, 0, NOW + 2 * REST + SECOND);
	check_order(&servers, &other, NOW + 2 * REST + SECOND, "012");
	check_order(&servers, &other, NOW + 2 * REST + SECOND, "012");
}

/* None of them: the question is to blame. */
static void
all_silent(void **state)
{
	struct nameservers servers = three();
	struct nameserver_order order;

	(void)state;
	nameservers_arrange(&servers, &order, NOW);
	nameservers_note(&servers, &order, 3, NOW);
	check_order(&servers, &order, NOW, "012");
	nameservers_note(&servers, &order, 5, NOW);
	check_order(&servers, &order, NOW, "012");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(printed),
		cmocka_unit_test(silent_rests),
		cmocka_unit_test(one_tries),
		cmocka_unit_test(all_silent),
	};

	return RUN(tests);
}
