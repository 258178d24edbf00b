import type { Request } from '../fuse/request.ts';
import type { Actor, Change, LeaseEngine, Waiter } from '../lease/api.ts';
import type { Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';

/** Milliseconds. */
const SPACE_LOOKED = 1000;

/**
 * The one place where an operation meets the lease engine. Every operation that changes the block map or the size of a
 * file asks `admit` first, and changes only when that says yes, in the same turn of the event loop: between the answer
 * and the change nothing else runs, so that the change happens under the lease table that was judged.
 *
 * An operation that has to wait is parked and later run again from its beginning: it looks at everything afresh.
 */
export class Guard {
  private readonly leases: LeaseEngine;
  private readonly redispatch: (request: Request) => void;
  private readonly now: () => number;
  /** Waits of parked requests: the patience of a request that has to wait again goes on from there. */
  private readonly waiters = new WeakMap<Request, Waiter>();
  private readonly actor: Actor = { uid: 0, gid: 0, pid: 0, fh: 0, process: undefined };
  /** Requests that met ENOSPC and wait for the fences; monotonic ms until which a further look would find nothing new. */
  private readonly short = new WeakSet<Request>();
  private spaceLookedUntil = Number.NEGATIVE_INFINITY;

  constructor(leases: LeaseEngine, redispatch: (request: Request) => void, now = () => performance.now()) {
    this.leases = leases;
    this.now = now;
    this.redispatch = redispatch;
  }

  /** Whether any lease or seal has to be asked about this inode: spares operations the description of their change. */
  concerns(ino: number): boolean {
    return this.leases.has(ino);
  }

  /** Whether a holder may change the contents behind the kernel's cache: such files are opened uncached. */
  uncached(ino: number): boolean {
    return this.leases.holdsInode(ino);
  }

  /**
   * May the operation do `changes` now? On false the request has been answered, or parked: the caller just returns.
   * `fh` is the open file the request names, 0 for none. `nonblocking`: O_NONBLOCK of open(2) and write(2). It does
   * not count for ftruncate(2) and fallocate(2), as in the kernel's own lease breaking: truncate(1) opens with it and
   * means to wait.
   */
  admit(
    request: Request,
    inode: Inode,
    operation: string,
    changes: readonly Change[],
    fh: number,
    nonblocking: boolean,
  ): boolean {
    const { leases, actor } = this;
    if (changes.length === 0 || !leases.has(inode.ino)) return true;
    actor.uid = request.uid;
    actor.gid = request.gid;
    actor.pid = request.pid;
    actor.fh = fh;
    actor.process = undefined;
    const verdict = leases.judge(inode.ino, changes, actor, operation, nonblocking);
    if (verdict.go) return true;
    if (verdict.wait === undefined) {
      request.error(verdict.errno);
      return false;
    }
    const asker = { ...actor };
    if (nonblocking) {
      leases.begin(inode.ino, changes, asker, operation, () => {}, { nonblocking: true });
      request.error(E.AGAIN);
      return false;
    }
    const previous = this.waiters.get(request);
    const parked = request.park();
    let resumed = false;
    const resume = (errno: number): void => {
      resumed = true;
      parked.onInterrupt = undefined;
      if (errno !== 0) parked.error(errno);
      else this.redispatch(parked);
    };
    const waiter = leases.begin(inode.ino, changes, asker, operation, resume, { previous });
    if (resumed) return false; // within that call: answered, or parked anew with a wait of its own
    this.waiters.set(parked, waiter);
    parked.onInterrupt = () => waiter.cancel(E.INTR);
    return false;
  }

  /**
   * An operation found no space, and changed nothing: may it be run again when the fences of holders that did not answer
   * have been tried again (leases.md section 7)? On true the request is parked; each request is given that once, and
   * nobody within a second of the last time.
   */
  waitForSpace(request: Request): boolean {
    if (!this.leases.holdsSpace() || this.short.has(request)) return false;
    if (this.now() < this.spaceLookedUntil) return false;
    const parked = request.park();
    this.short.add(parked);
    this.leases.retryFences(() => {
      this.spaceLookedUntil = this.now() + SPACE_LOOKED;
      this.redispatch(parked);
    });
    return true;
  }
}
