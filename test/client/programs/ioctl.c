/* Every LAYOUT_IOC_* on a data file and on ctl; prints what it met, a line each. */
#define _GNU_SOURCE
#include "layoutfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int call(const char *name, int fd, unsigned long request, void *argument) {
  int result = ioctl(fd, request, argument);
  printf("%s %s\n", name, result ? strerrorname_np(errno) : "ok");
  return result;
}

#define NEW(type, name) struct type name = {.size = sizeof name}

int main(int argc, char **argv) {
  int fd = open(argv[1], O_RDWR), other = open(argv[1], O_RDWR), ctl = open(argv[2], O_RDWR);
  NEW(layout_prepare, prepare);
  NEW(layout_get, get);
  NEW(layout_map, map);
  NEW(layout_commit, commit);
  NEW(layout_status, status);
  NEW(layout_return, give);
  NEW(layout_seal, seal);
  NEW(layout_unseal, unseal);
  if (argc != 3 || fd < 0 || other < 0 || ctl < 0) return 1;
  call("get-hole", fd, LAYOUT_IOC_GET, &get);
  call("prepare", fd, LAYOUT_IOC_PREPARE, &prepare);
  printf("size=%llu extents=%u changed=%u\n", (unsigned long long)prepare.file_size, prepare.extents, prepare.changed);
  get.kind = LAYOUT_DIRECT;
  call("get", fd, LAYOUT_IOC_GET, &get);
  printf("state=%u seq=%llu token=%d\n", get.state, (unsigned long long)get.seq, (int)(strlen(get.token) > 15));
  call("map", fd, LAYOUT_IOC_MAP, &map);
  printf("count=%u state=%u length=%llu flags=%u\n", map.count, map.extent[0].state,
         (unsigned long long)map.extent[0].length, map.flags);
  call("commit", fd, LAYOUT_IOC_COMMIT, &commit);
  call("status", fd, LAYOUT_IOC_STATUS, &status);
  printf("mine=%d kind=%u state=%u leases=%u deadline=%lld handle=%d\n", status.id == get.id, status.kind, status.state,
         status.leases, (long long)status.deadline_ms, status.handle != 0);
  NEW(layout_status, by_id);
  by_id.id = get.id;
  call("ctl-status", ctl, LAYOUT_IOC_STATUS, &by_id);
  give.seq = get.seq + 5;
  call("return-stale", fd, LAYOUT_IOC_RETURN, &give);
  give.seq = 0;
  call("return", fd, LAYOUT_IOC_RETURN, &give);
  printf("state=%u\n", give.state);
  call("return-again", fd, LAYOUT_IOC_RETURN, &give);
  call("seal", fd, LAYOUT_IOC_SEAL, &seal);
  printf("append %s\n", pwrite(fd, "x", 1, 1 << 20) < 0 ? strerrorname_np(errno) : "ok");
  call("unseal", fd, LAYOUT_IOC_UNSEAL, &unseal);
  /* A lease of the open file ends with its last descriptor. */
  NEW(layout_get, bound);
  call("get-bound", other, LAYOUT_IOC_GET, &bound);
  int copy = dup(other);
  close(other);
  NEW(layout_status, alive);
  call("status-dup", fd, LAYOUT_IOC_STATUS, &alive);
  printf("leases=%u\n", alive.leases);
  close(copy);
  for (int i = 0; i < 100 && alive.leases; i++) {
    usleep(20000);
    memset(&alive, 0, sizeof alive);
    alive.size = sizeof alive;
    ioctl(fd, LAYOUT_IOC_STATUS, &alive);
  }
  printf("leases=%u\n", alive.leases);
  /* Versions: fewer fields are served, more must be zero, a lie about the size is refused. */
  struct {
    struct layout_unseal v1;
    uint64_t later;
  } newer = {{.size = sizeof newer}, 0};
  struct {
    uint32_t size, flags;
    uint64_t ino;
  } older = {.size = sizeof older};
  call("newer", fd, _IOWR(0xB7, 7, char[sizeof newer]), &newer);
  newer.later = 1;
  newer.v1.size = sizeof newer;
  call("newer-used", fd, _IOWR(0xB7, 7, char[sizeof newer]), &newer);
  call("older", fd, _IOWR(0xB7, 7, char[sizeof older]), &older);
  unseal.size = 8;
  call("lie", fd, LAYOUT_IOC_UNSEAL, &unseal);
  call("unknown", fd, _IOWR(0xB7, 99, struct layout_unseal), &unseal);
  return 0;
}
