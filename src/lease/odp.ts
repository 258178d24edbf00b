/**
 * Fault-capable holders (leases.md section 6): where others are recalled they are told to forget a range, acknowledge, keep
 * their lease and fetch the map again. No answer in time, and the ordinary recall takes its course.
 */
import type { Core } from './core.ts';
import { emit } from './emit.ts';
import type { Lease } from './lease.ts';
import { type Demand, partOf, recall, signal } from './recall.ts';
import { move } from './transitions.ts';

export function invalidate(core: Core, lease: Lease, demand: Demand): boolean {
  if (lease.invalidate) return false;
  const { offset, end } = partOf(core, lease, demand);
  move(core, lease, 'change', { reason: 'invalidate' });
  const timer = core.after(core.options.odpAckMs, () => {
    if (lease.invalidate?.timer !== timer || lease.state !== 'GRANTED') return;
    lease.invalidate = undefined;
    recall(core, lease, { ...demand, cause: 'administrator' });
  });
  lease.invalidate = { seq: lease.seq, offset, end, reason: demand.reason, breaker: demand.breaker, timer };
  if (core.injected('lose-event', lease.id)) return true;
  emit(core, lease, 'invalidate', demand.reason, {
    offset,
    length: end - offset,
    deadlineMs: core.options.odpAckMs,
    breaker: demand.breaker,
  });
  signal(core, lease);
  return true;
}

/**
 * The holder forgot the range. Who waits goes on as soon as nobody else is in its way; a non-blocking breaker that comes back
 * passes too, until the holder fetches the map again (`told`) or a break time has passed.
 */
export function acknowledged(core: Core, lease: Lease): void {
  const { invalidate: asked } = lease;
  if (!asked) return;
  core.stop(asked.timer);
  lease.invalidate = undefined;
  const waiting = core.files.get(lease.ino)?.queue.filter((item) => item.waitsFor(lease)) ?? [];
  lease.forgotten = { offset: asked.offset, end: asked.end, until: core.now() + core.options.breakMs, waiting };
  core.touch(lease.ino);
  if (waiting.length === 0) return;
  core.forgetful.add(lease);
  core.afterwards(() => remember(core));
}

/**
 * Who forgot a range for the sake of those that waited is asked anew once they are through. Not before: one that waits for
 * several holders goes on only when all of them have forgotten, and their answers come one after the other.
 */
export function remember(core: Core): void {
  for (const lease of core.forgetful) {
    if (lease.forgotten?.waiting.some((item) => !item.gone)) continue;
    lease.forgotten = undefined;
    core.forgetful.delete(lease);
  }
}

/** May an operation on [offset, end) pass an odp lease because its holder forgot that range? */
export function hasForgotten(core: Core, lease: Lease, offset: number, end: number): boolean {
  const range = lease.forgotten;
  return (
    range !== undefined &&
    core.now() <= range.until &&
    range.offset <= Math.max(offset, lease.offset) &&
    range.end >= Math.min(end, lease.end)
  );
}
