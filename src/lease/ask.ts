/**
 * Asking for a lease (`get`) or for more of one (`upgrade`): permission once; then, at every look, preconditions and conflicts;
 * the look that finds nothing in the way grants in the same step (leases.md section 4, PENDING).
 */
import { E } from '../system/errno.ts';
import type { Holder, Refusal, Strength } from './api.ts';
import { COMPATIBILITY, type Meeting, type Slot, slotOf } from './compatibility.ts';
import type { Core } from './core.ts';
import { ended, refusalBy, sealedRefusal } from './explain.ts';
import { columnOf } from './kinds.ts';
import type { Lease, LeaseTerms } from './lease.ts';
import { mapState } from './preconditions.ts';
import { type Demand, recallAll } from './recall.ts';
import { ALL_SHAPES, COMPATIBLE, SHAPE_BITS, type Shape } from './shapes.ts';
import { isEnding } from './states.ts';
import { Parked } from './wait.ts';

const STRENGTHS: readonly Strength[] = ['none', 'medium', 'configured', 'strong'];

/** What an ask is told in the end. */
export interface AskAnswer {
  /** Asked at every look: what else may stand against it. */
  mayGrant?(): Refusal | undefined;
  /** Makes it so, in the step that found nothing in the way. */
  grant(): Lease;
  granted(lease: Lease): void;
  /** It is granted, and `granted` comes as soon as the cache is clean. */
  settled?(lease: Lease): void;
  refused(refusal: Refusal): void;
}

export interface AskTerms {
  what: 'get' | 'upgrade';
  ino: number;
  terms: LeaseTerms;
  offset: number;
  end: number;
  holder: Holder;
  /** The lease that is to be more (upgrade), or under which this one is (sub-lease): not in its own way. */
  self?: Lease;
  parent?: Lease;
  minFence?: Strength;
  acceptReadOnly: boolean;
  /** Milliseconds; 0 = do not wait. */
  waitMs: number;
  afterRecall: boolean;
}

interface Obstacle {
  lease: Lease;
  meeting: Meeting | 'recallconflict';
}

export class Ask extends Parked {
  readonly what: 'get' | 'upgrade';
  readonly terms: LeaseTerms;
  readonly ask: AskTerms;
  private readonly answer: AskAnswer;
  private parked = false;
  private flushing = false;
  private flushed: boolean;

  constructor(core: Core, ask: AskTerms, answer: AskAnswer) {
    const { kind, mode, unbreakable } = ask.terms;
    // Even who does not want to wait for others has to wait for his pages to be written back.
    const patience = ask.waitMs > 0 && Number.isFinite(ask.waitMs) ? ask.waitMs : core.options.patienceMs;
    super(core, ask.ino, `${ask.what} ${slotOf(kind, mode, unbreakable)}`, ask.holder, patience);
    this.ask = ask;
    this.answer = answer;
    this.what = ask.what;
    this.terms = ask.terms;
    const column = columnOf(kind, unbreakable);
    this.flushed = column === 'layout' || column === 'exclusive' || ask.afterRecall;
  }

  get slot(): Slot {
    return slotOf(this.terms.kind, this.terms.mode, this.terms.unbreakable);
  }

  /** First look; returns true while it waits. */
  start(): boolean {
    this.attempt();
    return this.parked && !this.gone;
  }

  attempt(): void {
    if (this.flushing) return;
    const refusal = mapState(this.core, this.ino, this.terms, this.ask.offset, this.ask.end) ?? this.sealed();
    if (refusal) {
      this.end(() => this.answer.refused(refusal));
      return;
    }
    const obstacles = this.obstacles();
    const hard = obstacles.find((o) => o.meeting === 'busy' || o.meeting === 'text');
    if (hard) {
      const errno = hard.meeting === 'busy' ? E.BUSY : E.TXTBSY;
      this.end(() => this.answer.refused(refusalBy(this.core, hard.lease, errno, 'conflict')));
      return;
    }
    if (this.terms.mode === 'rw' && this.ask.acceptReadOnly && obstacles.some((o) => o.meeting === 'ro')) {
      this.terms.mode = 'ro';
      this.attempt();
      return;
    }
    const ahead = this.ahead();
    if (obstacles.length > 0 || ahead) this.waitFor(obstacles, ahead);
    else if (!this.flushed) this.flush();
    else this.grant();
  }

