import type { Request } from '../fuse/request.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_READ. Row 1 of the matrix: allowed under every lease. */
export function read(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const offset = request.u64(8);
  const wanted = Math.min(request.u32(16), request.out.capacity);
  const length = Math.min(wanted, inode.size - offset);
  if ((request.u32(32) & O.NOATIME) === 0) fs.inodes.noteAccess(inode);
  if (length <= 0) return request.ok(0);
  const done = fs.blockmap.read(inode, offset, length, request.out.address);
  if (done < 0) request.error(-done);
  else request.ok(done);
}
