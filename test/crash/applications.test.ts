import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkout, describeMounted, hasTool, run } from '../harness/index.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-application-'));
  chmodSync(folder, 0o755); // PostgreSQL does not run as root
});

afterEach(async () => {
  // A run that was stopped leaves its mount.
  await run('bash', ['-c', `for dir in ${folder}/*/mnt; do mountpoint -q "$dir" && umount -l "$dir"; done; true`]);
  rmSync(folder, { recursive: true, force: true });
});

/** `npm run crash -- --applications …` in a process of its own, which serves a real mount. */
function explored(...args: string[]) {
  const tool = join(checkout, 'tools', 'crash', 'main.ts');
  return run(process.execPath, ['--import', 'tsx', tool, '--applications', '--folder', folder, ...args], {
    cwd: checkout,
    timeout: 240_000,
  });
}

describeMounted('programs on a mount whose host crashes', [], () => {
  it('find what was acknowledged to them; and that is noticed when a sync was not done', async () => {
    const honest = await explored('sqlite-delete', '--rounds', '12', '--count', '12');
    expect(honest.code, honest.stdout + honest.stderr).toBe(0);
    expect(honest.stdout).toMatch(/12 acknowledged, 12 crashes, 0 violations/);
    const lying = await explored('sqlite-wal', '--rounds', '12', '--count', '12', '--lie', 'wal');
    expect(lying.code, lying.stdout + lying.stderr).toBe(1);
    expect(lying.stdout).toMatch(/VIOLATION sqlite-wal, .* [1-9]\d* violations/s);
  }, 300_000);

  const lacks = ['initdb', 'pg_ctl', 'pgbench', 'setpriv'].filter((tool) => !hasTool(tool));
  const name = 'PostgreSQL recovers by its WAL, and has all that it said was committed';
  it.skipIf(lacks.length > 0)(
    lacks.length > 0 ? `${name} (skipped: needs ${lacks.join(', ')})` : name,
    async () => {
      const { code, stdout, stderr } = await explored('postgres', '--rounds', '3', '--count', '4');
      expect(code, stdout + stderr).toBe(0);
      expect(stdout).toMatch(/3 acknowledged, 4 crashes, 0 violations/);
    },
    250_000,
  );
});
