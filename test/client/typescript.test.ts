import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bash, checkout, describeMounted, ended, type MountedVolume, mountVolume, until } from '../harness/index.ts';

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ deadline: 60_000 });
});

afterEach(() => volume?.dispose());

describeMounted('the TypeScript client', ['python3'], () => {
  for (const window of ['device', 'guarded']) {
    it(`leases, maps through the ${window} window, commits, hears a recall and returns`, {
      timeout: 40_000,
    }, async () => {
      await volume.bash('truncate -s 1M hole');
      const program = join(checkout, 'test/client/programs/holder.ts');
      const holder = volume.start(process.execPath, ['--import', 'tsx', program, volume.dir, window]);
      let out = '';
      let errors = '';
      holder.stdout?.on('data', (part: Buffer) => (out += part));
      holder.stderr?.on('data', (part: Buffer) => (errors += part));
      const end = ended(holder, 30_000);
      await until('ready', 20_000, () => out.includes('ready') || holder.exitCode !== null);
      expect(errors).toBe('');
      await bash(`python3 -c 'import os; os.truncate("${volume.dir}/hole", 4096)'`);
      expect(await end).toBe(0);
      expect(errors).toBe('');
      expect(JSON.parse(out.split('\n')[1] as string)).toEqual({
        refusal: { isLayoutError: true, code: 'ENXIO', hint: expect.stringContaining('prepare') },
        prepared: true,
        extents: [{ offset: 0, length: 1048576, state: 'written' }],
        mapped: 1048576,
        read: 'stored by a mapping',
        answers: 1,
        recall: { lease: true, reason: 'truncate', path: '/hole' },
        late: 0,
        kept: true,
        listed: ['recalled /hole'],
        state: 'released',
        second: true,
      });
      expect((await volume.bash('stat -c %s hole; tail -n +2 .layout/leases')).trim()).toBe('4096');
    });
  }
});
