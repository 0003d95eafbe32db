/*
 * t_header - what is written into a message, word for word and for whatever
 * strangers say, and which fields of others claim to be ours.
 */
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "unit.h"

#define RFC5322_LINE_MAX	998
#define LINE_GOAL		78

/* What a test does not say. */
#define OURS	.receiver = "mx.example.net"
#define JOE	OURS, .sender = "joe@example.org", .domain = "example.org", \
		.helo = "mail.example.org"
#define BOUNCE	OURS, .is_helo = true, .sender = "",			\
		.domain = "mail.example.org", .helo = "mail.example.org"

/* The pointers that are NULL are made empty; the client is this one. */
static struct header_facts
complete(struct header_facts f, struct addr *addr, const char *client)
{
	const char **text[] = { &f.receiver, &f.sender, &f.helo, &f.domain,
	    &f.mechanism, &f.reason, &f.problem };

	assert_int_equal(addr_parse(addr, client), 0);
	f.client = addr;
	for (size_t i = 0; i < COUNT(text); i++)
		if (*text[i] == NULL)
			*text[i] = "";
	return f;
}

/* Returns how many bytes the longest line has. */
static size_t
check_lines(const char *value, const char *name)
{
	size_t longest = 0, line = strlen(name) + 2;

	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\n') {
			CHECK(p[1] == '\t' && p[2] > ' ' && p[-1] > ' ',
			    "bad fold: %s", value);
			line = 0;
			continue;
		}
		CHECK((*p >= ' ' && *p <= '~') || *p == '\t', "%s", value);
		line++;
		longest = line > longest ? line : longest;
	}
	CHECK(longest <= RFC5322_LINE_MAX, "%zu: %s", longest, value);
	return longest;
}

static void
unfold(char *value)
{
	char *to = value;

	for (; *value != '\0'; value++)
		if (*value != '\n')
			*to++ = *value == '\t' ? ' ' : *value;
	*to = '\0';
}

/* --- Received-SPF */

