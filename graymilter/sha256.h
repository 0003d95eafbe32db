#ifndef GRAYMILTER_SHA256_H
#define GRAYMILTER_SHA256_H

#include <stddef.h>

/* The SHA-256 of data (FIPS 180-4).  data may be NULL when size is 0. */
#define SHA256_SIZE	32

void sha256(unsigned char out[SHA256_SIZE], const void *data, size_t size);

#endif
