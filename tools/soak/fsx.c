/*
 * Random operations on two files, compared with what they should be in memory after each.
 *
 *   fsx FOLDER SEED OPERATIONS [LARGEST_SIZE [REMOUNTS]]
 *
 * With REMOUNTS, that many times everything is closed, "remount" goes to stdout, and a line from stdin lets it go on.
 * The first difference ends it with code 1 and the operations that led there on stderr. Equal seeds give equal runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY 100
#define PAGE 4096l

struct file { char path[1024]; int fd; int direct; long size; unsigned char *good; };
static struct file files[2];
static long largest = 256 << 10;
static uint64_t state;
static long step;
static char history[HISTORY][160];
static unsigned char *buffer;

static uint64_t next(void) /* splitmix64 */
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
static long below(long n) { return n <= 0 ? 0 : (long)(next() % (uint64_t)n); }

static void note(const char *format, ...)
{
	char *line = history[step % HISTORY];
	int n = sprintf(line, "%ld: ", step);
	va_list list;
	va_start(list, format);
	vsnprintf(line + n, sizeof history[0] - n, format, list);
	va_end(list);
}

static void fail(const char *format, ...)
{
	int error = errno;
	va_list list;
	for (long i = step - HISTORY + 1; i <= step; i++)
		if (i > 0) fprintf(stderr, "%s\n", history[i % HISTORY]);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, " (errno %s)\n", strerrorname_np(error));
	exit(1);
}

static int number_of(struct file *f) { return (int)(f - files); }

static void open_file(struct file *f, int direct)
{
	f->direct = direct;
	f->fd = open(f->path, O_RDWR | O_CREAT | (direct ? O_DIRECT : 0), 0644);
	if (f->fd < 0) fail("open %s", f->path);
}

static void differ(struct file *f, const unsigned char *got, long at, long length, const char *by)
{
	for (long i = 0; i < length; i++)
		if (got[i] != f->good[at + i])
			fail("file %d, byte 0x%lx: %s gave %02x instead of %02x; size 0x%lx", number_of(f), at + i, by, got[i], f->good[at + i], f->size);
}

static void check_size(struct file *f)
{
	struct stat s;
	if (fstat(f->fd, &s) != 0) fail("fstat");
	if (s.st_size != f->size) fail("file %d: size 0x%lx instead of 0x%lx", number_of(f), (long)s.st_size, f->size);
}

static void check_all(struct file *f)
{
	check_size(f);
	int fd = open(f->path, O_RDONLY);
	if (fd < 0) fail("open to compare");
	long n = pread(fd, buffer, largest + PAGE, 0);
	close(fd);
	if (n != f->size) fail("file %d: read 0x%lx bytes of 0x%lx", number_of(f), n, f->size);
	differ(f, buffer, 0, n, "read of all");
}

static void range(long limit, long *at, long *length)
{
	*at = below(limit);
	*length = 1 + below(below(4) ? 16384 : limit);
	if (below(3) == 0) *at &= ~(PAGE - 1);
	if (below(3) == 0) *length = (*length + PAGE - 1) & ~(PAGE - 1);
	if (*at + *length > limit) *length = limit - *at;
}

static void align(long *at, long *length) { *at &= ~511l; *length = (*length + 511) & ~511l; if (*at + *length > largest) *length = largest - *at; }

static void grown(struct file *f, long end)
{
	if (end <= f->size) return;
	f->size = end;
}

static void do_read(struct file *f, long at, long length)
{
	if (f->direct) align(&at, &length);
	note("read %d 0x%lx 0x%lx%s", number_of(f), at, length, f->direct ? " direct" : "");
	long n = pread(f->fd, buffer, length, at), wanted = at >= f->size ? 0 : at + length > f->size ? f->size - at : length;
	if (n != wanted) fail("read gave %ld instead of %ld", n, wanted);
	differ(f, buffer, at, n, "read");
}

static void do_write(struct file *f, long at, long length)
{
	if (f->direct) align(&at, &length);
	note("write %d 0x%lx 0x%lx%s", number_of(f), at, length, f->direct ? " direct" : "");
	if (length == 0) return;
	for (long i = 0; i < length; i++) buffer[i] = (unsigned char)(step + i / 256 + i);
	if (pwrite(f->fd, buffer, length, at) != length) fail("write");
	memcpy(f->good + at, buffer, length);
	grown(f, at + length);
}

static void do_map(struct file *f, long at, long length, int store)
{
	if (f->size == 0) return;
	if (at >= f->size) at %= f->size;
	if (at + length > f->size) length = f->size - at;
	note("map%s %d 0x%lx 0x%lx", store ? "write" : "read", number_of(f), at, length);
	long start = at & ~(PAGE - 1), whole = at + length - start;
	unsigned char *map = mmap(0, whole, PROT_READ | (store ? PROT_WRITE : 0), MAP_SHARED, f->fd, start);
	if (map == MAP_FAILED) fail("mmap");
	if (store) {
		for (long i = 0; i < length; i++) map[at - start + i] = f->good[at + i] = (unsigned char)(step * 3 + i);
		long last = (whole + PAGE - 1) & ~(PAGE - 1); /* what is stored behind the end must never show */
		if (at + length == f->size) for (long i = whole; i < last; i++) map[i] = 0x5a;
		if (below(2) && msync(map, whole, MS_SYNC) != 0) fail("msync");
	} else differ(f, map + (at - start), at, length, "mapping");
	munmap(map, whole);
}

