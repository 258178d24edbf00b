/*
 * layoutfs.h - leases on the block maps of files of a layoutfs mount.
 *
 * Two ways, which may be mixed: ioctl(2) on an open file of the mount (part 1: binary structs, nothing to link), and a
 * session on the control file with recalls and mappings (part 2: layoutfs.c). C99 or later, C++ too. No dependencies
 * but libc and POSIX threads.
 *
 * THE rule for every holder: to answer a recall never touch the leased file itself. The kernel holds its lock while the
 * breaker waits. Use the session.
 */
#ifndef LAYOUTFS_H
#define LAYOUTFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. ioctl(2) ------------------------------------------------------------------------------------------------ */

/*
 * Every struct begins with its own size (set it!) and flags; everything that is not used is zero. A length of 0 is "to
 * any end". A lease got on a data file lasts as long as that open file and its mappings. Errors come as errno.
 * On `.layout/ctl` the file is that of `id`, or for administrators `ino`.
 */

enum layout_kind { LAYOUT_DIRECT_BY_DEFAULT, LAYOUT_LAYOUT, LAYOUT_DIRECT, LAYOUT_EXCLUSIVE, LAYOUT_FROZEN, LAYOUT_SWAP };
enum layout_mode { LAYOUT_MODE_DEFAULT, LAYOUT_RO, LAYOUT_RW };
enum layout_state {
  LAYOUT_NONE,
  LAYOUT_PENDING,
  LAYOUT_GRANTED,
  LAYOUT_RECALLED,
  LAYOUT_FENCING,
  LAYOUT_FENCE_FAILED,
  LAYOUT_ORPHANED,
  LAYOUT_REVOKED,
  LAYOUT_RELEASED
};
enum layout_extent_state { LAYOUT_HOLE, LAYOUT_UNWRITTEN, LAYOUT_WRITTEN, LAYOUT_SHARED };

#define LAYOUT_MAX_EXTENTS 64
#define LAYOUT_TOKEN_BYTES 64

/* flags of layout_get */
#define LAYOUT_GET_UNWRITTEN_OK 1u
#define LAYOUT_GET_UNBREAKABLE 2u
#define LAYOUT_GET_COHERENT 4u
#define LAYOUT_GET_ODP 8u
#define LAYOUT_GET_ACCEPT_RO 16u
#define LAYOUT_GET_AFTER_RECALL 32u

struct layout_get {
  uint32_t size, flags;
  uint32_t kind; /* enum layout_kind */
  uint32_t mode; /* enum layout_mode */
  uint64_t ino;  /* on ctl only */
  uint64_t offset, length, align;
  int64_t wait_ms; /* how long to queue; negative: as long as the mount lets one */
  uint64_t timeout_ms;
  /* filled in: */
  uint64_t id, seq, gen, epoch;
  uint32_t state; /* enum layout_state */
  uint32_t extents;
  char token[LAYOUT_TOKEN_BYTES];
};

#define LAYOUT_RETURN_CASCADE 1u

struct layout_return {
  uint32_t size, flags;
  uint64_t id; /* 0: the lease got on this open file */
  uint64_t seq, offset, length;
  uint32_t state, reserved;
};

struct layout_extent {
  uint64_t offset, device, length; /* bytes: in the file, in the device */
  uint32_t state;                  /* enum layout_extent_state */
  uint32_t reserved;
};

#define LAYOUT_MAP_OBSERVATION 1u /* told: no lease stands behind the answer */
#define LAYOUT_MAP_MORE 2u        /* told: go on at `next` */

struct layout_map {
  uint32_t size, flags;
  uint64_t id, ino, offset, length;
  uint64_t next, gen, file_size;
  uint32_t block_size, count;
  struct layout_extent extent[LAYOUT_MAX_EXTENTS];
};

struct layout_commit {
  uint32_t size, flags;
  uint64_t id, seq, offset, length;
  uint64_t file_size; /* in: grow to this (0: do not); out: size of the file */
  uint64_t gen;
};

#define LAYOUT_STATUS_UNBREAKABLE 2u

struct layout_status {
  uint32_t size, flags;
  uint64_t id;     /* in: 0 for this open file's own; out: 0 when there is none */
  uint64_t handle; /* of the open file, for the verb `bind` */
  uint64_t seq, gen, file_size, offset, length;
  int64_t deadline_ms; /* of a recall; -1: none */
  uint32_t kind, mode, state, sealed;
  uint32_t leases; /* live ones on the file */
  uint32_t reserved;
};

#define LAYOUT_SEAL_UNWRITTEN_OK 1u

struct layout_seal {
  uint32_t size, flags;
  uint64_t ino, gen;
};

struct layout_unseal {
  uint32_t size, flags;
  uint64_t ino, gen;
};

#define LAYOUT_PREPARE_EXTEND 1u
#define LAYOUT_PREPARE_UNWRITTEN 2u
#define LAYOUT_PREPARE_CONTIGUOUS 4u

