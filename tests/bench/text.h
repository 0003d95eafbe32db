#ifndef BENCH_TEXT_H
#define BENCH_TEXT_H

#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* text - a file to be read, for as long as the program runs. */
struct text {
	const unsigned char *bytes;
	size_t size;
};

/* Returns 0, or -1 after a line on standard error. */
static inline int
text_open(struct text *t, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *bytes = MAP_FAILED;

	if (fd != -1 && fstat(fd, &st) == 0)
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		    fd, 0);
	if (bytes == MAP_FAILED)
		perror(path);
	if (fd != -1)
		close(fd);
	if (bytes == MAP_FAILED)
		return -1;
	t->bytes = bytes;
	t->size = (size_t)st.st_size;
	return 0;
}

#endif
