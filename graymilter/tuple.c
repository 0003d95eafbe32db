#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sha256.h"
#include "tuple.h"

/*
 * Of a longer address nothing is folded, for it is read into memory of this
 * size; RFC 5321 4.5.3.1.3 allows 254.
 */
#define FOLD_MAX	1024

#define DOMAIN_MAX	255

#define DIGITS		"0123456789"
#define HEX		DIGITS "abcdef"
#define LETTERS		"abcdefghijklmnopqrstuvwxyz"
#define BASE32		LETTERS "234567"	/* RFC 4648 6 */
#define HEX_MIN		4	/* a shorter run of hex digits may be a word */

#define HASH_TEXT	43	/* base64url of a SHA-256, no padding */
#define HASH_AT		(TUPLE_TEXT_MAX - HASH_TEXT)

static const struct {
	const char *word;
	unsigned char tag;	/* its keys begin with it; stored on disks */
	bool has[TUPLE_PARTS];
} kinds[TUPLE_KINDS] = {
	[TUPLE_CLIENT] = { "client", 'C', { true, false, false } },
	[TUPLE_PAIR] = { "pair", 'P', { true, true, false } },
	[TUPLE_TRIPLET] = { "triplet", 'T', { true, true, true } },
	[TUPLE_NETWORK] = { "network", 'N', { true, false, false } },
	[TUPLE_FRIEND] = { "friend", 'F', { false, true, true } },
};

_Static_assert(1 + TUPLE_PARTS * (TUPLE_TEXT_MAX + 1) <= STORE_KEY_MAX,
    "the longest key fits");

bool
tuple_has(enum tuple_kind kind, enum tuple_part part)
{
	return kinds[kind].has[part];
}

const char *
tuple_word(enum tuple_kind kind)
{
	return kinds[kind].word;
}

int
tuple_kind(const char *word)
{
	for (int i = 0; i < TUPLE_KINDS; i++)
		if (strcmp(word, kinds[i].word) == 0)
			return i;
	return -1;
}

/* --- texts */

/* ASCII only, whatever the locale; ends out with NUL. */
static void
copy_lower(char *out, const char *in, size_t size)
{
	for (; size > 0; size--, in++)
		*out++ = *in >= 'A' && *in <= 'Z' ?
		    (char)(*in - 'A' + 'a') : *in;
	*out = '\0';
}

/* base64url (RFC 4648 5) without padding and NUL. */
static void
put_hash(char out[HASH_TEXT], const char *text, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    LETTERS DIGITS "-_";
	unsigned char hash[SHA256_SIZE + 1];

	sha256(hash, text, size);
	hash[SHA256_SIZE] = 0;
	for (int i = 0; i < HASH_TEXT; i++) {
		const unsigned char *p = hash + i * 6 / 8;

		out[i] = digits[(p[0] << 8 | p[1]) >> (10 - i * 6 % 8) & 63];
	}
}

static void
set_text(char out[TUPLE_TEXT_MAX + 1], const char *text, size_t size)
{
	if (size < TUPLE_TEXT_MAX) {
		memcpy(out, text, size);
		out[size] = '\0';
		return;
	}
	memcpy(out, text, HASH_AT - 1);
	out[HASH_AT - 1] = '~';
	put_hash(out + HASH_AT, text, size);
	out[TUPLE_TEXT_MAX] = '\0';
}

/* --- clients */

void
tuple_set_network(struct tuple *t, const struct addr *addr, long prefix4,
    long prefix6)
{
	int bits = addr_is_ipv4(addr) ? ADDR_IPV4_BITS + (int)prefix4 :
	    (int)prefix6;
	struct addr network = *addr;
	char text[ADDR_TEXT_MAX];

	addr_mask(&network, bits);
	addr_print_network(&network, bits, text);
	set_text(t->client, text, strlen(text));
}

int
tuple_set_domain(struct tuple *t, const char *domain)
{
	size_t size = strlen(domain);
	char text[DOMAIN_MAX + 1];

	if (size > 0 && domain[size - 1] == '.')
		size--;
	if (size == 0 || size > DOMAIN_MAX)
		return -1;
	copy_lower(text, domain, size);
	if (text[strspn(text, LETTERS DIGITS "-_.")] != '\0' ||
	    text[0] == '.' || text[size - 1] == '.' ||
	    strstr(text, "..") != NULL)
		return -1;
	set_text(t->client, text, size);
	return 0;
}

/* --- what is folded in a local part, which is in lower case */

static void
cut(char *from, const char *to)
{
	memmove(from, to, strlen(to) + 1);
}

