#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "ipline.h"

#define BLANK	" \t\r"

static const char *const bad_address = "not an address, network or domain";
static const char *const bad_length = "bad prefix length";
static const char *const too_short = "prefix too short, it lists too much";
static const char *const host_bits = "host bits are set";

static void
bad(struct ipline *l, const char *wrong)
{
	l->kind = IPLINE_BAD;
	l->wrong = wrong;
}

static void
set_ipv4(struct ipline *l, uint32_t v4, int bits)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(l->addr.byte, mapped, sizeof mapped);
	for (int i = 15; i >= 12; i--, v4 >>= 8)
		l->addr.byte[i] = (unsigned char)v4;
	l->bits = ADDR_IPV4_BITS + bits;
	l->kind = IPLINE_NETWORK;
}

/*
 * Up to four octets with a dot between each two.  Returns their number, and
 * where they end; 0 when there is none or one is bad.  010 is bad: for some
 * programs it is eight.
 */
static int
parse_octets(const char *p, uint32_t *v4, const char **end)
{
	int count = 0;

	*v4 = 0;
	for (;;) {
		unsigned n = (unsigned)(*p - '0');

		if (n > 9)
			return 0;
		for (p++; *p >= '0' && *p <= '9'; p++) {
			if (n == 0 || n > 25)
				return 0;
			n = n * 10 + (unsigned)(*p - '0');
		}
		if (n > 255)
			return 0;
		*v4 |= n << (24 - 8 * count);
		*end = p;
		if (++count == 4 || p[0] != '.' || p[1] < '0' || p[1] > '9')
			return count;
		p++;
	}
}

/* "24": a decimal number up to max without leading zeros.  -1: it is not. */
static int
parse_length(const char *p, int max)
{
	int n = 0;

	if (*p == '\0' || (p[0] == '0' && p[1] != '\0'))
		return -1;
	for (; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		if ((n = n * 10 + (*p - '0')) > max)
			return -1;
	}
	return n;
}

static void
check_network(struct ipline *l)
{
	struct addr masked = l->addr;
	bool ipv4 = addr_is_ipv4(&l->addr) && l->bits >= ADDR_IPV4_BITS;

	addr_mask(&masked, l->bits);
	if (ipv4 ? l->bits - ADDR_IPV4_BITS < IPLINE_IPV4_MIN :
	    l->bits < IPLINE_IPV6_MIN)
		bad(l, too_short);
	else if (memcmp(&masked, &l->addr, sizeof masked) != 0)
		bad(l, host_bits);
}

/* 192.0.2.1, 192.0.2.0/24 or 192.0.2. */
static void
parse_ipv4(struct ipline *l, const char *text)
{
	const char *end;
	uint32_t v4;
	int count = parse_octets(text, &v4, &end), bits;

	if (count == 4 && *end == '\0') {
		set_ipv4(l, v4, 32);
		return;
	}
	if (count > 0 && count < 4 && end[0] == '.' && end[1] == '\0') {
		set_ipv4(l, v4, 8 * count);
		return;
	}
	if (count != 4 || *end != '/') {
		bad(l, bad_address);
		return;
	}
	if ((bits = parse_length(end + 1, 32)) == -1) {
		bad(l, bad_length);
		return;
	}
	set_ipv4(l, v4, bits);
	check_network(l);
}

/* 2001:db8::1 or 2001:db8::/32; the slash is cut off in place. */
static void
parse_ipv6(struct ipline *l, char *text)
{
	char *slash = strchr(text, '/');
	int bits = ADDR_BITS, max = ADDR_BITS;

	if (slash != NULL)
		*slash = '\0';
	if (addr_parse(&l->addr, text) == -1) {
		bad(l, bad_address);
		return;
	}
	if (slash != NULL && (bits = parse_length(slash + 1, max)) == -1) {
		bad(l, bad_length);
		return;
	}
	l->kind = IPLINE_NETWORK;
	l->bits = bits;
	check_network(l);
}

/* The letters, digits and hyphens of a host name, labels and dots. */
static bool
is_domain(char *text)
{
	bool label = false;

	for (char *p = text; *p != '\0'; p++) {
		if (*p == '.') {
			if (!label)
				return false;
			label = false;
			continue;
		}
		if (!isalnum((unsigned char)*p) && *p != '-')
			return false;
		*p = (char)tolower((unsigned char)*p);
		label = true;
	}
	return label && strlen(text) < 254;
}

static void
parse_domain(struct ipline *l, char *text)
{
	if (!is_domain(text)) {
		bad(l, "not a domain name");
		return;
	}
	l->kind = IPLINE_DOMAIN;
	l->domain = text;
}

/* --- lines of sendmail access files */

