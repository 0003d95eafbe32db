#include <sys/socket.h>

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "line.h"
#include "worker.h"

static struct sockaddr_storage address;
static socklen_t address_size;		/* 0: nobody listens */

/* "port@host", where the host may be in brackets or not be there. */
static void
find_host(const char *text, int family)
{
	struct addrinfo hints = { .ai_family = family,
	    .ai_socktype = SOCK_STREAM }, *found;
	const char *at = strchr(text, '@');
	char port[16], host[256] = "";
	size_t size = at != NULL ? (size_t)(at - text) : strlen(text);

	snprintf(port, sizeof port, "%.*s", (int)size, text);
	if (at != NULL && at[1] == '[')
		snprintf(host, sizeof host, "%.*s",
		    (int)strcspn(at + 2, "]"), at + 2);
	else if (at != NULL)
		snprintf(host, sizeof host, "%s", at + 1);
	if (getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints,
	    &found) != 0)
		return;
	memcpy(&address, found->ai_addr, found->ai_addrlen);
	address_size = found->ai_addrlen;
	freeaddrinfo(found);
}

void
worker_open(const char *socket)
{
	struct sockaddr_un sun;
	const char *path = strchr(socket, ':');

	if (strncmp(socket, "inet6:", 6) == 0)
		find_host(path + 1, AF_INET6);
	else if (strncmp(socket, "inet:", 5) == 0)
		find_host(path + 1, AF_INET);
	else if (line_address(&sun, socket[0] == '/' || path == NULL ?
	    socket : path + 1) == 0) {
		memcpy(&address, &sun, sizeof sun);
		address_size = sizeof sun;
	}
}

void
worker_replace(void)
{
	int fd, flags;

	if (address_size == 0 ||
	    (fd = socket(address.ss_family, SOCK_STREAM, 0)) == -1)
		return;
	/* A queue that is full would make us wait. */
	if ((flags = fcntl(fd, F_GETFL)) != -1 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1)
		(void)connect(fd, (struct sockaddr *)&address, address_size);
	close(fd);
}
