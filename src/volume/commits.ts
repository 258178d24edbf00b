import type { Clock, Timer } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import type { Checkpoints } from './checkpoints.ts';
import { Conversions } from './conversions.ts';
import { convertInDatabase } from './convert.ts';
import type { Database } from './database.ts';
import type { Device } from './device.ts';
import { replay } from './replay.ts';
import type { StorageIo } from './storage-io.ts';
import { MetadataError } from './volume-error.ts';
import { Waiters } from './waiters.ts';
import type { Wal } from './wal.ts';

export interface CommitOptions {
  /** Longest time that a change waits for its commit, ms (mount option commit=). */
  interval: number;
  /** Longest time that written data waits for a device sync nobody asked for, ms. */
  dataInterval: number;
  /** A commit goes on although the data that it waited for is lost (errors=continue). */
  ignoreDataErrors?: boolean;
}

/** Keeps replies over the death of the daemon where the redo log can not (mount/handover.ts). */
export interface PromisedReplies {
  /** The reply of an operation that transaction `sequence` holds; false where there is no room. */
  put(unique: number, uniqueHigh: number, reply: Uint8Array, sequence: number): boolean;
}

/** A device with more than this to carry is never synced on the state thread. Bytes. */
const INLINE_BYTES = 1024 * 1024;
/** Nor while syncs have lately taken longer than this, ms (moving average). */
const INLINE_MS = 2;
/** Ranges waiting for conversion from which the device is synced early: a bound on memory. */
const MANY_RANGES = 65_536;

/**
 * Group commit. One cycle: **A** sync of the device (left out when nothing is unsynced), **B** flush of the write-behind owners,
 * conversion of extents whose data A covered, COMMIT (buffered), **C** sync of the -wal file; then
 * everybody who waited is answered and freed blocks can be allocated again. A, B and C of different cycles overlap: each only knows what
 * is written, synced, committed and durable.
 *
 * Where the syncs run: with little to carry and a fast device the whole cycle runs on the state thread (`settle`), because
 * a hop to another thread and back costs more than the sync (measured: 30–60 µs against 100–180 µs); requests that come
 * meanwhile queue in the kernel and share the next cycle. Otherwise the syncs run in libuv's pool and the
 * state thread goes on serving.
 */
export class Commits {
  /** Of the open transaction, or of the next one if none is open. */
  sequence: number;
  /** Every transaction up to this one is on disk. */
  durable: number;
  /** Positive errno once the metadata has failed: nothing is changed any more (errors=remount-ro). */
  failed = 0;
  /** The last error that led to `failed`. */
  failure: unknown;
  /** Set by the volume, which needs this object to build it. */
  checkpoints: Checkpoints | undefined;
  /** Set where a supervisor restarts a daemon that dies. */
  promised: PromisedReplies | undefined;
  /** Makes extents of state 2 in file blocks [from, to) written; the block map replaces it. */
  convert: (ino: number, from: number, to: number) => void;
  /** Counters for .layout/stats. */
  readonly counts = { commits: 0, inline: 0, dataSyncs: 0, walSyncs: 0, early: 0 };
  private readonly database: Database;
  private readonly device: Device;
  /** Undefined: opened for reading only. */
  private readonly wal: Wal | undefined;
  private readonly io: StorageIo;
  private readonly clock: Clock;
  private readonly options: CommitOptions;
  private readonly writeSequence: { run(...args: unknown[]): unknown };
  private readonly forgetBoot: { run(): unknown };
  private readonly conversions = new Conversions();
  private readonly waiters = new Waiters();
  private readonly flushers: (() => void)[] = [];
  private readonly durables: ((sequence: number) => void)[] = [];
  private readonly converteds: ((ino: number, from: number, to: number) => void)[] = [];
  private readonly operationEnds: (() => void)[] = [];
  private readonly failures: ((errno: number) => void)[] = [];
  private committed: number;
  /** A change since the last end of an operation. */
  private changed = false;
  /** The open transaction needs the device synced up to `orderedMark`; `orderedOpen`: up to wherever it is by now. */
  private ordered = false;
  private orderedOpen = false;
  private orderedMark = 0;
  /** A sync of the device has run on behalf of the open transaction. */
  private orderedTried = false;
  private dataRunning = false;
  private walRunning = false;
  private commitDue = false;
  private dataDue = false;
  private dataSince = 0;
  private committing = false;
  private timer: Timer | undefined;
  private scheduled = false;
  /** A sync of the device failed: the page cache proves nothing about the medium, and the next mount must not trust it. */
  private distrusted = false;
  private syncMs = 0;
  private closed = false;