  private sealed(): Refusal | undefined {
    const flag = this.core.ports.map.sealed(this.ino);
    return flag !== 0 && COMPATIBILITY.sealed[this.slot] === 'text' ? sealedRefusal() : undefined;
  }

  private obstacles(): Obstacle[] {
    const { core, ask } = this;
    const found: Obstacle[] = [];
    const { slot } = this;
    const index = core.files.get(this.ino)?.index;
    if (index && index.size > 0) {
      index.masks(ask.offset, ask.end);
      const ending = (index.near >> SHAPE_BITS) | index.far;
      if ((index.near & ALL_SHAPES & ~COMPATIBLE[slot]) !== 0 || ending !== 0) {
        index.each(ask.offset, ask.end, (lease) => {
          this.meet(lease, found);
          return false;
        });
      }
    }
    if (ask.minFence) {
      const least = STRENGTHS.indexOf(ask.minFence);
      for (const lease of core.tombstones.get(this.ino) ?? []) {
        if (lease.overlaps(ask.offset, ask.end) && STRENGTHS.indexOf(lease.proof ?? 'none') < least)
          found.push({ lease, meeting: 'again' });
      }
    }
    return found;
  }

  private meet(lease: Lease, found: Obstacle[]): void {
    const { self, parent } = this.ask;
    if (lease === self || lease === parent || (self && lease.parent === self)) return;
    if (isEnding(lease.state)) {
      found.push({ lease, meeting: 'recallconflict' });
      return;
    }
    // One holder's own leases live beside each other: what he then does is judged by all of them.
    if (lease.holder.session !== 0 && lease.holder.session === this.ask.holder.session) return;
    const meeting = COMPATIBILITY[lease.slot][this.slot];
    if (meeting !== 'ok') found.push({ lease, meeting });
  }

  /** Somebody who came earlier and would have to wait longer, or again, for this lease. */
  private ahead(): Parked | undefined {
    const queue = this.core.files.get(this.ino)?.queue ?? [];
    for (const item of queue) {
      if (item === this) return undefined;
      if (item instanceof Ask && item.ask.holder.session !== 0 && item.ask.holder.session === this.ask.holder.session)
        continue;
      if (item.mindsLease(this.shape(), this.ask.offset, this.ask.end)) return item;
    }
    return undefined;
  }

  private shape(): Shape {
    const { kind, mode, unbreakable, coherent, unwrittenOk } = this.terms;
    const column = columnOf(kind, unbreakable);
    return { slot: this.slot, facts: { column, rw: mode === 'rw', frozen: kind === 'frozen', coherent, unwrittenOk } };
  }

  private waitFor(obstacles: Obstacle[], ahead: Parked | undefined): void {
    const { core, ask } = this;
    this.blockers = obstacles.map((o) => o.lease);
    if (ask.what === 'upgrade' && this.closesCircle(new Set())) {
      const circle = this.refusalOf(obstacles, ahead);
      this.end(() =>
        this.answer.refused({
          ...circle,
          errno: E.DEADLK,
          cause: 'upgrade cycle',
          hint: 'both wait for each other: return or downgrade one',
        }),
      );
      return;
    }
    const against = this.answer.mayGrant?.();
    if (against) {
      this.end(() => this.answer.refused(against));
      return;
    }
    const waits = ask.waitMs > 0;
    if (waits && !this.parked && !this.join()) return;
    const demands: [Lease, Demand][] = [];
    for (const { lease, meeting } of obstacles) {
      if (meeting !== 'recall' && meeting !== 'recall to ro' && lease.state !== 'ORPHANED') continue;
      const demand: Demand = {
        reason: ask.what,
        offset: ask.offset,
        end: ask.end,
        target: meeting === 'recall to ro' ? { kind: 'layout', mode: 'ro' } : undefined,
        breaker: { pid: this.pid, command: this.command, operation: this.operation },
        cause: 'get',
      };
      demands.push([lease, demand]);
    }
    recallAll(core, demands);
    if (!waits) {
      // Holders that turned out to be dead are gone already.
      if (obstacles.some((o) => o.lease.state === 'RELEASED')) this.attempt();
      else {
        const refusal = this.refusalOf(obstacles, ahead);
        this.end(() => this.answer.refused(refusal));
      }
    }
    // Pages may get dirty again while it waits.
    else if (!ask.afterRecall) this.flushed = this.terms.kind === 'layout' || this.terms.kind === 'exclusive';
  }

