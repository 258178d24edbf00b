import type { Acl } from './acl.ts';
import { aclMode, chmodAcl, decodeAcl, encodeAcl, inheritAcl, isMinimal } from './acl.ts';
import type { Inode } from './inode.ts';
import { S } from './inode.ts';
import type { Xattrs } from './xattrs.ts';

export const ACCESS = Buffer.from('system.posix_acl_access');
export const DEFAULT = Buffer.from('system.posix_acl_default');

/**
 * The access control lists of files: stored as their extended attributes, and kept equal to the mode bits. A list that
 * says no more than the mode is not stored. Modes are changed in the object; touching it is the caller's.
 */
export class Acls {
  private readonly xattrs: Xattrs;

  constructor(xattrs: Xattrs) {
    this.xattrs = xattrs;
  }

  access(inode: Inode): Acl | undefined {
    return this.read(inode, ACCESS);
  }

  default(inode: Inode): Acl | undefined {
    return inode.isDirectory ? this.read(inode, DEFAULT) : undefined;
  }

  /** Stores an access list (undefined: none) and makes the mode bits agree with it. */
  setAccess(inode: Inode, acl: Acl | undefined): void {
    if (acl !== undefined) inode.mode = (inode.mode & ~0o777) | aclMode(acl);
    if (acl === undefined || isMinimal(acl)) this.xattrs.remove(inode, ACCESS);
    else this.xattrs.set(inode, ACCESS, encodeAcl(acl));
  }

  /** Stores the default list of a directory (undefined or empty: none). */
  setDefault(directory: Inode, acl: Acl | undefined): void {
    if (acl === undefined) this.xattrs.remove(directory, DEFAULT);
    else this.xattrs.set(directory, DEFAULT, encodeAcl(acl));
  }

  /** chmod: `mode` is the new st_mode; the access list follows. */
  chmod(inode: Inode, mode: number): void {
    inode.mode = mode;
    const acl = inode.isSymlink ? undefined : this.access(inode);
    if (acl !== undefined) this.xattrs.set(inode, ACCESS, encodeAcl(chmodAcl(acl, mode)));
  }

  /** What a new inode takes from the default list of its directory, or, without one, from the umask. */
  inherit(parent: Inode, inode: Inode, umask: number): void {
    if (inode.isSymlink) return;
    const acl = this.default(parent);
    if (acl === undefined) {
      inode.mode &= ~umask | ~0o777;
      return;
    }
    const inherited = inheritAcl(acl, inode.mode);
    inode.mode = inherited.mode;
    if (inherited.access !== undefined) this.xattrs.set(inode, ACCESS, encodeAcl(inherited.access));
    if ((inode.mode & S.IFMT) === S.IFDIR) this.setDefault(inode, acl);
  }

  private read(inode: Inode, name: Buffer): Acl | undefined {
    const value = this.xattrs.get(inode, name);
    if (value === undefined) return undefined;
    const acl = decodeAcl(value);
    return typeof acl === 'number' ? undefined : acl;
  }
}
