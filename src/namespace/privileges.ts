import type { Inode } from './inode.ts';
import { S } from './inode.ts';
import type { Xattrs } from './xattrs.ts';

type Removing = Pick<Xattrs, 'remove'>;

const CAPABILITY = Buffer.from('security.capability');

/**
 * Takes from a file what must not survive a change of its contents by somebody without CAP_FSETID, or a chown(2) by
 * anybody: set-user-ID, file capabilities (FUSE_HANDLE_KILLPRIV_V2), and set-group-ID where the group may execute or
 * else unless `keepsGroupId` (setattr_should_drop_sgid in fs/attr.c). Directories keep theirs. Says whether anything
 * changed; stamping and touching are the caller's.
 */
export function dropPrivileges(inode: Inode, xattrs: Removing, keepsGroupId: () => boolean): boolean {
  if (inode.isDirectory) return false;
  let drop = inode.mode & S.ISUID;
  if ((inode.mode & S.ISGID) !== 0 && ((inode.mode & S.IXGRP) !== 0 || !keepsGroupId())) drop |= S.ISGID;
  inode.mode &= ~drop;
  return dropCapabilities(inode, xattrs) || drop !== 0;
}

/** File capabilities end with any change of contents, whoever makes it (file_remove_privs in fs/inode.c). */
export function dropCapabilities(inode: Inode, xattrs: Removing): boolean {
  return inode.isRegular && xattrs.remove(inode, CAPABILITY);
}