static const struct {
	const char *client;
	struct header_facts facts;
	const char *want;
} received[] = {
	{ "192.0.2.7", { SPF_IS_PASS, JOE, .mechanism = "ip4:192.0.2.0/24" },
	    "pass (mx.example.net: domain of joe@example.org designates "
	    "192.0.2.7 as permitted sender) receiver=mx.example.net; "
	    "identity=mailfrom; client-ip=192.0.2.7; "
	    "envelope-from=\"joe@example.org\"; helo=mail.example.org; "
	    "mechanism=\"ip4:192.0.2.0/24\";" },
	{ "2001:db8::7", { SPF_IS_FAIL, JOE, .mechanism = "-all" },
	    "fail (mx.example.net: domain of joe@example.org does not "
	    "designate 2001:db8::7 as permitted sender) "
	    "receiver=mx.example.net; identity=mailfrom; "
	    "client-ip=\"2001:db8::7\"; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org; mechanism=-all;" },
	{ "192.0.2.7", { SPF_IS_SOFTFAIL, JOE, .mechanism = "~all" },
	    "softfail (mx.example.net: transitioning domain of "
	    "joe@example.org does not designate 192.0.2.7 as permitted "
	    "sender) receiver=mx.example.net; identity=mailfrom; "
	    "client-ip=192.0.2.7; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org; mechanism=~all;" },
	{ "192.0.2.7", { SPF_IS_NEUTRAL, JOE, .mechanism = "default" },
	    "neutral (mx.example.net: 192.0.2.7 is neither permitted nor "
	    "denied by domain of joe@example.org) receiver=mx.example.net; "
	    "identity=mailfrom; client-ip=192.0.2.7; "
	    "envelope-from=\"joe@example.org\"; helo=mail.example.org; "
	    "mechanism=default;" },
	{ "192.0.2.7", { SPF_IS_NONE, JOE, .reason = "no record" },
	    "none (mx.example.net: domain of joe@example.org does not "
	    "designate permitted sender hosts: no record) "
	    "receiver=mx.example.net; identity=mailfrom; "
	    "client-ip=192.0.2.7; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org;" },
	{ "192.0.2.7", { SPF_IS_TEMPERROR, JOE,
	    .reason = "the DNS does not answer", .problem = "a.example.org" },
	    "temperror (mx.example.net: temporary error in processing domain "
	    "of joe@example.org: the DNS does not answer) "
	    "receiver=mx.example.net; identity=mailfrom; "
	    "client-ip=192.0.2.7; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org; problem=a.example.org;" },
	{ "192.0.2.7", { SPF_IS_PERMERROR, JOE,
	    .reason = "unknown mechanism", .problem = "foo:bar" },
	    "permerror (mx.example.net: permanent error in processing domain "
	    "of joe@example.org: unknown mechanism) receiver=mx.example.net; "
	    "identity=mailfrom; client-ip=192.0.2.7; "
	    "envelope-from=\"joe@example.org\"; helo=mail.example.org; "
	    "problem=\"foo:bar\";" },
	/* <>, and the HELO identity of another sender. */
	{ "192.0.2.7", { SPF_IS_PASS, BOUNCE, .mechanism = "a" },
	    "pass (mx.example.net: host mail.example.org designates "
	    "192.0.2.7 as permitted sender) receiver=mx.example.net; "
	    "identity=helo; client-ip=192.0.2.7; envelope-from=\"<>\"; "
	    "helo=mail.example.org; mechanism=a;" },
	{ "192.0.2.7", { SPF_IS_NONE, OURS, .is_helo = true,
	    .sender = "joe@example.org" },
	    "none (mx.example.net: host unknown does not designate permitted "
	    "sender hosts) receiver=mx.example.net; identity=helo; "
	    "client-ip=192.0.2.7; envelope-from=\"joe@example.org\";" },
	/* What was not published. */
	{ "192.0.2.7", { SPF_IS_PASS, JOE, .source = "best guess" },
	    "pass (mx.example.net: best guess for domain of joe@example.org "
	    "designates 192.0.2.7 as permitted sender) "
	    "receiver=mx.example.net; identity=mailfrom; "
	    "client-ip=192.0.2.7; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org;" },
	/* What a client would write for us. */
	{ "192.0.2.7", { SPF_IS_NONE, .receiver = "r",
	    .sender = "\"a\\b) receiver=x; (\"@d",
	    .helo = "h; receiver=\"x\\\r\n\tX: y" },
	    "none (r: domain of \\\"a\\\\b\\) receiver=x; \\(\\\"@d does not "
	    "designate permitted sender hosts) receiver=r; "
	    "identity=mailfrom; client-ip=192.0.2.7; "
	    "envelope-from=\"\\\"a\\\\b) receiver=x; (\\\"@d\"; helo=\"h; "
	    "receiver=\\\"x\\\\???X: y\";" },
	{ "192.0.2.7", { SPF_IS_NONE, .receiver = "r",
	    .sender = "j\xc3\xb6@d\x7f", .helo = "a..b" },
	    "none (r: domain of j??@d? does not designate permitted sender "
	    "hosts) receiver=r; identity=mailfrom; client-ip=192.0.2.7; "
	    "envelope-from=\"j??@d?\"; helo=\"a..b\";" },
};

static void
test_received(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(received); i++) {
		struct addr addr;
		struct header_facts f = complete(received[i].facts, &addr,
		    received[i].client);
		char out[HEADER_MAX];

		assert_ptr_equal(header_received_spf(out, &f), out);
		assert_true(check_lines(out, "Received-SPF") <= LINE_GOAL);
		unfold(out);
		CHECK(strcmp(out, received[i].want) == 0,
		    "row %zu: got\n%s\nwant\n%s", i, out, received[i].want);
	}
}

