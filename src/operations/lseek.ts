import { putLseek } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { SEEK } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_LSEEK, lseek(2) with SEEK_DATA and SEEK_HOLE; the kernel does the others itself. */
export function lseek(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const offset = request.i64(8);
  const whence = request.u32(16);
  if (whence !== SEEK.DATA && whence !== SEEK.HOLE) return request.error(E.INVAL);
  if (offset < 0 || offset >= inode.size) return request.error(E.NXIO);
  const found = whence === SEEK.DATA ? fs.blockmap.nextData(inode, offset) : fs.blockmap.nextHole(inode, offset);
  if (found < 0) request.error(-found);
  else request.ok(putLseek(request.out.view, request.out.start, found));
}
