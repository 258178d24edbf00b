import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

/** Names that are committed: what another reader of the metadata sees. */
function committed(volume: MountedVolume): string {
  const database = new Database(`${volume.image}.meta`, { readonly: true });
  try {
    const rows = database.prepare('SELECT name FROM dentry ORDER BY name').raw().all() as [Buffer][];
    return rows.map(([name]) => name.toString()).join(' ');
  } finally {
    database.close();
  }
}

/** Calls, each with the names that are there after it. */
const CALLS: readonly (readonly [string, string])[] = [
  ['mkdir d', 'd'],
  ['mkfifo p', 'd p'],
  ['touch f', 'd f p'],
  ['ln f g', 'd f g p'],
  ['ln -s x s', 'd f g p s'],
  ['mv f h', 'd g h p s'],
  ['rm g', 'd h p s'],
  ['rmdir d', 'h p s'],
];

describeMounted('durable names', [], () => {
  test.each(['dirsync', 'sync'])(
    'with %s a change of names is committed before it returns',
    { timeout: 90_000 },
    async (option) => {
      await using volume = await mountVolume({ options: `${option},commit=300` });
      for (const [call, names] of CALLS) {
        await volume.bash(call);
        expect([call, committed(volume)]).toEqual([call, names]);
      }
    },
  );

  test('without them it is not, and chattr +D does it for one directory', { timeout: 90_000 }, async () => {
    await using volume = await mountVolume({ options: 'commit=300' });
    await volume.bash('mkdir plain; python3 -c "import os; os.sync()"');
    expect(committed(volume)).toBe('');
    await volume.bash('mkdir sync; chattr +D sync; touch sync/inside');
    expect(committed(volume)).toBe('inside plain sync');
    await volume.bash('touch outside');
    expect(committed(volume)).toBe('inside plain sync');
    await volume.bash('python3 -c "import os; os.fsync(os.open(\\".\\", os.O_RDONLY))"');
    expect(committed(volume)).toBe('inside outside plain sync');
  });
});
