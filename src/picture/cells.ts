import { type BlockState, type DeviceMap, STATES } from './device.ts';

/** A part of the device: how much of it is in which state, and the state it is shown by. */
export interface Cell {
  /** Blocks. */
  start: number;
  length: number;
  /** Shares of 0 to 1, by state; they add up to 1. */
  shares: Record<BlockState, number>;
  shown: BlockState;
  /** What lies in it, the first few. */
  whats: string[];
}

const NAMED = 4;

/** The device in at most `count` parts of equal length (the last one may be shorter). */
export function cellsOf(map: DeviceMap, count: number): Cell[] {
  const width = Math.max(1, Math.ceil(map.blocks / count));
  const cells: Cell[] = [];
  for (let start = 0; start < map.blocks; start += width) {
    const shares = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<BlockState, number>;
    cells.push({ start, length: Math.min(width, map.blocks - start), shares, shown: 'free', whats: [] });
  }
  for (const span of map.spans) {
    const end = Math.min(map.blocks, span.start + span.length);
    for (let at = span.start; at < end; ) {
      const cell = cells[Math.floor(at / width)] as Cell;
      const part = Math.min(end, cell.start + cell.length) - at;
      cell.shares[span.state] += part / cell.length;
      if (cell.whats.length < NAMED && !cell.whats.includes(span.what)) cell.whats.push(span.what);
      at += part;
    }
  }
  for (const cell of cells) {
    cell.shares.free = Math.max(0, 1 - STATES.reduce((sum, s) => sum + (s === 'free' ? 0 : cell.shares[s]), 0));
    // The strongest claim shows, however small: what must not be overlooked is rarely large.
    cell.shown = STATES.find((state) => cell.shares[state] > 0) ?? 'free';
  }
  return cells;
}

/** Blocks of the device in each state. */
export function totals(map: DeviceMap): Record<BlockState, number> {
  const blocks = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<BlockState, number>;
  for (const { state, length } of map.spans) blocks[state] += length;
  blocks.free = map.blocks - STATES.reduce((sum, state) => sum + (state === 'free' ? 0 : blocks[state]), 0);
  return blocks;
}

/** Share of the free space that does not lie in its longest run: 0 all in one piece, towards 1 scattered. */
export function scattered(map: DeviceMap): number {
  const { free } = totals(map);
  return free === 0 ? 0 : 1 - map.longestFree / free;
}
