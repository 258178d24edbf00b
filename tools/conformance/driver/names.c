/* Operations on names, attributes and extended attributes. */
#include "driver.h"
#include <dirent.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static mode_t mode_of(const char *word) { return (mode_t)strtoul(word, 0, 8); }
static unsigned id(const char *word) { return word[0] == 'u' ? 60000 + (unsigned)atoi(word + 1) : (unsigned)strtoll(word, 0, 10); }

OP(umask, 1) { umask(mode_of(arg[0])); return 0; }
OP(chdir, 1) { return chdir(path(arg[0])); }
OP(mkdir, 2) { return mkdir(path(arg[0]), mode_of(arg[1])); }
OP(rmdir, 1) { return rmdir(path(arg[0])); }
OP(unlink, 1) { return unlink(path(arg[0])); }
OP(mkfifo, 2) { return mkfifo(path(arg[0]), mode_of(arg[1])); }
OP(link, 2) { return link(path(arg[0]), path(arg[1])); }
OP(linkfollow, 2) { return linkat(AT_FDCWD, path(arg[0]), AT_FDCWD, path(arg[1]), AT_SYMLINK_FOLLOW); }
OP(linkfd, 2) { return linkat(atoi(arg[0]), "", AT_FDCWD, path(arg[1]), AT_EMPTY_PATH); }
OP(symlink, 2) { return symlink(path(arg[0]), path(arg[1])); }
OP(rename, 2) { return rename(path(arg[0]), path(arg[1])); }
OP(chmod, 2) { return chmod(path(arg[0]), mode_of(arg[1])); }
OP(fchmod, 2) { return fchmod(atoi(arg[0]), mode_of(arg[1])); }
OP(chown, 3) { return chown(path(arg[0]), id(arg[1]), id(arg[2])); }
OP(lchown, 3) { return lchown(path(arg[0]), id(arg[1]), id(arg[2])); }
OP(fchown, 3) { return fchown(atoi(arg[0]), id(arg[1]), id(arg[2])); }
OP(truncate, 2) { return truncate(path(arg[0]), number(arg[1])); }

OP(renameat2, 3)
{
	unsigned flags = 0;
	if (strstr(arg[2], "noreplace")) flags |= RENAME_NOREPLACE;
	if (strstr(arg[2], "exchange")) flags |= RENAME_EXCHANGE;
	if (strstr(arg[2], "whiteout")) flags |= RENAME_WHITEOUT;
	if (strstr(arg[2], "unknown")) flags |= 0x80;
	return syscall(SYS_renameat2, AT_FDCWD, path(arg[0]), AT_FDCWD, path(arg[1]), flags);
}

static mode_t type_of(const char *word)
{
	return strcmp(word, "c") == 0 ? S_IFCHR : strcmp(word, "b") == 0 ? S_IFBLK : strcmp(word, "p") == 0 ? S_IFIFO
	     : strcmp(word, "s") == 0 ? S_IFSOCK : strcmp(word, "d") == 0 ? S_IFDIR : S_IFREG;
}

/* mknod PATH TYPE MODE [MAJOR MINOR] */
OP(mknod, 3)
{
	dev_t device = count > 4 ? makedev(number(arg[3]), number(arg[4])) : 0;
	return mknod(path(arg[0]), type_of(arg[1]) | mode_of(arg[2]), device);
}

OP(bind, 1)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", arg[0]);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) { int e = errno; close(fd); return give_errno(e); }
	listen(fd, 1);
	return fd;
}

OP(connect, 1)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", arg[0]);
	int result = connect(fd, (struct sockaddr *)&address, sizeof address), e = errno;
	close(fd);
	return result == 0 ? 0 : give_errno(e);
}

OP(readlink, 1)
{
	ssize_t n = readlink(path(arg[0]), answer, 8192);
	if (n < 0) return -1;
	answer[n] = 0;
	return n;
}

OP(readlink_length, 1) { static char target[8192]; return readlink(path(arg[0]), target, sizeof target); }

