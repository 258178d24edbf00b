/** Judging an operation by the matrix, over all overlapping leases at once: nobody is recalled before nobody refuses. */
import { E } from '../system/errno.ts';
import type { Actor, Change, Refusal, Verdict } from './api.ts';
import type { Letter } from './cell.ts';
import type { Core } from './core.ts';
import { refusalBy, sealedRefusal } from './explain.ts';
import type { Lease } from './lease.ts';
import { byHolder, bySeal, type Row, thirdParty } from './matrix.ts';
import { hasForgotten } from './odp.ts';
import { ALL_SHAPES, SHAPE_BITS } from './shapes.ts';

const GO: Verdict = { go: true };

export interface Blocker {
  lease: Lease;
  row: Row;
  letter: Letter;
  offset: number;
  end: number;
}

/**
 * First and last byte (exclusive) that a change concerns. A new size concerns whoever covers the end of the file; a smaller one
 * also whoever has blocks behind it.
 */
export function startOf(row: Row, change: Change): number {
  return row.resizes && row.name !== 'shrink' ? Math.max(0, change.offset - 1) : change.offset;
}

export function endOf(row: Row, change: Change): number {
  return row.name === 'shrink' ? Number.POSITIVE_INFINITY : change.offset + change.length;
}

/** LeaseEngine.judge */
export function judge(
  core: Core,
  ino: number,
  changes: readonly Change[],
  actor: Actor,
  nonblocking: boolean,
): Verdict {
  const sealed = core.ports.map.sealed(ino);
  if (sealed !== 0) {
    for (const change of changes) {
      if (bySeal(core.matrix[change.row], sealed) !== 'A')
        return { go: false, errno: E.TXTBSY, refusal: sealedRefusal() };
    }
  }
  const file = core.files.get(ino);
  if (!file || file.index.size === 0) return GO;
  const { index } = file;
  let conflict = false;
  for (const change of changes) {
    const masks = core.rows[change.row];
    if ((masks.refuses | masks.waits) === 0) continue;
    index.masks(startOf(masks.row, change), endOf(masks.row, change));
    const waiting = (index.near | (index.near >> SHAPE_BITS)) & ALL_SHAPES;
    if (((waiting | index.far) & masks.refuses) !== 0 || (waiting & masks.waits) !== 0) {
      conflict = true;
      break;
    }
  }
  if (!conflict) return GO;
  const blockers = blockersOf(core, ino, changes, actor);
  if (blockers.length === 0) return GO;
  // Another's refusal says more than "your own lease": the caller cannot cure it by a return.
  const refusing = blockers.find((b) => b.letter === 'T' || b.letter === 'Y') ?? blockers.find((b) => b.letter === 'K');
  if (refusing) {
    const errno = refusing.letter === 'K' ? E.DEADLK : refusing.letter === 'Y' ? E.BUSY : E.TXTBSY;
    return { go: false, errno, refusal: refusalBy(core, refusing.lease, errno, refusing.row.name) };
  }
  const refusal: Refusal | undefined = nonblocking
    ? refusalBy(core, blockers[0].lease, E.AGAIN, 'recall begun')
    : undefined;
  return { go: false, wait: true, errno: E.AGAIN, blockers: blockers.map((b) => b.lease.id), refusal };
}

/** Everything in the way, in order of range. Stops at the first refusal of a third party, unless `all` is wanted. */
export function blockersOf(
  core: Core,
  ino: number,
  changes: readonly Change[],
  actor: Actor | undefined,
  all = false,
): Blocker[] {
  const found: Blocker[] = [];
  eachBlocker(core, ino, changes, actor, (blocker) => {
    found.push(blocker);
    return !all && (blocker.letter === 'T' || blocker.letter === 'Y');
  });
  return found;
}

/** Visits what is in the way, in order of range, until `visit` says that this is enough; whether it did. */
export function eachBlocker(
  core: Core,
  ino: number,
  changes: readonly Change[],
  actor: Actor | undefined,
  visit: (blocker: Blocker) => boolean,
): boolean {
  const file = core.files.get(ino);
  if (!file) return false;
  const own = actor ? ownership(core, actor) : () => false;
  for (const change of changes) {
    const row = core.matrix[change.row];
    const { refuses, waits } = core.rows[change.row];
    if ((refuses | waits) === 0) continue;
    const offset = startOf(row, change);
    const end = endOf(row, change);
    const enough = file.index.each(offset, end, (lease) => {
      // Where others are allowed the holder is too: its column is never the stricter one (test/lease/matrix).
      if (((refuses | waits) & lease.bit) === 0) return false;
      const letter = own(lease) ? byHolder(row, lease.facts) : thirdParty(row, lease.facts);
      if (letter === 'A') return false;
      if (letter === 'B' && (core.lapses(lease) || (lease.terms.odp && hasForgotten(core, lease, offset, end))))
        return false;
      return visit({ lease, row, letter, offset, end });
    });
    if (enough) return true;
  }
  return false;
}

/** Who the actor is: looked up at most once. */
export function processOf(core: Core, actor: Actor): NonNullable<Actor['process']> | undefined {
  if (actor.process === undefined) actor.process = core.ports.processes.identify(actor.pid) ?? null;
  return actor.process ?? undefined;
}

/**
 * The holder's own operations: through a handle bound to the lease, or by its process, which is looked up only when
 * something is in the way. Writeback (pid 0) is nobody's own.
 */
export function ownership(core: Core, actor: Actor): (lease: Lease) => boolean {
  const boundTo = actor.fh !== 0 ? core.bound.get(actor.fh) : undefined;
  const owns = (lease: Lease): boolean => {
    if (boundTo?.has(lease.id)) return true;
    if (actor.fh !== 0 && lease.terms.bind === 'file' && lease.terms.fh === actor.fh) return true;
    if (actor.pid !== 0) {
      const self = processOf(core, actor);
      if (self && self.tgid === lease.holder.tgid && self.start === lease.holder.start) return true;
    }
    return lease.parent !== undefined && owns(lease.parent);
  };
  return owns;
}
