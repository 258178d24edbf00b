/**
 * The face of the lease engine: what operations and control ask of it, and (in ports.ts) what it asks of the others.
 *
 * Offsets and lengths are bytes; `Infinity` is "to any end". Times are milliseconds of the injected monotonic clock.
 * errno values are positive numbers. No verb throws for anything a caller can do wrong. Every verb changes the store
 * synchronously inside the open transaction; whoever replies waits for `commits.whenMetadataDurable` first (leases.md I16).
 */
import type { LeaseEvent } from './events.ts';
import type { Kind, Mode } from './kinds.ts';
import type { RowName } from './rows.ts';
import type { State } from './states.ts';

/** Who holds, or asks: filled in by control from the session's request. `start` is field 22 of /proc/PID/stat. */
export interface Holder {
  session: number;
  pid: number;
  tgid: number;
  start: number;
  command: string;
  uid: number;
  gid: number;
  /** root, CAP_LEASE, or the daemon's own uid. */
  privileged: boolean;
  /** The open data file by which he asks: who has it, by dup, fork or SCM_RIGHTS, holds the lease bound to it. */
  fh?: number;
}

/** Who does an operation: from the header of the FUSE request. pid 0 is page-cache writeback and is nobody's own. */
export interface Actor {
  uid: number;
  gid: number;
  pid: number;
  /** The daemon's number of the open file the request names, 0 = none. */
  fh: number;
  /** Its process, once somebody had to look; it waits in its request, so that does not change. Null: it is gone. */
  process?: { readonly tgid: number; readonly start: number; readonly command: string } | null;
}

export interface Change {
  row: RowName;
  /**
   * Bytes. For rows that change the size (write-append, extend-preallocated, commit, grow): the old end of file; for
   * shrink the new one. The engine itself widens those to every lease that covers the end of the file.
   */
  offset: number;
  length: number;
}

export type Bind = 'fd' | 'file' | 'process' | 'named';
export type Notify = 'event' | 'none' | `signal:${number}`;
export type OnExpire = 'relocate' | 'kill' | 'none';
/** How strong a proof that a holder stopped is (leases.md section 7), weakest first. */
export type Strength = 'none' | 'medium' | 'configured' | 'strong';

/** What control knows of the asker's rights on the file (mode, ACL, ownership). */
export interface Access {
  read: boolean;
  write: boolean;
  owner: boolean;
}

export interface GetRequest {
  ino: number;
  path: Buffer;
  kind: Kind;
  access: Access;
  mode?: Mode;
  unbreakable?: boolean;
  /** Default: the whole file, now and as it grows. */
  offset?: number;
  length?: number;
  unwrittenOk?: boolean;
  align?: number;
  odp?: boolean;
  parent?: number;
  /** Default `fd`. `file` needs `fh`; `named` needs `name`. */
  bind?: Bind;
  fh?: number;
  name?: string;
  /** bind=named: chosen by the holder; made up and returned when absent. */
  secret?: string;
  /** The holder's own break time. */
  timeoutMs?: number;
  coherent?: boolean;
  notify?: Notify;
  onExpire?: OnExpire;
  /** Do not grant while somebody who lost a lease here stopped with a weaker proof than this. */
  minFence?: Strength;
  /** `accept=ro`: take `layout ro` where `layout rw` is not to be had. */
  acceptReadOnly?: boolean;
  /** How long to queue; 0 or absent = do not wait; Infinity = to the mount's patience. */
  waitMs?: number;
  /** Queue behind the recall that took the asker's lease away; granted with the end of the breaker's change. */
  afterRecall?: boolean;
}

/** The reason of a refusal, for people (leases.md section 9: every refusal explains itself). */
export interface Refusal {
  errno: number;
  /** A word for programs: recallconflict, hole, shared, unwritten, alignment, sealed, stale, … */
  cause: string;
  /** The cure. */
  hint: string;
  lease?: number;
  kind?: string;
  state?: State;
  holder?: { pid: number; command: string; uid: number };
  offset?: number;
  length?: number;
  ageMs?: number;
  deadlineMs?: number;
  /** The daemon's current seq, where the caller's was old and he is the holder. */
  seq?: number;
}

export interface Refused {
  ok: false;
  errno: number;
  refusal: Refusal;
}

export interface Held {
  ok: true;
  id: number;
  seq: number;
  state: State;
  kind: Kind;
  mode: Mode;
  offset: number;
  /** Infinity for a whole-file lease. */
  length: number;
  gen: number;
}

/** Proves to later verbs, from whatever session, that the caller is the holder. Told once, stored as a hash. */
export type Granted = Held & { token: string; secret?: string };
export type GetResult = Granted | Refused;
export type VerbResult = Held | Refused;
/** A return that cuts a hole leaves two leases: `rest` is the upper one, with an id of its own. */
export type ReturnResult =
  | (Held & { rest?: { id: number; seq: number; offset: number; length: number; name?: string } })
  | Refused;

