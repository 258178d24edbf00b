import { nextClear, nextSet } from './bitmap.ts';
import type { DeviceRun } from './extent.ts';
import { GROUP_BLOCKS, Groups } from './groups.ts';
import type { Commits, Database } from './ports.ts';

export interface SpaceOptions {
  database: Database;
  commits: Commits;
  /** Length of the device, and the first block that may hold file data. Blocks. */
  deviceBlocks: number;
  firstBlock: number;
}

export interface SpaceRequest {
  /** Power of two, blocks: the run starts at `phase` modulo it. */
  align?: number;
  phase?: number;
  /** Exactly the wanted length or nothing. */
  contiguous?: boolean;
}

/**
 * The free space of the device: a bitmap a group of 32768 blocks, of which the database holds the state of the last
 * commit (dirty groups are written right before COMMIT).
 *
 * A block is taken in two steps. `take` keeps it from others, in memory only: data can be written to it, and `giveBack`
 * undoes it without a trace. `use` belongs to the change of the block map that maps it. A freed block counts as free at
 * once (statfs, and the bitmap that the open transaction stores), but is given out again only when that transaction is
 * durable: until then a crash could bring its old file back.
 *
 * Every `use` and `release` is noted in the redo log as a statement that sets or clears the bits, so a crash of the
 * daemon alone finds the bitmap as it was.
 */
export class Space {
  /** Blocks for file data: the device without its header. */
  readonly total: number;
  /** Called when free blocks run out: gives back what is only kept ready. */
  onPressure: () => void = () => {};
  /** Called when that was not enough: frees what is still to be freed of deleted files. */
  onShortage: () => void = () => {};
  private readonly groups: Groups;
  private readonly commits: Commits;
  readonly deviceBlocks: number;
  /** Freed and not yet durable, oldest first. */
  private pending: { sequence: number; start: number; length: number }[] = [];
  private pendingCount = 0;
  private excluded: DeviceRun[] = [];

  constructor(options: SpaceOptions) {
    this.total = options.deviceBlocks - options.firstBlock;
    this.deviceBlocks = options.deviceBlocks;
    this.commits = options.commits;
    this.groups = new Groups(options.database, options.deviceBlocks, options.firstBlock);
    this.commits.onFlush(() => this.groups.flush());
    this.commits.onDurable((sequence) => this.becameDurable(sequence));
  }

  /** Blocks in no file, quarantine or header; what was freed counts at once, though it is allocatable later. */
  get free(): number {
    return this.groups.free;
  }

  /** Blocks that `take` can give right now. */
  get open(): number {
    return this.groups.open;
  }

  /** Blocks freed by transactions that are not durable yet. */
  get awaiting(): number {
    return this.pendingCount;
  }

  /**
   * True when `blocks` can be taken now (in several runs, maybe). When there are too few, what is kept ready for files
   * is given back, and then pending frees are made durable: so call it before the operation changes anything.
   */
  ensure(blocks: number): boolean {
    if (this.groups.open >= blocks) return true;
    this.onPressure();
    if (this.groups.open < blocks) this.onShortage();
    if (this.groups.open < blocks && this.pendingCount > 0 && this.groups.open + this.pendingCount >= blocks) {
      this.commits.commitNow();
    }
    return this.groups.open >= blocks;
  }

  /** One run of at most `want` blocks near `goal`, kept from others until `use` or `giveBack`; undefined: none. */
  take(goal: number, want: number, request: SpaceRequest = {}): DeviceRun | undefined {
    const found = this.search(Math.max(0, Math.min(goal, this.deviceBlocks - 1)), want, request);
    if (found) this.groups.setBusy(found.start, found.length);
    return found;
  }

  /** Taken blocks are now in use, as the open transaction will store. */
  use(start: number, length: number): void {
    this.groups.setUsed(start, length);
    this.commits.touch();
  }

  /** Taken blocks that were not used after all. */
  giveBack(start: number, length: number): void {
    this.groups.clearBusy(start, length);
    this.keepExcluded(start, length);
  }

