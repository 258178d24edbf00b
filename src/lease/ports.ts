/** What the lease engine needs from outside. The assembly (src/mount) fills these in; tests have small stand-ins. */
import type { Clock } from '../system/clock.ts';
import type { Tell } from '../system/log.ts';
import type { OnExpire } from './api.ts';
import type { LeaseEvent } from './events.ts';
import type { Policy } from './policies.ts';
import type { Store } from './store.ts';

/** A run of device blocks. */
export interface Run {
  start: number;
  length: number;
}

/** What is true of a file's map on a range; filled by one walk over its extents. */
export interface MapFacts {
  regular: boolean;
  /** Bytes. */
  size: number;
  gen: number;
  hole: boolean;
  shared: boolean;
  unwritten: boolean;
  /** Some extent's file start, device start or length (inside the range) is not a multiple of `align`. */
  misaligned: boolean;
}

export interface MapPort {
  /** Range in bytes, clipped to EOF by the callee; `align` in bytes. undefined: no such inode. */
  facts(ino: number, offset: number, end: number, align: number): MapFacts | undefined;
  gen(ino: number): number;
  sealed(ino: number): number;
  /** Sets the inode's flag in the open transaction. */
  setSealed(ino: number, value: number): void;
  /** Device runs under a byte range, in any order. */
  extents(ino: number, offset: number, end: number): Run[];
  /**
   * Moves the live blocks of the range elsewhere, the old place leaving through `dispose`. done(0) once the switch is
   * durable and the old place is punched out of the backing file; done(errno) if nothing was changed.
   */
  relocate(ino: number, offset: number, end: number, done: (errno: number) => void): void;
  /** Writes back and drops the kernel's pages of the inode, before a direct grant. May call done before it returns. */
  flushInvalidate(ino: number, done: (errno: number) => void): void;
  /** The last lease of an inode without names is gone. */
  reap(ino: number): void;
}

export interface Mapper {
  pid: number;
  command: string;
}

export interface FenceSubject {
  id: number;
  ino: number;
  /** Bytes. */
  offset: number;
  end: number;
  pid: number;
  start: number;
  /** Device blocks the holder may still reach. */
  reach: readonly Run[];
}

export interface ProcessPort {
  alive(pid: number, start: number): boolean;
  /**
   * Calls `ended` once, when that very process has ended, unless what is returned was called before. undefined: it can not be
   * watched, and has to be looked at now and then.
   */
  watch(pid: number, start: number, ended: () => void): (() => void) | undefined;
  /** 0 or errno; must check pid and start time together (pidfd). `by`: EPERM where kill(2) would not let this user. */
  kill(pid: number, start: number, signal: number, by?: number): number;
  /** Start time of the process of a thread, with its tgid; undefined when it is gone. */
  identify(tid: number): { tgid: number; start: number; command: string } | undefined;
  /**
   * One scan of all processes for all subjects: who still reaches each (device window of the lease, backing file at its blocks, or a
   * descriptor of the backing file). `isHolder`: whether a process has a live lease with device extents, and so a reason of its
   * own for such a descriptor.
   */
  mappers(
    subjects: readonly FenceSubject[],
    isHolder: (pid: number) => boolean,
    done: (byLease: Map<number, Mapper[]> | number) => void,
  ): void;
}

export interface WindowPort {
  /** Guarded window of the lease: refuse from now on, invalidate; done(0) = no mapping reads or stores any more. */
  close(lease: number, ino: number, offset: number, end: number, done: (errno: number) => void): void;
  /** Bytes [offset, end) of a lease are the lease `rest` from now on: its end closes what windows of the other show of them. */
  split?(lease: number, rest: number, offset: number, end: number): void;
  /** A holder with raw access is gone without a return: pages of the range may be older than what he stored. */
  abandoned?(ino: number, offset: number, end: number): void;
}

export interface SpacePort {
  /** Gives device blocks back in the open transaction. */
  release(start: number, length: number): void;
}

export interface Ports {
  clock: Clock;
  store: Store;
  map: MapPort;
  processes: ProcessPort;
  windows: WindowPort;
  space: SpacePort;
  /** session 0: for the filesystem's event stream only. Every event is passed once; control copies it to the stream. */
  notify(session: number, event: LeaseEvent): void;
  random(bytes: number): Uint8Array;
  /** fence-cmd: exit status of the administrator's command. */
  fenceCommand?: (subject: FenceSubject, done: (status: number) => void) => void;
  log?: Tell;
}

/** Mount options (leases.md section 8); times in milliseconds. */
export interface LeaseOptions {
  breakMs: number;
  maximumBreakMs: number;
  odpAckMs: number;
  renewMs: number;
  fenceRetryMs: number;
  fenceRetryMaximumMs: number;
  graceMs: number;
  patienceMs: number;
  tombstoneMs: number;
  /** Between two looks at processes that can not be watched. */
  processCheckMs: number;
  expired: 'quarantine' | 'hold';
  /** Of leases that do not say how they are fenced. */
  onExpire: OnExpire;
  policy: Policy;
  blockSize: number;
  pageSize: number;
  leasesPerSession: number;
  leasesPerFilesystem: number;
  waitersPerUid: number;
  /** Live leases of one user other than root, over all his sessions. */
  leasesPerUid: number;
  delaysPerRecall: number;
}

export const DEFAULT_OPTIONS: LeaseOptions = {
  breakMs: 45_000,
  maximumBreakMs: 300_000,
  odpAckMs: 2_000,
  renewMs: 30_000,
  fenceRetryMs: 1_000,
  fenceRetryMaximumMs: 180_000,
  graceMs: 90_000,
  patienceMs: 60_000,
  tombstoneMs: 600_000,
  processCheckMs: 1_000,
  expired: 'quarantine',
  onExpire: 'relocate',
  policy: 'strict',
  blockSize: 4096,
  pageSize: 4096,
  leasesPerSession: 10_000,
  leasesPerFilesystem: 1_000_000,
  waitersPerUid: 1_000,
  leasesPerUid: 100_000,
  delaysPerRecall: 16,
};
