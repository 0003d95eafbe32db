#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "judge.h"
#include "log.h"
#include "stats.h"

int
judge_open(struct judge *j)
{
	j->clients = iplist_new();
	j->senders = mailboxes_new();
	j->recipients = mailboxes_new();
	j->traps = mailboxes_new();
	j->hints = hints_new();
	if (j->clients != NULL && j->senders != NULL &&
	    j->recipients != NULL && j->traps != NULL && j->hints != NULL)
		return 0;
	log_error("out of memory");
	return -1;
}

static int
add_mailboxes(struct mailboxes *m, const char *path, int lenient)
{
	if (lenient)
		mailboxes_lenient(m);
	return mailboxes_add_file(m, path);
}

int
judge_add_file(struct judge *j, enum judge_list list, const char *path,
    int lenient)
{
	switch (list) {
	case JUDGE_SENDERS:
		return add_mailboxes(j->senders, path, lenient);
	case JUDGE_RECIPIENTS:
		return add_mailboxes(j->recipients, path, lenient);
	case JUDGE_TRAPS:
		return add_mailboxes(j->traps, path, lenient);
	default:
		if (lenient)
			iplist_lenient(j->clients);
		j->only_suspects |= list == JUDGE_SUSPECTS;
		return iplist_add_file(j->clients, list == JUDGE_SUSPECTS ?
		    IPLIST_LISTED : IPLIST_WHITE, path);
	}
}

/* All of them, lest a bad line in one keep the others as they were. */
int
judge_load(struct judge *j)
{
	int result = iplist_load(j->clients);

	if (mailboxes_load(j->senders) == -1)
		result = -1;
	if (mailboxes_load(j->recipients) == -1)
		result = -1;
	if (mailboxes_load(j->traps) == -1)
		result = -1;
	return result;
}

bool
judge_changed(struct judge *j, int settle)
{
	return iplist_changed(j->clients, settle) ||
	    mailboxes_changed(j->senders, settle) ||
	    mailboxes_changed(j->recipients, settle) ||
	    mailboxes_changed(j->traps, settle);
}

const char *
judge_word(enum judge_by by)
{
	static const char *const words[JUDGE_BY_COUNT] = {
		"nothing", "whitelist", "unsuspected", "sender", "role",
		"recipient", "delayed", "known", "carried", "friend",
		"autowhite", "new", "early", "trap", "error",
	};

	return words[by];
}

bool
judge_waits(enum judge_by by)
{
	return by == JUDGE_NEW || by == JUDGE_EARLY || by == JUDGE_TRAP;
}

static void
decide(struct verdict *v, enum judge_by by, const char *list)
{
	v->by = by;
	v->list = list;
	v->seconds = 0;
}

void
judge_client(const struct judge *j, const struct addr *addr, const char *host,
    struct verdict *v)
{
	struct iplist_match match = iplist_find(j->clients, addr, host);

	if (match.white != 0)
		decide(v, JUDGE_WHITELIST,
		    iplist_path(j->clients, iplist_first(match.white)));
	else if (j->only_suspects && match.listed == 0)
		decide(v, JUDGE_UNSUSPECTED, NULL);
	else
		decide(v, JUDGE_NOTHING, NULL);
}

void
judge_sender(const struct judge *j, const char *path, struct verdict *v)
{
	const char *list = mailboxes_find(j->senders, path);

	decide(v, list != NULL ? JUDGE_SENDER : JUDGE_NOTHING, list);
}

void
judge_recipient(const struct judge *j, const char *path, struct verdict *v)
{
	const char *list;

	if (addr_is_role(path))
		decide(v, JUDGE_ROLE, NULL);
	else if ((list = mailboxes_find(j->recipients, path)) != NULL)
		decide(v, JUDGE_RECIPIENT, list);
	else if ((list = mailboxes_find(j->traps, path)) != NULL) {
		decide(v, JUDGE_TRAP, list);
		v->seconds = j->conf.rules.delay;
	} else
		decide(v, JUDGE_NOTHING, NULL);
}