  constructor(parts: {
    database: Database;
    device: Device;
    wal: Wal | undefined;
    clock: Clock;
    committed: number;
    options: CommitOptions;
  }) {
    this.database = parts.database;
    this.device = parts.device;
    this.wal = parts.wal;
    this.io = parts.device.io;
    this.clock = parts.clock;
    this.options = parts.options;
    this.committed = parts.committed;
    this.durable = parts.committed;
    this.sequence = parts.committed + 1;
    this.forgetBoot = this.database.connection.prepare("UPDATE volume SET boot_id = ''");
    this.writeSequence = this.database.connection.prepare('UPDATE volume SET sequence = ?');
    this.convert = convertInDatabase(this.database);
    this.database.beforeChange = () => this.touch();
    this.database.onFailure = (errno, error) => this.fail(errno, error);
  }

  /** Something changes now, in SQL or in memory behind it: opens the transaction. Throws MetadataError after a failure. */
  touch(): void {
    this.changed = true;
    if (this.database.inTransaction) return;
    if (this.failed !== 0 || !this.wal) throw new MetadataError(E.ROFS, 'the metadata is read-only');
    this.database.begin();
    this.armTimer();
  }

  /**
   * Extents of file blocks [fileBlock, fileBlock + length) went into state 2 and their data to the device. Called once
   * when they enter that state; writing over them again in place needs no word (the device knows it is unsynced).
   */
  dataWritten(ino: number, fileBlock: number, length: number): void {
    if (!this.conversions.unsynced) this.dataSince = this.clock.monotonic();
    this.conversions.add(ino, fileBlock, length);
    if (this.conversions.count > MANY_RANGES) this.dataDue = true;
    this.armTimer();
  }

  /** All extents of the inode are gone: no conversion waits any longer. */
  dataDropped(ino: number): void {
    this.conversions.drop(ino);
  }

  /** The open transaction must not commit before data written up to the end of the running operation is on the device. */
  orderedData(): void {
    this.ordered = true;
    this.orderedOpen = true;
  }

  /** Owners of write-behind state put it into SQL here, right before COMMIT, in the order of registration. */
  onFlush(fn: () => void): void {
    this.flushers.push(fn);
  }

  /** `fn` is told whenever `durable` rises. */
  onDurable(fn: (sequence: number) => void): void {
    this.durables.push(fn);
  }

  /** After the extents of a range were converted to written, in the transaction that commits it. */
  onConverted(fn: (ino: number, fromBlock: number, toBlock: number) => void): void {
    this.converteds.push(fn);
  }

  /** Before the reply of a changing operation: owners of write-behind state note what it changed (Mutation.note). */
  onOperationEnd(fn: () => void): void {
    this.operationEnds.push(fn);
  }

  /** The metadata failed: the open transaction is rolled back, caches above may be ahead of the database. */
  onFail(fn: (errno: number) => void): void {
    this.failures.push(fn);
  }

  /** Whether something changed since the last `operationEnd`, which does nothing otherwise. */
  get changing(): boolean {
    return this.changed || this.database.redo?.pending === true;
  }