static bool
has_digit(const char *p, size_t size)
{
	return strcspn(p, DIGITS) < size;
}

/* What is behind this at the beginning of p; NULL: p begins otherwise. */
static char *
skip(char *p, const char *begin)
{
	size_t size = strlen(begin);

	return strncmp(p, begin, size) == 0 ? p + size : NULL;
}

/* prvs=joe/3092ab1c2d: the signature ends with the local part or a detail. */
static bool
drop_prvs_behind(char *local)
{
	char *joe = skip(local, "prvs="), *slash, *end;

	if (joe == NULL)
		return false;
	slash = joe + strcspn(joe, "=/");
	if (slash == joe || *slash != '/')
		return false;
	end = slash + 1 + strspn(slash + 1, LETTERS DIGITS);
	if ((*end != '\0' && *end != '+') ||
	    !has_digit(slash, (size_t)(end - slash)))
		return false;
	cut(slash, end);
	cut(local, joe);
	return true;
}

/* A signature of a bounce address; the draft of BATV and its relatives. */
static bool
drop_signature(char *local)
{
	static const struct {
		const char *begin, *end;	/* its value is in between */
	} rows[] = {
		{ "prvs=", "=" },
		{ "btv1==", "==" },
		{ "msprvs1=", "=" },
	};

	if (drop_prvs_behind(local))
		return true;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *value = skip(local, rows[i].begin), *joe;
		size_t size;

		if (value == NULL)
			continue;
		size = strcspn(value, "=");
		joe = skip(value + size, rows[i].end);
		if (joe == NULL || *joe == '\0' || !has_digit(value, size))
			continue;
		cut(local, joe);
		return true;
	}
	return false;
}

/* What is behind a field and its '='; NULL when it is none, or empty. */
static char *
skip_field(char *p)
{
	size_t size = strcspn(p, "=");

	return size > 0 && p[size] == '=' ? p + size + 1 : NULL;
}

/* The same for a hash and a time of two digits, which no domain looks like. */
static char *
skip_stamp(char *p)
{
	size_t size = strcspn(p, "=.");

	if (size == 0 || p[size] != '=')
		return NULL;
	p += size + 1;
	return strspn(p, BASE32) == 2 && p[2] == '=' ? p + 3 : NULL;
}

static bool
is_separator(char c)
{
	return c == '=' || c == '+' || c == '-';
}

/*
 * An address rewritten by a forwarder (SRS) loses what is its signature.
 * Returns where the address has its first local part; NULL: it is none.
 */
static char *
drop_stamp(char *local)
{
	char *out = local + strlen("srs0="), *p = out, *host = NULL, *joe;

	if (strncmp(local, "srs", 3) != 0 ||
	    (local[3] != '0' && local[3] != '1') || !is_separator(local[4]))
		return NULL;
	if (local[3] == '1') {		/* and rewritten again */
		if ((host = skip_field(p)) == NULL ||
		    (p = skip_field(host)) == NULL || !is_separator(*p++))
			return NULL;
	}
	if ((p = skip_stamp(p)) == NULL || (joe = skip_field(p)) == NULL ||
	    *joe == '\0')
		return NULL;
	local[4] = '=';
	if (host != NULL) {
		size_t size = strcspn(host, "=") + 1;

		memmove(out, host, size);
		out += size;
		*out++ = '=';
	}
	joe -= p - out;
	cut(out, p);
	return joe;
}

static bool
is_number(const char *p, size_t size)
{
	return size > 0 && (strspn(p, DIGITS) == size || (size >= HEX_MIN &&
	    strspn(p, HEX) == size && has_digit(p, size)));
}

static void
fold_numbers(char *local)
{
	const char *in = local;
	char *out = local;

	if (is_number(local, strlen(local)))
		return;
	for (;;) {
		size_t size = strcspn(in, "-=._");

		if (is_number(in, size))
			*out++ = '#';
		else {
			memmove(out, in, size);
			out += size;
		}
		in += size;
		if (*in == '\0')
			break;
		*out++ = *in++;
	}
	*out = '\0';
}

static void
fold_local(char *local)
{
	char *p = local, *plus;

	if (*local == '\0')
		return;
	do {
		while (drop_signature(p))
			;
	} while ((p = drop_stamp(p)) != NULL);
	if ((plus = strchr(local + 1, '+')) != NULL)
		*plus = '\0';
	fold_numbers(local);
}

/* --- senders and recipients */

