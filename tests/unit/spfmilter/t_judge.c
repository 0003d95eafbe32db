/*
 * t_judge - who is not judged, whose record counts when, which identity
 * decides, and what a client is told.
 */
#include "../../spf/zone.h"
#include "judge.h"
#include "scratch.h"

#define EXAMPLE	"192.0.2.7"	/* the client of most tests */

static struct zone zone;

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void
write_list(char path[SCRATCH_PATH_MAX], const char *name, const char *text)
{
	scratch_path(path, name);
	scratch_write(path, text, strlen(text));
}

static void
open_court(struct judge *j)
{
	*j = (struct judge) { .action = {
		[SPF_IS_NONE] = ACTION_MARK,
		[SPF_IS_NEUTRAL] = ACTION_MARK,
		[SPF_IS_PASS] = ACTION_MARK,
		[SPF_IS_FAIL] = ACTION_REJECT,
		[SPF_IS_SOFTFAIL] = ACTION_QUARANTINE,
		[SPF_IS_TEMPERROR] = ACTION_TEMPFAIL,
		[SPF_IS_PERMERROR] = ACTION_NONE,
	} };
	assert_int_equal(judge_open(j, 0), 0);
}

static void
close_court(struct judge *j)
{
	iplist_free(j->clients);
	fallback_free(j->fallback);
}

static void
make_zone(void)
{
	struct addr mx = address("192.0.2.25");

	zone_open(&zone);
	zone_add_txt(&zone, "pass.example", "v=spf1 ip4:192.0.2.0/24 -all");
	zone_add_txt(&zone, "fail.example", "v=spf1 -all exp=why.example");
	zone_add_txt(&zone, "why.example", "ask %{o}");
	zone_add_txt(&zone, "soft.example", "v=spf1 ~all");
	zone_add_txt(&zone, "neutral.example", "v=spf1 ?all");
	zone_add_txt(&zone, "bad.example", "v=spf1 ipv4:192.0.2.1 -all");
	zone_add_txt(&zone, "none.example", "hello");
	zone_add_txt(&zone, "listed.example", "hello");
	zone_add_trouble(&zone, "down.example");
	zone_add_txt(&zone, "ptr.example", "v=spf1 ptr -all");
	zone_add_trouble(&zone, "99.2.0.192.in-addr.arpa");
	zone_add(&zone, "mx.example", DNS_MX, NULL, 10, "in.mx.example", 13);
	zone_add_addr(&zone, "in.mx.example", &mx);
	zone_add_txt(&zone, "friends.example", "v=spf1 ip4:192.0.2.7 -all");
}

static void
exempt(void **state)
{
	static const struct {
		const char *client;
		enum judge_exempt wanted;
	} rows[] = {
		{ "198.51.100.7", JUDGE_WHITELIST },
		{ "9.255.255.255", JUDGE_NOT_EXEMPT },
		{ "10.0.0.0", JUDGE_PRIVATE },
		{ "10.255.255.255", JUDGE_PRIVATE },
		{ "11.0.0.0", JUDGE_NOT_EXEMPT },
		{ "100.63.255.255", JUDGE_NOT_EXEMPT },
		{ "100.64.0.0", JUDGE_PRIVATE },
		{ "100.127.255.255", JUDGE_PRIVATE },
		{ "100.128.0.0", JUDGE_NOT_EXEMPT },
		{ "169.253.255.255", JUDGE_NOT_EXEMPT },
		{ "169.254.0.0", JUDGE_PRIVATE },
		{ "169.255.0.0", JUDGE_NOT_EXEMPT },
		{ "172.15.255.255", JUDGE_NOT_EXEMPT },
		{ "172.16.0.0", JUDGE_PRIVATE },
		{ "172.31.255.255", JUDGE_PRIVATE },
		{ "172.32.0.0", JUDGE_NOT_EXEMPT },
		{ "192.167.255.255", JUDGE_NOT_EXEMPT },
		{ "192.168.0.0", JUDGE_PRIVATE },
		{ "192.169.0.0", JUDGE_NOT_EXEMPT },
		{ "fbff::1", JUDGE_NOT_EXEMPT },
		{ "fc00::", JUDGE_PRIVATE },
		{ "fdff::1", JUDGE_PRIVATE },
		{ "fe00::1", JUDGE_NOT_EXEMPT },
		{ "fe80::1", JUDGE_PRIVATE },
		{ "febf::1", JUDGE_PRIVATE },
		{ "fec0::1", JUDGE_NOT_EXEMPT },
		{ "2001:db8::1", JUDGE_NOT_EXEMPT },
	};
	struct judge j;
	char path[SCRATCH_PATH_MAX];

	(void)state;
	open_court(&j);
	write_list(path, "white", "198.51.100.7\n");
	assert_int_equal(judge_add_file(&j, JUDGE_WHITE_CLIENTS, path), 0);
	assert_int_equal(iplist_load(j.clients), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr a = address(rows[i].client);
		enum judge_exempt got = judge_client(&j, &a, NULL);

		CHECK(got == rows[i].wanted, "%s: %s", rows[i].client,
		    judge_exempt_word(got));
	}
	close_court(&j);
}

