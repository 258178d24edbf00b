/* What the load generators share: the clock, random numbers, the CPU time of a server, the command line. */
#ifndef MEASURE_H
#define MEASURE_H
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L
#define MIB (1L << 20)

/* What a random state begins with. */
#define SEED 88172645463325252ull

/* Nanoseconds, monotonic. */
static inline uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* CPU time of a process, its ended threads included: clock ticks. */
static inline long ticks_of(int pid)
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

/* An option with a value: a number, a text, or a list of texts, of which those count that it has room for. */
struct argument {
	int letter;
	long *number;
	const char **text, **list;
	int room;
};

/* Reads the options behind MODE and PATH; `known` ends with an empty one. Ends the program when they are wrong. */
static inline void read_arguments(int argc, char **argv, const struct argument *known, const char *usage)
{
	char letters[64] = "";
	if (argc < 3) {
		fprintf(stderr, "%s\n", usage);
		exit(2);
	}
	for (const struct argument *a = known; a->letter; a++)
		snprintf(letters + strlen(letters), 3, "%c:", a->letter);
	for (int c; (c = getopt(argc - 2, argv + 2, letters)) != -1;) {
		const struct argument *a = known;
		while (a->letter && a->letter != c) a++;
		if (!a->letter) exit(2);
		if (a->number) *a->number = atol(optarg);
		if (a->text) *a->text = optarg;
		for (int i = 0; i < a->room; i++) {
			if (a->list[i]) continue;
			a->list[i] = optarg;
			break;
		}
	}
}
#endif
