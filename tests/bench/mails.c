/*
 * mails - mail with attachments, and what it costs virusmilter to look through
 * it.
 *
 *	mails make KIND BYTES
 *	    The body of a message of BODY_TYPE, about that large.
 *	mails signatures COUNT PLACE...
 *	    A list of signatures for these places by turns, none of which is in
 *	    such a message.
 *	mails scan KIND SECONDS [LIST]
 *	    Messages looked through by the milter's own rules, with signatures
 *	    or without, for so many seconds of CPU.
 *	mails hold FILE COUNT SOCKET PID
 *	    What the filter PID takes of memory for each of so many messages at
 *	    a time with that body, of which one half has come.
 *
 * The last two print one line of NAME=VALUE.  Exit 0 if all was found clean.
 */
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "mta.h"
#include "proc.h"
#include "scan.h"
#include "text.h"

#define BODY_TYPE	"multipart/mixed;boundary=bench"
#define SCAN_SIZE	(8 << 20)	/* bytes of a message; no core has them
					 * in its own cache */
#define LINE		57		/* bytes in a line of base64 */
#define HELD_MAX	1000

/* Not random, but nothing that is compressed is more so. */
static uint64_t
next_random(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15u;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* --- kinds of attachments */

static int
put_base64(FILE *out, const unsigned char line[LINE])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (int i = 0; i < LINE; i += 3) {
		unsigned n = (unsigned)line[i] << 16 |
		    (unsigned)line[i + 1] << 8 | line[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			putc(letters[n >> shift & 63], out);
	}
	return LINE / 3 * 4;
}

static int
put_plain(FILE *out, const unsigned char line[LINE])
{
	for (int i = 0; i < LINE; i++)
		putc(line[i] % 6 == 0 ? ' ' : 'a' + line[i] % 26, out);
	return LINE;
}

/* A letter beyond ASCII now and then. */
static int
put_quoted(FILE *out, const unsigned char line[LINE])
{
	int written = LINE + 1;

	for (int i = 0; i < LINE; i++)
		if (i % 28 == 27)
			written += fprintf(out, "=C3=A%X", line[i] & 15u) - 1;
		else
			putc(line[i] % 6 == 0 ? ' ' : 'a' + line[i] % 26, out);
	putc('=', out);
	return written;
}

static const struct kind {
	const char *name;
	const char *header;
	const char *first;		/* four bytes it begins with */
	/* A line of it; returns how many bytes it has. */
	int (*put)(FILE *, const unsigned char line[LINE]);
} kinds[] = {
	{ "base64", "Content-Type: application/pdf; name=\"report.pdf\"\r\n"
	    "Content-Disposition: attachment; filename=\"report.pdf\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n", "%PDF", put_base64 },
	/* Names are looked for in all of it. */
	{ "zip", "Content-Type: application/zip; name=\"report.zip\"\r\n"
	    "Content-Disposition: attachment; filename=\"report.zip\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n", "PK\3\4", put_base64 },
	{ "quoted-printable", "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n", "<htm",
	    put_quoted },
	{ "plain", "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n", "Abcd", put_plain },
};

static const struct kind *
find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "%s: no such kind\n", name);
	exit(EX_USAGE);
}

static int
put_body(FILE *out, const struct kind *k, long size)
{
	static const char end[] = "\r\n--bench--\r\n";
	unsigned char line[LINE];
	long written = (long)sizeof end - 1;

	written += fprintf(out, "A text for those who do not read MIME.\r\n\r\n"
	    "--bench\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n"
	    "Dear all,\r\n\r\nhere is what you have been waiting for.\r\n"
	    "--\r\nAnn\r\n\r\n--bench\r\n%s\r\n", k->header);
	for (bool first = true; first || written < size; first = false) {
		for (int i = 0; i < LINE; i++)
			line[i] = (unsigned char)(next_random() >> 32);
		if (first)
			memcpy(line, k->first, 4);
		written += k->put(out, line) + 2;
		fputs("\r\n", out);
	}
	return fputs(end, out) == EOF || fflush(out) != 0 ? EX_IOERR : EX_OK;
}

/* NULL when out of memory. */
static unsigned char *
make(const struct kind *k, long wanted, size_t *size)
{
	char *body = NULL;
	FILE *out = open_memstream(&body, size);

	if (out == NULL || put_body(out, k, wanted) != EX_OK)
		return NULL;
	return fclose(out) == 0 ? (unsigned char *)body : NULL;
}

/* --- signatures */

