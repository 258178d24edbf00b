/** A range of file blocks [from, to) of an inode. */
export interface FileRange {
  ino: number;
  from: number;
  to: number;
}

/**
 * Which extents in state 2 (their data may be ahead of the device) wait to become written. What was written before a
 * device sync began is *covered* once it succeeds and can be converted; what was written since then is not, also
 * where both overlap. Blocks everywhere.
 */
export class Conversions {
  /** By inode: from, to, from, to …, in the order of writing, not merged except with the last. */
  private fresh = new Map<number, number[]>();
  private syncing = new Map<number, number[]>();
  private covered = new Map<number, number[]>();
  private lastIno = 0;
  private last: number[] | undefined;
  /** Number of ranges noted since the last sync began. */
  count = 0;

  add(ino: number, block: number, length: number): void {
    let ranges = this.last;
    if (ino !== this.lastIno || !ranges) {
      ranges = this.fresh.get(ino);
      if (!ranges) {
        ranges = [];
        this.fresh.set(ino, ranges);
      }
      this.last = ranges;
      this.lastIno = ino;
    }
    const end = ranges.length - 1;
    const to = block + length;
    if (end > 0 && block <= ranges[end] && block >= ranges[end - 1]) {
      if (to > ranges[end]) ranges[end] = to;
      return;
    }
    ranges.push(block, to);
    this.count++;
  }

  /** Nothing waits, neither for a sync nor for a commit. */
  get empty(): boolean {
    return this.fresh.size === 0 && this.syncing.size === 0 && this.covered.size === 0;
  }

  /** Ranges that a commit could convert now. */
  get ready(): boolean {
    return this.covered.size > 0;
  }

  /** Written since the last sync began. */
  get unsynced(): boolean {
    return this.fresh.size > 0;
  }

  /** A device sync begins; another one may still be running (its ranges join: only this one's success covers them). */
  syncBegins(): void {
    if (this.fresh.size > 0) {
      merge(this.syncing, this.fresh);
      this.fresh = new Map();
      this.last = undefined;
      this.count = 0;
    }
  }

  /** The sync that began last ended. After a failure nobody knows what arrived: those extents stay in state 2. */
  syncEnds(success: boolean): void {
    if (success) merge(this.covered, this.syncing);
    this.syncing = new Map();
  }

  /** The file is gone: nothing of it needs converting. */
  drop(ino: number): void {
    this.fresh.delete(ino);
    this.syncing.delete(ino);
    this.covered.delete(ino);
    if (this.lastIno === ino) this.last = undefined;
  }

  /** Takes the covered ranges, sorted and merged by inode, without what was written again after the sync began. */
  take(): FileRange[] {
    const out: FileRange[] = [];
    for (const [ino, ranges] of this.covered) {
      let parts = normalise(ranges);
      const newer = this.fresh.get(ino);
      const running = this.syncing.get(ino);
      if (newer) parts = subtract(parts, normalise(newer));
      if (running) parts = subtract(parts, normalise(running));
      for (let i = 0; i < parts.length; i += 2) out.push({ ino, from: parts[i], to: parts[i + 1] });
    }
    this.covered = new Map();
    return out;
  }
}

function merge(into: Map<number, number[]>, from: Map<number, number[]>): void {
  for (const [ino, ranges] of from) {
    const there = into.get(ino);
    if (!there) into.set(ino, ranges);
    else for (const value of ranges) there.push(value);
  }
}

/** Sorted, disjoint, not touching. */
function normalise(ranges: number[]): number[] {
  if (ranges.length === 2) return ranges;
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i], ranges[i + 1]]);
  pairs.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [from, to] of pairs) {
    const end = out.length - 1;
    if (end > 0 && from <= out[end]) out[end] = Math.max(out[end], to);
    else out.push(from, to);
  }
  return out;
}

/** `a` without `b`, both normalised. */
function subtract(a: number[], b: number[]): number[] {
  const out: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let from = a[i];
    const to = a[i + 1];
    while (j < b.length && b[j + 1] <= from) j += 2;
    for (let k = j; k < b.length && b[k] < to; k += 2) {
      if (b[k] > from) out.push(from, b[k]);
      from = Math.max(from, b[k + 1]);
    }
    if (from < to) out.push(from, to);
  }
  return out;
}
