import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { BlockMap } from '../blockmap/blockmap.ts';
import { Space } from '../blockmap/space.ts';
import { FileAccess } from '../control/access.ts';
import { ProcCallers } from '../control/callers.ts';
import { Control } from '../control/control.ts';
import type { Callers } from '../control/ports.ts';
import { HEADER } from '../fuse/buffers.ts';
import type { ConnectionInfo } from '../fuse/init.ts';
import { OPCODES } from '../fuse/protocol.ts';
import type { Request } from '../fuse/request.ts';
import type { Handler, Session } from '../fuse/session.ts';
import type { LeaseEvent } from '../lease/events.ts';
import { Leases } from '../lease/leases.ts';
import { DEFAULT_OPTIONS, type LeaseOptions, type ProcessPort } from '../lease/ports.ts';
import { sqlStore } from '../lease/sql-store.ts';
import { Acls } from '../namespace/acls.ts';
import { Dentries } from '../namespace/dentries.ts';
import type { Inode } from '../namespace/inode.ts';
import { Inodes } from '../namespace/inodes.ts';
import { Symlinks } from '../namespace/symlinks.ts';
import { Xattrs } from '../namespace/xattrs.ts';
import type { Filesystem, OperationOptions } from '../operations/filesystem.ts';
import { Guard } from '../operations/guard.ts';
import { Handles } from '../operations/handle.ts';
import type { Clock } from '../system/clock.ts';
import { E, errnoName } from '../system/errno.ts';
import type { Tell } from '../system/log.ts';
import { mappedFile } from '../system/process.ts';
import type { Volume } from '../volume/volume.ts';
import { controlJournal } from './control-journal.ts';
import { dispatchTable, operate } from './dispatch.ts';
import { Faults } from './faults.ts';
import { fenceCommand } from './fence-command.ts';
import { Freezer } from './freezer.ts';
import { COUNTER, type Handover, LONGEST_PROMISE } from './handover.ts';
import { LeaseMap } from './lease-map.ts';
import { Metrics } from './metrics.ts';
import type { MountOptions } from './options.ts';
import { Passthrough } from './passthrough.ts';
import { Processes } from './processes.ts';
import { effectiveCapabilities, lacking, lackLine } from './rights.ts';
import { RequestStatistics } from './statistics.ts';

/** Bytes of a memory page, the finest unit of a mapping. */
const PAGE_SIZE = 4096;
/** Extents of a deleted file that are freed in one turn (some milliseconds): others are served between two. */
const EXTENTS_AT_ONCE = 1024;

/** What is looked at outside of the volume; for a replay, which must not meet the processes of today. */
export interface Outside {
  processes?: ProcessPort;
  callers?: Callers;
}

/**
 * All parts of a mounted filesystem, wired together. Made before the mount, since recovery comes first; the session is
 * attached when there is one.
 */
export class House {
  readonly fs: Filesystem;
  readonly leases: Leases;
  readonly control: Control | undefined;
  readonly handlers: (Handler | undefined)[];
  private readonly volume: Volume;
  private readonly options: MountOptions;
  private readonly handover: Handover | undefined;
  /** The metadata has failed, and the mount only reads from now on. */
  onFailure: () => void = () => {};
  /** Hears of every event of a lease, whoever it is for. */
  onLeaseEvent: ((event: LeaseEvent) => void) | undefined;
  private readonly freezer: Freezer;
  private readonly outside: Outside;
  private readonly processes: Processes;
  private readonly requests = new RequestStatistics(OPCODES);
  private readonly faults: Faults | undefined;
  private session: Session | undefined;

