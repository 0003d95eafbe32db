/*
 * noop MODE SOCKET - the filters that the milters' cost is compared with, and a
 * syslogd.
 *
 * Each filter does its one thing and negotiates all the rest away: no step it
 * does not act in, no macro unless its mode says so.  So there is no cheaper
 * filter that gives the same answer, and what a milter costs more is what it
 * does.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#define ALL_STEPS	(SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL |     \
			 SMFIP_NORCPT | SMFIP_NODATA | SMFIP_NOHDRS |	     \
			 SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN)

#define TOLD(steps)	(ALL_STEPS & ~(unsigned long)(steps))

/* Two fields that are added. */
struct mark {
	const char *name[2], *value[2];
	bool on_top;			/* not at the end of the header */
};

/* As long as what spfmilter writes. */
static const struct mark spf_mark = {
	{ "Received-SPF", "Authentication-Results" },
	{ "pass (mx.example.org: domain of\n"
	    "\tsender@example.com designates 203.0.113.7 as permitted\n"
	    "\tsender) receiver=mx.example.org; identity=mailfrom;\n"
	    "\tclient-ip=203.0.113.7; envelope-from=\"sender@example.com\";\n"
	    "\thelo=host.example.com; mechanism=\"include:spf.example.com\";",
	    "mx.example.org; spf=pass smtp.mailfrom=sender@example.com" },
	true
};

/* What virusmilter writes. */
static const struct mark virus_mark = {
	{ "X-Virus-Scanned", "X-Virus-Status" },
	{ "virusmilter at mx.example.org", "Clean" },
	false
};

static const struct mode {
	const char *name;
	/* SMFIS_CONTINUE, if not said. */
	sfsistat at_connect, at_helo, at_mail, at_rcpt, at_eoh;
	unsigned long unwanted;		/* 0: it does not negotiate */
	const char *macros;		/* wanted at MAIL; or NULL */
	const char *at_last;		/* at the end of the header */
	const char *at_end;		/* of the message */
	const struct mark *mark;	/* is added there; or NULL */
	bool all;			/* it hears and answers all */
} modes[] = {
	/* 554 at HELO, and the client's address is never seen. */
	{ .name = "helo", .at_helo = SMFIS_REJECT,
	    .unwanted = TOLD(SMFIP_NOHELO) },
	/* The same for a filter that is told the address. */
	{ .name = "connect-helo", .at_helo = SMFIS_REJECT,
	    .unwanted = TOLD(SMFIP_NOCONNECT | SMFIP_NOHELO) },
	/* What is written without a thought: all macros come. */
	{ .name = "naive-helo", .at_helo = SMFIS_REJECT },
	{ .name = "all", .all = true },
	{ .name = "accept", .at_connect = SMFIS_ACCEPT,
	    .unwanted = TOLD(SMFIP_NOCONNECT) },
	/* Is told client, sender and recipients, and lets the message pass. */
	{ .name = "rcpt",
	    .unwanted = TOLD(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT) },
	/* And whether the client is one of our users. */
	{ .name = "rcpt-auth", .macros = "i {auth_authen}",
	    .unwanted = TOLD(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT) },
	/* Is told client, both its names and the end of the message. */
	{ .name = "eom",
	    .unwanted = TOLD(SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL) },
	/*
	 * And each field of the header, for one that is added is worth
	 * something only where forged ones are removed.
	 */
	{ .name = "mark", .at_helo = SMFIS_NOREPLY,
	    .macros = "i j {auth_authen} {verify}", .mark = &spf_mark,
	    .at_connect = SMFIS_NOREPLY,
	    .unwanted = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR |
	    TOLD(SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL |
	    SMFIP_NOHDRS) },
	/* Is told all of a message but its body, and answers its end only. */
	{ .name = "eoh", .at_mail = SMFIS_NOREPLY, .at_rcpt = SMFIS_NOREPLY,
	    .at_eoh = SMFIS_NOREPLY, .unwanted = SMFIP_NR_MAIL |
	    SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH | TOLD(SMFIP_NOMAIL |
	    SMFIP_NORCPT | SMFIP_NOHDRS | SMFIP_NOEOH) },
	/* And who the client is, which can pass before the body. */
	{ .name = "eoh-accept", .at_rcpt = SMFIS_NOREPLY,
	    .at_eoh = SMFIS_ACCEPT, .macros = "{auth_authen} {verify}",
	    .at_last = "i", .unwanted = SMFIP_NR_RCPT | SMFIP_NR_HDR |
	    TOLD(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT |
	    SMFIP_NOHDRS | SMFIP_NOEOH) },
	/* Is told all of a message, and marks it. */
	{ .name = "body", .at_mail = SMFIS_NOREPLY, .at_rcpt = SMFIS_NOREPLY,
	    .at_eoh = SMFIS_NOREPLY,
	    .macros = "j {auth_authen} {verify}", .at_end = "i",
	    .mark = &virus_mark, .unwanted = SMFIP_NR_MAIL |
	    SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY |
	    TOLD(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT |
	    SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOBODY) },
};

