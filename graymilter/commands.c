#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "commands.h"
#include "judge.h"
#include "log.h"

/*
 * What a command's ADDRESS stands for: records of a client, whose network or
 * domain it names, or of a sender or recipient.
 */
struct subject {
	bool is_client;
	struct tuple tuple;	/* its client; or sender and recipient */
};

/* Of two labels at least, and no address with a slip in it. */
static bool
is_domain(const char *text)
{
	const char *dot = strrchr(text, '.');

	return dot != NULL && dot[strspn(dot, ".0123456789")] != '\0';
}

static int
parse_subject(struct control_answer *answer, const struct judge *j,
    struct subject *s, const char *text)
{
	struct addr addr;

	memset(s, 0, sizeof *s);
	if (strchr(text, '@') != NULL) {
		tuple_set_sender(&s->tuple, text);
		tuple_set_recipient(&s->tuple, text);
		if (s->tuple.sender[0] != '\0')	/* "<@a:>" is null */
			return 0;
	}
	s->is_client = true;
	if (addr_parse(&addr, text) == 0) {
		tuple_set_network(&s->tuple, &addr, j->prefix4, j->prefix6);
		return 0;
	}
	if (tuple_set_domain(&s->tuple, text) == 0 &&
	    is_domain(s->tuple.client))
		return 0;
	return control_error(answer,
	    "neither an IP address, a mail address nor a domain: %.60s", text);
}

static bool
is_about(const struct subject *s, enum tuple_kind kind, const struct tuple *t)
{
	if (s->is_client)
		return tuple_has(kind, TUPLE_OF_CLIENT) &&
		    strcmp(t->client, s->tuple.client) == 0;
	return (tuple_has(kind, TUPLE_OF_SENDER) &&
	    strcmp(t->sender, s->tuple.sender) == 0) ||
	    (tuple_has(kind, TUPLE_OF_RECIPIENT) &&
	    strcmp(t->recipient, s->tuple.recipient) == 0);
}

static int
down(struct control_answer *answer)
{
	return control_error(answer, "the store is down now, come back");
}

/* A walk over the records of a subject, or all. */
struct visit {
	const struct judge *j;
	const struct subject *subject;	/* NULL: all */
	FILE *out;
	int64_t now;
	size_t count;
	bool failed;
};

static bool
is_wanted(const struct visit *v, enum tuple_kind kind, const struct tuple *t,
    const struct record *r)
{
	return (v->subject == NULL || is_about(v->subject, kind, t)) &&
	    !record_is_past(kind, r, &v->j->conf.rules, v->now);
}

static int
visit(struct control_answer *answer, struct visit *v,
    void (*each)(enum tuple_kind, const struct tuple *,
    const struct record *, void *arg))
{
	const char *client = v->subject != NULL && v->subject->is_client ?
	    v->subject->tuple.client : NULL;

	v->out = answer->out;
	v->now = (int64_t)time(NULL);
	if (greylist_walk(v->j->greylist, client, each, v) == -1 || v->failed)
		return down(answer);
	return 0;
}

/* In what state a record is, and for how many seconds more. */
static const char *
state(const struct visit *v, enum tuple_kind kind, const struct record *r,
    int64_t *left)
{
	const struct record_rules *rules = &v->j->conf.rules;
	struct record copy = *r;
	int64_t wait;

	/* Of a network of which nothing passed for long some may wait. */
	*left = record_is_friend(r, rules, v->now) ?
	    r->last + rules->expire - v->now :
	    r->first + rules->retry - v->now;
	if (kind == TUPLE_FRIEND)
		return "friend";
	if (kind == TUPLE_NETWORK)
		return record_is_white(r, rules, v->now) ? "white" : "counted";
	switch (record_try(&copy, rules, v->now, &wait)) {
	case RECORD_EARLY:
		*left = wait;
		return "waits";
	case RECORD_DELAYED:
		return "may-pass";
	case RECORD_KNOWN:
		return "known";
	default:
		return "past";
	}
}

static void
print_text(FILE *out, const char *text, bool has)
{
	char word[TUPLE_PRINT_MAX];

	fprintf(out, " %s", has ? tuple_print(word, text) : "-");
}

static void
list_record(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	struct visit *v = arg;
	const char *word;
	int64_t left;

	if (!is_wanted(v, kind, t, r))
		return;
	word = state(v, kind, r, &left);
	fputs(tuple_word(kind), v->out);
	print_text(v->out, t->client, tuple_has(kind, TUPLE_OF_CLIENT));
	print_text(v->out, t->sender, tuple_has(kind, TUPLE_OF_SENDER));
	print_text(v->out, t->recipient, tuple_has(kind, TUPLE_OF_RECIPIENT));
	fprintf(v->out, " %s %" PRId64 " %" PRIu32 "\n", word, left, r->count);
}

