#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

/*
 * Reading a packet.  Nothing in it is believed: what would be behind its end is
 * read as zeros, and the reader remembers that it was.
 */
#define HEADER_SIZE	12
#define WIRE_MAX	255	/* a name with its last, empty label */
#define JUMPS_MAX	127	/* one for each label there can be */
#define TEXT_MAX	(4 * WIRE_MAX)	/* \DDD for each byte */

/* RFC 1035 4.1.1 and 3.2, RFC 6891 6.1.1. */
#define IS_RESPONSE	0x8000
#define OPCODE		0x7800
#define IS_CUT		0x0200
#define RCODE		0x000f
#define RCODE_NO_NAME	3
#define CLASS_IN	1
#define TYPE_CNAME	5
#define TYPE_SOA	6
#define TYPE_OPT	41

struct reader {
	const unsigned char *packet;
	size_t size, at;
	bool bad;		/* once, and for all of it */
};

/* As it is in packets, uncompressed. */
struct name {
	unsigned char wire[WIRE_MAX];
	size_t size;
};

struct record {
	struct name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t data, end;	/* where in the packet */
};

struct message {
	struct reader reader;	/* at the first answer */
	unsigned answers, authorities, others;
	bool no_name;		/* NXDOMAIN */
	struct name name;	/* that is asked for, or what it stands for */
	unsigned type;
	uint32_t ttl;		/* the least on the way */
	uint32_t none_ttl;	/* of the SOA */
	size_t alias[DNS_CNAMES_MAX];	/* where a CNAME begins */
	unsigned aliases;
};

/* --- numbers and names */

static uint32_t
read_number(struct reader *r, size_t size)
{
	uint32_t n = 0;

	if (r->bad || size > r->size - r->at) {
		r->bad = true;
		return 0;
	}
	for (; size > 0; size--)
		n = n << 8 | r->packet[r->at++];
	return n;
}

/* A TTL with its first bit set is none (RFC 2181 8). */
static uint32_t
read_ttl(struct reader *r)
{
	uint32_t ttl = read_number(r, 4);

	return ttl > INT32_MAX ? 0 : ttl;
}

static void
read_label(struct reader *r, size_t size, struct name *n)
{
	if (r->bad || size > DNS_LABEL_MAX || size > r->size - r->at ||
	    size + 1 > sizeof n->wire - n->size) {
		r->bad = true;
		return;
	}
	n->wire[n->size++] = (unsigned char)size;
	memcpy(n->wire + n->size, r->packet + r->at, size);
	n->size += size;
	r->at += size;
}

/*
 * A pointer (RFC 1035 4.1.4) leads to before where the labels began that led to
 * it, so none is met twice.
 */
static void
read_name(struct reader *r, struct name *n)
{
	size_t begin = r->at, behind = 0;
	int jumps = 0;
	uint32_t length;

	n->size = 0;
	do {
		length = read_number(r, 1);
		if (length < 0xc0) {
			read_label(r, length, n);
			continue;
		}
		length = (length & 0x3f) << 8 | read_number(r, 1);
		if (behind == 0)
			behind = r->at;
		if (length < HEADER_SIZE || length >= begin ||
		    ++jumps > JUMPS_MAX)
			r->bad = true;
		else
			begin = r->at = length;
	} while (length != 0 && !r->bad);
	if (behind != 0)
		r->at = behind;
}

/* Of what dns_is_name(). */
static void
set_name(struct name *n, const char *text)
{
	n->size = 0;
	while (*text != '\0') {
		size_t size = strcspn(text, ".");

		n->wire[n->size++] = (unsigned char)size;
		memcpy(n->wire + n->size, text, size);
		n->size += size;
		text += size + (text[size] == '.');
	}
	n->wire[n->size++] = 0;
}

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

/* The lengths of labels are less than any letter. */
static bool
is_same(const struct name *a, const struct name *b)
{
	if (a->size != b->size)
		return false;
	for (size_t i = 0; i < a->size; i++)
		if (lower(a->wire[i]) != lower(b->wire[i]))
			return false;
	return true;
}

