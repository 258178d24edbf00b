/**
 * `npm run crash`: tries crashes of the host in all sequences of up to two operations, and in longer chosen ones.
 *
 *   --shard I/N      only every Nth workload, from the Ith (0 …) on
 *   --quick          single operations and chosen sequences only
 *   --replay JSON    one violation again, as it was printed
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { explore, replay, type Violation } from './explorer.ts';
import { chosen, operationsNamed, pairs, singles } from './workloads.ts';

const { values } = parseArgs({
  options: { shard: { type: 'string', default: '0/1' }, quick: { type: 'boolean' }, replay: { type: 'string' } },
});
const memory = '/dev/shm';
const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'layoutfs-crash-'));
const began = performance.now();
try {
  process.exitCode = values.replay === undefined ? await all() : await again(values.replay);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function all(): Promise<number> {
  const [shard, shards] = values.shard.split('/').map(Number);
  const workloads = [...singles(), ...chosen(), ...(values.quick ? [] : pairs())];
  const sum: Sum = { workloads: 0, places: 0, states: 0, recovered: 0, violations: 0 };
  for (const [i, { operations, ...rest }] of workloads.entries()) {
    if (i % shards !== shard) continue;
    const result = await explore(operations, { folder, seeds: 2, ...rest });
    sum.workloads++;
    sum.places += result.places;
    sum.states += result.states;
    sum.recovered += result.recovered;
    sum.violations += result.violations.length;
    for (const violation of result.violations) tell(violation, rest.unmount === true);
    if (sum.workloads % 100 === 0) console.log(progress(sum));
  }
  console.log(progress(sum));
  return sum.violations === 0 ? 0 : 1;
}

interface Sum {
  workloads: number;
  places: number;
  states: number;
  recovered: number;
  violations: number;
}

function progress({ workloads, places, states, recovered, violations }: Sum): string {
  const seconds = Math.round((performance.now() - began) / 1000);
  return `${workloads} workloads, ${places} places, ${states} states (${recovered} recovered), ${violations} violations, ${seconds} s`;
}

function tell(violation: Violation, unmount: boolean): void {
  console.log(`VIOLATION ${violation.problem}`);
  console.log(`  npm run crash -- --replay '${JSON.stringify({ ...violation, problem: undefined, unmount })}'`);
}

async function again(json: string): Promise<number> {
  const { workload, state, unmount } = JSON.parse(json) as Violation & { unmount: boolean };
  const problem = await replay(operationsNamed(workload), state, { folder, unmount });
  console.log(problem ?? 'this state is as it should be');
  return problem === undefined ? 0 : 1;
}
