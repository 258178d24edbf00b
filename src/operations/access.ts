import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import { checkWritable } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { permits } from './permission.ts';

const W_OK = 2;

/** FUSE_ACCESS, access(2): sent only by mounts without default_permissions. */
export function access(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const want = request.u32(0) & 7;
  if ((want & W_OK) !== 0) {
    if (checkWritable(fs) !== 0 && (inode.isRegular || inode.isDirectory)) return request.error(E.ROFS);
    if (inode.isImmutable) return request.error(E.PERM);
  }
  if (permits(fs, inode, request, want)) request.ok();
  else request.error(E.ACCES);
}
