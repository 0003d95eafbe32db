/*
 * t_macro - the macros of SPF: which texts are good.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "macro.h"
#include "unit.h"

/* Counted, for there may be any bytes in it. */
struct text {
	const char *bytes;
	size_t size;
};

#define TEXT(literal)	{ literal, sizeof (literal) - 1 }

struct judged {
	struct text text;
	bool domain, string, explains;	/* is it one? */
};

static const struct judged texts[] = {
	/* Domain-specs end with a toplabel. */
	{ TEXT("example.org"), true, true, true },
	{ TEXT("example.org."), true, true, true },
	{ TEXT(".org"), true, true, true },
	{ TEXT("org"), false, true, true },
	{ TEXT("org."), false, true, true },
	{ TEXT("."), false, true, true },
	{ TEXT(".."), false, true, true },
	{ TEXT("example.org.."), false, true, true },
	{ TEXT(""), false, true, true },
	{ TEXT("mail.example...com"), true, true, true },
	{ TEXT("foo-bar"), false, true, true },
	{ TEXT("foo:bar/baz.example.com"), true, true, true },
	{ TEXT("example.com:8080"), false, true, true },
	{ TEXT("example.com/24"), false, true, true },
	{ TEXT("abc.123"), false, true, true },
	{ TEXT("111.222.33.44"), false, true, true },
	{ TEXT("abc.123."), false, true, true },
	{ TEXT("abc.1x3"), true, true, true },
	{ TEXT("abc.1-3"), true, true, true },
	{ TEXT("abc.x"), true, true, true },
	{ TEXT("example.-com"), false, true, true },
	{ TEXT("example.com-"), false, true, true },
	{ TEXT("example.-"), false, true, true },
	{ TEXT("example.c--m"), true, true, true },
	{ TEXT("example.c_m"), false, true, true },
	{ TEXT("example.xn--zckzah"), true, true, true },
	{ TEXT("a!\"#$&'()*+,-/:;<=>?@[\\]^_`{|}~.org"), true, true, true },

	/* Or with a macro. */
	{ TEXT("%{d}"), true, true, true },
	{ TEXT("a.%{d}"), true, true, true },
	{ TEXT("a%%"), true, true, true },
	{ TEXT("a.b%_"), true, true, true },
	{ TEXT("%-"), true, true, true },
	{ TEXT("%{d}."), false, true, true },
	{ TEXT("%{d}com"), false, true, true },
	{ TEXT("%{d}.com"), true, true, true },
	{ TEXT("%{d}.123"), false, true, true },
	{ TEXT("a.b%-c"), false, true, true },
	{ TEXT("a.%-c"), false, true, true },
	{ TEXT("%{d.}c"), false, true, true },
	{ TEXT("{d}"), false, true, true },
	{ TEXT("%%{d}"), false, true, true },
	{ TEXT("%%{d}.org"), true, true, true },
	{ TEXT("macro%%percent%_%_space%-url-space.example.com"), true, true,
	    true },

	/* Letters. */
	{ TEXT("%{s}%{l}%{o}%{d}%{i}%{p}%{v}%{h}"), true, true, true },
	{ TEXT("%{S}%{L}%{O}%{D}%{I}%{P}%{V}%{H}"), true, true, true },
	{ TEXT("%{c}"), false, false, true },
	{ TEXT("%{r}.org"), false, false, true },
	{ TEXT("%{t}.org"), false, false, true },
	{ TEXT("%{C}%{R}%{T}"), false, false, true },
	{ TEXT("%{a}"), false, false, false },
	{ TEXT("The %{x}-files."), false, false, false },
	{ TEXT("%{}"), false, false, false },
	{ TEXT("%{.}"), false, false, false },
	{ TEXT("%{1}"), false, false, false },
	{ TEXT("%{\0}"), false, false, false },
	{ TEXT("%{dd}"), false, false, false },
	{ TEXT("%{ d}"), false, false, false },
	{ TEXT("%{d }"), false, false, false },

	/* Transformers and delimiters. */
	{ TEXT("%{d2}"), true, true, true },
	{ TEXT("%{dr}"), true, true, true },
	{ TEXT("%{dR}"), true, true, true },
	{ TEXT("%{D127R.-+,/_=}"), true, true, true },
	{ TEXT("%{d=_/,+-...}"), true, true, true },
	{ TEXT("%{d02}"), true, true, true },
	{ TEXT("%{d99999999999999999999999999999999}"), true, true, true },
	{ TEXT("%{d0}"), false, false, false },
	{ TEXT("%{d000r}"), false, false, false },
	{ TEXT("%{dr2}"), false, false, false },
	{ TEXT("%{drr}"), false, false, false },
	{ TEXT("%{d-r}"), false, false, false },
	{ TEXT("%{d-2}"), false, false, false },
	{ TEXT("%{d:}"), false, false, false },
	{ TEXT("%{d%}"), false, false, false },
	{ TEXT("%{d\0}"), false, false, false },
	{ TEXT("%{d.\0}"), false, false, false },

	/* Cut off, or no macro at all. */
	{ TEXT("%"), false, false, false },
	{ TEXT("a.org%"), false, false, false },
	{ TEXT("%{"), false, false, false },
	{ TEXT("%{d"), false, false, false },
	{ TEXT("%{d2"), false, false, false },
	{ TEXT("%{d2r"), false, false, false },
	{ TEXT("%{d2r."), false, false, false },
	{ TEXT("%abc"), false, false, false },
	{ TEXT("%\0"), false, false, false },
	{ TEXT("%(ir).sbl.example.com"), false, false, false },
	{ TEXT("foo%(ir).sbl.example.com"), false, false, false },
	{ TEXT("foo%.sbl.example.com"), false, false, false },
	{ TEXT("%%%.org"), false, false, false },

	/* Other bytes. */
	{ TEXT("See me."), false, false, true },
	{ TEXT(" a.org "), false, false, true },
	{ TEXT("Congratulations!  That was tricky."), false, false, true },
	{ TEXT("%{c} is queried as %{ir}.%{v}.arpa"), false, false, true },
	{ TEXT("a\tb.org"), false, false, false },
	{ TEXT("a\r\nb.org"), false, false, false },
	{ TEXT("a\0.org"), false, false, false },
	{ TEXT("a.org\0"), false, false, false },
	{ TEXT("a\177.org"), false, false, false },
	{ TEXT("\200.org"), false, false, false },
	{ TEXT("\377.org"), false, false, false },
	{ TEXT("a.\303\244"), false, false, false },
	{ TEXT("\357\273\277Explanation"), false, false, false },
};

static void
grammar(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct judged *j = &texts[i];
		size_t size = j->text.size;
		char *copy = malloc(size + 1);	/* no more than its own */

		assert_non_null(copy);
		memcpy(copy, j->text.bytes, size);
		CHECK(macro_is_domain_spec(copy, size) == j->domain,
		    "row %zu: %s", i, j->text.bytes);
		CHECK(macro_is_string(copy, size) == j->string,
		    "row %zu: %s", i, j->text.bytes);
		CHECK(macro_is_explain_string(copy, size) == j->explains,
		    "row %zu: %s", i, j->text.bytes);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar),
	};

	return RUN(tests);
}