static void say_stat(const struct statx *s)
{
	static const struct { mode_t mode; const char *name; } types[] = {
		{S_IFREG, "file"}, {S_IFDIR, "dir"}, {S_IFLNK, "link"}, {S_IFIFO, "fifo"}, {S_IFSOCK, "socket"}, {S_IFCHR, "char"}, {S_IFBLK, "block"},
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if ((s->stx_mode & S_IFMT) == types[i].mode) say("type=%s ", types[i].name);
	say("mode=0%o nlink=%u uid=%u gid=%u size=%llu blocks=%llu blksize=%u ino=%llu rdev=%u,%u ", s->stx_mode & 07777, s->stx_nlink,
	    s->stx_uid, s->stx_gid, (unsigned long long)s->stx_size, (unsigned long long)s->stx_blocks, s->stx_blksize,
	    (unsigned long long)s->stx_ino, s->stx_rdev_major, s->stx_rdev_minor);
	say("atime=%lld.%09u mtime=%lld.%09u ctime=%lld.%09u ", (long long)s->stx_atime.tv_sec, s->stx_atime.tv_nsec,
	    (long long)s->stx_mtime.tv_sec, s->stx_mtime.tv_nsec, (long long)s->stx_ctime.tv_sec, s->stx_ctime.tv_nsec);
	say("btime=%lld.%09u", (long long)s->stx_btime.tv_sec, s->stx_btime.tv_nsec);
}

/* Leaves only the value of one field. */
static long one_field(const char *field)
{
	static char copy[4096];
	char *save;
	size_t n = strlen(field);
	snprintf(copy, sizeof copy, "%s", answer);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(0, " ", &save)) {
		if (strncmp(word, field, n) != 0 || word[n] != '=') continue;
		answer[0] = 0;
		say("%s", word + n + 1);
		return 0;
	}
	bad("no such field", field);
}

static long do_stat(int fd, const char *name, int flags, char **arg, int count)
{
	struct statx s;
	if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &s) != 0) return -1;
	say_stat(&s);
	return count > 1 ? one_field(arg[1]) : 0;
}

/* stat PATH [FIELD] */
OP(stat, 1) { return do_stat(AT_FDCWD, path(arg[0]), 0, arg, count); }
OP(lstat, 1) { return do_stat(AT_FDCWD, path(arg[0]), AT_SYMLINK_NOFOLLOW, arg, count); }
OP(fstat, 1) { return do_stat(atoi(arg[0]), "", AT_EMPTY_PATH, arg, count); }

OP(statvfs, 1)
{
	struct statvfs s;
	if (statvfs(path(arg[0]), &s) != 0) return -1;
	say("bsize=%lu blocks=%lu bfree=%lu bavail=%lu files=%lu ffree=%lu namemax=%lu", s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_namemax);
	return count > 1 ? one_field(arg[1]) : 0;
}

static int rwx(const char *word)
{
	return (strchr(word, 'r') ? R_OK : 0) | (strchr(word, 'w') ? W_OK : 0) | (strchr(word, 'x') ? X_OK : 0);
}
OP(access, 2) { return access(path(arg[0]), rwx(arg[1])); }

static struct timespec time_of(const char *word)
{
	struct timespec t = {0, UTIME_NOW};
	if (strcmp(word, "now") == 0) return t;
	t.tv_nsec = UTIME_OMIT;
	if (strcmp(word, "omit") == 0) return t;
	const char *dot = strchr(word, '.');
	t.tv_sec = strtoll(word, 0, 10);
	t.tv_nsec = dot ? atol(dot + 1) : 0;
	return t;
}

/* utimensat PATH ATIME MTIME [nofollow]; a time is now, omit, or SECONDS.NANOSECONDS (nine digits). */
OP(utimensat, 3)
{
	struct timespec t[2] = {time_of(arg[1]), time_of(arg[2])};
	return utimensat(AT_FDCWD, path(arg[0]), t, count > 3 ? AT_SYMLINK_NOFOLLOW : 0);
}
OP(utimes_null, 1) { return utimensat(AT_FDCWD, path(arg[0]), 0, 0); }
OP(futimens, 3) { struct timespec t[2] = {time_of(arg[1]), time_of(arg[2])}; return futimens(atoi(arg[0]), t); }

