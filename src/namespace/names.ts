import { E } from '../system/errno.ts';

/** Longest name, in bytes: NAME_MAX. */
export const NAME_MAX = 255;

/** Longest target of a symbolic link, in bytes: PATH_MAX without its NUL. */
export const TARGET_MAX = 4095;

const DOT = 0x2e;
const SLASH = 0x2f;

/** 1 for '.', 2 for '..', else 0. */
export function dots(name: Uint8Array): number {
  if (name.length === 1 && name[0] === DOT) return 1;
  return name.length === 2 && name[0] === DOT && name[1] === DOT ? 2 : 0;
}

/** 0, or the errno of a name that no entry may have: ENOENT (empty), ENAMETOOLONG, EINVAL (a slash or NUL in it). */
export function checkName(name: Uint8Array): number {
  if (name.length === 0) return E.NOENT;
  if (name.length > NAME_MAX) return E.NAMETOOLONG;
  return name.includes(SLASH) || name.includes(0) ? E.INVAL : 0;
}
