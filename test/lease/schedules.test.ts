/**
 * Random schedules of requests, operations, recalls, late and lost answers, deaths, crashes and clock steps. After every step the
 * invariants of leases.md section 10 are checked against the world's own block map. SCHEDULES=100000 for the long run.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TRANSITIONS } from '../../src/lease/states.ts';
import { Run, steps } from './schedule-run.ts';
import { step } from './schedule-steps.ts';

/**
 * Giving up before the grant leaves no row. The others need several unlikely things in a row: tests written by hand take them
 * (downgrade to the target, force after a fence that failed, a crash within a fence).
 */
const RARE = ['PENDING RELEASED', 'RECALLED GRANTED', 'FENCE_FAILED REVOKED', 'FENCING ORPHANED'];

describe('invariants I1 to I16 over random schedules (leases.md section 10)', () => {
  const numRuns = Number(process.env.SCHEDULES ?? 2000);
  test(`${numRuns} schedules`, { timeout: Math.max(60_000, numRuns * 20) }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom('quarantine', 'hold'),
        fc.array(step, { minLength: 1, maxLength: 40 }),
        (expired, schedule) => {
          const run = new Run(expired as 'quarantine');
          for (const s of schedule) {
            run.note();
            run.take(s);
            run.check();
          }
          run.finish();
        },
      ),
      { numRuns, seed: Number(process.env.SEED ?? 20_260_101) },
    );
    if (numRuns < 2000) return;
    // Every step of the table of states was taken by one of them.
    const taken = TRANSITIONS.map(({ from, to }) => `${from} ${to}`).filter((each) => !steps.has(each));
    expect([...new Set(taken)].filter((each) => !RARE.includes(each))).toEqual([]);
  });
});