  /** `handover`: of a supervised mount; `takeOver`: an earlier daemon has served it. */
  constructor(
    volume: Volume,
    options: MountOptions,
    time: Clock,
    log: Tell,
    handover?: Handover,
    takeOver = false,
    outside: Outside = {},
  ) {
    this.outside = outside;
    this.faults = options.inject ? new Faults(volume, time) : undefined;
    const clock = this.faults?.clock ?? time;
    this.volume = volume;
    this.options = options;
    this.handover = handover;
    const { database, commits, blockSize, deviceBlocks, firstBlock, device } = volume;

    const inodes = new Inodes(volume, { clock, maxInodes: options.maxInodes, atime: options.atime, shared: handover });
    const space = new Space({ database, commits, deviceBlocks, firstBlock });
    const blockmap = new BlockMap({
      database,
      device,
      commits,
      space,
      blockSize,
      touch: (inode) => inodes.touch(inode as Inode),
      unsyncedLost: volume.unsyncedLost,
    });
    const backing = mappedFile(statSync(volume.path));
    const processes = new Processes({
      backing,
      fd: device.fd,
      blockSize,
      retireWindow: (lease, done) =>
        this.control === undefined ? done(true) : this.control.retireDeviceWindow(lease, done),
      // What an earlier daemon has registered stays registered.
      standAlone: () => !takeOver && (this.control === undefined || this.control.letGoOfDevice()),
      supervisor: handover && process.ppid,
    });
    this.processes = processes;
    const map = new LeaseMap({
      volume,
      inodes,
      blockmap,
      notifier: () => this.session?.notifier,
      quarantined: () => leases.quarantineList().map(({ deviceBlock, length }) => ({ start: deviceBlock, length })),
    });
    const leases: Leases = new Leases(
      {
        clock,
        store: sqlStore(database),
        map,
        processes: outside.processes ?? processes,
        windows: {
          close: (lease, ino, offset, end, done) =>
            this.control === undefined ? done(0) : this.control.windows.close(lease, ino, offset, end, done),
          split: (lease, rest, offset, end) => this.control?.windows.split(lease, rest, offset, end),
          abandoned: (ino, offset, end) => this.control?.windows.abandoned(ino, offset, end),
        },
        space: { release: (start, length) => space.release(start, length) },
        notify: (session, event) => {
          this.onLeaseEvent?.(event);
          this.control?.notify(session, event);
        },
        random: (bytes) => randomBytes(bytes),
        fenceCommand: options.fenceCommand === undefined ? undefined : fenceCommand(options.fenceCommand, volume),
        log,
      },
      leaseOptions(options, blockSize),
    );
    this.leases = leases;
    inodes.reaper.holds = (ino) => leases.holdsInode(ino);
    inodes.reaper.freeBlocks = (inode) => blockmap.remove(inode, EXTENTS_AT_ONCE);
    inodes.reaper.later = setImmediate;
    space.onShortage = () => inodes.reaper.finish();
    blockmap.onMoved = (ino, gen) => leases.mapMoved(ino, gen);
    blockmap.onFree = (ino, fileBlock, deviceBlock, length) => {
      if (leases.dispose(ino, fileBlock, deviceBlock, length) === 'free') space.release(deviceBlock, length);
    };

    const xattrs = new Xattrs(volume);
    const fs: Filesystem = {
      volume,
      inodes,
      dentries: new Dentries(volume, inodes),
      symlinks: new Symlinks(volume),
      xattrs,
      acls: new Acls(xattrs),
      blockmap,
      space,
      leases,
      guard: new Guard(leases, (request) => this.session?.redispatch(request)),
      handles: new Handles(volume.epoch, handover?.counters.subarray(COUNTER.FILE_HANDLE)),
      options: operationOptions(options, volume.readOnly),
      clock,
      forgetAttributes: (ino) => this.invalInode(ino, -1, 0),
      forgetPages: (ino) => this.invalInode(ino, 0, 0),
      control: undefined,
      promise: handover && ((request, length) => this.promise(request, length)),
    };
    this.fs = fs;
    this.freezer = new Freezer({
      clock,
      quiesce: () => {
        inodes.settle();
        return volume.quiesce();
      },
      redispatch: (request) => this.session?.redispatch(request),
      log: (message) => log('notice', message),
    });
    if (options.ctl !== undefined) this.control = this.makeControl(clock);
    fs.control = this.control;
    this.handlers = this.requests.watched(dispatchTable(fs, this.control));
    this.freezer.attach(this.handlers);

    volume.onRecover(() => {
      if (!takeOver) this.forgetHandles();
      else this.control?.restoreSessions();
      leases.recover(volume.epoch, takeOver);
      if (takeOver) this.control?.restoreWindows();
      inodes.reaper.recover();
    });
    commits.promised = handover?.promised;
    // Not from within: the engine itself may be who reads or writes.
    volume.device.onLost = () => {
      log('warning', 'the device is gone: all leases are revoked');
      setImmediate(() => leases.deviceLost());
    };
    commits.onFail((errno) => {
      fs.options.readOnly = true;
      const why = commits.failure instanceof Error ? commits.failure.message : String(commits.failure);
      log('warning', `the metadata failed (${errnoName(errno)}: ${why}); nothing is changed from now on`);
      this.onFailure();
    });
  }

