#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "header.h"

#define LINE_GOAL	77	/* and a ';', without CR LF (RFC 5322 2.1.1) */

/* Bytes of a name or a reason in a comment, which is for people. */
#define SAID_MAX	80
#define SUBJECT_MAX	(3 * SAID_MAX)
#define SENTENCE_MAX	(SUBJECT_MAX + ADDR_TEXT_MAX + 60)
#define COMMENT_MAX	(SENTENCE_MAX + 2 * SAID_MAX + 8)
#define COMMENT_SPECIAL	"()\\\""

/* A key, its value in quotes, and what follows. */
#define WORD_MAX	(HEADER_VALUE_MAX + 24)

/* With its words and the blanks before them; two fit behind any name. */
#define RESINFO_MAX	(2 * WORD_MAX + SAID_MAX + 40)

_Static_assert(WORD_MAX + 2 * RESINFO_MAX < HEADER_MAX, "two results fit");

/* --- kinds of words */

/* RFC 5322 3.2.3 */
static bool
is_atom_char(char c)
{
	return isalnum((unsigned char)c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The dot-atom this begins with; 0: it begins with none. */
static size_t
dot_atom_size(const char *text)
{
	size_t n = 0;

	while (is_atom_char(text[n]) || (n > 0 && text[n] == '.' &&
	    is_atom_char(text[n + 1])))
		n++;
	return n;
}

static bool
is_dot_atom(const char *text)
{
	return *text != '\0' && text[dot_atom_size(text)] == '\0';
}

/* RFC 2045 5.1 */
static bool
is_token_char(char c)
{
	return c > ' ' && c <= '~' && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool
is_token(const char *text)
{
	size_t n = 0;

	while (is_token_char(text[n]))
		n++;
	return n > 0 && text[n] == '\0';
}

/* RFC 6376 3.5: two labels or more of letters, digits and, inside, '-'. */
static bool
is_domain_name(const char *text)
{
	char last = '.';
	bool dot = false;

	for (; *text != '\0'; text++) {
		if (!isalnum((unsigned char)*text) &&
		    !(*text == '-' && last != '.') &&
		    !(*text == '.' && isalnum((unsigned char)last)))
			return false;
		dot = dot || *text == '.';
		last = *text;
	}
	return dot && isalnum((unsigned char)last);
}

/* RFC 8601 2.2's pvalue, as far as it needs no quotes. */
static bool
is_pvalue(const char *text)
{
	size_t n = dot_atom_size(text);

	return is_token(text) ||
	    (n > 0 && text[n] == '@' && is_domain_name(text + n + 1));
}

bool
header_is_authserv_id(const char *text)
{
	return is_token(text) && strlen(text) <= HEADER_VALUE_MAX;
}

/* --- writing */

struct writer {
	char *out;		/* HEADER_MAX bytes */
	size_t size;
	size_t column;
};

static void
begin(struct writer *w, char *out, const char *name)
{
	w->out = out;
	w->size = 0;
	w->column = strlen(name) + 2;
	out[0] = '\0';
}

/*
 * One word more, on a line of its own where it would be too long for this one.
 * Nothing ever is without room, but if it were it would be left out whole.
 */
static void
put_word(struct writer *w, const char *word, size_t size)
{
	bool first = w->size == 0;
	bool fold = !first && w->column + 1 + size > LINE_GOAL;
	const char *before = fold ? "\n\t" : first ? "" : " ";

	if (strlen(before) + size + 2 > HEADER_MAX - w->size)
		return;
	w->column = (fold ? 0 : w->column) + !first + size;
	w->size += (size_t)snprintf(w->out + w->size, HEADER_MAX - w->size,
	    "%s%.*s", before, (int)size, word);
}

static void
put_semicolon(struct writer *w)
{
	if (HEADER_MAX - w->size < 2)
		return;
	w->out[w->size++] = ';';
	w->out[w->size] = '\0';
	w->column++;
}

/*
 * Words between which there may be a fold.  Never where there are two blanks,
 * for of a line of nothing but blanks nobody knows what it means.
 */
static void
put_text(struct writer *w, const char *text)
{
	const char *end;

	for (; *text != '\0'; text = *end == '\0' ? end : end + 1) {
		for (end = text; *end != '\0'; end++)
			if (*end == ' ' && end > text && end[-1] != ' ' &&
			    end[1] != ' ')
				break;
		put_word(w, text, (size_t)(end - text));
	}
}

/*
 * Text as it may stand in the message: what is not printable is a '?', what is
 * special has a backslash before it.  false: it did not fit, and was cut.
 */
static bool
escape(char *out, size_t size, const char *text, const char *special)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		bool pair = strchr(special, *text) != NULL;

		if (n + pair + 2 > size)
			break;
		if (pair)
			out[n++] = '\\';
		out[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	}
	out[n] = '\0';
	return *text == '\0';
}

/* key=value; nothing when the value is too long. */
static void
put_pair(struct writer *w, const char *key, const char *value,
    bool (*is_plain)(const char *))
{
	char text[HEADER_VALUE_MAX + 1], word[WORD_MAX];
	const char *quote;

	if (!escape(text, sizeof text, value, "\"\\"))
		return;
	quote = is_plain(text) ? "" : "\"";
	snprintf(word, sizeof word, "%s=%s%s%s", key, quote, text, quote);
	put_word(w, word, strlen(word));
}

/* --- Received-SPF */

/* For a comment: text, cut where it is too long.  Returns out. */
static const char *
say(char out[SAID_MAX + 1], const char *text)
{
	if (!escape(out, SAID_MAX - 2, text, COMMENT_SPECIAL))
		snprintf(out + strlen(out), 4, "...");
	return out;
}

/* Who is meant: "fallback record for domain of joe@example.org". */
static void
say_subject(char *out, size_t size, const struct header_facts *f)
{
	bool host = f->is_helo || f->sender[0] == '\0';
	const char *who = host ? f->helo : f->sender;
	char name[SAID_MAX + 1], source[SAID_MAX + 1];

	/* Cut at its end the domain would be another one. */
	if (!host && f->domain[0] != '\0' &&
	    !escape(name, SAID_MAX - 2, who, COMMENT_SPECIAL))
		who = f->domain;
	snprintf(out, size, "%s%s%s%s",
	    f->source != NULL ? say(source, f->source) : "",
	    f->source != NULL ? " for " : "",
	    host ? "host " : "domain of ",
	    *who != '\0' ? say(name, who) : "unknown");
}

/* The sentences of RFC 7208 9.1 and those that others write like them. */
static void
say_result(char *out, size_t size, const struct header_facts *f,
    const char *subject)
{
	char client[ADDR_TEXT_MAX];

	addr_print(f->client, client);
	switch (f->result) {
	case SPF_IS_PASS:
		snprintf(out, size, "%s designates %s as permitted sender",
		    subject, client);
		break;
	case SPF_IS_FAIL:
	case SPF_IS_SOFTFAIL:
		snprintf(out, size,
		    "%s%s does not designate %s as permitted sender",
		    f->result == SPF_IS_FAIL ? "" : "transitioning ", subject,
		    client);
		break;
	case SPF_IS_NEUTRAL:
		snprintf(out, size, "%s is neither permitted nor denied by %s",
		    client, subject);
		break;
	case SPF_IS_TEMPERROR:
		snprintf(out, size, "temporary error in processing %s",
		    subject);
		break;
	case SPF_IS_PERMERROR:
		snprintf(out, size, "permanent error in processing %s",
		    subject);
		break;
	default:
		snprintf(out, size,
		    "%s does not designate permitted sender hosts", subject);
	}
}

static void
put_comment(struct writer *w, const struct header_facts *f)
{
	char subject[SUBJECT_MAX], sentence[SENTENCE_MAX], text[COMMENT_MAX],
	    name[SAID_MAX + 1], reason[SAID_MAX + 1];

	say_subject(subject, sizeof subject, f);
	say_result(sentence, sizeof sentence, f, subject);
	say(name, f->receiver);
	say(reason, f->reason);
	snprintf(text, sizeof text, "(%s%s%s%s%s)", name,
	    *name != '\0' ? ": " : "", sentence, *reason != '\0' ? ": " : "",
	    reason);
	put_text(w, text);
}

const char *
header_received_spf(char out[HEADER_MAX], const struct header_facts *f)
{
	char client[ADDR_TEXT_MAX];
	const struct {
		const char *key, *value;
	} keys[] = {
		{ "receiver", f->receiver },
		{ "identity", f->is_helo ? "helo" : "mailfrom" },
		{ "client-ip", addr_print(f->client, client) },
		{ "envelope-from", f->sender[0] != '\0' ? f->sender : "<>" },
		{ "helo", f->helo },
		{ "mechanism", f->mechanism },
		{ "problem", f->problem },
	};
	struct writer w;

	begin(&w, out, "Received-SPF");
	put_text(&w, spf_result_word(f->result));
	put_comment(&w, f);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		size_t before = w.size;

		if (keys[i].value[0] != '\0')
			put_pair(&w, keys[i].key, keys[i].value, is_dot_atom);
		if (w.size > before)
			put_semicolon(&w);
	}
	return out;
}

/* --- Authentication-Results */

/* What of MAIL FROM is written; "": nothing is.  Returns out. */
static const char *
choose_mailfrom(char out[HEADER_VALUE_MAX + 1], const char *sender)
{
	struct addr_mailbox m;
	const char *from = *sender != '\0' ? sender : "<>";
	size_t size = strlen(from);

	addr_mailbox(&m, sender);
	if (m.domain_size > 0) {
		from = m.local;
		size = m.local_size + 1 + m.domain_size;
		if (m.local_size == 0 || size > HEADER_VALUE_MAX ||
		    dot_atom_size(m.local) != m.local_size) {
			from = m.domain;
			size = m.domain_size;
		}
	}
	if (size > HEADER_VALUE_MAX)
		size = 0;
	memcpy(out, from, size);
	out[size] = '\0';
	return out;
}

static void
put_resinfo(struct writer *w, const struct header_facts *f)
{
	char text[HEADER_VALUE_MAX + 1], name[SAID_MAX + 1];

	snprintf(text, sizeof text, "spf=%s", spf_result_word(f->result));
	put_text(w, text);
	if (f->source != NULL) {
		snprintf(text, sizeof text, "(%s)", say(name, f->source));
		put_text(w, text);
	}
	if ((f->result == SPF_IS_TEMPERROR || f->result == SPF_IS_PERMERROR) &&
	    f->reason[0] != '\0') {
		snprintf(text, sizeof text, "%s%s%s", f->reason,
		    f->problem[0] != '\0' ? ": " : "", f->problem);
		put_pair(w, "reason", text, is_token);
	}
	if (f->is_helo && f->helo[0] != '\0')
		put_pair(w, "smtp.helo", f->helo, is_token);
	if (!f->is_helo && choose_mailfrom(text, f->sender)[0] != '\0')
		put_pair(w, "smtp.mailfrom", text, is_pvalue);
}

const char *
header_authentication_results(char out[HEADER_MAX], const char *authserv_id,
    const struct header_facts *f, int count)
{
	char text[HEADER_VALUE_MAX + 1], name[WORD_MAX];
	const char *quote;
	struct writer w;

	begin(&w, out, "Authentication-Results");
	escape(text, sizeof text, authserv_id, "\"\\");
	quote = is_token(text) ? "" : "\"";
	snprintf(name, sizeof name, "%s%s%s", quote, text, quote);
	put_word(&w, name, strlen(name));
	put_semicolon(&w);
	if (count == 0)
		put_text(&w, "none");
	for (int i = 0; i < count && HEADER_MAX - w.size > RESINFO_MAX; i++) {
		if (i > 0)
			put_semicolon(&w);
		put_resinfo(&w, &f[i]);
	}
	return out;
}

/* --- reading */

/*
 * A comment or a quoted string without its end is none: or it could hide from
 * us what others, who read less, would see.  From the first such one on there
 * are no more, and nothing is looked through twice.
 */
struct reader {
	bool no_comments, no_quotes;
};

/* Behind the comment (RFC 5322 3.2.2) that begins here; NULL: it never ends. */
static const char *
find_comment_end(const char *p)
{
	size_t depth = 0;

	for (; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static const char *
find_quotes_end(const char *p)
{
	for (p++; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

/* Returns what follows the comment, or p when there is none. */
static const char *
skip_comment(struct reader *r, const char *p)
{
	const char *end = *p == '(' && !r->no_comments ?
	    find_comment_end(p) : p;

	r->no_comments = r->no_comments || end == NULL;
	return end != NULL ? end : p;
}

static const char *
skip_quotes(struct reader *r, const char *p)
{
	const char *end = *p == '"' && !r->no_quotes ? find_quotes_end(p) : p;

	r->no_quotes = r->no_quotes || end == NULL;
	return end != NULL ? end : p;
}

/* Blanks, folds and comments; what else isspace(3) knows, others skip too. */
static const char *
skip_blanks(struct reader *r, const char *p)
{
	const char *before;

	do {
		before = p;
		p = skip_comment(r, p + strspn(p, " \t\r\n\v\f"));
	} while (p != before);
	return p;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * Does this name stand here, in quotes or not?  Blanks around a dot, which
 * were allowed once (RFC 5322 4.4), are no part of it.
 */
static bool
is_named(struct reader *r, const char *p, const char *name)
{
	bool quoted = false;
	char last = '.';

	for (;; p++) {
		const char *next = quoted ? p : skip_blanks(r, p);

		if (next > p && last != '.' && *next != '.')
			return *name == '\0';
		p = next;
		if (*p == '"') {
			quoted = !quoted && skip_quotes(r, p) > p;
			continue;
		}
		if (quoted && (*p == '\r' || *p == '\n'))
			continue;
		/* Readers there are pass over a ) that closes nothing. */
		if (!quoted && *p == ')')
			continue;
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (!quoted && *name == '\0' && !is_token_char(*p))
			return true;
		if (*p == '\0' || lower(*p) != lower(*name))
			return false;
		last = *p;
		name++;
	}
}

bool
header_is_from(const char *value, const char *authserv_id)
{
	struct reader r = { false, false };

	return is_named(&r, value, authserv_id);
}

/* Does this key stand here, with its '='?  Returns its value, or NULL. */
static const char *
find_value(struct reader *r, const char *p, const char *key)
{
	for (; *key != '\0'; key++, p++)
		if (lower(*p) != *key)
			return NULL;
	p = skip_blanks(r, p);
	return *p == '=' ? p + 1 : NULL;
}

bool
header_is_received_by(const char *value, const char *receiver)
{
	struct reader r = { false, false };
	const char *p = value, *found, *next;
	char before = ' ';

	while (*p != '\0') {
		next = skip_quotes(&r, skip_comment(&r, p));
		if (next == p) {
			found = is_token_char(before) ? NULL :
			    find_value(&r, p, "receiver");
			if (found != NULL && is_named(&r, found, receiver))
				return true;
			next++;
		}
		before = next[-1];
		p = next;
	}
	return false;
}
