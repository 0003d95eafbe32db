/*
 * t_records - SPF records: which are good, and which term of a bad one is the
 * first that is wrong.
 */
#include <stdbool.h>
#include <string.h>

#include "terms.h"
#include "unit.h"

/* Counted, for there may be any bytes in it. */
struct text {
	const char *bytes;
	size_t size;
};

#define TEXT(literal)	{ literal, sizeof (literal) - 1 }
#define GOOD		TEXT("")	/* no term is wrong */

/* The first term that is wrong; empty: there is none. */
static struct text
find_wrong(struct text record)
{
	struct text wrong = { "", 0 };
	struct terms_reader r;
	struct term t;
	int more;

	terms_begin(&r, record.bytes, record.size);
	while ((more = terms_next(&r, &t)) == 1)
		;
	if (more == -1) {
		wrong.bytes = r.term;
		wrong.size = r.term_size;
		assert_non_null(r.wrong);
		assert_true(r.term >= record.bytes + 6 && r.term + r.term_size
		    <= record.bytes + record.size);
	}
	return wrong;
}

static bool
is_same(struct text a, struct text b)
{
	return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

/* All that the official test suite, rfc7208-tests.yml, has of them. */
static const struct {
	struct text text, wrong;
} records[] = {
	/* Initial processing. */
	{ TEXT("v=spf1 -all exp=exp.example.net"), GOOD },
	{ TEXT("v=spf1 -all"), GOOD },
	{ TEXT("v=spf1 a:\357\273\277garbage.example.net -all"),
	    TEXT("a:\357\273\277garbage.example.net") },
	{ TEXT("v=spf1 \200a:example.net -all"), TEXT("\200a:example.net") },
	{ TEXT("v=spf1 a:example.net \226all"), TEXT("\226all") },
	{ TEXT("v=spf1 a:example.net -all"), GOOD },
	{ TEXT("v=spf1 a:ctrl.example.com\015ptr -all"),
	    TEXT("a:ctrl.example.com\015ptr") },
	{ TEXT("v=spf1 a  -all"), GOOD },
	{ TEXT("v=spf1 a -all "), GOOD },
	{ TEXT("v=spf1 ip4:192.0.2.5 -all"), GOOD },
	{ TEXT("v=spf1 ip4:192.0.2.5\012 "
	    "include:spf.protection.outlook.com ~all"),
	    TEXT("ip4:192.0.2.5\012") },
	/* Selecting records. */
	{ TEXT("v=spf1 mx"), GOOD },
	{ TEXT("v=spf1"), GOOD },
	{ TEXT("v=spf1 +all"), GOOD },
	{ TEXT("V=sPf1 +all"), GOOD },
	{ TEXT("V=spf1 -all"), GOOD },
	{ TEXT("v=SpF1 ~all"), GOOD },
	/* Record evaluation. */
	{ TEXT("v=spf1 ip4:1.2.3.4 -all moo"), TEXT("moo") },
	{ TEXT("v=spf1 moo.cow-far_out=man:dog/cat ip4:1.2.3.4 -all"),
	    GOOD },
	{ TEXT("v=spf1 moo.cow/far_out=man:dog/cat ip4:1.2.3.4 -all"),
	    TEXT("moo.cow/far_out=man:dog/cat") },
	{ TEXT("v=spf1 moo.cow:far_out=man:dog/cat ip4:1.2.3.4 -all"),
	    TEXT("moo.cow:far_out=man:dog/cat") },
	{ TEXT("v=spf1 redirect=t5.example.com ~all"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4 redirect=t2.example.com"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4 redirect:t2.example.com"),
	    TEXT("redirect:t2.example.com") },
	{ TEXT("v=spf1 a:foo-bar -all"), TEXT("a:foo-bar") },
	{ TEXT("v=spf1 a:mail.example...com -all"), GOOD },
	{ TEXT("v=spf1 "
	    "a:a1234567890123456789012345678901234567890123456789012345"
	    "67890123.example.com -all"),
	    GOOD },
	{ TEXT("v=spf1 a:%{H}.bar -all"), GOOD },
	/* ALL mechanism syntax. */
	{ TEXT("v=spf1 -all."), TEXT("-all.") },
	{ TEXT("v=spf1 -all:foobar"), TEXT("-all:foobar") },
	{ TEXT("v=spf1 -all/8"), TEXT("-all/8") },
	{ TEXT("v=spf1 ?all"), GOOD },
	{ TEXT("v=spf1 all -all"), GOOD },
	/* PTR mechanism syntax. */
	{ TEXT("v=spf1 ptr/0 -all"), TEXT("ptr/0") },
	{ TEXT("v=spf1 ptr:example.com -all"), GOOD },
	{ TEXT("v=spf1 ptr -all"), GOOD },
	{ TEXT("v=spf1 ptr:"), TEXT("ptr:") },
	{ TEXT("v=spf1 ptr:example.Com -all"), GOOD },
	{ TEXT("v=spf1 ptr"), GOOD },
	/* A mechanism syntax. */
	{ TEXT("v=spf1 a/0 -all"), GOOD },
	{ TEXT("v=spf1 a//0 -all"), GOOD },
	{ TEXT("v=spf1 a -all"), GOOD },
	{ TEXT("v=spf1 a:foo.example.com\000"), TEXT("a:foo.example.com\000") },
	{ TEXT("v=spf1 a:111.222.33.44"), TEXT("a:111.222.33.44") },
	{ TEXT("v=spf1 a:abc.123"), TEXT("a:abc.123") },
	{ TEXT("v=spf1 a:museum"), TEXT("a:museum") },
	{ TEXT("v=spf1 a:museum."), TEXT("a:museum.") },
	{ TEXT("v=spf1 a//33 -all"), GOOD },
	{ TEXT("v=spf1 a/33 -all"), TEXT("a/33") },
	{ TEXT("v=spf1 a//129 -all"), TEXT("a//129") },
	{ TEXT("v=spf1 a/24//64 -all"), GOOD },
	{ TEXT("v=spf1 a/24/64 -all"), TEXT("a/24/64") },
	{ TEXT("v=spf1 a/24 -all"), GOOD },
	{ TEXT("v=spf1 a//64 -all"), GOOD },
	{ TEXT("v=spf1 a:example.com:8080"), TEXT("a:example.com:8080") },
	{ TEXT("v=spf1 a:foo.example.com/24"), GOOD },
	{ TEXT("v=spf1 a:foo:bar/baz.example.com"), GOOD },
	{ TEXT("v=spf1 a:example.-com"), TEXT("a:example.-com") },
	{ TEXT("v=spf1 a:"), TEXT("a:") },
	{ TEXT("v=spf1 a:foo.example.xn--zckzah -all"), GOOD },
	/* Include mechanism semantics and syntax. */
	{ TEXT("v=spf1 ip4:1.2.3.5 -all"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.6 ~all"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.7 ?all"), GOOD },
	{ TEXT("v=spf1 include:ip5.example.com ~all"), GOOD },
	{ TEXT("v=spf1 include:ip6.example.com all"), GOOD },
	{ TEXT("v=spf1 include:ip7.example.com -all"), GOOD },
	{ TEXT("v=spf1 include:ip8.example.com -all"), GOOD },
	{ TEXT("v=spf1 include:e6.example.com -all"), GOOD },
	{ TEXT("v=spf1 include +all"), TEXT("include") },
	{ TEXT("v=spf1 include:erehwon.example.com -all"), GOOD },
	{ TEXT("v=spf1 include: -all"), TEXT("include:") },
	{ TEXT("v=spf1 include:ip5.example.com/24 -all"),
	    TEXT("include:ip5.example.com/24") },
	/* MX mechanism syntax. */
	{ TEXT("v=spf1 mx/0 -all"), GOOD },
	{ TEXT("v=spf1 mx//0 -all"), GOOD },
	{ TEXT("v=spf1 mx:foo.example.com\000"),
	    TEXT("mx:foo.example.com\000") },
	{ TEXT("v=spf1 mx:abc.123"), TEXT("mx:abc.123") },
	{ TEXT("v=spf1 mx//33 -all"), GOOD },
	{ TEXT("v=spf1 mx/33 -all"), TEXT("mx/33") },
	{ TEXT("v=spf1 mx//129 -all"), TEXT("mx//129") },
	{ TEXT("v=spf1 mx:example.com:8080"), TEXT("mx:example.com:8080") },
	{ TEXT("v=spf1 mx:foo.example.com/24"), GOOD },
	{ TEXT("v=spf1 mx:foo:bar/baz.example.com"), GOOD },
	{ TEXT("v=spf1 mx:example.-com"), TEXT("mx:example.-com") },
	{ TEXT("v=spf1 mx: -all"), TEXT("mx:") },
	/* EXISTS mechanism syntax. */
	{ TEXT("v=spf1 exists:"), TEXT("exists:") },
	{ TEXT("v=spf1 exists"), TEXT("exists") },
	{ TEXT("v=spf1 exists:mail.example.com/24"),
	    TEXT("exists:mail.example.com/24") },
	{ TEXT("v=spf1 exists:mail.example.com"), GOOD },
	{ TEXT("v=spf1 exists:mail6.example.com -all"), GOOD },
	{ TEXT("v=spf1 exists:err.example.com -all"), GOOD },
	/* IP4 mechanism syntax. */
	{ TEXT("v=spf1 ip4:1.1.1.1/0 -all"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4/32 -all"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4/33 -all"), TEXT("ip4:1.2.3.4/33") },
	{ TEXT("v=spf1 ip4:1.2.3.4/032 -all"), TEXT("ip4:1.2.3.4/032") },
	{ TEXT("v=spf1 ip4"), TEXT("ip4") },
	{ TEXT("v=spf1 ip4:1.2.3.4//32"), TEXT("ip4:1.2.3.4//32") },
	{ TEXT("v=spf1 -ip4:1.2.3.4 ip6:::FFFF:1.2.3.4"), GOOD },
	{ TEXT("v=spf1 ip4:1.2.3.4:8080"), TEXT("ip4:1.2.3.4:8080") },
	{ TEXT("v=spf1 ip4:1.2.3"), TEXT("ip4:1.2.3") },
	/* IP6 mechanism syntax. */
	{ TEXT("v=spf1 -all ip6"), TEXT("ip6") },
	{ TEXT("v=spf1 ip6:::1.1.1.1/0"), GOOD },
	{ TEXT("v=spf1 ip6:::1.1.1.1/129"), TEXT("ip6:::1.1.1.1/129") },
	{ TEXT("v=spf1 ip6:::1.1.1.1//33"), TEXT("ip6:::1.1.1.1//33") },
	{ TEXT("v=spf1 ip6:Cafe:Babe:8000::/33"), GOOD },
	{ TEXT("v=spf1 ip6::CAFE::BABE"), TEXT("ip6::CAFE::BABE") },
	/* Semantics of exp and other modifiers. */
	{ TEXT("v=spf1 exp=exp1.example.com redirect=e2.example.com"),
	    GOOD },
	{ TEXT("v=spf1 exp=exp1.example.com redirect=e4.example.com"),
	    GOOD },
	{ TEXT("v=spf1 -all exp=exp2.example.com"), GOOD },
	{ TEXT("v=spf1 1up=foo"), TEXT("1up=foo") },
	{ TEXT("v=spf1 =all"), TEXT("=all") },
	{ TEXT("v=spf1 include:e3.example.com -all exp=exp3.example.com"),
	    GOOD },
	{ TEXT("v=spf1 -all exp=exp4.example.com"), GOOD },
	{ TEXT("v=spf1 -all foo=%abc"), TEXT("foo=%abc") },
	{ TEXT("v=spf1 redirect=erehwon.example.com"), GOOD },
	{ TEXT("v=spf1 -all exp=e11msg.example.com"), GOOD },
	{ TEXT("v=spf1 exp= -all"), TEXT("exp=") },
	{ TEXT("v=spf1 exp=e13msg.example.com -all"), GOOD },
	{ TEXT("v=spf1 exp=e13msg.example.com -all exp=e11msg.example.com"),
	    TEXT("exp=e11msg.example.com") },
	{ TEXT("v=spf1 redirect=e12.example.com -all "
	    "redirect=e12.example.com"),
	    TEXT("redirect=e12.example.com") },
	{ TEXT("v=spf1 exp=-all"), TEXT("exp=-all") },
	{ TEXT("v=spf1 redirect=-all ?all"), TEXT("redirect=-all") },
	{ TEXT("v=spf1 ?all redirect="), TEXT("redirect=") },
	{ TEXT("v=spf1 default=pass"), GOOD },
	{ TEXT("v=spf1 default=+"), GOOD },
	{ TEXT("v=spf1 exp=e21msg.example.com -all"), GOOD },
	{ TEXT("v=spf1 exp=mail.example.com -all"), GOOD },
	{ TEXT("v=spf1 exp=badexp.example.com -all"), GOOD },
	{ TEXT("v=spf1 exp=twoexp.example.com -all"), GOOD },
	{ TEXT("v=spf1 a:erehwon.example.com a:foobar.com "
	    "exp=nxdomain.com -all"),
	    GOOD },
	{ TEXT("v=spf1 redirect=testimplicit.example.com"), GOOD },
	/* Macro expansion rules. */
	{ TEXT("v=spf1 redirect=a.spf.example.com"), GOOD },
	{ TEXT("v=spf1 include:o.spf.example.com. ~all"), GOOD },
	{ TEXT("v=spf1 ip4:192.168.218.40"), GOOD },
	{ TEXT("v=spf1 redirect=%{d}.d.spf.example.com."), GOOD },
	{ TEXT("v=spf1 exp=msg.example.com. -all"), GOOD },
	{ TEXT("v=spf1 -exists:%(ir).sbl.example.com ?all"),
	    TEXT("-exists:%(ir).sbl.example.com") },
	{ TEXT("v=spf1 exists:foo%(ir).sbl.example.com ?all"),
	    TEXT("exists:foo%(ir).sbl.example.com") },
	{ TEXT("v=spf1 exists:foo%.sbl.example.com ?all"),
	    TEXT("exists:foo%.sbl.example.com") },
	{ TEXT("v=spf1 a:macro%%percent%_%_space%-url-space.example.com "
	    "-all"),
	    GOOD },
	{ TEXT("v=spf1 -all exp=%{r}.example.com"),
	    TEXT("exp=%{r}.example.com") },
	{ TEXT("v=spf1 -all exp=%{ir}.example.com"), GOOD },
	{ TEXT("v=spf1 -all "
	    "exp=foobar.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}."
	    "example.com"),
	    GOOD },
	{ TEXT("v=spf1 -all exp=e4msg.example.com"), GOOD },
	{ TEXT("v=spf1 a:%{a}.example.com -all"), TEXT("a:%{a}.example.com") },
	{ TEXT("v=spf1 -all exp=e6msg.example.com"), GOOD },
	{ TEXT("v=spf1 exists:%{p}.should.example.com "
	    "~exists:%{p}.ok.example.com"),
	    GOOD },
	{ TEXT("v=spf1 -all exp=msg8.%{D2}"), GOOD },
	{ TEXT("v=spf1 a:%{H} -all"), GOOD },
	{ TEXT("v=spf1 -include:_spfh.%{d2} ip4:1.2.3.0/24 -all"), GOOD },
	{ TEXT("v=spf1 -a:%{h} +all"), GOOD },
	{ TEXT("v=spf1 exists:%{i}.%{l2r-}.user.%{d2}"), GOOD },
	{ TEXT("v=spf1 exists:%{l2r+-}.user.%{d2}"), GOOD },
	/* Processing limits. */
	{ TEXT("v=spf1 ip4:1.1.1.1 redirect=e1.example.com"), GOOD },
	{ TEXT("v=spf1 include:e3.example.com"), GOOD },
	{ TEXT("v=spf1 include:e2.example.com"), GOOD },
	{ TEXT("v=spf1 a mx a mx a mx a mx a ptr ip4:1.2.3.4 -all"), GOOD },
	{ TEXT("v=spf1 a mx a mx a mx a mx a ptr a ip4:1.2.3.4 -all"),
	    GOOD },
	{ TEXT("v=spf1 a include:inc.example.com ip4:1.2.3.4 mx -all"),
	    GOOD },
	{ TEXT("v=spf1 a a a a a a a a"), GOOD },
	{ TEXT("v=spf1 a include:inc.example.com a ip4:1.2.3.4 -all"),
	    GOOD },
	{ TEXT("v=spf1 a:err.example.com a:err1.example.com "
	    "a:err2.example.com ?all"),
	    GOOD },
	{ TEXT("v=spf1 a:err.example.com a:err1.example.com ?all"), GOOD },
	/* Test cases from implementation bugs. */
	{ TEXT("v=spf1 mx redirect=_spf.example.com"), GOOD },
	{ TEXT("v=spf1 ptr:fe.example.org ptr:sgp.example.com "
	    "exp=_expspf.example.org -all"),
	    GOOD },
	{ TEXT("v=spf1 ip4:192.0.2.225 ?include:webmail.pair.com "
	    "?include:relay.pair.com -all"),
	    GOOD },
	{ TEXT("v=spf1 include:a.example.org include:b.example.org -all"),
	    GOOD },
	{ TEXT("v=spf1 ip4:66.39.3.0/24 ip4:209.68.6.94/32"), GOOD },
	{ TEXT("v=spf1 ip4:209.68.5.9/32 ip4:209.68.5.15/32 a -all"),
	    GOOD },
};

static void
of_the_official_suite(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(records); i++) {
		struct text wrong = find_wrong(records[i].text);

		CHECK(terms_are_spf(records[i].text.bytes,
		    records[i].text.size), "%s", records[i].text.bytes);
		CHECK(is_same(wrong, records[i].wrong),
		    "%s: got \"%.*s\" want \"%s\"", records[i].text.bytes,
		    (int)wrong.size, wrong.bytes, records[i].wrong.bytes);
	}
}

/* Of redirect= and exp= one each, whatever the case. */
static void
modifiers_stand_once(void **state)
{
	static const struct {
		struct text record, wrong;
	} table[] = {
		{ TEXT("v=spf1 exp=a.b redirect=a.b"), GOOD },
		{ TEXT("v=spf1 x=1 x=1 x=2"), GOOD },
		{ TEXT("v=spf1 exp=a.b EXP=a.c"), TEXT("EXP=a.c") },
		{ TEXT("v=spf1 redirect=a.b x= Redirect=a.c"),
		    TEXT("Redirect=a.c") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct text wrong = find_wrong(table[i].record);

		CHECK(is_same(wrong, table[i].wrong), "%s: \"%.*s\"",
		    table[i].record.bytes, (int)wrong.size, wrong.bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_official_suite),
		cmocka_unit_test(modifiers_stand_once),
	};

	return RUN(tests);
}