void
judge_set_tuple(const struct judge *j, struct tuple *t,
    const struct addr *addr, const char *sender, int64_t now)
{
	struct addr_mailbox m;
	char domain[256];

	memset(t, 0, sizeof *t);
	tuple_set_sender(t, sender);
	tuple_set_network(t, addr, j->prefix4, j->prefix6);
	addr_mailbox(&m, sender);
	if (m.domain_size == 0 || m.domain_size >= sizeof domain)
		return;
	memcpy(domain, m.domain, m.domain_size);
	domain[m.domain_size] = '\0';
	if (hints_find(j->hints, addr, domain, now)) {
		memcpy(t->network, t->client, sizeof t->network);
		tuple_set_domain(t, domain);
	}
}

void
judge_tuple(const struct judge *j, const struct tuple *t, int64_t now,
    bool try, struct verdict *v)
{
	static const enum judge_by meaning[] = {
		[GREYLIST_NEW] = JUDGE_NEW,
		[GREYLIST_EARLY] = JUDGE_EARLY,
		[GREYLIST_DELAYED] = JUDGE_DELAYED,
		[GREYLIST_KNOWN] = JUDGE_KNOWN,
		[GREYLIST_FRIEND] = JUDGE_FRIEND,
		[GREYLIST_AUTOWHITE] = JUDGE_AUTOWHITE,
		[GREYLIST_DOWN] = JUDGE_ERROR,
	};
	struct greylist_answer a = { .by = GREYLIST_NEW,
	    .seconds = j->conf.rules.delay };

	if (j->greylist != NULL && try)
		greylist_try(j->greylist, t, now, &a);
	else if (j->greylist != NULL)
		greylist_test(j->greylist, t, now, &a);
	decide(v, meaning[a.by], NULL);
	v->seconds = a.seconds;
}

static void
print_tuple(FILE *out, const struct judge *j, const struct tuple *t)
{
	char word[TUPLE_PRINT_MAX];
	enum tuple_kind kind = j->conf.kind;

	fprintf(out, " key=%s,%s", tuple_word(kind),
	    tuple_print(word, t->client));
	if (tuple_has(kind, TUPLE_OF_SENDER))
		fprintf(out, ",%s", tuple_print(word, t->sender));
	if (tuple_has(kind, TUPLE_OF_RECIPIENT))
		fprintf(out, ",%s", tuple_print(word, t->recipient));
}

int
judge_explain(const struct judge *j, FILE *out, const char *address,
    const char *sender, const char *recipient, const char *host)
{
	const int64_t now = (int64_t)time(NULL);
	struct verdict v = { .by = JUDGE_NOTHING };
	const char *by = NULL;
	struct addr addr;
	struct tuple t;

	if (addr_parse(&addr, address) == -1)
		return -1;
	judge_set_tuple(j, &t, &addr, sender, clock_us() / 1000000);
	tuple_set_recipient(&t, recipient);
	if (addr_is_loopback(&addr))
		by = client_exempt_word(CLIENT_LOOPBACK);
	else
		judge_client(j, &addr, host, &v);
	if (by == NULL && v.by == JUDGE_NOTHING)
		judge_sender(j, sender, &v);
	if (by == NULL && v.by == JUDGE_NOTHING)
		judge_recipient(j, recipient, &v);
	if (by == NULL && v.by == JUDGE_NOTHING)
		judge_tuple(j, &t, now, false, &v);
	fprintf(out, "verdict=%s by=%s", judge_waits(v.by) ? "tempfail" :
	    v.by == JUDGE_ERROR ? "error" : "pass",
	    by != NULL ? by : judge_word(v.by));
	if (v.list != NULL)
		fprintf(out, " list=%s", v.list);
	if (v.seconds != 0)
		fprintf(out, " %s=%" PRId64, v.by == JUDGE_DELAYED ? "held" :
		    "left", v.seconds);
	print_tuple(out, j, &t);
	putc('\n', out);
	iplist_explain(j->clients, out, &addr, host);
	mailboxes_explain(j->senders, out, sender);
	mailboxes_explain(j->recipients, out, recipient);
	mailboxes_explain(j->traps, out, recipient);
	return judge_waits(v.by);
}

static void
print_stats(FILE *out, void *arg)
{
	struct judge *j = arg;

	iplist_stats(out, j->clients);
	mailboxes_stats(out, j->senders, "sender_entries",
	    "sender_bad_lines");
	mailboxes_stats(out, j->recipients, "recipient_entries",
	    "recipient_bad_lines");
	mailboxes_stats(out, j->traps, "trap_entries",
	    "trap_bad_lines");
	greylist_stats(out, j->greylist);
}

void
judge_add_stats(struct judge *j)
{
	stats_add_printer(print_stats, j);
}
