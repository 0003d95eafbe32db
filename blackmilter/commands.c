#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "client.h"
#include "commands.h"
#include "log.h"

int
commands_explain(const struct judge *j, FILE *out, const char *address,
    const char *host)
{
	struct verdict v = { .by = JUDGE_NOTHING };
	char what[500], client[ADDR_TEXT_MAX];
	const char *by = NULL;
	struct addr addr;
	int refused = 0;

	if (addr_parse(&addr, address) == -1)
		return -1;
	if (addr_is_loopback(&addr))
		by = client_exempt_word(CLIENT_LOOPBACK);
	else {
		judge(j, &addr, host, (int64_t)time(NULL), &v);
		refused = !v.exempt && v.by != JUDGE_NOTHING;
	}
	fprintf(out, "%s client=%s\n", judge_print(j, &v,
	    refused ? action_word(judge_action(j, &v)) : "pass", by, what,
	    sizeof what), addr_print(&addr, client));
	return refused;
}

static int
parse_address(struct control_answer *answer, struct addr *addr,
    const char *text)
{
	if (addr_parse(addr, text) == -1)
		return control_error(answer, "not an IP address: %.60s", text);
	return 0;
}

/* May this client be listed at all? */
static int
check_listable(struct control_answer *answer, const struct judge *j,
    const struct addr *addr)
{
	struct verdict v;

	if (addr_is_loopback(addr))
		return control_error(answer, "loopback is never listed");
	judge(j, addr, NULL, (int64_t)time(NULL), &v);
	if (v.exempt)
		return control_error(answer, "whitelisted%s%.100s, not listed",
		    v.white != 0 ? " in " : "", v.white != 0 ?
		    iplist_path(j->lists, iplist_first(v.white)) : "");
	return 0;
}

static int
say(struct control_answer *answer, enum shortlist_result result)
{
	switch (result) {
	case SHORTLIST_DONE:
		return 0;
	case SHORTLIST_UNCHANGED:
		return control_error(answer, "not on the list");
	case SHORTLIST_EXEMPT:
		return control_error(answer, "whitelisted, not listed");
	case SHORTLIST_FULL:
		return control_error(answer, "the list is full (%d entries)",
		    SHORTLIST_MAX);
	case SHORTLIST_CLOSED:
		return control_error(answer, "the daemon is stopping");
	}
	return -1;
}

/* "blacklist" and "whitelist": the command's name is the default of LIST. */
static int
set_client(struct control_answer *answer, int argc, char **argv,
    const struct judge *j, enum entry_kind kind)
{
	const char *list = argc > 2 ? argv[2] : argv[0];
	char client[ADDR_TEXT_MAX], word[LOG_WORD_MAX];
	struct addr addr;

	if (parse_address(answer, &addr, argv[1]) == -1 ||
	    (kind == ENTRY_BLACK &&
	    check_listable(answer, j, &addr) == -1) ||
	    say(answer, shortlist_set(j->shortlist, &addr, kind, list)) == -1)
		return -1;
	log_info("%sed client=%s list=%s", argv[0], addr_print(&addr, client),
	    log_word(word, list));
	return 0;
}

static int
command_blacklist(struct control_answer *answer, int argc, char **argv,
    void *arg)
{
	return set_client(answer, argc, argv, arg, ENTRY_BLACK);
}

static int
command_whitelist(struct control_answer *answer, int argc, char **argv,
    void *arg)
{
	return set_client(answer, argc, argv, arg, ENTRY_WHITE);
}

static int
parse_seconds(struct control_answer *answer, const char *text, long *seconds)
{
	char *end;

	errno = 0;
	*seconds = strtol(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' ||
	    *seconds < 1 || *seconds > ENTRY_LONGEST)
		return control_error(answer,
		    "seconds are a number from 1 to %d: %.20s", ENTRY_LONGEST,
		    text);
	return 0;
}

