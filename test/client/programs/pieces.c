/*
 * A lease over several extents in one range of addresses; what a child has of it; and the descriptor that is polled for
 * events: pieces MOUNT FILE. The file is /FILE; its byte at offset o is 'a' + o / 4096 % 26.
 */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long wrong(const char *base, size_t length) {
  long bad = 0;
  for (size_t at = 0; at < length; at++) bad += base[at] != 'a' + (char)(at / 4096 % 26);
  return bad;
}

/* What a child meets that reads the mapping: 0, or the signal that ends it. */
static int in_child(const char *base) {
  int status;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    volatile char seen = base[4096];
    (void)seen;
    _exit(0);
  }
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int is_ready(struct layoutfs_session *session, int timeout) {
  struct pollfd one = {.fd = layoutfs_fd(session), .events = POLLIN};
  return poll(&one, 1, timeout);
}

int main(int argc, char **argv) {
  struct layoutfs_session *session = layoutfs_open(argv[1], NULL), *other = layoutfs_open(argv[1], NULL);
  struct layoutfs_lease lease, part, none;
  struct layoutfs_event event;
  void *base, *guarded, *inherited, *piece;
  size_t length, same, piece_length;
  char reply[65536], line[256];
  if (argc != 3 || !session || !other || layoutfs_get(session, argv[2], "kind=direct", &lease)) return 1;
  snprintf(line, sizeof line, "map id=%llu", (unsigned long long)lease.id);
  if (layoutfs_request(session, line, reply, sizeof reply)) return 2;
  {
    int extents = 0;
    for (char *at = reply; *at == ' '; at = strchr(at, '\n') + 1) extents++;
    printf("extents %d\n", extents);
  }
  if (layoutfs_map(session, &lease, 0, &base, &length)) return 3;
  if (layoutfs_map(session, &lease, LAYOUTFS_MAP_GUARDED | LAYOUTFS_MAP_READ_ONLY, &guarded, &same)) return 4;
  if (layoutfs_map(session, &lease, LAYOUTFS_MAP_INHERIT | LAYOUTFS_MAP_READ_ONLY, &inherited, &same)) return 5;
  printf("length %zu %zu wrong %ld %ld\n", length, same, wrong(base, length), wrong(guarded, length));
  printf("child SIGSEGV %d inherited %d\n", in_child(base) == SIGSEGV, in_child(inherited));
  /* A lease of a range: the first byte of the mapping is the first of the range. */
  if (layoutfs_get(other, argv[2], "kind=direct range=8k-24k", &part)) return 6;
  if (layoutfs_map(other, &part, 0, &piece, &piece_length)) return 7;
  printf("part %zu %c\n", piece_length, *(char *)piece);
  memset(piece, '!', 1);
  if (layoutfs_commit(other, &part, 8192, 4096, 0)) return 8;
  printf("seen %c\n", ((char *)base)[8192]);
  layoutfs_unmap(piece, piece_length);
  printf("outside %d", layoutfs_commit(other, &part, 0, 4096, 0));
  printf(" %s: %s\n", strerrorname_np(errno), layoutfs_why());
  /* An event that another request's reply brings along still makes the descriptor readable. */
  printf("quiet %d\n", is_ready(session, 0));
  printf("conflict %d", layoutfs_get(other, argv[2], "kind=exclusive", &none));
  printf(" %s\n", strerrorname_np(errno));
  if (is_ready(session, 5000) != 1) return 9;
  if (layoutfs_request(session, "policy", reply, sizeof reply)) return 10;
  printf("ready %d\n", is_ready(session, 0));
  printf("event %d", layoutfs_event(session, &event, 0));
  printf(" %s mine %d\n", event.name, event.lease == lease.id);
  while (layoutfs_event(session, &event, 0) == 1) continue;
  printf("quiet %d\n", is_ready(session, 0));
  printf("none %d", layoutfs_get(session, "/not \"there\\", NULL, &none));
  printf(" %s\n", strerrorname_np(errno));
  layoutfs_unmap(base, length);
  layoutfs_unmap(guarded, length);
  layoutfs_unmap(inherited, length);
  if (layoutfs_return(session, &lease)) return 11;
  layoutfs_close(session);
  layoutfs_close(other);
  return 0;
}
