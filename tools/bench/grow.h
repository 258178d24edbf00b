/* What the files of grow.c share: what was asked for, and what was done. */
#ifndef GROW_H
#define GROW_H
#include <limits.h>
#include "measure.h"

extern const char *path;
extern long count, each, operations, bytes;
extern uint64_t random_state;
extern char *buffer;

void die(const char *what) __attribute__((noreturn));

static inline long pick(long below)
{
	return (long)(next_random(&random_state) % (uint64_t)below);
}

static inline void file_name(char *to, long i)
{
	snprintf(to, PATH_MAX, "%s/d%ld/f%ld", path, i / each, i);
}

/*
 * An extent at every second block; with -k 0, one extent of all blocks. Most are unwritten: WRITTEN blocks, all over the map,
 * hold data and are those that are read and written, so that what grows is the map and not the data in the page cache.
 */
#define WRITTEN 1024

static inline long at_block(long i) { return (each ? 2 * i : i) * PAGE; }

static inline long written_block(long i) { return at_block(i * (count / WRITTEN)); }
static inline long written(void) { return written_block(pick(WRITTEN)); }

/* grow-build.c */
void make_files(void);
void make_beside(void);
void make_extents(void);
void make_large(void);
void age(void);
#endif
