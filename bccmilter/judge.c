#include <string.h>
#include <strings.h>

#include "judge.h"
#include "log.h"
#include "stats.h"

#define BLANK		" \t\r\n"
#define LISTS_MAX	100	/* brackets of a field that are looked at */

int
judge_open(struct judge *j, int lenient)
{
	struct mailboxes **const mailboxes[] = {
		&j->senders, &j->recipients, &j->local, &j->lists
	};
	bool failed = (j->clients = iplist_new()) == NULL ||
	    (j->aliases = alias_new()) == NULL;

	for (size_t i = 0; i < sizeof mailboxes / sizeof mailboxes[0]; i++) {
		*mailboxes[i] = mailboxes_new();
		failed |= *mailboxes[i] == NULL;
		if (lenient && *mailboxes[i] != NULL)
			mailboxes_lenient(*mailboxes[i]);
	}
	if (failed) {
		log_error("out of memory");
		return -1;
	}
	if (lenient) {
		iplist_lenient(j->clients);
		alias_lenient(j->aliases);
	}
	return 0;
}

int
judge_add_file(struct judge *j, enum judge_list list, const char *path)
{
	switch (list) {
	case JUDGE_WHITE_CLIENTS:
		return iplist_add_file(j->clients, IPLIST_WHITE, path);
	case JUDGE_SENDERS:
		return mailboxes_add_file(j->senders, path);
	case JUDGE_RECIPIENTS:
		return mailboxes_add_file(j->recipients, path);
	case JUDGE_LOCAL:
		j->only_local = true;
		return mailboxes_add_file(j->local, path);
	case JUDGE_LISTS:
		j->only_lists = true;
		return mailboxes_add_file(j->lists, path);
	default:
		return alias_add_file(j->aliases, path);
	}
}

/* All of them, lest a bad line in one keep the others as they were. */
int
judge_load(struct judge *j)
{
	int result = iplist_load(j->clients);

	result |= mailboxes_load(j->senders);
	result |= mailboxes_load(j->recipients);
	result |= mailboxes_load(j->local);
	result |= mailboxes_load(j->lists);
	result |= alias_load(j->aliases);
	return result;
}

bool
judge_changed(struct judge *j, int settle)
{
	return iplist_changed(j->clients, settle) ||
	    mailboxes_changed(j->senders, settle) ||
	    mailboxes_changed(j->recipients, settle) ||
	    mailboxes_changed(j->local, settle) ||
	    mailboxes_changed(j->lists, settle) ||
	    alias_changed(j->aliases, settle);
}

static void
print_stats(FILE *out, void *arg)
{
	const struct judge *j = arg;

	iplist_stats(out, j->clients);
	mailboxes_stats(out, j->senders, "sender_entries",
	    "sender_bad_lines");
	mailboxes_stats(out, j->recipients, "recipient_entries",
	    "recipient_bad_lines");
	mailboxes_stats(out, j->local, "local_entries", "local_bad_lines");
	mailboxes_stats(out, j->lists, "mailing_list_entries",
	    "mailing_list_bad_lines");
	alias_stats(out, j->aliases);
}

void
judge_add_stats(struct judge *j)
{
	stats_add_printer(print_stats, j);
}

const char *
judge_word(enum judge_by by)
{
	static const char *const words[JUDGE_BY_COUNT] = {
		[JUDGE_NOTHING] = "nothing",
		[JUDGE_WHITELIST] = "whitelist",
		[JUDGE_BOUNCE] = "bounce",
		[JUDGE_SENDER] = "sender",
		[JUDGE_NOBODY] = "nobody",
		[JUDGE_OPEN] = "open",
		[JUDGE_AUTOMATIC] = "automatic",
		[JUDGE_LIST] = "list",
		[JUDGE_RESENT] = "resent",
		[JUDGE_UNKNOWN] = "unknown",
		[JUDGE_NONE_LISTED] = "none-listed",
		[JUDGE_SOME_LISTED] = "some-listed",
		[JUDGE_NO_RECIPIENTS] = "no-recipients",
	};

	return words[by];
}

