import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { replyChanged } from './contents.ts';
import { checkCreate, checkSpace } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { addFile } from './mknod.ts';
import { openHandle } from './open.ts';
import { writeEntry } from './reply.ts';

/** Bytes of fuse_create_in; the name follows. */
const HEAD = 16;

/** FUSE_CREATE: open(2) with O_CREAT of a name that the kernel believes free. */
export function create(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid);
  const name = request.name(HEAD);
  const errno = checkCreate(fs, parent, name) || checkSpace(fs);
  if (errno === E.EXIST) return openExisting(fs, request, (parent as Inode).ino, name);
  if (errno !== 0) return request.error(errno);
  const mode = S.IFREG | (request.u32(4) & S.PERMISSIONS);
  const inode = addFile(fs, request, parent as Inode, name, mode, request.u32(8));
  replyOpened(fs, request, parent as Inode, inode);
}

/** Entry and open handle in one reply. */
export function replyOpened(fs: Filesystem, request: Request, directory: Inode, inode: Inode): void {
  const { start } = request.out;
  const length = writeEntry(fs, request, inode, start);
  replyChanged(fs, request, directory, length + openHandle(fs, request, inode, start + length));
}

/**
 * The name was taken meanwhile, behind the kernel's back: only the control directory and recovery can do that. Without
 * O_EXCL the kernel is told to look again and open what is there (ESTALE makes it start over with a fresh lookup).
 */
function openExisting(fs: Filesystem, request: Request, parent: number, name: Buffer): void {
  const exclusive = (request.u32(0) & O.EXCL) !== 0;
  request.error(exclusive || fs.dentries.lookup(parent, name) === 0 ? E.EXIST : E.STALE);
}
