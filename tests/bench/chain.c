/*
 * chain - a row of filters as sendmail asks them, and what their clients cost.
 *
 * See main() for the options.  Each filter is given as its PID and its socket,
 * in the order in which they are asked; with none of them every message is
 * taken.  Prints one line of NAME=VALUE, and on standard error one for each
 * kind of client.  Exit 0 if every session came to its end, however it ended.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sysexits.h>

#include "clients.h"
#include "mta.h"
#include "options.h"
#include "pace.h"
#include "proc.h"
#include "text.h"
#include "triplet.h"

#define FILTERS_MAX	8
#define SESSIONS_MAX	10000000
#define AT_ONCE_MAX	64

static struct {
	const char *listed, *worm, *only;
	long count, at_once, rate, return_after;
	int prime;
} conf = {
	.count = 1000,
	.at_once = 4,
	.return_after = 40,
};

static struct filter {
	const char *socket;
	long pid;
	uint64_t cpu;		/* see begin_cpu() */
} filters[FILTERS_MAX];

static size_t filter_count;
static struct clients listed;
static struct text worm;

/* --- who comes */

/*
 * Their shares of a thousand sessions.  All but those on the list have numbers
 * of their own (see triplet.h), from 0 on within a range of their kind, and
 * begin anew when there are no more.
 */
enum kind { LISTED, BOT, FORGER, STRANGER, RETURNING, KNOWN, HIDDEN, WORM };

static const struct share {
	const char *name;
	size_t sessions;
	uint64_t first, clients;	/* 0: as many as it takes */
	const char *domain;		/* what its SPF record is like */
	bool is_good;			/* to be delivered */
} shares[] = {
	/* Senders and domains of their own, all made up. */
	[LISTED] = { "listed", 850, 0, 0, "none", false },
	/* They try once, and leave it at that. */
	[BOT] = { "bot", 80, 1000000, 0, "none", false },
	[FORGER] = { "forger", 15, 3000000, 0, "nobody", false },
	/* Those we never heard of, and the same again when they come back. */
	[STRANGER] = { "stranger", 10, 5000000, 0, "anyone", false },
	[RETURNING] = { "returning", 10, 5000000, 0, "anyone", true },
	[KNOWN] = { "known", 25, 7000000, 10000, "anyone", true },
	/* Their recipient stands nowhere in the header. */
	[HIDDEN] = { "hidden", 5, 8000000, 2000, "anyone", true },
	/* Machines that graymilter has come to know before they fell ill. */
	[WORM] = { "worm", 5, 9000000, 250, "anyone", false },
};
#define KINDS		(sizeof shares / sizeof shares[0])
#define THOUSAND	1000

struct visit {
	enum kind kind;
	size_t nth;			/* of its kind */
};

/* Session n of a day.  No two of a kind follow on each other if possible. */
static struct visit
visit_of(size_t n)
{
	size_t slot = n % THOUSAND * 619 % THOUSAND, kind = 0;

	for (; slot >= shares[kind].sessions; kind++)
		slot -= shares[kind].sessions;
	return (struct visit){ (enum kind)kind,
	    n / THOUSAND * shares[kind].sessions + slot };
}

/* The number of its triplet. */
static uint64_t
number_of(const struct visit *v)
{
	const struct share *s = &shares[v->kind];
	uint64_t nth = v->nth;

	/* Those who came some thousands of sessions ago. */
	if (v->kind == STRANGER)
		nth += (uint64_t)conf.return_after * s->sessions;
	return s->first + (s->clients > 0 ? nth % s->clients : nth);
}

/* --- a session */

static struct {
	atomic_size_t sessions, refused, deferred, taken;
} sum[KINDS];
static atomic_size_t failed, received;	/* sessions; bytes from clients */
static atomic_size_t unreachable;	/* filters */

struct session {
	enum kind kind;
	struct triplet triplet;
	const char *client;
	struct mta message;		/* as each filter is to be told of it */
	struct mta filter[FILTERS_MAX];
	bool has_accepted[FILTERS_MAX];
	char code;			/* the first digit of the reply; '\0':
					 * none came */
};

