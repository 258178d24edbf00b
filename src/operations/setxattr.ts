import { SETXATTR_ACL_KILL_SGID } from '../fuse/protocol.ts';
import type { Request } from '../fuse/request.ts';
import type { Acl } from '../namespace/acl.ts';
import { decodeAcl } from '../namespace/acl.ts';
import type { Inode } from '../namespace/inode.ts';
import { S } from '../namespace/inode.ts';
import { XATTR } from '../namespace/xattrs.ts';
import { E } from '../system/errno.ts';
import { checkWritable } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { deniedByFlags, KIND, kindOf } from './xattr-names.ts';

/** Bytes of fuse_setxattr_in with and without SETXATTR_EXT; name and value follow. */
const HEAD = 16;
const HEAD_COMPAT = 8;

/** Bytes of an ACL value without entries: it removes the list. */
const EMPTY_ACL = 4;

/** FUSE_SETXATTR. */
export function setxattr(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  if (checkWritable(fs) !== 0) return request.error(E.ROFS);
  const { setxattrExt } = fs.options;
  const size = request.u32(0);
  const flags = request.u32(4);
  const killSgid = setxattrExt && (request.u32(8) & SETXATTR_ACL_KILL_SGID) !== 0;
  const name = request.name(setxattrExt ? HEAD : HEAD_COMPAT);
  const from = name.byteOffset - request.bytes.byteOffset + name.length + 1;
  if (from + size > request.end) return request.error(E.INVAL);
  if ((flags & ~(XATTR.CREATE | XATTR.REPLACE)) !== 0) return request.error(E.INVAL);
  const value = request.bytes.subarray(from, from + size);
  const kind = kindOf(inode, name);
  const errno = (kind < 0 ? -kind : deniedByFlags(inode)) || store(fs, inode, kind, name, value, flags, killSgid);
  if (errno !== 0) return request.error(errno);
  fs.inodes.touchAttributes(inode);
  request.ok();
}

/** 0 when the attribute has its value now. */
function store(
  fs: Filesystem,
  inode: Inode,
  kind: number,
  name: Buffer,
  value: Buffer,
  flags: number,
  killSgid: boolean,
): number {
  if (kind === KIND.VIRTUAL) return E.PERM;
  const acl = kind === KIND.PLAIN || value.length <= EMPTY_ACL ? undefined : decodeAcl(value);
  if (typeof acl === 'number') return acl;
  if (kind === KIND.ACL_DEFAULT && !inode.isDirectory) return acl === undefined ? 0 : E.ACCES;
  const errno = fs.xattrs.check(inode, name, value.length, flags);
  if (errno !== 0) return errno;
  if (kind === KIND.ACL_DEFAULT) fs.acls.setDefault(inode, acl);
  else if (kind === KIND.ACL_ACCESS) setAccess(fs, inode, acl, killSgid);
  else fs.xattrs.set(inode, name, value);
  return 0;
}

/** `killSgid`: who sets the list is neither in the file's group nor privileged, as the kernel found out. */
function setAccess(fs: Filesystem, inode: Inode, acl: Acl | undefined, killSgid: boolean): void {
  fs.acls.setAccess(inode, acl);
  if (killSgid) inode.mode &= ~S.ISGID;
}
