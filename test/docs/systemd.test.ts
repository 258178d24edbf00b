import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkout, hasTool, run } from '../harness/index.ts';

const units = join(checkout, 'docs', 'systemd');
const names = readdirSync(units);

it('there are a mount, its automount and a service, for one mount point', () => {
  expect(names.sort()).toEqual(['layoutfs-disk.service', 'mnt-disk.automount', 'mnt-disk.mount']);
  for (const name of names) expect(readFileSync(join(units, name), 'utf8')).toMatch(/\/mnt\/disk$/m);
});

it.skipIf(!hasTool('systemd-analyze'))('systemd finds nothing wrong with them (needs systemd-analyze)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-units-'));
  try {
    // The program stands somewhere else here.
    for (const name of names) {
      const text = readFileSync(join(units, name), 'utf8');
      writeFileSync(join(folder, name), text.replaceAll('/usr/local/bin/layoutfs', '/bin/true'));
    }
    const verify = (...files: string[]) =>
      run('systemd-analyze', ['verify', '--man=no', ...files.map((name) => join(folder, name))], {
        env: { SYSTEMD_UNIT_PATH: `${folder}:` },
      });
    expect(await verify(...names)).toMatchObject({ code: 0, stderr: '' });
    writeFileSync(join(folder, 'broken.service'), '[Service]\nExecStart=nowhere\n');
    expect((await verify('broken.service')).stderr, 'it does find what is wrong').not.toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
