import type { Clock } from '../system/clock.ts';
import type { Notifications } from './ports.ts';

/** How long a verb waits for the kernel to drop pages. It must end: see `drop`. */
const PATIENCE_MS = 500;

interface Dirty {
  offset: number;
  end: number;
  sending: boolean;
}

/**
 * Several inodes of the kernel show the same blocks: the file itself and the windows of its leases. Each has pages of
 * its own; what one writes, the others have to forget. Ranges are merged while a notification is on its way, so that
 * a stream of writes costs one notification a round trip, not one a write.
 */
export class Coherence {
  private readonly windows = new Map<number, Set<number>>();
  private readonly pending = new Map<number, Dirty>();
  private readonly notifier: Notifications;
  private readonly clock: Clock;

  constructor(notifier: Notifications, clock: Clock) {
    this.notifier = notifier;
    this.clock = clock;
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
    for (const node of this.windows.get(ino) ?? []) if (node !== by) this.forget(node, offset, length);
  }

  /**
   * Writes back and drops the pages of a range in the file's inode and all of its windows, then calls `done`. It does
   * so after half a second in any case: a page may be held by a write that itself waits for the very lease whose
   * holder asked for this, and the kernel's answer then comes only when that write is over.
   */
  drop(ino: number, offset: number, length: number, done: () => void, only?: number): void {
    const nodes = only === undefined ? [ino, ...(this.windows.get(ino) ?? [])] : [only];
    let left = nodes.length;
    let over = false;
    const finish = (): void => {
      if (over) return;
      over = true;
      this.clock.clearTimeout(timer);
      done();
    };
    const timer = this.clock.setTimeout(finish, PATIENCE_MS);
    for (const node of nodes) {
      this.send(node, offset, length).then(() => {
        left -= 1;
        if (left === 0) finish();
      });
    }
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

  /** Length 0 is "to the end" for the kernel, as is anything below. */
  private send(node: number, offset: number, length: number): Promise<number> {
    return this.notifier.invalInode(node, offset, Number.isFinite(length) ? length : 0);
  }
}
