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
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#define ALL_STEPS	(SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL |     \
			 SMFIP_NORCPT | SMFIP_NODATA | SMFIP_NOHDRS |	     \
			 SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN)

static struct mode {
	const char *name;
	sfsistat at_connect;
	unsigned long unwanted;
	const char *macros;	/* wanted at MAIL; or NULL */
} modes[] = {
	/* 554 at HELO, and the client's address is never seen. */
	{ "helo", SMFIS_CONTINUE, ALL_STEPS & ~SMFIP_NOHELO, NULL },
	/* The same for a filter that is told the address. */
	{ "connect-helo", SMFIS_CONTINUE,
	    ALL_STEPS & ~(SMFIP_NOCONNECT | SMFIP_NOHELO), NULL },
	/* What is written without a thought: all macros come. */
	{ "naive-helo", SMFIS_CONTINUE, 0, NULL },
	{ "accept", SMFIS_ACCEPT, ALL_STEPS & ~SMFIP_NOCONNECT, NULL },
	/* Is told client, sender and recipients, and lets the message pass. */
	{ "rcpt", SMFIS_CONTINUE,
	    ALL_STEPS & ~(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT),
	    NULL },
	/* And whether the client is one of our users. */
	{ "rcpt-auth", SMFIS_CONTINUE,
	    ALL_STEPS & ~(SMFIP_NOCONNECT | SMFIP_NOMAIL | SMFIP_NORCPT),
	    "i {auth_authen}" },
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
	smfi_setreply(ctx, (char *)"554", (char *)"5.7.1", (char *)"refused");
	return SMFIS_REJECT;
}

static sfsistat
noop_envelope(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return SMFIS_CONTINUE;
}

static sfsistat
noop_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	(void)f0;
	(void)f2;
	(void)f3;
	for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++)
		smfi_setsymlist(ctx, stage, stage == SMFIM_ENVFROM &&
		    mode->macros != NULL ? (char *)mode->macros : (char *)"");
	*pf0 = *pf2 = *pf3 = 0;
	*pf1 = f1 & mode->unwanted;
	return SMFIS_CONTINUE;
}

static int
filter(char *socket)
{
	static char name[] = "noop";
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_helo = noop_helo,
		.xxfi_envfrom = noop_envelope,
		.xxfi_envrcpt = noop_envelope,
	};

	if (mode->unwanted != 0) {
		desc.xxfi_connect = noop_connect;
		desc.xxfi_negotiate = noop_negotiate;
	}
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
		    "accept|rcpt|rcpt-auth|syslogd SOCKET\n");
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	return filter(argv[2]);
}
