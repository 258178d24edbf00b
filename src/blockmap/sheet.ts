/** Numbers of an extent in `Sheet.rows`. */
const STRIDE = 4;
/** Set in a state: blocks of the extent may be mapped by another file too. Who must know asks `Shared`. */
export const MAYBE_SHARED = 4;
export const STATE_MASK = 3;

/** No extent begins at or behind this: the far end of a sheet that knows the whole map. */
export const END = Number.MAX_SAFE_INTEGER;

/**
 * Extents of one file in memory, sorted: all those that map a block in [from, to). A small map is known whole; of a
 * large one the sheet is a window. One array of numbers, so that a million small files cost little.
 */
export class Sheet {
  readonly ino: number;
  from = 0;
  to = 0;
  count = 0;
  /** Looked at since the cache's hand passed. */
  used = true;
  /** Bytes of it that the cache has counted. */
  counted = 0;
  /** End of the run that was last looked up outside of the window: the next one there means reading in order. */
  beyond = -1;
  /** Extents that were read ahead when the window last moved on. */
  ahead = 1;
  private rows = new Float64Array(STRIDE);
  private hint = 0;

  constructor(ino: number) {
    this.ino = ino;
  }

  /** Memory held, roughly. */
  get bytes(): number {
    return 256 + this.rows.byteLength;
  }

  get whole(): boolean {
    return this.from === 0 && this.to === END;
  }

  covers(from: number, to: number): boolean {
    return from >= this.from && to <= this.to;
  }

  file(i: number): number {
    return this.rows[i * STRIDE];
  }

  device(i: number): number {
    return this.rows[i * STRIDE + 1];
  }

  length(i: number): number {
    return this.rows[i * STRIDE + 2];
  }

  end(i: number): number {
    return this.rows[i * STRIDE] + this.rows[i * STRIDE + 2];
  }

  /** State with MAYBE_SHARED. */
  state(i: number): number {
    return this.rows[i * STRIDE + 3];
  }

  setState(i: number, state: number): void {
    this.rows[i * STRIDE + 3] = state;
  }

  clear(from: number, to: number): void {
    this.from = from;
    this.to = to;
    this.count = 0;
    this.hint = 0;
  }

  /** Makes room for so many extents. */
  reserve(count: number): void {
    if (count * STRIDE <= this.rows.length) return;
    const larger = new Float64Array(count * STRIDE);
    larger.set(this.rows);
    this.rows = larger;
  }

  push(file: number, device: number, length: number, state: number): void {
    this.replace(this.count, this.count, 1);
    this.put(this.count - 1, file, device, length, state);
  }

  put(i: number, file: number, device: number, length: number, state: number): void {
    const at = i * STRIDE;
    this.rows[at] = file;
    this.rows[at + 1] = device;
    this.rows[at + 2] = length;
    this.rows[at + 3] = state;
  }

  /** Makes room for `count` extents in place of those in [first, last). */
  replace(first: number, last: number, count: number): void {
    const total = this.count - (last - first) + count;
    if (total * STRIDE > this.rows.length) this.reserve(Math.max(total, Math.ceil(this.count * 1.5)));
    if (last < this.count && first + count !== last) {
      this.rows.copyWithin((first + count) * STRIDE, last * STRIDE, this.count * STRIDE);
    }
    this.count = total;
  }

  /** Index of the first extent that ends behind `block`: the one that maps it, if any does; `count` if none. */
  seek(block: number): number {
    const { rows, hint, count } = this;
    // In order: the same extent again, or the one behind it.
    if (hint < count) {
      const at = hint * STRIDE;
      const end = rows[at] + rows[at + 2];
      if (block >= rows[at] && block < end) return hint;
      if (block >= end && hint + 1 < count && block < rows[at + STRIDE] + rows[at + STRIDE + 2]) {
        this.hint = hint + 1;
        return hint + 1;
      }
    }
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle * STRIDE] + rows[middle * STRIDE + 2] <= block) low = middle + 1;
      else high = middle;
    }
    this.hint = low;
    return low;
  }
}