  /**
   * Called right before any reply is sent. Puts the operation into the redo log, so that a SIGKILL of the daemon
   * does not lose it once it is answered; where `reply` is given, a repetition of the request (bit 63 of unique) can
   * be answered from the log. Without this call the log stays empty and only commits survive.
   */
  operationEnd(unique = 0, uniqueHigh = 0, reply?: Uint8Array): void {
    if (!this.changing) return;
    const { redo } = this.database;
    this.changed = false;
    if (this.orderedOpen) this.resolveOrdered();
    if (!redo || this.failed !== 0 || !this.database.inTransaction) return;
    for (const fn of this.operationEnds) fn();
    this.changed = false;
    if (reply !== undefined) redo.answer(unique, uniqueHigh, reply);
    if (redo.seal()) return;
    this.counts.early++;
    // The reply is out only after this COMMIT, with which the log begins anew.
    if (reply !== undefined) this.promised?.put(unique, uniqueHigh, reply, this.sequence);
    this.commitOpen();
  }

  /**
   * As `operationEnd`, of an operation that is done and whose reply is known, but has to wait for the disk. False: it
   * can not be kept for a daemon that takes over, and so should not wait (`commitNow`).
   */
  promise(unique: number, uniqueHigh: number, reply: Uint8Array): boolean {
    if (this.promised === undefined) return true;
    const { sequence } = this;
    this.operationEnd(unique, uniqueHigh, reply);
    return this.promised.put(unique, uniqueHigh, reply, sequence);
  }

  /**
   * The running operation threw, which is a bug or a failure of the metadata: nothing of what it did may stay, and
   * everything answered before must. The open transaction is rolled back and what the redo log has of it done again;
   * caches above cannot follow that, so the metadata is read-only from then on.
   */
  abortOperation(error: unknown): void {
    if (this.failed !== 0 || !this.changing) return;
    this.changed = false;
    this.fail(E.IO, error);
  }

  /** `fn(errno)` runs on the state thread, never from within this call, once all done so far, data and metadata, is durable. */
  whenDurable(fn: (errno: number) => void): void {
    this.wait(fn, this.device.written);
  }

  /** The same without file data, except data that is ordered. */
  whenMetadataDurable(fn: (errno: number) => void): void {
    this.wait(fn, -1);
  }

  /** Somebody waits, or a sync runs on another thread: a session should not spin (its `eventsExpected`). */
  get busy(): boolean {
    return this.dataRunning || this.walRunning || this.waiters.size > 0;
  }

  /**
   * Goes on with the cycle. The session calls it when no further request is readable, before it sleeps, so that requests
   * which are there already share one cycle; without a session the event loop calls it.
   */
  settle(): void {
    if (this.waiters.size === 0) return;
    if (this.failed !== 0 || !this.wal) return this.answerAll(this.failed === 0 ? 0 : E.IO);
    if (this.dataRunning || this.walRunning || !this.inlineAllowed()) return this.advance();
    this.counts.inline++;
    this.runInline(this.waiters.needsData(this.device.synced));
  }

  /** A whole cycle on this thread: 0 or positive errno (of the data, or of the metadata). */
  commitNow(): number {
    if (this.failed !== 0) return E.IO;
    return this.wal ? this.runInline(true) : 0;
  }

  /** COMMIT without any sync but that of ordered data: safe against the death of the daemon, not of the host. */
  commitBuffered(): void {
    this.commitOpen();
  }

  /** The last cycle, before the volume closes; the timer stops. 0 or positive errno. */
  finish(): number {
    const r = this.commitNow();
    this.closed = true;
    this.clock.clearTimeout(this.timer);
    return r;
  }

  /** No more cycles, nothing saved: what is not committed is lost. For tests of crashes and after a failure. */
  abandon(): void {
    this.closed = true;
    this.clock.clearTimeout(this.timer);
    this.database.rollback();
  }