/* Exactly where; and never beside a blank that belongs to a name. */
static const struct {
	struct header_facts facts;
	const char *want;
} folds[] = {
	{ { SPF_IS_PASS, JOE, .mechanism = "ip4:192.0.2.0/24" },
	    "pass (mx.example.net: domain of joe@example.org designates\n"
	    "\t192.0.2.7 as permitted sender) receiver=mx.example.net; "
	    "identity=mailfrom;\n"
	    "\tclient-ip=192.0.2.7; envelope-from=\"joe@example.org\"; "
	    "helo=mail.example.org;\n"
	    "\tmechanism=\"ip4:192.0.2.0/24\";" },
	{ { SPF_IS_PASS, .receiver = "r",
	    .sender = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa         b\"@d" },
	    "pass (r: domain of\n"
	    "\t\\\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa         b\\\"@d "
	    "designates 192.0.2.7 as\n"
	    "\tpermitted sender) receiver=r; identity=mailfrom; "
	    "client-ip=192.0.2.7;\n"
	    "\tenvelope-from=\"\\\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa         "
	    "b\\\"@d\";" },
};

static void
test_folds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(folds); i++) {
		struct addr addr;
		struct header_facts f = complete(folds[i].facts, &addr,
		    "192.0.2.7");
		char out[HEADER_MAX];

		header_received_spf(out, &f);
		CHECK(strcmp(out, folds[i].want) == 0,
		    "row %zu: got\n%s\nwant\n%s", i, out, folds[i].want);
	}
}

/* --- Authentication-Results */

static const struct {
	const char *id;
	int count;
	struct header_facts facts[2];
	const char *want;
} results[] = {
	{ "mx.example.net", 1, { { SPF_IS_PASS, JOE } },
	    "mx.example.net; spf=pass smtp.mailfrom=joe@example.org" },
	{ "mx.example.net", 0, { { SPF_IS_PASS, JOE } },
	    "mx.example.net; none" },
	{ "mx.example.net", 2, { { SPF_IS_NONE, BOUNCE },
	    { SPF_IS_SOFTFAIL, JOE } },
	    "mx.example.net; spf=none smtp.helo=mail.example.org; "
	    "spf=softfail smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_FAIL, JOE } },
	    "id; spf=fail smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_NEUTRAL, JOE } },
	    "id; spf=neutral smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_TEMPERROR, BOUNCE,
	    .reason = "the DNS does not answer" } },
	    "id; spf=temperror reason=\"the DNS does not answer\" "
	    "smtp.helo=mail.example.org" },
	{ "id", 1, { { SPF_IS_PERMERROR, JOE, .reason = "wrong",
	    .problem = "\"\\" } },
	    "id; spf=permerror reason=\"wrong: \\\"\\\\\" "
	    "smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_PERMERROR, JOE, .reason = "wrong" } },
	    "id; spf=permerror reason=wrong smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_NONE, JOE, .reason = "no record" } },
	    "id; spf=none smtp.mailfrom=joe@example.org" },
	{ "id", 1, { { SPF_IS_PASS, JOE, .source = "fallback record" } },
	    "id; spf=pass (fallback record) smtp.mailfrom=joe@example.org" },
	/* Names that need quotes, and those that do not. */
	{ "a b\"", 1, { { SPF_IS_PASS, .sender = "a+b.c@a-b.c" } },
	    "\"a b\\\"\"; spf=pass smtp.mailfrom=a+b.c@a-b.c" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "\"a; b\"@example.org" } },
	    "id; spf=pass smtp.mailfrom=example.org" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "a..b@example.org" } },
	    "id; spf=pass smtp.mailfrom=example.org" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "j\xc3\xb6@example.org" } },
	    "id; spf=pass smtp.mailfrom=example.org" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "a@localhost" } },
	    "id; spf=pass smtp.mailfrom=\"a@localhost\"" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "a@-b.c" } },
	    "id; spf=pass smtp.mailfrom=\"a@-b.c\"" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "a@b-.c" } },
	    "id; spf=pass smtp.mailfrom=\"a@b-.c\"" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "a@b.c; spf=pass" } },
	    "id; spf=pass smtp.mailfrom=\"a@b.c; spf=pass\"" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "\"\"@a_b.c" } },
	    "id; spf=pass smtp.mailfrom=a_b.c" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "@r.example:a@b.c" } },
	    "id; spf=pass smtp.mailfrom=a@b.c" },
	{ "id", 1, { { SPF_IS_PASS, .sender = "postmaster" } },
	    "id; spf=pass smtp.mailfrom=postmaster" },
	{ "id", 1, { { SPF_IS_NONE, .sender = "" } },
	    "id; spf=none smtp.mailfrom=\"<>\"" },
	{ "id", 1, { { SPF_IS_NONE, .is_helo = true } }, "id; spf=none" },
	{ "id", 1, { { SPF_IS_NONE, .is_helo = true,
	    .helo = "[192.0.2.7]" } },
	    "id; spf=none smtp.helo=\"[192.0.2.7]\"" },
	{ "id", 1, { { SPF_IS_NONE, .is_helo = true,
	    .helo = "x\"\n; dkim=pass" } },
	    "id; spf=none smtp.helo=\"x\\\"?; dkim=pass\"" },
};

