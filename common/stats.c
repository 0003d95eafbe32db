#include <stdbool.h>
#include <string.h>

#include "log.h"
#include "stats.h"

#define TABLES_MAX	16	/* each part of a daemon has one or two */

static const char *milter = "milter";

static struct {
	struct stats_counter *row;
	size_t count;
} table[TABLES_MAX];
static size_t tables;

static struct {
	void (*print)(FILE *, void *);
	void *arg;
} printer[TABLES_MAX];
static size_t printers;

void
stats_name(const char *name)
{
	milter = name;
}

void
stats_add(struct stats_counter *row, size_t count)
{
	if (tables == TABLES_MAX) {
		log_error("stats: too many tables, %s is left out", row->name);
		return;
	}
	table[tables].row = row;
	table[tables++].count = count;
}

void
stats_add_printer(void (*print)(FILE *, void *), void *arg)
{
	if (printers == TABLES_MAX) {
		log_error("stats: too many printers, one is left out");
		return;
	}
	printer[printers].print = print;
	printer[printers++].arg = arg;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* A summary has one HELP and TYPE for its _sum and its _count. */
static void
print_help(FILE *out, const char *name, const char *help)
{
	size_t n = strlen(name);
	const char *type = "gauge";

	if (ends_with(name, "_count"))
		return;
	if (ends_with(name, "_total"))
		type = "counter";
	if (ends_with(name, "_sum")) {
		type = "summary";
		n -= strlen("_sum");
	}
	fprintf(out, "# HELP %s_%.*s %s\n", milter, (int)n, name, help);
	fprintf(out, "# TYPE %s_%.*s %s\n", milter, (int)n, name, type);
}

static void
print_value(FILE *out, const char *name, uint64_t value)
{
	if (ends_with(name, "_seconds_sum"))
		fprintf(out, " %.6f\n", (double)value / 1e6);
	else
		fprintf(out, " %llu\n", (unsigned long long)value);
}

static void
print_quoted(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text >= ' ' && *text <= '~' ? *text : '?', out);
	}
}

void
stats_value(FILE *out, const char *name, const char *help, const char *label,
    const char *label_value, uint64_t value)
{
	if (help != NULL)
		print_help(out, name, help);
	fprintf(out, "%s_%s", milter, name);
	if (label != NULL) {
		fprintf(out, "{%s=\"", label);
		print_quoted(out, label_value);
		fputs("\"}", out);
	}
	print_value(out, name, value);
}

static void
print_table(FILE *out, struct stats_counter *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(row[i].name, row[i - 1].name) != 0)
			print_help(out, row[i].name, row[i].help);
		fprintf(out, "%s_%s", milter, row[i].name);
		if (row[i].labels != NULL)
			fprintf(out, "{%s}", row[i].labels);
		print_value(out, row[i].name, atomic_load(&row[i].value));
	}
}

void
stats_print(FILE *out)
{
	for (size_t i = 0; i < tables; i++)
		print_table(out, table[i].row, table[i].count);
	for (size_t i = 0; i < printers; i++)
		printer[i].print(out, printer[i].arg);
}
