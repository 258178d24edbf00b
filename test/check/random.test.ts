import fc from 'fast-check';
import { expect, test } from 'vitest';
import { check } from '../../src/check/index.ts';
import { volume } from './fixture.ts';

/** Columns that may hold anything, with values that are near to right ones and far from them. */
const COLUMNS: Record<string, string[]> = {
  inode: ['ino', 'mode', 'nlink', 'size', 'blocks', 'parent', 'next_cookie', 'sealed', 'mtime_ns', 'uid'],
  dentry: ['parent', 'cookie', 'ino', 'type'],
  symlink: ['ino'],
  xattr: ['ino'],
  orphan: ['ino'],
  extent: ['ino', 'file_block', 'device_block', 'length'],
  shared: ['device_block', 'length', 'count'],
  space: ['number', 'free'],
  lease: ['ino', 'offset', 'length', 'parent', 'epoch', 'id'],
  quarantine: ['device_block', 'length', 'lease'],
  volume: ['next_ino', 'next_lease', 'inodes', 'first_block', 'device_blocks'],
};

/** A file that wanders through most of the device has nowhere to go from a quarantine: said, and left. */
const NO_ROOM = 'quarantine-in-file';

const number = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 0, max: 45000 }),
  fc.constantFrom(
    -1,
    0,
    1,
    2,
    0o40755,
    0o100644,
    0o120777,
    3000,
    3003,
    6000,
    32768,
    2 ** 31,
    2 ** 45,
    2 ** 52,
    2 ** 53 - 1,
  ),
);

const damage = fc.constantFrom(...Object.keys(COLUMNS)).chain((table) =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...COLUMNS[table]), fc.nat(20), number)
        .map(([column, row, value]) => ({ table, column, row, value })),
    },
    { weight: 1, arbitrary: fc.nat(20).map((row) => ({ table, column: '', row, value: 0 })) },
  ),
);

/** OR IGNORE: what a constraint forbids cannot be on disk. */
function sqlOf({ table, column, row, value }: { table: string; column: string; row: number; value: number }): string {
  const key = { dentry: '(parent, name)', xattr: '(ino, name)', extent: '(ino, file_block)' }[table] ?? 'rowid';
  const which = `${key} IN (SELECT ${key.replace(/[()]/g, '')} FROM ${table} LIMIT 1 OFFSET ${row} % (SELECT max(1, count(*)) FROM ${table}))`;
  if (column !== '') return `UPDATE OR IGNORE ${table} SET ${column} = ${value} WHERE ${which}`;
  return table === 'volume' ? '' : `DELETE FROM ${table} WHERE ${which}`;
}

test('whatever is damaged: one run of -y mends it all, and a second finds nothing', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 6 }), async (damages) => {
      const fixture = volume();
      for (const one of damages) fixture.damage(sqlOf(one));
      const mended = await check(fixture.image, { mode: 'all', now: 1 });
      expect(mended.refused).toBeUndefined();
      const again = await check(fixture.image, { mode: 'report' });
      for (const { problems } of [{ problems: mended.problems.filter((problem) => !problem.repaired) }, again]) {
        expect(problems.filter((problem) => problem.code !== NO_ROOM)).toEqual([]);
      }
    }),
    { numRuns: Number(process.env.LAYOUTFS_RUNS ?? 30) },
  );
});
