import type { Acls } from './acls.ts';
import { EMPTY_SIZE } from './dentries.ts';
import type { Inode } from './inode.ts';
import { S } from './inode.ts';
import type { Inodes } from './inodes.ts';

/**
 * A new inode of a directory, not yet named: owned by the caller, in the directory's group where that has set-group-ID
 * (subdirectories then have it too), its mode cut by the directory's default ACL or else by the umask.
 */
export function createInode(
  inodes: Inodes,
  acls: Acls,
  parent: Inode,
  mode: number,
  umask: number,
  caller: { readonly uid: number; readonly gid: number },
  rdev = 0,
): Inode {
  const inherits = (parent.mode & S.ISGID) !== 0;
  const isDirectory = (mode & S.IFMT) === S.IFDIR;
  const inode = inodes.create(
    inherits && isDirectory ? mode | S.ISGID : mode,
    caller.uid,
    inherits ? parent.gid : caller.gid,
    rdev,
  );
  if (isDirectory) {
    inode.parent = parent.ino;
    inode.size = EMPTY_SIZE;
  }
  acls.inherit(parent, inode, umask);
  return inode;
}