/* Each filter is told the whole of it before the next one is. */
static char
say_content(struct mta *s)
{
	char (*const say[])(struct mta *) = { say_headers, say_eoh, say_body,
	    say_end };

	return say_in_turn(s, say, sizeof say / sizeof say[0]);
}

/*
 * How a filter is told what the client does, and how many bytes that takes the
 * client, but for addresses and body; about so many are ten fields.
 */
static const struct step {
	char (*say)(struct mta *);	/* NULL: mta_connect() */
	size_t bytes;
} steps[] = {
	{ NULL, 0 },
	{ say_helo, sizeof "EHLO host.example.com\r\n" - 1 },
	{ say_mail, sizeof "MAIL FROM:<> SIZE=4096\r\n" - 1 },
	{ say_rcpt, sizeof "RCPT TO:<>\r\n" - 1 },
	{ say_data, sizeof "DATA\r\n" - 1 },
	{ say_content, 480 },
};

static size_t
bytes_of(const struct session *s, const struct step *step)
{
	return step->bytes +
	    (step->say == say_mail ? strlen(s->message.sender) :
	    step->say == say_rcpt ? strlen(s->message.recipient) :
	    step->say == say_content ? s->message.body : 0);
}

static char
code_of(const struct mta *s, char answer)
{
	switch (answer) {
	case SMFIR_CONTINUE:
	case SMFIR_ACCEPT:
		return '2';
	case SMFIR_REPLYCODE:
		return s->reply[0];
	case SMFIR_REJECT:
		return '5';
	case SMFIR_TEMPFAIL:
		return '4';
	default:
		return '\0';
	}
}

/* All that still listen are asked, until one says no. */
static void
take_step(struct session *s, const struct step *step)
{
	atomic_fetch_add(&received, bytes_of(s, step));
	for (size_t i = 0; i < filter_count && s->code == '2'; i++) {
		struct mta *f = &s->filter[i];
		char answer;

		if (s->has_accepted[i])
			continue;
		answer = step->say == NULL ? mta_connect(f, s->client) :
		    step->say(f);
		s->has_accepted[i] = answer == SMFIR_ACCEPT;
		s->code = code_of(f, answer);
	}
}

static void
make_session(struct session *s, const struct visit *v)
{
	const uint64_t number = number_of(v);
	struct mta *m = &s->message;
	char name[17];

	memset(s, 0, sizeof *s);
	s->kind = v->kind;
	triplet_make(&s->triplet, number);
	triplet_name(name, number);
	s->client = v->kind == LISTED ? listed.text[v->nth % listed.count] :
	    s->triplet.client;
	snprintf(m->sender, sizeof m->sender, "%s@%s.%s.example.com", name,
	    shares[v->kind].domain, name);
	snprintf(m->recipient, sizeof m->recipient, "%s@example.org",
	    v->kind == HIDDEN ? "hidden" : "recipient");
	m->body = BODY_USUAL;
	if (v->kind == WORM && worm.bytes != NULL) {
		m->type = "application/octet-stream; name=\"invoice.pdf.exe\"";
		m->text = worm.bytes;
		m->body = worm.size;
	}
}

/* sendmail has met all of them before it answers the client. */
static void
open_filters(struct session *s)
{
	const struct mta *m = &s->message;

	s->code = '2';
	for (size_t i = 0; i < filter_count; i++) {
		struct mta *f = &s->filter[i];

		if (mta_open(f, filters[i].socket) == -1) {
			if (atomic_fetch_add(&unreachable, 1) == 0)
				perror(filters[i].socket);
			f->fd = -1;
			s->code = '\0';
			continue;
		}
		memcpy(f->sender, m->sender, sizeof f->sender);
		memcpy(f->recipient, m->recipient, sizeof f->recipient);
		f->body = m->body;
		f->text = m->text;
		f->type = m->type;
	}
}

