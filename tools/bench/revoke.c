/*
 * revoke.c - how long a holder can still reach a guarded window after its lease was revoked.
 *
 *     revoke MOUNT PATH BYTES clean|dirty ROUNDS
 *
 * PATH counts from the root of the mount. Each round leases it, maps BYTES of its guarded window, touches every page (dirty:
 * stores), and has an administrator's `revoke` and `expire` end the lease while one thread goes on touching pages and another reads
 * a file beside it. A line each round, in ns: from the request to the first SIGBUS, to the first look at which
 * none of 64 pages all over the range is in the holder's page table, to the event `revoked` (dirty pages are written, and it is on
 * the disk), and the longest read of the other file meanwhile and before.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "measure.h"

enum { PLACES = 64 };
static char *map;
static size_t length;
static int dirty, other;
static volatile int64_t faulted, reached;
static volatile int over, phase;
static volatile int64_t worst[2];
static sigjmp_buf jump;
static char said[1 << 16];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void on_sigbus(int number)
{
	(void)number;
	if (!faulted) faulted = now();
	siglongjmp(jump, 1);
}

/* Has the holder pages of the range in its page table? Of 64 places, each the last page of its part. */
static int reaches(int pagemap)
{
	for (int i = 1; i <= PLACES; i++) {
		uint64_t entry;
		off_t page = ((uintptr_t)map + length / PLACES * i) / PAGE - 1;
		if (pread(pagemap, &entry, sizeof entry, page * (off_t)sizeof entry) != sizeof entry) die("pagemap");
		if (entry >> 63) return 1;
	}
	return 0;
}

/* The holder that does not answer: goes on until it is refused, and then looks until the last of its pages is gone. */
static void *touch(void *unused)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	(void)unused;
	if (pagemap < 0) die("pagemap");
	if (!sigsetjmp(jump, 1))
		for (size_t at = 0;; at = (at + PAGE) % length) {
			volatile char *byte = map + at;
			if (dirty) *byte = 1;
			else (void)*byte;
			if (at == 0) usleep(100);
		}
	while (reaches(pagemap)) {}
	reached = now();
	close(pagemap);
	return NULL;
}

/* Somebody who has nothing to do with it: asks the daemon for a page and for attributes. */
static void *bystander(void *unused)
{
	void *page;
	(void)unused;
	if (posix_memalign(&page, PAGE, PAGE)) die("memory");
	while (!over) {
		int64_t from = now(), took;
		int at = phase;
		if (pread(other, page, PAGE, 0) != PAGE) die("read of the other file");
		took = now() - from;
		if (took > worst[at]) worst[at] = took;
		usleep(200);
	}
	free(page);
	return NULL;
}

static void ask(int ctl, const char *line)
{
	if (write(ctl, line, strlen(line)) < 0) die(line);
}

/* Reads until the text is there; it is in `said`. */
static void await(int ctl, const char *text)
{
	size_t used = 0;
	while (said[used] = 0, !strstr(said, text)) {
		struct pollfd one = { ctl, POLLIN, 0 };
		ssize_t got;
		if (poll(&one, 1, 30000) != 1) die("no answer");
		if (used > sizeof said - 4096) used = 0;
		got = read(ctl, said + used, sizeof said - 1 - used);
		if (got > 0) used += got;
	}
}

int main(int argc, char **argv)
{
	char path[4096], line[4096];
	pthread_t toucher, reader;
	if (argc != 6) return 64;
	length = strtoull(argv[3], NULL, 10);
	dirty = !strcmp(argv[4], "dirty");
	signal(SIGBUS, on_sigbus);
	snprintf(path, sizeof path, "%s/bystander", argv[1]);
	other = open(path, O_RDONLY | O_DIRECT);
	if (other < 0) die(path);
	pthread_create(&reader, NULL, bystander, NULL);
	for (int round = atoi(argv[5]); round > 0; round--) {
		int ctl, window, id;
		int64_t from, all;
		snprintf(path, sizeof path, "%s/.layout/ctl", argv[1]);
		ctl = open(path, O_RDWR | O_NONBLOCK);
		if (ctl < 0) die(path);
		snprintf(line, sizeof line, "get path=%s kind=direct wait=10\n", argv[2]);
		ask(ctl, line);
		await(ctl, "ok id=");
		id = atoi(strstr(said, "ok id=") + 6);
		snprintf(path, sizeof path, "%s/.layout/lease/%d", argv[1], id);
		window = open(path, O_RDWR);
		if (window < 0) die(path);
		map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, window, 0);
		if (map == MAP_FAILED) die("mmap");
		for (size_t at = 0; at < length; at += PAGE) {
			if (dirty) map[at] = 1;
			else (void)*(volatile char *)(map + at);
		}
		worst[0] = worst[1] = 0;
		faulted = 0;
		phase = 0;
		pthread_create(&toucher, NULL, touch, NULL);
		usleep(100000);
		phase = 1;
		snprintf(line, sizeof line, "revoke id=%d reason=bench\n", id);
		ask(ctl, line);
		snprintf(line, sizeof line, "expire id=%d\n", id);
		from = now();
		ask(ctl, line);
		await(ctl, "event revoked");
		all = now();
		pthread_join(toucher, NULL);
		printf("%lld %lld %lld %lld %lld\n", (long long)(faulted - from), (long long)(reached - from),
		       (long long)(all - from), (long long)worst[1], (long long)worst[0]);
		fflush(stdout);
		munmap(map, length);
		close(window);
		close(ctl);
	}
	over = 1;
	pthread_join(reader, NULL);
	return 0;
}
