/*
 * What a second filesystem thread would give: a FUSE server in C that serves one file, by its own hands and not through a
 * library, with one thread or with several, each on a descriptor of its own (FUSE_DEV_IOC_CLONE). It answers what reading and
 * overwriting a file need and nothing else.
 *
 *   threads BACKING MOUNTPOINT THREADS
 *
 * Ends when it is unmounted. Build: cc -O2 -pthread threads.c -o threads
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DATA 2
#define LARGEST (1 << 20)

static int backing;

static void attributes(uint64_t node, struct fuse_attr *a)
{
	struct stat b;
	memset(a, 0, sizeof *a);
	a->ino = node;
	a->nlink = 1;
	a->blksize = 4096;
	a->mode = node == DATA ? S_IFREG | 0644 : S_IFDIR | 0755;
	if (node == DATA && fstat(backing, &b) == 0) a->size = b.st_size;
}

static void answer(int fd, uint64_t unique, int error, const void *body, size_t length)
{
	struct fuse_out_header head = { .len = sizeof head + length, .error = error, .unique = unique };
	struct iovec parts[] = { { &head, sizeof head }, { (void *)body, length } };
	if (writev(fd, parts, length ? 2 : 1) < 0 && errno != ENOENT) perror("writev");
}

static void *serve(void *argument)
{
	int fd = (int)(long)argument;
	char *request = aligned_alloc(4096, LARGEST + 8192), *data = aligned_alloc(4096, LARGEST);
	for (;;) {
		ssize_t n = read(fd, request, LARGEST + 8192);
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
		if (n <= 0) return NULL;
		struct fuse_in_header *in = (struct fuse_in_header *)request;
		void *body = in + 1;
		switch (in->opcode) {
		case FUSE_INIT: {
			struct fuse_init_in *asked = body;
			struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
						     .max_readahead = asked->max_readahead, .max_write = LARGEST,
						     .max_background = 64, .congestion_threshold = 48,
						     .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS,
						     .max_pages = LARGEST / 4096 };
			answer(fd, in->unique, 0, &out, sizeof out);
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = { .nodeid = DATA, .entry_valid = 86400, .attr_valid = 86400 };
			if (strcmp(body, "data") != 0) {
				answer(fd, in->unique, -ENOENT, NULL, 0);
				break;
			}
			attributes(DATA, &out.attr);
			answer(fd, in->unique, 0, &out, sizeof out);
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr_valid = 86400 };
			attributes(in->nodeid, &out.attr);
			answer(fd, in->unique, 0, &out, sizeof out);
			break;
		}
		case FUSE_OPEN: {
			struct fuse_open_out out = { .open_flags = FOPEN_PARALLEL_DIRECT_WRITES | FOPEN_KEEP_CACHE };
			answer(fd, in->unique, 0, &out, sizeof out);
			break;
		}
		case FUSE_READ: {
			struct fuse_read_in *want = body;
			n = pread(backing, data, want->size, want->offset);
			answer(fd, in->unique, n < 0 ? -errno : 0, data, n < 0 ? 0 : n);
			break;
		}
		case FUSE_WRITE: {
			struct fuse_write_in *want = body;
			n = pwrite(backing, want + 1, want->size, want->offset);
			struct fuse_write_out out = { .size = n < 0 ? 0 : n };
			answer(fd, in->unique, n < 0 ? -errno : 0, &out, n < 0 ? 0 : sizeof out);
			break;
		}
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		case FUSE_FLUSH:
		case FUSE_GETXATTR:
			answer(fd, in->unique, -ENOSYS, NULL, 0);
			break;
		default:
			answer(fd, in->unique, in->opcode == FUSE_RELEASE || in->opcode == FUSE_FSYNC ? 0 : -ENOSYS, NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	char options[256];
	if (argc != 4) {
		fprintf(stderr, "threads BACKING MOUNTPOINT THREADS\n");
		return 2;
	}
	backing = open(argv[1], O_RDWR);
	int fd = open("/dev/fuse", O_RDWR);
	if (backing < 0 || fd < 0) {
		perror("open");
		return 1;
	}
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (mount("threads", argv[2], "fuse.threads", 0, options) < 0) {
		perror("mount");
		return 1;
	}
	for (int i = 1; i < atoi(argv[3]); i++) {
		pthread_t thread;
		uint32_t of = fd;
		int clone = open("/dev/fuse", O_RDWR);
		if (clone < 0 || ioctl(clone, FUSE_DEV_IOC_CLONE, &of) < 0) {
			perror("FUSE_DEV_IOC_CLONE");
			return 1;
		}
		pthread_create(&thread, NULL, serve, (void *)(long)clone);
	}
	serve((void *)(long)fd);
	return 0;
}