static void
test_results(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(results); i++) {
		struct addr addr;
		struct header_facts f[2];
		char out[HEADER_MAX];

		for (int n = 0; n < 2; n++)
			f[n] = complete(results[i].facts[n], &addr,
			    "192.0.2.7");
		assert_ptr_equal(header_authentication_results(out,
		    results[i].id, f, results[i].count), out);
		assert_true(check_lines(out, "Authentication-Results") <=
		    LINE_GOAL);
		unfold(out);
		CHECK(strcmp(out, results[i].want) == 0,
		    "row %zu: got\n%s\nwant\n%s", i, out, results[i].want);
	}
}

/* --- A13: lines, whatever there is to be said */

static const char hostile[] =
    "a.@\"\\() \t\r\n;=%\x1b\x7f\x80\xc3\xbf\x01<>[]:,-";

/* Size bytes of one kind; the kinds behind the last letter are mixtures. */
static char *
make_text(size_t size, size_t kind)
{
	char *text = malloc(size + 1);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = hostile[kind < sizeof hostile - 1 ? kind :
		    (i * (kind + 3) + i / 7) % (sizeof hostile - 1)];
	text[size] = '\0';
	return text;
}

static void
check_hostile(size_t size, size_t kind, int result)
{
	static const size_t term = SPF_TERM_TEXT - 1;
	struct addr addr;
	char *text = make_text(size, kind), out[HEADER_MAX],
	    *cut = make_text(size < term ? size : term, kind);
	struct header_facts f[2] = { complete((struct header_facts) {
	    .result = (enum spf_result)result, .is_helo = result % 2 != 0,
	    .receiver = text, .sender = text, .helo = text, .domain = text,
	    .mechanism = cut, .reason = text, .problem = cut,
	    .source = size % 2 != 0 ? text : NULL },
	    &addr, "2001:db8:1111:2222:3333:4444:5555:6666") };

	f[1] = f[0];
	f[1].is_helo = !f[0].is_helo;
	header_received_spf(out, &f[0]);
	check_lines(out, "Received-SPF");
	CHECK(strstr(out, "identity=") != NULL && out[strlen(out) - 1] == ';' &&
	    (strstr(out, "problem=") != NULL) == (cut[0] != '\0'), "%s", out);
	for (int count = 0; count <= 2; count++) {
		header_authentication_results(out, text, f, count);
		check_lines(out, "Authentication-Results");
	}
	/* Of both there is at least the result. */
	CHECK(strstr(out, "; spf=") != NULL || strstr(out, "\tspf=") != NULL,
	    "%s", out);
	free(text);
	free(cut);
}

static void
test_hostile(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 38, 39, 40, 41, 76, 77, 78,
	    79, 80, 81, 159, 160, 161, 254, 319, 320, 321, 322, 640, 999,
	    100000 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t kind = 0; kind < sizeof hostile + 20; kind++)
			for (int r = 0; r < SPF_RESULTS; r++)
				check_hostile(sizes[i], kind, r);
}