/* Whose record it is: the domain's, the file's, the guess, the local one. */
static void
sources(void **state)
{
	static const struct {
		const char *client, *domain;
		bool helo;
		enum spf_result wanted;
		const char *source;
	} rows[] = {
		{ EXAMPLE, "pass.example", false, SPF_IS_PASS, NULL },
		{ EXAMPLE, "neutral.example", false, SPF_IS_NEUTRAL, NULL },
		{ EXAMPLE, "bad.example", false, SPF_IS_PERMERROR, NULL },
		{ EXAMPLE, "down.example", false, SPF_IS_TEMPERROR, NULL },

		/* The file's record counts whole. */
		{ "192.0.2.8", "listed.example", false, SPF_IS_PASS,
		    "fallback record" },
		{ "198.51.100.1", "listed.example", false, SPF_IS_NEUTRAL,
		    "fallback record" },
		{ "192.0.2.8", "listed.example", true, SPF_IS_PASS,
		    "fallback record" },

		/* Of a guess only a pass does, and not for HELO. */
		{ "198.51.100.9", "none.example", false, SPF_IS_PASS,
		    "best guess" },
		{ "198.51.100.8", "none.example", false, SPF_IS_NONE, NULL },
		{ "198.51.100.9", "none.example", true, SPF_IS_NONE, NULL },
		{ "198.51.100.9", "missing.example", false, SPF_IS_PASS,
		    "best guess" },
		{ "198.51.100.9", "noname", false, SPF_IS_NONE, NULL },

		/* The local policy is asked after a fail or softfail. */
		{ EXAMPLE, "fail.example", false, SPF_IS_PASS,
		    "local policy" },
		{ EXAMPLE, "soft.example", false, SPF_IS_PASS,
		    "local policy" },
		{ EXAMPLE, "fail.example", true, SPF_IS_PASS,
		    "local policy" },
		{ "192.0.2.8", "fail.example", false, SPF_IS_FAIL, NULL },
		{ "192.0.2.8", "soft.example", false, SPF_IS_SOFTFAIL, NULL },
	};
	struct judge j;
	char path[SCRATCH_PATH_MAX], sender[100];

	(void)state;
	open_court(&j);
	write_list(path, "fallback", "listed.example ip4:192.0.2.8 ?all\n");
	assert_int_equal(judge_add_file(&j, JUDGE_FALLBACK, path), 0);
	assert_int_equal(fallback_load(j.fallback), 0);
	j.guess = "v=spf1 ip4:198.51.100.9 -all";
	j.localpolicy = "v=spf1 include:friends.example -all";
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr a = address(rows[i].client);
		struct opinion o = { .there = false };
		const struct claim claim = { &a,
		    rows[i].helo ? rows[i].domain : "client.example",
		    rows[i].helo ? "" : sender, "mx.example.net" };

		snprintf(sender, sizeof sender, "joe@%s", rows[i].domain);
		judge_identity(&j, &zone.dns, &claim, rows[i].helo, &o);
		CHECK(o.there && o.answer.result == rows[i].wanted,
		    "%s from %s: %s", rows[i].domain, rows[i].client,
		    spf_result_word(o.answer.result));
		if (rows[i].source == NULL)
			assert_null(o.source);
		else
			assert_string_equal(o.source, rows[i].source);
	}
	close_court(&j);
}

/* A HELO name that looks like a mailbox is no domain, nor is its end one. */
static void
helo_with_at(void **state)
{
	struct addr a = address(EXAMPLE);
	const struct claim claim = { &a, "joe@pass.example", "", "mx" };
	struct opinion o;
	struct judge j;

	(void)state;
	open_court(&j);
	judge_identity(&j, &zone.dns, &claim, true, &o);
	assert_int_equal(o.answer.result, SPF_IS_NONE);
	close_court(&j);
}

