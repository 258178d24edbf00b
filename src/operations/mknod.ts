import type { Request } from '../fuse/request.ts';
import { createInode } from '../namespace/creation.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import { checkCreate, checkSpace } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { replyNewEntry } from './reply.ts';

/** Bytes of fuse_mknod_in; the name follows. */
const HEAD = 16;

/** FUSE_MKNOD: regular files, FIFOs, sockets, devices. */
export function mknod(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid);
  const name = request.name(HEAD);
  const errno = checkCreate(fs, parent, name) || checkSpace(fs);
  if (errno !== 0) return request.error(errno);
  const format = request.u32(0) & S.IFMT || S.IFREG;
  const isDevice = format === S.IFCHR || format === S.IFBLK;
  if (!isDevice && format !== S.IFREG && format !== S.IFIFO && format !== S.IFSOCK) return request.error(E.INVAL);
  const mode = format | (request.u32(0) & S.PERMISSIONS);
  const inode = addFile(fs, request, parent as Inode, name, mode, request.u32(8), isDevice ? request.u32(4) : 0);
  replyNewEntry(fs, request, parent as Inode, inode);
}

/** A new file of any type but directory, with its first name; everything has been checked. */
export function addFile(
  fs: Filesystem,
  request: Request,
  parent: Inode,
  name: Buffer,
  mode: number,
  umask: number,
  rdev = 0,
): Inode {
  const inode = createInode(fs.inodes, fs.acls, parent, mode, umask, request, rdev);
  inode.nlink = 1;
  fs.dentries.insert(parent, name, inode);
  fs.inodes.touchChange(parent);
  return inode;
}
