#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

int
line_address(struct sockaddr_un *sa, const char *path)
{
	size_t size = strlen(path);

	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	if (size >= sizeof sa->sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa->sun_path, path, size + 1);
	return 0;
}

int
line_dial(const char *path)
{
	struct sockaddr_un sa;
	int fd;

	if (line_address(&sa, path) == -1 ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

ssize_t
line_read(struct line_reader *r)
{
	ssize_t n = read(r->fd, r->text + r->used, line_room(r));

	if (n > 0)
		r->used += (size_t)n;
	return n;
}

ssize_t
line_next(struct line_reader *r)
{
	char *end = memchr(r->text, '\n', r->used);

	if (end == NULL)
		return -1;
	*end = '\0';
	return end - r->text;
}

void
line_drop(struct line_reader *r, size_t size)
{
	r->used -= size + 1;
	memmove(r->text, r->text + size + 1, r->used);
}

size_t
line_room(const struct line_reader *r)
{
	return sizeof r->text - r->used;
}
