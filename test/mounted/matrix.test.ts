import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { POLICY_NAMES, type Policy } from '../../src/lease/policies.ts';
import { ROW_NAMES } from '../../src/lease/rows.ts';
import { checkout, describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { Actor } from './actor.ts';
import { COLUMNS, type Column, cell, expected, impossible } from './matrix.ts';
import { OPERATIONS, type Operation } from './matrix-operations.ts';
import { cellKey, reportPage, type Seen } from './matrix-report.ts';

/** Rows that are no operation of a process, or need more than one lease: shown elsewhere. */
const ELSEWHERE: Record<string, string> = {
  commit: 'test/mounted/leases.test.ts "commit by another layout holder"',
  unmount: 'test/mounted/leases.test.ts "row 27"',
  'device-lost': 'test/mounted/leases.test.ts "row 28"',
};
/** Cells at work at the same time, on files of their own. */
const AT_ONCE = 8;
const ALL = process.env.LAYOUTFS_MATRIX === 'all';
const LIMIT = ALL ? 1_800_000 : 300_000;
const PAGE = join(checkout, 'docs', 'lease-matrix-mounted.md');
const seen: Seen = new Map();

let volume: MountedVolume | undefined;
afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

interface Cell {
  operation: Operation;
  column: Column;
  own: boolean;
}

/** Of the other policies only the rows where they differ from strict, unless all are asked for. */
function cellsOf(policy: Policy): Cell[] {
  const cells: Cell[] = [];
  for (const operation of OPERATIONS) {
    for (const column of COLUMNS) {
      for (const own of [false, true]) {
        if (own && column.sealed) continue;
        const differs = expected(policy, operation, column, own) !== expected('strict', operation, column, own);
        if (policy === 'strict' || ALL || differs) cells.push({ operation, column, own });
      }
    }
  }
  return cells;
}

it('every row of the matrix has an operation here, or a test elsewhere', () => {
  const here = new Set<string>(OPERATIONS.map(({ row }) => row));
  expect(ROW_NAMES.filter((row) => !here.has(row) && !(row in ELSEWHERE))).toEqual([]);
});

it('the page of what was seen on a mount has every cell, and says what the tables of the program say', () => {
  const wanted: Seen = new Map();
  for (const policy of POLICY_NAMES) {
    for (const operation of OPERATIONS) {
      for (const column of COLUMNS) {
        for (const own of [false, true]) {
          const none = impossible(operation, column);
          const letter = expected(policy, operation, column, own);
          const text = none === undefined ? (letter === 'Y' ? 'EBUSY' : letter) : `– (${none})`;
          wanted.set(cellKey(policy, operation, column, own), text);
        }
      }
    }
  }
  expect(readFileSync(PAGE, 'utf8')).toBe(reportPage(POLICY_NAMES, wanted));
});

describeMounted('the operation matrix on a mount', ['python3'], () => {
  for (const policy of POLICY_NAMES) {
    it(
      `policy ${policy}: every operation under every kind, by others and by the holder`,
      async () => {
        volume = await mountVolume({ size: '8g', options: `policy=${policy}`, deadline: LIMIT - 20_000 });
        const [holder, third] = [new Actor(volume), new Actor(volume)];
        const cells = cellsOf(policy);
        const wrong: string[] = [];
        let at = 0;
        const worker = async (): Promise<void> => {
          for (let next = cells[at++]; next; next = cells[at++]) {
            const { operation, column, own } = next;
            try {
              const found = await cell(policy, operation, column, own, holder, third);
              seen.set(cellKey(policy, operation, column, own), found);
            } catch (error) {
              wrong.push(
                `${operation.name} | ${column.name} | ${own ? 'holder' : 'third'}: ${(error as Error).message}`,
              );
            }
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        expect(wrong).toEqual([]);
        expect(cells.length).toBeGreaterThan(10);
        await Promise.all([holder.end(), third.end()]);
        await volume.unmount();
        const fsck = await volume.layoutfs(['fsck', volume.image]);
        expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
        if (ALL && POLICY_NAMES.indexOf(policy) === POLICY_NAMES.length - 1)
          writeFileSync(PAGE, reportPage(POLICY_NAMES, seen));
      },
      LIMIT,
    );
  }
});
