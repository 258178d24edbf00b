import { type Bitmap, countSet, fillRange, nextClear, nextSet, runStart } from './bitmap.ts';
import type { Database } from './ports.ts';
import { RunTree } from './runtree.ts';

/** Blocks of a group: one row of table space. */
export const GROUP_BLOCKS = 32768;
const GROUP_BYTES = GROUP_BLOCKS / 8;
/** Groups kept in memory: 4 KiB each, twice that while `busy` and `disk` differ. */
const LOADED_GROUPS = 4096;

/**
 * The bitmap of a group, twice: `disk` is what the next commit stores; `busy` has in addition what may not be given out
 * yet (freed but not durable, or kept ready for a file). Equal ones become one array at the commit.
 */
export interface Group {
  number: number;
  size: number;
  busy: Bitmap;
  disk: Bitmap;
  /** Blocks busy and not in `disk`. */
  apart: number;
  dirty: boolean;
}

/** The groups of the device: read when first needed, written at the commit, with an index of their free runs. */
export class Groups {
  readonly count: number;
  readonly tree: RunTree;
  /** Blocks free by `disk`, and by `busy`; all groups, and each. */
  free = 0;
  open = 0;
  private readonly freeOf: Int32Array;
  private readonly openOf: Int32Array;
  /** The tree's values of this group are exact, not bounds. */
  private readonly exact: Uint8Array;
  private readonly loaded = new Map<number, Group>();
  private readonly dirty = new Set<Group>();
  private readonly blocks: number;
  private readonly firstBlock: number;
  private readonly selectOne;
  private readonly upsert;
  private readonly remove;
  private readonly noteUsed;
  private readonly noteFree;

  constructor(database: Database, blocks: number, firstBlock: number) {
    this.blocks = blocks;
    this.firstBlock = firstBlock;
    this.count = Math.ceil(blocks / GROUP_BLOCKS);
    this.selectOne = database.query('SELECT bitmap FROM space WHERE number = ?').raw();
    this.upsert = database.mutation(
      'INSERT INTO space (number, free, bitmap) VALUES (?, ?, ?) ' +
        'ON CONFLICT (number) DO UPDATE SET free = excluded.free, bitmap = excluded.bitmap',
    );
    this.remove = database.mutation('DELETE FROM space WHERE number = ?');
    this.noteUsed = database.mutation(
      'INSERT INTO space (number, free, bitmap) VALUES (?, ?, set_bits(set_bits(zeroblob(4096), 0, ?), ?, ?)) ' +
        'ON CONFLICT (number) DO UPDATE SET free = excluded.free, bitmap = set_bits(bitmap, ?, ?)',
    );
    this.noteFree = database.mutation('UPDATE space SET free = ?, bitmap = clear_bits(bitmap, ?, ?) WHERE number = ?');
    this.freeOf = new Int32Array(this.count);
    this.exact = new Uint8Array(this.count);
    for (let g = 0; g < this.count; g++) this.freeOf[g] = this.sizeOf(g) - this.headerIn(g);
    for (const row of database.query('SELECT number, free FROM space').raw().iterate()) {
      const [number, free] = row as [number, number];
      if (number < 0 || number >= this.count) continue; // of a device that was longer once; fsck tells
      this.freeOf[number] = Math.max(0, Math.min(free, this.sizeOf(number)));
    }
    this.openOf = this.freeOf.slice();
    for (let g = 0; g < this.count; g++) this.free += this.freeOf[g];
    this.open = this.free;
    this.tree = new RunTree(GROUP_BLOCKS, blocks, this.freeOf);
  }

  sizeOf(number: number): number {
    return Math.min(GROUP_BLOCKS, this.blocks - number * GROUP_BLOCKS);
  }

  private headerIn(number: number): number {
    return Math.max(0, Math.min(this.sizeOf(number), this.firstBlock - number * GROUP_BLOCKS));
  }

  /** The group, read from the database if need be. */
  group(number: number): Group {
    let group = this.loaded.get(number);
    if (group) return group;
    const size = this.sizeOf(number);
    const words = new Int32Array(GROUP_BYTES / 4);
    const row = this.selectOne.get(number) as [Buffer] | undefined;
    if (row) {
      if (row[0].length !== GROUP_BYTES) throw new Error(`space ${number}: the bitmap has ${row[0].length} bytes`);
      new Uint8Array(words.buffer).set(row[0]);
    }
    fillRange(words, 0, this.headerIn(number), true);
    group = { number, size, busy: words, disk: words, apart: 0, dirty: false };
    const free = size - countSet(words, 0, size);
    this.free += free - this.freeOf[number]; // the bitmap is the truth; fsck tells of a count that differs
    this.open += free - this.openOf[number];
    this.freeOf[number] = this.openOf[number] = free;
    this.evict();
    this.loaded.set(number, group);
    this.measure(group);
    return group;
  }

  private evict(): void {
    if (this.loaded.size < LOADED_GROUPS) return;
    for (const [number, group] of this.loaded) {
      if (group.dirty || group.apart > 0) continue;
      this.loaded.delete(number);
      if (this.loaded.size < LOADED_GROUPS * 0.75) return;
    }
  }

