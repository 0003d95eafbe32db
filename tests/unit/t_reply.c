/*
 * t_reply - text that is said to a client: whatever goes in, what comes out
 * is a reply that is sent.
 */
#include <string.h>

#include "child.h"
#include "reply.h"

static struct child child;

/*
 * A smfi_setreply() of our own, found before that of the library.  It keeps
 * the last reply and returns what the test wants it to.
 */
static struct {
	int count, result;
	SMFICTX *ctx;
	char code[8], xcode[16], text[1024];
} set;

int
smfi_setreply(SMFICTX *ctx, char *code, char *xcode, char *text)
{
	set.count++;
	set.ctx = ctx;
	snprintf(set.code, sizeof set.code, "%s", code);
	snprintf(set.xcode, sizeof set.xcode, "%s", xcode);
	snprintf(set.text, sizeof set.text, "%s", text);
	return set.result;
}

static void
actions(void **state)
{
	static const struct {
		enum action action;
		const char *word;
		bool at_end;
	} table[] = {
		{ ACTION_REJECT, "reject", false },
		{ ACTION_TEMPFAIL, "tempfail", false },
		{ ACTION_QUARANTINE, "quarantine", true },
		{ ACTION_DISCARD, "discard", true },
		{ ACTION_MARK, "mark", true },
		{ ACTION_NONE, "none", false },
	};
	char words[100] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		size_t n = strlen(words);

		CHECK(strcmp(action_word(table[i].action), table[i].word) == 0,
		    "%s", table[i].word);
		CHECK(action_at_end(table[i].action) == table[i].at_end, "%s",
		    table[i].word);
		CHECK(table[i].action == i, "%s", table[i].word);
		snprintf(words + n, sizeof words - n, "%s%s",
		    i > 0 ? "|" : "", table[i].word);
	}
	assert_string_equal(words, ACTION_WORDS);	/* the order counts */
}

static void
every_byte_is_clean(void **state)
{
	char text[] = "a?z", out[8];

	(void)state;
	for (int byte = 1; byte < 256; byte++)
		for (int percent = 0; percent <= 1; percent++) {
			char want = byte >= ' ' && byte <= '~' ? (char)byte :
			    '?';
			size_t size = byte == '%' && percent ? 4 : 3;

			text[1] = (char)byte;
			CHECK(reply_clean(out, sizeof out, text, percent) ==
			    size, "byte %d", byte);
			CHECK(out[0] == 'a' && out[1] == want &&
			    out[size - 2] == want && out[size - 1] == 'z' &&
			    out[size] == '\0', "byte %d: %s", byte, out);
		}
}

static size_t
count_percent(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '%';
	return count;
}

