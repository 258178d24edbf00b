import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  bash,
  checkout,
  describeMounted,
  ended,
  hasTool,
  type MountedVolume,
  mountVolume,
  until,
  whyNoOtherUser,
} from '../harness/index.ts';

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ deadline: 60_000 });
});

afterEach(() => volume?.dispose());

describeMounted('the TypeScript client', ['python3'], () => {
  const lacks = whyNoOtherUser();
  const holders = [
    { who: 'an administrator', asked: 'device', window: 'device', as: [] },
    { who: 'an administrator', asked: 'guarded', window: 'guarded', as: [] },
    // Device windows are not for him: he gets the one that he may have.
    {
      who: 'an ordinary user',
      asked: 'any',
      window: 'guarded',
      as: ['--reuid=4321', '--regid=4321', '--clear-groups'],
    },
  ];
  for (const { who, asked, window, as } of holders) {
    const why = as.length > 0 && (lacks ?? (hasTool('setpriv') ? undefined : 'needs setpriv'));
    it.skipIf(why)(
      `${who} leases, maps (${asked}), commits, hears a recall and returns${why ? ` (${why})` : ''}`,
      {
        timeout: 40_000,
      },
      async () => {
        await volume.bash('chmod 755 . "$ROOT"; truncate -s 1M hole');
        if (as.length > 0) await volume.bash('chown 4321:4321 hole');
        const program = join(checkout, 'test/client/programs/holder.ts');
        const command = [process.execPath, '--import', 'tsx', program, volume.dir, asked];
        const [name = '', ...rest] = as.length > 0 ? ['setpriv', ...as, ...command] : command;
        const holder = volume.start(name, rest, { HOME: volume.root });
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
          window,
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
      },
    );
  }
});
