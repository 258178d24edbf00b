/*
 * Runs a script of system calls in the working directory and stops at the first line that does not answer as it says:
 *
 *   [WHO:] [@PROCESS[&]] OPERATION ARGUMENT… [=> VARIABLE] [-> EXPECTED…]
 *
 * WHO is root, u1, u2, u3, or UID:GID[,GID…]; u1+u2 is u1 with the group of u2; u1^fowner is u1 with that capability.
 * @b runs the line in a child process of that name (made when first named, with the descriptors and variables of then);
 * with & nobody waits for it until `wait b`. `$x` is a variable, `{ab*3}` is ababab. EXPECTED is an errno, a number, a
 * text, or field=value words of which each has to be among the answer's; `A|B` allows both. Without it the line has to
 * succeed. `moves PATH:+cm-a … : LINE` also says which times of a path the line moves and which not.
 * Exit codes: 0 all as expected, 1 not (the line is on stdout), 2 a bad script.
 */
#include "driver.h"
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

char answer[ANSWER_SIZE];
static struct op *ops;
static struct { char name[32]; char *value; } variables[64];
static int variable_count;
static struct { char name[32]; pid_t pid; int fd; } processes[8];
static int process_count;

void add_op(struct op *op) { op->next = ops; ops = op; }

void say(const char *format, ...)
{
	size_t used = strlen(answer);
	va_list list;
	va_start(list, format);
	vsnprintf(answer + used, ANSWER_SIZE - used, format, list);
	va_end(list);
}

void bad(const char *why, const char *what)
{
	printf("bad script: %s: %s\n", why, what);
	fflush(stdout);
	_exit(2);
}

int give_errno(int error) { errno = error; return -1; }

/* ---- who ---- */

static const struct { const char *name; int bit; } capabilities[] = {
	{"chown", CAP_CHOWN}, {"dac_override", CAP_DAC_OVERRIDE}, {"fowner", CAP_FOWNER}, {"fsetid", CAP_FSETID},
	{"linux_immutable", CAP_LINUX_IMMUTABLE}, {"sys_admin", CAP_SYS_ADMIN}, {"mknod", CAP_MKNOD},
};

static unsigned id_of(const char *name)
{
	if (strcmp(name, "root") == 0) return 0;
	if (name[0] == 'u' && name[1]) return 60000 + atoi(name + 1);
	return (unsigned)strtoul(name, 0, 10);
}

static void become(char *who)
{
	gid_t groups[16];
	int group_count = 0, capability = -1;
	char *caret = strchr(who, '^'), *plus, *colon, *rest;
	uid_t uid;
	gid_t gid;
	if (caret) {
		*caret = 0;
		for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
			if (strcmp(caret + 1, capabilities[i].name) == 0) capability = capabilities[i].bit;
		if (capability < 0) bad("no such capability", caret + 1);
	}
	if ((plus = strchr(who, '+'))) *plus = 0;
	uid = gid = id_of(who);
	if ((colon = strchr(who, ':'))) {
		gid = (gid_t)strtoul(colon + 1, &rest, 10);
		while (*rest == ',') groups[group_count++] = (gid_t)strtoul(rest + 1, &rest, 10);
	}
	while (plus) {
		char *word = plus + 1;
		if ((plus = strchr(word, '+'))) *plus = 0;
		groups[group_count++] = id_of(word);
	}
	if (geteuid() != 0 && seteuid(0) != 0) bad("can not become root", who);
	if (setgroups(group_count, groups) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, 0) != 0)
		bad("can not become", who);
	if (capability >= 0) {
		struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct data[2];
		syscall(SYS_capget, &head, data);
		data[capability / 32].effective |= 1u << (capability % 32);
		if (syscall(SYS_capset, &head, data) != 0) bad("capset", strerror(errno));
	}
}

/* ---- words ---- */

static const char *variable(const char *name)
{
	for (int i = variable_count - 1; i >= 0; i--)
		if (strcmp(variables[i].name, name) == 0) return variables[i].value;
	bad("no such variable", name);
}

static void set_variable(const char *name, const char *value)
{
	int i = 0;
	while (i < variable_count && strcmp(variables[i].name, name) != 0) i++;
	if (i == 64) bad("too many variables", name);
	if (i == variable_count) variable_count++;
	snprintf(variables[i].name, sizeof variables[i].name, "%s", name);
	variables[i].value = strdup(value);
}

