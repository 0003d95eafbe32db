/*
 * t_addrlist - which addresses stand in a field, in what form they come out,
 * and what is said to be unknown.
 */
#include <stdlib.h>
#include <string.h>

#include "addrlist.h"
#include "unit.h"

/* What was taken, with a blank between each two. */
struct taken {
	char text[1024];
	size_t count;
};

static void
take(void *arg, const char *address)
{
	struct taken *t = arg;
	size_t size = strlen(t->text);

	snprintf(t->text + size, sizeof t->text - size, "%s%s",
	    size > 0 ? " " : "", address);
	t->count++;
}

static struct addrlist
new_list(struct taken *t)
{
	*t = (struct taken){ .count = 0 };
	return (struct addrlist){ .take = take, .arg = t };
}

struct row {
	const char *value, *taken;
	size_t addresses;
	bool unknown;
};

static void
check_row(const struct row *row)
{
	struct taken t;
	struct addrlist list = new_list(&t);

	addrlist_read(&list, row->value);
	CHECK(strcmp(t.text, row->taken) == 0, "%s: got \"%s\" want \"%s\"",
	    row->value, t.text, row->taken);
	CHECK(list.addresses == row->addresses, "%s: got %zu want %zu",
	    row->value, list.addresses, row->addresses);
	CHECK(list.unknown == row->unknown, "%s: got %d", row->value,
	    list.unknown);
	CHECK(list.bytes == strlen(row->value), "%s", row->value);
}

/* What can be read is read alike between two others. */
static void
check_row_between(const struct row *row)
{
	char value[2048], taken[1024];
	const struct row between = { value, taken, row->addresses + 2,
	    row->unknown };

	if (row->unknown)
		return;
	snprintf(value, sizeof value, "a@b.example,%s,c@d.example",
	    row->value);
	snprintf(taken, sizeof taken, "a@b.example %s%sc@d.example",
	    row->taken, row->taken[0] != '\0' ? " " : "");
	check_row(&between);
}

static void
check_rows(const struct row *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check_row(&row[i]);
		check_row_between(&row[i]);
	}
}

#define CHECK_ROWS(rows)	check_rows(rows, COUNT(rows))

/* --- what the grammar has */

