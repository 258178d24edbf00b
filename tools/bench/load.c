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
 * at the offset. A mode runs for the given time, or until it has been through its data once (the cold ones).
 * Build: cc -O2 -pthread load.c load-*.c -o load
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include "load.h"

struct options opt = { .threads = 1, .milliseconds = 1000, .size = 64 * MIB, .count = 1000 };

void die(const char *what)
{
	fprintf(stderr, "load %s %s: %s: %s\n", opt.mode, opt.path, what, strerror(errno));
	exit(1);
}

static const struct mode *const tables[] = { name_modes, tree_modes, data_modes, map_modes };
static const struct mode *mode;
static pthread_barrier_t ready, done;
static volatile uint64_t deadline;

static void *work(void *argument)
{
	struct task *t = argument;
	t->random = SEED + t->index * 2654435761ull;
	if (mode->setup) mode->setup(t);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&ready);
	while (mode->step(t) && now() < deadline);
	if (mode->finish_counts) mode->finish(t);
	pthread_barrier_wait(&done);
	if (mode->finish && !mode->finish_counts) mode->finish(t);
	return NULL;
}

static void make_cold(void)
{
	if (mode->cold == 2) {
		sync();
		int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		if (fd < 0 || write(fd, "2", 1) != 1) die("drop_caches");
		close(fd);
		return;
	}
	for (int i = -1; i < MOST_EVICTED; i++) {
		const char *file = i < 0 ? opt.path : opt.evict[i];
		int fd = file ? open(file, O_RDONLY) : -1;
		if (fd < 0) continue;
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
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
	const struct argument known[] = {
		{ .letter = 't', .number = &opt.threads },
		{ .letter = 'd', .number = &opt.milliseconds },
		{ .letter = 's', .number = &opt.size },
		{ .letter = 'n', .number = &opt.count },
		{ .letter = 'o', .number = &opt.offset },
		{ .letter = 'p', .number = &opt.pid },
		{ .letter = 'b', .text = &opt.before },
		{ .letter = 'r', .text = &opt.program },
		{ .letter = 'e', .list = opt.evict, .room = MOST_EVICTED },
		{ .letter = 0 },
	};
	read_arguments(argc, argv, known,
		       "load MODE PATH [-t threads] [-d ms] [-s bytes] [-n count] [-o offset] [-p pid] [-e file]...");
	opt.mode = argv[1];
	opt.path = argv[2];
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct mode *m = tables[i]; m->name; m++)
			if (!strcmp(m->name, opt.mode)) mode = m;
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
	deadline = mode->whole ? UINT64_MAX : start + opt.milliseconds * 1000000ull;
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
