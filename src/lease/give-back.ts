/** The verbs that answer a recall, or come before one: return, ack, delay. */
import { E } from '../system/errno.ts';
import type { Holder, LeaseRef, ReturnResult, VerbResult, Waiting } from './api.ts';
import type { Core } from './core.ts';
import { ended, invalid, refusalBy, staleRefusal } from './explain.ts';
import { held, heldResult } from './hold.ts';
import { Lease, rowOf } from './lease.ts';
import { armRenewal } from './named.ts';
import { acknowledged } from './odp.ts';
import { armDeadline, recall } from './recall.ts';
import { may, move } from './transitions.ts';
import { Parked } from './wait.ts';

export interface ReturnRange {
  offset?: number;
  length?: number;
  cascade?: boolean;
}

export function giveBack(
  core: Core,
  ref: LeaseRef,
  by: Holder,
  range: ReturnRange,
  done: (result: ReturnResult) => void,
): Waiting | undefined {
  const found = held(core, ref, by);
  if ('refusal' in found) {
    done(core.refuse(found.refusal));
    return undefined;
  }
  const { lease } = found;
  if (lease.state === 'REVOKED') {
    done(core.refuse(staleRefusal(core, lease)));
    return undefined;
  }
  const offset = range.offset ?? lease.offset;
  const end = range.length === undefined ? lease.end : offset + range.length;
  const { blockSize } = core.options;
  const aligned = offset % blockSize === 0 && (!Number.isFinite(end) || end % blockSize === 0);
  if (!aligned || !(end > offset) || offset >= lease.end || end <= lease.offset) {
    done(core.refuse(invalid('range', `the range must be part of the lease, in blocks of ${blockSize} bytes`)));
    return undefined;
  }
  const inTheWay = childrenOn(lease, offset, end);
  if (inTheWay.length > 0 && !range.cascade) {
    const hint = `sub-lease ${inTheWay[0].id} lives: return it first, or cascade`;
    done(core.refuse(refusalBy(core, inTheWay[0], E.BUSY, 'sub-leases', hint)));
    return undefined;
  }
  for (const child of inTheWay) cascade(core, child, by);
  if (childrenOn(lease, offset, end).length === 0) {
    done(finish(core, lease, offset, end));
    return undefined;
  }
  return new Cascade(core, lease, by, offset, end, done).start();
}

function childrenOn(lease: Lease, offset: number, end: number): Lease[] {
  return [...(lease.children ?? [])].filter((child) => child.overlaps(offset, end));
}

/** The asker's own sub-leases end with his word; others' are recalled. */
function cascade(core: Core, lease: Lease, by: Holder): void {
  for (const child of [...(lease.children ?? [])]) cascade(core, child, by);
  const own = lease.holder.session === by.session || (lease.holder.tgid === by.tgid && lease.holder.start === by.start);
  if (own && !lease.children?.size && may(lease.state, 'return')) {
    core.stats.returns++;
    move(core, lease, 'return', { reason: 'return' });
    return;
  }
  recall(core, lease, {
    reason: 'return of the parent',
    offset: lease.offset,
    end: lease.end,
    breaker: { pid: by.pid, command: by.command, operation: 'return' },
    cause: 'administrator',
  });
}

/** A return that waits for other sessions' sub-leases. */
class Cascade extends Parked {
  readonly what = 'return';
  private readonly lease: Lease;
  private readonly offset: number;
  private readonly end: number;
  private readonly done: (result: ReturnResult) => void;

  constructor(core: Core, lease: Lease, by: Holder, offset: number, end: number, done: (result: ReturnResult) => void) {
    super(core, lease.ino, 'return cascade', by, core.options.patienceMs);
    this.lease = lease;
    this.offset = offset;
    this.end = end;
    this.done = done;
    this.blockers = childrenOn(lease, offset, end);
  }

  start(): Waiting | undefined {
    if (this.park()) return { waiting: true, cancel: (errno) => this.cancel(errno) };
    this.done(this.core.refuse(ended(E.NOLCK)));
    return undefined;
  }

  attempt(): void {
    if (childrenOn(this.lease, this.offset, this.end).length > 0) return;
    this.unpark();
    if (may(this.lease.state, 'return')) this.done(finish(this.core, this.lease, this.offset, this.end));
    else this.done(this.core.refuse(staleRefusal(this.core, this.lease)));
  }

  fail(errno: number): void {
    this.done(this.core.refuse(ended(errno)));
  }

  override waitsFor(lease: Lease): boolean {
    return lease.parent === this.lease;
  }

  mindsLease(): boolean {
    return false;
  }
}

function finish(core: Core, lease: Lease, offset: number, end: number): ReturnResult {
  const whole = offset <= lease.offset && end >= lease.end;
  const fenced = lease.state === 'FENCING' || lease.state === 'FENCE_FAILED';
  if (whole) {
    core.stats.returns++;
    if (fenced) core.stats.lateReturns++;
    const result = heldResult(core, lease);
    move(core, lease, 'return', { reason: 'return' });
    return { ...result, seq: lease.seq, state: lease.state };
  }
  if (!may(lease.state, 'return part')) {
    return core.refuse(refusalBy(core, lease, E.AGAIN, 'over', 'the time for a part is over: return the whole lease'));
  }
  core.stats.returns++;
  return trim(core, lease, offset, end);
}

