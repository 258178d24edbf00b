import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MAP, O, PROT } from '../../src/system/constants.ts';
import { close, mmap, munmap, open } from '../../src/system/libc.ts';
import * as proc from '../../src/system/process.ts';
import { until } from '../harness/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'layoutfs-proc-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a process, while it runs and after it', async () => {
  const child = spawn('sleep', ['60']);
  const pid = child.pid as number;
  await until('exec', 2000, () => proc.commandOf(pid) === 'sleep');
  expect(proc.tgidOf(pid)).toBe(pid);
  const start = proc.startTimeOf(pid) as number;
  expect(start).toBeGreaterThan(0);
  expect(proc.aliveSame(pid, start)).toBe(true);
  expect(proc.aliveSame(pid, start + 1)).toBe(false);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(proc.aliveSame(pid, start)).toBe(false);
  expect(proc.commandOf(pid)).toBeUndefined();
  expect(proc.startTimeOf(pid)).toBeUndefined();
  expect(proc.tgidOf(pid)).toBeUndefined();
  expect(proc.groupsOf(pid)).toBeUndefined();
  expect(proc.hasCapability(pid, proc.CAP.SYS_ADMIN)).toBe(false);
});

test('a zombie is not alive', async () => {
  const child = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
  const pid = Number(line);
  await until('zombie', 2000, () => proc.aliveSame(pid, proc.startTimeOf(pid) ?? -1) === false);
  child.kill('SIGKILL');
});

test('the mappings of a file are found in whichever process has them', () => {
  const path = join(dir, 'mapped');
  writeFileSync(path, Buffer.alloc(16384));
  const target = proc.mappedFile(statSync(path));
  expect(proc.mappingsOf([target]).mappings).toEqual([]);
  const fd = open(path, O.RDWR);
  const at = mmap(0, 8192, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 4096);
  close(fd);
  expect(proc.mappingsOf([target]).mappings).toEqual([
    { pid: process.pid, start: at, end: at + 8192, permissions: 'rw-s', offset: 4096, ...target },
  ]);
  munmap(at, 8192);
  expect(proc.mappingsOf([target]).mappings).toEqual([]);
});

test('device numbers are written as the kernel does', () => {
  expect(proc.mappedFile({ dev: 0x801, ino: 5 })).toEqual({ device: '08:01', ino: 5 });
  expect(proc.mappedFile({ dev: 0x100027, ino: 5 }).device).toBe('00:127');
});

test('groups, capabilities and the boot', () => {
  const groups = proc.groupsOf(process.pid) as number[];
  const withOwn = new Set([...groups, process.getegid?.()]);
  expect(withOwn).toEqual(new Set(process.getgroups?.()));
  expect(proc.groupsOf(1)?.every(Number.isInteger)).toBe(true);
  expect(proc.hasCapability(process.pid, proc.CAP.SYS_ADMIN)).toBe(process.getuid?.() === 0);
  expect(proc.bootId()).toMatch(/^[0-9a-f-]{36}$/);
});
