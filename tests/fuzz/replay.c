/*
 * replay - run a fuzz target over files, or every file of a folder, and say in
 * TAP which went well.  A file that makes the target fail ends the program;
 * there is no plan then, and stderr names the file.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "fuzz.h"

#define PATH_SIZE	4096

static char path[PATH_SIZE];	/* of the file under way */

static void
name_file(int signal_number)
{
	(void)signal_number;
	dprintf(STDERR_FILENO, "replay: it was %s\n", path);
}

static _Noreturn void
give_up(const char *what)
{
	printf("not ok - %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The whole file in memory of exactly its size; the caller frees it. */
static uint8_t *
read_file(size_t *size)
{
	FILE *file = fopen(path, "r");
	uint8_t *data;
	long end;

	if (file == NULL || fseek(file, 0, SEEK_END) == -1 ||
	    (end = ftell(file)) == -1 ||
	    ((data = malloc((size_t)end)) == NULL && end > 0))
		give_up(path);
	rewind(file);
	*size = fread(data, 1, (size_t)end, file);
	if (*size != (size_t)end)
		give_up(path);
	fclose(file);
	return data;
}

static void
replay_file(int number)
{
	size_t size;
	uint8_t *data = read_file(&size);

	LLVMFuzzerTestOneInput(data, size);
	free(data);
	printf("ok %d - %s\n", number, path);
}

/* All of a folder, which is not empty; returns the number of the last test. */
static int
replay_folder(const char *folder, int number)
{
	struct dirent **entry;
	int count = scandir(folder, &entry, is_visible, alphasort);

	if (count == 0)
		errno = ENOENT;		/* no inputs test nothing */
	if (count <= 0)
		give_up(folder);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", folder,
		    entry[i]->d_name);
		replay_file(++number);
		free(entry[i]);
	}
	free(entry);
	return number;
}

int
main(int argc, char *argv[])
{
	const struct sigaction once = { .sa_handler = name_file,
	    .sa_flags = (int)SA_RESETHAND };
	struct stat st;
	int number = 0;

	errno = EINVAL;
	if (argc < 2)
		give_up("no files named");
	/* By lines, or what was said is lost when the target aborts. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGABRT, &once, NULL);
	sigaction(SIGSEGV, &once, NULL);
	for (int i = 1; i < argc; i++) {
		snprintf(path, sizeof path, "%s", argv[i]);
		if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
			replay_file(++number);
		else
			number = replay_folder(argv[i], number);
	}
	printf("1..%d\n", number);
	return EXIT_SUCCESS;
}
