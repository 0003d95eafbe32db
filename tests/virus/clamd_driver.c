/*
 * clamd_driver - ask clamd as standard input says, a line each:
 *
 *	scan path	one message: what it is, and what it took
 *	begin		one that is sent ...
 *	send path	... by and by; says whether there is use in it
 *	finish		... until it is asked for the answer
 *	end		... or no more
 *	bench n path	one message n times: microseconds of time and of CPU
 *	there		does one answer?
 *	stats		print what is counted
 *
 * An answer is one line: the result, the name or why, and what it took.
 *
 *	infected Test.Worm calls=0 ms=4
 *
 * With -threads N each message is scanned by N threads at the same time: how
 * many had which result, and the milliseconds of the slowest.
 */
#include <sys/resource.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clamd.h"
#include "clock.h"
#include "log.h"
#include "stats.h"

#define LINE_MAX_SIZE	512
#define THREADS_MAX	500
#define FILE_MAX	(64 * 1024 * 1024)

static struct options_list sockets;
static long scans = 20, deadline = 20, threads, piece = 65535;

static const struct options_row options[] = {
	{ "clamd", 0, OPTIONS_LIST, &sockets, 0, 0, "socket", "of a clamd" },
	{ "scans", 0, OPTIONS_NUMBER, &scans, 1, 10000, "number",
	    "at the same time" },
	{ "deadline", 0, OPTIONS_NUMBER, &deadline, 1, 600, "seconds",
	    "for one scan" },
	{ "threads", 0, OPTIONS_NUMBER, &threads, 1, THREADS_MAX, "number",
	    "that scan each message" },
	{ "piece", 0, OPTIONS_NUMBER, &piece, 1, FILE_MAX, "bytes",
	    "of a message at a time" },
	{ .name = NULL }
};

static const char *const words[] = {
	[CLAMD_CLEAN] = "clean", [CLAMD_INFECTED] = "infected",
	[CLAMD_FAILED] = "failed", [CLAMD_BUSY] = "busy",
};

static struct clamd *clamd;
static char *bytes;		/* of the file that was read last */
static size_t size;

/* --- one message */

static int
read_file(const char *path)
{
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		printf("%s: cannot be read\n", path);
		return -1;
	}
	size = fread(bytes, 1, FILE_MAX, file);
	fclose(file);
	return 0;
}

static bool
send_bytes(struct clamd_scan *s)
{
	size_t n;

	for (size_t at = 0; at < size; at += n) {
		n = size - at < (size_t)piece ? size - at : (size_t)piece;
		if (!clamd_send(s, bytes + at, n))
			return false;
	}
	return true;
}

static void
count_call(void *arg)
{
	++*(int *)arg;
}

static void
finish(struct clamd_scan *s, long begin_ms)
{
	char name[CLAMD_NAME_MAX];
	int calls = 0;
	enum clamd_result result = clamd_finish(s, count_call, &calls, name);

	printf("%s%s%s calls=%d ms=%ld\n", words[result], name[0] != '\0' ?
	    " " : "", name, calls, clock_ms() - begin_ms);
	clamd_end(s);
}

static struct clamd_scan *
begin(void)
{
	struct clamd_scan *s = clamd_begin(clamd);

	if (s == NULL)
		abort();
	return s;
}

static void
scan(void)
{
	long begin_ms = clock_ms();
	struct clamd_scan *s = begin();

	send_bytes(s);
	finish(s, begin_ms);
}

/* --- many at once */

struct scanner {
	pthread_t thread;
	enum clamd_result result;
	long ms;
};

static pthread_barrier_t start;

static void *
scan_once(void *arg)
{
	struct scanner *self = arg;
	char name[CLAMD_NAME_MAX];
	struct clamd_scan *s;
	long begin_ms;

	pthread_barrier_wait(&start);
	begin_ms = clock_ms();
	s = begin();
	send_bytes(s);
	self->result = clamd_finish(s, NULL, NULL, name);
	clamd_end(s);
	self->ms = clock_ms() - begin_ms;
	return NULL;
}

