/*
 * lookup_driver - ask the resolver what is on standard input, a line each:
 *
 *	TYPE name	a question; all of them are one check with -onecheck
 *	load		read resolv.conf again; prints "changed" if it had been
 *	flush		forget all answers
 *	fds		print how many descriptors are open
 *	stats		print what is counted
 *
 * An answer is one line: the status, the records, and what it cost.
 *
 *	found "v=spf1 " "-all" ttl=300 asked=1 ms=2
 *
 * With -threads N each question is asked by N checks at the same time: how many
 * had which answer, and the milliseconds of the slowest.
 */
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "resolver.h"
#include "stats.h"

#define LINE_MAX_SIZE	512
#define THREADS_MAX	1000
#define CACHE_SIZE	(1024 * 1024)

static struct options_list servers;
static long deadline_ms = 8000, threads;
static int onecheck;

static const struct options_row options[] = {
	{ "server", 0, OPTIONS_LIST, &servers, 0, 0, "address",
	    "a name server" },
	{ "deadline", 0, OPTIONS_NUMBER, &deadline_ms, 1, 60000, "ms",
	    "time for a check" },
	{ "threads", 0, OPTIONS_NUMBER, &threads, 1, THREADS_MAX, "number",
	    "checks at the same time" },
	{ "onecheck", 0, OPTIONS_FLAG, &onecheck, 0, 0, NULL,
	    "all questions are one check's" },
	{ .name = NULL }
};

static struct resolver *resolver;

/* --- one question */

static void
print_text(const struct dns_record *record)
{
	putchar('"');
	for (size_t i = 0; i < record->size; i++) {
		unsigned char c = (unsigned char)record->text[i];

		if (isprint(c) && c != '"')
			putchar(c);
		else
			printf("\\%03u", c);
	}
	printf("\" ");
}

static void
print_records(const struct dns_answer *answer, enum dns_type type)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->record[i];

		if (type == DNS_A || type == DNS_AAAA)
			printf("%s ", addr_print(&record->addr, text));
		else if (type == DNS_MX)
			printf("%u:%s ", record->preference, record->text);
		else if (type == DNS_PTR)
			printf("%s ", record->text);
		else
			print_text(record);
	}
}

static void
ask(struct resolver_lookup *l, const char *name, enum dns_type type)
{
	long begin = clock_ms();
	unsigned asked = l->asked;
	const struct dns_answer *answer = l->dns.ask(&l->dns, name, type);

	printf("%s ", dns_status_word(answer->status));
	print_records(answer, type);
	printf("ttl=%u asked=%u ms=%ld\n", (unsigned)answer->ttl,
	    l->asked - asked, clock_ms() - begin);
	dns_release(answer);
}

/* --- many at once */

struct asker {
	pthread_t thread;
	const char *name;
	enum dns_type type;
	enum dns_status status;
	bool turned_away;
	long ms;
};

static pthread_barrier_t start;

static void *
ask_once(void *arg)
{
	struct asker *a = arg;
	struct resolver_lookup l;
	const struct dns_answer *answer;
	long begin;

	pthread_barrier_wait(&start);
	begin = clock_ms();
	resolver_begin(resolver, &l, clock_us() + deadline_ms * 1000);
	answer = l.dns.ask(&l.dns, a->name, a->type);
	a->status = answer->status;
	a->turned_away = l.turned_away;
	dns_release(answer);
	resolver_end(&l);
	a->ms = clock_ms() - begin;
	return NULL;
}

static void
ask_often(const char *name, enum dns_type type)
{
	static struct asker asker[THREADS_MAX];
	int found = 0, away = 0;
	long ms = 0, away_ms = 0;

	pthread_barrier_init(&start, NULL, (unsigned)threads);
	for (long i = 0; i < threads; i++) {
		asker[i] = (struct asker){ .name = name, .type = type };
		if (pthread_create(&asker[i].thread, NULL, ask_once,
		    &asker[i]) != 0)
			abort();
	}
	for (long i = 0; i < threads; i++) {
		struct asker *a = &asker[i];
		long *slowest;

		pthread_join(a->thread, NULL);
		slowest = a->turned_away ? &away_ms : &ms;
		*slowest = a->ms > *slowest ? a->ms : *slowest;
		away += a->turned_away;
		found += a->status == DNS_FOUND;
	}
	pthread_barrier_destroy(&start);
	printf("found=%d waited=%ld ms=%ld turned_away=%d away_ms=%ld\n",
	    found, threads - away, ms, away, away_ms);
}

/* --- the lines */

static int
type_of(const char *word)
{
	static const enum dns_type types[] = {
		DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(word, dns_type_word(types[i])) == 0)
			return (int)types[i];
	return -1;
}

static void
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3;			/* dots, and that of the folder */

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir != NULL)
		closedir(dir);
	printf("%d\n", count);
}

static void
load(void)
{
	bool changed = resolver_changed(resolver, 0);

	printf("%s%s\n", changed ? "changed " : "",
	    resolver_load(resolver) == 0 ? "loaded" : "failed");
}

static void
take_question(struct resolver_lookup *check, const char *word, const char *name)
{
	struct resolver_lookup l;
	int type = type_of(word);

	if (type == -1)
		printf("no such type\n");
	else if (threads > 0)
		ask_often(name, (enum dns_type)type);
	else if (onecheck)
		ask(check, name, (enum dns_type)type);
	else {
		resolver_begin(resolver, &l, clock_us() + deadline_ms * 1000);
		ask(&l, name, (enum dns_type)type);
		resolver_end(&l);
	}
}

static void
take_lines(struct resolver_lookup *check)
{
	char line[LINE_MAX_SIZE], *blank;

	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((blank = strchr(line, ' ')) != NULL) {
			*blank = '\0';
			take_question(check, line, blank + 1);
		} else if (strcmp(line, "load") == 0)
			load();
		else if (strcmp(line, "flush") == 0) {
			resolver_flush(resolver);
			printf("flushed\n");
		} else if (strcmp(line, "fds") == 0)
			count_descriptors();
		else if (strcmp(line, "stats") == 0) {
			stats_print(stdout);
			printf(".\n");
		} else
			printf("?\n");
		fflush(stdout);
	}
}

int
main(int argc, char **argv)
{
	struct resolver_lookup check;

	log_name("lookup");
	stats_name("spfmilter");
	signal(SIGPIPE, SIG_IGN);
	options_parse(options, argc, argv);
	if ((resolver = resolver_new(&servers, CACHE_SIZE)) == NULL ||
	    resolver_load(resolver) == -1)
		return EXIT_FAILURE;
	resolver_add_stats(resolver);
	resolver_begin(resolver, &check, clock_us() + deadline_ms * 1000);
	take_lines(&check);
	resolver_end(&check);
	resolver_free(resolver);
	return EXIT_SUCCESS;
}
