/*
 * Load generator for leases: speaks the plain form of the control file, in one process, without a client library.
 *
 *   lease pairs  CTL FILE-IN-MOUNT PATH MILLISECONDS     get + return on one session; prints "<pairs> <ns> 0"
 *   lease recall CTL FILE-IN-MOUNT PATH ROUNDS           a truncate meets a lease; prints a line a round:
 *                                                        "<ns from the call to the event> <ns from the return to its end>"
 *   lease hold   CTL FILE-IN-MOUNT PATH COUNT            takes so many leases: half of them on blocks of that file, the others on
 *                                                        files FILE-IN-MOUNT-1 and so on; says "held", gives up at end of stdin
 *
 * FILE-IN-MOUNT is how the control file calls what PATH opens. Build: cc -O2 -pthread lease.c -o lease
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include "measure.h"

static const char *control, *name, *path;
static int ctl;
static char reply[65536];

static void die(const char *what)
{
	fprintf(stderr, "lease: %s: %s%s%s\n", what, strerror(errno), reply[0] ? ": " : "", reply);
	exit(1);
}

/* Writes a request; its reply is then in `reply`. */
static void request(const char *line)
{
	reply[0] = 0;
	ssize_t written = write(ctl, line, strlen(line));
	int failed = written < 0 ? errno : 0;
	ssize_t n = read(ctl, reply, sizeof reply - 1);
	if (n >= 0) reply[n] = 0;
	if (failed) {
		errno = failed;
		die(line);
	}
	if (n < 0) die("read");
}

static long field(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	if (!at) die(key);
	return atol(at + strlen(key));
}

static void get(const char *kind, long *id, long *seq)
{
	char line[4096];
	snprintf(line, sizeof line, "get path=%s kind=%s\n", name, kind);
	request(line);
	*id = field(reply, " id=");
	*seq = field(reply, " seq=");
}

static void give_back(long id, long seq)
{
	char line[128];
	snprintf(line, sizeof line, "return id=%ld seq=%ld\n", id, seq);
	request(line);
}

static int pairs(long milliseconds)
{
	long id, seq, count = 0;
	ctl = open(control, O_RDWR);
	if (ctl < 0) die(control);
	uint64_t start = now(), end = start + milliseconds * 1000000ull;
	do {
		get("layout", &id, &seq);
		give_back(id, seq);
		count++;
	} while (now() < end);
	printf("%ld %llu 0\n", count, (unsigned long long)(now() - start));
	return 0;
}

/* Holder and breaker are processes: an operation of the holder's own process would be refused, not wait. */
static struct shared {
	pthread_barrier_t go;
	volatile uint64_t called, completed;
} *shared;
static long rounds;

static void breaker(void)
{
	int fd = open(path, O_RDWR);
	if (fd < 0) die(path);
	for (long i = 0; i < rounds; i++) {
		pthread_barrier_wait(&shared->go);
		shared->called = now();
		/* Shrinks and grows in turn: both are changes of the size, which recall a layout lease. */
		if (ftruncate(fd, i % 2 ? 1 << 20 : 1 << 19) < 0) die("ftruncate");
		shared->completed = now();
		pthread_barrier_wait(&shared->go);
	}
}

static int recall(void)
{
	pthread_barrierattr_t attributes;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) die("mmap");
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->go, &attributes, 2);
	pid_t child = fork();
	if (child < 0) die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		breaker();
		_exit(0);
	}
	ctl = open(control, O_RDWR);
	if (ctl < 0) die(control);
	for (long i = 0; i < rounds; i++) {
		long id, seq;
		get("layout", &id, &seq);
		pthread_barrier_wait(&shared->go);
		struct pollfd p = { .fd = ctl, .events = POLLIN };
		if (poll(&p, 1, 10000) != 1) die("no event in 10 s");
		ssize_t n = read(ctl, reply, sizeof reply - 1);
		uint64_t told = now();
		if (n <= 0) die("read");
		reply[n] = 0;
		seq = field(reply, "seq=");
		uint64_t returned = now();
		give_back(id, seq);
		pthread_barrier_wait(&shared->go);
		printf("%llu %llu\n", (unsigned long long)(told - shared->called),
		       (unsigned long long)(shared->completed - returned));
	}
	waitpid(child, NULL, 0);
	return 0;
}

static int hold(long count)
{
	char line[4096];
	uint64_t start = now();
	for (long i = 0; i < count; i++) {
		/* A session has at most 10,000 (docs/control.md). */
		if (i % 10000 == 0) {
			ctl = open(control, O_RDWR);
			if (ctl < 0) die(control);
		}
		if (i % 2 == 0)
			snprintf(line, sizeof line, "get path=%s kind=direct offset=%ld length=4096\n", name, i / 2 * 4096);
		else snprintf(line, sizeof line, "get path=%s-%ld kind=layout\n", name, i / 2 + 1);
		request(line);
	}
	printf("held %llu\n", (unsigned long long)(now() - start));
	fflush(stdout);
	while (read(0, line, sizeof line) > 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "lease pairs|recall|hold CTL FILE-IN-MOUNT PATH COUNT\n");
		return 2;
	}
	name = argv[3];
	path = argv[4];
	control = argv[2];
	if (!strcmp(argv[1], "pairs")) return pairs(atol(argv[5]));
	if (!strcmp(argv[1], "hold")) return hold(atol(argv[5]));
	rounds = atol(argv[5]);
	return recall();
}