/** A verb or an operation that waits. `cancel` ends it with an errno (EINTR, ECANCELED): its callback is called with it. */
export interface Waiting {
  readonly waiting: true;
  cancel(errno: number): void;
}

/** The holder's handle on a lease. An absent seq means "whatever is current"; an old one is ESTALE. */
export interface LeaseRef {
  id: number;
  seq?: number;
  token?: string;
}

export interface Target {
  kind: Kind;
  mode?: Mode;
  unbreakable?: boolean;
}

export type Verdict =
  | { go: true }
  | { go: false; wait?: undefined; errno: number; refusal: Refusal }
  /** `begin` starts the recalls. errno (EAGAIN) and `refusal`, set for a non-blocking one, are its answer after that. */
  | { go: false; wait: true; errno: number; blockers: number[]; refusal?: Refusal };

/** One parked operation. */
export interface Waiter extends Waiting {
  readonly id: number;
  readonly ino: number;
  readonly operation: string;
  readonly since: number;
  readonly deadline: number;
}

export interface LeaseView {
  id: number;
  ino: number;
  path: Buffer;
  kind: Kind;
  mode: Mode;
  unbreakable: boolean;
  offset: number;
  length: number;
  state: State;
  seq: number;
  parent: number;
  /** Leases whose range it was a part of. */
  splitFrom: readonly number[];
  bind: Bind;
  /** Of bind=file: the open file. */
  fh?: number;
  name?: string;
  holder: Holder;
  epoch: number;
  raw: boolean;
  odp: boolean;
  ageMs: number;
  deadlineMs?: number;
  onExpire: OnExpire;
  fence?: { method: string; attempts: number; result: string };
  proof?: Strength;
  waiters: number;
}

export interface WaiterView {
  id: number;
  ino: number;
  what: 'operation' | 'get' | 'upgrade' | 'return' | 'seal' | 'stop';
  operation: string;
  pid: number;
  uid: number;
  command: string;
  ageMs: number;
  deadlineMs?: number;
  leases: number[];
}

export interface QuarantineView {
  deviceBlock: number;
  length: number;
  lease: number;
  ino: number;
  epoch: number;
  reason: string;
  sinceS: number;
}

export interface Filter {
  ino?: number;
  session?: number;
  id?: number;
  uid?: number;
}

/** What would happen to an operation now (`why`): one for every row asked. */
export interface WhyAnswer {
  row: RowName;
  number: number;
  verdict: 'allowed' | 'waits' | 'refused';
  errno: number;
  leases: Refusal[];
}

export interface Injection {
  fault: 'lose-event' | 'delay-ack' | 'fail-fence';
  lease?: number;
  count?: number;
  delayMs?: number;
}

export interface Stats {
  leases: number;
  byKindAndState: Record<string, number>;
  waiters: number;
  quarantinedBlocks: number;
  granted: number;
  refused: number;
  recalls: number;
  returns: number;
  expiries: number;
  fences: number;
  fenceFailures: number;
  lateReturns: number;
  breakerTimeouts: number;
}

/** Everything the class `Leases` (leases.ts) offers. */
export interface LeaseEngine {
  // --- operations ---------------------------------------------------------------------------------------------
  /** Any live lease or seal on the inode? The fast path of every mutation. */
  has(ino: number): boolean;
  /** Keeps the blocks of an inode without names (row 18). */
  holdsInode(ino: number): boolean;
  /** Pure: what the changes, all together, meet. T and K are decided over all overlapping leases before any recall. */
  judge(ino: number, changes: readonly Change[], actor: Actor, operation: string, nonblocking: boolean): Verdict;
  /**
   * Starts the recalls of a verdict that waits. Blocking: parks; `resume(0)` = judge again and do it *in that same call*;
   * `resume(errno)` = give up. Non-blocking: starts the recalls and calls `resume(EAGAIN)`. In both cases resume may run before
   * begin returns. `previous` carries the patience and the place of an earlier wait of the same request.
   */
  begin(
    ino: number,
    changes: readonly Change[],
    actor: Actor,
    operation: string,
    resume: (errno: number) => void,
    options?: { nonblocking?: boolean; previous?: Waiter },
  ): Waiter;
  /**
   * Where blocks that leave a map go. 'free': the caller releases the whole run. 'quarantine': done here, in the open
   * transaction (parts that no unproven holder reaches were given to the space port). Units: device and file blocks.
   */
  dispose(ino: number, fileBlock: number, deviceBlock: number, length: number): 'free' | 'quarantine';

  /** Runs `body` as one way in: whoever waits for what it changes goes on after it, and before `turn` returns. */
  turn<T>(body: () => T): T;

