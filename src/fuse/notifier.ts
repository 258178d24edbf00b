import type { Worker } from 'node:worker_threads';
import { E } from '../system/errno.ts';
import { addressOf, write } from '../system/libc.ts';
import { startScript } from '../system/thread.ts';
import { EXPIRE_ONLY, NOTIFY } from './protocol.ts';
import { encode, type StructName, sizeOf } from './structs.ts';

interface Job {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What `Owed.keep` gave. */
  readonly kept: number;
  readonly resolve: (result: number) => void;
}

/** Where notifications are kept until the kernel has them, so that the next daemon of a connection can send them again. */
export interface Owed {
  /** Gives what `done` takes; -1 when it is not kept. */
  keep(bytes: Uint8Array): number;
  done(kept: number): void;
}

interface Lane {
  readonly worker: Worker;
  job: Job | undefined;
}

/** Most worker threads at once. */
const LANES = 4;
/** A notification that has not come back for so long is taken to wait in the kernel: the next one gets a new thread. */
const STUCK_MS = 20;

const HEADER = 16;

/**
 * Tells the kernel that it should forget, wake up or send again. Each promise resolves with 0 or a negative errno and
 * never rejects; -ENOENT says that the kernel did not know the inode or name, and so is as good as done.
 *
 * Invalidations wait in the kernel for requests in flight on the same pages or directory, which only the state thread
 * can answer. So they are written by worker threads, and one that waits does not hold up the others. POLL and RESEND
 * take no locks that a request can hold; they are written at once, by the caller.
 */
export class Notifier {
  private readonly fd: number;
  private readonly report: (message: string, error: unknown) => void;
  private readonly lanes: Lane[] = [];
  private readonly queue: Job[] = [];
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly owed: Owed | undefined;

  /** `fd`: of the session; stays the caller's to close, after `stop`. `report` hears of threads that fail. */
  constructor(fd: number, report: (message: string, error: unknown) => void, owed?: Owed) {
    this.fd = fd;
    this.report = report;
    this.owed = owed;
  }

  /** Notifications whose promise is not resolved yet. */
  get pending(): number {
    return this.queue.length + this.lanes.reduce((n, lane) => n + (lane.job ? 1 : 0), 0);
  }

  /** Attributes of an inode are forgotten, and its pages from `offset` on: `length` bytes, 0 to the end. `offset` < 0: no pages. */
  invalInode(ino: number, offset: number, length: number): Promise<number> {
    return this.post(message(NOTIFY.INVAL_INODE, 'notify_inval_inode_out', { ino, off: offset, len: length }));
  }

  /** A name is forgotten (mounts and working directories below it stay). */
  invalEntry(parent: number, name: Uint8Array): Promise<number> {
    return this.post(message(NOTIFY.INVAL_ENTRY, 'notify_inval_entry_out', { parent, namelen: name.length }, name, 1));
  }

  /** A name is looked up anew at its next use; unlike `invalEntry` nothing is thrown away (HAS_EXPIRE_ONLY). */
  expireEntry(parent: number, name: Uint8Array): Promise<number> {
    const values = { parent, namelen: name.length, flags: EXPIRE_ONLY };
    return this.post(message(NOTIFY.INVAL_ENTRY, 'notify_inval_entry_out', values, name, 1));
  }

  /** `name` no longer is inode `child`: as if unlinked, so that watchers hear of it. -ENOTEMPTY for a directory in use. */
  delete(parent: number, child: number, name: Uint8Array): Promise<number> {
    const values = { parent, child, namelen: name.length };
    return this.post(message(NOTIFY.DELETE, 'notify_delete_out', values, name, 1));
  }

  /** Puts bytes into the page cache of an inode at `offset`; grows its size in the kernel when they reach beyond. */
  store(ino: number, offset: number, bytes: Uint8Array): Promise<number> {
    return this.post(message(NOTIFY.STORE, 'notify_store_out', { nodeid: ino, offset, size: bytes.length }, bytes));
  }

  /** Asks for cached bytes; they come as a NOTIFY_REPLY request whose `unique` is `notifyUnique`. */
  retrieve(ino: number, offset: number, size: number, notifyUnique: number): Promise<number> {
    const values = { notify_unique: notifyUnique, nodeid: ino, offset, size };
    return this.post(message(NOTIFY.RETRIEVE, 'notify_retrieve_out', values));
  }

