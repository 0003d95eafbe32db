#ifndef TESTS_SPF_ABNF_H
#define TESTS_SPF_ABNF_H

#include <regex.h>
#include <stdbool.h>

#include "fuzz.h"

/*
 * spf_abnf - RFC 7208 7.1 and 12 as regular expressions (regex(7)), which read
 * it in another way than the code does.  Without regard to case.
 */
#define ABNF_EXPAND_OF(letters)						\
	"(%\\{[" letters "](0*[1-9][0-9]*)?r?[-.+,/_=]*\\}|%[%_-])"
#define ABNF_STRING_OF(letters)	"([!-$&-~]|" ABNF_EXPAND_OF(letters) ")*"

#define ABNF_LETTERS	"slodiphv"
#define ABNF_STRING	ABNF_STRING_OF(ABNF_LETTERS)
#define ABNF_TOPLABEL							\
	"([a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[-a-z0-9]*[a-z0-9])"
#define ABNF_DOMAIN							\
	ABNF_STRING "(\\." ABNF_TOPLABEL "\\.?|"			\
	    ABNF_EXPAND_OF(ABNF_LETTERS) ")"

/* An expression, made when it is first asked. */
struct abnf {
	const char *pattern;
	bool made;
	regex_t regex;
};

/* Is the text, all of it, what the expression says? */
static inline bool
abnf_is(struct abnf *a, const void *text, size_t size)
{
	char whole[2000], *copy = malloc(size + 1);
	bool is;

	if (!a->made) {
		CHECK(snprintf(whole, sizeof whole, "^(%s)$", a->pattern) <
		    (int)sizeof whole);
		CHECK(regcomp(&a->regex, whole, REG_EXTENDED | REG_ICASE |
		    REG_NOSUB) == 0);
		a->made = true;
	}
	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	is = strlen(copy) == size && regexec(&a->regex, copy, 0, NULL, 0) == 0;
	free(copy);
	return is;
}

#endif
