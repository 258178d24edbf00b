import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BlockMap } from '../../src/blockmap/blockmap.ts';
import { STATE } from '../../src/blockmap/extent.ts';
import { Space } from '../../src/blockmap/space.ts';
import { addressOf } from '../../src/system/libc.ts';
import { Volume } from '../../src/volume/volume.ts';
import { inodeOf, type TestInode } from './stand-in.ts';

const BLOCK = 4096;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-blockmap-'));
  path = join(folder, 'volume.img');
  Volume.make(path, { size: 32 * 1024 * 1024 });
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(): { volume: Volume; space: Space; map: BlockMap } {
  const volume = Volume.open(path);
  const space = new Space(volume);
  const map = new BlockMap({ ...volume, space, touch: () => {} });
  return { volume, space, map };
}

function write(map: BlockMap, inode: TestInode, offset: number, length: number, byte: number): void {
  expect(map.write(inode, offset, length, addressOf(Buffer.alloc(length, byte)))).toBe(length);
  inode.size = Math.max(inode.size, offset + length);
}

function read(map: BlockMap, inode: TestInode): Buffer {
  const bytes = Buffer.alloc(inode.size, 0x55);
  expect(map.read(inode, 0, inode.size, addressOf(bytes))).toBe(inode.size);
  return bytes;
}

describe('on a real volume', () => {
  test('written data is converted by the commit, and all is there after closing', () => {
    const inode = inodeOf(5);
    const first = open();
    const total = first.space.free;
    write(first.map, inode, 10, 20_000, 7);
    expect(first.map.find(5, 0).state).toBe(STATE.UNSYNCED);
    expect(first.volume.commits.commitNow() === 0).toBe(true);
    expect(first.map.find(5, 0).state).toBe(STATE.WRITTEN);
    write(first.map, inode, 20_010, 20_000, 8);
    expect(first.volume.close() === 0).toBe(true);

    const again = open();
    expect(again.map.extents(5, 0, 10)).toHaveLength(1);
    expect(read(again.map, inode)).toEqual(
      Buffer.concat([Buffer.alloc(10), Buffer.alloc(20_000, 7), Buffer.alloc(20_000, 8)]),
    );
    expect(again.space.free).toBe(total - 10);
    again.map.remove(inode);
    expect(again.space.free).toBe(total);
    again.volume.close();
  });

  test('a killed process leaves a bitmap that agrees with the extents', { timeout: 15_000 }, async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'killed-writer.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let operations = 0;
    await new Promise<void>((resolve) => {
      let said = '';
      child.stdout.on('data', (data) => {
        said += data;
        operations = said.split('\n').length - 1;
        if (operations > 800) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve());
    });
    expect(operations).toBeGreaterThan(800);
    const { volume, space } = open();
    const rows = volume.database.query('SELECT device_block, length FROM extent').raw().all<[number, number]>();
    const used = new Set<number>();
    for (const [start, length] of rows) for (let b = start; b < start + length; b++) used.add(b);
    const { firstBlock, deviceBlocks } = volume;
    let wrong = 0;
    for (let b = firstBlock; b < deviceBlocks; b++) if (space.isUsed(b) !== used.has(b)) wrong++;
    expect(wrong).toBe(0);
    expect(space.free).toBe(deviceBlocks - firstBlock - used.size);
    const last = volume.database.query('SELECT max(file_block + length) FROM extent WHERE ino = 5').raw();
    expect((last.get<[number]>() ?? [0])[0]).toBeGreaterThanOrEqual(Math.min(operations, 2000) / 4);
    expect(used.size * BLOCK).toBeLessThan(32 * 1024 * 1024);
    volume.close();
  });
});