  /** `take` and `use` in one. */
  allocate(goal: number, want: number, request?: SpaceRequest): DeviceRun | undefined {
    const run = this.take(goal, want, request);
    if (run) this.use(run.start, run.length);
    return run;
  }

  /** Frees in the open transaction; the blocks are allocatable once that is durable. */
  release(start: number, length: number): void {
    this.commits.touch();
    this.groups.clearUsed(start, length);
    this.pendingCount += length;
    const last = this.pending.at(-1);
    const sequence = this.commits.sequence;
    if (last?.sequence === sequence && last.start + last.length === start) last.length += length;
    else this.pending.push({ sequence, start, length });
  }

  /** Marks particular blocks as used in the open transaction; false, and nothing changed, if one is not open. */
  reserve(start: number, length: number): boolean {
    if (this.groups.openAt(start, length) < length) return false;
    this.groups.setBusy(start, length);
    this.use(start, length);
    return true;
  }

  /** Nothing is given out from a device range until `readmit` (drain). */
  exclude(range: DeviceRun): void {
    this.onPressure();
    this.excluded.push({ ...range });
    this.groups.setBusy(range.start, range.length);
  }

  /** Whether a range lies in one that is excluded. */
  isExcluded({ start, length }: DeviceRun): boolean {
    return this.excluded.some((e) => start >= e.start && start + length <= e.start + e.length);
  }

  readmit(range: DeviceRun): void {
    const i = this.excluded.findIndex((e) => e.start === range.start && e.length === range.length);
    if (i < 0) throw new Error(`blocks ${range.start}+${range.length} are not excluded`);
    this.excluded.splice(i, 1);
    this.onPressure();
    this.groups.clearBusy(range.start, range.length);
    for (const { start, length } of this.pending) this.groups.setBusy(start, length);
    for (const { start, length } of this.excluded) this.groups.setBusy(start, length);
  }

  private keepExcluded(start: number, length: number): void {
    for (const e of this.excluded) {
      const from = Math.max(start, e.start);
      const to = Math.min(start + length, e.start + e.length);
      if (from < to) this.groups.setBusy(from, to - from);
    }
  }

  private becameDurable(sequence: number): void {
    let count = 0;
    for (const { sequence: freedIn, start, length } of this.pending) {
      if (freedIn > sequence) break;
      this.pendingCount -= length;
      this.giveBack(start, length);
      count++;
    }
    if (count > 0) this.pending = this.pending.slice(count);
  }

  /** statfs(2), in blocks. */
  accounting(): { total: number; free: number; available: number } {
    return { total: this.total, free: this.free, available: this.free };
  }

  /** Whether a block is in use, as the next commit stores it; for checks and pictures. */
  isUsed(block: number): boolean {
    const number = Math.floor(block / GROUP_BLOCKS);
    const at = block - number * GROUP_BLOCKS;
    return nextClear(this.groups.group(number).disk, at, at + 1) > at;
  }

  /** Runs of free blocks (as the next commit stores them) in a device range, in order. */
  *freeRuns(start = 0, length = this.deviceBlocks - start): Generator<DeviceRun> {
    let from = -1;
    for (let number = Math.floor(start / GROUP_BLOCKS); number * GROUP_BLOCKS < start + length; number++) {
      const base = number * GROUP_BLOCKS;
      const { disk, size } = this.groups.group(number);
      const end = Math.min(size, start + length - base);
      let at = Math.max(0, start - base);
      while (at < end) {
        const clear = from >= 0 ? at : nextClear(disk, at, end);
        if (clear >= end) break;
        if (from < 0) from = base + clear;
        at = nextSet(disk, clear, end);
        if (at === end) break;
        yield { start: from, length: base + at - from };
        from = -1;
      }
    }
    if (from >= 0) yield { start: from, length: start + length - from };
  }