/* assert A <|<=|=|!=|>|>= B, of numbers or times */
OP(assert, 3)
{
	long double a = strtold(arg[0], 0), b = strtold(arg[2], 0);
	const char *how = arg[1];
	int holds = strcmp(how, "<") == 0 ? a < b : strcmp(how, "<=") == 0 ? a <= b : strcmp(how, "=") == 0 ? strcmp(arg[0], arg[2]) == 0
		  : strcmp(how, "!=") == 0 ? strcmp(arg[0], arg[2]) != 0 : strcmp(how, ">") == 0 ? a > b : a >= b;
	return holds ? 0 : give_errno(ERANGE);
}
OP(sleep_ms, 1) { usleep(atoi(arg[0]) * 1000); return 0; }

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int no_dots(const struct dirent *e) { return strcmp(e->d_name, ".") && strcmp(e->d_name, ".."); }

/* ls PATH: the names in order, with commas; "-" for none */
OP(ls, 1)
{
	struct dirent **list;
	int n = scandir(path(arg[0]), &list, no_dots, by_name);
	if (n < 0) return -1;
	for (int i = 0; i < n; i++) say("%s%s", i ? "," : "", list[i]->d_name);
	if (n == 0) say("-");
	return n;
}

OP(setxattr, 3) { int f = count > 3 ? strcmp(arg[3], "create") == 0 ? XATTR_CREATE : XATTR_REPLACE : 0; return setxattr(path(arg[0]), arg[1], arg[2], strlen(path(arg[2])), f); }
OP(lsetxattr, 3) { return lsetxattr(path(arg[0]), arg[1], arg[2], strlen(arg[2]), 0); }
OP(fsetxattr, 3) { return fsetxattr(atoi(arg[0]), arg[1], arg[2], strlen(arg[2]), 0); }
OP(setxattr_bytes, 3) { long n = number(arg[2]); char *v = calloc(1, n + 1); memset(v, 'v', n); long r = setxattr(path(arg[0]), arg[1], v, n, 0); int e = errno; free(v); errno = e; return r; }
OP(removexattr, 2) { return removexattr(path(arg[0]), arg[1]); }
OP(lremovexattr, 2) { return lremovexattr(path(arg[0]), arg[1]); }
OP(getxattr_size, 3) { static char value[65536]; return getxattr(path(arg[0]), arg[1], value, number(arg[2])); }

static long text_of(ssize_t n) { if (n >= 0) answer[n] = 0; return n; }
OP(getxattr, 2) { return text_of(getxattr(path(arg[0]), arg[1], answer, 65536)); }
OP(lgetxattr, 2) { return text_of(lgetxattr(path(arg[0]), arg[1], answer, 65536)); }

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
/* listxattr PATH: names in order with commas, without the host's security.selinux */
OP(listxattr, 1)
{
	static char list[65536];
	char *names[256];
	int n = 0;
	ssize_t size = llistxattr(path(arg[0]), list, sizeof list);
	if (size < 0) return -1;
	for (char *c = list; c < list + size; c += strlen(c) + 1)
		if (strcmp(c, "security.selinux") != 0 && n < 256) names[n++] = c;
	qsort(names, n, sizeof *names, by_text);
	for (int i = 0; i < n; i++) say("%s%s", i ? "," : "", names[i]);
	if (n == 0) say("-");
	return n;
}