struct layout_prepare {
  uint32_t size, flags;
  uint64_t ino, offset, length, align;
  uint64_t gen, file_size;
  uint32_t extents, changed;
};

struct layout_bind {
  uint32_t size, flags;
  uint64_t id, seq;
  char token[LAYOUT_TOKEN_BYTES];
};

#define LAYOUT_IOC_GET _IOWR(0xB7, 1, struct layout_get)
#define LAYOUT_IOC_RETURN _IOWR(0xB7, 2, struct layout_return)
#define LAYOUT_IOC_MAP _IOWR(0xB7, 3, struct layout_map)
#define LAYOUT_IOC_COMMIT _IOWR(0xB7, 4, struct layout_commit)
#define LAYOUT_IOC_STATUS _IOWR(0xB7, 5, struct layout_status)
#define LAYOUT_IOC_SEAL _IOWR(0xB7, 6, struct layout_seal)
#define LAYOUT_IOC_UNSEAL _IOWR(0xB7, 7, struct layout_unseal)
#define LAYOUT_IOC_PREPARE _IOWR(0xB7, 8, struct layout_prepare)
#define LAYOUT_IOC_BIND _IOWR(0xB7, 9, struct layout_bind)

/* ---- 2. sessions (layoutfs.c) ----------------------------------------------------------------------------------- */

/*
 * Functions return 0, or -1 with errno as the daemon told it; layoutfs_why() then has its explanation. A session may be
 * used by several threads at once. In a child after fork(2) it refuses everything with EPERM but layoutfs_close, which
 * there only lets go: the leases stay the parent's.
 */
struct layoutfs_session;

struct layoutfs_lease {
  uint64_t id, seq;
  uint64_t offset, length; /* bytes; length UINT64_MAX: to any end */
};

struct layoutfs_event {
  char name[16]; /* recall, invalidate, granted, revoked, released, orphaned, fence, quarantine, gen, overflow */
  uint64_t lease, seq;
  uint64_t offset, length;
  int64_t deadline_ms; /* -1: none */
  int64_t breaker;     /* pid, -1: nobody is named */
  char text[1024];     /* the whole line */
};

/* `mount`: the mount point; `control`: the mount option ctl=, NULL for ".layout". NULL with errno. */
struct layoutfs_session *layoutfs_open(const char *mount, const char *control);
/* All leases of the session end. No other thread may be in a call with it; a callback of layoutfs_watch may close it. */
void layoutfs_close(struct layoutfs_session *session);
/* Readable when an event waits (poll, epoll): then call layoutfs_event with a timeout of 0. */
int layoutfs_fd(const struct layoutfs_session *session);
/* Explanation of this thread's last failure, "" if there is none. */
const char *layoutfs_why(void);

/*
 * One request in the plain form, without newline and tag (docs: the control protocol). The reply, list lines included,
 * goes to `reply` (may be NULL), cut off at `size`.
 */
int layoutfs_request(struct layoutfs_session *session, const char *line, char *reply, size_t size);
/* A field of a reply: 0, or -1 with ENOENT. */
int layoutfs_field(const char *reply, const char *name, char *value, size_t size);

/* `path` counts from the root of the mount; `options` are further words of the verb `get`, or NULL. */
int layoutfs_get(struct layoutfs_session *session, const char *path, const char *options, struct layoutfs_lease *lease);
int layoutfs_return(struct layoutfs_session *session, struct layoutfs_lease *lease);
/* Allocates, zeroes and makes durable what a direct lease wants; `options` are further words of the verb, or NULL. */
int layoutfs_prepare(struct layoutfs_session *session, const char *path, const char *options);
/* What was stored in [offset, offset + length) becomes part of the file; size 0: the file does not grow. */
int layoutfs_commit(struct layoutfs_session *session, struct layoutfs_lease *lease, uint64_t offset, uint64_t length,
                    uint64_t size);

#define LAYOUTFS_MAP_READ_ONLY 1u
#define LAYOUTFS_MAP_GUARDED 2u /* never through the device window */
#define LAYOUTFS_MAP_INHERIT 4u /* children after fork(2) have the mapping too; else it is the caller's alone (SIGSEGV) */

/*
 * Maps the leased bytes at one contiguous range of addresses: through the device window, extent by extent, where the
 * caller may open it, else through the guarded window. *address is the byte at the lease's offset.
 */
int layoutfs_map(struct layoutfs_session *session, const struct layoutfs_lease *lease, unsigned flags, void **address,
                 size_t *length);
int layoutfs_unmap(void *address, size_t length);

/* The next event: 1, or 0 after timeout_ms without one (-1: no limit), or -1. */
int layoutfs_event(struct layoutfs_session *session, struct layoutfs_event *event, int timeout_ms);

typedef void (*layoutfs_callback)(struct layoutfs_session *session, const struct layoutfs_event *event, void *argument);
/* A thread that calls back for every event, until layoutfs_close. Do not mix with layoutfs_event. */
int layoutfs_watch(struct layoutfs_session *session, layoutfs_callback callback, void *argument);

#ifdef __cplusplus
}
#endif
#endif
