/** One lease in memory, and its row. */
import type { Access, Bind, Holder, Notify, OnExpire, Strength } from './api.ts';
import type { LeaseFacts } from './cell.ts';
import { type Slot, slotOf } from './compatibility.ts';
import type { Breaker } from './events.ts';
import type { Kind, Mode } from './kinds.ts';
import type { Run } from './ports.ts';
import { SHAPES, shapeOf } from './shapes.ts';
import type { State } from './states.ts';
import type { LeaseRow } from './store.ts';
import type { Parked } from './wait.ts';

/** What a lease promises and how its holder is reached; the part of a `get` that lives on. */
export interface LeaseTerms {
  kind: Kind;
  mode: Mode;
  unbreakable: boolean;
  unwrittenOk: boolean;
  coherent: boolean;
  align: number;
  odp: boolean;
  bind: Bind;
  fh: number;
  name: string | undefined;
  timeoutMs: number | undefined;
  notify: Notify;
  onExpire: OnExpire;
  access: Access;
}

/** A recall in progress: the union of all demands since it began. Bytes and monotonic milliseconds. */
export interface Recall {
  seq: number;
  offset: number;
  end: number;
  /** What is enough; undefined = the range must be given back. */
  target: { kind: Kind; mode: Mode } | undefined;
  reason: string;
  breaker: Breaker;
  since: number;
  deadline: number;
  /** The deadline in seconds since 1970, for a daemon that takes over. */
  deadlineS?: number;
  delays: number;
  timer: unknown;
}

export interface Fence {
  method: string;
  attempts: number;
  /** Counts attempts over all of the lease's life, so that a late answer to an old one is recognised. */
  ticket: number;
  result: string;
  retryMs: number;
  timer: unknown;
  warned: boolean;
  /** What the attempt under way finds is from before something changed. */
  outdated: boolean;
}

/** odp: the holder was asked to forget a range. */
export interface Invalidate {
  seq: number;
  offset: number;
  end: number;
  reason: string;
  breaker: Breaker;
  timer: unknown;
}

export class Lease {
  readonly id: number;
  readonly ino: number;
  readonly path: Buffer;
  terms: LeaseTerms;
  offset: number;
  end: number;
  state: State = 'PENDING';
  seq = 0;
  holder: Holder;
  parent: Lease | undefined;
  children: Set<Lease> | undefined;
  secretHash: Buffer | undefined;
  tokenHash: string;
  epoch: number;
  grantedS = 0;
  grantedAt = 0;
  endedS: number | undefined;
  raw = false;
  /** Leases whose range it was a part of, the oldest first. */
  splitFrom: readonly number[] = [];
  /** Open files of the kernel that act for it by a verb. */
  readonly acting = new Set<number>();
  /** The holder has the map as it is now; told that it has changed, he is told again only when he has asked for it anew. */
  mapped = false;
  proof: Strength | undefined;
  recall: Recall | undefined;
  fence: Fence | undefined;
  invalidate: Invalidate | undefined;
  /** odp: acknowledged and not yet fetched again; operations inside pass. */
  forgotten: { offset: number; end: number; until: number; waiting: readonly Parked[] } | undefined;
  /** Somebody waits for an orphan: fence it as soon as it is known not to be gone. */
  wanted = false;
  /** Its break time is over: changes may have gone on without it, also before a crash, and it is never granted again. */
  lapsed = false;
  /** Until when an orphan with a name may be reclaimed before it is fenced. */
  graceUntil = 0;
  renewTimer: unknown;
  tombstoneTimer: unknown;
  /** Device runs that the holder may still reach, without leave, until a proof. */
  reach: Run[] = [];
  slot: Slot;
  facts: LeaseFacts;
  bit: number;

  constructor(
    id: number,
    ino: number,
    path: Buffer,
    terms: LeaseTerms,
    holder: Holder,
    offset: number,
    end: number,
    tokenHash: string,
    epoch: number,
  ) {
    this.id = id;
    this.ino = ino;
    this.path = path;
    this.terms = terms;
    this.holder = holder;
    this.offset = offset;
    this.end = end;
    this.tokenHash = tokenHash;
    this.epoch = epoch;
    this.slot = 'layout ro';
    this.facts = SHAPES[0].facts;
    this.bit = 0;
    this.reshape();
  }

  /** After a change of terms. */
  reshape(): void {
    const { kind, mode, unbreakable, coherent, unwrittenOk } = this.terms;
    this.slot = slotOf(kind, mode, unbreakable);
    const shape = shapeOf(this.slot, coherent, unwrittenOk);
    this.bit = 1 << shape;
    this.facts = SHAPES[shape].facts;
  }

  get length(): number {
    return this.end - this.offset;
  }

  overlaps(offset: number, end: number): boolean {
    return this.offset < end && this.end > offset;
  }
}

interface StoredOptions {
  unbreakable: boolean;
  unwrittenOk: boolean;
  coherent: boolean;
  align: number;
  odp: boolean;
  fh: number;
  timeoutMs?: number;
  notify: Notify;
  onExpire: OnExpire;
  access: Access;
  session: number;
  tgid: number;
  gid: number;
  privileged: boolean;
  token: string;
  proof?: Strength;
  lapsed?: true;
  splitFrom?: readonly number[];
  acting?: number[];
  reach: [number, number][];
  /** Of a lease in state RECALLED; `end` null is any end. */
  recall?: Omit<Recall, 'since' | 'deadline' | 'timer' | 'end'> & { end: number | null };
}

