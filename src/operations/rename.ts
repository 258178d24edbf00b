import type { Request } from '../fuse/request.ts';
import { createInode } from '../namespace/creation.ts';
import type { Inode } from '../namespace/inode.ts';
import { FLAG, ROOT_INO, S } from '../namespace/inode.ts';
import { dots } from '../namespace/names.ts';
import { E } from '../system/errno.ts';
import { replyChanged } from './contents.ts';
import { checkFlagsOfRemoval, checkSpace, checkTarget, checkWritable, isControlName } from './entries.ts';
import type { Filesystem } from './filesystem.ts';

/** Flags of renameat2(2). */
const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

/** Bytes of fuse_rename_in and fuse_rename2_in; the two names follow. */
const HEAD = 8;
const HEAD2 = 16;

/** A name in a directory, and what it means: undefined when nothing. */
interface Place {
  parent: Inode;
  name: Buffer;
  inode: Inode | undefined;
}

/** FUSE_RENAME. */
export function rename(fs: Filesystem, request: Request): void {
  move(fs, request, HEAD, 0);
}

/** FUSE_RENAME2: with the flags of renameat2(2). */
export function rename2(fs: Filesystem, request: Request): void {
  move(fs, request, HEAD2, request.u32(8));
}

/** Rows 17 and 18 of the matrix: no lease is asked, not even that of a file that loses its last name. */
function move(fs: Filesystem, request: Request, head: number, flags: number): void {
  if (checkWritable(fs) !== 0) return request.error(E.ROFS);
  const oldName = request.name(head);
  const from = placeOf(fs, request.nodeid, oldName);
  if (typeof from === 'number') return request.error(from);
  const to = placeOf(fs, request.u64(0), request.nextName(oldName));
  if (typeof to === 'number') return request.error(to);
  const errno = check(fs, from, to, flags);
  if (errno !== 0) return request.error(errno);
  if (from.inode !== to.inode) {
    if ((flags & RENAME.EXCHANGE) !== 0) exchange(fs, from, to);
    else replace(fs, request, from, to, (flags & RENAME.WHITEOUT) !== 0);
  }
  replyChanged(fs, request, (from.parent.flags & FLAG.DIRSYNC) === 0 ? to.parent : from.parent);
}

function placeOf(fs: Filesystem, nodeid: number, name: Buffer): Place | number {
  const parent = fs.inodes.get(nodeid);
  const bad = checkTarget(parent, name);
  if (bad !== 0) return bad;
  if (dots(name) > 0 || isControlName(fs, nodeid, name)) return E.BUSY;
  const ino = fs.dentries.lookup(nodeid, name);
  const inode = ino === 0 ? undefined : fs.inodes.get(ino);
  if (ino !== 0 && inode === undefined) return E.IO;
  return { parent: parent as Inode, name, inode };
}

function check(fs: Filesystem, from: Place, to: Place, flags: number): number {
  const exchanges = (flags & RENAME.EXCHANGE) !== 0;
  if ((flags & ~(RENAME.NOREPLACE | RENAME.EXCHANGE | RENAME.WHITEOUT)) !== 0) return E.INVAL;
  if (exchanges && flags !== RENAME.EXCHANGE) return E.INVAL;
  const { inode } = from;
  const target = to.inode;
  if (inode === undefined) return E.NOENT;
  if (target === undefined && exchanges) return E.NOENT;
  if (target !== undefined && (flags & RENAME.NOREPLACE) !== 0) return E.EXIST;
  if (inode === target) return 0;
  if (inode.isDirectory && isInside(fs, to.parent, inode)) return E.INVAL;
  if (exchanges && target?.isDirectory && isInside(fs, from.parent, target)) return E.INVAL;
  if (target !== undefined && !exchanges) {
    if (inode.isDirectory && !target.isDirectory) return E.NOTDIR;
    if (!inode.isDirectory && target.isDirectory) return E.ISDIR;
  }
  const denied =
    checkFlagsOfRemoval(from.parent, inode) || (target === undefined ? 0 : checkFlagsOfRemoval(to.parent, target));
  if (denied !== 0 || to.parent.isImmutable) return E.PERM;
  if (target?.isDirectory && !exchanges && !fs.dentries.isEmpty(target)) return E.NOTEMPTY;
  return (flags & RENAME.WHITEOUT) !== 0 ? checkSpace(fs) : 0;
}

/** Whether `directory` is `ancestor` or below it. */
function isInside(fs: Filesystem, directory: Inode, ancestor: Inode): boolean {
  let ino = directory.ino;
  while (ino !== ancestor.ino) {
    if (ino === ROOT_INO) return false;
    ino = fs.inodes.get(ino)?.parent ?? ROOT_INO;
  }
  return true;
}

/**
 * Moves the name, over the target's if there is one. The target's entry stays in its place and changes its meaning, so
 * that a reader of the directory sees the name exactly once.
 */
function replace(fs: Filesystem, request: Request, from: Place, to: Place, whiteout: boolean): void {
  const inode = from.inode as Inode;
  const target = to.inode;
  if (target !== undefined) fs.dentries.replace(to.parent, to.name, inode);
  else fs.dentries.insert(to.parent, to.name, inode);
  if (whiteout) leaveWhiteout(fs, request, from);
  else fs.dentries.remove(from.parent, from.name);
  if (inode.isDirectory) {
    from.parent.nlink--;
    to.parent.nlink++;
    inode.parent = to.parent.ino;
  }
  stamp(fs, from, to);
  if (target === undefined) return;
  if (target.isDirectory) to.parent.nlink--;
  fs.inodes.touchAttributes(target);
  fs.inodes.dropLink(target);
}

/** What overlayfs puts where a name of a lower layer shall be hidden: a character device 0/0. */
function leaveWhiteout(fs: Filesystem, request: Request, from: Place): void {
  const whiteout = createInode(fs.inodes, fs.acls, from.parent, S.IFCHR, 0, request);
  whiteout.nlink = 1;
  fs.dentries.replace(from.parent, from.name, whiteout);
}

function exchange(fs: Filesystem, from: Place, to: Place): void {
  const one = from.inode as Inode;
  const other = to.inode as Inode;
  fs.dentries.replace(from.parent, from.name, other);
  fs.dentries.replace(to.parent, to.name, one);
  const moved = Number(one.isDirectory) - Number(other.isDirectory);
  from.parent.nlink -= moved;
  to.parent.nlink += moved;
  if (one.isDirectory) one.parent = to.parent.ino;
  if (other.isDirectory) other.parent = from.parent.ino;
  stamp(fs, from, to);
  fs.inodes.touchAttributes(other);
}

/** Both directories changed; the moved inode's ctime changes too, as on ext4. */
function stamp(fs: Filesystem, from: Place, to: Place): void {
  fs.inodes.touchChange(from.parent);
  if (to.parent !== from.parent) fs.inodes.touchChange(to.parent);
  fs.inodes.touchAttributes(from.inode as Inode);
}
