import { isControlNode } from '../control/nodes.ts';
import type { ConnectionInfo } from '../fuse/init.ts';
import { openAndMount, unmount } from '../fuse/mount.ts';
import type { NativeMount } from '../fuse/native/mount.ts';
import type { InitFlag } from '../fuse/protocol.ts';
import type { Recorder } from '../fuse/recording.ts';
import { Session } from '../fuse/session.ts';
import { systemClock } from '../system/clock.ts';
import { MS } from '../system/constants.ts';
import { E, errnoName } from '../system/errno.ts';
import { close } from '../system/libc.ts';
import type { Tell } from '../system/log.ts';
import type { StorageIo } from '../volume/storage-io.ts';
import { Volume } from '../volume/volume.ts';
import { House } from './assemble.ts';
import { tuneMemory } from './bdi.ts';
import { STATUS } from './handover.ts';
import { type Inheritance, sendFuse, tellSupervisor } from './inheritance.ts';
import { describeOptions, leaseEvents, logOf } from './messages.ts';
import type { MountOptions } from './options.ts';
import { openRecorder, record } from './record.ts';
import { TakeOver } from './takeover.ts';

export interface ServeRequest {
  /** Absolute path of the device file. */
  image: string;
  /** Absolute path of the mount point. */
  dir: string;
  options: MountOptions;
  /** Called once: without an argument when the mount works, else with why there will be none. */
  ready: (error?: unknown) => void;
  /** What a supervisor passed on; undefined without one. */
  inherited?: Inheritance;
  /** Of the explorer of crashes: a recorder below the volume, and a short WAL. */
  io?: StorageIo;
  walFrames?: number;
}

/** What is asked of the kernel; each used where it is offered (INIT). */
const FEATURES: readonly InitFlag[] = [
  'ASYNC_READ',
  'BIG_WRITES',
  'DONT_MASK',
  'ATOMIC_O_TRUNC',
  'EXPORT_SUPPORT',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'HANDLE_KILLPRIV_V2',
  'POSIX_ACL',
  'CACHE_SYMLINKS',
  'NO_OPENDIR_SUPPORT',
  'EXPLICIT_INVAL_DATA',
  'SETXATTR_EXT',
  'CREATE_SUPP_GROUP',
  'HAS_EXPIRE_ONLY',
  'DIRECT_IO_ALLOW_MMAP',
  'PASSTHROUGH',
  'HAS_RESEND',
  'ABORT_ERROR',
];

/**
 * Opens the volume, mounts it and serves it until it is unmounted. SIGINT and SIGTERM recall the leases and unmount.
 * Gives the exit code: 0 after a clean end, 1 when something could not be saved. Rejects when there never was a mount.
 * Under a supervisor (`inherited`) it may take over a mount that another daemon has served, and hands it to the next one
 * on SIGUSR2.
 */