static void
scan_by_threads(void)
{
	static struct scanner scanner[THREADS_MAX];
	int count[CLAMD_BUSY + 1] = { 0 };
	long ms = 0;

	pthread_barrier_init(&start, NULL, (unsigned)threads);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&scanner[i].thread, NULL, scan_once,
		    &scanner[i]) != 0)
			abort();
	for (long i = 0; i < threads; i++) {
		pthread_join(scanner[i].thread, NULL);
		count[scanner[i].result]++;
		ms = scanner[i].ms > ms ? scanner[i].ms : ms;
	}
	pthread_barrier_destroy(&start);
	for (int i = CLAMD_CLEAN; i <= CLAMD_BUSY; i++)
		printf("%s=%d ", words[i], count[i]);
	printf("ms=%ld\n", ms);
}

static long
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L +
	    u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void
bench(long count)
{
	char name[CLAMD_NAME_MAX];
	int64_t begin_us = clock_us();
	long begin_cpu = cpu_us(), clean = 0;

	for (long i = 0; i < count; i++) {
		struct clamd_scan *s = begin();

		send_bytes(s);
		clean += clamd_finish(s, NULL, NULL, name) == CLAMD_CLEAN;
		clamd_end(s);
	}
	printf("clean=%ld us=%ld cpu=%ld\n", clean,
	    (long)(clock_us() - begin_us) / count,
	    (cpu_us() - begin_cpu) / count);
}

/* --- the lines */

static struct clamd_scan *held;
static long held_ms;

/* False: it is none of these. */
static bool
take_held(const char *command, const char *path)
{
	if (strcmp(command, "begin") == 0 && held == NULL) {
		held_ms = clock_ms();
		held = begin();
		printf("begun\n");
	} else if (strcmp(command, "send") == 0 && held != NULL) {
		if (read_file(path) == 0)
			printf("%s\n", send_bytes(held) ? "sent" : "no use");
	} else if (strcmp(command, "finish") == 0 && held != NULL) {
		finish(held, held_ms);
		held = NULL;
	} else if (strcmp(command, "end") == 0) {
		clamd_end(held);
		held = NULL;
		printf("ended\n");
	} else
		return false;
	return true;
}

static void
take_line(const char *command, char *rest)
{
	if (take_held(command, rest))
		return;
	if (strcmp(command, "scan") == 0 && read_file(rest) == 0) {
		if (threads > 0)
			scan_by_threads();
		else
			scan();
	} else if (strcmp(command, "bench") == 0) {
		long count = strtol(rest, &rest, 10);

		if (count > 0 && *rest == ' ' && read_file(rest + 1) == 0)
			bench(count);
	} else if (strcmp(command, "there") == 0)
		printf("%s\n", clamd_is_there(clamd) ? "yes" : "no");
	else if (strcmp(command, "stats") == 0) {
		stats_print(stdout);
		printf(".\n");
	} else
		printf("?\n");
}

int
main(int argc, char **argv)
{
	char line[LINE_MAX_SIZE];

	log_name("clamd_driver");
	stats_name("virusmilter");
	signal(SIGPIPE, SIG_IGN);
	options_parse(options, argc, argv);
	if ((bytes = malloc(FILE_MAX)) == NULL ||
	    (clamd = clamd_new(&sockets, scans, deadline)) == NULL)
		return EXIT_FAILURE;
	clamd_add_stats(clamd);
	while (fgets(line, sizeof line, stdin) != NULL) {
		char *rest = line + strcspn(line, " \n");

		line[strcspn(line, "\n")] = '\0';
		if (*rest != '\0')
			*rest++ = '\0';
		take_line(line, rest);
		fflush(stdout);
	}
	clamd_end(held);
	clamd_free(clamd);
	free(bytes);
	return EXIT_SUCCESS;
}
