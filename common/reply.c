#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "reply.h"
#include "stats.h"

const char *
action_word(enum action action)
{
	static const char *const words[] = {
		[ACTION_REJECT] = "reject",
		[ACTION_TEMPFAIL] = "tempfail",
		[ACTION_QUARANTINE] = "quarantine",
		[ACTION_DISCARD] = "discard",
		[ACTION_MARK] = "mark",
		[ACTION_NONE] = "none",
	};

	return words[action];
}

bool
action_at_end(enum action action)
{
	return action == ACTION_QUARANTINE || action == ACTION_DISCARD ||
	    action == ACTION_MARK;
}

size_t
reply_clean(char *out, size_t size, const char *text, int percent)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		size_t need = percent && *text == '%' ? 2 : 1;

		if (n + need >= size)
			break;
		out[n] = *text >= ' ' && *text <= '~' ? *text : '?';
		if (need == 2)
			out[n + 1] = '%';
		n += need;
	}
	out[n] = '\0';
	return n;
}

static const char *
find_word(char letter, const struct reply_words *w)
{
	const char *word;

	switch (letter) {
	case '%':
		return "%";
	case 'i':
		word = w->client;
		break;
	case 'l':
		word = w->list;
		break;
	case 'q':
		word = w->queue_id;
		break;
	default:
		return NULL;
	}
	return word != NULL ? word : "unknown";
}

const char *
reply_expand(char *out, size_t size, const char *text,
    const struct reply_words *w)
{
	size_t n = 0;

	while (*text != '\0' && n + 1 < size) {
		const char *word = text[0] == '%' ?
		    find_word(text[1], w) : NULL;

		if (word == NULL) {
			out[n++] = *text++;
			continue;
		}
		snprintf(out + n, size - n, "%s", word);
		n += strlen(out + n);
		text += 2;
	}
	out[n] = '\0';
	return out;
}

const char *
reply_bad_word(const char *text)
{
	const struct reply_words none = { .client = NULL };

	for (; *text != '\0'; text++) {
		if (*text != '%')
			continue;
		if (find_word(text[1], &none) == NULL)
			return text;
		text++;
	}
	return NULL;
}

int
reply_check(const char *text)
{
	const char *bad = text != NULL ? reply_bad_word(text) : NULL;

	if (bad == NULL)
		return 0;
	log_error("-rejectmessage: %.2s stands for nothing; "
	    "%%i, %%l, %%q and %%%% do", bad);
	return -1;
}

static void
set(SMFICTX *ctx, const char *code, const char *xcode, const char *text)
{
	static struct log_limit failed;
	char clean[REPLY_TEXT_MAX];

	reply_clean(clean, sizeof clean, text, 1);
	if (smfi_setreply(ctx, (char *)code, (char *)xcode, clean)
	    != MI_SUCCESS && log_due(&failed))
		log_error("reply %s not set, the MTA sends its own", code);
}

sfsistat
reply_reject(SMFICTX *ctx, const char *code, const char *xcode,
    const char *text)
{
	assert(code[0] == '5' && xcode[0] == '5');
	set(ctx, code, xcode, text);
	return SMFIS_REJECT;
}

sfsistat
reply_tempfail(SMFICTX *ctx, const char *code, const char *xcode,
    const char *text)
{
	assert(code[0] == '4' && xcode[0] == '4');
	set(ctx, code, xcode, text);
	return SMFIS_TEMPFAIL;
}

static struct stats_counter troubles[] = {
	{ "errors_total", NULL,
	    "Mail that could not be judged; see -onerror.", 0 },
};

sfsistat
reply_trouble(SMFICTX *ctx, enum onerror onerror, const char *code,
    const char *trouble)
{
	static struct log_limit limit;

	stats_count(&troubles[0]);
	if (log_due(&limit))
		log_error("%s, so mail is %s", trouble,
		    onerror == ONERROR_ACCEPT ? "let through" :
		    "asked to come back");
	return onerror == ONERROR_ACCEPT ? SMFIS_ACCEPT :
	    reply_tempfail(ctx, code, "4.3.0", trouble);
}

void
reply_add_stats(void)
{
	stats_add(troubles, sizeof troubles / sizeof troubles[0]);
}
