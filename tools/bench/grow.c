/*
 * Load generator of the growth rows: builds what is large, and measures in it. Prints what load.c prints:
 * "<operations> <nanoseconds> <bytes> <ticks>".
 *
 *   grow MODE PATH [-n count] [-k files a directory] [-d milliseconds] [-p pid]
 *
 * Files are named d<number>/f<number>; file number i lies in directory i / k. Build: cc -O2 -pthread grow.c -o grow
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L

static const char *mode, *path;
static long count = 1000, each = 1000, milliseconds = 500, operations, bytes, ticks;
static int pid;
static uint64_t spent, random_state = 88172645463325252ull;
static char *buffer;

static void die(const char *what)
{
	fprintf(stderr, "grow %s %s: %s: %s\n", mode, path, what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static long pick(long below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (long)(random_state % (uint64_t)below);
}

static long ticks_of(int of)
{
	char name[64], text[1024];
	unsigned long user = 0, system = 0;
	snprintf(name, sizeof name, "/proc/%d/stat", of);
	int fd = open(name, O_RDONLY);
	if (fd < 0) return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0) return 0;
	text[n] = 0;
	char *rest = strrchr(text, ')');
	if (!rest) return 0;
	sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return user + system;
}

static void file_name(char *to, long i)
{
	snprintf(to, PATH_MAX, "%s/d%ld/f%ld", path, i / each, i);
}

/* Building */

static void make_files(void)
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

/*
 * An extent at every second block; with -k 0, one extent of all blocks. Most are unwritten: WRITTEN blocks, all over the map,
 * hold data and are those that are read and written, so that what grows is the map and not the data in the page cache.
 */
#define WRITTEN 1024

static long at_block(long i) { return (each ? 2 * i : i) * PAGE; }

static long written_block(long i) { return at_block(i * (count / WRITTEN)); }
static long written(void) { return written_block(pick(WRITTEN)); }

/* Empty files PATH-1 to PATH-count. */
static void make_beside(void)
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

static void make_extents(void)
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
static void make_large(void)
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

static void age(void)
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

/* Measuring: a step does some operations and takes the time that counts. */

static int fd = -1;
static char name[PATH_MAX], other[PATH_MAX];
static uint64_t began;

static void start(void) { began = now(); }
static void stop(long done)
{
	spent += now() - began;
	operations += done;
}

static void open_direct(void)
{
	fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0) die("open");
}

static void read_extent(void)
{
	start();
	for (int i = 0; i < 32; i++)
		if (pread(fd, buffer, PAGE, written()) != PAGE) die("pread");
	stop(32);
}

static void write_extent(void)
{
	start();
	for (int i = 0; i < 32; i++)
		if (pwrite(fd, buffer, PAGE, written()) != PAGE) die("pwrite");
	stop(32);
}

/* The extent goes and comes again. */
static void punch_extent(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		long at = written();
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, PAGE) < 0) die("punch");
		if (pwrite(fd, buffer, PAGE, at) != PAGE) die("pwrite");
	}
	stop(8);
}

static void seek_extent(void)
{
	start();
	for (int i = 0; i < 32; i++) {
		long at = written();
		if (lseek(fd, at, SEEK_HOLE) != (each ? at + PAGE : count * PAGE)) die("SEEK_HOLE");
	}
	stop(32);
}

/* The file loses its last extent and gets it again. */
static void shrink_extent(void)
{
	long end = at_block(count - 1) + PAGE;
	start();
	for (int i = 0; i < 8; i++) {
		if (ftruncate(fd, end - PAGE) < 0) die("ftruncate");
		if (pwrite(fd, buffer, PAGE, end - PAGE) != PAGE) die("pwrite");
	}
	stop(8);
}

static void open_close(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		int f = open(path, O_RDWR);
		if (f < 0) die("open");
		close(f);
	}
	stop(8);
}

static void stat_file(void)
{
	struct stat s;
	file_name(name, pick(count));
	if (stat(name, &s) < 0) die(name);
}

/* On a mount whose entry_timeout is 0: the name is looked up. */
static void look_up(void)
{
	start();
	for (int i = 0; i < 32; i++) stat_file();
	stop(32);
}

static void look_up_nothing(void)
{
	struct stat s;
	start();
	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof name, "%s/d%ld/n%lx", path, pick((count + each - 1) / each), pick(LONG_MAX));
		if (stat(name, &s) == 0 || errno != ENOENT) die(name);
	}
	stop(32);
}

