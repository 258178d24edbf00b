import { E } from '../system/errno.ts';
import type { Dentries } from './dentries.ts';
import { ROOT_INO } from './inode.ts';
import type { Inodes } from './inodes.ts';
import { checkName, dots } from './names.ts';
import type { Symlinks } from './symlinks.ts';

/** As many symbolic links as the kernel follows in one path. */
const LINKS_MAX = 40;

/** Longest path, in bytes. */
const PATH_MAX = 4096;

export interface Names {
  inodes: Inodes;
  dentries: Dentries;
  symlinks: Symlinks;
}

/**
 * The inode number at a path inside the mount, or -errno (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL). A leading slash
 * is the root of the mount, also in targets of links: '..' never leaves it. The last component is not followed.
 */
export function resolve(names: Names, path: Buffer, from = ROOT_INO): number {
  if (path.length === 0) return -E.NOENT;
  const pending = split(path);
  let ino = path[0] === SLASH ? ROOT_INO : from;
  let links = 0;
  let left = path.length;
  while (pending.length > 0) {
    const name = pending.pop() as Buffer;
    const here = names.inodes.get(ino);
    if (here === undefined) return -E.NOENT;
    if (!here.isDirectory) return -E.NOTDIR;
    const dot = dots(name);
    if (dot > 0) {
      if (dot === 2) ino = here.parent;
      continue;
    }
    const bad = checkName(name);
    if (bad > 0) return -bad;
    const found = names.dentries.lookup(ino, name);
    if (found === 0) return -E.NOENT;
    const inode = names.inodes.get(found);
    if (inode === undefined) return -E.NOENT;
    if (inode.isSymlink && pending.length > 0) {
      const target = names.symlinks.read(found);
      if (target === undefined || ++links > LINKS_MAX) return -E.LOOP;
      left += target.length;
      if (left > PATH_MAX * LINKS_MAX) return -E.NAMETOOLONG;
      pending.push(...split(target));
      if (target[0] === SLASH) ino = ROOT_INO;
    } else ino = found;
  }
  return ino;
}

const SLASH = 0x2f;

const DOT = Buffer.from('.');

/** Components, the last first. A trailing slash asks for a directory: as a last component '.'. */
function split(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== SLASH) continue;
    if (i > start) parts.push(path.subarray(start, i));
    start = i + 1;
  }
  if (path[path.length - 1] === SLASH && path.length > 1) parts.push(DOT);
  return parts.reverse();
}

/** A path of an inode as of now, for messages; undefined where there is none. Files with several names show one. */
export function pathOf(names: Names, parent: number, name: Buffer): Buffer | undefined {
  const parts: Buffer[] = [name];
  let ino = parent;
  while (ino !== ROOT_INO) {
    const directory = names.inodes.get(ino);
    if (directory === undefined || directory.nlink === 0) return undefined;
    const own = names.dentries.nameOf(directory.parent, ino);
    if (own === undefined) return undefined;
    parts.push(own);
    ino = directory.parent;
  }
  return Buffer.concat(parts.reverse().flatMap((part) => [Buffer.from('/'), part]));
}
