/*
 * Replies: what leaves is printable, ended, cut at no bad place, and never
 * something libmilter or sendmail would refuse.
 *
 * The input: a byte for the size of the buffer, then the text, the client,
 * the list and the queue id, with NULs between them.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "reply.h"

#define LIBMILTER_MAX	980	/* bytes of a reply it takes */

static bool
is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* In place of libmilter's: is this what the other one would have sent? */
int
smfi_setreply(SMFICTX *ctx, char *code, char *xcode, char *text)
{
	CHECK(ctx == NULL && strlen(code) == 3 && xcode[1] == '.');
	CHECK(strlen(text) < REPLY_TEXT_MAX && strlen(text) <= LIBMILTER_MAX);
	for (; *text != '\0'; text++) {
		CHECK(is_printable(*text));
		if (*text == '%') {
			text++;
			CHECK(*text == '%');
		}
	}
	return MI_SUCCESS;
}

/* out stands for text from its beginning, and stops only for want of room. */
static void
check_clean(const char *text, size_t size, int percent)
{
	char *out = malloc(size);
	size_t n, at = 0;

	CHECK(out != NULL);
	n = reply_clean(out, size, text, percent);
	CHECK(n < size && strlen(out) == n);
	for (; at < n; at++, text++) {
		CHECK(is_printable(out[at]));
		CHECK(out[at] == (is_printable(*text) ? *text : '?'));
		if (percent && *text == '%') {
			at++;
			CHECK(out[at] == '%');
		}
	}
	CHECK(at == n);
	CHECK(*text == '\0' || size - n <= (percent && *text == '%' ? 2 : 1));
	free(out);
}

/* The text with its words, written the slow way; the caller frees it. */
static char *
fill_in(const char *text, const struct reply_words *w)
{
	char *whole = NULL;
	size_t size;
	FILE *out = open_memstream(&whole, &size);

	CHECK(out != NULL);
	for (; *text != '\0'; text++) {
		const char *word = NULL;

		if (text[0] == '%' && text[1] == 'i')
			word = w->client != NULL ? w->client : "unknown";
		if (text[0] == '%' && text[1] == 'l')
			word = w->list != NULL ? w->list : "unknown";
		if (text[0] == '%' && text[1] == 'q')
			word = w->queue_id != NULL ? w->queue_id : "unknown";
		if (text[0] == '%' && text[1] == '%')
			word = "%";
		if (word != NULL) {
			fputs(word, out);
			text++;
		} else
			putc(*text, out);
	}
	CHECK(fclose(out) == 0);
	return whole;
}

static void
check_expand(const char *text, size_t size, const struct reply_words *w)
{
	char *out = malloc(size), *want = fill_in(text, w);

	CHECK(out != NULL);
	CHECK(reply_expand(out, size, text, w) == out);
	CHECK(strnlen(out, size) < size);
	CHECK(strncmp(out, want, size - 1) == 0);
	free(want);
	free(out);
}

/* The first % that no known letter follows. */
static void
check_bad_word(const char *text)
{
	const char *bad = NULL;

	for (const char *p = text; *p != '\0' && bad == NULL; p++)
		if (*p == '%' && (p[1] == '\0' || strchr("ilq%", p[1]) == NULL))
			bad = p;
		else if (*p == '%')
			p++;
	CHECK(reply_bad_word(text) == bad);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t room = 1 + fuzz_byte(&in);
	char *field[4], expanded[REPLY_TEXT_MAX];
	struct reply_words w;

	for (int i = 0; i < 4; i++)
		field[i] = fuzz_field(&in);
	w.client = field[1][0] != '\0' ? field[1] : NULL;
	w.list = field[2][0] != '\0' ? field[2] : NULL;
	w.queue_id = field[3][0] != '\0' ? field[3] : NULL;

	for (int percent = 0; percent <= 1; percent++) {
		check_clean(field[0], room, percent);
		check_clean(field[0], strlen(field[0]) + 1, percent);
		check_clean(field[0], REPLY_TEXT_MAX, percent);
	}
	check_expand(field[0], room, &w);
	check_expand(field[0], REPLY_TEXT_MAX, &w);
	check_bad_word(field[0]);

	reply_expand(expanded, sizeof expanded, field[0], &w);
	CHECK(reply_reject(NULL, "554", "5.7.1", expanded) == SMFIS_REJECT);
	CHECK(reply_tempfail(NULL, "421", "4.3.2", field[0]) ==
	    SMFIS_TEMPFAIL);
	for (int i = 0; i < 4; i++)
		free(field[i]);
	return 0;
}