/* A random name of the directory goes and comes again, as a new file. */
static void unlink_create(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		file_name(name, pick(count));
		if (unlink(name) < 0) die("unlink");
		int f = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (f < 0) die("create");
		close(f);
	}
	stop(8);
}

static void rename_file(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		file_name(name, pick(count));
		snprintf(other, sizeof other, "%s-moved", name);
		if (rename(name, other) < 0 || rename(other, name) < 0) die("rename");
	}
	stop(16);
}

static void make_dir(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "%s/d%ld/made", path, pick((count + each - 1) / each));
		if (mkdir(name, 0755) < 0 || rmdir(name) < 0) die("mkdir");
	}
	stop(8);
}

static void link_file(void)
{
	start();
	for (int i = 0; i < 8; i++) {
		file_name(name, pick(count));
		snprintf(other, sizeof other, "%s-linked", name);
		if (link(name, other) < 0 || unlink(other) < 0) die("link");
	}
	stop(8);
}

/* A change of the directory first: what the kernel remembers of it does not count. A thousand entries. */
static void read_dir(void)
{
	long n = 0;
	snprintf(other, sizeof other, "%s/d0/changed", path);
	if (mkdir(other, 0755) < 0 || rmdir(other) < 0) die("mkdir");
	snprintf(name, sizeof name, "%s/d0", path);
	start();
	DIR *d = opendir(name);
	if (!d) die(name);
	while (n < 1000 && readdir(d)) n++;
	closedir(d);
	stop(n);
}

/* Every entry, once: fails where not all are there. */
static void read_all(void)
{
	long n = 0;
	snprintf(name, sizeof name, "%s/d0", path);
	start();
	DIR *d = opendir(name);
	if (!d) die(name);
	while (readdir(d)) n++;
	closedir(d);
	stop(n);
	if (n != each + 2) {
		fprintf(stderr, "grow: %ld entries instead of %ld\n", n, each + 2);
		exit(1);
	}
}

static const struct mode {
	const char *name;
	void (*setup)(void);
	void (*step)(void);
	int once;
} modes[] = {
	{ "make-files", NULL, make_files, 1 },
	{ "make-beside", NULL, make_beside, 1 },
	{ "make-extents", NULL, make_extents, 1 },
	{ "age", NULL, age, 1 },
	{ "make-large", NULL, make_large, 1 },
	{ "read-extent", open_direct, read_extent },
	{ "write-extent", open_direct, write_extent },
	{ "punch-extent", open_direct, punch_extent },
	{ "seek-extent", open_direct, seek_extent },
	{ "shrink-extent", open_direct, shrink_extent },
	{ "open-close", NULL, open_close },
	{ "lookup", NULL, look_up },
	{ "lookup-nothing", NULL, look_up_nothing },
	{ "unlink-create", NULL, unlink_create },
	{ "rename", NULL, rename_file },
	{ "mkdir", NULL, make_dir },
	{ "link", NULL, link_file },
	{ "readdir", NULL, read_dir },
	{ "readdir-all", NULL, read_all, 1 },
};

int main(int argc, char **argv)
{
	const struct mode *m = NULL;
	if (argc < 3) {
		fprintf(stderr, "grow MODE PATH [-n count] [-k files a directory] [-d milliseconds] [-p pid]\n");
		return 2;
	}
	mode = argv[1];
	path = argv[2];
	for (int c; (c = getopt(argc - 2, argv + 2, "n:k:d:p:s:")) != -1;) {
		switch (c) {
		case 'n': count = atol(optarg); break;
		case 'k': each = atol(optarg); break;
		case 'd': milliseconds = atol(optarg); break;
		case 'p': pid = atoi(optarg); break;
		case 's': random_state ^= (uint64_t)atol(optarg) * 2654435761u; break;
		default: return 2;
		}
	}
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, mode)) m = &modes[i];
	if (!m) {
		fprintf(stderr, "grow: no mode %s\n", mode);
		return 2;
	}
	if (posix_memalign((void **)&buffer, PAGE, PAGE)) die("memory");
	memset(buffer, 0x5a, PAGE);
	if (m->setup) m->setup();
	long before = pid ? ticks_of(pid) : 0;
	uint64_t begin = now(), end = begin + milliseconds * 1000000ull;
	do m->step();
	while (!m->once && now() < end);
	if (m->once && spent == 0) spent = now() - begin;
	if (pid) ticks = ticks_of(pid) - before;
	printf("%ld %llu %ld %ld\n", operations, (unsigned long long)spent, bytes, ticks);
	return 0;
}
