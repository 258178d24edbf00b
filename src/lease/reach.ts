/**
 * Reach: the device blocks that a holder with raw access may still touch after its leave has ended, until it is proven to have
 * stopped. Kept by *device* blocks, because the map may change meanwhile (insert, clone) and carry those blocks to other
 * offsets and files: they must not be handed out again from wherever they are freed.
 */
import type { Core } from './core.ts';
import { joinRuns, type Lease } from './lease.ts';
import type { Run } from './ports.ts';

/** From the state the map has now: to be called before any waiting change goes on. */
export function takeReach(core: Core, lease: Lease): void {
  if (!lease.raw) return;
  const runs = core.ports.map.extents(lease.ino, lease.offset, lease.end);
  setReach(core, lease, joinRuns([...lease.reach, ...runs]));
}

export function addReach(core: Core, lease: Lease, run: Run): void {
  setReach(core, lease, joinRuns([...lease.reach, run]));
}

export function setReach(core: Core, lease: Lease, runs: Run[]): void {
  for (const run of lease.reach) core.reach.remove(run.start, lease);
  lease.reach = runs;
  for (const run of runs) core.reach.insert(run.start, run.start + run.length, lease);
}

/** Takes one run out of what a holder reaches (an administrator's word for one extent). */
export function cutReach(core: Core, lease: Lease, start: number, end: number): void {
  const left: Run[] = [];
  for (const run of lease.reach) {
    const runEnd = run.start + run.length;
    if (runEnd <= start || run.start >= end) {
      left.push(run);
      continue;
    }
    if (run.start < start) left.push({ start: run.start, length: start - run.start });
    if (runEnd > end) left.push({ start: end, length: runEnd - end });
  }
  setReach(core, lease, left);
}

/**
 * Cuts [start, start+length) into pieces that somebody reaches (`lease` = one of them) and pieces that nobody does.
 * Pieces come in order and make up the whole.
 */
export function piecesByReach(
  core: Core,
  start: number,
  length: number,
): { start: number; length: number; lease: Lease | undefined }[] {
  const end = start + length;
  const pieces: { start: number; length: number; lease: Lease | undefined }[] = [];
  let at = start;
  core.reach.each(start, end, (lease, from, to) => {
    const upTo = Math.min(to, end);
    if (upTo <= at) return false;
    if (from > at) pieces.push({ start: at, length: from - at, lease: undefined });
    const begin = Math.max(from, at);
    pieces.push({ start: begin, length: upTo - begin, lease });
    at = upTo;
    return false;
  });
  if (at < end) pieces.push({ start: at, length: end - at, lease: undefined });
  return pieces;
}