/* In every size as much of the clean text as fits, and only whole pairs. */
static void
clean_text_is_cut(void **state)
{
	static const struct {
		const char *text;
		int percent;
		const char *want;
	} table[] = {
		{ "", 1, "" },
		{ "abcdefgh", 1, "abcdefgh" },
		{ "a%b%c", 1, "a%%b%%c" },
		{ "a%b%c", 0, "a%b%c" },
		{ "%%%%", 1, "%%%%%%%%" },
		{ "%%%", 0, "%%%" },
		{ "%", 1, "%%" },
		{ "a\r\n.\r\nb%", 1, "a??.??b%%" },
		{ "\xc3\xa9%", 1, "??%%" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		for (size_t size = 1; size <= 12; size++) {
			const char *want = table[i].want;
			int percent = table[i].percent;
			char out[13];
			size_t n, next;

			memset(out, '#', sizeof out);
			n = reply_clean(out, size, table[i].text, percent);
			CHECK(n < size && n == strlen(out) &&
			    out[size] == '#', "row %zu, size %zu", i, size);
			CHECK(strncmp(out, want, n) == 0,
			    "row %zu, size %zu: %s", i, size, out);
			CHECK(!percent || count_percent(out) % 2 == 0,
			    "row %zu, size %zu: %s", i, size, out);
			next = percent && want[n] == '%' ? 2 : 1;
			CHECK(want[n] == '\0' || n + next >= size,
			    "row %zu, size %zu: %s", i, size, out);
		}
}

static const struct reply_words words = {
	.client = "192.0.2.7", .list = "a%ib%", .queue_id = "Q1"
};

static void
words_are_filled_in(void **state)
{
	static const struct reply_words none = { .client = NULL };
	static const struct {
		const char *text;
		const struct reply_words *words;
		const char *want;
	} table[] = {
		{ "", &words, "" },
		{ "no words", &words, "no words" },
		{ "%i", &words, "192.0.2.7" },
		{ "%i is on %l, %q", &words, "192.0.2.7 is on a%ib%, Q1" },
		{ "%q%q", &words, "Q1Q1" },
		{ "%i is on %l, %q", &none, "unknown is on unknown, unknown" },
		{ "100%%", &words, "100%" },
		{ "%%i", &words, "%i" },
		{ "%%%i", &words, "%192.0.2.7" },
		{ "%%%%", &words, "%%" },
		{ "100%", &words, "100%" },
		{ "%x %n %s %I", &words, "%x %n %s %I" },
		{ "\x80\r\n", &words, "\x80\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		for (size_t size = 1; size <= 64; size++) {
			char out[65], want[65];

			memset(out, '#', sizeof out);
			snprintf(want, size, "%s", table[i].want);
			assert_ptr_equal(reply_expand(out, size, table[i].text,
			    table[i].words), out);
			CHECK(strcmp(out, want) == 0, "row %zu, size %zu: %s",
			    i, size, out);
			CHECK(out[size] == '#', "row %zu, size %zu", i, size);
		}
}

static void
bad_words_are_found(void **state)
{
	static const struct {
		const char *text;
		int at;		/* of the bad word; -1: there is none */
	} table[] = {
		{ "", -1 },
		{ "no words", -1 },
		{ "%i %l %q %%", -1 },
		{ "%%x", -1 },
		{ "%%%%n", -1 },
		{ "%i%l%q", -1 },
		{ "%", 0 },
		{ "100%", 3 },
		{ "%x", 0 },
		{ "%%%x", 2 },
		{ "%%%", 2 },
		{ "%i %s %n", 3 },
		{ "%I", 0 },
		{ "% i", 0 },
		{ "%\xff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *bad = reply_bad_word(table[i].text);

		CHECK(bad == (table[i].at == -1 ? NULL :
		    table[i].text + table[i].at), "%s", table[i].text);
	}
}

/* What is sent is one line of printable text that no MTA drops (A12). */
static void
replies(void **state)
{
	static const struct {
		sfsistat (*reply)(SMFICTX *, const char *, const char *,
		    const char *);
		sfsistat status;
		const char *code, *xcode, *text, *want;
	} table[] = {
		{ reply_reject, SMFIS_REJECT, "550", "5.7.1", "Go away",
		    "Go away" },
		{ reply_reject, SMFIS_REJECT, "554", "5.7.23", "100% no",
		    "100%% no" },
		{ reply_reject, SMFIS_REJECT, "550", "5.7.1", "", "" },
		{ reply_reject, SMFIS_REJECT, "550", "5.7.1",
		    "a\r\n250 ok\n\x1b[1m\x7f\xff", "a??250 ok??[1m??" },
		{ reply_tempfail, SMFIS_TEMPFAIL, "451", "4.7.1", "Later",
		    "Later" },
		{ reply_tempfail, SMFIS_TEMPFAIL, "421", "4.3.2", "%s%n",
		    "%%s%%n" },
	};
	SMFICTX *ctx = (SMFICTX *)&set;		/* any address will do */

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		set.count = 0;
		set.result = MI_SUCCESS;
		CHECK(table[i].reply(ctx, table[i].code, table[i].xcode,
		    table[i].text) == table[i].status, "row %zu", i);
		CHECK(set.count == 1 && set.ctx == ctx, "row %zu", i);
		CHECK(strcmp(set.code, table[i].code) == 0 &&
		    strcmp(set.xcode, table[i].xcode) == 0, "row %zu: %s %s",
		    i, set.code, set.xcode);
		CHECK(strcmp(set.text, table[i].want) == 0, "row %zu: %s", i,
		    set.text);
	}
}

static void
a_long_reply_is_cut(void **state)
{
	static const char fillers[] = { 'x', '%', '\n', '\xff' };
	char text[2001];

	(void)state;
	for (size_t i = 0; i < sizeof fillers; i++) {
		memset(text, fillers[i], sizeof text - 1);
		text[sizeof text - 1] = '\0';
		set.result = MI_SUCCESS;
		reply_reject(NULL, "550", "5.7.1", text);
		CHECK(strlen(set.text) <= REPLY_TEXT_MAX - 1 &&
		    strlen(set.text) >= REPLY_TEXT_MAX - 2, "%c: %zu bytes",
		    fillers[i], strlen(set.text));
		CHECK(count_percent(set.text) % 2 == 0, "%c", fillers[i]);
		CHECK(strpbrk(set.text, "\r\n\xff") == NULL, "%c", fillers[i]);
	}
	/* "550 5.7.12 ", the text and CRLF in the 512 of RFC 5321 4.5.3.1.5. */
	assert_true(11 + REPLY_TEXT_MAX - 1 + 2 <= 512);
}

/* The verdict stands without its text; the log says so, not too often. */
static int
reply_in_vain(void *arg)
{
	(void)arg;
	set.result = MI_FAILURE;
	for (int i = 0; i < 3; i++)
		if (reply_reject(NULL, "550", "5.7.1", "x") != SMFIS_REJECT ||
		    reply_tempfail(NULL, "451", "4.7.1", "x") !=
		    SMFIS_TEMPFAIL)
			return 1;
	return set.count == 6 ? 0 : 1;
}

static void
a_reply_that_is_refused(void **state)
{
	(void)state;
	set.count = 0;
	child_run(&child, reply_in_vain, NULL);
	assert_int_equal(child.status, 0);
	CHECK(child_is_line(child.err, "550"), "%s", child.err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions),
		cmocka_unit_test(every_byte_is_clean),
		cmocka_unit_test(clean_text_is_cut),
		cmocka_unit_test(words_are_filled_in),
		cmocka_unit_test(bad_words_are_found),
		cmocka_unit_test(replies),
		cmocka_unit_test(a_long_reply_is_cut),
		cmocka_unit_test(a_reply_that_is_refused),
	};

	return RUN(tests);
}
