#ifndef BENCH_MTA_H
#define BENCH_MTA_H

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

/*
 * mta - sendmail's side of a milter session.
 *
 * One mta_open(), one mta_connect(), mta_go_on() with its answer, mta_close()
 * with the outcome of that.  Steps and replies the filter declined are left
 * out, macros it did not ask for are not sent, and each packet is one write.
 * Any thread; a session is one thread's at a time.
 */
#define PATIENCE	10	/* seconds for an answer */
#define REPLY_MAX	4096
#define BODY_USUAL	4096	/* bytes */
#define CHUNK_MAX	65535	/* bytes of the body in a packet */
#define STAGES		(SMFIM_LAST + 1)

/* What became of a session. */
enum mta_outcome {
	MTA_FAILED,		/* it broke; or no answer came in time */
	MTA_ACCEPTED,		/* before there was a message */
	MTA_REFUSED,		/* with 554, before there was a message */
	MTA_DEFERRED,		/* with 451, after RCPT */
	MTA_HEARD,		/* the message was accepted, or would be */
	MTA_OTHER
};

struct mta {
	int fd;
	unsigned long steps;		/* SMFIP_ bits of the filter */
	char symbols[STAGES][256];	/* macros to send at each stage */
	char reply[REPLY_MAX];		/* the last one, behind its letter */

	/* Addresses of the message; "" at first: always the same ones. */
	char sender[64], recipient[64];
	bool only_envelope;		/* it ends after RCPT */
	size_t body;			/* bytes of its body */
	const unsigned char *text;	/* the body; NULL: NULs */
	const char *type;		/* of it; NULL: plain text */
	const char *wanted;		/* the value of a field that is to be
					 * added; NULL: none */
};

static int
dial(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof patience) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* --- packets: a length, a letter, data */

static int
send_packet(struct mta *s, char letter, const void *data, size_t size)
{
	uint32_t length = htonl((uint32_t)size + 1);
	char head[5];
	struct iovec v[2] = {
		{ .iov_base = head, .iov_len = sizeof head },
		{ .iov_base = (void *)data, .iov_len = size },
	};

	memcpy(head, &length, sizeof length);
	head[4] = letter;
	return writev(s->fd, v, size > 0 ? 2 : 1) ==
	    (ssize_t)(sizeof head + size) ? 0 : -1;
}

static int
read_all(int fd, char *data, size_t size)
{
	ssize_t n;

	for (; size > 0; data += n, size -= (size_t)n)
		if ((n = read(fd, data, size)) <= 0)
			return -1;
	return 0;
}

/* The letter of the reply; '\0' when there is none. */
static char
read_reply(struct mta *s, size_t *size)
{
	uint32_t length;
	char head[5];

	if (read_all(s->fd, head, sizeof head) == -1)
		return '\0';
	memcpy(&length, head, sizeof length);
	*size = ntohl(length) - 1;
	if (*size >= sizeof s->reply ||
	    read_all(s->fd, s->reply, *size) == -1)
		return '\0';
	s->reply[*size] = '\0';
	return head[4];
}

/* --- the session */

/* What sendmail.cf of Debian sends unless a filter wants something else. */
static const char *const usual_symbols[STAGES] = {
	[SMFIM_CONNECT] = "j _ {daemon_name} {if_name} {if_addr}",
	[SMFIM_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} "
	    "{cert_issuer}",
	[SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {auth_ssf} "
	    "{auth_author} {mail_mailer} {mail_host} {mail_addr}",
	[SMFIM_ENVRCPT] = "{rcpt_mailer} {rcpt_host} {rcpt_addr}",
	[SMFIM_DATA] = "",
	[SMFIM_EOM] = "{msg_id}",
	[SMFIM_EOH] = "",
};

/* Those that have a value in a plain session. */
static const struct {
	const char *name, *value;
} symbols[] = {
	{ "j", "mx.example.org" },
	{ "_", "host.example.com [192.0.2.1]" },
	{ "{daemon_name}", "MTA" },
	{ "{if_name}", "mx.example.org" },
	{ "{if_addr}", "192.0.2.25" },
	{ "{client_resolve}", "OK" },
	{ "i", "5AO123456789012" },
	{ "{mail_mailer}", "esmtp" },
	{ "{mail_host}", "example.com." },
	{ "{mail_addr}", "sender@example.com" },
	{ "{rcpt_mailer}", "local" },
	{ "{rcpt_host}", "" },
	{ "{rcpt_addr}", "recipient" },
	{ "{msg_id}", "<20241124120000.12345@example.com>" },
};

static bool
has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (; *words != '\0'; words += strspn(words, " ")) {
		size_t n = strcspn(words, " ");

		if (n == size && strncmp(words, word, n) == 0)
			return true;
		words += n;
	}
	return false;
}

