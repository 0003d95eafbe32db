#ifndef COMMON_TEXTS_H
#define COMMON_TEXTS_H

#include <stddef.h>

/*
 * texts - a set of texts, each with a value: millions of them, at some seven
 * bytes more than the text and its value take.
 *
 * A set is made by one thread: begun, added to, finished.  It never changes
 * afterwards, so any number of threads may search it without a lock.
 *
 * Texts are compared byte by byte; who wants them without case gives them to
 * texts_lower() first, before they are added as before they are looked up.
 */
struct texts;

/*
 * Values are of this many bytes each; 0: they are texts, too, up to and with
 * their NUL.  The caller frees the set.  NULL when out of memory.
 */
struct texts *texts_begin(size_t value_size);

/*
 * Copies both.  Of texts that are the same the first counts.  Returns 0, or -1
 * with the set as it was and errno ENOMEM; or EFBIG: texts and values would
 * take more than 4 GB.  Not after texts_finish().
 */
int texts_add(struct texts *, const char *text, const void *value);

/*
 * Once, after the last text.  Gives other threads the processor now and then.
 * Returns 0, or -1 when out of memory; the set can only be freed then.
 */
int texts_finish(struct texts *);

/*
 * The value, inside the set and aligned to nothing, or NULL: there is no such
 * text.  Only after texts_finish().
 */
const void *texts_find(const struct texts *, const char *text);

/* How often one was added, and the bytes held, all in all. */
size_t texts_count(const struct texts *);
size_t texts_size(const struct texts *);

/* Nothing may be searching any more. */
void texts_free(struct texts *);

/*
 * Copies size bytes with ASCII letters lower case, other bytes as they are, and
 * puts a NUL behind them.  out may be where the text is.
 */
void texts_lower(char *out, const char *text, size_t size);

#endif
