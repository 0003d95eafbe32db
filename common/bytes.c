#include "bytes.h"

unsigned char *
bytes_put(unsigned char *p, uint64_t n, int size)
{
	for (int i = size - 1; i >= 0; i--, n >>= 8)
		p[i] = (unsigned char)n;
	return p + size;
}

uint64_t
bytes_get(const unsigned char *p, int size)
{
	uint64_t n = 0;

	for (int i = 0; i < size; i++)
		n = n << 8 | p[i];
	return n;
}
