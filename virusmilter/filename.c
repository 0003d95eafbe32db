#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "filename.h"
#include "param.h"

void
filename_find(const char *field, const char *value,
    void (*take)(void *arg, const char *name), void *arg)
{
	size_t size = strcspn(field, " \t");

	if ((size == 12 && strncasecmp(field, "Content-Type", size) == 0) ||
	    (size == 19 && strncasecmp(field, "Content-Disposition",
	    size) == 0))
		param_find(value, take, arg);
}

/*
 * What Windows runs, installs, takes settings from or loads into a program when
 * it is opened, and a few that macOS, Linux and Android run: such a list comes
 * from the registry of Windows (HKEY_CLASSES_ROOT, PATHEXT) and from what
 * Outlook calls unsafe (its "Level 1").  Left out of the latter is what is
 * ordinary in mail: certificates, databases, sources that are not run by being
 * opened, images, and archives.
 *
 * Sorted by strcmp(3).
 */
static const char *const programs[] = {
	"ade",			/* Access and its shortcuts, to mdz */
	"adp",
	"apk",			/* Android */
	"app",
	"appcontent-ms",
	"appinstaller",
	"application",		/* ClickOnce */
	"appref-ms",
	"appx", "appxbundle",
	"bat",
	"chm",			/* help, which may have scripts */
	"cmd",
	"com",
	"command",		/* macOS: for its Terminal */
	"cpl",
	"desktop",		/* Linux: starters */
	"diagcab",
	"dll", "drv",
	"exe",
	"fxp",			/* FoxPro */
	"gadget",
	"hlp",
	"hta",
	"inf", "ins", "isp", "its",
	"jar", "jnlp",
	"js", "jse",
	"library-ms",
	"lnk",
	"mad", "maf", "mag", "mam", "maq", "mar", "mas", "mau", "mav", "maw",
	"mda", "mde", "mdt", "mdw", "mdz",
	"msc",
	"msh", "msh1", "msh1xml", "msh2", "msh2xml", "mshxml",
	"msi", "msix", "msixbundle", "msp", "mst", "msu",
	"ocx",
	"ops", "osd",
	"pif",
	"prf",
	"ps1", "ps1xml", "ps2", "ps2xml", "psc1", "psc2",
	"reg",
	"scf",
	"scr",
	"sct",
	"search-ms", "searchconnector-ms", "settingcontent-ms",
	"shb", "shs",
	"sys",
	"terminal",		/* macOS */
	"udl",
	"url",
	"vbe", "vbs",
	"vsmacros",
	"vxd",
	"website",
	"wll",
	"ws", "wsc", "wsf", "wsh",
	"xbap",
	"xll",
	"xnk",
};

/*
 * What worms pretend to be; not what programmers put before the extension of a
 * script (data.json.js).  Sorted, too.
 */
static const char *const documents[] = {
	"7z", "avi", "bmp", "csv", "doc", "docm", "docx", "dot", "eml", "epub",
	"gif", "htm", "html", "ics", "jpeg", "jpg", "mov", "mp3", "mp4",
	"mpeg", "mpg", "msg", "odp", "ods", "odt", "ogg", "pdf", "png", "pps",
	"ppsx", "ppt", "pptx", "pub", "rar", "rtf", "tif", "tiff", "txt",
	"vcf", "vsd", "vsdx", "wav", "webp", "wma", "wmv", "xls", "xlsm",
	"xlsx", "xps", "zip",
};

/*
 * With the extension of a document before them by no ill will: Windows names
 * shortcuts so by itself, and people send those by mistake; and parts of
 * programs are named after what they are for (Reports.Pdf.dll).
 */
static const char *const innocent[] = {
	"dll", "drv", "lnk", "ocx", "sys", "url",
};

#define COUNT(table)	(sizeof (table) / sizeof (table)[0])
#define EXTENSION_MAX	18	/* bytes, of the longest of them */
#define BLANKS_MANY	4
#define OTHER		0xfffd	/* a character: any that is not known here */

