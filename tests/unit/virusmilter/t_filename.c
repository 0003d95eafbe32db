/*
 * t_filename - which names are those of programs and of zips.
 */
#include <ctype.h>
#include <string.h>

#include "filename.h"
#include "unit.h"

static void
check_one(const char *name, const char *extension, bool disguised)
{
	struct filename_verdict v;
	bool program = filename_is_program(name, &v);

	CHECK(program == (extension[0] != '\0'), "\"%s\": got %d", name,
	    program);
	CHECK(strcmp(v.extension, extension) == 0, "\"%s\": got \"%s\"", name,
	    v.extension);
	CHECK(v.disguised == disguised, "\"%s\": got %d", name, v.disguised);
}

/* An extension as the verdict has it, cut to its room. */
static void
check_extension(const char *extension)
{
	char name[64], wanted[sizeof ((struct filename_verdict *)0)->extension];

	snprintf(wanted, sizeof wanted, "%.*s", (int)sizeof wanted - 1,
	    extension);
	snprintf(name, sizeof name, "a b.%s", extension);
	check_one(name, wanted, false);
	for (char *p = name; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	check_one(name, wanted, false);
	snprintf(name, sizeof name, ".%s", extension);
	check_one(name, wanted, false);
	/* It is all of the extension that counts. */
	snprintf(name, sizeof name, "a.%sq", extension);
	check_one(name, "", false);
	snprintf(name, sizeof name, "a.q%s", extension);
	check_one(name, "", false);
	snprintf(name, sizeof name, "%s", extension);
	check_one(name, "", false);
	snprintf(name, sizeof name, "a.%s.txt", extension);
	check_one(name, "", false);
}

static void
programs(void **state)
{
	static const char *const table[] = {
		"ade", "adp", "apk", "app", "appcontent-ms", "appinstaller",
		"application", "appref-ms", "appx", "appxbundle", "bat", "chm",
		"cmd", "com", "command", "cpl", "desktop", "diagcab", "dll",
		"drv", "exe", "fxp", "gadget", "hlp", "hta", "inf", "ins",
		"isp", "its", "jar", "jnlp", "js", "jse", "library-ms", "lnk",
		"mad", "maf", "mag", "mam", "maq", "mar", "mas", "mau", "mav",
		"maw", "mda", "mde", "mdt", "mdw", "mdz", "msc", "msh", "msh1",
		"msh1xml", "msh2", "msh2xml", "mshxml", "msi", "msix",
		"msixbundle", "msp", "mst", "msu", "ocx", "ops", "osd", "pif",
		"prf", "ps1", "ps1xml", "ps2", "ps2xml", "psc1", "psc2", "reg",
		"scf", "scr", "sct", "search-ms", "searchconnector-ms",
		"settingcontent-ms", "shb", "shs", "sys", "terminal", "udl",
		"url", "vbe", "vbs", "vsmacros", "vxd", "website", "wll", "ws",
		"wsc", "wsf", "wsh", "xbap", "xll", "xnk",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		check_extension(table[i]);
}

/* What is in mail every day. */
static void
others(void **state)
{
	static const char *const table[] = {
		"", " ", ".", "...", "exe", "a", "a.", "a.b",
		"letter.doc", "letter.docx", "table.xls", "table.xlsm",
		"slides.ppt", "paper.pdf", "paper.ps", "letter.odt", "a.rtf",
		"a.txt", "a.csv", "a.xml", "a.json", "a.html", "a.htm",
		"a.eml", "a.msg", "a.ics", "a.vcf", "winmail.dat",
		"photo.jpg", "photo.jpeg", "a.png", "a.gif", "a.tif", "a.bmp",
		"a.svg", "a.pcd", "a.psd", "a.heic", "a.mp3", "a.mp4",
		"a.zip", "a.rar", "a.7z", "a.tar.gz", "a.tgz", "a.cab",
		"a.iso", "a.img", "a.dmg", "a.deb", "a.rpm",
		"a.c", "a.h", "a.cpp", "a.java", "a.py", "a.pl", "a.rb",
		"a.sh", "a.vb", "a.bas", "a.php", "a.go", "a.rs", "a.ts",
		"a.sql", "a.diff", "a.patch", "a.m4", "a.asm", "a.prg",
		"a.mdb", "a.accdb", "a.mat", "a.pst", "a.tmp", "a.theme",
		"a.asc", "smime.p7s", "smime.p7m", "a.cer", "a.crt", "a.der",
		"a.p12", "example.com.crt", "joe@example.com.asc",
		"example.com!example.net!1!2.xml.gz", "example.com.eml",
		"image001.png@01C9A2B3", "1.2", "v1.0", "report 3.11.2009",
		"command line.txt", "a.exe.txt", "a.exe.zip", "a.exe_",
		"a.exe/b.txt", "a.exe\\b.txt", "a.exe/", "dir.com/",
		"dir.exe\\", "a.exe: notes.txt", "a.exe-", "a.e xe", "a. exe",
		"\xd0\xb0.\xd1\x82\xd1\x85\xd1\x82", "a.\xd0\xb5xe",
		"a.{21ec2020}", "a.{21ec2020-3aea-1069-a2dd-08002b30309g}",
		"{21ec2020-3aea-1069-a2dd-08002b30309d}",
		"a.{21ec2020-3aea-1069-a2dd-08002b30309d}.txt",
		"x{21ec2020-3aea-1069-a2dd-08002b30309d}",
		/* What is shown backwards is stored like this. */
		"exe.\xe2\x80\xaetxt",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		check_one(table[i], "", false);
}

struct row {
	const char *name, *extension;
};

static void
check_rows(const struct row *row, size_t count, bool disguised)
{
	for (size_t i = 0; i < count; i++)
		check_one(row[i].name, row[i].extension, disguised);
}

static void
as_they_are(void **state)
{
	static const struct row rows[] = {
		{ "setup.exe", "exe" },
		{ "dir/setup.exe", "exe" },
		{ "C:\\dir.txt\\setup.exe", "exe" },
		{ "C:setup.exe", "exe" },
		{ "../a.exe", "exe" },
		{ "a.pdf/setup.exe", "exe" },
		{ "my.own.setup.exe", "exe" },
		{ "a   b.exe", "exe" },
		{ "a\tb.exe", "exe" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff.exe", "exe" },
		{ "Re: setup.exe", "exe" },
		{ "'setup.exe'", "exe" },
		{ "\"setup.exe\"", "exe" },
		{ "<setup.exe>", "exe" },
		{ "setup.exe?", "exe" },
		{ "a.tar.exe", "exe" },
		/* Fullwidth letters and dots, and others of these. */
		{ "a\xef\xbc\x8e\xef\xbd\x85\xef\xbd\x98\xef\xbd\x85", "exe" },
		{ "a.\xef\xbc\xa5\xef\xbc\xb8\xef\xbc\xa5", "exe" },
		{ "a\xe2\x80\xa4" "exe", "exe" },
		{ "a\xef\xb9\x92" "exe", "exe" },
		/* Whatever it looks like, a desktop runs it. */
		{ "www.example.com", "com" },
		{ "www.myparty.yahoo.com", "com" },
		{ "joe@example.com", "com" },
		{ "Your order at example.com", "com" },
		/* Named after a document by no ill will. */
		{ "letter.doc.lnk", "lnk" },
		{ "page.html.url", "url" },
		{ "Reports.Pdf.dll", "dll" },
		{ "data.json.js", "js" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), false);
}

static void
disguised(void **state)
{
	static const struct row rows[] = {
		{ "invoice.pdf.exe", "exe" },
		{ "photo.JPG.scr", "scr" },
		{ "letter.doc.js", "js" },
		{ "dir/letter.docx.com", "com" },
		{ "a.html.hta", "hta" },
		{ "a.7z.bat", "bat" },
		{ "a.zip.pif", "pif" },
		{ "invoice.pdf .exe", "exe" },
		{ "invoice.pdf..exe", "exe" },
		{ "a.pdf.exe'", "exe" },
		/* Rows of blanks. */
		{ "a    .exe", "exe" },
		{ "a    b.exe", "exe" },
		{ "a\xc2\xa0\xc2\xa0\xc2\xa0\xc2\xa0.exe", "exe" },
		{ "a\xe3\x80\x80 \xe2\x80\x83\xe2\xa0\x80.exe", "exe" },
		{ "a                                             .lnk", "lnk" },
		/* What is not shown. */
		{ "a\x01.exe", "exe" },
		{ "a.ex\x7f" "e", "exe" },
		{ "a.exe\x01", "exe" },
		{ "\x1f" "a.exe", "exe" },
		{ "ann\xe2\x80\xae" "txt.exe", "exe" },
		{ "ann\xe2\x80\xae" "fdp.scr\xe2\x80\xac", "scr" },
		{ "a\xe2\x81\xa6.exe", "exe" },
		{ "a\xe2\x81\xa9.exe", "exe" },
		{ "a.e\xe2\x80\x8b" "xe", "exe" },
		{ "a\xe2\x80\x8f.exe", "exe" },
		{ "a\xef\xbb\xbf.exe", "exe" },
		{ "a\xc2\xad.exe", "exe" },
		/* Windows leaves these out. */
		{ "a.exe.", "exe" },
		{ "a.exe...", "exe" },
		{ "a.exe ", "exe" },
		{ "a.exe . .", "exe" },
		{ "a.exe\xc2\xa0", "exe" },
		/* Streams. */
		{ "a.exe:", "exe" },
		{ "a.exe::$DATA", "exe" },
		{ "a.exe:b.txt", "exe" },
		{ "C:a.exe:b:$DATA", "exe" },
		{ "a.exe\xef\xbc\x9a" "b.txt", "exe" },
		/* Classes. */
		{ "a.txt.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}", "clsid" },
		{ "a.{00000000-0000-0000-0000-000000000000}", "clsid" },
		{ "a.exe.{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}.", "clsid" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), true);
}

/* The end counts, however much stands before it. */
static void
long_names(void **state)
{
	static char name[100000];

	(void)state;
	for (size_t size = 1000; size <= 99000; size += size / 40) {
		memset(name, 'x', size);
		memcpy(name + size, ".exe", 5);
		check_one(name, "exe", false);
		memset(name, '\x01', size);
		check_one(name, "exe", true);
		memcpy(name + size, ".txt", 5);
		check_one(name, "", false);
		memset(name, ':', size);
		check_one(name, "", false);
	}
}

static void
zips(void **state)
{
	static const struct {
		const char *name;
		bool zip;
	} table[] = {
		{ "a.zip", true }, { "A.ZIP", true }, { "a.zip.", true },
		{ "a.zip ", true }, { ".zip", true }, { "a.zipx", true },
		{ "a.pdf.zip", true }, { "d/a.zip", true },
		{ "a\xef\xbc\x8ezip", true }, { "'a.zip'", true },
		{ "", false }, { "zip", false }, { "a.zip.txt", false },
		{ "a.zi", false }, { "a.zips", false }, { "a.zip/b", false },
		{ "a.exe", false }, { "a.gz", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		CHECK(filename_is_zip(table[i].name) == table[i].zip, "%s",
		    table[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs),
		cmocka_unit_test(others),
		cmocka_unit_test(as_they_are),
		cmocka_unit_test(disguised),
		cmocka_unit_test(long_names),
		cmocka_unit_test(zips),
	};

	return RUN(tests);
}