static int
print_signatures(long count, char **place, int places)
{
	for (long i = 0; i < count; i++) {
		const char *where = place[i % places];

		printf("Bench.%ld %s ", i, where);
		if (strcmp(where, "content") == 0)
			printf("hex:%016llx%016llx\n",
			    (unsigned long long)next_random(),
			    (unsigned long long)next_random());
		else
			printf("http://%llx.example/login\n",
			    (unsigned long long)next_random());
	}
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* --- in memory */

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Is it clean? */
static bool
scan_one(const struct scan_rules *rules, const unsigned char *body, size_t size)
{
	struct scan *s = scan_new(rules, NULL);
	bool clean;

	if (s == NULL)
		return false;
	scan_field(s, "Subject", "A message like many others");
	scan_field(s, "MIME-Version", "1.0");
	scan_field(s, "Content-Type", BODY_TYPE);
	scan_end_header(s);
	for (size_t at = 0; at < size; at += CHUNK_MAX)
		scan_body(s, body + at, size - at < CHUNK_MAX ? size - at :
		    CHUNK_MAX);
	scan_end(s);
	clean = scan_finding(s)->result == SCAN_CLEAN;
	if (!clean)
		fprintf(stderr, "found %s\n", scan_finding(s)->name);
	scan_free(s);
	return clean;
}

static int
scan(const struct kind *k, double seconds, const char *list)
{
	const struct scan_rules rules = { signatures_new(), globs_new() };
	double begin, took = 0, bytes = 0;
	size_t size;
	unsigned char *body = make(k, SCAN_SIZE, &size);

	if (rules.signatures == NULL || rules.ignored == NULL || body == NULL)
		return EX_OSERR;
	if (list != NULL &&
	    (signatures_add_file(rules.signatures, list) == -1 ||
	    signatures_load(rules.signatures) == -1))
		return EX_NOINPUT;
	for (begin = cpu(); took < seconds; took = cpu() - begin) {
		if (!scan_one(&rules, body, size))
			return EX_SOFTWARE;
		bytes += (double)size;
	}
	printf("mb_per_second=%.0f\n", bytes / took / 1e6);
	free(body);
	globs_free(rules.ignored);
	signatures_free(rules.signatures);
	return EX_OK;
}

/* --- some at a time */

/* Returns the answer to the first half of the body. */
static char
begin_message(struct mta *s, const char *path, const struct text *body)
{
	char (*const say[])(struct mta *) = { say_helo, say_mail, say_rcpt,
	    say_data, say_headers, say_eoh, say_body };
	char answer;

	if (mta_open(s, path) == -1)
		return '\0';
	s->text = body->bytes;
	s->body = body->size / 2;
	s->type = BODY_TYPE;
	s->wanted = "Clean";
	answer = mta_connect(s, "203.0.113.200");
	for (size_t i = 0; i < sizeof say / sizeof say[0] &&
	    answer == SMFIR_CONTINUE; i++)
		answer = say[i](s);
	return answer;
}

static char
end_message(struct mta *s, const struct text *body)
{
	char answer;

	s->text = body->bytes + body->size / 2;
	s->body = body->size - body->size / 2;
	answer = say_body(s);
	if (answer == SMFIR_CONTINUE)
		answer = say_end(s);
	mta_close(s, MTA_HEARD);
	return answer;
}

/* It has done all it was told when its clock stands still. */
static long
resident_kb(long pid)
{
	const struct timespec pause = { 0, 200 * 1000000 };
	struct timespec now = { 0, 0 }, before;
	clockid_t clock;

	if (clock_getcpuclockid((pid_t)pid, &clock) != 0)
		return -1;
	do {
		before = now;
		nanosleep(&pause, NULL);
		clock_gettime(clock, &now);
	} while (now.tv_sec != before.tv_sec || now.tv_nsec != before.tv_nsec);
	return proc_kb(pid, "VmRSS:");
}

static int
hold(const char *file, long count, const char *path, long pid)
{
	static struct mta held[HELD_MAX];
	struct text body;
	long before, during;

	/* A first one, for what is needed once. */
	if (text_open(&body, file) == -1 ||
	    begin_message(&held[0], path, &body) != SMFIR_CONTINUE ||
	    end_message(&held[0], &body) != SMFIR_ACCEPT)
		return EX_UNAVAILABLE;
	before = resident_kb(pid);
	for (long i = 0; i < count; i++)
		if (begin_message(&held[i], path, &body) != SMFIR_CONTINUE)
			return EX_UNAVAILABLE;
	during = resident_kb(pid);
	for (long i = 0; i < count; i++)
		if (end_message(&held[i], &body) != SMFIR_ACCEPT)
			return EX_SOFTWARE;
	printf("none_kb=%ld each_kb=%.0f peak_kb=%ld\n", before,
	    (double)(during - before) / (double)count,
	    proc_kb(pid, "VmHWM:"));
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "";
	const long number = argc > 3 ? strtol(argv[3], NULL, 10) : 0;

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "make") == 0 && argc == 4)
		return put_body(stdout, find_kind(argv[2]), number);
	if (strcmp(what, "signatures") == 0 && argc > 3)
		return print_signatures(strtol(argv[2], NULL, 10), argv + 3,
		    argc - 3);
	if (strcmp(what, "scan") == 0 && argc > 3)
		return scan(find_kind(argv[2]), strtod(argv[3], NULL), argv[4]);
	if (strcmp(what, "hold") == 0 && argc == 6 && number > 0 &&
	    number <= HELD_MAX)
		return hold(argv[2], number, argv[4],
		    strtol(argv[5], NULL, 10));
	fprintf(stderr, "usage: see mails.c\n");
	return EX_USAGE;
}
