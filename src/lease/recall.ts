/** Recalls: telling a holder to give its lease back, and what happens when the time is over (leases.md section 4). */
import type { Core } from './core.ts';
import { emit } from './emit.ts';
import type { Breaker } from './events.ts';
import type { Kind, Mode } from './kinds.ts';
import type { Lease } from './lease.ts';
import { invalidate } from './odp.ts';
import { lookForOrphan, loseHolder } from './orphan.ts';
import { move } from './transitions.ts';

export interface Demand {
  reason: string;
  offset: number;
  end: number;
  /** What is enough; undefined = the range must be given back. */
  target?: { kind: Kind; mode: Mode };
  breaker: Breaker;
  cause: 'operation' | 'get' | 'administrator';
  /** Of a parent's recall: its sub-leases have no more time than it has. */
  breakMs?: number;
}

/**
 * One event per lease and seq: a demand within the one that was announced says nothing new. A wider one is announced again, with a
 * new seq and a deadline of its own within the mount's maximum. Returns whether something was announced.
 */
export function recall(core: Core, lease: Lease, demand: Demand): boolean {
  if (lease.state === 'ORPHANED') {
    lease.wanted = true;
    lookForOrphan(core, lease);
    return false;
  }
  if (lease.state !== 'GRANTED' && lease.state !== 'RECALLED') return false;
  if (lease.terms.bind === 'process' && !core.ports.processes.alive(lease.holder.tgid, lease.holder.start)) {
    lease.wanted = true;
    loseHolder(core, lease, 'process');
    return false;
  }
  if (lease.state === 'GRANTED' && lease.terms.odp && demand.cause === 'operation')
    return invalidate(core, lease, demand);
  const { offset, end } = partOf(core, lease, demand);
  const now = core.now();
  const breakMs =
    demand.breakMs ?? Math.min(lease.terms.timeoutMs ?? core.options.breakMs, core.options.maximumBreakMs);
  const current = lease.recall;
  if (lease.state === 'RECALLED' && current) {
    const stricter = current.target !== undefined && demand.target === undefined;
    if (!stricter && current.offset <= offset && current.end >= end) return false;
    recallChildren(core, lease, { ...demand, offset, end }, breakMs);
    current.offset = Math.min(current.offset, offset);
    current.end = Math.max(current.end, end);
    if (stricter) current.target = undefined;
    current.breaker = demand.breaker;
    current.reason = demand.reason;
    current.deadline = Math.max(current.deadline, Math.min(now + breakMs, current.since + core.options.maximumBreakMs));
    move(core, lease, 'recall wider', { reason: demand.reason });
    return true;
  }
  // Sub-leases first: their holders stop before the whole is asked for.
  recallChildren(core, lease, { ...demand, offset, end }, breakMs);
  if (lease.invalidate) lease.invalidate.timer = core.stop(lease.invalidate.timer);
  lease.invalidate = undefined;
  lease.recall = {
    seq: 0,
    offset,
    end,
    target: demand.target,
    reason: demand.reason,
    breaker: demand.breaker,
    since: now,
    deadline: now + breakMs,
    delays: 0,
    timer: undefined,
  };
  core.stats.recalls++;
  move(core, lease, 'recall', { reason: demand.reason });
  return true;
}

/** Recalls begun in one turn: about a millisecond of work while the code is cold. */
const AT_ONCE = 4;

/**
 * Recalls many: some now, the others in turns of their own, so that nobody else has to wait for a thousand holders to be told. A
 * recall is never taken back, whatever becomes of who asked for it. `announced` hears of each that was told something.
 */
export function recallAll(
  core: Core,
  demands: readonly (readonly [Lease, Demand])[],
  announced: (lease: Lease) => void = () => {},
): void {
  let count = 0;
  for (let i = 0; i < demands.length; i++) {
    const [lease, demand] = demands[i];
    if (!lease.overlaps(demand.offset, demand.end) || !recall(core, lease, demand)) continue;
    announced(lease);
    if (++count < AT_ONCE || i + 1 === demands.length) continue;
    const rest = demands.slice(i + 1);
    core.after(0, () => recallAll(core, rest, announced));
    return;
  }
}

/** What is asked back: whole blocks, so that it can be returned just as it was asked for. */
export function partOf(core: Core, lease: Lease, demand: Demand): { offset: number; end: number } {
  const { blockSize } = core.options;
  return {
    offset: Math.max(Math.floor(demand.offset / blockSize) * blockSize, lease.offset),
    end: Math.min(Math.ceil(demand.end / blockSize) * blockSize, lease.end),
  };
}

/** The sub-leases on the range that is asked back, each whole; the others go on, and do not hinder a return of that range. */
function recallChildren(core: Core, lease: Lease, demand: Demand, breakMs: number): void {
  if (!lease.children) return;
  for (const child of [...lease.children]) {
    if (!child.overlaps(demand.offset, demand.end)) continue;
    recall(core, child, { ...demand, offset: child.offset, end: child.end, cause: 'administrator', breakMs });
  }
}

/** Effect of `recall` and `recall wider`. */
export function announceRecall(core: Core, lease: Lease): void {
  const current = lease.recall;
  if (!current) throw new Error(`lease ${lease.id} is recalled without a demand`);
  current.seq = lease.seq;
  lease.renewTimer = core.stop(lease.renewTimer);
  armDeadline(core, lease);
  if (core.injected('lose-event', lease.id)) return;
  emit(core, lease, 'recall', current.reason, {
    offset: current.offset,
    length: current.end - current.offset,
    target: current.target ? `${current.target.kind} ${current.target.mode}` : 'none',
    deadlineMs: current.deadline - core.now(),
    breaker: current.breaker,
  });
  signal(core, lease);
}

/** In whose name a holder is signalled: in his own, unless he is an administrator. */
export function signallerOf({ holder }: Lease): number | undefined {
  return holder.privileged ? undefined : holder.uid;
}

/** `notify=signal:N` */
export function signal(core: Core, lease: Lease): void {
  const { notify } = lease.terms;
  if (!notify.startsWith('signal:')) return;
  const { tgid, start } = lease.holder;
  core.ports.processes.kill(tgid, start, Number(notify.slice('signal:'.length)), signallerOf(lease));
}

/** (Re)starts the timer of a recall. */
export function armDeadline(core: Core, lease: Lease): void {
  const current = lease.recall;
  if (!current) return;
  core.stop(current.timer);
  current.deadlineS = core.wall() + (current.deadline - core.now()) / 1000;
  current.timer = core.after(current.deadline - core.now(), () => {
    // A stop begins no fences: who does not answer is recorded as an orphan (row 27).
    if (lease.state !== 'RECALLED' || core.stopping) return;
    core.stats.expiries++;
    move(core, lease, 'deadline', { reason: 'deadline' });
  });
}

/** Effect of `recall met` and `reclaim`. */
export function letGoOfRecall(core: Core, lease: Lease): void {
  if (lease.recall) lease.recall.timer = core.stop(lease.recall.timer);
  lease.recall = undefined;
  lease.fence = undefined;
  lease.wanted = false;
  // It is granted again, and not on its way out: who still minds it must ask anew.
  for (const item of core.files.get(lease.ino)?.queue ?? []) item.blockers = [];
}
