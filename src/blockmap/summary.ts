import type { Database } from './ports.ts';
import type { Space } from './space.ts';

/** Used blocks of each of `columns` equal parts of the device (the last one may be shorter), as a share of 0 to 1. */
export function usage(space: Space, columns: number): number[] {
  const { deviceBlocks } = space;
  const width = Math.max(1, Math.ceil(deviceBlocks / columns));
  const free = new Array<number>(Math.ceil(deviceBlocks / width)).fill(0);
  for (const { start, length } of space.freeRuns()) {
    for (let at = start; at < start + length; ) {
      const column = Math.floor(at / width);
      const end = Math.min(start + length, (column + 1) * width);
      free[column] += end - at;
      at = end;
    }
  }
  return free.map((n, i) => {
    const blocks = Math.min(deviceBlocks, (i + 1) * width) - i * width;
    return (blocks - n) / blocks;
  });
}

export interface Fragmentation {
  /** Number of free runs, and of the blocks in them, by length: entry k is of runs of 2^k to 2^(k+1) - 1 blocks. */
  freeRuns: { runs: number; blocks: number }[];
  longestFree: number;
  /** Files with blocks, their extents, and the mean number of blocks of an extent. */
  files: number;
  extents: number;
  meanExtent: number;
}

/** How scattered free space and files are. Reads all of both. */
export function fragmentation(space: Space, database: Database): Fragmentation {
  const freeRuns: Fragmentation['freeRuns'] = [];
  let longestFree = 0;
  for (const { length } of space.freeRuns()) {
    const k = Math.floor(Math.log2(length));
    while (freeRuns.length <= k) freeRuns.push({ runs: 0, blocks: 0 });
    freeRuns[k].runs++;
    freeRuns[k].blocks += length;
    longestFree = Math.max(longestFree, length);
  }
  const sql = 'SELECT count(DISTINCT ino), count(*), coalesce(sum(length), 0) FROM extent';
  const [files, extents, blocks] = database.query(sql).raw().get() as [number, number, number];
  return { freeRuns, longestFree, files, extents, meanExtent: extents === 0 ? 0 : blocks / extents };
}
