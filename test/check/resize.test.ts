import fs from 'node:fs';
import SQLite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { Space } from '../../src/blockmap/space.ts';
import { check } from '../../src/check/index.ts';
import { resizeVolume } from '../../src/check/resize.ts';
import { Volume } from '../../src/volume/volume.ts';
import { made } from '../volume/fixture.ts';

const MIB = 1 << 20;

/** Opens the volume, lets `work` have its free space, and closes it cleanly. */
function within<T>(image: string, work: (space: Space, volume: Volume) => T): T {
  const volume = Volume.open(image);
  const { database, commits, deviceBlocks, firstBlock } = volume;
  const space = new Space({ database, commits, deviceBlocks, firstBlock });
  expect(volume.ready()).toBe(0);
  const result = work(space, volume);
  expect(volume.close()).toBe(0);
  return result;
}

const freeBlocks = (image: string): number => within(image, (space) => space.free);
const clean = async (image: string): Promise<void> => expect((await check(image, { mode: 'report' })).exitCode).toBe(0);

/** A file of one extent, as the tables have it. */
function give(image: string, start: number, length: number): void {
  within(image, (space, volume) => {
    expect(space.reserve(start, length)).toBe(true);
    const { connection } = volume.database;
    connection.exec(`INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, atime_s, atime_ns, mtime_s, mtime_ns, ctime_s,
      ctime_ns, btime_s, btime_ns) VALUES (2, ${0o100644}, 0, 0, 1, ${length * 4096}, ${length}, 0, 0, 0, 0, 0, 0, 0, 0)`);
    connection.exec(`INSERT INTO dentry (parent, name, ino, type, cookie) VALUES (1, X'66', 2, 8, 3)`);
    connection.exec('UPDATE inode SET next_cookie = 4 WHERE ino = 1');
    connection.exec(`INSERT INTO extent VALUES (2, 0, ${start}, ${length}, 1)`);
    connection.exec('UPDATE volume SET next_ino = 3, inodes = 2');
  });
}

// 32,768 blocks a group: within a group, to a boundary, over one, and back.
test.each([
  [64, 100],
  [64, 128],
  [64, 300],
  [300, 256],
  [300, 130],
  [300, 40],
])('from %i to %i MiB: every block is there, none twice', async (from, to) => {
  const image = made({ size: from * MIB });
  give(image, 1000, 3000);
  expect(resizeVolume(image, to * MIB)).toEqual({ before: from * MIB, size: to * MIB });
  expect(fs.statSync(image).size).toBe(to * MIB);
  expect(freeBlocks(image)).toBe(to * 256 - 256 - 3000);
  await clean(image);
  within(image, (space) => {
    const taken = new Set<number>();
    for (let run = space.take(0, 4096); run; run = space.take(0, 4096)) {
      for (let i = 0; i < run.length; i++) taken.add(run.start + i);
    }
    expect(taken.size).toBe(to * 256 - 256 - 3000);
    expect(Math.max(...[...taken].slice(-1))).toBeLessThan(to * 256);
  });
});

test('what is in use beyond the new end is named, and nothing is changed', async () => {
  const image = made({ size: 300 * MIB });
  give(image, 50_000, 100);
  const before = fs.readFileSync(`${image}.meta`);
  expect(() => resizeVolume(image, 50_050 * 4096)).toThrow(
    expect.objectContaining({
      code: 'BUSY',
      refusal: expect.objectContaining({
        blockers: [{ ino: 2, path: '/f', lease: undefined, deviceOffset: 50_050 * 4096, length: 50 * 4096 }],
      }),
    }),
  );
  expect(fs.statSync(image).size).toBe(300 * MIB);
  expect(fs.readFileSync(`${image}.meta`).equals(before)).toBe(true);
  resizeVolume(image, 50_100 * 4096);
  await clean(image);
});

test('blocks in quarantine are in use, too', () => {
  const image = made({ size: 300 * MIB });
  within(image, (space, { database }) => {
    space.reserve(60_000, 10);
    database.connection.exec(`INSERT INTO quarantine VALUES (60000, 10, 7, 9, 1, 'test', 0)`);
  });
  expect(() => resizeVolume(image, 64 * MIB)).toThrow(/the quarantine of lease 7/);
});

test.each([64, 300])(
  'interrupted between database and header (to %i MiB): not mounted, done again, or taken back',
  async (to) => {
    const image = made({ size: 128 * MIB });
    const header = fs.readFileSync(image).subarray(0, MIB);
    resizeVolume(image, to * MIB);
    const fd = fs.openSync(image, 'r+');
    fs.writeSync(fd, header, 0, MIB, 0);
    fs.closeSync(fd);
    // What shrinks loses its place last.
    if (to < 128) fs.truncateSync(image, 128 * MIB);
    expect(() => Volume.open(image)).toThrow(/do it again/);
    const other = `${image}.other`;
    fs.copyFileSync(image, other);
    fs.copyFileSync(`${image}.meta`, `${other}.meta`);
    expect((await check(other, { mode: 'all' })).exitCode).toBe(1);
    expect(freeBlocks(other)).toBe(128 * 256 - 256);
    resizeVolume(image, to * MIB);
    expect(freeBlocks(image)).toBe(to * 256 - 256);
    await clean(image);
  },
);

test('only of a volume that was unmounted cleanly, and not below what it needs', () => {
  const image = made();
  expect(() => resizeVolume(image, MIB)).toThrow(/too few/);
  expect(() => resizeVolume(image, undefined)).toThrow(/a size is needed/);
  Volume.open(image).abandon();
  expect(() => resizeVolume(image, 100 * MIB)).toThrow(/not unmounted cleanly/);
  const meta = new SQLite(`${image}.meta`);
  expect(meta.prepare('SELECT device_blocks FROM volume').pluck().get()).toBe(64 * 256);
  meta.close();
});