bool
judge_acts(enum judge_by by)
{
	return by >= JUDGE_NONE_LISTED;
}

enum judge_by
judge_client(const struct judge *j, const struct addr *addr, const char *host)
{
	return iplist_find(j->clients, addr, host).white != 0 ?
	    JUDGE_WHITELIST : JUDGE_NOTHING;
}

enum judge_by
judge_sender(const struct judge *j, const char *path)
{
	if (strcmp(path, "<>") == 0 || path[0] == '\0')
		return JUDGE_BOUNCE;
	return mailboxes_find(j->senders, path) != NULL ? JUDGE_SENDER :
	    JUDGE_NOTHING;
}

/* --- recipients */

enum judge_spared
judge_spares(const struct judge *j, const char *path)
{
	if (addr_is_role(path))
		return SPARED_ROLE;
	if (mailboxes_find(j->recipients, path) != NULL)
		return SPARED_RECIPIENT;
	return j->only_local && mailboxes_find(j->local, path) == NULL ?
	    SPARED_ELSEWHERE : SPARED_NOT;
}

/*
 * Is it internationalized?  Then it has several forms: UTF-8 and "xn--" (RFC
 * 5890), upper and lower case, composed and not, which we cannot compare.
 */
static bool
has_two_forms(const char *address)
{
	if (strstr(address, "xn--") != NULL)
		return true;
	for (; *address != '\0'; address++)
		if ((unsigned char)*address >= 0x80)
			return true;
	return false;
}

static void
take_recipient(void *arg, const char *address)
{
	struct letter *l = arg;

	recipients_add(l->to, address);
	l->idn_recipient |= has_two_forms(address);
}

static bool
is_full(const struct letter *l)
{
	return l->recipients.count + l->others.count >= RECIPIENTS_MAX ||
	    l->recipients.text_size + l->others.text_size >
	    RECIPIENTS_BYTES_MAX - ADDRLIST_ADDRESS_MAX;
}

void
judge_recipient(const struct judge *j, struct letter *l, const char *path)
{
	struct addrlist list = {
		.take = take_recipient, .arg = l
	};
	const bool judged = judge_spares(j, path) == SPARED_NOT;
	size_t before;

	/* With POLICY_ANY others do not matter. */
	if (!judged && j->policy == POLICY_ANY)
		return;
	if (is_full(l)) {
		l->recipients.full = true;
		return;
	}
	l->to = judged ? &l->recipients : &l->others;
	before = l->to->count;
	addrlist_read(&list, path);
	if (judged && (list.unknown || l->to->count != before + 1))
		l->unknown = true;
}

/* --- the header */

/* Is it anybody? */
static bool
show(struct letter *l, const char *address, bool by_alias)
{
	bool judged = recipients_show(&l->recipients, address, l->field,
	    by_alias);
	bool other = recipients_show(&l->others, address, l->field, by_alias);

	return judged || other;
}

/* Through an alias, or everybody. */
static void
take_alias(void *arg, const char *recipient)
{
	struct letter *l = arg;

	if (++l->aliases > JUDGE_ALIASES_MAX)
		l->unknown = true;
	else if (recipient == NULL) {
		recipients_show_all(&l->recipients, l->field, true);
		recipients_show_all(&l->others, l->field, true);
	} else
		show(l, recipient, true);
}

static void
take_address(void *arg, const char *address)
{
	struct letter *l = arg;

	if (!show(l, address, false) && l->idn_recipient &&
	    has_two_forms(address))
		l->unknown = true;
	/* What is behind the limit is unknown already. */
	if (l->aliases <= JUDGE_ALIASES_MAX)
		alias_find(l->judge->aliases, address, take_alias, l);
}

static void
read_addresses(const struct judge *j, struct letter *l, enum shown field,
    const char *value)
{
	l->judge = j;
	l->field = field;
	l->fields.take = take_address;
	l->fields.arg = l;
	addrlist_read(&l->fields, value);
}

/* Is the first word another than "no" (RFC 3834 5)? */
static bool
is_automatic(const char *value)
{
	size_t size;

	value += strspn(value, BLANK);
	size = strcspn(value, ";(" BLANK);
	return size != 2 || strncasecmp(value, "no", size) != 0;
}

