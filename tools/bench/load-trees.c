/* Modes of load.c on trees of files: many names, in directories of their own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/stat.h>
#include "load.h"

static void tree_dir(struct task *t, char *to, long n)
{
	snprintf(to, PATH_MAX, "%s/tree-%d-%d/%ld", opt.path, getpid(), t->index, n);
}

static void make_root(struct task *t)
{
	snprintf(t->other, sizeof t->other, "%s/tree-%d-%d", opt.path, getpid(), t->index);
	if (mkdir(t->other, 0755) < 0) die("mkdir");
	t->buffer = calloc(1, 4 * PAGE);
}

/* A directory of 20 files of 4 KiB, written and removed: what copying a source tree does. */
static int step_tree(struct task *t)
{
	char dir[PATH_MAX], name[PATH_MAX + 16];
	tree_dir(t, dir, t->cursor++);
	if (mkdir(dir, 0755) < 0) die("mkdir");
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "%s/%d", dir, i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) die("create");
		if (write(fd, t->buffer, PAGE) != PAGE) die("write");
		close(fd);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "%s/%d", dir, i);
		if (unlink(name) < 0) die("unlink");
	}
	if (rmdir(dir) < 0) die("rmdir");
	t->operations += 20;
	return 1;
}

static void remove_root(struct task *t)
{
	rmdir(t->other);
}

/* Latencies: files are created, and stay until the end. */

/* Of a thread: more files than a small ext4 has inodes for are no use. */
#define MOST_LATENCIES 25000

static void make_latencies(struct task *t)
{
	make_root(t);
	t->latencies = malloc(MOST_LATENCIES * sizeof *t->latencies);
}

static int step_create_tail(struct task *t)
{
	if (t->operations == MOST_LATENCIES) return 0;
	if (t->operations % 1000 == 0) {
		snprintf(t->name, sizeof t->name, "%s/%ld", t->other, t->operations / 1000);
		if (mkdir(t->name, 0755) < 0) die("mkdir");
	}
	snprintf(t->name, sizeof t->name, "%s/%ld/%ld", t->other, t->operations / 1000, t->operations);
	uint64_t start = now();
	int fd = open(t->name, O_CREAT | O_EXCL | O_WRONLY, 0644);
	uint64_t took = now() - start;
	if (fd < 0) die("create");
	close(fd);
	t->latencies[t->operations++] = took < UINT32_MAX ? took : UINT32_MAX;
	return 1;
}

static void remove_latencies(struct task *t)
{
	for (long i = 0; i < t->operations; i++) {
		snprintf(t->name, sizeof t->name, "%s/%ld/%ld", t->other, i / 1000, i);
		unlink(t->name);
	}
	for (long i = 0; i * 1000 < t->operations; i++) {
		snprintf(t->name, sizeof t->name, "%s/%ld", t->other, i);
		rmdir(t->name);
	}
	rmdir(t->other);
}

static void many_files(struct task *t)
{
	char name[PATH_MAX + 32];
	make_root(t);
	for (long i = 0; i < opt.count; i++) {
		snprintf(name, sizeof name, "%s/entry-%ld", t->other, i);
		int fd = open(name, O_CREAT | O_WRONLY, 0644);
		if (fd < 0) die("create");
		close(fd);
	}
}

static void remove_many(struct task *t)
{
	char name[PATH_MAX + 32];
	for (long i = 0; i < opt.count; i++) {
		snprintf(name, sizeof name, "%s/entry-%ld", t->other, i);
		unlink(name);
	}
	rmdir(t->other);
}

static int step_readdir(struct task *t)
{
	DIR *d = opendir(t->other);
	if (!d) die("opendir");
	long n = 0;
	while (readdir(d)) n++;
	closedir(d);
	t->operations += n;
	return 1;
}

/* After the caches were dropped: a look at every entry of a directory, once. */
static int step_walk(struct task *t)
{
	char name[PATH_MAX * 2];
	struct stat s;
	struct dirent *e;
	DIR *d = opendir(t->other);
	if (!d) die("opendir");
	while ((e = readdir(d))) {
		snprintf(name, sizeof name, "%s/%s", t->other, e->d_name);
		if (stat(name, &s) < 0) die("stat");
		t->operations++;
	}
	closedir(d);
	return 0;
}

const struct mode tree_modes[] = {
	{ "tree", .setup = make_root, .step = step_tree, .finish = remove_root },
	{ "create-tail", .setup = make_latencies, .step = step_create_tail, .finish = remove_latencies },
	{ "readdir", .setup = many_files, .step = step_readdir, .finish = remove_many },
	{ "walk-cold", .setup = many_files, .step = step_walk, .finish = remove_many, .cold = 2 },
	{ .name = NULL },
};
