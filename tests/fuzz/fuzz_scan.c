/*
 * A whole message, looked through by our own rules.
 *
 * The input: a byte for the size of pieces; one of which the lowest bit says
 * that there are lists; and a message, whose header is given field by field.
 *
 * However it is cut, the result is the same, and what is found is one of all
 * that is told for -why; what is ignored is never found; and nothing but
 * printable text is told.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "scan.h"

static const char signatures[] =
    "Sig.Header header:Subject evil\n"
    "Sig.Header2 header:X-Worm hex:776f726d\n"
    "Sig.Name name readme\n"
    "Sig.Ignored name ignored.txt\n"
    "Sig.Body body http://evil.example/\n"
    "Sig.Content content the evil content\n"
    "Sig.Bytes content hex:6576696cff00\n";
static const char ignored[] = "Milter.Name.js\nMilter.Zip.[l-z]*\n"
    "*.ignored\nMilter.Content.Script\n";

/* Files that are there by these names while the descriptors are open. */
static void
make_file(char path[32], const char *text)
{
	char name[] = "/tmp/fuzz_scan.XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd != -1 && unlink(name) == 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static const struct scan_rules *
get_rules(bool with)
{
	static struct scan_rules rules[2];
	static char path[2][32];

	if (rules[0].signatures != NULL)
		return &rules[with];
	make_file(path[0], signatures);
	make_file(path[1], ignored);
	for (int i = 0; i < 2; i++) {
		rules[i].signatures = signatures_new();
		rules[i].ignored = globs_new();
		CHECK(rules[i].signatures != NULL && rules[i].ignored != NULL);
	}
	CHECK(signatures_add_file(rules[1].signatures, path[0]) == 0);
	CHECK(globs_add_file(rules[1].ignored, path[1]) == 0);
	CHECK(signatures_load(rules[1].signatures) == 0);
	CHECK(globs_load(rules[1].ignored) == 0);
	fuzz_check_log();
	return &rules[with];
}

/* --- a message, as libmilter hands it over */

/* The size of the field that begins here, with its last line end; 0: none. */
static size_t
field_size(const char *p, size_t size)
{
	size_t n = 0, name = 0;

	while (name < size && p[name] > ' ' && p[name] != ':')
		name++;
	if (name == 0 || name == size || p[name] != ':')
		return 0;
	do {
		const char *lf = memchr(p + n, '\n', size - n);

		if (lf == NULL)
			return 0;
		n = (size_t)(lf - p) + 1;
	} while (n < size && (p[n] == ' ' || p[n] == '\t'));
	return memchr(p, '\0', n) == NULL ? n : 0;
}

static size_t
give_header(struct scan *s, const char *p, size_t size)
{
	size_t at = 0, n;

	while ((n = field_size(p + at, size - at)) > 0) {
		char *name = strndup(p + at, n - 1), *value;

		CHECK(name != NULL);
		value = strchr(name, ':');
		CHECK(value != NULL);
		*value++ = '\0';
		scan_field(s, name, value + (*value == ' '));
		free(name);
		at += n;
	}
	scan_end_header(s);
	return at + (at < size && p[at] == '\n');
}

static void
give_body(struct scan *s, const char *p, size_t size, size_t piece)
{
	for (size_t n; size > 0; p += n, size -= n) {
		unsigned char *copy;

		n = size < piece ? size : piece;
		copy = malloc(n);
		CHECK(copy != NULL);
		memcpy(copy, p, n);
		scan_body(s, copy, n);
		free(copy);
	}
}

/* --- what is found */

static void
check_finding(const struct scan_finding *f, const struct scan_rules *rules)
{
	CHECK(memchr(f->name, '\0', sizeof f->name) != NULL);
	CHECK(memchr(f->file, '\0', sizeof f->file) != NULL);
	CHECK((f->name[0] == '\0') == (f->result == SCAN_CLEAN));
	for (const char *p = f->name; *p != '\0'; p++)
		CHECK(*p >= ' ' && *p <= '~');
	if (f->result != SCAN_INFECTED) {
		CHECK(f->file[0] == '\0' && !f->malign);
		return;
	}
	CHECK(strncmp(f->name, "Milter.Name.", 12) == 0 ||
	    strncmp(f->name, "Milter.Zip.", 11) == 0 ||
	    strncmp(f->name, "Milter.Content.", 15) == 0 ||
	    (strncmp(f->name, "Sig.", 4) == 0 && f->malign));
	CHECK(!globs_match(rules->ignored, f->name));
}

static void
read_message(struct scan_finding *f, const struct scan_rules *rules,
    const char *p, size_t size, size_t piece, FILE *out)
{
	struct scan *s = scan_new(rules, out);
	size_t header;
	bool mixed;

	CHECK(s != NULL);
	CHECK(scan_finding(s)->result == SCAN_CLEAN && !scan_is_mixed(s));
	header = give_header(s, p, size);
	mixed = scan_is_mixed(s);
	give_body(s, p + header, size - header, piece);
	scan_end(s);
	CHECK(scan_is_mixed(s) == mixed);
	*f = *scan_finding(s);
	check_finding(f, rules);
	scan_free(s);
}

static bool
is_same(const struct scan_finding *a, const struct scan_finding *b)
{
	return a->result == b->result && strcmp(a->name, b->name) == 0 &&
	    strcmp(a->file, b->file) == 0 && a->malign == b->malign;
}

/* Lines of printable text.  Is there one that tells of this finding? */
static bool
is_told(const char *told, const struct scan_finding *f)
{
	char want[sizeof f->name + 10];
	size_t size;
	bool is = false;

	size = (size_t)snprintf(want, sizeof want, "%s%s",
	    f->result == SCAN_INFECTED ? "found " : "unscannable: ", f->name);
	for (const char *p = told; *p != '\0'; p = strchr(p, '\n') + 1) {
		size_t line = strcspn(p, "\n");

		CHECK(p[line] == '\n');
		for (size_t i = 0; i < line; i++)
			CHECK(p[i] >= ' ' && p[i] <= '~');
		CHECK(strncmp(p, "found ", 6) == 0 || p[0] == '/' ||
		    strncmp(p, "part depth=", 11) == 0 ||
		    strncmp(p, "name ", 5) == 0 ||
		    strncmp(p, "in the zip ", 11) == 0 ||
		    strncmp(p, "unscannable: ", 13) == 0);
		is |= line >= size && strncmp(p, want, size) == 0 &&
		    (line == size || p[size] == ' ');
	}
	return f->result == SCAN_CLEAN ? strstr(told, "\nunscannable: ") ==
	    NULL : is;
}

/* The rest of a message may never come. */
static void
give_up_early(const struct scan_rules *rules, const char *p, size_t size)
{
	struct scan *s = scan_new(rules, NULL);
	size_t header;

	CHECK(s != NULL);
	header = give_header(s, p, size);
	give_body(s, p + header, (size - header) / 2, size);
	scan_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t piece = fuzz_byte(&in) + 1, told_size;
	bool with = fuzz_byte(&in) & 1;
	const char *message = (const char *)in.at;
	struct scan_finding whole, cut, why;
	const struct scan_rules *rules;
	char *told;
	FILE *out;

	if (in.left == 0)
		return 0;
	fuzz_catch_log();
	rules = get_rules(with);
	read_message(&whole, rules, message, in.left, in.left, NULL);
	read_message(&cut, rules, message, in.left, piece, NULL);
	out = open_memstream(&told, &told_size);
	CHECK(out != NULL);
	read_message(&why, rules, message, in.left, in.left, out);
	CHECK(fclose(out) == 0);

	CHECK(is_same(&why, &whole));
	CHECK(is_told(told, &whole));
	CHECK(cut.result == whole.result);
	CHECK(is_told(told, &cut));
	CHECK(whole.result == SCAN_INFECTED || is_same(&cut, &whole));
	give_up_early(rules, message, in.left);
	CHECK(fuzz_check_log() == 0);
	free(told);
	return 0;
}
