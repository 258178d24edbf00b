/**
 * What all parts of the engine share: the leases by id, inode, session, process, handle and name; the queue of every inode;
 * and the order of things within one turn.
 *
 * Every way in (a verb, a timer, an answer from outside) runs inside `enter`. Parts do not call each other's endings: they
 * mark an inode as changed, and when the way in is done, `settle` takes up what waited there, oldest first, and only then
 * come the things that were put off until the waiting changes had gone through (fences). No part calls back into a part
 * that is half done.
 */
import type { LogFields } from '../system/log.ts';
import type { Injection, Refusal, Refused, Stats, Strength } from './api.ts';
import type { Lease } from './lease.ts';
import { rowOf } from './lease.ts';
import { MATRICES } from './policies.ts';
import type { LeaseOptions, Ports } from './ports.ts';
import { RangeIndex } from './range-index.ts';
import { Scan } from './scan.ts';
import { masksOf, SHAPE_BITS } from './shapes.ts';
import { type Effect, isLive } from './states.ts';
import type { Parked } from './wait.ts';

/** All that concerns one inode: its live leases, and who waits for them. */
export class FileLeases {
  readonly index = new RangeIndex<Lease>();
  queue: Parked[] = [];
  get idle(): boolean {
    return this.index.size === 0 && this.queue.length === 0;
  }
}

/** Why a state changed, for the effect and for the events. */
export interface Detail {
  reason: string;
  strength?: Strength;
  /** Proven for the data, while the old place may still be reached (relocate). */
  keepReach?: boolean;
}

export type Effects = Readonly<Record<Effect, (core: Core, lease: Lease, detail: Detail) => void>>;
const NO_EFFECTS = {} as Effects;

export class Core {
  readonly ports: Ports;
  readonly options: LeaseOptions;
  readonly rows: ReturnType<typeof masksOf>;
  readonly matrix: (typeof MATRICES)['strict'];
  epoch = 0;
  /** Live leases and tombstones. */
  readonly leases = new Map<number, Lease>();
  /** Live leases by the user they were given to, and who that was (a reclaim may change the holder). */
  readonly liveByUid = new Map<number, number>();
  private readonly ownerOf = new Map<Lease, number>();
  live = 0;
  readonly files = new Map<number, FileLeases>();
  readonly bySession = new Map<number, Set<Lease>>();
  readonly byHandle = new Map<number, Set<Lease>>();
  readonly byProcess = new Map<string, Set<Lease>>();
  /** Of the processes in it that are watched: how that is ended. */
  readonly watches = new Map<string, () => void>();
  readonly byName = new Map<string, Lease>();
  /** Handles that act for leases. */
  readonly bound = new Map<number, Set<number>>();
  readonly tombstones = new Map<number, Set<Lease>>();
  /** Device blocks that holders may still reach. */
  readonly reach = new RangeIndex<Lease>();
  /** Everybody who waits, at whatever inode. */
  readonly parked = new Set<Parked>();
  readonly waitersByUid = new Map<number, number>();
  /** odp leases whose holders forgot a range for somebody who waits. */
  readonly forgetful = new Set<Lease>();
  readonly injections: Injection[] = [];
  readonly scan = new Scan();
  stopping = false;
  /** The stop is done: who is left is on record, for the next mount to decide about. */
  stopped = false;
  processTimer: unknown;
  /** Called after a lease has ended (unmount counts them). */
  onEnd: (() => void) | undefined;
  nextWaiter = 1;
  readonly stats: Stats = {
    leases: 0,
    byKindAndState: {},
    waiters: 0,
    quarantinedBlocks: 0,
    granted: 0,
    refused: 0,
    recalls: 0,
    returns: 0,
    expiries: 0,
    fences: 0,
    fenceFailures: 0,
    lateReturns: 0,
    breakerTimeouts: 0,
  };
  /** Takes up what waits at an inode (wait.ts), and what follows a change of state (effects.ts): wired by leases.ts. */
  settle: (ino: number) => void = () => {};
  effects: Effects = NO_EFFECTS;
  private depth = 0;
  private readonly changed = new Set<number>();
  private readonly later: (() => void)[] = [];
  private readonly wallParts = { seconds: 0, nanoseconds: 0 };

  constructor(ports: Ports, options: LeaseOptions) {
    this.ports = ports;
    this.options = options;
    this.rows = masksOf(options.policy);
    this.matrix = MATRICES[options.policy];
  }

  /** Runs one way in; the outermost one takes up what it has set free. */
  enter<T>(body: () => T): T {
    this.depth++;
    try {
      const result = body();
      if (this.depth === 1) this.drain();
      return result;
    } finally {
      this.depth--;
    }
  }

  private drain(): void {
    for (;;) {
      for (const ino of this.changed) {
        this.changed.delete(ino);
        this.settle(ino);
        this.tidy(ino);
      }
      const next = this.later.shift();
      if (!next) return;
      next();
    }
  }

  /** Leases of this inode changed: whoever waits there looks again. */
  touch(ino: number): void {
    this.changed.add(ino);
  }

  /** After all that waits and can go on has gone on. */
  afterwards(body: () => void): void {
    this.later.push(body);
  }

  after(ms: number, body: () => void): unknown {
    if (ms === Number.POSITIVE_INFINITY) return undefined;
    return this.ports.clock.setTimeout(() => this.enter(body), ms);
  }

  stop(timer: unknown): undefined {
    if (timer !== undefined) this.ports.clock.clearTimeout(timer as never);
    return undefined;
  }

  now(): number {
    return this.ports.clock.monotonic();
  }

