#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "globs.h"
#include "listfile.h"
#include "log.h"
#include "texts.h"

#define BLANK		" \t\r"

_Static_assert(GLOBS_FILES_MAX == LISTFILES_MAX, "numbers of files");

/* Patterns, lower case, one behind the other. */
struct set {
	char *text;
	size_t size, room;
	size_t count;
};

struct globs {
	struct listfiles files;	/* the lock guards what is in use of them */
	pthread_rwlock_t lock;	/* guards loaded */
	struct set loaded;	/* built aside, then swapped */
};

struct globs *
globs_new(void)
{
	struct globs *g = calloc(1, sizeof *g);

	if (g != NULL)
		pthread_rwlock_init(&g->lock, NULL);
	return g;
}

int
globs_add_file(struct globs *g, const char *path)
{
	for (int i = 0; i < g->files.count; i++)
		if (strcmp(g->files.file[i].path, path) == 0)
			return 0;
	return listfiles_add(&g->files, path) == -1 ? -1 : 0;
}

void
globs_lenient(struct globs *g)
{
	g->files.lenient = true;
}

/*
 * Make the pattern of a line of size bytes, which is followed by a NUL: lower
 * case, or NULL: it says nothing.  Returns why it is bad, or NULL.
 */
static const char *
read_line(char *line, size_t size, char **pattern)
{
	char *end, *behind;

	*pattern = NULL;
	if (size > GLOBS_LINE_MAX)
		return "line too long";
	if (memchr(line, '\0', size) != NULL)
		return "NUL in the line";
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#' || *line == ';')
		return NULL;
	end = line + strcspn(line, BLANK);
	behind = end + strspn(end, BLANK);
	if (*behind != '\0' && *behind != '#' && *behind != ';')
		return "words behind the pattern";
	texts_lower(line, line, (size_t)(end - line));
	*pattern = line;
	return NULL;
}

static int
add(struct set *s, const char *pattern)
{
	size_t size = strlen(pattern) + 1, room = s->room;
	char *grown;

	while (size > room - s->size)
		room = room == 0 ? GLOBS_LINE_MAX + 1 : room * 2;
	if (room != s->room) {
		if ((grown = realloc(s->text, room)) == NULL)
			return -1;
		s->text = grown;
		s->room = room;
	}
	memcpy(s->text + s->size, pattern, size);
	s->size += size;
	s->count++;
	return 0;
}

/* For loading.  -1 when it must stop, after a line in the log. */
static int
load_line(struct listfile_reader *r, char *line, size_t size)
{
	struct set *s = r->arg;
	char *pattern;
	const char *wrong = read_line(line, size, &pattern);

	if (wrong == NULL && pattern != NULL && s->count == GLOBS_MAX)
		wrong = "too many patterns";
	if (wrong != NULL)
		return listfile_bad(r, wrong);
	if (pattern == NULL)
		return 0;
	if (add(s, pattern) == -1) {
		log_error("%s:%zu: out of memory", r->path, r->line);
		return -1;
	}
	r->result.entries++;
	return 0;
}

int
globs_load(struct globs *g)
{
	struct set loaded = { .count = 0 }, old;

	if (g->files.count == 0)
		return 0;
	if (listfiles_read(&g->files, load_line, &loaded) == -1) {
		free(loaded.text);
		return -1;
	}
	pthread_rwlock_wrlock(&g->lock);
	listfiles_use(&g->files);
	old = g->loaded;
	g->loaded = loaded;
	pthread_rwlock_unlock(&g->lock);
	free(old.text);
	listfiles_log(&g->files, g->files.file[0].path, loaded.room);
	return 0;
}

bool
globs_changed(struct globs *g, int settle)
{
	return listfiles_changed(&g->files, settle);
}

/* What they are compared with. */
struct word {
	char text[GLOBS_LINE_MAX + 1];
};

static void
set_word(struct word *w, const char *text)
{
	texts_lower(w->text, text, strnlen(text, GLOBS_LINE_MAX));
}

bool
globs_match(struct globs *g, const char *text)
{
	struct word w;
	bool fits = false;

	set_word(&w, text);
	pthread_rwlock_rdlock(&g->lock);
	for (size_t at = 0; at < g->loaded.size && !fits;
	    at += strlen(g->loaded.text + at) + 1)
		fits = fnmatch(g->loaded.text + at, w.text, 0) == 0;
	pthread_rwlock_unlock(&g->lock);
	return fits;
}

/* Where -why prints, and what it asks about. */
struct explanation {
	FILE *out;
	struct word word;
};

static int
explain_line(struct listfile_reader *r, char *line, size_t size)
{
	const struct explanation *x = r->arg;
	char *pattern;

	if (read_line(line, size, &pattern) == NULL && pattern != NULL &&
	    fnmatch(pattern, x->word.text, 0) == 0)
		listfile_print(r, x->out);
	return 0;
}

void
globs_explain(struct globs *g, FILE *out, const char *text)
{
	struct explanation x = { .out = out };

	set_word(&x.word, text);
	listfiles_reread(&g->files, explain_line, &x);
}

void
globs_stats(FILE *out, struct globs *g, const char *entries_name,
    const char *bad_lines_name)
{
	pthread_rwlock_rdlock(&g->lock);
	listfiles_stats(out, &g->files, entries_name,
	    "Entries in use of each list file.",
	    offsetof(struct listfile_result, entries));
	listfiles_stats(out, &g->files, bad_lines_name,
	    "Bad lines passed over.", offsetof(struct listfile_result, bad));
	pthread_rwlock_unlock(&g->lock);
}

void
globs_free(struct globs *g)
{
	if (g == NULL)
		return;
	free(g->loaded.text);
	pthread_rwlock_destroy(&g->lock);
	free(g);
}
