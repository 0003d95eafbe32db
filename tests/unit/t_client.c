/*
 * t_client - who is exempt, and whose name a name is.
 */
#include <netinet/in.h>

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "client.h"
#include "stats.h"
#include "unit.h"

/*
 * A smfi_getsymval() of our own, found before that of the library.  A macro
 * that is asked for but not by smfi_setsymlist() would never be there.
 */
static const char *asked_for;		/* the list of them */
static struct {
	const char *name, *value;
} macro[2];

char *
smfi_getsymval(SMFICTX *ctx, char *name)
{
	(void)ctx;
	CHECK(strstr(asked_for, name) != NULL, "%s is not in %s", name,
	    asked_for);
	for (size_t i = 0; i < COUNT(macro); i++)
		if (macro[i].name != NULL && strcmp(name, macro[i].name) == 0)
			return (char *)macro[i].value;
	return NULL;
}

static void
words(void **state)
{
	static const struct {
		enum client_exempt exempt;
		const char *word;
	} table[] = {
		{ CLIENT_JUDGED, "nothing" },
		{ CLIENT_LOCAL, "local" },
		{ CLIENT_LOOPBACK, "loopback" },
		{ CLIENT_WHITELISTED, "whitelist" },
		{ CLIENT_AUTHENTICATED, "auth" },
		{ CLIENT_VERIFIED, "tls" },
	};

	(void)state;
	assert_int_equal(COUNT(table), CLIENT_EXEMPT_COUNT);
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(strcmp(client_exempt_word(table[i].exempt),
		    table[i].word) == 0, "%s", table[i].word);
}

/* libmilter's sockaddr of a client with this address, or NULL. */
static const struct sockaddr *
make_sockaddr(int family, const char *text)
{
	static union {
		struct sockaddr sa;
		struct sockaddr_in sin;
		struct sockaddr_in6 sin6;
		struct sockaddr_un sun;
	} u;
	struct addr a;

	if (family == AF_UNSPEC)
		return NULL;
	memset(&u, 0, sizeof u);
	u.sa.sa_family = (sa_family_t)family;
	if (family == AF_UNIX)
		return &u.sa;
	assert_int_equal(addr_parse(&a, text), 0);
	if (family == AF_INET)
		memcpy(&u.sin.sin_addr, a.byte + 12, 4);
	else
		memcpy(&u.sin6.sin6_addr, a.byte, sizeof a.byte);
	return &u.sa;
}

static void
at_connect(void **state)
{
	static const struct {
		int family;	/* AF_UNSPEC: there is no address */
		const char *address;
		enum client_exempt want;
	} table[] = {
		{ AF_UNSPEC, NULL, CLIENT_LOCAL },
		{ AF_UNIX, NULL, CLIENT_LOCAL },
		{ AF_INET, "127.0.0.1", CLIENT_LOOPBACK },
		{ AF_INET, "127.9.9.9", CLIENT_LOOPBACK },
		{ AF_INET6, "::1", CLIENT_LOOPBACK },
		{ AF_INET6, "::ffff:127.0.0.1", CLIENT_LOOPBACK },
		{ AF_INET, "192.0.2.7", CLIENT_JUDGED },
		{ AF_INET, "10.0.0.1", CLIENT_JUDGED },
		{ AF_INET, "0.0.0.0", CLIENT_JUDGED },
		{ AF_INET6, "2001:db8::1", CLIENT_JUDGED },
		{ AF_INET6, "::", CLIENT_JUDGED },
		{ AF_INET6, "::ffff:192.0.2.7", CLIENT_JUDGED },
	};
	struct addr a, want;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		memset(&a, 0xa5, sizeof a);
		want = a;
		CHECK(client_connect(&a, make_sockaddr(table[i].family,
		    table[i].address)) == table[i].want, "row %zu", i);
		if (table[i].address != NULL)
			assert_int_equal(addr_parse(&want, table[i].address),
			    0);
		CHECK(memcmp(&a, &want, sizeof a) == 0, "row %zu", i);
	}
}