static void
add_byte(char out[TEXT_MAX], size_t *size, unsigned char c)
{
	if (c <= ' ' || c > '~') {
		*size += (size_t)snprintf(out + *size, 5, "\\%03d", c);
		return;
	}
	if (c == '.' || c == '\\')
		out[(*size)++] = '\\';
	out[(*size)++] = (char)c;
}

/* Without a last dot; the root is "".  Returns the size. */
static size_t
print_name(char out[TEXT_MAX], const struct name *n)
{
	size_t size = 0, at = 0, end;

	while (n->wire[at] != 0) {
		if (at > 0)
			out[size++] = '.';
		end = at + 1 + n->wire[at];
		while (++at < end)
			add_byte(out, &size, n->wire[at]);
	}
	out[size] = '\0';
	return size;
}

/* --- records */

static void
read_record(struct reader *r, struct record *record)
{
	size_t size;

	read_name(r, &record->owner);
	record->type = read_number(r, 2);
	record->class = read_number(r, 2);
	record->ttl = read_ttl(r);
	size = read_number(r, 2);
	record->data = r->at;
	if (r->bad || size > r->size - r->at)
		r->bad = true;
	else
		r->at += size;
	record->end = r->at;
}

static void
add_address(struct dns_builder *b, struct reader *r, size_t size)
{
	struct addr addr = { .byte = { [10] = 0xff, [11] = 0xff } };

	if (size > r->size - r->at) {
		r->bad = true;
		return;
	}
	memcpy(addr.byte + sizeof addr.byte - size, r->packet + r->at, size);
	r->at += size;
	dns_builder_add(b, &addr, 0, NULL, 0);
}

static void
add_name(struct dns_builder *b, struct reader *r, unsigned preference)
{
	char text[TEXT_MAX];
	struct name name;

	read_name(r, &name);
	if (!r->bad)
		dns_builder_add(b, NULL, preference, text,
		    print_name(text, &name));
}

/*
 * RFC 1035 3.3.14: one string or more.  Together they may have 64 kB, which is
 * too much for the stack of a thread.
 */
static void
add_strings(struct dns_builder *b, struct reader *r, size_t end)
{
	char *text = malloc(end - r->at + 1);
	size_t size = 0;

	if (text == NULL) {
		b->failed = true;
		return;
	}
	do {
		size_t more = read_number(r, 1);

		if (r->bad || r->at > end || more > end - r->at) {
			r->bad = true;
			break;
		}
		memcpy(text + size, r->packet + r->at, more);
		size += more;
		r->at += more;
	} while (r->at < end);
	if (!r->bad)
		dns_builder_add(b, NULL, 0, text, size);
	free(text);
}

/* Nothing may be left of its data, nor may it have needed more. */
static bool
add_record(struct dns_builder *b, struct reader r, const struct record *record)
{
	r.at = record->data;
	switch (record->type) {
	case DNS_A:
		add_address(b, &r, 4);
		break;
	case DNS_AAAA:
		add_address(b, &r, 16);
		break;
	case DNS_MX:
		add_name(b, &r, read_number(&r, 2));
		break;
	case DNS_PTR:
		add_name(b, &r, 0);
		break;
	default:
		add_strings(b, &r, record->end);
	}
	return !r.bad && r.at == record->end;
}

static bool
read_alias(struct reader r, const struct record *record, struct name *alias)
{
	r.at = record->data;
	read_name(&r, alias);
	return !r.bad && r.at == record->end;
}

/* How long a negative answer lasts (RFC 2308 5). */
static bool
read_soa(struct reader r, const struct record *record, uint32_t *ttl)
{
	struct name name;
	uint32_t minimum;

	r.at = record->data;
	read_name(&r, &name);
	read_name(&r, &name);
	for (int i = 0; i < 4; i++)
		read_number(&r, 4);
	minimum = read_ttl(&r);
	*ttl = minimum < record->ttl ? minimum : record->ttl;
	return !r.bad && r.at == record->end;
}

/* --- the packet */

