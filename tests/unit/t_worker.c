/* t_worker - the connection to ourselves that makes libmilter start a thread */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

#include "clock.h"
#include "line.h"
#include "scratch.h"
#include "worker.h"

/* How many connections came and went. */
static int
visits(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int count = 0, fd;
	char c;

	while (poll(&p, 1, 200) == 1) {
		fd = accept(listener, NULL, NULL);
		assert_int_not_equal(fd, -1);
		assert_int_equal(read(fd, &c, 1), 0);
		close(fd);
		count++;
	}
	return count;
}

static void
before(void **state)
{
	(void)state;
	worker_replace();	/* nobody to connect to, and no harm */
}

static void
by_path(void **state)
{
	static const char *const before_path[] = { "unix:", "local:", "" };
	struct sockaddr_un sun;
	char path[SCRATCH_PATH_MAX], name[SCRATCH_PATH_MAX + 10];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	scratch_path(path, "socket");
	assert_int_equal(line_address(&sun, path), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 5), 0);
	for (size_t i = 0; i < COUNT(before_path); i++) {
		snprintf(name, sizeof name, "%s%s", before_path[i], path);
		worker_open(name);
		worker_replace();
		worker_replace();
		CHECK(visits(fd) == 2, "%s", name);
	}
	close(fd);
	unlink(path);
	worker_replace();	/* gone, and no harm */
}

/* With a queue that is full it must not wait. */
static void
full(void **state)
{
	struct sockaddr_un sun;
	char path[SCRATCH_PATH_MAX];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int64_t begin = clock_us();

	(void)state;
	scratch_path(path, "full");
	assert_int_equal(line_address(&sun, path), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 0), 0);
	worker_open(path);
	for (int i = 0; i < 50; i++)
		worker_replace();
	assert_true(clock_us() - begin < 5000000);
	assert_true(visits(fd) >= 1);
	close(fd);
}

static void
by_port(void **state)
{
	static const char *const behind_port[] = {
		"@127.0.0.1", "@[127.0.0.1]", ""
	};
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char name[100];
	unsigned port;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, size), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
	port = ntohs(sin.sin_port);
	for (size_t i = 0; i < COUNT(behind_port); i++) {
		snprintf(name, sizeof name, "inet:%u%s", port,
		    behind_port[i]);
		worker_open(name);
		worker_replace();
		CHECK(visits(fd) == 1, "%s", name);
	}
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before),
		cmocka_unit_test(by_path),
		cmocka_unit_test(full),
		cmocka_unit_test(by_port),
	};

	scratch_begin();
	return scratch_end(RUN(tests));
}
