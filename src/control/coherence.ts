import type { Clock, Timer } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import type { Invalidations } from './invalidations.ts';
import { nodeOf } from './nodes.ts';
import type { Inodes, LeaseEngine, Notifications } from './ports.ts';
import type { Span } from './windowrange.ts';

/** How often a verb that waits for the kernel to drop pages asks whether that can still happen. */
const CHECK_MS = 250;

/** Attributes only. */
const NO_PAGES: Span = { from: -1, to: -1 };

interface Dirty {
  offset: number;
  end: number;
  sending: boolean;
}

interface CoherencePorts {
  notifier: Notifications;
  clock: Clock;
  inodes: Pick<Inodes, 'get'>;
  leases: Pick<LeaseEngine, 'waiters'>;
}

/**
 * Several inodes of the kernel show the same blocks: the file itself and the windows of its leases. Each has pages of
 * its own; what one writes, the others have to forget. Ranges are merged while a notification is on its way, so that
 * a stream of writes costs one notification a round trip, not one a write.
 */
export class Coherence {
  private readonly windows = new Map<number, Set<number>>();
  private readonly pending = new Map<number, Dirty>();
  private readonly ports: CoherencePorts;
  private readonly invalidations: Invalidations;
  private readonly spans: (node: number, from: number, to: number) => Span[];

  /** `spans`: where bytes [from, to) of the file are in a node that is not the file's own. */
  constructor(
    ports: CoherencePorts,
    invalidations: Invalidations,
    spans: (node: number, from: number, to: number) => Span[],
  ) {
    this.ports = ports;
    this.invalidations = invalidations;
    this.spans = spans;
  }

  add(ino: number, node: number): void {
    const nodes = this.windows.get(ino);
    if (nodes) nodes.add(node);
    else this.windows.set(ino, new Set([node]));
  }

  remove(ino: number, node: number): void {
    const nodes = this.windows.get(ino);
    if (nodes?.delete(node) && nodes.size === 0) this.windows.delete(ino);
  }

  /** Is some window open on the file? The fast path of every write to a data file. */
  has(ino: number): boolean {
    return this.windows.size > 0 && this.windows.has(ino);
  }

  /** Bytes of the file changed through the inode `by`: the other inodes forget their pages, soon. */
  changed(ino: number, offset: number, length: number, by: number): void {
    if (by !== ino) this.forget(ino, offset, length);
    for (const node of this.windows.get(ino) ?? []) {
      if (node === by) continue;
      for (const { from, to } of this.spans(node, offset, offset + length)) this.forget(node, from, to - from);
    }
  }

  /** All inodes that show the same blocks forget their pages, soon. */
  refresh(): void {
    for (const [ino, nodes] of this.windows) {
      for (const node of [ino, ...nodes]) this.forget(node, 0, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Writes back and drops the pages of a range in the file's inode and all of its windows (or in `only` these), then
   * calls `done(0)`. EBUSY where that may never end while the caller waits: a page is held by a write that itself
   * waits for leases, maybe for that of the very holder who asked for this. Then the kernel answers when that write is
   * over; without such a write it answers as soon as its requests are answered, however long writing back takes.
   */
  drop(ino: number, offset: number, length: number, done: (errno: number) => void, only?: readonly number[]): void {
    const { clock, inodes } = this.ports;
    const nodes = only ?? [ino, ...(this.windows.get(ino) ?? [])];
    const left = new Set(nodes);
    // To any end, where no length is given.
    const end = length > 0 ? offset + length : Number.POSITIVE_INFINITY;
    // Where there are no pages, the size may be stale all the same; forgetting attributes waits for nobody.
    const inode = inodes.get(ino);
    const paged = inode?.mayHavePages !== false;
    const size = inode?.size ?? 0;
    let timer: Timer | undefined;
    let over = false;
    const finish = (errno: number): void => {
      if (over) return;
      over = true;
      clock.clearTimeout(timer);
      done(errno);
    };
    const check = (): void => {
      if (this.areHeld(ino, left)) finish(E.BUSY);
      else timer = clock.setTimeout(check, CHECK_MS);
    };
    for (const node of [...left]) {
      const spans = node === ino ? [paged ? { from: offset, to: end } : NO_PAGES] : this.spans(node, offset, end);
      if (spans.length === 0) left.delete(node);
      let unsent = spans.length;
      for (const { from, to } of spans) {
        this.dropPages(node, from, to, size).then(() => {
          if (--unsent === 0) left.delete(node);
          if (left.size === 0) finish(0);
        });
      }
    }
    if (left.size === 0) return done(0);
    timer = clock.setTimeout(check, CHECK_MS);
  }

  /**
   * Are pages of these nodes kept by an operation that waits for leases? A write keeps those it writes, a truncation
   * all dirty ones of the file's own inode.
   */
  private areHeld(ino: number, nodes: ReadonlySet<number>): boolean {
    return this.ports.leases
      .waiters()
      .some((w) => w.ino === ino && w.what === 'operation' && (nodes.has(ino) || w.operation === 'window.write'));
  }

  private forget(node: number, offset: number, length: number): void {
    const end = offset + length;
    const dirty = this.pending.get(node);
    if (dirty) {
      dirty.offset = Math.min(dirty.offset, offset);
      dirty.end = Math.max(dirty.end, end);
      return;
    }
    this.pending.set(node, { offset, end, sending: false });
    queueMicrotask(() => this.flush(node));
  }

  private flush(node: number): void {
    const dirty = this.pending.get(node);
    if (!dirty) return;
    if (dirty.sending && dirty.end <= dirty.offset) {
      this.pending.delete(node);
      return;
    }
    const { offset, end } = dirty;
    this.pending.set(node, { offset: Number.POSITIVE_INFINITY, end: 0, sending: true });
    this.send(node, offset, end - offset).then(() => this.flush(node));
  }

  private dropPages(node: number, from: number, to: number, size: number): Promise<number> {
    if (from < 0) return this.send(node, -1, 0);
    return this.invalidations.drop(node, from, to, nodeOf(node)?.area === 'device' ? to : size);
  }

  /** Length 0 is "to the end" for the kernel, as is anything below. */
  private send(node: number, offset: number, length: number): Promise<number> {
    return this.ports.notifier.invalInode(node, offset, Number.isFinite(length) ? length : 0);
  }
}
