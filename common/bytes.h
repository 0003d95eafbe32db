#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include <stdint.h>

/*
 * bytes - numbers as the store keeps them: big-endian, of size bytes (8 at
 * most).  Any thread.
 */

/* Returns what follows the number. */
unsigned char *bytes_put(unsigned char *, uint64_t n, int size);
uint64_t bytes_get(const unsigned char *, int size);

#endif
