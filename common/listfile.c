#include <sys/stat.h>

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "listfile.h"
#include "log.h"
#include "reply.h"
#include "stats.h"

#define BUFFER_SIZE	(64 * 1024)
#define GIVE_WAY	512	/* lines; see ipset.c */

int
listfiles_add(struct listfiles *l, const char *path)
{
	if (l->count == LISTFILES_MAX) {
		log_error("%s: more than %d list files", path, LISTFILES_MAX);
		return -1;
	}
	l->file[l->count].path = path;
	return l->count++;
}

void
listfile_look(const char *path, struct listfile_seen *seen)
{
	struct stat st;

	memset(seen, 0, sizeof *seen);
	if (stat(path, &st) == -1)
		return;
	seen->there = true;
	seen->dev = st.st_dev;
	seen->ino = st.st_ino;
	seen->size = st.st_size;
	seen->mtime = st.st_mtim;
}

static bool
same(const struct listfile_seen *a, const struct listfile_seen *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino &&
	    a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	    a->mtime.tv_nsec == b->mtime.tv_nsec;
}

int
listfile_changed(const char *path, const struct listfile_seen *before,
    int settle)
{
	const time_t now = time(NULL);
	struct listfile_seen seen;

	listfile_look(path, &seen);
	if (same(&seen, before))
		return 0;
	/* time(2) may be a tick behind an mtime. */
	return settle > 0 && seen.there && seen.mtime.tv_sec <= now + 1 &&
	    now - seen.mtime.tv_sec < settle ? -1 : 1;
}

/* --- lines */

int
listfile_bad(struct listfile_reader *r, const char *wrong)
{
	bool lenient = r->files->lenient;

	if (r->result.bad++ == 0 || !lenient)
		log_error("%s:%zu: %s: %s%s", r->path, r->line, wrong,
		    r->text, lenient ?
		    " (passed over, and so are more like it)" : "");
	return lenient ? 0 : -1;
}

void
listfile_print(const struct listfile_reader *r, FILE *out)
{
	char clean[LISTFILE_TEXT_MAX + 1];
	size_t size = strlen(r->text);

	reply_clean(clean, sizeof clean, r->text, 0);
	for (size_t i = 0; i < size; i++)
		if (r->text[i] == '\t')
			clean[i] = ' ';
	if (size > 0 && r->text[size - 1] == '\r')
		clean[size - 1] = '\0';
	fprintf(out, "%s:%zu: %s\n", r->path, r->line, clean);
}

static int
take_line(struct listfile_reader *r, char *line, size_t size)
{
	size_t shown = size < LISTFILE_TEXT_MAX ? size : LISTFILE_TEXT_MAX;

	if (++r->line % GIVE_WAY == 0)
		sched_yield();
	memcpy(r->text, line, shown);
	r->text[shown] = '\0';
	return r->take(r, line, size);
}

/*
 * Hand the whole lines in the buffer on and move the rest to its front.
 * Returns how much that is, or -1.  A line longer than the buffer is cut; what
 * is left of it makes it too long to be taken for a good one.
 */
static ssize_t
take_lines(struct listfile_reader *r, char *buffer, size_t size)
{
	char *line = buffer, *end = buffer + size, *lf;

	while ((lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		*lf = '\0';
		if (take_line(r, line, (size_t)(lf - line)) == -1)
			return -1;
		line = lf + 1;
	}
	size = (size_t)(end - line);
	if (line != buffer)
		memmove(buffer, line, size);
	return (ssize_t)(size < BUFFER_SIZE / 2 ? size : BUFFER_SIZE / 2);
}

static int
read_lines(struct listfile_reader *r, int fd, char *buffer)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t kept = 0;
	bool begun = false;
	ssize_t n;

	while ((n = read(fd, buffer + kept, BUFFER_SIZE - kept)) > 0) {
		kept += (size_t)n;
		if (!begun && kept >= 3 && memcmp(buffer, bom, 3) == 0)
			memmove(buffer, buffer + 3, kept -= 3);
		begun = true;
		if ((n = take_lines(r, buffer, kept)) == -1)
			return -1;
		kept = (size_t)n;
	}
	if (n == -1) {
		log_errno("%s", r->path);
		return -1;
	}
	r->result.newline = kept == 0;
	buffer[kept] = '\0';
	return kept == 0 ? 0 : take_line(r, buffer, kept);
}

/* --- files */

