import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { replyBytes } from './getxattr.ts';
import { isHidden } from './xattr-names.ts';

const NUL = Buffer.alloc(1);

/** FUSE_LISTXATTR: names, each with its NUL. */
export function listxattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const names = fs.xattrs.list(inode).filter((name) => !isHidden(name, request.uid));
  replyBytes(request, Buffer.concat(names.flatMap((name) => [name, NUL])), request.u32(0));
}
