import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { check, FSCK_EXIT } from '../../src/check/index.ts';
import { type Fixture, volume } from './fixture.ts';

export interface Damage {
  code: string;
  what: string;
  /** Mended by -p already. */
  safe: boolean;
  sql: string;
  /** Other findings that the same damage must bring; no others are allowed in report mode. */
  also?: string[];
  /** What the repair must have kept or set. */
  after?: (fixture: Fixture) => void;
}

export const insertInode = (ino: number, mode: number, nlink: number, more = ''): string =>
  `INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns, btime_s, btime_ns)
     VALUES (${ino}, ${mode}, 0, 0, ${nlink}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); UPDATE volume SET inodes = inodes + 1; ${more}`;
export const names = (fixture: Fixture, parent: number): string[] =>
  fixture.rows(`SELECT name FROM dentry WHERE parent = ${parent} ORDER BY name`).map((row) => String(row.name));
export const lost = (fixture: Fixture): string[] =>
  names(fixture, Number(fixture.value(`SELECT ino FROM dentry WHERE parent = 1 AND name = x'6c6f73742b666f756e64'`)));
export const bit = (group: number, block: number, value: number): string => {
  const at = block >> 3;
  const mask = 1 << (block & 7);
  return `UPDATE space SET bitmap = CAST(substr(bitmap, 1, ${at}) || ${
    value ? `x'${mask.toString(16).padStart(2, '0')}'` : `x'00'`
  } || substr(bitmap, ${at + 2}) AS BLOB) WHERE number = ${group}`;
};

export async function run(fixture: Fixture, mode: 'report' | 'preen' | 'all') {
  const report = await check(fixture.image, { mode, now: 1_700_000_100 });
  expect(report.refused).toBeUndefined();
  return report;
}

/** Each damage is found, mended and gone, and nothing else is found. */
export function testDamages(damages: readonly Damage[]): void {
  describe.each(damages)('$code: $what', ({ code, safe, sql, also = [], after }) => {
    test('is found without a change, mended, and gone', async () => {
      const fixture = volume();
      fixture.damage(sql);
      const before = readFileSync(`${fixture.image}.meta`);

      const found = await run(fixture, 'report');
      expect(found.exitCode).toBe(FSCK_EXIT.UNCORRECTED);
      const allowed = new Set([code, ...also.map((name) => name.replace('?', ''))]);
      expect(Object.keys(found.counts).filter((name) => !allowed.has(name))).toEqual([]);
      for (const name of [code, ...also.filter((entry) => !entry.endsWith('?'))])
        expect(found.counts).toHaveProperty(name);
      expect(readFileSync(`${fixture.image}.meta`).equals(before)).toBe(true);

      const preened = await run(fixture, 'preen');
      const still = preened.problems.filter((problem) => problem.code === code && !problem.repaired);
      expect(still.length > 0).toBe(!safe);
      if (safe) expect(preened.exitCode & FSCK_EXIT.CORRECTED).toBe(FSCK_EXIT.CORRECTED);

      const mended = await run(fixture, 'all');
      expect(mended.problems.filter((problem) => !problem.repaired)).toEqual([]);
      if (!safe) expect(mended.exitCode).toBe(FSCK_EXIT.CORRECTED);

      const again = await run(fixture, 'report');
      expect(again.problems).toEqual([]);
      expect(again.exitCode).toBe(FSCK_EXIT.CLEAN);
      after?.(fixture);
    });
  });
}
