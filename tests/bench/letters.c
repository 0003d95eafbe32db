/*
 * letters - what very large messages cost bccmilter, and reading addresses.
 *
 *	letters hold KIND SOCKET PID
 *	    What the filter PID, just started, takes of memory for one message,
 *	    and for each of some at a time, whose headers have not yet ended.
 *	letters send KIND SOCKET PID
 *	    How long it takes for one, from the first header field to the
 *	    answer at the end of the header.
 *	letters memory SECONDS
 *	    Addresses of fields as mailers write them, for so many seconds of
 *	    CPU.
 *
 * The filter has -policy any -action reject -rejectmessage %l.  Prints one line
 * of NAME=VALUE.  Exit 0 if every verdict was right.
 */
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "addrlist.h"
#include "mta.h"
#include "pace.h"
#include "proc.h"

#define AT_ONCE		16	/* messages that are held */
#define FIELD_MAX	60000	/* bytes; libmilter takes no packet > 65535 */
#define BATCH		512	/* fields between two looks at the clock */

/*
 * Recipients are numbered from 0, and so are the addresses in its To fields,
 * which count down: the one that matters comes last.
 */
static const struct kind {
	const char *name;
	size_t recipients, fields, addresses;
	const char *before, *after;	/* the number in an address */
	const char *wanted;		/* the word; NULL: it passes */
} kinds[] = {
	{ "recipients", 10000, 0, 9999,
	    "\"Recipient, one of many\" <recipient", "@example.org>",
	    "some-listed" },
	{ "headers", 1, 10000, 1, "recipient", "@example.org", NULL },
	{ "text", 1, 0, 10000,
	    "\"A name that is long, for there is (so much) to be said\"\n"
	    "\t(and \\(more\\) in a comment) <recipient", "@example.org>",
	    NULL },
	{ "addresses", 1, 0, 100000, "a", "@b.example", "none-listed" },
	/* For the first time that a filter does anything. */
	{ "usual", 1, 10, 1, "recipient", "@example.org", NULL },
};

/* It has done all it was told when its clock stands still. */
static void
wait_for(long pid)
{
	const struct timespec pause = { 0, 50 * 1000000 };
	uint64_t before;

	do {
		before = cpu_of(pid);
		nanosleep(&pause, NULL);
	} while (cpu_of(pid) > before);
}

/* --- messages */

static char
say_recipients(struct mta *s, const struct kind *k)
{
	char answer = SMFIR_CONTINUE;

	for (size_t i = 0; i < k->recipients && answer == SMFIR_CONTINUE;
	    i++) {
		snprintf(s->recipient, sizeof s->recipient,
		    "recipient%zu@example.org", i);
		answer = say_rcpt(s);
	}
	return answer;
}

static char
say_field(struct mta *s, const char *data, size_t size)
{
	return command(s, SMFIC_HEADER, -1, SMFIP_NOHDRS, SMFIP_NR_HDR, data,
	    size);
}

static char
say_fields(struct mta *s, const struct kind *k)
{
	char data[128], answer = SMFIR_CONTINUE;

	for (size_t i = 0; i < k->fields && answer == SMFIR_CONTINUE; i++) {
		int n = snprintf(data, sizeof data,
		    "X-Field%c" "The number of this field is %zu", 0, i);

		answer = say_field(s, data, (size_t)n + 1);
	}
	return answer;
}

/* As many as fit in a field, and then the next. */
static char
say_to(struct mta *s, const struct kind *k)
{
	static const char name[] = "To";
	char data[FIELD_MAX + 256], answer = SMFIR_CONTINUE;
	size_t size = sizeof name;

	memcpy(data, name, sizeof name);
	for (size_t i = k->addresses; i-- > 0 && answer == SMFIR_CONTINUE;) {
		size += (size_t)snprintf(data + size, sizeof data - size,
		    "%s%s%zu%s", size > sizeof name ? ",\n\t" : "", k->before,
		    i, k->after);
		if (size < FIELD_MAX && i > 0)
			continue;
		answer = say_field(s, data, size + 1);
		size = sizeof name;
	}
	return answer;
}

/* Up to the first field. */
static char
begin_message(struct mta *s, const struct kind *k, const char *path)
{
	char answer;

	if (mta_open(s, path) == -1)
		return '\0';
	answer = mta_connect(s, "203.0.113.200");
	if (answer == SMFIR_CONTINUE)
		answer = say_helo(s);
	if (answer == SMFIR_CONTINUE)
		answer = say_mail(s);
	return answer == SMFIR_CONTINUE ? say_recipients(s, k) : answer;
}

static char
say_header(struct mta *s, const struct kind *k)
{
	char answer = say_fields(s, k);

	return answer == SMFIR_CONTINUE ? say_to(s, k) : answer;
}

static int
check(const struct mta *s, const struct kind *k, char answer)
{
	char wanted[64];

	snprintf(wanted, sizeof wanted, "550 5.7.1 %s", k->wanted != NULL ?
	    k->wanted : "");
	if (k->wanted == NULL ? answer == SMFIR_ACCEPT :
	    answer == SMFIR_REPLYCODE && strcmp(s->reply, wanted) == 0)
		return 0;
	fprintf(stderr, "%s: '%c' %s\n", k->name, answer,
	    answer == SMFIR_REPLYCODE ? s->reply : "");
	return -1;
}

