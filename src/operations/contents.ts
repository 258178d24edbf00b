import { WRITE } from '../blockmap/extent.ts';
import type { Request } from '../fuse/request.ts';
import type { Change } from '../lease/api.ts';
import type { RowName } from '../lease/rows.ts';
import type { Inode } from '../namespace/inode.ts';
import { FLAG, XATTRS } from '../namespace/inode.ts';
import { dropCapabilities, dropPrivileges } from '../namespace/privileges.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { type Caller, keepsGroupId } from './permission.ts';

/** Files end before this offset: 4 PiB. Writes beyond answer EFBIG. */
export const MAX_SIZE = 2 ** 52;

/** A change of contents by somebody without CAP_FSETID, as the kernel tells us (HANDLE_KILLPRIV_V2). */
export function killPrivileges(fs: Filesystem, caller: Caller, inode: Inode): void {
  if (dropPrivileges(inode, fs.xattrs, () => keepsGroupId(caller, inode.gid))) fs.inodes.touchAttributes(inode);
}

/**
 * The same after fallocate and copy_file_range, whose requests do not say who has CAP_FSETID. Kernels since 6.2 have
 * asked for it before (see setattr); what is left here is for older ones.
 */
export function killPrivilegesUntold(fs: Filesystem, caller: Caller, inode: Inode): void {
  if (caller.uid !== 0) killPrivileges(fs, caller, inode);
}

/**
 * What follows any change of contents: the file's capabilities end, mtime and ctime move, and windows of leases on the
 * file show the new bytes. The range is in bytes, `length` may be Infinity. `inPlace`: neither size nor blocks changed.
 */
export function contentsChanged(fs: Filesystem, inode: Inode, offset: number, length: number, inPlace = false): void {
  fs.control?.changed(inode.ino, offset, length);
  if (inode.xattrs !== XATTRS.NONE) dropCapabilities(inode, fs.xattrs);
  if (inPlace) fs.inodes.touchOverwritten(inode);
  else fs.inodes.touchChange(inode);
}

/** Ends an operation that changed nothing: for want of space only after fences were tried again (then it runs again). */
export function failedForSpace(fs: Filesystem, request: Request, errno: number): void {
  if (errno !== E.NOSPC || !fs.guard.waitForSpace(request)) request.error(errno);
}

/** What a write does to the blocks it meets, by WRITE: several, and each concerns only the bytes where it happens. */
const ROW_OF_WRITE: readonly (readonly [number, RowName])[] = [
  [WRITE.INPLACE, 'write-in-place'],
  [WRITE.UNWRITTEN, 'write-unwritten'],
  [WRITE.HOLE, 'write-hole'],
  [WRITE.SHARED, 'prepare'],
];

/** A hole beside a leased range is nothing to its lease: the bytes are taken apart where the blocks differ. */
function addInside(changes: Change[], fs: Filesystem, inode: Inode, offset: number, length: number): void {
  const met = fs.blockmap.classifyWrite(inode, offset, length);
  const whole = ROW_OF_WRITE.find(([bit]) => bit === met);
  if (whole) {
    changes.push({ row: whole[1], offset, length });
    return;
  }
  const { blockSize } = fs.volume;
  const end = offset + length;
  for (let at = offset, next = at; at < end; at = next) {
    next = Math.min(end, (Math.floor(at / blockSize) + 1) * blockSize);
    const bit = fs.blockmap.classifyWrite(inode, at, next - at);
    const row = ROW_OF_WRITE.find(([each]) => each === bit)?.[1] ?? 'write-in-place';
    const last = changes.at(-1);
    if (last?.row === row) last.length = next - last.offset;
    else changes.push({ row, offset: at, length: next - at });
  }
}

/** The rows of leases.md section 5 that a write of these bytes meets. Only asked for files with leases or a seal. */
export function changesOfWrite(fs: Filesystem, inode: Inode, offset: number, length: number): Change[] {
  const changes: Change[] = [];
  const end = offset + length;
  const { size } = inode;
  const inside = Math.min(end, size) - offset;
  if (inside > 0) addInside(changes, fs, inode, offset, inside);
  if (end > size) {
    const from = Math.max(offset, size);
    const met = fs.blockmap.classifyWrite(inode, from, end - from);
    const allocates = (met & (WRITE.HOLE | WRITE.SHARED)) !== 0;
    changes.push({ row: allocates ? 'write-append' : 'extend-preallocated', offset: size, length: end - size });
  }
  return changes;
}

/**
 * Ends a change of names in `directory`, with `length` bytes of payload that are in the reply area. With dirsync, of the
 * mount or of the directory (chattr +D), that is when the change is durable. What fails then has failed the metadata as
 * a whole, so that what the lost reply would have told the kernel (a lookup, a handle) matters no more.
 */
export function replyChanged(fs: Filesystem, request: Request, directory: Inode, length = 0): void {
  if (!fs.options.dirsync && (directory.flags & FLAG.DIRSYNC) === 0) return request.ok(length);
  const { bytes, start } = request.out;
  const payload = Buffer.from(bytes.subarray(start, start + length));
  replyWhenDurable(fs, request, (late) => payload.copy(late.out.bytes, late.out.start));
}

/**
 * Replies when everything done so far is durable; `fill` puts the payload into the reply area and answers its length.
 */
export function replyWhenDurable(fs: Filesystem, request: Request, fill: (request: Request) => number = () => 0): void {
  const parked = request.park();
  if (fs.promise && fs.volume.commits.changing) fs.promise(parked, fill(parked));
  fs.volume.commits.whenDurable((errno) => {
    if (errno !== 0) parked.error(errno);
    else parked.ok(fill(parked));
  });
}