static int
command_list(struct control_answer *answer, int argc, char **argv, void *arg)
{
	struct subject s;
	struct visit v = { .j = arg, .subject = argc > 1 ? &s : NULL };

	if (argc > 1 && parse_subject(answer, v.j, &s, argv[1]) == -1)
		return -1;
	return visit(answer, &v, list_record);
}

static void
dump_record(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	struct visit *v = arg;
	char line[RECORD_LINE_MAX];

	if (is_wanted(v, kind, t, r))
		fprintf(v->out, "%s\n", record_print(line, kind, t, r));
}

static int
command_dump(struct control_answer *answer, int argc, char **argv, void *arg)
{
	struct visit v = { .j = arg };

	(void)argc;
	(void)argv;
	return visit(answer, &v, dump_record);
}

static int
command_load(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	const char *wrong;
	struct tuple t;
	struct record r;
	int kind = record_scan(&t, &r, argv[1], &wrong);

	(void)argc;
	if (kind == -1)
		return control_error(answer, "%s", wrong);
	if (greylist_merge(j->greylist, (enum tuple_kind)kind, &t, &r,
	    (int64_t)time(NULL)) == -1)
		return down(answer);
	return 0;
}

static void
forget_record(enum tuple_kind kind, const struct tuple *t,
    const struct record *r, void *arg)
{
	struct visit *v = arg;

	if (v->failed || !is_wanted(v, kind, t, r))
		return;
	if (greylist_forget(v->j->greylist, kind, t) == -1)
		v->failed = true;
	else
		v->count++;
}

static int
command_forget(struct control_answer *answer, int argc, char **argv, void *arg)
{
	struct subject s;
	struct visit v = { .j = arg, .subject = &s };
	char word[LOG_WORD_MAX];

	(void)argc;
	if (parse_subject(answer, v.j, &s, argv[1]) == -1 ||
	    visit(answer, &v, forget_record) == -1)
		return -1;
	if (v.count == 0)
		return control_error(answer, "nothing is known of %.60s",
		    argv[1]);
	fprintf(answer->out, "forgot %zu\n", v.count);
	log_info("forgot address=%s records=%zu", log_word(word, argv[1]),
	    v.count);
	return 0;
}

static int
command_pass(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	const int64_t now = (int64_t)time(NULL);
	char word[LOG_WORD_MAX];
	struct subject s;
	int done;

	(void)argc;
	if (parse_subject(answer, j, &s, argv[1]) == -1)
		return -1;
	s.tuple.recipient[0] = '\0';	/* to all */
	done = s.is_client ? greylist_whiten(j->greylist, &s.tuple, now) :
	    greylist_befriend(j->greylist, &s.tuple, now);
	if (done == -1)
		return down(answer);
	log_info("passed address=%s", log_word(word, argv[1]));
	return 0;
}

static int
command_spf(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	struct addr addr;

	(void)argc;
	if (addr_parse(&addr, argv[1]) == -1)
		return control_error(answer, "not an IP address: %.60s",
		    argv[1]);
	if (hints_set(j->hints, &addr, argv[2], strcasecmp(argv[3], "pass") ==
	    0, clock_us() / 1000000) == -1)
		return control_error(answer, "not a domain: %.60s", argv[2]);
	return 0;
}

static int
command_test(struct control_answer *answer, int argc, char **argv, void *arg)
{
	if (judge_explain(arg, answer->out, argv[1], argv[2], argv[3],
	    argc > 4 ? argv[4] : NULL) == -1)
		return control_error(answer, "not an IP address: %.60s",
		    argv[1]);
	return 0;
}

const struct control_command commands[] = {
	{ "spf", "ADDRESS DOMAIN RESULT", 3, 3, command_spf,
	    "this client was found to speak for the domain (RESULT is pass)" },
	{ "list", "[ADDRESS]", 0, 1, command_list,
	    "records: kind, client, sender, recipient, state, seconds, count" },
	{ "test", "CLIENT SENDER RECIPIENT [HOST]", 3, 4, command_test,
	    "what would be done with this mail, and why" },
	{ "pass", "ADDRESS", 1, 1, command_pass,
	    "let this client, or this sender, through from now on" },
	{ "forget", "ADDRESS", 1, 1, command_forget,
	    "forget what is known of this client, sender or recipient" },
	{ "dump", "", 0, 0, command_dump,
	    "all records as commands, for -tell - of another host" },
	{ "load", "RECORD", 1, 1, command_load,
	    "add what a line of a dump knows" },
	{ .name = NULL }
};
