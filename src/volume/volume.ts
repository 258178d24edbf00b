import fs from 'node:fs';
import { type Clock, systemClock } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import { close } from '../system/libc.ts';
import { WorkerCheckpointer } from './checkpoint-worker.ts';
import { Checkpoints } from './checkpoints.ts';
import { Commits } from './commits.ts';
import type { Database } from './database.ts';
import type { Device } from './device.ts';
import { type Header, judgeHeader, readHeader, writeHeader } from './header.ts';
import { type Host, thisHost } from './host.ts';
import { lockDatabase, metadataPath, openDevice, redoPath } from './lock.ts';
import { type MadeVolume, type MakeOptions, makeVolume } from './make.ts';
import { openDatabase, type Recovery, recover } from './recovery.ts';
import { Redo } from './redo.ts';
import { type StorageEvent, type StorageIo, systemIo } from './storage-io.ts';
import { VolumeError } from './volume-error.ts';
import { Wal } from './wal.ts';

export interface OpenOptions {
  /** Nothing is written: no recovery, no epoch. Several readers may have the volume. */
  readOnly?: boolean;
  clock?: Clock;
  /** Longest time to a commit, ms (commit=). Default 1000. */
  commitInterval?: number;
  /** Longest time to a device sync that nobody asked for, ms. Default 5000. */
  dataInterval?: number;
  /** Metadata may be committed although data that it waited for was lost (errors=continue). Default false. */
  ignoreDataErrors?: boolean;
  /** Keep a redo log for the death of the daemon alone. Default true. */
  redo?: boolean;
  /** Frames of the WAL that are written ahead (wal.ts); the crash explorer makes do with few. */
  walFrames?: number;
  /** Faults or a recorder between the volume and the kernel. */
  io?: StorageIo;
  /** Tests pretend another boot. */
  host?: Host;
  /** Descriptors of device and database that a supervisor has opened and locked; this volume closes them at its end. */
  inherited?: { device: number; database: number };
  /**
   * Goes on with the mount of a daemon that died, in the same epoch. It is told of the replies that the log held, the one
   * of the last operation first, before the log begins anew.
   */
  takeOver?: (recovery: Recovery) => void;
}

/**
 * A device and its metadata, open for one process. Opening recovers what a crash left, bounded by the work that
 * was in flight: SQLite replays its WAL; after the death of the daemon alone the redo log brings back what was answered
 * and not committed; extents whose data may not have arrived become written (same boot) or unwritten.
 * What leases, orphans and other layers have to do at that point they register with `onRecover`.
 */
export class Volume {
  readonly path: string;
  readonly uuid: string;
  readonly label: string;
  /** Bytes. */
  readonly blockSize: number;
  /** Blocks: length of the device, and the first one that may hold file data. */
  readonly deviceBlocks: number;
  readonly firstBlock: number;
  /** Mounts so far, this one included. */
  readonly epoch: number;
  readonly readOnly: boolean;
  readonly device: Device;
  readonly database: Database;
  readonly commits: Commits;
  readonly recovery: Recovery;
  private readonly header: Header;
  private readonly databaseFd: number;
  private readonly wal: Wal | undefined;
  private readonly worker: WorkerCheckpointer;
  private readonly steps: (() => void)[] = [];
  private closed = false;

  /** Makes a volume at `path` (see makeVolume); throws VolumeError. */
  static make(path: string, options?: MakeOptions): MadeVolume {
    return makeVolume(path, options);
  }

  /** Opens, locks and recovers; throws VolumeError (BUSY with the owner's pid). */
  static open(path: string, options: OpenOptions = {}): Volume {
    return new Volume(path, options);
  }

  private constructor(path: string, options: OpenOptions) {
    const readOnly = options.readOnly === true;
    const host = options.host ?? thisHost();
    const io = options.io ?? systemIo;
    const meta = metadataPath(path);
    const device = openDevice(path, { readOnly, io, fd: options.inherited?.device });
    let databaseFd = -1;
    let database: Database | undefined;
    let redo: Redo | undefined;
    try {
      const copies = readHeader(device);
      this.header = judgeHeader(copies.newest, path, readOnly, device.length);
      const pid = this.header.ownerPid;
      databaseFd = lockDatabase(meta, { readOnly, pid, fd: options.inherited?.database });
      const opened = openDatabase(meta, { path, header: this.header, readOnly });
      database = opened.database;
      const sameMount = options.takeOver !== undefined;
      const redoFile = redoPath(path);
      this.recovery = recover(database, device, { row: opened.row, host, readOnly, redoPath: redoFile, sameMount });
      options.takeOver?.(this.recovery);
      this.wal = readOnly ? undefined : new Wal(database, databaseFd, io, options.walFrames);
      if (this.wal && options.redo !== false) redo = this.startRedo(redoPath(path));
      database.redo = redo;
      if (this.wal) this.take(host, device, this.wal);
    } catch (error) {
      database?.connection.close();
      redo?.close();
      if (databaseFd >= 0) close(databaseFd);
      close(device.fd);
      throw error;
    }
    const { header } = this;
    this.path = path;
    this.uuid = header.uuid;
    this.label = header.label;
    this.blockSize = header.blockSize;
    this.deviceBlocks = header.deviceBlocks;
    this.firstBlock = header.firstBlock;
    this.epoch = this.recovery.epoch;
    this.readOnly = readOnly;
    this.device = device;
    this.database = database;
    this.databaseFd = databaseFd;
    this.worker = new WorkerCheckpointer(meta);
    this.commits = new Commits({
      database,
      device,
      wal: this.wal,
      clock: options.clock ?? systemClock,
      committed: this.recovery.sequence,
      options: {
        interval: options.commitInterval ?? 1000,
        dataInterval: options.dataInterval ?? 5000,
        ignoreDataErrors: options.ignoreDataErrors,
      },
    });
    if (this.wal) {
      this.commits.checkpoints = new Checkpoints({
        wal: this.wal,
        worker: this.worker,
        commitSoon: () => this.commits.commitSoon(),
        failed: (error) => this.commits.backgroundFailed(error),
        mark: (event) => this.mark(event),
      });
    }
  }

