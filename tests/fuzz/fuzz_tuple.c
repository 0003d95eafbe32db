/*
 * Tuples.  The input is three texts that end with NUL, a sender's path, a
 * recipient's and a domain, and then the bytes of a key; each is also taken
 * for a word of a dump.
 *
 * What was folded is folded: as a path again it stays what it is.  Left aside
 * are texts that were shortened, texts that a path would take for a route,
 * and those that still look rewritten by a forwarder; they only get shorter.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "tuple.h"

/* The mailbox in a path in lower case; the caller frees it. */
static char *
mailbox(const char *path)
{
	struct addr_mailbox m;
	size_t size;
	char *copy;

	addr_mailbox(&m, path);
	size = (size_t)(m.domain + m.domain_size - m.local);
	copy = malloc(size + 1);
	CHECK(copy != NULL);
	memcpy(copy, m.local, size);
	copy[size] = '\0';
	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy;
}

/* --- one text */

static void
check_word(const char *text)
{
	char word[TUPLE_PRINT_MAX], back[TUPLE_TEXT_MAX + 1];

	CHECK(tuple_print(word, text) == word);
	CHECK(strlen(word) > 0 && strlen(word) < sizeof word);
	for (const char *p = word; *p != '\0'; p++)
		CHECK(*p > ' ' && *p <= '~');
	CHECK(tuple_scan(back, word) == 0);
	CHECK(strcmp(back, text) == 0);
}

static void
check_scan(const char *word)
{
	char text[TUPLE_TEXT_MAX + 1] = "before";

	if (tuple_scan(text, word) == -1)
		CHECK(strcmp(text, "before") == 0);
	else {
		CHECK(strlen(text) <= TUPLE_TEXT_MAX);
		check_word(text);
	}
}

/* Is it as long as those that were shortened, and looks like one? */
static bool
is_short_form(const char *text)
{
	size_t size = strlen(text);

	CHECK(size <= TUPLE_TEXT_MAX);
	if (size == TUPLE_TEXT_MAX)
		CHECK(text[TUPLE_TEXT_MAX - 44] == '~');
	return size == TUPLE_TEXT_MAX;
}

/* SRS0 with a domain and a local part that look like a hash and a time. */
static bool
looks_rewritten(const char *text)
{
	return strncmp(text, "srs0=", 5) == 0 &&
	    text[5 + strcspn(text + 5, "=.")] == '=';
}

static void
check_folded(const char *text)
{
	char path[TUPLE_TEXT_MAX + 3];
	struct tuple t;

	if (is_short_form(text) || (text[0] == '@' && strchr(text, ':')))
		return;
	snprintf(path, sizeof path, "<%s>", text);
	tuple_set_sender(&t, path);
	CHECK(strcmp(t.sender, text) == 0 || (looks_rewritten(text) &&
	    strlen(t.sender) < strlen(text)));
}

/* --- senders and recipients */

static void
check_sender(const char *path)
{
	char *plain = mailbox(path), *at, *end;
	struct tuple t;

	memset(&t, 'x', sizeof t);
	tuple_set_sender(&t, path);
	CHECK((t.sender[0] == '\0') == (plain[0] == '\0'));
	check_word(t.sender);
	check_folded(t.sender);
	if (!is_short_form(t.sender)) {
		struct addr_mailbox m;

		/* The domain is not touched, nor is what is quoted. */
		CHECK(strlen(t.sender) <= strlen(plain));
		addr_mailbox(&m, path);
		at = t.sender + strlen(t.sender) - m.domain_size;
		end = plain + strlen(plain) - m.domain_size;
		CHECK(strcmp(at, end) == 0);
		CHECK(m.domain_size == 0 || at[-1] == '@');
		if (memchr(m.local, '"', m.local_size) != NULL)
			CHECK(strcmp(t.sender, plain) == 0);
	}
	CHECK(t.client[0] == 'x' && t.recipient[0] == 'x');
	free(plain);
}

static void
check_recipient(const char *path)
{
	char *plain = mailbox(path);
	struct tuple t;

	memset(&t, 'x', sizeof t);
	tuple_set_recipient(&t, path);
	if (strlen(plain) < TUPLE_TEXT_MAX)
		CHECK(strcmp(t.recipient, plain) == 0);
	else
		CHECK(is_short_form(t.recipient));
	check_word(t.recipient);
	CHECK(t.client[0] == 'x' && t.sender[0] == 'x');
	free(plain);
}

static void
check_domain(const char *domain)
{
	struct tuple t = { .client = "before" };

	if (tuple_set_domain(&t, domain) == -1) {
		CHECK(strcmp(t.client, "before") == 0);
		return;
	}
	CHECK(t.client[0] != '\0' && t.client[0] != '.');
	if (!is_short_form(t.client)) {
		CHECK(t.client[strspn(t.client, "abcdefghijklmnopqrstuvwxyz"
		    "0123456789-_.")] == '\0');
		CHECK(strncasecmp(domain, t.client, strlen(t.client)) == 0);
		CHECK(tuple_set_domain(&t, t.client) == 0);
	}
	check_word(t.client);
}