static void
close_filters(struct session *s)
{
	for (size_t i = 0; i < filter_count; i++)
		if (s->filter[i].fd != -1 &&
		    mta_close(&s->filter[i], MTA_HEARD) == MTA_FAILED)
			s->code = '\0';
}

static void
count_session(const struct session *s)
{
	atomic_fetch_add(&sum[s->kind].sessions, 1);
	if (s->code == '2')
		atomic_fetch_add(&sum[s->kind].taken, 1);
	else if (s->code == '4')
		atomic_fetch_add(&sum[s->kind].deferred, 1);
	else if (s->code == '5')
		atomic_fetch_add(&sum[s->kind].refused, 1);
	else
		atomic_fetch_add(&failed, 1);
}

static void
run_session(const struct visit *v)
{
	struct session s;

	make_session(&s, v);
	open_filters(&s);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0] &&
	    s.code == '2'; i++)
		take_step(&s, &steps[i]);
	close_filters(&s);
	count_session(&s);
}

/* --- many of them */

static struct run {
	struct visit (*visit)(size_t n);
	size_t count;
	atomic_size_t next;
	uint64_t begun;
} run;

static void *
run_sessions(void *arg)
{
	size_t n;

	(void)arg;
	while ((n = atomic_fetch_add(&run.next, 1)) < run.count) {
		const struct visit v = run.visit(n);

		wait_for_turn(run.begun, n, conf.rate);
		run_session(&v);
	}
	return NULL;
}

static int
run_all(struct visit (*visit)(size_t), size_t count)
{
	pthread_t thread[AT_ONCE_MAX];
	long threads = 0;

	run.visit = visit;
	run.count = count;
	run.begun = now();
	atomic_store(&run.next, 0);
	while (threads < conf.at_once &&
	    pthread_create(&thread[threads], NULL, run_sessions, NULL) == 0)
		threads++;
	if (threads < conf.at_once)
		perror("threads");
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return threads < conf.at_once ? -1 : 0;
}

static enum kind only;

static struct visit
visit_only(size_t n)
{
	return (struct visit){ only, n };
}

/*
 * graymilter has heard of all those before the day begins who have written to
 * us before, and of the first who will return.
 */
static int
prime(void)
{
	const struct timespec delay = { .tv_sec = 2 };
	static const enum kind before[] = { KNOWN, HIDDEN, WORM };

	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
			only = before[i];
			if (run_all(visit_only, shares[only].clients) == -1)
				return -1;
		}
		if (again == 0)
			nanosleep(&delay, NULL);
	}
	only = RETURNING;
	if (run_all(visit_only, (size_t)conf.return_after *
	    shares[RETURNING].sessions) == -1)
		return -1;
	nanosleep(&delay, NULL);
	memset(&sum, 0, sizeof sum);
	atomic_store(&received, 0);
	return 0;
}

/* --- what is said of them */

/* The CPU time of all filters since begin_cpu(); ms. */
static void
begin_cpu(void)
{
	for (size_t i = 0; i < filter_count; i++)
		filters[i].cpu = cpu_of(filters[i].pid);
}

static double
end_cpu(void)
{
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < filter_count; i++) {
		filters[i].cpu = cpu_of(filters[i].pid) - filters[i].cpu;
		sum_ns += filters[i].cpu;
	}
	return (double)sum_ns / 1e6;
}

static long
all_kb(const char *name)
{
	long kb = 0;

	for (size_t i = 0; i < filter_count; i++)
		kb += proc_kb(filters[i].pid, name);
	return kb;
}

/* Returns how many good mails were lost. */
static size_t
print_kinds(void)
{
	size_t sessions = 0, refused = 0, deferred = 0, taken = 0, lost = 0;

	for (size_t i = 0; i < KINDS; i++) {
		if (sum[i].sessions > 0)
			fprintf(stderr, "%-10s %8zu came, %zu refused, %zu "
			    "deferred, %zu taken\n", shares[i].name,
			    sum[i].sessions, sum[i].refused, sum[i].deferred,
			    sum[i].taken);
		sessions += sum[i].sessions;
		refused += sum[i].refused;
		deferred += sum[i].deferred;
		taken += sum[i].taken;
		if (shares[i].is_good)
			lost += sum[i].sessions - sum[i].taken;
	}
	printf("sessions=%zu refused=%zu deferred=%zu taken=%zu lost=%zu",
	    sessions, refused, deferred, taken, lost);
	return lost;
}