/* The word with `$x` and `{text*n}` put in; never freed: a script is short. */
static char *expand(const char *word)
{
	size_t size = 1 << 17, used = 0;
	char *out = malloc(size);
	for (const char *c = word; *c; ) {
		const char *star, *end;
		if (*c == '$') {
			char name[32];
			size_t n = strspn(c + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
			if (n == 0) { out[used++] = *c++; continue; }
			snprintf(name, sizeof name, "%.*s", (int)n, c + 1);
			used += snprintf(out + used, size - used, "%s", variable(name));
			c += n + 1;
		} else if (*c == '{' && (end = strchr(c, '}')) && (star = memchr(c, '*', end - c))) {
			for (long i = atol(star + 1); i > 0 && used + (star - c) < size; i--) {
				memcpy(out + used, c + 1, star - c - 1);
				used += star - c - 1;
			}
			c = end + 1;
		} else out[used++] = *c++;
	}
	out[used] = 0;
	return out;
}

const char *path(const char *word)
{
	if (strcmp(word, "<fault>") == 0) return (const char *)-1;
	if (strcmp(word, "<empty>") == 0) return "";
	return word;
}

long long number(const char *word)
{
	long long sum = 0, sign = 1;
	char *end = (char *)word;
	do {
		if (*end == '+') end++;
		if (*end == '-') { sign = -1; end++; }
		unsigned long long value = strtoull(end, &end, 0);
		const char *units = "KMGTP", *unit = *end ? strchr(units, *end) : 0;
		if (unit) { value <<= 10 * (unit - units + 1); end++; }
		sum += sign * (long long)value;
		sign = 1;
	} while (*end == '+' || *end == '-');
	if (*end) bad("not a number", word);
	return sum;
}

/* ---- expectations ---- */

static int matches_one(const char *expected, size_t length, const char *got)
{
	return strlen(got) == length && strncmp(expected, got, length) == 0;
}

static int matches(const char *expected, const char *got)
{
	for (const char *c = expected;; c++) {
		size_t n = strcspn(c, "|");
		if (matches_one(c, n, got)) return 1;
		c += n;
		if (!*c) return 0;
	}
}

static int is_among(const char *field, const char *text)
{
	char copy[4096], *save;
	snprintf(copy, sizeof copy, "%s", text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(0, " ", &save))
		if (strcmp(word, field) == 0) return 1;
	return 0;
}

/* ---- lines ---- */

static void times_of(const char *file, struct timespec t[3])
{
	struct stat s;
	if (lstat(file, &s) != 0) bad("moves: no such path", file);
	t[0] = s.st_atim, t[1] = s.st_mtim, t[2] = s.st_ctim;
}

static char *run_words(char **word, int count);

/* moves PATH:+cm-a … : WORDS */
static char *run_moves(char **word, int count)
{
	struct timespec before[8][3], after[3];
	char *files[8], *marks[8], *got;
	static char result[256];
	int n = 0;
	for (; n < count && strcmp(word[n], ":") != 0; n++) {
		char *colon = strrchr(word[n], ':');
		if (n == 8 || !colon) bad("moves", word[n]);
		files[n] = strndup(word[n], colon - word[n]), marks[n] = colon + 1;
		times_of(files[n], before[n]);
	}
	usleep(12000); /* the clock of ext4's stamps has ticks of up to 10 ms */
	got = run_words(word + n + 1, count - n - 1);
	for (int i = 0; i < n; i++) {
		int moves = 0;
		times_of(files[i], after);
		for (char *c = marks[i]; *c; c++) {
			if (*c == '+' || *c == '-') { moves = *c == '+'; continue; }
			int which = *c == 'a' ? 0 : *c == 'm' ? 1 : 2;
			int moved = memcmp(&before[i][which], &after[which], sizeof *after) != 0;
			if (moved == moves) continue;
			snprintf(result, sizeof result, "%ctime of %s %s (answer %.40s)", *c, files[i], moved ? "moved" : "stayed", got);
			return result;
		}
	}
	return got;
}

static char *run_op(char **word, int count)
{
	static char text[32];
	if (strcmp(word[0], "moves") == 0) return run_moves(word + 1, count - 1);
	for (struct op *op = ops; op; op = op->next) {
		if (strcmp(op->name, word[0]) != 0) continue;
		if (count - 1 < op->least) bad("too few arguments", word[0]);
		answer[0] = 0;
		errno = 0;
		long result = op->run(word + 1, count - 1);
		if (result < 0) {
			const char *name = strerrorname_np(errno);
			return strcmp(name, "EWOULDBLOCK") == 0 ? "EAGAIN" : strcmp(name, "ENOTSUP") == 0 ? "EOPNOTSUPP" : (char *)name;
		}
		if (answer[0]) return answer;
		snprintf(text, sizeof text, "%ld", result);
		return text;
	}
	bad("no such operation", word[0]);
}

static int is_who(const char *word)
{
	size_t n = strlen(word);
	return n > 1 && word[n - 1] == ':' && strcmp(word, ":") != 0;
}

static char *run_words(char **word, int count)
{
	char who[128] = "root";
	if (count > 0 && is_who(word[0])) {
		snprintf(who, sizeof who, "%.*s", (int)strlen(word[0]) - 1, word[0]);
		word++, count--;
	}
	if (count == 0) bad("empty line", "");
	become(who);
	char *got = run_op(word, count);
	become(strcpy(who, "root"));
	return got;
}

/* ---- processes ---- */

static void serve(int fd)
{
	static char line[8192];
	for (;;) {
		ssize_t n = read(fd, line, sizeof line - 1);
		if (n <= 0) _exit(0);
		line[n] = 0;
		char *word[WORDS], *save;
		int count = 0;
		for (char *c = strtok_r(line, "\1", &save); c && count < WORDS; c = strtok_r(0, "\1", &save)) word[count++] = c;
		char *got = run_words(word, count);
		if (write(fd, got, strlen(got) + 1) < 0) _exit(0);
	}
}

static int process_of(const char *name)
{
	int pair[2];
	for (int i = 0; i < process_count; i++)
		if (strcmp(processes[i].name, name) == 0) return i;
	if (process_count == 8 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) bad("too many processes", name);
	fflush(stdout);
	int i = process_count++;
	snprintf(processes[i].name, sizeof processes[i].name, "%s", name);
	processes[i].fd = pair[0];
	if ((processes[i].pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	return i;
}

static char *receive(int i)
{
	static char got[8192];
	ssize_t n = read(processes[i].fd, got, sizeof got - 1);
	got[n < 0 ? 0 : n] = 0;
	return n <= 0 ? "dead" : got;
}

static char *run_there(char *name, char **word, int count)
{
	char line[8192] = "";
	size_t used = 0, n = strlen(name);
	int later = name[n - 1] == '&';
	if (later) name[n - 1] = 0;
	int i = process_of(name);
	for (int k = 0; k < count; k++) used += snprintf(line + used, sizeof line - used, "%s%s", k ? "\1" : "", word[k]);
	if (write(processes[i].fd, line, used) < 0) return "dead";
	return later ? "0" : receive(i);
}

static char *run_local(char **word, int count)
{
	if (word[0][0] == '@') return run_there(word[0] + 1, word + 1, count - 1);
	if (strcmp(word[0], "wait") == 0) return receive(process_of(word[1]));
	if (strcmp(word[0], "kill") == 0) {
		int i = process_of(word[1]);
		kill(processes[i].pid, SIGKILL);
		waitpid(processes[i].pid, 0, 0);
		return "0";
	}
	return run_words(word, count);
}

static int run_line(char *line, int line_number)
{
	char *word[WORDS], *expected[WORDS], *save, *whole = strdup(line), *target = 0;
	int count = 0, expected_count = 0, expecting = 0;
	for (char *c = strtok_r(line, " \t\n", &save); c; c = strtok_r(0, " \t\n", &save)) {
		if (count == WORDS || expected_count == WORDS) bad("too many words", whole);
		if (strcmp(c, "->") == 0) expecting = 1;
		else if (strcmp(c, "=>") == 0) target = strtok_r(0, " \t\n", &save);
		else if (expecting) expected[expected_count++] = expand(c);
		else word[count++] = expand(c);
	}
	if (count == 0 || word[0][0] == '#') return 1;
	char *got = run_local(word, count);
	int is_error = got[0] == 'E' && got[1] >= 'A' && got[1] <= 'Z';
	int good = expecting ? 1 : !is_error && strstr(got, "time of ") == 0;
	if (expected_count == 1 && !strchr(expected[0], '=')) good = matches(expected[0], got);
	else for (int i = 0; i < expected_count; i++) good = good && is_among(expected[i], got);
	if (target) set_variable(target, got);
	if (!good) printf("line %d: %.200s: got %.300s\n", line_number, whole + strspn(whole, " \t"), got);
	return good;
}

int main(int argc, char **argv)
{
	static char line[1 << 16];
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	alarm(argc > 1 ? atoi(argv[1]) : 60);
	umask(022);
	for (int n = 1; fgets(line, sizeof line, stdin); n++) {
		line[strcspn(line, "\n")] = 0;
		if (!run_line(line, n)) return 1;
	}
	return 0;
}