static void
plain(void **state)
{
	static const struct row rows[] = {
		{ "", "", 0, false },
		{ " ", "", 0, false },
		{ "\r\n\t ", "", 0, false },
		{ ",", "", 0, false },
		{ " , ,, ", "", 0, false },
		{ "joe@example.org", "joe@example.org", 1, false },
		{ "  joe@example.org\t", "joe@example.org", 1, false },
		{ "Joe@Example.ORG", "joe@example.org", 1, false },
		{ "<joe@example.org>", "joe@example.org", 1, false },
		{ " < joe@example.org > ", "joe@example.org", 1, false },
		{ "Joe <joe@example.org>", "joe@example.org", 1, false },
		{ "Joe<joe@example.org>", "joe@example.org", 1, false },
		{ "Joe Doe <joe@example.org>", "joe@example.org", 1, false },
		{ "\"Joe Doe\" <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "\"Doe, Joe\" <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "\"Joe\" Doe <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "joe@example.org,ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org, ann@example.net,",
		    "joe@example.org ann@example.net", 2, false },
		{ "Joe <joe@example.org>,\r\n\tAnn <ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org, joe@example.org",
		    "joe@example.org joe@example.org", 2, false },
		{ "joe.b.doe@mail.example.org", "joe.b.doe@mail.example.org",
		    1, false },
		{ "joe@localhost", "joe@localhost", 1, false },
		{ "joe@a_b.example", "joe@a_b.example", 1, false },
		{ "joe@xn--bcher-kva.example", "joe@xn--bcher-kva.example", 1,
		    false },
		{ "!#$%&'*/=?^_`{|}~-@example.org",
		    "!#$%&'*/=?^_`{|}~-@example.org", 1, true },
		{ "o'neil@example.org", "o'neil@example.org", 1, false },
		{ "host!joe%example.net@example.org",
		    "host!joe%example.net@example.org", 1, true },
		{ "/G=Joe/S=Doe/@example.org", "/g=joe/s=doe/@example.org", 1,
		    true },
		{ "Joe Doe/Sales/ACME@ACME", "doe/sales/acme@acme", 1, true },
		{ "joe%example.org@relay.example",
		    "joe%example.org@relay.example", 1, true },
		{ "1234@example.org", "1234@example.org", 1, false },
		{ "=joe@example.org", "=joe@example.org", 1, false },
		{ "j?e@example.org", "j?e@example.org", 1, false },
		{ "joe@192.0.2.1", "joe@192.0.2.1", 1, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* RFC 5322 A, with the domains it has. */
static void
rfc5322(void **state)
{
	static const struct row rows[] = {
		{ "Mary Smith <mary@example.net>", "mary@example.net", 1,
		    false },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, "
		    "Who? <one@y.test>",
		    "mary@x.test jdoe@example.org one@y.test", 3, false },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" "
		    "<sysservices@example.net>",
		    "boss@nil.test sysservices@example.net", 2, false },
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,"
		    "John <jdoe@one.test>;",
		    "c@a.test joe@where.test jdoe@one.test", 3, false },
		{ "Undisclosed recipients:;", "", 0, false },
		{ "Mary Smith: Personal Account <smith@home.example>",
		    "smith@home.example", 1, false },
		{ "\"Mary Smith: Personal Account\" <smith@home.example>",
		    "smith@home.example", 1, false },
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test"
		    "(his host)>", "pete@silly.test", 1, false },
		{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's "
		    "host.)public.example>,\r\n         joe@example.org,\r\n"
		    "  John <jdoe@one.test> (my dear friend); (the end of "
		    "the group)",
		    "c@public.example joe@example.org jdoe@one.test", 3,
		    false },
		{ "(Empty list)(start)Hidden recipients  :(nobody(that I "
		    "know))  ;", "", 0, false },
		{ "Joe Q. Public <john.q.public@example.com>",
		    "john.q.public@example.com", 1, false },
		{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  "
		    ". example", "mary@example.net jdoe@test.example", 2,
		    false },
		{ "John Doe <jdoe@machine(comment).  example>",
		    "jdoe@machine.example", 1, false },
		{ "Mary Smith\r\n  \r\n          <mary@example.net>",
		    "mary@example.net", 1, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
quotes(void **state)
{
	static const struct row rows[] = {
		{ "\"joe\"@example.org", "joe@example.org", 1, false },
		{ "\"j\\oe\"@example.org", "joe@example.org", 1, false },
		{ "\"Joe Doe\"@example.org", "joe doe@example.org", 1, false },
		{ "\"joe\\ doe\"@example.org", "joe doe@example.org", 1,
		    false },
		{ "\"joe,ann\"@example.org", "joe,ann@example.org", 1, false },
		{ "\"joe@home\"@example.org", "joe@home@example.org", 1,
		    false },
		{ "\"a\\\"b\\\\c\"@example.org", "a\"b\\c@example.org", 1,
		    false },
		{ "\"<joe>\"@example.org", "<joe>@example.org", 1, false },
		{ "\"joe\r\n doe\"@example.org", "joe doe@example.org", 1,
		    false },
		{ "<\"joe doe\"@example.org>", "joe doe@example.org", 1,
		    false },
		{ "\"joe\".doe@example.org", "joe.doe@example.org", 1,
		    false },
		{ "joe . \"b\" . doe @ example . org",
		    "joe.b.doe@example.org", 1, false },
		{ "\"joe\" @ example.org", "joe@example.org", 1, false },
		{ "\"joe(doe)\"@example.org", "joe(doe)@example.org", 1,
		    false },
		{ "\"\" <joe@example.org>", "joe@example.org", 1, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* An address in quotes is none, but it may have been meant. */
static void
quoted_names(void **state)
{
	static const struct row rows[] = {
		{ "\"ann@example.net\" <joe@example.org>", "joe@example.org",
		    1, false },
		{ "\"ann@example.net, \" <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "\"<ann@example.net>\" <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "\"\\\"<ann@example.net>,\" joe@example.org",
		    "joe@example.org", 1, false },
		{ "\"a@b.example\":joe@example.org;", "joe@example.org", 1,
		    false },
		{ "\"joe@example.org\"", "", 0, true },
		{ "\" joe@example.org\" ", "", 0, true },
		{ "<\"joe@example.org\">", "", 0, true },
		{ "\"Joe <joe@example.org>\"", "", 0, true },
		{ "\"joe@example.org\" <>", "", 0, true },
		{ "\"joe@example.org\" (Joe)", "", 0, true },
		{ "\"joe@example.org\":;", "", 0, true },
		{ "'\"joe@example.org\"'", "", 0, true },
		{ "\"joe+x@example.org\"", "", 0, true },
		{ "\"joe@example.org\", ann@example.net", "ann@example.net",
		    1, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* Words that cannot stand side by side, and quotes without an end. */
static void
bad_quotes(void **state)
{
	static const struct row rows[] = {
		{ "\"joe\"doe@example.org", "", 0, true },
		{ "joe\"doe\"@example.org", "", 0, true },
		{ "\"joe\"\"doe\"@example.org", "", 0, true },
		{ "joe@\"example.org\"", "", 0, true },
		{ "joe@example.\"org\"", "", 0, true },
		{ "\"joe\"doe <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "\"Joe\"\"Doe\"<joe@example.org>", "joe@example.org", 1,
		    false },
		{ "joe@\"x\" <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "\"", "", 0, true },
		{ "\"joe@example.org", "", 0, true },
		{ "\"joe@example.org\\\"", "", 0, true },
		{ "\"joe@example.org\\", "", 0, true },
		{ "ann@example.net, \"joe@example.org", "ann@example.net", 1,
		    true },
		{ "joe.\"ann@example.net", "", 0, true },
		{ "\"Joe <joe@example.org>, ann@example.net", "", 0, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
comments(void **state)
{
	static const struct row rows[] = {
		{ "(Joe)", "", 0, false },
		{ "()", "", 0, false },
		{ "(Joe) joe@example.org", "joe@example.org", 1, false },
		{ "joe@example.org (Joe Doe)", "joe@example.org", 1, false },
		{ "joe@example.org(Joe)", "joe@example.org", 1, false },
		{ "joe@example.org (Joe (the elder) Doe)", "joe@example.org",
		    1, false },
		{ "joe@example.org (((((a)b)c)d)e)", "joe@example.org", 1,
		    false },
		{ "joe@example.org (a \\) \\( b)", "joe@example.org", 1,
		    false },
		{ "joe@example.org (a \\\\)", "joe@example.org", 1, false },
		{ "joe@example.org (\"), ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org (a, b; c: <d>)", "joe@example.org", 1,
		    false },
		{ "joe@example.org (ann@example.net)", "joe@example.org", 1,
		    false },
		{ "(ann@example.net) joe@example.org", "joe@example.org", 1,
		    false },
		{ "(a)joe(b)@(c)example(d).(e)org(f)", "joe@example.org", 1,
		    false },
		{ "(a)<(b)joe(c)@(d)example(e).(f)org(g)>(h)",
		    "joe@example.org", 1, false },
		{ "(a)joe(b).(c)doe(d)@example.org", "joe.doe@example.org", 1,
		    false },
		{ "<(a)@relay.example(b):(c)joe@example.org>",
		    "joe@example.org", 1, false },
		{ "A(a) :(b) joe@example.org (c), (d) ;(e)",
		    "joe@example.org", 1, false },
		{ "joe@example.org (Joe\r\n Doe)", "joe@example.org", 1,
		    false },
		{ "joe@example.org(a)ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		/* It may have been meant. */
		{ "(joe@example.org)", "", 0, true },
		{ "Joe (joe@example.org)", "joe@", 1, true },
		{ "Joe Doe (joe@example.org)", "", 0, true },
		{ "(\\@) <>", "", 0, true },
		/* There is no end. */
		{ "(", "", 0, true },
		{ "joe@example.org (Joe", "joe@example.org", 1, true },
		{ "joe@example.org (Joe (Doe)", "joe@example.org", 1, true },
		{ "joe@example.org (Joe\\", "joe@example.org", 1, true },
		{ "joe@example.org (Joe\\)", "joe@example.org", 1, true },
		{ "joe@example.org (Joe, ann@example.net", "joe@example.org",
		    1, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
groups(void **state)
{
	static const struct row rows[] = {
		{ "Friends: joe@example.org, ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "Friends:joe@example.org,ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "Friends:;", "", 0, false },
		{ "Friends: ;", "", 0, false },
		{ "Friends: , , ;", "", 0, false },
		{ "Friends: joe@example.org", "joe@example.org", 1, false },
		{ "Our Friends:", "", 0, false },
		{ "\"Friends, old\": joe@example.org;", "joe@example.org", 1,
		    false },
		{ "A: joe@example.org;, B: ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "A: joe@example.org; B: ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "A: B: joe@example.org;, ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "A: Joe <joe@example.org>, Ann Smith "
		    "<ann@example.net>;",
		    "joe@example.org ann@example.net", 2, false },
		{ "a@b.example: joe@example.org;",
		    "a@b.example joe@example.org", 2, false },
		{ "a@@b: joe@example.org;", "joe@example.org", 1, true },
		{ "Friends: Joe Doe;", "", 0, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
nobody(void **state)
{
	static const struct row rows[] = {
		{ "undisclosed-recipients:;", "", 0, false },
		{ "undisclosed-recipients: ;", "", 0, false },
		{ "Undisclosed-Recipient:;", "", 0, false },
		{ "Undisclosed.Recipients:;", "", 0, false },
		{ "\"Undisclosed recipients\":;", "", 0, false },
		{ "unlisted-recipients:; (no To-header on input)", "", 0,
		    false },
		{ "Recipient list not shown: ;", "", 0, false },
		{ "\"Recipient list suppressed\":;", "", 0, false },
		{ "Recipient.List.Suppressed:;", "", 0, false },
		{ "=?utf-8?q?Verborgene_Empf=C3=A4nger?=:;", "", 0, false },
		{ "(Recipient list suppressed)", "", 0, false },
		{ "<Undisclosed-Recipient:;>", "", 0, false },
		{ "<Undisclosed-Recipient:>;", "", 0, false },
		{ "\"Undisclosed-Recipient:;\"@example.org",
		    "undisclosed-recipient:;@example.org", 1, false },
		{ "undisclosed-recipients:joe@example.org;",
		    "joe@example.org", 1, false },
		/* Without the colon. */
		{ "undisclosed-recipients", "", 0, false },
		{ "Undisclosed recipients", "", 0, false },
		{ "UNDISCLOSED RECIPIENTS;", "", 0, false },
		{ "\"Undisclosed recipients\"", "", 0, false },
		{ "'undisclosed-recipients'", "", 0, false },
		{ "<Undisclosed Recipients>", "", 0, false },
		{ "<undisclosed>", "", 0, false },
		{ "Undisclosed Recipients <>", "", 0, false },
		{ "Undisclosed Recipients <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "undisclosed joe@example.org", "joe@example.org", 1,
		    false },
		{ "The undisclosed", "", 0, true },
		{ "undisclose", "undisclose@", 1, false },
		{ "undisclosed@example.org", "undisclosed@example.org", 1,
		    false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
obsolete(void **state)
{
	static const struct row rows[] = {
		{ "joe @ example . org", "joe@example.org", 1, false },
		{ "joe . smith @ example . org", "joe.smith@example.org", 1,
		    false },
		{ "joe\r\n\t@\r\n\texample\r\n\t.\r\n\torg",
		    "joe@example.org", 1, false },
		{ "<joe. smith@example .org>", "joe.smith@example.org", 1,
		    false },
		{ "Joe Doe @ example.org", "doe@example.org", 1, false },
		{ "<@a.example:joe@example.org>", "joe@example.org", 1,
		    false },
		{ "<@a.example,@b.example:joe@example.org>",
		    "joe@example.org", 1, false },
		{ "<@a.example , @b.example : joe@example.org>",
		    "joe@example.org", 1, false },
		{ "<,,@a.example,,@b.example,:joe@example.org>",
		    "joe@example.org", 1, false },
		{ "Joe <@[192.0.2.1]:joe@example.org>", "joe@example.org", 1,
		    false },
		{ "<@a.example:\"joe doe\"@example.org>",
		    "joe doe@example.org", 1, false },
		{ "@a.example:joe@example.org", "joe@example.org", 1, false },
		{ "<@a.example>", "", 1, false },
		{ "<@a.example,joe@example.org>", "joe@example.org", 1,
		    false },
		{ "<@a.example,joe@example.org,ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "<@a.example:joe@example.org,ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		/* A dot with a gap on one side may have ended a word. */
		{ "Dr. joe@example.org", "dr.joe@example.org", 1, true },
		{ "Joe .doe@example.org", "joe.doe@example.org", 1, true },
		{ "joe@example.org. Ann", "joe@example.org.ann", 1, true },
		{ "joe@example.org. ann@example.net", "", 0, true },
		{ "J. R. <joe@example.org>", "joe@example.org", 1, false },
		{ "joe@example.org . ", "joe@example.org", 1, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
literals(void **state)
{
	static const struct row rows[] = {
		/* A name swallows an address. */
		{ "Joe [x <joe@example.org>, Bob] <bob@example.net>",
		    "bob@example.net", 1, true },
		{ "\x83\x5b <joe@example.org>, \x83\x5d <bob@example.net>",
		    "bob@example.net", 1, true },
		{ "Joe 5\" <joe@example.org>, Ann 6\" <ann@example.net>",
		    "ann@example.net", 1, true },
		{ "joe@[192.0.2.1]", "joe@[192.0.2.1]", 1, false },
		{ "Joe <joe@[192.0.2.1]>", "joe@[192.0.2.1]", 1, false },
		{ "joe@[IPv6:2001:DB8::1]", "joe@[ipv6:2001:db8::1]", 1,
		    false },
		{ "joe@ [ 192.0.2.1 ] (x)", "joe@[192.0.2.1]", 1, false },
		{ "joe@[192.0.2.1].", "joe@[192.0.2.1]", 1, false },
		{ "'joe@[192.0.2.1]'", "", 0, true },
		{ "joe@[]", "", 0, true },
		{ "joe@[192.0.2.1", "", 0, true },
		{ "joe@[192.0.2.1, ann@example.net", "", 0, true },
		{ "joe@[192.0.2.1]x", "", 0, true },
		{ "joe@x[192.0.2.1]", "", 0, true },
		{ "joe@example.[1]", "", 0, true },
		{ "joe@[ann@example.net]", "", 0, true },
		{ "joe@[\\192]", "", 0, true },
		{ "joe@[[1]", "", 0, true },
		{ "[joe@example.org]", "", 0, true },
		{ "Joe [SMTP:joe@example.org]", "", 0, true },
		{ "joe[at]example.org", "", 0, true },
		{ "[list] joe@example.org", "joe@example.org", 1, true },
		{ "Joe [list] <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "[list:x@y] Joe <joe@example.org>", "joe@example.org", 1,
		    false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* RFC 6532, and what is pasted. */
static void
utf8(void **state)
{
	static const struct row rows[] = {
		{ "jos\xc3\xa9@example.org", "jos\xc3\xa9@example.org", 1,
		    false },
		{ "JOS\xc3\x89@EX\xc3\x84MPLE.org",
		    "jos\xc3\x89@ex\xc3\x84mple.org", 1, false },
		{ "Jos\xc3\xa9 <jos\xc3\xa9@b\xc3\xbc" "cher.example>",
		    "jos\xc3\xa9@b\xc3\xbc" "cher.example", 1, false },
		{ "\"Jos\xc3\xa9 D\"@example.org",
		    "jos\xc3\xa9 d@example.org", 1, false },
		{ "\xe7\x94\xb2@\xe4\xbe\x8b.example",
		    "\xe7\x94\xb2@\xe4\xbe\x8b.example", 1, false },
		{ "\xe7\x94\xb2: \xe4\xbe\x8b <joe@example.org>;",
		    "joe@example.org", 1, false },
		{ "Jos\xe9 <joe@example.org>", "joe@example.org", 1, false },
		{ "jos\xe9@example.org", "jos\xe9@example.org", 1, false },
		{ "jos\xc3\xa9", "jos\xc3\xa9@", 1, false },
		{ "(\xc3\xa9) joe@example.org", "joe@example.org", 1, false },
		/* Blanks, quotes and marks that are none. */
		{ "Joe\xc2\xa0" "Doe <joe@example.org>", "joe@example.org",
		    1, false },
		{ "\xe2\x80\x9cJoe Doe\xe2\x80\x9d <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "joe@example.org\xc2\xad", "joe@example.org\xc2\xad", 1,
		    true },
		{ "\xe2\x81\xa6" "joe@example.org\xe2\x81\xa9",
		    "\xe2\x81\xa6" "joe@example.org\xe2\x81\xa9", 1, true },
		{ "\xc2\xab" "joe@example.org\xc2\xbb",
		    "\xc2\xab" "joe@example.org\xc2\xbb", 1, true },
		{ "joe@example.org\xd8\x8c ann@example.net",
		    "joe@example.org\xd8\x8c ann@example.net", 2, true },
		{ "joe\xef\xb9\xab" "example.org", "", 0, true },
		{ "joe@example.org\xc2\xa0",
		    "joe@example.org\xc2\xa0", 1, true },
		{ "\xe2\x80\x8bjoe@example.org",
		    "\xe2\x80\x8bjoe@example.org", 1, true },
		{ "\xe2\x80\x98joe@example.org\xe2\x80\x99",
		    "\xe2\x80\x98joe@example.org\xe2\x80\x99", 1, true },
		{ "\xef\xbb\xbfjoe@example.org",
		    "\xef\xbb\xbfjoe@example.org", 1, true },
		{ "joe\xef\xbc\xa0" "example.org", "", 0, true },
		{ "joe@example.org\xef\xbc\x8c" "ann@example.net", "", 0,
		    true },
		{ "joe@example\xe3\x80\x82org",
		    "joe@example\xe3\x80\x82org", 1, true },
		{ "\xe4\xbd\x90\xe3\x80\x85@example.org",
		    "\xe4\xbd\x90\xe3\x80\x85@example.org", 1, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
encoded_words(void **state)
{
	static const struct row rows[] = {
		{ "=?utf-8?Q?Jos=C3=A9?= <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "=?utf-8?B?Sm9zw6k=?=\r\n =?utf-8?B?Sm9zw6k=?= "
		    "<joe@example.org>", "joe@example.org", 1, false },
		{ "=?utf-8?Q?joe@example.org?= <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "=?utf-8?Q?Joe?= joe@example.org", "joe@example.org", 1,
		    false },
		{ "joe@example.org (=?utf-8?Q?Joe?=)", "joe@example.org", 1,
		    false },
		{ "\"=?utf-8?Q?Joe?=\" <joe@example.org>", "joe@example.org",
		    1, false },
		{ "=?utf-8?Q?joe=40example.org?=", "", 0, true },
		{ "=?utf-8?B?am9lQGV4YW1wbGUub3Jn?=", "", 0, true },
		{ "=?utf-8?Q?joe@example.org?=", "", 0, true },
		{ "=?utf-8?Q?Joe_=3Cjoe=40example.org=3E?=", "", 0, true },
		{ "<=?utf-8?Q?joe=40example.org?=>", "", 0, true },
		{ "Joe <=?utf-8?Q?joe=40example.org?=>", "", 0, true },
		{ "\"=?utf-8?Q?joe=40example.org?=\"", "", 0, true },
		{ "=?utf-8?Q?joe=40?= =?utf-8?Q?example.org?=", "", 0, true },
		{ "=?utf-8?Q?joe?=@example.org",
		    "=?utf-8?q?joe?=@example.org", 1, true },
		{ "=?utf-8?Q?Joe?=joe@example.org",
		    "=?utf-8?q?joe?=joe@example.org", 1, true },
		{ "=?utf-8?Q?Doe,_Joe?= <joe@example.org>",
		    "joe@example.org", 1, true },
		{ "=?utf-8?Q?joe=40example.org?=, ann@example.net",
		    "ann@example.net", 1, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* --- what mailers and people make of it */

/* Outlook has them around what it knows no name of. */
static void
single_quotes(void **state)
{
	static const struct row rows[] = {
		{ "'joe@example.org'", "joe@example.org", 1, false },
		{ "'Joe@example.org.'", "joe@example.org", 1, false },
		{ "'joe@example.org'.", "joe@example.org", 1, false },
		{ "<'joe@example.org'>", "joe@example.org", 1, false },
		{ "'joe+x@example.org'", "joe@example.org", 1, false },
		{ "'o'neil@example.org'", "o'neil@example.org", 1, false },
		{ "''joe@example.org''", "", 0, true },
		{ "'joe'@example.org", "'joe'@example.org", 1, true },
		{ "'joe@example.org", "'joe@example.org", 1, true },
		{ "joe@example.org'", "", 0, true },
		{ "'joe'", "joe@", 1, false },
		{ "''", "", 0, false },
		{ "'", "", 0, true },
		{ "'joe@example.org' <joe@example.org>",
		    "joe@example.org joe@example.org", 2, false },
		{ "\"'joe@example.org'\" <joe@example.org>",
		    "joe@example.org", 1, false },
		{ "\"'joe@example.org'\"", "", 0, true },
		{ "'Joe Doe' <joe@example.org>", "joe@example.org", 1,
		    false },
		{ "'joe@example.org'; 'ann@example.net'",
		    "joe@example.org ann@example.net", 2, false },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
punctuation(void **state)
{
	static const struct row rows[] = {
		{ "joe@example.org; ann@example.net;",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org <mailto:joe@example.org>",
		    "joe@example.org joe@example.org", 2, false },
		{ "mailto:joe@example.org", "joe@example.org", 1, false },
		{ "<smtp:joe@example.org>", "joe@example.org", 1, false },
		{ "mailto:joe@example.org?subject=x", "", 0, true },
		/* No comma. */
		{ "joe@example.org ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org\r\n ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		{ "<joe@example.org> <ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "<joe@example.org><ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "Joe <joe@example.org> Ann <ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		/* No quotes. */
		{ "joe@example.org <ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "Joe joe@example.org", "joe@example.org", 1, false },
		{ "\"Joe Doe\" joe@example.org", "joe@example.org", 1,
		    false },
		{ "joe@example.org Joe Doe", "joe@example.org", 1, false },
		{ "<joe@example.org> Joe Doe", "joe@example.org", 1, false },
		{ "<joe@example.org> Joe", "joe@example.org", 1, false },
		{ "Doe, Joe <joe@example.org>", "doe@ joe@example.org", 2,
		    false },
		{ "Doe, Joe B. <joe@example.org>", "doe@ joe@example.org", 2,
		    false },
		{ "Joe Doe, Jr. <joe@example.org>", "joe@example.org", 1,
		    true },
		{ "Joe @ Home <joe@example.org>",
		    "joe@home joe@example.org", 2, false },
		{ "a@b@c <joe@example.org>", "joe@example.org", 1, false },
		{ "Joe@ <joe@example.org>", "joe@example.org", 1, false },
		{ "Joe :) <joe@example.org>", "joe@example.org", 1, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
brackets(void **state)
{
	static const struct row rows[] = {
		{ "<>", "", 0, false },
		{ "< >", "", 0, false },
		{ "<(x)>", "", 0, false },
		{ "<>, joe@example.org", "joe@example.org", 1, false },
		{ "<> joe@example.org", "joe@example.org", 1, false },
		{ "joe@example.org <>", "joe@example.org", 1, false },
		{ "Joe Doe <>", "", 0, true },
		{ "Joe <>", "", 0, true },
		{ "a@@b <>", "", 0, true },
		{ "<joe@example.org", "joe@example.org", 1, false },
		{ "Joe <joe@example.org", "joe@example.org", 1, false },
		{ "<joe@example.org, ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "<joe@example.org, <ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "<joe@example.org; ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "joe@example.org>", "joe@example.org", 1, false },
		{ "joe@example.org>, ann@example.net",
		    "joe@example.org ann@example.net", 2, false },
		{ "Joe Doe> <joe@example.org>", "joe@example.org", 1, false },
		{ "<<joe@example.org>>", "joe@example.org", 1, false },
		{ "<Joe Doe <joe@example.org>>", "joe@example.org", 1,
		    false },
		{ "<a@b@c <joe@example.org>>", "joe@example.org", 1, false },
		{ "<joe@example.org ann@example.net>",
		    "joe@example.org ann@example.net", 2, false },
		{ "<Joe Doe>", "", 0, true },
		{ "Ann <Joe Doe>", "", 0, true },
		{ "<a@b@c>", "", 0, true },
		{ "<joe@example.org> a@b@c", "joe@example.org", 1, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
bare(void **state)
{
	static const struct row rows[] = {
		{ "joe", "joe@", 1, false },
		{ "Joe", "joe@", 1, false },
		{ "<joe>", "joe@", 1, false },
		{ "Joe Doe <joe>", "joe@", 1, false },
		{ "joe (Joe Doe)", "joe@", 1, false },
		{ "joe.doe", "joe.doe@", 1, false },
		{ "joe . doe", "joe.doe@", 1, false },
		{ "joe+x", "joe@", 1, false },
		{ "\"joe\"", "joe@", 1, false },
		{ "joe, ann", "joe@ ann@", 2, false },
		{ "joe; ann", "joe@ ann@", 2, false },
		{ "Friends: joe, ann;", "joe@ ann@", 2, false },
		{ "joe>", "joe@", 1, false },
		{ "\"\"", "", 0, false },
		/* A name, or an address that is none of ours. */
		{ "Joe Doe", "", 0, true },
		{ "\"Joe Doe\"", "", 0, true },
		{ "\"Joe\tDoe\"", "", 0, true },
		{ "joe at example dot org", "", 0, true },
		{ "joe (at) example.org", "", 0, true },
		{ "example!joe", "", 0, true },
		{ "joe%example.org", "", 0, true },
		{ "/O=EXAMPLE/CN=JOE", "", 0, true },
		{ "http://www.example.org/", "", 0, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
forms(void **state)
{
	static const struct row rows[] = {
		{ "joe+news@example.org", "joe@example.org", 1, false },
		{ "joe+@example.org", "joe@example.org", 1, false },
		{ "joe+a+b@example.org", "joe@example.org", 1, false },
		{ "joe+a.b@example.org", "joe@example.org", 1, false },
		{ "\"joe+a b\"@example.org", "joe@example.org", 1, false },
		{ "\"joe\\+a@b\"@example.org", "joe@example.org", 1, false },
		{ "+joe@example.org", "+joe@example.org", 1, false },
		{ "+joe+x@example.org", "+joe@example.org", 1, false },
		{ "++@example.org", "+@example.org", 1, false },
		{ "joe@example+x.org", "", 0, true },
		{ "joe-news@example.org", "joe-news@example.org", 1, false },
		{ "joe@example.org.", "joe@example.org", 1, false },
		{ "joe@example.org...", "joe@example.org", 1, false },
		{ "<joe@example.org.>", "joe@example.org", 1, false },
		{ "joe@", "", 0, true },
		{ "joe@.", "", 0, true },
		{ "joe@.example.org", "", 0, true },
		{ "joe@example..org", "", 0, true },
		{ "joe@exam!ple.org", "", 0, true },
		{ "joe@exam\x01ple.org", "", 0, true },
		{ "joe@exam\x7fple.org", "", 0, true },
		{ "joe@example.org/x", "", 0, true },
		{ "a@b@c", "", 0, true },
		{ "joe@@example.org", "", 0, true },
		{ "@", "", 0, true },
		{ "@@", "", 0, true },
		{ "'@'", "", 0, true },
		{ "@example.org", "", 1, false },
		{ "\"\"@example.org", "", 1, false },
		{ "@example.org, joe@example.org", "joe@example.org", 2,
		    false },
		{ ".joe@example.org", ".joe@example.org", 1, false },
		{ "joe..doe.@example.org", "joe..doe.@example.org", 1,
		    false },
		/* Stray bytes. */
		{ "joe)@example.org", "", 1, true },
		{ "joe@example.org)", "joe@example.org", 1, true },
		{ "joe@example.org]", "joe@example.org", 1, true },
		{ "\\joe@example.org", "joe@example.org", 1, true },
		{ "Joe\\ Doe <joe@example.org>", "joe@example.org", 1, true },
		{ "joe@example.org\\,ann@example.net",
		    "joe@example.org ann@example.net", 2, true },
		{ ")", "", 0, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* --- the envelope */

static void
envelope(void **state)
{
	static const struct row rows[] = {
		{ "<joe@example.org>", "joe@example.org", 1, false },
		{ "<Joe+x@Example.org.>", "joe@example.org", 1, false },
		{ "joe@example.org", "joe@example.org", 1, false },
		{ "<@a.example,@b.example:joe@example.org>",
		    "joe@example.org", 1, false },
		{ "<\"joe\"@example.org>", "joe@example.org", 1, false },
		{ "<\"Joe Doe\"@example.org>", "joe doe@example.org", 1,
		    false },
		{ "<\"joe@home\"@example.org>", "joe@home@example.org", 1,
		    false },
		{ "<joe@[192.0.2.1]>", "joe@[192.0.2.1]", 1, false },
		{ "<jos\xc3\xa9@example.org>", "jos\xc3\xa9@example.org", 1,
		    false },
		{ "<joe>", "joe@", 1, false },
		{ "<Postmaster>", "postmaster@", 1, false },
		{ "<>", "", 0, false },
		{ "<joe@a@example.org>", "", 0, true },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* --- limits */

/* An address of this size in this place: joe@aaa...; the caller frees it. */
static char *
long_value(const char *before, size_t size, const char *behind)
{
	size_t room = strlen(before) + size + strlen(behind) + 1;
	char *value = malloc(room);

	assert_non_null(value);
	snprintf(value, room, "%s", before);
	memset(value + strlen(before), 'a', size);
	memcpy(value + strlen(before), "joe@", 4);
	memcpy(value + room - 1 - strlen(behind), behind, strlen(behind) + 1);
	return value;
}

static void
long_addresses(void **state)
{
	static const struct {
		const char *before;
		size_t size;
		const char *behind;
		size_t taken;
	} rows[] = {
		{ "", ADDRLIST_ADDRESS_MAX - 2, "", 2 },
		{ "", ADDRLIST_ADDRESS_MAX - 1, "", 2 },
		{ "", ADDRLIST_ADDRESS_MAX, "", 1 },
		{ "", ADDRLIST_ADDRESS_MAX + 1, "", 1 },
		{ "", 100000, "", 1 },
		{ "Joe <", ADDRLIST_ADDRESS_MAX - 1, ">", 2 },
		{ "Joe <", ADDRLIST_ADDRESS_MAX, ">", 1 },
		{ "\"Joe\" <@a.example:", 100000, ">", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = long_value(rows[i].before, rows[i].size,
		    rows[i].behind);
		struct taken t;
		struct addrlist list = new_list(&t);

		addrlist_read(&list, value);
		addrlist_read(&list, "ann@example.net");
		CHECK(list.addresses == 2 && !list.unknown, "%zu", i);
		CHECK(t.count == rows[i].taken, "%zu: %zu", i, t.count);
		CHECK(strlen(t.text) >= 15 && strcmp(t.text +
		    strlen(t.text) - 15, "ann@example.net") == 0, "%zu", i);
		free(value);
	}
}

/* What is left out of an address makes it no longer. */
static void
long_details(void **state)
{
	char *value = long_value("joe+", 100000, "@example.org");
	struct taken t;
	struct addrlist list = new_list(&t);

	(void)state;
	memset(value + 4, 'b', 100000);
	addrlist_read(&list, value);
	assert_string_equal(t.text, "joe@example.org");
	free(value);
}

/* A name or a local part as long as this one; the '@' that it gets counts. */
static void
long_words(void **state)
{
	static const struct {
		const char *before;
		size_t size;
		const char *behind;
		size_t taken, addresses;
		bool unknown;
	} rows[] = {
		{ "", ADDRLIST_ADDRESS_MAX - 2, "", 1, 1, false },
		{ "", ADDRLIST_ADDRESS_MAX - 1, "", 0, 1, false },
		{ "", ADDRLIST_ADDRESS_MAX, "", 0, 1, false },
		{ "", 100000, "", 0, 1, false },
		{ "\"", 100000, "@example.org\"", 0, 0, true },
		{ "", 100000, "@b@c", 0, 0, true },
		{ "Joe ", 100000, "", 0, 0, true },
		{ "", 100000, " <joe@example.org>", 1, 1, false },
		{ "\"", 100000, "\" <joe@example.org>", 1, 1, false },
		{ "(", 100000, ") joe@example.org", 1, 1, false },
		{ "undisclosed", 100000, "", 0, 0, false },
		{ "=?", 100000, "?=", 0, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = long_value(rows[i].before, rows[i].size,
		    rows[i].behind);
		struct taken t;
		struct addrlist list = new_list(&t);

		memset(value + strlen(rows[i].before), 'b', rows[i].size);
		addrlist_read(&list, value);
		CHECK(t.count == rows[i].taken, "%zu: %zu", i, t.count);
		CHECK(list.addresses == rows[i].addresses, "%zu: %zu", i,
		    list.addresses);
		CHECK(list.unknown == rows[i].unknown, "%zu", i);
		free(value);
	}
}

static char *
repeat(const char *text, size_t count)
{
	size_t size = strlen(text);
	char *value = malloc(size * count + 1);

	assert_non_null(value);
	for (size_t i = 0; i < count; i++)
		memcpy(value + i * size, text, size);
	value[size * count] = '\0';
	return value;
}

/* There is no depth and no number at which it ends. */
static void
many(void **state)
{
	static const struct {
		const char *text;
		size_t addresses;	/* in each */
		bool unknown;
	} rows[] = {
		{ "a@b.c,", 1, false },
		{ "a@b.c ", 1, false },
		{ "a@b.c;", 1, false },
		{ "<a@b.c>", 1, false },
		{ "<a@b.c ", 1, false },
		{ "g:a@b.c,", 1, false },
		{ "a,", 1, false },
		{ "@b,", 1, false },
		{ "(", 0, true },
		{ ")", 0, true },
		{ "()", 0, false },
		{ "<", 0, false },
		{ ">", 0, false },
		{ "<>", 0, false },
		{ "\"\" ", 0, true },
		{ "\"", 0, true },
		{ ":", 0, false },
		{ ";", 0, false },
		{ "@", 0, true },
		{ "[", 0, true },
		{ "[]", 0, true },
		{ "\\", 0, true },
		{ "<@a,", 0, false },
		{ "a ", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = repeat(rows[i].text, 100000);
		struct taken t;
		struct addrlist list = new_list(&t);

		addrlist_read(&list, value);
		CHECK(list.addresses == rows[i].addresses * 100000,
		    "%s: %zu", rows[i].text, list.addresses);
		CHECK(list.unknown == rows[i].unknown, "%s", rows[i].text);
		free(value);
	}
}

static void
several_fields(void **state)
{
	struct taken t;
	struct addrlist list = new_list(&t);

	(void)state;
	addrlist_read(&list, "joe@example.org");
	addrlist_read(&list, "");
	addrlist_read(&list, "Friends: <ann@example.net");
	assert_false(list.unknown);
	addrlist_read(&list, "a@b@c");
	assert_true(list.unknown);
	addrlist_read(&list, "bob@example.com");
	assert_true(list.unknown);
	assert_string_equal(t.text,
	    "joe@example.org ann@example.net bob@example.com");
	assert_int_equal(list.addresses, 3);
	assert_int_equal(list.bytes, 15 + 25 + 5 + 15);
}

static void
too_many_bytes(void **state)
{
	static const struct {
		size_t before, bytes;
		const char *value, *taken;
		bool unknown;
	} rows[] = {
		{ 15, 15, "joe@example.org", "joe@example.org", false },
		{ 14, 14, "joe@example.org", "", true },
		{ 15, 15, "joe@example.org,", "", true },
		{ 16, 16, "joe@example.org,", "joe@example.org", false },
		{ 16, 16, "joe@example.org,ann@example.net",
		    "joe@example.org", true },
		{ 1, 1, " joe@example.org", "", true },
		{ 0, 0, "joe@example.org", "", true },
		{ 0, 0, "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *blanks = repeat(" ", ADDRLIST_BYTES_MAX -
		    rows[i].before);
		struct taken t;
		struct addrlist list = new_list(&t);

		addrlist_read(&list, blanks);
		CHECK(!list.unknown && list.bytes == ADDRLIST_BYTES_MAX -
		    rows[i].before, "%zu: %zu", i, list.bytes);
		addrlist_read(&list, rows[i].value);
		CHECK(strcmp(t.text, rows[i].taken) == 0, "%zu: %s", i,
		    t.text);
		CHECK(list.unknown == rows[i].unknown, "%zu", i);
		CHECK(list.bytes == ADDRLIST_BYTES_MAX, "%zu: %zu", i,
		    list.bytes);
		free(blanks);
	}
}

/* One field can be too much. */
static void
huge_field(void **state)
{
	char *value = repeat("a@b.c,", ADDRLIST_BYTES_MAX / 6 + 1000);
	struct taken t;
	struct addrlist list = new_list(&t);

	(void)state;
	addrlist_read(&list, value);
	assert_true(list.unknown);
	assert_int_equal(list.addresses, ADDRLIST_BYTES_MAX / 6);
	assert_int_equal(list.bytes, ADDRLIST_BYTES_MAX);
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(rfc5322),
		cmocka_unit_test(quotes),
		cmocka_unit_test(quoted_names),
		cmocka_unit_test(bad_quotes),
		cmocka_unit_test(comments),
		cmocka_unit_test(groups),
		cmocka_unit_test(nobody),
		cmocka_unit_test(obsolete),
		cmocka_unit_test(literals),
		cmocka_unit_test(utf8),
		cmocka_unit_test(encoded_words),
		cmocka_unit_test(single_quotes),
		cmocka_unit_test(punctuation),
		cmocka_unit_test(brackets),
		cmocka_unit_test(bare),
		cmocka_unit_test(forms),
		cmocka_unit_test(envelope),
		cmocka_unit_test(long_addresses),
		cmocka_unit_test(long_details),
		cmocka_unit_test(long_words),
		cmocka_unit_test(many),
		cmocka_unit_test(several_fields),
		cmocka_unit_test(too_many_bytes),
		cmocka_unit_test(huge_field),
	};

	return RUN(tests);
}
