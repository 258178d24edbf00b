import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { CASES } from '../../tools/kit/cases.ts';
import { checkout, describeMounted, type MountedVolume, mountVolume, type Result, run } from '../harness/index.ts';

describeMounted('the conformance kit', ['fallocate', 'od'], () => {
  vi.setConfig({ testTimeout: 90_000 });
  let volume: MountedVolume;
  const kit = (...args: string[]): Promise<Result> =>
    run(process.execPath, ['--import', 'tsx', join(checkout, 'tools/kit/main.ts'), ...args], {
      cwd: checkout,
      timeout: 80_000,
    });

  beforeAll(async () => {
    volume = await mountVolume();
  });
  afterAll(() => volume?.dispose());

  it('finds that this filesystem keeps all promises, and leaves nothing behind', async () => {
    const { stdout, code } = await kit('--ctl', join(volume.dir, '.layout/ctl'));
    expect(stdout.split('\n').filter((line) => line.startsWith('not ok') || line.startsWith('  #'))).toEqual([]);
    expect(stdout.match(/^ok /gm)).toHaveLength(CASES.length);
    expect(code).toBe(0);
    expect(await volume.bash('ls; wc -l < .layout/leases')).toBe('1\n');
  });

  it('fails each case on a surface that promises nothing: an ordinary file', async () => {
    const folder = join(volume.root, 'nothing', '.layout');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ctl'), '');
    const { stdout, code } = await kit('--ctl', join(folder, 'ctl'));
    expect(code).toBe(1);
    expect(stdout.match(/^not ok /gm)).toHaveLength(CASES.length);
  });
});
