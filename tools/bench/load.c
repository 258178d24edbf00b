/*
 * Load generator of the benchmark. One mode a run; prints "<operations> <nanoseconds> <bytes> <ticks>": the last is the
 * CPU time, in clock ticks, that the process of -p spent meanwhile, its ended threads included.
 *
 *   load MODE PATH [-t threads] [-d milliseconds] [-s bytes] [-n count] [-o offset] [-p pid] [-e file-to-evict]...
 *        [-b before] [-r program]
 *
 * create-tail prints behind them the median, the p99.9 and the longest of its latencies, nanoseconds. Mode program runs a line of
 * sh(1) in the directory, again and again, each time after another that is not measured, and counts it as `count` operations.
 * PATH is a directory for the modes that work on names and a file for those that work on data; a mapping of it begins
 * at the offset. A mode runs for the
 * given time, or until it has been through its data once (the cold ones). Build: cc -O2 -pthread load.c -o load
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L
#define MIB (1L << 20)

struct options {
	const char *mode, *path, *before, *program;
	int threads, milliseconds, pid;
	long size, count, offset;
	const char *evict[8];
	int evicted;
} opt = { .threads = 1, .milliseconds = 1000, .size = 64 * MIB, .count = 1000 };

struct task {
	int index;
	long operations, bytes;
	int fd;
	char *buffer, *map;
	long length, cursor;
	uint64_t random;
	char name[PATH_MAX], other[PATH_MAX];
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
	int cold;
};

static void die(const char *what)
{
	fprintf(stderr, "load %s %s: %s: %s\n", opt.mode, opt.path, what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t next_random(struct task *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

/* Names */

static void own_name(struct task *t)
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

