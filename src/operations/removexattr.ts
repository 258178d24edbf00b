import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import { checkWritable } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { deniedByFlags, isHidden, KIND, kindOf } from './xattr-names.ts';

/** FUSE_REMOVEXATTR. To remove an ACL that is not there is no error, as on ext4. */
export function removexattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  if (checkWritable(fs) !== 0) return request.error(E.ROFS);
  const name = request.name(0);
  const kind = kindOf(inode, name);
  if (kind < 0) return request.error(-kind);
  if (kind === KIND.VIRTUAL) return request.error(E.PERM);
  const denied = deniedByFlags(inode);
  if (denied !== 0) return request.error(denied);
  if (isHidden(name, request.uid) || !fs.xattrs.remove(inode, name)) {
    if (kind === KIND.PLAIN) return request.error(E.NODATA);
    return request.ok();
  }
  fs.inodes.touchAttributes(inode);
  request.ok();
}
