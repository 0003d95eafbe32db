/*
 * Fields that are written and fields that are read.
 *
 * The input: a byte for the result, one for what else there is to choose, 16
 * for the client, and then texts with NULs between them: receiver, sender,
 * helo, domain, mechanism, reason, problem, source, and a field of a stranger.
 *
 * What is written is read back by the grammar of RFC 7208 9.1 and RFC 8601 2.2,
 * and says what went in, with a '?' for what is not printable.
 */
#include <ctype.h>
#include <stdbool.h>

#include "fuzz.h"
#include "header.h"

#define RFC5322_LINE_MAX	998
#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
			"abcdefghijklmnopqrstuvwxyz0123456789"
#define ATOM		LETTERS "!#$%&'*+-/=?^_`{|}~"
#define TOKEN		LETTERS "!#$%&'*+-.^_`{|}~"

enum { IS_HELO = 1, HAS_SOURCE = 2, IPV4 = 4 };

/* --- lines */

/* No line is too long, all is printable, and folds come out as blanks. */
static void
unfold(char *value, const char *name)
{
	size_t line = strlen(name) + 2;
	char *to = value;

	CHECK(strlen(value) < HEADER_MAX && value[0] > ' ');
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			CHECK(value[1] == '\t' && value[2] > ' ');
			CHECK(to[-1] > ' ');
			line = 0;
			continue;
		}
		CHECK(*value == '\t' ? line == 0 :
		    *value >= ' ' && *value <= '~');
		line++;
		CHECK(line <= RFC5322_LINE_MAX);
		*to++ = *value == '\t' ? ' ' : *value;
	}
	CHECK(to[-1] > ' ');
	*to = '\0';
}