/* The header (RFC 1035 4.1.1), and the question, which must be ours. */
static bool
read_question(struct message *m)
{
	struct reader *r = &m->reader;
	unsigned flags, questions;
	struct name name;

	read_number(r, 2);
	flags = read_number(r, 2);
	questions = read_number(r, 2);
	m->answers = read_number(r, 2);
	m->authorities = read_number(r, 2);
	m->others = read_number(r, 2);
	m->no_name = (flags & RCODE) == RCODE_NO_NAME;
	if ((flags & (IS_RESPONSE | OPCODE | IS_CUT)) != IS_RESPONSE ||
	    ((flags & RCODE) != 0 && !m->no_name) || questions != 1)
		return false;

	read_name(r, &name);
	return read_number(r, 2) == m->type && read_number(r, 2) == CLASS_IN &&
	    !r->bad && is_same(&name, &m->name);
}

/* All of it is read once before any of it is used. */
static bool
read_rest(struct message *m)
{
	struct reader r = m->reader;
	struct record record;
	bool found = false;

	for (unsigned i = 0; i < m->answers && !r.bad; i++) {
		size_t at = r.at;

		read_record(&r, &record);
		if (r.bad || record.type != TYPE_CNAME ||
		    record.class != CLASS_IN)
			continue;
		if (m->aliases == DNS_CNAMES_MAX)
			return false;
		m->alias[m->aliases++] = at;
	}
	for (unsigned i = 0; i < m->authorities && !r.bad; i++) {
		read_record(&r, &record);
		if (r.bad || found || record.type != TYPE_SOA ||
		    record.class != CLASS_IN)
			continue;
		found = true;
		if (!read_soa(r, &record, &m->none_ttl))
			return false;
	}
	for (unsigned i = 0; i < m->others && !r.bad; i++) {
		read_record(&r, &record);
		/* More bits of the code stand where others have a TTL. */
		if (!r.bad && record.type == TYPE_OPT &&
		    r.packet[record.data - 6] != 0)
			return false;
	}
	return !r.bad;
}

/*
 * Make the name what it stands for, as far as it is said.  false: nonsense, or
 * a circle, for else no CNAME is met twice.
 */
static bool
follow(struct message *m)
{
	unsigned i = 0, steps = 0;

	while (i < m->aliases) {
		struct reader r = m->reader;
		struct record record;

		r.at = m->alias[i];
		read_record(&r, &record);
		if (!is_same(&record.owner, &m->name)) {
			i++;
			continue;
		}
		if (steps++ == m->aliases || !read_alias(r, &record, &m->name))
			return false;
		m->ttl = record.ttl < m->ttl ? record.ttl : m->ttl;
		i = 0;
	}
	return true;
}

static bool
add_records(struct message *m, struct dns_builder *b)
{
	struct reader r = m->reader;
	struct record record;

	for (unsigned i = 0; i < m->answers; i++) {
		read_record(&r, &record);
		if (record.type != m->type || record.class != CLASS_IN ||
		    !is_same(&record.owner, &m->name))
			continue;
		if (!add_record(b, r, &record))
			return false;
		m->ttl = record.ttl < m->ttl ? record.ttl : m->ttl;
	}
	return true;
}

const struct dns_answer *
dns_parse(const unsigned char *packet, size_t size, const char *name,
    enum dns_type type)
{
	struct message m = { .reader = { packet, size, 0, false },
	    .type = type, .ttl = UINT32_MAX };
	struct dns_builder b = { .answer = NULL };

	if (!dns_is_name(name))
		return dns_answer_none(DNS_TROUBLE, 0);
	set_name(&m.name, name);
	if (!read_question(&m) || !read_rest(&m) || !follow(&m))
		return dns_answer_none(DNS_TROUBLE, 0);

	if (!m.no_name && !add_records(&m, &b))
		b.failed = true;
	if (b.answer == NULL && m.none_ttl < m.ttl)
		m.ttl = m.none_ttl;
	if (m.no_name)
		return dns_answer_none(DNS_NO_NAME, m.ttl);
	return dns_builder_take(&b, m.ttl);
}
