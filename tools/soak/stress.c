/*
 * Processes that do random operations on one small tree, all at once, for a time.
 *
 *   stress FOLDER SEED PROCESSES SECONDS
 *
 * Errors that such a crowd brings about (ENOENT, EEXIST, …) are expected; any other ends it with code 1 and is named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static long done;

static uint64_t next(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
static long below(long n) { return (long)(next() % (uint64_t)n); }

static const char *name_at(int which) /* a path of one to four parts */
{
	static char names[3][256];
	char *name = names[which];
	int n = 0;
	for (long depth = below(4); depth > 0; depth--) n += sprintf(name + n, "d%ld/", below(6));
	sprintf(name + n, "%c%ld", below(3) ? 'f' : 'd', below(30));
	return name;
}

static int usual(int error)
{
	static const int list[] = {ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, ELOOP, EXDEV, EMLINK, ENODATA, ENXIO,
		ENOSPC, EPERM, EBUSY, EACCES, EFBIG, EBADF, EOPNOTSUPP, EAGAIN, ESPIPE, ENODEV, ETXTBSY};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) if (list[i] == error) return 1;
	return 0;
}

static void expect(const char *what, long result)
{
	done++;
	if (result >= 0 || usual(errno)) return;
	fprintf(stderr, "%s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static void on_file(void)
{
	static char data[128 << 10];
	static const int flags[] = {O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC, O_WRONLY | O_APPEND | O_CREAT, O_RDWR | O_DIRECT, O_RDWR | O_CREAT | O_DSYNC};
	int fd = open(name_at(0), flags[below(6)], 0600 + below(64));
	expect("open", fd);
	if (fd < 0) return;
	for (long n = below(8); n > 0; n--) {
		long at = below(2 << 20), length = 1 + below(sizeof data);
		switch (below(14)) {
		case 0: case 1: case 2: expect("write", pwrite(fd, data, length, at)); break;
		case 3: case 4: expect("read", pread(fd, data, length, at)); break;
		case 5: expect("ftruncate", ftruncate(fd, at)); break;
		case 6: expect("fallocate", fallocate(fd, below(2), at, length)); break;
		case 7: expect("punch", fallocate(fd, 3, at, length)); break;
		case 8: expect("zero", fallocate(fd, 0x10 | below(2), at, length)); break;
		case 9: if (below(20) == 0) expect("fsync", fsync(fd)); break;
		case 10: expect("flock", flock(fd, (below(2) ? LOCK_SH : LOCK_EX) | LOCK_NB)); break;
		case 11: {
			int other = open(name_at(1), O_RDWR | O_CREAT, 0644);
			off_t a = at & ~4095l, b = below(1 << 20) & ~4095l;
			if (other >= 0) { expect("copy_file_range", copy_file_range(fd, &a, other, &b, length, 0)); close(other); }
			break;
		}
		case 12: {
			/* only what is read: another process may cut the file under the mapping, and that is SIGBUS */
			expect("lseek", lseek(fd, at, below(2) ? SEEK_DATA : SEEK_HOLE));
			break;
		}
		default: expect("fchmod", fchmod(fd, 0600 + below(64)));
		}
	}
	close(fd);
}

static void on_names(void)
{
	char link_path[64];
	static struct stat s;
	static char value[256];
	switch (below(16)) {
	case 0: case 1: expect("mkdir", mkdir(name_at(0), 0755)); break;
	case 2: expect("rmdir", rmdir(name_at(0))); break;
	case 3: case 4: expect("unlink", unlink(name_at(0))); break;
	case 5: case 6: expect("rename", rename(name_at(0), name_at(1))); break;
	case 7: expect("renameat2", renameat2(AT_FDCWD, name_at(0), AT_FDCWD, name_at(1), below(5))); break;
	case 8: expect("link", link(name_at(0), name_at(1))); break;
	case 9: expect("symlink", symlink(name_at(0), name_at(1))); break;
	case 10: expect("stat", lstat(name_at(0), &s)); break;
	case 11: expect("chown", lchown(name_at(0), (uid_t)below(3), (gid_t)below(3))); break;
	case 12: sprintf(value, "user.x%ld", below(5)); expect("setxattr", setxattr(name_at(0), value, value, below(200), 0)); break;
	case 13: sprintf(value, "user.x%ld", below(5)); expect("removexattr", removexattr(name_at(0), value)); break;
	case 14: {
		int fd = open(".", O_TMPFILE | O_RDWR, 0644);
		expect("O_TMPFILE", fd);
		if (fd < 0) break;
		expect("write", write(fd, value, sizeof value));
		sprintf(link_path, "/proc/self/fd/%d", fd);
		if (below(2)) expect("linkat", linkat(AT_FDCWD, link_path, AT_FDCWD, name_at(0), AT_SYMLINK_FOLLOW));
		close(fd);
		break;
	}
	default: {
		const char *folder = below(2) ? "." : name_at(0);
		DIR *dir = opendir(folder);
		expect("opendir", dir ? 0 : -1);
		if (!dir) break;
		errno = 0;
		while (readdir(dir)) done++;
		expect("readdir", errno == 0 ? 0 : -1);
		closedir(dir);
	}
	}
}

int main(int argc, char **argv)
{
	if (argc < 5 || chdir(argv[1]) != 0) return 2;
	int processes = atoi(argv[3]), failed = 0, status;
	time_t end = time(0) + atoi(argv[4]);
	for (int p = 0; p < processes; p++) {
		if (fork() != 0) continue;
		state = strtoull(argv[2], 0, 0) * 1000003u + (uint64_t)p;
		while (time(0) < end) {
			if (below(2)) on_file();
			else on_names();
		}
		printf("%ld operations\n", done);
		fflush(stdout);
		_exit(0);
	}
	for (int p = 0; p < processes; p++) { wait(&status); failed |= status; }
	return failed ? 1 : 0;
}