static void
decisions(void **state)
{
	enum { NO = -1 };
	static const struct {
		int helo, mail;		/* enum spf_result, or NO */
		bool by_helo;
		enum action wanted;
	} rows[] = {
		{ NO, SPF_IS_PASS, false, ACTION_MARK },
		{ NO, SPF_IS_FAIL, false, ACTION_REJECT },
		{ NO, SPF_IS_SOFTFAIL, false, ACTION_QUARANTINE },
		{ NO, SPF_IS_TEMPERROR, false, ACTION_TEMPFAIL },
		{ NO, SPF_IS_PERMERROR, false, ACTION_NONE },
		{ SPF_IS_FAIL, NO, true, ACTION_REJECT },
		{ SPF_IS_PASS, NO, true, ACTION_MARK },
		{ SPF_IS_TEMPERROR, NO, true, ACTION_TEMPFAIL },
		{ SPF_IS_FAIL, SPF_IS_PASS, true, ACTION_REJECT },
		{ SPF_IS_PASS, SPF_IS_FAIL, false, ACTION_REJECT },
		{ SPF_IS_PASS, SPF_IS_NONE, false, ACTION_MARK },
		{ SPF_IS_TEMPERROR, SPF_IS_PASS, false, ACTION_MARK },
		{ SPF_IS_SOFTFAIL, SPF_IS_PASS, false, ACTION_MARK },
		{ SPF_IS_PERMERROR, SPF_IS_PASS, false, ACTION_MARK },
	};
	struct judge j;

	(void)state;
	open_court(&j);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdict v = { .by_helo = false };

		v.helo.there = rows[i].helo != NO;
		v.mail.there = rows[i].mail != NO;
		v.helo.answer.result = (enum spf_result)rows[i].helo;
		v.mail.answer.result = (enum spf_result)rows[i].mail;
		judge_decide(&j, &v);
		CHECK(v.by_helo == rows[i].by_helo &&
		    v.action == rows[i].wanted && judge_deciding(&v) ==
		    (v.by_helo ? &v.helo : &v.mail) &&
		    v.result == judge_deciding(&v)->answer.result,
		    "row %zu: %s", i, action_word(v.action));
	}
	close_court(&j);
}

/* The name of the client cannot be looked up, and may be what lets it. */
static void
unsure(void **state)
{
	struct addr client = address("192.0.2.99");
	const struct claim claim = { &client, "h.example", "joe@ptr.example",
	    "mx" };
	struct verdict v = { .by_helo = false };
	char text[REPLY_TEXT_MAX];
	struct judge j;

	(void)state;
	open_court(&j);
	judge_identity(&j, &zone.dns, &claim, false, &v.mail);
	assert_int_equal(v.mail.answer.result, SPF_IS_FAIL);
	judge_decide(&j, &v);
	assert_int_equal(v.result, SPF_IS_TEMPERROR);
	assert_int_equal(v.action, ACTION_TEMPFAIL);
	assert_string_equal(judge_reason(text, sizeof text, &claim, &v),
	    "SPF of ptr.example cannot be looked up now");
	client = address("192.0.2.98");		/* is known to have none */
	judge_identity(&j, &zone.dns, &claim, false, &v.mail);
	judge_decide(&j, &v);
	assert_int_equal(v.action, ACTION_REJECT);
	j.localpolicy = "v=spf1 include:down.example";
	judge_identity(&j, &zone.dns, &claim, false, &v.mail);
	judge_decide(&j, &v);
	assert_int_equal(v.action, ACTION_TEMPFAIL);
	j.action[SPF_IS_FAIL] = ACTION_QUARANTINE;	/* loses nothing */
	judge_decide(&j, &v);
	assert_int_equal(v.result, SPF_IS_FAIL);
	assert_int_equal(v.action, ACTION_QUARANTINE);
	close_court(&j);
}

static void
senders(void **state)
{
	static const struct {
		const char *path, *wanted;
	} rows[] = {
		{ "<joe@example.org>", "joe@example.org" },
		{ "joe@example.org", "joe@example.org" },
		{ "<>", "" },
		{ "", "" },
		{ "<", "" },
		{ "<\"a b\"@example.org>", "\"a b\"@example.org" },
	};
	char path[5000], out[JUDGE_SENDER_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		judge_set_sender(out, rows[i].path);
		assert_string_equal(out, rows[i].wanted);
	}
	memset(path, 'a', sizeof path);
	snprintf(path + 4000, 1000, "@example.org>");
	path[0] = '<';
	judge_set_sender(out, path);
	assert_string_equal(out, "@example.org");
}

