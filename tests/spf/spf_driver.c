/*
 * spf_driver - checks of SPF by the line.
 *
 *	spf_driver [-deadline SECONDS] [-server ADDRESS]...
 *
 * Asks those servers, or a zone of its own.  Reads lines of words; NAME and
 * TEXT are in hex, or "-" for nothing:
 *
 *	A NAME ADDRESS, AAAA NAME ADDRESS, MX NAME PREFERENCE NAME,
 *	PTR NAME NAME, TXT NAME TEXT, CNAME NAME NAME
 *		one more record for the zone
 *	EMPTY NAME	the name exists
 *	TROUBLE NAME	the other types of the name are in trouble
 *	FORGET		an empty zone, an empty cache
 *	CHECK ADDRESS HELO SENDER RECEIVER EXPLANATION [RECORD]
 *		ask for a domain's own explanation, too
 *
 * and writes one for each CHECK:
 *
 *	RESULT MECHANISM REASON PROBLEM TERMS VOIDS ASKED EXPLANATION MS
 *
 * where ASKED are the questions that were not answered from the cache and MS
 * the milliseconds it took.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "resolver.h"
#include "spf.h"
#include "zone.h"

#define WORDS_MAX	8
#define CACHE_SIZE	(4 * 1024 * 1024)

struct driver {
	struct zone zone;
	struct resolver *resolver;	/* NULL: asks the zone */
	int64_t deadline_us;
};

static _Noreturn void
fail(const char *what, const char *why)
{
	fprintf(stderr, "spf_driver: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

/* --- words */

static int
digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	if (at == NULL)
		fail("not hex", (const char[]){ c, '\0' });
	return (int)(at - digits);
}

/* In its place; returns the size, and there is a NUL behind it. */
static size_t
from_hex(char *word)
{
	size_t size = strlen(word) / 2;

	if (strcmp(word, "-") == 0)
		size = 0;
	for (size_t i = 0; i < size; i++)
		word[i] = (char)(digit(word[2 * i]) << 4 |
		    digit(word[2 * i + 1]));
	word[size] = '\0';
	return size;
}

/* As text, which ends at a NUL. */
static const char *
text_of(char *word)
{
	from_hex(word);
	return word;
}

static void
put_hex(const char *text)
{
	if (*text == '\0')
		putchar('-');
	for (; *text != '\0'; text++)
		printf("%02x", (unsigned char)*text);
	putchar(' ');
}

static struct addr
address_of(const char *word)
{
	struct addr addr;

	if (addr_parse(&addr, word) == -1)
		fail(word, "no address");
	return addr;
}

/* --- lines */

static void
check(struct driver *d, char **word, int count)
{
	const struct addr client = address_of(word[1]);
	struct spf_question question = { .client = &client,
	    .helo = text_of(word[2]), .sender = text_of(word[3]),
	    .receiver = text_of(word[4]), .ask_why = true,
	    .explanation = text_of(word[5]),
	    .record = count > 6 ? text_of(word[6]) : NULL,
	    .dns = &d->zone.dns };
	struct resolver_lookup lookup = { .asked = 0 };
	struct spf_answer answer;
	int64_t start = clock_us();

	d->zone.asked = 0;
	if (d->resolver != NULL) {
		resolver_begin(d->resolver, &lookup, start + d->deadline_us);
		question.dns = &lookup.dns;
	}
	spf_check(&question, &answer);
	if (d->resolver != NULL)
		resolver_end(&lookup);
	printf("%s ", spf_result_word(answer.result));
	put_hex(answer.mechanism);
	put_hex(answer.reason);
	put_hex(answer.problem);
	printf("%d %d %u ", answer.terms, answer.voids,
	    d->zone.asked + lookup.asked);
	put_hex(answer.explanation);
	printf("%" PRId64 "\n", (clock_us() - start) / 1000);
	fflush(stdout);
}

/* A record of the zone, or what stands for one. */
static int
add(struct driver *d, char **word, int count)
{
	const char *type = word[0], *name;
	struct addr addr;
	size_t size;

	if (count < 2)
		return -1;
	name = text_of(word[1]);
	if (strcmp(type, "EMPTY") == 0) {
		zone_add_name(&d->zone, name);
		return 0;
	}
	if (strcmp(type, "TROUBLE") == 0) {
		zone_add_trouble(&d->zone, name);
		return 0;
	}
	if (count < 3)
		return -1;
	if (strcmp(type, "A") == 0 || strcmp(type, "AAAA") == 0) {
		addr = address_of(word[2]);
		zone_add(&d->zone, name, type[1] == '\0' ? DNS_A : DNS_AAAA,
		    &addr, 0, "", 0);
		return 0;
	}
	size = from_hex(word[count - 1]);
	if (strcmp(type, "CNAME") == 0)
		zone_add_cname(&d->zone, name, word[2]);
	else if (strcmp(type, "MX") == 0 && count == 4)
		zone_add(&d->zone, name, DNS_MX, NULL,
		    (unsigned)strtoul(word[2], NULL, 10), word[3], size);
	else if (strcmp(type, "PTR") == 0)
		zone_add(&d->zone, name, DNS_PTR, NULL, 0, word[2], size);
	else if (strcmp(type, "TXT") == 0)
		zone_add(&d->zone, name, DNS_TXT, NULL, 0, word[2], size);
	else
		return -1;
	return 0;
}

static void
forget(struct driver *d)
{
	zone_close(&d->zone);
	zone_open(&d->zone);
	if (d->resolver != NULL)
		resolver_flush(d->resolver);
}

static void
line(struct driver *d, char *text)
{
	char *word[WORDS_MAX];
	int count = 0;

	text[strcspn(text, "\n")] = '\0';
	while (count < WORDS_MAX &&
	    (word[count] = strsep(&text, " ")) != NULL)
		count++;
	if (strcmp(word[0], "FORGET") == 0)
		forget(d);
	else if (strcmp(word[0], "CHECK") == 0 && count >= 6)
		check(d, word, count);
	else if (add(d, word, count) == -1)
		fail(word[0], "no such line");
}

/* --- main */

static void
options(struct driver *d, int argc, char **argv)
{
	struct options_list servers = { .count = 0 };
	int i;

	d->deadline_us = 8000000;
	for (i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "-deadline") == 0)
			d->deadline_us =
			    (int64_t)(strtod(argv[i + 1], NULL) * 1e6);
		else if (strcmp(argv[i], "-server") == 0 &&
		    servers.count < OPTIONS_LIST_MAX)
			servers.item[servers.count++] = argv[i + 1];
		else
			break;
	}
	if (i < argc)
		fail(argv[i], "no such option");
	if (servers.count == 0)
		return;
	d->resolver = resolver_new(&servers, CACHE_SIZE);
	if (d->resolver == NULL)
		exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	static struct driver d;
	char *text = NULL;
	size_t room = 0;

	options(&d, argc, argv);
	zone_open(&d.zone);
	if (spf_open() == -1)
		exit(EXIT_FAILURE);
	while (getline(&text, &room, stdin) != -1)
		line(&d, text);
	free(text);
	zone_close(&d.zone);
	resolver_free(d.resolver);
	return EXIT_SUCCESS;
}
