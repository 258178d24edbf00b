/** The lease engine: one way in for every verb, and the wiring of its parts. What each promises is said in api.ts. */

import { E } from '../system/errno.ts';
import { breakFile, deviceLost, expire, revoke } from './administer.ts';
import type {
  Access,
  Actor,
  Change,
  Filter,
  GetRequest,
  GetResult,
  Holder,
  Injection,
  LeaseEngine,
  LeaseRef,
  LeaseView,
  QuarantineView,
  Refused,
  ReturnResult,
  Stats,
  Target,
  VerbResult,
  Verdict,
  Waiter,
  WaiterView,
  Waiting,
  WhyAnswer,
} from './api.ts';
import { bindHandle, fileClosed, processDied, sessionClosed } from './bind.ts';
import { Breaking } from './breaking.ts';
import { downgrade, upgrade } from './change.ts';
import { Core } from './core.ts';
import { emit } from './emit.ts';
import { refusalBy } from './explain.ts';
import { endProven, endUnproven, retryFences, retryLater, retrySoon, startFence } from './fence.ts';
import { get } from './get.ts';
import { ack, delay, giveBack } from './give-back.ts';
import { held, heldResult } from './hold.ts';
import { judge } from './judge.ts';
import { reclaim, renew } from './named.ts';
import { orphaned } from './orphan.ts';
import { DEFAULT_OPTIONS, type LeaseOptions, type Ports } from './ports.ts';
import { dispose, forceRelease, Quarantine, quarantineList, releaseReach } from './quarantine.ts';
import { announceRecall, letGoOfRecall } from './recall.ts';
import { recover, stopAll } from './recovery.ts';
import type { RowName } from './rows.ts';
import { hurry } from './scan.ts';
import { seal, unseal } from './seal.ts';
import { isLive } from './states.ts';
import { list, statistics, view, WHY_ROWS, why } from './views.ts';
import { settle, waiterViews } from './wait.ts';

export class Leases implements LeaseEngine {
  readonly core: Core;
  private readonly quarantine = new Quarantine();

  constructor(ports: Ports, options: Partial<LeaseOptions> = {}) {
    const core = new Core(ports, { ...DEFAULT_OPTIONS, ...options });
    const { quarantine } = this;
    this.core = core;
    core.settle = (ino) => settle(core, ino);
    core.effects = {
      none: () => {},
      'announce the recall': announceRecall,
      'let go of the recall': letGoOfRecall,
      'look for the holder': orphaned,
      'start the fence': startFence,
      'retry the fence later': retryLater,
      'end: blocks are free': (_, lease) => void releaseReach(core, quarantine, lease),
      'end: proven': (_, lease, detail) => endProven(core, quarantine, lease, detail),
      'end: not proven': (_, lease) => endUnproven(core, quarantine, lease),
    };
  }

  turn<T>(body: () => T): T {
    return this.core.enter(body);
  }

  has(ino: number): boolean {
    return this.core.files.has(ino) || this.core.ports.map.sealed(ino) !== 0;
  }

  holdsInode(ino: number): boolean {
    return (this.core.files.get(ino)?.index.size ?? 0) > 0;
  }

  judge(ino: number, changes: readonly Change[], actor: Actor, _operation: string, nonblocking: boolean): Verdict {
    return judge(this.core, ino, changes, actor, nonblocking);
  }

  begin(
    ino: number,
    changes: readonly Change[],
    actor: Actor,
    operation: string,
    resume: (errno: number) => void,
    options: { nonblocking?: boolean; previous?: Waiter } = {},
  ): Waiter {
    const breaking = new Breaking(this.core, ino, changes, actor, operation, resume, options.previous);
    this.core.enter(() => breaking.begin(options.nonblocking ?? false, options.previous !== undefined));
    return breaking;
  }

  dispose(ino: number, fileBlock: number, deviceBlock: number, length: number): 'free' | 'quarantine' {
    return dispose(this.core, this.quarantine, ino, fileBlock, deviceBlock, length);
  }

  get(
    request: GetRequest,
    holder: Holder,
    done: (result: GetResult) => void,
    settled?: (result: GetResult & { ok: true }) => void,
  ): Waiting | undefined {
    return this.core.enter(() => get(this.core, request, holder, done, settled));
  }

  return_(
    ref: LeaseRef,
    by: Holder,
    options: { offset?: number; length?: number; cascade?: boolean },
    done: (result: ReturnResult) => void,
  ): Waiting | undefined {
    return this.core.enter(() => giveBack(this.core, ref, by, options, done));
  }

  ack(ref: LeaseRef, by: Holder): VerbResult {
    return this.core.enter(() => ack(this.core, ref, by));
  }

  delay(ref: LeaseRef, by: Holder, ms: number): VerbResult {
    return this.core.enter(() => delay(this.core, ref, by, ms));
  }

  downgrade(ref: LeaseRef, by: Holder, target: Target): VerbResult {
    return this.core.enter(() => downgrade(this.core, ref, by, target));
  }

  upgrade(
    ref: LeaseRef,
    by: Holder,
    target: Target,
    waitMs: number,
    done: (result: VerbResult) => void,
  ): Waiting | undefined {
    return this.core.enter(() => upgrade(this.core, ref, by, target, waitMs, done));
  }

  renew(ref: LeaseRef, by: Holder): VerbResult {
    return this.core.enter(() => renew(this.core, ref, by));
  }

