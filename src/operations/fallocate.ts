import type { Request } from '../fuse/request.ts';
import type { RowName } from '../lease/rows.ts';
import type { Inode } from '../namespace/inode.ts';
import { FALLOC } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { contentsChanged, failedForSpace, killPrivilegesUntold, MAX_SIZE } from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_FALLOCATE, fallocate(2) as far as the kernel passes it on: mode 0, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE. */
export function fallocate(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const fh = request.u64(0);
  const offset = request.u64(8);
  const length = request.u64(16);
  const mode = request.u32(24);
  const keepSize = (mode & FALLOC.KEEP_SIZE) !== 0;
  if (fs.options.readOnly) return request.error(E.ROFS);
  const denied = deniedFallocate(inode, offset, length, mode);
  if (denied !== 0) return request.error(denied);

  const kind = mode & ~FALLOC.KEEP_SIZE;
  const grows = !keepSize && offset + length > inode.size;
  if (fs.guard.concerns(inode.ino)) {
    const row = rowOf(fs, inode, offset, length, kind, grows);
    // A new size concerns whoever covers the end of the file, and all that follows.
    const from = grows ? Math.min(offset, Math.max(0, inode.size - 1)) : offset;
    const touched = { row, offset: from, length: grows ? Number.POSITIVE_INFINITY : length };
    if (!fs.guard.admit(request, inode, 'fallocate', [touched], fh, false)) return;
  }
  const errno = change(fs, inode, offset, length, kind);
  if (errno !== 0) return failedForSpace(fs, request, errno);
  if (grows) inode.size = offset + length;
  killPrivilegesUntold(fs, request, inode);
  contentsChanged(fs, inode, offset, length);
  request.ok();
}

function deniedFallocate(inode: Inode, offset: number, length: number, mode: number): number {
  if (!inode.isRegular) return inode.isDirectory ? E.ISDIR : E.NODEV;
  if (length === 0) return E.INVAL;
  if (offset + length > MAX_SIZE) return E.FBIG;
  const keepSize = (mode & FALLOC.KEEP_SIZE) !== 0;
  const kind = mode & ~FALLOC.KEEP_SIZE;
  if (kind !== 0 && kind !== FALLOC.PUNCH_HOLE && kind !== FALLOC.ZERO_RANGE) return E.OPNOTSUPP;
  if (kind === FALLOC.PUNCH_HOLE && !keepSize) return E.OPNOTSUPP;
  if (inode.isImmutable || (inode.isAppendOnly && kind !== 0)) return E.PERM;
  return 0;
}

function rowOf(fs: Filesystem, inode: Inode, offset: number, length: number, kind: number, grows: boolean): RowName {
  if (kind === 0) return 'fallocate';
  if (kind === FALLOC.PUNCH_HOLE) return 'punch';
  return !grows && fs.blockmap.zeroIsInPlace(inode, offset, length) ? 'zero-in-place' : 'zero';
}

function change(fs: Filesystem, inode: Inode, offset: number, length: number, kind: number): number {
  if (kind === FALLOC.PUNCH_HOLE) return fs.blockmap.punch(inode, offset, length);
  if (kind === FALLOC.ZERO_RANGE) return fs.blockmap.zeroRange(inode, offset, length);
  const { blockSize } = fs.volume;
  return fs.blockmap.allocate(inode, Math.floor(offset / blockSize), Math.ceil((offset + length) / blockSize));
}
