/**
 * The POSIX conformance set: cases as data, and what runs them in any directory. `npm run conformance` shows the table.
 */
export type { Case } from './case.ts';
export { cases } from './cases/index.ts';
export { buildDriver, type Outcome, type Place, runCase } from './run.ts';
