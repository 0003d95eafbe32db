#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mechanism.h"

void
matcher_fail(struct matcher *m, enum spf_result error, const char *reason,
    const char *problem, size_t size)
{
	if (m->error != SPF_IS_NONE)
		return;
	m->error = error;
	m->reason = reason;
	if (size > sizeof m->problem - 1)
		size = sizeof m->problem - 1;
	memcpy(m->problem, problem, size);
	m->problem[size] = '\0';
}

bool
matcher_count(struct matcher *m, const struct term *t)
{
	if (++m->terms > SPF_TERMS_MAX)
		matcher_fail(m, SPF_IS_PERMERROR,
		    "more than 10 terms ask the DNS", t->text, t->size);
	return m->error == SPF_IS_NONE;
}

bool
matcher_target(struct matcher *m, const struct term *t, const char *domain,
    char out[MACRO_DOMAIN_MAX])
{
	m->words.domain = domain;
	if (t->domain != NULL)
		macro_expand_domain(out, t->domain, t->domain_size, &m->words);
	else
		snprintf(out, MACRO_DOMAIN_MAX, "%s", domain);
	return dns_is_name(out);
}

/*
 * Ask what a term asks first.  The answer is released by the caller; NULL after
 * an error.
 */
static const struct dns_answer *
ask(struct matcher *m, const struct term *t, const char *name,
    enum dns_type type)
{
	const struct dns_answer *a = m->dns->ask(m->dns, name, type);

	if (a->status == DNS_TROUBLE)
		matcher_fail(m, SPF_IS_TEMPERROR, "the DNS does not answer",
		    name, strlen(name));
	else if (a->count == 0 && ++m->voids > SPF_VOIDS_MAX)
		matcher_fail(m, SPF_IS_PERMERROR,
		    "more than 2 terms find nothing", t->text, t->size);
	if (m->error == SPF_IS_NONE)
		return a;
	dns_release(a);
	return NULL;
}

static bool
is_in_network(const struct addr *client, const struct addr *network, int bits)
{
	const size_t whole = (size_t)bits / 8;
	const int rest = bits % 8;

	return memcmp(client->byte, network->byte, whole) == 0 &&
	    (rest == 0 || (client->byte[whole] ^ network->byte[whole]) >>
	    (8 - rest) == 0);
}

/* The client's own kind of address. */
static enum dns_type
address_type(const struct addr *client)
{
	return addr_is_ipv4(client) ? DNS_A : DNS_AAAA;
}

/* Is the client, in so many bits, among these? */
static bool
is_among(const struct addr *client, const struct dns_answer *a, int bits)
{
	for (size_t i = 0; i < a->count; i++)
		if (is_in_network(client, &a->record[i].addr, bits))
			return true;
	return false;
}

static int
bits_of(const struct term *t, const struct addr *client)
{
	return addr_is_ipv4(client) ? ADDR_IPV4_BITS + t->bits4 : t->bits6;
}

/* RFC 7208 5.3 */
static bool
matches_a(struct matcher *m, const struct term *t, const char *name)
{
	const struct addr *client = m->words.client;
	const struct dns_answer *a = ask(m, t, name, address_type(client));
	bool matches = a != NULL && is_among(client, a, bits_of(t, client));

	dns_release(a);
	return matches;
}

/*
 * RFC 7208 5.4.  A host that has no address is no void lookup of the term's:
 * many have none in IPv6.
 */
static bool
matches_mx(struct matcher *m, const struct term *t, const char *name)
{
	const struct addr *client = m->words.client;
	const struct dns_answer *mx = ask(m, t, name, DNS_MX), *a;
	bool matches = false;

	if (mx != NULL && mx->count > SPF_MX_MAX)
		matcher_fail(m, SPF_IS_PERMERROR, "more than 10 MX hosts",
		    t->text, t->size);
	for (size_t i = 0; mx != NULL && i < mx->count && !matches &&
	    m->error == SPF_IS_NONE; i++) {
		if (!dns_is_name(mx->record[i].text))
			continue;
		a = m->dns->ask(m->dns, mx->record[i].text,
		    address_type(client));
		if (a->status == DNS_TROUBLE)
			matcher_fail(m, SPF_IS_TEMPERROR,
			    "the DNS does not answer", mx->record[i].text,
			    mx->record[i].size);
		matches = is_among(client, a, bits_of(t, client));
		dns_release(a);
	}
	dns_release(mx);
	return matches;
}