  /** Calls `fn` for the part of a device range in each group; positions are in the group. */
  each(start: number, length: number, fn: (group: Group, at: number, count: number) => void): void {
    const end = start + length;
    if (start < 0 || end > this.blocks) throw new RangeError(`blocks ${start}+${length} are not on the device`);
    for (let at = start; at < end; ) {
      const number = Math.floor(at / GROUP_BLOCKS);
      const inGroup = at - number * GROUP_BLOCKS;
      const count = Math.min(end - at, GROUP_BLOCKS - inGroup);
      fn(this.group(number), inGroup, count);
      at += count;
    }
  }

  /** Changes `busy` and not `disk`: blocks that nobody may be given, though the next commit stores them as free. */
  setBusy(start: number, length: number): number {
    let changed = 0;
    this.each(start, length, (group, at, count) => {
      if (group.busy === group.disk) group.busy = group.disk.slice();
      const n = fillRange(group.busy, at, count, true);
      group.apart += n;
      this.openOf[group.number] -= n;
      this.open -= n;
      changed += n;
      this.exact[group.number] = 0; // the tree's values stay as bounds
    });
    return changed;
  }

  /** Blocks that are busy but not in `disk` may be given out again. */
  clearBusy(start: number, length: number): number {
    let changed = 0;
    this.each(start, length, (group, at, count) => {
      if (group.busy === group.disk) return;
      const end = at + count;
      let n = 0;
      for (let from = nextClear(group.disk, at, end); from < end; ) {
        const to = nextSet(group.disk, from, end);
        n += fillRange(group.busy, from, to - from, false);
        from = nextClear(group.disk, to, end);
      }
      group.apart -= n;
      this.openOf[group.number] += n;
      this.open += n;
      changed += n;
      if (n > 0) this.bound(group);
    });
    return changed;
  }

  /** Busy blocks become used: the next commit stores them so. */
  setUsed(start: number, length: number): void {
    this.each(start, length, (group, at, count) => {
      if (group.busy === group.disk) throw new Error(`block ${start}: not busy or used already`);
      const n = fillRange(group.disk, at, count, true);
      if (n !== count) throw new Error(`blocks ${start}+${length}: ${count - n} are used already`);
      group.apart -= n;
      this.freeOf[group.number] -= n;
      this.free -= n;
      this.soil(group);
      const { number } = group;
      this.noteUsed.note(number, this.freeOf[number], this.headerIn(number), at, count, at, count);
    });
  }

  /** Used blocks become free by `disk` and stay busy. */
  clearUsed(start: number, length: number): void {
    this.each(start, length, (group, at, count) => {
      if (group.busy === group.disk) group.busy = group.disk.slice();
      const n = fillRange(group.disk, at, count, false);
      if (n !== count) throw new Error(`blocks ${start}+${length}: ${count - n} are free already`);
      group.apart += n;
      this.freeOf[group.number] += n;
      this.free += n;
      this.soil(group);
      this.noteFree.note(this.freeOf[group.number], at, count, group.number);
    });
  }

  private soil(group: Group): void {
    group.dirty = true;
    this.dirty.add(group);
  }

  /** Something became free: until the group is measured, its runs may be anything up to its free blocks. */
  private bound(group: Group): void {
    const open = this.openOf[group.number];
    this.exact[group.number] = 0;
    this.tree.set(group.number, open, open, open);
  }

  isExact(number: number): boolean {
    return this.exact[number] === 1;
  }

  /** Makes the tree's values of a group exact. */
  measure(group: Group): void {
    const { busy, size } = group;
    const prefix = nextSet(busy, 0, size);
    let best = prefix;
    let last = prefix === size ? size : 0;
    for (let at = nextClear(busy, prefix, size); at < size; ) {
      const end = nextSet(busy, at, size);
      if (end - at > best) best = end - at;
      if (end === size) last = end - at;
      at = nextClear(busy, end, size);
    }
    this.exact[group.number] = 1;
    this.tree.set(group.number, prefix, last, best);
  }

  /** Length of the run of open blocks at a device block, at most `most`, over borders of groups. */
  openAt(block: number, most: number): number {
    let at = block;
    const end = Math.min(block + most, this.blocks);
    while (at < end) {
      const number = Math.floor(at / GROUP_BLOCKS);
      const base = number * GROUP_BLOCKS;
      const group = this.group(number);
      const stop = base + nextSet(group.busy, at - base, Math.min(group.size, end - base));
      if (stop < Math.min(base + group.size, end)) return stop - block;
      at = stop;
    }
    return at - block;
  }

  /** First block of the run of open blocks that ends before `block`, over borders of groups. */
  openBefore(block: number): number {
    let at = block;
    while (at > 0) {
      const number = Math.floor((at - 1) / GROUP_BLOCKS);
      const base = number * GROUP_BLOCKS;
      const start = base + runStart(this.group(number).busy, at - base);
      if (start > base) return start;
      at = base;
    }
    return at;
  }

  /** Writes the dirty bitmaps into the open transaction. */
  flush(): void {
    for (const group of this.dirty) {
      const free = this.freeOf[group.number];
      if (free === group.size) this.remove.run(group.number);
      else this.upsert.run(group.number, free, Buffer.from(group.disk.buffer, group.disk.byteOffset, GROUP_BYTES));
      group.dirty = false;
      if (group.apart === 0) group.busy = group.disk;
    }
    this.dirty.clear();
  }
}
