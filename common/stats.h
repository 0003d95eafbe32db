#ifndef COMMON_STATS_H
#define COMMON_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * stats - named counters, printed in the Prometheus text format.
 *
 * A counter is a row of a table that lives as long as the process.  Its name
 * is given without the milter's name, which is put in front when printed:
 * "connections_total" becomes blackmilter_connections_total.  The type
 * follows from the name: _total is a counter, _sum and _count belong to a
 * summary, all else is a gauge.  A sum of seconds is counted in microseconds.
 *
 * Rows with one name and different labels stand next to each other.
 */
struct stats_counter {
	const char *name;
	const char *labels;	/* verdict="reject",by="list"; NULL: none */
	const char *help;	/* one line; taken from a name's first row */
	atomic_ullong value;
};

/* Before the first thread: the milter's name, and each table. */
void stats_name(const char *milter);
void stats_add(struct stats_counter *table, size_t count);

/*
 * For values that are looked up when somebody asks: print() is called in the
 * middle of stats_print() and calls stats_value().  It may hold a lock
 * meanwhile, so stats_print() is to be given a FILE that does not wait.
 */
void stats_add_printer(void (*print)(FILE *, void *), void *arg);

static inline void
stats_count(struct stats_counter *c)
{
	atomic_fetch_add_explicit(&c->value, 1, memory_order_relaxed);
}

static inline void
stats_count_by(struct stats_counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

/*
 * One value.  help is printed, with the type, unless NULL: give it with the
 * first of the values that share a name.  label may be NULL; its value is
 * quoted as the format wants it, so it may be any text.
 */
void stats_value(FILE *, const char *name, const char *help,
    const char *label, const char *label_value, uint64_t value);

/* Everything there is.  Any thread. */
void stats_print(FILE *);

#endif
