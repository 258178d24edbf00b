/* Modes of grow.c that build what is large. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "grow.h"

void make_files(void)
{
	char name[PATH_MAX];
	if (mkdir(path, 0755) < 0 && errno != EEXIST) die("mkdir");
	for (long i = 0; i < count; i++) {
		if (i % each == 0) {
			snprintf(name, sizeof name, "%s/d%ld", path, i / each);
			if (mkdir(name, 0755) < 0) die(name);
		}
		file_name(name, i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) die(name);
		close(fd);
	}
	operations = count;
}

/* Empty files PATH-1 to PATH-count. */
void make_beside(void)
{
	char name[PATH_MAX];
	for (long i = 1; i <= count; i++) {
		snprintf(name, sizeof name, "%s-%ld", path, i);
		int fd = open(name, O_CREAT | O_WRONLY, 0644);
		if (fd < 0) die(name);
		close(fd);
	}
	operations = count;
}

void make_extents(void)
{
	int fd = open(path, O_CREAT | O_RDWR, 0644);
	if (fd < 0) die("create");
	for (long i = 0; each && i < count; i++)
		if (fallocate(fd, 0, at_block(i), PAGE) < 0) die("fallocate");
	for (long i = 0; i < WRITTEN; i++)
		if (pwrite(fd, buffer, PAGE, written_block(i)) != PAGE) die("pwrite");
	if (fsync(fd) < 0) die("fsync");
	close(fd);
	operations = count;
}

/* Written in order, a MiB at a time. */
void make_large(void)
{
	char *mib = calloc(1, 1 << 20);
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
	if (fd < 0) die("create");
	for (long i = 0; i < count; i++)
		if (write(fd, mib, 1 << 20) != 1 << 20) die("write");
	if (fsync(fd) < 0) die("fsync");
	close(fd);
	operations = count;
	bytes = count << 20;
}

/*
 * Years of use, the same for everybody: files of 4 KiB to 2 MiB come (four at a time are written, in turn, a piece each), grow, lose
 * pieces and go, at 85 % of the space; -n so many come. What is written is synced now and then.
 */
#define AGED 8192
#define LARGEST (2L << 20)

static long sizes[AGED];

static int open_aged(int file)
{
	char at[PATH_MAX];
	snprintf(at, sizeof at, "%s/%d", path, file);
	int f = open(at, O_CREAT | O_WRONLY | O_APPEND, 0644);
	if (f < 0) die(at);
	return f;
}

static void grow_to(int f, int file, long size, long by)
{
	static char piece[LARGEST];
	if (by > size - sizes[file]) by = size - sizes[file];
	if (write(f, piece, by) != by) die("write");
	sizes[file] += by;
	bytes += by;
	if (pick(64) == 0 && fsync(f) < 0) die("fsync");
}

static long some_size(void) { return (PAGE << pick(9)) + pick(PAGE << pick(9)); }

static int some_file(int there)
{
	for (int i = pick(AGED);; i = (i + 1) % AGED)
		if ((sizes[i] > 0) == there) return i;
}

static int full(void)
{
	struct statvfs s;
	if (statvfs(path, &s) < 0) die("statvfs");
	return s.f_bavail < s.f_blocks * 15 / 100;
}

void age(void)
{
	char at[PATH_MAX];
	for (; operations < count; operations += 4) {
		int fresh[4], fds[4];
		long wanted[4];
		while (full()) {
			int gone = some_file(1);
			snprintf(at, sizeof at, "%s/%d", path, gone);
			if (unlink(at) < 0) die("unlink");
			sizes[gone] = 0;
		}
		for (int i = 0; i < 4; i++) {
			fresh[i] = some_file(0);
			wanted[i] = some_size();
			fds[i] = open_aged(fresh[i]);
			grow_to(fds[i], fresh[i], wanted[i], PAGE);
		}
		for (int more = 1; more;) {
			more = 0;
			for (int i = 0; i < 4; i++) {
				if (sizes[fresh[i]] >= wanted[i]) continue;
				grow_to(fds[i], fresh[i], wanted[i], 16 * PAGE);
				more = 1;
			}
		}
		for (int i = 0; i < 4; i++) close(fds[i]);
		int older = some_file(1), f = open_aged(older);
		grow_to(f, older, sizes[older] + some_size() / 8, LARGEST);
		close(f);
		older = some_file(1);
		snprintf(at, sizeof at, "%s/%d", path, older);
		f = open(at, O_WRONLY);
		if (f < 0) die(at);
		if (sizes[older] > 8 * PAGE && fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE * pick(sizes[older] / PAGE), PAGE * 2) < 0)
			die("punch");
		close(f);
	}
}
