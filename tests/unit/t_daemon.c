/*
 * t_daemon - what daemon_main() does and returns before there is a client.
 * Each command line runs in a process of its own, in a folder of its own.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sysexits.h>
#include <time.h>

#include "child.h"
#include "control.h"
#include "daemon.h"
#include "log.h"

#define WORDS_MAX	16

static struct child child;

/* The hook that is to fail, by its name. */
static const char *fails;

static int
hook(void *arg, const char *name)
{
	printf("%s%s ", arg == &fails ? "" : "wrong arg in ", name);
	if (fails == NULL || strcmp(fails, name) != 0)
		return 0;
	log_error("%s fails", name);
	return -1;
}

static int
on_options(void *arg)
{
	return hook(arg, "options");
}

static int
on_load(void *arg)
{
	log_debug("loading");
	return hook(arg, "load");
}

static int
on_check(void *arg)
{
	return hook(arg, "check");
}

static int
on_start(void *arg)
{
	return hook(arg, "start");
}

static void
on_stop(void *arg)
{
	hook(arg, "stop");
}

/* The status says how many words there were. */
static int
on_why(void *arg, int argc, char **argv)
{
	hook(arg, "why");
	for (int i = 0; i < argc; i++)
		printf("[%s]", argv[i]);
	return 10 + argc;
}

static struct smfiDesc filter = {
	.xxfi_name = (char *)"m", .xxfi_version = SMFI_VERSION
};

static struct daemon with_hooks = {
	.name = "m", .filter = &filter, .socketmode = DAEMON_SOCKETMODE,
	.arg = &fails, .options = on_options, .load = on_load,
	.check = on_check, .why = on_why, .start = on_start, .stop = on_stop,
};
static struct daemon without_hooks = {
	.name = "m", .filter = &filter, .socketmode = DAEMON_SOCKETMODE,
};

struct command_line {
	struct daemon *d;
	const char *prefix;
	const char *words;	/* with a | between two */
};

static int
run_line(void *arg)
{
	const struct command_line *line = arg;
	const struct options_row rows[] = {
		DAEMON_OPTIONS(*line->d),
		{ .name = NULL }
	};
	char *argv[WORDS_MAX + 2] = { (char *)"m" };
	char text[256], *rest = text;
	int argc = 1;

	snprintf(text, sizeof text, "%s%s", line->prefix, line->words);
	while (rest != NULL && *rest != '\0' && argc <= WORDS_MAX)
		argv[argc++] = strsep(&rest, "|");
	return daemon_main(line->d, rows, argc, argv);
}

static void
run(struct daemon *d, const char *prefix, const char *words)
{
	struct command_line line = { d, prefix, words };

	child_run(&child, run_line, &line);
}

