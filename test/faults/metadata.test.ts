import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { VolumeError } from '../../src/volume/volume-error.ts';
import { text } from '../../tools/crash/client.ts';
import { checkout } from '../harness/index.ts';
import { Bench, BLOCK } from './bench.ts';

describe('an operation that throws half way', () => {
  test('leaves nothing, and nothing is lost that was answered before it', async () => {
    const bench = new Bench();
    await bench.create('a');
    await bench.create('b');
    const { dentries } = bench.client.house.fs;
    const remove = dentries.remove.bind(dentries);
    dentries.remove = (...args) => {
      remove(...args);
      throw new Error('a bug');
    };
    expect((await bench.client.call('RENAME', 1, 'rename_in', { newdir: 1 }, text('a'), text('c'))).error).toBe('EIO');
    expect(bench.client.thrown).toHaveLength(1);
    expect(await bench.names()).toEqual(['a', 'b']);
    expect(await bench.client.lookup('/a')).toBeGreaterThan(1);
    expect((await bench.client.call('MKDIR', 1, 'mkdir_in', { mode: 0o755 }, text('d'))).error).toBe('EROFS');
    expect(bench.log.join()).toMatch(/a bug/);
    bench.restart();
    expect(await bench.names()).toEqual(['a', 'b']);
    await bench.create('c');
  });

  test('before it changed anything: only its caller hears of it', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    bench.client.house.fs.blockmap.read = () => {
      throw new Error('a bug');
    };
    await bench.write(a, 0, Buffer.alloc(10));
    expect(await bench.read(a, 0, 10)).toBe('EIO');
    await bench.create('b');
    expect(await bench.fsync(a)).toBe('');
  });
});

describe('the metadata', () => {
  test.each([
    ['EIO', E.IO],
    ['ENOSPC', E.NOSPC],
  ])(
    'cannot be synced (%s): fsync fails, the mount only reads, and the next one has all that was answered',
    async (_name, errno) => {
      const bench = new Bench();
      const a = await bench.create('a');
      await bench.fsync(a);
      await bench.create('b');
      bench.io.faults.push({ call: 'fdatasync', role: 'wal', errno });
      expect(await bench.fsync(a)).toBe('EIO');
      expect(await bench.unlink('a')).toBe('EROFS');
      bench.restart();
      expect(await bench.names()).toEqual(['a', 'b']);
    },
  );

  test('is full (SQLITE_FULL): the mount only reads; with room again the next one has all that was answered', async () => {
    const bench = new Bench();
    await bench.create('a');
    const { connection } = bench.client.volume.database;
    const pages = connection.pragma('page_count', { simple: true }) as number;
    connection.pragma(`max_page_count = ${pages}`);
    let made = 0;
    for (; made < 5000 && bench.client.volume.commits.failed === 0; made++)
      await bench.create(`f${made}`).catch(() => {});
    expect(bench.client.volume.commits.failed).toBe(E.NOSPC);
    expect(await bench.unlink('a')).toBe('EROFS');
    bench.restart();
    const names = await bench.names();
    expect(names).toContain('a');
    // Every create but the last one, which failed, was answered with success.
    expect(names).toHaveLength(made);
    expect(await bench.unlink('a')).toBe('');
  });

  test('is locked by somebody else for a moment: the operation waits; for long: the mount only reads', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    await bench.fsync(a);
    const locker = async (ms: number) => {
      const script = `const db = new (require('better-sqlite3'))(process.argv[1]); db.exec('BEGIN IMMEDIATE'); console.log('locked');
        setTimeout(() => { db.exec('ROLLBACK'); process.exit(0); }, ${ms});`;
      const args = ['-e', script, `${bench.image}.meta`];
      const child = spawn(process.execPath, args, { cwd: checkout, stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout!, 'data');
      return { over: once(child, 'exit') };
    };
    await locker(300);
    expect(await bench.create('b')).toBeGreaterThan(1);
    expect(await bench.fsync(a)).toBe('');
    bench.client.volume.database.connection.pragma('busy_timeout = 200');
    const locked = await locker(2000);
    await expect(bench.create('c')).rejects.toThrow('EIO');
    expect(bench.log.join()).toMatch(/database is locked/);
    expect(await bench.names()).toEqual(['a', 'b']);
    await locked.over;
    bench.restart();
    expect(await bench.create('c')).toBeGreaterThan(1);
  });

  test('is damaged on the disk: refused when it is opened, or EIO and nothing changed', async () => {
    const bench = new Bench();
    for (let i = 0; i < 200; i++) await bench.create(`${'n'.repeat(100)}${i}`);
    expect(await bench.client.house.shutDown()).toBe(0);
    const fd = openSync(`${bench.image}.meta`, 'r+');
    writeSync(fd, Buffer.alloc(4096, 0x5a), 0, 4096, 0);
    closeSync(fd);
    expect(() => bench.open()).toThrow(VolumeError);
  });

  test('loses pages under a mount: EIO, the mount only reads, the daemon lives', async () => {
    const bench = new Bench();
    for (let i = 0; i < 400; i++) await bench.create(`${'n'.repeat(100)}${i}`);
    expect(await bench.client.house.shutDown()).toBe(0);
    bench.open();
    const { connection } = bench.client.volume.database;
    const pages = connection.pragma('page_count', { simple: true }) as number;
    const fd = openSync(`${bench.image}.meta`, 'r+');
    for (let page = 1; page < pages; page++) writeSync(fd, Buffer.alloc(4096, 0x5a), 0, 4096, page * 4096);
    closeSync(fd);
    connection.pragma('shrink_memory');
    expect((await bench.client.call('LOOKUP', 1, '', {}, text(`${'n'.repeat(100)}7`))).error).toBe('EIO');
    expect(bench.client.volume.commits.failed).toBe(E.IO);
    expect(bench.log.join()).toMatch(/malformed/);
    await expect(bench.create('x')).rejects.toThrow(/^E(IO|ROFS)$/);
  });
});

