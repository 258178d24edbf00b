import { putXattrSize } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { isHidden, KIND, kindOf } from './xattr-names.ts';

/** Bytes of fuse_getxattr_in; the name follows. */
const HEAD = 8;

/** FUSE_GETXATTR: one value, or with size 0 its size. */
export function getxattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const name = request.name(HEAD);
  const kind = kindOf(inode, name);
  if (kind < 0) return request.error(-kind);
  const value = read(fs, request, inode, name, kind);
  if (value === undefined) return request.error(E.NODATA);
  replyBytes(request, value, request.u32(0));
}

function read(fs: Filesystem, request: Request, inode: Inode, name: Buffer, kind: number): Buffer | undefined {
  if (kind === KIND.VIRTUAL) return fs.control?.xattr(inode, name);
  if (isHidden(name, request.uid)) return undefined;
  return fs.xattrs.get(inode, name);
}

/** Bytes into a caller's buffer of `size` bytes (ERANGE when too small), or with size 0 their number. */
export function replyBytes(request: Request, value: Buffer, size: number): void {
  const { out } = request;
  if (size === 0) return request.ok(putXattrSize(out.view, out.start, value.length));
  if (value.length > size) return request.error(E.RANGE);
  out.bytes.set(value, out.start);
  request.ok(value.length);
}
