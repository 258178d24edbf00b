import type { Inode } from '../namespace/inode.ts';
import { ROOT_INO } from '../namespace/inode.ts';
import { checkName, dots } from '../namespace/names.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/** Checks that operations on names share. Each answers 0 or a positive errno and changes nothing. */

/** Whether the name is that of the control directory. */
export function isControlName(fs: Filesystem, parent: number, name: Buffer): boolean {
  const { controlName } = fs.options;
  return parent === ROOT_INO && controlName.length > 0 && name.equals(controlName);
}

/** EROFS when nothing may be changed: mounted so, or since the metadata failed (errors=remount-ro). */
export function checkWritable(fs: Filesystem): number {
  return fs.options.readOnly || fs.volume.commits.failed !== 0 ? E.ROFS : 0;
}

/** ENOSPC when the volume may hold no more inodes. */
export function checkSpace(fs: Filesystem): number {
  return checkWritable(fs) || (fs.inodes.isFull ? E.NOSPC : 0);
}

/**
 * Whether `name` may be added to a directory: it exists and has a name itself (ENOENT), is not immutable (EPERM: an
 * append-only one may grow), and the name is good and free (EEXIST).
 */
export function checkCreate(fs: Filesystem, parent: Inode | undefined, name: Buffer): number {
  const bad = checkWritable(fs) || checkTarget(parent, name);
  if (bad !== 0) return bad;
  const { ino, isImmutable } = parent as Inode;
  if (dots(name) > 0 || isControlName(fs, ino, name) || fs.dentries.lookup(ino, name) !== 0) return E.EXIST;
  return isImmutable ? E.PERM : 0;
}

/** Whether the directory can have entries and the name is one. */
export function checkTarget(parent: Inode | undefined, name: Buffer): number {
  if (parent === undefined) return E.STALE;
  if (!parent.isDirectory) return E.NOTDIR;
  const bad = checkName(name);
  if (bad !== 0) return bad;
  return parent.nlink === 0 ? E.NOENT : 0;
}

/** Whether flags allow that `inode` loses its name in `parent` (may_delete of the kernel): EPERM. */
export function checkFlagsOfRemoval(parent: Inode, inode: Inode): number {
  return parent.isFixed || inode.isFixed ? E.PERM : 0;
}