export async function serve({ image, dir, options, ready, inherited, io, walFrames }: ServeRequest): Promise<number> {
  const handover = inherited?.handover;
  let before: TakeOver | undefined;
  const log = logOf(options);
  const tell = log.of('mount');
  const began = performance.now();
  const volume = Volume.open(image, {
    readOnly: options.readOnly,
    io,
    walFrames,
    commitInterval: options.commit * 1000,
    ignoreDataErrors: options.errors === 'continue',
    inherited: inherited && { device: inherited.device, database: inherited.database },
    takeOver: inherited?.takeOver
      ? (recovery) => {
          before = new TakeOver(inherited.handover, recovery);
        }
      : undefined,
  });
  const opened = performance.now();
  if (volume.recovery.problem !== undefined) tell('warning', volume.recovery.problem);
  const saved = before && handover?.info;
  let house: House;
  let recorder: Recorder | undefined;
  let stop: (() => void) | undefined;
  /** errors=exit: the mount ends with this process, also under a supervisor. */
  const giveUp = (): void => {
    tell('error', 'errors=exit: the daemon ends, and the mount with it');
    if (handover) handover.status = STATUS.OVER;
    // Not by process.exit(): that would wait for the thread that waits for the next request.
    if (stop) stop();
    else process.exit(1);
  };
  let fd: number;
  let native: NativeMount | undefined;
  try {
    house = new House(volume, options, systemClock, tell, handover, before !== undefined);
    if (log.enables('debug')) house.onLeaseEvent = leaseEvents(log.of('lease'));
    if (options.errors === 'exit') house.onFailure = () => setImmediate(giveUp);
    const errno = volume.ready();
    if (errno !== 0) throw new Error(`recovery failed: ${errnoName(errno)}`);
    if (options.record !== undefined) recorder = openRecorder(options.record, dir, tell);
    if (options.transport === 'fuse-native') native = await mountNative(image, dir, options);
    fd = native?.fd ?? (saved && inherited?.fuse) ?? mountVolume(image, dir, options, inherited?.fuse);
  } catch (error) {
    volume.abandon();
    throw error;
  }
  if (inherited && native === undefined && !saved && fd !== inherited.fuse) sendFuse(fd);
  const recovered = performance.now();
  /** The mount is there: by way of fuse-native some time after INIT. */
  const usable = (): void => {
    tuneMemory(dir, options, tell);
    ready();
  };
  const connected = (info: ConnectionInfo): void => {
    house.connected(dir, info);
    if (saved) house.control?.refresh();
    if (handover) {
      handover.info = info.toJSON();
      handover.serving = process.pid;
      handover.status = STATUS.SERVING;
      tellSupervisor();
    }
    tell('info', saved ? 'took the mount over' : 'mounted', {
      volume: image,
      dir,
      pid: process.pid,
      epoch: volume.epoch,
      options: describeOptions(options),
      open_ms: Math.round(opened - began),
      recovery_ms: Math.round(recovered - opened),
      replayed: volume.recovery.replayed,
    });
    if (recorder) record(recorder, session, info, options);
    if (native === undefined) usable();
  };
  const session = new Session({
    fd,
    handlers: house.handlers,
    negotiate: { flags: FEATURES },
    saved,
    owed: handover?.owed,
    repeat: saved && handover?.owed.take(),
    resolve: before && ((request) => before?.resolve(request, house.fs.inodes)),
    onResolved: () => before?.resolved(),
    trace: log.enables('trace') ? (line) => log.write('fuse', 'trace', line) : undefined,
    report: (message, error) => log.defect('fuse', message, error),
    onInit: connected,
  });
  house.attach(session);
  // Requests come by way of the event loop there: it must not be kept waiting.
  if (native !== undefined) session.eventsExpected = () => true;
  native?.start().then(
    () => {
      house.connected(dir, session.info);
      usable();
    },
    (error) => {
      ready(error);
      session.stop();
    },
  );
  if (saved) connected(session.info);
  const forget = unmountOnSignals(dir, house, tell);
  const pass = (): void => session.stop();
  stop = pass;
  if (inherited) process.on('SIGUSR2', pass);
  try {
    const end = await session.run();
    if (end === 'stopped') return await house.handOver();
    if (handover) handover.status = STATUS.OVER;
  } finally {
    process.off('SIGUSR2', pass);
    forget();
    close(fd);
  }
  const errno = await house.shutDown();
  if (errno !== 0) tell('error', `the volume could not be closed cleanly: ${errnoName(errno)}`, { volume: image });
  else tell('info', 'unmounted', { volume: image, dir, pid: process.pid });
  // The package keeps the event loop alive although its thread is done.
  if (native !== undefined) process.exit(errno === 0 ? 0 : 1);
  return errno === 0 ? 0 : 1;
}

/**
 * Loaded only where it is asked for: an optional package. It tells no process: holders pass for this one, which lives as
 * long as the mount and must not be ended by a fence, and operations on files are nobody's own.
 */
async function mountNative(image: string, dir: string, options: MountOptions): Promise<NativeMount> {
  const { nativeMount } = await import('../fuse/native/mount.ts');
  return nativeMount({
    dir,
    fsname: image,
    subtype: 'layoutfs',
    defaultPermissions: options.defaultPermissions,
    pidOf: (nodeid) => (isControlNode(nodeid) ? process.pid : 0),
  });
}

function mountVolume(image: string, dir: string, options: MountOptions, fd: number | undefined): number {
  return openAndMount({
    dir,
    fsname: image,
    subtype: 'layoutfs',
    defaultPermissions: options.defaultPermissions,
    allowOther: options.allowOther,
    flags: mountFlags(options),
    fd,
  }).fd;
}

function mountFlags(options: MountOptions): number {
  let flags = 0;
  if (options.readOnly) flags |= MS.RDONLY;
  if (options.nosuid) flags |= MS.NOSUID;
  if (options.nodev) flags |= MS.NODEV;
  if (options.noexec) flags |= MS.NOEXEC;
  if (options.sync) flags |= MS.SYNCHRONOUS;
  if (options.dirsync) flags |= MS.DIRSYNC;
  if (options.atime === 'noatime') flags |= MS.NOATIME;
  if (options.atime === 'strictatime') flags |= MS.STRICTATIME;
  return flags;
}

/** ms within which signals are one and the same wish: whoever stops a group of processes reaches this one twice. */
const SAME_WISH_MS = 500;

/** The first signal unmounts in good order; a later one does not wait for leases or for users of the mount. */
function unmountOnSignals(dir: string, house: House, tell: Tell): () => void {
  let asked = 0;
  const stop = (): void => {
    const now = performance.now();
    if (asked === 0) {
      asked = now;
      house.stopLeases(() => unmountOrDetach(dir, tell));
    } else if (now - asked > SAME_WISH_MS) unmount(dir, { lazy: true });
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
}

/**
 * Unmounting sends no request that it waits for. While somebody uses the mount it is only taken out of the tree: it ends
 * when its last user goes, and until then it is served.
 */
async function unmountOrDetach(dir: string, tell: Tell): Promise<void> {
  if ((await unmount(dir)) !== -E.BUSY) return;
  tell('warning', `${dir} is in use: it is unmounted lazily and served until its last user is gone`, { dir });
  await unmount(dir, { lazy: true });
}
