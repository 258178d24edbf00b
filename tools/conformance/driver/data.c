/* Operations on open files, mappings and locks. */
#include "driver.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static const struct { const char *name; long value; } flag_table[] = {
	{"O_RDONLY", O_RDONLY}, {"O_WRONLY", O_WRONLY}, {"O_RDWR", O_RDWR}, {"O_CREAT", O_CREAT}, {"O_EXCL", O_EXCL}, {"O_TRUNC", O_TRUNC},
	{"O_APPEND", O_APPEND}, {"O_NONBLOCK", O_NONBLOCK}, {"O_SYNC", O_SYNC}, {"O_DSYNC", O_DSYNC}, {"O_DIRECT", O_DIRECT},
	{"O_NOFOLLOW", O_NOFOLLOW}, {"O_DIRECTORY", O_DIRECTORY}, {"O_TMPFILE", O_TMPFILE}, {"O_PATH", O_PATH}, {"O_NOATIME", O_NOATIME},
	{"KEEP", FALLOC_FL_KEEP_SIZE}, {"PUNCH", FALLOC_FL_PUNCH_HOLE}, {"ZERO", FALLOC_FL_ZERO_RANGE}, {"COLLAPSE", FALLOC_FL_COLLAPSE_RANGE},
	{"INSERT", FALLOC_FL_INSERT_RANGE}, {"UNSHARE", FALLOC_FL_UNSHARE_RANGE}, {"PLAIN", 0},
	{"SET", SEEK_SET}, {"CUR", SEEK_CUR}, {"END", SEEK_END}, {"DATA", SEEK_DATA}, {"HOLE", SEEK_HOLE},
	{"LOCK_SH", LOCK_SH}, {"LOCK_EX", LOCK_EX}, {"LOCK_UN", LOCK_UN}, {"LOCK_NB", LOCK_NB},
	{"RDLCK", F_RDLCK}, {"WRLCK", F_WRLCK}, {"UNLCK", F_UNLCK}, {"NOWAIT", RWF_NOWAIT}, {"DSYNC", RWF_DSYNC}, {"APPEND", RWF_APPEND}, {"NOAPPEND", 0x20}, {"HIPRI", RWF_HIPRI},
};

long flags_of(const char *words)
{
	long sum = 0;
	char copy[256], *save;
	snprintf(copy, sizeof copy, "%s", words);
	for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(0, "|", &save)) {
		size_t i = 0, n = sizeof flag_table / sizeof *flag_table;
		while (i < n && strcmp(flag_table[i].name, word) != 0) i++;
		if (i == n) bad("no such flag", word);
		sum |= flag_table[i].value;
	}
	return sum;
}

static char *buffer(size_t size) /* aligned for O_DIRECT; kept */
{
	static char *kept;
	static size_t kept_size;
	if (size + 4096 > kept_size) {
		free(kept);
		kept_size = size + 8192;
		kept = aligned_alloc(4096, (kept_size + 4095) & ~4095ul);
	}
	return kept;
}

/* open PATH FLAGS [MODE] */
OP(open, 2) { return open(path(arg[0]), (int)flags_of(arg[1]), count > 2 ? strtoul(arg[2], 0, 8) : 0666); }
/* create PATH [MODE]: open with O_CREAT|O_EXCL, and close */
OP(create, 1)
{
	int fd = open(path(arg[0]), O_CREAT | O_EXCL | O_WRONLY, count > 1 ? strtoul(arg[1], 0, 8) : 0644);
	return fd < 0 ? -1 : close(fd);
}
OP(close, 1) { return close(atoi(arg[0])); }
OP(dup, 1) { return dup(atoi(arg[0])); }
OP(fsync, 1) { return fsync(atoi(arg[0])); }
OP(fdatasync, 1) { return fdatasync(atoi(arg[0])); }
OP(syncfs, 1) { return syncfs(atoi(arg[0])); }
OP(sync_file_range, 3) { return sync_file_range(atoi(arg[0]), number(arg[1]), number(arg[2]), SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER); }
OP(fadvise, 4) { return (errno = posix_fadvise(atoi(arg[0]), number(arg[1]), number(arg[2]), atoi(arg[3]))) ? -1 : 0; }
OP(readahead, 3) { return readahead(atoi(arg[0]), number(arg[1]), number(arg[2])); }
OP(ftruncate, 2) { return ftruncate(atoi(arg[0]), number(arg[1])); }
OP(lseek, 3) { return lseek(atoi(arg[0]), number(arg[1]), (int)flags_of(arg[2])); }
OP(fallocate, 4) { return fallocate(atoi(arg[0]), (int)flags_of(arg[1]), number(arg[2]), number(arg[3])); }
OP(posix_fallocate, 3) { return (errno = posix_fallocate(atoi(arg[0]), number(arg[1]), number(arg[2]))) ? -1 : 0; }
OP(setfl, 2) { return fcntl(atoi(arg[0]), F_SETFL, flags_of(arg[1])); }