describe('clocks and sizes', () => {
  test('the wall clock jumps, both ways: times follow it, timers do not', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    bench.clock.setRealtime(9000 + 86_400 * 365);
    await bench.write(a, 0, Buffer.alloc(10, 1));
    bench.clock.setRealtime(100);
    await bench.write(a, 0, Buffer.alloc(10, 2));
    expect(bench.client.house.fs.inodes.get(a)?.mtimeS).toBe(100);
    expect(await bench.client.control('get path=/a kind=direct mode=ro')).toMatch(/^ok/);
    bench.clock.setRealtime(86_400 * 10_000);
    expect(bench.client.house.leases.list()[0].state).toBe('GRANTED');
    const { commits } = bench.client.volume;
    const before = commits.durable;
    await bench.create('b');
    bench.clock.advance(1100);
    await vi.waitFor(() => expect(commits.durable).toBeGreaterThan(before));
  });

  test('requests for more than there is memory for are refused, or cut', async () => {
    const bench = new Bench();
    const a = await bench.create('a');
    const { client } = bench;
    await bench.write(a, 0, Buffer.alloc(BLOCK, 1));
    expect((await client.call('FALLOCATE', a, 'fallocate_in', { offset: 0, length: 2 ** 51 })).error).toBe('ENOSPC');
    expect((await client.call('FALLOCATE', a, 'fallocate_in', { offset: 2 ** 51, length: 2 ** 52 })).error).toBe(
      'EFBIG',
    );
    expect((await client.call('WRITE', a, 'write_in', { offset: 0, size: 2 ** 31 }, Buffer.alloc(10))).error).toBe(
      'EINVAL',
    );
    const huge = await client.call('READ', a, 'read_in', { offset: 0, size: 2 ** 32 - 1 });
    expect([huge.error, huge.payload.length]).toEqual(['', BLOCK]);
    const names = await client.call('LISTXATTR', a, 'getxattr_in', { size: 2 ** 32 - 1 });
    expect(names.error).toBe('');
    expect(await client.control(`get path=/${'x'.repeat(70_000)}`)).toMatch(/^err EMSGSIZE/);
    expect(await bench.read(a, 0, BLOCK)).toEqual(Buffer.alloc(BLOCK, 1));
  });
});
