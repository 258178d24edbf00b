import type { Inode } from '../namespace/inode.ts';
import type { Refusal } from './grammar/verbs.ts';
import type { Request } from '../fuse/request.ts';

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
  /** Inodes that have blocks in a device range, with the file range each; for drain. */
  owners?(start: number, length: number): { ino: number; fileBlock: number; length: number }[];
}

export interface Inodes {
  get(ino: number): Inode | undefined;
  touch(inode: Inode): void;
}

export interface Namespace {
  readonly inodes: Inodes;
  /** The inode number, or -errno. No symlink is followed at the last component. */
  resolve(path: Uint8Array, from?: number): number;
  /** The entry of one directory, 0 if there is none. */
  lookup(parent: number, name: Uint8Array): number;
  /** The path of `ino` as it is now is not kept; this tells its parent directory. */
  list(parent: number, afterCookie: number, limit: number): { name: Uint8Array; ino: number; type: number; cookie: number }[];
}

export interface Durability {
  whenDurable(fn: (errno: number) => void): void;
  whenMetadataDurable(fn: (errno: number) => void): void;
  dataWritten?(...of: never[]): void;
}

/** Notifications to the kernel; each promise resolves with 0 or -errno, and never on the state thread's stack. */
export interface Notifications {
  invalInode(ino: number, offset: number, length: number): Promise<number>;
  invalEntry(parent: number, name: Uint8Array): Promise<number>;
  poll(kernelHandle: number): Promise<number>;
}

/** Registers the backing file with the kernel for passthrough opens. */
export interface Passthrough {
  /** The kernel offers it, the daemon may use it and the device is a regular file; else why not. */
  readonly available: true | string;
  /** A backing id (> 0), or -errno. */
  open(): number;
  close(backing: number): void;
}

export interface DeviceFacts {
  readonly uuid: string;
  readonly path: string;
  readonly blockSize: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes; 0 or -errno… of a full transfer, as Device of the volume. */
  pread(address: number, length: number, offset: number): number;
  pwrite(address: number, length: number, offset: number): number;
}

/**
 * An operation on a file on behalf of a verb (clone, collapse, seal, …) that has to meet the lease engine as every
 * operation does: judged, recalled, waited for, and only then `change` runs, in the same turn as the last judgement.
 */
export interface Guard {
  run(
    inode: Inode,
    changes: { row: string; offset: number; length: number }[],
    actor: { caller: Caller; handle: number; patience: number },
    operation: string,
    change: () => number,
    done: (errno: number, refusal?: Refusal) => void,
  ): { cancel(errno: number): void };
}

export type { Inode, Request };
