#include <stdlib.h>
#include <string.h>

#include "forged.h"
#include "log.h"
#include "reply.h"
#include "stats.h"

#define GROW	16	/* bytes at first: enough for all but floods */

/* Have room for this byte. */
static bool
grow(struct forged *f, size_t byte)
{
	size_t size = f->size == 0 ? GROW : f->size;
	unsigned char *bits;

	while (size <= byte)
		size *= 2;
	if (size == f->size)
		return true;
	if ((bits = realloc(f->bits, size)) == NULL)
		return false;
	memset(bits + f->size, 0, size - f->size);
	f->bits = bits;
	f->size = size;
	return true;
}

void
forged_add(struct forged *f, bool remove)
{
	unsigned number = ++f->count;

	if (!remove)
		return;
	if (++f->removed > FORGED_MAX || number > FORGED_NUMBER_MAX)
		f->excess = true;
	else if (!grow(f, number / 8))
		f->failed = true;
	else
		f->bits[number / 8] |= (unsigned char)(1 << number % 8);
}

bool
forged_has(const struct forged *f, unsigned number)
{
	return number / 8 < f->size &&
	    (f->bits[number / 8] >> number % 8 & 1) != 0;
}

static struct stats_counter counters[] = {
	{ "forged_headers_total", NULL,
	    "Header fields in our name removed from messages.", 0 },
	{ "forged_refused_total", NULL,
	    "Messages refused, for they had too many of them.", 0 },
};
enum { REMOVED, REFUSED };

/* From the last to the first: each removal renumbers those behind it. */
int
forged_remove(const struct forged *f, SMFICTX *ctx, const char *name)
{
	if (f->failed)
		return MI_FAILURE;
	for (unsigned i = f->count; i > 0; i--)
		if (forged_has(f, i)) {
			if (smfi_chgheader(ctx, (char *)name, (int)i, NULL) !=
			    MI_SUCCESS)
				return MI_FAILURE;
			stats_count(&counters[REMOVED]);
		}
	return MI_SUCCESS;
}

sfsistat
forged_refuse(SMFICTX *ctx)
{
	const char *id = smfi_getsymval(ctx, (char *)"i");
	char qid[LOG_WORD_MAX];

	stats_count(&counters[REFUSED]);
	log_info("verdict=reject by=forged qid=%s",
	    id != NULL ? log_word(qid, id) : "NOQUEUE");
	return reply_reject(ctx, "550", "5.6.0",
	    "too many header fields in our name");
}

void
forged_add_stats(void)
{
	stats_add(counters, sizeof counters / sizeof counters[0]);
}

void
forged_free(struct forged *f)
{
	free(f->bits);
	memset(f, 0, sizeof *f);
}
