/* What the files of load.c share: what was asked for, what a thread has, and the modes. */
#ifndef LOAD_H
#define LOAD_H
#include <limits.h>
#include "measure.h"

/* Most files of -e. */
#define MOST_EVICTED 8

extern struct options {
	const char *mode, *path, *before, *program;
	long threads, milliseconds, pid;
	long size, count, offset;
	const char *evict[MOST_EVICTED];
} opt;

struct task {
	int index;
	long operations, bytes;
	int fd;
	char *buffer, *map;
	long length, cursor;
	uint64_t random;
	/* `name` has room for a name in the directory `other`. */
	char name[PATH_MAX + 64], other[PATH_MAX];
	uint32_t *order;
	/* Not 0: only this of the time counts, nanoseconds. */
	uint64_t spent;
	/* Of each operation, nanoseconds. */
	uint32_t *latencies;
	volatile long sink;
};

struct mode {
	const char *name;
	/* Not measured. */
	void (*setup)(struct task *);
	/* Does some operations and adds them to the task; answers 0 when there is nothing more to do. */
	int (*step)(struct task *);
	void (*finish)(struct task *);
	/* File data leaves the page cache before (1), or names and inodes leave their caches as well (2, needs root). */
	int cold;
	/* `finish` belongs to the time: what a write has still to sync. */
	int finish_counts;
	/* Goes through all of its data, whatever the time. */
	int whole;
};

/* Each ends with an empty one. */
extern const struct mode name_modes[], tree_modes[], data_modes[], map_modes[];

void die(const char *what) __attribute__((noreturn));

/* load-names.c: removes what is left of the thread's names. */
void own_name(struct task *t);
/* load-data.c */
void open_cached(struct task *t);

static inline long random_page(struct task *t)
{
	return (long)(next_random(&t->random) % (t->length / PAGE)) * PAGE;
}
#endif
