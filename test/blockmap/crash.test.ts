import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { STATE } from '../../src/blockmap/extent.ts';
import { E } from '../../src/system/errno.ts';
import { addressOf } from '../../src/system/libc.ts';
import { checkInvariants } from './invariants.ts';
import { FileDevice, inodeOf, openVolume, type TestInode, type TestVolume } from './stand-in.ts';

const BLOCK = 4096;
const BLOCKS = 64;

let device: FileDevice;
let volume: TestVolume;
/** The tables as the last durable commit left them. */
let image: Buffer;

beforeEach(() => {
  device = new FileDevice(BLOCKS * BLOCK);
  volume = openVolume({ device, blocks: BLOCKS });
});
afterEach(() => device.close());

function sync(): void {
  volume.commits.commit();
  image = volume.database.connection.serialize();
}

/** Power fails: what the last commit stored is there, and what it did not know to be on the device counts as unwritten. */
function crash(): void {
  volume = openVolume({ device, blocks: BLOCKS, image });
  volume.database.connection.exec('UPDATE extent SET state = 0 WHERE state = 2');
}

function write(inode: TestInode, offset: number, length: number, byte: number): number {
  const r = volume.map.write(inode, offset, length, addressOf(Buffer.alloc(length, byte)));
  if (r > 0) inode.size = Math.max(inode.size, offset + length);
  return r;
}

function read(inode: TestInode, size = inode.size): Buffer {
  const bytes = Buffer.alloc(size, 0x55);
  expect(volume.map.read(inode, 0, size, addressOf(bytes))).toBe(size);
  return bytes;
}

function truncate(inode: TestInode, size: number): void {
  expect(volume.map.truncate(inode, inode.size, size)).toBe(0);
  inode.size = size;
}

describe('after a crash', () => {
  test('synced data survives shrinking and growing again, which was not committed', () => {
    const inode = inodeOf(1);
    write(inode, 0, 5000, 7);
    sync();
    truncate(inode, 100);
    truncate(inode, 9000);
    expect(read(inode).subarray(0, 101)).toEqual(Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(1)]));
    crash();
    expect(read(inodeOf(1), 5000)).toEqual(Buffer.alloc(5000, 7));
  });

  test('synced data survives a copy on write that was not committed, in both files', () => {
    const [a, b] = [inodeOf(1), inodeOf(2)];
    write(a, 0, 8192, 7);
    expect(volume.map.share(a, 0, b, 0, 8192)).toBe(0);
    b.size = 8192;
    sync();
    write(b, 100, 5000, 9);
    expect(volume.commits.ordered).toBe(true);
    expect(read(a)).toEqual(Buffer.alloc(8192, 7));
    crash();
    expect(read(inodeOf(1), 8192)).toEqual(Buffer.alloc(8192, 7));
    expect(read(inodeOf(2), 8192)).toEqual(Buffer.alloc(8192, 7));
  });

  test('blocks freed and not committed were given to nobody', () => {
    const inode = inodeOf(1);
    write(inode, 0, 40 * BLOCK, 7);
    sync();
    truncate(inode, 0);
    const other = inodeOf(2);
    write(other, 0, 20 * BLOCK, 9);
    crash();
    expect(read(inodeOf(1), 40 * BLOCK)).toEqual(Buffer.alloc(40 * BLOCK, 7));
  });

  test('a commit ahead of the data shows zeros, never what was on the device', () => {
    const inode = inodeOf(1);
    write(inode, 0, 3 * BLOCK, 7);
    volume.commits.commit(false);
    image = volume.database.connection.serialize();
    expect(volume.map.find(1, 0).state).toBe(STATE.UNSYNCED);
    crash();
    expect(read(inodeOf(1), 3 * BLOCK)).toEqual(Buffer.alloc(3 * BLOCK));
  });

  test('a conversion takes only what its sync covered, of an extent that went on growing', () => {
    const inode = inodeOf(1);
    write(inode, 0, 2 * BLOCK, 7);
    write(inode, 2 * BLOCK, 2 * BLOCK, 7);
    volume.commits.convert(1, 0, 2);
    expect(volume.map.extents(1, 0, 9).map((e) => [e.fileBlock, e.length, e.state])).toEqual([
      [0, 2, STATE.WRITTEN],
      [2, 2, STATE.UNSYNCED],
    ]);
    volume.commits.convert(1, 2, 4);
    expect(volume.map.extents(1, 0, 9)).toHaveLength(1);
  });

  test('extents that shift do so only behind their data', () => {
    const inode = inodeOf(1);
    write(inode, 0, 4 * BLOCK, 7);
    expect(volume.map.insert(inode, BLOCK, BLOCK)).toBe(0);
    expect(volume.commits.ordered).toBe(true);
    expect(volume.map.extents(1, 1, 9).every((e) => e.state === STATE.WRITTEN)).toBe(true);
  });
});

