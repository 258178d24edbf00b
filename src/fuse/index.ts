/**
 * The FUSE engine by itself, exported as layoutfs/fuse. Go on reading at session.ts.
 *
 * ## What the kernel keeps, and how it forgets
 *
 * - **Names** (dentries) for the `entry` time of the reply that gave them, names that do not exist too (negative
 *   entries); **attributes** for the `attr` time. Replies of SETATTR, WRITE (size, through the kernel's own count),
 *   CREATE, LINK and so on refresh them; what the daemon changes on its own must be told: `notifier.invalEntry`,
 *   `notifier.invalInode(ino, -1, 0)` for attributes alone. Since nobody else writes, long times are right.
 * - **Pages** of a file as long as it likes. At OPEN without FOPEN.KEEP_CACHE the inode's pages are dropped; with it,
 *   they stay, and only `invalInode(ino, offset, length)` drops them. With EXPLICIT_INVAL_DATA the kernel never drops
 *   them on a changed mtime or size of its own accord.
 * - **Symlink targets** (CACHE_SYMLINKS) until the inode is invalidated; **directory contents** per OPENDIR
 *   (FOPEN.CACHE_DIR, and KEEP_CACHE to have them survive to the next), until the directory changes or is invalidated.
 * - **"Not implemented"**: ENOSYS to FLUSH, FSYNC, GETXATTR, LSEEK, FALLOCATE, POLL and others is remembered for the
 *   whole mount; the kernel never asks again. EOPNOTSUPP is for one file, ENOSYS is for good.
 * - Each successful entry (not '.' and '..' of READDIRPLUS, not negative ones) counts one **lookup** of its node id. The
 *   id must stay good until FORGET has paid back all of them, also when the file has no name any more.
 *
 * ## Known deadlocks
 *
 * - A request holds kernel locks until its reply: WRITE, FALLOCATE, SETATTR the inode's lock (a parked one stops every
 *   other write, truncate, fsync, chmod of that inode), CREATE, UNLINK, RENAME the directory's, READ the locks of the
 *   pages. A reply may never wait for anything that needs the same lock: who is asked to give a lease back answers
 *   through another inode.
 * - `invalInode` waits for the locks of the pages, hence for READs in flight and writeback; `invalEntry` and `delete`
 *   wait for the directory's lock. Written by this thread they would wait for replies that only this thread can send,
 *   and not even SIGKILL ends that. The Notifier's threads write them; their promises must not be awaited by whoever
 *   holds back the reply they wait for.
 * - The daemon must not touch its own mount, by path or through a mapping of one of its files: each page fault and each
 *   path lookup may be a request to itself. Passthrough descriptors are opened on the backing file, not through a mount.
 * - fork and exec of anything that looks at the mount (df, ls, a shell whose working directory is inside), awaited
 *   synchronously: the same.
 * - Memory: a write to the backing file may wait for dirty pages of this very mount to be written back. Without the
 *   writeback cache there are none but those of shared mappings.
 * - SIGKILL of a caller does not end its request: it sends INTERRUPT, and the caller goes when the request is
 *   answered. Whoever parks a request must answer INTERRUPT, usually with EINTR.
 */
export { E, errnoName } from '../system/errno.ts';
export { OPERATIONS, type Operation, type OperationName, operationName } from './catalogue.ts';
export { HelperError } from './fusermount.ts';
export { ConnectionInfo, maxPagesLimit, type SavedInfo, type Wanted } from './init.ts';
export { cloneDevice, type MountOptions, openAndMount, unmount } from './mount.ts';
export { Notifier } from './notifier.ts';
export * from './protocol.ts';
export * from './replies.ts';
export { type ReplyArea, Request, type RequestOwner } from './request.ts';
export { type End, type Handler, Session, type SessionOptions } from './session.ts';
export {
  decode,
  encode,
  type Field,
  type FieldName,
  type Fields,
  type FieldType,
  STRUCTS,
  type Struct,
  type StructName,
  sizeOf,
} from './structs.ts';
export { type TypedHandlers, typedHandlers } from './typed.ts';
