#ifndef VIRUSMILTER_AUTOMATON_H
#define VIRUSMILTER_AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * automaton - thousands of patterns looked for at once in bytes that come in
 * pieces: Aho and Corasick's way, so the time does not depend on what is
 * there, nor on how alike the patterns are.
 *
 * Made by one thread: begun, added to, finished.  It never changes afterwards,
 * so any number of threads may use it.
 */
#define AUTOMATON_BYTES_MAX	(4 << 20)	/* of all patterns */

struct automaton;

/* fold: ASCII letters are compared without case.  NULL when out of memory. */
struct automaton *automaton_begin(bool fold);

/*
 * A pattern of at least one byte; value is the caller's.  Returns 0, or -1
 * with errno ENOMEM, or EFBIG: they are too many.  After a failure it can only
 * be freed.
 */
int automaton_add(struct automaton *, const unsigned char *bytes, size_t size,
    uint32_t value);

/* Once, after the last.  Returns 0, or -1 when out of memory. */
int automaton_finish(struct automaton *);

/* Is there any pattern? */
bool automaton_is_empty(const struct automaton *);

/* Memory it takes, in bytes. */
size_t automaton_size(const struct automaton *);

/*
 * size more bytes of a stream whose state is 0 at first.  take is called for
 * each pattern that ends in them, in the order of their ends; when it returns
 * true, that was enough, and so does this.
 */
bool automaton_read(const struct automaton *, uint32_t *state,
    const unsigned char *bytes, size_t size,
    bool (*take)(void *arg, uint32_t value), void *arg);

/* Nobody may be using it any more. */
void automaton_free(struct automaton *);

#endif
