#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "stats.h"

#define EXEMPT(n, why)							\
	[(n) - 1] = { "exempt_total", "why=\"" why "\"",		\
	    "Clients not judged, by reason.", 0 }

static struct stats_counter exempted[] = {
	EXEMPT(CLIENT_LOCAL, "local"),
	EXEMPT(CLIENT_LOOPBACK, "loopback"),
	EXEMPT(CLIENT_WHITELISTED, "whitelist"),
	EXEMPT(CLIENT_AUTHENTICATED, "auth"),
	EXEMPT(CLIENT_VERIFIED, "tls"),
};

const char *
client_exempt_word(enum client_exempt exempt)
{
	static const char *const words[CLIENT_EXEMPT_COUNT] = {
		"nothing", "local", "loopback", "whitelist", "auth", "tls",
	};

	return words[exempt];
}

enum client_exempt
client_connect(struct addr *addr, const struct sockaddr *sa)
{
	if (addr_from_sockaddr(addr, sa) == -1)
		return CLIENT_LOCAL;
	return addr_is_loopback(addr) ? CLIENT_LOOPBACK : CLIENT_JUDGED;
}

const char *
client_host(SMFICTX *ctx, const char *host)
{
	const char *resolve;

	if (host == NULL || host[0] == '[' || strcasecmp(host, "unknown") == 0)
		return NULL;
	resolve = smfi_getsymval(ctx, (char *)"{client_resolve}");
	return resolve == NULL || strcmp(resolve, "OK") == 0 ? host : NULL;
}

enum client_exempt
client_mail(SMFICTX *ctx)
{
	const char *user = smfi_getsymval(ctx, (char *)"{auth_authen}");
	const char *verify = smfi_getsymval(ctx, (char *)"{verify}");

	if (user != NULL && user[0] != '\0')
		return CLIENT_AUTHENTICATED;
	if (verify != NULL && strcmp(verify, "OK") == 0)
		return CLIENT_VERIFIED;
	return CLIENT_JUDGED;
}

void
client_count(enum client_exempt exempt)
{
	if (exempt != CLIENT_JUDGED)
		stats_count(&exempted[exempt - 1]);
}

void
client_add_stats(void)
{
	stats_add(exempted, sizeof exempted / sizeof exempted[0]);
}
