/*
 * Load generator of the growth rows: builds what is large, and measures in it. Prints what load.c prints:
 * "<operations> <nanoseconds> <bytes> <ticks>".
 *
 *   grow MODE PATH [-n count] [-k files a directory] [-d milliseconds] [-p pid]
 *
 * Files are named d<number>/f<number>; file number i lies in directory i / k. Build: cc -O2 grow.c grow-build.c -o grow
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include "grow.h"

const char *path;
long count = 1000, each = 1000, operations, bytes;
uint64_t random_state = SEED;
char *buffer;
static const char *mode;
static long milliseconds = 500, pid, seed, ticks;
static uint64_t spent;

void die(const char *what)
{
	fprintf(stderr, "grow %s %s: %s: %s\n", mode, path, what, strerror(errno));
	exit(1);
}

/* Measuring: a step does some operations and takes the time that counts. */

static int fd = -1;
static char name[PATH_MAX], other[PATH_MAX + 16];
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
	{ "make-files", .step = make_files, .once = 1 },
	{ "make-beside", .step = make_beside, .once = 1 },
	{ "make-extents", .step = make_extents, .once = 1 },
	{ "age", .step = age, .once = 1 },
	{ "make-large", .step = make_large, .once = 1 },
	{ "read-extent", .setup = open_direct, .step = read_extent },
	{ "write-extent", .setup = open_direct, .step = write_extent },
	{ "punch-extent", .setup = open_direct, .step = punch_extent },
	{ "seek-extent", .setup = open_direct, .step = seek_extent },
	{ "shrink-extent", .setup = open_direct, .step = shrink_extent },
	{ "open-close", .step = open_close },
	{ "lookup", .step = look_up },
	{ "lookup-nothing", .step = look_up_nothing },
	{ "unlink-create", .step = unlink_create },
	{ "rename", .step = rename_file },
	{ "mkdir", .step = make_dir },
	{ "link", .step = link_file },
	{ "readdir", .step = read_dir },
	{ "readdir-all", .step = read_all, .once = 1 },
};

int main(int argc, char **argv)
{
	const struct mode *m = NULL;
	const struct argument known[] = {
		{ .letter = 'n', .number = &count },
		{ .letter = 'k', .number = &each },
		{ .letter = 'd', .number = &milliseconds },
		{ .letter = 'p', .number = &pid },
		{ .letter = 's', .number = &seed },
		{ .letter = 0 },
	};
	read_arguments(argc, argv, known, "grow MODE PATH [-n count] [-k files a directory] [-d milliseconds] [-p pid]");
	mode = argv[1];
	path = argv[2];
	random_state ^= (uint64_t)seed * 2654435761u;
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
