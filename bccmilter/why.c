#include <string.h>
#include <strings.h>

#include "mailfile.h"
#include "reply.h"
#include "why.h"

#define BLANK		" \t\r\n"
#define PATH_ROOM	1024	/* bytes of an address, with NUL */

/* The one address of a path, or "". */
struct address {
	char text[ADDRLIST_ADDRESS_MAX];
};

static void
take_address(void *arg, const char *address)
{
	struct address *a = arg;

	snprintf(a->text, sizeof a->text, "%s", address);
}

static void
read_path(struct address *a, const char *path)
{
	struct addrlist list = { .take = take_address, .arg = a };

	a->text[0] = '\0';
	addrlist_read(&list, path);
}

/* What is thought of the sender, where its MTA wrote it down (RFC 5321 4.4). */
static enum judge_by
judge_return_path(const struct judge *j, const struct mailfile *m)
{
	char path[PATH_ROOM];

	for (size_t i = 0; i < m->count; i++) {
		const char *value = m->field[i].value;

		if (strcasecmp(m->field[i].name, "Return-Path") != 0)
			continue;
		value += strspn(value, BLANK);
		snprintf(path, sizeof path, "%.*s",
		    (int)strcspn(value, BLANK), value);
		return judge_sender(j, path);
	}
	return JUDGE_NOTHING;
}

static enum shown
field_of(const char *name)
{
	for (int i = SHOWN_TO; i < SHOWN_COUNT; i++)
		if (strcasecmp(name, recipients_word((enum shown)i)) == 0)
			return (enum shown)i;
	return SHOWN_NOWHERE;
}

/* Whose alias lines are printed. */
struct explanation {
	const struct judge *judge;
	FILE *out;
	const char *recipient;
};

static void
explain_alias(void *arg, const char *address)
{
	const struct explanation *x = arg;

	alias_explain(x->judge->aliases, x->out, address, x->recipient);
}

static void
explain_aliases(const struct judge *j, FILE *out, const struct mailfile *m,
    const char *recipient, enum shown where)
{
	struct explanation x = { j, out, recipient };
	struct addrlist list = { .take = explain_alias, .arg = &x };

	for (size_t i = 0; i < m->count; i++)
		if (field_of(m->field[i].name) == where)
			addrlist_read(&list, m->field[i].value);
}

static void
explain_recipient(const struct judge *j, FILE *out, const struct mailfile *m,
    struct letter *l, const char *path)
{
	static const char *const spared[] = {
		[SPARED_ROLE] = "postmaster and abuse never are",
		[SPARED_RECIPIENT] = "exempt",
		[SPARED_ELSEWHERE] = "not local",
	};
	const enum judge_spared why = judge_spares(j, path);
	const struct recipient *r;
	struct address a;
	char printable[PATH_ROOM];

	reply_clean(printable, sizeof printable, path, 0);
	fprintf(out, "recipient %s: ", printable);
	if (why != SPARED_NOT) {
		fprintf(out, "not judged: %s\n", spared[why]);
		mailboxes_explain(j->recipients, out, path);
		return;
	}
	read_path(&a, path);
	r = recipients_find(&l->recipients, a.text);
	if (r == NULL)
		fprintf(out, "cannot be read\n");
	else if (r->shown == SHOWN_NOWHERE)
		fprintf(out, "hidden\n");
	else
		fprintf(out, "in %s%s\n", recipients_word((enum shown)
		    r->shown), r->by_alias ? ", by an alias" : "");
	if (r != NULL && r->by_alias)
		explain_aliases(j, out, m, a.text, (enum shown)r->shown);
}

static int
explain(const struct judge *j, FILE *out, const struct mailfile *m,
    const struct why_recipients *to, const char *action)
{
	struct letter l = { .unknown = false };
	struct verdict v;
	enum judge_by by_sender;
	int acts;

	for (int i = 0; i < to->count; i++)
		judge_recipient(j, &l, to->path[i]);
	for (size_t i = 0; i < m->count; i++)
		judge_header(j, &l, m->field[i].name, m->field[i].value);
	judge_decide(j, &l, &v);
	if ((by_sender = judge_return_path(j, m)) != JUDGE_NOTHING)
		v.by = by_sender;
	if (m->count == 0)
		fprintf(out, "no header\n");
	for (int i = 0; i < to->count; i++)
		explain_recipient(j, out, m, &l, to->path[i]);
	acts = judge_acts(v.by);
	fprintf(out, "verdict=%s by=%s shown=%zu hidden=%zu addresses=%zu\n",
	    acts ? action : "pass", judge_word(v.by), v.shown, v.hidden,
	    l.fields.addresses);
	letter_free(&l);
	return acts;
}

int
why_message(const struct judge *j, FILE *out, FILE *in, const char *path,
    const struct why_recipients *to, const char *action)
{
	struct mailfile m;
	int acts;

	if (mailfile_read(&m, in, path) == -1)
		return -1;
	acts = explain(j, out, &m, to, action);
	mailfile_free(&m);
	return acts;
}

int
why_addresses(const struct judge *j, FILE *out, const char *addresses,
    const struct why_recipients *to, const char *action)
{
	struct mailfile_field field = { "To", addresses };
	const struct mailfile m = { .field = &field, .count = 1 };

	return explain(j, out, &m, to, action);
}
