/** An operation that waits: starts the recalls, parks, and is taken up when nothing is in its way. */
import { E } from '../system/errno.ts';
import type { Actor, Change, Waiter } from './api.ts';
import type { Core } from './core.ts';
import { type Blocker, blockersOf, eachBlocker, endOf, processOf, startOf } from './judge.ts';
import type { Lease } from './lease.ts';
import { thirdParty } from './matrix.ts';
import { type Demand, recallAll } from './recall.ts';
import { SHAPES, type Shape } from './shapes.ts';
import { isLive } from './states.ts';
import { Parked } from './wait.ts';

/**
 * How often one operation asks an odp holder to forget. Of several, one may fetch the map again before the others have answered, and
 * so on in turn: who is still in the way then is recalled like everybody else.
 */
const INVALIDATIONS = 3;

export class Breaking extends Parked implements Waiter {
  readonly waiting = true;
  readonly what = 'operation';
  private readonly changes: readonly Change[];
  private readonly actor: Actor;
  private readonly resume: (errno: number) => void;
  /** How often odp holders were asked to forget. */
  private readonly asked = new Map<Lease, number>();

  constructor(
    core: Core,
    ino: number,
    changes: readonly Change[],
    actor: Actor,
    operation: string,
    resume: (errno: number) => void,
    previous: Waiter | undefined,
  ) {
    const { pid, uid } = actor;
    const own = { ...actor };
    const command = pid === 0 ? 'writeback' : (processOf(core, own)?.command ?? '');
    super(core, ino, operation, { pid, uid, command }, core.options.patienceMs, previous);
    this.changes = changes.map((change) => ({ ...change }));
    this.actor = own;
    this.resume = resume;
  }

  /** Recalls whatever is in the way now. false: nothing waits, or something refuses (the operation finds out itself). */
  private demand(): boolean {
    const blockers = blockersOf(this.core, this.ino, this.changes, this.actor);
    if (blockers.length === 0 || blockers.some((b) => b.letter !== 'B')) return false;
    // One demand a lease, whatever the operation does to it in several places: one recall tells its holder all.
    const demands = new Map<Lease, Demand>();
    for (const blocker of blockers) {
      const demand = this.demandOn(blocker);
      const before = demands.get(blocker.lease);
      if (!before) demands.set(blocker.lease, demand);
      else {
        before.offset = Math.min(before.offset, demand.offset);
        before.end = Math.max(before.end, demand.end);
        if (!demand.target) before.target = undefined;
      }
    }
    // Sub-leases before what they are under.
    const inOrder = [...demands].sort(([a], [b]) => depth(b) - depth(a));
    for (const [lease, demand] of inOrder) {
      if ((this.asked.get(lease) ?? 0) >= INVALIDATIONS) demand.cause = 'administrator';
    }
    recallAll(this.core, inOrder, (lease) => {
      if (lease.terms.odp) this.asked.set(lease, (this.asked.get(lease) ?? 0) + 1);
    });
    this.blockers = [...demands.keys()];
    return true;
  }

  private demandOn(blocker: Blocker): Demand {
    return {
      reason: reasonOf(blocker.row.name),
      offset: blocker.offset,
      end: blocker.end,
      target: enough(blocker),
      breaker: { pid: this.pid, command: this.command, operation: this.operation },
      cause: 'operation',
    };
  }

  begin(nonblocking: boolean, first: boolean): void {
    if (nonblocking) {
      this.gone = true;
      this.resume(this.demand() ? E.AGAIN : 0);
      return;
    }
    // Parked before the recalls: a recall that ends at once must find it.
    if (!this.park(first)) {
      this.gone = true;
      this.resume(E.NOLCK);
      return;
    }
    this.attempt();
  }

  attempt(): void {
    if (this.waitsStill() || (this.demand() && this.stillBlocked())) return;
    if (this.gone) return;
    this.unpark();
    this.resume(0);
  }

  /** With many holders, one return must not cost a look at all the others: somebody known is still on his way out. */
  private waitsStill(): boolean {
    for (let last = this.blockers.at(-1); last; last = this.blockers.at(-1)) {
      if (last.state === 'RECALLED' || (isLive(last.state) && last.state !== 'GRANTED' && !this.core.lapses(last)))
        return true;
      this.blockers.pop();
    }
    return false;
  }

  /** A recall of a dead process's lease ends it on the spot. */
  private stillBlocked(): boolean {
    return eachBlocker(this.core, this.ino, this.changes, this.actor, (blocker) => blocker.letter === 'B');
  }

  fail(errno: number): void {
    this.resume(errno);
  }

  mindsLease(shape: Shape, offset: number, end: number): boolean {
    return this.changes.some((change) => {
      const row = this.core.matrix[change.row];
      return startOf(row, change) < end && endOf(row, change) > offset && thirdParty(row, shape.facts) !== 'A';
    });
  }
}

function depth(lease: Lease): number {
  return lease.parent ? 1 + depth(lease.parent) : 0;
}

/** The word of the recall event: what the breaker does, as its caller would call it. */
function reasonOf(row: string): string {
  return row === 'shrink' || row === 'grow' ? 'truncate' : row;
}

/** `layout rw` need only come down to `ro` where that is not in the way. */
function enough(blocker: Blocker): Demand['target'] {
  const { lease, row } = blocker;
  if (lease.slot !== 'layout rw') return undefined;
  const lower = SHAPES.find((s) => s.slot === 'layout ro' && s.facts.coherent === lease.facts.coherent) as Shape;
  return thirdParty(row, lower.facts) === 'A' ? { kind: 'layout', mode: 'ro' } : undefined;
}
