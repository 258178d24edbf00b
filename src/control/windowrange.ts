import type { LeaseView } from '../lease/api.ts';
import { isLive } from './deviceWindow.ts';

/** Bytes [from, to). */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where the bytes of a file are in a window that does not show them at the file's offsets. */
export interface Place {
  /** Bytes [from, to) of the file. */
  spans(from: number, to: number): Span[];
  /** All that the kernel may have pages of, whatever the block map was then. */
  touched(): Span[];
}

const overlaps = (spans: readonly Span[], from: number, to: number): boolean =>
  spans.some((span) => span.from < to && from < span.to);

/** Of these leases the live ones that a window shows which was opened of `lease`, before parts of it were split off. */
export function partsOf(lease: number, among: readonly LeaseView[]): LeaseView[] {
  return among.filter(({ id, state, splitFrom }) => isLive(state) && (id === lease || splitFrom.includes(lease)));
}

/**
 * The bytes of a file that a window shows, and what of them is refused. Closing goes in two steps: first reads
 * are refused while writes are still taken, because the invalidation writes dirty pages back; then writes too.
 */
export class WindowRange {
  readonly lease: number;
  readonly ino: number;
  /** Bytes; `end` may be Infinity. */
  readonly offset: number;
  readonly end: number;
  readonly writable: boolean;
  /** Leases split off that one since it was opened: it shows their ranges too. */
  readonly also: number[] = [];
  /** undefined: at the offsets of the file. */
  place: Place | undefined;
  private readonly readsRefused: Span[] = [];
  private readonly writesRefused: Span[] = [];

  /** What is left where the lease is not known any more: everything is refused. */
  static ended(id: number, ino: number): WindowRange {
    const length = Number.POSITIVE_INFINITY;
    return new WindowRange({ id, ino, offset: 0, length, mode: 'ro' });
  }

  /** Of a window that an earlier daemon opened: over what is left of the lease, and of those split off it. */
  static over(id: number, ino: number, parts: readonly LeaseView[]): WindowRange {
    const sorted = [...parts].sort((a, b) => a.offset - b.offset);
    const [first] = sorted;
    if (!first) return WindowRange.ended(id, ino);
    let end = first.offset;
    const gaps: Span[] = [];
    for (const { offset, length } of sorted) {
      if (offset > end) gaps.push({ from: end, to: offset });
      end = offset + length;
    }
    const range = new WindowRange({ ...first, id, length: end - first.offset });
    for (const { from, to } of gaps) {
      range.refuseReads(from, to);
      range.refuseWrites(from, to);
    }
    return range;
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

  /** Is all of it refused? */
  get isOver(): boolean {
    return this.readsRefused.some(({ from, to }) => from <= this.offset && to >= this.end);
  }

  mayRead(from: number, to: number): boolean {
    return this.readsRefused.length === 0 || !overlaps(this.readsRefused, from, to);
  }

  mayWrite(from: number, to: number): boolean {
    return this.writesRefused.length === 0 || !overlaps(this.writesRefused, from, to);
  }
}
