import type { Inode } from './inode.ts';
import { S } from './inode.ts';
import type { Xattrs } from './xattrs.ts';

const CAPABILITY = Buffer.from('security.capability');

/**
 * Takes from a file what must not survive a change of its contents by somebody without CAP_FSETID: set-user-ID,
 * set-group-ID where the group may execute, and file capabilities (FUSE_HANDLE_KILLPRIV_V2). Directories keep theirs.
 * Says whether anything changed; stamping and touching are the caller's.
 */
export function dropPrivileges(inode: Inode, xattrs: Xattrs): boolean {
  if (inode.isDirectory) return false;
  let drop = inode.mode & S.ISUID;
  if ((inode.mode & S.IXGRP) !== 0) drop |= inode.mode & S.ISGID;
  inode.mode &= ~drop;
  return dropCapabilities(inode, xattrs) || drop !== 0;
}

/** File capabilities end with any change of contents, whoever makes it (file_remove_privs in fs/inode.c). */
export function dropCapabilities(inode: Inode, xattrs: Xattrs): boolean {
  return inode.isRegular && xattrs.remove(inode, CAPABILITY);
}

/**
 * What chown takes, from root too: as `dropPrivileges`; a set-group-ID bit without group execution goes as well
 * unless `keepGroupId` (the caller is privileged or in the file's group: setattr_should_drop_sgid in fs/attr.c).
 */
export function dropPrivilegesOnChown(inode: Inode, xattrs: Xattrs, keepGroupId: boolean): void {
  if (inode.isDirectory) return;
  dropPrivileges(inode, xattrs);
  if (!keepGroupId) inode.mode &= ~S.ISGID;
}
