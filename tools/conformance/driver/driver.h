/* What the files of the conformance driver share: the table of operations, and how they read their arguments. */
#ifndef DRIVER_H
#define DRIVER_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Most words of a line. */
#define WORDS 64

/* Answers a number from 0 up, or -1 and errno. An operation whose answer is text writes it to `answer`. */
typedef long (*Run)(char **arg, int count);
struct op { const char *name; int least; Run run; struct op *next; };
void add_op(struct op *op);

/* Defines the operation NAME, which needs at least LEAST arguments; its words are arg[0..count-1]. */
#define OP(NAME, LEAST)                                                             \
	static long run_##NAME(char **arg, int count);                              \
	static struct op op_##NAME = {#NAME, LEAST, run_##NAME, 0};                 \
	__attribute__((constructor)) static void add_##NAME(void) { add_op(&op_##NAME); } \
	static long run_##NAME(char **arg __attribute__((unused)), int count __attribute__((unused)))

extern char answer[];
#define ANSWER_SIZE (1 << 17)
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A script that can not be understood ends the driver with code 2. */
void bad(const char *why, const char *what) __attribute__((noreturn));

/* "<fault>" is an address that is not there, "<empty>" the empty string. */
const char *path(const char *word);
long long number(const char *word); /* 0x…, octal 0…, decimal, suffixes K M G T P, sums by + and - */
long flags_of(const char *words);   /* O_CREAT|O_EXCL */
int give_errno(int error);          /* sets errno, answers -1 */
#endif