/* The longest values are there, and what is longer is left out. */
static void
test_longest(void **state)
{
	char *text = make_text(HEADER_VALUE_MAX, 0), *more =
	    make_text(HEADER_VALUE_MAX + 1, 0), out[HEADER_MAX], pair[400];
	struct addr addr;
	struct header_facts f[2];

	(void)state;
	memcpy(text + 100, "@", 1);
	memcpy(more + 100, "@", 1);
	f[0] = complete((struct header_facts) { .result = SPF_IS_PERMERROR,
	    .receiver = text, .sender = text, .helo = text, .domain = text,
	    .mechanism = "exists:%{i}", .reason = "wrong", .problem = "foo" },
	    &addr, "192.0.2.7");
	f[1] = f[0];
	f[1].is_helo = true;
	header_received_spf(out, &f[0]);
	assert_true(check_lines(out, "Received-SPF") >= HEADER_VALUE_MAX);
	snprintf(pair, sizeof pair, "\n\tenvelope-from=\"%s\";\n", text);
	assert_non_null(strstr(out, pair));
	snprintf(pair, sizeof pair, "\n\thelo=\"%s\";\n", text);
	assert_non_null(strstr(out, pair));
	snprintf(pair, sizeof pair, "\n\treceiver=\"%s\";\n", text);
	assert_non_null(strstr(out, pair));
	assert_non_null(strstr(out, "mechanism=\"exists:%{i}\"; problem=foo;"));
	header_authentication_results(out, text, f, 2);
	snprintf(pair, sizeof pair, "\n\tsmtp.mailfrom=\"%s\";\n\tspf=", text);
	assert_non_null(strstr(out, pair));
	snprintf(pair, sizeof pair, "\n\tsmtp.helo=\"%s\"", text);
	assert_non_null(strstr(out, pair));

	f[0].sender = f[0].helo = f[0].receiver = f[1].helo = more;
	header_received_spf(out, &f[0]);
	assert_null(strstr(out, "envelope-from="));
	assert_null(strstr(out, "helo="));
	assert_null(strstr(out, "receiver="));
	assert_non_null(strstr(out, "identity=mailfrom; client-ip=192.0.2.7;"));
	header_authentication_results(out, "id", f, 2);
	snprintf(pair, sizeof pair, "smtp.mailfrom=%s;", more + 101);
	assert_non_null(strstr(out, pair));
	assert_null(strstr(out, "smtp.helo"));
	free(text);
	free(more);
}

/* Of a name that is too long for the comment, its end is not cut off. */
static void
test_long_sender(void **state)
{
	struct addr addr;
	char out[HEADER_MAX], *sender = make_text(90, 0);
	struct header_facts f = complete((struct header_facts) {
	    .result = SPF_IS_PASS, .receiver = "r", .sender = sender,
	    .domain = "evil.example" }, &addr, "192.0.2.7");

	(void)state;
	snprintf(sender + 60, 30, "%s", "@bank.example.evil.example");
	header_received_spf(out, &f);
	assert_non_null(strstr(out, "domain of evil.example designates"));
	f.domain = sender;
	header_received_spf(out, &f);
	assert_non_null(strstr(out, "@bank.example.evi...\n\tdesignates"));
	free(sender);
}

/* More results than there is room for: whole ones, up to the last. */
static void
test_many_results(void **state)
{
	struct addr addr;
	struct header_facts f[40];
	const char last[] = "; spf=pass smtp.mailfrom=joe@example.org";
	char out[HEADER_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(f); i++)
		f[i] = complete((struct header_facts) { SPF_IS_PASS, JOE },
		    &addr, "192.0.2.7");
	header_authentication_results(out, "id", f, COUNT(f));
	assert_true(strlen(out) > HEADER_MAX / 2);
	unfold(out);
	assert_string_equal(out + strlen(out) - strlen(last), last);
}

/* --- reading */

#define NAME	"mx.example.net"