static void do_truncate(struct file *f, long size)
{
	note("truncate %d 0x%lx -> 0x%lx", number_of(f), f->size, size);
	if (ftruncate(f->fd, size) != 0) fail("ftruncate");
	if (size < f->size) memset(f->good + size, 0, f->size - size);
	f->size = size;
}

static void do_fallocate(struct file *f, int mode, const char *name, long at, long length)
{
	note("%s %d 0x%lx 0x%lx%s", name, number_of(f), at, length, mode & FALLOC_FL_KEEP_SIZE ? " keep" : "");
	if (length == 0) return;
	if (fallocate(f->fd, mode, at, length) != 0) fail("%s", name);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) memset(f->good + at, 0, length);
	if (!(mode & FALLOC_FL_KEEP_SIZE)) grown(f, at + length);
}

static void do_copy(struct file *from, struct file *to, long at, long length)
{
	long target = below(largest);
	if (below(2)) target &= ~(PAGE - 1), at &= ~(PAGE - 1);
	if (at >= from->size || from->direct || to->direct) return; /* ext4 refuses some of these */
	if (at + length > from->size) length = from->size - at;
	if (target + length > largest) length = largest - target;
	if (from == to && at < target + length && target < at + length) return;
	note("copy %d 0x%lx -> %d 0x%lx 0x%lx", number_of(from), at, number_of(to), target, length);
	for (long done = 0; done < length; ) {
		off_t a = at + done, b = target + done;
		long n = copy_file_range(from->fd, &a, to->fd, &b, length - done, 0);
		if (n <= 0) fail("copy_file_range gave %ld", n);
		done += n;
	}
	memmove(to->good + target, from->good + at, length);
	if (length > 0) grown(to, target + length);
}

/* what SEEK_DATA calls a hole must be zeros */
static void do_seek(struct file *f, long at)
{
	note("seek %d 0x%lx", number_of(f), at);
	if (fsync(f->fd) != 0) fail("fsync");
	long data = lseek(f->fd, at, SEEK_DATA);
	if (data < 0 && errno != ENXIO) fail("SEEK_DATA");
	long end = data < 0 ? f->size : data;
	if (data >= 0 && (data < at || data >= f->size)) fail("SEEK_DATA gave 0x%lx", data);
	for (long i = at; i < end; i++) if (f->good[i] != 0) fail("SEEK_DATA from 0x%lx gave 0x%lx over data at 0x%lx", at, data, i);
	long hole = lseek(f->fd, at, SEEK_HOLE);
	if (at < f->size && (hole < at || hole > f->size)) fail("SEEK_HOLE gave 0x%lx", hole);
}

static void remount(void)
{
	char line[64];
	note("remount");
	for (int i = 0; i < 2; i++) close(files[i].fd);
	printf("remount\n");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin)) fail("nobody remounted");
	for (int i = 0; i < 2; i++) open_file(&files[i], files[i].direct), check_all(&files[i]);
}

int main(int argc, char **argv)
{
	if (argc < 4) return 2;
	long operations = atol(argv[3]), remounts;
	state = strtoull(argv[2], 0, 0);
	if (argc > 4) largest = atol(argv[4]) & ~(PAGE - 1);
	remounts = argc > 5 ? atol(argv[5]) : 0;
	buffer = aligned_alloc(4096, largest + 2 * PAGE);
	for (int i = 0; i < 2; i++) {
		snprintf(files[i].path, sizeof files[i].path, "%s/fsx.%s.%d", argv[1], argv[2], i);
		unlink(files[i].path);
		files[i].good = calloc(1, largest + PAGE);
		open_file(&files[i], 0);
	}
	for (step = 1; step <= operations; step++) {
		struct file *f = &files[below(3) == 0];
		long at, length;
		range(largest, &at, &length);
		switch (below(24)) {
		case 0: case 1: case 2: case 3: do_read(f, at, length); break;
		case 4: case 5: case 6: case 7: case 8: do_write(f, at, length); break;
		case 9: case 10: do_map(f, at, length, 0); break;
		case 11: case 12: case 13: do_map(f, at, length, 1); break;
		case 14: do_truncate(f, below(3) ? at : below(largest + 1)); break;
		case 15: do_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch", at, length); break;
		case 16: do_fallocate(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE * (int)below(2), "zero", at, length); break;
		case 17: do_fallocate(f, FALLOC_FL_KEEP_SIZE * (int)below(2), "allocate", at, length); break;
		case 18: case 19: do_copy(f, &files[below(2)], at, length); break;
		case 20: note("reopen %d", number_of(f)); close(f->fd); open_file(f, below(4) == 0); break;
		case 21: note("fsync %d", number_of(f)); if ((below(2) ? fsync : fdatasync)(f->fd) != 0) fail("fsync"); break;
		case 22: if (f->size > 0) do_seek(f, below(f->size)); break;
		default: check_all(f);
		}
		check_size(f);
		if (remounts > 0 && step % (operations / (remounts + 1)) == 0 && step < operations) remount();
	}
	for (int i = 0; i < 2; i++) check_all(&files[i]), close(files[i].fd), unlink(files[i].path);
	printf("%ld operations, seed %s: no difference\n", operations, argv[2]);
	return 0;
}
