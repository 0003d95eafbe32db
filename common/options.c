#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "options.h"

#define NAMES_MAX	512	/* names and owned prefixes of all rows */
#define PREFIXES_SIZE	4096	/* bytes of the prefixes, with their NULs */
#define ROW_VALUE	256	/* getopt's value for row 0: no letter */

/* What getopt_long_only(3) is given: a name for each name and prefix. */
struct names {
	struct option option[NAMES_MAX + 1];
	char prefix[PREFIXES_SIZE];
	int count;
	size_t used;
};

static _Noreturn void
mistake(const char *what, const char *name)
{
	log_error("%s: %s (see -help)", what, name);
	exit(EX_USAGE);
}

static bool
takes_value(const struct options_row *o)
{
	return o->kind != OPTIONS_FLAG && o->kind != OPTIONS_SET;
}

static void
add_name(struct names *n, const struct options_row *table,
    const struct options_row *o, const char *name, size_t size)
{
	char *copy = n->prefix + n->used;

	for (const struct options_row *other = table; other->name; other++)
		if (other != o && strlen(other->name) == size &&
		    strncmp(other->name, name, size) == 0)
			return;		/* somebody's whole name */
	if (n->count == NAMES_MAX || n->used + size + 1 > PREFIXES_SIZE)
		mistake("too many options in the table", o->name);
	memcpy(copy, name, size);
	copy[size] = '\0';
	n->used += size + 1;
	n->option[n->count].name = copy;
	n->option[n->count].has_arg =
	    takes_value(o) ? required_argument : no_argument;
	n->option[n->count++].val = ROW_VALUE + (int)(o - table);
}

static void
add_names(struct names *n, const struct options_row *table)
{
	for (const struct options_row *o = table; o->name != NULL; o++) {
		size_t size = strlen(o->name);

		add_name(n, table, o, o->name, size);
		if (o->letter == o->name[0])
			while (--size > 0)
				add_name(n, table, o, o->name, size);
		else if (o->letter != '\0')
			add_name(n, table, o, &o->letter, 1);
	}
}

/* Which of the words, separated by |, is text?  -1: none of them. */
static int
find_word(const char *words, const char *text)
{
	size_t size = strlen(text);

	for (int n = 0;; n++) {
		size_t word = strcspn(words, "|");

		if (word == size && strncmp(words, text, size) == 0)
			return n;
		if (words[word] == '\0')
			return -1;
		words += word + 1;
	}
}

const char *
options_word(const char *words, int n, char *out, int size)
{
	for (; n > 0; n--) {
		words += strcspn(words, "|");
		words += *words == '|';
	}
	snprintf(out, (size_t)size, "%.*s", (int)strcspn(words, "|"), words);
	return out;
}

/* A whole number and, for times, one unit letter. */
static int
parse_number(const struct options_row *o, const char *text, long *n)
{
	char *end;
	long unit = 1;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*n = strtol(text, &end, o->kind == OPTIONS_OCTAL ? 8 : 10);
	if (errno != 0)
		return -1;
	if (o->kind == OPTIONS_TIME && *end != '\0') {
		switch (*end++) {
		case 's': unit = 1; break;
		case 'm': unit = 60; break;
		case 'h': unit = 3600; break;
		case 'd': unit = 86400; break;
		default: return -1;
		}
	}
	if (*end != '\0' || *n > o->max / unit)
		return -1;
	*n *= unit;
	return *n < o->min ? -1 : 0;
}

/* Two choices with one target must agree; seen says which rows were given. */
static void
choose(const struct options_row *table, const struct options_row *o,
    const bool *seen, int choice)
{
	int *target = o->target;

	for (const struct options_row *other = table; other->name; other++)
		if (seen[other - table] && other->target == o->target &&
		    *target != choice)
			mistake("contradicts an earlier option", o->name);
	*target = choice;
}

static void
take(const struct options_row *table, const struct options_row *o,
    const bool *seen, const char *text)
{
	struct options_list *list;
	char what[200];
	long n;
	int word;

	snprintf(what, sizeof what, "bad value for -%s", o->name);
	switch (o->kind) {
	case OPTIONS_FLAG:
		*(int *)o->target = 1;
		return;
	case OPTIONS_SET:
		choose(table, o, seen, (int)o->min);
		return;
	case OPTIONS_CHOICE:
		if ((word = find_word(o->value, text)) == -1)
			mistake(what, text);
		choose(table, o, seen, word);
		return;
	case OPTIONS_STRING:
		if (text[0] == '\0')
			mistake(what, "it is empty");
		*(const char **)o->target = text;
		return;
	case OPTIONS_LIST:
		list = o->target;
		if (text[0] == '\0')
			mistake(what, "it is empty");
		if (list->count == OPTIONS_LIST_MAX)
			mistake("given too often", o->name);
		list->item[list->count++] = text;
		return;
	case OPTIONS_NUMBER:
	case OPTIONS_OCTAL:
	case OPTIONS_TIME:
		if (parse_number(o, text, &n) == -1)
			mistake(what, text);
		*(long *)o->target = n;
		return;
	}
}

int
options_parse(const struct options_row *table, int argc, char **argv)
{
	struct names names = { .count = 0 };
	bool seen[OPTIONS_MAX] = { false };
	int n;

	add_names(&names, table);
	opterr = 0;
	while ((n = getopt_long_only(argc, argv, ":", names.option, NULL))
	    != -1) {
		if (n == ':')
			mistake("value missing", argv[optind - 1]);
		if (n == '?')
			mistake("no such option", optopt == ':' ? "-:" :
			    argv[optind - 1]);
		n -= ROW_VALUE;
		take(table, &table[n], seen, optarg);
		seen[n] = true;
	}
	return optind;
}

static void
print_default(const struct options_row *o)
{
	char word[64];

	switch (o->kind) {
	case OPTIONS_FLAG:
	case OPTIONS_SET:
	case OPTIONS_LIST:
		return;
	case OPTIONS_CHOICE:
		printf(" (%s)", options_word(o->value, *(int *)o->target, word,
		    (int)sizeof word));
		return;
	case OPTIONS_STRING:
		if (*(const char **)o->target != NULL)
			printf(" (%s)", *(const char **)o->target);
		return;
	case OPTIONS_OCTAL:
		printf(" (%04lo)", (unsigned long)*(long *)o->target);
		return;
	case OPTIONS_NUMBER:
	case OPTIONS_TIME:
		printf(" (%ld)", *(long *)o->target);
		return;
	}
}

void
options_help(const struct options_row *table, const char *program)
{
	printf("usage: %s [options] socket\n", program);
	for (const struct options_row *o = table; o->name != NULL; o++) {
		printf("  -%s%s%s\n\t%s", o->name, takes_value(o) ? " " : "",
		    takes_value(o) ? o->value : "", o->help);
		print_default(o);
		printf("\n");
	}
}