  private wait(fn: (errno: number) => void, data: number): void {
    const pending =
      this.database.inTransaction || (data >= 0 && (data > this.device.synced || !this.conversions.empty));
    this.waiters.add(fn, data, pending ? 0 : this.committed);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.closed) this.settle();
    });
  }

  private inlineAllowed(): boolean {
    return this.device.unsyncedBytes <= INLINE_BYTES && this.syncMs <= INLINE_MS;
  }

  private runInline(data: boolean): number {
    let dataErrno = 0;
    if (data && this.device.synced < this.device.written) dataErrno = this.syncData();
    if (!this.commitOpen()) return E.IO;
    if (this.committed > this.durable && !this.syncWal()) return E.IO;
    this.answer();
    return dataErrno;
  }

  /** Starts whatever is needed and not running yet. */
  private advance(): void {
    if (this.failed !== 0 || this.closed) return;
    const { synced } = this.device;
    const commit = this.commitDue || this.waiters.needsCommit(synced);
    // Once: if ordered data came again meanwhile, COMMIT syncs it on this thread, or it might never come to an end.
    const orderedFirst = commit && !this.orderedTried && this.orderedUnsynced;
    if (!this.dataRunning && (this.dataDue || orderedFirst || this.waiters.needsData(synced))) this.startData();
    if (commit && !orderedFirst && !this.walRunning) {
      this.commitDue = false;
      if (!this.commitOpen()) return;
    }
    if (!this.walRunning && this.committed > this.durable) this.startWal();
    this.answer();
  }

  /** A, on this thread: 0 or positive errno. */
  private syncData(): number {
    this.dataBegins();
    const before = performance.now();
    const r = this.device.sync();
    this.dataEnds(this.device.synced, r, performance.now() - before);
    return -r;
  }

  private startData(): void {
    this.dataRunning = true;
    this.dataBegins();
    const mark = this.device.written;
    const before = performance.now();
    this.device.syncAsync().then((r) => {
      this.dataRunning = false;
      if (this.closed) return;
      this.orderedTried = this.ordered;
      this.dataEnds(mark, r, performance.now() - before);
      if (this.conversions.ready) this.commitDue = true;
      this.advance();
    });
  }

  private dataBegins(): void {
    this.counts.dataSyncs++;
    this.dataDue = false;
    if (this.orderedOpen) this.resolveOrdered();
    this.conversions.syncBegins();
  }

  private dataEnds(mark: number, r: number, ms: number): void {
    this.measured(ms);
    this.conversions.syncEnds(r === 0);
    if (r === 0) return;
    this.waiters.dataFailed(mark, -r);
    this.distrusted = true;
    if (this.failed !== 0) return;
    // Committing now would point files at blocks whose contents were lost.
    if (this.ordered && !this.options.ignoreDataErrors) this.fail(-r, new Error(`sync of ordered data: errno ${-r}`));
    else this.touch();
  }

  private get orderedUnsynced(): boolean {
    return this.ordered && (this.orderedOpen || this.orderedMark > this.device.synced);
  }

  private resolveOrdered(): void {
    this.orderedOpen = false;
    this.orderedMark = this.device.written;
  }

  /** B. False when the metadata failed. Without anything to commit it only marks the waiters. */
  private commitOpen(): boolean {
    if (this.failed !== 0) return false;
    if (this.committing) return true; // a flush hook asked for a commit: this is it
    const { database, device } = this;
    this.committing = true;
    try {
      if (this.orderedUnsynced) this.syncData();
      if (this.failed === 0) this.flushAndCommit(database);
    } catch (error) {
      this.fail(E.IO, error);
    } finally {
      this.committing = false;
    }
    if (this.failed !== 0) return false;
    this.waiters.committed(this.committed, device.synced);
    return true;
  }

  private flushAndCommit(database: Database): void {
    const { redo } = database;
    if (redo) redo.paused = true;
    try {
      if (database.inTransaction) for (const fn of this.flushers) fn();
      for (const { ino, from, to } of this.conversions.take()) {
        this.convert(ino, from, to);
        for (const fn of this.converteds) fn(ino, from, to);
      }
      if (!database.inTransaction) return;
      this.writeSequence.run(this.sequence);
      if (this.distrusted) this.forgetBoot.run();
      database.commit();
    } finally {
      if (redo) redo.paused = false;
    }
    this.ordered = false;
    this.orderedTried = false;
    this.changed = false;
    this.committed = this.sequence++;
    this.counts.commits++;
    redo?.reset(this.sequence);
    this.io.mark?.('commit', this.committed);
    this.checkpoints?.afterCommit();
  }

  /** C, on this thread. */
  private syncWal(): boolean {
    const upTo = this.committed;
    const before = performance.now();
    const r = this.wal?.sync() ?? 0;
    return this.walEnds(upTo, r, performance.now() - before);
  }

  private startWal(): void {
    if (!this.wal) return;
    this.walRunning = true;
    const upTo = this.committed;
    const before = performance.now();
    this.wal.syncAsync().then((r) => {
      this.walRunning = false;
      if (this.closed) return;
      if (this.walEnds(upTo, r, performance.now() - before)) this.advance();
    });
  }

  private walEnds(upTo: number, r: number, ms: number): boolean {
    this.counts.walSyncs++;
    this.measured(ms);
    if (r < 0) {
      // A second sync would succeed without having written what the first one lost: this is final.
      this.fail(-r, new Error(`sync of the WAL: errno ${-r}`));
      return false;
    }
    if (upTo > this.durable) {
      this.durable = upTo;
      for (const fn of this.durables) fn(upTo);
    }
    return true;
  }

  private measured(ms: number): void {
    this.syncMs += (ms - this.syncMs) / 8;
  }

  private answer(): void {
    for (const fn of this.waiters.done(this.durable)) fn();
  }

  private answerAll(errno: number): void {
    for (const fn of this.waiters.all(errno)) fn();
  }

  private fail(errno: number, error: unknown): void {
    if (this.failed !== 0) return;
    this.failed = errno;
    this.failure = error;
    this.clock.clearTimeout(this.timer);
    this.database.rollback();
    this.bringBack();
    for (const fn of this.failures) fn(errno);
    // Waiters are answered from the event loop: who fails here may be in the middle of an operation.
    setImmediate(() => this.answerAll(E.IO));
  }

  /** After a rollback: operations of the open transaction that were answered. Nothing to be done where that fails. */
  private bringBack(): void {
    const { database } = this;
    database.redo?.discard();
    try {
      if (this.distrusted) this.forgetBoot.run();
      else if (database.redo) {
        const { path, uuid } = database.redo;
        this.committed = replay(database.connection, path, uuid, this.committed).sequence;
      }
    } catch {
      // The metadata cannot be written at all: the next mount, or fsck, finds the log.
    }
  }

  private armTimer(): void {
    if (this.timer !== undefined || this.closed) return;
    this.timer = this.clock.setTimeout(() => this.tick(), this.options.interval);
  }

  /** The commit= interval is over. */
  private tick(): void {
    this.timer = undefined;
    if (this.closed || this.failed !== 0) return;
    if (this.conversions.unsynced && this.clock.monotonic() - this.dataSince >= this.options.dataInterval) {
      this.dataDue = true;
    }
    if (this.database.inTransaction) this.commitDue = true;
    this.advance();
    if (this.database.inTransaction || !this.conversions.empty) this.armTimer();
  }

  /** A round of the checkpoint worker ended: commit now, so that little is left to write back. */
  commitSoon(): void {
    if (this.closed || this.failed !== 0) return;
    if (this.database.inTransaction) this.commitOpen();
    else this.checkpoints?.afterCommit();
    this.advance();
  }

  /** Something failed that no operation waits for: a checkpoint, or what is done between two operations. */
  backgroundFailed(error: unknown): void {
    this.fail(E.IO, error);
  }
}
