import { putIoctl } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { FLAG, type Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { fromXflags, IGNORED_FLAGS, SETTABLE_FLAGS, toXflags } from './flags.ts';

/** Requests of <linux/fs.h>; the kernel brings FS_IOC_SETFLAGS here only after it checked owner and capability. */
const FS_IOC = {
  GETFLAGS: 0x80086601,
  GETFLAGS32: 0x80046601,
  SETFLAGS: 0x40086602,
  SETFLAGS32: 0x40046602,
  GETVERSION: 0x80087601,
  GETVERSION32: 0x80047601,
  FSGETXATTR: 0x801c581f,
  FSSETXATTR: 0x401c5820,
} as const;

/** Bytes of fuse_ioctl_in and fuse_ioctl_out; the argument's bytes follow. */
const HEAD_IN = 32;
const HEAD_OUT = 16;
const SIZEOF_FSXATTR = 28;

/** FUSE_IOCTL on files and directories: the file flags here, the lease requests in the control layer. */
export function ioctl(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const command = request.u32(12);
  switch (command) {
    case FS_IOC.GETFLAGS:
    case FS_IOC.GETFLAGS32:
      return answer32(request, inode.flags);
    case FS_IOC.GETVERSION:
    case FS_IOC.GETVERSION32:
      return answer32(request, 0);
    case FS_IOC.SETFLAGS:
    case FS_IOC.SETFLAGS32: {
      if (request.end - request.body < HEAD_IN + 4) return request.error(E.INVAL);
      return setFlags(fs, request, inode, request.u32(HEAD_IN) & ~IGNORED_FLAGS);
    }
    case FS_IOC.FSGETXATTR:
      return getXflags(fs, request, inode);
    case FS_IOC.FSSETXATTR: {
      if (request.end - request.body < HEAD_IN + SIZEOF_FSXATTR) return request.error(E.INVAL);
      const flags = fromXflags(request.u32(HEAD_IN), inode.flags);
      if (flags < 0) return request.error(E.OPNOTSUPP);
      const projid = request.u32(HEAD_IN + 12);
      if (projid !== inode.projid) {
        inode.projid = projid;
        fs.inodes.touchAttributes(inode);
      }
      return setFlags(fs, request, inode, flags);
    }
    default:
      if (fs.control?.ioctl(request, inode)) return;
      return request.error(E.NOTTY);
  }
}

function answer32(request: Request, value: number): void {
  const { view, start } = request.out;
  putIoctl(view, start, 0);
  const size = Math.min(Math.max(request.u32(28), 4), 8);
  view.setUint32(start + HEAD_OUT, value, true);
  view.setUint32(start + HEAD_OUT + 4, 0, true);
  request.ok(HEAD_OUT + size);
}

function setFlags(fs: Filesystem, request: Request, inode: Inode, flags: number): void {
  if (!inode.isRegular && !inode.isDirectory) return request.error(E.OPNOTSUPP);
  if ((flags & ~SETTABLE_FLAGS) !== 0) return request.error(E.OPNOTSUPP);
  const parked = request.park();
  const set = (): void => {
    if (flags !== inode.flags) {
      inode.flags = flags;
      fs.inodes.touchAttributes(inode);
    }
    // The kernel does not know that this moved ctime: it has to ask again before the caller goes on.
    fs.forgetAttributes(inode.ino).then(() => parked.ok(putIoctl(parked.out.view, parked.out.start, 0)));
  };
  // What was stored into mappings before is written back before nothing can be written any more.
  if ((flags & ~inode.flags & FLAG.IMMUTABLE) !== 0 && inode.isRegular && inode.mayHavePages) {
    fs.forgetPages(inode.ino).then(set);
  } else set();
}

function getXflags(fs: Filesystem, request: Request, inode: Inode): void {
  const { view, start } = request.out;
  const at = start + putIoctl(view, start, 0);
  for (let i = 0; i < SIZEOF_FSXATTR; i += 4) view.setUint32(at + i, 0, true);
  view.setUint32(at, toXflags(inode.flags), true);
  view.setUint32(at + 8, inode.isRegular ? countExtents(fs, inode.ino) : 0, true);
  view.setUint32(at + 12, inode.projid, true);
  request.ok(HEAD_OUT + SIZEOF_FSXATTR);
}

function countExtents(fs: Filesystem, ino: number): number {
  let count = 0;
  for (let from = 0; ; ) {
    const rows = fs.blockmap.extents(ino, from, 1024);
    count += rows.length;
    if (rows.length < 1024) return count;
    const last = rows[rows.length - 1];
    from = last.fileBlock + last.length;
  }
}