  // --- the holder's verbs -------------------------------------------------------------------------------------
  /** `done` is called once, maybe before get returns (undefined); `settled` in the turn of a grant after which `done` comes later. */
  get(
    request: GetRequest,
    holder: Holder,
    done: (result: GetResult) => void,
    settled?: (result: GetResult & { ok: true }) => void,
  ): Waiting | undefined;
  /** Whole, or a range (a trim or a middle split). With `cascade` sub-leases of other sessions are recalled first. */
  return_(
    ref: LeaseRef,
    by: Holder,
    options: { offset?: number; length?: number; cascade?: boolean },
    done: (result: ReturnResult) => void,
  ): Waiting | undefined;
  /** Answers an `invalidate` (odp), or buries a tombstone: its quarantine is released. */
  ack(ref: LeaseRef, by: Holder): VerbResult;
  /** More time for a recall; the sum is bounded by the mount's maximum. */
  delay(ref: LeaseRef, by: Holder, ms: number): VerbResult;
  downgrade(ref: LeaseRef, by: Holder, target: Target): VerbResult;
  upgrade(
    ref: LeaseRef,
    by: Holder,
    target: Target,
    waitMs: number,
    done: (result: VerbResult) => void,
  ): Waiting | undefined;
  renew(ref: LeaseRef, by: Holder): VerbResult;
  /** bind=named: by name and secret, in the grace period after a crash or while the period runs. */
  reclaim(name: string, secret: string, by: Holder): GetResult;
  /** From now on operations through `fh` are the holder's own; with `kept` also for a daemon that takes over. */
  bindHandle(fh: number, ref: LeaseRef, by: Holder, kept?: boolean): VerbResult;
  /** Is this the holder (session, process, token)? For map, alloc, commit and windows. `live`: it must be able to do I/O. */
  check(ref: LeaseRef, by: Holder, need: 'granted' | 'live' | 'any'): VerbResult;

  // --- everybody's and the administrator's --------------------------------------------------------------------
  /** Recall on request; needs write permission on the file. `recalled` counts the recalls begun. */
  breakFile(
    ino: number,
    range: { offset?: number; length?: number },
    access: Access,
    by: Holder,
  ): { ok: true; recalled: number } | Refused;
  /** Administrator: recall even of an unbreakable lease. */
  revoke(id: number, by: Holder, reason?: string): VerbResult;
  /** Administrator: the deadline is now. With `force` no proof is waited for; audited. */
  expire(id: number, by: Holder, force: boolean): VerbResult;
  quarantineList(): QuarantineView[];
  /** Audited force. All of a lease's, or one extent that begins at `deviceBlock`. `released` in blocks. */
  quarantineRelease(
    which: { lease?: number; deviceBlock?: number },
    by: Holder,
  ): { ok: true; released: number } | Refused;
  /** Sets the persistent flag: privilege, preconditions, row 25 with its recalls. Idempotent. */
  seal(
    ino: number,
    options: { unwrittenOk?: boolean; waitMs?: number },
    by: Holder,
    done: (result: { ok: true; sealed: number } | Refused) => void,
  ): Waiting | undefined;
  unseal(ino: number, by: Holder): { ok: true; sealed: 0 } | Refused;

  list(filter?: Filter): LeaseView[];
  waiters(): WaiterView[];
  find(id: number): LeaseView | undefined;
  why(ino: number, rows?: readonly RowName[], range?: { offset?: number; length?: number }, actor?: Actor): WhyAnswer[];
  stats(): Stats;

  // --- what happens to holders --------------------------------------------------------------------------------
  sessionClosed(session: number): void;
  /** The last descriptor and mapping of an open file (or of a guarded window) is gone. */
  fileClosed(fh: number): void;
  processDied(pid: number, start: number): void;
  /** The holder was told device extents (map), or opened the device window: from now on only `raw` proofs count. */
  told(id: number): void;
  windowOpened(id: number, kind: 'guarded' | 'device'): void;
  windowClosed(id: number, kind: 'guarded' | 'device'): void;
  deviceLost(): void;

  // --- the mount ----------------------------------------------------------------------------------------------
  /**
   * Loads the store; live leases become ORPHANED (guarded-only ones end), named ones reclaimable for the grace period. `adopted`: this
   * daemon took over the connection of a dead one, and sessions and open files go on. Call once, first, when maps can be read.
   */
  recover(epoch: number, adopted?: boolean): { orphaned: number; named: number };
  /** Unmount: no new leases, all recalled; `done` with those that did not return (recorded as orphans). */
  stopAll(done: (orphans: LeaseView[]) => void, deadlineMs?: number): void;
  /** Whether freed blocks wait in quarantine, so that a fence that succeeds now would make space. */
  holdsSpace(): boolean;
  /**
   * Space is short: fences that failed are tried again, and lost holders looked for, before ENOSPC is answered. `done`
   * when that is decided, two seconds later at the latest; it may be called before this returns.
   */
  retryFences(done?: () => void): void;
  inject(injection: Injection): void;
}

export type { LeaseEvent };
