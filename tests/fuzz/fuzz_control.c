/*
 * What a client of the control socket sends, to a server with blackmilter's
 * commands and one of ours: each line has one answer that ends in "ok" or
 * "error TEXT", whatever the line is, and all of it is printable.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "commands.h"
#include "control.h"
#include "fuzz.h"
#include "judge.h"

#define LONGEST		8192	/* without LF the server hangs up */
#define DEADLINE_MS	20000
#define WORDS		3

static struct judge court = { .action = ACTION_REJECT };
static char folder[] = "/tmp/fuzz_control.XXXXXX";
static char socket_path[64], white_path[64], black_path[64];

static int
run_words(struct control_answer *answer, int argc, char **argv, void *arg)
{
	CHECK(arg == &court && argc >= 1 && argc <= 1 + WORDS);
	CHECK(strcmp(argv[0], "words") == 0 && argv[argc] == NULL);
	for (int i = 1; i < argc; i++) {
		size_t size = strlen(argv[i]);

		CHECK(size > 0 && size <= CONTROL_LINE_MAX);
		CHECK(strchr(argv[i], '\n') == NULL);
		CHECK(strchr(" \t", argv[i][0]) == NULL);
		CHECK(strchr(" \t", argv[i][size - 1]) == NULL);
		if (i < WORDS)		/* the last takes the rest */
			CHECK(strpbrk(argv[i], " \t") == NULL);
	}
	fprintf(answer->out, "%d\n", argc);
	return argc > 1 ? control_error(answer, "%s", argv[1]) : 0;
}

static const struct control_command words[] = {
	{ "words", "[A] [B] [C]", 0, WORDS, run_words, "of this test" },
	{ .name = NULL }
};

static void
clean_up(void)
{
	control_close();
	unlink(white_path);
	unlink(black_path);
	rmdir(folder);
}

static void
write_list(char out[64], const char *name, const char *text)
{
	FILE *file;

	snprintf(out, 64, "%s/%s", folder, name);
	file = fopen(out, "w");
	CHECK(file != NULL && fputs(text, file) != EOF && fclose(file) == 0);
}

static void
start_server(void)
{
	static bool started;

	if (started)
		return;
	started = true;
	signal(SIGPIPE, SIG_IGN);
	fuzz_catch_log();
	CHECK(mkdtemp(folder) != NULL);
	atexit(clean_up);
	write_list(white_path, "white", "192.0.2.0/25\n.example.org\n");
	write_list(black_path, "black", "192.0.2.0/24\n2001:db8::/32\n");
	snprintf(socket_path, sizeof socket_path, "%s/control", folder);

	court.lists = iplist_new();
	court.shortlist = shortlist_new(2);
	CHECK(court.lists != NULL && court.shortlist != NULL);
	CHECK(iplist_add_file(court.lists, IPLIST_WHITE, white_path) == 0);
	CHECK(iplist_add_file(court.lists, IPLIST_LISTED, black_path) == 0);
	CHECK(iplist_load(court.lists) == 0);
	control_add(commands, &court);
	control_add(words, &court);
	CHECK(control_open(socket_path, 0600) == 0);
}

static int
dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(fd != -1);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", socket_path);
	CHECK(connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
	return fd;
}

/* Send what the socket takes; returns whether there is more to send. */
static bool
send_some(int fd, struct fuzz_input *in)
{
	ssize_t n = send(fd, in->at, in->left, MSG_DONTWAIT);

	if (n == -1 && errno == EPIPE)
		in->left = 0;		/* the server hung up */
	else if (n == -1)
		CHECK(errno == EAGAIN || errno == EINTR);
	else {
		in->at += n;
		in->left -= (size_t)n;
	}
	return in->left > 0;
}

/* Send all and read all, both at once; the caller frees the answer. */
static char *
converse(struct fuzz_input in, size_t *size)
{
	struct pollfd p = { .fd = dial(), .events = POLLIN | POLLOUT };
	char buffer[4096], *answer;
	FILE *out = open_memstream(&answer, size);
	ssize_t n = 1;

	CHECK(out != NULL);
	while (n > 0) {
		while ((n = poll(&p, 1, DEADLINE_MS)) == -1 && errno == EINTR)
			continue;	/* libFuzzer has an alarm clock */
		CHECK(n == 1);
		if (p.revents & POLLOUT && !send_some(p.fd, &in)) {
			shutdown(p.fd, SHUT_WR);
			p.events = POLLIN;
		}
		if (p.revents & ~POLLOUT) {
			n = read(p.fd, buffer, sizeof buffer);
			/* What it did not read any more it resets. */
			CHECK(n != -1 || errno == ECONNRESET);
			if (n > 0)
				fwrite(buffer, 1, (size_t)n, out);
		}
	}
	close(p.fd);
	CHECK(fclose(out) == 0);
	return answer;
}

/* Skip data lines; returns the last line of an answer, *text is behind it. */
static const char *
next_answer(const char **text)
{
	const char *line = *text;
	size_t size;

	for (;; line = *text) {
		size = strcspn(line, "\n");
		CHECK(line[size] == '\n');
		for (size_t i = 0; i < size; i++)
			CHECK((line[i] >= ' ' && line[i] <= '~') ||
			    line[i] == '\t');
		*text = line + size + 1;
		if (strncmp(line, "ok\n", 3) == 0)
			return line;
		if (strncmp(line, "error ", 6) == 0) {
			CHECK(size > 6 && size - 6 < CONTROL_ERROR_MAX);
			return line;
		}
	}
}

/* Is it a command of one line, whatever it says? */
static bool
is_command(const uint8_t *line, size_t size)
{
	if (size > 0 && line[size - 1] == '\r')
		size--;
	return size <= CONTROL_LINE_MAX && memchr(line, '\0', size) == NULL;
}

/* One answer a line, until one is too long for anything. */
static void
check_answers(const char *answer, const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t most = size < LONGEST ? size : LONGEST;
		const uint8_t *lf = memchr(data, '\n', most);
		const char *last;

		if (lf == NULL && most < LONGEST)
			break;
		last = next_answer(&answer);
		if (lf == NULL || !is_command(data, (size_t)(lf - data)))
			CHECK(last[0] == 'e');
		if (lf == NULL)
			break;
		size -= (size_t)(lf + 1 - data);
		data = lf + 1;
	}
	CHECK(*answer == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char busy[] = "error too many clients, come back\n";
	const struct timespec pause = { .tv_nsec = 1000000 };
	const struct fuzz_input in = { data, size };
	char *answer;
	size_t answered;

	start_server();
	/* Threads of earlier inputs may not have ended yet. */
	while (strcmp(answer = converse(in, &answered), busy) == 0) {
		free(answer);
		nanosleep(&pause, NULL);
	}
	CHECK(strlen(answer) == answered);
	check_answers(answer, data, size);
	free(answer);
	fuzz_check_log();
	shortlist_flush(court.shortlist);
	return 0;
}
