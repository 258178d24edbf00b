import type { Request } from '../fuse/request.ts';
import { aclPermits } from '../namespace/acl.ts';
import type { Inode } from '../namespace/inode.ts';
import { groupsOf } from '../system/process.ts';
import type { Filesystem } from './filesystem.ts';

/** Who asks, as far as a request tells. */
export type Caller = Pick<Request, 'uid' | 'gid' | 'pid'>;

/**
 * Whether the caller is in a group. Requests name only one group; the others are asked of /proc, which is slow, so
 * this is for the rare cases. A process that is gone has none.
 */
export function isMember(caller: Caller, gid: number): boolean {
  return caller.gid === gid || (caller.pid !== 0 && (groupsOf(caller.pid) ?? []).includes(gid));
}

/** Whether a set-group-ID bit that gives no execution outlives what the caller does: in_group_or_capable() in fs/inode.c. */
export function keepsGroupId(caller: Caller, gid: number): boolean {
  return caller.uid === 0 || isMember(caller, gid);
}

/**
 * Whether mode bits and ACL give the caller `want` (rwx bits: 4 read, 2 write, 1 execute), as the kernel decides with
 * default_permissions; for what does not come through the kernel's check: ACCESS and the paths of the control file.
 */
export function permits(fs: Filesystem, inode: Inode, caller: Caller, want: number): boolean {
  const { mode, uid, gid } = inode;
  if (caller.uid === 0) return (want & 1) === 0 || inode.isDirectory || (mode & 0o111) !== 0;
  if (caller.uid === uid) return ((mode >> 6) & want) === want;
  const acl = fs.acls.access(inode);
  const inGroup = (group: number): boolean => isMember(caller, group);
  if (acl !== undefined) return aclPermits(acl, uid, gid, caller.uid, inGroup, want);
  // Where both classes agree, membership does not matter and is not looked up.
  const group = ((mode >> 3) & want) === want;
  const others = (mode & want) === want;
  return group === others ? others : inGroup(gid) ? group : others;
}
