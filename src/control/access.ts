import { statSync } from 'node:fs';
import { aclPermits, decodeAcl } from '../namespace/acl.ts';
import { S, XATTRS } from '../namespace/inode.ts';
import { dropCapabilities, dropPrivileges } from '../namespace/privileges.ts';
import type { Access, Caller, Inode, Xattrs } from './ports.ts';

const ACL_NAME = Buffer.from('system.posix_acl_access');

/**
 * Permission by mode bits and access ACL, as the kernel judges it for paths. Needed here because paths inside
 * requests, and files opened by way of `.layout/direct`, never pass the kernel's own check.
 */
export class FileAccess implements Access {
  private readonly xattrs: Xattrs | undefined;

  constructor(xattrs?: Xattrs) {
    this.xattrs = xattrs;
  }

  /** `wanted`: 4 read, 2 write, 1 search or execute, or a sum of them. */
  allows(inode: Inode, caller: Caller, wanted: number): boolean {
    const { uid } = caller;
    // CAP_DAC_OVERRIDE: root may do all but execute what nobody may.
    if (uid === 0) return (wanted & 1) === 0 || inode.isDirectory || (inode.mode & 0o111) !== 0;
    if (uid === inode.uid) return ((inode.mode >> 6) & wanted) === wanted;
    // The group bits are the ACL's mask: without any of them no entry of the ACL grants anything.
    const stored = (inode.mode & 0o070) !== 0 ? this.xattrs?.get(inode, ACL_NAME) : undefined;
    const acl = stored && decodeAcl(stored);
    if (acl && typeof acl !== 'number')
      return aclPermits(acl, inode.uid, inode.gid, uid, (group) => inGroup(caller, group), wanted);
    return ((inGroup(caller, inode.gid) ? inode.mode >> 3 : inode.mode) & wanted) === wanted;
  }

  dropPrivileges(inode: Inode, caller: Pick<Caller, 'uid' | 'gid' | 'groups'>): boolean {
    const { xattrs } = this;
    if (!xattrs || (inode.xattrs === XATTRS.NONE && (inode.mode & (S.ISUID | S.ISGID)) === 0)) return false;
    if (caller.uid === 0) return dropCapabilities(inode, xattrs);
    return dropPrivileges(inode, xattrs, () => inGroup(caller, inode.gid));
  }
}

function inGroup({ gid, groups }: Pick<Caller, 'gid' | 'groups'>, group: number): boolean {
  return group === gid || groups.includes(group);
}

/** May the caller open the device of the volume and write to it? By owner and mode bits; false when it is not there. */
export function mayWriteDevice(path: string, caller: Caller): boolean {
  if (caller.privileged) return true;
  const device = statSync(path, { throwIfNoEntry: false });
  if (device === undefined) return false;
  const shift = caller.uid === device.uid ? 6 : inGroup(caller, device.gid) ? 3 : 0;
  return ((device.mode >> shift) & 2) !== 0;
}
