/**
 * Who still maps a lease's blocks: one look at all processes answers for all leases that ask at the same time, because the look
 * costs milliseconds and a thousand holders may expire together. Orphans and tombstones that may still be reached are
 * looked at again and again, seldom and more seldom, until nobody maps them.
 */
import type { Core } from './core.ts';
import type { Lease } from './lease.ts';
import type { Mapper } from './ports.ts';

type Answer = (mappers: readonly Mapper[] | number) => void;

export class Scan {
  readonly asked = new Map<Lease, Answer[]>();
  readonly watched = new Map<Lease, () => void>();
  flying = false;
  timer: unknown;
  delayMs = 0;
}

/** `answer` gets the processes that still map the lease's blocks, or an errno when that could not be found out. */
export function askMappers(core: Core, lease: Lease, answer: Answer): void {
  const { scan } = core;
  const answers = scan.asked.get(lease);
  if (answers) {
    answers.push(answer);
    return;
  }
  scan.asked.set(lease, [answer]);
  if (scan.asked.size === 1 && !scan.flying) core.afterwards(() => fly(core));
}

function fly(core: Core): void {
  const { scan } = core;
  if (scan.flying || scan.asked.size === 0) return;
  const asked = new Map(scan.asked);
  scan.asked.clear();
  scan.flying = true;
  const subjects = [...asked.keys()].map(subjectOf);
  const isHolder = (pid: number): boolean => holdsRaw(core, pid);
  core.ports.processes.mappers(subjects, isHolder, (byLease) =>
    core.enter(() => {
      scan.flying = false;
      for (const [lease, answers] of asked) {
        const mappers = typeof byLease === 'number' ? byLease : (byLease.get(lease.id) ?? []);
        for (const answer of answers) answer(mappers);
      }
      if (scan.asked.size > 0) core.afterwards(() => fly(core));
    }),
  );
}

function holdsRaw(core: Core, pid: number): boolean {
  for (const lease of core.leases.values()) {
    if (lease.raw && lease.holder.tgid === pid && (lease.state === 'GRANTED' || lease.state === 'RECALLED'))
      return true;
  }
  return false;
}

export function subjectOf(lease: Lease) {
  return {
    id: lease.id,
    ino: lease.ino,
    offset: lease.offset,
    end: lease.end,
    pid: lease.holder.tgid,
    start: lease.holder.start,
    reach: lease.reach,
  };
}

/** Looks at the lease until `unwatch`; `look` asks and decides. */
export function watch(core: Core, lease: Lease, look: () => void): void {
  const { scan } = core;
  scan.watched.set(lease, look);
  if (scan.timer === undefined) {
    scan.delayMs = core.options.fenceRetryMs;
    arm(core);
  }
}

export function unwatch(core: Core, lease: Lease): void {
  const { scan } = core;
  if (scan.watched.delete(lease) && scan.watched.size === 0) scan.timer = core.stop(scan.timer);
}

/** Somebody closed something or died: look now, and often again. */
export function hurry(core: Core): void {
  const { scan } = core;
  if (scan.watched.size === 0) return;
  core.stop(scan.timer);
  scan.delayMs = core.options.fenceRetryMs;
  arm(core);
  for (const look of [...scan.watched.values()]) look();
}

function arm(core: Core): void {
  const { scan } = core;
  scan.timer = core.after(scan.delayMs, () => {
    scan.delayMs = Math.min(scan.delayMs * 2, core.options.fenceRetryMaximumMs);
    // Armed before the looks, which watch on: there is one timer, and the last one to be unwatched stops it.
    arm(core);
    for (const look of [...scan.watched.values()]) look();
  });
}
