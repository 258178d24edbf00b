import type { Commits, Database } from './ports.ts';

interface SharedRow {
  start: number;
  length: number;
  count: number;
}

/** Parted runs that are told from each other; with more, all blocks pass for parted until the next commit. */
const FEW = 64;

/**
 * How many files map a device block, for blocks with more than one (reflink): table shared, runs without overlap, runs
 * of the same count that touch are one. Positions and lengths are device blocks.
 */
export class Shared {
  /** Rows of the table; while it is 0 nobody needs to look. */
  private rows: number;
  private readonly overlapping;
  private readonly insert;
  private readonly remove;
  private readonly commits: Commits;
  /** Runs that got down to one owner in transactions that are not durable, oldest first. */
  private parted: { sequence: number; start: number; length: number }[] = [];

  constructor(database: Database, commits: Commits) {
    this.commits = commits;
    commits.onDurable((sequence) => {
      if (this.parted.length > 0) this.parted = this.parted.filter((run) => run.sequence > sequence);
    });
    const of = 'SELECT device_block, length, count FROM shared';
    this.overlapping = database
      .query(
        `${of} WHERE device_block >= coalesce((SELECT max(device_block) FROM shared WHERE device_block <= ?), 0) ` +
          'AND device_block <= ? AND device_block + length >= ? ORDER BY device_block',
      )
      .raw();
    this.insert = database.mutation('INSERT INTO shared (device_block, length, count) VALUES (?, ?, ?)');
    this.remove = database.mutation('DELETE FROM shared WHERE device_block = ?');
    this.rows = (database.query('SELECT count(*) FROM shared').raw().get() as [number])[0];
  }

  /** Whether some blocks have, or on the disk still have, more than one owner. */
  get any(): boolean {
    return this.rows > 0 || this.parted.length > 0;
  }

  /**
   * Whether some of these blocks had a second owner until a moment ago, and in the metadata on the disk still have: a
   * crash would give them back to it, with whatever is written to them now.
   */
  isParting(start: number, length: number): boolean {
    const { parted } = this;
    if (parted.length === 0 || parted.length > FEW) return parted.length > 0;
    return parted.some((run) => start < run.start + run.length && run.start < start + length);
  }

  get parting(): boolean {
    return this.parted.length > 0;
  }

  /**
   * The first shared blocks in a range: their start, with their number in `overlapLength`; -1 if there are none.
   */
  first(start: number, length: number): number {
    if (this.rows === 0) return -1;
    for (const row of this.touching(start, start + length)) {
      const from = Math.max(start, row.start);
      const to = Math.min(start + length, row.start + row.length);
      if (from >= to) continue;
      this.overlapLength = to - from;
      return from;
    }
    return -1;
  }

  overlapLength = 0;

  /** One more file maps these blocks, which at least one maps already. */
  add(start: number, length: number): void {
    this.change(start, start + length, 1, undefined);
  }

  /** One file less maps these blocks; `gone` is told the runs that nobody maps any more. */
  drop(start: number, length: number, gone: (start: number, length: number) => void): void {
    if (this.rows === 0) gone(start, length);
    else this.change(start, start + length, -1, gone);
  }

  /** Rows that overlap or touch [start, end). */
  private touching(start: number, end: number): SharedRow[] {
    return (this.overlapping.all(Math.max(0, start - 1), end, start) as [number, number, number][]).map(
      ([from, length, count]) => ({ start: from, length, count }),
    );
  }

  private change(
    start: number,
    end: number,
    delta: 1 | -1,
    gone: ((start: number, length: number) => void) | undefined,
  ): void {
    const old = this.touching(start, end);
    const now: SharedRow[] = [];
    const add = (from: number, to: number, count: number): void => {
      if (from >= to || count < 2) return;
      const last = now.at(-1);
      if (last && last.count === count && last.start + last.length === from) last.length += to - from;
      else now.push({ start: from, length: to - from, count });
    };
    /** Blocks with one owner so far. */
    const single = (from: number, to: number): void => {
      if (from >= to) return;
      if (delta > 0) add(from, to, 2);
      else gone?.(from, to - from);
    };
    let at = start;
    for (const row of old) {
      const rowEnd = row.start + row.length;
      single(at, Math.min(end, row.start));
      add(row.start, Math.min(rowEnd, start), row.count);
      const [from, to] = [Math.max(row.start, start), Math.min(rowEnd, end)];
      add(from, to, row.count + delta);
      if (row.count + delta === 1 && from < to) this.part(from, to - from);
      add(Math.max(row.start, end), rowEnd, row.count);
      at = Math.max(at, Math.min(end, rowEnd));
    }
    single(at, end);
    this.write(old, now);
  }

  private part(start: number, length: number): void {
    const { sequence } = this.commits;
    const last = this.parted.at(-1);
    if (last?.sequence === sequence && last.start + last.length === start) last.length += length;
    else this.parted.push({ sequence, start, length });
  }

  private write(old: SharedRow[], now: SharedRow[]): void {
    const same = (a: SharedRow, b: SharedRow | undefined): boolean =>
      b !== undefined && a.start === b.start && a.length === b.length && a.count === b.count;
    const before = new Map(old.map((row) => [row.start, row]));
    const after = new Map(now.map((row) => [row.start, row]));
    for (const row of old) if (!same(row, after.get(row.start))) this.remove.run(row.start);
    for (const row of now) if (!same(row, before.get(row.start))) this.insert.run(row.start, row.length, row.count);
    this.rows += now.length - old.length;
  }
}
