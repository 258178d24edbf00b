import { WRITE } from '../fuse/protocol.ts';
import { putWrite } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { FLAG } from '../namespace/inode.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import {
  changesOfWrite,
  contentsChanged,
  failedForSpace,
  killPrivileges,
  MAX_SIZE,
  replyWhenDurable,
} from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/** Bytes of fuse_write_in; the data follows. */
const HEAD = 40;

/** FUSE_WRITE: write(2) and its relatives, and the writeback of shared mappings (WRITE.CACHE, with pid 0). */
export function write(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  // No kernel asks for it; it would give blocks to what has none.
  if (!inode.isRegular) return request.error(E.INVAL);
  const fh = request.u64(0);
  let offset = request.u64(8);
  let size = request.u32(16);
  const writeFlags = request.u32(20);
  const flags = request.u32(32);
  if (size > request.end - request.body - HEAD) return request.error(E.INVAL);
  if (fs.options.readOnly) return request.error(E.ROFS);
  if (inode.isImmutable) return request.error(E.PERM);
  const writeback = (writeFlags & WRITE.CACHE) !== 0;
  if (!writeback && ((flags & O.APPEND) !== 0 ? offset < inode.size : inode.isAppendOnly)) {
    // The kernel appends at the size it knows; a holder may have moved the end since. Otherwise this is RWF_NOAPPEND, of
    // which requests do not tell, or fcntl(2) took O_APPEND away from a file whose flag the kernel does not know.
    if ((flags & O.APPEND) !== 0 && (inode.endMoved || fs.guard.concerns(inode.ino))) offset = inode.size;
    else if (inode.isAppendOnly) return request.error(E.PERM);
  }
  if (offset >= MAX_SIZE) return request.error(E.FBIG);
  size = Math.min(size, MAX_SIZE - offset);
  if (fs.guard.concerns(inode.ino)) {
    const changes = changesOfWrite(fs, inode, offset, size);
    const nonblocking = (flags & O.NONBLOCK) !== 0 && !writeback;
    if (!fs.guard.admit(request, inode, 'write', changes, fh, nonblocking)) return;
  }
  const { gen, size: before } = inode;
  const data = request.address + request.body + HEAD;
  let done = fs.blockmap.write(inode, offset, size, data);
  if (done === -E.NOSPC && !writeback && (flags & O.DIRECT) === 0) {
    // How much of a writeback was done the kernel does not look at; of O_DIRECT it makes EIO (fuse_get_res_by_io()).
    if (fs.guard.waitForSpace(request)) return;
    done = fs.blockmap.writeWhatFits(inode, offset, size, data);
  }
  if (done < 0) return failedForSpace(fs, request, -done);
  if (offset + done > inode.size) inode.size = offset + done;
  if ((writeFlags & WRITE.KILL_SUIDGID) !== 0) killPrivileges(fs, request, inode);
  contentsChanged(fs, inode, offset, done, inode.size === before && inode.gen === gen);
  if ((flags & O.DSYNC) !== 0 || fs.options.sync || (inode.flags & FLAG.SYNC) !== 0) {
    return replyWhenDurable(fs, request, (late) => putWrite(late.out.view, late.out.start, done));
  }
  request.ok(putWrite(request.out.view, request.out.start, done));
}
