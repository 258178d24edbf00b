import type { Inode } from '../namespace/inode.ts';
import { NAME_MAX } from '../namespace/names.ts';
import { E } from '../system/errno.ts';

/** What a name of an extended attribute means to us. */
export const KIND = {
  /** user.*, trusted.*, security.*: bytes that are kept. */
  PLAIN: 0,
  ACL_ACCESS: 1,
  ACL_DEFAULT: 2,
  /** user.layout.*: computed, read-only, not listed. */
  VIRTUAL: 3,
} as const;

const TRUSTED = 'trusted.';
const VIRTUAL = 'user.layout.';

/** Namespaces whose attributes are kept as they are, xattr(7). */
const PLAIN = ['user.', TRUSTED, 'security.'] as const;

/**
 * KIND of a name, or -errno: ERANGE for one that is empty or longer than 255 bytes, EINVAL for a bare prefix, EOPNOTSUPP
 * outside the namespaces and for ACLs of symbolic links.
 */
export function kindOf(inode: Inode, name: Buffer): number {
  if (name.length === 0 || name.length > NAME_MAX) return -E.RANGE;
  const text = name.toString('latin1');
  if (text.startsWith('system.')) {
    if (inode.isSymlink) return -E.OPNOTSUPP;
    if (text === 'system.posix_acl_access') return KIND.ACL_ACCESS;
    return text === 'system.posix_acl_default' ? KIND.ACL_DEFAULT : -E.OPNOTSUPP;
  }
  if (text.startsWith(VIRTUAL)) return KIND.VIRTUAL;
  for (const prefix of PLAIN) if (text.startsWith(prefix)) return text.length > prefix.length ? KIND.PLAIN : -E.INVAL;
  return -E.OPNOTSUPP;
}

/** trusted.* is seen by privileged processes alone; for the others it is not there. */
export function isHidden(name: Buffer, uid: number): boolean {
  return uid !== 0 && name.subarray(0, TRUSTED.length).toString('latin1') === TRUSTED;
}

/** Attributes of a file that is immutable or append-only do not change (xattr_permission of the kernel). */
export function deniedByFlags(inode: Inode): number {
  return inode.isFixed ? E.PERM : 0;
}
