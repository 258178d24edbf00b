/**
 * The queue of an inode: operations that wait for leases to end, and requests for leases. Oldest first. Operations pass one
 * another (each waits only for leases), a request for a lease passes nobody whom it would make wait longer. Every wait has a
 * deadline and can be ended by an errno (I6).
 */
import { E } from '../system/errno.ts';
import type { Waiter, WaiterView } from './api.ts';
import type { Core } from './core.ts';
import type { Lease } from './lease.ts';
import { remember } from './odp.ts';
import type { Shape } from './shapes.ts';

/** Who waits, and for what: an operation, an ask for a lease, a return. */
export abstract class Parked {
  abstract readonly what: WaiterView['what'];
  readonly id: number;
  readonly ino: number;
  readonly operation: string;
  readonly pid: number;
  readonly uid: number;
  readonly command: string;
  /** Of the core's clock, ms. */
  readonly since: number;
  readonly deadline: number;
  gone = false;
  /** Leases it waits for, as of its last look. */
  blockers: Lease[] = [];
  protected readonly core: Core;
  private timer: unknown;

  /** `previous`: the wait that this one goes on with. */
  constructor(
    core: Core,
    ino: number,
    operation: string,
    by: { pid: number; uid: number; command: string },
    patienceMs: number,
    previous?: Waiter,
  ) {
    this.core = core;
    this.ino = ino;
    this.operation = operation;
    this.pid = by.pid;
    this.uid = by.uid;
    this.command = by.command;
    this.id = previous?.id ?? core.nextWaiter++;
    this.since = previous?.since ?? core.now();
    this.deadline = previous?.deadline ?? this.since + patienceMs;
  }

  /** Looks again; leaves the queue by itself when it can go on or must fail. */
  abstract attempt(): void;

  /** Out of the queue already: tells whoever waits. */
  abstract fail(errno: number): void;

  /** Would a lease of this shape on that range make this one wait or fail? */
  abstract mindsLease(shape: Shape, offset: number, end: number): boolean;

  waitsFor(lease: Lease): boolean {
    return this.blockers.includes(lease);
  }

  /** Into the queue; false: too many waiters of this user (ENOLCK). `first`: back in its old place, not at the end. */
  protected park(first = false): boolean {
    const { core } = this;
    const count = core.waitersByUid.get(this.uid) ?? 0;
    if (count >= core.options.waitersPerUid) return false;
    core.waitersByUid.set(this.uid, count + 1);
    core.stats.waiters++;
    core.parked.add(this);
    const { queue } = core.file(this.ino);
    if (first) queue.unshift(this);
    else queue.push(this);
    this.timer = core.after(this.deadline - core.now(), () => {
      core.stats.breakerTimeouts++;
      this.unpark();
      this.fail(E.TIMEDOUT);
    });
    return true;
  }

  protected unpark(): void {
    if (this.gone) return;
    const { core } = this;
    this.gone = true;
    this.timer = core.stop(this.timer);
    this.blockers = [];
    core.stats.waiters--;
    core.parked.delete(this);
    const count = core.waitersByUid.get(this.uid) ?? 0;
    if (count > 1) core.waitersByUid.set(this.uid, count - 1);
    else core.waitersByUid.delete(this.uid);
    const { queue } = core.file(this.ino);
    const at = queue.indexOf(this);
    if (at >= 0) queue.splice(at, 1);
    // Those behind may have waited for this one.
    core.touch(this.ino);
    if (core.forgetful.size > 0) core.afterwards(() => remember(core));
  }

  cancel(errno: number): void {
    if (this.gone) return;
    this.core.enter(() => {
      this.unpark();
      this.fail(errno);
    });
  }
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
