import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkout, describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { buildDriver, cases, type Place, runCase } from './index.ts';

/** Cases with the same family in one test: a test each would cost more than the cases. */
const families = [...new Set(cases.map((each) => each.name.split('/')[0] as string))];

test('case names are unique and every refusal is explained in docs/compatibility.md', () => {
  expect(new Set(cases.map((each) => each.name)).size).toBe(cases.length);
  const page = readFileSync(join(checkout, 'docs', 'compatibility.md'), 'utf8');
  for (const each of cases) {
    if (each.refusedByKernel !== undefined) expect(page).toContain(`## ${each.refusedByKernel}\n`);
  }
});

describeMounted('conformance', ['cc'], () => {
  let driver = '';
  let host = '';
  let volume: MountedVolume;

  beforeAll(async () => {
    driver = await buildDriver();
    chmodSync(dirname(driver), 0o755);
    host = mkdtempSync(join(tmpdir(), 'layoutfs-host-'));
    volume = await mountVolume({ size: '8g', deadline: 600_000 });
    for (const folder of [host, volume.root, volume.dir]) chmodSync(folder, 0o755);
  });

  afterAll(async () => {
    await volume?.dispose();
    rmSync(dirname(driver), { recursive: true, force: true });
    rmSync(host, { recursive: true, force: true });
  });

  async function failuresOf(family: string, place: Place): Promise<string[]> {
    const failures: string[] = [];
    for (const each of cases) {
      if (!each.name.startsWith(`${family}/`)) continue;
      const parent = place === 'mount' ? volume.dir : host;
      const { result, message } = await runCase(driver, parent, place, each, () => void volume.dispose());
      if (result === 'failed') failures.push(`${each.name}: ${message}`);
    }
    return failures;
  }

  for (const family of families) {
    test(`${family} on the mount`, { timeout: 180_000 }, async () => {
      expect(await failuresOf(family, 'mount')).toEqual([]);
    });
    test(`${family} on the host`, { timeout: 180_000 }, async () => {
      expect(await failuresOf(family, 'host')).toEqual([]);
    });
  }

  test('and then the volume is clean', { timeout: 60_000 }, async () => {
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 50_000 });
    expect(fsck.stdout + fsck.stderr).toContain('clean');
    expect(fsck.code).toBe(0);
  });
});
