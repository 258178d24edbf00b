import { E } from '../system/errno.ts';
import type { Notifications } from './ports.ts';

/** Bytes that one notification covers: at least, and at most where a range is long. */
const LEAST = 2 ** 20;
const MOST = 64 * 2 ** 20;
/** Parts that a range of middling length has at most. */
const PARTS = 1024;
/** Parts of a longer one: those of a sparse file of many TiB are larger than `MOST`. */
const MANY = 16_384;
/** Parts on their way at once: the notifier has one thread more, for everybody else. */
const AT_ONCE = 3;

/**
 * Has the kernel write back and drop the pages of a node in a range. It writes dirty pages one by one and waits for each
 * (a round trip to this thread); so a long range goes in parts, several at a time, and others are served between them.
 */
export class Invalidations {
  private readonly notifier: Pick<Notifications, 'invalInode'>;
  private readonly queue: (() => void)[] = [];
  private running = 0;

  constructor(notifier: Pick<Notifications, 'invalInode'>) {
    this.notifier = notifier;
  }

  /**
   * Bytes [from, to), either of `to` and `size` may be Infinity; behind `size` nobody expects pages, and one notification does. 0, or the errno
   * of the first part that failed; a node that the kernel does not know has no pages.
   */
  async drop(node: number, from: number, to: number, size: number): Promise<number> {
    const end = Math.min(to, Math.max(from, size));
    const length = end - from;
    if (length <= LEAST || !Number.isFinite(length)) return this.send(node, from, to);
    const whole = (bytes: number): number => Math.ceil(bytes / LEAST) * LEAST;
    const step = Math.max(Math.min(MOST, whole(length / PARTS)), whole(length / MANY));
    const parts: Promise<number>[] = [];
    for (let at = from; at < end; at += step) {
      const last = at + step >= end;
      parts.push(this.turn(() => this.send(node, at, last ? to : at + step)));
    }
    return (await Promise.all(parts)).find((errno) => errno !== 0) ?? 0;
  }

  /** Length 0 is "to the end" for the kernel. */
  private async send(node: number, from: number, to: number): Promise<number> {
    const errno = -(await this.notifier.invalInode(node, from, Number.isFinite(to) ? to - from : 0));
    return errno === E.NOENT ? 0 : errno;
  }

  private async turn(work: () => Promise<number>): Promise<number> {
    if (this.running >= AT_ONCE) await new Promise<void>((resolve) => this.queue.push(resolve));
    else this.running++;
    const result = await work();
    const next = this.queue.shift();
    if (next) next();
    else this.running--;
    return result;
  }
}