static void
needs_helo(void **state)
{
	struct addr a = address(EXAMPLE);
	const struct claim joe = { &a, "h.example", "joe@pass.example", "" };
	const struct claim null = { &a, "h.example", "", "" };
	struct judge j = { .check_helo = 0 };

	(void)state;
	assert_false(judge_needs_helo(&j, &joe));
	assert_true(judge_needs_helo(&j, &null));
	j.check_helo = 1;
	assert_true(judge_needs_helo(&j, &joe));
}

static void
recipient_mx(void **state)
{
	static const struct {
		const char *client, *recipient;
		int wanted;
	} rows[] = {
		{ "192.0.2.25", "<ann@mx.example>", 1 },
		{ "192.0.2.26", "<ann@mx.example>", 0 },
		{ "192.0.2.25", "<ann@down.example>", -1 },
		{ "192.0.2.25", "<ann@pass.example>", 0 },
		{ "192.0.2.25", "<ann>", 0 },
		{ "192.0.2.25", "<>", 0 },
		{ "2001:db8::25", "<ann@mx.example>", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr a = address(rows[i].client);

		CHECK(judge_recipient_mx(&zone.dns, &a, rows[i].recipient) ==
		    rows[i].wanted, "%s for %s", rows[i].client,
		    rows[i].recipient);
	}
}

static void
reasons(void **state)
{
	static const struct {
		const char *sender;		/* "": HELO is the domain */
		const char *helo;
		int ask_why;
		const char *explanation, *wanted;
	} rows[] = {
		{ "joe@fail.example", "h", 0, NULL, "SPF fail: 192.0.2.7 is "
		    "not allowed to send mail for fail.example" },
		{ "joe@fail.example", "h", 0, "see %{i}", "SPF fail: "
		    "192.0.2.7 is not allowed to send mail for fail.example; "
		    "see 192.0.2.7" },
		{ "joe@fail.example", "h", 1, NULL, "SPF fail: 192.0.2.7 is "
		    "not allowed to send mail for fail.example; fail.example "
		    "explains: ask fail.example" },
		{ "", "fail.example", 0, NULL, "SPF fail: 192.0.2.7 is not "
		    "the host fail.example" },
		{ "joe@soft.example", "h", 1, "x", "SPF softfail: 192.0.2.7 "
		    "is not allowed to send mail for soft.example" },
		{ "joe@bad.example", "h", 0, NULL, "SPF of bad.example: "
		    "unknown mechanism: ipv4:192.0.2.1" },
		{ "joe@none.example", "h", 0, NULL, "SPF of none.example: "
		    "no record" },
		{ "joe@down.example", "h", 0, NULL, "SPF of down.example "
		    "cannot be looked up now" },
		{ "joe@here", "h", 0, NULL, "SPF of joe@here: no domain that "
		    "could have a record" },
	};
	struct addr a = address(EXAMPLE);
	struct judge j;

	(void)state;
	open_court(&j);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct claim claim = { &a, rows[i].helo, rows[i].sender,
		    "mx.example.net" };
		bool helo = rows[i].sender[0] == '\0';
		struct verdict v = { .by_helo = helo };
		char text[REPLY_TEXT_MAX];

		j.ask_why = rows[i].ask_why;
		j.explanation = rows[i].explanation;
		judge_identity(&j, &zone.dns, &claim, helo,
		    helo ? &v.helo : &v.mail);
		judge_decide(&j, &v);
		assert_string_equal(judge_reason(text, sizeof text, &claim,
		    &v), rows[i].wanted);
	}
	close_court(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exempt),
		cmocka_unit_test(sources),
		cmocka_unit_test(helo_with_at),
		cmocka_unit_test(decisions),
		cmocka_unit_test(unsure),
		cmocka_unit_test(senders),
		cmocka_unit_test(needs_helo),
		cmocka_unit_test(recipient_mx),
		cmocka_unit_test(reasons),
	};
	int status;

	scratch_begin();
	if (spf_open() == -1)
		return 1;
	make_zone();
	status = RUN(tests);
	zone_close(&zone);
	return scratch_end(status);
}