/* --- one */

static int
send_one(const struct kind *k, const char *path, long pid, bool quiet)
{
	struct mta s;
	uint64_t begin, cpu;
	char answer = begin_message(&s, k, path);

	wait_for(pid);
	begin = now();
	cpu = cpu_of(pid);
	if (answer == SMFIR_CONTINUE)
		answer = say_header(&s, k);
	if (answer == SMFIR_CONTINUE)
		answer = say_eoh(&s);
	cpu = cpu_of(pid) - cpu;
	begin = now() - begin;
	if (check(&s, k, answer) == -1)
		return EX_SOFTWARE;
	mta_close(&s, MTA_HEARD);
	if (!quiet)
		printf("cpu_ms=%.2f ms=%.2f\n", (double)cpu / 1e6,
		    (double)begin / 1e6);
	return EX_OK;
}

/* --- some at a time */

static int
hold(const struct kind *k, const char *path, long pid)
{
	static struct mta held[AT_ONCE];
	const struct kind *usual = &kinds[sizeof kinds / sizeof kinds[0] - 1];
	long kb, first = 0;

	if (send_one(usual, path, pid, true) != EX_OK)
		return EX_UNAVAILABLE;
	wait_for(pid);
	kb = proc_kb(pid, "VmRSS:");
	for (int i = 0; i < AT_ONCE; i++) {
		if (begin_message(&held[i], k, path) != SMFIR_CONTINUE ||
		    say_header(&held[i], k) != SMFIR_CONTINUE)
			return EX_UNAVAILABLE;
		if (i > 0)
			continue;
		wait_for(pid);
		first = proc_kb(pid, "VmHWM:") - kb;
	}
	wait_for(pid);
	for (int i = 0; i < AT_ONCE; i++) {
		if (check(&held[i], k, say_eoh(&held[i])) == -1)
			return EX_SOFTWARE;
		mta_close(&held[i], MTA_HEARD);
	}
	printf("one_kb=%ld each_kb=%.0f\n", first,
	    (double)(proc_kb(pid, "VmHWM:") - kb) / AT_ONCE);
	return EX_OK;
}

/* --- addresses in memory */

static const struct {
	const char *value;
	size_t addresses;
} fields[] = {
	{ "joe@example.org", 1 },
	{ "<ann@example.org>", 1 },
	{ "Joe Miller <joe.miller@example.org>", 1 },
	{ "\"Smith, Ann\" <ann.smith@example.com>,\n"
	    "\tJoe Miller <joe+news@example.net>", 2 },
	{ "joe@example.org, ann@example.org,eve@mail.example.org", 3 },
	{ "=?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@example.de>", 1 },
	{ "J\xc3\xb6rg M\xc3\xbcller <j\xc3\xb6rg@example.de>", 1 },
	{ "joe@example.org (Joe Miller, at work)", 1 },
	{ "\"Eve \\\"the Net\\\" Jones\" <eve@example.org>", 1 },
	{ "friends: joe@example.org, Ann <ann@example.org>;", 2 },
	{ "undisclosed-recipients:;", 0 },
	{ "'ann@example.org' <ann@example.org>", 2 },
};

static void
count_taken(void *arg, const char *address)
{
	*(size_t *)arg += address[0] != '\0';
}

static int
memory(double seconds)
{
	const uint64_t begin = cpu_of(getpid());
	double took = 0;
	size_t bytes = 0, taken = 0, n = 0;

	for (; took < seconds;
	    took = (double)(cpu_of(getpid()) - begin) / 1e9)
		for (int i = 0; i < BATCH; i++, n++) {
			const size_t at = n % (sizeof fields /
			    sizeof fields[0]), before = taken;
			struct addrlist list = {
				.take = count_taken, .arg = &taken
			};

			addrlist_read(&list, fields[at].value);
			if (taken - before != fields[at].addresses) {
				fprintf(stderr, "%s: %zu addresses\n",
				    fields[at].value, taken - before);
				return EX_SOFTWARE;
			}
			bytes += list.bytes;
		}
	printf("mb_per_second=%.0f per_second=%.0f\n",
	    (double)bytes / took / 1e6, (double)taken / took);
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	const char *what = argc >= 3 ? argv[1] : "";
	double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "memory") == 0 && seconds > 0)
		return memory(seconds);
	for (size_t i = 0; argc == 5 && i < sizeof kinds / sizeof kinds[0];
	    i++) {
		const long pid = strtol(argv[4], NULL, 10);

		if (strcmp(argv[2], kinds[i].name) != 0)
			continue;
		if (strcmp(what, "hold") == 0)
			return hold(&kinds[i], argv[3], pid);
		if (strcmp(what, "send") == 0)
			return send_one(&kinds[i], argv[3], pid, false);
	}
	fprintf(stderr, "usage: see letters.c\n");
	return EX_USAGE;
}
