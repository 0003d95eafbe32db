/*
 * t_tuple - what is left of an address, and keys that belong to one tuple
 * only.
 */
#include <stdlib.h>
#include <string.h>

#include "tuple.h"
#include "unit.h"

static void
words(void **state)
{
	char all[80];

	(void)state;
	snprintf(all, sizeof all, "%s|%s|%s", tuple_word(TUPLE_CLIENT),
	    tuple_word(TUPLE_PAIR), tuple_word(TUPLE_TRIPLET));
	assert_string_equal(all, TUPLE_WORDS);
	assert_string_equal(tuple_word(TUPLE_NETWORK), "network");
	assert_string_equal(tuple_word(TUPLE_FRIEND), "friend");
	for (int i = 0; i < TUPLE_KINDS; i++)
		assert_int_equal(tuple_kind(tuple_word((enum tuple_kind)i)),
		    i);
	assert_int_equal(tuple_kind("Pair"), -1);
	assert_int_equal(tuple_kind("pairs"), -1);
	assert_int_equal(tuple_kind(""), -1);
}

/* --- clients */

static void
networks(void **state)
{
	static const struct {
		const char *addr;
		long prefix4, prefix6;
		const char *want;
	} table[] = {
		{ "192.0.2.7", 24, 64, "192.0.2.0/24" },
		{ "192.0.2.255", 32, 64, "192.0.2.255/32" },
		{ "192.0.2.7", 23, 64, "192.0.2.0/23" },
		{ "192.0.3.7", 23, 64, "192.0.2.0/23" },
		{ "192.0.2.7", 0, 64, "0.0.0.0/0" },
		{ "::ffff:192.0.2.7", 24, 64, "192.0.2.0/24" },
		{ "2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::/64" },
		{ "2001:db8:1:2:3:4:5:6", 24, 56, "2001:db8:1::/56" },
		{ "2001:db8:1:2:3:4:5:6", 24, 128,
		    "2001:db8:1:2:3:4:5:6/128" },
		{ "2001:db8::1", 24, 0, "::/0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 24, 128,
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
		/* Not mapped, and masking does not make it so. */
		{ "::1:ffff:192.0.2.7", 24, 96, "::1:ffff:0:0/96" },
		{ "::fffe:192.0.2.7", 24, 112, "::fffe:c000:0/112" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct tuple t;
		struct addr addr;

		assert_int_equal(addr_parse(&addr, table[i].addr), 0);
		tuple_set_network(&t, &addr, table[i].prefix4,
		    table[i].prefix6);
		CHECK(strcmp(t.client, table[i].want) == 0, "%s: %s",
		    table[i].addr, t.client);
	}
}

#define LABEL60	"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static void
domains(void **state)
{
	static const struct {
		const char *domain, *want;	/* NULL: it is none */
	} table[] = {
		{ "example.org", "example.org" },
		{ "Example.ORG.", "example.org" },
		{ "org", "org" },
		{ "_spf.a-b.x1", "_spf.a-b.x1" },
		{ "xn--mnchen-3ya.de", "xn--mnchen-3ya.de" },
		{ LABEL60 "." LABEL60 "." LABEL60,
		    "dddddddddddddddddddddddddddddddddddd~"
		    "Zec_cq4MUj_zb_r7CvfFEmJs82G0S0Vpgk38TkpUEkw" },
		{ "", NULL },
		{ ".", NULL },
		{ "..", NULL },
		{ ".example.org", NULL },
		{ "example..org", NULL },
		{ "example.org..", NULL },
		{ "192.0.2.0/24", NULL },
		{ "2001:db8::", NULL },
		{ "exa mple.org", NULL },
		{ "example.org\n", NULL },
		{ "m\xc3\xbcnchen.de", NULL },
		{ "a~b", NULL },
		{ "[192.0.2.7]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct tuple t = { .client = "before" };
		int want = table[i].want == NULL ? -1 : 0;

		CHECK(tuple_set_domain(&t, table[i].domain) == want, "%s",
		    table[i].domain);
		CHECK(strcmp(t.client, want == -1 ? "before" :
		    table[i].want) == 0, "%s: %s", table[i].domain, t.client);
	}
}

static void
longest_domain(void **state)
{
	char domain[258];
	struct tuple t;

	(void)state;
	memset(domain, 'd', sizeof domain);
	domain[255] = '\0';
	assert_int_equal(tuple_set_domain(&t, domain), 0);
	domain[255] = '.';
	domain[256] = '\0';
	assert_int_equal(tuple_set_domain(&t, domain), 0);
	domain[255] = 'd';
	assert_int_equal(tuple_set_domain(&t, domain), -1);
}

/* --- senders */

static void
check_senders(const char *const table[][2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct tuple t;

		tuple_set_sender(&t, table[i][0]);
		CHECK(strcmp(t.sender, table[i][1]) == 0, "%s: %s, not %s",
		    table[i][0], t.sender, table[i][1]);
	}
}

static void
senders(void **state)
{
	static const char *const table[][2] = {
		{ "<>", "" },
		{ "", "" },
		{ "<joe@example.org>", "joe@example.org" },
		{ "joe@example.org", "joe@example.org" },
		{ "<Joe@Example.ORG>", "joe@example.org" },
		{ "<@relay.example,@b:Joe@example.org>", "joe@example.org" },
		{ "<joe>", "joe" },
		{ "<joe@>", "joe@" },
		{ "<@>", "@" },
		{ "<@example.org>", "@example.org" },
		{ "<MAILER-DAEMON>", "mailer-daemon" },
		{ "<joe@[192.0.2.7]>", "joe@[192.0.2.7]" },
		{ "<a@b@c>", "a@b@c" },
		{ "<a+x@b@c>", "a@c" },
		/* What is not ASCII keeps its case. */
		{ "<J\xc3\x96rg@M\xc3\x9cnchen.DE>",
		    "j\xc3\x96rg@m\xc3\x9cnchen.de" },
		/* Quoted, it is taken as it is. */
		{ "<\"Joe+News\"@a>", "\"joe+news\"@a" },
		{ "<\"joe 12 @ home\"@a>", "\"joe 12 @ home\"@a" },
		{ "<\"x-12-y\"@a>", "\"x-12-y\"@a" },
		{ "<l\\-12-y@a>", "l\\-12-y@a" },
		{ "<prvs=3092ab1c2d=\"joe\"@a>",
		    "prvs=3092ab1c2d=\"joe\"@a" },
		/* Separators of ours and of others are nothing special. */
		{ "<a\nb@c>", "a\nb@c" },
		{ "<a b@c>", "a b@c" },
		{ "<a|b,c;d@e>", "a|b,c;d@e" },
		{ "<<>>", "<>" },
		{ "<a@b", "<a@b" },
	};

	(void)state;
	check_senders(table, COUNT(table));
}

static void
signed_senders(void **state)
{
	static const char *const table[][2] = {
		{ "<prvs=3092AB1C2D=joe@a>", "joe@a" },
		{ "<PRVS=3092AB1C2D=Joe@a>", "joe@a" },
		{ "<prvs=joe/3092AB1C2D@a>", "joe@a" },
		{ "<prvs=joe/3092AB1C2D+x@a>", "joe@a" },
		{ "<prvs=joe/3092AB1C2D+x=y@a>", "joe@a" },
		{ "<prvs=0812e1cfb5=l-admin=c.d@a>", "l-admin=c.d@a" },
		{ "<prvs=3092AB1C2D=joe+news@a>", "joe@a" },
		{ "<prvs=3092AB1C2D=prvs=1111AAAAAA=joe@a>", "joe@a" },
		{ "<prvs=3092AB1C2D=joe/3092AB1C2D@a>",
		    "joe/3092ab1c2d@a" },
		{ "<btv1==0123==joe@a>", "joe@a" },
		{ "<btv1==185e0c4e0ab==joe@a>", "joe@a" },
		{ "<msprvs1=19150Fx0yAFcr=bounces-272338@a>",
		    "bounces-#@a" },
		/* Not signed. */
		{ "<prvs@a>", "prvs@a" },
		{ "<prv@a>", "prv@a" },
		{ "<prvs=@a>", "prvs=@a" },
		{ "<prvs==joe@a>", "prvs==joe@a" },
		{ "<prvs3092AB1C2Djoe@a>", "prvs3092ab1c2djoe@a" },
		{ "<prvs=3092AB1C2D@a>", "prvs=#@a" },
		{ "<prvs=3092AB1C2D=@a>", "prvs=#=@a" },
		{ "<prvs=smith=joe@a>", "prvs=smith=joe@a" },
		{ "<prvs=/3092AB1C2D@a>", "prvs=/3092ab1c2d@a" },
		{ "<prvs=joe/@a>", "prvs=joe/@a" },
		{ "<prvs=joe/smith@a>", "prvs=joe/smith@a" },
		{ "<prvs=joe/3092-AB1C2D@a>", "prvs=joe/3092-#@a" },
		{ "<xprvs=3092AB1C2D=joe@a>", "xprvs=#=joe@a" },
		{ "<btv1=0123=joe@a>", "btv1=#=joe@a" },
		{ "<btv1==0123=joe@a>", "btv1==#=joe@a" },
		{ "<btv1==0123==@a>", "btv1==#==@a" },
		{ "<btv1==@a>", "btv1==@a" },
		{ "<msprvs1=@a>", "msprvs1=@a" },
	};

	(void)state;
	check_senders(table, COUNT(table));
}

static void
forwarded_senders(void **state)
{
	static const char *const table[][2] = {
		{ "<SRS0=ab12=XY=a=joe@b>", "srs0=a=joe@b" },
		{ "<SRS0+ab12=XY=a=joe@b>", "srs0=a=joe@b" },
		{ "<SRS0-ab12=XY=a=joe@b>", "srs0=a=joe@b" },
		{ "<srs0=Ab+/=7q=example.org=joe@b>",
		    "srs0=example.org=joe@b" },
		{ "<SRS0=ab12=XY=a=joe+news@b>", "srs0=a=joe@b" },
		{ "<SRS0=ab12=XY=a=l-1234-ann=c@b>", "srs0=a=l-#-ann=c@b" },
		{ "<SRS0=ab12=XY=a=prvs=3092AB1C2D=joe@b>", "srs0=a=joe@b" },
		{ "<prvs=3092AB1C2D=SRS0=ab12=XY=a=joe@b>", "srs0=a=joe@b" },
		{ "<SRS1=ab=c==de=XY=a=joe@b>", "srs1=c==a=joe@b" },
		{ "<SRS1+ab=c=+de=XY=a=joe@b>", "srs1=c==a=joe@b" },
		{ "<SRS1-ab=c=-de=XY=a=joe@b>", "srs1=c==a=joe@b" },
		{ "<SRS1=ab=c.example==de=XY=a.example=joe+x@b>",
		    "srs1=c.example==a.example=joe@b" },
		{ "<SRS1=ab=c==de=XY=a=btv1==0123==joe@b>",
		    "srs1=c==a=joe@b" },
		{ "<SRS0=x=YZ=a=SRS0=ab12=XY=b=joe@c>",
		    "srs0=a=srs0=b=joe@c" },
		/* Forwarders of another make. */
		{ "<bounces+SRS=lAZYh=MR@c>", "bounces@c" },
		/* Cut short, or otherwise not what it seems. */
		{ "<SRS0@b>", "srs0@b" },
		{ "<SRS0=@b>", "srs0=@b" },
		{ "<SRS0=ab@b>", "srs0=ab@b" },
		{ "<SRS0=ab=XY@b>", "srs0=ab=xy@b" },
		{ "<SRS0=ab=XY=a@b>", "srs0=ab=xy=a@b" },
		{ "<SRS0=ab=XY=a=@b>", "srs0=ab=xy=a=@b" },
		{ "<SRS0==XY=a=joe@b>", "srs0==xy=a=joe@b" },
		{ "<SRS0=ab==a=joe@b>", "srs0=ab==a=joe@b" },
		{ "<SRS0=ab=XY==joe@b>", "srs0=ab=xy==joe@b" },
		{ "<SRS0=ab=XYZ=a=joe@b>", "srs0=ab=xyz=a=joe@b" },
		{ "<SRS0=ab=X1=a=joe@b>", "srs0=ab=x1=a=joe@b" },
		{ "<SRS0.ab=XY=a=joe@b>", "srs0.ab=xy=a=joe@b" },
		{ "<SRS2=ab=XY=a=joe@b>", "srs2=ab=xy=a=joe@b" },
		{ "<SRS0=a.example=XY=c=joe@b>",
		    "srs0=a.example=xy=c=joe@b" },
		{ "<SRS1=ab=c=de=XY=a=joe@b>", "srs1=ab=c=de=xy=a=joe@b" },
		{ "<SRS1=ab=c==de=XY=a@b>", "srs1=ab=c==de=xy=a@b" },
		{ "<SRS1=ab=c=-de=X1=a=j@b>", "srs1=ab=c=-de=x1=a=j@b" },
		{ "<SRS1=ab=c@b>", "srs1=ab=c@b" },
		{ "<SRS1=ab=c=@b>", "srs1=ab=c=@b" },
		{ "<SRS1=ab==de=XY=a=joe@b>", "srs1=ab==de=xy=a=joe@b" },
	};

	(void)state;
	check_senders(table, COUNT(table));
}

static void
details_and_numbers(void **state)
{
	static const char *const table[][2] = {
		{ "<joe+news@a>", "joe@a" },
		{ "<joe+a+b@a>", "joe@a" },
		{ "<joe+@a>", "joe@a" },
		{ "<joe+news>", "joe" },
		{ "<joe@a+b>", "joe@a+b" },
		{ "<+@a>", "+@a" },
		{ "<+joe@a>", "+joe@a" },
		{ "<+joe+x@a>", "+joe@a" },
		{ "<++joe@a>", "+@a" },
		{ "<+491701234567@a>", "+491701234567@a" },
		{ "<l-1234-ann=c@a>", "l-#-ann=c@a" },
		{ "<l-1234@a>", "l-#@a" },
		{ "<1234-l@a>", "#-l@a" },
		{ "<l=12=m.34.n_56_o-78@a>", "l=#=m.#.n_#_o-#@a" },
		{ "<l-7@a>", "l-#@a" },
		{ "<l--7-@a>", "l--#-@a" },
		{ "<12-34@a>", "#-#@a" },
		{ "<-12@a>", "-#@a" },
		{ "<bounces+1234-ab=c@a>", "bounces@a" },
		/* The whole local part is a name. */
		{ "<12345@qq.com>", "12345@qq.com" },
		{ "<12345>", "12345" },
		{ "<12345+x@qq.com>", "12345@qq.com" },
		{ "<deadbeef00@a>", "deadbeef00@a" },
		{ "<prvs=3092AB1C2D=12345@qq.com>", "12345@qq.com" },
		/* Digits in a word. */
		{ "<joe12@a>", "joe12@a" },
		{ "<l-12a-b@a>", "l-12a-b@a" },
		{ "<l-a12-b@a>", "l-a12-b@a" },
		{ "<l/12/b@a>", "l/12/b@a" },
		{ "<l-12~b@a>", "l-12~b@a" },
		/* Runs of hex digits: four, with a digit. */
		{ "<l-0123abcd-x@a>", "l-#-x@a" },
		{ "<l-0123ABCDEF-x@a>", "l-#-x@a" },
		{ "<l-abcdefa1@a>", "l-#@a" },
		{ "<l-0abc-x@a>", "l-#-x@a" },
		{ "<l-0ab-x@a>", "l-0ab-x@a" },
		{ "<l-deadbeef-x@a>", "l-deadbeef-x@a" },
		{ "<l-0123abcg-x@a>", "l-0123abcg-x@a" },
		{ "<0100018c12ab34cd-12345678-90ab-4def-8123-567890abcdef-"
		    "000000@amazonses.com>",
		    "#-#-#-#-#-#-#@amazonses.com" },
		/* One that looks as if it had been a number. */
		{ "<l-#-ann=c@a>", "l-#-ann=c@a" },
		{ "<#@a>", "#@a" },
		/* Only in the local part. */
		{ "<joe@l-12.34.example>", "joe@l-12.34.example" },
		{ "<l-12-x@34.example>", "l-#-x@34.example" },
	};

	(void)state;
	check_senders(table, COUNT(table));
}

static void
recipients(void **state)
{
	static const char *const table[][2] = {
		{ "<Joe@Example.ORG>", "joe@example.org" },
		{ "joe@example.org", "joe@example.org" },
		{ "<@a,@b:joe@example.org>", "joe@example.org" },
		{ "<joe+News@a>", "joe+news@a" },
		{ "<l-1234-ann=c@a>", "l-1234-ann=c@a" },
		{ "<prvs=3092AB1C2D=joe@a>", "prvs=3092ab1c2d=joe@a" },
		{ "<SRS0=ab12=XY=a=joe@b>", "srs0=ab12=xy=a=joe@b" },
		{ "<\"J@x\"@A>", "\"j@x\"@a" },
		{ "<postmaster>", "postmaster" },
		{ "<>", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct tuple t;

		tuple_set_recipient(&t, table[i][0]);
		CHECK(strcmp(t.recipient, table[i][1]) == 0, "%s: %s",
		    table[i][0], t.recipient);
	}
}

/* --- long ones */

/* So often this letter, and then the rest; free it. */
static char *
long_text(char letter, size_t count, const char *rest)
{
	size_t size = strlen(rest) + 1;
	char *text = malloc(count + size);

	assert_non_null(text);
	memset(text, letter, count);
	memcpy(text + count, rest, size);
	return text;
}

#define A36	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHORT80	A36 "~JESW2wTVxBeFKjQ7xWRx3FbudJaHj0KpX0dW6zRtuvQ"
#define SHORT81	A36 "~dSuwgCXdHbjcu6PLApyacJodKLHX2EhIHbxUMuZAy8g"

static void
shortened(void **state)
{
	static const struct {
		char letter;
		size_t count;
		const char *rest, *want;	/* sender; NULL: as it is */
	} table[] = {
		{ 'a', 67, "@example.org", NULL },
		{ 'a', 68, "@example.org", SHORT80 },
		{ 'a', 69, "@example.org", SHORT81 },
		{ 'A', 69, "+detail@Example.ORG", SHORT81 },
		/* No text is its own short form, and none has that of
		 * another: as long as this it is shortened itself. */
		{ 'a', 0, SHORT80, A36
		    "~-p-QnAHSGAOsZ6k4tXpdzatahsxaEccS6MlyVxdK5j4" },
		{ 'a', 9988, "@example.org", A36
		    "~Rgf8lgfXGhrAiL_OuF2hc_Vyq5WOTpDbOp8_C6-uLGc" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char *path = long_text(table[i].letter, table[i].count,
		    table[i].rest);
		const char *want = table[i].want != NULL ? table[i].want :
		    path;
		struct tuple t;

		tuple_set_sender(&t, path);
		CHECK(strcmp(t.sender, want) == 0, "row %zu: %s", i, t.sender);
		free(path);
	}
}

/* Up to 1024 bytes are folded; beyond, an address is taken as it is. */
static void
longest_folded(void **state)
{
	char *folded = long_text('J', 1022, "@a"),
	    *same = long_text('j', 1022, "@a"),
	    *raw = long_text('J', 1023, "@a"),
	    *other = long_text('j', 1023, "@a");
	struct tuple a, b;

	(void)state;
	tuple_set_sender(&a, folded);
	tuple_set_sender(&b, same);
	assert_string_equal(a.sender, b.sender);
	tuple_set_sender(&a, raw);
	tuple_set_sender(&b, other);
	assert_string_not_equal(a.sender, b.sender);
	assert_int_equal(strlen(a.sender), TUPLE_TEXT_MAX);
	free(folded);
	free(same);
	free(raw);
	free(other);
}

/* --- keys */

struct key {
	unsigned char byte[STORE_KEY_MAX];
	size_t size;
};

static int
compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->byte, y->byte, x->size);
}

/* What has the key is what was made into it. */
static void
make_key(struct key *key, enum tuple_kind kind, const struct tuple *t)
{
	struct tuple back;
	struct key again;

	memset(&back, 'x', sizeof back);
	key->size = tuple_key(key->byte, kind, t);
	assert_true(key->size <= STORE_KEY_MAX);
	assert_int_equal(tuple_from_key(&back, key->byte, key->size), kind);
	again.size = tuple_key(again.byte, kind, &back);
	assert_int_equal(compare(key, &again), 0);
	assert_string_equal(back.client, kind == TUPLE_FRIEND ? "" :
	    t->client);
	assert_string_equal(back.sender, kind == TUPLE_CLIENT ||
	    kind == TUPLE_NETWORK ? "" : t->sender);
	assert_string_equal(back.recipient, kind == TUPLE_TRIPLET ||
	    kind == TUPLE_FRIEND ? t->recipient : "");
}

#define CLIENTS	4
#define LONG_PATHS 5
#define PATHS	(23 + LONG_PATHS)
#define KEYS	(CLIENTS * (2 + PATHS + PATHS * PATHS) + PATHS * PATHS)

/* A25: no two of these have one key, whatever stands beside what. */
static void
different_keys(void **state)
{
	static const char *const clients[CLIENTS] = { "", "a", "ab", "b" };
	const char *paths[PATHS] = { "", "a", "ab", "abc", "b", "bc", "c",
	    "\n", "a\nb", "a\n", "\nb", "a b", "a|b", "a,b", "a\x01" "b",
	    "a\xff", "a\\x0ab", "-", "~", "<>>", "<<>>", SHORT80, SHORT81 };
	char *const longest[LONG_PATHS] = {
		long_text('a', 68, "@example.org"),
		long_text('a', 9988, "@example.org"),
		long_text('a', 9988, "@example.orh"),
		long_text('a', 9989, "@example.org"),
		long_text('a', 9988, "\nexample.org"),
	};
	struct key *keys = malloc(KEYS * sizeof *keys);
	struct tuple t = { .client = "" };
	size_t n = 0;

	(void)state;
	assert_non_null(keys);
	memcpy(paths + PATHS - LONG_PATHS, longest, sizeof longest);
	for (size_t s = 0; s < PATHS; s++)
		for (size_t r = 0; r < PATHS; r++) {
			tuple_set_sender(&t, paths[s]);
			tuple_set_recipient(&t, paths[r]);
			make_key(&keys[n++], TUPLE_FRIEND, &t);
			for (size_t c = 0; c < CLIENTS; c++) {
				snprintf(t.client, sizeof t.client, "%s",
				    clients[c]);
				make_key(&keys[n++], TUPLE_TRIPLET, &t);
				if (r == 0)
					make_key(&keys[n++], TUPLE_PAIR, &t);
				if (r + s > 0)
					continue;
				make_key(&keys[n++], TUPLE_CLIENT, &t);
				make_key(&keys[n++], TUPLE_NETWORK, &t);
			}
		}
	assert_int_equal(n, KEYS);
	qsort(keys, n, sizeof *keys, compare);
	for (size_t i = 1; i < n; i++)
		CHECK(compare(&keys[i - 1], &keys[i]) != 0, "key %zu: %.*s", i,
		    (int)keys[i].size, (char *)keys[i].byte);
	free(keys);
	for (size_t i = 0; i < LONG_PATHS; i++)
		free(longest[i]);
}

/* The form itself: it is what the disks hold. */
static void
form_of_keys(void **state)
{
	static const struct {
		enum tuple_kind kind;
		const char *want;
		size_t size;
	} table[] = {
		{ TUPLE_CLIENT, "Cc", 3 },
		{ TUPLE_PAIR, "Pc\0s", 5 },
		{ TUPLE_TRIPLET, "Tc\0s\0r", 7 },
		{ TUPLE_NETWORK, "Nc", 3 },
		{ TUPLE_FRIEND, "Fs\0r", 5 },
	};
	const struct tuple t = { "c", "s", "r", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		unsigned char key[STORE_KEY_MAX];

		assert_int_equal(tuple_key(key, table[i].kind, &t),
		    table[i].size);
		CHECK(memcmp(key, table[i].want, table[i].size) == 0, "%s",
		    tuple_word(table[i].kind));
	}
}

static void
no_keys(void **state)
{
	static const struct {
		const char *key;
		size_t size;
		int want;
	} table[] = {
		{ "Pc\0s", 5, TUPLE_PAIR },
		{ "P\0", 3, TUPLE_PAIR },
		{ "C" SHORT80, 82, TUPLE_CLIENT },
		{ "", 0, -1 },
		{ "", 1, -1 },
		{ "P", 1, -1 },
		{ "P", 2, -1 },
		{ "Pc\0s", 4, -1 },
		{ "Pc\0s\0", 6, -1 },
		{ "Pc\0s\0r", 7, -1 },
		{ "Cc\0s", 5, -1 },
		{ "Tc\0s", 5, -1 },
		{ "Fs", 3, -1 },
		{ "pc\0s", 5, -1 },
		{ "Ac", 3, -1 },
		{ "C" SHORT80 "a", 83, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct tuple t = { "x", "y", "z", "" };
		const struct tuple before = t;
		char *key = malloc(table[i].size + 1);

		assert_non_null(key);
		/* At the end of its memory. */
		memcpy(key + 1, table[i].key, table[i].size);
		CHECK(tuple_from_key(&t, key + 1, table[i].size) ==
		    table[i].want, "row %zu", i);
		CHECK((memcmp(&t, &before, sizeof t) == 0) ==
		    (table[i].want == -1), "row %zu", i);
		free(key);
	}
}

static void
prefixes(void **state)
{
	static const char *const clients[] = { "", "a", "ab", "b" };
	unsigned char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX];

	(void)state;
	for (int i = 0; i < TUPLE_KINDS * TUPLE_KINDS * 16; i++) {
		enum tuple_kind of = (enum tuple_kind)(i / 16 / TUPLE_KINDS);
		enum tuple_kind kind = (enum tuple_kind)(i / 16 % TUPLE_KINDS);
		const char *client = clients[i % 4];
		struct tuple t = { "", "s", "r", "" };
		size_t size;

		snprintf(t.client, sizeof t.client, "%s", clients[i / 4 % 4]);
		tuple_key(key, kind, &t);
		size = tuple_key_prefix(prefix, of, NULL);
		assert_int_equal(size, 1);
		CHECK((memcmp(key, prefix, size) == 0) == (kind == of),
		    "%d of %d", kind, of);
		size = tuple_key_prefix(prefix, of, client);
		CHECK((memcmp(key, prefix, size) == 0) == (kind == of &&
		    (kind == TUPLE_FRIEND || strcmp(client, t.client) == 0)),
		    "%d of %d: %s of %s", kind, of, t.client, client);
	}
}

/* --- words */

static void
printed(void **state)
{
	static const char *const table[][2] = {
		{ "", "<>" },
		{ "joe@example.org", "joe@example.org" },
		{ "192.0.2.0/24", "192.0.2.0/24" },
		{ "l-#-x=\"'<>|;&$", "l-#-x=\"'<>|;&$" },
		{ "-", "-" },
		{ "a b", "a\\x20b" },
		{ "a\nb\r\t", "a\\x0ab\\x0d\\x09" },
		{ "\\x0a", "\\x5cx0a" },
		{ "m\xc3\xbc\x7f", "m\\xc3\\xbc\\x7f" },
		{ "<>", "\\x3c\\x3e" },
		{ "<", "<" },
		{ "<>>", "<>>" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char out[TUPLE_PRINT_MAX], back[TUPLE_TEXT_MAX + 1];

		assert_ptr_equal(tuple_print(out, table[i][0]), out);
		CHECK(strcmp(out, table[i][1]) == 0, "row %zu: %s", i, out);
		CHECK(tuple_scan(back, out) == 0, "row %zu", i);
		CHECK(strcmp(back, table[i][0]) == 0, "row %zu: %s", i, back);
	}
}

static void
scanned(void **state)
{
	static const struct {
		const char *word, *want;	/* NULL: it is none */
	} table[] = {
		{ "\\x41\\xC3\\xbC", "A\xc3\xbc" },
		{ "\\x20", " " },
		{ "a\\x5cb", "a\\b" },
		{ SHORT80, SHORT80 },
		{ "", NULL },
		{ " ", NULL },
		{ "a b", NULL },
		{ "a\n", NULL },
		{ "\x7f", NULL },
		{ "m\xc3\xbc", NULL },
		{ "\\", NULL },
		{ "\\x", NULL },
		{ "\\x4", NULL },
		{ "\\x4g", NULL },
		{ "\\x-1", NULL },
		{ "\\x 1", NULL },
		{ "\\X41", NULL },
		{ "\\n", NULL },
		{ "\\\\", NULL },
		{ "a\\x00", NULL },
		{ SHORT80 "a", NULL },
		{ SHORT80 "\\x41", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char out[TUPLE_TEXT_MAX + 1] = "before";
		char *word = long_text(' ', 0, table[i].word);
		int want = table[i].want == NULL ? -1 : 0;

		CHECK(tuple_scan(out, word) == want, "row %zu", i);
		CHECK(strcmp(out, want == -1 ? "before" : table[i].want) == 0,
		    "row %zu: %s", i, out);
		free(word);
	}
}

/* The longest text of the bytes that need the most room. */
static void
longest_word(void **state)
{
	char *text = long_text('\n', TUPLE_TEXT_MAX, "");
	char out[TUPLE_PRINT_MAX + 1], back[TUPLE_TEXT_MAX + 1];

	(void)state;
	out[TUPLE_PRINT_MAX] = 'x';
	assert_int_equal(strlen(tuple_print(out, text)), TUPLE_PRINT_MAX - 1);
	assert_int_equal(out[TUPLE_PRINT_MAX], 'x');
	assert_int_equal(tuple_scan(back, out), 0);
	assert_string_equal(back, text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(networks),
		cmocka_unit_test(domains),
		cmocka_unit_test(longest_domain),
		cmocka_unit_test(senders),
		cmocka_unit_test(signed_senders),
		cmocka_unit_test(forwarded_senders),
		cmocka_unit_test(details_and_numbers),
		cmocka_unit_test(recipients),
		cmocka_unit_test(shortened),
		cmocka_unit_test(longest_folded),
		cmocka_unit_test(different_keys),
		cmocka_unit_test(form_of_keys),
		cmocka_unit_test(no_keys),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(printed),
		cmocka_unit_test(scanned),
		cmocka_unit_test(longest_word),
	};

	return RUN(tests);
}