/* sendmail sends them whether or not it sends the command. */
static int
send_symbols(struct mta *s, char command, int stage)
{
	char data[1024];
	size_t n = 0;

	if (s->symbols[stage][0] == '\0')
		return 0;
	data[n++] = command;
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
		if (has_word(s->symbols[stage], symbols[i].name))
			n += (size_t)snprintf(data + n, sizeof data - n,
			    "%s%c%s", symbols[i].name, 0, symbols[i].value) + 1;
	return send_packet(s, SMFIC_MACRO, data, n);
}

/* The lists of symbols behind the three numbers: stage, text, NUL. */
static void
take_symbols(struct mta *s, const char *p, const char *end)
{
	while (end - p > 4) {
		uint32_t stage;

		memcpy(&stage, p, sizeof stage);
		p += sizeof stage;
		stage = ntohl(stage);
		if (stage < STAGES)
			snprintf(s->symbols[stage], sizeof s->symbols[stage],
			    "%s", p);
		p += strlen(p) + 1;
	}
}

static int
negotiate(struct mta *s)
{
	const uint32_t offer[3] = { htonl(6), htonl(SMFI_CURR_ACTS),
	    htonl(SMFI_CURR_PROT) };
	uint32_t steps;
	size_t size;

	for (int stage = 0; stage < STAGES; stage++)
		snprintf(s->symbols[stage], sizeof s->symbols[stage], "%s",
		    usual_symbols[stage]);
	if (send_packet(s, SMFIC_OPTNEG, offer, sizeof offer) == -1 ||
	    read_reply(s, &size) != SMFIC_OPTNEG || size < sizeof offer)
		return -1;
	memcpy(&steps, s->reply + 8, sizeof steps);
	s->steps = ntohl(steps);
	take_symbols(s, s->reply + sizeof offer, s->reply + size);
	return 0;
}

/*
 * One command, if the filter wants it; returns the letter of its reply, where
 * it sends none that for going on, and '\0' on failure.
 */
static char
command(struct mta *s, char letter, int stage, unsigned long declined,
    unsigned long silent, const void *data, size_t size)
{
	if (stage >= 0 && send_symbols(s, letter, stage) == -1)
		return '\0';
	if (s->steps & declined)
		return SMFIR_CONTINUE;
	if (send_packet(s, letter, data, size) == -1)
		return '\0';
	return s->steps & silent ? SMFIR_CONTINUE : read_reply(s, &size);
}

/* Returns the letter of the answer, or '\0' on failure. */
static char
mta_connect(struct mta *s, const char *client)
{
	char data[128];
	int n = snprintf(data, sizeof data, "[%s]%c%c%c%c%s", client, 0,
	    strchr(client, ':') != NULL ? '6' : '4', 0x12, 0x34, client);

	return command(s, SMFIC_CONNECT, SMFIM_CONNECT, SMFIP_NOCONNECT,
	    SMFIP_NR_CONN, data, (size_t)n + 1);
}

static char
say_helo(struct mta *s)
{
	static const char helo[] = "host.example.com";

	return command(s, SMFIC_HELO, SMFIM_HELO, SMFIP_NOHELO, SMFIP_NR_HELO,
	    helo, sizeof helo);
}

static char
say_headers(struct mta *s)
{
	const char *const header[10][2] = {
		{ "Received", "from host.example.com ([192.0.2.1])\n\tby "
		    "relay.example.com; Sun, 24 Nov 2024 12:00:00 +0000" },
		{ "Date", "Sun, 24 Nov 2024 12:00:00 +0000" },
		{ "From", "Sender <sender@example.com>" },
		{ "To", "Recipient <recipient@example.org>" },
		{ "Subject", "A message like many others" },
		{ "Message-ID", "<20241124120000.12345@example.com>" },
		{ "MIME-Version", "1.0" },
		{ "Content-Type", s->type != NULL ? s->type :
		    "text/plain; charset=utf-8" },
		{ "Content-Transfer-Encoding", "8bit" },
		{ "User-Agent", "tests/1.0" },
	};
	char data[256], answer = SMFIR_CONTINUE;

	for (size_t i = 0; i < 10 && answer == SMFIR_CONTINUE; i++) {
		int n = snprintf(data, sizeof data, "%s%c%s", header[i][0], 0,
		    header[i][1]);

		answer = command(s, SMFIC_HEADER, -1, SMFIP_NOHDRS,
		    SMFIP_NR_HDR, data, (size_t)n + 1);
	}
	return answer;
}

/* The value stands behind the name. */
static bool
is_wanted(const struct mta *s, char answer)
{
	return answer == SMFIR_ADDHEADER &&
	    strcmp(s->reply + strlen(s->reply) + 1, s->wanted) == 0;
}

/*
 * What a filter changes at the end of a message comes before its verdict, and
 * SMFIR_CHGHEADER stands for one without the field that is wanted.
 */
