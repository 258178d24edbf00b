import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockOwner, mountAt, mountOf, usersOf } from '../../src/cli/mounts.ts';
import { hasTool, until } from '../harness/index.ts';

describe('what the kernel tells', () => {
  it('is no mount where none is', () => {
    expect(() => mountAt('/tmp')).toThrow(/no layoutfs/);
    expect(() => mountOf('/etc/hostname')).toThrow(/not on a layoutfs/);
  });

  it.skipIf(!hasTool('flock'))('is the owner of a lock on a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'layoutfs-lock-'));
    const file = join(folder, 'image');
    writeFileSync(file, '');
    expect(lockOwner(file)).toBeUndefined();
    const child = spawn('flock', [file, 'sleep', '60'], { detached: true });
    try {
      await until('the lock is held', 5000, () => lockOwner(file) !== undefined);
      expect(lockOwner(file)).toBe(child.pid);
    } finally {
      process.kill(-(child.pid as number), 'SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });

  it('is who uses a directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'layoutfs-use-'));
    const child = spawn('sleep', ['60'], { cwd: folder });
    try {
      await until('the child is there', 5000, () => usersOf(folder).length > 0);
      expect(usersOf(folder)).toEqual([`${child.pid} (sleep)`]);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
