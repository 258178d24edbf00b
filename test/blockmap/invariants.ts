import { expect } from 'vitest';
import type { TestInode, TestVolume } from './stand-in.ts';

type Extent = [ino: number, file: number, device: number, length: number, state: number];

/** What must be true of the tables and of the bitmap at any moment, by counting block by block. */
export function checkInvariants(volume: TestVolume, inodes: TestInode[], blocks: number, firstBlock = 4): void {
  const { connection } = volume.database;
  const extents = connection.prepare('SELECT * FROM extent ORDER BY ino, file_block').raw().all() as Extent[];
  const owners = new Uint8Array(blocks);
  let last: Extent | undefined;
  const mapped = new Map<number, number>();
  for (const extent of extents) {
    const [ino, file, device, length, state] = extent;
    expect(device, 'extents stay out of the header').toBeGreaterThanOrEqual(firstBlock);
    expect(device + length, 'extents stay on the device').toBeLessThanOrEqual(blocks);
    for (let b = device; b < device + length; b++) owners[b]++;
    mapped.set(ino, (mapped.get(ino) ?? 0) + length);
    if (last && last[0] === ino) {
      expect(file, `extents of ${ino} overlap`).toBeGreaterThanOrEqual(last[1] + last[3]);
      const one = last[1] + last[3] === file && last[2] + last[3] === device && last[4] === state;
      expect(one, `extents of ${ino} at ${last[1]} and ${file} are one`).toBe(false);
    }
    last = extent;
  }
  for (const inode of inodes) expect(inode.blocks, `blocks of ${inode.ino}`).toBe(mapped.get(inode.ino) ?? 0);

  const counts = new Uint8Array(blocks);
  const shared = connection.prepare('SELECT * FROM shared ORDER BY device_block').raw().all() as number[][];
  for (const [device, length, count] of shared) {
    for (let b = device; b < device + length; b++) {
      expect(counts[b], 'rows of shared overlap').toBe(0);
      counts[b] = count;
    }
  }
  let free = 0;
  for (let b = 0; b < blocks; b++) {
    expect(counts[b], `count of block ${b}`).toBe(owners[b] >= 2 ? owners[b] : 0);
    const used = b < firstBlock || owners[b] > 0;
    if (volume.space.isUsed(b) !== used) throw new Error(`block ${b}: used ${!used}, owners ${owners[b]}`);
    if (!used) free++;
  }
  expect(volume.space.free).toBe(free);
  expect(volume.space.open).toBeLessThanOrEqual(free - volume.space.awaiting);
}

/** Device block of every file block, for comparing maps before and after. */
export function mapOf(volume: TestVolume, ino: number): string {
  const rows = volume.database.connection
    .prepare('SELECT file_block, device_block, length FROM extent WHERE ino = ? ORDER BY file_block')
    .raw()
    .all(ino) as number[][];
  // Rows that only differ in state join: a conversion is no change of the map.
  const joined: number[][] = [];
  for (const row of rows) {
    const before = joined.at(-1);
    if (before && before[0] + before[2] === row[0] && before[1] + before[2] === row[1]) before[2] += row[2];
    else joined.push([...row]);
  }
  return JSON.stringify(joined);
}