  /** Extents in state 2 are to be read as zeros: nobody could settle them, and their data may not have arrived. */
  get unsyncedLost(): boolean {
    return this.readOnly && !this.recovery.sameBoot;
  }

  /** A step of recovery of a layer above, run by `ready`. */
  onRecover(step: () => void): void {
    this.steps.push(step);
  }

  /** Runs the steps of `onRecover` in their order and makes the result durable: 0 or positive errno. */
  ready(): number {
    for (const step of this.steps.splice(0)) step();
    return this.readOnly ? 0 : this.commits.commitNow();
  }

  /**
   * Everything is on the device and in the database file, the WAL is empty: until the next change the two files are the
   * volume. 0 or positive errno; EBUSY while somebody reads an older state of the metadata.
   */
  quiesce(): number {
    if (this.readOnly || !this.wal) return 0;
    const errno = this.commits.commitNow();
    if (errno !== 0) return errno;
    try {
      const [{ busy }] = this.database.connection.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
      if (busy !== 0) return E.BUSY;
      this.mark('reset');
      const r = this.wal.preallocate();
      return r < 0 ? -r : 0;
    } catch (error) {
      this.database.failure(error);
      return E.IO;
    }
  }

  /** A consistent copy of the metadata as of now, to a new file, while the volume is in use. Rejects on failure. */
  async backup(destination: string): Promise<void> {
    const errno = this.commits.commitNow();
    if (errno !== 0) throw new VolumeError('SYSTEM', 'the metadata cannot be committed', { errno });
    await this.worker.backup(destination);
  }

  /** Commits, writes the WAL back, marks the volume clean and lets go of it. 0, or positive errno: then it is not clean. */
  close(): number {
    if (this.closed) return 0;
    let errno = this.readOnly ? 0 : this.commits.finish();
    this.closed = true;
    this.commits.checkpoints?.close();
    this.worker.close();
    if (errno === 0 && !this.readOnly) errno = this.markClean();
    this.letGo();
    return errno;
  }

  /**
   * Commits and lets go, for the next daemon of the same mount: neither clean nor checked in full, so that it is quick.
   * 0, or positive errno: then the redo log has what could not be committed.
   */
  handOver(): number {
    const errno = this.readOnly ? 0 : this.commits.commitNow();
    this.abandon();
    return errno;
  }

  /** Lets go of everything without saving anything, as a crash would (the page cache stays). */
  abandon(): void {
    if (this.closed) return;
    this.closed = true;
    this.commits.abandon();
    this.commits.checkpoints?.close();
    this.worker.close();
    this.letGo();
  }

  /** Without one (no space on the host) only commits survive the daemon: said, not refused. */
  private startRedo(path: string): Redo | undefined {
    try {
      const redo = new Redo(path, this.header.uuid);
      redo.reset(this.recovery.sequence + 1);
      return redo;
    } catch (error) {
      this.recovery.problem ??= `no redo log: ${error instanceof Error ? error.message : String(error)}`;
      return undefined;
    }
  }

  /** Puts this mount into the database and the header, durably. */
  private take(host: Host, device: Device, wal: Wal): void {
    const { header } = this;
    let r = wal.preallocate();
    if (r >= 0) r = wal.sync();
    header.epoch = this.recovery.epoch;
    header.ownerPid = host.pid;
    header.ownerStart = host.start;
    header.bootId = host.bootId;
    if (r >= 0) r = writeHeader(device, header);
    if (r < 0) throw new VolumeError('SYSTEM', 'cannot write to the volume', { errno: -r });
  }

  private markClean(): number {
    try {
      const { connection } = this.database;
      connection.pragma('synchronous = FULL');
      connection.exec('UPDATE volume SET clean = 1');
      this.mark('commit');
      const { total, written } = this.wal?.checkpoint() ?? { total: 0, written: 0 };
      this.mark(written === total ? 'reset' : 'checkpoint');
      connection.pragma('wal_checkpoint(TRUNCATE)');
      this.mark('reset');
    } catch (error) {
      this.database.failure(error);
      return this.commits.failed || 5;
    }
    this.header.ownerPid = 0;
    this.header.ownerStart = 0;
    const r = writeHeader(this.device, this.header);
    if (r === 0) fs.rmSync(redoPath(this.path), { force: true });
    return r === 0 ? 0 : -r;
  }

  /** Tells a recorder what SQLite has just done to its files. */
  private mark(event: StorageEvent): void {
    this.device.io.mark?.(event, this.commits.sequence - 1);
  }

  private letGo(): void {
    this.wal?.close();
    this.database.connection.close();
    this.database.redo?.close();
    close(this.databaseFd); // after SQLite: wal.ts
    close(this.device.fd);
  }
}
