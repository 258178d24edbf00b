import { FOPEN, OPEN_KILL_SUIDGID } from '../fuse/protocol.ts';
import { putOpen } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { contentsChanged, killPrivileges } from './contents.ts';
import type { Filesystem } from './filesystem.ts';
import { admitSize, setSize } from './truncate.ts';

/** FUSE_OPEN, open(2) of a file that exists. O_TRUNC arrives here (ATOMIC_O_TRUNC): opening can change the block map. */
export function open(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const flags = request.u32(0);
  const writes = (flags & O.ACCMODE) !== O.RDONLY || (flags & O.TRUNC) !== 0;
  if (writes && fs.options.readOnly && inode.isRegular) return request.error(E.ROFS);
  const denied = writes ? deniedByFlags(inode, flags) : 0;
  if (denied !== 0) return request.error(denied);
  if ((flags & O.TRUNC) !== 0 && inode.isRegular) {
    if (!admitSize(fs, request, inode, 0, 0, (flags & O.NONBLOCK) !== 0, 'open')) return;
    const errno = setSize(fs, inode, 0);
    if (errno !== 0) return request.error(errno);
    if ((request.u32(4) & OPEN_KILL_SUIDGID) !== 0) killPrivileges(fs, request, inode);
    contentsChanged(fs, inode, 0, Number.POSITIVE_INFINITY);
  }
  request.ok(openHandle(fs, request, inode, request.out.start));
}

/** chattr(1): an immutable file is not written, an append-only one only appended to; open(2) says so with EPERM. */
function deniedByFlags(inode: Inode, flags: number): number {
  if (inode.isImmutable) return E.PERM;
  if (inode.isAppendOnly && ((flags & O.APPEND) === 0 || (flags & O.TRUNC) !== 0)) return E.PERM;
  return 0;
}

/**
 * Counts a new handle of a regular file and writes its fuse_open_out at `at` of the reply area; answers the bytes
 * written. Used by OPEN, CREATE and TMPFILE.
 *
 * The kernel keeps cached pages over opens, because nobody but this mount changes the file; a file with leases is
 * opened uncached, because there a holder may store into the blocks at any time and readers have to see it.
 */
export function openHandle(fs: Filesystem, request: Request, inode: Inode, at: number): number {
  fs.inodes.handleOpened(inode);
  const cache = fs.guard.uncached(inode.ino) ? FOPEN.DIRECT_IO : FOPEN.KEEP_CACHE;
  const fh = fs.handles.open();
  return putOpen(request.out.view, at, fh, cache | FOPEN.NOFLUSH | FOPEN.PARALLEL_DIRECT_WRITES);
}