static const struct mode *mode;

static sfsistat
noop_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	(void)ctx;
	(void)host;
	(void)sa;
	return mode->at_connect;
}

static sfsistat
noop_helo(SMFICTX *ctx, char *helo)
{
	(void)helo;
	if (mode->at_helo == SMFIS_REJECT)
		smfi_setreply(ctx, (char *)"554", (char *)"5.7.1",
		    (char *)"refused");
	return mode->at_helo;
}

static sfsistat
noop_mail(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return mode->at_mail;
}

static sfsistat
noop_rcpt(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return mode->at_rcpt;
}

static sfsistat
noop_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return mode->all ? SMFIS_CONTINUE : SMFIS_NOREPLY;
}

static sfsistat
noop_eoh(SMFICTX *ctx)
{
	(void)ctx;
	return mode->at_eoh;
}

static sfsistat
noop_body(SMFICTX *ctx, unsigned char *bytes, size_t size)
{
	(void)ctx;
	(void)bytes;
	(void)size;
	return mode->all ? SMFIS_CONTINUE : SMFIS_NOREPLY;
}

static sfsistat
noop_step(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

static sfsistat
noop_unknown(SMFICTX *ctx, const char *command)
{
	(void)ctx;
	(void)command;
	return SMFIS_CONTINUE;
}

static sfsistat
noop_eom(SMFICTX *ctx)
{
	const struct mark *m = mode->mark;

	for (int i = 0; m != NULL && i < 2; i++) {
		char *name = (char *)m->name[i], *value = (char *)m->value[i];

		if ((m->on_top ? smfi_insheader(ctx, 0, name, value) :
		    smfi_addheader(ctx, name, value)) != MI_SUCCESS)
			return SMFIS_TEMPFAIL;
	}
	return SMFIS_CONTINUE;
}

static sfsistat
noop_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	(void)f2;
	(void)f3;
	for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++) {
		const char *macros = stage == SMFIM_ENVFROM ? mode->macros :
		    stage == SMFIM_EOH ? mode->at_last :
		    stage == SMFIM_EOM ? mode->at_end : NULL;

		smfi_setsymlist(ctx, stage, (char *)(macros != NULL ? macros :
		    ""));
	}
	*pf0 = mode->mark != NULL ? f0 & SMFIF_ADDHDRS : 0;
	*pf1 = f1 & mode->unwanted;
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

static int
filter(char *socket)
{
	static char name[] = "noop";
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS,
		.xxfi_helo = noop_helo,
		.xxfi_envfrom = noop_mail,
		.xxfi_envrcpt = noop_rcpt,
	};

	if (mode->all || mode->unwanted != 0) {
		desc.xxfi_connect = noop_connect;
		desc.xxfi_header = noop_header;
		desc.xxfi_eoh = noop_eoh;
		desc.xxfi_body = noop_body;
		desc.xxfi_eom = noop_eom;
	}
	if (mode->all) {
		desc.xxfi_data = noop_step;
		desc.xxfi_unknown = noop_unknown;
		desc.xxfi_abort = noop_step;
		desc.xxfi_close = noop_step;
	} else if (mode->unwanted != 0)
		desc.xxfi_negotiate = noop_negotiate;
	if (smfi_register(desc) != MI_SUCCESS ||
	    smfi_setconn(socket) != MI_SUCCESS ||
	    smfi_opensocket(1) != MI_SUCCESS)
		return EX_CONFIG;
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}

/* Read lines as fast as they come and drop them. */
static int
syslogd(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char line[2048];

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	unlink(path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof sa) == -1) {
		perror(path);
		return EX_CONFIG;
	}
	while (recv(fd, line, sizeof line, 0) != -1)
		;
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	if (argc == 3 && strcmp(argv[1], "syslogd") == 0)
		return syslogd(argv[2]);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (argc == 3 && strcmp(argv[1], modes[i].name) == 0)
			mode = &modes[i];
	if (mode == NULL) {
		fprintf(stderr, "usage: noop helo|connect-helo|naive-helo|"
		    "all|accept|rcpt|rcpt-auth|eom|mark|eoh|eoh-accept|body|"
		    "syslogd SOCKET\n");
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	return filter(argv[2]);
}
