import type { Request } from '../fuse/request.ts';
import { createInode } from '../namespace/creation.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { checkCreate, checkSpace } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { replyNewEntry } from './reply.ts';

/** Bytes of fuse_mkdir_in; the name follows. */
const HEAD = 8;

/** FUSE_MKDIR. A directory has two links, and its parent one more. */
export function mkdir(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid) as Inode;
  const name = request.name(HEAD);
  const errno = checkCreate(fs, parent, name) || checkSpace(fs);
  if (errno !== 0) return request.error(errno);
  const mode = S.IFDIR | (request.u32(0) & S.PERMISSIONS);
  const directory = createInode(fs.inodes, fs.acls, parent, mode, request.u32(4), request);
  directory.nlink = 2;
  parent.nlink++;
  fs.dentries.insert(parent, name, directory);
  fs.inodes.touchChange(parent);
  replyNewEntry(fs, request, parent, directory);
}
