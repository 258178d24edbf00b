import { ROOT_INO } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Access, Caller, Dentries, Inode, Inodes } from './ports.ts';

/**
 * The file that a path in a request names, as the caller may see it: he needs search permission on every directory on
 * the way. Symbolic links are not followed: ELOOP on the way (an absolute one would lead out of the mount).
 * An inode, or a positive errno.
 */
export function resolveFor(
  ports: { inodes: Inodes; dentries: Dentries; access: Access },
  path: Uint8Array,
  caller: Caller,
): Inode | number {
  let inode = ports.inodes.get(ROOT_INO);
  for (const name of components(path)) {
    if (inode === undefined) return E.NOENT;
    if (inode.isSymlink) return E.LOOP;
    if (!inode.isDirectory) return E.NOTDIR;
    if (!ports.access.allows(inode, caller, 1)) return E.ACCES;
    if (name.length > 255) return E.NAMETOOLONG;
    const isParent = name.length === 2 && name[0] === 46 && name[1] === 46;
    const ino = isParent ? inode.parent || ROOT_INO : ports.dentries.lookup(inode.ino, name);
    inode = ino === 0 ? undefined : ports.inodes.get(ino);
  }
  return inode ?? E.NOENT;
}

/** Names between slashes; empty ones and '.' say nothing. */
function components(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let from = 0; from <= path.length; ) {
    let to = path.indexOf(47, from);
    if (to < 0) to = path.length;
    if (to > from && !(to === from + 1 && path[from] === 46)) names.push(path.subarray(from, to));
    from = to + 1;
  }
  return names;
}