describe('failures', () => {
  test('ENOSPC leaves no trace, and counts exactly', () => {
    const inode = inodeOf(1);
    write(inode, 0, 10 * BLOCK, 7);
    const free = volume.space.free;
    expect(write(inode, 5 * BLOCK, (free + 6) * BLOCK, 9)).toBe(-E.NOSPC);
    expect([inode.blocks, volume.space.free]).toEqual([10, free]);
    expect(read(inode)).toEqual(Buffer.alloc(10 * BLOCK, 7));
    expect(write(inode, 5 * BLOCK, (free + 5) * BLOCK, 9)).toBe((free + 5) * BLOCK);
    expect(volume.space.free).toBe(0);
    checkInvariants(volume, [inode], BLOCKS);
  });

  test('what fits is written, and no more: over blocks that are there, shared, and missing', () => {
    const inode = inodeOf(1);
    write(inode, 0, 10 * BLOCK, 7);
    const other = inodeOf(2);
    expect(volume.map.share(inode, 0, other, 0, 2 * BLOCK)).toBe(0);
    const filler = inodeOf(3);
    write(filler, 0, (volume.space.free - 5) * BLOCK, 8);
    const bytes = Buffer.alloc(40 * BLOCK, 9);
    const fits = (offset: number, length: number): number =>
      volume.map.writeWhatFits(inode, offset, length, addressOf(bytes));
    // Two that are shared and three new ones behind the ten.
    expect(write(inode, 100, 20 * BLOCK, 9)).toBe(-E.NOSPC);
    expect(fits(100, 20 * BLOCK)).toBe(13 * BLOCK - 100);
    inode.size = 13 * BLOCK;
    expect(volume.space.free).toBe(0);
    expect(read(inode)).toEqual(Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(13 * BLOCK - 100, 9)]));
    expect(fits(13 * BLOCK, 1)).toBe(-E.NOSPC);
    expect(fits(12 * BLOCK + 10, 2 * BLOCK)).toBe(BLOCK - 10);
    expect(read(inode).subarray(12 * BLOCK)).toEqual(Buffer.alloc(BLOCK, 9));
    checkInvariants(volume, [inode, other, filler], BLOCKS);
  });

  test('a full volume can be emptied, and used again at once', () => {
    const inode = inodeOf(1);
    const total = volume.space.free;
    write(inode, 0, total * BLOCK, 7);
    volume.map.remove(inode);
    expect(volume.space.free).toBe(total);
    const other = inodeOf(2);
    expect(write(other, 0, total * BLOCK, 8)).toBe(total * BLOCK);
    checkInvariants(volume, [other], BLOCKS);
  });

  test('an I/O error of the device leaves the map and the space as they were', () => {
    const inode = inodeOf(1);
    write(inode, 0, 3 * BLOCK + 100, 7);
    sync();
    const { free, open } = volume.space;
    const { gen, blocks } = inode;
    for (let from = 1; from < 4; from++) {
      device.writes = 0;
      device.failWrite = { errno: E.IO, from };
      expect(write(inode, 5 * BLOCK + 10, 2 * BLOCK, 9)).toBe(-E.IO);
      expect(volume.map.relocate(inode, 0, 4)).toBe(E.IO);
      device.failWrite = undefined;
      volume.map.settle(1);
      expect([volume.space.free, volume.space.open, inode.gen, inode.blocks]).toEqual([free, open, gen, blocks]);
    }
    checkInvariants(volume, [inode], BLOCKS);
    expect(write(inode, 2 ** 40 * BLOCK - 1, 2, 9)).toBe(-E.FBIG);
    expect(volume.map.truncate(inode, inode.size, 2 ** 52 + 1)).toBe(E.FBIG);
  });

  test('the far end of the largest file can be written and freed', () => {
    const inode = inodeOf(1);
    const end = 2 ** 40 * BLOCK;
    expect(write(inode, end - 100, 100, 3)).toBe(100);
    expect(volume.map.nextData(inode, 0)).toBe(end - BLOCK);
    expect(volume.map.nextHole(inode, end - 50)).toBe(end);
    truncate(inode, 0);
    expect(inode.blocks).toBe(0);
  });
});

describe('overwriting', () => {
  test('written blocks costs one write to the device and no statement', () => {
    const inode = inodeOf(1);
    write(inode, 0, 8 * BLOCK, 7);
    sync();
    const before = volume.database.statements;
    device.writes = 0;
    expect(write(inode, 100, 3 * BLOCK, 9)).toBe(3 * BLOCK);
    expect([device.writes, volume.database.statements - before, inode.gen]).toEqual([1, 0, 1]);
  });

  test('freed blocks go to onFree, once each, and only when nobody else maps them', () => {
    const freed: [number, number, number, number][] = [];
    volume.map.onFree = (...run) => freed.push(run);
    const [a, b] = [inodeOf(1), inodeOf(2)];
    write(a, 0, 4 * BLOCK, 7);
    volume.map.share(a, 0, b, 0, 2 * BLOCK);
    b.size = 2 * BLOCK;
    const at = volume.map.find(1, 0).deviceBlock;
    volume.map.remove(a);
    expect(freed).toEqual([[1, 2, at + 2, 2]]);
    volume.map.remove(b);
    expect(freed).toEqual([
      [1, 2, at + 2, 2],
      [2, 0, at, 2],
    ]);
  });
});
