#include <stdlib.h>
#include <string.h>

#include "forged.h"

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

void
forged_free(struct forged *f)
{
	free(f->bits);
	memset(f, 0, sizeof *f);
}