  private search(goal: number, want: number, request: SpaceRequest): DeviceRun | undefined {
    const align = request.align ?? 1;
    const phase = (request.phase ?? 0) % align;
    const { groups } = this;
    if (groups.open === 0 || (request.contiguous && groups.open < want)) return undefined;
    if (goal % align === phase) {
      const here = groups.openAt(goal, want);
      if (here === want || (here > 0 && !request.contiguous && align === 1)) return { start: goal, length: here };
    }
    const home = Math.floor(goal / GROUP_BLOCKS);
    // Room for any alignment first, which is found at once; then every run that is long enough, for one that fits.
    const wide = this.fit(home, want + align - 1, want, align, phase);
    if (wide) return wide;
    if (align > 1) {
      const tight = this.fit(home, want, want, align, phase);
      if (tight) return tight;
    }
    if (request.contiguous) return undefined;
    return this.longest(want, align, phase);
  }

  /** A run of `length` blocks or more, in or after the group `home` or else anywhere, of which `want` are taken. */
  private fit(home: number, length: number, want: number, align: number, phase: number): DeviceRun | undefined {
    return (
      this.fitFrom(home, this.groups.count, length, want, align, phase) ??
      (home > 0 ? this.fitFrom(0, home, length, want, align, phase) : undefined)
    );
  }

  private fitFrom(
    first: number,
    stop: number,
    length: number,
    want: number,
    align: number,
    phase: number,
  ): DeviceRun | undefined {
    const { groups } = this;
    const { tree } = groups;
    let from = first;
    while (from < stop && tree.find(from, length)) {
      const number = tree.foundGroup;
      const start = tree.foundStart;
      if (number >= stop) return undefined;
      if (start < 0) {
        const group = groups.group(number);
        if (!groups.isExact(number)) {
          groups.measure(group);
          continue;
        }
        const inside = this.bestFit(number, length, want, align, phase);
        if (inside) return inside;
        // No run inside fits the alignment: one that begins here and goes on in the next group may.
        const begin = groups.openBefore((number + 1) * GROUP_BLOCKS);
        const over = this.aligned(begin, groups.openAt(begin, length + want + align), want, align, phase);
        if (over) return over;
        from = number + 1;
        continue;
      }
      if (this.sharpen(number, Math.floor((start + length - 1) / GROUP_BLOCKS))) continue;
      const begin = groups.openBefore(start);
      const over = this.aligned(begin, groups.openAt(begin, start - begin + length + want + align), want, align, phase);
      if (over) return over;
      from = number + 1;
    }
    return undefined;
  }

  /** Measures the groups from `first` to `last` that are not exact; whether there was one. */
  private sharpen(first: number, last: number): boolean {
    let changed = false;
    for (let number = first; number <= last; number++) {
      const group = this.groups.group(number);
      if (this.groups.isExact(number)) continue;
      this.groups.measure(group);
      changed = true;
    }
    return changed;
  }

  /** The part of a run that fits the alignment: `want` blocks, or undefined. */
  private aligned(start: number, length: number, want: number, align: number, phase: number): DeviceRun | undefined {
    const at = start + ((phase - (start % align) + align) % align);
    return at + want <= start + length ? { start: at, length: want } : undefined;
  }

  /** The shortest run inside a group that serves: long runs stay whole for those who need them. */
  private bestFit(number: number, length: number, want: number, align: number, phase: number): DeviceRun | undefined {
    const { busy, size } = this.groups.group(number);
    const base = number * GROUP_BLOCKS;
    let best: DeviceRun | undefined;
    let bestLength = Number.POSITIVE_INFINITY;
    for (let at = nextClear(busy, 0, size); at < size; ) {
      const end = nextSet(busy, at, size);
      if (end - at >= length && end - at < bestLength) {
        const run = this.aligned(base + at, end - at, want, align, phase);
        if (run) {
          best = run;
          bestLength = end - at;
          if (bestLength === want) break;
        }
      }
      at = nextClear(busy, end, size);
    }
    return best;
  }

  /** Nothing is long enough: the longest run there is, or, aligned, the longest that has room for the alignment. */
  private longest(want: number, align: number, phase: number): DeviceRun | undefined {
    const { groups } = this;
    for (let least = Math.min(groups.tree.longest, want); least > 0; ) {
      const run = this.fit(0, least, least, align, phase);
      if (run) return run;
      const longest = Math.min(groups.tree.longest, least - 1);
      least = align === 1 ? longest : Math.min(longest, Math.ceil(least / 2));
    }
    return undefined;
  }
}