/* fold is NULL, or changes a local part in its place, making it no longer. */
static void
set_mailbox(char out[TUPLE_TEXT_MAX + 1], const char *path,
    void (*fold)(char *local))
{
	char text[FOLD_MAX + 1];
	struct addr_mailbox m;
	size_t size;

	addr_mailbox(&m, path);
	size = (size_t)(m.domain + m.domain_size - m.local);
	if (size > FOLD_MAX) {
		set_text(out, m.local, size);
		return;
	}
	copy_lower(text, m.local, m.local_size);
	/* Between quotes nothing stands for anything but itself. */
	if (fold != NULL && strpbrk(text, "\"\\") == NULL)
		fold(text);
	copy_lower(text + strlen(text), m.local + m.local_size,
	    size - m.local_size);
	set_text(out, text, strlen(text));
}

void
tuple_set_sender(struct tuple *t, const char *path)
{
	set_mailbox(t->sender, path, fold_local);
}

void
tuple_set_recipient(struct tuple *t, const char *path)
{
	set_mailbox(t->recipient, path, NULL);
}

/* --- keys: a tag, then each text with its NUL, which no text can hold */

static size_t
put_text(unsigned char *out, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(out, text, size);
	return size;
}

size_t
tuple_key(unsigned char key[STORE_KEY_MAX], enum tuple_kind kind,
    const struct tuple *t)
{
	const char *const texts[] = { t->client, t->sender, t->recipient };
	size_t size = 0;

	key[size++] = kinds[kind].tag;
	for (int i = 0; i < TUPLE_PARTS; i++)
		if (kinds[kind].has[i])
			size += put_text(key + size, texts[i]);
	return size;
}

int
tuple_from_key(struct tuple *t, const void *key, size_t size)
{
	struct tuple found = { .client = "" };
	char *const texts[] = { found.client, found.sender, found.recipient };
	const unsigned char *p = key, *end = p + size, *nul;
	int kind = 0;

	while (kind < TUPLE_KINDS && (size == 0 || *p != kinds[kind].tag))
		kind++;
	if (kind == TUPLE_KINDS)
		return -1;
	p++;
	for (int i = 0; i < TUPLE_PARTS; i++) {
		if (!kinds[kind].has[i])
			continue;
		nul = memchr(p, '\0', (size_t)(end - p));
		if (nul == NULL || nul - p > TUPLE_TEXT_MAX)
			return -1;
		memcpy(texts[i], p, (size_t)(nul - p));
		p = nul + 1;
	}
	if (p != end)
		return -1;
	*t = found;
	return kind;
}

size_t
tuple_key_prefix(unsigned char key[STORE_KEY_MAX], enum tuple_kind kind,
    const char *client)
{
	key[0] = kinds[kind].tag;
	if (client == NULL || !tuple_has(kind, TUPLE_OF_CLIENT))
		return 1;
	return 1 + put_text(key + 1, client);
}

/* --- words */

static bool
is_plain(char c)
{
	return c > ' ' && c <= '~' && c != '\\';
}

const char *
tuple_print(char out[TUPLE_PRINT_MAX], const char *text)
{
	/* The text "<>" is none of ours, but must not read as nothing. */
	bool odd = strcmp(text, "<>") == 0;
	size_t size = 0;

	for (size_t i = 0; i < TUPLE_TEXT_MAX && text[i] != '\0'; i++) {
		if (is_plain(text[i]) && !odd)
			out[size++] = text[i];
		else
			size += (size_t)snprintf(out + size, 5, "\\x%02x",
			    (unsigned char)text[i]);
	}
	out[size] = '\0';
	return size == 0 ? memcpy(out, "<>", 3) : out;
}

/* The value of two hex digits; -1: they are none. */
static int
hex_value(const char *p)
{
	static const char digits[] = HEX;
	char pair[3] = { 0 };
	int value = 0;

	copy_lower(pair, p, strnlen(p, 2));
	for (int i = 0; i < 2; i++) {
		const char *digit = memchr(digits, pair[i], 16);

		if (digit == NULL)
			return -1;
		value = value * 16 + (int)(digit - digits);
	}
	return value;
}

int
tuple_scan(char out[TUPLE_TEXT_MAX + 1], const char *word)
{
	const char *p = strcmp(word, "<>") == 0 ? word + 2 : word;
	char text[TUPLE_TEXT_MAX + 1];
	size_t size = 0;
	int c;

	if (*word == '\0')
		return -1;
	while (*p != '\0') {
		if (is_plain(*p))
			c = *p++;
		else if (p[0] != '\\' || p[1] != 'x' ||
		    (c = hex_value(p + 2)) <= 0)
			return -1;
		else
			p += 4;
		if (size == TUPLE_TEXT_MAX)
			return -1;
		text[size++] = (char)c;
	}
	text[size] = '\0';
	memcpy(out, text, size + 1);
	return 0;
}
