import type { BlockMap } from '../blockmap/blockmap.ts';
import type { Space } from '../blockmap/space.ts';
import type { Timeouts } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import type { LeaseEngine } from '../lease/api.ts';
import type { Acls } from '../namespace/acls.ts';
import type { Dentries } from '../namespace/dentries.ts';
import type { Inode } from '../namespace/inode.ts';
import type { Inodes } from '../namespace/inodes.ts';
import type { Symlinks } from '../namespace/symlinks.ts';
import type { Xattrs } from '../namespace/xattrs.ts';
import type { Clock } from '../system/clock.ts';
import type { Volume } from '../volume/volume.ts';
import type { Guard } from './guard.ts';
import type { Handles } from './handle.ts';

/** Mount options that operations read. */
export interface OperationOptions {
  /** Seconds that the kernel keeps names and attributes. Long: nobody else changes the files. */
  timeouts: Timeouts;
  /** Seconds that the kernel remembers that a name is not there. */
  negativeTimeout: number;
  /** Name of the control directory in the root; empty for none. */
  controlName: Buffer;
  readOnly: boolean;
  /** Every write is durable before it returns (mount option sync). */
  sync: boolean;
  /** Every change of a directory is durable before it returns (mount options dirsync and sync). */
  dirsync: boolean;
  /** The kernel agreed to do without OPENDIR (NO_OPENDIR_SUPPORT). */
  noOpendir: boolean;
  /** The kernel sends the long form of SETXATTR (SETXATTR_EXT). */
  setxattrExt: boolean;
}

/** What the operations ask of the control directory. */
export interface ControlHook {
  /** Answers LOOKUP of the control directory's name in the root: replies to the request. */
  lookup(request: Request): void;
  /** Value of a virtual attribute `user.layout.*` of a file; undefined where there is none. */
  xattr(inode: Inode, name: Buffer): Buffer | undefined;
  /** Lease requests by ioctl(2) on a file: whether it was one, and then the hook replies. */
  ioctl(request: Request, inode: Inode): boolean;
  /** The kernel gives back `n` lookups of a node of the control directory (BATCH_FORGET mixes them with files). */
  forget(nodeid: number, n: number): void;
  /** Bytes of the file changed by an operation on the file itself: its windows, if any, forget their pages. */
  changed(ino: number, offset: number, length: number): void;
}

/** Node ids from here on belong to the control directory; inode numbers are below. */
export const CONTROL_BASE = 2 ** 52;

/** All that an operation works on. Each operation is a function of it and a request, in the file of its name. */
export interface Filesystem {
  readonly volume: Volume;
  readonly inodes: Inodes;
  readonly dentries: Dentries;
  readonly symlinks: Symlinks;
  readonly xattrs: Xattrs;
  readonly acls: Acls;
  readonly blockmap: BlockMap;
  readonly space: Space;
  readonly leases: LeaseEngine;
  readonly guard: Guard;
  readonly handles: Handles;
  readonly options: OperationOptions;
  readonly clock: Clock;
  /** Makes the kernel ask again for an inode's attributes; done when it has dropped those that it knew. */
  readonly forgetAttributes: (ino: number) => Promise<unknown>;
  /** The kernel writes the pages of an inode back, and forgets them and its attributes; no handler may wait for it. */
  readonly forgetPages: (ino: number) => Promise<unknown>;
  control: ControlHook | undefined;
  /**
   * Under a supervisor: of a request that is done and waits for the disk, keeps the reply, `length` bytes of payload in the
   * reply area, for a daemon that takes over. To be called in the turn in which it was done.
   */
  promise?: (request: Request, length: number) => void;
}

export type Operation = (fs: Filesystem, request: Request) => void;
