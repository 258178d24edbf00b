import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explore } from '../../tools/crash/explorer.ts';
import { chosen, operationsNamed, pairs, singles } from '../../tools/crash/workloads.ts';
import { generator, seed } from '../harness/index.ts';
import { BROKEN } from './broken.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'layoutfs-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('crashes of the host', () => {
  test('in every operation alone', async () => {
    let states = 0;
    // Every one with an fsync, and with the group commit or an unmount alternately; `npm run crash` tries all.
    const some = singles().filter((_, i) => i % 3 === 0 || i % 6 === 1 || i % 6 === 5);
    for (const { operations, ...options } of some) {
      const result = await explore(operations, { folder, ...options });
      expect(result.violations).toEqual([]);
      states += result.states;
    }
    expect(states).toBeGreaterThan(700);
  }, 600_000);

  test('in chosen sequences and some pairs', async () => {
    const random = generator(seed);
    const some = Array.from({ length: 12 }, () => pairs()[Math.floor(random() * pairs().length)]);
    for (const { operations, ...options } of [...chosen().slice(0, -1), ...some]) {
      const result = await explore(operations, { folder, stride: 3, ...options });
      expect(result.violations).toEqual([]);
      expect(result.states).toBeGreaterThan(0);
    }
  }, 600_000);
});

describe('the explorer sees it when a rule is broken', () => {
  test.each(BROKEN)('$rule', { timeout: 300_000 }, async ({ sabotage, workload, complaint }) => {
    const operations = operationsNamed(workload);
    const broken = await explore(operations, { folder, sabotage, seeds: 2 });
    expect(broken.violations[0]?.problem).toMatch(complaint);
  });
});
