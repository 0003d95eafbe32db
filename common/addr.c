#include <arpa/inet.h>
#include <netinet/in.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "addr.h"

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static void
set_ipv4(struct addr *a, const void *four_bytes)
{
	memcpy(a->byte, mapped, sizeof mapped);
	memcpy(a->byte + sizeof mapped, four_bytes, 4);
}

int
addr_parse(struct addr *a, const char *text)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1)
		set_ipv4(a, &v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		memcpy(a->byte, &v6, sizeof a->byte);
	else
		return -1;
	return 0;
}

int
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	if (sa == NULL)
		return -1;
	switch (sa->sa_family) {
	case AF_INET:
		set_ipv4(a, &((const struct sockaddr_in *)sa)->sin_addr);
		return 0;
	case AF_INET6:
		memcpy(a->byte, &((const struct sockaddr_in6 *)sa)->sin6_addr,
		    sizeof a->byte);
		return 0;
	}
	return -1;
}

bool
addr_is_ipv4(const struct addr *a)
{
	return memcmp(a->byte, mapped, sizeof mapped) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const struct addr loopback6 = { .byte = { [15] = 1 } };

	if (addr_is_ipv4(a))
		return a->byte[12] == 127;
	return memcmp(a, &loopback6, sizeof *a) == 0;
}

void
addr_mask(struct addr *a, int bits)
{
	for (int i = 0; i < (int)sizeof a->byte; i++, bits -= 8)
		if (bits < 8)
			a->byte[i] &= bits <= 0 ? 0 :
			    (unsigned char)(0xff00 >> bits);
}

const char *
addr_print(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	if (addr_is_ipv4(a))
		inet_ntop(AF_INET, a->byte + 12, out, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->byte, out, ADDR_TEXT_MAX);
	return out;
}

const char *
addr_print_network(const struct addr *a, int bits, char out[ADDR_TEXT_MAX])
{
	size_t n = strlen(addr_print(a, out));

	if (addr_is_ipv4(a) && bits >= ADDR_IPV4_BITS)
		bits -= ADDR_IPV4_BITS;
	snprintf(out + n, ADDR_TEXT_MAX - n, "/%d", bits);
	return out;
}

/* The @ between local part and domain, or end. */
static const char *
find_at(const char *p, const char *end)
{
	const char *at = end;
	int quoted = 0;

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '@' && !quoted)
			at = p;
	}
	return at;
}

void
addr_mailbox(struct addr_mailbox *m, const char *path)
{
	const char *p = path, *end = path + strlen(path), *at, *colon;

	if (end - p >= 2 && *p == '<' && end[-1] == '>') {
		p++;
		end--;
	}
	/* A source route (RFC 5321 4.1.2) is accepted and ignored. */
	if (*p == '@' && (colon = memchr(p, ':', (size_t)(end - p))) != NULL)
		p = colon + 1;
	at = find_at(p, end);
	m->local = p;
	m->local_size = (size_t)(at - p);
	m->domain = at < end ? at + 1 : end;
	m->domain_size = (size_t)(end - m->domain);
}

bool
addr_is_domain(const char *text, size_t size, size_t label_max)
{
	size_t label = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '.' ? label == 0 : !isalnum(c) && c < 0x80 &&
		    c != '-' && c != '_')
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > label_max)
			return false;
	}
	return label > 0;
}

bool
addr_is_literal(const char *text, size_t size)
{
	if (size <= 2 || text[0] != '[' || text[size - 1] != ']')
		return false;
	for (size_t i = 1; i < size - 1; i++)
		if (text[i] != '.' && text[i] != ':' &&
		    !addr_is_domain(text + i, 1, 1))
			return false;
	return true;
}

bool
addr_ends_in_number(const char *domain, size_t size)
{
	size_t at = size;

	while (at > 0 && isdigit((unsigned char)domain[at - 1]))
		at--;
	return at < size && (at == 0 || domain[at - 1] == '.');
}

/* With or without quotes, which mean nothing here (RFC 5321 4.1.2). */
static bool
local_is(const struct addr_mailbox *m, const char *name)
{
	const char *local = m->local;
	size_t size = m->local_size;

	if (size > 2 && local[0] == '"' && local[size - 1] == '"') {
		local++;
		size -= 2;
	}
	return size == strlen(name) && strncasecmp(local, name, size) == 0;
}

bool
addr_is_role(const char *path)
{
	struct addr_mailbox m;

	addr_mailbox(&m, path);
	return local_is(&m, "postmaster") || local_is(&m, "abuse");
}
