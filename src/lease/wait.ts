/**
 * The queue of an inode: operations that wait for leases to end, and requests for leases. Oldest first. Operations pass one
 * another (each waits only for leases), a request for a lease passes nobody whom it would make wait longer. Every wait has a
 * deadline and can be ended by an errno (I6).
 */
import { E } from '../system/errno.ts';
import type { WaiterView } from './api.ts';
import type { Core } from './core.ts';
import type { Lease } from './lease.ts';
import { remember } from './odp.ts';
import type { Shape } from './shapes.ts';

export interface Parked {
  readonly id: number;
  readonly ino: number;
  readonly what: WaiterView['what'];
  readonly operation: string;
  readonly pid: number;
  readonly uid: number;
  readonly command: string;
  readonly since: number;
  readonly deadline: number;
  timer: unknown;
  gone: boolean;
  /** Leases it waits for, as of its last look. */
  blockers: Lease[];
  /** Looks again; leaves the queue by itself when it can go on or must fail. */
  attempt(): void;
  /** Out of the queue already: tells whoever waits. */
  fail(errno: number): void;
  waitsFor(lease: Lease): boolean;
  /** Would a lease of this shape on that range make this one wait or fail? */
  mindsLease(shape: Shape, offset: number, end: number): boolean;
}

/** false: too many waiters of this user (ENOLCK). `first`: back in its old place, not at the end. */
export function park(core: Core, item: Parked, first = false): boolean {
  const count = core.waitersByUid.get(item.uid) ?? 0;
  if (count >= core.options.waitersPerUid) return false;
  core.waitersByUid.set(item.uid, count + 1);
  core.stats.waiters++;
  core.parked.add(item);
  const { queue } = core.file(item.ino);
  if (first) queue.unshift(item);
  else queue.push(item);
  item.timer = core.after(item.deadline - core.now(), () => {
    core.stats.breakerTimeouts++;
    unpark(core, item);
    item.fail(E.TIMEDOUT);
  });
  return true;
}

export function unpark(core: Core, item: Parked): void {
  if (item.gone) return;
  item.gone = true;
  item.timer = core.stop(item.timer);
  item.blockers = [];
  core.stats.waiters--;
  core.parked.delete(item);
  const count = core.waitersByUid.get(item.uid) ?? 0;
  if (count > 1) core.waitersByUid.set(item.uid, count - 1);
  else core.waitersByUid.delete(item.uid);
  const { queue } = core.file(item.ino);
  const at = queue.indexOf(item);
  if (at >= 0) queue.splice(at, 1);
  // Those behind may have waited for this one.
  core.touch(item.ino);
  if (core.forgetful.size > 0) core.afterwards(() => remember(core));
}

export function cancel(core: Core, item: Parked, errno: number): void {
  if (item.gone) return;
  core.enter(() => {
    unpark(core, item);
    item.fail(errno);
  });
}

/** Something changed at this inode. */
export function settle(core: Core, ino: number): void {
  const file = core.files.get(ino);
  if (!file || file.queue.length === 0) return;
  for (const item of [...file.queue]) {
    if (!item.gone) item.attempt();
  }
}

export function waiterViews(core: Core): WaiterView[] {
  const now = core.now();
  return [...core.parked]
    .map((item) => ({
      id: item.id,
      ino: item.ino,
      what: item.what,
      operation: item.operation,
      pid: item.pid,
      uid: item.uid,
      command: item.command,
      ageMs: now - item.since,
      deadlineMs: Number.isFinite(item.deadline) ? item.deadline - now : undefined,
      leases: item.blockers.map((lease) => lease.id),
    }))
    .sort((a, b) => a.id - b.id);
}