/* RFC 7208 5.7: whatever the client is, an A. */
static bool
matches_exists(struct matcher *m, const struct term *t, const char *name)
{
	const struct dns_answer *a = ask(m, t, name, DNS_A);
	bool matches = a != NULL && a->count > 0;

	dns_release(a);
	return matches;
}

/*
 * How many names the client has, of those that are looked at.  That the DNS
 * does not say is no error (5.5).  Counts nothing: what is missing is the
 * client's and not the domain's.
 */
static size_t
client_names(struct matcher *m)
{
	static const char reverse[] = "%{ir}.%{v}.arpa";
	char name[MACRO_DOMAIN_MAX];

	if (m->names == NULL) {
		macro_expand_domain(name, reverse, sizeof reverse - 1,
		    &m->words);
		m->names = m->dns->ask(m->dns, name, DNS_PTR);
		m->unsure = m->names->status == DNS_TROUBLE;
	}
	return m->names->count < SPF_PTR_MAX ? m->names->count : SPF_PTR_MAX;
}

/* Does the client's name lead back to the client? */
static bool
is_valid(struct matcher *m, size_t i)
{
	const char *name = m->names->record[i].text;
	const struct dns_answer *a;

	if (m->valid[i] == -1 && dns_is_name(name)) {
		a = m->dns->ask(m->dns, name, address_type(m->words.client));
		m->valid[i] = is_among(m->words.client, a, ADDR_BITS);
		m->unsure |= a->status == DNS_TROUBLE;
		dns_release(a);
	}
	return m->valid[i] == 1;
}

/* Is the name the domain, or (below is set) below it? */
static bool
is_of_domain(const char *name, const char *domain, bool below)
{
	size_t n = strlen(name), d = strlen(domain);

	if (d > 0 && domain[d - 1] == '.')
		d--;
	if (!below)
		return n == d && strncasecmp(name, domain, d) == 0;
	return n > d && name[n - d - 1] == '.' &&
	    strncasecmp(name + n - d, domain, d) == 0;
}

/* RFC 7208 5.5 */
static bool
matches_ptr(struct matcher *m, const char *domain)
{
	size_t count = client_names(m);

	for (size_t i = 0; i < count; i++) {
		const char *name = m->names->record[i].text;

		if ((is_of_domain(name, domain, false) ||
		    is_of_domain(name, domain, true)) && is_valid(m, i))
			return true;
	}
	return false;
}

/* RFC 7208 7.3: the domain's own name if it is one, one below it, or any. */
static const char *
name_of_client(void *arg)
{
	struct matcher *m = arg;
	const char *domain = m->words.domain;
	size_t count = client_names(m);

	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < count; i++) {
			const char *name = m->names->record[i].text;

			if ((pass == 2 || is_of_domain(name, domain,
			    pass == 1)) && is_valid(m, i))
				return name;
		}
	return "unknown";
}

void
matcher_begin(struct matcher *m, struct dns *dns,
    const struct macro_words *words)
{
	m->dns = dns;
	m->words = *words;
	m->words.name = name_of_client;
	m->words.arg = m;
	m->terms = m->voids = 0;
	m->error = SPF_IS_NONE;
	m->reason = "";
	m->problem[0] = '\0';
	m->names = NULL;
	m->unsure = false;
	memset(m->valid, -1, sizeof m->valid);
}

void
matcher_end(struct matcher *m)
{
	dns_release(m->names);
	m->names = NULL;
}

bool
mechanism_matches_address(const struct term *t, const struct addr *client)
{
	switch (t->kind) {
	case TERM_ALL:
		return true;
	case TERM_IP4:
		return addr_is_ipv4(client) &&
		    is_in_network(client, &t->addr, t->bits);
	case TERM_IP6:
		return !addr_is_ipv4(client) &&
		    is_in_network(client, &t->addr, t->bits);
	default:
		return false;
	}
}

bool
mechanism_matches(struct matcher *m, const struct term *t, const char *domain)
{
	char name[MACRO_DOMAIN_MAX];

	if (t->kind == TERM_ALL || t->kind == TERM_IP4 || t->kind == TERM_IP6)
		return mechanism_matches_address(t, m->words.client);
	if (!matcher_count(m, t) || !matcher_target(m, t, domain, name))
		return false;
	switch (t->kind) {
	case TERM_A:
		return matches_a(m, t, name);
	case TERM_MX:
		return matches_mx(m, t, name);
	case TERM_PTR:
		return matches_ptr(m, name);
	case TERM_EXISTS:
		return matches_exists(m, t, name);
	default:
		return false;
	}
}