static void
names_of_hosts(void **state)
{
	static const struct {
		const char *host, *resolve;	/* NULL: no such macro */
		bool known;
	} table[] = {
		{ "mail.example.org", NULL, true },
		{ "mail.example.org", "OK", true },
		{ "mail.example.org", "FAIL", false },
		{ "mail.example.org", "TEMP", false },
		{ "mail.example.org", "FORGED", false },
		{ "mail.example.org", "", false },
		{ "mail.example.org", "ok", false },
		{ "localhost", "OK", true },
		{ NULL, NULL, false },
		{ NULL, "OK", false },
		{ "[192.0.2.7]", NULL, false },
		{ "[192.0.2.7]", "OK", false },
		{ "[IPv6:2001:db8::1]", NULL, false },
		{ "unknown", NULL, false },
		{ "unknown", "OK", false },
		{ "UNKNOWN", NULL, false },
		{ "unknown.example.org", NULL, true },
		{ "unknow", NULL, true },
	};

	(void)state;
	asked_for = CLIENT_MACROS_CONNECT;
	memset(macro, 0, sizeof macro);
	macro[0].name = "{client_resolve}";
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *host;

		macro[0].value = table[i].resolve;
		host = client_host(NULL, table[i].host);
		CHECK(host == (table[i].known ? table[i].host : NULL),
		    "row %zu", i);
	}
}

static void
at_mail(void **state)
{
	static const struct {
		const char *user, *verify;	/* NULL: no such macro */
		enum client_exempt want;
	} table[] = {
		{ NULL, NULL, CLIENT_JUDGED },
		{ "", "", CLIENT_JUDGED },
		{ "joe", NULL, CLIENT_AUTHENTICATED },
		{ "joe", "OK", CLIENT_AUTHENTICATED },
		{ "joe", "FAIL", CLIENT_AUTHENTICATED },
		{ NULL, "OK", CLIENT_VERIFIED },
		{ "", "OK", CLIENT_VERIFIED },
		{ NULL, "NO", CLIENT_JUDGED },
		{ NULL, "NOT", CLIENT_JUDGED },
		{ NULL, "NONE", CLIENT_JUDGED },
		{ NULL, "FAIL", CLIENT_JUDGED },
		{ NULL, "TEMP", CLIENT_JUDGED },
		{ NULL, "PROTOCOL", CLIENT_JUDGED },
		{ NULL, "SOFTWARE", CLIENT_JUDGED },
		{ NULL, "ok", CLIENT_JUDGED },
		{ NULL, "OKAY", CLIENT_JUDGED },
	};

	(void)state;
	asked_for = CLIENT_MACROS_MAIL;
	macro[0].name = "{auth_authen}";
	macro[1].name = "{verify}";
	for (size_t i = 0; i < COUNT(table); i++) {
		macro[0].value = table[i].user;
		macro[1].value = table[i].verify;
		CHECK(client_mail(NULL) == table[i].want, "row %zu", i);
	}
}

static void
exemptions_are_counted(void **state)
{
	static const char want[] =
	    "# HELP m_exempt_total Clients not judged, by reason.\n"
	    "# TYPE m_exempt_total counter\n"
	    "m_exempt_total{why=\"local\"} 1\n"
	    "m_exempt_total{why=\"loopback\"} 2\n"
	    "m_exempt_total{why=\"whitelist\"} 3\n"
	    "m_exempt_total{why=\"auth\"} 4\n"
	    "m_exempt_total{why=\"tls\"} 5\n";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	for (int exempt = CLIENT_JUDGED; exempt < CLIENT_EXEMPT_COUNT;
	    exempt++)
		for (int n = 0; n < exempt || n == 0; n++)
			client_count((enum client_exempt)exempt);
	stats_name("m");
	client_add_stats();
	stats_print(out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, want);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(at_connect),
		cmocka_unit_test(names_of_hosts),
		cmocka_unit_test(at_mail),
		cmocka_unit_test(exemptions_are_counted),
	};

	return RUN(tests);
}