/** Keeps what is left of the range, and what is right of it as a lease of its own. */
function trim(core: Core, lease: Lease, offset: number, end: number): ReturnResult {
  const right = end < lease.end ? { offset: end, end: lease.end } : undefined;
  let rest: Lease | undefined;
  if (offset > lease.offset) {
    if (right) rest = splitOff(core, lease, right.offset, right.end);
    core.resize(lease, lease.offset, offset);
  } else if (right) core.resize(lease, right.offset, right.end);
  move(core, lease, 'return part', { reason: 'return' });
  meet(core, lease);
  const result = heldResult(core, lease);
  if (!rest) return result;
  return {
    ...result,
    rest: { id: rest.id, seq: rest.seq, offset: rest.offset, length: rest.length, name: rest.terms.name },
  };
}

function splitOff(core: Core, lease: Lease, offset: number, end: number): Lease {
  const id = core.ports.store.nextId();
  const rest = new Lease(
    id,
    lease.ino,
    lease.path,
    { ...lease.terms, name: lease.terms.name === undefined ? undefined : freeName(core, `${lease.terms.name}.${id}`) },
    { ...lease.holder },
    offset,
    end,
    lease.tokenHash,
    core.epoch,
  );
  rest.secretHash = lease.secretHash;
  rest.parent = lease.parent;
  rest.splitFrom = [...lease.splitFrom, lease.id];
  rest.raw = lease.raw;
  rest.mapped = lease.mapped;
  rest.grantedAt = lease.grantedAt;
  rest.grantedS = lease.grantedS;
  for (const leases of core.bound.values()) if (leases.has(lease.id)) leases.add(id);
  for (const fh of lease.acting) rest.acting.add(fh);
  for (const child of [...(lease.children ?? [])]) {
    if (child.offset < offset) continue;
    lease.children?.delete(child);
    child.parent = rest;
    rest.children ??= new Set();
    rest.children.add(child);
  }
  move(core, rest, 'grant', { reason: 'split' });
  core.ports.windows.split?.(lease.id, id, offset, end);
  if (rest.terms.bind === 'named') armRenewal(core, rest);
  for (const child of rest.children ?? []) core.ports.store.update(rowOf(child));
  const { recall: current } = lease;
  if (current && rest.overlaps(current.offset, current.end)) {
    recall(core, rest, {
      reason: current.reason,
      offset: current.offset,
      end: current.end,
      target: current.target,
      breaker: current.breaker,
      cause: 'administrator',
      breakMs: current.deadline - core.now(),
    });
  }
  return rest;
}

/** Names are unique: the upper part of a named lease is reclaimed, with the same secret, by a name of its own. */
function freeName(core: Core, name: string): string {
  return core.byName.has(name) ? freeName(core, `${name}+`) : name;
}

/** What is left of a recalled lease may be all that the breakers leave it. */
function meet(core: Core, lease: Lease): void {
  const { recall: current } = lease;
  if (!current || lease.state !== 'RECALLED' || lease.overlaps(current.offset, current.end)) return;
  move(core, lease, 'recall met', { reason: 'return' });
}

/** odp: the range is forgotten. Tombstone: the holder knows, and its quarantine is released. */
export function ack(core: Core, ref: LeaseRef, by: Holder): VerbResult {
  const found = held(core, ref, by);
  if ('refusal' in found) return core.refuse(found.refusal);
  const { lease } = found;
  if (lease.state === 'REVOKED') {
    const result = heldResult(core, lease);
    move(core, lease, 'buried', { reason: 'ack' });
    return { ...result, seq: lease.seq, state: lease.state };
  }
  const delay = core.injected('delay-ack', lease.id);
  if (delay) core.after(delay.delayMs ?? 0, () => acknowledged(core, lease));
  else acknowledged(core, lease);
  return heldResult(core, lease);
}

/** A bounded number of times, and never beyond the mount's maximum since the recall began. */
export function delay(core: Core, ref: LeaseRef, by: Holder, ms: number): VerbResult {
  const found = held(core, ref, by);
  if ('refusal' in found) return core.refuse(found.refusal);
  const { lease } = found;
  const { recall: current } = lease;
  if (lease.state !== 'RECALLED' || !current) {
    return core.refuse(
      refusalBy(core, lease, E.INVAL, 'not recalled', 'nothing to delay: there is no recall, or its time is over'),
    );
  }
  const latest = current.since + core.options.maximumBreakMs;
  if (!(ms > 0)) return core.refuse(invalid('delay', 'a delay is above 0'));
  if (current.delays >= core.options.delaysPerRecall || current.deadline >= latest) {
    return core.refuse(refusalBy(core, lease, E.TIMEDOUT, 'no more delay', 'return it before the deadline'));
  }
  current.delays++;
  current.deadline = Math.min(current.deadline + ms, latest);
  move(core, lease, 'delay', { reason: 'delay' });
  current.seq = lease.seq;
  armDeadline(core, lease);
  return heldResult(core, lease);
}