/*
 * A name as far as it matters: its end, without what is not shown, with one
 * blank for all kinds of them and ASCII for what looks like it.
 */
struct shown {
	size_t size;
	bool hidden;		/* there was something that is not shown */
	char text[FILENAME_MAX_BYTES];
};

/* --- characters */

/* A tab may be a fold of the field that was not undone well. */
static bool
is_control(unsigned c)
{
	return (c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

/* Those of no width, and those that turn the direction of writing. */
static bool
is_invisible(unsigned c)
{
	return c == 0xad || c == 0x34f || c == 0x61c || c == 0x180e ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static bool
is_blank(unsigned c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xa0 ||
	    c == 0x115f || c == 0x1160 || c == 0x1680 ||
	    (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	    c == 0x202f || c == 0x205f || c == 0x2800 || c == 0x3000 ||
	    c == 0x3164 || c == 0xffa0;
}

/*
 * A character of up to three bytes; longer ones are none that matter here.
 * Returns its size; 1 and OTHER when it is no UTF-8.
 */
static size_t
read_character(const unsigned char *p, unsigned *c)
{
	*c = p[0] < 0x80 ? p[0] : OTHER;
	if (p[0] >= 0xc2 && p[0] < 0xe0 && (p[1] & 0xc0) == 0x80) {
		*c = (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU);
		return 2;
	}
	if (p[0] >= 0xe0 && p[0] < 0xf0 && (p[1] & 0xc0) == 0x80 &&
	    (p[2] & 0xc0) == 0x80) {
		*c = (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
		return 3;
	}
	return 1;
}

/*
 * Of ISO 2022, which switches character sets: ESC, and what belongs to it.
 * Readers take it out of a name.
 */
static size_t
escape_size(const unsigned char *p)
{
	size_t size = 1;

	if (p[0] != 0x1b)
		return 0;
	while (p[size] >= ' ' && p[size] <= '/')
		size++;
	return p[size] >= '0' && p[size] <= '~' ? size + 1 : 1;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void
show(struct shown *s, const char *name)
{
	size_t size = strlen(name), width;
	const unsigned char *p = (const unsigned char *)name;
	unsigned c;

	s->size = 0;
	s->hidden = false;
	if (size > sizeof s->text)
		p += size - sizeof s->text;
	for (; *p != '\0'; p += width) {
		if ((width = escape_size(p)) > 0)
			continue;
		width = read_character(p, &c);
		if (is_control(c) || is_invisible(c)) {
			s->hidden = true;
			continue;
		}
		if (c >= 0xff01 && c <= 0xff5e)	/* fullwidth */
			c -= 0xff01 - '!';
		else if (c == 0x2024 || c == 0xfe52)	/* kinds of dots */
			c = '.';
		if (is_blank(c))
			s->text[s->size++] = ' ';
		else if (c < 0x80)
			s->text[s->size++] = lower((char)c);
		else {
			memcpy(s->text + s->size, p, width);
			s->size += width;
		}
	}
}

/* --- extensions */

static int
compare(const void *text, const void *entry)
{
	return strcmp(text, *(const char *const *)entry);
}

static bool
is_in(const char *const *table, size_t count, const char *extension)
{
	return bsearch(extension, table, count, sizeof table[0],
	    compare) != NULL;
}

/*
 * Copies the extension of what ends there and returns where its dot is; NULL:
 * it has none, or one that is in no table.
 */
static const char *
find_extension(const char *start, const char *end,
    char extension[EXTENSION_MAX + 1])
{
	const char *p = end;

	while (p > start && p[-1] != '.' && end - p < EXTENSION_MAX)
		p--;
	if (p == start || p[-1] != '.')
		return NULL;
	memcpy(extension, p, (size_t)(end - p));
	extension[end - p] = '\0';
	return p - 1;
}

/* Not a part of the name for Windows, or left out by who saves a file. */
static const char *
drop_end(const char *start, const char *end)
{
	while (end > start && strchr(". \"'<>|*?", end[-1]) != NULL)
		end--;
	return end;
}

/*
 * ".{21ec2020-3aea-1069-a2dd-08002b30309d}": the number of a class, which
 * Windows acts by and does not show.  Returns where it begins; NULL: nowhere.
 */
static const char *
find_class(const char *start, const char *end)
{
	static const char form[] = ".{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";
	const char *p = end - (sizeof form - 1);

	if (end - start < (ptrdiff_t)sizeof form - 1)
		return NULL;
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == 'x' ? strchr("0123456789abcdef", p[i]) == NULL :
		    p[i] != form[i])
			return NULL;
	return p;
}

/* --- disguise */

/* Is there an extension of a document before that at dot? */
static bool
is_behind_document(const char *start, const char *dot)
{
	char extension[EXTENSION_MAX + 1];

	dot = drop_end(start, dot);
	return find_extension(start, dot, extension) != NULL &&
	    is_in(documents, COUNT(documents), extension);
}

static bool
has_many_blanks(const char *start, const char *end)
{
	size_t blanks = 0;

	for (const char *p = start; p < end && blanks < BLANKS_MANY; p++)
		blanks = *p == ' ' ? blanks + 1 : 0;
	return blanks >= BLANKS_MANY;
}

/* --- names */

static void
set_verdict(struct filename_verdict *v, const char *extension, bool disguised)
{
	size_t size = strnlen(extension, sizeof v->extension - 1);

	memcpy(v->extension, extension, size);
	v->extension[size] = '\0';
	v->disguised = disguised;
}

/* Is what ends there a program? */
static bool
judge(const struct shown *s, const char *start, const char *end,
    struct filename_verdict *v)
{
	char extension[EXTENSION_MAX + 1];
	const char *last = drop_end(start, end), *dot;

	if (find_class(start, last) != NULL) {
		set_verdict(v, "clsid", true);
		return true;
	}
	dot = find_extension(start, last, extension);
	if (dot == NULL || !is_in(programs, COUNT(programs), extension))
		return false;
	set_verdict(v, extension, s->hidden || has_many_blanks(start, dot) ||
	    (strcmp(extension, "com") != 0 && last < end &&
	    (*last == '.' || *last == ' ')) ||
	    (!is_in(innocent, COUNT(innocent), extension) &&
	    is_behind_document(start, dot)));
	return true;
}

/* Where the last part of a path begins. */
static const char *
base(const struct shown *s)
{
	const char *p = s->text + s->size;

	while (p > s->text && p[-1] != '/' && p[-1] != '\\')
		p--;
	return p;
}

/*
 * The extension before the last is not asked for: but for the class, which
 * judge() knows, nothing that desktops strip is an extension.  A colon with a
 * blank behind it is no stream but a subject, as in "Re: setup.exe: how".
 */
bool
filename_is_program(const char *name, struct filename_verdict *v)
{
	struct shown s;
	const char *start, *end;

	show(&s, name);
	start = base(&s);
	end = s.text + s.size;
	*v = (struct filename_verdict){ .disguised = false };
	if (judge(&s, start, end, v))
		return true;
	for (const char *p = start; p < end; p++) {
		if (*p != ':' || (p + 1 < end && p[1] == ' ') ||
		    !judge(&s, start, p, v))
			continue;
		/* "example.com:8080" is an address of another kind. */
		v->disguised |= strcmp(v->extension, "com") != 0;
		return true;
	}
	return false;
}

bool
filename_is_zip(const char *name)
{
	char extension[EXTENSION_MAX + 1];
	const char *start;
	struct shown s;

	show(&s, name);
	start = base(&s);
	return find_extension(start, drop_end(start, s.text + s.size),
	    extension) != NULL && (strcmp(extension, "zip") == 0 ||
	    strcmp(extension, "zipx") == 0);
}
