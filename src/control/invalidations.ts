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

/** A range that is sent in parts: its next begins at `at`. */
interface Range {
  readonly node: number;
  at: number;
  readonly end: number;
  /** Where the last part ends. */
  readonly to: number;
  readonly step: number;
  underWay: number;
  /** Of the first part that failed. */
  errno: number;
  readonly done: (errno: number) => void;
}

/**
 * Has the kernel write back and drop the pages of a node in a range. It writes dirty pages one by one and waits for each
 * (a round trip to this thread); so a long range goes in parts, several at a time, and others are served between them.
 * Ranges take turns, part by part: nobody waits for all of somebody else's long one.
 */
export class Invalidations {
  private readonly notifier: Pick<Notifications, 'invalInode'>;
  private readonly ranges: Range[] = [];
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
    return new Promise((done) => {
      this.ranges.push({ node, at: from, end, to, step, underWay: 0, errno: 0, done });
      this.go();
    });
  }

  private go(): void {
    while (this.running < AT_ONCE) {
      const range = this.ranges.shift();
      if (!range) return;
      const from = range.at;
      range.at += range.step;
      const isLast = range.at >= range.end;
      if (!isLast) this.ranges.push(range);
      this.running++;
      range.underWay++;
      void this.send(range.node, from, isLast ? range.to : range.at).then((errno) => {
        this.running--;
        range.underWay--;
        if (range.errno === 0 && errno !== 0) range.errno = errno;
        if (isOver(range)) range.done(range.errno);
        this.go();
      });
    }
  }

  /** Length 0 is "to the end" for the kernel. */
  private async send(node: number, from: number, to: number): Promise<number> {
    const errno = -(await this.notifier.invalInode(node, from, Number.isFinite(to) ? to - from : 0));
    return errno === E.NOENT ? 0 : errno;
  }
}

function isOver({ at, end, underWay }: Range): boolean {
  return at >= end && underWay === 0;
}
