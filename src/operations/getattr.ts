import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { replyAttributes } from './reply.ts';

/** FUSE_GETATTR: stat(2), when the kernel's copy is not good enough. */
export function getattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  replyAttributes(fs, request, inode);
}