  reclaim(name: string, secret: string, by: Holder): GetResult {
    return this.core.enter(() => reclaim(this.core, name, secret, by));
  }

  bindHandle(fh: number, ref: LeaseRef, by: Holder, kept = false): VerbResult {
    return bindHandle(this.core, fh, ref, by, kept);
  }

  check(ref: LeaseRef, by: Holder, need: 'granted' | 'live' | 'any'): VerbResult {
    const found = held(this.core, ref, by);
    if ('refusal' in found) return this.core.refuse(found.refusal);
    const { lease } = found;
    // RECALLED holders may finish their I/O; after that nothing new is begun.
    const able = lease.state === 'GRANTED' || (need === 'live' && lease.state === 'RECALLED');
    if (need !== 'any' && !able)
      return this.core.refuse(refusalBy(this.core, lease, isLive(lease.state) ? E.AGAIN : E.STALE, 'over'));
    return heldResult(this.core, lease);
  }

  breakFile(
    ino: number,
    range: { offset?: number; length?: number },
    access: Access,
    by: Holder,
  ): { ok: true; recalled: number } | Refused {
    return this.core.enter(() => breakFile(this.core, ino, range, access, by));
  }

  revoke(id: number, by: Holder, reason = 'revoke'): VerbResult {
    return this.core.enter(() => revoke(this.core, id, by, reason));
  }

  expire(id: number, by: Holder, force: boolean): VerbResult {
    return this.core.enter(() => expire(this.core, id, by, force));
  }

  quarantineList(): QuarantineView[] {
    return quarantineList(this.quarantine);
  }

  quarantineRelease(
    which: { lease?: number; deviceBlock?: number },
    by: Holder,
  ): { ok: true; released: number } | Refused {
    return this.core.enter(() => forceRelease(this.core, this.quarantine, which, by));
  }

  seal(
    ino: number,
    options: { unwrittenOk?: boolean; waitMs?: number },
    by: Holder,
    done: (result: { ok: true; sealed: number } | Refused) => void,
  ): Waiting | undefined {
    return this.core.enter(() => seal(this.core, ino, options, by, done));
  }

  unseal(ino: number, by: Holder): { ok: true; sealed: 0 } | Refused {
    return this.core.enter(() => unseal(this.core, ino, by));
  }

  list(filter?: Filter): LeaseView[] {
    return list(this.core, filter);
  }

  waiters(): WaiterView[] {
    return waiterViews(this.core);
  }

  find(id: number): LeaseView | undefined {
    const lease = this.core.leases.get(id);
    return lease && view(this.core, lease);
  }

  why(
    ino: number,
    rows: readonly RowName[] = WHY_ROWS,
    range: { offset?: number; length?: number } = {},
    actor?: Actor,
  ): WhyAnswer[] {
    return why(this.core, ino, rows, range.offset ?? 0, range.length ?? Number.POSITIVE_INFINITY, actor);
  }

  stats(): Stats {
    return statistics(this.core, this.quarantine);
  }

  sessionClosed(session: number): void {
    this.core.enter(() => sessionClosed(this.core, session));
  }

  fileClosed(fh: number): void {
    const { core } = this;
    // At nearly every close nothing is bound to any handle, and nobody waits for mappings to go.
    if (core.byHandle.size === 0 && core.bound.size === 0 && core.scan.watched.size === 0) return;
    core.enter(() => fileClosed(core, fh));
  }

  processDied(pid: number, start: number): void {
    this.core.enter(() => processDied(this.core, pid, start));
  }

  told(id: number): void {
    const lease = this.core.leases.get(id);
    if (!lease) return;
    lease.forgotten = undefined;
    lease.mapped = true;
    if (lease.raw) return;
    lease.raw = true;
    this.core.save(lease);
  }

  /** The block map of a file is of another generation: event `gen` for holders who know it, until they ask for it anew. */
  mapMoved(ino: number, gen: number): void {
    this.core.files.get(ino)?.index.each(0, Number.POSITIVE_INFINITY, (lease) => {
      if (lease.mapped && isLive(lease.state)) {
        lease.mapped = false;
        emit(this.core, lease, 'gen', 'the block map has changed', { gen });
      }
      return false;
    });
  }

  windowOpened(id: number, kind: 'guarded' | 'device'): void {
    if (kind === 'device') this.told(id);
  }

  windowClosed(id: number, _kind: 'guarded' | 'device'): void {
    this.core.enter(() => {
      const lease = this.core.leases.get(id);
      if (lease) retrySoon(this.core, lease);
      hurry(this.core);
    });
  }

  deviceLost(): void {
    this.core.enter(() => deviceLost(this.core));
  }

  holdsSpace(): boolean {
    return this.quarantine.blocks > 0;
  }

  retryFences(done: () => void = () => {}): void {
    this.core.enter(() => retryFences(this.core, done));
  }

  recover(epoch: number, adopted = false): { orphaned: number; named: number } {
    return this.core.enter(() => recover(this.core, this.quarantine, epoch, adopted));
  }

  stopAll(done: (orphans: LeaseView[]) => void, deadlineMs = this.core.options.breakMs): void {
    this.core.enter(() => stopAll(this.core, done, deadlineMs));
  }

  inject(injection: Injection): void {
    this.core.injections.push({ ...injection });
  }
}