  /** Nothing to be done before there is a session: the kernel knows nothing yet. */
  private invalInode(ino: number, offset: number, length: number): Promise<number> {
    return this.session?.notifier.invalInode(ino, offset, length) ?? Promise.resolve(0);
  }

  private makeControl(clock: Clock): Control {
    const { volume, options, fs } = this;
    const { device, commits, blockSize } = volume;
    const kept = this.handover?.counters.subarray(COUNTER.BACKING);
    const real = new Passthrough(volume.path, () => this.session, kept);
    const passthrough = this.faults?.passthrough(real) ?? real;
    const standing = { uid: process.getuid?.() ?? 0, capabilities: effectiveCapabilities(), ...options };
    const metrics = new Metrics(fs, this.requests, () => this.session);
    return new Control({
      leases: this.leases,
      inodes: fs.inodes,
      dentries: fs.dentries,
      blocks: fs.blockmap,
      device: {
        uuid: volume.uuid,
        path: volume.path,
        blockSize,
        size: volume.deviceBlocks * blockSize,
        pread: (address, length, offset) => device.pread(address, length, offset),
        pwrite: (address, length, offset) => device.pwrite(address, length, offset),
      },
      commits,
      notifier: {
        invalInode: (ino, offset, length) => this.invalInode(ino, offset, length),
        invalEntry: (parent, name) => this.session?.notifier.invalEntry(parent, name) ?? Promise.resolve(0),
        poll: (kernelHandle) => this.session?.notifier.poll(kernelHandle) ?? Promise.resolve(0),
        defer: (fn) => (this.session ? this.session.defer(fn) : fn()),
      },
      passthrough,
      guard: fs.guard,
      freezer: this.freezer,
      operate: (request) => operate(fs, request),
      journal: this.handover && !volume.readOnly ? controlJournal(volume.database) : undefined,
      numbers: this.handover?.counters.subarray(COUNTER.CONTROL),
      deviceNodes: this.handover?.deviceNodes,
      promise: fs.promise,
      callers: this.outside.callers ?? new ProcCallers(process.getuid?.() ?? 0),
      access: new FileAccess(fs.xattrs),
      clock,
      statistics: () => metrics.text(),
      inject: (values) => this.faults?.arm(values) ?? E.OPNOTSUPP,
      options: {
        version: '1',
        policy: options.policy,
        epoch: volume.epoch,
        pageSize: PAGE_SIZE,
        inject: options.inject,
        readOnly: volume.readOnly,
        uid: standing.uid,
        directIoMmap: () => this.session?.info.has('DIRECT_IO_ALLOW_MMAP') ?? false,
        lacks: () => lacking({ ...standing, passthrough: passthrough.available() }).map(lackLine),
      },
    });
  }

  /** Open files of the hidden directory, of a mount that is over. */
  private forgetHandles(): void {
    if (this.volume.readOnly) return;
    const journal = controlJournal(this.volume.database);
    if (journal.handles().length > 0) journal.clear();
  }

