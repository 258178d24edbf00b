import type { LeaseView } from '../lease/api.ts';

interface Span {
  from: number;
  to: number;
}

const overlaps = (spans: readonly Span[], from: number, to: number): boolean =>
  spans.some((span) => span.from < to && from < span.to);

/**
 * The bytes of a file that a guarded window shows, and what of them is refused. Closing goes in two steps: first reads
 * are refused while writes are still taken, because the invalidation writes dirty pages back; then writes too.
 */
export class WindowRange {
  readonly lease: number;
  readonly ino: number;
  /** Bytes; `end` may be Infinity. */
  readonly offset: number;
  readonly end: number;
  readonly writable: boolean;
  private readonly readsRefused: Span[] = [];
  private readonly writesRefused: Span[] = [];

  /** What is left where the lease is not known any more: everything is refused. */
  static ended(id: number, ino: number): WindowRange {
    const length = Number.POSITIVE_INFINITY;
    return new WindowRange({ id, ino, offset: 0, length, mode: 'ro' });
  }

  constructor(lease: Pick<LeaseView, 'id' | 'ino' | 'offset' | 'length' | 'mode'>) {
    this.lease = lease.id;
    this.ino = lease.ino;
    this.offset = lease.offset;
    this.end = lease.offset + lease.length;
    this.writable = lease.mode === 'rw';
  }

  /** Has it any byte in common with [from, to)? */
  touches(from: number, to: number): boolean {
    return from < this.end && this.offset < to;
  }

  refuseReads(from: number, to: number): void {
    this.readsRefused.push({ from, to });
  }

  refuseWrites(from: number, to: number): void {
    this.writesRefused.push({ from, to });
  }

  mayRead(from: number, to: number): boolean {
    return this.readsRefused.length === 0 || !overlaps(this.readsRefused, from, to);
  }

  mayWrite(from: number, to: number): boolean {
    return this.writesRefused.length === 0 || !overlaps(this.writesRefused, from, to);
  }
}
