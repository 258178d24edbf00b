/**
 * Numbers of the FUSE kernel protocol (<linux/fuse.h>, version 7.45). Names are the header's without their prefix, so
 * that FUSE_LOOKUP is OP.LOOKUP and FOPEN_KEEP_CACHE is FOPEN.KEEP_CACHE. Where a number is newer than 7.31, the
 * oldest protocol that this engine speaks, the comment says since when.
 */

export const MAJOR = 7;
/** Newest minor version that this engine speaks. */
export const NEWEST_MINOR = 45;
/** Oldest minor version that this engine speaks (Linux 5.4). */
export const OLDEST_MINOR = 31;

/** Node id of the root directory. */
export const ROOT_ID = 1;

/** Smallest buffer that the kernel accepts for a read of the device, in bytes. */
export const MIN_READ_BUFFER = 8192;

export const OP = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  /** 7.34 */
  SYNCFS: 50,
  /** 7.37 */
  TMPFILE: 51,
  /** 7.39 */
  STATX: 52,
  /** 7.45 */
  COPY_FILE_RANGE_64: 53,
} as const;

/** Size of a table indexed by operation code. */
export const OPCODES = 64;

/** Bit numbers of the INIT flags: 0–31 travel in `flags`, 32–63 in `flags2`. */
export const INIT_FLAG_BITS = {
  ASYNC_READ: 0,
  POSIX_LOCKS: 1,
  FILE_OPS: 2,
  ATOMIC_O_TRUNC: 3,
  EXPORT_SUPPORT: 4,
  BIG_WRITES: 5,
  DONT_MASK: 6,
  SPLICE_WRITE: 7,
  SPLICE_MOVE: 8,
  SPLICE_READ: 9,
  FLOCK_LOCKS: 10,
  HAS_IOCTL_DIR: 11,
  AUTO_INVAL_DATA: 12,
  DO_READDIRPLUS: 13,
  READDIRPLUS_AUTO: 14,
  ASYNC_DIO: 15,
  WRITEBACK_CACHE: 16,
  NO_OPEN_SUPPORT: 17,
  PARALLEL_DIROPS: 18,
  HANDLE_KILLPRIV: 19,
  POSIX_ACL: 20,
  ABORT_ERROR: 21,
  MAX_PAGES: 22,
  CACHE_SYMLINKS: 23,
  NO_OPENDIR_SUPPORT: 24,
  EXPLICIT_INVAL_DATA: 25,
  MAP_ALIGNMENT: 26,
  SUBMOUNTS: 27,
  /** 7.33 */
  HANDLE_KILLPRIV_V2: 28,
  /** 7.33 */
  SETXATTR_EXT: 29,
  /** 7.36 */
  INIT_EXT: 30,
  SECURITY_CTX: 32,
  HAS_INODE_DAX: 33,
  /** 7.38 */
  CREATE_SUPP_GROUP: 34,
  /** 7.38 */
  HAS_EXPIRE_ONLY: 35,
  /** 7.39 */
  DIRECT_IO_ALLOW_MMAP: 36,
  /** 7.40 */
  PASSTHROUGH: 37,
  /** 7.40 */
  NO_EXPORT_SUPPORT: 38,
  /** 7.40 */
  HAS_RESEND: 39,
  /** 7.41 */
  ALLOW_IDMAP: 40,
  /** 7.42 */
  OVER_IO_URING: 41,
  /** 7.43 */
  REQUEST_TIMEOUT: 42,
} as const;

export type InitFlag = keyof typeof INIT_FLAG_BITS;

/** fuse_setattr_in.valid */
export const FATTR = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 16,
  MTIME: 32,
  FH: 64,
  ATIME_NOW: 128,
  MTIME_NOW: 256,
  LOCKOWNER: 512,
  CTIME: 1024,
  KILL_SUIDGID: 2048,
} as const;

/** fuse_open_out.open_flags */
export const FOPEN = {
  DIRECT_IO: 1,
  KEEP_CACHE: 2,
  NONSEEKABLE: 4,
  CACHE_DIR: 8,
  STREAM: 16,
  /** 7.35 */
  NOFLUSH: 32,
  /** 7.36 */
  PARALLEL_DIRECT_WRITES: 64,
  /** 7.40: `backing_id` is set; reads, writes and mappings go to that file. */
  PASSTHROUGH: 128,
} as const;

/** fuse_getattr_in.getattr_flags */
export const GETATTR_FH = 1;
/** fuse_open_in.open_flags and fuse_create_in.open_flags (HANDLE_KILLPRIV_V2) */
export const OPEN_KILL_SUIDGID = 1;
/** fuse_release_in.release_flags */
export const RELEASE = { FLUSH: 1, FLOCK_UNLOCK: 2 } as const;
/** fuse_write_in.write_flags; CACHE: page-cache writeback, with a guessed file handle and pid 0. */
export const WRITE = { CACHE: 1, LOCKOWNER: 2, KILL_SUIDGID: 4 } as const;
/** fuse_read_in.read_flags */
export const READ_LOCKOWNER = 2;
/** fuse_lk_in.lk_flags: a flock(2) lock, not a fcntl(2) one. */
export const LK_FLOCK = 1;
/** fuse_ioctl_in.flags and fuse_ioctl_out.flags */
export const IOCTL = { COMPAT: 1, UNRESTRICTED: 2, RETRY: 4, BITS32: 8, DIR: 16, COMPAT_X32: 32 } as const;
/** fuse_poll_in.flags: a wake-up notification is wanted. */
export const POLL_SCHEDULE_NOTIFY = 1;
/** fuse_fsync_in.fsync_flags */
export const FSYNC_FDATASYNC = 1;
/** fuse_attr.flags */
export const ATTR = { SUBMOUNT: 1, DAX: 2 } as const;
/** fuse_setxattr_in.setxattr_flags (SETXATTR_EXT) */
export const SETXATTR_ACL_KILL_SGID = 1;
/** fuse_notify_inval_entry_out.flags */
export const EXPIRE_ONLY = 1;
/** fuse_ext_header.type of the supplementary group list (CREATE_SUPP_GROUP); 0–31 are security contexts. */
export const EXT_GROUPS = 32;

/** Codes of notifications: a message to the kernel with `unique` 0 has one of them in `error`. */
export const NOTIFY = {
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  /** 7.40 */
  RESEND: 7,
  /** 7.44 */
  INC_EPOCH: 8,
  /** 7.45 */
  PRUNE: 9,
} as const;

/** ioctl(2) requests of /dev/fuse. */
export const DEV_IOC = {
  CLONE: 0x8004e500,
  /** 7.40; argument: fuse_backing_map. Result: the backing id. */
  BACKING_OPEN: 0x4010e501,
  /** 7.40; argument: the backing id, 32 bits. */
  BACKING_CLOSE: 0x4004e502,
} as const;

/** Lowest bit of `unique`: set by the kernel in the header of an INTERRUPT (its own id is the target's plus one). */
export const UNIQUE_INTERRUPT_BIT = 1;
