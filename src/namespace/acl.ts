import { E } from '../system/errno.ts';

/**
 * POSIX access control lists (acl(5)) in the form of the extended attributes system.posix_acl_access and _default:
 * a version of 4 bytes, then entries of 8: tag, permissions (16 bits each), id (32 bits). Everything here is
 * arithmetic on that form; where a rule is the kernel's, fs/posix_acl.c has it under the name given.
 */

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;

export const TAG = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32 } as const;

export interface AclEntry {
  tag: number;
  /** rwx bits. */
  perm: number;
  /** Of USER and GROUP. */
  id: number;
}

export type Acl = AclEntry[];

/** Id of entries that have none. */
const NO_ID = 0xffffffff;

/** Entries of an attribute's value in their canonical order, or EINVAL (posix_acl_from_xattr, posix_acl_valid). */
export function decodeAcl(value: Uint8Array): Acl | number {
  if (value.length < HEADER || (value.length - HEADER) % ENTRY !== 0) return E.INVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(0, true) !== VERSION) return E.INVAL;
  const acl: Acl = [];
  for (let at = HEADER; at < value.length; at += ENTRY) {
    const tag = view.getUint16(at, true);
    const id = tag === TAG.USER || tag === TAG.GROUP ? view.getUint32(at + 4, true) : NO_ID;
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
  }
  return isValid(acl) ? acl : E.INVAL;
}

export function encodeAcl(acl: Acl): Buffer {
  const value = Buffer.alloc(HEADER + ENTRY * acl.length);
  value.writeUInt32LE(VERSION, 0);
  acl.forEach((entry, i) => {
    const at = HEADER + ENTRY * i;
    value.writeUInt16LE(entry.tag, at);
    value.writeUInt16LE(entry.perm, at + 2);
    value.writeUInt32LE(entry.id >>> 0, at + 4);
  });
  return value;
}

/**
 * The rules of acl(5): tags in the order of TAG, each of the three plain ones once, at most one mask, and a mask where
 * there are named entries. The kernel does not ask for distinct or ordered ids, and neither do we.
 */
function isValid(acl: Acl): boolean {
  let last = 0;
  let seen = 0;
  for (const { tag, perm } of acl) {
    if ((perm & ~7) !== 0 || tag < last) return false;
    const named = tag === TAG.USER || tag === TAG.GROUP;
    if (!named && tag !== TAG.USER_OBJ && tag !== TAG.GROUP_OBJ && tag !== TAG.MASK && tag !== TAG.OTHER) return false;
    if (!named && tag === last) return false;
    last = tag;
    seen |= tag;
  }
  const plain = TAG.USER_OBJ | TAG.GROUP_OBJ | TAG.OTHER;
  if ((seen & plain) !== plain) return false;
  return (seen & (TAG.USER | TAG.GROUP)) === 0 || (seen & TAG.MASK) !== 0;
}

function entryOf(acl: Acl, tag: number): AclEntry | undefined {
  return acl.find((entry) => entry.tag === tag);
}

/** Whether the mode bits alone say all of it, so that it need not be stored (posix_acl_equiv_mode). */
export function isMinimal(acl: Acl): boolean {
  return acl.length === 3;
}

/** The nine mode bits that show the list: owner, mask (or owning group), others. */
export function aclMode(acl: Acl): number {
  const group = entryOf(acl, TAG.MASK) ?? entryOf(acl, TAG.GROUP_OBJ);
  return (
    ((entryOf(acl, TAG.USER_OBJ)?.perm ?? 0) << 6) | ((group?.perm ?? 0) << 3) | (entryOf(acl, TAG.OTHER)?.perm ?? 0)
  );
}

/** The list after chmod to `mode` (posix_acl_chmod): the group bits go to the mask where there is one. */
export function chmodAcl(acl: Acl, mode: number): Acl {
  const hasMask = entryOf(acl, TAG.MASK) !== undefined;
  return acl.map((entry) => {
    if (entry.tag === TAG.USER_OBJ) return { ...entry, perm: (mode >> 6) & 7 };
    if (entry.tag === TAG.OTHER) return { ...entry, perm: mode & 7 };
    if (entry.tag === TAG.MASK || (entry.tag === TAG.GROUP_OBJ && !hasMask)) return { ...entry, perm: (mode >> 3) & 7 };
    return entry;
  });
}

export interface Inherited {
  /** What a new file gets as its access list, undefined where the mode says it all. */
  access: Acl | undefined;
  /** The new file's mode. */
  mode: number;
}

/** What a file created with `mode` in a directory with default list `acl` gets (posix_acl_create_masq); no umask. */
export function inheritAcl(acl: Acl, mode: number): Inherited {
  const hasMask = entryOf(acl, TAG.MASK) !== undefined;
  const access = acl.map((entry) => {
    if (entry.tag === TAG.USER_OBJ) return { ...entry, perm: entry.perm & (mode >> 6) };
    if (entry.tag === TAG.OTHER) return { ...entry, perm: entry.perm & mode };
    if (entry.tag === TAG.MASK || (entry.tag === TAG.GROUP_OBJ && !hasMask))
      return { ...entry, perm: entry.perm & (mode >> 3) };
    return entry;
  });
  return { access: isMinimal(access) ? undefined : access, mode: (mode & ~0o777) | aclMode(access) };
}

/**
 * Whether the list grants `want` (rwx bits) to a process (posix_acl_permission). `inGroup` answers for all groups of
 * the process.
 */
export function aclPermits(
  acl: Acl,
  owner: number,
  group: number,
  uid: number,
  inGroup: (gid: number) => boolean,
  want: number,
): boolean {
  const mask = entryOf(acl, TAG.MASK)?.perm ?? 7;
  let groupSeen = false;
  for (const { tag, perm, id } of acl) {
    if (tag === TAG.USER_OBJ && uid === owner) return (perm & want) === want;
    if (tag === TAG.USER && uid === id) return (perm & mask & want) === want;
    if ((tag === TAG.GROUP_OBJ && inGroup(group)) || (tag === TAG.GROUP && inGroup(id))) {
      groupSeen = true;
      if ((perm & want) === want) return (mask & want) === want;
    }
    if (tag === TAG.OTHER) return !groupSeen && (perm & want) === want;
  }
  return false;
}
