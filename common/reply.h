#ifndef COMMON_REPLY_H
#define COMMON_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include <libmilter/mfapi.h>

/*
 * reply - text on its way into SMTP or into a header.
 *
 * libmilter refuses a reply with CR or LF or with more than 980 bytes and
 * then sends its default; sendmail does the same for a lone '%'.  Control
 * bytes and 8-bit bytes pass both.  These functions make the text fit, so a
 * chosen reply is always the reply that is sent.
 */

/*
 * Bytes sent to the client, final NUL included.  With codes and line end this
 * stays below the 512 of a reply line (RFC 5321 4.5.3.1.5).
 */
#define REPLY_TEXT_MAX	490

/* What is done with what a milter finds; the words of its -action. */
enum action {
	ACTION_REJECT,
	ACTION_TEMPFAIL,
	ACTION_QUARANTINE,
	ACTION_DISCARD,
	ACTION_MARK,
	ACTION_NONE		/* log only */
};

#define ACTION_WORDS	"reject|tempfail|quarantine|discard|mark|none"

/* The word, for the log. */
const char *action_word(enum action);

/* Which way a milter fails that is in trouble; the words of -onerror. */
enum onerror { ONERROR_ACCEPT, ONERROR_TEMPFAIL };

#define ONERROR_WORDS	"accept|tempfail"

/* Does it need the whole message, for it is carried out at its end? */
bool action_at_end(enum action);

/*
 * Copy text to out: printable ASCII stays, everything else becomes '?',
 * '%' is doubled when percent is set.  Always terminates; never cuts a
 * doubled '%' in half.  Returns the length written.
 */
size_t reply_clean(char *out, size_t size, const char *text, int percent);

/* What %i, %l and %q stand for in a -rejectmessage; NULL: "unknown". */
struct reply_words {
	const char *client, *list, *queue_id;
};

/*
 * Write the text of a -rejectmessage with its words filled in, not yet
 * cleaned.  %% is a '%'.  Returns out, cut to size.
 */
const char *reply_expand(char *out, size_t size, const char *text,
    const struct reply_words *);

/* The first %-letter in the text that stands for nothing, else NULL. */
const char *reply_bad_word(const char *text);

/* Can it be a -rejectmessage?  NULL can.  -1 after a line in the log. */
int reply_check(const char *text);

/*
 * Answer "550 5.7.1 text" (or whatever codes say) and refuse for good.  Any
 * text; cleaned and cut.  The same thread rules as smfi_setreply().
 */
sfsistat reply_reject(SMFICTX *, const char *code, const char *xcode,
    const char *text);

/* Answer "451 4.7.1 text" and ask the client to try again; 421 hangs up. */
sfsistat reply_tempfail(SMFICTX *, const char *code, const char *xcode,
    const char *text);

/*
 * Trouble of our own: count it, log it once a minute, and let the mail pass or
 * ask for it again (4.3.0), as the administrator wants it.  The code is 421 at
 * connect, where every other 4xx becomes a refusal for good.
 */
sfsistat reply_trouble(SMFICTX *, enum onerror, const char *code,
    const char *trouble);

/* Before the first thread: have errors_total printed, which counts these. */
void reply_add_stats(void);

#endif
