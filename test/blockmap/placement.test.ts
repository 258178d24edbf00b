import { describe, expect, test } from 'vitest';
import { inodeOf, NullDevice, openVolume, type TestInode, type TestVolume } from './stand-in.ts';

const GIB = 1024 ** 3;
const HUGE = 512;

function rows(volume: TestVolume, ino: number): number[][] {
  const sql = 'SELECT file_block, device_block, length FROM extent WHERE ino = ? ORDER BY file_block';
  const all = volume.database.connection.prepare(sql).raw().all(ino) as number[][];
  const joined: number[][] = [];
  for (const row of all) {
    const last = joined.at(-1);
    if (last && last[0] + last[2] === row[0] && last[1] + last[2] === row[1]) last[2] += row[2];
    else joined.push([...row]);
  }
  return joined;
}

function append(volume: TestVolume, inode: TestInode, bytes: number): void {
  expect(volume.map.write(inode, inode.size, bytes, 0)).toBe(bytes);
  inode.size += bytes;
}

describe('files written in order', () => {
  const blocks = (64 * GIB) / 4096;

  test.each([128 * 1024, 1024 * 1024])('10 GiB by writes of %i bytes, alone: at most 16 extents', (size) => {
    const volume = openVolume({ device: new NullDevice(), blocks });
    const inode = inodeOf(5);
    for (let i = 0; inode.size < 10 * GIB; i++) {
      append(volume, inode, size);
      if (i % 100 === 99) volume.commits.commit();
    }
    const extents = rows(volume, 5);
    expect(extents.length).toBeLessThanOrEqual(16);
    const inHuge = extents.reduce((n, [file, device, length]) => {
      if (device % HUGE !== file % HUGE) return n;
      return n + Math.max(0, Math.floor((file + length) / HUGE) - Math.ceil(file / HUGE)) * HUGE;
    }, 0);
    expect(inHuge / ((10 * GIB) / 4096), 'in pages of 2 MiB').toBeGreaterThan(0.99);
  });

  test('two writers who take turns: at most 16 extents each, 10 GiB each', () => {
    const volume = openVolume({ device: new NullDevice(), blocks });
    const both = [inodeOf(5), inodeOf(6)];
    for (let i = 0; both[0].size < 10 * GIB; i++) {
      for (const inode of both) append(volume, inode, 512 * 1024);
      if (i % 100 === 99) volume.commits.commit();
    }
    for (const { ino } of both) expect(rows(volume, ino).length).toBeLessThanOrEqual(16);
  });

  test('appends of 4 KiB by two writers stay in few pieces, too', () => {
    const volume = openVolume({ device: new NullDevice(), blocks });
    const both = [inodeOf(5), inodeOf(6)];
    for (let i = 0; i < 4096; i++) for (const inode of both) append(volume, inode, 4096);
    for (const { ino } of both) expect(rows(volume, ino).length).toBeLessThanOrEqual(8);
  });

  test('writes that arrive out of order within a window still make one extent', () => {
    const volume = openVolume({ device: new NullDevice(), blocks });
    const inode = inodeOf(5);
    append(volume, inode, 1024 * 1024);
    inode.size = 4 * 1024 * 1024;
    for (const k of [1, 3, 2, 5, 4, 7, 6]) {
      expect(volume.map.write(inode, k * 128 * 1024 + 896 * 1024, 128 * 1024, 0)).toBe(128 * 1024);
    }
    volume.commits.commit();
    expect(rows(volume, 5).length).toBeLessThanOrEqual(3);
  });

  test('small files made one after the other lie one behind the other', () => {
    const volume = openVolume({ device: new NullDevice(), blocks });
    const starts: number[] = [];
    for (let ino = 10; ino < 30; ino++) {
      append(volume, inodeOf(ino), 4096);
      starts.push(rows(volume, ino)[0][1]);
    }
    for (let i = 1; i < starts.length; i++) expect(starts[i]).toBe(starts[i - 1] + 1);
  });
});

describe('what is kept ready', () => {
  test('is not seen by statfs, and goes back at the last close, when idle, and before ENOSPC', () => {
    const blocks = 32768;
    const volume = openVolume({ device: new NullDevice(), blocks });
    const { space, map, commits } = volume;
    const total = space.free;
    const inode = inodeOf(5);
    append(volume, inode, 1024 * 1024);
    expect(space.free).toBe(total - 256);
    expect(space.open).toBeLessThan(space.free);
    map.settle(5);
    expect(space.open).toBe(space.free);

    append(volume, inode, 1024 * 1024);
    expect(space.open).toBeLessThan(space.free);
    for (let i = 0; i < 40; i++) commits.commit();
    expect(space.open).toBe(space.free);

    append(volume, inode, 1024 * 1024);
    const other = inodeOf(6);
    expect(map.allocate(other, 0, space.free)).toBe(0);
    expect([space.free, space.open]).toEqual([0, 0]);
  });

  test('is bounded: a thousand writers cannot hold the space from others', () => {
    const volume = openVolume({ device: new NullDevice(), blocks: 32768 * 4 });
    for (let ino = 10; ino < 1500; ino++) {
      const inode = inodeOf(ino);
      append(volume, inode, 4096);
      append(volume, inode, 4096);
    }
    const { space } = volume;
    expect(space.ensure(space.free)).toBe(true);
  });
});

describe('allocation of a shape', () => {
  test('aligned and contiguous on a fragmented volume: it succeeds where there is a place, else changes nothing', () => {
    const volume = openVolume({ device: new NullDevice(), blocks: 8192 });
    const { map, space, commits } = volume;
    const filler = inodeOf(2);
    expect(map.allocate(filler, 0, space.free)).toBe(0);
    // Every second block free up to device block 5000, then 1100 in a row: 5100 to 6200.
    for (let b = 10; b < 5000; b += 2) expect(map.punch(filler, (b - 4) * 4096, 4096)).toBe(0);
    expect(map.punch(filler, (5100 - 4) * 4096, 1100 * 4096)).toBe(0);
    commits.commit();
    const inode = inodeOf(3);
    expect(map.allocate(inode, 0, 1200, { align: 512, contiguous: true })).toBe(28);
    expect([inode.blocks, inode.gen, rows(volume, 3)]).toEqual([0, 0, []]);
    expect(map.allocate(inode, 0, 512, { align: 512, contiguous: true })).toBe(0);
    expect(rows(volume, 3)).toEqual([[0, 5120, 512]]);
    expect(map.allocate(inodeOf(4), 3, 500, { align: 256 })).toBe(0);
    expect(rows(volume, 4)).toEqual([[3, 5635, 497]]);
  });
});
