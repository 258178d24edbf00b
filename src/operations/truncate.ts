import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import { MAX_SIZE } from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/**
 * May the size of a regular file become `size` now (rows 7 and 8 of the matrix)? On false the request was answered or
 * parked. `fh`: the open file of ftruncate(2), 0 for truncate(2).
 */
export function admitSize(
  fs: Filesystem,
  request: Request,
  inode: Inode,
  size: number,
  fh: number,
  nonblocking: boolean,
  operation = 'setattr.size',
): boolean {
  const denied = fs.options.readOnly ? E.ROFS : deniedSize(inode, size);
  if (denied !== 0) {
    request.error(denied);
    return false;
  }
  if (size === inode.size || !fs.guard.concerns(inode.ino)) return true;
  const change =
    size < inode.size
      ? { row: 'shrink' as const, offset: size, length: Number.POSITIVE_INFINITY }
      : { row: 'grow' as const, offset: inode.size, length: size - inode.size };
  return fs.guard.admit(request, inode, operation, [change], fh, nonblocking);
}

function deniedSize(inode: Inode, size: number): number {
  if (inode.isDirectory) return E.ISDIR;
  if (!inode.isRegular) return E.INVAL;
  if (inode.isFixed) return E.PERM;
  return size > MAX_SIZE ? E.FBIG : 0;
}

/** Sets the size after `admitSize` allowed it: 0 or an errno, and then nothing has changed. The caller stamps the times. */
export function setSize(fs: Filesystem, inode: Inode, size: number): number {
  // The same size frees what is allocated behind the end; with leases it is no change at all (no row of the matrix).
  if (size === inode.size && fs.guard.concerns(inode.ino)) return 0;
  const errno = fs.blockmap.truncate(inode, inode.size, size);
  if (errno !== 0) return errno;
  inode.size = size;
  fs.inodes.touch(inode);
  return 0;
}