/** An unbroken list of device runs of this many at most is written with a lease; nearer runs are joined to get there. */
const REACH_RUNS = 1024;

/**
 * Sorted, merged, and when still too many, with the smallest gaps filled. Too much in it is safe (blocks of others that are
 * freed meanwhile wait in quarantine for nothing); too little is not.
 */
export function joinRuns(runs: readonly Run[], most = REACH_RUNS): Run[] {
  const sorted = [...runs].sort((a, b) => a.start - b.start);
  const joined: Run[] = [];
  for (const run of sorted) {
    const last = joined.at(-1);
    if (last && run.start <= last.start + last.length) {
      last.length = Math.max(last.length, run.start + run.length - last.start);
    } else joined.push({ start: run.start, length: run.length });
  }
  if (joined.length <= most) return joined;
  const gaps = joined.slice(1).map((run, i) => run.start - (joined[i].start + joined[i].length));
  const limit = [...gaps].sort((a, b) => a - b)[joined.length - most - 1];
  const coarse: Run[] = [joined[0]];
  for (const run of joined.slice(1)) {
    const last = coarse[coarse.length - 1];
    if (run.start - (last.start + last.length) <= limit) last.length = run.start + run.length - last.start;
    else coarse.push(run);
  }
  return coarse;
}

export function rowOf(lease: Lease): LeaseRow {
  const { terms, holder } = lease;
  const options: StoredOptions = {
    unbreakable: terms.unbreakable,
    unwrittenOk: terms.unwrittenOk,
    coherent: terms.coherent,
    align: terms.align,
    odp: terms.odp,
    fh: terms.fh,
    timeoutMs: terms.timeoutMs,
    notify: terms.notify,
    onExpire: terms.onExpire,
    access: terms.access,
    session: holder.session,
    tgid: holder.tgid,
    gid: holder.gid,
    privileged: holder.privileged,
    token: lease.tokenHash,
    proof: lease.proof,
    lapsed: lease.lapsed || undefined,
    splitFrom: lease.splitFrom.length > 0 ? lease.splitFrom : undefined,
    acting: lease.acting.size > 0 ? [...lease.acting] : undefined,
    reach: lease.reach.map((run) => [run.start, run.length]),
    recall: lease.state === 'RECALLED' && lease.recall ? storedRecall(lease.recall) : undefined,
  };
  return {
    id: lease.id,
    ino: lease.ino,
    path: lease.path,
    kind: terms.kind,
    mode: terms.mode,
    offset: lease.offset,
    length: lease.end === Number.POSITIVE_INFINITY ? -1 : lease.length,
    state: lease.state,
    seq: lease.seq,
    parent: lease.parent?.id ?? null,
    bind: terms.bind,
    uid: holder.uid,
    pid: holder.pid,
    pid_start: holder.start,
    command: holder.command,
    name: terms.name ?? null,
    secret: lease.secretHash ?? null,
    options: JSON.stringify(options),
    epoch: lease.epoch,
    granted_s: lease.grantedS,
    ended_s: lease.endedS ?? null,
    raw: lease.raw ? 1 : 0,
  };
}

function storedRecall({
  seq,
  offset,
  end,
  target,
  reason,
  breaker,
  deadlineS,
  delays,
}: Recall): StoredOptions['recall'] {
  return { seq, offset, end: Number.isFinite(end) ? end : null, target, reason, breaker, deadlineS, delays };
}

/** The recall that was in progress when the row was written. Its deadline is left to the caller, who has a clock. */
function recallOf(stored: StoredOptions['recall']): Recall | undefined {
  if (!stored) return undefined;
  const end = stored.end ?? Number.POSITIVE_INFINITY;
  return { ...stored, end, target: stored.target, since: 0, deadline: 0, timer: undefined };
}

/** `parent` is left to the caller, who has all rows. */
export function leaseOf(row: LeaseRow): Lease {
  const options = JSON.parse(row.options) as StoredOptions;
  const terms: LeaseTerms = {
    kind: row.kind as Kind,
    mode: row.mode as Mode,
    unbreakable: options.unbreakable,
    unwrittenOk: options.unwrittenOk,
    coherent: options.coherent,
    align: options.align,
    odp: options.odp,
    bind: row.bind as Bind,
    fh: options.fh,
    name: row.name ?? undefined,
    timeoutMs: options.timeoutMs,
    notify: options.notify,
    onExpire: options.onExpire,
    access: options.access,
  };
  const holder: Holder = {
    session: options.session,
    pid: row.pid,
    tgid: options.tgid,
    start: row.pid_start,
    command: row.command,
    uid: row.uid,
    gid: options.gid,
    privileged: options.privileged,
  };
  const end = row.length < 0 ? Number.POSITIVE_INFINITY : row.offset + row.length;
  const lease = new Lease(row.id, row.ino, row.path, terms, holder, row.offset, end, options.token, row.epoch);
  lease.state = row.state as State;
  lease.seq = row.seq;
  lease.secretHash = row.secret ?? undefined;
  lease.grantedS = row.granted_s;
  lease.endedS = row.ended_s ?? undefined;
  lease.raw = row.raw !== 0;
  lease.proof = options.proof;
  lease.lapsed = options.lapsed ?? false;
  lease.splitFrom = options.splitFrom ?? [];
  for (const fh of options.acting ?? []) lease.acting.add(fh);
  lease.recall = recallOf(options.recall);
  lease.reach = options.reach.map(([start, length]) => ({ start, length }));
  return lease;
}
