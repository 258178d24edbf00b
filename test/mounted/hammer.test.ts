import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { checkout, describeMounted, ended, type MountedVolume, mountVolume, sleep } from '../harness/index.ts';
import { Holder } from './holder.ts';

/** `npm run hammer` does a hundred. */
const ROUNDS = Number(process.env.LAYOUTFS_ROUNDS ?? 2);

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

interface Listed {
  id: number;
  state: string;
}

describeMounted('kill -9 of the daemon under live holders of leases', [], () => {
  it(
    'keeps the blocks that they were told, what is sealed, and what was fsynced',
    async () => {
      volume = await mountVolume({ size: '256m', options: 'commit=0.2', deadline: 60_000 + ROUNDS * 40_000 });
      await volume.bash('head -c 1M /dev/urandom > sealed; sync sealed');
      expect((await volume.layoutfs(['seal', join(volume.dir, 'sealed')])).code).toBe(0);
      const sealed = await volume.bash('cat sealed | sha256sum');
      for (let round = 0; round < ROUNDS; round++) {
        const name = `held${round}`;
        await volume.bash(`head -c 512k /dev/urandom > ${name}; sync ${name}`);
        const holder = await Holder.open(volume);
        const { id, extents, device } = await holder.take(`/${name}`);
        expect(device).toBe(volume.image);
        await holder.ask('map', { path: device, extents });
        await holder.ask('store', { round });
        // Somebody who wants all the space there is, others who remove and make files, and one who fsyncs.
        const greedy = volume.start('bash', [
          '-c',
          'cd "$MNT"; while :; do rm -f big; dd if=/dev/zero of=big bs=1M 2> "$ROOT/dd"; done',
        ]);
        const program = join(checkout, 'test', 'mounted', 'programs', 'fsync-writer.ts');
        const writer = volume.start(process.execPath, ['--import', 'tsx', program, volume.dir, `w${round}-`]);
        let said = '';
        writer.stdout!.on('data', (part: Buffer) => {
          said += part;
        });
        await sleep(700 + 150 * round);
        await volume.kill();
        greedy.kill('SIGKILL');
        writer.kill('SIGKILL');
        await Promise.all([ended(greedy, 30_000), ended(writer, 30_000)]);
        await volume.remount();
        const ls = await volume.layoutfs(['lease', 'ls', volume.dir, '--json']);
        const { leases } = JSON.parse(ls.stdout) as { leases: Listed[] };
        // The holder lives and has the blocks mapped: nobody can say that it has stopped.
        expect(leases.find((lease) => lease.id === id)).toMatchObject({
          state: expect.stringMatching(/orphaned|fenc/),
        });
        const map = await volume.layoutfs(['lease', 'map', join(volume.dir, name), '--json']);
        expect(JSON.parse(map.stdout).extents).toEqual(extents);
        expect(await volume.bash('cat sealed | sha256sum')).toBe(sealed);
        expect((await volume.run('sh', ['-c', ': >> sealed; truncate -s 0 sealed'])).code).not.toBe(0);
        for (const line of said.split('\n').slice(0, -1)) {
          const [file, size] = line.split(' ') as [string, string];
          const bytes = await volume.io(file, readFile(join(volume.dir, file)));
          expect(bytes.length).toBeGreaterThanOrEqual(Number(size));
        }
        // What it stores where it was told to is what the file has: the blocks are its own still.
        await holder.ask('store', { round: round + 1000 });
        expect(await holder.ask('verify', { round: round + 1000 })).toMatchObject({ right: 128 });
        await holder.kill();
        await volume.bash('rm -f big w*');
      }
      await volume.unmount();
      const fsck = await volume.layoutfs(['fsck', volume.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    },
    60_000 + ROUNDS * 40_000,
  );
});
