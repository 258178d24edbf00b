import type { Request } from '../fuse/request.ts';
import type { Actor, Change, LeaseEngine, LeaseEvent, Refusal as LeaseRefusal, LeaseView } from '../lease/api.ts';
import type { Policy } from '../lease/policies.ts';
import type { Inode } from '../namespace/inode.ts';
import type { TableMemory } from '../namespace/lookups.ts';
import type { Clock } from '../system/clock.ts';
import type { RequestOf } from './grammar/verbs.ts';
import type { Journal } from './journal.ts';

/**
 * What the control layer needs from the rest of the house. Every port is the part of a contract class that is used
 * here, so that tests can stand in for it and the assembly can pass the real one.
 */

/** Who asks, as far as /proc tells it (FUSE names a thread and its fsuid, not its groups). */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** The thread of the request. */
  readonly pid: number;
  /** Its process; `start` (clock ticks since boot) tells it from a later one with the same number. */
  readonly tgid: number;
  readonly start: number;
  readonly command: string;
  readonly groups: readonly number[];
  /** Root, or the user the daemon runs as. */
  readonly privileged: boolean;
}

/** Reads /proc for a request. Answers with empty groups when the process is gone already. */
export interface Callers {
  of(uid: number, gid: number, pid: number): Caller;
}

/** May this caller read (4), write (2), search (1) the inode, by mode bits and ACL? */
export interface Access {
  allows(inode: Inode, caller: Caller, wanted: number): boolean;
  /**
   * The caller changes contents, or is about to be let: set-user-ID, set-group-ID and file capabilities go, as with
   * write(2). True when something went; stamping the inode, and telling the kernel, are the asker's.
   */
  dropPrivileges(inode: Inode, caller: Pick<Caller, 'uid' | 'gid' | 'groups'>): boolean;
}

export interface ExtentRow {
  /** All in blocks. */
  fileBlock: number;
  deviceBlock: number;
  length: number;
  /** 0 unwritten, 1 written, 2 written but not yet synced. */
  state: number;
  shared?: boolean;
}

/** The part of the block map used here. Blocks, except where `offset` and `length` are named: those are bytes. */
export interface Blocks {
  read(inode: Inode, offset: number, length: number, address: number): number;
  write(inode: Inode, offset: number, length: number, address: number): number;
  classifyWrite(inode: Inode, offset: number, length: number): number;
  allocate(
    inode: Inode,
    fromBlock: number,
    toBlock: number,
    options?: { zero?: boolean; align?: number; contiguous?: boolean },
  ): number;
  unshare(inode: Inode, offset: number, length: number): number;
  markWritten(inode: Inode, fromBlock: number, toBlock: number): number;
  collapse(inode: Inode, offset: number, length: number): number;
  insert(inode: Inode, offset: number, length: number): number;
  share(source: Inode, sourceOffset: number, destination: Inode, destinationOffset: number, length: number): number;
  relocate(
    inode: Inode,
    fromBlock: number,
    count: number,
    options?: { align?: number; contiguous?: boolean; avoid?: { start: number; length: number } },
  ): number;
  extents(ino: number, fromBlock: number, maxCount: number): ExtentRow[];
  /** Blocks that drains under way have still to come to; for those who watch. */
  toMove: number;
  /** Inodes that have blocks in a device range, with the file range each; for drain. */
  owners(start: number, length: number): { ino: number; fileBlock: number; length: number }[];
}

export interface Inodes {
  get(ino: number): Inode | undefined;
  touch(inode: Inode): void;
  /** Contents changed: mtime and ctime are now. */
  touchChange(inode: Inode): void;
  /** A new size that the kernel did not ask for. */
  moveEnd(inode: Inode, size: number): void;
  /** Keeps the object, and an inode without names, for an open handle. */
  opened(inode: Inode): void;
  closed(inode: Inode): void;
  /** The kernel gives back `n` lookups. */
  forget(ino: number, n: number): void;
}

export interface Dentries {
  lookup(parent: number, name: Uint8Array): number;
  /** Entries as [name, cookie, ino, type]. */
  list(parent: number, after: number, limit: number): [Buffer, number, number, number][];
}

export interface Xattrs {
  /** The value of an extended attribute, if there is one. */
  get(inode: Inode, name: Uint8Array): Uint8Array | undefined;
  /** False when there was none. */
  remove(inode: Inode, name: Uint8Array): boolean;
}

