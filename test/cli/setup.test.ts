import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkout, type Result, run } from '../harness/index.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-setup-'));
  symlinkSync(process.execPath, join(folder, 'node'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The set-up for the tests where $PATH has nothing but node, and an apt-get that does what the script says. */
function setUp(aptGet?: string): Promise<Result> {
  if (aptGet !== undefined) {
    writeFileSync(join(folder, 'apt-get'), `#!/bin/sh\necho "$*" >> ${folder}/asked\n${aptGet}\n`);
    chmodSync(join(folder, 'apt-get'), 0o755);
  }
  return run(process.execPath, [join(checkout, 'tools', 'setup.mjs'), '--test'], { env: { PATH: folder } });
}

describe('the set-up, where Debian packages are missing', () => {
  it('goes on without apt-get, and names what will be skipped', async () => {
    const { code, stdout, stderr } = await setUp();
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/no apt-get here: tests that need .*rsync.* will be skipped/);
  });

  it.skipIf(process.getuid?.() !== 0)('goes on where apt-get fails (needs root)', async () => {
    const { code, stdout, stderr } = await setUp('exit 100');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/apt-get failed: tests that need .*sqlite3.* will be skipped/);
    expect(readFileSync(join(folder, 'asked'), 'utf8'), 'no install after a failed update').not.toContain('install');
  });

  it.skipIf(process.getuid?.() !== 0)('asks apt-get for them, once, after an update (needs root)', async () => {
    const { code, stdout, stderr } = await setUp('exit 0');
    expect(code, stderr).toBe(0);
    expect(stdout).not.toContain('skipped');
    const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
    expect(asked.length, 'chromium, the largest, by itself').toBe(4);
    expect(asked[3]).toMatch(/ install --no-install-recommends chromium$/);
    expect(asked[0]).toMatch(/ update$/);
    expect(asked[1]).toMatch(/ install --no-install-recommends .*rsync.*acl/);
  });

  it.skipIf(process.getuid?.() !== 0)('installs the others where one is not to be had (needs root)', async () => {
    const { code, stdout, stderr } = await setUp('case "$*" in *" fish"*) exit 100; esac');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/apt-get failed: tests that need fish will be skipped/);
    const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
    expect(asked.filter((line) => / install .* rsync$/.test(line)).length).toBe(1);
  });
});