/* write FD TEXT, and pwrite FD OFFSET TEXT */
OP(write, 2) { return write(atoi(arg[0]), arg[1], strlen(arg[1])); }
OP(pwrite, 3) { return pwrite(atoi(arg[0]), arg[2], strlen(arg[2]), number(arg[1])); }
OP(write_fault, 1) { return write(atoi(arg[0]), (void *)-1, 100); }
OP(read_fault, 1) { return read(atoi(arg[0]), (void *)-1, 100); }
OP(pwritev2, 4) { struct iovec v = {arg[2], strlen(arg[2])}; return pwritev2(atoi(arg[0]), &v, 1, number(arg[1]), (int)flags_of(arg[3])); }
OP(preadv2, 4)
{
	struct iovec v = {answer, (size_t)number(arg[2])};
	ssize_t n = preadv2(atoi(arg[0]), &v, 1, number(arg[1]), (int)flags_of(arg[3]));
	if (n >= 0) answer[n] = 0;
	return n;
}

/* zeros show as dots */
static long show(ssize_t n)
{
	if (n < 0) { answer[0] = 0; return -1; }
	for (ssize_t i = 0; i < n; i++) if (answer[i] == 0) answer[i] = '.';
	answer[n] = 0;
	if (n == 0) say("<eof>");
	return n;
}
OP(read, 2) { return show(read(atoi(arg[0]), answer, number(arg[1]))); }
OP(pread, 3) { return show(pread(atoi(arg[0]), answer, number(arg[2]), number(arg[1]))); }

/* put PATH TEXT: a file with this contents */
OP(put, 2)
{
	int fd = open(path(arg[0]), O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0) return -1;
	long n = write(fd, arg[1], strlen(arg[1]));
	int e = errno;
	close(fd);
	return n < 0 ? give_errno(e) : 0;
}
OP(get, 1)
{
	int fd = open(path(arg[0]), O_RDONLY);
	if (fd < 0) return -1;
	long n = show(read(fd, answer, 60000));
	close(fd);
	return n;
}

/* fill FD OFFSET LENGTH LETTER; check FD OFFSET LENGTH LETTER ('.' for zeros) */
OP(fill, 4)
{
	long long at = number(arg[1]), left = number(arg[2]);
	const long piece = 1 << 20;
	memset(buffer(piece), arg[3][0] == '.' ? 0 : arg[3][0], piece);
	while (left > 0) {
		ssize_t n = pwrite(atoi(arg[0]), buffer(piece), left < piece ? left : piece, at);
		if (n <= 0) return n == 0 ? give_errno(EIO) : -1;
		at += n, left -= n;
	}
	return 0;
}
OP(check, 4)
{
	long long at = number(arg[1]), left = number(arg[2]);
	const long piece = 1 << 20;
	char letter = arg[3][0] == '.' ? 0 : arg[3][0];
	while (left > 0) {
		ssize_t n = pread(atoi(arg[0]), buffer(piece), left < piece ? left : piece, at);
		if (n <= 0) return n == 0 ? give_errno(ENODATA) : -1;
		for (ssize_t i = 0; i < n; i++) if (buffer(piece)[i] != letter) { say("differs at %lld: %d", at + i, buffer(piece)[i]); return 0; }
		at += n, left -= n;
	}
	say("same");
	return 0;
}

/* direct FD w|r OFFSET LENGTH MISALIGNMENT of memory */
OP(direct, 5)
{
	char *b = buffer(number(arg[3]) + 4096) + number(arg[4]);
	memset(b, 'D', number(arg[3]));
	return arg[1][0] == 'w' ? pwrite(atoi(arg[0]), b, number(arg[3]), number(arg[2])) : pread(atoi(arg[0]), b, number(arg[3]), number(arg[2]));
}