  /** Keeps the reply, `length` bytes of payload in the reply area, to a request that is done and waits for the disk. */
  private promise(request: Request, length: number): void {
    const { out } = request;
    const header = out.start - HEADER;
    this.handover?.tally.seal(request.unique);
    out.view.setInt32(out.start - 12, 0, true);
    const reply = out.bytes.subarray(header, out.start + length);
    // Longer ones are those of `map`, which can be done twice.
    if (reply.length > LONGEST_PROMISE) return;
    if (!this.volume.commits.promise(request.unique, request.uniqueHigh, reply)) this.volume.commits.commitNow();
  }

  /** From now on requests come from this session, and every reply is preceded by the redo log. */
  attach(session: Session): void {
    this.session = session;
    const { commits } = this.volume;
    const { ended } = this.processes;
    session.wakesBy = ended.fd;
    session.afterBatch = () => {
      ended.take();
      try {
        this.fs.inodes.trim();
      } catch (error) {
        commits.backgroundFailed(error);
      }
      commits.settle();
    };
    session.eventsExpected = () => commits.busy;
    const { handover } = this;
    session.handlerThrew = (error) => commits.abortOperation(error);
    session.beforeReply = (request, length) => {
      this.requests.replied(request);
      handover?.tally.seal(request.unique);
      if (commits.changing) commits.operationEnd(request.unique, request.uniqueHigh, session.replyBytes(length));
      handover?.promised.kept(request.unique);
    };
  }

  /** INIT was answered: the mount works. */
  connected(dir: string, info: ConnectionInfo): void {
    this.processes.mounted(dir);
    this.agreed(info);
  }

  /** What the kernel and we have agreed on. */
  agreed(info: ConnectionInfo): void {
    this.fs.options.noOpendir = info.has('NO_OPENDIR_SUPPORT');
    this.fs.options.setxattrExt = info.has('SETXATTR_EXT');
  }

  /** Recalls all leases and calls `done` when they came back, or their time is over. */
  stopLeases(done: () => void): void {
    this.leases.stopAll(() => done());
  }

  /** Leaves the mount to the next daemon: 0, or 1 when something is only in the redo log. */
  async handOver(): Promise<number> {
    await this.processes.stop();
    this.fs.inodes.reaper.finish();
    this.fs.inodes.settle();
    return this.volume.handOver() === 0 ? 0 : 1;
  }

  /** The connection is gone: commits and closes the volume. 0, or the errno of what could not be saved. */
  async shutDown(): Promise<number> {
    await this.processes.stop();
    this.fs.inodes.reaper.finish();
    this.fs.inodes.settle();
    return this.volume.close();
  }
}

function leaseOptions(options: MountOptions, blockSize: number): LeaseOptions {
  return {
    ...DEFAULT_OPTIONS,
    breakMs: options.breakTime * 1000,
    maximumBreakMs: options.breakMax * 1000,
    odpAckMs: options.odpAck * 1000,
    renewMs: options.namedPeriod * 1000,
    fenceRetryMs: options.fenceRetry * 1000,
    fenceRetryMaximumMs: options.fenceRetryMax * 1000,
    graceMs: options.grace * 1000,
    patienceMs: options.patience * 1000,
    tombstoneMs: options.tombstone * 1000,
    expired: options.expired,
    onExpire: options.onExpire,
    policy: options.policy,
    blockSize,
    pageSize: PAGE_SIZE,
  };
}

function operationOptions(options: MountOptions, readOnly: boolean): OperationOptions {
  return {
    timeouts: { entry: options.entryTimeout, attr: options.attrTimeout },
    negativeTimeout: options.negativeTimeout,
    controlName: Buffer.from(options.ctl ?? ''),
    readOnly,
    sync: options.sync,
    dirsync: options.dirsync || options.sync,
    noOpendir: false,
    setxattrExt: false,
  };
}