/* File flags as of chattr(1): i, a, and others by number. */
static long flags_ioctl(const char *file, int set, int clear)
{
	int flags, fd = open(file, O_RDONLY | O_NONBLOCK), result;
	if (fd < 0) return -1;
	result = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	if (result == 0 && (set || clear)) {
		flags = (flags | set) & ~clear;
		result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	int e = errno;
	close(fd);
	return result == 0 ? flags & (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NOATIME_FL | FS_NODUMP_FL) : give_errno(e);
}
static int flag(const char *word)
{
	return (strchr(word, 'i') ? FS_IMMUTABLE_FL : 0) | (strchr(word, 'a') ? FS_APPEND_FL : 0) | (strchr(word, 'A') ? FS_NOATIME_FL : 0) | (strchr(word, 'd') ? FS_NODUMP_FL : 0);
}
/* chattr PATH +ia-d */
OP(chattr, 2)
{
	const char *minus = strchr(arg[1], '-');
	char plus[16];
	snprintf(plus, sizeof plus, "%.*s", (int)(minus ? minus - arg[1] : 15), arg[1]);
	return flags_ioctl(arg[0], flag(plus), minus ? flag(minus) : 0);
}
OP(lsattr, 1)
{
	long f = flags_ioctl(arg[0], 0, 0);
	if (f < 0) return -1;
	say("+%s%s%s%s", f & FS_IMMUTABLE_FL ? "i" : "", f & FS_APPEND_FL ? "a" : "", f & FS_NOATIME_FL ? "A" : "", f & FS_NODUMP_FL ? "d" : "");
	return 0;
}
OP(xflags, 2)
{
	struct fsxattr x;
	int fd = open(arg[0], O_RDONLY);
	if (fd < 0) return -1;
	int result = ioctl(fd, FS_IOC_FSGETXATTR, &x);
	if (result == 0 && arg[1][0] != '?') {
		x.fsx_xflags = (arg[1][1] == 'i' ? FS_XFLAG_IMMUTABLE : arg[1][1] == 'a' ? FS_XFLAG_APPEND : 0);
		result = ioctl(fd, FS_IOC_FSSETXATTR, &x);
	}
	int e = errno;
	close(fd);
	if (result != 0) return give_errno(e);
	say("+%s%s", x.fsx_xflags & FS_XFLAG_IMMUTABLE ? "i" : "", x.fsx_xflags & FS_XFLAG_APPEND ? "a" : "");
	return 0;
}

/* ---- handles and programs ---- */

OP(by_handle, 2)
{
	struct { struct file_handle h; unsigned char more[128]; } f;
	int mount_id;
	f.h.handle_bytes = sizeof f.more;
	if (name_to_handle_at(AT_FDCWD, arg[0], &f.h, &mount_id, 0) != 0) return -1;
	int here = open(".", O_RDONLY | O_DIRECTORY);
	int fd = open_by_handle_at(here, &f.h, (int)flags_of(arg[1])), e = errno;
	close(here);
	return fd >= 0 ? fd : give_errno(e);
}

/* exec PATH [ARGUMENT…]: exit code of the program, or the errno of execve */
OP(exec, 1)
{
	int pair[2], status, error = 0;
	if (pipe2(pair, O_CLOEXEC) != 0) return -1;
	char *argv[WORDS] = {0}, *none[] = {0};
	for (int i = 0; i < count; i++) argv[i] = arg[i];
	pid_t child = fork();
	if (child == 0) {
		execve(path(arg[0]), argv, none);
		error = errno;
		if (write(pair[1], &error, sizeof error) < 0) _exit(126);
		_exit(127);
	}
	close(pair[1]);
	if (read(pair[0], &error, sizeof error) <= 0) error = 0;
	close(pair[0]);
	waitpid(child, &status, 0);
	return error ? give_errno(error) : WEXITSTATUS(status);
}

/* sh WORDS…: exit code of the shell command, its output is the answer if there is one */
OP(sh, 1)
{
	static char command[65536];
	command[0] = 0;
	for (int i = 0; i < count; i++) { strcat(command, arg[i]); strcat(command, " "); }
	strcat(command, " 2>&1");
	FILE *out = popen(command, "r");
	size_t n = fread(answer, 1, 60000, out);
	answer[n] = 0;
	while (n > 0 && answer[n - 1] == '\n') answer[--n] = 0;
	for (char *c = answer; *c; c++) if (*c == '\n') *c = ',';
	int status = pclose(out);
	if (WEXITSTATUS(status) == 0) return 0;
	answer[0] = 0;
	return WEXITSTATUS(status);
}
