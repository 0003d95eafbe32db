#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

/*
 * options - a command line described by a table.
 *
 * The table is the only place an option is named: getopt_long_only(3), the
 * range checks, the usage text and the test that compares it with the manual
 * page all read it.  "-name value", "--name value" and "-name=value" mean the
 * same, and so does every prefix of the name that fits no other option.
 *
 * A row with a letter owns that letter.  When the letter is the first of the
 * name it owns every prefix of the name, too, whatever other names begin like
 * it: an option added tomorrow cannot change what an old command line means.
 */
enum options_kind {
	OPTIONS_FLAG,	/* int: set to 1 */
	OPTIONS_SET,	/* int: set to min; says the same as some choice */
	OPTIONS_CHOICE,	/* int: which of the words in value, "red|green" */
	OPTIONS_STRING,	/* const char *: points into argv */
	OPTIONS_LIST,	/* struct options_list: an item each time it is given */
	OPTIONS_NUMBER,	/* long: decimal, min <= n <= max */
	OPTIONS_OCTAL,	/* long: octal, min <= n <= max */
	OPTIONS_TIME	/* long seconds: 90, 90s, 15m, 4h, 30d */
};

#define OPTIONS_LIST_MAX	63	/* as many as an iplist takes */

struct options_list {
	const char *item[OPTIONS_LIST_MAX];	/* point into argv */
	int count;
};

struct options_row {
	const char *name;	/* without the dash */
	char letter;		/* that the row owns, or 0 */
	enum options_kind kind;
	void *target;		/* of the type that kind asks for */
	long min, max;
	const char *value;	/* what usage calls the value */
	const char *help;	/* one line */
};

#define OPTIONS_MAX	64	/* rows in a table; the last has no name */

/*
 * Set every target named on the command line; targets not named keep their
 * value, so defaults are the initialisers.  The arguments that are no options
 * are moved to the end; the place of the first of them is returned.  A choice
 * that contradicts an earlier one is a mistake.
 *
 * On any mistake writes one line that names it to stderr and exits with
 * EX_USAGE.  Call it once, before there are threads.
 */
int options_parse(const struct options_row *, int argc, char **argv);

/*
 * Write the usage text to stdout, with the defaults, which are what the
 * targets hold at the time.
 */
void options_help(const struct options_row *, const char *program);

/* The word of a choice. */
const char *options_word(const char *words, int n, char *out, int size);

#endif