/* A name that nobody asked for before: no cache of the kernel knows that it is not there. */
static int step_lookup(struct task *t)
{
	struct stat s;
	for (int i = 0; i < 8; i++) {
		snprintf(t->name, sizeof t->name, "%s/none-%d-%lx", opt.path, getpid(), (long)next_random(t));
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

/* Data */

static void open_data(struct task *t, int flags)
{
	t->fd = open(opt.path, flags);
	if (t->fd < 0) die("open");
	struct stat s;
	if (fstat(t->fd, &s) < 0) die("fstat");
	t->length = S_ISREG(s.st_mode) && s.st_size < opt.size ? s.st_size : opt.size;
	if (posix_memalign((void **)&t->buffer, PAGE, MIB)) die("memory");
	memset(t->buffer, 0x5a + t->index, MIB);
	t->cursor = t->length / opt.threads / MIB * MIB * t->index;
}

static void open_direct(struct task *t) { open_data(t, O_RDWR | O_DIRECT); }
static void open_cached(struct task *t) { open_data(t, O_RDWR); }

static long random_page(struct task *t)
{
	return (long)(next_random(t) % (t->length / PAGE)) * PAGE;
}

static int step_read4k(struct task *t)
{
	for (int i = 0; i < 8; i++)
		if (pread(t->fd, t->buffer, PAGE, random_page(t)) != PAGE) die("pread");
	t->operations += 8;
	t->bytes += 8 * PAGE;
	return 1;
}

static int step_write4k(struct task *t)
{
	for (int i = 0; i < 8; i++)
		if (pwrite(t->fd, t->buffer, PAGE, random_page(t)) != PAGE) die("pwrite");
	t->operations += 8;
	t->bytes += 8 * PAGE;
	return 1;
}

static int step_read1m(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	if (pread(t->fd, t->buffer, MIB, t->cursor) != MIB) die("pread");
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_write1m(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	if (pwrite(t->fd, t->buffer, MIB, t->cursor) != MIB) die("pwrite");
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_read1m_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_read1m(t);
}

static int step_write1m_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_write1m(t);
}

static void finish_fsync(struct task *t)
{
	if (fsync(t->fd) < 0) die("fsync");
	close(t->fd);
}

static void open_append(struct task *t)
{
	own_name(t);
	t->fd = open(t->name, O_CREAT | O_WRONLY | O_APPEND, 0644);
	if (t->fd < 0) die("create");
	t->buffer = calloc(1, PAGE);
}

static int step_append(struct task *t)
{
	if (write(t->fd, t->buffer, PAGE) != PAGE) die("write");
	if (fsync(t->fd) < 0) die("fsync");
	t->operations++;
	t->bytes += PAGE;
	return 1;
}

static void close_append(struct task *t)
{
	close(t->fd);
	unlink(t->name);
}

/* Mappings */

static void map_file(struct task *t)
{
	open_cached(t);
	t->map = mmap(NULL, t->length, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, opt.offset);
	if (t->map == MAP_FAILED) die("mmap");
	t->cursor = 0;
}

static void map_warm(struct task *t)
{
	map_file(t);
	for (long i = 0; i < t->length; i += PAGE) t->sink += t->map[i];
}

/* For stores: every page has been written once, so that the first stores do not count its fault. */
static void map_written(struct task *t)
{
	map_file(t);
	for (long i = 0; i < t->length; i += PAGE) t->map[i] = i;
}

static void shuffle(struct task *t)
{
	long pages = t->length / PAGE;
	t->order = malloc(pages * sizeof *t->order);
	for (long i = 0; i < pages; i++) t->order[i] = i;
	for (long i = pages - 1; i > 0; i--) {
		long j = next_random(t) % (i + 1);
		uint32_t keep = t->order[i];
		t->order[i] = t->order[j];
		t->order[j] = keep;
	}
}

static void map_shuffled(struct task *t)
{
	map_file(t);
	shuffle(t);
}

static int step_map_random(struct task *t)
{
	for (int i = 0; i < 256; i++) t->sink += t->map[random_page(t) + 8 * (i & 255)];
	t->operations += 256;
	return 1;
}

static int step_map_store(struct task *t)
{
	for (int i = 0; i < 256; i++) t->map[random_page(t) + 8 * (i & 255)] = i;
	t->operations += 256;
	return 1;
}

static int step_map_seq(struct task *t)
{
	if (t->cursor + MIB > t->length) t->cursor = 0;
	const uint64_t *p = (const uint64_t *)(t->map + t->cursor);
	uint64_t sum = 0;
	for (long i = 0; i < MIB / 8; i++) sum += p[i];
	t->sink += sum;
	t->cursor += MIB;
	t->operations++;
	t->bytes += MIB;
	return 1;
}

static int step_map_seq_once(struct task *t)
{
	if (t->cursor + MIB > t->length) return 0;
	return step_map_seq(t);
}

static int step_map_random_once(struct task *t)
{
	for (int i = 0; i < 64; i++) {
		if (t->cursor >= t->length / PAGE) return 0;
		t->sink += t->map[t->order[t->cursor++] * PAGE];
		t->operations++;
	}
	return 1;
}

static void unmap(struct task *t)
{
	munmap(t->map, t->length);
	close(t->fd);
}

static void close_data(struct task *t)
{
	close(t->fd);
}

/* Writes the data file: every block allocated and written. */
static void prepare(struct task *t)
{
	t->fd = open(opt.path, O_CREAT | O_RDWR, 0644);
	if (t->fd < 0) die("create");
	close(t->fd);
	open_cached(t);
	t->length = opt.size;
	t->cursor = 0;
}

static const struct mode modes[] = {
	{ "prepare", prepare, step_write1m_once, finish_fsync },
	{ "stat", path_is_name, step_stat },
	{ "statx-sync", path_is_name, step_statx },
	{ "open-close", path_is_name, step_open },
	{ "create-unlink", own_name, step_create, remove_file },
	{ "mkdir-rmdir", own_name, step_mkdir },
	{ "rename", own_file, step_rename, remove_file },
	{ "tree", make_root, step_tree, remove_root },
	{ "lookup", NULL, step_lookup },
	{ "program", NULL, step_program },
	{ "create-tail", make_latencies, step_create_tail, remove_latencies },
	{ "readdir", many_files, step_readdir, remove_many },
	{ "walk-cold", many_files, step_walk, remove_many, 2 },
	{ "read-4k", open_direct, step_read4k, close_data },
	{ "write-4k", open_direct, step_write4k, close_data },
	{ "read-1m", open_direct, step_read1m, close_data },
	{ "write-1m", open_direct, step_write1m, close_data },
	{ "read-1m-cold", open_cached, step_read1m_once, close_data, 1 },
	{ "write-1m-fsync", open_cached, step_write1m_once, finish_fsync },
	{ "append-fsync", open_append, step_append, close_append },
	{ "mmap-random", map_warm, step_map_random, unmap },
	{ "mmap-store", map_written, step_map_store, unmap },
	{ "mmap-seq", map_warm, step_map_seq, unmap },
	{ "mmap-random-cold", map_shuffled, step_map_random_once, unmap, 1 },
	{ "mmap-seq-cold", map_file, step_map_seq_once, unmap, 1 },
};

static const struct mode *mode;
static pthread_barrier_t ready, done;
static volatile uint64_t deadline;

static void *work(void *argument)
{
	struct task *t = argument;
	t->random = 88172645463325252ull + t->index * 2654435761ull;
	if (mode->setup) mode->setup(t);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&ready);
	while (mode->step(t) && now() < deadline);
	/* What a write has still to sync belongs to its time. */
	if (mode->finish == finish_fsync) mode->finish(t);
	pthread_barrier_wait(&done);
	if (mode->finish && mode->finish != finish_fsync) mode->finish(t);
	return NULL;
}

/* Cold: file data leaves the page cache (1), or names and inodes leave their caches as well (2, needs root). */
static void make_cold(void)
{
	if (mode->cold == 2) {
		sync();
		int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		if (fd < 0 || write(fd, "2", 1) != 1) die("drop_caches");
		close(fd);
		return;
	}
	const char *first = opt.path;
	for (int i = -1; i < opt.evicted; i++) {
		int fd = open(i < 0 ? first : opt.evict[i], O_RDONLY);
		if (fd < 0) continue;
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
}

static long ticks_of(int pid)
{
	char name[64], text[1024];
	unsigned long user = 0, system = 0;
	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	int fd = open(name, O_RDONLY);
	if (fd < 0) return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0) return 0;
	text[n] = 0;
	/* Behind the command, which may hold anything: state and ten more fields, then utime and stime (proc(5)). */
	char *rest = strrchr(text, ')');
	if (!rest) return 0;
	sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return user + system;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void print_latencies(struct task *tasks, long operations)
{
	uint32_t *all = malloc((operations + 1) * sizeof *all);
	long n = 0;
	for (int i = 0; i < opt.threads; i++) {
		memcpy(all + n, tasks[i].latencies, tasks[i].operations * sizeof *all);
		n += tasks[i].operations;
	}
	if (n == 0) return;
	qsort(all, n, sizeof *all, compare);
	printf(" %u %u %u", all[n / 2], all[n - 1 - n / 1000], all[n - 1]);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "load MODE PATH [-t threads] [-d ms] [-s bytes] [-n count] [-o offset] [-p pid] [-e file]...\n");
		return 2;
	}
	opt.mode = argv[1];
	opt.path = argv[2];
	for (int c; (c = getopt(argc - 2, argv + 2, "t:d:s:n:o:p:e:b:r:")) != -1;) {
		switch (c) {
		case 't': opt.threads = atoi(optarg); break;
		case 'd': opt.milliseconds = atoi(optarg); break;
		case 's': opt.size = atol(optarg); break;
		case 'o': opt.offset = atol(optarg); break;
		case 'p': opt.pid = atoi(optarg); break;
		case 'n': opt.count = atol(optarg); break;
		case 'b': opt.before = optarg; break;
		case 'r': opt.program = optarg; break;
		case 'e': if (opt.evicted < 8) opt.evict[opt.evicted++] = optarg; break;
		default: return 2;
		}
	}
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, opt.mode)) mode = &modes[i];
	if (!mode) {
		fprintf(stderr, "load: no mode %s\n", opt.mode);
		return 2;
	}
	struct task *tasks = calloc(opt.threads, sizeof *tasks);
	pthread_t *threads = calloc(opt.threads, sizeof *threads);
	pthread_barrier_init(&ready, NULL, opt.threads + 1);
	pthread_barrier_init(&done, NULL, opt.threads + 1);
	for (int i = 0; i < opt.threads; i++) {
		tasks[i].index = i;
		pthread_create(&threads[i], NULL, work, &tasks[i]);
	}
	pthread_barrier_wait(&ready);
	if (mode->cold) make_cold();
	long ticks = opt.pid ? ticks_of(opt.pid) : 0;
	uint64_t start = now();
	deadline = mode->setup == prepare ? UINT64_MAX : start + opt.milliseconds * 1000000ull;
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&done);
	uint64_t end = now();
	if (opt.pid) ticks = ticks_of(opt.pid) - ticks;
	long operations = 0, bytes = 0;
	for (int i = 0; i < opt.threads; i++) {
		operations += tasks[i].operations;
		bytes += tasks[i].bytes;
	}
	for (int i = 0; i < opt.threads; i++) pthread_join(threads[i], NULL);
	printf("%ld %llu %ld %ld", operations, (unsigned long long)(tasks[0].spent ? tasks[0].spent : end - start), bytes,
	       ticks);
	if (tasks[0].latencies) print_latencies(tasks, operations);
	printf("\n");
	return 0;
}
