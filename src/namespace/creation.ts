import type { Acls } from './acls.ts';
import { EMPTY_SIZE } from './dentries.ts';
import { FLAG, type Inode, S } from './inode.ts';
import type { Inodes } from './inodes.ts';

/** Flags that a directory hands on (chattr(1), as ext4 does): to directories, to regular files, to the others. */
const TO_OTHERS = FLAG.NODUMP | FLAG.NOATIME;
const TO_FILES = TO_OTHERS | FLAG.SYNC | FLAG.DAX;
const TO_DIRECTORIES = TO_FILES | FLAG.DIRSYNC | FLAG.PROJINHERIT;

/**
 * A new inode of a directory, not yet named: owned by the caller, in the directory's group where that has set-group-ID
 * (subdirectories then have it too), with the directory's project where that is handed on, and those of its flags that are;
 * its mode cut by the directory's default ACL or else by the umask.
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
  if (parent.flags !== 0) {
    inode.flags = parent.flags & (isDirectory ? TO_DIRECTORIES : inode.isRegular ? TO_FILES : TO_OTHERS);
    if ((parent.flags & FLAG.PROJINHERIT) !== 0) inode.projid = parent.projid;
  }
  acls.inherit(parent, inode, umask);
  return inode;
}
