import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_READLINK: the target as bytes, without a NUL. */
export function readlink(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  if (!inode.isSymlink) return request.error(E.INVAL);
  const target = fs.symlinks.read(inode.ino);
  if (target === undefined) return request.error(E.IO);
  fs.inodes.noteAccess(inode);
  request.out.bytes.set(target, request.out.start);
  request.ok(target.length);
}
