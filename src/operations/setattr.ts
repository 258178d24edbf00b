import { FATTR } from '../fuse/protocol.ts';
import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { dropPrivileges } from '../namespace/privileges.ts';
import { E } from '../system/errno.ts';
import { contentsChanged, failedForSpace } from './contents.ts';
import { checkWritable } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { keepsGroupId, permits } from './permission.ts';
import { replyAttributes } from './reply.ts';
import { admitSize, setSize } from './truncate.ts';

/** Fields of fuse_setattr_in, bytes from its start. */
const AT = { FH: 8, SIZE: 16, ATIME: 32, MTIME: 40, ATIME_NS: 56, MTIME_NS: 60, MODE: 68, UID: 76, GID: 80 } as const;

/** What takes set-ID bits and capabilities from a file. */
const DROPS = FATTR.UID | FATTR.GID | FATTR.KILL_SUIDGID;

const CHANGES = DROPS | FATTR.MODE | FATTR.SIZE | FATTR.ATIME | FATTR.MTIME;

/** uid_t and gid_t that mean "none". */
const NO_ID = 0xffffffff;

/**
 * FUSE_SETATTR: chmod, chown, utimensat, truncate. The kernel has checked who may (default_permissions); what it cannot
 * know, the file flags, is checked here. Only a change of size can wait for a lease, so it goes first.
 *
 * A request that asks for nothing is what the kernel makes of ATTR_KILL_SUID and ATTR_KILL_SGID alone
 * (HANDLE_KILLPRIV_V2): before fallocate and copy_file_range by somebody without CAP_FSETID, and for a chown(2) to -1, -1
 * by anybody at all. Who may neither change the owner nor write changes nothing by it; what comes from a descriptor that
 * he has from others takes the bits itself.
 */
export function setattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const valid = request.u32(0);
  if ((valid & CHANGES) === 0 && (valid !== 0 || !mayChange(fs, request, inode))) {
    return replyAttributes(fs, request, inode);
  }
  const denied = check(fs, request, inode, valid);
  if (denied !== 0) return request.error(denied);
  if ((valid & FATTR.SIZE) !== 0) {
    const fh = (valid & FATTR.FH) === 0 ? 0 : request.u64(AT.FH);
    const size = request.u64(AT.SIZE);
    const before = inode.size;
    // Waits even where O_NONBLOCK was given to open(2): truncate(1) opens so for the sake of FIFOs, and means no more by it.
    if (!admitSize(fs, request, inode, size, fh, false)) return;
    const errno = setSize(fs, inode, size);
    if (errno !== 0) return failedForSpace(fs, request, errno);
    contentsChanged(fs, inode, Math.min(size, before), Number.POSITIVE_INFINITY);
  }
  if (valid === 0 || (valid & DROPS) !== 0) {
    dropPrivileges(inode, fs.xattrs, () => keepsGroupId(request, inode.gid));
  }
  if ((valid & FATTR.UID) !== 0) inode.uid = request.u32(AT.UID);
  if ((valid & FATTR.GID) !== 0) inode.gid = request.u32(AT.GID);
  if ((valid & FATTR.MODE) !== 0) {
    fs.acls.chmod(inode, (inode.mode & S.IFMT) | (request.u32(AT.MODE) & S.PERMISSIONS));
  }
  fs.inodes.touchAttributes(inode);
  setTimes(fs, request, inode, valid);
  replyAttributes(fs, request, inode);
}

function mayChange(fs: Filesystem, request: Request, inode: Inode): boolean {
  return request.uid === inode.uid || permits(fs, inode, request, 2);
}

/** What may not be changed: file flags as in notify_change() and ext4_setattr(), ids that are none. */
function check(fs: Filesystem, request: Request, inode: Inode, valid: number): number {
  if (checkWritable(fs) !== 0) return E.ROFS;
  if ((valid & FATTR.UID) !== 0 && request.u32(AT.UID) === NO_ID) return E.INVAL;
  if ((valid & FATTR.GID) !== 0 && request.u32(AT.GID) === NO_ID) return E.INVAL;
  if (inode.isImmutable) return E.PERM;
  if (!inode.isAppendOnly) return 0;
  // Both set to now is no time given; one of them alone is (ATTR_TIMES_SET in vfs_utimes()).
  const times = valid & (FATTR.ATIME | FATTR.MTIME | FATTR.ATIME_NOW | FATTR.MTIME_NOW);
  const givesTime = times !== 0 && times !== (FATTR.ATIME | FATTR.MTIME | FATTR.ATIME_NOW | FATTR.MTIME_NOW);
  return givesTime || (valid & (FATTR.MODE | FATTR.UID | FATTR.GID)) !== 0 ? E.PERM : 0;
}

/** Times given, or now: that of the change time just stamped, so that a touch(1) leaves all three equal. */
function setTimes(fs: Filesystem, request: Request, inode: Inode, valid: number): void {
  const { times } = fs.inodes;
  if ((valid & FATTR.ATIME_NOW) !== 0) times.setAtime(inode, inode.ctimeS, inode.ctimeNs);
  else if ((valid & FATTR.ATIME) !== 0) times.setAtime(inode, request.i64(AT.ATIME), request.u32(AT.ATIME_NS));
  if ((valid & FATTR.MTIME_NOW) !== 0) times.setMtime(inode, inode.ctimeS, inode.ctimeNs);
  else if ((valid & FATTR.MTIME) !== 0) times.setMtime(inode, request.i64(AT.MTIME), request.u32(AT.MTIME_NS));
}
