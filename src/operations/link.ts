import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { LINK_MAX } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import { checkCreate } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { replyNewEntry } from './reply.ts';

/** Bytes of fuse_link_in; the name follows. */
const HEAD = 8;

/** FUSE_LINK: one more name of a file; also the first one of an O_TMPFILE. */
export function link(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid) as Inode;
  const inode = fs.inodes.get(request.u64(0));
  const name = request.name(HEAD);
  const errno = checkCreate(fs, parent, name);
  if (errno !== 0) return request.error(errno);
  if (inode === undefined) return request.error(E.STALE);
  if (inode.isDirectory || inode.isFixed) return request.error(E.PERM);
  if (inode.nlink === 0 && !inode.linkable) return request.error(E.NOENT);
  if (inode.nlink >= LINK_MAX) return request.error(E.MLINK);
  fs.dentries.insert(parent, name, inode);
  fs.inodes.touchChange(parent);
  fs.inodes.addLink(inode);
  replyNewEntry(fs, request, parent, inode);
}
