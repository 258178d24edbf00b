import type { Request } from '../fuse/request.ts';
import { createInode } from '../namespace/creation.ts';
import { S } from '../namespace/inode.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { replyOpened } from './create.ts';
import { checkSpace } from './entries.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_TMPFILE (7.37): open(2) with O_TMPFILE. A file without a name; LINK may give it one unless O_EXCL forbids. */
export function tmpfile(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid);
  if (parent === undefined) return request.error(E.STALE);
  if (!parent.isDirectory) return request.error(E.NOTDIR);
  if (parent.nlink === 0) return request.error(E.NOENT);
  const errno = parent.isImmutable ? E.PERM : checkSpace(fs);
  if (errno !== 0) return request.error(errno);
  const mode = S.IFREG | (request.u32(4) & S.PERMISSIONS);
  const inode = createInode(fs.inodes, fs.acls, parent, mode, request.u32(8), request);
  inode.linkable = (request.u32(0) & O.EXCL) === 0;
  fs.inodes.adoptOrphan(inode);
  replyOpened(fs, request, parent, inode);
}
