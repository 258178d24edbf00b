/* Modes of load.c on names, one at a time, and on programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "load.h"

void own_name(struct task *t)
{
	snprintf(t->name, sizeof t->name, "%s/load-%d-a", opt.path, t->index);
	snprintf(t->other, sizeof t->other, "%s/load-%d-b", opt.path, t->index);
	unlink(t->name);
	unlink(t->other);
}

static void own_file(struct task *t)
{
	own_name(t);
	int fd = open(t->name, O_CREAT | O_WRONLY, 0644);
	if (fd < 0) die("create");
	close(fd);
}

static void remove_file(struct task *t)
{
	unlink(t->name);
	unlink(t->other);
}

static void path_is_name(struct task *t)
{
	snprintf(t->name, sizeof t->name, "%s", opt.path);
}

static int step_stat(struct task *t)
{
	struct stat s;
	for (int i = 0; i < 32; i++)
		if (stat(t->name, &s) < 0) die("stat");
	t->operations += 32;
	return 1;
}

/* AT_STATX_FORCE_SYNC: a FUSE server is asked each time, whatever the kernel has cached. */
static int step_statx(struct task *t)
{
	struct statx s;
	for (int i = 0; i < 8; i++)
		if (statx(AT_FDCWD, t->name, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &s) < 0) die("statx");
	t->operations += 8;
	return 1;
}

static int step_open(struct task *t)
{
	for (int i = 0; i < 8; i++) {
		int fd = open(t->name, O_RDONLY);
		if (fd < 0) die("open");
		close(fd);
	}
	t->operations += 8;
	return 1;
}

static int step_create(struct task *t)
{
	int fd = open(t->name, O_CREAT | O_EXCL | O_WRONLY, 0644);
	if (fd < 0) die("create");
	close(fd);
	if (unlink(t->name) < 0) die("unlink");
	t->operations++;
	return 1;
}

static int step_mkdir(struct task *t)
{
	if (mkdir(t->name, 0755) < 0) die("mkdir");
	if (rmdir(t->name) < 0) die("rmdir");
	t->operations++;
	return 1;
}

static int step_rename(struct task *t)
{
	if (rename(t->name, t->other) < 0 || rename(t->other, t->name) < 0) die("rename");
	t->operations += 2;
	return 1;
}

/* A name that nobody asked for before: no cache of the kernel knows that it is not there. */
static int step_lookup(struct task *t)
{
	struct stat s;
	for (int i = 0; i < 8; i++) {
		snprintf(t->name, sizeof t->name, "%s/none-%d-%lx", opt.path, getpid(), (long)next_random(&t->random));
		if (stat(t->name, &s) == 0 || errno != ENOENT) die("stat");
	}
	t->operations += 8;
	return 1;
}

/* Programs */

static void shell(const char *line)
{
	int status;
	pid_t child = fork();
	if (child < 0) die("fork");
	if (child == 0) {
		if (chdir(opt.path) < 0) _exit(126);
		/* What a program says belongs to stderr: stdout has the figures. */
		dup2(2, 1);
		execl("/bin/sh", "sh", "-ec", line, (char *)NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0) {
		errno = ECHILD;
		die(line);
	}
}

static int step_program(struct task *t)
{
	if (opt.before) shell(opt.before);
	uint64_t start = now();
	shell(opt.program);
	t->spent += now() - start;
	t->operations += opt.count;
	return 1;
}

const struct mode name_modes[] = {
	{ "stat", .setup = path_is_name, .step = step_stat },
	{ "statx-sync", .setup = path_is_name, .step = step_statx },
	{ "open-close", .setup = path_is_name, .step = step_open },
	{ "create-unlink", .setup = own_name, .step = step_create, .finish = remove_file },
	{ "mkdir-rmdir", .setup = own_name, .step = step_mkdir },
	{ "rename", .setup = own_file, .step = step_rename, .finish = remove_file },
	{ "lookup", .step = step_lookup },
	{ "program", .step = step_program },
	{ .name = NULL },
};
