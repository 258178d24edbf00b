/* What takes a loop or several processes: each is one operation that answers "good" or says what was wrong. */
#include "driver.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int wait_all(int n)
{
	int status, failed = 0;
	while (n-- > 0) { wait(&status); failed |= status; }
	return failed;
}

/* append_race PATH PROCESSES RECORDS: nobody loses or tears a record of O_APPEND. */
OP(append_race, 3)
{
	int processes = atoi(arg[1]), records = atoi(arg[2]), seen[16] = {0};
	char record[128], line[128];
	for (int p = 0; p < processes; p++) {
		if (fork() != 0) continue;
		int fd = open(arg[0], O_WRONLY | O_APPEND | O_CREAT, 0644);
		memset(record, 'a' + p, sizeof record);
		record[sizeof record - 1] = '\n';
		for (int i = 0; i < records; i++) if (write(fd, record, sizeof record) != sizeof record) _exit(1);
		_exit(0);
	}
	if (wait_all(processes)) { say("a write failed"); return 0; }
	FILE *file = fopen(arg[0], "r");
	while (fread(line, 1, sizeof line, file) == sizeof line) {
		int p = line[0] - 'a';
		memset(record, line[0], sizeof record);
		record[sizeof record - 1] = '\n';
		if (p < 0 || p >= processes || memcmp(line, record, sizeof line) != 0) { say("a record is torn"); return 0; }
		seen[p]++;
	}
	fclose(file);
	for (int p = 0; p < processes; p++) if (seen[p] != records) { say("%d of %d records", seen[p], records); return 0; }
	say("good");
	return 0;
}

/* many DIRECTORY N: that many empty files, f0 … */
OP(many, 2)
{
	char name[300];
	for (int i = 0; i < atoi(arg[1]); i++) {
		snprintf(name, sizeof name, "%s/f%d", arg[0], i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) return -1;
		close(fd);
	}
	return 0;
}

/* churn DIRECTORY N: of f0…, the even names stay; while the directory is read, odd ones go and new ones come. */
OP(churn, 2)
{
	int n = atoi(arg[1]), step = 0;
	char *seen = calloc(n, 1), name[300];
	DIR *dir = opendir(arg[0]);
	if (!dir) return -1;
	for (struct dirent *e; (e = readdir(dir)); step++) {
		if (e->d_name[0] == 'f') {
			int i = atoi(e->d_name + 1);
			if (i < n && seen[i]++) { say("%s twice", e->d_name); return 0; }
		}
		int odd = step * 2 + 1;
		if (odd < n) { snprintf(name, sizeof name, "%s/f%d", arg[0], (int)(odd * 7919L % n) | 1); unlink(name); }
		if (step < n) {
			snprintf(name, sizeof name, "%s/new%d", arg[0], step);
			int fd = open(name, O_CREAT | O_WRONLY, 0644);
			if (fd >= 0) close(fd);
		}
		if (step > 8 * n + 100) { say("does not end"); return 0; }
	}
	closedir(dir);
	for (int i = 0; i < n; i += 2) if (!seen[i]) { say("f%d was not seen", i); return 0; }
	say("good");
	return 0;
}

/* seekdir DIRECTORY: telldir and seekdir bring back the same entry. */
OP(seekdir, 1)
{
	long places[512];
	char names[512][64];
	int n = 0;
	DIR *dir = opendir(arg[0]);
	if (!dir) return -1;
	for (;;) {
		long place = telldir(dir);
		struct dirent *e = readdir(dir);
		if (!e || n == 512) break;
		places[n] = place;
		snprintf(names[n++], sizeof names[0], "%.60s", e->d_name);
	}
	for (int i = 0; i < n; i++) {
		int k = (i * 37) % n;
		seekdir(dir, places[k]);
		struct dirent *e = readdir(dir);
		if (!e || strcmp(e->d_name, names[k]) != 0) { say("place %d gave %s, not %s", k, e ? e->d_name : "nothing", names[k]); return 0; }
	}
	rewinddir(dir);
	if (!readdir(dir)) { say("nothing after rewinddir"); return 0; }
	closedir(dir);
	say("good");
	return 0;
}

/* remove_read DIRECTORY: rm -r in the manner of a loop over readdir, with no rewind */
OP(remove_read, 1)
{
	char name[600];
	DIR *dir = opendir(arg[0]);
	if (!dir) return -1;
	for (struct dirent *e; (e = readdir(dir)); ) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
		snprintf(name, sizeof name, "%s/%s", arg[0], e->d_name);
		if (unlink(name) != 0) return -1;
	}
	closedir(dir);
	return rmdir(arg[0]);
}