static int
command_report(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	char client[ADDR_TEXT_MAX], word[LOG_WORD_MAX];
	int64_t now = (int64_t)time(NULL);
	struct entry e;
	struct addr addr;
	long seconds;

	(void)argc;
	if (parse_address(answer, &addr, argv[1]) == -1 ||
	    parse_seconds(answer, argv[2], &seconds) == -1 ||
	    check_listable(answer, j, &addr) == -1 ||
	    say(answer, shortlist_report(j->shortlist, &addr, seconds, argv[3],
	    now, &e)) == -1)
		return -1;
	log_info("reported client=%s reports=%" PRIu32 " listed=%" PRId64
	    " reason=%s", addr_print(&addr, client), e.reports,
	    e.expires > now ? e.expires - now : 0, log_word(word, argv[3]));
	return 0;
}

static int
check_read(struct control_answer *answer, const struct judge *j)
{
	if (shortlist_is_unread(j->shortlist))
		return control_error(answer,
		    "the store cannot be read now, come back");
	return 0;
}

static int
command_forget(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	char client[ADDR_TEXT_MAX];
	struct addr addr;

	(void)argc;
	if (parse_address(answer, &addr, argv[1]) == -1 ||
	    check_read(answer, j) == -1 ||
	    say(answer, shortlist_forget(j->shortlist, &addr)) == -1)
		return -1;
	log_info("forgot client=%s", addr_print(&addr, client));
	return 0;
}

static int
command_test(struct control_answer *answer, int argc, char **argv, void *arg)
{
	if (commands_explain(arg, answer->out, argv[1],
	    argc > 2 ? argv[2] : NULL) == -1)
		return control_error(answer, "not an IP address: %.60s",
		    argv[1]);
	return 0;
}

struct listing {
	FILE *out;
	int64_t now;
};

static void
print_entry(const struct entry *e, void *arg)
{
	static const char *const kind[] = {
		[ENTRY_NONE] = "none", [ENTRY_WHITE] = "white",
		[ENTRY_BLACK] = "black", [ENTRY_REPORT] = "report",
	};
	const struct listing *l = arg;
	char client[ADDR_TEXT_MAX], left[24] = "-", reason[ENTRY_REASON_MAX];

	if (e->kind == ENTRY_REPORT)
		snprintf(left, sizeof left, "%" PRId64,
		    e->expires > l->now ? e->expires - l->now : 0);
	reply_clean(reason, sizeof reason, e->reason, 0);
	fprintf(l->out, "%s %s %s %s\n", addr_is_ipv4(&e->addr) ?
	    addr_print(&e->addr, client) :
	    addr_print_network(&e->addr, 64, client), kind[e->kind], left,
	    reason);
}

static int
command_list(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	struct listing l = { .out = answer->out, .now = (int64_t)time(NULL) };

	(void)argc;
	(void)argv;
	shortlist_walk(j->shortlist, l.now, print_entry, &l);
	return 0;
}

static int
command_flush(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct judge *j = arg;
	size_t count;

	(void)argc;
	(void)argv;
	if (check_read(answer, j) == -1)
		return -1;
	count = shortlist_flush(j->shortlist);
	fprintf(answer->out, "forgot %zu\n", count);
	log_info("flushed the short-term list entries=%zu", count);
	return 0;
}

const struct control_command commands[] = {
	{ "blacklist", "ADDRESS [LIST]", 1, 2, command_blacklist,
	    "refuse this client until it is forgotten" },
	{ "whitelist", "ADDRESS [LIST]", 1, 2, command_whitelist,
	    "never judge this client until it is forgotten" },
	{ "report", "ADDRESS SECONDS REASON", 3, 3, command_report,
	    "refuse this client for a while, twice as long each time" },
	{ "forget", "ADDRESS", 1, 1, command_forget,
	    "take this client off the short-term list" },
	{ "test", "ADDRESS [HOST]", 1, 2, command_test,
	    "what would be done with this client, and why" },
	{ "list", "", 0, 0, command_list,
	    "the short-term list: address, kind, seconds left, reason" },
	{ "flush", "", 0, 0, command_flush,
	    "take everybody off the short-term list" },
	{ .name = NULL }
};
