#include <string.h>

#include "judge.h"
#include "log.h"
#include "stats.h"

#define EMERGENCY_NAME	"Milter.Emergency"

int
judge_open(struct judge *j, int lenient)
{
	j->clients = iplist_new();
	j->rules.signatures = signatures_new();
	j->rules.ignored = globs_new();
	if (j->clients == NULL || j->rules.signatures == NULL ||
	    j->rules.ignored == NULL) {
		log_error("out of memory");
		return -1;
	}
	if (lenient) {
		iplist_lenient(j->clients);
		signatures_lenient(j->rules.signatures);
		globs_lenient(j->rules.ignored);
	}
	return 0;
}

int
judge_add_file(struct judge *j, enum judge_list list, const char *path)
{
	switch (list) {
	case JUDGE_SIGNATURES:
		return signatures_add_file(j->rules.signatures, path);
	case JUDGE_IGNORED:
		return globs_add_file(j->rules.ignored, path);
	default:
		return iplist_add_file(j->clients, IPLIST_WHITE, path);
	}
}

/* All of them, lest a bad line in one keep the others as they were. */
int
judge_load(struct judge *j)
{
	int result = iplist_load(j->clients);

	result |= signatures_load(j->rules.signatures);
	result |= globs_load(j->rules.ignored);
	return result;
}

bool
judge_changed(struct judge *j, int settle)
{
	return iplist_changed(j->clients, settle) ||
	    signatures_changed(j->rules.signatures, settle) ||
	    globs_changed(j->rules.ignored, settle);
}

static void
print_stats(FILE *out, void *arg)
{
	const struct judge *j = arg;

	iplist_stats(out, j->clients);
	signatures_stats(out, j->rules.signatures);
	globs_stats(out, j->rules.ignored, "ignore_entries",
	    "ignore_bad_lines");
	stats_value(out, "emergency",
	    "Is mail with attachments refused unseen?", NULL, NULL,
	    emergency_why(j->emergency) != EMERGENCY_NONE);
}

void
judge_add_stats(struct judge *j)
{
	stats_add_printer(print_stats, j);
	if (j->clamd != NULL)
		clamd_add_stats(j->clamd);
}

const char *
judge_word(enum judge_by by)
{
	static const char *const words[JUDGE_BY_COUNT] = {
		[JUDGE_CLEAN] = "clean",
		[JUDGE_RULES] = "rules",
		[JUDGE_CLAMD] = "clamd",
		[JUDGE_EMERGENCY] = "emergency",
		[JUDGE_UNSCANNABLE] = "unscannable",
		[JUDGE_DOWN] = "down",
	};

	return words[by];
}

bool
judge_is_infected(enum judge_by by)
{
	return by == JUDGE_RULES || by == JUDGE_CLAMD ||
	    by == JUDGE_EMERGENCY;
}

enum action
judge_action(const struct judge *j, enum judge_by by)
{
	if (j->action == ACTION_NONE)
		return ACTION_NONE;
	if (judge_is_infected(by))
		return (enum action)j->action;
	if (by == JUDGE_UNSCANNABLE)
		return (enum action)j->unscannable;
	return by == JUDGE_DOWN && j->onerror == ONERROR_TEMPFAIL ?
	    ACTION_TEMPFAIL : ACTION_MARK;
}

const char *
judge_action_word(const struct judge *j, enum judge_by by)
{
	return by == JUDGE_CLEAN ? "pass" : action_word(judge_action(j, by));
}

bool
judge_spares(const struct judge *j, const struct addr *addr, const char *host)
{
	return iplist_find(j->clients, addr, host).white != 0;
}

/* --- a message */

void
letter_free(struct letter *l)
{
	scan_free(l->scan);
	clamd_end(l->clamd);
	*l = (struct letter){ .sent = 0 };
}

/* As much of it as clamd is to see. */
static void
give(const struct judge *j, struct letter *l, const void *bytes, size_t size)
{
	size_t left = j->maxscan - l->sent;

	if (l->clamd == NULL || l->partial)
		return;
	if (size > left) {
		size = left;
		l->partial = true;
	}
	l->sent += size;
	clamd_send(l->clamd, bytes, size);
}

static void
give_text(const struct judge *j, struct letter *l, const char *text)
{
	give(j, l, text, strlen(text));
}

