import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import { checkout, describeMounted, ended, type MountedVolume, mountVolume, sleep } from '../harness/index.ts';

/** `npm run hammer` does a hundred. */
const ROUNDS = Number(process.env.LAYOUTFS_ROUNDS ?? 4);

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** What a file of fsync-writer.ts must hold up to a size. */
function expected(name: string, size: number): string {
  let text = '';
  for (let k = 0; k < size / 64; k++) text += `${`${name} ${k} `.padEnd(63, '.')}\n`;
  return text;
}

describeMounted('kill -9 of the daemon during writes', [], () => {
  it(
    'loses nothing that was fsynced; remount works and the metadata is whole',
    async () => {
      volume = await mountVolume({ size: '1g', options: 'commit=0.2', deadline: 50_000 + ROUNDS * 30_000 });
      const durable = new Map<string, number>();
      for (let round = 0; round < ROUNDS; round++) {
        const program = join(checkout, 'test', 'mounted', 'programs', 'fsync-writer.ts');
        const writers = ['a', 'b', 'c'].map((letter) => {
          const writer = volume!.start(process.execPath, [
            '--import',
            'tsx',
            program,
            volume!.dir,
            `${letter}${round}-`,
          ]);
          let said = '';
          writer.stdout!.on('data', (part: Buffer) => {
            said += part;
          });
          return { writer, said: () => said };
        });
        // Changes that nobody fsyncs, at the same time: renames and removals must leave some state that was.
        const churn = volume.start('bash', [
          '-c',
          `cd "$MNT"; set -e; for i in $(seq 100000); do mkdir t$i; mv t$i u$i; rmdir u$i; done`,
        ]);
        while (writers.some(({ said }) => said().length < 1000)) await sleep(20);
        await sleep(100 * round);
        await volume.kill();
        await Promise.all([...writers.map(({ writer }) => ended(writer, 20_000)), ended(churn, 60_000)]);
        for (const { said } of writers) {
          for (const line of said().split('\n').slice(0, -1)) {
            const [name, size] = line.split(' ');
            durable.set(name as string, Number(size));
          }
        }
        await volume.remount();
        for (const [name, size] of durable) {
          const text = await volume.io(name, readFile(join(volume.dir, name), 'utf8'));
          expect(text.length, `${name} of round ${round}`).toBeGreaterThanOrEqual(size);
          expect(text.slice(0, size)).toBe(expected(name, size));
        }
      }
      expect(durable.size).toBeGreaterThanOrEqual(ROUNDS * 3);
      await volume.unmount();
      const db = new Database(`${volume.image}.meta`);
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      db.close();
      const fsck = await volume.layoutfs(['fsck', volume.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    },
    60_000 + ROUNDS * 30_000,
  );
});
