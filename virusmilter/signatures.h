#ifndef VIRUSMILTER_SIGNATURES_H
#define VIRUSMILTER_SIGNATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * signatures - list files of what a worm is known by.
 *
 * A line is a name, where to look, and what to look for, with blanks between:
 *
 *	Worm.Sobig.F	header:Subject	Re: Your details
 *	Worm.Test	name		your_details.pif
 *	Worm.Klez	content		hex:4d5a9000030000000400
 *	Local.Phish	body		http://evil.example/login
 *
 * or empty, or a comment that begins with # or ;.
 *
 *	header:FIELD	the value of that field of the message, unfolded
 *	name		the name of an attachment, or one inside a zip
 *	body		the body as it comes
 *	content		the decoded content of a part
 *
 * The rest of the line, without blanks at its ends, is text, of which ASCII
 * letters are compared without case, or "hex:" and the bytes, compared as they
 * are; it may stand anywhere in there.  CR LF, a byte order mark and a last
 * line without its newline are no fault.
 */
#define SIGNATURES_FILES_MAX	63
#define SIGNATURES_MAX		10000
#define SIGNATURES_LINE_MAX	1022	/* bytes; a longer line is a bad line */
#define SIGNATURES_BYTES_MIN	4	/* of a pattern; a shorter one is
					 * found everywhere */
#define SIGNATURES_BYTES_MAX	256	/* of a pattern; more is a bad line */
#define SIGNATURES_NAME_MAX	80	/* of a name, with NUL: letters, digits
					 * and - _ . / : + */

enum signature_where {
	SIGNATURE_HEADER,
	SIGNATURE_NAME,
	SIGNATURE_BODY,
	SIGNATURE_CONTENT
};

struct signatures;

/*
 * As for the other lists (common/mailboxes.h): before the first thread an
 * object without files, then the files; loaded as one, reloaded as one.
 */
struct signatures *signatures_new(void);
int signatures_add_file(struct signatures *, const char *path);
void signatures_lenient(struct signatures *);
int signatures_load(struct signatures *);
bool signatures_changed(struct signatures *, int settle);

/* Signatures in use and bad lines of each file; nothing without files. */
void signatures_stats(FILE *, void *signatures);

/* For -why: print each line of this name, as "PATH:LINE: TEXT". */
void signatures_explain(struct signatures *, FILE *, const char *name);

/* Nothing may be in use any more. */
void signatures_free(struct signatures *);

/*
 * What is in use now; a message is scanned with the same from its beginning to
 * its end, whatever is reloaded meanwhile.  Never NULL; give it back.  Any
 * thread.
 */
const struct signature_set *signatures_take(struct signatures *);
void signatures_give_back(struct signatures *, const struct signature_set *);

/* Is there any for this place?  (Of HEADER: for any field.) */
bool signatures_has(const struct signature_set *, enum signature_where);

/*
 * What is found in a text: the value of a field, or a name of a file (field is
 * NULL then).  take is called with the name of each, which is valid with the
 * set, as often as it is there; when it returns true, that was enough, and so
 * does this.
 */
bool signatures_find_text(const struct signature_set *, const char *field,
    const char *text, bool (*take)(void *arg, const char *name), void *arg);

/*
 * Bytes that come in pieces.  All zero at first; one thread; one for the body
 * and one for each content.
 */
struct signature_stream {
	uint32_t text, bytes;	/* where the automata are */
};

/* The same for BODY or CONTENT in size more bytes of a stream. */
bool signatures_find(const struct signature_set *, enum signature_where,
    struct signature_stream *, const unsigned char *bytes, size_t size,
    bool (*take)(void *arg, const char *name), void *arg);

#endif
