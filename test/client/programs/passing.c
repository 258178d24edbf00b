/* A lease of an open file goes where the open file goes: through a socket (SCM_RIGHTS), into a child, into a mapping. */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW(type, name) struct type name = {.size = sizeof name}

static void give(int socket, int fd) {
  char byte = 1, space[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) != 1) perror("sendmsg");
}

static int take(int socket) {
  char byte, space[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  int fd = -1;
  if (recvmsg(socket, &message, 0) == 1) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* Live leases on the file, as another open file sees them; waits up to 5 s for `wanted`: RELEASE is not close(2). */
static unsigned leases(int other, unsigned wanted) {
  NEW(layout_status, status);
  for (int i = 0; i < 500; i++) {
    memset(&status, 0, sizeof status);
    status.size = sizeof status;
    if (ioctl(other, LAYOUT_IOC_STATUS, &status)) return 999;
    if (status.leases == wanted) break;
    usleep(10000);
  }
  return status.leases;
}

static int may_append(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND), result;
  pid_t child;
  if (fd < 0) return -1;
  fflush(stdout);
  child = fork(); /* the holder's own append would be EDEADLK */
  if (child == 0) _exit(write(fd, "x", 1) == 1 ? 0 : errno);
  close(fd);
  waitpid(child, &result, 0);
  return WEXITSTATUS(result);
}

int main(int argc, char **argv) {
  int pair[2], back[2], fd = open(argv[1], O_RDWR), other = open(argv[1], O_RDWR);
  NEW(layout_get, get);
  char byte;
  pid_t child;
  if (argc != 2 || fd < 0 || other < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(back)) return 1;
  child = fork(); /* before the lease: it has nothing but the socket */
  if (child == 0) {
    int passed;
    void *mapping;
    int result;
    NEW(layout_status, status);
    close(fd);
    passed = take(pair[1]);
    result = ioctl(passed, LAYOUT_IOC_STATUS, &status);
    printf("passed %d mine=%d\n", result, status.id != 0);
    mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, passed, 0);
    close(passed);
    memcpy(mapping, "kept by a mapping", 17);
    fflush(stdout);
    if (write(back[1], "m", 1) != 1 || read(pair[1], &byte, 1) != 1) _exit(2);
    _exit(0);
  }
  close(pair[1]);
  if (ioctl(fd, LAYOUT_IOC_GET, &get)) return 2;
  printf("leased %u append=%s\n", leases(other, 1), strerrorname_np(may_append(argv[1])));
  fflush(stdout);
  give(pair[0], fd);
  close(fd);
  if (read(back[0], &byte, 1) != 1) return 3;
  printf("closed here %u append=%s\n", leases(other, 1), strerrorname_np(may_append(argv[1])));
  fflush(stdout);
  if (write(pair[0], "e", 1) != 1) return 4;
  waitpid(child, NULL, 0);
  printf("over %u append=%d\n", leases(other, 0), may_append(argv[1]));
  return 0;
}