/* Is this one of those lists, without the word in front, as a path? */
static bool
is_listed_one(struct mailboxes *lists, const char *text, const char *in_front)
{
	char path[MAILBOXES_LINE_MAX + 1];
	size_t size, skip = strlen(in_front);

	text += strspn(text, BLANK);
	if (strncasecmp(text, in_front, skip) == 0)
		text += skip;
	size = strcspn(text, ">?" BLANK);
	if (size >= sizeof path - 1)
		return false;
	snprintf(path, sizeof path, "%s%.*s",
	    memchr(text, '@', size) == NULL ? "@" : "", (int)size, text);
	return mailboxes_find(lists, path) != NULL;
}

/* What stands in angle brackets, else all of it. */
static bool
is_listed(struct mailboxes *lists, const char *value, const char *in_front)
{
	const char *p = strchr(value, '<');

	if (p == NULL)
		return is_listed_one(lists, value, in_front);
	for (int i = 0; p != NULL && i < LISTS_MAX; i++) {
		if (is_listed_one(lists, p + 1, in_front))
			return true;
		p = strchr(p + 1, '<');
	}
	return false;
}

static bool
is_list(const struct judge *j, const char *value, const char *in_front)
{
	return !j->only_lists || is_listed(j->lists, value, in_front);
}

void
judge_header(const struct judge *j, struct letter *l, const char *name,
    const char *value)
{
	/* Of most fields the first letter says that they do not matter. */
	switch (name[0]) {
	case 'T': case 't':
		if (strcasecmp(name, "To") == 0)
			read_addresses(j, l, SHOWN_TO, value);
		break;
	case 'C': case 'c':
		if (strcasecmp(name, "Cc") == 0)
			read_addresses(j, l, SHOWN_CC, value);
		break;
	case 'R': case 'r':
		if (strncasecmp(name, "Resent-", 7) != 0)
			break;
		l->resent = true;
		if (strcasecmp(name + 7, "To") == 0)
			read_addresses(j, l, SHOWN_RESENT_TO, value);
		else if (strcasecmp(name + 7, "Cc") == 0)
			read_addresses(j, l, SHOWN_RESENT_CC, value);
		break;
	case 'A': case 'a':
		if (strcasecmp(name, "Auto-Submitted") == 0)
			l->automatic |= is_automatic(value);
		break;
	case 'L': case 'l':
		if (strcasecmp(name, "List-Id") == 0)
			l->list |= is_list(j, value, "");
		else if (strcasecmp(name, "List-Post") == 0)
			l->list |= is_list(j, value, "mailto:");
		break;
	}
}

static enum judge_by
decide(const struct judge *j, struct letter *l, const struct verdict *v)
{
	const bool missed = l->unknown || l->recipients.full;

	if (v->shown + v->hidden == 0)
		return missed ? JUDGE_UNKNOWN : JUDGE_NOBODY;
	if (j->policy == POLICY_NONE ? v->shown > 0 ||
	    recipients_shown(&l->others) > 0 :
	    v->hidden == 0 && !missed)
		return JUDGE_OPEN;
	if (l->automatic)
		return JUDGE_AUTOMATIC;
	if (l->list)
		return JUDGE_LIST;
	if (l->resent)
		return JUDGE_RESENT;
	if (missed || l->fields.unknown)
		return JUDGE_UNKNOWN;
	if (l->fields.addresses == 0)
		return JUDGE_NO_RECIPIENTS;
	return v->shown == 0 ? JUDGE_NONE_LISTED : JUDGE_SOME_LISTED;
}

void
judge_decide(const struct judge *j, struct letter *l, struct verdict *v)
{
	v->shown = recipients_shown(&l->recipients);
	v->hidden = recipients_count(&l->recipients) - v->shown;
	v->by = decide(j, l, v);
}

void
letter_free(struct letter *l)
{
	recipients_free(&l->recipients);
	recipients_free(&l->others);
	memset(l, 0, sizeof *l);
}