static const struct {
	const char *value;
	bool want;
} from[] = {
	{ "mx.example.net; spf=pass", true },
	{ "mx.example.net;spf=pass", true },
	{ " mx.example.net ; none", true },
	{ "MX.Example.NET; none", true },
	{ "mx.example.net", true },
	{ "mx.example.net ", true },
	{ "mx.example.net 1; spf=pass", true },
	{ "mx.example.net\n\t1\r\n ; spf=pass", true },
	{ "\r\n\tmx.example.net;\r\n\tspf=pass", true },
	{ "\v\fmx.example.net;", true },
	{ "(a) (b(c)\\)) mx.example.net(d) 1 (e); spf=pass", true },
	{ "mx.example.net(version 2); spf=pass", true },
	{ "\"mx.example.net\"; spf=pass", true },
	{ "\"MX.\\example.ne\\t\" 1; spf=pass", true },
	{ "(x)\"mx.example.net\"(y);", true },
	{ "\"mx.\r\nexample.net\";", true },
	{ "mx.\"example\".net;", true },
	{ "mx.\"\"example.net\"\";", true },
	{ "mx . example(c).\n\tnet;", true },
	{ "mx.example.net spf=pass", true },
	{ "mx.example.net/x; spf=pass", true },
	{ "mx.example.net=pass", true },
	{ "\"mx.example.net; spf=pass", true },
	{ "mx.example.net\"; spf=pass", true },
	{ "mx.example.net (; spf=pass", true },
	{ "", false },
	{ ";", false },
	{ "1; mx.example.net", false },
	{ "mx.example.ne; spf=pass", false },
	{ "mx.example.net1; spf=pass", false },
	{ "mx.example.net.evil.example; spf=pass", false },
	{ "mx.example.net . example; spf=pass", false },
	{ "mx.example.net-1; spf=pass", false },
	{ "xmx.example.net; spf=pass", false },
	{ "mx example.net; spf=pass", false },
	{ "mx.example .net (x); spf=pass", true },
	{ "mx.example(x)net; spf=pass", false },
	{ "evil.example (mx.example.net); spf=pass", false },
	{ "evil.example; spf=pass smtp.mailfrom=mx.example.net", false },
	{ "(mx.example.net; spf=pass)", false },
	{ "((mx.example.net;) mx.example.net", false },
	{ "\"mx.example.net x\"; spf=pass", false },
	{ "\"mx.example.net\\\"\"; spf=pass", false },
	{ "\"mx.exam\tple.net\";", false },
	{ "\"\"; spf=pass", false },
	/* OpenDMARC reads these so. */
	{ "m\\x.example.net; dmarc=pass", true },
	{ "m)x.example.net; dmarc=pass", true },
	{ "\\mx.example.ne\\t; dmarc=pass", true },
	{ "\"", false }, { "\\", false }, { "\"\\", false }, { "(", false },
	{ "mx.example.\x6e\xc3\xa9t;", false },
}, received_by[] = {
	{ "pass (x) receiver=mx.example.net; client-ip=192.0.2.7", true },
	{ "pass receiver=mx.example.net", true },
	{ "receiver=mx.example.net", true },
	{ "Pass (c) client-ip=192.0.2.7; Receiver=MX.Example.Net;", true },
	{ "pass (c)receiver=mx.example.net;", true },
	{ "pass client-ip=1;receiver=mx.example.net;", true },
	{ "pass client-ip=1; receiver (x) =\r\n\t(y)mx.example.net (z)", true },
	{ "pass helo=\"a b\"receiver=\"mx.example.net\";", true },
	{ "pass receiver=\"m\\x.EXAMPLE.net\"; x=y", true },
	{ "pass receiver=a; receiver=mx.example.net", true },
	{ "pass receiver=; receiver=mx.example.net", true },
	{ "pass receiver receiver=mx.example.net", true },
	{ "pass (x receiver=mx.example.net; client-ip=192.0.2.7", true },
	{ "pass (x (y) receiver=mx.example.net", true },
	{ "pass helo=\"a; receiver=mx.example.net;", true },
	{ "pass receiver=\"mx.example.net;", true },
	{ "pass receiver=mx.example.net.evil.example", false },
	{ "pass receiver=\"mx.example.net.evil.example\"", false },
	{ "pass receiver=amx.example.net", false },
	{ "pass receiver=mx.example.ne", false },
	{ "pass (receiver=mx.example.net) client-ip=1", false },
	{ "pass (a (b) receiver=mx.example.net) client-ip=1", false },
	{ "pass (\\) receiver=mx.example.net) client-ip=1", false },
	{ "pass envelope-from=\"x; receiver=mx.example.net;\"; x=y", false },
	{ "pass envelope-from=\"\\\" receiver=mx.example.net\"; x=y", false },
	{ "pass x-receiver=mx.example.net", false },
	{ "pass receivers=mx.example.net", false },
	{ "pass receiver mx.example.net", false },
	{ "pass (mx.example.net: designates) client-ip=1", false },
	{ "pass helo=mx.example.net", false },
	{ "", false }, { "receiver", false }, { "receiver=", false },
	{ "receiver=(", false }, { "receiver=\"", false },
	{ "receiver=\"\\", false },
};