/* copy_range FD OFFSET FD OFFSET LENGTH [FLAGS] */
OP(copy_range, 5)
{
	off_t from = number(arg[1]), to = number(arg[3]);
	return copy_file_range(atoi(arg[0]), &from, atoi(arg[2]), &to, number(arg[4]), count > 5 ? atoi(arg[5]) : 0);
}
OP(sendfile, 4) { off_t from = number(arg[2]); return sendfile(atoi(arg[0]), atoi(arg[1]), &from, number(arg[3])); }
/* splice FD FD LENGTH: through a pipe */
OP(splice, 3)
{
	int p[2];
	if (pipe(p) != 0) return -1;
	ssize_t n = splice(atoi(arg[0]), 0, p[1], 0, number(arg[2]), 0);
	if (n > 0) n = splice(p[0], 0, atoi(arg[1]), 0, n, 0);
	int e = errno;
	close(p[0]), close(p[1]);
	return n < 0 ? give_errno(e) : n;
}
OP(ficlone, 2) { return ioctl(atoi(arg[1]), FICLONE, atoi(arg[0])); }
OP(fibmap, 1) { int block = 0; return ioctl(atoi(arg[0]), FIBMAP, &block); }

/* ---- mappings ---- */

static struct { char *at; size_t length; } maps[16];
static int map_count;
static sigjmp_buf jump;
static void on_bus(int signal_number __attribute__((unused))) { siglongjmp(jump, 1); }

/* mmap FD OFFSET LENGTH r|rw shared|private */
OP(mmap, 5)
{
	int protection = PROT_READ | (strchr(arg[3], 'w') ? PROT_WRITE : 0);
	void *at = mmap(0, number(arg[2]), protection, strcmp(arg[4], "shared") == 0 ? MAP_SHARED : MAP_PRIVATE, atoi(arg[0]), number(arg[1]));
	if (at == MAP_FAILED) return -1;
	maps[map_count].at = at, maps[map_count].length = number(arg[2]);
	return map_count++;
}
OP(munmap, 1) { return munmap(maps[atoi(arg[0])].at, maps[atoi(arg[0])].length); }
OP(msync, 1) { return msync(maps[atoi(arg[0])].at, maps[atoi(arg[0])].length, MS_SYNC); }
OP(load, 2)
{
	signal(SIGBUS, on_bus);
	if (sigsetjmp(jump, 1)) { say("SIGBUS"); return 0; }
	char c = ((volatile char *)maps[atoi(arg[0])].at)[number(arg[1])];
	say("%c", c == 0 ? '.' : c);
	return 0;
}
OP(store, 3)
{
	signal(SIGBUS, on_bus);
	if (sigsetjmp(jump, 1)) { say("SIGBUS"); return 0; }
	((volatile char *)maps[atoi(arg[0])].at)[number(arg[1])] = arg[2][0];
	return 0;
}
/* a write(2) whose source is a mapping of the same file */
OP(pwrite_from_map, 4) { return pwrite(atoi(arg[0]), maps[atoi(arg[2])].at, number(arg[3]), number(arg[1])); }
OP(pread_to_map, 4) { return pread(atoi(arg[0]), maps[atoi(arg[2])].at, number(arg[3]), number(arg[1])); }

/* ---- locks ---- */

OP(flock, 2) { return flock(atoi(arg[0]), (int)flags_of(arg[1])); }
static struct flock lock_of(char **arg)
{
	struct flock l = {.l_type = (short)flags_of(arg[1]), .l_whence = SEEK_SET, .l_start = number(arg[2]), .l_len = number(arg[3])};
	return l;
}
OP(setlk, 4) { struct flock l = lock_of(arg); return fcntl(atoi(arg[0]), F_SETLK, &l); }
OP(setlkw, 4) { struct flock l = lock_of(arg); return fcntl(atoi(arg[0]), F_SETLKW, &l); }
OP(ofd_setlk, 4) { struct flock l = lock_of(arg); return fcntl(atoi(arg[0]), F_OFD_SETLK, &l); }
OP(getlk, 4)
{
	struct flock l = lock_of(arg);
	if (fcntl(atoi(arg[0]), F_GETLK, &l) != 0) return -1;
	if (l.l_type == F_UNLCK) say("free");
	else say("%s %lld %lld", l.l_type == F_RDLCK ? "read" : "write", (long long)l.l_start, (long long)l.l_len);
	return 0;
}
OP(setlease, 2) { return fcntl(atoi(arg[0]), F_SETLEASE, flags_of(arg[1])); }
