/** Every refusal explains itself (leases.md section 9): the lease, its holder, range, age, deadline and the cure. */
import { E } from '../system/errno.ts';
import type { Refusal } from './api.ts';
import type { Core } from './core.ts';
import { kindText } from './emit.ts';
import type { Lease } from './lease.ts';

export function refusalBy(
  core: Core,
  lease: Lease,
  errno: number,
  cause: string,
  hint = cureFor(lease, errno, cause),
): Refusal {
  const now = core.now();
  return {
    errno,
    cause,
    hint,
    lease: lease.id,
    kind: kindText(lease),
    state: lease.state,
    holder: { pid: lease.holder.tgid, command: lease.holder.command, uid: lease.holder.uid },
    offset: lease.offset,
    length: lease.length,
    ageMs: now - lease.grantedAt,
    deadlineMs: lease.recall && lease.state === 'RECALLED' ? Math.max(0, lease.recall.deadline - now) : undefined,
  };
}

function cureFor(lease: Lease, errno: number, cause: string): string {
  const { id } = lease;
  if (errno === E.DEADLK) return `this is your own lease: return id=${id} first`;
  if (errno === E.BUSY) return `the lease must end first: break, or revoke id=${id}`;
  switch (lease.state) {
    case 'RECALLED':
      return 'it is being recalled: try again, or wait=SECONDS';
    case 'FENCING':
    case 'FENCE_FAILED':
      return `its holder did not answer and is being fenced: wait, or expire id=${id} force`;
    case 'ORPHANED':
      return `its holder is lost and not proven stopped: wait for it to end, or expire id=${id} force`;
    default:
      if (lease.slot === 'exclusive') return 'the holder is setting the file up: wait=SECONDS, or break it';
      if (lease.slot === 'direct' && errno === E.TXTBSY)
        return 'allocation is refused under a direct lease: break it, have its holder return it, or wait=SECONDS';
      if (lease.slot === 'direct' && cause === 'conflict')
        return 'a direct lease is in the way: break it, have its holder return it, or wait=SECONDS';
      return lease.slot === 'direct' || lease.facts.column === 'layout'
        ? 'its holder is asked to return it: try again, or wait=SECONDS'
        : `nothing recalls it: its holder must return it, or an administrator revoke id=${id}`;
  }
}

export function notFound(hint: string): Refusal {
  return { errno: E.NOENT, cause: 'not found', hint };
}

export function notPrivileged(): Refusal {
  return { errno: E.PERM, cause: 'privilege', hint: 'needs root or the uid of the daemon' };
}

export function noAccess(hint: string): Refusal {
  return { errno: E.ACCES, cause: 'permission', hint };
}

export function invalid(cause: string, hint: string): Refusal {
  return { errno: E.INVAL, cause, hint };
}

export function sealedRefusal(): Refusal {
  return { errno: E.TXTBSY, cause: 'sealed', hint: 'the block map of the file is sealed: unseal it first' };
}

export function staleRefusal(core: Core, lease: Lease): Refusal {
  const refusal = refusalBy(core, lease, E.STALE, 'stale', `the lease has changed: its seq is ${lease.seq} now`);
  refusal.seq = lease.seq;
  return refusal;
}

export function ended(errno: number): Refusal {
  if (errno === E.TIMEDOUT) return { errno, cause: 'timeout', hint: 'the wait is over; the recalls go on: try again' };
  if (errno === E.INTR) return { errno, cause: 'interrupted', hint: 'a signal ended the wait; the recalls go on' };
  if (errno === E.NOLCK) return { errno, cause: 'limit', hint: 'too many waiters of this user' };
  return { errno, cause: 'ended', hint: 'the wait was ended' };
}
