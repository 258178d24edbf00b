import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { TARGET_MAX } from '../namespace/names.ts';
import { E } from '../system/errno.ts';
import { checkCreate, checkSpace } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { addFile } from './mknod.ts';
import { replyNewEntry } from './reply.ts';

/** FUSE_SYMLINK: the name, then the target. */
export function symlink(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid);
  const name = request.name(0);
  const target = request.nextName(name);
  const errno = checkCreate(fs, parent, name) || checkSpace(fs);
  if (errno !== 0) return request.error(errno);
  if (target.length === 0) return request.error(E.NOENT);
  if (target.length > TARGET_MAX) return request.error(E.NAMETOOLONG);
  const inode = addFile(fs, request, parent as Inode, name, S.IFLNK | 0o777, 0);
  fs.symlinks.create(inode, target);
  replyNewEntry(fs, request, parent as Inode, inode);
}