int
letter_begin(const struct judge *j, struct letter *l, FILE *out)
{
	if (l->scan != NULL || l->failed)
		return l->failed ? -1 : 0;
	l->scan = scan_new(&j->rules, out);
	if (l->scan != NULL && j->clamd != NULL)
		l->clamd = clamd_begin(j->clamd);
	if (l->scan == NULL || (j->clamd != NULL && l->clamd == NULL)) {
		letter_free(l);
		l->failed = true;
		return -1;
	}
	if (l->clamd == NULL)
		return 0;
	/* Without that clamd takes it for any file, not for mail. */
	give_text(j, l, "From virusmilter Thu Jan  1 00:00:00 1970\r\n");
	return 0;
}

void
letter_field(const struct judge *j, struct letter *l, const char *name,
    const char *value)
{
	if (l->scan == NULL)
		return;
	scan_field(l->scan, name, value);
	give_text(j, l, name);
	give_text(j, l, ": ");
	give_text(j, l, value);
	give_text(j, l, "\r\n");
}

/* What our own rules say, if they do. */
static bool
has_finding(const struct letter *l, struct verdict *v)
{
	const struct scan_finding *f = scan_finding(l->scan);

	if (f->result != SCAN_INFECTED)
		return false;
	v->by = JUDGE_RULES;
	v->malign = f->malign;
	snprintf(v->name, sizeof v->name, "%s", f->name);
	snprintf(v->file, sizeof v->file, "%s", f->file);
	return true;
}

void
letter_end_header(const struct judge *j, struct letter *l, bool trusted,
    struct verdict *v)
{
	*v = (struct verdict){ .by = JUDGE_CLEAN };
	if (l->scan == NULL)
		return;
	scan_end_header(l->scan);
	give_text(j, l, "\r\n");
	/* What is not malign is for clamd to see, too, if there is one. */
	if (has_finding(l, v) && (v->malign || l->clamd == NULL))
		return;
	*v = (struct verdict){ .by = JUDGE_CLEAN };
	if (trusted || !scan_is_mixed(l->scan) ||
	    emergency_why(j->emergency) == EMERGENCY_NONE)
		return;
	v->by = JUDGE_EMERGENCY;
	snprintf(v->name, sizeof v->name, EMERGENCY_NAME);
}

void
letter_body(const struct judge *j, struct letter *l,
    const unsigned char *bytes, size_t size)
{
	const struct scan_finding *f;

	if (l->scan == NULL)
		return;
	scan_body(l->scan, bytes, size);
	f = scan_finding(l->scan);
	/* Nobody else needs to see it then, see letter_end(). */
	if (f->result != SCAN_INFECTED || !f->malign)
		give(j, l, bytes, size);
	else {
		clamd_end(l->clamd);
		l->clamd = NULL;
	}
}

static void
ask_clamd(const struct judge *j, struct letter *l, void (*wait)(void *),
    void *arg, struct verdict *v)
{
	enum clamd_result result = clamd_finish(l->clamd, wait, arg, v->name);

	v->asked = result == CLAMD_CLEAN || result == CLAMD_INFECTED;
	switch (result) {
	case CLAMD_CLEAN:
		break;
	case CLAMD_INFECTED:
		v->malign = !globs_match(j->rules.ignored, v->name);
		v->by = v->malign ? JUDGE_CLAMD : JUDGE_CLEAN;
		break;
	case CLAMD_BUSY:
		snprintf(v->name, sizeof v->name, "too many scans at once");
		/* FALLTHROUGH */
	case CLAMD_FAILED:
		v->by = JUDGE_DOWN;
		break;
	}
}

void
letter_end(const struct judge *j, struct letter *l, void (*wait)(void *),
    void *arg, struct verdict *v)
{
	struct verdict own = { .by = JUDGE_CLEAN, .partial = l->partial };
	const struct scan_finding *f;

	*v = (struct verdict){ .by = JUDGE_CLEAN, .partial = l->partial };
	if (l->scan == NULL) {
		v->by = JUDGE_DOWN;
		snprintf(v->name, sizeof v->name, "out of memory");
		return;
	}
	scan_end(l->scan);
	/* clamd may know worse of what somebody sent by mistake, or did not. */
	if (has_finding(l, &own) && (own.malign || l->clamd == NULL)) {
		*v = own;
		return;
	}
	if (l->clamd != NULL)
		ask_clamd(j, l, wait, arg, v);
	if (own.by != JUDGE_CLEAN && v->by != JUDGE_CLAMD) {
		own.asked = v->asked;
		*v = own;
	}
	f = scan_finding(l->scan);
	if (v->by != JUDGE_CLEAN || f->result != SCAN_UNSCANNABLE)
		return;
	v->by = JUDGE_UNSCANNABLE;
	snprintf(v->name, sizeof v->name, "%s", f->name);
}