static void
test_readers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from); i++)
		CHECK(header_is_from(from[i].value, NAME) == from[i].want,
		    "%s", from[i].value);
	for (size_t i = 0; i < COUNT(received_by); i++)
		CHECK(header_is_received_by(received_by[i].value, NAME) ==
		    received_by[i].want, "%s", received_by[i].value);
	assert_true(header_is_from("mx.example.net; none", "MX.Example.Net"));
	assert_true(header_is_from("\"a b\" 1; none", "a b"));
	assert_true(header_is_received_by("x receiver=\"[::1]\"", "[::1]"));
}

/* What we write is what we find. */
static void
test_own(void **state)
{
	static const char *const names[] = { NAME, "localhost", "a b", "[::1]",
	    "\"x\\", "a;b", "(a)" };
	struct addr addr;
	char out[HEADER_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		for (size_t row = 0; row < COUNT(received); row++) {
			struct header_facts f = complete(received[row].facts,
			    &addr, "192.0.2.7");

			f.receiver = names[i];
			header_received_spf(out, &f);
			CHECK(header_is_received_by(out, names[i]) &&
			    !header_is_received_by(out, "x"), "%s", out);
			header_authentication_results(out, names[i], &f, 1);
			CHECK(header_is_from(out, names[i]) &&
			    !header_is_from(out, "x"), "%s", out);
		}
}

/*
 * A megabyte of what begins and never ends is read in one go: were it read
 * again from each beginning, this would take an hour.
 */
static void
test_long_values(void **state)
{
	static const char *const parts[] = { "(", "\"", "((\\", "receiver(",
	    "receiver=\"\\", "\"\\\"", "()", "\"\"", "receiver=", ".(", ". ",
	    "receiver=(\"" };
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t size = strlen(parts[i]);

		for (size_t at = 0; at < SIZE; at++)
			text[at] = parts[i][at % size];
		text[SIZE] = '\0';
		CHECK(!header_is_from(text, NAME), "%s", parts[i]);
		CHECK(!header_is_received_by(text, NAME), "%s", parts[i]);
	}
	free(text);
}

static const struct {
	const char *text;
	bool want;
} ids[] = {
	{ "mx.example.net", true }, { "localhost", true },
	{ "_a-b!#$%&'*+^`{|}~1", true },
	{ "", false }, { "a b", false }, { "a;", false }, { "a/1", false },
	{ "\"a\"", false }, { "a(b)", false }, { "[::1]", false },
	{ "a=b", false }, { "a\t", false }, { "a\n", false },
	{ "\x7f", false }, { "m\xc3\xbc.example", false },
};

static void
test_ids(void **state)
{
	char *text = make_text(HEADER_VALUE_MAX + 1, 0);

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++)
		CHECK(header_is_authserv_id(ids[i].text) == ids[i].want, "%s",
		    ids[i].text);
	assert_false(header_is_authserv_id(text));
	assert_true(header_is_authserv_id(text + 1));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_long_sender),
		cmocka_unit_test(test_many_results),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_ids),
	};

	return RUN(tests);
}
