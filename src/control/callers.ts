import { fieldOf, groupsIn, programOf, statusOf } from '../system/process.ts';
import type { Caller, Callers } from './ports.ts';

/**
 * Who a request comes from. FUSE names a thread with its fsuid and fsgid; the supplementary groups, the process, its
 * start time and its command are read from /proc. A process that is gone has no groups and start time 0.
 */
export class ProcCallers implements Callers {
  private readonly daemonUid: number;

  constructor(daemonUid: number) {
    this.daemonUid = daemonUid;
  }

  of(uid: number, gid: number, pid: number): Caller {
    const privileged = uid === 0 || uid === this.daemonUid;
    const gone = { uid, gid, pid, tgid: pid, start: 0, command: '', groups: [], privileged };
    if (pid <= 0) return gone;
    const status = statusOf(pid);
    if (status === undefined) return gone;
    const tgid = Number(fieldOf(status, 'Tgid') ?? pid);
    const groups = groupsIn(status);
    const program = programOf(tgid);
    if (program === undefined) return gone;
    return { uid, gid, pid, tgid, ...program, groups, privileged };
  }
}

/**
 * Whoever writes into a session may no more than who opened it: a set-user-ID program writes what its user likes, to the
 * descriptor that its user likes. An administrator's session gives nobody else his rights.
 */
export function inSessionOf(opener: Caller, writer: Caller): Caller {
  if (opener.privileged) return writer;
  // Of another user's process: it is neither the holder of what it asks for, nor sent signals.
  if (writer.uid !== opener.uid) return opener;
  const { uid, gid, groups, privileged } = opener;
  return { ...writer, uid, gid, groups, privileged };
}