/* What comes out for this text; the caller frees it. */
static char *
mask(const char *text)
{
	char *copy = strdup(text);

	CHECK(copy != NULL);
	for (char *p = copy; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return copy;
}

/* --- the grammar */

static const char *
expect(const char *p, const char *text)
{
	CHECK(strncmp(p, text, strlen(text)) == 0);
	return p + strlen(text);
}

/* RFC 5322 3.2.2; returns what is behind it. */
static const char *
read_comment(const char *p)
{
	int depth = 0;

	CHECK(*p == '(');
	do {
		CHECK(*p != '\0');
		if (*p == '\\')
			p++;
		else
			depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
		CHECK(*p != '\0');
		p++;
	} while (depth > 0);
	return p;
}

/* RFC 5322 3.2.4; what it stands for goes to out. */
static const char *
read_quoted(const char *p, char out[HEADER_MAX])
{
	for (p = expect(p, "\""); *p != '"'; p++) {
		p += *p == '\\';
		CHECK(*p != '\0');
		*out++ = *p;
	}
	*out = '\0';
	return p + 1;
}

/* Of these letters, or in quotes; how many bytes it was is not said. */
static const char *
read_value(const char *p, const char *letters, char out[HEADER_MAX])
{
	size_t size = strspn(p, letters);

	if (*p == '"')
		return read_quoted(p, out);
	CHECK(size > 0);
	memcpy(out, p, size);
	out[size] = '\0';
	return p + size;
}

static void
check_dot_atom(const char *text)
{
	CHECK(text[0] != '.' && text[strlen(text) - 1] != '.');
	CHECK(strstr(text, "..") == NULL);
}

/* RFC 8601's pvalue with an @ in it: dot-atom@domain-name. */
static const char *
read_pvalue(const char *p, char out[HEADER_MAX])
{
	size_t size = strspn(p, ATOM ".");

	if (p[size] != '@')
		return read_value(p, TOKEN, out);
	memcpy(out, p, size);
	out[size] = '\0';
	check_dot_atom(out);
	size += 1 + strspn(p + size + 1, ATOM ".");
	memcpy(out, p, size);
	out[size] = '\0';
	check_dot_atom(strchr(out, '@') + 1);
	CHECK(strchr(strchr(out, '@'), '.') != NULL);
	for (const char *c = strchr(out, '@') + 1; *c != '\0'; c++)
		CHECK(isalnum((unsigned char)*c) || *c == '.' || *c == '-');
	return p + size;
}

/* --- Received-SPF */

/* How a text of this key was to be written: all of it, or nothing. */
static const char *
check_pair(const char *p, const char *key, const char *want)
{
	char name[40], got[HEADER_MAX], *masked = mask(want);
	size_t size = strlen(masked);

	snprintf(name, sizeof name, " %s=", key);
	for (const char *c = want; *c != '\0'; c++)
		size += *c == '"' || *c == '\\';
	if (want[0] == '\0' || size > HEADER_VALUE_MAX)
		CHECK(strncmp(p, name, strlen(name)) != 0);
	else {
		p = expect(p, name);
		if (*p != '"')
			check_dot_atom(masked);
		p = expect(read_value(p, ATOM ".", got), ";");
		CHECK(strcmp(got, masked) == 0);
	}
	free(masked);
	return p;
}

static void
check_received(const struct header_facts *f)
{
	char out[HEADER_MAX], client[ADDR_TEXT_MAX], *masked;
	const char *p = out;
	bool named;

	CHECK(header_received_spf(out, f) == out);
	unfold(out, "Received-SPF");
	p = expect(p, spf_result_word(f->result));
	p = read_comment(expect(p, " "));
	named = strncmp(p, " receiver=", 10) == 0;
	p = check_pair(p, "receiver", f->receiver);
	p = check_pair(p, "identity", f->is_helo ? "helo" : "mailfrom");
	p = check_pair(p, "client-ip", addr_print(f->client, client));
	p = check_pair(p, "envelope-from", f->sender[0] != '\0' ? f->sender :
	    "<>");
	p = check_pair(p, "helo", f->helo);
	p = check_pair(p, "mechanism", f->mechanism);
	p = check_pair(p, "problem", f->problem);
	CHECK(*p == '\0');
	masked = mask(f->receiver);
	if (named)
		CHECK(header_is_received_by(out, masked));
	free(masked);
}

/* --- Authentication-Results */

static const char *
check_property(const char *p, const struct header_facts *f)
{
	char got[HEADER_MAX], *masked = mask(f->is_helo ? f->helo : f->sender);
	size_t size = strlen(masked);

	if (strncmp(p, " smtp.", 6) != 0) {
		free(masked);
		return p;
	}
	p = expect(p, f->is_helo ? " smtp.helo=" : " smtp.mailfrom=");
	p = f->is_helo ? read_value(p, TOKEN, got) : read_pvalue(p, got);
	if (f->is_helo)
		CHECK(strcmp(got, masked) == 0);
	else if (size == 0)
		CHECK(strcmp(got, "<>") == 0);
	else
		CHECK(strstr(masked, got) != NULL);
	free(masked);
	return p;
}

static const char *
check_resinfo(const char *p, const struct header_facts *f)
{
	char got[HEADER_MAX];

	p = expect(expect(p, "; spf="), spf_result_word(f->result));
	if (f->source != NULL)
		p = read_comment(expect(p, " "));
	if (strncmp(p, " reason=", 8) == 0) {
		CHECK(f->result == SPF_IS_TEMPERROR ||
		    f->result == SPF_IS_PERMERROR);
		p = read_value(p + 8, TOKEN, got);
	}
	return check_property(p, f);
}

static void
check_results(const struct header_facts *f)
{
	struct header_facts both[2] = { *f, *f };
	char out[HEADER_MAX], got[HEADER_MAX];
	const char *p;

	both[1].is_helo = !f->is_helo;
	for (int count = 0; count <= 2; count++) {
		CHECK(header_authentication_results(out, f->receiver, both,
		    count) == out);
		unfold(out, "Authentication-Results");
		p = read_value(out, TOKEN, got);
		CHECK(header_is_from(out, got));
		if (header_is_authserv_id(f->receiver))
			CHECK(strcmp(got, f->receiver) == 0 && out[0] != '"');
		if (count == 0)
			p = expect(p, "; none");
		for (int i = 0; i < count; i++)
			p = check_resinfo(p, &both[i]);
		CHECK(*p == '\0');
	}
}

/* --- what strangers wrote */

/* More in front that says nothing, and letters of the other case. */
static void
check_readers(const char *value, const char *name)
{
	static const char *const before[] = { " ", "\r\n\t", "(a (b\\)) c)",
	    "(\") \v" };
	bool from = header_is_from(value, name),
	    by = header_is_received_by(value, name);
	size_t room = strlen(value) + 20;
	char *longer = malloc(room);

	CHECK(longer != NULL);
	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		snprintf(longer, room, "%s%s", before[i], value);
		for (char *p = longer; *p != '\0'; p++)
			if ((*p >= 'a' && *p <= 'z') ||
			    (*p >= 'A' && *p <= 'Z'))
				*p ^= 0x20;
		CHECK(header_is_from(longer, name) == from);
		CHECK(header_is_received_by(longer, name) == by);
	}
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned result = fuzz_byte(&in) % SPF_RESULTS, flags = fuzz_byte(&in);
	struct addr addr;
	char *field[9];
	struct header_facts f;

	for (size_t i = 0; i < sizeof addr.byte; i++)
		addr.byte[i] = (unsigned char)fuzz_byte(&in);
	if ((flags & IPV4) != 0) {
		memset(addr.byte, 0, 10);
		memset(addr.byte + 10, 0xff, 2);
	}
	for (size_t i = 0; i < 9; i++)
		field[i] = fuzz_field(&in);
	f = (struct header_facts) {
		.result = (enum spf_result)result,
		.is_helo = (flags & IS_HELO) != 0,
		.client = &addr,
		.receiver = field[0], .sender = field[1], .helo = field[2],
		.domain = field[3], .mechanism = field[4], .reason = field[5],
		.problem = field[6],
		.source = (flags & HAS_SOURCE) != 0 ? field[7] : NULL,
	};
	check_received(&f);
	check_results(&f);
	check_readers(field[8], field[0]);
	check_readers(field[8], "mx.example.net");
	for (size_t i = 0; i < 9; i++)
		free(field[i]);
	return 0;
}
