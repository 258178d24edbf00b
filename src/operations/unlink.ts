import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import { replyChanged } from './contents.ts';
import { checkFlagsOfRemoval, checkTarget, checkWritable, isControlName } from './entries.ts';
import type { Filesystem } from './filesystem.ts';

/**
 * FUSE_UNLINK. Rows 17 and 18 of the matrix: a name goes at once under every lease; the blocks stay until the file is
 * closed, forgotten by the kernel and free of leases (`Reaper.reap`).
 */
export function unlink(fs: Filesystem, request: Request): void {
  if (checkWritable(fs) !== 0) return request.error(E.ROFS);
  const parent = fs.inodes.get(request.nodeid) as Inode;
  const name = request.name(0);
  const bad = checkTarget(parent, name);
  if (bad !== 0) return request.error(bad);
  if (isControlName(fs, parent.ino, name)) return request.error(E.PERM);
  const ino = fs.dentries.lookup(parent.ino, name);
  if (ino === 0) return request.error(E.NOENT);
  const inode = fs.inodes.get(ino);
  if (inode === undefined) return request.error(E.IO);
  if (inode.isDirectory) return request.error(E.ISDIR);
  const denied = checkFlagsOfRemoval(parent, inode);
  if (denied !== 0) return request.error(denied);
  fs.dentries.remove(parent, name);
  fs.inodes.touchChange(parent);
  fs.inodes.touchAttributes(inode);
  fs.inodes.dropLink(inode);
  replyChanged(fs, request, parent);
}
