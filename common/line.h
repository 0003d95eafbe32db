#ifndef COMMON_LINE_H
#define COMMON_LINE_H

#include <stddef.h>

#include <sys/types.h>
#include <sys/un.h>

/*
 * line - what both ends of a control socket need: a path as an address, and
 * text that comes in pieces as lines.
 */
#define LINE_READER_SIZE	8192	/* a data line may hold a whole path */

struct line_reader {
	int fd;
	size_t used;		/* bytes of text that were read */
	char text[LINE_READER_SIZE];
};

/* 0, or -1 with errno when the path is too long. */
int line_address(struct sockaddr_un *, const char *path);

/* A connection to this socket, not blocking; -1 with errno. */
int line_dial(const char *path);

/* Read what fits, as read(2) does and with what it returns. */
ssize_t line_read(struct line_reader *);

/*
 * The next line stands at the beginning of text: returns its size without the
 * LF, which becomes a NUL, or -1 when there is no whole one.  It stays until
 * line_drop() with that size.
 */
ssize_t line_next(struct line_reader *);
void line_drop(struct line_reader *, size_t size);

/* Bytes that fit; 0 and no whole line: it is too long. */
size_t line_room(const struct line_reader *);

#endif
