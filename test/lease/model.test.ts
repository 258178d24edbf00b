import { describe, expect, it } from 'vitest';
import { check, FAULTS } from '../../tools/model/main.ts';
import { hasTool } from '../harness/index.ts';

const missing = ['spin', 'gcc'].filter((tool) => !hasTool(tool));
const suite = missing.length === 0 ? describe : describe.skip;

/** The short version of `npm run model`: as deep as fits into a few seconds. */
suite(`the formal model of leases${missing.length > 0 ? ` (skipped: needs ${missing.join(', ')})` : ''}`, () => {
  it.each([[[]], [['HOLD']]])(
    'has no violation within 260 statements, %j',
    (defines) => {
      const outcome = check(defines, 260, 300_000, '-O0');
      expect(outcome.errors, outcome.text.slice(0, 2000)).toBe(0);
      expect(outcome.states).toBeGreaterThan(1000);
    },
    600_000,
  );

  // The others take a minute each: `npm run model`.
  it.each(FAULTS.slice(0, 4))(
    'sees the fault %s',
    (fault) => {
      expect(check([fault], 200_000, 300_000, '-O0').errors).toBe(1);
    },
    600_000,
  );
});