/* What the right-hand side says; access_db(5) in cf/README. */
static enum ipline_says
parse_value(const char *value)
{
	static const struct {
		const char *word;
		enum ipline_says says;
	} words[] = {
		{ "OK", IPLINE_EXEMPT }, { "RELAY", IPLINE_EXEMPT },
		{ "REJECT", IPLINE_REFUSE }, { "DISCARD", IPLINE_REFUSE },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasecmp(value, words[i].word) == 0)
			return words[i].says;
	if (strncasecmp(value, "ERROR:", 6) == 0 ||
	    ((value[0] == '4' || value[0] == '5') &&
	    isdigit((unsigned char)value[1]) &&
	    isdigit((unsigned char)value[2])))
		return IPLINE_REFUSE;
	return IPLINE_SILENT;
}

/* "1.2.3" or "1.2.3.4". */
static void
parse_access_ipv4(struct ipline *l, const char *key)
{
	const char *end;
	uint32_t v4;
	int count = parse_octets(key, &v4, &end);

	if (count == 0 || *end != '\0')
		bad(l, bad_address);
	else
		set_ipv4(l, v4, 8 * count);
}

/* "2001:db8::1", or whole groups from the left: "2001:db8:0:bad". */
static void
parse_access_ipv6(struct ipline *l, char *key)
{
	char text[64];
	int groups = 1;

	for (const char *p = key; *p != '\0'; p++)
		groups += *p == ':';
	if (strstr(key, "::") != NULL || groups == 8) {
		parse_ipv6(l, key);
		return;
	}
	if (*key == '\0' || strlen(key) > 40 || strchr(key, '.') != NULL ||
	    groups > 8) {
		bad(l, bad_address);
		return;
	}
	memcpy(text, key, strlen(key));
	memcpy(text + strlen(key), "::", 3);
	if (addr_parse(&l->addr, text) == -1) {
		bad(l, bad_address);
		return;
	}
	l->kind = IPLINE_NETWORK;
	l->bits = 16 * groups;
	check_network(l);
}

static void
parse_connect(struct ipline *l, char *key)
{
	if (strchr(key, '/') != NULL)
		bad(l, "an access file has no networks in CIDR form");
	else if (strncasecmp(key, "IPv6:", 5) == 0)
		parse_access_ipv6(l, key + 5);
	else if (isdigit((unsigned char)key[0]) &&
	    key[strspn(key, "0123456789.")] == '\0')
		parse_access_ipv4(l, key);
	else if (l->says == IPLINE_EXEMPT)
		parse_domain(l, key + (key[0] == '.'));
	else
		l->kind = IPLINE_IGNORED;	/* by name: sendmail's */
}

/* Is this "Tag:", as access files have them, and not an IPv6 address? */
static bool
has_tag(const char *key)
{
	static const char *const tags[] = {
		"Connect:", "From:", "To:", "Spam:", "GreetPause:",
		"ClientRate:", "ClientConn:", "TLS_Srv:", "TLS_Clt:",
		"TLS_Rcpt:", "Try_TLS:", "Srv_Features:", "Clt_Features:",
		"SRV_Features:", "CertIssuer:", "CertSubject:", "AuthInfo:",
		"DefaultDelay:", "Verify:", "Greylist:",
	};

	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
		if (strncasecmp(key, tags[i], strlen(tags[i])) == 0)
			return true;
	return false;
}

static void
parse_access(struct ipline *l, char *line)
{
	char *value = line + strcspn(line, BLANK);

	if (*value != '\0') {
		*value++ = '\0';
		value += strspn(value, BLANK);
	}
	if (strncasecmp(line, "Connect:", 8) != 0) {
		l->kind = IPLINE_IGNORED;
		return;
	}
	if (*value == '\0') {
		bad(l, "nothing behind the address");
		return;
	}
	if ((l->says = parse_value(value)) == IPLINE_SILENT)
		l->kind = IPLINE_IGNORED;
	else
		parse_connect(l, line + 8);
}

void
ipline_parse(struct ipline *l, char *line, size_t size)
{
	const char *next;
	uint32_t v4;
	char *end;

	l->kind = IPLINE_NOTHING;
	l->says = IPLINE_SILENT;
	if (size > IPLINE_MAX) {
		bad(l, "line too long");
		return;
	}
	if (memchr(line, '\0', size) != NULL) {
		bad(l, "NUL in the line");
		return;
	}
	/* Nearly every line of a long list is nothing else. */
	if (parse_octets(line, &v4, &next) == 4 && *next == '\0') {
		set_ipv4(l, v4, 32);
		return;
	}
	while (size > 0 && strchr(BLANK, line[size - 1]) != NULL)
		line[--size] = '\0';
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#' || *line == ';')
		return;
	if (isalpha((unsigned char)line[0]) && has_tag(line)) {
		parse_access(l, line);
		return;
	}
	end = line + strcspn(line, BLANK "#;");
	if (end[strspn(end, BLANK)] != '\0' &&
	    strchr("#;", end[strspn(end, BLANK)]) == NULL) {
		bad(l, "words behind the address");
		return;
	}
	*end = '\0';
	if (line[0] == '.')
		parse_domain(l, line + 1);
	else if (strchr(line, ':') != NULL)
		parse_ipv6(l, line);
	else
		parse_ipv4(l, line);
}
