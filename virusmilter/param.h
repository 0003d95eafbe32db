#ifndef VIRUSMILTER_PARAM_H
#define VIRUSMILTER_PARAM_H

/*
 * param - the parameters "name" and "filename", wherever in the value of a
 * field something looks like one.
 *
 * What stands around them, quotes that do not end, a missing semicolon and the
 * like hide none; where readers may disagree about the name, each reading is
 * taken.  It takes some 52 kB of stack, and time that grows with the value and
 * no faster.  Nothing is allocated but by qsort(3), for a name in more than
 * 128 pieces.
 *
 * See filename_find() in filename.h for what comes out.  Any thread.
 */
void param_find(const char *value, void (*take)(void *arg, const char *name),
    void *arg);

#endif
