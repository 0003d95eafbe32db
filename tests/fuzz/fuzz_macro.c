/*
 * The macros of SPF: what is good is what the grammar says, and what comes out
 * is what comes out of the simple way below, which has memory to spare.
 *
 * The input: local part, domain of the sender, domain of the record, HELO and
 * address, each with a NUL behind it, and the text.
 */
#include <ctype.h>

#include "fuzz.h"
#include "macro.h"
#include "spf_abnf.h"

/* --- the simple way */

static void
print_client(FILE *out, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (addr_is_ipv4(a)) {
		fputs(addr_print(a, text), out);
		return;
	}
	for (int i = 0; i < 32; i++)
		fprintf(out, "%s%X", i > 0 ? "." : "",
		    (unsigned)(a->byte[i / 2] >> (i % 2 ? 0 : 4) & 15));
}

static char *
value_of(int letter, const struct macro_words *w)
{
	char *value, text[ADDR_TEXT_MAX];
	size_t size;
	FILE *out = open_memstream(&value, &size);

	CHECK(out != NULL);
	switch (letter) {
	case 's':
		fprintf(out, "%s@%s", w->local, w->sender_domain);
		break;
	case 'l':
		fputs(w->local, out);
		break;
	case 'o':
		fputs(w->sender_domain, out);
		break;
	case 'd':
		fputs(w->domain, out);
		break;
	case 'i':
		print_client(out, w->client);
		break;
	case 'p':
		fputs(w->name(w->arg), out);
		break;
	case 'v':
		fputs(addr_is_ipv4(w->client) ? "in-addr" : "ip6", out);
		break;
	case 'h':
		fputs(w->helo, out);
		break;
	case 'c':
		fputs(addr_print(w->client, text), out);
		break;
	case 'r':
		fputs(w->receiver, out);
		break;
	default:
		CHECK(letter == 't');
		fprintf(out, "%lld", (long long)w->now);
	}
	CHECK(fclose(out) == 0);
	return value;
}

static void
print_escaped(FILE *out, const char *text, bool escapes)
{
	for (; *text != '\0'; text++)
		if (!escapes || isalnum((unsigned char)*text) ||
		    strchr("-._~", *text) != NULL)
			fputc(*text, out);
		else
			fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
}

/* What is between the braces, in front of which p stands. */
static void
print_macro(FILE *out, const char *p, const struct macro_words *w)
{
	bool escapes = isupper((unsigned char)*p), reverses;
	char *value = value_of(tolower((unsigned char)*p), w), *rest = value;
	size_t digits = strspn(++p, "0123456789"), size, count = 0, keep;
	char delimiters[8] = ".", **part = malloc((strlen(value) + 1) *
	    sizeof *part);

	CHECK(part != NULL);
	keep = digits == 0 ? SIZE_MAX : strtoul(p, NULL, 10);
	p += digits;
	reverses = *p == 'r' || *p == 'R';
	p += reverses;
	if (*p != '}')
		delimiters[0] = '\0';
	for (; *p != '}'; p++)
		if (strchr(delimiters, *p) == NULL) {
			size = strlen(delimiters);
			delimiters[size] = *p;
			delimiters[size + 1] = '\0';
		}
	do
		part[count++] = strsep(&rest, delimiters);
	while (rest != NULL);
	for (size_t i = count > keep ? count - keep : 0; i < count; i++) {
		print_escaped(out, part[reverses ? count - 1 - i : i],
		    escapes);
		if (i < count - 1)
			fputc('.', out);
	}
	free(part);
	free(value);
}

static char *
expand(const char *text, size_t size, const struct macro_words *w)
{
	const char *p = text, *end = text + size;
	char *all;
	size_t all_size;
	FILE *out = open_memstream(&all, &all_size);

	CHECK(out != NULL);
	for (; p < end; p++) {
		if (*p != '%')
			fputc(*p, out);
		else if (*++p == '{') {
			print_macro(out, p + 1, w);
			p = memchr(p, '}', (size_t)(end - p));
		} else
			fputs(*p == '%' ? "%" : *p == '_' ? " " : "%20", out);
	}
	CHECK(fclose(out) == 0);
	return all;
}

/* --- against the code */

static void
check_domain(const char *text, size_t size, const struct macro_words *w)
{
	char *all = expand(text, size, w), out[MACRO_DOMAIN_MAX];
	const char *want = all, *dot;
	size_t all_size = strlen(all);

	if (all_size > 0 && all[all_size - 1] == '.')
		all[all_size - 1] = '\0';
	while (strlen(want) > MACRO_DOMAIN_MAX - 1) {
		dot = strchr(want, '.');
		want = dot != NULL ? dot + 1 : want + strlen(want);
	}
	memset(out, '#', sizeof out);
	CHECK(macro_expand_domain(out, text, size, w) == out);
	CHECK(memchr(out, '\0', sizeof out) != NULL);
	CHECK(strcmp(out, want) == 0);
	free(all);
}

static void
check_text(const char *text, size_t size, const struct macro_words *w,
    size_t room)
{
	char *all = expand(text, size, w), *out = malloc(room);
	size_t wanted = strlen(all) < room ? strlen(all) : room - 1;

	CHECK(out != NULL);
	CHECK(macro_expand_text(out, room, text, size, w) == out);
	CHECK(memchr(out, '\0', room) != NULL && strlen(out) == wanted);
	for (size_t i = 0; i < wanted; i++)
		CHECK(out[i] == (all[i] >= ' ' && all[i] <= '~' ? all[i] :
		    '?'));
	free(out);
	free(all);
}

static const char *
name_of(void *arg)
{
	return arg;
}

static void
check(const char *text, size_t size, const struct macro_words *w)
{
	static struct abnf domain = { .pattern = ABNF_DOMAIN },
	    string = { .pattern = ABNF_STRING }, explains = { .pattern =
	    "([ !-$&-~]|" ABNF_EXPAND_OF(ABNF_LETTERS "crt") ")*" };
	bool is_domain = macro_is_domain_spec(text, size);
	bool is_string = macro_is_string(text, size);
	bool is_explained = macro_is_explain_string(text, size);

	CHECK(is_domain == abnf_is(&domain, text, size));
	CHECK(is_string == abnf_is(&string, text, size));
	CHECK(is_explained == abnf_is(&explains, text, size));
	CHECK(is_string || !is_domain);
	CHECK(is_explained || !is_string);
	if (is_domain)
		check_domain(text, size, w);
	if (is_explained) {
		check_text(text, size, w, 1 + strlen(w->local) % 50);
		check_text(text, size, w, 400);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *local = fuzz_field(&in), *sender_domain = fuzz_field(&in);
	char *domain = fuzz_field(&in), *helo = fuzz_field(&in);
	char *address = fuzz_field(&in), *text;
	struct addr client = { .byte = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	struct macro_words words = {
		.client = &client, .local = local, .domain = domain,
		.sender_domain = sender_domain, .helo = helo,
		.receiver = helo, .now = (int64_t)size * 1000000000,
		.name = name_of, .arg = helo,
	};

	/* In memory of its own size, which the sanitizer watches. */
	text = calloc(1, in.left > 0 ? in.left : 1);
	CHECK(text != NULL);
	if (in.left > 0)
		memcpy(text, in.at, in.left);
	addr_parse(&client, address);
	check(text, in.left, &words);
	free(text);
	free(address);
	free(helo);
	free(domain);
	free(sender_domain);
	free(local);
	return 0;
}
