import { E } from '../system/errno.ts';
import type { Checkpoints } from './checkpoints.ts';
import { Conversions } from './conversions.ts';
import { convertInDatabase } from './convert.ts';
import type { Database } from './database.ts';
import type { Device } from './device.ts';
import { OrderedData } from './ordered-data.ts';
import { replay } from './replay.ts';
import type { StorageIo } from './storage-io.ts';
import { MetadataError } from './volume-error.ts';
import type { Wal } from './wal.ts';

/** Keeps replies over the death of the daemon where the redo log can not (mount/handover.ts). */
export interface PromisedReplies {
  /** The reply of an operation that transaction `sequence` holds; false where there is no room. */
  put(unique: number, uniqueHigh: number, reply: Uint8Array, sequence: number): boolean;
}

export interface TransactionParts {
  database: Database;
  device: Device;
  /** Undefined: opened for reading only. */
  wal: Wal | undefined;
  /** The last transaction that was committed. */
  committed: number;
}

/**
 * The open transaction: how it begins with the first change, what the redo log gets of each operation, what belongs to its
 * COMMIT, and what a failure leaves of it. When it commits, and what is synced before and after, is up to `Commits`.
 */
export abstract class Transaction {
  /** Of the open transaction, or of the next one if none is open. */
  sequence: number;
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
  protected readonly database: Database;
  protected readonly device: Device;
  protected readonly wal: Wal | undefined;
  protected readonly conversions = new Conversions();
  protected readonly ordered = new OrderedData();
  protected committed: number;
  /** A sync of the device failed: the page cache proves nothing about the medium, and the next mount must not trust it. */
  protected distrusted = false;
  private readonly io: StorageIo;
  private readonly writeSequence: { run(...args: unknown[]): unknown };
  private readonly forgetBoot: { run(): unknown };
  private readonly flushers: (() => void)[] = [];
  private readonly converteds: ((ino: number, from: number, to: number) => void)[] = [];
  private readonly operationEnds: (() => void)[] = [];
  private readonly failures: ((errno: number) => void)[] = [];
  /** A change since the last end of an operation. */
  private changed = false;

  constructor(parts: TransactionParts) {
    this.database = parts.database;
    this.device = parts.device;
    this.wal = parts.wal;
    this.io = parts.device.io;
    this.committed = parts.committed;
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

  /** The open transaction must not commit before data written up to the end of the running operation is on the device. */
  orderedData(): void {
    this.ordered.add();
  }

  /** Owners of write-behind state put it into SQL here, right before COMMIT, in the order of registration. */
  onFlush(fn: () => void): void {
    this.flushers.push(fn);
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
    this.ordered.close(this.device.written);
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

  /** Sees to it that the transaction is committed some time. */
  protected abstract armTimer(): void;

  /** Commits what is open; false when the metadata failed. */
  protected abstract commitOpen(): boolean;

  /** Write-behind state and conversions go into the transaction, if one is open, and it is committed. */
  protected flushAndCommit(): void {
    const { database } = this;
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
    this.ordered.committed();
    this.changed = false;
    this.committed = this.sequence++;
    this.counts.commits++;
    redo?.reset(this.sequence);
    this.io.mark?.('commit', this.committed);
    this.checkpoints?.afterCommit();
  }

  /** The metadata is read-only from now on. Only the first failure counts. */
  protected fail(errno: number, error: unknown): void {
    if (this.failed !== 0) return;
    this.failed = errno;
    this.failure = error;
    this.database.rollback();
    this.bringBack();
    for (const fn of this.failures) fn(errno);
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
}
