import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { dots } from '../namespace/names.ts';
import { E } from '../system/errno.ts';
import { replyChanged } from './contents.ts';
import { checkFlagsOfRemoval, checkTarget, checkWritable, isControlName } from './entries.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_RMDIR, of empty directories. */
export function rmdir(fs: Filesystem, request: Request): void {
  if (checkWritable(fs) !== 0) return request.error(E.ROFS);
  const parent = fs.inodes.get(request.nodeid) as Inode;
  const name = request.name(0);
  const bad = checkTarget(parent, name);
  if (bad !== 0) return request.error(bad);
  const dot = dots(name);
  if (dot > 0) return request.error(dot === 1 ? E.INVAL : E.NOTEMPTY);
  if (isControlName(fs, parent.ino, name)) return request.error(E.BUSY);
  const ino = fs.dentries.lookup(parent.ino, name);
  if (ino === 0) return request.error(E.NOENT);
  const directory = fs.inodes.get(ino);
  if (directory === undefined) return request.error(E.IO);
  if (!directory.isDirectory) return request.error(E.NOTDIR);
  const denied = checkFlagsOfRemoval(parent, directory);
  if (denied !== 0) return request.error(denied);
  if (!fs.dentries.isEmpty(directory)) return request.error(E.NOTEMPTY);
  fs.dentries.remove(parent, name);
  parent.nlink--;
  fs.inodes.touchChange(parent);
  fs.inodes.touchAttributes(directory);
  fs.inodes.dropLink(directory);
  replyChanged(fs, request, parent);
}