/* --- keys */

static bool
same_parts(enum tuple_kind kind, const struct tuple *a, const struct tuple *b)
{
	bool client = strcmp(a->client, b->client) == 0;
	bool sender = strcmp(a->sender, b->sender) == 0;
	bool recipient = strcmp(a->recipient, b->recipient) == 0;

	switch (kind) {
	case TUPLE_CLIENT:
	case TUPLE_NETWORK:
		return client;
	case TUPLE_PAIR:
		return client && sender;
	case TUPLE_TRIPLET:
		return client && sender && recipient;
	default:
		return sender && recipient;
	}
}

static void
check_key(enum tuple_kind kind, const struct tuple *t)
{
	unsigned char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX];
	struct tuple back;
	size_t size = tuple_key(key, kind, t), prefix_size;

	CHECK(size <= sizeof key);
	CHECK(tuple_from_key(&back, key, size) == (int)kind);
	CHECK(same_parts(kind, &back, t));
	CHECK(tuple_from_key(&back, key, size - 1) == -1);
	prefix_size = tuple_key_prefix(prefix, kind, t->client);
	CHECK(prefix_size <= size && memcmp(prefix, key, prefix_size) == 0);
	CHECK(tuple_key_prefix(prefix, kind, NULL) == 1);
	CHECK(prefix[0] == key[0]);
}

/* One has the key of the other only if it is the same in all its parts. */
static void
check_two_keys(const struct tuple *a, const struct tuple *b)
{
	unsigned char x[STORE_KEY_MAX], y[STORE_KEY_MAX];

	for (int i = 0; i < TUPLE_KINDS * TUPLE_KINDS; i++) {
		enum tuple_kind p = (enum tuple_kind)(i / TUPLE_KINDS);
		enum tuple_kind q = (enum tuple_kind)(i % TUPLE_KINDS);
		size_t size = tuple_key(x, p, a);
		bool equal = tuple_key(y, q, b) == size &&
		    memcmp(x, y, size) == 0;

		CHECK(equal == (p == q && same_parts(p, a, b)));
	}
}

static void
check_keys(const char *path, const char *other, const char *domain)
{
	struct tuple t = { .client = "" }, u = t;
	struct addr addr = { .byte = { 0x20, 0x01, 0x0d, 0xb8 } };

	tuple_set_network(&u, &addr, 24, 64);
	tuple_set_domain(&t, domain);
	tuple_set_sender(&t, path);
	tuple_set_sender(&u, other);
	tuple_set_recipient(&t, other);
	tuple_set_recipient(&u, path);
	for (int i = 0; i < TUPLE_KINDS; i++) {
		check_key((enum tuple_kind)i, &t);
		check_key((enum tuple_kind)i, &u);
	}
	check_two_keys(&t, &u);
	memcpy(u.client, t.client, sizeof u.client);
	check_two_keys(&t, &u);
	/* The same bytes with the border elsewhere. */
	if (t.sender[0] != '\0' && strlen(t.recipient) < TUPLE_TEXT_MAX) {
		u = t;
		memmove(u.sender, u.sender + 1, sizeof u.sender - 1);
		u.recipient[strlen(u.recipient)] = t.sender[0];
		check_two_keys(&t, &u);
	}
}

/* Two recipients are one only if they are the same, but for case. */
static void
check_two_recipients(const char *path, const char *other)
{
	char *p = mailbox(path), *q = mailbox(other);
	struct tuple t, u;

	tuple_set_recipient(&t, path);
	tuple_set_recipient(&u, other);
	if (strcmp(p, q) != 0)
		CHECK(strcmp(t.recipient, u.recipient) != 0);
	free(p);
	free(q);
}

static void
check_raw_key(const uint8_t *data, size_t size)
{
	struct tuple t = { "x", "y", "z", "" }, before = t;
	unsigned char key[STORE_KEY_MAX];
	int kind = tuple_from_key(&t, data, size);

	if (kind == -1) {
		CHECK(memcmp(&t, &before, sizeof t) == 0);
		return;
	}
	CHECK(tuple_key(key, (enum tuple_kind)kind, &t) == size);
	CHECK(memcmp(key, data, size) == 0);
	check_word(t.client);
	check_word(t.sender);
	check_word(t.recipient);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *sender = fuzz_field(&in), *recipient = fuzz_field(&in),
	    *domain = fuzz_field(&in);

	check_raw_key(in.at, in.left);
	check_raw_key(data, size);
	check_sender(sender);
	check_sender(recipient);
	check_recipient(sender);
	check_recipient(recipient);
	check_two_recipients(sender, recipient);
	check_domain(domain);
	check_domain(sender);
	check_keys(sender, recipient, domain);
	check_scan(sender);
	check_scan(recipient);
	check_scan(domain);
	free(sender);
	free(recipient);
	free(domain);
	return 0;
}
