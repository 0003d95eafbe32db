#include <netinet/in.h>

#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "nameserver.h"
#include "options.h"

static int
parse_port(uint16_t *port, const char *text)
{
	unsigned long n;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	n = strtoul(text, &end, 10);
	if (*end != '\0' || n == 0 || n > 65535)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

int
nameserver_parse(struct nameserver *s, const char *text)
{
	char host[ADDR_TEXT_MAX];
	const char *end, *rest;

	if (*text == '[') {
		if ((end = strchr(++text, ']')) == NULL)
			return -1;
		rest = end + 1;
	} else {
		end = strchr(text, ':');
		if (end == NULL || strchr(end + 1, ':') != NULL)
			end = text + strlen(text);
		rest = end;
	}
	if ((size_t)(end - text) >= sizeof host)
		return -1;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	*s = (struct nameserver){ .port = NAMESERVER_PORT };
	if (addr_parse(&s->addr, host) == -1)
		return -1;
	if (*rest == '\0')
		return 0;
	return *rest == ':' ? parse_port(&s->port, rest + 1) : -1;
}

const char *
nameserver_print(const struct nameserver *s, char out[NAMESERVER_TEXT_MAX])
{
	bool bare = s->port == NAMESERVER_PORT;
	bool brackets = !bare && !addr_is_ipv4(&s->addr);
	char host[ADDR_TEXT_MAX], port[8] = "";

	if (!bare)
		snprintf(port, sizeof port, ":%u", (unsigned)s->port);
	snprintf(out, NAMESERVER_TEXT_MAX, "%s%s%s%s", brackets ? "[" : "",
	    addr_print(&s->addr, host), brackets ? "]" : "", port);
	return out;
}

int
nameservers_parse(struct nameservers *servers, const struct options_list *list)
{
	struct nameservers read = { .count = 0 };

	for (int i = 0; i < list->count; i++) {
		if (i == NAMESERVERS_MAX) {
			log_error("%s: more than %d name servers",
			    list->item[i], NAMESERVERS_MAX);
			return -1;
		}
		if (nameserver_parse(&read.server[i], list->item[i]) == -1) {
			log_error("%s: not the address of a name server",
			    list->item[i]);
			return -1;
		}
		read.count++;
	}
	*servers = read;
	return 0;
}

const char *
nameservers_print(const struct nameservers *servers,
    char out[NAMESERVERS_TEXT_MAX])
{
	char text[NAMESERVER_TEXT_MAX];
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < servers->count; i++)
		used += (size_t)snprintf(out + used,
		    NAMESERVERS_TEXT_MAX - used, "%s%s", i > 0 ? "," : "",
		    nameserver_print(&servers->server[i], text));
	return out;
}

/* --- resolv.conf */

static void
take_node(struct nameservers *servers, const struct ares_addr_port_node *node)
{
	struct nameserver *s = &servers->server[servers->count];
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	*s = (struct nameserver){ .port = NAMESERVER_PORT };
	if (node->udp_port != 0)
		s->port = (uint16_t)node->udp_port;
	if (node->family == AF_INET) {
		memcpy(s->addr.byte, mapped, sizeof mapped);
		memcpy(s->addr.byte + sizeof mapped, &node->addr.addr4, 4);
	} else if (node->family == AF_INET6)
		memcpy(s->addr.byte, &node->addr.addr6, sizeof s->addr.byte);
	else
		return;
	servers->count++;
}

int
nameservers_read(struct nameservers *servers)
{
	static char dns_only[] = "b";
	struct ares_options options = { .lookups = dns_only };
	struct ares_addr_port_node *nodes = NULL;
	struct nameservers read = { .count = 0 };
	ares_channel channel;
	int status;

	/* c-ares would take it for one that names none. */
	if (access(NAMESERVER_FILE, R_OK) == -1 && errno != ENOENT) {
		log_errno(NAMESERVER_FILE);
		return -1;
	}
	/* Nobody asks for hosts here, so no other file is read. */
	status = ares_init_options(&channel, &options, ARES_OPT_LOOKUPS);
	if (status == ARES_SUCCESS) {
		status = ares_get_servers_ports(channel, &nodes);
		ares_destroy(channel);
	}
	if (status != ARES_SUCCESS) {
		log_error(NAMESERVER_FILE ": %s", ares_strerror(status));
		return -1;
	}
	for (struct ares_addr_port_node *n = nodes; n != NULL &&
	    read.count < NAMESERVERS_MAX; n = n->next)
		take_node(&read, n);
	ares_free_data(nodes);
	if (read.count == 0)
		nameserver_parse(&read.server[read.count++], "127.0.0.1");
	*servers = read;
	return 0;
}

/* --- whom to ask first */

void
nameservers_arrange(struct nameservers *servers, struct nameserver_order *order,
    int64_t now_us)
{
	bool last[NAMESERVERS_MAX] = { false };
	struct nameserver *s;

	order->count = 0;
	for (int i = 0; i < servers->count; i++) {
		s = &servers->server[i];
		last[i] = s->rests_until_us > now_us;
		if (last[i])
			continue;
		/* Who comes first is tried; the others know already. */
		if (s->rests_until_us != 0 && order->count == 0)
			s->rests_until_us = now_us +
			    NAMESERVER_REST_SECONDS * INT64_C(1000000);
		order->place[order->count++] = (unsigned char)i;
	}
	for (int i = 0; i < servers->count; i++)
		if (last[i])
			order->place[order->count++] = (unsigned char)i;
}

void
nameservers_note(struct nameservers *servers,
    const struct nameserver_order *order, int silent, int64_t now_us)
{
	/* When all of them were, it was the question's fault. */
	if (silent >= order->count)
		return;
	for (int i = 0; i < silent; i++)
		servers->server[order->place[i]].rests_until_us = now_us +
		    NAMESERVER_REST_SECONDS * INT64_C(1000000);
	servers->server[order->place[silent]].rests_until_us = 0;
}