static int
measure(struct visit (*visit)(size_t))
{
	double cpu, seconds;
	size_t wrong;

	begin_cpu();
	if (run_all(visit, (size_t)conf.count) == -1)
		return EX_OSERR;
	seconds = (double)(now() - run.begun) / 1e9;
	cpu = end_cpu();
	wrong = print_kinds();
	/* In a mix it depends on the filters. */
	if (conf.only != NULL && !shares[only].is_good)
		wrong += sum[only].taken;
	printf(" failed=%zu wrong=%zu received_mb=%.0f cpu_s=%.1f cpu_us=%.2f "
	    "per_second=%.0f rss_kb=%ld peak_kb=%ld each_us=", failed, wrong,
	    (double)received / 1e6, cpu / 1e3,
	    conf.count > 0 ? cpu * 1e3 / (double)conf.count : 0,
	    (double)conf.count / seconds, all_kb("VmRSS:"), all_kb("VmHWM:"));
	for (size_t i = 0; i < filter_count; i++)
		printf("%s%.1f", i > 0 ? "," : "", conf.count > 0 ?
		    (double)filters[i].cpu / 1e3 / (double)conf.count : 0);
	printf("\n");
	return failed > 0 ? EX_UNAVAILABLE : EX_OK;
}

/* -1 when it is none. */
static int
find_kind(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(shares[i].name, name) == 0)
			return (int)i;
	fprintf(stderr, "%s: no kind of client\n", name);
	return -1;
}

int
main(int argc, char *argv[])
{
	const struct options_row table[] = {
		{ "listed", 0, OPTIONS_STRING, &conf.listed, 0, 0,
		    "file", "clients on the black list" },
		{ "worm", 0, OPTIONS_STRING, &conf.worm, 0, 0,
		    "file", "the body of a program that some send" },
		{ "only", 0, OPTIONS_STRING, &conf.only, 0, 0,
		    "kind", "in place of a mix of all: clients of one kind" },
		{ "prime", 0, OPTIONS_FLAG, &conf.prime, 0, 0,
		    NULL, "have graymilter hear of some before" },
		{ "return", 0, OPTIONS_NUMBER, &conf.return_after, 1, 1000,
		    "n", "thousands of sessions until a stranger is back" },
		{ "count", 0, OPTIONS_NUMBER, &conf.count, 0, SESSIONS_MAX,
		    "n", "sessions" },
		{ "atonce", 0, OPTIONS_NUMBER, &conf.at_once, 1, AT_ONCE_MAX,
		    "n", "sessions at a time" },
		{ "rate", 0, OPTIONS_NUMBER, &conf.rate, 0, 1000000,
		    "n", "begin so many a second; 0: as fast as it goes" },
		{ .name = NULL }
	};
	int arg = options_parse(table, argc, argv), kind = 0;

	for (; arg + 1 < argc && filter_count < FILTERS_MAX; arg += 2)
		filters[filter_count++] = (struct filter){
		    .pid = strtol(argv[arg], NULL, 10),
		    .socket = argv[arg + 1] };
	if (arg < argc || conf.listed == NULL ||
	    (conf.only != NULL && (kind = find_kind(conf.only)) == -1)) {
		options_help(table, "chain");
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	if (clients_read(&listed, conf.listed) == -1 ||
	    (conf.prime && prime() == -1) ||
	    (conf.worm != NULL && text_open(&worm, conf.worm) == -1))
		return EX_UNAVAILABLE;
	only = (enum kind)kind;
	return measure(conf.only != NULL ? visit_only : visit_of);
}
