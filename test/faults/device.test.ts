import { truncateSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { check } from '../../src/check/index.ts';
import { E } from '../../src/system/errno.ts';
import { Bench, BLOCK } from './bench.ts';

const data = (byte: number, blocks = 2): Buffer => Buffer.alloc(blocks * BLOCK, byte);
const where = (bench: Bench, ino: number): number =>
  bench.client.house.fs.blockmap.extents(ino, 0, 1)[0].deviceBlock * BLOCK;

describe('the device answers', () => {
  test('EIO to a read: for that range alone, and everything else goes on', async () => {
    const bench = new Bench();
    const [a, b] = [await bench.create('a'), await bench.create('b')];
    await bench.write(a, 0, data(1, 4));
    await bench.write(b, 0, data(2));
    const from = where(bench, a) + BLOCK;
    bench.io.faults.push({ call: 'pread', from, to: from + BLOCK, errno: E.IO });
    expect(await bench.read(a, BLOCK, BLOCK)).toBe('EIO');
    expect(await bench.read(a, 2 * BLOCK, BLOCK)).toEqual(data(1, 1));
    expect(await bench.read(b, 0, 2 * BLOCK)).toEqual(data(2));
    expect(await bench.write(b, 0, data(3))).toBe('');
    expect(await bench.fsync(b)).toBe('');
  });

  test.each([
    ['EIO', E.IO],
    ['ENOSPC', E.NOSPC],
    ['EDQUOT', E.DQUOT],
  ])('%s to a write: the caller is told, and the file is as it was', async (name, errno) => {
    const bench = new Bench();
    const a = await bench.create('a');
    await bench.write(a, 0, data(1));
    const free = bench.client.house.fs.space.free;
    bench.io.faults.push({ call: 'pwrite', errno, times: 1 });
    expect(await bench.write(a, 2 * BLOCK, data(2))).toBe(name);
    expect(bench.client.house.fs.inodes.get(a)?.size).toBe(2 * BLOCK);
    expect(bench.client.house.fs.space.free).toBe(free);
    expect(await bench.write(a, 2 * BLOCK, data(2))).toBe('');
    expect(await bench.fsync(a)).toBe('');
    expect(await bench.read(a, 0, 4 * BLOCK)).toEqual(Buffer.concat([data(1), data(2)]));
  });

  test('reads and writes in small pieces, and EINTR: nobody notices', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    bench.io.faults.push({ call: 'pwrite', errno: E.INTR, times: 3 }, { call: 'pwrite', short: 1000 });
    expect(await bench.write(a, 0, data(7))).toBe('');
    bench.io.faults.push({ call: 'pread', errno: E.INTR, times: 3 }, { call: 'pread', short: 700 });
    expect(await bench.read(a, 0, 2 * BLOCK)).toEqual(data(7));
  });

  test('EIO to a sync: fsync says so, and after a crash of the daemon nothing of it counts as written', async () => {
    const bench = new Bench();
    const old = await bench.create('old');
    await bench.write(old, 0, data(1, 8));
    await bench.fsync(old);
    const a = await bench.create('a');
    await bench.write(a, 0, data(2));
    bench.io.faults.push({ call: 'fdatasync', role: 'device', errno: E.IO, times: 1 });
    expect(await bench.fsync(a)).toBe('EIO');
    expect(await bench.fsync(a)).toBe('');
    bench.restart();
    expect(bench.client.volume.recovery.sameBoot).toBe(false);
    // The page cache still shows it, the medium may not have it: zeros, rather than what was there before.
    expect(await bench.read(a, 0, 2 * BLOCK)).toEqual(data(0));
    expect(await bench.read(old, 0, 8 * BLOCK)).toEqual(data(1, 8));
  });

  test('EIO to the sync of data that a commit must wait for: the mount only reads, as it was', async () => {
    const bench = new Bench();
    const [a, b] = [await bench.create('a'), await bench.create('b')];
    await bench.write(a, 0, data(1));
    await bench.client.control('clone path=/a to=/b');
    await bench.fsync(a);
    expect(await bench.write(b, 0, data(2))).toBe('');
    bench.io.faults.push({ call: 'fdatasync', role: 'device', errno: E.IO });
    expect(await bench.fsync(b)).toBe('EIO');
    expect(bench.client.volume.commits.failed).toBe(E.IO);
    expect(bench.log.join()).toMatch(/sync of ordered data/);
    expect(await bench.write(b, 0, data(3))).toBe('EROFS');
    expect(await bench.read(b, 0, 2 * BLOCK)).toEqual(data(1));
    bench.restart();
    expect(await bench.read(b, 0, 2 * BLOCK)).toEqual(data(1));
    expect(await bench.write(b, 0, data(3))).toBe('');
  });

  test('the same with errors=continue: it goes on', async () => {
    const bench = new Bench({ open: { ignoreDataErrors: true } });
    const [a, b] = [await bench.create('a'), await bench.create('b')];
    await bench.write(a, 0, data(1));
    await bench.client.control('clone path=/a to=/b');
    await bench.write(b, 0, data(2));
    bench.io.faults.push({ call: 'fdatasync', role: 'device', errno: E.IO, times: 1 });
    expect(await bench.fsync(b)).toBe('EIO');
    expect(await bench.write(b, 0, data(3))).toBe('');
    expect(await bench.fsync(b)).toBe('');
  });

  test('slowly: others are served meanwhile', async () => {
    const bench = new Bench();
    const [a, b] = [await bench.create('a'), await bench.create('b')];
    await bench.write(b, 0, data(1));
    await bench.fsync(b);
    // So much that the sync does not run on the state thread.
    for (let i = 0; i < 40; i++) await bench.write(a, i * 8 * BLOCK, data(2, 8));
    bench.io.faults.push({ call: 'fdatasync', role: 'device', delay: 300, times: 1 });
    const began = performance.now();
    const syncing = bench.fsync(a).then(() => performance.now() - began);
    expect(await bench.read(b, 0, 2 * BLOCK)).toEqual(data(1));
    expect(await bench.write(b, 0, data(3))).toBe('');
    expect(performance.now() - began).toBeLessThan(250);
    expect(await syncing).toBeGreaterThan(290);
  });

  test('nothing any more, it has vanished: EIO, and what was committed is there when it is back', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    await bench.write(a, 0, data(1));
    await bench.fsync(a);
    const gone = ['pread', 'pwrite', 'fallocate', 'fdatasync'] as const;
    for (const call of gone) bench.io.faults.push({ call, errno: E.NXIO });
    expect(await bench.read(a, 0, BLOCK)).toBe('ENXIO');
    expect(await bench.write(a, 0, data(2))).toBe('ENXIO');
    const b = await bench.create('b');
    expect(await bench.fsync(b)).not.toBe('');
    bench.restart();
    expect(await bench.read(a, 0, 2 * BLOCK)).toEqual(data(1));
    await bench.client.house.shutDown();
    expect((await check(bench.image, { mode: 'report' })).found).toBe(0);
  });

  test('the end of the file early, it was cut off: EIO', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    await bench.write(a, 0, data(1));
    await bench.fsync(a);
    truncateSync(bench.image, 1 << 20);
    expect(await bench.read(a, 0, BLOCK)).toBe('EIO');
    expect((await bench.client.call('GETATTR', a, 'getattr_in', {})).error).toBe('');
  });
});
