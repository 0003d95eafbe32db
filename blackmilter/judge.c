#include <stdlib.h>

#include "client.h"
#include "judge.h"
#include "log.h"
#include "stats.h"

#define LISTS_TEXT_MAX	400	/* bytes of the paths in a log line */

static const char *const by_word[JUDGE_BY_COUNT] = {
	"nothing", "blacklist", "shortlist", "shed"
};

#define VERDICT(verdict, by)						\
	{ "verdicts_total", "verdict=\"" verdict "\",by=\"" by "\"",	\
	    "Verdicts on clients, or on messages where -at says so.", 0 }
#define VERDICTS(by) {							\
	VERDICT("reject", by), VERDICT("tempfail", by),			\
	VERDICT("quarantine", by), VERDICT("discard", by),		\
	VERDICT("mark", by), VERDICT("none", by) }

/* In the order of enum judge_by, without NOTHING, and of enum action. */
static struct stats_counter verdicts[JUDGE_BY_COUNT - 1][ACTION_NONE + 1] = {
	VERDICTS("blacklist"), VERDICTS("shortlist"), VERDICTS("shed")
};

void
judge(const struct judge *j, const struct addr *addr, const char *host,
    int64_t now, struct verdict *v)
{
	struct iplist_match m = iplist_find(j->lists, addr, host);
	enum entry_kind kind = shortlist_find(j->shortlist, addr, now,
	    v->reason);

	v->white = m.white;
	v->listed = m.listed;
	v->shadow = m.shadow;
	v->exempt = m.white != 0 || kind == ENTRY_WHITE;
	if (m.listed != 0)
		v->by = JUDGE_BLACKLIST;
	else if (kind == ENTRY_BLACK || kind == ENTRY_REPORT)
		v->by = JUDGE_SHORTLIST;
	else
		v->by = JUDGE_NOTHING;
}

/*
 * Of any hundred clients in a row exactly the share is chosen; 61 and 100
 * have no common divisor, so every turn comes up once and they are spread.
 */
static bool
is_shed(struct judge *j)
{
	unsigned turn;

	if (!atomic_load_explicit(&j->shedding, memory_order_relaxed))
		return false;
	turn = atomic_fetch_add_explicit(&j->turn, 1, memory_order_relaxed);
	return (long)(turn % 100 * 61 % 100) < j->shed;
}

/* Write " list=PATH", or where wanted " list=PATH,PATH", for the log. */
static void
print_lists(const struct judge *j, uint64_t lists, char out[LISTS_TEXT_MAX])
{
	char word[LOG_WORD_MAX];
	size_t n = 0;

	for (; lists != 0 && n < LISTS_TEXT_MAX; lists &= lists - 1) {
		const char *path = iplist_path(j->lists, iplist_first(lists));

		n += (size_t)snprintf(out + n, LISTS_TEXT_MAX - n, "%s%s",
		    n == 0 ? " list=" : ",", log_word(word, path));
		if (!j->all_lists)
			return;
	}
}

const char *
judge_print(const struct judge *j, const struct verdict *v,
    const char *verdict, const char *by, char *out, size_t size)
{
	char found[LISTS_TEXT_MAX] = "", word[LOG_WORD_MAX];

	if (by == NULL)
		by = v->exempt ? client_exempt_word(CLIENT_WHITELISTED) :
		    by_word[v->by];
	if (v->exempt && v->white != 0)
		print_lists(j, v->white, found);
	else if (!v->exempt && v->by == JUDGE_BLACKLIST)
		print_lists(j, v->listed, found);
	else if (v->exempt || v->by == JUDGE_SHORTLIST)
		snprintf(found, sizeof found, " list=shortlist reason=%s",
		    log_word(word, v->reason));
	snprintf(out, size, "verdict=%s by=%s%s", verdict, by, found);
	return out;
}

/* A list on trial: counted and logged, nothing else. */
static void
note_shadow(struct judge *j, const struct addr *addr, const struct verdict *v)
{
	char client[ADDR_TEXT_MAX], found[LISTS_TEXT_MAX] = "";

	print_lists(j, v->shadow, found);
	log_info("verdict=none by=shadow%s client=%s also=%s", found,
	    addr_print(addr, client), by_word[v->by]);
	for (uint64_t bits = v->shadow; bits != 0; bits &= bits - 1) {
		int list = iplist_first(bits);

		atomic_fetch_add(&j->hits[list], 1);
		if (v->by != JUDGE_NOTHING)
			atomic_fetch_add(&j->overlaps[list], 1);
	}
}

void
judge_turn(struct judge *j, const struct addr *addr, struct verdict *v)
{
	if (v->shadow != 0)
		note_shadow(j, addr, v);
	if (v->by == JUDGE_NOTHING && is_shed(j))
		v->by = JUDGE_SHED;
}

enum action
judge_action(const struct judge *j, const struct verdict *v)
{
	if (v->by == JUDGE_SHED && j->action != ACTION_NONE)
		return ACTION_TEMPFAIL;
	return (enum action)j->action;
}

bool
judge_is_due(const struct judge *j, const struct verdict *v)
{
	return v->by != JUDGE_NOTHING && !action_at_end(judge_action(j, v));
}

void
judge_count(struct judge *j, const struct verdict *v, enum action action)
{
	stats_count(&verdicts[v->by - 1][action]);
	for (uint64_t bits = v->by == JUDGE_BLACKLIST ? v->listed : 0;
	    bits != 0; bits &= bits - 1)
		atomic_fetch_add(&j->hits[iplist_first(bits)], 1);
}

const char *
judge_public_name(const struct judge *j, const struct verdict *v)
{
	if (v->by == JUDGE_BLACKLIST)
		return iplist_name(j->lists, iplist_first(v->listed));
	return v->by == JUDGE_SHED ? "load" : v->reason;
}

void
judge_tick(struct judge *j)
{
	double load;

	atomic_store(&j->shedding, j->shed > 0 && (j->shedload == 0 ||
	    (getloadavg(&load, 1) == 1 && load > (double)j->shedload)));
}

static void
print_list_counts(FILE *out, const struct judge *j, const char *name,
    const char *help, uint64_t lists, atomic_ullong *counts)
{
	for (; lists != 0; lists &= lists - 1, help = NULL) {
		int list = iplist_first(lists);

		stats_value(out, name, help, "list",
		    iplist_path(j->lists, list), atomic_load(&counts[list]));
	}
}

static void
print_stats(FILE *out, void *arg)
{
	struct judge *j = arg;
	uint64_t shadow = iplist_lists(j->lists, IPLIST_SHADOW);

	print_list_counts(out, j, "list_hits_total",
	    "Clients found on each list.",
	    iplist_lists(j->lists, IPLIST_LISTED) | shadow, j->hits);
	print_list_counts(out, j, "shadow_overlap_total",
	    "Clients on a shadow list that were acted on anyway.", shadow,
	    j->overlaps);
	stats_value(out, "shedding", "Is a share of the clients sent away now?",
	    NULL, NULL, (uint64_t)atomic_load(&j->shedding));
}

void
judge_add_stats(struct judge *j)
{
	stats_add(verdicts[0], sizeof verdicts / sizeof verdicts[0][0]);
	stats_add_printer(print_stats, j);
}
