import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FALLOC, LOCK, LOCKTYPE, MAP, MSYNC, O, POLL, PROT, SEEK, SOCK } from '../../src/system/constants.ts';
import { E } from '../../src/system/errno.ts';
import * as libc from '../../src/system/libc.ts';

const dir = mkdtempSync(join(tmpdir(), 'layoutfs-libc-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string): number {
  const fd = libc.open(join(dir, name), O.RDWR | O.CREAT | O.TRUNC, 0o600);
  expect(fd).toBeGreaterThan(0);
  return fd;
}

test('a failure is the negative errno', () => {
  const b = Buffer.alloc(8);
  expect(libc.open(join(dir, 'none'), O.RDONLY)).toBe(-E.NOENT);
  expect(libc.read(-1, libc.addressOf(b), 8)).toBe(-E.BADF);
  expect(libc.pwrite(-1, libc.addressOf(b), 8, 0)).toBe(-E.BADF);
  expect(libc.close(-1)).toBe(-E.BADF);
  expect(libc.mmap(0, 0, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)).toBe(-E.INVAL);
  expect(libc.umount2(join(dir, 'none'), 0)).toBe(-E.NOENT);
  expect(libc.mount('none', join(dir, 'none'), 'tmpfs', 0, '')).toBe(-E.NOENT);
});

test('bytes at offsets beyond 4 GiB', () => {
  const fd = file('far');
  const out = Buffer.from('far away');
  const at = 5 * 2 ** 32 + 12345;
  expect(libc.pwrite(fd, libc.addressOf(out), out.length, at)).toBe(8);
  const back = Buffer.alloc(8);
  expect(libc.pread(fd, libc.addressOf(back), 8, at)).toBe(8);
  expect(back.toString()).toBe('far away');
  expect(libc.lseek(fd, 0, SEEK.END)).toBe(at + 8);
  expect(libc.lseek(fd, 0, SEEK.DATA)).toBeGreaterThan(4 * 2 ** 32);
  expect(libc.ftruncate(fd, at + 4)).toBe(0);
  expect(libc.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, at - (at % 4096), 4096)).toBe(0);
  expect(libc.pread(fd, libc.addressOf(back), 8, at)).toBe(4);
  expect([...back.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  libc.close(fd);
});

test('copy_file_range leaves the positions alone', () => {
  const from = file('from');
  const to = file('to');
  const out = Buffer.from('0123456789');
  libc.write(from, libc.addressOf(out), 10);
  expect(libc.copy_file_range(from, 2, to, 5, 6)).toBe(6);
  expect(libc.copy_file_range(from, 10, to, 0, 6)).toBe(0);
  expect(libc.lseek(from, 0, SEEK.CUR)).toBe(10);
  expect(readFileSync(join(dir, 'to')).toString()).toBe(`${'\0'.repeat(5)}234567`);
  libc.close(from);
  libc.close(to);
});

test('a mapping is memory', () => {
  const fd = file('map');
  libc.ftruncate(fd, 8192);
  const at = libc.mmap(0, 8192, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 0);
  expect(at).toBeGreaterThan(0);
  libc.bufferAt(at, 8192).write('mapped', 4096);
  expect(libc.msync(at, 8192, MSYNC.SYNC)).toBe(0);
  expect(readFileSync(join(dir, 'map')).subarray(4096, 4102).toString()).toBe('mapped');
  expect(libc.munmap(at, 8192)).toBe(0);
  libc.close(fd);
});

test('locks exclude: flock by open file, and open-file-description locks by range', () => {
  const a = file('lock');
  const b = libc.open(join(dir, 'lock'), O.RDWR);
  expect(libc.flock(a, LOCK.EXCLUSIVE | LOCK.NONBLOCK)).toBe(0);
  expect(libc.flock(b, LOCK.SHARED | LOCK.NONBLOCK)).toBe(-E.AGAIN);
  expect(libc.ofdLock(a, LOCKTYPE.WRITE, 0, 100)).toBe(0);
  expect(libc.ofdLock(b, LOCKTYPE.WRITE, 50, 100)).toBe(-E.AGAIN);
  expect(libc.ofdLockTest(b, LOCKTYPE.READ, 50, 1)).toBe(1);
  expect(libc.ofdLock(b, LOCKTYPE.WRITE, 100, 100)).toBe(0);
  expect(libc.ofdLock(a, LOCKTYPE.UNLOCK, 0, 100)).toBe(0);
  expect(libc.ofdLockTest(b, LOCKTYPE.READ, 50, 1)).toBe(0);
  libc.close(a);
  libc.close(b);
});

test('poll, at once and from the thread pool', async () => {
  const [a, b] = libc.socketpair(SOCK.SEQPACKET) as [number, number];
  expect(libc.poll1(a, POLL.IN, 0)).toBe(0);
  expect(await libc.pollAsync(a, POLL.IN, 1)).toBe(0);
  const waiting = libc.pollAsync(a, POLL.IN, 5000);
  libc.write(b, libc.addressOf(Buffer.from('x')), 1);
  expect(await waiting).toBe(POLL.IN);
  expect(libc.poll1(a, POLL.IN | POLL.OUT, 0)).toBe(POLL.IN | POLL.OUT);
  libc.close(b);
  expect(libc.poll1(a, 0, 0)).toBe(POLL.HUP);
  libc.close(a);
});

test('a descriptor travels over a socket', () => {
  const [a, b] = libc.socketpair(SOCK.STREAM) as [number, number];
  const fd = file('sent');
  expect(libc.sendFd(a, Buffer.from('here'), fd)).toBe(4);
  const bytes = Buffer.alloc(16);
  const got = libc.recvFd(b, bytes);
  expect(got.length).toBe(4);
  expect(got.fd).toBeGreaterThan(0);
  libc.write(got.fd, libc.addressOf(Buffer.from('through')), 7);
  expect(readFileSync(join(dir, 'sent')).toString()).toBe('through');
  libc.write(a, libc.addressOf(Buffer.from('bare')), 4);
  expect(libc.recvFd(b, bytes)).toEqual({ length: 4, fd: -1 });
  for (const open of [a, b, fd, got.fd]) libc.close(open);
});

test('an asynchronous sync tells its errno', async () => {
  const fd = file('sync');
  expect(await libc.fdatasyncAsync(fd)).toBe(0);
  libc.close(fd);
  const [r, w] = libc.pipe2(0) as [number, number];
  expect(await libc.fdatasyncAsync(w)).toBe(-E.INVAL);
  libc.close(r);
  libc.close(w);
});
