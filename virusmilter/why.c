#include "log.h"
#include "mailfile.h"
#include "why.h"

#define BLOCK	65536		/* bytes, as an MTA sends them */

/* All that is behind the header.  -1: it cannot be read. */
static int
read_body(const struct judge *j, struct letter *l, const struct mailfile *m,
    FILE *in, const char *path)
{
	unsigned char block[BLOCK];
	size_t size;

	letter_body(j, l, (const unsigned char *)m->body, m->body_size);
	while ((size = fread(block, 1, sizeof block, in)) > 0)
		letter_body(j, l, block, size);
	if (!ferror(in))
		return 0;
	log_errno("%s", path);
	return -1;
}

static int
read_message(const struct judge *j, struct letter *l, FILE *out, FILE *in,
    const char *path, struct verdict *v)
{
	struct mailfile m;
	int result;

	if (mailfile_read(&m, in, path) == -1)
		return -1;
	*l = (struct letter){ .sent = 0 };
	if (letter_begin(j, l, out) == -1) {
		log_error("out of memory");
		mailfile_free(&m);
		return -1;
	}
	for (size_t i = 0; i < m.count; i++)
		letter_field(j, l, m.field[i].name, m.field[i].value);
	letter_end_header(j, l, true, v);
	result = read_body(j, l, &m, in, path);
	if (result == 0)
		letter_end(j, l, NULL, NULL, v);
	letter_free(l);
	mailfile_free(&m);
	return result;
}

int
why_message(const struct judge *j, FILE *out, FILE *in, const char *path)
{
	struct letter l;
	struct verdict v;
	char name[CLAMD_NAME_MAX], file[FILENAME_MAX_BYTES];

	if (read_message(j, &l, out, in, path, &v) == -1)
		return -1;
	reply_clean(name, sizeof name, v.name, 0);
	reply_clean(file, sizeof file, v.file, 0);
	/* Our own are explained where they are found. */
	if (v.by == JUDGE_CLEAN && v.name[0] != '\0')
		globs_explain(j->rules.ignored, out, v.name);
	fprintf(out, "verdict=%s by=%s%s%s%s%s%s\n",
	    judge_action_word(j, v.by), judge_word(v.by),
	    name[0] != '\0' ? " name=" : "", name,
	    file[0] != '\0' ? " file=" : "", file,
	    v.partial ? " partial=1" : "");
	return v.by != JUDGE_CLEAN && judge_action(j, v.by) != ACTION_MARK &&
	    judge_action(j, v.by) != ACTION_NONE;
}
