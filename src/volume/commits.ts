import type { Clock, Timer } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import { Transaction, type TransactionParts } from './transaction.ts';
import { Waiters } from './waiters.ts';

export interface CommitOptions {
  /** Longest time that a change waits for its commit, ms (mount option commit=). */
  interval: number;
  /** Longest time that written data waits for a device sync nobody asked for, ms. */
  dataInterval: number;
  /** A commit goes on although the data that it waited for is lost (errors=continue). */
  ignoreDataErrors?: boolean;
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
export class Commits extends Transaction {
  /** Every transaction up to this one is on disk. */
  durable: number;
  private readonly clock: Clock;
  private readonly options: CommitOptions;
  private readonly waiters = new Waiters();
  private readonly durables: ((sequence: number) => void)[] = [];
  private dataRunning = false;
  private walRunning = false;
  private commitDue = false;
  private dataDue = false;
  private dataSince = 0;
  private committing = false;
  private timer: Timer | undefined;
  private scheduled = false;
  private syncMs = 0;
  private closed = false;

  constructor(parts: TransactionParts & { clock: Clock; options: CommitOptions }) {
    super(parts);
    this.clock = parts.clock;
    this.options = parts.options;
    this.durable = parts.committed;
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

  /** `fn` is told whenever `durable` rises. */
  onDurable(fn: (sequence: number) => void): void {
    this.durables.push(fn);
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
    const orderedFirst = commit && !this.ordered.tried && this.ordered.isUnsynced(synced);
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
      this.ordered.tried = this.ordered.any;
      this.dataEnds(mark, r, performance.now() - before);
      if (this.conversions.ready) this.commitDue = true;
      this.advance();
    });
  }

  private dataBegins(): void {
    this.counts.dataSyncs++;
    this.dataDue = false;
    this.ordered.close(this.device.written);
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
    if (this.ordered.any && !this.options.ignoreDataErrors)
      this.fail(-r, new Error(`sync of ordered data: errno ${-r}`));
    else this.touch();
  }

  /** B. False when the metadata failed. Without anything to commit it only marks the waiters. */
  protected commitOpen(): boolean {
    if (this.failed !== 0) return false;
    if (this.committing) return true; // a flush hook asked for a commit: this is it
    const { device } = this;
    this.committing = true;
    try {
      if (this.ordered.isUnsynced(device.synced)) this.syncData();
      if (this.failed === 0) this.flushAndCommit();
    } catch (error) {
      this.fail(E.IO, error);
    } finally {
      this.committing = false;
    }
    if (this.failed !== 0) return false;
    this.waiters.committed(this.committed, device.synced);
    return true;
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

  protected override fail(errno: number, error: unknown): void {
    if (this.failed !== 0) return;
    this.clock.clearTimeout(this.timer);
    super.fail(errno, error);
    // Waiters are answered from the event loop: who fails here may be in the middle of an operation.
    setImmediate(() => this.answerAll(E.IO));
  }

  protected armTimer(): void {
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
