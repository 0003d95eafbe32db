/*
 * A whole list file, against the slow way to the same answers: every line
 * kept as it is and compared with the client.  Then the reloads that must be
 * refused, which leave the answers as they were.
 *
 * The input: a letter, then the file.  w is a white list, b a list that is
 * acted upon, a is both, s a shadow list; W, B, A and S are lenient.  A byte 26
 * in the file stands for 33000 of the byte behind it, thrice at most: the
 * reader's buffer is smaller than two of them.
 */
#include <ctype.h>
#include <stdbool.h>

#include "fuzz.h"
#include "ipline.h"
#include "iplist.h"

#define STRETCH		26
#define STRETCHED	33000
#define STRETCHES	3
#define TEXT_SHOWN	60	/* bytes of a line in an explanation */
#define PROBED		24	/* lines whose clients are looked up */

struct line {
	struct ipline l;
	char domain[256];
	char text[TEXT_SHOWN + 1];
};

/* What stands in the file. */
static struct line *lines;
static size_t line_count;
static char *content;
static size_t content_size;

/* How it is read. */
static bool has_role[IPLIST_ROLES], lenient;

/* An unlinked file with a name all the same. */
static int fd = -1;
static char path[32];

static void
make_file(void)
{
	char name[] = "/tmp/fuzz_iplist.XXXXXX";

	if (fd != -1)
		return;
	fd = mkstemp(name);
	CHECK(fd != -1 && unlink(name) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
}

static void
write_file(const char *bytes, size_t size)
{
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

static void
fill_content(struct fuzz_input *in)
{
	int stretches = 0;
	FILE *out = open_memstream(&content, &content_size);

	CHECK(out != NULL);
	while (in->left > 0) {
		unsigned byte = fuzz_byte(in);
		int times = 1;

		if (byte == STRETCH && in->left > 0 &&
		    stretches++ < STRETCHES) {
			byte = fuzz_byte(in);
			times = STRETCHED;
		}
		while (times-- > 0)
			putc((int)byte, out);
	}
	CHECK(fclose(out) == 0);
}

static void
add_line(const char *bytes, size_t size)
{
	struct line *n = &lines[line_count++];
	char *copy = malloc(size + 1);

	CHECK(copy != NULL);
	memcpy(copy, bytes, size);
	copy[size] = '\0';
	snprintf(n->text, sizeof n->text, "%s", copy);
	n->domain[0] = '\0';
	memset(&n->l, 0, sizeof n->l);
	ipline_parse(&n->l, copy, size);
	if (n->l.kind == IPLINE_DOMAIN)
		snprintf(n->domain, sizeof n->domain, "%s", n->l.domain);
	free(copy);
}

/* The content as lines, without the byte order mark. */
static void
split_content(void)
{
	const char *p = content, *end = content + content_size, *lf;
	size_t count = 1;

	for (const char *q = p; q < end; q++)
		count += *q == '\n';
	lines = malloc(count * sizeof *lines);
	CHECK(lines != NULL);
	line_count = 0;
	if (content_size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		add_line(p, (size_t)(lf - p));
	}
}

static bool
is_bad(const struct line *n, int role)
{
	return n->l.kind == IPLINE_BAD || (n->l.kind == IPLINE_DOMAIN &&
	    n->l.says == IPLINE_SILENT && role != IPLIST_WHITE);
}

static bool
is_entry(const struct line *n, int role)
{
	if (role == IPLIST_WHITE && n->l.says == IPLINE_REFUSE)
		return false;
	if (role == IPLIST_SHADOW && n->l.says == IPLINE_EXEMPT)
		return false;
	return (n->l.kind == IPLINE_NETWORK || n->l.kind == IPLINE_DOMAIN) &&
	    !is_bad(n, role);
}

static size_t
count_lines(int role, bool (*counts)(const struct line *, int))
{
	size_t count = 0;

	for (size_t i = 0; has_role[role] && i < line_count; i++)
		count += counts(&lines[i], role);
	return count;
}

static bool
speaks_of(const struct line *n, const struct addr *addr, const char *host)
{
	struct addr masked = *addr;
	size_t size, domain = strlen(n->domain);

	if (n->l.kind == IPLINE_NETWORK) {
		addr_mask(&masked, n->l.bits);
		return addr_is_ipv4(addr) == addr_is_ipv4(&n->l.addr) &&
		    memcmp(&masked, &n->l.addr, sizeof masked) == 0;
	}
	if (n->l.kind != IPLINE_DOMAIN || host == NULL)
		return false;
	size = strlen(host);
	size -= size > 0 && host[size - 1] == '.';
	if (size < domain || (size > domain && host[size - domain - 1] != '.'))
		return false;
	for (size_t i = 0; i < domain; i++)
		if (tolower((unsigned char)host[size - domain + i]) !=
		    n->domain[i])
			return false;
	return true;
}

/* --- what the code says, against it */

/* The bits are given out in this order: white, OK lines, the other list. */
static void
check_find(struct iplist *l, const struct addr *addr, const char *host)
{
	struct iplist_match got = iplist_find(l, addr, host), want = { 0 };
	uint64_t exempt = has_role[IPLIST_WHITE] ? 2 : 1, other = exempt << 1;

	for (size_t i = 0; i < line_count; i++) {
		const struct line *n = &lines[i];

		if (!speaks_of(n, addr, host))
			continue;
		if (has_role[IPLIST_WHITE] && is_entry(n, IPLIST_WHITE))
			want.white |= 1;
		if (has_role[IPLIST_LISTED] && is_entry(n, IPLIST_LISTED)) {
			if (n->l.says == IPLINE_EXEMPT)
				want.white |= exempt;
			else
				want.listed |= other;
		}
		if (has_role[IPLIST_SHADOW] && is_entry(n, IPLIST_SHADOW))
			want.shadow |= other;
	}
	CHECK(got.white == want.white);
	CHECK(got.listed == want.listed);
	CHECK(got.shadow == want.shadow);
}

/* The address so far from this one; there is no carry out of IPv4. */
static struct addr
move(const struct addr *from, int by)
{
	struct addr to = *from;

	for (int i = 15; i >= 0 && by != 0; i--) {
		to.byte[i] = (unsigned char)(to.byte[i] + by);
		if (to.byte[i] != (by > 0 ? 0 : 0xff))
			break;
	}
	return to;
}

/* Both ends of a network from inside and outside. */
static void
check_network(struct iplist *l, const struct ipline *n)
{
	struct addr last = n->addr, outside;

	for (int bit = n->bits; bit < ADDR_BITS; bit++)
		last.byte[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
	check_find(l, &n->addr, NULL);
	check_find(l, &last, NULL);
	outside = move(&n->addr, -1);
	check_find(l, &outside, NULL);
	outside = move(&last, 1);
	check_find(l, &outside, NULL);
}

static void
check_domain(struct iplist *l, const char *domain)
{
	const struct addr nobody = { .byte = { 0x20, 1, 0xd, 0xb8, 1 } };
	static const struct {
		const char *before, *behind;
	} around[] = {
		{ "", "" }, { "", "." }, { "A.", "" }, { "x", "" },
		{ "", "x" }, { "", ".a" },
	};
	char host[300];

	for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
		snprintf(host, sizeof host, "%s%s%s", around[i].before, domain,
		    around[i].behind);
		check_find(l, &nobody, host);
	}
}

static void
check_answers(struct iplist *l)
{
	size_t step = 1 + line_count / PROBED;

	for (size_t i = 0; i < line_count; i += step)
		if (lines[i].l.kind == IPLINE_NETWORK)
			check_network(l, &lines[i].l);
		else if (lines[i].l.kind == IPLINE_DOMAIN)
			check_domain(l, lines[i].domain);
}

/* A line as -why shows it: its beginning, cleaned, without the CR. */
static void
print_line(FILE *out, size_t number, const char *text)
{
	size_t size = strlen(text);

	if (size > 0 && text[size - 1] == '\r')
		size--;
	fprintf(out, "%s:%zu: ", path, number);
	for (size_t i = 0; i < size; i++)
		putc(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?', out);
	putc('\n', out);
}

/* -why for the client of the first line that lists one. */
static void
check_explain(struct iplist *l)
{
	char *got, *want;
	size_t got_size, want_size, first = 0;
	FILE *out = open_memstream(&got, &got_size);
	FILE *reference = open_memstream(&want, &want_size);

	CHECK(out != NULL && reference != NULL);
	while (first < line_count && lines[first].l.kind != IPLINE_NETWORK)
		first++;
	if (first < line_count)
		iplist_explain(l, out, &lines[first].l.addr, "www.example.org");
	for (int role = 0; role < IPLIST_ROLES; role++)
		for (size_t i = 0; has_role[role] && i < line_count; i++)
			if (first < line_count && speaks_of(&lines[i],
			    &lines[first].l.addr, "www.example.org"))
				print_line(reference, i + 1, lines[i].text);
	CHECK(fclose(out) == 0 && fclose(reference) == 0);
	CHECK(strcmp(got, want) == 0);
	free(got);
	free(want);
}

/* --- loading */

/* Does a file in some role have this many bad lines in a hundred? */
static bool
has_bad(size_t more_than)
{
	for (int role = 0; role < IPLIST_ROLES; role++) {
		size_t bad = count_lines(role, is_bad);

		if (bad * 100 > more_than * (bad +
		    count_lines(role, is_entry)))
			return true;
	}
	return false;
}

static bool
has_entries(void)
{
	for (int role = 0; role < IPLIST_ROLES; role++)
		if (count_lines(role, is_entry) > 0)
			return true;
	return false;
}

/* One line says that it was loaded or why not, one for each file with bad. */
static void
check_load(struct iplist *l, bool good)
{
	int said, files_with_bad = 0;

	for (int role = 0; role < IPLIST_ROLES; role++)
		files_with_bad += count_lines(role, is_bad) > 0;
	CHECK(iplist_load(l) == (good ? 0 : -1));
	said = fuzz_check_log();
	CHECK(said >= 1 && said <= 1 + (lenient ? files_with_bad : 0));
}

/* Reloads of the same, of nothing, and of a file cut at its last newline. */
static void
check_reload(struct iplist *l)
{
	bool had = has_entries();
	const char *end = content + content_size;

	check_load(l, !lenient || !has_bad(1));
	check_answers(l);

	write_file(content, 0);
	CHECK(content_size == 0 || iplist_changed(l, 0));
	check_load(l, !had);
	CHECK(!iplist_changed(l, 0));
	if (had)
		check_answers(l);

	if (content_size > 4 && end[-1] == '\n' && end[-2] != '\n') {
		write_file(content, content_size - 1);
		CHECK(iplist_changed(l, 0));
		check_load(l, false);
		if (had)
			check_answers(l);
	}
}

static struct iplist *
make_lists(void)
{
	struct iplist *l = iplist_new();

	CHECK(l != NULL);
	for (int role = 0; role < IPLIST_ROLES; role++)
		if (has_role[role])
			CHECK(iplist_add_file(l, (enum iplist_role)role, path)
			    == 0);
	if (lenient)
		iplist_lenient(l);
	return l;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	int letter = (int)fuzz_byte(&in);
	struct iplist *l;
	bool good;

	fuzz_catch_log();
	make_file();
	lenient = isupper(letter);
	letter = tolower(letter);
	has_role[IPLIST_WHITE] = letter == 'w' || letter == 'a';
	has_role[IPLIST_SHADOW] = letter == 's';
	has_role[IPLIST_LISTED] = letter != 'w' && letter != 's';
	fill_content(&in);
	split_content();
	write_file(content, content_size);

	l = make_lists();
	good = lenient || !has_bad(0);
	check_load(l, good);
	if (good) {
		check_answers(l);
		check_explain(l);
		check_reload(l);
	}
	iplist_free(l);
	free(lines);
	free(content);
	return 0;
}