  /** Every cached name becomes stale at once (7.44). */
  incrementEpoch(): Promise<number> {
    return this.post(message(NOTIFY.INC_EPOCH, undefined, {}));
  }

  /** Drops cached inodes that nobody uses, so that FORGETs come (7.45). */
  prune(inos: readonly number[]): Promise<number> {
    const ids = new BigUint64Array(inos.map(BigInt));
    const values = { count: inos.length };
    return this.post(message(NOTIFY.PRUNE, 'notify_prune_out', values, new Uint8Array(ids.buffer)));
  }

  /** Wakes the pollers of the handle `kh` (of a POLL request with POLL_SCHEDULE_NOTIFY). Immediate. */
  poll(kh: number): Promise<number> {
    return Promise.resolve(this.immediate(message(NOTIFY.POLL, 'notify_poll_wakeup_out', { kh })));
  }

  /** All requests that were read and not answered are sent again, with `resent` set (HAS_RESEND). Immediate. */
  resend(): Promise<number> {
    return Promise.resolve(this.immediate(message(NOTIFY.RESEND, undefined, {})));
  }

  /** A notification that an earlier session did not get out. To forget twice does no harm. */
  repeat(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return this.post(bytes);
  }

  /**
   * Ends the threads; what was not written resolves with -ECANCELED. To be called when the connection has ended, or
   * nothing is in flight: a thread that waits in the kernel cannot be ended.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    for (const job of this.queue.splice(0)) job.resolve(-E.CANCELED);
    await Promise.all(this.lanes.map((lane) => lane.worker.terminate()));
  }

  private immediate(bytes: Uint8Array): number {
    return Math.min(write(this.fd, addressOf(bytes), bytes.length), 0);
  }

  private post(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.stopped) return Promise.resolve(-E.CANCELED);
    return new Promise((resolve) => {
      this.queue.push({ bytes, kept: this.owed?.keep(bytes) ?? -1, resolve });
      this.dispatch();
    });
  }

  private dispatch(): void {
    for (const lane of this.lanes) if (!lane.job && this.queue.length > 0) this.assign(lane);
    if (this.queue.length === 0) return;
    if (this.lanes.length === 0) this.assign(this.grow());
    else if (this.lanes.length < LANES && !this.timer) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        if (this.queue.length > 0 && this.lanes.every((lane) => lane.job)) this.assign(this.grow());
        this.dispatch();
      }, STUCK_MS);
      this.timer.unref();
    }
  }

  private assign(lane: Lane): void {
    const job = this.queue.shift();
    if (!job) return;
    lane.job = job;
    lane.worker.postMessage(job.bytes);
  }

  private grow(): Lane {
    const worker = startScript(new URL('./notifier-worker.mjs', import.meta.url), { fd: this.fd });
    const lane: Lane = { worker, job: undefined };
    this.lanes.push(lane);
    worker.on('message', (result: number) => this.finished(lane, Math.min(result, 0)));
    worker.on('error', (error) => {
      this.report('a notifier thread failed', error);
      this.lost(lane);
    });
    worker.on('exit', () => this.lost(lane));
    return lane;
  }

  private finished(lane: Lane, result: number): void {
    const job = lane.job;
    lane.job = undefined;
    if (job && job.kept >= 0) this.owed?.done(job.kept);
    job?.resolve(result);
    this.dispatch();
  }

  private lost(lane: Lane): void {
    const at = this.lanes.indexOf(lane);
    if (at >= 0) this.lanes.splice(at, 1);
    this.finished(lane, this.stopped ? -E.CANCELED : -E.IO);
  }
}

/** A notification: header with the code in `error`, struct, and bytes that follow it with `zeros` NULs. */
function message(
  code: number,
  struct: StructName | undefined,
  values: Record<string, number>,
  tail: Uint8Array = new Uint8Array(0),
  zeros = 0,
): Uint8Array<ArrayBuffer> {
  const size = struct ? sizeOf(struct) : 0;
  const bytes = new Uint8Array(HEADER + size + tail.length + zeros);
  const view = new DataView(bytes.buffer);
  encode('out_header', view, 0, { len: bytes.length, error: code });
  if (struct) encode(struct, view, HEADER, values);
  bytes.set(tail, HEADER + size);
  return bytes;
}