static char
say_end(struct mta *s)
{
	bool wanting = s->wanted != NULL;
	size_t size;
	char answer;

	if (send_symbols(s, SMFIC_BODYEOB, SMFIM_EOM) == -1 ||
	    send_packet(s, SMFIC_BODYEOB, NULL, 0) == -1)
		return '\0';
	do {
		answer = read_reply(s, &size);
		if (wanting && is_wanted(s, answer))
			wanting = false;
	} while (answer != '\0' && strchr("actdry", answer) == NULL);
	if (wanting && (answer == SMFIR_CONTINUE || answer == SMFIR_ACCEPT))
		return SMFIR_CHGHEADER;
	return answer == SMFIR_CONTINUE ? SMFIR_ACCEPT : answer;
}

static char
say_mail(struct mta *s)
{
	char data[100];
	int n = snprintf(data, sizeof data, "<%s>%cSIZE=%zu",
	    s->sender[0] != '\0' ? s->sender : "sender@example.com", 0,
	    s->body);

	return command(s, SMFIC_MAIL, SMFIM_ENVFROM, SMFIP_NOMAIL,
	    SMFIP_NR_MAIL, data, (size_t)n + 1);
}

static char
say_rcpt(struct mta *s)
{
	char data[100];
	int n = snprintf(data, sizeof data, "<%s>", s->recipient[0] != '\0' ?
	    s->recipient : "recipient@example.org");

	return command(s, SMFIC_RCPT, SMFIM_ENVRCPT, SMFIP_NORCPT,
	    SMFIP_NR_RCPT, data, (size_t)n + 1);
}

static char
say_data(struct mta *s)
{
	return command(s, SMFIC_DATA, SMFIM_DATA, SMFIP_NODATA, SMFIP_NR_DATA,
	    NULL, 0);
}

static char
say_eoh(struct mta *s)
{
	return command(s, SMFIC_EOH, SMFIM_EOH, SMFIP_NOEOH, SMFIP_NR_EOH,
	    NULL, 0);
}

static char
say_body(struct mta *s)
{
	static const unsigned char nuls[CHUNK_MAX];
	char answer = SMFIR_CONTINUE;

	for (size_t at = 0; at < s->body && answer == SMFIR_CONTINUE;) {
		size_t left = s->body - at;
		size_t size = left < CHUNK_MAX ? left : CHUNK_MAX;

		answer = command(s, SMFIC_BODY, -1, SMFIP_NOBODY,
		    SMFIP_NR_BODY, s->text != NULL ? s->text + at : nuls,
		    size);
		at += size;
	}
	return answer;
}

/* One after the other, as long as the filter goes on. */
static char
say_in_turn(struct mta *s, char (*const say[])(struct mta *), size_t count)
{
	char answer = SMFIR_CONTINUE;

	for (size_t i = 0; i < count && answer == SMFIR_CONTINUE; i++)
		answer = say[i](s);
	return answer;
}

/* From MAIL to the final dot. */
static char
say_message(struct mta *s)
{
	char (*const say[])(struct mta *) = { say_mail, say_rcpt, say_data,
	    say_headers, say_eoh, say_body, say_end };

	return say_in_turn(s, say, s->only_envelope ? 2 :
	    sizeof say / sizeof say[0]);
}

/* Connect and negotiate; -1 with errno. */
static int
mta_open(struct mta *s, const char *path)
{
	s->sender[0] = s->recipient[0] = '\0';
	s->only_envelope = false;
	s->body = BODY_USUAL;
	s->text = NULL;
	s->type = s->wanted = NULL;
	if ((s->fd = dial(path)) == -1)
		return -1;
	if (negotiate(s) == 0)
		return 0;
	close(s->fd);
	return -1;
}

static enum mta_outcome
mta_close(struct mta *s, enum mta_outcome outcome)
{
	if (outcome != MTA_FAILED && send_packet(s, SMFIC_QUIT, NULL, 0) == -1)
		outcome = MTA_FAILED;
	close(s->fd);
	return outcome;
}

/* From the answer to connect on, as far as it goes. */
static inline enum mta_outcome
mta_go_on(struct mta *s, char answer)
{
	if (answer == SMFIR_ACCEPT)
		return MTA_ACCEPTED;
	if (answer == SMFIR_CONTINUE)
		answer = say_helo(s);
	if (answer == SMFIR_REPLYCODE && strncmp(s->reply, "554 ", 4) == 0)
		return MTA_REFUSED;
	if (answer == SMFIR_ACCEPT)
		return MTA_ACCEPTED;
	if (answer == SMFIR_CONTINUE)
		answer = say_message(s);
	if (answer == SMFIR_ACCEPT || answer == SMFIR_CONTINUE)
		return MTA_HEARD;
	if (answer == SMFIR_REPLYCODE && strncmp(s->reply, "451 ", 4) == 0)
		return MTA_DEFERRED;
	return answer == '\0' ? MTA_FAILED : MTA_OTHER;
}

#endif