/* Only a file that is one: a FIFO would hold us up for ever. */
static int
open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1) {
		log_errno("%s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("%s: not a regular file", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int
read_file(struct listfile_reader *r, int number)
{
	char *buffer;
	int fd, done;

	r->number = number;
	r->path = r->files->file[number].path;
	r->line = 0;
	r->result = (struct listfile_result){ .newline = true };
	if ((fd = open_file(r->path)) == -1)
		return -1;
	if ((buffer = malloc(BUFFER_SIZE + 1)) == NULL) {
		log_error("%s: out of memory", r->path);
		close(fd);
		return -1;
	}
	done = read_lines(r, fd, buffer);
	free(buffer);
	close(fd);
	return done;
}

/* Faults that only the whole file shows.  See listfile.h. */
static int
check_file(const struct listfile *f)
{
	const struct listfile_result *now = &f->read, *before = &f->result;
	struct listfile_seen seen;
	const char *wrong = NULL;

	listfile_look(f->path, &seen);
	if (!same(&seen, &f->seen))
		wrong = "it changed while it was read";
	else if (f->loaded && before->entries > 0 && now->entries == 0)
		wrong = "it has become empty";
	else if (f->loaded && before->newline && !now->newline)
		wrong = "it was cut short: no newline at its end";
	else if (f->loaded && now->bad * 100 > now->entries + now->bad)
		wrong = "more than one bad line in a hundred";
	if (wrong != NULL)
		log_error("%s: %s", f->path, wrong);
	return wrong != NULL ? -1 : 0;
}

int
listfiles_read(struct listfiles *l,
    int (*take)(struct listfile_reader *, char *line, size_t size), void *arg)
{
	struct listfile_reader r = { .files = l, .take = take, .arg = arg };

	l->begin_ms = clock_ms();
	/* All of them, so that listfiles_changed() is content with a fault. */
	for (int i = 0; i < l->count; i++)
		listfile_look(l->file[i].path, &l->file[i].seen);
	for (int i = 0; i < l->count; i++) {
		if (read_file(&r, i) == -1)
			return -1;
		l->file[i].read = r.result;
		if (check_file(&l->file[i]) == -1)
			return -1;
	}
	return 0;
}

void
listfiles_reread(const struct listfiles *l,
    int (*take)(struct listfile_reader *, char *line, size_t size), void *arg)
{
	struct listfile_reader r = { .files = l, .take = take, .arg = arg };

	for (int i = 0; i < l->count; i++)
		read_file(&r, i);
}

void
listfiles_use(struct listfiles *l)
{
	for (int i = 0; i < l->count; i++) {
		l->file[i].loaded = true;
		l->file[i].result = l->file[i].read;
	}
}

void
listfiles_log(const struct listfiles *l, const char *name, size_t bytes)
{
	struct listfile_result total = { 0 };

	for (int i = 0; i < l->count; i++) {
		total.entries += l->file[i].result.entries;
		total.ignored += l->file[i].result.ignored;
		total.bad += l->file[i].result.bad;
	}
	log_info("loaded %s%s%sfiles=%d entries=%zu ignored=%zu bad=%zu "
	    "bytes=%zu ms=%ld", name != NULL ? "list=" : "",
	    name != NULL ? name : "", name != NULL ? " " : "", l->count,
	    total.entries, total.ignored, total.bad, bytes,
	    clock_ms() - l->begin_ms);
}

bool
listfiles_changed(const struct listfiles *l, int settle)
{
	bool any = false;

	for (int i = 0; i < l->count; i++) {
		int changed = listfile_changed(l->file[i].path,
		    &l->file[i].seen, settle);

		if (changed == -1)
			return false;	/* somebody may still be writing */
		any |= changed;
	}
	return any;
}

void
listfiles_stats(FILE *out, const struct listfiles *l, const char *name,
    const char *help, size_t offset)
{
	for (int i = 0; i < l->count; i++) {
		const char *path = l->file[i].path;
		size_t sum = 0;
		int first = -1;

		/* Added twice it is still one file, and one value. */
		for (int n = 0; n < l->count; n++)
			if (strcmp(l->file[n].path, path) == 0) {
				first = first == -1 ? n : first;
				sum += *(const size_t *)((const char *)
				    &l->file[n].result + offset);
			}
		if (first == i)
			stats_value(out, name, i == 0 ? help : NULL, "list",
			    path, sum);
	}
}