  private refusalOf(obstacles: Obstacle[], ahead: Parked | undefined): Refusal {
    const first = obstacles[0];
    if (!first) {
      const hint = `pid ${ahead?.pid} (${ahead?.command}) waits here for ${ahead?.operation}: wait=SECONDS queues behind it`;
      return { errno: E.AGAIN, cause: 'recallconflict', hint };
    }
    const cause = first.meeting === 'again' || first.meeting === 'ro' ? 'conflict' : 'recallconflict';
    return refusalBy(this.core, first.lease, E.AGAIN, cause);
  }

  /** Do those I wait for wait, one through the other, for what I hold? */
  private closesCircle(seen: Set<Parked>): boolean {
    const mine = this.ask.self;
    if (!mine) return false;
    const queue = this.core.files.get(this.ino)?.queue ?? [];
    const reaches = (blockers: readonly Lease[]): boolean =>
      blockers.some((lease) => {
        if (lease === mine) return true;
        for (const item of queue) {
          if (item === this || seen.has(item) || !(item instanceof Ask) || item.ask.self !== lease) continue;
          seen.add(item);
          if (reaches(item.blockers)) return true;
        }
        return false;
      });
    return reaches(this.blockers.filter((lease) => lease !== mine));
  }

  private join(): boolean {
    if (this.park()) {
      this.parked = true;
      return true;
    }
    this.gone = true;
    this.answer.refused(ended(E.NOLCK));
    return false;
  }

  /** The kernel's dirty pages go to the device, and its clean ones away, before anybody maps the blocks directly. */
  private flush(): void {
    if (!this.parked && !this.join()) return;
    this.flushing = true;
    this.core.ports.map.flushInvalidate(this.ino, (errno) =>
      this.core.enter(() => {
        this.flushing = false;
        if (this.gone) return;
        if (errno !== 0) {
          this.end(() =>
            this.answer.refused({
              errno,
              cause: 'flush',
              hint: 'the cached pages of the file could not be written back',
            }),
          );
          return;
        }
        this.flushed = true;
        this.attempt();
      }),
    );
  }

  private grant(): void {
    const against = this.answer.mayGrant?.();
    if (against) {
      this.end(() => this.answer.refused(against));
      return;
    }
    const lease = this.answer.grant();
    this.end(() => {
      const column = columnOf(this.terms.kind, this.terms.unbreakable);
      if (!this.ask.afterRecall || column === 'layout' || column === 'exclusive') {
        this.answer.granted(lease);
        return;
      }
      // Granted with the end of the breaker's change; the holder hears of it when the cache is clean.
      this.answer.settled?.(lease);
      this.core.ports.map.flushInvalidate(this.ino, () => this.core.enter(() => this.answer.granted(lease)));
    });
  }

  private end(tell: () => void): void {
    if (this.gone) return;
    if (this.parked) this.unpark();
    this.gone = true;
    tell();
  }

  fail(errno: number): void {
    this.gone = true;
    this.answer.refused(ended(errno));
  }

  mindsLease(shape: Shape, offset: number, end: number): boolean {
    if (this.ask.offset >= end || this.ask.end <= offset) return false;
    return COMPATIBILITY[shape.slot][this.slot] !== 'ok' || COMPATIBILITY[this.slot][shape.slot] !== 'ok';
  }
}