export interface Durability {
  /** The open transaction must not be committed before the device is synced: a holder stored data on his own. */
  orderedData(): void;
  /** Everything done so far, data and metadata, is on disk: 0, or the errno of why it is not. */
  whenDurable(fn: (errno: number) => void): void;
  /** The same without file data. */
  whenMetadataDurable(fn: (errno: number) => void): void;
}

/** Notifications to the kernel; each promise resolves with 0 or -errno, and never on the state thread's stack. */
export interface Notifications {
  invalInode(ino: number, offset: number, length: number): Promise<number>;
  invalEntry(parent: number, name: Uint8Array): Promise<number>;
  /** Runs `fn` soon, when the operation under way is done and answered; where it is not there, at once. */
  defer?(fn: () => void): void;
  poll(kernelHandle: number): Promise<number>;
}

/** Registers the backing file with the kernel for passthrough opens. */
export interface Passthrough {
  /** The kernel offers it, the daemon may use it and the device is a regular file; else the reason why not. */
  available(): true | string;
  /** A backing id (> 0), or -errno. */
  open(): number;
  /** The kernel lets go of the backing file once no window is open; `open` registers it again. */
  close(): void;
}

/** The device of the volume; reads and writes transfer all or answer -errno. Bytes. */
export interface DeviceFacts {
  readonly uuid: string;
  readonly path: string;
  readonly blockSize: number;
  readonly size: number;
  pread(address: number, length: number, offset: number): number;
  pwrite(address: number, length: number, offset: number): number;
}

/**
 * Where an operation that came as a request meets the lease engine (operations/guard.ts). On false the request was
 * answered, or parked to be dispatched again.
 */
export interface Guard {
  admit(
    request: Request,
    inode: Inode,
    operation: string,
    changes: readonly Change[],
    fh: number,
    nonblocking: boolean,
  ): boolean;
}

/** Keeps everybody from changing files, for a copy of the volume. */
export interface Freezer {
  readonly isFrozen: boolean;
  /** For at most `ms`: 0 or errno. */
  freeze(ms: number): number;
  /** False when it was not frozen. */
  thaw(): boolean;
}

/** Something that waits. `cancel` ends it with an errno; its `done` is then called with that. */
export interface Pending {
  cancel(errno: number): void;
}

export interface ControlOptions {
  /** Protocol and policy as `.layout/version` and `policy` tell them. */
  version: string;
  policy: Policy;
  epoch: number;
  /** Bytes. */
  pageSize: number;
  /** The verb `inject` works. */
  inject: boolean;
  /** The mount is read-only: verbs that change the volume answer EROFS. */
  readOnly: boolean;
  /** User of the daemon: owns the hidden directory; root if not given. */
  uid?: number;
  /** INIT gave DIRECT_IO_ALLOW_MMAP: windows bypass the page cache for read(2) and write(2). */
  directIoMmap: () => boolean;
  /** What the mount lacks for want of rights, a line each, as `.layout/version` tells it. */
  lacks?: () => readonly string[];
  /** Open sessions of one user, at most (1024 if not given); administrators have no limit. */
  sessionsPerUid?: number;
}

export interface ControlPorts {
  leases: LeaseEngine;
  inodes: Inodes;
  dentries: Dentries;
  blocks: Blocks;
  device: DeviceFacts;
  commits: Durability;
  notifier: Notifications;
  passthrough: Passthrough;
  guard: Guard;
  freezer?: Freezer;
  callers: Callers;
  access: Access;
  clock: Clock;
  /** Where a supervisor restarts a daemon that dies: what the next one has to know of open files. */
  journal?: Journal;
  /** Where numbers that must not come twice in a mount's life are kept (`NUMBER`); default: in this object. */
  numbers?: Float64Array;
  /** Where the look-ups of device windows are counted; default: in this process. */
  deviceNodes?: TableMemory;
  /** Keeps the reply to an operation that is done and waits for the disk. */
  promise?: (request: Request, length: number) => void;
  /** Prometheus text of the other layers, appended to `.layout/stats`. */
  statistics?: () => string;
  /** Faults that the lease engine does not know: device errors, clock steps. 0 or errno. */
  inject?: (values: RequestOf<'inject'>) => number;
  /** Does a request on an inode of the volume: what is asked under `.layout/direct`. */
  operate: (request: Request) => void;
  options: ControlOptions;
}

export type { Actor, Change, Inode, LeaseEngine, LeaseEvent, LeaseRefusal, LeaseView, Request };