  /** Seconds since 1970. */
  wall(): number {
    this.ports.clock.realtime(this.wallParts);
    return this.wallParts.seconds + this.wallParts.nanoseconds / 1e9;
  }

  file(ino: number): FileLeases {
    let file = this.files.get(ino);
    if (!file) {
      file = new FileLeases();
      this.files.set(ino, file);
    }
    return file;
  }

  private tidy(ino: number): void {
    const file = this.files.get(ino);
    if (!file?.idle) return;
    this.files.delete(ino);
    this.ports.map.reap(ino);
  }

  /** Puts a lease into all tables (not the store). */
  enlist(lease: Lease): void {
    this.leases.set(lease.id, lease);
    add(this.bySession, lease.holder.session, lease);
    if (lease.terms.bind === 'file') add(this.byHandle, lease.terms.fh, lease);
    if (lease.terms.bind === 'process') add(this.byProcess, processKey(lease), lease);
    if (lease.terms.name !== undefined) this.byName.set(lease.terms.name, lease);
    if (lease.parent) {
      lease.parent.children ??= new Set();
      lease.parent.children.add(lease);
    }
    if (isLive(lease.state)) {
      this.live++;
      const { uid } = lease.holder;
      this.ownerOf.set(lease, uid);
      this.liveByUid.set(uid, (this.liveByUid.get(uid) ?? 0) + 1);
      this.file(lease.ino).index.insert(
        lease.offset,
        lease.end,
        lease,
        near(lease, this.lapses(lease)),
        this.lapses(lease) ? lease.bit : 0,
      );
    } else add(this.tombstones, lease.ino, lease);
  }

  /** The lease covers its range no longer; its tombstone may stay. */
  delist(lease: Lease): void {
    this.live--;
    this.disown(lease);
    this.files.get(lease.ino)?.index.remove(lease.offset, lease);
    lease.parent?.children?.delete(lease);
    if (this.onEnd) this.afterwards(() => this.onEnd?.());
    this.touch(lease.ino);
    if (lease.parent) this.touch(lease.parent.ino);
  }

  private disown(lease: Lease): void {
    const uid = this.ownerOf.get(lease);
    if (uid === undefined) return;
    this.ownerOf.delete(lease);
    const left = (this.liveByUid.get(uid) ?? 1) - 1;
    if (left === 0) this.liveByUid.delete(uid);
    else this.liveByUid.set(uid, left);
  }

  /** Out of all tables. */
  forget(lease: Lease): void {
    this.leases.delete(lease.id);
    drop(this.bySession, lease.holder.session, lease);
    drop(this.byHandle, lease.terms.fh, lease);
    drop(this.byProcess, processKey(lease), lease);
    this.unwatch(processKey(lease));
    drop(this.tombstones, lease.ino, lease);
    if (lease.terms.name !== undefined && this.byName.get(lease.terms.name) === lease)
      this.byName.delete(lease.terms.name);
  }

  private unwatch(key: string): void {
    if (this.watches.size === 0 || this.byProcess.has(key)) return;
    this.watches.get(key)?.();
    this.watches.delete(key);
  }

  /** A lease goes over to another session. */
  rehome(lease: Lease, session: number): void {
    drop(this.bySession, lease.holder.session, lease);
    lease.holder.session = session;
    add(this.bySession, session, lease);
  }

  /** Its break time is over and mutations go on without it (`expired=quarantine`). */
  lapses(lease: Lease): boolean {
    return (lease.state === 'FENCING' || lease.state === 'FENCE_FAILED') && this.options.expired === 'quarantine';
  }

  /** State or terms of a live lease changed. */
  remark(lease: Lease): void {
    const lapsed = this.lapses(lease);
    this.files.get(lease.ino)?.index.mark(lease.offset, lease, near(lease, lapsed), lapsed ? lease.bit : 0);
  }

  /** A new range for a live lease. */
  resize(lease: Lease, offset: number, end: number): void {
    const index = this.file(lease.ino).index;
    index.remove(lease.offset, lease);
    lease.offset = offset;
    lease.end = end;
    const lapsed = this.lapses(lease);
    index.insert(offset, end, lease, near(lease, lapsed), lapsed ? lease.bit : 0);
    this.touch(lease.ino);
  }

  save(lease: Lease): void {
    this.ports.store.update(rowOf(lease));
  }

  log(level: 'warning' | 'notice', message: string, fields?: LogFields): void {
    this.ports.log?.(level, message, fields);
  }

  /** Takes one use of a fault that a test asked for. */
  injected(fault: Injection['fault'], lease: number): Injection | undefined {
    const at = this.injections.findIndex((i) => i.fault === fault && (i.lease === undefined || i.lease === lease));
    if (at < 0) return undefined;
    const injection = this.injections[at];
    injection.count = (injection.count ?? 1) - 1;
    if (injection.count <= 0) this.injections.splice(at, 1);
    return injection;
  }

  refuse(refusal: Refusal): Refused {
    this.stats.refused++;
    return { ok: false, errno: refusal.errno, refusal };
  }
}

function near(lease: Lease, lapsed: boolean): number {
  if (lapsed) return 0;
  return lease.state === 'GRANTED' ? lease.bit : lease.bit << SHAPE_BITS;
}

export function processKey(lease: Lease): string {
  return `${lease.holder.tgid} ${lease.holder.start}`;
}

function add<K>(map: Map<K, Set<Lease>>, key: K, lease: Lease): void {
  const set = map.get(key);
  if (set) set.add(lease);
  else map.set(key, new Set([lease]));
}

function drop<K>(map: Map<K, Set<Lease>>, key: K, lease: Lease): void {
  const set = map.get(key);
  if (set?.delete(lease) && set.size === 0) map.delete(key);
}