/* How many files there are in the folder; a socket too many would show. */
static int
count_files(void)
{
	DIR *dir = opendir(".");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

struct row {
	const char *words, *fails;
	int status;
	const char *out;
	const char *err;	/* is in the line; NULL: there is none */
};

static void
check_rows(struct daemon *d, const char *prefix, const struct row *row,
    size_t count)
{
	int files = count_files();

	for (size_t i = 0; i < count; i++) {
		fails = row[i].fails;
		run(d, prefix, row[i].words);
		CHECK(child.status == row[i].status, "%s%s (%s): %d %s",
		    prefix, row[i].words, row[i].fails, child.status,
		    child.err);
		CHECK(row[i].out == NULL ||
		    strcmp(child.out, row[i].out) == 0, "%s%s: %s", prefix,
		    row[i].words, child.out);
		CHECK(row[i].err == NULL ? child.err[0] == '\0' :
		    child_is_line(child.err, row[i].err), "%s%s: %s", prefix,
		    row[i].words, child.err);
		CHECK(count_files() == files, "%s%s", prefix, row[i].words);
	}
	fails = NULL;
}

static void
statuses(void **state)
{
	static const struct row rows[] = {
		{ "-version", NULL, EX_OK, "m " VERSION "\n", NULL },
		{ "--version|x|y", NULL, EX_OK, "m " VERSION "\n", NULL },
		{ "", NULL, EX_USAGE, "options ", "missing: socket" },
		{ "unix:a|unix:b", NULL, EX_USAGE, "options ", "unix:b" },
		{ "-X|unix:a|unix:b|-d", NULL, EX_USAGE, "options ",
		    "unix:b" },
		{ "-nosuch|unix:a", NULL, EX_USAGE, "", "-nosuch" },
		{ "-check|-nosuch", NULL, EX_USAGE, "", "-nosuch" },
		{ "-help|-nosuch", NULL, EX_USAGE, "", "-nosuch" },
		{ "-pidfile", NULL, EX_USAGE, "", "-pidfile" },
		{ "-socketmode|888|unix:a", NULL, EX_USAGE, "", "888" },
		{ "-X|unix:a", "options", EX_USAGE, "options ", "options" },
		/* -check reads and asks, but makes nothing. */
		{ "-check", NULL, EX_OK, "options load check ", NULL },
		{ "-check|unix:a", NULL, EX_OK, "options load check ", NULL },
		{ "-check|-control|c|-pidfile|p|unix:a", NULL, EX_OK,
		    "options load check ", NULL },
		{ "-check|unix:a", "options", EX_USAGE, "options ",
		    "options" },
		{ "-check|unix:a", "load", EX_CONFIG, "options load ",
		    "load" },
		{ "-check|unix:a", "check", EX_CONFIG, "options load check ",
		    "check" },
		{ "-check|-debug", NULL, EX_OK, "options load check ",
		    "m: loading" },
		{ "-check|-user|no-such-user", NULL, EX_CONFIG, "options ",
		    "no-such-user" },
		/* -why returns what its function does. */
		{ "-why", NULL, 10, "options load why ", NULL },
		{ "-why|a|b c", NULL, 12, "options load why [a][b c]", NULL },
		{ "-why|-d|--|-x", NULL, 11, "options load why [-x]",
		    "m: loading" },
		{ "-why|a", "load", EX_CONFIG, "options load ", "load" },
		{ "-why|a", "options", EX_USAGE, "options ", "options" },
		/* -tell needs one operand and nothing of the milter. */
		{ "-tell", NULL, EX_USAGE, "", "-tell" },
		{ "-tell|x", NULL, EX_USAGE, "", "missing: control socket" },
		{ "-tell|x|a|b", NULL, EX_USAGE, "", "b" },
		{ "-tell|x|missing", "options", EXIT_FAILURE, "", "missing" },
		{ "-tell|x|file", NULL, EXIT_FAILURE, "", "file" },
		{ "-tell|x\ny|file", NULL, EXIT_FAILURE, "", "one line" },
	};

	(void)state;
	check_rows(&with_hooks, "", rows, COUNT(rows));
}

/* Any function may be NULL. */
static void
no_hooks(void **state)
{
	static const struct row rows[] = {
		{ "-check", NULL, EX_OK, "", NULL },
		{ "-X|unix:missing/a", NULL, EX_CONFIG, "", "missing/a" },
		{ "-why|a", NULL, EX_USAGE, "", "-why" },
	};

	(void)state;
	check_rows(&without_hooks, "", rows, COUNT(rows));
}

static void
help(void **state)
{
	const struct options_row rows[] = {
		DAEMON_OPTIONS(with_hooks),
		{ .name = NULL }
	};

	(void)state;
	run(&with_hooks, "", "-help|-check|x|y");
	assert_int_equal(child.status, EX_OK);
	assert_string_equal(child.err, "");
	assert_ptr_equal(strstr(child.out, "usage: m "), child.out);
	assert_non_null(strstr(child.out, "(0660)"));
	for (const struct options_row *row = rows; row->name != NULL; row++) {
		char want[64];

		snprintf(want, sizeof want, "\n  -%s", row->name);
		CHECK(strstr(child.out, want) != NULL, "%s", row->name);
		CHECK(strstr(child.out, row->help) != NULL, "%s", row->name);
	}
}

/* --- starts that fail; what is in the way was made by make_files() */

/*
 * The same in the foreground and behind the back of the process that was
 * called, which must hear of it: its stdout is not seen then.  What is to
 * fail before the load has a load that would fail, so that no daemon stays
 * if it does not.
 */
static void
starts_that_fail(void **state)
{
	static const struct row rows[] = {
		{ "unix:file", "load", EX_CONFIG, "options ", "file" },
		{ "local:file", "load", EX_CONFIG, "options ", "file" },
		{ "unix:link", "load", EX_CONFIG, "options ", "link" },
		{ "unix:folder", "load", EX_CONFIG, "options ", "folder" },
		{ "unix:live", "load", EX_UNAVAILABLE, "options ", "live" },
		{ "unix:missing/a", NULL, EX_CONFIG,
		    "options load start stop ", "missing/a" },
		{ "bogus:x", NULL, EX_CONFIG, "options load start stop ",
		    "bogus:x" },
		{ "unix:a", "load", EX_CONFIG, "options load ", "load" },
		{ "unix:a", "start", EX_CONFIG, "options load start ",
		    "start" },
		{ "-control|file|unix:a", "load", EX_CONFIG, "options ",
		    "file" },
		{ "-control|live|unix:a", "load", EX_UNAVAILABLE, "options ",
		    "live" },
		{ "-control|missing/c|unix:a", NULL, EX_CONFIG,
		    "options load start stop ", "missing/c" },
		{ "-control|c|unix:missing/a", NULL, EX_CONFIG,
		    "options load start stop ", "missing/a" },
		{ "-pidfile|missing/p|unix:a", "load", EX_CONFIG, "options ",
		    "missing/p" },
		{ "-pidfile|link|unix:a", "load", EX_CONFIG, "options ",
		    "link" },
		{ "-pidfile|folder|unix:a", "load", EX_CONFIG, "options ",
		    "folder" },
		{ "-pidfile|held|unix:a", "load", EX_UNAVAILABLE, "options ",
		    "held" },
		{ "-user|no-such-user|unix:a", "load", EX_CONFIG, "options ",
		    "no-such-user" },
	};
	struct row background[COUNT(rows)];
	char text[16] = "";
	FILE *file;

	(void)state;
	check_rows(&with_hooks, "-X|", rows, COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		background[i] = rows[i];
		background[i].out = NULL;
	}
	check_rows(&with_hooks, "", background, COUNT(rows));
	assert_non_null(file = fopen("file", "r"));
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	assert_string_equal(text, "mine");
	assert_true(control_answers("live"));
}

/* --- -user */

/* In place of the check: whom have we become, and is it for good? */
static int
print_user(void *arg)
{
	gid_t groups[256];
	int count = getgroups((int)COUNT(groups), groups);
	bool old = false;

	(void)arg;
	for (int i = 0; i < count; i++)
		old |= groups[i] == 0 || groups[i] == 12346;
	printf("%ld:%ld %ld:%ld%s%s", (long)getuid(), (long)getgid(),
	    (long)geteuid(), (long)getegid(), old ? " in old groups" : "",
	    getuid() != 0 && setuid(0) != -1 ? " is root again" : "");
	return 0;
}

/* As a shell of root's would start it. */
static int
as_root(void *line)
{
	static const gid_t groups[] = { 0, 12346 };

	return setgroups(COUNT(groups), groups) == -1 ? 111 : run_line(line);
}

/* NULL for what is wanted: there is no such user or group. */
struct user {
	const char *spec, *want;
};

static void
check_users(int (*start)(void *), const struct user *row, size_t count,
    const char *why)
{
	struct daemon d = { .name = "m", .check = print_user };

	for (size_t i = 0; i < count; i++) {
		struct command_line line = { &d, "-check|-user|", row[i].spec };
		bool good = row[i].want != NULL;

		child_run(&child, start, &line);
		CHECK(child.status == (good ? EX_OK : EX_CONFIG), "%s: %d %s",
		    row[i].spec, child.status, child.out);
		CHECK(strcmp(child.out, good ? row[i].want : "") == 0,
		    "%s: %s", row[i].spec, child.out);
		CHECK(good ? child.err[0] == '\0' :
		    child_is_line(child.err, row[i].spec) &&
		    strstr(child.err, why) != NULL, "%s: %s", row[i].spec,
		    child.err);
	}
}

/* Without a name where we cannot become somebody else. */
static const struct passwd *
find_nobody(void)
{
	static const struct passwd none = { .pw_name = NULL };
	const struct passwd *nobody = getpwnam("nobody");

	if (nobody == NULL || nobody->pw_uid == 0 || geteuid() != 0)
		return &none;
	return nobody;
}

static void
root_becomes_another_user(void **state)
{
	const struct passwd *nobody = find_nobody();
	long uid = (long)nobody->pw_uid, gid = (long)nobody->pw_gid;
	char number[32], numbers[64], odd[64], own[128], other[128];
	const struct user table[] = {
		{ "nobody", own },
		{ number, own },
		{ "nobody:12345", other },
		{ numbers, other },
		{ "no-such-user", NULL },
		{ "nobody:no-such-group", NULL },
		{ "nobody:", NULL },
		{ ":", NULL },
		{ ":12345", NULL },
		{ "nobody:12345:", NULL },
		{ odd, NULL },
		{ "nobody:1x", NULL },
		{ "nobody:-1", NULL },
		{ "-1", NULL },
		{ "4294967294", NULL },
		/* Numbers that are 0 without their high bits: that is root. */
		{ "4294967296", NULL },
		{ "18446744073709551616", NULL },
		{ "nobody:4294967296", NULL },
		{ "nobody:18446744073709551616", NULL },
	};

	(void)state;
	if (nobody->pw_name == NULL)
		return;
	snprintf(number, sizeof number, "%ld", uid);
	snprintf(numbers, sizeof numbers, "%ld:12345", uid);
	snprintf(odd, sizeof odd, "%ldx", uid);
	snprintf(own, sizeof own, "%ld:%ld %ld:%ld", uid, gid, uid, gid);
	snprintf(other, sizeof other, "%ld:12345 %ld:12345", uid, uid);
	check_users(as_root, table, COUNT(table), "no such user or group");
}

static int
as_nobody(void *line)
{
	const struct passwd *nobody = getpwnam("nobody");

	if (setgroups(0, NULL) == -1 || setgid(nobody->pw_gid) == -1 ||
	    setuid(nobody->pw_uid) == -1)
		return 111;
	return run_line(line);
}

/* Who is not root can be nobody but the one he is. */
static void
others_stay_who_they_are(void **state)
{
	const struct passwd *nobody = find_nobody();
	long uid = (long)nobody->pw_uid, gid = (long)nobody->pw_gid;
	char own[128];
	const struct user table[] = {
		{ "nobody", own },
		{ "root", NULL },
		{ "0", NULL },
		{ "nobody:12345", NULL },
	};

	(void)state;
	if (nobody->pw_name == NULL)
		return;
	snprintf(own, sizeof own, "%ld:%ld %ld:%ld", uid, gid, uid, gid);
	check_users(as_nobody, table, COUNT(table), "only root");
}

/* --- -tell a daemon that runs */

static int
command_say(struct control_answer *answer, int argc, char **argv, void *arg)
{
	(void)argc;
	(void)arg;
	fprintf(answer->out, "[%s]\n", argv[1]);
	return 0;
}

static int
command_fail(struct control_answer *answer, int argc, char **argv, void *arg)
{
	(void)argc;
	(void)argv;
	(void)arg;
	fprintf(answer->out, "half\n");
	return control_error(answer, "not today");
}

static void
tell(void **state)
{
	static const struct control_command commands[] = {
		{ "say", "TEXT", 1, 1, command_say, "say it" },
		{ "fail", "", 0, 0, command_fail, "fail" },
		{ .name = NULL }
	};
	static const struct row rows[] = {
		{ "-tell|say  a b |control", NULL, EXIT_SUCCESS, "[a b]\n",
		    NULL },
		{ "-tell=say a|control", NULL, EXIT_SUCCESS, "[a]\n", NULL },
		{ "control|-tell|say a", NULL, EXIT_SUCCESS, "[a]\n", NULL },
		{ "-tell|fail|control", NULL, EXIT_FAILURE, "half\n",
		    "m: not today" },
		{ "-tell|nosuch|control", NULL, EXIT_FAILURE, "",
		    "m: no such command" },
		{ "-tell|say a\nfail|control", NULL, EXIT_FAILURE, "",
		    "one line" },
	};
	const struct timespec pause_time = { .tv_nsec = 10000000 };
	pid_t server;

	(void)state;
	fflush(NULL);
	if ((server = fork()) == 0) {
		control_add(commands, NULL);
		if (control_open("control", 0600) == -1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(server > 0);
	for (int i = 0; i < 2000 && !control_answers("control"); i++)
		nanosleep(&pause_time, NULL);
	check_rows(&with_hooks, "", rows, COUNT(rows));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	/* A socket that was left behind answers nobody. */
	run(&with_hooks, "", "-tell|say a|control");
	assert_int_equal(child.status, EXIT_FAILURE);
	CHECK(child_is_line(child.err, "control"), "%s", child.err);
	unlink("control");
}

/* --- the folder */

static int live = -1, held = -1;	/* descriptors that stay open */

static int
make_files(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "live" };
	FILE *file = fopen("file", "w");

	if (file == NULL || fputs("mine", file) == EOF || fclose(file) == EOF)
		return -1;
	held = open("held", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	live = socket(AF_UNIX, SOCK_STREAM, 0);
	return held == -1 || flock(held, LOCK_EX) == -1 || live == -1 ||
	    bind(live, (struct sockaddr *)&sa, sizeof sa) == -1 ||
	    listen(live, 100) == -1 || symlink("file", "link") == -1 ||
	    mkdir("folder", 0755) == -1 ? -1 : 0;
}

static void
remove_files(void)
{
	static const char *const names[] = {
		"file", "held", "live", "link", "folder", "control"
	};

	close(held);
	close(live);
	for (size_t i = 0; i < COUNT(names); i++)
		remove(names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(no_hooks),
		cmocka_unit_test(help),
		cmocka_unit_test(starts_that_fail),
		cmocka_unit_test(root_becomes_another_user),
		cmocka_unit_test(others_stay_who_they_are),
		cmocka_unit_test(tell),
	};
	char folder[] = "/tmp/t_daemon.XXXXXX";
	int failed;

	if (mkdtemp(folder) == NULL || chdir(folder) == -1 ||
	    make_files() == -1)
		return 1;
	failed = RUN(tests);
	remove_files();
	rmdir(folder);
	return failed;
}