/* inc_map PATH PROCESSES N: processes count in one shared mapping, atomically; then read(2) sees the sum. */
OP(inc_map, 3)
{
	int processes = atoi(arg[1]), n = atoi(arg[2]);
	unsigned value;
	int fd = open(arg[0], O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, 4096) != 0) return -1;
	for (int p = 0; p < processes; p++) {
		if (fork() != 0) continue;
		unsigned *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		for (int i = 0; i < n; i++) __atomic_add_fetch(at + 3, 1, __ATOMIC_SEQ_CST);
		_exit(0);
	}
	wait_all(processes);
	if (pread(fd, &value, 4, 12) != 4) return -1;
	close(fd);
	if (value == (unsigned)(processes * n)) say("good");
	else say("%u", value);
	return 0;
}

/* lock_race PATH PROCESSES N: read, add, write a number under a lock; flock, posix or ofd */
OP(lock_race, 4)
{
	int processes = atoi(arg[1]), n = atoi(arg[2]), total = 0;
	int fd = open(arg[0], O_RDWR | O_CREAT, 0644);
	if (fd < 0 || pwrite(fd, &total, sizeof total, 0) != sizeof total) return -1;
	close(fd);
	for (int p = 0; p < processes; p++) {
		if (fork() != 0) continue;
		int file = open(arg[0], O_RDWR), value;
		struct flock l = {.l_whence = SEEK_SET};
		int command = strcmp(arg[3], "ofd") == 0 ? F_OFD_SETLKW : F_SETLKW;
		for (int i = 0; i < n; i++) {
			l.l_type = F_WRLCK;
			if (fcntl(file, command, &l) != 0) _exit(1);
			if (pread(file, &value, sizeof value, 0) != sizeof value) _exit(1);
			value++;
			if (pwrite(file, &value, sizeof value, 0) != sizeof value) _exit(1);
			l.l_type = F_UNLCK;
			fcntl(file, command, &l);
		}
		_exit(0);
	}
	if (wait_all(processes)) { say("a process failed"); return 0; }
	fd = open(arg[0], O_RDONLY);
	if (pread(fd, &total, sizeof total, 0) != sizeof total) return -1;
	close(fd);
	if (total == processes * n) say("good");
	else say("%d", total);
	return 0;
}

/* links PATH N: N more names l0… of a file; answers how many worked, at EMLINK */
OP(links, 2)
{
	char name[64];
	int n = atoi(arg[1]);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "l%d", i);
		if (link(arg[0], name) != 0) return errno == EMLINK ? i : -1;
	}
	return n;
}

/* create_race DIRECTORY PROCESSES N: of processes that create the same names with O_EXCL exactly one wins each. */
OP(create_race, 3)
{
	int processes = atoi(arg[1]), n = atoi(arg[2]), won = 0;
	int *wins = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char name[300];
	for (int p = 0; p < processes; p++) {
		if (fork() != 0) continue;
		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof name, "%s/x%d", arg[0], i);
			int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
			if (fd >= 0) { wins[p]++; close(fd); }
			else if (errno != EEXIST) _exit(1);
		}
		_exit(0);
	}
	if (wait_all(processes)) { say("an error that is not EEXIST"); return 0; }
	for (int p = 0; p < processes; p++) won += wins[p];
	if (won == n) say("good");
	else say("%d of %d", won, n);
	return 0;
}

/* rename_race N: a name that is replaced all the time by rename(2) is never seen missing. */
OP(rename_race, 1)
{
	int status, missing = 0;
	pid_t writer = fork();
	if (writer == 0) {
		for (int i = 0; i < atoi(arg[0]); i++) {
			int fd = open("new", O_CREAT | O_WRONLY, 0644);
			close(fd);
			if (rename("new", "name") != 0) _exit(1);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		int fd = open("name", O_RDONLY);
		if (fd < 0) missing++;
		else close(fd);
	}
	if (status) say("a rename failed");
	else if (missing) say("missing %d times", missing);
	else say("good");
	return 0;
}

/* fsize PATH LIMIT: with RLIMIT_FSIZE, a write is cut at the limit and the next is EFBIG */
OP(fsize, 2)
{
	struct rlimit old, limit;
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = number(arg[1]);
	setrlimit(RLIMIT_FSIZE, &limit);
	int fd = open(arg[0], O_CREAT | O_WRONLY, 0644);
	char data[10000] = {0};
	ssize_t first = write(fd, data, sizeof data), second = write(fd, data, 1);
	int e = errno;
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
	say("%zd %s", first, second < 0 ? strerrorname_np(e) : "written");
	return 0;
}
