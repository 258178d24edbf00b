/*
 * copy.c - copies a file into a layoutfs mount through a direct mapping of its blocks, answering recalls on the way.
 *
 *     copy SOURCE MOUNT PATH
 *
 * LAYOUTFS_CONTROL in the environment names the control directory, where the mount option ctl= does.
 *
 * The destination is made and prepared (allocated, zeroed, durable), leased with kind=direct and mapped; no byte goes
 * through write(2). Recalled, it commits what it has, gives the lease back at once, and asks for it again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "layoutfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP ((size_t)4 << 20)

static void die(const char *what) {
  fprintf(stderr, "copy: %s: %s%s%s\n", what, strerror(errno), *layoutfs_why() ? ": " : "", layoutfs_why());
  exit(1);
}

static void fill(int source, char *to, size_t length, uint64_t offset) {
  while (length > 0) {
    ssize_t got = pread(source, to, length, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) die("reading the source");
    to += got;
    offset += (uint64_t)got;
    length -= (size_t)got;
  }
}

/* Has somebody asked for the lease back? */
static int recalled(struct layoutfs_session *session, uint64_t lease) {
  struct layoutfs_event event;
  int result;
  while ((result = layoutfs_event(session, &event, 0)) == 1) {
    if (event.lease != lease || strcmp(event.name, "recall")) continue;
    fprintf(stderr, "copy: recalled by process %lld\n", (long long)event.breaker);
    return 1;
  }
  if (result < 0) die("events");
  return 0;
}

int main(int argc, char **argv) {
  struct layoutfs_session *session;
  struct stat status;
  uint64_t done = 0, size;
  char *name, *range;
  int source, made;
  if (argc != 4) {
    fprintf(stderr, "usage: copy SOURCE MOUNT PATH\n");
    return 64;
  }
  source = open(argv[1], O_RDONLY);
  if (source < 0 || fstat(source, &status)) die(argv[1]);
  size = (uint64_t)status.st_size;
  if (asprintf(&name, "%s/%s", argv[2], argv[3]) < 0) die("memory");
  made = open(name, O_WRONLY | O_CREAT | O_TRUNC, status.st_mode & 0777);
  if (made < 0 || close(made)) die(name);
  session = layoutfs_open(argv[2], getenv("LAYOUTFS_CONTROL"));
  if (!session) die(argv[2]);
  if (size == 0) return 0;
  if (asprintf(&range, "range=0-%llu extend", (unsigned long long)size) < 0) die("memory");
  if (layoutfs_prepare(session, argv[3], range)) die("prepare");

  while (done < size) {
    struct layoutfs_lease lease;
    uint64_t from = done;
    size_t length;
    void *base;
    int given_back = 0;
    if (layoutfs_get(session, argv[3], "kind=direct wait=30", &lease)) die("get");
    if (layoutfs_map(session, &lease, 0, &base, &length)) die("map");
    if (length < size) die("the file was cut off");
    while (done < size && !given_back) {
      size_t step = size - done < STEP ? (size_t)(size - done) : STEP;
      fill(source, (char *)base + done, step, done);
      done += step;
      given_back = recalled(session, lease.id);
    }
    if (layoutfs_commit(session, &lease, from, done - from, 0)) die("commit");
    layoutfs_unmap(base, length);
    if (layoutfs_return(session, &lease)) die("return");
  }
  layoutfs_close(session);
  return 0;
}
