import type { Granted, Held, Holder, LeaseRef } from '../../lease/api.ts';
import { E } from '../../system/errno.ts';
import { type Failure, failed, refused, type VerbContext } from '../outcome.ts';
import { resolveFor } from '../paths.ts';
import type { Actor, Inode } from '../ports.ts';

/** `inode`: the open file of an ioctl, found by the kernel with the rights that it checked. */
type Named = { path?: Uint8Array; ino?: number; gen?: number; inode?: Inode };

/** The regular file that a request names, or why not. By number only for administrators: it passes by all directories. */
export function fileOf(context: VerbContext, values: Named): Inode | { failure: Failure } {
  const { ports, asker } = context;
  let inode: Inode | number | undefined;
  if (values.inode !== undefined) inode = values.inode;
  else if (values.path !== undefined) inode = resolveFor(ports, values.path, asker.caller);
  else if (!asker.caller.privileged) return failed(E.PERM, 'name the file by path=: ino= is for administrators');
  else inode = ports.inodes.get(values.ino ?? 0);
  if (inode === undefined) return failed(E.NOENT, 'there is no such inode');
  if (typeof inode === 'number') return failed(inode, pathHint(inode));
  if (!inode.isRegular) return failed(E.INVAL, 'only regular files have blocks to lease');
  if (values.gen !== undefined && values.gen !== inode.gen)
    return failed(E.STALE, `the block map is at generation ${inode.gen} now: map it again`);
  return inode;
}

function pathHint(errno: number): string {
  if (errno === E.LOOP) return 'symbolic links are not followed: give the path they lead to';
  if (errno === E.ACCES) return 'search permission is needed on every directory of the path';
  return 'paths count from the root of the mount';
}

export function isFailure(value: object): value is { failure: Failure } {
  return 'failure' in value;
}

/** The asker as the lease engine knows holders. */
export function holderOf({ asker }: VerbContext): Holder {
  const { pid, tgid, start, command, uid, gid, privileged } = asker.caller;
  return { session: asker.session, pid, tgid, start, command, uid, gid, privileged, fh: asker.handle };
}

export function actorOf({ asker }: VerbContext): Actor {
  const { uid, gid, pid } = asker.caller;
  return { uid, gid, pid, fh: asker.handle };
}

/** What the asker may do with a file. */
export function accessOf(
  { ports, asker }: VerbContext,
  inode: Inode,
): { read: boolean; write: boolean; owner: boolean } {
  const { caller } = asker;
  return {
    read: ports.access.allows(inode, caller, 4),
    write: ports.access.allows(inode, caller, 2),
    owner: caller.uid === inode.uid,
  };
}

export const fixedDenied = failed(E.PERM, 'the file is immutable or append-only (chattr)');

/** The asker changes contents, or will be able to: what the file gave to whoever runs it ends, also for the kernel. */
export function dropPrivileges(
  { ports, asker }: { ports: VerbContext['ports']; asker: Pick<VerbContext['asker'], 'caller'> },
  inode: Inode,
): void {
  if (!ports.access.dropPrivileges(inode, asker.caller)) return;
  ports.inodes.touchChange(inode);
  void ports.notifier.invalInode(inode.ino, -1, 0);
}

/** Of an open for writing by an ordinary user: the kernel hears of it before the first store comes. */
export function openedToWrite(ports: VerbContext['ports'], inode: Inode, caller: VerbContext['asker']['caller']): void {
  if (caller.uid !== 0) dropPrivileges({ ports, asker: { caller } }, inode);
}

export const writeDenied = failed(E.ACCES, 'write permission on the file is needed');

export function refOf(values: { id: number; seq?: number; token?: string }): LeaseRef {
  return { id: values.id, seq: values.seq, token: values.token };
}

/** A lease in the words of the grammar. */
export function changedReply(held: Held | Granted): {
  id: number;
  seq: number;
  state: Lowercase<Held['state']>;
  kind: Held['kind'];
  mode: Held['mode'];
} {
  const { id, seq, kind, mode } = held;
  return { id, seq, state: held.state.toLowerCase() as Lowercase<Held['state']>, kind, mode };
}

export function lengthOf(length: number): number | null {
  return length === Number.POSITIVE_INFINITY ? null : length;
}

/** Bytes of a request's range inside a file: to the end of the file where it says no length. */
export function spanOf(values: { offset?: number; length?: number }, size: number): { offset: number; length: number } {
  const offset = values.offset ?? 0;
  return { offset, length: values.length ?? Math.max(0, size - offset) };
}

export { failed, refused };
